# The C part: included by the top Makefile, and usable by itself with make -f.
# CC, CFLAGS, CPPFLAGS, LDFLAGS and LDLIBS are the user's; what is ours starts with CR_.

CR_SRC := check-runner
CR_OUT := build/check-runner
CR_TESTS := tests/check-runner
CR_MODULES := util status linked buf match vars checks options watch fetch judge run report contain main

PKG_CONFIG ?= pkg-config
CR_PACKAGES := libcurl libpcre2-8
CR_LIB_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(CR_PACKAGES) 2>/dev/null || :)
CR_LIBS := $(shell $(PKG_CONFIG) --libs $(CR_PACKAGES) 2>/dev/null || :)

CR_STD := -std=c11 -D_POSIX_C_SOURCE=200809L
CR_WARN := -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wwrite-strings -Wcast-qual -Wpointer-arith \
	-Wformat=2 -Wvla -Wundef -Wswitch-enum -Wimplicit-fallthrough -Wnull-dereference

# Each of these is used where the compiler and the linker know it.
CR_HARDENING := -fstack-protector-strong -fstack-clash-protection -fcf-protection \
	-ftrivial-auto-var-init=zero -fstrict-flex-arrays=3 -fPIE -U_FORTIFY_SOURCE,-D_FORTIFY_SOURCE=2
CR_LINK_HARDENING := -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed
CR_COMMA := ,
cr_try = $(shell $(CC) -Werror $(1) -O2 -x c -o /dev/null - </dev/null -c 2>/dev/null && echo "$(1)")
cr_try_link = $(shell echo 'int main(void){return 0;}' | \
	$(CC) -Werror -fPIE $(1) -x c -o /dev/null - 2>/dev/null && echo "$(1)")

# Probed once, when something is built: `make help` need not run a compiler.
CR_HARD_CFLAGS = $(eval CR_HARD_CFLAGS := $(foreach flag,$(CR_HARDENING),$(call \
	cr_try,$(subst $(CR_COMMA), ,$(flag)))))$(CR_HARD_CFLAGS)
CR_HARD_LDFLAGS = $(eval CR_HARD_LDFLAGS := $(foreach flag,$(CR_LINK_HARDENING),$(call \
	cr_try_link,$(flag))))$(CR_HARD_LDFLAGS)

CR_OBJECTS := $(CR_MODULES:%=$(CR_OUT)/%.o)

# This file changes when a library that may be linked in changes, so everything is made anew after
# an upgrade of Debian. The files of a package keep the time when the package was made, so only the
# time of their inodes tells.
CR_LIBRARIES := $(CR_OUT)/libraries
CR_WATCHED = $(foreach name,libcurl.a libz.a libpcre2-8.a libc.a libjansson.a libnftnl.a libcurl.so \
	libc.so,$(shell $(CC) -print-file-name=$(name)))

$(CR_LIBRARIES): always
	@mkdir -p $(@D)
	@$(CC) --version >$@.new; stat --dereference --format '%n %s %y %z' $(CR_WATCHED) >>$@.new 2>/dev/null; \
		cmp --quiet $@.new $@ || mv $@.new $@

.PHONY: always

CR_LINK = $(CC) -O2 $(CR_HARD_CFLAGS) $(CFLAGS) $(CR_HARD_LDFLAGS) $(LDFLAGS)

$(CR_OUT)/check-runner-tls: $(CR_OBJECTS)
	$(CR_LINK) -o $@ $(CR_OBJECTS) $(CR_LIBS) $(LDLIBS)

# Loading libraries takes longer than a whole run, so all that a plain request needs is linked in,
# where that is possible, the C library included. check-runner-libc, which loads the C library, is
# for tests that put something in front of it. CR_ALONE=no links nothing in.
CR_ALONE ?= yes
cr_archive = $(shell $(CC) -print-file-name=lib$(1).a)
CR_ARCHIVES = $(call cr_archive,curl) $(call cr_archive,z) $(call cr_archive,pcre2-8)
CR_ALONE_OBJECTS := $(filter-out $(CR_OUT)/linked.o,$(CR_OBJECTS))

# Every name that libcurl.a asks for and nothing that we link in defines, but for those of absent.c. Names
# that begin with an underscore are the compiler's and the linker's own.
CR_PRESENT = $(CR_ARCHIVES) $(call cr_archive,c)

$(CR_OUT)/absent.list: $(CR_SRC)/absent.c $(CR_LIBRARIES)
	@nm --defined-only $(CR_PRESENT) 2>/dev/null | awk 'NF == 3 { print $$3 }' >$@.present || :
	@sed -n 's/^\([A-Za-z]\w*\)(.*/\1/p' $(CR_SRC)/absent.c >>$@.present
	@grep -qx malloc $@.present || { echo; exit; }; \
		nm --undefined-only $(call cr_archive,curl) 2>/dev/null | awk ' \
			FILENAME != "-" { present[$$1]; next } \
			$$1 == "U" && $$2 !~ /^_/ && !($$2 in present) && !seen[$$2]++ { print "ABSENT(" $$2 ")" } \
		' $@.present - >$@ || :

