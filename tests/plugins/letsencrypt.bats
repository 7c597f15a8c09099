#!/usr/bin/env bats
# letsencrypt: certificates from a CA, which is a hook here; what is tried before it is asked, when
# it is asked again, and what an interruption leaves. The last tests run the engine with a fake
# dehydrated.

load ../helper

setup() {
	world
	made_plugins letsencrypt certs
	make_app web
	DATA=$DOKKU_LIB_ROOT/data/letsencrypt
	CHALLENGES=$DOKKU_LIB_ROOT/acme/.well-known/acme-challenge
	export TLS="$DOKKU_ROOT/web/tls" DAYS=90 CHALLENGES
	ENGINE=$DOKKU_LIB_ROOT/config/letsencrypt/--global/engine
	mkdir -p "$CHALLENGES" "${ENGINE%/*}"
	printf 'test\n' >"$ENGINE"
	hook fake app-domains <<<'cat "$WORLD/names" 2>/dev/null || printf "web.example.com\nwww.example.com\n"'
	hook fake post-certs-update </dev/null
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 400 -subj /CN=ca \
		-keyout "$WORLD/ca.key" -out "$WORLD/ca.crt" 2>/dev/null
	hook fake certificate-order <<-'BODY'
		[[ ! -e $WORLD/refused ]] || { cp "$WORLD/refused" "$5/reason"; exit 1; }
		[[ ! -e $WORLD/killed ]] || kill -KILL "$(cut -d ' ' -f 4 "/proc/$PPID/stat")" "$PPID"
		openssl x509 -req -in "$5/request.pem" -CA "$WORLD/ca.crt" -CAkey "$WORLD/ca.key" \
			-days "${DAYS:-90}" -copy_extensions copy -out "$5/chain.pem" 2>/dev/null
		cat "$WORLD/ca.crt" >>"$5/chain.pem"
	BODY
	# The way in leads here, except for a name in the file lost.
	fake curl <<-'BODY'
		url=${!#}
		host=${url#http://}
		if grep -qsx "${host%%/*}" "$WORLD/lost"; then
			printf '<html>\n404 192.0.2.9'
			exit
		fi
		cat "$CHALLENGES/${url##*/}" 2>/dev/null
		printf '\n200 127.0.0.1'
	BODY
	: >"$STEPS"
}

enable() { dokku letsencrypt:enable "$@" web; }

orders() { grep -c certificate-order "$STEPS" || true; }

# due_since SECONDS - makes the certificate of web due since SECONDS ago.
due_since() { printf '%s\n' $((EPOCHSECONDS - $1)) >"$DATA/web/renew-at"; }

@test "letsencrypt:enable: all names of an app without a release; the CA is asked once, and never gets the key" {
	touch -d '2 hours ago' "$CHALLENGES/of-a-killed-one"
	enable
	assert_status 0
	assert_output_like '*for web.example.com, www.example.com*web answers on HTTPS and on HTTP*'
	assert_equal "certificate-order test web https://acme-v02.api.letsencrypt.org/directory  $DOKKU_LIB_ROOT/tmp/X" \
		"$(sed -n 's,/letsencrypt\.[^ ]*,/X,; /order/p' "$STEPS")"
	openssl verify -CAfile "$WORLD/ca.crt" "$TLS/server.crt"
	openssl x509 -in "$TLS/server.crt" -noout -checkhost www.example.com | grep -q ' does match'
	cmp "$DATA/web/server.key" "$TLS/server.key"
	assert_mode "$DATA/web/server.key" 600
	assert_nothing_in "$CHALLENGES"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
	dokku letsencrypt:active web
	assert_success true
	enable
	assert_success "-----> web has a certificate for all its names, and it needs no renewal yet"
	assert_equal 1 "$(orders)"
	# A third of 90 days is left.
	assert_equal 30 $((($(<"$DATA/web/expires") - $(<"$DATA/web/renew-at")) / 86400))
}

@test "letsencrypt:enable: another server, a new name and --force ask again, with the same key" {
	local key
	enable
	key=$(<"$TLS/server.key")
	dokku letsencrypt:set web server staging
	enable
	dokku letsencrypt:set web server https://ca.example.com/dir
	enable
	printf 'other.example.com\n' >"$WORLD/names"
	enable
	enable --force
	assert_status 0
	assert_equal 5 "$(orders)"
	assert_equal "https://acme-staging-v02.api.letsencrypt.org/directory https://ca.example.com/dir" \
		"$(sed -n 's,.* \(https:[^ ]*\) .*,\1,p' "$STEPS" | sed -n '2,3p' | paste -sd ' ')"
	assert_equal "$key" "$(<"$TLS/server.key")"
}

@test "letsencrypt:enable: the names that do not lead here are told, and the CA is not asked" {
	printf 'www.example.com\n' >"$WORLD/lost"
	enable
	assert_status 1
	assert_error_like "*www.example.com does not lead here: 192.0.2.9 answered 404, and not with the file of this server*web got no certificate: www.example.com did not lead to this server*"
	[[ $stderr != *'!     web.example.com'* ]]
	assert_equal 0 "$(orders)"
	assert_absent "$TLS"
	assert_nothing_in "$CHALLENGES"
	fake curl <<<'printf "curl: (6) Could not resolve host: x\n" >&2; printf "\n000 "; exit 6'
	enable
	assert_error_like "*web.example.com does not lead here: Could not resolve host: x*"
	dokku letsencrypt:set web self-check false
	enable
	assert_status 0
}

@test "letsencrypt:enable: an answer without end is not read to its end" {
	fake curl <<<'head -c 30000000 /dev/zero 2>/dev/null'
	enable
	assert_status 1
	assert_error_like "*web.example.com does not lead here: the answer is longer than the file of this server*"
	[[ $stderr != *"null byte"* ]]
}

@test "letsencrypt:enable: names with a star are left out; an app without other names is refused" {
	printf '*.example.com\nweb.example.com\n' >"$WORLD/names"
	enable
	assert_status 0
	assert_error_like "*the certificate will not be for \\*.example.com*"
	printf '*.example.com\n' >"$WORLD/names"
	enable
	assert_refused "web has no host name that a CA can check: dokku domains:add web NAME"
	dokku letsencrypt:enable --all
	assert_status 1
}

@test "letsencrypt:enable: a CA that refuses, or sends something else, changes nothing, and is told" {
	enable
	printf 'too many of them\n' >"$WORLD/refused"
	enable --force
	assert_status 1
	assert_error_like "*web got no certificate: too many of them"
	rm "$WORLD/refused"
	hook fake certificate-order <<<'cp "$WORLD/ca.crt" "$5/chain.pem"'
	enable --force
	assert_status 1
	assert_error_like "*what the CA sent is no certificate for these names"
	openssl verify -CAfile "$WORLD/ca.crt" "$TLS/server.crt"
	read -r failures _ <"$DATA/web/failed"
	assert_equal 2 "$failures"
}

@test "letsencrypt: a certificate that was issued but not installed is used, and the CA is not asked again" {
	hook fake post-certs-update <<<'[[ ! -e $WORLD/nginx-down ]]'
	touch "$WORLD/nginx-down"
	enable
	assert_status 1
	assert_error_like "*its new certificate could not be installed, see above"
	rm "$WORLD/nginx-down"
	enable
	assert_status 0
	assert_output_like "*a certificate was issued before, and is used now*"
	assert_equal 1 "$(orders)"
	assert_absent "$DATA/web/chain.pem"
	# The CA is asked again if the names have changed since.
	touch "$WORLD/nginx-down"
	enable --force
	rm "$WORLD/nginx-down"
	printf 'new.example.com\n' >"$WORLD/names"
	enable
	assert_equal 3 "$(orders)"
}

@test "letsencrypt:auto-renew: what is due is renewed, with the same key; what is not, and others', is not" {
	local before
	enable
	dokku letsencrypt:auto-renew
	assert_status 0
	assert_output_like "*web still has * before its renewal"
	before=$(<"$TLS/server.crt")
	due_since 1
	dokku letsencrypt:auto-renew web
	assert_status 0
	[[ $(<"$TLS/server.crt") != "$before" ]]
	cmp "$DATA/web/server.key" "$TLS/server.key"
	dokku certs:add web "$WORLD/ca.crt" "$WORLD/ca.key"
	due_since 1
	dokku letsencrypt:auto-renew
	assert_success "       web has no certificate from Let's Encrypt"
	cmp "$WORLD/ca.crt" "$TLS/server.crt"
	assert_equal 2 "$(orders)"
}

@test "letsencrypt:auto-renew: after a failure it waits longer each time, and as long as the CA says" {
	local at last=0 wait
	enable
	printf 'down\n' >"$WORLD/refused"
	due_since 7200
	for wait in 3600 7200 14400; do
		dokku letsencrypt:auto-renew web
		assert_status 1
		read -r _ at _ <"$DATA/web/failed"
		((at - EPOCHSECONDS > wait - 60 && at - EPOCHSECONDS <= wait))
	done
	dokku letsencrypt:auto-renew
	assert_status 0
	assert_output_like "*web is due, and tried again at * UTC: down"
	assert_equal 4 "$(orders)"
	hook fake certificate-order <<<'echo slower >"$5/reason"; echo $((EPOCHSECONDS + 100000)) >"$5/retry-after"; exit 1'
	dokku letsencrypt:auto-renew web
	read -r _ at _ <"$DATA/web/failed"
	((at - EPOCHSECONDS > 99900 && at - EPOCHSECONDS <= 100000))
	# Short-lived certificates cannot wait that long.
	printf '%s\n' $((EPOCHSECONDS + 4000)) >"$DATA/web/expires"
	hook fake certificate-order <<<'exit 1'
	dokku letsencrypt:auto-renew web
	read -r _ at _ <"$DATA/web/failed"
	((at - EPOCHSECONDS > 440 && at - EPOCHSECONDS <= 500))
}

@test "letsencrypt: a time of the next try that was noted while the clock was ahead does not count" {
	enable
	due_since 7200
	printf '1 %s down\n' $((EPOCHSECONDS + 691200)) >"$DATA/web/failed"
	dokku letsencrypt:auto-renew
	assert_status 0
	assert_equal 2 "$(orders)"
}

@test "letsencrypt: killed while the CA works, the watch does not ask again at once, and a command does" {
	enable
	due_since 1
	touch "$WORLD/killed"
	dokku letsencrypt:auto-renew
	rm "$WORLD/killed"
	[[ $(<"$DATA/web/failed") == '0 '*' the last try was interrupted' ]]
	dokku letsencrypt:auto-renew
	assert_output_like "*web is due, and tried again at*"
	assert_equal 2 "$(orders)"
	dokku letsencrypt:auto-renew web
	assert_status 0
	assert_absent "$DATA/web/failed"
}

@test "letsencrypt: what is due and not renewed is said by the watch and by certs:report" {
	enable
	# No program is started for each certificate.
	fake basename <<<'exit 1'
	dokku certs:report web --ssl-renewal
	assert_success ""
	got "$PLUGIN_PATH/letsencrypt/heal"
	assert_success ""
	due_since 100
	got "$PLUGIN_PATH/letsencrypt/heal"
	assert_success ""
	printf 'refused\n' >"$WORLD/refused"
	dokku letsencrypt:auto-renew web
	got "$PLUGIN_PATH/letsencrypt/heal"
	assert_error_like " !     web: the certificate ends at * UTC, and its renewal is due since * UTC. It failed, 1 in a row: refused. The next try is at * UTC. dokku letsencrypt:enable web tries it now"
	dokku certs:report web --ssl-renewal
	assert_status 0
	assert_output_like "the certificate ends at *refused*"
	due_since 4000
	rm "$DATA/web/failed"
	got "$PLUGIN_PATH/letsencrypt/heal"
	assert_error_like " !     web: *is due since *"
}

@test "letsencrypt: the watch renews in the background what is due, unless it was told not to" {
	enable
	# renewed - waits until the CA was asked so often.
	renewed() {
		local try
		for ((try = 0; try < 100; try++)); do
			[[ $(orders) -ne $1 || -e $DATA/web/failed ]] || return 0
			sleep 0.05
		done
		return 1
	}
	due_since 1
	dokku letsencrypt:cron-job --remove
	assert_success "-----> Auto-renew cron job is not enabled
       dokku letsencrypt:cron-job --add turns it on"
	got "$PLUGIN_PATH/letsencrypt/heal-apps"
	assert_success ""
	dokku letsencrypt:cron-job --add
	assert_output_like "-----> Auto-renew cron job is enabled*"
	assert_equal 1 "$(orders)"
	got "$PLUGIN_PATH/letsencrypt/heal-apps"
	assert_success ""
	renewed 2
	flock "$DATA/.lock" true
	got "$PLUGIN_PATH/letsencrypt/heal-apps"
	assert_equal 2 "$(orders)"
}

@test "letsencrypt: new host names make the certificate due; a clone has none; a renamed app keeps it" {
	enable
	got "$PLUGIN_PATH/letsencrypt/post-domains-update" web
	assert_success ""
	printf 'web.example.com\nnew.example.com\n' >"$WORLD/names"
	got "$PLUGIN_PATH/letsencrypt/post-domains-update" web
	assert_status 0
	assert_output_like "*web gets a certificate for its new host names soon*"
	[[ $(<"$DATA/web/renew-at") -le $EPOCHSECONDS ]]
	make_app new
	got "$PLUGIN_PATH/letsencrypt/post-app-rename-setup" web new
	assert_success ""
	cmp "$DATA/web/server.key" "$DATA/new/server.key"
	got "$PLUGIN_PATH/letsencrypt/post-delete" web
	assert_absent "$DATA/web"
	[[ -e $DATA/new/server.key ]]
}

@test "letsencrypt:disable removes its own certificate only; :revoke asks the CA, and the next key is new" {
	local key
	enable
	key=$(<"$TLS/server.key")
	hook fake certificate-revoke <<<'cmp "$DOKKU_ROOT/web/tls/server.crt" "$5/chain.pem"; [[ ! -e $WORLD/refused ]]'
	touch "$WORLD/refused"
	dokku letsencrypt:revoke web
	assert_refused "the certificate of web is not revoked: the engine test failed"
	rm "$WORLD/refused"
	dokku letsencrypt:revoke web
	assert_status 0
	enable
	assert_status 0
	[[ $(<"$TLS/server.key") != "$key" ]]
	dokku letsencrypt:disable web
	assert_status 0
	assert_absent "$TLS" "$DATA/web"
	dokku letsencrypt:active web
	assert_success false
	dokku letsencrypt:revoke web
	assert_refused "web has no certificate from Let's Encrypt"
	dokku certs:add web "$WORLD/ca.crt" "$WORLD/ca.key"
	dokku letsencrypt:disable web
	assert_status 0
	cmp "$WORLD/ca.crt" "$TLS/server.crt"
}

@test "letsencrypt:list, :report, :cleanup" {
	make_app other
	enable
	dokku letsencrypt:list
	assert_status 0
	assert_output_like "App name *Certificate Expiry *Time before expiry *Time before renewal
web * UTC *@(89d 23h|90d 0h) *@(59d 23h|60d 0h)"
	dokku letsencrypt:report web --letsencrypt-active
	assert_success true
	dokku letsencrypt:report web --letsencrypt-autorenew
	assert_success true
	dokku letsencrypt:report web --letsencrypt-expiration
	assert_success "$(<"$DATA/web/expires")"
	dokku letsencrypt:report other --letsencrypt-active
	assert_success false
	dokku letsencrypt:set --global email me@example.com
	dokku letsencrypt:report web --letsencrypt-computed-email
	assert_success me@example.com
	dokku letsencrypt:set web email 'me@example.com;x'
	assert_status 1
	touch -d '2 hours ago' "$CHALLENGES/left"
	touch "$DATA/web/chain.pem"
	dokku letsencrypt:cleanup web
	assert_status 0
	assert_nothing_in "$CHALLENGES"
	dokku letsencrypt:active web
	assert_success true
}

@test "letsencrypt: one command at a time asks a CA; another CA, and files for it, are left alone" {
	mkdir -p "$DATA"
	code "" 'source "$PLUGIN_CORE_AVAILABLE_PATH/letsencrypt/lib/order"
		ACME_DATA=$DOKKU_LIB_ROOT/data/letsencrypt
		acme_lock_of lock https://acme-v02.api.letsencrypt.org/directory; echo "$lock"'
	flock "$output" sleep 300 3>&- &
	local holder=$!
	sleep 0.2
	sed -i 's/ 900 / 0 /' "$PLUGIN_PATH"/letsencrypt/subcommands/enable
	enable
	assert_refused "another command asks for certificates: try again when it is done"
	assert_equal 0 "$(orders)"
	touch "$CHALLENGES/of-another"
	dokku letsencrypt:set web server https://ca.example/
	enable
	kill "$holder"
	assert_status 0
	assert_equal 1 "$(orders)"
	[[ -e $CHALLENGES/of-another ]]
}

# engine - uses the hook of the real engine, with a fake dehydrated whose code is stdin.
engine() {
	rm "$PLUGIN_PATH/fake/certificate-order" "$ENGINE"
	fake dehydrated
}

@test "dehydrated: makes an account once, in its place when it is whole, and repeats a refused nonce" {
	engine <<-'BODY'
		. "$2"
		[[ $CA == https://acme-v02.* && $CONTACT_EMAIL == me@example.com && -d $WELLKNOWN ]]
		case $* in
		*--register*) touch "${2%/*}/account" ;;
		*--signcsr*)
			[[ -e ${2%/*}/account ]]
			tries=$(cat "$WORLD/tries" 2>/dev/null || echo 0)
			echo $((tries + 1)) >"$WORLD/tries"
			if [[ $tries -lt 7 ]]; then
				echo '"type": "urn:ietf:params:acme:error:badNonce"' >&2
				exit 1
			fi
			openssl x509 -req -in "${!#}" -CA "$WORLD/ca.crt" -CAkey "$WORLD/ca.key" \
				-days 90 -copy_extensions copy 2>/dev/null
			;;
		esac
	BODY
	key=$(printf %s 'https://acme-v02.api.letsencrypt.org/directory me@example.com' | sha256sum)
	mkdir -p "$DATA/.accounts/.new-${key:0:16}/killed"
	dokku letsencrypt:set --global email me@example.com
	enable
	assert_status 0
	assert_equal 8 "$(<"$WORLD/tries")"
	enable --force
	assert_status 0
	assert_equal 1 "$(grep -c -- --register "$CALLS")"
	assert_equal "" "$(compgen -G "$DATA/.accounts/.new*" || true)"
}

@test "dehydrated: what the CA calls an address is a URL with https for curl, no file and no option" {
	local url curl
	dokku letsencrypt:set web self-check false
	# As dehydrated 0.7 does it; url is text of the CA.
	engine <<-'BODY'
		url=$(<"$WORLD/url")
		curl --max-time 60 -A me -s -w "%{http_code}" -o body "$url" -D headers \
			-H "Content-Type: json" -d "{}" >&2 && exit 1
		echo "ERROR: Problem connecting to server ($url; curl returned with $?)" >&2
		exit 1
	BODY
	for url in file:///etc/hostname FILE:///etc/hostname -K/etc/hostname -o/etc/hostname \
		--next http://127.0.0.1/ 127.0.0.1 '' @/etc/hostname; do
		printf '%s' "$url" >"$WORLD/url"
		: >"$CALLS"
		enable
		assert_error_like "*: Problem connecting to server ($url; curl returned with 3)"
		curl=$(grep '^curl ' "$CALLS") || true
		assert_equal "" "$curl"
	done
	printf 'https://ca.example/x' >"$WORLD/url"
	enable
	curl='curl --proto =https --globoff --max-time 60 -A me -s -w %\{http_code\} -o body'
	curl+=' --url https://ca.example/x -D headers -H Content-Type:\ json -d \{\}'
	assert_equal "$curl" "$(grep '^curl ' "$CALLS")"
}

@test "dehydrated: an account that the CA has forgotten is made again, once" {
	engine <<-'BODY'
		case $* in
		*--signcsr*)
			echo '"type": "urn:ietf:params:acme:error:accountDoesNotExist", "detail": "gone"' >&2
			exit 1
			;;
		esac
	BODY
	enable
	assert_error_like "*web got no certificate: gone (accountDoesNotExist)"
	assert_equal 2 "$(grep -c -- --signcsr "$CALLS")"
	assert_equal "" "$(compgen -G "$DATA/.accounts/.new*" || true)"
}

@test "dehydrated: what the CA says is the reason, and when it wants to be asked again; a slow one is ended" {
	local at
	engine <<-'BODY'
		[[ $* != *--signcsr* ]] || { cat "$WORLD/says" >&2; [[ ! -s $WORLD/slow ]] || exec sleep 60; exit 1; }
	BODY
	cat >"$WORLD/says" <<-'TEXT'
		  + ERROR: An error occurred while sending post-request to https://x (Status 429)
		Details:
		Retry-After: 7200
		{ "type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many \"new\" orders", "status": 429 }
	TEXT
	enable
	assert_status 1
	assert_error_like '*web got no certificate: too many \\"new\\" orders (rateLimited)'
	read -r _ at _ <"$DATA/web/failed"
	((at - EPOCHSECONDS > 7100 && at - EPOCHSECONDS <= 7200))
	printf 'ERROR: Problem connecting to server (get for https://x; curl returned with 7)\n' \
		>"$WORLD/says"
	enable
	assert_error_like '*web got no certificate: Problem connecting to server (get for https://x; curl returned with 7)'
	echo 1 >"$WORLD/slow"
	DOKKU_ACME_SECONDS=0.3 enable
	assert_error_like '*web got no certificate: https://acme-v02.api.letsencrypt.org/directory did not issue it within 0.3 s'
	PATH=${PATH/$BIN:/} command -v dehydrated >/dev/null || {
		rm "$BIN/dehydrated"
		enable
		assert_error_like '*dehydrated is not installed: sudo apt-get install dehydrated'
	}
}
