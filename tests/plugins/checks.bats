#!/usr/bin/env bats
# checks: which check list is used, how check-runner is called, what its results mean, and settings.

load ../helper

setup() {
	world
	made_plugins checks
	make_app web
	make_release web 1
	make_current web 1
	printf 'web 1 idA 10.86.128.2 5000\nworker 1 idB 10.86.128.3 5000\n' \
		>"$DOKKU_LIB_ROOT/data/releases/web/1/containers"
	printf '127.86.0.1 80 443\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/proxy"
	hook fake app-domains <<<'printf "web.example.com\n*.wild.com\n"'
	hook fake scheduler-list \
		<<<'printf \
			"idA 1 web 1 running 10.86.128.2 5000 $(<"$WORLD/pid") /web.web.1\nidB 1 worker 1 running 10.86.128.3 5000 $(<"$WORLD/pid") /web.worker.1\n"'
	runs_as $$
	LIST="$DOKKU_LIB_ROOT/data/releases/web/1/CHECKS"
	export RUNNER_STATUS=0
	: >"$STEPS"
}

# runner - makes a fake check-runner, which records its arguments. It reads lists like the real one,
# but a run prints $RUNNER_SAYS and exits with $RUNNER_STATUS.
runner() {
	CODE="$BATS_TEST_TMPDIR/the code"
	cp -r "$DOKKU_DIR" "$CODE"
	export DOKKU_DIR="$CODE" DOKKU="$CODE/dokku" PLUGIN_CORE_AVAILABLE_PATH="$CODE/plugins"
	export REAL_RUNNER="$REPO/build/check-runner/check-runner" RUNNER_SAYS='ok   / (0.01 s)'
	fake check-runner <<-'BODY'
		if [[ $1 == --lint ]]; then exec "$REAL_RUNNER" "$@"; fi
		[[ -z ${STOPPED-} ]] || kill -STOP "$$"
		[[ ${*: -1} != - ]] || cat >"$CALLS.stdin"
		printf '%s\n' "$RUNNER_SAYS"
		exit "$RUNNER_STATUS"
	BODY
	cp "$BIN/check-runner" "$CODE/check-runner"
}

# runs_as PID - makes PID the process of both containers, in the list and the records of the
# scheduler.
runs_as() {
	printf '%s\n' "$1" |
		tee "$WORLD/pid" "$DOKKU_LIB_ROOT"/data/releases/web/1/pid.{web,worker}.1 >/dev/null
}

# connections STATUS - makes the attempt to connect end with STATUS.
connections() { fake timeout <<<"[[ \$1 == 1 ]] || exec /usr/bin/timeout \"\$@\"; exit $1"; }

check() { got "$PLUGIN_CORE_AVAILABLE_PATH/checks/check-deploy" web idA web 5000 10.86.128.2 1; }

@test "the list in the app's folder goes before the one in the repo; neither is nothing" {
	code checks 'value_of checks_file web 1'
	assert_success ""
	printf '/ repo\n' >"$LIST"
	code checks 'checks_file file web 1; printf "%s " "$file"; value_of checks_source web "$file"'
	assert_success "$LIST CHECKS"
	printf '/ server\n' >"$DOKKU_ROOT/web/CHECKS"
	code checks 'checks_file file web 1; printf "%s " "$file"; value_of checks_source web "$file"'
	assert_success "$DOKKU_ROOT/web/CHECKS $DOKKU_ROOT/web/CHECKS"
}

@test "check-deploy: the runner is asked with hosts, settings, process, address and list" {
	runner
	printf '/ ok\n/b\n' >"$LIST"
	code "" 'property_set checks web timeout 7; property_set checks --global attempts 2'
	check
	assert_success "-----> Checking web.1: 2 checks from CHECKS, up to 10 s
       ok   / (0.01 s)"
	grep -qF -- \
		"--host web.example.com --host \\*.wild.com --wait 5 --timeout 7 --attempts 2 " \
		"$CALLS"
	grep -qF -- "--pid $$ 10.86.128.2:5000 " "$CALLS"
	printf '# made from healthchecks of app.json\n/ ok\n' >"$LIST"
	check
	assert_output_like "-----> Checking web.1: 1 check from healthchecks of app.json, up to *"
	RUNNER_STATUS=1 check
	assert_error_like "*it does not pass healthchecks of app.json: the lines marked FAIL *"
	printf 'WAIT=500ms\nATTEMPTS=1\n/ ok\n' >"$LIST"
	check
	assert_success "-----> Checking web.1: 1 check from CHECKS, up to 0.5 s
       ok   / (0.01 s)"
}

