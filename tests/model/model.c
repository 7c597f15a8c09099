/*
 * An explicit-state model of the deploy: two deploys, the watch that reconciles, and a
 * destroy act on one app in every order, and die, fail or lose an answer anywhere. Every
 * reachable state is visited, nearest first, and held against design.md, section 7.
 *
 *   model               explore; exit 0 if all holds, else 1 with a shortest trace
 *   model --fault NAME  the same with a fault sown
 *   model --faults      the names of the faults
 *   model --names       the step names that the scripts must have, in order
 *
 * With --canary before the rest, the first deploy makes a canary, a release that has a share of the
 * visitors beside the current one, the second actor promotes it, and the last one takes it back.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST, SECOND, WATCH, DESTROY, ACTORS, DEPLOYS = 2 };
enum {
	START,
	CHECKS,
	VERIFY,
	SWITCH,
	COMMIT,
	ANNOUNCE,
	RETIRE,
	STEPS,
	ADDRESS = STEPS,
	CANARY,
	SHARE,
	RECHECK
};
enum { DISCARD, REMOVE, PROXY_BACK, SWITCH_BACK, UNDOS };
enum { RC_START, RC_MAP, RC_RETIRE, RC_DISCARD, RC_SWEEP, RECONCILES };
enum { X_CURRENT, X_CONTAINERS, X_MAP, X_DATA, X_FOLDER, DESTROYS };
enum { A_FORGET, A_UNSHARE, A_CONTAINERS, A_DATA, ABORTS };

/*
 * Where an actor is. RC, NEW, STEP, UNDO and X are followed by one value for each step of that
 * kind.
 */
enum {
	IDLE,
	LOCK,
	RC,
	NEW = RC + RECONCILES,
	STEP,
	UNDO = STEP + STEPS,
	X = UNDO + UNDOS,
	END = X + DESTROYS,
	DONE,
	DEAD
};
enum { TOLD_NOTHING, TOLD_LIVE, TOLD_FAILED };

static const char *actor_names[] = { "first", "second", "watch", "destroy" };
static const char *const step_names[] = { "start", "checks", "verify", "switch", "commit",
	"announce", "retire", "canary-share 0", "canary_commit", "canary_apply", "recheck" };
static const char *const undo_names[] = { "discard_release", "remove_containers", "proxy_back",
	"switch_back" };
static const char *const reconcile_names[] = { "scheduler", "services", "retire", "discard",
	"sweep" };
static const char *const destroy_names[] = { "current", "containers", "addresses", "data",
	"folder" };
static const char *const abort_names[] = { "forget", "unshare", "containers", "data" };

/*
 * What a deploy does: its steps in order, and how many undos are due when each of them fails. Those
 * of a promotion are counted from the last one, which is the only one that it has.
 */
struct plan {
	int nr, step[STEPS], undos[STEPS];
};
static struct plan plans[DEPLOYS] = {
	{ STEPS, { START, CHECKS, VERIFY, SWITCH, COMMIT, ANNOUNCE, RETIRE },
		{ 2, 2, 3, 4, 4, 0, 0 } },
	{ STEPS, { START, CHECKS, VERIFY, SWITCH, COMMIT, ANNOUNCE, RETIRE },
		{ 2, 2, 3, 4, 4, 0, 0 } },
};
static const struct plan canary_plans[DEPLOYS] = {
	{ 6, { START, CHECKS, VERIFY, ADDRESS, CANARY, SHARE }, { 2, 2, 3, 4, 4, 0 } },
	{ 6, { START, RECHECK, SWITCH, COMMIT, ANNOUNCE, RETIRE }, { 0, 0, 4, 4, 0, 0 } },
};
static bool with_canary;

