/*
 * The way of an answer: a real fetch from a socket that sends the input, judged by checks of every
 * kind. For any input there is a verdict, and its reason is safe to show.
 */
#define _DEFAULT_SOURCE 1

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fetch.h"
#include "judge.h"
#include "require.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] = "/a needle\n  ! absent\n  ~ ne+dle\n  < X: y\n  < Location: !\n"
			   "i = /b x\n  !~ z\n"
			   "HEAD /c\n";

struct stage {
	int listener;
	struct options options;
	struct checks checks;
	struct watch watch;
	struct fetch *fetch;
};

/* Once for all inputs: a listener, and a fetch that knows its port. */
static struct stage *
set_stage(void)
{
	static struct stage s;
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	struct vars vars = { 0 };

	if (s.fetch)
		return &s;
	signal(SIGPIPE, SIG_IGN);
	s.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	require(bind(s.listener, (struct sockaddr *)&address, len) == 0 &&
		listen(s.listener, 16) == 0 &&
		getsockname(s.listener, (struct sockaddr *)&address, &len) == 0);
	s.options = (struct options){ .target = "app.example", .address = "127.0.0.1" };
	s.options.port = ntohs(address.sin_port);
	s.watch = (struct watch){ .pidfd = -1, .stat = -1 };
	require(checks_parse(&s.checks, text, strlen(text), &vars) == 0);
	s.fetch = fetch_new(&s.options, &s.checks, &s.watch);
	require(s.fetch != NULL);
	return &s;
}

/* Sends each client the bytes and closes the connection. Redirects connect again. */
static void
serve(struct stage *s, const uint8_t *data, size_t size)
{
	for (int fd; (fd = accept(s->listener, NULL, NULL)) >= 0;) {
		if (send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			shutdown(fd, SHUT_WR);
		close(fd);
	}
}

static void
judge_reason(const struct result *result)
{
	const char *reason = buf_text(&result->reason);
	unsigned code;

	require((result->verdict == VERDICT_PASSED) == (result->reason.len == 0));
	for (size_t i = 0; i < result->reason.len;) {
		size_t n = buf_utf8(reason + i, result->reason.len - i, &code);
		require(n > 0 && code >= ' ' && code != 0x7f);
		i += n;
	}
}

static void
ask(struct stage *s, const struct check *check, const uint8_t *data, size_t size)
{
	struct judge judge = { 0 };
	struct result result = { 0 };
	struct fetch_response response = { 0 };
	struct fetch_response *done = NULL;
	int64_t until = clock_now() + 50 * UTIL_MS;
	const struct fetch_request request = { .check = check,
		.host = "app.example",
		.until = until,
		.take = judge_take,
		.taker = &judge };

	judge_start(&judge, check, &response, until);
	require(fetch_ask(s->fetch, &request, &response) == 0);
	while (!done && clock_now() < until + UTIL_SECOND) {
		(void)fetch_wait(s->fetch, clock_now() + 200, &done);
		serve(s, data, size);
	}
	require(done == &response);
	judge_end(&judge, &result);
	judge_reason(&result);
	judge_release(&judge);
	result_release(&result);
	fetch_response_release(&response);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stage *s = set_stage();

	if (size == 0)
		return 0;
	ask(s, &s->checks.item[data[0] % s->checks.nr], data + 1, size - 1);
	return 0;
}
