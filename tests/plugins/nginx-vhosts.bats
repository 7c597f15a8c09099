#!/usr/bin/env bats
# nginx-vhosts: what is described, what root takes of it, what is rendered, and that a config
# which does not work never stays. nginx is a fake that runs what it was last told to.

load ../helper

setup() {
	world
	made_plugins nginx-vhosts nginx proxy
	TREE="$TEST_HOST/etc/nginx/dokku"
	make_app web
	# -t fails on a text with BAD; -s reload takes the tree, unless NGINX_STUCK.
	fake nginx <<-'BODY'
		tree=$TEST_HOST/etc/nginx/dokku
		case $* in
		-v) printf 'nginx version: nginx/%s\n' "${NGINX_VERSION:-1.22.1}" >&2 ;;
		*-t*) ! grep -qs BAD "${CANDIDATE:-/dev/null}" || { printf 'nginx: [emerg] unknown directive "BAD" in x:1\n' >&2; exit 1; } ;;
		*reload* | '')
			[[ -n $* || ! -e /proc/$$/fd/8 ]] || touch "$BATS_TEST_TMPDIR/lock-inherited"
			[[ -n ${NGINX_STUCK-} ]] || { printf '%52s' '' && sed -n 's/.*return 200 "\(.*\)";/\1/p' "$tree/generation.conf"; } >"$TEST_HOST/answer"
			;;
		esac
	BODY
	fake unshare <<<'[[ ! -e /proc/$$/fd/8 ]] || touch "$BATS_TEST_TMPDIR/lock-inherited"; CANDIDATE=$7 exec nginx -t -q'
	fake install <<<'while [[ $1 == -* ]]; do shift 2; done; cp "$@"'
	: >"$TEST_HOST/answer"
	# A process that bears nginx's name runs.
	cp "$(type -P sleep)" "$BATS_TEST_TMPDIR/nginx"
	"$BATS_TEST_TMPDIR/nginx" 300 3>&- &
	NGINX=$!
	printf '%s\n' "$NGINX" >"$TEST_HOST/run/nginx.pid"
}

teardown() { kill "$NGINX" 2>/dev/null || true; }

apply() { got "$PLUGIN_CORE_AVAILABLE_PATH/nginx-vhosts/root/apply" <<<"$1"; }

readonly FACTS="app web
domain web.example.com
domain *.web.example.com
upstream 10.86.0.2 80
upstream 10.86.0.3 80"

# rendered - the file of web, without its head, and with what differs in each run replaced.
rendered() { sed -e '1,/^$/d' -e 's,/[^ ]*/web\.d/[0-9a-f]*,DIR,' "$TREE/web.conf"; }

@test "apply: an nginx that does not run is started, and does not keep our lock" {
	rm "$TEST_HOST/run/nginx.pid"
	apply "$FACTS"
	assert_success ""
	[[ -e $TREE/web.conf ]]
	grep -qx nginx "$CALLS"
	assert_absent "$BATS_TEST_TMPDIR/lock-inherited"
}

@test "apply: at a boot nginx, which waits for us, is not waited for; else systemd starts it" {
	rm "$TEST_HOST/run/nginx.pid"
	mkdir -p "$TEST_HOST/run/systemd/system"
	fake systemctl <<<'case $* in
		"is-active dokku-restore.service") printf "%s\n" "${RESTORE_IS-inactive}"; exit 3 ;;
		"start nginx") [[ ${RESTORE_IS-} != activating ]] && exec nginx ;;
		*) exit 1 ;; esac'
	RESTORE_IS=activating apply "$FACTS"
	assert_success ""
	[[ -e $TREE/web.conf ]]
	grep -q "^unshare" "$CALLS"
	assert_equal 0 "$(grep -cx nginx "$CALLS")"
	apply "$FACTS"
	assert_success ""
	assert_equal 1 "$(grep -cx nginx "$CALLS")"
}

@test "apply: the whole file, over HTTP" {
	apply "$FACTS"
	assert_success ""
	assert_equal 'upstream dokku-web {
	server 10.86.0.2:80 max_fails=0;
	server 10.86.0.3:80 max_fails=0;
	server 10.86.0.2:80 max_fails=0;
	server 10.86.0.3:80 max_fails=0;
	server 10.86.0.2:80 max_fails=0;
	server 10.86.0.3:80 max_fails=0;
}

