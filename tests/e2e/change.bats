#!/usr/bin/env bats
# Everything that changes a live app, under load: no request is lost.

# shellcheck disable=SC2030,SC2031,SC2016 # bats runs each test in a subshell; text for there
# shellcheck disable=SC2154 # helper.bash and e2e_setup set address, keys, top, world

load helper

setup_file() {
	e2e_setup
	commit_and_push live v1
	commit_and_push other v1
}

teardown_file() {
	local app
	for app in live other; do
		dokku_run apps:destroy --force "$app" || true
	done
}

setup() {
	load_begin live live
	load_begin other other
}

teardown() {
	touch "$BATS_FILE_TMPDIR/live.stop" "$BATS_FILE_TMPDIR/other.stop"
	wait
}

# nothing_lost [reload] - requires that no request failed and no connection was closed, of this app
# and of the bystander. With "reload", nginx was reloaded and may have closed idle connections, on
# which a client may just have sent a request.
nothing_lost() {
	local name
	sleep 0.5
	if [[ ${1-} == reload ]]; then
		for name in live other; do
			load_end "$name" || only_resets "$name"
		done
	else
		load_end live
		load_end other
		[[ $(sed -n 's/.*alive from start to end \([0-9]*\) of \([0-9]*\)$/\1 \2/p' \
			"$BATS_FILE_TMPDIR/other.txt" | awk '{ print $2 - $1 }') -eq 0 ]]
	fi
	assert_clean live
}

