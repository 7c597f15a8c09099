/*
 * Watches whether the container's main process is running. It may belong to any user, and is not
 * our child.
 */
#ifndef CHECK_RUNNER_WATCH_H
#define CHECK_RUNNER_WATCH_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * One of the descriptors is open, or both are -1 if there is nothing to watch. Both stand for the
 * process itself, so a process id that is used again is not mistaken for it.
 */
struct watch {
	int pidfd; /* readable once the process has exited */
	int stat; /* /proc/PID/stat, if the kernel has no pidfd */
};

/* Returns 0; -1 if the process is gone, -2 if it cannot be watched. pid 0 watches nothing. */
int watch_open(struct watch *w, pid_t pid);

/* The same by /proc alone, as on a kernel before 5.3. */
int watch_open_stat(struct watch *w, pid_t pid);

/* True when there is nothing to watch. */
bool watch_alive(const struct watch *w);

void watch_close(struct watch *w);

#endif
