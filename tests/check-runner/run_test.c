#include "run.h"

#include <stdlib.h>

#include "test.h"

/*
 * A world without a network. Time passes only in wait, and a script has the answer to each request.
 * Minutes of tries take no time.
 */
struct answer {
	const char *path;
	int64_t from; /* from when this answer is given; the last one that fits counts */
	enum fetch_end end;
	int status;
	const char *body;
	int64_t takes;
};

struct fake {
	const struct answer *answer;
	size_t nr;
	int64_t now;
	int64_t listens; /* since when the port listens; UTIL_NEVER: never */
	int64_t exits; /* when the process ends; UTIL_NEVER: never */
	int64_t probe_at;
	bool probing;
	unsigned probes;
	struct flight {
		const struct fetch_request *request;
		struct fetch_request copy;
		struct fetch_response *response;
		int64_t at;
		bool times_out;
	} flight[FETCH_SLOTS];
	size_t most_in_flight;
	int64_t asked[2000];
	const char *asked_path[2000];
	size_t nr_asked;
	bool refuse_to_ask;
	bool broken;
	bool dead_at_end;
	unsigned progress;
	size_t most_expected;
	size_t expected;
};

static int64_t
fake_now(void *context)
{
	const struct fake *f = context;

	return f->now;
}

static const struct answer *
find_answer(const struct fake *f, const char *path)
{
	const struct answer *found = NULL;

	for (size_t i = 0; i < f->nr; i++)
		if (strcmp(f->answer[i].path, path) == 0 && f->answer[i].from <= f->now)
			found = &f->answer[i];
	return found;
}

static int
fake_ask(void *context, const struct fetch_request *request, struct fetch_response *response)
{
	struct fake *f = context;
	size_t used = 0;
	struct flight *flight = NULL;

	if (f->refuse_to_ask)
		return -1;
	for (size_t i = 0; i < FETCH_SLOTS; i++) {
		used += f->flight[i].response != NULL;
		if (!f->flight[i].response)
			flight = &f->flight[i];
	}
	IS(flight != NULL);
	f->most_in_flight = used + 1 > f->most_in_flight ? used + 1 : f->most_in_flight;
	const struct answer *a = find_answer(f, request->check->path);
	IS(a != NULL);
	int64_t takes = a && a->takes > 0 ? a->takes : 100;
	*flight = (struct flight){ .copy = *request, .response = response };
	flight->times_out = f->now + takes > request->until;
	flight->at = flight->times_out ? request->until : f->now + takes;
	f->asked[f->nr_asked] = f->now;
	f->asked_path[f->nr_asked++] = request->check->path;
	return 0;
}

static void
fake_expect(void *context, size_t requests)
{
	struct fake *f = context;

	f->expected = requests;
	if (requests > f->most_expected)
		f->most_expected = requests;
}

static void
fake_probe(void *context, int64_t until)
{
	struct fake *f = context;

	(void)until;
	IS(!f->probing);
	f->probing = true;
	f->probe_at = f->now + 10;
	f->probes++;
}

static void
land(struct fake *f, struct flight *flight)
{
	struct fetch_response *r = flight->response;
	const struct answer *a = find_answer(f, flight->copy.check->path);
	bool listens = f->now >= f->listens;

	r->bytes = 0;
	r->end = !listens ? FETCH_REFUSED : flight->times_out ? FETCH_TIMEOUT : a->end;
	r->status = r->end == FETCH_ANSWERED ? a->status : 0;
	r->redirects = 0;
	if (r->end == FETCH_ANSWERED && a->body) {
		r->bytes = strlen(a->body);
		(void)flight->copy.take(flight->copy.taker, a->body, strlen(a->body));
	}
	flight->response = NULL;
}

static enum fetch_event
fake_wait(void *context, int64_t until, struct fetch_response **done)
{
	struct fake *f = context;
	struct flight *first = NULL;

	if (f->broken)
		return FETCH_BROKEN;
	for (size_t i = 0; i < FETCH_SLOTS; i++)
		if (f->flight[i].response && (!first || f->flight[i].at < first->at))
			first = &f->flight[i];
	int64_t next = until;
	if (first && first->at < next)
		next = first->at;
	if (f->probing && f->probe_at < next)
		next = f->probe_at;
	if (f->exits <= next) {
		f->now = f->exits > f->now ? f->exits : f->now;
		return FETCH_EXITED;
	}
	IS(next < UTIL_NEVER);
	f->now = next > f->now ? next : f->now;
	if (f->probing && f->probe_at <= f->now) {
		f->probing = false;
		return f->now >= f->listens ? FETCH_OPEN : FETCH_CLOSED;
	}
	if (first && first->at <= f->now) {
		*done = first->response;
		land(f, first);
		return FETCH_DONE;
	}
	return FETCH_TIME;
}

