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

static void
name_pool(char *path, const char *prefix, int pool)
{
	snprintf(path, PATH_SIZE, FOLDER "/%s%d", prefix, pool);
}

/*
 * A file that kept_allow renames while the folder is read may be missed under both names. So the
 * files of the pools are removed by name afterwards, in the order in which it moves one.
 */
int
kept_forbid(uint32_t address)
{
	char prefix[PREFIX_SIZE], path[PATH_SIZE];
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
	for (int pool = KEPT_POOLS; pool > 0; pool--) {
		name_pool(path, prefix, pool);
		if (unlink(path) < 0 && errno != ENOENT)
			error = errno;
	}
	return error;
}

/* The number of the pool that is allowed, or 0. */
static int
find_allowed(const char *prefix)
{
	char path[PATH_SIZE];
	int pool = KEPT_POOLS;

	do
		name_pool(path, prefix, pool);
	while (access(path, F_OK) != 0 && --pool > 0);
	return pool;
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

/* The number of the first empty pool, or 0. */
static int
find_empty(const struct endpoint *services, size_t nr)
{
	struct mnl_socket *socket = netlink_open(NETLINK_SOCK_DIAG, 0);
	int pool = 1;

	while (socket && pool <= KEPT_POOLS && !is_empty(socket, services, nr, pool))
		pool++;
	netlink_close(socket);
	return socket && pool <= KEPT_POOLS ? pool : 0;
}

/* Makes a file that kept_forbid removes. Returns whether it did. */
static bool
make_file(char made[PATH_SIZE], const char *prefix)
{
	snprintf(made, PATH_SIZE, FOLDER "/%sXXXXXX", prefix);
	int fd = mkstemp(made);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/*
 * The file gets its name by renaming one that was there before the connections were counted: that
 * of the other pool, or one made for it. If another process changes the map in between, its
 * kept_forbid removes that file, and the rename fails.
 */
void
kept_allow(const struct endpoint *services, size_t nr)
{
	char prefix[PREFIX_SIZE], file[PATH_SIZE], name[PATH_SIZE];

	format_prefix(prefix, services[0].address);
	int allowed = find_allowed(prefix);
	if (allowed == 1)
		return;
	if (allowed > 0)
		name_pool(file, prefix, allowed);
	else if (!make_file(file, prefix))
		return;
	int pool = find_empty(services, nr);
	name_pool(name, prefix, pool);
	bool better = pool > 0 && (allowed == 0 || pool < allowed);
	bool renamed = better && rename(file, name) == 0;
	if (allowed == 0 && !renamed)
		unlink(file);
}
