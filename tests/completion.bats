#!/usr/bin/env bats
# What a tab completes, in Bash and in zsh, and that it is installed where they look.

load helper

readonly CLIENT=$REPO/plugins/common/client

setup() {
	world
	ln -s "$DOKKU" "$BIN/dokku"
	make_app web blog
}

# in_bash LINE - sets output to what Bash offers for LINE, with the cursor at its end.
in_bash() {
	got bash -c \
		'source "$1"; COMP_LINE=$2 COMP_POINT=${#2}; _dokku dokku
			printf "%s\n" "${COMPREPLY[@]}"' \
		bash "$CLIENT/dokku.bash" "$1"
}

# in_zsh LINE - the same for zsh. A fake compadd prints the words before zsh filters them.
in_zsh() {
	# shellcheck disable=SC2016 # for zsh
	got zsh -f -c 'compadd() { print -rl -- "${@[5,-1]}"; }; _files() { print -r -- files; }
		words=("${(@s: :)2}"); CURRENT=$#words; source "$1"' zsh "$CLIENT/_dokku" \
		"$1"
}

# offers LINE WORD… - requires that both shells offer exactly WORD… for LINE.
offers() {
	local line=$1 typed=${1##* } wanted
	shift
	wanted=$(printf '%s\n' "$@")
	in_zsh "$line"
	assert_success "$wanted" || return
	# Readline replaces what follows the last : or = only.
	in_bash "$line"
	assert_success "$(printf '%s\n' "${@#"${typed%"${typed##*[:=]}"}"}")"
}

@test "the commands, also those of a plugin of other people" {
	offers "dokku apps:l" apps:list apps:lock apps:locked
	offers "dokku u" url urls
	offers "dokku apps:cr" apps:create
	offers "dokku rec" reconcile
	offers "dokku nope" ""
	offers "dokku git-" ""
	made_plugins apps
	mkdir -p "$PLUGIN_PATH/t/subcommands"
	printf '#!/bin/sh\n# Summary: Do it\n# Usage: dokku t:do [--how fast|slow] left|right APP\n' >"$PLUGIN_PATH/t/subcommands/do"
	offers "dokku t" t:do
	offers "dokku t:do " left right
	offers "dokku t:do --how " fast slow
	offers "dokku t:do l " blog web
}

@test "options, their values, and what is no option after --" {
	offers "dokku logs --" --all --help --num --ps --tail
	offers "dokku logs web --t" --tail
	offers "dokku logs -" --all --help --num --ps --tail -n -p -q -t
	offers "dokku apps:list --format " json text
	offers "dokku apps:list --format=" --format=json --format=text
	offers "dokku apps:list --format=j" --format=json
	offers "dokku urls -- -" ""
	offers "dokku -" --app --force --help --label=KEY=VALUE --quiet --trace --wait
}

@test "apps, alternatives, plugins: at the place that the usage gives them" {
	offers "dokku enter " blog web
	offers "dokku logs -n 5 w" web
	offers "dokku logs --num=5 --tail w" web
	offers "dokku logs web " ""
	offers "dokku certs:show web " crt key
	offers "dokku config:show --" --global --help --merged
	offers "dokku reconcile web b" blog
	offers "dokku --app w" web
	offers "dokku --quiet --app web certs:show " crt key
	mkdir "$PLUGIN_AVAILABLE_PATH/mine"
	offers "dokku plugin:enable m" mine
	offers "dokku run web l" ""
}

@test "the settings of a plugin that has a table of them" {
	made_plugins
	mkdir -p "$PLUGIN_PATH/t/subcommands"
	printf '#!/bin/sh\n# Summary: Set it\n# Usage: dokku t:set APP|--global KEY [VALUE]\n' \
		>"$PLUGIN_PATH/t/subcommands/set"
	printf '# KEY KIND DEFAULT SUMMARY\n\nkeep number 3 How many\nkind text - Which\n' \
		>"$PLUGIN_PATH/t/settings"
	offers "dokku t:set web " keep kind
	offers "dokku t:set --global kee" keep
	offers "dokku t:set web keep " ""
}

@test "files are the shell's to complete" {
	in_zsh "dokku certs:add web "
	assert_success files
	got bash -c \
		'compopt() { printf "<%s>" "$@"; }; source "$1"
			COMP_LINE="dokku certs:add web " COMP_POINT=20
		_dokku dokku; printf "%s" "${#COMPREPLY[@]}"' bash "$CLIENT/dokku.bash"
	assert_success "<-o><default>0"
}

@test "a user who cannot read the apps gets them from dokku, in the group sudo; others get none" {
	fake timeout <<<'shift; [[ "$*" == *"/dokku --quiet apps:list" ]] && printf "web\nblog\n"'
	fake id <<<'printf "users%s\n" "${GROUP-}"'
	chmod -R a+rwX "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR"
	chmod 711 "$DOKKU_ROOT"
	as_nobody() {
		got setpriv --reuid nobody \
			--clear-groups "$PLUGIN_CORE_AVAILABLE_PATH/common/libexec/complete" enter \
			"$1"
	}
	as_nobody ""
	assert_success ""
	GROUP=" sudo" as_nobody w
	assert_success web
}

# types SHELL SETUP TEXT - runs SETUP in SHELL in a terminal, types TEXT, and waits until the shell
# prints STATUS: and a digit.
types() {
	# shellcheck disable=SC2016 # for zsh
	got timeout 30 zsh -f -c 'zmodload zsh/zpty
		zpty t "$1"
		zpty -w t "$2; PS1=REA\"\"DY"
		zpty -r t shown "*READY*"
		zpty -w -n t "$3"
		zpty -r t shown "*STATUS:[0-9]*"
		print -r -- "$shown[(R)STATUS:*,-1]"' zsh "$@"
}

@test "Bash on a terminal: a tab completes a word with a colon, another the app" {
	types "bash --norc --noprofile -i" "source '$CLIENT/dokku.bash'" \
		$'dokku apps:exi\twe\t; echo STATUS:$?\n'
	assert_status 0
	assert_output_like "*STATUS:0*"
	types "bash --norc --noprofile -i" "source '$CLIENT/dokku.bash'" \
		$'dokku apps:exi\tnop\t; echo STATUS:$?\n'
	assert_output_like "*STATUS:1*"
}

@test "zsh on a terminal" {
	local setup="fpath=('$CLIENT' \$fpath); autoload -Uz compinit; compinit -u -D"
	types "zsh -f -i" "$setup" $'dokku apps:exi\twe\t; echo STATUS:$?\n'
	assert_status 0
	assert_output_like "*STATUS:0*"
	types "zsh -f -i" "$setup" $'dokku apps:exi\tnop\t; echo STATUS:$?\n'
	assert_output_like "*STATUS:1*"
}