@test "check-deploy: what each ending of the runner means" {
	runner
	printf '/ ok\n' >"$LIST"
	ends() {
		RUNNER_STATUS=$1 check
		assert_status 1 && assert_error " !     web.1: $2"
	}
	ends 1 "it does not pass CHECKS: the lines marked FAIL above show the answers"
	ends 2 "CHECKS is not valid: correct the line named above, and push again"
	ends 3 "its process exited while it was checked"
	# The process of this test shares the network of the machine, which may listen anywhere.
	RUNNER_STATUS=4 check
	assert_status 1
	assert_error_like \
		' !     web.1: nothing answered on port 5000 within the time that CHECKS gives. *'
	ends 139 "it does not pass CHECKS: the lines marked FAIL above show the answers"
}

@test "check-deploy: a runner that was stopped is killed, and the message says so" {
	runner
	printf '/ ok\n' >"$LIST"
	# 25 s, then five answers, each of which may take 30 s, with a second between them.
	fake timeout <<<'exec /usr/bin/timeout --foreground --kill-after 1 0.2 "${@:5}"'
	export STOPPED=1
	check
	assert_status 1
	assert_error " !     web.1: check-runner was killed: it did not end within 186 s, or this" \
		"server has no memory left. Push again"
}

@test "check-deploy: without a list a worker has to stay up, and one that exits is refused" {
	code "" 'property_set checks web default-wait 0'
	got "$PLUGIN_PATH/checks/check-deploy" web idB worker 5000 10.86.128.3 1
	assert_success "-----> Checking worker.1: it stays up for 0 s
       ok   worker.1 is up"
	code "" 'property_set checks web default-wait 5'
	runs_as 4194304
	got "$PLUGIN_PATH/checks/check-deploy" web idB worker 5000 10.86.128.3 1
	assert_status 1
	assert_error " !     worker.1: its process exited while it was checked"
}

@test "checks:disable, :skip and :enable, for all and for some" {
	off() {
		code checks \
			'for p in web worker; do printf "%s|" "$(value_of checks_off web "$p")"
				done'
		assert_success "$1"
	}
	off "||"
	dokku checks:disable web worker
	assert_success "-----> web: checks are disabled for worker"
	off "|disabled|"
	dokku checks:skip web
	off "skipped|skipped|"
	dokku checks:disable web worker
	off "skipped|disabled|"
	# One that is skipped is not disabled any more, and the other way round.
	dokku checks:disable web web,worker,more
	dokku checks:skip web web,more
	off "skipped|disabled|"
	assert_file "$DOKKU_LIB_ROOT/config/checks/web/disabled" worker
	dokku checks:disable web more
	assert_file "$DOKKU_LIB_ROOT/config/checks/web/skipped" web
	dokku checks:skip web
	got "$PLUGIN_PATH/checks/check-deploy" web idA web 5000 10.86.128.2 1
	assert_success "-----> Not checking web.1: its checks are skipped"
	dokku checks:enable web
	off "||"
	dokku checks:disable web web,worker
	dokku checks:enable web web
	off "|disabled|"
	dokku checks:disable web 'a b'
	assert_status 2
}

@test "checks:set: keys and numbers" {
	dokku checks:set web timeout 5
	assert_success "-----> web: timeout is now 5"
	local value
	for value in -1 1.5 a 86401 'a[$(id)]' 007; do
		dokku checks:set web wait "$value"
		assert_refused "checks:set: wait wants a whole number of seconds from 0 to 86400," \
			"not \"$value\"; nothing was changed"
	done
	dokku checks:set web nope 1
	assert_refused 'checks:set: no such setting: "nope": there are attempts, default-wait,' \
		'require-listening, timeout, wait, wait-to-retire' 2
	dokku checks:set web timeout
	assert_success "-----> web: timeout is now the default, 30"
}

