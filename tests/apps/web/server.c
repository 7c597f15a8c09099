#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"
#include "pages.h"

enum {
	MIN_SPARE = 4,
	MAX_SPARE = 64,
	MAX_THREADS = 4096,
	STACK_SIZE = 256 * 1024,
};

/*
 * Threads accept for themselves and serve a client until it leaves. If few spare threads are left,
 * the next busy one starts another, so a client never waits behind a slow one.
 */
struct server {
	const struct config *config;
	int listen_fd;
	int stop_pipe[2];
	uint64_t ready_at;
	atomic_bool stopping; /* every answer is its connection's last */
	atomic_bool deaf; /* nothing more is accepted */
	pthread_mutex_t lock; /* of the members below */
	pthread_cond_t gone;
	unsigned threads;
	unsigned spare;
};

static void *serve_clients(void *arg);

static void
log_request(const struct request *r, uint64_t begin)
{
	printf("%s %s%s%s %llu ms\n", r->method, r->path, r->query[0] != '\0' ? "?" : "", r->query,
		(unsigned long long)(now_ms() - begin));
	fflush(stdout);
}

static void
serve_client(struct server *s, struct conn *c, struct request *r)
{
	int one = 1;
	uint64_t left = s->config->close_after;

	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	while (!c->close && http_next(c, r)) {
		uint64_t begin = s->config->log ? now_ms() : 0;
		pages_answer(c, r, s->config, s->ready_at);
		if (s->config->log)
			log_request(r, begin);
		if (left > 0 && --left == 0)
			break;
	}
	conn_end(c);
}

/* With the lock held. */
static void
start_thread(struct server *s)
{
	pthread_attr_t attr;
	pthread_t id;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (s->threads < MAX_THREADS && pthread_create(&id, &attr, serve_clients, s) == 0) {
		s->threads++;
		s->spare++;
	}
	pthread_attr_destroy(&attr);
}

static void
take_place(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	s->spare--;
	if (s->spare < MIN_SPARE)
		start_thread(s);
	pthread_mutex_unlock(&s->lock);
}

/* Returns false if there are enough threads without the caller, which then ends. */
static bool
give_place(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	bool stay = s->spare < MAX_SPARE;
	if (stay)
		s->spare++;
	pthread_mutex_unlock(&s->lock);
	return stay;
}

static void *
serve_clients(void *arg)
{
	struct server *s = arg;
	struct conn *c = malloc(sizeof(*c));
	struct request *r = malloc(sizeof(*r));
	bool spare = true;

	while (c != NULL && r != NULL && spare && !atomic_load(&s->deaf)) {
		int fd = accept(s->listen_fd, NULL, NULL);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE)
				sleep_ms(10);
			continue;
		}
		c->fd = fd;
		c->stop_fd = s->stop_pipe[0];
		c->stopping = &s->stopping;
		c->identity = s->config->identity;
		c->closing = s->config->closing;
		c->asked = c->close = c->linger = false;
		c->start = c->end = 0;
		take_place(s);
		serve_client(s, c, r);
		spare = give_place(s);
	}
	free(c);
	free(r);
	pthread_mutex_lock(&s->lock);
	s->threads--;
	if (spare)
		s->spare--;
	pthread_cond_signal(&s->gone);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static int
listen_at(const struct sockaddr *address, socklen_t n)
{
	int one = 1;
	int zero = 0;
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (address->sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, address, n) == 0 && listen(fd, 4096) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int
open_listener(const struct config *config, const char **why)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(config->port) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(config->port) };
	const char *where = config->listen_addr;
	int fd = -1;

	if (where != NULL && inet_pton(AF_INET, where, &four.sin_addr) != 1 &&
		inet_pton(AF_INET6, where, &six.sin6_addr) != 1) {
		*why = "LISTEN_ADDR is no address";
		return -1;
	}
	if (where == NULL || strchr(where, ':') != NULL)
		fd = listen_at((const struct sockaddr *)&six, sizeof(six));
	if (fd < 0 && (where == NULL || strchr(where, ':') == NULL))
		fd = listen_at((const struct sockaddr *)&four, sizeof(four));
	if (fd < 0)
		*why = strerror(errno);
	return fd;
}

struct server *
server_start(const struct config *config, const char **why)
{
	struct server *s = calloc(1, sizeof(*s));

	*why = "no memory";
	if (s == NULL)
		return NULL;
	s->config = config;
	s->ready_at = now_ms() + config->ready_delay_ms;
	s->listen_fd = open_listener(config, why);
	if (s->listen_fd < 0 || pipe(s->stop_pipe) < 0) {
		free(s);
		return NULL;
	}
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->gone, NULL);
	pthread_mutex_lock(&s->lock);
	for (int i = 0; i < MIN_SPARE; i++)
		start_thread(s);
	pthread_mutex_unlock(&s->lock);
	return s;
}

/* Waits until all connections in the queue are accepted. Closing the socket would reset them. */
static void
empty_queue(struct server *s)
{
	struct pollfd p = { .fd = s->listen_fd, .events = POLLIN };

	for (int i = 0; i < 1000 && poll(&p, 1, 0) > 0; i++)
		sleep_ms(1);
}

void
server_stop(struct server *s)
{
	atomic_store(&s->stopping, true);
	close(s->stop_pipe[1]);
	empty_queue(s);
	/* Wakes every accept. */
	atomic_store(&s->deaf, true);
	shutdown(s->listen_fd, SHUT_RDWR);
	pthread_mutex_lock(&s->lock);
	while (s->threads > 0)
		pthread_cond_wait(&s->gone, &s->lock);
	pthread_mutex_unlock(&s->lock);
	close(s->listen_fd);
}