static bool
fake_alive(void *context)
{
	const struct fake *f = context;

	return f->now < f->exits && !f->dead_at_end;
}

static void
fake_stop(void *context)
{
	(void)context;
}

static void
fake_progress(void *context, const struct run *run)
{
	struct fake *f = context;

	IS(run->ready < 0);
	f->progress++;
}

/* Returns text and below it so many lines with a check of "/". */
static void
add_lines(char *text, size_t size, int count)
{
	size_t len = strlen(text);

	for (int i = 0; i < count && len + 3 < size; i++, len += 2)
		memcpy(text + len, "/\n", 3);
}

struct scene {
	struct fake fake;
	struct options options;
	struct checks checks;
	struct run run;
	struct run_world world;
};

static void
set_scene(struct scene *s, const char *text, const struct answer *answer, size_t nr)
{
	struct vars vars = { 0 };

	memset(s, 0, sizeof(*s));
	s->fake.answer = answer;
	s->fake.nr = nr;
	s->fake.exits = UTIL_NEVER;
	s->options = (struct options){ .target = "10.0.0.1:5000",
		.wait = 5 * UTIL_SECOND,
		.timeout = 30 * UTIL_SECOND,
		.attempts = 5 };
	s->world = (struct run_world){ .context = &s->fake,
		.now = fake_now,
		.ask = fake_ask,
		.expect = fake_expect,
		.probe = fake_probe,
		.wait = fake_wait,
		.alive = fake_alive,
		.stop = fake_stop };
	INT(checks_parse(&s->checks, text, strlen(text), &vars), 0);
}

static enum exit_status
play(struct scene *s)
{
	return run_checks(&s->run, &s->options, &s->checks, &s->world);
}

static void
end_scene(struct scene *s)
{
	run_release(&s->run);
	checks_clear(&s->checks);
}

static void
first_try_is_immediate(void)
{
	static const struct answer good[] = { { "/", 0, FETCH_ANSWERED, 200, "My App", 0 } };
	struct scene s;

	set_scene(&s, "/ My App\n", good, 1);
	INT(play(&s), EXIT_PASS);
	IS(s.run.duration < UTIL_MS);
	INT(s.run.result[0].attempts, 1);
	INT(s.fake.nr_asked, 1);
	end_scene(&s);
}

static void
refused_port_is_asked_every_20_ms(void)
{
	static const struct answer good[] = { { "/", 0, FETCH_ANSWERED, 200, "x", 0 } };
	struct scene s;

	set_scene(&s, "/\n", good, 1);
	s.fake.listens = 2 * UTIL_SECOND;
	INT(play(&s), EXIT_PASS);
	IS(s.run.duration <= 2 * UTIL_SECOND + 21 * UTIL_MS);
	IS(s.fake.probes >= 98 && s.fake.probes <= 102);
	/* Each refused probe was a try of the check, and the request the last. */
	INT(s.run.result[0].attempts, s.fake.probes);
	end_scene(&s);
	/* After half a minute the pauses grow to a quarter of a second. */
	set_scene(&s, "WAIT=60\n/\n", good, 1);
	s.fake.listens = UTIL_NEVER;
	INT(play(&s), EXIT_NEVER_ANSWERED);
	IS(s.fake.probes > 1500 + 4 * 260 && s.fake.probes < 1500 + 4 * 290);
	INT(s.run.duration / UTIL_SECOND, 300);
	INT(s.run.result[0].verdict, VERDICT_REFUSED);
	TEXT(buf_text(&s.run.result[0].reason), "connection refused");
	end_scene(&s);
}

static void
wrong_answers_are_asked_again_ever_slower(void)
{
	static const struct answer warming[] = {
		{ "/", 0, FETCH_ANSWERED, 503, "not yet", 0 },
		{ "/", 3 * UTIL_SECOND, FETCH_ANSWERED, 200, "ready", 0 },
	};
	static const int64_t pauses[] = { 50, 75, 112, 168, 253, 379, 569, 854, 1000 };
	struct scene s;

	set_scene(&s, "/ ready\n", warming, 2);
	INT(play(&s), EXIT_PASS);
	IS(s.run.duration < 4 * UTIL_SECOND);
	for (size_t i = 0; i + 1 < s.fake.nr_asked && i < TEST_COUNT(pauses); i++)
		INT((s.fake.asked[i + 1] - s.fake.asked[i]) / UTIL_MS, pauses[i]);
	INT(s.run.ready / UTIL_MS, 0);
	end_scene(&s);
}

