#!/usr/bin/env bats
# Maintenance: visitors get 503 at once and no connection is closed, deploys go on, and their checks
# reach the app. It outlives a restart of nginx.
# shellcheck disable=SC2154 # helper.bash and e2e_setup set address, keys, top, world

load helper

setup_file() {
	e2e_setup
	commit_and_push shut a
}

teardown_file() { dokku_run apps:destroy --force shut || true; }

# status_of APP [PATH] [curl options] - prints the status that a visitor gets.
status_of() {
	fetch "$1" "${2:-/}" "${@:3}" --output /dev/null --write-out '%{http_code}'
}

masters() { in_world cat /run/nginx.pid; }

# workers - prints the workers of nginx, which a reload would replace.
workers() { in_world pgrep --parent "$(masters)" | paste -sd ' '; }

# assert_only_503 - requires that all failures are answers with status 503.
assert_only_503() {
	! sed -n 's/^failed: //p' "$BATS_FILE_TMPDIR/busy.txt" |
		grep --invert-match -E ': status_5xx ([0-9]+) \(503: \1\)$'
}

@test "enable and disable under load: 503 and nothing else, no connection is closed, no reload" {
	local before i
	before=$(workers)
	load_begin busy shut --mode get=10@20 --mode post=8@20
	for i in 1 2 3; do
		over_ssh maintenance:enable shut
		[[ $(status_of shut) == 503 ]]
		[[ $(status_of shut /echo --data x) == 503 ]]
		[[ $(fetch shut / --head) == *$'\r\nRetry-After: 60\r\n'* ]]
		sleep 0.5
		over_ssh maintenance:disable shut
		[[ $(status_of shut) == 200 ]]
		sleep 0.5
	done
	load_end busy || true
	# All that failed has status 503, and no connection was closed.
	grep -q '^failed: .*: status_5xx [1-9]' "$BATS_FILE_TMPDIR/busy.txt"
	assert_only_503
	grep -q 'alive from start to end 18 of 18$' "$BATS_FILE_TMPDIR/busy.txt"
	[[ $(workers) == "$before" ]]
}

@test "deploys go on: checked through nginx while visitors get 503, and 0 lost for those allowed" {
	local mine before
	dokku_run maintenance:enable shut
	[[ $(status_of shut) == 503 ]]
	mine=$(in_world sh -c 'tail -n 1 /var/log/nginx/shut-access.log | cut -d " " -f 1')
	[[ $mine == *.*.*.* ]]
	dokku_run maintenance:enable shut --allow "${mine%.*}.0/24"
	before=$(workers)
	load_begin allowed shut --mode get=10@20 --mode post=8@20
	run commit_and_push shut b
	[[ $status -eq 0 && $output == *"shut is in maintenance: visitors get status 503"* ]]
	over_ssh releases:rollback shut
	dokku_run maintenance:enable shut --allow "$mine"
	load_end allowed
	assert_serves shut a
	dokku_run maintenance:enable shut --allow 192.0.2.0/24
	[[ $(status_of shut) == 503 ]]
	commit shut c --break
	run push shut
	[[ $status -ne 0 ]]
	[[ $(workers) == "$before" ]]
	dokku_run maintenance:disable shut
	assert_serves shut a
}

@test "a custom page with its files, for each method; and the page is there after nginx starts again" {
	mkdir -p "$BATS_TEST_TMPDIR/page"
	printf '<p>back at nine</p>\n' >"$BATS_TEST_TMPDIR/page/maintenance.html"
	printf 'p { color: red }\n' >"$BATS_TEST_TMPDIR/page/style.css"
	# shellcheck disable=SC2086 # words
	tar -c -C "$BATS_TEST_TMPDIR/page" . |
		timeout 60 $GIT_SSH_COMMAND "dokku@$address" maintenance:custom-page shut
	[[ $(fetch shut /) != *nine* ]]
	over_ssh maintenance:enable shut
	[[ $(fetch shut /some/where) == '<p>back at nine</p>' && $(status_of shut /x) == 503 ]]
	[[ $(fetch shut /style.css) == 'p { color: red }' && $(status_of shut /style.css) == 200 ]]
	[[ $(status_of shut / --data x) == 503 && $(status_of shut / --request DELETE) == 503 ]]
	[[ $(status_of shut /.well-known/acme-challenge/x) != 503 ]]
	in_world sh -c 'nginx -s quit; while pgrep -x nginx >/dev/null; do sleep 0.1; done; nginx'
	[[ $(fetch shut /some/where) == '<p>back at nine</p>' ]]
	dokku_run ps:stop shut
	[[ $(fetch shut /) == '<p>back at nine</p>' ]]
	dokku_run ps:start shut
	dokku_run maintenance:custom-page-remove shut
	[[ $(fetch shut /) == *'Down for maintenance'* ]]
	dokku_run certs:generate shut shut.localhost
	[[ $(curl --silent --insecure --max-time 10 --connect-to "::$address:443" \
		--output /dev/null --write-out '%{http_code}' https://shut.localhost/) == 503 ]]
	over_ssh maintenance:disable shut
	assert_serves shut a
}
