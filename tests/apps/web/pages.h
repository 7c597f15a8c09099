#ifndef WEB_PAGES_H
#define WEB_PAGES_H

#include "config.h"
#include "http.h"

/* Answer one request. ready_at is the time (now_ms) before which every answer is 503. */
void pages_answer(
	struct conn *c, struct request *r, const struct config *config, uint64_t ready_at);

#endif
