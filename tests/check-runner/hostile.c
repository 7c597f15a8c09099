/*
 * A server that does everything wrong on purpose, one path for each way. Serves 127.0.0.1 on a
 * port of its own choice, which it prints; the first argument is a port that it redirects to and
 * that nobody may ever connect to. One process per connection, so a stuck one holds up nothing.
 */
#define _DEFAULT_SOURCE 1

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Content-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"

static const char *forbidden_port;
static unsigned *counters; /* shared by all connections */

struct request {
	int fd;
	char text[16384];
	size_t len;
	char method[16];
	char path[4096];
	char query[4096];
};

static bool
send_all(int fd, const void *bytes, size_t n)
{
	const char *at = bytes;

	while (n > 0) {
		ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		at += sent;
		n -= (size_t)sent;
	}
	return true;
}

static bool
say(int fd, const char *text)
{
	return send_all(fd, text, strlen(text));
}

static void
pause_ms(long ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static void
page(int fd, const char *status, const char *headers, const void *body, size_t len)
{
	char head[16384];
	int n = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n", status,
		len, headers);

	(void)(send_all(fd, head, (size_t)n) && send_all(fd, body, len));
}

static void
text_page(int fd, const char *text)
{
	page(fd, "200 OK", "Content-Type: text/html\r\n", text, strlen(text));
}

static void
redirect(int fd, const char *status, const char *location)
{
	char header[9000];

	snprintf(header, sizeof(header), "Location: %s\r\n", location);
	page(fd, status, header, "moved", 5);
}

/* Bits, least significant first, as deflate has them. */
struct bits {
	unsigned char bytes[65536];
	size_t nr;
	unsigned hold;
	unsigned held;
};

static void
put(struct bits *b, unsigned value, unsigned nr)
{
	b->hold |= value << b->held;
	b->held += nr;
	while (b->held >= 8) {
		b->bytes[b->nr++] = (unsigned char)b->hold;
		b->hold >>= 8;
		b->held -= 8;
	}
}

/*
 * A deflate block that writes 'a' for ever: the literal, then "258 bytes from one byte back"
 * (code 285, 11000101, highest bit first; distance code 0, five zeros).
 */
static void
bomb(struct request *r, const char *headers)
{
	static const unsigned char gzip[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3 };
	static struct bits b;

	if (!say(r->fd, headers) || !send_all(r->fd, gzip, sizeof(gzip)))
		return;
	put(&b, 1, 1);
	put(&b, 1, 2);
	put(&b, 0x89, 8); /* 'a': 10010001, reversed */
	for (;;) {
		while (b.nr < 60000) {
			put(&b, 0xa3, 8);
			put(&b, 0, 5);
		}
		if (!send_all(r->fd, b.bytes, b.nr))
			return;
		b.nr = 0;
	}
}

static uint32_t
crc32_of(const unsigned char *bytes, size_t n)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < n; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static uint32_t
adler32_of(const unsigned char *bytes, size_t n)
{
	uint32_t sum = 1;
	uint32_t sums = 0;

	for (size_t i = 0; i < n; i++) {
		sum = (sum + bytes[i]) % 65521;
		sums = (sums + sum) % 65521;
	}
	return sums << 16 | sum;
}

/* A deflate block that stores, and is the last one. */
static size_t
stored(unsigned char *out, const char *text)
{
	size_t len = strlen(text);
	size_t n = 0;

	out[n++] = 1;
	out[n++] = (unsigned char)len;
	out[n++] = (unsigned char)(len >> 8);
	out[n++] = (unsigned char)~len;
	out[n++] = (unsigned char)(~len >> 8);
	memcpy(out + n, text, len);
	return n + len;
}

/* A gzip file of one stored block. */
static size_t
gzip_stored(unsigned char *out, const char *text)
{
	static const unsigned char head[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3 };
	size_t len = strlen(text);
	uint32_t crc = crc32_of((const unsigned char *)text, len);
	size_t n = sizeof(head);

	memcpy(out, head, n);
	n += stored(out + n, text);
	for (int i = 0; i < 4; i++)
		out[n++] = (unsigned char)(crc >> 8 * i);
	for (int i = 0; i < 4; i++)
		out[n++] = (unsigned char)((uint32_t)len >> 8 * i);
	return n;
}

