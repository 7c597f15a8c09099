#!/usr/bin/env bats
# tests/draw: what it hands to gnuplot, which is a fake here.
# shellcheck disable=SC2016 # gnuplot has columns with a $

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	draw=$BATS_TEST_DIRNAME/draw
	mkdir bin
	PATH=$PWD/bin:$PATH
	# It keeps the script and the points, because tests/draw removes them.
	printf '#!/bin/bash\ncp "$1" script; for f in "${1%%/*}"/*; do cp "$f" "kept.${f##*/}"; done\n' \
		>bin/gnuplot
	chmod +x bin/gnuplot
	printf '%s\n' '   1 s        100 requests/s  failed 0  open 44  web a' \
		'   2 s         90 requests/s  failed 20  open 44  web a' 'a warning' \
		'   4 s         50 requests/s  failed 30  open 44  web b' >data
}

@test "deploys: what was answered and failed in each second, a panel for each file" {
	run "$draw" deploys "$PWD/out.svg" data "one \"app\"" data two
	[[ $status -eq 0 && $output == "       picture: $PWD/out.svg" ]]
	[[ $(<kept.points.1) == $'1.000 100.0 0.0\n2.000 70.0 20.0\n4.000 45.0 5.0' ]]
	grep -qx "set output \"$PWD/out.svg\"" script
	grep -q '^set title "one app"' script
	[[ $(grep -c '^plot .*points' script) -eq 2 ]]
}

@test "sustained: the same in minutes" {
	run "$draw" sustained "$PWD/out.svg" data ten
	[[ $status -eq 0 && $(head -n 2 kept.points.1 | tail -n 1) == '0.033 70.0 20.0' ]]
}

@test "road: a line for each road, in two panels" {
	printf '%s\n' 'dokku 16 kept 20' 'nginx 1 kept 7' 'dokku 1 kept 9' 'dokku 1 closed 5' >data
	run "$draw" road "$PWD/out.svg" data title
	[[ $status -eq 0 && $(<kept.kept.0) == $'1 9\n16 20' && $(<kept.closed.0) == '1 5' ]]
	[[ $(grep -c '^plot' script) -eq 2 && $(grep -c 'title "nginx"' script) -eq 1 ]]
}

@test "without gnuplot nothing is drawn, and that is no failure; without data it is misuse" {
	rm bin/gnuplot
	ln -s "$(type -P sed)" "$(type -P env)" "$(type -P bash)" bin
	PATH=$PWD/bin run "$draw" deploys out.svg data x
	[[ $status -eq 0 && $output == *'gnuplot is missing: tests/packages pictures' ]]
	run "$draw" deploys out.svg none x
	[[ $status -eq 2 ]]
	run "$draw" deploys out.svg
	[[ $status -eq 2 ]]
}
