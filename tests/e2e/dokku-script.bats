#!/usr/bin/env bats
# The script of a Dokku 0.38 user runs as it is, once on the server's command and once on the one of
# a user's own machine (plugins/common/client/dokku).
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; the helper sets address

load helper

setup_file() {
	e2e_setup
	mkdir -p "$(repo script)"
	printf 'web: /web\n' >"$(repo script)/Procfile"
	printf '{"cron":[{"command":"/web worker","schedule":"0 5 * * *"}]}\n' \
		>"$(repo script)/app.json"
	printf 'WAIT=1\nATTEMPTS=10\n/ My Amazing App\n' >"$(repo script)/CHECKS"
	commit script v1
	git -C "$(repo script)" remote add dokku "dokku@$address:script"
}

teardown_file() {
	local app
	for app in script script-new script-copy; do
		dokku_run apps:destroy --force "$app" || true
	done
}

# with_command TEXT - runs the script with a command dokku that runs TEXT.
with_command() {
	mkdir -p "$BATS_TEST_TMPDIR/bin"
	printf '#!/usr/bin/env bash\n%s\n' "$1" >"$BATS_TEST_TMPDIR/bin/dokku"
	chmod +x "$BATS_TEST_TMPDIR/bin/dokku"
	cd "$(repo script)" || return
	PATH=$BATS_TEST_TMPDIR/bin:$PATH run timeout 400 "$BATS_TEST_DIRNAME/dokku-script" script
	printf '%s\n' "$output"
	[[ $status -eq 0 ]]
	[[ $'\n'$(dokku_run --quiet apps:list) != *$'\nscript'* ]]
}

@test "a Dokku user's script runs unchanged on the server" {
	with_command "$(declare -f in_world); world=$world in_world dokku \"\$@\""
}

@test "the same script runs by ssh from another machine, over one connection" {
	mkdir -p "$BATS_TEST_TMPDIR/home/.ssh" "$BATS_TEST_TMPDIR/ssh"
	printf '#!/bin/sh\nexec /usr/bin/ssh%s "$@"\n' "${GIT_SSH_COMMAND#ssh}" \
		>"$BATS_TEST_TMPDIR/ssh/ssh"
	chmod +x "$BATS_TEST_TMPDIR/ssh/ssh"
	with_command "export DOKKU_HOST=$address HOME=$BATS_TEST_TMPDIR/home PATH=$BATS_TEST_TMPDIR/ssh:\$PATH
		exec sh $top/plugins/common/client/dokku \"\$@\""
	[[ $(in_world sh -c 'pgrep -c -u dokku sshd || true') -le 2 ]]
}