static void
deadline_is_wait_times_attempts(void)
{
	static const struct answer wrong[] = { { "/", 0, FETCH_ANSWERED, 500, "no", 0 } };
	struct scene s;

	set_scene(&s, "WAIT=2\nATTEMPTS=3\n/\n", wrong, 1);
	INT(play(&s), EXIT_FAIL);
	IS(s.run.duration >= 6 * UTIL_SECOND && s.run.duration < 6 * UTIL_SECOND + UTIL_MS);
	TEXT(buf_text(&s.run.result[0].reason), "500, not below 400: no");
	end_scene(&s);
	set_scene(&s, "WAIT=2\nATTEMPTS=3\n/\n", wrong, 1);
	s.options.deadline = UTIL_SECOND;
	INT(play(&s), EXIT_FAIL);
	IS(s.run.duration >= UTIL_SECOND && s.run.duration < UTIL_SECOND + UTIL_MS);
	end_scene(&s);
	set_scene(&s, "/\n", wrong, 1);
	INT(play(&s), EXIT_FAIL);
	INT(s.run.duration / UTIL_SECOND, 25);
	end_scene(&s);
}

/* Slow but real answers: as many of them as ATTEMPTS says. */
static void
deadline_waits_for_real_answers(void)
{
	static const struct answer slow[] = {
		{ "/", 0, FETCH_ANSWERED, 503, "warming", 8 * UTIL_SECOND },
		{ "/", 26 * UTIL_SECOND, FETCH_ANSWERED, 200, "ready", 8 * UTIL_SECOND },
	};
	static const struct answer never[] = {
		{ "/", 0, FETCH_ANSWERED, 503, "warming", 8 * UTIL_SECOND },
	};
	static const struct answer late[] = {
		{ "/", 0, FETCH_ANSWERED, 503, "warming", 0 },
		{ "/", UTIL_SECOND / 2, FETCH_ANSWERED, 200, "ready", 0 },
	};
	struct scene s;

	set_scene(&s, "/ ready\n", slow, 2);
	INT(play(&s), EXIT_PASS);
	end_scene(&s);
	set_scene(&s, "/ ready\n", never, 1);
	INT(play(&s), EXIT_FAIL);
	INT(s.fake.nr_asked, 5);
	IS(s.run.duration > 40 * UTIL_SECOND && s.run.duration < 45 * UTIL_SECOND);
	INT(run_longest(&s.options, &s.checks) / UTIL_SECOND, 25 + 5 * (30 + 1));
	end_scene(&s);
	/* --deadline is above that. */
	set_scene(&s, "/ ready\n", never, 1);
	s.options.deadline = 20 * UTIL_SECOND;
	INT(play(&s), EXIT_FAIL);
	INT(s.run.duration / UTIL_SECOND, 20);
	/* A try that the deadline cut off does not hide the real answer before it. */
	TEXT(buf_text(&s.run.result[0].reason), "503, not below 400: warming");
	end_scene(&s);
	/* Neither does a regex without time left. In this world there is never any. */
	set_scene(&s, "~ / ^ready$\n", late, 2);
	s.options.deadline = UTIL_SECOND;
	INT(play(&s), EXIT_FAIL);
	TEXT(buf_text(&s.run.result[0].reason), "503, not below 400: warming");
	IS(s.run.result[0].attempts > 2);
	end_scene(&s);
}

/* The run does not wait ATTEMPTS times TIMEOUT for a server that accepts and says nothing. */
static void
silence_ends(void)
{
	static const struct answer hangs[] = {
		{ "/", 0, FETCH_ANSWERED, 200, "x", 3600 * UTIL_SECOND },
	};
	static const struct answer resets[] = { { "/", 0, FETCH_EMPTY, 0, NULL, 0 } };
	char text[2000] = "";
	struct scene s;

	add_lines(text, sizeof(text), 40);
	set_scene(&s, text, hangs, 1);
	INT(play(&s), EXIT_NEVER_ANSWERED);
	IS(s.run.duration <= 56 * UTIL_SECOND);
	INT(s.fake.most_in_flight, FETCH_SLOTS);
	INT(s.run.result[0].verdict, VERDICT_TIMEOUT);
	end_scene(&s);
	set_scene(&s, "/\n", resets, 1);
	INT(play(&s), EXIT_NEVER_ANSWERED);
	INT(s.run.duration / UTIL_SECOND, 25);
	end_scene(&s);
	set_scene(&s, "timeout=1s /\n", hangs, 1);
	s.options.deadline = 3 * UTIL_SECOND;
	INT(play(&s), EXIT_NEVER_ANSWERED);
	INT(s.fake.nr_asked, 3);
	end_scene(&s);
}

