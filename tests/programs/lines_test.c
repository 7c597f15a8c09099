/* The map's input: addresses, lines, the shares they ask for, and how the map is printed. */
#include "lines.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "kept.h"
#include "network.h"
#include "shares.h"
#include "test.h"

/* 10.86.0.0/16. */
static const struct network network = { 0x0a560000, 0x8000 };

static void
networks(void)
{
	static const struct {
		const char *text;
		bool good;
		struct network want;
	} table[] = {
		{ "10.86.0.0/16", true, { 0x0a560000, 0x8000 } },
		{ "10.0.0.0/8", true, { 0x0a000000, 0x800000 } },
		{ "10.1.2.0/30", true, { 0x0a010200, 2 } },
		{ "128.0.0.0/1", true, { 0x80000000, 0x40000000 } },
		{ "10.86.0.0/31", false, { 0, 0 } },
		{ "10.86.0.0/0", false, { 0, 0 } },
		{ "10.86.0.0/016", false, { 0, 0 } },
		{ "10.86.0.0/16 ", false, { 0, 0 } },
		{ "10.86.0.0/", false, { 0, 0 } },
		{ "10.86.0.0", false, { 0, 0 } },
		{ "10.86.0/16", false, { 0, 0 } },
		{ "10.86.0.0.0/16", false, { 0, 0 } },
		{ "10.86..0/16", false, { 0, 0 } },
		{ "10.256.0.0/16", false, { 0, 0 } },
		{ "", false, { 0, 0 } },
		{ "/", false, { 0, 0 } },
	};

	for (size_t i = 0; i < TEST_COUNT(table); i++) {
		struct network got = { 0, 0 };
		bool good = network_parse(&got, table[i].text, strlen(table[i].text));

		ROW_INT(good, table[i].good, table[i].text);
		ROW_INT(good ? got.low : 0, table[i].want.low, table[i].text);
		ROW_INT(good ? got.half : 0, table[i].want.half, table[i].text);
	}
}

/* The upper half of a network that ends at the last address. */
static void
last_network(void)
{
	struct network last;
	struct refusal refusal;
	uint32_t address;

	IS(network_parse(&last, "255.255.0.0/16", 14));
	IS(network_parse_address(
		&address, &last, NETWORK_CONTAINERS, "255.255.255.255", 15, &refusal));
	INT(ntohl(address), 0xffffffff);
	IS(!network_parse_address(
		&address, &last, NETWORK_CONTAINERS, "255.255.127.255", 15, &refusal));
	IS(network_parse_address(
		&address, &last, NETWORK_SERVICES, "255.255.127.255", 15, &refusal));
}

#define TWELVE \
	" 10.86.128.1:1 10.86.128.2:1 10.86.128.3:1 10.86.128.4:1 10.86.128.5:1 10.86.128.6:1" \
	" 10.86.128.7:1 10.86.128.8:1 10.86.128.9:1 10.86.128.10:1 10.86.128.11:1 10.86.128.12:1"

