#include "match.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "util.h"

/* The time limit for a hint. */
#define HINT_BUDGET (10 * UTIL_MS)

struct match {
	enum match_kind kind;
	char *bytes; /* a text that is searched byte by byte; NULL if PCRE2 searches */
	size_t len;
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *context; /* for a regex only, as is stack; else NULL */
	pcre2_jit_stack *stack;
};

static struct match_watch {
	sigjmp_buf out;
	volatile sig_atomic_t armed;
} watch;

static void
set_reason(struct match_error *error, size_t offset, const char *reason)
{
	error->offset = offset;
	error->no_memory = false;
	snprintf(error->reason, sizeof(error->reason), "%s", reason);
}

static void
set_no_memory(struct match_error *error)
{
	set_reason(error, 0, "out of memory");
	error->no_memory = true;
}

static bool
refuse_regex(const char *text, size_t len, struct match_error *error)
{
	if (len > MATCH_MAX_PATTERN)
		set_reason(error, MATCH_MAX_PATTERN, "a regex may have 1024 bytes");
	else if (len >= 2 && memcmp(text, "(*", 2) == 0)
		set_reason(error, 0, "a regex may not start with (*");
	else if (!match_has_jit())
		set_reason(error, 0, "this machine cannot compile regexes (PCRE2 has no JIT here)");
	else
		return false;
	return true;
}

static pcre2_code *
compile(const char *text, size_t len, uint32_t flags, struct match_error *error)
{
	int number;
	PCRE2_SIZE offset = 0;
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);

	if (!context) {
		set_no_memory(error);
		return NULL;
	}
	pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF);
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)text, len, flags, &number, &offset, context);
	pcre2_compile_context_free(context);
	if (!code) {
		PCRE2_UCHAR reason[120] = "";
		pcre2_get_error_message(number, reason, sizeof(reason));
		set_reason(error, offset, (const char *)reason);
		error->no_memory = number == PCRE2_ERROR_HEAP_FAILED;
	}
	return code;
}

static pcre2_code *
compile_caseless(const char *text, size_t len, struct match_error *error)
{
	uint32_t flags = PCRE2_LITERAL | PCRE2_CASELESS;
	pcre2_code *code = compile(text, len, flags | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, error);

	if (code || error->no_memory)
		return code;
	/* In a text that is not UTF-8, case is ignored for ASCII letters only. */
	return compile(text, len, flags, error);
}

/* What a regex needs besides its code: limits, and a stack of its own. */
static bool
add_limits(struct match *m)
{
	m->context = pcre2_match_context_create(NULL);
	m->stack = pcre2_jit_stack_create(32 * 1024, 1024 * 1024, NULL);
	if (!m->context || !m->stack)
		return false;
	pcre2_set_match_limit(m->context, 100000);
	pcre2_set_depth_limit(m->context, 10000);
	pcre2_set_heap_limit(m->context, 64 * 1024);
	pcre2_jit_stack_assign(m->context, NULL, m->stack);
	return true;
}

static bool
compile_match(struct match *m, bool icase, const char *text, size_t len, struct match_error *error)
{
	if (m->kind == MATCH_LITERAL) {
		m->code = compile_caseless(text, len, error);
	} else if (!refuse_regex(text, len, error)) {
		uint32_t flags = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
		m->code = compile(text, len, flags | (icase ? PCRE2_CASELESS : 0), error);
	}
	if (!m->code)
		return false;
	int jit = pcre2_jit_compile(m->code, PCRE2_JIT_COMPLETE);
	if (jit != 0 && m->kind == MATCH_REGEX) {
		set_reason(error, 0, "this regex cannot be compiled to machine code");
		error->no_memory = jit == PCRE2_ERROR_NOMEMORY;
		return false;
	}
	m->data = pcre2_match_data_create(1, NULL);
	if (!m->data || (m->kind == MATCH_REGEX && !add_limits(m))) {
		set_no_memory(error);
		return false;
	}
	return true;
}

struct match *
match_new(enum match_kind kind, bool icase, const char *text, size_t len, struct match_error *error)
{
	struct match *m = xrealloc(NULL, 1, sizeof(*m));

	*m = (struct match){ .kind = kind, .len = len };
	if (kind == MATCH_LITERAL && !icase) {
		/*
		 * No machine code is made: it is faster only in megabytes of body, and it costs
		 * time in every run.
		 */
		m->bytes = xcopy(text, len);
	} else if (!compile_match(m, icase, text, len, error)) {
		match_free(m);
		return NULL;
	}
	return m;
}

