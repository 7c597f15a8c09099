#define _DEFAULT_SOURCE 1

#include "fetch.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "status.h"
#include "util.h"

#define MAX_URL ((size_t)64 << 10)
#define MAX_SKIPPED ((uint64_t)64 << 10)
/* CURLE_TOO_LARGE of libcurl 8.6. The libcurl that is loaded may be newer than our headers. */
#define CURL_TOO_LARGE 100
/* How often the process is looked at if the kernel has no descriptor for it. */
#define STAT_INTERVAL (20 * UTIL_MS)

/* One request on its way, through all its redirects. */
struct transfer {
	struct fetch *fetch;
	CURL *easy;
	struct curl_slist *headers;
	const struct check *check;
	struct fetch_request request;
	struct fetch_response *response; /* NULL: the slot is free */
	const char *method;
	char *host;
	char *path;
	bool https;
	int64_t started;
	size_t header_bytes;
	size_t header_lines;
	uint64_t skipped;
	bool headers_done;
	bool acknowledged; /* we have acknowledged the headers */
	bool coded; /* the answer has a Content-Encoding */
	bool follows; /* this answer is a redirect, and next_* say where to */
	char *next_host;
	char *next_path;
	bool next_https;
	bool adopted; /* the probe's connection */
	bool enough;
	enum fetch_end refused; /* why a callback stopped the transfer; FETCH_ANSWERED: none did */
};

struct fetch {
	const struct options *o;
	const struct checks *checks;
	const struct watch *watch;
	CURLM *multi;
	struct curl_slist *to_port;
	struct curl_slist *to_tls_port;
	struct transfer slot[FETCH_SLOTS];
	int probe; /* connecting, or -1 */
	int64_t probe_until; /* 0: no probe is under way */
	int probe_error;
	int ready; /* connected, for the next request, or -1 */
	size_t expected; /* requests that wait for a slot */
	size_t kept; /* connections that wait for such a request */
};

/*
 * Whether address is the one that the user asked for, of the same family. Stores its port in *port.
 */
static bool
is_ours(const struct fetch *f, const struct sockaddr *address, uint16_t *port)
{
	unsigned char want[16];
	const void *bytes = NULL;

	if (address->sa_family != (f->o->ipv6 ? AF_INET6 : AF_INET))
		return false;
	if (inet_pton(address->sa_family, f->o->address, want) != 1)
		return false;
	if (f->o->ipv6) {
		const struct sockaddr_in6 *in6 = (const void *)address;
		bytes = &in6->sin6_addr;
		*port = ntohs(in6->sin6_port);
	} else {
		const struct sockaddr_in *in4 = (const void *)address;
		bytes = &in4->sin_addr;
		*port = ntohs(in4->sin_port);
	}
	if (memcmp(bytes, want, f->o->ipv6 ? 16 : 4) != 0)
		return false;
	return *port == f->o->port || (f->o->tls_port != 0 && *port == f->o->tls_port);
}

