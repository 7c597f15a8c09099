#!/usr/bin/env bats
# A full disk: under the repositories, under our state, or under the engine's images. Each of the
# three is a small file system here. A push that cannot succeed is refused before the upload. All
# other operations fail cleanly, no state file is half written, and the old release always serves.
# SWEEP (6) is how many different amounts of free space each change is tried with.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # shells in the world; each test is a subshell; the helper sets top and address

load helper

# PLACE FOLDER of each.
readonly PLACES=('root /home/dokku' 'lib /var/lib/dokku' 'docker /var/lib/docker')

setup_file() {
	e2e_setup
	build_strike
	mount_places
	make_app disk 0 1
	commit_and_push disk d1
}

teardown_file() {
	free_all
	dokku_run apps:destroy --force disk || true
	unmount_places
}

teardown() {
	free_all
	touch "$BATS_FILE_TMPDIR/disk.stop"
	wait
}

# with_engine_stopped CODE ARG… - runs CODE in the world while the engine is stopped, because the
# engine's own folder is among those that move.
with_engine_stopped() {
	in_world bash -c \
		'pkill -TERM --exact dockerd; while pgrep --exact dockerd; do sleep 0.1; done
		eval "$1"
		rm -f /var/run/docker.pid
		setsid --fork dockerd </dev/null >>/var/log/dockerd.log 2>&1' bash "$@"
	await 60 in_world docker version
	in_world dokku plugin:trigger install
}