# If this does not compile, the programs that need it do not link, and cr_link_alone takes others.
$(CR_OUT)/absent.o: $(CR_SRC)/absent.c $(CR_OUT)/absent.list
	-@$(CC) $(CR_STD) $(CR_WARN) -O2 $(CR_HARD_CFLAGS) $(CR_LIB_CFLAGS) -I$(CR_OUT) $(CPPFLAGS) \
		$(CFLAGS) -c -o $@ $<

# cr_link_alone COMMAND PROGRAM - links the target with COMMAND, so that it needs no library at its
# start. If that fails, it copies PROGRAM instead and says so. The new program is tried: it must
# exit with 4, because no port listens, and with no other status.
define cr_link_alone
	@rm -f $@
	@if [ '$(CR_ALONE)' = yes ] && \
		$(1) -o $@ $(CR_ALONE_OBJECTS) $(CR_OUT)/absent.o $(CR_ARCHIVES) $(LDLIBS) >$@.log 2>&1; \
	then \
		echo / | $@ --deadline 0.1 127.0.0.1:1 >>$@.log 2>&1; [ $$? -eq 4 ] || rm -f $@; \
	fi
	@if [ ! -e $@ ]; then cp $(2) $@; \
		echo '$(@F) loads libraries at every start: $@.log says why'; fi
endef

$(CR_OUT)/check-runner-libc: $(CR_OUT)/check-runner-tls $(CR_OUT)/absent.o
	$(call cr_link_alone,$(CR_LINK),$(CR_OUT)/check-runner-tls)

$(CR_OUT)/check-runner: $(CR_OUT)/check-runner-libc
	$(call cr_link_alone,$(filter-out -pie,$(CR_LINK)) -static-pie,$(CR_OUT)/check-runner-libc)

$(CR_OUT)/%.o: $(CR_SRC)/%.c $(CR_SRC)/rules.mk $(CR_LIBRARIES)
	@mkdir -p $(@D)
	$(CC) $(CR_STD) $(CR_WARN) -O2 $(CR_HARD_CFLAGS) $(CR_LIB_CFLAGS) -MMD -MP \
		$(CPPFLAGS) $(CFLAGS) -c -o $@ $<

-include $(CR_OBJECTS:.o=.d)

# --- Tests -------------------------------------------------------------------------------------

