#include "options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"
#include "status.h"
#include "util.h"

#define MAX_VARS_FILE ((size_t)4 << 20)
#define MAX_HEADERS_FILE ((size_t)64 << 10)

enum long_option {
	OPT_HOST = 256,
	OPT_ONLY_HOST,
	OPT_HEADER,
	OPT_TLS,
	OPT_TLS_PORT,
	OPT_VAR,
	OPT_VARS_FROM,
	OPT_HEADERS_FROM,
	OPT_WAIT,
	OPT_TIMEOUT,
	OPT_ATTEMPTS,
	OPT_DEADLINE,
	OPT_PID,
	OPT_FORMAT,
	OPT_REPORT,
	OPT_LINT,
	OPT_COLOR,
	OPT_SELFTEST,
	OPT_VERSION,
	OPT_HELP,
};

static const struct option long_options[] = {
	{ "host", required_argument, NULL, OPT_HOST },
	{ "only-host", no_argument, NULL, OPT_ONLY_HOST },
	{ "header", required_argument, NULL, OPT_HEADER },
	{ "headers-from", required_argument, NULL, OPT_HEADERS_FROM },
	{ "tls", no_argument, NULL, OPT_TLS },
	{ "tls-port", required_argument, NULL, OPT_TLS_PORT },
	{ "var", required_argument, NULL, OPT_VAR },
	{ "vars-from", required_argument, NULL, OPT_VARS_FROM },
	{ "wait", required_argument, NULL, OPT_WAIT },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "attempts", required_argument, NULL, OPT_ATTEMPTS },
	{ "deadline", required_argument, NULL, OPT_DEADLINE },
	{ "pid", required_argument, NULL, OPT_PID },
	{ "format", required_argument, NULL, OPT_FORMAT },
	{ "report", required_argument, NULL, OPT_REPORT },
	{ "lint", no_argument, NULL, OPT_LINT },
	{ "color", required_argument, NULL, OPT_COLOR },
	{ "selftest", no_argument, NULL, OPT_SELFTEST },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

void
options_print_help(void)
{
	fputs("Usage: check-runner [options] ADDRESS:PORT [FILE]\n"
	      "\n"
	      "Ask a freshly started server for everything that a CHECKS file lists, until every\n"
	      "check was right once or the deadline comes. FILE is - (stdin) unless given.\n"
	      "\n"
	      "  --host NAME            host of plain paths; repeatable, all are ours in "
	      "redirects\n"
	      "  --only-host            leave out the checks of hosts that no --host names\n"
	      "  --header 'Name: value' add to every request; repeatable\n"
	      "  --headers-from FILE    the same, a header a line\n"
	      "  --tls                  say that the visitor came by https on plain paths too\n"
	      "  --tls-port PORT        speak TLS to ADDRESS:PORT for https: through the proxy\n"
	      "  --var NAME=VALUE       value for {{ var \"NAME\" }}; repeatable\n"
	      "  --vars-from FILE       the same, as NUL-separated pairs\n"
	      "  --wait S --timeout S --attempts N   defaults: 5, 30, 5; the file's settings win\n"
	      "  --deadline S           end the whole run after S, whatever the file says\n"
	      "  --pid PID              fail at once when this process exits\n"
	      "  --format human|tap|json\n"
	      "  --report FILE          write the JSON report there as well\n"
	      "  --lint                 read FILE, say what is wrong with it, ask nothing\n"
	      "  --color auto|always|never\n"
	      "  --selftest             show that what must be denied is denied\n"
	      "  --version --help\n"
	      "\n"
	      "Exit: 0 passed, 1 a check failed, 2 not understood, 3 the process exited,\n"
	      "4 it never answered, 5 internal error.\n",
		stdout);
}

static int64_t
duration_of(const char *option, const char *text)
{
	int64_t time = 0;

	if (!parse_duration(text, strlen(text), &time))
		die(EXIT_MISUSE, "--%s: expected seconds, or a time like 500ms, got: %s", option,
			text);
	return time;
}

static int64_t
positive_duration_of(const char *option, const char *text)
{
	int64_t time = duration_of(option, text);

	if (time == 0)
		die(EXIT_MISUSE, "--%s: expected more than 0", option);
	return time;
}

static unsigned long
number_of(const char *option, const char *text, unsigned long max)
{
	unsigned long n = 0;

	if (!parse_unsigned(text, strlen(text), max, &n) || n == 0)
		die(EXIT_MISUSE, "--%s: expected a number from 1 to %lu, got: %s", option, max,
			text);
	return n;
}

