#include "checks.h"

#include <stdlib.h>

#include "test.h"
#include "util.h"

static void
add_time(struct buf *b, const char *name, int64_t time)
{
	if (time > 0)
		(void)buf_addf(b, " %s=%lldms", name, (long long)(time / UTIL_MS));
}

/* Writes a whole check as one line, so that a table can hold it. */
static void
describe(struct buf *b, const struct check *c)
{
	static const char *const schemes[] = { "", "http:", "https:" };

	(void)buf_addf(b, "%u %s", c->line, c->method);
	for (size_t i = 0; i < c->nr_status; i++)
		(void)buf_addf(
			b, "%s%u-%u", i == 0 ? " " : ",", c->status[i].first, c->status[i].last);
	(void)buf_addf(b, " %s%s%s%s", schemes[c->scheme], c->host ? "//" : "",
		c->host ? c->host : "", c->path);
	add_time(b, "timeout", c->timeout);
	if (c->name)
		(void)buf_addf(b, " name=%s", c->name);
	(void)buf_addf(b, "%s%s%s", c->no_redirect ? " no-redirect" : "", c->icase ? " i" : "",
		c->warn ? " warn" : "");
	for (size_t i = 0; i < c->nr_conditions; i++) {
		const struct condition *k = &c->condition[i];
		(void)buf_addf(b, " [%s%s%s%s%s]", k->header ? k->header : "",
			k->header ? ": " : "", check_op_sign(k->op),
			check_op_sign(k->op)[0] ? " " : "", k->text);
	}
	for (size_t i = 0; i < c->nr_headers; i++)
		(void)buf_addf(b, " >%s", c->header[i]);
	if (c->body)
		(void)buf_addf(b, " body=%s", c->body);
	(void)buf_add(b, "\n", 1);
}

/* Parses text and writes down the checks, then the settings, then the notes. */
static void
parse(struct buf *b, const char *text, size_t len, int *result)
{
	struct checks c;
	struct vars vars = { 0 };

	(void)vars_add(&vars, "PATH=/from/var", 14);
	(void)vars_add(&vars, "TEXT=two words", 14);
	(void)vars_add(&vars, "EMPTY=", 6);
	(void)vars_add(&vars, "LINES=a\nb", 9);
	buf_init(b, 1 << 20);
	*result = checks_parse(&c, text, len, &vars);
	for (size_t i = 0; i < c.nr; i++)
		describe(b, &c.item[i]);
	if (c.set.wait >= 0)
		(void)buf_addf(b, "WAIT=%lldms\n", (long long)(c.set.wait / UTIL_MS));
	if (c.set.timeout > 0)
		(void)buf_addf(b, "TIMEOUT=%lldms\n", (long long)(c.set.timeout / UTIL_MS));
	if (c.set.attempts >= 0)
		(void)buf_addf(b, "ATTEMPTS=%ld\n", c.set.attempts);
	for (size_t i = 0; i < c.nr_notes; i++)
		(void)buf_addf(b, "%u:%u: %s%s\n", c.note[i].line, c.note[i].column,
			c.note[i].is_error ? "" : "warning: ", c.note[i].text);
	IS((*result < 0) == (c.nr_errors > 0));
	checks_clear(&c);
	vars_clear(&vars);
}

struct row {
	const char *text;
	const char *want;
};

static void
try_rows(const struct row *row, size_t nr, int want)
{
	for (size_t i = 0; i < nr; i++) {
		struct buf got;
		int result = 0;
		parse(&got, row[i].text, strlen(row[i].text), &result);
		ROW_TEXT(buf_text(&got), row[i].want, row[i].text);
		ROW_INT(result, want, row[i].text);
		buf_release(&got);
	}
}