static curl_socket_t
open_socket(void *client, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct transfer *t = client;
	uint16_t port = 0;

	t->adopted = false;
	if (purpose != CURLSOCKTYPE_IPCXN || !is_ours(t->fetch, &address->addr, &port))
		return CURL_SOCKET_BAD;
	if (t->fetch->ready >= 0 && port == t->fetch->o->port) {
		int fd = t->fetch->ready;
		t->fetch->ready = -1;
		t->adopted = true;
		return fd;
	}
	return socket(address->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
}

static int
adopt_socket(void *client, curl_socket_t fd, curlsocktype purpose)
{
	const struct transfer *t = client;

	(void)fd;
	(void)purpose;
	return t->adopted ? CURL_SOCKOPT_ALREADY_CONNECTED : CURL_SOCKOPT_OK;
}

static bool
is_our_host(const struct fetch *f, const char *host)
{
	const char *address = host;
	size_t len = strlen(host);

	for (size_t i = 0; i < f->o->nr_hosts; i++)
		if (check_host_matches(host, len, f->o->host[i]))
			return true;
	for (size_t i = 0; i < f->checks->nr; i++)
		if (f->checks->item[i].host && same_word(host, len, f->checks->item[i].host))
			return true;
	if (f->o->ipv6 && len > 2 && host[0] == '[') {
		address++;
		len -= 2;
	}
	return same_word(address, len, f->o->address);
}

/* Whether this is our port, the default one, or "" for none. */
static bool
is_our_port(const struct fetch *f, const char *port, bool https)
{
	unsigned long n;

	if (port[0] == '\0')
		return true;
	if (!parse_unsigned(port, strlen(port), 65535, &n))
		return false;
	return n == f->o->port || (f->o->tls_port != 0 && n == f->o->tls_port) ||
		n == (https ? 443UL : 80UL);
}

static char *
url_part(CURLU *url, CURLUPart part)
{
	char *text = NULL;

	if (curl_url_get(url, part, &text, 0) == CURLUE_OUT_OF_MEMORY)
		die(EXIT_INTERNAL, "out of memory");
	return text;
}

/* Fills in next_* from an absolute URL. Returns false if it does not belong to this app. */
static bool
take_next(struct transfer *t, CURLU *url)
{
	char *scheme = url_part(url, CURLUPART_SCHEME);
	char *host = url_part(url, CURLUPART_HOST);
	char *port = url_part(url, CURLUPART_PORT);
	char *path = url_part(url, CURLUPART_PATH);
	char *query = url_part(url, CURLUPART_QUERY);
	bool ours = false;

	if (scheme && host && path) {
		t->next_https = same_word(scheme, strlen(scheme), "https");
		ours = t->next_https || same_word(scheme, strlen(scheme), "http");
		ours = ours && is_our_host(t->fetch, host) &&
			is_our_port(t->fetch, port ? port : "", t->next_https);
	}
	if (ours) {
		struct buf text;
		buf_init(&text, MAX_URL);
		ours = buf_addf(&text, "%s%s%s", host, port ? ":" : "", port ? port : "");
		t->next_host = xcopy(buf_text(&text), text.len);
		buf_clear(&text);
		ours = ours &&
			buf_addf(&text, "%s%s%s", path, query ? "?" : "", query ? query : "");
		t->next_path = xcopy(buf_text(&text), text.len);
		buf_release(&text);
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_free(path);
	curl_free(query);
	return ours;
}

static void
forget_next(struct transfer *t)
{
	free(t->next_host);
	free(t->next_path);
	t->next_host = NULL;
	t->next_path = NULL;
	t->follows = false;
}

/*
 * Whether to follow this answer. A redirect to a foreign host is not followed; it is judged as it
 * is.
 */
static bool
is_followed(struct transfer *t, int status)
{
	const struct check *c = t->check;
	const struct fetch_response *r = t->response;
	bool redirect =
		status == 301 || status == 302 || status == 303 || status == 307 || status == 308;

	if (!redirect || c->no_redirect || r->location.len == 0)
		return false;
	if (c->nr_status > 0 && check_wants(c, status))
		return false;
	CURLU *url = curl_url();
	if (!url)
		die(EXIT_INTERNAL, "out of memory");
	unsigned flags = CURLU_URLENCODE | CURLU_ALLOW_SPACE | CURLU_NON_SUPPORT_SCHEME;
	bool ours = curl_url_set(url, CURLUPART_URL, buf_text(&r->url), CURLU_PATH_AS_IS) ==
			CURLUE_OK &&
		curl_url_set(url, CURLUPART_URL, buf_text(&r->location), flags) == CURLUE_OK &&
		take_next(t, url);
	curl_url_cleanup(url);
	return ours;
}

/*
 * Returns the value of a header line, without the blanks around it, or NULL if the line is another
 * header.
 */
static const char *
header_value(const char *line, size_t len, const char *name, size_t *value_len)
{
	size_t n = strlen(name);

	if (len <= n || line[n] != ':' || !same_word(line, n, name))
		return NULL;
	const char *value = line + n + 1;
	const char *end = line + len;
	while (value < end && is_blank(*value))
		value++;
	while (end > value && (is_blank(end[-1]) || end[-1] == '\r' || end[-1] == '\n'))
		end--;
	*value_len = (size_t)(end - value);
	return value;
}

/*
 * Refuses codings that libcurl could decode but we did not ask for. With a second layer of
 * compression one byte can cost a million, and other codings need windows of many megabytes.
 */
static bool
may_decode(const char *line, size_t len, bool *seen)
{
	static const char *const codings[] = { "gzip", "x-gzip", "deflate", "identity", "" };
	size_t n = 0;
	const char *value = header_value(line, len, "Transfer-Encoding", &n);

	if (value)
		return same_word(value, n, "chunked") || same_word(value, n, "identity");
	value = header_value(line, len, "Content-Encoding", &n);
	if (!value)
		return true;
	if (*seen)
		return false;
	*seen = true;
	for (size_t i = 0; i < UTIL_COUNT(codings); i++)
		if (same_word(value, n, codings[i]))
			return true;
	return false;
}

/*
 * A request that follows a redirect starts at once. Otherwise the connection is kept only for a
 * request that waits.
 */
static void
keep_or_close(struct transfer *t)
{
	struct fetch *f = t->fetch;

	if (t->follows)
		return;
	if (f->kept < f->expected)
		f->kept++;
	else
		curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
}

static void
start_headers(struct transfer *t)
{
	buf_clear(&t->response->headers);
	buf_clear(&t->response->location);
	t->headers_done = false;
	t->acknowledged = false;
	t->coded = false;
}

static size_t
take_header(char *line, size_t size, size_t len, void *client)
{
	struct transfer *t = client;
	struct fetch_response *r = t->response;
	bool is_status_line = len > 5 && memcmp(line, "HTTP/", 5) == 0;
	size_t n = 0;

	(void)size;
	t->header_bytes += len;
	if (t->header_bytes > FETCH_MAX_HEADERS) {
		t->refused = FETCH_BIG_HEADER;
		return 0;
	}
	if (len > 2 && !is_status_line && ++t->header_lines > FETCH_MAX_HEADER_LINES) {
		t->refused = FETCH_MANY_HEADERS;
		return 0;
	}
	if (t->headers_done && r->bytes + t->skipped > 0)
		return len; /* trailers */
	if (is_status_line) {
		start_headers(t);
	} else if (len <= 2 && (line[0] == '\r' || line[0] == '\n')) {
		long status = 0;
		curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
		t->headers_done = status >= 200;
		/*
		 * 101 ends HTTP on this connection. After any other status below 200 another one
		 * follows.
		 */
		if (status >= 200 || status == 101)
			r->status = (int)status;
		forget_next(t);
		t->follows = t->headers_done && is_followed(t, r->status);
		if (t->headers_done)
			keep_or_close(t);
	} else {
		if (!may_decode(line, len, &t->coded)) {
			t->refused = FETCH_ENCODING;
			return 0;
		}
		const char *value = header_value(line, len, "Location", &n);
		if (value && r->location.len == 0)
			(void)buf_add(&r->location, value, n);
		(void)buf_add(&r->headers, line, len);
	}
	return len;
}

static size_t
take_body(char *bytes, size_t size, size_t n, void *client)
{
	struct transfer *t = client;

	(void)size;
	if (t->follows) {
		t->skipped += n;
		t->enough = t->skipped > MAX_SKIPPED;
		return n;
	}
	if (t->enough)
		return n;
	t->response->bytes += n;
	enum fetch_take take = t->request.take(t->request.taker, bytes, n);
	if (take == FETCH_TOO_MUCH || take == FETCH_TOO_LATE) {
		t->refused = take == FETCH_TOO_MUCH ? FETCH_TOO_BIG : FETCH_TIMEOUT;
		return 0;
	}
	t->enough = take == FETCH_ENOUGH;
	return n;
}

static bool
add_header(struct transfer *t, const char *header)
{
	struct curl_slist *longer = curl_slist_append(t->headers, header);

	if (longer)
		t->headers = longer;
	return longer != NULL;
}

/* libcurl takes "Name:" as the order to leave the header out, and "Name;" as an empty header. */
static bool
add_given_header(struct transfer *t, const char *header)
{
	const char *colon = strchr(header, ':');

	if (colon[1 + strspn(colon + 1, " \t")] != '\0')
		return add_header(t, header);
	char *empty = xcopy(header, (size_t)(colon - header) + 1);
	empty[colon - header] = ';';
	bool added = add_header(t, empty);
	free(empty);
	return added;
}

static bool
check_has_header(const struct check *c, const char *header)
{
	size_t len = strcspn(header, ":");

	for (size_t i = 0; i < c->nr_headers; i++) {
		const char *own = c->header[i];
		if (strcspn(own, ":") == len && strncmp(own, header, len) == 0)
			return true;
	}
	return false;
}

static bool
has_header(const struct transfer *t, const char *name)
{
	size_t len = strlen(name);

	for (const struct curl_slist *h = t->headers; h; h = h->next)
		if (strcspn(h->data, ":;") == len && same_word(h->data, len, name))
			return true;
	return false;
}

static bool
set_headers(struct transfer *t)
{
	const struct options *o = t->fetch->o;
	const struct check *c = t->check;
	bool has_body = c->body && t->method == c->method;
	bool added = true;

	curl_slist_free_all(t->headers);
	t->headers = NULL;
	for (size_t i = 0; i < o->nr_headers && added; i++)
		if (!check_has_header(c, o->header[i]))
			added = add_given_header(t, o->header[i]);
	for (size_t i = 0; i < c->nr_headers && added; i++)
		added = add_given_header(t, c->header[i]);
	if (t->https && o->tls_port == 0 && !has_header(t, "X-Forwarded-Proto"))
		added = added && add_header(t, "X-Forwarded-Proto: https");
	if (!has_header(t, "Content-Type"))
		added = added &&
			add_header(
				t, has_body ? "Content-Type: application/json" : "Content-Type:");
	added = added && add_header(t, "Expect:");
	return added && curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK;
}

static void
set_method(struct transfer *t)
{
	const struct check *c = t->check;
	bool has_body = c->body && t->method == c->method;
	bool is_get = strcmp(t->method, "GET") == 0;
	bool is_post = strcmp(t->method, "POST") == 0;
	bool sends = has_body || is_post || t->method[0] == 'P';

	curl_easy_setopt(t->easy, CURLOPT_HTTPGET, 1L);
	if (sends) {
		curl_easy_setopt(t->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, has_body ? c->body : "");
		curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE,
			(curl_off_t)(has_body ? c->body_len : 0));
	}
	if (strcmp(t->method, "HEAD") == 0)
		curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(
			t->easy, CURLOPT_CUSTOMREQUEST, is_get || is_post ? NULL : t->method);
}

/*
 * Options that are the same for all requests: allowed addresses and protocols, and the callbacks.
 */
static void
set_bounds(struct transfer *t)
{
	CURL *easy = t->easy;
	bool tls = t->fetch->o->tls_port != 0;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, (char *)t);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->response->error);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, tls ? "http,https" : "http");
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
	curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "check-runner/" OPTIONS_VERSION);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, adopt_socket);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, t);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	if (tls) {
		/* A self-signed certificate is accepted, because the address is our own. */
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
		curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
}

