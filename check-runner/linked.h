/*
 * Where libcurl comes from. There are two programs. One has libcurl and the little that a plain
 * request needs linked in, because loading the thirty libraries behind libcurl takes longer than a
 * whole run (absent.c). The other loads them all and can speak TLS (linked.c).
 */
#ifndef CHECK_RUNNER_LINKED_H
#define CHECK_RUNNER_LINKED_H

#include <stdbool.h>

/*
 * Whether this program can speak TLS. If not, the program beside it with -tls after its name can.
 */
bool linked_has_tls(void);

/* libcurl's version and where it is, a static string for --version. */
const char *linked_version(void);

#endif
