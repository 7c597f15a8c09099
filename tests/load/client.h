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
	bool stopping; /* finish what is under way, start nothing */
	uint64_t random;
	FILE *failures; /* a line per failure, or NULL */
	char in[65536]; /* what was read last; nothing stays in it between steps */
};

/*
 * One connection after another, one request after another, none of them ever tried again. A client
 * that is about to reuse a connection at once does not look first whether the server has closed it;
 * one that waits is told by the kernel.
 */
struct client;

struct client *client_new(struct world *w, struct group *group, size_t index, uint64_t now);
void client_free(struct client *c);

/* The socket may have become readable or writable: go on as far as possible. */
void client_event(struct client *c, uint64_t now);
/* A little time has passed: see what is due or overdue. */
void client_tick(struct client *c, uint64_t now);
/* Stopping, and its last request has ended. */
bool client_done(const struct client *c);
bool client_connected(const struct client *c);
/* Give up at once. True if that cut off a request, which is counted nowhere. */
bool client_abandon(struct client *c, uint64_t now);

#endif
