#!/usr/bin/env bats
# nginx-vhosts: what is described, what root takes of it, what is rendered, and that a config
# which does not work never stays. nginx is a fake that runs what it was last told to.

load ../helper

setup() {
	world
	made_plugins nginx proxy
	TREE="$TEST_HOST/etc/nginx/dokku"
	make_app web
	# -t fails on a text with BAD; -s reload takes the tree, unless NGINX_STUCK, or unless the
	# text of web has that.
	fake nginx <<-'BODY'
		tree=$TEST_HOST/etc/nginx/dokku
		case $* in
		-v) printf 'nginx version: nginx/%s\n' "${NGINX_VERSION:-1.22.1}" >&2 ;;
		-T)
			[[ -z ${FIRST-} ]] || cat "$BATS_TEST_TMPDIR/others"
			printf '# configuration file %s:\nlisten 81;\nworker_connections 8192;\n' "$TEST_HOST/etc/nginx/conf.d/dokku.conf"
			cat "$BATS_TEST_TMPDIR/others" 2>/dev/null || true
			;;
		*-t*)
			cat "$BATS_TEST_TMPDIR/warnings" >&2 2>/dev/null || true
			! grep -qs BAD "${CANDIDATE:-/dev/null}" || { printf 'nginx: [emerg] unknown directive "BAD" in x:1\n' >&2; exit 1; }
			;;
		*reload* | '')
			[[ -n $* || ! -e /proc/$$/fd/8 ]] || touch "$BATS_TEST_TMPDIR/lock-inherited"
			[[ ${NGINX_STUCK-} == always ]] || { [[ -n ${NGINX_STUCK-} ]] && grep -qs -e "$NGINX_STUCK" "$tree/web.conf"; } ||
				{ printf '%52s' '' && sed -n 's/.*return 200 "\(.*\)";/\1/p' "$tree"/*generation.conf; } >"$TEST_HOST/answer"
			;;
		esac
	BODY
	fake unshare <<<'[[ ! -e /proc/$$/fd/8 ]] || touch "$BATS_TEST_TMPDIR/lock-inherited"
		CANDIDATE=$7 exec nginx -t -q'
	fake install <<<'while [[ $1 == -* ]]; do shift 2; done; cp "$@"'
	fake ufw firewall-cmd </dev/null
	fake ss <<<'cat "$BATS_TEST_TMPDIR/listening.${*: -1:1}" 2>/dev/null || true'
	: >"$TEST_HOST/answer"
	hook fake app-domains <<<'printf "%s.example.com\n" "$1"'
	hook fake service-address <<<'[[ $2 != web ]] || printf "10.86.0.2 80\n"'
	# A process that bears nginx's name runs.
	cp "$(type -P sleep)" "$BATS_TEST_TMPDIR/nginx"
	"$BATS_TEST_TMPDIR/nginx" 300 3>&- &
	NGINX=$!
	printf '%s\n' "$NGINX" >"$TEST_HOST/run/nginx.pid"
}

teardown() { kill "$NGINX" 2>/dev/null || true; }

apply() { got "$PLUGIN_CORE_AVAILABLE_PATH/nginx/root/apply" <<<"$1"; }

readonly FACTS="app web
domain web.example.com
domain *.web.example.com
upstream 10.86.0.2 80
upstream 10.86.0.3 80"

# deployed APP… - apps with a release and a config.
deployed() {
	local app
	for app in "$@"; do
		make_app "$app"
		make_release "$app" 1
		make_current "$app" 1
		got "$PLUGIN_PATH/nginx/proxy-build-config" nginx "$app" 1
		assert_success ""
	done
	: >"$CALLS"
}

# build - as a deploy asks for it.
build() { got "$PLUGIN_PATH/nginx/proxy-build-config" nginx web 1; }

# killed_after PROGRAM PATTERN - who has run PROGRAM with such words is killed.
killed_after() { fake "$1" <<<"/bin/$1 \"\$@\"; [[ \"\$*\" != $2 ]] || kill -KILL \$PPID"; }

# reloads - prints how often nginx was told to reload.
reloads() { grep -c reload "$CALLS" || true; }

# rendered - prints the config of web without its head. Paths that differ in each run are replaced.
rendered() { sed -e '1,/^$/d' -e 's,/[^ ]*/web\.d/[0-9a-f]*,DIR,' -e "s,$TEST_HOST,," "$TREE/web.conf"; }

@test "apply: the ports that the app has; HTTPS only with a certificate, and HTTP redirects to its port" {
	apply "$FACTS"$'\nlisten http 80\nlisten http 8080\nlisten https 8443'
	assert_success ""
	assert_equal "listen *:80; listen *:8080;" \
		"$(rendered | grep -o 'listen \*:.*' | paste -sd ' ')"
	mkdir -p "$DOKKU_ROOT/web/tls"
	printf 'crt\n' >"$DOKKU_ROOT/web/tls/server.crt"
	printf 'key\n' >"$DOKKU_ROOT/web/tls/server.key"
	apply "$FACTS"$'\nlisten http 8080\nlisten https 8443\ncertificate\nset https-redirect true'
	assert_success ""
	assert_equal "listen *:8080; listen *:8443 ssl http2;" \
		"$(rendered | grep -o 'listen \*:.*' | paste -sd ' ')"
	rendered | grep -qF 'return 301 https://$host:8443$request_uri;'
	local line
	for line in 'listen http 0' 'listen http 65536' 'listen ftp 80' 'listen http 80;' \
		'listen http 80 default_server' 'listen 80'; do
		apply "$FACTS"$'\n'"$line"
		assert_refused 'nginx: not a port to listen on'
	done
}

@test "apply: ports that answer alike share a server, so that each setting stands once" {
	mkdir -p "$DOKKU_ROOT/web/tls"
	printf 'crt\n' >"$DOKKU_ROOT/web/tls/server.crt"
	printf 'key\n' >"$DOKKU_ROOT/web/tls/server.key"
	local ports=$'listen http 80\nlisten https 443\nlisten http 8080\nset proxy-read-timeout 45s'
	apply "$FACTS"$'\n'"$ports"$'\ncertificate'
	assert_success ""
	assert_equal "listen *:80; listen *:443 ssl http2; listen *:8080; ssl_protocols TLSv1.2 \
TLSv1.3; proxy_read_timeout 45s;" \
		"$(rendered | grep -o -e 'listen \*:.*' -e 'ssl_protocols.*' -e 'proxy_read_timeout.*' |
			paste -sd ' ')"
	assert_equal 1 "$(rendered | grep -c '^server {')"
	NGINX_VERSION=1.26.0 apply "$FACTS"$'\n'"$ports"$'\ncertificate'
	assert_equal "listen *:443 ssl; http2 on;" \
		"$(rendered | grep -o -e 'listen \*:443.*' -e 'http2 on;' | paste -sd ' ')"
	apply "$FACTS"$'\n'"$ports"$'\ncertificate\nset https-redirect true'
	assert_equal 3 "$(rendered | grep -c '^server {')"
}

@test "apply: a further port of the containers has a server and an upstream of its own, without canary and redirect" {
	mkdir -p "$DOKKU_ROOT/web/tls"
	printf 'crt\n' >"$DOKKU_ROOT/web/tls/server.crt"
	printf 'key\n' >"$DOKKU_ROOT/web/tls/server.key"
	apply "$FACTS"$'\nlisten http 80\nlisten https 443\nlisten http 9000
listen https 9443\nlisten http 8080
further http 9000 100\nfurther https 9443 100\ncertificate\nset https-redirect true'
	assert_success ""
	assert_equal 1 "$(rendered | grep -c '^upstream dokku-web_100 {')"
	assert_equal 6 "$(rendered | grep -cE '^.server 10.86.0.[23]:100 max_fails=0;')"
	local server
	server=$(rendered | awk 'BEGIN { RS = "\nserver {" } /listen \*:9000;/')
	[[ $server == *'proxy_pass http://dokku-web_100;'* &&
		$server == *'Connection $dokku_connection;'* ]]
	[[ $server == *'open_file_cache off;'* && $server == *dokku-maintenance.conf* ]]
	[[ $server != *dokku_canary* && $server != *'return 301'* && $server != *'dokku-web_1;'* ]]
	server=$(rendered | awk 'BEGIN { RS = "\nserver {" } /listen \*:9443 /')
	[[ $server == *'proxy_pass http://dokku-web_100;'* && $server == *ssl_certificate* ]]
	server=$(rendered | awk 'BEGIN { RS = "\nserver {" } /listen \*:8080;/')
	[[ $server == *'return 301 https://$host$request_uri;'* && $server != *web_100* ]]
	local line
	for line in 'further http 9000 99' 'further http 9000 300' 'further http 9000' \
		'further http 9000 1000'; do
		apply "$FACTS"$'\n'"$line"
		[[ $status -ne 0 && $stderr == *'not a port'* ]]
	done
}

@test "apply: gRPC has a server of its own, over HTTP/2 and without a kept connection; not at port 80" {
	local server text
	mkdir -p "$DOKKU_ROOT/web/tls" "$DOKKU_ROOT/blog"
	printf 'crt\n' >"$DOKKU_ROOT/web/tls/server.crt"
	printf 'key\n' >"$DOKKU_ROOT/web/tls/server.key"
	text="$FACTS"$'\nlisten http 80\nlisten https 443\nlisten grpc 9000\nlisten grpcs 9443'
	text+=$'\nfurther grpcs 9443 100\ncertificate\nset proxy-read-timeout 90s'
	apply "$text"$'\nset underscore-in-headers on'
	assert_success ""
	server=$(rendered | awk 'BEGIN { RS = "\nserver {" } /listen \*:9000 http2;/')
	[[ $server == *'grpc_pass grpc://dokku-web;'* ]]
	[[ $server == *'grpc_set_header X-Dokku-Preview "";'* && $server != *proxy_pass* &&
		$server != *dokku-web_* && $server != *proxy_set_header* ]]
	[[ $server == *'grpc_read_timeout 90s;'* && $server == *dokku-maintenance.conf* ]]
	server=$(rendered | awk 'BEGIN { RS = "\nserver {" } /listen \*:9443 ssl http2;/')
	[[ $server == *'grpc_pass grpc://dokku-web_100;'* && $server == *ssl_certificate* ]]
	rendered | grep -q 'listen \*:80;'
	text=$'app blog\ndomain blog.example.com\nupstream 10.86.0.3 80\nlisten http 9000'
	apply "$text"
	assert_refused "nginx: blog: port 9000 is for grpc of the app web, and nginx has one of" \
		"http, https and grpc at a port: choose another one"
	apply "${text/http 9000/grpc 9000}"
	assert_success ""
	apply "$FACTS"$'\nlisten grpc 80'
	assert_refused "nginx: web: port 80 is for HTTP/1.1 of all apps, not for gRPC: choose" \
		"another one"
}

# nginx compares a variable with the names of all upstreams of the host, at each request.
@test "apply: nginx knows the upstream of each request by its place in the config, not by a variable" {
	apply "$FACTS"$'\npreview 10.86.0.2 81\nlisten http 80\nlisten http 9000\nlisten grpc 9443
further http 9000 100'
	assert_success ""
	assert_equal "\
grpc_pass grpc://dokku-web
proxy_pass http://dokku-web
proxy_pass http://dokku-web_1
proxy_pass http://dokku-web_100
proxy_pass http://dokku-web_2
proxy_pass http://dokku-web_canary
proxy_pass http://dokku-web_preview" "$(rendered | grep -o -E '(proxy|grpc)_pass [^;]*' | sort)"
	assert_equal $'\t\tif ($dokku_upstream = dokku-web_preview) {\n\t\t\tproxy_pass http://dokku-web_preview;' \
		"$(rendered | grep -B 1 'http://dokku-web_preview')"
}

@test "apply: where nginx switches, a further port includes the file of its service address" {
	printf 'nginx\n' >"$TEST_HOST/etc/dokku/switch"
	apply "$FACTS"$'\nlisten http 80\nlisten http 9000\nfurther http 9000 100'
	assert_success ""
	rendered | grep -q 'include .*/services/10.86.0.3:100;'
	[[ -e $TREE/services/10.86.0.2:100 && -e $TREE/services/10.86.0.3:100 ]]
}

@test "proxy-build-config: checks ask at a port that leads to the main port of the containers" {
	deployed web
	hook fake ports-get <<<'printf "http:70:9000\nhttp:8080:5000\n"'
	hook fake ports-further <<<'printf "http 70 100\n"'
	got "$PLUGIN_PATH/nginx/proxy-build-config" nginx web 1 always
	assert_success ""
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/1/proxy" "127.86.0.1 8080 "
	rendered | grep -q 'proxy_pass http://dokku-web_100;'
}

@test "apply: no app makes a port of another one HTTPS, nor HTTP" {
	local text app
	for app in web blog; do
		mkdir -p "$DOKKU_ROOT/$app/tls"
		printf 'crt\n' >"$DOKKU_ROOT/$app/tls/server.crt"
		printf 'key\n' >"$DOKKU_ROOT/$app/tls/server.key"
	done
	apply "$FACTS"$'\nlisten http 80\nlisten http 8080\nlisten https 8443\ncertificate'
	assert_success ""
	text=$'app blog\ndomain blog.example.com\nupstream 10.86.0.3 80\ncertificate\n'
	apply "$text"$'listen http 80\nlisten https 8080'
	assert_refused "nginx: blog: port 8080 is for http of the app web, and nginx has one of" \
		"http, https and grpc at a port: choose another one"
	assert_absent "$TREE/blog.conf"
	apply "$text"$'listen http 80\nlisten http 8443'
	assert_refused "nginx: blog: port 8443 is for https of the app web, and nginx has one of" \
		"http, https and grpc at a port: choose another one"
	apply "$text"$'listen http 80\nlisten http 8080\nlisten https 8443'
	assert_success ""
	# What an older dokku has let through stays.
	sed -i 's/8443 ssl http2;/8443;/' "$TREE/blog.conf" "$TREE/web.conf"
	sed -i 's/8443;/8443 ssl http2;/' "$TREE/web.conf"
	apply "$text"$'listen http 80\nlisten http 8080\nlisten http 8443'
	assert_success ""
}

@test "apply: an app without a domain answers for any name at its own ports, and not at 80 and 443" {
	local facts=$'app web\nupstream 10.86.0.2 80\nnameless\nlisten http 80\nlisten http 20001'
	mkdir -p "$DOKKU_ROOT/web/tls"
	printf 'crt\n' >"$DOKKU_ROOT/web/tls/server.crt"
	printf 'key\n' >"$DOKKU_ROOT/web/tls/server.key"
	facts+=$'\nlisten https 443\ncertificate\nset https-redirect true'
	apply "$facts"
	assert_success ""
	assert_equal "listen *:20001 default_server; server_name _;" \
		"$(rendered | grep -o -e 'listen \*:.*' -e 'server_name .*' | paste -sd ' ')"
	assert_equal 0 "$(rendered | grep -c 'return 301')"
	# Another app has that port, too, without a domain.
	local reason='a duplicate default server for 0.0.0.0:20001 in x:1'
	fake unshare <<<'echo "nginx: [emerg] $REASON"; exit 1'
	REASON=$reason apply "$facts"$'\nset proxy-read-timeout 45s'
	assert_refused "nginx: web: at 0.0.0.0:20001 another server answers for any host name:" \
		"choose another port, or give web a domain"
	fake unshare </dev/null
	# With a domain the fact means nothing; without both the app goes.
	apply "$facts"$'\ndomain web.example.com'
	assert_equal 3 "$(rendered | grep -c 'server_name web.example.com;')"
	apply "${facts/nameless/}"
	assert_success ""
	assert_absent "$TREE/web.conf"
}

