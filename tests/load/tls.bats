#!/usr/bin/env bats
# HTTPS, through nginx as in production.

load helper

setup() {
	export APP=web RELEASE=v1
	servers=()
	if ! command -v nginx openssl >/dev/null ||
		! "$build/load/load" --url https://127.0.0.1:1/ --mode get=1 \
			--requests 1 --duration 1s 2>&1 | grep -q requests; then
		skip "needs nginx, openssl and a load client with TLS"
	fi
}

# front: nginx with TLS before the app at port; sets port and scheme.
front() {
	local dir=$BATS_TEST_TMPDIR/nginx backend=$port
	mkdir -p "$dir"
	port=$(free_port) scheme=https
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/key" -out "$dir/cert" -days 2 \
		-subj /CN=app.localhost -addext subjectAltName=DNS:app.localhost 2>/dev/null
	cat >"$dir/conf" <<-END
		pid $dir/pid;
		error_log $dir/error;
		$([[ $EUID -ne 0 ]] || printf 'user root;')
		worker_processes 1;
		events { worker_connections 256; }
		http {
			access_log off;
			client_body_temp_path $dir/body;
			proxy_temp_path $dir/proxy;
			fastcgi_temp_path $dir/fastcgi;
			uwsgi_temp_path $dir/uwsgi;
			scgi_temp_path $dir/scgi;
			keepalive_requests 1000000;
			map \$http_upgrade \$connection_upgrade { default upgrade; '' close; }
			server {
				listen 127.0.0.1:$port ${listen-ssl};
				ssl_certificate $dir/cert;
				ssl_certificate_key $dir/key;
				ssl_protocols ${protocols-TLSv1.2 TLSv1.3};
				ssl_session_cache shared:load:1m;
				location / {
					proxy_pass http://127.0.0.1:$backend;
					proxy_http_version 1.1;
					proxy_set_header Upgrade \$http_upgrade;
					proxy_set_header Connection \$connection_upgrade;
				}
			}
		}
	END
	nginx -c "$dir/conf" -e "$dir/error" -g 'daemon off;' 3>&- &
	servers+=("$!")
	wait_until test -s "$dir/pid"
}

all_modes() {
	load --requests 0 --duration 2s --expect-app web --mode get=4@100 --mode close=2@30 \
		--mode post=2@100 \
		--mode upload=1 --mode download=1 --mode ws=2 --mode idle=2
}

@test "all modes over TLS 1.3; sessions are taken up again" {
	web
	protocols=TLSv1.3 front
	all_modes
	assert_failures
	assert_report '.connections.kept == 12 and .tls.handshakes == .connections.opened'
	assert_report '.tls.resumed >= .tls.handshakes - 40 and .tls.resumed > 40'
	assert_report '[.targets[0].modes[] | select(.ok < 3)] == []'
}

@test "all modes over TLS 1.2; sessions are taken up again" {
	web
	protocols=TLSv1.2 front
	all_modes
	assert_failures
	assert_report \
		'.connections.kept == 12 and .tls.resumed >= .tls.handshakes - 40 and
			.tls.resumed > 40'
}

@test "a failure is classed as without TLS" {
	fault 502
	front
	load --mode get=1@50 --requests 10
	assert_failures status_5xx=1
	assert_report '.statuses == {"502": 1} and .connections.opened == 1'
}

@test "a certificate is verified if asked for" {
	web
	front
	local dir=$BATS_TEST_TMPDIR/nginx
	status=0
	output=$("$build/load/san/load" --url https://app.localhost/ --connect "127.0.0.1:$port" \
		--mode get=1 \
		--requests 5 --cacert "$dir/cert" 2>&1) || status=$?
	[[ $status -eq 0 ]]
	load --mode get=1 --cacert "$dir/cert"
	[[ $status -eq 1 ]]
	assert_report '.ok == 0 and .failures.tls == .failed'
}

@test "a server without TLS is a tls failure" {
	web
	listen=' ' front
	load --mode get=1
	[[ $status -eq 1 ]]
	assert_report '.ok == 0 and .failures.tls == .failed and .connections.opened > 0'
}
