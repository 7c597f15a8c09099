#ifndef WEB_WORKER_H
#define WEB_WORKER_H

#include <signal.h>

#include "config.h"

/*
 * A process without a port: a line a second on stdout, until a signal of set (blocked by the
 * caller) or config->exit_after_ms ends it. Returns the exit status.
 */
int worker_run(const struct config *config, const sigset_t *set);

/* Wait for a signal of set for at most ms. Returns its number, or 0 when the time is over. */
int wait_signal(const sigset_t *set, uint64_t ms);

#endif