/* Sends the request to the current host, path and https. */
static int
start_hop(struct transfer *t)
{
	struct fetch *f = t->fetch;
	struct fetch_response *r = t->response;
	bool tls = t->https && f->o->tls_port != 0;
	struct buf asked;
	int started = -1;

	buf_init(&asked, MAX_URL);
	buf_clear(&r->url);
	start_headers(t);
	r->status = 0;
	t->header_bytes = 0;
	t->header_lines = 0;
	t->skipped = 0;
	t->enough = false;
	if (!buf_addf(&r->url, "%s://%s%s", t->https ? "https" : "http", t->host, t->path) ||
		!buf_addf(&asked, "%s://%s%s", tls ? "https" : "http", t->host, t->path))
		goto release_asked;
	int64_t left = t->request.until - clock_now();
	long ms = left < UTIL_MS ? 1 : (long)((left + UTIL_MS - 1) / UTIL_MS);
	set_bounds(t);
	set_method(t);
	curl_easy_setopt(t->easy, CURLOPT_CONNECT_TO, tls ? f->to_tls_port : f->to_port);
	curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, ms);
	curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, ms);
	if (set_headers(t) &&
		curl_easy_setopt(t->easy, CURLOPT_URL, buf_text(&asked)) == CURLE_OK &&
		curl_multi_add_handle(f->multi, t->easy) == CURLM_OK)
		started = 0;

