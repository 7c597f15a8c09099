#!/usr/bin/env bats
# Pushes by ssh: good ones, which go live, and those that are refused or fail.

# shellcheck disable=SC2030,SC2031,SC2016 # bats runs each test in a subshell; text for there
# shellcheck disable=SC2154 # helper.bash and e2e_setup set address, keys, top, world

load helper

setup_file() {
	e2e_setup
	commit_and_push shop v1
}

teardown_file() {
	local app
	for app in shop fresh nobody; do
		dokku_run apps:destroy --force "$app" || true
	done
}

# refused APP EXPECTED - requires that the last push was refused with EXPECTED, and changed nothing.
refused() {
	[[ $status -ne 0 ]]
	[[ $output == *"$2"* ]] || {
		printf 'no "%s" in:\n%s\n' "$2" "$output" >&2
		return 1
	}
	assert_serves shop v1
	assert_clean "$1"
}

@test "a first push makes the app and goes live at the URL that it prints" {
	run commit_and_push fresh v1
	[[ $status -eq 0 ]]
	[[ $output == *'-----> Building fresh from Dockerfile at '* ]]
	[[ $output == *'-----> Starting fresh v1: web.1'* ]]
	[[ $output == *'-----> Checking web.1: 3 checks from CHECKS, up to '* ]]
	[[ $output == *'ok   / "My Amazing App"'* ]]
	[[ $output == *'-----> Switched to v1 in '*' ms'* ]]
	[[ $output == *'=====> fresh v1 is live: http://fresh.'* ]]
	[[ $output =~ build\ [0-9.]+\ m?s,\ start\ [0-9.]+\ m?s,\ checks\ [0-9.]+\ m?s,\ verify\ [0-9.]+\ m?s,\ switch\ [0-9.]+\ m?s ]]
	assert_serves fresh v1
	assert_clean fresh
	[[ $(image_of fresh 1) =~ ^dokku/fresh:v1-[0-9a-f]{16}$ ]]
	[[ $(dokku_run releases:info fresh --format json | jq --raw-output .image) == "$(image_of \
		fresh 1)" ]]
	# Scripts that know Dokku start the image by this name.
	run in_world docker image inspect --format '{{.Id}}' dokku/fresh:latest
	[[ $status -ne 0 ]]
	dokku_run scheduler-docker-local:set fresh latest-tag true
	dokku_run cleanup fresh
	await 10 in_world docker image inspect --format '{{.Id}}' dokku/fresh:latest
	dokku_run scheduler-docker-local:set fresh latest-tag
	dokku_run cleanup fresh
	run in_world docker image inspect --format '{{.Id}}' dokku/fresh:latest
	[[ $status -ne 0 ]]
}

@test "a good push under keep-alive load loses nothing and closes no connection" {
	commit_and_push fresh v1
	load_begin good fresh
	commit_and_push fresh v2
	sleep 1
	load_end good
	[[ $(jq '[.. | objects | .failed? // empty] | add' "$BATS_FILE_TMPDIR/good.json") -eq 0 ]]
	assert_serves fresh v2
}

@test "a push that breaks a check is refused; the old version serves" {
	printf 'WAIT=1\nATTEMPTS=2\n/ My Amazing App\n' >"$(repo shop)/CHECKS"
	load_begin bad shop
	run commit_and_push shop v2 --break
	load_end bad
	refused shop 'FAIL /: 200, but "My Amazing App" is not in its'
	[[ $output == *'The last lines of web.1'* ]]
	[[ $output == *'did not go live: v1 still serves'* ]]
}

@test "a CHECKS line that is not understood is refused before anything is built" {
	printf '/ My Amazing App\n? what\n' >"$(repo shop)/CHECKS"
	run commit_and_push shop v2
	refused shop 'CHECKS:2:'
	[[ $output != *'Starting shop'* && $output != *'FROM scratch'* ]]
}

@test "a process that exits at once is refused at once" {
	printf '/ My Amazing App\n' >"$(repo shop)/CHECKS"
	run commit_and_push shop v2 --env EXIT_AFTER_MS=1 --env EXIT_CODE=3
	refused shop 'its process exited'
}

@test "a port that nobody listens on is refused" {
	printf 'WAIT=1\nATTEMPTS=2\n/ My Amazing App\n' >"$(repo shop)/CHECKS"
	run commit_and_push shop v2 --env NO_LISTEN=1
	refused shop 'nothing answered on port 5000'
}

@test "without CHECKS: a process that exits, or does not listen, is refused" {
	dokku_run checks:set shop default-wait 1
	rm -f "$(repo shop)/CHECKS"
	run commit_and_push shop v2 --env EXIT_AFTER_MS=300
	refused shop 'its process exited'
}

@test "a Dockerfile that does not build is refused" {
	commit shop v2
	printf 'FROM scratch\nCOPY nothere /\n' >"$(repo shop)/Dockerfile"
	git -C "$(repo shop)" -c user.name=t -c user.email=t@t commit --quiet --all --message broken
	run push shop
	refused shop 'its Dockerfile does not build'
}

