/*
 * Runs a command, or follows a running process, and strikes at one exec in the whole tree of its
 * processes. With it a test can make a deploy die, or one of its commands fail, at each step, and
 * the code under test knows nothing of it. Linux on x86-64.
 *
 *   strike [OPTION…] -- COMMAND [ARG…]
 *   strike [OPTION…] -p PID -b TEXT
 *   strike -k       print the kinds of strikes, "KIND END" a line: END is dies or fails
 *
 *   -l LOG      write a line for each exec, "N PID ARGV", one when it strikes, "struck N KIND TIME
 *               ARGV", and one when COMMAND has ended, which may leave others behind, "ended STATUS
 *               TIME" (stderr)
 *   -n N        strike at the Nth exec
 *   -m TEXT     strike at the first exec whose ARGV contains TEXT. ^TEXT stands at the beginning,
 *               and * in TEXT stands for anything. With -n too, start to look at the Nth exec.
 *   -d MS       strike that much later
 *   -a KIND     how to strike, see the table kinds below
 *   -v TEXT     the victim has TEXT in its ARGV
 *   -f PID -c TEXT  a command that should hang, but has TEXT in its ARGV, goes on, and the process
 *               PID is stopped (SIGSTOP) in its place. For clients that keep a deadline of their
 *               own, and a server PID.
 *   -p PID -b TEXT  follow the process PID, and count from the first exec whose ARGV contains TEXT
 *   -t SECONDS  kill the tree after so long (600)
 *
 * Exit status: that of COMMAND; 128 + N for a signal; 124 when time was up, also for processes that
 * COMMAND has left behind; 111 if it could not start.
 */
#define _GNU_SOURCE 1

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_PROCESSES 4096
#define ARGV_SIZE 400

enum { KNOWN = 1, STOPPED = 2 };
enum { EXIT_GROUP = 231 }; /* its number on x86-64 */

struct process {
	pid_t pid;
	pid_t maker; /* the process whose event announces this one */
	int seen; /* KNOWN: it was announced; STOPPED: it has stopped for the first time */
	bool counted; /* part of the tree that is struck */
	bool watched; /* its system calls are watched, because it is the one to fail */
	bool held; /* hangs */
	char argv[ARGV_SIZE];
};

static struct process processes[MAX_PROCESSES];
static size_t count;
static FILE *logfile;
static unsigned long execs;
static unsigned long strike_at;
static const char *strike_text, *begin_text, *victim_text, *client_text;
static pid_t asked;
static long delay_ms;
static pid_t main_pid;
static bool struck, killing, time_is_up;
static volatile sig_atomic_t alarm_rang;

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "strike: %s: %s\n", what, strerror(errno));
	exit(111);
}

static struct process *
find(pid_t pid)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (processes[i].pid == pid)
			return &processes[i];
	}
	return NULL;
}

static struct process *
add(pid_t pid)
{
	struct process *p = find(pid);

	if (p != NULL)
		return p;
	if (count == MAX_PROCESSES) {
		errno = ENOMEM;
		die("too many processes");
	}
	p = &processes[count++];
	memset(p, 0, sizeof(*p));
	p->pid = pid;
	return p;
}

static void
forget(pid_t pid)
{
	struct process *p = find(pid);

	if (p != NULL)
		*p = processes[--count];
}

/* Returns the parent of a new process, or the process of a new thread; 0 if that is unknown. */
static pid_t
maker_of(pid_t pid)
{
	char path[64], line[256];
	int group = 0, parent = 0;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	status = fopen(path, "re");
	if (status == NULL)
		return 0;
	while (fgets(line, sizeof(line), status) != NULL) {
		if (strncmp(line, "Tgid:", 5) == 0)
			group = (int)strtol(line + 5, NULL, 10);
		else if (strncmp(line, "PPid:", 5) == 0)
			parent = (int)strtol(line + 5, NULL, 10);
	}
	fclose(status);
	return (pid_t)(group != (int)pid ? group : parent);
}

static size_t
counted(void)
{
	size_t i, n = 0;

	for (i = 0; i < count; i++)
		n += processes[i].counted;
	return n;
}

/* The argv of pid as one printable line. */
static void
read_argv(pid_t pid, char *out)
{
	char path[64];
	ssize_t n = 0, i;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, out, ARGV_SIZE - 1);
		close(fd);
	}
	if (n < 0)
		n = 0;
	for (i = 0; i < n; i++) {
		if (out[i] < ' ' || out[i] == 127)
			out[i] = ' ';
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
}