/* The format of the first version, from 2014. */
static const struct row classic[] = {
	{ "/ My Amazing App\n", "1 GET / [My Amazing App]\n" },
	{ "/                       My Amazing App\n", "1 GET / [My Amazing App]\n" },
	{ "/\tMy App\t \n", "1 GET / [My App]\n" },
	{ "/scripts/index.js $(function()\n", "1 GET /scripts/index.js [$(function()]\n" },
	{ "/a \\d+ # not a comment \"quoted\" {{ x }}\n",
		"1 GET /a [\\d+ # not a comment \"quoted\" {{ x }}]\n" },
	{ "//admin.example.com/ Admin\n", "1 GET //admin.example.com/ [Admin]\n" },
	{ "//admin.example.com Admin\n", "1 GET //admin.example.com/ [Admin]\n" },
	{ "//admin.example.com:3000/x Admin\n", "1 GET //admin.example.com/x [Admin]\n" },
	{ "http://shop.example.com/cart Your basket\n",
		"1 GET http://shop.example.com/cart [Your basket]\n" },
	{ "https://shop.example.com/cart Your basket\n",
		"1 GET https://shop.example.com/cart [Your basket]\n" },
	{ "//[::1]:80/x\n", "1 GET //[::1]/x\n" },
	{ "//a.example?x=1 y\n", "1 GET //a.example/?x=1 [y]\n" },
	{ "  # comment\n\n \t\n/a\n", "4 GET /a\n" },
	{ "WAIT=30     # give it up to half a minute\n/a\n", "2 GET /a\nWAIT=30000ms\n" },
	{ "WAIT = 2\nTIMEOUT=500ms\n ATTEMPTS=6 # x\n/a\n",
		"4 GET /a\nWAIT=2000ms\nTIMEOUT=500ms\nATTEMPTS=6\n" },
	{ "/a\nWAIT=1m\nWAIT=0\n", "1 GET /a\nWAIT=0ms\n" },
	{ "WAIT=\"30\"\nTIMEOUT='7'\n/a\n", "3 GET /a\nWAIT=30000ms\nTIMEOUT=7000ms\n" },
	{ "/caf\xc3\xa9?a=\xff caf\xc3\xa9\n", "1 GET /caf%C3%A9?a=%FF [caf\xc3\xa9]\n" },
	{ "/WAIT=1 x\n", "1 GET /WAIT=1 [x]\n" },
	{ "  /indented text\n", "1 GET /indented [text]\n" },
};

static const struct row modifiers[] = {
	{ "401 /admin\n", "1 GET 401-401 /admin\n" },
	{ "200,2xx,300-308,5XX /x y\n", "1 GET 200-200,200-299,300-308,500-599 /x [y]\n" },
	{ "! / Traceback (most\n", "1 GET / [! Traceback (most]\n" },
	{ "! /etc/passwd root:\n", "1 GET /etc/passwd [! root:]\n" },
	{ "~ /version ^v\\d+$\n", "1 GET /version [~ ^v\\d+$]\n" },
	{ "!~ / (?i)error\n", "1 GET / [!~ (?i)error]\n" },
	{ "= /ping pong pong\n", "1 GET /ping [= pong pong]\n" },
	{ "= /empty\n", "1 GET /empty [= ]\n" },
	{ "POST 201 /api/echo \"pong\"\n", "1 POST 201-201 /api/echo [\"pong\"]\n" },
	{ "timeout=2s name=\"the search\" i warn redirect=no /s?q=a=b 3 results\n",
		"1 GET /s?q=a=b timeout=2000ms name=the search no-redirect i warn [3 results]\n" },
	{ "redirect=follow name=short /x\n", "1 GET /x name=short\n" },
	{ "  401 /indented\n", "1 GET 401-401 /indented\n" },
	{ "HEAD /x\nPUT /x\nPATCH /x\nDELETE /x\nOPTIONS /x\n",
		"1 HEAD /x\n2 PUT /x\n3 PATCH /x\n4 DELETE /x\n5 OPTIONS /x\n" },
};

