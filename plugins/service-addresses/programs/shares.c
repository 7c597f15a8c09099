#include "shares.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdlib.h>

#include "util.h"

void
entries_add(struct entries *entries, struct entry entry)
{
	entries->entry = xgrow(entries->entry, entries->nr, sizeof(*entries->entry));
	entries->entry[entries->nr++] = entry;
}

void
entries_release(struct entries *entries)
{
	free(entries->entry);
	*entries = (struct entries){ 0 };
}

struct shares
shares_wanted(const struct line *line)
{
	struct shares wanted = { 0 };

	if (line->nr == 1)
		wanted.single = line->target[0];
	for (size_t i = 0; line->nr > 1 && i < LINES_SHARES; i++)
		wanted.share[i] = line->target[i % line->nr];
	return wanted;
}

static bool
is_empty(const struct shares *shares)
{
	size_t i = 0;

	while (i < LINES_SHARES && endpoint_is_none(shares->share[i]))
		i++;
	return i == LINES_SHARES && endpoint_is_none(shares->single);
}

/*
 * Prints each container of a list once. Containers were dealt out in turn, so the list repeats from
 * where the first one comes again.
 */
static void
print_shares(FILE *out, const struct endpoint share[LINES_SHARES])
{
	char text[ENDPOINT_SIZE];
	size_t nr = 1;

	while (nr < LINES_SHARES && !endpoint_equals(share[nr], share[0]))
		nr++;
	for (size_t i = 0; i < LINES_SHARES; i++) {
		if (endpoint_is_none(share[i]) || !endpoint_equals(share[i], share[i % nr]))
			fputs(" ?", out);
		else if (i < nr)
			fprintf(out, " %s", endpoint_format(share[i], ':', text));
	}
}

void
shares_print(FILE *out, struct endpoint service, const struct shares *shares)
{
	char text[ENDPOINT_SIZE];

	if (is_empty(shares))
		return;
	fputs(endpoint_format(service, ' ', text), out);
	if (endpoint_is_none(shares->single))
		print_shares(out, shares->share);
	else
		fprintf(out, " %s", endpoint_format(shares->single, ':', text));
	putc('\n', out);
}

/* For qsort: by address, then by port. */
static int
by_service(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	uint32_t x = ntohl(a->key.service.address), y = ntohl(b->key.service.address);

	if (x != y)
		return x < y ? -1 : 1;
	return ntohs(a->key.service.port) - ntohs(b->key.service.port);
}

void
shares_print_all(FILE *out, struct entries *entries)
{
	if (entries->nr > 0)
		qsort(entries->entry, entries->nr, sizeof(*entries->entry), by_service);
	for (size_t i = 0, next; i < entries->nr; i = next) {
		struct shares shares = { 0 };

		for (next = i; next < entries->nr &&
			by_service(&entries->entry[next], &entries->entry[i]) == 0;
			next++) {
			const struct entry *entry = &entries->entry[next];

			if (entry->map == MAP_SERVICES)
				shares.single = entry->target;
			else if (entry->key.share < LINES_SHARES)
				shares.share[entry->key.share] = entry->target;
		}
		shares_print(out, entries->entry[i].key.service, &shares);
	}
}
