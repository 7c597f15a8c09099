/*
 * Fills in a template of Go's text/template, as far as Dokku's plugins use it:
 *
 *   {{ PIPE }}   {{- PIPE -}}   and comments
 *   {{ $x := PIPE }}   {{ $x = PIPE }}
 *   {{ if PIPE }} … {{ else if PIPE }} … {{ else }} … {{ end }}
 *   {{ range PIPE }}   {{ range $x := PIPE }}   {{ range $i, $x := PIPE }} … {{ else }} … {{ end }}
 *   .   .NAME   $.NAME   $x   "text"   `text`   12   true   false   (PIPE)
 *   and or not eq ne index len split join contains replace lower upper trim default
 *
 * The last argument of a function may come through a pipe: .LIST | split " ". Anything else is an
 * error, which names the line.
 */
#ifndef TEMPLATE_H
#define TEMPLATE_H

#include <stddef.h>

#include "buf.h"

/* A variable of the caller: .NAME and $NAME in the template. Both are borrowed. */
struct template_variable {
	const char *name;
	const char *value;
};

/* Why a template was refused. */
struct template_error {
	unsigned long line;
	char reason[120];
};

/*
 * Appends the text with all actions filled in to out, whose limit holds. Returns 0, or -1 with
 * *error filled in; out may then have a part of the text.
 */
int template_fill(struct buf *out, const char *text, size_t length,
	const struct template_variable *variables, size_t count, struct template_error *error);

#endif
