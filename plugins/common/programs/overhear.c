/*
 * overhear COMMAND [ARG…] - runs COMMAND, a docker client, against this program instead of an
 * engine, and prints the JSON that the client sends to create a container. So the docker client
 * itself reads its options, whichever it knows, and no real engine, image or network is used.
 *
 * COMMAND finds us by DOCKER_HOST. Every request but the creation of a container is refused. The
 * socket is in $TMPDIR, or in /tmp if that is not set or too long for the path of a socket.
 *
 * Exit status: that of COMMAND; 1 and a line on stderr if it asked for nothing, or took too long.
 */
#define _GNU_SOURCE 1

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"
#include "util.h"

enum { MAX_REQUEST = 16 << 20, MAX_HEAD = 65536, PATIENCE_MS = 30000 };

/* What has arrived of one request. size never exceeds MAX_REQUEST. */
struct request {
	char *text;
	size_t size, room;
};

/* Its name has our process ID, so that sweep_temp of lib/files can remove it after a SIGKILL. */
static char folder[64 + sizeof("/overhear.1234567890.XXXXXX")];
static struct sockaddr_un address = { .sun_family = AF_UNIX };

static void
clean_up(void)
{
	unlink(address.sun_path);
	rmdir(folder);
}

/* Returns the socket that COMMAND is to connect to. Its folder is for this user alone. */
static int
open_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char *where = getenv("TMPDIR");

	if (!where || !*where || strlen(where) > 64)
		where = "/tmp";
	snprintf(folder, sizeof(folder), "%s/overhear.%d.XXXXXX", where, (int)getpid());
	if (fd == -1 || !mkdtemp(folder))
		die(1, "%s: no socket for the docker client: %s", where, strerror(errno));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
	atexit(clean_up);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == -1 || listen(fd, 8) == -1)
		fail(address.sun_path);
	return fd;
}

/* Starts command, which keeps the pipe end alive for as long as it runs. */
static pid_t
start(char **command, int alive)
{
	char host[sizeof(address.sun_path) + sizeof("unix://")];
	pid_t parent = getpid(), child = fork();

	if (child == -1)
		fail("fork");
	if (child > 0)
		return child;
	die_with(parent);
	snprintf(host, sizeof(host), "unix://%s", address.sun_path);
	setenv("DOCKER_HOST", host, 1);
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	/* What the client prints on stdout is the name that we have made up. */
	if (nowhere == -1 || dup2(nowhere, STDOUT_FILENO) == -1 || fcntl(alive, F_SETFD, 0) == -1)
		fail("/dev/null");
	become(command);
}

/* The length of the body that the head of a request announces; 0 without one. */
static size_t
body_length(const char *head, size_t size)
{
	static const char name[] = "\r\ncontent-length:";
	unsigned long length = 0;

	for (size_t i = 0; i + sizeof(name) <= size; i++) {
		if (strncasecmp(head + i, name, sizeof(name) - 1) != 0)
			continue;
		const char *from = head + i + sizeof(name) - 1;
		while (*from == ' ')
			from++;
		if (!parse_unsigned(from, strspn(from, "0123456789"), MAX_REQUEST, &length))
			die(1, "the docker client sent a request that is too large");
	}
	return length;
}

/* Waits until fd can be read. Returns false if the client ends or says nothing for too long. */
static bool
await(int fd, int alive)
{
	struct pollfd wanted[] = { { .fd = fd, .events = POLLIN }, { .fd = alive } };
	int nr;

	do
		nr = poll(wanted, UTIL_COUNT(wanted), PATIENCE_MS);
	while (nr == -1 && errno == EINTR);
	if (nr == 0)
		die(1, "the docker client did not say what it wants within %d s",
			PATIENCE_MS / 1000);
	return wanted[0].revents & POLLIN;
}

/*
 * Reads a whole request. Returns where its body begins, or NULL if the client ended before. The
 * text has a NUL after it.
 */
static const char *
read_request(int fd, int alive, struct request *request)
{
	const char *end = NULL;
	size_t wanted = MAX_HEAD;

	request->size = 0;
	while (request->size < wanted && await(fd, alive)) {
		if (request->room < request->size + MAX_HEAD + 1) {
			request->room = request->size * 2 + MAX_HEAD + 1;
			request->text = xrealloc(request->text, request->room, 1);
		}
		ssize_t nr = read(fd, request->text + request->size, MAX_HEAD);
		if (nr <= 0)
			return NULL;
		request->size += (size_t)nr;
		request->text[request->size] = '\0';
		/* The text may have moved. */
		end = find_bytes(request->text, request->size, "\r\n\r\n", 4);
		if (end) {
			size_t head = (size_t)(end - request->text);
			wanted = head + 4 + body_length(request->text, head + 2);
		}
	}
	return end && request->size >= wanted ? end + 4 : NULL;
}

static void
answer(int fd, const char *status, const char *body)
{
	char text[1024];
	int size = snprintf(text, sizeof(text),
		"HTTP/1.1 %s\r\nApi-Version: 1.99\r\nOSType: linux\r\n"
		"Content-Type: application/json\r\nConnection: close\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		status, strlen(body), body);

	/* If the client has gone, the caller notices that the process has ended. */
	if (send(fd, text, (size_t)size, MSG_NOSIGNAL) == -1)
		return;
	shutdown(fd, SHUT_WR);
}

/* Whether the first line of text is method, or any if that is empty, and has path in it. */
static bool
asks_for(const char *text, const char *method, const char *path)
{
	return strncmp(text, method, strlen(method)) == 0 &&
		find_bytes(text, strcspn(text, "\r"), path, strlen(path));
}

/* Answers one connection. Prints the body and returns true if it creates a container. */
static bool
serve(int fd, int alive, struct request *request)
{
	const char *body = read_request(fd, alive, request);
	bool creates;

	if (!body)
		return false;
	creates = asks_for(request->text, "POST", "/containers/create");
	if (creates) {
		fwrite(body, 1, request->size - (size_t)(body - request->text), stdout);
		answer(fd, "201 Created", "{\"Id\":\"none\",\"Warnings\":[]}");
	} else if (asks_for(request->text, "", "/_ping")) {
		answer(fd, "200 OK", "OK");
	} else {
		answer(fd, "403 Forbidden",
			"{\"message\":\"it asks the engine for more than a container\"}");
	}
	return creates;
}

int
main(int argc, char **argv)
{
	struct request request = { 0 };
	bool heard = false;
	int pipes[2], status;

	if (argc < 2)
		misuse("overhear COMMAND [ARG…]");
	int listener = open_socket();
	if (pipe2(pipes, O_CLOEXEC) == -1)
		fail("pipe");
	pid_t child = start(argv + 1, pipes[1]);
	close(pipes[1]);
	while (await(listener, pipes[0])) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd == -1)
			continue;
		if (serve(fd, pipes[0], &request))
			heard = true;
		close(fd);
	}
	while (waitpid(child, &status, 0) == -1 && errno == EINTR)
		;
	free(request.text);
	if (status == 0 && !heard)
		die(1, "the docker client made no container of these words");
	return fflush(stdout) == 0 ? exit_status_of(status) : 1;
}
