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

# push_version … - the same, and pushes it.
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
