/*
 * What Bash cannot do by itself, or only with five programs in a row. One small program without
 * libraries, because a deploy starts it some fifty times.
 *
 *   helper tied COMMAND [ARG…]      become COMMAND, that dies by SIGKILL when our parent does
 *   helper write FILE [MODE [sync]] stdin becomes FILE (644) by rename, when it is on the disk;
 *                                   with "sync" this ends when the rename is there too
 *   helper hold [-s] [-w SECONDS] FILE [[-s] [-w SECONDS] FILE…] -- COMMAND [ARG…]
 *                                   COMMAND while we hold these locks (flock(2), in turn), each
 *                                   waited for up to SECONDS (for ever); -s: shared
 *   helper alive PID…               whether all these processes exist, of whatever user. Status 1
 *                                   if one does not. /proc may hide those of others (hidepid).
 *   helper attached COMMAND [ARG…]  COMMAND, until it ends or nobody reads our standard output any
 *                                   more: then it is ended, with its process group. Status 129
 *   helper env FILE                 the pairs of an ENV file as NAME=VALUE, a NUL after each; and
 *                                   "=N TEXT" for what is not understood, from line N on, and
 *                                   "= TEXT" for a comment
 *   helper take DIR FILE MAX        DIR/FILE on stdout, read as the user who owns DIR where we are
 *                                   root. Nothing but a regular file of at most MAX bytes is read,
 *                                   and no link is followed.
 *
 * Exit status: that of COMMAND; 128 and its number for a signal; 73 where a lock was not to be
 * had; else 1 and a line on stderr. hold gives COMMAND no descriptor and dies before it: a lock
 * is free the moment that its holder is dead, whatever COMMAND has left running, and COMMAND ends
 * with it. The number 73 is LOCK_BUSY in common/functions. Where the last FILE begins with the
 * process number of COMMAND, which wrote it there, and COMMAND ends with 0, hold empties it: a file
 * that is not empty and that nobody holds tells of an operation that was killed or failed.
 *
 * write dies with its parent, too: what was killed must not change a file when somebody else has
 * its lock already.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_BUSY = 73 };

static _Noreturn void
fail(const char *what)
{
	fprintf(stderr, " !     %s: %s\n", what, strerror(errno));
	exit(1);
}

static _Noreturn void
misuse(void)
{
	fputs(" !     helper: tied COMMAND… | write FILE [MODE [sync]] | hold FILE… -- COMMAND… |"
	      " alive PID… | attached COMMAND… | env FILE | take DIR FILE MAX\n",
		stderr);
	exit(1);
}

static _Noreturn void
become(char **command)
{
	execvp(command[0], command);
	int status = errno == ENOENT ? 127 : 126;
	fprintf(stderr, " !     %s: %s\n", command[0], strerror(errno));
	_exit(status);
}

/* The parent may have gone before the kernel was asked to tell us, even before we could ask who it
 * is: then the one we see is who takes in orphans, and of another session. */
static void
die_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
		fail("prctl");
	if (getppid() != parent || getsid(parent) != getsid(0))
		raise(SIGKILL);
}

/* --- write ---------------------------------------------------------------------------------- */

/* The half-written file, to be removed by whoever finds that it cannot be finished. */
static char *unfinished;

static _Noreturn void
give_up(const char *file)
{
	int reason = errno;

	if (unfinished)
		unlink(unfinished);
	fprintf(stderr, " !     %s cannot be written: %s: it is as it was\n", file,
		strerror(reason));
	exit(1);
}

static void
copy_stdin(int to, const char *file)
{
	static char buffer[65536];
	ssize_t n;

	while ((n = read(STDIN_FILENO, buffer, sizeof(buffer))) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			give_up(file);
		for (ssize_t done = 0, step; done < n; done += step) {
			step = write(to, buffer + done, (size_t)(n - done));
			if (step == -1)
				give_up(file);
		}
	}
}

