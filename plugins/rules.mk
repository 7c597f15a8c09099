# The programs that plugins start, for what Bash is too slow for or cannot do. They are installed in
# bin/, and the address map in its plugin. Flags, warnings and util are those of check-runner.
PLUGIN_OUT := build/bin
PLUGIN_SRC := plugins/common/programs
PLUGIN_SMALL := tied attached hold write-file take-file read-env with-env observe overhear sigil confine exchange unblock busy
PLUGIN_BIN := $(PLUGIN_SMALL) engine
PLUGIN_PROGRAMS := $(PLUGIN_BIN:%=$(PLUGIN_OUT)/%) $(PLUGIN_OUT)/map
PLUGIN_CC = $(CC) $(CR_STD) $(CR_WARN) -O2 $(CR_HARD_CFLAGS) $(CR_LIB_CFLAGS) -I$(CR_SRC) -MMD -MP $(CPPFLAGS) $(CFLAGS)
PLUGIN_LINK = $(CC) -O2 $(CR_HARD_CFLAGS) $(CFLAGS)

plugin-programs: $(PLUGIN_PROGRAMS)

$(PLUGIN_OUT)/o/%.o: $(PLUGIN_SRC)/%.c plugins/rules.mk $(CR_LIBRARIES)
	@mkdir -p $(@D)
	$(PLUGIN_CC) -c -o $@ $<

# These are linked statically, because loading the C library would make each start half as slow
# again.
PLUGIN_ENV := $(PLUGIN_OUT)/o/env.o
PLUGIN_PROC := $(PLUGIN_OUT)/o/proc.o
PLUGIN_TEMPLATE := $(PLUGIN_OUT)/o/template.o $(PLUGIN_OUT)/o/value.o $(CR_OUT)/buf.o

$(PLUGIN_OUT)/read-env: $(PLUGIN_ENV)
$(PLUGIN_OUT)/observe: $(PLUGIN_PROC)
$(PLUGIN_OUT)/sigil: $(PLUGIN_TEMPLATE)
$(PLUGIN_OUT)/confine: $(PLUGIN_OUT)/o/clean.o
$(PLUGIN_OUT)/unblock: $(PLUGIN_OUT)/o/builds.o $(PLUGIN_OUT)/o/devices.o $(PLUGIN_OUT)/o/engines.o
$(PLUGIN_SMALL:%=$(PLUGIN_OUT)/%): $(PLUGIN_OUT)/%: $(PLUGIN_OUT)/o/%.o \
		$(PLUGIN_OUT)/o/process.o $(CR_OUT)/util.o
	$(PLUGIN_LINK) $(filter-out -fPIE -pie,$(LDFLAGS)) -static -s -o $@ $(filter %.o,$^)

# This is linked as check-runner is, for the same reason. After linking, the program is tried: it
# must report that a missing socket is missing.
PLUGIN_JANSSON = $(or $(wildcard $(shell $(CC) -print-file-name=libjansson.a)),-ljansson)
PLUGIN_ENGINE := $(PLUGIN_OUT)/o/engine.o $(PLUGIN_OUT)/o/frames.o $(PLUGIN_OUT)/o/members.o $(CR_OUT)/util.o
PLUGIN_ENGINE_LINK = $(PLUGIN_LINK) $(filter-out -pie,$(CR_HARD_LDFLAGS)) $(LDFLAGS) -o $@ $(PLUGIN_ENGINE)
PLUGIN_ENGINE_ALONE = $(PLUGIN_JANSSON) $(CR_OUT)/absent.o $(call cr_archive,curl) $(call cr_archive,z) $(LDLIBS)

$(PLUGIN_OUT)/engine: $(PLUGIN_ENGINE) $(CR_OUT)/check-runner
	@for how in '-static-pie $(PLUGIN_ENGINE_ALONE)' '-pie $(PLUGIN_ENGINE_ALONE)' '-pie -ljansson -lcurl $(LDLIBS)'; do \
		if $(PLUGIN_ENGINE_LINK) $$how 2>$@.log; then \
			DOCKER_SOCKET=/nowhere $@ GET / 2>>$@.log; [ $$? -ne 1 ] || exit 0; \
		fi; \
	done; cat $@.log >&2; rm -f $@; exit 1

