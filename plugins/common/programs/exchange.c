/* exchange ONE OTHER - two files or folders swap their names at once, so that neither is away for a moment, which two renames
 * would be. mv has no such option before coreutils 9.5. Only make install runs it; it is not installed. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
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
