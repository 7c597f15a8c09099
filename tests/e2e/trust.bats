#!/usr/bin/env bats
# What others may not do: visitors by the headers that they send, other users of the host by what
# they read, lock and see in ps, and holders of a key by commands that they type.
# shellcheck disable=SC2154 # the helper sets address, world, keys, output, status
# shellcheck disable=SC2016 # text for the shell in the world

load helper

setup_file() {
	e2e_setup
	in_world bash -c 'id visitor >/dev/null 2>&1 || useradd --create-home visitor'
	dokku_run checks:set --global wait-to-retire 1
	commit_and_push trust v1 --env LOG=1
}

teardown_file() {
	dokku_run apps:destroy --force trust || true
	dokku_run checks:set --global wait-to-retire || true
}

# as_visitor COMMAND… - as a user of the host who has no rights there.
as_visitor() { in_world sudo -u visitor "$@"; }

# raw TEXT [PORT] - sends TEXT as it is to nginx, and prints the answer.
raw() {
	local port=${2:-80}
	printf '%b' "$1" |
		timeout 10 bash -c 'exec 3<>"/dev/tcp/$1/$2"; cat >&3; cat <&3' raw "$address" \
			"$port"
}

# told HEADER… - prints the header lines that the app gets for a request with HEADER….
told() {
	local header host='Host: trust.localhost' args=()
	for header; do
		if [[ $header == Host:* ]]; then
			host=$header
		else
			args+=(--header "$header")
		fi
	done
	curl --silent --max-time 10 --header "$host" "${args[@]}" "http://$address/headers" |
		tr -d '\r'
}

@test "visitors: what they say of themselves is set by us, or does not reach the app" {
	local name got
	for name in X-Forwarded-Host X-Forwarded-Server X-Forwarded-Ssl X-Forwarded-Scheme \
		X-Forwarded-Prefix Forwarded Proxy X-Original-URL \
		X-Rewrite-URL X-Dokku-Preview X-Dokku-Unavailable Client-IP x-forwarded-HOST; do
		got=$(told "$name: evil")
		[[ $got == *'Host: trust.localhost'* && $got != *evil* ]] || {
			printf '%s\n' "$name" "$got"
			return 1
		}
	done
	got=$(told 'X-Real-IP: 6.6.6.6' 'X-Forwarded-For: 6.6.6.6' 'X-Forwarded-Proto: https' \
		'X-Forwarded-Port: 6')
	[[ $got != *6.6.6.6* && $got == *X-Real-IP:* && $got == *X-Forwarded-For:* ]]
	[[ $got == *'X-Forwarded-Proto: http'* && $got == *'X-Forwarded-Port: 80'* ]]
	# What is nobody's comes through.
	[[ $(told 'X-Own: mine') == *'X-Own: mine'* ]]
}

@test "visitors: the host is that by which the app was chosen, with the visitor's own port" {
	[[ $(told 'Host: trust.localhost:8080') == *$'\nHost: trust.localhost:8080\n'* ]]
	[[ $(told 'Host: Trust.LOCALHOST') == *$'\nHost: trust.localhost\n'* ]]
	local got
	got=$(raw 'GET http://trust.localhost/headers HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n')
	[[ $got == *$'\nHost: trust.localhost\r\n'* && $got != *evil* ]]
	got=$(raw 'GET http://trust.localhost/headers HTTP/1.1\r\nHost: evil.example:81\r\nConnection: close\r\n\r\n')
	[[ $got == *$'\nHost: trust.localhost\r\n'* && $got != *evil* && $got != *:81* ]]
	got=$(raw 'GET /headers HTTP/1.1\r\nHost: trust.localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n')
	[[ $got != *'Host: evil'* ]]
}

