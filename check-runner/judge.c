#include "judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "status.h"
#include "util.h"

/* How much of a body is kept to show a part of it. */
#define KEPT_FOR_SHOW ((size_t)64 << 10)
#define MAX_REASON ((size_t)8 << 10)
#define MAX_URL ((size_t)64 << 10)
#define SHOWN_TEXT 120
/* How much of a body is searched in one step. */
#define MAX_STEP ((size_t)16 << 10)
#define REGEX_BUDGET (500 * UTIL_MS)

static const char *const words[] = {
	[VERDICT_UNASKED] = "unasked",
	[VERDICT_PASSED] = "passed",
	[VERDICT_STATUS] = "status",
	[VERDICT_MISSING] = "missing",
	[VERDICT_PRESENT] = "present",
	[VERDICT_DIFFERS] = "differs",
	[VERDICT_HEADER] = "header",
	[VERDICT_COSTLY] = "costly",
	[VERDICT_TOO_BIG] = "too-big",
	[VERDICT_BROKEN] = "broken",
	[VERDICT_SILENT] = "silent",
	[VERDICT_TIMEOUT] = "timeout",
	[VERDICT_REFUSED] = "refused",
	[VERDICT_UNREACHABLE] = "unreachable",
	[VERDICT_INTERNAL] = "internal",
};

const char *
verdict_word(enum verdict v)
{
	return words[v];
}

bool
response_is_answer(const struct fetch_response *r)
{
	return r->status > 0 || r->redirects > 0 || r->end == FETCH_NOT_HTTP ||
		r->end == FETCH_BIG_HEADER || r->end == FETCH_MANY_HEADERS ||
		r->end == FETCH_ENCODING;
}

static bool
is_literal(const struct condition *c)
{
	return !c->header && c->match && (c->op == CHECKS_HAS || c->op == CHECKS_LACKS);
}

static bool
needs_whole_body(const struct condition *c)
{
	return !c->header && !is_literal(c);
}

void
judge_start(struct judge *j, const struct check *check, const struct fetch_response *response,
	int64_t until)
{
	size_t keep = KEPT_FOR_SHOW;
	size_t longest = 1;

	j->check = check;
	j->response = response;
	j->until = until;
	j->seen = xrealloc(j->seen, check->nr_conditions, sizeof(j->seen[0]));
	for (size_t i = 0; i < check->nr_conditions; i++) {
		const struct condition *c = &check->condition[i];
		j->seen[i] = false;
		if (needs_whole_body(c))
			keep = MATCH_MAX_SUBJECT;
		if (is_literal(c) && c->len > longest)
			longest = c->len;
	}
	/* If case is ignored, a character may have more bytes than the one that it equals. */
	j->carry = (longest - 1) * (check->icase ? 3 : 1) + (check->icase ? 4 : 0);
	buf_clear(&j->kept);
	buf_clear(&j->window);
	buf_clear(&j->around);
	j->kept.max = keep;
	j->window.max = j->carry + MAX_STEP;
	j->around.max = 3 * JUDGE_MAX_EXCERPT + CHECKS_MAX_LINE;
}

/* Keeps the surroundings of a text that must not be there. */
static void
keep_around(struct judge *j, const struct match_span *span)
{
	size_t before = span->start < JUDGE_MAX_EXCERPT ? span->start : JUDGE_MAX_EXCERPT;

	if (j->around.len == 0)
		(void)buf_add_some(&j->around, j->window.bytes + span->start - before,
			j->window.len - span->start + before);
}

static void
look_for_literals(struct judge *j)
{
	for (size_t i = 0; i < j->check->nr_conditions; i++) {
		const struct condition *c = &j->check->condition[i];
		struct match_span span = { 0 };
		if (j->seen[i] || !is_literal(c))
			continue;
		enum match_answer answer =
			match_find(c->match, j->window.bytes, j->window.len, 0, &span);
		if (answer == MATCH_FAILED)
			die(EXIT_INTERNAL, "out of memory");
		/* If the search gave up, the condition counts as failed. */
		j->seen[i] = answer == MATCH_YES || (answer != MATCH_NO && c->op == CHECKS_LACKS);
		if (j->seen[i] && c->op == CHECKS_LACKS)
			keep_around(j, &span);
	}
}

