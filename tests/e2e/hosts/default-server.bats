#!/usr/bin/env bats
# A host whose nginx has sites of its administrator's, with a default server among them. It stays
# the default, ours is where there is none, and an app is reached by its host name all the same.

# shellcheck disable=SC2154 # the helper sets world, keys, output, status, address
# shellcheck disable=SC2016 # text for the shell in the world

load helper

setup_file() {
	host_up
	in_world sh -c \
		'rm /etc/nginx/sites-enabled/default; mkdir -p /srv &&
			openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=blog.example -days 9 \
			-keyout /srv/s.key -out /srv/s.crt 2>/dev/null'
}
teardown_file() { host_down; }

# site FILE LISTEN… - makes a site of the administrator with these listen directives.
site() {
	local file=$1
	shift
	in_world bash -c 'file=$1; shift; { printf "server {\n"; printf "\tlisten %s;\n" "$@"
		printf "\tserver_name blog.example _;\n\tssl_certificate /srv/s.crt;\n\tssl_certificate_key /srv/s.key;\n\tdefault_type text/plain;\n\treturn 200 \"the blog\\\\n\";\n}\n"; } >"$file"' bash "$file" "$@"
}

# install_again - runs the last step of make install, and prints its output.
install_again() {
	in_world env PLUGIN_PATH=/usr/local/lib/dokku/plugins dokku plugin:trigger install 2>&1
}

# asked URL [HOST] - prints what nginx answers in the world, for the host name HOST, by default one
# that no app has.
asked() {
	in_world curl --silent --insecure --max-time 5 --header "Host: ${2:-nobody.example}" "$1"
}

# assert_reached RELEASE - requires that the app answers by IPv4 and IPv6.
assert_reached() {
	assert_serves shop "$1"
	[[ $(asked 'http://[::1]/' shop.localhost) == *shop* ]]
}

# upgraded - install_again, then a reload, as an administrator does who has changed a site.
upgraded() {
	run install_again
	[[ $status -eq 0 ]] || {
		printf '%s\n' "$output"
		return 1
	}
	in_world nginx -s reload
	sleep 1
}

readonly OURS='No app here answers to this host name.'

