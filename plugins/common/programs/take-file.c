/*
 * take-file DIR FILE MAX - prints DIR/FILE. If this program runs as root, it reads the file as the
 * user who owns DIR. It reads regular files only, follows no link, and prints at most MAX bytes.
 *
 * Exit status: 0, or 1 and a line on stderr. If the file is larger than MAX, the first MAX bytes
 * or fewer may have been printed.
 */
#define _GNU_SOURCE 1

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process.h"
#include "util.h"

/* Gives up root for the owner of dir, unless that is root. */
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

/* The bytes are counted here because a file can grow while it is read. */
static void
print_file(int fd, const char *path, unsigned long max)
{
	static char buffer[65536];
	unsigned long total = 0;
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
		total += (unsigned long)n;
		if (total > max)
			die(1, "%s is larger than %lu bytes: it is not read", path, max);
		if (fwrite(buffer, 1, (size_t)n, stdout) != (size_t)n)
			fail("stdout");
	}
	if (n == -1)
		fail(path);
}

int
main(int argc, char **argv)
{
	char path[PATH_MAX];
	struct stat status;
	unsigned long max;

	if (argc != 4 || !parse_unsigned(argv[3], strlen(argv[3]), LONG_MAX, &max))
		misuse("take-file DIR FILE MAX");
	if (snprintf(path, sizeof(path), "%s/%s", argv[1], argv[2]) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		fail(argv[1]);
	}
	become_owner(argv[1]);
	print_file(open_regular(path, O_NOFOLLOW, &status), path, max);
	return fflush(stdout) == EOF;
}
