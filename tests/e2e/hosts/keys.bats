#!/usr/bin/env bats
# A host whose root has keys in its authorized_keys, and keys that the user dokku cannot open by
# itself: a file of root's, a pipe of root's.

# shellcheck disable=SC2154 # the helper sets world, keys, output, status

load helper

setup_file() {
	host_up
	# shellcheck disable=SC2016 # for the shell in the world
	in_world bash -c 'mkdir -m 700 -p /root/.ssh /root/keys && cd /root/keys && umask 077 &&
		for name in backup comment a b c d; do ssh-keygen -q -t ed25519 -N "" -C "$name" \
		-f "$name"; done
		printf "%s\n" "# $(cat comment.pub)" \
		"command=\"/bin/false\",restrict $(cat backup.pub)" "$1 admin@laptop" \
		>/root/.ssh/authorized_keys' \
		bash "$(cut -d ' ' -f 1,2 "$keys/key.pub")"
}
teardown_file() { host_down; }

@test "make install lets the admin's key push, and none that stands in a comment or has options" {
	host_install
	run in_world dokku ssh-keys:list
	[[ $output == "$(ssh-keygen -l -f "$keys/key.pub" | cut -d ' ' -f 2) NAME=\"admin\"" ]]
	commit_and_push keyed v1
	assert_serves keyed v1
}

# may_push NAME FILE - true if dokku has the key in FILE by this name.
may_push() {
	[[ $(in_world dokku ssh-keys:list) == *"$(in_world ssh-keygen -l -f "$2" |
		cut -d ' ' -f 2) NAME=\"$1\""* ]]
}

@test "a key from a pipe, from a file that only root can read, and from a process substitution" {
	in_world bash -c 'cat /root/keys/a.pub | dokku ssh-keys:add a'
	may_push a /root/keys/a.pub
	in_world dokku ssh-keys:add b /root/keys/b.pub
	may_push b /root/keys/b.pub
	in_world bash -c 'dokku ssh-keys:add c <(cat /root/keys/c.pub)'
	may_push c /root/keys/c.pub
	in_world bash -c 'dokku ssh-keys:add d </root/keys/d.pub'
	may_push d /root/keys/d.pub
}

@test "a pipe of root's feeds a command that runs in a container" {
	# The image has no program that reads. This one does not end by itself.
	WORLD_TIMEOUT=20 run in_world bash -c 'printf "from a pipe\n" | dokku run keyed /web'
	[[ $output == *'keyed v1 listens on'* && $output != *'Permission denied'* ]]
}

@test "a certificate from pipes of root's" {
	in_world bash -c \
		'cd /root/keys &&
			openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=keyed.localhost \
			-days 9 -keyout s.key -out s.crt 2>/dev/null
		tar c s.crt s.key | dokku certs:add keyed &&
		dokku certs:add keyed <(cat s.crt) <(cat s.key)'
}
