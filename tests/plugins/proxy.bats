#!/usr/bin/env bats
# proxy: which proxy an app has, which hooks of it are called, and how it is changed.

load ../helper

setup() {
	world
	made_plugins proxy
	hook nginx proxy-build-config </dev/null
	hook moon proxy-build-config </dev/null
	make_app web blog
}

# deployed APP - makes an app with a current release.
deployed() {
	make_release "$1" 1
	make_current "$1" 1
	: >"$STEPS"
}

@test "proxy_of: the app's own, else the global one, else the default" {
	code "" 'value_of proxy_of web'
	assert_success nginx
	dokku proxy:set --global type moon
	assert_success "-----> --global: type is now moon"
	dokku proxy:set blog type nginx
	assert_success "-----> blog: type is now nginx"
	code "" \
		'value_of proxy_of web; printf " "; value_of proxy_of blog; has_proxy web moon &&
			! has_proxy blog moon'
	assert_success "moon nginx"
	dokku proxy:report blog --proxy-computed-type
	assert_success nginx
	dokku proxy:report web --proxy-computed-type
	assert_success moon
}

@test "proxy:set: a proxy that is not there, for an app that has no visitors: no push until it is" {
	make_app new
	local lacks="this server has no such proxy, so deploys are refused until its plugin is"
	lacks+=" installed"
	dokku proxy:set new caddy
	assert_success "-----> new: type is now caddy; $lacks"
	dokku proxy:set --global type traefik
	assert_success "-----> --global: type is now traefik; $lacks"
	dokku proxy:report new --proxy-global-type
	assert_success traefik
	got "$PLUGIN_CORE_AVAILABLE_PATH/proxy/pre-receive-app" new git-push "$WORLD" abc
	assert_refused "new has the proxy caddy, which is not on this server; nothing was built." \
		"To use another: dokku proxy:set new type NAME, with one of moon nginx"
	dokku proxy:set new type nginx
	assert_status 0
	got "$PLUGIN_CORE_AVAILABLE_PATH/proxy/pre-receive-app" new git-push "$WORLD" abc
	assert_success ""
}

@test "proxy:set: APP TYPE as in Dokku; an app with releases only a proxy that is there" {
	make_release web 1 web=1
	dokku proxy:set web moon
	assert_success "-----> web: type is now moon"
	dokku proxy:set web mars
	assert_refused 'proxy:set: type wants one of moon nginx, not "mars"; nothing was changed'
	dokku proxy:set web type mars
	assert_refused 'proxy:set: type wants one of moon nginx, not "mars"; nothing was changed'
	assert_equal moon "$(<"$DOKKU_LIB_ROOT/config/proxy/web/type")"
	dokku proxy:set web type
	assert_success "-----> web: type is now the default, nginx"
}

@test "proxy:set: the new proxy gets the app, then the old one forgets it" {
	deployed web
	dokku proxy:set web moon
	assert_success "-----> web: type is now moon"
	assert_steps "proxy-build-config moon web 1 always
proxy-build-config moon web 1 always
proxy-build-config nginx web 
proxy-build-config nginx web "
}

@test "proxy:set: if the new proxy refuses the app, the old one keeps it" {
	deployed web
	hook moon proxy-build-config <<<'[[ $1 != moon ]]'
	hook nginx proxy-build-config <<<'[[ $1 == nginx ]] || exit 0; echo told'
	dokku proxy:set web moon
	assert_status 1
	assert_output ""
	assert_error_like "*web keeps the setting that it had"
	assert_absent "$DOKKU_LIB_ROOT/config/proxy/web/type"
}

@test "proxy:set --global: apps that have releases keep their proxy" {
	deployed web
	dokku proxy:set --global type moon
	assert_status 0
	code "" 'value_of proxy_of web; printf " "; value_of proxy_of blog'
	assert_success "nginx moon"
	assert_steps ""
}

@test "proxy:set: where a proxy moves the traffic itself, it is that of all apps" {
	printf 'nginx\n' >"$TEST_HOST/etc/dokku/switch"
	dokku proxy:set web moon
	assert_refused "proxy:set: on this host nginx moves the traffic," \
		"so it is the proxy of all apps; nothing was changed"
	rm "$TEST_HOST/etc/dokku/switch"
	dokku proxy:set web moon
	dokku proxy:set --global switch-by nginx
	assert_refused \
		"proxy:set: apps have the proxy moon, which needs nftables; nothing was changed"
}