/* What the standard calls deflate has a head and a sum; what some servers send has neither. */
static void
do_deflate(struct request *r)
{
	static const char text[] = "a page that was packed";
	unsigned char body[256] = { 0x78, 0x01 };
	size_t n = 2 + stored(body + 2, text);
	uint32_t sum = adler32_of((const unsigned char *)text, strlen(text));

	for (int i = 3; i >= 0; i--)
		body[n++] = (unsigned char)(sum >> 8 * i);
	page(r->fd, "200 OK", "Content-Encoding: deflate\r\n", body, n);
}

static void
do_deflate_raw(struct request *r)
{
	unsigned char body[256];
	size_t n = stored(body, "a page that was packed");

	page(r->fd, "200 OK", "Content-Encoding: deflate\r\n", body, n);
}

static void
do_gzip(struct request *r)
{
	unsigned char body[256];
	size_t n = gzip_stored(body, "a page that was packed");

	page(r->fd, "200 OK", "Content-Encoding: gzip\r\n", body, n);
}

static void
do_gzip_broken(struct request *r)
{
	unsigned char body[256];
	size_t n = gzip_stored(body, "a page that was packed");

	body[n - 6] ^= 1;
	page(r->fd, "200 OK", "Content-Encoding: gzip\r\n", body, n);
}

static void
do_bomb(struct request *r)
{
	bomb(r, OK "Content-Encoding: gzip\r\nConnection: close\r\n\r\n");
}

static void
do_bomb_nested(struct request *r)
{
	bomb(r, OK "Content-Encoding: gzip, gzip\r\nConnection: close\r\n\r\n");
}

static void
do_bomb_twice(struct request *r)
{
	bomb(r, OK "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n");
}

static void
do_bomb_transfer(struct request *r)
{
	bomb(r, OK "Transfer-Encoding: gzip\r\nConnection: close\r\n\r\n");
}

static void
do_brotli(struct request *r)
{
	page(r->fd, "200 OK", "Content-Encoding: br\r\n", "\x0b\x02\x80hello\x03", 9);
}

static void
do_zstd(struct request *r)
{
	static const char packed[] = "\x28\xb5\x2f\xfd\x24\x05\x29\x00\x00hello\x43\x21\x11\x35";

	page(r->fd, "200 OK", "Content-Encoding: zstd\r\n", packed, sizeof(packed) - 1);
}

static void
do_endless_chunked(struct request *r)
{
	char chunk[4096 + 16];
	int n = snprintf(chunk, sizeof(chunk), "1000\r\n%04096d\r\n", 0);

	if (!say(r->fd, CHUNKED))
		return;
	while (send_all(r->fd, chunk, (size_t)n))
		;
}

static void
do_endless_found(struct request *r)
{
	if (say(r->fd, CHUNKED "6\r\nneedle\r\n"))
		do_endless_chunked(r);
}

static void
do_endless_drip(struct request *r)
{
	if (!say(r->fd, CHUNKED "6\r\nneedle\r\n"))
		return;
	while (say(r->fd, "1\r\nx\r\n"))
		pause_ms(20);
}

static void
do_header_flood(struct request *r)
{
	if (!say(r->fd, OK))
		return;
	while (say(r->fd,
		"X-Flood: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"))
		;
}

