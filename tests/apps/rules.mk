# The sample and test app. Static, because it runs alone in an image built FROM scratch.
APP_DIR := tests/apps/web
APP_BUILD := build/tests/apps
APP_CC := $(or $(shell command -v musl-gcc),$(CC))
APP_OBJECTS := $(patsubst $(APP_DIR)/%.c,$(APP_BUILD)/web.o.d/%.o,$(wildcard $(APP_DIR)/*.c))
APP_WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow \
	-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wwrite-strings -Wcast-qual \
	-Wpointer-arith -Wformat=2 -Wvla -Wundef -Wswitch-enum -Wimplicit-fallthrough \
	-Wnull-dereference
APP_CFLAGS := -std=c11 -D_POSIX_C_SOURCE=200809L -O2 -pthread $(APP_WARNINGS)

build/tests/apps/web: $(APP_OBJECTS)
	$(APP_CC) -static -s -pthread -o $@ $(APP_OBJECTS)

$(APP_BUILD)/web.o.d/%.o: $(APP_DIR)/%.c
	@mkdir -p $(@D)
	$(APP_CC) $(APP_CFLAGS) -MMD -MP -c -o $@ $<

-include $(APP_OBJECTS:.o=.d)

# What an app that was taken over tries against others. Not POSIX: it writes raw frames.
build/tests/apps/attack: tests/apps/attack.c tests/apps/rules.mk
	@mkdir -p $(@D)
	$(APP_CC) -std=c11 -D_GNU_SOURCE -O2 $(APP_WARNINGS) -static -s -o $@ $<
