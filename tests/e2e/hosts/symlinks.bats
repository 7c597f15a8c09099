#!/usr/bin/env bats
# A host whose folders are links to another disk: /home, /usr/local and /var/lib/dokku. Its useradd
# has defaults of its own, and it has a user dokku already.

# shellcheck disable=SC2154 # the helper sets world, output, status
# shellcheck disable=SC2016 # for the shell in the world

load helper

setup_file() {
	host_up
	in_world bash -euc '
		mkdir -p /data/dokku
		mv /home /data/home
		ln -s /data/home /home
		mv /usr/local /data/local
		ln -s ../data/local /usr/local
		ln -s /data/dokku /var/lib/dokku
		useradd --defaults --base-dir /srv
		printf "HOME_MODE 0700\nCREATE_HOME no\n" >>/etc/login.defs'
}

teardown_file() { host_down; }

@test "a user dokku with another home: make install says what to do, and then takes it, though it could not log in" {
	in_world useradd --system --create-home --shell /usr/sbin/nologin dokku
	run host_install
	[[ $status -ne 0 &&
		$output == *'There is a user dokku, whose home is /srv/dokku: it has to be /home/dokku. Run: usermod --home /home/dokku --move-home dokku'* ]]
	in_world usermod --home /home/dokku --move-home dokku
	host_install >/dev/null
}

@test "a push, a certificate, lines of the app's own for nginx, a rollback; by links of any kind" {
	host_key
	commit_and_push linked v1
	assert_serves linked v1
	commit_and_push linked v2
	over_ssh releases:rollback linked v1
	assert_serves linked v1
	over_ssh certs:generate linked
	[[ $(curl --silent --insecure --max-time 10 --resolve "linked.localhost:443:$address" \
		--head https://linked.localhost/) == *200* ]]
	in_world bash -c \
		'install -d -o dokku -g dokku /home/dokku/linked/nginx.conf.d
			echo "add_header X-Own yes;" >/home/dokku/linked/nginx.conf.d/own.conf'
	over_ssh proxy:build-config linked
	[[ $(fetch linked / --head) == *'X-Own: yes'* ]]
	# By the other name of the same program, which sudo has to know, too.
	in_world /data/local/bin/dokku domains:add linked other.example.com
	in_world setpriv --reuid dokku --regid dokku --init-groups /data/local/lib/dokku/dokku \
		domains:add linked third.example.com
	in_world nft delete table ip dokku
	await 15 assert_serves linked v1
}

@test "make install again, and make uninstall with all: nothing stays behind the links" {
	host_install >/dev/null
	assert_serves linked v1
	timeout 300 "$top/tests/world" run "$world" -- make -C /root/dokku uninstall PURGE=1 \
		</dev/null
	[[ -z $(in_world find /data/dokku /data/home /data/local/lib /data/local/bin -mindepth 1 \
		-path '*dokku*') ]]
}
