#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "releases.h"
#include "stats.h"

struct tls_target;

enum mode {
	MODE_GET, /* keep-alive GETs back to back */
	MODE_CLOSE, /* GETs with Connection: close */
	MODE_POST, /* keep-alive POSTs whose body must come back */
	MODE_UPLOAD, /* POSTs whose body takes --upload-ms to send */
	MODE_DOWNLOAD, /* GETs whose answer takes --download-ms */
	MODE_WS, /* websocket messages that must come back */
	MODE_IDLE, /* keep-alive GETs at random think times */
	MODE_COUNT,
};

extern const char *const mode_names[MODE_COUNT];

/* One app, as one --url and the options after it describe it. Texts point into argv. */
struct target {
	const char *name;
	const char *expect_app; /* NULL: any */
	char host[256]; /* the Host header, with the port if it is not the usual one */
	char server_name[256];
	char port[8];
	const char *path;
	bool tls;
	struct sockaddr_storage address;
	socklen_t address_len;
	struct tls_target *tls_target; /* NULL without TLS */
	struct releases releases;
};

/* The clients of one target in one mode. */
struct group {
	struct target *target;
	size_t target_index; /* the same, valid while targets are still being added */
	enum mode mode;
	size_t clients;
	uint64_t rate; /* requests a second and connection, 0: no limit */
	struct stats stats;
};

/* The options. main owns them; clients and report read them. */
struct options {
	struct target *target;
	size_t targets;
	struct group *group;
	size_t groups;
	uint64_t duration_ms; /* 0: until told */
	uint64_t requests; /* 0: as many as fit */
	uint64_t timeout_ms;
	uint64_t connect_timeout_ms;
	uint64_t pause_ms; /* wait after a connection that failed */
	uint64_t think_min_ms, think_max_ms;
	uint64_t upload_ms, upload_bytes;
	uint64_t download_ms, download_bytes;
	uint64_t ws_ms;
	uint64_t post_bytes;
	const char *until_file;
	const char *json_file;
	const char *failure_log;
	const char *release_log;
	const char *ca_file; /* NULL: certificates are not verified */
	bool progress;
};

/* Fill *o and resolve names. Misuse ends the program. --help prints and exits with 0. */
void options_parse(struct options *o, int argc, char **argv);
void options_release(struct options *o);

#endif
