#include "options.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "util.h"

const char *const mode_names[MODE_COUNT] = {
	[MODE_GET] = "get",
	[MODE_CLOSE] = "close",
	[MODE_POST] = "post",
	[MODE_UPLOAD] = "upload",
	[MODE_DOWNLOAD] = "download",
	[MODE_WS] = "ws",
	[MODE_IDLE] = "idle",
};

static const char usage[] =
	"usage: load --url URL [target options] [--url URL ...] [options]\n"
	"\n"
	"Asks and never retries; counts on the client's side. Times: 500ms, 10s, 2m.\n"
	"\n"
	"Of the target named by the --url before them:\n"
	"  --mode MODE=N[@RATE]    N connections (at most RATE requests a second each) in mode\n"
	"                          get close post upload download ws idle; repeatable\n"
	"  --connect HOST:PORT     connect there, whatever the URL says\n"
	"  --expect-app NAME       X-App, and every HTML page, must name it\n"
	"  --marks FILE            read lines 'EPOCH_MS RELEASE' (deployed: older ones are stale "
	"for\n"
	"                          requests sent later), '+RELEASE' (a known name is deployed "
	"again)\n"
	"                          and '!RELEASE' (refused) while they are appended\n"
	"  --forbid RELEASE        no answer may come from it; repeatable\n"
	"  --name NAME             in reports (default: the host)\n"
	"Of the run:\n"
	"  --duration TIME         (10s; 0, or another of these without it: until told)\n"
	"  --requests N            end when N requests have been answered or failed\n"
	"  --until-file FILE       end when FILE exists; SIGTERM and SIGINT end as well: requests\n"
	"                          under way are finished first, unless the signal comes twice\n"
	"  --timeout TIME          without any byte going out or coming in (30s)\n"
	"  --connect-timeout TIME  (5s)\n"
	"  --pause TIME            before the next request after a failed connect (50ms)\n"
	"  --rate N                requests a second and connection where --mode names none\n"
	"  --think MIN-MAX         milliseconds between idle requests (50-3000)\n"
	"  --upload-ms N --upload-bytes N        (3000, 65536)\n"
	"  --download-ms N --download-bytes N    (3000, 262144)\n"
	"  --ws-ms N               between websocket messages (1000)\n"
	"  --post-bytes N          (512)\n"
	"  --cacert FILE           verify certificates by it (default: not at all)\n"
	"Reports:\n"
	"  --json FILE             written by rename at the end\n"
	"  --failures FILE         append a line per failure\n"
	"  --releases FILE         append a line when a release begins to answer\n"
	"  --progress              a line a second on stderr\n"
	"\n"
	"Exit: 0 all answered, 1 a request failed, 2 misuse.\n";

static struct target *
current_target(struct options *o, const char *option)
{
	if (o->targets == 0)
		die("%s comes after the --url it belongs to", option);
	return &o->target[o->targets - 1];
}

/* Split HOST:PORT or [HOST]:PORT; without a port *port stays. */
static void
split_host(const char *text, size_t n, char *host, size_t host_size, char *port, size_t port_size)
{
	const char *end = text + n;
	const char *from = text;
	const char *to = end;
	const char *colon = end;

	if (*text == '[') {
		from = text + 1;
		to = memchr(text, ']', n);
		if (to == NULL)
			die("no ] in %s", text);
		colon = to + 1 < end && to[1] == ':' ? to + 1 : end;
	} else if (memchr(text, ':', n) != NULL) {
		colon = to = memchr(text, ':', n);
	}
	if (from == to || (size_t)(to - from) >= host_size || (size_t)(end - colon) > port_size)
		die("not a host: %.*s", (int)n, text);
	memcpy(host, from, (size_t)(to - from));
	host[to - from] = '\0';
	if (colon < end) {
		memcpy(port, colon + 1, (size_t)(end - colon) - 1);
		port[end - colon - 1] = '\0';
	}
}

static void
resolve(struct target *t, const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	int error = getaddrinfo(host, port, &hints, &found);

	if (error != 0)
		die("%s:%s: %s", host, port, gai_strerror(error));
	memcpy(&t->address, found->ai_addr, found->ai_addrlen);
	t->address_len = found->ai_addrlen;
	freeaddrinfo(found);
}