server {
	listen *:80;
	server_name web.example.com *.web.example.com;
	access_log /var/log/nginx/web-access.log;
	error_log /var/log/nginx/web-error.log;
	set $dokku_upstream dokku-web;

	location / {
		proxy_pass http://$dokku_upstream;
		proxy_set_header X-Dokku-Preview "";
		proxy_http_version 1.1;
		proxy_next_upstream error;
		proxy_next_upstream_tries 3;
		proxy_set_header Upgrade $http_upgrade;
		proxy_set_header Connection $dokku_connection;
		proxy_set_header Host $http_host;
		proxy_set_header X-Forwarded-For $remote_addr;
		proxy_set_header X-Forwarded-Port $server_port;
		proxy_set_header X-Forwarded-Proto $scheme;
		proxy_set_header X-Request-Start $msec;
	}' "$(rendered | sed '/X-Request-Start/{n;q}')"
	grep -q 'return 503' "$TREE/web.conf"
	grep -q 'add_header Retry-After' "$TREE/web.conf"
	run ! grep -q keepalive "$TREE/web.conf"
	run ! grep -q 443 "$TREE/web.conf"
}

@test "apply: with a certificate HTTPS as well, HTTP/2, no redirect and no HSTS" {
	mkdir "$DOKKU_ROOT/web/tls"
	printf 'crt\n' >"$DOKKU_ROOT/web/tls/server.crt"
	printf 'key\n' >"$DOKKU_ROOT/web/tls/server.key"
	apply "$FACTS
certificate"
	assert_success ""
	assert_equal 1 "$(rendered | grep -c 'listen \*:443 ssl http2;')"
	assert_equal 1 "$(rendered | grep -c 'ssl_certificate DIR/server.crt;')"
	assert_equal 2 "$(rendered | grep -c 'proxy_pass')"
	assert_equal 0 "$(rendered | grep -c -e 'return 301' -e Strict-Transport)"
	assert_equal key "$(cat "$TREE"/web.d/*/server.key)"
	: >"$CALLS"
	NGINX_VERSION=1.29.7 apply "$FACTS
certificate
set https-redirect true"
	assert_success ""
	assert_equal 1 "$(rendered | grep -c 'http2 on;')"
	assert_equal 1 "$(rendered | grep -c 'keepalive 0;')"
	assert_equal 1 "$(rendered | grep -c 'return 301 https://$host$request_uri;')"
	assert_equal 1 "$(rendered | grep -c 'add_header Strict-Transport-Security "max-age=15724800; includeSubdomains" always;')"
}

@test "apply: settings and IPv6" {
	touch "$TEST_HOST/proc/net/if_inet6"
	apply "$FACTS
set client-max-body-size 5m
set proxy-read-timeout 90s
set proxy-buffers 8 16k
set bind-address-ipv4 127.0.0.1
set access-log-path off
set x-forwarded-for-value \$proxy_add_x_forwarded_for
set x-forwarded-ssl on"
	assert_success ""
	local line
	for line in 'client_max_body_size 5m;' 'proxy_read_timeout 90s;' 'proxy_buffers 8 16k;' 'listen 127.0.0.1:80;' 'listen [::]:80;' 'access_log off;' \
		'proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;' 'proxy_set_header X-Forwarded-Ssl on;'; do
		assert_equal 1 "$(rendered | grep -cF "$line")" "$line"
	done
}

