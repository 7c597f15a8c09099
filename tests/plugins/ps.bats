#!/usr/bin/env bats
# ps: scale, restart, stop, start, report, restore, each by the one transaction.

load ../helper

setup() {
	world
	made_plugins ps config releases
	make_app web
	hook fake scheduler-start \
		<<<'printf "web 1 id 10.86.128.2 5000\n" \
			>"$DOKKU_LIB_ROOT/data/releases/$2/$3/containers"'
	local name
	for name in scheduler-retire scheduler-remove scheduler-stop core-post-stop reconcile; do
		hook fake "$name" </dev/null
	done
	hook fake scheduler-list <<<'printf "idA 1 web 1 running 10.86.128.2 5000 7 /web.web.1\nidB 0 web 1 running 10.86.128.9 5000 8 /old\n"'
}

deployed() {
	make_release web 1 web=1
	printf 'web: a\nworker: b\nrelease: c\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/Procfile"
	make_current web 1
}

@test "ps:scale: a type that is given twice is refused" {
	local before
	dokku ps:scale web web=2
	before=$(<"$DOKKU_LIB_ROOT/config/ps/web/scale")
	dokku ps:scale web web=1 worker=1 web=0
	assert_refused 'web is given twice: "web=1 worker=1 web=0"; nothing was changed'
	dokku ps:scale --skip-deploy web web=1 web=1
	assert_refused 'web is given twice: "web=1 web=1"; nothing was changed'
	assert_file "$DOKKU_LIB_ROOT/config/ps/web/scale" "$before"
}

@test "ps:scale: shows, and of an app that is not deployed it is kept for the first deploy" {
	dokku ps:scale web
	assert_success "=====> web scale
web:  1"
	dokku ps:scale web web=2 worker=1
	assert_success "-----> web: the next deploy runs web=2 worker=1"
	dokku ps:scale web worker=3
	dokku ps:scale web
	assert_success "=====> web scale
web:  2
worker: 3"
	assert_file "$DOKKU_LIB_ROOT/config/ps/web/scale" "web=2
worker=3"
}

@test "ps:scale: what is not TYPE=COUNT is refused, all or nothing" {
	is_refused() {
		dokku ps:scale web web=3 "$1"
		assert_refused "not TYPE=COUNT, with a count up to 100: \"$1\"; nothing was changed"
	}
	local word
	for word in web web= =1 web=-1 web=01 web=101 web=1.5 web=a 'web=a[$(id)]' 'we b=1' \
		'../x=1' 'web=1=2'; do
		is_refused "$word"
	done
	assert_absent "$DOKKU_LIB_ROOT/config/ps/web/scale"
	deployed
	dokku ps:scale web web=2 cron=1
	assert_refused "web has no process type cron: its Procfile names them (--skip-deploy sets" \
		"it for the next push); nothing was changed"
	assert_steps ""
}

@test "ps:scale: without a Procfile every type runs what the image says" {
	deployed
	rm "$DOKKU_LIB_ROOT/data/releases/web/1/Procfile"
	dokku ps:scale web worker=2
	assert_status 0
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/2/scale" "web=1
worker=2"
}

@test "ps:scale: release is a task, not a process" {
	dokku ps:scale web release=1
	assert_refused \
		"release runs once in each deploy, so it has no count; nothing was changed"
	dokku ps:scale --skip-deploy web web=2 release=1
	assert_status 1
	assert_absent "$DOKKU_LIB_ROOT/config/ps/web/scale"
}

@test "ps:scale: of a deployed app it is a release of the same image" {
	deployed
	dokku ps:scale web web=2 worker=1
	assert_status 0
	assert_error ""
	assert_equal 2 "$(current web)"
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/2/scale" "web=2
worker=1"
	assert_file "$DOKKU_LIB_ROOT/config/ps/web/scale" "web=2
worker=1"
	assert_equal 1 "$(grep -c 'POST .*/images/dokku/web:v1/tag.*tag=v2' "$CALLS")"
}

@test "ps:scale: a deploy that fails keeps the scale" {
	deployed
	hook fake check-deploy <<<'exit 1'
	dokku ps:scale web web=2
	assert_status 1
	assert_error " !     ps:scale: web keeps the scale that it had"
	assert_absent "$DOKKU_LIB_ROOT/config/ps/web/scale"
	assert_equal 1 "$(current web)"
}

