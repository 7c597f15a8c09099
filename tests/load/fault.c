/*
 * fault BEHAVIOUR [AFTER [TIMES]] - the test app's server, with a fault. On each connection it
 * answers AFTER requests well and then misbehaves, TIMES times in total (default: 0, 1). It prints
 * the port that it listens on. Its environment is that of tests/apps/web.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../apps/web/pages.h"
#include "../apps/web/sha1.h"
#include "base.h"
#include "http.h"

enum { MAX_BODY = 65536 };

struct fault {
	struct config config;
	const char *behaviour;
	uint64_t after;
	atomic_int times; /* left */
	atomic_bool never;
	int never_fd;
};

/* A client, and what a behaviour needs to answer it. */
struct fault_client {
	const struct fault *fault;
	struct conn conn;
	struct request request;
};

typedef void misbehave(struct fault_client *f);

static void
say(struct fault_client *f, const char *text)
{
	conn_write(&f->conn, text, strlen(text));
	f->conn.close = true;
}

/* Makes close() send a reset. Bytes that were written before may be lost. */
static void
reset(struct fault_client *f)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(f->conn.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	f->conn.close = true;
}

static void
just_close(struct fault_client *f)
{
	f->conn.close = true;
}

static void
half_head(struct fault_client *f)
{
	say(f, "HTTP/1.1 200 OK\r\nContent-Le");
}

