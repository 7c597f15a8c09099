#!/usr/bin/env bats
# Warm containers of scheduler-docker-local: which are frozen, which stay so, and which a rollback
# thaws, with an engine that is a fake.

load ../helper

setup() {
	world
	made_plugins scheduler-docker-local
	make_app web
	local n
	for n in 1 2 3; do
		make_release web "$n"
		printf '{"Env":["A=1"],"Image":"i%s","Labels":{"com.dokku.release":"%s"}}\n' "$n" "$n" \
			>"$DOKKU_LIB_ROOT/data/releases/web/$n/spec.web.1"
	done
	make_current web 3
	HOOKS="$PLUGIN_CORE_AVAILABLE_PATH/scheduler-docker-local"
	DRAINING="$DOKKU_LIB_ROOT/data/draining/web"
	export LISTED="$BATS_TEST_TMPDIR/listed" DOKKU_MEMINFO="$BATS_TEST_TMPDIR/meminfo"
	printf 'MemTotal: 1000 kB\nMemAvailable: 500 kB\n' >"$DOKKU_MEMINFO"
	mkdir -p "$DRAINING" "$DOKKU_LIB_ROOT/config/releases/web"
	printf '10m\n' >"$DOKKU_LIB_ROOT/config/releases/web/warm"
	BOOT=$(</proc/sys/kernel/random/boot_id)
	# It lists LISTED, freezes and thaws, unless ENGINE_REFUSES.
	fake_engine <<-'BODY'
		url=$2
		[[ -z $body ]] || body=$(cat)
		id=${url#/containers/} id=${id%%[/?]*}
		# shellcheck disable=SC2053 # a pattern
		[[ $url != ${ENGINE_REFUSES-} ]] || { printf '{"message":"no"}'; exit 22; }
		case $url in
		/containers/json*type%3Ddeploy*)
			jq -cRs 'split("\n") | map(select(. != "") | split(" ") | { Id: .[0], Names: [.[8]], State: .[4], Labels: { "com.dokku.app-name": "web",
				"com.dokku.container-type": "deploy", "com.dokku.release": .[1], "com.dokku.process-type": .[2], "com.dokku.index": .[3] } })' "$LISTED" ;;
		*/pause) sed -i "/^$id /s/ running / paused /" "$LISTED" ;;
		*/unpause) sed -i "/^$id /s/ paused / running /" "$LISTED" ;;
		*/json)
			for url in "${@:2}"; do
				id=${url%/json}
				line=$(grep "^${id##*/} " "$LISTED") || exit 22
				jq -n '$ARGS.positional as [$id, $release, $process, $index, $state, $ip, $port, $pid, $name] | { Id: $id, Name: $name,
					State: { Status: $state, Pid: ($pid | tonumber) }, Config: { Labels: { "com.dokku.release": $release,
						"com.dokku.process-type": $process, "com.dokku.index": $index, "com.dokku.port": $port } },
					NetworkSettings: { Networks: { dokku: { IPAMConfig: { IPv4Address: $ip } } } } }' --args $line
			done ;;
		esac
		[[ $1 != DELETE ]] || sed -i "/^$id /d" "$LISTED"
	BODY
	list "c3 3 web 1 running" "c2 2 web 1 running"
}

# list "ID RELEASE PROCESS INDEX STATE"… - these are the containers of web.
list() {
	local words
	: >"$LISTED"
	for words; do
		read -r -a words <<<"$words"
		printf '%s 10.86.128.%s 5000 0 /web.%s.%s%s\n' "${words[*]}" "${words[1]}" "${words[2]}" \
			"${words[3]}" "$([[ ${words[1]} -eq 3 ]] || printf .v%s "${words[1]}")" >>"$LISTED"
	done
}

state_of() { sed -n "s/^$1 [0-9]* [a-z]* [0-9]* \([a-z]*\) .*/\1/p" "$LISTED"; }

# retired - runs scheduler-retire for release 3 and waits until all is done.
retired() {
	got "$HOOKS/scheduler-retire" docker-local web 3
	assert_status 0
	local i
	for ((i = 0; i < 200; i++)); do
		[[ -e $DRAINING/.retire || -n $(compgen -G "$DRAINING/c*") ]] || return 0
		sleep 0.05
	done
	return 1
}

# frozen ID [SECONDS [RELEASE [BOOT]]] - it is to be frozen for SECONDS.
frozen() {
	local until
	uptime until "${2:-100}"
	printf '%s\n' "$until ${3:-2} ${4:-$BOOT}" >"$DRAINING/.warm.$1"
}

