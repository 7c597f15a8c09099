#!/usr/bin/env bats
# A pristine Debian, and the README's commands: nothing else may be needed.

# shellcheck disable=SC2030,SC2031,SC2016 # bats runs each test in a subshell; text for there
# shellcheck disable=SC2154 # helper.bash and e2e_setup set address, keys, top, world

load helper

setup_file() { e2e_setup; }

@test "the world is pristine: no engine, no nginx, no compiler, no dokku" {
	run in_world bash -c 'type -P docker dockerd nginx sshd gcc jq nft dokku'
	[[ -z $output ]]
}

@test "sudo make install, in a clone, with nothing but a base system" {
	in_world git clone --quiet /src /root/dokku
	timeout 500 "$top/tests/world" run "$world" -- sudo make -C /root/dokku install </dev/null
	[[ $(in_world dokku version) == 'dokku version '* ]]
	[[ $(in_world dokku apps:list) == '=====> My Apps' ]]
}

@test "the first URL works without any set-up: a global domain is there" {
	[[ -n $(in_world cat /home/dokku/VHOST) ]]
}

@test "a key that is added may push, and may do no more than run dokku" {
	in_world bash \
		-c \
		"printf '%s\n' '$(
			<"$keys/key.pub"
		)' >/tmp/e2e.pub && dokku ssh-keys:add e2e /tmp/e2e.pub"
	run over_ssh apps:list
	[[ $status -eq 0 && $output == '=====> My Apps'* ]]
	# sshd takes the client's locale, which this host lacks.
	GIT_SSH_COMMAND+=" -o SetEnv=LC_ALL=xx" run over_ssh apps:list
	[[ $status -eq 0 && $output == '=====> My Apps'* ]]
	run over_ssh /bin/bash -c id
	[[ $status -ne 0 && $output != *uid=* ]]
}

@test "a user who may use sudo: options before the command, and a tab that completes an app" {
	local complete='source /usr/local/share/bash-completion/completions/dokku
		COMP_LINE="dokku logs min" COMP_POINT=14; _dokku dokku; printf "%s" "${COMPREPLY[*]}"'
	in_world bash -c \
		'useradd --groups sudo ann && useradd joe &&
			printf "ann ALL=(ALL) NOPASSWD: ALL\n" >/etc/sudoers.d/ann'
	dokku_run apps:create mine
	[[ $(in_world sudo -u ann dokku --quiet apps:list) == mine ]]
	[[ $(in_world sudo -u ann bash -c "$complete") == mine ]]
	[[ -z $(in_world sudo -u joe bash -c "$complete") ]]
	in_world sudo -u ann dokku --force apps:destroy mine
	in_world bash -c 'rm /etc/sudoers.d/ann && userdel ann && userdel joe'
}

@test "sudo rules name exactly five programs, and take no arguments; the map is dokku's alone" {
	run in_world sudo -u dokku sudo -n -l
	[[ $(sed -n 's/.*NOPASSWD: //p' <<<"$output" | tr , '\n' |
		grep -c '/root/[a-z-]* ""$') -eq 5 && $output != *ALL* ]]
	run in_world sudo -u dokku sudo \
		-n /usr/local/lib/dokku/plugins/service-addresses/root/table --help
	[[ $status -eq 1 ]]
	run in_world sudo -u nobody /usr/local/lib/dokku/plugins/service-addresses/root/map
	[[ $status -ne 0 && $output == *'/root/map'* ]]
	run in_world sudo -u dokku sudo -n /bin/true
	[[ $status -eq 1 ]]
}

@test "installing again upgrades in place and touches no app" {
	commit_and_push stay v1
	before=$(in_world docker ps --quiet --no-trunc)
	load_begin upgrade stay
	timeout 300 "$top/tests/world" run "$world" -- sudo make -C /root/dokku install </dev/null
	load_end upgrade
	[[ $(in_world docker ps --quiet --no-trunc) == "$before" ]]
	assert_serves stay v1
	dokku_run apps:destroy --force stay
}

@test "DESTDIR holds all files, and nothing of the host is touched" {
	in_world make -C /root/dokku install DESTDIR=/tmp/dest PREFIX=/usr
	run in_world bash -c 'cd /tmp/dest && find . -name dokku -o -name check-runner | sort'
	[[ $output == *./usr/bin/dokku* && $output == *./usr/lib/dokku/check-runner* ]]
	[[ $output == *./usr/share/bash-completion/completions/dokku* ]]
	in_world test -s /tmp/dest/usr/share/zsh/site-functions/_dokku
	[[ $(in_world bash -c 'ls /tmp/dest') == usr ]]
	# What is installed names its interpreter, the quicker one.
	run in_world grep -rlE '^#!(/usr/bin/env bash|/bin/bash( -p)?)$' /tmp/dest/usr/lib/dokku
	[[ $status -eq 1 && -z $output ]]
	[[ $(in_world head -n 1 /tmp/dest/usr/lib/dokku/plugins/service-addresses/root/table) == '#!/bin/bash-static -p' ]]
}

@test "sudo make demo shows a push that works and one that is refused, twice" {
	for _ in 1 2; do
		run timeout 200 "$top/tests/world" run "$world" -- sudo make -C /root/dokku demo \
			</dev/null
		printf '%s\n' "$output"
		[[ $status -eq 0 ]]
		[[ $(grep -c 'requests [0-9]*, failed 0$' <<<"$output") -eq 2 ]]
		[[ $output == *'did not go live'* && $output == *'still answers from v2'* ]]
	done
	dokku_run apps:destroy --force demo
}

@test "the invariants hold for what is installed: nginx -t, exact permissions" {
	in_world nginx -t -q
	[[ $(in_world find /usr/local/lib/dokku -perm /022 -not -type l) == '' ]]
	[[ $(in_world stat --format %a /home/dokku/.ssh/authorized_keys) == 600 ]]
}
