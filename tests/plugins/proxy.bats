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

@test "proxy:set: APP TYPE as in Dokku; only a proxy that is there" {
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
