#include "files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_TEMPLATE = 1024 * 1024 };

static const struct {
	const char *suffix;
	const char *type;
} types[] = {
	{ ".html", "text/html; charset=utf-8" },
	{ ".css", "text/css; charset=utf-8" },
	{ ".js", "text/javascript; charset=utf-8" },
	{ ".json", "application/json" },
	{ ".txt", "text/plain; charset=utf-8" },
	{ ".svg", "image/svg+xml" },
	{ ".png", "image/png" },
	{ ".jpg", "image/jpeg" },
	{ ".gif", "image/gif" },
	{ ".ico", "image/x-icon" },
	{ ".webp", "image/webp" },
	{ ".woff2", "font/woff2" },
	{ ".wasm", "application/wasm" },
	{ ".pdf", "application/pdf" },
};

static const char *
type_of(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		size_t n = strlen(types[i].suffix);
		if (len > n && strcmp(name + len - n, types[i].suffix) == 0)
			return types[i].type;
	}
	return "application/octet-stream";
}

/* Open path below dir, one name at a time, so that no link and no .. can lead out of it. */
static int
open_below(const char *dir, const char *path)
{
	char name[256];
	int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	while (at >= 0) {
		path += strspn(path, "/");
		size_t n = strcspn(path, "/");
		if (n == 0)
			break;
		if (n >= sizeof(name) || path[0] == '.') {
			close(at);
			return -1;
		}
		memcpy(name, path, n);
		name[n] = '\0';
		path += n;
		int next = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		close(at);
		at = next;
	}
	return at;
}

static size_t
escape_html(const char *text, char *out)
{
	size_t used = 0;

	for (; *text != '\0'; text++) {
		const char *as = *text == '<' ? "&lt;"
			: *text == '>'        ? "&gt;"
			: *text == '&'        ? "&amp;"
			: *text == '"'        ? "&quot;"
					      : NULL;
		size_t n = as == NULL ? 1 : strlen(as);
		if (out != NULL)
			memcpy(out + used, as == NULL ? text : as, n);
		used += n;
	}
	return used;
}

/* Makes one pass over the template and writes to out unless that is NULL. Returns the length. */
static size_t
expand_into(const char *text, size_t n, const struct config *config, char *out)
{
	const struct {
		const char *name;
		const char *value;
	} words[] = {
		{ "{{APP}}", config->app },
		{ "{{RELEASE}}", config->release },
		{ "{{GREETING}}", config->greeting },
	};
	size_t used = 0;

	for (size_t i = 0; i < n;) {
		size_t w = 0;
		for (; text[i] == '{' && w < 3; w++)
			if (strncmp(text + i, words[w].name, strlen(words[w].name)) == 0)
				break;
		if (text[i] == '{' && w < 3) {
			used += escape_html(words[w].value, out == NULL ? NULL : out + used);
			i += strlen(words[w].name);
		} else {
			if (out != NULL)
				out[used] = text[i];
			used++;
			i++;
		}
	}
	return used;
}

char *
files_expand(const char *text, size_t n, const struct config *config, size_t *out_len)
{
	*out_len = expand_into(text, n, config, NULL);
	char *out = malloc(*out_len + 1);
	if (out != NULL)
		expand_into(text, n, config, out);
	return out;
}

static bool
read_whole(int fd, char *out, size_t n)
{
	while (n > 0) {
		ssize_t got = read(fd, out, n);
		if (got <= 0)
			return false;
		out += got;
		n -= (size_t)got;
	}
	return true;
}

static bool
serve_template(
	struct conn *c, const struct request *r, const struct config *config, int fd, size_t n)
{
	char *text = calloc(1, n + 1);
	size_t len = 0;
	char *page = NULL;

	if (text != NULL && read_whole(fd, text, n))
		page = files_expand(text, n, config, &len);
	if (page != NULL)
		http_reply(c, r, 200, types[0].type, "", page, len);
	free(text);
	free(page);
	return page != NULL;
}

static bool
serve_bytes(struct conn *c, const struct request *r, const char *type, int fd, uint64_t left)
{
	char bytes[16384];

	if (left <= sizeof(bytes)) {
		if (!read_whole(fd, bytes, (size_t)left))
			return false;
		http_reply(c, r, 200, type, "", bytes, (size_t)left);
		return true;
	}
	if (!http_reply_start(c, r, 200, type, "", left) || r->head_only)
		return true;
	while (left > 0) {
		size_t part = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);
		if (!read_whole(fd, bytes, part)) {
			c->close = true;
			return true;
		}
		if (!conn_write(c, bytes, part))
			return true;
		left -= part;
	}
	return true;
}

bool
files_serve(struct conn *c, const struct request *r, const struct config *config)
{
	char path[sizeof(r->path) + 16];
	struct stat st;
	bool served = false;
	size_t len = strlen(r->path);

	snprintf(path, sizeof(path), "%s%s", r->path, r->path[len - 1] == '/' ? "index.html" : "");
	int fd = open_below(config->dir, path);
	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		const char *type = type_of(path);
		if (type == types[0].type && st.st_size <= MAX_TEMPLATE)
			served = serve_template(c, r, config, fd, (size_t)st.st_size);
		else
			served = serve_bytes(c, r, type, fd, (uint64_t)st.st_size);
	}
	close(fd);
	return served;
}
