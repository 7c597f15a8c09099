#!/usr/bin/env bats
# The header of a command's file is the one place that tells of it: the check of its arguments,
# help, the manual page, docs/commands.md and completion agree.

load helper

setup() {
	world
	# shellcheck source=plugins/common/lib/header
	source "$PLUGIN_CORE_AVAILABLE_PATH/common/lib/header"
	# shellcheck source=plugins/common/lib/usage
	source "$PLUGIN_CORE_AVAILABLE_PATH/common/lib/usage"
}

# headers FUNCTION - FUNCTION WORD FILE for each command, its header in header.
headers() {
	local file files word
	command_files
	for file in "${files[@]}"; do
		# Another test file's plugin.
		[[ $file != */fake/* ]] || continue
		command_word word "$file"
		read_header "$file"
		"$1" "$word" "$file"
	done
}

# complete WORD… - sets output to what completion offers.
complete() { got "$PLUGIN_CORE_AVAILABLE_PATH/common/libexec/complete" "$@"; }

# made_docs - makes the docs in $WORLD/repo again, with a command t:do of the plugin t.
made_docs() {
	mkdir -p "$WORLD/repo"
	cp -r "$REPO"/{docs,plugins,README.md} "$WORLD/repo"
	mkdir -p "$WORLD/repo/plugins/t/subcommands"
	cat >"$WORLD/repo/plugins/t/subcommands/do" <<-'BODY'
		#!/usr/bin/env bash
		# Summary: Do it
		# Usage: dokku t:do [-f|--fast] [--how a|b] APP|--all NAME...
		# Dokku: new; `x` is new, too
		# .More \of it. And more.
		source "$PLUGIN_CORE_AVAILABLE_PATH/common/strict"
		printf '<%s>' "$@" "${option[how]-}"
	BODY
	chmod +x "$WORLD/repo/plugins/t/subcommands/do"
	"$WORLD/repo/docs/generate"
}

@test "a new command is a file: it is checked, in help, in completion, in the manual page and in the table" {
	made_docs
	make_app web
	export PLUGIN_PATH=$WORLD/repo/plugins
	dokku t:do web x --how=b
	assert_success "<web><x><b>"
	dokku t:do web x --how c
	assert_refused 't:do: --how: "c" is not one of a, b; nothing was done.' \
		'Please retry with valid arguments. Usage:' \
		'dokku t:do [-f|--fast] [--how a|b] APP|--all NAME...' 2
	dokku help
	assert_status 0
	assert_equal "    t:do [-f|--fast] [--how a|b] APP|--all NAME...       Do it" \
		"$(grep -F t:do <<<"$output")"
	dokku t:do --help
	assert_success 'Do it
    dokku t:do [-f|--fast] [--how a|b] APP|--all NAME...
     .More \of it. And more.
     Dokku: new; `x` is new, too'
	complete t:
	assert_success $'t:do\tDo it'
	complete t:do --how ""
	assert_success $'a\nb'
	got grep -F 't:do' "$WORLD/repo/docs/commands.md"
	assert_success '| `t:do [-f\|--fast] [--how a\|b] APP\|--all NAME…` | Do it | **new**;' \
		'`x` is **new**, too |'
	got grep -F -A 4 't:do' "$WORLD/repo/docs/dokku.1"
	assert_success '.It Ic t:do Oo Fl f | Fl -fast Oc Oo Fl -how Cm a | Cm b Oc Ar APP | Fl -all Ar NAME Ns ...
Do it.
\&.More \eof it.
And more.
.It Ic trace:off'
	got mandoc -Tlint -Wwarning "$WORLD/repo/docs/dokku.1"
	assert_success ""
}

@test "docs/generate --check sees that a header has changed" {
	made_docs
	sed -i 's/^# Summary: .*/# Summary: Do something else/' \
		"$WORLD/repo/plugins/t/subcommands/do"
	got "$WORLD/repo/docs/generate" --check
	assert_status 1
	assert_output "docs/commands.md is not what the code says: run docs/generate
docs/dokku.1 is not what the code says: run docs/generate"
}

@test "help, completion and the manual page name the same commands, the table those that git runs, too" {
	local seen all
	seen() { [[ -n ${header[Hidden]} ]] || printf '%s\n' "$1"; }
	all() { printf '%s\n' "$1"; }
	# Another file of the same run may have left its made plugin in the code.
	rm -rf "$PLUGIN_CORE_AVAILABLE_PATH/fake"/*
	seen=$(headers seen | sort)
	all=$(headers all | sort)
	[[ $(wc -l <<<"$seen") -gt 90 && $(wc -l <<<"$all") -gt $(wc -l <<<"$seen") ]]
	assert_equal "$seen" "$("$DOKKU" help | sed -n 's/^    \([^ ]*\).*/\1/p' | sort)"
	complete ""
	assert_status 0
	assert_equal "$seen" "$(cut -f 1 <<<"$output" | sort)"
	assert_equal "$seen" "$(sed -n 's/^\.It Ic \([^ ]*\).*/\1/p' "$REPO/docs/dokku.1" | sort)"
	assert_equal "$all" \
		"$(sed -n '/generated: commands/,/<!-- end/s/^| `\([^ `]*\).*/\1/p' \
			"$REPO/docs/commands.md" | sort)"
}

@test "completion offers exactly the options that the usage names" {
	check_options() {
		local -A aliases=() values=() multiple=()
		local -a places=() required=()
		local wanted
		[[ -z ${header[Hidden]} ]] || return 0
		usage_read "${header[Usage]#"$1"}"
		# A lone -- and what stands at a place, such as --all, are offered beside the
		# options.
		wanted=$(printf '%s\n' "${!aliases[@]}" --help | grep -v -x -e --FLAG)
		wanted+=$(printf '\n%s' "$(tr '|' '\n' <<<"${places[0]-}" | grep '^--' || true)")
		complete "$1" -
		assert_success "$(sed '/^$/d' <<<"$wanted" | LC_ALL=C sort --unique)"
	}
	headers check_options
}

@test "a command asks for no option that its usage does not name" {
	asked_options() {
		local -A aliases=() values=() multiple=()
		local -a places=() required=()
		local name
		usage_read "${header[Usage]#"$1"}"
		while read -r name; do
			[[ " ${aliases[*]} " == *" $name "* ]] ||
				printf '%s asks for --%s\n' "$1" "$name"
		done < <(grep -oE '\$\{option\["?[a-zA-Z0-9-]+' "$2" | sed 's/.*\["\?//')
	}
	grep -E '\$\{option\[' "$PLUGIN_CORE_AVAILABLE_PATH"/*/subcommands/* \
		>"$BATS_TEST_TMPDIR/asked"
	assert_equal "" "$(headers asked_options)"
}

@test "no command that is here stands in the list of those that are not" {
	local names name first
	# `proxy:disable`, `:enable` are two of the plugin proxy; a word after the name says that it
	# is one option of it.
	names=$(sed -n '/^## Not here/,$s/^| \([^|]*\) |.*/\1/p' "$REPO/docs/commands.md" |
		grep -o '`[^`]*`' | tr -d '`')
	[[ $(wc -l <<<"$names") -gt 15 ]]
	while read -r name; do
		[[ $name != *' '* ]] || continue
		[[ $name == :* ]] || first=${name%%:*}
		name=$first:${name#*:}
		[[ ! -e $PLUGIN_CORE_AVAILABLE_PATH/${name%%:*}/subcommands/${name#*:} ]] ||
			printf '%s is here\n' "$name"
	done <<<"$names" >"$BATS_TEST_TMPDIR/here"
	assert_equal "" "$(<"$BATS_TEST_TMPDIR/here")"
}
