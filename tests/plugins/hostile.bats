#!/usr/bin/env bats
# shellcheck disable=SC2016 # code for other shells
# Hostile guests: whatever the hook of an installed plugin does, an app that does not use the plugin
# is deployed, removed and answered for, and the plugin is named in one line.

load ../helper

setup() {
	world
	made_plugins apps
	make_app web
}

# How a hook may fail. A line is NAME | STATUS | code, where STATUS is what the message says, "-" if
# the hook is no failure, or "ignored".
kinds() {
	cat <<-'KINDS'
		exits | ended with status 3 | exit 3
		hangs | ended with status 124 because it took more than 1 s | trap '' TERM; while :; do sleep 0.1; done
		prints escapes | ended with status 4 | printf 'a\033]0;title\007b\r\n\033[2J' >&2; exit 4
		kills its parent | ended with status 137, by signal 9 | kill -9 "$PPID"; sleep 30
		ends its parent | ended with status 143, by signal 15 | kill "$PPID"; sleep 30
		fills the disk | ended with status 125 because it printed more than 10 MB | exec yes
		reads stdin | - | cat >/dev/null; { read -r x </dev/tty; } 2>/dev/null || true
		leaves children | - | sleep 300 & echo "$!" >"$TEST_HOST/child"
		unset variables | ended with status 1 | set -u; echo "$nothing"
		no run bit | ignored | exit 1
		a folder | ignored |
		a dangling link | ignored |
		another interpreter | ended with status 127, as of a program that cannot be run | exit 0
	KINDS
}

# make_guest HOOK NAME CODE - makes the guest bad with this HOOK.
make_guest() {
	local file=$PLUGIN_PATH/bad/$1
	rm -rf "$PLUGIN_PATH/bad"
	mkdir -p "${file%/*}"
	case $2 in
	'a folder') mkdir "$file" ;;
	'a dangling link') ln -s /nowhere "$file" ;;
	'another interpreter') printf '#!/nowhere/sh\n' >"$file" ;;
	*) printf '#!%s\n%s\n' "$INTERPRETER" "$3" >"$file" ;;
	esac
	[[ $2 == no* || $2 == 'a '* ]] || chmod +x "$file"
}

# try HOW HOOK STATUS - for each kind of guest, runs HOOK by the function HOW for the app web. It
# has to end with STATUS, or with 0 if the kind is no failure, and to name the guest once.
try() {
	local how=$1 hook=$2 wanted=$3 name text code
	while IFS='|' read -r name text code; do
		name=${name% } text=${text# } text=${text% }
		make_guest "$hook" "$name" "$code"
		DOKKU_GUEST_SECONDS=1 code "" '"$@" web image' "$how" "$hook" <<<mine
		[[ $text != - && $text != ignored ]] || assert_status 0
		[[ $text == - || $text == ignored || $wanted == any ]] || assert_status "$wanted"
		named_once "$name" "$text"
		[[ $how != filter ]] || assert_output mine
		if [[ $name == 'leaves children' ]]; then
			gone "$(<"$TEST_HOST/child")"
		fi
	done < <(kinds)
}

# named_once NAME TEXT - requires that one line of stderr names the plugin, and that nothing there
# can control a terminal.
named_once() {
	local lines count
	[[ $stderr != *[$'\e\a\r']* ]] || differ "$1: escapes" "" "$stderr"
	if [[ $2 == - ]]; then
		# A filter that prints nothing is told so.
		[[ $stderr != *'is not used'* ]] || stderr=""
		assert_equal "" "$stderr" "$1"
		return
	fi
	lines=$(grep 'the plugin bad ' <<<"$stderr") || true
	count=$(grep -c . <<<"$lines") || true
	assert_equal 1 "$count" "$1: lines that name it; all: $stderr"
	if [[ $2 == ignored ]]; then
		[[ $lines == *'is ignored'* || $lines == *'it is ignored; chmod +x '* ]]
	else
		[[ $lines == *": its hook "*" $2; dokku plugin:disable bad turns it off" ]] ||
			differ "$1" "$2" "$lines"
	fi
}

@test "hostile guests: no removal and no deploy fails by a hook that may only take note" {
	try trigger pre-start 0
	try trigger pre-delete 0
	try trigger post-create 0
}

@test "hostile guests: what only answers is left out" {
	try filter docker-args-deploy 0
	try first_answer app-domains 0
	try first_answer ports-domains 0
	try first_answer release-exclusive 0
}

@test "hostile guests: a failing notification is told, and the other plugins still hear it" {
	hook fake post-deploy </dev/null
	mv "$PLUGIN_PATH/fake" "$PLUGIN_PATH/later"
	try notify post-deploy any
	[[ $(grep -c 'post-deploy web image' "$STEPS") -eq $(kinds | grep -c .) ]]
}

@test "hostile guests: an accident refuses no deploy, a refusal does" {
	local name text code
	while IFS='|' read -r name text code; do
		make_guest pre-deploy "${name% }" "$code"
		DOKKU_GUEST_SECONDS=1 code "" 'trigger pre-deploy web image'
		case $name in
		'exits '*) assert_status 3 ;;
		'prints escapes '*) assert_status 4 ;;
		'unset variables '*) assert_status 1 ;;
		*) assert_status 0 ;;
		esac
	done < <(kinds)
}

