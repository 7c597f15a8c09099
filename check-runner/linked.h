/*
 * Where libcurl comes from. There are two programs: one has the little that a plain request needs
 * linked in, because loading the thirty libraries behind libcurl takes longer than a whole run;
 * the other loads them all, and is there for TLS. linked.c is the second, absent.c the first.
 */
#ifndef CHECK_RUNNER_LINKED_H
#define CHECK_RUNNER_LINKED_H

#include <stdbool.h>

/* Can this program speak TLS? If not, the one beside it with -tls after its name can. */
bool linked_has_tls(void);

/* libcurl's version and where it is, a static string for --version. */
const char *linked_version(void);

#endif
