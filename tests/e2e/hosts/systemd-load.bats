#!/usr/bin/env bats
# A host whose process 1 is systemd, under load: others flush nftables, restart Docker and nginx.

# shellcheck disable=SC2154 # the helper sets world, address, keys, output, status

load helper

setup_file() {
	host_with_app one --systemd
	# A rule set of the administrator's, as Debian ships it: it begins with a flush.
	in_world sh -c \
		'systemctl enable --quiet nftables; grep -q "^flush ruleset" /etc/nftables.conf'
}

teardown_file() { host_down; }

# watch_log - prints the log of the watch since the last boot.
watch_log() { in_world journalctl --boot --unit dokku-heal --output cat; }

guard_is_there() { in_world nft list table ip dokku_guard >/dev/null 2>&1; }

@test "nftables is restarted six times in 10 s: no request fails, and none waits for 3 s" {
	await 15 guard_is_there
	load_begin flush one --timeout 10
	for _ in 1 2 3 4 5 6; do
		# systemd gives up on a unit that starts so often.
		in_world systemctl reset-failed nftables
		in_world systemctl restart nftables
		sleep 1.6
	done
	load_end flush >"$BATS_TEST_TMPDIR/report" || { cat "$BATS_TEST_TMPDIR/report" && false; }
	cat "$BATS_TEST_TMPDIR/report"
	in_world nft list map ip dokku services | grep -q '10.86.0.2 . 80'
	# It is as it was before: nothing waits any more.
	[[ $(in_world nft list chain ip dokku_guard hold) != *drop* ]]
}

@test "Docker's own rules went with the flush: the watch names the command, and that loses no request" {
	await 10 bash -c "'$top/tests/world' run '$world' -- journalctl --boot --unit dokku-heal --output cat | grep -q \"Docker's own firewall rules are gone.*sudo systemctl restart docker\""
	load_begin docker one
	in_world systemctl restart docker
	sleep 5
	load_end docker
	in_world nft list chain ip nat DOCKER
	[[ $(watch_log) == *"Docker's own firewall rules are back"* ]]
}

@test "saved rules with the guard's table in them can be loaded, and the watch says what they cost" {
	in_world sh -c \
		'{ echo "flush ruleset"; nft list ruleset; } >/root/saved.conf &&
			cp /root/saved.conf /etc/nftables.conf'
	in_world grep -q dokku_guard /etc/nftables.conf
	await 5 bash -c "! '$top/tests/world' run '$world' -- nft list table ip dokku_guard"
	in_world systemctl restart nftables
	[[ $(watch_log) == *'/etc/nftables.conf has the table dokku_guard in it'* ]]
	in_world sed -i '/^table ip dokku_guard/,/^}/d' /etc/nftables.conf
	await 5 guard_is_there
	await 5 assert_serves one v1
}

@test "the docker.io package is installed again under load: no request fails" {
	load_begin package one
	in_world sh -c \
		'apt-get update -qq &&
			DEBIAN_FRONTEND=noninteractive apt-get install -qq --reinstall docker.io' \
		>/dev/null
	sleep 3
	load_end package
	[[ $(in_world systemctl is-active docker) == active ]]
}

builds() { in_world pgrep -f 'i -lt 1500000' >/dev/null; }

# push_in_build - pushes a version whose build takes seconds, and runs the rest of the arguments in
# the world when it builds. Sets status and output of the push.
push_in_build() {
	local file=$BATS_TEST_TMPDIR/pushed pushing
	printf 'RUN : %s; i=0; while [ $i -lt 1500000 ]; do i=$((i+1)); done\n' "$RANDOM" |
		sed -i -e '/^RUN/d' -e '/^COPY --chmod/r /dev/stdin' "$(repo slow)/Dockerfile"
	commit_files slow --message slow
	push slow >"$file" 3>&- &
	pushing=$!
	await 20 builds
	in_world "$@"
	status=0
	wait "$pushing" || status=$?
	output=$(<"$file")
	printf '%s\n' "$output"
}

@test "Docker is restarted or stopped while an app is built: it is built again, or the push names the engine" {
	commit slow v1
	cp "$(readlink -f /bin/bash-static)" "$(repo slow)/sh"
	sed -i '/^FROM/a COPY --chmod=755 sh /bin/sh' "$(repo slow)/Dockerfile"
	load_begin build one
	push_in_build systemctl restart docker
	[[ $status -eq 0 && $output == *'building again as soon as it answers'* ]]
	assert_serves slow v1
	push_in_build systemctl stop docker.socket docker
	[[ $status -ne 0 && $output != *'correct it'* &&
		$output == *'sudo systemctl start docker'* ]]
	in_world systemctl start docker.socket docker
	load_end build
	push slow
	assert_clean slow
}

@test "the watch is killed: systemd starts it again, and the guard with it" {
	local before
	before=$(in_world pgrep -f 'root/map --guard')
	in_world systemctl kill --kill-whom main --signal KILL dokku-heal
	await 10 bash -c "[[ \$('$top/tests/world' run '$world' -- pgrep -f 'root/map --guard') =~ ^[0-9]+\$ ]]"
	[[ $(in_world pgrep -f 'root/map --guard') != "$before" ]]
	# Only the guard is killed, and the watch starts another one.
	in_world pkill -KILL -f 'root/map --guard'
	await 15 guard_is_there
	[[ $(in_world systemctl show --value --property NRestarts dokku-heal) -eq 1 ]]
}
