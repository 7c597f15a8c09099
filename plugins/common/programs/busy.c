/*
 * busy ADDRESS:PORT… - prints those at which no program can begin to listen, a line each, because
 * another one has the port. That one need not listen: it is enough that it is bound there, or has
 * a connection from there. ADDRESS is as nginx writes it, "*", 10.1.2.3 or [::1]; other words are
 * left out. Each is tried as nginx does it.
 *
 * Exit status: 0.
 */
#define _GNU_SOURCE 1

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

enum { PORT_MAX = 65535 };

/* An address of either family, and its length. */
struct place {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
	socklen_t size;
};

/* Reads ADDRESS:PORT. Returns false if it is something else. */
static bool
read_place(const char *word, struct place *place)
{
	char text[INET6_ADDRSTRLEN + 2];
	const char *colon = strrchr(word, ':');
	unsigned long port;
	size_t length;

	if (!colon || !parse_unsigned(colon + 1, strlen(colon + 1), PORT_MAX, &port))
		return false;
	length = (size_t)(colon - word);
	if (length == 0 || length >= sizeof(text))
		return false;
	memcpy(text, word, length);
	text[length] = '\0';
	memset(place, 0, sizeof(*place));
	if (text[0] == '[' && text[length - 1] == ']') {
		text[length - 1] = '\0';
		place->size = sizeof(place->address.v6);
		place->address.v6.sin6_family = AF_INET6;
		place->address.v6.sin6_port = htons((uint16_t)port);
		return inet_pton(AF_INET6, text + 1, &place->address.v6.sin6_addr) == 1;
	}
	place->size = sizeof(place->address.v4);
	place->address.v4.sin_family = AF_INET;
	place->address.v4.sin_port = htons((uint16_t)port);
	return strcmp(text, "*") == 0 || inet_pton(AF_INET, text, &place->address.v4.sin_addr) == 1;
}

static bool
is_busy(const struct place *place)
{
	int on = 1, error = 0;
	int fd = socket(place->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (place->address.any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, &place->address.any, place->size) == -1 || listen(fd, 1) == -1)
		error = errno;
	close(fd);
	return error == EADDRINUSE;
}

int
main(int argc, char **argv)
{
	struct place place;

	for (int i = 1; i < argc; i++) {
		if (read_place(argv[i], &place) && is_busy(&place))
			puts(argv[i]);
	}
	return fflush(stdout) == EOF;
}
