# shellcheck shell=bash
# For the load client's bats files: servers that end with the test, and exact counts.

bats_require_minimum_version 1.5.0

build=${LOAD_BUILD:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build/tests}

setup() {
	export APP=web RELEASE=v1
	servers=()
}

teardown() {
	local pid
	for pid in "${servers[@]}"; do
		kill "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
	done
}

# fault BEHAVIOUR [AFTER [TIMES]]: sets port.
fault() {
	"$build/load/fault" "$@" >"$BATS_TEST_TMPDIR/port" 3>&- &
	servers+=("$!")
	wait_until test -s "$BATS_TEST_TMPDIR/port"
	port=$(<"$BATS_TEST_TMPDIR/port")
}

# free_port: a port that nobody listens on right now.
free_port() {
	local candidate
	while candidate=$((20000 + RANDOM % 10000)); do
		if ! (exec 3<>"/dev/tcp/127.0.0.1/$candidate") 2>/dev/null; then
			printf '%s\n' "$candidate"
			return
		fi
	done
}

# web [NAME=VALUE]...: the test app; sets port.
web() {
	port=$(free_port)
	env "PORT=$port" LISTEN_ADDR=127.0.0.1 "$@" "$build/apps/web" /nowhere \
		>"$BATS_TEST_TMPDIR/web" 3>&- &
	servers+=("$!")
	wait_until grep -q listens "$BATS_TEST_TMPDIR/web"
}

# wait_until COMMAND ARG...: for at most five seconds.
wait_until() {
	local i
	for ((i = 0; i < 500; i++)); do
		if "$@"; then
			return 0
		fi
		sleep 0.01
	done
	printf 'waited in vain: %s\n' "$*" >&2
	return 1
}

# load ARG...: sets status, and report to what it counted. Ended by --requests or a second.
load() {
	status=0
	output=$("$build/load/san/load" --url "${scheme-http}://127.0.0.1:$port/" --duration 1s \
		--requests 60 --timeout 300ms \
		--connect-timeout 200ms --pause 10ms --upload-ms 100 --download-ms 100 --ws-ms 20 \
		--think 1-30 \
		--json "$BATS_TEST_TMPDIR/report" "$@" 2>&1 3>&-) || status=$?
	report=$(<"$BATS_TEST_TMPDIR/report")
}

# assert_failures [CLASS=N]...: these and no others, and the exit status that goes with them.
assert_failures() {
	local got want
	got=$(jq -r '.failures | to_entries[] | select(.value > 0) | "\(.key)=\(.value)"' \
		<<<"$report" | sort)
	want=$(printf '%s\n' "$@" | sort)
	if [[ $got != "$want" || $status -ne $(($# > 0)) ]]; then
		printf 'wanted %s, got %s, exit %s\n%s\n' "$*" "${got//$'\n'/ }" "$status" \
			"$output" >&2
		return 1
	fi
	jq -e '.failed == ([.failures[]] | add) and .requests == .ok + .failed and .ok > 0' \
		<<<"$report" >/dev/null
	[[ ${output##*$'\n'} == "requests $(jq .requests <<<"$report"), failed $(jq .failed \
		<<<"$report")" ]]
}

# assert_report FILTER: a jq condition that the report fulfils.
assert_report() {
	if ! jq -e "$1" <<<"$report" >/dev/null; then
		printf 'not so: %s\n%s\n%s\n' "$1" "$report" "$output" >&2
		return 1
	fi
}
