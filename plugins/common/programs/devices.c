#define _GNU_SOURCE 1

#include "devices.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "engines.h"

/* Whether process has the device open. Nothing is opened for that. */
static bool
has_open(const char *process, const struct stat *device)
{
	char path[PATH_MAX];
	struct dirent *entry;
	struct stat status;
	bool has = false;

	snprintf(path, sizeof(path), "/proc/%s/fd", process);
	DIR *files = opendir(path);
	while (files && !has && (entry = readdir(files)))
		has = fstatat(dirfd(files), entry->d_name, &status, 0) == 0 &&
			status.st_dev == device->st_dev && status.st_ino == device->st_ino;
	if (files)
		closedir(files);
	return has;
}

static void
end_readers(const struct stat *device)
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;
	bool ended = false;

	while (processes && (entry = readdir(processes))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 1 && engines_is(entry->d_name) && has_open(entry->d_name, device))
			ended = kill(pid, SIGKILL) == 0 || ended;
	}
	if (processes)
		closedir(processes);
	if (ended)
		engines_forget_starts();
}

void
devices_refuse(int root, const char *name, const struct stat *device)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT,
	};

	/* /dev/null may stay, because a read of it ends at once. */
	if (S_ISCHR(device->st_mode) && device->st_rdev == makedev(1, 3))
		return;
	int folder = (int)syscall(SYS_openat2, root, "etc", &how, sizeof(how));
	if (folder != -1) {
		unlinkat(folder, name, 0);
		close(folder);
	}
	end_readers(device);
}
