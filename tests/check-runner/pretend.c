/*
 * A library to preload that changes the system. PRETEND=old-kernel has no Landlock, no seccomp and
 * no pidfd. With PRETEND=wild-clock the wall clock is an hour later at each call.
 */
#define _GNU_SOURCE 1

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static bool old_kernel;
static bool wild_clock;

/* The program clears its environment. */
__attribute__((constructor)) static void
read_environment(void)
{
	const char *what = getenv("PRETEND");

	old_kernel = what && strcmp(what, "old-kernel") == 0;
	wild_clock = what && strcmp(what, "wild-clock") == 0;
}

static void *
real(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

long
syscall(long number, ...)
{
	long (*next)(long, ...);
	void *symbol = real("syscall");
	long arg[6];
	va_list args;
	bool young = number == SYS_pidfd_open || number == SYS_landlock_create_ruleset ||
		number == SYS_landlock_add_rule || number == SYS_landlock_restrict_self;

	if (old_kernel && young) {
		errno = ENOSYS;
		return -1;
	}
	va_start(args, number);
	for (int i = 0; i < 6; i++)
		arg[i] = va_arg(args, long);
	va_end(args);
	memcpy(&next, &symbol, sizeof(next));
	return next(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}

int
prctl(int option, ...)
{
	int (*next)(int, ...);
	void *symbol = real("prctl");
	unsigned long arg[4];
	va_list args;

	if (old_kernel && option == PR_SET_SECCOMP) {
		errno = EINVAL;
		return -1;
	}
	va_start(args, option);
	for (int i = 0; i < 4; i++)
		arg[i] = va_arg(args, unsigned long);
	va_end(args);
	memcpy(&next, &symbol, sizeof(next));
	return next(option, arg[0], arg[1], arg[2], arg[3]);
}

static time_t
hours(void)
{
	static time_t seen;

	return wild_clock ? 3600 * ++seen : 0;
}

int
clock_gettime(clockid_t clock, struct timespec *t)
{
	int (*next)(clockid_t, struct timespec *);
	void *symbol = real("clock_gettime");

	memcpy(&next, &symbol, sizeof(next));
	int result = next(clock, t);
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		t->tv_sec += hours();
	return result;
}

int
gettimeofday(struct timeval *restrict t, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	t->tv_sec = now.tv_sec;
	t->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *out)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}
