#!/usr/bin/env bats
# A host on which another web server runs, and on which somebody removes and reinstalls nginx.

# shellcheck disable=SC2154 # the helper sets world, output, status

load helper

setup_file() { host_up; }
teardown_file() { host_down; }

# apt COMMAND… - without a question.
apt() { in_world env DEBIAN_FRONTEND=noninteractive apt-get -qq --yes "$@"; }

@test "another program has port 80: make install names it" {
	in_world sh -c 'nc=$(command -v perl) && cp "$nc" /usr/local/bin/apache2 &&
		{ setsid /usr/local/bin/apache2 -MIO::Socket::INET \
		-e "\$s = IO::Socket::INET->new(LocalPort => 80, Listen => 5); sleep 600" \
		>/dev/null 2>&1 & echo $! >/tmp/apache; } && sleep 0.5'
	run host_install
	printf '%s\n' "$output"
	[[ $status -ne 0 && $output == *'Port 80 is taken by apache2 (process '* &&
		$output != *emerg* ]]
	# shellcheck disable=SC2016 # for the shell there
	in_world sh -c 'kill "$(cat /tmp/apache)"; sleep 0.2'
	host_install
	host_key
	commit_and_push plain v1
	commit_and_push other v1
	assert_serves plain v1
}

@test "nginx is purged: a push says in one line what is missing" {
	apt purge nginx nginx-common
	run commit_and_push plain v2
	printf '%s\n' "$output"
	[[ $status -ne 0 && $output == */etc/nginx*'is missing'* && $output != *unbound* &&
		$output != *mktemp* ]]
}

@test "make install after that brings nginx back, and all apps" {
	in_world sh -c 'kill "$(cat /run/nginx.pid)" && sleep 0.5'
	run commit_and_push plain v2
	printf '%s\n' "$output"
	[[ $status -ne 0 && $output == *'apt-get install nginx'* ]]
	host_install
	assert_serves plain v1
	assert_serves other v1
	push plain
	assert_serves plain v2
}

# ends COMMAND… - whether what it prints ends with it. A daemon that it has started may hold the
# pipe for as long as it lives.
ends() {
	"$@" </dev/null 2>&1 | timeout 60 cat
	[[ ${PIPESTATUS[*]} == '0 0' ]]
}

@test "nginx.conf as Debian 11 had it, its error_log in http: make install that starts nginx ends, and so does a command" {
	in_world sed -i -e '/^error_log/d' \
		-e 's,^http {,&\n\terror_log /var/log/nginx/error.log;,' /etc/nginx/nginx.conf
	in_world nginx -t -q
	in_world sh -c 'kill "$(cat /run/nginx.pid)" && sleep 1'
	ends host_install
	assert_serves plain v2
	in_world sh -c 'kill "$(cat /run/nginx.pid)" && sleep 1'
	ends dokku_run proxy:build-config plain
	assert_serves plain v2
}

# lines_for_plain LINE… - gives nginx these lines for the app plain.
lines_for_plain() {
	in_world bash -c 'cd /home/dokku/plain && mkdir -p nginx.conf.d &&
		printf "%s;\n" "$@" >nginx.conf.d/own.conf && chown -R dokku: nginx.conf.d &&
		dokku proxy:build-config plain' bash "$@"
}

@test "nginx's workers are of another user: they read an app's passwords" {
	in_world bash -c 'useradd --system --user-group web &&
		sed -i "s/^user .*/user web;/" /etc/nginx/nginx.conf && nginx -s reload &&
		printf "u:%s\n" "$(openssl passwd -apr1 p)" >/home/dokku/plain/htpasswd &&
		chown dokku: /home/dokku/plain/htpasswd'
	lines_for_plain 'auth_basic x' 'auth_basic_user_file /home/dokku/plain/htpasswd'
	[[ $(fetch plain / --user u:p --output /dev/null --write-out '%{http_code}') == 200 ]]
}

@test "an app with a cache: a good version goes live, and visitors get nothing of a refused one" {
	local before
	before=$(released plain)
	in_world bash -c 'echo "proxy_cache_path /var/cache/nginx keys_zone=all:1m;" \
		>/etc/nginx/conf.d/cache.conf'
	# shellcheck disable=SC2016 # nginx's variables
	lines_for_plain 'proxy_cache all' 'proxy_cache_key $host$request_uri' \
		'proxy_cache_valid any 1h'
	fetch plain '/?one' >/dev/null
	printf 'ATTEMPTS=2\nWAIT=1\n/?one\n  < X-Release: v9\n/?two My Amazing\n' \
		>"$(repo plain)/CHECKS"
	# nginx alone adds such a header.
	cp "$(repo plain)/CHECKS" "$BATS_TEST_TMPDIR/good"
	printf '/\n  < Server: !\n' >>"$(repo plain)/CHECKS"
	run commit_and_push plain v9
	printf '%s\n' "$output"
	[[ $status -ne 0 && $output != *"X-Release: $before"* && $output == *Server* ]]
	[[ $(fetch plain '/?two' --head) == *"X-Release: $before"* ]]
	cp "$BATS_TEST_TMPDIR/good" "$(repo plain)/CHECKS"
	commit_and_push plain v9
	[[ $(fetch plain '/?three' --head) == *'X-Release: v9'* ]]
	[[ $(fetch plain '/?one' --head) == *"X-Release: $before"* ]]
}