release_asked:
	buf_release(&asked);
	return started;
}

static void
end_transfer(struct transfer *t)
{
	curl_multi_remove_handle(t->fetch->multi, t->easy);
	/*
	 * A handle is not reset and used again. libcurl 7.88.1 keeps a pointer to the last header
	 * of the old answer, which is freed, and reads it when the next answer begins with a folded
	 * line.
	 */
	curl_easy_cleanup(t->easy);
	t->easy = NULL;
	curl_slist_free_all(t->headers);
	t->headers = NULL;
	forget_next(t);
	free(t->host);
	free(t->path);
	t->host = NULL;
	t->path = NULL;
	t->response = NULL;
}

static struct transfer *
free_slot(struct fetch *f)
{
	for (size_t i = 0; i < FETCH_SLOTS; i++) {
		struct transfer *t = &f->slot[i];
		if (t->response)
			continue;
		if (!t->easy)
			t->easy = curl_easy_init();
		return t->easy ? t : NULL;
	}
	return NULL;
}

int
fetch_ask(struct fetch *f, const struct fetch_request *request, struct fetch_response *response)
{
	struct transfer *t = free_slot(f);

	if (!t)
		return -1;
	f->kept -= f->kept > 0;
	response->url.max = MAX_URL;
	response->headers.max = FETCH_MAX_HEADERS;
	response->location.max = FETCH_MAX_HEADERS;
	response->status = 0;
	response->redirects = 0;
	response->bytes = 0;
	response->connect = 0;
	response->first_byte = 0;
	response->total = 0;
	response->error[0] = '\0';
	t->fetch = f;
	t->request = *request;
	t->check = request->check;
	t->method = request->check->method;
	t->response = response;
	t->host = xcopy(request->host, strlen(request->host));
	t->path = xcopy(request->check->path, strlen(request->check->path));
	t->https = request->https;
	t->started = clock_now();
	t->refused = FETCH_ANSWERED;
	if (start_hop(t) < 0) {
		end_transfer(t);
		return -1;
	}
	return 0;
}

