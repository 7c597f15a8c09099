#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "loop.h"
#include "options.h"
#include "report.h"
#include "tls.h"
#include "util.h"

static void
prepare_tls(struct options *o)
{
	for (size_t i = 0; i < o->targets; i++) {
		struct target *t = &o->target[i];
		const char *why;
		if (!t->tls)
			continue;
		t->tls_target = tls_target_new(t->server_name, o->ca_file, &why);
		if (t->tls_target == NULL)
			die("https://%s: %s", t->host, why);
	}
}

int
main(int argc, char **argv)
{
	struct options o;
	struct outcome out;
	const char *why;

	options_parse(&o, argc, argv);
	prepare_tls(&o);
	if (loop_run(&o, &out, &why) < 0)
		die("%s", why);
	report_human(stdout, &o, &out);
	if (o.json_file != NULL && report_json(o.json_file, &o, &out) < 0)
		die("%s: %s", o.json_file, strerror(errno));
	if (out.bad_mark > 0)
		die("a mark is not EPOCH_MS [+!]RELEASE: line %u of those read together",
			out.bad_mark);
	int status = report_failed(&o) > 0 ? 1 : 0;
	for (size_t i = 0; i < o.targets; i++)
		tls_target_free(o.target[i].tls_target);
	options_release(&o);
	return status;
}
