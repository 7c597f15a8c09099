#include "judge.h"

#include <stdlib.h>

#include "test.h"
#include "util.h"

struct row {
	const char *check;
	int status;
	const char *headers;
	const char *body;
	enum verdict verdict;
	const char *reason; /* whole */
};

static const char page[] = "<html>\n<title>Our Team</title>\n<p>Hello World</p>\n</html>\n";

static const struct row rows[] = {
	{ "/ Hello", 200, "", page, VERDICT_PASSED, "" },
	{ "/", 200, "", page, VERDICT_PASSED, "" },
	{ "/", 399, "", page, VERDICT_PASSED, "" },
	{ "/", 400, "", "", VERDICT_STATUS, "400, not below 400" },
	{ "/", 404, "", page, VERDICT_STATUS, "404, not below 400: …<title>Our Team</title>…" },
	{ "/ Hello", 500, "", "\n  Oops\n", VERDICT_STATUS, "500, not below 400: …Oops…" },
	{ "404,5xx /", 404, "", page, VERDICT_PASSED, "" },
	{ "404,5xx /", 200, "", "x", VERDICT_STATUS, "200, not 404,5xx: x" },
	{ "/ Bye", 200, "", "", VERDICT_MISSING, "200, but \"Bye\" is not in its 0 bytes" },
	{ "/ Bye", 200, "", " \n", VERDICT_MISSING, "200, but \"Bye\" is not in its 2 bytes" },
	{ "/ Our New Team", 200, "", page, VERDICT_MISSING,
		"200, but \"Our New Team\" is not in its 58 bytes: …<title>Our Team</title>…" },
	{ "/ Hello Word", 200, "", page, VERDICT_MISSING,
		"200, but \"Hello Word\" is not in its 58 bytes: …<p>Hello World</p>…" },
	{ "/ Hell.*World", 200, "", page, VERDICT_MISSING,
		"200, but \"Hell.*World\" is not in its 58 bytes: …<p>Hello World</p>…; did you "
		"mean "
		"\"~ / Hell.*World\"?" },
	{ "/ hello", 200, "", page, VERDICT_MISSING,
		"200, but \"hello\" is not in its 58 bytes: …<p>Hello World</p>…" },
	{ "i / hello", 200, "", page, VERDICT_PASSED, "" },
	{ "! / Goodbye", 200, "", page, VERDICT_PASSED, "" },
	{ "! / World", 200, "", page, VERDICT_PRESENT,
		"200, but \"World\" is in its 58 bytes: …<p>Hello World</p>…" },
	{ "~ / H\\w+ W", 200, "", page, VERDICT_PASSED, "" },
	{ "~ / ^H", 200, "", page, VERDICT_MISSING,
		"200, but ~ \"^H\" matches nothing in its 58 bytes: …<title>Our Team</title>…" },
	{ "!~ / ^H", 200, "", page, VERDICT_PASSED, "" },
	{ "!~ / W\\w+d", 200, "", page, VERDICT_PRESENT,
		"200, but ~ \"W\\w+d\" matches in its 58 bytes: …<p>Hello World</p>…" },
	{ "= / pong", 200, "", " \r\npong\t\n", VERDICT_PASSED, "" },
	{ "= / pong", 200, "", "pong pong", VERDICT_DIFFERS,
		"200, but its 9 bytes are not \"pong\": pong pong" },
	{ "= / pong", 200, "", "", VERDICT_DIFFERS, "200, but its 0 bytes are not \"pong\"" },
	{ "= / pong", 200, "", "PONG", VERDICT_DIFFERS,
		"200, but its 4 bytes are not \"pong\": PONG" },
	{ "i = / pong", 200, "", "PONG", VERDICT_PASSED, "" },
	{ "= /", 200, "", "\n", VERDICT_PASSED, "" },
	{ "= /", 200, "", "x", VERDICT_DIFFERS, "200, but its 1 bytes are not \"\": x" },
	{ "/ Hello\n  World\n", 200, "", page, VERDICT_INTERNAL, NULL },
	{ "/ Hello\n  ! Traceback\n  ~ W", 200, "", page, VERDICT_PASSED, "" },
	{ "/ Hello\n  ! World", 200, "", page, VERDICT_PRESENT,
		"200, but \"World\" is in its 58 bytes: …<p>Hello World</p>…" },
	{ "/\n  < X: a", 200, "X: bab\r\n", "", VERDICT_PASSED, "" },
	{ "/\n  < x: a", 200, "Y: a\r\nX:bb\r\nX: a \r\n", "", VERDICT_PASSED, "" },
	{ "/\n  < X: a", 200, "XX: a\r\nX: b\r\n", "", VERDICT_HEADER,
		"200, but its header X: b does not contain \"a\"" },
	{ "/\n  < X: a", 200, "Y: a\r\n", "", VERDICT_HEADER, "200, but it has no header X" },
	{ "/\n  < X:", 200, "X:\r\n", "", VERDICT_PASSED, "" },
	{ "/\n  < X:", 200, "Y:\r\n", "", VERDICT_HEADER, "200, but it has no header X" },
	{ "/\n  < X: !", 200, "Y: a\r\n", "", VERDICT_PASSED, "" },
	{ "/\n  < X: !", 200, "X: a\r\n", "", VERDICT_HEADER,
		"200, but its header X: a should not be there" },
	{ "/\n  < X: ! a", 200, "X: b\r\n", "", VERDICT_PASSED, "" },
	{ "/\n  < X: ! a", 200, "X: b\r\nX: a\033\r\nX: c\r\n", "", VERDICT_HEADER,
		"200, but its header X: a\\x1B contains \"a\"" },
	{ "/\n  < X: ~ ^a$", 200, "X: a\r\n", "", VERDICT_PASSED, "" },
	{ "/\n  < X: ~ ^a$", 200, "X: ab\r\n", "", VERDICT_HEADER,
		"200, but its header X: ab does not match \"^a$\"" },
	{ "/\n  < X: !~ ^a", 200, "X: ba\r\n", "", VERDICT_PASSED, "" },
	{ "/\n  < X: !~ ^a", 200, "X: ab\r\n", "", VERDICT_HEADER,
		"200, but its header X: ab matches \"^a\"" },
	{ "/\n  < X: = a", 200, "X: a\r\n", "", VERDICT_PASSED, "" },
	{ "/\n  < X: = a", 200, "X: A\r\n", "", VERDICT_HEADER,
		"200, but its header X: A is not \"a\"" },
	{ "i /\n  < X: = a", 200, "X: A\r\n", "", VERDICT_PASSED, "" },
	{ "i /\n  < X: a", 200, "X: A\r\n", "", VERDICT_PASSED, "" },
};

