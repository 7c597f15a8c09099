#!/usr/bin/env bats
# A host on which new files are private: umask 077 for its administrator, and by pam_umask for every
# session, or 027, or none at all. An image's own user reads the files of the pushed tree; root's
# installation is read by nginx, sudo, sshd and the user dokku.

# shellcheck disable=SC2154 # the helper sets world, keys, output, status
# shellcheck disable=SC2016 # text for the shell in the world

load helper

setup_file() {
	host_up
	session_umask 077
	in_world chmod -R go= /root/dokku
}
teardown_file() { host_down; }

# session_umask MASK - sets the umask of every session from now on.
session_umask() {
	in_world bash -c \
		'sed -i "s/^UMASK.*/UMASK $1/; s/^USERGROUPS_ENAB.*/USERGROUPS_ENAB no/" \
			/etc/login.defs
		sed -i "/pam_umask/d" /etc/pam.d/common-session \
		/etc/pam.d/common-session-noninteractive
		printf "session optional pam_umask.so umask=0%s\n" "$1" |
		tee -a /etc/pam.d/common-session >>/etc/pam.d/common-session-noninteractive' bash \
		"$1"
}

# install_with UMASK - runs make install in a shell with this umask.
install_with() {
	timeout 500 "$top/tests/world" run "$world" -- bash -c \
		"umask $1 && make -C /root/dokku install" </dev/null 2>&1
}

# commit_as_nobody APP RELEASE - commits an app whose image runs as a user that owns none of its
# files.
commit_as_nobody() {
	commit "$@"
	printf 'USER 65534:65534\n' >>"$(repo "$1")/Dockerfile"
	chmod 700 "$(repo "$1")/public"
	git -C "$(repo "$1")" commit --quiet --all --amend --no-edit
}

# modes APP - prints the modes of files and folders in its container, each once.
modes() {
	in_world bash -c 'docker cp "$1.web.1:/public" - | tar -tv | cut -c 1-10 | sort -u' bash \
		"$1"
}

# assert_modes APP - requires the modes that git gives to files and folders.
assert_modes() {
	[[ $(modes "$1") == $'drwxr-xr-x\n-rw-r--r--' ||
	$(modes "$1") == $'-rw-r--r--\ndrwxr-xr-x' ]]
}

@test "umask 077: make install gives a working installation, that everybody may read" {
	install_with 077
	host_key
	in_world sudo -u nobody /usr/local/bin/dokku version
	in_world sudo -u nobody /usr/local/bin/check-runner --version
	in_world sudo -u nobody cat /usr/local/share/man/man1/dokku.1 /etc/dokku/command \
		/etc/dokku/network >/dev/null
	[[ -z $(in_world find /usr/local /var/lib/dokku/plugins /etc/nginx/conf.d /etc/nginx/dokku \
		-not -type l -not -perm -o=r -not -path '*/root/map' -not -path '*/bin/observe') ]]
	[[ -z $(in_world find /usr/local /var/lib/dokku /etc/dokku /etc/nginx/conf.d \
		/etc/nginx/dokku -not -type l -perm /o=w) ]]
}

@test "a pushed tree has git's modes in the image, whose user is not root" {
	[[ $(over_ssh version) == 'dokku version'* ]]
	commit_as_nobody private v1
	push private
	assert_serves private v1
	[[ $(fetch private /) == *private* ]]
	assert_modes private
}

@test "what is private stays so" {
	dokku_run config:set --no-restart private SECRET=x
	[[ $(in_world stat --format %a /var/lib/dokku/config/private/ENV) == 600 ]]
	[[ $(in_world stat --format %a /home/dokku/.ssh/authorized_keys /home/dokku/.ssh \
		/var/lib/dokku/tmp /etc/dokku/preview-token /etc/nginx/dokku-preview.conf \
		/etc/sudoers.d/dokku) == $'600\n700\n700\n640\n600\n440' ]]
	dokku_run certs:generate private
	[[ $(in_world stat --format %a /home/dokku/private/tls/server.key) == 600 ]]
}

@test "umask 027, and none at all" {
	local mask release=1
	for mask in 027 000 777; do
		session_umask "$mask"
		commit_as_nobody private "v$((++release))"
		push private
		assert_serves private "v$release"
		assert_modes private
		[[ -z $(in_world find /var/lib/dokku /home/dokku -not -type l -perm /o=w) ]]
	done
	in_world bash -c 'umask 777; dokku ps:restart private'
	assert_serves private v4
}

@test "a domain and a plugin, set by a root with umask 077, are read by those who have to" {
	in_world bash -c \
		'umask 077; dokku domains:add private more.localhost
			dokku domains:set-global example.org'
	fetch private / --header 'Host: more.localhost' --head | grep -qi 'X-Release: v4'
	in_world bash -c \
		'umask 077; mkdir -p /root/hello/subcommands && cd /root/hello &&
			printf "#!/bin/sh\n# Summary: Hi\n# Usage: dokku hello\necho hi\n" \
			>subcommands/default &&
		chmod 700 subcommands/default && dokku plugin:install /root/hello'
	[[ $(over_ssh hello) == hi ]]
}

@test "an upgrade mends what an older dokku made unreadable" {
	in_world chmod 700 /var/lib/dokku /var/lib/dokku/plugins /etc/dokku
	in_world chmod 600 /etc/dokku/command
	run install_with 077
	printf '%s\n' "$output"
	# The checkout is in /root, which is closed to the user dokku.
	[[ $status -eq 0 && $output != *'Permission denied'* && $output != *'does not own'* ]]
	commit_as_nobody private v5
	push private
	assert_serves private v5
	in_world sudo -u nobody cat /etc/dokku/command
}
