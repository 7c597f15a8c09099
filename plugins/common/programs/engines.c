#define _GNU_SOURCE 1

#include "engines.h"

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAME_SIZE = 64 };

static const char ENGINE[] = "dockerd\n";

bool
engines_is(const char *process)
{
	char path[PATH_MAX], name[NAME_SIZE] = "";

	snprintf(path, sizeof(path), "/proc/%s/comm", process);
	FILE *file = fopen(path, "re");
	bool is = file && fgets(name, sizeof(name), file) && strcmp(name, ENGINE) == 0;
	if (file)
		fclose(file);
	return is;
}

/*
 * systemd starts an engine that has ended, but not the fourth time within a minute. This makes it
 * forget how often it was.
 */
void
engines_forget_starts(void)
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

/* The number behind name in a file of /proc, in kilobytes, or otherwise if there is none. */
static unsigned long long
number_of(const char *path, const char *name, unsigned long long otherwise)
{
	FILE *file = fopen(path, "re");
	unsigned long long number = otherwise;
	char *line = NULL;
	size_t size = 0;

	while (file && getline(&line, &size, file) != -1) {
		if (strncmp(line, name, strlen(name)) == 0)
			number = strtoull(line + strlen(name), NULL, 10);
	}
	free(line);
	if (file)
		fclose(file);
	return number;
}

bool
engines_end_large(const char *process, unsigned long long most)
{
	char path[PATH_MAX];
	pid_t pid = (pid_t)strtol(process, NULL, 10);

	if (pid <= 1 || !engines_is(process))
		return false;
	snprintf(path, sizeof(path), "/proc/%s/status", process);
	return number_of(path, "RssAnon:", 0) > most && kill(pid, SIGKILL) == 0;
}

void
engines_spare_memory(void)
{
	unsigned long long total = number_of("/proc/meminfo", "MemTotal:", 0);
	struct dirent *entry;
	bool ended = false;

	if (number_of("/proc/meminfo", "MemAvailable:", total) >= total / 4)
		return;
	DIR *processes = opendir("/proc");
	while (processes && (entry = readdir(processes)))
		ended = engines_end_large(entry->d_name, total / 4) || ended;
	if (processes)
		closedir(processes);
	if (ended)
		engines_forget_starts();
}
