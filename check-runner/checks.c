#include "checks.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "status.h"
#include "util.h"

#define MAX_NOTES 50
#define MAX_EXPANDED ((size_t)16 << 10)

enum modifier {
	SEEN_METHOD = 1,
	SEEN_STATUS = 2,
	SEEN_OP = 4,
	SEEN_TIMEOUT = 8,
	SEEN_NAME = 16,
	SEEN_REDIRECT = 32,
	SEEN_CASE = 64,
	SEEN_WARN = 128,
};

/* The line that is being read, and what was found on it so far. */
struct parser {
	struct checks *out;
	const struct vars *vars;
	unsigned line;
	const char *start;
	const char *end;
	unsigned seen;
	enum checks_op op;
	const char *op_at;
	bool broken; /* the check above had an error, so lines that add to it are skipped */
};

static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" };

static const char *const op_signs[] = {
	[CHECKS_HAS] = "",
	[CHECKS_LACKS] = "!",
	[CHECKS_MATCHES] = "~",
	[CHECKS_MATCHES_NOT] = "!~",
	[CHECKS_EQUALS] = "=",
};

__attribute__((format(printf, 5, 0))) static void
add_note(struct checks *c, unsigned line, size_t column, bool is_error, const char *format,
	va_list args)
{
	char text[300];
	struct buf shown;

	if (is_error)
		c->nr_errors++;
	if (c->nr_notes >= MAX_NOTES)
		return;
	vsnprintf(text, sizeof(text), format, args);
	buf_init(&shown, 4 * sizeof(text));
	(void)buf_add_shown(&shown, text, strlen(text), sizeof(text));
	c->note = xgrow(c->note, c->nr_notes, sizeof(c->note[0]));
	c->note[c->nr_notes++] = (struct checks_note){
		.line = line,
		.column = (unsigned)column,
		.is_error = is_error,
		.text = xcopy(buf_text(&shown), shown.len),
	};
	buf_release(&shown);
}

__attribute__((format(printf, 3, 4))) static bool
refuse(struct parser *p, const char *at, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_note(p->out, p->line, (size_t)(at - p->start) + 1, true, format, args);
	va_end(args);
	return false;
}

__attribute__((format(printf, 3, 4))) static void
warn_about(struct parser *p, const char *at, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_note(p->out, p->line, (size_t)(at - p->start) + 1, false, format, args);
	va_end(args);
}

__attribute__((format(printf, 3, 4))) static void
refuse_line(struct checks *c, unsigned line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_note(c, line, 1, true, format, args);
	va_end(args);
}

static const char *
skip_blanks(const struct parser *p, const char *at)
{
	while (at < p->end && is_blank(*at))
		at++;
	return at;
}

/* Where the word at `at` ends. Templates, and the quotes of name="…", may hold blanks. */
static const char *
word_end(const struct parser *p, const char *at)
{
	const char *quoted = NULL;

	if (p->end - at > 6 && memcmp(at, "name=\"", 6) == 0)
		quoted = memchr(at + 6, '"', (size_t)(p->end - at - 6));
	if (quoted)
		return quoted + 1;
	while (at < p->end && !is_blank(*at)) {
		size_t span = vars_span(at, (size_t)(p->end - at));
		at += span > 0 ? span : 1;
	}
	return at;
}

/* Replace the templates between from and to. The caller releases *out. */
static bool
expand(struct parser *p, const char *from, const char *to, struct buf *out)
{
	const char *name = NULL;
	size_t len = 0;

	buf_init(out, MAX_EXPANDED);
	int failed = vars_expand(p->vars, from, (size_t)(to - from), out, &name, &len);
	if (failed == -1)
		return refuse(p, name, "no value for {{ var \"%.*s\" }}", (int)len, name);
	if (failed == -2)
		return refuse(p, from, "longer than 16 KiB once its templates are replaced");
	return true;
}

static bool
is_token(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c))
			return false;
	}
	return len > 0;
}

static bool
has_control(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
			return true;
	return false;
}

const char *
check_bad_header(const char *text, size_t len)
{
	static const char *const ours[] = { "Content-Length", "Transfer-Encoding", "Connection" };
	const char *colon = len == 0 ? NULL : memchr(text, ':', len);

	if (!colon || !is_token(text, (size_t)(colon - text)))
		return "expected a header, like Accept: text/html";
	if (has_control(text, len))
		return "a header may not hold control characters";
	for (size_t i = 0; i < UTIL_COUNT(ours); i++)
		if (same_word(text, (size_t)(colon - text), ours[i]))
			return "Content-Length, Transfer-Encoding and Connection are not yours to "
			       "set";
	if (same_word(text, (size_t)(colon - text), "Host"))
		return "the host is part of the check: write //host/path";
	return NULL;
}

