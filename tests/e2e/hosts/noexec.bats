#!/usr/bin/env bats
# A host on which nothing can be executed in /home, and in other places: hooks of git that do not
# run must not go unnoticed.

# shellcheck disable=SC2154 # the helper sets world, keys, output, status
# shellcheck disable=SC2016 # text for the shell in the world

bats_require_minimum_version 1.5.0

load helper

setup_file() {
	host_up
	mount_noexec /home
}
teardown_file() { host_down; }

# mount_noexec DIR - mounts DIR so that nothing in it can be executed.
mount_noexec() {
	in_world sh -c \
		'mkdir -p "$1" && mount --bind "$1" "$1" && mount -o remount,bind,noexec "$1"' \
		sh "$1"
}

# branch APP - prints the commit of its branch main.
branch() {
	in_world setpriv --reuid dokku --regid dokku --init-groups git -C "/home/dokku/$1" \
		rev-parse main
}

# assert_pushed APP RELEASE - requires that RELEASE serves, and that the branch is the pushed one.
assert_pushed() {
	assert_serves "$1" "$2" && [[ $(branch "$1") == "$(git -C "$(repo "$1")" rev-parse HEAD)" ]]
}

@test "/home noexec: a push is a deploy" {
	host_install
	host_key
	commit_and_push fixed v1
	assert_pushed fixed v1
	commit_and_push fixed v2
	assert_pushed fixed v2
}

@test "a hook of the owner's own that cannot run there is said not to run" {
	in_world sh -c \
		'printf "#!/bin/sh\nexit 0\n" >/home/dokku/fixed/hooks/post-receive &&
			chmod 755 /home/dokku/fixed/hooks/post-receive'
	run commit_and_push fixed v3
	[[ $status -eq 0 && $output == *'hooks/post-receive of fixed is not run'* ]]
	assert_pushed fixed v3
}

@test "core.hooksPath of the system, of the user and of the repository, and a template with hooks" {
	in_world sh -c \
		'mkdir -p /srv/hooks /srv/template/hooks &&
			git config --system core.hooksPath /srv/hooks &&
		printf "#!/bin/sh\nexit 0\n" >/srv/template/hooks/pre-receive &&
		chmod 755 /srv/template/hooks/pre-receive &&
		git config --system init.templateDir /srv/template'
	commit_and_push fixed v4
	assert_pushed fixed v4
	in_world setpriv --reuid dokku --regid dokku --init-groups git -C /home/dokku/fixed config \
		core.hooksPath /srv/hooks
	commit_and_push fixed v5
	assert_pushed fixed v5
	commit_and_push template v1
	assert_pushed template v1
	in_world git config --system --unset core.hooksPath
	in_world git config --system --unset init.templateDir
}

@test "our own hook without its x bit: the push is refused, the branch stays, the version goes on serving" {
	local was hook=/usr/local/lib/dokku/plugins/git/hooks/pre-receive
	was=$(branch fixed)
	in_world chmod a-x "$hook"
	run commit_and_push fixed v6
	in_world chmod a+x "$hook"
	[[ $status -ne 0 && $output == *'nothing was deployed'*'run make install on the server'* ]]
	assert_serves fixed v5
	[[ $(branch fixed) == "$was" ]]
	push fixed
	assert_pushed fixed v6
}

@test "make install in a checkout that is noexec names the reason" {
	in_world cp -r /root/dokku /home/dokku-source
	run in_world make -C /home/dokku-source install
	[[ $status -ne 0 && $output == *'Nothing can be executed in /home/dokku-source'*noexec* ]]
	in_world rm -r /home/dokku-source
}