/* Returns which of the words it is. */
static unsigned
choice_of(const char *option, const char *text, const char *const words[], size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (strcmp(text, words[i]) == 0)
			return (unsigned)i;
	die(EXIT_MISUSE, "--%s: not one of its words: %s", option, text);
}

static void
add_word(const char ***list, size_t *nr, const char *word)
{
	*list = xgrow(*list, *nr, sizeof(**list));
	(*list)[(*nr)++] = word;
}

static void
add_host(struct options *o, const char *host)
{
	bool pattern = strncmp(host, "*.", 2) == 0;
	const char *name = pattern ? host + 2 : host;

	if (!check_is_host(name, strlen(name)))
		die(EXIT_MISUSE, "--host: not a host name: %s", host);
	add_word(&o->host, &o->nr_hosts, host);
	if (!pattern && !o->default_host)
		o->default_host = host;
}

static void
add_header(struct options *o, const char *header)
{
	const char *bad = check_bad_header(header, strlen(header));

	if (bad)
		die(EXIT_MISUSE, "--header: %s", bad);
	add_word(&o->header, &o->nr_headers, header);
}

/* Reads the text of a file that an option names, of at most max bytes. */
static void
read_all(struct buf *text, const char *option, const char *path, size_t max)
{
	char chunk[4096];
	size_t n;
	FILE *file = fopen(path, "re");

	if (!file)
		die(EXIT_MISUSE, "--%s %s: %s", option, path, strerror(errno));
	buf_init(text, max);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		if (!buf_add(text, chunk, n))
			die(EXIT_MISUSE, "--%s %s: bigger than %zu KiB", option, path, max >> 10);
	if (ferror(file))
		die(EXIT_MISUSE, "--%s %s: cannot be read", option, path);
	fclose(file);
}

/* The message does not show the header, because it may hold a secret. */
static void
add_headers_from(struct options *o, const char *path)
{
	struct buf text;
	size_t line = 0;

	read_all(&text, "headers-from", path, MAX_HEADERS_FILE);
	/* The texts of earlier files are kept, because headers point into them. */
	char *at = xcopy(buf_text(&text), text.len), *end = at + text.len;
	o->header_text = xgrow(o->header_text, o->nr_header_texts, sizeof(o->header_text[0]));
	o->header_text[o->nr_header_texts++] = at;
	buf_release(&text);
	while (at < end) {
		char *newline = memchr(at, '\n', (size_t)(end - at)),
		     *stop = newline ? newline : end;
		char *next = newline ? newline + 1 : end;

		line++;
		if (stop > at && stop[-1] == '\r')
			stop--;
		*stop = '\0';
		const char *bad = stop > at ? check_bad_header(at, (size_t)(stop - at)) : NULL;
		if (bad)
			die(EXIT_MISUSE, "--headers-from %s:%zu: %s", path, line, bad);
		if (stop > at)
			add_word(&o->header, &o->nr_headers, at);
		at = next;
	}
}

static void
add_vars_from(struct options *o, const char *path)
{
	struct buf pairs;

	read_all(&pairs, "vars-from", path, MAX_VARS_FILE);
	/* The message does not show the pair, because it may hold a secret. */
	if (vars_add_all(&o->vars, buf_text(&pairs), pairs.len) < 0)
		die(EXIT_MISUSE, "--vars-from %s: expected NAME=VALUE pairs, each ended by a NUL",
			path);
	buf_release(&pairs);
}

static void
take_address(struct options *o, const char *target)
{
	unsigned char bytes[16];
	unsigned long port;
	const char *colon = strrchr(target, ':');
	const char *address = target;
	size_t len = colon ? (size_t)(colon - target) : 0;

	o->target = target;
	o->ipv6 = len > 2 && address[0] == '[' && address[len - 1] == ']';
	if (o->ipv6) {
		address++;
		len -= 2;
	}
	if (len == 0 || len >= sizeof(o->address))
		die(EXIT_MISUSE, "expected ADDRESS:PORT, got: %s", target);
	memcpy(o->address, address, len);
	if (inet_pton(o->ipv6 ? AF_INET6 : AF_INET, o->address, bytes) != 1)
		die(EXIT_MISUSE, "not an IP address: %s", o->address);
	if (!parse_unsigned(colon + 1, strlen(colon + 1), 65535, &port) || port == 0)
		die(EXIT_MISUSE, "not a port: %s", colon + 1);
	o->port = (uint16_t)port;
}

