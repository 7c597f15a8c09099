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
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAME_SIZE = 64 };

static const char ENGINE[] = "dockerd\n";

static bool
is_engine(const char *process)
{
	char path[PATH_MAX], name[NAME_SIZE] = "";

	snprintf(path, sizeof(path), "/proc/%s/comm", process);
	FILE *file = fopen(path, "re");
	bool is = file && fgets(name, sizeof(name), file) && strcmp(name, ENGINE) == 0;
	if (file)
		fclose(file);
	return is;
}

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

/*
 * systemd starts an engine that has ended, but not the fourth time within a minute. This makes it
 * forget how often it was.
 */
static void
forget_starts(void)
{
	pid_t child = -1;

	if (access("/run/systemd/system", F_OK) == 0)
		child = fork();
	if (child == 0) {
		execlp("systemctl", "systemctl", "reset-failed", "docker.service", (char *)NULL);
		_exit(1);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
}

static void
end_readers(const struct stat *device)
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;
	bool ended = false;

	while (processes && (entry = readdir(processes))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 1 && is_engine(entry->d_name) && has_open(entry->d_name, device))
			ended = kill(pid, SIGKILL) == 0 || ended;
	}
	if (processes)
		closedir(processes);
	if (ended)
		forget_starts();
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
