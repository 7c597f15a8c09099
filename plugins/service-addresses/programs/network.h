/*
 * Addresses of our Docker network. Its lower half has the service addresses, which visitors are
 * sent to, and its upper half the addresses of containers.
 */
#ifndef NETWORK_H
#define NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The network's first address and half of its size, in the host's byte order. */
struct network {
	uint32_t low, half;
};

enum network_half { NETWORK_SERVICES, NETWORK_CONTAINERS };

/*
 * An address and a port in network byte order, laid out as the kernel has them in the keys and the
 * data of our maps. All zeros means none.
 */
struct endpoint {
	uint32_t address;
	uint16_t port;
	uint16_t padding;
};

/* Why a text was refused, as a message for the administrator. */
struct refusal {
	char reason[128];
};

/* Fills in *refusal as printf would and returns false, so that a parser can return its value. */
bool refuse(struct refusal *refusal, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * The parsers take a text and its length; the text need not end with a NUL. They return true, or
 * false with *refusal, if there is one, filled in. After false the result is unspecified.
 */

/* Parses "ADDRESS/BITS", BITS being 1 to 30. False for anything else. */
bool network_parse(struct network *network, const char *text, size_t length);

/* Parses an address that must lie in this half of network. The result has network byte order. */
bool network_parse_address(uint32_t *address, const struct network *network, enum network_half half,
	const char *text, size_t length, struct refusal *refusal);

/* Parses a port, 1 to 65535. The result has network byte order. */
bool network_parse_port(uint16_t *port, const char *text, size_t length, struct refusal *refusal);

/* Parses a number of seconds, 1 to 3600. */
bool network_parse_seconds(
	uint32_t *seconds, const char *text, size_t length, struct refusal *refusal);

bool endpoint_is_none(struct endpoint endpoint);

bool endpoint_equals(struct endpoint a, struct endpoint b);

/* Room for "255.255.255.255:65535" and its NUL. */
enum { ENDPOINT_SIZE = 22 };

/* Writes "ADDRESS<separator>PORT" to text, which has ENDPOINT_SIZE bytes, and returns text. */
const char *endpoint_format(struct endpoint endpoint, char separator, char *text);

#endif