void
fetch_expect(struct fetch *f, size_t requests)
{
	f->expected = requests;
}

static enum fetch_end
connect_end(const struct transfer *t)
{
	long number = 0;

	curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &number);
	return number == ECONNREFUSED ? FETCH_REFUSED : FETCH_UNREACHABLE;
}

static enum fetch_end
curl_end(const struct transfer *t, CURLcode code)
{
	static const struct {
		CURLcode code;
		enum fetch_end end;
	} ends[] = {
		{ CURLE_OK, FETCH_ANSWERED },
		{ CURLE_OPERATION_TIMEDOUT, FETCH_TIMEOUT },
		{ CURLE_GOT_NOTHING, FETCH_EMPTY },
		{ CURLE_RECV_ERROR, FETCH_RESET },
		{ CURLE_SEND_ERROR, FETCH_RESET },
		{ CURLE_PARTIAL_FILE, FETCH_CUT },
		{ CURLE_BAD_CONTENT_ENCODING, FETCH_ENCODING },
		{ CURLE_UNSUPPORTED_PROTOCOL, FETCH_NOT_HTTP },
		{ CURLE_WEIRD_SERVER_REPLY, FETCH_NOT_HTTP },
		{ CURLE_SSL_CONNECT_ERROR, FETCH_TLS },
		{ CURLE_PEER_FAILED_VERIFICATION, FETCH_TLS },
	};

	if (t->refused != FETCH_ANSWERED)
		return t->refused;
	if (code == CURLE_COULDNT_CONNECT)
		return connect_end(t);
	/* Whether a header line was too long. libcurl before 8.6 reports that as out of memory. */
	if ((int)code == CURL_TOO_LARGE)
		return FETCH_BIG_HEADER;
	if (code == CURLE_OUT_OF_MEMORY)
		return t->header_bytes > 0 && !t->headers_done ? FETCH_BIG_HEADER : FETCH_NO_MEMORY;
	for (size_t i = 0; i < UTIL_COUNT(ends); i++)
		if (ends[i].code == code)
			return ends[i].end;
	return FETCH_FAILED;
}

