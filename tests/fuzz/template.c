/* A template: any bytes. It ends, keeps to the limit of its output, and names a line of its own. */
#include "template.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "require.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct template_variable given[] = { { "A", "a b" }, { "E", "" } };
	struct template_error error;
	struct buf out;
	char *text = xrealloc(NULL, size, 1);

	memcpy(text, data, size);
	buf_init(&out, 10000);
	if (template_fill(&out, text, size, given, UTIL_COUNT(given), &error) == -1)
		require(error.line > 0 && error.line <= size + 1 && error.reason[0] != '\0');
	else
		require(error.line == 0 && error.reason[0] == '\0');
	require(out.len <= 10000);
	buf_release(&out);
	free(text);
	return 0;
}
