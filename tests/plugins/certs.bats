#!/usr/bin/env bats
# certs: a certificate and its own key, or nothing changes.

load ../helper

setup() {
	world
	made_plugins certs
	make_app web
	hook fake app-domains <<<'printf "web.example.com\nwww.example.com\n"'
	local name
	for name in one two; do
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj "/CN=$name.example.com" \
			-keyout "$WORLD/$name.key" -out "$WORLD/$name.crt" 2>/dev/null
	done
	TLS="$DOKKU_ROOT/web/tls"
	: >"$STEPS"
}

readonly TAKEN="-----> web answers on HTTPS and on HTTP (dokku nginx:set web https-redirect true redirects)"

@test "certs:add: from two files and from a tar on stdin" {
	hook fake post-certs-update </dev/null
	dokku certs:add web "$WORLD/one.crt" "$WORLD/one.key"
	assert_success "$TAKEN"
	cmp "$WORLD/one.crt" "$TLS/server.crt"
	assert_mode "$TLS/server.key" 600
	got "$DOKKU" certs:add web < <(tar --create --directory "$WORLD" two.crt two.key)
	assert_success "$TAKEN"
	cmp "$WORLD/two.key" "$TLS/server.key"
	assert_equal 2 "$(grep -c 'post-certs-update web' "$STEPS")"
	assert_equal "VHOST tls" "$(ls -A "$DOKKU_ROOT/web" | paste -sd ' ')"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "certs:add: what does not fit is refused, and nothing changes" {
	dokku certs:add web "$WORLD/one.crt" "$WORLD/one.key"
	is_refused() {
		assert_status 1 && assert_output "" && assert_error_like ' !     *; nothing was changed' && [[ $stderr != *$'\n'* ]] &&
			cmp "$WORLD/one.crt" "$TLS/server.crt" && assert_nothing_in "$DOKKU_LIB_ROOT/tmp" && assert_absent "$TLS.new"
	}
	dokku certs:add web "$WORLD/one.crt" "$WORLD/two.key"
	assert_refused "the key does not belong to the certificate; nothing was changed"
	dokku certs:add web "$WORLD/one.key" "$WORLD/one.key"
	is_refused
	dokku certs:add web "$WORLD/one.crt" "$WORLD/one.crt"
	is_refused
	got "$DOKKU" certs:add web <<<"no tar"
	is_refused
	got "$DOKKU" certs:add web < <(tar --create --directory "$WORLD" two.crt)
	is_refused
	got "$DOKKU" certs:add web < <(tar --create --directory "$WORLD" one.crt two.crt two.key)
	is_refused
	ln -s /etc/passwd "$WORLD/link.key"
	got "$DOKKU" certs:add web < <(tar --create --directory "$WORLD" two.crt link.key)
	is_refused
}

@test "certs: where nginx does not take it the old one is back" {
	dokku certs:add web "$WORLD/one.crt" "$WORLD/one.key"
	hook fake post-certs-update <<<'cmp -s "$WORLD/one.crt" "$DOKKU_ROOT/web/tls/server.crt"'
	dokku certs:update web "$WORLD/two.crt" "$WORLD/two.key"
	assert_status 1
	cmp "$WORLD/one.crt" "$TLS/server.crt"
	cmp "$WORLD/one.key" "$TLS/server.key"
	assert_absent "$TLS.old" "$TLS.new" "$TLS.gone"
}

@test "certs:remove, :show, :report" {
	dokku certs:remove web
	assert_refused "web has no certificate"
	dokku certs:report web --ssl-enabled
	assert_success false
	dokku certs:add web "$WORLD/one.crt" "$WORLD/one.key"
	dokku certs:show web crt
	assert_success "$(<"$WORLD/one.crt")"
	dokku certs:show web ../crt
	assert_refused "certs:show: \"../crt\" is not one of crt, key; nothing was done. Usage: dokku certs:show APP crt|key" 2
	dokku certs:report web --ssl-subject
	assert_success "CN = one.example.com"
	dokku certs:remove web
	assert_success "-----> web answers on HTTP only"
	assert_absent "$TLS"
}

@test "certs:generate: for every host name of the app" {
	dokku certs:generate web
	assert_success "-----> web has a certificate for web.example.com, valid for a year; browsers warn about it until you certs:add a real one"
	dokku certs:report web --ssl-hostnames
	assert_success "web.example.com www.example.com"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
	dokku certs:generate web 'a/b'
	assert_status 2
}

# killed_at PROGRAM WORDS - certs:add of another certificate is killed, with all its tree, before PROGRAM is run with such words, a
# pattern, while tls.gone is there for rm.
killed_at() {
	fake "$1" <<<"[[ \"\$*\" != $2 || ( $1 == rm && ! -d \$DOKKU_ROOT/web/tls.gone ) ]] || kill -KILL 0; exec /bin/$1 \"\$@\""
	setsid --wait "$DOKKU" certs:add web "$WORLD/two.crt" "$WORLD/two.key" >"$WORLD/out" 2>&1 3>&- || true
	command -p rm "$BIN/$1"
	assert_equal "" "$(<"$WORLD/out")"
}

@test "certs: killed at any step it leaves the old certificate or the new one, and reconcile nothing besides" {
	local program words wanted
	hook fake post-certs-update </dev/null
	mkdir -p "$DOKKU_LIB_ROOT/data/releases/web"
	while read -r program words wanted; do
		dokku certs:add web "$WORLD/one.crt" "$WORLD/one.key"
		assert_status 0
		killed_at "$program" "$words" 2>/dev/null
		touch "$WORLD/now"
		dokku reconcile web
		assert_status 0
		assert_equal "VHOST tls" "$(ls -A "$DOKKU_ROOT/web" | paste -sd ' ')"
		cmp "$WORLD/$wanted.key" "$TLS/server.key"
		# So that nginx is told again.
		[[ $words != *tls.new*web* && $words != *tls.gone || ! $WORLD/now -nt $TLS ]]
	done <<-'STEPS'
		mv *web/tls.new one
		mv *web/tls.old one
		mv *tls.new*web/tls one
		mv *web/tls.gone one
		rm *tls.gone* two
	STEPS
	# Of an app that was never deployed nobody takes it away before the next one.
	rm -r "$DOKKU_LIB_ROOT/data/releases/web"
	killed_at mv '*tls.new*web/tls' 2>/dev/null
	dokku certs:add web "$WORLD/two.crt" "$WORLD/two.key"
	assert_status 0
	cmp "$WORLD/two.key" "$TLS/server.key"
	assert_equal "VHOST tls" "$(ls -A "$DOKKU_ROOT/web" | paste -sd ' ')"
}

@test "certs:add: what is new is newer than what nginx was told while it waited, and on the disk before the old one goes" {
	dokku certs:add web "$WORLD/one.crt" "$WORLD/one.key"
	fake openssl <<<'touch "$WORLD/mark"; exec /usr/bin/openssl "$@"'
	fake mv <<<'exec /bin/mv "$@"'
	fake sync <<<'for file in "${@:2}"; do [[ -e $file ]] || exit 1; done'
	hook fake post-certs-update <<<'[[ ! $WORLD/mark -nt $DOKKU_ROOT/web/tls ]]'
	: >"$CALLS"
	got "$DOKKU" certs:add web < <(tar --create --directory "$WORLD" two.crt two.key)
	assert_success "$TAKEN"
	assert_equal "sync -- server.crt server.key tls.new
mv -T -- tls tls.old
mv -T -- tls.new tls
sync -- web
mv -T -- tls.old tls.gone" "$(sed -n -e 's,a\\ world,,g' -e 's,[^ ]*/,,g' -e '/^sync\|^mv -T -- tls/p' "$CALLS")"
}

@test "certs:add: while somebody has the lock, and two at once" {
	hook fake post-certs-update <<<'sleep 0.2; cat "$DOKKU_ROOT/web/tls/server.crt" >>"$WORLD/told"'
	local first status=0
	"$DOKKU" certs:add web "$WORLD/one.crt" "$WORLD/one.key" >/dev/null 2>&1 3>&- &
	first=$!
	"$DOKKU" certs:add web "$WORLD/two.crt" "$WORLD/two.key" >/dev/null 2>&1 3>&-
	wait "$first"
	assert_equal "$(cat "$WORLD/one.crt" "$WORLD/two.crt" | sort)" "$(sort "$WORLD/told")"
	exec 9>"$DOKKU_LIB_ROOT/lock/web"
	flock 9
	DOKKU_LOCK_WAIT=0 dokku certs:add web "$WORLD/one.crt" "$WORLD/one.key"
	assert_status 1
	assert_error_like " !     web: its certificate was not changed: web is busy: *"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "certs:add: of a tar, or by name, only regular files of a sensible size are read, and nobody waits for a pipe" {
	local odd="$WORLD/odd" reason
	mkdir "$odd"
	while IFS='|' read -r make reason; do
		rm -rf "$odd"
		mkdir "$odd"
		cp "$WORLD/two.crt" "$odd/x.crt"
		(cd "$odd" && bash -c "$make")
		got timeout 20 "$DOKKU" certs:add web < <(cd "$odd" && tar --create --sparse --preserve-permissions -- *)
		assert_refused "certs:add: $reason; nothing was changed"
		assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
		assert_absent "$TLS" "$TLS.new"
	done <<-'ODD'
		mkfifo x.key|in the tar, x.key is not a regular file
		ln -s /etc/hostname x.key|in the tar, x.key is a link
		mkdir -m 700 x.key; touch x.key/y; chmod 0 x.key|in the tar, x.key is not a regular file
		truncate --size 1G x.key|in the tar, x.key is larger than 1048576 bytes
		head --bytes 2M /dev/urandom >x.key|name CRT and KEY, or give a tar of them on stdin, of at most 1024 KiB
	ODD
	# Absolute names and those above are not written to.
	cp "$WORLD/two.key" "$WORLD/x.key"
	got "$DOKKU" certs:add web < <(tar --create --absolute-names "$WORLD/x.key" "$WORLD/two.crt")
	assert_status 1
	mkfifo "$WORLD/pipe.key"
	got timeout 20 "$DOKKU" certs:add web "$WORLD/two.crt" "$WORLD/pipe.key"
	assert_refused "cannot read $WORLD/two.crt and $WORLD/pipe.key; nothing was changed"
}