@test "nginx_describe: an app without a domain is nameless if it has ports besides 80 and 443" {
	make_release web 1
	hook fake app-domains </dev/null
	hook fake ports-get <<<'cat "$BATS_TEST_TMPDIR/ports"'
	local ports wanted
	while IFS='|' read -r ports wanted; do
		printf '%b' "$ports" >"$BATS_TEST_TMPDIR/ports"
		code nginx 'nginx_describe web 1'
		assert_status 0
		assert_equal "$wanted" "$(grep -cx nameless <<<"$output" || true)" "$ports"
	done <<-'TABLE'
		http:80:5000\nhttp:20001:5000|1
		http:80:5000\nhttps:443:5000|0
		|0
	TABLE
}

@test "apply: a port that is limited to a domain answers for no other" {
	local line
	mkdir -p "$DOKKU_ROOT/web/tls"
	printf 'crt\n' >"$DOKKU_ROOT/web/tls/server.crt"
	printf 'key\n' >"$DOKKU_ROOT/web/tls/server.key"
	apply "$FACTS
listen http 80
listen http 8080
listen http 8081
listen https 444
listen https 8443
only http 8080 web.example.com
only http 8081 gone.example.com
only https 444 web.example.com
certificate
set https-redirect true"
	assert_success ""
	assert_equal "listen *:80; server_name web.example.com *.web.example.com;\
 listen *:8080; server_name web.example.com;\
 listen *:444 ssl http2; server_name web.example.com;\
 listen *:8443 ssl http2; server_name web.example.com *.web.example.com;" \
		"$(rendered | grep -o -e 'listen \*:.*' -e 'server_name.*' | paste -sd ' ')"
	rendered | grep -qF 'return 301 https://$host:8443$request_uri;'
	assert_equal 2 "$(rendered | grep -cF 'if ($host !~ "^(web\.example\.com)$") {')"
	apply "$FACTS"$'\nlisten http 81\nonly http 81 *.web.example.com'
	rendered | grep -qF 'if ($host !~ "^(.+\.web\.example\.com)$") {'
	for line in 'only http 0 a.com' 'only http 80 a;b' 'only http a.com' 'only http 80'; do
		apply "$FACTS"$'\n'"$line"
		assert_status 1
	done
}

@test "a static-web-listener: nginx brings visitors there, without an address or a release of ours" {
	mkdir -p "$DOKKU_LIB_ROOT/config/network/web"
	printf '127.0.0.1:8080,10.1.2.3:90\n' \
		>"$DOKKU_LIB_ROOT/config/network/web/static-web-listener"
	dokku proxy:build-config web
	assert_success ""
	assert_equal "upstream dokku-web {
	server 127.0.0.1:8080;
	server 10.1.2.3:90;
}" "$(rendered | sed -n '/^upstream/,/^}/p')"
	assert_equal 0 "$(rendered | grep -c -e canary -e kept -e dokku-web_)"
	dokku nginx:set web client-max-body-size 5m
	rendered | grep -qF 'client_max_body_size 5m;'
	: >"$CALLS"
	dokku reconcile web
	got "$PLUGIN_PATH/nginx/reconcile" web ""
	assert_success ""
	[[ -e $TREE/web.conf ]]
	assert_equal 0 "$(reloads)"
	rm "$TREE/web.conf"
	got "$PLUGIN_PATH/nginx/heal"
	assert_error " !     web: $TREE/web.conf was removed: writing it again"
	[[ -e $TREE/web.conf ]]
	printf '127.0.0.999:8080\n' >"$DOKKU_LIB_ROOT/config/network/web/static-web-listener"
	dokku proxy:build-config web
	assert_status 1
}

@test "an app without a release: its domains get 502, nginx is not reloaded, and show-config shows it" {
	local waiting=$DOKKU_LIB_ROOT/waiting
	mkdir "$waiting"
	hook fake app-domains <<<'cat "$DOKKU_ROOT/$1/VHOST"'
	printf 'Web.example.com\n*.web.example.com\n' >"$DOKKU_ROOT/web/VHOST"
	got "$PLUGIN_PATH/proxy/post-create" web
	assert_success ""
	assert_equal web.example.com "$(ls "$waiting")"
	dokku nginx:show-config web
	assert_success "# web has no release yet, so nginx does not read this file: dokku's default server
# answers for its domains at port 80, as this server would. The first deploy puts the config here.
server {
	listen 80;
	server_name web.example.com *.web.example.com;
	return 502;
}"
	# Other domains.
	printf 'own.example.com\n' >"$DOKKU_ROOT/web/VHOST"
	make_app blog
	got "$PLUGIN_PATH/proxy/post-create" blog
	got "$PLUGIN_PATH/proxy/post-domains-update" web
	assert_success ""
	assert_equal "blog.example.com own.example.com" "$(ls "$waiting" | paste -sd ' ')"
	grep -qx $'\tserver_name own.example.com;' "$DOKKU_ROOT/web/nginx.conf"
	# A domain that is as long as the name of a file may be.
	printf 'own.example.com\n%0240d.com\n' 0 >"$DOKKU_ROOT/web/VHOST"
	got "$PLUGIN_PATH/proxy/post-domains-update" web
	assert_success ""
	assert_equal "blog.example.com own.example.com" "$(ls "$waiting" | paste -sd ' ')"
	# No proxy, and one again; no domain, as after domains:disable.
	dokku proxy:disable web
	assert_absent "$waiting/own.example.com" "$DOKKU_ROOT/web/nginx.conf"
	got "$PLUGIN_PATH/nginx/reconcile" web ""
	assert_absent "$waiting/own.example.com" "$DOKKU_ROOT/web/nginx.conf"
	dokku proxy:enable web
	[[ -e $waiting/own.example.com && -e $DOKKU_ROOT/web/nginx.conf ]]
	: >"$DOKKU_ROOT/web/VHOST"
	got "$PLUGIN_PATH/proxy/post-domains-update" web
	assert_success ""
	assert_absent "$waiting/own.example.com" "$DOKKU_ROOT/web/nginx.conf"
	dokku nginx:show-config web
	assert_refused "web has no nginx config: it gets one with its first deploy"
	got "$PLUGIN_PATH/proxy/post-delete" blog
	assert_equal "" "$(ls "$waiting")"
	assert_equal 0 "$(reloads)"
}

@test "an app without a release: the first deploy takes its place, and a failed one gives it back" {
	local waiting=$DOKKU_LIB_ROOT/waiting
	mkdir "$waiting"
	got "$PLUGIN_PATH/nginx/reconcile" web ""
	assert_success ""
	[[ -e $waiting/web.example.com && ! -L $DOKKU_ROOT/web/nginx.conf ]]
	make_release web 1
	DOKKU_RELEASE=1 build
	assert_success ""
	assert_absent "$waiting/web.example.com"
	assert_equal "$TREE/web.conf" "$(readlink "$DOKKU_ROOT/web/nginx.conf")"
	DOKKU_RELEASE=1 got "$PLUGIN_PATH/nginx/proxy-build-config" nginx web ""
	assert_success ""
	assert_file "$waiting/web.example.com" web
	grep -q 'return 502;' "$DOKKU_ROOT/web/nginx.conf"
	# apps:destroy
	got "$PLUGIN_PATH/nginx/proxy-build-config" nginx web ""
	assert_absent "$waiting/web.example.com" "$DOKKU_ROOT/web/nginx.conf"
}

@test "heal: an app whose file was removed has it again, but not one without a web process" {
	local dir=$DOKKU_LIB_ROOT/data/nginx-vhosts/web
	make_release web 1 web=0 worker=1
	make_current web 1
	mkdir -p "$dir"
	: >"$dir/applied"
	got "$PLUGIN_PATH/nginx/heal"
	assert_success ""
	printf 'web=1\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/scale"
	got "$PLUGIN_PATH/nginx/heal"
	assert_error_like " !     web: $TREE/web.conf was removed: writing it again*"
}

@test "heal: an app that is just leaving nginx has no records any more, so it is not written again" {
	make_release web 1
	make_current web 1
	build
	assert_success ""
	[[ -e $DOKKU_LIB_ROOT/data/nginx-vhosts/web/applied ]]
	# The watch may look while nginx is told.
	fake sudo <<-END
		[[ ! -e "$DOKKU_LIB_ROOT/data/nginx-vhosts/web/applied" ]] || printf 'there\n' >>"$CALLS.there"
	END
	got "$PLUGIN_PATH/nginx/proxy-build-config" nginx web ""
	assert_success ""
	assert_absent "$CALLS.there"
}

@test "apply: containers of the original Dokku answer until the app's own take connections" {
	mkdir -p "$TEST_HOST/etc/nginx/dokku-before"
	printf 'upstream web-5000 {\n  server 172.17.0.2:5000;\n  server x:1;\n}\n' \
		>"$TEST_HOST/etc/nginx/dokku-before/web.conf"
	apply "$FACTS"
	# nginx tries three.
	assert_equal "upstream dokku-web {
	server 10.86.0.2:80 max_fails=0;
	server 10.86.0.3:80 max_fails=0;
	server 172.17.0.2:5000 backup;
}" "$(rendered | sed -n '/^upstream dokku-web {/,/^}/p')"
}

@test "apply: nginx does not tell its version, unless the app's own lines say so" {
	apply "$FACTS"
	assert_equal 1 "$(rendered | grep -cx $'\tserver_tokens off;')"
	mkdir -p "$DOKKU_ROOT/web/nginx.conf.d"
	printf 'server_tokens on;\n' >"$DOKKU_ROOT/web/nginx.conf.d/own.conf"
	apply "$FACTS"
	assert_success ""
	assert_equal 0 "$(rendered | grep -c server_tokens)"
}

@test "apply: an nginx that does not run is started, and does not keep our lock" {
	rm "$TEST_HOST/run/nginx.pid"
	apply "$FACTS"
	assert_success ""
	[[ -e $TREE/web.conf ]]
	grep -qx nginx "$CALLS"
	assert_absent "$BATS_TEST_TMPDIR/lock-inherited"
}