@test "checks_where: what a container listens on instead, and what to do" {
	where() {
		hook fake scheduler-listening <<<"printf '%s' '$2'"
		code checks 'checks_where web 5000 idA'
		assert_success "$1"
	}
	where "" ""
	where 'It listens on no port at all: let it listen on 0.0.0.0:$PORT' nothing
	where 'It listens on 127.0.0.1 only, which nothing outside its container can reach: let it listen on 0.0.0.0' 127.0.0.1:5000
	where 'It listens on [::1] only, which nothing outside its container can reach: let it listen on 0.0.0.0' '[::1]:5000'
	where 'It listens on port 3000 instead: let it listen on $PORT, or run: dokku config:set web PORT=3000' $'0.0.0.0:3000\n[::]:3000'
	where 'It listens on port 8025, 1025 instead: let it listen on $PORT, or run: dokku config:set web PORT=8025' $'0.0.0.0:8025\n0.0.0.0:1025'
	where 'It listens on 127.0.0.1:8080 only: let it listen on 0.0.0.0:$PORT' 127.0.0.1:8080
	# A firewall that drops what this host sends, or a server that came late.
	for address in 0.0.0.0:5000 $'[::]:5000\n0.0.0.0:5000' 10.86.86.11:5000; do
		where 'It listens there now. Either it did so too late, or a firewall of this host drops packets to its containers. See nft list ruleset, and allow packets that this host sends by dokku0, and the answers.' "127.0.0.1:8080"$'\n'"$address"
	done
	where 'It listens there now. Either [::] is for IPv6 only there, so let it listen on 0.0.0.0; or it did so too late, or a firewall of this host drops packets to its containers. See nft list ruleset, and allow packets that this host sends by dokku0, and the answers.' $'127.0.0.1:5000\n[::]:5000'
}

# build_hook - runs the hook pre-build like a push, with the tree $WORLD/tree, for release 1.
build_hook() {
	DOKKU_RELEASE=1 got "$PLUGIN_CORE_AVAILABLE_PATH/checks/pre-build" dockerfile web \
		"$WORLD/tree"
}

@test "pre-build, pre-deploy: a value of the release's config is no error, and is in no argument" {
	runner
	mkdir "$WORLD/tree"
	printf '/ Release {{ var "RELEASE" }}\n/{{ var "PLACE" }}\n' >"$WORLD/tree/CHECKS"
	build_hook
	assert_status 1
	assert_error '       CHECKS:1:19: no value for {{ var "RELEASE" }}
       CHECKS:2:10: no value for {{ var "PLACE" }}
 !     web: CHECKS is not valid: correct the line named above, and push again'
	printf 'RELEASE=s3cret\0PLACE=up\0' >"$DOKKU_LIB_ROOT/data/releases/web/1/env"
	build_hook
	assert_success ""
	cp "$WORLD/tree/CHECKS" "$LIST"
	DOKKU_RELEASE=1 got "$PLUGIN_CORE_AVAILABLE_PATH/checks/pre-deploy" web image
	assert_success ""
	run ! grep -F s3cret "$CALLS"
}

@test "pre-build, pre-deploy: a list without a check goes on, with one warning; one with an error does not" {
	local text
	runner
	mkdir "$WORLD/tree"
	for text in 'WAIT=3\nATTEMPTS=4\n' '# nothing yet' '' '\n\n'; do
		printf '%b' "$text" >"$WORLD/tree/CHECKS"
		cp "$WORLD/tree/CHECKS" "$LIST"
		build_hook
		assert_success ""
		DOKKU_RELEASE=1 got "$PLUGIN_CORE_AVAILABLE_PATH/checks/pre-deploy" web image
		assert_status 0
		assert_error ' !     web: CHECKS has no check, so the default check is used'
	done
	printf 'WAIT=3\nTIMEOUT=x\n' >"$LIST"
	DOKKU_RELEASE=1 got "$PLUGIN_CORE_AVAILABLE_PATH/checks/pre-deploy" web image
	assert_status 1
	assert_error '       CHECKS:2:9: expected seconds, or a time like 500ms, 2s or 1m
 !     web: CHECKS is not valid: correct the line named above, and push again'
}

@test "check-deploy: a web container that takes no connections is let through where none did before, unless require-listening says otherwise" {
	local released="$DOKKU_LIB_ROOT/data/releases/web"
	runner
	make_release web 2
	printf 'WAIT=50ms\nATTEMPTS=2\n' >"$released/2/CHECKS"
	printf '%s\n' $$ >"$released/2/pid.web.1"
	cp "$released/1/containers" "$released/2/"
	connections 1
	export DOKKU_RELEASE=2
	check
	assert_status 1
	assert_error_like ' !     web.1: nothing accepts connections on port 5000. *'
	assert_absent "$released/2/silent.web.1"
	printf 'worker 1 idB 10.86.128.3 5000\n' >"$released/1/containers"
	check
	assert_status 0
	assert_error_like ' !     web.1: nothing accepts connections on port 5000,' \
		'so visitors get an error. *'
	[[ -e $released/2/silent.web.1 ]]
	got "$PLUGIN_CORE_AVAILABLE_PATH/checks/verify-deploy" web 2
	assert_success \
		"       GET / is not asked through the proxy: a web container takes no connections"
	rm "$released/2/silent.web.1"
	dokku checks:set web require-listening true
	check
	assert_status 1
	dokku checks:set web require-listening false
	printf 'web 1 idA 10.86.128.2 5000\n' >"$released/1/containers"
	check
	assert_status 0
	dokku checks:set web require-listening
	: >"$released/1/silent.web.1"
	check
	assert_status 0
}