@test "ps:restart: a new release; what is not deployed is refused" {
	dokku ps:restart web
	assert_refused "web is not deployed yet: git push to it first"
	deployed
	dokku ps:restart web
	assert_status 0
	assert_equal 2 "$(current web)"
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/2/description" ps:restart
}

@test "ps:stop says nobody before it stops; ps:start deploys anew" {
	deployed
	dokku ps:stop web
	assert_success "-----> Stopped web: dokku ps:start web starts it again"
	assert_equal "core-post-stop web
scheduler-stop docker-local web" "$(tail -n 2 "$STEPS")"
	assert_file "$DOKKU_LIB_ROOT/config/ps/web/stopped" true
	dokku ps:start web
	assert_status 0
	assert_equal 2 "$(current web)"
	assert_absent "$DOKKU_LIB_ROOT/config/ps/web/stopped"
	# What has no image any more is reconciled, but does not run.
	dokku ps:start web
	assert_refused \
		"ps:start: web.1 of web does not run: see the message above, and dokku logs web"
	hook fake scheduler-list <<<'printf "id 2 web 1 running 10.86.128.2 5000 7 /web.web.1\n"'
	dokku ps:start web
	assert_success "-----> web runs"
	assert_equal 2 "$(current web)"
}

@test "ps:start: an image that somebody has removed is built again, of the commit that the release has, and of no other" {
	deployed
	local dir="$DOKKU_LIB_ROOT/data/releases/web/1" \
		commit=1111111111111111111111111111111111111111
	printf '%s\n' "$commit" >"$dir/commit"
	dokku ps:stop web
	mkdir -p "$DOKKU_ROOT/web/refs/heads"
	fake_engine <<<'[[ $2 != */images/*/json ]] ||
		{ printf "{\"message\":\"No such image: dokku/web:v1\"}"; exit 22; }'
	hook git-hook subcommands/default <<<'cat >"$WORLD/refs"'
	printf '2222222222222222222222222222222222222222\n' >"$DOKKU_ROOT/web/refs/heads/master"
	dokku ps:start web
	assert_refused "web: the image of v1 is gone, and the branch master is not at its" \
		"commit 1111111 any more. To run the branch: dokku ps:rebuild web. To run that" \
		"commit: push it"
	assert_file "$DOKKU_LIB_ROOT/config/ps/web/stopped" true
	printf '%s\n' "$commit" >"$DOKKU_ROOT/web/refs/heads/master"
	fake git <<<"echo $commit"
	dokku ps:start web
	assert_success "-----> web: the image of v1 is gone: building it again"
	assert_file "$WORLD/refs" "$commit $commit refs/heads/master"
}

# three - makes three apps: a and web are deployed, b never was.
three() {
	local app
	make_app a b
	deployed
	make_release a 1 web=1
	make_current a 1
}

@test "ps:stop, :start, :restart --all: every app; one that was never deployed is passed over" {
	three
	dokku ps:stop --all
	assert_success "-----> Stopped a: dokku ps:start a starts it again
       b is not deployed: passed over
-----> Stopped web: dokku ps:start web starts it again"
	assert_file "$DOKKU_LIB_ROOT/config/ps/a/stopped" true
	assert_file "$DOKKU_LIB_ROOT/config/ps/web/stopped" true
	dokku ps:start --all
	assert_status 0
	assert_error ""
	assert_equal "2 2" "$(current a) $(current web)"
	dokku ps:restart --all
	assert_status 0
	assert_equal "3 3" "$(current a) $(current web)"
}

@test "ps:stop, :start, :restart --all: go on after one that fails, and fail at the end" {
	three
	hook fake scheduler-stop <<<'[[ $2 != a ]]'
	dokku ps:stop --all
	assert_status 1
	assert_file "$DOKKU_LIB_ROOT/config/ps/web/stopped" true
	hook fake check-deploy <<<'[[ $1 != a ]]'
	dokku ps:start --all
	assert_status 1
	assert_equal "1 2" "$(current a) $(current web)"
	dokku ps:restart --all
	assert_status 1
	assert_error " !     ps:restart: a keeps the containers that it had"
	assert_equal "1 3" "$(current a) $(current web)"
}

