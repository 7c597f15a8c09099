#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "client.h"
#include "util.h"

enum {
	TICK_US = 5000,
	WATCH_US = 20000, /* time between two looks at files */
	EVENTS = 256,
};

struct loop {
	struct options *options;
	struct outcome *outcome;
	struct world world;
	struct client **client;
	size_t clients;
	int signal_fd;
	unsigned signals;
	uint64_t begin;
	uint64_t end; /* UINT64_MAX: no limit */
	uint64_t watched;
	uint64_t shown; /* when the last line of progress was written */
	uint64_t shown_total; /* the requests it knew of */
};

static void
read_marks(struct loop *l)
{
	for (size_t i = 0; i < l->options->targets; i++) {
		unsigned line = releases_read_marks(&l->options->target[i].releases);
		if (line > 0 && l->outcome->bad_mark == 0)
			l->outcome->bad_mark = line;
	}
}

static void
count(const struct options *o, uint64_t *ok, uint64_t *failed)
{
	*ok = *failed = 0;
	for (size_t i = 0; i < o->groups; i++) {
		*ok += o->group[i].stats.ok;
		*failed += o->group[i].stats.failed;
	}
}

static bool
is_enough(const struct options *o)
{
	uint64_t ok;
	uint64_t failed;

	count(o, &ok, &failed);
	return o->requests > 0 && ok + failed >= o->requests;
}

static void
show_progress(struct loop *l, uint64_t now)
{
	uint64_t ok;
	uint64_t failed;
	size_t open = 0;

	count(l->options, &ok, &failed);
	for (size_t i = 0; i < l->clients; i++)
		open += client_connected(l->client[i]);
	double seconds = (double)(now - l->shown) / 1e6;
	fprintf(stderr, "%4.0f s  %9.0f requests/s  failed %llu  open %zu",
		(double)(now - l->begin) / 1e6, (double)(ok + failed - l->shown_total) / seconds,
		(unsigned long long)failed, open);
	for (size_t i = 0; i < l->options->targets; i++) {
		const struct releases *r = &l->options->target[i].releases;
		if (r->nr > 0)
			fprintf(stderr, "  %s %s", l->options->target[i].name,
				r->release[r->last].name);
	}
	fputc('\n', stderr);
	l->shown = now;
	l->shown_total = ok + failed;
}

/* From now on, running requests are finished and none are started. */
static void
stop(struct loop *l, uint64_t now)
{
	if (l->world.stopping)
		return;
	l->world.stopping = true;
	l->outcome->active_us = now - l->begin;
	for (size_t i = 0; i < l->options->groups; i++)
		stats_end(&l->options->group[i].stats, now);
}

/* Does what is due from time to time: marks, the end, the progress line. */
static void
watch(struct loop *l, uint64_t now)
{
	const struct options *o = l->options;

	l->watched = now;
	read_marks(l);
	if (now >= l->end || (o->until_file != NULL && access(o->until_file, F_OK) == 0))
		stop(l, now);
	if (o->progress && now - l->shown >= 1000000)
		show_progress(l, now);
}

static bool
all_done(const struct loop *l)
{
	for (size_t i = 0; i < l->clients; i++)
		if (!client_done(l->client[i]))
			return false;
	return true;
}

static void
take_signal(struct loop *l)
{
	struct signalfd_siginfo info;

	if (read(l->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		l->signals++;
		stop(l, now_us());
	}
}

static void
turn(struct loop *l)
{
	struct epoll_event event[EVENTS];
	uint64_t next_tick = now_us() + TICK_US;

	while (l->signals < 2) {
		int n = epoll_wait(l->world.epoll_fd, event, EVENTS, TICK_US / 1000);
		uint64_t now = now_us();
		for (int i = 0; i < n; i++) {
			if (event[i].data.ptr == NULL)
				take_signal(l);
			else
				client_event(event[i].data.ptr, now_us());
		}
		if (now < next_tick)
			continue;
		next_tick = now + TICK_US;
		if (is_enough(l->options))
			stop(l, now);
		for (size_t i = 0; i < l->clients; i++)
			client_tick(l->client[i], now_us());
		if (now - l->watched >= WATCH_US)
			watch(l, now);
		if (l->world.stopping && all_done(l))
			return;
	}
}

static void
start_clients(struct loop *l)
{
	struct options *o = l->options;
	size_t total = 0;

	for (size_t i = 0; i < o->groups; i++)
		total += o->group[i].clients;
	l->client = xcalloc(total, sizeof(l->client[0]));
	for (size_t i = 0; i < o->groups; i++) {
		struct group *g = &o->group[i];
		stats_begin(&g->stats, l->begin);
		for (size_t k = 0; k < g->clients; k++)
			l->client[l->clients++] = client_new(&l->world, g, k, l->begin);
	}
}

/* Raises the limit of descriptors to one for each client, as far as the administrator allows. */
static void
raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int
open_signals(struct loop *l)
{
	sigset_t set;
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* Ignores SIGPIPE, because TLS writes without MSG_NOSIGNAL. */
	signal(SIGPIPE, SIG_IGN);
	l->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	l->world.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->signal_fd < 0 || l->world.epoll_fd < 0)
		return -1;
	return epoll_ctl(l->world.epoll_fd, EPOLL_CTL_ADD, l->signal_fd, &event);
}

static void
end_run(struct loop *l)
{
	uint64_t now = now_us();

	for (size_t i = 0; i < l->clients; i++) {
		l->outcome->abandoned += client_abandon(l->client[i], now);
		client_free(l->client[i]);
	}
	free(l->client);
	read_marks(l);
	l->outcome->elapsed_us = now - l->begin;
	if (l->world.failures != NULL)
		fclose(l->world.failures);
	close(l->signal_fd);
	close(l->world.epoll_fd);
}

int
loop_run(struct options *o, struct outcome *out, const char **why)
{
	struct loop *l = xcalloc(1, sizeof(*l));

	*out = (struct outcome){ .begin_wall_ms = wall_us() / 1000 };
	l->options = o;
	l->outcome = out;
	l->world.options = o;
	l->world.random = wall_us() << 20 | 1 | (uint64_t)getpid() << 1;
	if (o->failure_log != NULL)
		l->world.failures = fopen(o->failure_log, "a");
	if ((o->failure_log != NULL && l->world.failures == NULL) || open_signals(l) < 0) {
		*why = strerror(errno);
		free(l);
		return -1;
	}
	raise_limit();
	l->begin = l->shown = now_us();
	l->end = o->duration_ms == 0 ? UINT64_MAX : l->begin + o->duration_ms * 1000;
	start_clients(l);
	turn(l);
	end_run(l);
	free(l);
	return 0;
}
