#!/usr/bin/env bats
# plugin: enable, disable, install, uninstall; and builder-dockerfile, a plugin like others.

load ../helper

setup() {
	world
	made_plugins plugin builder-dockerfile
	# No test installs packages on this host.
	local program
	for program in column crontab netstat openssl; do
		type -P "$program" >/dev/null || fake "$program" </dev/null
	done
	fake apt-get <<<'exit 1'
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
	assert_success "  checks                       disabled  core      in development Manage" \
		"zero-downtime settings"
	dokku plugin:enable checks
	assert_success "-----> checks is enabled"
	[[ -d $PLUGIN_ENABLED_PATH/checks/subcommands ]]
	mkdir "$PLUGIN_AVAILABLE_PATH/common"
	dokku plugin:disable common
	assert_refused "all plugins need the plugin common, so it stays enabled"
	dokku plugin:disable ../checks
	assert_refused 'Invalid plugin name specified: "../checks": dokku plugin:list shows the names'
}

@test "plugin:install: from a folder; :uninstall takes it away again, but no core plugin" {
	dokku plugin:install "$WORLD/dokku-mine"
	assert_success "set up
-----> Installed the plugin mine, and enabled it"
	[[ -x $PLUGIN_ENABLED_PATH/mine/install ]]
	assert_equal 600 "$(stat --format %a "$PLUGIN_AVAILABLE_PATH/.lock")"
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
	assert_status 0
}

@test "plugin:install: the programs that plugins of Dokku expect, such as cron, are installed" {
	[[ $EUID -eq 0 ]] || skip "only root installs packages"
	fake apt-get </dev/null
	fake column netstat openssl </dev/null
	rm -f "$BIN/crontab"
	code plugin 'PATH=$BIN plugin_install_programs'
	assert_success "-----> Installing packages that plugins use: cron"
	[[ $(<"$CALLS") == 'apt-get install '*' cron' ]]
}

@test "plugin:install: of a plugin that is built in, nothing is fetched, and that is no error" {
	fake git <<<'exit 1'
	dokku plugin:install https://github.com/dokku/dokku-letsencrypt.git
	assert_success "-----> letsencrypt is built into dokku, so nothing was installed: dokku letsencrypt:help"
	dokku plugin:install --name letsencrypt https://github.com/dokku/dokku-letsencrypt.git
	assert_status 1
	assert_absent "$PLUGIN_AVAILABLE_PATH/letsencrypt"
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
	assert_refused 'plugin:trigger: "../x" is not the name of a hook, such as post-deploy' 2
}

@test "plugin:trigger: over ssh, by the user dokku, no hook is anybody's to run" {
	hook fake post-x <<<'touch "$BATS_TEST_TMPDIR/ran"'
	chmod -R go+rX "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR"
	got setpriv --reuid nobody --clear-groups "$PLUGIN_PATH/plugin/subcommands/trigger" post-x
	assert_refused "plugin:trigger is for root, on the server: sudo dokku plugin:trigger"
	assert_absent "$BATS_TEST_TMPDIR/ran"
}

# mine HOOK - adds a hook to the plugin that the test installs. stdin is its code.
mine() {
	{
		printf '#!%s\nset -eu\n' "$INTERPRETER"
		cat
	} >"$WORLD/dokku-mine/$1"
	chmod +x "$WORLD/dokku-mine/$1"
}

# assert_not_installed - requires that nothing of the plugin exists, and that the same plugins are
# enabled as before.
assert_not_installed() {
	assert_absent "$PLUGIN_AVAILABLE_PATH/mine" "$PLUGIN_ENABLED_PATH/mine" \
		"$PLUGIN_AVAILABLE_PATH/.installing.mine"
	assert_equal checks "$(ls -A "$PLUGIN_ENABLED_PATH")"
}

readonly TAKEN_BACK=" !     The plugin mine is not installed, and its files are removed."
readonly AFTER_HOOKS="$TAKEN_BACK Changes that its hooks made elsewhere stay."

@test "plugin:install: enabled last; where install or dependencies fails nothing stays" {
	mine dependencies <<<'printf "needs\n"'
	mine install <<<'[ ! -e "$PLUGIN_ENABLED_PATH/mine" ]; printf "set up%s\n" "$*"'
	dokku plugin:install "$WORLD/dokku-mine"
	assert_success "needs
set up
-----> Installed the plugin mine, and enabled it"
	dokku plugin:uninstall mine
	assert_status 0
	mine pre-delete <<<'exit 1'
	mine install <<<'exit 3'
	dokku plugin:install "$WORLD/dokku-mine"
	assert_status 1
	assert_output "needs"
	assert_error " !     the hook install of the plugin mine failed with status 3
$AFTER_HOOKS"
	assert_not_installed
	mine dependencies <<<'exit 4'
	dokku plugin:install "$WORLD/dokku-mine"
	assert_status 1
	assert_not_installed
	dokku plugin:install "$WORLD/missing/mine"
	assert_status 1
	assert_error_like "*"$'\n'" !     $WORLD/missing/mine cannot be cloned, see above; nothing was installed. Please retry with valid arguments: a URL, a folder or a tar.gz"$'\n'"$TAKEN_BACK"
	assert_not_installed
}

