#!/usr/bin/env bats
# storage: folders and volumes that outlive containers, by path and by name.

load ../helper

setup() {
	world
	make_app web
	STORAGE=$DOKKU_LIB_ROOT/data/storage
	made_plugins storage apps
	# Their calls show which user gets the folder.
	fake chown chmod </dev/null
}

# args PHASE [PROCESS] - prints the options that docker gets.
args() {
	if [[ $1 == run ]]; then
		got "$PLUGIN_PATH/storage/docker-args-run" web dokku/web:v1 <<<" before"
	else
		got "$PLUGIN_PATH/storage/docker-args-$1" web dokku/web:v1 "$2" 1 <<<" before"
	fi
	output=$(paste -sd ' ' <<<"$output")
}

@test "storage:ensure-directory: a folder with an owner, by name or number" {
	local word uid
	while read -r word uid; do
		dokku storage:ensure-directory --chown "$word" data
		assert_status 0
		[[ -d $STORAGE/data && $output == *"Setting directory ownership to $uid:$uid"* ]]
		assert_equal \
			"chown --recursive --no-dereference -P $uid:$uid $(printf %q \
				"$STORAGE/data")" "$(grep ^chown "$CALLS" | tail -n 1)"
	done <<<$'herokuish 32767\nheroku 1000\npaketo 2000\nroot 0\n1234 1234\n231071 231071'
	: >"$CALLS"
	dokku storage:ensure-directory data --chown false
	assert_status 0
	assert_error " !     Deprecated: storage:create makes such a folder and gives it a name to" \
		"mount it by"
	[[ $output != *ownership* ]]
	assert_equal "" "$(grep ^chown "$CALLS" || true)"
}

@test "storage:ensure-directory: no other name or owner" {
	local name
	for name in @ a/ a/b ../a .. 'a b' ''; do
		dokku storage:ensure-directory "$name"
		assert_status 1
		[[ $stderr == *"cannot be a folder's name"* ]]
	done
	for name in 65536 165535 231072 -1 x 01; do
		dokku storage:ensure-directory "--chown=$name" data
		assert_status 2
	done
	[[ ! -e $STORAGE ]]
}

@test "storage/root/directory: what it reads is checked again, and a link is not followed" {
	local line root="$PLUGIN_CORE_AVAILABLE_PATH/storage/root/directory"
	mkdir -p "$STORAGE" "$WORLD/elsewhere"
	ln -s "$WORLD/elsewhere" "$STORAGE/link"
	for line in 'chown ../x 1' 'chown link 1' 'chown data 65536' 'chown data -1' \
		'chmod data 0888' 'chmod data u+x' 'remove link' 'remove ..' 'other data' ''; do
		run "$root" <<<"$line"
		[[ $status -eq 1 && $output == ' !     storage: '* ]]
	done
	[[ -d $WORLD/elsewhere ]]
	mkdir "$STORAGE/data"
	: >"$STORAGE/data/file"
	"$root" <<<'remove data'
	[[ ! -e $STORAGE/data ]]
	"$root" <<<'remove data'
}

@test "storage:mount HOST:CONTAINER: once, listed, in deploy and run and not at build, and away again" {
	dokku storage:mount web /srv/a:/data
	assert_status 0
	[[ $output == *'the old and the new release of web use it at the same time'* ]]
	dokku --quiet storage:list web
	assert_success /srv/a:/data
	dokku storage:mount web /srv/a:/data
	assert_refused "Mount path already exists."
	dokku storage:mount web cache:/cache:ro
	assert_success "-----> web: cache is mounted at /cache"
	args deploy web
	assert_success " before  -v /srv/a:/data -v cache:/cache:ro"
	args run
	assert_success " before  -v /srv/a:/data -v cache:/cache:ro"
	[[ ! -e $PLUGIN_PATH/storage/docker-args-build ]]
	dokku storage:list web --format json
	assert_equal '[["/srv/a","/data",null],["cache","/cache","ro"]]' \
		"$(jq -c 'map([.host_path, .container_path, .volume_options])' <<<"$output")"
	dokku storage:unmount web /srv/a:/data
	assert_success ""
	dokku storage:unmount web /srv/a:/data
	assert_refused "Mount path does not exist."
	dokku storage:unmount web cache:/cache:ro
	dokku storage:list web --format json
	assert_success "[]"
}

