/* Telling people and machines what came of a run. Nothing is shown that was not escaped. */
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
	bool live; /* out is a terminal that can show a waiting line */
	unsigned columns;
	bool line_shown;
};

/* Find out what out can show. */
void report_init(struct report *r, FILE *out, const struct options *options);

/* The waiting line: what is still wrong, and how long is left. Nothing unless live. */
void report_progress(struct report *r, const struct run *run);

/* Take the waiting line away. */
void report_clear_line(struct report *r);

/* The whole run, in the format of the options. */
void report_run(struct report *r, const struct run *run);

/* The JSON report, whatever the format of the options. */
void report_json(FILE *out, const struct run *run);

/* What --lint found in the file of that name, in the format of the options. */
void report_lint(struct report *r, const char *file, const struct checks *checks);

/* A run that never began. For tap and json; a person has read it on stderr. */
void report_error(struct report *r, enum exit_status exit, const char *message);
void report_json_error(
	FILE *out, const struct options *options, enum exit_status exit, const char *message);

#endif
