#define _DEFAULT_SOURCE 1

#include "watch.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

typedef int opener(struct watch *w, pid_t pid);

/*
 * A child that runs until it is killed. Its name has everything that makes /proc/PID/stat hard to
 * read.
 */
static pid_t
start_child(void)
{
	pid_t child = fork();

	if (child == 0) {
		prctl(PR_SET_NAME, "a) Z (b", 0, 0, 0);
		pause();
		_exit(0);
	}
	return child;
}

/* From alive to zombie to gone, by pidfd and by /proc alone. */
static void
life(opener *open_watch, const char *name)
{
	struct watch w;
	siginfo_t info;
	pid_t child = start_child();

	usleep(10000);
	ROW_INT(open_watch(&w, child), 0, name);
	ROW_INT(watch_alive(&w), true, name);
	kill(child, SIGKILL);
	waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
	/* A zombie has ended, although its parent has not waited for it. */
	ROW_INT(watch_alive(&w), false, name);
	struct watch late;
	ROW_INT(open_watch(&late, child), -1, name);
	watch_close(&late);
	waitpid(child, NULL, 0);
	ROW_INT(watch_alive(&w), false, name);
	watch_close(&w);
	ROW_INT(open_watch(&late, child), -1, name);
	watch_close(&late);
	ROW_INT(w.pidfd, -1, name);
	ROW_INT(w.stat, -1, name);
}

/* Watches the parent, which belongs to another user after this process has given up its rights. */
static void
another_users_process(opener *open_watch, const char *name)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		struct watch w;
		if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
			_exit(2);
		_exit(open_watch(&w, 1) == 0 && watch_alive(&w) ? 0 : 1);
	}
	waitpid(child, &status, 0);
	ROW_INT(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0, name);
}

static void
nothing_to_watch(void)
{
	struct watch w;

	INT(watch_open(&w, 0), 0);
	IS(watch_alive(&w));
	watch_close(&w);
	IS(watch_alive(&w));
}

int
main(void)
{
	life(watch_open, "pidfd");
	life(watch_open_stat, "stat");
	another_users_process(watch_open, "pidfd");
	another_users_process(watch_open_stat, "stat");
	nothing_to_watch();
	return test_end("watch");
}
