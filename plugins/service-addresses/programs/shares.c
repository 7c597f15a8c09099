#include "shares.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "kept.h"
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

bool
shares_equal(const struct shares *a, const struct shares *b)
{
	size_t i = 0;

	while (i < LINES_SHARES && endpoint_equals(a->share[i], b->share[i]))
		i++;
	return i == LINES_SHARES && endpoint_equals(a->single, b->single);
}

bool
shares_is_empty(const struct shares *shares)
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

	if (shares_is_empty(shares))
		return;
	fputs(endpoint_format(service, ' ', text), out);
	if (endpoint_is_none(shares->single))
		print_shares(out, shares->share);
	else
		fprintf(out, " %s", endpoint_format(shares->single, ':', text));
	fputs(shares->differ ? " ?\n" : "\n", out);
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

/* Adds the elements of the service that begins at entry number i. Returns where the next begins. */
static size_t
take_service(const struct entries *entries, size_t i, struct shares *shares)
{
	size_t next = i;

	for (; next < entries->nr && by_service(&entries->entry[next], &entries->entry[i]) == 0;
		next++) {
		const struct entry *entry = &entries->entry[next];

		if (entry->map == MAP_SERVICES)
			shares->single = entry->target;
		else if (entry->key.share < LINES_SHARES)
			shares->share[entry->key.share] = entry->target;
	}
	return next;
}

/* Whether the ports of nginx's pools have the same elements. They begin at entry number i. */
static bool
pools_equal(const struct entries *entries, size_t i, uint32_t address, const struct shares *first)
{
	size_t equal = 0, next;

	for (; i < entries->nr && entries->entry[i].key.service.address == address; i = next) {
		struct shares other = { 0 };

		next = take_service(entries, i, &other);
		if (kept_is_pool(entries->entry[i].key.service.port) && shares_equal(first, &other))
			equal++;
	}
	return equal == KEPT_PORTS - 1;
}

void
shares_print_all(FILE *out, struct entries *entries)
{
	if (entries->nr > 0)
		qsort(entries->entry, entries->nr, sizeof(*entries->entry), by_service);
	for (size_t i = 0, next; i < entries->nr; i = next) {
		struct endpoint service = entries->entry[i].key.service;
		struct shares shares = { 0 };

		next = take_service(entries, i, &shares);
		if (kept_is_pool(service.port))
			continue;
		shares.differ = kept_is_visited(service.port) &&
			!pools_equal(entries, next, service.address, &shares);
		shares_print(out, service, &shares);
	}
}
