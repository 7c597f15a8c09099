#!/usr/bin/env bats
# ports: at which ports of the server nginx answers for an app, and which port of its containers
# they mean.

load ../helper

setup() {
	world
	make_app web
	MAP=$DOKKU_LIB_ROOT/config/ports/web/map
}

# report FLAG - prints one value of the report.
report() { dokku ports:report web "--ports-$1" && assert_status 0; }

@test "ports:set, :add, :remove, :clear: the map that was set, apart from the one that was detected" {
	dokku ports:set web http:1234:5001
	assert_success "-----> web: ports http:1234:5001"
	dokku ports:add web http:8080:5001 https:8443:5001
	assert_status 0
	[[ $stderr == *'web has no certificate'* ]]
	report map
	assert_output "http:1234:5001 http:8080:5001 https:8443:5001"
	report map-json
	assert_output '[{"scheme":"http","host_port":1234,"container_port":5001},{"scheme":"http","host_port":8080,"container_port":5001},{"scheme":"https","host_port":8443,"container_port":5001}]'
	report map-detected
	assert_output http:80:5000
	dokku ports:remove web 8080
	report map
	assert_output "http:1234:5001 https:8443:5001"
	dokku ports:remove web https:8443
	dokku ports:remove web http:1234:5001
	report map
	assert_output ""
	[[ ! -e $MAP ]]
	dokku ports:set web http:90:80
	dokku ports:clear web
	assert_success "-----> web: ports http:80:5000"
	[[ ! -e $MAP ]]
	report map-json
	assert_output "[]"
}

@test "ports:set, :add: 64 of an app at most" {
	local mappings
	mapfile -t mappings < <(printf 'http:%s:5000\n' {3000..3064})
	dokku ports:set web "${mappings[@]:0:64}"
	assert_success "-----> web: ports ${mappings[*]:0:64}"
	dokku ports:add web http:2999:5000
	assert_refused "ports:add: 65 ports are more than the 64 that an app may have;" \
		"nothing was changed"
	dokku ports:set web "${mappings[@]}"
	assert_refused "ports:set: 65 ports are more than the 64 that an app may have;" \
		"nothing was changed"
	assert_equal 64 "$(grep -c '' "$MAP")"
}

@test "ports:add: the first mapping says which detected ports it replaces" {
	dokku ports:add web http:8080:5000
	assert_status 0
	[[ $stderr == *'web has ports of its own now, and no longer those detected (80):'* ]]
	[[ $stderr == *'dokku ports:add web http:80:5000 opens them again'* ]]
	dokku ports:add web http:80:5000
	assert_success "-----> web: ports http:8080:5000 http:80:5000"
	dokku ports:clear web
	dokku ports:add web http:80:5001 http:8080:5001
	assert_success "-----> web: ports http:8080:5001 http:80:5001"
	dokku ports:clear web
	mkdir -p "$DOKKU_ROOT/web/tls"
	: >"$DOKKU_ROOT/web/tls/server.crt"
	: >"$DOKKU_ROOT/web/tls/server.key"
	dokku ports:add web http:8080:5001
	[[ $stderr == *'(80, 443): dokku ports:add web http:80:5001 https:443:5001 '* ]]
	dokku ports:clear web
	dokku ports:add web http:80:5001
	assert_success "-----> web: ports http:80:5001 https:443:5001"
}

@test "ports: what cannot be served is refused, and nothing is changed" {
	dokku ports:set web http:1234:5001
	local words
	for words in 'http:1234:5001' 'http:1234:5002' 'https:1234:5001' 'http:1:5001 http:1:5001' \
		http:0:5001 http:65536:5001 http:080:5001 http:80 80 \
		ftp:80:5001 udp:80:5001 grpc:80:5001 'http:80:5001:x' 'http:80:5001;' '$(id):80:5001' ::; do
		# shellcheck disable=SC2086 # words
		dokku ports:add web $words
		[[ $status -ne 0 && $stderr == *'nothing was changed'* &&
			$(wc -l <<<"$stderr") -eq 1 ]] || {
			printf 'not refused: %s: %s %s\n' "$words" "$status" "$stderr"
			return 1
		}
	done
	dokku ports:remove web 99
	assert_refused "ports:remove: web has no port 99 that was set:" \
		"dokku ports:report web shows them; nothing was changed"
	assert_file "$MAP" http:1234:5001
}