@test "plugin:install: ended by a signal it takes all back, and what its hook began ends" {
	local pid name
	mine install <<<'printf "%s\n" "$$" >"$BATS_TEST_TMPDIR/begun"; sleep 60'
	for name in INT TERM HUP; do
		rm -f "$BATS_TEST_TMPDIR/begun"
		fifo begun
		env --default-signal=INT,HUP "$DOKKU" plugin:install "$WORLD/dokku-mine" \
			>"$WORLD/out" 2>&1 3>&- &
		pid=$!
		heard begun
		kill -s "$name" "$pid"
		wait "$pid" && false
		gone "$line"
		assert_file "$WORLD/out" "$AFTER_HOOKS"
		assert_not_installed
	done
}

@test "plugin:install: killed it has enabled nothing, and can be run again" {
	local pid
	mine install <<<'printf "%s\n" "$$" >"$BATS_TEST_TMPDIR/begun"; sleep 60'
	fifo begun
	"$DOKKU" plugin:install "$WORLD/dokku-mine" >/dev/null 2>&1 3>&- &
	pid=$!
	heard begun
	kill -KILL "$pid"
	wait "$pid" && false
	gone "$line"
	assert_absent "$PLUGIN_ENABLED_PATH/mine"
	dokku plugin:enable mine
	assert_refused "the install of mine was interrupted: run dokku plugin:install for it again"
	mine install <<<'printf "set up\n"'
	dokku plugin:install "$WORLD/dokku-mine"
	assert_success "set up
-----> Installed the plugin mine, and enabled it"
	assert_absent "$PLUGIN_AVAILABLE_PATH/.installing.mine"
	dokku plugin:uninstall mine
	# Or removed, without its hook: it may never have been set up.
	mkdir "$PLUGIN_AVAILABLE_PATH/mine"
	: >"$PLUGIN_AVAILABLE_PATH/.installing.mine"
	dokku plugin:uninstall mine
	assert_success "-----> Removed the plugin mine"
	assert_not_installed
}

@test "plugin:install: a name of ours, and hooks that cannot run, are refused" {
	dokku plugin:install --name nginx "$WORLD/dokku-mine"
	assert_refused \
		"nginx is a plugin of dokku itself: give the new one another name with --name"
	dokku plugin:install "$WORLD/dokku-mine/install" --name mine
	assert_status 1
	assert_error " !     $WORLD/dokku-mine/install is neither a folder nor a git repository; nothing was installed. Please retry with valid arguments
$TAKEN_BACK"
	refused() {
		dokku plugin:install "$WORLD/dokku-mine"
		assert_status 1 && assert_output "" && assert_error " !     $*"$'\n'"$TAKEN_BACK" &&
			assert_not_installed
	}
	mkdir "$WORLD/dokku-mine/post-deploy"
	refused "the hook post-deploy of the plugin is not a regular file: make it one"
	rmdir "$WORLD/dokku-mine/post-deploy"
	printf '#!/bin/sh\n' >"$WORLD/dokku-mine/check-deploy"
	refused "the hook check-deploy of the plugin is not executable: chmod +x it"
	printf '#!/usr/bin/python9 -u\n' >"$WORLD/dokku-mine/check-deploy"
	chmod +x "$WORLD/dokku-mine/check-deploy"
	refused 'the hook check-deploy of the plugin cannot be run:' \
		'its first line names "/usr/bin/python9", which is not on this server'
	printf '#!/bin/sh\r\n' >"$WORLD/dokku-mine/check-deploy"
	refused 'the hook check-deploy of the plugin cannot be run:' \
		'its first line names "/bin/sh\x0d", which is not on this server'
}

@test "plugin:uninstall: runs the hook uninstall; where that fails the plugin stays, disabled" {
	mine uninstall <<<'printf "gone %s\n" "$1"; exit 5'
	dokku plugin:install "$WORLD/dokku-mine"
	assert_status 0
	dokku plugin:uninstall mine
	assert_status 1
	assert_output "gone mine"
	assert_error " !     the plugin mine is disabled but not removed:" \
		"its hook uninstall failed with status 5. Correct" \
		"$PLUGIN_AVAILABLE_PATH/mine/uninstall or remove it, then run this again"
	assert_absent "$PLUGIN_ENABLED_PATH/mine"
	printf '#!/bin/sh\n' >"$PLUGIN_AVAILABLE_PATH/mine/uninstall"
	dokku plugin:uninstall mine
	assert_success "-----> Removed the plugin mine"
	assert_not_installed
}