@test "/var noexec: make install names the reason, and a push is a deploy" {
	mount_noexec /var/lib/dokku
	run host_install
	[[ $status -eq 0 &&
		$output == *'Nothing can be executed in /var/lib/dokku/plugins/available'*noexec* ]]
	commit_and_push fixed v7
	assert_pushed fixed v7
	# A check that cannot run has not passed.
	in_world sh -c \
		'mkdir -p /root/strict && printf "#!/bin/sh\nexit 1\n" >/root/strict/check-deploy &&
			chmod 755 /root/strict/check-deploy && dokku plugin:install /root/strict'
	run commit_and_push fixed v8
	[[ $status -ne 0 && $output == *'/strict/check-deploy'@(\'|"’")': Permission denied'* ]]
	assert_serves fixed v7
	in_world dokku plugin:uninstall strict
	in_world mount -o remount,bind,exec /var/lib/dokku
}

@test "a folder that is read-only or full: make install names it and changes nothing" {
	local folder before
	before=$(in_world cat /usr/local/lib/dokku/VERSION)
	in_world sed -i s/.*/older/ /usr/local/lib/dokku/VERSION
	for folder in /usr/local /etc /etc/nginx /etc/sudoers.d /var/lib/dokku /home/dokku /run; do
		in_world mount --bind "$folder" "$folder"
		# The watch may write there at this moment, and may run a program from there below.
		await 5 in_world mount -o remount,bind,ro "$folder"
		run host_install
		in_world umount --lazy "$folder"
		[[ $status -ne 0 && $output == *"make install cannot write to $folder"*": Read-only"* ]]
	done
	in_world mount -t tmpfs -o size=100k none /usr/local/share
	run host_install
	in_world umount /usr/local/share
	[[ $status -ne 0 && $output == *"write to /usr/local/share: No space left on device."* ]]
	[[ $(in_world cat /usr/local/lib/dokku/VERSION) == older ]]
	in_world bash -c 'printf "%s\n" "$1" >/usr/local/lib/dokku/VERSION' bash "$before"
}

@test "a file system that the kernel has made read-only: a command and a push say so, and it serves" {
	local folder
	for folder in /var/lib/dokku /home/dokku; do
		in_world mount --bind "$folder" "$folder"
		in_world mount -o remount,bind,ro "$folder"
		run commit_and_push fixed v8
		in_world umount "$folder"
		[[ $status -ne 0 && $output == *"$folder"*'file system that is read-only now'* ]]
		assert_serves fixed v7
	done
}

@test "/home read-only: what would write there is refused in one line, and begins nothing" {
	local words results=()
	in_world mount --bind /home/dokku /home/dokku
	in_world mount -o remount,bind,ro /home/dokku
	for words in "config:set fixed A=b" "apps:create new" "ps:restart fixed" \
		"apps:rename fixed new" "--force apps:destroy fixed"; do
		# shellcheck disable=SC2086 # words
		run dokku_run $words
		results+=("$words: $status $output")
	done
	in_world umount /home/dokku
	for words in "${results[@]}"; do
		[[ $words == *': 1  !     /home/dokku is on a file system that is read-only now'* &&
			$words != *$'\n'* ]]
	done
	assert_serves fixed v7
}

@test "/home read-only: an app comes back all the same, by a reconcile that says what it cannot do" {
	in_world bash -c 'cd /home/dokku/fixed && mkdir pushed.99999 && echo x >pushed.99999/new &&
		touch -d "1 hour ago" HEAD.lock && touch IP.web.9 web.tmp.9999.abcdef &&
		chown -R dokku: .'
	in_world mount --bind /home/dokku /home/dokku
	in_world mount -o remount,bind,ro /home/dokku
	in_world bash -c 'docker rm --force "$(</home/dokku/fixed/CONTAINER.web.1)"'
	run dokku_run reconcile fixed
	in_world umount /home/dokku
	printf '%s\n' "$output"
	[[ $status -eq 0 && $output == *'/home/dokku is on a file system that is read-only now'* &&
		$output != *rm:* ]]
	assert_serves fixed v7
	in_world test -e /home/dokku/fixed/IP.web.9
	dokku_run reconcile fixed
	run in_world ls /home/dokku/fixed/{pushed.99999,HEAD.lock,IP.web.9,web.tmp.9999.abcdef}
	[[ $output != *$'\n/'* && $(grep -c 'No such file' <<<"$output") -eq 4 ]]
}

@test "the watch that is started on a read-only disk goes on there, and says so once" {
	in_world bash -c 'touch /var/lib/dokku/lock/.heal-again
		while pgrep -f "watch/subcommands/[d]efault"; do sleep 0.1; done
		rm /var/lib/dokku/lock/.heal-again'
	in_world mount --bind /var/lib/dokku /var/lib/dokku
	in_world mount -o remount,bind,ro /var/lib/dokku
	in_world bash -c 'setsid --fork dokku watch </dev/null >/tmp/watch.log 2>&1; sleep 25
		nft flush map ip dokku services; sleep 2'
	run fetch fixed
	# The watch has its lock open there.
	in_world umount --lazy /var/lib/dokku
	[[ $output == *'My Amazing App'* ]]
	in_world cat /tmp/watch.log
	[[ $(in_world grep -c 'read-only now' /tmp/watch.log) -eq 1 ]]
}

@test "a file system that the kernel has made read-only: what only reads goes on" {
	local words results=()
	in_world mount --bind /var/lib/dokku /var/lib/dokku
	in_world mount -o remount,bind,ro /var/lib/dokku
	for words in "logs fixed" apps:list "ps:report fixed" "config:show fixed" "urls fixed" \
		"releases:list fixed" "builds:output fixed" "report fixed" ssh-keys:list; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr dokku_run $words
		# shellcheck disable=SC2154 # run sets it
		results+=("$words: $status ${#output} $stderr")
	done
	in_world umount /var/lib/dokku
	for words in "${results[@]}"; do
		[[ $words == *': 0 '[1-9]*' !     /var/lib/dokku/config is on a file system that is'* &&
			$words != *$'\n'* ]]
	done
}

@test "/usr/local noexec: make install fails, names the reason, and leaves what there is" {
	in_world mkdir /usr/local/fixed
	mount_noexec /usr/local/fixed
	run in_world make -C /root/dokku install PREFIX=/usr/local/fixed
	[[ $status -ne 0 &&
		$output == *'dokku cannot be executed in /usr/local/fixed/lib/dokku'*noexec* ]]
	in_world test ! -e /usr/local/fixed/lib/dokku.new
	in_world umount /usr/local/fixed
	assert_serves fixed v7
}

@test "/usr/local nosuid: make install fails, names the reason, and leaves what there is" {
	in_world sh -c \
		'mkdir -p /usr/local/fixed &&
			mount -t tmpfs -o nosuid,mode=755 none /usr/local/fixed'
	run in_world make -C /root/dokku install PREFIX=/usr/local/fixed
	[[ $status -ne 0 &&
		$output == *'/usr/local/fixed/lib/dokku is on a file system that is mounted nosuid'* ]]
	in_world test ! -e /usr/local/fixed/lib/dokku.new
	in_world umount /usr/local/fixed
	assert_serves fixed v7
}