enum fault {
	NONE,
	COMMIT_FIRST,
	RETIRE_FIRST,
	NO_CHECKS,
	NO_UNDO_START,
	NO_UNDO_SWITCH,
	REMOVE_AFTER_FAILED_BACK,
	LOCK_UNLINKED,
	LOCK_INHERITED,
	LISTING_ERROR_EMPTY,
	NO_RECONCILE,
	NO_MAP,
	NO_SWEEP,
	ACK_TRUSTED,
	DRAIN_BLIND,
	NUMBER_REUSED,
	DESTROY_FOLDER_FIRST,
	DEPLOY_TO_NOBODY,
	SHARE_FIRST,
	CANARY_DISCARDED,
	CANARY_RETIRED,
	SHARE_FORGOTTEN,
	PROMOTE_REMOVES,
	ABORT_CONTAINERS_FIRST,
	FAULTS,
	CANARY_FAULTS = SHARE_FIRST
};
static const char *const fault_names[] = { "none", "commit-before-switch", "retire-before-switch",
	"no-checks", "no-undo-of-start", "no-undo-of-switch", "remove-after-failed-switch-back",
	"lock-file-unlinked", "lock-inherited", "listing-error-is-empty", "no-reconcile-at-lock",
	"reconcile-forgets-map", "reconcile-forgets-sweep", "commit-answer-trusted",
	"drain-ignores-connections", "number-used-twice", "destroy-folder-first",
	"deploy-to-destroyed-app", "share-before-record", "reconcile-discards-canary",
	"retire-takes-canary", "reconcile-forgets-share", "failed-promotion-removes",
	"abort-removes-first" };
static enum fault fault;

/* Sets have one bit for each release, 1 to 3; bit 0 is not used. All of it is bytes, so that
   two states can be compared as memory. */
struct state {
	uint8_t exists, current, last, dirs, committed, tmp; /* files: stay over a reboot */
	uint8_t made, draining; /* containers and receipts: stay */
	uint8_t running, map, preview, conns, locked, retirer; /* lost at a reboot */
	uint8_t passed, failed; /* what the checks said */
	uint8_t down; /* no reconcile has run since the reboot */
	uint8_t gone; /* a destroy took the release away */
	uint8_t unmended; /* set of the deploys that had an undo fail */
	uint8_t canary; /* a file */
	uint8_t share, address; /* where the canary's visitors are sent, and where that leads */
	uint8_t aborted; /* somebody took the canary back */
	uint8_t at[ACTORS], release[DEPLOYS], told[DEPLOYS];
};

struct node {
	struct state state;
	uint32_t parent;
	char label[40];
};

static struct node *nodes;
static uint32_t nr_nodes, max_nodes, *table, from;
static const uint32_t table_size = 1u << 24;
static unsigned long transitions;

static uint8_t
bit(unsigned n)
{
	return n ? (uint8_t)(1u << n) : 0;
}

/* The release that the record of a canary means. One that is current by now is none. */
static unsigned
canary_of(const struct state *s)
{
	return s->canary > s->current && s->dirs & bit(s->canary) ? s->canary : 0;
}

/* The set of the releases that new visitors reach. */
static uint8_t
visited(const struct state *s)
{
	return (uint8_t)(bit(s->map) | (s->share ? bit(s->address) : 0));
}

static bool
inside(const struct state *s, int actor)
{
	return s->at[actor] >= RC && s->at[actor] <= END;
}

static _Noreturn void
violated(const char *what, uint32_t node, const char *last)
{
	uint32_t path[1000], n = 0;

	for (; node && n < 1000; node = nodes[node].parent)
		path[n++] = node;
	printf("violated: %s\n", what);
	for (uint32_t i = n; i > 0; --i)
		printf("  %2u  %s\n", n - i + 1, nodes[path[i - 1]].label);
	if (last)
		printf("  %2u  %s\n", n + 1, last);
	exit(1);
}

static uint32_t
hash(const struct state *s)
{
	const unsigned char *p = (const unsigned char *)s;
	uint64_t h = 1469598103934665603u;

	for (size_t i = 0; i < sizeof(*s); ++i)
		h = (h ^ p[i]) * 1099511628211u;
	return (uint32_t)(h ^ h >> 32) & (table_size - 1);
}

