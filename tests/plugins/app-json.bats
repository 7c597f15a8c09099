#!/usr/bin/env bats
# app-json: which commands of app.json and the Procfile run once for a new image, when, and what
# their failure means. scheduler-docker-local.bats tests their containers.

load ../helper

setup() {
	world
	made_plugins app-json
	make_app web
	make_release web 1
	make_current web 1
	make_release web 2
	DIR="$DOKKU_LIB_ROOT/data/releases/web/2"
	: >"$DIR/built"
	HOOKS="$PLUGIN_CORE_AVAILABLE_PATH/app-json"
	hook fake scheduler-task </dev/null
}

app_json() { cat >"$DIR/app.json"; }

tasks() { got "$HOOKS/release-tasks" web 2; }

@test "predeploy, then release, then nothing else: each is shown, run and timed" {
	app_json <<<'{ "scripts": { "postdeploy": "seed", "dokku": { "predeploy": "make assets", "postdeploy": "tell" } } }'
	printf 'web: serve\nrelease: migrate --all\r\n' >"$DIR/Procfile"
	tasks
	assert_success "-----> Executing predeploy task from app.json: make assets
-----> Executing release task from Procfile: migrate --all"
	assert_steps "scheduler-task docker-local web 2 predeploy make assets 3600 keep
scheduler-task docker-local web 2 release migrate --all 3600"
	[[ $(<"$DIR/steps") =~ ^'predeploy '[0-9]+$'\n''release '[0-9]+$ ]]
}

@test "no app.json, an empty one, one without scripts, no release line: nothing is run" {
	tasks
	assert_success
	printf 'web: serve\nreleases: no\n' >"$DIR/Procfile"
	is_nothing() {
		app_json <<<"$1"
		tasks
		assert_success
	}
	each is_nothing <<-'FILES'

		{}
		{ "scripts": {} }
		{ "scripts": null }
		{ "scripts": { "dokku": null } }
		{ "scripts": { "dokku": { "predeploy": "", "postdeploy": "x" } } }
		{ "formation": { "web": { "quantity": 2 } } }
	FILES
	assert_steps ""
	assert_absent "$DIR/steps"
}

@test "scripts.postdeploy runs before the first release, once, whether it went well or not" {
	rm "$DOKKU_LIB_ROOT/data/releases/web/current"
	app_json <<<'{ "scripts": { "postdeploy": "seed" } }'
	hook fake scheduler-task <<<'exit 1'
	tasks
	assert_status 1
	assert_steps "scheduler-task docker-local web 2 postdeploy seed 3600"
	tasks
	assert_success
	assert_steps "scheduler-task docker-local web 2 postdeploy seed 3600"
}

@test "scripts.postdeploy is not for an app that is deployed already" {
	app_json <<<'{ "scripts": { "postdeploy": "seed" } }'
	tasks
	assert_success
	assert_steps ""
}

@test "the first task that fails is the last" {
	app_json <<<'{ "scripts": { "dokku": { "predeploy": "make assets" } } }'
	printf 'release: migrate\n' >"$DIR/Procfile"
	hook fake scheduler-task <<<'exit 1'
	tasks
	assert_status 1
	assert_steps "scheduler-task docker-local web 2 predeploy make assets 3600 keep"
}

@test "task-timeout: of the app, of all, the default; nothing else is a number of seconds" {
	printf 'release: migrate\n' >"$DIR/Procfile"
	dokku app-json:set --global task-timeout 90
	assert_success "-----> --global: task-timeout is now 90"
	tasks
	dokku app-json:set web task-timeout 5
	tasks
	dokku app-json:set web task-timeout
	assert_success "-----> web: task-timeout is now 90, the global value"
	assert_steps "scheduler-task docker-local web 2 release migrate 90
scheduler-task docker-local web 2 release migrate 5"
	is_refused() {
		dokku app-json:set web task-timeout "$1"
		assert_refused "app-json:set: task-timeout wants a whole number of seconds from 1" \
			"to 86400, not \"$1\"; nothing was changed"
	}
	each is_refused <<-'VALUES'
		0
		-1
		86401
		1h
		a[$(touch x)]
	VALUES
	dokku app-json:set web nope 1
	assert_refused \
		'app-json:set: no such setting: "nope": there are appjson-path, task-timeout' 2
	dokku app-json:report web --app-json-computed-task-timeout
	assert_success 90
}

