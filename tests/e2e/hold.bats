#!/usr/bin/env bats
# Hold: a release that must not run beside the one before. The old one stops first, requests wait
# meanwhile, and all are answered, also when the new release is refused or the deploy is killed.
# shellcheck disable=SC2154 # helper.bash and e2e_setup set address, keys, top, world
# shellcheck disable=SC2016 # for the shell in the world

load helper

setup_file() {
	e2e_setup
	in_world mkdir -p /srv/held
	dokku_run apps:create held
	dokku_run storage:mount held /srv/held:/data --volume-exclusive
	dokku_run checks:set held wait-to-retire 20
	commit_with_boot a
	push held
	commit_with_boot b
	push held
}

teardown_file() { dokku_run apps:destroy --force held || true; }

# commit_with_boot RELEASE - commits a release that takes a second until it listens, with a worker.
commit_with_boot() { commit_with_worker held "$1" --env BOOT_DELAY_MS=1000; }

# events_begin - records which containers of the app start and end.
events_begin() {
	in_world bash -c 'setsid docker events --filter label=com.dokku.app-name=held \
		--filter event=start --filter event=die \
		--format "{{.Status}} {{index .Actor.Attributes \"com.dokku.release\"}}" \
		>/tmp/held.events 2>/dev/null </dev/null & echo $! >/tmp/held.pid; sleep 0.5' 3>&-
}

# events_end [LEAST] - fails if a container of one release started while one of another was running,
# or if less than LEAST (4) starts and ends were seen.
events_end() {
	in_world bash -c 'sleep 0.5; kill "$(cat /tmp/held.pid)"; cat /tmp/held.events'
	in_world awk -v least="${1:-4}" '
		{ n[$2] += $1 == "start" ? 1 : -1 }
		n[$2] < 0 { n[$2] = 0 }
		$1 == "start" { for (r in n) if (r != $2 && n[r] > 0) bad = 1 }
		END { exit bad || NR < least }' /tmp/held.events
}

# held - the addresses whose connections wait.
held() { in_world nft list set ip dokku held | grep -c 'timeout .* expires' || true; }

@test "deploys, a change and a rollback: one release after the other, and each request is answered" {
	local nginx
	nginx=$(in_world pgrep -f 'nginx: worker' | sort)
	in_world sh -c 'docker events --help >/dev/null'
	# The running release is counted as one that has started.
	events_begin
	# 200 requests a second. Each visitor asks once a second, so hundreds of them wait.
	load_begin busy held --mode get=80@1 --mode post=80@1 --mode close=40@1
	commit_with_boot c
	run push held
	printf '%s\n' "$output" | grep -E 'requests wait|held' >&3
	[[ $status -eq 0 && $output == *'requests wait, for 30 s at most'*'held '* ]]
	dokku_run config:set held A=1
	dokku_run releases:rollback held
	load_end busy >&3
	assert_serves held c
	events_end
	[[ $(held) -eq 0 && $(in_world pgrep -f 'nginx: worker' | sort) == "$nginx" ]]
	assert_clean held
}

# ask N PATH - N visitors ask at once, in the background. answers has the status that each one gets.
ask() {
	local n
	for ((n = 0; n < $1; n++)); do
		fetch held "$2" --max-time 60 --output /dev/null --write-out '%{http_code}\n' \
			>>"$BATS_TEST_TMPDIR/answers" 3>&- &
		asking+=("$!")
	done
}

# assert_answered N - waits for who asks, and requires that N were answered by the app.
assert_answered() {
	wait "${asking[@]}" || true
	sort "$BATS_TEST_TMPDIR/answers" | uniq -c >&2
	[[ $(grep -c '^200$' "$BATS_TEST_TMPDIR/answers") -eq $1 &&
	$(wc -l <"$BATS_TEST_TMPDIR/answers") -eq $1 ]]
}