@test "a folder with the name of a hook is named and passed over" {
	mkdir -p "$PLUGIN_PATH/theirs/post-x"
	hook other post-x <<<'exit 0'
	dokku plugin:trigger post-x
	assert_status 0
	assert_error " !     the plugin theirs has a hook post-x that is no file: it is ignored"
}

@test "plugin:install: a commit of the repository, a tar.gz, without its hook install; plugin:update" {
	git init --quiet --initial-branch=main "$WORLD/dokku-mine"
	git -C "$WORLD/dokku-mine" add --all
	git -C "$WORLD/dokku-mine" commit --quiet --message one
	git -C "$WORLD/dokku-mine" tag v1
	printf '#!%s\necho updated; [[ ! -e "$WORLD/fail" ]]\n' "$INTERPRETER" \
		>"$WORLD/dokku-mine/update"
	chmod +x "$WORLD/dokku-mine/update"
	git -C "$WORLD/dokku-mine" add --all
	git -C "$WORLD/dokku-mine" commit --quiet --message two
	dokku plugin:install --committish nope "$WORLD/dokku-mine"
	assert_status 1
	assert_absent "$PLUGIN_AVAILABLE_PATH/mine"
	dokku plugin:install --committish v1 --skip-install-trigger "$WORLD/dokku-mine"
	assert_success "-----> Installed the plugin mine, and enabled it"
	assert_absent "$PLUGIN_AVAILABLE_PATH/mine/update"
	dokku plugin:disable mine
	dokku plugin:update mine
	assert_refused 'Specified plugin not enabled or installed: "mine": dokku' \
		'plugin:enable mine enables it'
	dokku plugin:enable mine
	: >"$WORLD/fail"
	dokku plugin:update mine
	assert_status 1
	assert_absent "$PLUGIN_AVAILABLE_PATH/mine/update"
	rm "$WORLD/fail"
	dokku plugin:update
	assert_success "updated
-----> The plugin mine is at $(git -C "$WORLD/dokku-mine" rev-parse --short=7 HEAD)"
	dokku plugin:update mine v1
	assert_status 0
	assert_absent "$PLUGIN_AVAILABLE_PATH/mine/update"
	dokku plugin:uninstall mine
	tar -C "$WORLD" -czf "$WORLD/mine.tar.gz" --exclude=.git dokku-mine
	dokku plugin:install "$WORLD/mine.tar.gz"
	assert_status 0
	[[ -x $PLUGIN_ENABLED_PATH/mine/install ]]
}

@test "plugin:update: a plugin of dokku, one that is not there, a URL" {
	dokku plugin:update checks
	assert_refused "checks is part of dokku: please update Dokku instead, by make install of a" \
		"newer version"
	dokku plugin:update nope
	assert_refused 'Specified plugin not enabled or installed: "nope": dokku plugin:list' \
		'shows all plugins'
	dokku plugin:update https://example.com/x.git
	assert_refused 'Invalid plugin name specified: "https://example.com/x.git": dokku' \
		'plugin:list shows the names'
}

@test "plugin:list --format json: where a plugin comes from, without the password in its URL" {
	local dir
	git init --quiet --initial-branch=main "$WORLD/dokku-mine"
	git -C "$WORLD/dokku-mine" add --all
	git -C "$WORLD/dokku-mine" commit --quiet --message one
	dokku plugin:install "$WORLD/dokku-mine"
	dir=$PLUGIN_AVAILABLE_PATH/mine
	printf 'version = "1.2"\ndescription = "a \\"b"\n' >"$dir/plugin.toml"
	git -C "$dir" remote set-url origin https://ann:secret@example.com/a/mine.git
	dokku plugin:disable mine
	dokku plugin:list --format json
	assert_status 0
	assert_equal '["mine",false,false,"1.2","a \\","https://example.com/a/mine.git","'"$(
		git -C "$dir" rev-parse HEAD
	)"'","main"]' \
		"$(jq -c '.[] | select(.name == "mine") | [.[]]' <<<"$output")"
	jq -e '.[] | select(.name == "checks") | .core and .enabled and .source_url == ""' \
		<<<"$output"
	dokku plugin:list --format yaml
	assert_refused 'plugin:list: Invalid output format "yaml": --format wants one of json,' \
		'stdout; nothing was done. Please retry with valid arguments. Usage:' \
		'dokku plugin:list [--format json|stdout]' 2
}