/* Checks what must hold in every state. Returns the name of what does not, or NULL. */
static const char *
broken(const struct state *s)
{
	int holders = 0;

	for (int a = 0; a < ACTORS; ++a)
		holders += inside(s, a);
	if (holders > 1)
		return "two hold the lock";
	if (s->conns & s->failed)
		return "a release whose checks failed answers";
	if (s->conns & ~s->passed)
		return "an unchecked release answers";
	for (int d = 0; d < DEPLOYS; ++d) {
		if (s->told[d] == TOLD_LIVE && !s->gone && s->current < s->release[d] &&
			(plans[d].step[4] != CANARY ||
				(!s->aborted && canary_of(s) != s->release[d])))
			return "told live, and is not";
		if (s->told[d] == TOLD_FAILED && s->release[d] && s->current == s->release[d])
			return "told failed, and is live";
	}
	if (s->gone)
		return NULL;
	if (visited(s) & ~s->running)
		return "traffic goes to what does not run";
	if (s->share && !s->address)
		return "visitors are sent to a canary that has no address";
	if (s->conns & ~s->running)
		return "a connection to what does not run";
	if (s->current && !s->down && !s->map)
		return "there is a release, and no traffic reaches it";
	return NULL;
}

static void
reached(const struct state *s, const char *who, const char *what)
{
	uint32_t slot = hash(s);
	char label[sizeof(nodes->label)];

	++transitions;
	snprintf(label, sizeof(label), "%s: %s", who, what);
	for (; table[slot]; slot = (slot + 1) & (table_size - 1))
		if (memcmp(&nodes[table[slot]].state, s, sizeof(*s)) == 0)
			return;
	if (nr_nodes == max_nodes) {
		max_nodes *= 2;
		nodes = realloc(nodes, max_nodes * sizeof(nodes[0]));
		if (!nodes)
			exit(2);
	}
	nodes[nr_nodes].state = *s;
	nodes[nr_nodes].parent = from;
	memcpy(nodes[nr_nodes].label, label, sizeof(label));
	table[slot] = nr_nodes++;
	if (broken(s))
		violated(broken(s), nr_nodes - 1, NULL);
}

/* Stops and removes a container of the set. */
static void
stop(struct state *s, uint8_t set, const char *who)
{
	if (!s->gone && (s->running & set & (visited(s) | s->conns)))
		violated("what traffic reaches is stopped", from, who);
	s->running &= (uint8_t)~set;
	s->made &= (uint8_t)~set;
	s->draining &= (uint8_t)~set;
	s->conns &= (uint8_t)~set;
}

static void
retire(struct state *s, unsigned keep)
{
	uint8_t canary = fault == CANARY_RETIRED ? 0 : bit(canary_of(s));

	s->draining |= s->made & (uint8_t) ~(bit(keep) | canary);
	s->retirer = s->draining != 0;
}

static uint8_t
above(unsigned current)
{
	return (uint8_t)(0xfeu << current & 0xfe);
}

static void
do_reconcile(struct state *s, int which)
{
	if (!s->exists)
		return;
	if (which == RC_START) {
		s->canary = (uint8_t)canary_of(s);
		s->made |= bit(s->current) | bit(s->canary);
		s->running |= bit(s->current) | bit(s->canary);
	} else if (which == RC_MAP && fault != NO_MAP) {
		s->map = s->current;
		s->preview = 0;
		s->down = 0;
		if (fault != SHARE_FORGOTTEN)
			s->share = s->address = (uint8_t)canary_of(s);
	} else if (which == RC_RETIRE) {
		retire(s, s->current);
	} else if (which == RC_DISCARD) {
		s->dirs &= (uint8_t)(~above(s->current) |
			(fault == CANARY_DISCARDED ? 0 : bit(canary_of(s))));
	} else if (which == RC_SWEEP && fault != NO_SWEEP) {
		for (int d = 0; d < DEPLOYS; ++d)
			if (s->at[d] >= DONE)
				s->tmp &= (uint8_t) ~(1u << d);
	}
}

