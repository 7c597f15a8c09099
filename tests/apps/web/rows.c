#include "rows.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* The wire protocol of PostgreSQL, version 3, as far as an insert needs it. */
enum {
	PROTOCOL = 3 << 16,
	AUTH_OK = 0,
	AUTH_PASSWORD = 3,
	MAX_MESSAGE = 8192,
	MAX_IDLE = 16,
	PATIENCE_S = 10,
};

struct url {
	char user[64];
	char password[128];
	char host[128];
	char port[8];
	char database[64];
};

struct message {
	char type;
	size_t n;
	char bytes[MAX_MESSAGE];
};

/* Connections that nobody uses at the moment. */
static struct {
	pthread_mutex_t lock;
	int fds[MAX_IDLE];
	int n;
} idle = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool
fail(char *text, const char *why)
{
	snprintf(text, ROWS_TEXT, "no row: %s\n", why);
	return false;
}

/* Copies what *text has before the character end, and steps over that. */
static bool
take_until(const char **text, char end, char *out, size_t size)
{
	const char *at = strchr(*text, end);

	if (at == NULL || at == *text || (size_t)(at - *text) >= size)
		return false;
	memcpy(out, *text, (size_t)(at - *text));
	out[at - *text] = '\0';
	*text = at + (end != '\0');
	return true;
}

static bool
read_url(struct url *url)
{
	static const char scheme[] = "postgres://";
	const char *text = getenv("DATABASE_URL");

	if (text == NULL || strncmp(text, scheme, strlen(scheme)) != 0)
		return false;
	text += strlen(scheme);
	return take_until(&text, ':', url->user, sizeof(url->user)) &&
		take_until(&text, '@', url->password, sizeof(url->password)) &&
		take_until(&text, ':', url->host, sizeof(url->host)) &&
		take_until(&text, '/', url->port, sizeof(url->port)) &&
		take_until(&text, '\0', url->database, sizeof(url->database));
}

static bool
send_all(int fd, const void *bytes, size_t n)
{
	return send(fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static bool
receive_all(int fd, void *bytes, size_t n)
{
	return n == 0 || recv(fd, bytes, n, MSG_WAITALL) == (ssize_t)n;
}

/* A message of this type, or without a type where that is 0, whose body has n bytes. */
static bool
say(int fd, char type, const void *body, size_t n)
{
	char out[MAX_MESSAGE + 8] = { type };
	size_t at = type != 0;
	uint32_t length = htonl((uint32_t)n + 4);

	memcpy(out + at, &length, 4);
	memcpy(out + at + 4, body, n);
	return send_all(fd, out, at + 4 + n);
}

static bool
hear(int fd, struct message *m)
{
	uint32_t length;

	if (!receive_all(fd, &m->type, 1) || !receive_all(fd, &length, 4))
		return false;
	m->n = ntohl(length) - 4;
	if (m->n >= sizeof(m->bytes) || !receive_all(fd, m->bytes, m->n))
		return false;
	m->bytes[m->n] = '\0';
	return true;
}

/* The text of an ErrorResponse, whose fields are a letter and a string each. */
static const char *
error_text(const struct message *m)
{
	for (size_t at = 0; at < m->n && m->bytes[at] != '\0'; at += strlen(m->bytes + at) + 1)
		if (m->bytes[at] == 'M')
			return m->bytes + at + 1;
	return "an error without a text";
}

/* Reads what follows a startup, until the server is ready for a query. */
static bool
log_in(int fd, const struct url *url, char *text)
{
	struct message m;
	uint32_t kind;

	while (hear(fd, &m)) {
		if (m.type == 'Z')
			return true;
		if (m.type == 'E')
			return fail(text, error_text(&m));
		if (m.type != 'R')
			continue;
		memcpy(&kind, m.bytes, 4);
		kind = ntohl(kind);
		if (kind != AUTH_OK && kind != AUTH_PASSWORD)
			return fail(text, "the server wants another kind of password");
		if (kind == AUTH_PASSWORD &&
			!say(fd, 'p', url->password, strlen(url->password) + 1))
			break;
	}
	return fail(text, "the server closed the connection during the login");
}

static int
dial(const struct url *url)
{
	const struct addrinfo wanted = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct addrinfo *found;
	int fd;

	if (getaddrinfo(url->host, url->port, &wanted, &found) != 0)
		return -1;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	return fd;
}

/* A new connection that is ready for a query, or -1. */
static int
open_connection(char *text)
{
	struct url url;
	char startup[512];
	const uint32_t version = htonl(PROTOCOL);
	int n;
	int fd;

	if (!read_url(&url)) {
		fail(text, "DATABASE_URL is not postgres://USER:PASSWORD@HOST:PORT/DATABASE");
		return -1;
	}
	fd = dial(&url);
	if (fd < 0) {
		fail(text, "the database cannot be reached");
		return -1;
	}
	memcpy(startup, &version, 4);
	n = snprintf(startup + 4, sizeof(startup) - 4, "user%c%s%cdatabase%c%s%c", 0, url.user, 0,
		0, url.database, 0);
	/* Its own 0 ends the list. */
	if (say(fd, 0, startup, (size_t)n + 5) && log_in(fd, &url, text))
		return fd;
	close(fd);
	return -1;
}

/* An idle connection that the server has not closed, or a new one, or -1. */
static int
take_connection(char *text)
{
	char byte;
	int fd = -1;

	pthread_mutex_lock(&idle.lock);
	while (fd < 0 && idle.n > 0) {
		fd = idle.fds[--idle.n];
		if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0) {
			close(fd);
			fd = -1;
		}
	}
	pthread_mutex_unlock(&idle.lock);
	return fd >= 0 ? fd : open_connection(text);
}

static void
give_back(int fd)
{
	pthread_mutex_lock(&idle.lock);
	if (idle.n < MAX_IDLE) {
		idle.fds[idle.n++] = fd;
		fd = -1;
	}
	pthread_mutex_unlock(&idle.lock);
	if (fd >= 0)
		close(fd);
}

/* Reads the answer of an insert that returns one number. */
static bool
read_number(int fd, char *text)
{
	struct message m;
	bool committed = false;
	bool refused = false;

	while (hear(fd, &m)) {
		if (m.type == 'Z')
			return committed || (!refused && fail(text, "the server inserted nothing"));
		if (m.type == 'C')
			committed = true;
		/* After the number of columns and the length of the first one. */
		if (m.type == 'D' && m.n > 6)
			snprintf(text, ROWS_TEXT, "%.20s\n", m.bytes + 6);
		if (m.type == 'E')
			refused = !fail(text, error_text(&m));
	}
	return fail(text, "the server closed the connection during the insert");
}

/* What may stand between quotes. */
static bool
is_plain(const char *text)
{
	return text[strspn(text,
		       "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")] ==
		'\0';
}

bool
rows_insert(const char *release, const char *name, char *text)
{
	char query[512];
	int fd;
	bool done;

	if (!is_plain(release) || !is_plain(name))
		return fail(text, "not a name of a row");
	snprintf(query, sizeof(query),
		"INSERT INTO rows (release, name) VALUES ('%.100s', '%.100s') RETURNING id",
		release, name);
	fd = take_connection(text);
	if (fd < 0)
		return false;
	done = say(fd, 'Q', query, strlen(query) + 1) ? read_number(fd, text)
						      : fail(text, "the query was not sent");
	if (done)
		give_back(fd);
	else
		close(fd);
	return done;
}
