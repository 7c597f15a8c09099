#!/usr/bin/env bats
# releases: what is kept, and what goes when a deploy is over.

load ../helper

setup() {
	world
	make_app web
	for n in 1 2 3 4 5; do
		make_release web "$n"
	done
	make_current web 5
}

@test "post-retire: releases beyond the kept ones go, and the images of those that are gone" {
	fake docker <<<'[[ "$1 $2" != "image ls" ]] || printf "%s\n" latest v5 v4 v3 v2 v1 other'
	got "$PLUGIN_CORE_AVAILABLE_PATH/releases/post-retire" web
	assert_success ""
	assert_equal "3 4 5" "$(cd "$DOKKU_LIB_ROOT/data/releases/web" && printf '%s\n' [0-9]* | paste -sd ' ')"
	assert_equal "docker image rm dokku/web:v2 dokku/web:v1" "$(grep 'image rm' "$CALLS")"
}

@test "post-retire: an image that could not go, as its container was drained, goes later" {
	rm -r "$DOKKU_LIB_ROOT/data/releases/web"/{1,2,3}
	fake docker <<<'[[ "$1 $2" != "image ls" ]] || printf "%s\n" v1 v4 v5'
	got "$PLUGIN_CORE_AVAILABLE_PATH/releases/post-retire" web
	assert_success ""
	assert_equal "docker image rm dokku/web:v1" "$(grep 'image rm' "$CALLS")"
}

@test "post-retire: the current release stays, however old" {
	make_current web 1
	got "$PLUGIN_CORE_AVAILABLE_PATH/releases/post-retire" web
	assert_success ""
	[[ -d $DOKKU_LIB_ROOT/data/releases/web/1 ]]
}
