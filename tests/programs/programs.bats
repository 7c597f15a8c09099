#!/usr/bin/env bats
# The programs of the plugins as they are started, built with the sanitizers. What dokku does with
# them is tested where it is done, in tests/plugins.

load ../helper

setup() {
	export ASAN_OPTIONS=exitcode=99:detect_leaks=0
	san=$REPO/build/bin/san
	work=$BATS_TEST_TMPDIR
}

# assert_usage NAME - requires that the program NAME has printed its usage and ended with 1.
assert_usage() { assert_status 1 && assert_error_like " !     usage: $1 *" && assert_output ""; }

@test "each says how it is called, and ends with 1" {
	local name
	for name in tied attached hold write-file take-file read-env with-env observe overhear confine; do
		got "$san/$name"
		assert_usage "$name"
	done
	got "$san/exchange" one
	assert_status 100
	got "$san/engine" GET
	assert_status 2
}

@test "tied: becomes its command, and says what cannot be run as a shell does" {
	got "$san/tied" bash -c 'printf "%s" "$1"; exit 7' bash 'a b'
	assert_status 7
	assert_output 'a b'
	got "$san/tied" "$work/none"
	assert_status 127
	assert_error " !     $work/none: No such file or directory"
	: >"$work/file"
	got "$san/tied" "$work/file"
	assert_status 126
}

@test "tied: its command dies with the parent" {
	mkfifo "$work/began"
	# shellcheck disable=SC2016 # for the other shell
	setsid bash -c '"$1" sleep 300 & echo "$!" >"$2"; wait' bash "$san/tied" "$work/began" \
		3>&- &
	local parent=$! child
	child=$(<"$work/began")
	kill -KILL "$parent"
	timeout 10 bash -c 'while [[ -e /proc/$1 ]]; do sleep 0.02; done' bash "$child"
}

# client REQUEST… - makes a docker client that sends these requests, one connection each, and prints
# the answers.
client() {
	cat >"$work/client" <<-'BODY'
		#!/usr/bin/env python3
		import os, socket, sys
		for text in sys.argv[1:]:
		    s = socket.socket(socket.AF_UNIX)
		    s.connect(os.environ["DOCKER_HOST"].removeprefix("unix://"))
		    data = text.encode().decode("unicode_escape").encode()
		    for i in range(0, len(data), 7):
		        s.send(data[i:i + 7])
		    if not data.endswith(b"HANG"):
		        print(s.recv(4096).split(b"\r\n")[0].decode(), file=sys.stderr)
		    s.close()
	BODY
	chmod +x "$work/client"
	got "$san/overhear" "$work/client" "$@"
}

@test "overhear: prints what a client asks of the engine, and makes nothing" {
	client 'HEAD /_ping HTTP/1.1\r\n\r\n' 'POST /v1.4/containers/create?name=x HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"A":"b"}'
	assert_status 0
	assert_output '{"A":"b"}'
	assert_equal $'HTTP/1.1 200 OK\nHTTP/1.1 201 Created' "$stderr"
	client 'POST /images/create HTTP/1.1\r\ncontent-length: 0\r\n\r\n'
	assert_status 1
	assert_output ""
	assert_equal $'HTTP/1.1 403 Forbidden\n !     the docker client made no container of these words' "$stderr"
	client 'POST /containers/create HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"HANG'
	assert_status 1
	client 'POST /containers/create HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\nHANG'
	assert_status 1
	[[ $stderr == *'too large'* ]]
	got "$san/overhear" false
	assert_status 1
	got "$san/overhear" "$work/none"
	assert_status 127
	[[ -z $(find /tmp -maxdepth 1 -name 'overhear.*' -newer "$work/client") ]]
}

