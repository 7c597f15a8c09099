#!/usr/bin/env bats
# The worlds themselves: what is in one, that nothing leaks out of it, and that down leaves nothing,
# however up, run or the world ended. Needs root, and Debian's mirror for the last test.
# shellcheck disable=SC2016 # what stands in single quotes is expanded inside

bats_require_minimum_version 1.5.0

# A cache of our own, so that clean and what is killed half-way concern no other world. Only the
# base and the packages are shared: the folder is on their file system, and holds links to them.
setup_file() {
	local base suite layer real=${DOKKU_TEST_CACHE:-/var/cache/dokku-tests}
	((EUID == 0)) || skip "needs root"
	# The default, whatever whoever runs the tests has set.
	unset DOKKU_TEST_SUITE
	base=$("$BATS_TEST_DIRNAME/world" base)
	suite=$("$BATS_TEST_DIRNAME/world" base --suite trixie)
	layer=$("$BATS_TEST_DIRNAME/world" systemd)
	export DOKKU_TEST_CACHE=$real/bats-$$ A=bats-$$-a B=bats-$$-b
	mkdir -p "$DOKKU_TEST_CACHE/layers" "$real/archives"
	ln -s "$base" "$suite" "$DOKKU_TEST_CACHE/"
	ln -s "$layer" "$DOKKU_TEST_CACHE/layers/"
	cp -al "$real/archives" "$DOKKU_TEST_CACHE/"
}

teardown_file() {
	[[ -n ${A-} ]] || return 0
	"$BATS_TEST_DIRNAME/world" clean
	cp -aln "$DOKKU_TEST_CACHE/archives/." "$DOKKU_TEST_CACHE/../archives/"
	rm -rf --one-file-system "$DOKKU_TEST_CACHE"
}

setup() {
	PATH=$BATS_TEST_DIRNAME:$PATH
	traces >"$BATS_TEST_TMPDIR/before"
}

teardown() {
	world down "$A"
	world down "$B"
}

# world_links - network interfaces as worlds have them, but those of other worlds. What else there
# is belongs to the host, whose own containers come and go.
world_links() {
	local link alias
	for link in /sys/class/net/dkt*; do
		# Another world's may be gone by now.
		alias=$(cat "$link/ifalias" 2>/dev/null) || continue
		# It is without its alias for a moment when it is made.
		if [[ -z $alias ]]; then
			sleep 0.5
			alias=$(cat "$link/ifalias" 2>/dev/null) || continue
		fi
		[[ $alias == "dokku-test "* && $alias != "dokku-test bats-$$-"* ]] ||
			printf '%s\n' "${link##*/}"
	done
}

# world_processes - those of our own worlds; but not the dead ones, which wait for the host's init.
world_processes() {
	local file line
	while IFS= read -r file; do
		if line=$(tr '\0' ' ' <"${file%/*}/cmdline" 2>/dev/null) && [[ -n $line ]]; then
			printf '%s\n' "$line"
		fi
	done < <(grep -lE "/dokku-tests/($A|$B)(/|\$| )" /proc/[0-9]*/cgroup 2>/dev/null)
	pgrep -af "unshare .* boot ($A|$B)" || true
}

# traces - prints what a world could leave on this host. Worlds of other people do not count.
traces() {
	echo "# mounts"
	grep -F -e dokku -e bats- /proc/self/mountinfo || true
	echo "# links"
	world_links
	echo "# tables"
	nft list tables | grep -v ' dokku_test_' || true
	nft list tables | grep -F "dokku_test_${A//-/_}" || true
	nft list tables | grep -F "dokku_test_${B//-/_}" || true
	echo "# cgroups"
	find /sys/fs/cgroup -path '*/dokku-tests/bats-*' || true
	echo "# processes"
	world_processes
	echo "# files"
	ls -A "$DOKKU_TEST_CACHE/worlds" 2>/dev/null || true
}

assert_no_trace() {
	traces | diff -u "$BATS_TEST_TMPDIR/before" -
}

