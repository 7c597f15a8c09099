#!/usr/bin/env bats
# A host is restored on an empty machine: from the file of backup:export, and app by app from a
# repository of restic. The first machine is removed before the second one is made.

# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # shells in the world; bats; the helpers set them

load helper

readonly STORAGE=/var/lib/dokku/data/storage

setup_file() {
	machine
	host_key
	in_world bash -c 'mkdir -p "$1/shop-data" && echo rows >"$1/shop-data/rows" &&
		chown -R 4711 "$1/shop-data" && chmod 700 "$1/shop-data"' bash "$STORAGE"
	make_app shop 0 5
	dokku_run storage:mount shop "$STORAGE/shop-data:/data"
	dokku_run domains:add shop shop.example.com
	dokku_run tinyfile:create db
	dokku_run tinyfile:create free
	in_world bash -c 'echo linked >/var/lib/dokku/services/tinyfile/db/data
		echo free >/var/lib/dokku/services/tinyfile/free/data'
	dokku_run tinyfile:link db shop
	commit_and_push shop v1
	dokku_run config:set shop MARK=one
	certificate
	dokku_run apps:create idle
	dokku_run ps:scale --skip-deploy idle worker=2
	dokku_run nginx:set --global client-max-body-size 7m
	save
}

teardown_file() { host_down; }

# machine - makes a machine with dokku and the plugin of services.
machine() {
	host_up
	host_install
	in_world bash -c 'apt-get update -qq && apt-get install -qq --yes restic' >/dev/null 2>&1
	e2e_setup
	tar --directory "$top/build/tests/apps" --create --file - web |
		"$top/tests/world" run "$world" -- docker import - tinyfile:1
	in_world dokku plugin:install /src/tests/services/tinyfile
}

certificate() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=shop.example.com \
		-keyout "$BATS_FILE_TMPDIR/server.key" -out "$BATS_FILE_TMPDIR/server.crt" 2>/dev/null
	tar --directory "$BATS_FILE_TMPDIR" --create --file - server.crt server.key |
		"$top/tests/world" run "$world" -- dokku certs:add shop
}

# save - one file of the whole host, and a repository of restic with each app and service.
save() {
	local subject
	"$top/tests/world" run "$world" -- dokku backup:export </dev/null \
		>"$BATS_FILE_TMPDIR/host.tar"
	in_world install --directory --owner dokku --mode 700 /srv/restic
	restic_is_target
	for subject in shop idle tinyfile:free; do
		dokku_run backup:run "$subject"
	done
	"$top/tests/world" run "$world" -- tar --directory /srv --create --file - restic \
		</dev/null >"$BATS_FILE_TMPDIR/restic.tar"
}

restic_is_target() {
	dokku_run backup:set --global target restic:/srv/restic
	in_world bash -c 'echo RESTIC_PASSWORD=hidden | dokku backup:auth --global'
}

served_certificate() {
	openssl s_client -connect "$address:443" -servername shop.example.com </dev/null \
		2>/dev/null | openssl x509 -noout -fingerprint
}

# is_as_it_was - requires all that the first machine had of shop, idle and their services.
is_as_it_was() {
	[[ $(released shop) == v1 && $(fetch shop /env/MARK) == one ]]
	fetch_host shop.example.com / --fail --output /dev/null
	[[ $(served_certificate) == $(openssl x509 -noout -fingerprint \
		-in "$BATS_FILE_TMPDIR/server.crt") ]]
	in_world bash -c '[[ $(cat "$1/shop-data/rows") == rows &&
		$(stat -c "%u %a" "$1/shop-data") == "4711 700" ]]' bash "$STORAGE"
	[[ $(dokku_run tinyfile:export db) == linked && $(dokku_run tinyfile:export free) == free ]]
	in_world grep -qxF shop /var/lib/dokku/services/tinyfile/db/LINKS
	dokku_run ps:scale idle | grep 'worker: *2'
}

@test "one file, an empty machine: it serves, and the old key pushes the next release" {
	host_down
	machine
	[[ -z $(dokku_run --quiet apps:list 2>/dev/null) ]]
	"$top/tests/world" run "$world" -- dokku backup:import <"$BATS_FILE_TMPDIR/host.tar"
	is_as_it_was
	[[ $(dokku_run nginx:report --global --nginx-computed-client-max-body-size) == 7m ]]
	load_begin second shop
	commit_and_push shop v2
	load_end second
	[[ $(released shop) == v2 ]]
	dokku_run backup:run shop
	assert_clean shop
}

@test "a repository of restic, an empty machine: each app comes back, and serves" {
	host_down
	machine
	host_key
	"$top/tests/world" run "$world" -- tar --directory /srv --extract --file - \
		<"$BATS_FILE_TMPDIR/restic.tar"
	in_world chown -R dokku: /srv/restic
	restic_is_target
	dokku_run backup:list shop | grep '^20'
	dokku_run backup:restore tinyfile:free
	dokku_run backup:restore shop
	dokku_run backup:restore idle
	is_as_it_was
	load_begin second shop
	commit_and_push shop v2
	load_end second
	[[ $(released shop) == v2 ]]
	# The repository takes the next one.
	dokku_run backup:run shop
	[[ $(dokku_run backup:list shop | wc -l) -eq 2 ]]
	assert_clean shop
}
