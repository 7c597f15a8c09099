#ifndef WEB_SHA1_H
#define WEB_SHA1_H

#include <stddef.h>
#include <stdint.h>

/* SHA-1, because RFC 6455 asks for it and sha1sum can check it. No secret depends on it. */
struct sha1 {
	uint32_t state[5];
	uint64_t length;
	unsigned char block[64];
};

void sha1_init(struct sha1 *s);
void sha1_add(struct sha1 *s, const void *bytes, size_t n);
void sha1_end(struct sha1 *s, unsigned char digest[20]);
/* As sha1_end, but 40 digits and a NUL. */
void sha1_hex(struct sha1 *s, char text[41]);

/*
 * Writes the Sec-WebSocket-Accept for this Sec-WebSocket-Key of n bytes: 28 characters and a NUL.
 */
void websocket_accept(const char *key, size_t n, char answer[29]);
/* Base64 of n bytes into out, which holds 4 * ((n + 2) / 3) + 1. */
void base64(const unsigned char *bytes, size_t n, char *out);

#endif
