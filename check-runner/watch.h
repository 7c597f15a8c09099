/* Is the container's main process still there? It may belong to any user, and is not our child. */
#ifndef CHECK_RUNNER_WATCH_H
#define CHECK_RUNNER_WATCH_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * One of the descriptors is open, or both are -1 when there is nothing to watch. A number that
 * is used again for another process cannot fool it: both descriptors stand for the process.
 */
struct watch {
	int pidfd; /* readable once the process has exited */
	int stat; /* /proc/PID/stat, where the kernel has no pidfd */
};

/* Returns 0; -1 if the process is gone, -2 if it cannot be watched. pid 0 watches nothing. */
int watch_open(struct watch *w, pid_t pid);

/* The same by /proc alone, as on a kernel before 5.3. */
int watch_open_stat(struct watch *w, pid_t pid);

/* True when there is nothing to watch. */
bool watch_alive(const struct watch *w);

void watch_close(struct watch *w);

#endif