@test "app.json that is not understood refuses the build" {
	mkdir -p "$WORLD/tree"
	is_refused() {
		printf '%b' "${1%%|*}" >"$WORLD/tree/app.json"
		got "$HOOKS/pre-build" dockerfile web "$WORLD/tree"
		assert_status 1
		assert_error_like " !     app.json: ${1##*|}: correct it and push again"
	}
	each is_refused <<-'FILES'
		{|parse error: *
		[]|it is not an object
		7|it is not an object
		{ "scripts": [] }|Cannot index array with string "dokku"
		{ "scripts": { "dokku": { "predeploy": 7 } } }|scripts.dokku.predeploy is not text
		{ "scripts": { "dokku": { "postdeploy": ["a"] } } }|scripts.dokku.postdeploy is not text
		{ "scripts": { "postdeploy": "a\\\\u001bb" } }|scripts.postdeploy has a character that is not printable
		{ "scripts": { "postdeploy": "a\\\\u0000b" } }|scripts.postdeploy has a character that is not printable
	FILES
}

@test "an app.json that is good, a link, or not there builds" {
	mkdir -p "$WORLD/tree"
	got "$HOOKS/pre-build" dockerfile web "$WORLD/tree"
	assert_success
	printf '{ "name": "x", "scripts": { "dokku": { "predeploy": "make é" } } }' \
		>"$WORLD/tree/app.json"
	got "$HOOKS/pre-build" dockerfile web "$WORLD/tree"
	assert_success
	printf '{' >"$WORLD/elsewhere"
	ln -sf "$WORLD/elsewhere" "$WORLD/tree/app.json"
	got "$HOOKS/pre-build" dockerfile web "$WORLD/tree"
	assert_success
}

@test "scripts.dokku.postdeploy runs after the switch, of a built release only, and its failure is a warning" {
	app_json <<<'{ "scripts": { "dokku": { "postdeploy": "tell" } } }'
	got "$HOOKS/post-deploy" web 80 10.86.0.2 2
	assert_success "-----> Executing postdeploy task from app.json in ephemeral container: tell"
	assert_steps "scheduler-task docker-local web 2 postdeploy tell 3600"
	hook fake scheduler-task <<<'exit 1'
	got "$HOOKS/post-deploy" web 80 10.86.0.2 2
	assert_status 0
	assert_error " !     web: v2 is live, though its postdeploy failed:" \
		"run it again with dokku run web tell"
	# A word that a shell would split stays one word.
	app_json <<<'{ "scripts": { "dokku": { "postdeploy": "it'"'"'s && b" } } }'
	got "$HOOKS/post-deploy" web 80 10.86.0.2 2
	assert_error " !     web: v2 is live, though its postdeploy failed:" \
		"run it again with dokku run web 'it'\\''s && b'"
	app_json <<<'{ "scripts": { "dokku": { "postdeploy": "tell" } } }'
	: >"$STEPS"
	rm "$DIR/built"
	got "$HOOKS/post-deploy" web 80 10.86.0.2 2
	assert_success
	assert_steps ""
}

# shellcheck disable=SC1003 # no quote is escaped here
@test "comments and commas at the end are accepted, in no string" {
	mkdir -p "$WORLD/tree"
	reads() {
		printf '%b' "$1" >"$WORLD/tree/app.json"
		code app-json 'app_json_command "$1" scripts.postdeploy' "$WORLD/tree/app.json"
		assert_success "$2"
	}
	reads '{ // why\n "scripts": { /* a\n b */ "postdeploy": "x" } } // end' x
	reads '{ "scripts": { "postdeploy": "curl http://x/*y*/z // \\"// \\\\", }, }' \
		'curl http://x/*y*/z // "// \'
	reads '{ "a": [1, 2 , /* 3 */ ] , "scripts": { "postdeploy": ",] ,}" // ,\n , }\n}' ',] ,}'
	reads '/**/{"scripts":{"postdeploy":"x"}}//' x
	reads '{ "scripts": { "postdeploy": "a && b\\nif c; then\\td; fi" } }' \
		$'a && b\nif c; then\td; fi'
	refuses() {
		printf '%b' "$1" >"$WORLD/tree/app.json"
		got "$HOOKS/pre-build" dockerfile web "$WORLD/tree"
		assert_status 1
		assert_error_like ' !     app.json: *: correct it and push again'
	}
	refuses '{} /* not closed'
	refuses '{ / }'
	refuses '{ "a": 1,, }'
	refuses '{ "a": "// }'
	refuses '{, }'
	refuses '{ "a" /* : */ 1 }'
}

@test "a comment keeps the line of an error" {
	mkdir -p "$WORLD/tree"
	printf '{ // a\n/* b\nc */\n "x": 1\n "y": 2 }' >"$WORLD/tree/app.json"
	got "$HOOKS/pre-build" dockerfile web "$WORLD/tree"
	assert_status 1
	assert_error_like '*at line 5, *'
}

@test "a big app.json costs no second" {
	mkdir -p "$WORLD/tree"
	printf '{ "name": "%s" // x\n}' "$(head -c 60000 /dev/zero | tr '\0' a)" \
		>"$WORLD/tree/app.json"
	code app-json 'ulimit -t 20; TIMEFORMAT=%3U; time json_text "$1" >/dev/null' \
		"$WORLD/tree/app.json"
	[[ $((10#${stderr/./})) -lt 1000 ]]
}

# shellcheck disable=SC2001 # of each line
@test "each key that is not acted on is named once, with what is there instead" {
	mkdir -p "$WORLD/tree"
	cat >"$WORLD/tree/app.json" <<-'FILE'
		{ "name": "x", "description": "y", "$schema": "z", "keywords": ["a"],
		  "healthchecks": { "web": [{ "type": "startup" }] }, "formation": { "web": { "quantity": 2 } },
		  "env": { "A": "1" }, "cron": [{ "command": "x" }], "buildpacks": [{ "url": "x" }], "stack": "heroku-24",
		  "addons": ["postgres"], "environments": { "test": {} }, "naem": 1, "logo": "x", "image": "y",
		  "scripts": { "postdeploy": "a", "test": "b", "dokku": { "predeploy": "c", "predeply": "d" } } }
	FILE
	got "$HOOKS/pre-build" dockerfile web "$WORLD/tree"
	assert_status 0
	assert_equal "addons: start such a service yourself, and name it by dokku config:set
buildpacks: the Dockerfile says how the app is built
environments: no such key is known here
naem: no such key is known here
scripts.dokku.predeply: there are scripts.dokku.predeploy, scripts.dokku.postdeploy and scripts.postdeploy
scripts.test: there are scripts.dokku.predeploy, scripts.dokku.postdeploy and scripts.postdeploy
stack: the Dockerfile says how the app is built" "$(sed 's/^ !     app.json: \(.*\) is ignored/\1/' <<<"$stderr" | LC_ALL=C sort)"
	printf '{ "formation": {}, "cron": [], "env": null, "scripts": {} }' >"$WORLD/tree/app.json"
	got "$HOOKS/pre-build" dockerfile web "$WORLD/tree"
	assert_success ""
}

@test "a command of several lines is run as it is, and shown on one" {
	app_json <<<'{ "scripts": { "dokku": { "predeploy": "a\nb" } } }'
	tasks
	assert_success "-----> Executing predeploy task from app.json: a; b"
	assert_steps "scheduler-task docker-local web 2 predeploy a
b 3600 keep"
}

# applied JSON [FIRST] - applies env of JSON to the config A=1, and prints a line NAME=VALUE for
# each variable.
applied() {
	printf '%s' "$1" >"$WORLD/app.json"
	code "" 'source "$PLUGIN_CORE_AVAILABLE_PATH/config/functions"; source "$PLUGIN_CORE_AVAILABLE_PATH/app-json/functions"
		declare -A config=([A]=1); app_json_env shop "$WORLD/app.json"; config_nul | tr "\0" ";"'
}

@test "env: the first deploy sets what is missing, each what says sync, and a required one without value is refused" {
	make_app shop
	applied '{"env": {"A": "2", "B": "x y\nz", "C": {"value": "$(id)"}, "N": 5, "O": {"required": false}}}'
	assert_success $'-----> Processing app.json env vars\n-----> Setting 3 env var(s) from app.json\nA=1;B=x y\nz;C=$(id);N=5;'
	applied '{"env": {"A": false, "B": {"value": false}, "T": true, "Z": 0, "E": ""}}'
	assert_success $'-----> Processing app.json env vars\n-----> Setting 4 env var(s) from app.json\nA=1;B=false;E=;T=true;Z=0;'
	applied '{"env": {"S": {"generator": "secret"}}}'
	[[ $output =~ S=[0-9a-f]{64}\; ]]
	applied '{"env": {"R": {"description": "x"}}}'
	assert_status 1
	assert_error " !     app.json: required env var R has no value: dokku config:set shop R=VALUE, then push again"
	applied '{"env": {"A": {"required": true}}}'
	assert_status 0
	make_release shop 1 web=1
	make_current shop 1
	applied '{"env": {"A": {"value": "9", "sync": true}, "B": "x"}}'
	assert_success $'-----> Processing app.json env vars\n-----> Setting 1 env var(s) from app.json\nA=9;'
}

@test "env: what is no variable is refused by name" {
	local text
	make_app shop
	for text in '{"env": []}' '{"env": {"a-b": "1"}}' '{"env": {"A": ["x"]}}' '{"env": {"B": {"generator": "uuid"}}}' '{"env": {"PORT": "x"}}' \
		'{"env": {"A\n": "1"}}'; do
		applied "$text"
		assert_status 1
		[[ $stderr == " !     "* ]] || differ "$text" "a message" "$stderr"
	done
}

@test "formation: a quantity per process type; what is none is refused" {
	formation() {
		printf '%s' "$1" >"$WORLD/app.json"
		code "" 'source "$PLUGIN_CORE_AVAILABLE_PATH/app-json/functions"; app_json_formation "$WORLD/app.json"'
	}
	formation '{"formation": {"web": {"quantity": 2}, "worker": {"quantity": 0}, "cron": {"max_parallel": 1}}}'
	assert_success $'web=2\nworker=0'
	formation '{}'
	assert_success ""
	local text
	for text in '{"formation": {"web": {"quantity": -1}}}' '{"formation": {"web": {"quantity": 1.5}}}' '{"formation": {"web": {"quantity": "2"}}}' \
		'{"formation": {"we b": {"quantity": 1}}}' '{"formation": {"web": {"quantity": 101}}}' '{"formation": [1]}' \
		'{"formation": {"web\n": {"quantity": 1}}}'; do
		formation "$text"
		assert_status 1
		[[ $stderr == *formation* ]] || differ "$text" "a message" "$stderr"
	done
	formation '{"formation": {"p0": {"quantity": 100}, "p1": {"quantity": 100},
		"p2": {"quantity": 50}}}'
	assert_success $'p0=100\np1=100\np2=50'
	formation "$(jq --null-input --compact-output \
		'{ formation: [range(251) | { "p\(.)": { quantity: 1 } }] | add }')"
	assert_refused "app.json: formation asks for more than 250 processes in all: correct it" \
		"and push again"
}

@test "healthchecks: those of web that start are a CHECKS file; what a deploy does not do is told" {
	checks() {
		printf '%s' "$1" >"$WORLD/app.json"
		code "" 'source "$PLUGIN_CORE_AVAILABLE_PATH/app-json/functions"; app_json_checks "$WORLD/app.json"; app_json_healthchecks "$WORLD/app.json"'
	}
	checks '{"healthchecks": {"web": [{"type": "startup", "name": "up \"x\"", "path": "/", "content": "a {{b}}", "attempts": 4, "wait": 2, "timeout": 7,
		"httpHeaders": [{"name": "X-A", "value": "1"}]}, {"path": "/b", "warn": true}, {"type": "liveness", "path": "/l"}, {"uptime": 3}]}}'
	assert_output '# made from healthchecks of app.json