bool
check_is_host(const char *text, size_t len)
{
	bool bracketed = len > 4 && text[0] == '[' && text[len - 1] == ']';

	for (size_t i = bracketed ? 1 : 0; i < (bracketed ? len - 1 : len); i++) {
		char c = text[i];
		bool digit = c >= '0' && c <= '9';
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		bool inner = bracketed ? c == ':' || c == '.' : c == '-' || c == '_' || c == '.';
		if (!digit && !letter && !inner)
			return false;
	}
	return len > 0 && len <= 255 && text[0] != '.' && text[0] != '-';
}

bool
check_host_matches(const char *host, size_t len, const char *pattern)
{
	size_t suffix = strlen(pattern) - 1;

	if (pattern[0] != '*')
		return same_word(host, len, pattern);
	return len > suffix && same_word(host + len - suffix, suffix, pattern + 1);
}

static bool
parse_op(const char *text, size_t len, enum checks_op *op)
{
	for (size_t i = 0; i < UTIL_COUNT(op_signs); i++) {
		if (len > 0 && len == strlen(op_signs[i]) && memcmp(text, op_signs[i], len) == 0) {
			*op = (enum checks_op)i;
			return true;
		}
	}
	return false;
}

/* The sign that `at` starts with; the longest wins. Returns its length. */
static size_t
leading_op(const struct parser *p, const char *at, enum checks_op *op)
{
	size_t left = (size_t)(p->end - at);

	if (left >= 2 && parse_op(at, 2, op))
		return 2;
	return left >= 1 && parse_op(at, 1, op) ? 1 : 0;
}

static bool
refuse_pattern(struct parser *p, const char *at, const struct match_error *error)
{
	if (error->no_memory)
		die(EXIT_INTERNAL, "out of memory");
	size_t left = (size_t)(p->end - at);
	const char *where = at + (error->offset < left ? error->offset : left);
	return refuse(p, where, "not a regex: %s", error->reason);
}

/* Adds to check c the condition that the text from at to the end of the line states. */
static bool
add_condition(
	struct parser *p, struct check *c, const char *header, enum checks_op op, const char *at)
{
	struct condition new = { .op = op, .line = p->line };
	struct match_error error = { 0 };
	struct buf text;
	bool regex = op == CHECKS_MATCHES || op == CHECKS_MATCHES_NOT;
	bool added = false;

	if (!expand(p, at, p->end, &text))
		goto release_text;
	if (text.len == 0 && at < p->end) {
		refuse(p, at, "expected a text: this one is empty without its templates");
		goto release_text;
	}
	if (text.len == 0 && (regex || (!header && op != CHECKS_EQUALS))) {
		refuse(p, at, "expected %s after %s", regex ? "a regex" : "a text", op_signs[op]);
		goto release_text;
	}
	if (op != CHECKS_EQUALS && text.len > 0) {
		enum match_kind kind = regex ? MATCH_REGEX : MATCH_LITERAL;
		new.match = match_new(kind, c->icase, text.bytes, text.len, &error);
		if (!new.match) {
			refuse_pattern(p, at, &error);
			goto release_text;
		}
	}
	new.text = xcopy(buf_text(&text), text.len);
	new.len = text.len;
	new.header = header ? xcopy(header, strlen(header)) : NULL;
	c->condition = xgrow(c->condition, c->nr_conditions, sizeof(new));
	c->condition[c->nr_conditions++] = new;
	added = true;

release_text:
	buf_release(&text);
	return added;
}

static bool
is_class(const char *text, size_t len)
{
	return len == 3 && text[0] >= '1' && text[0] <= '5' &&
		(memcmp(text + 1, "xx", 2) == 0 || memcmp(text + 1, "XX", 2) == 0);
}

/* One of "200", "2xx", "300-308". */
static bool
parse_code(const char *text, size_t len, struct status_range *range)
{
	unsigned long first;
	unsigned long last;

	if (is_class(text, len)) {
		range->first = 100 * (unsigned)(text[0] - '0');
		range->last = range->first + 99;
		return true;
	}
	const char *dash = len == 0 ? NULL : memchr(text, '-', len);
	size_t n = dash ? (size_t)(dash - text) : len;
	if (!parse_unsigned(text, n, 599, &first) || first < 100)
		return false;
	last = first;
	if (dash && !parse_unsigned(dash + 1, len - n - 1, 599, &last))
		return false;
	range->first = (unsigned)first;
	range->last = (unsigned)last;
	return last >= first;
}

