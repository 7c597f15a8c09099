# shellcheck shell=bash
# Completion for Bash. make install copies it to share/bash-completion/completions.

# _dokku COMMAND - sets COMPREPLY. Readline splits words at : and =, too, and replaces what follows
# the last of them.
_dokku() {
	local line=${COMP_LINE:0:COMP_POINT} words program char rest typed
	read -r -a words <<<"$line"
	[[ $line != *[[:blank:]] ]] || words+=("")
	program=$(readlink -f -- "$(type -P -- "$1")")
	program=${program%/*}/plugins/common/libexec/complete
	mapfile -t COMPREPLY < <("$program" "${words[@]:1}" 2>/dev/null)
	if [[ ${COMPREPLY[0]-} == :files ]]; then
		COMPREPLY=()
		compopt -o default 2>/dev/null
		return
	fi
	COMPREPLY=("${COMPREPLY[@]%%$'\t'*}")
	typed=${words[${#words[@]} - 1]} rest=$typed
	for char in : =; do
		[[ $COMP_WORDBREAKS != *$char* ]] || rest=${rest##*"$char"}
	done
	COMPREPLY=("${COMPREPLY[@]#"${typed%"$rest"}"}")
}

complete -F _dokku dokku
