/* Which connections wait for an address that is held. */
#include "held.h"

#include "test.h"

static const struct {
	uint32_t ms_left;
	bool want;
} table[] = {
	/* The first packet has just been sent, or sent again. */
	{ 1000, false },
	{ 981, false },
	{ 2000, false },
	{ 3990, false },
	{ 64000, false },
	/* It was sent a while ago. */
	{ 980, true },
	{ 20, true },
	{ 1001, true },
	{ 1980, true },
	{ 40000, true },
	/* It is about to be sent again. */
	{ 19, false },
	{ 0, false },
};

int
main(void)
{
	for (size_t i = 0; i < TEST_COUNT(table); i++) {
		char text[16];

		snprintf(text, sizeof(text), "%u", (unsigned)table[i].ms_left);
		ROW_INT(held_is_waiting(table[i].ms_left), table[i].want, text);
	}
	return test_end("held_test");
}