static bool
take_status(struct parser *p, struct check *c, const char *at, const struct buf *word)
{
	const char *text = word->bytes;
	const char *end = word->bytes + word->len;

	while (text <= end) {
		const char *comma = memchr(text, ',', (size_t)(end - text));
		const char *stop = comma ? comma : end;
		struct status_range range = { 0 };
		if (!parse_code(text, (size_t)(stop - text), &range))
			return refuse(p, at,
				"expected a status like 200, 2xx or 300-308, got \"%s\"",
				word->bytes);
		c->status = xgrow(c->status, c->nr_status, sizeof(range));
		c->status[c->nr_status++] = range;
		text = stop + 1;
	}
	c->status_text = xcopy(word->bytes, word->len);
	return true;
}

static bool
take_name(struct parser *p, struct check *c, const char *at, const struct buf *word)
{
	const char *name = word->bytes + strlen("name=");
	size_t len = word->len - strlen("name=");

	if (len > 0 && name[0] == '"') {
		if (len < 2 || name[len - 1] != '"')
			return refuse(p, at, "expected name=\"…\", and its quote never ends");
		name++;
		len -= 2;
	}
	if (len == 0)
		return refuse(p, at, "expected a name");
	c->name = xcopy(name, len);
	return true;
}

static bool
take_timeout(struct parser *p, struct check *c, const char *at, const struct buf *word)
{
	const char *text = word->bytes + strlen("timeout=");

	if (!parse_duration(text, strlen(text), &c->timeout) || c->timeout == 0)
		return refuse(p, at, "expected a time above 0, like timeout=500ms, 2s or 1m");
	return true;
}

static bool
take_redirect(struct parser *p, struct check *c, const char *at, const struct buf *word)
{
	const char *text = word->bytes + strlen("redirect=");

	c->no_redirect = strcmp(text, "no") == 0;
	if (!c->no_redirect && strcmp(text, "follow") != 0)
		return refuse(p, at, "expected redirect=follow or redirect=no");
	return true;
}

static bool
starts(const struct buf *word, const char *prefix)
{
	return strncmp(buf_text(word), prefix, strlen(prefix)) == 0;
}

static const char *
find_method(const struct buf *word)
{
	for (size_t i = 0; i < UTIL_COUNT(methods); i++)
		if (strcmp(buf_text(word), methods[i]) == 0)
			return methods[i];
	return NULL;
}

static enum modifier
classify(const struct buf *word)
{
	enum checks_op op;

	if (parse_op(buf_text(word), word->len, &op))
		return SEEN_OP;
	if (find_method(word))
		return SEEN_METHOD;
	if (word->len > 0 && word->bytes[0] >= '0' && word->bytes[0] <= '9')
		return SEEN_STATUS;
	if (starts(word, "timeout="))
		return SEEN_TIMEOUT;
	if (starts(word, "name="))
		return SEEN_NAME;
	if (starts(word, "redirect="))
		return SEEN_REDIRECT;
	if (strcmp(buf_text(word), "i") == 0)
		return SEEN_CASE;
	if (strcmp(buf_text(word), "warn") == 0)
		return SEEN_WARN;
	return (enum modifier)0;
}

static bool
take_modifier(struct parser *p, struct check *c, const char *at, const struct buf *word)
{
	enum modifier kind = classify(word);

	if (kind == 0)
		return refuse(p, at, "expected a path, or a modifier before it, got \"%.100s\"",
			buf_text(word));
	if (p->seen & kind)
		return refuse(p, at, "\"%.100s\" says again what was said before", buf_text(word));
	p->seen |= kind;
	if (kind == SEEN_STATUS)
		return take_status(p, c, at, word);
	if (kind == SEEN_NAME)
		return take_name(p, c, at, word);
	if (kind == SEEN_TIMEOUT)
		return take_timeout(p, c, at, word);
	if (kind == SEEN_REDIRECT)
		return take_redirect(p, c, at, word);
	if (kind == SEEN_METHOD)
		c->method = find_method(word);
	if (kind == SEEN_OP) {
		(void)parse_op(word->bytes, word->len, &p->op);
		p->op_at = at;
	}
	c->icase |= kind == SEEN_CASE;
	c->warn |= kind == SEEN_WARN;
	return true;
}

