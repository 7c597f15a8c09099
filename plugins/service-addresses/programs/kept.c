#include "kept.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netlink.h"
#include "sockets.h"

/* root/table makes this folder, so it is there only if the table has rules for all ports. */
#define FOLDER "/run/dokku-kept"

enum { PREFIX_SIZE = INET_ADDRSTRLEN + 1, PATH_SIZE = 64 };

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
	const uint32_t states = SOCKETS_ESTABLISHED | SOCKETS_SYN_SENT | SOCKETS_CLOSE_WAIT;
	size_t nr = 0;

	return sockets_list(socket, service.address, first, last, states, count_one, &nr) == 0 &&
		nr == 0;
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
 * The file gets its name by renaming one that was made before the connections were counted. If
 * another process changes the map in between, its kept_forbid removes that file, and the rename
 * fails.
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
