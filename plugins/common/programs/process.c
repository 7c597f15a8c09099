#define _GNU_SOURCE 1

#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"

const struct util_program util_program = { " !     ", 1 };

void
fail(const char *what)
{
	die(1, "%s: %s", what, strerror(errno));
}

void
misuse(const char *words)
{
	die(1, "usage: %s", words);
}

void
become(char **command)
{
	execvp(command[0], command);
	int status = errno == ENOENT ? 127 : 126;
	fprintf(stderr, " !     %s: %s\n", command[0], strerror(errno));
	_exit(status);
}

void
die_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
		fail("prctl");
	/*
	 * The parent may have ended before prctl, or even before the caller asked for its id. Then
	 * the parent that we see is the process that adopts orphans, which has another session.
	 */
	if (getppid() != parent || getsid(parent) != getsid(0))
		raise(SIGKILL);
}

volatile sig_atomic_t ended_by;

/* Signals that ask this process to end. */
static const int ENDS[] = { SIGHUP, SIGINT, SIGTERM };

static void
on_end(int signal_number)
{
	ended_by = signal_number;
}

/* The handler does nothing. The signal interrupts poll. */
static void
on_child(int signal_number)
{
	(void)signal_number;
}

static void
catch_ends(pid_t parent)
{
	struct sigaction end = { .sa_handler = on_end }, child = { .sa_handler = on_child };

	for (size_t i = 0; i < sizeof(ENDS) / sizeof(*ENDS); i++)
		sigaction(ENDS[i], &end, NULL);
	sigaction(SIGCHLD, &child, NULL);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) == -1 || getppid() != parent)
		ended_by = SIGTERM;
}

pid_t
fork_and_outlive(pid_t parent)
{
	sigset_t ends, before;

	sigemptyset(&ends);
	for (size_t i = 0; i < sizeof(ENDS) / sizeof(*ENDS); i++)
		sigaddset(&ends, ENDS[i]);
	sigprocmask(SIG_BLOCK, &ends, &before);
	pid_t child = fork();
	if (child == -1)
		fail("fork");
	if (child != 0)
		catch_ends(parent);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return child;
}

int
exit_status_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
open_regular(const char *file, int flags, struct stat *status)
{
	/* O_NONBLOCK: opening a pipe without a writer does not wait for one. */
	int fd = open(file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags);

	if (fd == -1 && errno == ELOOP && flags)
		die(1, "%s is a link: put the file itself there", file);
	if (fd == -1 || fstat(fd, status) == -1)
		fail(file);
	if (!S_ISREG(status->st_mode))
		die(1, "%s is not a regular file: it is not read", file);
	return fd;
}
