/*
 * Sees what /proc may hide from the user dokku (mount option hidepid): it has the capability
 * cap_sys_ptrace, and uses it for these two questions only.
 *
 *   observe connections PID PORT[,PORT…] [DEADLINE]
 *       prints how many connections on these ports still have work to do in the network
 *       namespace of the process PID. With DEADLINE, in seconds since the boot, it prints the
 *       number only when two samples in a row were 0 or DEADLINE has passed. Time during which
 *       the host is suspended meanwhile does not count.
 *   observe workers MASTER TICKS
 *       prints the ids of the nginx processes whose parent is MASTER and that were started at TICKS
 *       (clock ticks since the boot) or before, a line each.
 *
 * Exit status: 0; 1 and a line on stderr for misuse; 2 if MASTER runs but cannot be seen.
 */
#define _GNU_SOURCE 1

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "proc.h"
#include "process.h"
#include "util.h"

enum { BLIND = 2, PORTS_MAX = 256 };

/* The ports of an app's containers to which visitors come. */
struct ports {
	size_t nr;
	unsigned long port[PORTS_MAX];
};

static const char USAGE[] =
	"observe connections PID PORT[,PORT...] [DEADLINE] | observe workers MASTER TICKS";

static const char *proc = "/proc";

/*
 * Makes the capability effective. The file gives it as permitted only, because a host that does not
 * grant it would refuse to start a program that has it as effective.
 */
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
	/* If that fails, we see what the user dokku sees. */
	(void)!syscall(SYS_capset, &header, data);
}

static unsigned long
parse_number(const char *text, unsigned long highest)
{
	unsigned long number;

	if (!parse_unsigned(text, strlen(text), highest, &number))
		misuse(USAGE);
	return number;
}

static unsigned long
parse_pid(const char *text)
{
	unsigned long pid = parse_number(text, INT_MAX);

	if (pid == 0)
		misuse(USAGE);
	return pid;
}

/* True also for a process that /proc hides. */
static bool
is_alive(unsigned long pid)
{
	char path[64];
	struct stat status;

	snprintf(path, sizeof(path), "%s/%lu", proc, pid);
	return stat(path, &status) == 0 || kill((pid_t)pid, 0) == 0 || errno == EPERM;
}

/* --- connections ---------------------------------------------------------------------------- */

/* From this number on a deadline is in seconds since the epoch: an older dokku has made it. */
enum { EPOCH_FROM = 1000000000 };

static time_t
seconds_of(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec;
}

/* The deadline by the clock that stands still while the host is suspended, and is never set. */
static time_t
end_of(time_t deadline)
{
	clockid_t clock = deadline < EPOCH_FROM ? CLOCK_BOOTTIME : CLOCK_REALTIME;

	return seconds_of(CLOCK_MONOTONIC) + deadline - seconds_of(clock);
}

static struct ports
parse_ports(const char *text)
{
	struct ports ports = { 0 };
	const char *end;

	for (;; text = end + 1) {
		end = text + strcspn(text, ",");
		if (ports.nr == PORTS_MAX ||
			!parse_unsigned(text, (size_t)(end - text), 65535, &ports.port[ports.nr++]))
			misuse(USAGE);
		if (*end == '\0')
			return ports;
	}
}

static bool
is_busy(const char *line, const struct ports *ports)
{
	for (size_t i = 0; i < ports->nr; i++) {
		if (proc_is_busy(line, ports->port[i]))
			return true;
	}
	return false;
}

/* Adds the busy connections on ports that file, of pid's network, has. False if unreadable. */
static bool
count_in(unsigned long pid, const char *file, const struct ports *ports, long *count)
{
	char path[300], line[512];
	bool heading;

	snprintf(path, sizeof(path), "%s/%lu/net/%s", proc, pid, file);
	FILE *list = fopen(path, "re");
	if (!list)
		return false;
	heading = fgets(line, sizeof(line), list) != NULL;
	while (fgets(line, sizeof(line), list))
		*count += is_busy(line, ports);
	fclose(list);
	return heading;
}

/*
 * Counts in the container's own network namespace, where the connections are, whatever nginx or
 * conntrack believe. If neither list can be read while the process lives, the result is 1: we may
 * not call the container drained.
 */
static long
count_connections(unsigned long pid, const struct ports *ports)
{
	long count = 0;
	bool known = count_in(pid, "tcp", ports, &count);

	if (count_in(pid, "tcp6", ports, &count) || known)
		return count;
	return is_alive(pid);
}

/*
 * Waits between two samples. For each sample the kernel walks over all its connections, also those
 * of other containers, so a long drain is sampled less often: once a second after a minute. A
 * drain that seems to end, or whose deadline is near (left: seconds), is sampled ten times a
 * second.
 */
static void
rest(unsigned long samples, long count, time_t left)
{
	unsigned long tenths = samples / 10 + 1;

	if (count == 0 || left <= 1)
		tenths = 1;
	else if (tenths > 10)
		tenths = 10;
	for (; tenths > 0; tenths--)
		nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
}

/* No new connection arrives meanwhile, because no address leads to this container any more. */
static int
connections(const char *pid_text, const char *ports_text, const char *deadline_text)
{
	unsigned long pid = parse_pid(pid_text);
	struct ports ports = parse_ports(ports_text);
	time_t deadline = deadline_text ? (time_t)parse_number(deadline_text, LONG_MAX / 2) : 0;
	time_t end = end_of(deadline);
	long count = count_connections(pid, &ports), before = -1;

	for (unsigned long samples = 0; deadline_text && (count > 0 || before != 0) &&
		(count == 0 || seconds_of(CLOCK_MONOTONIC) < end);
		samples++) {
		rest(samples, count, end - seconds_of(CLOCK_MONOTONIC));
		before = count;
		count = count_connections(pid, &ports);
	}
	printf("%ld\n", count);
	return fflush(stdout) == EOF;
}

/* --- workers -------------------------------------------------------------------------------- */

/* False if the process has ended meanwhile. text is NUL-terminated. */
static bool
read_stat(const char *pid, char *text, size_t size)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s/stat", proc, pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	size_t n = fread(text, 1, size - 1, file);
	text[n] = '\0';
	fclose(file);
	return n > 0;
}

static int
workers(const char *master_text, const char *ticks_text)
{
	unsigned long master = parse_pid(master_text);
	unsigned long ticks = parse_number(ticks_text, ULONG_MAX);
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
			proc_is_old_worker(text, master, ticks))
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
	misuse(USAGE);
}