/* How the body arrives: at once, or in pieces of one to three bytes. */
static void
feed(struct judge *j, struct fetch_response *r, const char *body, size_t piece)
{
	size_t len = strlen(body);

	for (size_t at = 0; at < len; at += piece) {
		size_t n = piece < len - at ? piece : len - at;
		r->bytes += n;
		if (judge_take(j, body + at, n) == FETCH_ENOUGH && piece < len) {
			/* The rest of the body is counted but not searched. */
			r->bytes += len - at - n;
			return;
		}
	}
}

static void
judge_row(const struct row *row, struct judge *j, size_t piece)
{
	struct vars vars = { 0 };
	struct checks c;
	struct result result = { 0 };
	struct fetch_response r = { .end = FETCH_ANSWERED, .status = row->status };

	/* A row without a reason has a check that is not valid and must be refused. */
	int parsed = checks_parse(&c, row->check, strlen(row->check), &vars);
	ROW_INT(parsed, row->reason ? 0 : -1, row->check);
	if (parsed == 0) {
		buf_init(&r.headers, 10000);
		(void)buf_add(&r.headers, row->headers, strlen(row->headers));
		judge_start(j, &c.item[0], &r, clock_now() + UTIL_SECOND);
		feed(j, &r, row->body, piece);
		judge_end(j, &result);
		ROW_INT(result.verdict, row->verdict, row->check);
		ROW_TEXT(buf_text(&result.reason), row->reason, row->check);
		INT(result.status, row->status);
	}
	result_release(&result);
	fetch_response_release(&r);
	checks_clear(&c);
}

static void
verdicts(void)
{
	struct judge j = { 0 };

	for (size_t i = 0; i < TEST_COUNT(rows); i++)
		for (size_t piece = 1; piece <= 1000; piece *= 10)
			judge_row(&rows[i], &j, piece);
	judge_release(&j);
}

