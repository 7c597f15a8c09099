#include "lines.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "kept.h"
#include "util.h"

/* A word of a line, or the rest of a line. */
struct word {
	const char *text;
	size_t length;
};

/* Takes the first word from rest. Returns a word of length 0 if there is none. */
static struct word
next_word(struct word *rest)
{
	struct word word;

	while (rest->length > 0 && is_blank(*rest->text)) {
		rest->text++;
		rest->length--;
	}
	word = (struct word){ rest->text, 0 };
	while (word.length < rest->length && !is_blank(word.text[word.length]))
		word.length++;
	rest->text += word.length;
	rest->length -= word.length;
	return word;
}

static bool
parse_target(
	struct line *line, const struct network *network, struct word word, struct refusal *refusal)
{
	const char *colon = memchr(word.text, ':', word.length);
	struct endpoint *target = &line->target[line->nr];

	if (line->nr == LINES_SHARES)
		return refuse(refusal, "1 to %d containers are needed", LINES_SHARES);
	if (!colon)
		return refuse(refusal, "not an address and a port");
	size_t length = (size_t)(colon - word.text);
	line->nr++;
	return network_parse_address(
		       &target->address, network, NETWORK_CONTAINERS, word.text, length, refusal) &&
		network_parse_port(&target->port, colon + 1, word.length - length - 1, refusal);
}

static bool
parse_targets(
	struct line *line, const struct network *network, struct word rest, struct refusal *refusal)
{
	struct word word;

	while ((word = next_word(&rest)).length > 0) {
		if (!parse_target(line, network, word, refusal))
			return false;
	}
	if (line->nr == 0)
		return refuse(refusal, "1 to %d containers are needed", LINES_SHARES);
	return true;
}

static bool
parse_keep(
	struct line *line, const struct network *network, struct word rest, struct refusal *refusal)
{
	struct word word;

	while ((word = next_word(&rest)).length > 0) {
		if (line->nr == LINES_SHARES)
			break;
		if (!network_parse_address(&line->target[line->nr++].address, network,
			    NETWORK_SERVICES, word.text, word.length, refusal))
			return false;
	}
	return (word.length == 0 && line->nr > 0) ||
		refuse(refusal, "1 to %d addresses are needed", LINES_SHARES);
}

static bool
parse_hold(
	struct line *line, const struct network *network, struct word rest, struct refusal *refusal)
{
	struct word service = next_word(&rest), seconds = next_word(&rest);

	line->service.port = htons(kept_ports[0]);
	return network_parse_address(&line->service.address, network, NETWORK_SERVICES,
		       service.text, service.length, refusal) &&
		network_parse_seconds(&line->seconds, seconds.text, seconds.length, refusal) &&
		(next_word(&rest).length == 0 || refuse(refusal, "too many words"));
}

static bool
parse_reached(
	struct line *line, const struct network *network, struct word rest, struct refusal *refusal)
{
	struct word container = next_word(&rest);

	return network_parse_address(&line->service.address, network, NETWORK_CONTAINERS,
		       container.text, container.length, refusal) &&
		(next_word(&rest).length == 0 || refuse(refusal, "too many words"));
}

/* Parses what follows the verb. */
static bool
parse_change(
	struct line *line, const struct network *network, struct word rest, struct refusal *refusal)
{
	struct word service, port;

	if (line->verb == LINE_KEEP)
		return parse_keep(line, network, rest, refusal);
	if (line->verb == LINE_HOLD)
		return parse_hold(line, network, rest, refusal);
	if (line->verb == LINE_REACHED)
		return parse_reached(line, network, rest, refusal);
	service = next_word(&rest);
	port = next_word(&rest);
	if (!network_parse_address(&line->service.address, network, NETWORK_SERVICES, service.text,
		    service.length, refusal) ||
		!network_parse_port(&line->service.port, port.text, port.length, refusal))
		return false;
	if (line->verb == LINE_SET || line->verb == LINE_ADD)
		return parse_targets(line, network, rest, refusal);
	return next_word(&rest).length == 0 || refuse(refusal, "too many words");
}

static bool
equals(struct word word, const char *text)
{
	return word.length == strlen(text) && memcmp(word.text, text, word.length) == 0;
}

bool
lines_add(struct lines *lines, const struct network *network, const char *text, size_t length,
	struct refusal *refusal)
{
	static const char *const verbs[] = { [LINE_SET] = "set",
		[LINE_ADD] = "add",
		[LINE_UNSET] = "unset",
		[LINE_GET] = "get",
		[LINE_REACHED] = "reached",
		[LINE_KEEP] = "keep",
		[LINE_HOLD] = "hold" };
	struct word rest = { text, length }, verb = next_word(&rest);
	struct line line = { .verb = LINE_SET };
	size_t i = 0;

	if (memchr(text, '\0', length))
		return refuse(refusal, "not understood");
	if (verb.length == 0)
		return true;
	if (equals(verb, "list") || equals(verb, "complete")) {
		if (next_word(&rest).length > 0)
			return refuse(refusal, "too many words");
		lines->want_list = lines->want_list || equals(verb, "list");
		lines->want_complete = lines->want_complete || equals(verb, "complete");
		return true;
	}
	while (i < UTIL_COUNT(verbs) && !equals(verb, verbs[i]))
		i++;
	if (i == UTIL_COUNT(verbs))
		return refuse(refusal, "not understood");
	line.verb = (enum line_verb)i;
	if (!parse_change(&line, network, rest, refusal))
		return false;
	lines->line = xgrow(lines->line, lines->nr, sizeof(*lines->line));
	lines->line[lines->nr++] = line;
	return true;
}

void
lines_release(struct lines *lines)
{
	free(lines->line);
	*lines = (struct lines){ 0 };
}