@test "storage:mount: no path that leads elsewhere, no option of docker's" {
	local mount
	for mount in a/b:/data /srv/../etc:/data /srv:data /srv:/ /srv:/data:ro:x \
		'/srv:/data:ro --privileged' $'/srv\n:/data' :/data /srv:; do
		dokku storage:mount web "$mount"
		[[ $status -ne 0 && $stderr == *'nothing was changed'* ]]
	done
	[[ ! -e $DOKKU_LIB_ROOT/config/storage/web ]]
	dokku storage:mount web '/srv/a b$(id):/data'
	assert_status 0
	args deploy web
	assert_success " before  -v '/srv/a b\$(id):/data'"
}

@test "storage:mount: what Docker refuses at the next deploy is said at once" {
	local options
	export PLUGIN_PATH=$DOKKU_DIR/plugins
	rm "$BIN/docker"
	dokku storage:create data
	for options in noexec ro,ro z,Z nocopy; do
		dokku storage:mount web "/srv:/$options:$options"
		assert_status 0
		assert_error " !     storage:mount: \"/srv:/$options:$options\" has mount options" \
			"that Docker does not take: use ro or rw, z or Z, or such as rslave." \
			"Until they are changed, a deploy of web will fail"
	done
	dokku storage:mount web data --container-dir /x --volume-readonly --volume-options ro
	[[ $status -eq 0 && $stderr == *':/x:ro,ro" has mount options'* ]]
	dokku storage:mount web /srv:/data:rw,Z
	assert_status 0
	assert_error ""
	dokku storage:mount web /opt:/data/
	assert_refused "storage:mount: /srv is mounted at /data already:" \
		"dokku storage:unmount web /srv:/data; nothing was changed"
	dokku storage:mount web data --container-dir /data --process-type worker
	assert_status 1
	dokku storage:mount web data --container-dir /cache --process-type worker
	dokku storage:mount web /opt:/cache --process-type web
	assert_status 0
	dokku storage:mount web /tmp:/cache --process-type worker
	assert_refused "storage:mount: data is mounted at /cache already: dokku storage:unmount" \
		"web data --container-dir /cache; nothing was changed"
}

@test "storage:create, :mount NAME: in place, for a phase and a process type" {
	dokku storage:create data --chown heroku --mode 0750
	assert_status 0
	[[ -d $STORAGE/data ]]
	grep -q "^chown .* 1000:1000 " "$CALLS"
	grep -q "^chmod 0750 " "$CALLS"
	dokku storage:create data
	assert_success "-----> Storage entry data already exists, leaving in place"
	dokku storage:mount web data
	assert_status 2
	dokku storage:mount web none --container-dir /x
	assert_status 1
	dokku storage:mount web data --container-dir /data --volume-options Z
	assert_status 0
	dokku storage:mount web data --container-dir /data --volume-readonly --volume-subpath up \
		--volume-options z,rslave --phase deploy --process-type worker
	assert_status 0
	args deploy worker
	assert_success " before  -v '$STORAGE/data/up:/data:ro,z,rslave'"
	args deploy web
	assert_success " before  "
	args run
	assert_success " before  "
	dokku storage:report web --format json
	assert_equal '["data","/data","deploy","worker","up","true","z,rslave"]' \
		"$(jq -c \
			'[.["attachment.1.entry-name", "attachment.1.container-path", "attachment.1.phases", "attachment.1.process-type", "storage-attachment.1.subpath", "attachment.1.readonly", "attachment.1.volume-options"]]' <<<"$output")"
	dokku storage:create logs
	dokku storage:mount web logs --container-dir /logs --phase run
	assert_status 0
	args deploy web
	assert_success " before  "
	args run
	assert_success " before  -v '$STORAGE/logs:/logs'"
	dokku storage:destroy data
	assert_refused "storage:destroy: data is mounted by web: dokku storage:unmount web data;" \
		"nothing was changed"
	dokku storage:unmount web data
	dokku storage:destroy data
	assert_success "-----> Storage entry data destroyed
       Its files stay: $STORAGE/data. dokku storage:create data $STORAGE/data brings the entry back"
	[[ -d $STORAGE/data ]]
}