@test "a repo that nothing knows how to build is refused" {
	mkdir -p "$(repo nobody)"
	git -C "$(repo nobody)" init --quiet --initial-branch=main
	printf 'hello\n' >"$(repo nobody)/README"
	git -C "$(repo nobody)" add README
	git -C "$(repo nobody)" -c user.name=t -c user.email=t@t commit --quiet --message one
	run push nobody
	refused nobody 'nothing here knows how to build this repo: add a Dockerfile'
}

@test "an empty tree is refused" {
	git -C "$(repo nobody)" rm --quiet README
	git -C "$(repo nobody)" -c user.name=t -c user.email=t@t commit --quiet --message empty
	run push nobody
	refused nobody 'has no files'
}

@test "a branch that does not deploy is stored with a warning, or refused; the way out is named" {
	git -C "$(repo shop)" branch --force feature
	run push shop feature
	[[ $status -eq 0 && $output == *'nothing was deployed'*'git push dokku feature:main'* ]]
	assert_serves shop v1
	dokku_run git:set shop other-branches refuse
	git -C "$(repo shop)" branch --force topic
	run push shop topic
	refused shop 'git push dokku topic:main'
	dokku_run git:set shop other-branches
}

@test "a bad app name is refused" {
	run timeout 60 git -C "$(repo shop)" push "dokku@$address:Not_An_App" main
	[[ $status -ne 0 && $output == *'not an app name: "Not_An_App"'* ]]
	run timeout 60 git -C "$(repo shop)" push "dokku@$address:../../etc" main
	[[ $status -ne 0 && $output == *'not an app name'* ]]
	[[ $(dokku_run --quiet apps:list) != *Not_An_App* ]]
}

@test "the deploy branch cannot be deleted by a push" {
	run timeout 60 git -C "$(repo shop)" push "dokku@$address:shop" :main
	[[ $status -ne 0 && $output == *'cannot be deleted'* ]]
	assert_serves shop v1
}

@test "two pushes at once: one goes live, the other is told who deploys" {
	commit_and_push fresh v3
	printf 'WAIT=3\nATTEMPTS=2\n/ My Amazing App\n' >"$(repo fresh)/CHECKS"
	commit fresh v4 --env BOOT_DELAY_MS=3000
	push fresh >"$BATS_TEST_TMPDIR/first" 2>&1 3>&- &
	# Which of them is first to the lock is not said.
	await 20 in_world bash -c '! flock --nonblock /var/lib/dokku/lock/fresh true'
	run push fresh
	local second=$status first=0
	wait "$!" || first=$?
	printf '%s\n' "$output" >"$BATS_TEST_TMPDIR/second"
	[[ $((first == 0)) -ne $((second == 0)) ]]
	grep -q 'fresh is busy: git push .* runs since ' \
		"$BATS_TEST_TMPDIR/$([[ $first -eq 0 ]] && echo second || echo first)"
	assert_serves fresh v4
	assert_clean fresh
}

@test "Procfile: web and worker are one release; logs show both" {
	printf 'web: /web\nworker: /web worker\n' >"$(repo fresh)/Procfile"
	printf '/ My Amazing App\n' >"$(repo fresh)/CHECKS"
	dokku_run checks:set fresh default-wait 1
	dokku_run ps:scale --skip-deploy fresh worker=1
	run commit_and_push fresh v5
	[[ $status -eq 0 && $output == *'Starting fresh v'*': web.1, worker.1'* ]]
	await 10 bash -c "'$top/tests/world' run '$world' -- dokku logs fresh | grep -q 'app\[worker.1\]: worker fresh v5 tick'"
	assert_clean fresh
}

@test "a failing worker leaves web as it is" {
	run commit_and_push fresh v6 --env EXIT_AFTER_MS=500
	[[ $status -ne 0 && $output == *'its process exited'* ]]
	assert_serves fresh v5
	assert_clean fresh
}

@test "commands over ssh: words are split, nothing is expanded" {
	run over_ssh "config:set --no-restart fresh 'A=it is \$HOME' B=\"two words\""
	[[ $status -eq 0 ]]
	[[ $(over_ssh config:get fresh A) == 'it is $HOME' ]]
	[[ $(over_ssh config:get fresh B) == 'two words' ]]
	run over_ssh 'apps:list; id'
	[[ $status -eq 1 && $output != *uid=* ]]
	run over_ssh "locked fresh x /usr/bin/id"
	[[ $status -eq 1 && $output != *uid=* ]]
}

@test "a host name that no app has is refused, by HTTP and HTTPS" {
	[[ $(fetch nosuchapp / --output /dev/null --write-out '%{http_code}') == 404 ]]
	run curl --silent --insecure --max-time 5 --connect-to "::$address:443" \
		https://nosuch.example/
	[[ $status -eq 35 ]]
}
