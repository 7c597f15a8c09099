#!/usr/bin/env bats
# A host whose /etc/environment changes how programs behave, which sshd gives to each login, and
# whose sudo is hardened.

# shellcheck disable=SC2154 # the helper sets world, output, status
# shellcheck disable=SC2016 # for the shell in the world

load helper

setup_file() {
	host_up
	in_world bash -c \
		'printf "%s\n" POSIXLY_CORRECT=1 DOCKER_HOST=tcp://192.0.2.9:2375 \
			DOCKER_CONTEXT=elsewhere DOCKER_CONFIG=/nowhere \
		DOCKER_API_VERSION=1.24 "GREP_OPTIONS=--invert-match" BASH_ENV=/nowhere \
		ENV=/nowhere CDPATH=/ GLOBIGNORE=* IFS=e LANG=tr_TR.UTF-8 \
		LC_ALL=tr_TR.UTF-8 LC_NUMERIC=de_DE.UTF-8 TMPDIR=/nowhere GIT_DIR=/nowhere \
		GIT_WORK_TREE=/nowhere GIT_CONFIG_GLOBAL=/nowhere CURL_HOME=/nowhere \
		http_proxy=http://192.0.2.9:3128 https_proxy=http://192.0.2.9:3128 \
		all_proxy=http://192.0.2.9:3128 NGINX=3 TAR_OPTIONS=--verbose \
		TIME_STYLE=full-iso BLOCK_SIZE=1 DF_BLOCK_SIZE=human-readable JQ_COLORS=1 \
		XDG_CONFIG_HOME=/nowhere HOME=/nowhere PATH=/usr/bin:/bin:. >/etc/environment'
	# Docker is told of another engine in the user's own settings, too.
	in_world bash -c 'set -a; . /etc/environment; cd /root/dokku && exec make install' \
		>/dev/null
	in_world install -d -o dokku -g dokku /home/dokku/.docker
	in_world bash -c \
		'echo "{ \"currentContext\": \"elsewhere\" }" >/home/dokku/.docker/config.json'
	host_key
}

teardown_file() { host_down; }

# harden LINE… - adds rules of an administrator for sudo. sudo reads files in the order of their
# names.
harden() {
	in_world bash -c \
		'printf "Defaults %s\n" "$@" >/etc/sudoers.d/zz-hardening &&
			chmod 440 /etc/sudoers.d/zz-hardening && visudo --check --quiet' bash "$@"
}

@test "the login does have that environment" {
	in_world bash -c 'grep -q "^POSIXLY_CORRECT" /etc/environment'
	# The account itself, without our forced command.
	in_world bash -c \
		'ssh-keygen -q -t ed25519 -N "" -f /root/plain &&
			cp /home/dokku/.ssh/authorized_keys /root/keys.kept &&
			cat /root/plain.pub >>/home/dokku/.ssh/authorized_keys'
	run in_world ssh -i /root/plain -o StrictHostKeyChecking=no -o LogLevel=ERROR \
		dokku@127.0.0.1 '/usr/bin/env'
	in_world bash -c 'cat /root/keys.kept >/home/dokku/.ssh/authorized_keys'
	[[ $output == *POSIXLY_CORRECT=1* && $output == *DOCKER_HOST=tcp://192.0.2.9:2375* &&
		$output == *GIT_DIR=/nowhere* && $output == *TMPDIR=/nowhere* ]]
}

@test "a push, a change of config, a rollback, a build by the command of docker: all go to the engine of this host" {
	commit_and_push odd v1
	assert_serves odd v1
	commit_and_push odd v2
	assert_serves odd v2
	over_ssh config:set odd COLOR=green
	over_ssh releases:rollback odd v1
	assert_serves odd v1
	over_ssh run odd /web --help >/dev/null || true
	[[ $(over_ssh apps:list) == *odd* ]]
	[[ $(over_ssh logs odd) == *web.1* || -n $(over_ssh logs odd) ]]
	over_ssh ps:stop odd
	over_ssh ps:start odd
	assert_serves odd v1
}

@test "sudo that wants a terminal, gives each command one of its own, resets no environment: a push, and one with a terminal" {
	harden requiretty use_pty '!env_reset' '!secure_path' noexec
	# What the administrator's own rule does to others.
	run in_world setsid setpriv --reuid dokku --regid dokku --init-groups sudo -n true
	[[ $status -ne 0 ]]
	commit_and_push odd v3
	assert_serves odd v3
	# shellcheck disable=SC2086 # words
	timeout 60 $GIT_SSH_COMMAND -tt "dokku@$address" ps:restart odd </dev/null
	over_ssh domains:add odd odd.example.com
	in_world nft delete table ip dokku
	await 15 assert_serves odd v3
	run in_world setsid --wait dokku plugin:trigger install
	[[ $status -eq 0 && $output != *sudo* ]]
	in_world rm /etc/sudoers.d/zz-hardening
}

@test "a rule of sudo after ours that asks for a password, and a sudo that reads no folder: said" {
	local said="sudo asks the user dokku for a password"
	in_world bash -c 'umask 227; echo "%adm ALL=(ALL) ALL" >/etc/sudoers.d/sysadmins'
	run in_world dokku plugin:trigger install
	[[ $output == *" !     $said, so no push works"* ]]
	run dokku_run domains:add odd rule.example.com
	[[ $status -ne 0 && $output == *" !     $said, because another rule"* ]]
	in_world rm /etc/sudoers.d/sysadmins
	in_world sed -i.kept /includedir/d /etc/sudoers
	run in_world dokku plugin:trigger install
	in_world mv /etc/sudoers.kept /etc/sudoers
	[[ $output == *'no push works. It says: "a password is required". Let /etc/sudoers read'* ]]
	run in_world dokku plugin:trigger install
	[[ $output != *sudo* ]]
}

@test "an engine of this host that another one's settings hide: what root runs goes there too" {
	in_world bash -c 'set -a; . /etc/environment; exec /usr/local/bin/dokku ps:restart odd'
	in_world bash -c \
		'set -a; . /etc/environment; exec /usr/local/bin/dokku plugin:trigger install'
	assert_serves odd v3
	in_world bash -c 'set -a; . /etc/environment; cd /root/dokku && exec make install' \
		>/dev/null
	commit_and_push odd v4
	assert_serves odd v4
}
