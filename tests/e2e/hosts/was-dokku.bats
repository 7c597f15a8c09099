#!/usr/bin/env bats
# A host on which the original Dokku was, whose package was removed: make install sets aside what it
# has left, and import-server --here takes over its apps. No request is lost on the way.

# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # shells in the world; bats; the helpers set them

load helper

setup_file() {
	host_up
	commit shop v2
	git clone --quiet --bare "$(repo shop)" "$BATS_FILE_TMPDIR/shop.git"
	tar --create --directory "$BATS_FILE_TMPDIR" shop.git |
		"$top/tests/world" run "$world" -- tar -x -C /srv
	tar --create --directory "$(repo shop)" . |
		"$top/tests/world" run "$world" -- sh -c 'mkdir /srv/old && tar -x -C /srv/old'
	in_world sed -i s/v2/v1/ /srv/old/Dockerfile
	"$top/tests/world" run "$world" -- bash -s <"$BATS_TEST_DIRNAME/was-dokku"
}

teardown_file() { host_down; }

# under_load NAME COMMAND… - runs COMMAND while clients ask the app. Fails if a request does.
under_load() {
	local status=0
	load_begin "$1" shop
	"${@:2}" || status=$?
	sleep 2
	load_end "$1" || only_resets "$1" || status=$?
	return "$status"
}

@test "was-dokku: make install sets all aside, and the app goes on serving" {
	[[ $(released shop) == v1 ]]
	run under_load install host_install
	printf '%s\n' "$output"
	[[ $status -eq 0 ]]
	[[ $output == *'Setting aside what the original Dokku has left: 1 apps'* ]]
	[[ $(released shop) == v1 ]]
	# The watch looks every ten seconds.
	sleep 12
	[[ $(in_world docker ps --format '{{.Names}}') == before.shop.web.1 ]]
	[[ $(in_world nginx -t 2>&1) == *successful* ]]
}

@test "was-dokku: import-server --here --deploy moves the visitors to ours" {
	run dokku_run import-server --dry-run --here
	[[ $output == *'dokku apps:create shop'* ]]
	WORLD_TIMEOUT=400 run under_load import dokku_run import-server --deploy --here
	printf '%s\n' "$output"
	[[ $status -eq 0 ]]
	[[ $(released shop) == v2 ]]
	[[ $(in_world docker ps --format '{{.Names}}') == shop.web.1 ]]
	[[ $(dokku_run config:get shop GREETING) == "it's me" ]]
	[[ $(in_world cat /var/lib/dokku/data/storage/shop/file) == rows ]]
	[[ $(in_world nginx -t 2>&1) != *conflicting* ]]
}
