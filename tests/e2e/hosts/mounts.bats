#!/usr/bin/env bats
# A host on which dokku's folders are file systems of their own.

# shellcheck disable=SC2154 # the helper sets world, output, status
# shellcheck disable=SC2016 # for the shell in the world

load helper

setup_file() {
	host_up
	in_world sh -ec 'for dir in /home/dokku /var/lib/dokku /etc/dokku /usr/local /etc/nginx; do
			mkdir -p $dir && cp -a $dir /root/kept && mount -t tmpfs none $dir &&
			chmod 755 $dir && cp -a /root/kept/. $dir/ && rm -r /root/kept
		done
		mkdir /var/lib/dokku/lost+found'
}
teardown_file() { host_down; }

@test "a push, and an upgrade" {
	host_install
	host_key
	commit_and_push mounted v1
	host_install
	commit_and_push mounted v2
	assert_serves mounted v2
}

@test "make uninstall PURGE=1 empties what it cannot remove, says so, and leaves nothing else" {
	run in_world make -C /root/dokku uninstall PURGE=1
	printf '%s\n' "$output"
	[[ $status -eq 0 &&
		$output == *'/var/lib/dokku stays, empty: a file system is mounted on it'* &&
		$output == *'dokku is removed with all its apps'* ]]
	[[ $(in_world find /var/lib/dokku /etc/dokku -mindepth 1) == /var/lib/dokku/lost+found ]]
	run in_world sh -c \
		'getent passwd dokku ||
			find /home /usr/local /etc/nginx /etc/sudoers.d -iname "*dokku*" ! \
			-path /home/dokku'
	[[ -z $output ]]
}

@test "and make install works again" {
	host_install
	host_key
	commit_and_push mounted v3
	assert_serves mounted v3
}
