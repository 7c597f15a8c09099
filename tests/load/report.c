#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util.h"

typedef unsigned long long ull;

static uint64_t
requests(const struct stats *s)
{
	return s->ok + s->failed;
}

uint64_t
report_failed(const struct options *o)
{
	uint64_t failed = 0;

	for (size_t i = 0; i < o->groups; i++)
		failed += o->group[i].stats.failed;
	return failed;
}

/* Adds up the groups of one target, or all. The caller frees the result. */
static struct stats *
sum_up(const struct options *o, const struct target *t)
{
	struct stats *sum = xcalloc(1, sizeof(*sum));

	for (size_t i = 0; i < o->groups; i++)
		if (t == NULL || o->group[i].target == t)
			stats_add(sum, &o->group[i].stats);
	return sum;
}

/* The rule of three: with no failure in n trials, 95 % sure that the rate is below 3/n. */
static double
upper_bound(uint64_t n)
{
	return n < 3 ? 1.0 : 3.0 / (double)n;
}

static void
print_duration(FILE *f, uint64_t us)
{
	char text[24];

	if (us < 1000)
		snprintf(text, sizeof(text), "%llu us", (ull)us);
	else if (us < 1000000)
		snprintf(text, sizeof(text), "%.1f ms", (double)us / 1e3);
	else
		snprintf(text, sizeof(text), "%.2f s", (double)us / 1e6);
	fprintf(f, " %9s", text);
}

static void
print_row(FILE *f, const char *name, const char *mode, const struct stats *s,
	const struct outcome *out)
{
	fprintf(f, "%-16.16s %-8s %10llu %7llu %9.1f", name, mode, (ull)requests(s), (ull)s->failed,
		(double)s->ok / ((double)out->active_us / 1e6));
	print_duration(f, histogram_at(&s->latency, 0.5));
	print_duration(f, histogram_at(&s->latency, 0.99));
	print_duration(f, s->latency.max);
	print_duration(f, s->longest_gap);
	fprintf(f, " %7llu %5llu %5llu %5llu %4llu/%llu\n", (ull)s->opened, (ull)s->closed_idle,
		(ull)s->closed_announced, (ull)s->closed_midway, (ull)s->kept,
		(ull)s->first_connections);
}

static void
print_failures(FILE *f, const struct group *g)
{
	const struct stats *s = &g->stats;

	for (size_t i = 0; i < FAILURE_COUNT; i++) {
		if (s->failure[i] == 0)
			continue;
		fprintf(f, "failed: %s %s: %s %llu", g->target->name, mode_names[g->mode],
			failure_names[i], (ull)s->failure[i]);
		unsigned from = i == FAILURE_STATUS_4XX ? 400 : 500;
		if (i == FAILURE_STATUS_4XX || i == FAILURE_STATUS_5XX)
			for (unsigned k = from; k < from + 100; k++)
				if (s->status[k] > 0)
					fprintf(f, " (%u: %lu)", k, (unsigned long)s->status[k]);
		fputc('\n', f);
	}
}

static void
print_releases(FILE *f, const struct target *t, const struct outcome *out)
{
	const struct releases *r = &t->releases;

	for (size_t i = 0; i < r->nr; i++) {
		const struct release *release = &r->release[i];
		/* Of a thousand deploys, only the first and the last few are shown. */
		if (r->nr > 12 && i == 4)
			fprintf(f, "release: %s: %zu more\n", t->name, r->nr - 8);
		if (r->nr > 12 && i >= 4 && i + 4 < r->nr)
			continue;
		if (release->answers == 0) {
			fprintf(f, "release: %s %s never answered\n", t->name, release->name);
			continue;
		}
		fprintf(f, "release: %s %s answered %llu, from %.3f s to %.3f s\n", t->name,
			release->name, (ull)release->answers,
			(double)(release->first_wall_ms - out->begin_wall_ms) / 1e3,
			(double)(release->last_wall_ms - out->begin_wall_ms) / 1e3);
	}
	if (r->marks > 0)
		fprintf(f, "marks: %s %u read, %u of them too late to judge every answer\n",
			t->name, r->marks, r->late_marks);
}

void
report_human(FILE *f, const struct options *o, const struct outcome *out)
{
	struct stats *sum = sum_up(o, NULL);

	fprintf(f, "%-16s %-8s %10s %7s %9s %9s %9s %9s %9s %7s %5s %5s %5s %s\n", "target", "mode",
		"requests", "failed", "ok/s", "median", "p99", "max", "gap", "opened", "idle",
		"said", "cut", "kept");
	for (size_t i = 0; i < o->groups; i++)
		print_row(f, o->group[i].target->name, mode_names[o->group[i].mode],
			&o->group[i].stats, out);
	for (size_t i = 0; i < o->targets; i++)
		print_releases(f, &o->target[i], out);
	for (size_t i = 0; i < o->groups; i++)
		print_failures(f, &o->group[i]);
	fprintf(f,
		"connections opened %llu, closed by the server: idle %llu (websockets with a "
		"goodbye %llu), announced %llu, in mid-request %llu; alive from start to end "
		"%llu of %llu\n",
		(ull)sum->opened, (ull)sum->closed_idle, (ull)sum->closed_politely,
		(ull)sum->closed_announced, (ull)sum->closed_midway, (ull)sum->kept,
		(ull)sum->first_connections);
	if (sum->handshakes > 0)
		fprintf(f, "TLS handshakes %llu, of them resumed %llu\n", (ull)sum->handshakes,
			(ull)sum->resumed);
	if (out->abandoned > 0)
		fprintf(f, "abandoned on a second signal: %llu\n", (ull)out->abandoned);
	if (sum->failed == 0)
		fprintf(f, "none of %llu failed: the rate of failures is below %.2g (95 %%)\n",
			(ull)requests(sum), upper_bound(requests(sum)));
	fprintf(f, "requests %llu, failed %llu\n", (ull)requests(sum), (ull)sum->failed);
	free(sum);
}

