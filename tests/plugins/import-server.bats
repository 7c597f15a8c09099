#!/usr/bin/env bats
# import-server: a tree as Dokku 0.38 leaves it becomes apps of this server.

load ../helper

setup() {
	world
	rm "$BIN/docker"
	OLD="$WORLD/the old one"
	ROOT="$OLD/home/dokku" LIB="$OLD/var/lib/dokku"
	mkdir -p "$ROOT" "$LIB/config" "$LIB/data/storage-registry/entries"
	an_app shop
	export GIT_CONFIG_GLOBAL="$HOME/.gitconfig"
}

# property PLUGIN/SCOPE/KEY LINE… - makes a property of the old server.
property() {
	mkdir -p "$LIB/config/${1%/*}"
	printf '%s\n' "${@:2}" >"$LIB/config/$1"
}

# an_app NAME - makes an app of the old server, with a commit.
an_app() {
	git init --quiet --bare --initial-branch main "$ROOT/$1"
	git init --quiet --initial-branch main "$WORLD/source"
	git -C "$WORLD/source" commit --quiet --allow-empty --message "of $1"
	git -C "$WORLD/source" push --quiet "$ROOT/$1" main
	rm -rf "$WORLD/source"
}

fill() {
	property shop/ENV "export A='1'" "export B='it'\\''s'"
	printf 'shop.example.com\nwww.example.com\n' >"$ROOT/shop/VHOST"
	printf 'apps.example.com\n' >"$ROOT/VHOST"
	property ports/shop/map http:80:5000 http:8080:5000
	property docker-options/shop/_default_.deploy '--ulimit nofile=12' '--label "a=b c"'
	property docker-options/shop/worker.deploy '--cpus 1'
	property ps/shop/scale "web=2" "worker=1"
	property ps/shop/restart-policy always
	property ps/shop/can-scale true
	property git/shop/deploy-branch main
	property nginx-vhosts/shop/client-max-body-size 5m
	property nginx-vhosts/shop/nginx-service-command reload
	property resource/shop/_default_.limit.memory 512m
	property resource/shop/worker.reserve.memory 64
	printf '{"name":"data","host_path":"/var/lib/dokku/data/storage/shop"}' \
		>"$LIB/data/storage-registry/entries/data.json"
	property storage/shop/attachments \
		'{"entry_name":"data","container_path":"/data","phases":["deploy","run"]}'
	mkdir -p "$LIB/services/postgres/db" "$LIB/plugins/available/postgres" "$ROOT/.ssh"
	ssh-keygen -q -t ed25519 -N '' -C '' -f "$WORLD/key"
	printf 'command="FINGERPRINT=SHA256:x NAME=\\"ann\\" `cat /home/dokku/.sshcommand` %s %s\n' \
		'$SSH_ORIGINAL_COMMAND",no-agent-forwarding' "$(<"$WORLD/key.pub")" >"$ROOT/.ssh/authorized_keys"
}

@test "import-server: an app with all that it has, the keys and the settings; what is not here is told" {
	fill
	dokku import-server "$OLD"
	assert_status 0
	assert_equal "of shop" "$(git -C "$DOKKU_ROOT/shop" log --format=%s main)"
	dokku config:export --format json shop
	assert_success '{"A":"1","B":"it'\''s"}'
	dokku --quiet domains:report shop --domains-app-vhosts
	assert_success "shop.example.com www.example.com"
	dokku domains:report --global --domains-global-vhosts
	assert_success apps.example.com
	dokku ports:report shop --ports-map
	assert_success "http:8080:5000 http:80:5000"
	dokku docker-options:list --phase deploy shop
	assert_success "--ulimit nofile=12
--label 'a=b c'"
	dokku docker-options:list --phase deploy --process worker shop
	assert_success '--cpus 1'
	dokku ps:scale --format json shop
	[[ $output == *'"web"'*2* && $output == *'"worker"'*1* ]]
	dokku ps:report shop --ps-restart-policy
	assert_success always
	dokku nginx:report shop --nginx-client-max-body-size
	assert_success 5m
	dokku resource:report shop --resource-_default_.limit.memory
	assert_success 512m
	dokku storage:list --format json shop
	[[ $output == *'"/data"'* ]]
	dokku --quiet ssh-keys:list
	[[ $output == *ann* ]]
}

