/*
 * Runs check-runner against a server that does everything wrong. It must exit with the right
 * status, in time, with little memory, and must not connect to anything else. Usage: hostile_test
 * CHECK-RUNNER HOSTILE [any]. The third argument says that the program is instrumented, so its
 * memory is not measured. Most rows only wait for their deadline, so several run at once.
 */
#define _GNU_SOURCE 1

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#define DEADLINE_MS 400
#define GRACE_MS 500
#define ORDINARY_KB (16 * 1024)
#define HOSTILE_KB (32 * 1024)
#define LANES 3

extern char **environ;

struct row {
	const char *checks;
	int exit;
	const char *says; /* a part of the output */
	long kb; /* 0: ORDINARY_KB */
};

/* These rows mostly wait. */
static const struct row idle[] = {
	/* A right answer passes, however it is sent. */
	{ "/page My Amazing App", 0, "ok   /page \"My Amazing App\"  (", 0 },
	{ "/split My Amazing App", 0, "ok ", 0 },
	{ "/gzip that was packed", 0, "ok ", 0 },
	{ "/deflate that was packed", 0, "ok ", 0 },
	{ "/deflate-raw that was packed", 0, "ok ", 0 },
	{ "/nul needle", 0, "ok ", 0 },
	{ "~ /nul e\\x00a", 0, "ok ", 0 },
	{ "/invalid needle", 0, "ok ", 0 },
	{ "~ /invalid caf. .. needle \xc3\xa9", 1, "caf\\xE9 \\xFF\\xFE needle \xc3\xa9 \\xED", 0 },
	{ "~ /invalid needle \xc3\xa9", 0, "ok ", 0 },
	{ "/interim after interim", 0, "ok ", 0 },
	{ "/after?3.1 ready now", 0, "3 tries", 0 },
	{ "426 /upgrade websocket only", 0, "ok   426 /upgrade", 0 },
	{ "204 /status?204", 0, "ok ", 0 },
	/* Endless answers, and what ends a run early. */
	{ "/brotli hello", 1, "its body is in a coding that was not asked for", HOSTILE_KB },
	{ "/zstd hello", 1, "its body is in a coding that was not asked for", HOSTILE_KB },
	{ "/gzip-broken page\n  ! x", 1, "coding that was not asked for, or broken", 0 },
	/* Answers that come too late. */
	{ "/drip-header needle", 4, "FAIL /drip-header: no answer within 0.", 0 },
	{ "/drip-body needle", 1, "200, but its body did not end within 0.", 0 },
	{ "/hang needle", 4, "FAIL /hang: no answer within 0.", 0 },
	{ "timeout=50ms /hang needle", 4, "no answer within 0.05", 0 },
	{ "/slow?5000 x", 4, "no answer within 0.", 0 },
	{ "/page App\n/hang x", 1, "ok   /page", 0 },
	/* Answers that are not HTTP, or not complete. */
	{ "/http09 needle", 1, "it answered, but not in HTTP/1", 0 },
	{ "/garbage needle", 1, "it answered, but not in HTTP/1", 0 },
	{ "/no-status needle", 1, "it answered, but not in HTTP/1", 0 },
	{ "/bad-length needle", 1, "it answered, but not in HTTP/1", 0 },
	{ "/bad-chunk needle", 1, "200, but the connection broke", 0 },
	{ "/switch needle", 1, "101, not below 400", 0 },
	{ "/reset needle", 4, "FAIL /reset: the connection broke", 0 },
	{ "/reset-body needle", 1, "200, but the connection broke (19 bytes came)", 0 },
	{ "/reset-body the start\n  ! needle", 1, "200, but the connection broke", 0 },
	{ "/cut needle", 1, "200, but the connection ended before its body did", 0 },
	{ "! /cut needle", 1, "200, but the connection ended before its body did", 0 },
	{ "/cut-chunked needle", 1, "200, but the connection ended before its body did", 0 },
	{ "/empty needle", 4, "FAIL /empty: the connection was closed without an answer", 0 },
	/* Redirects are followed on our own address only. */
	{ "/hops?10 arrived", 0, "ok ", 0 },
	{ "/hops?11 arrived", 1, "more than 10 redirects, the last to http://app.example/hops?1",
		0 },
	{ "/loop x", 1, "more than 10 redirects, the last to http://app.example/loop", 0 },
	{ "/to?/page My Amazing App", 0, "ok ", 0 },
	{ "/to?page My Amazing App", 0, "ok ", 0 },
	{ "/to?http://app.example/page My Amazing App", 0, "ok ", 0 },
	{ "/to?http://127.0.0.1/page My Amazing App", 0, "ok ", 0 },
	{ "//b.example/page App\n/to?//b.example/page My Amazing App", 0, "ok ", 0 },
	{ "/secure came by https", 0, "ok ", 0 },
	{ "https://app.example/secure came by https", 0, "ok ", 0 },
	{ "301 /secure", 0, "ok ", 0 },
	{ "301 redirect=no /secure moved", 0, "ok ", 0 },
	{ "200 redirect=no /secure", 1, "301, not 200: Location: https://app.example/secure", 0 },
	{ "/to?http://127.0.0.1:%P/ moved", 0, "ok ", 0 },
	{ "/to?http://app.example:%P/ moved", 0, "ok ", 0 },
	{ "200 /to?http://127.0.0.1:%P/", 1, "302, not 200: Location: http://127.0.0.1:", 0 },
	{ "/to?http://evil.example/page moved", 0, "ok ", 0 },
	{ "/to?//evil.example/page moved", 0, "ok ", 0 },
	{ "/to?http://169.254.169.254/latest/meta-data moved", 0, "ok ", 0 },
	{ "/to?file:///etc/passwd moved", 0, "ok ", 0 },
	{ "/to?ftp://app.example/page moved", 0, "ok ", 0 },
	{ "/to?gopher://app.example:%P/ moved", 0, "ok ", 0 },
	{ "/to?http://app.example@169.254.169.254/ moved", 0, "ok ", 0 },
	{ "/to?http://app.example:80@127.0.0.1:%P/ moved", 0, "ok ", 0 },
	{ "/to?http://app.example\\@evil.example/ moved", 0, "ok ", 0 },
	{ "/to?//evil@app.example/page My Amazing App", 0, "ok ", 0 },
	{ "/to?http://[::1]:%P/ moved", 0, "ok ", 0 },
	{ "/to?http://2130706433:%P/ moved", 0, "ok ", 0 },
	{ "/to?///evil.example/ moved", 0, "ok ", 0 },
	{ "POST /to-307?/echo POST /echo", 0, "ok   POST /to-307", 0 },
	{ "POST /to?/echo GET /echo", 0, "ok   POST /to", 0 },
	/* Control characters of an answer are shown as text. */
	{ "/escapes absent", 1,
		"\"absent\" is not in its 40 bytes: needle \\x1B]0;owned\\x07 \\x1B[2J\\x0D\\x08 ",
		0 },
	{ "~ /escapes txet.*gone", 1, "\\x08 \\u{202E} txet \\u{9B} fin", 0 },
	{ "/page Our Grand Team", 1,
		"FAIL /page: 200, but \"Our Grand Team\" is not in its 54 bytes: "
		"…<title>Our Team</title>…\n",
		0 },
};

