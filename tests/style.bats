#!/usr/bin/env bats
# The house style of the Bash part, as far as a program can tell. What shellcheck and shfmt
# can tell is tests/lint's.

load helper

setup() { cd "$REPO" || return; }

# shell_files - dokku and the files of plugins, root helpers and sourced ones included.
shell_files() {
	find dokku plugins -type f ! -name '*.jq' ! -name '*.[ch]' ! -name '*.mk' ! \
		-path 'plugins/*/settings' ! -path plugins/common/hooks \
		-o -path plugins/common/lib/settings |
		sort
}

# hooks_and_commands - those that are run.
hooks_and_commands() {
	shell_files |
		grep -v -e '/functions$' -e '/plugin\.toml$' -e '/common/strict$' \
			-e '^plugins/[a-z-]*/lib/' -e '^plugins/common/guest/[a-z]*$' \
			-e '^plugins/common/client/' \
			-e '/[a-z]*-functions$' \
			-e '/releases$' -e '/common/lib/engine-start$' -e '/watch/functions$' \
			-e '/root/render$' -e '/root/reload$' -e '/root/certificate$' -e '/root/strangers$' \
			-e '/root/bridge$' -e '/root/conflicts$' -e '/root/template$' -e '/root/template-limits$' -e '^dokku$'
}

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
	awk '
		/^[a-z_]+\(\) [{(]$/ { name = $1; start = FNR }
		/^[})]/ && name { print FILENAME, name, FNR - start + 1; name = "" }' "$@"
}

@test "none: shows what it finds" {
	none </dev/null
	run none <<<"x: 1"
	[[ $status -eq 1 && $output == *"x: 1" ]]
}

@test "function_lengths: counts the lines of a function, from its name to its end" {
	printf 'short() { :; }\nlong() {\n\t:\n\t{\n\t}\n}\n' >"$BATS_TEST_TMPDIR/file"
	assert_equal "$BATS_TEST_TMPDIR/file long() 5" \
		"$(function_lengths "$BATS_TEST_TMPDIR/file")"
}

@test "a function has at most 30 lines" {
	mapfile -t files < <(shell_files)
	function_lengths "${files[@]}" | awk '$3 > 30' | none
}

@test "a hook or command has at most 120 lines, but for the root helpers" {
	hooks_and_commands | grep -v /root/ | xargs wc -l | awk '$2 != "total" && $1 > 120' | none
}

@test "no line of the product has more than 100 columns" {
	local file
	# A word of a usage cannot be split.
	while IFS= read -r file; do
		expand --tabs=8 "$file" | grep -nE '^.{101}' | grep -v '^[0-9]*:#     \[--' |
			sed "s,^,$file:,"
	done < <(shell_files) | none
}

# wide_lines FILE… - FILE:LINE:TEXT of each line over 100 columns, but for names of tests and for
# what shellcheck reads.
wide_lines() {
	local file
	for file in "$@"; do
		expand --tabs=8 "$file" | LC_ALL=C.UTF-8 grep -nE '^.{101}' |
			grep -vE '^[0-9]+:(@test | *# shellcheck )' | sed "s,^,$file:," || true
	done
}

@test "wide_lines: counts characters and tabs, and leaves out names of tests" {
	local file=$BATS_TEST_TMPDIR/file
	printf '%.0s…' {1..100} >"$file"
	printf '\n\t%093d\n@test "%0100d" {\n# shellcheck disable=%0100d\n' 1 2 3 >>"$file"
	assert_equal "$file:2" "$(wide_lines "$file" | cut -d : -f 1,2)"
}

# Texts that are expected, and configs, stand as they are. Anything else fits.
@test "no comment of the tests has more than 100 columns, and 15 in 1,000 other lines at most" {
	local files wide
	mapfile -t files \
		< <(git ls-files --cached --others --exclude-standard tests | grep -v '/corpus/' |
			xargs grep -lE '^(#!.*(bash|bats|/sh)$|# shellcheck shell=bash$)')
	wide=$(wide_lines "${files[@]}")
	grep -E '^[^:]*:[0-9]+: *# ' <<<"$wide" | none
	[[ $(($(wc -l <<<"$wide") * 1000)) -le $((15 * $(cat "${files[@]}" | wc -l))) ]]
}