static void
take_choice(struct options *o, int option, const char *text)
{
	static const char *const formats[] = { "human", "tap", "json" };
	static const char *const colors[] = { "auto", "always", "never" };

	if (option == OPT_FORMAT)
		o->format = (enum options_format)choice_of(
			"format", text, formats, UTIL_COUNT(formats));
	else
		o->color = (enum options_color)choice_of("color", text, colors, UTIL_COUNT(colors));
}

/* Options about time, numbers and output. Returns false for the others. */
static bool
take_number_option(struct options *o, int option, const char *text)
{
	if (option == OPT_WAIT)
		o->wait = duration_of("wait", text);
	else if (option == OPT_TIMEOUT)
		o->timeout = positive_duration_of("timeout", text);
	else if (option == OPT_ATTEMPTS)
		o->attempts = (long)number_of("attempts", text, 10000);
	else if (option == OPT_DEADLINE)
		o->deadline = positive_duration_of("deadline", text);
	else if (option == OPT_PID)
		o->pid = (pid_t)number_of("pid", text, 4194304);
	else if (option == OPT_TLS_PORT)
		o->tls_port = (uint16_t)number_of("tls-port", text, 65535);
	else
		return false;
	return true;
}

static void
take_option(struct options *o, int option, const char *text)
{
	if (take_number_option(o, option, text))
		return;
	if (option == OPT_HOST)
		add_host(o, text);
	else if (option == OPT_HEADER)
		add_header(o, text);
	else if (option == OPT_HEADERS_FROM)
		add_headers_from(o, text);
	else if (option == OPT_ONLY_HOST)
		o->only_host = true;
	else if (option == OPT_TLS)
		o->tls = true;
	else if (option == OPT_VAR && vars_add(&o->vars, text, strlen(text)) < 0)
		die(EXIT_MISUSE, "--var: expected NAME=VALUE");
	else if (option == OPT_VARS_FROM)
		add_vars_from(o, text);
	else if (option == OPT_FORMAT || option == OPT_COLOR)
		take_choice(o, option, text);
	else if (option == OPT_REPORT)
		o->report = text;
	else if (option == OPT_LINT)
		o->mode = OPTIONS_LINT;
	else if (option == OPT_SELFTEST)
		o->mode = OPTIONS_SELFTEST;
	else if (option == OPT_VERSION)
		o->mode = OPTIONS_VERSION_ONLY;
	else if (option == OPT_HELP)
		o->mode = OPTIONS_HELP;
}

/* Takes ADDRESS:PORT [FILE]. ADDRESS:PORT may be missing with --lint, which sends no request. */
static void
take_operands(struct options *o, int nr, char **operand)
{
	bool lints_file = o->mode == OPTIONS_LINT && nr == 1;

	o->file = nr > 1 || lints_file ? operand[nr - 1] : "-";
	if (o->mode == OPTIONS_LINT && nr < 2)
		return;
	if (nr < 1)
		die(EXIT_MISUSE, "expected ADDRESS:PORT; see check-runner --help");
	if (nr > 2)
		die(EXIT_MISUSE, "expected ADDRESS:PORT and one FILE, got also: %s", operand[2]);
	take_address(o, operand[0]);
}

bool
options_want_tls(int argc, char **argv)
{
	bool wanted = false;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		if (option == OPT_TLS_PORT)
			wanted = true;
	opterr = 1;
	/* 0 makes getopt of the GNU library begin again. */
	optind = 0;
	return wanted;
}

void
options_parse(struct options *o, int argc, char **argv)
{
	int option;

	*o = (struct options){
		.wait = 5 * UTIL_SECOND,
		.timeout = 30 * UTIL_SECOND,
		.attempts = 5,
	};
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == '?')
			die(EXIT_MISUSE, "see check-runner --help");
		take_option(o, option, optarg);
	}
	if (o->mode == OPTIONS_RUN || o->mode == OPTIONS_LINT)
		take_operands(o, argc - optind, argv + optind);
}

void
options_release(struct options *o)
{
	vars_clear(&o->vars);
	free(o->host);
	free(o->header);
	for (size_t i = 0; i < o->nr_header_texts; i++)
		free(o->header_text[i]);
	free(o->header_text);
	o->host = NULL;
	o->default_host = NULL;
	o->header = NULL;
	o->header_text = NULL;
	o->nr_hosts = 0;
	o->nr_headers = 0;
	o->nr_header_texts = 0;
}
