#!/usr/bin/env bats
# Without nftables, nginx switches the traffic. Under load no request is lost, except on idle
# keep-alive connections that a reload closes. An old container lives as long as nginx workers that
# know it.
# shellcheck disable=SC2030,SC2031 # bats runs each test in a subshell
# shellcheck disable=SC2016 # for the shell in the world

load helper

install_again() {
	timeout 300 "$top/tests/world" run "$world" -- make --silent -C /root/dokku install \
		</dev/null
}

setup_file() {
	e2e_setup
	commit_and_push back v1
	# An upload of 25 s has to come to its end, whatever an earlier test has set for all apps.
	dokku_run checks:set back wait-to-retire 60
	load_begin over back
	dokku_run proxy:set --global switch-by nginx
	install_again
	load_end over || only_resets over
}

teardown_file() {
	dokku_run apps:destroy --force back || true
	dokku_run proxy:set --global switch-by || true
	install_again
}

@test "going over to nginx leaves no table in the kernel; proxy:report says which it is and its cost" {
	[[ $(dokku_run proxy:report back --proxy-switch) == nginx ]]
	[[ $(dokku_run proxy:report back --proxy-switch-cost) == *'reloads nginx twice'* ]]
	run in_world nft list table ip dokku
	[[ $status -ne 0 && $output == *'No such file or directory'* ]]
	assert_serves back v1
}

@test "four deploys under load lose nothing but resets of idle connections" {
	local round
	load_begin deploys back --mode get=8 --mode close=4 --mode post=8 --mode download=2 \
		--download-ms 3000 --download-bytes 100000
	for round in 1 2 3 4; do
		dokku_run ps:restart back
	done
	sleep 0.5
	load_end deploys || only_resets deploys
	[[ $(jq .requests "$BATS_FILE_TMPDIR/deploys.json") -gt 500 ]]
}

@test "an upload that spans the switch is answered; the old container stops after the old workers" {
	local stopped
	await 70 in_world sh -c '! ls /var/lib/dokku/data/draining/back | grep -v log'
	# Long after the four seconds that a container without connections stays.
	load_begin slow back --mode upload=3 --upload-ms 25000
	in_world sh -c \
		'docker events --filter event=die --format "{{.Time}}" >/tmp/died \
			2>/dev/null & echo $! >/tmp/died.pid
		(while :; do for pid in $(pgrep -f "[w]orker process is shutting"); do date +%s
		done; sleep 0.2; done) >/tmp/workers 2>/dev/null & echo $! >/tmp/workers.pid'
	dokku_run ps:restart back
	load_end slow || {
		in_world sh -c \
			'tail -n 5 /var/lib/dokku/data/draining/back/log \
				/var/log/nginx/back-error.log; cat /tmp/died; sort -u /tmp/workers |
				tail -n 3; cat /run/dokku-nginx.switched /run/nginx.pid'
		false
	}
	await 70 in_world test -s /tmp/died
	in_world sh -c 'kill $(cat /tmp/died.pid /tmp/workers.pid)'
	stopped=$(in_world head -n 1 /tmp/died)
	[[ $(in_world sort -n /tmp/workers | tail -n 1) -le $stopped ]]
	[[ -n $(in_world cat /tmp/workers) ]]
	# The receipt is written when the container has been removed.
	await 10 in_world grep -q ' drained all$' /var/lib/dokku/data/draining/back/log
	[[ $(in_world tail -n 1 /var/lib/dokku/data/draining/back/log) == *' drained all' ]]
}

@test "a release that fails its checks gets no visitors, and the old one serves" {
	load_begin failed back
	run dokku_run config:set back EXIT_AFTER_MS=1
	[[ $status -eq 1 ]]
	load_end failed || only_resets failed
	assert_serves back v1
}

@test "scaled, stopped, started: as many containers are named, 503, and back" {
	dokku_run ps:scale back web=2
	[[ $(in_world sh -c 'grep -c max_fails /etc/nginx/dokku/services/*:80') -eq 2 ]]
	dokku_run ps:stop back
	[[ $(fetch back / --output /dev/null --write-out '%{http_code}') == 503 ]]
	dokku_run ps:start back
	assert_serves back v1
}

@test "a file of an address that somebody changed is healed" {
	in_world sh -c \
		'for f in /etc/nginx/dokku/services/*:80; do echo "server ${f##*/} down;" >$f; done
			nginx -s reload'
	await 20 healed
}

# healed - repairs at once, like the watch does, and is true if the app back serves then.
healed() { dokku_run watch:heal && assert_serves back v1; }

@test "without nft in the host all of it works too" {
	in_world sh -c 'mv /usr/sbin/nft /usr/sbin/nft.away'
	dokku_run ps:restart back
	dokku_run watch:heal
	in_world mv /usr/sbin/nft.away /usr/sbin/nft
	assert_serves back v1
}

@test "going back to nftables under load loses nothing but resets, and leaves no file of addresses" {
	load_begin return back
	dokku_run proxy:set --global switch-by nftables
	install_again
	dokku_run ps:restart back
	load_end return || only_resets return
	[[ $(dokku_run proxy:report back --proxy-switch) == nftables ]]
	run in_world ls /etc/nginx/dokku/services /etc/nginx/modules-enabled/60-dokku.conf
	[[ $status -eq 2 ]]
	assert_serves back v1
}
