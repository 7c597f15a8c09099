#!/usr/bin/env bats
# releases, builds, logs and run: what they keep and show, and rollbacks.

load ../helper

setup() {
	world
	made_plugins releases builds logs run config builder cleanup
	make_app web
	hook fake scheduler-start \
		<<<'printf "web 1 id 10.86.128.2 5000\n" \
			>"$DOKKU_LIB_ROOT/data/releases/$2/$3/containers"'
	hook fake scheduler-list <<<'printf "idA 3 web 1 running 10.86.128.2 5000 7 /x\nidB 2 web 1 running 10.86.128.3 5000 8 /y\n"'
}

# three - makes the releases 1 to 3, the last one current.
three() {
	local i
	for i in 1 2 3; do
		make_release web "$i"
		make_current web "$i"
		printf "export V='%s'\n" "$i" >"$DOKKU_LIB_ROOT/data/releases/web/$i/ENV"
		printf 'V=%s\0' "$i" >"$DOKKU_LIB_ROOT/data/releases/web/$i/env"
		printf 'build 4200\nswitch 11\n' >"$DOKKU_LIB_ROOT/data/releases/web/$i/steps"
		printf '2026-01-0%sT00:00:00+00:00\n' "$i" \
			>"$DOKKU_LIB_ROOT/data/releases/web/$i/committed"
	done
}

@test "release_new: numbers that are used once, also after one was dropped" {
	code "" \
		'value_of release_new web "a push"; printf " "
			rm -r "$DOKKU_LIB_ROOT/data/releases/web/1"
			value_of release_new web "another"'
	assert_success "1 2"
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/2/description" another
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/2/scale" web=1
	assert_mode "$DOKKU_LIB_ROOT/data/releases/web/2/env" 600
}

@test "release_new: takes over what belongs to the code, not the config of then" {
	three
	printf '/ ok\n' >"$DOKKU_LIB_ROOT/data/releases/web/3/CHECKS"
	dokku --quiet config:set --no-restart web V=now
	code "" 'value_of release_new web x'
	assert_success 4
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/4/CHECKS" "/ ok"
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/4/ENV" "export V='now'"
}

@test "releases:list and :info" {
	three
	dokku releases:list web
	assert_success "v3 *      2026-01-03T00:00:00+00:00                 push 3
v2        2026-01-02T00:00:00+00:00                 push 2
v1        2026-01-01T00:00:00+00:00                 push 1"
	dokku releases:info web v2 --step-build-ms
	assert_success 4200
	dokku releases:info web --release
	assert_success v3
	dokku releases:info web --answered-5xx-before
	assert_success "not known yet"
	printf '5\n3\n' >"$DOKKU_LIB_ROOT/data/releases/web/3/errors"
	printf 'pool 2\n' >"$DOKKU_LIB_ROOT/data/releases/web/3/pool"
	dokku releases:info web --answered-5xx
	assert_success 5
	dokku releases:info web --answered-5xx-before
	assert_success 3
	dokku releases:info web --answered-5xx-after
	assert_success 2
	dokku releases:info web --kept-connections
	assert_success "pool 2"
	dokku releases:info web --connections-late
	assert_success "not known yet"
	printf '0\n' >"$DOKKU_LIB_ROOT/data/releases/web/3/late"
	dokku releases:info web --connections-late
	assert_success 0
	# An older dokku wrote one number.
	printf '5\n' >"$DOKKU_LIB_ROOT/data/releases/web/3/errors"
	dokku releases:info web --answered-5xx-after
	assert_success ""
	dokku releases:info web v9
	assert_refused "web has no release v9: dokku releases:list web shows those kept"
	dokku releases:info web ../1
	assert_status 1
}

@test "releases:rollback: code and config of then, as a new release" {
	three
	printf 'one\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/proxy-template"
	printf 'three\n' >"$DOKKU_LIB_ROOT/data/releases/web/3/proxy-template"
	printf 'as read\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/lint"
	dokku releases:rollback web
	assert_status 0
	assert_error ""
	assert_equal 4 "$(current web)"
	assert_file "$DOKKU_LIB_ROOT/config/web/ENV" "export V='2'"
	assert_equal 1 "$(grep -c 'POST .*/images/dokku/web:v2/tag.*tag=v4' "$CALLS")"
	dokku releases:rollback web v1
	assert_equal 5 "$(current web)"
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/5/proxy-template" one
	# It does not count if env is newer.
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/5/lint" "as read"
	[[ ! $DOKKU_LIB_ROOT/data/releases/web/5/env -nt $DOKKU_LIB_ROOT/data/releases/web/5/lint ]]
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/4/proxy-template"
	assert_file "$DOKKU_LIB_ROOT/config/web/ENV" "export V='1'"
}

@test "releases:rollback: to what is not kept, or fails its checks" {
	three
	dokku releases:rollback web v9
	assert_refused \
		"web has no release v9 to go back to: dokku releases:list web shows those kept"
	dokku releases:rollback web 'a[$(id)]'
	assert_status 1
	hook fake check-deploy <<<'exit 1'
	dokku releases:rollback web v1
	assert_status 1
	assert_error " !     releases:rollback: web stays at v3"
	assert_equal 3 "$(current web)"
	assert_absent "$DOKKU_LIB_ROOT/config/web/ENV" "$DOKKU_LIB_ROOT/data/releases/web/4"
}

@test "post-retire: keeps as many as it is told, never drops the current one" {
	three
	make_release web 4
	fake_engine <<<'[[ "$1 $2" != "GET /images/json"* ]] ||
		printf %s '\''[{"RepoTags":["dokku/web:v3","dokku/web:v1","dokku/web:v2"]}]'\'
	dokku releases:set web keep 2
	assert_success "-----> web: keep is now 2"
	got "$PLUGIN_PATH/releases/post-retire" web
	assert_status 0
	assert_equal "2 3 4" \
		"$(cd "$DOKKU_LIB_ROOT/data/releases/web" && printf '%s\n' [0-9]* | paste -sd ' ')"
	assert_calls "engine GET /images/json?filters=%7B%22reference%22%3A%5B%22dokku/web%22%5D%7D
engine DELETE /images/dokku/web:v1
engine POST /images/prune?filters=%7B%22dangling%22%3A%5B%22true%22%5D%2C%22label%22%3A%5B%22com.dokku.app-name%3Dweb%22%5D%7D"
	dokku releases:set web keep 0
	assert_refused 'releases:set: keep wants a whole number from 1 to 1000, not "0";' \
		'nothing was changed'
	printf '1\n' >"$DOKKU_LIB_ROOT/data/releases/web/current"
	make_release web 1
	dokku releases:set web keep 1
	got "$PLUGIN_PATH/releases/post-retire" web
	[[ -d $DOKKU_LIB_ROOT/data/releases/web/1 ]]
}

