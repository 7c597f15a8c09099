#include "network.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

enum { MAX_BITS = 30, MAX_SECONDS = 3600 };

bool
refuse(struct refusal *refusal, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(refusal->reason, sizeof(refusal->reason), format, args);
	va_end(args);
	return false;
}

/* Parses all of text as a decimal number without a leading zero. */
static bool
parse_number(const char *text, size_t length, unsigned long max, uint32_t *out)
{
	unsigned long number;

	if ((length > 1 && *text == '0') || !parse_unsigned(text, length, max, &number))
		return false;
	*out = (uint32_t)number;
	return true;
}

/* Parses four numbers with dots between them. The result has the host's byte order. */
static bool
parse_address(const char *text, size_t length, uint32_t *out)
{
	const char *end = text + length;
	uint32_t address = 0, byte;

	for (int i = 0; i < 4; i++) {
		const char *dot = i < 3 ? memchr(text, '.', (size_t)(end - text)) : end;

		if (!dot || !parse_number(text, (size_t)(dot - text), 255, &byte))
			return false;
		address = address << 8 | byte;
		text = i < 3 ? dot + 1 : end;
	}
	*out = address;
	return true;
}

bool
network_parse(struct network *network, const char *text, size_t length)
{
	const char *slash = memchr(text, '/', length);
	uint32_t bits;

	if (!slash || !parse_address(text, (size_t)(slash - text), &network->low))
		return false;
	size_t left = length - (size_t)(slash - text) - 1;
	if (!parse_number(slash + 1, left, MAX_BITS, &bits) || bits == 0)
		return false;
	network->half = (uint32_t)1 << (31 - bits);
	return true;
}

bool
network_parse_address(uint32_t *address, const struct network *network, enum network_half half,
	const char *text, size_t length, struct refusal *refusal)
{
	uint32_t host;

	if (!parse_address(text, length, &host))
		return refuse(refusal, "not an address");
	/* Comparing offsets is also right for a network that ends at 255.255.255.255. */
	uint32_t offset = host - network->low;
	uint32_t start = half == NETWORK_CONTAINERS ? network->half : 0;
	if (host < network->low || offset < start || offset - start >= network->half)
		return refuse(refusal, "not in our network: %.*s", (int)length, text);
	*address = htonl(host);
	return true;
}

bool
network_parse_port(uint16_t *port, const char *text, size_t length, struct refusal *refusal)
{
	uint32_t number;

	if (!parse_number(text, length, 65535, &number) || number == 0)
		return refuse(refusal, "not a port");
	*port = htons((uint16_t)number);
	return true;
}

bool
network_parse_seconds(uint32_t *seconds, const char *text, size_t length, struct refusal *refusal)
{
	return (parse_number(text, length, MAX_SECONDS, seconds) && *seconds > 0) ||
		refuse(refusal, "not 1 to %d seconds", MAX_SECONDS);
}

bool
endpoint_is_none(struct endpoint endpoint)
{
	return endpoint.port == 0;
}

bool
endpoint_equals(struct endpoint a, struct endpoint b)
{
	return a.address == b.address && a.port == b.port;
}

const char *
endpoint_format(struct endpoint endpoint, char separator, char *text)
{
	uint32_t host = ntohl(endpoint.address);

	snprintf(text, ENDPOINT_SIZE, "%u.%u.%u.%u%c%u", host >> 24, host >> 16 & 255,
		host >> 8 & 255, host & 255, separator, (unsigned)ntohs(endpoint.port));
	return text;
}