/* These rows each keep a core busy, so they run one after another. */
static const struct row busy[] = {
	/* A right answer passes, however it is sent. */
	{ "/split-far My Amazing App", 0, "ok ", 0 },
	{ "! /split-far end", 1, "200, but \"end\" is in its 300000 bytes: …", 0 },
	{ "/big needle", 0, "ok ", 0 },
	{ "/two-mib needle", 0, "ok ", 0 },
	/* Endless answers, and what ends a run early. */
	{ "/endless-chunked needle", 1, "200, but its body is over 8 MiB", HOSTILE_KB },
	{ "/endless-found needle", 0, "ok ", HOSTILE_KB },
	{ "/endless-drip needle", 0, "ok ", 0 },
	{ "200 /endless-chunked", 0, "ok ", HOSTILE_KB },
	{ "! /endless-found needle", 1, "\"needle\" is in its", HOSTILE_KB },
	{ "! /endless-chunked needle", 1, "its body is over 8 MiB", HOSTILE_KB },
	{ "!~ /endless-chunked needle", 1, "its body is over 8 MiB", HOSTILE_KB },
	{ "= /endless-chunked 0", 1, "its body is over 8 MiB", HOSTILE_KB },
	{ "/too-big needle", 1, "its body is over 8 MiB", HOSTILE_KB },
	{ "/bomb needle", 1, "its body is over 8 MiB", HOSTILE_KB },
	{ "~ /bomb needle", 1, "its body is over 8 MiB", HOSTILE_KB },
	{ "/bomb-nested needle", 1, "FAIL /bomb-nested: its body is in a coding that was not",
		HOSTILE_KB },
	{ "/bomb-twice needle", 1, "FAIL /bomb-twice: its body is in a coding that was not",
		HOSTILE_KB },
	{ "/bomb-transfer needle", 1, "FAIL /bomb-transfer: its body is in a coding that was not",
		HOSTILE_KB },
	{ "/header-flood needle", 1, "more than 64 KiB of response headers", HOSTILE_KB },
	{ "/header-long needle", 1, "more than 64 KiB of response headers", HOSTILE_KB },
	{ "/header-many?4097 needle", 1, "more than 4096 response headers", HOSTILE_KB },
	{ "/header-many?9000 needle", 1, "more than 4096 response headers", HOSTILE_KB },
	{ "/header-many?4096 needle", 0, "ok ", HOSTILE_KB },
	{ "/interim-flood needle", 1, "more than 64 KiB of response headers", HOSTILE_KB },
	{ "/trailer-flood needle", 0, "ok ", HOSTILE_KB },
	{ "! /trailer-flood x", 1, "more than 64 KiB of response headers", HOSTILE_KB },
	{ "!~ /two-mib needle", 1, "could only be looked for in the first MiB of", 0 },
	{ "~ /two-mib needle", 1, "matches nothing in the first MiB of its 2097152 bytes", 0 },
	/* Redirects are followed on our own address only. */
	{ "/loop-big My Amazing App", 0, "ok ", HOSTILE_KB },
	/* Regexes that would never end. */
	{ "~ /spaces \\s+$", 1, "FAIL /spaces: 200, but ~ \"\\s+$\"", 0 },
	{ "~ /almost (a+a+)+b", 1, "takes too long on its 1048576 bytes", 0 },
	{ "~ /almost a{1,5000}[bc]", 1, "takes too long on its 1048576 bytes", 0 },
	{ "/almost [ab]+[cd]\n/almost a*?[bc]\n/almost .*?.*?[bc]\n/almost [ab]+[ce]\n"
	  "/almost [ab]+[cd]\n/almost a*?[bc]\n/almost .*?.*?[bc]\n/almost [ab]+[ce]\n",
		1, "FAIL /almost: 200, but \"[ab]+[cd]\" is not in its 1048576 bytes", 0 },
	{ "!~ /almost (a+a+)+b", 1, "takes too long on its 1048576 bytes", 0 },
	{ "/almost aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", 1, "is not in",
		0 },
	/* Eight hostile answers at a time. */
	{ "/bomb a\n  = b\n/bomb b\n  ~ c\n~ /bomb c\n~ /endless-chunked d\n!~ /too-big e\n"
	  "~ /too-big f\n~ /too-big g\n~ /too-big h\n~ /big i\n~ /big j\n",
		1, "over 8 MiB", HOSTILE_KB },
};

