#!/usr/bin/env bats
# nginx.conf.sigil: the template of an app's own nginx config. What is filled in, what root takes of
# it, and that nobody gets more by it than what the app has. nginx is a fake.

load ../helper

setup() {
	world
	made_plugins nginx proxy
	TREE="$TEST_HOST/etc/nginx/dokku"
	make_app web
	fake nginx <<-'BODY'
		case $* in
		-v) printf 'nginx version: nginx/%s\n' "${NGINX_VERSION:-1.22.1}" >&2 ;;
		-T) cat "$BATS_TEST_TMPDIR/sites" 2>/dev/null || true ;;
		*-t*)
			cat "$BATS_TEST_TMPDIR/warnings" >&2 2>/dev/null || true
			! grep -qs BAD "${CANDIDATE:-/dev/null}" || {
				printf 'nginx: [emerg] unknown directive "BAD" in x:1\n' >&2
				exit 1
			}
			;;
		*reload* | '')
			{
				printf '%52s' ''
				sed -n 's/.*return 200 "\(.*\)";/\1/p' \
					"$TEST_HOST"/etc/nginx/dokku/*generation.conf
			} >"$TEST_HOST/answer"
			;;
		esac
	BODY
	fake unshare <<<'CANDIDATE=$7 exec nginx -t -q'
	: >"$TEST_HOST/answer"
	hook fake app-domains <<<'printf "%s.example.com\n" "$1"'
	hook fake service-address <<<'if [[ $2 == web ]]
		then printf "10.86.0.2 80\n10.86.0.3 80\n"; else printf "10.86.0.2 81\n"; fi'
	cp "$(type -P sleep)" "$BATS_TEST_TMPDIR/nginx"
	"$BATS_TEST_TMPDIR/nginx" 300 3>&- &
	NGINX=$!
	printf '%s\n' "$NGINX" >"$TEST_HOST/run/nginx.pid"
	make_release web 1
}

teardown() { kill "$NGINX" ${REAL:+"$REAL"} 2>/dev/null || true; }

apply() { got "$PLUGIN_CORE_AVAILABLE_PATH/nginx/root/apply" <<<"$1"; }

readonly FACTS="app web
domain web.example.com
listen http 80
listen https 443
upstream 10.86.0.2 80
preview 10.86.0.2 81
template 1 5000"

# filled - stdin is the filled-in template of release 1.
filled() { cat >"$DOKKU_LIB_ROOT/data/releases/web/1/proxy-filled"; }

# template - stdin is the template of release 1.
template() { cat >"$DOKKU_LIB_ROOT/data/releases/web/1/proxy-template"; }

# rendered - prints the app's servers.
rendered() {
	sed -n -e 's,/[^ ]*/web\.d/[0-9a-f]*,DIR,' -e "s,$TEST_HOST,," \
		-e 's/(\*LIMIT_MATCH=10000)(\*LIMIT_RECURSION=10000)/LIMITED/' -e '/^server/,$p' \
		"$TREE/web.conf"
}