@test "builder:set skip-cleanup: the images of releases that are no longer kept stay" {
	local apps_images='[{"RepoTags":["dokku/web:v3"]},{"RepoTags":["dokku/web:v1"]}]'
	three
	fake_engine <<<"[[ \"\$1 \$2\" != 'GET /images/json'* ]] || printf %s '$apps_images'"
	dokku releases:set web keep 2
	dokku builder:set web skip-cleanup true
	assert_success "-----> web: skip-cleanup is now true"
	got "$PLUGIN_PATH/releases/post-retire" web
	assert_success ""
	# The record of the release goes all the same, and only its image stays.
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/1"
	assert_calls ""
	dokku builder:report web --builder-computed-skip-cleanup
	assert_success true
	# A value for all apps holds where the app has none, and the app's own one goes first.
	dokku builder:set web skip-cleanup
	dokku builder:set --global skip-cleanup true
	got "$PLUGIN_PATH/releases/post-retire" web
	assert_calls ""
	dokku builder:set web skip-cleanup false
	got "$PLUGIN_PATH/releases/post-retire" web
	grep -qxF "engine DELETE /images/dokku/web:v1" "$CALLS"
}

@test "post-retire: images of no release go, and records of what was killed" {
	local i
	three
	fake_engine <<<'[[ "$1 $2" != "GET /images/json"* ]] ||
		printf %s '\''[{"RepoTags":["dokku/web:v3","dokku/web:latest"]},{"RepoTags":["dokku/web:v7"]}]'\'
	for ((i = 10; i < 32; i++)); do
		mkdir -p "$DOKKU_LIB_ROOT/data/builds/web/20260101-0000$i"
		printf '999999999\n' >"$DOKKU_LIB_ROOT/data/builds/web/20260101-0000$i/pid"
	done
	printf '%s\n' "$$" >"$DOKKU_LIB_ROOT/data/builds/web/20260101-000010/pid"
	got "$PLUGIN_PATH/releases/post-retire" web
	assert_status 0
	assert_calls "engine GET /images/json?filters=%7B%22reference%22%3A%5B%22dokku/web%22%5D%7D
engine DELETE /images/dokku/web:latest
engine DELETE /images/dokku/web:v7
engine POST /images/prune?filters=%7B%22dangling%22%3A%5B%22true%22%5D%2C%22label%22%3A%5B%22com.dokku.app-name%3Dweb%22%5D%7D"
	assert_equal "21 20260101-000010 20260101-000012" \
		"$(ls "$DOKKU_LIB_ROOT/data/builds/web" |
			wc -l) $(ls "$DOKKU_LIB_ROOT/data/builds/web" | head -n 2 | paste -sd ' ')"
}

