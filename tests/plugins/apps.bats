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

@test "apps:create: the git config of the server does not say how the repository is made" {
	git config --file "$WORLD/gitconfig" init.templateDir "$WORLD/template"
	mkdir -p "$WORLD/template/odd"
	GIT_CONFIG_SYSTEM=$WORLD/gitconfig GIT_CONFIG_NOSYSTEM=0 dokku apps:create web
	assert_success "-----> Created web"
	assert_absent "$DOKKU_ROOT/web/odd"
}

@test "--app: names the new app where apps:create has no name, and the app of other commands" {
	dokku --app web apps:create
	assert_success "-----> Created web"
	dokku --app web apps:create shop
	assert_success "-----> Created shop"
	dokku --app web apps:create web
	assert_refused "there is an app web already; nothing was changed"
	dokku --app web config:set --no-restart A=b
	assert_status 0
	dokku --app web config:get A
	assert_success b
}

@test "apps:create: a name that is taken, hostile or missing is refused, and nothing is made" {
	make_app web
	dokku apps:create web
	assert_refused "there is an app web already; nothing was changed"
	is_refused() {
		dokku apps:create -- "$1"
		assert_status 1 && assert_output "" &&
			assert_error_like ' !     not an app name: "*": use lower case letters,' \
				'digits, dots and hyphens, at most 63' &&
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
	assert_refused "apps:create: NEW-APP is missing; nothing was done." \
		"Please retry with valid arguments. Usage:" \
		"dokku apps:create NEW-APP" 2
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
	hook fake pre-create \
		<<<"printf 'x\n' >'$BATS_TEST_TMPDIR/at'; read -r x <'$BATS_TEST_TMPDIR/on'"
	"$DOKKU" apps:create web >"$BATS_TEST_TMPDIR/first" 2>&1 3>&- &
	heard at
	rm "$PLUGIN_PATH/fake/pre-create"
	dokku apps:create web
	assert_success "-----> Created web"
	printf '\n' >"$BATS_TEST_TMPDIR/on"
	local code=0
	wait "$!" || code=$?
	assert_equal 1 "$code"
	assert_file "$BATS_TEST_TMPDIR/first" \
		" !     there is an app web already; nothing was changed"
	assert_equal web "$(ls -A "$DOKKU_ROOT")"
}

@test "apps:list, apps:exists" {
	dokku apps:list
	assert_status 0
	assert_output "=====> My Apps"
	assert_error " !     You haven't deployed any applications yet"
	dokku apps:list --format json
	assert_success '[]'
	dokku apps:report
	assert_status 0
	assert_error " !     You haven't deployed any applications yet"
	make_app web blog
	dokku apps:list
	assert_success "=====> My Apps
blog
web"
	dokku --quiet apps:list
	assert_success "blog
web"
	dokku apps:list --format json
	assert_success '["blog","web"]'
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
	assert_error_like \
		' !     web is locked since 20*: dokku apps:unlock web allows deploys again'
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
	assert_equal 5 \
		"$(find "$DOKKU_ROOT" "$DOKKU_LIB_ROOT" -name blog \
			-not -path "$DOKKU_LIB_ROOT/lock/*" | wc -l)"
	dokku apps:list
	assert_success "=====> My Apps
blog"
}

@test "apps:destroy: an app that is called as a plugin is takes no settings of others with it" {
	make_app web ps
	mkdir -p "$DOKKU_LIB_ROOT/config/ps/"{web,ps}
	printf 'web=2\n' |
		tee "$DOKKU_LIB_ROOT/config/ps/web/scale" >"$DOKKU_LIB_ROOT/config/ps/ps/scale"
	printf "export A='1'\n" >"$DOKKU_LIB_ROOT/config/ps/ENV"
	dokku apps:destroy --force ps
	assert_status 0
	assert_file "$DOKKU_LIB_ROOT/config/ps/web/scale" "web=2"
	assert_absent "$DOKKU_LIB_ROOT/config/ps/ENV" "$DOKKU_LIB_ROOT/config/ps/ps"
}

@test "apps:destroy: an app that is called as a file of a plugin takes that file not with it" {
	make_app next-address
	mkdir -p "$DOKKU_LIB_ROOT/data/"{network,builds/next-address}
	printf '5\n' >"$DOKKU_LIB_ROOT/data/network/next-address"
	dokku apps:destroy --force next-address
	assert_success "-----> Destroyed next-address"
	assert_file "$DOKKU_LIB_ROOT/data/network/next-address" 5
	assert_absent "$DOKKU_LIB_ROOT/data/builds/next-address"
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
	assert_refused "apps:destroy: APP is missing; nothing was done." \
		"Please retry with valid arguments. Usage:" \
		"dokku apps:destroy [-f|--force] APP [force]" 2
}

@test "apps:destroy: killed midway, it can be run again: there is no release to go back to" {
	make_app web
	make_release web 1
	make_current web 1
	hook fake reconcile <<<'[[ -z $2 || ! -e $STEPS.again ]]'
	hook fake scheduler-destroy \
		<<<'[[ -e $STEPS.again ]] || { : >"$STEPS.again"; kill -9 "$PPID"; }'
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
	assert_error_like "*web is destroyed in part: see the message above," \
		"then run dokku apps:destroy --force web again"
	[[ -d $DOKKU_ROOT/web ]]
}

@test "apps:destroy: while the engine does not answer, nothing is removed" {
	make_app web
	make_release web 1
	make_current web 1
	hook fake scheduler-list <<<'printf " !     no engine\n" >&2; exit 1'
	dokku apps:destroy --force web
	assert_refused "no engine
 !     web: its containers cannot be removed now, so nothing was destroyed: see the message" \
		"above, then try again"
	assert_equal 1 "$(current web)"
}

@test "apps:set" {
	dokku apps:set --global disable-autocreation true
	assert_success "-----> --global: disable-autocreation is now true"
	make_app web
	dokku apps:set web disable-autocreation true
	assert_refused "apps:set: Property can only be specified globally: say --global disable-autocreation" 2
	dokku apps:set --global deploy-source git
	assert_refused "apps:set: Property cannot be specified globally: name an app" \
		"instead of --global" 2
	dokku apps:set --global disable-autocreation maybe
	assert_refused 'apps:set: disable-autocreation wants true or false, not "maybe";' \
		'nothing was changed'
}

@test "apps:set deploy-source, git:set source-image: told by the reports until a build is live" {
	local name
	made_plugins apps git
	make_app web
	make_release web 1 web=1
	make_current web 1
	printf 'docker-image nginx:1\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/source"
	"$DOKKU" apps:set web deploy-source git >/dev/null
	"$DOKKU" apps:set web deploy-source-metadata main >/dev/null
	"$DOKKU" git:set web source-image alpine:3.20 >/dev/null
	told() {
		assert_equal "$*" "$("$DOKKU" apps:report web --app-deploy-source) $(
			"$DOKKU" apps:report web --app-deploy-source-metadata
		) $(
			"$DOKKU" git:report web --git-source-image
		)"
	}
	told git main alpine:3.20
	dokku apps:report web --format json
	assert_equal 1 "$(grep -o '"app-deploy-source"' <<<"$output" | wc -l)"
	for name in git apps; do
		got "$PLUGIN_CORE_AVAILABLE_PATH/$name/post-deploy" web 5000 "" 1
		assert_success ""
	done
	told git main alpine:3.20
	: >"$DOKKU_LIB_ROOT/data/releases/web/1/built"
	for name in git apps; do
		got "$PLUGIN_CORE_AVAILABLE_PATH/$name/post-deploy" web 5000 "" 1
		assert_success ""
	done
	told docker-image nginx:1 nginx:1
}

@test "a report of all apps is one process, whichever report: a thousand apps are a second" {
	local n plugin
	for n in {1..300}; do
		make_app "app$n"
		make_release "app$n" 1 web=1
		make_current "app$n" 1
	done
	for plugin in app-json builder certs checks domains git maintenance nginx ports proxy \
		registry; do
		PLUGIN_PATH=$PLUGIN_CORE_AVAILABLE_PATH
		SECONDS=0
		dokku "$plugin:report"
		assert_status 0
		assert_equal 300 "$(grep -c '^=====> app' <<<"$output")" "$plugin:report"
		# With five programs for an app, as it was, it takes more than this.
		[[ $SECONDS -lt 5 ]] || differ "seconds of $plugin:report" "under 5" "$SECONDS"
	done
	SECONDS=0
	dokku ports:report --format json --all
	[[ $SECONDS -lt 3 ]] || differ "seconds of JSON in JSON" "under 3" "$SECONDS"
	assert_equal '[80]' "$(jq --compact-output --slurp \
		'map(."map-detected-json" | fromjson[0].host_port) | unique' <<<"$output")"
}

# --- rename and clone ----------------------------------------------------------

# owners - adds the plugins that have state of an app. A fake plugin stands for the scheduler.
owners() {
	made_plugins builds certs common domains git releases
	hook_of checks post-app-rename-setup
	hook_of checks post-app-clone-setup
	hook_of nginx post-app-rename-setup
	hook_of nginx post-app-clone-setup
	printf 'example.com\n' >"$DOKKU_ROOT/VHOST"
	hook fake scheduler-image-copy </dev/null
	hook fake scheduler-start <<<': >"$DOKKU_LIB_ROOT/data/releases/$2/$3/containers"'
	: >"$STEPS"
}

# make_deployed APP - makes an app as apps:create and two deploys would leave it.
make_deployed() {
	dokku --quiet apps:create "$1"
	printf '%s.example.com\nstays.org\n' "$1" >"$DOKKU_ROOT/$1/VHOST"
	dokku --quiet config:set --no-restart "$1" A=1
	make_release "$1" 1
	make_release "$1" 2
	make_current "$1" 2
	printf 'abc\n' >"$DOKKU_LIB_ROOT/data/releases/$1/2/commit"
	printf 'server\n' >"$DOKKU_LIB_ROOT/data/releases/$1/2/proxy-template"
	code "" 'property_set checks "$1" wait-to-retire 7' "$1"
	mkdir "$DOKKU_ROOT/$1/tls"
	printf 'key\n' >"$DOKKU_ROOT/$1/tls/server.key"
	mkdir "$DOKKU_ROOT/$1/nginx.conf.d"
	printf '# x\n' >"$DOKKU_ROOT/$1/nginx.conf.d/x.conf"
	printf '/ ok\n' >"$DOKKU_ROOT/$1/CHECKS"
	git -C "$DOKKU_ROOT/$1" symbolic-ref HEAD refs/heads/live
	git -C "$DOKKU_ROOT/$1" update-ref refs/heads/live \
		"$(git -C "$DOKKU_ROOT/$1" commit-tree -m x \
			"$(git -C "$DOKKU_ROOT/$1" mktree </dev/null)")"
	: >"$STEPS"
}

# names - prints the names of the apps' folders.
names() { (cd "$DOKKU_ROOT" && printf '%s\n' */ | tr -d /); }