static void
kill_all(struct process *struck_one)
{
	size_t i;

	(void)struck_one;
	killing = true;
	for (i = 0; i < count; i++) {
		if (processes[i].counted)
			kill(processes[i].pid, SIGKILL);
	}
}

static void
kill_victim(struct process *struck_one)
{
	size_t i;

	(void)struck_one;
	for (i = 0; i < count; i++) {
		if (processes[i].counted && strstr(processes[i].argv, victim_text) != NULL) {
			kill(processes[i].pid, SIGKILL);
			fprintf(logfile, "victim %d\n", (int)processes[i].pid);
			fflush(logfile);
			return;
		}
	}
}

static void
resume(struct process *p, int sig)
{
	if (p->held)
		return;
	if (ptrace(p->watched ? PTRACE_SYSCALL : PTRACE_CONT, p->pid, NULL, (void *)(intptr_t)sig) <
			0 &&
		errno != ESRCH)
		die("cannot resume a process");
}

/* p has stopped for the first time, and the process that would announce it was killed before. */
static void
adopt(struct process *p)
{
	p->seen |= KNOWN;
	if (killing && p->counted)
		kill(p->pid, SIGKILL);
	resume(p, 0);
}

static void
adopt_those_of(pid_t maker)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (!(processes[i].seen & KNOWN) && processes[i].maker == maker)
			adopt(&processes[i]);
	}
}

/*
 * Handles processes that are not announced and whose maker is gone, so that they never will be.
 * They belong to the tree unless several trees of a daemon are possible.
 */
static void
on_stranger(pid_t pid)
{
	struct process *p = add(pid), *maker;

	p->seen |= STOPPED;
	p->maker = maker_of(pid);
	maker = find(p->maker);
	p->counted = maker != NULL ? maker->counted : main_pid != 0;
	if (maker == NULL)
		adopt(p);
}

/* Makes a process hang, or the server that it asks (-f). */
static void
hang(struct process *p)
{
	if (p != NULL && asked != 0 && strstr(p->argv, client_text) != NULL)
		kill(asked, SIGSTOP);
	else if (p != NULL)
		p->held = true;
}

static void
watch_calls(struct process *p)
{
	if (p != NULL)
		p->watched = true;
}

static void
poke(struct process *p, size_t at, long value)
{
	ptrace(PTRACE_POKEUSER, p->pid, (void *)at, (void *)value);
}

/* Makes the next system call of a process exit_group(1). */
static void
exit_now(struct process *p, bool exits)
{
	(void)exits;
	poke(p, offsetof(struct user_regs_struct, orig_rax), EXIT_GROUP);
	poke(p, offsetof(struct user_regs_struct, rdi), 1);
}

static void
exit_with_1(struct process *p, bool exits)
{
	if (exits)
		poke(p, offsetof(struct user_regs_struct, rdi), 1);
}

static void
kill_at_exit(struct process *p, bool exits)
{
	if (exits)
		kill_all(p);
}

/*
 * The kinds of strikes, all that tests know of them. end: the operation under test "dies", or one
 * of its commands "fails", and it goes on or reports that. at_exec is called when the process to
 * strike has become its command, with NULL for a strike that comes later (-d). at_call is called
 * before each system call of a process that watch_calls watches; exits tells if that ends it.
 */
static const struct kind {
	const char *name;
	const char *end;
	void (*at_exec)(struct process *p);
	void (*at_call)(struct process *p, bool exits);
} kinds[] = {
	{ "kill", "dies", kill_all, NULL }, /* SIGKILL for the whole tree */
	{ "after", "dies", watch_calls, kill_at_exit }, /* the command does its work, then kill */
	{ "fail", "fails", watch_calls, exit_now }, /* the command does nothing, and exits with 1 */
	{ "lost", "fails", watch_calls, exit_with_1 }, /* it does its work, and exits with 1 */
	{ "hang", "fails", hang, NULL }, /* it stops for good */
	{ "victim", "dies", kill_victim, NULL }, /* SIGKILL for the victim (-v) */
};

static const struct kind *kind; /* NULL: only write the log */

static const struct kind *
find_kind(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	}
	return NULL;
}

