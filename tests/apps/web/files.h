#ifndef WEB_FILES_H
#define WEB_FILES_H

#include <stdbool.h>

#include "config.h"
#include "http.h"

/*
 * Answer with the file that the path names below config->dir. In HTML files {{APP}}, {{RELEASE}}
 * and {{GREETING}} are replaced. Neither .. nor a symbolic link is followed. False, and no answer,
 * if there is no such file.
 */
bool files_serve(struct conn *c, const struct request *r, const struct config *config);

/*
 * Replace {{APP}}, {{RELEASE}} and {{GREETING}}, escaped for HTML, in a template of n bytes.
 * Returns what is to be freed, its length in *out_len, or NULL.
 */
char *files_expand(const char *text, size_t n, const struct config *config, size_t *out_len);

#endif
