#!/usr/bin/env bats
# Debian 13: its docker command and buildx are packages of their own, and its libcurl, nginx,
# OpenSSH, nftables and compilers are newer. What holds on Debian 12 has to hold here.

# shellcheck disable=SC2154 # the helper sets world, top, output, status

bats_require_minimum_version 1.5.0

load helper

setup_file() { host_up --suite trixie; }
teardown_file() { host_down; }

@test "make install: client and buildx are there, and the programs load no library" {
	run -0 host_install
	host_key
	run -0 in_world bash -c \
		'. /etc/os-release; echo "$VERSION_ID"; docker version --format "{{.Server.Os}}"
			HOME=/nonexistent docker buildx version'
	[[ $output == $'13\nlinux\n'*buildx* ]]
	for program in bin/engine bin/tied bin/hold bin/write-file check-runner; do
		in_world readelf --dynamic "/usr/local/lib/dokku/$program" \
			>"$BATS_TEST_TMPDIR/dynamic"
		run -1 grep NEEDED "$BATS_TEST_TMPDIR/dynamic"
	done
}

@test "make install without the docker command says that it is missing, and brings it" {
	in_world dpkg --purge --force-depends docker-buildx docker-cli
	run -1 in_world env PLUGIN_PATH=/usr/local/lib/dokku/plugins dokku plugin:trigger install
	[[ $output == *'The docker command is missing.'* ]]
	run -0 host_install
	[[ $output == *'Installing packages: docker-cli docker-buildx'* ]]
}

@test "a good push is live; a bad one is refused, and the old version serves" {
	commit_and_push shop v1
	assert_serves shop v1
	printf 'WAIT=1\nATTEMPTS=2\n/ My Amazing App\n' >"$(repo shop)/CHECKS"
	commit shop v2 --break
	run push shop
	printf '%s\n' "$output"
	[[ $status -ne 0 ]]
	assert_serves shop v1
	commit_and_push shop v3
	assert_serves shop v3
	assert_clean shop
}

# make_programs - as make install does; prints what tells whether they were made again.
make_programs() {
	in_world make -s -C /root/dokku build/check-runner/check-runner plugin-programs
	in_world bash -c \
		'cd /root/dokku/build &&
			stat --format "%n %i %Y" check-runner/check-runner bin/engine bin/map'
}

@test "after an upgrade of a library make install links the programs again" {
	local library before after name
	before=$(make_programs)
	[[ $(make_programs) == "$before" ]]
	# This copy keeps its old time, as the files of a package do, so it is older than our build.
	in_world bash -c \
		'file=$(gcc -print-file-name=libcurl.a) &&
			cp --preserve=timestamps "$file" "$file.new" && mv "$file.new" "$file"'
	after=$(make_programs)
	for name in check-runner/check-runner bin/engine bin/map; do
		[[ $(grep "^$name " <<<"$after") != "$(grep "^$name " <<<"$before")" ]]
	done
}
