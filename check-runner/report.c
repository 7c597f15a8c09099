#define _DEFAULT_SOURCE 1

#include "report.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MAX_LINE ((size_t)64 << 10)
#define SHOWN_TEXT 120

#define GREEN "32"
#define YELLOW "33"
#define RED "31"

void
report_init(struct report *r, FILE *out, const struct options *options)
{
	struct winsize size = { 0 };
	int fd = fileno(out);
	bool terminal = fd >= 0 && isatty(fd);
	const char *no_color = getenv("NO_COLOR");

	*r = (struct report){ .out = out, .options = options, .columns = 80 };
	r->live = terminal && options->format == OPTIONS_HUMAN;
	r->color = options->color == OPTIONS_ALWAYS ||
		(options->color == OPTIONS_AUTO && terminal && !(no_color && no_color[0]));
	if (r->live && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
		r->columns = size.ws_col;
}

/* What the check asks for, as it might be written: `POST 201 /api/echo "pong"`. */
static void
add_check(struct buf *b, const struct check *c)
{
	if (c->name) {
		(void)buf_add_shown(b, c->name, strlen(c->name), SHOWN_TEXT);
		(void)buf_add(b, ": ", 2);
	}
	if (strcmp(c->method, "GET") != 0)
		(void)buf_addf(b, "%s ", c->method);
	if (c->status_text)
		(void)buf_addf(b, "%s ", c->status_text);
	(void)buf_add_shown(b, c->target, strlen(c->target), SHOWN_TEXT);
}

/* The first condition on the body, which is the one on the check's own line. */
static void
add_condition(struct buf *b, const struct check *c)
{
	for (size_t i = 0; i < c->nr_conditions; i++) {
		const struct condition *condition = &c->condition[i];
		const char *sign = check_op_sign(condition->op);
		if (condition->header || condition->line != c->line)
			continue;
		(void)buf_addf(b, " %s%s\"", sign, sign[0] ? " " : "");
		if (!buf_add_shown(b, condition->text, condition->len, SHOWN_TEXT))
			(void)buf_add(b, "…", strlen("…"));
		(void)buf_add(b, "\"", 1);
		return;
	}
}

static void
print_word(const struct report *r, const char *word, const char *color)
{
	if (r->color)
		fprintf(r->out, "\033[%sm%s\033[0m", color, word);
	else
		fputs(word, r->out);
	/* The text of all lines starts in the same column. */
	fprintf(r->out, "%*s", 5 - (int)strlen(word), "");
}

static const char *
reason_of(const struct result *result)
{
	return result->verdict == VERDICT_UNASKED ? "not asked: no answer to it was waited for"
						  : buf_text(&result->reason);
}

static void
print_human(const struct report *r, const struct check *c, const struct result *result)
{
	struct buf text;
	bool passed = result->verdict == VERDICT_PASSED;

	buf_init(&text, MAX_LINE);
	add_check(&text, c);
	if (passed) {
		add_condition(&text, c);
		print_word(r, "ok", GREEN);
		fprintf(r->out, "%s  (%.2f s, %u %s)\n", buf_text(&text),
			(double)result->decided / 1e6, result->attempts,
			result->attempts == 1 ? "try" : "tries");
	} else {
		print_word(r, c->warn ? "warn" : "FAIL", c->warn ? YELLOW : RED);
		fprintf(r->out, "%s: %s\n", buf_text(&text), reason_of(result));
	}
	buf_release(&text);
}

/* Returns why the run as a whole did not pass, if no check says it, else NULL. */
static const char *
whole_reason(const struct run *run)
{
	if (run->exit == EXIT_PROCESS_GONE)
		return "the process exited";
	if (run->exit == EXIT_NEVER_ANSWERED)
		return "the server never answered";
	return run->exit == EXIT_INTERNAL ? "internal error: libcurl cannot go on" : NULL;
}

static void
print_whole_human(const struct report *r, const struct run *run)
{
	const char *reason = whole_reason(run);

	if (!reason)
		return;
	print_word(r, "FAIL", RED);
	fprintf(r->out, "%s", reason);
	if (run->exit == EXIT_PROCESS_GONE)
		fprintf(r->out, " (pid %ld)", (long)run->options->pid);
	else if (run->exit == EXIT_NEVER_ANSWERED)
		fprintf(r->out, " at %s", run->options->target);
	fprintf(r->out, " %s %.2f s\n", run->exit == EXIT_PROCESS_GONE ? "after" : "within",
		(double)run->duration / 1e6);
}

static void
print_tap(const struct report *r, const struct run *run)
{
	struct buf text;
	const char *reason = whole_reason(run);

	fprintf(r->out, "TAP version 13\n1..%zu\n", run->checks->nr);
	buf_init(&text, MAX_LINE);
	for (size_t i = 0; i < run->checks->nr; i++) {
		const struct check *c = &run->checks->item[i];
		const struct result *result = &run->result[i];
		bool passed = result->verdict == VERDICT_PASSED;
		buf_clear(&text);
		add_check(&text, c);
		add_condition(&text, c);
		fprintf(r->out, "%s %zu - ", passed ? "ok" : "not ok", i + 1);
		/* Escapes a #, which would start a directive. */
		for (const char *at = buf_text(&text); *at; at++)
			fprintf(r->out, *at == '#' || *at == '\\' ? "\\%c" : "%c", *at);
		fputs(c->warn && !passed ? " # TODO warn only\n" : "\n", r->out);
		if (!passed)
			fprintf(r->out, "# %s\n", reason_of(result));
	}
	if (reason)
		fprintf(r->out, "Bail out! %s\n", reason);
	buf_release(&text);
}

/* text is UTF-8 without controls, because it was escaped before. */
static void
print_quoted(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void
print_shown(FILE *out, const char *text)
{
	struct buf shown;

	buf_init(&shown, SIZE_MAX / 2);
	(void)buf_add_shown(&shown, text, strlen(text), SIZE_MAX);
	print_quoted(out, buf_text(&shown));
	buf_release(&shown);
}

static void
print_url(FILE *out, const struct run *run, const struct check *c, const struct result *result)
{
	struct buf url;

	if (result->url.len > 0) {
		print_shown(out, result->url.bytes);
		return;
	}
	bool https = c->scheme == CHECKS_HTTPS || (c->scheme == CHECKS_PLAIN && run->options->tls);
	buf_init(&url, MAX_LINE);
	(void)buf_addf(
		&url, "%s://%s%s", https ? "https" : "http", run_host(run->options, c), c->path);
	print_shown(out, buf_text(&url));
	buf_release(&url);
}

static void
print_json_check(
	FILE *out, const struct run *run, const struct check *c, const struct result *result)
{
	bool passed = result->verdict == VERDICT_PASSED;

	fprintf(out, "{\"line\":%u,\"name\":", c->line);
	if (c->name)
		print_shown(out, c->name);
	else
		fputs("null", out);
	fprintf(out, ",\"method\":\"%s\",\"url\":", c->method);
	print_url(out, run, c, result);
	fprintf(out,
		",\"ok\":%s,\"warn\":%s,\"verdict\":\"%s\",\"status\":", passed ? "true" : "false",
		c->warn ? "true" : "false", verdict_word(result->verdict));
	if (result->status > 0)
		fprintf(out, "%d", result->status);
	else
		fputs("null", out);
	fprintf(out, ",\"attempts\":%u,\"reason\":", result->attempts);
	if (passed)
		fputs("null", out);
	else
		print_quoted(out, reason_of(result));
	fprintf(out, ",\"bytes\":%llu,\"redirects\":%u", (unsigned long long)result->bytes,
		result->redirects);
	fprintf(out, ",\"ms\":{\"connect\":%.1f,\"first_byte\":%.1f,\"total\":%.1f}}",
		(double)result->connect / 1e3, (double)result->first_byte / 1e3,
		(double)result->total / 1e3);
}

static void
print_json_head(FILE *out, const struct options *options, enum exit_status status)
{
	bool error = status == EXIT_MISUSE || status == EXIT_INTERNAL;

	fputs("{\"version\":1,\"target\":", out);
	if (options->target)
		print_shown(out, options->target);
	else
		fputs("null", out);
	fprintf(out, ",\"verdict\":\"%s\",\"exit\":%d",
		status == EXIT_PASS ? "pass"
			: error     ? "error"
				    : "fail",
		(int)status);
}

void
report_json(FILE *out, const struct run *run)
{
	const char *reason = whole_reason(run);

	print_json_head(out, run->options, run->exit);
	if (reason) {
		fputs(",\"message\":", out);
		print_quoted(out, reason);
	}
	if (run->ready >= 0)
		fprintf(out, ",\"ready_ms\":%lld", (long long)(run->ready / 1000));
	else
		fputs(",\"ready_ms\":null", out);
	fprintf(out, ",\"duration_ms\":%lld,\"checks\":[", (long long)(run->duration / 1000));
	for (size_t i = 0; i < run->checks->nr; i++) {
		fputs(i == 0 ? "\n" : ",\n", out);
		print_json_check(out, run, &run->checks->item[i], &run->result[i]);
	}
	fputs("\n]}\n", out);
}

void
report_json_error(
	FILE *out, const struct options *options, enum exit_status status, const char *message)
{
	print_json_head(out, options, status);
	fputs(",\"message\":", out);
	print_shown(out, message);
	fputs(",\"ready_ms\":null,\"duration_ms\":0,\"checks\":[]}\n", out);
}

static void
print_json_notes(FILE *out, const struct checks *checks)
{
	fputs(",\"notes\":[", out);
	for (size_t i = 0; i < checks->nr_notes; i++) {
		const struct checks_note *note = &checks->note[i];
		fprintf(out, "%s{\"line\":%u,\"column\":%u,\"error\":%s,\"text\":",
			i == 0 ? "\n" : ",\n", note->line, note->column,
			note->is_error ? "true" : "false");
		print_quoted(out, note->text);
		fputc('}', out);
	}
	fputs("]}\n", out);
}

/* The names of the settings that the file itself has. */
static void
print_json_settings(FILE *out, const struct checks_settings *set)
{
	const char *between = "";

	fputs(",\"settings\":[", out);
	if (set->wait >= 0) {
		fputs("\"WAIT\"", out);
		between = ",";
	}
	if (set->timeout > 0) {
		fprintf(out, "%s\"TIMEOUT\"", between);
		between = ",";
	}
	if (set->attempts >= 0)
		fprintf(out, "%s\"ATTEMPTS\"", between);
	fputc(']', out);
}

void
report_lint(struct report *r, const char *file, const struct checks *checks)
{
	int64_t limit = run_limit(r->options, checks);
	bool good = checks->nr_errors == 0;

	if (r->options->format != OPTIONS_JSON) {
		if (good)
			fprintf(r->out, "%s: %zu check%s, up to %g s\n", file, checks->nr,
				checks->nr == 1 ? "" : "s", (double)limit / (double)UTIL_SECOND);
		return;
	}
	fputs("{\"version\":1,\"file\":", r->out);
	print_shown(r->out, file);
	fprintf(r->out, ",\"verdict\":\"%s\",\"exit\":%d,\"checks\":%zu",
		good                    ? "pass"
			: checks->empty ? "empty"
					: "error",
		(int)(good ? EXIT_PASS : EXIT_MISUSE), checks->nr);
	fprintf(r->out, ",\"deadline_ms\":%lld,\"longest_ms\":%lld,\"timeout_ms\":%lld",
		(long long)(limit / UTIL_MS),
		(long long)(run_longest(r->options, checks) / UTIL_MS),
		(long long)(run_timeout(r->options, checks) / UTIL_MS));
	print_json_settings(r->out, &checks->set);
	print_json_notes(r->out, checks);
}

void
report_error(struct report *r, enum exit_status status, const char *message)
{
	struct buf shown;

	if (r->options->format == OPTIONS_JSON)
		report_json_error(r->out, r->options, status, message);
	if (r->options->format != OPTIONS_TAP)
		return;
	buf_init(&shown, MAX_LINE);
	(void)buf_add_shown(&shown, message, strlen(message), SIZE_MAX);
	fprintf(r->out, "Bail out! %s\n", buf_text(&shown));
	buf_release(&shown);
}

void
report_run(struct report *r, const struct run *run)
{
	report_clear_line(r);
	if (r->options->format == OPTIONS_JSON) {
		report_json(r->out, run);
		return;
	}
	if (r->options->format == OPTIONS_TAP) {
		print_tap(r, run);
		return;
	}
	print_whole_human(r, run);
	for (size_t i = 0; i < run->checks->nr; i++)
		print_human(r, &run->checks->item[i], &run->result[i]);
}

void
report_clear_line(struct report *r)
{
	if (r->line_shown)
		fputs("\r\033[K", r->out);
	r->line_shown = false;
}

/* Prints text up to this many characters. A wide one counts as one, which will do for this line. */
static void
print_cut(FILE *out, const char *text, size_t columns)
{
	for (; *text && columns > 0; text++) {
		bool ends = ((unsigned char)text[1] & 0xc0) != 0x80;
		fputc(*text, out);
		columns -= ends ? 1 : 0;
	}
}

void
report_progress(struct report *r, const struct run *run)
{
	struct buf line;
	size_t passed = 0;
	size_t wrong = run->checks->nr;
	int64_t left = run->until - clock_now();

	if (!r->live)
		return;
	for (size_t i = run->checks->nr; i-- > 0;) {
		if (run->result[i].verdict == VERDICT_PASSED)
			passed++;
		else
			wrong = i;
	}
	if (wrong == run->checks->nr)
		return;
	buf_init(&line, MAX_LINE);
	(void)buf_addf(&line, "%zu of %zu ok, %.0f s left, waiting for ", passed, run->checks->nr,
		left > 0 ? (double)left / 1e6 : 0.0);
	add_check(&line, &run->checks->item[wrong]);
	if (run->result[wrong].reason.len > 0)
		(void)buf_addf(&line, ": %s", run->result[wrong].reason.bytes);
	fputs("\r\033[K", r->out);
	print_cut(r->out, buf_text(&line), r->columns - 1);
	r->line_shown = true;
	fflush(r->out);
	buf_release(&line);
}
