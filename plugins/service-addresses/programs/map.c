/*
 * Changes and reads the address map in the kernel, for the user dokku: a file capability
 * (CAP_NET_ADMIN) and the group let that user run it, and nobody else.
 *
 * stdin, a line each, all of it in one kernel transaction or none:
 *   set SERVICE PORT IP:PORT…   connections to SERVICE:PORT go to these, in turn; at most SHARES
 *   unset SERVICE PORT          they are refused
 *   get SERVICE PORT            afterwards, what the kernel says of it on stdout, as list does
 *   list                        afterwards, the whole map on stdout, as "set" lines without the
 * word; a "?" for shares that are not those of a list dealt out in turn SERVICE must lie in the
 * lower half of our network (/etc/dokku/network), IP in the upper one.
 *
 * The table is root/table's, which tells more. An address with one container has an element in the
 * map services, one with more has SHARES of them in shares. What is there is read first, element by
 * element, so that the time does not grow with the map, and what already is as it should be is not
 * touched; who was overtaken by somebody else's change begins again.
 *
 * With --unreachable or --guard it does what programs/guard.h tells instead.
 *
 * Exit status: 0; 3 where there is no such table, or one of an older version, and for list where the
 * bridge's table is missing (root/bridge, unless a chain no_bridge says that the kernel cannot); else 1 and a line on
 * stderr, and nothing has changed.
 */
#include "guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	SHARES = 12,
	NO_TABLE = 3,
	TRIES = 100,
	OP_SIZE = 256,
	REQUEST_SIZE = 1024,
	REPLY_SIZE = 65536
};

static const char TABLE[] = "dokku";
static const char *const MAPS[] = { "services", "shares" };
enum map { ADDRESSES, SHARED };

/* An address and a port as the kernel keeps them in keys and data: network byte order, padded. */
struct endpoint {
	uint32_t address;
	uint16_t port;
	uint16_t padding;
};

/* The key of services without the share, which is in the host's byte order, as numgen is. */
struct key {
	struct endpoint service;
	uint32_t share;
};

/* One line of stdin. An endpoint of all zeros is none. */
struct line {
	struct endpoint service;
	enum { SET, UNSET, GET } verb;
	size_t nr;
	struct endpoint target[SHARES];
};

/* What one address has, or should have: services' element, then those of shares. */
struct elements {
	struct endpoint single;
	struct endpoint share[SHARES];
};

struct entry {
	struct key key;
	enum map map;
	struct endpoint target;
};

static struct line *lines;
static size_t lines_nr;
static bool want_list;
static uint32_t low, half;
static struct mnl_socket *kernel;
static uint32_t sequence;

static _Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

