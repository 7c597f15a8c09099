#!/usr/bin/env bats
# The examples in the docs run as they stand there.

load ../helper

setup() {
	world
	mkdir "$WORLD/work"
	export PLUGIN_PATH=$PLUGIN_ENABLED_PATH
	ln -s "$PLUGIN_CORE_AVAILABLE_PATH"/{apps,common,config,plugin} "$PLUGIN_AVAILABLE_PATH/"
	ln -s ../available/{apps,common,config,plugin} "$PLUGIN_ENABLED_PATH/"
	make_app web
	# The files name another interpreter than that of the tests.
	ln -s "$DOKKU" "$BIN/dokku"
}

# take PAGE FOLDER FILE… - writes the files that the page shows to FOLDER.
take() {
	local file
	for file in "${@:3}"; do
		mkdir -p "$(dirname "$WORLD/work/$2/$file")"
		"$REPO/tests/doc-part" "$REPO/docs/$1" file "$file" >"$WORLD/work/$2/$file"
	done
}

# type_in PAGE NAME - runs the commands that the page shows, in the folder of take. sudo is a fake.
type_in() {
	got bash -euc "cd '$WORLD/work'; $("$REPO/tests/doc-part" "$REPO/docs/$1" run "$2")"
}

@test "doc-part: a file, commands of two places, and what a page does not have" {
	local page=$BATS_TEST_TMPDIR/page
	printf '%s\n' '<!-- file: a -->' '```' 'one' '    two' '```' 'x' '<!-- run: b -->' '    three' '' \
		'    four' '<!-- run: b -->' '    five' >"$page"
	got "$REPO/tests/doc-part" "$page" file a
	assert_success "one
    two"
	got "$REPO/tests/doc-part" "$page" run b
	assert_success "three
five"
	got "$REPO/tests/doc-part" "$page" file c
	assert_status 1
}

@test "plugins.md: the plugin notice is installed, set, and posts after a deploy" {
	take plugins.md dokku-notice plugin.toml install subcommands/set post-deploy commands
	fake curl <<<'[[ ! -e $TEST_HOST/down ]]'
	type_in plugins.md notice
	assert_status 0
	[[ $output == *'Installed the plugin notice, and enabled it'* ]]
	[[ $output == *'https://chat.example.com/deploys is told of deploys of web'* ]]
	[[ $output == *'Usage: dokku notice:set <app> [<url>]' ]]
	: >"$CALLS"
	dokku plugin:trigger post-deploy web 80 10.0.0.1 1
	assert_success ""
	assert_calls "curl --fail --silent --show-error --max-time 10 --data app=web https://chat.example.com/deploys"
	: >"$TEST_HOST/down"
	dokku plugin:trigger post-deploy web 80 10.0.0.1 1
	assert_status 1
	[[ $stderr == *'https://chat.example.com/deploys was not told of web'* ]]
	dokku notice:set web ftp://x
	assert_status 1
	dokku notice:set nobody https://x
	assert_status 20
	dokku notice:set web
	assert_success "-----> Nobody is told of deploys of web"
	: >"$CALLS"
	dokku plugin:trigger post-deploy web 80 10.0.0.1 1
	assert_success ""
	assert_calls ""
}

@test "hooks.md: the checker of your own is installed, set, and judges a container" {
	take hooks.md dokku-health check-deploy subcommands/set subcommands/default
	chmod +x "$WORLD"/work/dokku-health/{check-deploy,subcommands/*}
	dokku plugin:install "$WORLD/work/dokku-health"
	assert_status 0
	dokku health:set web /stylesheets/index.css
	assert_success "-----> web: the path is now /stylesheets/index.css"
	fake docker <<<'printf true'
	fake curl <<<'printf 200'
	dokku plugin:trigger check-deploy web 1234 web 5000 10.86.128.2 1
	assert_success "-----> Checking web.1: 200 on /stylesheets/index.css
       ok   web.1"
	[[ $(<"$CALLS") == *'curl '*' http://10.86.128.2:5000/stylesheets/index.css' ]]
	fake docker <<<'printf false'
	dokku plugin:trigger check-deploy web 1234 web 5000 10.86.128.2 1
	assert_status 1
	[[ $stderr == *'web.1: its process exited'* ]]
}
