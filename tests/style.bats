#!/usr/bin/env bats
# The house style of the Bash part, as far as a program can tell. What shellcheck and shfmt
# can tell is tests/lint's.

load helper

setup() { cd "$REPO" || return; }

# shell_files - dokku and the files of plugins, root helpers and sourced ones included.
shell_files() { find dokku plugins -type f ! -name '*.jq' ! -name '*.[ch]' ! -name '*.mk' ! -name settings -o -path plugins/common/lib/settings | sort; }

# hooks_and_commands - those that are run.
hooks_and_commands() { shell_files | grep -v -e '/functions$' -e '/common/strict$' -e '^plugins/[a-z-]*/lib/' -e '/releases$' -e '/common/engine$' -e '/common/docker$' -e '/services/watch$' -e '/root/render$' -e '/root/reload$' -e '/root/strangers$' -e '/root/bridge$' -e '^dokku$'; }

# none - stdin has to be empty: each line of it is a finding.
none() {
	local text
	text=$(cat)
	[[ -z $text ]] || {
		printf 'against the style:\n%s\n' "$text"
		return 1
	}
}

# function_lengths FILE… - FILE NAME LINES of every function that is not on one line.
function_lengths() {
	awk '/^[a-z_]+\(\) [{(]$/ { name = $1; start = FNR } /^[})]/ && name { print FILENAME, name, FNR - start + 1; name = "" }' "$@"
}

@test "none: shows what it finds" {
	none </dev/null
	run none <<<"x: 1"
	[[ $status -eq 1 && $output == *"x: 1" ]]
}

@test "function_lengths: counts the lines of a function, from its name to its end" {
	printf 'short() { :; }\nlong() {\n\t:\n\t{\n\t}\n}\n' >"$BATS_TEST_TMPDIR/file"
	assert_equal "$BATS_TEST_TMPDIR/file long() 5" "$(function_lengths "$BATS_TEST_TMPDIR/file")"
}

@test "a function has at most 30 lines" {
	mapfile -t files < <(shell_files)
	function_lengths "${files[@]}" | awk '$3 > 30' | none
}

@test "a hook or command has at most 120 lines, but for the root helpers" {
	hooks_and_commands | grep -v /root/ | xargs wc -l | awk '$2 != "total" && $1 > 120' | none
}

@test "every subcommand starts with its summary and its usage" {
	local file
	for file in plugins/*/subcommands/*; do
		[[ $(sed -n 2p "$file") =~ ^'# Summary: '[A-Za-z] && $(sed -n 3p "$file") =~ ^'# Usage: dokku '[a-z] ]] || printf '%s\n' "$file"
	done | none
}

@test "the usage names the command that the path makes" {
	local file plugin name word
	for file in plugins/*/subcommands/*; do
		plugin=${file#plugins/} name=${file##*/}
		plugin=${plugin%%/*}
		word=$plugin:$name
		[[ $name != default ]] || word=$plugin
		[[ "$(sed -n 3p "$file") " == "# Usage: dokku $word "* ]] || printf '%s: not %s\n' "$file" "$word"
	done | none
}

@test "every hook says what it is, and what is not executable is sourced" {
	local file
	while IFS= read -r file; do
		[[ -x $file ]] || printf '%s is not executable\n' "$file"
		[[ $file == */subcommands/* || $file == */root/* || $(sed -n 2p "$file") =~ ^'# '(Hook|none): ]] || printf '%s: its second line\n' "$file"
	done < <(hooks_and_commands) | none
}

@test "every executable is strict; sourced files start with shellcheck's line and do nothing" {
	local file
	while IFS= read -r file; do
		grep -qxF -e 'set -euo pipefail' -e 'source "$PLUGIN_CORE_AVAILABLE_PATH/common/strict"' "$file" || printf '%s\n' "$file"
		[[ $(head -n 1 "$file") =~ ^'#!/'(usr/bin/env\ bash|bin/bash\ -p)$ ]] || printf '%s: its first line\n' "$file"
	done < <(hooks_and_commands && printf 'dokku\n') | none
	for file in plugins/*/functions plugins/common/strict plugins/*/lib/* plugins/common/releases plugins/common/docker plugins/common/engine plugins/nginx-vhosts/root/render plugins/nginx-vhosts/root/reload \
		plugins/services/root/strangers plugins/services/root/bridge plugins/services/watch; do
		[[ $(head -n 1 "$file") == '# shellcheck shell=bash' && ! -x $file ]] || printf '%s\n' "$file"
	done | none
}

@test "whoever sources common/functions has inherit_errexit" {
	shell_files | xargs grep -l '^source "$PLUGIN_CORE_AVAILABLE_PATH/common/functions' | xargs grep -L '^shopt -s inherit_errexit nullglob$' | none
}

@test "no eval, no echo, no ls in a pipe, no cat of one file into a pipe" {
	mapfile -t files < <(shell_files)
	grep -nE '(^|[;&|({[:space:]])(eval|echo) ' "${files[@]}" | grep -vE '^[^:]*:[0-9]+:[[:space:]]*#' | none
	grep -nE '\bls [^|]*\|[^|]|\bcat [^|<>]+ \|[^|]' "${files[@]}" | grep -vE 'cat - |cat /dev/null' | none
}

@test "nothing stops reading a pipe early: under pipefail, SIGPIPE would fail its writer" {
	mapfile -t files < <(shell_files)
	grep -nE '\| *(head|grep -[a-zA-Z]*q)' "${files[@]}" | grep -vE '^[^:]*:[0-9]+:[[:space:]]*#' | none
}

@test "local never hides the status of a substitution" {
	mapfile -t files < <(shell_files)
	grep -nE '^\s*(local|readonly|export)( -[a-zA-Z]+)? [^#]*=("?)\$\([^(]' "${files[@]}" | none
}

@test "tabs, no blanks at the ends of lines, a newline at the end of the file" {
	local file
	mapfile -t files < <(shell_files)
	grep -nE '[[:blank:]]+$' "${files[@]}" | none
	files+=(tests/helper.bash tests/*.bats tests/plugins/*.bats)
	for file in "${files[@]}"; do
		[[ -z $(tail -c 1 "$file") ]] || printf '%s\n' "$file"
	done | none
}

@test "what sudo or make starts needs nothing of dokku's environment" {
	local file
	for file in plugins/common/uninstall plugins/nginx-vhosts/root/apply; do
		run timeout 10 env -i PATH="$PATH" "$file" </dev/null
		[[ $status -eq 1 && $output == " !     "* ]] || printf '%s: %s\n' "$file" "$output"
	done | none
}

@test "no plugin is known to dokku by name" {
	local name
	for name in plugins/*/; do
		name=${name#plugins/}
		printf '%s\n' "${name%/}"
	done | grep -vxE 'common|config|url|git|run|checks|plugin' | while IFS= read -r name; do
		grep -nE "plugins/$name\b|\\\$PLUGIN[A-Z_]*/$name\b" dokku || true
	done | none
}