@test "import-server: what there is not here is told" {
	fill
	dokku import-server "$OLD"
	assert_status 0
	[[ $output == *"the setting nginx-service-command of nginx-vhosts, which was reload"* ]]
	[[ $output == *"not here: the plugins postgres: dokku plugin:install"* ]]
	[[ $output == *"the services postgres/db: export each there and import it here, or"* ]]
	[[ $output != *can-scale* ]]
}

# more - what the fill has not: what is in files of its own, and what is switched off.
more() {
	property shop/ENV "export A='1'" "export NO_VHOST='1'"
	property proxy/shop/disabled true
	property ports/shop/map-detected http:3000:3000
	rm "$LIB/config/ports/shop/map"
	mkdir -p "$ROOT/shop/nginx.conf.d" "$LIB/config/registry/shop" "$ROOT/.docker" \
		"$LIB/data/storage/shop/in"
	printf 'client_max_body_size 9m;\n' >"$ROOT/shop/nginx.conf.d/upload.conf"
	printf 'x;\n' | tee "$ROOT/shop/nginx.conf.d/"{hsts,letsencrypt}.conf >/dev/null
	printf 'secret\n' >"$WORLD/secret"
	ln -s "$WORLD/secret" "$ROOT/shop/nginx.conf.d/link.conf"
	printf '{"auths":{"a":{}}}\n' >"$LIB/config/registry/shop/config.json"
	printf '{"auths":{"b":{}}}\n' >"$ROOT/.docker/config.json"
	printf 'machine %s password %s\n' 'github.com login ann' 's3 cret' \
		'gitlab.com login bob' p >"$ROOT/.netrc"
	printf 'data\n' >"$LIB/data/storage/shop/in/file"
	ln -s /etc/shadow "$LIB/data/storage/shop/link"
	printf 'private\n' >"$ROOT/.ssh/id_ed25519"
	printf 'public\n' >"$ROOT/.ssh/id_ed25519.pub"
}

@test "import-server: lines of nginx, credentials, the deploy key, disabled domains and proxy" {
	fill
	more
	dokku import-server "$OLD"
	assert_status 0
	[[ $output == *"shop had http:3000:3000 by its image: dokku ports:add shop http:3000:3000 "* ]]
	[[ $output == *"not copied: the data in "* && ! -e $DOKKU_LIB_ROOT/data/storage/shop ]]
	dokku domains:report shop --domains-app-enabled
	assert_success false
	dokku proxy:report shop --proxy-enabled
	assert_success false
	assert_file "$DOKKU_ROOT/shop/nginx.conf.d/upload.conf" 'client_max_body_size 9m;'
	assert_equal upload.conf "$(ls "$DOKKU_ROOT/shop/nginx.conf.d")"
	assert_file "$DOKKU_LIB_ROOT/config/registry/shop/config.json" '{"auths":{"a":{}}}'
	assert_file "$DOKKU_ROOT/.docker/config.json" '{"auths":{"b":{}}}'
	assert_equal 600 "$(stat -c %a "$DOKKU_LIB_ROOT/config/registry/shop/config.json")"
	assert_file "$DOKKU_ROOT/.netrc" "machine github.com login ann password s3
machine gitlab.com login bob password p"
	assert_file "$DOKKU_ROOT/.ssh/id_ed25519" private
	assert_equal 600 "$(stat -c %a "$DOKKU_ROOT/.ssh/id_ed25519")"
}

@test "import-server: what this server has already is not replaced; --dry-run copies nothing" {
	fill
	more
	mkdir -p "$DOKKU_ROOT/.docker" "$DOKKU_ROOT/.ssh" "$DOKKU_LIB_ROOT/data/storage/shop"
	printf 'own\n' | tee "$DOKKU_ROOT/.docker/config.json" >"$DOKKU_ROOT/.ssh/id_rsa"
	dokku import-server --storage --dry-run "$OLD"
	assert_status 0
	[[ $output == *"copy $ROOT/shop/nginx.conf.d/upload.conf"* && $output != *"s3"* ]]
	dokku import-server --storage "$OLD"
	assert_status 0
	assert_file "$DOKKU_ROOT/.docker/config.json" own
	assert_absent "$DOKKU_ROOT/.ssh/id_ed25519" "$DOKKU_LIB_ROOT/data/storage/shop/in"
	[[ $output == *"this server has a folder $DOKKU_LIB_ROOT/data/storage/shop: passed over"* ]]
}

