/*
 * with-env FILE PROGRAM [ARG…] - becomes PROGRAM, with the variables of FILE in its environment:
 * NAME=VALUE pairs, a NUL after each. PROGRAM is looked up in the PATH that results.
 *
 * It runs in containers that become images. What the engine is told of a container's environment
 * would stay in the image.
 *
 * Exit status: that of PROGRAM; 127 if there is no such program, 126 if it cannot be run; 1 and a
 * line on stderr if FILE cannot be read.
 */
#define _GNU_SOURCE 1

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process.h"
#include "util.h"

/* Returns the text of a file, with a NUL after it. */
static char *
read_text(const char *file, size_t *size)
{
	struct stat status;
	int fd = open_regular(file, 0, &status);
	size_t room = (size_t)status.st_size;
	char *text = xrealloc(NULL, room + 1, 1);
	ssize_t n = 1;

	for (*size = 0; n > 0 && *size < room; *size += (size_t)n) {
		n = read(fd, text + *size, room - *size);
		if (n == -1)
			fail(file);
	}
	text[*size] = '\0';
	close(fd);
	return text;
}

int
main(int argc, char **argv)
{
	size_t size;

	if (argc < 3)
		misuse("with-env FILE PROGRAM [ARG…]");
	char *text = read_text(argv[1], &size);
	for (char *pair = text; pair < text + size; pair += strlen(pair) + 1)
		if (strchr(pair, '=') != NULL && putenv(pair) != 0)
			fail("putenv");
	become(argv + 2);
}
