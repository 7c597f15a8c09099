#include "releases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "stats.h"
#include "util.h"

enum { SILENCE_US = 1000000 };

struct answer {
	uint64_t sent_wall_ms;
	size_t release;
	struct stats *stats; /* NULL: judged already */
};

void
releases_release(struct releases *r)
{
	free(r->release);
	free(r->answer);
	*r = (struct releases){ 0 };
}

static size_t
release_find(struct releases *r, const char *name)
{
	if (r->nr > 0 && strncmp(r->release[r->last].name, name, RELEASE_NAME - 1) == 0)
		return r->last;
	/* Searches from the end, because the newest releases answer most. */
	for (size_t i = r->nr; i-- > 0;)
		if (strncmp(r->release[i].name, name, RELEASE_NAME - 1) == 0)
			return i;
	if ((r->nr & (r->nr - 1)) == 0)
		r->release =
			xrealloc(r->release, (r->nr == 0 ? 1 : 2 * r->nr) * sizeof(r->release[0]));
	struct release *new = &r->release[r->nr];
	*new = (struct release){ .order = ++r->newest };
	snprintf(new->name, sizeof(new->name), "%.*s", RELEASE_NAME - 1, name);
	return r->nr++;
}

void
releases_forbid(struct releases *r, const char *name)
{
	size_t i = release_find(r, name);

	r->release[i].forbidden = true;
}

static void
log_release(const struct releases *r, const struct release *release)
{
	FILE *f = r->log == NULL ? NULL : fopen(r->log, "a");

	if (f == NULL)
		return;
	fprintf(f, "%llu %s %s\n", (unsigned long long)release->last_wall_ms, r->label,
		release->name);
	fclose(f);
}

static void
note_answer(struct releases *r, struct release *release, uint64_t now)
{
	bool speaks_up = release->answers == 0 || now - release->last_us > SILENCE_US;

	release->answers++;
	release->last_us = now;
	release->last_wall_ms = wall_us() / 1000;
	if (release->answers == 1) {
		release->first_us = now;
		release->first_wall_ms = release->last_wall_ms;
	}
	if (speaks_up)
		log_release(r, release);
}

enum verdict
releases_answer(struct releases *r, const char *name, uint64_t sent_wall_us, uint64_t now,
	struct stats *stats)
{
	size_t i = release_find(r, name);
	uint64_t sent_ms = sent_wall_us / 1000;

	r->last = i;
	note_answer(r, &r->release[i], now);
	if (r->release[i].forbidden)
		return VERDICT_FORBIDDEN;
	if (sent_ms > r->mark_ms && r->release[i].order < r->mark_order)
		return VERDICT_STALE;
	if (r->mark_file != NULL) {
		if (r->answer == NULL)
			r->answer = xcalloc(ANSWERS_KEPT, sizeof(r->answer[0]));
		r->answer[r->answers++ % ANSWERS_KEPT] = (struct answer){ sent_ms, i, stats };
	}
	return VERDICT_FINE;
}

/* Judge the remembered answers by the mark that has just been read. */
static void
judge_again(struct releases *r)
{
	uint64_t kept = r->answers < ANSWERS_KEPT ? r->answers : ANSWERS_KEPT;
	bool covered = r->answers <= ANSWERS_KEPT;

	for (uint64_t i = 0; i < kept; i++) {
		struct answer *a = &r->answer[i];
		if (a->sent_wall_ms <= r->mark_ms) {
			covered = true;
			continue;
		}
		if (a->stats != NULL && r->release[a->release].order < r->mark_order) {
			stats_retract(a->stats);
			a->stats = NULL;
		}
	}
	if (!covered)
		r->late_marks++;
}

static void
mark_success(struct releases *r, const char *name, uint64_t ms)
{
	size_t i = release_find(r, name);
	struct release *release = &r->release[i];

	/* A release that returns without an announcement is the newest again. */
	if (release->marked && release->order < r->mark_order)
		release->order = ++r->newest;
	release->marked = true;
	r->marks++;
	r->mark_ms = ms;
	r->mark_order = release->order;
	judge_again(r);
}

static bool
apply_mark(struct releases *r, char *line)
{
	char *name = strchr(line, ' ');
	uint64_t ms;

	if (name == NULL)
		return false;
	*name++ = '\0';
	char sign = *name == '+' || *name == '!' ? *name++ : ' ';
	if (!parse_unsigned(line, UINT64_MAX / 1000, &ms) || *name == '\0')
		return false;
	if (sign == '!') {
		releases_forbid(r, name);
	} else if (sign == '+') {
		size_t i = release_find(r, name);
		if (r->release[i].order < r->newest)
			r->release[i].order = ++r->newest;
	} else {
		mark_success(r, name, ms);
	}
	return true;
}

unsigned
releases_read_marks(struct releases *r)
{
	char line[256];
	unsigned nr = 0;
	unsigned wrong = 0;
	FILE *f = r->mark_file == NULL ? NULL : fopen(r->mark_file, "r");

	if (f == NULL)
		return 0;
	if (fseek(f, r->mark_offset, SEEK_SET) == 0) {
		while (fgets(line, sizeof(line), f) != NULL) {
			size_t n = strlen(line);
			/* A line without a newline is still being written, so it waits. */
			if (line[n - 1] != '\n')
				break;
			line[n - 1] = '\0';
			r->mark_offset += (long)n;
			nr++;
			if (n > 1 && !apply_mark(r, line) && wrong == 0)
				wrong = nr;
		}
	}
	fclose(f);
	return wrong;
}