# mount_places - mounts a small filesystem in the place of each folder, and copies into it what was
# there.
mount_places() {
	with_engine_stopped 'minor=60
		for place in "${@:2}"; do
			name=${place% *} dir=${place#* }
			mknod "/dev/loop$minor" b 7 "$minor" 2>/dev/null
			truncate --size 256M "/tmp/$name.img"
			mkfs.ext4 -q -m 0 -b 4096 "/tmp/$name.img"
			mkdir -p "/mnt/$name"
			mount -o "loop=/dev/loop$minor" "/tmp/$name.img" "/mnt/$name"
			cp -a "$dir/." "/mnt/$name/"
			chown --reference="$dir" "/mnt/$name"
			mount --bind "/mnt/$name" "$dir"
			minor=$((minor + 1))
		done' "${PLACES[@]}"
}

unmount_places() {
	with_engine_stopped 'for place in "${@:2}"; do
			umount --lazy "${place#* }"
			umount --lazy --detach-loop "/mnt/${place% *}" || umount --lazy "/mnt/${place% *}"
			rm -f "/tmp/${place% *}.img"
		done' "${PLACES[@]}"
}

# fill PLACE KB - fills the file system of PLACE until KB kilobytes are left.
fill() {
	in_world bash -c 'rm -f "/mnt/$1/ballast"
		free=$(df --block-size=1024 --output=avail "/mnt/$1" | tail -n 1)
		fallocate --length "$(((free - $2) / 4 * 4))K" "/mnt/$1/ballast"
		# fallocate leaves a little for itself.
		while [[ $(df --block-size=1024 --output=avail "/mnt/$1" | tail -n 1) -gt $2 ]]; do
			head --bytes 4096 /dev/zero >>"/mnt/$1/ballast" 2>/dev/null || break
		done' bash "$@"
}

free_all() { in_world bash -c 'rm -f /mnt/*/ballast'; }

# is_whole RELEASE - requires that RELEASE serves, and that nothing is left over or half written,
# and a reconcile changes nothing, when there is free space again.
is_whole() {
	local left
	assert_serves disk "$1"
	free_all
	dokku_run reconcile disk
	left=$(in_world /src/tests/e2e/strike-once disk twice)
	[[ -z $left ]] || {
		printf '%s\n' "$left" >&2
		return 1
	}
	assert_serves disk "$1"
}

@test "too little room anywhere: refused before anything is uploaded, told where, how much, what to do" {
	local place was
	was=$(released disk)
	commit disk refused
	load_begin disk disk
	for place in "${PLACES[@]}"; do
		fill "${place% *}" 50000
		run push disk
		free_all
		[[ $status -ne 0 ]]
		printf '%s\n' "$output"
		[[ $output == *'disk: not enough disk space for a push: 4'* ]]
		[[ $output == *" MB are free where ${place#* } is, and 100 MB are needed."* ]]
		[[ $output == *'docker system prune'*'releases:set APP keep 1'*'apps:destroy'* ]]
	done
	load_end disk
	is_whole "$was"
}

@test "what old releases have left goes first, and makes room for the push" {
	dokku_run releases:set disk keep 5
	head --bytes 60000000 /dev/zero >"$(repo disk)/public/large"
	commit_and_push disk large
	rm "$(repo disk)/public/large"
	commit_and_push disk small
	assert_clean disk
	dokku_run releases:set disk keep 1
	fill docker 70000
	load_begin disk disk
	run commit_and_push disk d2
	[[ $status -eq 0 &&
		$output == *'MB are free where /var/lib/docker is): removing old releases of all apps'* ]] || {
		printf '%s\n' "$output"
		return 1
	}
	load_end disk
	is_whole d2
	dokku_run releases:set disk keep
}

@test "full in the midst of a push: it fails and says so, the old release serves" {
	local place was
	was=$(released disk)
	export PUSH_TIMEOUT=400
	dokku_run builder:set disk min-free 0
	for place in "${PLACES[@]}"; do
		git -C "$(repo disk)" config core.bigFileThreshold 100k
		head --bytes 6000000 /dev/urandom >"$(repo disk)/public/large"
		commit disk "full-${place% *}"
		load_begin disk disk
		fill "${place% *}" 2000
		run push disk
		[[ $status -ne 0 ]]
		printf '%s\n' "${place% *}: $output"
		[[ $output == *'the disk is full, which may be why: '*" MB are free where ${place#* } is"* ||
			$place == root* && $output == *'No space left on device'* ]]
		load_end disk
		is_whole "$was"
	done
	# None at all.
	fill root 0
	run push disk
	[[ $status -ne 0 &&
		$output == *'0 MB are free where /home/dokku is, and 1 MB are needed'* ]]
	free_all
	dokku_run builder:set disk min-free
	rm "$(repo disk)/public/large"
	commit disk roomy
	run push disk
	[[ $status -eq 0 ]]
	assert_serves disk roomy
}

# containers - prints how many containers of the app run.
containers() {
	in_world docker ps --quiet --filter label=com.dokku.app-name=disk \
		--filter label=com.dokku.container-type=deploy | wc -l
}

@test "a change goes live where the repositories have no room, and the old container goes while they still have none" {
	local was value=$RANDOM
	was=$(released disk)
	load_begin disk disk
	fill root 0
	dokku_run config:set disk "FULL=$value"
	[[ $(fetch disk /env/FULL) == "$value" ]]
	await 20 eval '[[ $(containers) -eq 1 ]]'
	[[ $(in_world df --block-size=1024 --output=avail /home/dokku | tail -n 1) -lt 100 ]]
	load_end disk
	is_whole "$was"
}

@test "apps:destroy works on a full disk, and leaves no trace" {
	local place
	commit_and_push full f1
	for place in "${PLACES[@]}"; do
		fill "${place% *}" 0
	done
	dokku_run apps:destroy --force full
	free_all
	run in_world /src/tests/e2e/strike-once full trace
	[[ -z $output ]]
}

# settings - prints the settings of the app that the changes below set.
settings() {
	dokku_run --quiet config:export --format envfile disk
	dokku_run ps:scale disk
	dokku_run domains:report disk --domains-app-vhosts
}

# change VALUE - changes each kind of state file once, without a deploy. Fails if a change fails.
change() {
	in_world bash -c 'failed=0
		dokku config:set --no-restart disk "LONG=$1$2" "LONG2=$1$2" || failed=1
		dokku ps:scale --skip-deploy disk "worker=$1" || failed=1
		dokku domains:set disk disk.localhost "n$1.localhost" || failed=1
		exit "$failed"' bash "$1" "$(printf '%04000d' "$1")"
}

# old_or_new OLD NEW - requires that each setting is either OLD or NEW.
old_or_new() {
	local now
	now=$(settings)
	[[ -n $now ]]
	diff <(printf '%s\n%s\n' "$1" "$2" | sort -u) <(sort -u <<<"$now") | grep '^>' && return 1
	# Both or neither of a pair.
	[[ $(grep -o 'LONG2\?=.[0-9]*' <<<"$now" | sed 's/.*=//' | sort -u | wc -l) -le 1 ]]
}

@test "no state file is half written, wherever the room ends" {
	local i old new wanted failures=0
	change 1
	old=$(settings)
	change 2
	new=$(settings)
	for ((i = 0; i < ${SWEEP:-6}; i++)); do
		change 1
		fill lib $((i * 4))
		fill root $((i * 4))
		status=0
		change 2 >"$BATS_TEST_TMPDIR/said" 2>&1 || status=$?
		[[ $status -eq 0 ]] || {
			failures=$((failures + 1))
			grep -q '^ !     ' "$BATS_TEST_TMPDIR/said" || {
				printf 'failed, and does not say why:\n'
				cat "$BATS_TEST_TMPDIR/said"
				return 1
			}
		}
		old_or_new "$old" "$new"
		free_all
		wanted=$(settings)
		[[ $status -ne 0 || $wanted == "$new" ]]
	done
	# Without any failure the disk was never full, and this test would prove nothing.
	[[ $failures -gt 0 ]]
	is_whole "$(released disk)"
}

# with_failing CALLS COMMAND… - runs COMMAND as the user dokku, under strace, which makes the system
# calls CALLS fail as on a full disk. strace runs as root, so that sudo and file capabilities work.
with_failing() {
	in_world env HOME=/home/dokku USER=dokku strace -u dokku -f -qq -o /tmp/strace.log \
		-e trace="$1" -e inject="$1:error=ENOSPC" "${@:2}"
}

@test "a rename or an fsync that finds the disk full changes nothing" {
	local call no old new
	in_world bash -c \
		'command -v strace >/dev/null ||
			apt-get install -qq --yes --no-install-recommends strace >/dev/null 2>&1'
	change 1
	old=$(settings)
	change 2
	new=$(settings)
	change 1
	for call in rename,renameat,renameat2 fsync,fdatasync,syncfs; do
		for no in --no-restart ""; do
			run with_failing "$call" dokku config:set ${no:+"$no"} disk LONG=2
			printf '%s\n' "$output"
			in_world grep -q 'ENOSPC.*INJECTED' /tmp/strace.log
			[[ $status -ne 0 ]]
			[[ $(settings) == "$old" ]]
		done
	done
	is_whole "$(released disk)"
}
