/* Reports the result of a run to people and to machines. Everything that it shows is escaped. */
#ifndef CHECK_RUNNER_REPORT_H
#define CHECK_RUNNER_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "run.h"
#include "status.h"

struct report {
	FILE *out;
	const struct options *options;
	bool color;
	bool live; /* out is a terminal that can show the waiting line */
	unsigned columns;
	bool line_shown;
};

/* Find out whether out is a terminal, and what it can show. */
void report_init(struct report *r, FILE *out, const struct options *options);

/*
 * Print the waiting line: what is still wrong, and how much time is left. Does nothing unless live.
 */
void report_progress(struct report *r, const struct run *run);

/* Remove the waiting line. */
void report_clear_line(struct report *r);

/* Print the whole run in the format of the options. */
void report_run(struct report *r, const struct run *run);

/* Print the JSON report, whatever the format of the options. */
void report_json(FILE *out, const struct run *run);

/* Print what --lint found in the file of that name, in the format of the options. */
void report_lint(struct report *r, const char *file, const struct checks *checks);

/* Print that a run could not start, for tap and json. People read it on stderr. */
void report_error(struct report *r, enum exit_status exit, const char *message);
void report_json_error(
	FILE *out, const struct options *options, enum exit_status exit, const char *message);

#endif