/* The folder of path, which is cut off there, to the disk. The file is what it should be: a disk
 * that cannot sync a folder is no reason to say otherwise. */
static void
sync_folder(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash)
		slash[slash == path] = '\0';
	int fd = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd != -1)
		fsync(fd);
}

/* FILE.tmp.PID.XXXXXX: sweep_temp in common/functions takes away what a killed one has left. */
static int
write_file(const char *file, const char *mode_text, int durable)
{
	char *end;
	unsigned long mode = strtoul(mode_text, &end, 8);
	size_t size = strlen(file) + sizeof(".tmp.2147483647.XXXXXX");
	char *name = malloc(size);

	if (*end != '\0' || end == mode_text || mode > 0777)
		misuse();
	if (!name)
		fail(file);
	snprintf(name, size, "%s.tmp.%ld.XXXXXX", file, (long)getpid());
	int fd = mkstemp(name);
	if (fd == -1)
		give_up(file);
	unfinished = name;
	copy_stdin(fd, file);
	if (fchmod(fd, (mode_t)mode) == -1 || fsync(fd) == -1 || close(fd) == -1 ||
		rename(name, file) == -1)
		give_up(file);
	if (durable)
		sync_folder(name);
	return 0;
}

/* --- hold ----------------------------------------------------------------------------------- */

static void
on_alarm(int signal_number)
{
	(void)signal_number;
}

/* A wait that ends: flock(2) returns EINTR, again and again, lest the first signal came too early.
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

/* seconds: how long to wait; below 0: for ever. */
static void
take_lock(const char *file, int mode, double seconds)
{
	/* Who can open a file can lock it. */
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
		misuse();
	return seconds;
}

/* Under the lock: nobody else writes to it. */
static void
forget_holder(const char *file, pid_t holder)
{
	char text[32];
	int fd = open(file, O_RDWR | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n > 0) {
		text[n] = '\0';
		/* On a full disk nothing is lost by a look too many. */
		if (strtol(text, NULL, 10) == (long)holder && ftruncate(fd, 0) == -1)
			fail(file);
	}
	if (fd != -1)
		close(fd);
}

static int
run_tied(char **command, const char *file)
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
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int
hold(char **arg)
{
	int mode = LOCK_EX;
	double seconds = -1;
	const char *last = NULL;

	for (; *arg && strcmp(*arg, "--") != 0; arg++) {
		if (strcmp(*arg, "-s") == 0) {
			mode = LOCK_SH;
		} else if (strcmp(*arg, "-w") == 0 && arg[1]) {
			seconds = parse_seconds(*++arg);
		} else {
			last = *arg;
			take_lock(last, mode, seconds);
			mode = LOCK_EX;
			seconds = -1;
		}
	}
	if (!*arg || !arg[1])
		misuse();
	return run_tied(arg + 1, last);
}

/* --- attached ------------------------------------------------------------------------------- */

/* Of a client that has gone nothing else tells: a command that follows a log may not write for
 * hours, and gets no signal where it has no terminal. */

static volatile sig_atomic_t ended_by;

static void
on_end(int signal_number)
{
	ended_by = signal_number;
}

/* A poll is interrupted by it. */
static void
on_child(int signal_number)
{
	(void)signal_number;
}

static void
catch_signals(void)
{
	struct sigaction end = { .sa_handler = on_end }, child = { .sa_handler = on_child };

	sigaction(SIGHUP, &end, NULL);
	sigaction(SIGINT, &end, NULL);
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGCHLD, &child, NULL);
}

/* Politely first. target: a process, or below 0 a group. Returns the status of child. */
static int
end_child(pid_t child, pid_t target)
{
	int status = 0;
	struct timespec moment = { .tv_nsec = 20000000 };

	kill(target, SIGTERM);
	for (int i = 0; i < 100; i++) {
		if (waitpid(child, &status, WNOHANG) == child)
			return status;
		nanosleep(&moment, NULL);
	}
	kill(target, SIGKILL);
	while (waitpid(child, &status, 0) == -1 && errno == EINTR)
		continue;
	return status;
}