@test "apply: each server of a template leads to the app's containers, the preview and the maintenance" {
	filled <<-'CONF'
		server {
		  listen      [::]:80;
		  listen      80;
		  server_name web.example.com WEB.example.com extra.example.com;
		  location    / {
		    proxy_pass  http://web-5000;
		    proxy_set_header Host $http_host; proxy_set_header X-A "a;b {c}";
		  }
		  location ~ "^/a{2}\"\.x$" { return 200 'it''s'; }
		  # a comment; with { signs "
		  location /b { rewrite ^/b/(.*)$ /${scheme}/$1 last; }
		  include "/home/dokku/web/nginx.conf.d/*.conf";
		}
		upstream web-5000 {
		  keepalive 8;
		  server 10.86.0.2:5000;
		}
	CONF
	sed -i "s,/home/dokku,$DOKKU_ROOT," "$DOKKU_LIB_ROOT/data/releases/web/1/proxy-filled"
	sed -i "s/'it''s'/'its'/" "$DOKKU_LIB_ROOT/data/releases/web/1/proxy-filled"
	mkdir "$DOKKU_ROOT/web/nginx.conf.d"
	printf 'gzip on;\n' >"$DOKKU_ROOT/web/nginx.conf.d/mine.conf"
	apply "$FACTS"
	assert_success ""
	assert_equal 'server {
	root /dev/null;
	set $dokku_upstream dokku-web;
	open_file_cache off;
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
	}
	add_header Set-Cookie $dokku_cookie;
	access_log /log/dokku-canary.log dokku_canary if=$dokku_canary;
	if ($dokku_preview) {
		set $dokku_upstream dokku-web_preview;
		set $dokku_canary "";
		set $dokku_cookie "";
	}
	proxy_set_header X-Dokku-Preview "";
	proxy_next_upstream error;
	proxy_next_upstream_tries 3;
	location ^~ /.well-known/acme-challenge/ {
		if ($uri ~ "/[.][.]") {
			return 404;
		}
		root /var/lib/dokku/acme;
		default_type text/plain;
	}
	error_page 502 = @dokku_unavailable;
	include /etc/nginx/dokku-unavailable.conf;
	listen 80;
	server_name web.example.com extra.example.com;
	# no domains: extra.example.com
	location / {
		proxy_pass http://$dokku_upstream;
		proxy_set_header X-Dokku-Preview "";
		proxy_set_header Host $http_host;
		proxy_set_header X-A "a;b {c}";
	}
	location ~ "LIMITED^/a{2}\"\.x$" {
		return 200 '\''its'\'';
	}
	location /b {
		rewrite LIMITED^/b/(.*)$ /${scheme}/$1 last;
	}
	include DIR/custom/*.conf;
	set $dokku_folder /var/lib/dokku/maintenance/web;
	include /etc/nginx/dokku-maintenance.conf;
}' "$(rendered)"
	# The upstream is that of the app, whose connections are not kept.
	grep -qx 'upstream dokku-web {' "$TREE/web.conf"
	assert_equal 0 "$(grep -c 'web-5000\|keepalive' "$TREE/web.conf")"
	assert_equal "gzip on;" "$(cat "$TREE"/web.d/*/custom/mine.conf)"
	# Without the fact it is the config that all apps have.
	apply "${FACTS%$'\n'*}"
	assert_success ""
	assert_equal 0 "$(grep -c extra "$TREE/web.conf")"
}

