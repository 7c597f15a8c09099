#!/usr/bin/env bats
# A host that runs an older dokku (f472e02, of the address map's first version) with apps that have
# visitors: make install of this version takes its state over.

# shellcheck disable=SC2154 # the helper sets world, output, status

load helper

OLD=f472e02

setup_file() {
	host_up
	in_world sh -c \
		"cd /root/dokku && git rev-parse HEAD >/root/this && git checkout --quiet $OLD"
	host_install
	host_key
	commit_and_push moved v1
	# The first release is gone back to below, so it must not be pruned meanwhile.
	dokku_run releases:set moved keep 9
	commit_and_push moved v2
	dokku_run config:set moved COLOUR=blue >/dev/null
	dokku_run ps:scale moved web=2 >/dev/null
	commit_and_push stopped v1
	dokku_run ps:stop stopped >/dev/null
	# Engines from 28 on choose MAC addresses that do not tell the IP address.
	# shellcheck disable=SC2016 # for the shell there
	in_world sh -c \
		'docker run --detach --name odd --network dokku --ip 10.86.128.200 \
			--mac-address ee:11:22:33:44:55 \
		--env PORT=5000 "$(docker images --quiet dokku/moved | head -n 1)" >/dev/null'
}

teardown_file() { host_down; }

containers_left() { [[ $(in_world docker ps --quiet | wc -l) -eq $1 ]]; }

# the_watch - requires that exactly one watch runs, and that it is the one of this version.
the_watch() {
	[[ $(in_world pgrep --count --full 'watch/subcommands/default') -eq 1 ]] &&
		! in_world pgrep --full 'subcommands/heal --watch'
}

@test "make install over an older dokku, under load: no request is lost, and no container is touched" {
	local before
	# Those of older releases are drained first.
	within 90 containers_left 3
	before=$(in_world docker ps --quiet --no-trunc)
	load_begin over moved
	in_world sh -c 'cd /root/dokku && git checkout --quiet "$(cat /root/this)"'
	run host_install
	[[ $status -eq 0 ]]
	sleep 3
	# Its nginx config is new, so nginx is reloaded.
	load_end over || only_resets over
	[[ $(in_world docker ps --quiet --no-trunc) == "$before" ]]
	assert_serves moved v2
}

# guessable - prints the names of images that Dockerfiles of other apps could guess.
guessable() {
	in_world docker image ls --format '{{.Repository}}:{{.Tag}}' 'dokku/*' |
		grep -E ':(latest|v[0-9]+)$'
}
none_guessable() { ! guessable; }

@test "images have names after it that no other app can guess, and an older release is still gone back to" {
	await 30 none_guessable
	[[ $(in_world docker image ls --quiet 'dokku/moved' | wc -l) -ge 2 ]]
	run dokku_run releases:rollback moved v1
	[[ $status -eq 0 ]]
	assert_serves moved v1
	dokku_run releases:rollback moved v4
	assert_serves moved v2
	dokku_run ps:start stopped
	assert_serves stopped v1
	dokku_run ps:stop stopped
}

@test "a container whose MAC address does not tell its IP address is reached after it, and only by its own" {
	[[ $(in_world curl --silent --max-time 5 --output /dev/null --write-out '%{http_code}' \
		http://10.86.128.200:5000/) == 200 ]]
	in_world nft list set bridge dokku older | grep --quiet 'ee:11:22:33:44:55 . 10.86.128.200'
	in_world nft delete element bridge dokku older '{ ee:11:22:33:44:55 . 10.86.128.200 }'
	run in_world sh -c \
		'ip neigh flush dev dokku0; curl --silent --max-time 3 http://10.86.128.200:5000/'
	[[ $status -ne 0 ]]
}

@test "after it the watch of this version runs alone, and finds nothing to repair" {
	await 20 the_watch || {
		in_world pgrep --list-full --full 'watch/subcommands|heal --watch'
		false
	}
	run dokku_run watch:heal
	[[ $status -eq 0 && -z $output ]]
	run dokku_run services:heal
	[[ $status -ne 0 ]]
}

@test "plugins that are no more are not linked, and each of this version is enabled" {
	run in_world bash -c \
		'cd /var/lib/dokku/plugins && find . -xtype l; cd enabled &&
			for p in /usr/local/lib/dokku/plugins/*/; do [ -e "$(basename "$p")" ] ||
			echo "$p"; done'
	[[ $status -eq 0 && -z $output ]]
	in_world test ! -e /var/lib/dokku/plugins/enabled/services
	in_world sudo -u dokku sudo -n -l /usr/local/lib/dokku/plugins/service-addresses/root/table
}

@test "the state of the older one counts: releases, config, scale, what is stopped, the address" {
	[[ $(dokku_run config:get moved COLOUR) == blue ]]
	[[ $(in_world grep -c '^web' \
		"/var/lib/dokku/data/releases/moved/$(in_world cat \
			/var/lib/dokku/data/releases/moved/current)/containers") -eq 2 ]]
	[[ $(dokku_run ps:report stopped --running) == false ]]
	load_begin next moved
	commit_and_push moved v3
	assert_serves moved v3
	dokku_run releases:rollback moved >/dev/null
	load_end next
	assert_serves moved v2
	dokku_run ps:start stopped
	assert_serves stopped v1
	dokku_run ps:restart moved
	run in_world ls /var/lib/dokku/data/services/moved
	[[ $output == *web.1* ]]
}

@test "nothing of an older version is left over when its app is destroyed" {
	in_world docker rm --force odd >/dev/null
	dokku_run apps:destroy --force stopped
	dokku_run apps:destroy --force moved
	run in_world bash -c \
		'docker ps --all --quiet; ls /var/lib/dokku/data/services /etc/nginx/dokku |
			grep -e moved -e stopped'
	[[ -z $output ]]
}
