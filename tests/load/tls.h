#ifndef LOAD_TLS_H
#define LOAD_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * TLS over a non-blocking socket, with session reuse between the connections of a target. Built on
 * OpenSSL where pkg-config finds it, else tls_target_new returns NULL.
 */
struct tls_target; /* of one app: its name and its last session */
struct tls; /* of one connection */

enum tls_result {
	TLS_AGAIN = -1,
	TLS_RESET = -2, /* the connection broke */
	TLS_FAILED = -3, /* the peer has no TLS, or none that we accept */
};

/* ca_file NULL: certificates are not verified. Returns NULL with a reason in *why. */
struct tls_target *tls_target_new(const char *server_name, const char *ca_file, const char **why);
void tls_target_free(struct tls_target *t);

struct tls *tls_new(struct tls_target *t, int fd);
void tls_free(struct tls *tls);

/* 0 when done, else a tls_result. */
int tls_handshake(struct tls *tls);
/* After the handshake: whether an earlier session was resumed. */
bool tls_resumed(const struct tls *tls);
/* As recv and send: bytes, 0 at the end, or a tls_result. */
ssize_t tls_read(struct tls *tls, void *bytes, size_t n);
ssize_t tls_write(struct tls *tls, const void *bytes, size_t n);

#endif
