#!/usr/bin/env bats
# Ordinary traffic, with so few ports that each is used again within seconds. Nothing is lost,
# nothing comes from a release that was replaced, and many slow requests hold up nobody.
# tests/sustained is the long form.
# shellcheck disable=SC2154 # helper.bash and e2e_setup set address, keys, top, world
# shellcheck disable=SC2016 # for the shell in the world

load helper

setup_file() {
	e2e_setup
	local app
	for app in last reset neighbour; do
		commit_and_push "$app" a --env "CLOSE=${app/neighbour/first}"
	done
	commit_and_push last b --env CLOSE=last
	commit_and_push reset b --env CLOSE=reset
	dokku_run certs:generate last
	ports 40000 41999
}

teardown_file() {
	local app
	ports 32768 60999
	for app in last reset neighbour; do
		dokku_run apps:destroy --force "$app" || true
	done
}

# ports FROM TO - limits the local ports of the world to this range.
ports() { in_world sysctl --quiet --write "net.ipv4.ip_local_port_range=$1 $2"; }

# deploy APP RELEASE - deploys RELEASE by a rollback, and tells the load clients before and after
# it.
deploy() {
	printf '%s +%s\n' "$(date +%s%3N)" "$2" >>"$BATS_FILE_TMPDIR/marks"
	over_ssh releases:rollback "$1"
	printf '%s %s\n' "$(date +%s%3N)" "$2" >>"$BATS_FILE_TMPDIR/marks"
}

# busy APP [LOAD-OPTION…] - sends 400 requests a second while two releases are deployed in turn.
busy() {
	: >"$BATS_FILE_TMPDIR/marks"
	load_begin "busy-$1" "$1" --mode get=20@20 --marks "$BATS_FILE_TMPDIR/marks" "${@:2}"
	sleep 5
	deploy "$1" a
	sleep 4
	deploy "$1" b
	sleep 4
	load_end "busy-$1"
}

@test "an app that leaves closing to nginx loses nothing when ports run short, nor is it stale" {
	busy last --url https://last.localhost/ --connect "$address:443" --expect-app last \
		--mode get=10@10 --marks "$BATS_FILE_TMPDIR/marks"
}

@test "nor does one that resets its connections" {
	busy reset
}

# block_syns - lets the running container of the app last answer no new connections.
block_syns() {
	in_world bash -c 'container=$(cat /home/dokku/last/CONTAINER.web.1)
		nsenter --net --target "$(docker inspect --format "{{.State.Pid}}" "$container")" \
		nft -f - <<<"table ip t {
		chain c {
			type filter hook input priority 0
			tcp flags & (syn | ack) == syn drop
		}
		}"'
}

@test "a version that answers no SYN gets none after the next deploy" {
	local i
	load_begin websocket last --mode ws=1
	ports 40000 40299
	block_syns
	for ((i = 0; i < 150; i++)); do
		fetch last / --max-time 2 --output /dev/null 3>&- &
		sleep 0.01
	done
	sleep 3
	: >"$BATS_FILE_TMPDIR/marks"
	deploy last a
	load_begin after last --mode get=10@10 --timeout 4s --marks "$BATS_FILE_TMPDIR/marks"
	sleep 6
	load_end after
	ports 40000 41999
	load_end websocket
	await 90 has_no_leftovers last
}

@test "2,000 slow requests at once are all answered, and a neighbour does not notice" {
	local p99 slow
	ports 32768 60999
	"$top/build/tests/load/load" --url 'http://last.localhost/slow?ms=5000' \
		--connect "$address:80" \
		--mode get=2000 --expect-app last --requests 4000 \
		--json "$BATS_FILE_TMPDIR/slow.json" \
		>"$BATS_FILE_TMPDIR/slow.txt" 3>&- &
	slow=$!
	sleep 1
	load_begin fast neighbour --mode get=8@20
	sleep 6
	load_end fast
	wait "$slow" || { cat "$BATS_FILE_TMPDIR/slow.txt" && return 1; }
	jq --exit-status '.failed == 0 and .requests >= 4000' "$BATS_FILE_TMPDIR/slow.json"
	p99=$(jq '.targets[0].modes[0].latency_us.p99' "$BATS_FILE_TMPDIR/fast.json")
	[[ $p99 -lt 1000000 ]]
}
