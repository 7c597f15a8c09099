/* What a fuzz target wants to be true. libFuzzer keeps the input of a process that aborts. */
#ifndef FUZZ_REQUIRE_H
#define FUZZ_REQUIRE_H

#include <stdbool.h>
#include <stdlib.h>

static inline void
require(bool condition)
{
	if (!condition)
		abort();
}

#endif
