/*
 * Giving up, before the first byte from the network, all that is not needed any more: opening
 * files, starting programs, connecting elsewhere.
 */
#ifndef CHECK_RUNNER_CONTAIN_H
#define CHECK_RUNNER_CONTAIN_H

#include <stdio.h>

#include "options.h"

/*
 * Contain this process for good. folder, if not -1, is the one folder where a file may still be
 * renamed or removed. What an older kernel lacks is left out. Returns -1 if something that is
 * there could not be used.
 */
int contain(const struct options *o, int folder);

/* Contain this process and say what that is made of, in one line. */
void contain_print(FILE *out);

/* Contain this process and show what is denied. Returns 0, or 1 if something is not. */
int contain_selftest(FILE *out);

#endif