static _Noreturn void
fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs(" !     address map: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static void *
grow(void *array, size_t nr, size_t size)
{
	if ((nr & (nr - 1)) != 0)
		return array;
	array = realloc(array, (nr == 0 ? 1 : 2 * nr) * size);
	if (!array)
		fail("out of memory");
	return array;
}

static bool
is_none(struct endpoint e)
{
	return e.port == 0;
}

static bool
same(struct endpoint a, struct endpoint b)
{
	return a.address == b.address && a.port == b.port;
}

/* --- what stdin says ------------------------------------------------------------------------ */

/* Digits without a leading zero, at most max; moves *text behind them. */
static uint32_t
parse_number(const char **text, uint32_t max, const char *what)
{
	const char *p = *text;
	uint32_t n = 0;

	if (*p == '0' && p[1] >= '0' && p[1] <= '9')
		fail("not %s", what);
	while (*p >= '0' && *p <= '9') {
		n = 10 * n + (uint32_t)(*p++ - '0');
		if (n > max)
			fail("not %s", what);
	}
	if (p == *text)
		fail("not %s", what);
	*text = p;
	return n;
}

/* In the host's byte order; end: the character that has to come after it. */
static uint32_t
parse_address(const char *text, char end)
{
	uint32_t address = 0;

	for (int i = 0; i < 4; i++) {
		address = address << 8 | parse_number(&text, 255, "an address");
		if (*text++ != (i < 3 ? '.' : end))
			fail("not an address");
	}
	return address;
}

static uint16_t
parse_port(const char *text)
{
	uint32_t port = parse_number(&text, 65535, "a port");

	if (*text != '\0' || port == 0)
		fail("not a port");
	return htons((uint16_t)port);
}

/* which: the half of our network that the address has to lie in, 0 or 1. */
static uint32_t
parse_own_address(const char *text, char end, uint32_t which)
{
	uint32_t address = parse_address(text, end);
	/* Also right where the network ends at 255.255.255.255. */
	uint32_t offset = address - low;

	if (address < low || offset < which * half || offset - which * half >= half)
		fail("not in our network: %.*s", (int)strcspn(text, ": \t"), text);
	return htonl(address);
}

static void
read_network(void)
{
	char text[64];
	FILE *file = fopen("/etc/dokku/network", "re");

	if (!file || !fgets(text, sizeof(text), file))
		fail("/etc/dokku/network is missing: run make install");
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
	const char *bits_text = strchr(text, '/');
	if (!bits_text)
		fail("/etc/dokku/network is not understood");
	bits_text++;
	uint32_t bits = parse_number(&bits_text, 30, "the width of a network");
	if (bits == 0 || *bits_text != '\0')
		fail("/etc/dokku/network is not understood");
	low = parse_address(text, '/');
	half = (uint32_t)1 << (31 - bits);
}

static void
parse_targets(struct line *line, const char *word, char **rest)
{
	for (; word; word = strtok_r(NULL, " \t", rest)) {
		const char *colon = strrchr(word, ':');

		if (line->nr == SHARES)
			fail("1 to %d containers are needed", SHARES);
		if (!colon)
			fail("not an address and a port");
		struct endpoint *target = &line->target[line->nr++];
		target->address = parse_own_address(word, ':', 1);
		target->port = parse_port(colon + 1);
	}
	if (line->nr == 0)
		fail("1 to %d containers are needed", SHARES);
}

static void
parse_line(char *text)
{
	const char *const verbs[] = { "set", "unset", "get" };
	char *rest = NULL;
	const char *verb = strtok_r(text, " \t", &rest), *service = strtok_r(NULL, " \t", &rest);
	const char *port = strtok_r(NULL, " \t", &rest), *next = strtok_r(NULL, " \t", &rest);
	struct line line = { .verb = SET };

	if (!verb)
		return;
	if (strcmp(verb, "list") == 0) {
		if (service)
			fail("too many words");
		want_list = true;
		return;
	}
	while (strcmp(verb, verbs[line.verb]) != 0) {
		if (++line.verb > GET)
			fail("not understood");
	}
	line.service.address = parse_own_address(service ? service : "", '\0', 0);
	line.service.port = parse_port(port ? port : "");
	if (line.verb == SET)
		parse_targets(&line, next, &rest);
	else if (next)
		fail("too many words");
	lines = grow(lines, lines_nr, sizeof(*lines));
	lines[lines_nr++] = line;
}

static void
read_lines(void)
{
	char *text = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&text, &size, stdin)) > 0) {
		if (memchr(text, '\0', (size_t)n))
			fail("not understood");
		text[strcspn(text, "\n")] = '\0';
		parse_line(text);
	}
	free(text);
}

/* --- the kernel's side ---------------------------------------------------------------------- */

/* A message about elements of one map, with room for one element. */
static struct nlmsghdr *
message(void *at, uint16_t type, uint16_t flags, enum map map, struct nftnl_set **set)
{
	struct nlmsghdr *header = nftnl_nlmsg_build_hdr(at, type, NFPROTO_IPV4, flags, ++sequence);

	*set = nftnl_set_alloc();
	if (!*set)
		fail("out of memory");
	nftnl_set_set_str(*set, NFTNL_SET_TABLE, TABLE);
	nftnl_set_set_str(*set, NFTNL_SET_NAME, MAPS[map]);
	return header;
}

static void
add_element(struct nftnl_set *set, const struct entry *entry, bool with_data)
{
	struct nftnl_set_elem *element = nftnl_set_elem_alloc();
	uint32_t key_size = entry->map == SHARED ? sizeof(struct key) : sizeof(struct endpoint);

	if (!element)
		fail("out of memory");
	nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, &entry->key, key_size);
	if (with_data)
		nftnl_set_elem_set(
			element, NFTNL_SET_ELEM_DATA, &entry->target, sizeof(entry->target));
	nftnl_set_elem_add(set, element);
}