/* With a terminal the command stays in its foreground group, and has its signals from it. */
static int
attached(char **command)
{
	int grouped = !isatty(STDIN_FILENO), status;
	pid_t parent = getppid(), self = getpid(), child = fork();
	struct pollfd output = { .fd = STDOUT_FILENO };

	if (child == -1)
		fail("fork");
	if (child == 0) {
		if (grouped)
			setpgid(0, 0);
		die_with(self);
		become(command);
	}
	if (grouped)
		setpgid(child, child);
	catch_signals();
	/* A signal that we answer: the group has to end before us. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) == -1 || getppid() != parent)
		ended_by = SIGTERM;
	while (waitpid(child, &status, WNOHANG) == 0) {
		if (ended_by || (poll(&output, 1, 200) == 1 && output.revents & (POLLERR | POLLHUP))) {
			end_child(child, grouped ? -child : child);
			if (grouped)
				kill(-child, SIGKILL);
			return 128 + (ended_by ? ended_by : SIGHUP);
		}
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* --- alive ---------------------------------------------------------------------------------- */

static int
is_alive(const char *text)
{
	char *end;
	long pid = strtol(text, &end, 10);

	if (end == text || *end != '\0' || pid < 1 || pid > INT_MAX)
		misuse();
	return kill((pid_t)pid, 0) == 0 || errno == EPERM;
}

static int
alive(char **pid)
{
	for (; *pid; pid++) {
		if (!is_alive(*pid))
			return 1;
	}
	return 0;
}

/* --- take ----------------------------------------------------------------------------------- */

/* A pipe that nobody writes to does not stop us, and a device is not read. */
static int
open_regular(const char *file, int flags, struct stat *status)
{
	int fd = open(file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags);

	if (fd == -1 && errno == ELOOP && flags) {
		fprintf(stderr, " !     %s is a link: put the file itself there\n", file);
		exit(1);
	}
	if (fd == -1 || fstat(fd, status) == -1)
		fail(file);
	if (!S_ISREG(status->st_mode)) {
		fprintf(stderr, " !     %s is not a regular file: it is not read\n", file);
		exit(1);
	}
	return fd;
}

/* Root reads what the owner of the folder may read, and nothing else. */
static void
become_owner(const char *dir)
{
	struct stat status;

	if (stat(dir, &status) == -1)
		fail(dir);
	if (geteuid() != 0 || status.st_uid == 0)
		return;
	if (setgroups(0, NULL) == -1 || setgid(status.st_gid) == -1 || setuid(status.st_uid) == -1)
		fail("setuid");
}

/* As much as there is, and not a byte more than max: a file can grow while it is read. */
static int
take(const char *dir, const char *file, const char *max_text)
{
	static char buffer[65536];
	char *end, path[PATH_MAX];
	struct stat status;
	long long max = strtoll(max_text, &end, 10), total = 0;
	ssize_t n;

	if (end == max_text || *end != '\0' || max < 0)
		misuse();
	if (snprintf(path, sizeof(path), "%s/%s", dir, file) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		fail(dir);
	}
	become_owner(dir);
	int fd = open_regular(path, O_NOFOLLOW, &status);
	while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
		total += n;
		if (total > max) {
			fprintf(stderr, " !     %s is larger than %lld bytes: it is not read\n",
				path, max);
			return 1;
		}
		if (fwrite(buffer, 1, (size_t)n, stdout) != (size_t)n)
			fail("stdout");
	}
	if (n == -1)
		fail(path);
	return fflush(stdout) == EOF;
}

/* --- env ------------------------------------------------------------------------------------ */

/* What is being read of an ENV file. The forms are those that Dokku has written over the years: in
 * single quotes, as a shell reads them; in double quotes, in dollar quotes, bare. */
struct env {
	const char *at, *end;
	char *value; /* as long as the file */
	size_t length; /* of value */
	int odd; /* The entry has something that is not understood. */
};

