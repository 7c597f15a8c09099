/*
 * Process 1 of a test world: it makes ROOT its root, prints a line, reaps orphans, and ends on
 * TERM. The kernel then ends every other process of the world. With PROGRAM it becomes PROGRAM
 * instead, which must be able to be process 1, such as systemd.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

/* A chroot is not enough, because runc pivots itself, and that needs a real root. */
static void
pivot(const char *root)
{
	if (chdir(root) < 0)
		die(root);
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		die("pivot_root");
	if (umount2(".", MNT_DETACH) < 0)
		die("umount the old root");
	if (chdir("/") < 0)
		die("/");
}

/*
 * The process that waits for us reads up to this line. Then only the lock of the host's files stays
 * open.
 */
static void
announce(void)
{
	int null;

	if (puts("up") == EOF || fflush(stdout) == EOF)
		die("stdout");
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		die("/dev/null");
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	close(null);
}

/*
 * systemd closes what it inherits, so a child holds the lock that says the world lives. The child
 * ends as every other process does when systemd shuts the world down.
 */
static void
become(char *program)
{
	static char container[] = "container=world";
	char *const arguments[] = { program, NULL };
	char *const environment[] = { container, NULL };
	pid_t child = fork();

	if (child < 0)
		die("fork");
	if (child == 0)
		for (;;)
			pause();
	execve(program, arguments, environment);
	die(program);
}

int
main(int argc, char **argv)
{
	sigset_t set;
	int sig;

	if (argc < 2 || argc > 3 || getpid() != 1) {
		fputs("usage: init ROOT [PROGRAM], as process 1 of its own namespaces\n", stderr);
		return 100;
	}
	/* The clock is the host's: there is no namespace for it. */
	if (prctl(PR_CAPBSET_DROP, CAP_SYS_TIME) < 0)
		die("give up setting the clock");
	if (argc == 3) {
		pivot(argv[1]);
		announce();
		become(argv[2]);
	}
	/* Blocked signals wait for sigwait, even those that process 1 would never be sent. */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_SETMASK, &set, NULL);
	pivot(argv[1]);
	announce();
	while (sigwait(&set, &sig) == 0 && sig != SIGTERM)
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	return 0;
}
