#!/usr/bin/env bats
# Kills a deploy, its client, or a program that it needs, in the middle of a deploy by ssh and under
# load. tests/torture does the same at each single command.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # shells in the world; each test is a subshell; the helper sets top and address

load helper

setup_file() {
	e2e_setup
	build_strike
	make_app crash 0 5
	dokku_run ps:scale --skip-deploy crash worker=1
	new_release v0
	push crash
}

teardown_file() {
	dokku_run apps:destroy --force crash || true
}

setup() {
	was=$(released crash)
	load_begin crash crash
}

teardown() {
	touch "$BATS_FILE_TMPDIR/crash.stop"
	wait
}

new_release() { commit_with_worker crash "$@"; }

# await_checks - waits until a new container of the running push is being checked.
await_checks() {
	in_world bash -c \
		'for ((i = 0; i < 600; i++)); do pgrep --full "check-runne[r].* --pid " && exit
			sleep 0.1; done; exit 1'
}

# begin_push RELEASE - starts a push in the background, in a new session, and returns while its
# containers are checked. The release needs some time to get ready.
begin_push() {
	new_release "$1" --env "BOOT_DELAY_MS=5000"
	setsid timeout 300 git -C "$(repo crash)" push "dokku@$address:crash" main \
		>"$BATS_TEST_TMPDIR/push" 2>&1 3>&- &
	pushing=$!
	await_checks
}

# branch_is_pushed - true if the app's branch has all commits of the pusher's branch.
branch_is_pushed() {
	[[ $(in_world git -c safe.directory='*' -C /home/dokku/crash rev-parse main) == "$(git \
		-C "$(repo crash)" rev-parse main)" ]] &&
		in_world git -c safe.directory='*' -C /home/dokku/crash fsck --connectivity-only
}

# push_fails [TEXT] - requires that the push ends with an error, and prints TEXT.
push_fails() {
	status=0
	wait "$pushing" || status=$?
	[[ $status -ne 0 && $(<"$BATS_TEST_TMPDIR/push") == *"${1-}"* ]] || {
		cat "$BATS_TEST_TMPDIR/push"
		return 1
	}
}

# push_struck RELEASE MODE TEXT [strike options] - pushes, and kills all processes of the push on
# the server when a command with TEXT in it starts.
push_struck() {
	local release=$1 mode=$2 text=$3 striking
	shift 3
	new_release "$release"
	in_world bash -c \
		'exec /src/build/tests/e2e/strike -p "$(pgrep --oldest --exact sshd)" -b /dokku \
			-t 60 -l /tmp/crash.log "$@"' \
		bash -a "$mode" -m "$text" "$@" 3>&- &
	striking=$!
	await 5 in_world bash -c \
		'grep -q "^TracerPid:.[1-9]" "/proc/$(pgrep --oldest --exact sshd)/status"'
	run push crash
	wait "$striking"
	[[ $status -ne 0 ]]
	[[ -n $(in_world grep ^struck /tmp/crash.log) ]]
}

# settled RELEASE - requires that only RELEASE exists, the lock is free, nothing is left over, a
# second reconcile changes nothing, and no request was lost.
settled() {
	local left
	left=$(in_world /src/tests/e2e/strike-once crash twice)
	[[ -z $left ]] || {
		printf '%s\n' "$left" >&2
		return 1
	}
	assert_serves crash "$1"
	load_end crash
}

@test "killed in the build, then pushed again" {
	push_struck v1 kill 'docker build' -d 100
	assert_serves crash "$was"
	push crash
	settled v1
}

@test "killed when a container was created, then ps:restore" {
	push_struck v2 kill /start
	assert_serves crash "$was"
	dokku_run ps:restore crash
	settled "$was"
}

@test "killed in the checks, then reconcile" {
	push_struck v3 kill ' --pid '
	assert_serves crash "$was"
	dokku_run reconcile crash
	settled "$was"
}

@test "killed between switch and commit, then nothing but the watch" {
	push_struck v4 kill verify-deploy
	await 75 has_no_leftovers crash
	settled "$was"
}

@test "killed right after the commit, then reconcile" {
	push_struck v5 after 'write-file /var/lib/dokku/data/releases/crash/current'
	dokku_run reconcile crash
	settled v5
}

@test "the ssh client is killed: the deploy goes on and ends" {
	begin_push v6
	kill -KILL -- "-$pushing"
	await 20 assert_serves crash v6
	await 20 branch_is_pushed
	settled v6
}

@test "a client that never reads holds up nothing" {
	begin_push v7
	kill -STOP -- "-$pushing"
	await 20 assert_serves crash v7
	kill -KILL -- "-$pushing"
	await 20 branch_is_pushed
	settled v7
}

@test "builds:cancel before the commit" {
	begin_push v8
	run dokku_run builds:cancel crash
	[[ $status -eq 0 && $output == *'git push '*', has ended'* ]]
	push_fails
	settled "$was"
}

@test "the holder of the lock dies: it is free within a second, and those below it end" {
	begin_push v9
	in_world pkill -KILL --full '/hold .*/lock/crash -- '
	in_world flock --timeout 1 /var/lib/dokku/lock/crash true
	push_fails 'was killed before it went live'
	settled "$was"
}

@test "two pushes at once: the one that was told live is served" {
	local other=$BATS_TEST_TMPDIR/other first=0 second=0
	new_release v10
	git clone --quiet "$(repo crash)" "$other"
	sed -i 's/ENV RELEASE=.*/ENV RELEASE="v11"/' "$other/Dockerfile"
	git -C "$other" -c user.name=t -c user.email=t@t commit --quiet --all --message v11
	push crash >"$BATS_TEST_TMPDIR/first" 3>&- &
	timeout 120 git -C "$other" push "dokku@$address:crash" main >"$BATS_TEST_TMPDIR/second" \
		2>&1 || second=$?
	wait "$!" || first=$?
	[[ $first -eq 0 || $second -eq 0 ]]
	if [[ $second -eq 0 ]]; then
		git -C "$(repo crash)" pull --quiet "$other" main
		settled v11
	else
		settled v10
	fi
}

@test "dockerd dies in the checks and comes back: the old release serves throughout" {
	begin_push v12
	in_world bash -c \
		'pkill -KILL --exact dockerd; while pgrep --exact dockerd; do sleep 0.1; done
			rm -f /var/run/docker.pid
			setsid --fork dockerd </dev/null >>/var/log/dockerd.log 2>&1'
	await 30 in_world docker version
	wait "$pushing" || true
	dokku_run reconcile crash
	settled "$(released crash)"
}

@test "nginx's master dies: its workers go on, and so does the deploy" {
	begin_push v13
	in_world bash -c 'kill -KILL "$(</run/nginx.pid)"'
	wait "$pushing"
	load_end crash
	in_world bash -c \
		'pkill -KILL --exact nginx; while pgrep --exact nginx; do sleep 0.1; done; nginx'
	load_begin crash crash
	settled v13
}

@test "the new container dies in the checks: refused" {
	begin_push v14
	in_world bash -c 'kill -KILL "$(pgrep --full --newest "^/web$")"'
	push_fails 'did not go live'
	settled "$was"
}

@test "check-runner dies: refused" {
	begin_push v15
	in_world pkill -KILL --full 'check-runner.* --pid '
	push_fails 'did not go live'
	settled "$was"
}

@test "apps:destroy after a crash leaves no trace" {
	push_struck v16 kill verify-deploy
	load_end crash
	dokku_run apps:destroy --force crash
	run in_world /src/tests/e2e/strike-once crash trace
	[[ -z $output ]]
}