static void
json_text(FILE *f, const char *text)
{
	fputc('"', f);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fprintf(f, "\\%c", *text);
		else if ((unsigned char)*text < 0x20)
			fprintf(f, "\\u%04x", (unsigned)(unsigned char)*text);
		else
			fputc(*text, f);
	}
	fputc('"', f);
}

static void
json_failures(FILE *f, const struct stats *s)
{
	const char *comma = "";

	fputs("\"failures\":{", f);
	for (size_t i = 0; i < FAILURE_COUNT; i++, comma = ",")
		fprintf(f, "%s\"%s\":%llu", comma, failure_names[i], (ull)s->failure[i]);
	fputs("},\"statuses\":{", f);
	comma = "";
	for (unsigned k = 400; k < STATUS_COUNT; k++) {
		if (s->status[k] == 0)
			continue;
		fprintf(f, "%s\"%u\":%lu", comma, k, (unsigned long)s->status[k]);
		comma = ",";
	}
	fputs("}", f);
}

static void
json_stats(FILE *f, const struct stats *s)
{
	fprintf(f, "\"requests\":%llu,\"ok\":%llu,\"failed\":%llu,", (ull)requests(s), (ull)s->ok,
		(ull)s->failed);
	json_failures(f, s);
	fprintf(f,
		",\"connections\":{\"opened\":%llu,\"closed_idle\":%llu,\"closed_politely\":%llu,"
		"\"closed_announced\":%llu,\"closed_midway\":%llu,\"at_start\":%llu,\"kept\":%llu}",
		(ull)s->opened, (ull)s->closed_idle, (ull)s->closed_politely,
		(ull)s->closed_announced, (ull)s->closed_midway, (ull)s->first_connections,
		(ull)s->kept);
	fprintf(f, ",\"tls\":{\"handshakes\":%llu,\"resumed\":%llu}", (ull)s->handshakes,
		(ull)s->resumed);
	fprintf(f, ",\"latency_us\":{\"median\":%llu,\"p90\":%llu,\"p99\":%llu,\"max\":%llu}",
		(ull)histogram_at(&s->latency, 0.5), (ull)histogram_at(&s->latency, 0.9),
		(ull)histogram_at(&s->latency, 0.99), (ull)s->latency.max);
}

static void
json_groups(FILE *f, const struct options *o, const struct target *t)
{
	const char *comma = "";

	fputs("\"modes\":[", f);
	for (size_t i = 0; i < o->groups; i++) {
		const struct group *g = &o->group[i];
		if (g->target != t)
			continue;
		fprintf(f, "%s{\"mode\":\"%s\",\"clients\":%zu,", comma, mode_names[g->mode],
			g->clients);
		json_stats(f, &g->stats);
		fprintf(f, ",\"longest_gap_us\":%llu,\"longest_gap_at_ms\":%llu}",
			(ull)g->stats.longest_gap, (ull)g->stats.gap_wall_ms);
		comma = ",";
	}
	fputs("]", f);
}

static void
json_releases(FILE *f, const struct releases *r)
{
	fputs("\"releases\":[", f);
	for (size_t i = 0; i < r->nr; i++) {
		const struct release *release = &r->release[i];
		fputs(i == 0 ? "{\"name\":" : ",{\"name\":", f);
		json_text(f, release->name);
		fprintf(f,
			",\"answers\":%llu,\"forbidden\":%s,\"first_ms\":%llu,\"last_ms\":%llu,"
			"\"first_monotonic_us\":%llu,\"last_monotonic_us\":%llu}",
			(ull)release->answers, release->forbidden ? "true" : "false",
			(ull)release->first_wall_ms, (ull)release->last_wall_ms,
			(ull)release->first_us, (ull)release->last_us);
	}
	fprintf(f, "],\"marks\":%u,\"late_marks\":%u", r->marks, r->late_marks);
}

static void
write_json(FILE *f, const struct options *o, const struct outcome *out)
{
	struct stats *sum = sum_up(o, NULL);

	fprintf(f,
		"{\"version\":1,\"begin_ms\":%llu,\"elapsed_us\":%llu,\"active_us\":%llu,"
		"\"abandoned\":%llu,",
		(ull)out->begin_wall_ms, (ull)out->elapsed_us, (ull)out->active_us,
		(ull)out->abandoned);
	json_stats(f, sum);
	if (sum->failed == 0)
		fprintf(f, ",\"failure_rate_below\":%.9f", upper_bound(requests(sum)));
	free(sum);
	fputs(",\"targets\":[", f);
	for (size_t i = 0; i < o->targets; i++) {
		const struct target *t = &o->target[i];
		fputs(i == 0 ? "{\"name\":" : ",{\"name\":", f);
		json_text(f, t->name);
		fputs(",", f);
		sum = sum_up(o, t);
		json_stats(f, sum);
		free(sum);
		fputs(",", f);
		json_groups(f, o, t);
		fputs(",", f);
		json_releases(f, &t->releases);
		fputs("}", f);
	}
	fputs("]}\n", f);
}

int
report_json(const char *path, const struct options *o, const struct outcome *out)
{
	size_t size = strlen(path) + 16;
	char *temporary = xrealloc(NULL, size);
	int result = -1;

	snprintf(temporary, size, "%s.%ld", path, (long)getpid());
	FILE *f = fopen(temporary, "w");
	if (f == NULL)
		goto free_name;
	write_json(f, o, out);
	if (fclose(f) == 0 && rename(temporary, path) == 0)
		result = 0;
	else
		unlink(temporary);
free_name:
	free(temporary);
	return result;
}