@test "hostile guests: an app that uses the plugin is not deployed without it" {
	local hook where
	for where in config/bad/web data/bad/web; do
		mkdir -p "$DOKKU_LIB_ROOT/$where"
		for hook in pre-deploy pre-build post-build; do
			make_guest "$hook" x 'kill -9 "$$"'
			code "" 'trigger "$1" web image' "$hook"
			assert_status 137
			named_once x 'ended with status 137, by signal 9'
		done
		make_guest docker-args-deploy x 'exit 3'
		code "" 'filter docker-args-deploy web image' <<<mine
		assert_status 3
		rm -r "${DOKKU_LIB_ROOT:?}/$where"
	done
	mkdir -p "$DOKKU_LIB_ROOT/services/bad/db"
	printf 'other\nweb\n' >"$DOKKU_LIB_ROOT/services/bad/db/LINKS"
	make_guest app-port x 'exit 3'
	code "" 'first_answer app-port web'
	assert_status 3
	code "" 'first_answer app-port we'
	assert_status 0
}

@test "hostile guests: a check is never skipped, and a scheduler is not left out" {
	local hook
	for hook in check-deploy verify-deploy user-auth scheduler-start builder-build; do
		make_guest "$hook" x 'kill -9 "$PPID"; sleep 9'
		code "" 'trigger "$1" web image' "$hook"
		assert_status 137
	done
	make_guest scheduler-alive x 'exec yes'
	code "" 'first_answer scheduler-alive docker-local web 1 web.1'
	assert_status 125
}

@test "a guest's answer is data, and its messages are made safe" {
	make_guest app-domains x 'printf "a\033[1mb\n"; printf "c\033]0;d\n" >&2'
	code "" 'first_answer app-domains web'
	assert_success_but_error $'a\e[1mb' 'c?]0;d'
}

assert_success_but_error() {
	assert_status 0
	assert_output "$1"
	assert_error "$2"
}

@test "a guest's scheduler may speak with whoever runs the command for as long as it takes" {
	rm "$PLUGIN_PATH/scheduler-docker-local/scheduler-enter"
	make_guest scheduler-enter x 'sleep 0.5; printf "\033[2Jdone"'
	DOKKU_GUEST_SECONDS=0.1 code "" 'trigger scheduler-enter theirs web'
	assert_success $'\e[2Jdone'
}

@test "commands: a folder with the name of a command is no command" {
	mkdir -p "$PLUGIN_PATH/bad/subcommands/go"
	dokku bad:go
	assert_refused "\`bad:go\` is not a dokku command. See \`dokku help\` for a list of available commands."
}

@test "heal: a guest that hangs, fails or shouts holds up no repair of others" {
	ln -s "$PLUGIN_CORE_AVAILABLE_PATH/watch" "$PLUGIN_PATH/"
	hook fake heal <<<'echo fake'
	make_guest heal x 'printf "\033[2J"; exec sleep 60'
	DOKKU_GUEST_SECONDS=0.3 got "$PLUGIN_CORE_AVAILABLE_PATH/watch/libexec/heal-host"
	assert_status 0
	[[ $stderr == *'fake'* && $stderr != *$'\e'* ]]
}
