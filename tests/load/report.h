#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include <stdio.h>

#include "loop.h"
#include "options.h"

/* The summary for people; its last line is "requests N, failed N". */
void report_human(FILE *f, const struct options *o, const struct outcome *out);

/* Write the same and more as JSON, by rename. Returns 0, or -1 with errno set. */
int report_json(const char *path, const struct options *o, const struct outcome *out);

/* Requests that failed, of all groups. */
uint64_t report_failed(const struct options *o);

#endif
