#!/usr/bin/env bats
# make uninstall: apps stay, unless PURGE=1. The last of all: it takes dokku out of the world.
# shellcheck disable=SC2154 # helper.bash and e2e_setup set address, keys, top, world

load helper

setup_file() {
	e2e_setup
	commit_and_push kept v1
}

@test "uninstall takes the program and keeps the apps; install brings them back" {
	in_world make -C /root/dokku uninstall
	run in_world bash -c \
		'type -P dokku check-runner
			ls /usr/local/lib/dokku /etc/sudoers.d/dokku /var/lib/dokku/core-plugins \
			/etc/nginx/conf.d/{00-,}dokku.conf /etc/nginx/dokku-*.conf 2>/dev/null
		find /usr/local -name "*dokku*" -o -name "check-runner*"'
	[[ -z $output ]]
	in_world nginx -t -q
	# What belongs to others is as it was.
	[[ -z $(in_world dpkg --verify nginx-common) ]]
	[[ $(in_world sysctl --values net.ipv4.tcp_tw_reuse \
		net.netfilter.nf_conntrack_tcp_be_liberal) == $'2\n0' ]]
	[[ $(in_world docker ps --quiet --filter label=com.dokku.app-name=kept | wc -l) -eq 1 ]]
	run in_world make -C /root/dokku uninstall PURGE=1
	[[ $status -ne 0 && $output == *"nothing was changed: make install, then make uninstall PURGE=1"* ]]
	timeout 300 "$top/tests/world" run "$world" -- make -C /root/dokku install </dev/null
	await 10 assert_serves kept v1
	in_world test -f /var/lib/dokku/core-plugins/available/common/functions
	assert_clean kept
}

@test "uninstall PURGE=1 leaves nothing of ours" {
	in_world make -C /root/dokku uninstall PURGE=1
	[[ -z $(in_world docker ps --all --quiet) ]]
	[[ -z $(in_world docker image ls --quiet 'dokku/*') ]]
	[[ -z $(in_world docker network ls --quiet --filter name=dokku) ]]
	run in_world bash -c \
		'ls -d /home/dokku /var/lib/dokku /etc/dokku /etc/nginx/dokku \
			/etc/nginx/conf.d/{00-,}dokku.conf /etc/nginx/dokku-*.conf \
			/usr/local/lib/dokku 2>/dev/null
			getent passwd dokku; nft list tables | grep dokku; pgrep -af watch:heal'
	[[ -z $output ]]
	in_world nginx -t -q
}
