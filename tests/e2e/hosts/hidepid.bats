#!/usr/bin/env bats
# A host whose /proc hides the processes of other users: the mount option hidepid, in all its forms.
# A deploy asks whether processes of containers live, how many connections they have, and which
# workers nginx has.

# shellcheck disable=SC2154 # the helper sets world, keys, output, status, address
# shellcheck disable=SC2030,SC2031 # bats runs each test in a subshell

load helper

setup_file() {
	host_up
	in_world groupadd --system proc
	in_world mount -o remount,hidepid=2 /proc
}
teardown_file() { host_down; }

# hide OPTIONS - mounts /proc again with OPTIONS.
hide() { in_world mount -o "remount,$1" /proc; }

# dokku_sees PID - whether the user dokku sees that process.
dokku_sees() {
	in_world setpriv --reuid dokku --regid dokku --init-groups test -e "/proc/$1/status"
}

@test "make install and a push, without CHECKS and with them" {
	host_install
	host_key
	run dokku_sees 1
	[[ $status -ne 0 ]]
	commit hidden v1
	rm -f "$(repo hidden)/CHECKS"
	git -C "$(repo hidden)" commit --quiet --all --amend --no-edit
	push hidden
	assert_serves hidden v1
	commit_and_push hidden v2
	assert_serves hidden v2
	assert_clean hidden
}

@test "an old container is drained, not cut: a slow answer of it comes to its end" {
	local pid
	fetch hidden '/slow?ms=8000' --max-time 30 --head >"$BATS_TEST_TMPDIR/slow" &
	pid=$!
	sleep 1
	commit_and_push hidden v3
	wait "$pid"
	grep -q '^HTTP/1.1 200' "$BATS_TEST_TMPDIR/slow"
	grep -qi '^X-Release: v2' "$BATS_TEST_TMPDIR/slow"
	assert_clean hidden
	[[ $(in_world tail -n 1 /var/lib/dokku/data/draining/hidden/log) == *'drained all' ]]
}

@test "hidepid=1, invisible, ptraceable, and a group that may see" {
	local options release=3
	for options in hidepid=noaccess hidepid=invisible hidepid=ptraceable \
		"hidepid=invisible,gid=$(in_world getent group proc | cut -d : -f 3)"; do
		hide "$options"
		commit_and_push hidden "v$((++release))"
		assert_serves hidden "v$release"
		assert_clean hidden
		[[ $(in_world tail -n 1 \
			/var/lib/dokku/data/draining/hidden/log) == *'drained all' ]]
	done
}

# pre_retire - runs the hook as the user dokku.
pre_retire() {
	in_world setpriv --reuid dokku --regid dokku --init-groups env DOKKU_ROOT=/home/dokku \
		DOKKU_LIB_ROOT=/var/lib/dokku \
		PLUGIN_CORE_AVAILABLE_PATH=/usr/local/lib/dokku/plugins \
		/usr/local/lib/dokku/plugins/service-addresses/pre-retire hidden "$1"
}

@test "a worker of nginx that was there before the last switch is waited for" {
	hide hidepid=2
	in_world bash -c 'read -r up _ </proc/uptime && echo "${up/./}" >/run/dokku-nginx.switched'
	# Fails at once: its deadline is over, and the workers that nginx has are older than that.
	run pre_retire 1
	[[ $status -ne 0 ]]
	in_world sh -c 'echo 1 >/run/dokku-nginx.switched'
	pre_retire 1
	in_world rm /run/dokku-nginx.switched
}

@test "what sees is dokku's alone" {
	in_world test "$(in_world stat --format '%U:%G %a' /usr/local/lib/dokku/bin/observe)" = \
		'root:dokku 750'
	run in_world sudo -u nobody /usr/local/lib/dokku/bin/observe connections 1 80
	[[ $status -ne 0 ]]
}
