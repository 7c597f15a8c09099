# The rules for all C in this repository: one format, one order of includes, short functions. Each
# installed compiler compiles it with the flags of check-runner, and warnings are errors.

C_SOURCES = $(shell git ls-files --cached --others --exclude-standard '*.c' 2>/dev/null || \
	find * -name '*.c' -not -path 'build/*')
C_HEADERS = $(shell git ls-files --cached --others --exclude-standard '*.h' 2>/dev/null || \
	find * -name '*.h' -not -path 'build/*')
C_OUT := build/check-c
C_INCLUDES := -I$(CR_SRC) -I$(CR_OUT) -I$(CR_TESTS) -Itests/http -I$(PLUGIN_SRC) -I$(MAP_SRC)
C_COMPILED = $(wildcard $(if $(filter openssl,$(LOAD_TLS)),$(C_SOURCES),\
	$(filter-out %/tls_openssl.c,$(C_SOURCES))))
C_OBJECTS = $(foreach cc,$(CR_COMPILERS),$(C_COMPILED:%.c=$(C_OUT)/$(cc)/%.o))

define c_compile
$(C_OUT)/$(1)/%.o: %.c check-runner/rules.mk tests/c.mk $(CR_OUT)/absent.list
	@mkdir -p $$(@D)
	@$(1) $(CR_STD) $(CR_WARN) -Werror -O2 $(CR_LIB_CFLAGS) $(C_INCLUDES) -MMD -MP -c -o $$@ $$<
endef
$(foreach cc,gcc clang,$(eval $(call c_compile,$(cc))))

check-c:
	@clang-format --dry-run -Werror $(wildcard $(C_SOURCES) $(C_HEADERS))
	@tests/c-gates files $(wildcard $(C_SOURCES) $(C_HEADERS))
	@tests/c-gates layers $(CR_SRC) $(CR_MODULES) absent
	@tests/c-gates layers $(PLUGIN_SRC) $(PLUGIN_MODULES) $(PLUGIN_BIN)
	@tests/c-gates layers $(MAP_SRC) $(MAP_MODULES) map
	@$(MAKE) --no-print-directory --silent -j$(CR_JOBS) check-c-warnings

check-c-warnings: $(C_OBJECTS)
	@echo '$(CR_COMPILERS): no warnings in $(words $(C_COMPILED)) files'

-include $(shell find $(C_OUT) -type f -name '*.d' 2>/dev/null)

.PHONY: check-c check-c-warnings
