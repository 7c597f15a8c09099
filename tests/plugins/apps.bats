#!/usr/bin/env bats
# apps: made wholly or not at all, listed, locked, and destroyed without a trace.

load ../helper

setup() {
	world
	made_plugins apps config
}

@test "apps:create: a repository, told in one line; the hooks are asked" {
	hook fake pre-create <<<'[[ -d $2 && ! -e $DOKKU_ROOT/web ]]'
	hook fake post-create <<<'[[ -d $DOKKU_ROOT/web ]]'
	dokku apps:create web
	assert_success "-----> Created web"
	assert_equal true "$(git -C "$DOKKU_ROOT/web" rev-parse --is-bare-repository)"
	assert_mode "$DOKKU_ROOT/web" 750
	assert_equal web "$(ls -A "$DOKKU_ROOT")"
	assert_equal "post-create web" "$(tail -n 1 "$STEPS")"
}

@test "apps:create: a name that is taken, hostile or missing is refused, and nothing is made" {
	make_app web
	dokku apps:create web
	assert_refused "there is an app web already; nothing was changed"
	is_refused() {
		dokku apps:create -- "$1"
		assert_status 1 && assert_output "" && assert_error_like ' !     not an app name: "*": use lower case letters, digits, dots and hyphens, at most 63' &&
			[[ $stderr != *$'\n'* && $stderr != *$'\e'* ]]
	}
	each is_refused <<-'NAMES'
		..
		.
		../x
		x/y
		-x
		--help
		X
		x\n
		x\ny
		\nx
		x\e[31m
		x y
		x;y
		aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg
	NAMES
	assert_equal web "$(ls -A "$DOKKU_ROOT")"
	dokku apps:create
	assert_refused "apps:create: NEW-APP is missing; nothing was done. Usage: dokku apps:create NEW-APP" 2
	dokku apps:create aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg
	assert_status 0
}

@test "apps:create: where a hook refuses, nothing of it is left" {
	hook fake pre-create <<<'exit 3'
	dokku apps:create web
	assert_status 3
	assert_nothing_in "$DOKKU_ROOT"
}

@test "apps:create: of two at once one makes it" {
	fifo at
	fifo on
	hook fake pre-create <<<"printf 'x\n' >'$BATS_TEST_TMPDIR/at'; read -r x <'$BATS_TEST_TMPDIR/on'"
	"$DOKKU" apps:create web >"$BATS_TEST_TMPDIR/first" 2>&1 3>&- &
	heard at
	rm "$PLUGIN_PATH/fake/pre-create"
	dokku apps:create web
	assert_success "-----> Created web"
	printf '\n' >"$BATS_TEST_TMPDIR/on"
	local code=0
	wait "$!" || code=$?
	assert_equal 1 "$code"
	assert_file "$BATS_TEST_TMPDIR/first" " !     there is an app web already; nothing was changed"
	assert_equal web "$(ls -A "$DOKKU_ROOT")"
}

@test "apps:list, apps:exists" {
	dokku apps:list
	assert_success "=====> My Apps"
	make_app web blog
	dokku apps:list
	assert_success "=====> My Apps
blog
web"
	dokku --quiet apps:list
	assert_success "blog
web"
	dokku apps:list --format json
	assert_success '[{"name":"blog"},{"name":"web"}]'
	dokku apps:exists web
	assert_success ""
	dokku apps:exists ghost
	assert_refused "App ghost does not exist"
}

@test "apps:lock: no deploy until apps:unlock" {
	make_app web
	dokku apps:locked web
	assert_status 1
	assert_output ""
	dokku apps:lock web
	assert_success "-----> Locked web: dokku apps:unlock web allows deploys again"
	dokku apps:locked web
	assert_success ""
	got "$PLUGIN_PATH/apps/pre-change" web ps:restart
	assert_status 1
	assert_error_like ' !     web is locked since 20*: dokku apps:unlock web allows deploys again'
	dokku apps:unlock web
	assert_success "-----> Unlocked web"
	got "$PLUGIN_PATH/apps/pre-change" web ps:restart
	assert_success ""
}

@test "apps:destroy: the hooks in order, and no trace of the app, all of the others" {
	make_app web blog
	local app
	for app in web blog; do
		make_release "$app" 1
		make_current "$app" 1
		dokku --quiet config:set --no-restart "$app" A=1
		code "" 'property_set ps "$1" key value' "$app"
		mkdir -p "$DOKKU_LIB_ROOT/data/builds/$app/1"
	done
	: >"$STEPS"
	hook fake pre-delete </dev/null
	hook fake scheduler-destroy </dev/null
	hook fake post-delete </dev/null
	dokku apps:destroy --force web
	assert_success "-----> Destroyed web"
	assert_steps "pre-delete web
scheduler-destroy docker-local web
post-delete web"
	assert_equal "" "$(find "$WORLD" -name web -not -path "$DOKKU_LIB_ROOT/lock/*")"
	assert_equal 5 "$(find "$DOKKU_ROOT" "$DOKKU_LIB_ROOT" -name blog -not -path "$DOKKU_LIB_ROOT/lock/*" | wc -l)"
	dokku apps:list
	assert_success "=====> My Apps
blog"
}

@test "apps:destroy: an app that is called as a plugin is takes no settings of others with it" {
	make_app web ps
	mkdir -p "$DOKKU_LIB_ROOT/config/ps/"{web,ps}
	printf 'web=2\n' | tee "$DOKKU_LIB_ROOT/config/ps/web/scale" >"$DOKKU_LIB_ROOT/config/ps/ps/scale"
	printf "export A='1'\n" >"$DOKKU_LIB_ROOT/config/ps/ENV"
	dokku apps:destroy --force ps
	assert_status 0
	assert_file "$DOKKU_LIB_ROOT/config/ps/web/scale" "web=2"
	assert_absent "$DOKKU_LIB_ROOT/config/ps/ENV" "$DOKKU_LIB_ROOT/config/ps/ps"
}

@test "apps:destroy: asks for the name, and does nothing without it" {
	make_app web
	got bash -c '"$DOKKU" apps:destroy web <<<yes'
	assert_status 1
	assert_output ""
	assert_error ' !     this removes web with its containers, images, releases and settings, for good
 !     "yes" is not web: nothing was changed'
	got bash -c '"$DOKKU" apps:destroy web </dev/null'
	assert_status 1
	[[ -d $DOKKU_ROOT/web ]]
	got bash -c '"$DOKKU" apps:destroy web <<<web'
	assert_status 0
	assert_absent "$DOKKU_ROOT/web"
	dokku apps:destroy --force ghost
	assert_refused "App ghost does not exist"
	dokku apps:destroy --force
	assert_refused "apps:destroy: APP is missing; nothing was done. Usage: dokku apps:destroy [-f|--force] APP [force]" 2
}

@test "apps:destroy: killed midway, it can be run again: there is no release to go back to" {
	make_app web
	make_release web 1
	make_current web 1
	hook fake reconcile <<<'[[ -z $2 || ! -e $STEPS.again ]]'
	hook fake scheduler-destroy <<<'[[ -e $STEPS.again ]] || { : >"$STEPS.again"; kill -9 "$PPID"; }'
	dokku apps:destroy --force web
	assert_status 137
	dokku apps:destroy --force web
	assert_success "-----> Destroyed web"
}

@test "apps:destroy: where a hook fails, the app stays" {
	make_app web
	hook fake scheduler-destroy <<<'exit 4'
	dokku apps:destroy --force web
	assert_status 4
	[[ -d $DOKKU_ROOT/web ]]
}

@test "apps:set" {
	dokku apps:set --global disable-autocreation true
	assert_success "-----> --global: disable-autocreation is now true"
	make_app web
	dokku apps:set web disable-autocreation true
	assert_refused "apps:set: disable-autocreation is the same for all apps: say --global" 2
	dokku apps:set --global disable-autocreation maybe
	assert_refused 'apps:set: disable-autocreation wants true or false, not "maybe"; nothing was changed'
}

@test "a report of all apps is one process, whichever report: a thousand apps are a second" {
	local n plugin
	for n in {1..300}; do
		make_app "app$n"
		make_release "app$n" 1 web=1
		make_current "app$n" 1
	done
	for plugin in app-json builder certs checks domains nginx proxy; do
		PLUGIN_PATH=$PLUGIN_CORE_AVAILABLE_PATH
		SECONDS=0
		dokku "$plugin:report"
		assert_status 0
		assert_equal 300 "$(grep -c '^=====> app' <<<"$output")" "$plugin:report"
		# With five programs for an app, as it was, it takes more than this.
		[[ $SECONDS -lt 5 ]] || differ "seconds of $plugin:report" "under 5" "$SECONDS"
	done
}
