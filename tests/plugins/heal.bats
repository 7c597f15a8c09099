#!/usr/bin/env bats
# The hook heal of each plugin: if something that make install made was removed, it makes it again
# or names the command to do so. The hook of network is tested in network.bats.

load ../helper

AGAIN="run sudo dokku plugin:trigger install"

setup() {
	world
	# All plugins are linked, as make install does it.
	local dir
	for dir in "$PLUGIN_CORE_AVAILABLE_PATH"/*/; do
		ln -s "$dir" "$PLUGIN_AVAILABLE_PATH/$(basename "$dir")"
	done
	fake id <<<'[[ $1 != -Gn ]] || echo "dokku docker adm"'
	printf 'token\n' >"$TEST_HOST/etc/dokku/preview-token"
	mkdir -p "$DOKKU_LIB_ROOT/data/draining"
	COMMON="$PLUGIN_CORE_AVAILABLE_PATH/common/heal" \
		NGINX="$PLUGIN_CORE_AVAILABLE_PATH/nginx/heal"
}

@test "make_preview_token: keeps a token, and replaces what is none" {
	local token file=$TEST_HOST/etc/dokku/preview-token
	local make='source "$PLUGIN_CORE_AVAILABLE_PATH/common/lib/privileges"; make_preview_token'
	fake chgrp <<<':'
	printf 'FROM scratch\nCOPY web /web\n' >"$file"
	code "" "$make"
	assert_success ""
	token=$(<"$file")
	[[ $token =~ ^[0-9a-f]{32}$ ]]
	code "" "$make"
	assert_file "$file" "$token"
}

@test "common: where nothing is missing nothing is said" {
	got "$COMMON"
	assert_success ""
}

@test "common: each thing that is missing is named, all in one go" {
	rm -r "$DOKKU_LIB_ROOT/tmp" "$PLUGIN_AVAILABLE_PATH/ps" "$TEST_HOST/etc/dokku/preview-token"
	fake id <<<'echo dokku'
	fake sudo <<<'exit 1'
	got "$COMMON"
	assert_status 0
	assert_output ""
	assert_error " !     $DOKKU_LIB_ROOT/tmp is missing, or the user dokku may not write to it: $AGAIN
 !     The user dokku is not in the group docker any more: $AGAIN
 !     The user dokku is not in the group adm any more: $AGAIN
 !     $PLUGIN_AVAILABLE_PATH/ps, the plugin ps, is missing: $AGAIN
 !     sudo does not let the user dokku run backup/root/storage, $TEST_HOST/etc/sudoers.d/dokku was removed or changed: $AGAIN
 !     $TEST_HOST/etc/dokku/preview-token is missing, or the user dokku may not read it: $AGAIN"
}

@test "folders: those below ours are made again, ours are asked for before a command does anything" {
	rm -r "$DOKKU_LIB_ROOT/data/draining" "$DOKKU_LIB_ROOT/data/releases"
	got "$COMMON"
	assert_success ""
	[[ -d $DOKKU_LIB_ROOT/data/draining && -d $DOKKU_LIB_ROOT/data/releases ]]
	local name
	for name in config data lock tmp; do
		mv "$DOKKU_LIB_ROOT/$name" "$DOKKU_LIB_ROOT/gone"
		dokku apps:create web
		mv "$DOKKU_LIB_ROOT/gone" "$DOKKU_LIB_ROOT/$name"
		assert_refused "$DOKKU_LIB_ROOT/$name is missing," \
			"or the user dokku may not write to it: $AGAIN"
		assert_absent "$DOKKU_ROOT/web"
	done
}

@test "as_root: a helper that fails is not taken for one that sudo forbids, and the other way round" {
	code "" 'as_root service-addresses/root/none'
	assert_status 127
	[[ $stderr != *sudoers* ]]
	fake sudo <<<'echo "sudo: a password is required" >&2; exit 1'
	code "" 'as_root nginx/root/apply'
	assert_status 1
	assert_error "sudo: a password is required
 !     sudo does not let the user dokku run backup/root/storage, $TEST_HOST/etc/sudoers.d/dokku was removed or changed: $AGAIN"
}

# rules_then RULE… - prints what sudo -ll says of our rules, and of a later one with these lines.
rules_then() {
	printf '\nSudoers entry: /etc/sudoers.d/dokku\n    RunAsUsers: root\n%s\n    Commands:\n' \
		'    Options: !authenticate'
	printf '\t%s ""\n' "$PLUGIN_CORE_AVAILABLE_PATH"/{backup/root/storage,nginx/root/apply}
	printf '\nSudoers entry: /etc/sudoers\n'
	printf '%b\n' "$@"
}

@test "as_root: a rule of sudo that comes later and asks for a password is named; PAM, by its words" {
	local later
	later="sudo asks the user dokku for a password, because another rule for it comes"
	later+=" after those in $TEST_HOST/etc/sudoers.d/dokku. See sudo -l -U dokku, and let"
	later+=" that rule come first, in a file whose name sorts before dokku"
	fake sudo <<<'[[ $1 != -l ]] || exit 0
		[[ $2 != -ll ]] || exec cat "$BATS_TEST_TMPDIR/rules"
		echo "sudo: a password is required" >&2; exit 1'
	rules_then '    RunAsUsers: ALL' '    Commands:' '\tALL' >"$BATS_TEST_TMPDIR/rules"
	code "" 'as_root nginx/root/apply'
	assert_status 1
	assert_error "sudo: a password is required
 !     $later"
	for later in '    RunAsUsers: www-data\n    Commands:\n\tALL' \
		'    RunAsUsers: ALL\n    Commands:\n\t/bin/ls' \
		'    RunAsUsers: ALL\n    Options: !authenticate\n    Commands:\n\tALL'; do
		rules_then "$later" >"$BATS_TEST_TMPDIR/rules"
		code "" 'as_root nginx/root/apply'
		assert_error "sudo: a password is required"
	done
	fake sudo <<<'echo "sudo: PAM account management error: Permission denied" >&2; exit 1'
	code "" 'as_root nginx/root/apply'
	later="PAM account management error: Permission denied"
	assert_error "sudo: $later
 !     sudo does not let the user dokku run backup/root/storage: $later"
}

@test "nginx: what make install made is named; the file of an app is written again" {
	local file
	mkdir -p "$DOKKU_LIB_ROOT/data/nginx-vhosts/web"
	: >"$DOKKU_LIB_ROOT/data/nginx-vhosts/web/applied"
	make_app web
	: >"$TEST_HOST/etc/nginx/dokku/web.conf"
	got "$NGINX"
	assert_success ""
	for file in conf.d/dokku.conf dokku-{preview,maintenance,unavailable,headers}.conf; do
		mv "$TEST_HOST/etc/nginx/$file" "$BATS_TEST_TMPDIR/kept"
		got "$NGINX"
		assert_status 0
		assert_error " !     $TEST_HOST/etc/nginx/$file is missing," \
			"so nginx will serve no app once it is restarted: $AGAIN"
		make_release web 1
		DOKKU_RELEASE=1 got "$PLUGIN_CORE_AVAILABLE_PATH/nginx/pre-deploy" web dokku/web:v1
		assert_refused \
			"$TEST_HOST/etc/nginx/$file is missing, so nginx serves no app: $AGAIN"
		got "$PLUGIN_CORE_AVAILABLE_PATH/nginx/reconcile" web 1
		assert_status 0
		assert_error " !     web: $TEST_HOST/etc/nginx/$file is missing," \
			"so nginx serves no app: $AGAIN"
		mv "$BATS_TEST_TMPDIR/kept" "$TEST_HOST/etc/nginx/$file"
	done
	rm "$TEST_HOST/etc/nginx/dokku/web.conf"
	make_current web 1
	# As an update that failed leaves it.
	mv "$DOKKU_LIB_ROOT/data/nginx-vhosts/web/applied" \
		"$DOKKU_LIB_ROOT/data/nginx-vhosts/web/applied.new"
	made_plugins
	hook proxy subcommands/build-config <<<''
	got "$NGINX"
	assert_status 0
	assert_error " !     web: $TEST_HOST/etc/nginx/dokku/web.conf was removed: writing it again"
	assert_steps "subcommands/build-config web"
}

@test "services: a setting of the kernel is set again by the helper that may" {
	mkdir -p "$TEST_HOST/proc/sys/net/netfilter"
	printf '1\n' >"$TEST_HOST/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal"
	mkdir -p "$TEST_HOST/run/dokku-kept"
	fake sudo <<<''
	got "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/heal"
	assert_success ""
	assert_calls ""
	printf '0\n' >"$TEST_HOST/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal"
	got "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/heal"
	assert_status 0
	assert_error " !     net.netfilter.nf_conntrack_tcp_be_liberal was set to 0:" \
		"setting it to 1 again"
	assert_equal \
		"$(printf 'sudo -n %q' \
			"$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/table")" "$(<"$CALLS")"
	: >"$CALLS"
	printf 'nginx\n' >"$TEST_HOST/etc/dokku/switch"
	got "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/heal"
	assert_success ""
	assert_calls ""
}

@test "the watch says what each hook says, and names one that fails without a word" {
	made_plugins
	hook one heal <<<'echo "one is missing" >&2; exit 1'
	hook two heal <<<'exit 4'
	got "$PLUGIN_CORE_AVAILABLE_PATH/watch/libexec/heal-host"
	assert_status 0
	assert_error "one is missing
 !     the plugin two refused or failed: its hook heal ended with status 4; dokku plugin:disable two turns it off"
}

# said LINE… - what the watch prints of messages that come one after the other. The word "later"
# stands for a time in which none comes, after which those before are over.
said() {
	got bash -c 'for line; do
			[[ $line == later ]] && sleep 3 || printf "%s\n" "$line"
		done | "$PLUGIN_CORE_AVAILABLE_PATH/watch/libexec/say-once"' bash "$@"
}

@test "the watch says a problem once, whatever the time is, and when it is over; progress each time" {
	export DOKKU_SAID_FOR=2
	local once=' !     web: it failed at' odd='x]$(touch "$WORLD/run")\`id`'
	said "$once 10:00:01" "-----> one" "$odd" "$once 10:00:11" "-----> one" "$odd" \
		" !     else" later "$odd" "$once 10:00:51"
	assert_status 0
	assert_equal "$once 10:00:01
-----> one
$odd
-----> one
 !     else
$odd
$once 10:00:51" "$(grep -v 'over since ..:..:.., ' <<<"$output")"
	[[ $output == *"after 2 times: web: it failed at 10:00:11"* ]]
	[[ $output == *"after 2 times: $odd"* && $output != *": else"* ]]
	assert_absent "$WORLD/run"
}

@test "without links to plugins the program's own are used" {
	rm -r "$DOKKU_LIB_ROOT/plugins"
	got env -u PLUGIN_PATH "$DOKKU" version
	assert_status 0
	mkdir -p "$DOKKU_LIB_ROOT/data/services"
	got env -u PLUGIN_PATH "$DOKKU" apps:list
	assert_status 0
}
