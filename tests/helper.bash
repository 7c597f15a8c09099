# shellcheck shell=bash
# The test library: a fresh world per test, fakes first on PATH, and assertions that show what
# they saw. load it, then call world from setup. No root, no engine, nothing on the host.

bats_require_minimum_version 1.5.0

REPO=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)

# What make install would write into the scripts.
INTERPRETER=/bin/bash-static
[[ -x $INTERPRETER ]] || INTERPRETER=/bin/bash

# --- the world ---------------------------------------------------------------

# world - own DOKKU_ROOT and DOKKU_LIB_ROOT, in a folder with a space in its name, and a
# copy of the code whose paths in /etc and /run lie in $TEST_HOST.
world() {
	local template=$BATS_RUN_TMPDIR/template stage
	unset SSH_ORIGINAL_COMMAND NAME DOKKU_TRACE DOKKU_QUIET_OUTPUT DOKKU_FORCE DOKKU_LOCKED \
		DOKKU_LOCK_WAIT
	unset DOKKU_RELEASE DOKKU_CREATED DOKKU_BUILD_ID DOKKU_DOCKER_TIMEOUT GIT_DIR PORT
	export DOKKU_TESTING=1 DOKKU_FORGET_WAIT=0 DOKKU_POLL=0.02 LC_ALL=C.UTF-8
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

# world_paths DIR - where everything of the world in DIR is.
world_paths() {
	export WORLD="$1/a world" TEST_HOST=$1/host BIN=$1/bin CALLS=$1/calls STEPS=$1/steps \
		DOKKU_PROGRAMS=$1/programs
	export DOKKU_ROOT="$WORLD/root" DOKKU_LIB_ROOT="$WORLD/lib" HOME="$WORLD/home"
}

fill_world() {
	mkdir -p "$DOKKU_ROOT" \
		"$DOKKU_LIB_ROOT"/{config,lock,tmp,plugins/available,plugins/enabled} \
		"$DOKKU_LIB_ROOT"/data/{services,network,releases,builds} "$HOME" "$BIN" \
		"$DOKKU_PROGRAMS" \
		"$TEST_HOST"/{etc/dokku,etc/nginx/dokku,etc/nginx/conf.d,log,run,proc/net}
	printf '10.86.0.0/16\n' >"$TEST_HOST/etc/dokku/network"
	printf '[user]\n\tname = Ann\n\temail = ann@example.com\n[init]\n\tdefaultBranch = master\n[safe]\n\tdirectory = *\n' >"$HOME/.gitconfig"
	: >"$TEST_HOST/etc/nginx/conf.d/dokku.conf"
	: >"$TEST_HOST/etc/nginx/dokku-preview.conf"
	: >"$CALLS"
	: >"$STEPS"
	fake docker nft nginx ssh systemctl </dev/null
	# The Engine API has done it.
	local program
	for program in tied attached hold write-file take-file read-env overhear; do
		ln -s "$REPO/build/bin/$program" "$DOKKU_PROGRAMS/$program"
	done
	ln -s "$REPO/build/bin/san/observe" "$DOKKU_PROGRAMS/observe"
	fake_engine <<<''
	fake sudo <<<'[[ $1 != -l ]] || exit 0; [[ $1 != -n ]] || shift; exec "$@"'
}

# code_under_test - one copy for the whole run. Sets what dokku exports.
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

# copy_code DIR - of what is to be tested: this repository, or $MUTANT, a copy with a fault in
# it that some test has to see.
copy_code() {
	local stage
	stage=$(mktemp -d "$BATS_RUN_TMPDIR/stage.XXXXXX")
	cp -r "${MUTANT:-$REPO}"/{dokku,plugins} "$stage/"
	find "$stage" -type f -exec sed \
		-i -e "1s,^#!\(/usr/bin/env bash\|/bin/bash\( -p\)\)\$,#!$INTERPRETER\2," \
		-e 's,/etc/\(dokku\|nginx\|systemd\|sysctl\.d\|sudoers\.d\),${TEST_HOST}&,g' \
		-e 's,/run/\(dokku\|nginx\.pid\|systemd\),${TEST_HOST}&,g' \
		-e 's,/proc/\(net/if_inet6\|sys/net/netfilter\),${TEST_HOST}&,g' {} +
	sed -i -e '/^PATH=/d' -e 's,APPS=/home/dokku,APPS=$DOKKU_ROOT,' \
		-e 's,/dev/tcp/127.86.0.1/80,"$TEST_HOST/answer",' \
		-e 's,RELOAD_MS=5000,RELOAD_MS=1000,' \
		-e 's,LOGS=/var/log/nginx,LOGS=$TEST_HOST/log,' \
		-e 's,STORAGE=/var/lib/dokku/,STORAGE=$DOKKU_LIB_ROOT/,' \
		"$stage"/plugins/{*/root/*,nginx/functions}
	mkdir -p "$stage/build/check-runner"
	mkdir -p "$stage/plugins/fake"
	ln -s "$REPO/build/bin" "$stage/bin"
	mv -T "$stage" "$1" 2>/dev/null || rm -rf "$stage"
}

# fake NAME… - programs first on PATH; stdin is what they do, in Bash. Each call is noted
# in $CALLS, a line each, its words quoted where they need it.
fake() {
	local name body
	IFS= read -r -d '' body || true
	for name in "$@"; do
		printf '#!%s\n{ printf %%s %s; [[ $# -eq 0 ]] || printf " %%q" "$@"; printf "\\n"; } >>"$CALLS"\n%s\n' \
			"$INTERPRETER" "$name" "$body" >"$BIN/$name"
	done
	chmod +x "${@/#/$BIN/}"
}

# fake_engine - our program for the Engine API; stdin is what it does for a path, its first word the
# method, the second the path, body whether there is one: JSON, or {"message": …} and exit 22. Noted
# in $CALLS as "engine METHOD PATH…", members and messages picked out as the program does.
fake_engine() {
	local file=$DOKKU_PROGRAMS/engine body
	IFS= read -r -d '' body || true
	printf '#!%s\n%s\nanswer() {\n:\n%s\n}\nmain "$@"\n' "$INTERPRETER" \
		"$(<"$REPO/tests/fake-engine")" "$body" >"$file"
	chmod +x "$file"
}

# fake_write - stdin is what happens before write-file writes a file, FILE being its $1; exit there
# means that it does not.
fake_write() {
	rm -f "$DOKKU_PROGRAMS/write-file"
	printf '#!%s\n:\n%s\nexec "%s/build/bin/write-file" "$@"\n' "$INTERPRETER" "$(cat)" \
		"$REPO" \
		>"$DOKKU_PROGRAMS/write-file"
	chmod +x "$DOKKU_PROGRAMS/write-file"
}

# made_plugins - PLUGIN_PATH without any plugin but those named; hook adds to it. What the scheduler
# does with images, and for who asks about a container, is there in any case; and what it has
# started runs, unless a test says otherwise.
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

# hook_of PLUGIN HOOK - of a made PLUGIN_PATH: that one hook of a plugin of ours, and no other of
# it.
hook_of() {
	mkdir -p "$PLUGIN_PATH/$1"
	ln -s "$PLUGIN_CORE_AVAILABLE_PATH/$1/$2" "$PLUGIN_PATH/$1/$2"
}

# hook PLUGIN HOOK - an executable of a made plugin; stdin is what it does. Each call is
# noted in $STEPS. The plugin "fake" stands for those of ours.
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

# make_app NAME… - an app, as apps:create leaves it, but for its repository.
make_app() {
	local app
	for app in "$@"; do
		mkdir -p "$DOKKU_ROOT/$app"
		printf '%s.example.com\n' "$app" >"$DOKKU_ROOT/$app/VHOST"
	done
}

# make_release APP N [SCALE…] - a release with its image, not current.
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

# make_current APP N - the release N is the current one.
make_current() {
	printf '%s\n' "$2" >"$DOKKU_LIB_ROOT/data/releases/$1/current"
	date --iso-8601=seconds >"$DOKKU_LIB_ROOT/data/releases/$1/$2/committed"
}

current() { cat "$DOKKU_LIB_ROOT/data/releases/$1/current"; }

# --- running -----------------------------------------------------------------

# got COMMAND… - sets status, output and stderr; newlines at their ends go.
got() {
	status=0
	"$@" >"$BATS_TEST_TMPDIR/stdout" 2>"$BATS_TEST_TMPDIR/stderr" || status=$?
	output=$(<"$BATS_TEST_TMPDIR/stdout")
	stderr=$(<"$BATS_TEST_TMPDIR/stderr")
}

# dokku WORD… - the command line.
dokku() { got "$DOKKU" "$@"; }

# code PLUGIN TEXT ARG… - Bash in strict mode, with the functions of common and PLUGIN.
code() { got strict "$@"; }

strict() {
	local plugin=$1 text=$2
	shift 2
	bash -euo pipefail -O inherit_errexit -O nullglob \
		-c "source \"\$PLUGIN_CORE_AVAILABLE_PATH/common/functions\"
		${plugin:+source \"\$PLUGIN_CORE_AVAILABLE_PATH/$plugin/functions\"}
		$text" bash "$@"
}

# fifo NAME - makes one, to wait for an event of another process.
fifo() { mkfifo "$BATS_TEST_TMPDIR/$1"; }

# heard NAME - one line from the fifo, within 10 s, in the variable line.
heard() {
	# shellcheck disable=SC2034 # for the test
	IFS= read -r -t 10 line <>"$BATS_TEST_TMPDIR/$1"
}

# gone PID - waits until there is no such process, up to 5 s.
gone() {
	timeout 5 tail --sleep-interval=0.01 --follow --pid="$1" /dev/null || {
		printf 'process %s is still there:\n%s\n' "$1" "$(tr '\0' ' ' <"/proc/$1/cmdline")"
		return 1
	}
}

# --- assertions --------------------------------------------------------------

# differ WHAT WANTED GOT - fails, showing both.
differ() {
	printf -- '-- %s\nwanted: %q\ngot:    %q\n' "$1" "$2" "$3"
	diff <(printf '%s\n' "$2") <(printf '%s\n' "$3") || true
	return 1
}

# assert_equal WANTED GOT [WHAT]
assert_equal() { [[ $2 == "$1" ]] || differ "${3:-not equal}" "$1" "$2"; }

# assert_status N - the exact one, so that a crash is not taken for a refusal.
assert_status() {
	# shellcheck disable=SC2154 # set by bats
	[[ $status == "$1" ]] || differ "status; stdout: $output; stderr: $stderr" "$1" "$status"
}

# assert_output [TEXT…], assert_error [TEXT…] - all of stdout, all of stderr. A long text may be
# several arguments: they are joined by blanks, as `die` joins its own.
assert_output() { assert_equal "$*" "$output" "stdout; stderr: $stderr"; }
assert_error() {
	# shellcheck disable=SC2154 # set by bats
	assert_equal "$*" "$stderr" "stderr; stdout: $output"
}

# assert_output_like PATTERN…, assert_error_like PATTERN… - all of it matches the glob, for what
# holds a time or a process id.
assert_output_like() {
	# shellcheck disable=SC2053 # a pattern
	[[ $output == $* ]] || differ "stdout, as a pattern" "$*" "$output"
}
assert_error_like() {
	# shellcheck disable=SC2053 # a pattern
	[[ $stderr == $* ]] || differ "stderr, as a pattern" "$*" "$stderr"
}

# assert_success [STDOUT…] - status 0, STDOUT and nothing on stderr.
assert_success() {
	assert_status 0 && assert_output "$@" && assert_error ""
}

# assert_refused MESSAGE… [STATUS] - one line on stderr, nothing on stdout.
assert_refused() {
	local refusal=1
	if [[ ${!#} =~ ^[0-9]+$ ]]; then
		refusal=${!#}
		set -- "${@:1:$#-1}"
	fi
	assert_status "$refusal" && assert_error " !     $*" && assert_output
}

# assert_file FILE TEXT - its content but for newlines at the end.
assert_file() {
	[[ -f $1 ]] || differ "no such file: $1" "$2" "" || return
	assert_equal "$2" "$(<"$1")" "$1"
}

# assert_mode FILE MODE
assert_mode() { assert_equal "$2" "$(stat --format %a "$1")" "mode of $1"; }

# assert_absent PATH… - nothing is there.
assert_absent() {
	local path
	for path in "$@"; do
		[[ ! -e $path && ! -L $path ]] ||
			differ "$path should not be there" "" "$(ls -lad "$path")" || return
	done
}

# assert_nothing_in DIR - an empty folder, hidden files included.
assert_nothing_in() { assert_equal "" "$(ls -A "$1")" "in $1"; }

# assert_calls TEXT, assert_steps TEXT - the calls of fakes and of made hooks since the start,
# without the random part of images' names.
assert_calls() { assert_equal "${1-}" "$(without_random "$CALLS")" "calls of fakes"; }
assert_steps() { assert_equal "${1-}" "$(without_random "$STEPS")" "hooks that ran"; }
without_random() { sed -E 's/\b(v[0-9]+)-[0-9a-f]{16}\b/\1/g' "$@"; }

# each COMMAND - COMMAND with every line of stdin as its argument, \n and such understood;
# a test goes on to the last, and fails when one did. The first assertion in COMMAND that fails ends
# it: it runs in a trap of a subshell, where errexit counts whoever calls us.
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
