# The programs that plugins start: what Bash is too slow for, or cannot do. They lie in bin/ where
# dokku is installed, and the address map's helper in its plugin.
PLUGIN_OUT := build/bin
PLUGIN_PROGRAMS := $(PLUGIN_OUT)/helper $(PLUGIN_OUT)/observe $(PLUGIN_OUT)/exchange $(PLUGIN_OUT)/engine $(PLUGIN_OUT)/map
PLUGIN_SOURCES := $(wildcard plugins/common/programs/*.c) $(wildcard plugins/service-addresses/programs/*.c)
PLUGIN_STD := -std=c11 -D_GNU_SOURCE
PLUGIN_CC = $(CC) $(PLUGIN_STD) $(CR_WARN) -O2 $(CR_HARD_CFLAGS) $(CPPFLAGS) $(CFLAGS)

plugin-programs: $(PLUGIN_PROGRAMS)

# Static: a start costs a third.
$(PLUGIN_OUT)/helper $(PLUGIN_OUT)/observe $(PLUGIN_OUT)/exchange: $(PLUGIN_OUT)/%: plugins/common/programs/%.c plugins/rules.mk $(CR_LIBRARIES)
	@mkdir -p $(@D)
	$(PLUGIN_CC) $(filter-out -fPIE,$(LDFLAGS)) -static -o $@ $<

# Linked as check-runner is, for the same reason, and tried: a socket that is not there is said to be so.
PLUGIN_ENGINE = $(PLUGIN_CC) $(CR_LIB_CFLAGS) $(filter-out -pie,$(CR_HARD_LDFLAGS)) $(LDFLAGS) -o $@ $<
PLUGIN_JANSSON = $(or $(wildcard $(shell $(CC) -print-file-name=libjansson.a)),-ljansson)
PLUGIN_ENGINE_ALONE = $(PLUGIN_JANSSON) $(CR_OUT)/absent.o $(CR_OUT)/util.o $(call cr_archive,curl) $(call cr_archive,z) $(LDLIBS)

$(PLUGIN_OUT)/engine: plugins/common/programs/engine.c $(CR_OUT)/check-runner plugins/rules.mk
	@mkdir -p $(@D)
	@for how in '-static-pie $(PLUGIN_ENGINE_ALONE)' '-pie $(PLUGIN_ENGINE_ALONE)' '-pie -ljansson -lcurl $(LDLIBS)'; do \
		if $(PLUGIN_ENGINE) $$how 2>$@.log; then \
			DOCKER_SOCKET=/nowhere $@ GET / 2>>$@.log; [ $$? -ne 1 ] || exit 0; \
		fi; \
	done; cat $@.log >&2; rm -f $@; exit 1

PLUGIN_NFTNL = $(or $(wildcard $(shell $(CC) -print-file-name=libnftnl.a)),-lnftnl)

PLUGIN_MAP = $(wildcard plugins/service-addresses/programs/*.c)

$(PLUGIN_OUT)/map: $(PLUGIN_MAP) $(wildcard plugins/service-addresses/programs/*.h) plugins/rules.mk $(CR_LIBRARIES)
	@mkdir -p $(@D)
	$(PLUGIN_CC) $(CR_HARD_LDFLAGS) $(LDFLAGS) -o $@ $(PLUGIN_MAP) $(PLUGIN_NFTNL) -lmnl $(LDLIBS)

# For the tests.
$(PLUGIN_OUT)/san/map: $(PLUGIN_MAP) $(wildcard plugins/service-addresses/programs/*.h) plugins/rules.mk
	@mkdir -p $(@D)
	$(CC) $(PLUGIN_STD) $(CR_WARN) -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -o $@ $(PLUGIN_MAP) -lnftnl -lmnl

# Its /proc is where OBSERVE_PROC says.
$(PLUGIN_OUT)/san/observe: plugins/common/programs/observe.c plugins/rules.mk
	@mkdir -p $(@D)
	$(CC) $(PLUGIN_STD) $(CR_WARN) -O1 -g -DOBSERVE_TESTING -fsanitize=address,undefined -fno-sanitize-recover=all -o $@ $<

plugin-test-programs: plugin-programs $(PLUGIN_OUT)/san/map $(PLUGIN_OUT)/san/observe

.PHONY: plugin-programs plugin-test-programs
