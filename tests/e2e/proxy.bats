#!/usr/bin/env bats
# A second proxy, added as a folder: a relay on port 8080 (tests/proxies). What dokku promises holds
# with it: deploys, checks, rollbacks, deaths in the midst of a deploy; and an app changes between
# it and nginx.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # shells in the world; each test is a subshell; the helper sets top and address

load helper

proxy_port=8080

setup_file() {
	e2e_setup
	build_strike
	in_world dokku plugin:install --name relay /src/tests/proxies/relay
	make_app relayed 0 5
	dokku_run proxy:set relayed relay
	commit_and_push relayed v0
}

# preview FROM TO - moves the hook preview-deploy, without which the relay finds no new release.
preview() {
	in_world bash -c \
		'cd /var/lib/dokku/plugins/enabled/service-addresses && [[ ! -e $0 ]] ||
			mv "$0" "$1"' "$1" "$2"
}

teardown_file() {
	preview /tmp/preview-deploy preview-deploy
	dokku_run apps:destroy --force relayed || true
	dokku_run apps:destroy --force listened || true
	in_world pkill --full 'relay/root/rela[y]' || true
	in_world dokku plugin:uninstall relay || true
}

under_load() { load_begin load relayed --mode get=1 --mode close=1 --mode post=1 --rate 3; }

# settled RELEASE - requires that only RELEASE exists and serves, nothing is left over, and no
# request was lost.
settled() {
	assert_clean relayed
	assert_serves relayed "$1"
	load_end load
}

@test "a push goes live, verified through the relay; nginx has nothing of it" {
	assert_serves relayed v0
	[[ $(fetch relayed / --head) != *X-Dokku-Unavailable* ]]
	in_world test ! -e /etc/nginx/dokku/relayed.conf
	[[ $(proxy_port=80 fetch relayed / --output /dev/null --write-out '%{http_code}') != 200 ]]
	[[ $(dokku_run proxy:report relayed --proxy-computed-type) == relay ]]
	assert_clean relayed
}

@test "a good push under load loses nothing" {
	under_load
	commit relayed v1
	run push relayed
	[[ $status -eq 0 && $output == *'-----> Switched to v'* ]]
	settled v1
}

@test "a push that breaks a check is refused; the old version serves" {
	under_load
	commit relayed v2 --break
	printf 'WAIT=1\nATTEMPTS=2\n/ My Amazing App\n' >"$(repo relayed)/CHECKS"
	commit relayed v2 --break
	run push relayed
	[[ $status -ne 0 &&
		$output == *'FAIL /: 200, but "My Amazing App" is not in its'*'still serves'* ]]
	settled v1
}

@test "where the relay does not find the release, the push is refused, and names the relay" {
	under_load
	commit relayed v3
	preview preview-deploy /tmp/preview-deploy
	run push relayed
	preview /tmp/preview-deploy preview-deploy
	[[ $status -ne 0 &&
		$output == *'passes its checks directly, but not through relay over http'* ]]
	settled v1
}

@test "a change of config, a rollback, a domain, and ps:stop go the same way" {
	under_load
	dokku_run config:set relayed MARK=one
	[[ $(fetch relayed /env/MARK) == one ]]
	push relayed
	assert_serves relayed v3
	dokku_run releases:rollback relayed
	[[ $(fetch relayed /env/MARK) == one ]]
	dokku_run domains:add relayed other.localhost
	[[ $(released other) == v1 ]]
	settled v1
	dokku_run ps:stop relayed
	[[ $(fetch relayed / --head) == 'HTTP/1.1 503 '*X-Dokku-Unavailable* ]]
	dokku_run ps:start relayed
	assert_serves relayed v1
}

@test "killed when the relay gets its config, then reconcile" {
	under_load
	commit relayed v4
	push_struck relayed kill relay/proxy-build-config
	assert_serves relayed v1
	dokku_run reconcile relayed
	settled v1
}

@test "killed between switch and commit, then nothing but the watch" {
	under_load
	commit relayed v5
	push_struck relayed kill verify-switch
	settled v1
}

@test "killed right after the commit, then reconcile" {
	under_load
	commit relayed v6
	push_struck relayed after 'write-file /var/lib/dokku/data/releases/relayed/current'
	dokku_run reconcile relayed
	settled v6
}

@test "an app that runs goes over to nginx and back; the one that it leaves forgets it" {
	dokku_run proxy:set relayed nginx
	[[ $(proxy_port=80 released relayed) == v6 ]]
	[[ $(fetch relayed / --output /dev/null --write-out '%{http_code}') == 503 ]]
	in_world test ! -e /var/lib/dokku/data/relay/relayed
	dokku_run proxy:set relayed relay
	assert_serves relayed v6
	in_world test ! -e /etc/nginx/dokku/relayed.conf
}

@test "an app without a release: its static-web-listener has the visitors" {
	local listener serves
	serves=$(released relayed)
	listener=$(in_world sh -c 'cd /var/lib/dokku/data/releases/relayed &&
		awk "/^web/ { print \$4 \":\" \$5; exit }" "$(cat current)/containers"')
	make_app listened
	dokku_run proxy:set listened relay
	dokku_run network:set listened static-web-listener "$listener"
	[[ $(released listened) == "$serves" ]]
	# As a first deploy that was refused leaves it.
	in_world install -d -o dokku -g dokku /var/lib/dokku/data/releases/listened
	dokku_run reconcile listened
	[[ $(released listened) == "$serves" ]]
	dokku_run network:set listened static-web-listener
	[[ $(fetch listened / --output /dev/null --write-out '%{http_code}') == 503 ]]
	dokku_run apps:destroy --force listened
}

@test "apps:destroy leaves nothing" {
	dokku_run apps:destroy --force relayed
	run in_world bash -c \
		'shopt -s nullglob
			printf "%s\n" /var/lib/dokku/data/*/relayed /etc/nginx/dokku/relayed*'
	[[ -z $output ]]
}
