/*
 * web [DIR] | web worker: the demo's sample app and the test suite's app. It is a small static web
 * server whose behaviour, good and bad, comes from environment variables; tests/apps/README.md
 * lists them.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "mail.h"
#include "server.h"
#include "worker.h"

static int
misuse(const char *what, const char *which)
{
	fprintf(stderr, "web: %s: %s\n", what, which);
	return 2;
}

/* Process 1 has no default action for signals, so they are blocked and waited for. */
static void
block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigprocmask(SIG_BLOCK, set, NULL);
}

/* Waits for a signal that is not ignored. False if the time to exit by itself comes first. */
static bool
wait_for_end(const struct config *config, const sigset_t *set, uint64_t ms)
{
	uint64_t end = ms == UINT64_MAX ? UINT64_MAX : now_ms() + ms;

	for (uint64_t now; (now = now_ms()) < end;) {
		uint64_t left = end - now < 3600000 ? end - now : 3600000;
		if (wait_signal(set, left) != 0 && !config->ignore_term)
			return true;
	}
	return false;
}

/* Serves at the port more_port, too, if there is one, until the program ends. */
static bool
start_more(const struct config *config)
{
	static struct config more;
	const char *why;

	if (config->more_port == 0)
		return true;
	config_for_more(&more, config);
	if (server_start(&more, &why) != NULL)
		return true;
	fprintf(stderr, "web: cannot listen on port %u: %s\n", more.port, why);
	return false;
}

static int
run_server(const struct config *config, const sigset_t *set)
{
	uint64_t life = config->exit_after_ms > 0 ? config->exit_after_ms : UINT64_MAX;
	const char *why;

	if (config->no_listen) {
		printf("%s %s does not listen\n", config->app, config->release);
		fflush(stdout);
		return wait_for_end(config, set, life) ? 0 : config->exit_code;
	}
	if (config->boot_delay_ms > 0) {
		uint64_t delay = config->boot_delay_ms < life ? config->boot_delay_ms : life;
		if (wait_for_end(config, set, delay))
			return 0;
		if (delay == life)
			return config->exit_code;
	}
	if (config->mail_port > 0 && !mail_start(config->mail_port)) {
		fprintf(stderr, "web: cannot listen on port %u\n", config->mail_port);
		return 1;
	}
	if (!start_more(config))
		return 1;
	struct server *s = server_start(config, &why);
	if (s == NULL) {
		fprintf(stderr, "web: cannot listen on port %u: %s\n", config->port, why);
		return 1;
	}
	printf("%s %s listens on %s:%u\n", config->app, config->release,
		config->listen_addr != NULL ? config->listen_addr : "", config->port);
	fflush(stdout);
	if (life != UINT64_MAX)
		life -= config->boot_delay_ms;
	if (!wait_for_end(config, set, life)) {
		fprintf(stderr, "web: exiting with %d, as EXIT_AFTER_MS says\n", config->exit_code);
		return config->exit_code;
	}
	server_stop(s);
	return 0;
}

int
main(int argc, char **argv)
{
	struct config config;
	sigset_t set;
	bool worker = argc == 2 && strcmp(argv[1], "worker") == 0;
	const char *dir = argc == 2 && !worker ? argv[1] : "/public";

	if (argc > 2)
		return misuse("usage", "web [DIR] | web worker");
	const char *wrong = config_read(&config, dir);
	if (wrong != NULL)
		return misuse("not a value of it", wrong);
	block_signals(&set);
	/* _exit, because threads may still be serving when the process is told to crash. */
	int status = worker ? worker_run(&config, &set) : run_server(&config, &set);
	fflush(stdout);
	_exit(status);
}
