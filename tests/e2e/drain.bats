#!/usr/bin/env bats
# What is under way when a container is replaced, and what a restart of the engine, of a
# container or of the host may not mix up.
# shellcheck disable=SC2030,SC2031 # bats runs each test in a subshell
# shellcheck disable=SC2016 # for the shell in the world

load helper

APPS=(drain1 drain2 drain3 drain4 drain5)

setup_file() {
	e2e_setup
	local app
	for app in "${APPS[@]}"; do
		commit_and_push "$app" v1
	done
	dokku_run checks:set drain1 wait-to-retire 4
}

teardown_file() {
	local app
	for app in "${APPS[@]}"; do
		dokku_run apps:destroy --force "$app" || true
	done
}

drain_log() { in_world tail -n "${2:-1}" "/var/lib/dokku/data/draining/$1/log"; }

count_of() {
	jq "[.targets[].modes[] | select(.mode == \"$2\") | .connections.$3] | add" \
		"$BATS_FILE_TMPDIR/$1.json"
}

@test "a download and an upload that span a deploy are finished by the container that began them" {
	load_begin slow drain1 --mode upload=3 --mode download=3 --upload-ms 2500 \
		--download-ms 2500 --download-bytes 100000
	dokku_run ps:restart drain1
	sleep 0.5
	load_end slow
	[[ $(jq '.failed' "$BATS_FILE_TMPDIR/slow.json") -eq 0 ]]
	await 10 has_no_leftovers drain1
	[[ $(drain_log drain1) == *' drained all' ]]
}

@test "a websocket lives until the deadline; ps:report shows the container; its cut is counted" {
	load_begin ws drain1 --mode ws=2
	dokku_run ps:restart drain1
	[[ $(dokku_run ps:report drain1) == *'Draining web 1 v'*': '*running* ]]
	sleep 1
	kill -0 "$(<"$BATS_FILE_TMPDIR/ws.pid")"
	await 15 has_no_leftovers drain1
	# Time for the clients to come back: each of the two opens a second connection.
	sleep 2
	load_end ws || true
	[[ $(drain_log drain1) == *' drained 2 cut' ]]
	[[ $(count_of ws ws opened) -eq 4 ]]
	[[ $(dokku_run ps:report drain1) != *Draining* ]]
}

@test "the receipt tells the steps, checks, addresses, who, and how many were cut" {
	local receipt
	receipt=$(dokku_run releases:info drain1 --format json)
	jq \
		--exit-status \
		'."connections-cut" == "2" and ."containers-drained" == "0" and
			."answered-5xx" == "0" and ."connections-late" == "0"
		and (."step-start-ms" | tonumber) > 0 and (."step-switch-ms" | tonumber) > 0
		and (.checks | split(";") | length) == 3 and .description == "ps:restart" and
		.user == "dokku"
		and (."service-addresses" | test("^10[.].*:80")) and
		(.containers | test("^web[.]1=10[.].*:5000$"))' <<<"$receipt"
	receipt=$(dokku_run releases:info drain2 --format json)
	jq --exit-status '.user == "e2e" or .user == "dokku"' <<<"$receipt"
	[[ $(jq --raw-output .commit <<<"$receipt") =~ ^[0-9a-f]{40}$ ]]
}

@test "five apps deployed at once, under load, lose nothing" {
	local app pids=()
	for app in "${APPS[@]}"; do
		load_begin "many-$app" "$app" --mode get=2 --mode post=2 --mode close=1
	done
	for app in "${APPS[@]}"; do
		dokku_run ps:restart "$app" 3>&- &
		pids+=("$!")
	done
	for app in "${pids[@]}"; do
		wait "$app"
	done
	for app in "${APPS[@]}"; do
		load_end "many-$app"
	done
}

