#include "run.h"

#include <stdlib.h>
#include <string.h>

#define REFUSED_INTERVAL (20 * UTIL_MS)
#define REFUSED_PATIENCE (30 * UTIL_SECOND)
#define REFUSED_SLOWEST (250 * UTIL_MS)
#define WRONG_FIRST (50 * UTIL_MS)
#define WRONG_SLOWEST (1 * UTIL_SECOND)
/* A lost packet is sent again only after a second, so a new connection is tried sooner. */
#define PROBE_TIME (1 * UTIL_SECOND)
#define PROGRESS_INTERVAL (100 * UTIL_MS)

/* The state of one check. */
struct task {
	int64_t next; /* the next try is not before this time */
	int64_t until; /* of the running request */
	int64_t pause;
	unsigned answers; /* tries that got something of HTTP */
	bool mute; /* the last try got nothing */
	bool asking;
	bool over; /* the time is over, and it has not passed */
};

/* One request on its way. */
struct slot {
	bool cut_short; /* the deadline leaves it less than its timeout */
	struct judge judge;
	struct fetch_request request;
	struct fetch_response response;
	size_t check;
	bool busy;
};

struct runner {
	struct run *run;
	const struct run_world *world;
	struct task *task;
	struct slot slot[FETCH_SLOTS];
	int64_t timeout;
	int64_t hard; /* no request goes on after this; UTIL_NEVER without --deadline */
	int64_t soft; /* WAIT × ATTEMPTS */
	unsigned attempts;
	bool open; /* as far as we know, the port listens */
	bool probing;
	int64_t probe_until;
	bool hung; /* a try timed out after the soft deadline, so no more answers are expected */
	int64_t next_probe;
	int64_t probe_pause;
	int64_t next_progress;
	bool broken;
};

const char *
run_host(const struct options *options, const struct check *check)
{
	if (check->host)
		return check->host;
	return options->default_host ? options->default_host : options->target;
}