@test "visitors: over HTTP/2 and TLS the same" {
	over_ssh certs:generate trust
	local got
	got=$(curl --silent --insecure --http2 --max-time 10 \
		--resolve "trust.localhost:443:$address" --header 'X-Forwarded-Host: evil' \
		--header 'X-Forwarded-Proto: http' https://trust.localhost/headers | tr -d '\r')
	[[ $got == *$'\nHost: trust.localhost\n'* && $got == *'X-Forwarded-Proto: https'* &&
		$got != *evil* ]]
	got=$(curl --silent --insecure --http2 --max-time 10 \
		--connect-to "trust.localhost:8443:$address:443" \
		https://trust.localhost:8443/headers | tr -d '\r')
	[[ $got == *$'\nHost: trust.localhost:8443\n'* ]]
	# A body that no header tells of must not stay in a connection that other visitors use: an
	# app that does not read it would take it for their request.
	await 20 eval '[[ $(told) != *Connection:* ]]'
	got=$(curl --silent --insecure --http2 --max-time 10 \
		--resolve "trust.localhost:443:$address" --request GET --upload-file - \
		https://trust.localhost/headers <<<body | tr -d '\r')
	[[ $got == *$'\nConnection: close\n'* && $got == *$'\nContent-Length: 5\n'* ]]
}

@test "visitors: no upgrade but to a websocket" {
	[[ $(told 'Connection: Upgrade' 'Upgrade: h2c' \
		'HTTP2-Settings: AAMAAABkAAQAAP__') != *$'\nUpgrade:'* ]]
	[[ $(told 'Connection: Upgrade' 'Upgrade: websocket, h2c') != *$'\nUpgrade:'* ]]
	# The app gets no header Connection from a connection that nginx keeps, and "close" from
	# every other one.
	[[ $(told 'Connection: Upgrade' 'Upgrade: h2c') != *$'\nConnection: '[!c]* ]]
	[[ $(told 'Connection: Upgrade' 'Upgrade: WebSocket') == *$'\nUpgrade: websocket\n'* ]]
	[[ $(fetch trust /ws --http1.1 --header 'Connection: Upgrade' \
		--header 'Upgrade: websocket' --header 'Sec-WebSocket-Version: 13' \
		--header 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' --max-time 2 \
		--output /dev/null --write-out '%{http_code}') == 101 ]]
}

# answer PATH - status, Retry-After and text.
answer() {
	fetch trust "$1" --dump-header - | tr -d '\r' |
		sed -n -e 's/^HTTP.* \([0-9][0-9][0-9]\).*/\1/p' -e '/^Retry-After/p' -e '$p' |
		cut -c 1-80
}

@test "visitors: a long header of the app comes through; an app that runs and answers badly is 502, one that does not run 503" {
	[[ $(answer '/header?n=10000') == $'200\nlong' ]]
	[[ $(answer '/header?n=15000') == $'200\nlong' ]]
	[[ $(answer \
		'/header?n=20000') == $'502\nThis app runs, but its answer was not understood.' ]]
	dokku_run ps:stop trust
	[[ $(answer /) == $'503\nRetry-After: 5\nThis app does not run at the moment.' ]]
	dokku_run ps:start trust
	assert_serves trust v1
}

# many_wait - 500 visitors of trust wait for an answer, until the variable waiting is killed.
many_wait() {
	local words=('GET /slow?ms=30000 HTTP/1.1' 'Host: trust.localhost' 'Connection: close' '')
	(
		for _ in {1..500}; do
			exec {one}<>"/dev/tcp/$address/80" || exit
			printf '%s\r\n' "${words[@]}" >&"$one"
		done
		touch "$BATS_TEST_TMPDIR/all"
		exec sleep 60
	) 3>&- 2>/dev/null &
	waiting=$!
	within 20 test -e "$BATS_TEST_TMPDIR/all"
}

@test "visitors: many of an app that does not answer leave connections of nginx to the others" {
	commit_and_push other v1
	in_world bash -c 'cp /etc/nginx/nginx.conf /tmp/nginx.conf &&
		sed -i "s/worker_connections .*/worker_connections 256;/" /etc/nginx/nginx.conf &&
		nginx -s reload && dokku proxy:build-config --all'
	local waiting one served=0
	many_wait
	for _ in {1..20}; do
		[[ $(released other) != v1 ]] || served=$((served + 1))
	done
	run answer /
	kill "$waiting"
	in_world bash -c 'cp /tmp/nginx.conf /etc/nginx/nginx.conf && nginx -s reload &&
		dokku proxy:build-config --all'
	dokku_run apps:destroy --force other
	[[ $served -eq 20 && $output == 503* ]]
	assert_serves trust v1
}

# processes PATTERN - prints the processes of the world whose arguments match PATTERN.
processes() {
	in_world bash -c 'pgrep --full --list-full -- "$1" | grep -v pgrep || true' bash "$1"
}

none_of() { [[ -z $(processes "$1") ]]; }

# gone_client PATTERN COMMAND… - runs COMMAND over ssh, and kills the client as soon as the world
# has a process that matches PATTERN.
gone_client() {
	local pattern=$1 ssh pid
	shift
	read -r -a ssh <<<"$GIT_SSH_COMMAND"
	"${ssh[@]}" "dokku@$address" "$@" </dev/zero >/dev/null 2>&1 3>&- &
	pid=$!
	await 10 some_of "$pattern"
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null || true
}

some_of() { ! none_of "$1"; }

@test "a client that has gone leaves no process: of logs, nginx's logs, builds:output" {
	gone_client 'docker logs --timestamps' logs trust -t
	await 5 none_of 'docker logs --timestamps'
	gone_client 'tail -n 20 -F' nginx:access-logs -t trust
	await 5 none_of 'tail -n 20 -F'
	gone_client 'tail -n 20 -F' nginx:error-logs -t trust
	await 5 none_of 'tail -n 20 -F'
	# With a terminal.
	gone_client 'docker logs --timestamps' -tt logs trust -t
	await 5 none_of 'docker logs --timestamps'
	none_of 'bin/attached '
}

@test "nginx:access-logs -t ends with its app, and shows nothing of the next one of its name" {
	local log=$BATS_TEST_TMPDIR/log pid
	commit_and_push trust-next v1
	read -r -a ssh <<<"$GIT_SSH_COMMAND"
	timeout 60 "${ssh[@]}" "dokku@$address" nginx:access-logs -t trust-next </dev/null \
		>"$log" 2>&1 3>&- &
	pid=$!
	await 10 some_of trust-next-access.log
	dokku_run apps:destroy --force trust-next
	push trust-next
	await 10 fetch trust-next '/?of-the-next' --fail --output /dev/null
	wait "$pid"
	dokku_run apps:destroy --force trust-next
	[[ $(<"$log") != *of-the-next* ]]
}

runs_nothing() {
	[[ -z $(in_world docker ps --all --quiet --filter label=com.dokku.container-type=run) ]]
}

@test "a client that has gone leaves no container of run, with a terminal and without; detached ones stay" {
	gone_client 'docker start --attach' run trust /web worker
	await 10 runs_nothing
	none_of 'docker start --attach'
	gone_client 'docker start --attach' -tt run trust /web worker
	await 10 runs_nothing
	none_of 'docker start --attach'
	local name
	name=$(over_ssh run:detached trust /web worker)
	[[ $(in_world docker inspect --format '{{.State.Running}}' "$name") == true ]]
	dokku_run run:stop trust "$name"
	[[ $(echo input | over_ssh run trust /web nothing 2>&1 | wc -c) -gt 0 ]]
	await 5 runs_nothing
}

@test "other users of the host: they read no repository, config, release, log or key, and hold no lock" {
	dokku_run config:set --no-restart trust KEY=s3cret
	in_world bash -c 'mkdir -p /home/dokku/trust/nginx.conf.d'
	in_world dokku events:on && dokku_run ps:restart trust && dokku_run events:off
	local path
	for path in /var/log/dokku/events.log /run/dokku-install.lock /home/dokku/trust /home/dokku/trust/HEAD /var/lib/dokku/config/trust/ENV \
		/var/lib/dokku/data/releases/trust/1/env \
		/var/lib/dokku/data/builds/trust /var/lib/dokku/lock/trust \
		/var/lib/dokku/lock/.domains /run/dokku-nginx.lock /run/dokku-services.lock \
		/etc/dokku/preview-token /etc/nginx/dokku-preview.conf \
		/var/log/nginx/trust-access.log /var/log/nginx/trust-error.log; do
		in_world test -e "$path"
		if as_visitor test -r "$path"; then
			printf 'can be read: %s\n' "$path"
			return 1
		fi
	done
	run as_visitor flock --nonblock /run/dokku-nginx.lock true
	[[ $status -ne 0 ]]
	run as_visitor flock --nonblock /var/lib/dokku/lock/trust true
	[[ $status -ne 0 ]]
	run as_visitor git clone --quiet /home/dokku/trust /home/visitor/stolen
	[[ $status -ne 0 ]]
	# All that is in our folders, by looking everywhere.
	[[ -z $(as_visitor bash -c \
		'find /home/dokku /var/lib/dokku/{config,data,lock,tmp} /etc/nginx/dokku/*.d \
			-type f -readable 2>/dev/null') ]]
	# What has to be read by all, is.
	as_visitor dokku version
	[[ $(in_world stat --format %a /home/dokku /var/lib/dokku/lock) == $'750\n700' ]]
}

@test "other users of the host: a value of config:set is in no process's arguments while the deploy goes on" {
	in_world bash -c \
		'touch /tmp/seen; chmod 666 /tmp/seen
			printf "#!/bin/sh\ngrep -la s3cretvalue /proc/[0-9]*/cmdline >>/tmp/seen; true\n" >/root/look
		mkdir -p /root/looker && install -m 755 /root/look /root/looker/check-deploy &&
		dokku plugin:install /root/looker'
	over_ssh config:set trust TOKEN=s3cretvalue
	local seen
	seen=$(in_world cat /tmp/seen)
	in_world bash -c 'dokku plugin:uninstall looker; rm -rf /tmp/seen'
	[[ -z $seen ]]
	[[ $(fetch trust /env/TOKEN) == s3cretvalue ]]
}

@test "whoever has a key: hidden commands by hand reach nothing else" {
	is_refused() {
		local words
		read -r -a words <<<"$1"
		run over_ssh "${words[@]}" <<<"${2-}"
		[[ $status -ne 0 && $output != *root:* && $output != *s3cret* ]]
	}
	each_line is_refused <<-'COMMANDS'
		git-receive-pack '../../etc'
		git-receive-pack '/etc/passwd'
		git-upload-pack '../trust/../../root'
		git-upload-pack --upload-pack=id trust
		git-upload-archive trust
		git-hook ../../etc
		deploy trust 1
		check trust x web 5000 10.0.0.1 1
		locked trust x id
		job trust /tmp x id
		--quiet locked trust x id
		--app trust locked x id
		logs $(id)
		logs ../trust
		builds:output trust ../../../../etc
		enter trust web.1;id
		plugin:install /tmp
		certs:show trust ../../../etc/passwd
		scheduler-docker-local:functions
		common:install
	COMMANDS
	assert_serves trust v1
}

# each_line COMMAND - COMMAND with each line of stdin.
each_line() {
	local line lines
	mapfile -t lines
	for line in "${lines[@]}"; do
		"$@" "$line" || {
			printf 'with: %s: status %s: %s\n' "$line" "$status" "$output"
			return 1
		}
	done
}

@test "lines for nginx and tar of a certificate: nothing is waited for, and root's files do not come out" {
	in_world bash -c \
		'install -d -o dokku -g dokku /home/dokku/trust/nginx.conf.d
			cd /home/dokku/trust/nginx.conf.d; sudo -u dokku mkfifo pipe.conf'
	run timeout 60 "$top/tests/world" run "$world" -- dokku proxy:build-config trust
	[[ $status -ne 0 &&
		$output == *'nginx: trust: /home/dokku/trust/nginx.conf.d/pipe.conf is not a regular file: it is not read'* ]]
	in_world bash -c \
		'cd /home/dokku/trust/nginx.conf.d; rm pipe.conf
			sudo -u dokku ln -s /root/look secret.conf'
	run dokku_run proxy:build-config trust
	[[ $status -ne 0 && $output == *'is a link: put the file itself there'* ]]
	in_world bash -c \
		'rm -r /home/dokku/trust/nginx.conf.d; install -d /root/secrets
			echo "# s3cret" >/root/secrets/a.conf
			sudo -u dokku ln -s /root/secrets /home/dokku/trust/nginx.conf.d'
	run dokku_run proxy:build-config trust
	in_world bash -c 'rm /home/dokku/trust/nginx.conf.d'
	run in_world grep -r s3cret /etc/nginx/dokku
	[[ $status -eq 1 && -z $output ]]
	dokku_run proxy:build-config trust
	assert_serves trust v1
}