@test "an image has a name that no other app can guess, another one for each release, and keeps it" {
	three
	dokku config:set web A=b
	assert_status 0
	local tag other
	tag=$(<"$DOKKU_LIB_ROOT/data/releases/web/4/tag")
	[[ $tag =~ ^v4-[0-9a-f]{16}$ ]]
	grep \
		--quiet \
		--fixed-strings "engine POST /images/dokku/web:v3/tag?repo=dokku/web&tag=$tag" \
		"$CALLS"
	dokku releases:info web --format json
	assert_equal "dokku/web:$tag" "$(jq --raw-output .image <<<"$output")"
	dokku releases:rollback web v4
	other=$(<"$DOKKU_LIB_ROOT/data/releases/web/5/tag")
	[[ $other =~ ^v5-[0-9a-f]{16}$ && ${other#*-} != "${tag#*-}" ]]
	grep \
		--quiet \
		--fixed-strings "engine POST /images/dokku/web:$tag/tag?repo=dokku/web&tag=$other" \
		"$CALLS"
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/4/tag" "$tag"
}

@test "post-retire: images that an older dokku named are renamed, and lose the names that can be guessed" {
	local tag
	three
	rm "$DOKKU_LIB_ROOT/data/releases/web"/{2,3}/tag
	fake_engine <<<'[[ "$1 $2" != "GET /images/json"* ]] ||
		printf %s '\''[{"RepoTags":["dokku/web:v3","dokku/web:latest","dokku/web:mine"]},{"RepoTags":["dokku/web:v2","dokku/web:v2-own"]},{"RepoTags":["dokku/web:v1","dokku/web:v1-0123456789abcdef"]}]'\'
	got "$PLUGIN_PATH/releases/post-retire" web
	assert_status 0
	for tag in 2 3; do
		[[ $(<"$DOKKU_LIB_ROOT/data/releases/web/$tag/tag") =~ ^v$tag-[0-9a-f]{16}$ ]]
		grep \
			--quiet \
			--fixed-strings \
			"engine POST /images/dokku/web:v$tag/tag?repo=dokku/web&tag=$(
				<"$DOKKU_LIB_ROOT/data/releases/web/$tag/tag"
			)" "$CALLS"
	done
	assert_equal "engine DELETE /images/dokku/web:v3
engine DELETE /images/dokku/web:latest
engine DELETE /images/dokku/web:v2
engine DELETE /images/dokku/web:v1-0123456789abcdef" "$(grep DELETE "$CALLS")"
	# Once is enough.
	: >"$CALLS"
	got "$PLUGIN_PATH/releases/post-retire" web
	assert_equal "" "$(grep /tag "$CALLS")"
	# Where the engine does not answer, or the record cannot be written, the old name stays.
	rm "$DOKKU_LIB_ROOT/data/releases/web/2/tag"
	fake_engine <<<'[[ $2 != */tag* ]] || exit 1'
	: >"$CALLS"
	got "$PLUGIN_PATH/releases/post-retire" web
	assert_status 1
	assert_equal "" "$(grep DELETE "$CALLS")"
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/2/tag"
}

@test "scheduler-docker-local:set latest-tag: the current release's image is dokku/APP:latest, too" {
	three
	code "" "property_set scheduler-docker-local web latest-tag true"
	fake_engine <<<'[[ "$1 $2" != "GET /images/json"* ]] ||
		printf %s '\''[{"RepoTags":["dokku/web:v3","dokku/web:latest"]}]'\'
	: >"$CALLS"
	got "$PLUGIN_PATH/releases/post-retire" web
	assert_status 0
	assert_equal "engine POST /images/dokku/web:v3/tag?repo=dokku/web&tag=latest" \
		"$(grep /tag "$CALLS")"
	assert_equal "" "$(grep DELETE "$CALLS")"
}

@test "post-retire: an engine that does not answer is asked no more; what is on the disk is pruned all the same" {
	local silent i
	three
	dokku releases:set web keep 1
	code "" "property_set scheduler-docker-local web latest-tag true"
	for silent in "GET /images/json" "DELETE /images/dokku/web:v9" \
		"DELETE /images/dokku/web:v2" "POST /images/dokku/web:v3/tag" \
		"POST /images/prune"; do
		for ((i = 10; i < 32; i++)); do
			mkdir -p "$DOKKU_LIB_ROOT/data/builds/web/20260101-0000$i"
		done
		make_release web 1
		make_release web 2
		fake_engine <<<"[[ \"\$1 \$2\" != \"$silent\"* ]] || exit 1
			[[ \"\$1 \$2\" != 'GET /images/json'* ]] || printf %s '[{\"RepoTags\":[\"dokku/web:v9\"]},{\"RepoTags\":[\"dokku/web:v2\"]}]'"
		: >"$CALLS"
		got "$PLUGIN_PATH/releases/post-retire" web
		assert_status 1
		[[ $(tail -n 1 "$CALLS") == "engine $silent"* ]]
		assert_equal 20 "$(ls "$DOKKU_LIB_ROOT/data/builds/web" | wc -l)"
	done
	# Refused, as by a container that still uses it, is answered.
	fake_engine <<<'printf "{\"message\":\"conflict\"}"; exit 22'
	: >"$CALLS"
	got "$PLUGIN_PATH/releases/post-retire" web
	[[ $(tail -n 1 "$CALLS") == "engine POST /images/prune"* ]]
}

@test "post-retire: of what a build has printed its last MB stays, of one under way all" {
	local dir="$DOKKU_LIB_ROOT/data/builds/web" id
	three
	for id in 1 2 3; do
		mkdir -p "$dir/$id"
		{
			printf 'begin\n'
			head --bytes=3M /dev/zero | tr '\0' '\n'
			printf 'the end\n'
		} >"$dir/$id/log"
	done
	printf '1\n' | tee "$dir/1/status" >"$dir/2/status"
	printf 'short\n' >"$dir/1/log"
	got "$PLUGIN_PATH/releases/post-retire" web
	assert_status 0
	assert_file "$dir/1/log" short
	[[ $(head -n 1 "$dir/2/log") == '(only the last MB '* &&
	$(tail -n 1 "$dir/2/log") == 'the end' ]]
	[[ $(stat --format %s "$dir/2/log") -lt 1100000 ]]
	[[ $(stat --format %s "$dir/3/log") -gt 3000000 ]]
}

@test "post-retire: a busy app is left alone, and that it was not its turn is no success: the watch comes back" {
	three
	exec 7>>"$DOKKU_LIB_ROOT/lock/web"
	flock 7
	got "$PLUGIN_PATH/releases/post-retire" web 7>&-
	exec 7>&-
	assert_status 73
	assert_calls ""
	# It also fails if it waits in vain for its turn.
	fake flock <<<'exit 1'
	: >"$CALLS"
	got "$PLUGIN_PATH/releases/post-retire" web
	assert_status 1
	assert_calls "flock --timeout 60 8"
}

@test "post-retire: who has the lock prunes at once, as a push that wants room does" {
	three
	dokku releases:set web keep 1
	got "$PLUGIN_PATH/releases/post-retire" web locked 8>&-
	assert_status 0
	assert_error ""
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/1"
}

@test "post-retire: of those who wait for a busy app one prunes, for the others" {
	local first second
	three
	dokku releases:set web keep 1
	: >"$CALLS"
	exec 7>>"$DOKKU_LIB_ROOT/lock/web"
	flock 7
	"$PLUGIN_PATH/releases/post-retire" web 7>&- 3>&- &
	first=$!
	until [[ -e $DOKKU_LIB_ROOT/lock/.prune.web ]] &&
		! flock --nonblock "$DOKKU_LIB_ROOT/lock/.prune.web" true; do
		sleep 0.01
	done
	"$PLUGIN_PATH/releases/post-retire" web 7>&- 3>&- &
	second=$!
	until pgrep --parent "$second" --exact flock; do sleep 0.01; done
	[[ -d $DOKKU_LIB_ROOT/data/releases/web/1 ]]
	exec 7>&-
	wait "$first"
	wait "$second"
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/1"
	assert_equal 1 "$(grep -c '^engine GET /images/json' "$CALLS")"
	# A later call has to prune again.
	got "$PLUGIN_PATH/releases/post-retire" web
	assert_equal 2 "$(grep -c '^engine GET /images/json' "$CALLS")"
}

@test "builds: list, output, info, failed, of an app that has some and one that has none" {
	local dir="$DOKKU_LIB_ROOT/data/builds/web" id
	for id in 20260101-000000-1 20260102-000000-2; do
		mkdir -p "$dir/$id"
		printf 'git push %s\n' "$id" >"$dir/$id/what"
		printf 'log of %s\n' "$id" >"$dir/$id/log"
		printf '4194304\n' >"$dir/$id/pid"
	done
	printf '0\n' >"$dir/20260101-000000-1/status"
	dokku builds:list web
	assert_success "20260102-000000-2        abandoned git push 20260102-000000-2
20260101-000000-1        succeeded git push 20260101-000000-1"
	printf 'config:set\n' >"$dir/20260102-000000-2/what"
	dokku builds:list web --kind build
	assert_success "20260101-000000-1        succeeded git push 20260101-000000-1"
	touch --date @60 "$dir"/*/what
	touch --date @75 "$dir/20260101-000000-1/status"
	dokku builds:list web --status=succeeded --format json
	assert_equal "id 20260101-000000-1, app web, kind build, pid 4194304,
started_at 1970-01-01T00:01:00Z, finished_at 1970-01-01T00:01:15Z,
status succeeded, source git-hook, exit_code 0, display_status succeeded, duration 15s,
log_path $dir/20260101-000000-1/log, what git push 20260101-000000-1" \
		"$(jq --raw-output '.[] | to_entries | map("\(.key) \(.value)") | join(", ")' \
			<<<"$output" | sed 's/, \(started_at\|status\|log_path\)/,\n\1/g')"
	dokku builds:info web 20260101-000000-1 --format json
	assert_equal git-hook "$(jq --raw-output .source <<<"$output")"
	dokku builds:list web --status=abandoned --format json
	assert_equal '[["config-redeploy","config:set",null]]' \
		"$(jq -c 'map([.source, .what, .finished_at])' <<<"$output")"
	: >"$dir/20260101-000000-1/canceled"
	printf '1\n' >"$dir/20260101-000000-1/status"
	dokku builds:list web --status canceled
	assert_success "20260101-000000-1        canceled  git push 20260101-000000-1"
	printf '0\n' >"$dir/20260101-000000-1/status"
	touch --date @75 "$dir/20260101-000000-1/status"
	dokku builds:list web --status no
	assert_status 2
	dokku builds:list
	assert_success ""
	printf '%s\n' "$$" >"$dir/20260102-000000-2/pid"
	dokku builds:list --format json
	assert_equal '[["web","20260102-000000-2","running"]]' \
		"$(jq -c 'map([.app, .id, .status])' <<<"$output")"
	dokku builds:list
	assert_success "web 20260102-000000-2        running   config:set"
	printf '4194304\n' >"$dir/20260102-000000-2/pid"
	dokku builds:output web
	assert_success "log of 20260102-000000-2"
	dokku builds:output web 20260101-000000-1
	assert_success "log of 20260101-000000-1"
	dokku builds:output web ../../x
	assert_refused 'web has no build "../../x": dokku builds:list web shows those on record'
	dokku builds:info web 20260101-000000-1 --build-status
	assert_success "succeeded"
	dokku builds:info web 20260101-000000-1 --build-exit-code
	assert_success "0"
	dokku builds:info web 20260101-000000-1 --build-finished-at
	assert_success "1970-01-01T00:01:15Z"
	dokku builds:report web
	assert_success "=====> web builds information
       Build id:                         20260102-000000-2
       Build kind:                       deploy
       Build status:                     abandoned
       Build pid:                        4194304
       Build source:                     config-redeploy
       Build started at:                 1970-01-01T00:01:00Z
       Build finished at:                
       Build exit code:                  
       Builds retention:                 
       Builds global retention:          
       Builds computed retention:        20"
	make_app new
	dokku builds:report new --build-status
	assert_success ""
	printf '1\n' >"$dir/20260102-000000-2/status"
	dokku logs:failed web
	assert_success "log of 20260102-000000-2"
	make_app blog
	dokku builds:output blog
	assert_refused 'blog has no build "": dokku builds:list blog shows those on record'
	dokku logs:failed blog
	assert_refused "blog has no failed deploy on record"
}

@test "builds:cancel: nothing under way; what is ends, and is told" {
	local pid
	dokku builds:cancel web
	assert_success "-----> web: no deploy is running, so there is nothing to cancel"
	fifo at
	strict "" 'with_lock web 0 bash -c "printf \"%s 12:00:00 git push\n\" \$\$ >\"\$DOKKU_LIB_ROOT/lock/web\"; printf \"x\n\" >\"\$BATS_TEST_TMPDIR/at\"; exec sleep 300"' 3>&- &
	heard at
	# What is not on record has nothing that would undo it.
	dokku builds:cancel web
	assert_refused "web: git push, which has run since 12:00:00, is not a deploy," \
		"so it cannot be cancelled"
	read -r pid _ <"$DOKKU_LIB_ROOT/lock/web"
	mkdir -p "$DOKKU_LIB_ROOT/data/builds/web/20260101-000000"
	printf '1\n' >"$DOKKU_LIB_ROOT/data/builds/web/20260101-000000/pid"
	dokku builds:cancel web
	assert_status 1
	ps -o ppid= -p "$(ps -o ppid= -p "$pid" | tr -d ' ')" |
		tr -d ' ' >"$DOKKU_LIB_ROOT/data/builds/web/20260101-000000/pid"
	dokku builds:cancel web
	assert_success "-----> web: git push, which ran since 12:00:00, has ended"
}

@test "builds:cancel: the file may still tell of one that is gone" {
	local gone pid
	sleep 0 &
	gone=$!
	wait "$gone"
	fifo at
	strict "" \
		'with_lock web 0 bash -c \
			"printf \"x\n\" >\"\$BATS_TEST_TMPDIR/at\"; exec sleep 300"' 3>&- &
	heard at
	printf '%s 12:00:00 git push\n' "$gone" >"$DOKKU_LIB_ROOT/lock/web"
	dokku builds:cancel web
	# Bats would wait for it.
	kill "$(jobs -p)"
	assert_refused "web: an operation has just begun: try again"
}

@test "logs: of the current release, with and without the prefix, controls made harmless" {
	three
	local asked='engine GET /containers/idA/logs?stdout=1&stderr=1'
	fake_engine <<<'[[ $2 != */logs[?]* ]] ||
		printf "2026-01-01T00:00:00Z one\n2026-01-01T00:00:01Z b\x07c\n"'
	dokku logs web
	assert_success "2026-01-01T00:00:00Z app[web.1]: one
2026-01-01T00:00:01Z app[web.1]: b?c"
	grep -qxF "$asked&tail=100&timestamps=1" "$CALLS"
	: >"$CALLS"
	dokku logs web -q -n 5
	assert_calls "$asked&tail=5&timestamps=0"
	dokku logs web -n x
	assert_refused 'logs: -n wants a whole number, not "x"; nothing was done.' \
		'Please retry with valid arguments. Usage:' \
		'dokku logs [-t|--tail] [-q] [-n|--num N] [-p|--ps PROCESS] APP|--all' 2
	dokku logs web -p worker
	assert_refused "web has no containers of worker: nothing to show"
	make_app blog
	dokku logs blog
	assert_refused "blog has no release yet, so no containers: nothing to show"
	hook fake scheduler-list <<<'printf " !     no engine\n" >&2; exit 1'
	dokku logs web
	assert_refused "no engine"
}

@test "cleanup: goes on after an app that cannot be cleaned up, and fails in the end" {
	make_app blog web
	make_release blog 1
	hook fake reconcile <<<'[[ $1 != blog ]]'
	hook fake post-retire </dev/null
	dokku cleanup
	assert_status 1
	assert_equal web "$(sed -n "s/^post-retire //p" "$STEPS" | tail -n 1)"
	dokku cleanup web
	assert_success
}

@test "run: the words as they are, its stdin, its status" {
	dokku run web ls
	assert_refused "web is not deployed yet: git push to it first"
	three
	hook fake scheduler-run <<<'printf "<%s>" "$@"; cat <&3; exit 42'
	got "$DOKKU" run --no-tty web ls -l "a b" "" <<<"input"
	assert_status 42
	assert_output "<docker-local><web><3><><><ls><-l><a b><>input"
	dokku run web
	assert_refused "run: COMMAND is missing; nothing was done." \
		"Please retry with valid arguments. Usage:" \
		"dokku run [-e|--env NAME=VALUE]... [--no-tty] [--force-tty] [--ttl-seconds" \
		"SECONDS] [--cron-id ID] [--concurrency-policy allow|forbid|replace] APP" \
		"COMMAND..." 2
	dokku run --nope web ls
	assert_refused "run: there is no option --nope; nothing was done." \
		"Please retry with valid arguments. Usage:" \
		"dokku run [-e|--env NAME=VALUE]... [--no-tty] [--force-tty] [--ttl-seconds" \
		"SECONDS] [--cron-id ID] [--concurrency-policy allow|forbid|replace] APP" \
		"COMMAND..." 2
}

@test "run: a process type of the Procfile by its name, variables of its own, a limit of time" {
	three
	printf 'task: rake "a b"\n' >"$DOKKU_LIB_ROOT/data/releases/web/3/Procfile"
	hook fake scheduler-run <<<'printf "<%s>" "${@:6}"; [[ -z ${DOKKU_RUN_ENV-} ]] ||
		tr "\0" ";" <"$DOKKU_RUN_ENV"; printf "%s" "${DOKKU_RUN_SECONDS-}"'
	dokku run web task
	assert_status 0
	assert_output '<rake "a b">'
	assert_error "-----> Found 'task' in Procfile, running that command"
	dokku --quiet run:detached web task 'x y' z
	assert_success '<rake "a b" x\ y z>'
	dokku run -e A=1 --env $'B=x y\nz' --ttl-seconds 5 web ls
	assert_success $'<ls>A=1;B=x y\nz;5'
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
	dokku run -e 1A=1 web ls
	assert_status 1
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
	dokku run --ttl-seconds 0 web ls
	assert_refused '--ttl-seconds wants seconds from 1 to 31536000, not "0"; nothing was done' 2
}

@test "run: options --label before the command reach the scheduler; --rm is what always happens" {
	make_release web 1
	make_current web 1
	hook fake scheduler-run <<<'printf "<%s>" "$DOKKU_GLOBAL_FLAGS" "${@:6}"'
	dokku --label=a=1 --rm "--label=b=x y" run web ls --label=no
	assert_success "< --label=a=1 '--label=b=x y'><ls><--label=no>"
	dokku --foo run web ls
	assert_refused '`--foo` is not a dokku command. See `dokku help` for a list of' \
		'available commands.'
}

@test "run --cron-id: a task of somebody's own clock, with its policy" {
	three
	hook fake scheduler-run <<<'printf "<%s>" "${DOKKU_RUN_CRON-}" "${@:6}"'
	dokku run --cron-id nightly-1 web ls
	assert_success "<nightly-1 allow><ls>"
	dokku run:detached --cron-id=nightly-1 --concurrency-policy forbid web ls
	assert_success "<nightly-1 forbid><ls>"
	dokku run --concurrency-policy forbid web ls
	assert_refused "--concurrency-policy says what happens to other runs of a task: name the" \
		"task with --cron-id ID; nothing was done" 2
	dokku run --cron-id 'a b' web ls
	assert_refused "--cron-id wants at most 63 letters, digits, dots, hyphens and underscores," \
		"not 'a b'; nothing was done" 2
	dokku run --cron-id a --concurrency-policy sometimes web ls
	assert_status 2
	[[ $stderr == *'"sometimes"'* ]]
}

@test "run:list, run:logs: those that run" {
	three
	hook fake scheduler-runs <<<'printf "web.run.7\tUp 2 s\tsleep 9\n"'
	hook fake scheduler-logs <<<'printf "<%s>" "$@"'
	dokku run:list web --format json
	assert_success \
		'[{"name":"web.run.7","state":"running","status":"Up 2 s","command":"sleep 9"}]'
	dokku --quiet run:list web
	[[ $output == "web.run.7 "* ]]
	dokku run:logs web -n 5
	assert_success "web.run.7: <docker-local><web><web.run.7><5><><>"
	dokku run:logs --container web.run.8 web
	assert_refused \
		'web has no one-off container "web.run.8" that runs: dokku run:list web shows them'
}

@test "run:stop: all of an app, or one that --container names; run:logs knows its app, too" {
	three
	hook fake scheduler-runs <<<'printf "web.run.%s\tUp 2 s\tsleep 9\n" 7 8'
	fake docker <<-'BODY'
		if [[ $1 == stop ]]; then
			echo "$*" >>"$WORLD/stopped"
			[[ $2 != web.run.7 || ! -e $WORLD/stays ]]
			exit
		fi
		type=${4#*.}
		[[ $1 != inspect ]] || printf '/%s web %s\n' "$4" "${type%%.*}"
	BODY
	hook fake scheduler-logs <<<'printf "<%s>" "$@"'
	dokku run:stop web
	assert_success "web.run.7
web.run.8"
	dokku run:stop --container web.cron.3
	assert_success "web.cron.3"
	assert_file "$WORLD/stopped" "stop web.run.7
stop web.run.8
stop web.cron.3"
	dokku run:logs --container web.run.8
	assert_success "web.run.8: <docker-local><web><web.run.8><100><><>"
	: >"$WORLD/stays"
	dokku run:stop web
	assert_status 1
	assert_output web.run.8
	dokku run:stop
	assert_refused "no app given: name one, or a container by --container" 2
	dokku run:stop --container 'web;ls'
	assert_refused "'web;ls' is not the name of a one-off container, such as" \
		"APP.run.123: dokku run:list shows them"
	dokku run:stop --container nosuch.run.1
	assert_status 1
	hook fake scheduler-runs <<<:
	dokku run:stop web
	assert_status 0
}

@test "run:stop: only one-off containers of this app" {
	fake docker <<<'[[ $1 != inspect ]] || printf "%s\n" "${NAMED-/blog.run.7} blog run"'
	dokku run:stop web x
	assert_refused 'web has no one-off container "x": dokku run:list web shows them'
	make_app blog
	dokku run:stop blog x
	assert_success x
	# The container of a build has the labels of its Dockerfile.
	NAMED=/eager_bohr dokku run:stop blog x
	assert_refused 'blog has no one-off container "x": dokku run:list blog shows them'
}

@test "a release that cannot be made leaves nothing, whatever it is for" {
	local before
	three
	printf 'A=1\0' >"$WORLD/changes"
	before=$(cd "$DOKKU_LIB_ROOT/data/releases/web" && find . ! -name last | sort)
	fails() {
		got "$PLUGIN_CORE_AVAILABLE_PATH/$1" "${@:2}"
		[[ $status -ne 0 ]]
		assert_equal "$before" \
			"$(cd "$DOKKU_LIB_ROOT/data/releases/web" && find . ! -name last | sort)"
	}
	# The engine does not give the image another name.
	fake_engine <<<'[[ $2 != */tag[?]* ]] || { printf "{\"message\":\"no\"}"; exit 22; }'
	fails config/libexec/apply web config:set "$WORLD/changes"
	fails ps/libexec/redeploy web ps:restart
	fails ps/libexec/rescale web web=2
	fails releases/libexec/rollback web 2
	# A file cannot be copied.
	fake_engine </dev/null
	fake cp <<<'exit 1'
	fails config/libexec/apply web config:set "$WORLD/changes"
	fails ps/libexec/redeploy web ps:restart
	fails ps/libexec/rescale web web=2
	fails releases/libexec/rollback web 2
}

@test "release_new: a last number that is none is named, not reckoned with" {
	make_app app
	mkdir -p "$DOKKU_LIB_ROOT/data/releases/app"
	printf 'a[$(touch "$BATS_TEST_TMPDIR/ran")]\n' >"$DOKKU_LIB_ROOT/data/releases/app/last"
	code "" 'value_of release_new app "a push"'
	assert_refused "app: $DOKKU_LIB_ROOT/data/releases/app/last should hold the number of the" \
		"last release, not \"a[\$(touch \"\$BATS_TEST_TMPDIR/ran\")]\": write it there"
	assert_absent "$BATS_TEST_TMPDIR/ran"
	# One that cannot be read does not say that none was given away.
	: >"$DOKKU_LIB_ROOT/data/releases/app/last"
	code "" 'value_of release_new app "a push"'
	assert_refused "app: $DOKKU_LIB_ROOT/data/releases/app/last should hold the number of the" \
		"last release, not \"\": write it there"
}

# ends PID - requires that the process ends within five seconds. A command that still follows a log
# would run for ever. Process 1 of some machines takes seconds to collect what has ended.
ends() {
	local try state
	for ((try = 0; try < 100; try++)); do
		state=$(sed -n 's/.*) \([A-Z]\) .*/\1/p' "/proc/$1/stat" 2>/dev/null) || return 0
		[[ $state != Z ]] || return 0
		sleep 0.05
	done
	return 124
}

@test "logs, logs:failed, builds:output: colours come through, nothing else acts on a terminal" {
	three
	readonly HOSTILE='\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J\x1b[1;1H \xc2\x9b2J \xe2\x80\xae \x1b[8m\x00 \x1bPq\x1b\\ \x9f ü\r'
	local shown=$'\x1b[31mred\x1b[0m ?]0;title? ?[2J?[1;1H ?2J ? \x1b[8m? ?Pq?\\ \x9f ü\x1b[0m'
	# What fake_engine makes loses NUL.
	printf '#!%s\nprintf "%s\\n"\n' "$INTERPRETER" "$HOSTILE" >"$DOKKU_PROGRAMS/engine"
	dokku logs -q web
	assert_success "$shown"
	local dir="$DOKKU_LIB_ROOT/data/builds/web/1"
	mkdir -p "$dir"
	printf '%b\n' "$HOSTILE" >"$dir/log"
	printf '1\n' >"$dir/status"
	printf 'push\n' >"$dir/what"
	dokku builds:output web
	assert_success "$shown"
	dokku logs:failed web
	assert_success "$shown"
	code "" 'printf "\xc2\x9b2J \xe2\x80\xae\x1b[31mx\x1b]0;t\n" | indent'
	assert_success "       ?2J ?x?]0;t"
}

@test "logs -t ends, with what it has begun, when nobody reads on; by a pipe and by a socket" {
	three
	fifo began
	fake docker \
		<<<'[[ $1 != logs ]] || { echo "$$" >"$BATS_TEST_TMPDIR/began"; exec sleep 300; }'
	"$DOKKU" logs -t web </dev/null 2>/dev/null 3>&- > >(exec sleep 0.3) &
	heard began
	ends "$line"
	wait "$!" || true
	# sshd gives a socket.
	python3 -c 'import os, socket, subprocess, sys
ours, its = socket.socketpair()
subprocess.Popen(sys.argv[1:], stdin=its, stdout=its, stderr=subprocess.DEVNULL)
open(os.environ["BATS_TEST_TMPDIR"] + "/line", "w").write(open(os.environ["BATS_TEST_TMPDIR"] + "/began").readline())' "$DOKKU" logs -t web 3>&-
	ends "$(<"$BATS_TEST_TMPDIR/line")"
}

@test "attached: its command's status; a signal ends the command and all that it has begun" {
	got "$DOKKU_PROGRAMS/attached" bash -c 'cat; exit 7' <<<input
	assert_status 7
	assert_output input
	got "$DOKKU_PROGRAMS/attached" "$WORLD/none"
	assert_status 127
	fifo began
	"$DOKKU_PROGRAMS/attached" bash -c \
		'trap "" TERM; sleep 300 & echo "$!" >"$BATS_TEST_TMPDIR/began"; wait' \
		</dev/null >/dev/null 3>&- &
	heard began
	kill -TERM "$!"
	status=0
	wait "$!" || status=$?
	assert_status 143
	ends "$line"
}

# --- canaries -------------------------------------------------------------------------

# canary [RECORD] - three, and release 4 is the canary.
canary() {
	three
	make_release web 4
	CANARY=$DOKKU_LIB_ROOT/data/releases/web/canary
	printf '%s\n' "${1:-4 5 5 0 100}" >"$CANARY"
	hook fake proxy-canary <<<'printf "yes\n"'
	hook fake canary-share </dev/null
	hook fake scheduler-remove </dev/null
	: >"$STEPS"
}

@test "releases:canary: what it refuses, in one line, and nothing changed" {
	canary
	refuses() {
		# shellcheck disable=SC2086 # words
		dokku releases:canary $1
		assert_refused "$2" && assert_steps "" && assert_file "$CANARY" "4 5 5 0 100"
	}
	local share="a canary gets 1 to 100 percent of the visitors, not"
	local time="--for wants a time, such as 30s, 10m, 2h or 1d, not"
	local limit="--abort-5xx wants 1 to 100 percent, or off, not"
	refuses "web v4 0" "$share \"0\"; nothing was changed"
	refuses "web v4 101" "$share \"101\"; nothing was changed"
	refuses "web v4 5.5" "$share \"5.5\"; nothing was changed"
	refuses "web v4 05" "$share \"05\"; nothing was changed"
	refuses "web v4 5 --for soon" "$time \"soon\"; nothing was changed"
	refuses "web v4 5 --for 1w" "$time \"1w\"; nothing was changed"
	refuses "web v4 5 --abort-5xx 0" "$limit \"0\"; nothing was changed"
	refuses "web v4 5 --abort-5xx -3" "$limit \"-3\"; nothing was changed"
	hook fake proxy-canary </dev/null
	dokku releases:canary web v4 5
	assert_refused "web: its proxy nginx cannot share the visitors; nothing was changed"
	hook fake proxy-canary <<<'printf "no, because\n"'
	dokku releases:canary web v4 5
	assert_refused "web: no, because; nothing was changed"
	hook fake proxy-canary <<<'printf "yes\n"'
	dokku releases:canary web v3 5
	assert_refused "web v3 is the current release; nothing was changed"
	dokku releases:canary web v9 5
	assert_refused "web has no release v9: dokku releases:list web shows those kept"
	mkdir -p "$DOKKU_LIB_ROOT/config/ps/web"
	printf 'true\n' >"$DOKKU_LIB_ROOT/config/ps/web/stopped"
	dokku releases:canary web v4 5
	assert_refused "web is stopped, so it has no visitors to share: dokku ps:start web"
	make_app new
	dokku releases:canary new v1 5
	assert_refused "new has no release that a canary could stand beside:" \
		"deploy without it first"
}

@test "releases:canary: another share for the canary, counted anew" {
	canary
	dokku releases:canary web v4 25% --abort-5xx 2% --for 10m
	assert_status 0
	assert_output_like "=====> web v4 has 25 % of the visitors, until 2 % of its answers are 5xx, and all from * on
*"
	assert_equal "canary-share web 4 25" "$(grep canary-share "$STEPS")"
	local number share limit until since
	read -r number share limit until since _ <"$CANARY"
	assert_equal "4 25 2 600" "$number $share $limit $((until - since))"
	[[ $since -gt 100 ]]
	dokku releases:canary --abort-5xx off web 4 100
	assert_status 0
	assert_output_like "=====> web v4 has 100 % of the visitors
*"
}

@test "releases:canary: of a kept release a new one is made, with its code and config" {
	canary
	rm "$CANARY"
	rm -r "$DOKKU_LIB_ROOT/data/releases/web/4"
	# The deploy is dokku's own, and tested there.
	hook fake check-deploy </dev/null
	hook fake proxy-build-config </dev/null
	dokku releases:canary --for 1h web v1 10
	assert_output_like "*=====> web v5 has 10 % of the visitors*"
	assert_status 0
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/5/canary" "10 5 3600"
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/5/description" "canary of v1"
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/5/ENV" "export V='1'"
	assert_equal 3 "$(current web)"
	dokku releases:list web
	assert_output_like "v5 10%    not live * canary of v1
v3 \*  *"
}

@test "releases:abort: first no visitor reaches it, then its containers go, and the release" {
	canary
	hook fake canary-share <<<'[[ ! -e $DOKKU_LIB_ROOT/data/releases/web/canary ]] || echo early >>"$STEPS"'
	dokku releases:abort web
	assert_success "-----> The canary v4 of web is taken back: v3 has all visitors"
	assert_equal "canary-share web  0
scheduler-remove docker-local web 4" "$(grep -e canary-share -e scheduler-remove -e early "$STEPS")"
	assert_absent "$CANARY"
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/4"
	dokku releases:abort web
	assert_success "-----> web has no canary"
	dokku releases:promote web
	assert_refused "web has no canary: dokku releases:canary web RELEASE PERCENT"
}

@test "releases:abort: containers that cannot be removed are left to the watch" {
	canary
	hook fake scheduler-remove <<<'exit 1'
	dokku releases:abort web
	assert_absent "$CANARY"
	[[ $(<"$DOKKU_LIB_ROOT/lock/web") == "0 "*" the containers of its canary" ]]
}

@test "pre-change: with a canary nothing makes another release, stops or renames the app" {
	canary
	local what
	for what in 'git push 1234567' config:set ps:scale ps:stop 'ps:rebuild' \
		'releases:rollback v2' 'apps:rename web blog' git:from-image \
		'releases:canary v2' 'backup:restore 20261129-030000'; do
		got "$PLUGIN_PATH/releases/pre-change" web "$what"
		assert_refused "web: v4 has 5 % of the visitors: dokku releases:promote web or" \
			"dokku releases:abort web first"
	done
	for what in releases:canary 'releases:promote v4' releases:abort apps:destroy domains:add \
		certs:add 'apps:clone web blog'; do
		got "$PLUGIN_PATH/releases/pre-change" web "$what"
		assert_success ""
	done
	printf '3 5 5 0 100\n' >"$CANARY"
	got "$PLUGIN_PATH/releases/pre-change" web ps:stop
	assert_success ""
}

@test "the watch: too many 5xx take the canary back, all in all or of late, but not what the current one has too" {
	canary
	mkdir "$BATS_TEST_TMPDIR/say"
	hook fake proxy-canary-count <<<'cat "$BATS_TEST_TMPDIR/counts"'
	stays() {
		printf '%s\n%s\n' "${1%/*}" "${1#*/}" >"$BATS_TEST_TMPDIR/counts"
		got "$PLUGIN_PATH/releases/heal-apps"
		assert_success "" && assert_file "$CANARY" "4 5 5 0 100"
	}
	stays "0 0 0 0/0 0 0 0"
	stays "1000 0 100 4/0 0 0 0"
	stays "0 0 19 19/0 0 19 19"
	# The current release has as many.
	stays "1000 100 100 10/1000 100 100 10"
	stays "gone/"
	taken_back() {
		canary
		printf '%s\n%s\n' "${1%/*}" "${1#*/}" >"$BATS_TEST_TMPDIR/counts"
		got "$PLUGIN_PATH/releases/heal-apps"
		assert_status 0 && assert_absent "$CANARY"
	}
	taken_back "1000 0 100 5/0 0 0 0"
	assert_error " !     web: 5 of 100 answers of the canary v4 were 5xx" \
		"(in the last 30 s: 0 of 0): taking it back"
	taken_back "0 0 20 1/0 0 0 0"
	taken_back "900 0 10000 30/100 0 20 20"
	taken_back "1000 50 100 10/1000 50 100 10"
	canary "4 5 off 0 100"
	printf '0 0 100 100\n0 0 100 100\n' >"$BATS_TEST_TMPDIR/counts"
	got "$PLUGIN_PATH/releases/heal-apps"
	assert_success ""
	[[ -e $CANARY ]]
}

@test "the watch: visitors of two networks cannot take a canary back, where others have got answers" {
	hook fake proxy-canary-count <<<'cat "$BATS_TEST_TMPDIR/counts"'
	# counted SECONDS LINES - runs a round of the watch, for a canary that is SECONDS old.
	counted() {
		canary "4 5 5 0 $((EPOCHSECONDS - $1))"
		tr / '\n' <<<"$2" >"$BATS_TEST_TMPDIR/counts"
		got "$PLUGIN_PATH/releases/heal-apps"
		assert_status 0
	}
	stays() { counted "$@" && [[ -e $CANARY ]]; }
	taken_back() { counted "$@" && assert_absent "$CANARY"; }
	stays 5 "1000 0 500 400/100 0 90 90/900 0 100 4/90 0 10 0"
	stays 900 "1000 0 500 400/100 0 90 90/900 0 100 4/90 0 10 0"
	taken_back 5 "1000 0 500 400/100 0 90 90/900 0 100 5/90 0 10 0"
	taken_back 5 "1000 0 500 400/100 0 90 90/900 0 100 0/90 0 20 20"
	# Others have got too little. After a minute all count.
	stays 30 "1000 0 500 400/100 0 90 90/900 0 19 19/90 0 19 19"
	taken_back 61 "1000 0 500 400/100 0 90 90/900 0 19 0/90 0 19 0"
	# Until then it is not promoted, either. One that answers well is.
	hook fake check-deploy </dev/null
	hook fake core-post-deploy </dev/null
	canary "4 5 5 $EPOCHSECONDS $EPOCHSECONDS"
	printf '9 0 20 20\n9 0 0 0\n9 0 0 0\n9 0 0 0\n' >"$BATS_TEST_TMPDIR/counts"
	got "$PLUGIN_PATH/releases/heal-apps"
	assert_equal 3 "$(current web)"
	printf '9 0 20 0\n9 0 0 0\n9 0 0 0\n9 0 0 0\n' >"$BATS_TEST_TMPDIR/counts"
	got "$PLUGIN_PATH/releases/heal-apps"
	assert_equal 4 "$(current web)"
}

@test "the watch: promotes a canary whose time is over, once it has answered" {
	canary "4 5 5 $EPOCHSECONDS 100"
	hook fake proxy-canary-count <<<'cat "$BATS_TEST_TMPDIR/counts"'
	hook fake check-deploy </dev/null
	hook fake core-post-deploy </dev/null
	printf '10 0 0 0\n0 0 0 0\n' >"$BATS_TEST_TMPDIR/counts"
	got "$PLUGIN_PATH/releases/heal-apps"
	assert_success ""
	assert_equal 3 "$(current web)"
	printf '10 0 1 0\n0 0 0 0\n' >"$BATS_TEST_TMPDIR/counts"
	got "$PLUGIN_PATH/releases/heal-apps"
	assert_equal 4 "$(current web)"
	assert_absent "$CANARY"
	canary "4 5 5 $((EPOCHSECONDS + 100)) 100"
	printf '10 0 1 0\n0 0 0 0\n' >"$BATS_TEST_TMPDIR/counts"
	got "$PLUGIN_PATH/releases/heal-apps"
	assert_equal 3 "$(current web)"
}

@test "the watch: a canary has its time, and its answers are counted, also after the time of day was set" {
	local boot now n
	boot=$(</proc/sys/kernel/random/boot_id)
	uptime now
	# It has begun a minute ago, for ten minutes.
	canary "4 5 5 $((EPOCHSECONDS + 540)) $((EPOCHSECONDS - 60)) $((now - 60)) $boot"
	hook fake proxy-canary-count <<<'printf "%s\n" "$3" >>"$BATS_TEST_TMPDIR/since"
		printf "10 0 1 0\n0 0 0 0\n"'
	hook fake check-deploy </dev/null
	hook fake core-post-deploy </dev/null
	for n in 7200 -7200; do
		clock_set "$n"
		got "$PLUGIN_PATH/releases/heal-apps"
		assert_success ""
		assert_equal 3 "$(current web)"
	done
	unset BASH_ENV
	# nginx's log has the new time. What it had before stays counted.
	now=$EPOCHSECONDS
	mapfile -t since <"$BATS_TEST_TMPDIR/since"
	[[ $((now - since[0])) -ge 60 && $((now - since[0])) -le 70 ]]
	[[ $((now - 7200 - since[1])) -ge 60 && $((now - 7200 - since[1])) -le 70 ]]
	uptime now
	printf '%s\n' "4 5 5 $((EPOCHSECONDS + 540)) $((EPOCHSECONDS - 60)) $((now - 601)) $boot" \
		>"$CANARY"
	got "$PLUGIN_PATH/releases/heal-apps"
	assert_equal 4 "$(current web)"
}

@test "the watch: a round does not wait for an app that takes long, and prints what it has said" {
	local app since
	make_app shop
	for app in shop web; do
		printf '7 12:00 git push\n' >"$DOKKU_LIB_ROOT/lock/$app"
	done
	printf '#!%s\nprintf "%%s begins\\n" "$2"\n[[ $2 == web ]] || exec sleep 20\n' "$INTERPRETER" \
		>"$BIN/dokku"
	chmod +x "$BIN/dokku"
	since=$SECONDS
	DOKKU_HEAL_SECONDS=0.5 DOKKU="$BIN/dokku" got "$PLUGIN_PATH/releases/heal-apps"
	assert_status 0
	[[ $((SECONDS - since)) -lt 10 ]]
	for app in shop web; do
		[[ $stderr == *" !     $app: git push, begun at 12:00, was killed or failed: reconciling
$app begins"* ]]
	done
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
	# The clock is not waited for.
	rm "$DOKKU_LIB_ROOT/lock/shop"
	since=$SECONDS
	DOKKU_HEAL_SECONDS=20 DOKKU="$BIN/dokku" got "$PLUGIN_PATH/releases/heal-apps"
	[[ $((SECONDS - since)) -lt 10 ]]
	assert_error " !     web: git push, begun at 12:00, was killed or failed: reconciling
web begins"
}

@test "the watch: leaves an app alone whose operation ends while the watch looks" {
	make_app shop
	printf '7 12:00 git push\n' >"$DOKKU_LIB_ROOT/lock/shop"
	fake flock <<<': >"$DOKKU_LIB_ROOT/lock/shop"'
	got "$PLUGIN_PATH/releases/heal-apps"
	assert_success ""
}

@test "releases:report: the canary and what the two releases answered" {
	canary
	hook fake proxy-canary-count <<<'printf "1000 2 50 1\n0 0 0 0\n"'
	dokku releases:report web --releases-canary
	assert_success "v4 with 5 % of the visitors"
	dokku releases:report web --releases-canary-answers
	assert_success "1 of 50 5xx, current release 2 of 1000"
	rm "$CANARY"
	dokku releases:report web --releases-canary
	assert_success ""
}

@test "post-delete: a drain that ends at the same time does not disturb it" {
	local dir=$DOKKU_LIB_ROOT/data/releases/web/1 writer
	make_release web 1
	while [[ ! -e $BATS_TEST_TMPDIR/over ]]; do
		printf 'x\n' >"$dir/drained.$RANDOM"
	done 2>/dev/null 3>&- &
	writer=$!
	sleep 0.3
	got "$PLUGIN_CORE_AVAILABLE_PATH/releases/post-delete" web
	: >"$BATS_TEST_TMPDIR/over"
	wait "$writer" || true
	assert_success ""
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}