@test "apply: nginx may have the logs of a thousand apps open, in a test of its config and when it runs" {
	local hard
	hard=$(ulimit -Hn)
	[[ $hard != unlimited && $hard -lt 65536 ]] || hard=65536
	fake unshare <<<'ulimit -Sn >"$BATS_TEST_TMPDIR/tested"; exec nginx -t -q'
	prlimit --pid "$NGINX" --nofile=256:
	(
		ulimit -Sn 256
		apply "$FACTS"
		assert_success ""
	)
	[[ $(<"$BATS_TEST_TMPDIR/tested") -ge $hard ]]
	[[ $(prlimit --pid "$NGINX" --nofile --noheadings --raw --output SOFT) -ge $hard ]]
	# What is enough already stays as it is, and a host that does not let it keeps nobody from a
	# deploy.
	fake prlimit <<<'[[ $* == *SOFT* ]] || exit 1; echo 256 512'
	apply "${FACTS/web.example/more.example}"
	assert_success ""
	fake prlimit <<<'[[ $* == *SOFT* ]] || touch "$BATS_TEST_TMPDIR/lowered"
		echo unlimited unlimited'
	apply "$FACTS"
	assert_success ""
	assert_absent "$BATS_TEST_TMPDIR/lowered"
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

upstream dokku-web_canary {
	server 10.86.0.2:86 max_fails=0;
	server 10.86.0.3:86 max_fails=0;
	server 10.86.0.2:80 max_fails=0 backup;
	server 10.86.0.3:80 max_fails=0 backup;
	server 10.86.0.2:80 max_fails=0 backup;
	server 10.86.0.3:80 max_fails=0 backup;
}

upstream dokku-web_1 {
	server 10.86.0.2:82 max_fails=0;
	server 10.86.0.3:82 max_fails=0;
	server 10.86.0.2:83 max_fails=0 backup;
	server 10.86.0.3:83 max_fails=0 backup;
	server 10.86.0.2:83 max_fails=0 backup;
	server 10.86.0.3:83 max_fails=0 backup;
	keepalive 32;
	keepalive_timeout 1s;
}

upstream dokku-web_2 {
	server 10.86.0.2:84 max_fails=0;
	server 10.86.0.3:84 max_fails=0;
	server 10.86.0.2:85 max_fails=0 backup;
	server 10.86.0.3:85 max_fails=0 backup;
	server 10.86.0.2:85 max_fails=0 backup;
	server 10.86.0.3:85 max_fails=0 backup;
	keepalive 32;
	keepalive_timeout 1s;
}

server {
	listen *:80;
	server_name web.example.com *.web.example.com;
	access_log /var/log/nginx/web-access.log combined buffer=16k flush=100ms;
	error_log /var/log/nginx/web-error.log;
	server_tokens off;
	proxy_buffer_size 16k;
	proxy_buffers 8 4k;
	proxy_busy_buffers_size 24k;
	set $dokku_upstream dokku-web;
	set $dokku_header $dokku_connection;
	open_file_cache off;
	set $dokku_cookie "";
	set $dokku_upstream dokku-web_1;
	set $dokku_header "";
	if (-f /run/dokku-kept/plain/10.86.0.2.1$dokku_own) {
		break;
	}
	set $dokku_upstream dokku-web_2;
	if (-f /run/dokku-kept/plain/10.86.0.2.2$dokku_own) {
		break;
	}
	set $dokku_upstream dokku-web;
	set $dokku_header $dokku_connection;
	set $dokku_other /run/dokku-kept/10.86.0.2.2$dokku_own;
	if (-f /run/dokku-kept/10.86.0.2.1$dokku_own) {
		set $dokku_other "";
		set $dokku_upstream dokku-web_1;
		set $dokku_header "";
	}
	if (-f $dokku_other) {
		set $dokku_upstream dokku-web_2;
		set $dokku_header "";
	}
	set $dokku_cookie "";
	set $dokku_share "";
	if (-e /run/dokku-kept/canary/10.86.0.2) {
		set $dokku_canary "web current";
		set $dokku_cookie $dokku_new_cookie;
		set $dokku_share /run/dokku-kept/canary/10.86.0.2/$dokku_bucket;
	}
	if (-f $dokku_share) {
		set $dokku_canary "web canary";
		set $dokku_upstream dokku-web_canary;
		set $dokku_header $dokku_connection;
	}
	add_header Set-Cookie $dokku_cookie;
	access_log /log/dokku-canary.log dokku_canary if=$dokku_canary;

	location ^~ /.well-known/acme-challenge/ {
		if ($uri ~ "/[.][.]") {
			return 404;
		}
		root /var/lib/dokku/acme;
		default_type text/plain;
	}

	location / {
		if ($dokku_upstream = dokku-web_1) {
			proxy_pass http://dokku-web_1;
			break;
		}
		if ($dokku_upstream = dokku-web_2) {
			proxy_pass http://dokku-web_2;
			break;
		}
		if ($dokku_upstream = dokku-web_canary) {
			proxy_pass http://dokku-web_canary;
			break;
		}
		proxy_pass http://dokku-web;
		proxy_http_version 1.1;
		proxy_next_upstream error;
		proxy_next_upstream_tries 3;
		proxy_set_header Upgrade $dokku_upgrade;
		proxy_set_header Connection $dokku_sent;
		proxy_set_header Host $dokku_host;
		proxy_set_header X-Real-IP $remote_addr;
		proxy_set_header X-Forwarded-For $remote_addr;
		proxy_set_header X-Forwarded-Port $server_port;
		proxy_set_header X-Forwarded-Proto $scheme;
		include /etc/nginx/dokku-headers.conf;
		proxy_set_header X-Request-Start $msec;
	}' "$(rendered | sed '/X-Request-Start/{n;q}')"
	rendered | grep -qx $'\tinclude /etc/nginx/dokku-unavailable.conf;'
	run ! grep -q 443 "$TREE/web.conf"
}

@test "apply: an app leaves connections of nginx to the others, of however many nginx.conf has" {
	printf 'events {\n\tworker_connections 8192; # was 768\n}\n' \
		>"$TEST_HOST/etc/nginx/nginx.conf"
	apply "$FACTS"$'\npreview 10.86.0.2 81\nlisten http 80'
	assert_success ""
	# Of 3,072 each of the two addresses has its part, three times.
	assert_equal 6 "$(rendered | grep -c 'server 10.86.0.[23]:80 max_fails=0 max_conns=512;')"
	assert_equal 4 "$(rendered | grep -c ':8[24] max_fails=0 max_conns=512;')"
	assert_equal 8 "$(rendered | grep -c ':8[35] max_fails=0 max_conns=512 backup;')"
	assert_equal 1 "$(rendered | grep -c ':81 max_fails=0;')"
	printf 'events {\n\t# worker_connections 99;\n}\n' >"$TEST_HOST/etc/nginx/nginx.conf"
	apply "$FACTS"$'\nlisten http 80'
	assert_success ""
	assert_equal 0 "$(rendered | grep -c max_conns)"
}

@test "apply: connections are kept as the setting says, and not where nginx would notice too late that it must not" {
	apply "$FACTS
preview 10.86.0.2 81
set proxy-keepalive 7"
	assert_success ""
	assert_equal 2 "$(rendered | grep -c 'keepalive 7;')"
	# A preview does not go by a kept connection, and is no visitor.
	assert_equal $'\t\tset $dokku_upstream dokku-web_preview;\n\t\tset $dokku_canary "";\n\t\tset $dokku_cookie "";\n\t\tset $dokku_header $dokku_connection;' \
		"$(rendered | sed -n '/if ($dokku_preview)/,/}/p' | sed '1d;$d')"
	not_kept "set proxy-keepalive off"
	printf 'nginx\n' >"$TEST_HOST/etc/dokku/switch"
	not_kept ""
	rm "$TEST_HOST/etc/dokku/switch"
	mkdir -p "$DOKKU_ROOT/web/nginx.conf.d"
	printf '  open_file_cache max=10;\n' >"$DOKKU_ROOT/web/nginx.conf.d/cache.conf"
	not_kept ""
	apply "$FACTS
set disable-custom-config true"
	assert_equal 2 "$(rendered | grep -c 'keepalive 32;')"
	for value in 0 1000 on 08 '32;' -1; do
		apply "$FACTS
set proxy-keepalive $value"
		assert_refused "nginx: not a setting, or not a value of it: proxy-keepalive $value"
	done
}

@test "apply: the short way to a pool ends what decides about a request, so not where the app's own lines decide, too" {
	local own=$DOKKU_ROOT/web/nginx.conf.d/own.conf line
	short() { rendered | grep -c /run/dokku-kept/plain; }
	mkdir -p "${own%/*}"
	while IFS= read -r line; do
		printf '%s\n' "$line" >"$own"
		apply "$FACTS"
		assert_success ""
		assert_equal 0 "$(short)" "$line"
	done <<-'LINES'
		if ($request_method = TRACE) { return 405; }
		  rewrite ^/old$ /new last;
		location = /x { return 204; }
		set $a b;
		break;
		include /etc/nginx/own/*.conf;
	LINES
	printf 'proxy_set_header X-If set;\nclient_max_body_size 1g; # if\n' >"$own"
	apply "$FACTS"
	assert_equal 0 "$(short)" "a word in a comment"
	printf 'proxy_set_header X-Returned "";\nproxy_read_timeout 5s;\n' >"$own"
	apply "$FACTS"
	assert_equal 2 "$(short)"
	printf 'break;\n' >"$own"
	apply "$FACTS
set disable-custom-config true"
	assert_equal 2 "$(short)"
	# A request of a check does not go that way.
	grep -q 'dokku_alone$dokku_preview"$' "$PLUGIN_PATH/nginx/root/include"
}

# not_kept FACT - requires that, with FACT, nginx opens a connection for each request and asks the
# app to close it.
not_kept() {
	apply "$FACTS
$1"
	assert_success ""
	assert_equal 0 "$(rendered | grep -c -e keepalive -e dokku-kept/10 -e dokku_header -e dokku_sent)"
	assert_equal 1 "$(rendered | grep -c 'Connection $dokku_connection;')"
}

@test "apply: no canary where nginx would notice too late, or where it switches; a preview is no visitor" {
	canaries() { rendered | grep -c -e _canary -e dokku_cookie -e dokku_bucket; }
	apply "$FACTS"
	assert_equal 12 "$(canaries)"
	printf 'nginx\n' >"$TEST_HOST/etc/dokku/switch"
	apply "$FACTS"
	assert_success ""
	assert_equal 0 "$(canaries)"
	rm "$TEST_HOST/etc/dokku/switch"
	mkdir -p "$DOKKU_ROOT/web/nginx.conf.d"
	printf '  open_file_cache max=10;\n' >"$DOKKU_ROOT/web/nginx.conf.d/cache.conf"
	apply "$FACTS"
	assert_success ""
	assert_equal 0 "$(canaries)"
	apply "$FACTS"$'\nset disable-custom-config true\nset proxy-keepalive off'
	assert_equal 11 "$(canaries)"
	assert_equal 1 "$(rendered | grep -c 'open_file_cache off;')"
	assert_equal 0 "$(rendered | grep -c dokku_header)"
}

@test "proxy-canary: yes where the config has it, which is rendered again once; else why not" {
	local conf="$TREE/web.conf"
	got "$PLUGIN_PATH/nginx/proxy-canary" other web
	assert_success ""
	# Not the link to the code that all tests share.
	rm "$PLUGIN_PATH/proxy"
	hook proxy subcommands/build-config <<<'printf "%s\n" "${RENDERED-}" >"$TEST_HOST/etc/nginx/dokku/web.conf"; exit "${FAILS:-0}"'
	sed -i '2i# Summary: x\n# Usage: dokku proxy:build-config APP' "$PLUGIN_PATH/proxy/subcommands/build-config"
	RENDERED="upstream dokku-web_canary {" got "$PLUGIN_PATH/nginx/proxy-canary" nginx web
	assert_success yes
	assert_steps "subcommands/build-config web"
	got "$PLUGIN_PATH/nginx/proxy-canary" nginx web
	assert_success yes
	assert_steps "subcommands/build-config web"
	: >"$conf"
	got "$PLUGIN_PATH/nginx/proxy-canary" nginx web
	assert_success "open_file_cache in its nginx.conf.d would keep old shares in force"
	printf 'nginx\n' >"$TEST_HOST/etc/dokku/switch"
	got "$PLUGIN_PATH/nginx/proxy-canary" nginx web
	assert_success "this host switches traffic by reloads, which cannot share visitors"
	FAILS=1 got "$PLUGIN_PATH/nginx/proxy-canary" nginx web
	assert_status 1
	assert_output ""
}

@test "proxy-canary-count: what both releases answered, all in all and of late; of this app, since then" {
	got "$PLUGIN_PATH/nginx/proxy-canary-count" nginx web 1000
	assert_success "0 0 0 0
0 0 0 0"
	local now=$EPOCHSECONDS
	printf '%s\n' "999.9 web canary 500" "1000.000 web canary 500" "1000.1 web canary 200" \
		"1001.0 web current 404" "1002.0 blog canary 500" "$now.1 web canary 502" \
		"$now.2 web current 503" "$now.2 web current 200" "$now.3 web canary 499" "half" \
		>"$TEST_HOST/log/dokku-canary.log"
	got "$PLUGIN_PATH/nginx/proxy-canary-count" nginx web 1000
	assert_success "3 1 4 2
2 1 2 1"
	got "$PLUGIN_PATH/nginx/proxy-canary-count" other web 1000
	assert_success ""
}

@test "proxy-canary-count: also without the two networks that got the most 5xx of the canary" {
	local i
	for ((i = 1; i <= 5; i++)); do
		printf '2000.0 web canary %s\n' "502 192.0.2.$i" "500 2001:db8:0:9:$i::1" \
			"200 198.51.100.$i" "500 203.0.113.7" "404 2001:db8:0:8::$i"
		printf '2000.0 web current %s\n' "200 192.0.2.9" "500 198.51.100.$i"
	done >"$TEST_HOST/log/dokku-canary.log"
	got "$PLUGIN_PATH/nginx/proxy-canary-count" nginx web 1000
	# Three networks have five each; which two of them go does not matter.
	[[ $status == 0 && $output == "10 5 25 15
0 0 0 0
"@(10|5)" 5 15 5
0 0 0 0" ]] || differ counts "10 5 25 15 / 10 5 15 5" "$output"
	sed -i '/203\.0\.\|198\.51\|0:8:/d' "$TEST_HOST/log/dokku-canary.log"
	got "$PLUGIN_PATH/nginx/proxy-canary-count" nginx web 1000
	assert_success "5 0 10 10
0 0 0 0"
}

@test "apply: each server looks last, and without a cache, for what closes the app to visitors" {
	local facts end
	end=$'\tset $dokku_folder /var/lib/dokku/maintenance/web;\n\tinclude /etc/nginx/dokku-maintenance.conf;\n}'
	mkdir "$DOKKU_ROOT/web/tls"
	printf 'x\n' | tee "$DOKKU_ROOT/web/tls/server.crt" >"$DOKKU_ROOT/web/tls/server.key"
	for facts in "" "set proxy-keepalive off" "set https-redirect true"; do
		apply "$FACTS"$'\ncertificate\n'"$facts"
		assert_success ""
		assert_equal "$end" "$(rendered | tail -n 3)"
		local servers=1
		[[ $facts != *redirect* ]] || servers=2
		assert_equal "$servers" "$(rendered | grep -c 'dokku-maintenance.conf')"
		assert_equal "$servers" "$(rendered | grep -c 'open_file_cache off;')"
	done
	# nginx takes the directive once.
	mkdir -p "$DOKKU_ROOT/web/nginx.conf.d"
	printf '  open_file_cache max=10;\n' >"$DOKKU_ROOT/web/nginx.conf.d/cache.conf"
	apply "$FACTS"
	assert_success ""
	assert_equal 0 "$(rendered | grep -c 'open_file_cache off;')"
}

@test "apply: hsts that is set holds without a redirect, and only over HTTPS" {
	mkdir "$DOKKU_ROOT/web/tls"
	printf 'x\n' | tee "$DOKKU_ROOT/web/tls/server.crt" >"$DOKKU_ROOT/web/tls/server.key"
	apply "$FACTS"$'\ncertificate\nset hsts true'
	assert_success ""
	assert_equal "listen *:80; listen *:443 ssl http2; add_header Strict-Transport-Security \
\"max-age=15724800; includeSubdomains\" always;" "$(rendered |
		grep -o -e 'listen \*:.*' -e 'add_header Strict.*' | paste -sd ' ')"
	assert_equal 2 "$(rendered | grep -c '^server {')"
	apply "$FACTS"$'\ncertificate\nset https-redirect true\nset hsts false'
	assert_equal 0 "$(rendered | grep -c Strict)"
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
	assert_equal 1 "$(rendered | grep -c 'location /')"
	assert_equal 0 "$(rendered | grep -c -e 'return 301' -e Strict-Transport)"
	assert_equal key "$(cat "$TREE"/web.d/*/server.key)"
	: >"$CALLS"
	NGINX_VERSION=1.29.7 apply "$FACTS
certificate
set https-redirect true"
	assert_success ""
	assert_equal 1 "$(rendered | grep -c 'http2 on;')"
	assert_equal 2 "$(rendered | grep -c 'keepalive 0;')"
	assert_equal 1 "$(rendered | grep -c 'return 301 https://$host$request_uri;')"
	assert_equal 1 "$(rendered |
		grep -c 'add_header Strict-Transport-Security "max-age=15724800; includeSubdomains" always;')"
}

# renewable - makes an app whose certificate nginx opens at each handshake. A handshake shows the
# file SHOWN, or what nginx's files say.
renewable() {
	local name
	mkdir -p "$TEST_HOST/etc/nginx/conf.d" "$DOKKU_ROOT/web/tls"
	printf 'user nobody %s;\n' "$(id -gn)" >"$TEST_HOST/etc/nginx/nginx.conf"
	printf 'map "" $dokku_tls {\n' >"$TEST_HOST/etc/nginx/conf.d/dokku.conf"
	for name in one two; do
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 \
			-subj "/CN=$name" -keyout "$WORLD/$name.key" -out "$WORLD/$name.crt" 2>/dev/null
	done
	fake openssl <<-BODY
		[[ \$1 == s_client ]] || exec $(type -P openssl) "\$@"
		cat "\${SHOWN:-$TREE/\$(sed -n 's,.*ssl_certificate \$dokku_tls/\(.*\);,\1,p' "$TREE/web.conf")}"
	BODY
	cp "$WORLD/one.crt" "$DOKKU_ROOT/web/tls/server.crt"
	cp "$WORLD/one.key" "$DOKKU_ROOT/web/tls/server.key"
	apply "$FACTS"$'\ncertificate'
	assert_success ""
	: >"$CALLS"
}

# renewed_by KEY - replaces the certificate by one for KEY.
renewed_by() {
	openssl req -x509 -key "$WORLD/$1.key" -days 2 -subj /CN=new \
		-out "$DOKKU_ROOT/web/tls/server.crt"
	cp "$WORLD/$1.key" "$DOKKU_ROOT/web/tls/server.key"
}

