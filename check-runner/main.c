#define _DEFAULT_SOURCE 1

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checks.h"
#include "contain.h"
#include "fetch.h"
#include "linked.h"
#include "match.h"
#include "options.h"
#include "report.h"
#include "run.h"
#include "status.h"
#include "util.h"
#include "watch.h"

/* The report while it is written: a temporary file in the folder of the real one. */
struct draft {
	int folder;
	char *temporary; /* NULL: none */
	char *name;
	FILE *file;
};

struct program {
	struct options options;
	struct checks checks;
	struct watch watch;
	struct fetch *fetch;
	struct report report;
};

/* State for a signal handler and an early exit. */
static struct draft draft = { .folder = -1 };
static volatile sig_atomic_t line_may_show;

static void
remove_draft(void)
{
	if (draft.temporary)
		(void)unlinkat(draft.folder, draft.temporary, 0);
}

/* Ends at once, because a run leaves nothing half done. */
static void
on_signal(int number)
{
	static const char clear[] = "\r\033[K";

	remove_draft();
	if (line_may_show && write(STDOUT_FILENO, clear, sizeof(clear) - 1) < 0)
		_exit(128 + number);
	_exit(128 + number);
}

static void
catch_signals(void)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	struct sigaction action = { .sa_handler = on_signal };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t none;

	sigfillset(&action.sa_mask);
	for (size_t i = 0; i < UTIL_COUNT(numbers); i++)
		sigaction(numbers[i], &action, NULL);
	/*
	 * SIGPIPE is ignored, so that a write to a closed pipe fails with an error that the program
	 * sees.
	 */
	sigaction(SIGPIPE, &ignore, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Opens descriptors 0 to 2 that are closed. Otherwise a socket would get such a number, and output
 * would go to it. Each is opened for the wrong direction, so that its use still fails.
 */
static void
fill_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

static const char *
file_name(const struct options *o)
{
	return strcmp(o->file, "-") == 0 ? "CHECKS" : o->file;
}

static void
read_all(const struct options *o, struct buf *text)
{
	char chunk[4096];
	ssize_t n;
	bool is_stdin = strcmp(o->file, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(o->file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die(EXIT_MISUSE, "%s: %s", o->file, strerror(errno));
	/* Reads one byte more than a file may have. Then the parser reports that it is too long. */
	buf_init(text, CHECKS_MAX_FILE + 1);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		if (buf_add_some(text, chunk, (size_t)n) < (size_t)n)
			break;
	if (n < 0)
		die(EXIT_MISUSE, "%s: %s", is_stdin ? "stdin" : o->file, strerror(errno));
	if (!is_stdin)
		close(fd);
}

static void
print_notes(const struct program *p)
{
	for (size_t i = 0; i < p->checks.nr_notes; i++) {
		const struct checks_note *note = &p->checks.note[i];
		fprintf(stderr, "%s:%u:%u: %s%s\n", file_name(&p->options), note->line,
			note->column, note->is_error ? "" : "warning: ", note->text);
	}
}

/* Ends before the first request, with a message in every format that was asked for. */
static int
refuse(struct program *p, enum exit_status status, const char *message)
{
	report_error(&p->report, status, message);
	if (draft.file)
		report_json_error(draft.file, &p->options, status, message);
	return (int)status;
}

static int
refuse_checks(struct program *p)
{
	char message[600];
	size_t i = 0;

	while (i < p->checks.nr_notes && !p->checks.note[i].is_error)
		i++;
	const struct checks_note *note = &p->checks.note[i];
	snprintf(message, sizeof(message), "%s:%u:%u: %s", file_name(&p->options), note->line,
		note->column, note->text);
	return refuse(p, EXIT_MISUSE, message);
}

static void
open_draft(const struct options *o)
{
	const char *slash = strrchr(o->report, '/');
	size_t folder_len = slash ? (size_t)(slash - o->report) + 1 : 0;
	char *folder = xcopy(o->report, folder_len);
	struct buf path;
	mode_t mask = umask(077);

	umask(mask);
	buf_init(&path, strlen(o->report) + 8);
	(void)buf_addf(&path, "%s.XXXXXX", o->report);
	draft.name = xcopy(o->report + folder_len, strlen(o->report + folder_len));
	char *temporary = xcopy(path.bytes + folder_len, path.len - folder_len);
	draft.folder = open(folder_len > 0 ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = draft.folder < 0 ? -1 : mkstemp(path.bytes);
	if (fd < 0)
		die(EXIT_MISUSE, "--report %s: %s", o->report, strerror(errno));
	/* From here on, every end of the program removes the file. */
	memcpy(temporary, path.bytes + folder_len, path.len - folder_len);
	draft.temporary = temporary;
	fchmod(fd, 0666 & ~mask);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	draft.file = fdopen(fd, "w");
	if (!draft.file)
		die(EXIT_INTERNAL, "out of memory");
	buf_release(&path);
	free(folder);
}

/* Returns -1 if the report could not be written completely. */
static int
publish_draft(void)
{
	bool written = !ferror(draft.file) && fflush(draft.file) == 0 &&
		renameat(draft.folder, draft.temporary, draft.folder, draft.name) == 0;

	fclose(draft.file);
	draft.file = NULL;
	if (!written)
		remove_draft();
	free(draft.temporary);
	free(draft.name);
	draft.temporary = NULL;
	close(draft.folder);
	return written ? 0 : -1;
}

static int64_t
world_now(void *context)
{
	(void)context;
	return clock_now();
}

static int
world_ask(void *context, const struct fetch_request *request, struct fetch_response *response)
{
	struct program *p = context;

	return fetch_ask(p->fetch, request, response);
}

static void
world_expect(void *context, size_t requests)
{
	struct program *p = context;

	fetch_expect(p->fetch, requests);
}

static void
world_probe(void *context, int64_t until)
{
	struct program *p = context;

	fetch_probe(p->fetch, until);
}

static enum fetch_event
world_wait(void *context, int64_t until, struct fetch_response **done)
{
	struct program *p = context;

	return fetch_wait(p->fetch, until, done);
}

static bool
world_alive(void *context)
{
	const struct program *p = context;

	return watch_alive(&p->watch);
}

static void
world_stop(void *context)
{
	struct program *p = context;

	fetch_stop(p->fetch);
}

static void
world_progress(void *context, const struct run *run)
{
	struct program *p = context;

	report_progress(&p->report, run);
}

static int
ask_all(struct program *p)
{
	struct run run;
	const struct run_world world = {
		.context = p,
		.now = world_now,
		.ask = world_ask,
		.expect = world_expect,
		.probe = world_probe,
		.wait = world_wait,
		.alive = world_alive,
		.stop = world_stop,
		.progress = p->report.live ? world_progress : NULL,
	};

	p->fetch = fetch_new(&p->options, &p->checks, &p->watch);
	if (!p->fetch)
		return refuse(p, EXIT_INTERNAL, "libcurl cannot be started");
	if (contain(&p->options, draft.folder) < 0)
		return refuse(p, EXIT_INTERNAL, "cannot contain itself");
	line_may_show = p->report.live;
	int status = (int)run_checks(&run, &p->options, &p->checks, &world);
	report_run(&p->report, &run);
	line_may_show = 0;
	if (draft.file)
		report_json(draft.file, &run);
	run_release(&run);
	fetch_free(p->fetch);
	return status;
}

/* The process had exited before the first request. */
static int
report_gone(struct program *p)
{
	struct run run = { .options = &p->options, .checks = &p->checks, .ready = -1 };

	run.exit = EXIT_PROCESS_GONE;
	run.result = xrealloc(NULL, p->checks.nr, sizeof(run.result[0]));
	memset(run.result, 0, p->checks.nr * sizeof(run.result[0]));
	report_run(&p->report, &run);
	if (draft.file)
		report_json(draft.file, &run);
	run_release(&run);
	return (int)run.exit;
}

static int
run_program(struct program *p)
{
	struct buf text;

	read_all(&p->options, &text);
	int parsed = checks_parse(&p->checks, buf_text(&text), text.len, &p->options.vars);
	buf_release(&text);
	if (parsed == 0 && p->options.only_host)
		parsed = checks_keep_hosts(
			&p->checks, (const char *const *)p->options.host, p->options.nr_hosts);
	print_notes(p);
	if (p->options.mode == OPTIONS_LINT) {
		report_lint(&p->report, file_name(&p->options), &p->checks);
		return parsed == 0 ? EXIT_PASS : EXIT_MISUSE;
	}
	if (p->options.report)
		open_draft(&p->options);
	if (parsed < 0)
		return refuse_checks(p);
	int watched = watch_open(&p->watch, p->options.pid);
	if (watched == -2)
		return refuse(p, EXIT_INTERNAL, "--pid: the process cannot be watched");
	int status = watched == -1 ? report_gone(p) : ask_all(p);
	watch_close(&p->watch);
	return status;
}

static void
print_version(void)
{
	printf("check-runner %s (%s, PCRE2 %s%s)\n", OPTIONS_VERSION, linked_version(),
		match_version(), match_has_jit() ? " with JIT" : ", no JIT: no regexes");
	contain_print(stdout);
}

/* Becomes the program beside this one, which is the same but has TLS. */
static void
run_with_tls(char **argv)
{
	static const char suffix[] = "-tls";
	char path[4096];
	size_t most = sizeof(path) - sizeof(suffix);
	ssize_t n = readlink("/proc/self/exe", path, most);

	if (n <= 0 || (size_t)n >= most)
		die(EXIT_INTERNAL, "--tls-port: /proc does not say where this program is");
	memcpy(path + n, suffix, sizeof(suffix));
	execv(path, argv);
	die(EXIT_INTERNAL, "--tls-port: %s: %s", path, strerror(errno));
}

int
main(int argc, char **argv)
{
	struct program p = { .watch = { .pidfd = -1, .stat = -1 } };
	int status = EXIT_PASS;

	fill_descriptors();
	catch_signals();
	atexit(remove_draft);
	if (!linked_has_tls() && options_want_tls(argc, argv))
		run_with_tls(argv);
	options_parse(&p.options, argc, argv);
	report_init(&p.report, stdout, &p.options);
	/*
	 * The libraries read proxies, key logs and configurations from the environment, so it is
	 * emptied.
	 */
	(void)clearenv();
	if (p.options.mode == OPTIONS_HELP)
		options_print_help();
	else if (p.options.mode == OPTIONS_VERSION_ONLY)
		print_version();
	else if (p.options.mode == OPTIONS_SELFTEST)
		status = contain_selftest(stdout);
	else
		status = run_program(&p);
	checks_clear(&p.checks);
	options_release(&p.options);
	if (draft.file && publish_draft() < 0) {
		fprintf(stderr, "check-runner: the report could not be written\n");
		status = status == EXIT_PASS ? EXIT_INTERNAL : status;
	}
	/* If the result could not be printed, the run did not pass. */
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == EXIT_PASS)
		status = EXIT_INTERNAL;
	/* Skips the exit handlers of the thirty libraries behind libcurl, which take a while. */
	_exit(status);
}