@test "apply: a template has no directive by which an app would get more than its own" {
	local before directive
	filled <<<'server { listen 80; }'
	apply "$FACTS"
	before=$(<"$TREE/web.conf")
	is_refused() {
		filled <<<"server { listen 80;"$'\n'"$1 }"
		: >"$CALLS"
		apply "$FACTS"
		assert_status 1 && assert_output "" && assert_file "$TREE/web.conf" "$before" &&
			assert_error_like ' !     nginx: Custom nginx.conf.sigil was refused: in line*' &&
			[[ $stderr != *$'\n'* && $stderr != *$'\e'* && $(<"$CALLS") != *reload* ]]
	}
	each is_refused <<-'LINES'
		root /etc;
		root "/etc";
		alias /etc/;
		try_files /etc/passwd =404;
		include /etc/passwd;
		include /home/dokku/other/nginx.conf.d/*.conf;
		access_log /etc/cron.d/x;
		access_log /var/log/nginx/other-access.log;
		access_log /var/log/nginx/web-access.log "$uri";
		error_log /root/.ssh/authorized_keys debug;
		proxy_pass http://127.0.0.1:22;
		proxy_pass http://10.86.0.9:80;
		proxy_pass http://dokku-other;
		proxy_pass http://web-5000/;
		proxy_pass http://$host;
		fastcgi_pass unix:/var/run/docker.sock;
		proxy_store on;
		proxy_temp_path /etc;
		client_body_temp_path /etc;
		auth_basic_user_file /etc/shadow;
		ssl_certificate /home/dokku/other/tls/server.crt;
		ssl_certificate_key /etc/ssl/key;
		ssl_client_certificate /etc/passwd;
		listen 8080;
		listen 22;
		listen 10.0.0.1:80;
		listen 127.86.0.1:80;
		listen unix:/run/x;
		listen 80 default_server;
		listen 80 ssl;
		listen 80 http2 ssl;
		listen 443 proxy_protocol;
		server_name *.com;
		server_name ~^.*$;
		server_name other..com;
		server_name default.dokku.invalid;
		set $dokku_upstream dokku-other;
		set $dokku_folder /etc;
		set $a ${dokku_preview};
		if ($http_host ~ "(?<dokku_upstream>.*)") { return 200; }
		location ~ "^/(?P<Dokku_Folder>.+)" { return 200; }
		rewrite "^/(?'dokku_preview'.*)$" /;
		error_page 404 @dokku_file;
		return 200 $http_x_dokku_preview;
		add_header A "$HTTP_x_Dokku_preview";
		if (-f /etc/passwd) { return 200; }
		if (!-e /etc/passwd) { return 200; }
		location / { alias /etc/; }
		location /a { if ($a) { root /etc; } }
		server { listen 80; }
		map $a $b { default 1; }
		types { }
		limit_except GET { deny all; }
		lua_code_cache off;
		perl_set $a 'sub { }';
		env A;
		load_module x.so;
		user root;
		gzip on
		;
		{
		"a"b;
		return 200 "a
		return 200 \e[31m\001;
		} upstream other { server 10.86.0.9:80;
		} events { worker_connections 1;
		} } server {
		} return 200; server {
		} map $a $dokku_preview { default 1;
		location / { return 200;
	LINES
	filled < <(printf 'server { listen 80; set $do\0kku_upstream x; }\n')
	apply "$FACTS"
	assert_status 1
	assert_error " !     nginx: Custom nginx.conf.sigil was refused: it has a NUL byte"
	# What is a comment, or a part of a word, for nginx, is one here, too.
	for directive in '# root /etc;' 'return 200 a#b;' 'return 200 a"b;' 'return 200 "#;{}";' \
		"return 200 '\\' root /etc;';" 'return 200 a\;b;' 'location /a}b { }' \
		'if ($a = "(b") { return 200; }' 'location ~ ^/a{1,2}b { }'; do
		filled <<<"server { listen 80;"$'\n'"$directive"$'\n'"}"
		apply "$FACTS"
		[[ $directive == *'{1,2}'* || $status -eq 0 ]] || {
			printf '%s: %s\n' "$directive" "$stderr"
			return 1
		}
	done
}

@test "apply: a template gets no visitors of a server of the administrator, at any port" {
	local name site=/etc/nginx/sites-enabled/corp
	filled <<<'server { listen 80; server_name extra.example.com; }'
	has_site() {
		printf '# configuration file %s:\nserver { listen 443 ssl; server_name a.org %s; }\n' \
			"$site" "$1" >"$BATS_TEST_TMPDIR/sites"
		apply "$FACTS"
	}
	for name in extra.example.com '"*.example.com"' .example.com 'extra.*' EXTRA.example.com; do
		has_site "$name"
		assert_refused "nginx: web: its nginx.conf.sigil has a server for extra.example.com," \
			"which $site has"
		assert_absent "$TREE/web.conf"
	done
	for name in xtra.example.com '*.xample.com' 'ext.*' '_'; do
		has_site "$name"
		assert_success ""
	done
	# The app has the name now: what the administrator adds later takes nothing from it.
	has_site extra.example.com
	assert_success ""
}

@test "apply: a template does not use up nginx, nor change a variable of other apps" {
	local before location
	filled <<<'server { listen 80; }'
	apply "$FACTS"
	before=$(<"$TREE/web.conf")
	is_refused() {
		filled < <(printf 'server { listen 80;\n%b }\n' "${1//\\/\\\\}")
		apply "$FACTS"
		assert_status 1 && assert_output "" && assert_file "$TREE/web.conf" "$before" &&
			assert_error_like ' !     nginx: Custom nginx.conf.sigil was refused: in line*'
	}
	each is_refused <<-'LINES'
		location ~ "^/(?<http_upgrade>.*)" { return 200; }
		location ~ "^/(?P<http_accept>.*)" { return 200; }
		location ~ '^/(?\'http_upgrade\'.*)' { return 200; }
		if ($uri ~ (?<any>.*)) { return 200; }
		rewrite (?<any>.*) /x;
		set $http_x y;
		set $arg_x y;
		set $a $b$c;
		set $a "$b ${b}";
		set $a $1$2;
		set $args $args&$args;
		rewrite ^(.*)$ /$1$1 last;
		rewrite ^(((.*)))$ /$1$2 last;
		rewrite ^([)](.*)[(])$ /$1$2 last;
		rewrite ^\Q(\E((.*)) /$1$2 last;
		rewrite ^(.*)$ /$1$uri last;
		rewrite ^ $uri$uri last;
		rewrite ^ /x?$args last;
		rewrite ^ $a last;
		error_page 404 $uri$uri;
		error_page 404 /x$args;
		return 200 $a$b$c$d$e$f$g$h$i$j$k$l$m$n$o$p$q$r$s$t$u;
		proxy_buffers 100 1m;
		proxy_buffer_size 1g;
		proxy_buffer_size 4m;
		gzip_buffers 16 1m;
		error_log /var/log/nginx/web-error.log debug;
		error_log /var/log/nginx/web-error.log debug_http;
		proxy_busy_buffers_size 17m;
		client_body_buffer_size 100g;
		client_header_buffer_size 2m;
		large_client_header_buffers 32 64k;
		gzip_buffers 1000000 1m;
		proxy_max_temp_file_size 2g;
		proxy_buffer_size 1x;
		gzip_disable (a+)+$;
		gzip_disable msie6 (a+)+$;
		proxy_ignore_client_abort on;
		large_client_header_buffers 1 1m;
		client_header_buffer_size 128k;
		set $a $upstream_http_x;
		set $a $uri$uri;
		set $a $1$uri;
		set $args $a;
		set $args $args$uri;
		access_log /var/log/nginx/web-access.log combined buffer=9g;
	LINES
	filled <<<$'server { listen 80; return 200 "a\n\taccess_log /etc/passwd;\n"; }'
	apply "$FACTS"
	assert_error_like '*a value is on one line'
	# too_many TEXT COUNT - a server with the text, in which N is a number, so often is refused.
	too_many() {
		filled < <(
			printf 'server { listen 80;\n'
			seq "$2" | sed "s/.*/$(printf '%s' "$1" | sed 's/N/\&/')/"
			printf '}\n'
		)
		apply "$FACTS"
		assert_status 1 && assert_error_like '*in line*'"$3" || return
	}
	too_many 'location \/N { }' 700 'at most 600 blocks'
	too_many '} server {' 101 'at most 100 servers'
	too_many 'set $aN 1;' 201 'at most 200 variables'
	too_many 'server_name aN.example.com;' 51 'more than 50 names that are not domains of the app'
	too_many 'set $aN 1$a; rewrite ^N \/$uri$http_x;' 40 'more than 64 MB for a request*'
	too_many 'set $aN 1;' 199 'more than 64 MB for a request*'
	too_many 'add_header A$http_x $http_x;' 51 'at most 100 variables that can be long'
	too_many 'if ($a = $http_x) { }' 101 'at most 100 variables that can be long'
	too_many 'gzip on;' 3001 'at most 3000 directives'
	too_many 'location ~ ^N { }' 51 'at most 50 regular expressions'
	too_many 'location ~ ^a|N+ { }' 11 'more than 10 regular expressions do not begin with ^'
	filled < <(printf 'server { return 200 %0900000d; }\n' 0)
	apply "$FACTS"
	assert_error_like '*a word is too long'
	# What people write stays.
	takes() {
		filled <<<"server { listen 80;"$'\n'"$1 }"
		apply "$FACTS"
		assert_success ""
	}
	each takes <<-'LINES'
		rewrite ^/(.*)$ /index.php?q=$1 last;
		rewrite ^/([^/]+)/([0-9]+)$ /$2/$1 last;
		rewrite ^ https://$host$uri$is_args$args? permanent;
		rewrite ^ /x$uri break;
		set $to "$uri$is_args$args";
		set $cors "${cors}1";
		set $args "$args&x=1";
		set $key "$uri$arg_x";
		set $key "$http_cookie$request_uri$host";
		gzip_disable "msie6" "MSIE [1-6]\.";
		proxy_ignore_client_abort off;
		if ($host ~* ^www\.(.+)$) { return 301 $scheme://$1$request_uri; }
		location ~* \.(?:js|css)$ { expires 1y; }
		location ~ /(?!x)(?<=/)(?<!y)a { deny all; }
		proxy_buffers 8 128k;
		large_client_header_buffers 4 32k;
		client_body_buffer_size 10m;
		error_page 404 =301 https://example.com$request_uri;
		error_page 500 502 =503 /x.html;
		access_log /var/log/nginx/web-access.log combined if=$a;
	LINES
	# A regular expression gets a limit wherever one may stand.
	for location in 'location ~ ^/a { }' 'location ~*^/a { }' 'location "~^/a" { }' \
		'if ($uri !~* ^/a) { return 200; }' 'rewrite "^/a" /b;' 'proxy_redirect ~^/a /b;' \
		"proxy_cookie_path '~*^/a' /b;" 'if ($uri ~ "^/a") { return 200; }'; do
		takes "$location"
		rendered | grep -q 'LIMITED^/a' || {
			printf '%s\n' "$location"
			return 1
		}
	done
}

