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
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 \
			-subj "/CN=$name.example.com" \
			-addext "subjectAltName=DNS:web.example.com,DNS:www.example.com" \
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
	assert_equal "VHOST tls tls.previous" "$(ls -A "$DOKKU_ROOT/web" | paste -sd ' ')"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "certs:add: what does not fit is refused, and nothing changes" {
	dokku certs:add web "$WORLD/one.crt" "$WORLD/one.key"
	is_refused() {
		assert_status 1 && assert_output "" &&
			assert_error_like ' !     *; nothing was changed' &&
			[[ $stderr != *$'\n'* ]] &&
			cmp "$WORLD/one.crt" "$TLS/server.crt" &&
			assert_nothing_in "$DOKKU_LIB_ROOT/tmp" && assert_absent "$TLS.new"
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
	dokku certs:report web --ssl-hostnames
	assert_success ""
	dokku certs:report web --format json
	assert_equal '["false",""]' "$(jq --compact-output '[.enabled, .hostnames]' <<<"$output")"
	dokku certs:add web "$WORLD/one.crt" "$WORLD/one.key"
	dokku certs:show web crt
	assert_success "$(<"$WORLD/one.crt")"
	dokku certs:show web ../crt
	assert_refused "certs:show: \"../crt\" is not one of crt, key; nothing was done." \
		"Please retry with valid arguments. Usage:" \
		"dokku certs:show APP crt|key" 2
	dokku certs:report web --ssl-subject
	assert_success "CN = one.example.com"
	dokku certs:remove web
	assert_success "-----> web answers on HTTP only"
	assert_absent "$TLS"
}

@test "certs:generate: for every host name of the app" {
	dokku certs:generate web
	assert_success "-----> web has a certificate for web.example.com, valid for a year;" \
		"browsers warn about it until you certs:add a real one"
	dokku certs:report web --ssl-hostnames
	assert_success "web.example.com www.example.com"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
	dokku certs:generate web other.example.org
	assert_status 0
	assert_error " !     web: other.example.org is not a domain of web:" \
		"dokku domains:add web other.example.org lets it answer there"
	dokku certs:generate web www.example.com
	assert_error ""
	dokku certs:generate web 'a/b'
	assert_status 2
}

# killed_at PROGRAM WORDS - runs certs:add with another certificate, and kills it and all of its
# children before it runs PROGRAM with words that match the pattern WORDS.
killed_at() {
	fake "$1" <<<"[[ \"\$*\" != $2 || ( $1 == rm && ! -d \$DOKKU_ROOT/web/tls.gone ) ]] || kill -KILL 0; exec /bin/$1 \"\$@\""
	setsid --wait "$DOKKU" certs:add web "$WORLD/two.crt" "$WORLD/two.key" >"$WORLD/out" 2>&1 \
		3>&- || true
	command -p rm "$BIN/$1"
	assert_equal "" "$(<"$WORLD/out")"
}

@test "certs: killed at any step it leaves the old certificate or the new one, and reconcile nothing besides" {
	local program words wanted
	hook fake post-certs-update </dev/null
	mkdir -p "$DOKKU_LIB_ROOT/data/releases/web"
	dokku certs:add web "$WORLD/two.crt" "$WORLD/two.key"
	while read -r program words wanted; do
		dokku certs:add web "$WORLD/one.crt" "$WORLD/one.key"
		assert_status 0
		killed_at "$program" "$words" 2>/dev/null
		touch "$WORLD/now"
		dokku reconcile web
		assert_status 0
		assert_equal "VHOST tls tls.previous" "$(ls -A "$DOKKU_ROOT/web" | paste -sd ' ')"
		cmp "$WORLD/$wanted.key" "$TLS/server.key"
		[[ $wanted == one ]] || cmp "$WORLD/one.key" "$TLS.previous/server.key"
		# A newer folder makes dokku tell nginx again.
		[[ $words != *tls.new*web* && $words != *tls.gone || ! $WORLD/now -nt $TLS ]]
	done <<-'STEPS'
		mv *web/tls.new one
		mv *web/tls.old one
		mv *tls.new*web/tls one
		mv *web/tls.gone one
		rm *tls.previous two
		mv *tls.gone*tls.previous two
	STEPS
	# Of an app that was never deployed nobody takes it away before the next one.
	rm -r "$DOKKU_LIB_ROOT/data/releases/web"
	killed_at mv '*tls.new*web/tls' 2>/dev/null
	dokku certs:add web "$WORLD/two.crt" "$WORLD/two.key"
	assert_status 0
	cmp "$WORLD/two.key" "$TLS/server.key"
	assert_equal "VHOST tls tls.previous" "$(ls -A "$DOKKU_ROOT/web" | paste -sd ' ')"
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
	assert_equal "sync -- facts server.crt server.key tls.new
mv -T -- tls tls.old
mv -T -- tls.new tls
sync -- web
mv -T -- tls.old tls.gone
mv -T -- tls.gone tls.previous" "$(sed -n -e 's,a\\ world,,g' -e 's,[^ ]*/,,g' -e '/^sync\|^mv -T -- tls/p' "$CALLS")"
}

@test "certs:add: while somebody has the lock, and two at once" {
	hook fake post-certs-update \
		<<<'sleep 0.2; cat "$DOKKU_ROOT/web/tls/server.crt" >>"$WORLD/told"'
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

# --- what people have as a certificate -------------------------------------------

# sign NAME ISSUER [SUBJECT [OPTION…]] - makes NAME.key and NAME.crt, signed by ISSUER, or
# self-signed if ISSUER is NAME. stdin has the extensions.
sign() {
	local name=$1 issuer=$2 subject=${3:-/CN=$1} by=()
	openssl ecparam -genkey -noout -name prime256v1 -out "$WORLD/$name.key"
	openssl req -new -key "$WORLD/$name.key" -subj "$subject" -out "$WORLD/$name.csr"
	by=(-CA "$WORLD/$issuer.crt" -CAkey "$WORLD/$issuer.key" -CAcreateserial)
	[[ $name != "$issuer" ]] || by=(-key "$WORLD/$name.key")
	openssl x509 -req -in "$WORLD/$name.csr" "${by[@]}" -out "$WORLD/$name.crt" \
		-extfile /dev/stdin "${@:4}" 2>/dev/null
}

readonly NAMES='subjectAltName=DNS:web.example.com,DNS:www.example.com'

# chain - makes the certificates root, middle, which root signs, and leaf, which middle signs.
chain() {
	sign root root <<<'basicConstraints=critical,CA:TRUE'
	sign middle root <<<'basicConstraints=critical,CA:TRUE'
	sign leaf middle <<<"$NAMES"
}

# add CRT KEY - runs certs:add. If it succeeds, requires that the certificate is in use and that no
# temporary files are left.
add() {
	dokku certs:add web "$WORLD/$1" "$WORLD/$2"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

# assert_warned PATTERN… - requires that the certificate was accepted, with one warning.
assert_warned() {
	assert_status 0 && assert_output "$TAKEN" && assert_error_like " !     $*" &&
		[[ $stderr != *$'\n'* ]]
}

# assert_unchanged PATTERN… - requires that the certificate was refused with one line, and that the
# app has none.
assert_unchanged() {
	assert_status 1 && assert_output "" && assert_error_like " !     $*; nothing was changed" &&
		[[ $stderr != *$'\n'* ]] &&
		assert_absent "$TLS" "$TLS.new"
}

@test "certs:add: a certificate that expired, is not valid yet, or has one month left" {
	sign late late /CN=web.example.com -days -1 <<<"$NAMES"
	add late.crt late.key
	assert_warned "web: the certificate expired at * GMT, so browsers refuse it." \
		"Get another one, then: dokku certs:update web CRT KEY"
	# openssl 3.0 cannot date a certificate ahead.
	fake date <<<'/bin/date "$@"'
	fake openssl <<<'/usr/bin/openssl "$@" |
		sed "s/^notBefore=.*/notBefore=Jan  1 00:00:00 2094 GMT/"; exit "${PIPESTATUS[0]}"'
	add one.crt one.key
	assert_warned "web: the certificate is not valid before Jan  1 00:00:00 2094 GMT," \
		"and browsers refuse it until then"
	command -p rm "$BIN/openssl"
	sign soon soon /CN=web.example.com -days 30 <<<"$NAMES"
	add soon.crt soon.key
	assert_success "$TAKEN"
}

@test "certs:add: a certificate for other names, some of the names, a star, or no names" {
	sign other other /CN=web.example.com <<<'subjectAltName=DNS:shop.example.net'
	add other.crt other.key
	assert_warned "web: the certificate is for shop.example.net," \
		"so browsers refuse it at web.example.com, www.example.com. Get one *"
	sign some some /CN=web.example.com <<<'subjectAltName=DNS:WWW.example.com,IP:10.0.0.1'
	add some.crt some.key
	assert_warned "web: the certificate is for WWW.example.com, 10.0.0.1," \
		"so browsers refuse it at web.example.com. *"
	sign star star /CN=web.example.com <<<'subjectAltName=DNS:*.example.com'
	add star.crt star.key
	assert_success "$TAKEN"
	hook fake app-domains <<<'printf "a.b.example.com\nexample.com\n*.example.com\n"'
	add star.crt star.key
	assert_warned "web: the certificate is for \*.example.com," \
		"so browsers refuse it at a.b.example.com, example.com. *"
	hook fake app-domains <<<':'
	add star.crt star.key
	assert_success "$TAKEN"
	sign none none /CN=web.example.com <<<'basicConstraints=CA:FALSE'
	add none.crt none.key
	assert_warned "web: the certificate has no subjectAltName, *"
}

@test "certs:add: the chain is put in order, without what is twice or leads nowhere" {
	chain
	cat "$WORLD"/{root,middle,leaf}.crt >"$WORLD/wrong.crt"
	add wrong.crt leaf.key
	assert_status 0
	assert_error ""
	assert_output "       The certificates were put in order, the app's own first.
$TAKEN"
	cmp "$TLS/server.crt" <(cat "$WORLD"/{leaf,middle,root}.crt)
	cat "$WORLD"/{leaf,leaf,one,middle,middle,root}.crt >"$WORLD/more.crt"
	add more.crt leaf.key
	assert_status 0
	assert_output "       Left out, because the app's own certificate does not lead to them: CN = one.example.com
$TAKEN"
	cmp "$TLS/server.crt" <(cat "$WORLD"/{leaf,middle,root}.crt)
	# A renewal for the same key, with the old one still in the file.
	openssl x509 -req -in "$WORLD/leaf.csr" -CA "$WORLD/middle.crt" -CAkey "$WORLD/middle.key" \
		-days 90 \
		-extfile <(printf '%s\n' "$NAMES") -out "$WORLD/renewed.crt" 2>/dev/null
	cat "$WORLD"/{leaf,renewed,middle,root}.crt >"$WORLD/both.crt"
	add both.crt leaf.key
	assert_status 0
	cmp "$TLS/server.crt" <(cat "$WORLD"/{renewed,middle,root}.crt)
}

@test "certs:add: a chain that ends too early is named, and one that breaks" {
	chain
	add leaf.crt leaf.key
	assert_warned "web: the chain ends at CN = leaf, and this server does not know its" \
		"issuer, CN = middle. Clients *"
	cat "$WORLD"/{leaf,root}.crt >"$WORLD/gap.crt"
	add gap.crt leaf.key
	assert_status 0
	assert_error_like "*the chain ends at CN = leaf, *"
	cat "$WORLD"/{leaf,middle}.crt >"$WORLD/usual.crt"
	add usual.crt leaf.key
	assert_warned "web: the chain ends at CN = middle, and this server does not know its" \
		"issuer, CN = root. *"
	# Another key under the name of the issuer.
	cp "$WORLD/leaf.crt" "$WORLD/kept.crt"
	cp "$WORLD/leaf.key" "$WORLD/kept.key"
	chain
	cat "$WORLD"/{kept,middle,root}.crt >"$WORLD/broken.crt"
	add broken.crt kept.key
	assert_warned "web: CN = middle, as it is in the file, has not signed CN = leaf," \
		"so browsers refuse it. *"
}

@test "certs:add: CRLF, text around, a byte order mark, no newline between two, a key of each kind" {
	chain
	cat "$WORLD"/{leaf,middle,root}.crt >"$WORLD/good.crt"
	taken() {
		assert_success "$TAKEN" && cmp "$WORLD/good.crt" "$TLS/server.crt" &&
			cmp <(openssl pkey -in "$WORLD/leaf.key") "$TLS/server.key"
	}
	sed 's/$/\r/' "$WORLD/good.crt" >"$WORLD/x.crt"
	sed 's/$/\r/' "$WORLD/leaf.key" >"$WORLD/x.key"
	add x.crt x.key
	taken
	{
		printf '\xef\xbb\xbf'
		printf '%s' "$(<"$WORLD/leaf.crt")" "$(<"$WORLD/middle.crt")" \
			"$(<"$WORLD/root.crt")"
	} >"$WORLD/x.crt"
	add x.crt leaf.key
	taken
	openssl x509 -in "$WORLD/leaf.crt" -text >"$WORLD/x.crt"
	printf 'Bag Attributes\n    friendlyName: x\n' >>"$WORLD/x.crt"
	sed 's/^/  /' "$WORLD/middle.crt" "$WORLD/root.crt" >>"$WORLD/x.crt"
	{
		openssl ecparam -name prime256v1
		printf 'Bag Attributes\n'
		cat "$WORLD/leaf.key"
	} >"$WORLD/x.key"
	add x.crt x.key
	taken
	openssl pkcs12 -export -in "$WORLD/good.crt" -inkey "$WORLD/leaf.key" -passout pass: \
		-out "$WORLD/x.p12"
	openssl pkcs12 -in "$WORLD/x.p12" -nodes -passin pass: -out "$WORLD/both.pem"
	add both.pem both.pem
	taken
	assert_mode "$TLS/server.key" 600
	# The key is not where the certificate is.
	[[ $(<"$TLS/server.crt") != *PRIVATE* ]]
	openssl x509 -in "$WORLD/leaf.crt" -trustout -addtrust serverAuth -out "$WORLD/x.crt"
	cat "$WORLD"/{middle,root}.crt >>"$WORLD/x.crt"
	add x.crt leaf.key
	taken
	openssl req -x509 -newkey ed25519 -nodes -days 1 -subj /CN=x -addext "$NAMES" \
		-keyout "$WORLD/ed.key" -out "$WORLD/ed.crt" 2>/dev/null
	add ed.crt ed.key
	assert_success "$TAKEN"
}

@test "certs:add: UTF-16, as PowerShell writes it, is refused by that name" {
	iconv -f UTF-8 -t UTF-16 "$WORLD/one.crt" >"$WORLD/16.crt"
	iconv -f UTF-8 -t UTF-16 "$WORLD/one.key" >"$WORLD/16.key"
	add 16.crt one.key
	assert_unchanged "the file of the certificate is UTF-16: save it as UTF-8"
	add one.crt 16.key
	assert_unchanged "the file of the private key is UTF-16: save it as UTF-8"
}

@test "certs:add: DER, PKCS#12 and PKCS#7 are refused with the command that converts them" {
	openssl x509 -in "$WORLD/one.crt" -outform DER -out "$WORLD/x.der"
	add x.der one.key
	assert_unchanged "the certificate is not in PEM form. Convert it with:" \
		"openssl x509 -inform DER -in FILE -out server.crt"
	openssl pkey -in "$WORLD/one.key" -outform DER -out "$WORLD/x.key"
	add one.crt x.key
	assert_unchanged "the private key is not in PEM form. Convert it with:" \
		"openssl pkey -inform DER -in FILE -out server.key"
	openssl pkcs12 -export -in "$WORLD/one.crt" -inkey "$WORLD/one.key" -passout pass:secret \
		-out "$WORLD/x.p12"
	add x.p12 x.p12
	assert_unchanged "the private key is not in PEM form. Convert it with:" \
		"openssl pkcs12 -in FILE -nodes -out both.pem, *"
	add x.p12 one.key
	assert_unchanged "the certificate is not in PEM form. Convert it with:" \
		"openssl pkcs12 -in FILE -nodes -out both.pem, *"
	openssl crl2pkcs7 -nocrl -certfile "$WORLD/one.crt" -out "$WORLD/x.p7b"
	add x.p7b one.key
	assert_unchanged "the certificate is not in PEM form. Convert it with:" \
		"openssl pkcs7 -print_certs -in FILE -out server.crt, *"
}

@test "certs:add: a passphrase, a weak key or signature, damage, and what is no file" {
	openssl pkey -in "$WORLD/one.key" -aes128 -passout pass:secret -out "$WORLD/x.key"
	add one.crt x.key
	assert_unchanged "the private key has a passphrase, *: openssl pkey -in KEY -out server.key"
	openssl ec -in "$WORLD/one.key" -aes128 -passout pass:secret -out "$WORLD/x.key" 2>/dev/null
	add one.crt x.key
	assert_unchanged "the private key has a passphrase, *"
	openssl req -x509 -newkey rsa:1024 -nodes -days 1 -subj /CN=x -addext "$NAMES" \
		-keyout "$WORLD/x.key" -out "$WORLD/x.crt" 2>/dev/null
	add x.crt x.key
	assert_unchanged "the key of CN = x has 1024 bits, and the proxy needs at least 2048. *"
	sign root root <<<'basicConstraints=critical,CA:TRUE'
	sign old root /CN=old -sha1 <<<"$NAMES"
	add old.crt old.key
	assert_unchanged \
		"CN = old is signed with ecdsa-with-SHA1, which the proxy and browsers refuse. *"
	sed '4d' "$WORLD/one.crt" >"$WORLD/x.crt"
	add x.crt one.key
	assert_unchanged "certificate 1 of the file is damaged"
	head -n 4 "$WORLD/one.crt" >"$WORLD/x.crt"
	add x.crt one.key
	assert_unchanged "certificate 1 of the file is damaged"
	sed '2d' "$WORLD/one.key" >"$WORLD/x.key"
	add one.crt x.key
	assert_unchanged "the private key is damaged, *"
	: >"$WORLD/x.crt"
	add x.crt one.key
	assert_unchanged "the file of the certificate is empty"
	mkfifo "$WORLD/fifo"
	for name in fifo /../../../../../../../../dev/zero missing; do
		got timeout 20 "$DOKKU" certs:add web "$WORLD/$name" "$WORLD/one.key"
		assert_unchanged "cannot read *, or it is no plain file"
	done
	rm "$WORLD/x.key"
	mkfifo "$WORLD/x.key"
	got timeout 20 "$DOKKU" certs:add web < <(tar --create --directory "$WORLD" one.crt x.key)
	assert_unchanged "certs:add: in the tar, x.key is not a regular file"
	truncate --size 1G "$WORLD/x.crt"
	add x.crt one.key
	assert_unchanged "x.crt has more than 262144 bytes, too many for a certificate or key"
}

@test "certs:report: the keys of Dokku, with and without what certs:add has noted" {
	local wanted
	add one.crt one.key
	wanted="=====> web ssl information
       Ssl dir:                          $TLS
       Ssl enabled:                      true
       Ssl hostnames:                    web.example.com www.example.com
       Ssl expires at:                   $(openssl x509 -in "$WORLD/one.crt" -noout -enddate | cut -d = -f 2)
       Ssl issuer:                       CN = one.example.com
       Ssl starts at:                    $(openssl x509 -in "$WORLD/one.crt" -noout -startdate | cut -d = -f 2)
       Ssl subject:                      CN = one.example.com
       Ssl verified:                     self signed
       Ssl renewal:                      "
	fake openssl <<<'exit 1'
	dokku certs:report web
	assert_success "$wanted"
	command -p rm "$BIN/openssl"
	rm "$TLS/facts"
	dokku certs:report web
	assert_success "$wanted"
	# Somebody has put another one there.
	add one.crt one.key
	cp "$WORLD/two.crt" "$TLS/server.crt"
	touch --date 'now +1 minute' "$TLS/server.crt"
	dokku certs:report web --ssl-subject
	assert_success "CN = two.example.com"
	printf 'x\n' >"$TLS/server.crt"
	touch --date 'now +1 minute' "$TLS/server.crt"
	dokku certs:report web --ssl-verified
	assert_success "not verified: server.crt holds no certificate"
}

@test "certs:add: of a tar, or by name, only regular files of a sensible size are read, and nobody waits for a pipe" {
	local odd="$WORLD/odd" reason
	mkdir "$odd"
	while IFS='|' read -r make reason; do
		rm -rf "$odd"
		mkdir "$odd"
		cp "$WORLD/two.crt" "$odd/x.crt"
		(cd "$odd" && bash -c "$make")
		got timeout 20 "$DOKKU" certs:add web \
			< <(cd "$odd" && tar --create --sparse --preserve-permissions -- *)
		assert_refused "certs:add: $reason; nothing was changed"
		assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
		assert_absent "$TLS" "$TLS.new"
	done <<-'ODD'
		mkfifo x.key|in the tar, x.key is not a regular file
		ln -s /etc/hostname x.key|in the tar, x.key is a link
		mkdir -m 700 x.key; touch x.key/y; chmod 0 x.key|in the tar, x.key is not a regular file
		truncate --size 1G x.key|in the tar, x.key is larger than 1048576 bytes
		head --bytes 2M /dev/urandom >x.key|name CRT and KEY, or send a tar of them on stdin, of at most 1024 KiB
	ODD
	# Absolute names and those above are not written to.
	cp "$WORLD/two.key" "$WORLD/x.key"
	got "$DOKKU" certs:add web \
		< <(tar --create --absolute-names "$WORLD/x.key" "$WORLD/two.crt")
	assert_status 1
	mkfifo "$WORLD/pipe.key"
	got timeout 20 "$DOKKU" certs:add web "$WORLD/two.crt" "$WORLD/pipe.key"
	assert_refused "cannot read $WORLD/pipe.key, or it is no plain file; nothing was changed"
	# A pipe that somebody writes to is as good as a file.
	got "$DOKKU" certs:add web <(cat "$WORLD/two.crt") <(cat "$WORLD/two.key")
	assert_status 0
}