@test "overhear: its socket is in TMPDIR, by a name that tells whose it is, unless that is too long" {
	local long
	printf '#!/bin/sh\nprintf "%%s %%s\\n" "$PPID" "$DOCKER_HOST" >&2\n' >"$work/where"
	chmod +x "$work/where"
	TMPDIR=$work got "$san/overhear" "$work/where"
	[[ $stderr =~ ^([0-9]+)\ unix://"$work"/overhear\.([0-9]+)\.[^/]*/socket ]]
	assert_equal "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
	printf -v long '%s/%090d' "$work" 0
	mkdir "$long"
	TMPDIR=$long got "$san/overhear" "$work/where"
	[[ $stderr == *' unix:///tmp/overhear.'* ]]
	TMPDIR=$work/none got "$san/overhear" "$work/where"
	assert_status 1
	assert_error " !     $work/none: no socket for the docker client: No such file or directory"
}

@test "hold: one holder at a time, shared ones together, and 73 where it may not wait" {
	got "$san/hold" "$work/lock" -- "$san/hold" -w 0 "$work/lock" -- true
	assert_status 73
	got "$san/hold" -w 0.05 "$work/other" -- "$san/hold" -w 0.05 "$work/other" -- true
	assert_status 73
	got "$san/hold" -s "$work/lock" -- "$san/hold" -s -w 0 "$work/lock" -- "$san/hold" -w 0 \
		"$work/lock" -- true
	assert_status 73
	got "$san/hold" -s "$work/lock" -- "$san/hold" -s -w 0 "$work/lock" -- printf held
	assert_success held
	got "$san/hold" "$work/lock" -- bash -c 'kill -KILL "$$"'
	assert_status 137
	got "$san/hold" "$work/none/lock" -- true
	assert_refused "$work/none/lock: No such file or directory"
	got "$san/hold" -w x "$work/lock" -- true
	assert_usage hold
	got "$san/hold" "$work/lock" "$work/more" --
	assert_usage hold
}

@test "hold: empties the lock that its command wrote itself into, if that ends well" {
	# shellcheck disable=SC2016 # for the other shell
	local write='echo "$$ deploy" >"$1"; exit "$2"'
	got "$san/hold" "$work/lock" -- bash -c "$write" bash "$work/lock" 1
	assert_status 1
	[[ $(<"$work/lock") == *' deploy' ]]
	got "$san/hold" "$work/lock" -- bash -c "$write" bash "$work/lock" 0
	assert_success ""
	[[ ! -s $work/lock ]]
	# What another operation left there stays.
	printf '1 other\n' >"$work/lock"
	got "$san/hold" "$work/lock" -- true
	assert_file "$work/lock" '1 other'
}

@test "write-file: mode, no newline, a megabyte, and what cannot be written" {
	local mode
	for mode in 644 600; do
		head -c 1000001 /dev/urandom | tee "$work/in" |
			"$san/write-file" "$work/out" "$mode"
		cmp "$work/in" "$work/out"
		assert_mode "$work/out" "$mode"
	done
	(cd "$work" && printf x | "$san/write-file" here 644 sync)
	assert_file "$work/here" x
	got "$san/write-file" "$work/none/file" </dev/null
	assert_refused \
		"$work/none/file cannot be written: No such file or directory: it is as it was"
	for mode in 8 x 1777 ''; do
		got "$san/write-file" "$work/out" "$mode" </dev/null
		assert_usage write-file
	done
	# Stdin that cannot be read changes nothing and leaves nothing.
	got bash -c '"$1" "$2" <"$3"' bash "$san/write-file" "$work/out" "$work"
	assert_status 1
	cmp "$work/in" "$work/out"
	[[ -z $(find "$work" -name '*.tmp.*') ]]
}

@test "take-file: as the folder's owner, and no more than it may be" {
	mkdir "$work/dir"
	chmod go+x "$BATS_RUN_TMPDIR" "${work%/*}" "$work"
	printf '12345' >"$work/dir/file"
	got "$san/take-file" "$work/dir" file 5
	assert_success 12345
	got "$san/take-file" "$work/dir" file 4
	assert_refused "$work/dir/file is larger than 4 bytes: it is not read"
	: >"$work/dir/empty"
	got "$san/take-file" "$work/dir" empty 0
	assert_success ""
	chmod 600 "$work/dir/file"
	chown nobody "$work/dir"
	got "$san/take-file" "$work/dir" file 5
	assert_refused "$work/dir/file: Permission denied"
	chown nobody "$work/dir/file"
	got "$san/take-file" "$work/dir" file 5
	assert_success 12345
}

@test "read-env: what it understands, and what it does not" {
	printf 'A=b\n# why\nC=$D\n' >"$work/ENV"
	"$san/read-env" "$work/ENV" | tr '\0' '|' >"$work/out"
	assert_file "$work/out" 'A=b|= # why|=3 C=$D|'
	printf 'A=b\nAB=c\n=A\nA=d\\ne\n' >"$work/ENV"
	got "$san/read-env" "$work/ENV" A
	assert_success 'd\ne'
	got "$san/read-env" "$work/ENV" AB
	assert_success c
	got "$san/read-env" "$work/ENV" B
	assert_status 1 && assert_output ""
	: >"$work/ENV"
	got "$san/read-env" "$work/ENV"
	assert_success ""
	printf 'A=b\nC=d\0PATH=e\n' >"$work/ENV"
	got "$san/read-env" "$work/ENV"
	assert_refused "$work/ENV:2: a NUL byte: remove it"
	got "$san/read-env" "$work/none"
	assert_refused "$work/none: No such file or directory"
}

@test "attached: ends its command when nobody reads any more" {
	# shellcheck disable=SC2016 # for the other shell
	"$san/attached" bash -c 'echo "$$"; exec sleep 300' </dev/null 2>/dev/null 3>&- |
		head -n 1 >"$work/pid"
	timeout 10 bash -c 'while [[ -e /proc/$1 ]]; do sleep 0.02; done' bash "$(<"$work/pid")"
	got "$san/attached" bash -c 'exit 5' </dev/null
	assert_status 5
}

@test "confine: status, order and cleaning of what a command prints; no terminal" {
	got "$san/confine" 10 bash -c 'echo a; echo b >&2; printf "c\e[2J\r\n"; exit 5'
	assert_status 5
	assert_output $'a\nc?[2J'
	assert_error b
	got bash -c '"$1" 10 bash -c "echo a; echo b >&2; echo c; exit 0" 2>&1' bash "$san/confine"
	assert_success $'a\nb\nc'
	got "$san/confine" 10 bash -c ': </dev/tty'
	assert_status 1
	got "$san/confine" 10 "$work/none"
	assert_status 127
	got "$san/confine" -d 10 sed 's/^/a/' <<<$'\e[2J'
	assert_success $'a\e[2J'
}

@test "confine: ends a command that takes or prints too much, and what it leaves behind" {
	got "$san/confine" 0.2 bash -c 'trap "" TERM; while :; do sleep 0.05; done'
	assert_status 124
	got "$san/confine" -d 20 yes
	assert_status 125
	[[ $(stat --format %s "$BATS_TEST_TMPDIR/stdout") -lt 11000000 ]]
	got "$san/confine" 10 bash -c 'sleep 300 & echo "$!"'
	assert_status 0
	gone "$output"
	got "$san/confine" 10 bash -c 'setsid sleep 5 & exit 3'
	assert_status 3
}

@test "confine: a signal ends the command, also when its parent has ended" {
	mkfifo "$work/began"
	"$san/confine" 60 bash -c 'echo "$$" >"$1"; exec sleep 300' bash "$work/began" 3>&- &
	local confine=$! child status=0
	read -r child <"$work/began"
	kill "$confine"
	wait "$confine" || status=$?
	assert_equal 143 "$status"
	gone "$child"
	bash -c '"$1" 60 bash -c "echo \$\$ >\"$2\"; exec sleep 300" & wait' bash "$san/confine" \
		"$work/began" 3>&- &
	local parent=$!
	read -r child <"$work/began"
	kill -9 "$parent"
	gone "$child"
}

@test "attached, confine: a signal just after their start leaves nothing running" {
	# A busy machine takes the processor from them between fork and what follows.
	cc -shared -fPIC -o "$work/late.so" -xc - <<-'LIBRARY'
		#define _GNU_SOURCE 1
		#include <dlfcn.h>
		#include <unistd.h>
		pid_t fork(void)
		{
			pid_t child = ((pid_t (*)(void))dlsym(RTLD_NEXT, "fork"))();
			if (child > 0)
				usleep(500000);
			return child;
		}
	LIBRARY
	mkfifo "$work/began"
	local program words child status
	for program in attached confine; do
		words=("$san/$program")
		[[ $program == attached ]] || words+=(60)
		ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 LD_PRELOAD=$work/late.so \
			"${words[@]}" env -u LD_PRELOAD bash -c \
			'sleep 300 & echo "$!" >"$1"; wait' bash "$work/began" 3>&- &
		read -r child <"$work/began"
		kill "$!"
		status=0
		wait "$!" || status=$?
		assert_equal 143 "$status"
		gone "$child"
	done
}

@test "exchange: two folders swap their names" {
	mkdir "$work/one" "$work/two"
	: >"$work/one/first"
	got "$san/exchange" "$work/one" "$work/two"
	assert_success ""
	[[ -e $work/two/first && ! -e $work/one/first ]]
	got "$san/exchange" "$work/one" "$work/none"
	assert_status 1
}

@test "unblock: who waits for a writer of passwd or group goes on; no other pipe is opened" {
	local reader readers=() file
	mkdir -p "$work"/one/{etc,deep} "$work/two/etc" "$work/three/etc"
	mkfifo "$work/one/etc/passwd" "$work/one/deep/group" "$work/pipe"
	# As the processes of the container see it, and out of it.
	ln -s /deep/group "$work/one/etc/group"
	ln -s ../../pipe "$work/two/etc/passwd"
	ln -s "$work/pipe" "$work/two/etc/group"
	printf 'root\n' >"$work/three/etc/passwd"
	truncate --size 1T "$work/three/etc/group"
	for file in one/etc/passwd one/deep/group pipe; do
		timeout 20 cat "$work/$file" 3>&- &
		readers+=("$!")
	done
	sleep 0.3
	got "$san/unblock" "$work"/{one,two,three,none}
	assert_success ""
	wait "${readers[0]}"
	wait "${readers[1]}"
	kill -0 "${readers[2]}"
	: >"$work/pipe"
	wait "${readers[2]}"
	assert_file "$work/three/etc/passwd" root
	[[ ! -s $work/three/etc/group ]]
}

@test "unblock: a device is removed, and an engine that reads it ends; others go on" {
	local readers=() name
	mkdir -p "$work/root/etc" "$work/root/lib"
	# As /dev/full, it gives zeros.
	mknod "$work/root/lib/zero" c 1 7
	ln -s /lib/zero "$work/root/etc/passwd"
	mknod "$work/root/etc/group" c 1 7
	mknod "$work/other" c 1 7
	mkdir -p "$work/null/etc"
	mknod "$work/null/etc/group" c 1 3
	for name in dockerd reader; do
		cp /bin/sleep "$work/$name"
	done
	"$work/dockerd" 60 <"$work/root/etc/group" 3>&- &
	readers+=("$!")
	"$work/reader" 60 <"$work/root/etc/group" 3>&- &
	readers+=("$!")
	"$work/dockerd" 60 <"$work/other" 3>&- &
	readers+=("$!")
	sleep 0.3
	got "$san/unblock" "$work"/{root,null}
	assert_success ""
	[[ -c $work/null/etc/group ]]
	status=0
	wait "${readers[0]}" || status=$?
	assert_equal 137 "$status"
	kill -0 "${readers[1]}"
	kill -0 "${readers[2]}"
	kill "${readers[@]:1}"
	[[ ! -L $work/root/etc/passwd && ! -e $work/root/etc/group && -e $work/root/lib/zero ]]
}

@test "unblock: an engine that has taken too much memory ends; others go on" {
	local large=() words name status=0
	local text='x=$(head -c 60000000 /dev/zero | tr "\\0" x); echo >"$0"'
	for name in dockerd reader; do
		cp /bin/bash "$work/$name"
		mkfifo "$work/$name.read.on"
		"$work/$name" -c "$text; read -r -t 60 <>\"\$0.on\"" "$work/$name.read" 3>&- &
		large+=("$!")
	done
	until [[ -e $work/dockerd.read && -e $work/reader.read ]]; do sleep 0.05; done
	for name in "${large[0]} 1000000" "${large[1]} 50000" "none 1" "1 1"; do
		read -r -a words <<<"$name"
		got "$san/unblock" --engine "${words[@]}"
		assert_success ""
		kill -0 "${large[@]}"
	done
	got "$san/unblock" --engine "${large[0]}" 50000
	assert_success ""
	wait "${large[0]}" || status=$?
	assert_equal 137 "$status"
	kill "${large[1]}"
}

@test "unblock: who waits for a writer of passwd in a layer goes on, too" {
	local reader
	mkdir -p "$work"/layers/{one,l}/diff/etc "$work/layers/one/diff/lib"
	mkfifo "$work/layers/one/diff/etc/passwd"
	timeout 20 cat "$work/layers/one/diff/etc/passwd" 3>&- &
	reader=$!
	sleep 0.3
	got "$san/unblock" --layers "$work/layers"
	assert_success ""
	wait "$reader"
	got "$san/unblock" --layers "$work/none"
	assert_success ""
}

# a_group PATH PIDS MEMORY - makes the group PATH of version 2 with these limits.
a_group() {
	mkdir -p "$work/$1"
	printf '%s\n' "$2" >"$work/$1/pids.max"
	printf '%s\n' "$3" >"$work/$1/memory.max"
}

# group_is PATH PIDS MEMORY - requires these limits. A file as a group keeps what a longer text had.
group_is() {
	assert_equal "$2 $3" \
		"$(head -qn 1 "$work/$1/pids.max" "$work/$1/memory.max" | paste -sd ' ')"
}

@test "unblock: builds get limits, and neither containers nor groups that have some" {
	local memory step=system.slice/docker-biml28o3de3cxd9jurtes93vw.scope id
	id=$(printf 'a%.0s' {1..64})
	memory=$(($(getconf _PHYS_PAGES) / 4))
	memory=$((memory * 3 * $(getconf PAGESIZE)))
	a_group docker/buildkit max max
	a_group "docker/$id" max max
	a_group docker/buildkit/biml28o3de3cxd9jurtes93vw max max
	a_group system.slice:docker:/buildkit 100 max
	a_group "$step" max 1024
	a_group "system.slice/docker-$id.scope" max max
	mkdir -p "$work"/{pids,memory}/docker/buildkit
	printf 'max\n' >"$work/pids/docker/buildkit/pids.max"
	printf '9223372036854771712\n' >"$work/memory/docker/buildkit/memory.limit_in_bytes"
	got "$san/unblock" --cgroups "$work"
	assert_success ""
	group_is docker/buildkit 4096 "$memory"
	group_is "docker/$id" max max
	group_is docker/buildkit/biml28o3de3cxd9jurtes93vw max max
	group_is system.slice:docker:/buildkit 100 "$memory"
	group_is "$step" 4096 1024
	group_is "system.slice/docker-$id.scope" max max
	assert_equal 4096 "$(<"$work/pids/docker/buildkit/pids.max")"
	assert_equal "$memory" \
		"$(head -n 1 "$work/memory/docker/buildkit/memory.limit_in_bytes")"
}

@test "with-env: the variables of a file, and PATH decides what runs" {
	local file=$work/env
	printf 'EMPTY=\0TEXT=a\nb=c\0PATH=%s\0' "$work" >"$file"
	printf '#!%s\n%s' "$INTERPRETER" 'printf "%s|" "$TEXT" "${EMPTY-none}" "$@"' >"$work/mine"
	chmod +x "$work/mine"
	got "$san/with-env" "$file" mine 'x y'
	assert_success $'a\nb=c||x y|'
	got "$san/with-env" "$file" ls
	assert_status 127
	: >"$file"
	TEXT=kept got "$san/with-env" "$file" "$work/mine"
	assert_success 'kept|none|'
	got "$san/with-env" "$work/none" "$work/mine"
	assert_status 1
	assert_error " !     $work/none: No such file or directory"
}

@test "busy: ports that another program listens at, or is bound to, and no others" {
	local a b
	perl -e 'use Socket; sub place { my $s; socket($s, AF_INET, SOCK_STREAM, 0) and
		bind($s, pack_sockaddr_in(0, inet_aton("127.0.0.1"))) or die;
		push @ports, (sockaddr_in(getsockname($s)))[0]; $s }
		$a = place(); listen($a, 1); $b = place(); open(F, ">", "$ARGV[0].new");
		print F "@ports\n"; close(F); rename("$ARGV[0].new", $ARGV[0]); sleep 60' \
		"$work/ports" 3>&- &
	while [[ ! -e $work/ports ]]; do sleep 0.02; done
	read -r a b <"$work/ports"
	got "$san/busy" "*:$a" "127.0.0.1:$b" "*:$b" "127.0.0.2:$a" "$a" "*:" "*:99999" "[]:$a" \
		"[::1:$a" "x:$a" ":$a" "$(printf '%099d' 0):$a" "[::2]:$a"
	assert_success "*:$a
127.0.0.1:$b
*:$b"
	got "$san/busy"
	assert_success ""
	kill "$!"
	wait "$!" || true
	got "$san/busy" "*:$a" "127.0.0.1:$b"
	assert_success ""
}
