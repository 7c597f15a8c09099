/*
 * The tools of the bench. "serve" is a fast server on 127.0.0.1 with one fixed answer. "race" runs
 * commands many times in turn, so that a busy moment hits all of them, and prints their medians.
 * "bare" is the smallest possible client. "latency" starts servers after random delays and measures
 * how long after the first listen() a command passes.
 */
#define _DEFAULT_SOURCE 1

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "http.h"

#define MAX_RUNS 1000
#define MAX_COMMANDS 8

extern char **environ;

/* Its length is right, because otherwise no client would use the connection again. */
static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 62\r\n"
			     "\r\n<html><title>Bench</title><p>My Amazing App says hi</p></html>";

static double
clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int
listen_on(uint16_t port, uint16_t *got)
{
	int fd = http_listen(port, got);

	if (fd < 0)
		exit(2);
	return fd;
}

/* Answer as many requests as have come; each ends with an empty line. */
static bool
answer_all(int fd)
{
	char text[16384];
	ssize_t n = read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return false;
	text[n] = '\0';
	for (const char *at = text; (at = strstr(at, "\r\n\r\n")); at += 4)
		if (write(fd, answer, sizeof(answer) - 1) < 0)
			return false;
	return !strstr(text, "Connection: close");
}

static void
serve(int listener)
{
	struct epoll_event events[64];
	int on = 1;
	int set = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN, .data.fd = listener };

	signal(SIGPIPE, SIG_IGN);
	epoll_ctl(set, EPOLL_CTL_ADD, listener, &event);
	for (;;) {
		int nr = epoll_wait(set, events, 64, -1);
		for (int i = 0; i < nr; i++) {
			int fd = events[i].data.fd;
			if (fd != listener) {
				if (!answer_all(fd))
					close(fd);
				continue;
			}
			fd = accept(listener, NULL, NULL);
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
			event.data.fd = fd;
			epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
		}
	}
}

static pid_t
start(char **command)
{
	posix_spawn_file_actions_t actions;
	pid_t pid = -1;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, command[0], &actions, NULL, command, environ) != 0)
		exit(2);
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

static int
compare(const void *a, const void *b)
{
	const double *x = a;
	const double *y = b;

	return (*x > *y) - (*x < *y);
}

static double
median(double *values, size_t nr)
{
	qsort(values, nr, sizeof(values[0]), compare);
	return values[nr / 2];
}

struct runner {
	char **command;
	double wall[MAX_RUNS];
	double cpu[MAX_RUNS];
	long kb;
	bool failed;
};

static double
ms_of(struct timeval t)
{
	return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

/* Runs the command once. The CPU time of its children counts. */
static void
run_once(struct runner *r, size_t i)
{
	struct rusage u;
	int status;
	double before = clock_ms();

	wait4(start(r->command), &status, 0, &u);
	r->wall[i] = clock_ms() - before;
	r->cpu[i] = ms_of(u.ru_utime) + ms_of(u.ru_stime);
	r->kb = u.ru_maxrss > r->kb ? u.ru_maxrss : r->kb;
	r->failed |= !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

/* Commands are separated by "--". Prints "wall_ms cpu_ms peak_kb" for each, or "failed". */
static int
race(size_t runs, char **words)
{
	static struct runner runner[MAX_COMMANDS];
	size_t nr = 0;

	for (char **word = words; *word && nr < MAX_COMMANDS;) {
		runner[nr++].command = word;
		while (*word && strcmp(*word, "--") != 0)
			word++;
		if (*word)
			*word++ = NULL;
	}
	for (size_t i = 0; i < runs; i++)
		for (size_t k = 0; k < nr; k++)
			if (!runner[k].failed)
				run_once(&runner[k], i);
	for (size_t k = 0; k < nr; k++)
		if (runner[k].failed)
			printf("failed\n");
		else
			printf("%.2f %.2f %ld\n", median(runner[k].wall, runs),
				median(runner[k].cpu, runs), runner[k].kb);
	return 0;
}

/* Sends one request and reads the start of the answer without looking at it. */
static int
bare(const char *target)
{
	static const char request[] = "GET /page-1 HTTP/1.1\r\nHost: bench\r\n\r\n";
	char got[4096];
	const char *colon = strchr(target, ':');
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons((unsigned short)strtoul(colon ? colon + 1 : "0", NULL, 10));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		write(fd, request, sizeof(request) - 1) < 0)
		return 1;
	return read(fd, got, sizeof(got)) > 0 ? 0 : 1;
}

/* Start a server in 0.1 to 0.9 s, and wait for the command. Returns ms after the listen. */
static double
one_start(unsigned short port, char **command)
{
	int told[2];
	double listened = 0;
	int status;
	uint16_t got;

	/* Drawn here: a child would draw the same number every time. */
	useconds_t delay = 100000 + (useconds_t)(random() % 800000);
	if (pipe(told) < 0)
		exit(2);
	pid_t server = fork();
	if (server == 0) {
		usleep(delay);
		int listener = listen_on(port, &got);
		listened = clock_ms();
		if (write(told[1], &listened, sizeof(listened)) < 0)
			_exit(2);
		serve(listener);
	}
	waitpid(start(command), &status, 0);
	double passed = clock_ms();
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 ||
		read(told[0], &listened, sizeof(listened)) < 0)
		exit(1);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	close(told[0]);
	close(told[1]);
	return passed - listened;
}

static int
latency(size_t runs, unsigned short port, char **command)
{
	static double ms[MAX_RUNS];

	srandom((unsigned)getpid());
	for (size_t i = 0; i < runs; i++)
		ms[i] = one_start(port, command);
	double middle = median(ms, runs);
	printf("%.1f %.1f %.1f\n", ms[0], middle, ms[runs - 1]);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "serve") == 0) {
		uint16_t port;
		int listener = listen_on(0, &port);
		printf("%u\n", port);
		fflush(stdout);
		serve(listener);
	}
	if (argc > 2 && strcmp(argv[1], "bare") == 0)
		return bare(argv[2]);
	size_t runs = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 0;
	if (runs == 0 || runs > MAX_RUNS)
		return 2;
	if (argc > 3 && strcmp(argv[1], "race") == 0)
		return race(runs, argv + 3);
	if (argc > 4 && strcmp(argv[1], "latency") == 0)
		return latency(runs, (unsigned short)strtoul(argv[3], NULL, 10), argv + 4);
	return 2;
}
