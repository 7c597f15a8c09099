#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *
text_of(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : otherwise;
}

static bool
is_on(const char *name)
{
	return strcmp(text_of(name, "0"), "0") != 0;
}

/* A header value may hold no control characters; an app may be called anything. */
static void
append_header(char *out, size_t size, const char *name, const char *value)
{
	size_t used = strlen(out);
	int n = snprintf(out + used, size - used, "%s: %.200s\r\n", name, value);

	for (char *p = out + used; n > 2 && p < out + used + n - 2; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
}

static bool
read_closing(enum closing *out)
{
	static const char *const words[] = {
		[CLOSE_FIRST] = "first", [CLOSE_LAST] = "last", [CLOSE_RESET] = "reset"
	};
	const char *word = text_of("CLOSE", words[CLOSE_FIRST]);

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(word, words[i]) == 0) {
			*out = (enum closing)i;
			return true;
		}
	}
	return false;
}

const char *
config_read(struct config *c, const char *dir)
{
	uint64_t port = 5000;
	uint64_t code = 1;
	uint64_t mail_port = 0, more_port = 0;
	const struct {
		const char *name;
		uint64_t max;
		uint64_t *out;
	} numbers[] = {
		{ "PORT", 65535, &port },
		{ "HTTP_PORT", 65535, &port },
		{ "MAIL_PORT", 65535, &mail_port },
		{ "MORE_PORT", 65535, &more_port },
		{ "EXIT_CODE", 255, &code },
		{ "BOOT_DELAY_MS", UINT32_MAX, &c->boot_delay_ms },
		{ "READY_DELAY_MS", UINT32_MAX, &c->ready_delay_ms },
		{ "FIRST_DELAY_MS", UINT32_MAX, &c->first_delay_ms },
		{ "EXIT_AFTER_MS", UINT32_MAX, &c->exit_after_ms },
		{ "CLOSE_AFTER", UINT32_MAX, &c->close_after },
	};

	*c = (struct config){ .app = text_of("APP", "web"),
		.release = text_of("RELEASE", "v1"),
		.greeting = text_of("GREETING", "Hello!"),
		.dir = dir,
		.listen_addr = text_of("LISTEN_ADDR", NULL),
		.only_host = text_of("ONLY_HOST", NULL),
		.worker_log = text_of("WORKER_LOG", NULL),
		.no_listen = is_on("NO_LISTEN"),
		.ignore_term = is_on("IGNORE_TERM"),
		.force_https = is_on("FORCE_HTTPS"),
		.log = is_on("LOG") };
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		const char *value = text_of(numbers[i].name, NULL);
		if (value != NULL && !parse_unsigned(value, numbers[i].max, numbers[i].out))
			return numbers[i].name;
	}
	if (!read_closing(&c->closing))
		return "CLOSE";
	c->port = (uint16_t)port;
	c->mail_port = (uint16_t)mail_port;
	c->more_port = (uint16_t)more_port;
	c->exit_code = (int)code;
	append_header(c->identity, sizeof(c->identity), "X-App", c->app);
	append_header(c->identity, sizeof(c->identity), "X-Release", c->release);
	return NULL;
}

void
config_for_more(struct config *more, const struct config *c)
{
	*more = *c;
	more->port = c->more_port;
	append_header(more->identity, sizeof(more->identity), "X-Port", "more");
}