static const struct row more[] = {
	{ "POST 201 /api \"pong\"\n  > Content-Type: application/json\n  {\"ping\": true}\n",
		"1 POST 201-201 /api [\"pong\"] >Content-Type: application/json body={\"ping\": "
		"true}\n" },
	{ "/x 3\n  < Content-Type: text/html\n  !~ (?i)exception\n",
		"1 GET /x [3] [Content-Type: text/html] [!~ (?i)exception]\n" },
	{ "/x\n\t! /etc/passwd\n\t~a\n\t=b\n", "1 GET /x [! /etc/passwd] [~ a] [= b]\n" },
	{ "/x\n < ETag:\n < X-A:! b\n < X-B: ~ ^c$\n < X-C: = d\n < Server: !\n < X-D: !~ e\n",
		"1 GET /x [ETag: ] [X-A: ! b] [X-B: ~ ^c$] [X-C: = d] [Server: ! ] [X-D: !~ e]\n" },
	{ "POST /x\n  [1]\n  {\"a\":2}\n", "1 POST /x body=[1]\n{\"a\":2}\n" },
	{ "/x\n  >X-Empty:\n  > A: b:c\n", "1 GET /x >X-Empty: >A: b:c\n" },
	{ "/x\n\n# between\n  ! y\n/z\n  ! w\n", "1 GET /x [! y]\n5 GET /z [! w]\n" },
};

static const struct row templates[] = {
	{ "{{ var \"PATH\" }}/x {{ var \"TEXT\" }}\n", "1 GET /from/var/x [two words]\n" },
	{ "  {{ var \"PATH\" }} x\n", "1 GET /from/var [x]\n" },
	{ "/x {{\"{\"}}{ {{`}`}}\n", "1 GET /x [{{ }]\n" },
	{ "/x {{ nothing }}\n", "1 GET /x [{{ nothing }}]\n" },
	{ "POST /x\n  > X: {{ var \"TEXT\" }}\n  {\"a\": \"{{ var \"TEXT\" }}\"}\n",
		"1 POST /x >X: two words body={\"a\": \"two words\"}\n" },
	{ "/x {{ var \"LINES\" }}\n", "1 GET /x [a\nb]\n" },
	{ "POST /x\n  {{\"{\"}}1}\n", "1 POST /x body={1}\n" },
};

