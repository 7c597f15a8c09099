#include "sha1.h"

#include <string.h>

static uint32_t
rotate(uint32_t x, unsigned n)
{
	return (x << n) | (x >> (32 - n));
}

static void
mix_block(uint32_t state[5], const unsigned char *p)
{
	uint32_t w[80];
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];

	for (size_t i = 0; i < 16; i++)
		w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
			(uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
	for (size_t i = 16; i < 80; i++)
		w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	for (size_t i = 0; i < 80; i++) {
		uint32_t f = i < 20 ? ((b & c) | (~b & d)) + 0x5a827999
			: i < 40    ? (b ^ c ^ d) + 0x6ed9eba1
			: i < 60    ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
				    : (b ^ c ^ d) + 0xca62c1d6;
		uint32_t next = rotate(a, 5) + f + e + w[i];
		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = next;
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
	state[4] += e;
}

void
sha1_init(struct sha1 *s)
{
	*s = (struct sha1){ .state = {
				    0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 } };
}

void
sha1_add(struct sha1 *s, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	while (n > 0) {
		size_t at = s->length % 64;
		size_t part = n < 64 - at ? n : 64 - at;
		memcpy(s->block + at, p, part);
		s->length += part;
		p += part;
		n -= part;
		if (s->length % 64 == 0)
			mix_block(s->state, s->block);
	}
}

void
sha1_end(struct sha1 *s, unsigned char digest[20])
{
	static const unsigned char padding[64] = { 0x80 };
	uint64_t bits = s->length * 8;
	unsigned char tail[8];

	for (size_t i = 0; i < 8; i++)
		tail[i] = (unsigned char)(bits >> (56 - 8 * i));
	sha1_add(s, padding, 1 + (119 - s->length % 64) % 64);
	sha1_add(s, tail, sizeof(tail));
	for (size_t i = 0; i < 20; i++)
		digest[i] = (unsigned char)(s->state[i / 4] >> (24 - 8 * (i % 4)));
}

void
sha1_hex(struct sha1 *s, char text[41])
{
	unsigned char digest[20];

	sha1_end(s, digest);
	for (size_t i = 0; i < 20; i++) {
		text[2 * i] = "0123456789abcdef"[digest[i] >> 4];
		text[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
	}
	text[40] = '\0';
}

void
base64(const unsigned char *bytes, size_t n, char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		uint32_t group = (uint32_t)bytes[i] << 16;
		if (i + 1 < n)
			group |= (uint32_t)bytes[i + 1] << 8;
		if (i + 2 < n)
			group |= bytes[i + 2];
		*out++ = digits[group >> 18];
		*out++ = digits[group >> 12 & 63];
		*out++ = i + 1 < n ? digits[group >> 6 & 63] : '=';
		*out++ = i + 2 < n ? digits[group & 63] : '=';
	}
	*out = '\0';
}

void
websocket_accept(const char *key, size_t n, char answer[29])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char digest[20];
	struct sha1 s;

	sha1_init(&s);
	sha1_add(&s, key, n);
	sha1_add(&s, guid, sizeof(guid) - 1);
	sha1_end(&s, digest);
	base64(digest, sizeof(digest), answer);
}
