#include "kept.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"

/* root/table makes this folder, so it is there only if the table has rules for all ports. */
#define FOLDER "/run/dokku-kept"

enum {
	REQUEST_SIZE = 256,
	PREFIX_SIZE = INET_ADDRSTRLEN + 1,
	PATH_SIZE = 64,
	/* What the kernel calls the states of a connection. linux/tcp.h has them for itself. */
	STATE_ESTABLISHED = 1,
	STATE_SYN_SENT = 2,
	STATE_CLOSE_WAIT = 8
};

const uint16_t kept_ports[KEPT_PORTS] = { 80, 82, 83, 84, 85 };

bool
kept_is_visited(uint16_t port)
{
	return ntohs(port) == kept_ports[0];
}

bool
kept_is_pool(uint16_t port)
{
	size_t i = 1;

	while (i < KEPT_PORTS && ntohs(port) != kept_ports[i])
		i++;
	return i < KEPT_PORTS;
}

/* Writes "ADDRESS." to prefix, which has PREFIX_SIZE bytes. */
static void
format_prefix(char *prefix, uint32_t address)
{
	inet_ntop(AF_INET, &address, prefix, INET_ADDRSTRLEN);
	prefix[strlen(prefix) + 1] = '\0';
	prefix[strlen(prefix)] = '.';
}

/* --- files ---------------------------------------------------------------------------------- */

int
kept_forbid(uint32_t address)
{
	char prefix[PREFIX_SIZE];
	DIR *folder = opendir(FOLDER);
	const struct dirent *file;
	int error = 0;

	if (!folder)
		return errno == ENOENT ? 0 : errno;
	format_prefix(prefix, address);
	while ((file = readdir(folder)) != NULL) {
		if (strncmp(file->d_name, prefix, strlen(prefix)) == 0 &&
			unlinkat(dirfd(folder), file->d_name, 0) < 0 && errno != ENOENT)
			error = errno;
	}
	closedir(folder);
	return error;
}

static bool
is_allowed(const char *prefix)
{
	char path[PATH_SIZE];

	for (int pool = 1; pool <= KEPT_POOLS; pool++) {
		snprintf(path, sizeof(path), FOLDER "/%s%d", prefix, pool);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

/* --- connections ---------------------------------------------------------------------------- */

/* A program of the kernel's socket filter: is this address the peer, at ports first to last? */
struct filter {
	struct inet_diag_bc_op peer;
	/* These four are a struct inet_diag_hostcond, whose last member has no size. */
	uint8_t family, prefix_len;
	int32_t port;
	uint32_t address;
	struct inet_diag_bc_op first[2], last[2];
};

static struct filter
filter_for(struct endpoint service, uint16_t first, uint16_t last)
{
	/* A step that does not hold jumps four bytes beyond the end, which means no. */
	enum { PEER = 16, BOUND = 8, END = 4 };

	return (struct filter){
		.peer = { INET_DIAG_BC_D_COND, PEER, PEER + 2 * BOUND + END },
		.family = AF_INET,
		.prefix_len = 32,
		.port = -1,
		.address = service.address,
		.first = { { INET_DIAG_BC_D_GE, BOUND, 2 * BOUND + END }, { .no = first } },
		.last = { { INET_DIAG_BC_D_LE, BOUND, BOUND + END }, { .no = last } },
	};
}

static int
count_one(const struct nlmsghdr *header, void *context)
{
	size_t *nr = context;

	(void)header;
	(*nr)++;
	return MNL_CB_OK;
}

/* Whether this host has no connection to the ports first to last of a service. */
static bool
is_unused(struct mnl_socket *socket, struct endpoint service, uint16_t first, uint16_t last)
{
	char buffer[REQUEST_SIZE];
	struct filter filter = filter_for(service, first, last);
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct inet_diag_req_v2 *request;
	size_t nr = 0;

	header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header->nlmsg_seq = 1;
	request = mnl_nlmsg_put_extra_header(header, sizeof(*request));
	request->sdiag_family = AF_INET;
	request->sdiag_protocol = IPPROTO_TCP;
	request->idiag_states =
		1 << STATE_ESTABLISHED | 1 << STATE_SYN_SENT | 1 << STATE_CLOSE_WAIT;
	mnl_attr_put(header, INET_DIAG_REQ_BYTECODE, sizeof(filter), &filter);
	return netlink_exchange(socket, header, count_one, &nr) == 0 && nr == 0;
}

static bool
is_empty(struct mnl_socket *socket, const struct endpoint *services, size_t nr, int pool)
{
	const uint16_t *port = &kept_ports[2 * pool - 1];

	for (size_t i = 0; i < nr; i++) {
		if (!is_unused(socket, services[i], port[0], port[1]))
			return false;
	}
	return true;
}

/* The number of an empty pool, or 0. */
static int
find_empty(const struct endpoint *services, size_t nr)
{
	struct mnl_socket *socket = netlink_open(NETLINK_SOCK_DIAG, 0);
	int pool = KEPT_POOLS;

	while (socket && pool > 0 && !is_empty(socket, services, nr, pool))
		pool--;
	netlink_close(socket);
	return socket ? pool : 0;
}

/*
 * The file gets its name by renaming one that was made before the connections were counted. If the
 * map changes in between, kept_forbid of that process has removed it, and the rename fails.
 */
void
kept_allow(const struct endpoint *services, size_t nr)
{
	char prefix[PREFIX_SIZE], made[PATH_SIZE], name[PATH_SIZE];

	format_prefix(prefix, services[0].address);
	if (is_allowed(prefix))
		return;
	snprintf(made, sizeof(made), FOLDER "/%sXXXXXX", prefix);
	int fd = mkstemp(made);
	if (fd < 0)
		return;
	close(fd);
	int pool = find_empty(services, nr);
	snprintf(name, sizeof(name), FOLDER "/%s%d", prefix, pool);
	if (pool == 0 || rename(made, name) < 0)
		unlink(made);
}
