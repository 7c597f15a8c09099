/* An ENV file: any bytes. The entries must be pairs that a process can have, or the text as it was.
 */
#include "env.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "require.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct env env;
	struct env_entry entry;
	unsigned long line = 0;
	char *text = xrealloc(NULL, size, 1);

	memcpy(text, data, size);
	env_open(&env, text, size);
	while (env_next(&env, &entry)) {
		require(entry.line > line && entry.line <= size + 1);
		line = entry.line;
		if (entry.kind == ENV_PAIR) {
			require(entry.length <= size + 1);
			require(memchr(entry.text, '\0', entry.length) == NULL);
			const char *sign = memchr(entry.text, '=', entry.length);
			require(sign && sign > entry.text && sign - entry.text <= 255);
			require(*entry.text < '0' || *entry.text > '9');
		} else {
			require(entry.text >= text && entry.text + entry.length <= text + size);
		}
	}
	env_release(&env);
	free(text);
	return 0;
}