static void
do_step(struct state *s, int which, unsigned release)
{
	if (which == START) {
		s->made |= bit(release);
		s->running |= bit(release);
	} else if (which == CHECKS) {
		s->passed |= bit(release);
	} else if (which == VERIFY) {
		s->preview = (uint8_t)release;
	} else if (which == SWITCH) {
		s->map = (uint8_t)release;
		s->preview = 0;
	} else if (which == COMMIT) {
		s->current = (uint8_t)release;
		s->committed |= bit(release);
	} else if (which == ANNOUNCE && s->canary) {
		s->canary = s->share = s->address = 0;
	} else if (which == RETIRE) {
		retire(s, release);
	} else if (which == ADDRESS) {
		s->address = (uint8_t)release;
	} else if (which == CANARY) {
		s->canary = (uint8_t)release;
		s->committed |= bit(release);
	} else if (which == SHARE) {
		if (s->canary == release || fault == SHARE_FIRST)
			s->share = (uint8_t)release;
	}
}

static void
do_undo(struct state *s, int which, unsigned release, const char *who)
{
	if (which == SWITCH_BACK && with_canary && s->map != release) {
		s->share = s->address = 0;
	} else if (which == SWITCH_BACK && fault != NO_UNDO_SWITCH) {
		s->map = s->current;
	} else if (which == PROXY_BACK) {
		s->preview = 0;
	} else if (which == REMOVE && fault != NO_UNDO_START) {
		stop(s, bit(release) & (uint8_t)~s->conns, who);
		retire(s, s->current);
	} else if (which == DISCARD && s->current != release) {
		s->dirs &= (uint8_t)~bit(release);
	}
}

static void
do_destroy(struct state *s, int which)
{
	if (fault == DESTROY_FOLDER_FIRST)
		which = which == X_CURRENT ? X_FOLDER : which - 1;
	s->gone = 1;
	if (which == X_CURRENT) {
		s->current = 0;
	} else if (which == X_CONTAINERS) {
		stop(s, 0xfe, "destroy");
	} else if (which == X_MAP) {
		s->map = s->preview = 0;
	} else if (which == X_DATA) {
		s->dirs = s->committed = s->draining = s->retirer = s->current = 0;
	} else if (which == X_FOLDER) {
		s->exists = 0;
	}
}

static void
do_abort(struct state *s, int which)
{
	unsigned release = s->aborted;

	if (fault == ABORT_CONTAINERS_FIRST)
		which = which == A_FORGET ? A_CONTAINERS : which - (which <= A_CONTAINERS);
	if (which == A_FORGET) {
		s->canary = 0;
		s->committed &= (uint8_t)~bit(release);
	} else if (which == A_UNSHARE) {
		s->share = s->address = 0;
	} else if (which == A_CONTAINERS) {
		stop(s, bit(release) & (uint8_t)~s->conns, "abort");
		retire(s, s->current);
	} else if (which == A_DATA) {
		s->dirs &= (uint8_t)~bit(release);
	}
}

/* Ends an actor, whether it finishes or is killed. */
static void
leave(struct state *s, int actor, int at)
{
	if (inside(s, actor) && !(at == DEAD && fault == LOCK_INHERITED))
		s->locked = 0;
	s->at[actor] = actor == WATCH ? IDLE : (uint8_t)at;
}

/* Records what a deploy says about its end. */
static void
tell(struct state *s, int d)
{
	uint8_t mine = bit(s->release[d]);

	s->tmp &= (uint8_t) ~(1u << d);
	if (s->told[d] != TOLD_LIVE) {
		s->told[d] = TOLD_FAILED;
		if (with_canary && d == SECOND)
			return;
		if (!(s->unmended & 1u << d) && (s->dirs & mine || s->made & mine & ~s->draining))
			violated("told failed, and something is left", from, actor_names[d]);
		if (!(s->unmended & 1u << d) && mine && s->map == s->release[d])
			violated("told failed, and has the traffic", from, actor_names[d]);
	}
}

static void
go(struct state s, int actor, int at, const char *what)
{
	s.at[actor] = (uint8_t)at;
	reached(&s, actor_names[actor], what);
}

