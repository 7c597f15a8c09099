/* Tests the parsers and counters. Prints a line per failure, then "N passed, N failed". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base.h"
#include "frame.h"
#include "releases.h"
#include "response.h"
#include "stats.h"
#include "util.h"

struct tally {
	unsigned passed;
	unsigned failed;
};

static void
check(struct tally *t, int line, int ok, const char *what)
{
	if (ok) {
		t->passed++;
	} else {
		t->failed++;
		printf("tests/load/unit_test.c:%d: not so: %s\n", line, what);
	}
}

#define CHECK(t, condition) check(t, __LINE__, condition, #condition)

struct text {
	char bytes[256];
	size_t n;
};

static void
collect(void *arg, const char *bytes, size_t n)
{
	struct text *t = arg;

	memcpy(t->bytes + t->n, bytes, n);
	t->n += n;
}

static const struct {
	int line;
	const char *bytes;
	enum response_state state; /* after all bytes */
	bool ended; /* whether the end of the connection then completes it */
	unsigned status;
	const char *body;
	size_t rest;
} responses[] = {
	{ __LINE__, "", RESPONSE_HEAD, false, 0, "", 0 },
	{ __LINE__, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", RESPONSE_DONE, true, 200,
		"ok", 0 },
	{ __LINE__, "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", RESPONSE_DONE, true, 200, "ok", 0 },
	{ __LINE__, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore", RESPONSE_DONE, true, 200,
		"ok", 4 },
	{ __LINE__, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", RESPONSE_BODY, false, 200,
		"ok", 0 },
	{ __LINE__, "HTTP/1.1 200\r\ncontent-length:0\r\n\r\n", RESPONSE_DONE, true, 200, "", 0 },
	{ __LINE__, "HTTP/1.1 204 No Content\r\n\r\n", RESPONSE_DONE, true, 204, "", 0 },
	{ __LINE__, "HTTP/1.1 200 OK\r\n\r\nuntil the end", RESPONSE_BODY, true, 200,
		"until the end", 0 },
	{ __LINE__, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
		RESPONSE_DONE, true, 200, "x", 0 },
	{ __LINE__, "HTTP/1.1 100 Continue\r\n\r\n", RESPONSE_HEAD, false, 0, "", 0 },
	{ __LINE__, "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n\x81", RESPONSE_DONE, true,
		101, "", 1 },
	{ __LINE__,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: "
		"chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789"
		"\r\n0\r\n\r\n",
		RESPONSE_DONE, true, 200, "abc0123456789", 0 },
	{ __LINE__,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n!",
		RESPONSE_DONE, true, 200, "a", 1 },
	{ __LINE__, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
		RESPONSE_BODY, false, 200, "a", 0 },
	{ __LINE__, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", RESPONSE_MALFORMED,
		false, 200, "", 0 },
	{ __LINE__, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naX",
		RESPONSE_MALFORMED, false, 200, "a", 0 },
	{ __LINE__, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
		RESPONSE_MALFORMED, false, 200, "", 2 },
	{ __LINE__, "HTTP/2 200\r\n\r\n", RESPONSE_MALFORMED, false, 0, "", 0 },
	{ __LINE__, "HTTP/1.1 2x0 OK\r\n\r\n", RESPONSE_MALFORMED, false, 0, "", 0 },
	{ __LINE__, "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", RESPONSE_MALFORMED, false, 200, "", 0 },
	{ __LINE__, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
		RESPONSE_MALFORMED, false, 200, "", 0 },
	{ __LINE__, "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", RESPONSE_MALFORMED, false, 200,
		"", 0 },
	{ __LINE__, "<html>\n", RESPONSE_MALFORMED, false, 0, "", 0 },
};

/* Each answer is fed in every pair of pieces, and each piece lies at the end of a page. */
static void
test_responses(struct tally *t)
{
	for (size_t i = 0; i < sizeof(responses) / sizeof(responses[0]); i++) {
		size_t n = strlen(responses[i].bytes);
		for (size_t cut = 0; cut <= n; cut++) {
			struct response r = { 0 };
			struct text body = { 0 };
			char *first = xrealloc(NULL, cut + 1);
			char *second = xrealloc(NULL, n - cut + 1);
			memcpy(first, responses[i].bytes, cut);
			memcpy(second, responses[i].bytes + cut, n - cut);
			size_t used = response_feed(&r, first, cut, collect, &body);
			if (used == cut)
				used += response_feed(&r, second, n - cut, collect, &body);
			bool ended;
			bool ok = r.state == responses[i].state && r.status == responses[i].status;
			ok = ok && body.n == strlen(responses[i].body) &&
				memcmp(body.bytes, responses[i].body, body.n) == 0;
			if (r.state == RESPONSE_DONE)
				ok = ok && n - used == responses[i].rest;
			ended = response_end(&r);
			check(t, responses[i].line, ok && ended == responses[i].ended,
				responses[i].bytes);
			free(first);
			free(second);
		}
	}
}