@test "every subcommand starts with its summary and its usage" {
	local file
	for file in plugins/*/subcommands/*; do
		[[ $(sed -n 2p "$file") =~ ^'# Summary: '[A-Za-z] &&
		$(sed -n 3p "$file") =~ ^'# Usage: dokku '[a-z] ]] || printf '%s\n' "$file"
	done | none
}

@test "the usage names the command that the path makes" {
	local file plugin name word
	for file in plugins/*/subcommands/*; do
		plugin=${file#plugins/} name=${file##*/}
		plugin=${plugin%%/*}
		word=$plugin:$name
		[[ $name != default ]] || word=$plugin
		[[ "$(sed -n 3p "$file") " == "# Usage: dokku $word "* ]] ||
			printf '%s: not %s\n' "$file" "$word"
	done | none
}

@test "every hook says what it is, and what is not executable is sourced" {
	local file
	while IFS= read -r file; do
		[[ -x $file ]] || printf '%s is not executable\n' "$file"
		[[ $file == */subcommands/* || $file == */root/* ||
			$(sed -n 2p "$file") =~ ^'# '(Hook|none): ]] ||
			printf '%s: its second line\n' "$file"
	done < <(hooks_and_commands) | none
}

@test "every executable is strict; sourced files start with shellcheck's line and do nothing" {
	local file
	while IFS= read -r file; do
		grep -qxF -e 'set -euo pipefail' \
			-e 'source "$PLUGIN_CORE_AVAILABLE_PATH/common/strict"' \
			-e 'whole_library=1 source "$PLUGIN_CORE_AVAILABLE_PATH/common/strict"' "$file" ||
			printf '%s\n' "$file"
		[[ $(head -n 1 "$file") =~ ^'#!/'(usr/bin/env\ bash|bin/bash\ -p)$ ]] ||
			printf '%s: its first line\n' "$file"
	done < <(hooks_and_commands && printf 'dokku\n') | none
	for file in plugins/*/{functions,*-functions} plugins/common/strict \
		plugins/common/guest/{certs,config,domains,functions,properties,ps} \
		plugins/*/lib/* \
		plugins/nginx/root/{render,template,template-limits,reload,certificate,conflicts} \
		plugins/service-addresses/root/{strangers,bridge}; do
		[[ $(head -n 1 "$file") == '# shellcheck shell=bash' && ! -x $file ]] ||
			printf '%s\n' "$file"
	done | none
}

@test "a script of ours has one line for strict mode, trace and the library" {
	# What root runs without dokku, and what runs before the library, stands alone.
	shell_files | grep -v -e '/common/strict$' -e '/common/functions$' |
		xargs grep -lE 'common/functions"$|DOKKU_TRACE-.*set -x|^trace_begin$' |
		grep -v -e '^dokku$' -e '/git/hooks/' | none
}

@test "no eval, no echo, no ls in a pipe, no cat of one file into a pipe" {
	mapfile -t files < <(shell_files)
	grep -nE '(^|[;&|({[:space:]])(eval|echo) ' "${files[@]}" |
		grep -vE '^[^:]*:[0-9]+:[[:space:]]*#' | none
	grep -nE '\bls [^|]*\|[^|]|\bcat [^|<>]+ \|[^|]' "${files[@]}" |
		grep -vE 'cat - |cat /dev/null' | none
}

@test "nothing stops reading a pipe early: under pipefail, SIGPIPE would fail its writer" {
	mapfile -t files < <(shell_files)
	grep -nE '\| *(head|grep -[a-zA-Z]*q)' "${files[@]}" |
		grep -vE '^[^:]*:[0-9]+:[[:space:]]*#' | none
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
	for file in plugins/common/libexec/uninstall plugins/nginx/root/apply; do
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

# calls - prints the lines of stdin that run engine or docker, by themselves or by helper, or read
# /proc.
calls() {
	grep -E '(^[^:]*:[0-9]+:|[;&|({!`]|\$\(|\b(if|then|else|do|while|until|exec|timeout|attached|tied|engine_answered))[[:space:]]*(engine|docker) [^|)]|/proc/' |
		grep -vE '^[^:]*:[0-9]+:[[:space:]]*#'
}

@test "calls: finds a call of the engine and a look into /proc, and no word about them" {
	run calls <<-'LINES'
		f:1: engine GET /x
		f:2: [[ -z $a ]] || docker ps
		f:3: id=$(engine -w /Id GET /x)
		f:4: "$DOKKU_PROGRAMS/helper" tied docker build
		f:5: cat "/proc/$pid/net/tcp"
		f:6: die "remove it: docker network ls"
		f:7: # engine GET /x
		f:8: source "$PLUGIN_CORE_AVAILABLE_PATH/engine/functions"
	LINES
	assert_equal "f:1 f:2 f:3 f:4 f:5" "$(cut -d : -f 1,2 <<<"$output" | paste -sd ' ')"
}

# The files that may ask an engine. The builder leaves images there, and registry pushes them. make
# install installs the engine, and creates its bridge as our network.
readonly MAY_ASK='^plugins/(engine/(functions|lib/load)|builder-dockerfile/.*|registry/.*|network/(functions|install)|common/(dependencies|lib/engine-start|libexec/uninstall)):'

# The files that may read /proc, but not of a container. git and lock look for dokku's own
# processes, nginx for its workers, disk for the flags of dockerd, and dokku reads its own
# environment. The others read settings of the kernel.
readonly MAY_LOOK='^plugins/(git/functions|nginx/(lib/open-files|libexec/connections|root/(apply|include|reload))|service-addresses/(heal|root/table)|common/lib/(clock|disk|environment|files|lock)):'

@test "nobody but a scheduler names one, asks an engine or looks at a process of an app" {
	mapfile -t files < <(shell_files | grep -v '^plugins/scheduler-')
	# Only plugins/scheduler/settings names the default scheduler.
	grep -n 'docker-local' "${files[@]}" | none
	grep -nE '' "${files[@]}" | calls | grep -v /proc/ | grep -vE "$MAY_ASK" | none
	grep -nE '' "${files[@]}" | calls | grep /proc/ | grep -vE -e "$MAY_LOOK" -e "$MAY_ASK" |
		none
	grep -n 'engine/functions"' "${files[@]}" | grep -vE "$MAY_ASK" | none
}

# The files that may name nginx. These are the proxy itself, the switch, which needs nginx where the
# kernel has no map, make install and make uninstall, which install and remove the packages, the
# warning about a file of Dokku's nginx, and the client, which knows the commands without an app.
readonly MAY_NAME='^plugins/(common/client|nginx|nginx-vhosts|service-addresses)/|^plugins/(common/dependencies|common/libexec/uninstall|builder/pre-build)$'

@test "nobody but a proxy names one: no path, function, hook, command or word" {
	mapfile -t files < <(shell_files | grep -vE "$MAY_NAME")
	[[ ${#files[@]} -gt 200 ]]
	grep -ni nginx "${files[@]}" | none
	# Only plugins/proxy/settings names the default proxy.
	grep -n nginx plugins/*/settings |
		grep -v -e '^plugins/nginx' -e '^plugins/proxy/settings:' | none
}

