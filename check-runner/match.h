/*
 * Searches bytes for a text or a regex. This is the only module that knows PCRE2. Patterns and
 * subjects come from strangers, so each search ends within the time that it is given.
 */
#ifndef CHECK_RUNNER_MATCH_H
#define CHECK_RUNNER_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A regex sees at most that much of a subject, and is itself at most that long. */
#define MATCH_MAX_SUBJECT ((size_t)1 << 20)
#define MATCH_MAX_PATTERN ((size_t)1 << 10)

enum match_kind {
	MATCH_LITERAL,
	MATCH_REGEX,
};

enum match_answer {
	MATCH_NO,
	MATCH_YES,
	MATCH_COSTLY, /* gave up; the answer is unknown */
	MATCH_FAILED, /* no memory for the search */
};

struct match_span {
	size_t start;
	size_t end;
};

struct match_error {
	size_t offset; /* offset into the pattern */
	bool no_memory; /* no memory; the pattern may be right */
	char reason[160];
};

struct match;

/*
 * Compile a pattern. Returns NULL with *error filled in when it is no regex, too long, starts
 * with "(*", or cannot be compiled to machine code. A literal of up to 16 KiB always
 * compiles. icase folds Unicode case where the pattern is UTF-8, ASCII case elsewhere.
 */
struct match *match_new(
	enum match_kind kind, bool icase, const char *text, size_t len, struct match_error *error);

/* Frees a pattern. Does nothing for NULL. */
void match_free(struct match *m);

/*
 * Look for the first occurrence. A regex that takes longer than budget microseconds is COSTLY; a
 * literal is always fast enough. On YES, *span (which may be NULL) says where. Not reentrant: a
 * regex is stopped by SIGALRM and ITIMER_REAL, which belong to this module.
 */
enum match_answer match_find(
	struct match *m, const char *subject, size_t len, int64_t budget, struct match_span *span);

/*
 * Whether text, read as a regex, would be found in subject. This is for hints only: it searches
 * briefly, and returns false when in doubt, or when text means the same as a regex.
 */
bool match_would(const char *text, size_t len, const char *subject, size_t subject_len);

/* Whether this machine can compile regexes. */
bool match_has_jit(void);

/* For --version: "10.42 2022-12-11", a static string. */
const char *match_version(void);

#endif