/* Whether the rest of the body can no longer change the verdict or what is shown of it. */
static bool
has_enough(const struct judge *j)
{
	bool wrong = !check_wants(j->check, j->response->status);
	bool open = false;

	for (size_t i = 0; i < j->check->nr_conditions; i++) {
		const struct condition *c = &j->check->condition[i];
		if (c->header)
			continue;
		if (is_literal(c) && j->seen[i])
			wrong |= c->op == CHECKS_LACKS;
		else
			open = true;
	}
	return wrong ? j->kept.len == j->kept.max : !open;
}

enum fetch_take
judge_take(void *judge, const char *bytes, size_t n)
{
	struct judge *j = judge;

	if (j->response->bytes > JUDGE_MAX_BODY)
		return FETCH_TOO_MUCH;
	(void)buf_add_some(&j->kept, bytes, n);
	while (n > 0) {
		size_t step = n < MAX_STEP ? n : MAX_STEP;
		if (j->window.len > j->carry)
			buf_drop(&j->window, j->window.len - j->carry);
		(void)buf_add(&j->window, bytes, step);
		look_for_literals(j);
		bytes += step;
		n -= step;
	}
	if (has_enough(j))
		return FETCH_ENOUGH;
	/*
	 * libcurl looks at the time only after about a hundred pieces, so each piece is timed here.
	 */
	return clock_now() < j->until ? FETCH_MORE : FETCH_TOO_LATE;
}

static void
add_text(struct buf *out, const char *text, size_t len)
{
	(void)buf_add(out, "\"", 1);
	if (!buf_add_shown(out, text, len, SHOWN_TEXT))
		(void)buf_add(out, "…", strlen("…"));
	(void)buf_add(out, "\"", 1);
}

static bool
is_space(char c)
{
	return is_blank(c) || c == '\n' || c == '\r';
}

static bool
is_inside_character(const char *body, size_t len, size_t at)
{
	return at > 0 && at < len && ((unsigned char)body[at] & 0xc0) == 0x80;
}

/* Finds the part of the line around [start, end) that fits. */
static void
add_excerpt(struct buf *out, const char *body, size_t len, size_t start, size_t end, bool is_all)
{
	size_t from = start;
	size_t to = end;

	while (from > 0 && body[from - 1] != '\n')
		from--;
	while (to < len && body[to] != '\n')
		to++;
	if (to - from > JUDGE_MAX_EXCERPT) {
		size_t middle = end - start < JUDGE_MAX_EXCERPT ? (start + end) / 2
								: start + JUDGE_MAX_EXCERPT / 2;
		if (middle > from + JUDGE_MAX_EXCERPT / 2)
			from = middle - JUDGE_MAX_EXCERPT / 2;
		if (to > from + JUDGE_MAX_EXCERPT)
			to = from + JUDGE_MAX_EXCERPT;
		else
			from = to - JUDGE_MAX_EXCERPT;
		for (int i = 0; i < 3 && is_inside_character(body, len, from); i++)
			from++;
		for (int i = 0; i < 3 && is_inside_character(body, len, to); i++)
			to--;
	}
	while (from < to && is_space(body[from]))
		from++;
	while (to > from && is_space(body[to - 1]))
		to--;
	if (from > 0)
		(void)buf_add(out, "…", strlen("…"));
	bool whole = buf_add_shown(out, body + from, to - from, JUDGE_MAX_EXCERPT);
	if (!whole || to < len || !is_all)
		(void)buf_add(out, "…", strlen("…"));
}

static bool
find_in_other_case(
	const char *body, size_t len, const char *text, size_t text_len, struct match_span *span)
{
	/* Every position is tried, so this is done with short texts only. */
	if (text_len > SHOWN_TEXT)
		return false;
	for (size_t at = 0; at + text_len <= len; at++) {
		if (same_word(body + at, text_len, text)) {
			*span = (struct match_span){ .start = at, .end = at + text_len };
			return true;
		}
	}
	return false;
}

