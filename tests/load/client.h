#ifndef LOAD_CLIENT_H
#define LOAD_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "options.h"

/* What all clients share. */
struct world {
	const struct options *options;
	int epoll_fd; /* events carry a struct client */
	bool stopping; /* finish running requests, start none */
	uint64_t random;
	FILE *failures; /* a line per failure, or NULL */
	char in[65536]; /* what was read last; nothing stays in it between steps */
};

/*
 * A client makes one connection after another and one request after another, and never retries a
 * request. A client that reuses a connection at once does not check first if the server has closed
 * it. A client that waits is told by the kernel.
 */
struct client;

struct client *client_new(struct world *w, struct group *group, size_t index, uint64_t now);
void client_free(struct client *c);

/* The socket may have become readable or writable: go on as far as possible. */
void client_event(struct client *c, uint64_t now);
/* Some time has passed: do what is due, and end what is overdue. */
void client_tick(struct client *c, uint64_t now);
/* Stopping, and its last request has ended. */
bool client_done(const struct client *c);
bool client_connected(const struct client *c);
/* Give up at once. Returns true if that cut off a request, which is then not counted. */
bool client_abandon(struct client *c, uint64_t now);

#endif