@test "apply: refuses whatever is outside its grammar, and changes nothing" {
	apply "$FACTS"
	local before
	before=$(<"$TREE/web.conf")
	is_refused() {
		: >"$CALLS"
		apply "$FACTS
$1"
		assert_status 1 && assert_output "" && assert_error_like ' !     nginx: *' && [[ $stderr != *$'\n'* && $stderr != *$'\e'* ]] &&
			assert_calls "" && assert_file "$TREE/web.conf" "$before"
	}
	each is_refused <<-'LINES'
		app ../web
		app Web
		app web;
		app
		app a/b
		domain a;b
		domain a b
		domain A.com
		domain a..b
		domain *
		domain *.*.a
		domain $host
		domain ~^.*$
		domain a.com{
		domain
		upstream 10.86.0.2
		upstream 10.86.0.2:80
		upstream 10.86.0.2 80;
		upstream unix:/x 80
		upstream 10.86.0.2 80 backup
		upstream 10.86.0.2 $(id)
		preview 10.86.0.2
		preview x 80
		set client-max-body-size 1m;
		set client-max-body-size
		set nope 1
		set
		set proxy-read-timeout 1s; return 200
		set access-log-path /etc/passwd
		set access-log-path /var/log/nginx/../../etc/x
		set access-log-path /var/log/nginx/a b
		set bind-address-ipv4 a[$(id)]
		set x-forwarded-for-value a";
		set x-forwarded-for-value {
		set hsts maybe
		include /etc/passwd;
		server { }
		\e[31m
	LINES
}

@test "apply: the addresses and ports of upstreams are in range" {
	is_refused() {
		apply "app web
domain a.com
upstream $1"
		assert_status 1
	}
	is_refused "999.1.1.1 80"
	is_refused "10.86.0.2 0"
	is_refused "10.86.0.2 99999"
}

@test "apply: unchanged text reloads nothing" {
	apply "$FACTS"
	: >"$CALLS"
	apply "$FACTS"
	assert_success ""
	assert_equal 0 "$(grep -c -e reload -e unshare "$CALLS")"
}

@test "apply: what fails its test never takes the old one's place" {
	apply "$FACTS"
	local before
	before=$(<"$TREE/web.conf")
	apply "$FACTS
set x-forwarded-for-value BAD"
	assert_refused 'nginx: the config for web does not pass its test: unknown directive "BAD" in x:1'
	assert_file "$TREE/web.conf" "$before"
	assert_absent "$TREE/.web.candidate"
	assert_equal 1 "$(grep -c reload "$CALLS")"
}

@test "apply: the first config that fails its test leaves none" {
	apply "$FACTS
set x-forwarded-for-value BAD"
	assert_status 1
	assert_absent "$TREE/web.conf" "$TREE/.web.candidate"
}

@test "apply: a certificate that is not there is refused" {
	apply "$FACTS
certificate"
	assert_status 1
	assert_absent "$TREE/web.conf"
}

@test "apply: custom lines are copied, and included from the copy" {
	mkdir "$DOKKU_ROOT/web/nginx.conf.d"
	printf 'gzip on;\n' >"$DOKKU_ROOT/web/nginx.conf.d/mine.conf"
	apply "$FACTS"
	assert_success ""
	assert_equal "gzip on;" "$(cat "$TREE"/web.d/*/custom/mine.conf)"
	assert_equal 1 "$(rendered | grep -c 'include DIR/custom/\*.conf;')"
	local old
	old=$(echo "$TREE"/web.d/*)
	printf 'gzip off;\n' >"$DOKKU_ROOT/web/nginx.conf.d/mine.conf"
	apply "$FACTS"
	[[ $(ls "$TREE/web.d" | wc -l) -eq 2 && -d $old ]]
}

@test "apply: remove takes it away, with its files, and of no app is nothing to do" {
	apply "$FACTS"
	apply "app web
remove"
	assert_success ""
	assert_equal generation.conf "$(ls -A "$TREE")"
	: >"$CALLS"
	apply "app web
remove"
	assert_success ""
	assert_equal 0 "$(grep -c reload "$CALLS")"
}

@test "apply: trusts neither PATH nor the environment" {
	local file="$REPO/plugins/nginx-vhosts/root/apply"
	assert_equal '#!/bin/bash -p' "$(head -n 1 "$file")"
	grep -qx 'PATH=/usr/sbin:/usr/bin:/sbin:/bin' "$file"
	assert_equal "" "$(grep -nE '(eval|^\. )' "$file" "${file%/*}/render")"
}

# --- the side of dokku ---------------------------------------------------------------

@test "nginx_describe: a hook that fails is no app without domains, or without addresses" {
	make_release web 1
	hook fake app-domains <<<'printf "web.example.com\n"'
	hook fake service-address <<<'exit 3'
	code nginx-vhosts 'nginx_describe web 1'
	assert_status 3
	hook fake service-address <<<'printf "10.86.0.1 80\n"'
	hook fake app-domains <<<'exit 4'
	code nginx-vhosts 'nginx_describe web 1'
	assert_status 4
}

@test "nginx_describe: domains in lower case, an upstream for each web container, settings" {
	make_release web 1 web=2 worker=3
	hook fake app-domains <<<'printf "A.Example.com\nb.com\n"'
	hook fake service-address <<<'if [[ $2 == web ]]; then printf "10.86.0.1 80\n10.86.0.2 80\n"; else printf "10.86.0.9 80\n"; fi'
	code "" 'property_set nginx-vhosts --global client-max-body-size 1m; property_set nginx-vhosts web client-max-body-size 2m'
	mkdir "$DOKKU_ROOT/web/tls"
	touch "$DOKKU_ROOT/web/tls/server.crt"
	code nginx-vhosts 'nginx_describe web 1'
	assert_status 0
	assert_equal "app web
domain a.example.com
domain b.com
upstream 10.86.0.1 80
upstream 10.86.0.2 80
preview 10.86.0.9 80
set client-max-body-size 1m
set client-max-body-size 2m" "$(grep -v '^#' <<<"$output")"
	touch "$DOKKU_ROOT/web/tls/server.key"
	code nginx-vhosts 'nginx_describe web 1'
	grep -qx certificate <<<"$output"
}

@test "nginx:set: keys and values are checked" {
	dokku nginx:set web nope 1
	assert_refused 'nginx:set: no such setting: "nope": dokku nginx:report web lists them' 2
	is_refused() {
		dokku nginx:set web "${1%% *}" "${1#* }"
		assert_status 1 && assert_output "" && assert_error_like ' !     nginx:set: "*" is not a value for *; nothing was changed'
	}
	each is_refused <<-'SETTINGS'
		client-max-body-size 1m;
		client-max-body-size 1 m
		client-max-body-size 1m\n
		proxy-read-timeout -1
		access-log-path /etc/passwd
		access-log-path /var/log/nginx/../x
		hsts yes
		x-forwarded-for-value "x"
		bind-address-ipv4 ::1
	SETTINGS
	dokku nginx:set web client-max-body-size 10m
	assert_success "-----> web: client-max-body-size is now 10m"
	dokku nginx:report web --nginx-client-max-body-size
	assert_success 10m
	dokku nginx:set web client-max-body-size
	assert_success "-----> web: client-max-body-size is now the default"
}

@test "a deploy that changes nothing of nginx's does not ask root" {
	make_release web 1
	make_current web 1
	hook fake app-domains <<<'printf "web.example.com\n"'
	hook fake service-address <<<'printf "10.86.0.2 80\n"'
	got "$PLUGIN_PATH/nginx-vhosts/proxy-build-config" web 1
	assert_success ""
	[[ -s $TREE/web.conf ]]
	: >"$CALLS"
	got "$PLUGIN_PATH/nginx-vhosts/proxy-build-config" web 1
	assert_success ""
	assert_calls ""
	dokku nginx:set web client-max-body-size 3m
	assert_status 0
	grep -q 'client_max_body_size 3m;' "$TREE/web.conf"
	dokku nginx:set web x-forwarded-for-value BAD
	assert_status 1
	dokku nginx:report web --nginx-x-forwarded-for-value
	assert_success ""
	got "$PLUGIN_PATH/nginx-vhosts/post-delete" web
	assert_success ""
	assert_absent "$TREE/web.conf"
}

# --- the receipt ------------------------------------------------------------------------

@test "pre-deploy and post-retire: what was answered 5xx in between, and only that" {
	local log="$BATS_TEST_TMPDIR/access.log" dir="$DOKKU_LIB_ROOT/data/releases/shop/1"
	make_app shop
	make_release shop 1
	make_current shop 1
	line() { printf '1.2.3.4 - - [1/Jan/2026] "GET %s HTTP/1.1" %s 12 "-" "x"\n' "$2" "$1" >>"$log"; }
	line 503 /before
	mkdir -p "$DOKKU_LIB_ROOT/config/nginx-vhosts/shop"
	printf '%s\n' "$log" >"$DOKKU_LIB_ROOT/config/nginx-vhosts/shop/access-log-path"
	DOKKU_RELEASE=1 got "$PLUGIN_CORE_AVAILABLE_PATH/nginx-vhosts/pre-deploy" shop image
	assert_success ""
	line 200 '/ 500 1'
	line 502 /
	line 504 /
	got "$PLUGIN_CORE_AVAILABLE_PATH/nginx-vhosts/post-retire" shop
	assert_success ""
	assert_file "$dir/errors" 2
	line 502 /late
	got "$PLUGIN_CORE_AVAILABLE_PATH/nginx-vhosts/post-retire" shop
	assert_file "$dir/errors" 2
}

@test "post-retire: of deploys that overlap each has what was answered while it was the newest" {
	local log="$BATS_TEST_TMPDIR/access.log" dir="$DOKKU_LIB_ROOT/data/releases/shop" drains="$DOKKU_LIB_ROOT/data/draining/shop"
	make_app shop
	make_release shop 1
	make_release shop 2
	line() { printf '1.2.3.4 - - [1/Jan/2026] "GET / HTTP/1.1" %s 12 "-" "x"\n' "$1" >>"$log"; }
	mkdir -p "$DOKKU_LIB_ROOT/config/nginx-vhosts/shop" "$drains"
	printf '%s\n' "$log" >"$DOKKU_LIB_ROOT/config/nginx-vhosts/shop/access-log-path"
	: >"$log"
	: >"$drains/log"
	DOKKU_RELEASE=1 got "$PLUGIN_CORE_AVAILABLE_PATH/nginx-vhosts/pre-deploy" shop image
	line 502
	DOKKU_RELEASE=2 got "$PLUGIN_CORE_AVAILABLE_PATH/nginx-vhosts/pre-deploy" shop image
	line 503
	line 503
	make_current shop 2
	# What v2 replaced still drains.
	: >"$drains/0123"
	got "$PLUGIN_CORE_AVAILABLE_PATH/nginx-vhosts/post-retire" shop
	assert_success ""
	assert_file "$dir/1/errors" 1
	assert_absent "$dir/2/errors"
	line 504
	rm "$drains/0123"
	got "$PLUGIN_CORE_AVAILABLE_PATH/nginx-vhosts/post-retire" shop
	assert_file "$dir/1/errors" 1
	assert_file "$dir/2/errors" 3
}
