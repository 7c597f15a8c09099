/*
 * The CHECKS file: what to ask and what must come back. Everything that can be wrong with a
 * file is found here, with its line and column, before anything is asked.
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
	CHECKS_PLAIN, /* a path, or //host: http, or what --tls says */
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
	char *header; /* the response header it is about; NULL: the body */
	char *text;
	size_t len;
	struct match *match; /* NULL for EQUALS, and where text is empty */
};

struct status_range {
	unsigned first;
	unsigned last;
};

/* A zeroed check has no status list: any status from 200 to 399 is right then. */
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

/* -1 and 0 where the file says nothing. */
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
 * Read a whole file. Returns 0, or -1 if the notes hold an error; then nothing may be asked.
 * A file without one check is an error. Warnings are notes as well.
 */
int checks_parse(struct checks *c, const char *text, size_t len, const struct vars *vars);

/*
 * Drop the checks that name a host of their own which is none of these. For a file without errors.
 * Returns 0, or -1 if no check is left, which is an error as in a file without checks.
 */
int checks_keep_hosts(struct checks *c, const char *const *host, size_t nr);

void checks_clear(struct checks *c);

/* Is this status what the check wants? */
bool check_wants(const struct check *c, int status);

/* Does some condition look at the body? */
bool check_needs_body(const struct check *c);

/* "!", "~", "!~", "=", or "" for a text that must be there. */
const char *check_op_sign(enum checks_op op);

/*
 * Is this a request header that may be sent? Returns NULL if so, else why not. Used for the
 * command line as well.
 */
const char *check_bad_header(const char *text, size_t len);

/* Is this a host name or an IP address, without a port? */
bool check_is_host(const char *text, size_t len);

/* Is the host name the one that pattern is, or one that a pattern like *.example.com stands for? */
bool check_host_matches(const char *host, size_t len, const char *pattern);

#endif