# The real nginx serves what apply has written.
@test "a path that rewrite of a template has made leads to no file of the host" {
	local nginx home=$BATS_TEST_TMPDIR/real up=/../../../../../../../../../.. path
	nginx=$(PATH=/usr/sbin:/sbin type -P nginx) || skip "there is no nginx"
	mkdir -p "$home"/{acme/.well-known/acme-challenge,maintenance/web/page}
	chmod -R a+rX "$BATS_TEST_TMPDIR"
	printf 'token\n' >"$home/acme/.well-known/acme-challenge/token"
	printf 'secret\n' | tee "$home/secret" "$home/secret.gz" >/dev/null
	printf 'page\n' >"$home/maintenance/web/page/style.css"
	filled <<-CONF
		server {
			listen 80;
			rewrite ^/page/(.*)$ $up$home/\$1;
			location /a/ { rewrite ^/a/(.*)$ $up$home/\$1 break; }
			location /b/ { gzip_static on; rewrite ^/b/(.*)$ $up$home/\$1 break; }
			location /c/ { rewrite ^/c/(.*)$ $up$home/\$1 last; }
			location /d/ { rewrite ^/d/(.*)$ /.well-known/acme\$http_y$up$home/\$1 last; }
			location /e/ { error_page 404 $up$home/secret; return 404; }
			location /f/ { rewrite ^ \$http_x break; }
		}
	CONF
	apply "$FACTS"
	assert_success ""
	real_nginx "$nginx"
	[[ $(ask /.well-known/acme-challenge/token) == token ]]
	for path in a b c d e f page; do
		[[ $(ask "/$path/secret") != *secret* ]] || {
			printf '/%s/secret is sent\n' "$path"
			return 1
		}
	done
	# In maintenance, too.
	: >"$home/maintenance/web/closed"
	[[ $(ask /style.css) == page ]]
	[[ $(ask /page/secret) != *secret* ]]
}

