/*
 * The kernel's answers: any bytes as netlink messages. The first byte says which code reads them:
 * that for one of the two maps, for an answer to a change, for events, for links, or for a counter.
 */
#include "replies.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "links.h"
#include "netlink.h"
#include "require.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
ask_map(enum map map, const void *bytes, size_t size)
{
	struct replies replies = { .map = map };
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	errno = 0;
	if (netlink_run(bytes, size, 0, 0, replies_collect, &replies) < 0)
		require(errno != 0);
	for (size_t i = 0; i < replies.entries.nr; i++)
		require(replies.entries.entry[i].map == map);
	shares_print_all(out, &replies.entries);
	fclose(out);
	free(text);
	entries_release(&replies.entries);
}

static void
count(const void *bytes, size_t size)
{
	uint64_t packets = 0;

	errno = 0;
	if (netlink_run(bytes, size, 0, 0, replies_count, &packets) < 0)
		require(errno != 0);
}

static int
on_event(const struct nlmsghdr *header, void *context)
{
	(void)context;
	require(replies_event(header) <= EVENT_DOCKER);
	return MNL_CB_OK;
}

static void
ask_ports(const void *bytes, size_t size)
{
	static struct links links;
	struct link_mac mac = { 0 };
	struct link_entry entry = { .index = 4 };

	links.nr = 0;
	links.bridge = 2;
	netlink_run(bytes, size, 0, 0, links_collect, &links);
	for (size_t i = 1; i < links.nr; i++)
		require(links.port[i].index != links.port[0].index);
	netlink_run(bytes, size, 0, 0, links_read_mac, &mac);
	netlink_run(bytes, size, 0, 0, links_read_entry, &entry);
}

static void
read_answer(const void *bytes, size_t size)
{
	struct netlink_answer answer = { 0 };

	netlink_read_answer(&answer, bytes, size);
	require(answer.error == 0 || answer.is_acknowledged);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	/* A copy of the exact size, aligned as what the kernel sends. */
	void *bytes = xcopy((const char *)data + 1, size - 1);
	bytes = xrealloc(bytes, size - 1, 1);
	switch (data[0] % 6) {
	case 0:
		ask_map(MAP_SERVICES, bytes, size - 1);
		break;
	case 1:
		ask_map(MAP_SHARES, bytes, size - 1);
		break;
	case 2:
		netlink_run(bytes, size - 1, 0, 0, on_event, NULL);
		break;
	case 5:
		count(bytes, size - 1);
		break;
	case 3:
		ask_ports(bytes, size - 1);
		break;
	default:
		read_answer(bytes, size - 1);
	}
	free(bytes);
	return 0;
}