@test "config:set: byte for byte in the container, and nothing lost" {
	dokku_run config:set live 'GREETING=it'\''s "me" \ $HOME
second line' EMPTY=
	[[ $(fetch live /env/GREETING) == 'it'\''s "me" \ $HOME
second line' ]]
	[[ $(fetch live /env/EMPTY --output /dev/null --write-out '%{http_code}') == 200 ]]
	nothing_lost
}

@test "config:set that makes the app fail is refused, and the config stays as it was" {
	run dokku_run config:set live EXIT_AFTER_MS=1 GREETING=changed
	[[ $status -eq 1 && $output == *'config:set: live keeps the config that it had'* ]]
	[[ $(dokku_run config:get live GREETING) == 'it'\''s'* ]]
	run dokku_run config:get live EXIT_AFTER_MS
	[[ $status -eq 1 ]]
	nothing_lost
}

@test "ps:restart" {
	dokku_run ps:restart live
	nothing_lost
}

@test "ps:scale up to 4, then down to 2" {
	dokku_run ps:scale live web=4
	dokku_run ps:scale live web=2
	[[ $(dokku_run ps:report live --processes) == 'web=2' ]]
	nothing_lost
}

@test "releases:rollback brings code and config back" {
	commit_and_push live v2
	dokku_run config:set live GREETING=new
	dokku_run releases:rollback live
	[[ $(dokku_run config:get live GREETING) == 'it'\''s'* ]]
	assert_serves live v2
	nothing_lost
}

@test "domains:add and domains:remove" {
	dokku_run domains:add live www.live.example
	[[ $(curl --silent --max-time 5 --header 'Host: www.live.example' \
		--head "http://$address/" | tr -d '\r' | sed -n 's/^X-App: //p') == live ]]
	dokku_run domains:remove live www.live.example
	nothing_lost reload
}

@test "a domain of another app is refused" {
	run dokku_run domains:add live other.localhost
	[[ $status -eq 1 && $output == *'is a domain of other'* ]]
	nothing_lost
}

@test "certs:generate: HTTPS and HTTP both answer; no redirect unless asked for" {
	dokku_run certs:generate live
	await 5 curl --silent --insecure --fail --max-time 5 \
		--resolve "live.localhost:443:$address" https://live.localhost/ --output /dev/null
	[[ $(fetch live / --output /dev/null --write-out '%{http_code}') == 200 ]]
	[[ $(curl --silent --insecure --http2 --max-time 5 --resolve "live.localhost:443:$address" \
		https://live.localhost/ --output /dev/null --write-out '%{http_version}') == 2 ]]
	commit_and_push live v3
	dokku_run certs:remove live
	nothing_lost reload
}

# certificate NAME - makes a self-signed certificate in the world, /tmp/NAME.crt and /tmp/NAME.key.
certificate() {
	in_world openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
		-subj "/O=$1/CN=live.localhost" \
		-addext subjectAltName=DNS:live.localhost -keyout "/tmp/$1.key" -out "/tmp/$1.crt"
}

shows_certificate() {
	[[ $(openssl s_client -connect "$address:443" -servername live.localhost </dev/null \
		2>/dev/null | openssl x509 -noout -subject) == *"O = $1,"* ]]
}

@test "certs:add, certs:update and certs:remove: nothing that was sent on a fresh connection is lost" {
	certificate first
	certificate second
	dokku_run certs:add live /tmp/first.crt /tmp/first.key
	await 5 shows_certificate first
	load_begin tls live --mode get=4 --mode close=4 \
		--url https://live.localhost/ --connect "$address:443" --name tls \
		--expect-app live --mode get=4 --mode post=4 --mode close=4
	dokku_run certs:update live /tmp/second.crt /tmp/second.key
	await 5 shows_certificate second
	sleep 1
	load_end tls || only_resets tls
	[[ $(jq '[.targets[].modes[] | select(.mode == "close") | .requests] | min' \
		"$BATS_FILE_TMPDIR/tls.json") -gt 20 ]]
	# A key of another certificate is refused, and changes nothing.
	run dokku_run certs:update live /tmp/first.crt /tmp/second.key
	[[ $status -eq 1 ]]
	shows_certificate second
	dokku_run certs:remove live
	run shows_certificate second
	[[ $status -ne 0 ]]
	nothing_lost reload
}

@test "an app that passes by itself but not through nginx is refused" {
	printf '/ My Amazing App\nPOST 200 /sum 2\n  {%s}\n' \
		"$(head -c 2000 /dev/zero | tr '\0' x)" >"$(repo live)/CHECKS"
	dokku_run nginx:set live client-max-body-size 1k
	run commit_and_push live v4
	[[ $status -ne 0 && $output == *'but not through nginx'* && $output == *413* ]]
	assert_serves live v3
	dokku_run nginx:set live client-max-body-size
	printf '/ My Amazing App\n' >"$(repo live)/CHECKS"
	nothing_lost reload
	# It was tried before it had visitors: nobody has seen it.
	run grep 'release: live.localhost v4 answered' "$BATS_FILE_TMPDIR/live.txt"
	[[ $status -eq 1 ]]
}

@test "an app that passes by itself but redirects for ever behind TLS is refused" {
	dokku_run certs:generate live
	# As somebody sets it behind another proxy, that is not there.
	dokku_run nginx:set live x-forwarded-proto-value http
	run commit_and_push live v4 --env FORCE_HTTPS=1
	[[ $status -ne 0 && $output == *'but not through nginx'* && $output == *redirect* ]]
	assert_serves live v3
	dokku_run nginx:set live x-forwarded-proto-value
	dokku_run certs:remove live
	nothing_lost reload
	run grep 'release: live.localhost v4 answered' "$BATS_FILE_TMPDIR/live.txt"
	[[ $status -eq 1 ]]
}

@test "an upload that begins before the switch and ends after it gets its answer" {
	load_begin slow live --mode upload=4 --mode download=4 --upload-ms 4000 --download-ms 4000
	sleep 1
	commit_and_push live v5
	assert_serves live v5
	sleep 3
	load_end slow
	nothing_lost
}

@test "a broken config of the app's own does not reach the disk, nor another app" {
	in_world bash -c \
		'mkdir -p /home/dokku/live/nginx.conf.d &&
			echo "bogus on;" >/home/dokku/live/nginx.conf.d/x.conf'
	run commit_and_push live v6
	[[ $status -ne 0 && $output == *'unknown directive "bogus"'* ]]
	in_world nginx -t -q
	commit_and_push other v2
	in_world rm /home/dokku/live/nginx.conf.d/x.conf
	commit_and_push live v6
	nothing_lost reload
}

@test "ps:stop answers 503 with Retry-After, ps:start serves again" {
	touch "$BATS_FILE_TMPDIR/live.stop"
	wait "$(<"$BATS_FILE_TMPDIR/live.pid")"
	dokku_run ps:stop live
	run fetch live / --include
	[[ $output == *' 503 '* && $output == *'Retry-After: '* ]]
	dokku_run ps:start live
	assert_serves live v6
	load_end other
	assert_clean live
}

@test "ps:scale web=0 finishes what was begun, and visitors get 503; with web=1 none of them is lost" {
	local slow
	touch "$BATS_FILE_TMPDIR/live.stop"
	wait "$(<"$BATS_FILE_TMPDIR/live.pid")"
	fetch live '/slow?ms=4000' >"$BATS_TEST_TMPDIR/slow" &
	slow=$!
	sleep 0.5
	dokku_run ps:scale live web=0
	run fetch live / --include
	[[ $output == *' 503 '* && $output == *'Retry-After: '* ]]
	wait "$slow"
	[[ $(<"$BATS_TEST_TMPDIR/slow") == 'slow but sure' ]]
	dokku_run ps:scale live web=1
	load_begin live live
	dokku_run ps:restart live
	nothing_lost
}

@test "another plugin's check-deploy replaces ours" {
	in_world bash -c \
		'mkdir -p /var/lib/dokku/plugins/available/mycheck &&
			printf "#!/bin/sh\necho \"-----> mycheck \$1 \$3 \$4 \$6\"; exit \$(cat /tmp/mycheck)\n" >/var/lib/dokku/plugins/available/mycheck/check-deploy && chmod +x /var/lib/dokku/plugins/available/mycheck/check-deploy && echo 1 >/tmp/mycheck'
	in_world dokku plugin:disable checks
	in_world dokku plugin:enable mycheck
	run commit_and_push live v7
	[[ $status -ne 0 && $output == *'-----> mycheck live web 5000 1'* ]]
	assert_serves live v6
	in_world bash -c 'echo 0 >/tmp/mycheck'
	commit_and_push live v7
	in_world dokku plugin:uninstall mycheck
	in_world dokku plugin:enable checks
	nothing_lost
}

@test "nft flush ruleset by somebody is healed within 5 s" {
	touch "$BATS_FILE_TMPDIR/live.stop" "$BATS_FILE_TMPDIR/other.stop"
	wait
	in_world nft flush ruleset
	within 5 bash -c "curl --silent --fail --max-time 1 --header 'Host: live.localhost' http://$address/ --output /dev/null"
	assert_clean live
}