/* A step can end in three ways: done; not done; done, but the answer is lost. */
static void
three(const struct state *before, const struct state *after, int actor, int next, int failed,
	const char *what)
{
	char text[32];

	go(*after, actor, next, what);
	snprintf(text, sizeof(text), "%s fails", what);
	go(*before, actor, failed, text);
	snprintf(text, sizeof(text), "%s, answer lost", what);
	go(*after, actor, failed, text);
}

static int
undo_from(int n)
{
	return n ? UNDO + UNDOS - n : END;
}

static void
act_step(struct state s, int actor)
{
	const struct plan *plan = &plans[actor];
	int i = s.at[actor] - STEP, which = plan->step[i],
	    next = i + 1 < plan->nr ? STEP + i + 1 : END;
	int failed = undo_from(plan->undos[i]);
	struct state after = s;

	do_step(&after, which, s.release[actor]);
	if (which == COMMIT || which == CANARY) {
		after.told[actor] = TOLD_LIVE;
		go(s, actor, failed, "commit fails");
		go(after, actor, next, "commit");
		/* The file tells whether the step was done. */
		if (fault == ACK_TRUSTED) {
			after.told[actor] = TOLD_NOTHING;
			go(after, actor, undo_from(UNDOS), "commit, answer lost");
		}
		return;
	}
	if (plan->undos[i] == 0)
		failed = plan->step[1] == RECHECK && i < 2 ? END : next;
	three(&s, &after, actor, next, failed, step_names[which]);
	if (which == START) {
		after = s;
		after.made |= bit(s.release[actor]);
		go(after, actor, failed, "start, created only");
	} else if (which == CHECKS || which == RECHECK) {
		after = s;
		/* A canary that has visitors had passed its checks. */
		if (which == CHECKS)
			after.failed |= bit(s.release[actor]);
		go(after, actor, fault == NO_CHECKS ? next : failed, "checks do not hold");
	}
}

/*
 * Undos run from the last to the first. If one fails, the others still run, but nothing is removed
 * that may still have the traffic.
 */
static void
act_undo(struct state s, int actor)
{
	int at = s.at[actor], which = UNDOS - 1 - (at - UNDO),
	    next = at + 1 < UNDO + UNDOS ? at + 1 : END;
	struct state after = s;

	if (with_canary && actor == SECOND && fault != PROMOTE_REMOVES)
		next = END;
	do_undo(&after, which, s.release[actor], undo_names[which]);
	go(after, actor, next, undo_names[which]);
	s.unmended |= (uint8_t)(1u << actor);
	go(s, actor, which == SWITCH_BACK && fault != REMOVE_AFTER_FAILED_BACK ? END : next,
		"an undo fails");
}

static void
act_reconcile(struct state s, int actor)
{
	int which = s.at[actor] - RC, next = s.at[actor] + 1;
	struct state after = s;

	if (which == RC_SWEEP)
		next = actor == WATCH ? END : actor == DESTROY && !with_canary ? X : NEW;
	do_reconcile(&after, which);
	three(&s, &after, actor, next, END, reconcile_names[which]);
	if (which == RC_MAP && fault == LISTING_ERROR_EMPTY) {
		s.map = 0;
		go(s, actor, next, "the listing fails");
	}
}

/* A promotion, or an abort, takes the canary that there is. */
static void
act_on_canary(struct state s, int actor)
{
	unsigned canary = canary_of(&s);

	if (canary == 0) {
		go(s, actor, END, "there is no canary");
	} else if (actor == SECOND) {
		s.release[actor] = (uint8_t)canary;
		go(s, actor, STEP, "the canary");
	} else {
		s.aborted = (uint8_t)canary;
		go(s, actor, X, "the canary");
	}
}