static bool
is_target(const struct buf *word)
{
	return starts(word, "/") || starts(word, "http://") || starts(word, "https://");
}

/*
 * Returns a path in the form that a request needs: bytes beyond ASCII become %XX, as in a browser.
 */
static bool
take_path(struct parser *p, struct check *c, const char *at, const char *path, size_t len)
{
	struct buf out;
	bool good = true;

	buf_init(&out, 3 * CHECKS_MAX_LINE);
	if (len == 0 || path[0] != '/')
		good = buf_add(&out, "/", 1);
	for (size_t i = 0; i < len && good; i++) {
		unsigned char byte = (unsigned char)path[i];
		if (byte <= ' ' || byte == 0x7f)
			good = refuse(p, at, "a blank or control character in the path");
		else if (!(byte < 0x80 ? buf_add(&out, path + i, 1)
				       : buf_addf(&out, "%%%02X", byte)))
			good = refuse(p, at, "the path is too long");
	}
	if (good)
		c->path = xcopy(buf_text(&out), out.len);
	buf_release(&out);
	return good;
}

/* host[:port]. The port is accepted and ignored. */
static bool
take_host(struct parser *p, struct check *c, const char *at, const char *host, size_t len)
{
	unsigned long port;
	size_t n = len;

	while (n > 0 && host[n - 1] != ':' && host[n - 1] != ']')
		n--;
	if (n > 0 && host[n - 1] == ':' && parse_unsigned(host + n, len - n, 65535, &port))
		len = n - 1;
	if (!check_is_host(host, len))
		return refuse(p, at, "expected a host name after //");
	c->host = xcopy(host, len);
	return true;
}

static bool
take_target(struct parser *p, struct check *c, const char *at, const struct buf *word)
{
	const char *text = word->bytes;
	const char *end = word->bytes + word->len;

	c->target = xcopy(text, word->len);
	if (starts(word, "https:"))
		c->scheme = CHECKS_HTTPS;
	else if (starts(word, "http:"))
		c->scheme = CHECKS_HTTP;
	text = strchr(text, '/');
	if (text[1] == '/') {
		const char *host = text + 2;
		text = host;
		while (text < end && !strchr("/?#", *text))
			text++;
		if (!take_host(p, c, at, host, (size_t)(text - host)))
			return false;
	}
	return take_path(p, c, at, text, (size_t)(end - text));
}

static void
clear_check(struct check *c)
{
	for (size_t i = 0; i < c->nr_conditions; i++) {
		free(c->condition[i].header);
		free(c->condition[i].text);
		match_free(c->condition[i].match);
	}
	for (size_t i = 0; i < c->nr_headers; i++)
		free(c->header[i]);
	free(c->condition);
	free(c->header);
	free(c->status);
	free(c->status_text);
	free(c->target);
	free(c->host);
	free(c->path);
	free(c->name);
	free(c->body);
}

/* { modifier WS+ } target [ WS+ text ] */
static bool
read_check(struct parser *p, struct check *c, const char *at)
{
	struct buf word = { 0 };
	bool good = true;
	bool found = false;

	while (good && !found) {
		at = skip_blanks(p, at);
		if (at == p->end)
			return refuse(p, at, "expected a path");
		const char *end = word_end(p, at);
		good = expand(p, at, end, &word);
		if (good) {
			found = is_target(&word);
			good = found ? take_target(p, c, at, &word)
				     : take_modifier(p, c, at, &word);
		}
		buf_release(&word);
		at = end;
	}
	if (!good)
		return false;
	at = skip_blanks(p, at);
	if (at == p->end && !p->op_at)
		return true;
	return add_condition(p, c, NULL, p->op, at);
}

static void
parse_check(struct parser *p, const char *at)
{
	struct check c = { .line = p->line, .method = methods[0] };

	p->seen = 0;
	p->op = CHECKS_HAS;
	p->op_at = NULL;
	p->broken = !read_check(p, &c, at);
	if (!p->broken && p->out->nr >= CHECKS_MAX_CHECKS) {
		p->broken = true;
		if (p->out->nr_errors == 0)
			refuse(p, at, "more than %d checks", CHECKS_MAX_CHECKS);
	}
	if (p->broken) {
		clear_check(&c);
		return;
	}
	p->out->item = xgrow(p->out->item, p->out->nr, sizeof(c));
	p->out->item[p->out->nr++] = c;
}

