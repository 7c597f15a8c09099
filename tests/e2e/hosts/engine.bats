#!/usr/bin/env bats
# A host whose engine runs and yet starts no container.

# shellcheck disable=SC2154,SC2016 # the helper sets world, output, status; dpkg has variables of its own

load helper

setup_file() { host_up; }
teardown_file() { host_down; }

@test "a kernel with AppArmor gets the package that the engine needs there" {
	run in_world dpkg-query --show --showformat '${db:Status-Status}' apparmor
	[[ $output != installed ]]
	in_world sh -c \
		'mount -t tmpfs none /sys/module && mkdir -p /sys/module/apparmor/parameters &&
			echo N >/sys/module/apparmor/parameters/enabled'
	in_world /root/dokku/plugins/common/dependencies
	run in_world dpkg-query --show --showformat '${db:Status-Status}' apparmor
	[[ $output != installed ]]
	in_world sh -c 'echo Y >/sys/module/apparmor/parameters/enabled'
	in_world /root/dokku/plugins/common/dependencies
	run in_world dpkg-query --show --showformat '${db:Status-Status}' apparmor
	[[ $output == installed ]]
	in_world umount /sys/module
}

@test "an engine that was stopped, with settings of the administrator's own: what they lack is said, and they stay" {
	in_world sh -c \
		'mkdir -p /etc/docker && echo "{ \"icc\": false }" >/etc/docker/daemon.json &&
			! pgrep -x dockerd'
	run host_install
	printf '%s\n' "$output"
	[[ $status -eq 0 &&
		$output == *'A restart of Docker stops all containers: "live-restore": true in /etc/docker/daemon.json changes that'* ]]
	[[ $(in_world cat /etc/docker/daemon.json) == '{ "icc": false }' ]]
	in_world make -C /root/dokku uninstall PURGE=1
	in_world sh -c 'kill "$(cat /var/run/docker.pid)" && rm /etc/docker/daemon.json'
	await 10 in_world sh -c '! pgrep -x dockerd'
}

@test "the socket of the engine is of another group, or of root: dokku may use it" {
	may_use() { in_world setpriv --reuid dokku --regid dokku --init-groups docker ps; }
	in_world sh -c \
		'groupadd engineers &&
			echo "{ \"group\": \"engineers\" }" >/etc/docker/daemon.json &&
			setsid --fork dockerd >/dev/null 2>&1'
	await 20 in_world docker version
	host_install
	may_use
	# As it is where the engine has run since before there was a group docker.
	in_world chgrp root /var/run/docker.sock
	run may_use
	[[ $status -ne 0 ]]
	host_install
	may_use
	in_world make -C /root/dokku uninstall PURGE=1
	in_world sh -c 'kill "$(cat /var/run/docker.pid)" && rm /etc/docker/daemon.json'
	await 10 in_world sh -c '! pgrep -x dockerd'
}

@test "make install tells the engine's own reason, leaves nothing, and works when it is mended" {
	in_world mv /usr/sbin/runc /usr/sbin/runc.away
	in_world sh -c 'printf "#!/bin/sh\ncase \$* in *version*) exec runc.away \"\$@\" ;; esac\necho no profile today >&2\nexit 1\n" >/usr/sbin/runc && chmod +x /usr/sbin/runc'
	run host_install
	printf '%s\n' "$output"
	[[ $status -ne 0 &&
		$output == *'the Docker engine starts no container, so no app would run: '*'runc did not terminate'* ]]
	[[ -z $(in_world docker ps --all --quiet) && -z $(in_world docker image ls --quiet) ]]
	in_world mv /usr/sbin/runc.away /usr/sbin/runc
	host_install
	[[ -z $(in_world docker image ls --quiet) ]]
	host_key
	commit_and_push tried v1
	assert_serves tried v1
}