static const struct row errors[] = {
	{ "foo\n", "1:1: expected a path, or a modifier before it, got \"foo\"\n" },
	{ "/a\n\nget /x\n",
		"1 GET /a\n3:1: expected a path, or a modifier before it, got \"get\"\n" },
	{ "/a\nWAITS=3\n",
		"1 GET /a\n2:1: expected a path, or a modifier before it, got \"WAITS=3\"\n" },
	{ "/a\nWAIT 30\n",
		"1 GET /a\n2:1: expected a path, or a modifier before it, got \"WAIT\"\n" },
	{ "WAIT=\n/a\n", "2 GET /a\n1:6: expected seconds, or a time like 500ms, 2s or 1m\n" },
	{ "WAIT=-1\n/a\n", "2 GET /a\n1:6: expected seconds, or a time like 500ms, 2s or 1m\n" },
	{ "TIMEOUT=0\n/a\n", "2 GET /a\n1:9: expected seconds, or a time like 500ms, 2s or 1m\n" },
	{ "ATTEMPTS=2.5\n/a\n", "2 GET /a\n1:10: expected a number\n" },
	{ "ATTEMPTS=10001\n/a\n", "2 GET /a\n1:10: expected a number\n" },
	{ "WAIT=3 sec\n/a\n", "2 GET /a\n1:8: expected nothing, or a comment, after the number\n" },
	{ "GET\n", "1:4: expected a path\n" },
	{ "GET POST /x\n", "1:5: \"POST\" says again what was said before\n" },
	{ "200 201 /x\n", "1:5: \"201\" says again what was said before\n" },
	{ "! ~ /x y\n", "1:3: \"~\" says again what was said before\n" },
	{ "i i /x y\n", "1:3: \"i\" says again what was said before\n" },
	{ "20 /x\n", "1:1: expected a status like 200, 2xx or 300-308, got \"20\"\n" },
	{ "600 /x\n", "1:1: expected a status like 200, 2xx or 300-308, got \"600\"\n" },
	{ "308-300 /x\n", "1:1: expected a status like 200, 2xx or 300-308, got \"308-300\"\n" },
	{ "200, /x\n", "1:1: expected a status like 200, 2xx or 300-308, got \"200,\"\n" },
	{ "200,,201 /x\n", "1:1: expected a status like 200, 2xx or 300-308, got \"200,,201\"\n" },
	{ "200-xx /x\n", "1:1: expected a status like 200, 2xx or 300-308, got \"200-xx\"\n" },
	{ "timeout=0 /x\n", "1:1: expected a time above 0, like timeout=500ms, 2s or 1m\n" },
	{ "timeout=soon /x\n", "1:1: expected a time above 0, like timeout=500ms, 2s or 1m\n" },
	{ "name= /x\n", "1:1: expected a name\n" },
	{ "name=\"\" /x\n", "1:1: expected a name\n" },
	{ "name=\"x /x\n", "1:1: expected name=\"…\", and its quote never ends\n" },
	{ "name=\" /x\n", "1:1: expected name=\"…\", and its quote never ends\n" },
	{ "redirect=maybe /x\n", "1:1: expected redirect=follow or redirect=no\n" },
	{ "! /x\n", "1:5: expected a text after !\n" },
	{ "~ /x\n", "1:5: expected a regex after ~\n" },
	{ "~ /x a(b\n", "1:9: not a regex: missing closing parenthesis\n" },
	{ "~ /x (*UTF)a\n", "1:6: not a regex: a regex may not start with (*\n" },
	{ "// x\n", "1:1: expected a host name after //\n" },
	{ "//user@host/ x\n", "1:1: expected a host name after //\n" },
	{ "//ho,st/ x\n", "1:1: expected a host name after //\n" },
	{ "//-x/ x\n", "1:1: expected a host name after //\n" },
	{ "//host:99999/ x\n", "1:1: expected a host name after //\n" },
	{ "https:///x y\n", "1:1: expected a host name after //\n" },
	{ "ftp://host/x y\n",
		"1:1: expected a path, or a modifier before it, got \"ftp://host/x\"\n" },
	{ "/a\001b x\n", "1:1: a blank or control character in the path\n" },
	{ "/x/{{ var \"TEXT\" }} y\n", "1:1: a blank or control character in the path\n" },
	{ "/x {{ var \"NONE\" }}\n", "1:12: no value for {{ var \"NONE\" }}\n" },
	{ "/{{ var \"NONE\" }}\n", "1:10: no value for {{ var \"NONE\" }}\n" },
	{ "/x {{ var \"EMPTY\" }}\n",
		"1:4: expected a text: this one is empty without its templates\n" },
	{ "  ! x\n/a\n",
		"2 GET /a\n1:3: an indented line adds to a check, and there is none above it\n" },
	{ "/a\n> X: y\n", "1 GET /a\n2:1: indent this line: it adds to the check above it\n" },
	{ "/a\n{}\n", "1 GET /a\n2:1: indent this line: it adds to the check above it\n" },
	{ "/a\n  !\n", "1 GET /a\n2:4: expected a text after !\n" },
	{ "/a\n  > no header\n", "1 GET /a\n2:5: expected a header, like Accept: text/html\n" },
	{ "/a\n  >\n", "1 GET /a\n2:4: expected a header, like Accept: text/html\n" },
	{ "/a\n  > X : y\n", "1 GET /a\n2:5: expected a header, like Accept: text/html\n" },
	{ "/a\n  > X: {{ var \"LINES\" }}\n",
		"1 GET /a\n2:5: a header may not hold control characters\n" },
	{ "/a\n  > content-length: 3\n",
		"1 GET /a\n2:5: Content-Length, Transfer-Encoding and "
		"Connection are not yours to set\n" },
	{ "/a\n  > Transfer-Encoding: chunked\n",
		"1 GET /a\n2:5: Content-Length, Transfer-Encoding and "
		"Connection are not yours to set\n" },
	{ "/a\n  > connection:close\n",
		"1 GET /a\n2:5: Content-Length, Transfer-Encoding and "
		"Connection are not yours to set\n" },
	{ "/a\n  > X: a\rb\n", "1 GET /a\n2:5: a header may not hold control characters\n" },
	{ "/a\n  > Host: x\n",
		"1 GET /a\n2:5: the host is part of the check: write //host/path\n" },
	{ "/a\n  > X: {{ var \"NONE\" }}\n", "1 GET /a\n2:16: no value for {{ var \"NONE\" }}\n" },
	{ "/a\n  < no colon\n",
		"1 GET /a\n2:5: expected a response header, like Content-Type: text/html\n" },
	{ "/a\n  < X: ~ (\n", "1 GET /a\n2:11: not a regex: missing closing parenthesis\n" },
	{ "/a\n  < X: ~\n", "1 GET /a\n2:9: expected a regex after ~\n" },
	{ "POST /a\n  {{{ var \"NONE\" }}}\n",
		"1 POST /a\n2:12: no value for {{ var \"NONE\" }}\n" },
	{ "/a\n  {}\n",
		"1 GET /a body={}\n1:1: a request body needs POST, PUT, PATCH or DELETE\n" },
	{ "HEAD /a x\n", "1 HEAD /a [x]\n1:1: an answer to HEAD has no body to look at\n" },
	/* Lines that add to a broken check cause no errors of their own. */
	{ "nonsense\n  ! x\n  > y\n/b\n",
		"4 GET /b\n1:1: expected a path, or a modifier before it, got \"nonsense\"\n" },
	{ "", "1:1: not one check in this file\n" },
	{ "# only a comment", "1:1: not one check in this file\n" },
	{ "WAIT=3\nTIMEOUT=4\n", "WAIT=3000ms\nTIMEOUT=4000ms\n2:1: not one check in this file\n" },
	{ "\033[31m\n", "1:1: expected a path, or a modifier before it, got \"\\x1B[31m\"\n" },
};

