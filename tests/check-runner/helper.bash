# shellcheck shell=bash
# What the tests of the command share: the hostile server, and assertions that show what came.
# shellcheck disable=SC2154 # status is bats'

setup_file() {
	export runner=$PWD/build/check-runner/check-runner
	export hostile=$PWD/build/check-runner/hostile
	export failmalloc=$PWD/build/check-runner/failmalloc.so
	export pretend=$PWD/build/check-runner/pretend.so
	# LD_PRELOAD works only with this build, because it loads the C library.
	export runner_libc=$PWD/build/check-runner/check-runner-libc
	"$hostile" 9 >"$BATS_FILE_TMPDIR/port" 3>&- &
	echo $! >"$BATS_FILE_TMPDIR/pid"
	until [[ -s $BATS_FILE_TMPDIR/port ]]; do
		kill -0 "$!" || {
			echo "$hostile does not run: make test-check-runner builds it"
			return 1
		}
		sleep 0.01
	done
	target=127.0.0.1:$(<"$BATS_FILE_TMPDIR/port")
	export target
	# A port that nobody listens on: the kernel gives it to nobody while we hold it.
	export closed=127.0.0.1:1
	export manual=$PWD/docs/checks.md
}

teardown_file() {
	kill "$(<"$BATS_FILE_TMPDIR/pid")"
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
}

# The exact status, so that a crash is no failure that was wanted.
assert_status() {
	if [[ $status -ne $1 ]]; then
		printf 'status %d, not %d; output:\n%s\n' "$status" "$1" "$output"
		return 1
	fi
}

assert_output() {
	if [[ $output != "$*" ]]; then
		printf 'got:\n%s\nwant:\n%s\n' "$output" "$*"
		return 1
	fi
}

assert_has() {
	if [[ $output != *"$1"* ]]; then
		printf 'got:\n%s\nwant in it:\n%s\n' "$output" "$*"
		return 1
	fi
}

asks() {
	local checks=$1
	shift
	printf '%b' "$checks" >CHECKS
	run "$runner" "$@" CHECKS
	output=$(sed -E 's/[0-9]+\.[0-9]+ s/N s/' <<<"$output")
}
