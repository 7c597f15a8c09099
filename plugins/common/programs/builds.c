#include "builds.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROCESSES = 4096, TEXT_SIZE = 32 };

/*
 * The groups. Engines that leave groups to systemd have one of the first two for all builds, which
 * stays, or a scope for each step, whose id has 25 characters; those of containers have 64.
 */
static const char *const GROUPS[] = {
	"docker/buildkit",
	"system.slice:docker:/buildkit",
	"system.slice/docker-?????????????????????????.scope",
};

/* The files of a limit. In version 1 of cgroups each controller has a folder of its own. */
static const struct limit {
	const char *controller;
	const char *file;
} PROCESS_FILES[] = { { "", "pids.max" }, { "pids/", "pids.max" } },
  MEMORY_FILES[] = { { "", "memory.max" }, { "memory/", "memory.limit_in_bytes" } };

/* Whether text is what the kernel says of a group without a limit. */
static bool
is_unlimited(const char *text)
{
	return strncmp(text, "max", 3) == 0 || strtoull(text, NULL, 10) > LLONG_MAX / 2;
}

/* Writes the limit to the file at path, unless that has one. A group can end at any time. */
static void
set_limit(const char *path, unsigned long long limit)
{
	char text[TEXT_SIZE];
	int file = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (file == -1)
		return;
	ssize_t n = read(file, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = '\0';
	if (n > 0 && is_unlimited(text)) {
		int size = snprintf(text, sizeof(text), "%llu\n", limit);

		while (pwrite(file, text, (size_t)size, 0) == -1 && errno == EINTR)
			continue;
	}
	close(file);
}

static void
set_limits(
	const char *cgroups, const struct limit *where, const char *group, unsigned long long limit)
{
	char pattern[PATH_MAX];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/%s%s/%s", cgroups, where->controller, group,
		where->file);
	if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		set_limit(found.gl_pathv[i], limit);
	globfree(&found);
}

void
builds_limit(const char *cgroups, unsigned long long memory)
{
	for (size_t i = 0; i < sizeof(GROUPS) / sizeof(*GROUPS); i++)
		for (int version = 0; version < 2; version++) {
			set_limits(cgroups, &PROCESS_FILES[version], GROUPS[i], PROCESSES);
			set_limits(cgroups, &MEMORY_FILES[version], GROUPS[i], memory);
		}
}