# real_nginx NGINX - runs NGINX with the app's config, at a socket in the folder home.
real_nginx() {
	{
		printf 'user root; daemon off; worker_processes 1;\n'
		printf 'pid %s; error_log %s;\n' "$home/pid" "$home/log"
		printf 'events { }\nhttp {\naccess_log off;\n'
		printf 'client_body_temp_path %s/b; proxy_temp_path %s/p;\n' "$home" "$home"
		printf 'fastcgi_temp_path %s/f; scgi_temp_path %s/s; uwsgi_temp_path %s/u;\n' \
			"$home" "$home" "$home"
		printf 'map "" $dokku_%s { default ""; }\n' bucket preview new_cookie answered \
			retry canary
		printf 'log_format dokku_canary x;\n'
		bash -c 'source "$PLUGIN_CORE_AVAILABLE_PATH/common/strict"
			source "$PLUGIN_CORE_AVAILABLE_PATH/nginx/lib/maintenance"
			maintenance_maps_text; maintenance_text >"$1"' bash "$home/maintenance.conf"
		sed -e "s,listen 80,listen unix:$home/socket," \
			-e "s,include [^ ]*-maintenance.conf,include $home/maintenance.conf," \
			-e "s,[^ ]*/var/lib/dokku/,$home/," \
			-e "s,access_log [^ ]*,access_log $home/access," \
			"$TREE/web.conf"
		printf '}\n'
	} >"$home/nginx.conf"
	"$1" -c "$home/nginx.conf" 2>"$home/errors" 3>&- &
	REAL=$!
	for _ in {1..100}; do
		[[ ! -S $home/socket ]] || return 0
		sleep 0.05
	done
	cat "$home/errors"
	return 1
}

# ask PATH - prints what that nginx answers.
ask() {
	curl --silent --max-time 5 --unix-socket "$home/socket" -H "X: $up$home/secret" \
		-H "Y: -challenge" "http://web$1"
}