void
match_free(struct match *m)
{
	if (!m)
		return;
	free(m->bytes);
	pcre2_jit_stack_free(m->stack);
	pcre2_match_context_free(m->context);
	pcre2_match_data_free(m->data);
	pcre2_code_free(m->code);
	free(m);
}

static void
on_alarm(int signal)
{
	(void)signal;
	if (watch.armed) {
		watch.armed = 0;
		siglongjmp(watch.out, 1);
	}
}

static void
set_alarm(int64_t budget)
{
	struct itimerval timer = { 0 };

	timer.it_value.tv_sec = (time_t)(budget / UTIL_SECOND);
	timer.it_value.tv_usec = (suseconds_t)(budget % UTIL_SECOND);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/*
 * Machine code of PCRE2 cannot be told to stop, and its match limit starts again at every start
 * position. It owns no memory and holds no lock while it runs, so the alarm may jump out of it.
 */
static int
watched_match(const struct match *m, PCRE2_SPTR subject, size_t len, int64_t budget)
{
	struct sigaction action = { .sa_handler = on_alarm };
	volatile int found = PCRE2_ERROR_MATCHLIMIT;

	sigemptyset(&action.sa_mask);
	sigaction(SIGALRM, &action, NULL);
	if (sigsetjmp(watch.out, 1) == 0) {
		watch.armed = 1;
		set_alarm(budget);
		int answer = pcre2_match(m->code, subject, len, 0, 0, m->data, m->context);
		watch.armed = 0;
		found = answer;
	}
	set_alarm(0);
	return found;
}

static enum match_answer
find_literal(const struct match *m, const char *subject, size_t len, struct match_span *span)
{
	const char *hit = find_bytes(subject, len, m->bytes, m->len);

	if (hit && span)
		*span = (struct match_span){ (size_t)(hit - subject),
			(size_t)(hit - subject) + m->len };
	return hit ? MATCH_YES : MATCH_NO;
}

enum match_answer
match_find(
	struct match *m, const char *subject, size_t len, int64_t budget, struct match_span *span)
{
	PCRE2_SPTR bytes = (PCRE2_SPTR)(len == 0 ? "" : subject);
	int found;

	if (m->bytes)
		return find_literal(m, subject, len, span);
	if (m->kind == MATCH_LITERAL) {
		found = pcre2_match(m->code, bytes, len, 0, 0, m->data, NULL);
	} else if (budget <= 0) {
		return MATCH_COSTLY;
	} else {
		size_t seen = len < MATCH_MAX_SUBJECT ? len : MATCH_MAX_SUBJECT;
		found = watched_match(m, bytes, seen, budget);
	}
	if (found == PCRE2_ERROR_NOMATCH)
		return MATCH_NO;
	if (found == PCRE2_ERROR_NOMEMORY)
		return MATCH_FAILED;
	if (found < 0)
		return MATCH_COSTLY;
	if (span) {
		const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(m->data);
		*span = (struct match_span){ .start = ends[0], .end = ends[1] };
	}
	return MATCH_YES;
}

/* Called before each item of the pattern is tried; one item is over in microseconds. */
static int
watch_clock(pcre2_callout_block *block, void *until)
{
	const int64_t *limit = until;

	(void)block;
	return clock_now() < *limit ? 0 : PCRE2_ERROR_CALLOUT;
}

static bool
has_regex_signs(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (strchr("\\^$.|?*+()[]{}", text[i]))
			return true;
	return false;
}

bool
match_would(const char *text, size_t len, const char *subject, size_t subject_len)
{
	struct match_error error;
	int64_t until = clock_now() + HINT_BUDGET;
	bool would = false;

	if (len > MATCH_MAX_PATTERN || !has_regex_signs(text, len) || memcmp(text, "(*", 2) == 0)
		return false;
	/* Interpreted, because a contained process cannot make machine code. */
	pcre2_code *code = compile(text, len,
		PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT,
		&error);
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	pcre2_match_context *context = pcre2_match_context_create(NULL);
	if (code && data && context) {
		pcre2_set_callout(context, watch_clock, &until);
		pcre2_set_heap_limit(context, 1024);
		would = pcre2_match(code, (PCRE2_SPTR)subject, subject_len, 0, 0, data, context) >
			0;
	}
	pcre2_match_context_free(context);
	pcre2_match_data_free(data);
	pcre2_code_free(code);
	return would;
}

bool
match_has_jit(void)
{
	uint32_t jit = 0;

	(void)pcre2_config(PCRE2_CONFIG_JIT, &jit);
	return jit == 1;
}

const char *
match_version(void)
{
	static char version[64]; /* PCRE2 needs at least 24 */

	(void)pcre2_config(PCRE2_CONFIG_VERSION, version);
	return version;
}