/* Regressions: each of these once passed without being checked. */

static void
last_line_without_newline_counts(void)
{
	static const struct row rows[] = {
		{ "/a x\n/b y", "1 GET /a [x]\n2 GET /b [y]\n" },
		{ "/b y\r", "1 GET /b [y]\n" },
		{ "/a\n  ! z", "1 GET /a [! z]\n" },
		{ "/a\nWAIT=3", "1 GET /a\nWAIT=3000ms\n" },
	};

	try_rows(rows, TEST_COUNT(rows), 0);
}

static void
url_with_equals_sign_is_a_check(void)
{
	static const struct row rows[] = {
		{ "/search?q=a=b\n", "1 GET /search?q=a=b\n" },
		{ "/search?WAIT=1 x\n", "1 GET /search?WAIT=1 [x]\n" },
	};

	try_rows(rows, TEST_COUNT(rows), 0);
}

static void
attempts_zero_still_checks(void)
{
	static const struct row rows[] = {
		{ "ATTEMPTS=0\n/a x\n",
			"2 GET /a [x]\nATTEMPTS=0\n1:1: warning: ATTEMPTS=0 is read "
			"as 1: the checks are asked anyway\n" },
	};

	try_rows(rows, TEST_COUNT(rows), 0);
}

static void
plain_lines_after_a_host_line_keep_the_default_host(void)
{
	static const struct row rows[] = {
		{ "/a\n//other.example/b\n/c\n", "1 GET /a\n2 GET //other.example/b\n3 GET /c\n" },
	};

	try_rows(rows, TEST_COUNT(rows), 0);
}

static void
crlf_files_keep_their_texts(void)
{
	static const struct row rows[] = {
		{ "\xef\xbb\xbfWAIT=3\r\n/a My App\r\n  ! x\r\n\r\n/b\r\n",
			"2 GET /a [My App] [! x]\n5 GET /b\nWAIT=3000ms\n" },
	};

	try_rows(rows, TEST_COUNT(rows), 0);
}