@test "apply: a template with a certificate has the app's, and listens where the app may" {
	mkdir -p "$DOKKU_ROOT/web/tls"
	printf 'crt\n' >"$DOKKU_ROOT/web/tls/server.crt"
	printf 'key\n' >"$DOKKU_ROOT/web/tls/server.key"
	printf 'listen\n' >"$TEST_HOST/proc/net/if_inet6"
	filled <<-CONF
		server {
			listen [::]:443 ssl http2 ipv6only=on;
			listen 10.0.0.7:443 ssl;
			listen 0.0.0.0:80;
			ssl_certificate "$DOKKU_ROOT/web/tls/server.crt";
			ssl_certificate_key "$DOKKU_ROOT/web/tls/server.key";
			error_page 500 502 /502.html;
			location /.well-known/acme-challenge/ { return 404; }
			location /502.html { return 502 "down"; }
		}
	CONF
	apply "$FACTS"$'\ncertificate\nset bind-address-ipv4 10.0.0.7'
	assert_success ""
	assert_equal "listen [::]:443 ssl http2; listen 10.0.0.7:443 ssl; listen 0.0.0.0:80;" \
		"$(rendered | grep -o 'listen .*' | paste -sd ' ')"
	rendered | grep -qxF $'\tssl_certificate DIR/server.crt;'
	rendered | grep -qxF $'\tssl_certificate_key DIR/server.key;'
	# Its own page for 502 and its own challenge stay.
	assert_equal 0 "$(rendered | grep -c 'dokku_unavailable;\|dokku/acme')"
}

@test "apply: the error pages of Dokku's default template, which nginx may not read, are left out" {
	filled <<-'CONF'
		server {
			listen 80;
			error_page 500 502 /500-error.html;
			error_page 418 /tea.html;
			location /500-error.html {
				root /var/lib/dokku/data/nginx-vhosts/dokku-errors;
				internal;
			}
		}
	CONF
	apply "$FACTS"
	assert_success ""
	assert_equal "error_page 502 = @dokku_unavailable; error_page 418 /tea.html;" \
		"$(rendered | grep -o 'error_page .*' | paste -sd ' ')"
	assert_equal 0 "$(rendered | grep -c dokku-errors)"
}

@test "apply: http2 at a port without TLS would take it from all apps, and is left out" {
	filled <<<'server { listen 80 http2; listen 443 ssl http2; }'
	apply "$FACTS"
	assert_status 0
	assert_error " !     Deprecated: Usage of 'listen ... http2' within nginx.conf.sigil templates" \
		"is deprecated: at a port without TLS http2 is left out"
	assert_equal "listen 80; listen 443 ssl http2;" \
		"$(rendered | grep -o '^.listen .*;' | sed 's/^.//' | paste -sd ' ')"
}

@test "apply: what nginx refuses of a template is not kept, and other facts are none" {
	filled <<<'server { listen 80; return 200 BAD; }'
	apply "$FACTS"
	assert_refused 'nginx: the config for web does not pass its test:' \
		'unknown directive "BAD" in x:1'
	assert_absent "$TREE/web.conf"
	apply "$FACTS"$'\ntry'
	assert_status 1
	assert_equal "" "$(find "$TREE" -name '.stage.*')"
	filled <<<'server { root /; }'
	apply "$FACTS"$'\ntry'
	assert_status 1
	assert_equal "" "$(find "$TREE" -name '.stage.*')"
	each_fact() {
		apply "${FACTS%$'\n'*}"$'\n'"$1"
		assert_status 1 && assert_error_like ' !     nginx: not a release and a port*'
	}
	each each_fact <<-'LINES'
		template 1
		template 1 0
		template 1 65536
		template ../1 5000
		template 01 5000
		template 1 5000 1
		template
	LINES
	rm "$DOKKU_LIB_ROOT/data/releases/web/1/proxy-filled"
	ln -s /etc/shadow "$DOKKU_LIB_ROOT/data/releases/web/1/proxy-filled"
	apply "$FACTS"
	assert_status 1
	assert_absent "$TREE/web.conf"
}