static void
act_new(struct state s, int actor)
{
	if (with_canary && actor != FIRST) {
		act_on_canary(s, actor);
		return;
	}
	if (!s.exists && fault != DEPLOY_TO_NOBODY) {
		go(s, actor, END, "the app is gone");
		return;
	}
	s.last = (uint8_t)((fault == NUMBER_REUSED ? s.current : s.last) + 1);
	s.release[actor] = s.last;
	s.dirs |= bit(s.last);
	/*
	 * The number is used again, so statements about its earlier release do not hold for this
	 * one.
	 */
	s.passed &= (uint8_t)~bit(s.last);
	s.failed &= (uint8_t)~bit(s.last);
	go(s, actor, STEP, "new release");
}

static void
act(struct state s, int actor)
{
	struct state killed = s;
	int at = s.at[actor];

	if (at == IDLE) {
		if (actor < DEPLOYS)
			s.tmp |= (uint8_t)(1u << actor);
		go(s, actor, LOCK, "begins");
	} else if (at == LOCK) {
		if (!s.locked || fault == LOCK_UNLINKED) {
			s.locked = 1;
			go(s, actor, fault == NO_RECONCILE && actor < DEPLOYS ? NEW : RC, "lock");
		}
	} else if (at < NEW) {
		act_reconcile(s, actor);
	} else if (at == NEW) {
		act_new(s, actor);
	} else if (at < UNDO) {
		act_step(s, actor);
	} else if (at < X) {
		act_undo(s, actor);
	} else if (at < END) {
		struct state after = s;

		if (with_canary) {
			int next = at + 1 < X + ABORTS ? at + 1 : END;

			do_abort(&after, at - X);
			three(&s, &after, actor, next, END, abort_names[at - X]);
			goto kill;
		}
		do_destroy(&after, at - X);
		three(&s, &after, actor, at + 1, END, destroy_names[at - X]);
	} else if (at == END) {
		if (actor < DEPLOYS)
			tell(&s, actor);
		leave(&s, actor, DONE);
		reached(&s, actor_names[actor], "ends");
	}
kill:
	if (at > IDLE && at < DONE) {
		leave(&killed, actor, DEAD);
		reached(&killed, actor_names[actor], "is killed");
	}
}

static void
reboot(struct state s)
{
	for (int a = 0; a < ACTORS; ++a)
		if (s.at[a] != IDLE && s.at[a] < DONE)
			s.at[a] = a == WATCH ? IDLE : DEAD;
	s.running = s.map = s.preview = s.conns = s.locked = s.retirer = s.share = s.address = 0;
	s.down = 1;
	reached(&s, "host", "reboots");
}

/* The moves of visitors, of the process that drains, and of the host. */
static void
act_others(const struct state *s)
{
	struct state after;

	if (s->map && !s->gone && bit(s->map) & s->running) {
		after = *s;
		after.conns |= bit(s->map);
		reached(&after, "visitor", "connects");
	}
	if (s->share && bit(s->address) & s->running) {
		after = *s;
		after.conns |= bit(s->address);
		reached(&after, "visitor", "connects to the canary");
	}
	for (unsigned r = 1; r <= 3; ++r) {
		after = *s;
		after.conns &= (uint8_t)~bit(r);
		if (s->conns & bit(r))
			reached(&after, "visitor", "leaves");
		after = *s;
		if (s->retirer && s->draining & bit(r) &&
			(!(s->conns & bit(r)) || fault == DRAIN_BLIND)) {
			stop(&after, bit(r), "drained: stop");
			after.retirer = after.draining != 0;
			reached(&after, "drain", "stops");
		}
	}
	after = *s;
	after.retirer = 0;
	reached(&after, "drain", "is killed");
	reboot(*s);
}

/* Kills all actors here and lets one reconcile run to its end. Then the old containers drain. */
static struct state
recover(struct state s)
{
	for (int a = 0; a < ACTORS; ++a)
		if (s.at[a] != IDLE && s.at[a] < DONE)
			leave(&s, a, DEAD);
	for (int i = 0; i < RECONCILES; ++i)
		do_reconcile(&s, i);
	s.conns = 0;
	s.gone |= s.current == 0;
	if (s.draining)
		stop(&s, s.draining, "drained: stop");
	s.retirer = 0;
	return s;
}

