# The sample and test app. Static, because it runs alone in an image built FROM scratch.
APP_DIR := tests/apps/web
APP_BUILD := build/tests/apps
APP_CC := $(or $(shell command -v musl-gcc),$(CC))
APP_HTTP := tests/http
APP_ALL := $(patsubst $(APP_DIR)/%.c,$(APP_BUILD)/web.o.d/%.o,$(wildcard $(APP_DIR)/*.c)) \
	$(APP_BUILD)/http/base.o $(APP_BUILD)/http/http.o
APP_OBJECTS := $(filter-out %/rows.o,$(APP_ALL))
APP_ROWS_OBJECTS := $(filter-out %/rows_none.o,$(APP_ALL))
APP_CFLAGS := $(CR_STD) -O2 -pthread $(CR_WARN) -I$(APP_HTTP)

build/tests/apps/web: $(APP_OBJECTS)
	$(APP_CC) -static -s -pthread -o $@ $(APP_OBJECTS)

# The same with the page /row, which needs a resolver. A static glibc has one, but the linker warns
# of other name services, which an image built FROM scratch does not have.
build/tests/apps/web-rows: $(APP_ROWS_OBJECTS)
	$(APP_CC) -static -s -pthread -Wl,--no-warnings -o $@ $(APP_ROWS_OBJECTS)

$(APP_BUILD)/web.o.d/%.o: $(APP_DIR)/%.c
	@mkdir -p $(@D)
	$(APP_CC) $(APP_CFLAGS) -MMD -MP -c -o $@ $<

$(APP_BUILD)/http/%.o: $(APP_HTTP)/%.c
	@mkdir -p $(@D)
	$(APP_CC) $(APP_CFLAGS) -MMD -MP -c -o $@ $<

-include $(APP_ALL:.o=.d)

# What an app that was taken over tries against others.
build/tests/apps/attack: tests/apps/attack.c tests/apps/rules.mk
	@mkdir -p $(@D)
	$(APP_CC) $(CR_STD) -O2 $(CR_WARN) -static -s -o $@ $<
