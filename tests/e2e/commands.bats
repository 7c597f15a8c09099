#!/usr/bin/env bats
# Commands of the Procfile and of app.json, with real pushes and an image that has a shell. They run
# as under sh -c, signals reach the app, and a line that is not understood is refused before the
# build.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; the helper sets address

load helper

setup_file() {
	e2e_setup
	make_app commands 1 1
	mkdir -p "$(repo commands)/public"
	git -C "$(repo commands)" init --quiet --initial-branch=main
	cp "$WEB_BINARY" "$(type -P busybox)" "$(repo commands)/public/"
	printf '%s\n' 'FROM scratch' 'COPY public /public' 'COPY public/busybox /bin/sh' \
		'COPY public/busybox /bin/sleep' \
		'WORKDIR /' 'ENV APP=commands' >"$(repo commands)/Dockerfile"
}

teardown_file() {
	dokku_run apps:destroy --force commands || true
}

# deploy LINE… - pushes the app with these lines as its Procfile.
deploy() {
	printf '%s\n' "$@" >"$(repo commands)/Procfile"
	commit_files commands --message x
	run push commands
}

serves() { [[ $(fetch commands / --output /dev/null --write-out '%{http_code}') == 200 ]]; }

@test "commands that only a shell understands start and serve" {
	local command
	for command in 'cd public && ./web' 'X=1 /public/web' ': ; cd public; ./web' \
		'if :; then /public/web; fi' '/public/web | sleep 1000'; do
		deploy "web: $command"
		[[ $status -eq 0 ]] || printf '%s: %s\n' "$command" "$output"
		[[ $status -eq 0 ]]
		serves
	done
}

@test "release: both commands run, and the second decides" {
	deploy 'web: /public/web' 'release: : && sh -c "exit 3"'
	[[ $status -ne 0 &&
		$output == *'Execution of release task failed: it exited with status 3'* ]]
	deploy 'web: /public/web' 'release: : && sh -c "exit 0"'
	[[ $status -eq 0 ]]
	serves
}

# graceful COMMAND - deploys COMMAND as the worker, stops its container, and sets output to its log
# and exit status.
graceful() {
	local id
	deploy 'web: /public/web' "worker: $1"
	[[ $status -eq 0 ]]
	id=$(in_world docker ps --quiet --filter label=com.dokku.app-name=commands \
		--filter label=com.dokku.process-type=worker --latest)
	run in_world sh -c "docker stop --time 20 $id >/dev/null; docker logs $id 2>&1; docker inspect --format 'exit {{.State.ExitCode}}' $id"
}

@test "a signal reaches an app behind a shell, which ends in its own time" {
	local app='trap "sleep 1; echo graceful; exit 7" TERM; while :; do sleep 0.1; done'
	printf '#!/bin/sh\n%s\n' "$app" >"$(repo commands)/public/slow"
	chmod +x "$(repo commands)/public/slow"
	dokku_run ps:scale --skip-deploy commands worker=1
	local command
	for command in 'cd public && ./slow' 'if :; then /public/slow; fi' \
		'/public/slow; echo never'; do
		graceful "$command"
		printf '%s: %s\n' "$command" "$output"
		[[ $output == *graceful* && $output == *'exit 7'* && $output != *never* ]]
	done
	dokku_run ps:scale --skip-deploy commands worker=0
}

@test "a line that is not understood is refused before the build" {
	deploy 'web: /public/web' 'release : /no'
	[[ $status -ne 0 && $output == *'Procfile:2:8: a blank before the colon'* &&
		$output != *'FROM scratch'* ]]
	serves
}

@test "config:set PORT: the app that follows it serves from there" {
	deploy 'web: /public/web'
	run dokku_run config:set commands PORT=7000
	[[ $status -eq 0 && $output == *'port 7000'* ]]
	serves
	run dokku_run config:set commands PORT=99999
	[[ $status -ne 0 && $output == *'not a port'* ]]
	dokku_run config:unset commands PORT
	serves
}

@test "a Procfile of workers only goes live, without web and with it again" {
	# A push that would leave nothing running is refused.
	deploy 'worker: sleep 1000'
	[[ $status -ne 0 &&
		$output == *'nothing would run any more: there is no web here, only worker'* ]]
	serves
	dokku_run ps:scale --skip-deploy commands worker=1
	deploy 'worker: sleep 1000'
	[[ $status -eq 0 && $output == *'web=0 instead of web=1'* ]]
	[[ $(in_world docker ps --quiet --filter label=com.dokku.app-name=commands \
		--filter label=com.dokku.process-type=worker | wc -l) -eq 1 ]]
	deploy 'web: /public/web'
	[[ $status -eq 0 && $output == *'worker=0 instead of worker=1'* ]]
	serves
}

@test "a HEALTHCHECK of the image decides whether a version goes live" {
	local file
	file=$(repo commands)/Dockerfile
	printf '%s\n' 'COPY public/busybox /bin/wget' \
		'HEALTHCHECK CMD wget -qO- http://localhost:$PORT/' >>"$file"
	deploy 'web: /public/web'
	[[ $status -eq 0 && $output == *'web.1: the HEALTHCHECK of the image, up to 90 s'* &&
		$output == *'web.1 is healthy'* ]]
	serves
	sed -i 's,^HEALTHCHECK,& --interval=1s --retries=2,; s,wget -q.*,echo no database; exit 4,' \
		"$file"
	deploy 'web: cd / && /public/web'
	[[ $status -ne 0 && $output == *'no database'* &&
		$output == *'HEALTHCHECK of the image ended with status 4'* ]]
	serves
	sed -i '/^HEALTHCHECK/d' "$file"
	deploy 'web: /public/web'
	[[ $status -eq 0 ]]
}

@test "ps:set skip-deploy: what is pushed is built and stored, and ps:rebuild deploys it" {
	local before
	dokku_run ps:set commands skip-deploy true
	before=$(in_world cat /var/lib/dokku/data/releases/commands/current)
	deploy 'web: X=2 /public/web'
	[[ $status -eq 0 && $output == *'Skipping deployment'* ]]
	[[ $(in_world cat /var/lib/dokku/data/releases/commands/current) == "$before" ]]
	run in_world git --git-dir /home/dokku/commands -c 'safe.directory=*' rev-parse main
	head=$(git -C "$(repo commands)" rev-parse HEAD)
	[[ $output == "$head" ]]
	serves
	dokku_run ps:set commands skip-deploy false
	dokku_run ps:rebuild commands
	[[ $(in_world cat /var/lib/dokku/data/releases/commands/current) != "$before" ]]
	serves
}

@test "run --cron-id: one run of a task at a time, and none that was replaced" {
	deploy 'web: /public/web'
	dokku_run run:detached --cron-id nightly commands sleep 1000
	run dokku_run run --cron-id nightly --concurrency-policy forbid commands sleep 0
	[[ $status -eq 1 && $output == *'currently has a cron lock in place for nightly'* ]]
	run dokku_run run --cron-id nightly --concurrency-policy replace commands 'echo ran; :'
	[[ $status -eq 0 && $output == *ran* ]]
	[[ -z $(in_world docker ps --quiet --filter label=com.dokku.cron-id=nightly) ]]
	run dokku_run run --cron-id nightly --concurrency-policy forbid commands 'echo again; :'
	[[ $status -eq 0 && $output == *again* ]]
}
