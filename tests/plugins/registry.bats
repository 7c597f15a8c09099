#!/usr/bin/env bats
# Registries: logins, the name of a pushed image, and what a push that fails does.

load ../helper

setup() {
	world
	made_plugins registry releases
	make_app web
	DIGEST=sha256:$(printf '%064d' 7)
	fake docker <<-'BODY'
		case $* in
		*" login "*)
			read -r password || true
			printf '%s %s\n' "$password" "${*: -1}" >>"$WORLD/logins"
			[[ $password == right ]] || { printf 'Warning\nunauthorized: no\n' >&2; exit 1; }
			printf '{"auths":{"%s":{"auth":"x"}}}' "${*: -1}" >"$2/config.json"
			;;
		*" logout "*) printf '{"auths":{}}' >"$2/config.json" ;;
		"image inspect "*)
			[[ ${*: -1} == taken/* ]] || exit 1
			cut -d / -f 2 <<<"${*: -1}" | cut -d : -f 1
			;;
		"push "*)
			printf '%s %s\n' "$2" "${DOCKER_CONFIG-}" >>"$WORLD/pushed"
			[[ ! -e $WORLD/refuse ]] || { printf 'denied: no rights\n'; exit 1; }
			printf 'layer: Pushed\n9: digest: sha256:%064d size: 527\n' 7
			;;
		esac
	BODY
	fake timeout <<<'while [[ $1 != docker ]]; do shift; done; exec "$@"'
}

# push_release - pushes the image of the release 1 of web, as a deploy does.
push_release() {
	make_release web 1
	DOKKU_RELEASE=1 got "$PLUGIN_PATH/registry/post-release-builder" dockerfile web dokku/web:v1-x
}

@test "registry:login: for one app or for all, with the password in no argument" {
	dokku registry:login web example.com ann right
	assert_success "-----> web: logged in to example.com as ann"
	assert_mode "$DOKKU_LIB_ROOT/config/registry/web/config.json" 600
	dokku registry:login --global --password-stdin example.com bob <<<right
	assert_success "-----> --global: logged in to example.com as bob"
	[[ -f $DOKKU_ROOT/.docker/config.json ]]
	dokku registry:login --password-stdin web hub.docker.com ann <<<right
	assert_success "-----> web: logged in to docker.io as ann"
	dokku registry:login example.com ann right
	assert_status 0
	assert_error " !     registry:login without an app or --global means --global"
	[[ $(<"$CALLS") != *right* ]]
}

@test "registry:login: refused where the registry does not take it, or a word is missing" {
	dokku registry:login web example.com ann wrong
	assert_refused \
		"registry:login: example.com does not take this name and password: unauthorized: no"
	assert_absent "$DOKKU_LIB_ROOT/config/registry/web/config.json"
	dokku registry:login web example.com ann
	assert_refused "registry:login: a word is missing: registry:login web SERVER USER-NAME PASSWORD; nothing was changed" 2
	dokku registry:login nope example.com ann right
	assert_refused "App nope does not exist"
	dokku registry:login --global 'a;b' ann right
	assert_refused 'registry:login: "a;b" is not the host of a registry, such as ghcr.io; nothing was changed'
	dokku registry:login --global --password-stdin example.com ann </dev/null
	assert_refused "registry:login: the password is empty, or the name begins with -; nothing was changed" 2
}

@test "registry:logout: forgets one registry of an app, or of all" {
	dokku registry:logout web example.com
	assert_refused "registry:logout: web is not logged in to any registry; nothing was changed"
	dokku registry:login web example.com ann right
	dokku registry:logout web example.com
	assert_success "-----> web: logged out from example.com"
	assert_absent "$DOKKU_LIB_ROOT/config/registry/web/config.json"
	dokku registry:logout
	assert_status 2
}

@test "push-on-release: the release is pushed under its number and the extra tags, with its digest on record" {
	push_release
	assert_success ""
	assert_absent "$WORLD/pushed"
	dokku registry:set web push-on-release true
	dokku registry:set web server ghcr.io
	dokku registry:set --global image-repo-template 'team/{{ .AppName }}'
	dokku registry:set web push-extra-tags live,latest
	dokku registry:login web ghcr.io ann right
	push_release
	assert_success "-----> Pushing the image to ghcr.io/team/web:1
-----> Pushing the image to ghcr.io/team/web:live
-----> Pushing the image to ghcr.io/team/web:latest
       ghcr.io/team/web@$DIGEST"
	assert_equal "ghcr.io/team/web:1 $DOKKU_LIB_ROOT/config/registry/web" \
		"$(head -n 1 "$WORLD/pushed")"
	make_current web 1
	dokku registry:report web --registry-pushed-image
	assert_success "ghcr.io/team/web:1@$DIGEST"
	dokku registry:report web --registry-tag-version
	assert_success 1
	grep -qx 'docker image rm ghcr.io/team/web:live' "$CALLS"
}

@test "push-on-release: a push that fails refuses the deploy" {
	dokku registry:set web push-on-release true
	: >"$WORLD/refuse"
	push_release
	assert_status 1
	assert_output "-----> Pushing the image to dokku/web:1
       denied: no rights"
	assert_error " !     web: the image cannot be pushed to dokku/web, see above; nothing was deployed. dokku registry:report web shows the settings, dokku registry:login web sets name and password"
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/1/pushed-image"
}

@test "push-on-release: the name of a base image of other apps is not given to ours, not for a moment" {
	dokku registry:set web push-on-release true
	dokku registry:set web push-extra-tags latest
	is_refused() {
		dokku registry:set web server "$1"
		dokku registry:set web image-repo "$2"
		push_release
		assert_status 1
		assert_error_like " !     web: $3; nothing was deployed"
		assert_absent "$WORLD/pushed"
		! grep 'docker tag' "$CALLS" || return 1
	}
	is_refused '' alpine 'alpine:1 is the name of an official image*'
	is_refused '' library/alpine 'library/alpine:1 is the name of an official image*'
	is_refused docker.io/library alpine 'docker.io/library/alpine:1 is the name of an official*'
	is_refused index.docker.io alpine 'index.docker.io/alpine:1 is the name of an official*'
	is_refused '' taken/blog 'this server has another image of the name taken/blog:1*'
	dokku registry:set web image-repo taken/web
	push_release
	assert_status 0
}

@test "registry:set: names that no image can have are refused" {
	dokku registry:set --global image-repo a/b
	assert_refused "registry:set: image-repo is the setting of one app: for all apps there is image-repo-template; nothing was changed" 2
	dokku registry:set web image-repo 'A B'
	assert_status 1
	dokku registry:set web image-repo-template '{{ .Foo }}'
	assert_status 1
	assert_absent "$DOKKU_LIB_ROOT/config/registry/web/image-repo" "$DOKKU_LIB_ROOT/config/registry/web/image-repo-template"
}
