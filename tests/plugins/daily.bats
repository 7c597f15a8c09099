#!/usr/bin/env bats
# The small commands of each day: events, trace, repo, report, builds, enter, logs.

load ../helper

setup() {
	world
	made_plugins events trace repo report builds enter logs scheduler git apps config plugin
	make_app web
	hook fake scheduler-list <<<'printf "idA1 1 web 1 running 10.86.128.2 5000 7 /x\nidB2 0 web 1 running 10.86.128.3 5000 8 /y\nidB3 0 web 1 exited 10.86.128.3 5000 8 /y\n"'
	make_release web 1 web=1
	make_current web 1
	export DOKKU_EVENTS_LOGFILE="$WORLD/events.log"
}

@test "events: logs what dokku runs while it is on, with control characters made visible" {
	dokku events
	assert_status 0
	assert_output ""
	hook fake pre-thing </dev/null
	code "" 'trigger pre-thing web'
	assert_absent "$DOKKU_EVENTS_LOGFILE"
	dokku events:list
	assert_error " !     Events are not logged: dokku events:on starts that"
	dokku events:on
	code "" 'NAME=ann trigger pre-thing web $'"'"'a\eb'"'"'; trigger scheduler-run x; trigger heal-apps'
	dokku events
	assert_status 0
	[[ $output =~ ^[0-9T:+-]+\ dokku\[[0-9]+\]\ ann\ INVOKED:\ pre-thing\ web\ a\\x1bb$ ]] || differ "the log" "one line" "$output"
	dokku --quiet events:list
	[[ $'\n'$output$'\n' == *$'\n'post-deploy$'\n'* && $output != *scheduler-run* ]]
	dokku events:off
	code "" 'trigger pre-thing web'
	[[ $(wc -l <"$DOKKU_EVENTS_LOGFILE") -eq 1 ]]
}

@test "events: at 10 MB the log begins anew; one that cannot be written stops nothing" {
	dokku events:on
	truncate -s 10M "$DOKKU_EVENTS_LOGFILE"
	hook fake pre-thing </dev/null
	code "" 'trigger pre-thing web'
	[[ $(stat -c %s "$DOKKU_EVENTS_LOGFILE") -lt 1000 && -e $DOKKU_EVENTS_LOGFILE.1 ]]
	DOKKU_EVENTS_LOGFILE="$WORLD/none/x" code "" 'trigger pre-thing web; printf done'
	assert_success "done"
}

@test "trace:on, trace:off: for every command from then on" {
	dokku trace:on
	assert_status 0
	dokku apps:list
	[[ $stderr == *+* ]]
	dokku trace:off
	dokku apps:list
	assert_error ""
}

@test "trace mode: what a script takes from the stderr of a command, or of a hook, is not traced" {
	hook fake report <<-'BODY'
		source "$PLUGIN_CORE_AVAILABLE_PATH/common/strict"
		printf 'reason\n' >&2
	BODY
	printf '%s\n' "#!$INTERPRETER" 'source "$PLUGIN_CORE_AVAILABLE_PATH/common/strict"' \
		'got=$(trigger report web 2>&1; : a-word)' \
		'printf "<%s>" "$got"' >"$WORLD/script"
	chmod +x "$WORLD/script"
	DOKKU_TRACE=1 got "$WORLD/script"
	assert_output "<reason>"
	[[ $stderr == *"printf 'reason"* && $stderr == *': a-word'* ]]
}

@test "enter --container-id: a running container of the app, by the beginning of its ID; the shell that is set" {
	hook fake scheduler-enter <<<'printf "<%s>" "$@"'
	dokku enter --container-id idB web
	assert_output "<docker-local><web><idB2><></bin/sh>"
	dokku enter --container-id id web ls
	assert_refused "web has no running container id: dokku ps:report web shows those that run"
	dokku enter --container-id 'id.*' web ls
	assert_status 1
	dokku scheduler:set web shell bash
	dokku enter web web
	assert_output "<docker-local><web><idA1><><bash>"
}

@test "logs --all, logs:failed --all: each app under its name" {
	hook fake scheduler-logs <<<'printf "2026-01-01T00:00:00Z hi\n"'
	make_app blog
	dokku logs --all -q
	assert_success "-----> web
2026-01-01T00:00:00Z hi"
	dokku logs --all -t
	assert_refused "logs --all -t: name the app whose log to follow" 2
	dokku logs:failed --all
	assert_status 0
}

@test "builds: retention says how many records stay, of the app or of all" {
	local i
	for i in 1 2 3; do
		mkdir -p "$DOKKU_LIB_ROOT/data/builds/web/2026010$i-000000-$i"
		printf 'push %s\n' "$i" >"$DOKKU_LIB_ROOT/data/builds/web/2026010$i-000000-$i/what"
		printf '0\n' >"$DOKKU_LIB_ROOT/data/builds/web/2026010$i-000000-$i/status"
	done
	dokku builds:list --format json web
	assert_equal "20260103-000000-3 succeeded push 3
20260102-000000-2 succeeded push 2
20260101-000000-1 succeeded push 1" \
		"$(jq --raw-output '.[] | "\(.id) \(.status) \(.what)"' <<<"$output")"
	dokku builds:prune --all
	[[ -d $DOKKU_LIB_ROOT/data/builds/web/20260101-000000-1 ]]
	dokku builds:set web retention 2
	dokku builds:prune --all-apps
	assert_equal "20260102-000000-2 20260103-000000-3" \
		"$(ls "$DOKKU_LIB_ROOT/data/builds/web" | paste -sd ' ')"
}

@test "repo:gc packs; repo:purge-cache asks the builder, both under the lock" {
	git init --quiet --bare "$DOKKU_ROOT/web"
	dokku repo:gc web
	assert_success "-----> Packed the repository of web"
	hook fake builder-purge-cache <<<'printf "%s" "${DOKKU_LOCKED-}"'
	dokku repo:purge-cache web
	assert_success web
}

@test "report: the server, and all reports of an app; of none that is there it says so" {
	hook fake scheduler-report <<<'printf "engine of %s\n" "$1"'
	hook fake report <<<'printf "more of %s\n" "$1"'
	fake free df nginx <<<'printf "x\n"'
	dokku report web
	assert_status 0
	[[ $output == *"engine of docker-local"*"=====> web apps information"*"more of web"* ]]
	dokku report
	assert_status 0
	assert_error ""
	[[ $output == *"dokku version"* && $output == *"herokuish version: none"* &&
		$output != *"apps information"* ]]
	dokku report nope
	assert_refused "App nope does not exist"
}
