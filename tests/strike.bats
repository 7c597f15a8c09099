#!/usr/bin/env bats
# Tests of strike, by which tests/torture and others kill processes: it kills all processes that it
# should, even if new ones are being started at that moment.

load helper

setup() {
	make --silent --no-print-directory -f tests/torture.mk build/tests/e2e/strike
	strike=$PWD/build/tests/e2e/strike
}

# A process that is killed while it forks leaves a child that nobody told of: one in five of these,
# before.
@test "kill: all of a tree that makes new processes all the time" {
	local i
	for ((i = 0; i < 25; i++)); do
		run timeout 20 "$strike" -l "$BATS_TEST_TMPDIR/log" -n $((i + 3)) -a kill -t 10 -- \
			bash -c 'while :; do /bin/true & (: & : & :) & (/bin/true; (:)) & done'
		[[ $status -eq 137 ]]
		grep -q '^struck ' "$BATS_TEST_TMPDIR/log"
	done
}

@test "what does not end in time is 124, be it the command or what it has left running" {
	run "$strike" -l "$BATS_TEST_TMPDIR/log" -t 1 -- sleep 20
	[[ $status -eq 124 ]]
	run "$strike" -l "$BATS_TEST_TMPDIR/log" -t 1 -- bash -c 'setsid sleep 20 & exit 7'
	[[ $status -eq 124 ]]
	run "$strike" -l "$BATS_TEST_TMPDIR/log" -t 10 -- bash -c 'setsid sleep 0.1 & exit 7'
	[[ $status -eq 7 ]]
}

@test "the log tells when the command has ended, though it has left others behind" {
	run "$strike" -l "$BATS_TEST_TMPDIR/log" -t 1 -- bash -c 'setsid sleep 20 & exit 7'
	grep -q -E '^ended 7 [0-9]+\.[0-9]{3}$' "$BATS_TEST_TMPDIR/log"
	run "$strike" -l "$BATS_TEST_TMPDIR/log" -t 1 -- sleep 20
	[[ $(grep -c ^ended "$BATS_TEST_TMPDIR/log") -eq 0 ]]
}

@test "-n with -m: the first such command from there on" {
	run "$strike" -l "$BATS_TEST_TMPDIR/log" -n 4 -m '^/bin/true *b' -a fail -t 10 -- \
		bash -c \
		'/bin/true a b; /bin/true c; /bin/true d || exit 5; /bin/true e b || exit 6
			/bin/true f b'
	[[ $status -eq 6 ]]
	grep -q '^struck 5 fail .*/bin/true e b$' "$BATS_TEST_TMPDIR/log"
}

@test "the kinds: tests/torture takes them all, and each has an end that strike-once judges" {
	run "$strike" -k
	[[ $status -eq 0 && ${#lines[@]} -ge 6 && ${lines[0]} == "kill dies" ]]
	local line
	for line in "${lines[@]}"; do
		[[ $line =~ ^[a-z]+\ (dies|fails)$ ]]
	done
	run "$strike" -a killl -- /bin/true
	[[ $status -eq 111 ]]
}

# struck_by KIND - sets output to what a command prints, and to its exit status, if its second
# program is struck.
struck_by() {
	run "$strike" -l "$BATS_TEST_TMPDIR/log" -n 2 -a "$1" -t 5 -- \
		bash -c '/bin/echo worked; echo "and $?"'
}

@test "the kinds do what strike.c says of them" {
	struck_by fail
	[[ $status -eq 0 && $output == "and 1" ]]
	struck_by lost
	[[ $status -eq 0 && $output == $'worked\nand 1' ]]
	struck_by after
	[[ $status -eq 137 && $output == worked ]]
	struck_by kill
	[[ $status -eq 137 && -z $output ]]
	run "$strike" -l "$BATS_TEST_TMPDIR/log" -n 2 -a hang -t 1 -- \
		bash -c '/bin/echo worked; echo "and $?"'
	[[ $status -eq 124 && -z $output ]]
	# shellcheck disable=SC2016 # for the inner bash
	run "$strike" -l "$BATS_TEST_TMPDIR/log" -m ^/bin/true -a victim -v 'sleep 7' -t 5 -- \
		bash -c 'sleep "$1" & until [[ $(</proc/$!/comm) == sleep ]]; do :; done
			/bin/true; wait "$!" || echo "and $?"' bash 7
	[[ $status -eq 0 && ${lines[-1]} == "and 137" ]]
}
