#!/usr/bin/env bats
# How a run begins and ends, what it reports, and which releases may answer.

load helper

# load_background ARG...: until told to end; sets pid.
load_background() {
	"$build/load/san/load" --url "http://127.0.0.1:$port/" --json "$BATS_TEST_TMPDIR/report" \
		--upload-ms 1000 "$@" >"$BATS_TEST_TMPDIR/output" 2>&1 3>&- &
	pid=$!
	servers+=("$pid")
}

# load_wait: sets status, output and report.
load_wait() {
	status=0
	wait "$pid" || status=$?
	output=$(<"$BATS_TEST_TMPDIR/output")
	report=$(<"$BATS_TEST_TMPDIR/report")
}

now_ms() {
	date +%s%3N
}

@test "all modes against the test app: nothing fails, every connection is kept" {
	web
	load --requests 0 --duration 2s --expect-app web --mode get=8@200 --mode close=2@50 \
		--mode post=4@200 \
		--mode upload=2 --mode download=2 --mode ws=2 --mode idle=4
	assert_failures
	assert_report \
		'.connections.kept == 22 and .connections.at_start == 22 and
			.connections.closed_midway == 0'
	assert_report '[.targets[0].modes[] | select(.ok < 3)] == []'
	assert_report '.failure_rate_below == (3 / .requests * 1e9 | round / 1e9)'
	[[ $output == *"none of "*" failed: the rate of failures is below "* ]]
}

@test "SIGTERM finishes the upload under way" {
	web
	load_background --mode upload=3
	sleep 0.4
	kill "$pid"
	load_wait
	assert_failures
	assert_report '.requests == 3 and .abandoned == 0'
}

@test "a second signal abandons it, and counts it nowhere" {
	web
	load_background --mode upload=3
	sleep 0.4
	kill "$pid"
	sleep 0.1
	kill -INT "$pid"
	load_wait
	[[ $status -eq 0 && $output == *"abandoned on a second signal: 3"* ]]
	assert_report '.requests == 0 and .abandoned == 3'
}

@test "--until-file ends the run" {
	web
	load_background --mode get=1@100 --until-file "$BATS_TEST_TMPDIR/enough"
	sleep 0.3
	kill -0 "$pid"
	touch "$BATS_TEST_TMPDIR/enough"
	load_wait
	assert_failures
}

@test "a server that stops is seen, and nothing is lost after it is back" {
	web
	load_background --mode idle=8 --think 20-60 --pause 20ms
	sleep 0.3
	kill "${servers[0]}"
	wait "${servers[0]}"
	sleep 0.2
	env "PORT=$port" LISTEN_ADDR=127.0.0.1 RELEASE=v2 "$build/apps/web" /nowhere >/dev/null \
		3>&- &
	servers+=("$!")
	sleep 0.5
	kill "$pid"
	load_wait
	[[ $status -eq 1 ]]
	assert_report '.failures.refused > 0 and .connections.kept == 0'
	# A server that stops may say so in its last answer.
	assert_report \
		'.connections | .opened == 8 + .closed_idle + .closed_announced + .closed_midway'
	assert_report \
		'.failed == .failures.refused + .failures.reset_reused + .failures.reset_fresh'
	assert_report '[.targets[0].releases[].name] == ["v1", "v2"]'
	assert_report '.targets[0].modes[0].longest_gap_us > 150000'
}

@test "two targets are reported apart" {
	web
	local first=$port
	web APP=bystander
	status=0
	output=$("$build/load/san/load" --json "$BATS_TEST_TMPDIR/report" --requests 40 \
		--url http://one.localhost/ --connect "127.0.0.1:$first" --expect-app web \
		--name one --mode get=1 \
		--url http://two.localhost/ --connect "127.0.0.1:$port" --expect-app web \
		--mode get=1) || status=$?
	report=$(<"$BATS_TEST_TMPDIR/report")
	[[ $status -eq 1 ]]
	assert_report '.targets[0].name == "one" and .targets[0].failed == 0'
	assert_report \
		'.targets[1].name == "two.localhost" and
			.targets[1].failures.wrong_app == .targets[1].requests'
	assert_report '.targets[0].requests + .targets[1].requests == .requests'
}