@test "ps:start: what could not be reconciled, or is busy, is not said to run" {
	deployed
	hook fake reconcile <<<'printf "no engine\n" >&2; exit 1'
	dokku ps:start web
	assert_status 1
	assert_output ""
	assert_error_like "no engine
*"
	dokku ps:start --all
	assert_status 1
	assert_output ""
	hook fake reconcile </dev/null
	exec 9>"$DOKKU_LIB_ROOT/lock/web"
	flock 9
	printf '%s 12:34:56 git push\n' "$$" >"$DOKKU_LIB_ROOT/lock/web"
	dokku ps:start web
	exec 9>&-
	assert_refused "web is busy: git push runs since 12:34:56 (process $$):" \
		"try again when it is done, or wait for it: git push -o wait, dokku --wait"
}

@test "ps:report: what runs, of the current release and of old ones" {
	deployed
	hook fake scheduler-states <<<'printf "web idB 0 web 1 running\nweb idA 1 web 1 running\n"'
	dokku ps:report web
	assert_success "=====> web ps information
       Deployed:                         true
       Running:                          true
       Release:                          v1
       Ps can scale:                     true
       Processes:                        web=1
       Status web 1:                     running (CID: idA)
       Draining web 1 v0:                running (CID: idB)
       Ps dockerfile start cmd:          
       Ps global dockerfile start cmd:   
       Ps computed dockerfile start cmd: 
       Ps procfile path:                 
       Ps global procfile path:          
       Ps computed procfile path:        Procfile
       Ps restart policy:                
       Ps global restart policy:         
       Ps computed restart policy:       on-failure:10
       Ps restore:                       
       Ps global restore:                
       Ps computed restore:              true
       Ps skip deploy:                   
       Ps global skip deploy:            
       Ps computed skip deploy:          false
       Ps start cmd:                     
       Ps global start cmd:              
       Ps computed start cmd:            
       Ps stop timeout seconds:          
       Ps global stop timeout seconds:   
       Ps computed stop timeout seconds: 30"
	dokku ps:report web --running
	assert_success true
	dokku ps:report web --nope
	assert_refused "Invalid flag passed: --nope: the report without it names all" 2
	dokku ps:report web --running --format json
	assert_refused "--format flag cannot be specified when specifying an info flag: leave out one of --format and --running" 2
}

@test "ps:report, domains:report: of many apps, in one process, with one question to the engine" {
	local n
	deployed
	for n in {1..200}; do
		make_app "app$n"
	done
	hook fake scheduler-states <<<'printf "web idA 1 web 1 running\napp7 id7 1 web 1 exited\n"'
	: >"$STEPS"
	SECONDS=0
	dokku ps:report
	assert_status 0
	assert_equal 201 "$(grep -c 'ps information' <<<"$output")"
	assert_equal 1 "$(grep -c 'CID: idA' <<<"$output")"
	assert_steps "scheduler-states docker-local"
	ln -s "$PLUGIN_CORE_AVAILABLE_PATH/domains" "$PLUGIN_PATH/domains"
	dokku domains:report
	assert_equal 201 "$(grep -c 'domains information' <<<"$output")"
	[[ $SECONDS -lt 10 ]]
}

@test "ps:set: settings and their values" {
	dokku ps:set web restart-policy on-failure:5
	assert_success "-----> web: restart-policy is now on-failure:5; new containers have it"
	dokku ps:set web restart-policy 'always;'
	assert_refused 'ps:set: restart-policy wants one of no, always, unless-stopped,' \
		'on-failure, on-failure:N, not "always;"; nothing was changed'
	dokku ps:set web stop-timeout-seconds -1
	assert_refused 'ps:set: stop-timeout-seconds wants a whole number of seconds from 0 to' \
		'86400, not "-1"; nothing was changed'
	dokku ps:set web nope 1
	assert_refused 'ps:set: no such setting: "nope": there are dockerfile-start-cmd,' \
		'procfile-path, restart-policy, restore, skip-deploy, start-cmd,' \
		'stop-timeout-seconds' 2
}

