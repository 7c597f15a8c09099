/* Lines of /proc/net/tcp and texts of /proc/PID/stat. */
#include "proc.h"

#include <stdio.h>

#include "test.h"

/* Port 5000 is 1388. */
static const struct {
	const char *line;
	bool busy;
} lines[] = {
	{ "   0: 0100007F:1388 0200007F:C350 01 00000000:00000000 00:00000000", true },
	{ "   0: 0100007F:1388 0200007F:C350 03 00000000", true },
	{ "   0: 0100007F:1388 0200007F:C350 04 00000000", true },
	{ "   0: 0100007F:1388 0200007F:C350 08 00000000", true },
	{ "   0: 0100007F:1388 0200007F:C350 09 00000000", true },
	{ "   0: 0100007F:1388 0200007F:C350 0B 00000000", true },
	/* SYN_SENT, FIN_WAIT2, TIME_WAIT, CLOSE, LISTEN. */
	{ "   0: 0100007F:1388 0200007F:C350 02 00000000", false },
	{ "   0: 0100007F:1388 0200007F:C350 05 00000000", false },
	{ "   0: 0100007F:1388 0200007F:C350 06 00000000", false },
	{ "   0: 0100007F:1388 0200007F:C350 07 00000000", false },
	{ "   0: 00000000:1388 00000000:0000 0A 00000000", false },
	/* Another port here, or ours on the other side. */
	{ "   0: 0100007F:1389 0200007F:C350 01 00000000", false },
	{ "   0: 0100007F:C350 0200007F:1388 01 00000000", false },
	/* tcp6. */
	{ "  12: 0000000000000000FFFF00000100007F:1388 0000000000000000FFFF00000200007F:C350 01 0",
		true },
	{ "  sl  local_address rem_address   st tx_queue rx_queue", false },
	{ "", false },
	{ ":::", false },
	{ "0: A:1388 B:C350 01", false },
	{ "0: A:1388 B:C350", false },
};

static void
connections(void)
{
	for (size_t i = 0; i < TEST_COUNT(lines); i++)
		ROW_INT(proc_is_busy(lines[i].line, 5000), lines[i].busy, lines[i].line);
}

/* Words 5 to 21, which do not matter. */
#define REST " 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 "

static const struct {
	const char *text;
	bool old;
} stats[] = {
	{ "77 (nginx) S 10" REST "900 23", true },
	{ "77 (nginx) S 10" REST "1000 23", true },
	{ "77 (nginx) S 10" REST "1001 23", false },
	{ "77 (nginx) S 11" REST "900 23", false },
	{ "77 (nginxx) S 10" REST "900 23", false },
	{ "77 (ngin) S 10" REST "900 23", false },
	/* A name can hold what looks like the words after it. */
	{ "77 (nginx) S 10" REST "900) S 1" REST "900", false },
	{ "77 (nginx) S 10 5 6", false },
	{ "77 (nginx)", false },
	{ "77 nginx S 10" REST "900", false },
	{ ")(", false },
	{ "", false },
};

static void
workers(void)
{
	for (size_t i = 0; i < TEST_COUNT(stats); i++)
		ROW_INT(proc_is_old_worker(stats[i].text, 10, 1000), stats[i].old, stats[i].text);
}

int
main(void)
{
	connections();
	workers();
	return test_end("proc_test");
}