/* want: how the map prints the line after it was set, or why it is refused. */
static const struct {
	const char *text;
	const char *want;
} table[] = {
	{ "set 10.86.0.2 80 10.86.128.2:5000", "10.86.0.2 80 10.86.128.2:5000\n" },
	{ "\tset  10.86.0.2\t80 10.86.128.2:5000 ", "10.86.0.2 80 10.86.128.2:5000\n" },
	{ "set 10.86.0.2 80 10.86.128.2:5000 10.86.255.255:65535",
		"10.86.0.2 80 10.86.128.2:5000 10.86.255.255:65535\n" },
	{ "set 10.86.0.2 80" TWELVE, "10.86.0.2 80" TWELVE "\n" },
	{ "set 10.86.0.2 80" TWELVE " 10.86.128.13:1", "1 to 12 containers are needed" },
	{ "set 10.86.0.2 80", "1 to 12 containers are needed" },
	{ "add 10.86.0.2 80 10.86.128.2:5000", "10.86.0.2 80 10.86.128.2:5000\n" },
	{ "add 10.86.0.2 80", "1 to 12 containers are needed" },
	{ "unset 10.86.0.2 80", "" },
	{ "get 10.86.0.2 80", "" },
	{ "unset 10.86.0.2 80 x", "too many words" },
	{ "get 10.86.0.2 80 x", "too many words" },
	{ "reached 10.86.128.2", "" },
	{ "reached", "not an address" },
	{ "reached 10.86.0.2", "not in our network: 10.86.0.2" },
	{ "reached 10.86.128.2 x", "too many words" },
	{ "list x", "too many words" },
	{ "complete x", "too many words" },
	{ "keep 10.86.0.2 10.86.0.3", "" },
	{ "keep", "1 to 12 addresses are needed" },
	{ "keep 10.86.128.2", "not in our network: 10.86.128.2" },
	{ "hold 10.86.0.2 3600", "" },
	{ "hold 10.86.0.2 0", "not 1 to 3600 seconds" },
	{ "hold 10.86.0.2 3601", "not 1 to 3600 seconds" },
	{ "hold 10.86.0.2 05", "not 1 to 3600 seconds" },
	{ "hold 10.86.0.2", "not 1 to 3600 seconds" },
	{ "hold 10.86.0.2 5 6", "too many words" },
	{ "hold 10.86.128.2 5", "not in our network: 10.86.128.2" },
	{ "flush ruleset", "not understood" },
	{ "SET 10.86.0.2 80 10.86.128.2:5000", "not understood" },
	{ "lis", "not understood" },
	{ "set", "not an address" },
	{ "set 10.86.0.2", "not a port" },
	{ "set 10.86.0.2 080 10.86.128.2:5000", "not a port" },
	{ "set 10.86.0.2 0 10.86.128.2:5000", "not a port" },
	{ "set 10.86.0.2 65536 10.86.128.2:5000", "not a port" },
	{ "set 10.86.0.2 8O 10.86.128.2:5000", "not a port" },
	{ "set 10.86.0.2 80 10.86.128.2", "not an address and a port" },
	{ "set 10.86.0.2 80 10.86.128.2:", "not a port" },
	{ "set 10.86.0.2 80 10.86.128.2:1:2", "not a port" },
	{ "set 10.86.0.2 80 :5000", "not an address" },
	{ "set 010.86.0.2 80 10.86.128.2:5000", "not an address" },
	{ "set 10.86.0.256 80 10.86.128.2:5000", "not an address" },
	{ "set 10.86.0.99999999999 80 10.86.128.2:5000", "not an address" },
	{ "set 10.86.0.2.1 80 10.86.128.2:5000", "not an address" },
	{ "set 10.86.128.2 80 10.86.128.2:5000", "not in our network: 10.86.128.2" },
	{ "set 10.85.255.255 80 10.86.128.2:5000", "not in our network: 10.85.255.255" },
	{ "set 10.87.0.0 80 10.86.128.2:5000", "not in our network: 10.87.0.0" },
	{ "set 10.86.0.2 80 10.86.127.255:1", "not in our network: 10.86.127.255" },
	{ "set 10.86.128.0 80 10.86.128.2:1", "not in our network: 10.86.128.0" },
	{ "set 10.86.0.2 80 10.87.0.0:1", "not in our network: 10.87.0.0" },
	{ "set 10.86.127.255 80 10.86.128.0:1", "10.86.127.255 80 10.86.128.0:1\n" },
};