@test "check-deploy: without a list the HEALTHCHECK of the image has to succeed in a web container" {
	hook fake scheduler-healthcheck <<-'BODY'
		printf "asked %s\n" "$*" >>"$WORLD/asked"
		[[ $(grep -c . "$WORLD/asked") -lt 3 ]] && echo "7 9" || echo "0 9"
		printf 'not \e]yet\n'
	BODY
	connections 0
	check
	assert_success "-----> Checking web.1: the HEALTHCHECK of the image, up to 9 s
       ok   web.1 is healthy
       ok   web.1 is up"
	assert_file "$WORLD/asked" "asked docker-local web idA
asked docker-local web idA
asked docker-local web idA"
}

@test "check-deploy: a HEALTHCHECK that never succeeds refuses the container, with what it printed" {
	hook fake scheduler-healthcheck <<<'printf "3 1\nno \e]database\n"'
	connections 0
	check
	assert_status 1
	assert_output "-----> Checking web.1: the HEALTHCHECK of the image, up to 1 s
       no ?]database"
	assert_error " !     web.1: the HEALTHCHECK of the image ended with status 3 each time," \
		"and printed the lines above. Correct it, or write a file CHECKS, which takes its place"
	runs_as 0
	check
	assert_status 1
	assert_error " !     web.1: its process exited while it was checked"
}

# own LINE… - writes these lines to the file healthchecks of the release. It encodes TEXT and NAME
# in base64.
own() {
	local line words=() name text
	for line; do
		read -r -a words <<<"$line"
		name=$(base64 -w0 <<<"${words[8]}") text=$(printf '%b' "${words[*]:9}" | base64 -w0)
		printf '%s %s- %s-\n' "${words[*]:0:8}" "$name" "$text"
	done >"$DOKKU_LIB_ROOT/data/releases/web/1/healthchecks"
}

