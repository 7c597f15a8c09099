#!/usr/bin/env bats
# The gates of C see what they are for.

load helper

setup() { cd "$BATS_TEST_TMPDIR" || return; }

gates() { got "$REPO/tests/c-gates" "$@"; }

@test "files: what is right is accepted" {
	printf '#ifndef A_H\n#define A_H\n#endif\n' >a.h
	printf '#include "a.h"\n\n#include <stdio.h>\n\n#include "b.h"\n#include "c.h"\n\nint\nmain(void)\n{\n}\n' >a.c
	gates files a.c a.h
	assert_success ""
}

@test "files: includes in another order" {
	: >a.h
	printf '#include <stdio.h>\n\n#include "a.h"\n' >a.c
	gates files a.c
	assert_status 1
	assert_output "a.c: does not include a.h first"
	printf '#include <stdio.h>\n\n#include "b.h"\n\n#include <stdlib.h>\n' >b.c
	gates files b.c
	assert_status 1
	assert_output "b.c:5: a header of the system stands below ours"
	printf '#include <stdio.h>\n#include "b.h"\n' >b.c
	gates files b.c
	assert_output "b.c:2: an empty line is missing above this header"
}

@test "files: a function of 51 lines, a line of 101 columns, a banned function" {
	local lines
	lines=$(printf '\tx();\n%.0s' {1..48})
	printf 'static void\nlong_one(void)\n{\n%s\n}\n' "$lines" >a.c
	gates files a.c
	assert_status 1
	assert_output "a.c:2: long_one has 51 lines"
	printf 'static void\nlong_one(void)\n{\n%s\n}\n' "${lines#*$'\n'}" >a.c
	gates files a.c
	assert_success ""
	# A tab counts as eight, and a character that takes three bytes as one.
	printf '\t/* %s */\n\t/* %s */\n' "$(printf '…%.0s' {1..86})" "$(printf '…%.0s' {1..87})" \
		>a.c
	gates files a.c
	assert_output "a.c:2: 101 columns"
	printf 'int n = atoi(text);\n' >a.c
	gates files a.c
	assert_output_like '*a.c*atoi*banned'
}

@test "layers: a module includes only those below it, and each file is in a layer" {
	mkdir dir
	: >dir/low.h
	: >dir/high.h
	printf '#include "low.h"\n\n#include "high.h"\n' >dir/low.c
	: >dir/high.c
	gates layers dir low high
	assert_status 1
	assert_output "dir/low: includes high.h, which is not below it"
	gates layers dir high low
	assert_success ""
	gates layers dir high
	assert_output_like 'dir/low.?: is in no layer*'
}