static void
test_headers(struct tally *t)
{
	static const char head[] =
		"HTTP/1.0 200 OK\r\nX-App:  my app\r\nx-release: v2\r\n"
		"Content-Type: text/html; charset=utf-8\r\nContent-Length: 0\r\n\r\n";
	struct response r = { 0 };

	response_feed(&r, head, sizeof(head) - 1, collect, NULL);
	CHECK(t, strcmp(r.app, "my app") == 0);
	CHECK(t, strcmp(r.release, "v2") == 0);
	CHECK(t, r.html);
	CHECK(t, r.close);
	response_clear(&r);
	CHECK(t, r.state == RESPONSE_HEAD && !r.begun && r.app[0] == '\0');
}

static void
test_frames(struct tally *t)
{
	static const unsigned char mask[4] = { 0, 0, 0, 0 };
	unsigned char bytes[FRAME_MAX + FRAME_MAX_HEAD];
	struct frame f;
	size_t n = frame_write(bytes, FRAME_TEXT, "hello", 5, mask);

	CHECK(t, n == 11 && bytes[0] == 0x81 && bytes[1] == 0x85);
	CHECK(t, frame_parse(&f, bytes, n) == FRAME_BAD);
	static const unsigned char echo[] = { 0x81, 5, 'h', 'e', 'l', 'l', 'o', 0x8a };
	for (n = 0; n < 7; n++)
		CHECK(t, frame_parse(&f, echo, n) == FRAME_PARTIAL);
	CHECK(t, frame_parse(&f, echo, sizeof(echo)) == FRAME_WHOLE);
	CHECK(t, f.n == 5 && f.size == 7 && memcmp(f.payload, "hello", 5) == 0);
	static const unsigned char wide[] = { 0x82, 126, 0, 200 };
	CHECK(t, frame_parse(&f, wide, sizeof(wide)) == FRAME_PARTIAL && f.n == 200);
	static const unsigned char huge[] = { 0x82, 126, 0xff, 0xff };
	CHECK(t, frame_parse(&f, huge, sizeof(huge)) == FRAME_BAD);
	static const unsigned char part[] = { 0x01, 0 };
	CHECK(t, frame_parse(&f, part, sizeof(part)) == FRAME_BAD);
}

static void
test_histogram(struct tally *t)
{
	struct stats *s = xcalloc(1, sizeof(*s));
	uint64_t v;

	stats_begin(s, 0);
	for (uint64_t i = 1; i <= 1000; i++)
		stats_ok(s, i * 10, i * 100);
	v = histogram_at(&s->latency, 0.5);
	CHECK(t, v >= 50000 && v <= 52000);
	v = histogram_at(&s->latency, 0.99);
	CHECK(t, v >= 99000 && v <= 100000);
	CHECK(t, histogram_at(&s->latency, 1.0) == 100000);
	CHECK(t, s->longest_gap == 10);
	stats_end(s, 12000);
	CHECK(t, s->longest_gap == 2000);
	stats_ok(s, 99000, 1);
	CHECK(t, s->longest_gap == 2000);
	free(s);
}

struct world {
	struct releases r;
	struct stats s;
	FILE *marks;
	char path[64];
};

static struct world *
world_new(void)
{
	struct world *w = xcalloc(1, sizeof(*w));

	snprintf(w->path, sizeof(w->path), "/tmp/load-marks.XXXXXX");
	int fd = mkstemp(w->path);
	w->marks = fd < 0 ? NULL : fdopen(fd, "w");
	if (w->marks == NULL)
		die("no temporary file");
	w->r.mark_file = w->path;
	return w;
}

static void
world_free(struct world *w)
{
	releases_release(&w->r);
	fclose(w->marks);
	unlink(w->path);
	free(w);
}

/* An answer to a request sent at that time, counted as the client counts. */
static enum verdict
answer(struct world *w, const char *release, uint64_t sent_ms)
{
	enum verdict v = releases_answer(&w->r, release, sent_ms * 1000, 1, &w->s);

	if (v == VERDICT_FINE)
		stats_ok(&w->s, 1, 1);
	else
		stats_fail(&w->s, v == VERDICT_STALE ? FAILURE_STALE : FAILURE_FORBIDDEN, 0);
	return v;
}

