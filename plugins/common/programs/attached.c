/*
 * attached COMMAND [ARG…] - runs COMMAND until it ends, or until nobody reads our standard output
 * any more. A command that follows a log may write nothing for hours, and without a terminal it
 * gets no signal when its client disappears, so it would run for ever.
 *
 * Exit status: that of COMMAND; 129 if the reader has gone; 128 + N after signal N (HUP, INT,
 * TERM). In the last two cases COMMAND and its process group have been ended.
 */
#define _GNU_SOURCE 1

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "process.h"

enum {
	/* Milliseconds between two looks at whether COMMAND has ended. */
	POLL_MS = 200,
	/* After SIGTERM, COMMAND has this many times 20 ms before SIGKILL. */
	PATIENCE = 100,
};

/* target: the child, or minus the process group that it leads. SIGTERM comes before SIGKILL. */
static void
end_child(pid_t child, pid_t target)
{
	struct timespec moment = { .tv_nsec = 20000000 };

	kill(target, SIGTERM);
	for (int i = 0; i < PATIENCE; i++) {
		if (waitpid(child, NULL, WNOHANG) == child)
			return;
		nanosleep(&moment, NULL);
	}
	kill(target, SIGKILL);
	while (waitpid(child, NULL, 0) == -1 && errno == EINTR)
		continue;
}

/* grouped: the child leads a process group of its own. parent: see fork_and_outlive. */
static pid_t
start_child(char **command, bool grouped, pid_t parent)
{
	pid_t self = getpid(), child = fork_and_outlive(parent);

	if (child == 0) {
		if (grouped)
			setpgid(0, 0);
		die_with(self);
		become(command);
	}
	if (grouped)
		setpgid(child, child);
	return child;
}

static int
follow(pid_t child, bool grouped)
{
	struct pollfd output = { .fd = STDOUT_FILENO };
	int status;

	while (waitpid(child, &status, WNOHANG) == 0) {
		if (!ended_by &&
			(poll(&output, 1, POLL_MS) != 1 || !(output.revents & (POLLERR | POLLHUP))))
			continue;
		end_child(child, grouped ? -child : child);
		if (grouped)
			kill(-child, SIGKILL);
		return 128 + (ended_by ? ended_by : SIGHUP);
	}
	return exit_status_of(status);
}

int
main(int argc, char **argv)
{
	/* On a terminal COMMAND stays in the foreground group, which gets the terminal's signals.
	 */
	bool grouped = !isatty(STDIN_FILENO);
	pid_t parent = getppid();

	if (argc < 2)
		misuse("attached COMMAND [ARG…]");
	return follow(start_child(argv + 1, grouped, parent), grouped);
}
