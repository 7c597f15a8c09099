/*
 * The lines that the address map reads: any bytes. An accepted line must lie in our network, and
 * the map must print the shares that it sets.
 */
#include "lines.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"
#include "require.h"
#include "shares.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte chooses the network: an ordinary one, or one that ends at the last address. */
static struct network
choose_network(uint8_t byte)
{
	struct network network;
	const char *text = byte & 1 ? "255.255.0.0/16" : "10.86.0.0/16";

	require(network_parse(&network, text, strlen(text)));
	return network;
}

/* keep names no container, but the service addresses of one app, and no port. */
static void
check_keep(const struct line *line, const struct network *network)
{
	require(line->nr > 0 && line->nr <= LINES_SHARES);
	for (size_t i = 0; i < line->nr; i++) {
		require(ntohl(line->target[i].address) - network->low < network->half);
		require(line->target[i].port == 0);
	}
}

/* reached names one container, and nothing else. */
static void
check_reached(const struct line *line, const struct network *network)
{
	uint32_t container = ntohl(line->service.address) - network->low;

	require(container >= network->half && container - network->half < network->half);
	require(line->service.port == 0 && line->nr == 0 && line->seconds == 0);
}

static void
check_line(const struct line *line, const struct network *network)
{
	uint32_t service = ntohl(line->service.address) - network->low;
	struct shares shares = shares_wanted(line);

	require(service < network->half && line->service.port != 0);
	require((line->seconds > 0) == (line->verb == LINE_HOLD) && line->seconds <= 3600);
	require(line->nr <= LINES_SHARES);
	require((line->nr > 0) == (line->verb == LINE_SET || line->verb == LINE_ADD));
	for (size_t i = 0; i < line->nr; i++) {
		uint32_t target = ntohl(line->target[i].address) - network->low;
		require(target >= network->half && target - network->half < network->half);
		require(line->target[i].port != 0);
	}
	require(endpoint_is_none(shares.single) == (line->nr != 1));
	for (size_t i = 0; i < LINES_SHARES; i++)
		require(endpoint_is_none(shares.share[i]) == (line->nr < 2));
}

/* Whether each container is named once, as dokku does it. */
static bool
is_distinct(const struct line *line)
{
	for (size_t i = 0; i < line->nr; i++) {
		for (size_t k = 0; k < i; k++) {
			if (endpoint_equals(line->target[i], line->target[k]))
				return false;
		}
	}
	return true;
}

/* A line that the map prints is one that sets the same shares. */
static void
check_print(const struct line *line, const struct network *network)
{
	char *text = NULL;
	size_t size = 0;
	struct lines again = { 0 };
	struct refusal refusal;
	struct shares shares = shares_wanted(line);
	FILE *out = open_memstream(&text, &size);

	fputs("set ", out);
	shares_print(out, line->service, &shares);
	fclose(out);
	require(lines_add(&again, network, text, size - 1, &refusal));
	struct shares printed = shares_wanted(&again.line[0]);
	require(memcmp(&printed, &shares, sizeof(shares)) == 0);
	lines_release(&again);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lines lines = { 0 };
	struct refusal refusal = { "" };
	struct network network;

	if (size == 0)
		return 0;
	network = choose_network(data[0]);
	if (!lines_add(&lines, &network, (const char *)data + 1, size - 1, &refusal))
		require(refusal.reason[0] != '\0' && lines.nr == 0 && !lines.want_list);
	for (size_t i = 0; i < lines.nr; i++) {
		if (lines.line[i].verb == LINE_KEEP) {
			check_keep(&lines.line[i], &network);
			continue;
		}
		if (lines.line[i].verb == LINE_REACHED) {
			check_reached(&lines.line[i], &network);
			continue;
		}
		check_line(&lines.line[i], &network);
		if (lines.line[i].verb == LINE_SET && is_distinct(&lines.line[i]))
			check_print(&lines.line[i], &network);
	}
	lines_release(&lines);
	return 0;
}
