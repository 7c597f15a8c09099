/* The parser of CHECKS files: for any input, the result keeps the promises of checks.h. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"
#include "require.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
use_check(const struct check *c)
{
	static const char bad[] = " \t\r\n";

	require(c->line > 0 && c->method && c->target && c->path[0] == '/');
	require(strpbrk(c->path, bad) == NULL);
	require(!c->host || check_is_host(c->host, strlen(c->host)));
	require(c->timeout >= 0 && (c->nr_status == 0) == (c->status_text == NULL));
	for (size_t i = 0; i < c->nr_status; i++)
		require(c->status[i].first >= 100 && c->status[i].first <= c->status[i].last &&
			c->status[i].last <= 599);
	for (size_t i = 0; i < c->nr_headers; i++)
		require(!check_bad_header(c->header[i], strlen(c->header[i])));
	for (size_t i = 0; i < c->nr_conditions; i++) {
		const struct condition *k = &c->condition[i];
		require(k->text && k->text[k->len] == '\0' && k->line >= c->line);
		require(k->match || k->op == CHECKS_EQUALS || k->len == 0);
		require(k->match || k->header || k->op == CHECKS_EQUALS);
	}
	require(!c->body || c->body[c->body_len] == '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vars vars = { 0 };
	struct checks c;
	/* A copy of the exact size, so that a read of one byte too many is noticed. */
	char *text = xrealloc(NULL, size, 1);

	memcpy(text, data, size);
	(void)vars_add(&vars, "A=/a b\r\nc", 9);
	(void)vars_add(&vars, "B=", 2);
	int result = checks_parse(&c, text, size, &vars);
	require((result == 0) == (c.nr_errors == 0));
	require(c.nr <= CHECKS_MAX_CHECKS && (c.nr > 0 || result < 0));
	require(c.set.wait >= -1 && c.set.timeout >= 0 && c.set.attempts >= -1);
	for (size_t i = 0; i < c.nr; i++)
		use_check(&c.item[i]);
	for (size_t i = 0; i < c.nr_notes; i++)
		require(c.note[i].line > 0 && c.note[i].column > 0 && c.note[i].text[0]);
	require(!c.empty || (c.nr == 0 && c.nr_errors == 1));
	if (result == 0) {
		static const char *const host[] = { "a", "*.b" };
		require((checks_keep_hosts(&c, host, 2) == 0) == (c.nr > 0));
		for (size_t i = 0; i < c.nr; i++)
			use_check(&c.item[i]);
	}
	checks_clear(&c);
	vars_clear(&vars);
	free(text);
	return 0;
}
