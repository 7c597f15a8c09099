/* Reads the kernel's text about processes and connections, as /proc has it. No I/O of its own. */
#ifndef PROC_H
#define PROC_H

#include <stdbool.h>

/*
 * Whether line, of /proc/net/tcp or tcp6, is a connection to or from local port that has work
 * left: our side can still send or receive something. Closed and listening sockets have none, and
 * neither has a line that is not understood, such as the heading.
 */
bool proc_is_busy(const char *line, unsigned long port);

/*
 * Whether text, of /proc/PID/stat, is a process named nginx whose parent is master and that was
 * started at ticks (clock ticks since the boot) or before.
 */
bool proc_is_old_worker(const char *text, unsigned long master, unsigned long long ticks);

#endif
