#!/usr/bin/env bats
# A freshly installed host. What works here must work on every other kind of host.

# shellcheck disable=SC2154 # the helper sets world, output, status

load helper

setup_file() { host_up; }
teardown_file() { host_down; }

@test "make install, a key, a push: the app is live" {
	host_install
	host_key
	commit_and_push plain v1
	assert_serves plain v1
}