static void
add_target(struct options *o, const char *url)
{
	o->target = xrealloc(o->target, (o->targets + 1) * sizeof(o->target[0]));
	struct target *t = &o->target[o->targets++];
	*t = (struct target){ 0 };
	const char *p = url;
	if (strncmp(p, "https://", 8) == 0) {
		t->tls = true;
		p += 8;
	} else if (strncmp(p, "http://", 7) == 0) {
		p += 7;
	} else {
		die("neither http:// nor https://: %s", url);
	}
	size_t n = strcspn(p, "/");
	if (n == 0 || n >= sizeof(t->host))
		die("not a URL: %s", url);
	snprintf(t->host, sizeof(t->host), "%.*s", (int)n, p);
	snprintf(t->port, sizeof(t->port), "%s", t->tls ? "443" : "80");
	split_host(p, n, t->server_name, sizeof(t->server_name), t->port, sizeof(t->port));
	t->path = p[n] == '\0' ? "/" : p + n;
	if (strlen(t->path) > 1024)
		die("too long a path: %s", t->path);
}

static void
set_connect(struct options *o, const char *text)
{
	struct target *t = current_target(o, "--connect");
	char host[256];
	char port[8];

	snprintf(port, sizeof(port), "%s", t->port);
	split_host(text, strlen(text), host, sizeof(host), port, sizeof(port));
	resolve(t, host, port);
}

static void
add_group(struct options *o, const char *text)
{
	char number[16];
	struct group g = { .rate = UINT64_MAX };
	size_t n = strcspn(text, "=");
	uint64_t clients = 0;

	current_target(o, "--mode");
	for (g.mode = 0; g.mode < MODE_COUNT; g.mode++)
		if (strlen(mode_names[g.mode]) == n && strncmp(text, mode_names[g.mode], n) == 0)
			break;
	const char *value = text[n] == '=' ? text + n + 1 : "";
	size_t digits = strcspn(value, "@");
	if (g.mode == MODE_COUNT || digits == 0 || digits >= sizeof(number))
		die("not a MODE=N[@RATE]: %s", text);
	memcpy(number, value, digits);
	number[digits] = '\0';
	if (!parse_unsigned(number, 20000, &clients) || clients == 0)
		die("not a number of connections: %s", text);
	if (value[digits] == '@' && !parse_unsigned(value + digits + 1, 1000000, &g.rate))
		die("not a rate: %s", text);
	g.clients = (size_t)clients;
	o->group = xrealloc(o->group, (o->groups + 1) * sizeof(o->group[0]));
	o->group[o->groups] = g;
	o->group[o->groups++].target_index = o->targets - 1;
}

static void
set_think(struct options *o, const char *text)
{
	char min[16] = { 0 };
	size_t n = strcspn(text, "-");

	if (n < sizeof(min))
		memcpy(min, text, n);
	if (text[n] != '-' || !parse_unsigned(min, 3600000, &o->think_min_ms) ||
		!parse_unsigned(text + n + 1, 3600000, &o->think_max_ms) ||
		o->think_max_ms < o->think_min_ms)
		die("not MIN-MAX: %s", text);
}

static bool
set_number(struct options *o, const char *option, const char *value, uint64_t *rate)
{
	const struct {
		const char *option;
		uint64_t *out;
		uint64_t max; /* 0: a duration */
	} numbers[] = {
		{ "--duration", &o->duration_ms, 0 },
		{ "--timeout", &o->timeout_ms, 0 },
		{ "--connect-timeout", &o->connect_timeout_ms, 0 },
		{ "--pause", &o->pause_ms, 0 },
		{ "--requests", &o->requests, UINT32_MAX },
		{ "--rate", rate, 1000000 },
		{ "--upload-ms", &o->upload_ms, 3600000 },
		{ "--upload-bytes", &o->upload_bytes, 64 * 1024 * 1024 },
		{ "--download-ms", &o->download_ms, 600000 },
		{ "--download-bytes", &o->download_bytes, (uint64_t)1 << 40 },
		{ "--ws-ms", &o->ws_ms, 3600000 },
		{ "--post-bytes", &o->post_bytes, 16 * 1024 * 1024 },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strcmp(option, numbers[i].option) != 0)
			continue;
		if (numbers[i].max == 0 ? !parse_duration(value, numbers[i].out)
					: !parse_unsigned(value, numbers[i].max, numbers[i].out))
			die("%s: not a number in range: %s", option, value);
		return true;
	}
	return false;
}