static void
truncate_length(struct fault_client *f)
{
	say(f, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
}

static void
truncate_reset(struct fault_client *f)
{
	truncate_length(f);
	sleep_ms(50);
	reset(f);
}

static void
truncate_chunked(struct fault_client *f)
{
	say(f, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nonly\r\n");
}

static void
garbage(struct fault_client *f)
{
	say(f, "SSH-2.0-OpenSSH_9.2\r\n");
}

static void
bad_length(struct fault_client *f)
{
	say(f, "HTTP/1.1 200 OK\r\nContent-Length: twelve\r\n\r\ntwelve bytes");
}

static void
extra(struct fault_client *f)
{
	say(f, "HTTP/1.1 200 OK\r\nX-App: web\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 408 x\r\n");
	sleep_ms(200);
}

static void
stall(struct fault_client *f)
{
	sleep_ms(3000);
	just_close(f);
}

static void
stall_midway(struct fault_client *f)
{
	truncate_length(f);
	stall(f);
}

static void
wrong_app(struct fault_client *f)
{
	f->conn.identity = "X-App: other\r\nX-Release: v1\r\n";
	http_reply(&f->conn, &f->request, 200, "text/plain", "", "web", 3);
	f->conn.identity = f->fault->config.identity;
}

static void
no_app(struct fault_client *f)
{
	f->conn.identity = "";
	http_reply(&f->conn, &f->request, 200, "text/html", "", "web", 3);
	f->conn.identity = f->fault->config.identity;
}

static void
wrong_page(struct fault_client *f)
{
	http_reply(&f->conn, &f->request, 200, "text/html", "", "<h1>other</h1>", 14);
}

static void
wrong_body(struct fault_client *f)
{
	http_reply(&f->conn, &f->request, 200, "text/plain", "", "not this", 8);
}

/* A download, or an echo, that is too short, with the right length in its header. */
static void
too_short(struct fault_client *f)
{
	http_reply(&f->conn, &f->request, 200, "text/plain", "", "0123456789", 10);
}

/* One byte of the right length is wrong. */
static void
wrong_byte(struct fault_client *f)
{
	char bytes[MAX_BODY];
	size_t used = 0;
	ssize_t n;

	while ((n = http_body(&f->conn, &f->request, bytes + used, sizeof(bytes) - used)) > 0)
		used += (size_t)n;
	if (used > 0)
		bytes[used / 2] ^= 1;
	http_reply(&f->conn, &f->request, 200, "text/plain", "", bytes, used);
}

static void
bad_gateway(struct fault_client *f)
{
	f->conn.identity = "";
	http_reply(&f->conn, &f->request, 502, "text/html", "", "502 Bad Gateway", 15);
	f->conn.identity = f->fault->config.identity;
}

static void
unavailable(struct fault_client *f)
{
	http_reply(&f->conn, &f->request, 503, "text/plain", "", "busy", 4);
}

static void
not_found(struct fault_client *f)
{
	http_reply(&f->conn, &f->request, 404, "text/plain", "", "no", 2);
}

static void
other_release(struct fault_client *f)
{
	f->conn.identity = "X-App: web\r\nX-Release: v0\r\n";
	http_reply(&f->conn, &f->request, 200, "text/plain", "", "web", 3);
	f->conn.identity = f->fault->config.identity;
}

/* Answers well, and closes without notice when the client has read it. */
static void
close_idle(struct fault_client *f)
{
	http_reply(&f->conn, &f->request, 200, "text/plain", "", "web", 3);
	sleep_ms(50);
	f->conn.close = true;
}

static void
announce(struct fault_client *f)
{
	f->conn.close = true;
	http_reply(&f->conn, &f->request, 200, "text/plain", "", "web", 3);
}

static void
upgrade(struct fault_client *f)
{
	char answer[29];
	char lines[160];
	size_t n = 0;
	const char *key = http_header(&f->request, "Sec-WebSocket-Key", &n);

	websocket_accept(key == NULL ? "" : key, n, answer);
	snprintf(lines, sizeof(lines),
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
		answer);
	http_reply_start(&f->conn, &f->request, 101, "", lines, 0);
	f->conn.close = true;
}

static void
wait_message(struct fault_client *f)
{
	char waste[512];

	conn_read(&f->conn, waste, sizeof(waste));
}

static void
ws_no_accept(struct fault_client *f)
{
	http_reply_start(&f->conn, &f->request, 101, "",
		"Upgrade: websocket\r\nSec-WebSocket-Accept: nonsense\r\n", 0);
	f->conn.close = true;
}

static void
ws_cut(struct fault_client *f)
{
	upgrade(f);
	wait_message(f);
}

static void
ws_goodbye(struct fault_client *f)
{
	upgrade(f);
	say(f, "\x88\x02\x03\xe9");
	wait_message(f);
}

/* The goodbye arrives in one piece with the upgrade, which can happen to any client. */
static void
ws_goodbye_at_once(struct fault_client *f)
{
	int one = 1;
	int zero = 0;

	setsockopt(f->conn.fd, IPPROTO_TCP, TCP_CORK, &one, sizeof(one));
	upgrade(f);
	say(f, "\x88\x02\x03\xe9");
	setsockopt(f->conn.fd, IPPROTO_TCP, TCP_CORK, &zero, sizeof(zero));
	wait_message(f);
}

static void
ws_idle_cut(struct fault_client *f)
{
	upgrade(f);
}

static void
ws_wrong(struct fault_client *f)
{
	upgrade(f);
	wait_message(f);
	say(f, "\x81\x05other");
	sleep_ms(100);
}

static void
ws_garbage(struct fault_client *f)
{
	upgrade(f);
	wait_message(f);
	say(f, "\xff\xff\xff\xff\xff");
	sleep_ms(100);
}

static const struct {
	const char *name;
	misbehave *act;
} behaviours[] = {
	{ "reset", reset },
	{ "close", just_close },
	{ "half-head", half_head },
	{ "truncate", truncate_length },
	{ "truncate-reset", truncate_reset },
	{ "truncate-chunked", truncate_chunked },
	{ "garbage", garbage },
	{ "bad-length", bad_length },
	{ "extra", extra },
	{ "stall", stall },
	{ "stall-midway", stall_midway },
	{ "wrong-app", wrong_app },
	{ "no-app", no_app },
	{ "wrong-page", wrong_page },
	{ "wrong-body", wrong_body },
	{ "too-short", too_short },
	{ "wrong-byte", wrong_byte },
	{ "502", bad_gateway },
	{ "503", unavailable },
	{ "404", not_found },
	{ "other-release", other_release },
	{ "close-idle", close_idle },
	{ "announce", announce },
	{ "ws-no-accept", ws_no_accept },
	{ "ws-cut", ws_cut },
	{ "ws-goodbye", ws_goodbye },
	{ "ws-goodbye-at-once", ws_goodbye_at_once },
	{ "ws-idle-cut", ws_idle_cut },
	{ "ws-wrong", ws_wrong },
	{ "ws-garbage", ws_garbage },
	{ "fine", NULL },
	{ "deaf", NULL },
};

static misbehave *
find_behaviour(const char *name)
{
	for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++)
		if (strcmp(behaviours[i].name, name) == 0)
			return behaviours[i].act;
	fprintf(stderr, "fault: no such behaviour: %s\n", name);
	exit(2);
}

static void *
serve(void *arg)
{
	struct fault_client *f = arg;
	struct fault *fault = NULL;
	uint64_t answered = 0;

	memcpy(&fault, &f->fault, sizeof(fault));
	misbehave *act = find_behaviour(fault->behaviour);
	while (!f->conn.close && http_next(&f->conn, &f->request)) {
		bool now = act != NULL && answered++ >= fault->after &&
			atomic_fetch_sub(&fault->times, 1) > 0;
		/* wrong-byte needs the body; all others must have read it, or close would reset. */
		if (now && act != wrong_byte && !http_drain(&f->conn, &f->request))
			break;
		if (now)
			act(f);
		else
			pages_answer(&f->conn, &f->request, &fault->config, 0);
	}
	close(f->conn.fd);
	free(f);
	return NULL;
}

/* Fills the queue of connections, so that the kernel drops all further ones. */
static void
be_deaf(int fd, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listen(fd, 0);
	for (int i = 0; i < 2; i++) {
		int own = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(own, (const struct sockaddr *)&address, sizeof(address));
	}
	for (;;)
		pause();
}

static void
serve_all(struct fault *fault, int fd)
{
	for (;;) {
		pthread_t id;
		int one = 1;
		struct fault_client *f = calloc(1, sizeof(*f));
		if (f == NULL)
			exit(2);
		f->fault = fault;
		f->conn.fd = accept(fd, NULL, NULL);
		f->conn.stop_fd = fault->never_fd;
		f->conn.stopping = &fault->never;
		f->conn.identity = fault->config.identity;
		setsockopt(f->conn.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (f->conn.fd < 0 || pthread_create(&id, NULL, serve, f) != 0)
			exit(2);
		pthread_detach(id);
	}
}

int
main(int argc, char **argv)
{
	struct fault fault = { .behaviour = argc > 1 ? argv[1] : "fine" };
	uint64_t times = 1;
	int never[2];
	uint16_t port;

	find_behaviour(fault.behaviour);
	if ((argc > 2 && !parse_unsigned(argv[2], UINT32_MAX, &fault.after)) ||
		(argc > 3 && !parse_unsigned(argv[3], 1000000, &times)) || pipe(never) < 0 ||
		config_read(&fault.config, "/nowhere") != NULL)
		return 2;
	atomic_store(&fault.times, (int)times);
	fault.never_fd = never[0];
	int fd = http_listen(0, &port);
	if (fd < 0)
		return 1;
	printf("%u\n", port);
	fflush(stdout);
	if (strcmp(fault.behaviour, "deaf") == 0)
		be_deaf(fd, port);
	serve_all(&fault, fd);
}
