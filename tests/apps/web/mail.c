#include "mail.h"

#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
say(int fd, const char *line)
{
	(void)!send(fd, line, strlen(line), MSG_NOSIGNAL);
}

/* Speaks first, as SMTP does, and ignores all input. The client ends the connection. */
static void *
serve_client(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char line[4096];

	say(fd, "220 web ESMTP\r\n");
	while (recv(fd, line, sizeof(line), 0) > 0)
		say(fd, "500 5.5.1 command not recognized\r\n");
	close(fd);
	return NULL;
}

static void *
accept_clients(void *arg)
{
	int *listener = arg;
	pthread_t id;

	for (;;) {
		int fd = accept(*listener, NULL, NULL);
		if (fd < 0)
			continue;
		if (pthread_create(&id, NULL, serve_client, (void *)(intptr_t)fd) == 0)
			pthread_detach(id);
		else
			close(fd);
	}
	return NULL;
}

bool
mail_start(uint16_t port)
{
	static int listener;
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
	int one = 1;
	pthread_t id;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0)
		return false;
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return bind(listener, (struct sockaddr *)&any, sizeof(any)) == 0 &&
		listen(listener, 64) == 0 &&
		pthread_create(&id, NULL, accept_clients, &listener) == 0;
}