/* Finds a long piece of text that occurs in body. Tries shorter and shorter pieces. */
static bool
find_piece(const char *body, size_t len, const char *text, size_t text_len, struct match_span *span)
{
	size_t most = text_len < SHOWN_TEXT ? text_len : SHOWN_TEXT;

	for (size_t size = most; size >= 4; size -= (size + 3) / 4) {
		size_t step = size > 8 ? size / 4 : 1;
		for (size_t at = 0; at + size <= most; at += step) {
			const char *hit = find_bytes(body, len, text + at, size);
			if (hit) {
				span->start = (size_t)(hit - body);
				span->end = span->start + size;
				return true;
			}
		}
	}
	return false;
}

/* Shows the part of the body that is most like the expected text. text may be NULL. */
static void
add_nearest(struct buf *out, const struct judge *j, const char *text, size_t text_len)
{
	const char *body = buf_text(&j->kept);
	size_t len = j->kept.len;
	bool is_all = j->response->bytes == len;
	struct match_span span = { 0 };

	if (len == 0)
		return;
	bool found = text &&
		(find_in_other_case(body, len, text, text_len, &span) ||
			find_piece(body, len, text, text_len, &span));
	if (!found) {
		const char *title = find_bytes(body, len, "<title", 6);
		span.start = title ? (size_t)(title - body) : 0;
		while (span.start < len && is_space(body[span.start]))
			span.start++;
		if (span.start == len)
			return;
		span.end = span.start;
	}
	(void)buf_add(out, ": ", 2);
	add_excerpt(out, body, len, span.start, span.end, is_all);
}

/* "200", or "200 at http://…/ after 2 redirects" */
static void
add_status(struct buf *out, const struct fetch_response *r)
{
	(void)buf_addf(out, "%d", r->status);
	if (r->redirects == 0)
		return;
	(void)buf_add(out, " at ", 4);
	if (!buf_add_shown(out, buf_text(&r->url), r->url.len, JUDGE_MAX_EXCERPT))
		(void)buf_add(out, "…", strlen("…"));
	(void)buf_addf(out, " after %u redirect%s", r->redirects, r->redirects == 1 ? "" : "s");
}

static enum verdict
end_status(const struct judge *j, struct buf *out)
{
	const struct fetch_response *r = j->response;

	add_status(out, r);
	if (j->check->nr_status == 0)
		(void)buf_addf(out, ", not below 400");
	else
		(void)buf_addf(out, ", not %s", j->check->status_text);
	if (r->status >= 300 && r->status < 400 && r->location.len > 0) {
		(void)buf_addf(out, ": Location: ");
		(void)buf_add_shown(out, r->location.bytes, r->location.len, JUDGE_MAX_EXCERPT);
	} else {
		add_nearest(out, j, NULL, 0);
	}
	return VERDICT_STATUS;
}