static void
print_kinds(void)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		printf("%s %s\n", kinds[i].name, kinds[i].end);
}

/* The time of day, for the log. */
static const char *
now(void)
{
	static char text[32];
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	snprintf(text, sizeof(text), "%lld.%03ld", (long long)time.tv_sec, time.tv_nsec / 1000000);
	return text;
}

static void
strike(struct process *p)
{
	struck = true;
	fprintf(logfile, "struck %lu %s %s %s\n", execs, kind != NULL ? kind->name : "none", now(),
		p != NULL ? p->argv : "later");
	fflush(logfile);
	if (kind != NULL)
		kind->at_exec(p);
}

static void
set_alarm(long ms)
{
	struct itimerval timer = { { 0, 50000 }, { ms / 1000, ms % 1000 * 1000 + 1 } };

	setitimer(ITIMER_REAL, &timer, NULL);
}

static void
on_alarm(int sig)
{
	(void)sig;
	alarm_rang = 1;
}

/*
 * Whether argv contains the parts of text between its "*", in that order. If text begins with "^",
 * the first part must stand at the beginning.
 */
static bool
matches(const char *argv, const char *text)
{
	bool anchored = text[0] == '^';
	char part[ARGV_SIZE];
	size_t length;

	for (text += anchored; *text != '\0'; text += length + (text[length] == '*')) {
		length = strcspn(text, "*");
		snprintf(part, sizeof(part), "%.*s", (int)length, text);
		argv = anchored && strncmp(argv, part, length) != 0 ? NULL : strstr(argv, part);
		if (argv == NULL)
			return false;
		argv += length;
		anchored = false;
	}
	return true;
}

static void
on_exec(struct process *p)
{
	bool here;

	read_argv(p->pid, p->argv);
	if (!p->counted && begin_text != NULL && !struck && counted() == 0 &&
		strstr(p->argv, begin_text) != NULL)
		p->counted = true;
	if (!p->counted)
		return;
	execs++;
	fprintf(logfile, "%lu %d %s\n", execs, (int)p->pid, p->argv);
	fflush(logfile);
	here = strike_text != NULL ? execs >= strike_at && matches(p->argv, strike_text)
				   : execs == strike_at;
	if (struck || !here)
		return;
	if (delay_ms > 0) {
		strike_text = NULL;
		strike_at = 0;
		set_alarm(delay_ms);
	} else {
		strike(p);
	}
}

/* p is about to make a system call, and it is the one that must fail. */
static void
on_syscall(struct process *p)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, p->pid, (void *)sizeof(info), &info) <= 0 ||
		info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	kind->at_call(p, info.entry.nr == EXIT_GROUP);
}

/* Handles the announcement of a child of p. The child's first stop may have come before. */
static void
on_child(struct process *p, bool thread)
{
	bool is_counted = p->counted, is_watched = p->watched && thread;
	unsigned long message = 0;
	char argv[ARGV_SIZE];
	struct process *child;

	memcpy(argv, p->argv, sizeof(argv));
	if (ptrace(PTRACE_GETEVENTMSG, p->pid, NULL, &message) < 0)
		return;
	child = add((pid_t)message);
	child->counted = is_counted;
	child->watched = is_watched;
	/* Only a process that has called exec is a victim, not a fork of Bash. */
	if (thread)
		memcpy(child->argv, argv, sizeof(argv));
	if (killing && is_counted)
		kill(child->pid, SIGKILL);
	if (child->seen & STOPPED)
		resume(child, 0);
	child->seen |= KNOWN;
}

static void
on_event(pid_t pid, int event, int sig)
{
	struct process *p = find(pid);
	unsigned long former = 0;

	if (p == NULL || !(p->seen & KNOWN)) {
		on_stranger(pid);
		return;
	}
	p->seen |= STOPPED;
	switch (event) {
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		on_child(p, event == PTRACE_EVENT_CLONE);
		p = find(pid);
		break;
	case PTRACE_EVENT_EXEC:
		if (ptrace(PTRACE_GETEVENTMSG, pid, NULL, &former) == 0 && (pid_t)former != pid)
			forget((pid_t)former);
		p = add(pid);
		on_exec(p);
		break;
	case PTRACE_EVENT_STOP:
		if (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU) {
			ptrace(PTRACE_LISTEN, pid, NULL, NULL);
			return;
		}
		break;
	default:
		break;
	}
	if (killing && p->counted)
		kill(pid, SIGKILL);
	resume(p, 0);
}

