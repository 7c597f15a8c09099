#include "worker.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int
wait_signal(const sigset_t *set, uint64_t ms)
{
	uint64_t end = now_ms() + ms;

	for (uint64_t now = now_ms();; now = now_ms()) {
		uint64_t left = end > now ? end - now : 0;
		struct timespec t = { .tv_sec = (time_t)(left / 1000),
			.tv_nsec = (long)(left % 1000) * 1000000 };
		int number = sigtimedwait(set, NULL, &t);
		if (number > 0)
			return number;
		if (left == 0)
			return 0;
	}
}

/* One write of a whole line in append mode, so that several workers may share the file. */
static void
append_log(const struct config *config, const char *what)
{
	char line[256];
	struct timespec t;

	if (config->worker_log == NULL)
		return;
	int fd = open(config->worker_log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0) {
		perror(config->worker_log);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &t);
	int n = snprintf(line, sizeof(line), "%lld.%03ld %s %.60s %.60s %ld\n", (long long)t.tv_sec,
		t.tv_nsec / 1000000, what, config->app, config->release, (long)getpid());
	if (write(fd, line, (size_t)n) != n)
		perror(config->worker_log);
	close(fd);
}

int
worker_run(const struct config *config, const sigset_t *set)
{
	uint64_t end = config->exit_after_ms > 0 ? now_ms() + config->exit_after_ms : UINT64_MAX;
	uint64_t tick = now_ms();

	append_log(config, "start");
	for (unsigned long n = 1;; n++) {
		printf("worker %s %s tick %lu\n", config->app, config->release, n);
		fflush(stdout);
		tick += 1000;
		for (uint64_t now; (now = now_ms()) < tick && now < end;) {
			int number = wait_signal(set, (tick < end ? tick : end) - now);
			if (number != 0 && !config->ignore_term) {
				append_log(config, "stop");
				return 0;
			}
		}
		if (now_ms() >= end) {
			append_log(config, "exit");
			return config->exit_code;
		}
	}
}