@test "import-server --storage: the data comes, too, with its links as links" {
	fill
	more
	dokku import-server --storage "$OLD"
	assert_status 0
	assert_file "$DOKKU_LIB_ROOT/data/storage/shop/in/file" data
	assert_equal /etc/shadow "$(readlink "$DOKKU_LIB_ROOT/data/storage/shop/link")"
	assert_equal shop "$(ls -A "$DOKKU_LIB_ROOT/data/storage")"
	[[ $output != *"not copied: the data"* ]]
}

@test "import-server --storage: services come, too, as they were stopped" {
	fill
	printf 'rows\n' >"$LIB/services/postgres/db/rows"
	mkdir -p "$DOKKU_LIB_ROOT/services/postgres/own" "$LIB/services/postgres/own"
	ln -s /etc "$LIB/services/evil"
	dokku import-server --storage "$OLD"
	assert_status 0
	assert_file "$DOKKU_LIB_ROOT/services/postgres/db/rows" rows
	[[ $output == *"before the apps: dokku postgres:start db"* &&
		$output != *"the services postgres"* ]]
	[[ $output == *"a folder $DOKKU_LIB_ROOT/services/postgres/own: passed over"* ]]
	assert_absent "$DOKKU_LIB_ROOT/services/evil"
}

@test "import-server: a cron task that was suspended is suspended here from the first deploy on" {
	fill
	# echo 5 of the app shop, each minute, as Dokku calls it.
	property cron/shop/maintenance-595c5k6kmlvfku44bp44m6douw12ciuoa72dpgq true
	property cron/shop/maintenance-nonsense true
	property cron/shop/maintenance-zz false
	dokku import-server "$OLD"
	assert_status 0
	[[ $output == *"suspended: echo 5 (* * * * *)"* && $output != *"setting maintenance-"* ]]
	[[ $stderr == *"not taken: the suspended task nonsense of cron"* ]]
	printf '{"cron": [{"command": "echo 5", "schedule": "* * * * *"}]}' >"$WORLD/app.json"
	code cron 'cron_tasks "$1"' "$WORLD/app.json"
	assert_file "$DOKKU_LIB_ROOT/config/cron/shop/suspended-${output%%$'\t'*}" true
	[[ $(ls "$DOKKU_LIB_ROOT/config/cron/shop") == suspended-* ]]
}

@test "import-server --dry-run: the commands, and nothing is changed" {
	fill
	dokku import-server --dry-run "$OLD"
	assert_status 0
	[[ $output == *"dokku apps:create shop"*"dokku config:import --no-restart shop -"* ]]
	[[ $output == *"dokku ps:scale --skip-deploy shop web=2 worker=1"* ]]
	[[ $output != *"it's"* && $output != *"it\\'s"* ]]
	assert_absent "$DOKKU_ROOT/shop"
	assert_absent "$DOKKU_ROOT/VHOST"
}

@test "import-server: an app that is here stays as it is, and one part that is refused stops nothing" {
	fill
	an_app blog
	dokku --quiet apps:create shop
	property ports/blog/map grpc:80:5000
	property ps/blog/restart-policy sometimes
	property blog/ENV "export C='3'"
	dokku import-server "$OLD"
	assert_status 1
	[[ $output == *"this server has an app shop: passed over"* ]]
	[[ $stderr == *"not taken, see above: dokku ports:set blog grpc:80:5000"* ]]
	[[ $stderr == *"not taken over: 2, see above. Everything else was" ]]
	dokku config:export --format json blog
	assert_success '{"C":"3"}'
	dokku config:export --format json shop
	assert_success '{}'
}