@test "storage:mount --volume-exclusive: two releases do not use it at the same time" {
	exclusive() { got "$PLUGIN_CORE_AVAILABLE_PATH/storage/release-exclusive" web; }
	dokku storage:mount web /srv/a:/data
	exclusive
	assert_success ""
	dokku storage:mount web /srv/b:/db --volume-exclusive
	assert_status 0
	[[ $output != *'at the same time'* ]]
	exclusive
	assert_success yes
	args deploy web
	assert_success " before  -v /srv/a:/data -v /srv/b:/db"
	dokku storage:unmount web /srv/b:/db
	exclusive
	assert_success ""
}

@test "storage:destroy --destroy-host-dir: not a folder that an app has by its path" {
	local mount
	dokku storage:create data
	: >"$STORAGE/data/kept"
	for mount in "$STORAGE/data:/x" "$STORAGE/data/sub:/x" "$STORAGE:/x" /:/x; do
		dokku storage:mount web "$mount"
		assert_status 0
		dokku storage:destroy --force --destroy-host-dir data
		assert_refused "storage:destroy: web has $STORAGE/data or a part of it by its path:" \
			"see dokku storage:list web; nothing was changed"
		[[ -e $STORAGE/data/kept ]]
		dokku storage:unmount web "$mount"
		assert_status 0
	done
	dokku storage:mount web "${STORAGE}/data2:/x"
	dokku storage:destroy --force --destroy-host-dir data
	assert_success "-----> Storage entry data destroyed"
	[[ ! -e $STORAGE/data ]]
}

@test "storage:mount --volume-subpath: a link that a container has made is not mounted" {
	dokku storage:create data
	mkdir -p "$STORAGE/data/a/b" "$WORLD/elsewhere/b"
	dokku storage:mount web data --container-dir /data --volume-subpath a/b
	args deploy web
	assert_success " before  -v '$STORAGE/data/a/b:/data'"
	rmdir "$STORAGE/data/a/b" "$STORAGE/data/a"
	ln -s "$WORLD/elsewhere" "$STORAGE/data/a"
	got "$PLUGIN_PATH/storage/docker-args-deploy" web dokku/web:v1 web 1 <<<" before"
	assert_status 1
	[[ $stderr == *"$STORAGE/data/a is a link: it is not mounted"* && $output != *" -v "* ]]
	dokku storage:report web --storage-deploy-mounts
	assert_success "-v '$STORAGE/data/a/b:/data'"
}

@test "storage: an entry that is gone is told, and leaves the rest" {
	dokku storage:create one
	dokku storage:create two
	dokku storage:mount web one --container-dir /1
	dokku storage:mount web two --container-dir /2
	rm "$DOKKU_LIB_ROOT/data/storage-registry/entries/one.json"
	dokku storage:report web --storage-deploy-mounts
	assert_status 0
	assert_output "-v '$STORAGE/two:/2'"
	[[ $stderr == *'Skipping attachment on web: the storage entry one is missing'* ]]
	dokku storage:unmount web one
	assert_status 0
}

@test "apps:destroy: keeps the data of an app, also that of the same name" {
	dokku storage:ensure-directory web --chown false
	dokku storage:mount web "/srv/a:/data"
	: >"$STORAGE/web/kept"
	make_app entries
	dokku --force apps:destroy web
	dokku --force apps:destroy entries
	[[ -e $STORAGE/web/kept && ! -e $DOKKU_LIB_ROOT/config/storage/web ]]
	ls "$DOKKU_LIB_ROOT"/data/storage-registry/entries/legacy-*.json
}

@test "storage:migrate: one option that cannot be a mount, and nothing is changed" {
	local dir=$DOKKU_LIB_ROOT/config/docker-options/web
	mkdir -p "$dir"
	printf -- '-v /srv/%s:/data/%s\n' a a b b c c d d e e >"$dir/_default_.deploy"
	printf -- "-v 'a\$(id):/y'\n-v /srv/f:/data/f\n" >>"$dir/_default_.deploy"
	cp "$dir/_default_.deploy" "$WORLD/was"
	dokku storage:migrate web
	assert_refused "storage:migrate: \"a\$(id)\" is neither an absolute path nor the name of a" \
		"Docker volume; nothing was changed"
	[[ ! -s $DOKKU_LIB_ROOT/config/storage/web/attachments ]]
	cmp "$WORLD/was" "$dir/_default_.deploy"
}

