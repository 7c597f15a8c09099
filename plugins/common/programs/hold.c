/*
 * hold [-s] [-w SECONDS] FILE [[-s] [-w SECONDS] FILE…] -- COMMAND [ARG…] - runs COMMAND while this
 * process holds the locks (flock(2)) on all FILEs, which it takes in this order and creates if
 * needed. -s: the next lock is shared. -w: wait for the next lock for at most SECONDS; 0 means not
 * at all, and without -w the wait has no limit.
 *
 * A lock is free the moment its holder is dead. COMMAND therefore gets no descriptor of a lock, so
 * that nothing it leaves running keeps the lock, and COMMAND is killed when this process ends.
 *
 * If COMMAND succeeds, and the last FILE begins with COMMAND's process id, which COMMAND has
 * written there, this program empties the file. A FILE that is not empty and not locked therefore
 * belongs to an operation that failed or was killed.
 *
 * Exit status: that of COMMAND, 128 + N if signal N ended it; 73 if a lock was not free in time
 * (LOCK_BUSY in common); 1 and a line on stderr for any other error.
 */
#define _GNU_SOURCE 1

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"

enum { LOCK_BUSY = 73 };

/* For take_lock: there is no limit to the wait. */
#define FOR_EVER (-1.0)

static const char USAGE[] =
	"hold [-s] [-w SECONDS] FILE [[-s] [-w SECONDS] FILE…] -- COMMAND [ARG…]";

static void
on_alarm(int signal_number)
{
	(void)signal_number;
}

/*
 * Makes flock(2) fail with EINTR after this many seconds. The signal repeats every 20 ms, because
 * the first one may come just before flock starts to wait.
 */
static void
start_timer(double seconds)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval timer = { .it_interval = { .tv_usec = 20000 } };

	timer.it_value.tv_sec = (time_t)seconds;
	timer.it_value.tv_usec = (suseconds_t)((seconds - (double)timer.it_value.tv_sec) * 1e6);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void
stop_timer(void)
{
	struct itimerval timer = { 0 };

	setitimer(ITIMER_REAL, &timer, NULL);
	signal(SIGALRM, SIG_DFL);
}

/* mode: LOCK_EX or LOCK_SH. The descriptor stays open, and the lock lasts, until this process ends.
 */
static void
take_lock(const char *file, int mode, double seconds)
{
	/* Mode 0600: a user who can open the file can also lock it. */
	int fd = open(file, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd == -1)
		fail(file);
	if (flock(fd, mode | LOCK_NB) == 0)
		return;
	if (errno != EWOULDBLOCK)
		fail(file);
	if (seconds == 0)
		exit(LOCK_BUSY);
	if (seconds > 0)
		start_timer(seconds);
	if (flock(fd, mode) == -1) {
		if (errno == EINTR)
			exit(LOCK_BUSY);
		fail(file);
	}
	if (seconds > 0)
		stop_timer();
}

static double
parse_seconds(const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end != '\0' || !(seconds >= 0 && seconds <= 1e8))
		misuse(USAGE);
	return seconds;
}

/* Takes the locks that the words up to "--" name. Returns the last FILE and moves *words to "--".
 */
static const char *
take_locks(char ***words)
{
	char **word = *words;
	int mode = LOCK_EX;
	double seconds = FOR_EVER;
	const char *last = NULL;

	for (; *word && strcmp(*word, "--") != 0; word++) {
		if (strcmp(*word, "-s") == 0) {
			mode = LOCK_SH;
		} else if (strcmp(*word, "-w") == 0 && word[1]) {
			seconds = parse_seconds(*++word);
		} else {
			last = *word;
			take_lock(last, mode, seconds);
			mode = LOCK_EX;
			seconds = FOR_EVER;
		}
	}
	*words = word;
	return last;
}

/* Empties file if it names holder. The lock on file is held, so nobody else writes to it. */
static void
forget_holder(const char *file, pid_t holder)
{
	char text[32];
	int fd = open(file, O_RDWR | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n > 0) {
		text[n] = '\0';
		if (strtol(text, NULL, 10) == (long)holder && ftruncate(fd, 0) == -1)
			fail(file);
	}
	if (fd != -1)
		close(fd);
}

static int
run_command(char **command, const char *file)
{
	pid_t self = getpid(), child = fork();
	int status;

	if (child == -1)
		fail("fork");
	if (child == 0) {
		die_with(self);
		become(command);
	}
	while (waitpid(child, &status, 0) == -1) {
		if (errno != EINTR)
			fail("waitpid");
	}
	if (status == 0 && file)
		forget_holder(file, child);
	return exit_status_of(status);
}

int
main(int argc, char **argv)
{
	char **words = argv + 1;

	if (argc < 4)
		misuse(USAGE);
	const char *last = take_locks(&words);
	if (!*words || !words[1])
		misuse(USAGE);
	return run_command(words + 1, last);
}
