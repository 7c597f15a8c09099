#include "pages.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "files.h"
#include "rows.h"
#include "sha1.h"
#include "ws.h"

enum {
	MAX_ECHO = 64 * 1024 * 1024,
	MAX_MS = 600000,
	SLICE_MS = 50,
};

typedef void page_answer(struct conn *c, struct request *r, const struct config *config);

static const char built_in[] =
	"<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>{{APP}}</title></head>\n"
	"<body>\n<h1>{{APP}}</h1>\n<p>{{GREETING}}</p>\n<p>release {{RELEASE}}</p>\n"
	"</body>\n</html>\n";

static void
reply_text(struct conn *c, const struct request *r, unsigned status, const char *text)
{
	http_reply(c, r, status, "text/plain; charset=utf-8", "", text, strlen(text));
}

static void
answer_env(struct conn *c, struct request *r, const struct config *config)
{
	const char *value = getenv(r->path + strlen("/env/"));

	(void)config;
	if (value == NULL)
		reply_text(c, r, 404, "not set\n");
	else
		reply_text(c, r, 200, value);
}

static void
answer_headers(struct conn *c, struct request *r, const struct config *config)
{
	(void)config;
	http_reply(c, r, 200, "text/plain", "", r->head, r->head_len);
}

static void
answer_slow(struct conn *c, struct request *r, const struct config *config)
{
	(void)config;
	sleep_ms(http_param_number(r, "ms", MAX_MS, 1000));
	reply_text(c, r, 200, "slow but sure\n");
}