/* The same for all rows. */
static char *program;
static char target[64];
static bool measured;

struct outcome {
	int status;
	char out[65536];
	long ms;
	long kb;
};

static long
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Opens a listener on a free port of 127.0.0.1. Nothing may connect to it. */
static int
listen_quietly(char *port, size_t size)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 8) < 0 ||
		getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		exit(2);
	snprintf(port, size, "%u", (unsigned)ntohs(address.sin_port));
	return fd;
}

static pid_t
start(char *const *arguments, int in, int out)
{
	posix_spawn_file_actions_t actions;
	pid_t pid = -1;

	posix_spawn_file_actions_init(&actions);
	if (in >= 0)
		posix_spawn_file_actions_adddup2(&actions, in, 0);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	if (posix_spawn(&pid, arguments[0], &actions, NULL, arguments, environ) != 0) {
		printf("cannot start %s\n", arguments[0]);
		exit(2);
	}
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

static void
run(const char *checks, struct outcome *o)
{
	char deadline[] = "0.4";
	char host[] = "app.example";
	char *arguments[] = { program, (char[]){ "--deadline" }, deadline, (char[]){ "--host" },
		host, target, NULL };
	int in[2];
	int out[2];
	size_t len = 0;
	struct rusage usage;

	if (pipe(in) < 0 || pipe(out) < 0)
		exit(2);
	for (int i = 0; i < 2; i++) {
		fcntl(in[i], F_SETFD, FD_CLOEXEC);
		fcntl(out[i], F_SETFD, FD_CLOEXEC);
	}
	long before = now_ms();
	pid_t pid = start(arguments, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	if (write(in[1], checks, strlen(checks)) < 0)
		exit(2);
	close(in[1]);
	for (ssize_t n; (n = read(out[0], o->out + len, sizeof(o->out) - 1 - len)) > 0;)
		len += (size_t)n;
	o->out[len] = '\0';
	close(out[0]);
	wait4(pid, &o->status, 0, &usage);
	o->ms = now_ms() - before;
	o->kb = usage.ru_maxrss;
}

static void
check_row(const struct row *row)
{
	static struct outcome o;
	char name[64];
	long kb = row->kb ? row->kb : ORDINARY_KB;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(row->checks, "\n"), row->checks);
	run(row->checks, &o);
	if (!test_say(WIFEXITED(o.status), __FILE__, __LINE__, name))
		printf("\tkilled by signal %d\n", WTERMSIG(o.status));
	ROW_INT(WEXITSTATUS(o.status), row->exit, name);
	ROW_HAS(o.out, row->says, name);
	/* An instrumented program starts slowly, and that time does not count. */
	if (!test_say(o.ms <= DEADLINE_MS + GRACE_MS + (measured ? 0 : 500), __FILE__, __LINE__,
		    name))
		printf("\ttook %ld ms\n", o.ms);
	if (measured && !test_say(o.kb <= kb, __FILE__, __LINE__, name))
		printf("\tpeak memory %ld KB, more than %ld\n", o.kb, kb);
}

static pid_t
start_server(char *server, char *forbidden)
{
	char *arguments[] = { server, forbidden, NULL };
	int out[2];
	char port[16] = "";

	if (pipe(out) < 0)
		exit(2);
	fcntl(out[0], F_SETFD, FD_CLOEXEC);
	fcntl(out[1], F_SETFD, FD_CLOEXEC);
	pid_t pid = start(arguments, -1, out[1]);
	close(out[1]);
	if (read(out[0], port, sizeof(port) - 1) <= 0)
		exit(2);
	close(out[0]);
	snprintf(target, sizeof(target), "127.0.0.1:%.*s", (int)strcspn(port, "\n"), port);
	return pid;
}

/*
 * More texts than can be searched in time, in a page that looks like their start at every position.
 */
static const struct row *
many_texts(void)
{
	static char checks[50000] = "/big needle\n";
	static struct row row = { .checks = checks, .exit = 1, .kb = HOSTILE_KB };
	static const char line[] = "  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\n";
	size_t len = strlen(checks);

	row.says = "FAIL /big: 200, but its body did not end within 0.";
	for (char *at = checks + len; at + sizeof(line) + 2 < checks + sizeof(checks);) {
		memcpy(at, line, sizeof(line));
		at[2] = '!';
		at[3] = ' ';
		at += sizeof(line) - 1;
	}
	return &row;
}

/*
 * Starts a process for the busy rows, or for one lane of the idle ones. Returns a pipe from which
 * their count can be read.
 */
static int
start_lane(size_t lane)
{
	int told[2];

	if (pipe2(told, O_CLOEXEC) < 0)
		exit(2);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		for (size_t i = 0; lane == 0 && i < TEST_COUNT(busy); i++)
			check_row(&busy[i]);
		if (lane == 0)
			check_row(many_texts());
		for (size_t i = lane - 1; lane > 0 && i < TEST_COUNT(idle); i += LANES - 1)
			check_row(&idle[i]);
		fflush(stdout);
		_exit(write(told[1], &test_count, sizeof(test_count)) < 0);
	}
	close(told[1]);
	return pid < 0 ? -1 : told[0];
}

static void
end_lane(int told)
{
	struct test_count count = { 0 };

	if (!IS(read(told, &count, sizeof(count)) == (ssize_t)sizeof(count)))
		return;
	test_count.passed += count.passed;
	test_count.failed += count.failed;
	close(told);
}

int
main(int argc, char **argv)
{
	char forbidden[16];
	int told[LANES];

	if (argc < 3)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	int canary = listen_quietly(forbidden, sizeof(forbidden));
	pid_t server = start_server(argv[2], forbidden);
	program = argv[1];
	measured = argc < 4;
	for (size_t i = 0; i < LANES; i++)
		told[i] = start_lane(i);
	for (size_t i = 0; i < LANES; i++)
		end_lane(told[i]);
	IS(accept(canary, NULL, NULL) < 0 && errno == EAGAIN);
	kill(server, SIGTERM);
	waitpid(server, NULL, 0);
	return test_end(measured ? "hostile" : "hostile, sanitized");
}