/* Follows the redirect. Returns false if that is not possible. */
static bool
follow(struct transfer *t)
{
	struct fetch_response *r = t->response;
	bool post = strcmp(t->method, "POST") == 0;
	bool head = strcmp(t->method, "HEAD") == 0;

	if ((r->status == 303 && !head) || (post && (r->status == 301 || r->status == 302)))
		t->method = "GET";
	free(t->host);
	free(t->path);
	t->host = t->next_host;
	t->path = t->next_path;
	t->https = t->next_https;
	t->next_host = NULL;
	t->next_path = NULL;
	t->follows = false;
	r->redirects++;
	curl_multi_remove_handle(t->fetch->multi, t->easy);
	curl_easy_cleanup(t->easy);
	t->easy = curl_easy_init();
	return t->easy && start_hop(t) == 0;
}

/* Ends one hop. Returns true if the whole request has ended, too. */
static bool
end_hop(struct transfer *t, CURLcode code)
{
	struct fetch_response *r = t->response;
	curl_off_t connect = 0;
	curl_off_t first = 0;

	r->end = t->enough ? FETCH_ANSWERED : curl_end(t, code);
	if (r->end == FETCH_ANSWERED && t->follows) {
		if (r->redirects < FETCH_MAX_REDIRECTS) {
			if (follow(t))
				return false;
			r->end = FETCH_NO_MEMORY;
		} else {
			r->end = FETCH_REDIRECTS;
		}
	}
	curl_easy_getinfo(t->easy, CURLINFO_CONNECT_TIME_T, &connect);
	curl_easy_getinfo(t->easy, CURLINFO_STARTTRANSFER_TIME_T, &first);
	r->connect = connect;
	r->first_byte = first;
	r->total = clock_now() - t->started;
	end_transfer(t);
	return true;
}

/* Returns a request that has ended, or NULL. */
static struct fetch_response *
take_done(struct fetch *f)
{
	int left;

	for (CURLMsg *m; (m = curl_multi_info_read(f->multi, &left));) {
		char *private = NULL;
		if (m->msg != CURLMSG_DONE)
			continue;
		CURLcode code = m->data.result;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
		struct transfer *t = (struct transfer *)(void *)private;
		struct fetch_response *r = t->response;
		if (end_hop(t, code))
			return r;
	}
	for (size_t i = 0; i < FETCH_SLOTS; i++) {
		struct transfer *t = &f->slot[i];
		struct fetch_response *r = t->response;
		if (r && t->enough && end_hop(t, CURLE_OK))
			return r;
	}
	return NULL;
}

