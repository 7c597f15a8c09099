/*
 * What the kernel says to the map, the guard and the ports. The messages are recorded ones, which
 * are also the fuzzer's corpus. Run it at the top of the repository.
 */
#include "replies.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "links.h"
#include "netlink.h"
#include "test.h"
#include "util.h"

#define CORPUS "tests/fuzz/corpus/replies/"

struct recording {
	char *bytes;
	size_t size;
};

/* Reads a file of the corpus, without its first byte. The caller frees the bytes. */
static struct recording
play(const char *path)
{
	struct recording recording = { xrealloc(NULL, 16384, 1), 0 };
	FILE *file = fopen(path, "re");

	if (IS(file != NULL)) {
		(void)fgetc(file);
		recording.size = fread(recording.bytes, 1, 16384, file);
		fclose(file);
	}
	return recording;
}

/* What the map prints of an answer, or what is wrong with it. The caller frees it. */
static char *
printed(const char *path, enum map map)
{
	struct recording recording = play(path);
	struct replies replies = { .map = map };
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (netlink_run(recording.bytes, recording.size, 0, 0, replies_collect, &replies) < 0)
		fputs(strerror(errno), out);
	else
		shares_print_all(out, &replies.entries);
	fclose(out);
	entries_release(&replies.entries);
	free(recording.bytes);
	return text;
}

static void
maps(void)
{
	static const struct {
		const char *path;
		enum map map;
		const char *want;
	} table[] = {
		{ CORPUS "services", MAP_SERVICES,
			"10.86.0.2 80 10.86.128.2:5000 ?\n10.86.0.3 81 10.86.128.3:5000\n" },
		{ CORPUS "shares", MAP_SHARES,
			"10.86.0.4 80 10.86.128.2:5000 10.86.128.3:5000 ? ? ? ? ? ? ? ? ? ? ?\n" },
		/* A map whose elements are not like ours. */
		{ CORPUS "shares", MAP_SERVICES, "Bad message" },
		{ CORPUS "services", MAP_SHARES, "Bad message" },
		{ CORPUS "no-map", MAP_SERVICES, "No such file or directory" },
	};

	for (size_t i = 0; i < TEST_COUNT(table); i++) {
		char *got = printed(table[i].path, table[i].map);
		ROW_TEXT(got, table[i].want, table[i].path);
		free(got);
	}
}

static void
counters(void)
{
	static const struct {
		const char *path;
		uint64_t want; /* 0 for what is no counter */
	} table[] = {
		{ CORPUS "counter", 4 },
		{ CORPUS "services", 0 },
		{ CORPUS "links", 0 },
	};

	for (size_t i = 0; i < TEST_COUNT(table); i++) {
		struct recording recording = play(table[i].path);
		uint64_t got = 0;
		int end = netlink_run(recording.bytes, recording.size, 0, 0, replies_count, &got);

		ROW_INT(end < 0 ? 0 : got, table[i].want, table[i].path);
		ROW_INT(end < 0 ? errno : 0, table[i].want ? 0 : EBADMSG, table[i].path);
		free(recording.bytes);
	}
}

static int
count_event(const struct nlmsghdr *header, void *context)
{
	unsigned *count = context;

	count[replies_event(header)]++;
	return MNL_CB_OK;
}

/* A chain was added to the table nat, and the map's table was deleted. */
static void
events(void)
{
	struct recording recording = play(CORPUS "events");
	unsigned count[] = { [EVENT_OTHER] = 0, [EVENT_LOST] = 0, [EVENT_DOCKER] = 0 };

	netlink_run(recording.bytes, recording.size, 0, 0, count_event, count);
	INT(count[EVENT_DOCKER], 1);
	IS(count[EVENT_LOST] > 0);
	IS(count[EVENT_OTHER] > 0);
	free(recording.bytes);
}

/* The bridge has the index 2 and one port, which has the index 4 and a sticky entry. */
static void
bridge(void)
{
	static struct links links = { .bridge = 2 };
	struct recording recording = play(CORPUS "links");
	struct link_mac mac = { 0 };
	struct link_entry entries[] = { { .index = 4 }, { .index = 3 } };

	netlink_run(recording.bytes, recording.size, 0, 0, links_collect, &links);
	netlink_run(recording.bytes, recording.size, 0, 0, links_read_mac, &mac);
	INT(links.nr, 1);
	INT(links.port[0].index, 4);
	IS(mac.is_known);
	links = (struct links){ .bridge = 9 };
	netlink_run(recording.bytes, recording.size, 0, 0, links_collect, &links);
	INT(links.nr, 0);
	free(recording.bytes);
	recording = play(CORPUS "neighbours");
	for (size_t i = 0; i < TEST_COUNT(entries); i++)
		netlink_run(recording.bytes, recording.size, 0, 0, links_read_entry, &entries[i]);
	IS(entries[0].is_sticky);
	IS(!entries[1].is_sticky);
	free(recording.bytes);
}

static void
answers(void)
{
	struct recording recording = play(CORPUS "refused");
	struct netlink_answer answer = { 0 };

	netlink_read_answer(&answer, recording.bytes, recording.size);
	IS(answer.is_acknowledged);
	INT(answer.error, ENOENT);
	/* A message that is cut off says nothing. */
	answer = (struct netlink_answer){ 0 };
	netlink_read_answer(&answer, recording.bytes, 15);
	IS(!answer.is_acknowledged);
	free(recording.bytes);
}

/* libmnl takes a length of 2^31 or more for a negative one, and would read far beyond the end. */
static void
endless_message(void)
{
	struct nlmsghdr header = { .nlmsg_len = 0xfffffff0 };
	struct netlink_answer answer = { 0 };

	INT(netlink_run(&header, sizeof(header), 0, 0, NULL, NULL), -1);
	INT(errno, EBADMSG);
	netlink_read_answer(&answer, &header, sizeof(header));
	IS(!answer.is_acknowledged);
}

int
main(void)
{
	maps();
	counters();
	events();
	bridge();
	answers();
	endless_message();
	return test_end("replies_test");
}
