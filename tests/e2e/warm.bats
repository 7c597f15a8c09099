#!/usr/bin/env bats
# Warm rollback: the containers of the last release are frozen, a rollback thaws them, nothing is
# lost meanwhile, and nothing stays frozen for ever.
# shellcheck disable=SC2154 # helper.bash and e2e_setup set address, keys, top, world
# shellcheck disable=SC2016 # for the shell in the world

load helper

setup_file() {
	e2e_setup
	commit_and_push warm first
	dokku_run releases:set warm warm 10m
	dokku_run checks:set warm wait-to-retire 5
	commit_and_push warm a
	commit_and_push warm b
}

teardown_file() { dokku_run apps:destroy --force warm || true; }

# states APP - prints the states of its containers, sorted.
states() {
	in_world docker ps --all --filter "label=com.dokku.app-name=$1" --format '{{.State}}' |
		sort | paste -sd ' '
}

are() { [[ $(states warm) == "$1" ]]; }

# ids - prints the ids of the containers of warm, sorted.
ids() {
	in_world docker ps --all --quiet --no-trunc --filter label=com.dokku.app-name=warm | sort
}

@test "the last release is frozen, and a rollback thaws it: same containers, 0 lost; its time is told" {
	await 20 are "paused running"
	run dokku_run releases:report warm --releases-warm-release
	[[ $output =~ ^v[0-9]+\ until\ [0-9:]{8},\ [0-9]+\ MB\ of\ memory$ &&
		$output != *' 0 MB'* ]]
	local before i from ms release
	before=$(ids)
	load_begin back warm --mode get=10@20 --mode post=8@20
	for i in 1 2 3 4; do
		release=a
		((i % 2)) || release=b
		from=${EPOCHREALTIME/./}
		in_world dokku releases:rollback warm
		ms=$(((${EPOCHREALTIME/./} - from) / 1000))
		printf '# rollback %s: %s ms\n' "$i" "$ms" >&3
		assert_serves warm "$release"
		await 20 are "paused running"
		[[ $(ids) == "$before" ]]
	done
	load_end back
	[[ $(in_world cat /home/dokku/warm/CONTAINER.web.1) == "$(in_world docker ps --no-trunc --quiet --filter name=^warm.web.1\$)" ]]
}

@test "a release that does not pass its checks is not thawed into life, and kill -9 leaves nothing" {
	await 20 are "paused running"
	local now
	now=$(released warm)
	printf '/ no such text\n' >"$BATS_TEST_TMPDIR/CHECKS"
	in_world sh -c 'printf "WAIT=1\nATTEMPTS=2\n/ no such text\n" >/home/dokku/warm/CHECKS; chown dokku: /home/dokku/warm/CHECKS'
	run dokku_run releases:rollback warm
	[[ $status -ne 0 ]]
	assert_serves warm "$now"
	await 20 are running
	in_world rm /home/dokku/warm/CHECKS
	commit_and_push warm c
	await 20 are "paused running"
	# Kill the rollback once it has thawed.
	in_world bash -c 'dokku releases:rollback warm >/dev/null 2>&1 & for _ in {1..2000}; do
		[[ -z $(compgen -G "/var/lib/dokku/data/releases/warm/*/proven.web.1") ]] || break; sleep 0.002; done
		pkill -KILL -f "dokku deploy warm" ; wait' || true
	await 20 in_world flock --nonblock /var/lib/dokku/lock/warm true
	await 20 is_settled
	[[ $(released warm) == c || $(released warm) == "$now" ]]
}

is_settled() { are running || are "paused running"; }

@test "its time: the watch stops it; ps:stop, ps:start and the setting 0s leave none frozen" {
	commit_and_push warm d
	await 20 are "paused running"
	in_world sh -c 'for f in /var/lib/dokku/data/draining/warm/.warm.*; do
		read -r _ rest <"$f"; printf "1 %s\n" "$rest" >"$f"; done'
	await 25 are running
	[[ -z $(in_world sh -c 'ls -A /var/lib/dokku/data/draining/warm | grep warm') ]]
	assert_serves warm d
	commit_and_push warm e
	await 20 are "paused running"
	dokku_run ps:stop warm
	dokku_run ps:start warm
	await 20 are running
	assert_serves warm e
	dokku_run releases:set warm warm
	commit_and_push warm f
	await 20 are running
	assert_clean warm
}