@test "apply: a certificate with the same key is replaced by rename, without a reload; only workers may read it" {
	local old file
	renewable
	grep -q 'ssl_certificate $dokku_tls/web.d/' "$TREE/web.conf"
	old=$(echo "$TREE"/web.d/*/server.crt)
	renewed_by one
	apply "$FACTS"$'\ncertificate'
	assert_success ""
	cmp "$old" "$DOKKU_ROOT/web/tls/server.crt"
	assert_equal 0 "$(reloads)"
	assert_mode "${old%/*}" 710
	for file in "$TREE"/web.d/*/server.*; do
		assert_mode "$file" 640
	done
	assert_absent "$TREE"/.web.{crt,crt.old,candidate,candidate.tested}
	renewed_by two
	apply "$FACTS"$'\ncertificate'
	assert_success ""
	assert_equal 1 "$(reloads)" "another key"
	cmp "$TREE/$(sed -n 's,.*ssl_certificate_key $dokku_tls/\(.*\);,\1,p' "$TREE/web.conf")" \
		"$WORLD/two.key"
}

@test "apply: nginx -t sees the renewed certificate; one that it refuses or a handshake does not show goes" {
	local old
	renewable
	old=$(echo "$TREE"/web.d/*/server.crt)
	fake unshare <<<'grep -o "ssl_certificate [^;]*" "$7" >"$BATS_TEST_TMPDIR/tested"
		[[ -z ${REFUSED-} ]] || { echo "nginx: [emerg] bad"; exit 1; }'
	renewed_by one
	REFUSED=1 apply "$FACTS"$'\ncertificate'
	assert_refused "nginx: the config for web does not pass its test: bad"
	assert_equal "ssl_certificate $TREE/.web.crt" "$(<"$BATS_TEST_TMPDIR/tested")"
	cmp "$old" "$WORLD/one.crt"
	sed 's/^readonly HANDSHAKE_MS=.*/readonly HANDSHAKE_MS=200/' -i \
		"$PLUGIN_CORE_AVAILABLE_PATH/nginx/root/certificate"
	SHOWN=$WORLD/one.crt apply "$FACTS"$'\ncertificate'
	assert_refused \
		"nginx: a handshake with web does not show the new certificate; the old one is back"
	cmp "$old" "$WORLD/one.crt"
	SHOWN=$WORLD/two.crt apply "$FACTS"$'\ncertificate'
	assert_status 0
	assert_error_like "*another server answers for web.example.com*"
	cmp "$old" "$DOKKU_ROOT/web/tls/server.crt"
	# With another key nginx is reloaded, and what it has shown before is no other server's.
	cp "$DOKKU_ROOT/web/tls/server.crt" "$WORLD/before.crt"
	renewed_by two
	SHOWN=$WORLD/before.crt apply "$FACTS"$'\ncertificate'
	assert_refused \
		"nginx: a handshake with web does not show its certificate; the old config is back"
	SHOWN=$WORLD/two.crt apply "$FACTS"$'\ncertificate'
	assert_status 0
	assert_error_like "*another server answers for web.example.com*"
}

@test "apply: killed at the rename of a certificate, the next one goes on in either direction" {
	local old
	renewable
	old=$(echo "$TREE"/web.d/*/server.crt)
	renewed_by one
	killed_after mv "*.web.crt?*"
	apply "$FACTS"$'\ncertificate'
	assert_status 137
	rm "$BIN/mv"
	cp "$WORLD/one.crt" "$DOKKU_ROOT/web/tls/server.crt"
	apply "$FACTS"$'\ncertificate'
	assert_success ""
	cmp "$old" "$WORLD/one.crt"
	assert_absent "$TREE"/.web.{crt,crt.old}
}

@test "apply: killed at the test of a renewed certificate, nothing of it stays, nor when the app goes" {
	renewable
	killed_test() {
		renewed_by "$1"
		# The test runs in a subshell of apply.
		fake unshare <<<'kill -KILL "$(cut -d " " -f 4 "/proc/$PPID/stat")" "$PPID"'
		apply "$FACTS"$'\ncertificate'
		assert_status 137
		[[ -e $TREE/.web.candidate.tested ]]
	}
	killed_test one
	fake unshare </dev/null
	cp "$TREE"/web.d/*/server.crt "$DOKKU_ROOT/web/tls/server.crt"
	apply "$FACTS"$'\ncertificate'
	assert_success ""
	assert_absent "$TREE"/.web.{candidate,candidate.tested}
	killed_test two
	apply "app web
remove"
	assert_success ""
	assert_absent "$TREE"/.web.{candidate,candidate.tested}
}

@test "apply: a certificate is opened at start by choice, for lines of the app's own, without a group or our map" {
	is_static() { run ! grep -q dokku_tls "$TREE/web.conf"; }
	renewable
	apply "$FACTS"$'\ncertificate\nset certificate-renewal reload'
	assert_success ""
	is_static
	renewed_by one
	apply "$FACTS"$'\ncertificate\nset certificate-renewal reload'
	assert_equal 2 "$(reloads)"
	mkdir "$DOKKU_ROOT/web/nginx.conf.d"
	printf 'ssl_certificate /other.crt;\n' >"$DOKKU_ROOT/web/nginx.conf.d/a.conf"
	apply "$FACTS"$'\ncertificate'
	is_static
	rm -r "$DOKKU_ROOT/web/nginx.conf.d"
	printf 'worker_processes 1;\n' >"$TEST_HOST/etc/nginx/nginx.conf"
	apply "$FACTS"$'\ncertificate'
	is_static
	printf 'user nobody %s;\n' "$(id -gn)" >"$TEST_HOST/etc/nginx/nginx.conf"
	rm "$TEST_HOST/etc/nginx/conf.d/dokku.conf"
	apply "$FACTS"$'\ncertificate'
	is_static
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
	for line in 'client_max_body_size 5m;' 'proxy_read_timeout 90s;' 'proxy_buffers 8 16k;' \
		'listen 127.0.0.1:80;' 'listen [::]:80;' 'access_log off;' \
		'proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;' \
		'proxy_set_header X-Forwarded-Ssl on;'; do
		assert_equal 1 "$(rendered | grep -cF "$line")" "$line"
	done
}

@test "apply: the format of the access log" {
	apply "$FACTS
set access-log-format json_lines"
	assert_success ""
	local line='access_log /var/log/nginx/web-access.log json_lines buffer=16k flush=100ms;'
	assert_equal 1 "$(rendered | grep -cF "$line")"
	apply "$FACTS
set access-log-format json_lines
set access-log-path off"
	assert_success ""
	assert_equal 1 "$(rendered | grep -cF 'access_log off;')"
}

@test "apply: refuses whatever is outside its grammar, and changes nothing" {
	apply "$FACTS"
	local before
	before=$(<"$TREE/web.conf")
	is_refused() {
		: >"$CALLS"
		apply "$FACTS
$1"
		assert_status 1 && assert_output "" && assert_error_like ' !     nginx: *' &&
			[[ $stderr != *$'\n'* && $stderr != *$'\e'* ]] &&
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
		set access-log-format combined buffer=9g
		set access-log-format $uri
		set access-log-path /var/log/nginx/../../etc/x
		set access-log-path /var/log/nginx/a b
		set bind-address-ipv4 a[$(id)]
		set x-forwarded-for-value a";
		set x-forwarded-for-value {
		set x-forwarded-for-value $http_x_dokku_preview
		set x-forwarded-for-value $remote_addr, $uri
		set x-forwarded-ssl $Document_URI
		set x-forwarded-proto-value $1
		set x-forwarded-proto-value $ssl_server_name
		set x-forwarded-ssl $ssl_client_raw_cert
		set x-forwarded-for-value $proxy_protocol_tlv_authority
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
	assert_refused \
		'nginx: the config for web does not pass its test: unknown directive "BAD" in x:1'
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

@test "apply: the CA's files are served over HTTP and HTTPS, also with a redirect, a password, and not twice" {
	# locations - prints how many servers have the location of the CA's files.
	locations() { rendered | grep -c 'location ^~ /.well-known/acme-challenge/ {' || true; }
	mkdir "$DOKKU_ROOT/web/tls" "$DOKKU_ROOT/web/nginx.conf.d"
	printf 'crt\n' >"$DOKKU_ROOT/web/tls/server.crt"
	printf 'key\n' >"$DOKKU_ROOT/web/tls/server.key"
	apply "$FACTS"$'\ncertificate\nset https-redirect true'
	assert_success ""
	assert_equal 2 "$(locations)"
	assert_equal 0 "$(rendered | grep -c -e auth_basic -e 'allow all')"
	printf 'auth_basic x;\n deny all;\n' >"$DOKKU_ROOT/web/nginx.conf.d/a.conf"
	apply "$FACTS"
	assert_equal 1 "$(locations)"
	assert_equal 2 "$(rendered | grep -c -e 'auth_basic off;' -e 'allow all;')"
	printf 'location /.well-known/acme-challenge {\n}\n' >"$DOKKU_ROOT/web/nginx.conf.d/a.conf"
	apply "$FACTS"
	assert_equal 0 "$(locations)"
	apply "$FACTS"$'\nset disable-custom-config true'
	assert_equal 1 "$(locations)"
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
	assert_equal _generation.conf "$(ls -A "$TREE")"
	: >"$CALLS"
	apply "app web
remove"
	assert_success ""
	assert_equal 0 "$(grep -c reload "$CALLS")"
}

@test "apply: killed before nginx was asked to take the new config, it is asked by the next, which can go back" {
	apply "$FACTS"
	local before
	before=$(<"$TREE/web.conf")
	killed_after mv '*.candidate\ *web.conf'
	apply "$FACTS
set send-timeout 7s"
	assert_status 137
	rm "$BIN/mv"
	: >"$CALLS"
	NGINX_STUCK="send_timeout 7s" apply "$FACTS
set send-timeout 7s"
	assert_refused \
		"nginx: it did not apply the new config for web within 5 s; the old one is back"
	assert_file "$TREE/web.conf" "$before"
	killed_after mv '*.candidate\ *web.conf'
	apply "$FACTS
set send-timeout 7s"
	rm "$BIN/mv"
	: >"$CALLS"
	apply "$FACTS
set send-timeout 7s"
	assert_success ""
	assert_equal 1 "$(reloads)"
	grep -q 'send_timeout 7s' "$TREE/web.conf"
	assert_equal "_generation.conf web.conf web.d" "$(ls -A "$TREE" | paste -sd ' ')"
	: >"$CALLS"
	apply "$FACTS
set send-timeout 7s"
	assert_equal 0 "$(reloads)"
}

@test "apply: where nginx does not run the old config either, it is kept, and nginx is asked again" {
	apply "$FACTS"
	local before
	before=$(<"$TREE/web.conf")
	NGINX_STUCK=always apply "$FACTS
set send-timeout 7s"
	assert_status 1
	assert_file "$TREE/web.conf" "$before"
	NGINX_STUCK=always apply "$FACTS"
	assert_status 1
	assert_file "$TREE/web.conf" "$before"
	: >"$CALLS"
	apply "$FACTS"
	assert_success ""
	assert_equal 1 "$(reloads)"
	assert_equal "_generation.conf web.conf web.d" "$(ls -A "$TREE" | paste -sd ' ')"
}

@test "apply: a removal that was killed is done again, by what reconciles and by what deletes" {
	local how
	for how in nginx/reconcile proxy/post-delete; do
		deployed web
		killed_after mv '*web.removed'
		apply "app web
remove"
		assert_status 137
		rm "$BIN/mv"
		: >"$CALLS"
		got "$PLUGIN_PATH/$how" web ""
		assert_success ""
		assert_equal 1 "$(reloads)"
		assert_equal _generation.conf "$(ls -A "$TREE")"
	done
	mkdir "$TREE/web.d"
	got "$PLUGIN_PATH/proxy/post-delete" web
	assert_equal _generation.conf "$(ls -A "$TREE")"
}

@test "apply: after a removal that nginx did not take in time, it is asked again" {
	apply "$FACTS"
	NGINX_STUCK=always apply "app web
remove"
	assert_refused "nginx: it refuses the config without web: sudo nginx -t tells why"
	: >"$CALLS"
	apply "$FACTS"
	assert_success ""
	assert_equal 1 "$(reloads)"
	assert_equal "_generation.conf web.conf web.d" "$(ls -A "$TREE" | paste -sd ' ')"
}

@test "apply: remove leaves the files of an app whose name begins in the same way" {
	apply "$FACTS"
	touch "$TREE/.web.b.previous" "$TREE/.web.b.pending"
	apply "app web
remove"
	assert_success ""
	assert_equal ".web.b.pending .web.b.previous _generation.conf" \
		"$(ls -A "$TREE" | paste -sd ' ')"
}

@test "apply: a host name that a server of the administrator has, too" {
	local warning='nginx: [warn] conflicting server name "web.example.com" on 0.0.0.0:80, ignored'
	local other='server {\n\tlisten 80;\n\tserver_name www.other.org\n\t\t"Web.example.com";\n}\n'
	local etc=$TEST_HOST/etc/nginx text
	printf '%s\n' "$warning" >"$BATS_TEST_TMPDIR/warnings"
	# others FILE - nginx reads this file of the administrator's after ours.
	others() {
		printf '# configuration file %s:\n' "$TEST_HOST/etc/nginx/$1" >"$BATS_TEST_TMPDIR/others"
		printf "%b" "${2-$other}" >>"$BATS_TEST_TMPDIR/others"
	}
	others sites-enabled/site
	apply "$FACTS"
	assert_status 0
	assert_error " !     nginx: visitors of web.example.com get the app web, not the server in" \
		"$etc/sites-enabled/site, which has that name, too"
	# It is said once.
	apply "$FACTS"$'\ndomain more.example.com'
	assert_success ""
	# Nothing is said of other apps.
	printf '%s\n' "${warning/web/blog}" >"$BATS_TEST_TMPDIR/warnings"
	apply "$FACTS"$'\ndomain again.example.com'
	assert_success ""
	rm "$TREE/web.conf"
	printf '%s\n' "$warning" >"$BATS_TEST_TMPDIR/warnings"
	for text in "$other" "$other# include conf.d/*.conf;"; do
		others nginx.conf "$text"
		FIRST=1 apply "$FACTS"
		assert_refused "nginx: $etc/nginx.conf has a server for web.example.com, and visitors" \
			"get that one: remove the name there, or choose another one for web"
		assert_absent "$TREE/web.conf" "$TREE/.web.candidate"
	done
	others nginx.conf "include $etc/conf.d/*.conf;\n$other"
	FIRST=1 apply "$FACTS"
	assert_status 0
}

@test "apply: remove takes the logs of the app and their old files, not those of an app whose name begins in the same way" {
	local log=$TEST_HOST/log
	apply "$FACTS"
	touch "$log/web-"{access,error}.log{,.1,.2.gz,-20261129,-20261129.gz,-20261129-1764400000} \
		"$log/web-access.log-b-access.log" "$log/web-access.log.1-error.log" \
		"$log/web-access.log-2-access.log.1"
	apply "app web
remove"
	assert_success ""
	assert_equal "dokku-canary.log web-access.log-2-access.log.1 web-access.log-b-access.log web-access.log.1-error.log" \
		"$(ls -A "$log" | paste -sd ' ')"
}

@test "heal: a log that is longer than the disk has room begins anew, and nginx opens it again" {
	local log=$TEST_HOST/log
	make_release web 1
	make_current web 1
	apply "$FACTS"
	assert_success ""
	truncate -s 15T "$log/web-access.log" "$log/other.log"
	truncate -s 70M "$log/web-error.log"
	: >"$CALLS"
	got "$PLUGIN_PATH/nginx/heal"
	assert_status 0
	assert_error " !     $log/web-access.log: too long for the room on the disk," \
		"so it begins anew. What was in it is beside it, in a file .full"
	assert_equal "0 640" "$(stat -c '%s %a' "$log/web-access.log")"
	[[ -s $log/web-access.log.full && -s $log/web-error.log && -s $log/other.log ]]
	grep -q '^nginx -s reopen$' "$CALLS"
	got "$PLUGIN_PATH/nginx/heal"
	assert_success ""
	apply "app web
remove"
	assert_absent "$log/web-access.log.full"
}

@test "apply: what killed ones have left goes, keys are in it, but not the files of an app called stage" {
	mkdir "$TREE/.stage.abCD12"
	touch "$TREE/.stage.abCD12/server.key" "$TREE/.stage.previous" "$TREE/.stage.pending"
	apply "app web
remove"
	assert_success ""
	assert_equal ".stage.pending .stage.previous" "$(ls -A "$TREE" | paste -sd ' ')"
}

@test "apply: only regular files are read, as the user whose folder it is, and nobody waits for a pipe" {
	local dir="$DOKKU_ROOT/web/nginx.conf.d" make reason before
	mkdir "$dir"
	apply "$FACTS"
	assert_success ""
	before=$(<"$TREE/web.conf")
	while IFS='|' read -r make reason; do
		rm -rf "$dir"
		mkdir "$dir"
		(cd "$dir" && bash -c "$make")
		got timeout 20 "$PLUGIN_CORE_AVAILABLE_PATH/nginx/root/apply" <<<"$FACTS"
		assert_refused "nginx: web: $DOKKU_ROOT/web/nginx.conf.d/$reason"
		assert_file "$TREE/web.conf" "$before"
		assert_equal "" "$(find "$TREE" -name '*stage*')"
	done <<-'ODD'
		mkfifo a.conf|a.conf is not a regular file: it is not read
		ln -s /etc/shadow a.conf|a.conf is a link: put the file itself there
		mkdir a.conf|a.conf is not a regular file: it is not read
		ln -s /dev/zero a.conf|a.conf is a link: put the file itself there
		head --bytes 2M /dev/zero >a.conf|a.conf is larger than 1048576 bytes: it is not read
		echo x >b.conf; mkfifo a\ b.conf|a b.conf is not a regular file: it is not read
	ODD
	rm -rf "$dir"
	mkdir "$DOKKU_ROOT/web/tls"
	mkfifo "$DOKKU_ROOT/web/tls/server.crt"
	: >"$DOKKU_ROOT/web/tls/server.key"
	got timeout 20 "$PLUGIN_CORE_AVAILABLE_PATH/nginx/root/apply" <<<"$FACTS"$'\ncertificate'
	assert_refused \
		"nginx: web: $DOKKU_ROOT/web/tls/server.crt is not a regular file: it is not read"
}

@test "apply: what only root may read does not come out by a link of the folder's owner" {
	[[ $EUID -eq 0 ]] || skip "only root reads as somebody else"
	local dir="$DOKKU_ROOT/web"
	mkdir "$WORLD/secrets"
	printf '# the secret\n' >"$WORLD/secrets/a.conf"
	chmod 700 "$WORLD/secrets"
	ln -s "$WORLD/secrets" "$dir/nginx.conf.d"
	chown 65534:65534 "$DOKKU_ROOT"
	apply "$FACTS"
	assert_status 1
	assert_equal "" "$(grep -r 'the secret' "$TREE")"
	chown 0:0 "$DOKKU_ROOT"
	apply "$FACTS"
	assert_success ""
	assert_equal "# the secret" "$(cat "$TREE"/web.d/*/custom/a.conf)"
}

@test "apply: its lock and the logs of an app cannot be opened by everybody, nor those of an older dokku" {
	: >"$TEST_HOST/run/dokku-nginx.lock"
	: >"$TEST_HOST/log/web-error.log"
	chmod 644 "$TEST_HOST/run/dokku-nginx.lock" "$TEST_HOST/log/web-error.log"
	apply "$FACTS"
	assert_success ""
	assert_mode "$TEST_HOST/run/dokku-nginx.lock" 600
	assert_mode "$TEST_HOST/log/web-access.log" 640
	assert_mode "$TEST_HOST/log/web-error.log" 640
	assert_mode "$TREE/web.conf" 644
	apply "$FACTS"$'\nset access-log-path off\nset error-log-path /var/log/nginx/other.log'
	assert_success ""
	assert_equal $'dokku-canary.log\nother.log\nweb-access.log\nweb-error.log' \
		"$(ls "$TEST_HOST/log")"
	assert_mode "$TEST_HOST/log/other.log" 640
}

@test "apply: one buffer takes an answer's header of 16 KB, unless somebody has set buffers of his own" {
	buffers() { sed -n 's/^\t\(proxy_.*buffer.*\)/\1/p' "$TREE/web.conf"; }
	apply "$FACTS"
	assert_equal $'proxy_buffer_size 16k;\nproxy_buffers 8 4k;\nproxy_busy_buffers_size 24k;' \
		"$(buffers)"
	apply "$FACTS"$'\nset proxy-buffers 4 8k'
	assert_equal 'proxy_buffers 4 8k;' "$(buffers)"
	apply "$FACTS"$'\nset proxy-busy-buffers-size 8k'
	assert_equal 'proxy_busy_buffers_size 8k;' "$(buffers)"
	mkdir "$DOKKU_ROOT/web/nginx.conf.d"
	printf 'proxy_read_timeout 5s; proxy_buffer_size 64k;\n' \
		>"$DOKKU_ROOT/web/nginx.conf.d/own.conf"
	apply "$FACTS"
	assert_equal '' "$(buffers)"
	apply "$FACTS"$'\nset disable-custom-config true'
	assert_equal 'proxy_buffer_size 16k;' "$(buffers | sed -n 1p)"
	printf '# proxy_buffer_size 64k;\nproxy_buffering off;\n' \
		>"$DOKKU_ROOT/web/nginx.conf.d/own.conf"
	apply "$FACTS"
	assert_equal 'proxy_buffer_size 16k;' "$(buffers | sed -n 1p)"
}

@test "apply: headers with underscores, where they pass, are no way around" {
	apply "$FACTS"
	assert_equal 0 "$(grep -c 'X_Forwarded' "$TREE/web.conf")"
	apply "$FACTS"$'\nset underscore-in-headers on'
	assert_success ""
	grep -qF 'proxy_set_header X_Forwarded_Host "";' "$TREE/web.conf"
	grep -qF 'proxy_set_header X_Forwarded_For "";' "$TREE/web.conf"
	grep -qF 'proxy_set_header X_Real_IP "";' "$TREE/web.conf"
	assert_equal "" \
		"$(grep -o 'proxy_set_header [^ ]*' "$TREE/web.conf" | sort | uniq -d | grep _)"
}

@test "apply: names of custom files may have spaces" {
	mkdir "$DOKKU_ROOT/web/nginx.conf.d"
	printf 'gzip on;\n' >"$DOKKU_ROOT/web/nginx.conf.d/my lines.conf"
	apply "$FACTS"
	assert_success ""
	printf 'gzip off;\n' >"$DOKKU_ROOT/web/nginx.conf.d/my lines.conf"
	apply "$FACTS"
	assert_success ""
	assert_equal "gzip off;" \
		"$(cat \
			"$(sed -n 's|.*include \(.*\)/custom/.*|\1|p' "$TREE/web.conf")/custom/my lines.conf")"
}

@test "apply: what is new is on the disk before it takes its place, and what a power cut has emptied is replaced" {
	mkdir "$DOKKU_ROOT/web/nginx.conf.d"
	printf 'gzip on;\n' >"$DOKKU_ROOT/web/nginx.conf.d/mine.conf"
	fake sync <<<'for file; do [[ -e $file ]] || exit 1; done'
	apply "$FACTS"
	assert_success ""
	grep -q '^sync .*/.stage\.[^ ]*/custom/mine.conf' "$CALLS"
	grep -q '^sync .*/.stage\.[^ /]* ' "$CALLS"
	grep -q '^sync .*/.web.candidate' "$CALLS"
	: >"$(echo "$TREE"/web.d/*/custom/mine.conf)"
	: >"$CALLS"
	apply "$FACTS"
	assert_success ""
	assert_equal "gzip on;" "$(cat "$TREE"/web.d/*/custom/mine.conf)"
	assert_equal 1 "$(reloads)"
}

@test "apply: an nginx that takes connections and answers nothing holds the lock for seconds" {
	apply "$FACTS"
	local before
	before=$(<"$TREE/web.conf")
	rm "$TEST_HOST/answer"
	mkfifo "$TEST_HOST/answer"
	# It takes the request, and the reload.
	NGINX_STUCK=always got timeout 20 "$PLUGIN_CORE_AVAILABLE_PATH/nginx/root/apply" <<<"$FACTS
set send-timeout 7s"
	assert_refused \
		"nginx: it did not apply the new config for web within 5 s; the old one is back"
	assert_file "$TREE/web.conf" "$before"
}

@test "apply: an app called generation, where an older dokku has its own file, and no app has that host name" {
	printf 'server {\n\tserver_name generation.dokku.invalid;\n\treturn 200 "generation 1";\n}\n' >"$TREE/generation.conf"
	apply "$FACTS"
	assert_success ""
	assert_absent "$TREE/generation.conf"
	apply "${FACTS/app web/app generation}"
	assert_success ""
	grep -q 'upstream dokku-generation ' "$TREE/generation.conf"
	apply "$FACTS
set send-timeout 7s"
	assert_success ""
	grep -q 'upstream dokku-generation ' "$TREE/generation.conf"
	apply "$FACTS
domain generation.dokku.invalid"
	assert_refused "nginx: not a host name"
}

# connections raise|restore - of an nginx that reads nginx.conf, and refuses what has BAD in it.
connections() {
	# shellcheck disable=SC2016 # for the fake
	fake nginx <<<'file=$TEST_HOST/etc/nginx/nginx.conf
		case $* in
		-T) printf "# configuration file %s:\n" "$file"; cat "$file" ;;
		*-t*) ! grep -qs -e "${REFUSED-BAD}" "$file" ;;
		esac'
	mkdir -p "$TEST_HOST/etc/nginx/modules-enabled"
	got "$PLUGIN_CORE_AVAILABLE_PATH/nginx/libexec/connections" "$@"
}

readonly STOCK='include /etc/nginx/modules-enabled/*.conf;

events {
	worker_connections 768;
	# multi_accept on;
}
http { include /etc/nginx/conf.d/*.conf; }'

@test "connections: Debian's number is raised, said with its price, and given back" {
	local conf=$TEST_HOST/etc/nginx/nginx.conf limits
	limits=$TEST_HOST/etc/nginx/modules-enabled/60-dokku-files.conf
	printf '%s\n' "$STOCK" >"$conf"
	chmod 640 "$conf"
	connections raise
	assert_success "-----> nginx may have 8192 connections per worker instead of 768, because a request takes two
       $conf: 3 MB more for each worker; make uninstall restores the old number"
	assert_file "$conf" "${STOCK/768;/8192; # dokku: was 768}"
	assert_equal 640 "$(stat --format %a "$conf")"
	grep -qx 'worker_rlimit_nofile [1-9][0-9]*;' "$limits"
	connections raise
	assert_success ""
	assert_file "$conf" "${STOCK/768;/8192; # dokku: was 768}"
	connections restore
	assert_success ""
	assert_file "$conf" "$STOCK"
	assert_absent "$limits"
	assert_absent "$TEST_HOST/etc/dokku/nginx-connections"
	assert_equal "nginx.conf" "$(cd "$TEST_HOST/etc/nginx" && ls -d nginx.conf*)"
}

@test "connections: whatever the administrator has made of that line" {
	local conf=$TEST_HOST/etc/nginx/nginx.conf before after
	while IFS='|' read -r before after; do
		printf '%b\n' "$before" >"$conf"
		connections raise
		assert_status 0
		assert_file "$conf" "$(printf %b "$after")"
		connections restore
		assert_status 0
		assert_file "$conf" "$(printf %b "$before")"
	done <<-'TABLE'
		events { worker_connections 1024; }|events { worker_connections 8192; }
		events{worker_connections  512 ;}|events{worker_connections  8192 ;}
		events {\n\tuse epoll;\n}|events {\n\tworker_connections 8192; # dokku: was not set\n\tuse epoll;\n}
		events {\n\tworker_connections 8192;\n}|events {\n\tworker_connections 8192;\n}
		events {\n\tworker_connections 20000;\n}|events {\n\tworker_connections 20000;\n}
		#worker_connections 768;\nevents {\n\tworker_connections 768; # mine\n}|#worker_connections 768;\nevents {\n\tworker_connections 8192; # mine\n}
	TABLE
}

@test "connections: what cannot be changed is named; what somebody has changed since stays" {
	local conf=$TEST_HOST/etc/nginx/nginx.conf
	printf 'events { }\n' >"$conf"
	connections raise
	assert_status 0
	[[ $output == *'write "worker_connections 8192;" into the block events of nginx.conf'* ]]
	assert_file "$conf" 'events { }'
	printf '%s\n' "$STOCK" >"$conf"
	REFUSED=8192 connections raise
	assert_status 0
	[[ $output == *"nginx may have only 768 connections per worker"*"events of $conf"* ]]
	assert_file "$conf" "$STOCK"
	assert_equal "nginx.conf" "$(cd "$TEST_HOST/etc/nginx" && ls -d nginx.conf*)"
	connections raise
	printf '%s\n' "${STOCK/768/4096}" >"$conf"
	connections restore
	assert_success ""
	assert_file "$conf" "${STOCK/768/4096}"
}

@test "connections: an nginx.conf that nobody can replace, such as one with chattr +i: said, and nothing is left" {
	local conf=$TEST_HOST/etc/nginx/nginx.conf
	printf '%s\n' "$STOCK" >"$conf"
	fake mv <<<'[[ $* != *nginx.conf ]] || { echo "mv: not permitted" >&2; exit 1; }
		exec /bin/mv "$@"'
	connections raise
	assert_success "       nginx may have only 768 connections per worker: write \"worker_connections 8192;\" into the block events of $conf"
	assert_file "$conf" "$STOCK"
	assert_equal "nginx.conf" "$(cd "$TEST_HOST/etc/nginx" && ls -d nginx.conf*)"
	assert_absent "$TEST_HOST/etc/dokku/nginx-connections"
}

@test "connections: a running nginx gets the files at once; the administrator's own limit stays" {
	local conf=$TEST_HOST/etc/nginx/nginx.conf pid hard
	hard=$(ulimit -Hn)
	[[ $hard != unlimited && $hard -lt 65536 ]] || hard=65536
	kill "$NGINX"
	mkdir "$BATS_TEST_TMPDIR/shell"
	cp "$(type -P bash)" "$BATS_TEST_TMPDIR/shell/nginx"
	(ulimit -Sn 256 && exec "$BATS_TEST_TMPDIR/shell/nginx" -c 'sleep 300 & wait') 3>&- &
	NGINX=$!
	printf '%s\n' "$NGINX" >"$TEST_HOST/run/nginx.pid"
	for _ in {1..500}; do
		[[ -z $(<"/proc/$NGINX/task/$NGINX/children") ]] || break
		sleep 0.01
	done
	printf 'worker_rlimit_nofile 5000;\n%s\n' "$STOCK" >"$conf"
	connections raise
	assert_status 0
	for pid in "$NGINX" $(<"/proc/$NGINX/task/$NGINX/children"); do
		[[ $(prlimit --pid "$pid" --nofile --noheadings --raw --output SOFT) -ge $hard ]]
	done
	assert_absent "$TEST_HOST/etc/nginx/modules-enabled/60-dokku-files.conf"
	[[ $output == *"worker_rlimit_nofile 5000 in nginx's config allows fewer connections"* ]]
	pkill -P "$NGINX"
}

# install_as_root - install(1) itself, but for the user dokku, who need not be on this host.
install_as_root() {
	fake install <<<'for word; do shift; [[ $word != dokku ]] || word=root; set -- "$@" "$word"; done
		exec /usr/bin/install "$@"'
}

@test "a firewall that lets no visitor reach port 80 is told by make install, with the command" {
	local rule
	fake ufw <<<'printf "Status: %s\nDefault: %s (incoming), allow (outgoing)\n\n%s\n" \
		"${UFW-active}" "${UFW_DEFAULT-deny}" "${RULE-}"'
	local start=" !     no visitor reaches port 80, so nobody sees the apps. Let the firewall"
	local closed="$start ufw of this host: sudo ufw allow 80,443/tcp"
	for rule in "" '22/tcp ALLOW IN Anywhere' '80/tcp DENY IN Anywhere' \
		'80/udp ALLOW IN Anywhere' '8000:9000/tcp ALLOW IN Anywhere' \
		'Anywhere ALLOW OUT Anywhere' '443 (v6) ALLOW IN Anywhere (v6)'; do
		RULE=$rule code nginx/lib/firewall tell_firewall
		assert_error "$closed"
	done
	for rule in '80 ALLOW IN Anywhere' '80,443/tcp (WWW Full) ALLOW IN Anywhere' \
		'1:1024/tcp LIMIT IN Anywhere' 'Anywhere ALLOW IN 10.0.0.0/8' \
		'80/tcp on eth0 ALLOW IN Anywhere'; do
		RULE=$rule code nginx/lib/firewall tell_firewall
		assert_success ""
	done
	UFW=inactive code nginx/lib/firewall tell_firewall
	assert_success ""
	UFW_DEFAULT=allow code nginx/lib/firewall tell_firewall
	assert_success ""
	fake ip <<<'echo "default via 10.0.0.1 dev eth0 proto dhcp"'
	fake ufw <<<'exit 1'
	fake firewall-cmd <<<'case " $* " in
		*" --state "*) echo running ;;
		*"=eth0 "*) echo home ;;
		*" --zone=home --get-target "*) echo "${TARGET-default}" ;;
		*" --zone=home --query-service=http "*) exit "${HTTP-1}" ;;
		*) exit 1 ;;
	esac'
	code nginx/lib/firewall tell_firewall
	closed="$start firewalld of this host: sudo firewall-cmd --permanent --add-service=http"
	assert_error "$closed --add-service=https && sudo firewall-cmd --reload"
	HTTP=0 code nginx/lib/firewall tell_firewall
	assert_success ""
	TARGET=ACCEPT code nginx/lib/firewall tell_firewall
	assert_success ""
}

@test "install: our server's file has a name that no app has, and is not reloaded for that" {
	[[ $EUID -eq 0 ]] || skip "as root only"
	fake dpkg </dev/null
	install_as_root
	local install="$PLUGIN_PATH/nginx/install"
	mkdir -p "$TEST_HOST"/etc/nginx/{conf.d,sites-enabled}
	apply "$FACTS"
	got "$install"
	assert_success ""
	local text
	text=$(<"$TREE/_generation.conf")
	mv "$TREE/_generation.conf" "$TREE/generation.conf"
	: >"$CALLS"
	got "$install"
	assert_success ""
	assert_file "$TREE/_generation.conf" "$text"
	assert_absent "$TREE/generation.conf"
	assert_equal 0 "$(reloads)"
	grep -qF "if (-f $DOKKU_LIB_ROOT/waiting/\$host) {" \
		"$TEST_HOST/etc/nginx/conf.d/00-dokku.conf"
	grep -q 'add_header Retry-After' "$TEST_HOST/etc/nginx/dokku-unavailable.conf"
	local headers=$TEST_HOST/etc/nginx/dokku-headers.conf
	assert_equal 31 "$(grep -cE '^proxy_set_header [A-Za-z-]+ "";$' "$headers")"
	grep -qxF 'proxy_set_header X-Forwarded-Ssl "";' "$headers"
	grep -qxF 'proxy_set_header X-Dokku-Preview "";' "$headers"
	printf 'upstream dokku-generation { }\n' >"$TREE/generation.conf"
	got "$install"
	assert_success ""
	assert_file "$TREE/generation.conf" 'upstream dokku-generation { }'
}

@test "install: an upgrade with the logs of many apps tests the config with as many files as it takes; so does systemd at a boot" {
	[[ $EUID -eq 0 ]] || skip "as root only"
	fake dpkg </dev/null
	fake systemctl </dev/null
	install_as_root
	mkdir -p "$TEST_HOST"/etc/nginx/{conf.d,sites-enabled} "$TEST_HOST"/{run,etc}/systemd/system
	apply "$FACTS"
	fake nginx <<<'[[ $* != -T ]] ||
		printf "# configuration file %s:\nworker_connections 8192;\n" \
		"$TEST_HOST/etc/nginx/conf.d/dokku.conf"
		[[ $* != *-t* || $(ulimit -Sn) -gt 256 ]] || { echo "nginx: [emerg] too many" >&2
		exit 1; }; [[ $* != -v ]] || echo nginx version: nginx/1.22.1 >&2'
	(
		ulimit -Sn 256
		got "$PLUGIN_PATH/nginx/install"
		assert_success ""
	)
	# A format and a condition after a log's name are no part of it.
	grep -q 'access_log .*/dokku-canary.log dokku_canary if=' "$TREE/web.conf"
	assert_equal $'dokku-canary.log\nweb-access.log\nweb-error.log' "$(ls "$TEST_HOST/log")"
	assert_equal "LimitNOFILE=65536" \
		"$(sed -n '/^\[Service\]$/{n;p}' \
			"$TEST_HOST/etc/systemd/system/nginx.service.d/dokku.conf")"
	local line taken=$PLUGIN_CORE_AVAILABLE_PATH/nginx/root/taken
	for line in "ExecStartPre=-$taken" "ExecStopPost=-$taken ended" Restart=on-failure \
		StartLimitIntervalSec=120 StartLimitBurst=10; do
		grep -qxF "$line" "$TEST_HOST/etc/systemd/system/nginx.service.d/dokku.conf"
	done
	grep -qx "systemctl daemon-reload" "$CALLS"
}

# takes_ports - another program has three ports: one that it listens at on one address, one on IPv6,
# and one that it is only bound to. Sets taken to them, and to one that is free.
takes_ports() {
	local file=$WORLD/ports
	perl -e 'use Socket qw(:all);
		sub place { my ($family, $address, $port) = @_;
			my $packed = inet_pton($family, $address);
			my $s; socket($s, $family, SOCK_STREAM, 0) and bind($s, $family == AF_INET ?
			pack_sockaddr_in($port, $packed) :
			pack_sockaddr_in6($port, $packed)) or die;
			push @ports, getsockname($s) =~ /^..(..)/s ? unpack("n", $1) : 0; $s }
		$a = place(AF_INET, "127.0.0.1", 0); listen($a, 1);
		$b = place(AF_INET6, "::", 0); listen($b, 1);
		$c = place(AF_INET, "127.0.0.1", 0); place(AF_INET, "127.0.0.1", 0);
		open(F, ">", "$ARGV[0].new"); print F "@ports\n"; close(F);
		rename("$ARGV[0].new", $ARGV[0]);
		sleep 60' "$file" 3>&- &
	thief=$!
	while [[ ! -e $file ]]; do sleep 0.02; done
	read -r -a taken <"$file"
}

# unused PORT - prints the address in its place.
unused() { printf '127.87.%d.%d:80' "$(($1 >> 8))" "$(($1 & 255))"; }

# listens_of FILE - prints the listen directives in FILE, all in one line.
listens_of() { grep -o $'^\t*listen [^;]*;' "$1" | tr -d '\t' | paste -sd ' '; }

@test "taken: nginx starts without the ports of apps that another program has, and with all others" {
	local taken thief a b c d
	takes_ports
	read -r a b c d <<<"${taken[*]}"
	mkdir -p "$DOKKU_ROOT/web/tls"
	printf 'crt\n' >"$DOKKU_ROOT/web/tls/server.crt"
	printf 'key\n' >"$DOKKU_ROOT/web/tls/server.key"
	apply "$FACTS"$'\ncertificate\nlisten http 80\nlisten http '"$a
listen http $d
listen https $c"
	sed -e "s/\\*:$a/10.1.2.3:$a/" -e "/:$c/d" -e '/\[::/d' "$TREE/web.conf" >"$TREE/own.conf"
	apply $'app blog\nupstream 10.86.0.2 80\nnameless\nlisten http '"$b"
	# As in a template.
	printf '\tlisten %s;\n\tlisten [::]:%s ipv6only=on;\n' "$c" "$b" >"$TREE/mine.conf"
	mkdir -p "$DOKKU_LIB_ROOT"/data/nginx-vhosts/{blog,own}
	touch "$DOKKU_LIB_ROOT"/data/nginx-vhosts/{blog,own}/applied
	# nginx runs, and they are its own ports.
	got "$PLUGIN_CORE_AVAILABLE_PATH/nginx/root/taken"
	assert_success ""
	# Another process has the number of one that ended, or the name.
	printf '1\n' >"$TEST_HOST/run/nginx.pid"
	got "$PLUGIN_CORE_AVAILABLE_PATH/nginx/root/taken"
	assert_status 0
	[[ $stderr == *"blog: another program has port $b, so nginx starts without port $b."* ]]
	assert_equal "listen *:80; listen $(unused "$a"); listen *:$d; listen $(unused "$c");" \
		"$(listens_of "$TREE/web.conf" | sed 's/ listen \[[^;]*;//g')"
	assert_equal "listen $(unused "$b");" "$(listens_of "$TREE/blog.conf")"
	assert_equal "listen $(unused "$c");" "$(listens_of "$TREE/mine.conf")"
	grep -q "listen 10.1.2.3:$a;" "$TREE/own.conf"
	# The next deploy writes the file as it was.
	assert_absent "$DOKKU_LIB_ROOT/data/nginx-vhosts/blog/applied"
	[[ -e $DOKKU_LIB_ROOT/data/nginx-vhosts/own/applied ]]
	# Once more, nothing is left to say.
	got "$PLUGIN_CORE_AVAILABLE_PATH/nginx/root/taken"
	assert_success ""
	kill "$thief"
}

@test "taken: if a port was taken while nginx began, it begins again without any that a user may take" {
	apply "$FACTS"$'\nlisten http 80\nlisten http 81\nlisten http 8081'
	cp "$TREE/web.conf" "$WORLD/was"
	printf '1\n' >"$TEST_HOST/run/nginx.pid"
	# It has ended as it should, by a signal, or its config is not good.
	fake nginx <<<'exit 0'
	got "$PLUGIN_CORE_AVAILABLE_PATH/nginx/root/taken" ended
	SERVICE_RESULT=signal got "$PLUGIN_CORE_AVAILABLE_PATH/nginx/root/taken" ended
	fake nginx <<<'exit 1'
	SERVICE_RESULT=exit-code got "$PLUGIN_CORE_AVAILABLE_PATH/nginx/root/taken" ended
	assert_success ""
	assert_file "$TREE/web.conf" "$(<"$WORLD/was")"
	fake nginx <<<'exit 0'
	SERVICE_RESULT=exit-code got "$PLUGIN_CORE_AVAILABLE_PATH/nginx/root/taken" ended
	assert_status 0
	[[ $stderr == 'web: another program took a port of nginx, so nginx'*' port 8081.'* ]]
	assert_equal "listen *:80; listen *:81; listen $(unused 8081);" \
		"$(listens_of "$TREE/web.conf" | sed 's/ listen \[[^;]*;//g')"
}

@test "apply: the preview's name is no other app's" {
	apply "$FACTS
preview 10.86.0.2 81"
	apply "${FACTS/app web/app web-preview}"
	assert_success ""
	assert_equal "" "$(sed -n 's/^upstream \(.*\) {/\1/p' "$TREE"/*.conf | sort | uniq -d)"
	grep -q 'set $dokku_upstream dokku-web_preview;' "$TREE/web.conf"
}

@test "apply: try says whether nginx would take it, and changes nothing" {
	apply "$FACTS"
	local before
	before=$(cd "$TREE" && find . -printf '%p %i %T@\n' | grep -v '^\. ' | sort)
	: >"$CALLS"
	apply "$FACTS
set send-timeout 7s
try"
	assert_success ""
	grep -q ^unshare "$CALLS"
	apply "$FACTS
set x-forwarded-for-value BAD
try"
	assert_refused \
		'nginx: the config for web does not pass its test: unknown directive "BAD" in x:1'
	apply "app web
try"
	assert_success ""
	assert_equal "$before" \
		"$(cd "$TREE" && find . -printf '%p %i %T@\n' | grep -v '^\. ' | sort)"
	assert_equal 0 "$(reloads)"
}

@test "apply: trusts neither PATH nor the environment" {
	local file="$REPO/plugins/nginx/root/apply"
	assert_equal '#!/bin/bash -p' "$(head -n 1 "$file")"
	grep -qx 'PATH=/usr/sbin:/usr/bin:/sbin:/bin' "$file"
	assert_equal "" "$(grep -nE '(eval|^\. )' "$file" "${file%/*}/render")"
}

# --- the side of dokku ---------------------------------------------------------------

@test "nginx_describe: a hook that fails is no app without domains, or without addresses" {
	make_release web 1
	hook fake app-domains <<<'printf "web.example.com\n"'
	hook fake service-address <<<'exit 3'
	code nginx 'nginx_describe web 1'
	assert_status 3
	hook fake service-address <<<'printf "10.86.0.1 80\n"'
	hook fake app-domains <<<'exit 4'
	code nginx 'nginx_describe web 1'
	assert_status 4
}

@test "nginx_describe: domains in lower case, an upstream for each web container, settings" {
	make_release web 1 web=2 worker=3
	hook fake app-domains <<<'printf "A.Example.com\nb.com\n"'
	hook fake service-address <<<'if [[ $2 == web ]]
		then printf "10.86.0.1 80\n10.86.0.2 80\n"; else printf "10.86.0.9 80\n"; fi'
	code "" \
		'property_set nginx-vhosts --global client-max-body-size 1m
			property_set nginx-vhosts web client-max-body-size 2m'
	mkdir "$DOKKU_ROOT/web/tls"
	touch "$DOKKU_ROOT/web/tls/server.crt"
	code nginx 'nginx_describe web 1'
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
	code nginx 'nginx_describe web 1'
	grep -qx certificate <<<"$output"
}

@test "nginx_describe: half-written settings are none, and without web containers there is no preview" {
	make_release web 1 web=0 worker=1
	code "" 'property_set nginx-vhosts web send-timeout 7s'
	printf '9s\n' >"$DOKKU_LIB_ROOT/config/nginx-vhosts/web/send-timeout.tmp.1.abcdef"
	rm "$PLUGIN_PATH/fake/service-address"
	ln -s "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses" "$PLUGIN_PATH/service-addresses"
	code nginx 'nginx_describe web 1'
	assert_success "app web
domain web.example.com
set send-timeout 7s"
	got "$PLUGIN_PATH/service-addresses/service-address" web preview
	assert_success ""
}

@test "nginx_update: a hook before the reload that fails stops it, also where -e is off" {
	make_release web 1
	hook fake nginx-pre-reload <<<'exit 3'
	code nginx 'nginx_update web 1 || true; printf "went on\n"'
	assert_refused "web: a plugin's hook nginx-pre-reload failed: see above;" \
		"nginx keeps the config that it had"
	assert_absent "$TREE/web.conf"
}

@test "nginx:set: the log of another app, which nginx:access-logs would show, is refused" {
	make_app beta
	is_refused() {
		dokku nginx:set web "${1%% *}" "${1#* }"
		assert_refused "nginx:set: ${1#* } is a log of the app beta: choose a name of its" \
			"own; nothing was changed"
	}
	each is_refused <<-'SETTINGS'
		access-log-path /var/log/nginx/beta-access.log
		access-log-path /var/log/nginx/beta-error.log.1
		error-log-path /var/log/nginx/beta-access.log.full
	SETTINGS
	dokku nginx:set web access-log-path /var/log/nginx/web-access.log
	assert_status 0
	dokku nginx:set web access-log-path /var/log/nginx/nobody-access.log
	assert_status 0
}

@test "nginx:set: keys and values are checked" {
	dokku nginx:set web nope 1
	assert_status 2
	assert_error_like ' !     nginx:set: no such setting: "nope": there are access-log-format,' \
		'*, x-forwarded-ssl'
	is_refused() {
		dokku nginx:set web "${1%% *}" "${1#* }"
		assert_status 1 && assert_output "" &&
			assert_error_like \
				' !     nginx:set: * wants *, not "*"*; nothing was changed'
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
		x-forwarded-for-value $http_x_dokku_preview
		x-forwarded-ssl $HTTP_X_Dokku_Preview
		x-forwarded-for-value $uri
		x-forwarded-ssl $scheme,$DOCUMENT_uri
		x-forwarded-port-value $request_body
		x-forwarded-proto-value $request_filename
		x-forwarded-for-value $1
		x-forwarded-ssl $scheme $ssl_server_name
		x-forwarded-ssl ${ssl_client_cert}
		x-forwarded-proto-value $scheme, $http_x_dokku_preview
		bind-address-ipv4 ::1
		bind-address-ipv4 127.86.0.1
		bind-address-ipv4 10.0.0.256
		bind-address-ipv4 10.0.1
	SETTINGS
	dokku nginx:set web client-max-body-size 10m
	assert_success "-----> web: client-max-body-size is now 10m"
	dokku nginx:report web --nginx-client-max-body-size
	assert_success 10m
	dokku nginx:set web client-max-body-size
	assert_success "-----> web: client-max-body-size is now the default, 1m"
}

@test "a deploy that changes nothing of nginx's does not ask root" {
	make_release web 1
	make_current web 1
	got "$PLUGIN_PATH/nginx/proxy-build-config" nginx web 1
	assert_success ""
	[[ -s $TREE/web.conf ]]
	: >"$CALLS"
	got "$PLUGIN_PATH/nginx/proxy-build-config" nginx web 1
	assert_success ""
	assert_calls ""
	dokku nginx:set web client-max-body-size 3m
	assert_status 0
	grep -q 'client_max_body_size 3m;' "$TREE/web.conf"
	dokku nginx:set web x-forwarded-for-value BAD
	assert_status 1
	dokku nginx:report web --nginx-x-forwarded-for-value
	assert_success ""
	got "$PLUGIN_PATH/proxy/post-delete" web
	assert_success ""
	assert_absent "$TREE/web.conf"
}

@test "proxy-build-config: says where nginx answers for the app; where that is everywhere, an address that no app takes" {
	answers_at() {
		build
		assert_file "$DOKKU_LIB_ROOT/data/releases/web/1/proxy" "$1 80 443"
	}
	deployed web
	answers_at 127.86.0.1
	code "" 'property_set nginx-vhosts --global bind-address-ipv4 10.0.0.5'
	answers_at 10.0.0.5
	code "" 'property_set nginx-vhosts web bind-address-ipv4 127.0.0.1'
	answers_at 127.0.0.1
	code "" 'property_set nginx-vhosts web bind-address-ipv4 0.0.0.0'
	answers_at 127.86.0.1
	got "$PLUGIN_PATH/nginx/proxy-build-config" moon web 1
	assert_success ""
}

@test "an app that has another proxy: nginx starts nothing for it, and reconcile removes it there" {
	deployed web
	code "" 'property_set proxy web type moon'
	: >"$CALLS"
	local what
	for what in "pre-change web ps:restart" "pre-deploy web image" "post-retire web"; do
		# shellcheck disable=SC2086 # words
		DOKKU_RELEASE=1 got "$PLUGIN_PATH/nginx/"$what
		assert_success ""
	done
	assert_calls ""
	got "$PLUGIN_PATH/nginx/reconcile" web 1
	assert_status 0
	assert_absent "$TREE/web.conf"
}

@test "proxy-state: runs, or what to do" {
	got "$PLUGIN_PATH/nginx/proxy-state" moon
	assert_success ""
	got "$PLUGIN_PATH/nginx/proxy-state" nginx
	assert_success runs
	rm "$TEST_HOST/answer"
	mkdir "$TEST_HOST/answer"
	got "$PLUGIN_PATH/nginx/proxy-state" nginx
	assert_success "nginx does not run, so nobody reaches any app. Start it with: sudo nginx"
}

@test "a deploy asks root where something has gone that the config was made of, has come and is older, or was written at a later time than now" {
	asks() {
		build && assert_success "" && [[ -s $CALLS ]] && : >"$CALLS" && build &&
			assert_calls "" "$1"
	}
	deployed web
	build
	assert_calls ""
	mkdir "$DOKKU_ROOT/web/nginx.conf.d"
	printf 'gzip on;\n' >"$DOKKU_ROOT/web/nginx.conf.d/mine.conf"
	touch --date=2020-01-01 "$DOKKU_ROOT/web/nginx.conf.d"{/mine.conf,}
	asks "it has come"
	rm -r "$DOKKU_ROOT/web/nginx.conf.d"
	asks "it has gone"
	touch --date='1 day' "$DOKKU_LIB_ROOT/data/nginx-vhosts/web/applied"
	asks "the clock was a day ahead"
	# As an older dokku wrote it.
	sed -i 1q "$DOKKU_LIB_ROOT/data/nginx-vhosts/web/applied"
	touch "$DOKKU_LIB_ROOT/data/nginx-vhosts/web/applied"
	asks "there was no list"
}

@test "post-certs-update: nginx has the certificate, however old it is, and not the one that has gone" {
	deployed web
	mkdir "$DOKKU_ROOT/web/tls"
	printf 'crt\n' >"$DOKKU_ROOT/web/tls/server.crt"
	printf 'key\n' >"$DOKKU_ROOT/web/tls/server.key"
	got "$PLUGIN_PATH/proxy/post-certs-update" web
	assert_success ""
	grep -q ssl_certificate "$TREE/web.conf"
	printf 'new\n' >"$DOKKU_ROOT/web/tls/server.key"
	touch --date=2020-01-01 "$DOKKU_ROOT/web/tls"{/*,}
	got "$PLUGIN_PATH/proxy/post-certs-update" web
	assert_success ""
	assert_equal new \
		"$(cat "$(sed -n 's/.*ssl_certificate_key \(.*\);/\1/p' "$TREE/web.conf")")"
	rm -r "$DOKKU_ROOT/web/tls"
	got "$PLUGIN_PATH/proxy/post-certs-update" web
	assert_success ""
	run ! grep -q 443 "$TREE/web.conf"
}

@test "nginx:report has when the app last answered a visitor" {
	mkdir -p "$DOKKU_LIB_ROOT/config/nginx-vhosts/web"
	printf '%s\n' "$WORLD/a.log" >"$DOKKU_LIB_ROOT/config/nginx-vhosts/web/access-log-path"
	dokku nginx:report web --nginx-last-visited-at
	assert_success ""
	touch --date @60 "$WORLD/a.log"
	dokku nginx:report --nginx-last-visited-at
	assert_success 60
	dokku nginx:set web access-log-path off
	dokku nginx:report web --nginx-last-visited-at
	assert_success ""
	dokku nginx:report --global --nginx-last-visited-at
	assert_status 2
}

@test "nginx:set --global: what nginx refuses for an app is not stored" {
	deployed aaa ccc web
	dokku nginx:set --global x-forwarded-for-value BAD
	assert_refused 'nginx:set: nginx refuses BAD for x-forwarded-for-value:' \
		'the config for aaa does not pass its test: unknown directive "BAD" in x:1;' \
		'nothing was changed'
	dokku nginx:report --global --nginx-x-forwarded-for-value
	assert_success ""
	dokku nginx:set --global x-forwarded-for-value good
	assert_success "-----> --global: x-forwarded-for-value is now good;" \
		"dokku proxy:build-config --all applies it"
	: >"$CALLS"
	dokku nginx:set --global x-forwarded-for-value BAD
	assert_status 1
	assert_file "$DOKKU_LIB_ROOT/config/nginx-vhosts/--global/x-forwarded-for-value" good
	run ! grep -q BAD "$TREE/aaa.conf" "$TREE/web.conf"
}

@test "nginx:set --global: asked for the first app, and those with settings or lines of their own" {
	deployed aaa bbb ccc ddd
	make_app eee
	code "" 'for app in bbb eee; do property_set nginx-vhosts "$app" send-timeout 7s; done'
	mkdir "$DOKKU_ROOT/ddd/nginx.conf.d"
	printf 'gzip on;\n' >"$DOKKU_ROOT/ddd/nginx.conf.d/mine.conf"
	dokku nginx:set --global client-max-body-size 5m
	assert_success "-----> --global: client-max-body-size is now 5m;" \
		"dokku proxy:build-config --all applies it"
	assert_equal "aaa bbb ddd" \
		"$(sed -n 's,^unshare .*/\([a-z]*\)\.conf$,\1,p' "$CALLS" | paste -sd ' ')"
	assert_equal 0 "$(reloads)"
}

@test "nginx:set: an address to be bound to is taken from other apps, which is said" {
	dokku nginx:set web bind-address-ipv4 10.0.0.5
	assert_status 0
	assert_error " !     visitors who come to 10.0.0.5 no longer reach apps that are not" \
		"bound to it: nginx chooses by address before it chooses by host name:" \
		"dokku nginx:set web bind-address-ipv4 takes it back"
	dokku nginx:set --global bind-address-ipv6 ::1
	assert_status 0
	assert_error_like " !     visitors who come to ::1 no longer reach apps *"
	local value
	for value in 0.0.0.0 ''; do
		dokku nginx:set web bind-address-ipv4 "$value"
		assert_status 0
		assert_error ""
	done
}

@test "proxy:build-config --all: goes on after an app that fails" {
	deployed aaa bbb
	code "" \
		'property_set nginx-vhosts aaa x-forwarded-for-value BAD
			property_set nginx-vhosts bbb send-timeout 7s'
	dokku proxy:build-config --all
	assert_status 1
	assert_error_like '*
 !     aaa: nginx keeps the config that it had
 !     proxy:build-config: the proxy is as it was for aaa: see above; the others are up to date'
	grep -q 'send_timeout 7s' "$TREE/bbb.conf"
	code "" 'property_set nginx-vhosts bbb send-timeout 8s'
	dokku proxy:build-config --all --parallel 2
	assert_status 1
	assert_error_like '*the proxy is as it was for aaa: see above; the others are up to date'
	grep -q 'send_timeout 8s' "$TREE/bbb.conf"
	dokku proxy:disable --all --parallel -1
	assert_status 0
	[[ $output == *"aaa: no visitor is brought"* && $output == *"bbb: no visitor is brought"* ]]
	assert_absent "$TREE/bbb.conf"
	dokku proxy:enable --all --parallel 0
	assert_refused '--parallel wants a number from 1 to 100, or -1, not "0"; nothing was done' 2
}

# --- the receipt ------------------------------------------------------------------------

@test "pre-deploy and post-retire: what was answered 5xx in between, and only that" {
	local log="$BATS_TEST_TMPDIR/access.log" dir="$DOKKU_LIB_ROOT/data/releases/shop/1"
	make_app shop
	make_release shop 1
	make_current shop 1
	line() {
		printf '1.2.3.4 - ann [%s +0000] "GET %s HTTP/1.1" %s 12 "-" "x"\n' \
			"${3:-01/Feb/2026:09:59:59}" "$2" "$1" >>"$log"
	}
	line 503 /before
	mkdir -p "$DOKKU_LIB_ROOT/config/nginx-vhosts/shop"
	printf '%s\n' "$log" >"$DOKKU_LIB_ROOT/config/nginx-vhosts/shop/access-log-path"
	DOKKU_RELEASE=1 got "$PLUGIN_CORE_AVAILABLE_PATH/nginx/pre-deploy" shop image
	assert_success ""
	line 200 '/ 500 1'
	line 502 /
	printf '2026-02-01T10:00:00+00:00\n' >"$dir/committed"
	line 504 / 01/Feb/2026:10:00:00
	line 504 / 02/Jan/2027:00:00:00
	line 503 / 31/Jan/2026:23:59:59
	# Others, that prune, come after it: a full disk does not stop them.
	fake_write <<<'exit 1'
	got "$PLUGIN_CORE_AVAILABLE_PATH/nginx/post-retire" shop
	assert_success ""
	assert_absent "$dir/errors"
	fake_write </dev/null
	got "$PLUGIN_CORE_AVAILABLE_PATH/nginx/post-retire" shop
	assert_success ""
	assert_file "$dir/errors" "4
2"
	line 502 /late
	got "$PLUGIN_CORE_AVAILABLE_PATH/nginx/post-retire" shop
	assert_file "$dir/errors" "4
2"
}

@test "post-retire: of deploys that overlap each has what was answered while it was the newest" {
	local log="$BATS_TEST_TMPDIR/access.log" dir="$DOKKU_LIB_ROOT/data/releases/shop" \
		drains="$DOKKU_LIB_ROOT/data/draining/shop"
	make_app shop
	make_release shop 1
	make_release shop 2
	line() { printf '1.2.3.4 - - [1/Jan/2026] "GET / HTTP/1.1" %s 12 "-" "x"\n' "$1" >>"$log"; }
	mkdir -p "$DOKKU_LIB_ROOT/config/nginx-vhosts/shop" "$drains"
	printf '%s\n' "$log" >"$DOKKU_LIB_ROOT/config/nginx-vhosts/shop/access-log-path"
	: >"$log"
	: >"$drains/log"
	DOKKU_RELEASE=1 got "$PLUGIN_CORE_AVAILABLE_PATH/nginx/pre-deploy" shop image
	line 502
	DOKKU_RELEASE=2 got "$PLUGIN_CORE_AVAILABLE_PATH/nginx/pre-deploy" shop image
	line 503
	line 503
	make_current shop 2
	# What v2 replaced still drains.
	: >"$drains/0123"
	got "$PLUGIN_CORE_AVAILABLE_PATH/nginx/post-retire" shop
	assert_success ""
	assert_equal 1 "$(head -n 1 "$dir/1/errors")"
	assert_absent "$dir/2/errors"
	line 504
	rm "$drains/0123"
	got "$PLUGIN_CORE_AVAILABLE_PATH/nginx/post-retire" shop
	assert_equal 1 "$(head -n 1 "$dir/1/errors")"
	assert_equal 3 "$(head -n 1 "$dir/2/errors")"
}

# installs - runs the install hook. stdin is the config of nginx, each file after a line "#
# configuration file PATH:".
installs() {
	cat >"$BATS_TEST_TMPDIR/others"
	mkdir -p "$TEST_HOST"/etc/nginx/{conf.d,sites-enabled}
	install_as_root
	got "$PLUGIN_PATH/nginx/install"
}

@test "install: which servers are the default, and which have an address for themselves, as nginx reads it" {
	[[ $EUID -eq 0 ]] || skip "as root only"
	apply "$FACTS"
	installs <<-OTHERS
		# configuration file /etc/nginx/nginx.conf:
		http { server { listen 80 default_server; listen *:443 ssl # default_server
		; } }
		# configuration file /etc/nginx/sites-enabled/b:
		server { listen
			[::]:443 ssl
			default; root "/a; listen 80 default_server;"; # listen 80 default_server;
		}
		server{listen 0.0.0.0:8080 default_server;}server{listen unix:/run/x default_server;listen 80;listen 127.0.0.1:80 default_server;listen [::1]:80;}
		# configuration file /etc/nginx/sites-enabled/c:
		server { listen 10.0.0.1; listen 10.0.0.2:443 ssl; listen [2001:db8::1]:80; listen [2001:db8::2]; listen 10.0.0.3:81; }
		# configuration file $TREE/web.conf:
		server { listen 80 default_server; }
	OTHERS
	assert_status 0
	assert_equal "       nginx: /etc/nginx/nginx.conf has the default server of 80. Host names that no app has go there.
       nginx: /etc/nginx/sites-enabled/b has the default server of [::]:443. Host names that no app has go there.
       nginx: /etc/nginx/sites-enabled/c has 10.0.0.1 for itself, so no app answers there. For apps to answer at that address, let it listen on 80 instead.
       nginx: /etc/nginx/sites-enabled/c has 10.0.0.2:443 for itself, so no app answers there. For apps to answer at that address, let it listen on 443 instead.
       nginx: /etc/nginx/sites-enabled/c has [2001:db8::1]:80 for itself, so no app answers there. For apps to answer at that address, let it listen on 80 instead.
       nginx: /etc/nginx/sites-enabled/c has [2001:db8::2] for itself, so no app answers there. For apps to answer at that address, let it listen on 80 instead." "$output"
	[[ $(<"$TEST_HOST/etc/nginx/conf.d/00-dokku.conf") != *default_server\;* ]]
}

@test "install: an nginx that does not take our files has those from before; one that does not read them is said so" {
	local conf="$TEST_HOST/etc/nginx/conf.d"
	[[ $EUID -eq 0 ]] || skip "as root only"
	apply "$FACTS"
	mkdir -p "$conf"
	printf '# old\n' | tee "$conf/dokku.conf" >"$TEST_HOST/etc/nginx/dokku-preview.conf"
	printf '#!%s\n[[ $* != -T ]] || exit 0\n[[ $* != -t || ! -e %q ]] || { echo "nginx: [emerg] \\"map_hash\\" directive is duplicate in x:1" >&2; exit 1; }\n[[ $* != -v ]] || echo nginx version: nginx/1.22.1 >&2\n' \
		"$INTERPRETER" "$conf/00-dokku.conf" >"$BIN/nginx"
	installs </dev/null
	assert_status 1
	assert_error ' !     nginx refuses our include: "map_hash" directive is duplicate in x:1'
	assert_file "$conf/dokku.conf" "# old"
	assert_file "$TEST_HOST/etc/nginx/dokku-preview.conf" "# old"
	# The disk has no room to keep the second one.
	fake cp <<<'[[ $* != *preview* ]] || exit 1; exec /bin/cp "$@"'
	installs </dev/null
	assert_status 1
	assert_file "$conf/dokku.conf" "# old"
	assert_file "$TEST_HOST/etc/nginx/dokku-preview.conf" "# old"
	assert_equal "" "$(find "$TEST_HOST/etc/nginx" -name '.dokku-kept*')"
	rm "$BIN/cp"
	assert_absent "$conf/00-dokku.conf"
	sed -i 's/^\[\[ .* != -t .*//' "$BIN/nginx"
	installs </dev/null
	assert_status 1
	assert_error " !     nginx refuses our include: nginx.conf does not read it:" \
		"it must include $conf/*.conf in its http block"
	assert_file "$conf/dokku.conf" "# old"
}

@test "install: an nginx whose master dokku would not find is refused, with what to change" {
	[[ $EUID -eq 0 ]] || skip "as root only"
	apply "$FACTS"
	installs <<-'OTHERS'
		# configuration file /etc/nginx/nginx.conf:
		user www-data; pid /var/run/nginx/own.pid;
	OTHERS
	assert_status 1
	assert_error ' !     nginx refuses our include: nginx.conf says "pid /var/run/nginx/own.pid", and dokku finds nginx by '"$TEST_HOST/run/nginx.pid: write that there"
	installs <<-'OTHERS'
		# configuration file /etc/nginx/nginx.conf:
		# pid /x;
		daemon
		off;
	OTHERS
	assert_status 1
	assert_error ' !     nginx refuses our include: nginx.conf says "daemon off",' \
		'with which no start of nginx ends: remove that'
	assert_absent "$TEST_HOST/etc/nginx/conf.d/00-dokku.conf"
	installs <<-'OTHERS'
		# configuration file /etc/nginx/sites-enabled/own:
		server { listen [::]:443 default_server ssl ipv6only=off; }
	OTHERS
	assert_status 1
	assert_error ' !     nginx refuses our include: /etc/nginx/sites-enabled/own has "listen' \
		'[::]:443 default_server ssl ipv6only=off", which takes the port of IPv4, too:' \
		'write two lines there, "listen 443" and "listen [::]:443", without ipv6only'
	installs <<-OTHERS
		# configuration file /etc/nginx/nginx.conf:
		server { listen [::]:8080 ipv6only=off; listen [::]:80 ipv6only=on; }
		pid  "$TEST_HOST/run/nginx.pid"; daemon on;
	OTHERS
	assert_status 0
}

@test "install: nginx's connections are raised where somebody has removed a file of ours, without which nginx tells nothing" {
	[[ $EUID -eq 0 ]] || skip "as root only"
	local conf=$TEST_HOST/etc/nginx/nginx.conf
	fake systemctl </dev/null
	printf '%s\n' "$STOCK" >"$conf"
	rm -f "$TEST_HOST/etc/nginx/dokku-headers.conf"
	fake nginx <<<'etc=$TEST_HOST/etc/nginx
		case $* in
		-v) echo "nginx version: nginx/1.22.1" >&2 ;;
		-T)
			[[ -e $etc/dokku-headers.conf ]] || exit 1
			printf "# configuration file %s:\n" "$etc/nginx.conf"
			cat "$etc/nginx.conf"
			printf "# configuration file %s:\n" "$etc/conf.d/dokku.conf"
			;;
		*reload*) printf "%52s" "" | cat - <(sed -n "s/.*return 200 \"\(.*\)\";/\1/p" \
			"$etc/dokku"/*generation.conf 2>/dev/null) >"$TEST_HOST/answer" ;;
		esac'
	installs </dev/null
	assert_status 0
	assert_error ""
	assert_file "$conf" "${STOCK/768;/8192; # dokku: was 768}"
}

@test "install: another program on a port of the visitors is named, before anything is changed" {
	local file="$BATS_TEST_TMPDIR/listening.sport = :443"
	printf 'LISTEN 0 511 *:443 *:* users:(("apache2",pid=7,fd=4),("apache2",pid=8,fd=4))\n' \
		>"$file"
	got "$PLUGIN_PATH/nginx/install"
	assert_refused "Port 443 is taken by apache2 (process 7), so nginx cannot serve apps." \
		"Stop it, or let it listen elsewhere, then run make install again:" \
		"ss -ltnp 'sport = :443' shows it."
	printf 'LISTEN 0 511 *:443 *:*\n' >"$file"
	got "$PLUGIN_PATH/nginx/install"
	assert_refused "Port 443 is taken by another program, so nginx cannot serve apps." \
		"Stop it, or let it listen elsewhere, then run make install again:" \
		"ss -ltnp 'sport = :443' shows it."
	[[ ! -e $TREE/_generation.conf ]]
	printf 'LISTEN 0 511 *:443 *:* users:(("nginx",pid=7,fd=4))\n' >"$file"
	got "$PLUGIN_PATH/nginx/install"
	[[ $stderr != *"is taken"* ]]
}

# --- nginx does not run ---------------------------------------------------------------------

@test "pre-change: while nobody takes connections, what brings a release live is refused, and nothing else" {
	local what
	rm "$TEST_HOST/answer"
	mkdir "$TEST_HOST/answer"
	for what in 'git push 0123456' ps:restart ps:rebuild 'releases:rollback v2'; do
		code "" "trigger pre-change shop '$what'"
		assert_refused "shop: nginx does not run, so no app can be reached;" \
			"nothing was changed. Start it with: sudo nginx"
	done
	for what in apps:destroy ps:stop domains:add nginx:set certs:add proxy:build-config; do
		code "" "trigger pre-change shop '$what'"
		assert_success ""
	done
	mkdir -p "$TEST_HOST/run/systemd/system"
	got "$PLUGIN_CORE_AVAILABLE_PATH/nginx/pre-change" shop 'git push 0123456'
	assert_refused "shop: nginx does not run, so no app can be reached; nothing was changed." \
		"Start it with: sudo systemctl start nginx"
}

@test "pre-change: workers without their master still take connections" {
	rm "$TEST_HOST/run/nginx.pid"
	got "$PLUGIN_CORE_AVAILABLE_PATH/nginx/pre-change" shop 'git push 0123456'
	assert_success ""
}

@test "a file of passwords that the app's own lines name is copied to where the workers read it" {
	local tree="$TEST_HOST/etc/nginx/dokku"
	deployed web
	mkdir "$DOKKU_ROOT/web/nginx.conf.d"
	printf 'auth_basic "x";\n\tauth_basic_user_file %s/web/htpasswd;\n' "$DOKKU_ROOT" \
		>"$DOKKU_ROOT/web/nginx.conf.d/http-auth.conf"
	printf 'ann:hash\n' >"$DOKKU_ROOT/web/htpasswd"
	build
	assert_success ""
	assert_file "$tree/web.users/htpasswd" ann:hash
	assert_mode "$tree/web.users/htpasswd" 640
	[[ $(cat "$tree"/web.d/*/custom/http-auth.conf) == *"auth_basic_user_file $tree/web.users/htpasswd;" ]]
	printf 'bob:hash\n' >"$DOKKU_ROOT/web/htpasswd"
	dokku proxy:build-config web
	assert_success ""
	assert_file "$tree/web.users/htpasswd" bob:hash
	got "$PLUGIN_PATH/proxy/post-delete" web
	assert_absent "$tree/web.users"
}

