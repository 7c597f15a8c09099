/*
 * exchange ONE OTHER - lets two files or folders swap their names at once, so that neither name is
 * missing for a moment, as it would be with two renames. mv can do that from coreutils 9.5 on.
 *
 * Exit status: 0; 1 and a line on stderr if they cannot be swapped; 100 for misuse.
 */
#define _GNU_SOURCE 1

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

int
main(int argc, char **argv)
{
	if (argc != 3) {
		fputs("usage: exchange ONE OTHER\n", stderr);
		return 100;
	}
	if (renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE) == 0)
		return 0;
	fprintf(stderr, "exchange: %s and %s: %s\n", argv[1], argv[2], strerror(errno));
	return 1;
}
