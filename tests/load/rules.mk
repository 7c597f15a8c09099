# The load client, and its tests. TLS where pkg-config finds OpenSSL.
LOAD_DIR := tests/load
LOAD_BUILD := build/tests/load
LOAD_TLS := $(shell pkg-config --exists openssl 2>/dev/null && echo openssl || echo none)
LOAD_MODULES := util stats releases options tls_$(LOAD_TLS) response frame exchange client loop \
	report
LOAD_OBJECTS := $(LOAD_MODULES:%=$(LOAD_BUILD)/%.o) $(LOAD_BUILD)/web/sha1.o \
	$(LOAD_BUILD)/http/base.o
LOAD_FAULT_OBJECTS := $(LOAD_BUILD)/fault.o \
	$(patsubst %,$(LOAD_BUILD)/web/%.o,sha1 config files ws pages rows_none) \
	$(LOAD_BUILD)/http/base.o $(LOAD_BUILD)/http/http.o
LOAD_CFLAGS := $(CR_STD) -O2 -fstack-protector-strong -pthread $(CR_WARN) -Itests/http
LOAD_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -g
LOAD_LIBS := $(if $(filter openssl,$(LOAD_TLS)),$(shell pkg-config --libs openssl 2>/dev/null || :))
LOAD_ALL_OBJECTS := $(LOAD_OBJECTS) $(LOAD_FAULT_OBJECTS) $(LOAD_BUILD)/main.o
LOAD_SAN_OBJECTS := $(patsubst $(LOAD_BUILD)/%,$(LOAD_BUILD)/san/%,$(LOAD_ALL_OBJECTS)) \
	$(LOAD_BUILD)/san/unit_test.o

build/tests/load/load: $(LOAD_OBJECTS) $(LOAD_BUILD)/main.o
	$(CC) $(LDFLAGS) -o $@ $^ $(LOAD_LIBS)

build/tests/load/fault: $(LOAD_FAULT_OBJECTS)
	$(CC) $(LDFLAGS) -pthread -o $@ $^

# The tests run what the sanitizers watch.
build/tests/load/san/load: $(patsubst $(LOAD_BUILD)/%,$(LOAD_BUILD)/san/%,$(LOAD_OBJECTS)) \
		$(LOAD_BUILD)/san/main.o
	$(CC) $(LOAD_SANITIZE) $(LDFLAGS) -o $@ $^ $(LOAD_LIBS)

build/tests/load/san/unit_test: $(patsubst $(LOAD_BUILD)/%,$(LOAD_BUILD)/san/%,$(LOAD_OBJECTS)) \
		$(LOAD_BUILD)/san/unit_test.o
	$(CC) $(LOAD_SANITIZE) $(LDFLAGS) -o $@ $^ $(LOAD_LIBS)

$(LOAD_BUILD)/%.o: $(LOAD_DIR)/%.c
	@mkdir -p $(@D)
	$(CC) $(LOAD_CFLAGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(LOAD_BUILD)/web/%.o: tests/apps/web/%.c
	@mkdir -p $(@D)
	$(CC) $(LOAD_CFLAGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(LOAD_BUILD)/http/%.o: tests/http/%.c
	@mkdir -p $(@D)
	$(CC) $(LOAD_CFLAGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(LOAD_BUILD)/san/%.o: $(LOAD_DIR)/%.c
	@mkdir -p $(@D)
	$(CC) $(LOAD_CFLAGS) $(LOAD_SANITIZE) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(LOAD_BUILD)/san/web/%.o: tests/apps/web/%.c
	@mkdir -p $(@D)
	$(CC) $(LOAD_CFLAGS) $(LOAD_SANITIZE) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(LOAD_BUILD)/san/http/%.o: tests/http/%.c
	@mkdir -p $(@D)
	$(CC) $(LOAD_CFLAGS) $(LOAD_SANITIZE) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# build/tests/load/fuzz -max_total_time=20 build/tests/load/corpus tests/load/corpus
build/tests/load/fuzz: $(patsubst %,$(LOAD_DIR)/%.c,fuzz response frame util) tests/http/base.c
	@mkdir -p build/tests/load/corpus
	clang -g -O1 $(CR_STD) $(CR_WARN) -Itests/http -fsanitize=fuzzer,address,undefined -o $@ $^

# Ends with the line "N passed, N failed".
test-load: build/tests/load/san/load build/tests/load/san/unit_test build/tests/load/fault \
		build/tests/load/load build/tests/apps/web
	@tests/load/run

.PHONY: test-load

-include $(LOAD_ALL_OBJECTS:.o=.d) $(LOAD_SAN_OBJECTS:.o=.d)
