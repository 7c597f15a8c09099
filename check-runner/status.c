#include "status.h"

#include "util.h"

const struct util_program util_program = { "check-runner: ", EXIT_INTERNAL };
