#!/usr/bin/env bats
# A host on which make install runs twice at once, by two people or by one and a script.

# shellcheck disable=SC2154 # the helper sets world, output, status

load helper

setup_file() { host_up; }
teardown_file() { host_down; }

# both FIRST SECOND - each a make command, the second begun a moment later; fails if one does. Their
# output is in $output.
both() {
	local first second
	in_world sh -c "$1" >"$BATS_FILE_TMPDIR/first" 2>&1 3>&- &
	first=$!
	sleep "$3"
	second=0
	in_world sh -c "$2" >"$BATS_FILE_TMPDIR/second" 2>&1 || second=$?
	wait "$first" || second=$?
	cat "$BATS_FILE_TMPDIR/first" "$BATS_FILE_TMPDIR/second"
	return "$second"
}

@test "make install twice at once, of two checkouts: one waits for the other, and both succeed" {
	in_world cp -r /root/dokku /root/other
	run both 'make -C /root/dokku install' 'make -C /root/other install' 0.3
	[[ $status -eq 0 && $output == *'Another make install or uninstall is at work'* &&
		$output != *overlaps* ]]
	host_key
	commit_and_push plain v1
	assert_serves plain v1
}

@test "make install twice at once over what is there, of one checkout" {
	run both 'make -C /root/dokku install' 'make -C /root/dokku install' 0.1
	[[ $status -eq 0 ]]
	commit_and_push plain v2
	assert_serves plain v2
}

@test "an upgrade takes nothing away, not for a moment, from a push that runs" {
	# shellcheck disable=SC2016 # for the shell there
	in_world bash -c '
		(
			for ((i = 0; i < 20; i++)); do
				make --silent -C /root/dokku install-files || exit
			done
		) &
		missing=0 seen=0
		while kill -0 $! 2>/dev/null; do
			[[ -e /usr/local/lib/dokku/plugins/common/functions ]] ||
			missing=$((missing + 1))
			seen=$((seen + 1))
		done
		wait $! && echo "missing $missing times of $seen" && [[ $missing -eq 0 ]]'
	in_world test ! -e /usr/local/lib/dokku.new
	commit_and_push plain v3
	assert_serves plain v3
}

@test "an upgrade waits for a deploy that runs, which is of the old files" {
	local was
	busy() { ! in_world flock --nonblock /var/lib/dokku/lock/plain true; }
	commit plain v4 --break
	PUSH_TIMEOUT=60 push plain >"$BATS_FILE_TMPDIR/push" 2>&1 3>&- &
	within 20 busy
	was=$SECONDS
	run in_world make -C /root/dokku install
	[[ $status -eq 0 && $output == *'Waiting for what is at work on plain, at most 60 s'* ]]
	((SECONDS - was >= 5))
	# The push has ended: its checks have failed.
	wait %% || true
	grep --quiet 'v4 did not go live' "$BATS_FILE_TMPDIR/push"
	assert_serves plain v3
}

@test "make install while make uninstall runs: dokku is there in the end, and no daemon holds the lock" {
	run both 'make -C /root/dokku uninstall' 'make -C /root/dokku install' 0.1
	[[ $status -eq 0 ]]
	assert_serves plain v3
	in_world flock --nonblock /run/dokku-install.lock true
	[[ $(in_world stat --format '%U %a' /run/dokku-install.lock) == 'root 600' ]]
}