static void
mistyped_lines_and_unknown_kinds_are_errors(void)
{
	try_rows(errors, TEST_COUNT(errors), -1);
}

/* Parses text and looks for a part in the result. */
static void
expect(const struct buf *text, int want, const char *part)
{
	struct buf got;
	int result = 0;

	parse(&got, buf_text(text), text->len, &result);
	INT(result, want);
	HAS(buf_text(&got), part);
	buf_release(&got);
}

static void
limit_of_checks(void)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	for (int i = 0; i < 100; i++)
		(void)buf_addf(&text, "/%d\n", i);
	expect(&text, 0, "100 GET /99\n");
	(void)buf_addf(&text, "/x\n/y\n");
	expect(&text, -1, "\n101:1: more than 100 checks\n");
	buf_clear(&text);
	for (int i = 0; i < 60; i++)
		(void)buf_addf(&text, "nonsense\n");
	expect(&text, -1, "50:1: expected a path, or a modifier before it, got \"nonsense\"\n");
	struct buf got;
	int result = 0;
	parse(&got, text.bytes, text.len, &result);
	IS(!strstr(buf_text(&got), "51:1:"));
	buf_release(&got);
	buf_release(&text);
}

static void
limits_of_bytes(void)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	(void)buf_add(&text, "/a\0b x\n", 7);
	expect(&text, -1, "1:3: a NUL byte\n");
	buf_clear(&text);
	(void)buf_addf(&text, "/x %04093d\n", 0);
	expect(&text, 0, "1 GET /x [000");
	buf_clear(&text);
	(void)buf_addf(&text, "/x %04094d\n", 0);
	expect(&text, -1, "1:1: longer than 4 KiB");
	buf_clear(&text);
	(void)buf_addf(&text, "/x\n#%065532d", 0);
	INT(text.len, 65536);
	expect(&text, 0, "1 GET /x\n");
	(void)buf_addf(&text, "0");
	expect(&text, -1, "1:1: the file is bigger than 64 KiB");
	buf_release(&text);
}

static void
big_values(void)
{
	struct vars vars = { 0 };
	struct checks c;
	char *pair = xrealloc(NULL, 15002, 1);

	memset(pair, 'a', 15002);
	memcpy(pair, "A=", 2);
	(void)vars_add(&vars, pair, 15002);
	static const char once[] = "/x {{ var \"A\" }}";
	static const char twice[] = "/x {{ var \"A\" }}{{ var \"A\" }}";
	INT(checks_parse(&c, once, strlen(once), &vars), 0);
	checks_clear(&c);
	INT(checks_parse(&c, twice, strlen(twice), &vars), -1);
	TEXT(c.note[0].text, "longer than 16 KiB once its templates are replaced");
	checks_clear(&c);
	static const char path[] = "/{{ var \"A\" }}";
	INT(checks_parse(&c, path, strlen(path), &vars), -1);
	TEXT(c.note[0].text, "the path is too long");
	checks_clear(&c);
	free(pair);
	vars_clear(&vars);
}

static void
statuses(void)
{
	struct vars vars = { 0 };
	struct checks c;
	static const char text[] = "/a\n401,500-502 /b x\n";

	INT(checks_parse(&c, text, strlen(text), &vars), 0);
	IS(check_wants(&c.item[0], 200) && check_wants(&c.item[0], 399));
	IS(!check_wants(&c.item[0], 400) && !check_wants(&c.item[0], 199));
	IS(check_wants(&c.item[1], 401) && check_wants(&c.item[1], 501));
	IS(!check_wants(&c.item[1], 200) && !check_wants(&c.item[1], 503));
	IS(!check_needs_body(&c.item[0]) && check_needs_body(&c.item[1]));
	checks_clear(&c);
	IS(check_is_host("a-b_c.example", 13) && check_is_host("[::1]", 5));
	IS(!check_is_host("", 0) && !check_is_host(".a", 2) && !check_is_host("[a]", 3));
	IS(!check_is_host("[::1]x", 6) && !check_is_host("[g::1]]", 7));
	char long_name[257];
	memset(long_name, 'a', sizeof(long_name));
	IS(check_is_host(long_name, 255) && !check_is_host(long_name, 256));
	IS(check_bad_header("X: y", 4) == NULL);
	IS(check_bad_header("X: \177", 4) != NULL && check_bad_header("", 0) != NULL);
	IS(check_bad_header("X: a\tb", 6) == NULL && check_bad_header(": a", 3) != NULL);
}

