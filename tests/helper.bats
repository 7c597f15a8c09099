#!/usr/bin/env bats
# The test library: each assertion passes where it should, and fails where it should.

load helper

setup() {
	world
	status=3 output=out stderr=err
}

# fails COMMAND… - it has to return 1, and to show something.
fails() {
	local text code=0
	text=$("$@" 2>&1) || code=$?
	[[ $code -eq 1 && -n $text ]] || {
		printf 'did not fail as it should: %s (status %s)\n' "$*" "$code"
		return 1
	}
}

@test "fails: is red itself for a command that succeeds, and for a silent one" {
	run fails printf text
	[[ $status -eq 1 ]]
	run fails false
	[[ $status -eq 1 ]]
	run fails bash -c 'printf text; exit 2'
	[[ $status -eq 1 ]]
}

@test "assert_equal" {
	assert_equal "a b" "a b"
	assert_equal "" ""
	fails assert_equal a b
	fails assert_equal "a*" "ab"
	fails assert_equal a "a
"
}

@test "assert_status: the exact one" {
	assert_status 3
	fails assert_status 1
	fails assert_status 0
	status=127
	fails assert_status 1
}

@test "assert_output and assert_error: all of it, and not as a pattern" {
	assert_output out
	assert_error err
	fails assert_output ou
	fails assert_output "o*"
	fails assert_output
	fails assert_error "e*"
	fails assert_error
}

@test "assert_output_like and assert_error_like: a pattern for all of it" {
	assert_output_like "o*"
	assert_error_like "?rr"
	fails assert_output_like "u"
	fails assert_output_like "ou"
	fails assert_error_like "r*"
}

@test "assert_success: status, stdout, and no stderr" {
	status=0 output=out stderr=""
	assert_success out
	fails assert_success other
	stderr=warning
	fails assert_success out
	stderr="" status=1
	fails assert_success out
}

@test "assert_refused: exactly one line, nothing on stdout, status 1 unless told" {
	status=1 output="" stderr=" !     no such app: ghost"
	assert_refused "no such app: ghost"
	fails assert_refused "no such app"
	fails assert_refused "no such app: ghost" 2
	output=text
	fails assert_refused "no such app: ghost"
	output="" stderr=" !     no such app: ghost
more"
	fails assert_refused "no such app: ghost"
}

@test "assert_file: what is in it, and that it is there" {
	printf 'text\n' >"$WORLD/file"
	assert_file "$WORLD/file" text
	fails assert_file "$WORLD/file" tex
	fails assert_file "$WORLD/none" text
	fails assert_file "$WORLD/none" ""
}

@test "assert_mode" {
	touch "$WORLD/file"
	chmod 640 "$WORLD/file"
	assert_mode "$WORLD/file" 640
	fails assert_mode "$WORLD/file" 644
}

@test "assert_absent: also for a dangling link, and for each of several" {
	assert_absent "$WORLD/none" "$WORLD/none2"
	ln -s nowhere "$WORLD/link"
	fails assert_absent "$WORLD/link"
	fails assert_absent "$WORLD/link" "$WORLD/none"
	fails assert_absent "$WORLD"
}

@test "assert_nothing_in: hidden files count" {
	mkdir "$WORLD/dir"
	assert_nothing_in "$WORLD/dir"
	touch "$WORLD/dir/.hidden"
	fails assert_nothing_in "$WORLD/dir"
}

@test "fake and assert_calls: a call is noted, words kept apart" {
	fake tool <<<'printf "%s," "$@"; exit 4'
	got tool "a b" "" c
	assert_status 4
	assert_output "a b,,c,"
	assert_calls "tool a\ b '' c"
	fails assert_calls "tool a b c"
	fails assert_calls
}

@test "hook and assert_steps" {
	made_plugins
	hook p post-x <<<'exit 5'
	run "$PLUGIN_PATH/p/post-x" a b
	assert_equal 5 "$status"
	assert_steps "post-x a b"
	fails assert_steps
}

@test "each: every line, and one that fails is told" {
	is_a() { [[ $1 == a ]]; }
	printf 'a\na\n' | each is_a
	run each is_a < <(printf 'a\nb\na\n')
	[[ $status -eq 1 && $output == "with: b" ]]
	newline() { [[ $1 == $'a\nb' ]]; }
	each newline <<<'a\nb'
	ends_so() { [[ $1 == $'a\n' ]]; }
	each ends_so <<<'a\n'
}

@test "each: an assertion that is not the last counts, however each is called" {
	first_fails() {
		assert_equal a "$1"
		printf 'went on with %s\n' "$1"
	}
	each first_fails <<<a
	run each first_fails <<<$'a\nb\na'
	[[ $status -eq 1 &&
		$output == $'went on with a\n-- not equal\n'*$'\nwith: b\nwent on with a' ]]
	if each first_fails <<<b; then false; fi
	each first_fails <<<b && false
	false_in_between() {
		[[ $1 == a ]]
		((1))
	}
	run each false_in_between <<<b
	[[ $status -eq 1 ]]
	# Nor does it end the lines that follow, by reading them.
	reads() { ! read -r _; }
	run each reads <<<$'a\nb'
	[[ $status -eq 0 ]]
}

@test "got: stdout and stderr apart" {
	got bash -c 'printf out; printf err >&2; exit 9'
	[[ $status -eq 9 && $output == out && $stderr == err ]]
}

@test "code: strict mode is on, also in a substitution" {
	code "" 'false; printf on'
	assert_status 1
	assert_output ""
	code "" 'x=$(false; printf on); printf "$x"'
	assert_status 1
	assert_output ""
	code "" 'printf "%s" "$1"' "a b"
	assert_success "a b"
}

@test "gone: a process that stays is told" {
	sleep 0.01 &
	gone "$!"
}

@test "heard: what another process says, and no more than 10 s" {
	fifo said
	(printf 'hello\n' >"$BATS_TEST_TMPDIR/said") &
	heard said
	# shellcheck disable=SC2154 # set by heard
	assert_equal hello "$line"
}

@test "world: nothing of the host is in the paths of the code under test" {
	run grep -rnE '(^|[^}a-z])/(etc/(dokku|nginx)|run/(dokku|nginx))' \
		"$PLUGIN_CORE_AVAILABLE_PATH" --include=functions --include=map
	printf '%s\n' "$output"
	assert_equal 1 "$status"
	assert_equal "$WORLD/root" "$DOKKU_ROOT"
}