/* "> Name: value" */
static bool
parse_request_header(struct parser *p, struct check *c, const char *at)
{
	struct buf header;
	bool good = expand(p, at, p->end, &header);

	if (good) {
		const char *bad = check_bad_header(buf_text(&header), header.len);
		good = bad ? refuse(p, at, "%s", bad) : true;
	}
	if (good) {
		c->header = xgrow(c->header, c->nr_headers, sizeof(c->header[0]));
		c->header[c->nr_headers++] = xcopy(header.bytes, header.len);
	}
	buf_release(&header);
	return good;
}

/* "< Name: [op] text" */
static bool
parse_header_condition(struct parser *p, struct check *c, const char *at)
{
	enum checks_op op = CHECKS_HAS;
	const char *colon = memchr(at, ':', (size_t)(p->end - at));

	if (!colon || !is_token(at, (size_t)(colon - at)))
		return refuse(p, at, "expected a response header, like Content-Type: text/html");
	char *name = xcopy(at, (size_t)(colon - at));
	at = skip_blanks(p, colon + 1);
	at = skip_blanks(p, at + leading_op(p, at, &op));
	bool good = add_condition(p, c, name, op, at);
	free(name);
	return good;
}

static bool
parse_body(struct parser *p, struct check *c, const char *at)
{
	struct buf text;
	bool good = expand(p, at, p->end, &text);

	if (good) {
		/* Each further body line adds a line to the body. */
		size_t gap = c->body ? 1 : 0;
		c->body = xrealloc(c->body, c->body_len + gap + text.len + 1, 1);
		if (gap)
			c->body[c->body_len++] = '\n';
		memcpy(c->body + c->body_len, text.bytes, text.len + 1);
		c->body_len += text.len;
	}
	buf_release(&text);
	return good;
}

/* Whether the line, judged by its first characters, adds to the check above it. */
static bool
is_more(const struct parser *p, const char *at)
{
	size_t span = vars_span(at, (size_t)(p->end - at));

	/*
	 * A template with a "v" in it stands for a variable, so the line is a check with that path.
	 * Any other template stands for a brace and adds to the check above, as a plain brace does.
	 */
	if (span > 0 && memchr(at, 'v', span))
		return false;
	return strchr("!~=<>{[", *at) && *at != '\0';
}

static void
parse_more(struct parser *p, const char *at)
{
	enum checks_op op = CHECKS_HAS;

	if (p->broken)
		return;
	if (p->out->nr == 0) {
		refuse(p, at, "an indented line adds to a check, and there is none above it");
		return;
	}
	struct check *c = &p->out->item[p->out->nr - 1];
	if (*at == '>') {
		(void)parse_request_header(p, c, skip_blanks(p, at + 1));
	} else if (*at == '<') {
		(void)parse_header_condition(p, c, skip_blanks(p, at + 1));
	} else if (*at == '{' || *at == '[') {
		(void)parse_body(p, c, at);
	} else {
		at += leading_op(p, at, &op);
		(void)add_condition(p, c, NULL, op, skip_blanks(p, at));
	}
}

/* Returns where the value starts, or NULL if this is no setting. */
static const char *
setting_value(const struct parser *p, const char *at, const char *name)
{
	size_t len = strlen(name);

	if ((size_t)(p->end - at) <= len || memcmp(at, name, len) != 0)
		return NULL;
	at = skip_blanks(p, at + len);
	return at < p->end && *at == '=' ? skip_blanks(p, at + 1) : NULL;
}

/* Returns where the value ends. Only a comment may follow it. */
static bool
take_value(struct parser *p, const char *at, const char **from, const char **to)
{
	const char *end = at;

	while (end < p->end && !is_blank(*end))
		end++;
	const char *rest = skip_blanks(p, end);
	if (rest < p->end && *rest != '#')
		return refuse(p, rest, "expected nothing, or a comment, after the number");
	/* Dokku once read this line in a shell, which removed the quotes. */
	bool quoted = end - at >= 2 && (*at == '"' || *at == '\'') && end[-1] == *at;
	*from = quoted ? at + 1 : at;
	*to = quoted ? end - 1 : end;
	return true;
}

