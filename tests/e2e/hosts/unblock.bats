#!/usr/bin/env bats
# A boot of a host with systemd while an app keeps the engine from starting: what the unit
# dokku-unblock.service is for. The power fails while the list of users of a container is a named
# pipe, for whose writer the engine waits before it answers anybody.
# shellcheck disable=SC2154 # the helper sets world and top
# shellcheck disable=SC2016 # what stands in single quotes is expanded in the world

load helper

setup_file() {
	host_with_app one --systemd
	commit_and_push blocker v1
}

teardown_file() { host_down; }

# block FILE - replaces FILE of blocker's container by a named pipe, as its processes can.
block() {
	in_world bash -c '
		root=$(docker inspect --format "{{.GraphDriver.Data.MergedDir}}" blocker.web.1)
		rm -f "$root/$1" && mkfifo "$root/$1"' bash "$1"
}

# pid_of APP - prints the PID of its container web.1.
pid_of() { in_world docker inspect --format '{{.State.Pid}}' "$1.web.1"; }

engine_answers() { in_world timeout 5 docker version >/dev/null; }

serves() { [[ $(released "$1") == "$2" ]]; }

@test "a pipe in the place of passwd or group, and a power cut: the engine answers, and all apps serve" {
	local file
	for file in etc/passwd etc/group; do
		block "$file"
		"$top/tests/world" stop "$world"
		"$top/tests/world" up "$world" </dev/null
		e2e_setup
		# Without the unit the engine never answers.
		within 60 engine_answers
		await 20 serves one v1
		await 20 serves blocker v1
		[[ $(in_world systemctl is-active dokku-unblock) == active ]]
	done
}

@test "a build whose list of groups is /dev/zero: the engine begins anew, again and again, and an app goes on" {
	local dir pid memory
	dir=$(repo blocker)
	make --silent --no-print-directory -C "$top" build/tests/apps/attack
	cp "$top/build/tests/apps/attack" "$dir/"
	mkdir -p "$dir/etc"
	printf 'bob:x:5:5::/:/\n' >"$dir/etc/passwd"
	printf '%s\n' 'FROM scratch' 'COPY attack /attack' 'COPY etc /etc' \
		'RUN ["/attack", "device", "/etc/group"]' 'USER bob' 'RUN ["/attack", "log", "0"]' \
		>"$dir/Dockerfile"
	commit_files blocker --message device
	pid=$(pid_of one)
	for _ in 1 2 3; do
		run push blocker
		printf '%s\n' "$output"
		[[ $status -ne 0 ]]
		within 60 engine_answers
	done
	assert_serves one v1
	[[ $(pid_of one) == "$pid" ]]
	memory=$(in_world sh -c 'awk "/VmRSS/ { print \$2 }" "/proc/$(pgrep -x dockerd)/status"')
	[[ $memory -lt 1000000 ]]
}
