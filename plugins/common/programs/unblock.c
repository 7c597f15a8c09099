/*
 * unblock [ROOT]… - lets the Docker engine go on if it hangs in a container's list of users.
 * unblock --layers FOLDER - does so once for the layers of images in FOLDER.
 * unblock --cgroups FOLDER - limits the builds whose groups are below FOLDER, once.
 * unblock --engine PID KILOBYTES - kills the engine PID if it has more memory than that.
 *
 * The engine reads /etc/passwd and /etc/group of a container before it starts it. An app can put a
 * named pipe there. Then the engine waits for ever, with the container locked; when it does so at
 * its own start, after a boot, it never answers anybody. This program opens such a pipe for
 * writing, and closes it: the engine reads an empty file. Or an app can put a file of gigabytes
 * there, which takes no room on the disk, and the engine reads a line of it into its memory. Such a
 * file is emptied. A device, such as /dev/zero, is removed, see devices.h.
 *
 * ROOT is the root folder of a container. A path is looked up in it as its processes would, and
 * nothing but a named pipe or a large file is opened. Without ROOT this looks at all overlay mounts
 * of the host twice a second, until it is ended or its own file is replaced, and at the layers
 * beside them: BuildKit reads the list of users of a single layer without a mount, and each reader
 * that waits keeps one of the engine's 10,000 threads. It also limits the steps of builds then, see
 * builds.h: all together have three quarters of the memory. An engine that itself takes too much is
 * killed, see engines.h.
 *
 * Exit status: 0.
 */
#define _GNU_SOURCE 1

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "builds.h"
#include "devices.h"
#include "engines.h"

enum {
	EVERY_US = 500000,
	LATELY_SECONDS = 60,
	NAME_SIZE = 64,
	/* No list of users has that many bytes. */
	LARGE = 64 << 20
};

static const char *const FILES[] = { "passwd", "group" };

/* Opens etc/name below root as a process with that root would. Without rights to read or write. */
static int
look_up(int root, const char *name)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	char path[NAME_SIZE];

	snprintf(path, sizeof(path), "etc/%s", name);
	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

/*
 * Opens and closes a pipe for which somebody waits, and empties a large file. Removes a device,
 * which is name in the folder etc of root.
 */
static void
unblock(int file, int root, const char *name_in_etc)
{
	char name[NAME_SIZE];
	struct stat status;

	if (fstat(file, &status) != 0)
		return;
	if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode))
		devices_refuse(root, name_in_etc, &status);
	bool is_large = S_ISREG(status.st_mode) && status.st_size > LARGE;
	if (!is_large && !S_ISFIFO(status.st_mode))
		return;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
	/* If no process waits for the pipe, this fails, and nothing has to be done. */
	int writer = open(name, O_WRONLY | O_NONBLOCK | O_CLOEXEC | (is_large ? O_TRUNC : 0));
	if (writer != -1)
		close(writer);
}

static void
look_at(const char *path)
{
	int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; root != -1 && i < sizeof(FILES) / sizeof(*FILES); i++) {
		int file = look_up(root, FILES[i]);

		if (file != -1) {
			unblock(file, root, FILES[i]);
			close(file);
		}
	}
	if (root != -1)
		close(root);
}

/* Looks at the layers in folder, each of which is a folder with its files in diff. */
static void
look_at_layers(const char *folder)
{
	char path[PATH_MAX];
	DIR *layers = opendir(folder);
	struct dirent *layer;

	while (layers && (layer = readdir(layers))) {
		int n = snprintf(path, sizeof(path), "%s/%s/diff", folder, layer->d_name);

		if (layer->d_name[0] != '.' && n > 0 && (size_t)n < sizeof(path))
			look_at(path);
	}
	if (layers)
		closedir(layers);
}

/*
 * Whether something was made or removed in folder within the last minute. The clock may have been
 * set back since.
 */
static bool
changed_lately(const char *folder)
{
	struct stat status;

	return stat(folder, &status) == 0 && time(NULL) - status.st_mtime < LATELY_SECONDS;
}

/*
 * Looks at the layers beside the mount at place, which the engine names FOLDER/LAYER/merged. Seen
 * is the folder of the last call, which is not looked at again. A server may have thousands of
 * layers, and BuildKit makes a new one before it reads the list of users for it.
 */
static void
look_beside(char *place, char seen[static PATH_MAX])
{
	static const char name[] = "/merged";
	size_t size = strlen(place);

	if (size < sizeof(name) || strcmp(place + size - sizeof(name) + 1, name) != 0)
		return;
	place[size - sizeof(name) + 1] = '\0';
	char *layer = strrchr(place, '/');
	if (!layer || layer == place)
		return;
	*layer = '\0';
	if (strcmp(place, seen) == 0)
		return;
	snprintf(seen, PATH_MAX, "%s", place);
	if (changed_lately(place))
		look_at_layers(place);
}

/*
 * Looks at the mount that a line of mountinfo describes, if it is an overlay. The fifth word is its
 * place; the type comes after a hyphen.
 */
static void
look_at_mount(char *line, char seen[static PATH_MAX])
{
	char *rest = line, *word = NULL;

	if (!strstr(line, " - overlay "))
		return;
	for (int i = 0; i < 5; i++)
		word = strsep(&rest, " ");
	/* A place with a blank, which is written as \040, is none of the engine's. */
	if (!word || !rest || strcmp(word, "/") == 0)
		return;
	look_at(word);
	look_beside(word, seen);
}

static void
look_at_all(void)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, seen[PATH_MAX] = "";
	size_t size = 0;

	while (mounts && getline(&line, &size, mounts) != -1)
		look_at_mount(line, seen);
	free(line);
	if (mounts)
		fclose(mounts);
}

/* Whether this program was installed again, or removed. */
static bool
is_replaced(void)
{
	static const char mark[] = " (deleted)";
	char path[PATH_MAX + sizeof(mark)];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	path[n < 0 ? 0 : n] = '\0';
	return strstr(path, mark) != NULL;
}

static void
limit_builds(const char *cgroups)
{
	unsigned long long page = (unsigned long long)sysconf(_SC_PAGESIZE);

	builds_limit(cgroups, (unsigned long long)sysconf(_SC_PHYS_PAGES) / 4 * page * 3);
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--cgroups") == 0) {
		limit_builds(argv[2]);
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "--layers") == 0) {
		look_at_layers(argv[2]);
		return 0;
	}
	if (argc == 4 && strcmp(argv[1], "--engine") == 0) {
		engines_end_large(argv[2], strtoull(argv[3], NULL, 10));
		return 0;
	}
	for (int i = 1; i < argc; i++)
		look_at(argv[i]);
	while (argc == 1 && !is_replaced()) {
		look_at_all();
		limit_builds("/sys/fs/cgroup");
		engines_spare_memory();
		usleep(EVERY_US);
	}
	return 0;
}
