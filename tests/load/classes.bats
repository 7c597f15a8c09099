#!/usr/bin/env bats
# Each way to fail is counted once, and as what it is: the server misbehaves exactly once.

load helper

@test "a reset instead of the first answer is reset_fresh" {
	fault reset
	load --mode get=1
	assert_failures reset_fresh=1
	assert_report '.connections.closed_midway == 1'
}

@test "a close instead of the first answer is reset_fresh" {
	fault close
	load --mode get=1
	assert_failures reset_fresh=1
	assert_report '.connections.closed_midway == 1'
}

@test "a reset instead of a later answer is reset_reused" {
	fault reset 3
	load --mode get=1
	assert_failures reset_reused=1
	assert_report \
		'.connections.closed_midway == 1 and .connections.opened == 2 and
			.connections.kept == 0'
}

@test "a close instead of a later answer is reset_reused" {
	fault close 3
	load --mode get=1
	assert_failures reset_reused=1
}

@test "three resets are three" {
	fault reset 2 3
	load --mode get=1
	assert_failures reset_reused=3
	assert_report '.connections.opened == 4'
}

@test "half a head is truncated" {
	fault half-head 1
	load --mode get=1
	assert_failures truncated=1
	assert_report '.connections.closed_midway == 1'
}

@test "half a body is truncated" {
	fault truncate 1
	load --mode get=1
	assert_failures truncated=1
}

@test "half a body and a reset is truncated" {
	fault truncate-reset
	load --mode get=1
	assert_failures truncated=1
}

@test "missing chunks are truncated" {
	fault truncate-chunked 2
	load --mode get=1
	assert_failures truncated=1
}

@test "another protocol is malformed" {
	fault garbage
	load --mode get=1
	assert_failures malformed=1
}

@test "a length that is no number is malformed" {
	fault bad-length 1
	load --mode get=1
	assert_failures malformed=1
}

@test "bytes after the answer are malformed" {
	fault extra 1
	load --mode get=1
	assert_failures malformed=1
}

@test "no answer is a timeout" {
	fault stall 1
	load --mode get=1
	assert_failures timeout=1
}

@test "an answer that stops is a timeout" {
	fault stall-midway 1
	load --mode get=1
	assert_failures timeout=1
}

@test "502 is status_5xx" {
	fault 502 2
	load --mode get=1 --expect-app web
	assert_failures status_5xx=1
	assert_report '.statuses == {"502": 1}'
}

@test "503 is status_5xx, and the connection goes on" {
	fault 503 2
	load --mode get=1
	assert_failures status_5xx=1
	assert_report \
		'.statuses == {"503": 1} and .connections.opened == 1 and .connections.kept == 1'
}

@test "404 is status_4xx" {
	fault 404
	load --mode get=1
	assert_failures status_4xx=1
	assert_report '.statuses == {"404": 1}'
}

@test "another X-App is wrong_app" {
	fault wrong-app 1
	load --mode get=1 --expect-app web
	assert_failures wrong_app=1
}

@test "no X-App is wrong_app" {
	fault no-app 1
	load --mode get=1 --expect-app web
	assert_failures wrong_app=1
}

@test "a page that names another app is wrong_app" {
	fault wrong-page 1
	load --mode get=1 --expect-app web
	assert_failures wrong_app=1
}

@test "without --expect-app any app will do" {
	fault wrong-app 1
	load --mode get=1
	assert_failures
}

@test "an echo of other bytes is wrong_body" {
	fault wrong-body 1
	load --mode post=1
	assert_failures wrong_body=1
}

@test "an echo with one wrong byte is wrong_body" {
	fault wrong-byte 1
	load --mode post=1
	assert_failures wrong_body=1
}

@test "a wrong sum is wrong_body" {
	fault wrong-body
	load --mode upload=1
	assert_failures wrong_body=1
}

@test "a download of other bytes is wrong_body" {
	fault wrong-body
	load --mode download=1
	assert_failures wrong_body=1
}

@test "a download of the right bytes, but too few, is wrong_body" {
	fault too-short 1
	load --mode download=1
	assert_failures wrong_body=1
}

@test "a POST that is cut off is reset_reused" {
	fault reset 2
	load --mode post=1
	assert_failures reset_reused=1
}

@test "a download that is cut off is truncated" {
	fault truncate 1
	load --mode download=1
	assert_failures truncated=1
}

@test "close mode: a reset is reset_fresh" {
	fault reset 0 2
	load --mode close=1
	assert_failures reset_fresh=2
}

