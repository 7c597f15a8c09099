#!/usr/bin/env bats
# A command's words against the usage in its own header, and that no command of ours passes over a
# word.

load helper

setup() {
	world
	# shellcheck source=plugins/common/lib/header
	source "$PLUGIN_CORE_AVAILABLE_PATH/common/lib/header"
}

# command USAGE - makes the command t:do with this usage, which prints its arguments and options.
command() {
	made_plugins
	mkdir -p "$PLUGIN_PATH/t/subcommands"
	cat >"$PLUGIN_PATH/t/subcommands/do" <<-BODY
		#!/usr/bin/env bash
		# Summary: Do it
		# Usage: dokku t:do $1
		# More about it.
		source "\$PLUGIN_CORE_AVAILABLE_PATH/common/strict"
		printf '<%s>' "\$@"
		for name in "\${!option[@]}"; do printf ' %s=%s' "\$name" "\${option[\$name]}"; done
	BODY
	chmod +x "$PLUGIN_PATH/t/subcommands/do"
	usage=$1
}

# gives WORDS WANTED - requires that t:do takes WORDS, split at blanks, as WANTED.
gives() {
	local words
	read -r -a words <<<"$1"
	dokku t:do "${words[@]}"
	assert_success "$2"
}

# refuses WORDS MESSAGE
refuses() {
	local words
	read -r -a words <<<"$1"
	dokku t:do "${words[@]}"
	assert_refused "t:do: $2; nothing was done." \
		"Please retry with valid arguments. Usage: dokku t:do $usage" 2
}

@test "options stand anywhere, with =, short and long; -- ends them" {
	command '[-t|--tail] [-n|--num N] APP'
	make_app web
	gives "web" "<web>"
	gives "-t web" "<web> tail=1"
	gives "web --tail" "<web> tail=1"
	gives "web -n 5" "<web> num=5"
	gives "--num=7 web" "<web> num=7"
	gives "web -n7" "<web> num=7"
	gives "-- web" "<web>"
	refuses "-- web -t" '"-t" is one argument too many'
	refuses "web --num" "--num wants a value"
	refuses "web --num x" '--num wants a whole number, not "x"'
	refuses "web -nx" '-n wants a whole number, not "x"'
	refuses "web --tail=1" "--tail takes no value"
	refuses "web -tn5" "there is no option -tn5"
	refuses "web --nu 5" "there is no option --nu"
	refuses "web -" '"-" is one argument too many'
}

@test "as many arguments as the usage says, no half of a pair" {
	command 'APP [CRT KEY]'
	make_app web
	gives "web" "<web>"
	gives "web a b" "<web><a><b>"
	gives "web -1 -2" "<web><-1><-2>"
	refuses "web a" "KEY is missing"
	refuses "web a b c" '"c" is one argument too many'
	refuses "" "APP is missing"
	dokku t:do nope
	assert_refused "App nope does not exist"
	dokku t:do web "" ""
	assert_success "<web><><>"
}

@test "alternatives, lists, and the words of a command, which are left alone" {
	command '[--skip] APP|--global crt|key [NAME...]'
	make_app web
	gives "--global key" "<--global><key>"
	gives "web crt a b c --skip" "<web><crt><a><b><c> skip=1"
	refuses "web both" '"both" is not one of crt, key'
	refuses "web" "crt|key is missing"
	refuses "web crt --global" "there is no option --global"
	command 'APP NAME...'
	refuses "web" "NAME is missing"
	command 'APP|--global NAME=VALUE...'
	gives "web a=1 b= c==" "<web><a=1><b=><c==>"
	refuses "web a=1 b" '"b" is not NAME=VALUE'
	command '[--no-tty] APP COMMAND...'
	gives "--no-tty web ls -l --help -- x" "<web><ls><-l><--help><--><x> no-tty=1"
	refuses "--nope web ls" "there is no option --nope"
	gives "web -- -l" "<web><-l>"
	refuses "web" "COMMAND is missing"
}

@test "an option that may be repeated, and words that may begin with a hyphen" {
	command '[--type TYPE]... [--one A] NAME WORD...'
	gives '--type a --type=b x -v y --one z' $'<x><-v><y><--one><z> type=a\nb'
	gives '--one 1 --one 2 x y' '<x><y> one=2'
	refuses '--type a x' 'WORD is missing'
	refuses '-v x y' 'there is no option -v'
}

@test "a new app's name, and a plugin that must exist" {
	command 'NEW-APP'
	gives "shop" "<shop>"
	dokku t:do Shop
	assert_refused 'not an app name: "Shop": use lower case letters, digits,' \
		'dots and hyphens, at most 63'
	command 'PLUGIN'
	dokku t:do nope
	assert_refused 'Specified plugin not enabled or installed: "nope": dokku plugin:list' \
		'shows all plugins'
	dokku t:do ../nope
	assert_refused 'Invalid plugin name specified: "../nope": dokku plugin:list shows the names'
	mkdir "$PLUGIN_AVAILABLE_PATH/nope"
	gives "nope" "<nope>"
}

