# The load client, and its tests. TLS where pkg-config finds OpenSSL.
LOAD_DIR := tests/load
LOAD_BUILD := build/tests/load
LOAD_TLS := $(shell pkg-config --exists openssl && echo openssl || echo none)
LOAD_MODULES := util stats releases options tls_$(LOAD_TLS) response frame exchange client loop \
	report main
LOAD_OBJECTS := $(LOAD_MODULES:%=$(LOAD_BUILD)/%.o) $(LOAD_BUILD)/sha1.o
LOAD_WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow \
	-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wwrite-strings -Wcast-qual \
	-Wpointer-arith -Wformat=2 -Wvla -Wundef -Wswitch-enum -Wimplicit-fallthrough \
	-Wnull-dereference
LOAD_CFLAGS := -std=c11 -D_POSIX_C_SOURCE=200809L -O2 -fstack-protector-strong \
	-D_FORTIFY_SOURCE=2 $(LOAD_WARNINGS)
LOAD_LIBS := $(if $(filter openssl,$(LOAD_TLS)),$(shell pkg-config --libs openssl))

build/tests/load/load: $(LOAD_OBJECTS)
	$(CC) $(LDFLAGS) -o $@ $(LOAD_OBJECTS) $(LOAD_LIBS)

$(LOAD_BUILD)/%.o: $(LOAD_DIR)/%.c
	@mkdir -p $(@D)
	$(CC) $(LOAD_CFLAGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(LOAD_BUILD)/sha1.o: tests/apps/web/sha1.c
	@mkdir -p $(@D)
	$(CC) $(LOAD_CFLAGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(LOAD_OBJECTS:.o=.d)
