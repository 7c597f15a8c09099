# The C part: included by the top Makefile, and usable by itself with make -f.
# CC, CFLAGS, CPPFLAGS, LDFLAGS and LDLIBS are the user's; what is ours starts with CR_.

CR_SRC := check-runner
CR_OUT := build/check-runner
CR_TESTS := tests/check-runner
CR_MODULES := util buf match vars checks options watch fetch judge run report contain main

PKG_CONFIG ?= pkg-config
CR_PACKAGES := libcurl libpcre2-8
CR_LIB_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(CR_PACKAGES))
CR_LIBS := $(shell $(PKG_CONFIG) --libs $(CR_PACKAGES))

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

$(CR_OUT)/check-runner: $(CR_OBJECTS)
	$(CC) -O2 $(CR_HARD_CFLAGS) $(CFLAGS) $(CR_HARD_LDFLAGS) $(LDFLAGS) -o $@ $(CR_OBJECTS) \
		$(CR_LIBS) $(LDLIBS)

$(CR_OUT)/%.o: $(CR_SRC)/%.c $(CR_SRC)/rules.mk
	@mkdir -p $(@D)
	$(CC) $(CR_STD) $(CR_WARN) -O2 $(CR_HARD_CFLAGS) $(CR_LIB_CFLAGS) -MMD -MP \
		$(CPPFLAGS) $(CFLAGS) -c -o $@ $<

-include $(CR_OBJECTS:.o=.d)