static const struct {
	enum fetch_end end;
	int status;
	enum verdict verdict;
	const char *reason;
} broken[] = {
	{ FETCH_TOO_BIG, 200, VERDICT_TOO_BIG, "200, but its body is over 8 MiB" },
	{ FETCH_BIG_HEADER, 0, VERDICT_TOO_BIG, "more than 64 KiB of response headers" },
	{ FETCH_MANY_HEADERS, 0, VERDICT_TOO_BIG, "more than 4096 response headers" },
	{ FETCH_ENCODING, 0, VERDICT_BROKEN,
		"its body is in a coding that was not asked for, or broken" },
	{ FETCH_CUT, 200, VERDICT_BROKEN, "200, but the connection ended before its body did" },
	{ FETCH_CUT, 500, VERDICT_STATUS, "500, not below 400" },
	{ FETCH_REDIRECTS, 302, VERDICT_BROKEN, "more than 10 redirects" },
	{ FETCH_NOT_HTTP, 0, VERDICT_BROKEN, "it answered, but not in HTTP/1" },
	{ FETCH_RESET, 0, VERDICT_BROKEN, "the connection broke: why\\x0A" },
	{ FETCH_EMPTY, 0, VERDICT_SILENT, "the connection was closed without an answer" },
	{ FETCH_TIMEOUT, 0, VERDICT_TIMEOUT, "no answer within 1.5 s" },
	{ FETCH_TIMEOUT, 200, VERDICT_TIMEOUT, "200, but its body did not end within 1.5 s" },
	{ FETCH_REFUSED, 0, VERDICT_REFUSED, "connection refused" },
	{ FETCH_UNREACHABLE, 0, VERDICT_UNREACHABLE, "cannot connect: why\\x0A" },
	{ FETCH_TLS, 0, VERDICT_BROKEN, "TLS: why\\x0A" },
	{ FETCH_FAILED, 0, VERDICT_INTERNAL, "libcurl: why\\x0A" },
};

/* A request that ends in any of these ways does not pass, and has a reason. */
static void
broken_answers(void)
{
	struct vars vars = { 0 };
	struct checks c;
	struct judge j = { 0 };

	(void)checks_parse(&c, "/ x", 3, &vars);
	for (size_t i = 0; i < TEST_COUNT(broken); i++) {
		struct result result = { 0 };
		struct fetch_response r = { .end = broken[i].end,
			.status = broken[i].status,
			.total = 1500 * UTIL_MS,
			.error = "why\n" };
		judge_start(&j, &c.item[0], &r, clock_now());
		judge_end(&j, &result);
		ROW_INT(result.verdict, broken[i].verdict, broken[i].reason);
		ROW_TEXT(buf_text(&result.reason), broken[i].reason, broken[i].reason);
		IS(verdict_word(result.verdict)[0] != '\0');
		result_release(&result);
	}
	judge_release(&j);
	checks_clear(&c);
}

static void
judge_long(const char *check, const char *body, size_t len, enum verdict verdict, const char *part)
{
	struct vars vars = { 0 };
	struct checks c;
	struct judge j = { 0 };
	struct result result = { 0 };
	struct fetch_response r = { .end = FETCH_ANSWERED, .status = 200 };

	INT(checks_parse(&c, check, strlen(check), &vars), 0);
	judge_start(&j, &c.item[0], &r, clock_now() + UTIL_SECOND);
	for (size_t at = 0; at < len; at += 9999) {
		size_t n = len - at < 9999 ? len - at : 9999;
		r.bytes += n;
		if (judge_take(&j, body + at, n) == FETCH_TOO_MUCH)
			r.end = FETCH_TOO_BIG;
	}
	judge_end(&j, &result);
	ROW_INT(result.verdict, verdict, check);
	ROW_HAS(buf_text(&result.reason), part, check);
	/* 200 characters of an answer, each of at most ten bytes, and the text around them. */
	IS(result.reason.len < 3000);
	result_release(&result);
	judge_release(&j);
	checks_clear(&c);
}

static void
long_bodies(void)
{
	size_t len = (2 << 20) + 5;
	char *body = xrealloc(NULL, len, 1);

	memset(body, 'a', len);
	memcpy(body + len - 8, "the end", 7);
	judge_long("/ the end", body, len, VERDICT_PASSED, "");
	judge_long("! / the end", body, len, VERDICT_PRESENT, "aaaathe enda");
	judge_long(
		"~ / the end", body, len, VERDICT_MISSING, "in the first MiB of its 2097157 bytes");
	judge_long(
		"!~ / the end", body, len, VERDICT_TOO_BIG, "the first MiB of its 2097157 bytes");
	judge_long(
		"= / the end", body, len, VERDICT_DIFFERS, "its 2097157 bytes are not \"the end\"");
	judge_long("= / a", body, 1 << 20, VERDICT_DIFFERS, "its 1048576 bytes are not");
	memset(body, ' ', len);
	memcpy(body, "pong", 4);
	judge_long("= / pong", body, 1 << 20, VERDICT_PASSED, "");
	judge_long("= / pong", body, len, VERDICT_DIFFERS, "2097157 bytes are not \"pong\": pong…");
	/* Characters are not cut in two. */
	for (size_t i = 0; i + 1 < len; i += 2)
		memcpy(body + i, "\xc3\xa9", 2);
	judge_long("/ the end", body, len, VERDICT_MISSING, "bytes: \xc3\xa9\xc3\xa9");
	judge_long("! / \xc3\xa9\xc3\xa9", body, len, VERDICT_PRESENT, ": \xc3\xa9\xc3\xa9");
	/* A line of 5,000 bytes: the part around the hit is shown. */
	memset(body, 'x', 5000);
	memcpy(body + 2500, "Our Team", 8);
	judge_long("/ Our Big Team", body, 5000, VERDICT_MISSING, "xxxOur Teamxxx");
	free(body);
}