# The address map: the modules of its main program, lowest first.
PLUGIN_NFTNL = $(or $(wildcard $(shell $(CC) -print-file-name=libnftnl.a)),-lnftnl)
MAP_SRC := plugins/service-addresses/programs
MAP_MODULES := network netlink sockets kept lines shares replies held links ports route rule guard_table guard
MAP_OBJECTS := $(MAP_MODULES:%=$(PLUGIN_OUT)/o/map/%.o) $(PLUGIN_OUT)/o/map/map.o

$(PLUGIN_OUT)/o/map/%.o: $(MAP_SRC)/%.c plugins/rules.mk $(CR_LIBRARIES)
	@mkdir -p $(@D)
	$(PLUGIN_CC) -c -o $@ $<

$(PLUGIN_OUT)/map: $(MAP_OBJECTS) $(CR_OUT)/util.o
	$(PLUGIN_LINK) $(CR_HARD_LDFLAGS) $(LDFLAGS) -o $@ $^ $(PLUGIN_NFTNL) -lmnl $(LDLIBS)

# --- Tests -------------------------------------------------------------------------------------

# All programs with the sanitizers. observe finds /proc where OBSERVE_PROC says.
PLUGIN_SAN := $(PLUGIN_OUT)/san
PLUGIN_TESTS := tests/programs
PLUGIN_UNIT := $(patsubst $(PLUGIN_TESTS)/%.c,%,$(wildcard $(PLUGIN_TESTS)/*_test.c))
PLUGIN_MODULES := builds clean engines devices env frames members proc process value template
PLUGIN_TEST_FLAGS = $(CR_STD) $(CR_WARN) $(CR_LIB_CFLAGS) -I$(CR_SRC) -I$(PLUGIN_SRC) -I$(MAP_SRC) \
	-I$(CR_TESTS) -DOBSERVE_TESTING -MMD -MP $(CPPFLAGS)
PLUGIN_TEST_OBJECTS := $(PLUGIN_SAN)/o/process.o $(PLUGIN_SAN)/o/clean.o $(PLUGIN_SAN)/o/env.o $(PLUGIN_SAN)/o/frames.o $(PLUGIN_SAN)/o/members.o $(PLUGIN_SAN)/o/proc.o \
	$(PLUGIN_SAN)/o/template.o $(PLUGIN_SAN)/o/value.o $(CR_ASAN)/buf.o \
	$(MAP_MODULES:%=$(PLUGIN_SAN)/o/map/%.o) $(CR_ASAN)/util.o

$(PLUGIN_SAN)/o/%.o: $(PLUGIN_SRC)/%.c plugins/rules.mk
	@mkdir -p $(@D)
	$(CC) $(PLUGIN_TEST_FLAGS) $(CR_SANITIZE) -c -o $@ $<

$(PLUGIN_SAN)/o/map/%.o: $(MAP_SRC)/%.c plugins/rules.mk
	@mkdir -p $(@D)
	$(CC) $(PLUGIN_TEST_FLAGS) $(CR_SANITIZE) -c -o $@ $<

$(PLUGIN_SAN)/read-env: $(PLUGIN_SAN)/o/env.o
$(PLUGIN_SAN)/observe: $(PLUGIN_SAN)/o/proc.o
$(PLUGIN_SAN)/confine: $(PLUGIN_SAN)/o/clean.o
$(PLUGIN_SAN)/unblock: $(PLUGIN_SAN)/o/builds.o $(PLUGIN_SAN)/o/devices.o $(PLUGIN_SAN)/o/engines.o
$(PLUGIN_SAN)/sigil: $(PLUGIN_SAN)/o/template.o $(PLUGIN_SAN)/o/value.o $(CR_ASAN)/buf.o
$(PLUGIN_SMALL:%=$(PLUGIN_SAN)/%): $(PLUGIN_SAN)/%: $(PLUGIN_SAN)/o/%.o \
		$(PLUGIN_SAN)/o/process.o $(CR_ASAN)/util.o
	$(CC) $(CR_SANITIZE) -o $@ $(filter %.o,$^)

$(PLUGIN_SAN)/engine: $(PLUGIN_SAN)/o/engine.o $(PLUGIN_SAN)/o/frames.o $(PLUGIN_SAN)/o/members.o $(CR_ASAN)/util.o
	$(CC) $(CR_SANITIZE) -o $@ $^ -ljansson $(CR_LIBS)

$(PLUGIN_SAN)/map: $(MAP_MODULES:%=$(PLUGIN_SAN)/o/map/%.o) $(PLUGIN_SAN)/o/map/map.o $(CR_ASAN)/util.o
	$(CC) $(CR_SANITIZE) -o $@ $^ -lnftnl -lmnl

$(PLUGIN_SAN)/%_test: $(PLUGIN_TESTS)/%_test.c $(PLUGIN_TEST_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(PLUGIN_TEST_FLAGS) $(CR_SANITIZE) -o $@ $< $(PLUGIN_TEST_OBJECTS) -ljansson -lnftnl -lmnl

PLUGIN_TEST_NEEDS := $(PLUGIN_BIN:%=$(PLUGIN_SAN)/%) $(PLUGIN_SAN)/map

plugin-test-programs: plugin-programs $(PLUGIN_TEST_NEEDS)

# Ends with the line "N passed, N failed".
test-programs: plugin-test-programs $(PLUGIN_UNIT:%=$(PLUGIN_SAN)/%)
	@$(PLUGIN_TESTS)/run $(PLUGIN_UNIT:%=$(PLUGIN_SAN)/%)

# --- Fuzzing -----------------------------------------------------------------------------------

PLUGIN_FUZZERS := lines replies env template
PLUGIN_FUZZ_OBJECTS := $(CR_FUZZ)/util.o $(CR_FUZZ)/buf.o $(PLUGIN_MODULES:%=$(CR_FUZZ)/plugins/%.o) \
	$(MAP_MODULES:%=$(CR_FUZZ)/plugins/map/%.o)
FUZZERS += $(PLUGIN_FUZZERS:%=$(CR_FUZZ)/fuzz_%)

fuzz-all: $(PLUGIN_FUZZERS:%=$(CR_FUZZ)/fuzz_%)

$(CR_FUZZ)/plugins/%.o: $(PLUGIN_SRC)/%.c plugins/rules.mk
	@mkdir -p $(@D)
	clang $(PLUGIN_TEST_FLAGS) $(CR_SANITIZE) -fsanitize=fuzzer-no-link -c -o $@ $<

$(CR_FUZZ)/plugins/map/%.o: $(MAP_SRC)/%.c plugins/rules.mk
	@mkdir -p $(@D)
	clang $(PLUGIN_TEST_FLAGS) $(CR_SANITIZE) -fsanitize=fuzzer-no-link -c -o $@ $<

$(PLUGIN_FUZZERS:%=$(CR_FUZZ)/fuzz_%): $(CR_FUZZ)/fuzz_%: tests/fuzz/%.c $(PLUGIN_FUZZ_OBJECTS)
	clang $(PLUGIN_TEST_FLAGS) $(CR_SANITIZE) -fsanitize=fuzzer -o $@ $< $(PLUGIN_FUZZ_OBJECTS) \
		-ljansson -lnftnl -lmnl

-include $(wildcard $(CR_FUZZ)/plugins/*.d $(CR_FUZZ)/plugins/map/*.d $(PLUGIN_OUT)/o/*.d $(PLUGIN_OUT)/o/map/*.d \
	$(PLUGIN_SAN)/*.d $(PLUGIN_SAN)/o/*.d $(PLUGIN_SAN)/o/map/*.d)

.PHONY: plugin-programs plugin-test-programs test-programs