# assert_copied APP - requires that the folder of APP has the files that make_deployed made, which
# both apps have after a clone.
assert_copied() {
	assert_file "$DOKKU_ROOT/$1/nginx.conf.d/x.conf" "# x"
	assert_file "$DOKKU_ROOT/$1/CHECKS" "/ ok"
	assert_file "$DOKKU_LIB_ROOT/data/releases/$1/$(current "$1")/proxy-template" server
	assert_equal x "$(git -C "$DOKKU_ROOT/$1" log --format=%s)"
	[[ -x $DOKKU_ROOT/$1/hooks/pre-receive && -x $DOKKU_ROOT/$1/hooks/proc-receive ]]
	assert_file "$DOKKU_LIB_ROOT/config/$1/ENV" "export A='1'"
	assert_file "$DOKKU_LIB_ROOT/config/checks/$1/wait-to-retire" 7
}

# assert_all_moved OLD NEW - requires that nothing of OLD is left but its lock, and that NEW has OLD
# as a former name.
assert_all_moved() {
	assert_equal "" "$(find "$WORLD" -name "$1" -not -path "$DOKKU_LIB_ROOT/lock/*")"
	assert_equal "" \
		"$(find "$DOKKU_ROOT" -name 'renamed-to' -o -name 'made-from' -o -name '.new.*')"
	assert_file "$DOKKU_LIB_ROOT/config/apps/$2/former-names" "$1"
	assert_file "$DOKKU_ROOT/$2/VHOST" "$2.example.com"$'\n'"stays.org"
	assert_copied "$2"
	assert_file "$DOKKU_ROOT/$2/tls/server.key" key
	assert_equal "" "$(cat "$DOKKU_LIB_ROOT"/lock/{"$1","$2"})"
}

@test "apps:rename: a release of the same image under the new name, then all of the old one goes" {
	owners
	make_deployed web
	hook fake scheduler-start <<<'[[ ! -e $DOKKU_LIB_ROOT/data/releases/shop/current ]]
		: >"$DOKKU_LIB_ROOT/data/releases/$2/$3/containers"
		[[ $(<"$DOKKU_LIB_ROOT/data/releases/web/current") == 2 ]]'
	local name
	for name in core-post-deploy post-app-rename-setup post-app-rename scheduler-retire \
		pre-delete scheduler-destroy post-delete; do
		hook fake "$name" </dev/null
	done
	dokku apps:rename web shop
	assert_status 0
	assert_error ""
	assert_output_like "-----> Renaming web to shop
-----> Starting shop v3: web.1*
-----> Draining the containers of web, up to 7 s
-----> Renamed web to shop: git remote set-url REMOTE dokku@HOST:shop"
	assert_steps "scheduler-retire docker-local web 2
post-app-rename-setup web shop
scheduler-image-copy docker-local web 2 shop 2
scheduler-image-copy docker-local web 1 shop 1
scheduler-start docker-local shop 3
core-post-deploy shop   3
scheduler-retire docker-local shop 3
post-app-rename web shop
post-app-rename web shop
scheduler-retire docker-local web 
pre-delete web
scheduler-destroy docker-local web
post-delete web"
	assert_all_moved web shop
	assert_equal 3 "$(current shop)"
	assert_file "$DOKKU_LIB_ROOT/data/releases/shop/3/commit" abc
	assert_equal "1 2 3" \
		"$(cd "$DOKKU_LIB_ROOT/data/releases/shop" && printf "%s\n" [0-9] | paste -sd " ")"
	assert_file "$(find "$DOKKU_LIB_ROOT/data/builds/shop" -name what)" "apps:rename web shop"
	assert_file "$(find "$DOKKU_LIB_ROOT/data/builds/shop" -name status)" 0
}

@test "apps:rename: an app without a release; one that is stopped; --skip-deploy" {
	owners
	dokku --quiet apps:create web
	dokku apps:rename web shop
	assert_success "-----> Renaming web to shop
-----> Renamed web to shop: git remote set-url REMOTE dokku@HOST:shop"
	assert_equal shop "$(names)"
	assert_file "$DOKKU_ROOT/shop/VHOST" shop.example.com
	hook fake core-post-stop </dev/null
	make_deployed web
	code "" 'property_set ps web stopped true'
	dokku apps:rename web other
	assert_status 0
	assert_all_moved web other
	assert_equal 2 "$(current other)"
	assert_file "$DOKKU_LIB_ROOT/config/ps/other/stopped" true
	hook fake core-post-deploy </dev/null
	dokku apps:rename --skip-deploy other third
	assert_status 0
	assert_equal 2 "$(current third)"
	assert_file "$DOKKU_LIB_ROOT/config/apps/third/former-names" "web other"
}

@test "apps:rename, apps:clone: an app without a release keeps its static-web-listener, and the visitors" {
	owners
	hook fake proxy-build-config </dev/null
	dokku --quiet apps:create web
	code "" 'property_set network web static-web-listener 127.0.0.1:8080'
	: >"$STEPS"
	dokku apps:clone web copy
	assert_status 0
	assert_steps "proxy-build-config nginx copy static"
	: >"$STEPS"
	dokku apps:rename web shop
	assert_status 0
	[[ $(<"$STEPS") == "proxy-build-config nginx shop static"* ]]
}

@test "apps:rename: a failure before the commit changes nothing, wherever it comes" {
	owners
	make_deployed web
	local before name
	before=$(cd "$DOKKU_ROOT/web" &&
		find . -type f -not -path './objects/*' | sort | xargs cksum)
	for name in post-app-rename-setup scheduler-start verify-switch; do
		hook fake "$name" <<<': >"$DOKKU_LIB_ROOT/data/releases/$2/$3/containers"; exit 1'
		dokku apps:rename web shop
		assert_status 1
		[[ $stderr == *' !     apps:rename: web keeps its name' ]] ||
			differ "$name" "keeps its name" "$stderr"
		assert_equal "" "$(find "$WORLD" -name shop -not -path "$DOKKU_LIB_ROOT/lock/*")" \
			"$name"
		assert_equal "$before" \
			"$(cd "$DOKKU_ROOT/web" &&
				find . -type f -not -path './objects/*' | sort | xargs cksum)"
		assert_equal 2 "$(current web)"
		assert_file "$DOKKU_LIB_ROOT/lock/shop" ""
		rm "$PLUGIN_PATH/fake/$name"
		hook fake scheduler-start <<<': >"$DOKKU_LIB_ROOT/data/releases/$2/$3/containers"'
	done
}

@test "apps:rename, apps:clone: names that are taken or malformed are refused, and nothing is made" {
	make_app web blog
	local verb
	for verb in rename clone; do
		dokku "apps:$verb" web blog
		assert_refused "there is an app blog already; nothing was changed"
		dokku "apps:$verb" web web
		assert_refused "there is an app web already; nothing was changed"
		dokku "apps:$verb" web ../x
		assert_refused 'not an app name: "../x": use lower case letters, digits,' \
			'dots and hyphens, at most 63'
		dokku "apps:$verb" ghost other
		assert_refused "App ghost does not exist"
		dokku "apps:$verb" web
		assert_status 2
	done
	dokku apps:clone --ignore-existing web blog
	assert_success "       There is an app blog already: it is left as it is"
	dokku apps:lock web
	dokku apps:rename web other
	assert_status 1
	[[ $output == *"web is locked since"* ]]
	assert_equal $'blog\nweb' "$(ls "$DOKKU_ROOT")"
}

@test "apps:rename: a push to the old name is told of the new one" {
	owners
	ln -s "$PLUGIN_CORE_AVAILABLE_PATH/git-receive-pack" "$PLUGIN_PATH/"
	make_app web
	code "" 'property_set apps web former-names "first second"'
	dokku git-receive-pack second
	assert_refused "second was renamed to web: push there," \
		"with git remote set-url REMOTE dokku@HOST:web;" \
		"dokku apps:create second makes a new app of the old name"
	assert_absent "$DOKKU_ROOT/second"
}

@test "apps:clone: all but domains and certificate, and the image as v1; it is neither locked nor stopped" {
	owners
	make_deployed web
	code "" \
		'property_set apps web locked now; property_set ps web stopped true
			property_set apps web former-names old'
	hook fake core-post-deploy </dev/null
	hook fake post-app-clone </dev/null
	dokku apps:clone web copy
	assert_status 0
	assert_error ""
	assert_steps "scheduler-image-copy docker-local web 2 copy 1
scheduler-start docker-local copy 1
core-post-deploy copy   1
post-app-clone web copy"
	assert_equal 1 "$(current copy)"
	assert_file "$DOKKU_LIB_ROOT/data/releases/copy/1/commit" abc
	assert_file "$DOKKU_ROOT/copy/VHOST" copy.example.com
	assert_absent "$DOKKU_ROOT/copy/tls" "$DOKKU_ROOT/copy/made-from" \
		"$DOKKU_LIB_ROOT/config/apps/copy/locked" \
		"$DOKKU_LIB_ROOT/config/ps/copy/stopped" \
		"$DOKKU_LIB_ROOT/config/apps/copy/former-names"
	assert_copied copy
	assert_copied web
	assert_equal 2 "$(current web)"
	dokku apps:clone --skip-deploy web second
	assert_status 0
	assert_equal 1 "$(current second)"
	assert_file "$DOKKU_LIB_ROOT/config/ps/second/stopped" true
}

@test "apps:clone: a failure leaves no trace of the copy" {
	owners
	make_deployed web
	local name
	for name in post-app-clone-setup scheduler-start; do
		hook fake "$name" <<<'exit 3'
		dokku apps:clone web copy
		assert_status 1
		[[ $stderr == *' !     apps:clone: copy was not made' ]]
		assert_equal "" "$(find "$WORLD" -name copy -not -path "$DOKKU_LIB_ROOT/lock/*")" \
			"$name"
		rm "$PLUGIN_PATH/fake/$name"
	done
}

# half OLD NEW - makes a rename that was interrupted when NEW already existed.
half() {
	printf '%s\n' "$2" >"$DOKKU_ROOT/$1/renamed-to"
	mkdir -p "$DOKKU_ROOT/$2" "$DOKKU_LIB_ROOT/data/releases/$2"
	printf 'rename %s\n' "$1" >"$DOKKU_ROOT/$2/made-from"
}

@test "a rename that was cut short before its commit is undone, by either name" {
	owners
	local app
	for app in web shop; do
		make_deployed web
		half web shop
		dokku reconcile "$app"
		assert_status 0
		assert_absent "$DOKKU_ROOT/shop" "$DOKKU_ROOT/web/renamed-to" \
			"$DOKKU_LIB_ROOT/data/releases/shop"
		assert_equal 2 "$(current web)"
		dokku apps:destroy --force web
	done
	# The name was somebody else's by then.
	make_deployed web
	make_app shop
	make_release shop 1
	make_current shop 1
	printf 'shop\n' >"$DOKKU_ROOT/web/renamed-to"
	dokku reconcile web
	assert_status 0
	assert_absent "$DOKKU_ROOT/web/renamed-to"
	assert_equal 2 "$(current web)"
	assert_equal 1 "$(current shop)"
}

@test "a rename that was cut short after its commit is finished, also if the new app has gone by then" {
	owners
	make_deployed web
	half web shop
	make_release shop 3
	make_current shop 3
	dokku reconcile shop
	assert_status 0
	assert_file "$DOKKU_ROOT/web/renamed-to" "shop committed"
	dokku apps:destroy --force shop
	assert_status 0
	dokku reconcile web
	assert_status 0
	assert_equal VHOST "$(ls "$DOKKU_ROOT")"
}

@test "an operation that finds half a copy, and its original busy, is refused; the watch passes it over" {
	owners
	make_deployed web
	half web shop
	flock "$DOKKU_LIB_ROOT/lock/web" sleep 30 3>&- &
	sleep 0.3
	dokku apps:destroy --force shop
	assert_status 1
	[[ $stderr == *"shop: nothing was changed: web is busy: "* ]] ||
		differ stderr "shop: nothing was changed: web is busy" "$stderr"
	[[ -d $DOKKU_ROOT/shop ]]
	dokku reconcile shop
	assert_status 0
	kill "$!"
}

@test "heal-apps: finds renames and clones that were cut short" {
	owners
	make_deployed web
	half web shop
	make_app copy
	printf 'clone web\n' >"$DOKKU_ROOT/copy/made-from"
	got "$PLUGIN_PATH/apps/heal-apps"
	assert_status 0
	assert_equal web "$(names)"
	got "$PLUGIN_PATH/apps/heal-apps"
	assert_success
}