@test "apply: a template takes no host name from another app, and an app gets the name that it has" {
	filled <<<'server { listen 80; server_name extra.example.com; }'
	apply "$FACTS"
	assert_success ""
	make_app blog
	make_release blog 1
	# nginx need not warn: the other app may listen on another port, or have *.DOMAIN.
	for domain in extra.example.com '*.example.com'; do
		apply $'app blog\nlisten http 8080\nupstream 10.86.0.4 80\ndomain '"$domain"
		assert_refused "nginx: the nginx.conf.sigil of web has a server for extra.example.com:" \
			"remove it there, or the domain from blog"
		assert_absent "$TREE/blog.conf" "$TREE/.blog.candidate"
	done
	# A domain of web may be below *.DOMAIN of blog.
	filled <<<'server { listen 80; server_name web.example.com; }'
	apply "$FACTS"
	apply $'app blog\ndomain *.example.com\nupstream 10.86.0.4 80'
	assert_success ""
	apply $'app blog\nremove'
	filled <<<'server { listen 80; server_name extra.example.com; }'
	apply "$FACTS"
	# While web is renamed to blog, both have it.
	printf 'rename web\n' >"$DOKKU_ROOT/blog/made-from"
	apply $'app blog\ndomain extra.example.com\nupstream 10.86.0.4 80'
	assert_success ""
	rm "$DOKKU_ROOT/blog/made-from" "$TREE/web.conf"
	for domain in extra.example.com '*.example.com' '*.com'; do
		rm -f "$TREE/web.conf"
		printf 'server {\n\tserver_name a.org %s;\n}\n' "$domain" >"$TREE/blog.conf"
		apply "$FACTS"
		assert_refused "nginx: web: its nginx.conf.sigil has a server for extra.example.com," \
			"which belongs to the app blog"
		assert_absent "$TREE/web.conf"
	done
	printf 'server {\n\tserver_name *.xample.com extra.example.co;\n}\n' >"$TREE/blog.conf"
	apply "$FACTS"
	assert_success ""
}

@test "nginx_describe: a template is filled in with what Dokku gives it" {
	hook fake ports-get <<<'printf "http:80:5000\nhttps:443:5000\n"'
	code "" 'property_set nginx-vhosts web client-max-body-size 7m'
	template <<-'SIGIL'
		{{ .APP }} {{ .DOKKU_ROOT }} {{ .APP_SSL_PATH }} [{{ .SSL_INUSE }}]
		{{ .NOSSL_SERVER_NAME }}
		[{{ .SSL_SERVER_NAME }}] {{ .PROXY_PORT }} {{ .PROXY_SSL_PORT }} {{ .PROXY_PORT_MAP }}
		{{ .PROXY_UPSTREAM_PORTS }} {{ .DOKKU_APP_WEB_LISTENERS }}
		{{ .CLIENT_MAX_BODY_SIZE }} {{ .CLIENT_BODY_TIMEOUT }} {{ .PROXY_READ_TIMEOUT }}
		{{ .NGINX_ACCESS_LOG_PATH }} [{{ .NGINX_BIND_ADDRESS_IP4 }}]
		{{ .NGINX_BIND_ADDRESS_IP6 }}
		{{ .PROXY_X_FORWARDED_FOR }} {{ .HTTP2_DIRECTIVE_SUPPORTED }} {{ .PROXY_BUFFERS }}
	SIGIL
	code nginx 'nginx_describe web 1'
	assert_status 0
	grep -qx 'template 1 5000' <<<"$output"
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/1/proxy-filled" \
		"web $DOKKU_ROOT $DOKKU_ROOT/web/tls []
web.example.com
[] 80 443 http:80:5000
5000 10.86.0.2:5000 10.86.0.3:5000
7m 60s 60s
/var/log/nginx/web-access.log []
::
\$remote_addr false 8 4k"
	mkdir "$DOKKU_ROOT/web/tls"
	touch "$DOKKU_ROOT/web/tls/server."{crt,key}
	NGINX_VERSION=1.26.0 code nginx 'nginx_describe web 1'
	grep -qxF '[web.example.com] 80 443 http:80:5000 https:443:5000' \
		"$DOKKU_LIB_ROOT/data/releases/web/1/proxy-filled"
	grep -qF ' true 8 4k' "$DOKKU_LIB_ROOT/data/releases/web/1/proxy-filled"
	# Without the setting, or with an error, there is no such fact.
	code "" 'property_set nginx-vhosts web disable-custom-config true'
	code nginx 'nginx_describe web 1'
	assert_equal 0 "$(grep -c '^template' <<<"$output")"
	code "" 'property_set nginx-vhosts web disable-custom-config ""'
	template <<<$'server {\n{{ if }}\n}'
	code nginx 'nginx_describe web 1'
	assert_status 1
	assert_error_like '*nginx.conf.sigil:2: *'
}

