/*
 * When to ask: at once, then again and again until every check was right once or the time is
 * over. Clock and network come in as functions, so that a minute of tries takes no time in a test.
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
	/* Called every tenth of a second with what is known so far. NULL: nobody looks. */
	void (*progress)(void *context, const struct run *run);
};

/* What came of it. result[i] belongs to checks->item[i]. */
struct run {
	const struct options *options;
	const struct checks *checks;
	struct result *result;
	int64_t started;
	int64_t until; /* the deadline, as long as nothing moves it */
	int64_t duration; /* set at the end */
	int64_t ready; /* since the start: when the server first answered; -1: never */
	enum exit_status exit;
};

/* Ask until the end. Fills in *run, exit included, and returns that. */
enum exit_status run_checks(struct run *run, const struct options *options,
	const struct checks *checks, const struct run_world *world);

void run_release(struct run *run);

/* How long a run may take: --deadline, else WAIT x ATTEMPTS. */
int64_t run_limit(const struct options *options, const struct checks *checks);

/* How long one request may take that says nothing else. */
int64_t run_timeout(const struct options *options, const struct checks *checks);

/* The host that goes with a check, as it is sent: the check's own, or the run's. */
const char *run_host(const struct options *options, const struct check *check);

#endif
