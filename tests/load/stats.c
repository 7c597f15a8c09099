#include "stats.h"

#include <stddef.h>

#include "util.h"

const char *const failure_names[FAILURE_COUNT] = {
	[FAILURE_REFUSED] = "refused",
	[FAILURE_CONNECT_TIMEOUT] = "connect_timeout",
	[FAILURE_CONNECT_ERROR] = "connect_error",
	[FAILURE_TLS] = "tls",
	[FAILURE_RESET_FRESH] = "reset_fresh",
	[FAILURE_RESET_REUSED] = "reset_reused",
	[FAILURE_TRUNCATED] = "truncated",
	[FAILURE_MALFORMED] = "malformed",
	[FAILURE_TIMEOUT] = "timeout",
	[FAILURE_STATUS_4XX] = "status_4xx",
	[FAILURE_STATUS_5XX] = "status_5xx",
	[FAILURE_WRONG_APP] = "wrong_app",
	[FAILURE_WRONG_BODY] = "wrong_body",
	[FAILURE_STALE] = "stale",
	[FAILURE_FORBIDDEN] = "forbidden",
};

/* Exact up to HISTOGRAM_STEPS, then as many equal steps in every doubling. */
static size_t
slot_of(uint64_t us)
{
	size_t doublings = 0;

	while (us >> doublings >= 2 * HISTOGRAM_STEPS)
		doublings++;
	size_t slot = doublings * HISTOGRAM_STEPS + (size_t)(us >> doublings);
	return slot < HISTOGRAM_SIZE ? slot : HISTOGRAM_SIZE - 1;
}

/* The largest value that falls into a slot. */
static uint64_t
top_of(size_t slot)
{
	if (slot < 2 * HISTOGRAM_STEPS)
		return slot;
	size_t doublings = slot / HISTOGRAM_STEPS - 1;
	return ((uint64_t)(slot - doublings * HISTOGRAM_STEPS + 1) << doublings) - 1;
}

uint64_t
histogram_at(const struct histogram *h, double part)
{
	uint64_t below = 0;
	uint64_t rank = (uint64_t)(part * (double)h->total + 0.999999);

	for (size_t i = 0; i < HISTOGRAM_SIZE; i++) {
		below += h->count[i];
		if (below >= rank && below > 0)
			return top_of(i) < h->max ? top_of(i) : h->max;
	}
	return h->max;
}

static void
note_gap(struct stats *s, uint64_t now)
{
	if (!s->ended && now > s->last_ok && now - s->last_ok > s->longest_gap) {
		s->longest_gap = now - s->last_ok;
		s->gap_wall_ms = (wall_us() - s->longest_gap) / 1000;
	}
}

void
stats_begin(struct stats *s, uint64_t now)
{
	*s = (struct stats){ .last_ok = now };
}

void
stats_ok(struct stats *s, uint64_t now, uint64_t latency_us)
{
	s->ok++;
	note_gap(s, now);
	s->last_ok = now;
	s->latency.count[slot_of(latency_us)]++;
	s->latency.total++;
	if (latency_us > s->latency.max)
		s->latency.max = latency_us;
}

void
stats_fail(struct stats *s, enum failure failure, unsigned status)
{
	s->failed++;
	s->failure[failure]++;
	if ((failure == FAILURE_STATUS_4XX || failure == FAILURE_STATUS_5XX) &&
		status < STATUS_COUNT)
		s->status[status]++;
}

void
stats_retract(struct stats *s)
{
	s->ok--;
	stats_fail(s, FAILURE_STALE, 0);
}

void
stats_end(struct stats *s, uint64_t now)
{
	note_gap(s, now);
	s->ended = true;
}

void
stats_add(struct stats *a, const struct stats *b)
{
	a->ok += b->ok;
	a->failed += b->failed;
	for (size_t i = 0; i < FAILURE_COUNT; i++)
		a->failure[i] += b->failure[i];
	for (size_t i = 0; i < STATUS_COUNT; i++)
		a->status[i] += b->status[i];
	a->opened += b->opened;
	a->closed_idle += b->closed_idle;
	a->closed_announced += b->closed_announced;
	a->closed_midway += b->closed_midway;
	a->closed_politely += b->closed_politely;
	a->first_connections += b->first_connections;
	a->kept += b->kept;
	a->handshakes += b->handshakes;
	a->resumed += b->resumed;
	for (size_t i = 0; i < HISTOGRAM_SIZE; i++)
		a->latency.count[i] += b->latency.count[i];
	a->latency.total += b->latency.total;
	if (b->latency.max > a->latency.max)
		a->latency.max = b->latency.max;
}
