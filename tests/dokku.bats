#!/usr/bin/env bats
# dokku itself: dispatch and help, words from ssh, and the deploy transaction with made hooks.

load helper

setup() { world; }

teardown() {
	local pids=()
	mapfile -t pids < <(cat "$BATS_TEST_TMPDIR"/pids 2>/dev/null)
	[[ ${#pids[@]} -eq 0 ]] || kill -9 "${pids[@]}" 2>/dev/null || true
}

# --- dispatch -------------------------------------------------------------------

# echo_plugin - makes a plugin whose commands print their words.
echo_plugin() {
	made_plugins
	mkdir -p "$PLUGIN_PATH/say/subcommands"
	printf '#!/usr/bin/env bash\n# Summary: Say words\n# Usage: dokku say:words [WORD…]\n# More of it.\nprintf "<%%s>" "${0##*/}" "$@"\n' \
		>"$PLUGIN_PATH/say/subcommands/words"
	sed 's/say:words/say/' "$PLUGIN_PATH/say/subcommands/words" \
		>"$PLUGIN_PATH/say/subcommands/default"
	chmod +x "$PLUGIN_PATH"/say/subcommands/*
}

@test "the word is the path: PLUGIN:NAME, and PLUGIN alone is its default" {
	echo_plugin
	dokku say:words a "b c" ""
	assert_success "<words><a><b c><>"
	dokku say x
	assert_success "<default><x>"
}

@test "what is no command is refused, with its own words shown" {
	echo_plugin
	dokku nope
	assert_refused \
		'`nope` is not a dokku command. See `dokku help` for a list of available commands.'
	dokku say:nope
	assert_refused '`say:nope` is not a dokku command. See `dokku help` for a list of' \
		'available commands.'
	dokku dokku apps:list
	assert_refused 'leave out the second word dokku, or over ssh the first:' \
		'ssh dokku@HOST apps:list; nothing was done'
	is_no_command() {
		dokku "$1"
		assert_status 1 && assert_output "" &&
			assert_error_like ' !     `*` is not a dokku command.' \
				'See `dokku help` for a list of available commands.'
	}
	each is_no_command <<-'WORDS'
		../say:words
		say:../../say/subcommands/words
		say:
		:words
		say:words:words
		SAY
		say/words
		say:wo rds
		say\n
		\n
		-
		.
	WORDS
}

@test "control characters of a refused word do not reach the terminal" {
	dokku $'x\e[31m\u202e'
	assert_refused '`x\x1b[31m\x202e` is not a dokku command.' \
		'See `dokku help` for a list of available commands.'
}

@test "no word, help, -h and --help list every command by its summary and usage" {
	echo_plugin
	local list
	list="usage: dokku COMMAND [ARGUMENTS]

    say [WORD…]                                        Say words
    say:words [WORD…]                                  Say words
    help [--all] [TOPIC]                                 List the commands
    reconcile APP|--all...                               Finish or undo what a killed operation left
    version                                              Print the version of dokku

dokku PLUGIN:help tells more about one plugin, dokku COMMAND --help about one command."
	dokku
	assert_success "$list"
	dokku help
	assert_success "$list"
	dokku help --all
	assert_success "$list"
	dokku -h
	assert_success "$list"
	dokku --help
	assert_success "$list"
}

@test "PLUGIN:help prints each command's comment" {
	echo_plugin
	dokku say:help
	assert_success "Say words
    dokku say [WORD…]
     More of it.

Say words
    dokku say:words [WORD…]
     More of it."
}

@test "PLUGIN:help begins with what its plugin.toml says, and PLUGIN --help is the same" {
	echo_plugin
	printf '[plugin]\ndescription = "Say\x1b things"\nversion = "1.2"\n[plugin.config]' >"$PLUGIN_PATH/say/plugin.toml"
	dokku say:help
	[[ $output == "Usage: dokku say[:COMMAND]

Say\\x1b things

Say words"* ]] || differ "stdout" "what the plugin is" "$output"
	export PLUGIN_PATH=$PLUGIN_CORE_AVAILABLE_PATH
	dokku logs:help
	assert_status 0
	local help=$output
	dokku logs --help
	assert_success "$help"
}

@test "PLUGIN without a default prints its help" {
	echo_plugin
	rm "$PLUGIN_PATH/say/subcommands/default"
	dokku say
	assert_success "Say words
    dokku say:words [WORD…]
     More of it."
}

@test "help WORD: that of a command or of a plugin" {
	echo_plugin
	dokku help say:words
	assert_success "Say words
    dokku say:words [WORD…]
     More of it."
	dokku help say
	[[ $status -eq 0 && $output == "Say words"* ]]
	dokku help say:nope
	assert_refused '`say:nope` is not a dokku command. See `dokku help` for a list of' \
		'available commands.'
	dokku help nope
	assert_refused \
		'`nope` is not a dokku command. See `dokku help` for a list of available commands.'
	dokku help ../../etc
	assert_refused '`../../etc` is not a dokku command. See `dokku help` for a list of' \
		'available commands.'
	dokku help say loud
	assert_refused 'help: "loud" is one argument too many; nothing was done.' \
		'Please retry with valid arguments. Usage:' \
		'dokku help [--all] [TOPIC]' 2
}

@test "the words of the core pass over nothing: version, reconcile, --app" {
	make_app web
	dokku version now
	assert_refused \
		'version: "now" is one argument too many; nothing was done. Please retry with' \
		'valid arguments. Usage: dokku version' 2
	dokku reconcile
	assert_refused 'reconcile: APP|--all is missing; nothing was done.' \
		'Please retry with valid arguments. Usage:' \
		'dokku reconcile APP|--all...' 2
	dokku reconcile --all web
	assert_refused 'reconcile: --all stands alone; nothing was done.' \
		'Please retry with valid arguments. Usage:' \
		'dokku reconcile APP|--all...' 2
	dokku reconcile web --all
	assert_refused 'reconcile: --all stands alone; nothing was done.' \
		'Please retry with valid arguments. Usage:' \
		'dokku reconcile APP|--all...' 2
	dokku reconcile web --bogus
	assert_refused 'reconcile: there is no option --bogus; nothing was done.' \
		'Please retry with valid arguments. Usage:' \
		'dokku reconcile APP|--all...' 2
	dokku reconcile web nosuch
	assert_refused 'App nosuch does not exist'
	dokku reconcile web --help
	assert_success "Finish or undo what a killed operation left
    dokku reconcile APP|--all...
     The next operation, a boot and the watch do this, too, so it is rarely needed.
     Dokku: new"
	dokku --app
	assert_refused '--app: name the app; nothing was done' 2
	dokku --app '' apps:list
	assert_refused '--app: name the app; nothing was done' 2
	dokku --app web
	assert_refused '--app web: no command is given; nothing was done: dokku help lists them' 2
}

@test "version" {
	dokku version
	assert_success "dokku version 0.1.0 (in development)"
	dokku --version
	assert_success "dokku version 0.1.0 (in development)"
	dokku -v
	assert_success "dokku version 0.1.0 (in development)"
	printf 'v1.20.3\n' >"$DOKKU_DIR/VERSION"
	dokku version
	assert_success "dokku version 1.20.3"
	printf 'v1.20.3-4-gabc-dirty\n' >"$DOKKU_DIR/VERSION"
	dokku version
	rm "$DOKKU_DIR/VERSION"
	assert_success "dokku version 1.20.3 (1.20.3-4-gabc-dirty)"
}

@test "global options: --app, --quiet, --force; the rest is the command's" {
	made_plugins
	mkdir -p "$PLUGIN_PATH/say/subcommands"
	cat >"$PLUGIN_PATH/say/subcommands/default" <<-'BODY'
		#!/usr/bin/env bash
		printf '%s|' "${DOKKU_QUIET_OUTPUT-}" "${DOKKU_FORCE-}" "$@"
	BODY
	chmod +x "$PLUGIN_PATH/say/subcommands/default"
	dokku --app web say x
	assert_success "||web|x|"
	dokku --quiet --force say --app y
	assert_success "1|1|--app|y|"
	dokku --quiet --app web --force say
	assert_success "1|1|web|"
	dokku --nope say
	assert_refused '`--nope` is not a dokku command. See `dokku help` for a list of available' \
		'commands.'
}

@test "the environment that plugins get" {
	made_plugins
	mkdir -p "$PLUGIN_PATH/env/subcommands"
	printf '#!/usr/bin/env bash\nprintf "%%s\\n" "$DOKKU" "$DOKKU_DIR" "$PLUGIN_CORE_AVAILABLE_PATH" "$PLUGIN_PATH" "$LC_ALL" "${SSH_ORIGINAL_COMMAND-none}"\n' \
		>"$PLUGIN_PATH/env/subcommands/default"
	chmod +x "$PLUGIN_PATH/env/subcommands/default"
	SSH_ORIGINAL_COMMAND='env' dokku
	assert_success "$DOKKU
$DOKKU_DIR
$DOKKU_DIR/plugins
$PLUGIN_PATH
C.UTF-8
none"
}

# environment_of COMMAND ARG… - lets COMMAND run dokku with ARG…, and prints the names of the
# variables that a plugin's command gets, sorted, without those that a shell sets itself.
environment_of() {
	made_plugins
	mkdir -p "$PLUGIN_PATH/env/subcommands"
	printf '#!%s\ncat /proc/self/environ | tr "\\0" "\\n"\n' "$INTERPRETER" \
		>"$PLUGIN_PATH/env/subcommands/default"
	chmod +x "$PLUGIN_PATH/env/subcommands/default"
	got env -u DOKKU_TESTING "$@"
	assert_status 0
	assert_error ""
}

@test "environment: what is not named is dropped, whatever it would change" {
	local line
	environment_of POSIXLY_CORRECT=1 DOCKER_CONTEXT=far DOCKER_CONFIG=/far \
		DOCKER_API_VERSION=1.24 GREP_OPTIONS=-v ENV=/x CDPATH=/ \
		GLOBIGNORE='*' IFS=x LANG=tr_TR.UTF-8 LC_MESSAGES=tr_TR TMPDIR=/nowhere \
		GIT_DIR=/nowhere GIT_TRACE=1 CURL_HOME=/nowhere NGINX=3 \
		TAR_OPTIONS=-v SHELLOPTS=noglob:noclobber:xtrace BASHOPTS=extglob \
		BASH_ENV=/nowhere LD_BIND_NOW=1 'BASH_FUNC_cat%%=() { :; }' \
		odd.name=1 'text=two
lines' DOCKER_HOST=tcp://far:1 http_proxy=http://proxy TERM=vt100 NAME=alice "$DOKKU" env
	assert_equal \
		"$(compgen -e | grep -E '^(DOKKU_|PLUGIN_)' | grep -vx DOKKU_TESTING |
			cat - <(printf '%s\n' DOCKER_HOST DOKKU HOME LC_ALL NAME PATH PS4 TERM \
				http_proxy && compgen -e | grep -xE 'USER|LOGNAME|SHELL|TZ|SUDO_.*') | sort -u)" "$(sed -n 's/^\([A-Za-z_][^=]*\)=.*/\1/p' <<<"$output" | grep -vxE '_|SHLVL|PWD|OLDPWD' | sort -u)"
	for line in DOCKER_HOST=unix:///var/run/docker.sock LC_ALL=C.UTF-8 http_proxy=http://proxy \
		"HOME=$DOKKU_ROOT"; do
		grep -qxF -e "$line" <<<"$output"
	done
}

@test "environment: what git tells its hook stays, of others GIT_ goes; words are as they were, also where dokku starts again" {
	made_plugins
	local name
	for name in git-hook say; do
		mkdir -p "$PLUGIN_PATH/$name/subcommands"
		printf '#!%s\nprintf "%%s|" "${GIT_DIR-none}" "${GIT_PROTOCOL-none}" "$@"\n' \
			"$INTERPRETER" >"$PLUGIN_PATH/$name/subcommands/default"
		chmod +x "$PLUGIN_PATH/$name/subcommands/default"
	done
	got env -u DOKKU_TESTING GIT_DIR=. GIT_PROTOCOL=version=2 "$DOKKU" git-hook web
	assert_success ".|version=2|web|"
	got env -u DOKKU_TESTING GIT_DIR=. GIT_PROTOCOL=version=2 "$DOKKU" say web
	assert_success "none|version=2|web|"
	got env -u DOKKU_TESTING 'BASH_FUNC_x%%=() { :; }' GIT_DIR=. "$DOKKU" say 'a  b' '' '*'
	assert_success "none|none|a  b||*|"
	SSH_ORIGINAL_COMMAND="say 'a  b'" got env -u DOKKU_TESTING 'BASH_FUNC_x%%=() { :; }' \
		GIT_DIR=. "$DOKKU"
	assert_success "none|none|a  b|"
}

@test "environment: the user of a key names no plugins, whatever sshd takes from the client" {
	made_plugins
	mkdir -p "$PLUGIN_PATH/say/subcommands"
	local unknown='`say` is not a dokku command. See `dokku help` for a list of available'
	unknown+=' commands.'
	printf '#!%s\nprintf said\n' "$INTERPRETER" >"$PLUGIN_PATH/say/subcommands/default"
	chmod +x "$PLUGIN_PATH/say/subcommands/default"
	SSH_ORIGINAL_COMMAND=say dokku
	assert_success said
	# make install writes that file. The copy is this test's own: others share $DOKKU_DIR.
	local installed=$BATS_TEST_TMPDIR/installed
	cp -r "$DOKKU_DIR" "$installed"
	printf 'v1\n' >"$installed/VERSION"
	SSH_ORIGINAL_COMMAND=say got "$installed/dokku"
	assert_refused "$unknown"
	SSH_ORIGINAL_COMMAND=say got env -u DOKKU_TESTING "$installed/dokku"
	assert_refused "$unknown"
	# One who is on the server may.
	got env -u DOKKU_TESTING "$installed/dokku" say
	assert_success said
}

@test "environment: programs of the system come first, relative folders are not looked in" {
	local system=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	paths() {
		environment_of "PATH=$1" "$DOKKU" env
		assert_equal "PATH=$2" "$(grep '^PATH=' <<<"$output")"
	}
	paths /opt/bin:/usr/bin "$system:/opt/bin"
	paths .:bin::/opt/bin/ "$system:/opt/bin/"
	paths "" "$system"
	paths "$system:/opt/bin" "$system:/opt/bin"
	got env -u PATH -u DOKKU_TESTING "$DOKKU" env
	assert_equal "PATH=$system" "$(grep '^PATH=' <<<"$output" | sed 's/:\.$//')"
}

# --- words from ssh -------------------------------------------------------------

# over_ssh COMMAND - runs COMMAND like the forced command of sshd.
over_ssh() {
	export SSH_ORIGINAL_COMMAND=$1
	dokku
	unset SSH_ORIGINAL_COMMAND
}

@test "ssh: words are split as a shell splits them, and nothing is expanded" {
	echo_plugin
	# splits AS COMMAND - requires that we split COMMAND into the same words as a shell.
	splits() {
		over_ssh "say:words $2"
		assert_success "<words>$1"
	}
	splits '<a><b>' 'a   b '
	splits '<a b>' "'a b'"
	splits '<a b>' '"a b"'
	splits '<a b>' 'a\ b'
	splits '<>' "''"
	splits '<><>' "'' \"\""
	splits "<it's>" "'it'\\''s'"
	splits "<it's>" '"it'"'"'s"'
	splits '<say "hi">' "'say \"hi\"'"
	splits '<a"b>' '"a\"b"'
	splits '<a\b>' "'a\\b'"
	splits '<ab cd>' "a'b c'd"
	splits '<$(id)><`id`><$HOME><*><~>' '$(id) `id` $HOME * ~'
	splits '<;><rm><-rf><&&><|><>><x>' '; rm -rf && | > x'
	splits '<a;b>' '"a;b"'
	splits '<NAME=é ü>' "NAME='é ü'"
	splits '<{a,b}><!x><#y>' '{a,b} !x #y'
}

@test "ssh: a backslash within double quotes stays, but before what a shell lets it escape" {
	echo_plugin
	over_ssh 'say:words "C:\dir" "a\\b" "\$x" "\`"'
	assert_success '<words><C:\dir><a\b><$x><`>'
}

@test "ssh: a long command takes time as its length, not as the square of it" {
	local long
	echo_plugin
	printf -v long "a 'b c' %.0s" {1..14000}
	SECONDS=0
	SSH_ORIGINAL_COMMAND="say:words $long" dokku
	[[ $status -eq 0 && $SECONDS -lt 10 ]]
	[[ $output == "<words>$(printf '<a><b c>%.0s' {1..14000})" ]]
}

@test "ssh: an open quote is refused" {
	echo_plugin
	is_open() {
		over_ssh "$1"
		assert_refused "a quote is not closed in the command: nothing was done"
	}
	each is_open <<-'WORDS'
		say:words 'a
		say:words "a
		say:words "a'b
		say:words 'a"b
		say:words a"
	WORDS
}

@test "ssh: bytes that are not UTF-8 are a word like any other" {
	echo_plugin
	over_ssh $'say:words caf\xe9'
	assert_status 0
	assert_equal $'<words><caf\xe9>' "$output"
	over_ssh $'x\xe9'
	assert_status 1
	[[ $stderr == *"is not a dokku command"* ]]
}

@test "ssh: control characters are refused" {
	echo_plugin
	has_control() {
		over_ssh "say:words a$1"
		assert_refused "control characters in the command: nothing was done;" \
			"config:set --encoded takes a value that has them, in base64"
	}
	each has_control <<-'WORDS'
		\nrm -rf /
		\t
		\r
		\e[31m
		\x7f
		\x01
	WORDS
}

@test "ssh: an empty command is help, and words of our own go first" {
	echo_plugin
	over_ssh "   "
	assert_status 0
	assert_output_like "usage: dokku COMMAND*"
	SSH_ORIGINAL_COMMAND="say:words ssh" dokku say:words own
	assert_success "<words><own>"
}

@test "ssh: the inner commands of a transaction are nobody's to give" {
	make_app web
	is_inner() {
		over_ssh "$1"
		assert_refused "\`${1%% *}\` is not a dokku command." \
			"See \`dokku help\` for a list of available commands."
	}
	is_inner "locked web x touch $BATS_TEST_TMPDIR/owned"
	is_inner "job web $BATS_TEST_TMPDIR x touch $BATS_TEST_TMPDIR/owned"
	is_inner "promote web 1"
	is_inner "check web idA web 5000 10.86.128.2 1"
	over_ssh "--quiet locked web x touch $BATS_TEST_TMPDIR/owned"
	assert_refused '`locked` is not a dokku command. See `dokku help` for a list of available' \
		'commands.'
	assert_absent "$BATS_TEST_TMPDIR/owned"
}

# --- the deploy transaction -------------------------------------------------------

# transaction_world - makes the app web: release 1 is current, and release 2 is built. Its fake
# hooks succeed, and record which release was current at each step.
transaction_world() {
	made_plugins
	make_app web
	make_release web 1
	make_current web 1
	make_release web 2 web=2 worker=1
	local name
	for name in pre-deploy verify-deploy core-post-deploy check-deploy post-deploy \
		scheduler-remove scheduler-retire scheduler-failure reconcile; do
		hook fake "$name" </dev/null
	done
	hook fake scheduler-start <<-'BODY'
		printf '%s\n' 'web 1 idA 10.86.128.2 5000' 'web 2 idB 10.86.128.3 5000' 'worker 1 idC 10.86.128.4 5000' \
			>"$DOKKU_LIB_ROOT/data/releases/$2/$3/containers"
	BODY
	hook fake service-address <<<'printf "10.86.0.2 80\n"'
	list_containers 'id1 1 web 1 running 10.86.128.9 5000 7 web.1'
}

# list_containers LINE… - lets the scheduler list these containers. That is not recorded as a step,
# because it changes nothing.
list_containers() {
	printf '#!%s\nprintf "%%s\\n" %s\n' "$INTERPRETER" "${*@Q}" \
		>"$PLUGIN_PATH/fake/scheduler-list"
	chmod +x "$PLUGIN_PATH/fake/scheduler-list"
}

deploy() { DOKKU_LOCKED=web dokku deploy web 2; }

# steps - prints the hooks that ran. Those of the checks run in parallel, so they are sorted.
steps() { awk '/^check-deploy/ { print | "sort"; next } { close("sort"); print }' "$STEPS"; }

readonly CHECKED="check-deploy web idA web 5000 10.86.128.2 1
check-deploy web idB web 5000 10.86.128.3 2
check-deploy web idC worker 5000 10.86.128.4 1"
readonly UNTIL_VERIFY="pre-deploy web dokku/web:v2
scheduler-start docker-local web 2
$CHECKED
verify-deploy web 2"
readonly UNTIL_SWITCH="$UNTIL_VERIFY
service-address web web
core-post-deploy web 80 10.86.0.2 2"
readonly BACK="core-post-deploy web   1"
readonly REMOVED="scheduler-remove docker-local web 2"

@test "deploy: every step once, in order, and the commit between switch and announce" {
	transaction_world
	hook fake core-post-deploy <<<'cat "$DOKKU_LIB_ROOT/data/releases/web/current" >>"$STEPS"'
	hook fake post-deploy <<<'cat "$DOKKU_LIB_ROOT/data/releases/web/current" >>"$STEPS"'
	deploy
	assert_status 0
	assert_error ""
	assert_equal "$UNTIL_SWITCH
1
post-deploy web 80 10.86.0.2 2
2
scheduler-retire docker-local web 2" "$(steps)"
	assert_equal 2 "$(current web)"
	assert_output_like "-----> Starting web v2: web.1, web.2, worker.1
-----> Switched to v2 in +([0-9]) ms
=====> web v2 is live
       no visitor can reach it, because it has no domain: dokku domains:add web NAME
       start +([0-9.]) ?(m)s, checks +([0-9.]) ?(m)s, verify +([0-9.]) ?(m)s, switch +([0-9.]) ?(m)s"
}

@test "deploy: an app whose domains have no URL is not said to have none" {
	transaction_world
	hook fake app-domains <<<'printf "*.example.com\n"'
	deploy
	assert_output_like "*=====> web v2 is live*"
	[[ $output != *"no visitor"* ]]
}

@test "deploy: a release without a process is named, too" {
	transaction_world
	printf 'web=0\n' >"$DOKKU_LIB_ROOT/data/releases/web/2/scale"
	deploy
	assert_output_like "-----> Releasing web v2, which runs no process"$'\n'*
}

@test "deploy: the tasks of a release that was built run before anything starts; of another, none" {
	transaction_world
	hook fake release-tasks <<<'cat "$DOKKU_LIB_ROOT/data/releases/web/current" >>"$STEPS"'
	: >"$DOKKU_LIB_ROOT/data/releases/web/2/built"
	deploy
	assert_status 0
	assert_equal "pre-deploy web dokku/web:v2
release-tasks web 2
1
scheduler-start docker-local web 2" "$(head -n 4 "$STEPS")"
	make_release web 3
	: >"$STEPS"
	DOKKU_LOCKED=web dokku deploy web 3
	assert_status 0
	assert_equal "" "$(grep release-tasks "$STEPS")"
}

@test "deploy: a task that fails, and nothing was started" {
	transaction_world
	hook fake release-tasks <<<'exit 3'
	: >"$DOKKU_LIB_ROOT/data/releases/web/2/built"
	deploy
	assert_status 3
	assert_steps "pre-deploy web dokku/web:v2
release-tasks web 2"
	assert_error " !     web: v2 did not go live: v1 still serves"
	assert_equal 1 "$(current web)"
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/2"
}

@test "deploy: the release says when it was committed, and what it took" {
	transaction_world
	deploy
	assert_status 0
	local dir="$DOKKU_LIB_ROOT/data/releases/web/2"
	assert_equal "start checks verify switch" "$(cut -d ' ' -f 1 "$dir/steps" | paste -sd ' ')"
	[[ $(<"$dir/committed") =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T ]]
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/current" 2
}

@test "deploy: settings that came with the release are the app's after the commit, not before" {
	transaction_world
	mkdir -p "$DOKKU_LIB_ROOT/config/web" "$DOKKU_LIB_ROOT/config/ps/web"
	printf "export A='old'\n" >"$DOKKU_LIB_ROOT/config/web/ENV"
	printf "export A='new'\n" >"$DOKKU_LIB_ROOT/data/releases/web/2/pending-ENV"
	printf 'web=2\nworker=1\n' >"$DOKKU_LIB_ROOT/data/releases/web/2/pending-scale"
	hook fake verify-deploy <<<'cat "$DOKKU_LIB_ROOT/config/web/ENV" >>"$STEPS"; exit 1'
	deploy
	assert_status 1
	assert_file "$DOKKU_LIB_ROOT/config/web/ENV" "export A='old'"
	assert_absent "$DOKKU_LIB_ROOT/config/ps/web/scale"

	make_release web 2 web=2 worker=1
	printf "export A='new'\n" >"$DOKKU_LIB_ROOT/data/releases/web/2/pending-ENV"
	printf 'web=2\nworker=1\n' >"$DOKKU_LIB_ROOT/data/releases/web/2/pending-scale"
	hook fake verify-deploy </dev/null
	deploy
	assert_status 0
	assert_file "$DOKKU_LIB_ROOT/config/web/ENV" "export A='new'"
	assert_file "$DOKKU_LIB_ROOT/config/ps/web/scale" "web=2
worker=1"
}

# fails_at HOOK STATUS STEPS ERROR - deploys while HOOK fails, and requires this status, these steps
# and this message.
fails_at() {
	hook fake "$1" <<<"printf ' !     no: $1\n' >&2; exit 7"
	deploy
	assert_status "$2" && assert_equal "$3" "$(steps)" && assert_error "$4" &&
		assert_equal 1 "$(current web)" &&
		assert_absent "$DOKKU_LIB_ROOT/data/releases/web/2" &&
		assert_calls "engine DELETE /images/dokku/web:v2"
}

readonly REFUSED=" !     web: v2 did not go live: v1 still serves"
readonly SWITCHED_BACK=" !     web: switching back to v1"

@test "deploy: what is said of the old release when the new one is refused is true" {
	refused_with() {
		hook fake pre-deploy <<<'exit 7'
		make_release web 2
		deploy
		assert_status 7 && assert_error " !     web: v2 did not go live$1"
	}
	transaction_world
	list_containers 'id1 1 worker 1 running - 5000 7 x' 'id2 1 web 1 exited - 5000 0 y' \
		'id3 2 web 1 running - 5000 8 z'
	refused_with ": v1 still runs"
	list_containers 'id2 1 web 1 exited - 5000 0 y'
	refused_with ", and no process of v1 runs: see dokku ps:report web"
	printf '#!/bin/sh\nexit 1\n' >"$PLUGIN_PATH/fake/scheduler-list"
	refused_with ": v1 is as it was"
	mkdir -p "$DOKKU_LIB_ROOT/config/ps/web"
	printf 'true\n' >"$DOKKU_LIB_ROOT/config/ps/web/stopped"
	refused_with ", and web stays stopped: dokku ps:start web starts v1"
}

@test "deploy: a veto before anything ran" {
	transaction_world
	fails_at pre-deploy 7 "pre-deploy web dokku/web:v2" " !     no: pre-deploy
$REFUSED"
}

@test "deploy: a container that does not start" {
	transaction_world
	fails_at scheduler-start 7 "pre-deploy web dokku/web:v2
scheduler-start docker-local web 2
$REMOVED" " !     no: scheduler-start
$REFUSED"
}

@test "deploy: a failing check shows the log, then removes" {
	transaction_world
	hook fake check-deploy <<<'[[ $3 == worker ]] || exit 0
		until [[ $(grep -c ^check-deploy "$STEPS") -eq 3 ]]; do sleep 0.01; done
		printf " !     no: check\n" >&2; exit 7'
	deploy
	assert_status 1
	assert_equal "pre-deploy web dokku/web:v2
scheduler-start docker-local web 2
$CHECKED
scheduler-failure docker-local web 2
$REMOVED" "$(steps)"
	assert_equal 1 "$(current web)"
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/2"
	assert_error "$REFUSED"
	assert_output "-----> Starting web v2: web.1, web.2, worker.1
 !     no: check"
}

@test "deploy: a switch that fails is switched back, newest first" {
	transaction_world
	hook fake core-post-deploy \
		<<<'[[ $4 == 1 ]] || { printf " !     no: switch\n" >&2; exit 7; }'
	deploy
	assert_status 7
	assert_equal "$UNTIL_SWITCH
$BACK
$REMOVED" "$(steps)"
	assert_error " !     no: switch
$SWITCHED_BACK
$REFUSED"
	assert_equal 1 "$(current web)"
}

@test "deploy: what does not verify is removed, before any traffic" {
	transaction_world
	fails_at verify-deploy 7 "$UNTIL_VERIFY
$REMOVED" " !     no: verify-deploy
$REFUSED"
}

@test "deploy: the release's files are on the disk before it has visitors" {
	transaction_world
	fake sync <<<'printf "sync %s\n" "${*: -1}" >>"$STEPS"
		printf "%s\n" "$*" >"$BATS_TEST_TMPDIR/synced"; exit "${SYNC_FAILS-0}"'
	deploy
	assert_status 0
	assert_equal "verify-deploy web 2
sync $DOKKU_LIB_ROOT/data/releases/web/2
service-address web web
core-post-deploy web 80 10.86.0.2 2" "$(grep -A3 '^verify-deploy' "$STEPS")"
	[[ $(<"$BATS_TEST_TMPDIR/synced") == *"/web/2/containers "* &&
	$(<"$BATS_TEST_TMPDIR/synced") == *"/web/2/env "* ]]
}

@test "deploy: files that cannot be brought to the disk are no release" {
	transaction_world
	fake sync <<<'exit 1'
	deploy
	assert_status 1
	[[ $stderr == *" !     web: the files of v2 could not be brought to the disk: see dmesg"* ]]
	assert_equal 1 "$(current web)"
}

@test "deploy: after a switch back that fails, what may have the traffic is not removed" {
	transaction_world
	hook fake core-post-deploy <<<'exit 1'
	deploy
	assert_status 1
	assert_equal "$UNTIL_SWITCH
$BACK" "$(steps)"
	[[ $stderr == *' !     web: traffic may still go to v2, so its containers stay for now: run dokku reconcile web'* ]]
	[[ -d $DOKKU_LIB_ROOT/data/releases/web/2 ]]
}

@test "deploy: undone where it cannot be read which release is current, nobody is led away from it, and what may have the traffic stays" {
	transaction_world
	hook fake core-post-deploy <<<': >"$DOKKU_LIB_ROOT/data/releases/web/current"; exit 1'
	deploy
	assert_status 1
	assert_equal "$UNTIL_SWITCH" "$(steps)"
}

@test "deploy: an undo that two plugins answer runs both" {
	transaction_world
	hook other core-post-deploy <<<'printf "other\n" >>"$STEPS"'
	hook fake core-post-deploy <<<'[[ $4 == 1 ]] || exit 7'
	deploy
	assert_status 7
	assert_equal "$UNTIL_SWITCH
$BACK
$BACK
other
$REMOVED" "$(steps)"
}

@test "deploy: undoing goes on when nobody reads what it prints" {
	transaction_world
	hook fake core-post-deploy <<<'[[ $4 == 1 ]] || exit 7'
	# The reader is gone at the first line.
	DOKKU_LOCKED=web "$DOKKU" deploy web 2 2>&1 | head -n 1 >/dev/null || true
	assert_equal "$BACK
$REMOVED" "$(tail -n 2 "$STEPS")"
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/2"
}

@test "deploy: the first one that fails leaves the app without a release, and says what to do" {
	transaction_world
	rm -r "$DOKKU_LIB_ROOT/data/releases/web/1" "$DOKKU_LIB_ROOT/data/releases/web/current"
	hook fake core-post-deploy <<<'[[ -z $4 ]] || exit 7'
	deploy
	assert_status 7
	assert_error " !     web: switching back
 !     web: v2 did not go live: see the message above, then push again"
	assert_equal "core-post-deploy web   
$REMOVED" "$(tail -n 2 "$STEPS")"
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/current"
}

@test "deploy: a failing post-deploy is a warning; the release stays" {
	transaction_world
	hook fake post-deploy <<<'exit 7'
	deploy
	assert_status 0
	assert_error " !     web: a post-deploy hook failed: v2 is live all the same"
	assert_output_like "*=====> web v2 is live*"
	assert_equal 2 "$(current web)"
	assert_equal "scheduler-retire docker-local web 2" "$(tail -n 1 "$STEPS")"
}

@test "deploy: without a service address (workers alone) it goes live too" {
	transaction_world
	hook fake service-address </dev/null
	deploy
	assert_status 0
	grep -qx 'core-post-deploy web   2' "$STEPS"
}

# signalled HOOK SIGNAL STATUS - sends SIGNAL to a deploy while HOOK runs. Requires that the deploy
# and HOOK end at once.
signalled() {
	local pid hook_pid code=0
	rm -f "$BATS_TEST_TMPDIR/at"
	fifo at
	# Its own last words go through the file, the hook never ends by itself.
	hook fake "$1" <<<"[[ \${4-} == 1 ]] || { printf '%s\n' \"\$\$\" >'$BATS_TEST_TMPDIR/at'; exec sleep 300; }"
	DOKKU_LOCKED=web setsid "$DOKKU" deploy web 2 >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	pid=$!
	heard at
	hook_pid=$line
	printf '%s\n' "$pid" "$hook_pid" >>"$BATS_TEST_TMPDIR/pids"
	kill -"$2" "$pid"
	gone "$pid"
	wait "$pid" || code=$?
	assert_equal "$3" "$code" "status"
	gone "$hook_pid"
	assert_equal 1 "$(current web)"
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/2"
}

@test "deploy: a signal in pre-deploy" {
	transaction_world
	signalled pre-deploy TERM 143
	assert_steps "pre-deploy web dokku/web:v2"
}

@test "deploy: a signal while containers start" {
	transaction_world
	signalled scheduler-start HUP 129
	assert_steps "pre-deploy web dokku/web:v2
scheduler-start docker-local web 2
$REMOVED"
}

@test "deploy: a signal while it is checked ends the checks" {
	transaction_world
	make_release web 2 web=1
	hook fake scheduler-start \
		<<<'printf "web 1 idA 10.86.128.2 5000\n" \
			>"$DOKKU_LIB_ROOT/data/releases/$2/$3/containers"'
	signalled check-deploy TERM 143
	assert_steps "pre-deploy web dokku/web:v2
scheduler-start docker-local web 2
check-deploy web idA web 5000 10.86.128.2 1
$REMOVED"
}

@test "deploy: a signal in the switch switches back" {
	transaction_world
	hook fake check-deploy <<<'exit 0'
	signalled core-post-deploy TERM 143
	assert_equal "$UNTIL_SWITCH
$BACK
$REMOVED" "$(steps)"
}

@test "deploy: a signal while it is verified" {
	transaction_world
	signalled verify-deploy TERM 143
	assert_equal "$UNTIL_VERIFY
$REMOVED" "$(steps)"
}

@test "deploy: what fails after the commit is left to the watch, by a mark that the lock's holder does not take away" {
	transaction_world
	make_app web
	printf "export A='new'\n" >"$DOKKU_LIB_ROOT/data/releases/web/2/pending-ENV"
	fake mv <<<'[[ "$*" != *pending-ENV* ]] || exit 1; exec /bin/mv "$@"'
	mv "$DOKKU_LIB_ROOT/data/releases/web/2" "$WORLD/built"
	code "" 'lock_app web "a push" bash -c "mv \"\$WORLD/built\" \"\$DOKKU_LIB_ROOT/data/releases/web/2\"; exec \"\$DOKKU\" deploy web 2"'
	assert_status 0
	assert_equal 2 "$(current web)"
	[[ $(<"$DOKKU_LIB_ROOT/lock/web") == "0 "*" what came with v2" ]]
	rm "$BIN/mv"
	hash -r
	dokku reconcile web
	assert_success ""
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/2/pending-ENV"
	[[ ! -s $DOKKU_LIB_ROOT/lock/web ]]
	transaction_world
	hook fake scheduler-retire <<<'exit 1'
	deploy
	assert_status 0
	[[ $(<"$DOKKU_LIB_ROOT/lock/web") == "0 "*" the old containers" ]]
}

@test "deploy: a signal after the commit changes nothing" {
	transaction_world
	hook fake post-deploy <<<'kill -TERM $PPID'
	deploy
	assert_status 0
	assert_equal 2 "$(current web)"
	assert_equal "scheduler-retire docker-local web 2" "$(tail -n 1 "$STEPS")"
}

@test "deploy: the first check that fails ends the others, and their children" {
	transaction_world
	fifo at
	hook fake check-deploy <<-BODY
		[[ \$3 != web ]] || { printf '%s\n' "\$\$" >'$BATS_TEST_TMPDIR/at.'"\$6"; mv '$BATS_TEST_TMPDIR/at.'"\$6" '$BATS_TEST_TMPDIR/up.'"\$6"; exec sleep 300; }
		until [[ -e '$BATS_TEST_TMPDIR/up.1' && -e '$BATS_TEST_TMPDIR/up.2' ]]; do sleep 0.01; done
		exit 1
	BODY
	deploy
	cat "$BATS_TEST_TMPDIR"/up.* >"$BATS_TEST_TMPDIR/pids"
	assert_status 1
	gone "$(<"$BATS_TEST_TMPDIR/up.1")"
	gone "$(<"$BATS_TEST_TMPDIR/up.2")"
}

@test "deploy: a check that bash does not name when it has ended is found" {
	transaction_world
	wait() {
		[[ $1 == -n ]] || {
			builtin wait "$@"
			return
		}
		sleep 0.3
		unset -v pid
		return 127
	}
	export -f wait
	hook fake check-deploy <<<'exit 0'
	deploy
	assert_status 0
	assert_equal 2 "$(current web)"
	transaction_world
	hook fake check-deploy <<<'[[ $6 != 2 ]]'
	deploy
	assert_status 1
	assert_equal 1 "$(current web)"
}

@test "deploy: what one check prints stays together, whatever the others print" {
	transaction_world
	hook fake check-deploy <<<'printf -- "-----> Checking %s.%s\n" "$3" "$6"
		printf "       one %s.%s\n       two %s.%s\n" "$3" "$6" "$3" "$6"'
	deploy
	assert_status 0
	local lines
	lines=$(grep -A 1 'one web.2' <<<"$output")
	assert_equal "       one web.2
       two web.2" "$lines"
	assert_equal 3 "$(grep -c -- '-----> Checking' <<<"$output")"
}

# --- a canary ---------------------------------------------------------------------

# canary_world - transaction_world, where release 2 asks for 5 % of the visitors.
canary_world() {
	transaction_world
	printf '5 10 600\n' >"$DOKKU_LIB_ROOT/data/releases/web/2/canary"
	CANARY=$DOKKU_LIB_ROOT/data/releases/web/canary
	export CANARY
	hook fake canary-share <<<'[[ -e $CANARY ]] && cut -d " " -f 1-3 "$CANARY" >>"$STEPS" || true'
	hook fake proxy-canary <<<'printf "yes\n"'
}

readonly UNTIL_CANARY="$UNTIL_VERIFY
proxy-canary nginx web
canary-share web 2 0"

@test "deploy: a canary stops before the switch; its commit is a record beside the current release" {
	canary_world
	deploy
	assert_status 0
	assert_error ""
	assert_equal "$UNTIL_CANARY
canary-share web 2 5
2 5 10" "$(steps)"
	assert_equal 1 "$(current web)"
	local number share limit until since
	read -r number share limit until since _ <"$CANARY"
	assert_equal "2 5 10 600" "$number $share $limit $((until - since))"
	assert_output_like "-----> Starting web v2: web.1, web.2, worker.1
=====> web v2 has 5 % of the visitors, until 10 % of its answers are 5xx, and all from * on
       dokku releases:promote web makes it the current release; releases:abort web takes it back
       start *, checks *, verify *"
}

@test "deploy: a canary that fails before its record leaves no trace" {
	canary_world
	hook fake canary-share <<<'[[ -z $2 ]] || exit 1'
	deploy
	assert_status 1
	assert_equal "$UNTIL_CANARY
canary-share web  0
$REMOVED" "$(steps)"
	assert_absent "$CANARY"
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/2"
	assert_error_like "*web: v2 did not go live: v1 still serves"
	canary_world
	hook fake proxy-canary <<<'printf "its proxy is too old\n"'
	: >"$STEPS"
	deploy
	assert_status 1
	assert_error_like " !     web: its proxy is too old; nothing was changed*"
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/2"
}

@test "deploy: a canary whose share cannot be set after its record is left to the watch" {
	canary_world
	hook fake canary-share <<<'[[ $3 -eq 0 ]]'
	deploy
	assert_status 0
	assert_error " !     web: the share of its canary could not be set:" \
		"the watch tries it again"
	[[ -s $CANARY && $(<"$DOKKU_LIB_ROOT/lock/web") == *'the share of its canary' ]]
}

@test "promote: checks again, switches, commits, and only then takes the share back" {
	canary_world
	printf '2 5 10 0 1\n' >"$CANARY"
	local record=$DOKKU_LIB_ROOT/data/releases/web/2/steps
	printf '%s 5\n' start checks verify >"$record"
	DOKKU_LOCKED=web dokku promote web 2
	assert_status 0
	assert_equal "scheduler-start docker-local web 2
$CHECKED
service-address web web
core-post-deploy web 80 10.86.0.2 2
post-deploy web 80 10.86.0.2 2
canary-share web  0
scheduler-retire docker-local web 2" "$(steps)"
	assert_equal 2 "$(current web)"
	assert_absent "$CANARY"
	assert_output_like "*=====> web v2 is live*"
	# Each step is once in the record, which releases:info prints as JSON.
	assert_equal "" "$(cut -d ' ' -f 1 "$record" | sort | uniq -d)"
}

@test "promote: what fails before the commit leaves both releases as they were" {
	canary_world
	printf '2 5 10 0 1\n' >"$CANARY"
	hook fake verify-switch <<<'exit 1'
	DOKKU_LOCKED=web dokku promote web 2
	assert_status 1
	assert_equal "$BACK" "$(tail -n 1 "$STEPS")"
	assert_equal 1 "$(current web)"
	assert_file "$CANARY" "2 5 10 0 1"
	[[ -d $DOKKU_LIB_ROOT/data/releases/web/2 ]]
}

@test "reconcile: a canary stays, a record of none goes, and one of a release that is live by now" {
	canary_world
	make_release web 3
	printf '2 5 10 0 1\n' >"$CANARY"
	dokku reconcile web
	assert_success ""
	assert_equal "1 2 canary current last" \
		"$(ls "$DOKKU_LIB_ROOT/data/releases/web" | paste -sd ' ')"
	is_none() {
		printf '%s\n' "$1" >"$CANARY"
		dokku reconcile web
		assert_success "" && assert_absent "$CANARY"
	}
	is_none "7 5 10 0 1"
	is_none "two 5 10 0 1"
	is_none "1 5 10 0 1"
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/2"
}

@test "transaction: one that was killed after the record of its canary is told as done" {
	canary_world
	printf 'id1\n' >"$DOKKU_LIB_ROOT/data/releases/web/2/build"
	code "" 'release_is_of web id1' && assert_status 1
	printf '2 5 10 0 1\n' >"$CANARY"
	code "" 'release_is_of web id1; ! release_is_of web id2'
	assert_success ""
}

@test "transaction: a promotion that fails or is killed after its commit is told as live, not before" {
	canary_world
	printf 'id1\n' >"$DOKKU_LIB_ROOT/data/releases/web/2/build"
	printf '2 5 10 0 1\n' >"$CANARY"
	promoted() {
		code "" 'transaction web "a promotion" bash -c "
			DOKKU_LOCKED=web \"\$PLUGIN_CORE_AVAILABLE_PATH\"/releases/libexec/promote web 2
			$1"' "$1"
	}
	hook fake verify-switch <<<'exit 1'
	promoted 'kill -9 $$'
	assert_status 1
	assert_error_like "*a promotion was killed before it went live: web is still at v1"
	hook fake verify-switch </dev/null
	promoted 'exit 1'
	assert_status 0
	assert_output_like "* !     a promotion: it is live, but a step after that failed: *"
	printf '1\n' >"$DOKKU_LIB_ROOT/data/releases/web/current"
	printf '2 5 10 0 1\n' >"$CANARY"
	promoted 'kill -9 $$'
	assert_status 0
	assert_output_like "*       a promotion was killed after it had gone live: web is at v2"
}

# hold_world - makes a world in which the release 2 must not run beside the release 1.
hold_world() {
	transaction_world
	mkdir -p "$DOKKU_LIB_ROOT/config/releases/web"
	printf '20\n' >"$DOKKU_LIB_ROOT/config/releases/web/hold"
	printf 'worker 1 id1 10.86.128.9 5000\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/containers"
	hook fake hold-traffic </dev/null
	hook fake scheduler-start <<-'BODY'
		[[ $3 == 1 ]] || printf '%s\n' 'web 1 idA 10.86.128.2 5000' \
			'web 2 idB 10.86.128.3 5000' 'worker 1 idC 10.86.128.4 5000' \
			>"$DOKKU_LIB_ROOT/data/releases/$2/$3/containers"
	BODY
	hook fake release-tasks </dev/null
	# How long after the hook it may wait is nearly the same in each run.
	hook fake scheduler-stop <<<'read -r up _ </proc/uptime; left=$(($3 - ${up%.*}))
		sed -i "s/^\(scheduler-stop.* \)[0-9]*\$/\1in $left/" "$STEPS"'
	: >"$DOKKU_LIB_ROOT/data/releases/web/2/built"
}

readonly HELD="hold-traffic web 20
scheduler-stop docker-local web in 7"
readonly BACK_HELD="$HELD
$REMOVED
scheduler-start docker-local web 1
$BACK"

@test "deploy: where two releases must not run at once, the old one stops before the tasks; the switch lets requests go" {
	hold_world
	deploy
	assert_status 0
	assert_error ""
	assert_equal "pre-deploy web dokku/web:v2
$HELD
release-tasks web 2
scheduler-start docker-local web 2
$CHECKED
verify-deploy web 2
service-address web web
core-post-deploy web 80 10.86.0.2 2
post-deploy web 80 10.86.0.2 2
scheduler-retire docker-local web 2" "$(steps)"
	assert_output_like "-----> Stopping v1: requests wait, for 20 s at most
-----> Starting web v2: web.1, web.2, worker.1
*
       start *, checks *, verify *, switch *, held *s"
}

@test "deploy: a push may ask for it, and for no waiting; nothing is stopped before the first release or of a stopped app" {
	hold_world
	rm "$DOKKU_LIB_ROOT/config/releases/web/hold"
	deploy
	assert_status 0
	assert_equal "" "$(grep hold-traffic "$STEPS")"
	hold_world
	rm "$DOKKU_LIB_ROOT/config/releases/web/hold"
	hook fake release-exclusive <<<'echo yes'
	deploy
	assert_equal "hold-traffic web 30" "$(grep hold-traffic "$STEPS")"
	hold_world
	: >"$STEPS"
	printf '20\n' >"$DOKKU_LIB_ROOT/config/releases/web/hold"
	printf '0\n' >"$DOKKU_LIB_ROOT/data/releases/web/2/hold"
	deploy
	assert_equal "" "$(grep hold-traffic "$STEPS")"
	hold_world
	rm "$DOKKU_LIB_ROOT/config/releases/web/hold"
	printf '20\n' >"$DOKKU_LIB_ROOT/data/releases/web/2/hold"
	deploy
	assert_equal "hold-traffic web 20" "$(grep hold-traffic "$STEPS")"
	hold_world
	: >"$STEPS"
	mkdir -p "$DOKKU_LIB_ROOT/config/ps/web"
	printf 'true\n' >"$DOKKU_LIB_ROOT/config/ps/web/stopped"
	deploy
	assert_equal "" "$(grep hold-traffic "$STEPS")"
	hold_world
	: >"$STEPS"
	rm -r "$DOKKU_LIB_ROOT/config/ps/web" "$DOKKU_LIB_ROOT/data/releases/web/"{1,current}
	deploy
	assert_status 0
	assert_equal "" "$(grep hold-traffic "$STEPS")"
}

@test "deploy: what fails while requests wait, even the switch, stops the new release before the old one starts" {
	hold_world
	hook fake check-deploy <<<'exit 1'
	deploy
	assert_status 1
	assert_equal "$BACK_HELD" "$(tail -n 5 "$STEPS")"
	assert_error_like "* !     web: starting v1 again
 !     web: v2 did not go live: *"
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/2"
	hold_world
	make_release web 2
	hook fake check-deploy </dev/null
	hook fake verify-switch <<<'exit 1'
	deploy
	assert_status 1
	assert_equal "core-post-deploy web 80 10.86.0.2 2
verify-switch web 2
$BACK_HELD" "$(tail -n 7 "$STEPS")"
	assert_equal 1 "$(current web)"
	# The old one does not start beside the new one, and the watch is told.
	hold_world
	hook fake scheduler-stop <<<'[[ ! -e $DOKKU_LIB_ROOT/data/releases/web/2/steps ]]'
	make_release web 2
	deploy
	assert_status 1
	assert_equal "hold-traffic web 20" "$(tail -n 2 "$STEPS" | head -n 1)"
	[[ -d $DOKKU_LIB_ROOT/data/releases/web/2 ]]
}

@test "deploy: the old release takes connections before requests are let go to it" {
	hold_world
	printf 'web 1 id1 127.0.0.1 1\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/containers"
	fake timeout <<<'[[ "$*" == *"127.0.0.1 1" ]] || exec /usr/bin/timeout "$@"
		printf "asked\n" >>"$STEPS"; [[ $(grep -c asked "$STEPS") -ge 3 ]]'
	hook fake check-deploy <<<'exit 1'
	deploy
	assert_status 1
	assert_equal "scheduler-start docker-local web 1
asked
asked
asked
$BACK" "$(tail -n 5 "$STEPS")"
}

@test "deploy: a canary, or a rename, would run beside the current release, so it is refused" {
	hold_world
	printf '5 5 0\n' >"$DOKKU_LIB_ROOT/data/releases/web/2/canary"
	deploy
	assert_status 1
	assert_error_like " !     web: a canary runs beside the current release, which*"
	assert_equal "" "$(grep hold-traffic "$STEPS")"
	hold_world
	make_release web 2
	: >"$STEPS"
	printf 'rename shop\n' >"$DOKKU_ROOT/web/made-from"
	deploy
	assert_status 1
	assert_error_like " !     web: it would run beside shop, which*--skip-deploy*"
	assert_steps "pre-deploy web dokku/web:v2"
}

@test "reconcile: a release for which the current one was stopped goes first, then that one starts" {
	hold_world
	: >"$STEPS"
	printf '20\n' >"$DOKKU_LIB_ROOT/data/releases/web/2/held"
	dokku reconcile web
	assert_status 0
	assert_steps "$BACK_HELD
reconcile web 1
scheduler-retire docker-local web 1"
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/2"
	# Committed, or of a stopped app, it is nothing to take back.
	make_release web 2
	printf '20\n' >"$DOKKU_LIB_ROOT/data/releases/web/2/held"
	make_current web 2
	: >"$STEPS"
	dokku reconcile web
	assert_status 0
	assert_equal "" "$(grep hold-traffic "$STEPS")"
	make_current web 1
	mkdir -p "$DOKKU_LIB_ROOT/config/ps/web"
	printf 'true\n' >"$DOKKU_LIB_ROOT/config/ps/web/stopped"
	dokku reconcile web
	assert_status 0
	assert_equal "" "$(grep hold-traffic "$STEPS")"
}

# --- reconcile --------------------------------------------------------------------

@test "reconcile: drops what was never committed, and hands the current release to the hooks" {
	transaction_world
	make_release web 3
	mkdir "$DOKKU_LIB_ROOT/tmp/start.4194304.aaaaaa" "$DOKKU_LIB_ROOT/tmp/start.$$.bbbbbb"
	dokku reconcile web
	assert_success ""
	assert_steps "reconcile web 1
scheduler-retire docker-local web 1"
	assert_calls "engine DELETE /images/dokku/web:v3
engine DELETE /images/dokku/web:v2"
	assert_equal "1 current last" "$(ls "$DOKKU_LIB_ROOT/data/releases/web" | paste -sd ' ')"
	assert_equal "start.$$.bbbbbb" "$(ls "$DOKKU_LIB_ROOT/tmp")"
}

@test "reconcile: twice is once" {
	transaction_world
	dokku reconcile web
	local before
	before=$(cd "$DOKKU_LIB_ROOT" &&
		find . -type f ! -path ./lock/web -exec sha256sum {} + | sort)
	: >"$CALLS"
	dokku reconcile web
	assert_success ""
	assert_equal "$before" \
		"$(cd "$DOKKU_LIB_ROOT" &&
			find . -type f ! -path ./lock/web -exec sha256sum {} + | sort)"
	assert_calls ""
}

@test "reconcile: finishes what a release killed right after its commit left" {
	transaction_world
	make_current web 2
	printf "export A='new'\n" >"$DOKKU_LIB_ROOT/data/releases/web/2/pending-ENV"
	dokku reconcile web
	assert_success ""
	assert_file "$DOKKU_LIB_ROOT/config/web/ENV" "export A='new'"
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/2/pending-ENV"
	assert_equal "reconcile web 2" "$(head -n 1 "$STEPS")"
}

@test "reconcile: a hook that fails stops the operation, and nothing is dropped" {
	transaction_world
	hook fake reconcile <<<'printf " !     the engine does not answer\n" >&2; exit 1'
	dokku reconcile web
	assert_refused "the engine does not answer
 !     web: its state could not be checked and repaired first, so nothing was changed: see the message above, then try again"
	[[ -d $DOKKU_LIB_ROOT/data/releases/web/2 ]]
	code "" 'lock_app web "a change" touch "$BATS_TEST_TMPDIR/changed"'
	assert_status 1
	assert_absent "$BATS_TEST_TMPDIR/changed"
}

@test "reconcile: a current release that is not a number, or cannot be read, stops it, and no release is dropped" {
	local text
	for text in x ""; do
		transaction_world
		printf '%s\n' "$text" >"$DOKKU_LIB_ROOT/data/releases/web/current"
		dokku reconcile web
		assert_status 1
		assert_steps ""
		assert_calls ""
		[[ -d $DOKKU_LIB_ROOT/data/releases/web/1 &&
			-d $DOKKU_LIB_ROOT/data/releases/web/2 ]]
	done
	# release_discard reads the current release by itself.
	code "" 'release_discard web 2'
	assert_status 1
	[[ -d $DOKKU_LIB_ROOT/data/releases/web/2 ]]
}

@test "reconcile: --all takes every app, and goes on past one that fails" {
	transaction_world
	make_app blog shop
	make_release blog 1
	make_current blog 1
	make_release shop 1
	make_current shop 1
	hook fake reconcile <<<'[[ $1 != shop ]]'
	dokku reconcile --all
	assert_status 1
	assert_equal "reconcile blog 1
reconcile shop 1
reconcile web 1" "$(grep ^reconcile "$STEPS")"
}

@test "reconcile: without a name it says how; of no app it says so" {
	dokku reconcile
	assert_refused "reconcile: APP|--all is missing; nothing was done." \
		"Please retry with valid arguments. Usage:" \
		"dokku reconcile APP|--all..." 2
	dokku reconcile --nope
	assert_refused "reconcile: there is no option --nope; nothing was done." \
		"Please retry with valid arguments. Usage:" \
		"dokku reconcile APP|--all..." 2
	dokku reconcile ghost
	assert_refused "App ghost does not exist"
}

# with_processes - lets the process of this test stand for a process of the scheduler, so that the
# real test of whether it runs can be used.
with_processes() {
	printf '%s\n' "$$" |
		tee "$DOKKU_LIB_ROOT"/data/releases/web/2/pid.{web.1,web.2,worker.1} >/dev/null
	ln -sf "$PLUGIN_CORE_AVAILABLE_PATH/scheduler-docker-local/scheduler-alive" \
		"$PLUGIN_PATH/scheduler-docker-local/scheduler-alive"
}

@test "deploy: a process that exits after its checks gets no traffic" {
	transaction_world
	with_processes
	hook fake check-deploy <<<'[[ $2 != idB ]] || { sleep 0 & wait
		printf "%s\n" "$!" >"$DOKKU_LIB_ROOT/data/releases/web/2/pid.web.2"; }'
	DOKKU_LOCKED=web dokku deploy web 2
	assert_status 1
	assert_equal 1 "$(current web)"
	grep -qxF ' !     web: the process of web.2 has exited since it was checked' <<<"$stderr"
	assert_equal "" "$(grep '^core-post-deploy' "$STEPS" || true)"
}

@test "deploy APP, as in Dokku: the current release anew; another image by releases:rollback" {
	transaction_world
	made_plugins deploy ps
	dokku deploy web v9
	assert_refused "deploy: v9 is not the image of the current release of web, v1. To deploy" \
		"the image of another release: dokku releases:rollback web RELEASE"
	dokku deploy web latest
	assert_status 0
	assert_equal 3 "$(current web)"
	dokku deploy nosuch
	assert_refused "App nosuch does not exist"
	SSH_ORIGINAL_COMMAND="deploy web" dokku
	assert_status 0
	assert_equal 4 "$(current web)"
}

@test "deploy: one whose checks are off may have ended" {
	transaction_world
	with_processes
	hook fake check-deploy <<<'[[ $2 != idC ]] ||
		{ printf "0\n" >"$DOKKU_LIB_ROOT/data/releases/web/2/pid.worker.1"
		: >"$DOKKU_LIB_ROOT/data/releases/web/2/unchecked.worker.1"; }'
	DOKKU_LOCKED=web dokku deploy web 2
	assert_status 0
	assert_equal 2 "$(current web)"
}

@test "deploy: where the plugin of the scheduler is not enabled nothing goes live" {
	transaction_world
	mkdir -p "$DOKKU_LIB_ROOT/config/scheduler/web"
	printf 'moon\n' >"$DOKKU_LIB_ROOT/config/scheduler/web/selected"
	DOKKU_LOCKED=web dokku deploy web 2
	assert_status 1
	assert_equal 1 "$(current web)"
	grep -qxF ' !     web: its scheduler moon does not answer: is the plugin scheduler-moon enabled? See dokku plugin:list' <<<"$stderr$output"
	grep -qx 'scheduler-start moon web 2' "$STEPS"
	grep -qx 'scheduler-remove moon web 2' "$STEPS"
	assert_equal "" "$(grep '^core-post-deploy' "$STEPS" || true)"
}

@test "deploy: a process that exits in the switch loses the traffic again" {
	transaction_world
	with_processes
	hook fake core-post-deploy <<<'[[ $4 != 2 ]] || { sleep 0 & wait
		printf "%s\n" "$!" >"$DOKKU_LIB_ROOT/data/releases/web/2/pid.web.1"; }'
	DOKKU_LOCKED=web dokku deploy web 2
	assert_status 1
	assert_equal 1 "$(current web)"
	assert_equal $'core-post-deploy web 80 10.86.0.2 2\ncore-post-deploy web   1' \
		"$(grep '^core-post-deploy' "$STEPS")"
}

# --- locks ------------------------------------------------------------------------

# hold NAME - starts another process that holds the lock of NAME for an operation. Sets holder to
# its process ID, and worker to the process that runs under the lock.
hold() {
	rm -f "$BATS_TEST_TMPDIR/held"
	fifo held
	strict "" \
		'with_lock "$1" 0 bash -c "printf \"%s %s\n\" \$PPID \$\$ >\"\$BATS_TEST_TMPDIR/held\"; exec sleep 300"' "$1" 3>&- &
	heard held
	read -r holder worker <<<"$line"
	printf '%s\n' "$holder" "$worker" >>"$BATS_TEST_TMPDIR/pids"
}

# is_free NAME - true if the lock NAME can be taken within a second.
is_free() { flock --timeout 1 "$DOKKU_LIB_ROOT/lock/$1" true; }

@test "lock: busy is told with who and since when, and nothing is done" {
	transaction_world
	hold web
	printf '%s 12:34:56 git push 3f2c1ab\n' "$worker" >"$DOKKU_LIB_ROOT/lock/web"
	code "" 'lock_app web "a change" touch "$BATS_TEST_TMPDIR/changed"'
	assert_refused "web is busy: git push 3f2c1ab runs since 12:34:56 (process $worker):" \
		"try again when it is done, or wait for it: git push -o wait, dokku --wait"
	assert_absent "$BATS_TEST_TMPDIR/changed"
	: >"$DOKKU_LIB_ROOT/lock/web"
	code "" 'lock_app web "a change" touch "$BATS_TEST_TMPDIR/changed"'
	assert_refused "web is busy: another operation has just begun: try again when it is done," \
		"or wait for it: git push -o wait, dokku --wait"
}

@test "lock: a transaction that is busy is told with its step, and how to end it" {
	transaction_world
	hold web
	printf '%s 12:34:56 git push 3f2c1ab\n' "$worker" >"$DOKKU_LIB_ROOT/lock/web"
	mkdir -p "$DOKKU_LIB_ROOT/data/builds/web/1"
	printf '%s\n' "$holder" >"$DOKKU_LIB_ROOT/data/builds/web/1/pid"
	printf '%s\n' '-----> Building' '-----> Executing predeploy task from app.json: sleep 99' \
		>"$DOKKU_LIB_ROOT/data/builds/web/1/log"
	code "" 'lock_app web "a change" true'
	assert_refused "web is busy: git push 3f2c1ab runs since 12:34:56 (process $worker):" \
		"try again when it is done, or wait for it: git push -o wait, dokku --wait." \
		'It is at "Executing predeploy task from app.json: sleep 99".' \
		"dokku builds:output web shows it, dokku builds:cancel web ends it"
	: >"$DOKKU_LIB_ROOT/data/builds/web/1/log"
	code "" 'lock_app web "a change" true'
	[[ $stderr == *"--wait. dokku builds:output web"* ]]
}

@test "lock: who has just got it is told by name, not the one before" {
	transaction_world
	sleep 0 &
	wait "$!"
	printf '%s 12:34:56 ps:restart\n' "$!" >"$DOKKU_LIB_ROOT/lock/web"
	hold web
	{
		sleep 0.3
		printf '%s 12:34:57 git push 3f2c1ab\n' "$worker" >"$DOKKU_LIB_ROOT/lock/web"
	} 3>&- &
	code "" 'lock_app web "a change" true'
	wait "$!"
	assert_refused "web is busy: git push 3f2c1ab runs since 12:34:57 (process $worker):" \
		"try again when it is done, or wait for it: git push -o wait, dokku --wait"
}

@test "lock: a transaction that finds it busy leaves no record" {
	transaction_world
	hold web
	printf '%s 12:34:56 git push 3f2c1ab\n' "$worker" >"$DOKKU_LIB_ROOT/lock/web"
	code "" 'transaction web "ps:restart" true'
	assert_refused "web is busy: git push 3f2c1ab runs since 12:34:56 (process $worker):" \
		"try again when it is done, or wait for it: git push -o wait, dokku --wait"
	assert_nothing_in "$DOKKU_LIB_ROOT/data/builds/web"
	assert_steps ""
}

@test "lock: an operation on two apps takes both locks in the order of their names, and names the busy one" {
	make_app b
	local name
	for name in a c; do
		hold b
		: >"$DOKKU_LIB_ROOT/lock/$name"
		DOKKU_LOCK_TOO=$name strict "" 'with_lock b 10 true' >"$BATS_TEST_TMPDIR/said" \
			2>&1 3>&- &
		until [[ -s $BATS_TEST_TMPDIR/said ]]; do sleep 0.02; done
		sleep 0.5
		# It waits for b, which somebody else holds.
		code "" 'flock --nonblock "$LOCKS/$1" true && printf free' "$name"
		[[ $name == a || $output == free ]] && [[ $name == c || $output == "" ]] ||
			differ "lock of $name" "" "$output"
		kill "$holder"
		wait "$!"
	done
	hold c
	code "" \
		'DOKKU_LOCK_TOO=c with_lock b 0 true ||
			printf "%s %s" "$?" "$(DOKKU_LOCK_TOO=c busy_one b)"'
	assert_success "73 c"
	kill "$holder"
	code "" 'DOKKU_LOCK_TOO=c with_lock b 0 bash -c "flock --nonblock \"\$1/b\" true || flock --nonblock \"\$1/c\" true || printf \"%s\" \"held\$DOKKU_LOCK_TOO\"" bash "$LOCKS"'
	assert_success held
}

@test "lock: an operation of which the app has gone while it waited is refused" {
	rm -rf "${DOKKU_ROOT:?}/ghost"
	dokku locked ghost ps:scale touch "$BATS_TEST_TMPDIR/ran"
	assert_refused "App ghost does not exist: it was destroyed or renamed meanwhile"
	assert_absent "$BATS_TEST_TMPDIR/ran"
	dokku locked .global config:set true
	assert_success
}

# stores - runs a command that only stores a setting.
stores() {
	: >"$STEPS"
	dokku config:set --no-restart web A=1
	assert_status 0
}

@test "lock: a command that only stores settings reconciles where something was left, only" {
	transaction_world
	ln -s "$PLUGIN_CORE_AVAILABLE_PATH/config" "$PLUGIN_PATH/config"
	hook fake pre-change </dev/null
	rm -rf "$DOKKU_LIB_ROOT/data/releases/web/2"
	local dir=$DOKKU_LIB_ROOT/data/releases/web/1
	stores
	assert_steps "pre-change web config:set A"
	for left in "$DOKKU_LIB_ROOT/lock/web" "$dir/pending-ENV" "$dir/pending-scale" \
		"$DOKKU_ROOT/web/made-from" "$DOKKU_LIB_ROOT/data/releases/web/canary"; do
		printf '1 10:00:00 ps:scale\n' >"$left"
		stores
		assert_equal "reconcile web 1" "$(grep ^reconcile "$STEPS")" "with ${left##*/}"
		rm -f "$DOKKU_ROOT/web/made-from"
		stores
		assert_steps "pre-change web config:set A"
	done
	make_release web 2
	stores
	assert_equal "reconcile web 1" "$(grep ^reconcile "$STEPS")"
}

@test "lock: reconcile leaves a busy app to whoever holds the lock" {
	transaction_world
	hold web
	dokku reconcile web
	assert_success ""
	assert_steps ""
}

@test "lock: one app's does not hold up another" {
	transaction_world
	hold web
	make_app blog
	code "" 'lock_app blog "a change" printf done'
	assert_success "done"
}

# waits_for_it [NAME=VALUE…] - requires that a change of web waits for the lock, says so, and then
# succeeds.
waits_for_it() {
	hold web
	printf '%s 12:34:56 git push 3f2c1ab\n' "$worker" >"$DOKKU_LIB_ROOT/lock/web"
	# The caller may read this file before the job has opened it.
	: >"$BATS_TEST_TMPDIR/err"
	env "$@" bash -euo pipefail -c 'source "$PLUGIN_CORE_AVAILABLE_PATH/common/functions"
		lock_app web "a change" printf done' >"$BATS_TEST_TMPDIR/out" \
		2>"$BATS_TEST_TMPDIR/err" 3>&- &
	timeout 5 tail --follow --lines=+1 "$BATS_TEST_TMPDIR/err" | grep -q waiting
	assert_file "$BATS_TEST_TMPDIR/out" ""
	kill "$worker"
	wait "$!"
	assert_file "$BATS_TEST_TMPDIR/out" "done"
	assert_file "$BATS_TEST_TMPDIR/err" \
		"       web is busy: git push 3f2c1ab runs since 12:34:56 (process $worker): waiting, up to 10 s"
}

@test "lock: DOKKU_LOCK_WAIT waits for it" {
	transaction_world
	waits_for_it DOKKU_LOCK_WAIT=10
}

@test "lock: the setting waits for it, the app's before the global one; who asks has the last word" {
	transaction_world
	ln -s "$PLUGIN_CORE_AVAILABLE_PATH/apps" "$PLUGIN_PATH/apps"
	dokku apps:set web lock-wait 10
	assert_success "-----> web: lock-wait is now 10"
	dokku apps:set --global lock-wait 20
	waits_for_it X=Y
	dokku apps:set web lock-wait
	code "" \
		'value_of lock_wait web; printf " "; value_of lock_wait blog; printf " "
			DOKKU_LOCK_WAIT=0 value_of lock_wait web'
	assert_success "20 20 0"
	dokku apps:set web lock-wait 1x
	assert_refused 'apps:set: lock-wait wants a whole number of seconds from 0 to 86400,' \
		'not "1x"; nothing was changed'
}

@test "lock: --wait is an hour, --wait=SECONDS says how long" {
	hook fake subcommands/x <<<'printf "%s" "$DOKKU_LOCK_WAIT"'
	dokku --wait fake:x
	assert_success 3600
	dokku --wait=7 fake:x
	assert_success 7
	dokku --wait=x fake:x
	assert_refused '--wait=SECONDS: not a number: "x"' 2
}

@test "lock: is free within a second of kill -9 of its holder, whose work ends too" {
	hold web
	kill -9 "$holder"
	is_free web
	gone "$worker"
}

@test "lock: is free within a second of kill -9 of the work" {
	hold web
	kill -9 "$worker"
	is_free web
	gone "$holder"
}

@test "lock: an app that a pre-change hook keeps is changed by nobody, but reconciled" {
	transaction_world
	hook fake pre-change <<<'printf " !     %s is locked: not %s\n" "$@" >&2; exit 1'
	code "" 'lock_app web "a change" touch "$BATS_TEST_TMPDIR/changed"'
	assert_refused "web is locked: not a change"
	code "" 'transaction web "a push" touch "$BATS_TEST_TMPDIR/changed"'
	assert_status 1
	assert_absent "$BATS_TEST_TMPDIR/changed"
	dokku reconcile web
	assert_success ""
}

@test "lock: its file is emptied by an operation that ends well, and only then" {
	local file="$DOKKU_LIB_ROOT/lock/web"
	transaction_world
	code "" 'lock_app web "a change" true'
	assert_status 0
	[[ -e $file && ! -s $file ]]
	code "" 'lock_app web "a change" false'
	assert_status 1
	[[ $(<"$file") == *' a change' ]]
	# What tidies up beside it does not speak for it.
	code "" 'with_tidy_lock web true'
	[[ $(<"$file") == *' a change' ]]
	dokku reconcile web
	assert_status 0
	[[ ! -s $file ]]
	code "" 'lock_app web "a change" bash -c "kill -KILL \$\$"'
	[[ $(<"$file") == *' a change' ]]
}

@test "lock: what tidies up is waited for, and leaves a busy app alone" {
	transaction_world
	fifo at
	fifo go
	strict "" 'with_tidy_lock web bash -c "printf \"x\n\" >\"\$BATS_TEST_TMPDIR/at\"; read -r _ <\"\$BATS_TEST_TMPDIR/go\"; touch \"\$BATS_TEST_TMPDIR/tidied\""' 3>&- &
	heard at
	strict "" 'lock_app web "a change" test -e "$BATS_TEST_TMPDIR/tidied"' 3>&- &
	code "" 'with_tidy_lock web touch "$BATS_TEST_TMPDIR/twice"'
	assert_status 73
	printf 'x\n' >"$BATS_TEST_TMPDIR/go"
	wait "$!"
	hold web
	code "" 'with_tidy_lock web touch "$BATS_TEST_TMPDIR/twice"'
	assert_status 73
	assert_absent "$BATS_TEST_TMPDIR/twice"
}

@test "lock: a child that outlives its holder does not inherit it" {
	code "" \
		'with_lock web 0 bash -c \
			"setsid sleep 300 </dev/null >/dev/null 2>&1 3>&- & printf \"%s\n\" \$!"'
	printf '%s\n' "$output" >"$BATS_TEST_TMPDIR/pids"
	assert_status 0
	kill -0 "$output"
	is_free web
}

@test "lock: a deploy that is killed with -9 frees it, and its hook dies too" {
	transaction_world
	fifo at
	hook fake verify-deploy \
		<<<"printf '%s %s\n' \$\$ \$PPID >'$BATS_TEST_TMPDIR/at'; exec sleep 300"
	mv "$DOKKU_LIB_ROOT/data/releases/web/2" "$WORLD/built"
	strict "" 'lock_app web push bash -c "mv \"\$WORLD/built\" \"\$DOKKU_LIB_ROOT/data/releases/web/2\"; exec \"\$DOKKU\" deploy web 2"' \
		>"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	heard at
	skip_unless_held
	local pid work=${line% *}
	read -r pid _ <"$DOKKU_LIB_ROOT/lock/web"
	printf '%s\n' "$pid" "$work" >"$BATS_TEST_TMPDIR/pids"
	kill -9 "$pid"
	is_free web
	gone "$work"
	assert_equal 1 "$(current web)"
}

@test "lock: a deploy that is killed with -9 while it checks takes the checks with it" {
	transaction_world
	make_release web 2 web=1
	hook fake scheduler-start \
		<<<'printf "web 1 idA 10.86.128.2 5000\n" \
			>"$DOKKU_LIB_ROOT/data/releases/$2/$3/containers"'
	fifo at
	hook fake check-deploy <<<"printf '%s\n' \$\$ >'$BATS_TEST_TMPDIR/at'; exec sleep 300"
	DOKKU_LOCKED=web "$DOKKU" deploy web 2 >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	heard at
	printf '%s\n' "$!" "$line" >"$BATS_TEST_TMPDIR/pids"
	kill -9 "$!"
	gone "$line"
}

# skip_unless_held - skips the test if the deploy does not hold the lock yet.
skip_unless_held() { ! flock --nonblock "$DOKKU_LIB_ROOT/lock/web" true; }

@test "lock: the holder of one need not take it again" {
	transaction_world
	export DOKKU_LOCKED=web
	hold web
	code "" 'lock_app web "a change" false; printf "goes on"'
	assert_success "goes on"
	DOKKU_LOCKED=blog code "" 'lock_app web "a change" false; printf "goes on"'
	assert_status 1
}

# --- transaction: what outlives its client -----------------------------------------

@test "transaction: prints the log, keeps it, and returns the status" {
	transaction_world
	code "" \
		'transaction web "ps:restart" bash -c \
			"printf \"a line\n\"; printf \"a warning\n\" >&2; exit 5"'
	assert_status 5
	assert_output "a line
a warning"
	local dir=("$DOKKU_LIB_ROOT"/data/builds/web/*)
	assert_equal 1 "${#dir[@]}"
	assert_file "${dir[0]}/log" "a line
a warning"
	assert_file "${dir[0]}/status" 5
	assert_file "${dir[0]}/what" "ps:restart"
}

@test "transaction: goes on when its client is gone" {
	transaction_world
	fifo at
	fifo on
	strict "" 'transaction web "a push" bash -c "printf \"%s\n\" \$\$ >\"\$BATS_TEST_TMPDIR/at\"; read -r x <\"\$BATS_TEST_TMPDIR/on\"; printf \"%s\n\" \"\$x\""' \
		>/dev/null 2>&1 3>&- &
	local client=$!
	heard at
	printf '%s\n' "$line" >"$BATS_TEST_TMPDIR/pids"
	kill -9 "$client"
	wait "$client" || true
	printf 'went on\n' >"$BATS_TEST_TMPDIR/on"
	gone "$line"
	is_free web
	local dir=("$DOKKU_LIB_ROOT"/data/builds/web/*)
	gone "$(<"${dir[0]}/pid")"
	assert_file "${dir[0]}/log" "went on"
	assert_file "${dir[0]}/status" 0
}

@test "transaction: one that was killed before it went live says so" {
	transaction_world
	rm -r "$DOKKU_LIB_ROOT/data/releases/web/2"
	code "" \
		'transaction web "a push" bash -c \
			"kill -9 \$(cat \"\$DOKKU_LIB_ROOT\"/data/builds/web/*/pid) \$PPID"'
	assert_status 1
	assert_error " !     a push was killed before it went live: web is still at v1"
}

@test "transaction: one whose deploy was killed, though not its job, says what became of it" {
	transaction_world
	rm -r "$DOKKU_LIB_ROOT/data/releases/web/2"
	code "" 'transaction web "a push" bash -c "kill -9 \$\$"'
	assert_error " !     a push was killed before it went live: web is still at v1"
}

@test "transaction: one that was killed after its commit is told as live" {
	transaction_world
	code "" 'transaction web "a push" bash -c "
		mkdir \"\$DOKKU_LIB_ROOT/data/releases/web/2\"
		basename \"\$DOKKU_LIB_ROOT\"/data/builds/web/* >\"\$DOKKU_LIB_ROOT/data/releases/web/2/build\"
		printf \"2\n\" >\"\$DOKKU_LIB_ROOT/data/releases/web/current\"
		kill -9 \$(cat \"\$DOKKU_LIB_ROOT\"/data/builds/web/*/pid) \$PPID"'
	assert_status 0
	assert_output "       a push was killed after it had gone live: web is at v2"
}

@test "transaction: what fails after it is live has not failed" {
	transaction_world
	code "" 'transaction web "a push" bash -c "
		mkdir -p \"\$DOKKU_LIB_ROOT/data/releases/web/2\"
		basename \"\$DOKKU_LIB_ROOT\"/data/builds/web/* >\"\$DOKKU_LIB_ROOT/data/releases/web/2/build\"
		printf \"2\n\" >\"\$DOKKU_LIB_ROOT/data/releases/web/current\"
		exit 1"'
	assert_status 0
	assert_output " !     a push: it is live, but a step after that failed: see above." \
		"The watch tries it again"
	assert_file "$(echo "$DOKKU_LIB_ROOT"/data/builds/web/*/status)" 0
	# The note by which the watch finds the app.
	[[ -s $DOKKU_LIB_ROOT/lock/web ]]
}

# job_killed WHAT - kills only the process of a transaction that records its status. The work
# continues until the named pipe on is written to, and then runs WHAT.
job_killed() {
	fifo at
	fifo on
	strict "" 'transaction web "a push" bash -c "printf \"%s\n\" \$\$ >\"\$BATS_TEST_TMPDIR/at\"; read -r x <\"\$BATS_TEST_TMPDIR/on\"; $1"' "$1" \
		>"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	client=$!
	heard at
	printf '%s\n' "$line" >"$BATS_TEST_TMPDIR/pids"
	kill -9 "$(cat "$DOKKU_LIB_ROOT"/data/builds/web/*/pid)"
}

@test "transaction: where only its job was killed, what goes on is waited for" {
	local client code=0
	transaction_world
	rm -r "$DOKKU_LIB_ROOT/data/releases/web/2"
	job_killed 'mkdir "$DOKKU_LIB_ROOT/data/releases/web/2"
		basename "$DOKKU_LIB_ROOT"/data/builds/web/* >"$DOKKU_LIB_ROOT/data/releases/web/2/build"
		printf "2\n" >"$DOKKU_LIB_ROOT/data/releases/web/current"'
	printf 'x\n' >"$BATS_TEST_TMPDIR/on"
	wait "$client" || code=$?
	assert_file "$BATS_TEST_TMPDIR/out" \
		"       a push was killed after it had gone live: web is at v2"
	assert_equal 0 "$code"
}

@test "transaction: what goes on for too long is told as not known, status 75" {
	local client code=0
	transaction_world
	export DOKKU_LOST_WAIT=0.1
	job_killed true
	wait "$client" || code=$?
	assert_equal 75 "$code"
	assert_file "$BATS_TEST_TMPDIR/out" " !     web: whether a push goes live is not known yet, it is still at work: see dokku releases:list web"
	printf 'x\n' >"$BATS_TEST_TMPDIR/on"
	is_free web
}

@test "transaction: where it cannot be known how it ended, status 75" {
	transaction_world
	hook fake reconcile <<<'[[ ! -e $BATS_TEST_TMPDIR/broken ]]'
	code "" 'transaction web "a push" bash -c "
		touch \"\$BATS_TEST_TMPDIR/broken\"
		kill -9 \$(cat \"\$DOKKU_LIB_ROOT\"/data/builds/web/*/pid) \$PPID"'
	assert_status 75
	assert_error_like "*a push was killed, and whether it went live is not known:" \
		"see dokku releases:list web"
}
