/*
 * A library to preload that makes allocations fail. With FAIL_AT=N the Nth allocation after the
 * start of main fails, and with FAIL_ON all after it as well. Every malloc, calloc and realloc of
 * the process counts, also those of libraries. With FAIL_EACH=TEXT, main runs once for every number
 * that it reaches, each time in a child. For each, stdout gets a line "NUMBER STATUS SAID", where
 * SAID is 1 if the child printed TEXT, and the child's output, indented, below it. With number 0
 * nothing fails.
 */
#define _GNU_SOURCE 1

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t n);

static bool begun;
static bool forever;
static unsigned long fail_at;
/* The number of allocations so far, which a parent process may see. */
static unsigned long own_count;
static unsigned long *count = &own_count;

static bool
fails(void)
{
	if (!begun)
		return false;
	++*count;
	if (*count == fail_at || (forever && fail_at > 0 && *count > fail_at)) {
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

static int (*real_main)(int, char **, char **);

/* Prints the line of one child, and what the child printed. */
static void
show(unsigned long n, int status, int out, const char *text)
{
	static char said[65536];
	ssize_t len = pread(out, said, sizeof(said) - 1, 0);

	said[len > 0 ? len : 0] = '\0';
	printf("%lu %d %d\n", n, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
		strstr(said, text) != NULL);
	for (const char *line = said; *line;) {
		size_t length = strcspn(line, "\n");
		if (length > 0)
			printf("\t%.*s\n", (int)length, line);
		line += length + (line[length] == '\n');
	}
	fflush(stdout);
}

/* Ends at the first number that the program does not reach. */
static int
run_each(int argc, char **argv, char **env, const char *text)
{
	unsigned long *shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;

	if (shared == MAP_FAILED)
		return 2;
	for (unsigned long n = 0; n == 0 || *shared >= n - 1; n++) {
		int out = memfd_create("out", MFD_CLOEXEC);
		*shared = 0;
		pid_t child = fork();
		if (child == 0) {
			fail_at = n;
			count = shared;
			dup2(out, STDOUT_FILENO);
			dup2(out, STDERR_FILENO);
			begun = true;
			exit(real_main(argc, argv, env));
		}
		if (child < 0 || out < 0 || waitpid(child, &status, 0) < 0)
			return 2;
		show(n, status, out, text);
		close(out);
	}
	return 0;
}

/* The code that writes the coverage data may allocate. */
static void
end(void)
{
	begun = false;
}

static int
counted_main(int argc, char **argv, char **env)
{
	const char *at = getenv("FAIL_AT");
	const char *each = getenv("FAIL_EACH");

	forever = getenv("FAIL_ON") != NULL;
	if (each)
		return run_each(argc, argv, env, each);
	fail_at = at ? strtoul(at, NULL, 10) : 0;
	atexit(end);
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