@test "HTTP/2 clients see no deploy: each of their streams is answered 200" {
	local clients
	dokku_run certs:generate drain1
	await 10 curl --silent --insecure --fail --max-time 5 \
		--resolve "drain1.localhost:443:$address" https://drain1.localhost/ \
		--output /dev/null
	# Fewer than the thousand requests after which nginx itself ends a connection.
	h2load --connect-to "$address:443" --clients 6 --max-concurrent-streams 4 --rps 20 \
		--duration 45 https://drain1.localhost/ \
		>"$BATS_TEST_TMPDIR/h2" 2>&1 3>&- &
	clients=$!
	sleep 1
	dokku_run ps:restart drain1
	commit_and_push drain1 v2
	dokku_run releases:rollback drain1
	kill -0 "$clients"
	wait "$clients"
	cat "$BATS_TEST_TMPDIR/h2"
	awk '/^requests:/ { asked = $8; lost = $10 + $12 + $14 } /^status codes:/ { good = $3 }
		END { exit !(asked > 1000 && lost == 0 && good == asked) }' "$BATS_TEST_TMPDIR/h2"
	grep -q '^Application protocol: h2$' "$BATS_TEST_TMPDIR/h2"
	dokku_run certs:remove drain1
}

@test "a container that crashes is started again by its restart policy, and answers as its app" {
	fetch drain2 '/exit?code=3' || true
	await 15 assert_serves drain2 v1
	[[ $(dokku_run ps:report drain2 --running) == true ]]
	await 10 has_no_leftovers drain2
}

# restart_engine - kills the engine by SIGKILL and starts it again. With live-restore the containers
# keep running.
restart_engine() {
	in_world bash -c \
		'pid=$(pgrep -x dockerd) && kill -9 $pid && while kill -0 $pid 2>/dev/null
			do sleep 0.05; done
		rm -f /var/run/docker.pid
		setsid --fork dockerd </dev/null >>/var/log/dockerd.log 2>&1
		for i in {1..300}; do docker version >/dev/null 2>&1 && exit; sleep 0.1; done
		exit 1'
}

# show_way - prints what decides where the requests of the apps go.
show_way() {
	in_world sh -c 'date; docker ps --all; nft list table ip dokku; nft list table bridge dokku
		ip neigh; ss --tcp --numeric --all --processes; tail -n 5 /var/log/nginx/*error.log
		tail -n 20 /var/log/dokku-heal.log; dmesg | tail -n 5' || true
}

# each_answers_itself - 503 at worst, but never another app's page.
each_answers_itself() {
	local app answer
	for app in "${APPS[@]}"; do
		answer=$(fetch "$app" / --include --max-time 5 \
			--write-out '\n%{errormsg}, port %{local_port}' | tr -d '\r')
		[[ $answer == *$'\n'"X-App: $app"$'\n'* || $answer == 'HTTP/1.1 503 '* ]] || {
			printf '%s answered:\n%s\n' "$app" "$answer" >&2
			show_way >&2
			return 1
		}
	done
}

all_serve() {
	local app
	for app in "${APPS[@]}"; do
		[[ $(released "$app") == v1 ]] || return
	done
}

@test "dockerd is killed and started again under load: nothing is lost, and a deploy goes on" {
	load_begin engine drain3
	restart_engine
	load_end engine
	dokku_run ps:restart drain3
	assert_serves drain3 v1
}

@test "start order permuted after all containers stopped: every body names its own app, or 503" {
	local round order app
	for round in 1 2 3; do
		in_world bash -c \
			'docker stop --time 0 \
				$(docker ps \
				--quiet --filter label=com.dokku.container-type=deploy) >/dev/null
				nft flush map ip dokku services'
		each_answers_itself
		mapfile -t order < <(printf '%s\n' "${APPS[@]}" | shuf)
		[[ $round -ne 2 ]] || restart_engine
		for app in "${order[@]}"; do
			in_world dokku ps:restore "$app"
		done
		each_answers_itself
		await 20 all_serve
	done
}