static bool
set_text(struct options *o, const char *option, const char *value)
{
	const struct {
		const char *option;
		const char **out;
	} texts[] = {
		{ "--until-file", &o->until_file },
		{ "--json", &o->json_file },
		{ "--failures", &o->failure_log },
		{ "--releases", &o->release_log },
		{ "--cacert", &o->ca_file },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (strcmp(option, texts[i].option) == 0) {
			*texts[i].out = value;
			return true;
		}
	}
	return false;
}

static bool
set_target(struct options *o, const char *option, const char *value)
{
	if (strcmp(option, "--url") == 0)
		add_target(o, value);
	else if (strcmp(option, "--mode") == 0)
		add_group(o, value);
	else if (strcmp(option, "--connect") == 0)
		set_connect(o, value);
	else if (strcmp(option, "--expect-app") == 0)
		current_target(o, option)->expect_app = value;
	else if (strcmp(option, "--marks") == 0)
		current_target(o, option)->releases.mark_file = value;
	else if (strcmp(option, "--forbid") == 0)
		releases_forbid(&current_target(o, option)->releases, value);
	else if (strcmp(option, "--name") == 0)
		current_target(o, option)->name = value;
	else
		return false;
	return true;
}

/* Checks and defaults that need all options. */
static void
finish(struct options *o, uint64_t rate)
{
	if (o->groups == 0)
		die("nothing to do: --url URL --mode get=1, or --help");
	if (o->duration_ms == UINT64_MAX)
		o->duration_ms = o->until_file != NULL || o->requests > 0 ? 0 : 10000;
	for (size_t i = 0; i < o->targets; i++) {
		struct target *t = &o->target[i];
		if (t->name == NULL)
			t->name = t->server_name;
		t->releases.label = t->name;
		t->releases.log = o->release_log;
		if (t->address_len == 0)
			resolve(t, t->server_name, t->port);
	}
	for (size_t i = 0; i < o->groups; i++) {
		struct group *g = &o->group[i];
		g->target = &o->target[g->target_index];
		if (g->rate == UINT64_MAX)
			g->rate = rate;
	}
}

void
options_parse(struct options *o, int argc, char **argv)
{
	uint64_t rate = 0;

	*o = (struct options){ .duration_ms = UINT64_MAX,
		.timeout_ms = 30000,
		.connect_timeout_ms = 5000,
		.pause_ms = 50,
		.think_min_ms = 50,
		.think_max_ms = 3000,
		.upload_ms = 3000,
		.upload_bytes = 65536,
		.download_ms = 3000,
		.download_bytes = 262144,
		.ws_ms = 1000,
		.post_bytes = 512 };
	for (int i = 1; i < argc; i++) {
		const char *option = argv[i];
		if (strcmp(option, "--help") == 0) {
			fputs(usage, stdout);
			exit(0);
		}
		if (strcmp(option, "--progress") == 0) {
			o->progress = true;
			continue;
		}
		if (i + 1 == argc)
			die("no such option, or no value: %s", option);
		const char *value = argv[++i];
		if (strcmp(option, "--think") == 0)
			set_think(o, value);
		else if (!set_target(o, option, value) && !set_number(o, option, value, &rate) &&
			!set_text(o, option, value))
			die("no such option: %s", option);
	}
	finish(o, rate);
}

void
options_release(struct options *o)
{
	for (size_t i = 0; i < o->targets; i++)
		releases_release(&o->target[i].releases);
	free(o->target);
	free(o->group);
	*o = (struct options){ 0 };
}