/* As many header lines as the query says, none of them long. */
static void
do_header_many(struct request *r)
{
	long left = strtol(r->query, NULL, 10);

	if (!say(r->fd, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n"))
		return;
	while (--left > 0 && say(r->fd, "a:b\r\n"))
		;
	(void)say(r->fd, "\r\nneedle");
}

static void
do_header_long(struct request *r)
{
	if (!say(r->fd, OK "X-Long: "))
		return;
	while (say(r->fd, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))
		;
}

static void
do_interim_flood(struct request *r)
{
	while (say(r->fd, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"))
		;
}

static void
do_interim(struct request *r)
{
	if (say(r->fd,
		    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"))
		text_page(r->fd, "after interim answers");
}

static void
do_trailer_flood(struct request *r)
{
	if (!say(r->fd, CHUNKED "6\r\nneedle\r\n0\r\n"))
		return;
	while (say(r->fd,
		"X-Flood: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"))
		;
}

static void
drip(int fd, const char *text)
{
	for (; *text && send_all(fd, text, 1); text++)
		pause_ms(40);
	pause_ms(60000);
}

static void
do_drip_header(struct request *r)
{
	drip(r->fd, OK "Content-Type: text/html\r\nX-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
}

static void
do_drip_body(struct request *r)
{
	if (say(r->fd, OK "Content-Length: 1000\r\n\r\n"))
		drip(r->fd, "this comes one byte at a time and never ends, or so it seems");
}

static void
do_http09(struct request *r)
{
	(void)say(r->fd, "<html>needle</html>\n");
}

static void
do_garbage(struct request *r)
{
	(void)say(r->fd, "SSH-2.0-OpenSSH_9.2p1 needle\r\n");
}

static void
reset(int fd)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static void
do_reset(struct request *r)
{
	reset(r->fd);
}

static void
do_reset_body(struct request *r)
{
	(void)say(r->fd, OK "Content-Length: 1000\r\n\r\nthe start of a page");
	pause_ms(30);
	reset(r->fd);
}

static void
do_cut(struct request *r)
{
	(void)say(r->fd, OK "Content-Length: 1000\r\n\r\nthe start of a page");
}

static void
do_cut_chunked(struct request *r)
{
	(void)say(r->fd, CHUNKED "13\r\nthe start of a page\r\n");
}

static void
do_empty(struct request *r)
{
	(void)r;
}

static void
do_nul(struct request *r)
{
	page(r->fd, "200 OK", "", "before\0needle\0after", 19);
}

static void
do_split(struct request *r)
{
	static const char *const parts[] = { "3\r\nMy \r\n", "5\r\nAmazi\r\n", "2\r\nng\r\n",
		"4\r\n App\r\n", "0\r\n\r\n" };

	if (!say(r->fd, CHUNKED))
		return;
	for (size_t i = 0; i < COUNT(parts); i++) {
		pause_ms(5);
		if (!say(r->fd, parts[i]))
			return;
	}
}

/* A text that lies across the border of two pieces far into a big body. */
static void
do_split_far(struct request *r)
{
	static char body[300000];

	memset(body, '.', sizeof(body));
	memcpy(body + 16384 * 9 - 5, "My Amazing App", 14);
	memcpy(body + sizeof(body) - 3, "end", 3);
	page(r->fd, "200 OK", "", body, sizeof(body));
}

static void
do_invalid(struct request *r)
{
	page(r->fd, "200 OK", "", "caf\xe9 \xff\xfe needle \xc3\xa9 \xed\xa0\x80 end", 28);
}

static void
do_escapes(struct request *r)
{
	text_page(r->fd, "needle \033]0;owned\007 \033[2J\r\b \xe2\x80\xae txet \xc2\x9b fin");
}

static void
do_spaces(struct request *r)
{
	static char body[100001];

	memset(body, ' ', sizeof(body) - 1);
	body[sizeof(body) - 1] = 'x';
	page(r->fd, "200 OK", "", body, sizeof(body));
}

/* A page of total bytes: the letter a, and then the end. */
static void
long_page(int fd, size_t total, const char *end)
{
	char piece[16384];
	size_t left = total - strlen(end);
	int n = snprintf(piece, sizeof(piece), OK "Content-Length: %zu\r\n\r\n", total);
	bool sent = send_all(fd, piece, (size_t)n);

	memset(piece, 'a', sizeof(piece));
	for (; sent && left > 0; left -= left < sizeof(piece) ? left : sizeof(piece))
		sent = send_all(fd, piece, left < sizeof(piece) ? left : sizeof(piece));
	if (sent)
		(void)say(fd, end);
}

static void
do_big(struct request *r)
{
	long_page(r->fd, 8 << 20, "needle");
}

static void
do_too_big(struct request *r)
{
	long_page(r->fd, (8 << 20) + 1, "");
}

static void
do_two_mib(struct request *r)
{
	long_page(r->fd, 2 << 20, "needle");
}

/* Bytes that look like the start of the wanted text at every position. */
static void
do_almost(struct request *r)
{
	long_page(r->fd, 1 << 20, "");
}

static void
do_hang(struct request *r)
{
	(void)r;
	pause_ms(60000);
}

static void
do_slow(struct request *r)
{
	pause_ms(strtol(r->query, NULL, 10));
	text_page(r->fd, "slow but right");
}

/* 503 until it was asked often enough: /after?N.KEY, counted for each key. */
static void
do_after(struct request *r)
{
	char *end = NULL;
	unsigned long n = strtoul(r->query, &end, 10);
	unsigned long key = *end ? strtoul(end + 1, NULL, 10) : 0;

	if (__atomic_add_fetch(&counters[key % 64], 1, __ATOMIC_SEQ_CST) < n)
		page(r->fd, "503 Service Unavailable", "Retry-After: 1\r\n", "warming up", 10);
	else
		text_page(r->fd, "ready now");
}

/* 200 the first time, 500 ever after: /once?KEY */
static void
do_once(struct request *r)
{
	unsigned long key = strtoul(r->query, NULL, 10);

	if (__atomic_add_fetch(&counters[key % 64], 1, __ATOMIC_SEQ_CST) == 1)
		text_page(r->fd, "ready once");
	else
		page(r->fd, "500 Internal Server Error", "", "broken", 6);
}

static void
do_count(struct request *r)
{
	char text[32];

	snprintf(text, sizeof(text), "%u",
		__atomic_load_n(&counters[strtoul(r->query, NULL, 10) % 64], __ATOMIC_SEQ_CST));
	text_page(r->fd, text);
}

static void
do_echo(struct request *r)
{
	char headers[256];

	snprintf(headers, sizeof(headers),
		"Content-Type: text/plain\r\nX-One: 1\r\nX-Two: a\r\nX-Two: b\r\nX-Method: %s\r\n",
		r->method);
	page(r->fd, "200 OK", headers, r->text, r->len);
}

static void
do_status(struct request *r)
{
	char status[64];

	snprintf(status, sizeof(status), "%.40s Some", r->query);
	page(r->fd, status, "", "body of it", 10);
}

/* /to?LOCATION, and %P in it is the port that nobody may connect to. */
static void
do_to(struct request *r)
{
	char location[8192];
	const char *mark = strstr(r->query, "%P");

	if (mark)
		snprintf(location, sizeof(location), "%.*s%s%s", (int)(mark - r->query), r->query,
			forbidden_port, mark + 2);
	else
		snprintf(location, sizeof(location), "%s", r->query);
	redirect(r->fd, "302 Found", location);
}

static void
do_to_307(struct request *r)
{
	redirect(r->fd, "307 Temporary Redirect", r->query);
}

/* An app that insists on TLS, and believes the header. */
static void
do_secure(struct request *r)
{
	if (strstr(r->text, "X-Forwarded-Proto: https\r\n"))
		text_page(r->fd, "came by https");
	else
		redirect(r->fd, "301 Moved Permanently", "https://app.example/secure");
}

static void
do_loop(struct request *r)
{
	redirect(r->fd, "302 Found", "/loop");
}

/* /hops?N: as many redirects, and then a page. */
static void
do_hops(struct request *r)
{
	char location[64];
	long left = strtol(r->query, NULL, 10);

	snprintf(location, sizeof(location), "/hops?%ld", left - 1);
	if (left > 0)
		redirect(r->fd, "302 Found", location);
	else
		text_page(r->fd, "arrived");
}

static void
do_loop_big(struct request *r)
{
	if (!say(r->fd,
		    "HTTP/1.1 302 Found\r\nLocation: /page\r\nTransfer-Encoding: chunked\r\n\r\n"))
		return;
	while (say(r->fd, "10\r\nendless redirect\r\n"))
		;
}

static void
do_bad_length(struct request *r)
{
	(void)say(r->fd, OK "Content-Length: -5\r\n\r\nneedle");
}

static void
do_bad_chunk(struct request *r)
{
	(void)say(r->fd, CHUNKED "fffffffffffffffffff\r\nneedle\r\n");
}

static void
do_no_status(struct request *r)
{
	(void)say(r->fd, "HTTP/1.1 \r\nContent-Length: 6\r\n\r\nneedle");
}

static void
do_switch(struct request *r)
{
	(void)say(r->fd, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nneedle");
	pause_ms(60000);
}

static void
do_upgrade(struct request *r)
{
	page(r->fd, "426 Upgrade Required", "Upgrade: websocket\r\n", "websocket only", 14);
}

static void
do_page(struct request *r)
{
	text_page(r->fd, "<html>\n<title>Our Team</title>\nMy Amazing App\n</html>\n");
}

static const struct {
	const char *path;
	void (*answer)(struct request *r);
} answers[] = {
	{ "/", do_page },
	{ "/page", do_page },
	{ "/gzip", do_gzip },
	{ "/deflate", do_deflate },
	{ "/deflate-raw", do_deflate_raw },
	{ "/gzip-broken", do_gzip_broken },
	{ "/bomb", do_bomb },
	{ "/bomb-nested", do_bomb_nested },
	{ "/bomb-twice", do_bomb_twice },
	{ "/bomb-transfer", do_bomb_transfer },
	{ "/brotli", do_brotli },
	{ "/zstd", do_zstd },
	{ "/endless-chunked", do_endless_chunked },
	{ "/endless-found", do_endless_found },
	{ "/endless-drip", do_endless_drip },
	{ "/header-flood", do_header_flood },
	{ "/header-many", do_header_many },
	{ "/header-long", do_header_long },
	{ "/interim-flood", do_interim_flood },
	{ "/interim", do_interim },
	{ "/trailer-flood", do_trailer_flood },
	{ "/drip-header", do_drip_header },
	{ "/drip-body", do_drip_body },
	{ "/http09", do_http09 },
	{ "/garbage", do_garbage },
	{ "/reset", do_reset },
	{ "/reset-body", do_reset_body },
	{ "/cut", do_cut },
	{ "/cut-chunked", do_cut_chunked },
	{ "/empty", do_empty },
	{ "/nul", do_nul },
	{ "/split", do_split },
	{ "/split-far", do_split_far },
	{ "/invalid", do_invalid },
	{ "/escapes", do_escapes },
	{ "/spaces", do_spaces },
	{ "/big", do_big },
	{ "/too-big", do_too_big },
	{ "/two-mib", do_two_mib },
	{ "/almost", do_almost },
	{ "/hang", do_hang },
	{ "/slow", do_slow },
	{ "/after", do_after },
	{ "/once", do_once },
	{ "/count", do_count },
	{ "/echo", do_echo },
	{ "/status", do_status },
	{ "/to", do_to },
	{ "/to-307", do_to_307 },
	{ "/secure", do_secure },
	{ "/hops", do_hops },
	{ "/loop", do_loop },
	{ "/loop-big", do_loop_big },
	{ "/bad-length", do_bad_length },
	{ "/bad-chunk", do_bad_chunk },
	{ "/no-status", do_no_status },
	{ "/switch", do_switch },
	{ "/upgrade", do_upgrade },
};

/* Read one request, body included. Returns false when there is none. */
static bool
read_request(struct request *r)
{
	const char *end = NULL;
	size_t want = 0;

	r->len = 0;
	while (!end || r->len < want) {
		ssize_t n = recv(r->fd, r->text + r->len, sizeof(r->text) - 1 - r->len, 0);
		if (n <= 0)
			return false;
		r->len += (size_t)n;
		r->text[r->len] = '\0';
		end = strstr(r->text, "\r\n\r\n");
		const char *length = strstr(r->text, "Content-Length: ");
		if (end)
			want = (size_t)(end + 4 - r->text) +
				(length && length < end ? strtoul(length + 16, NULL, 10) : 0);
	}
	const char *blank = strchr(r->text, ' ');
	if (!blank || (size_t)(blank - r->text) >= sizeof(r->method))
		return false;
	snprintf(r->method, sizeof(r->method), "%.*s", (int)(blank - r->text), r->text);
	size_t path = strcspn(blank + 1, "? ");
	snprintf(r->path, sizeof(r->path), "%.*s", (int)path, blank + 1);
	const char *query = blank + 1 + path;
	query += *query == '?';
	snprintf(r->query, sizeof(r->query), "%.*s", (int)strcspn(query, " "), query);
	return true;
}

static void
serve(int fd)
{
	static struct request r;
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	r.fd = fd;
	for (bool again = true; again && read_request(&r);) {
		size_t i = 0;
		while (i < COUNT(answers) && strcmp(answers[i].path, r.path) != 0)
			i++;
		if (i == COUNT(answers)) {
			page(fd, "404 Not Found", "", "nothing here", 12);
			continue;
		}
		answers[i].answer(&r);
		/* What ends with its connection is not followed by another answer. */
		again = answers[i].answer == do_page || answers[i].answer == do_echo ||
			answers[i].answer == do_to || answers[i].answer == do_loop ||
			answers[i].answer == do_after || answers[i].answer == do_status;
	}
	close(fd);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	forbidden_port = argc > 1 ? argv[1] : "1";
	counters = mmap(NULL, 64 * sizeof(counters[0]), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (counters == MAP_FAILED || bind(listener, (struct sockaddr *)&address, len) < 0 ||
		listen(listener, 256) < 0 ||
		getsockname(listener, (struct sockaddr *)&address, &len) < 0)
		return 1;
	signal(SIGCHLD, SIG_IGN);
	printf("%u\n", (unsigned)ntohs(address.sin_port));
	fflush(stdout);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		if (fd < 0)
			continue;
		pid_t child = fork();
		if (child == 0) {
			close(listener);
			/* It holds the output of whoever reads ours open: no longer than we live,
			 * and however long it would go on, the test is over by then. */
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			alarm(60);
			serve(fd);
			_exit(0);
		}
		close(fd);
	}
}