@test "dokku itself is at most 250 lines" { [[ $(wc -l <dokku) -le 250 ]]; }

# global_settings FILE… - prints FILE COMMAND of each setting of all apps that an end-to-end test
# makes and does not undo. The files run one after another in one machine, so it would stay.
global_settings() {
	awk '
		match($0, /dokku_run [a-z-]+:set --global [a-z-]+( [^ ;|&]+)?/) {
			split(substr($0, RSTART, RLENGTH), word, " ")
			key = FILENAME " " word[2] " --global " word[4]
			if (word[5] != "") made[key]; else taken[key]
		}
		END { for (key in made) if (!(key in taken)) print key }' "$@"
}

@test "global_settings: finds one that is not taken back" {
	printf 'dokku_run a:set --global one 1\ndokku_run a:set --global two 2\ndokku_run a:set --global two || true\n' >"$BATS_TEST_TMPDIR/file"
	assert_equal "$BATS_TEST_TMPDIR/file a:set --global one" \
		"$(global_settings "$BATS_TEST_TMPDIR/file")"
}

@test "an end-to-end test takes back what it sets for all apps" {
	global_settings tests/e2e/*.bats | none
}

# listed_hooks - NAME ARGUMENTS of each hook that plugins/common/hooks lists.
listed_hooks() { awk -F ' *[|] *' '!/^#/ && $3 { print $1, $2 }' plugins/common/hooks; }

@test "at the top of a plugin's folder are its hooks, functions, settings and plugin.toml, and nothing else" {
	local file name known=" "
	known+=$(listed_hooks | awk '{ printf "%s ", $1 }')
	for file in plugins/*/*; do
		name=${file##*/}
		case $file in
		*/functions | */*-functions | */settings | */plugin.toml | plugins/common/strict | plugins/common/hooks) continue ;;
		*/subcommands | */libexec | */root | */lib | */programs | plugins/git/hooks) continue ;;
		plugins/common/guest | plugins/common/client) continue ;;
		esac
		[[ -f $file && $known == *" $name "* ]] || printf '%s\n' "$file"
	done | none
}

