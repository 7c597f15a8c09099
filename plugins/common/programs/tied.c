/*
 * tied COMMAND [ARG…] - becomes COMMAND, which the kernel kills (SIGKILL) when our parent ends.
 *
 * Exit status: that of COMMAND; 127 if there is no such program, 126 if it cannot be run.
 */
#include <unistd.h>

#include "process.h"

int
main(int argc, char **argv)
{
	if (argc < 2)
		misuse("tied COMMAND [ARG…]");
	die_with(getppid());
	become(argv + 1);
}