@test "import-server: links of the copy are not followed, and its git is not asked" {
	printf 'secret=1\n' >"$WORLD/secret"
	mkdir -p "$LIB/config/shop"
	ln -s "$WORLD/secret" "$LIB/config/shop/ENV"
	ln -s "$WORLD" "$ROOT/linked"
	printf '[core]\n\tfsmonitor = touch "%s"\n' "$WORLD/ran" >>"$ROOT/shop/config"
	dokku import-server "$OLD"
	assert_status 0
	dokku config:export --format json shop
	assert_success '{}'
	assert_absent "$WORLD/ran" "$DOKKU_ROOT/linked"
	git -C "$DOKKU_ROOT/shop" config core.fsmonitor && return 1
	dokku import-server "$WORLD"
	assert_refused "$WORLD has no home/dokku and var/lib/dokku: copy both there first;" \
		"nothing was changed"
}

@test "import-server: a repository of the copy does not lead to that of another app" {
	dokku apps:create victim
	local objects=$DOKKU_ROOT/victim/objects commit
	commit=$(git -C "$ROOT/shop" rev-parse main)
	cp -r "$ROOT/shop/objects/." "$objects/"
	rm -r "$ROOT/shop/refs/tags"
	ln -s "$DOKKU_ROOT/victim/refs/heads" "$ROOT/shop/refs/tags"
	rm -r "$ROOT/shop/objects/${commit:0:2}"
	ln -s "$objects/${commit:0:2}" "$ROOT/shop/objects/${commit:0:2}"
	printf '%s\n' "$objects" >"$ROOT/shop/objects/info/alternates"
	dokku import-server "$OLD"
	[[ -d $DOKKU_ROOT/shop/refs && $(<"$DOKKU_ROOT/shop/refs/heads/main") == "$commit" ]]
	assert_equal "" "$(find "$DOKKU_ROOT/shop" -type l)"
	assert_equal "" "$(ls "$DOKKU_ROOT/shop/objects/info")"
	run ! git -C "$DOKKU_ROOT/shop" cat-file -e "$commit"
}

# was_here - this server had Dokku, with what fill makes; its package was removed.
was_here() {
	ROOT=$DOKKU_ROOT LIB=$DOKKU_LIB_ROOT
	rm -r "$OLD" "$LIB/config" "$LIB/plugins"
	mkdir -p "$LIB/config" "$LIB/data/storage-registry/entries" "$LIB/data/storage/shop" \
		"$LIB/core-plugins/enabled" "$TEST_HOST"/etc/{cron.d,sudoers.d}
	an_app shop
	fill
	printf '%s\n' "server {" "  server_name shop.example.com;" "  error_page 404 /404.html;" \
		"  include $ROOT/shop/nginx.conf.d/*.conf;" "}" >"$ROOT/shop/nginx.conf"
	printf 'rows\n' | tee "$LIB/data/storage/shop/file" >"$LIB/services/postgres/db/rows"
	printf 'of Dokku\n' | tee "$TEST_HOST"/etc/{nginx/conf.d/dokku.conf,cron.d/dokku-retire} \
		>"$TEST_HOST/etc/sudoers.d/dokku-nginx"
	fake crontab <<<'[[ $3 != -l ]] || echo "* * * * * dokku run --cron-id 5 shop echo 5"'
	fake docker <<-'END'
		[[ $1 != ps ]] || printf '%s\n' shop.web.1 before.shop.web.2
	END
}

set_aside() {
	"$PLUGIN_CORE_AVAILABLE_PATH/import-server/libexec/set-aside"
	mkdir -p "$LIB"/{config,plugins/{available,enabled},data/{services,network,releases,builds}}
}

# tree DIR… - prints a sum for each file in DIR….
tree() { find "$@" -type f -exec sha256sum {} + | sort; }