/* Of a longer line 200 characters are shown: at its start, around a hit, or at its end. */
static void
excerpts(void)
{
	static char line[201];
	static char body[5001];
	char want[400];

	memset(line, 'x', sizeof(line) - 1);
	memset(body, 'x', sizeof(body) - 1);
	snprintf(want, sizeof(want), " 5000 bytes: %s…", line);
	judge_long("/ absent", body, 5000, VERDICT_MISSING, want);
	/* "Our " is the piece that is found, and it is shown in the middle. */
	memcpy(body + 2500, "Our Team", 8);
	snprintf(want, sizeof(want), " 5000 bytes: …%.98sOur Team%.94s…", line, line);
	judge_long("/ Our Big Team", body, 5000, VERDICT_MISSING, want);
	memset(body, 'x', sizeof(body) - 1);
	memcpy(body + 4992, "Our Team", 8);
	snprintf(want, sizeof(want), " 5000 bytes: …%.192sOur Team", line);
	judge_long("/ Our Big Team", body, 5000, VERDICT_MISSING, want);
}

/* The transfer ends at the first hit, but only if nothing else needs the body. */
static void
enough(void)
{
	static const struct {
		const char *check;
		int status;
		enum fetch_take want;
	} table[] = {
		{ "/ needle", 200, FETCH_ENOUGH },
		{ "/ needle\n  ! x", 200, FETCH_MORE },
		{ "/ needle\n  ~ x", 200, FETCH_MORE },
		{ "/ needle\n  < X: y", 200, FETCH_ENOUGH },
		{ "/ absent", 200, FETCH_MORE },
		{ "! / needle", 200, FETCH_MORE },
		{ "/", 200, FETCH_ENOUGH },
		{ "/ needle", 500, FETCH_MORE },
		{ "= / needle", 200, FETCH_MORE },
	};

	for (size_t i = 0; i < TEST_COUNT(table); i++) {
		struct vars vars = { 0 };
		struct checks c;
		struct judge j = { 0 };
		struct fetch_response r = { .status = table[i].status, .bytes = 6 };
		(void)checks_parse(&c, table[i].check, strlen(table[i].check), &vars);
		judge_start(&j, &c.item[0], &r, clock_now() + UTIL_SECOND);
		ROW_INT(judge_take(&j, "needle", 6), table[i].want, table[i].check);
		r.bytes = JUDGE_MAX_BODY + 1;
		INT(judge_take(&j, "x", 1), FETCH_TOO_MUCH);
		judge_release(&j);
		checks_clear(&c);
	}
}

/*
 * A verdict that is reached before the time is over counts. The other conditions get no more time.
 */
static void
too_late(void)
{
	struct vars vars = { 0 };
	struct checks c;
	struct judge j = { 0 };
	struct fetch_response r = { .status = 200, .bytes = 6 };

	(void)checks_parse(&c, "/ needle", 8, &vars);
	judge_start(&j, &c.item[0], &r, clock_now() - 1);
	INT(judge_take(&j, "absent", 6), FETCH_TOO_LATE);
	INT(judge_take(&j, "needle", 6), FETCH_ENOUGH);
	judge_release(&j);
	checks_clear(&c);
}

/* A regex without time left has no result. */
static void
no_time(void)
{
	struct vars vars = { 0 };
	struct checks c;
	struct judge j = { 0 };
	struct result result = { 0 };
	struct fetch_response r = { .end = FETCH_ANSWERED, .status = 200, .bytes = 1 };
	static const char text[] = "!~ / x\n/\n  < X: !~ y\n";

	(void)checks_parse(&c, text, strlen(text), &vars);
	judge_start(&j, &c.item[0], &r, clock_now() - 1);
	(void)judge_take(&j, "a", 1);
	judge_end(&j, &result);
	INT(result.verdict, VERDICT_COSTLY);
	TEXT(buf_text(&result.reason), "200, but ~ \"x\" takes too long on its 1 bytes");
	buf_init(&r.headers, 100);
	(void)buf_add(&r.headers, "X: a\r\n", 6);
	judge_start(&j, &c.item[1], &r, clock_now() - 1);
	judge_end(&j, &result);
	INT(result.verdict, VERDICT_COSTLY);
	result_release(&result);
	fetch_response_release(&r);
	judge_release(&j);
	checks_clear(&c);
}

int
main(void)
{
	verdicts();
	broken_answers();
	long_bodies();
	excerpts();
	enough();
	too_late();
	no_time();
	return test_end("judge");
}
