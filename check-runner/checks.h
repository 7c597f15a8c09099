/*
 * The CHECKS file: what to ask and what the answers must be. All errors of a file are found here,
 * with line and column, before the first request is sent.
 */
#ifndef CHECK_RUNNER_CHECKS_H
#define CHECK_RUNNER_CHECKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "match.h"
#include "vars.h"

#define CHECKS_MAX_FILE ((size_t)64 << 10)
#define CHECKS_MAX_LINE ((size_t)4 << 10)
#define CHECKS_MAX_CHECKS 100

enum checks_scheme {
	CHECKS_PLAIN, /* a path, or //host: http, or https with --tls */
	CHECKS_HTTP,
	CHECKS_HTTPS,
};

enum checks_op {
	CHECKS_HAS,
	CHECKS_LACKS,
	CHECKS_MATCHES,
	CHECKS_MATCHES_NOT,
	CHECKS_EQUALS,
};

struct condition {
	enum checks_op op;
	unsigned line;
	char *header; /* the response header that is compared; NULL: the body */
	char *text;
	size_t len;
	struct match *match; /* NULL for EQUALS, and if text is empty */
};

struct status_range {
	unsigned first;
	unsigned last;
};

/* A zeroed check has no status list. Then any status from 200 to 399 is right. */
struct check {
	unsigned line;
	const char *method; /* a constant */
	enum checks_scheme scheme;
	char *target; /* as it is written, templates replaced */
	char *host; /* without port; NULL: the run's own host */
	char *path; /* starts with "/", no blanks, no controls, ASCII */
	char *name; /* NULL without one */
	struct status_range *status;
	size_t nr_status;
	struct condition *condition;
	size_t nr_conditions;
	char **header; /* request headers, "Name: value", checked */
	size_t nr_headers;
	char *body;
	size_t body_len;
	int64_t timeout; /* 0: the run's */
	char *status_text; /* the list as it is written; NULL without one */
	bool no_redirect;
	bool icase;
	bool warn;
};

/* -1 and 0 mean that the file has no such setting. */
struct checks_settings {
	int64_t wait;
	int64_t timeout;
	long attempts;
};

struct checks_note {
	unsigned line;
	unsigned column;
	bool is_error;
	char *text;
};

/* A zeroed struct is empty; it owns all it points to. */
struct checks {
	struct check *item;
	size_t nr;
	struct checks_settings set;
	struct checks_note *note; /* in the order they were found */
	size_t nr_notes;
	size_t nr_errors;
	bool empty; /* the one error is that there is no check */
};

/*
 * Read a whole file. Returns 0, or -1 if the notes hold an error. Then no request may be sent. A
 * file without a check is an error. Warnings are notes as well.
 */
int checks_parse(struct checks *c, const char *text, size_t len, const struct vars *vars);

/*
 * Drop the checks whose own host is none of these. The file must have no errors. Returns 0, or -1
 * if no check is left, which is an error as in a file without checks.
 */
int checks_keep_hosts(struct checks *c, const char *const *host, size_t nr);

void checks_clear(struct checks *c);

/* Whether the check accepts this status. */
bool check_wants(const struct check *c, int status);

/* Whether a condition is about the body. */
bool check_needs_body(const struct check *c);

/* "!", "~", "!~", "=", or "" for a text that must be there. */
const char *check_op_sign(enum checks_op op);

/*
 * Returns NULL if this request header may be sent, else why not. The command line uses it as well.
 */
const char *check_bad_header(const char *text, size_t len);

/* Whether this is a host name or an IP address, without a port. */
bool check_is_host(const char *text, size_t len);

/* Whether pattern, which may be like *.example.com, matches the host name. */
bool check_host_matches(const char *host, size_t len, const char *pattern);

#endif
