/*
 * unblock [ROOT]… - lets the Docker engine go on that waits for a writer of a named pipe.
 *
 * The engine opens /etc/passwd and /etc/group of a container before it starts it. An app can put a
 * named pipe there. Then the engine waits for ever, with the container locked; when it does so at
 * its own start, after a boot, it never answers anybody. This program opens such a pipe for
 * writing, and closes it: the engine reads an empty file.
 *
 * ROOT is the root folder of a container. A path is looked up in it as its processes would, and
 * nothing but a named pipe is opened. Without ROOT this looks at all overlay mounts of the host
 * every two seconds, until it is ended or its own file is replaced.
 *
 * Exit status: 0.
 */
#define _GNU_SOURCE 1

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { EVERY_S = 2, NAME_SIZE = 64 };

static const char *const FILES[] = { "etc/passwd", "etc/group" };

/* Opens file below root as a process with that root would. Without rights to read or write. */
static int
look_up(int root, const char *file)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };

	return (int)syscall(SYS_openat2, root, file, &how, sizeof(how));
}

/* Opens and closes a pipe for which somebody waits. */
static void
write_nothing(int file)
{
	char name[NAME_SIZE];
	struct stat status;

	if (fstat(file, &status) != 0 || !S_ISFIFO(status.st_mode))
		return;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
	/* Fails if nobody waits. */
	int pipe = open(name, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (pipe != -1)
		close(pipe);
}

static void
look_at(const char *path)
{
	int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; root != -1 && i < sizeof(FILES) / sizeof(*FILES); i++) {
		int file = look_up(root, FILES[i]);

		if (file != -1) {
			write_nothing(file);
			close(file);
		}
	}
	if (root != -1)
		close(root);
}

/*
 * Looks at the mount that a line of mountinfo describes, if it is an overlay. The fifth word is its
 * place; the type comes after a hyphen.
 */
static void
look_at_mount(char *line)
{
	char *rest = line, *word = NULL;

	if (!strstr(line, " - overlay "))
		return;
	for (int i = 0; i < 5; i++)
		word = strsep(&rest, " ");
	/* A place with a blank, which is written as \040, is none of the engine's. */
	if (word && rest && strcmp(word, "/") != 0)
		look_at(word);
}

static void
look_at_all(void)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;

	while (mounts && getline(&line, &size, mounts) != -1)
		look_at_mount(line);
	free(line);
	if (mounts)
		fclose(mounts);
}

/* Whether this program was installed again, or removed. */
static bool
is_replaced(void)
{
	static const char mark[] = " (deleted)";
	char path[PATH_MAX + sizeof(mark)];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	path[n < 0 ? 0 : n] = '\0';
	return strstr(path, mark) != NULL;
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		look_at(argv[i]);
	while (argc == 1 && !is_replaced()) {
		look_at_all();
		sleep(EVERY_S);
	}
	return 0;
}