@test "check-deploy: healthchecks of app.json: a command in the container, tried again, and an uptime" {
	hook fake scheduler-healthcheck <<-'BODY'
		[[ $# -gt 4 ]] || { echo none; exit; }
		printf '<%s>' "$@" >>"$WORLD/asked"
		[[ $(grep -o '<idB>' "$WORLD/asked" | wc -l) -lt 3 ]] && echo "7 9" || echo "0 9"
		printf 'not \e]yet\n'
	BODY
	own 'worker command false 0 3 1 4 0 ready /bin/ready\0a b\0' \
		'worker uptime false 0 3 5 5 0 up 1' 'web uptime false 0 3 5 5 0 other 86400'
	got "$PLUGIN_PATH/checks/check-deploy" web idB worker 5000 10.86.128.3 1
	assert_status 0
	assert_equal "       ok   ready
       ok   up
-----> Checking worker.1: 2 of healthchecks in app.json" "$(LC_ALL=C sort <<<"$output")"
	[[ $(<"$WORLD/asked") == '<docker-local><web><idB><4></bin/ready><a b>'* ]]
	own 'worker command false 0 2 0 4 0 ready false\0' \
		'worker command true 0 1 0 4 0 other false\0'
	rm "$WORLD/asked"
	hook fake scheduler-healthcheck <<<'printf "3 1\nfirst\nno \e]database\n"'
	got "$PLUGIN_PATH/checks/check-deploy" web idB worker 5000 10.86.128.3 1
	assert_status 1
	assert_equal "       FAIL ready: status 3: no ?]database
       warn other: status 3: no ?]database
-----> Checking worker.1: 2 of healthchecks in app.json" "$(LC_ALL=C sort <<<"$output")"
	assert_error " !     worker.1: it does not pass healthchecks of app.json: the lines marked" \
		"FAIL above say why"
	hook fake scheduler-healthcheck <<<'exit 0'
	got "$PLUGIN_PATH/checks/check-deploy" web idB worker 5000 10.86.128.3 1
	[[ $status -eq 1 && $output == *'FAIL ready: the engine does not answer'* ]]
}

@test "check-deploy: healthchecks of app.json: a few run at a time, fewer of each of many containers" {
	hook fake scheduler-healthcheck <<-'BODY'
		touch "$WORLD/run.$$"
		files=("$WORLD"/run.*)
		echo "${#files[@]}" >>"$WORLD/counts"
		sleep 0.5
		rm "$WORLD/run.$$"
		printf '0 9\n'
	BODY
	local i lines=() dir=$DOKKU_LIB_ROOT/data/releases/web/1
	for ((i = 0; i < 12; i++)); do
		lines+=("worker command false 0 1 0 4 0 c$i true\\0")
	done
	own "${lines[@]}"
	got "$PLUGIN_PATH/checks/check-deploy" web idB worker 5000 10.86.128.3 1
	assert_status 0
	assert_equal 12 "$(grep -c 'ok   c' <<<"$output")"
	assert_equal 8 "$(sort -n "$WORLD/counts" | tail -n 1)"
	rm "$WORLD/counts"
	printf 'worker %s id 10.0.0.1 5000\n' {1..20} >"$dir/containers"
	own "${lines[@]:0:6}"
	got "$PLUGIN_PATH/checks/check-deploy" web idB worker 5000 10.86.128.3 1
	assert_status 0
	assert_equal 3 "$(sort -n "$WORLD/counts" | tail -n 1)"
}

@test "check-deploy: healthchecks of app.json: a process that exits fails them at once, after a delay, too" {
	own 'worker uptime false 0 3 5 5 0 up 3600' 'worker command false 3600 3 5 5 0 ready true\0'
	sleep 1 3>&- &
	runs_as "$!"
	got "$PLUGIN_PATH/checks/check-deploy" web idB worker 5000 10.86.128.3 1
	assert_status 1
	assert_equal "       FAIL ready: its process exited
       FAIL up: its process exited
-----> Checking worker.1: 2 of healthchecks in app.json" "$(LC_ALL=C sort <<<"$output")"
}

@test "check-deploy: healthchecks of app.json: a port that takes connections, and a path at another port" {
	runner
	own 'worker listening false 0 2 0 5 3000 port x' \
		'worker path false 0 3 5 5 9001 - /up yes\n'
	connections 1
	RUNNER_STATUS=1 RUNNER_SAYS=$'x\n     FAIL /up: 404' \
		got "$PLUGIN_PATH/checks/check-deploy" web idB worker 5000 10.86.128.3 1
	assert_status 1
	assert_equal "       FAIL -: /up: 404
       FAIL port: nothing accepts connections on port 3000
-----> Checking worker.1: 2 of healthchecks in app.json" "$(LC_ALL=C sort <<<"$output")"
	connections 0
	got "$PLUGIN_PATH/checks/check-deploy" web idB worker 5000 10.86.128.3 1
	assert_status 0
	grep -q '10.86.128.3:9001 -$' "$CALLS"
	assert_equal "/up yes" "$(<"$CALLS.stdin")"
}

@test "check-deploy: a HEALTHCHECK is not asked beside a list, nor of a worker" {
	hook fake scheduler-healthcheck <<<'echo "1 1"; touch "$WORLD/asked"'
	code "" 'property_set checks web default-wait 0'
	got "$PLUGIN_PATH/checks/check-deploy" web idB worker 5000 10.86.128.3 1
	assert_status 0
	runner
	printf '/ ok\n' >"$LIST"
	check
	assert_status 0
	[[ ! -e $WORLD/asked ]]
}

@test "check-deploy: a list without a check is the default check, within the deadline that it gives" {
	local since
	runner
	printf 'WAIT=100ms\nATTEMPTS=3\n' >"$LIST"
	connections 1
	since=${EPOCHREALTIME/./}
	check
	assert_status 1
	assert_output "-----> Checking web.1: it takes connections on port 5000 within 0.3 s and" \
		"stays up for 0.3 s (a CHECKS file is faster and sees more)"
	assert_error_like ' !     web.1: nothing accepts connections on port 5000. *'
	[[ $((${EPOCHREALTIME/./} - since)) -lt 5000000 ]]
	connections 0
	check
	assert_success "-----> Checking web.1: it takes connections on port 5000 within 0.3 s and stays up for 0.3 s (a CHECKS file is faster and sees more)
       ok   web.1 is up"
	# A file that sets no deadline has the same default check as no file.
	code "" 'property_set checks web default-wait 0'
	printf '# later\nTIMEOUT=1\n' >"$LIST"
	check
	assert_success "-----> Checking web.1: it takes connections on port 5000 (a CHECKS file is faster and sees more)
       ok   web.1 is up"
}

@test "a CHECKS file is read once for a release, and again where it, the config or a default has changed" {
	reads() {
		assert_equal "$1" "$(grep -c -- 'check-runner --lint' "$CALLS")" \
			"reads of CHECKS, $2"
	}
	deploy() {
		DOKKU_RELEASE=1 got "$PLUGIN_CORE_AVAILABLE_PATH/checks/pre-deploy" web image &&
			assert_success ""
	}
	runner
	mkdir "$WORLD/tree"
	printf '/ Release {{ var "RELEASE" }}\n' | tee "$WORLD/tree/CHECKS" >"$LIST"
	printf 'RELEASE=1\0' >"$DOKKU_LIB_ROOT/data/releases/web/1/env"
	: >"$CALLS"
	build_hook
	deploy
	DOKKU_RELEASE=1 check
	assert_status 0
	reads 1 "a push"
	printf '/ My App\n' >"$LIST"
	deploy
	reads 2 "its text"
	printf 'RELEASE=2\0' >"$DOKKU_LIB_ROOT/data/releases/web/1/env"
	deploy
	reads 3 "the config"
	dokku checks:set web timeout 7
	deploy
	reads 4 "a default"
	cp "$LIST" "$DOKKU_ROOT/web/CHECKS"
	deploy
	reads 5 "its place"
	deploy
	reads 5 nothing
	# The next release takes over the result of a list that uses no config.
	next() {
		make_release web "$1"
		printf 'RELEASE=%s\0' "$1" >"$DOKKU_LIB_ROOT/data/releases/web/$1/env"
		DOKKU_RELEASE=$1 got "$PLUGIN_CORE_AVAILABLE_PATH/checks/pre-deploy" web image &&
			assert_success ""
	}
	make_current web 1
	next 2
	reads 5 "a push of the same list"
	printf '/ {{ var "RELEASE" }}\n' >"$DOKKU_ROOT/web/CHECKS"
	next 3
	reads 6 "a push of another list"
	make_current web 3
	next 4
	reads 7 "a push of a list with config"
	make_current web 2
	cp "$LIST" "$DOKKU_ROOT/web/CHECKS"
	touch "$DOKKU_DIR/check-runner"
	next 5
	reads 8 "a push after an update of check-runner"
}

@test "verify-deploy: a proxy that did not say where it answers" {
	rm "$DOKKU_LIB_ROOT/data/releases/web/1/proxy"
	runner
	verify
	assert_refused "web: its proxy nginx does not say where it answers:" \
		"is that plugin enabled? See dokku plugin:list"
}

verify() { got "$PLUGIN_CORE_AVAILABLE_PATH/checks/verify-deploy" web 1; }

# says VERDICT STATUS REASON - makes check-runner report this result of its only check.
says() { printf -v RUNNER_SAYS '{"checks":[{"verdict":"%s","status":%s,"reason":"%s"}]}' "$@"; }

@test "verify-deploy: without checks nginx has to get an answer; which one, is the app's affair" {
	runner
	: >"$CALLS"
	says passed 404 ""
	verify
	assert_success "       ok   GET / over http is answered with 404"
	grep -qF -- "--host web.example.com --host \\*.wild.com --only-host " "$CALLS"
	assert_file "$CALLS.stdin" '100-599 redirect=no /
  < X-Dokku-Unavailable: !'
	says passed 500 ""
	verify
	assert_status 0
	assert_error " !     web: GET / over http is answered with 500:" \
		"without a CHECKS file v1 goes live all the same; see: dokku logs web"
	RUNNER_STATUS=1
	says header 503 "no"
	verify
	assert_status 1
	assert_error " !     web: nginx gets no HTTP answer from port 5000 of v1." \
		"To deploy it unchecked: dokku checks:disable web web"
	says silent null "no word"
	verify
	assert_status 1
	assert_error ' !     web: nginx itself closes the connection to it without an answer. If a' \
		'"listen" of this server has proxy_protocol, that holds for all that listen on' \
		'the same port: give it another, such as 8080, and that to the app, too: dokku' \
		'ports:add web http:80:5000 http:8080:5000'
	# What is asked first is the container itself.
	says broken null "it answered, but not in HTTP/1"
	: >"$CALLS"
	verify
	assert_status 1
	assert_error " !     web: v1 takes connections on port 5000," \
		"but does not speak HTTP there. To deploy it unchecked:" \
		"dokku checks:disable web web"
	grep -qF -- "--host \\*.wild.com --deadline 3 --format json 10.86.128.2:5000 -" "$CALLS"
	run ! grep -F ":80 -" "$CALLS"
	says timeout null "no answer within 30 s"
	verify
	assert_status 1
	assert_error " !     web: v1 does not answer GET / through nginx over http:" \
		"no answer within 30 s. To deploy it unchecked: dokku checks:disable web web"
	RUNNER_SAYS=""
	verify
	assert_status 1
	assert_error " !     web: v1 does not answer GET / through nginx over http:" \
		"check-runner failed. To deploy it unchecked: dokku checks:disable web web"
}

@test "verify-deploy: the image's other ports are named where the one that is used does not speak HTTP" {
	runner
	printf 'web 1 idA 10.86.128.2 1025\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/containers"
	fake_engine <<-'DO'
		printf '{"Config":{"ExposedPorts":{"8025/tcp":{},"1025/tcp":{},"53/udp":{}}}}\n'
	DO
	RUNNER_STATUS=1
	says header 503 "no"
	verify
	assert_status 1
	assert_error " !     web: nginx gets no HTTP answer from port 1025 of v1." \
		"The image EXPOSEs 8025 as well: dokku config:set web PORT=8025 chooses a port." \
		"To deploy it unchecked: dokku checks:disable web web"
}

@test "verify-deploy: an app without web, without domains or that is not checked is not asked" {
	runner
	RUNNER_STATUS=1
	says header 503 "no"
	printf 'worker 1 idB 10.86.128.3 5000\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/containers"
	verify
	assert_success ""
	printf 'web 1 idA 10.86.128.2 5000\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/containers"
	verify
	assert_status 1
	dokku checks:disable web web
	verify
	assert_success ""
	dokku checks:enable web
	hook fake app-domains <<<''
	verify
	assert_success ""
}

@test "verify-deploy: checks of other hosts are left to check-runner; where no other is left, it is the default one" {
	runner
	printf 'name="a /b" //other.com/ x\n  ! y\n' >"$LIST"
	says passed 200 ""
	verify
	assert_success "       ok   GET / over http is answered with 200"
	printf 'name="a /b" //web.example.com/ x\n//other.com/\n' >"$LIST"
	verify
	assert_success ""
	assert_file "$CALLS.stdin" "$(<"$LIST")"
	printf '//shop.wild.com/ x\n' >"$LIST"
	verify
	assert_success ""
	assert_file "$CALLS.stdin" '//shop.wild.com/ x'
}

@test "verify-deploy: a check whose variable names another host is left out, and a \$ is no variable" {
	local values=$DOKKU_LIB_ROOT/data/releases/web/1/env
	runner
	says passed 200 ""
	printf 'PAGE=//other.com/\0' >"$values"
	printf '{{ var "PAGE" }} x\n' >"$LIST"
	DOKKU_RELEASE=1 got "$PLUGIN_CORE_AVAILABLE_PATH/checks/pre-deploy" web image
	assert_success ""
	verify
	assert_success "       ok   GET / over http is answered with 200"
	printf '/ $(function\n' >"$LIST"
	DOKKU_RELEASE=1 got "$PLUGIN_CORE_AVAILABLE_PATH/checks/pre-deploy" web image
	: >"$CALLS"
	verify
	assert_success ""
	assert_file "$CALLS.stdin" '/ $(function'
	! grep -q -- --lint "$CALLS" || fail "the list was read once more"
}

@test "verify-deploy: an app with nothing but a wildcard is asked by a name under it" {
	runner
	hook fake app-domains <<<'printf "*.wild.com\n"'
	says passed 200 ""
	: >"$CALLS"
	verify
	assert_success "       ok   GET / over http is answered with 200"
	grep -qF -- "--host www.wild.com --host \\*.wild.com --only-host " "$CALLS"
}

@test "verify-deploy: asked where the proxy says that it answers" {
	runner
	printf '/ ok\n' >"$LIST"
	printf '10.0.0.5 8080\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/proxy"
	: >"$CALLS"
	verify
	assert_success ""
	grep -q ' 10.0.0.5:8080 -$' "$CALLS"
}

@test "verify-deploy: checks that fail through the proxy alone point at the proxy's own settings" {
	runner
	printf '/ ok\n' >"$LIST"
	export RUNNER_STATUS=1 RUNNER_SAYS='FAIL /: 401, not below 400'
	verify
	assert_status 1
	[[ $output$stderr == *'FAIL /: 401, not below 400'* ]]
	[[ $stderr == *'the lines marked FAIL above show what nginx answered.'* ]]
	[[ $stderr == *'add "satisfy any; allow 127.0.0.0/8; deny all;" there for the checks'* ]]
	RUNNER_SAYS='FAIL /: 403, not below 400'
	verify
	assert_status 1
	[[ $stderr == *'has "deny" for all apps, put "allow 127.0.0.0/8;" before it'* ]]
	RUNNER_SAYS='FAIL /: the connection was closed without an answer'
	verify
	assert_status 1
	[[ $stderr == *'proxy_protocol'*'dokku ports:add web http:80:5000 http:8080:5000'* ]]
	RUNNER_SAYS='FAIL /: "ok" is not in the answer'
	verify
	assert_status 1
	[[ $stderr == *'Look for settings of nginx that hold for all apps of this server'* ]]
}

@test "checks:run: of the containers that serve now, all or one" {
	runner
	printf '/ ok\n' >"$LIST"
	hook fake check-deploy <<<'[[ $3 != worker ]]'
	rm "$PLUGIN_PATH/checks"
	mkdir "$PLUGIN_PATH/checks"
	ln -s "$PLUGIN_CORE_AVAILABLE_PATH/checks/subcommands" "$PLUGIN_PATH/checks/subcommands"
	dokku checks:run web
	assert_status 1
	assert_steps "check-deploy web idA web 5000 10.86.128.2 1
check-deploy web idB worker 5000 10.86.128.3 1"
	dokku checks:run web web.1
	assert_status 0
	: >"$STEPS"
	dokku checks:run web web.1,worker
	assert_status 1
	[[ $(grep -c '^check-deploy' "$STEPS") -eq 2 ]]
	: >"$STEPS"
	dokku checks:run web web,nosuch
	assert_refused "web v1 has no process nosuch, so nothing was checked:" \
		"dokku ps:report web lists them"
	assert_steps ""
}

@test "verify-deploy: a process that has exited since its checks is the reason, not the proxy" {
	runner
	printf '/ ok\n' >"$LIST"
	hook fake scheduler-alive <<<'printf "%s\n" "${4-}"'
	RUNNER_STATUS=1 RUNNER_SAYS='FAIL /: 503, not below 400' verify
	assert_status 1
	assert_output "       FAIL /: 503, not below 400"
	assert_error " !     web: the process of web.1 has exited since it passed its checks, so nginx" \
		"reached nobody: its log may say why"
}

@test "verify-deploy: a list without a check asks as if there were none, with its time for one request" {
	runner
	says passed 200 ""
	printf 'WAIT=10\nATTEMPTS=6\nTIMEOUT=500ms\n# more to come\n' >"$LIST"
	: >"$CALLS"
	verify
	assert_success "       ok   GET / over http is answered with 200"
	assert_file "$CALLS.stdin" '100-599 redirect=no /
  < X-Dokku-Unavailable: !'
	grep -qF -- "--wait 2 --attempts 5 --timeout 500ms " "$CALLS"
}

@test "verify-deploy: the token that shows a release before its time is in nobody's arguments" {
	printf 'thetoken\n' >"$TEST_HOST/etc/dokku/preview-token"
	cat >"$WORLD/check-runner" <<-'RUNNER'
		#!/bin/bash
		grep -l thetoken /proc/[0-9]*/cmdline >>"$WORLD/seen"
		while [[ $# -gt 0 ]]; do
			[[ $1 != --headers-from ]] || { cat "$2"; } >"$WORLD/headers"
			shift
		done
		printf '{"checks":[{"verdict":"passed","status":200,"reason":""}]}\n'
	RUNNER
	chmod +x "$WORLD/check-runner"
	got env DOKKU_DIR="$WORLD" "$PLUGIN_CORE_AVAILABLE_PATH/checks/verify-deploy" web 1
	assert_file "$WORLD/headers" "X-Dokku-Preview: thetoken"
	assert_file "$WORLD/seen" ""
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}
