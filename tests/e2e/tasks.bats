#!/usr/bin/env bats
# Release tasks, and all or nothing over process types, by real pushes: what a task prints is
# shown, its failure, its deadline or a kill leave the old release, and no container.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; the helper sets address

load helper

setup_file() {
	e2e_setup
	make_app tasks 1 2
	new_release v0
	push tasks
}

teardown_file() {
	dokku_run apps:destroy --force tasks || true
}

# new_release RELEASE [PROCFILE LINE…] [-- make-repo options]
new_release() {
	local release=$1 lines=('web: /web')
	shift
	while [[ $# -gt 0 && $1 != -- ]]; do
		lines+=("$1")
		shift
	done
	shift || true
	mkdir -p "$(repo tasks)"
	printf '%s\n' "${lines[@]}" >"$(repo tasks)/Procfile"
	commit tasks "$release" "$@"
}

task_containers() { in_world docker ps --all --quiet --filter label=com.dokku.container-type=task; }

has_no_tasks() { [[ -z $(task_containers) ]]; }

# The sample has no shell: its worker ends by itself, with the status that its image asks for.
ends() { printf -- '--env\nEXIT_AFTER_MS=%s\n--env\nEXIT_CODE=%s\n' "$1" "$2"; }

@test "a release task that ends well, then the new release" {
	mapfile -t options < <(ends 300 0)
	new_release v1 'release: /web worker' -- "${options[@]}"
	dokku_run checks:disable tasks
	run push tasks
	dokku_run checks:enable tasks
	[[ $output == *'Executing release task from Procfile: /web worker'*'Starting tasks v'* ]]
	[[ $output == *', release '*' s, start '* ]]
	has_no_tasks
}

@test "a release task that fails: one clear reason, the old release serves, nothing is left" {
	new_release v2
	push tasks
	mapfile -t options < <(ends 100 3)
	new_release v3 'release: /web worker' -- "${options[@]}"
	load_begin fails tasks
	run push tasks
	[[ $status -ne 0 && $output == *'Execution of release task failed: it exited with status 3'* &&
		$output != *'Starting tasks'* ]]
	load_end fails
	assert_serves tasks v2
	has_no_tasks
	assert_clean tasks
}

@test "a release task that does not end is stopped at its deadline" {
	dokku_run app-json:set tasks task-timeout 2
	new_release v4 'release: /web worker'
	run push tasks
	dokku_run app-json:set tasks task-timeout
	[[ $status -ne 0 && $output == *'release did not end within 2 s'* ]]
	assert_serves tasks v2
	has_no_tasks
	assert_clean tasks
}

@test "killed in a task: who comes next takes its container away" {
	local pushing
	new_release v5 'release: /web worker'
	push tasks >/dev/null 3>&- &
	pushing=$!
	await 30 eval '! has_no_tasks'
	in_world pkill \
		-KILL --full '/dokku.*(git-hook|job|deploy|scheduler-task|release-tasks).*tasks' ||
		true
	wait "$pushing" || true
	# If the watch is faster, this does not wait for it.
	dokku_run reconcile tasks
	await 20 has_no_tasks
	assert_serves tasks v2
	assert_clean tasks
}

@test "builds:cancel in a task stops it" {
	local pushing status=0
	new_release v6 'release: /web worker'
	push tasks >"$BATS_TEST_TMPDIR/push" 3>&- &
	pushing=$!
	await 30 eval '! has_no_tasks'
	dokku_run builds:cancel tasks
	wait "$pushing" || status=$?
	[[ $status -ne 0 ]]
	has_no_tasks
	assert_clean tasks
}

# Its web ends with its worker, so there is nothing to check, and another release afterwards.
@test "a restart and a change of config run no task" {
	mapfile -t options < <(ends 300 0)
	new_release v7 'release: /web worker' -- "${options[@]}"
	dokku_run checks:disable tasks
	run push tasks
	[[ $status -eq 0 && $output == *'Executing release task from Procfile'* ]]
	run dokku_run ps:restart tasks
	[[ $status -eq 0 && $output == *'Starting tasks'* && $output != *'Executing release'* ]]
	run dokku_run config:set tasks A=1
	[[ $status -eq 0 && $output == *'Starting tasks'* && $output != *'Executing release'* ]]
	dokku_run checks:enable tasks
	new_release v2 -- --env SERIAL=2
	push tasks
	assert_serves tasks v2
}

@test "a worker that fails leaves web untouched: all process types or none" {
	dokku_run ps:scale --skip-deploy tasks worker=1
	new_release v8 'worker: /no-such-program'
	load_begin worker tasks
	run push tasks
	[[ $status -ne 0 && $output == *'worker.1: its process exited while it was checked'* &&
		$output == *'still serves'* ]]
	load_end worker
	assert_serves tasks v2
	assert_clean tasks
	dokku_run ps:scale --skip-deploy tasks worker=0
}

@test "a predeploy that changes no file, and a postdeploy" {
	printf '{ "scripts": { "dokku": { "predeploy": "/web worker", "postdeploy": "/web worker" } } }' \
		>"$(repo tasks)/app.json"
	mapfile -t options < <(ends 100 0)
	new_release v9 -- "${options[@]}"
	dokku_run checks:disable tasks
	run push tasks
	dokku_run checks:enable tasks
	rm "$(repo tasks)/app.json"
	[[ $status -eq 0 && $output == *'Executing predeploy task from app.json: /web worker'* &&
		$output == *'Executing postdeploy task from app.json in ephemeral container: /web worker'* ]]
	has_no_tasks
}
