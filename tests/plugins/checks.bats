#!/usr/bin/env bats
# checks: which list holds, how it is asked, what its endings mean; settings.

load ../helper

setup() {
	world
	made_plugins checks
	make_app web
	make_release web 1
	make_current web 1
	printf 'web 1 idA 10.86.128.2 5000\nworker 1 idB 10.86.128.3 5000\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/containers"
	hook fake app-domains <<<'printf "web.example.com\n*.wild.com\n"'
	fake_engine <<<"printf '{\"State\":{\"Pid\":%s}}\n' $$"
	LIST="$DOKKU_LIB_ROOT/data/releases/web/1/CHECKS"
	export RUNNER_STATUS=0
	: >"$STEPS"
}

# runner_says - a check-runner that notes its words, prints stdin, and ends as $RUNNER_STATUS.
runner() {
	CODE="$BATS_TEST_TMPDIR/the code"
	cp -r "$DOKKU_DIR" "$CODE"
	export DOKKU_DIR="$CODE" DOKKU="$CODE/dokku" PLUGIN_CORE_AVAILABLE_PATH="$CODE/plugins"
	fake check-runner <<-'BODY'
		if [[ $1 == --lint ]]; then printf '2 checks, up to 25 s\n'; exit 0; fi
		printf 'ok   / (0.01 s)\n'
		exit "$RUNNER_STATUS"
	BODY
	cp "$BIN/check-runner" "$CODE/check-runner"
}

check() { got "$PLUGIN_CORE_AVAILABLE_PATH/checks/check-deploy" web idA web 5000 10.86.128.2 1; }

@test "the list in the app's folder goes before the one in the repo; neither is nothing" {
	code checks 'value_of checks_file web 1'
	assert_success ""
	printf '/ repo\n' >"$LIST"
	code checks 'checks_file file web 1; printf "%s " "$file"; checks_source web "$file"'
	assert_success "$LIST CHECKS"
	printf '/ server\n' >"$DOKKU_ROOT/web/CHECKS"
	code checks 'checks_file file web 1; printf "%s " "$file"; checks_source web "$file"'
	assert_success "$DOKKU_ROOT/web/CHECKS $DOKKU_ROOT/web/CHECKS"
}

@test "check-deploy: the runner is asked with hosts, settings, process, address and list" {
	runner
	printf '/ ok\n' >"$LIST"
	code "" 'property_set checks web timeout 7; property_set checks --global attempts 2'
	check
	assert_success "-----> Checking web.1: 2 checks from CHECKS, up to 25 s
       ok   / (0.01 s)"
	grep -qF -- "--host web.example.com --timeout 7 --attempts 2 " "$CALLS"
	grep -qF -- "--pid $$ 10.86.128.2:5000 " "$CALLS"
	run ! grep -qF wild "$CALLS"
}

@test "check-deploy: what each ending of the runner means" {
	runner
	printf '/ ok\n' >"$LIST"
	ends() {
		RUNNER_STATUS=$1 check
		assert_status 1 && assert_error " !     web.1: $2"
	}
	ends 1 "it does not pass CHECKS: the lines marked FAIL above say what came instead"
	ends 2 "CHECKS is not understood: mend the line named above, and push again"
	ends 3 "its process exited while it was checked"
	ends 4 'nothing answered on port 5000 within the time that CHECKS gives: does the app listen on 0.0.0.0:$PORT?'
	ends 139 "it does not pass CHECKS: the lines marked FAIL above say what came instead"
}

@test "check-deploy: without a list a worker has to stay up, and one that exits is refused" {
	code "" 'property_set checks web default-wait 0'
	got "$PLUGIN_PATH/checks/check-deploy" web idB worker 5000 10.86.128.3 1
	assert_success "-----> Checking worker.1: it stays up for 0 s
       ok   worker.1 is up"
	code "" 'property_set checks web default-wait 5'
	fake_engine <<<"printf '{\"State\":{\"Pid\":4194304}}\n'"
	got "$PLUGIN_PATH/checks/check-deploy" web idB worker 5000 10.86.128.3 1
	assert_status 1
	assert_error " !     worker.1: its process exited while it was checked"
}

@test "checks:disable, :skip and :enable, for all and for some" {
	off() {
		code checks 'for p in web worker; do printf "%s|" "$(value_of checks_off web "$p")"; done'
		assert_success "$1"
	}
	off "||"
	dokku checks:disable web worker
	assert_success "-----> web: checks are disabled for worker"
	off "|disabled|"
	dokku checks:skip web
	off "skipped|disabled|"
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
		assert_refused "checks:set: not a number of seconds: \"$value\"; nothing was changed"
	done
	dokku checks:set web nope 1
	assert_refused 'checks:set: no such setting: "nope": there are wait, timeout, attempts, default-wait, wait-to-retire' 2
	dokku checks:set web timeout
	assert_success "-----> web: timeout is now the default"
}

@test "checks_own_lines: checks of hosts that are not the app's are left out, with what belongs to them" {
	printf '%s\n' 'WAIT=1' '# note' '/ a' '//web.example.com/ b' '//other.com/ c' '  ! d' 'https://other.com/x e' 'http://WEB.example.com:80/ f' '  = g' >"$LIST"
	code checks 'mapfile -t domains < <(first_answer app-domains web); checks_own_lines "$1"' "$LIST"
	assert_success 'WAIT=1
# note
/ a
//web.example.com/ b
http://WEB.example.com:80/ f
  = g'
}

@test "verify-deploy: asked where nginx answers for the app, and where that is everywhere, at an address that no app takes" {
	runner
	printf '/ ok\n' >"$LIST"
	asked_at() {
		: >"$CALLS"
		got "$PLUGIN_CORE_AVAILABLE_PATH/checks/verify-deploy" web 1
		assert_success ""
		grep -q " $1:80 -\$" "$CALLS"
	}
	asked_at 127.86.0.1
	code "" 'property_set nginx-vhosts --global bind-address-ipv4 10.0.0.5'
	asked_at 10.0.0.5
	code "" 'property_set nginx-vhosts web bind-address-ipv4 127.0.0.1'
	asked_at 127.0.0.1
	code "" 'property_set nginx-vhosts web bind-address-ipv4 0.0.0.0'
	asked_at 127.86.0.1
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
}