@test "a usage of several lines is one, and Root: only refuses other users" {
	command 'APP'
	sed \
		-i -e '3a #     [--format a|b] [NAME]\n# Root: only\n# Dokku: new; one\n#     two: three' "$PLUGIN_PATH/t/subcommands/do"
	usage='APP [--format a|b] [NAME]'
	make_app web
	gives "web x --format b" "<web><x> format=b"
	refuses "web --format c" 'Invalid output format "c": --format wants one of a, b'
	gives "--help" "Do it
    dokku t:do APP [--format a|b] [NAME]
     More about it.
     Dokku: new; one two: three"
	chmod -R go+rX "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR"
	got setpriv --reuid nobody --clear-groups "$PLUGIN_PATH/t/subcommands/do" web
	assert_refused "t:do is for root, on the server: sudo dokku t:do"
}

@test "--help anywhere shows the help, and does nothing; --quiet is everybody's" {
	command '[--force] APP'
	dokku t:do nope --force --help
	assert_status 1
	make_app web
	for words in "--help" "-h" "web --force --help"; do
		gives "$words" "Do it
    dokku t:do [--force] APP
     More about it."
	done
	gives "web --quiet" "<web>"
}

@test "a report's flag is one long option without a value" {
	command '[--format json] [--FLAG] [APP|--all]'
	gives "--running" "<> FLAG=running"
	gives "--all --format json" "<--all> format=json"
	refuses "--running --stopped" "only one of --running and --stopped can be given"
	refuses "--format yaml" 'Invalid output format "yaml": --format wants one of json'
	refuses "--Running" "there is no option --Running"
}

# --- every command -----------------------------------------------------------

# digest - prints all that a command could have changed: files, calls of programs, hooks that ran.
digest() {
	(cd "$WORLD" &&
		find . -path ./home -prune -o -type f -printf '%p %m ' -exec cat {} + \
			-o -printf '%p %m\n') | sha256sum
	# Reading from the engine changes nothing, so such requests do not count.
	grep -hv '^engine GET ' "$CALLS" "$STEPS" || true
}

# commands - "WORD FILE" of each command that there is.
commands() {
	local file files word
	command_files
	for file in "${files[@]}"; do
		# Other tests make it.
		[[ $file != */fake/* ]] || continue
		command_word word "$file"
		printf '%s %s\n' "$word" "$file"
	done
}

# unchanged WORD ARG… - requires that the command is refused in one line with exit status 2, or
# shows its help, and that the digest is still $before.
unchanged() {
	local after
	dokku "$@" </dev/null
	after=$(digest)
	[[ $after == "$before" ]] || differ "$* changed something" "$before" "$after" || return
	if [[ ${*: -1} == --help ]]; then
		assert_status 0 && assert_error "" && [[ $output == *"dokku $1"* ]] || return 1
	else
		assert_status 2 && assert_output "" && assert_error_like " !     *" &&
			[[ $stderr != *$'\n'* ]]
	fi
}

# words_for USAGE - one word for each argument that must be there, and for those that may.
words_for() {
	local text place
	text=$(sed -e 's/\[-[^]]*\]\(\.\.\.\)\?//g' -e 's/[][]//g' <<<"$1")
	for place in $text; do
		place=${place%...}
		case $place in
		APP*) printf 'web\n' ;;
		PLUGIN) printf 'checks\n' ;;
		*=*) printf 'a=1\n' ;;
		[A-Z]*) printf 'word\n' ;;
		*) printf '%s\n' "${place%%|*}" ;;
		esac
	done
}

@test "every command: an unknown option, one argument too many, one too few, --help: nothing is done" {
	local word file usage words before failed=0 count=0
	make_app web
	make_release web 1 web=1
	: >"$DOKKU_LIB_ROOT/data/releases/web/1/steps"
	make_current web 1
	mkdir -p "$DOKKU_LIB_ROOT/data/builds/web/20261128-120000-1"
	printf 'git push\n' >"$DOKKU_LIB_ROOT/data/builds/web/20261128-120000-1/what"
	# The first command makes folders that are missing.
	dokku apps:list
	mkdir "$PLUGIN_AVAILABLE_PATH/checks"
	before=$(digest)
	while read -r word file; do
		read_header "$file"
		usage=${header[Usage]#"$word"}
		mapfile -t words < <(words_for "$usage")
		unchanged "$word" "${words[@]:0:1}" --no-such-option || failed=1
		unchanged "$word" --help || failed=1
		if [[ $usage != *...* ]]; then
			unchanged "$word" "${words[@]}" one-too-many || failed=1
		fi
		# What stands outside of brackets must be there.
		if [[ -n $(sed 's/\[[^]]*\]//g; s/ //g' <<<"$usage") ]]; then
			unchanged "$word" || failed=1
		fi
		((++count))
	done < <(commands)
	[[ $failed -eq 0 && $count -gt 90 ]]
}

@test "an option that may be given several times: each value counts, in the order they are given" {
	command '[-e|--env NAME=VALUE]... [-n|--num N] APP'
	sed -i 's/^for name.*/printf " %s" "${#repeated[@]}"; printf " {%s}" "${repeated[@]}"/' "$PLUGIN_PATH/t/subcommands/do"
	make_app web
	gives "web" "<web> 0 {}"
	gives "-e A=1 web --env=B=2 -n5 -eC=a=b" "<web> 3 {env=A=1} {env=B=2} {env=C=a=b}"
	gives "--num 5 --num 6 web" "<web> 0 {}"
	refuses "-e A=1 -e B web" '"B" is not NAME=VALUE'
	dokku t:do -e $'A=x y\nz' web
	assert_success $'<web> 1 {env=A=x y\nz}'
}
