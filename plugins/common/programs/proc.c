#include "proc.h"

#include <stdlib.h>
#include <string.h>

/* The states that leave work to do, with the numbers of the kernel's include/net/tcp_states.h. */
enum { ESTABLISHED = 1, SYN_RECV = 3, FIN_WAIT1 = 4, CLOSE_WAIT = 8, LAST_ACK = 9, CLOSING = 11 };

static bool
has_work(unsigned long state)
{
	return state == ESTABLISHED || state == SYN_RECV || state == FIN_WAIT1 ||
		state == CLOSE_WAIT || state == LAST_ACK || state == CLOSING;
}

/* A line is "  0: LOCAL:PORT REMOTE:PORT STATE …", and its numbers are hexadecimal. */
bool
proc_is_busy(const char *line, unsigned long port)
{
	char *end = NULL;
	unsigned long here = 0;

	for (int colons = 0; colons < 3; colons++) {
		line = strchr(line, ':');
		if (!line)
			return false;
		line++;
		if (colons == 1)
			here = strtoul(line, &end, 16);
	}
	strtoul(line, &end, 16);
	if (*end != ' ')
		return false;
	unsigned long state = strtoul(end, &end, 16);
	return *end == ' ' && here == port && has_work(state);
}

/*
 * Returns the blank before word number to. blank is the one before word number from. Returns NULL
 * if the text has fewer words.
 */
static const char *
skip_words(const char *blank, int from, int to)
{
	for (; blank && from < to; from++)
		blank = strchr(blank + 1, ' ');
	return blank;
}

/* The text is "PID (NAME) STATE PPID …", and word 22 is when the process was started. */
bool
proc_is_old_worker(const char *text, unsigned long master, unsigned long long ticks)
{
	static const char nginx[] = "(nginx";
	const char *name = strchr(text, '('), *end = strrchr(text, ')');

	if (!name || !end || end - name != sizeof(nginx) - 1 ||
		strncmp(name, nginx, sizeof(nginx) - 1) != 0 || end[1] != ' ')
		return false;
	const char *parent = skip_words(end + 1, 3, 4), *start = skip_words(parent, 4, 22);
	return start && strtoul(parent + 1, NULL, 10) == master &&
		strtoull(start + 1, NULL, 10) <= ticks;
}