static void
one_right_answer_is_enough(void)
{
	static const struct answer flips[] = {
		{ "/a", 0, FETCH_ANSWERED, 200, "fine", 0 },
		{ "/a", 1000, FETCH_ANSWERED, 500, "broken", 0 },
		{ "/b", 0, FETCH_ANSWERED, 500, "warming", 0 },
		{ "/b", UTIL_SECOND, FETCH_ANSWERED, 200, "fine", 0 },
	};
	struct scene s;

	set_scene(&s, "/a fine\n/b fine\n", flips, 4);
	INT(play(&s), EXIT_PASS);
	INT(s.run.result[0].attempts, 1);
	IS(s.run.result[1].attempts > 1);
	end_scene(&s);
}

/* Regression: the checks after the first one that passed were ignored. */
static void
everything_after_the_first_pass_is_checked(void)
{
	static const struct answer mixed[] = {
		{ "/a", 0, FETCH_ANSWERED, 200, "fine", 0 },
		{ "/b", 0, FETCH_ANSWERED, 200, "other", 0 },
		{ "/c", 0, FETCH_ANSWERED, 404, "none", 0 },
	};
	struct scene s;

	set_scene(&s, "/a fine\n/b fine\n/c\n", mixed, 3);
	INT(play(&s), EXIT_FAIL);
	INT(s.run.result[0].verdict, VERDICT_PASSED);
	INT(s.run.result[1].verdict, VERDICT_MISSING);
	INT(s.run.result[2].verdict, VERDICT_STATUS);
	end_scene(&s);
}

/*
 * Regression: 256 failures led to exit 0. Here are a hundred checks, and one with two hundred
 * tries.
 */
static void
failure_count_never_wraps(void)
{
	static const struct answer wrong[] = { { "/", 0, FETCH_ANSWERED, 500, "no", 0 } };
	char text[1000] = "ATTEMPTS=1\nWAIT=1\n";
	struct scene s;

	add_lines(text, sizeof(text), 100);
	set_scene(&s, text, wrong, 1);
	INT(play(&s), EXIT_FAIL);
	end_scene(&s);
}

/* Regression: with ATTEMPTS=0 no request was sent, and the run passed. */
static void
attempts_zero_still_asks(void)
{
	static const struct answer wrong[] = { { "/", 0, FETCH_ANSWERED, 500, "no", 0 } };
	struct scene s;

	set_scene(&s, "ATTEMPTS=0\n/\n", wrong, 1);
	INT(play(&s), EXIT_FAIL);
	IS(s.fake.nr_asked > 0);
	end_scene(&s);
	set_scene(&s, "WAIT=0\n/\n", wrong, 1);
	INT(play(&s), EXIT_FAIL);
	INT(s.fake.nr_asked, 5);
	end_scene(&s);
}

static void
exit_of_the_process_ends_the_run(void)
{
	static const struct answer good[] = { { "/", 0, FETCH_ANSWERED, 200, "x", 0 } };
	static const struct answer slow[] = { { "/", 0, FETCH_ANSWERED, 200, "x", UTIL_SECOND } };
	struct scene s;

	set_scene(&s, "/\n", slow, 1);
	s.fake.exits = UTIL_SECOND / 2;
	INT(play(&s), EXIT_PROCESS_GONE);
	INT(s.run.duration, UTIL_SECOND / 2);
	end_scene(&s);
	set_scene(&s, "/\n", good, 1);
	s.fake.listens = UTIL_NEVER;
	s.fake.exits = 3 * UTIL_SECOND;
	INT(play(&s), EXIT_PROCESS_GONE);
	end_scene(&s);
	/* The process ends after all checks have passed, but before the run has ended. */
	set_scene(&s, "/\n", good, 1);
	s.fake.dead_at_end = true;
	INT(play(&s), EXIT_PROCESS_GONE);
	end_scene(&s);
}

