/*
 * A server that does everything wrong on purpose, with one path for each kind of wrong. It listens
 * on 127.0.0.1 and a free port, which it prints. The first argument is a port that it redirects to
 * and that must never be connected to. Each connection has a process, so that one that hangs does
 * not stop the others.
 */
#define _DEFAULT_SOURCE 1

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base.h"
#include "http.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Content-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"

static const char *forbidden_port;
static unsigned *counters; /* shared by all connections */

/* A request, and the connection that it came on. */
struct asked {
	struct conn conn;
	struct request head;
	char text[32768]; /* all of it: head and body */
	size_t len;
};

static bool
send_all(struct asked *r, const void *bytes, size_t n)
{
	return conn_write(&r->conn, bytes, n);
}

static bool
say(struct asked *r, const char *text)
{
	return send_all(r, text, strlen(text));
}

static void
page(struct asked *r, const char *status, const char *headers, const void *body, size_t len)
{
	char head[16384];
	int n = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n", status,
		len, headers);

	(void)(send_all(r, head, (size_t)n) && send_all(r, body, len));
}

static void
text_page(struct asked *r, const char *text)
{
	page(r, "200 OK", "Content-Type: text/html\r\n", text, strlen(text));
}

static void
redirect(struct asked *r, const char *status, const char *location)
{
	char header[9000];

	snprintf(header, sizeof(header), "Location: %s\r\n", location);
	page(r, status, header, "moved", 5);
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
bomb(struct asked *r, const char *headers)
{
	static const unsigned char gzip[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3 };
	static struct bits b;

	if (!say(r, headers) || !send_all(r, gzip, sizeof(gzip)))
		return;
	put(&b, 1, 1);
	put(&b, 1, 2);
	put(&b, 0x89, 8); /* 'a': 10010001, reversed */
	for (;;) {
		while (b.nr < 60000) {
			put(&b, 0xa3, 8);
			put(&b, 0, 5);
		}
		if (!send_all(r, b.bytes, b.nr))
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

/* The deflate coding of the standard has a header and a checksum. Some servers send neither. */
static void
do_deflate(struct asked *r)
{
	static const char text[] = "a page that was packed";
	unsigned char body[256] = { 0x78, 0x01 };
	size_t n = 2 + stored(body + 2, text);
	uint32_t sum = adler32_of((const unsigned char *)text, strlen(text));

	for (int i = 3; i >= 0; i--)
		body[n++] = (unsigned char)(sum >> 8 * i);
	page(r, "200 OK", "Content-Encoding: deflate\r\n", body, n);
}

static void
do_deflate_raw(struct asked *r)
{
	unsigned char body[256];
	size_t n = stored(body, "a page that was packed");

	page(r, "200 OK", "Content-Encoding: deflate\r\n", body, n);
}

static void
do_gzip(struct asked *r)
{
	unsigned char body[256];
	size_t n = gzip_stored(body, "a page that was packed");

	page(r, "200 OK", "Content-Encoding: gzip\r\n", body, n);
}

static void
do_gzip_broken(struct asked *r)
{
	unsigned char body[256];
	size_t n = gzip_stored(body, "a page that was packed");

	body[n - 6] ^= 1;
	page(r, "200 OK", "Content-Encoding: gzip\r\n", body, n);
}

static void
do_bomb(struct asked *r)
{
	bomb(r, OK "Content-Encoding: gzip\r\nConnection: close\r\n\r\n");
}

static void
do_bomb_nested(struct asked *r)
{
	bomb(r, OK "Content-Encoding: gzip, gzip\r\nConnection: close\r\n\r\n");
}

static void
do_bomb_twice(struct asked *r)
{
	bomb(r, OK "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n");
}

static void
do_bomb_transfer(struct asked *r)
{
	bomb(r, OK "Transfer-Encoding: gzip\r\nConnection: close\r\n\r\n");
}

static void
do_brotli(struct asked *r)
{
	page(r, "200 OK", "Content-Encoding: br\r\n", "\x0b\x02\x80hello\x03", 9);
}

static void
do_zstd(struct asked *r)
{
	static const char packed[] = "\x28\xb5\x2f\xfd\x24\x05\x29\x00\x00hello\x43\x21\x11\x35";

	page(r, "200 OK", "Content-Encoding: zstd\r\n", packed, sizeof(packed) - 1);
}

static void
do_endless_chunked(struct asked *r)
{
	char chunk[4096 + 16];
	int n = snprintf(chunk, sizeof(chunk), "1000\r\n%04096d\r\n", 0);

	if (!say(r, CHUNKED))
		return;
	while (send_all(r, chunk, (size_t)n))
		;
}

static void
do_endless_found(struct asked *r)
{
	if (say(r, CHUNKED "6\r\nneedle\r\n"))
		do_endless_chunked(r);
}

static void
do_endless_drip(struct asked *r)
{
	if (!say(r, CHUNKED "6\r\nneedle\r\n"))
		return;
	while (say(r, "1\r\nx\r\n"))
		sleep_ms(20);
}

static void
do_header_flood(struct asked *r)
{
	if (!say(r, OK))
		return;
	while (say(
		r, "X-Flood: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"))
		;
}

/* Sends as many header lines as the query says, all of them short. */
static void
do_header_many(struct asked *r)
{
	long left = strtol(r->head.query, NULL, 10);

	if (!say(r, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n"))
		return;
	while (--left > 0 && say(r, "a:b\r\n"))
		;
	(void)say(r, "\r\nneedle");
}

static void
do_header_long(struct asked *r)
{
	if (!say(r, OK "X-Long: "))
		return;
	while (say(r, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))
		;
}

static void
do_interim_flood(struct asked *r)
{
	while (say(r, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"))
		;
}

static void
do_interim(struct asked *r)
{
	if (say(r, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"))
		text_page(r, "after interim answers");
}

static void
do_trailer_flood(struct asked *r)
{
	if (!say(r, CHUNKED "6\r\nneedle\r\n0\r\n"))
		return;
	while (say(
		r, "X-Flood: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"))
		;
}

static void
drip(struct asked *r, const char *text)
{
	for (; *text && send_all(r, text, 1); text++)
		sleep_ms(40);
	sleep_ms(60000);
}

static void
do_drip_header(struct asked *r)
{
	drip(r, OK "Content-Type: text/html\r\nX-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
}

static void
do_drip_body(struct asked *r)
{
	if (say(r, OK "Content-Length: 1000\r\n\r\n"))
		drip(r, "this comes one byte at a time and never ends, or so it seems");
}

static void
do_http09(struct asked *r)
{
	(void)say(r, "<html>needle</html>\n");
}

static void
do_garbage(struct asked *r)
{
	(void)say(r, "SSH-2.0-OpenSSH_9.2p1 needle\r\n");
}

static void
reset(struct asked *r)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(r->conn.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static void
do_reset(struct asked *r)
{
	reset(r);
}

static void
do_reset_body(struct asked *r)
{
	(void)say(r, OK "Content-Length: 1000\r\n\r\nthe start of a page");
	sleep_ms(30);
	reset(r);
}

static void
do_cut(struct asked *r)
{
	(void)say(r, OK "Content-Length: 1000\r\n\r\nthe start of a page");
}

static void
do_cut_chunked(struct asked *r)
{
	(void)say(r, CHUNKED "13\r\nthe start of a page\r\n");
}

static void
do_empty(struct asked *r)
{
	(void)r;
}

static void
do_nul(struct asked *r)
{
	page(r, "200 OK", "", "before\0needle\0after", 19);
}

static void
do_split(struct asked *r)
{
	static const char *const parts[] = { "3\r\nMy \r\n", "5\r\nAmazi\r\n", "2\r\nng\r\n",
		"4\r\n App\r\n", "0\r\n\r\n" };

	if (!say(r, CHUNKED))
		return;
	for (size_t i = 0; i < COUNT(parts); i++) {
		sleep_ms(5);
		if (!say(r, parts[i]))
			return;
	}
}

/* A text that spans two pieces, far into a big body. */
static void
do_split_far(struct asked *r)
{
	static char body[300000];

	memset(body, '.', sizeof(body));
	memcpy(body + 16384 * 9 - 5, "My Amazing App", 14);
	memcpy(body + sizeof(body) - 3, "end", 3);
	page(r, "200 OK", "", body, sizeof(body));
}

static void
do_invalid(struct asked *r)
{
	page(r, "200 OK", "", "caf\xe9 \xff\xfe needle \xc3\xa9 \xed\xa0\x80 end", 28);
}

static void
do_escapes(struct asked *r)
{
	text_page(r, "needle \033]0;owned\007 \033[2J\r\b \xe2\x80\xae txet \xc2\x9b fin");
}

static void
do_spaces(struct asked *r)
{
	static char body[100001];

	memset(body, ' ', sizeof(body) - 1);
	body[sizeof(body) - 1] = 'x';
	page(r, "200 OK", "", body, sizeof(body));
}

/* Sends a page of total bytes: the letter a again and again, then the end. */
static void
long_page(struct asked *r, size_t total, const char *end)
{
	char piece[16384];
	size_t left = total - strlen(end);
	int n = snprintf(piece, sizeof(piece), OK "Content-Length: %zu\r\n\r\n", total);
	bool sent = send_all(r, piece, (size_t)n);

	memset(piece, 'a', sizeof(piece));
	for (; sent && left > 0; left -= left < sizeof(piece) ? left : sizeof(piece))
		sent = send_all(r, piece, left < sizeof(piece) ? left : sizeof(piece));
	if (sent)
		(void)say(r, end);
}

static void
do_big(struct asked *r)
{
	long_page(r, 8 << 20, "needle");
}

static void
do_too_big(struct asked *r)
{
	long_page(r, (8 << 20) + 1, "");
}

static void
do_two_mib(struct asked *r)
{
	long_page(r, 2 << 20, "needle");
}

/* Bytes that look like the start of the wanted text at every position. */
static void
do_almost(struct asked *r)
{
	long_page(r, 1 << 20, "");
}

static void
do_hang(struct asked *r)
{
	(void)r;
	sleep_ms(60000);
}

static void
do_slow(struct asked *r)
{
	sleep_ms(strtoul(r->head.query, NULL, 10));
	text_page(r, "slow but right");
}

/* /after?N.KEY answers 503 until the Nth request with this key. */
static void
do_after(struct asked *r)
{
	char *end = NULL;
	unsigned long n = strtoul(r->head.query, &end, 10);
	unsigned long key = *end ? strtoul(end + 1, NULL, 10) : 0;

	if (__atomic_add_fetch(&counters[key % 64], 1, __ATOMIC_SEQ_CST) < n)
		page(r, "503 Service Unavailable", "Retry-After: 1\r\n", "warming up", 10);
	else
		text_page(r, "ready now");
}

/* /once?KEY answers 200 the first time, and 500 from then on. */
static void
do_once(struct asked *r)
{
	unsigned long key = strtoul(r->head.query, NULL, 10);

	if (__atomic_add_fetch(&counters[key % 64], 1, __ATOMIC_SEQ_CST) == 1)
		text_page(r, "ready once");
	else
		page(r, "500 Internal Server Error", "", "broken", 6);
}

static void
do_count(struct asked *r)
{
	char text[32];

	snprintf(text, sizeof(text), "%u",
		__atomic_load_n(
			&counters[strtoul(r->head.query, NULL, 10) % 64], __ATOMIC_SEQ_CST));
	text_page(r, text);
}

static void
do_echo(struct asked *r)
{
	char headers[256];

	snprintf(headers, sizeof(headers),
		"Content-Type: text/plain\r\nX-One: 1\r\nX-Two: a\r\nX-Two: b\r\nX-Method: %s\r\n",
		r->head.method);
	page(r, "200 OK", headers, r->text, r->len);
}

static void
do_status(struct asked *r)
{
	char status[64];

	snprintf(status, sizeof(status), "%.40s Some", r->head.query);
	page(r, status, "", "body of it", 10);
}

/* /to?LOCATION redirects. %P in LOCATION is the port that must not be connected to. */
static void
do_to(struct asked *r)
{
	char location[8192];
	const char *mark = strstr(r->head.query, "%P");

	if (mark)
		snprintf(location, sizeof(location), "%.*s%s%s", (int)(mark - r->head.query),
			r->head.query, forbidden_port, mark + 2);
	else
		snprintf(location, sizeof(location), "%s", r->head.query);
	redirect(r, "302 Found", location);
}

static void
do_to_307(struct asked *r)
{
	redirect(r, "307 Temporary Redirect", r->head.query);
}

/* An app that requires TLS and trusts the header about it. */
static void
do_secure(struct asked *r)
{
	if (strstr(r->text, "X-Forwarded-Proto: https\r\n"))
		text_page(r, "came by https");
	else
		redirect(r, "301 Moved Permanently", "https://app.example/secure");
}

static void
do_loop(struct asked *r)
{
	redirect(r, "302 Found", "/loop");
}

/* /hops?N redirects N times and then answers with a page. */
static void
do_hops(struct asked *r)
{
	char location[64];
	long left = strtol(r->head.query, NULL, 10);

	snprintf(location, sizeof(location), "/hops?%ld", left - 1);
	if (left > 0)
		redirect(r, "302 Found", location);
	else
		text_page(r, "arrived");
}

static void
do_loop_big(struct asked *r)
{
	if (!say(r, "HTTP/1.1 302 Found\r\nLocation: /page\r\nTransfer-Encoding: chunked\r\n\r\n"))
		return;
	while (say(r, "10\r\nendless redirect\r\n"))
		;
}

static void
do_bad_length(struct asked *r)
{
	(void)say(r, OK "Content-Length: -5\r\n\r\nneedle");
}

static void
do_bad_chunk(struct asked *r)
{
	(void)say(r, CHUNKED "fffffffffffffffffff\r\nneedle\r\n");
}

static void
do_no_status(struct asked *r)
{
	(void)say(r, "HTTP/1.1 \r\nContent-Length: 6\r\n\r\nneedle");
}

static void
do_switch(struct asked *r)
{
	(void)say(r, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nneedle");
	sleep_ms(60000);
}

static void
do_upgrade(struct asked *r)
{
	page(r, "426 Upgrade Required", "Upgrade: websocket\r\n", "websocket only", 14);
}

static void
do_page(struct asked *r)
{
	text_page(r, "<html>\n<title>Our Team</title>\nMy Amazing App\n</html>\n");
}

static const struct {
	const char *path;
	void (*answer)(struct asked *r);
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

/* Reads one request, body included. Returns false when there is none. */
static bool
read_request(struct asked *r)
{
	ssize_t n;

	if (!http_next(&r->conn, &r->head))
		return false;
	memcpy(r->text, r->head.head, r->head.head_len + 1);
	r->len = r->head.head_len;
	while ((n = http_body(&r->conn, &r->head, r->text + r->len, sizeof(r->text) - 1 - r->len)) >
		0)
		r->len += (size_t)n;
	r->text[r->len] = '\0';
	return n == 0;
}

static void
serve(int fd)
{
	static struct asked r;
	static const atomic_bool never;
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	r.conn = (struct conn){ .fd = fd, .stop_fd = -1, .stopping = &never, .identity = "" };
	for (bool again = true; again && read_request(&r);) {
		size_t i = 0;
		while (i < COUNT(answers) && strcmp(answers[i].path, r.head.path) != 0)
			i++;
		if (i == COUNT(answers)) {
			page(&r, "404 Not Found", "", "nothing here", 12);
			continue;
		}
		answers[i].answer(&r);
		/* Only these answers leave the connection usable for the next one. */
		again = answers[i].answer == do_page || answers[i].answer == do_echo ||
			answers[i].answer == do_to || answers[i].answer == do_loop ||
			answers[i].answer == do_after || answers[i].answer == do_status;
	}
	close(fd);
}

int
main(int argc, char **argv)
{
	uint16_t port;
	int listener = http_listen(0, &port);

	forbidden_port = argc > 1 ? argv[1] : "1";
	counters = mmap(NULL, 64 * sizeof(counters[0]), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counters == MAP_FAILED || listener < 0)
		return 1;
	signal(SIGCHLD, SIG_IGN);
	printf("%u\n", port);
	fflush(stdout);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		if (fd < 0)
			continue;
		pid_t child = fork();
		if (child == 0) {
			close(listener);
			/*
			 * The child keeps our stdout open. It ends with us, and after 60 s in any
			 * case, when the test is over.
			 */
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			alarm(60);
			serve(fd);
			_exit(0);
		}
		close(fd);
	}
}