@test "ps:restore: every app but those that are not to be; one that fails does not hold up others" {
	make_app a b c
	local app
	for app in a b c; do
		make_release "$app" 1
		make_current "$app" 1
	done
	dokku ps:set b restore false
	hook fake reconcile <<<'[[ $1 != a ]]'
	dokku ps:restore
	assert_status 1
	assert_equal "reconcile a 1
reconcile c 1" "$(grep ^reconcile "$STEPS" | sort)"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

# restorable NAME… - deployed apps.
restorable() {
	local app
	make_app "$@"
	for app; do
		make_release "$app" 1
		make_current "$app" 1
	done
}

@test "ps:restore: several at a time, the lines of each together, and never more than it was asked for" {
	restorable a b c d
	hook fake reconcile <<-'BODY'
		printf 'begin %s\n' "$1"
		mkdir "$WORLD/in.$1"
		set -- "$1" "$WORLD"/in.*
		printf '%s\n' "$(($# - 1))" >>"$WORLD/width"
		sleep 0.3
		printf 'end %s\n' "$1"
		rmdir "$WORLD/in.$1"
	BODY
	dokku ps:restore --parallel 2
	assert_status 0
	# Each app's lines stand together, whichever comes first.
	assert_equal "a a b b c c d d" \
		"$(awk '{ print $NF }' <<<"$output" | paste -d ' ' - - | sort | paste -sd ' ')"
	assert_equal 2 "$(sort -n "$WORLD/width" | tail -n 1)"
	rm "$WORLD/width"
	dokku ps:restore --parallel=1 --all
	assert_status 0
	assert_equal 1 "$(sort -n "$WORLD/width" | tail -n 1)"
	dokku ps:restore --parallel 0
	assert_refused 'ps:restore: --parallel wants a number from 1 to 100, or -1, not "0"' 2
	dokku ps:restore --parallel -1 a
	assert_status 0
}

@test "ps:rebuild: of what was never pushed" {
	git init --quiet --bare "$DOKKU_ROOT/web"
	dokku ps:rebuild web
	assert_refused "web: Cannot build from 'master' as there are no commits stored at that" \
		"branch. Push to it, or choose another: dokku git:set web deploy-branch BRANCH"
}

# --- the Procfile ---------------------------------------------------------------

@test "a Procfile that is not understood is refused before the build, with line and column" {
	mkdir -p "$WORLD/tree"
	is_refused() {
		printf '%b' "${1%%|*}" >"$WORLD/tree/Procfile"
		got "$PLUGIN_CORE_AVAILABLE_PATH/ps/pre-build" dockerfile web "$WORLD/tree"
		assert_status 1
		assert_output ""
		assert_error " !     Procfile:${1##*|}
 !     web: the Procfile is not understood: change the lines named above, and push again"
	}
	is_refused 'web: a\nrelease : b\n|2:8: a blank before the colon: write release:'
	is_refused 'web\t: a\n|1:4: a blank before the colon: write web:'
	is_refused '\xef\xbb\xbfweb: a\n|1:1: a byte order mark: save the file as UTF-8 without one'
	is_refused \
		'release: a\nweb: b\nrelease: c\n|3:1: a second line for release: keep one of them'
	is_refused 'web: a\n  web:b|2:1: a second line for web: keep one of them'
	is_refused 'web: a\n\nworker b\n|3:7: no colon: a line is TYPE: COMMAND'
	is_refused 'web|1:4: no colon: a line is TYPE: COMMAND'
	is_refused ': a\n|1:1: not a name for a process type: use letters and digits, - and _ between them, at most 63'
	is_refused '_web: a\n|1:1: not a name for a process type: use letters and digits, - and _ between them, at most 63'
	is_refused "$(printf '%064d' 0): a\n|1:1: not a name for a process type: use letters and digits, - and _ between them, at most 63"
	is_refused 'wörker: a\n|1:2: "ö" cannot be in the name of a process type'
	is_refused 'my.worker: a\n|1:3: "." cannot be in the name of a process type'
	is_refused 'web: \r\n|1:6: no command for web: add one, or remove the line'
	is_refused \
		'web: a\nworker: # later\n|2:9: no command for worker: add one, or remove the line'
	is_refused 'web: a\n\tworker:\tb \x1b[31m\n|2:12: a character that is not printable'
	is_refused 'web: a\rworker: b\n|1:7: a character that is not printable'
	is_refused 'web: a\n# \xe9\nworker: b\0c\nlate: d\n|3:10: a NUL byte'
	is_refused '\0|1:1: a NUL byte'
}

@test "every line that is wrong is named" {
	mkdir -p "$WORLD/tree"
	printf 'a\nb : c\nweb: a\n' >"$WORLD/tree/Procfile"
	got "$PLUGIN_CORE_AVAILABLE_PATH/ps/pre-build" dockerfile web "$WORLD/tree"
	assert_status 1
	assert_error " !     Procfile:1:2: no colon: a line is TYPE: COMMAND
 !     Procfile:2:2: a blank before the colon: write b:
 !     web: the Procfile is not understood: change the lines named above, and push again"
	printf 'a b\n' >"$WORLD/tree/Other"
	code "" 'property_set ps web procfile-path Other'
	got "$PLUGIN_CORE_AVAILABLE_PATH/ps/pre-build" dockerfile web "$WORLD/tree"
	assert_error_like " !     Other:1:2: no colon*"
}

@test "a Procfile that is good: comments, blank lines, CR LF, tabs, no newline at the end, none" {
	mkdir -p "$WORLD/tree"
	builds() {
		got "$PLUGIN_CORE_AVAILABLE_PATH/ps/pre-build" dockerfile web "$WORLD/tree"
		assert_success ""
	}
	builds
	printf '# c\n\n \t\r\n// c\nweb:\ta\r\n \tworker-1_x:b é # c\nUrgent: x:y\n%063d:z' 0 \
		>"$WORLD/tree/Procfile"
	builds
	printf 'Web: a\nRELEASE: b\n' >"$WORLD/tree/Procfile"
	got "$PLUGIN_CORE_AVAILABLE_PATH/ps/pre-build" dockerfile web "$WORLD/tree"
	assert_status 0
	assert_error_like '* !     Procfile: Web is a process type of its own:' \
		'only web in lower case is special*'
	assert_error_like '* !     Procfile: RELEASE is a process type of its own:' \
		'only release in lower case is special*'
	printf 'x' >"$WORLD/elsewhere"
	ln -sf "$WORLD/elsewhere" "$WORLD/tree/Procfile"
	builds
}

@test "procfile_read: the same parser for all; of a release that an older version took, what can be read" {
	deployed
	printf '\tweb: a b \t\r\nweb: c\nbad line\n// d: e\nworker:x: y\nlast: z' \
		>"$DOKKU_LIB_ROOT/data/releases/web/1/Procfile"
	code ps \
		'for p in web worker last bad d; do printf "%s=%s\n" "$p" \
			"$(value_of procfile_command web 1 "$p")"; done; ps_types web 1'
	assert_success "web=a b
worker=x: y
last=z
bad=
d=
last
web
worker"
}

@test "procfile_read: a byte that is not UTF-8 at the end of a line swallows nothing, and is no part of a command" {
	deployed
	printf '# caf\xe9\nweb: a\n# \xe2\x82\nworker: b\nlast: caf\xe9\nx: y' \
		>"$DOKKU_LIB_ROOT/data/releases/web/1/Procfile"
	code ps \
		'for p in web worker last x; do printf "%s=%s\n" "$p" \
			"$(value_of procfile_command web 1 "$p")"; done
		declare -A procfile; procfile_read "$RELEASES/web/1/Procfile"
		printf "%s\n" "${procfile_wrong[@]}"'
	assert_success "web=a
worker=b
last=
x=y
5:10: a character that is not printable"
}

@test "procfile_read, command_json: time grows with the number of blanks, not with its square" {
	local blanks
	printf -v blanks '%8000s' ''
	deployed
	printf '%sweb:%sa%s\n%s: b\nlast: c%s\001\n' "$blanks" "$blanks" "$blanks" \
		"${blanks// /x}" "$blanks" >"$DOKKU_LIB_ROOT/data/releases/web/1/Procfile"
	SECONDS=0
	code scheduler-docker-local/lib/commands \
		'declare -A procfile; procfile_read "$RELEASES/web/1/Procfile"
		printf "%s|" "${procfile[@]}" "${procfile_wrong[@]}"
		command_json "$1 a $1"' "$blanks"
	assert_success "a|2:1: not a name for a process type: use letters and digits, - and _\
 between them, at most 63|3:8008: a character that is not printable|[\"a\"]"
	[[ $SECONDS -lt 6 ]] || differ "seconds" "under 6" "$SECONDS"
}

# --- what a release can run -------------------------------------------------------

# pre_deploy TYPE=COUNT… - runs the hook pre-deploy for release 2, which has this scale and is made
# from release 1.
pre_deploy() {
	make_release web 2 "$@"
	cp "$DOKKU_LIB_ROOT/data/releases/web/1/Procfile" "$DOKKU_LIB_ROOT/data/releases/web/2/"
	DOKKU_RELEASE=2 got "$PLUGIN_CORE_AVAILABLE_PATH/ps/pre-deploy" web dokku/web:v2
}

# image CONFIG - makes the engine answer with CONFIG for each image.
image() {
	fake_engine <<<"[[ \$2 != /images/dokku/web:v*/json ]] || printf '%s' '{ \"Config\": $1 }'"
}

@test "a Procfile without web: web does not run where the image has no command, and what does is said" {
	deployed
	image '{}'
	printf 'worker: b\nclock: c\nrelease: d\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/Procfile"
	rm "$DOKKU_LIB_ROOT/data/releases/web/current"
	pre_deploy web=1
	assert_status 0
	assert_output "       web=0 instead of web=1 in this release:" \
		"the Procfile names no web and the image has no CMD"
	assert_error " !     web: no process runs: dokku ps:scale web TYPE=1 starts one of:" \
		"clock, worker"
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/2/scale" web=0
	pre_deploy web=1 worker=2
	assert_success "       web=0 instead of web=1 in this release:" \
		"the Procfile names no web and the image has no CMD"
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/2/scale" "web=0
worker=2"
}

@test "a release that would leave nothing of what runs is refused, unless ps:scale says so" {
	deployed
	image '{}'
	printf 'wbe: b\nrelease: d\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/Procfile"
	pre_deploy web=1
	assert_status 1
	assert_error " !     web: nothing would run any more: there is no web here, only wbe:" \
		"dokku ps:scale web web=0 first, if that is meant"
	pre_deploy web=0
	assert_status 0
	assert_error " !     web: no process runs: dokku ps:scale web TYPE=1 starts one of: wbe"
	pre_deploy web=1 wbe=1
	assert_status 0
}

@test "a release that has nothing to run is refused, the first one too" {
	deployed
	image '{}'
	local procfile
	for procfile in 'release: d\n' '# no more\n' ''; do
		# shellcheck disable=SC2059 # a format
		printf "$procfile" >"$DOKKU_LIB_ROOT/data/releases/web/1/Procfile"
		pre_deploy web=1
		assert_status 1
		assert_error " !     web: there is nothing to run: give the Dockerfile a CMD," \
			"or the Procfile a line web: COMMAND"
	done
	rm "$DOKKU_LIB_ROOT/data/releases/web/current"
	pre_deploy web=1
	assert_status 1
}

@test "without web in the Procfile an image runs what it says itself" {
	deployed
	printf 'worker: b\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/Procfile"
	local config
	for config in '{ "Cmd": ["/web"] }' '{ "Entrypoint": ["/web"] }'; do
		image "$config"
		pre_deploy web=2 worker=1
		assert_success ""
		assert_file "$DOKKU_LIB_ROOT/data/releases/web/2/scale" "web=2
worker=1"
	done
}

@test "a type that the Procfile does not name any more does not run the image's command instead" {
	deployed
	image '{ "Cmd": ["/web"] }'
	pre_deploy web=1 cron=1 worker=0 gone=0
	assert_success "       cron=0 instead of cron=1 in this release: the Procfile names no cron"
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/2/scale" "web=1
cron=0
worker=0
gone=0"
}

@test "an engine that does not answer decides nothing" {
	deployed
	fake_engine <<<'exit 1'
	pre_deploy web=1
	assert_status 1
	assert_error " !     the image dokku/web:v2 cannot be looked at: does dockerd run?
 !     web: the image of v2 cannot be inspected: see the message above"
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/2/scale" web=1
}

@test "the port is that of this release: PORT of its config, what its image exposes, and a change is said" {
	deployed
	image '{ "Cmd": ["x"], "ExposedPorts": { "9000/tcp": {}, "8000/tcp": {} } }'
	make_release web 2
	printf 'PORT=7000\0' >"$DOKKU_LIB_ROOT/data/releases/web/2/env"
	DOKKU_RELEASE=2 got "$PLUGIN_CORE_AVAILABLE_PATH/ps/pre-deploy" web dokku/web:v2
	assert_success "       port 5000 -> 7000"
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/2/port" 7000
	make_current web 2
	make_release web 3
	cp "$DOKKU_LIB_ROOT/data/releases/web/2/port" "$DOKKU_LIB_ROOT/data/releases/web/3/port"
	DOKKU_RELEASE=3 got "$PLUGIN_CORE_AVAILABLE_PATH/ps/pre-deploy" web dokku/web:v3
	assert_success "       port 7000 -> 8000"
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/3/port" 8000
	printf 'PORT=99999\0' >"$DOKKU_LIB_ROOT/data/releases/web/3/env"
	DOKKU_RELEASE=3 got "$PLUGIN_CORE_AVAILABLE_PATH/ps/pre-deploy" web dokku/web:v3
	assert_refused 'PORT in the config is "99999", not a port: see dokku config:set'
}

@test "config:set PORT changes the port of the release that comes of it" {
	deployed
	dokku config:set web PORT=7000
	assert_status 0
	assert_equal 2 "$(current web)"
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/2/port" 7000
	dokku config:unset web PORT
	assert_status 0
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/3/port" 5000
}

@test "ps:scale: web cannot run where neither Procfile nor image names a command; 0 is always good" {
	deployed
	printf 'worker: b\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/Procfile"
	image '{}'
	dokku ps:scale web web=2
	assert_refused "web has no process type web: its Procfile names them (--skip-deploy sets" \
		"it for the next push); nothing was changed"
	dokku ps:scale web web=0 gone=0 worker=1
	assert_status 0
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/2/scale" "gone=0
web=0
worker=1"
}

@test "ps:scale: lists what the Procfile names, too, as text, quietly and as JSON" {
	deployed
	dokku ps:scale web
	assert_success "=====> web scale
web:  1
worker: 0"
	dokku --quiet ps:scale web
	assert_success "web:  1
worker: 0"
	dokku ps:scale web --format json
	assert_success \
		'[{"process_type":"web","quantity":1},{"process_type":"worker","quantity":0}]'
}

@test "ps:scale: where app.json has a formation, it says how many run" {
	deployed
	printf '{"formation": {"web": {"quantity": 1}}}' \
		>"$DOKKU_LIB_ROOT/data/releases/web/1/app.json"
	dokku ps:scale web web=2
	assert_refused "web: its app.json says how many of each process run (formation):" \
		"change it there and push; nothing was changed"
	dokku ps:report web --ps-can-scale
	assert_success false
	printf '{"formation": {"web": {"max_parallel": 1}}}' \
		>"$DOKKU_LIB_ROOT/data/releases/web/1/app.json"
	dokku ps:report web --ps-can-scale
	assert_success true
}

@test "ps:restart: of one type says that all start anew; of none that runs it does nothing" {
	deployed
	dokku ps:restart web worker
	assert_refused "web runs no process type worker: dokku ps:report web shows those that" \
		"run; nothing was done"
	dokku ps:restart web web
	assert_status 0
	assert_equal 2 "$(current web)"
	[[ $output == *"so all of them start anew, not only web"* ]]
	dokku ps:restart --all web
	assert_refused "ps:restart --all takes no TYPE; nothing was done" 2
	dokku ps:restart --parallel 0 --all
	assert_status 2
	dokku ps:restart --parallel 2 --all
	assert_status 0
	assert_equal 3 "$(current web)"
}

@test "ps:set start-cmd: what a type runs that the Procfile does not name, from the next release on" {
	deployed
	dokku ps:set web start-cmd "serve --all"
	dokku ps:set web dockerfile-start-cmd "serve"
	dokku ps:set web dockerfile-start-cmd
	dokku ps:scale web other=1
	assert_status 1
	dokku ps:restart web
	dokku ps:scale web other=1
	assert_status 0
	code "" \
		'show() { value_of start_command web "$@"; }
			show 3 other; printf "|"; show 3 worker; printf "|"
			value_of procfile_command web 3 other; show 1 other'
	assert_success "serve --all|b|"
}

@test "ps:retire: runs that are over their time end, too" {
	hook fake scheduler-runs-retire <<<'printf "ended\n"'
	dokku ps:retire
	assert_success ended
}