static void
warnings_never_fail_and_cost_no_patience(void)
{
	static const struct answer mixed[] = {
		{ "/a", 0, FETCH_ANSWERED, 200, "fine", 0 },
		{ "/w", 0, FETCH_ANSWERED, 500, "no", 0 },
	};
	struct scene s;

	set_scene(&s, "/a fine\nwarn /w\n", mixed, 2);
	INT(play(&s), EXIT_PASS);
	IS(s.run.duration < UTIL_SECOND / 10);
	INT(s.run.result[1].verdict, VERDICT_STATUS);
	end_scene(&s);
	set_scene(&s, "warn /w\n", mixed, 2);
	INT(play(&s), EXIT_PASS);
	end_scene(&s);
	set_scene(&s, "warn /w\n", mixed, 2);
	s.fake.listens = UTIL_NEVER;
	INT(play(&s), EXIT_NEVER_ANSWERED);
	end_scene(&s);
}

static void
at_most_eight_at_a_time_and_all_at_once(void)
{
	static const struct answer good[] = { { "/", 0, FETCH_ANSWERED, 200, "x", 10000 } };
	char text[1000] = "";
	struct scene s;

	add_lines(text, sizeof(text), 100);
	set_scene(&s, text, good, 1);
	INT(play(&s), EXIT_PASS);
	INT(s.fake.most_in_flight, FETCH_SLOTS);
	INT(s.fake.nr_asked, 100);
	INT(s.fake.most_expected, 100 - FETCH_SLOTS);
	INT(s.fake.expected, 0);
	IS(s.run.duration < 200 * UTIL_MS);
	end_scene(&s);
}

/* The server answered, went away, and came back. */
static void
a_port_may_close_again(void)
{
	static const struct answer gone[] = {
		{ "/", 0, FETCH_ANSWERED, 500, "warming", 0 },
		{ "/", 100000, FETCH_REFUSED, 0, NULL, 0 },
		{ "/", 2 * UTIL_SECOND, FETCH_ANSWERED, 200, "ready", 0 },
	};
	struct scene s;

	set_scene(&s, "/ ready\n", gone, 3);
	INT(play(&s), EXIT_PASS);
	IS(s.fake.probes > 1);
	end_scene(&s);
}

static void
what_breaks_is_internal(void)
{
	static const struct answer good[] = { { "/", 0, FETCH_ANSWERED, 200, "x", 0 } };
	struct scene s;

	set_scene(&s, "/\n", good, 1);
	s.fake.refuse_to_ask = true;
	INT(play(&s), EXIT_INTERNAL);
	end_scene(&s);
	set_scene(&s, "/\n", good, 1);
	s.fake.broken = true;
	INT(play(&s), EXIT_INTERNAL);
	end_scene(&s);
}

static void
progress_is_shown_ten_times_a_second(void)
{
	static const struct answer good[] = { { "/", 0, FETCH_ANSWERED, 200, "x", 0 } };
	struct scene s;

	set_scene(&s, "/\n", good, 1);
	s.fake.listens = 2 * UTIL_SECOND;
	s.world.progress = fake_progress;
	INT(play(&s), EXIT_PASS);
	IS(s.fake.progress >= 18 && s.fake.progress <= 21);
	end_scene(&s);
}

static void
hosts(void)
{
	static const struct answer good[] = { { "/", 0, FETCH_ANSWERED, 200, "x", 0 } };
	static const char *names[] = { "app.example", "www.example" };
	struct scene s;

	set_scene(&s, "/\n//admin.example/\n/\n", good, 1);
	TEXT(run_host(&s.options, &s.checks.item[0]), "10.0.0.1:5000");
	s.options.host = names;
	s.options.nr_hosts = 2;
	s.options.default_host = names[0];
	TEXT(run_host(&s.options, &s.checks.item[0]), "app.example");
	TEXT(run_host(&s.options, &s.checks.item[1]), "admin.example");
	TEXT(run_host(&s.options, &s.checks.item[2]), "app.example");
	checks_clear(&s.checks);
}

int
main(void)
{
	first_try_is_immediate();
	refused_port_is_asked_every_20_ms();
	wrong_answers_are_asked_again_ever_slower();
	deadline_is_wait_times_attempts();
	deadline_waits_for_real_answers();
	silence_ends();
	one_right_answer_is_enough();
	everything_after_the_first_pass_is_checked();
	failure_count_never_wraps();
	attempts_zero_still_asks();
	exit_of_the_process_ends_the_run();
	warnings_never_fail_and_cost_no_patience();
	at_most_eight_at_a_time_and_all_at_once();
	a_port_may_close_again();
	what_breaks_is_internal();
	progress_is_shown_ten_times_a_second();
	hosts();
	return test_end("run");
}