@test "a default server on port 80, in a file of any name: it stays, and apps are reached" {
	site /etc/nginx/sites-enabled/blog '80 default_server' '[::]:80 default_server'
	host_install >"$BATS_TEST_TMPDIR/log" || {
		cat "$BATS_TEST_TMPDIR/log"
		false
	}
	grep -qF 'nginx: /etc/nginx/sites-enabled/blog has the default server of 80. Host names that no app has go there.' "$BATS_TEST_TMPDIR/log"
	host_key
	commit_and_push shop v1
	assert_reached v1
	[[ $(asked http://127.0.0.1/) == 'the blog' && $(asked 'http://[::1]/') == 'the blog' ]]
}

@test "on 443 only, on IPv6 only, by the old word, in a folder that is read first" {
	site /etc/nginx/sites-enabled/blog '443 ssl default_server' '[::]:443 ssl'
	upgraded
	[[ $output == *'the default server of 443.'* ]]
	[[ $(asked http://127.0.0.1/) == "$OURS" && $(asked https://127.0.0.1/) == 'the blog' ]]
	# The first server of an address that has no default is ours.
	run asked 'https://[::1]/'
	[[ $status -eq 35 && -z $output ]]
	dokku_run certs:generate shop
	[[ $(in_world curl --silent --insecure --max-time 5 --resolve shop.localhost:443:127.0.0.1 \
		https://shop.localhost/) == *shop* ]]

	site /etc/nginx/sites-enabled/blog '[::]:80 default'
	site /etc/nginx/conf.d/a-blog.conf 80
	upgraded
	[[ $output == *'/etc/nginx/sites-enabled/blog has the default server of [::]:80.'* ]]
	[[ $(asked http://127.0.0.1/) == "$OURS" && $(asked 'http://[::1]/') == 'the blog' ]]
	assert_reached v1
	in_world rm /etc/nginx/conf.d/a-blog.conf /etc/nginx/sites-enabled/blog
}

@test "one that comes after dokku: nginx takes it, as a deploy and an upgrade do" {
	upgraded
	[[ $output != *'default server'* ]]
	site /etc/nginx/sites-enabled/late $'80 # mine\n\t\tdefault_server' \
		'[::]:80 default_server' '443 ssl default_server' '[::]:443 ssl default_server'
	in_world nginx -t -q
	in_world nginx -s reload
	commit_and_push other v1
	assert_serves other v1
	[[ $(asked http://127.0.0.1/) == 'the blog' && $(asked https://127.0.0.1/) == 'the blog' ]]
	upgraded
	[[ $output == *'sites-enabled/late has the default server of 80.'* &&
		$output == *'server of [::]:443.'* ]]
	assert_reached v1
	# It goes again: ours is the default.
	in_world rm /etc/nginx/sites-enabled/late
	in_world nginx -s reload
	await 5 eval '[[ $(asked http://127.0.0.1/) == "$OURS" ]]'
}

@test "a site that has an address for itself: it is said that apps do not answer there" {
	local own
	own=$(world_address)
	site /etc/nginx/sites-enabled/blog "$own:80 default_server" '127.0.0.1:80'
	upgraded
	[[ $output == *"/etc/nginx/sites-enabled/blog has $own:80 for itself, so no app answers there."* && $output != *'127.0.0.1:80 for itself'* ]]
	in_world rm /etc/nginx/sites-enabled/blog
	upgraded
	assert_reached v1
}

@test "Debian's welcome page: taken out by whatever name, kept where somebody has changed it" {
	in_world ln -s /etc/nginx/sites-available/default /etc/nginx/sites-enabled/000-welcome
	site /etc/nginx/sites-available/mine '8080'
	in_world ln -s /etc/nginx/sites-available/mine /etc/nginx/sites-enabled/default
	upgraded
	[[ $(in_world ls /etc/nginx/sites-enabled) == default &&
	$(asked http://127.0.0.1/) == "$OURS" ]]
	in_world ln -sf /etc/nginx/sites-available/default /etc/nginx/sites-enabled/default
	in_world sed -i 's/^server {/server {\n\tadd_header X-Mine yes;/' \
		/etc/nginx/sites-available/default
	upgraded
	[[ $output == *'/etc/nginx/sites-enabled/default has the default server of 80.'* ]]
	in_world curl --silent --head http://127.0.0.1/ | grep -q '^X-Mine: yes'
	in_world rm /etc/nginx/sites-enabled/default
}

@test "a directive that nginx takes once, in the administrator's nginx.conf" {
	in_world sed -i 's/^http {/http {\n\tserver_names_hash_bucket_size 128;/' \
		/etc/nginx/nginx.conf
	run install_again
	[[ $status -eq 0 &&
		$output == *'nginx: server_names_hash_bucket_size is set by another file, and keeps that value'* ]]
	in_world nginx -t -q
	assert_reached v1
}

@test "a configuration that is broken without us: make install says so, and leaves its own as it was" {
	local before
	before=$(in_world bash -c 'sha256sum /etc/nginx/conf.d/* /etc/nginx/dokku-preview.conf')
	in_world ln -s /etc/nginx/sites-available/default /etc/nginx/sites-enabled/default
	in_world sh -c 'echo "nonsense;" >/etc/nginx/sites-enabled/broken'
	run install_again
	[[ $status -ne 0 &&
		$output == *"nginx's own configuration does not pass its test: "*nonsense*'repair it, then run make install again'* ]]
	[[ $(in_world bash -c \
		'sha256sum /etc/nginx/conf.d/* /etc/nginx/dokku-preview.conf') == "$before" ]]
	in_world test -L /etc/nginx/sites-enabled/default
	in_world rm /etc/nginx/sites-enabled/broken
	run install_again
	assert_reached v1
}