static void
add(struct env *env, int c)
{
	if (c == '\0')
		env->odd = 1;
	else
		env->value[env->length++] = (char)c;
}

static int
next_is(const struct env *env, const char *set)
{
	return env->at < env->end && *env->at != '\0' && strchr(set, *env->at) != NULL;
}

static void
skip(struct env *env, const char *set)
{
	while (next_is(env, set))
		env->at++;
}

static void
skip_line(struct env *env)
{
	size_t left = env->at < env->end ? (size_t)(env->end - env->at) : 0;
	const char *newline = memchr(env->at, '\n', left);

	env->at = newline ? newline : env->end;
}

/* A dollar that would be replaced by another variable or by what a command prints: nothing here
 * does that. */
static void
check_dollar(struct env *env)
{
	if (next_is(env, "$") && env->at + 1 < env->end &&
		(isalnum((unsigned char)env->at[1]) || strchr("_{(", env->at[1])))
		env->odd = 1;
}

static void
read_single(struct env *env)
{
	while (env->at < env->end && *env->at != '\'')
		add(env, *env->at++);
}

/* After a backslash, as the library godotenv writes it. */
static void
read_double(struct env *env)
{
	while (env->at < env->end && *env->at != '"') {
		check_dollar(env);
		if (*env->at == '\\' && env->at + 1 < env->end) {
			env->at++;
			add(env, *env->at == 'n' ? '\n' : *env->at == 'r' ? '\r' : *env->at);
		} else {
			add(env, *env->at);
		}
		env->at++;
	}
}

/* Up to digits of a number to base 8 or 16; env->at is at the first. */
static int
read_code(struct env *env, int base, int digits)
{
	char text[4] = "";

	for (int i = 0; i < digits && env->at < env->end; i++) {
		if (base == 8 ? !next_is(env, "01234567") : !isxdigit((unsigned char)*env->at))
			break;
		text[i] = *env->at++;
	}
	return (int)strtol(text, NULL, base) & 0xff;
}

static void
read_dollar_escape(struct env *env)
{
	static const char letters[] = "abeEfnrtv\\'\"?",
			  meanings[] = "\a\b\033\033\f\n\r\t\v\\'\"?";
	const char *letter = next_is(env, letters) ? strchr(letters, *env->at) : NULL;

	if (letter) {
		add(env, meanings[letter - letters]);
		env->at++;
	} else if (next_is(env, "01234567")) {
		add(env, read_code(env, 8, 3));
	} else if (next_is(env, "x")) {
		env->at++;
		add(env, read_code(env, 16, 2));
	} else {
		env->odd = 1;
	}
}

static void
read_dollar(struct env *env)
{
	while (env->at < env->end && *env->at != '\'') {
		if (*env->at++ == '\\')
			read_dollar_escape(env);
		else
			add(env, env->at[-1]);
	}
}

/* One part in quotes, or a character after a backslash. A quote that is not closed takes the rest
 * of the file. */
static void
read_part(struct env *env)
{
	int dollar = env->at + 1 < env->end && env->at[0] == '$' && env->at[1] == '\'';
	char quote = *env->at;

	env->at += 1 + dollar;
	if (quote == '\\' && env->at < env->end) {
		add(env, *env->at);
	} else if (dollar) {
		read_dollar(env);
	} else if (quote == '\'') {
		read_single(env);
	} else if (quote == '"') {
		read_double(env);
	} else {
		env->odd = 1;
		return;
	}
	if (env->at == env->end)
		env->odd = 1;
	else
		env->at++;
}

/* To the end of the line, or to a comment after a blank. */
static void
read_bare(struct env *env)
{
	while (env->at < env->end && *env->at != '\n') {
		check_dollar(env);
		if (*env->at == '#' && env->length > 0 &&
			strchr(" \t", env->value[env->length - 1]))
			break;
		if (*env->at == '\\' && env->at + 1 < env->end && env->at[1] == '$')
			env->at++;
		add(env, *env->at++);
	}
	while (env->length > 0 && strchr(" \t\r", env->value[env->length - 1]))
		env->length--;
}

