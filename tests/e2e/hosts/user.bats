#!/usr/bin/env bats
# A host that had a user or a group dokku before: of a package, of a person, of an older dokku.

# shellcheck disable=SC2154 # the helper sets world, output, status

load helper

setup_file() { host_up; }
teardown_file() { host_down; }

@test "an account that has expired is named with the command that mends it: nobody could push" {
	in_world useradd --create-home --no-user-group --shell /usr/sbin/nologin dokku
	in_world chage --expiredate 2020-01-01 dokku
	run host_install
	[[ $status -ne 0 &&
		$output == *'The account of the user dokku has expired'*'chage --expiredate -1 dokku'* ]]
	in_world chage --expiredate -1 dokku
}

@test "so is a password that has expired or has to be changed" {
	in_world chage --lastday 0 dokku
	run host_install
	[[ $status -ne 0 &&
		$output == *'The password of the user dokku has expired'*"chage --lastday $(date \
			+%F) --maxdays -1 dokku"* ]]
	in_world chage --lastday 2020-01-01 --maxdays 90 dokku
	run host_install
	[[ $status -ne 0 && $output == *'The password of the user dokku has expired'* ]]
	in_world chage --lastday -1 dokku
	run host_install
	[[ $status -ne 0 && $output == *'The password of the user dokku has expired'* ]]
	in_world chage --lastday "$(date +%F)" --maxdays -1 dokku
}

@test "a login user dokku without a group of its name, whose shell is not there: a push is a deploy" {
	run in_world getent group dokku
	[[ $status -ne 0 ]]
	in_world usermod --shell /bin/tcsh dokku
	host_install
	host_key
	commit_and_push plain v1
	assert_serves plain v1
}

@test "a group dokku without a user" {
	in_world make -C /root/dokku uninstall PURGE=1
	in_world sh -c 'getent group dokku || groupadd --gid 1777 dokku'
	host_install
	host_key
	commit_and_push plain v2
	assert_serves plain v2
}

@test "the user is gone and made again with another number: its apps are its again" {
	in_world make -C /root/dokku uninstall
	in_world sh -c \
		'sleep 3; userdel dokku; useradd --system --uid 987 other
			useradd --uid 1234 --shell /bin/bash --no-create-home --password "*" dokku
			[ "$(stat -c %u /home/dokku)" != 1234 ]'
	run host_install
	printf '%s\n' "$output"
	[[ $status -eq 0 && $output == *'which nobody has: it is dokku'* ]]
	assert_serves plain v2
	commit_and_push plain v3
	assert_serves plain v3
}