@test "a hook's line Needs is among the first eight, where dokku looks for it" {
	grep -n '^# *Needs:' plugins/*/* 2>/dev/null |
		awk -F: '$2 < 3 || $2 > 8 || $3 != "# Needs" { print $1 ":" $2 }' | none
}

@test "a hook's header says the arguments that the list of all hooks says" {
	local file name arguments
	while read -r name arguments; do
		for file in plugins/*/"$name"; do
			[[ -e $file ]] || continue
			[[ "$(sed -n 2p \
				"$file") " == "# Hook: $name ${arguments:+$arguments }- "* ]] || printf '%s\n' "$file"
		done
	done < <(listed_hooks) | none
}

@test "every hook that the code calls is in the list, and every one in the list is called" {
	# Commands of plugin: call any hook, these among them.
	local called="install dependencies uninstall update heal"
	local calls='\b(trigger|notify|filter|first_answer|tell_schedulers?|tell_proxy|(answer_of|ask_scheduler) [a-z_]+) [a-z]+(-[a-z]+)*'
	called+=$'\n'$(grep -rhoE "$calls" dokku plugins | sed 's/.* //')
	comm -23 <(listed_hooks | cut -d ' ' -f 1 | sort -u) <(tr ' ' '\n' <<<"$called" | sort -u) |
		none
	comm -13 <(listed_hooks | cut -d ' ' -f 1 | sort -u) \
		<(tr ' ' '\n' <<<"$called" | grep -E -- '-|^(install|heal|uninstall)$' | sort -u) |
		none
}

