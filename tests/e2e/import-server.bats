#!/usr/bin/env bats
# import-server with a real engine: an app of a Dokku server's files serves here.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; the helper sets top and address

load helper

setup_file() {
	e2e_setup
	old=$BATS_FILE_TMPDIR/old
	mkdir -p "$old/home/dokku/moved" "$old/var/lib/dokku/config/moved" \
		"$old/var/lib/dokku/config/ps/moved" "$old/var/lib/dokku/config/git/moved"
	commit moved v1
	git clone --quiet --bare "$(repo moved)" "$old/home/dokku/moved"
	printf "export GREETING='it'\\\\''s me'\n" >"$old/var/lib/dokku/config/moved/ENV"
	printf 'moved.script.test\n' >"$old/home/dokku/moved/VHOST"
	printf 'web=2\n' >"$old/var/lib/dokku/config/ps/moved/scale"
	printf 'main\n' >"$old/var/lib/dokku/config/git/moved/deploy-branch"
	tar --create --directory "$old" . |
		"$top/tests/world" run "$world" -- sh -c 'mkdir -p /srv/old && tar -x -C /srv/old'
}

teardown_file() {
	dokku_run apps:destroy --force moved || true
	in_world rm -rf /srv/old
}

@test "import-server --dry-run changes nothing" {
	run dokku_run import-server --dry-run /srv/old
	[[ $status -eq 0 && $output == *'dokku apps:create moved'* ]]
	run dokku_run apps:exists moved
	[[ $status -ne 0 ]]
}

@test "import-server --deploy: the app serves, with its config, domain and scale; a second run is no harm" {
	run dokku_run import-server --deploy /srv/old
	printf '%s\n' "$output"
	[[ $status -eq 0 ]]
	[[ $(dokku_run config:get moved GREETING) == "it's me" ]]
	[[ $(fetch_host moved.script.test / --head) == *'X-Release: v1'* ]]
	[[ $(in_world docker ps --quiet --filter label=com.dokku.app-name=moved | wc -l) -eq 2 ]]
	[[ $(in_world stat --format %U /home/dokku/moved/refs /home/dokku/moved/objects |
		sort -u) == dokku ]]
	run dokku_run import-server /srv/old
	[[ $status -eq 0 && $output == *'this server has an app moved: passed over'* ]]
}