@test "20 requests in flight, and 20 that come while the old release is away, are answered, though nginx reloads" {
	local asking=() pushing
	: >"$BATS_TEST_TMPDIR/answers"
	commit_with_boot flight
	ask 20 '/slow?ms=9000'
	sleep 0.5
	git -C "$(repo held)" push -o hold=30 "dokku@$address:held" main 3>&- \
		>"$BATS_TEST_TMPDIR/push" 2>&1 &
	pushing=$!
	within 30 eval '[[ $(held) -eq 1 ]]'
	[[ ! -s $BATS_TEST_TMPDIR/answers ]]
	ask 20 /
	sleep 1
	in_world nginx -s reload
	wait "$pushing"
	assert_answered 40
	assert_serves held flight
	[[ $(held) -eq 0 ]]
	assert_clean held
}

@test "the engine is killed and starts again while requests wait: they are answered" {
	local asking=() now pushing
	now=$(released held)
	: >"$BATS_TEST_TMPDIR/answers"
	commit_with_worker held engine --env BOOT_DELAY_MS=8000
	push held >"$BATS_TEST_TMPDIR/push" 2>&1 3>&- &
	pushing=$!
	within 60 eval '[[ $(held) -eq 1 ]]'
	ask 20 /
	sleep 1
	in_world bash -c 'pkill -KILL -x dockerd
		while pgrep -x dockerd >/dev/null; do sleep 0.05; done
		rm -f /var/run/docker.pid
		setsid --fork dockerd </dev/null >>/var/log/dockerd.log 2>&1
		until docker version >/dev/null 2>&1; do sleep 0.1; done' 3>&-
	wait "$pushing" || true
	assert_answered 20
	[[ $(released held) == @("$now"|engine) ]]
	await 20 eval '[[ $(held) -eq 0 ]]'
	assert_clean held
}

@test "a release that is refused: the old one starts again, and each request is answered" {
	local now
	now=$(released held)
	events_begin
	load_begin refused held --mode get=8@10 --mode post=8@10
	commit_with_boot d
	printf 'WAIT=1\nATTEMPTS=3\n/ no such text\n' >"$(repo held)/CHECKS"
	commit held d
	run push held
	[[ $status -ne 0 && $output == *'starting v'*' again'* && $output == *'still serves'* ]]
	load_end refused >&3
	assert_serves held "$now"
	events_end
	[[ $(held) -eq 0 ]]
	assert_clean held
}

@test "a deploy that is killed: the watch starts the old one again, after the new one has ended" {
	build_strike
	local now step least=2
	now=$(released held)
	# The first two are killed before a container of the new release has started.
	for step in 'hold-traffic held' 'scheduler-stop docker-local held' \
		'scheduler-start docker-local held' 'check-deploy held' 'core-post-deploy held'; do
		events_begin
		load_begin killed held --mode get=4@5 --mode post=4@5
		commit_with_boot "e-$RANDOM"
		push_struck held after "$step"
		await 20 in_world flock --nonblock /var/lib/dokku/lock/held true
		await 20 has_no_leftovers held
		load_end killed >&3
		assert_serves held "$now"
		[[ $step != scheduler-start* ]] || least=4
		events_end "$least"
		[[ $(held) -eq 0 ]]
	done
}

@test "nothing is held of an app that is stopped, nor when its time is over" {
	dokku_run ps:stop held
	run fetch held / --output /dev/null --write-out '%{http_code} %{time_total}'
	[[ $output =~ ^503\ [01]\. ]]
	dokku_run ps:start held
	[[ $(fetch held / --output /dev/null --write-out '%{http_code}') == 200 ]]
	dokku_run releases:set held hold 2
	# A request that is not held any more gets its answer after some 11 s, when nginx has tried
	# the container that is gone. The release is live after that.
	commit_with_worker held late --env BOOT_DELAY_MS=20000
	printf 'WAIT=1\nTIMEOUT=5\nATTEMPTS=40\n/ My Amazing App\n' >"$(repo held)/CHECKS"
	commit held late --env BOOT_DELAY_MS=20000
	push held >/dev/null 3>&- &
	await 20 eval '[[ $(held) -eq 1 ]]'
	[[ $(fetch held / --max-time 30 --output /dev/null --write-out '%{http_code}') == 503 ]]
	wait $!
	assert_serves held late
	dokku_run releases:set held hold
}