static int64_t
now(const struct runner *r)
{
	return r->world->now(r->world->context);
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static bool
has_passed(const struct runner *r, size_t i)
{
	return r->run->result[i].verdict == VERDICT_PASSED;
}

static bool
is_pending(const struct runner *r, size_t i)
{
	return !has_passed(r, i) && !r->task[i].over;
}

/* Whether there is nothing left to wait for. A check that only warns needs just one answer. */
static bool
is_finished(const struct runner *r)
{
	bool only_warnings = true;

	for (size_t i = 0; i < r->run->checks->nr; i++)
		if (!r->run->checks->item[i].warn && is_pending(r, i))
			only_warnings = false;
	if (!only_warnings)
		return false;
	for (size_t i = 0; i < r->run->checks->nr; i++)
		if (is_pending(r, i) && r->task[i].answers == 0)
			return false;
	return true;
}

/* Until when a check may be tried again, or its answer may arrive. */
static int64_t
patience(const struct runner *r, size_t i)
{
	const struct task *t = &r->task[i];

	if (r->hard != UTIL_NEVER)
		return r->hard;
	/* Slow answers do not lead to fewer tries than the file wants. */
	bool more = r->open && !r->hung && !t->mute && t->answers < r->attempts;
	return more ? UTIL_NEVER : r->soft;
}

static bool
is_https(const struct runner *r, const struct check *check)
{
	return check->scheme == CHECKS_HTTPS ||
		(check->scheme == CHECKS_PLAIN && r->run->options->tls);
}

static struct slot *
free_slot(struct runner *r)
{
	for (size_t i = 0; i < FETCH_SLOTS; i++)
		if (!r->slot[i].busy)
			return &r->slot[i];
	return NULL;
}

static void
ask(struct runner *r, size_t i, struct slot *s)
{
	const struct check *check = &r->run->checks->item[i];
	int64_t timeout = check->timeout > 0 ? check->timeout : r->timeout;
	int64_t until = earlier(now(r) + timeout, patience(r, i));

	s->cut_short = until < now(r) + timeout;
	s->check = i;
	s->response.owner = s;
	s->request = (struct fetch_request){
		.check = check,
		.host = run_host(r->run->options, check),
		.https = is_https(r, check),
		.until = until,
		.take = judge_take,
		.taker = &s->judge,
	};
	judge_start(&s->judge, check, &s->response, until);
	s->busy = true;
	r->task[i].asking = true;
	r->task[i].until = until;
	r->run->result[i].attempts++;
	if (r->world->ask(r->world->context, &s->request, &s->response) < 0)
		r->broken = true;
}

/* Starts the requests that are due, if there are slots. Returns when the next one is due. */
static int64_t
ask_due(struct runner *r)
{
	int64_t next = UTIL_NEVER;
	int64_t time = now(r);
	size_t waiting = 0;

	for (size_t i = 0; i < r->run->checks->nr && !r->broken; i++) {
		struct task *t = &r->task[i];
		if (!is_pending(r, i) || t->asking)
			continue;
		if (t->next > time) {
			next = earlier(next, t->next);
			continue;
		}
		struct slot *s = free_slot(r);
		if (s)
			ask(r, i, s);
		else
			waiting++;
	}
	r->world->expect(r->world->context, waiting);
	return next;
}

static int64_t
longer(int64_t pause, int64_t most)
{
	return earlier(pause + pause / 2, most);
}

/* No process listens. Only the port is probed, which costs little, until it does. */
static void
close_port(struct runner *r)
{
	int64_t time = now(r);

	if (time - r->run->started >= REFUSED_PATIENCE)
		r->probe_pause = longer(r->probe_pause, REFUSED_SLOWEST);
	r->open = false;
	r->next_probe = time + r->probe_pause;
}

/* The probe counts as a try of each check that waits for the port. */
static void
count_refusal(struct runner *r, enum fetch_end end)
{
	struct fetch_response refused = { .end = end };
	struct judge judge = { .response = &refused };

	for (size_t i = 0; i < r->run->checks->nr; i++) {
		if (!is_pending(r, i) || r->task[i].asking)
			continue;
		judge.check = &r->run->checks->item[i];
		judge_end(&judge, &r->run->result[i]);
		r->run->result[i].attempts++;
	}
}

/* A try that the deadline cut off says less than the try before it, so the older result stays. */
static void
judge_try(struct slot *s, struct result *result)
{
	struct result fresh = { .attempts = result->attempts };
	bool told = result->verdict != VERDICT_UNASKED && result->verdict != VERDICT_REFUSED &&
		result->verdict != VERDICT_UNREACHABLE;

	judge_end(&s->judge, &fresh);
	if (told && s->cut_short &&
		(fresh.verdict == VERDICT_TIMEOUT || fresh.verdict == VERDICT_COSTLY)) {
		result_release(&fresh);
		return;
	}
	result_release(result);
	*result = fresh;
}

static void
take_answer(struct runner *r, struct slot *s)
{
	struct task *t = &r->task[s->check];
	struct result *result = &r->run->result[s->check];
	bool reached = s->response.end != FETCH_REFUSED && s->response.end != FETCH_UNREACHABLE;
	bool answer = response_is_answer(&s->response);

	judge_try(s, result);
	s->busy = false;
	t->asking = false;
	int64_t time = now(r);
	result->decided = time - r->run->started;
	if (answer && r->run->ready < 0)
		r->run->ready = result->decided;
	t->answers += answer;
	t->mute = !answer;
	r->hung |= s->response.end == FETCH_TIMEOUT && time >= r->soft;
	if (!reached) {
		t->next = time;
		if (r->open)
			close_port(r);
		return;
	}
	t->next = time + t->pause;
	t->pause = longer(t->pause, WRONG_SLOWEST);
}

/* When to give a check up. A running request ends by its own timeout, unless libcurl loses it. */
static int64_t
limit_of(const struct runner *r, size_t i)
{
	int64_t limit = patience(r, i);

	if (r->task[i].asking)
		return r->task[i].until + UTIL_SECOND / 4;
	return r->probing && limit < r->probe_until ? r->probe_until : limit;
}

static void
end_late(struct runner *r)
{
	int64_t time = now(r);

	for (size_t i = 0; i < r->run->checks->nr; i++) {
		if (is_pending(r, i) && time >= limit_of(r, i)) {
			r->task[i].over = true;
			r->run->result[i].decided = time - r->run->started;
		}
	}
}

/* The next moment at which something has to be done without an event. */
static int64_t
next_moment(struct runner *r, int64_t next)
{
	for (size_t i = 0; i < r->run->checks->nr; i++)
		if (is_pending(r, i))
			next = earlier(next, limit_of(r, i));
	if (!r->open && !r->probing)
		next = earlier(next, r->next_probe);
	if (r->world->progress)
		next = earlier(next, r->next_progress);
	return next;
}

static void
show_progress(struct runner *r)
{
	if (!r->world->progress || now(r) < r->next_progress)
		return;
	r->next_progress = now(r) + PROGRESS_INTERVAL;
	r->world->progress(r->world->context, r->run);
}

static void
take_event(struct runner *r, enum fetch_event event, struct fetch_response *done)
{
	switch (event) {
	case FETCH_DONE:
		take_answer(r, done->owner);
		break;
	case FETCH_OPEN:
		r->probing = false;
		r->open = true;
		break;
	case FETCH_CLOSED:
	case FETCH_NO_ROUTE:
		r->probing = false;
		close_port(r);
		count_refusal(r, event == FETCH_CLOSED ? FETCH_REFUSED : FETCH_UNREACHABLE);
		break;
	case FETCH_BROKEN:
		r->broken = true;
		break;
	case FETCH_TIME:
	case FETCH_EXITED:
		break;
	}
}

/* One turn: start what is due, wait, handle the event. Returns false when the process is gone. */
static bool
turn(struct runner *r)
{
	struct fetch_response *done = NULL;
	int64_t next = UTIL_NEVER;

	if (r->open) {
		next = ask_due(r);
	} else if (!r->probing && now(r) >= r->next_probe) {
		r->probing = true;
		r->probe_until = earlier(now(r) + PROBE_TIME, r->hard);
		r->world->probe(r->world->context, r->probe_until);
	}
	if (r->broken)
		return true;
	next = next_moment(r, next);
	enum fetch_event event = r->world->wait(r->world->context, next, &done);
	take_event(r, event, done);
	end_late(r);
	show_progress(r);
	return event != FETCH_EXITED;
}

static enum exit_status
exit_of(const struct runner *r)
{
	bool answered = r->run->ready >= 0;

	for (size_t i = 0; i < r->run->checks->nr; i++)
		if (r->run->result[i].verdict == VERDICT_INTERNAL)
			return EXIT_INTERNAL;
	for (size_t i = 0; i < r->run->checks->nr; i++) {
		if (has_passed(r, i))
			continue;
		if (!answered)
			return EXIT_NEVER_ANSWERED;
		if (!r->run->checks->item[i].warn)
			return EXIT_FAIL;
	}
	return EXIT_PASS;
}

/*
 * Returns WAIT and sets *attempts to ATTEMPTS. The settings of the file take precedence over the
 * options.
 */
static int64_t
wait_of(const struct options *o, const struct checks_settings *set, unsigned *attempts)
{
	long nr = set->attempts >= 0 ? set->attempts : o->attempts;

	*attempts = nr > 0 ? (unsigned)nr : 1;
	return set->wait >= 0 ? set->wait : o->wait;
}

int64_t
run_limit(const struct options *options, const struct checks *checks)
{
	unsigned attempts;
	int64_t wait = wait_of(options, &checks->set, &attempts);

	return options->deadline > 0 ? options->deadline : wait * (int64_t)attempts;
}

int64_t
run_timeout(const struct options *options, const struct checks *checks)
{
	return checks->set.timeout > 0 ? checks->set.timeout : options->timeout;
}

int64_t
run_longest(const struct options *options, const struct checks *checks)
{
	int64_t timeout = run_timeout(options, checks);
	int64_t turns = (int64_t)((checks->nr + FETCH_SLOTS - 1) / FETCH_SLOTS);
	unsigned attempts;

	if (options->deadline > 0)
		return options->deadline;
	wait_of(options, &checks->set, &attempts);
	for (size_t i = 0; i < checks->nr; i++)
		if (timeout < checks->item[i].timeout)
			timeout = checks->item[i].timeout;
	return run_limit(options, checks) + (int64_t)attempts * (timeout + WRONG_SLOWEST) * turns;
}

static void
set_times(struct runner *r)
{
	const struct options *o = r->run->options;
	const struct checks_settings *set = &r->run->checks->set;
	int64_t wait = wait_of(o, set, &r->attempts);

	r->timeout = run_timeout(o, r->run->checks);
	r->run->started = now(r);
	r->soft = r->run->started + wait * (int64_t)r->attempts;
	r->hard = o->deadline > 0 ? r->run->started + o->deadline : UTIL_NEVER;
	r->run->until = o->deadline > 0 ? r->hard : r->soft;
	r->next_progress = r->run->started + PROGRESS_INTERVAL;
	r->probe_pause = REFUSED_INTERVAL;
	for (size_t i = 0; i < r->run->checks->nr; i++)
		r->task[i] = (struct task){ .next = r->run->started, .pause = WRONG_FIRST };
}

enum exit_status
run_checks(struct run *run, const struct options *options, const struct checks *checks,
	const struct run_world *world)
{
	struct runner r = { .run = run, .world = world };
	bool alive = true;

	*run = (struct run){ .options = options, .checks = checks, .ready = -1 };
	run->result = xrealloc(NULL, checks->nr, sizeof(run->result[0]));
	memset(run->result, 0, checks->nr * sizeof(run->result[0]));
	r.task = xrealloc(NULL, checks->nr, sizeof(r.task[0]));
	set_times(&r);
	while (alive && !r.broken && !is_finished(&r))
		alive = turn(&r);
	if (r.broken)
		run->exit = EXIT_INTERNAL;
	else if (!alive || !world->alive(world->context))
		run->exit = EXIT_PROCESS_GONE;
	else
		run->exit = exit_of(&r);
	run->duration = now(&r) - run->started;
	world->stop(world->context);
	for (size_t i = 0; i < FETCH_SLOTS; i++) {
		judge_release(&r.slot[i].judge);
		fetch_response_release(&r.slot[i].response);
	}
	free(r.task);
	return run->exit;
}

void
run_release(struct run *run)
{
	for (size_t i = 0; i < run->checks->nr; i++)
		result_release(&run->result[i]);
	free(run->result);
	run->result = NULL;
}