static void
on_stop(pid_t pid, int status)
{
	struct process *p = find(pid);
	int sig = WSTOPSIG(status);

	if (status >> 16 != 0) {
		on_event(pid, status >> 16, sig);
	} else if (p != NULL && sig == (SIGTRAP | 0x80)) {
		on_syscall(p);
		resume(p, 0);
	} else if (p != NULL) {
		resume(p, sig);
	}
}

static void
ring(time_t deadline)
{
	alarm_rang = 0;
	if (delay_ms > 0 && !struck && strike_text == NULL && strike_at == 0)
		strike(NULL);
	if (time(NULL) >= deadline && !time_is_up) {
		time_is_up = true;
		kill_all(NULL);
	}
}

/* Waits until the tree has ended and returns the exit status. */
static int
watch(time_t deadline)
{
	int status, result = 0;
	pid_t pid;

	for (;;) {
		if (alarm_rang)
			ring(deadline);
		if (main_pid == 0 && (struck || time_is_up) && counted() == 0)
			return time_is_up ? 124 : result;
		pid = waitpid(-1, &status, __WALL);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			return time_is_up ? 124 : result;
		if (WIFSTOPPED(status)) {
			on_stop(pid, status);
			continue;
		}
		if (pid == main_pid) {
			result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
			if (!time_is_up)
				fprintf(logfile, "ended %d %s\n", result, now());
			fflush(logfile);
		}
		forget(pid);
		adopt_those_of(pid);
	}
}

static const long ptrace_options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
	PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD;

static void
start(char **argv)
{
	struct process *p;
	int ready[2];
	char byte;

	if (pipe2(ready, O_CLOEXEC) < 0)
		die("pipe");
	main_pid = fork();
	if (main_pid < 0)
		die("fork");
	if (main_pid == 0) {
		close(ready[1]);
		if (read(ready[0], &byte, 1) < 0)
			_exit(111);
		execvp(argv[0], argv);
		_exit(111);
	}
	if (ptrace(PTRACE_SEIZE, main_pid, NULL, (void *)(ptrace_options | PTRACE_O_EXITKILL)) < 0)
		die("ptrace");
	p = add(main_pid);
	p->seen = KNOWN | STOPPED;
	p->counted = true;
	close(ready[1]);
	close(ready[0]);
}

static void
attach(pid_t pid)
{
	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)ptrace_options) < 0)
		die("ptrace");
	add(pid)->seen = KNOWN | STOPPED;
}

/* The options that only main needs. The others are in the globals above. */
struct options {
	long seconds;
	pid_t pid;
};

static bool
take_option(struct options *options, int option)
{
	switch (option) {
	case 'k':
		print_kinds();
		exit(0);
	case 'l':
		logfile = fopen(optarg, "we");
		if (logfile == NULL)
			die(optarg);
		return true;
	case 'n':
		strike_at = strtoul(optarg, NULL, 10);
		return true;
	case 'm':
		strike_text = optarg;
		return true;
	case 'a':
		kind = find_kind(optarg);
		return kind != NULL || strcmp(optarg, "none") == 0;
	case 'd':
		delay_ms = strtol(optarg, NULL, 10);
		return true;
	case 'v':
		victim_text = optarg;
		return true;
	case 't':
		options->seconds = strtol(optarg, NULL, 10);
		return true;
	case 'p':
		options->pid = (pid_t)strtol(optarg, NULL, 10);
		return true;
	case 'b':
		begin_text = optarg;
		return true;
	case 'f':
		asked = (pid_t)strtol(optarg, NULL, 10);
		return true;
	case 'c':
		client_text = optarg;
		return true;
	default:
		return false;
	}
}

int
main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct options options = { .seconds = 600 };
	int option;

	logfile = stderr;
	while ((option = getopt(argc, argv, "+kl:n:m:a:d:v:t:p:b:f:c:")) != -1) {
		if (!take_option(&options, option))
			return 111;
	}
	if ((asked != 0) != (client_text != NULL))
		return 111;
	sigaction(SIGALRM, &action, NULL);
	set_alarm(50);
	if (options.pid != 0)
		attach(options.pid);
	else if (optind < argc)
		start(argv + optind);
	else
		return 111;
	return watch(time(NULL) + options.seconds);
}
