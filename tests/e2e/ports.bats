#!/usr/bin/env bats
# Which port of an app is used, and how an app without checks is tested through nginx before it gets
# visitors.

# shellcheck disable=SC2154 # the helper sets status and output

load helper

setup_file() {
	e2e_prepare
	# Long enough to see that it is looked at; the tests have no time for ten seconds each.
	dokku_run checks:set --global default-wait 1
}

teardown_file() { dokku_run checks:set --global default-wait; }

teardown() {
	local app
	for app in $(dokku_run apps:list | grep '^ports-' || true); do
		dokku_run apps:destroy --force "$app" >/dev/null
	done
}

# version APP RELEASE EXPOSE CHECKS [NAME=VALUE…] - commits one that EXPOSEs these ports, with
# CHECKS as its list; none where that is "-".
version() {
	local app=$1 release=$2 expose=$3 checks=$4 pair options=() git
	for pair in "${@:5}"; do
		options+=(--env "$pair")
	done
	commit "$app" "$release" "${options[@]}"
	git=(git -C "$(repo "$app")" -c user.name=e2e -c user.email=e2e@example.com)
	sed -i "s/^EXPOSE .*/EXPOSE $expose/" "$(repo "$app")/Dockerfile"
	rm -f "$(repo "$app")/CHECKS"
	[[ $checks == - ]] || printf '%b' "$checks" >"$(repo "$app")/CHECKS"
	"${git[@]}" add --all
	"${git[@]}" commit --quiet --allow-empty --message "$release as $app"
}

# push_version … - does the same, and pushes the commit.
push_version() {
	version "$@"
	run push "$1"
	printf '%s\n' "$output"
}

assert_has() {
	[[ $output == *"$1"* ]] || {
		printf 'not in it: %s\n' "$1"
		return 1
	}
}

@test "a port that speaks SMTP is refused, and what it says leads to a push that is live" {
	push_version ports-mail v1 "8025 1025" - HTTP_PORT=8025 MAIL_PORT=1025
	[[ $status -ne 0 ]]
	assert_has "and port 1025 is used."
	assert_has "To use another: dokku config:set ports-mail PORT=8025"
	assert_has "v1 takes connections on port 1025, but does not speak HTTP there. The image EXPOSEs 8025 as well: dokku config:set ports-mail PORT=8025"
	[[ -z $(released ports-mail) ]]
	dokku_run config:set ports-mail PORT=8025
	run push ports-mail
	[[ $status -eq 0 ]]
	assert_serves ports-mail v1
}

@test "a port that changes is said, and one that speaks SMTP leaves the old version where it is" {
	push_version ports-change v1 5000 -
	[[ $status -eq 0 && $output != *"port 5000 ->"* ]]
	push_version ports-change v2 8025 -
	[[ $status -eq 0 ]]
	assert_has "port 5000 -> 8025"
	assert_serves ports-change v2
	push_version ports-change v3 "8025 1025" - HTTP_PORT=8025 MAIL_PORT=1025
	[[ $status -ne 0 ]]
	assert_has "port 8025 -> 1025"
	assert_serves ports-change v2
	assert_clean ports-change
}

@test "whatever an app says itself is an answer: its own 503 goes live with a warning, a redirect without" {
	push_version ports-say v1 5000 - READY_DELAY_MS=600000
	[[ $status -eq 0 ]]
	assert_has "GET / over http is answered with 503: without a CHECKS file v1 goes live all the same"
	[[ $(fetch ports-say /) == "not ready" ]]
	push_version ports-say v2 5000 - FORCE_HTTPS=1
	[[ $status -eq 0 ]]
	assert_has "GET / over http is answered with 301"
	push_version ports-say v3 5000 - ONLY_HOST=ports-say.localhost
	[[ $status -eq 0 ]]
	assert_has "GET / over http is answered with 200"
	[[ $(fetch ports-say / --header 'Host: ports-say.localhost' --output /dev/null \
		--write-out '%{http_code}') == 200 ]]
}

@test "an app that is slow to answer first is waited for" {
	push_version ports-slow v1 5000 - FIRST_DELAY_MS=12000
	[[ $status -eq 0 ]]
	assert_has "GET / over http is answered with 200"
}

@test "an app that listens elsewhere is told where" {
	dokku_run apps:create ports-where
	dokku_run checks:set ports-where require-listening true
	push_version ports-where v1 5000 'WAIT=1\nATTEMPTS=3\n' LISTEN_ADDR=127.0.0.1
	[[ $status -ne 0 ]]
	assert_has "It listens on 127.0.0.1 only, which nothing outside its container can reach"
	push_version ports-where v1 5000 'WAIT=1\nATTEMPTS=3\n/\n' HTTP_PORT=3000
	[[ $status -ne 0 ]]
	assert_has "It listens on port 3000 instead: let it listen on \$PORT, or run: dokku config:set ports-where PORT=3000"
	push_version ports-where v1 5000 'WAIT=1\nATTEMPTS=3\n' NO_LISTEN=1
	[[ $status -ne 0 ]]
	assert_has "It listens on no port at all"
}

