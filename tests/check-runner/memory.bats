#!/usr/bin/env bats
# Whichever allocation fails, in this program or in its libraries, nothing passes that should not.

load helper

# each_allocation TEXT ALLOWED CHECKS OPTION… - runs once for each number of an allocation that
# fails. The first run, in which none does, and each that passes say TEXT.
each_allocation() {
	local text=$1 allowed=$2
	printf '%b' "$3" >CHECKS
	shift 3
	FAIL_EACH=$text LD_PRELOAD=$failmalloc "$runner_libc" "$@" "$target" CHECKS >outcomes
	run awk -v allowed="^($allowed)$" '
		/^[0-9]/ { bad = $2 !~ allowed || ($2 == 0 || $1 == 0) && !$3; all = $1 }
		bad
		END { if (all < 100) print "only " all " allocations" }' outcomes
	assert_output ''
}

readonly DEADLY='/page Nowhere\n~ /page Now.*here\n'
readonly \
	GOOD='~ /page Our.*\n  < Content-Type: html\n/gzip that was packed\n/to?/page My Amazing App
POST /echo {"a": 1}\n  > X-Mine: 1\n  {"a": 1}\n  ! nonsense\ni /page our team\n'

@test "no failed allocation turns a failure into a pass, or a crash" {
	each_allocation 'FAIL /page' '1|5' "$DEADLY" --wait 0 --attempts 1
}

@test "no failed allocation crashes a pass, or makes it one without a word" {
	each_allocation 'ok   /gzip' '0|1|4|5' "$GOOD" --wait 0 --attempts 1
}

@test "memory that is gone for good is 5" {
	export FAIL_ON=1
	each_allocation 'FAIL /page' '1|5' "$DEADLY" --wait 0 --attempts 1
}

@test "a report that memory ran out for is whole, or is not there" {
	each_allocation '"exit":1' '1|5' "$DEADLY" --wait 0 --attempts 1 --format json \
		--report report.json
	if [[ -e report.json ]]; then
		jq -e .verdict report.json
	fi
	[[ -z $(compgen -G 'report.json.*') ]]
}