ATTEMPTS=4
WAIT=2
timeout=7s name="up '"'x'"'" /   a {{"{"}}{{"{"}}b}}
  > X-A: 1
warn /b'
	assert_error " !     app.json: healthchecks.web: a liveness check is ignored: startup checks run in a deploy"
	"$REPO/build/check-runner/check-runner" --lint 127.0.0.1:1 - <<<"$output"
	checks '{"healthchecks": {"web": [{"listening": true}]}}'
	assert_success ""
	# What takes long to start is not asked in vain before.
	checks '{"healthchecks": {"web": [{"path": "/", "initialDelay": 60}]}}'
	assert_success "# made from healthchecks of app.json
ATTEMPTS=3
WAIT=25
/"
	checks '{"healthchecks": {"web": [{"path": "/", "onFailure": {"url": "http://x"}},
		{"name": "t", "path": "/", "scheme": "https"}]}}'
	assert_error_like "*healthchecks.web: onFailure is ignored: a push that fails says so to *
*healthchecks.web \"t\": scheme is ignored: the container is asked over HTTP"
	checks '{"healthchecks": {"web": [{"path": "/", "uptime": 3, "listening": true},
		{"command": ["x"], "path": "/", "port": 1}, {"uptime": 1, "listening": true},
		{"listening": false, "uptime": 2}], "worker": [{"command": "", "path": "/"}]}}'
	assert_error_like "*healthchecks.web: uptime, listening are ignored, because it has a path: make a check of each