@test "ports: gRPC, with and without TLS" {
	dokku ports:set web grpc:9000:5001 grpcs:443:5002
	assert_status 0
	[[ $stderr == *'web has no certificate, so nothing answers on its https and grpcs ports'* ]]
	report map
	assert_output "grpc:9000:5001 grpcs:443:5002"
	dokku ports:add web grpc:9000:5003
	assert_refused "ports:add: port 9000 of the server is mapped twice; nothing was changed"
	dokku ports:remove web grpcs:443
	report map
	assert_output "grpc:9000:5001"
}

@test "ports-get: a certificate opens 443 beside 80, unless HTTPS has a port of its own" {
	get() { got "$PLUGIN_PATH/ports/ports-get" web && output=${output//$'\n'/ }; }
	get
	assert_success http:80:5000
	make_release web 1
	printf '1\n' >"$DOKKU_LIB_ROOT/data/releases/web/current"
	printf '8000\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/port"
	mkdir -p "$DOKKU_ROOT/web/tls"
	: >"$DOKKU_ROOT/web/tls/server.crt"
	: >"$DOKKU_ROOT/web/tls/server.key"
	get
	assert_success "http:80:8000 https:443:8000"
	mkdir -p "${MAP%/*}"
	printf 'http:80:1\nhttp:81:1\n' >"$MAP"
	get
	assert_success "http:80:1 http:81:1 https:443:1"
	printf 'http:80:1\nhttps:444:1\n' >"$MAP"
	get
	assert_success "http:80:1 https:444:1"
	got "$PLUGIN_PATH/ports/app-port" web
	assert_success 1
	printf 'example.com\n' >"$DOKKU_ROOT/web/VHOST"
	dokku urls web
	assert_success $'http://example.com\nhttps://example.com:444'
	dokku url web
	assert_success https://example.com:444
}

@test "ports: what nginx does not take is not kept" {
	made_plugins ports
	hook fake proxy-build-config <<<'printf "%s " "$@" >>"$STEPS"; exit 1'
	make_release web 1
	printf '1\n' >"$DOKKU_LIB_ROOT/data/releases/web/current"
	dokku ports:set web http:1234:5000
	assert_status 1
	[[ $stderr == *'ports:set: web keeps the ports that it had' ]]
	[[ ! -e $MAP && $(<"$STEPS") == *'nginx web 1 '* ]]
}

@test "domains:disable: a port that the app has to itself, which neither another app nor a process has" {
	made_plugins ports domains url urls
	local own=$DOKKU_LIB_ROOT/config/ports/web/own port
	fake ss <<<'printf "LISTEN 0 511 [::1]:20002 [::]:*\nESTAB 0 0 1.2.3.4:1 1.2.3.4:20003\n"'
	printf 'example.com\n' >"$DOKKU_ROOT/VHOST"
	dokku domains:disable web
	report map-detected
	[[ $output =~ ^http:(2[0-9]{4}):5000$ ]]
	port=${BASH_REMATCH[1]}
	assert_file "$own" "$port web"
	dokku urls web
	assert_success "http://example.com:$port"
	dokku url web
	assert_success "http://example.com:$port"
	report map-detected
	assert_output "http:$port:5000"
	# A clone, and all ports but one are taken.
	make_app blog
	mkdir -p "$DOKKU_LIB_ROOT"/config/{ports,domains}/blog
	cp "$own" "$DOKKU_LIB_ROOT/config/ports/blog/own"
	: >"$DOKKU_LIB_ROOT/config/domains/blog/disabled"
	printf 'http:20001:5000\n' >"$DOKKU_LIB_ROOT/config/ports/blog/map"
	printf '20000 web\n' >"$own"
	DOKKU_OWN_PORTS=4 code ports 'ports_own port blog; printf "%s" "$port"'
	assert_success 20003
	# None is left: it was looked for without end.
	rm "$DOKKU_LIB_ROOT/config/ports/blog/own"
	DOKKU_OWN_PORTS=3 timeout 20 "$DOKKU" ports:report blog >"$STEPS" 2>&1 || true
	grep -qF 'blog: all ports from 20000 on that an app may have to itself are taken' "$STEPS"
	# A domain again.
	dokku domains:enable web
	report map-detected
	assert_output http:80:5000
	dokku urls web
	assert_success http://web.example.com
	# Without a domain and without a port of its own nobody reaches it.
	: >"$DOKKU_ROOT/web/VHOST"
	dokku urls web
	assert_success ""
}

@test "ports:add --domain: a port for one domain; the others stay, and url and urls know" {
	printf 'a.example.com\nb.example.com\n' >"$DOKKU_ROOT/web/VHOST"
	dokku ports:add --domain B.example.com web http:8080:5000 http:81:5000
	assert_success "-----> web: ports http:8080:5000 http:80:5000 http:81:5000
       Only for a domain: http:8080 b.example.com, http:81 b.example.com"
	dokku urls web
	assert_success "http://a.example.com
http://b.example.com:8080
http://b.example.com
http://b.example.com:81"
	dokku ports:add web --domain a.example.com http:81:5000
	report domains
	assert_output "http:8080 b.example.com, http:81 a.example.com, http:81 b.example.com"
	got "$PLUGIN_PATH/ports/ports-domains" web
	assert_success "http 8080 b.example.com
http 81 a.example.com
http 81 b.example.com"
	dokku ports:remove web 80
	dokku url web
	assert_success http://a.example.com:81
	dokku ports:remove web 81
	assert_success "-----> web: ports http:8080:5000
       Only for a domain: http:8080 b.example.com"
	report domains
	assert_output "http:8080 b.example.com"
	dokku ports:set web http:8080:5000
	report domains
	assert_output ""
	assert_absent "${MAP%/map}/domains"
}

@test "ports:add --domain: what is not the app's, or answers for all, is refused; a failure undoes it" {
	made_plugins ports domains
	hook fake proxy-build-config <<<'[[ ! -e "$WORLD/fail" ]]'
	printf 'a.example.com\n' >"$DOKKU_ROOT/web/VHOST"
	dokku ports:add --domain evil.example.com web http:81:5000
	assert_refused 'ports:add: web does not have the domain "evil.example.com":' \
		"dokku domains:add web adds one; nothing was changed"
	dokku ports:add --domain a.example.com web http:80:5000
	assert_refused "ports:add: http:80 answers for all domains of web already;" \
		"nothing was changed"
	assert_absent "$MAP"
	make_release web 1
	make_current web 1
	dokku ports:add --domain a.example.com web http:81:5000
	assert_status 0
	: >"$WORLD/fail"
	dokku ports:add --domain a.example.com web http:82:5000
	assert_status 1
	dokku ports:clear web
	assert_status 1
	report domains
	assert_output "http:81 a.example.com"
	report map
	assert_output "http:80:5000 http:81:5000"
}

# further - sets output to the service ports of the app's further ports.
further() {
	output=$(cat "${MAP%/map}/further" 2>/dev/null || true)
}

@test "ports: several ports of the containers: that of 80 is the main one, each other one has a port of its own" {
	dokku ports:set web http:80:9001 http:9000:9000 http:8080:9001 https:9443:9000
	assert_status 0
	further
	assert_output "9000=100"
	got "$PLUGIN_PATH/ports/app-port" web
	assert_success 9001
	got "$PLUGIN_PATH/ports/ports-further" web
	assert_success "http 9000 100
https 9443 100"
	dokku ports:add web http:7000:7000
	further
	assert_output "9000=100 7000=101"
	# Without port 80 the main one is that of 443. Without both it does not change.
	dokku ports:set web http:8080:9001 https:443:9000
	got "$PLUGIN_PATH/ports/app-port" web
	assert_success 9000
	dokku ports:set web http:8080:9001 http:9090:9000
	got "$PLUGIN_PATH/ports/app-port" web
	assert_success 9000
	got "$PLUGIN_PATH/ports/ports-further" web
	assert_success "http 8080 102"
	dokku ports:clear web
	got "$PLUGIN_PATH/ports/app-port" web
	assert_success ""
	dokku ports:set web http:8080:9001 http:700:3000
	got "$PLUGIN_PATH/ports/app-port" web
	assert_success 3000
	dokku ports:clear web
	made_plugins ports
	make_release web 1
	printf '1\n' >"$DOKKU_LIB_ROOT/data/releases/web/current"
	printf '9001\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/port"
	dokku ports:set web http:8080:9001 http:700:3000
	got "$PLUGIN_PATH/ports/app-port" web
	assert_success 9001
	dokku ports:clear web
	got "$PLUGIN_PATH/ports/ports-further" web
	assert_success ""
}

@test "ports: a further port that is used no more leads to nothing, once the proxy knows, and is not given to another" {
	made_plugins ports
	export FURTHER=${MAP%/map}/further
	hook fake proxy-build-config <<<'printf "proxy: %s\n" "$(<"$FURTHER")" >>"$STEPS"'
	hook fake reconcile-addresses <<<'printf "map: %s %s\n" "$*" "$(<"$FURTHER")" >>"$STEPS"'
	make_release web 1
	printf '1\n' >"$DOKKU_LIB_ROOT/data/releases/web/current"
	dokku ports:set web http:80:5000 http:9000:9000
	dokku ports:set web http:80:5000 http:9000:9001
	dokku ports:add web http:9443:9000
	sed -i '/^[pr][a-z]*-/d' "$STEPS"
	assert_file "$STEPS" "map: web 1 9000=100
proxy: 9000=100
map: web 1 9000=100 9001=101
proxy: 9000=100 9001=101
map: web 1 -9000=100 9001=101
map: web 1 9000=100 9001=101
proxy: 9000=100 9001=101"
	: >"$STEPS"
	dokku ports:add web http:8080:5000
	sed -i '/^[pr][a-z]*-/d' "$STEPS"
	assert_file "$STEPS" "proxy: 9000=100 9001=101"
}

@test "ports: killed between its files, no port leads to another one than the map says" {
	local last
	# killed_at KEY MAPPING… - stores the map, and is killed just after KEY was written. Sets
	# output to what the proxy is told then.
	killed_at() {
		code ports 'limits=() last=$1
			eval "real_$(declare -f property_set)"
			property_set() { real_property_set "$@"; [[ $3 != "$last" ]] || exit 9; }
			ports_write web "${@:2}"' "$@"
		assert_status 9
		got "$PLUGIN_PATH/ports/ports-further" web
	}
	for last in map main; do
		dokku ports:clear web
		killed_at "$last" http:80:5000 http:9000:5001
		assert_success "http 9000 100"
		# The main port becomes a further one, and the other way round.
		dokku ports:set web http:80:5000 http:9000:5001
		killed_at "$last" http:80:5001 http:9000:5000
		assert_success "http 9000 101"
	done
	killed_at map
	dokku plugin:trigger app-port web
	assert_output ""
	dokku ports:set web http:80:5000
	killed_at further http:80:5000 http:9000:5001
	assert_success ""
}

@test "ports: the port of visitors stays with the containers that run when its container port changes" {
	made_plugins ports
	hook fake proxy-build-config \
		<<<'printf "proxy: %s\n" "$("$PLUGIN_PATH/ports/ports-further" web)" >>"$STEPS"'
	make_release web 1
	make_current web 1
	dokku ports:set web http:80:5000 http:9000:9001
	# Nothing listens on 7000 before the next deploy, nor is 9001 the main port before it.
	dokku ports:set web http:80:7000 http:8081:7000
	dokku ports:set web http:80:9001 http:9000:5000
	assert_equal "proxy: http 9000 100
proxy: 
proxy: http 9000 101" "$(grep ^proxy: "$STEPS")"
	assert_file "${MAP%/map}/further" "-9001=100 5000=101"
}

@test "ports: a proxy that refuses leaves the further ports as they were" {
	made_plugins ports
	hook fake proxy-build-config <<<'[[ ! -e $BATS_TEST_TMPDIR/refuse ]]'
	make_release web 1
	printf '1\n' >"$DOKKU_LIB_ROOT/data/releases/web/current"
	dokku ports:set web http:80:5000 http:9000:9000
	touch "$BATS_TEST_TMPDIR/refuse"
	dokku ports:set web http:80:5000 http:9000:9001
	assert_status 1
	got "$PLUGIN_PATH/ports/ports-further" web
	assert_success "http 9000 100"
}

@test "ports: a thousand changes of the further ports stay within those that there are" {
	local i
	mkdir -p "${MAP%/*}"
	for ((i = 0; i < 190; i++)); do
		printf -- '-%s=%s ' $((3000 + i)) $((100 + i))
	done >"${MAP%/map}/further"
	dokku ports:set web http:80:5000 http:9000:9000
	assert_status 0
	further
	assert_output "9000=100"
}