/*
 * Parses text, keeps the checks of these hosts, and writes the numbers of the lines that are left
 * to b, as "1 3". checks_keep_hosts has to return want.
 */
static void
keep(struct buf *b, const char *text, const char *const *host, size_t nr, int want)
{
	struct vars vars = { 0 };
	struct checks c;

	buf_clear(b);
	INT(checks_parse(&c, text, strlen(text), &vars), 0);
	INT(checks_keep_hosts(&c, host, nr), want);
	for (size_t i = 0; i < c.nr; i++)
		(void)buf_addf(b, "%s%u", i == 0 ? "" : " ", c.item[i].line);
	IS(c.empty == (want < 0) && (c.nr_errors > 0) == (want < 0));
	checks_clear(&c);
}

static void
checks_of_other_hosts_are_dropped(void)
{
	static const char *const host[] = { "App.example", "*.wild.example" };
	static const char text[] = "WAIT=1\n/ a\nname=\"a /b\" //other.example/ x\n  ! y\n"
				   "//APP.example:80/ b\n  ! c\nhttps://a.wild.example/ d\n"
				   "//a.b.wild.example/\n//wild.example/\n//notwild.example/\n";
	struct buf b;

	buf_init(&b, 1 << 10);
	keep(&b, text, host, 2, 0);
	TEXT(buf_text(&b), "2 5 7 8");
	keep(&b, text, NULL, 0, 0);
	TEXT(buf_text(&b), "2");
	keep(&b, "//a/\n//b/\n", host, 2, -1);
	TEXT(buf_text(&b), "");
	IS(check_host_matches("a.b", 3, "*.b") && !check_host_matches(".b", 2, "*.b"));
	IS(!check_host_matches("b", 1, "*.b") && !check_host_matches("", 0, "*.b"));
	buf_release(&b);
}

/* A file with errors is not reported as a file without checks. */
static void
a_file_without_a_check_is_told_apart(void)
{
	static const struct {
		const char *text;
		bool empty;
	} row[] = { { "", true }, { "# a\n", true }, { "WAIT=1\nATTEMPTS=3", true },
		{ "\xef\xbb\xbf\r\n", true }, { "WAIT=x\n", false }, { "nonsense\n", false },
		{ "WAIT=1\n  ! x\n", false }, { "/\n", false } };
	struct vars vars = { 0 };
	struct checks c;

	for (size_t i = 0; i < TEST_COUNT(row); i++) {
		(void)checks_parse(&c, row[i].text, strlen(row[i].text), &vars);
		INT(c.empty, row[i].empty);
		checks_clear(&c);
	}
}

int
main(void)
{
	try_rows(classic, TEST_COUNT(classic), 0);
	try_rows(modifiers, TEST_COUNT(modifiers), 0);
	try_rows(more, TEST_COUNT(more), 0);
	try_rows(templates, TEST_COUNT(templates), 0);
	last_line_without_newline_counts();
	url_with_equals_sign_is_a_check();
	attempts_zero_still_checks();
	plain_lines_after_a_host_line_keep_the_default_host();
	crlf_files_keep_their_texts();
	mistyped_lines_and_unknown_kinds_are_errors();
	limit_of_checks();
	limits_of_bytes();
	big_values();
	statuses();
	checks_of_other_hosts_are_dropped();
	a_file_without_a_check_is_told_apart();
	return test_end("checks");
}
