#!/usr/bin/env bats
# domains: which host names are valid, which app has them, and that nginx may refuse them. Also url
# and urls.

load ../helper

setup() {
	world
	made_plugins domains url urls config
	printf 'example.com\n' >"$DOKKU_ROOT/VHOST"
	make_app web blog
}

@test "host names that are none are refused" {
	is_refused() {
		dokku domains:add web -- "$1"
		assert_status 1 && assert_output "" &&
			assert_error_like ' !     not a host name: "*": letters, digits, hyphens,' \
				'dots, and \*. at most at its start; nothing was changed' &&
			assert_file "$DOKKU_ROOT/web/VHOST" web.example.com
	}
	each is_refused <<-'NAMES'
		.
		a..
		.a
		a..b
		-a.com
		a-.com
		a_b.com
		a b.com
		a.com\n
		a.com\nb.com
		a.com;
		a.com{
		$(id).com
		*
		a.*.com
		*a.com
		*.*.com
		http://a.com
		a.com/x
		a.com:80
		aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.com
		--all
	NAMES
	dokku domains:add web "$(printf 'a.%.0s' {1..127})com"
	assert_status 1
}

@test "host names that are some" {
	dokku domains:add web a.com '*.a.com' 1.2.com xn--bcher-kva.example localhost A.Upper.com
	assert_success "-----> web answers to: web.example.com a.com *.a.com 1.2.com" \
		"xn--bcher-kva.example localhost a.upper.com"
}

@test "add, remove, set, clear, reset; nginx is told each time" {
	hook fake post-domains-update </dev/null
	dokku domains:add web a.com b.com a.com
	assert_success "-----> web answers to: web.example.com a.com b.com"
	dokku domains:remove web a.com
	assert_success "-----> web answers to: web.example.com b.com"
	dokku domains:set web c.com
	assert_success "-----> web answers to: c.com"
	dokku domains:clear web
	assert_success \
		"-----> web answers to no host name now: dokku domains:add web DOMAIN gives it one"
	assert_file "$DOKKU_ROOT/web/VHOST" ""
	dokku domains:reset web
	assert_success "-----> web answers to: web.example.com"
	assert_equal 5 "$(grep -c 'post-domains-update web' "$STEPS")"
}

@test "a domain of another app is refused, in any case of its letters, and nothing is added" {
	dokku domains:add blog Shop.com
	: >"$STEPS"
	dokku domains:add web ok.com shop.COM
	assert_refused "shop.com is a domain of blog: dokku domains:remove blog shop.com frees" \
		"it; nothing was changed"
	dokku domains:set web shop.com
	assert_refused "shop.com is a domain of blog: dokku domains:remove blog shop.com frees" \
		"it; nothing was changed"
	assert_file "$DOKKU_ROOT/web/VHOST" web.example.com
	dokku domains:remove blog Shop.com
	dokku domains:add web shop.com
	assert_status 0
	dokku domains:add web shop.com
	assert_success "-----> web answers to: web.example.com shop.com"
}

@test "no program that fails costs an app its domains, or gives one to two apps" {
	local name
	dokku domains:add web a.com b.com
	for name in grep awk sed sort cat; do
		fake "$name" <<<'exit 1'
		dokku domains:remove web a.com
		assert_success "-----> web answers to: web.example.com b.com"
		dokku domains:add web a.com
		assert_success "-----> web answers to: web.example.com b.com a.com"
		dokku domains:add blog A.com
		assert_refused "a.com is a domain of web: dokku domains:remove web a.com frees" \
			"it; nothing was changed"
		dokku domains:add-global c.com
		dokku domains:remove-global c.com
		assert_success "-----> Global domains: example.com"
		rm "$BIN/$name"
		dokku domains:set web web.example.com a.com b.com
	done
	fake_write <<<'[[ $1 != */VHOST ]] || exit 1'
	dokku domains:clear web
	assert_status 1
	assert_equal "web.example.com a.com b.com" "$(paste -sd " " "$DOKKU_ROOT/web/VHOST")"
}

@test "two apps that ask for one domain at once: one gets it" {
	local i app pids
	hook fake post-domains-update </dev/null
	for i in 1 2 3 4; do
		pids=()
		for app in web blog; do
			"$DOKKU" domains:add "$app" "at$i.com" >/dev/null 2>&1 3>&- &
			pids+=("$!")
		done
		wait "${pids[0]}" || true
		wait "${pids[1]}" || true
		assert_equal 1 "$(cat "$DOKKU_ROOT"/{web,blog}/VHOST | grep -cx "at$i.com")"
	done
	# Found by whoever is late, under the lock.
	printf 'own.com\n' >"$DOKKU_ROOT/blog/VHOST"
	DOKKU_LOCKED=web code domains 'domains_change add web OWN.com'
	assert_refused "OWN.com is a domain of blog: dokku domains:remove blog OWN.com frees it;" \
		"nothing was changed"
	pids=()
	for i in 1 2 3 4 5 6; do
		"$DOKKU" domains:add-global "g$i.com" >/dev/null 2>&1 3>&- &
		pids+=("$!")
	done
	wait "${pids[@]}"
	assert_equal 7 "$(wc -l <"$DOKKU_ROOT/VHOST")"
}

@test "domains:remove: one that is not its own" {
	dokku domains:remove web blog.example.com
	assert_refused "blog.example.com is not a domain of web; nothing was changed"
	dokku domains:remove web
	assert_refused "domains:remove: DOMAIN is missing; nothing was done." \
		"Please retry with valid arguments. Usage:" \
		"dokku domains:remove APP DOMAIN..." 2
	dokku domains:add ghost a.com
	assert_refused "App ghost does not exist"
}

@test "where nginx does not take it the list stays as it was, and nginx is told again" {
	hook fake post-domains-update <<<'if grep -q bad "$DOKKU_ROOT/web/VHOST"
		then printf " !     nginx says no\n" >&2; exit 1; fi'
	dokku domains:add web bad.com
	assert_refused "nginx says no
 !     web keeps the domains that it had: see the message above"
	assert_file "$DOKKU_ROOT/web/VHOST" web.example.com
	assert_steps "post-domains-update web add bad.com
post-domains-update web"
}

# names APP - those that a new app gets, in its folder that is not yet in its place.
names() {
	mkdir -p "$DOKKU_ROOT/.new.1.abcdef"
	got "$PLUGIN_PATH/domains/pre-create" "$1" "$DOKKU_ROOT/.new.1.abcdef"
}

@test "a new app gets APP.GLOBAL of each; one whose name is a host name that alone" {
	printf 'example.com\nexample.org\n' >"$DOKKU_ROOT/VHOST"
	names new
	assert_success ""
	assert_file "$DOKKU_ROOT/.new.1.abcdef/VHOST" "new.example.com
new.example.org"
	assert_mode "$DOKKU_ROOT/.new.1.abcdef/VHOST" 644
	names my.site.net
	assert_file "$DOKKU_ROOT/.new.1.abcdef/VHOST" my.site.net
}

@test "a new app does not get the name that another one answers to" {
	dokku domains:add blog new.example.com
	names new
	assert_file "$DOKKU_ROOT/.new.1.abcdef/VHOST" ""
	assert_status 0
}

@test "apps:create: the hook of a plugin that fails is told, and the app has its names" {
	ln -s "$PLUGIN_CORE_AVAILABLE_PATH/apps" "$PLUGIN_PATH/apps"
	hook a-plugin post-create <<<'exit 1'
	dokku apps:create new
	assert_file "$DOKKU_ROOT/new/VHOST" new.example.com
	assert_status 0
	assert_output "-----> Created new"
	assert_error " !     the plugin a-plugin failed, and this goes on without it: its hook" \
		"post-create ended with status 1; dokku plugin:disable a-plugin turns it off"
	# Where the names cannot be written there is no app.
	fake_write <<<'[[ $1 != */VHOST ]] || { printf "no space left\n" >&2; exit 1; }'
	dokku apps:create other
	assert_status 1
	assert_error "no space left"
	assert_absent "$DOKKU_ROOT/other" "$DOKKU_ROOT"/.new.*
}

@test "of two apps that are created at once one has the name that both would have; others it keeps" {
	mkdir "$DOKKU_ROOT/new"
	printf 'new.example.com\nnew.example.org\n' >"$DOKKU_ROOT/new/VHOST"
	got "$PLUGIN_PATH/domains/post-create" new
	assert_success ""
	assert_file "$DOKKU_ROOT/new/VHOST" "new.example.com
new.example.org"
	mkdir "$DOKKU_ROOT/new.example.com"
	printf 'new.example.com\n' >"$DOKKU_ROOT/new.example.com/VHOST"
	got "$PLUGIN_PATH/domains/post-create" new
	assert_success ""
	assert_file "$DOKKU_ROOT/new/VHOST" new.example.org
	got "$PLUGIN_PATH/domains/post-create" new.example.com
	assert_success ""
	assert_file "$DOKKU_ROOT/new.example.com/VHOST" new.example.com
}

@test "global domains: add, set, remove, clear; apps keep what they have" {
	dokku domains:add-global example.org
	assert_success "-----> Global domains: example.com example.org"
	dokku domains:remove-global example.com
	assert_success "-----> Global domains: example.org"
	dokku domains:set-global a.com b.com
	assert_success "-----> Global domains: a.com b.com"
	dokku domains:set-global 'a b'
	assert_refused 'not a host name: "a b": letters, digits, hyphens, dots, and *.' \
		'at most at its start; nothing was changed'
	dokku domains:clear-global
	assert_success "-----> Global domains: "
	assert_file "$DOKKU_ROOT/web/VHOST" web.example.com
	dokku domains:add-global
	assert_refused "domains:add-global: DOMAIN is missing; nothing was done." \
		"Please retry with valid arguments. Usage:" \
		"dokku domains:add-global DOMAIN..." 2
}

@test "enable, disable, app-domains, report" {
	got "$PLUGIN_PATH/domains/app-domains" web
	assert_success web.example.com
	dokku domains:disable web
	assert_success ""
	got "$PLUGIN_PATH/domains/app-domains" web
	assert_success ""
	dokku domains:report web
	assert_success "=====> web domains information
       Domains app enabled:              false
       Domains app vhosts:               web.example.com
       Domains global enabled:           true
       Domains global vhosts:            example.com"
	dokku domains:enable web
	dokku domains:report web --domains-app-enabled
	assert_success true
	dokku domains:report web --format json
	assert_equal '{"app-enabled":"true","app-vhosts":"web.example.com","global-enabled":"true","global-vhosts":"example.com"}' \
		"$(jq --compact-output 'with_entries(select(.key | startswith("domains-") | not))' <<<"$output")"
	# Dokku writes each key also with the plugin's name.
	assert_equal example.com "$(jq --raw-output '."domains-global-vhosts"' <<<"$output")"
}

@test "url: the first that is no wildcard, https with a certificate; urls: all" {
	dokku domains:set web '*.wild.com' a.com b.com
	dokku url web
	assert_success http://a.com
	dokku urls web
	assert_success "http://a.com
http://b.com"
	mkdir "$DOKKU_ROOT/web/tls"
	touch "$DOKKU_ROOT/web/tls/server.crt"
	dokku url web
	assert_success https://a.com
	dokku urls web
	assert_success "http://a.com
https://a.com
http://b.com
https://b.com"
	dokku domains:clear web
	dokku url web
	assert_refused "web has no host name: dokku domains:add web DOMAIN gives it one"
}

@test "capitals and a dot at the end mean nothing in a host name" {
	dokku domains:add web EXAMPLE.org example.ORG. www.Example.org
	assert_success "-----> web answers to: web.example.com example.org www.example.org"
	dokku domains:add web Example.Org
	assert_success "-----> web answers to: web.example.com example.org www.example.org"
	dokku domains:add blog eXample.org
	assert_refused "example.org is a domain of web: dokku domains:remove web example.org" \
		"frees it; nothing was changed"
	dokku domains:remove web EXAMPLE.ORG.
	assert_success "-----> web answers to: web.example.com www.example.org"
	dokku domains:remove web example.org
	assert_refused "example.org is not a domain of web; nothing was changed"
	dokku domains:set web '*.Example.NET' B.example.net b.example.net
	assert_success "-----> web answers to: *.example.net b.example.net"
	dokku domains:set-global My.Example.COM
	assert_success "-----> Global domains: my.example.com"
	dokku domains:remove-global MY.example.com
	assert_file "$DOKKU_ROOT/VHOST" ""
}

@test "what an older version has kept with capitals is found in any case" {
	printf 'EXAMPLE.org\nother.org\n' >"$DOKKU_ROOT/web/VHOST"
	got "$PLUGIN_CORE_AVAILABLE_PATH/domains/app-domains" web
	assert_success "example.org
other.org"
	dokku domains:add blog example.ORG
	assert_refused "example.org is a domain of web: dokku domains:remove web example.org" \
		"frees it; nothing was changed"
	dokku domains:add web example.org
	assert_success "-----> web answers to: example.org other.org"
	printf 'EXAMPLE.org\nother.org\n' >"$DOKKU_ROOT/web/VHOST"
	dokku domains:remove web example.org
	assert_success "-----> web answers to: other.org"
	assert_file "$DOKKU_ROOT/web/VHOST" other.org
}

@test "what somebody wrote with a dot or CR at its end belongs to that app, too" {
	local name
	printf 'Shop.Example.org.\r\nother.example.org\r\n' >"$DOKKU_ROOT/blog/VHOST"
	for name in shop.example.org SHOP.example.org. other.example.org; do
		dokku domains:add web "$name"
		assert_status 1
		assert_error_like ' !     * is a domain of blog: dokku domains:remove blog *'
	done
	dokku domains:add blog new.example.org
	assert_success "-----> blog answers to: shop.example.org other.example.org new.example.org"
}

@test "an international host name is wanted in its ASCII form" {
	local name
	for name in é.com bücher.example; do
		dokku domains:add web "$name"
		assert_status 1
		assert_error_like ' !     not a host name: "*": write it in its ASCII form,' \
			'xn--…, as idn2 prints it; nothing was changed'
	done
	dokku domains:add web XN--Bcher-kva.example
	assert_success "-----> web answers to: web.example.com xn--bcher-kva.example"
}

@test "rename: default names follow the app's name, explicit ones stay, none of another app is taken" {
	printf 'one.org\ntwo.org\n' >"$DOKKU_ROOT/VHOST"
	renamed() {
		make_app "$1" other
		printf '%s\n' "${@:3}" >"$DOKKU_ROOT/$1/VHOST"
		printf 'shop.two.org\n' >"$DOKKU_ROOT/other/VHOST"
		code domains 'domains_renamed "$1" "$2"' "$1" "$2"
		rm -r "${DOKKU_ROOT:?}/$1"
	}
	renamed web shop www.com web.one.org web.two.org x.com
	assert_success $'www.com\nshop.one.org\nx.com'
	renamed web shop web.two.org
	assert_success
	renamed web shop web.three.org x.web.one.org shop.one.org
	assert_success $'web.three.org\nx.web.one.org\nshop.one.org'
	renamed my.site.com web my.site.com x.com
	assert_success $'web.one.org\nweb.two.org\nx.com'
	renamed web my.site.com web.one.org web.two.org
	assert_success my.site.com
}

@test "a changed address: install and a deploy name the new one, for the domain that install chose" {
	local note="10.1.2.3 is no address of this host any more:"
	fake hostname <<<'echo box'
	fake chown <<<'true'
	fake getent <<<'[[ $2 != *.sslip.io ]] || echo "10.1.2.3 STREAM"'
	fake ip <<<'read -r at <"$BATS_TEST_TMPDIR/at"
		[[ $* != *get* ]] || printf "192.0.2.1 via 10.1.2.1 dev eth0 src %s uid 0\n" "$at"
		[[ $* != *"to $at"* ]] || printf "2: eth0 inet %s/24\n" "$at"'
	printf '10.1.2.3\n' >"$BATS_TEST_TMPDIR/at"
	rm -f "$DOKKU_ROOT/VHOST"
	got "$PLUGIN_PATH/domains/install"
	assert_file "$DOKKU_ROOT/VHOST" 10.1.2.3.sslip.io
	printf 'web.10.1.2.3.sslip.io\n' >"$DOKKU_ROOT/web/VHOST"
	got "$PLUGIN_PATH/domains/app-unreached" web
	assert_success ""
	printf '10.9.9.9\n' >"$BATS_TEST_TMPDIR/at"
	got "$PLUGIN_PATH/domains/app-unreached" web
	assert_success "$note dokku domains:set-global 10.9.9.9.sslip.io, then dokku domains:reset web"
	got "$PLUGIN_PATH/domains/install"
	assert_status 0
	assert_error " !     $note dokku domains:set-global 10.9.9.9.sslip.io, then" \
		"dokku domains:reset APP for each app"
	# It is offline now.
	printf 'none\n' >"$BATS_TEST_TMPDIR/at"
	got "$PLUGIN_PATH/domains/app-unreached" web
	assert_success "$note dokku domains:set-global DOMAIN, then dokku domains:reset web"
	# Another domain may lead here in any way.
	printf 'web.10.7.7.7.sslip.io\n' >"$DOKKU_ROOT/web/VHOST"
	got "$PLUGIN_PATH/domains/app-unreached" web
	assert_success ""
	printf '10.7.7.7.sslip.io\n' >"$DOKKU_ROOT/VHOST"
	got "$PLUGIN_PATH/domains/install"
	assert_error ""
}

@test "install: a wildcard record of the host's own name counts, also one of IPv6 only" {
	fake hostname <<<'echo box.example.com'
	fake ip <<<'true'
	fake chown <<<'true'
	fake getent <<<'[[ $* != "ahosts dokku-probe.box.example.com" ]] || echo "2001:db8::5 STREAM"'
	rm -f "$DOKKU_ROOT/VHOST"
	got "$PLUGIN_PATH/domains/install"
	assert_status 0
	assert_file "$DOKKU_ROOT/VHOST" box.example.com
}
