#!/usr/bin/env bats
# A program that a deploy needs is killed during the deploy, or the deploy itself is stopped for a
# while. In each case the old release or the new one serves, and nothing is left over. KILLS=all
# kills every victim at every point, otherwise each at one or two.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # shells in the world; each test is a subshell; the helper sets top and address

load helper

# Where a deploy can be held up: its image is built; its containers are checked; the proxy has
# answered for them; they have the traffic, and it is not committed.
readonly POINTS=(post-build check-deploy verify-deploy core-post-deploy)

setup_file() {
	e2e_setup
	build_strike
	install_stops kills ' kill ' "${POINTS[@]}"
	make_app kill 0 2
	printf '0\n' >"$BATS_FILE_TMPDIR/count"
	commit_and_push kill k0
}

teardown_file() {
	remove_stops kills
	dokku_run apps:destroy --force kill || true
	dokku_run apps:destroy --force bystander || true
}

setup() {
	was=$(released kill)
	reset_stops kills
}

teardown() {
	in_world touch /tmp/kills/go
	touch "$BATS_TEST_TMPDIR/stop" "$BATS_FILE_TMPDIR/kill.stop"
	wait
}

# begin_push POINT - starts a push of the next release in the background, which waits at POINT.
begin_push() {
	new=k$(($(<"$BATS_FILE_TMPDIR/count") + 1))
	printf '%s\n' "${new#k}" >"$BATS_FILE_TMPDIR/count"
	commit kill "$new"
	stop_at kills "$1"
	setsid timeout 300 git -C "$(repo kill)" push "dokku@$address:kill" main \
		>"$BATS_TEST_TMPDIR/push" 2>&1 3>&- &
	pushing=$!
	await 200 in_world test -e "/tmp/kills/$1.at"
}

# watch_begin, watch_end [dark] - what answers meanwhile is the old release or the new one; with
# "dark", or nothing at all for a time.
watch_begin() {
	rm -f "$BATS_TEST_TMPDIR/stop"
	while [[ ! -e $BATS_TEST_TMPDIR/stop ]]; do
		printf 'saw %s\n' "$(released kill)"
		sleep 0.05
	done >"$BATS_TEST_TMPDIR/seen" 3>&- &
	watching=$!
}

watch_end() {
	local other
	touch "$BATS_TEST_TMPDIR/stop"
	wait "$watching"
	other=$(sort "$BATS_TEST_TMPDIR/seen" | uniq -c | grep -vE "saw ($was|$new)\$") || true
	[[ $1 != dark ]] || other=$(grep -vE 'saw $' <<<"$other") || true
	[[ -z $other ]] || {
		printf 'neither %s nor %s:\n%s\n' "$was" "$new" "$other" >&2
		return 1
	}
}

# ended - requires that the push was told the truth, nothing is left over, and a reconcile changes
# nothing.
ended() {
	local status=0 serves=$new left
	wait "$pushing" || status=$?
	if [[ $status -ne 0 ]]; then
		serves=$was
		grep -qE '^remote: +!     ' "$BATS_TEST_TMPDIR/push"
	fi
	printf '%s: status %s\n' "$new" "$status"
	dokku_run reconcile kill
	await 20 assert_serves kill "$serves"
	left=$(in_world /src/tests/e2e/strike-once kill twice)
	[[ -z $left ]] || {
		printf '%s\n' "$left" >&2
		return 1
	}
}