*healthchecks.web: path is ignored, because it has a command: make a check of each
*healthchecks.web: listening is ignored, because it has a uptime: make a check of each"
	checks '{"healthchecks": {"web": [{"path": "/\n401 /x"}]}}'
	assert_status 1
	checks '{"healthchecks": {"web": [{"path": "/", "content": "a\n/ evil"}]}}'
	assert_status 1
}

@test "healthchecks: commands, uptime, listening, other ports and process types are lines for the checks" {
	own() {
		printf '%s' "$1" >"$WORLD/app.json"
		code "" 'source "$PLUGIN_CORE_AVAILABLE_PATH/app-json/functions"
			app_json_checks "$WORLD/app.json" true'
	}
	own '{"healthchecks": {
		"web": [{"path": "/"}, {"command": ["/bin/ready", "a b"], "name": "ready",
			"attempts": 4, "wait": 2, "timeout": 7, "warn": true, "initialDelay": 9},
			{"path": "/up", "port": 9001, "content": "yes"},
			{"type": "liveness", "command": ["x"]}],
		"worker": [{"uptime": 30}, {"listening": true, "port": 3000},
			{"command": "test -e /ready"}, {"path": "/w"}, {}]}}'
	assert_status 0
	local line words=()
	while read -r line; do
		read -r -a words <<<"$line"
		printf '%s %s <%s>\n' "${words[*]:0:8}" "$(base64 -d <<<"${words[8]%-}")" \
			"$(base64 -d <<<"${words[9]%-}" | tr '\0\n' '|;')"
	done <<<"$output" >"$WORLD/lines"
	assert_file "$WORLD/lines" "web command true 9 4 2 7 0 ready </bin/ready|a b|>