@test "a file of passwords is for the group of nginx's workers, whatever that is" {
	[[ $EUID -eq 0 ]] || skip "as root only"
	local users="$TEST_HOST/etc/nginx/dokku/web.users"
	printf 'user nobody games;\n' >"$TEST_HOST/etc/nginx/nginx.conf"
	mkdir -p "$DOKKU_ROOT/web/nginx.conf.d"
	printf 'auth_basic_user_file %s/web/htpasswd;\n' "$DOKKU_ROOT" \
		>"$DOKKU_ROOT/web/nginx.conf.d/http-auth.conf"
	printf 'ann:hash\n' >"$DOKKU_ROOT/web/htpasswd"
	deployed web
	assert_equal "games 640" "$(stat --format '%G %a' "$users/htpasswd")"
	printf 'worker_processes 1;\n' >"$TEST_HOST/etc/nginx/nginx.conf"
	dokku proxy:build-config web
	assert_equal "www-data 640" "$(stat --format '%G %a' "$users/htpasswd")"
}

@test "no app gets the token of previews, whatever its own lines pass on to it" {
	local custom servers="$WORLD/servers" clear='proxy_set_header X-Dokku-Preview "";'
	installs </dev/null
	grep -qxF "$clear" "$TEST_HOST/etc/nginx/conf.d/dokku.conf"
	mkdir -p "$DOKKU_ROOT/web/nginx.conf.d"
	# nginx takes a list of a block in place of that around it.
	cat >"$DOKKU_ROOT/web/nginx.conf.d/own.conf" <<-'LINES'
		location /a { proxy_set_header Host x; proxy_pass http://a;}
		# proxy_set_header Host y;
		location /b {
			proxy_set_header
				Host z;
			set $my_proxy_set_header "proxy_set_header x";
		}
	LINES
	printf 'server { server_name b.example.com; location / {proxy_set_header A b;} }\n' \
		>"$servers"
	hook redirect nginx-pre-reload <<-BODY
		cat "$servers" "$DOKKU_ROOT/\$1/nginx.conf" >"$WORLD/new"
		cat "$WORLD/new" >"$DOKKU_ROOT/\$1/nginx.conf"
	BODY
	deployed web
	custom=("$TEST_HOST"/etc/nginx/dokku/web.d/*/custom/own.conf)
	assert_file "${custom[0]}" "location /a {$clear  proxy_set_header Host x; proxy_pass http://a;}
# proxy_set_header Host y;
location /b {
$clear proxy_set_header
Host z;
set \$my_proxy_set_header \"proxy_set_header x\";
}"
	grep -qF "{$clear proxy_set_header A b;} }" "$TEST_HOST/etc/nginx/dokku/web.conf"
}

@test "our requests to a release without visitors pass by the administrator's cache" {
	local file="$TEST_HOST/etc/nginx/dokku/web.conf" uncached
	# shellcheck disable=SC2016 # nginx's variable
	uncached=$(printf '\tproxy_%s $dokku_preview;\n' cache_bypass no_cache)
	apply "$FACTS"$'\npreview 10.86.0.2 81'
	assert_status 0
	[[ $(<"$file") != *proxy_no_cache* ]]
	mkdir -p "$DOKKU_ROOT/web/nginx.conf.d"
	# shellcheck disable=SC2016 # nginx's variable
	printf 'proxy_no_cache $cookie_session;\n' >"$DOKKU_ROOT/web/nginx.conf.d/cache.conf"
	apply "$FACTS"$'\npreview 10.86.0.2 81'
	assert_status 0
	[[ $(<"$file") == *"$uncached"* ]]
	installs </dev/null
	[[ $(<"$TEST_HOST/etc/nginx/conf.d/dokku.conf") == *"${uncached//$'\t'/}"* ]]
}

@test "a plugin adds servers in front of the app's nginx.conf, and takes them back" {
	local file="$TEST_HOST/etc/nginx/dokku/web.conf" servers="$WORLD/servers"
	printf 'server { listen 80; server_name old.example.com; include %s/web/nginx.conf.d/*.conf; }\n' "$DOKKU_ROOT" >"$servers"
	hook redirect nginx-pre-reload <<-BODY
		[[ -f "$servers" ]] || exit 0
		{ cat "$servers" && cat "$DOKKU_ROOT/\$1/nginx.conf"; } >"$WORLD/new"
		cat "$WORLD/new" >"$DOKKU_ROOT/\$1/nginx.conf"
	BODY
	deployed web
	[[ $(tail -n 1 "$file") == "server { listen 80; server_name old.example.com; include $TEST_HOST/etc/nginx/dokku/web.d/"*/custom/\*.conf\;\ \} ]] || differ tail "" "$(tail -n 1 "$file")"
	[[ $(readlink "$DOKKU_ROOT/web/nginx.conf") == *nginx/dokku/web.conf ]]
	rm "$servers"
	dokku proxy:build-config web
	assert_success ""
	run -1 grep -q old.example.com "$file"
	assert_absent "$DOKKU_ROOT/web/nginx.servers"
}