/* Returns 0, or the error that the kernel gives. Messages with answers go to on_answer. */
static int
exchange(struct nlmsghdr *request, mnl_cb_t on_answer, void *context)
{
	char buffer[REPLY_SIZE];
	ssize_t n;
	int more = 1;

	if (mnl_socket_sendto(kernel, request, request->nlmsg_len) < 0)
		return errno;
	while (more > 0) {
		n = mnl_socket_recvfrom(kernel, buffer, sizeof(buffer));
		if (n <= 0)
			return n == 0 ? EIO : errno;
		more = mnl_cb_run(buffer, (size_t)n, request->nlmsg_seq,
			mnl_socket_get_portid(kernel), on_answer, context);
		if (more < 0)
			return errno;
	}
	return 0;
}

struct found {
	enum map map;
	struct entry *entry;
	size_t nr;
};

static int
collect_element(struct nftnl_set_elem *element, void *context)
{
	struct found *found = context;
	struct entry entry = { .map = found->map };
	size_t key_size = found->map == SHARED ? sizeof(struct key) : sizeof(struct endpoint);
	uint32_t size, data_size;
	const void *key = nftnl_set_elem_get(element, NFTNL_SET_ELEM_KEY, &size);
	const void *data = nftnl_set_elem_get(element, NFTNL_SET_ELEM_DATA, &data_size);

	if (!key || size != key_size || !data || data_size != sizeof(entry.target))
		fail("the kernel's table is not understood; nothing was changed");
	memcpy(&entry.key, key, key_size);
	memcpy(&entry.target, data, sizeof(entry.target));
	found->entry = grow(found->entry, found->nr, sizeof(*found->entry));
	found->entry[found->nr++] = entry;
	return 0;
}

static int
collect(const struct nlmsghdr *header, void *context)
{
	struct nftnl_set *set = nftnl_set_alloc();

	if (!set || nftnl_set_elems_nlmsg_parse(header, set) < 0)
		fail("the kernel's answer is not understood; nothing was changed");
	nftnl_set_elem_foreach(set, collect_element, context);
	nftnl_set_free(set);
	return MNL_CB_OK;
}

static _Noreturn void
fail_to_read(int error)
{
	if (error == EPERM)
		fail("the kernel does not let us: run make install");
	fail("the kernel's table cannot be read: %s; nothing was changed", strerror(error));
}

/* Both maps are there, or the program ends. */
static void
require_table(void)
{
	char buffer[REQUEST_SIZE];
	struct nftnl_set *set;

	for (int map = ADDRESSES; map <= SHARED; map++) {
		struct nlmsghdr *request =
			message(buffer, NFT_MSG_GETSET, NLM_F_ACK, (enum map)map, &set);
		nftnl_set_nlmsg_build_payload(request, set);
		nftnl_set_free(set);
		int error = exchange(request, NULL, NULL);
		if (error == ENOENT)
			exit(NO_TABLE);
		if (error)
			fail_to_read(error);
	}
}

static int
look_for_chain(uint16_t family, const char *name)
{
	char buffer[REQUEST_SIZE];
	struct nlmsghdr *request = nftnl_nlmsg_build_hdr(
		buffer, NFT_MSG_GETCHAIN, family, NLM_F_ACK, ++sequence);

	mnl_attr_put_strz(request, NFTA_CHAIN_TABLE, TABLE);
	mnl_attr_put_strz(request, NFTA_CHAIN_NAME, name);
	return exchange(request, NULL, NULL);
}

/* The bridge's table is there, or the kernel has none, or the program ends. */
static void
require_bridge(void)
{
	if (look_for_chain(NFPROTO_BRIDGE, "between") != 0 &&
		look_for_chain(NFPROTO_IPV4, "no_bridge") != 0)
		exit(NO_TABLE);
}

static struct endpoint
read_element(enum map map, struct endpoint service, uint32_t share)
{
	char buffer[REQUEST_SIZE];
	struct entry entry = { .key = { service, share }, .map = map };
	struct found found = { .map = map };
	struct nftnl_set *set;
	struct nlmsghdr *request = message(buffer, NFT_MSG_GETSETELEM, NLM_F_ACK, map, &set);
	struct endpoint target = { 0 };

	add_element(set, &entry, false);
	nftnl_set_elems_nlmsg_build_payload(request, set);
	nftnl_set_free(set);
	int error = exchange(request, collect, &found);
	if (error && error != ENOENT)
		fail_to_read(error);
	if (found.nr > 0)
		target = found.entry[0].target;
	free(found.entry);
	return target;
}

static struct elements
read_elements(struct endpoint service)
{
	struct elements present = { .single = read_element(ADDRESSES, service, 0) };

	for (uint32_t i = 0; i < SHARES; i++)
		present.share[i] = read_element(SHARED, service, i);
	return present;
}