# leaked WORLD-DIR STAMP FOLDER… - files of this host, in these folders, that changed since STAMP
# and are what the world has at the same place. What the host's own services write meanwhile is
# something else: it may have a dokku that is at work.
leaked() {
	local dir=$1 stamp=$2 file inside
	shift 2
	while IFS= read -r -d '' file; do
		inside=$dir/upper$file
		case $file in
		/var/lib/docker/* | /var/lib/containerd/*) inside=$dir/${file#/var/lib/} ;;
		esac
		! cmp --quiet -- "$file" "$inside" 2>/dev/null || printf '%s\n' "$file"
	done < <(find "$@" -xdev -cnewer "$stamp" -type f -size +0 -print0)
}

# wait_for COMMAND… - until it succeeds, or 10 s.
wait_for() {
	local deadline=$((SECONDS + 10))
	until "$@" >/dev/null 2>&1; do
		((SECONDS < deadline)) || {
			printf 'in vain: %s\n' "$*"
			return 1
		}
	done
}

# serve WORLD TEXT - answers each connection to port 8000 there with TEXT.
serve() {
	world run "$1" -- sh -c 'setsid perl -MIO::Socket::INET -e "
		\$s = IO::Socket::INET->new(LocalPort => 8000, Listen => 9, ReuseAddr => 1) or die;
		while (\$c = \$s->accept) { print \$c shift @ARGV || q('"$2"'), qq(\n); close \$c }
	" >/dev/null 2>&1 3>&- &'
}

# ask ADDRESS - prints the first line from port 8000 of ADDRESS. Fails after a second.
ask() {
	timeout 1 bash -c \
		'exec 5<>"/dev/tcp/$1/8000" && read -r line <&5 && printf "%s\n" "$line"' ask \
		"$1"
}

@test "up: one line, the same world when it is up already, and down without a trace" {
	run -0 world up "$A"
	[[ $output =~ ^"$A is up at "[0-9.]+", made from base ("[0-9.]+" s)"$ ]]
	world run "$A" -- touch /root/mark
	run -0 world up "$A"
	[[ ${#lines[@]} -eq 1 ]]
	world run "$A" -- test -e /root/mark
	run -0 world list
	[[ $output == "$A"$'\tup\t'*$'\tbase\tbookworm' ]]
	run ! assert_no_trace
	world down "$A"
	assert_no_trace
	world down "$A"
}

@test "inside: a fresh Debian, and nothing of the host" {
	SECRET=1 world up "$A"
	http_proxy=http://no.where SECRET=1 run -0 world run "$A" -- env
	[[ $output == $'HOME=/root\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nLANG=C.UTF-8' ]]
	run -0 world run "$A" -- bash -euc '
		uname -n; pwd; umask; . /etc/os-release; echo "$VERSION_ID"
		for tool in git make sudo apt-get; do command -v "$tool" >/dev/null; done
		! command -v dockerd nginx sshd ip nft jq cc
		test -x /src/tests/world; if touch /src/x 2>/dev/null
		then echo /src can be written to; fi
		test "$(git -C /src rev-parse --is-inside-work-tree)" = true
		echo x >/tmp/x; echo x >/var/lib/docker/x; { : </dev/tcp/::1/1; } 2>&1 |
		grep -o refused | sort -u
		cat /proc/1/cgroup | cut -d: -f3 | sort -u; ls /var/lib/apt/lists
		findmnt -n -o FSTYPE /
		getent hosts localhost; tty 2>&1 || true; ls /proc/self/fd | wc -l'
	printf '%s\n' "$output"
	[[ $output == "$A"$'\n/root\n0022\n12\nrefused\n/\noverlay\n::1             localhost ip6-localhost ip6-loopback\nnot a tty\n4' ]]
}

@test "inside: nothing sets the clock, which is the host's" {
	world up "$A"
	# Bit 25 is CAP_SYS_TIME. To try it on a world that may would change the host's clock.
	run -0 world run "$A" -- bash -euc \
		'for pid in 1 self; do read -r _ bits < <(grep CapBnd "/proc/$pid/status")
			echo $((16#$bits >> 25 & 1)); done'
	[[ $output == $'0\n0' ]]
	run world run "$A" -- date --set "@$EPOCHREALTIME"
	[[ $status -eq 1 && $output == *'Operation not permitted'* ]]
}

@test "run: status, streams, user, and a command that is not there" {
	world up "$A"
	run -37 world run "$A" -- sh -c 'exit 37'
	run -127 world run "$A" -- no-such-command
	run -126 world run "$A" -- /etc
	run -111 world run "$A" --user nosuch -- true
	run -111 world run "$B" -- true
	run -100 world run "$A" true
	[[ $(seq 100000 | world run "$A" -- cat | sha256sum) == "$(seq 100000 | sha256sum)" ]]
	run -0 --separate-stderr world run "$A" -- sh -c 'echo out; echo err >&2'
	# shellcheck disable=SC2154 # set by bats
	[[ $output == out && $stderr == err ]]
	world run "$A" -- sh -c 'useradd --create-home ann && groupadd crew && usermod -aG crew ann'
	run -0 world run "$A" --user ann -- bash -c \
		'id -un; id -Gn; pwd; echo "$HOME"; printf "<%s>" "$@"' x 'a b' '' '*'
	[[ $output == $'ann\nann crew\n/home/ann\n/home/ann\n<a b><><*>' ]]
}

@test "run: a signal goes in, and its effect comes out" {
	local pid status=0
	world up "$A"
	world run "$A" -- bash -c \
		'trap "echo got >/tmp/got; exit 9" TERM; : >/tmp/set; while :; do read -rt 0.1
			done' 3>&- &
	pid=$!
	wait_for world run "$A" -- test -e /tmp/set
	kill "$pid"
	wait "$pid" || status=$?
	[[ $status -eq 9 && $(world run "$A" -- cat /tmp/got) == got ]]
	run -143 world run "$A" -- bash -c 'kill $$'
	world run "$A" -- bash -c 'exec -a lonely sleep 1000' 3>&- &
	pid=$!
	wait_for world run "$A" -- pgrep -f '[l]onely'
	kill -KILL "$pid"
	status=0
	wait "$pid" || status=$?
	[[ $status -eq 137 ]]
	wait_for world run "$A" -- bash -c "! pgrep -f [l]onely"
}

@test "run: with a terminal, it is the command's" {
	world up "$A"
	TERM=vt100 run -0 script \
		--quiet --return --command "world run $A -- bash -c 'test -t 0 && test -t 1 && stty size && echo \$TERM'" /dev/null
	[[ $output == *vt100* ]]
}

@test "two worlds: reached from here, but not from each other" {
	local a b
	world up "$A"
	world up "$B"
	a=$(world ip "$A")
	b=$(world ip "$B")
	[[ $a != "$b" ]]
	serve "$A" "this is A"
	serve "$B" "this is B"
	wait_for ask "$a"
	wait_for ask "$b"
	[[ $(ask "$a") == "this is A" && $(ask "$b") == "this is B" ]]
	run -124 timeout 1 world run "$A" -- bash -c ": </dev/tcp/$b/8000"
	world run "$A" -- touch /root/mark /tmp/mark
	run -1 world run "$B" -- test -e /root/mark -o -e /tmp/mark
	[[ $(world run "$A" -- ps -e -o comm=) != *"$(printf 'perl\nperl')"* ]]
	world down "$A"
	[[ $(ask "$b") == "this is B" ]]
	world down "$B"
	assert_no_trace
}

@test "down: ends whatever runs, also what let go of its parent and what ignores signals" {
	local pid status=0
	world up "$A"
	world run "$A" -- sh -c \
		'trap "" TERM HUP INT
			setsid sh -c "trap \"\" TERM HUP; sleep 1000 & sleep 1000" >/dev/null 2>&1 \
			3>&- &'
	world run "$A" -- sh -c ': >/tmp/on; exec sleep 1000' 3>&- &
	pid=$!
	wait_for world run "$A" -- test -e /tmp/on
	world run "$A" -- bash -c \
		'mkdir /tmp/m && mount -t tmpfs tmpfs /tmp/m && unshare --net --mount true'
	# As docker pause does.
	world run "$A" -- bash -c 'setsid sleep 1000 >/dev/null 2>&1 3>&- & cold=$!
		cd /sys/fs/cgroup/freezer 2>/dev/null || cd /sys/fs/cgroup
		mkdir cold && echo "$cold" >cold/cgroup.procs
		if [[ -e cold/freezer.state ]]; then echo FROZEN >cold/freezer.state
		else echo 1 >cold/cgroup.freeze; fi'
	world down "$A"
	wait "$pid" || status=$?
	[[ $status -eq 137 ]]
	assert_no_trace
}

@test "stop and up: the files stay, /run and the processes do not" {
	world up "$A"
	world run "$A" -- sh -c \
		'echo kept >/root/file; echo gone >/run/file; echo kept >/var/lib/docker/file'
	world stop "$A"
	[[ $(world list) == "$A"$'\tstopped\t-\tbase\tbookworm' ]]
	run -111 world run "$A" -- true
	run -1 world ip "$A"
	world up "$A"
	run -0 world run "$A" -- sh -c 'cat /root/file /var/lib/docker/file; test ! -e /run/file'
	[[ $output == $'kept\nkept' ]]
}

@test "a world whose process 1 died is not taken for a running one" {
	world up "$A"
	kill -KILL "$(<"$DOKKU_TEST_CACHE/worlds/$A/pid")"
	wait_for bash -c "world list | grep -q stopped"
	run -111 world run "$A" -- true
	world up "$A"
	world run "$A" -- true
	world run "$A" -- kill 1 || [[ $? -eq 137 ]]
	wait_for bash -c "world list | grep -q stopped"
	world down "$A"
	assert_no_trace
}

# keeps_kernel - requires that the world sets nothing of the kernel but its own network.
keeps_kernel() {
	local file
	for file in kernel/panic fs/aio-max-nr; do
		run -2 world run "$A" -- sh -c "cat /proc/sys/$file >/proc/sys/$file"
		[[ $output == *"Read-only file system"* ]]
	done
	world run "$A" -- sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
}

@test "a world sets nothing of the host's kernel" {
	run -0 world up "$A"
	keeps_kernel
}

@test "systemd is process 1: no unit fails, power loss, reboot, and down without a trace" {
	local begin=$SECONDS
	run -0 world up "$A" --systemd
	[[ $output == *"made from systemd-"* ]]
	run -0 world run "$A" -- timeout 20 systemctl is-system-running --wait
	[[ $output == running && $((SECONDS - begin)) -lt 15 ]]
	run -0 world run "$A" -- bash -c \
		'cat /proc/1/comm; systemd-detect-virt; systemctl --failed --plain --no-legend
			: >/root/kept; : >/run/gone'
	[[ $output == $'systemd\ncontainer-other' ]]
	keeps_kernel
	world stop "$A"
	world up "$A"
	world run "$A" -- bash -c \
		'[[ $(</proc/1/comm) == systemd && -e /root/kept && ! -e /run/gone ]]'
	world run "$A" -- systemctl reboot
	wait_for bash -c "world list | grep -q stopped"
	world up "$A"
	world run "$A" -- bash -c '[[ $(</proc/1/comm) == systemd && -e /root/kept ]]'
	world down "$A"
	assert_no_trace
}

@test "systemd is process 1: what it starts is in its own groups, and a world stays of its kind" {
	world up "$A" --systemd
	world run "$A" -- systemd-run --quiet --unit nap sleep 1000
	run -0 world run "$A" -- bash -c \
		'cat "/proc/$(systemctl show --value --property MainPID nap)/cgroup"'
	[[ $output == *":/system.slice/nap.service"* ]]
	world run "$A" -- systemctl daemon-reexec
	world run "$A" -- systemctl is-active nap
	world up "$B"
	run -1 world up "$B" --systemd
	[[ $output == "world: $B was made from base, not systemd-"*": take it down first" ]]
	run -100 world up "$B" --systemd --from
	run -100 world up "$B" --systemc
}

@test "save: a layer has what was changed and what was removed; the base has neither" {
	world up "$A"
	world run "$A" -- sh -c \
		'echo new >/root/new; rm /usr/bin/sudo; rm -r /etc/skel; mkdir /etc/skel
			echo d >/var/lib/docker/d'
	world save "$A" "layer.1"
	world down "$A"
	world up "$A" --from layer.1
	run -0 world run "$A" -- sh -c \
		'cat /root/new /var/lib/docker/d; ls -A /etc/skel; test ! -e /usr/bin/sudo'
	[[ $output == $'new\nd' ]]
	run -1 world up "$A" --from base
	[[ $output == "world: $A was made from layer.1, not base: take it down first" ]]
	world run "$A" -- rm /root/new
	world save "$A" layer.2
	world up "$B" --from layer.2
	run -0 world run "$B" -- sh -euc \
		'test ! -e /root/new; test ! -e /usr/bin/sudo; test -e /bin/bash
			cat /var/lib/docker/d'
	world down "$B"
	world up "$B"
	world run "$B" -- test -e /usr/bin/sudo
	world down "$B"
	run -1 world up "$B" --from no-such-layer
	[[ $output == "world: no such layer: no-such-layer" ]]
}

@test "suite: another release, and every layer and world says on which it stands" {
	world up "$A" --suite trixie
	run -0 world run "$A" -- bash -euc \
		'. /etc/os-release; echo "$VERSION_ID"; awk "{ print \$3 }" /etc/apt/sources.list |
			sort -u'
	[[ $output == $'13\ntrixie\ntrixie-security\ntrixie-updates' ]]
	run -0 world list
	[[ $output == "$A"$'\tup\t'*$'\tbase\ttrixie' ]]
	run -1 world up "$A" --from base --suite bookworm
	[[ $output == "world: $A stands on trixie, not bookworm: take it down first" ]]
	world up "$A"
	world save "$A" thirteen
	run -1 world up "$B" --suite bookworm --from thirteen
	[[ $output == "world: the layer thirteen stands on trixie, not bookworm" ]]
	world up "$B" --from thirteen
	run -0 world run "$B" -- sed -n 's/^VERSION_ID=//p' /etc/os-release
	[[ $output == '"13"' ]]
	for words in "up $A --suite" "up $A --suite ../x" "up $A --suite trixie extra" \
		"base --suite" "base trixie"; do
		# shellcheck disable=SC2086 # words
		run -100 world $words
	done
}

# made_with APT-GET - prints what a base of trixie is debootstrapped with where apt-get does that.
made_with() {
	local bin=$BATS_TEST_TMPDIR/bin
	mkdir -p "$bin"
	printf '#!/bin/bash\n%s\n' "$1" >"$bin/apt-get"
	printf '#!/bin/sh\necho "$*" >%s\nexit 1\n' "$bin/arguments" >"$bin/debootstrap"
	chmod +x "$bin"/*
	DOKKU_TEST_CACHE=$BATS_TEST_TMPDIR/cache PATH=$bin:$PATH run -1 world base --suite trixie
	sed -e 's/.* trixie /trixie /' \
		-e "s|$BATS_TEST_TMPDIR/cache/base-trixie-[0-9a-f]*.new|DIR|" "$bin/arguments"
}

@test "suite: the mirror is the host's own, of whatever release; without one debootstrap takes its own" {
	local indexes='http://m.example/debian-security bookworm-security main\nhttp://m.example/debian bookworm main'
	[[ $(made_with "[[ \$* != *indextargets* ]] || printf '$indexes\n'") == 'trixie DIR http://m.example/debian' ]]
	# Nothing was downloaded yet, so that apt does not know whose the sources are.
	[[ $(made_with "[[ \$* != *Lists=*indextargets* ]] || printf '$indexes\n'") == 'trixie DIR http://m.example/debian' ]]
	[[ $(made_with 'exit 100') == 'trixie DIR' ]]
	run -1 grep -E 'https?://[a-z]' "$BATS_TEST_DIRNAME/world"
}

@test "up killed half-way: the next one works, and nothing stays" {
	local step pid dir=$DOKKU_TEST_CACHE/worlds
	for step in "test -e $dir/.$A.new" "test -e $dir/$A/cgroups" "test -e $dir/$A/alive" \
		"test -e $dir/$A/network" "nft list table ip dokku_test_${A//-/_}"; do
		setsid "$BATS_TEST_DIRNAME/world" up "$A" >/dev/null 2>&1 3>&- &
		pid=$!
		# shellcheck disable=SC2086 # a command and its words
		wait_for $step
		kill -KILL "$pid"
		wait "$pid" || true
		if [[ $step == *alive ]]; then
			world down "$A"
			assert_no_trace
		fi
		world up "$A"
		world run "$A" -- true
		world down "$A"
		assert_no_trace
	done
}

@test "up that fails says why, and leaves no process, link, table or cgroup" {
	mkdir "$BATS_TEST_TMPDIR/bin"
	printf '#!/bin/sh\necho no nft today >&2\nexit 1\n' >"$BATS_TEST_TMPDIR/bin/nft"
	chmod +x "$BATS_TEST_TMPDIR/bin/nft"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH run -1 world up "$A"
	[[ $output == *"no nft today"* ]]
	[[ $(world list) == "$A"$'\tstopped\t-\tbase\tbookworm' ]]
	rm -r "$DOKKU_TEST_CACHE/worlds/$A"
	assert_no_trace
}

@test "clean: all worlds of this cache, none of another" {
	world up "$A"
	world up "$B"
	mkdir -p "$DOKKU_TEST_CACHE/other/worlds"
	DOKKU_TEST_CACHE=$DOKKU_TEST_CACHE/other world clean
	world run "$A" -- true
	world clean
	[[ -z $(world list) ]]
	assert_no_trace
}

@test "what is not a name is refused" {
	local name
	for name in "" . .. a/b A a_b -a 1a "a b" $'a\n' "$(printf 'a%.0s' {1..40})"; do
		run -100 world up "$name"
		run -100 world down "$name"
	done
	run -100 world up a --from
	run -100 world nosuch
	run -0 world help
	[[ $output == *"world up NAME"* ]]
}

# behind_firewall IPTABLES WORLD - run in a network of its own that forwards nothing: does the world
# reach beyond it, and what is in the chain while it is up, and after.
behind_firewall() {
	set -euo pipefail
	mount --rbind /sys/fs/cgroup /mnt
	mount -t sysfs sysfs /sys
	mount --move /mnt /sys/fs/cgroup
	exec 5< <(exec unshare --net sh -c "echo; exec sleep 60 >/dev/null 2>&1")
	beyond=$!
	trap 'kill "$beyond"' EXIT
	read -r <&5
	ip link add up0 type veth peer name o0 netns "$beyond"
	ip address add 198.51.100.1/24 dev up0
	ip link set up0 up
	nsenter --net --target "$beyond" ip address add 198.51.100.2/24 dev o0
	nsenter --net --target "$beyond" ip link set o0 up
	"$1" -P FORWARD DROP
	world up "$2" >/dev/null 2>&1
	"$1" -S FORWARD | wc -l
	{ world run "$2" -- timeout 5 bash -c ": </dev/tcp/198.51.100.2/9" 2>&1 || true; } |
		grep -o refused | sort -u
	world down "$2"
	"$1" -S FORWARD
}

@test "a firewall that drops what is forwarded gets two rules, and gets rid of them" {
	local iptables
	for iptables in iptables-nft iptables-legacy; do
		type -P "$iptables" >/dev/null || continue
		run -0 unshare --net --mount bash -c \
			"$(declare -f behind_firewall); behind_firewall $iptables $A"
		printf '%s\n' "$output"
		[[ $output == $'3\nrefused\n-P FORWARD DROP' ]]
	done
	assert_no_trace
}

# hello_program DIR - makes a static server that greets on port 5000, and its Dockerfile.
hello_program() {
	cat >"$1/hello.c" <<-'END'
		#include <netinet/in.h>
		#include <sys/socket.h>
		#include <unistd.h>
		int main(void)
		{
			struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(5000) };
			int s = socket(AF_INET, SOCK_STREAM, 0);
			if (bind(s, (struct sockaddr *)&to, sizeof(to)) < 0 || listen(s, 9) < 0)
				return 1;
			for (;;) {
				int c = accept(s, 0, 0);
				if (write(c, "hello\n", 6) != 6)
					return 1;
				close(c);
			}
		}
	END
	cc -static -O2 -o "$1/hello" "$1/hello.c"
	printf 'FROM scratch\nCOPY hello /hello\nCMD ["/hello"]\n' >"$1/Dockerfile"
}

# docker_session - run inside: an engine, an image, a container, an address that stands for it.
docker_session() {
	set -euo pipefail
	export DEBIAN_FRONTEND=noninteractive
	{
		apt-get -q update
		apt-get -qy --no-install-recommends install docker.io nftables iptables
		setsid dockerd </dev/null &
		until docker info 2>&1; do [[ -n $(jobs -pr) ]] && sleep 0.1; done
	} >/tmp/log 2>&1 3>&-
	docker info --format '{{.Driver}}'
	docker build --quiet --tag hello /tmp/hello >/dev/null
	docker network create --subnet 172.30.0.0/24 --ip-range 172.30.0.128/25 net >/dev/null
	docker run --detach --memory 64m --name hello --network net --ip 172.30.0.130 hello \
		>/dev/null
	cat /sys/fs/cgroup/memory/docker/*/memory.limit_in_bytes 2>/dev/null ||
		cat /sys/fs/cgroup/docker/*/memory.max
	nft -f - <<-END
		table ip t {
			map services { type ipv4_addr . inet_service : ipv4_addr . inet_service; elements = { 172.30.0.5 . 5000 : 172.30.0.130 . 5000 }
			}
			chain output { type nat hook output priority -100; dnat ip to ip daddr . tcp dport map @services
			}
		}
	END
	exec 5<>/dev/tcp/172.30.0.5/5000
	cat <&5
}

@test "an engine inside: overlay2, an image from scratch, a service address; down while it serves" {
	touch "$BATS_TEST_TMPDIR/stamp"
	world up "$A"
	mkdir "$BATS_TEST_TMPDIR/hello"
	hello_program "$BATS_TEST_TMPDIR/hello"
	tar -C "$BATS_TEST_TMPDIR" -c hello | world run "$A" -- tar -C /tmp -x
	run -0 world run "$A" -- bash -c "$(declare -f docker_session); docker_session"
	[[ $output == $'overlay2\n67108864\nhello' ]]
	run -0 leaked "$DOKKU_TEST_CACHE/worlds/$A" "$BATS_TEST_TMPDIR/stamp" /etc /usr /boot /opt \
		/srv /var/lib /home
	printf '%s\n' "$output"
	[[ -z $output ]]
	world down "$A"
	assert_no_trace
	ls "$DOKKU_TEST_CACHE"/archives/docker.io_*.deb
}

@test "leaked: what a world has as well, and not what the host itself has written since" {
	local here=$BATS_TEST_TMPDIR/host dir=$BATS_TEST_TMPDIR/world-dir
	mkdir -p "$here/sub" "$dir/upper$here/sub"
	printf 'old\n' | tee "$here/old" >"$dir/upper$here/old"
	touch "$BATS_TEST_TMPDIR/stamp"
	sleep 0.05
	printf 'own\n' >"$here/.heal-seen.web"
	printf 'here\n' >"$here/differs"
	printf 'there\n' >"$dir/upper$here/differs"
	run -0 leaked "$dir" "$BATS_TEST_TMPDIR/stamp" "$here"
	[[ -z $output ]]
	printf 'the same\n' | tee "$here/sub/a file" >"$dir/upper$here/sub/a file"
	run -0 leaked "$dir" "$BATS_TEST_TMPDIR/stamp" "$here"
	[[ $output == "$here/sub/a file" ]]
}
