/* Limits what the steps of builds take of the server, since BuildKit has no option for it. */
#ifndef BUILDS_H
#define BUILDS_H

/*
 * Gives the groups of the builds that run, below the folder cgroups (/sys/fs/cgroup), a limit of
 * processes and one of memory, in bytes. A group that has a limit keeps it.
 */
void builds_limit(const char *cgroups, unsigned long long memory);

#endif
