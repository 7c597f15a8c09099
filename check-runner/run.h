/*
 * Decides when to send requests: at once, then again until every check was right once or the time
 * is over. The clock and the network are functions, so that a minute of tries takes no time in a
 * test.
 */
#ifndef CHECK_RUNNER_RUN_H
#define CHECK_RUNNER_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "checks.h"
#include "fetch.h"
#include "judge.h"
#include "options.h"
#include "status.h"
#include "util.h"

struct run;

/* The world as run sees it. The functions are those of fetch.h and util.h, or a test's. */
struct run_world {
	void *context;
	int64_t (*now)(void *context);
	int (*ask)(void *context, const struct fetch_request *request,
		struct fetch_response *response);
	void (*expect)(void *context, size_t requests);
	void (*probe)(void *context, int64_t until);
	enum fetch_event (*wait)(void *context, int64_t until, struct fetch_response **done);
	bool (*alive)(void *context);
	void (*stop)(void *context);
	/* Called every tenth of a second with the state so far. NULL if nobody needs it. */
	void (*progress)(void *context, const struct run *run);
};

/* The result. result[i] belongs to checks->item[i]. */
struct run {
	const struct options *options;
	const struct checks *checks;
	struct result *result;
	int64_t started;
	int64_t until; /* the deadline */
	int64_t duration; /* set at the end */
	int64_t ready; /* when the server first answered, since the start; -1: never */
	enum exit_status exit;
};

/* Run all checks to the end. Fills in *run and returns its exit. */
enum exit_status run_checks(struct run *run, const struct options *options,
	const struct checks *checks, const struct run_world *world);

void run_release(struct run *run);

/* How long a run may take: --deadline, else WAIT x ATTEMPTS. */
int64_t run_limit(const struct options *options, const struct checks *checks);

/*
 * How long a run takes at most. Without --deadline a check gets ATTEMPTS answers, also after the
 * time that run_limit says, and each may take a timeout.
 */
int64_t run_longest(const struct options *options, const struct checks *checks);

/* The timeout of a request that has none of its own. */
int64_t run_timeout(const struct options *options, const struct checks *checks);

/* The host that is sent with a check: the check's own, or that of the run. */
const char *run_host(const struct options *options, const struct check *check);

#endif