@test "an answer from a release older than the mark is stale" {
	printf '1 v0\n1 v1\n' >"$BATS_TEST_TMPDIR/marks"
	fault other-release 3
	load --mode get=1 --marks "$BATS_TEST_TMPDIR/marks"
	assert_failures stale=1
	assert_report '.targets[0].marks == 2 and .targets[0].late_marks == 0'
}

@test "a request sent before the mark may be answered by the older release" {
	printf '1 v0\n%s v1\n' "$(($(now_ms) + 5000))" >"$BATS_TEST_TMPDIR/marks"
	fault other-release 3
	load --mode get=1 --marks "$BATS_TEST_TMPDIR/marks"
	assert_failures
}

@test "a mark that is read late finds the stale answer among those already counted" {
	local begin
	begin=$(($(now_ms) - 1))
	: >"$BATS_TEST_TMPDIR/marks"
	fault other-release 3
	load_background --mode get=1@50 --marks "$BATS_TEST_TMPDIR/marks"
	sleep 0.4
	printf '%s +v1\n%s v1\n' "$begin" "$begin" >>"$BATS_TEST_TMPDIR/marks"
	sleep 0.2
	kill "$pid"
	load_wait
	assert_failures stale=1
}

@test "a release can be forbidden while the load runs" {
	: >"$BATS_TEST_TMPDIR/marks"
	fault other-release 20
	load_background --mode get=1@50 --marks "$BATS_TEST_TMPDIR/marks"
	printf '%s !v0\n' "$(now_ms)" >>"$BATS_TEST_TMPDIR/marks"
	sleep 0.8
	kill "$pid"
	load_wait
	assert_failures forbidden=1
}

@test "a mark that is none is an error" {
	printf 'v1\n' >"$BATS_TEST_TMPDIR/marks"
	fault fine
	load --mode get=1 --marks "$BATS_TEST_TMPDIR/marks"
	[[ $status -eq 2 && $output == *"a mark is not EPOCH_MS [+!]RELEASE: line 1"* ]]
}

@test "releases are logged when they begin to answer" {
	fault other-release 3
	load --mode get=1 --releases "$BATS_TEST_TMPDIR/releases"
	run -0 cut -d' ' -f2,3 "$BATS_TEST_TMPDIR/releases"
	[[ $output == $'127.0.0.1 v1\n127.0.0.1 v0' ]]
}

@test "a rate is kept" {
	web
	load --requests 0 --mode get=4@50
	assert_failures
	assert_report '.requests > 150 and .requests < 220'
}

@test "--progress says a line a second" {
	web
	load --requests 0 --duration 2s --mode get=1@10 --progress
	[[ $output == *"requests/s  failed 0  open 1  127.0.0.1 v1"* ]]
}

@test "misuse is exit 2 and says why" {
	run -2 "$build/load/load" --url ftp://x/ --mode get=1
	[[ $output == "load: neither http:// nor https://: ftp://x/" ]]
	run -2 "$build/load/load" --url http://localhost/ --mode fetch=1
	[[ $output == "load: not a MODE=N[@RATE]: fetch=1" ]]
	run -2 "$build/load/load" --url http://localhost/ --mode get=0
	run -2 "$build/load/load" --mode get=1
	[[ $output == "load: --mode comes after the --url it belongs to" ]]
	run -2 "$build/load/load" --url http://localhost/
	run -2 "$build/load/load" --url http://localhost/ --mode get=1 --duration 1h
	run -2 "$build/load/load" --url http://localhost/ --mode get=1 --json
	run -0 "$build/load/load" --help
}