@test "CHECKS without a check: the default check, as long as its settings say" {
	dokku_run apps:create ports-empty
	dokku_run checks:set ports-empty require-listening true
	push_version ports-empty v1 5000 'WAIT=2\nATTEMPTS=1\n' BOOT_DELAY_MS=20000
	[[ $status -ne 0 ]]
	assert_has "CHECKS has no check, so the default check is used"
	assert_has "takes connections on port 5000 within 2 s and stays up for 1 s"
	push_version ports-empty v2 5000 'WAIT=10\nATTEMPTS=6\n# more to come\n' BOOT_DELAY_MS=20000
	[[ $status -eq 0 ]]
	assert_serves ports-empty v2
	push_version ports-empty v3 5000 ''
	[[ $status -eq 0 ]]
	assert_has "CHECKS has no check, so the default check is used"
	assert_serves ports-empty v3
}

@test "a config value in CHECKS: known to the first look at the file, and to those that ask" {
	push_version ports-value v1 5000 '/ Hello, {{ var "GREETED" }}\n'
	[[ $status -ne 0 ]]
	assert_has 'CHECKS:1:18: no value for {{ var "GREETED" }}'
	dokku_run config:set ports-value GREETED=world 'GREETING=Hello, world'
	run push ports-value
	printf '%s\n' "$output"
	[[ $status -eq 0 ]]
	assert_serves ports-value v1
}

@test "over https as well, and where nginx itself redirects there" {
	push_version ports-tls v1 5000 -
	[[ $status -eq 0 ]]
	dokku_run certs:generate ports-tls ports-tls.localhost
	dokku_run nginx:set ports-tls https-redirect true
	push_version ports-tls v2 5000 -
	[[ $status -eq 0 ]]
	assert_has "GET / over http is answered with 301"
	assert_has "GET / over https is answered with 200"
	push_version ports-tls v3 1025 - HTTP_PORT=8025 MAIL_PORT=1025
	[[ $status -ne 0 ]]
	assert_has "v3 takes connections on port 1025, but does not speak HTTP there"
}

@test "what is not a web process is not asked" {
	version ports-work v1 1025 - HTTP_PORT=8025 MAIL_PORT=1025
	printf 'mail: /web\n' >"$(repo ports-work)/Procfile"
	commit_files ports-work --message work
	dokku_run apps:create ports-work
	dokku_run ps:scale ports-work web=0 mail=1
	run push ports-work
	printf '%s\n' "$output"
	[[ $status -eq 0 && $output != *"GET /"* ]]
}

# at PORT - prints the headers that a visitor of the app ports-two gets at PORT of the server.
at() {
	curl --silent --max-time 5 --head --resolve "ports-two.example.com:$1:$address" \
		"http://ports-two.example.com:$1/" | tr -d '\r'
}

# more_is RELEASE - true if a visitor at port 9000 gets the further port of the containers.
more_is() { [[ $(at 9000) == *"X-Release: $1"*'X-Port: more'* ]]; }

@test "two ports of the containers: each at a port of the server, at once, and over a deploy; no connection is cut" {
	local slow
	dokku_run apps:create ports-two
	dokku_run domains:set ports-two ports-two.example.com
	dokku_run ports:set ports-two http:80:5000
	commit ports-two v1 --env MORE_PORT=9001
	run push ports-two
	[[ $status -eq 0 ]]
	dokku_run ports:add ports-two http:9000:9001
	more_is v1
	[[ $(at 80) == *'X-Release: v1'* && $(at 80) != *X-Port* ]]
	# While the new release goes live, a visitor of the further port reads a slow answer.
	curl --silent --max-time 60 --resolve "ports-two.example.com:9000:$address" \
		"http://ports-two.example.com:9000/slow?ms=6000" -o "$BATS_TEST_TMPDIR/slow" &
	slow=$!
	sleep 0.5
	commit ports-two v2 --env MORE_PORT=9001
	run push ports-two
	[[ $status -eq 0 ]]
	more_is v2
	wait "$slow"
	# After a boot the map is made again.
	in_world nft delete table ip dokku
	within 10 more_is v2
	dokku_run ports:remove ports-two 9000
	[[ -z $(at 9000) ]]
	[[ $(at 80) == *'X-Release: v2'* ]]
	assert_clean ports-two
}