/* Describes a try that got no whole answer. */
static enum verdict
end_broken(const struct judge *j, struct buf *out)
{
	static const struct {
		enum verdict verdict;
		const char *reason;
	} ends[] = {
		[FETCH_ANSWERED] = { VERDICT_INTERNAL, "answered" },
		[FETCH_TOO_BIG] = { VERDICT_TOO_BIG, "its body is over 8 MiB" },
		[FETCH_BIG_HEADER] = { VERDICT_TOO_BIG, "more than 64 KiB of response headers" },
		[FETCH_MANY_HEADERS] = { VERDICT_TOO_BIG, "more than 4096 response headers" },
		[FETCH_ENCODING] = { VERDICT_BROKEN,
			"its body is in a coding that was not asked for, or broken" },
		[FETCH_CUT] = { VERDICT_BROKEN, "the connection ended before its body did" },
		[FETCH_REDIRECTS] = { VERDICT_BROKEN, "more than 10 redirects" },
		[FETCH_NOT_HTTP] = { VERDICT_BROKEN, "it answered, but not in HTTP/1" },
		[FETCH_RESET] = { VERDICT_BROKEN, "the connection broke" },
		[FETCH_EMPTY] = { VERDICT_SILENT, "the connection was closed without an answer" },
		[FETCH_TIMEOUT] = { VERDICT_TIMEOUT, "no answer" },
		[FETCH_REFUSED] = { VERDICT_REFUSED, "connection refused" },
		[FETCH_UNREACHABLE] = { VERDICT_UNREACHABLE, "cannot connect" },
		[FETCH_TLS] = { VERDICT_BROKEN, "TLS" },
		[FETCH_NO_MEMORY] = { VERDICT_INTERNAL, "out of memory" },
		[FETCH_FAILED] = { VERDICT_INTERNAL, "libcurl" },
	};
	const struct fetch_response *r = j->response;

	if (r->status > 0 && r->end != FETCH_REDIRECTS) {
		add_status(out, r);
		(void)buf_addf(out, ", but ");
	}
	if (r->end == FETCH_TIMEOUT && r->status > 0)
		(void)buf_addf(out, "its body did not end");
	else
		(void)buf_addf(out, "%s", ends[r->end].reason);
	if (r->end == FETCH_TIMEOUT)
		(void)buf_addf(out, " within %.3g s", (double)r->total / 1e6);
	if (r->status > 0 && r->bytes > 0 && r->end != FETCH_TOO_BIG)
		(void)buf_addf(out, " (%llu bytes came)", (unsigned long long)r->bytes);
	bool explained = r->end == FETCH_TLS || r->end == FETCH_RESET || r->end == FETCH_FAILED ||
		r->end == FETCH_UNREACHABLE;
	if (explained && r->error[0] != '\0') {
		(void)buf_addf(out, ": ");
		(void)buf_add_shown(out, r->error, strlen(r->error), JUDGE_MAX_EXCERPT);
	}
	if (r->redirects > 0 && (r->status == 0 || r->end == FETCH_REDIRECTS)) {
		(void)buf_addf(out, ", the last to ");
		(void)buf_add_shown(out, buf_text(&r->url), r->url.len, JUDGE_MAX_EXCERPT);
	}
	return ends[r->end].verdict;
}

static int64_t
regex_budget(const struct judge *j)
{
	int64_t left = j->until - clock_now();

	return left < REGEX_BUDGET ? left : REGEX_BUDGET;
}

/* Whether the value of one header satisfies the condition, apart from its negation. */
static enum match_answer
header_holds(const struct judge *j, const struct condition *c, const char *value, size_t len)
{
	if (c->op != CHECKS_EQUALS)
		return c->match ? match_find(c->match, value, len, regex_budget(j), NULL)
				: MATCH_YES;
	bool equal = j->check->icase ? same_word(value, len, c->text)
				     : len == c->len && memcmp(value, c->text, len) == 0;
	return equal ? MATCH_YES : MATCH_NO;
}

/* Moves to the next header of this name. Returns its value, or NULL after the last one. */
static const char *
next_header(const char **at, const char *end, const char *name, size_t *len)
{
	size_t n = strlen(name);

	while (*at < end) {
		const char *line = *at;
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		*at = stop ? stop + 1 : end;
		if ((size_t)(*at - line) <= n || line[n] != ':' || !same_word(line, n, name))
			continue;
		const char *value = line + n + 1;
		stop = *at;
		while (stop > value && is_space(stop[-1]))
			stop--;
		while (value < stop && is_space(*value))
			value++;
		*len = (size_t)(stop - value);
		return value;
	}
	return NULL;
}

static bool
is_negative(enum checks_op op)
{
	return op == CHECKS_LACKS || op == CHECKS_MATCHES_NOT;
}

static void
add_header_reason(const struct judge *j, const struct condition *c, const char *value, size_t len,
	struct buf *out)
{
	static const char *const says[] = {
		[CHECKS_HAS] = "does not contain",
		[CHECKS_LACKS] = "contains",
		[CHECKS_MATCHES] = "does not match",
		[CHECKS_MATCHES_NOT] = "matches",
		[CHECKS_EQUALS] = "is not",
	};

