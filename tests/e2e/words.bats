#!/usr/bin/env bats
# What a push says of a broken app: what happened, to what, and what to do, once.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; the helper sets address

load helper

setup_file() {
	e2e_setup
	make_app words 2 1
	mkdir -p "$(repo words)"
	git -C "$(repo words)" init --quiet --initial-branch=main
	cp "$WEB_BINARY" "$(repo words)/web"
	cp "$(type -P busybox)" "$(repo words)/sh"
	printf '#!/nowhere\n' >"$(repo words)/badscript"
	chmod +x "$(repo words)/badscript"
}

teardown_file() {
	dokku_run apps:destroy --force words || true
}

# deploy COMMAND [CHECKS] - pushes the app with COMMAND as its web process.
deploy() {
	printf '%s\n' 'FROM scratch' 'COPY . /' 'COPY sh /bin/sh' 'WORKDIR /' 'ENV APP=words' \
		>"$(repo words)/Dockerfile"
	printf 'web: %s\n' "$1" >"$(repo words)/Procfile"
	rm -f "$(repo words)/CHECKS"
	[[ -z ${2-} ]] || printf '%b' "$2" >"$(repo words)/CHECKS"
	commit_files words --message x
	run push words
	printf -- '--- %s\n%s\n' "$1" "$output"
}

# says TEXT - requires that exactly one line of output has TEXT.
says() {
	[[ $(grep --count --fixed-strings -e "$1" <<<"$output") -eq 1 ]] || {
		printf 'not said once: %s\n' "$1"
		return 1
	}
}

@test "an exit is told with its own status, not that of the container that was started again" {
	deploy 'sh -c "echo no config; exit 3"'
	[[ $status -ne 0 && $output != *'status 0'* ]]
	says 'it exited with status 3'
	deploy 'sh -c "sleep 1; exit 3"'
	[[ $status -ne 0 && $output != *'status 0'* ]]
	says 'it exited with status 3'
	deploy 'sh -c "exit 0"'
	[[ $status -ne 0 ]]
	says 'it exited with status 0, as if its work were done'
}

@test "a segmentation fault and a command that is not there" {
	deploy "sh -c 'kill -SEGV \$\$'"
	[[ $status -ne 0 ]]
	says 'segmentation fault'
	deploy 'sh -c nosuch'
	[[ $status -ne 0 ]]
	says 'it exited with status 127: its command was not found'
}

@test "the requests of the checks do not push the reason out of the last lines" {
	dokku_run config:set --no-restart words LOG=1
	deploy 'sh -c "echo the database is down; exec /web"' \
		'ATTEMPTS=3\nWAIT=1\n/ nothing that it says\n'
	dokku_run config:unset --no-restart words LOG
	[[ $status -ne 0 ]]
	says 'the database is down'
	says 'more lines about the requests of the checks are left out'
	[[ $(grep --count 'GET / .* ms' <<<"$output") -le 1 ]]
}

@test "what is said of the old release is true: it serves, or the app is stopped" {
	deploy /web
	[[ $status -eq 0 ]]
	deploy 'sh -c "exit 3"'
	says 'still serves'
	dokku_run ps:stop words
	deploy 'sh -c "exit 3"'
	[[ $output != *'still serves'* ]]
	says 'and words stays stopped: dokku ps:start words starts v'
}
