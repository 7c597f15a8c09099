#ifndef WEB_SERVER_H
#define WEB_SERVER_H

#include "config.h"

struct server;

/*
 * Listen as config says and answer in threads of its own. Returns NULL with a reason in *why. The
 * config must outlive it.
 */
struct server *server_start(const struct config *config, const char **why);

/* Accept nothing more, let what is under way finish, and return when all clients are gone. */
void server_stop(struct server *s);

#endif