/* From the name on; env->value is NAME=VALUE after it, unless the entry is odd. */
static void
read_entry(struct env *env)
{
	if (env->end - env->at > 6 && strncmp(env->at, "export", 6) == 0 &&
		strchr(" \t", env->at[6])) {
		env->at += 6;
		skip(env, " \t");
	}
	env->odd = env->at < env->end && isdigit((unsigned char)*env->at);
	while (env->at < env->end && (isalnum((unsigned char)*env->at) || *env->at == '_'))
		add(env, *env->at++);
	env->odd |= env->length == 0 || env->length > 255;
	skip(env, " \t");
	if (!next_is(env, "=")) {
		env->odd = 1;
		return;
	}
	add(env, *env->at++);
	skip(env, " \t");
	if (!next_is(env, "'\"") &&
		!(env->end - env->at > 1 && env->at[0] == '$' && env->at[1] == '\''))
		read_bare(env);
	else
		while (next_is(env, "'\"\\$") && !(env->odd && *env->at == '$'))
			read_part(env);
	skip(env, " \t\r");
	env->odd |= env->at < env->end && *env->at != '\n' && *env->at != '#';
}

/* The pairs of text as NAME=VALUE. What is kept as it is: "=N TEXT", N being its line, or "= TEXT"
 * for a comment. A NUL after each. */
static void
print_entries(struct env *env)
{
	unsigned long line = 1;

	while (env->at < env->end) {
		const char *start = env->at;

		skip(env, " \t\r");
		env->length = 0;
		env->odd = 0;
		int comment = next_is(env, "#"), blank = env->at == env->end || *env->at == '\n';
		if (!comment && !blank)
			read_entry(env);
		skip_line(env);
		if (comment)
			fputs("= ", stdout);
		else if (env->odd)
			printf("=%lu ", line);
		if (comment || env->odd)
			fwrite(start, 1, (size_t)(env->at - start), stdout);
		else
			fwrite(env->value, 1, env->length, stdout);
		if (!blank)
			putchar('\0');
		for (; start < env->at; start++)
			line += *start == '\n';
		line++;
		env->at += env->at < env->end;
	}
}

static int
print_env(const char *file)
{
	struct stat status;
	int from = open_regular(file, 0, &status);
	size_t size = (size_t)status.st_size, got = 0;
	char *text = malloc(size + 1), *value = malloc(size + 2);
	if (!text || !value)
		fail("malloc");
	for (ssize_t n = 1; n > 0 && got < size; got += (size_t)n) {
		n = read(from, text + got, size - got);
		if (n == -1)
			fail(file);
	}
	print_entries(&(struct env){ .at = text, .end = text + got, .value = value });
	free(text);
	free(value);
	return fflush(stdout) == EOF;
}

int
main(int argc, char **argv)
{
	if (argc >= 3 && strcmp(argv[1], "tied") == 0) {
		die_with(getppid());
		become(argv + 2);
	}
	if (argc >= 3 && argc <= 5 && strcmp(argv[1], "write") == 0) {
		if (argc == 5 && strcmp(argv[4], "sync") != 0)
			misuse();
		die_with(getppid());
		return write_file(argv[2], argc > 3 ? argv[3] : "644", argc == 5);
	}
	if (argc >= 5 && strcmp(argv[1], "hold") == 0)
		return hold(argv + 2);
	if (argc >= 3 && strcmp(argv[1], "alive") == 0)
		return alive(argv + 2);
	if (argc >= 3 && strcmp(argv[1], "attached") == 0)
		return attached(argv + 2);
	if (argc == 3 && strcmp(argv[1], "env") == 0)
		return print_env(argv[2]);
	if (argc == 5 && strcmp(argv[1], "take") == 0)
		return take(argv[2], argv[3], argv[4]);
	misuse();
}