static struct elements
wanted_elements(const struct line *line)
{
	struct elements wanted = { 0 };

	if (line->nr == 1)
		wanted.single = line->target[0];
	for (size_t i = 0; line->nr > 1 && i < SHARES; i++)
		wanted.share[i] = line->target[i % line->nr];
	return wanted;
}

/* --- a change ------------------------------------------------------------------------------- */

struct batch {
	char *at;
	size_t size, used;
	size_t changes;
};

static void
make_room(struct batch *batch)
{
	if (batch->size - batch->used >= OP_SIZE)
		return;
	batch->size = batch->size == 0 ? 65536 : 2 * batch->size;
	batch->at = realloc(batch->at, batch->size);
	if (!batch->at)
		fail("out of memory");
}

static void
add_change(struct batch *batch, uint16_t type, uint16_t flags, const struct entry *entry)
{
	struct nftnl_set *set;

	make_room(batch);
	struct nlmsghdr *header =
		message(batch->at + batch->used, type, flags | NLM_F_ACK, entry->map, &set);
	add_element(set, entry, type == NFT_MSG_NEWSETELEM);
	nftnl_set_elems_nlmsg_build_payload(header, set);
	nftnl_set_free(set);
	batch->used += header->nlmsg_len;
	batch->changes++;
}

static void
replace(struct batch *batch, enum map map, struct key key, struct endpoint present,
	struct endpoint wanted)
{
	struct entry entry = { .key = key, .map = map, .target = wanted };

	if (same(present, wanted))
		return;
	if (!is_none(present))
		add_change(batch, NFT_MSG_DELSETELEM, 0, &entry);
	if (!is_none(wanted))
		add_change(batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, &entry);
}

/* What the kernel said to a batch: it has said all of it when sendto returns. */
static int
first_error(void)
{
	char buffer[REPLY_SIZE];
	int error = 0, acknowledged = 0;
	ssize_t n;

	while ((n = recv(mnl_socket_get_fd(kernel), buffer, sizeof(buffer), MSG_DONTWAIT)) > 0) {
		int left = (int)n;

		for (struct nlmsghdr *h = (struct nlmsghdr *)buffer; mnl_nlmsg_ok(h, left);
			h = mnl_nlmsg_next(h, &left)) {
			const struct nlmsgerr *answer = mnl_nlmsg_get_payload(h);

			if (h->nlmsg_type != NLMSG_ERROR)
				continue;
			acknowledged = 1;
			if (answer->error && !error)
				error = -answer->error;
		}
	}
	return error || acknowledged ? error : EIO;
}

static int
commit(struct batch *batch)
{
	make_room(batch);
	struct nlmsghdr *end = nftnl_batch_end(batch->at + batch->used, ++sequence);
	batch->used += end->nlmsg_len;
	if (mnl_socket_sendto(kernel, batch->at, batch->used) < 0)
		return errno;
	return first_error();
}

/* Returns 0, ENOENT or EEXIST if somebody else has changed it meanwhile, or another error. */
static int
try_change(void)
{
	struct batch batch = { 0 };
	int error = 0;

	make_room(&batch);
	batch.used = nftnl_batch_begin(batch.at, ++sequence)->nlmsg_len;
	for (size_t i = 0; i < lines_nr; i++) {
		const struct line *line = &lines[i];
		struct elements present, wanted = wanted_elements(line);

		if (line->verb == GET)
			continue;
		present = read_elements(line->service);
		replace(&batch, ADDRESSES, (struct key){ .service = line->service }, present.single,
			wanted.single);
		for (uint32_t k = 0; k < SHARES; k++)
			replace(&batch, SHARED, (struct key){ line->service, k }, present.share[k],
				wanted.share[k]);
	}
	if (batch.changes > 0)
		error = commit(&batch);
	free(batch.at);
	return error;
}

static void
change(void)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	int error = ENOENT;

	for (int i = 0; i < TRIES && (error == ENOENT || error == EEXIST); i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		error = try_change();
	}
	if (error)
		fail("the kernel refused the change: %s; nothing was changed", strerror(error));
}

/* --- what is there -------------------------------------------------------------------------- */

static void
print_target(struct endpoint target)
{
	char text[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &target.address, text, sizeof(text));
	printf(" %s:%u", text, ntohs(target.port));
}