web path false 0 3 5 5 9001  <# made from healthchecks of app.json;/up   yes>
worker uptime false 0 3 5 5 0  <30>
worker listening false 0 3 5 5 3000  <>
worker command false 0 3 5 5 0  <sh|-c|test -e /ready|>
worker path false 0 3 5 5 0  <# made from healthchecks of app.json;/w>"
	for line in '"command": [1]' '"command": ["a\u0000b"]' '"uptime": -1' \
		'"port": 0, "listening": true' '"port": "x", "path": "/"' \
		'"command": ["a"], "attempts": 1.5' '"command": ["a"], "name": "\n"' \
		'"command": {"a": 1}'; do
		own "{\"healthchecks\": {\"worker\": [{$line}]}}"
		[[ $status -eq 1 && $stderr == *"app.json: "* ]] ||
			differ "$line" refused "$status $output"
	done
	own '{"healthchecks": {"a b": []}}'
	assert_status 1
	own "{\"healthchecks\": {\"worker\": [$(printf '{"uptime": 1},%.0s' {1..100})]}}"
	assert_status 0
	own "{\"healthchecks\": {\"worker\": [$(printf '{"uptime": 1},%.0s' {1..101})]}}"
	assert_status 1
	assert_error " !     app.json: healthchecks.worker has more than 100 checks: correct it" \
		"and push again"
}
