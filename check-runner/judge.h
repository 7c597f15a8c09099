/*
 * Judges an answer. A judge takes the body piece by piece, keeps no more of it than it needs, and
 * in the end gives a verdict with a reason that a person can act on. It sends no request itself.
 */
#ifndef CHECK_RUNNER_JUDGE_H
#define CHECK_RUNNER_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "checks.h"
#include "fetch.h"

#define JUDGE_MAX_BODY ((uint64_t)8 << 20)
/* At most this many characters of an answer are ever shown. */
#define JUDGE_MAX_EXCERPT 200

/* Every way a check can end. */
enum verdict {
	VERDICT_UNASKED, /* no try has ended yet */
	VERDICT_PASSED,
	VERDICT_STATUS,
	VERDICT_MISSING, /* a text or match that must be there is not */
	VERDICT_PRESENT, /* a text that must not be there is */
	VERDICT_DIFFERS, /* the body is not the text */
	VERDICT_HEADER,
	VERDICT_COSTLY, /* the regex took too long */
	VERDICT_TOO_BIG,
	VERDICT_BROKEN, /* the server sent something, but no whole HTTP answer */
	VERDICT_SILENT, /* connected, but the server sent nothing */
	VERDICT_TIMEOUT,
	VERDICT_REFUSED,
	VERDICT_UNREACHABLE,
	VERDICT_INTERNAL,
};

/* A zeroed result belongs to a check that was never asked. */
struct result {
	enum verdict verdict;
	int status;
	unsigned attempts; /* tries, refused ones included; the caller counts them */
	unsigned redirects;
	uint64_t bytes;
	int64_t connect;
	int64_t first_byte;
	int64_t total;
	int64_t decided; /* since the start of the run */
	struct buf url; /* of the last request */
	struct buf reason; /* one line, safe to show; empty if passed */
};

/* A zeroed judge is empty. It keeps its memory from one judge_start to the next. */
struct judge {
	const struct check *check;
	const struct fetch_response *response;
	int64_t until;
	struct buf kept; /* the start of the body */
	struct buf window; /* the end of the last piece, for texts that span pieces */
	struct buf around; /* the surroundings of a text that must not be there */
	bool *seen; /* for each condition: its literal has occurred */
	size_t carry; /* how much of the window the next piece needs */
};

/* Prepare for one answer. check and response are borrowed until judge_end. */
void judge_start(struct judge *j, const struct check *check, const struct fetch_response *response,
	int64_t until);

/* Take a piece of the body. The function fits struct fetch_request; judge is a struct judge. */
enum fetch_take judge_take(void *judge, const char *bytes, size_t n);

/*
 * Fill in the verdict. attempts and decided stay as they were. For a try that brought no body, a
 * judge needs only check and response.
 */
void judge_end(struct judge *j, struct result *result);

void judge_release(struct judge *j);

void result_release(struct result *r);

/* The verdict in one word, a constant. */
const char *verdict_word(enum verdict v);

/* Whether the server sent anything in this try. */
bool response_is_answer(const struct fetch_response *r);

#endif
