/*
 * Runs a command inside a test world: joins its cgroups and namespaces, becomes a user of it, and
 * passes signals in and the exit status out.
 */
#define _GNU_SOURCE 1

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	EXIT_MISUSE = 100,
	EXIT_FAILED = 111,
	EXIT_NOT_RUN = 126,
	EXIT_NOT_FOUND = 127,
};

static const char path_value[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static volatile sig_atomic_t child;

static void __attribute__((format(printf, 2, 3), noreturn)) die(int status, const char *format, ...)
{
	va_list args;

	fputs("world: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(status);
}

/* Opens FILE of the folder of the world; dies if it cannot be. */
static FILE *
open_state(const char *world, const char *file)
{
	char path[PATH_MAX];
	FILE *f;

	if (snprintf(path, sizeof(path), "%s/%s", world, file) >= (int)sizeof(path))
		die(EXIT_FAILED, "too long: %s", world);
	f = fopen(path, "re");
	if (f == NULL)
		die(EXIT_FAILED, "%s: %s", path, strerror(errno));
	return f;
}

/*
 * The world's process 1 holds this lock as long as it runs, so its process id cannot be another
 * process.
 */
static void
check_alive(const char *world)
{
	FILE *lock = open_state(world, "alive");

	if (flock(fileno(lock), LOCK_SH | LOCK_NB) == 0)
		die(EXIT_FAILED, "not running: %s", world);
	fclose(lock);
}

/* Writes our process id to every file that WORLD/cgroups names. */
static void
join_cgroups(const char *world)
{
	FILE *list = open_state(world, "cgroups");
	char path[PATH_MAX];

	while (fgets(path, sizeof(path), list) != NULL) {
		int fd;

		path[strcspn(path, "\n")] = '\0';
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0", 1) != 1)
			die(EXIT_FAILED, "%s: %s", path, strerror(errno));
		close(fd);
	}
	fclose(list);
}

static void
join_namespaces(const char *world)
{
	FILE *f = open_state(world, "pid");
	int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC |
		CLONE_NEWCGROUP;
	int pid;
	int fd;

	if (fscanf(f, "%9d", &pid) != 1)
		die(EXIT_FAILED, "no process id: %s/pid", world);
	fclose(f);
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0 || setns(fd, flags) < 0)
		die(EXIT_FAILED, "cannot enter process %d: %s", pid, strerror(errno));
	close(fd);
}

/* Fills groups with those that /etc/group gives the user, and returns how many. */
static size_t
find_groups(const struct passwd *user, gid_t *groups, size_t max)
{
	FILE *f = fopen("/etc/group", "re");
	const struct group *group;
	size_t nr = 0;

	groups[nr++] = user->pw_gid;
	while (f != NULL && nr < max && (group = fgetgrent(f)) != NULL)
		for (char **member = group->gr_mem; *member != NULL; member++)
			if (strcmp(*member, user->pw_name) == 0 && group->gr_gid != user->pw_gid) {
				groups[nr++] = group->gr_gid;
				break;
			}
	if (f != NULL)
		fclose(f);
	return nr;
}

/* Reads the file, because getpwnam would load a library of the world into this static program. */
static const struct passwd *
find_user(const char *name)
{
	FILE *f = fopen("/etc/passwd", "re");
	const struct passwd *user = NULL;

	if (f != NULL)
		while ((user = fgetpwent(f)) != NULL && strcmp(user->pw_name, name) != 0)
			;
	if (user == NULL)
		die(EXIT_FAILED, "no such user: %s", name);
	return user;
}

/* Becomes the user, with the environment and the folder of a fresh login. */
static void
become(const char *name)
{
	const struct passwd *user = find_user(name);
	const char *term = isatty(STDIN_FILENO) ? getenv("TERM") : NULL;
	gid_t groups[256];
	size_t nr = find_groups(user, groups, sizeof(groups) / sizeof(groups[0]));

	if (setgroups(nr, groups) < 0 || setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0)
		die(EXIT_FAILED, "cannot become %s: %s", name, strerror(errno));
	if (term != NULL)
		term = strdup(term);
	if (clearenv() != 0 || setenv("HOME", user->pw_dir, 1) < 0 ||
		setenv("PATH", path_value, 1) < 0 || setenv("LANG", "C.UTF-8", 1) < 0 ||
		(term != NULL && setenv("TERM", term, 1) < 0))
		die(EXIT_FAILED, "no memory");
	if (chdir(user->pw_dir) < 0 && chdir("/") < 0)
		die(EXIT_FAILED, "/: %s", strerror(errno));
	umask(022);
}

static void __attribute__((noreturn)) run(const char *user, char **command, const sigset_t *mask)
{
	/* The clock is the host's: there is no namespace for it. */
	if (prctl(PR_CAPBSET_DROP, CAP_SYS_TIME) < 0)
		die(EXIT_FAILED, "cannot give up setting the clock: %s", strerror(errno));
	become(user);
	/*
	 * Closes other descriptors, because a daemon started here would keep the locks and pipes of
	 * our caller.
	 */
	close_range(STDERR_FILENO + 1, ~0U, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(command[0], command);
	die(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_RUN, "%s: %s", command[0], strerror(errno));
}

/*
 * A signal from a terminal reaches the command directly. A signal from kill comes to us only, so it
 * is passed on.
 */
static void
pass_on(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (info->si_code <= 0)
		kill((pid_t)child, sig);
}

static void
catch_signals(void)
{
	static const int passed[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM,
		SIGWINCH };
	struct sigaction action = { .sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART };

	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		sigaction(passed[i], &action, NULL);
}

/* Ends as the command ended: by the same status, or by the same signal. */
static int
follow(void)
{
	const struct rlimit no_core = { 0, 0 };
	int status;

	for (;;) {
		pid_t pid = waitpid((pid_t)child, &status, WUNTRACED);

		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			die(EXIT_FAILED, "wait: %s", strerror(errno));
		if (!WIFSTOPPED(status))
			break;
		raise(SIGSTOP);
		kill((pid_t)child, SIGCONT);
	}
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	setrlimit(RLIMIT_CORE, &no_core);
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	return 128 + WTERMSIG(status);
}

int
main(int argc, char **argv)
{
	sigset_t all;
	sigset_t before;

	if (argc < 4)
		die(EXIT_MISUSE, "usage: enter WORLD USER COMMAND...");
	check_alive(argv[1]);
	join_cgroups(argv[1]);
	join_namespaces(argv[1]);
	/* Signals are blocked until then, because one would end us and not the command. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	child = fork();
	if (child < 0)
		die(EXIT_FAILED, "fork: %s", strerror(errno));
	if (child == 0)
		run(argv[2], argv + 3, &before);
	catch_signals();
	sigprocmask(SIG_SETMASK, &before, NULL);
	return follow();
}
