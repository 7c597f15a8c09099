/*
 * sigil [-f TEMPLATE] [NAME=VALUE…] - prints the template, or stdin, with its actions filled in, as
 * template.h says. Plugins of Dokku's make files for nginx with it.
 *
 * Exit status: 0, or 1 and a line on stderr that names the file and the line. Nothing is printed
 * then.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process.h"
#include "template.h"
#include "util.h"

#define TEMPLATE_MAX ((size_t)1 << 20)
#define OUTPUT_MAX ((size_t)16 << 20)

static void
read_template(struct buf *text, int fd, const char *file)
{
	char bytes[4096];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
		if (!buf_add(text, bytes, (size_t)n))
			die(1, "%s: a template has at most 1 MiB", file);
	}
	if (n == -1)
		fail(file);
}

/* Splits NAME=VALUE in place. */
static struct template_variable
take_variable(char *word)
{
	char *sign = strchr(word, '=');
	if (!sign || sign == word)
		die(1, "sigil: not NAME=VALUE: %s", word);
	*sign = '\0';
	return (struct template_variable){ .name = word, .value = sign + 1 };
}

int
main(int argc, char **argv)
{
	struct stat status;
	struct template_variable *variables = NULL;
	struct template_error error;
	struct buf text, out;
	const char *file = "stdin";
	size_t count = 0;
	int option, fd = STDIN_FILENO;

	while ((option = getopt(argc, argv, "+f:")) != -1) {
		if (option != 'f')
			misuse("sigil [-f TEMPLATE] [NAME=VALUE...]");
		file = optarg;
		fd = open_regular(file, 0, &status);
	}
	for (; optind < argc; optind++) {
		variables = xgrow(variables, count, sizeof(variables[0]));
		variables[count++] = take_variable(argv[optind]);
	}
	buf_init(&text, TEMPLATE_MAX);
	buf_init(&out, OUTPUT_MAX);
	read_template(&text, fd, file);
	if (template_fill(&out, buf_text(&text), text.len, variables, count, &error) == -1)
		die(1, "%s:%lu: %s", file, error.line, error.reason);
	fwrite(buf_text(&out), 1, out.len, stdout);
	buf_release(&text);
	buf_release(&out);
	free(variables);
	return fflush(stdout) == EOF;
}