/* Lines of 64 bytes, so that a client can tell from its offset what each byte must be. */
static void
fill_stream(char *out, size_t n, uint64_t offset)
{
	static const char line[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n";

	for (size_t i = 0; i < n; i++)
		out[i] = line[(offset + i) % 64];
}

/* Send total bytes in equal slices over ms. */
static void
send_stream(struct conn *c, uint64_t ms, uint64_t total, bool chunked)
{
	char bytes[65536];
	uint64_t begin = now_ms();
	uint64_t slices = ms / SLICE_MS + 1;
	uint64_t sent = 0;

	for (uint64_t slice = 1; slice <= slices; slice++) {
		uint64_t goal = slice == slices ? total : total / slices * slice;
		while (sent < goal) {
			size_t n =
				goal - sent < sizeof(bytes) ? (size_t)(goal - sent) : sizeof(bytes);
			fill_stream(bytes, n, sent);
			if (!http_piece(c, bytes, n, chunked))
				return;
			sent += n;
		}
		uint64_t now = now_ms();
		uint64_t due = begin + ms * slice / slices;
		if (slice < slices && now < due)
			sleep_ms(due - now);
	}
	if (chunked)
		http_piece(c, "", 0, true);
}

static void
answer_stream(struct conn *c, struct request *r, const struct config *config)
{
	uint64_t ms = http_param_number(r, "ms", MAX_MS, 1000);
	uint64_t n = http_param_number(r, "n", (uint64_t)1 << 40, 65536);
	bool chunked = http_param_number(r, "chunked", 1, 0) == 1 && !r->http10;

	(void)config;
	if (http_reply_start(c, r, 200, "text/plain", "", chunked ? UINT64_MAX : n) &&
		!r->head_only)
		send_stream(c, ms, n, chunked);
}

/* The peer left in the middle of the request or broke HTTP, so there is no answer. */
static void
give_up(struct conn *c)
{
	c->close = true;
	c->linger = true;
}

static void
answer_echo(struct conn *c, struct request *r, const struct config *config)
{
	size_t used = 0;
	size_t size = r->chunked || r->left > MAX_ECHO ? 65536 : (size_t)r->left + 1;
	char *body = malloc(size);
	ssize_t n = -1;

	(void)config;
	while (body != NULL && (n = http_body(c, r, body + used, size - used)) > 0) {
		used += (size_t)n;
		if (used < size)
			continue;
		char *larger = size >= MAX_ECHO ? NULL : realloc(body, size * 2);
		if (larger == NULL)
			break;
		body = larger;
		size *= 2;
	}
	if (n == 0)
		http_reply(c, r, 200, "application/octet-stream", "", body, used);
	else
		give_up(c);
	if (n > 0)
		reply_text(c, r, 413, "too much to echo\n");
	free(body);
}

static void
answer_sum(struct conn *c, struct request *r, const struct config *config)
{
	char bytes[16384];
	char text[80];
	char digest[41];
	uint64_t total = 0;
	struct sha1 s;
	ssize_t n;

	(void)config;
	sha1_init(&s);
	while ((n = http_body(c, r, bytes, sizeof(bytes))) > 0) {
		sha1_add(&s, bytes, (size_t)n);
		total += (uint64_t)n;
	}
	if (n < 0) {
		give_up(c);
		return;
	}
	sha1_hex(&s, digest);
	snprintf(text, sizeof(text), "%llu %s\n", (unsigned long long)total, digest);
	reply_text(c, r, 200, text);
}

static void
answer_status(struct conn *c, struct request *r, const struct config *config)
{
	uint64_t status;

	(void)config;
	if (!parse_unsigned(r->path + strlen("/status/"), 599, &status) || status < 200)
		reply_text(c, r, 400, "a status is 200 to 599\n");
	else
		reply_text(c, r, (unsigned)status, "as you asked\n");
}

static void
answer_redirect(struct conn *c, struct request *r, const struct config *config)
{
	char to[2048] = "/";
	char extra[2100];
	uint64_t status = http_param_number(r, "status", 399, 302);

	(void)config;
	http_param(r, "to", to, sizeof(to));
	for (char *p = to; *p != '\0'; p++)
		if (iscntrl((unsigned char)*p))
			*p = '?';
	snprintf(extra, sizeof(extra), "Location: %s\r\n", to);
	http_reply(c, r, status < 300 ? 302 : (unsigned)status, "text/plain", extra, "", 0);
}

/* A header of n bytes besides the others. */
static void
answer_header(struct conn *c, struct request *r, const struct config *config)
{
	char extra[24576] = "X-Long: ";
	size_t used = strlen(extra);
	size_t n = (size_t)http_param_number(r, "n", 24000, 100);

	(void)config;
	memset(extra + used, 'x', n);
	memcpy(extra + used + n, "\r\n", 3);
	http_reply(c, r, 200, "text/plain", extra, "long\n", 5);
}

static void
answer_ws(struct conn *c, struct request *r, const struct config *config)
{
	(void)config;
	ws_serve(c, r);
}

static void
answer_exit(struct conn *c, struct request *r, const struct config *config)
{
	(void)c;
	(void)config;
	_exit((int)http_param_number(r, "code", 255, 1));
}

static void
answer_pid(struct conn *c, struct request *r, const struct config *config)
{
	char text[24];

	(void)config;
	snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	reply_text(c, r, 200, text);
}

static void
answer_row(struct conn *c, struct request *r, const struct config *config)
{
	char name[64] = "";
	char text[ROWS_TEXT];

	http_param(r, "name", name, sizeof(name));
	reply_text(c, r, rows_insert(config->release, name, text) ? 200 : 503, text);
}

static const struct {
	const char *path; /* all that begins with it, if it ends in / */
	page_answer *answer;
	bool takes_body;
} pages[] = {
	{ "/env/", answer_env, false },
	{ "/headers", answer_headers, false },
	{ "/slow", answer_slow, false },
	{ "/stream", answer_stream, false },
	{ "/echo", answer_echo, true },
	{ "/sum", answer_sum, true },
	{ "/status/", answer_status, false },
	{ "/redirect", answer_redirect, false },
	{ "/ws", answer_ws, false },
	{ "/header", answer_header, false },
	{ "/exit", answer_exit, false },
	{ "/pid", answer_pid, false },
	{ "/row", answer_row, false },
};

static void
answer_file(struct conn *c, struct request *r, const struct config *config)
{
	size_t n;
	char *page;

	if (files_serve(c, r, config))
		return;
	if (strcmp(r->path, "/") != 0) {
		reply_text(c, r, 404, "not found\n");
		return;
	}
	page = files_expand(built_in, sizeof(built_in) - 1, config, &n);
	http_reply(c, r, 200, "text/html; charset=utf-8", "", page, page == NULL ? 0 : n);
	free(page);
}

static void
redirect_to_https(struct conn *c, const struct request *r)
{
	size_t n = 0;
	const char *host = http_header(r, "Host", &n);
	size_t target = strcspn(r->head, " ") + 1;
	char extra[2048];

	if (n > 255)
		n = 255;
	snprintf(extra, sizeof(extra), "Location: https://%.*s%.*s\r\n", (int)n,
		host == NULL ? "" : host, (int)strcspn(r->head + target, " "), r->head + target);
	http_reply(c, r, 301, "text/plain", extra, "", 0);
}

static bool
is_page(const char *path, const char *page)
{
	size_t n = strlen(page);

	return page[n - 1] == '/' ? strncmp(path, page, n) == 0 : strcmp(path, page) == 0;
}

/* Behaves as an app that has to warm up: the first clients wait. */
static void
warm_up(const struct config *config)
{
	static atomic_bool warm;

	if (config->first_delay_ms > 0 && !atomic_load(&warm)) {
		sleep_ms(config->first_delay_ms);
		atomic_store(&warm, true);
	}
}

void
pages_answer(struct conn *c, struct request *r, const struct config *config, uint64_t ready_at)
{
	size_t page = 0;
	const size_t nr = sizeof(pages) / sizeof(pages[0]);
	bool ready = now_ms() >= ready_at;
	bool secure = !config->force_https || http_header_has(r, "X-Forwarded-Proto", "https");
	bool known = !config->only_host || http_header_has(r, "Host", config->only_host);

	warm_up(config);
	while (page < nr && !is_page(r->path, pages[page].path))
		page++;
	if (!(ready && secure && page < nr && pages[page].takes_body) && !http_drain(c, r)) {
		give_up(c);
		return;
	}
	if (!ready)
		http_reply(c, r, 503, "text/plain", "Retry-After: 1\r\n", "not ready\n", 10);
	else if (!known)
		http_reply(c, r, 403, "text/plain", "", "blocked host\n", 13);
	else if (!secure)
		redirect_to_https(c, r);
	else if (page < nr)
		pages[page].answer(c, r, config);
	else
		answer_file(c, r, config);
}
