/*
 * Gives up the rights that a run does not need, before the first byte arrives from the network:
 * opening files, starting programs, connecting to other addresses.
 */
#ifndef CHECK_RUNNER_CONTAIN_H
#define CHECK_RUNNER_CONTAIN_H

#include <stdio.h>

#include "options.h"

/*
 * Contain this process for good. folder, if not -1, is the only folder where a file may still be
 * renamed or removed. Restrictions that an older kernel does not have are left out. Returns -1 if
 * one that the kernel has could not be used.
 */
int contain(const struct options *o, int folder);

/* Contain this process and print in one line which restrictions are in force. */
void contain_print(FILE *out);

/* Contain this process and try what must be denied. Returns 0, or 1 if something was allowed. */
int contain_selftest(FILE *out);

#endif
