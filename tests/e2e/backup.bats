#!/usr/bin/env bats
# Backups of apps and of the whole host: proven, damaged, restored under load, and on an empty host.
# shellcheck disable=SC2016,SC2154 # shells in the world; the helper sets top and address

load helper

setup_file() {
	e2e_setup
	dokku_run apps:create saved
	dokku_run checks:set saved wait-to-retire 5
	dokku_run checks:set saved default-wait 0
	in_world bash -c 'cd /var/lib/dokku/data/storage && mkdir -p saved-data &&
		echo row >saved-data/rows && chown -R 4711 saved-data && chmod 700 saved-data'
	dokku_run storage:mount saved /var/lib/dokku/data/storage/saved-data:/data
	dokku_run config:set --no-restart saved MARK=one
	dokku_run domains:add saved saved.example.com
	commit_and_push saved r1
}

teardown_file() {
	dokku_run apps:destroy --force saved || true
	in_world bash -c 'rm -rf /var/lib/dokku/data/storage/saved-data* /root/host.tar \
		/var/lib/dokku/backups/saved /tmp/restic'
}

# refused COMMAND… - true if it fails: a plain ! fails no test.
refused() { if "$@"; then return 1; fi; }

backups() { dokku_run backup:list saved; }

@test "an app is backed up and proven while visitors come, and none is lost" {
	load_begin saved saved
	dokku_run backup:run saved
	load_end saved
	backups | grep -E '^[0-9]{8}-[0-9]{6} [0-9]{5,}$'
	dokku_run backup:verify saved
	dokku_run backup:report saved --backup-good | grep '^20'
	in_world bash -c '[[ $(stat -c "%a %U" /var/lib/dokku/backups/saved/*.tar) == "600 dokku" ]]'
}

@test "a restore brings back release, config and storage; no visitor is lost" {
	commit_and_push saved r2
	dokku_run config:set saved MARK=two
	in_world bash -c 'echo lost >/var/lib/dokku/data/storage/saved-data/rows'
	[[ $(released saved) == r2 ]]
	load_begin saved saved
	dokku_run backup:restore saved
	load_end saved
	[[ $(released saved) == r1 ]]
	[[ $(dokku_run config:get saved MARK) == one ]]
	in_world bash -c '[[ $(cat /var/lib/dokku/data/storage/saved-data/rows) == row &&
		$(stat -c "%u %a" /var/lib/dokku/data/storage/saved-data) == "4711 700" ]]'
	in_world bash -c '[[ $(cat /var/lib/dokku/data/storage/saved-data-before-*/rows) == lost ]]'
	commit_and_push saved r3
	[[ $(released saved) == r3 ]]
}

@test "a restore that does not pass its checks leaves all as it is" {
	dokku_run checks:set saved default-wait 1
	in_world bash -c 'printf "WAIT=1\nATTEMPTS=2\n/ nobody says this\n" >/home/dokku/saved/CHECKS &&
		chown dokku: /home/dokku/saved/CHECKS'
	dokku_run backup:run saved
	in_world rm /home/dokku/saved/CHECKS
	in_world bash -c 'rm -rf /var/lib/dokku/data/storage/saved-data-before-*'
	dokku_run config:set saved MARK=three
	load_begin saved saved
	refused dokku_run backup:restore saved
	load_end saved
	[[ $(released saved) == r3 ]]
	[[ $(dokku_run config:get saved MARK) == three ]]
	in_world bash -c '! compgen -G "/var/lib/dokku/data/storage/*before*" &&
		[[ ! -e /home/dokku/saved/CHECKS ]]'
	in_world bash -c 'rm "$(ls -t /var/lib/dokku/backups/saved/*.tar | head -n 1)"'
}

@test "damage is found, and is not restored" {
	dokku_run backup:run saved
	in_world bash -c 'file=$(ls -t /var/lib/dokku/backups/saved/*.tar | head -n 1)
		cp "$file" /root/good.tar
		dd <<<damage of="$file" bs=1 seek=100000 conv=notrunc status=none'
	refused dokku_run backup:verify saved
	refused dokku_run backup:restore saved
	[[ $(released saved) == r3 ]]
	in_world bash -c 'mv /root/good.tar "$(ls -t /var/lib/dokku/backups/saved/*.tar | head -n 1)"'
}

@test "restic: a backup goes there and comes back, and its password is in no list of processes" {
	in_world bash -c 'type -P restic || apt-get install -qq -y restic' >/dev/null 2>&1 ||
		skip "restic cannot be installed here"
	dokku_run backup:set saved target restic:/tmp/restic
	in_world bash -c 'echo RESTIC_PASSWORD=very-hidden-word | dokku backup:auth saved'
	in_world bash -c 'while sleep 0.02; do
			cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\0" " " | grep -c "very-hidden-wor[d]"
		done >/tmp/seen & seen=$!
		dokku backup:run saved; status=$?; kill "$seen"; exit "$status"'
	in_world bash -c '! grep -v "^0$" /tmp/seen'
	[[ $(backups | wc -l) -eq 1 ]]
	dokku_run backup:verify saved
	dokku_run backup:set saved target
}

@test "a whole host: one file, everything removed, and it serves again" {
	dokku_run backup:set saved target
	in_world bash -c 'umask 077; dokku backup:export >/root/host.tar'
	dokku_run apps:destroy --force saved
	in_world bash -c 'rm -rf /var/lib/dokku/data/storage/saved-data*
		docker image prune --all --force >/dev/null
		: >/home/dokku/.ssh/authorized_keys'
	[[ $(fetch saved / --output /dev/null --write-out '%{http_code}') != 200 ]]
	in_world bash -c 'dokku backup:import </root/host.tar'
	[[ $(released saved) == r3 ]]
	fetch_host saved.example.com / --fail --output /dev/null
	[[ $(dokku_run config:get saved MARK) == three ]]
	in_world bash -c '[[ $(cat /var/lib/dokku/data/storage/saved-data/rows) == row ]]'
	# A push with the old key goes on where it was.
	commit_and_push saved r4
	[[ $(released saved) == r4 ]]
}
