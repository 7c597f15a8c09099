/*
 * What only root sees where /proc hides the processes of other users (mount option hidepid). It has
 * the capability to see them, cap_sys_ptrace, and does nothing with it but these two:
 *
 *   observe connections PID PORT [DEADLINE]
 *                                   how many connections of the container in which PID runs have
 *                                   something left to do on PORT; with DEADLINE, in seconds since
 *                                   the epoch, only when two samples in a row were 0 or it has
 *                                   passed
 *   observe workers MASTER TICKS    the nginx processes whose parent is MASTER and that were born at
 *                                   TICKS since the boot or before, a line each
 *
 * Exit status: 0, 1 and a line on stderr for misuse, 2 where it cannot see MASTER though that runs.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BLIND = 2 };

static const char *proc = "/proc";

static _Noreturn void
misuse(void)
{
	fputs(" !     observe: connections PID PORT [DEADLINE] | workers MASTER TICKS\n", stderr);
	exit(1);
}

/* The file gives us the capability as permitted only. Where the host does not grant it, the kernel
 * would refuse to start a program that has it as effective. */
static void
take_capability(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &header, data) == -1)
		return;
	data[0].permitted &= 1U << CAP_SYS_PTRACE;
	data[0].effective = data[0].permitted;
	data[0].inheritable = 0;
	data[1] = (struct __user_cap_data_struct){ 0 };
	/* Where that fails we see what the user dokku sees. */
	(void)!syscall(SYS_capset, &header, data);
}

/* The parent may have gone before the kernel was asked to tell us. */
static void
die_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != parent ||
		getsid(parent) != getsid(0))
		raise(SIGKILL);
}

/* Digits alone: strtoull would take blanks and signs. */
static unsigned long long
parse_number(const char *text, unsigned long long highest)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		misuse();
	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	if (*end != '\0' || errno != 0 || number > highest)
		misuse();
	return number;
}

static unsigned long
parse_pid(const char *text)
{
	unsigned long pid = (unsigned long)parse_number(text, INT_MAX);

	if (pid == 0)
		misuse();
	return pid;
}

/* Also where /proc hides it. */
static int
is_alive(unsigned long pid)
{
	char path[64];
	struct stat status;

	snprintf(path, sizeof(path), "%s/%lu", proc, pid);
	return stat(path, &status) == 0 || kill((pid_t)pid, 0) == 0 || errno == EPERM;
}

/* --- connections ---------------------------------------------------------------------------- */

/* The states of include/net/tcp_states.h in which the app's side has something left to send or to
 * hear: ESTABLISHED, SYN_RECV, FIN_WAIT1, CLOSE_WAIT, LAST_ACK and CLOSING. */
static int
has_more_to_do(unsigned long state)
{
	return state == 1 || state == 3 || state == 4 || state == 8 || state == 9 || state == 11;
}

/* "  0: LOCAL:PORT REMOTE:PORT STATE …", all of it hexadecimal: whether here and state could be read. */
static int
read_connection(const char *line, unsigned long *here, unsigned long *state)
{
	char *end = NULL;

	for (int colons = 0; colons < 3; colons++) {
		line = strchr(line, ':');
		if (!line)
			return 0;
		line++;
		if (colons == 1)
			*here = strtoul(line, &end, 16);
	}
	strtoul(line, &end, 16);
	if (*end != ' ')
		return 0;
	*state = strtoul(end, &end, 16);
	return *end == ' ';
}

/* Adds to count what file, of pid's network, says of port; 0 where it cannot be read. */
static int
count_in(unsigned long pid, const char *file, unsigned long port, long *count)
{
	char path[300], line[512];
	unsigned long here = 0, state = 0;
	int heading;

	snprintf(path, sizeof(path), "%s/%lu/net/%s", proc, pid, file);
	FILE *list = fopen(path, "re");
	if (!list)
		return 0;
	heading = fgets(line, sizeof(line), list) != NULL;
	while (fgets(line, sizeof(line), list)) {
		if (read_connection(line, &here, &state) && here == port && has_more_to_do(state))
			++*count;
	}
	fclose(list);
	return heading;
}

