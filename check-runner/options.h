/* The command line, read once and constant afterwards. */
#ifndef CHECK_RUNNER_OPTIONS_H
#define CHECK_RUNNER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vars.h"

#define OPTIONS_VERSION "1.0.0"

enum options_mode {
	OPTIONS_RUN,
	OPTIONS_LINT,
	OPTIONS_HELP,
	OPTIONS_VERSION_ONLY,
	OPTIONS_SELFTEST,
};

enum options_format {
	OPTIONS_HUMAN,
	OPTIONS_TAP,
	OPTIONS_JSON,
};

enum options_color {
	OPTIONS_AUTO,
	OPTIONS_ALWAYS,
	OPTIONS_NEVER,
};

/* Strings point into argv; the arrays and vars are owned. */
struct options {
	enum options_mode mode;
	const char *target; /* ADDRESS:PORT as it is written */
	char address[64]; /* the ADDRESS, numeric, without brackets */
	bool ipv6;
	uint16_t port;
	uint16_t tls_port; /* 0: https is sent as plain HTTP with a header */
	const char *file; /* "-" is stdin */
	const char **host; /* names, and patterns like *.example.com */
	size_t nr_hosts;
	const char *default_host; /* the host of plain paths: the first name; NULL: none */
	bool only_host;
	const char **header;
	size_t nr_headers;
	char **header_text; /* what --headers-from has read, which header points into */
	size_t nr_header_texts;
	bool tls;
	struct vars vars;
	int64_t wait;
	int64_t timeout;
	long attempts;
	int64_t deadline; /* 0: none */
	pid_t pid; /* 0: none */
	enum options_format format;
	enum options_color color;
	const char *report; /* NULL: none */
};

/*
 * True if argv has --tls-port. It opens no file, because a pipe can be read only once, and prints
 * no message. options_parse can follow, here or in another program.
 */
bool options_want_tls(int argc, char **argv);

/* Read argv. Misuse ends the program with 2 and a message on stderr. */
void options_parse(struct options *o, int argc, char **argv);

void options_release(struct options *o);

void options_print_help(void);

#endif