/* An address that is in both maps goes by services, as the rules of the table do. */
static void
print_elements(struct endpoint service, const struct elements *present)
{
	char text[INET_ADDRSTRLEN];
	size_t nr = 1;

	if (is_none(present->single)) {
		size_t i = 0;
		while (i < SHARES && is_none(present->share[i]))
			i++;
		if (i == SHARES)
			return;
	}
	inet_ntop(AF_INET, &service.address, text, sizeof(text));
	printf("%s %u", text, ntohs(service.port));
	if (!is_none(present->single)) {
		print_target(present->single);
		putchar('\n');
		return;
	}
	while (nr < SHARES && !same(present->share[nr], present->share[0]))
		nr++;
	for (size_t i = 0; i < SHARES; i++) {
		if (is_none(present->share[i]) || !same(present->share[i], present->share[i % nr]))
			fputs(" ?", stdout);
		else if (i < nr)
			print_target(present->share[i]);
	}
	putchar('\n');
}

static int
by_key(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	uint32_t x = ntohl(a->key.service.address), y = ntohl(b->key.service.address);

	if (x != y)
		return x < y ? -1 : 1;
	return ntohs(a->key.service.port) - ntohs(b->key.service.port);
}

static void
dump(struct found *found)
{
	char buffer[REQUEST_SIZE];
	struct nftnl_set *set;
	struct nlmsghdr *request =
		message(buffer, NFT_MSG_GETSETELEM, NLM_F_DUMP, found->map, &set);

	nftnl_set_elems_nlmsg_build_payload(request, set);
	nftnl_set_free(set);
	int error = exchange(request, collect, found);
	if (error)
		fail_to_read(error);
}

static void
print_map(void)
{
	struct found found = { .map = ADDRESSES };

	dump(&found);
	found.map = SHARED;
	dump(&found);
	if (found.nr > 0)
		qsort(found.entry, found.nr, sizeof(*found.entry), by_key);
	for (size_t i = 0, next; i < found.nr; i = next) {
		struct elements present = { 0 };

		for (next = i; next < found.nr && by_key(&found.entry[next], &found.entry[i]) == 0;
			next++) {
			const struct entry *entry = &found.entry[next];
			if (entry->map == ADDRESSES)
				present.single = entry->target;
			else if (entry->key.share < SHARES)
				present.share[entry->key.share] = entry->target;
		}
		print_elements(found.entry[i].key.service, &present);
	}
	free(found.entry);
}

static void
open_kernel(void)
{
	kernel = mnl_socket_open(NETLINK_NETFILTER);
	if (!kernel || mnl_socket_bind(kernel, 0, MNL_SOCKET_AUTOPID) < 0)
		fail("the kernel's netfilter cannot be reached: %s; nothing was changed",
			strerror(errno));
	sequence = (uint32_t)time(NULL);
}

/* What root/by-nginx reads. */
static void
print_lines(void)
{
	char text[INET_ADDRSTRLEN];
	bool question = want_list;

	for (size_t i = 0; i < lines_nr; i++) {
		const struct line *line = &lines[i];

		question = question || line->verb == GET;
		if (line->verb == GET)
			continue;
		inet_ntop(AF_INET, &line->service.address, text, sizeof(text));
		printf("%s:%u", text, ntohs(line->service.port));
		for (size_t k = 0; k < line->nr; k++)
			print_target(line->target[k]);
		putchar('\n');
	}
	if (question)
		puts("list");
}

int
main(int argc, char **argv)
{
	read_network();
	if (argc == 2 && strcmp(argv[1], "--guard") == 0)
		return guard_run((struct guard_network){ low, half });
	if (argc == 2 && strcmp(argv[1], "--unreachable") == 0) {
		int error = guard_route((struct guard_network){ low, half });
		if (error)
			fail("the kernel does not take a route: %s", strerror(error));
		return 0;
	}
	read_lines();
	if (argc == 2 && strcmp(argv[1], "--lines") == 0) {
		print_lines();
		return fflush(stdout) == 0 ? 0 : 1;
	}
	if (argc > 1)
		fail("too many words");
	open_kernel();
	require_table();
	if (want_list)
		require_bridge();
	change();
	for (size_t i = 0; i < lines_nr; i++) {
		if (lines[i].verb == GET) {
			struct elements present = read_elements(lines[i].service);
			print_elements(lines[i].service, &present);
		}
	}
	if (want_list)
		print_map();
	if (fflush(stdout) != 0)
		fail("what the map says cannot be printed: %s", strerror(errno));
	return 0;
}