@test "a drained web container of the release before is frozen, for as long as the setting says" {
	retired
	assert_equal paused "$(state_of c2)"
	assert_equal running "$(state_of c3)"
	local until of boot now
	read -r until of boot <"$DRAINING/.warm.c2"
	assert_equal "2 $BOOT" "$of $boot"
	uptime now
	[[ $until -gt $((now + 550)) && $until -le $((now + 600)) ]]
	grep -q 'c2 drained all, and frozen' "$DRAINING/log"
	# It stays so, and an older release goes.
	printf 'c1 1 web 1 paused 10.86.128.1 5000 0 /web.web.1.v1\n' >>"$LISTED"
	frozen c1 100 1
	retired
	assert_equal "paused " "$(state_of c2) $(state_of c1)"
	assert_absent "$DRAINING/.warm.c1"
}

@test "stopped instead: without the setting, short memory, other types, without a description, a rename" {
	local n
	goes() {
		list "c3 3 web 1 running" "c2 2 ${1:-web} 1 running"
		rm -f "$DRAINING"/.warm.*
		retired
		assert_equal "" "$(state_of c2)"
		assert_absent "$DRAINING/.warm.c2"
	}
	goes worker
	printf 'MemTotal: 1000 kB\nMemAvailable: 99 kB\n' >"$DOKKU_MEMINFO"
	goes
	printf 'MemTotal: 1000 kB\nMemAvailable: 500 kB\n' >"$DOKKU_MEMINFO"
	mv "$DOKKU_LIB_ROOT/data/releases/web/2/spec.web.1" "$WORLD/spec"
	goes
	mv "$WORLD/spec" "$DOKKU_LIB_ROOT/data/releases/web/2/spec.web.1"
	# Other containers would still find it by the name of the app.
	printf 'switch x\n' >"$DOKKU_LIB_ROOT/data/releases/web/2/networks"
	goes
	rm "$DOKKU_LIB_ROOT/data/releases/web/2/networks"
	ENGINE_REFUSES='*/pause' goes
	rm "$DOKKU_LIB_ROOT/config/releases/web/warm"
	goes
}

@test "a frozen container goes: after its time, after a boot, and when somebody has started it" {
	local state
	list "c3 3 web 1 running" "c2 2 web 1 paused"
	frozen c2 -1
	retired
	assert_equal "" "$(state_of c2)"
	list "c3 3 web 1 running" "c2 2 web 1 paused"
	frozen c2 100 2 another-boot
	retired
	assert_equal "" "$(state_of c2)"
	for state in exited running; do
		list "c3 3 web 1 running" "c2 2 web 1 $state"
		rm "$DOKKU_LIB_ROOT/data/releases/web/2/spec.web.1" 2>/dev/null || true
		frozen c2
		retired
		assert_equal "" "$(state_of c2)"
		assert_absent "$DRAINING/.warm.c2"
	done
}

@test "the watch: what is over its time, frozen by nobody, or too much for the memory is reconciled" {
	printf '#!%s\nprintf "dokku %%s\\n" "$*" >>"$CALLS"\n' "$INTERPRETER" >"$BIN/dokku"
	chmod +x "$BIN/dokku"
	heal() {
		: >"$CALLS"
		DOKKU="$BIN/dokku" got "$HOOKS/heal-apps"
	}
	reconciles() { heal && grep -c '^dokku reconcile web$' "$CALLS" || true; }
	printf 'web 1 c3 10.86.128.3 5000\n' >"$DOKKU_LIB_ROOT/data/releases/web/3/containers"
	list "c3 3 web 1 running" "c2 2 web 1 paused"
	frozen c2
	assert_equal 0 "$(reconciles)"
	frozen c2 -1
	assert_equal 1 "$(reconciles)"
	rm "$DRAINING/.warm.c2"
	assert_equal 1 "$(reconciles)"
	frozen c2
	printf 'MemTotal: 1000 kB\nMemAvailable: 99 kB\n' >"$DOKKU_MEMINFO"
	assert_equal 1 "$(reconciles)"
	assert_absent "$DRAINING/.warm.c2"
}

