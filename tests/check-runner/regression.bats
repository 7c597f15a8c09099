#!/usr/bin/env bats
# Each of these once passed without checking, in one version of Dokku or another.

load helper

@test "regression: the last line without newline is checked" {
	printf '/page Amazing\n/none' >CHECKS
	run "$runner" --deadline 0.2 "$target" CHECKS
	assert_status 1
	assert_has 'FAIL /none'
}

@test "regression: a URL with = is checked" {
	asks '/page?a=b Nowhere\n' --deadline 0.2 "$target"
	assert_status 1
}

@test "regression: the root path is checked" {
	asks '/ Nowhere\n' --deadline 0.2 "$target"
	assert_status 1
	asks '/ My Amazing App\n' --deadline 0.2 "$target"
	assert_status 0
}

@test "regression: everything after the first pass is checked" {
	asks '/page Amazing\n/page Nowhere\n/none\n' --deadline 0.2 "$target"
	assert_status 1
	assert_has 'ok   /page'
	assert_has 'FAIL /page'
	assert_has 'FAIL /none'
}

@test "regression: ATTEMPTS=0 still checks" {
	asks 'ATTEMPTS=0\n/none\n' --deadline 0.2 "$target"
	assert_status 1
	assert_has 'FAIL /none'
}

@test "regression: text of progress output or headers is no text of the page" {
	asks '/page Content-Length\n/page HTTP/1.1\n/page 200\n/page 100\n' --deadline 0.2 "$target"
	assert_status 1
	[[ $output != *ok* ]]
}

@test "regression: plain lines after a //host line go to the default host" {
	asks '//b.example/echo Host: b.example\n/echo Host: app.example\n' --host app.example \
		"$target"
	assert_status 0
}

@test "regression: a mistyped line is an error" {
	asks '/page Amazing\npage Amazing\n' "$target"
	assert_status 2
}

@test "regression: CRLF files are checked as written" {
	asks 'WAIT=0\r\nATTEMPTS=1\r\n/page My Amazing App\r\n/none\r\n' "$target"
	assert_status 1
	assert_has 'ok   /page "My Amazing App"'
	assert_has 'FAIL /none'
}

@test "regression: an entry of an unknown kind is an error" {
	asks '{"type": "startup"}\n' "$target"
	assert_status 2
	asks '/page\n  something else\n' "$target"
	assert_status 2
}

@test "regression: a hundred failures are 1" {
	printf '/none\n%.0s' {1..100} >CHECKS
	run "$runner" --wait 0 --attempts 1 "$target" CHECKS
	assert_status 1
}