@test "nginx:stop, nginx:start: only where there is something to do, and no config that fails its test" {
	dokku nginx:start
	assert_success "-----> nginx runs"
	assert_equal 0 "$(reloads)"
	dokku nginx:stop
	assert_success "-----> nginx is stopped, and no visitor reaches any app:" \
		"dokku nginx:start starts it"
	grep -qx 'nginx -s quit' "$CALLS"
	rm "$TEST_HOST/run/nginx.pid"
	: >"$CALLS"
	dokku nginx:stop
	assert_status 0
	assert_equal 0 "$(grep -c quit "$CALLS")"
	dokku nginx:start
	assert_success "-----> nginx runs"
	grep -qx nginx "$CALLS"
	printf 'BAD\n' >"$BATS_TEST_TMPDIR/bad"
	CANDIDATE=$BATS_TEST_TMPDIR/bad dokku nginx:start
	assert_status 1
}

@test "nginx:reload: nginx reads its config again, unless that does not pass its test" {
	deployed
	build
	: >"$CALLS"
	dokku nginx:reload
	assert_success "-----> nginx runs the config that is on the disk"
	assert_equal 1 "$(reloads)"
	printf 'BAD\n' >"$BATS_TEST_TMPDIR/bad"
	CANDIDATE=$BATS_TEST_TMPDIR/bad dokku nginx:reload
	assert_status 1
	assert_error_like ' !     nginx: it keeps the config that it runs, because the config on the disk does not pass its test: unknown directive "BAD" in x:1'*
	assert_equal 1 "$(reloads)"
}