static unsigned
mark(struct world *w, const char *line)
{
	fputs(line, w->marks);
	fflush(w->marks);
	return releases_read_marks(&w->r);
}

static void
test_marks(struct tally *t)
{
	struct world *w = world_new();

	CHECK(t, answer(w, "v1", 100) == VERDICT_FINE);
	CHECK(t, answer(w, "v2", 150) == VERDICT_FINE);
	CHECK(t, mark(w, "200 v2\n") == 0);
	CHECK(t, answer(w, "v1", 200) == VERDICT_FINE);
	CHECK(t, answer(w, "v1", 201) == VERDICT_STALE);
	CHECK(t, answer(w, "v2", 202) == VERDICT_FINE);
	CHECK(t, answer(w, "v3", 203) == VERDICT_FINE);
	CHECK(t, answer(w, "v2", 301) == VERDICT_FINE);
	CHECK(t, answer(w, "v2", 299) == VERDICT_FINE);
	/* The mark is read late: v2 at 301 was stale, v2 at 299 was not. */
	CHECK(t, mark(w, "300 v3\n") == 0);
	CHECK(t, w->s.failure[FAILURE_STALE] == 2 && w->s.ok == 6 && w->s.failed == 2);
	/* The same mark again changes nothing. */
	CHECK(t, mark(w, "300 v3\n") == 0 && w->s.failed == 2);
	CHECK(t, mark(w, "400 !v4\n") == 0 && answer(w, "v4", 1) == VERDICT_FORBIDDEN);
	CHECK(t, w->r.marks == 3 && w->r.late_marks == 0);
	CHECK(t, mark(w, "hello\n") == 1);
	CHECK(t, mark(w, "\n12 \nx y\n") == 2);
	world_free(w);
}

static void
test_marks_of_names_that_return(struct tally *t)
{
	struct world *w = world_new();

	answer(w, "a", 1);
	mark(w, "100 b\n");
	CHECK(t, answer(w, "a", 101) == VERDICT_STALE);
	/* A deploy of a begins again: both may answer until it has succeeded. */
	mark(w, "150 +a\n");
	CHECK(t, answer(w, "a", 151) == VERDICT_FINE);
	CHECK(t, answer(w, "b", 152) == VERDICT_FINE);
	mark(w, "200 a\n");
	CHECK(t, answer(w, "b", 201) == VERDICT_STALE);
	CHECK(t, answer(w, "a", 202) == VERDICT_FINE);
	/* A line that is half written is read when it is complete. */
	mark(w, "300 ");
	mark(w, "b\n");
	CHECK(t, answer(w, "a", 301) == VERDICT_STALE);
	world_free(w);
}

static void
test_late_marks(struct tally *t)
{
	struct world *w = world_new();

	for (uint64_t i = 0; i < ANSWERS_KEPT + 10; i++)
		answer(w, "v1", 1000 + i / 1000);
	mark(w, "1200 v2\n");
	CHECK(t, w->r.late_marks == 0);
	CHECK(t, w->s.failure[FAILURE_STALE] == ANSWERS_KEPT + 10 - 201000);
	mark(w, "100 v3\n");
	CHECK(t, w->r.late_marks == 1);
	world_free(w);
}

static void
test_numbers(struct tally *t)
{
	uint64_t n = 7;

	CHECK(t, parse_unsigned("18446744073709551615", UINT64_MAX, &n) && n == UINT64_MAX);
	CHECK(t, !parse_unsigned("18446744073709551616", UINT64_MAX, &n));
	CHECK(t, !parse_unsigned("", 9, &n) && !parse_unsigned("10", 9, &n));
	CHECK(t, !parse_unsigned("1x", 99, &n) && !parse_unsigned(" 1", 99, &n));
	CHECK(t, parse_duration("500ms", &n) && n == 500);
	CHECK(t, parse_duration("2m", &n) && n == 120000);
	CHECK(t, parse_duration("10", &n) && n == 10000);
	CHECK(t, !parse_duration("ms", &n) && !parse_duration("1h", &n));
	CHECK(t, bytes_contain("abcabd", 6, "abd") && !bytes_contain("abcab", 5, "abd"));
}

int
main(void)
{
	struct tally t = { 0 };

	test_responses(&t);
	test_headers(&t);
	test_frames(&t);
	test_histogram(&t);
	test_marks(&t);
	test_marks_of_names_that_return(&t);
	test_late_marks(&t);
	test_numbers(&t);
	printf("%u passed, %u failed\n", t.passed, t.failed);
	return t.failed == 0 ? 0 : 1;
}
