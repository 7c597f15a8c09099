#ifndef WEB_CONFIG_H
#define WEB_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base.h"
#include "http.h"

/*
 * The settings from the environment, read once and constant afterwards. Strings are borrowed from
 * it.
 */
struct config {
	const char *app;
	const char *release;
	const char *greeting;
	const char *dir; /* the static files; may be missing */
	const char *listen_addr; /* NULL: all addresses, IPv6 and IPv4 */
	const char *worker_log; /* NULL: no log of starts and stops */
	const char *only_host; /* NULL: any host is answered */
	uint16_t port;
	uint16_t mail_port; /* 0: none */
	uint16_t more_port; /* 0: none */
	uint64_t boot_delay_ms;
	uint64_t ready_delay_ms;
	uint64_t first_delay_ms; /* requests wait so long until the first one is answered */
	uint64_t exit_after_ms; /* 0: never */
	uint64_t close_after; /* answers on a connection; 0: it is not closed for that */
	int exit_code;
	bool no_listen;
	bool ignore_term;
	bool force_https;
	bool log;
	enum closing closing;
	char identity[512]; /* the X-App and X-Release lines of every response */
};

/* Fills *c from the environment. Returns NULL, or the name of a variable that is not valid. */
const char *config_read(struct config *c, const char *dir);

/* Makes *more the config of the server at the port more_port, whose responses say so. */
void config_for_more(struct config *more, const struct config *c);

#endif