static bool
parse_setting(struct parser *p, const char *at)
{
	static const char *const names[] = { "WAIT", "TIMEOUT", "ATTEMPTS" };
	struct checks_settings *set = &p->out->set;
	const char *value = NULL;
	const char *end = NULL;
	unsigned long attempts;
	int64_t time;
	size_t i = 0;

	while (i < UTIL_COUNT(names) && !(value = setting_value(p, at, names[i])))
		i++;
	if (!value)
		return false;
	if (!take_value(p, value, &value, &end))
		return true;
	size_t len = (size_t)(end - value);
	if (i == 2 && parse_unsigned(value, len, 10000, &attempts)) {
		set->attempts = (long)attempts;
		if (attempts == 0)
			warn_about(p, at, "ATTEMPTS=0 is read as 1: the checks are asked anyway");
	} else if (i < 2 && parse_duration(value, len, &time) && (i == 0 || time > 0)) {
		*(i == 0 ? &set->wait : &set->timeout) = time;
	} else {
		refuse(p, value, "expected %s",
			i == 2 ? "a number" : "seconds, or a time like 500ms, 2s or 1m");
	}
	return true;
}

static void
parse_line(struct parser *p)
{
	const char *at = skip_blanks(p, p->start);

	if (at == p->end || *at == '#')
		return;
	if ((size_t)(p->end - p->start) > CHECKS_MAX_LINE)
		refuse(p, p->start, "longer than 4 KiB");
	else if (memchr(p->start, '\0', (size_t)(p->end - p->start)))
		refuse(p, memchr(p->start, '\0', (size_t)(p->end - p->start)), "a NUL byte");
	else if (parse_setting(p, at))
		return;
	else if (at > p->start && is_more(p, at))
		parse_more(p, at);
	else if (strchr("<>{[", *at) && is_more(p, at))
		refuse(p, at, "indent this line: it adds to the check above it");
	else
		parse_check(p, at);
}

/* Applies the rules that need all lines of a check. */
static void
judge_whole(struct checks *c, const struct check *check)
{
	bool head = strcmp(check->method, "HEAD") == 0;
	bool reads_only = head || strcmp(check->method, "GET") == 0;

	if (head && check_needs_body(check))
		refuse_line(c, check->line, "an answer to HEAD has no body to look at");
	if (check->body && reads_only)
		refuse_line(c, check->line, "a request body needs POST, PUT, PATCH or DELETE");
}

int
checks_parse(struct checks *c, const char *text, size_t len, const struct vars *vars)
{
	struct parser p = { .out = c, .vars = vars };
	const char *end = text + len;

	*c = (struct checks){ .set = { .wait = -1, .timeout = 0, .attempts = -1 } };
	if (len > CHECKS_MAX_FILE) {
		refuse_line(c, 1, "the file is bigger than 64 KiB");
		return -1;
	}
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		p.line++;
		p.start = text;
		p.end = newline ? newline : end;
		text = newline ? newline + 1 : end;
		while (p.end > p.start && (is_blank(p.end[-1]) || p.end[-1] == '\r'))
			p.end--;
		parse_line(&p);
	}
	for (size_t i = 0; i < c->nr; i++)
		judge_whole(c, &c->item[i]);
	if (c->nr == 0 && c->nr_errors == 0) {
		c->empty = true;
		refuse_line(c, p.line > 0 ? p.line : 1, "not one check in this file");
	}
	return c->nr_errors == 0 ? 0 : -1;
}

static bool
is_kept(const struct check *check, const char *const *host, size_t nr)
{
	if (!check->host)
		return true;
	for (size_t i = 0; i < nr; i++)
		if (check_host_matches(check->host, strlen(check->host), host[i]))
			return true;
	return false;
}

int
checks_keep_hosts(struct checks *c, const char *const *host, size_t nr)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->nr; i++) {
		if (is_kept(&c->item[i], host, nr))
			c->item[kept++] = c->item[i];
		else
			clear_check(&c->item[i]);
	}
	c->nr = kept;
	if (kept > 0)
		return 0;
	c->empty = true;
	refuse_line(c, 1, "not one check in this file is for a host of --host");
	return -1;
}

void
checks_clear(struct checks *c)
{
	for (size_t i = 0; i < c->nr; i++)
		clear_check(&c->item[i]);
	for (size_t i = 0; i < c->nr_notes; i++)
		free(c->note[i].text);
	free(c->item);
	free(c->note);
	*c = (struct checks){ 0 };
}

bool
check_wants(const struct check *c, int status)
{
	if (c->nr_status == 0)
		return status >= 200 && status < 400;
	for (size_t i = 0; i < c->nr_status; i++)
		if (status >= (int)c->status[i].first && status <= (int)c->status[i].last)
			return true;
	return false;
}

bool
check_needs_body(const struct check *c)
{
	for (size_t i = 0; i < c->nr_conditions; i++)
		if (!c->condition[i].header)
			return true;
	return false;
}

const char *
check_op_sign(enum checks_op op)
{
	return op_signs[op];
}