CR_SANITIZE := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CR_ASAN := $(CR_OUT)/asan
CR_LIB_MODULES := $(filter-out main,$(CR_MODULES))
CR_UNIT := $(patsubst $(CR_TESTS)/%.c,%,$(filter-out $(CR_TESTS)/hostile_test.c,$(wildcard \
	$(CR_TESTS)/*_test.c)))
CR_TEST_FLAGS = $(CR_STD) $(CR_WARN) $(CR_LIB_CFLAGS) -I$(CR_SRC) -Itests/http -MMD -MP $(CPPFLAGS)

$(CR_ASAN)/%.o: $(CR_SRC)/%.c $(CR_SRC)/rules.mk
	@mkdir -p $(@D)
	$(CC) $(CR_TEST_FLAGS) $(CR_SANITIZE) -c -o $@ $<

$(CR_ASAN)/%_test: $(CR_TESTS)/%_test.c $(CR_LIB_MODULES:%=$(CR_ASAN)/%.o)
	$(CC) $(CR_TEST_FLAGS) $(CR_SANITIZE) -o $@ $< $(CR_LIB_MODULES:%=$(CR_ASAN)/%.o) $(CR_LIBS)

$(CR_ASAN)/check-runner: $(CR_MODULES:%=$(CR_ASAN)/%.o)
	$(CC) $(CR_SANITIZE) -o $@ $^ $(CR_LIBS)

# The server of the tests.
CR_HTTP := tests/http/base.c tests/http/http.c

$(CR_OUT)/hostile: $(CR_TESTS)/hostile.c $(CR_HTTP) $(CR_HTTP:.c=.h)
	@mkdir -p $(@D)
	$(CC) $(CR_TEST_FLAGS) -O2 -o $@ $< $(CR_HTTP)

$(CR_OUT)/hostile_test: $(CR_TESTS)/hostile_test.c
	@mkdir -p $(@D)
	$(CC) $(CR_TEST_FLAGS) -O2 -o $@ $<

$(CR_OUT)/failmalloc.so $(CR_OUT)/pretend.so: $(CR_OUT)/%.so: $(CR_TESTS)/%.c
	@mkdir -p $(@D)
	$(CC) $(CR_TEST_FLAGS) -O2 -fPIC -shared -o $@ $< -ldl

-include $(wildcard $(CR_ASAN)/*.d)

CR_JOBS = $(shell nproc 2>/dev/null || echo 1)
CR_TEST_NEEDS := $(CR_OUT)/check-runner $(CR_OUT)/check-runner-libc $(CR_ASAN)/check-runner $(CR_OUT)/hostile \
	$(CR_OUT)/hostile_test $(CR_OUT)/failmalloc.so $(CR_OUT)/pretend.so $(CR_UNIT:%=$(CR_ASAN)/%)

test-check-runner:
	@$(MAKE) --no-print-directory --silent -j$(CR_JOBS) $(CR_TEST_NEEDS)
	@$(CR_TESTS)/run $(CR_UNIT:%=$(CR_ASAN)/%)

.PHONY: test-check-runner

# --- Gates -------------------------------------------------------------------------------------

# tests/c.mk has the rules that hold for all C.
CR_COMPILERS = $(foreach cc,gcc clang,$(if $(shell command -v $(cc)),$(cc)))

check-check-runner:
	@for page in docs/check-runner.1; do if command -v mandoc >/dev/null; then \
		mandoc -Tlint -Wwarning $$page && echo "$$page: no warnings"; fi; done

# --- Fuzzing -----------------------------------------------------------------------------------

CR_FUZZ := $(CR_OUT)/fuzz
CR_FUZZERS := checks match response
# What the short run of the tests fuzzes; plugins/rules.mk adds to it.
FUZZERS := $(CR_FUZZERS:%=$(CR_FUZZ)/fuzz_%)
SECONDS ?= 20

$(CR_FUZZ)/%.o: $(CR_SRC)/%.c $(CR_SRC)/rules.mk
	@mkdir -p $(@D)
	clang $(CR_TEST_FLAGS) $(CR_SANITIZE) -fsanitize=fuzzer-no-link -c -o $@ $<

$(CR_FUZZERS:%=$(CR_FUZZ)/fuzz_%): $(CR_FUZZ)/fuzz_%: tests/fuzz/%.c $(CR_LIB_MODULES:%=$(CR_FUZZ)/%.o)
	clang $(CR_TEST_FLAGS) $(CR_SANITIZE) -fsanitize=fuzzer -o $@ $< \
		$(CR_LIB_MODULES:%=$(CR_FUZZ)/%.o) $(CR_LIBS)

-include $(wildcard $(CR_FUZZ)/*.d)

# New inputs go to build/, so that the corpus in git stays small. Findings stay where they are.
fuzz-all: $(FUZZERS)
	@for name in $(FUZZERS:$(CR_FUZZ)/fuzz_%=%); do mkdir -p $(CR_FUZZ)/corpus/$$name; \
		$(CR_FUZZ)/fuzz_$$name -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=1024 \
			-max_len=8192 -print_final_stats=1 -artifact_prefix=$(CR_FUZZ)/$$name- \
			$(CR_FUZZ)/corpus/$$name tests/fuzz/corpus/$$name \
			>$(CR_FUZZ)/$$name.log 2>&1 || { tail -60 $(CR_FUZZ)/$$name.log; exit 1; }; \
		sed -n "s/^stat::number_of_executed_units: */$$name: clean, runs: /p" \
			$(CR_FUZZ)/$$name.log; \
	done

.PHONY: check-check-runner fuzz-all

# --- Bench and coverage ------------------------------------------------------------------------

$(CR_OUT)/bench: tests/bench/check-runner.c $(CR_HTTP) $(CR_HTTP:.c=.h)
	@mkdir -p $(@D)
	$(CC) $(CR_TEST_FLAGS) -O2 -o $@ $< $(CR_HTTP)

bench-check-runner: $(CR_OUT)/check-runner $(CR_OUT)/bench
	@tests/bench/check-runner $(CR_OUT)/check-runner $(CR_OUT)/bench

CR_COV := $(CR_OUT)/coverage

# Lines and branches of the parser, the matcher and their neighbours, as their unit tests reach them.
coverage-check-runner: $(CR_OUT)/failmalloc.so
	@rm -rf $(CR_COV) && mkdir -p $(CR_COV)
	@for module in $(CR_LIB_MODULES); do gcc $(CR_STD) $(CR_LIB_CFLAGS) -O0 -g --coverage -c \
		-o $(CR_COV)/$$module.o $(CR_SRC)/$$module.c || exit 1; done
	@for test in $(CR_UNIT); do gcc $(CR_STD) $(CR_LIB_CFLAGS) -I$(CR_SRC) -O0 -g --coverage \
		-o $(CR_COV)/$$test $(CR_TESTS)/$$test.c $(CR_LIB_MODULES:%=$(CR_COV)/%.o) $(CR_LIBS) && \
		$(CR_COV)/$$test >/dev/null || exit 1; done
	@for n in $$(seq 40); do FAIL_AT=$$n LD_PRELOAD=$(CR_OUT)/failmalloc.so $(CR_COV)/match_test oom \
		>$(CR_COV)/oom.log 2>&1 || [ $$? -eq 5 ] || { cat $(CR_COV)/oom.log; exit 1; }; done
	@$(CR_TESTS)/coverage $(CR_COV) checks match vars buf judge run

.PHONY: bench-check-runner coverage-check-runner