# strike LOSS VICTIM POINT… - VICTIM dies at each POINT, or at all of them. LOSS: none, where no
# request may be lost; answers, where those under way may be, but somebody always answers; dark.
strike() {
	local loss=$1 victim=$2 point
	shift 2
	[[ ${KILLS-} != all || $# -gt 3 ]] || set -- "${POINTS[@]}"
	for point; do
		printf '%s at %s: ' "$victim" "$point"
		was=$(released kill)
		[[ $loss != none ]] || load_begin kill kill
		watch_begin
		begin_push "$point"
		"kill_$victim"
		in_world touch /tmp/kills/go
		ended
		watch_end "$loss"
		[[ $loss != none ]] || load_end kill
	done
}

# web_pid N - prints the main process of the app's Nth newest web container.
web_pid() {
	in_world bash -c \
		'docker ps --filter label=com.dokku.app-name=kill \
			--filter label=com.dokku.process-type=web --quiet |
		sed -n "$1p" | xargs docker inspect --format "{{.State.Pid}}"' bash "$1"
}

kill_new() { in_world kill -KILL "$(web_pid 1)"; }

kill_old() { in_world kill -KILL "$(web_pid 2)"; }

kill_dockerd() {
	in_world bash -c \
		'pkill -KILL --exact dockerd; while pgrep --exact dockerd; do sleep 0.1; done
		rm -f /var/run/docker.pid
		setsid --fork dockerd </dev/null >>/var/log/dockerd.log 2>&1'
	await 60 in_world docker version
}

kill_containerd() {
	in_world pkill -KILL --exact containerd
	await 60 in_world pgrep --exact containerd
}

# The workers go on without a master; then nginx is started again, as systemd would.
kill_master() {
	in_world bash -c 'kill -KILL "$(</run/nginx.pid)"'
}

kill_workers() { in_world bash -c 'pkill -KILL --parent "$(</run/nginx.pid)"'; }

@test "the new container dies: before it has the traffic, nobody notices" {
	strike none new check-deploy verify-deploy
}

@test "the new container dies with the traffic: it comes back, or the old one does" {
	strike dark new core-post-deploy
}

@test "the old container dies while it serves" {
	strike dark old check-deploy verify-deploy
}

@test "dockerd dies, and comes back" {
	strike none dockerd core-post-deploy post-build
}

@test "containerd dies, and comes back" {
	strike none containerd check-deploy
}

@test "nginx's workers die" {
	strike dark workers verify-deploy core-post-deploy
}

@test "nginx's master dies: its workers go on, and so does the deploy" {
	strike none master verify-deploy
	in_world bash -c \
		'pkill -KILL --exact nginx; while pgrep --exact nginx; do sleep 0.1; done; nginx'
}

@test "the check-runner that asks through the proxy dies" {
	printf 'WAIT=1\nATTEMPTS=30\n/ My Amazing App\n/env/STILL no\n' >"$(repo kill)/CHECKS"
	load_begin kill kill
	new=k$(($(<"$BATS_FILE_TMPDIR/count") + 1))
	printf '%s\n' "${new#k}" >"$BATS_FILE_TMPDIR/count"
	commit kill "$new"
	setsid timeout 300 git -C "$(repo kill)" push "dokku@$address:kill" main \
		>"$BATS_TEST_TMPDIR/push" 2>&1 3>&- &
	pushing=$!
	await 60 in_world pgrep --full 'check-runner.* --pid '
	in_world pkill -KILL --full 'check-runner.* --pid '
	ended
	assert_serves kill "$was"
	load_end kill
	printf '/ My Amazing App\n' >"$(repo kill)/CHECKS"
}

# deploy_session - prints the session ID of the running deploy.
deploy_session() {
	in_world bash -c 'ps -o sid= -p "$(cut -d " " -f 1 /var/lib/dokku/lock/kill)"' | tr -d ' '
}

# others_are_told - called while the deploy is stopped. Requires that other operations on the app
# end with a message that names the deploy, and that clean-up jobs skip the app.
others_are_told() {
	local since=$SECONDS
	run dokku_run ps:restart kill
	[[ $status -eq 1 && $output == *'kill is busy: git push '*' runs since '* ]]
	run dokku_run --wait=1 config:set kill STOPPED=1
	[[ $status -eq 1 && $output == *'waiting, up to 1 s'*'kill is busy: git push '* ]]
	run dokku_run apps:destroy --force kill
	[[ $status -eq 1 && $output == *'kill is busy: git push '* ]]
	dokku_run reconcile kill
	dokku_run watch:heal
	dokku_run ps:restore --all
	((SECONDS - since < 60))
}

@test "a deploy is stopped while others want the app: they are told, it goes on" {
	local point session points=(core-post-deploy)
	[[ ${KILLS-} != all ]] || points=("${POINTS[@]}")
	dokku_run apps:exists bystander || commit_and_push bystander b1
	for point in "${points[@]}"; do
		was=$(released kill)
		load_begin kill kill
		watch_begin
		begin_push "$point"
		session=$(deploy_session)
		in_world pkill -STOP --session "$session"
		in_world touch /tmp/kills/go
		others_are_told
		# What is frozen in one app holds up no other.
		commit_and_push bystander "b$point"
		assert_serves bystander "b$point"
		in_world pkill -CONT --session "$session"
		ended
		watch_end none
		assert_serves kill "$new"
		load_end kill
	done
}

@test "a push is stopped while it waits: another operation runs to its end before it" {
	local session
	in_world bash -c \
		'setsid --fork setpriv --reuid dokku --regid dokku --init-groups flock \
			/var/lib/dokku/lock/kill \
		sh -c "echo \$\$ 12:00:00 a test >/var/lib/dokku/lock/kill; while [ ! -e /tmp/kills/free ]; do sleep 0.05; done" \
		</dev/null >/dev/null 2>&1'
	await 10 in_world grep -q 'a test' /var/lib/dokku/lock/kill
	commit kill waited
	timeout 300 git -C "$(repo kill)" push -o wait "dokku@$address:kill" main \
		>"$BATS_TEST_TMPDIR/push" 2>&1 3>&- &
	pushing=$! new=waited
	await 30 in_world bash -c \
		'grep -q "a test runs since 12:00:00 .*waiting" \
			"$(ls -d /var/lib/dokku/data/builds/kill/*/ | tail -n 1)log"'
	session=$(in_world bash -c \
		'cat "$(ls -d /var/lib/dokku/data/builds/kill/*/ | tail -n 1)pid"')
	in_world pkill -STOP --session "$session"
	in_world touch /tmp/kills/free
	await 10 in_world flock --nonblock /var/lib/dokku/lock/kill true
	dokku_run config:set kill BEFORE=1
	in_world pkill -CONT --session "$session"
	ended
	assert_serves kill waited
	[[ $(fetch kill /env/BEFORE) == 1 ]]
}

@test "the draining of old containers is stopped while the next deploy runs to its end" {
	commit kill d1
	push kill
	in_world pkill -STOP --full 'scheduler-docker-local/libexec/retire kill'
	commit kill d2
	push kill
	assert_serves kill d2
	in_world pkill -CONT --full 'scheduler-docker-local/libexec/retire kill'
	assert_clean kill
}
