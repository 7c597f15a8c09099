# make; sudo make install, demo, test, prove, prove-sustained, survive, torture, wrong-app, bench-sustained; make check,
# docs, bench, fuzz, coverage.

PREFIX = /usr/local
VERSION := $(shell env -u GIT_DIR -u GIT_WORK_TREE git describe --tags --always --dirty 2>/dev/null || echo 0.1)
LIB = $(DESTDIR)$(PREFIX)/lib/dokku
COMPLETION = $(DESTDIR)$(PREFIX)/share

# What is installed must not depend on the environment of the administrator who installs it.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin
unexport POSIXLY_CORRECT GREP_OPTIONS TAR_OPTIONS BASH_ENV ENV CDPATH TMPDIR GIT_DIR GIT_WORK_TREE
# Bash warns of a locale that this host lacks.
unexport LC_ALL

all: check-runner-binary

include check-runner/rules.mk
include plugins/rules.mk
include tests/apps/rules.mk
include tests/load/rules.mk
include $(wildcard tests/*.mk)

check-runner-binary: build/check-runner/check-runner

# What changes this host runs alone: two at once would build and copy over each other. The daemons that it starts must not
# hold the lock, hence --close. Who can open the file can lock it, so only root can.
ALONE = alone=; if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" -eq 0 ]; then \
	(umask 077; : >>/run/dokku-install.lock; chmod 600 /run/dokku-install.lock); \
	alone='flock --close /run/dokku-install.lock'; flock --nonblock /run/dokku-install.lock true || \
	echo '       Another make install or uninstall is at work. Waiting for it to end.'; fi; $$alone

# Packages, the program, its files, then what each plugin sets up on the host. All of it may be read by
# everybody, whatever the umask of who installs it; what is private has a mode of its own.
install: require-exec
	@$(ALONE) $(MAKE) --no-print-directory --silent install-alone

# What make install writes to on the host.
FOLDERS = $(PREFIX)/lib $(PREFIX)/bin $(COMPLETION) /etc /etc/dokku /etc/nginx /etc/sudoers.d /etc/sysctl.d /home/dokku \
	/var/lib/dokku /var/log /run /tmp

install-alone:
	@umask 022; if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" -eq 0 ]; then plugins/common/libexec/require-writable $(FOLDERS); fi
	@umask 022; if [ -z "$(DESTDIR)" ]; then plugins/common/dependencies; fi
	@umask 022; $(MAKE) --no-print-directory --silent build/check-runner/check-runner plugin-programs
	@umask 022; $(MAKE) --no-print-directory --silent install-files
	@umask 022; if [ -z "$(DESTDIR)" ]; then $(MAKE) --no-print-directory --silent install-host; fi

# Scripts of this checkout are run, and programs that are built in it.
require-exec:
	@[ -x plugins/common/dependencies ] || { \
		echo ' !     Nothing can be executed in $(CURDIR): its file system may be mounted noexec.' >&2; \
		echo ' !     Clone dokku to another one, such as /usr/src, and run make install there.' >&2; exit 1; }

# A new tree takes the place of the old one in one rename: a push of that moment finds the one or the other. A file
# system that cannot exchange them gets two renames. A deploy that has begun ends with the files that it began with. What is installed names its interpreter: env would be one program more
# for each of the sixty scripts of a deploy, and looks at PATH. Debian's static Bash, the same program, starts
# and forks in two thirds of the time. The map has its right to change the kernel's by then: there is a switch at any time.
install-files:
	rm -rf $(LIB).new $(LIB).old
	install -d $(LIB).new $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1
	cp -r dokku plugins LICENSE $(LIB).new/
	install -m 755 build/check-runner/check-runner build/check-runner/check-runner-tls $(LIB).new/
	install -d $(LIB).new/bin
	install -m 755 $(PLUGIN_BIN:%=build/bin/%) $(LIB).new/bin/
	install -m 755 build/bin/map $(LIB).new/plugins/service-addresses/root/map
	plugins/common/libexec/join $(LIB).new/plugins/common
	rm -rf $(LIB).new/plugins/*/*.c $(LIB).new/plugins/*/programs $(LIB).new/plugins/rules.mk
	echo '$(VERSION)' >$(LIB).new/VERSION
	bash=/bin/bash-static; [ -x $$bash ] || bash=/bin/bash; grep -rlZE '^#!(/usr/bin/env bash|/bin/bash -p)$$' $(LIB).new | \
		xargs -0 sed -i -E "1s,^#!(/usr/bin/env bash|/bin/bash)( -p)?$$,#!$$bash\2,"
	chown -R root:root $(LIB).new
	chmod -R go-w,a+rX $(LIB).new
	@[ -x $(LIB).new/dokku ] || { rm -rf $(LIB).new; \
		echo ' !     dokku cannot be executed in $(LIB): its file system may be mounted noexec.' >&2; \
		echo ' !     Mount it with exec, or choose another one: make install PREFIX=/opt/dokku' >&2; exit 1; }
	@[ -n "$(DESTDIR)" ] || case ",$$(findmnt --noheadings --output OPTIONS --target $(LIB).new)," in *,nosuid,*) \
		rm -rf $(LIB).new; \
		echo ' !     $(LIB) is on a file system that is mounted nosuid, so dokku could not change where traffic goes.' >&2; \
		echo ' !     Mount it with suid, or choose another one: make install PREFIX=/opt/dokku' >&2; exit 1;; esac
	map=$(LIB).new/plugins/service-addresses/root/map observe=$(LIB).new/bin/observe; \
	if [ -z "$(DESTDIR)" ] && getent group dokku >/dev/null; then \
		chgrp dokku $$map $$observe && chmod 750 $$map $$observe && setcap cap_net_admin=ep $$map && \
		{ setcap cap_sys_ptrace=p $$observe || true; }; fi
	@if [ -z "$(DESTDIR)" ]; then for lock in /var/lib/dokku/lock/[a-z0-9]*; do \
		[ -f "$$lock" ] && ! flock --nonblock "$$lock" true || continue; \
		echo "       Waiting for what is at work on $${lock##*/}, at most 60 s"; \
		flock --timeout 60 "$$lock" true || true; done; fi
	if [ ! -e $(LIB) ]; then mv -T $(LIB).new $(LIB); \
	elif ! build/bin/exchange $(LIB).new $(LIB) 2>/dev/null; then \
		mv -T $(LIB) $(LIB).old && mv -T $(LIB).new $(LIB); fi
	rm -rf $(LIB).new $(LIB).old
	ln -sf ../lib/dokku/dokku $(DESTDIR)$(PREFIX)/bin/dokku
	ln -sf ../lib/dokku/check-runner $(DESTDIR)$(PREFIX)/bin/check-runner
	install -d $(COMPLETION)/bash-completion/completions $(COMPLETION)/zsh/site-functions
	install -m 644 plugins/common/client/dokku.bash $(COMPLETION)/bash-completion/completions/dokku
	install -m 644 plugins/common/client/_dokku $(COMPLETION)/zsh/site-functions/
	for page in docs/*.1; do if [ -e "$$page" ]; then install -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man1/; fi; done

install-host:
	mkdir -p /etc/dokku
	echo $(PREFIX)/bin/dokku >/etc/dokku/command
	PLUGIN_PATH=$(PREFIX)/lib/dokku/plugins $(PREFIX)/bin/dokku plugin:trigger install
	@echo '=====> dokku $(VERSION) is installed: git remote add dokku dokku@HOST:APP, then git push dokku main'

# Apps, their images and the user stay, unless PURGE=1.
uninstall:
	@$(ALONE) env PURGE='$(PURGE)' plugins/common/libexec/uninstall $(DESTDIR)$(PREFIX)

demo: install
	@tests/demo

# The parts of the docs that are made from the code. tests/style.bats compares them.
docs:
	docs/generate

fuzz: fuzz-all

coverage: coverage-check-runner

# Side by side with what people would use; figures are ratios, not promises.
bench: bench-check-runner bench-switch bench-commands bench-road

clean:
	rm -rf build

.PHONY: all require-exec check-runner-binary install install-alone install-files install-host uninstall demo docs fuzz coverage bench clean