@test "warm: the time of day may be set; a record of an older dokku has that time" {
	local n of until
	list "c3 3 web 1 running" "c2 2 web 1 paused"
	frozen c2 1000
	for n in 7200 -7200; do
		clock_set "$n"
		retired
		assert_equal paused "$(state_of c2)"
		# Users are told the time of day.
		got "$HOOKS/scheduler-warm" docker-local web
		read -r of until _ <<<"$output"
		assert_equal 2 "$of"
		[[ $((until - EPOCHSECONDS - n)) -gt 800 && $((until - EPOCHSECONDS - n)) -le 1000 ]]
		unset BASH_ENV
	done
	printf '%s 2 %s\n' $((EPOCHSECONDS + 100)) "$BOOT" >"$DRAINING/.warm.c2"
	retired
	assert_equal paused "$(state_of c2)"
	printf '%s 2 %s\n' $((EPOCHSECONDS - 1)) "$BOOT" >"$DRAINING/.warm.c2"
	retired
	assert_equal "" "$(state_of c2)"
}

# back - makes release 4, a rollback to 2, and starts it.
back() {
	make_release web 4
	printf '2\n' >"$DOKKU_LIB_ROOT/data/releases/web/4/thaw"
	: >"$CALLS"
	got "$HOOKS/scheduler-start" docker-local web 4
}

# described - makes release 2 one that was described as release 4 would be.
described() {
	code scheduler-docker-local/lib/create 'scheduler_spec web 2 web 1 10.86.128.2'
	printf '%s\n' "$output" >"$DOKKU_LIB_ROOT/data/releases/web/2/spec.web.1"
}

@test "a rollback thaws the container, which is the new release's from then on; nothing is created" {
	described
	list "c3 3 web 1 running" "c2 2 web 1 paused"
	frozen c2
	back
	assert_success ""
	assert_equal running "$(state_of c2)"
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/4/containers" "web 1 c2 10.86.128.2 5000"
	[[ -e $DOKKU_LIB_ROOT/data/releases/web/4/proven.web.1 ]]
	assert_absent "$DRAINING/.warm.c2"
	assert_equal 0 "$(grep -c create "$CALLS")"
	code scheduler-docker-local 'scheduler_list web'
	[[ $output == *'c2 4 web 1 running'* && $output == *'c3 3 web 1 running'* ]]
	code scheduler-docker-local 'scheduler_states web'
	[[ $output == *'web c2 4 web 1 running'* && $output == *'web c3 3 web 1 running'* ]]
	# It did not go live.
	got "$HOOKS/scheduler-remove" docker-local web 4
	assert_equal "" "$(state_of c2)"
}

@test "a rollback compares descriptions by their text, and by their members where that differs" {
	described
	fake jq <<<'exec /usr/bin/jq "$@"'
	compares() {
		list "c3 3 web 1 running" "c2 2 web 1 paused"
		frozen c2
		back
		assert_equal running "$(state_of c2)"
		rm -r "$DOKKU_LIB_ROOT/data/releases/web/4"
		grep -c 'jq --slurp map' "$CALLS" || true
	}
	assert_equal 0 "$(compares)"
	jq . "$DOKKU_LIB_ROOT/data/releases/web/2/spec.web.1" >"$WORLD/spec"
	mv "$WORLD/spec" "$DOKKU_LIB_ROOT/data/releases/web/2/spec.web.1"
	assert_equal 1 "$(compares)"
}

@test "not thawed: another config, options, time, one that is about to be frozen, or another release" {
	described
	creates() {
		list "c3 3 web 1 running" "c2 2 web 1 paused"
		back
		grep -q create "$CALLS"
		assert_equal paused "$(state_of c2)"
		assert_absent "$DOKKU_LIB_ROOT/data/releases/web/4/adopted"
	}
	frozen c2 -1
	creates
	frozen c2
	: >"$DRAINING/c2"
	creates
	rm "$DRAINING/c2"
	printf '60\n' >"$DOKKU_LIB_ROOT/config/releases/web/other"
	mkdir -p "$DOKKU_LIB_ROOT/config/ps/web"
	printf '77\n' >"$DOKKU_LIB_ROOT/config/ps/web/stop-timeout-seconds"
	creates
	rm "$DOKKU_LIB_ROOT/config/ps/web/stop-timeout-seconds"
	printf 'start x\n' >"$DOKKU_LIB_ROOT/data/releases/web/2/networks"
	creates
	rm "$DOKKU_LIB_ROOT/data/releases/web/2/networks"
	list "c3 3 web 1 running" "c2 2 web 1 paused"
	ENGINE_REFUSES='*/unpause' back
	assert_equal "" "$(state_of c2)"
}

@test "releases:set warm takes a time" {
	made_plugins releases
	dokku releases:set web warm 10m
	assert_status 0
	dokku releases:set web warm soon
	assert_status 1
}