static void
check_recovery(const struct state *was)
{
	struct state s = recover(*was), twice = recover(s);
	uint8_t alone = bit(s.current) | bit(canary_of(&s));

	if (s.canary != canary_of(&s) || s.share != s.canary || s.address != s.canary)
		violated("after recovery the canary is not what its record says", from, NULL);
	if (s.locked)
		violated("after recovery the lock is held", from, NULL);
	if (s.exists && (s.map != s.current || s.running != alone || s.preview))
		violated("after recovery traffic, containers and release are not one", from, NULL);
	if (s.made != alone || s.draining || s.dirs & ~s.committed || (s.exists && s.tmp))
		violated("after recovery something is left over", from, NULL);
	if (memcmp(&s, &twice, sizeof(s)) != 0)
		violated("a second reconcile changes something", from, NULL);
	for (int i = 0; i < DESTROYS && s.exists && !with_canary; ++i)
		do_destroy(&s, i);
	if (with_canary)
		return;
	if (s.exists | s.current | s.map | s.made | s.running | s.dirs | s.draining)
		violated("destroy leaves something", from, NULL);
}

static void
explore(void)
{
	struct state s;

	memset(&s, 0, sizeof(s));
	s.exists = s.current = s.last = s.map = 1;
	s.dirs = s.committed = s.made = s.running = s.passed = bit(1);
	max_nodes = 1u << 16;
	nodes = malloc(max_nodes * sizeof(nodes[0]));
	table = calloc(table_size, sizeof(table[0]));
	if (!nodes || !table)
		exit(2);
	nr_nodes = 1; /* 0 is nobody */
	reached(&s, "host", "the first release serves");
	for (from = 1; from < nr_nodes; ++from) {
		s = nodes[from].state;
		check_recovery(&s);
		for (int a = 0; a < ACTORS; ++a)
			act(s, a);
		act_others(&s);
		if (nr_nodes > table_size / 2)
			violated("nothing, but there are too many states", from, NULL);
	}
	printf("%u states, %lu transitions, 0 violations\n", nr_nodes - 1, transitions);
}

static void
sow(const char *name)
{
	while (fault < FAULTS && strcmp(fault_names[fault], name) != 0)
		++fault;
	if (fault == FAULTS) {
		fprintf(stderr, "no such fault: %s\n", name);
		exit(2);
	}
	for (int d = 0; d < DEPLOYS; ++d) {
		int *step = plans[d].step;

		if (fault == COMMIT_FIRST) {
			step[3] = COMMIT;
			step[4] = SWITCH;
		} else if (fault == RETIRE_FIRST) {
			step[3] = RETIRE;
			step[4] = SWITCH;
			step[5] = COMMIT;
			step[6] = ANNOUNCE;
		} else if (fault == SHARE_FIRST && d == FIRST) {
			step[3] = SHARE;
			step[4] = ADDRESS;
			step[5] = CANARY;
		}
	}
}

static void
print_names(void)
{
	puts("lock\nreconcile");
	for (int i = 0; i < plans[FIRST].nr; ++i)
		puts(step_names[plans[FIRST].step[i]]);
	for (int i = 0; i < UNDOS; ++i)
		printf("undo %s\n",
			with_canary && i == SWITCH_BACK ? "canary_back" : undo_names[i]);
	for (int i = 0; with_canary && i < plans[SECOND].nr; ++i)
		puts(step_names[plans[SECOND].step[i]]);
}

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--canary") == 0) {
		with_canary = true;
		memcpy(plans, canary_plans, sizeof(plans));
		actor_names[SECOND] = "promotion";
		actor_names[DESTROY] = "abort";
		++argv;
		--argc;
	}
	if (argc == 2 && strcmp(argv[1], "--faults") == 0) {
		int from_fault = with_canary ? CANARY_FAULTS : 1;
		int to = with_canary ? FAULTS : CANARY_FAULTS;

		for (int i = from_fault; i < to; ++i)
			puts(fault_names[i]);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--names") == 0) {
		print_names();
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "--fault") == 0)
		sow(argv[2]);
	explore();
	return 0;
}
