#!/usr/bin/env bats
# A second scheduler, added as a folder: processes in network namespaces, no engine
# (tests/schedulers). What dokku promises holds with it: deploys, checks, rollbacks, and deaths in
# the midst of a deploy.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # shells in the world; each test is a subshell; the helper sets top and address

load helper

setup_file() {
	e2e_setup
	build_strike
	in_world dokku plugin:install --name builder-netns /src/tests/schedulers/netns-builder
	in_world dokku plugin:install --name scheduler-netns /src/tests/schedulers/netns
	dokku_run apps:create space
	dokku_run scheduler:set space selected netns
	dokku_run builder:set space selected netns
	dokku_run ps:scale --skip-deploy space worker=1
	dokku_run checks:set space default-wait 0
	dokku_run checks:set space wait-to-retire 5
	new_release v0
	push space
}

teardown_file() {
	dokku_run apps:destroy --force space || true
	in_world pkill --full 'scheduler-netns/root/daemo[n]' || true
	in_world dokku plugin:uninstall scheduler-netns || true
	in_world dokku plugin:uninstall builder-netns || true
}

new_release() { commit_with_worker space "$@"; }

# left_over - prints a line for each thing of the app besides its current release. No line means
# that all is well.
left_over() {
	in_world bash -c '
		shopt -s nullglob
		lib=/var/lib/dokku current=$(</var/lib/dokku/data/releases/space/current)
		list=$(dokku plugin:trigger scheduler-list netns space)
		awk -v r="$current" '\''$2 != r || $5 != "running" { print "process", $0 }'\'' <<<"$list"
		[[ $(wc -l <<<"$list") -eq 2 ]] || printf "2 processes are wanted: %s\n" "$list"
		[[ $(ip netns list | grep -c "^dk") -eq 2 ]] ||
			printf "namespace %s\n" $(ip netns list)
		web=$(awk '\''$3 == "web" { print $6 }'\'' <<<"$list")
		nft list map ip dokku services |
			grep -qE "$(<$lib/data/services/space/web.1) . 80 : $web . 5000" ||
			printf "no address leads to %s\n" "$web"
		printf "left: %s\n" "$lib"/data/draining/space/????????????* "$lib"/tmp/*
		for dir in "$lib"/data/releases/space/*/; do
			dir=${dir%/}
			[[ ${dir##*/} -le $current ]] || printf "release %s\n" "$dir"
		done
		for image in "$lib"/data/builder-netns/space/v*; do
			[[ -d $lib/data/releases/space/${image##*/v} ]] ||
				printf "image %s\n" "$image"
		done
		flock --nonblock $lib/lock/space true || printf "the lock is held\n"' |
		grep -v '^left: $'
}

is_clean() { [[ -z $(left_over) ]]; }

# settled RELEASE [NAME] - it alone is there and serves, nothing is left over; not one request was
# lost.
settled() {
	await 30 is_clean || {
		left_over >&2
		return 1
	}
	assert_serves space "$1"
	load_end load
}

@test "a push goes live; no engine has anything of it" {
	assert_serves space v0
	[[ -z $(in_world docker ps --all --quiet --filter label=com.dokku.app-name=space) ]]
	[[ -z $(in_world docker images --quiet dokku/space) ]]
	run dokku_run ps:report space
	[[ $output == *'Status web 1:'*'running'* && $output == *'Status worker 1:'*'running'* ]]
	await 30 is_clean
}

@test "a good push under keep-alive load loses nothing" {
	load_begin load space
	new_release v1
	run push space
	[[ $status -eq 0 && $output == *'-----> Starting space v'*': web.1, worker.1'* &&
		$output == *'-----> Switched to v'* ]]
	settled v1
}

@test "a push that breaks a check is refused; the old version serves" {
	load_begin load space
	new_release v2 --break
	printf 'WAIT=1\nATTEMPTS=2\n/ My Amazing App\n' >"$(repo space)/CHECKS"
	commit space v2 --break
	run push space
	[[ $status -ne 0 && $output == *'FAIL /: 200, but "My Amazing App" is not in its'* ]]
	[[ $output == *'The last lines of web.1'*'did not go live: v'*'still serves'* ]]
	settled v1
}

@test "a process that exits at once is refused; one that dies before the switch is given no traffic" {
	load_begin load space
	new_release v2 --env EXIT_AFTER_MS=1
	run push space
	[[ $status -ne 0 && $output == *'its process exited'* ]]
	settled v1
}

@test "a change of config and a rollback go the same way" {
	load_begin load space
	dokku_run config:set space MARK=one
	[[ $(fetch space /env/MARK) == one ]]
	new_release v3
	push space
	assert_serves space v3
	dokku_run releases:rollback space
	[[ $(fetch space /env/MARK) == one ]]
	settled v1
}

@test "logs, enter, run, ps:stop and ps:start" {
	local was
	was=$(released space)
	await 10 bash -c "'$top/tests/world' run '$world' -- dokku logs space | grep -q 'app\[worker.1\]: worker space $was tick'"
	# There somebody has the port already; in a namespace of its own nobody has.
	run dokku_run enter space web /web
	[[ $status -ne 0 && $output == *'cannot listen on port 5000'* ]]
	run dokku_run run space /public
	[[ $status -ne 0 ]]
	dokku_run ps:stop space
	[[ $(fetch space / --output /dev/null --write-out '%{http_code}') == 503 ]]
	dokku_run ps:start space
	assert_serves space "$was"
	await 30 is_clean
}

@test "an app that has releases keeps its scheduler" {
	run dokku_run scheduler:set space selected docker-local
	[[ $status -ne 0 && $output == *'space has releases that netns runs, so it keeps it'* ]]
	run dokku_run scheduler:set space selected nothere
	[[ $status -ne 0 &&
		$output == *'selected wants one of docker-local netns null, not "nothere"'* ]]
	[[ $(dokku_run scheduler:report space --scheduler-computed-selected) == netns ]]
}

@test "a process that is killed comes back by the watch" {
	in_world bash -c 'kill -KILL "$(dokku plugin:trigger scheduler-list netns space | awk '\''$3 == "worker" { print $8 }'\'')"'
	await 40 is_clean || {
		left_over >&2
		return 1
	}
}

@test "killed in the build, then pushed again" {
	local was
	was=$(released space)
	load_begin load space
	new_release v4
	push_struck space kill 'builder-build netns'
	assert_serves space "$was"
	push space
	settled v4
}

@test "killed when its processes start, then ps:restore" {
	load_begin load space
	new_release v5
	push_struck space kill 'scheduler-start netns'
	assert_serves space v4
	dokku_run ps:restore space
	settled v4
}

@test "killed in the checks, then reconcile" {
	load_begin load space
	new_release v6
	push_struck space kill ' --pid '
	assert_serves space v4
	dokku_run reconcile space
	settled v4
}

@test "killed between switch and commit, then nothing but the watch" {
	load_begin load space
	new_release v7
	push_struck space kill verify-switch
	settled v4
}

@test "killed right after the commit, then reconcile" {
	load_begin load space
	new_release v8
	push_struck space after 'write-file /var/lib/dokku/data/releases/space/current'
	dokku_run reconcile space
	settled v8
}

@test "apps:destroy leaves nothing" {
	dokku_run apps:destroy --force space
	run in_world bash -c \
		'shopt -s nullglob; printf "%s\n" /var/lib/dokku/data/*/space; ip netns list |
			grep ^dk'
	[[ -z $output ]]
}
