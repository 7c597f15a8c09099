/*
 * alive PID… - exits with 0 if all these processes exist, whatever user they belong to, and with 1
 * if one does not. Bash cannot tell, because /proc may hide the processes of other users (hidepid)
 * and its `kill -0` fails for them.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "process.h"
#include "util.h"

static bool
is_alive(const char *text)
{
	unsigned long pid;

	if (!parse_unsigned(text, strlen(text), INT_MAX, &pid) || pid == 0)
		misuse("alive PID…");
	return kill((pid_t)pid, 0) == 0 || errno == EPERM;
}

int
main(int argc, char **argv)
{
	if (argc < 2)
		misuse("alive PID…");
	for (int i = 1; i < argc; i++) {
		if (!is_alive(argv[i]))
			return 1;
	}
	return 0;
}
