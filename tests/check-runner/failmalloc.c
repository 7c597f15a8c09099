/*
 * Preloaded: the allocation number FAIL_AT after main has begun fails, and with FAIL_ON set all
 * after it as well. Every malloc, calloc and realloc of the process counts, the libraries'
 * included. At the end the number of allocations is written to the file that FAIL_COUNT names.
 */
#define _GNU_SOURCE 1

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t n);

static bool begun;
static bool forever;
static unsigned long fail_at;
static unsigned long count;
static int count_fd = -1;

static bool
fails(void)
{
	if (!begun)
		return false;
	count++;
	if (count == fail_at || (forever && fail_at > 0 && count > fail_at)) {
		errno = ENOMEM;
		return true;
	}
	return false;
}

void *
malloc(size_t n)
{
	return fails() ? NULL : __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
	return fails() ? NULL : __libc_realloc(p, n);
}

static void
write_count(void)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%lu\n", count);

	begun = false;
	if (count_fd >= 0 && write(count_fd, text, (size_t)n) < 0)
		abort();
}

/* The program ends without the handlers of its libraries. */
void
_exit(int status)
{
	write_count();
	syscall(SYS_exit_group, status);
	__builtin_unreachable();
}

static int (*real_main)(int, char **, char **);

static int
counted_main(int argc, char **argv, char **env)
{
	const char *at = getenv("FAIL_AT");
	const char *path = getenv("FAIL_COUNT");

	fail_at = at ? strtoul(at, NULL, 10) : 0;
	forever = getenv("FAIL_ON") != NULL;
	/* Before the program contains itself. */
	if (path)
		count_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	atexit(write_count);
	begun = true;
	return real_main(argc, argv, env);
}

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
	void (*fini)(void), void (*rtld_fini)(void), void *stack_end);

int
__libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
	void (*fini)(void), void (*rtld_fini)(void), void *stack_end)
{
	int (*next)(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void),
		void (*)(void), void *);
	void *symbol = dlsym(RTLD_NEXT, "__libc_start_main");

	memcpy(&next, &symbol, sizeof(next));
	real_main = main;
	return next(counted_main, argc, argv, init, fini, rtld_fini, stack_end);
}