@test "close mode: half a body is truncated" {
	fault truncate
	load --mode close=1
	assert_failures truncated=1
}

@test "close mode: each connection is announced and closed" {
	fault fine
	load --mode close=1 --requests 5
	assert_failures
	assert_report '.connections.closed_announced == .requests and .connections.closed_idle == 0'
}

@test "idle mode: a close between requests is no failure" {
	fault close-idle 0
	load --mode idle=1 --think 100-120
	assert_failures
	assert_report \
		'.connections.closed_idle == 1 and .connections.opened == 2 and
			.connections.kept == 0'
}

@test "an announced close is no failure" {
	fault announce 2
	load --mode get=1
	assert_failures
	assert_report \
		'.connections.closed_announced == 1 and .connections.closed_idle == 0 and
			.connections.opened == 2'
}

@test "a close that is noticed before the next request is no failure" {
	fault close-idle 1
	load --mode get=1@4 --duration 1500ms
	assert_failures
	assert_report '.connections.closed_idle == 1'
}

@test "websocket: a wrong accept key is wrong_body" {
	fault ws-no-accept
	load --mode ws=1
	assert_failures wrong_body=1
}

@test "websocket: no upgrade is wrong_body" {
	fault wrong-body
	load --mode ws=1
	assert_failures wrong_body=1
}

@test "websocket: a cut with a message under way is reset_reused" {
	fault ws-cut
	load --mode ws=1
	assert_failures reset_reused=1
	assert_report '.connections.closed_midway == 1'
}

@test "websocket: another message is wrong_body" {
	fault ws-wrong
	load --mode ws=1
	assert_failures wrong_body=1
}

@test "websocket: no frame is malformed" {
	fault ws-garbage
	load --mode ws=1
	assert_failures malformed=1
}

@test "websocket: a goodbye between messages is no failure" {
	fault ws-goodbye
	load --mode ws=1
	assert_failures
	assert_report '.connections.closed_idle == 1 and .connections.closed_politely == 1'
}

@test "websocket: a goodbye in one piece with the upgrade is no failure" {
	fault ws-goodbye-at-once
	load --mode ws=1
	assert_failures
	assert_report '.connections.closed_idle == 1 and .connections.closed_politely == 1'
}

@test "websocket: a cut between messages is counted apart" {
	fault ws-idle-cut
	load --mode ws=1
	assert_failures
	assert_report '.connections.closed_idle == 1 and .connections.closed_politely == 0'
}

@test "websocket: 502 is status_5xx" {
	fault 502
	load --mode ws=1 --expect-app web
	assert_failures status_5xx=1
}

@test "a forbidden release is forbidden" {
	fault other-release 2
	load --mode get=1 --forbid v0
	assert_failures forbidden=1
}

@test "a server that plugs its ears is connect_timeout" {
	fault deaf
	load --mode get=1
	[[ $status -eq 1 ]]
	assert_report '.ok == 0 and .failed > 0 and .failures.connect_timeout == .failed'
}

@test "nobody there is refused" {
	fault fine
	kill "${servers[0]}"
	wait "${servers[0]}" || :
	load --mode get=1
	[[ $status -eq 1 ]]
	assert_report \
		'.ok == 0 and .failed > 0 and .failures.refused == .failed and
			.connections.opened == 0'
}

@test "each failure is logged with its class" {
	fault reset 3
	load --mode get=1 --failures "$BATS_TEST_TMPDIR/failures"
	assert_failures reset_reused=1
	run -0 cat "$BATS_TEST_TMPDIR/failures"
	[[ ${#lines[@]} -eq 1 &&
		$output == *" 127.0.0.1 get reset_reused "*" connection 1 answered 3 "* ]]
}

@test "modes are counted side by side" {
	fault 502 4
	load --requests 0 --mode post=2 --mode get=2 --mode close=1 --mode ws=1 --mode download=1
	assert_failures status_5xx=1
	assert_report '[.targets[0].modes[].mode] == ["post", "get", "close", "ws", "download"]'
	assert_report \
		'([.targets[0].modes[].requests] | add) == .requests and
			([.targets[0].modes[] | select(.ok == 0)] | length) == 0'
}

@test "an assertion on counts can fail" {
	fault reset 3
	load --mode get=1
	run ! assert_failures
	run ! assert_failures reset_fresh=1
	run ! assert_failures reset_reused=2
	run ! assert_report '.failed == 0'
}