	add_status(out, j->response);
	if (!value) {
		(void)buf_addf(out, ", but it has no header %s", c->header);
		return;
	}
	(void)buf_addf(out, ", but its header %s: ", c->header);
	if (!buf_add_shown(out, value, len, JUDGE_MAX_EXCERPT))
		(void)buf_add(out, "…", strlen("…"));
	if (c->len == 0 && is_negative(c->op)) {
		(void)buf_addf(out, " should not be there");
		return;
	}
	(void)buf_addf(out, " %s ", says[c->op]);
	add_text(out, c->text, c->len);
}

static enum verdict
judge_header(const struct judge *j, const struct condition *c, struct buf *out)
{
	const char *at = buf_text(&j->response->headers);
	const char *end = at + j->response->headers.len;
	const char *shown = NULL;
	size_t shown_len = 0;
	size_t len = 0;

	for (const char *value; (value = next_header(&at, end, c->header, &len));) {
		enum match_answer answer = header_holds(j, c, value, len);
		if (answer == MATCH_COSTLY || answer == MATCH_FAILED) {
			(void)buf_addf(out, "the regex for header %s takes too long", c->header);
			return answer == MATCH_COSTLY ? VERDICT_COSTLY : VERDICT_INTERNAL;
		}
		if (answer == MATCH_YES && !is_negative(c->op))
			return VERDICT_PASSED;
		shown = value;
		shown_len = len;
		if (answer == MATCH_YES)
			break;
		if (is_negative(c->op))
			shown = NULL;
	}
	if (is_negative(c->op) && !shown)
		return VERDICT_PASSED;
	add_header_reason(j, c, shown, shown_len, out);
	return VERDICT_HEADER;
}

/* Adds a reason such as `200, but "text" is not in its 1841 bytes`. */
static void
add_but(const struct judge *j, const struct condition *c, const char *says, struct buf *out)
{
	add_status(out, j->response);
	(void)buf_addf(out, ", but ");
	if (c->op == CHECKS_MATCHES || c->op == CHECKS_MATCHES_NOT)
		(void)buf_addf(out, "~ ");
	add_text(out, c->text, c->len);
	(void)buf_addf(out, " %s its %llu bytes", says, (unsigned long long)j->response->bytes);
}

static enum verdict
judge_literal(const struct judge *j, const struct condition *c, bool seen, struct buf *out)
{
	const char *body = buf_text(&j->kept);

	if (seen == (c->op == CHECKS_HAS))
		return VERDICT_PASSED;
	if (c->op == CHECKS_LACKS) {
		const struct buf *shown = &j->kept;
		struct match_span span = { 0 };
		add_but(j, c, "is in", out);
		(void)buf_addf(out, ": ");
		if (match_find(c->match, body, j->kept.len, 0, &span) != MATCH_YES) {
			shown = &j->around;
			(void)match_find(c->match, buf_text(shown), shown->len, 0, &span);
		}
		add_excerpt(out, buf_text(shown), shown->len, span.start, span.end,
			shown->len == j->response->bytes);
		return VERDICT_PRESENT;
	}
	add_but(j, c, "is not in", out);
	add_nearest(out, j, c->text, c->len);
	if (match_would(c->text, c->len, body, j->kept.len)) {
		(void)buf_addf(out, "; did you mean \"~ %s ", j->check->target);
		(void)buf_add_shown(out, c->text, c->len, SHOWN_TEXT);
		(void)buf_addf(out, "\"?");
	}
	return VERDICT_MISSING;
}