@test "a layer of the library calls only those before it" {
	local layers layer files earlier=""
	mapfile -t layers \
		< <(sed -n 's,^\tsource .*/lib/\([a-z-]*\)".*,\1,p' plugins/common/functions)
	[[ ${#layers[@]} -gt 10 ]]
	files=("${layers[@]/#/plugins/common/lib/}")
	for layer in "${layers[@]}"; do
		earlier+=$(sed -n 's/^\([a-z_]*\)() .*/\1/p' "plugins/common/lib/$layer")$'\n'
		sed -n 's/^\([a-z_]*\)() .*/\1/p' "${files[@]}" | grep -vxF -e "$earlier" |
			while read -r name; do
				! grep -nE "(^|[;&|({!]|\b(if|then|else|do|while|until|value_of))[[:space:]]*$name( |\$|\))" "plugins/common/lib/$layer" |
					grep -vE '^[0-9]+:[[:space:]]*#' ||
					printf '%s calls %s\n' "$layer" "$name"
			done
	done | none
}

# library PLUGINS - prints the functions and variables of the library in the folder PLUGINS.
library() {
	env -i PATH="$PATH" DOKKU_LIB_ROOT=/nowhere DOKKU=/d DOKKU_PROGRAMS=/p HERE="$1" \
		PLUGIN_CORE_AVAILABLE_PATH="$1" bash -euc '
			whole_library=1 source "$HERE/common/functions"
			source "$HERE/common/lib/arguments"
			declare -f
			unset HERE PLUGIN_CORE_AVAILABLE_PATH
			declare -p | grep -v -e BASH -e PPID -e " _="'
}

# What waits for apt is also sourced where there is no library.
@test "no loop waits until a time of day, which may be set meanwhile" {
	git ls-files -z dokku plugins | xargs -0 grep -IHnE \
		'^[[:space:]]*(while|until) .*(EPOCH|\bSECONDS\b)|deadline=.*(EPOCH|\bSECONDS\b)' |
		grep -v '^plugins/common/lib/packages:' | none
}

# The folder of the table, plugins/nginx/settings, is another one than that of the values.
@test "a setting of nginx is asked by the name of Dokku's plugin, nginx-vhosts" {
	grep -rnE '\b(setting_(of|default)|read_(property|effective)) [^ ]+ nginx ' plugins | none
}

# hidden_names FILE… - each call of a function that sets the variable which its first argument
# names, where a local variable of that function hides the caller's.
hidden_names() {
	awk '
		FNR == 1 { name = "" }
		/^[a-z_]+\(\) [{(]/ { name = $1; sub(/\(.*/, "", name) }
		name && /^\tlocal / {
			for (i = 2; i <= NF; i++) { word = $i; sub(/=.*/, "", word); own[name, word] = 1 }
		}
		name && /printf -v "\$1"/ { sets[name] = 1 }
		/^[})]/ { name = "" }
		{
			line[++n] = $0
			at[n] = FILENAME ":" FNR
		}
		END {
			for (i = 1; i <= n; i++) {
				words = split(line[i], w, /[ \t;(&|!{]+/)
				for (k = 1; k < words; k++)
					if ((w[k] in sets) && ((w[k], w[k + 1]) in own))
						print at[i] ": " w[k] " has a variable " w[k + 1] " of its own"
			}
		}' "$@"
}

@test "hidden_names: finds a result that the function keeps for itself" {
	printf '%s\n' 'sum() {' $'\tlocal one=1 two' $'\tprintf -v "$1" %s 3' '}' 'f() { local a; sum a; }' \
		'g() { ! sum two || :; }' >"$BATS_TEST_TMPDIR/file"
	assert_equal "$BATS_TEST_TMPDIR/file:6: sum has a variable two of its own" \
		"$(hidden_names "$BATS_TEST_TMPDIR/file")"
}

@test "no function hides the variable that it is to set" {
	mapfile -t files < <(shell_files)
	hidden_names "${files[@]}" | none
}

@test "the model of a deploy has the steps that dokku has" {
	make --silent build/tests/model/model
	tests/model/run --names
}

@test "joined at install, the library has the same functions" {
	cp -r plugins "$BATS_TEST_TMPDIR/"
	plugins/common/libexec/join "$BATS_TEST_TMPDIR/plugins/common"
	[[ $(wc -l <"$BATS_TEST_TMPDIR/plugins/common/functions") -lt 50 ]]
	diff <(library "$PWD/plugins") <(library "$BATS_TEST_TMPDIR/plugins") | none
	# A function that was renamed would be read on demand by every script.
	sed -n '/^always="/,/"$/{s/.*=//;s/"//g;p}' plugins/common/libexec/join | tr -s '\t ' '\n' |
		grep . | while read -r name; do
		grep -qE "^$name\(\) " plugins/common/lib/* || printf '%s\n' "$name"
	done | none
}

@test "sourcing functions twice is harmless" {
	local file
	for file in plugins/*/functions; do
		PLUGIN_CORE_AVAILABLE_PATH=$PWD/plugins DOKKU_LIB_ROOT=/nowhere run bash \
			-euo pipefail -c \
			'source "$PLUGIN_CORE_AVAILABLE_PATH/common/functions"; source "$1"
				source "$1"' bash "$file"
		[[ $status -eq 0 && -z $output ]] || printf '%s: %s\n' "$file" "$output"
	done | none
}

@test "the parts of the docs that are made from the code are up to date" {
	docs/generate --check | none
}
