#!/usr/bin/env bats
# letsencrypt with a real ACME server, pebble, which runs in the world: the first certificate, a
# host name that leads elsewhere, renewals under load.
# RENEWALS (20) is how often the certificate is renewed under load.
# shellcheck disable=SC2154 # helper.bash and e2e_setup set address, keys, top, world
# shellcheck disable=SC2016 # for the shell in the world

load helper

setup_file() {
	e2e_setup
	in_world /src/tests/e2e/acme-server install 600
	acme_server start
	dokku_run letsencrypt:set --global server https://127.0.0.1:14000/dir
	dokku_run letsencrypt:cron-job --remove
}

teardown() { touch "$BATS_FILE_TMPDIR/renewals.stop"; }

teardown_file() {
	dokku_run apps:destroy --force acme || true
	dokku_run letsencrypt:set --global server || true
	dokku_run letsencrypt:cron-job --add || true
	in_world /src/tests/e2e/acme-server stop || true
}

# acme_server VERB - stops or starts the CA, whose root is another one after that. It checks each
# host name for each certificate.
acme_server() { in_world env PEBBLE_AUTHZREUSE=0 /src/tests/e2e/acme-server "$1"; }

# serial - prints the serial number of the certificate that visitors get.
serial() {
	openssl s_client -connect "$address:443" -servername acme.localhost </dev/null 2>/dev/null |
		openssl x509 -noout -serial
}

# is_served - true if visitors get the certificate that dokku has.
is_served() {
	[[ $(serial) == "$(in_world openssl x509 -noout -serial -in /home/dokku/acme/tls/server.crt)" ]]
}

# workers - prints the process ids of nginx's workers. A reload replaces them.
workers() { in_world pgrep --full 'nginx: worker' | paste -sd ' '; }

renew() { dokku_run letsencrypt:enable --force acme; }

@test "an app without a release gets a certificate, and HTTPS with its first release" {
	dokku_run apps:create acme
	dokku_run letsencrypt:enable acme
	commit_and_push acme v1
	within 10 is_served
	in_world cat /tmp/acme/root.pem >"$BATS_FILE_TMPDIR/root.pem"
	curl --fail --silent --cacert "$BATS_FILE_TMPDIR/root.pem" --output /dev/null \
		--connect-to "acme.localhost:443:$address:443" https://acme.localhost/
	[[ $(dokku_run letsencrypt:active acme) == true ]]
	[[ -z $(in_world ls -A /var/lib/dokku/acme/.well-known/acme-challenge) ]]
}

@test "a host name that does not lead here is told, and the CA is not asked" {
	local before after
	dokku_run domains:add acme nowhere.invalid
	before=$(in_world grep -c 'order-plz' /tmp/acme/pebble.log)
	run dokku_run letsencrypt:enable acme
	after=$(in_world grep -c 'order-plz' /tmp/acme/pebble.log)
	[[ $status -eq 1 && $output == *'nowhere.invalid does not lead here: '* ]]
	[[ $output != *'acme.localhost does not lead'* && $before == "$after" ]]
	dokku_run domains:remove acme nowhere.invalid
	is_served
}

@test "renewals under load: nginx is not reloaded, no request is lost, no connection is closed" {
	local n before now failed=0 first
	first=$(workers)
	load_begin renewals acme --url https://acme.localhost/ --connect "$address:443" \
		--mode get=8 --mode post=4 --mode close=2
	before=$(serial)
	for ((n = 1; n <= ${RENEWALS:-20}; n++)); do
		renew || ((++failed))
		now=$(serial)
		[[ $now != "$before" && -n $now ]]
		before=$now
	done
	load_end renewals
	[[ $failed -eq 0 && $(workers) == "$first" ]]
	# nginx itself closes a connection after a thousand requests, and says so.
	[[ $(jq '[.targets[].modes[] | select(.mode != "close")] |
		all(.connections.closed_idle == 0 and .connections.closed_midway == 0 and
			.connections.closed_announced <= .requests / 1000)' \
		"$BATS_FILE_TMPDIR/renewals.json") == true ]]
}