static enum verdict
judge_regex(const struct judge *j, const struct condition *c, struct buf *out)
{
	struct match_span span = { 0 };
	const char *body = buf_text(&j->kept);
	bool cut = j->response->bytes > j->kept.len;
	enum match_answer answer = match_find(c->match, body, j->kept.len, regex_budget(j), &span);

	if (answer == MATCH_FAILED)
		die(EXIT_INTERNAL, "out of memory");
	if (answer == MATCH_COSTLY) {
		add_but(j, c, "takes too long on", out);
		return VERDICT_COSTLY;
	}
	if (answer == MATCH_YES && c->op == CHECKS_MATCHES_NOT) {
		add_but(j, c, "matches in", out);
		(void)buf_addf(out, ": ");
		add_excerpt(out, body, j->kept.len, span.start, span.end, !cut);
		return VERDICT_PRESENT;
	}
	if (answer == MATCH_NO && c->op == CHECKS_MATCHES) {
		add_but(j, c, cut ? "matches nothing in the first MiB of" : "matches nothing in",
			out);
		add_nearest(out, j, c->text, c->len);
		return VERDICT_MISSING;
	}
	if (answer == MATCH_NO && cut) {
		add_but(j, c, "could only be looked for in the first MiB of", out);
		return VERDICT_TOO_BIG;
	}
	return VERDICT_PASSED;
}

static enum verdict
judge_equals(const struct judge *j, const struct condition *c, struct buf *out)
{
	const char *from = buf_text(&j->kept);
	const char *to = from + j->kept.len;

	while (from < to && is_space(*from))
		from++;
	while (to > from && is_space(to[-1]))
		to--;
	size_t len = (size_t)(to - from);
	bool equal = j->check->icase ? same_word(from, len, c->text)
				     : len == c->len && memcmp(from, c->text, len) == 0;
	if (equal && j->response->bytes == j->kept.len)
		return VERDICT_PASSED;
	add_status(out, j->response);
	(void)buf_addf(
		out, ", but its %llu bytes are not ", (unsigned long long)j->response->bytes);
	add_text(out, c->text, c->len);
	add_nearest(out, j, c->text, c->len);
	return VERDICT_DIFFERS;
}

static enum verdict
judge_condition(const struct judge *j, size_t i, struct buf *out)
{
	const struct condition *c = &j->check->condition[i];

	if (c->header)
		return judge_header(j, c, out);
	if (c->op == CHECKS_EQUALS)
		return judge_equals(j, c, out);
	if (is_literal(c))
		return judge_literal(j, c, j->seen[i], out);
	return judge_regex(j, c, out);
}

static enum verdict
judge_answer(const struct judge *j, struct buf *out)
{
	const struct fetch_response *r = j->response;

	if (r->end == FETCH_NO_MEMORY)
		die(EXIT_INTERNAL, "out of memory");
	if (r->status > 0 && r->end != FETCH_REDIRECTS && !check_wants(j->check, r->status))
		return end_status(j, out);
	if (r->end != FETCH_ANSWERED) {
		/*
		 * A text that must not be there was found, so the rest of the body does not matter.
		 */
		for (size_t i = 0; i < j->check->nr_conditions; i++)
			if (j->seen && j->seen[i] && j->check->condition[i].op == CHECKS_LACKS)
				return judge_literal(j, &j->check->condition[i], true, out);
		return end_broken(j, out);
	}
	enum verdict verdict = VERDICT_PASSED;
	for (size_t i = 0; i < j->check->nr_conditions && verdict == VERDICT_PASSED; i++)
		verdict = judge_condition(j, i, out);
	return verdict;
}

void
judge_end(struct judge *j, struct result *result)
{
	const struct fetch_response *r = j->response;

	result->reason.max = MAX_REASON;
	result->url.max = MAX_URL;
	buf_clear(&result->reason);
	buf_clear(&result->url);
	result->verdict = judge_answer(j, &result->reason);
	result->status = r->status;
	result->redirects = r->redirects;
	result->bytes = r->bytes;
	result->connect = r->connect;
	result->first_byte = r->first_byte;
	result->total = r->total;
	(void)buf_add(&result->url, buf_text(&r->url), r->url.len);
}

void
judge_release(struct judge *j)
{
	buf_release(&j->kept);
	buf_release(&j->window);
	buf_release(&j->around);
	free(j->seen);
	*j = (struct judge){ 0 };
}

void
result_release(struct result *r)
{
	buf_release(&r->url);
	buf_release(&r->reason);
	*r = (struct result){ 0 };
}
