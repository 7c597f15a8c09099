# shellcheck shell=bash
# The test library: a fresh world for each test, fakes first on PATH, and assertions that show what
# they saw. Load it, then call world from setup. It needs no root and no engine, and changes nothing
# on the host.

bats_require_minimum_version 1.5.0

REPO=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)

# Values that make install would write into the scripts.
INTERPRETER=/bin/bash-static
[[ -x $INTERPRETER ]] || INTERPRETER=/bin/bash

# --- the world ---------------------------------------------------------------

# world - makes a DOKKU_ROOT and DOKKU_LIB_ROOT for this test, in a folder with a space in its name,
# and a copy of the code whose paths below /etc and /run are replaced by paths below $TEST_HOST.
world() {
	local template=$BATS_RUN_TMPDIR/template stage
	unset SSH_ORIGINAL_COMMAND NAME DOKKU_TRACE DOKKU_QUIET_OUTPUT DOKKU_FORCE DOKKU_LOCKED \
		DOKKU_LOCK_WAIT
	unset DOKKU_RELEASE DOKKU_CREATED DOKKU_BUILD_ID DOKKU_DOCKER_TIMEOUT GIT_DIR PORT
	export DOKKU_TESTING=1 DOKKU_FORGET_WAIT=0 DOKKU_POLL=0.02 DOKKU_ENGINE_WAIT=0 LC_ALL=C.UTF-8
	# Once for the whole run: a test of a hundred milliseconds has no time for twenty programs.
	if [[ ! -d $template ]]; then
		stage=$(mktemp -d "$BATS_RUN_TMPDIR/stage.XXXXXX")
		world_paths "$stage"
		fill_world
		mv -T "$stage" "$template" 2>/dev/null || rm -rf "$stage"
	fi
	world_paths "$BATS_TEST_TMPDIR"
	cp -r "$template/." "$BATS_TEST_TMPDIR"
	code_under_test
	PATH=$BIN:$PATH
}

# world_paths DIR - exports the paths of the world in DIR.
world_paths() {
	export WORLD="$1/a world" TEST_HOST=$1/host BIN=$1/bin CALLS=$1/calls STEPS=$1/steps \
		DOKKU_PROGRAMS=$1/programs
	export DOKKU_ROOT="$WORLD/root" DOKKU_LIB_ROOT="$WORLD/lib" HOME="$WORLD/home"
}

fill_world() {
	mkdir -p "$DOKKU_ROOT" \
		"$DOKKU_LIB_ROOT"/{config,lock,tmp,maintenance,plugins/available,plugins/enabled} \
		"$DOKKU_LIB_ROOT"/data/{services,network,releases,builds} "$HOME" "$BIN" \
		"$DOKKU_PROGRAMS" \
		"$TEST_HOST"/{etc/dokku,etc/nginx/dokku,etc/nginx/conf.d,log,run,proc/net}
	printf '10.86.0.0/16\n' >"$TEST_HOST/etc/dokku/network"
	printf '[user]\n\tname = Ann\n\temail = ann@example.com\n[init]\n\tdefaultBranch = master\n[safe]\n\tdirectory = *\n' >"$HOME/.gitconfig"
	: >"$TEST_HOST/etc/nginx/conf.d/dokku.conf"
	: >"$TEST_HOST/etc/nginx/dokku-preview.conf"
	: >"$TEST_HOST/etc/nginx/dokku-maintenance.conf"
	: >"$TEST_HOST/etc/nginx/dokku-unavailable.conf"
	: >"$TEST_HOST/etc/nginx/dokku-headers.conf"
	: >"$CALLS"
	: >"$STEPS"
	fake docker nft nginx ssh systemctl </dev/null
	# Our own programs are the real ones, except the client of the Engine API.
	local program
	for program in tied attached hold write-file take-file read-env with-env overhear sigil confine \
		exchange; do
		ln -s "$REPO/build/bin/$program" "$DOKKU_PROGRAMS/$program"
	done
	ln -s "$REPO/build/bin/san/observe" "$DOKKU_PROGRAMS/observe"
	fake_engine <<<''
	fake sudo <<<'[[ $1 != -l ]] || exit 0; [[ $1 != -n ]] || shift; exec "$@"'
}

