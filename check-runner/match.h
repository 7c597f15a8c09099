/*
 * Is a text, or a regex, in these bytes? The only module that knows PCRE2. Every pattern and
 * every subject comes from somebody else, so each question ends within the time given to it.
 */
#ifndef CHECK_RUNNER_MATCH_H
#define CHECK_RUNNER_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A regex looks at this much of a subject and no more, and is at most that long itself. */
#define MATCH_MAX_SUBJECT ((size_t)1 << 20)
#define MATCH_MAX_PATTERN ((size_t)1 << 10)

enum match_kind {
	MATCH_LITERAL,
	MATCH_REGEX,
};

enum match_answer {
	MATCH_NO,
	MATCH_YES,
	MATCH_COSTLY, /* gave up: neither yes nor no */
	MATCH_FAILED, /* no memory for the question */
};

struct match_span {
	size_t start;
	size_t end;
};

struct match_error {
	size_t offset; /* into the pattern */
	bool no_memory; /* not the pattern's fault */
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

/* free(NULL)-like for NULL. */
void match_free(struct match *m);

/*
 * Look for the first occurrence. A regex that takes longer than budget microseconds is COSTLY;
 * a literal needs no watching. On YES, *span (which may be NULL) says where. Not reentrant: a
 * regex is watched by SIGALRM and ITIMER_REAL, which belong to this module.
 */
enum match_answer match_find(
	struct match *m, const char *subject, size_t len, int64_t budget, struct match_span *span);

/*
 * Would text, read as a regex, be found in subject? For hints only: it looks briefly and says
 * no when in doubt, and when text has nothing in it that a regex would read differently.
 */
bool match_would(const char *text, size_t len, const char *subject, size_t subject_len);

/* Can this machine compile regexes? */
bool match_has_jit(void);

/* For --version: "10.42 2022-12-11", a static string. */
const char *match_version(void);

#endif