static socklen_t
target_address(const struct fetch *f, struct sockaddr_storage *address)
{
	memset(address, 0, sizeof(*address));
	if (f->o->ipv6) {
		struct sockaddr_in6 *in6 = (void *)address;
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(f->o->port);
		inet_pton(AF_INET6, f->o->address, &in6->sin6_addr);
		return sizeof(*in6);
	}
	struct sockaddr_in *in4 = (void *)address;
	in4->sin_family = AF_INET;
	in4->sin_port = htons(f->o->port);
	inet_pton(AF_INET, f->o->address, &in4->sin_addr);
	return sizeof(*in4);
}

static void
close_probe(struct fetch *f)
{
	if (f->probe >= 0)
		close(f->probe);
	f->probe = -1;
}

void
fetch_probe(struct fetch *f, int64_t until)
{
	struct sockaddr_storage address;
	socklen_t len = target_address(f, &address);

	close_probe(f);
	f->probe_until = until;
	f->probe_error = 0;
	f->probe =
		socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	if (f->probe < 0)
		return;
	int on = 1;
	setsockopt(f->probe, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(f->probe, (const struct sockaddr *)&address, len) < 0 && errno != EINPROGRESS) {
		f->probe_error = errno;
		close_probe(f);
	}
}

/* Ends the probe with this errno, or 0. */
static enum fetch_event
end_probe(struct fetch *f, int error)
{
	f->probe_until = 0;
	if (error != 0 || f->probe < 0) {
		close_probe(f);
		return error == ECONNREFUSED ? FETCH_CLOSED : FETCH_NO_ROUTE;
	}
	if (f->ready >= 0)
		close(f->ready);
	f->ready = f->probe;
	f->probe = -1;
	return FETCH_OPEN;
}

/*
 * If no process listens on a local port, a connection to it may get the same port as its own and so
 * reach itself. TCP calls this a simultaneous open.
 */
static bool
reached_itself(int fd)
{
	struct sockaddr_storage here = { 0 };
	struct sockaddr_storage there = { 0 };
	socklen_t here_len = sizeof(here);
	socklen_t there_len = sizeof(there);

	return getsockname(fd, (struct sockaddr *)&here, &here_len) == 0 &&
		getpeername(fd, (struct sockaddr *)&there, &there_len) == 0 &&
		here_len == there_len && memcmp(&here, &there, here_len) == 0;
}

static int
probe_error(const struct fetch *f)
{
	int error = 0;
	socklen_t len = sizeof(error);

	getsockopt(f->probe, SOL_SOCKET, SO_ERROR, &error, &len);
	return error == 0 && reached_itself(f->probe) ? ECONNREFUSED : error;
}

/*
 * Many servers send the headers alone, and the body when these are acknowledged. Our kernel would
 * delay the acknowledgement for 40 ms to send it along with data, so it is sent at once.
 */
