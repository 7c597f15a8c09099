#!/usr/bin/env bats
# nginx keeps connections to an app between two switches. No request is lost, none that was sent
# after a deploy is answered by the release before it, and nothing is asked twice that must not be.
# shellcheck disable=SC2154 # helper.bash and e2e_setup set address, keys, top, world
# shellcheck disable=SC2016 # for the shell in the world

load helper

setup_file() {
	e2e_setup
	commit_and_push kept a --env CLOSE=last
	commit_and_push kept b --env CLOSE=last
	dokku_run checks:set kept wait-to-retire 600
	commit_and_push closer a --env CLOSE_AFTER=3
	commit_and_push closer b --env CLOSE_AFTER=3
}

teardown_file() {
	dokku_run apps:destroy --force kept || true
	dokku_run apps:destroy --force closer || true
}

# deploy APP RELEASE - deploys RELEASE by a rollback. Tells the load clients before and after.
deploy() {
	printf '%s +%s\n' "$(date +%s%3N)" "$2" >>"$BATS_FILE_TMPDIR/marks"
	over_ssh releases:rollback "$1"
	printf '%s %s\n' "$(date +%s%3N)" "$2" >>"$BATS_FILE_TMPDIR/marks"
}

# pool APP - prints the pool that nginx may use now.
pool() { in_world sh -c 'cd /run/dokku-kept && ls | sed -n "s/^$(cat "/var/lib/dokku/data/services/$0/web.1")\.\([12]\)$/\1/p"' "$1"; }

has_pool() { [[ -n $(pool "$1") ]]; }

# connections APP - prints how many connections nginx has to the ports of the app's pools.
connections() {
	in_world sh -c 'ss -Htn state established dst "$(cat "/var/lib/dokku/data/services/$0/web.1")" |
		grep -cE ":8[2-5] *$" || true' "$1"
}

@test "GETs share connections, others do not; a second later there are none" {
	local before after
	await 20 has_pool kept
	before=$(opened kept)
	for _ in {1..20}; do fetch kept >/dev/null; done
	after=$(opened kept)
	[[ $((after - before)) -le 4 && $(connections kept) -gt 0 ]]
	for _ in {1..5}; do fetch kept /echo --data x >/dev/null; done
	[[ $(($(opened kept) - after)) -ge 5 ]]
	within 5 eval '[[ $(connections kept) -eq 0 ]]'
}

# opened APP - prints how many connections its container has accepted.
opened() {
	in_world sh -c 'container=$(cat "/home/dokku/$0/CONTAINER.web.1")
		nsenter --net --target "$(docker inspect --format "{{.State.Pid}}" "$container")" \
		awk "/^Tcp: [0-9]/ { print \$7 }" /proc/net/snmp' "$1"
}

@test "deploys in a row: each request after one is answered by it, also by POST and over websockets" {
	: >"$BATS_FILE_TMPDIR/marks"
	load_begin busy kept --mode get=20@20 --mode post=8@10 --mode ws=4 \
		--marks "$BATS_FILE_TMPDIR/marks"
	local release
	for release in a b a b; do
		deploy kept "$release"
	done
	sleep 2
	load_end busy
	await 20 has_pool kept
}

@test "an app that closes kept connections without a word loses nothing, POSTs neither" {
	: >"$BATS_FILE_TMPDIR/marks"
	load_begin closing closer --mode get=20@20 --mode post=8@20 \
		--marks "$BATS_FILE_TMPDIR/marks"
	deploy closer a
	sleep 3
	deploy closer b
	sleep 3
	load_end closing
}

@test "a request that outlives two deploys keeps its pool from being used again; the watch allows one later" {
	local slow first second
	await 20 has_pool kept
	first=$(pool kept)
	fetch kept '/stream?ms=45000&n=45000' --max-time 60 --output "$BATS_FILE_TMPDIR/slow" \
		3>&- &
	slow=$!
	sleep 1
	: >"$BATS_FILE_TMPDIR/marks"
	load_begin beside kept --mode get=10@20 --marks "$BATS_FILE_TMPDIR/marks"
	deploy kept a
	second=$(pool kept)
	[[ $second != "$first" ]]
	deploy kept b
	[[ $(pool kept) != "$first" ]]
	load_end beside
	wait "$slow"
	[[ $(wc -c <"$BATS_FILE_TMPDIR/slow") -eq 45000 ]]
	await 20 has_pool kept
}

@test "off: no request is asked by a kept connection; stopped: 503 at once" {
	dokku_run nginx:set kept proxy-keepalive off
	for _ in {1..10}; do fetch kept >/dev/null; done
	[[ $(connections kept) -eq 0 ]]
	dokku_run nginx:set kept proxy-keepalive
	for _ in {1..10}; do fetch kept >/dev/null; done
	[[ $(connections kept) -gt 0 ]]
	dokku_run ps:stop kept
	[[ $(fetch kept / --output /dev/null --write-out '%{http_code}') == 503 ]]
	[[ -z $(pool kept) ]]
	dokku_run ps:start kept
	await 20 has_pool kept
}
