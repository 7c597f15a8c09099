#!/usr/bin/env bats
# plugin: enable, disable, install, uninstall; and builder-dockerfile, a plugin like others.

load ../helper

setup() {
	world
	made_plugins plugin builder-dockerfile
	ln -s "$PLUGIN_CORE_AVAILABLE_PATH/checks" "$PLUGIN_AVAILABLE_PATH/checks"
	ln -s ../available/checks "$PLUGIN_ENABLED_PATH/checks"
	mkdir -p "$WORLD/dokku-mine/subcommands"
	printf '#!/bin/sh\nprintf "set up\\n"\n' >"$WORLD/dokku-mine/install"
	chmod +x "$WORLD/dokku-mine/install"
	make_app web
}

@test "plugin:disable and :enable" {
	dokku plugin:disable checks
	assert_success "-----> checks is disabled"
	assert_absent "$PLUGIN_ENABLED_PATH/checks"
	dokku plugin:list
	assert_success "  checks                       disabled  core"
	dokku plugin:enable checks
	assert_success "-----> checks is enabled"
	[[ -d $PLUGIN_ENABLED_PATH/checks/subcommands ]]
	mkdir "$PLUGIN_AVAILABLE_PATH/common"
	dokku plugin:disable common
	assert_refused "common is what all plugins share: it stays enabled"
	dokku plugin:disable ../checks
	assert_refused 'no such plugin: "../checks": dokku plugin:list shows them'
}

@test "plugin:install: from a folder; :uninstall takes it away again, but no core plugin" {
	dokku plugin:install "$WORLD/dokku-mine"
	assert_success "-----> mine is enabled
set up
-----> Installed the plugin mine"
	[[ -x $PLUGIN_ENABLED_PATH/mine/install ]]
	dokku plugin:installed mine
	assert_success ""
	dokku plugin:install "$WORLD/dokku-mine"
	assert_refused "there is a plugin mine already: dokku plugin:uninstall mine removes it"
	dokku plugin:uninstall mine
	assert_success "-----> Removed the plugin mine"
	dokku plugin:installed mine
	assert_status 1
	dokku plugin:uninstall checks
	assert_refused "checks is part of dokku: dokku plugin:disable checks turns it off"
	dokku plugin:install --name '../x' "$WORLD/dokku-mine"
	assert_refused 'not a plugin name: "../x": give one with --name'
	dokku plugin:install
	assert_refused "plugin:install: URL|FOLDER is missing; nothing was done. Usage: dokku plugin:install [--name NAME] URL|FOLDER" 2
}

@test "plugin:install: from a git repository" {
	git init --quiet "$WORLD/dokku-mine"
	git -C "$WORLD/dokku-mine" add --all
	git -C "$WORLD/dokku-mine" commit --quiet --message x
	dokku plugin:install --name other "$WORLD/dokku-mine"
	assert_status 0
	[[ -x $PLUGIN_AVAILABLE_PATH/other/install ]]
}

@test "plugin:trigger" {
	hook fake post-x <<<'printf "<%s>" "$@"; exit 7'
	dokku plugin:trigger post-x a "b c"
	assert_status 7
	assert_output "<a><b c>"
	dokku plugin:trigger ../x
	assert_refused "plugin:trigger: name a hook" 2
}

@test "plugin:trigger: over ssh, by the user dokku, no hook is anybody's to run" {
	hook fake post-x <<<'touch "$BATS_TEST_TMPDIR/ran"'
	chmod -R go+rX "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR"
	got setpriv --reuid nobody --clear-groups "$PLUGIN_PATH/plugin/subcommands/trigger" post-x
	assert_refused "hooks are run by root, on the server: sudo dokku plugin:trigger"
	assert_absent "$BATS_TEST_TMPDIR/ran"
}
