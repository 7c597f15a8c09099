#define _DEFAULT_SOURCE 1

#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int
watch_open_stat(struct watch *w, pid_t pid)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	*w = (struct watch){ .pidfd = -1, .stat = open(path, O_RDONLY | O_CLOEXEC) };
	/* A running process of another user may be hidden in /proc. */
	if (w->stat < 0)
		return kill(pid, 0) == 0 || errno != ESRCH ? -2 : -1;
	return watch_alive(w) ? 0 : -1;
}

int
watch_open(struct watch *w, pid_t pid)
{
	*w = (struct watch){ .pidfd = -1, .stat = -1 };
	if (pid == 0)
		return 0;
#ifdef SYS_pidfd_open
	w->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (w->pidfd >= 0)
		return watch_alive(w) ? 0 : -1;
	if (errno == ESRCH)
		return -1;
#endif
	return watch_open_stat(w, pid);
}

/* The state is the word after the name. The name itself may hold parentheses and blanks. */
static bool
stat_alive(int fd)
{
	char text[512];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return false;
	text[n] = '\0';
	const char *paren = strrchr(text, ')');
	return paren && paren[1] == ' ' && paren[2] != 'Z' && paren[2] != 'X';
}

bool
watch_alive(const struct watch *w)
{
	struct pollfd waiting = { .fd = w->pidfd, .events = POLLIN };

	if (w->stat >= 0)
		return stat_alive(w->stat);
	return w->pidfd < 0 || poll(&waiting, 1, 0) == 0;
}

void
watch_close(struct watch *w)
{
	if (w->pidfd >= 0)
		close(w->pidfd);
	if (w->stat >= 0)
		close(w->stat);
	*w = (struct watch){ .pidfd = -1, .stat = -1 };
}
