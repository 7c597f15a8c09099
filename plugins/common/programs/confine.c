/*
 * confine [-d] SECONDS COMMAND [ARG…] - runs a hook of a plugin that somebody else wrote. COMMAND
 * has a session of its own, so it has no terminal. It is killed after SECONDS, after 10 MB of
 * output, or when our parent ends. When it ends, all that is left of its process group is killed.
 * What it prints is made safe for a terminal. With -d its standard output is data, which is passed
 * on as it is.
 *
 * Exit status: that of COMMAND; 124 after SECONDS; 125 after too much output; 128 + N after signal
 * N, whether COMMAND got it or we did; 127 if there is no such program, 126 if it cannot be run.
 */
#define _GNU_SOURCE 1

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clean.h"
#include "process.h"
#include "util.h"

enum {
	POLL_MS = 50,
	/* After SIGTERM, COMMAND has this many times 20 ms before SIGKILL. */
	PATIENCE = 100,
	PIECE = 4096,
	OUTPUT_MAX = 10 * 1024 * 1024,
	STATUS_LATE = 124,
	STATUS_EXCESS = 125,
};

/* One of COMMAND's outputs, and where it goes. */
struct stream {
	int from; /* -1 when it has ended */
	int to;
	bool data;
	struct clean clean;
};

static bool
same_output(void)
{
	struct stat out, err;

	return fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0 &&
		out.st_dev == err.st_dev && out.st_ino == err.st_ino;
}

/* Makes the pipe of a stream. Returns the end into which COMMAND writes. */
static int
open_stream(struct stream *s, int to)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == -1)
		fail("pipe");
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) == -1)
		fail("fcntl");
	s->from = ends[0];
	s->to = to;
	return ends[1];
}

static _Noreturn void
be_command(char **command, pid_t parent, int out, int err)
{
	setsid();
	/*
	 * die_with cannot be used after setsid, because it treats a parent of another session as
	 * the process that adopts orphans.
	 */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != parent)
		_exit(STATUS_LATE);
	if (dup2(out, STDOUT_FILENO) == -1 || dup2(err, STDERR_FILENO) == -1)
		_exit(126);
	become(command);
}

/* If the reader is gone, or the disk is full, the text is lost and nothing else happens. */
static void
write_all(int fd, const char *text, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, text, n);

		if (done == -1 && errno == EINTR)
			continue;
		if (done <= 0)
			return;
		text += done;
		n -= (size_t)done;
	}
}

/* Passes on what there is to read. Returns how many bytes it has read. */
static size_t
pass_on(struct stream *s)
{
	char piece[PIECE], safe[CLEAN_GROWTH * (PIECE + CLEAN_HELD)];
	ssize_t n = s->from == -1 ? 0 : read(s->from, piece, sizeof(piece));

	if (n == 0 && s->from != -1) {
		close(s->from);
		s->from = -1;
	}
	if (n <= 0)
		return 0;
	if (s->data)
		write_all(s->to, piece, (size_t)n);
	else
		write_all(s->to, safe, clean_bytes(&s->clean, piece, (size_t)n, safe));
	return (size_t)n;
}

/* Whether the child has ended. It is not waited for, so that its status can still be read. */
static bool
has_ended(pid_t child)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
		info.si_pid == child;
}

/* SIGTERM comes before SIGKILL. What the command prints meanwhile is lost. */
static void
end_group(pid_t child)
{
	struct timespec moment = { .tv_nsec = 20000000 };

	kill(-child, SIGTERM);
	for (int i = 0; i < PATIENCE && !has_ended(child); i++)
		nanosleep(&moment, NULL);
	kill(-child, SIGKILL);
}

/* Returns 0 when COMMAND has ended by itself, or the status with which we have to end it. */
static int
follow(pid_t child, struct stream *streams, int64_t deadline)
{
	size_t printed = 0;

	while (!has_ended(child)) {
		struct pollfd fds[2] = { { .fd = streams[0].from, .events = POLLIN },
			{ .fd = streams[1].from, .events = POLLIN } };

		if (ended_by)
			return 128 + ended_by;
		if (clock_now() >= deadline)
			return STATUS_LATE;
		if (printed > OUTPUT_MAX)
			return STATUS_EXCESS;
		poll(fds, 2, POLL_MS);
		printed += pass_on(&streams[0]);
		printed += pass_on(&streams[1]);
	}
	return 0;
}

/* Kills what is left of the group, passes on the rest of the output, and returns the status. */
static int
finish(pid_t child, struct stream *streams)
{
	char safe[CLEAN_END];
	int status;
	size_t rest = 0, n;

	/* While the leader is not waited for, no other group can have its number. */
	kill(-child, SIGKILL);
	while (waitpid(child, &status, 0) == -1 && errno == EINTR)
		continue;
	for (int i = 0; i < 2; i++) {
		while (rest <= OUTPUT_MAX && (n = pass_on(&streams[i])) > 0)
			rest += n;
		write_all(streams[i].to, safe, clean_end(&streams[i].clean, safe));
	}
	return exit_status_of(status);
}

int
main(int argc, char **argv)
{
	bool data = argc > 1 && strcmp(argv[1], "-d") == 0;
	char **words = argv + 1 + data;
	struct stream streams[2] = { { .data = data, .from = -1 }, { .from = -1 } };
	pid_t parent = getppid(), self = getpid(), child;
	int64_t seconds;
	int status, out, err, ended;

	if (argc < 3 + data || !parse_duration(words[0], strlen(words[0]), &seconds))
		misuse("confine [-d] SECONDS COMMAND [ARG…]");
	int64_t deadline = clock_now() + seconds;
	out = open_stream(&streams[0], STDOUT_FILENO);
	/* If both go to the same place, one pipe keeps their order. */
	err = data || !same_output() ? open_stream(&streams[1], STDERR_FILENO) : out;
	child = fork_and_outlive(parent);
	if (child == 0)
		be_command(words + 1, self, out, err);
	close(out);
	if (err != out)
		close(err);
	/* Our reader may end. Then COMMAND goes on without noticing it. */
	signal(SIGPIPE, SIG_IGN);
	status = follow(child, streams, deadline);
	if (status)
		end_group(child);
	ended = finish(child, streams);
	return status ? status : ended;
}