/* In the container's own network namespace, which is where they are, whatever nginx or conntrack believe.
 * What cannot be read counts as one, as long as the process lives: it is not drained. */
static long
count_connections(unsigned long pid, unsigned long port)
{
	long count = 0;
	int known = count_in(pid, "tcp", port, &count);

	if (count_in(pid, "tcp6", port, &count) || known)
		return count;
	return is_alive(pid);
}

/* Between two looks. For each the kernel walks over all its connections, those of other containers
 * too, so what takes long is looked at less often: after a minute once a second; what seems to be
 * at its end, or near its deadline, left seconds from now, ten times. */
static void
rest(unsigned long looks, long count, time_t left)
{
	unsigned long tenths = looks / 10 + 1;

	if (count == 0 || left <= 1)
		tenths = 1;
	else if (tenths > 10)
		tenths = 10;
	for (; tenths > 0; tenths--)
		nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
}

/* Nothing new comes meanwhile: nothing leads to this container any more. */
static int
connections(const char *pid_text, const char *port_text, const char *deadline_text)
{
	unsigned long pid = parse_pid(pid_text);
	unsigned long port = (unsigned long)parse_number(port_text, 65535);
	time_t deadline = deadline_text ? (time_t)parse_number(deadline_text, 999999999999) : 0;
	long count = count_connections(pid, port), before = -1;

	for (unsigned long looks = 0; deadline_text && (count > 0 || before != 0) &&
		(count == 0 || time(NULL) < deadline);
		looks++) {
		rest(looks, count, deadline - time(NULL));
		before = count;
		count = count_connections(pid, port);
	}
	printf("%ld\n", count);
	return fflush(stdout) == EOF;
}

/* --- workers -------------------------------------------------------------------------------- */

/* The blank before word number to, counted from the one before word number from; NULL where the text ends
 * before. */
static const char *
skip_words(const char *blank, int from, int to)
{
	for (; blank && from < to; from++)
		blank = strchr(blank + 1, ' ');
	return blank;
}

/* "PID (NAME) STATE PPID …", the time of birth being the 22nd word: whether it is an nginx of
 * master's that was born by then. */
static int
is_old_worker(const char *text, unsigned long master, unsigned long long ticks)
{
	const char *name = strchr(text, '('), *end = strrchr(text, ')');

	if (!name || !end || end - name != 6 || strncmp(name, "(nginx", 6) != 0)
		return 0;
	const char *parent = skip_words(end + 1, 3, 4), *birth = skip_words(parent, 4, 22);
	return birth && strtoul(parent + 1, NULL, 10) == master &&
		strtoull(birth + 1, NULL, 10) <= ticks;
}

/* What has ended meanwhile is no worker. */
static int
read_stat(const char *pid, char *text, size_t size)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s/stat", proc, pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	size_t n = fread(text, 1, size - 1, file);
	text[n] = '\0';
	fclose(file);
	return n > 0;
}

static int
workers(const char *master_text, const char *ticks_text)
{
	unsigned long master = parse_pid(master_text);
	unsigned long long ticks = parse_number(ticks_text, ULLONG_MAX);
	char text[1024];
	struct dirent *entry;

	if (!read_stat(master_text, text, sizeof(text)) && is_alive(master))
		return BLIND;
	DIR *folder = opendir(proc);
	if (!folder)
		return BLIND;
	while ((entry = readdir(folder)) != NULL) {
		if (isdigit((unsigned char)entry->d_name[0]) &&
			read_stat(entry->d_name, text, sizeof(text)) &&
			is_old_worker(text, master, ticks))
			printf("%s\n", entry->d_name);
	}
	closedir(folder);
	return fflush(stdout) == EOF;
}

int
main(int argc, char **argv)
{
#ifdef OBSERVE_TESTING
	if (getenv("OBSERVE_PROC"))
		proc = getenv("OBSERVE_PROC");
#endif
	die_with(getppid());
	take_capability();
	if ((argc == 4 || argc == 5) && strcmp(argv[1], "connections") == 0)
		return connections(argv[2], argv[3], argv[4]);
	if (argc == 4 && strcmp(argv[1], "workers") == 0)
		return workers(argv[2], argv[3]);
	misuse();
}