# code_under_test - makes one copy of the code for the whole run, and sets the variables that dokku
# exports.
code_under_test() {
	export DOKKU_DIR="$BATS_RUN_TMPDIR/the code"
	export DOKKU="$DOKKU_DIR/dokku" PLUGIN_CORE_AVAILABLE_PATH="$DOKKU_DIR/plugins" \
		PLUGIN_PATH="$DOKKU_DIR/plugins"
	export PLUGIN_AVAILABLE_PATH="$DOKKU_LIB_ROOT/plugins/available" \
		PLUGIN_ENABLED_PATH="$DOKKU_LIB_ROOT/plugins/enabled"
	if [[ ! -d $DOKKU_DIR ]]; then
		copy_code "$DOKKU_DIR"
	fi
}

# copy_code DIR - copies the tested code to DIR: this repository, or $MUTANT, a copy with a
# deliberate fault that some test must find.
copy_code() {
	local stage
	stage=$(mktemp -d "$BATS_RUN_TMPDIR/stage.XXXXXX")
	cp -r "${MUTANT:-$REPO}"/{dokku,plugins} "$stage/"
	find "$stage" -type f -exec sed \
		-i -e "1s,^#!\(/usr/bin/env bash\|/bin/bash\( -p\)\)\$,#!$INTERPRETER\2," \
		-e 's,/etc/\(dokku\|nginx\|systemd\|sysctl\.d\|sudoers\.d\|cron\.d\|rsyslog\.d\|logrotate\.d\),${TEST_HOST}&,g' \
		-e 's,/run/\(dokku\|docker\.pid\|nginx\.pid\|systemd\),${TEST_HOST}&,g' \
		-e 's,/proc/\(net/if_inet6\|sys/net/netfilter\),${TEST_HOST}&,g' {} +
	sed -i -e '/^PATH=/d' -e 's,APPS=/home/dokku,APPS=$DOKKU_ROOT,' \
		-e 's,/dev/tcp/127.86.0.1/80,"$TEST_HOST/answer",' \
		-e 's,RELOAD_MS=5000,RELOAD_MS=1000,' \
		-e 's,\(LOGS\?\)=/var/log/nginx,\1=$TEST_HOST/log,' \
		-e 's,\(STORAGE\|RELEASED\|APPLIED\)=/var/lib/dokku/,\1=$DOKKU_LIB_ROOT/,' \
		"$stage"/plugins/{*/root/*,nginx/functions}
	# As make install does.
	bash "$stage/plugins/common/libexec/join" "$stage/plugins/common"
	mkdir -p "$stage/build/check-runner"
	mkdir -p "$stage"/plugins/{fake,say,env,t}
	ln -s "$REPO/build/bin" "$stage/bin"
	mv -T "$stage" "$1" 2>/dev/null || rm -rf "$stage"
}

# fake NAME… - makes fake programs, first on PATH. stdin is the Bash code that they run. Each call
# is recorded in $CALLS, one per line, with its words quoted if needed.
fake() {
	local name body
	IFS= read -r -d '' body || true
	for name in "$@"; do
		printf '#!%s\n{ printf %%s %s; [[ $# -eq 0 ]] || printf " %%q" "$@"; printf "\\n"; } >>"$CALLS"\n%s\n' \
			"$INTERPRETER" "$name" "$body" >"$BIN/$name"
	done
	chmod +x "${@/#/$BIN/}"
}

# fake_engine - replaces our program for the Engine API. stdin is Bash code that answers one
# request: $1 is the method, $2 the path, and the variable body is set if the request has a body. It
# prints JSON, or {"message": …} and exits with 22. Calls are recorded in $CALLS as "engine METHOD
# PATH…". Members and messages are picked out of the JSON like the real program does it.
fake_engine() {
	local file=$DOKKU_PROGRAMS/engine body
	IFS= read -r -d '' body || true
	printf '#!%s\n%s\nanswer() {\n:\n%s\n}\nmain "$@"\n' "$INTERPRETER" \
		"$(<"$REPO/tests/fake-engine")" "$body" >"$file"
	chmod +x "$file"
}

# fake_write - stdin is Bash code that runs before write-file writes a file. $1 is FILE. If the code
# exits, the file is not written.
fake_write() {
	rm -f "$DOKKU_PROGRAMS/write-file"
	printf '#!%s\n:\n%s\nexec "%s/build/bin/write-file" "$@"\n' "$INTERPRETER" "$(cat)" \
		"$REPO" \
		>"$DOKKU_PROGRAMS/write-file"
	chmod +x "$DOKKU_PROGRAMS/write-file"
}

# made_plugins [PLUGIN…] - makes a PLUGIN_PATH with only these plugins. hook adds plugins to it. The
# hooks of the scheduler for images and for questions about a container are there in any case. Its
# processes count as running, unless a test says otherwise.
made_plugins() {
	local name images=(scheduler-image scheduler-image-reuse scheduler-image-remove scheduler-prune)
	local asked=(scheduler-logs scheduler-enter scheduler-inspect scheduler-listening scheduler-runs scheduler-run-stop)
	rm -rf "$WORLD/plugins/scheduler-docker-local"
	export PLUGIN_PATH="$WORLD/plugins"
	mkdir -p "$PLUGIN_PATH"
	for name in "$@"; do
		ln -s "$PLUGIN_CORE_AVAILABLE_PATH/$name" "$PLUGIN_PATH/$name"
	done
	[[ ! -e $PLUGIN_PATH/scheduler-docker-local ]] || return 0
	for name in "${images[@]}" "${asked[@]}"; do
		hook_of scheduler-docker-local "$name"
	done
	printf '#!%s\n[[ $1 != docker-local ]] || printf "all\\n"\n' "$INTERPRETER" \
		>"$PLUGIN_PATH/scheduler-docker-local/scheduler-alive"
	chmod +x "$PLUGIN_PATH/scheduler-docker-local/scheduler-alive"
}

# hook_of PLUGIN HOOK - adds only the hook HOOK of our plugin PLUGIN to the PLUGIN_PATH of
# made_plugins.
hook_of() {
	mkdir -p "$PLUGIN_PATH/$1"
	ln -s "$PLUGIN_CORE_AVAILABLE_PATH/$1/$2" "$PLUGIN_PATH/$1/$2"
}

# hook PLUGIN HOOK - adds a fake hook to the PLUGIN_PATH of made_plugins. stdin is its Bash code.
# Each call is recorded in $STEPS. The plugins fake, say, env and t stand for our own plugins.
hook() {
	local file="$PLUGIN_PATH/$1/$2"
	mkdir -p "${file%/*}"
	{
		printf '#!%s\nset -euo pipefail\nprintf "%%s\\n" "%s${*:+ $*}" >>"$STEPS"\n' \
			"$INTERPRETER" "$2"
		cat
	} >"$file"
	chmod +x "$file"
}

# make_app NAME… - makes apps like apps:create, but without a repository.
make_app() {
	local app
	for app in "$@"; do
		mkdir -p "$DOKKU_ROOT/$app"
		printf '%s.example.com\n' "$app" >"$DOKKU_ROOT/$app/VHOST"
	done
}

# make_release APP N [SCALE…] - makes the release N with its image. It is not current.
make_release() {
	local dir="$DOKKU_LIB_ROOT/data/releases/$1/$2"
	mkdir -p "$dir"
	printf '%s\n' "${@:3}" >"$dir/scale"
	[[ $# -gt 2 ]] || printf 'web=1\n' >"$dir/scale"
	: >"$dir/env"
	printf '5000\n' >"$dir/port"
	printf 'v%s\n' "$2" >"$dir/tag"
	printf 'push %s\n' "$2" >"$dir/description"
	[[ -f ${dir%/*}/last && $(<"${dir%/*}/last") -ge $2 ]] ||
		printf '%s\n' "$2" >"${dir%/*}/last"
}

# make_current APP N - makes the release N the current one.
make_current() {
	printf '%s\n' "$2" >"$DOKKU_LIB_ROOT/data/releases/$1/current"
	date --iso-8601=seconds >"$DOKKU_LIB_ROOT/data/releases/$1/$2/committed"
}

current() { cat "$DOKKU_LIB_ROOT/data/releases/$1/current"; }

# --- running -----------------------------------------------------------------

# got COMMAND… - runs COMMAND and sets status, output and stderr, without newlines at their ends.
got() {
	status=0
	"$@" >"$BATS_TEST_TMPDIR/stdout" 2>"$BATS_TEST_TMPDIR/stderr" || status=$?
	output=$(<"$BATS_TEST_TMPDIR/stdout")
	stderr=$(<"$BATS_TEST_TMPDIR/stderr")
}

# dokku WORD… - runs dokku, and sets status, output and stderr.
dokku() { got "$DOKKU" "$@"; }

# code PLUGIN TEXT ARG… - runs the Bash code TEXT in strict mode, with the functions of common and
# PLUGIN.
code() { got strict "$@"; }

strict() {
	local plugin=${1%%/*} part=$1 text=$2
	shift 2
	[[ $part == */* ]] || part=""
	bash -euo pipefail -O inherit_errexit -O nullglob \
		-c "whole_library=1 source \"\$PLUGIN_CORE_AVAILABLE_PATH/common/functions\"
		${plugin:+source \"\$PLUGIN_CORE_AVAILABLE_PATH/$plugin/functions\"}
		${part:+source \"\$PLUGIN_CORE_AVAILABLE_PATH/$part\"}
		$text" bash "$@"
}

# clock_set SECONDS - sets the time of day that Bash scripts see SECONDS forth, or back. dokku
# itself, which takes nothing from the environment, still sees the real one.
clock_set() {
	printf 'unset EPOCHSECONDS\nEPOCHSECONDS=%s\n' $((EPOCHSECONDS + $1)) \
		>"$BATS_TEST_TMPDIR/clock"
	export BASH_ENV=$BATS_TEST_TMPDIR/clock
}

# uptime NAME [SECONDS] - sets NAME to the seconds since the boot, and SECONDS more.
uptime() {
	read -r "$1" _ </proc/uptime
	printf -v "$1" %d $((${!1%.*} + ${2:-0}))
}

# fifo NAME - makes a named pipe, by which a test waits for an event of another process.
fifo() { mkfifo "$BATS_TEST_TMPDIR/$1"; }

# heard NAME - reads one line from the fifo NAME into the variable line, within 10 s.
heard() {
	# shellcheck disable=SC2034 # for the test
	IFS= read -r -t 10 line <>"$BATS_TEST_TMPDIR/$1"
}

# gone PID - waits up to 5 s until the process PID has ended.
gone() {
	timeout 5 tail --sleep-interval=0.01 --follow --pid="$1" /dev/null || {
		printf 'process %s is still there:\n%s\n' "$1" "$(tr '\0' ' ' <"/proc/$1/cmdline")"
		return 1
	}
}

# --- assertions --------------------------------------------------------------

# differ WHAT WANTED GOT - shows both texts and fails.
differ() {
	printf -- '-- %s\nwanted: %q\ngot:    %q\n' "$1" "$2" "$3"
	diff <(printf '%s\n' "$2") <(printf '%s\n' "$3") || true
	return 1
}

# assert_equal WANTED GOT [WHAT]
assert_equal() { [[ $2 == "$1" ]] || differ "${3:-not equal}" "$1" "$2"; }

# assert_status N - compares the exact status, so that a crash does not count as a refusal.
assert_status() {
	# shellcheck disable=SC2154 # set by bats
	[[ $status == "$1" ]] || differ "status; stdout: $output; stderr: $stderr" "$1" "$status"
}

# assert_output [TEXT…], assert_error [TEXT…] - compare all of stdout or stderr. The arguments are
# joined by blanks, as `die` joins its arguments.
assert_output() { assert_equal "$*" "$output" "stdout; stderr: $stderr"; }
assert_error() {
	# shellcheck disable=SC2154 # set by bats
	assert_equal "$*" "$stderr" "stderr; stdout: $output"
}

# assert_output_like PATTERN…, assert_error_like PATTERN… - match all of stdout or stderr against a
# glob pattern, for output that contains a time or a process ID.
assert_output_like() {
	# shellcheck disable=SC2053 # a pattern
	[[ $output == $* ]] || differ "stdout, as a pattern" "$*" "$output"
}
assert_error_like() {
	# shellcheck disable=SC2053 # a pattern
	[[ $stderr == $* ]] || differ "stderr, as a pattern" "$*" "$stderr"
}

# assert_success [STDOUT…] - requires status 0, exactly STDOUT, and nothing on stderr.
assert_success() {
	assert_status 0 && assert_output "$@" && assert_error ""
}

# assert_refused MESSAGE… [STATUS] - requires MESSAGE as the only line on stderr, nothing on stdout,
# and STATUS.
assert_refused() {
	local refusal=1
	if [[ ${!#} =~ ^[0-9]+$ ]]; then
		refusal=${!#}
		set -- "${@:1:$#-1}"
	fi
	assert_status "$refusal" && assert_error " !     $*" && assert_output
}

# assert_file FILE TEXT - compares the content of FILE, without newlines at the end.
assert_file() {
	[[ -f $1 ]] || differ "no such file: $1" "$2" "" || return
	assert_equal "$2" "$(<"$1")" "$1"
}

# assert_mode FILE MODE
assert_mode() { assert_equal "$2" "$(stat --format %a "$1")" "mode of $1"; }

# assert_absent PATH… - requires that nothing exists at these paths.
assert_absent() {
	local path
	for path in "$@"; do
		[[ ! -e $path && ! -L $path ]] ||
			differ "$path should not be there" "" "$(ls -lad "$path")" || return
	done
}

# assert_nothing_in DIR - requires that the folder is empty, hidden files included.
assert_nothing_in() { assert_equal "" "$(ls -A "$1")" "in $1"; }

# assert_calls TEXT, assert_steps TEXT - compare all calls of fakes, or of fake hooks, in this test.
# The random part of image names is left out.
assert_calls() { assert_equal "${1-}" "$(without_random "$CALLS")" "calls of fakes"; }
assert_steps() { assert_equal "${1-}" "$(without_random "$STEPS")" "hooks that ran"; }
without_random() { sed -E 's/\b(v[0-9]+)-[0-9a-f]{16}\b/\1/g' "$@"; }

# each COMMAND - runs COMMAND for each line of stdin, with the line as its argument. Escapes such as
# \n are replaced. All lines are tried, and this fails if one failed. COMMAND runs in a trap of a
# subshell, because only there errexit ends it at its first failing assertion, whoever calls us.
each() {
	local line word failed=0
	while IFS= read -r line; do
		printf -v word '%b' "$line"
		(
			trap 'trap - EXIT; set -e; "$@" "$word"; exit 0' EXIT
			exit 0
		) </dev/null || {
			printf 'with: %s\n' "$line"
			failed=1
		}
	done
	return "$failed"
}