@test "domains, certificates, destroy: the app's proxy is told; an app without a release is not" {
	code "" 'trigger post-domains-update web'
	assert_steps ""
	deployed web
	dokku proxy:set blog moon
	: >"$STEPS"
	rm "$PLUGIN_PATH/nginx/proxy-build-config"
	code "" \
		'trigger post-domains-update web; trigger post-certs-update web
			trigger post-delete blog; trigger post-app-rename blog new'
	assert_status 0
	assert_steps "proxy-build-config nginx web 1
proxy-build-config nginx web 1 always
proxy-build-config moon blog 
proxy-build-config moon blog "
}

@test "the watch says once that a proxy does not run, and when it runs again" {
	hook moon proxy-state <<<'[[ $1 == moon ]] || exit 0; [[ -e $WORLD/up ]] && echo runs || echo "moon does not run: start it"'
	hook nginx proxy-state <<<'[[ $1 != nginx ]] || echo runs'
	dokku proxy:set web moon
	got env PLUGIN_PATH="$PLUGIN_PATH" bash -euo pipefail -O nullglob -c '
		source "$PLUGIN_CORE_AVAILABLE_PATH/common/functions"
		source \
		<(sed -n "/^look_at_proxies()/,/^}/p" \
		"$PLUGIN_CORE_AVAILABLE_PATH/watch/subcommands/default")
		declare -A down=()
		look_at_proxies; look_at_proxies; : >"$WORLD/up"; look_at_proxies; look_at_proxies'
	assert_status 0
	assert_error " !     moon does not run: start it"
	assert_output "       moon runs again"
}

@test "proxy:disable: the proxy forgets the app, deploys go on without it; proxy:enable undoes it" {
	deployed web
	dokku proxy:disable web
	assert_success "-----> web: no visitor is brought to it any more: dokku proxy:enable web undoes that"
	assert_steps "proxy-build-config nginx web 
proxy-build-config nginx web "
	dokku proxy:report web --proxy-enabled
	assert_success false
	dokku proxy:report web --proxy-disabled
	assert_success true
	: >"$STEPS"
	code "" 'proxy_build web 1 always; ! has_proxy web nginx'
	assert_success
	assert_steps "proxy-build-config nginx web 
proxy-build-config nginx web "
	got "$PLUGIN_CORE_AVAILABLE_PATH/checks/verify-deploy" web 1
	assert_success ""
	: >"$STEPS"
	dokku proxy:enable web
	assert_success "-----> web: the proxy brings visitors to it"
	assert_steps "proxy-build-config nginx web 1 always
proxy-build-config nginx web 1 always"
	dokku proxy:report web --format json
	assert_equal "true  false" \
		"$(jq -r '[.enabled, .disabled, ."computed-disabled"] | join(" ")' <<<"$output")"
}

@test "proxy:disable, proxy:enable: where the proxy fails, all stays as it was" {
	deployed web
	hook nginx proxy-build-config <<<'exit 1'
	dokku proxy:disable web
	assert_status 1
	dokku proxy:report web --proxy-enabled
	assert_success true
	mkdir -p "$DOKKU_LIB_ROOT/config/proxy/web"
	printf 'true\n' >"$DOKKU_LIB_ROOT/config/proxy/web/disabled"
	dokku proxy:enable web
	assert_status 1
	dokku proxy:report web --proxy-enabled
	assert_success false
}

@test "proxy:clear-config: the proxy forgets the app until its config is built again" {
	deployed web
	deployed blog
	dokku proxy:clear-config --all
	assert_success "-----> blog: its proxy's config is removed: dokku proxy:build-config blog makes it again
-----> web: its proxy's config is removed: dokku proxy:build-config web makes it again"
	dokku proxy:build-config web
	assert_equal "proxy-build-config nginx web 1 always" "$(tail -n 1 "$STEPS")"
}

@test "proxy:set proxy-port: where an app without ports of its own is found" {
	deployed web
	hook_of ports ports-get
	dokku proxy:set --global proxy-port 8080
	assert_success \
		"-----> --global: proxy-port is now 8080; apps have it with their next deploy"
	dokku proxy:set web proxy-ssl-port 8443
	assert_success "-----> web: proxy-ssl-port is now 8443"
	mkdir -p "$DOKKU_ROOT/web/tls"
	touch "$DOKKU_ROOT/web/tls/server."{crt,key}
	code "" 'first_answer ports-get web'
	assert_success "http:8080:5000
https:8443:5000"
	dokku proxy:set web http:80:80
	assert_refused "Detected potential port mapping instead of proxy type: dokku ports:set web http:80:80 sets the ports; nothing was changed"
}
