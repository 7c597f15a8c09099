/*
 * Preloaded: the allocation number FAIL_AT after main has begun fails, and with FAIL_ON set all
 * after it as well. Every malloc, calloc and realloc of the process counts, the libraries'
 * included. With FAIL_EACH instead, main runs once for every number that it reaches, each time
 * in a child: stdout gets a line "NUMBER STATUS SAID", SAID being 1 if what the child printed has
 * the text of FAIL_EACH in it, and below it, indented, what that was. Number 0 fails nothing.
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
/* Of the process, which a parent may see. */
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

/* What a child printed, and whether it is what was to be printed. */
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

/* A number that is not reached is the end. */
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

/* What writes the coverage down has its memory. */
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
