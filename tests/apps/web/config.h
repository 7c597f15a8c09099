#ifndef WEB_CONFIG_H
#define WEB_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a connection ends after its last answer. */
enum closing {
	CLOSE_FIRST, /* we close it */
	CLOSE_LAST, /* we wait for the peer to close it */
	CLOSE_RESET, /* we reset it */
};

/* What the environment asks for, read once and const after. Strings are borrowed from it. */
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
	uint64_t boot_delay_ms;
	uint64_t ready_delay_ms;
	uint64_t first_delay_ms; /* requests wait so long until one was answered */
	uint64_t exit_after_ms; /* 0: never */
	int exit_code;
	bool no_listen;
	bool ignore_term;
	bool force_https;
	bool log;
	enum closing closing;
	char identity[512]; /* the X-App and X-Release lines of every response */
};

/* Fill *c from the environment. Returns NULL, or the name of a variable whose value is none of its own. */
const char *config_read(struct config *c, const char *dir);

/* A whole decimal number of at most max. *out stays as it was on false. */
bool parse_unsigned(const char *text, uint64_t max, uint64_t *out);

/* Milliseconds of a clock that nobody sets. */
uint64_t now_ms(void);
void sleep_ms(uint64_t ms);

#endif