@test "pre-receive-app: the template of the tree, refused before the build if nginx does not take it" {
	local tree=$BATS_TEST_TMPDIR/tree dir=$DOKKU_LIB_ROOT/data/releases/web/1
	local without="nothing was built. To deploy without it: dokku nginx:set web"
	export DOKKU_RELEASE=1
	mkdir "$tree"
	# receive - runs the hook with stdin as the template in the tree.
	receive() {
		cat >"$tree/${1-nginx.conf.sigil}"
		got "$PLUGIN_PATH/nginx/pre-receive-app" web git-push "$tree" abc
	}
	receive other </dev/null
	assert_success ""
	assert_absent "$dir/proxy-template"
	receive <<<'server { listen {{ .PROXY_PORT }}; }'
	assert_success "-----> web: Overriding default nginx.conf with detected nginx.conf.sigil
-----> Pre-validating custom nginx.conf.sigil"
	assert_absent "$TREE/web.conf"
	assert_file "$dir/proxy-template" 'server { listen {{ .PROXY_PORT }}; }'
	receive <<<'some lame nginx config'
	assert_status 1
	assert_error_like '*nginx.conf.sigil was refused: in line 1 of*unexpected end of file*'
	assert_error_like "*web: Custom nginx.conf.sigil failed nginx -t validation, see above;" \
		"$without disable-custom-config true"
	receive <<<$'server {\nlisten {{ .PROXY_PORT }; }'
	assert_status 1
	assert_error_like "*web: nginx.conf.sigil:2: *"
	assert_error_like "*web: Custom nginx.conf.sigil cannot be filled in, see above; $without*"
	code "" 'property_set nginx-vhosts web disable-custom-config true'
	receive <<<'BAD'
	assert_success ""
	code "" 'property_set nginx-vhosts web disable-custom-config ""
		property_set proxy web type other'
	receive <<<'BAD'
	assert_success ""
	code "" 'property_set proxy web type ""
		property_set nginx-vhosts web nginx-conf-sigil-path deploy/x'
	rm "$dir/proxy-template"
	receive <<<'BAD'
	assert_success ""
	mkdir "$tree/deploy"
	receive deploy/x <<<'server { listen 80; }'
	assert_success "-----> web: Overriding default nginx.conf with detected nginx.conf.sigil
-----> Pre-validating custom nginx.conf.sigil"
	rm "$tree/deploy/x"
	ln -s /etc/passwd "$tree/deploy/x"
	got "$PLUGIN_PATH/nginx/pre-receive-app" web git-push "$tree" abc
	assert_refused "web: deploy/x in the repo is not a regular file of at most 64 KB: make it" \
		"one, and push again; nothing was built"
}

@test "nginx_update: a release with another template gives nginx another config, and says so" {
	template <<<'server { listen 80; server_name one.example.com; }'
	code nginx 'nginx_update web 1'
	assert_success "-----> web: Overriding default nginx.conf with detected nginx.conf.sigil"
	grep -q one.example.com "$TREE/web.conf"
	: >"$CALLS"
	code nginx 'nginx_update web 1'
	assert_success ""
	make_release web 2
	code nginx 'nginx_update web 2'
	assert_success ""
	assert_equal 0 "$(grep -c one.example.com "$TREE/web.conf")"
}

@test "nginx:set nginx-conf-sigil-path: in force with the next deploy, and nginx is not asked" {
	make_current web 1
	code nginx 'nginx_update web 1'
	: >"$CALLS"
	dokku nginx:set web nginx-conf-sigil-path deploy/nginx.conf.sigil
	assert_success "-----> web: nginx-conf-sigil-path is now deploy/nginx.conf.sigil; in force" \
		"with the next deploy: dokku ps:rebuild web"
	assert_equal "" "$(grep nginx "$CALLS")"
	dokku nginx:set web nginx-conf-sigil-path ../x
	assert_status 1
}
