/*
 * write-file FILE [MODE [sync]] - replaces FILE by what stdin has, atomically: readers see the old
 * content or the new one. The new content is on the disk before the rename. With "sync" the
 * rename is on the disk, too, when this program ends. MODE is octal and is 644 by default.
 *
 * Exit status: 0, or 1 and a line on stderr; then FILE is unchanged.
 *
 * The program dies with its parent: after a caller is killed, another process may hold the lock
 * that protects FILE, and nothing may change FILE behind its back.
 */
#define _GNU_SOURCE 1

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process.h"
#include "util.h"

static const char USAGE[] = "write-file FILE [MODE [sync]]";

/* The temporary file, or NULL. give_up removes it. */
static char *unfinished;

static _Noreturn void
give_up(const char *file)
{
	int reason = errno;

	if (unfinished)
		unlink(unfinished);
	die(1, "%s cannot be written: %s: it is as it was", file, strerror(reason));
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

/*
 * Writes the folder of path to the disk. path is cut off after the folder. Some file systems cannot
 * sync a folder, and FILE has its new content in any case, so an error is ignored.
 */
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

/* FILE.tmp.PID.XXXXXX, in FILE's folder. sweep_temp in common removes what a killed one leaves. */
static int
open_temporary(const char *file)
{
	size_t size = strlen(file) + sizeof(".tmp.2147483647.XXXXXX");
	char *name = xrealloc(NULL, size, 1);

	snprintf(name, size, "%s.tmp.%ld.XXXXXX", file, (long)getpid());
	int fd = mkstemp(name);
	if (fd == -1)
		give_up(file);
	unfinished = name;
	return fd;
}

static mode_t
parse_mode(const char *text)
{
	char *end;
	unsigned long mode = strtoul(text, &end, 8);

	if (*end != '\0' || end == text || mode > 0777)
		misuse(USAGE);
	return (mode_t)mode;
}

int
main(int argc, char **argv)
{
	if (argc < 2 || argc > 4 || (argc == 4 && strcmp(argv[3], "sync") != 0))
		misuse(USAGE);
	const char *file = argv[1];
	mode_t mode = parse_mode(argc > 2 ? argv[2] : "644");

	die_with(getppid());
	int fd = open_temporary(file);
	copy_stdin(fd, file);
	if (fchmod(fd, mode) == -1 || fsync(fd) == -1 || close(fd) == -1 ||
		rename(unfinished, file) == -1)
		give_up(file);
	if (argc == 4)
		sync_folder(unfinished);
	free(unfinished);
	return 0;
}