@test "a further port of the containers that is changed: visitors get one or the other, and the old one leads nowhere" {
	local n=0 answer service
	dokku_run apps:create ports-two
	dokku_run domains:set ports-two ports-two.example.com
	commit ports-two v1 --env MORE_PORT=9001
	dokku_run ports:set ports-two http:80:5000 http:9000:9001
	run push ports-two
	[[ $status -eq 0 ]]
	more_is v1
	dokku_run ports:set ports-two http:80:5000 http:9000:5001 &
	while kill -0 "$!" 2>/dev/null; do
		answer=$(at 9000)
		[[ $answer == *'X-Port: more'* || $answer == *503* ]] || {
			echo "$answer"
			return 1
		}
		n=$((n + 1))
	done
	[[ $n -gt 5 && $(at 9000) == *503* ]]
	dokku_run nginx:validate-config
	service=$(in_world cat /var/lib/dokku/data/services/ports-two/web.1)
	[[ $(in_world nft list map ip dokku services) != *"$service . 100 :"* ]]
}

@test "healthchecks of app.json: a command in the container, an uptime, other ports; a failure is no release" {
	local dir
	dir=$(repo ports-hc)
	# pushed PORT - pushes with a check of a path at PORT.
	pushed() {
		rm -f "$dir/CHECKS"
		printf '{"healthchecks": {"web": [{"uptime": 2, "name": "up"},
			{"listening": true, "port": 9001},
			{"path": "/", "port": %s, "attempts": 2, "wait": 1, "name": "more"},
			{"command": ["/web", "a", "b"], "attempts": 1, "warn": true,
				"name": "misuse"}]}}' "$1" >"$dir/app.json"
		git -C "$dir" add --all
		git -C "$dir" -c user.name=e2e -c user.email=e2e@example.com \
			commit --quiet --message "$1"
		run push ports-hc
	}
	commit ports-hc v1 --env MORE_PORT=9001
	pushed 9001
	[[ $status -eq 0 ]]
	assert_has "ok   up"
	assert_has "ok   listening"
	assert_has "ok   more"
	assert_has "warn misuse: status 2: web: usage: web [DIR] | web worker"
	commit ports-hc v2 --env MORE_PORT=9001
	pushed 9002
	[[ $status -ne 0 ]]
	assert_has "FAIL more: the server never answered at"
	assert_serves ports-hc v1
	assert_clean ports-hc
}

# grpc_app RELEASE - commits an app that answers calls over HTTP/2 without TLS at port 5001. It is
# the nginx of the world.
grpc_app() {
	local dir
	dir=$(repo ports-grpc)
	mkdir -p "$dir/root/"{tmp,run,var/log/nginx,var/lib/nginx,etc}
	[[ -e $dir/root/usr/sbin/nginx ]] || in_world sh -c \
		'{ ldd /usr/sbin/nginx | grep -o "/[^ ]*"; echo /usr/sbin/nginx; } | sort -u |
			tar -ch -T - 2>/dev/null' | tar -x -C "$dir/root"
	touch "$dir"/root/{tmp,run,var/log/nginx,var/lib/nginx}/.keep
	printf 'root:x:0:0::/:/bin/sh\n' >"$dir/root/etc/passwd"
	printf 'root:x:0:\n' >"$dir/root/etc/group"
	printf '%s\n' 'daemon off; user root; pid /run/n.pid; error_log /dev/stderr; events {}' \
		'http { access_log off; server { listen 5001 http2; default_type application/grpc;' \
		"location / { return 200 'release $1 \$http_x_dokku_preview'; } } }" \
		>"$dir/root/etc/n.conf"
	printf 'FROM scratch\nCOPY root /\nCMD ["/usr/sbin/nginx", "-c", "/etc/n.conf"]\n' \
		>"$dir/Dockerfile"
	[[ -d $dir/.git ]] || git init --quiet --initial-branch main "$dir"
	commit_files ports-grpc --message "$1"
}

# call - asks the app as a client of gRPC does.
call() {
	curl --silent --http2-prior-knowledge --max-time 5 --request POST \
		--header 'te: trailers' --header 'content-type: application/grpc' \
		--header 'X-Dokku-Preview: x' --fail --resolve "grpc.example.com:9000:$address" \
		http://grpc.example.com:9000/a.B/C
}

@test "gRPC: calls reach the app over HTTP/2, and a deploy loses none" {
	grpc_app 1
	dokku_run apps:create ports-grpc
	dokku_run domains:set ports-grpc grpc.example.com
	dokku_run ports:set ports-grpc grpc:9000:5001
	run push ports-grpc
	[[ $status -eq 0 && $output == *'is live: grpc://grpc.example.com:9000'* ]]
	[[ $(call) == 'release 1 ' ]]
	grpc_app 2
	push ports-grpc >"$BATS_TEST_TMPDIR/pushed" 2>&1 &
	while kill -0 "$!" 2>/dev/null; do
		call >>"$BATS_TEST_TMPDIR/answers"
		printf '\n' >>"$BATS_TEST_TMPDIR/answers"
	done
	wait "$!"
	[[ $(call) == 'release 2 ' ]]
	[[ $(sort -u "$BATS_TEST_TMPDIR/answers") == $'release 1 \nrelease 2 ' ]]
	run dokku_run ports:set ports-grpc grpc:80:5001
	[[ $status -ne 0 && $output == *'port 80 is for HTTP/1.1 of all apps'* ]]
}
