#!/usr/bin/env bats
# A host whose sshd has a port of its own, and lets in whom its administrator names.

# shellcheck disable=SC2154 # the helper sets world, keys, output, status

load helper

setup_file() {
	host_up
	in_world sh -c \
		'mkdir -p /run/sshd && ssh-keygen -A >/dev/null && useradd --create-home admin &&
		printf "Port 2222\nAllowUsers admin root\nAuthorizedKeysFile /etc/ssh/keys/%%u\n" \
		>/etc/ssh/sshd_config.d/own.conf && /usr/sbin/sshd'
	export GIT_SSH_COMMAND="$GIT_SSH_COMMAND -p 2222"
}
teardown_file() { host_down; }

@test "make install tells what of its config refuses pushes, and the port that a remote needs" {
	run host_install
	printf '%s\n' "$output"
	[[ $status -eq 0 &&
		$output == *'sshd lets nobody push, because its config has: AllowUsers admin root, AuthorizedKeysFile /etc/ssh/keys/%u.'* ]]
	[[ $output == *'git remote add dokku ssh://dokku@HOST:2222/APP'* ]]
	host_key
	run commit_and_push plain v1
	[[ $status -ne 0 && $output == *'Permission denied'* ]]
}

@test "when that is mended a push is a deploy, and make install is silent about it" {
	in_world sh -c 'printf "Port 2222\nAllowUsers admin dokku\nAuthorizedKeysFile /etc/ssh/keys/%%u .ssh/authorized_keys\n" >/etc/ssh/sshd_config.d/own.conf &&
		kill -HUP "$(cat /run/sshd.pid)" && sleep 1'
	run host_install
	printf '%s\n' "$output"
	[[ $status -eq 0 && $output != *'lets nobody push'* ]]
	commit_and_push plain v1
	assert_serves plain v1
	# By a remote as it was told.
	commit plain v2
	GIT_SSH_COMMAND=${GIT_SSH_COMMAND% -p 2222} git -C "$(repo plain)" push \
		"ssh://dokku@$address:2222/plain" main
	assert_serves plain v2
}

@test "make install tells that PAM refuses dokku, that all are refused, and takes a file of keys of root's" {
	in_world sh -c 'cp /etc/pam.d/sshd /root/pam && echo admin >/etc/allow &&
		sed -i "1i account required pam_listfile.so item=user sense=allow file=/etc/allow" \
			/etc/pam.d/sshd'
	run host_install
	printf '%s\n' "$output"
	[[ $status -eq 0 && $output == *'sshd refused a login'*'by PAM account configuration'* ]]
	run over_ssh apps:list
	[[ $status -ne 0 ]]
	in_world sh -c 'cp /root/pam /etc/pam.d/sshd && echo closed >/etc/nologin'
	run host_install
	[[ $status -eq 0 && $output == *'sshd refused a login'* ]]
	in_world sh -c 'rm /etc/nologin; chown root:root /home/dokku/.ssh/authorized_keys'
	run over_ssh apps:list
	[[ $status -ne 0 ]]
	run host_install
	printf '%s\n' "$output"
	[[ $status -eq 0 && $output != *'sshd refused'* ]]
	over_ssh apps:list
}

@test "make demo finds that port" {
	run timeout 300 "$top/tests/world" run "$world" -- make -C /root/dokku demo </dev/null
	printf '%s\n' "$output"
	[[ $status -eq 0 && $output == *'push ssh://dokku@127.0.0.1:2222/demo main'* ]]
}