@test "nginx:validate-config: tests the disk and what an app would get, and changes nothing" {
	deployed web blog
	dokku nginx:validate-config
	assert_success ""
	assert_equal 0 "$(grep -c unshare "$CALLS")" "both have what they are made of"
	dokku nginx:validate-config web
	assert_success ""
	assert_equal 1 "$(grep -c unshare "$CALLS")"
	mkdir "$DOKKU_ROOT/web/nginx.conf.d"
	printf 'BAD;\n' >"$DOKKU_ROOT/web/nginx.conf.d/own.conf"
	cp "$TREE/web.conf" "$WORLD/before"
	# The fake nginx looks for BAD in the file that it is given.
	fake unshare <<<'CANDIDATE=$(dirname "$7")/custom/own.conf exec nginx -t -q'
	for app in web ""; do
		dokku nginx:validate-config ${app:+"$app"}
		assert_status 1
		assert_error " !     nginx: the config for web does not pass its test:" \
			'unknown directive "BAD" in x:1'
	done
	dokku nginx:validate-config blog
	assert_success ""
	cmp "$WORLD/before" "$TREE/web.conf"
	assert_equal 0 "$(reloads)"
}

@test "nginx:validate-config --clean: makes a file again that somebody has written into" {
	deployed web
	cp "$TREE/web.conf" "$WORLD/before"
	printf 'BAD\n' >"$DOKKU_ROOT/web/nginx.conf"
	export CANDIDATE="$TREE/web.conf"
	dokku nginx:validate-config
	assert_status 1
	assert_error " !     nginx: the config on the disk does not pass its test:" \
		'unknown directive "BAD" in x:1'
	dokku nginx:validate-config --clean web
	assert_success ""
	cmp "$WORLD/before" "$TREE/web.conf"
	dokku nginx:validate-config
	assert_success ""
}