static void
acknowledge(struct fetch *f)
{
	bool due = false;
	fd_set reading;
	fd_set others;
	int last = -1;
	int on = 1;

	for (size_t i = 0; i < FETCH_SLOTS; i++) {
		struct transfer *t = &f->slot[i];
		due |= t->response && t->headers_done && !t->acknowledged;
		t->acknowledged |= t->headers_done;
	}
	if (!due)
		return;
	FD_ZERO(&reading);
	FD_ZERO(&others);
	/*
	 * libcurl does not tell which socket belongs to which request. On the other sockets the
	 * option has no effect.
	 */
	(void)curl_multi_fdset(f->multi, &reading, &others, &others, &last);
	for (int fd = 0; fd <= last; fd++)
		if (FD_ISSET(fd, &reading))
			(void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

/*
 * Sleeps until something may have happened. Returns an event, or FETCH_TIME if the caller must
 * look.
 */
static enum fetch_event
sleep_until(struct fetch *f, int64_t until)
{
	struct curl_waitfd fds[2];
	unsigned nr = 0;
	int probe = -1;
	int process = -1;
	int64_t now = clock_now();

	if (f->probe >= 0) {
		probe = (int)nr;
		fds[nr++] = (struct curl_waitfd){ .fd = f->probe, .events = CURL_WAIT_POLLOUT };
		until = until < f->probe_until ? until : f->probe_until;
	}
	if (f->watch->pidfd >= 0) {
		process = (int)nr;
		fds[nr++] =
			(struct curl_waitfd){ .fd = f->watch->pidfd, .events = CURL_WAIT_POLLIN };
	} else if (f->watch->stat >= 0 && until > now + STAT_INTERVAL) {
		until = now + STAT_INTERVAL;
	}
	int64_t left = until > now ? until - now : 0;
	int ms = left > UTIL_SECOND ? 1000 : (int)((left + UTIL_MS - 1) / UTIL_MS);
	if (curl_multi_poll(f->multi, fds, nr, ms, NULL) != CURLM_OK)
		return FETCH_BROKEN;
	if (process >= 0 && fds[process].revents != 0)
		return FETCH_EXITED;
	if (process < 0 && !watch_alive(f->watch))
		return FETCH_EXITED;
	if (probe >= 0 && fds[probe].revents != 0)
		return end_probe(f, probe_error(f));
	if (f->probe >= 0 && clock_now() >= f->probe_until)
		return end_probe(f, ETIMEDOUT);
	return FETCH_TIME;
}

enum fetch_event
fetch_wait(struct fetch *f, int64_t until, struct fetch_response **done)
{
	int running;

	if (f->probe < 0 && f->probe_until != 0)
		return end_probe(f, f->probe_error);
	for (;;) {
		if (curl_multi_perform(f->multi, &running) != CURLM_OK)
			return FETCH_BROKEN;
		*done = take_done(f);
		if (*done)
			return FETCH_DONE;
		if (clock_now() >= until)
			return FETCH_TIME;
		acknowledge(f);
		enum fetch_event event = sleep_until(f, until);
		if (event != FETCH_TIME)
			return event;
	}
}

static struct curl_slist *
connect_to(const struct options *o, uint16_t port)
{
	char text[100];

	snprintf(text, sizeof(text), o->ipv6 ? "::[%s]:%u" : "::%s:%u", o->address, (unsigned)port);
	return curl_slist_append(NULL, text);
}

struct fetch *
fetch_new(const struct options *o, const struct checks *checks, const struct watch *watch)
{
	struct fetch *f;

	if (curl_global_init(o->tls_port != 0 ? CURL_GLOBAL_SSL : CURL_GLOBAL_NOTHING) != CURLE_OK)
		return NULL;
	f = xrealloc(NULL, 1, sizeof(*f));
	*f = (struct fetch){ .o = o, .checks = checks, .watch = watch, .probe = -1, .ready = -1 };
	f->multi = curl_multi_init();
	f->to_port = connect_to(o, o->port);
	f->to_tls_port = connect_to(o, o->tls_port);
	if (!f->multi || !f->to_port || !f->to_tls_port) {
		fetch_free(f);
		return NULL;
	}
	curl_multi_setopt(f->multi, CURLMOPT_MAXCONNECTS, 2L * FETCH_SLOTS);
	return f;
}

void
fetch_stop(struct fetch *f)
{
	for (size_t i = 0; i < FETCH_SLOTS; i++)
		if (f->slot[i].response)
			end_transfer(&f->slot[i]);
	close_probe(f);
	f->probe_until = 0;
}

void
fetch_free(struct fetch *f)
{
	if (!f)
		return;
	fetch_stop(f);
	for (size_t i = 0; i < FETCH_SLOTS; i++)
		curl_easy_cleanup(f->slot[i].easy);
	if (f->ready >= 0)
		close(f->ready);
	curl_multi_cleanup(f->multi);
	curl_slist_free_all(f->to_port);
	curl_slist_free_all(f->to_tls_port);
	free(f);
	curl_global_cleanup();
}

void
fetch_response_release(struct fetch_response *r)
{
	buf_release(&r->url);
	buf_release(&r->headers);
	buf_release(&r->location);
}