@test "storage:migrate: docker options -v become mounts, once; other options stay" {
	local dir=$DOKKU_LIB_ROOT/config/docker-options/web
	mkdir -p "$dir"
	printf -- '-v /srv/a:/data:ro\n--init\n' >"$dir/_default_.deploy"
	printf -- '-v /srv/a:/data:ro\n--volume /srv/b:/b\n' >"$dir/_default_.run"
	printf -- '-v /srv/c:/c\n' >"$dir/worker.deploy"
	dokku storage:migrate web
	assert_status 0
	assert_output_like "*web: /srv/a is mounted at /data*"
	dokku --quiet storage:list web
	assert_output_like "*/srv/a:/data:ro*"
	assert_equal "--init" "$(<"$dir/_default_.deploy")"
	assert_equal "-v /srv/c:/c" "$(<"$dir/worker.deploy")"
	assert_equal '["run"]' "$(jq -c 'select(.container_path == "/b") | .phases' "$DOKKU_LIB_ROOT/config/storage/web/attachments")"
	assert_equal '["deploy","run"]' "$(jq -c 'select(.container_path == "/data") | .phases' "$DOKKU_LIB_ROOT/config/storage/web/attachments")"
	assert_equal true "$(<"$DOKKU_LIB_ROOT/config/storage/web/legacy-mounts-migrated")"
	dokku storage:migrate --all
	assert_success ""
	assert_equal 2 "$(grep -c . "$DOKKU_LIB_ROOT/config/storage/web/attachments")"
}

@test "storage:exec: a command in a container that mounts the entry, with its stdin and its status" {
	made_plugins storage scheduler-docker-local
	fake docker <<<'printf "%s|" "$@" >"$BATS_TEST_TMPDIR/run"; cat; exit 42'
	fake attached <<<'exec "$@"'
	# The program there is a link to the one that was built.
	mv "$BIN/attached" "$DOKKU_PROGRAMS/attached"
	"$DOKKU" storage:create files >/dev/null
	status=0
	output=$("$DOKKU" storage:exec files -- sh -c 'ls /data' <<<"its input") || status=$?
	assert_equal "42 its input" "$status $output"
	assert_file "$BATS_TEST_TMPDIR/run" "run|--rm|--interactive|--init|--volume|$STORAGE/files:/data|--workdir|/data|--|alpine:3|sh|-c|ls /data|"
	dokku storage:exec --as-user 1000 files id </dev/null
	assert_status 42
	[[ $(<"$BATS_TEST_TMPDIR/run") == *'|/data|--user|1000:1000|--|alpine:3|id|' ]]
	dokku storage:exec --as-user ann files id
	assert_status 2
	assert_error ' !     storage:exec: --as-user wants the number of a user, not "ann";' \
		'nothing was changed'
	local entry=$DOKKU_LIB_ROOT/data/storage-registry/entries/files.json
	jq '.chown = "heroku"' "$entry" >"$BATS_TEST_TMPDIR/entry"
	cp "$BATS_TEST_TMPDIR/entry" "$entry"
	dokku storage:exec files id </dev/null
	[[ $(<"$BATS_TEST_TMPDIR/run") == *'|--user|1000:1000|--|alpine:3|id|' ]]
	dokku storage:exec --as-user 0 --image busybox:1 files </dev/null
	assert_status 42
	[[ $(<"$BATS_TEST_TMPDIR/run") == *'|--user|0:0|--|busybox:1|/bin/sh|' ]]
	jq 'del(.chown)' "$BATS_TEST_TMPDIR/entry" >"$entry"
	dokku storage:exec --image busybox:1 files </dev/null
	assert_status 42
	[[ $(<"$BATS_TEST_TMPDIR/run") == *'|--|busybox:1|/bin/sh|' ]]
	dokku storage:wait files
	assert_success ""
	dokku storage:wait nosuch
	assert_status 1
	dokku storage:exec nosuch true
	assert_refused 'storage:exec: the storage entry "nosuch" does not exist: dokku' \
		'storage:create nosuch makes it, dokku storage:list-entries shows all'
}

@test "storage:create --scheduler: a scheduler that is here; list-entries lists the entries of one" {
	dokku storage:create --scheduler docker-local files
	assert_status 0
	dokku --quiet storage:list-entries --scheduler docker-local
	assert_success "       files $STORAGE/files"
	dokku --quiet storage:list-entries --scheduler other
	assert_success ""
	dokku storage:list-entries --scheduler other --format json
	assert_success "[]"
	dokku storage:create --scheduler k3s more
	assert_status 2
	assert_error " !     storage:create: there is no scheduler k3s here; nothing was changed"
}