static void
read_and_printed(void)
{
	for (size_t i = 0; i < TEST_COUNT(table); i++) {
		struct lines lines = { 0 };
		struct refusal refusal = { "" };
		char *got = NULL;
		size_t size = 0;

		if (lines_add(&lines, &network, table[i].text, strlen(table[i].text), &refusal)) {
			FILE *out = open_memstream(&got, &size);
			struct shares shares = shares_wanted(&lines.line[0]);

			INT(lines.nr, 1);
			shares_print(out, lines.line[0].service, &shares);
			fclose(out);
		} else {
			INT(lines.nr, 0);
		}
		ROW_TEXT(got ? got : refusal.reason, table[i].want, table[i].text);
		free(got);
		lines_release(&lines);
	}
}

static void
without_a_verb(void)
{
	struct lines lines = { 0 };
	struct refusal refusal;

	IS(lines_add(&lines, &network, "", 0, &refusal));
	IS(lines_add(&lines, &network, " \t", 2, &refusal));
	INT(lines.nr, 0);
	IS(!lines.want_list);
	IS(lines_add(&lines, &network, "list", 4, &refusal));
	IS(lines.want_list);
	IS(!lines_add(&lines, &network, "list\0", 5, &refusal));
	TEXT(refusal.reason, "not understood");
	lines_release(&lines);
}

/* Three containers get four shares each, in turn. */
static void
dealt_out(void)
{
	struct line line = { .verb = LINE_SET, .nr = 3 };

	for (size_t i = 0; i < line.nr; i++)
		line.target[i] = (struct endpoint){ htonl((uint32_t)i + 1), htons(80), 0 };
	struct shares shares = shares_wanted(&line);
	IS(endpoint_is_none(shares.single));
	for (size_t i = 0; i < LINES_SHARES; i++)
		INT(ntohl(shares.share[i].address), i % 3 + 1);
}

static void
add(struct entries *entries, enum map map, uint32_t service, uint32_t share, uint32_t target)
{
	for (size_t i = 0; i < KEPT_PORTS; i++)
		entries_add(entries,
			(struct entry){ .map = map,
				.key = { { htonl(service), htons(kept_ports[i]), 0 }, share },
				.target = { htonl(target), htons(5000), 0 } });
}

/* The kernel gives elements in any order. */
static void
whole_map(void)
{
	struct entries entries = { 0 };
	char *got = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&got, &size);

	for (uint32_t i = 0; i < LINES_SHARES; i++)
		add(&entries, MAP_SHARES, 0x0a560003, LINES_SHARES - 1 - i, 0x0a568002 + i % 2);
	add(&entries, MAP_SERVICES, 0x0a560102, 0, 0x0a568009);
	add(&entries, MAP_SERVICES, 0x0a560002, 0, 0x0a568001);
	/* A list that is not whole, and a share that nobody asks for. */
	add(&entries, MAP_SHARES, 0x0a560004, 0, 0x0a568002);
	add(&entries, MAP_SHARES, 0x0a560004, 99, 0x0a568002);
	/* As an older version left it: the ports of pools have other containers, or none. */
	add(&entries, MAP_SERVICES, 0x0a560103, 0, 0x0a568009);
	entries.entry[entries.nr - 1].target.port = htons(5001);
	add(&entries, MAP_SERVICES, 0x0a560104, 0, 0x0a568009);
	entries.nr -= KEPT_PORTS - 1;
	shares_print_all(out, &entries);
	fclose(out);
	TEXT(got,
		"10.86.0.2 80 10.86.128.1:5000\n"
		"10.86.0.3 80 10.86.128.3:5000 10.86.128.2:5000\n"
		"10.86.0.4 80 10.86.128.2:5000 ? ? ? ? ? ? ? ? ? ? ?\n"
		"10.86.1.2 80 10.86.128.9:5000\n"
		"10.86.1.3 80 10.86.128.9:5000 ?\n"
		"10.86.1.4 80 10.86.128.9:5000 ?\n");
	free(got);
	entries_release(&entries);
}

int
main(void)
{
	networks();
	last_network();
	read_and_printed();
	without_a_verb();
	dealt_out();
	whole_map();
	return test_end("lines_test");
}