@test "import-server --here: what Dokku has left is set aside, and nothing of it is lost" {
	was_here
	before=$(tree "$WORLD" "$TEST_HOST/etc" | cut -d ' ' -f 1)
	run -0 set_aside
	[[ $output == *"1 apps"*"import-server --dry-run --here"* ]]
	assert_absent "$ROOT/shop" "$ROOT/.ssh/authorized_keys" "$LIB/core-plugins" \
		"$LIB/config/shop" "$LIB/plugins/available/postgres" \
		"$TEST_HOST"/etc/{nginx/conf.d/dokku.conf,cron.d/dokku-retire,sudoers.d/dokku-nginx}
	assert_file "$LIB/data/storage/shop/file" rows
	assert_file "$LIB/services/postgres/db/rows" rows
	[[ $(<"$LIB/.before/crontab") == *cron-id* ]]
	grep -qx 'crontab -u dokku -r' "$CALLS"
	grep -qx 'docker rename shop.web.1 before.shop.web.1' "$CALLS"
	run ! grep 'rename before' "$CALLS"
	assert_file "$TEST_HOST/etc/nginx/dokku-before/shop.conf" "server {
  server_name shop.example.com;
  include $ROOT/.before/shop/nginx.conf.d/*.conf;
}"
	grep -qxF "include $TEST_HOST/etc/nginx/dokku-before/*.conf;" \
		"$TEST_HOST/etc/nginx/conf.d/zz-dokku-before.conf"
	while read -r sum; do
		[[ $(tree "$WORLD" "$TEST_HOST/etc") == *"$sum"* ]]
	done <<<"$before"
}

@test "import-server --here: setting aside goes on where it was killed, and replaces nothing" {
	was_here
	mkdir -p "$ROOT/.before" "$LIB/.before/data"
	mv "$ROOT/shop" "$ROOT/.before/"
	printf 'tasks\n' >"$LIB/.before/crontab"
	fake crontab <<<'exit 1'
	run -0 set_aside
	assert_absent "$LIB/core-plugins"
	assert_file "$LIB/.before/crontab" tasks
	: >"$CALLS"
	run -0 set_aside
	assert_equal "" "$output$(<"$CALLS")"
	mkdir -p "$LIB/core-plugins" "$ROOT/other/refs" "$ROOT/.before/other"
	: >"$ROOT/other/HEAD"
	run -1 "$PLUGIN_CORE_AVAILABLE_PATH/import-server/libexec/set-aside"
	[[ $output == *"$ROOT/other cannot be set aside: there is a $ROOT/.before/other"* ]]
	[[ -e $ROOT/other/HEAD && -d $LIB/core-plugins ]]
}

@test "import-server --here: without an engine nothing is set aside" {
	was_here
	fake docker <<<'exit 1'
	run -1 "$PLUGIN_CORE_AVAILABLE_PATH/import-server/libexec/set-aside"
	[[ $output == *"The Docker engine does not answer"*"Nothing was changed."* ]]
	[[ -d $ROOT/shop && -d $LIB/config/shop ]]
}

@test "import-server --here: the apps are ours; containers of one with a release are stopped at last" {
	was_here
	set_aside
	dokku import-server --dry-run --here
	assert_status 0
	[[ $output == *"dokku apps:create shop"* ]]
	assert_absent "$ROOT/shop"
	rm "$BIN/docker"
	dokku import-server --here
	assert_status 0
	assert_equal "of shop" "$(git -C "$ROOT/shop" log --format=%s main)"
	dokku config:export --format json shop
	assert_success '{"A":"1","B":"it'\''s"}'
	dokku --quiet ssh-keys:list
	[[ $output == *ann* && -e $TEST_HOST/etc/nginx/dokku-before/shop.conf ]]
	fake docker <<<'[[ $1 != ps ]] || echo before.shop.web.1'
	mkdir -p "$LIB/data/releases/shop"
	printf '1\n' >"$LIB/data/releases/shop/current"
	made_plugins import-server nginx ssh-keys
	hook_of scheduler-docker-local aside-leave
	hook proxy subcommands/build-config </dev/null
	sed -i '2i# Summary: x\n# Usage: dokku proxy:build-config APP' \
		"$PLUGIN_PATH/proxy/subcommands/build-config"
	DOKKU_ASIDE_WAIT=0 dokku import-server --here
	assert_status 0
	assert_absent "$TEST_HOST/etc/nginx/dokku-before/shop.conf"
	grep -q '^docker stop --time 30 before.shop.web.1$' "$CALLS"
	[[ $output == *"they are stopped, and kept: docker rm removes them"* ]]
}

@test "import-server --here: where no Dokku was, it says so" {
	dokku import-server --here
	assert_refused "no Dokku was on this server when make install was run: there is no" \
		"$DOKKU_LIB_ROOT/.before. For one of another server, name a copy of its files;" \
		"nothing was changed"
}
