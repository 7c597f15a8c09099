#!/usr/bin/env bats
# service-addresses and watch: addresses of slots, what the map says of them, and the root helper
# that says it to the kernel.

load ../helper

setup() {
	world
	made_plugins service-addresses watch
	hook_of git heal-apps
	hook_of releases heal-apps
	hook_of scheduler-docker-local heal-apps
	# This host need not have a user dokku.
	fake chown <<<'[[ " $* " == *" dokku: "* ]] || exec /usr/bin/chown "$@"'
	start_kernel
}

teardown() { kill "$KERNEL"; }

# start_kernel - makes the map a real one, in a network namespace of the test with its own
# /etc/dokku. KERNEL is a process in it. The program is built with the sanitizers.
start_kernel() {
	local program="$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/map"
	rm "$BIN/nft"
	unshare --net --mount --propagation private bash -c 'mount -t tmpfs none /etc && mkdir /etc/dokku &&
		mount --bind "$TEST_HOST/etc/dokku" /etc/dokku && mount --bind "$TEST_HOST/run" /run && : >"$BATS_TEST_TMPDIR/up" && exec sleep 600' >/dev/null 2>&1 3>&- &
	export KERNEL=$!
	fake sudo <<<'[[ $1 != -l ]] || exit 0; [[ $1 != -n ]] || shift
		exec nsenter --target "$KERNEL" --net -- "$@"'
	if [[ ! -e $program ]]; then
		printf '%s\n' '#!/bin/bash' "[[ \${1-} != --guard ]] || exec nsenter --target \"\$KERNEL\" --net --mount -- '$REPO/build/bin/san/map' --guard" 'eval "${ON_MAP-}"' '[[ -z ${MAP_REFUSES-} ]] || { echo " !     address map: the kernel refused" >&2; exit 1; }' \
			'echo map >>"$CALLS"' "exec nsenter --target \"\$KERNEL\" --net --mount -- '$REPO/build/bin/san/map' \"\$@\"" >"$program.$$"
		chmod +x "$program.$$"
		mv "$program.$$" "$program"
	fi
	until [[ -e $BATS_TEST_TMPDIR/up ]]; do sleep 0.01; done
}

nft() { nsenter --target "$KERNEL" --net -- /usr/sbin/nft "$@"; }

# kernel - prints the elements of the maps, a line "MAP KEY : VALUE" each, but not those of the
# ports for kept connections, which equal those of port 80.
kernel() {
	local map
	for map in services shares; do
		{ nft list map ip dokku "$map" 2>/dev/null || true; } |
			{ grep -oE '[0-9.]+ \. [0-9]+ (\. [0-9]+ )?: [0-9.]+ \. [0-9]+' || true; } | sed -e '/^[0-9.]* \. 8[2-5] /d' -e "s/^/$map /"
	done
}

# kernel_has ELEMENT… - replaces all elements of the maps by these, each as "MAP KEY : VALUE". Those
# for port 80 are added for the ports of kept connections, too.
kernel_has() {
	local element port text
	"$BIN/sudo" -n "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/table"
	nft flush map ip dokku services
	nft flush map ip dokku shares
	for element; do
		nft add element ip dokku "${element%% *}" "{ ${element#* } }"
		[[ $element == *' . 80 '* ]] || continue
		: >"$TEST_HOST/run/dokku-kept/$(awk '{ print $2 }' <<<"$element").1"
		for port in 82 83 84 85; do
			text=${element#* }
			nft add element ip dokku "${element%% *}" "{ ${text/ . 80 / . $port } }"
		done
	done
}

# --- addresses --------------------------------------------------------------------

@test "address_add: also over a byte's end" {
	code service-addresses \
		'for n; do address_add address 10.86.0.0 "$n"; printf "%s\n" "$address"; done' 0 2 \
		255 256 65535
	assert_success "10.86.0.0
10.86.0.2
10.86.0.255
10.86.1.0
10.86.255.255"
}

@test "addresses_claim: an address of its own for each slot, the same again for one that has it" {
	code service-addresses \
		'addresses_claim web web.1; addresses_claim web web.2; addresses_claim blog web.1
			addresses_claim web web.1'
	assert_success ""
	local dir="$DOKKU_LIB_ROOT/data/services"
	assert_file "$dir/web/web.1" 10.86.0.2
	assert_file "$dir/web/web.2" 10.86.0.3
	assert_file "$dir/blog/web.1" 10.86.0.4
	assert_file "$dir/.by-address/10.86.0.4" "blog web.1"
	assert_equal 3 "$(ls "$dir/.by-address" | wc -l)"
}

@test "addresses_claim: an app may be called as our own files were" {
	code service-addresses \
		'addresses_claim next web.1; addresses_claim by-address web.1
			addresses_claim web web.1'
	assert_success ""
	got "$PLUGIN_PATH/service-addresses/post-delete" by-address
	assert_success ""
	assert_equal "10.86.0.2 10.86.0.4" \
		"$(ls "$DOKKU_LIB_ROOT/data/services/.by-address" | sort | paste -sd ' ')"
	assert_file "$DOKKU_LIB_ROOT/data/services/.by-address/10.86.0.2" "next web.1"
}

@test "addresses_claim: passes over what is taken, runs round, and never leaves the lower half" {
	printf '10.86.0.0/28\n' >"$TEST_HOST/etc/dokku/network"
	code service-addresses \
		'for i in 1 2 3 4 5 6; do addresses_claim web "web.$i"; done
			addresses_claim web web.7'
	assert_status 1
	assert_error " !     no service address is free in the lower half of 10.86.0.0/28:" \
		"destroy an app that is not needed"
	assert_equal "10.86.0.2 10.86.0.3 10.86.0.4 10.86.0.5 10.86.0.6 10.86.0.7" \
		"$(ls "$DOKKU_LIB_ROOT/data/services/.by-address" | sort | paste -sd ' ')"
	assert_absent "$DOKKU_LIB_ROOT/data/services/web/web.7"
	rm "$DOKKU_LIB_ROOT/data/services/.by-address/10.86.0.4"
	code service-addresses 'addresses_claim blog web.1'
	assert_success ""
	assert_file "$DOKKU_LIB_ROOT/data/services/blog/web.1" 10.86.0.4
}

@test "addresses_claim: a counter that is no number is named, not reckoned with" {
	printf 'a[$(touch "$BATS_TEST_TMPDIR/ran")]\n' >"$DOKKU_LIB_ROOT/data/services/.next"
	code service-addresses 'addresses_claim web web.1'
	assert_refused "$DOKKU_LIB_ROOT/data/services/.next should hold a number," \
		"not \"a[\$(touch \"\$BATS_TEST_TMPDIR/ran\")]\": remove that file"
	assert_absent "$BATS_TEST_TMPDIR/ran" "$DOKKU_LIB_ROOT/data/services/web/web.1"
}

@test "addresses_claim: what cannot be written takes no address, and one that nobody's name is in is free" {
	local dir="$DOKKU_LIB_ROOT/data/services"
	fake_write <<<'[[ $1 != */.by-address/* ]] || exit 1'
	code service-addresses 'addresses_claim web web.1 || printf "%s" "$?"'
	assert_success 1
	assert_nothing_in "$dir/.by-address"
	assert_absent "$dir/web/web.1"
	ln -sf "$REPO/build/bin/write-file" "$DOKKU_PROGRAMS/write-file"
	: >"$dir/.by-address/10.86.0.2"
	code service-addresses 'addresses_claim web web.1'
	assert_file "$dir/.by-address/10.86.0.2" "web web.1"
}

@test "addresses_claim_locked: many at once, and no two have the same" {
	code service-addresses \
		'for i in {1..12}; do addresses_claim_locked "app$i" web.1 & done; wait'
	assert_success ""
	assert_equal 12 "$(cat "$DOKKU_LIB_ROOT"/data/services/app*/web.1 | sort -u | wc -l)"
}

@test "service-address: one for up to a dozen web containers, none for others; a preview beside it" {
	make_release web 1 web=1
	make_release web 2 web=12
	make_release web 3 web=13
	make_release web 4 web=0 worker=1
	make_release blog 1 web=1
	got "$PLUGIN_PATH/service-addresses/service-address" web web
	assert_success ""
	got "$PLUGIN_PATH/service-addresses/service-address" web web 4
	assert_success ""
	got "$PLUGIN_PATH/service-addresses/service-address" web web 1
	assert_success "10.86.0.2 80"
	got "$PLUGIN_PATH/service-addresses/service-address" web web 2
	assert_success "10.86.0.2 80"
	got "$PLUGIN_PATH/service-addresses/service-address" web web 3
	assert_success "10.86.0.2 80
10.86.0.3 80"
	# The app keeps both addresses, because nginx may still connect to them.
	got "$PLUGIN_PATH/service-addresses/service-address" web web 1
	assert_success "10.86.0.2 80
10.86.0.3 80"
	got "$PLUGIN_PATH/service-addresses/service-address" web worker 1
	assert_success ""
	got "$PLUGIN_PATH/service-addresses/service-address" web preview
	assert_success "10.86.0.2 81"
	rm "$TEST_HOST/etc/dokku/network"
	got "$PLUGIN_PATH/service-addresses/service-address" blog web 1
	assert_status 1
	assert_output ""
}

# --- what the map says ------------------------------------------------------------

# addresses N - web has the addresses 1 to N.
addresses() {
	local i
	mkdir -p "$DOKKU_LIB_ROOT/data/services/web"
	for ((i = 1; i <= $1; i++)); do
		printf '10.86.0.%s\n' $((i + 1)) >"$DOKKU_LIB_ROOT/data/services/web/web.$i"
	done
}

lines() {
	code service-addresses \
		'targets=(); for t; do targets[${t%%=*}]=${t#*=}; done; addresses_lines web
			printf "%s" "$lines"' "$@"
}

@test "service-address: an app may have a name like that of a temporary file, also after a rename" {
	local name=web.tmp.1.abcdef
	make_release "$name" 1 web=1
	got "$PLUGIN_PATH/service-addresses/service-address" "$name" web 1
	assert_success "10.86.0.2 80"
	got "$PLUGIN_PATH/service-addresses/post-app-rename-setup" "$name" new
	assert_success ""
	assert_file "$DOKKU_LIB_ROOT/data/services/new/web.1" 10.86.0.2
}

@test "addresses_lines: the address to all containers that run" {
	addresses 1
	lines "1=10.86.128.2 5000"
	assert_success "set 10.86.0.2 80 10.86.128.2:5000"
	lines "1=10.86.128.2 5000" "3=10.86.128.3 5000"
	assert_success "set 10.86.0.2 80 10.86.128.2:5000 10.86.128.3:5000"
}

# further WORDS - writes the further ports of the app web as plugins/ports does.
further() {
	mkdir -p "$DOKKU_LIB_ROOT/config/ports/web"
	printf '%s\n' "$1" >"$DOKKU_LIB_ROOT/config/ports/web/further"
}

@test "addresses_lines: a further port of the containers at a port of its own, and what is retired leads to nobody" {
	make_release web 1 web=13
	further "9000=100 -9001=101"
	code service-addresses 'addresses_claim web web.1; addresses_claim web web.2
		targets=([1]="10.86.128.1 5000" [2]="10.86.128.2 5000")
		addresses_lines web; printf "%s" "$lines"
		addresses_lines web 86; printf "%s" "$lines"'
	assert_success "set 10.86.0.2 80 10.86.128.1:5000 10.86.128.2:5000
set 10.86.0.3 80 10.86.128.1:5000 10.86.128.2:5000
set 10.86.0.2 100 10.86.128.1:9000 10.86.128.2:9000
set 10.86.0.3 100 10.86.128.1:9000 10.86.128.2:9000
unset 10.86.0.2 101
unset 10.86.0.3 101
set 10.86.0.2 86 10.86.128.1:5000 10.86.128.2:5000
set 10.86.0.3 86 10.86.128.1:5000 10.86.128.2:5000"
}

@test "a switch moves the further ports of the containers, too, in the same transaction; verify-switch reads them" {
	further 9000=100
	code service-addresses 'addresses_claim web web.1'
	make_release web 1
	make_release web 2
	printf 'web 1 x 10.86.128.1 5000\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/containers"
	printf 'web 1 y 10.86.128.2 5000\n' >"$DOKKU_LIB_ROOT/data/releases/web/2/containers"
	make_current web 1
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" web 5000 10.86.128.1 1
	assert_success ""
	assert_equal "services 10.86.0.2 . 80 : 10.86.128.1 . 5000
services 10.86.0.2 . 100 : 10.86.128.1 . 9000" "$(kernel)"
	: >"$CALLS"
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" web 5000 10.86.128.2 2
	assert_success ""
	assert_equal 1 "$(grep -c '^map' "$CALLS")"
	assert_equal "services 10.86.0.2 . 80 : 10.86.128.2 . 5000
services 10.86.0.2 . 100 : 10.86.128.2 . 9000" "$(kernel)"
	got "$PLUGIN_PATH/service-addresses/verify-switch" web 2
	assert_success ""
	nft delete element ip dokku services '{ 10.86.0.2 . 100 : 10.86.128.2 . 9000 }'
	MAP_REFUSES="" got "$PLUGIN_PATH/service-addresses/verify-switch" web 2
	assert_success ""
	assert_equal "services 10.86.0.2 . 80 : 10.86.128.2 . 5000
services 10.86.0.2 . 100 : 10.86.128.2 . 9000" "$(kernel)"
	make_current web 2
	got "$PLUGIN_PATH/service-addresses/post-delete" web
	assert_success ""
	assert_equal "" "$(kernel)"
}

@test "addresses_lines: more than a dozen are dealt out; with addresses to spare, they mean the same" {
	local words=() i
	addresses 2
	for i in {1..13}; do words+=("$i=10.86.128.$i 5000"); done
	lines "${words[@]}"
	assert_success "set 10.86.0.2 80 10.86.128.1:5000 10.86.128.3:5000 10.86.128.5:5000 10.86.128.7:5000 10.86.128.9:5000 10.86.128.11:5000 10.86.128.13:5000
set 10.86.0.3 80 10.86.128.2:5000 10.86.128.4:5000 10.86.128.6:5000 10.86.128.8:5000 10.86.128.10:5000 10.86.128.12:5000"
	addresses 3
	lines "1=10.86.128.2 5000" "2=10.86.128.3 5000"
	assert_success "set 10.86.0.2 80 10.86.128.2:5000 10.86.128.3:5000
set 10.86.0.3 80 10.86.128.2:5000 10.86.128.3:5000
set 10.86.0.4 80 10.86.128.2:5000 10.86.128.3:5000"
}

@test "addresses_lines: nothing runs: the addresses mean nobody; no addresses: nothing to say" {
	addresses 2
	lines
	assert_success "unset 10.86.0.2 80
unset 10.86.0.3 80"
	rm -r "$DOKKU_LIB_ROOT/data/services/web"
	lines "1=10.86.128.2 5000"
	assert_success ""
}

@test "addresses_lines: a file that names no address is passed over" {
	addresses 1
	printf '10.86.0.9\n' |
		tee "$DOKKU_LIB_ROOT/data/services/web/web.01" \
			>"$DOKKU_LIB_ROOT/data/services/web/web.1.tmp.abcdef"
	printf '10.86.0.9\n' >"$DOKKU_LIB_ROOT/data/services/web/web.a[\$(id)]"
	lines "1=10.86.128.2 5000"
	assert_success "set 10.86.0.2 80 10.86.128.2:5000"
}

# --- the hooks, down to the kernel --------------------------------------------------

containers() { printf '%s\n' "${@:2}" >"$DOKKU_LIB_ROOT/data/releases/web/$1/containers"; }

@test "a switch: the map says the new containers, the old ones no more, whatever their numbers" {
	make_release web 1 web=1
	containers 1 'web 1 idA 10.86.128.2 5000' 'worker 1 idB 10.86.128.3 5000'
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" web 80 10.86.0.2 1
	assert_success ""
	assert_equal "services 1 : 10.86.128.2 . 5000" "$(told)"
	make_release web 2 web=2 worker=1
	containers 2 'web 1 idC 10.86.128.4 3000' 'web 2 idD 10.86.128.5 3000'
	# It is tried at the preview first, and by that alone.
	got "$PLUGIN_PATH/service-addresses/preview-deploy" web 2
	assert_success ""
	assert_equal "services 1 : 10.86.128.2 . 5000
services 1 : 10.86.128.4 . 3000" "$(told)"
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" web 80 10.86.0.2 2
	assert_success ""
	assert_equal "shares 6 : 10.86.128.4 . 3000
shares 6 : 10.86.128.5 . 3000" "$(told)"
	got "$PLUGIN_PATH/service-addresses/verify-switch" web 2
	assert_success ""
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/2/pool" "pool 1"
	# Down again.
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" web 80 10.86.0.2 1
	assert_equal "services 1 : 10.86.128.2 . 5000" "$(told)"
	# Above a dozen: a second address.
	make_release web 3 web=13
	containers 3 'web 1 idE 10.86.128.6 5000'
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" web 80 10.86.0.2 3
	assert_equal "services 2 : 10.86.128.6 . 5000" "$(told)"
}

# told - prints, for each of the kernel's maps, how many elements lead to each container.
told() {
	kernel | sed 's/ .* : / : /' | sort | uniq -c |
		awk '{ n = $1; map = $2; $1 = $2 = ""; print map, n, $0 }' | tr -s ' '
}

@test "a switch is one transaction of the kernel, the same for three containers and one" {
	make_release web 1 web=3
	containers 1 'web 1 a 10.86.128.2 5000' 'web 2 b 10.86.128.3 5000' \
		'web 3 c 10.86.128.4 5000'
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" web 80 10.86.0.2 1
	got "$PLUGIN_PATH/service-addresses/preview-deploy" web 1
	assert_equal 13 "$(kernel | wc -l)"
	: >"$CALLS"
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" web 80 10.86.0.2 1
	assert_success ""
	assert_calls map
	assert_equal 12 "$(kernel | wc -l)"
	containers 1 'web 1 a 10.86.128.2 5000'
	got "$PLUGIN_PATH/service-addresses/preview-deploy" web 1
	: >"$CALLS"
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" web 80 10.86.0.2 1
	assert_calls map
	assert_equal "services 10.86.0.2 . 80 : 10.86.128.2 . 5000" "$(kernel)"
}

# with_canary - web.1 is 10.86.0.2. Release 1 is current, and 2 is the canary.
with_canary() {
	make_release web 1 web=1
	make_current web 1
	containers 1 'web 1 a 10.86.128.2 5000'
	make_release web 2 web=2
	containers 2 'web 1 b 10.86.128.3 5000' 'web 2 c 10.86.128.4 5000'
	"$BIN/sudo" -n "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/table"
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" web 80 10.86.0.2 1
	printf '2 5 5 0 1\n' >"$DOKKU_LIB_ROOT/data/releases/web/canary"
	KEPT=$TEST_HOST/run/dokku-kept
}

# canary_has - prints where the canary's port leads, and the share of the visitors.
canary_has() {
	kernel | sed -n 's/.* . 86 .*: \(.*\) . 5000/\1/p' | sort -u | paste -sd ' '
	[[ ! -e $KEPT/canary/10.86.0.2 ]] || find "$KEPT/canary/10.86.0.2/" -type f | wc -l
}

@test "canary-share: the address first, then the share, which only grows or shrinks by its buckets" {
	with_canary
	got "$PLUGIN_PATH/service-addresses/canary-share" web 2 0
	assert_success ""
	assert_equal "10.86.128.3 10.86.128.4" "$(canary_has)"
	got "$PLUGIN_PATH/service-addresses/canary-share" web 2 5
	assert_success ""
	assert_equal "10.86.128.3 10.86.128.4
5" "$(canary_has)"
	assert_equal "0 1 2 3 4" "$(ls "$KEPT/canary/10.86.0.2" | paste -sd ' ')"
	got "$PLUGIN_PATH/service-addresses/canary-share" web 2 25
	assert_equal "10.86.128.3 10.86.128.4
25" "$(canary_has)"
	assert_equal 755 "$(stat --format %a "$KEPT/canary/10.86.0.2/")"
	got "$PLUGIN_PATH/service-addresses/canary-share" web 2 25
	assert_equal "25 5" "$(ls "$KEPT/shares" | paste -sd ' ')"
	assert_equal 10.86.0.2 "$(ls "$KEPT/canary")"
	# Visitors lose their way to it before the address leads nowhere.
	ON_MAP='[[ ! -e $TEST_HOST/run/dokku-kept/canary/10.86.0.2 ]] || echo late >>"$CALLS"' \
		got "$PLUGIN_PATH/service-addresses/canary-share" web "" 0
	assert_success ""
	assert_equal "" "$(canary_has)"
	assert_equal 0 "$(grep -c late "$CALLS")"
	assert_equal "services 1 : 10.86.128.2 . 5000" "$(told)"
	# A change that the kernel refuses gives no share.
	MAP_REFUSES=1 got "$PLUGIN_PATH/service-addresses/canary-share" web 2 5
	assert_status 1
	assert_equal "" "$(canary_has)"
}

@test "canary-share: the check through the proxy is over, so the preview leads nowhere, in the same change" {
	with_canary
	got "$PLUGIN_PATH/service-addresses/preview-deploy" web 2
	assert_equal 1 "$(kernel | grep -c ' \. 81 ')"
	: >"$CALLS"
	got "$PLUGIN_PATH/service-addresses/canary-share" web 2 0
	assert_success ""
	assert_calls map
	assert_equal 0 "$(kernel | grep -c ' \. 81 ')"
	assert_file "$DOKKU_LIB_ROOT/data/services/web/previewed" ""
	assert_equal "10.86.128.3 10.86.128.4" "$(canary_has)"
}

# plain - prints for each link for apps whose visitors all get the same whether it leads to the file
# of a pool, or to a folder.
plain() {
	local link
	for link in "$KEPT"/plain/*; do
		[[ ! -L $link ]] || printf '%s %s\n' "${link##*/}" "$(readlink "$link")"
	done
}

# The links of web while nginx may use its pool 1, and its pool 2.
readonly FIRST='10.86.0.2.1 ../10.86.0.2.1
10.86.0.2.2 .'
readonly SECOND='10.86.0.2.1 .
10.86.0.2.2 ../10.86.0.2.2'

@test "the links for apps whose visitors all get the same: not with a canary, nor in maintenance, nor once the app is gone" {
	make_app web
	with_canary
	local closed=$DOKKU_LIB_ROOT/maintenance/web/closed
	rm -r "$KEPT"
	got "$PLUGIN_PATH/service-addresses/maintenance-change" web
	assert_success ""
	assert_absent "$KEPT"
	mkdir -p "$KEPT" "${closed%/*}"
	: >"$KEPT/10.86.0.2.2"
	got "$PLUGIN_PATH/service-addresses/maintenance-change" web
	assert_equal "$SECOND" "$(plain)"
	[[ -f $KEPT/plain/10.86.0.2.2 && ! -f $KEPT/plain/10.86.0.2.1 ]]
	: >"$closed"
	got "$PLUGIN_PATH/service-addresses/maintenance-change" web
	assert_equal "" "$(plain)"
	got "$PLUGIN_PATH/service-addresses/canary-share" web 2 5
	rm "$closed"
	got "$PLUGIN_PATH/service-addresses/maintenance-change" web
	assert_equal "" "$(plain)"
	got "$PLUGIN_PATH/service-addresses/canary-share" web "" 0
	assert_equal 2 "$(plain | wc -l)"
	got "$PLUGIN_PATH/service-addresses/canary-share" web 2 5
	assert_equal "" "$(plain)"
	# The watch makes good what a power cut or an older dokku has left.
	rm "$KEPT/canary/10.86.0.2" "$DOKKU_LIB_ROOT/data/releases/web/canary"
	got "$PLUGIN_PATH/service-addresses/heal" web
	assert_equal 2 "$(plain | wc -l)"
	: >"$closed"
	got "$PLUGIN_PATH/service-addresses/heal" web
	assert_equal "" "$(plain)"
	rm "$closed"
	got "$PLUGIN_PATH/service-addresses/reconcile" web 1
	assert_equal 2 "$(plain | wc -l)"
	got "$PLUGIN_PATH/service-addresses/post-delete" web
	assert_equal "" "$(plain)"
}

@test "these links: a maintenance mode that begins while it is made is seen at the end" {
	with_canary
	rm "$DOKKU_LIB_ROOT/data/releases/web/canary"
	mkdir -p "$KEPT" "$DOKKU_LIB_ROOT/maintenance/web"
	fake ln <<<'/usr/bin/ln "$@"; : >"$DOKKU_LIB_ROOT/maintenance/web/closed"'
	rm -rf "$KEPT/plain"
	got "$PLUGIN_PATH/service-addresses/maintenance-change" web
	assert_success ""
	assert_equal "" "$(plain)"
}

# held - prints the addresses to which new connections wait.
held() { nft list set ip dokku held | grep -oE '10\.86\.[0-9.]+ timeout [0-9]+s' | sort; }

@test "hold-traffic: at all of the app's addresses, until they are pointed anywhere" {
	make_app web
	make_release web 1 web=13
	make_current web 1
	kernel_has
	code service-addresses 'addresses_claim_all web 1; targets[1]="10.86.128.2 5000"
		addresses_point web 1'
	got "$PLUGIN_PATH/service-addresses/hold-traffic" web 20
	assert_success ""
	assert_equal "10.86.0.2 timeout 20s
10.86.0.3 timeout 20s" "$(held)"
	# Nobody is told to keep connections, and stopping lets nobody go.
	got "$PLUGIN_PATH/service-addresses/core-post-stop" web
	assert_success ""
	assert_equal 2 "$(held | wc -l)"
	printf 'web 1 idB 10.86.128.3 5000\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/containers"
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" web 80 10.86.0.2 1
	assert_success ""
	assert_equal "" "$(held)"
	printf 'nginx\n' >"$TEST_HOST/etc/dokku/switch"
	got "$PLUGIN_PATH/service-addresses/hold-traffic" web 20
	assert_status 0
	assert_error_like " !     web: requests cannot be held where nginx switches traffic*"
	assert_equal "" "$(held)"
}

@test "canary-share: a switch says nothing of it; reconcile makes what the record says, the watch again" {
	with_canary
	assert_equal "" "$(canary_has)"
	hook fake scheduler-list <<<'printf "a 1 web 1 running 10.86.128.2 5000 7 /x\nb 2 web 1 running 10.86.128.3 5000 7 /x\n"'
	: >"$CALLS"
	got "$PLUGIN_PATH/service-addresses/reconcile" web 1
	assert_success ""
	assert_calls map
	assert_equal "10.86.128.3
5" "$(canary_has)"
	rm "$KEPT/canary/10.86.0.2"
	ln -s ../shares/7 "$KEPT/canary/10.86.0.9"
	got "$PLUGIN_PATH/service-addresses/heal"
	assert_success ""
	assert_equal 5 "$(canary_has | tail -n 1)"
	assert_absent "$KEPT/canary/10.86.0.9"
	# Somebody has changed the map.
	nft delete element ip dokku services '{ 10.86.0.2 . 86 }'
	assert_equal 1 "$(canary_has | grep -c '^$')"
	assert_equal 5 "$(canary_has | tail -n 1)"
	got "$PLUGIN_PATH/service-addresses/libexec/restore" web
	assert_status 0
	assert_equal "10.86.128.3
5" "$(canary_has)"
	# A record of a release that is current by now is none.
	printf '1 5 5 0 1\n' >"$DOKKU_LIB_ROOT/data/releases/web/canary"
	got "$PLUGIN_PATH/service-addresses/reconcile" web 1
	assert_success ""
	assert_equal "" "$(canary_has)"
}

@test "addresses_wanted: the watch asks for the canary's address, too" {
	with_canary
	code service-addresses 'addresses_wanted web'
	assert_success "web
set 10.86.0.2 80 10.86.128.2:5000
set 10.86.0.2 86 10.86.128.3:5000 10.86.128.4:5000"
}

@test "post-delete: the share of a destroyed app goes" {
	with_canary
	got "$PLUGIN_PATH/service-addresses/canary-share" web 2 5
	got "$PLUGIN_PATH/service-addresses/post-delete" web
	assert_success ""
	assert_absent "$KEPT/canary/10.86.0.2"
}

@test "preview-deploy: nobody without a release, and nothing to say before an app has an address" {
	make_release web 1 web=1
	containers 1 'web 1 a 10.86.128.2 5000'
	got "$PLUGIN_PATH/service-addresses/preview-deploy" web 1
	assert_success ""
	assert_calls ""
	code service-addresses 'addresses_claim_all web 1'
	got "$PLUGIN_PATH/service-addresses/preview-deploy" web 1
	assert_success ""
	assert_equal "services 10.86.0.2 . 81 : 10.86.128.2 . 5000" "$(kernel)"
	# The watch sets it again, before there is a release and beside one, and not after the end.
	code service-addresses 'addresses_wanted web'
	assert_success $'web\nunset 10.86.0.2 80\nset 10.86.0.2 81 10.86.128.2:5000'
	kernel_has
	code service-addresses '"$PLUGIN_PATH/service-addresses/libexec/restore" web add'
	assert_error " !     web: the address map had lost the line 10.86.0.2 81" \
		"10.86.128.2:5000: setting it again"
	assert_equal "services 10.86.0.2 . 81 : 10.86.128.2 . 5000" "$(kernel)"
	got "$PLUGIN_PATH/service-addresses/preview-deploy" web ""
	assert_success ""
	assert_equal "" "$(kernel)"
	code service-addresses 'addresses_wanted web'
	assert_success ""
}

@test "restore: under the lock, a preview that a killed deploy has left is forgotten" {
	make_release web 1 web=1
	containers 1 'web 1 a 10.86.128.2 5000'
	code service-addresses 'addresses_claim_all web 1'
	got "$PLUGIN_PATH/service-addresses/preview-deploy" web 1
	kernel_has
	got "$PLUGIN_PATH/service-addresses/libexec/restore" web
	assert_success ""
	assert_equal "" "$(kernel)"
	code service-addresses 'addresses_wanted web'
	assert_success ""
}

# before_each_look COMMAND… - runs nft with these words before each use of the map.
before_each_look() { export ON_MAP="nsenter --target $KERNEL --net -- /usr/sbin/nft $*"; }

# ask PORT ADDRESS… - opens a connection to each of these, and closes it.
ask() {
	local port=$1
	nsenter --target "$KERNEL" --net -- bash -c 'port=$1; shift
		for address; do : </dev/tcp/$address/$port; done' bash "$port" "${@:2}"
}

# switched RELEASE - switches to RELEASE, up to "live".
switched() {
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" web 80 10.86.0.2 "$1" && assert_success "" &&
		got "$PLUGIN_PATH/service-addresses/verify-switch" web "$1" && assert_success ""
}

@test "late connections: those that reach a replaced container after the switch are counted, no others" {
	local dir=$DOKKU_LIB_ROOT/data/releases/web
	an_app_that_listens
	make_release web 1 web=1
	make_current web 1
	containers 1 'web 1 idA 10.86.128.2 5000'
	switched 1
	ask 80 10.86.0.2 10.86.0.2
	make_release web 2 web=1
	containers 2 'web 1 idB 10.86.128.3 5000'
	switched 2
	assert_file "$dir/2/reached" "reached 10.86.128.2 2"
	printf '2\n' >"$dir/current"
	# To the new one, to the old one by its own address, and as a preview.
	ask 80 10.86.0.2
	ask 5000 10.86.128.2
	map "set 10.86.0.2 81 10.86.128.2:5000"
	ask 81 10.86.0.2
	mkdir -p "$DOKKU_LIB_ROOT/data/draining/web"
	: >"$DOKKU_LIB_ROOT/data/draining/web/idA"
	got "$PLUGIN_PATH/service-addresses/post-retire" web
	assert_success ""
	assert_absent "$dir/2/late"
	rm "$DOKKU_LIB_ROOT/data/draining/web/idA"
	got "$PLUGIN_PATH/service-addresses/post-retire" web
	assert_file "$dir/2/late" 0
	# The map is wrong for a moment.
	rm "$dir/2/late"
	map "set 10.86.0.2 80 10.86.128.2:5000"
	ask 80 10.86.0.2
	ask 84 10.86.0.2
	got "$PLUGIN_PATH/service-addresses/post-retire" web
	assert_file "$dir/2/late" 2
	# The table was made anew, or is an older one that does not count.
	rm "$dir/2/late"
	nft delete table ip dokku
	code service-addresses 'addresses_map list'
	got "$PLUGIN_PATH/service-addresses/post-retire" web
	assert_success ""
	assert_file "$dir/2/late" "not known"
	nft delete chain ip dokku reached_postrouting
	nft delete set ip dokku reached
	map "reached 10.86.128.2"
	assert_success "reached 10.86.128.2 unknown"
	kill "$LISTENER"
}

@test "verify-switch: a map that does not say it is refused" {
	make_release web 1 web=1
	containers 1 'web 1 idA 10.86.128.2 5000'
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" web 80 10.86.0.2 1
	before_each_look flush map ip dokku services
	got "$PLUGIN_PATH/service-addresses/verify-switch" web 1
	assert_refused \
		"web: the address map lacks a line that was just set: 10.86.0.2 80 10.86.128.2:5000"
}

@test "verify-switch: a line that was lost after the switch is set again" {
	make_release web 1 web=1
	containers 1 'web 1 idA 10.86.128.2 5000'
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" web 80 10.86.0.2 1
	kernel_has
	got "$PLUGIN_PATH/service-addresses/verify-switch" web 1
	assert_success ""
	kernel_has 'services 10.86.0.2 . 80 : 10.86.128.66 . 5000'
	got "$PLUGIN_PATH/service-addresses/verify-switch" web 1
	assert_success ""
	assert_equal "services 10.86.0.2 . 80 : 10.86.128.2 . 5000" "$(kernel)"
}

@test "a switch that the kernel refuses fails, and changes nothing" {
	make_release web 1 web=1
	containers 1 'web 1 idA 10.86.128.2 5000'
	MAP_REFUSES=1 got "$PLUGIN_PATH/service-addresses/core-post-deploy" web 80 10.86.0.2 1
	assert_status 1
	assert_output ""
	assert_error " !     address map: the kernel refused
 !     the address map could not be changed, see the message above. If a file of dokku is missing: run sudo dokku plugin:trigger install"
	assert_equal "" "$(kernel)"
}

@test "stop and delete: the addresses mean nobody; a deleted app's are free again" {
	make_release web 1 web=2
	containers 1 'web 1 a 10.86.128.2 5000' 'web 2 b 10.86.128.3 5000'
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" web 80 10.86.0.2 1
	got "$PLUGIN_PATH/service-addresses/core-post-stop" web
	assert_success ""
	assert_equal "" "$(kernel)"
	[[ -e $DOKKU_LIB_ROOT/data/services/web/web.1 ]]
	code service-addresses 'addresses_claim web2 web.1; addresses_claim w.b web.1'
	got "$PLUGIN_PATH/service-addresses/post-delete" w.b
	assert_success ""
	assert_equal 2 "$(ls "$DOKKU_LIB_ROOT/data/services/.by-address" | wc -l)"
	got "$PLUGIN_PATH/service-addresses/post-delete" web
	assert_success ""
	assert_equal web2 "$(ls "$DOKKU_LIB_ROOT/data/services")"
	assert_equal 10.86.0.3 "$(ls "$DOKKU_LIB_ROOT/data/services/.by-address")"
}

# renaming OLD NEW - NEW is a copy of OLD, a release of which has its first container at
# 10.86.128.9.
renaming() {
	make_app "$1" "$2"
	printf '%s\n' "$2" >"$DOKKU_ROOT/$1/renamed-to"
	printf 'rename %s\n' "$1" >"$DOKKU_ROOT/$2/made-from"
	got "$PLUGIN_PATH/service-addresses/post-app-rename-setup" "$1" "$2"
	assert_success
	make_release "$2" 2 "web=${3:-1}"
	printf 'web 1 z 10.86.128.9 5000\n' >"$DOKKU_LIB_ROOT/data/releases/$2/2/containers"
}

@test "rename: the new name shares the addresses, and gives them back to the containers of the old one" {
	make_release web 1 web=1
	containers 1 'web 1 a 10.86.128.2 5000'
	make_current web 1
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" web "" "" 1
	renaming web shop 13
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" shop "" "" 2
	assert_success
	assert_file "$DOKKU_LIB_ROOT/data/services/.by-address/10.86.0.2" "web web.1"
	assert_file "$DOKKU_LIB_ROOT/data/services/.by-address/10.86.0.3" "shop web.2"
	[[ $(kernel) == *"10.86.0.2 . 80 : 10.86.128.9 . 5000"* &&
	$(kernel) == *"10.86.0.3 . 80 : 10.86.128.9 . 5000"* ]]
	# Undone: by a failing deploy, and by what removes the copy.
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" shop "" "" ""
	assert_success
	assert_equal "services 10.86.0.2 . 80 : 10.86.128.2 . 5000" "$(kernel)"
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" shop "" "" 2
	got "$PLUGIN_PATH/service-addresses/post-delete" shop
	assert_success
	assert_equal "services 10.86.0.2 . 80 : 10.86.128.2 . 5000" "$(kernel)"
	assert_file "$DOKKU_LIB_ROOT/data/services/.by-address/10.86.0.2" "web web.1"
	assert_absent "$DOKKU_LIB_ROOT/data/services/.by-address/10.86.0.3" \
		"$DOKKU_LIB_ROOT/data/services/shop"
}

@test "rename: from the commit on the old name has no say, whatever is left of it" {
	make_release web 1 web=1
	containers 1 'web 1 a 10.86.128.2 5000'
	make_current web 1
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" web "" "" 1
	renaming web shop
	code service-addresses 'addresses_wanted web shop'
	assert_success $'web\nset 10.86.0.2 80 10.86.128.2:5000'
	make_current shop 2
	code service-addresses 'addresses_wanted web shop'
	assert_success $'shop\nset 10.86.0.2 80 10.86.128.9:5000'
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" shop "" "" 2
	got "$PLUGIN_PATH/service-addresses/core-post-stop" web
	assert_success
	assert_equal "services 10.86.0.2 . 80 : 10.86.128.9 . 5000" "$(kernel)"
	# The hook of the hand-over may not have run.
	got "$PLUGIN_PATH/service-addresses/post-delete" web
	assert_success
	assert_equal "services 10.86.0.2 . 80 : 10.86.128.9 . 5000" "$(kernel)"
	assert_file "$DOKKU_LIB_ROOT/data/services/.by-address/10.86.0.2" "shop web.1"
	assert_absent "$DOKKU_LIB_ROOT/data/services/web"
	got "$PLUGIN_PATH/service-addresses/post-app-rename" web shop
	assert_success
	got "$PLUGIN_PATH/service-addresses/core-post-stop" shop
	assert_equal "" "$(kernel)"
}

@test "reconcile: what runs now counts, not what was recorded; an engine that fails is an error" {
	make_release web 1 web=2
	containers 1 'web 1 a 10.86.128.2 5000' 'web 2 b 10.86.128.3 5000'
	hook fake scheduler-list <<-'BODY'
		printf '%s\n' 'a 1 web 1 running 10.86.128.2 5000 11 /web.web.1' 'b 1 web 2 exited 10.86.128.3 5000 0 /web.web.2' \
			'c 2 web 2 running 10.86.128.4 5000 12 /x' 'd 1 worker 1 running 10.86.128.5 5000 13 /y'
	BODY
	got "$PLUGIN_PATH/service-addresses/reconcile" web 1
	assert_success ""
	assert_equal "services 1 : 10.86.128.2 . 5000" "$(told)"
	hook fake scheduler-list <<<'exit 1'
	got "$PLUGIN_PATH/service-addresses/reconcile" web 1
	assert_status 1
	assert_equal "services 1 : 10.86.128.2 . 5000" "$(told)"
}

@test "reconcile: the addresses of an app that is stopped mean nobody, whatever still runs" {
	make_release web 1 web=1
	containers 1 'web 1 a 10.86.128.2 5000'
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" web 80 10.86.0.2 1
	hook fake scheduler-list <<<'printf "a 1 web 1 running 10.86.128.2 5000 11 /web.web.1\n"'
	code "" 'property_set ps web stopped true'
	got "$PLUGIN_PATH/service-addresses/reconcile" web 1
	assert_success ""
	assert_equal "" "$(kernel)"
}

# --- the root helper ------------------------------------------------------------------

map() { got "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/map" <<<"$1"; }

@test "root/table: one that cannot be read is not made anew" {
	kernel_has 'services 10.86.0.9 . 80 : 10.86.128.9 . 5000'
	fake nft <<<'[[ $1 != list ]] || exit 1; exec /usr/sbin/nft "$@"'
	got "$BIN/sudo" -n "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/table"
	assert_refused "address map: the kernel's table cannot be read; nothing was changed"
	assert_equal 'services 10.86.0.9 . 80 : 10.86.128.9 . 5000' "$(kernel)"
}

# The text of the table, as nft was told it.
TABLE='table ip dokku {
map services {
type ipv4_addr . inet_service : ipv4_addr . inet_service
}
map shares {
typeof ip daddr . tcp dport . numgen random mod 12 : ip daddr . tcp dport
}
ct timeout forget {
protocol tcp
l3proto ip
policy = { syn_sent: 1, last_ack: 3, close: 0, time_wait: 3 }
}
chain timeouts_output {
type filter hook output priority -150
ip daddr 10.86.0.0-10.86.127.255 tcp dport 80-299 ct state new ct timeout set "forget"
}
chain timeouts_prerouting {
type filter hook prerouting priority -150
ip daddr 10.86.0.0-10.86.127.255 tcp dport 80-299 ct state new ct timeout set "forget"
}
set held {
type ipv4_addr
size 65536
flags timeout
}
chain held_output {
type filter hook output priority -160
ip daddr @held tcp dport 80-299 tcp dport != 81 ct state new drop
}
set reached {
type ipv4_addr
size 65536
flags dynamic
}
chain reached_postrouting {
type nat hook postrouting priority 80
ip daddr 10.86.128.0-10.86.255.255 meta l4proto tcp ct original proto-dst != 81 ct original ip daddr 10.86.0.0-10.86.127.255 add @reached { ip daddr counter }
}
chain output {
type nat hook output priority -100
ip daddr 10.86.0.0-10.86.127.255 dnat ip to ip daddr . tcp dport map @services
ip daddr 10.86.0.0-10.86.127.255 dnat ip to ip daddr . tcp dport . numgen random mod 12 map @shares
}
chain own_ports {
type nat hook postrouting priority 90
ip saddr 10.86.0.1 ip daddr 10.86.128.0-10.86.255.255 meta l4proto tcp ct original ip daddr 10.86.128.0-10.86.255.255 snat to 10.86.0.1:1024-16383
ip saddr 10.86.0.1 ip daddr 10.86.128.0-10.86.255.255 meta l4proto tcp ct original proto-dst 81 snat to 10.86.0.1:1024-16383
ip saddr 10.86.0.1 ip daddr 10.86.128.0-10.86.255.255 meta l4proto tcp ct original proto-dst 82-86 snat to 10.86.0.1:16384-32767
}
chain unmapped_output {
type filter hook output priority 0
ip daddr 10.86.0.0-10.86.127.255 tcp dport 80-299 reject with tcp reset
}
chain invalid_input {
type filter hook input priority 0
ip saddr 10.86.128.0-10.86.255.255 ct state invalid drop
ip saddr 10.86.128.0-10.86.255.255 tcp dport 16384-65535 ct state new tcp flags & (syn | ack) == ack drop
}
chain strangers_prerouting {
type filter hook prerouting priority -300
iifname != { "lo", "dokku0" } ip saddr 10.86.0.0/16 drop
}
chain impostors_prerouting {
type filter hook prerouting priority -150
iifname != "dokku0" return
ip saddr 10.86.128.0-10.86.255.255 return
ct state established,related return
drop
}
chain strangers_forward {
type filter hook forward priority 0
ip daddr != 10.86.0.0/16 return
ct state established,related return
ct status dnat ct original ip daddr != 10.86.0.0/16 return
drop
}
chain metadata_prerouting {
type filter hook prerouting priority -150
iifname "dokku*" ip daddr { 169.254.0.0/16, 168.63.129.16, 192.0.0.192, 100.100.100.200 } tcp dport != 53 drop
iifname "docker0" ip daddr { 169.254.0.0/16, 168.63.129.16, 192.0.0.192, 100.100.100.200 } tcp dport != 53 drop
}
set crowds_host {
type ipv4_addr
size 65536
flags dynamic
}
set crowds_all {
type ipv4_addr
size 65536
flags dynamic
}
chain crowds_prerouting {
type filter hook prerouting priority -149
ct state != new return
iifname "docker0" fib daddr type local ct count over 3000 drop
iifname "docker0" add @crowds_all { ip saddr ct count over 16384 } drop
iifname != "dokku*" return
fib daddr type local add @crowds_host { ip saddr ct count over 1000 } drop
fib daddr type local ct count over 4000 drop
add @crowds_all { ip saddr ct count over 16384 } drop
}'
RULES="rules_$(sed 1d <<<"$TABLE" | cksum)"
readonly RULES=${RULES%% *}

# told_nft - makes a fake nft that records what it is told of the table ip, and calls the real one.
told_nft() {
	fake nft <<<'[[ "$*" != *"-f -" ]] || { text=$(cat)
		[[ $text == *"table bridge dokku"* ]] || printf "%s\n" "$text" >>"$CALLS.nft"
		exec /usr/sbin/nft "$@" <<<"$text"; }; exec /usr/sbin/nft "$@"'
}

@test "the table is made where it is missing, refusing what the map does not know" {
	told_nft
	map list
	assert_status 3
	code service-addresses 'addresses_map list'
	assert_success ""
	assert_file "$CALLS.nft" "create table ip dokku
$TABLE
chain $RULES {
}
}"
	# It is there now.
	: >"$CALLS"
	code service-addresses 'addresses_map list'
	assert_calls map
}

@test "root/table: the bridge's table is made with it, and again where it alone is missing or of another version" {
	code service-addresses 'addresses_map list'
	assert_success ""
	nft list chain bridge dokku between
	assert_file "$TEST_HOST/run/dokku-bridge" nftables
	nft delete table bridge dokku
	map "get 10.86.0.2 80"
	assert_success ""
	map list
	assert_status 3
	code service-addresses 'addresses_map list'
	assert_success ""
	nft list chain bridge dokku senders
	nft -f - <<<'delete table bridge dokku
		table bridge dokku { chain between { type filter hook forward priority 0; }; chain rules_1 { }; }'
	got "$BIN/sudo" -n "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/table"
	nft list set bridge dokku bytes
	run nft list chain bridge dokku rules_1
	[[ $status -ne 0 ]]
}

@test "root/table: containers of an older dokku keep the MAC addresses that the engine gave them" {
	fake docker <<<'[[ $* != "network inspect dokku"* ]] ||
		printf "%s\n" "ee:11:22:33:44:55 10.86.128.5/16" \
		"02:42:0a:56:80:06 10.86.128.6/16" "; flush ruleset 1" \
		"ee:11:22:33:44:66 10.86.1.256/16"'
	code service-addresses 'addresses_map list'
	assert_success ""
	assert_equal "ee:11:22:33:44:55 . 10.86.128.5" \
		"$(nft list set bridge dokku older |
			grep -oE '([0-9a-f]{2}:){5}[0-9a-f]{2} . [0-9.]+')"
}

@test "root/table: a kernel that does not filter on a bridge does without, and proxy:report says so" {
	fake nft <<<'[[ "$*" != *"bridge dokku"* ]] || { echo "Error: Operation not supported" >&2
		exit 1; }
		[[ "$*" == *"-f -" ]] || exec /usr/sbin/nft "$@"
		text=$(cat); [[ $text != *"table bridge"* ]] ||
		{ echo "Error: Operation not supported" >&2; exit 1; }
		exec /usr/sbin/nft -f - <<<"$text"'
	code service-addresses 'addresses_map list'
	assert_success ""
	code service-addresses 'addresses_map list'
	assert_success ""
	assert_file "$TEST_HOST/run/dokku-bridge" none
	make_app web
	made_plugins service-addresses proxy
	dokku proxy:report web --proxy-guard
	assert_success "nftables, but not between containers:" \
		"the kernel does not filter on a bridge, so apps reach each other"
	# One that can again has no such mark.
	rm "$BIN/nft"
	got "$BIN/sudo" -n "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/table"
	assert_success ""
	nft list chain bridge dokku between
	run nft list chain ip dokku no_bridge
	[[ $status -ne 0 ]]
}

@test "root/table: where the kernel tells the name of the bridge, all that goes between containers is dropped" {
	fake nft <<<'[[ "$*" == *"-f -" ]] || exec /usr/sbin/nft "$@"
		text=$(cat); [[ $text != *"table bridge"* ]] ||
		{ printf "%s\n" "$text" >>"$CALLS.nft"; exit 0; }
		exec /usr/sbin/nft -f - <<<"$text"'
	got "$BIN/sudo" -n "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/table"
	assert_success ""
	[[ $(<"$CALLS.nft") == *$'type filter hook prerouting priority -300\nmeta ibrname != "dokku0" accept\n'* ]]
	[[ $(<"$CALLS.nft") == *$'chain between {\ntype filter hook forward priority 0\nmeta ibrname "dokku0" drop\n}'* ]]
}

# older_table - as dokku made it before it kept strangers away; with an element.
older_table() {
	nft -f - <<<'table ip dokku {
		map services { type ipv4_addr . inet_service : ipv4_addr . inet_service; elements = { 10.86.0.9 . 80 : 10.86.128.9 . 5000 }; }
		map shares { typeof ip daddr . tcp dport . numgen random mod 12 : ip daddr . tcp dport; }
		ct timeout brief { protocol tcp; l3proto ip; policy = { last_ack: 3, close: 3, time_wait: 3 }; }
		chain timeouts { type filter hook output priority -150; ct state new ct timeout set "brief"; }
		chain output { type nat hook output priority -100; dnat ip to ip daddr . tcp dport map @services; }
		chain prerouting { type nat hook prerouting priority -100; dnat ip to ip daddr . tcp dport map @services; }
		chain unmapped_forward { type filter hook forward priority 0; tcp dport { 80, 81 } reject with tcp reset; }
	}'
}

@test "a table of an older version gets today's rules in one transaction, and keeps its elements" {
	older_table
	told_nft
	got "$BIN/sudo" -n "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/table"
	assert_success ""
	assert_file "$CALLS.nft" "flush table ip dokku
delete ct timeout ip dokku brief
delete chain ip dokku timeouts
delete chain ip dokku output
delete chain ip dokku prerouting
delete chain ip dokku unmapped_forward
$TABLE
chain $RULES {
}
}"
	assert_equal 'services 10.86.0.9 . 80 : 10.86.128.9 . 5000' "$(kernel)"
	assert_equal "crowds_prerouting held_output impostors_prerouting invalid_input metadata_prerouting output own_ports reached_postrouting $RULES strangers_forward strangers_prerouting timeouts_output timeouts_prerouting unmapped_output" \
		"$(nft list table ip dokku | sed -n 's/^\tchain \(.*\) {/\1/p' | sort |
			paste -sd ' ')"
	# The table has the chains of this version now, so the next call leaves it alone.
	rm "$CALLS.nft"
	got "$BIN/sudo" -n "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/table"
	assert_success ""
	assert_absent "$CALLS.nft"
}

@test "a table of a version without shares gets today's rules, and keeps its elements" {
	nft -f - <<<'table ip dokku {
		map services { type ipv4_addr . inet_service : ipv4_addr . inet_service; elements = { 10.86.0.9 . 80 : 10.86.128.9 . 5000 }; }
	}'
	code service-addresses 'addresses_map list'
	# The ports for kept connections are missing.
	assert_success "10.86.0.9 80 10.86.128.9:5000 ?"
	nft list chain ip dokku strangers_forward
}

@test "a table for another network gets the rules for this one" {
	kernel_has
	printf '10.87.0.0/16\n' >"$TEST_HOST/etc/dokku/network"
	got "$BIN/sudo" -n "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/table"
	assert_success ""
	assert_equal "" "$(nft list table ip dokku | grep -F 10.86.)"
	nft list chain ip dokku strangers_forward | grep -qF 'ip daddr != 10.87.0.0/16 return'
}

@test "root/table: a table that remembers reset connections is renewed, and keeps its elements" {
	nft -f - <<<'table ip dokku {
		map services { type ipv4_addr . inet_service : ipv4_addr . inet_service; elements = { 10.86.0.9 . 80 : 10.86.128.9 . 5000 }; }
		map shares { typeof ip daddr . tcp dport . numgen random mod 12 : ip daddr . tcp dport
		}
		ct timeout brief { protocol tcp; l3proto ip; policy = { last_ack: 3, close: 3, time_wait: 3 }
		}
		chain timeouts { type filter hook output priority -150; ct state new ct timeout set "brief"
		}
	}'
	told_nft
	got "$BIN/sudo" -n "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/table"
	assert_success ""
	[[ $(<"$CALLS.nft") == "flush table ip dokku
delete ct timeout ip dokku brief
delete chain ip dokku timeouts
table ip dokku {"* ]]
	assert_equal 'services 10.86.0.9 . 80 : 10.86.128.9 . 5000' "$(kernel)"
	[[ $(nft list table ip dokku) != *'"brief"'* ]]
	rm "$CALLS.nft"
	got "$BIN/sudo" -n "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/table"
	assert_success ""
	assert_absent "$CALLS.nft"
}

# fake_kernel KEY VALUE… - makes a fake sysctl that shows and changes these settings of the kernel.
fake_kernel() {
	printf '%s %s\n' "$@" >"$BATS_TEST_TMPDIR/kernel"
	# shellcheck disable=SC2016
	fake sysctl <<<'file=$BATS_TEST_TMPDIR/kernel
		case $1 in
		--values) grep -q "^$2 " "$file" && sed -n "s/^$2 //p" "$file" ;;
		--quiet) [[ ${READ_ONLY-} != "${3%=*}" ]] &&
		sed -i "s/^${3%=*} .*/${3%=*} ${3#*=}/" "$file" ;;
		esac'
}

in_kernel() { sed -n "s/^$1 //p" "$BATS_TEST_TMPDIR/kernel"; }

install_services() {
	# shellcheck disable=SC2016 # for the fake
	fake nft <<<'exec nsenter --target "$KERNEL" --net -- /usr/sbin/nft "$@"'
	fake chgrp setcap chmod docker </dev/null
	mkdir -p "$TEST_HOST/etc/sysctl.d"
	got "$PLUGIN_PATH/service-addresses/install"
}

@test "install: the kernel's settings hold after a boot too, and uninstall goes back to what was" {
	[[ $EUID -eq 0 ]] || skip "as root only"
	local file=$TEST_HOST/etc/sysctl.d/60-dokku.conf \
		liberal=net.netfilter.nf_conntrack_tcp_be_liberal reuse=net.ipv4.tcp_tw_reuse
	fake_kernel "$liberal" 0 "$reuse" 2 net.ipv4.tcp_timestamps 1
	# The second time, what was there before the first one still stands.
	for _ in 1 2; do
		install_services
		assert_success ""
		assert_file "$file" "# Installed by dokku: plugins/common/lib/kernel says why.
# was $liberal = 0
$liberal = 1
# was $reuse = 2
$reuse = 1"
		assert_equal "1 1" "$(in_kernel "$liberal") $(in_kernel "$reuse")"
	done
	fake userdel nginx </dev/null
	got env --unset=PLUGIN_CORE_AVAILABLE_PATH \
		"$PLUGIN_CORE_AVAILABLE_PATH/common/libexec/uninstall" "$BATS_TEST_TMPDIR/prefix"
	assert_status 0
	assert_equal "0 2" "$(in_kernel "$liberal") $(in_kernel "$reuse")"
	assert_absent "$file"
}

@test "install: limits that all users of a number share are raised, never lowered, and uninstall goes back" {
	[[ $EUID -eq 0 ]] || skip "as root only"
	local file=$TEST_HOST/etc/sysctl.d/60-dokku.conf epoll=fs.epoll.max_user_watches \
		instances=fs.inotify.max_user_instances aio=fs.aio-max-nr near=net.ipv4.neigh.default.gc_thresh3
	fake_kernel net.netfilter.nf_conntrack_tcp_be_liberal 0 net.ipv4.tcp_tw_reuse 2 \
		net.ipv4.tcp_timestamps 1 "$aio" 65536 "$epoll" 214000 "$instances" 9223372036854775807 "$near" 1024
	for _ in 1 2; do
		install_services
		assert_success ""
		assert_equal "# was $aio = 65536
$aio = 1000000000
# was $epoll = 214000
$epoll = 1000000000
# was $near = 1024
$near = 1048576" "$(tail -n 6 "$file")"
		assert_equal "1000000000 9223372036854775807 1048576" \
			"$(in_kernel "$epoll") $(in_kernel "$instances") $(in_kernel "$near")"
	done
	READ_ONLY=$near install_services
	[[ $output == *"$near could not be set to 1048576: one app can use up what all have"* ]]
	fake userdel nginx </dev/null
	got env --unset=PLUGIN_CORE_AVAILABLE_PATH \
		"$PLUGIN_CORE_AVAILABLE_PATH/common/libexec/uninstall" "$BATS_TEST_TMPDIR/prefix"
	assert_equal "65536 214000 9223372036854775807 1024" \
		"$(in_kernel "$aio") $(in_kernel "$epoll") $(in_kernel "$instances") $(in_kernel "$near")"
}

@test "install: an older version's file of settings, one that the kernel refuses, and no timestamps" {
	[[ $EUID -eq 0 ]] || skip "as root only"
	local file=$TEST_HOST/etc/sysctl.d/60-dokku.conf \
		liberal=net.netfilter.nf_conntrack_tcp_be_liberal reuse=net.ipv4.tcp_tw_reuse
	mkdir -p "$TEST_HOST/etc/sysctl.d"
	printf '# Installed by dokku: plugins/service-addresses/install says why.\n%s = 1\n' \
		"$liberal" >"$file"
	fake_kernel "$liberal" 1 "$reuse" 0 net.ipv4.tcp_timestamps 0
	READ_ONLY=$reuse install_services
	assert_status 0
	[[ $output == *"$reuse could not be set to 1: more than 235 requests a second to one app may fail"* ]]
	[[ $output == *"net.ipv4.tcp_timestamps is 0, so tcp_tw_reuse has no effect"* ]]
	[[ $(<"$file") == *"# was $liberal = 0
$liberal = 1
# was $reuse = 0
$reuse = 1" ]]
}

@test "root/table: a kernel without timeouts of a connection's own does without" {
	fake nft <<<'[[ "$*" == *"-f -" ]] || exec /usr/sbin/nft "$@"
		text=$(cat); [[ $text != *"ct timeout"* ]] ||
		{ printf "Error: Operation not supported\n" >&2; exit 1; }
		exec /usr/sbin/nft -f - <<<"$text"'
	code service-addresses 'addresses_map list'
	assert_success ""
	assert_equal 0 "$(nft list table ip dokku | grep -c 'ct timeout')"
	# The table counts as complete, so it is not made again each time.
	nft list chain ip dokku "$RULES"
}

@test "root/table: a kernel that counts no connections does without, and one that has no timeouts either" {
	local lacks
	for lacks in 'ct count' 'ct (count|timeout)'; do
		fake nft <<-BODY
			[[ "\$*" == *"-f -" ]] || exec /usr/sbin/nft "\$@"
			text=\$(cat); ! grep -qE '$lacks' <<<"\$text" || { printf "Error: Operation not supported\n" >&2; exit 1; }; exec /usr/sbin/nft -f - <<<"\$text"
		BODY
		code service-addresses 'addresses_map list'
		assert_success ""
		assert_equal 0 "$(nft list table ip dokku | grep -cE "$lacks")"
		nft list chain ip dokku "$RULES"
		nft delete table ip dokku
	done
	fake nft <<<'[[ "$*" == *"-f -" ]] || exec /usr/sbin/nft "$@"
		printf "Error: no such thing\n" >&2; exit 1'
	got "$BIN/sudo" -n "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/table"
	assert_status 1
	[[ $stderr == "Error: no such thing"*"the kernel refuses the table; nothing was changed" ]]
}

@test "root/table: apps reach the metadata of a cloud where an administrator has made the file" {
	local file
	file=$TEST_HOST/etc/dokku/metadata
	kernel_has
	got "$BIN/sudo" -n "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/table"
	nft list chain ip dokku metadata_prerouting | grep -qF 169.254.0.0/16
	touch "$file"
	got "$BIN/sudo" -n "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/table"
	assert_success ""
	assert_equal 0 "$(nft list table ip dokku | grep -cF 169.254)"
	rm "$file"
	got "$BIN/sudo" -n "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/table"
	nft list chain ip dokku metadata_prerouting | grep -qF 169.254.0.0/16
}

@test "root/map: sets, changes, lists and unsets" {
	kernel_has
	map "set 10.86.0.2 80 10.86.128.2:5000
set 10.86.0.3 80 10.86.128.3:5000 10.86.128.4:5001 10.86.128.5:5000 10.86.128.6:5000 10.86.128.7:5000
list"
	assert_status 0
	assert_equal "10.86.0.2 80 10.86.128.2:5000
10.86.0.3 80 10.86.128.3:5000 10.86.128.4:5001 10.86.128.5:5000 10.86.128.6:5000 10.86.128.7:5000" "$(sort <<<"$output")"
	assert_equal 13 "$(kernel | wc -l)"
	map "set 10.86.0.2 80 10.86.255.254:65535
unset 10.86.0.3 80
unset 10.86.0.4 80
list"
	assert_success "10.86.0.2 80 10.86.255.254:65535"
	map "set 10.86.0.2 80 10.86.128.2:5000 10.86.128.3:5000
set 10.86.0.3 80 10.86.128.8:5000
list"
	assert_equal "10.86.0.2 80 10.86.128.2:5000 10.86.128.3:5000
10.86.0.3 80 10.86.128.8:5000" "$(sort <<<"$output")"
	map ""
	assert_success ""
}

@test "root/map: add sets an address that leads nowhere, and leaves alone one that leads anywhere" {
	kernel_has
	map "set 10.86.0.2 80 10.86.128.2:5000
set 10.86.0.3 80 10.86.128.3:5000 10.86.128.4:5000"
	map "add 10.86.0.2 80 10.86.128.9:5000
add 10.86.0.3 80 10.86.128.9:5000
add 10.86.0.4 80 10.86.128.5:5000 10.86.128.6:5000
list"
	assert_status 0
	assert_equal "10.86.0.2 80 10.86.128.2:5000
10.86.0.3 80 10.86.128.3:5000 10.86.128.4:5000
10.86.0.4 80 10.86.128.5:5000 10.86.128.6:5000" "$(sort <<<"$output")"
}

@test "root/map: shares that are not a list dealt out in turn are shown as unknown" {
	kernel_has
	map "set 10.86.0.2 80 10.86.128.2:5000 10.86.128.3:5000"
	nft delete element ip dokku shares '{ 10.86.0.2 . 80 . 7 }'
	map "get 10.86.0.2 80"
	assert_output_like '10.86.0.2 80 *?*'
	map list
	assert_status 0
	assert_output_like '10.86.0.2 80 *?*'
	# The address can still be set.
	map "set 10.86.0.2 80 10.86.128.2:5000
list"
	assert_success "10.86.0.2 80 10.86.128.2:5000"
}

# kept - prints the files that let nginx keep connections.
kept() { ls --ignore=plain "$TEST_HOST/run/dokku-kept"; }

# connect PORT - opens a connection to the app's address, which lasts as long as the process
# CONNECTED.
connect() {
	rm -f "$BATS_TEST_TMPDIR/connected"
	# shellcheck disable=SC2016 # for the other shell
	nsenter --target "$KERNEL" --net -- \
		bash -c 'exec 3<>"/dev/tcp/10.86.0.2/$1" && : >"$2" && exec sleep 60' bash \
		"$1" "$BATS_TEST_TMPDIR/connected" >/dev/null 2>&1 3>&- &
	CONNECTED=$!
	timeout 5 bash -c 'until [[ -e $1 ]]; do sleep 0.01; done' bash "$BATS_TEST_TMPDIR/connected"
}

disconnect() {
	kill "$CONNECTED"
	wait "$CONNECTED" 2>/dev/null || true
}

# an_app_that_listens - makes the app of the address 10.86.0.2, whose containers 10.86.128.2 and .3
# are one server.
an_app_that_listens() {
	kernel_has 'services 10.86.0.2 . 80 : 10.86.128.2 . 5000'
	rm -r "$TEST_HOST/run/dokku-kept"/*
	nsenter --target "$KERNEL" --net -- sh -c 'ip link set lo up &&
		for a in 0.1 0.2 128.2 128.3; do ip addr add "10.86.$a/32" dev lo; done'
	PORT=5000 nsenter --target "$KERNEL" --net -- "$REPO/build/tests/apps/web" \
		"$BATS_TEST_TMPDIR" >/dev/null 2>&1 3>&- &
	LISTENER=$!
	timeout 5 nsenter --target "$KERNEL" --net -- bash -c \
		'until : 2>/dev/null >/dev/tcp/10.86.128.2/5000; do sleep 0.02; done'
}

@test "root/map: nginx may use a pool only after it was empty, and none from the moment on that the map changes" {
	local port pool
	an_app_that_listens
	map "keep 10.86.0.2"
	assert_success ""
	assert_equal 10.86.0.2.1 "$(kept)"
	# It stays while nothing changes, also when its pool is in use.
	connect 82
	map "set 10.86.0.2 80 10.86.128.2:5000
set 10.86.0.2 81 10.86.128.3:5000
keep 10.86.0.2"
	assert_equal 10.86.0.2.1 "$(kept)"
	# A change takes it, and the pool that still has a connection is not used again.
	map "set 10.86.0.2 80 10.86.128.3:5000"
	assert_equal "" "$(kept)"
	map "keep 10.86.0.2"
	assert_equal 10.86.0.2.2 "$(kept)"
	map "set 10.86.0.2 80 10.86.128.2:5000
keep 10.86.0.2"
	assert_equal 10.86.0.2.2 "$(kept)"
	# The first pool, whose file nginx looks for first, takes over as soon as it is empty.
	map "keep 10.86.0.2"
	assert_equal 10.86.0.2.2 "$(kept)"
	disconnect
	map "keep 10.86.0.2"
	assert_equal 10.86.0.2.1 "$(kept)"
	map "unset 10.86.0.2 80
keep 10.86.0.2"
	assert_equal "" "$(kept)"
	kill "$LISTENER"
}

@test "root/map: each port of a pool counts, at each of the app's addresses; with both in use there is none" {
	local port pool
	an_app_that_listens
	for port in 80:1 82:2 83:2 84:1 85:1; do
		connect "${port%:*}"
		map "set 10.86.0.2 80 10.86.128.3:5000
keep 10.86.0.2"
		assert_equal "10.86.0.2.${port#*:}" "$(kept)"
		map "set 10.86.0.3 80 10.86.128.2:5000
set 10.86.0.2 80 10.86.128.2:5000
keep 10.86.0.3 10.86.0.2"
		assert_equal "10.86.0.3.${port#*:}" "$(kept)"
		map "unset 10.86.0.3 80"
		disconnect
	done
	connect 82
	local first=$CONNECTED
	connect 85
	map "set 10.86.0.2 80 10.86.128.3:5000
keep 10.86.0.2"
	assert_equal "" "$(kept)"
	disconnect
	map "keep 10.86.0.2"
	assert_equal 10.86.0.2.2 "$(kept)"
	kill "$first" "$LISTENER"
}

# killed_map TEXT - runs the map and kills it at a random time, also before it has begun or after it
# has ended.
killed_map() {
	"$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/map" <<<"$1" >/dev/null 3>&- &
	local pid=$!
	sleep "0.0$((RANDOM % 10))$((RANDOM % 10))"
	kill -KILL "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
}

@test "root/map: killed at any time, it leaves no pool allowed that has connections from before" {
	local i kept=0 changed=0 was is
	an_app_that_listens
	connect 84
	was=$(nft list map ip dokku services)
	for i in {1..40}; do
		killed_map "set 10.86.0.2 80 10.86.128.$((2 + i % 2)):5000
keep 10.86.0.2"
		[[ ! -e $TEST_HOST/run/dokku-kept/10.86.0.2.2 ]]
		[[ ! -e $TEST_HOST/run/dokku-kept/10.86.0.2.1 ]] || ((++kept))
		is=$(nft list map ip dokku services)
		[[ $is == "$was" ]] || ((++changed))
		was=$is
		map "get 10.86.0.2 80"
		[[ $output != *'?'* ]]
	done
	echo "changed $changed, kept $kept"
	[[ $changed -gt 0 && $kept -gt 0 ]]
	# What was left in the folder does no harm, and goes with the next change.
	disconnect
	map "set 10.86.0.2 80 10.86.128.9:5000"
	assert_equal "" "$(kept)"
	kill "$LISTENER"
}

@test "root/map: no pool is used at an address whose ports lead to different containers, until it is completed" {
	kernel_has 'services 10.86.0.2 . 80 : 10.86.128.2 . 5000' 'services 10.86.0.3 . 80 : 10.86.128.3 . 5000'
	rm -r "$TEST_HOST/run/dokku-kept"/*
	nft delete element ip dokku services '{ 10.86.0.2 . 85 }'
	nft delete element ip dokku services '{ 10.86.0.3 . 80 }'
	map "get 10.86.0.2 80
keep 10.86.0.2
keep 10.86.0.3"
	assert_success "10.86.0.2 80 10.86.128.2:5000 ?"
	assert_equal "" "$(kept)"
	map "complete
list
keep 10.86.0.2"
	assert_success "10.86.0.2 80 10.86.128.2:5000"
	assert_equal 10.86.0.2.1 "$(kept)"
	map "set 10.86.0.4 80 10.86.128.4:5000 10.86.128.5:5000"
	for port in 82 83 84 85; do
		for share in {0..11}; do
			nft delete element ip dokku shares "{ 10.86.0.4 . $port . $share }"
		done
	done
	map "complete
list"
	assert_success "10.86.0.2 80 10.86.128.2:5000
10.86.0.4 80 10.86.128.4:5000 10.86.128.5:5000"
}

@test "root/map: what another process is about to allow is forbidden, too; without the folder nothing is kept" {
	kernel_has 'services 10.86.0.2 . 80 : 10.86.128.2 . 5000'
	: >"$TEST_HOST/run/dokku-kept/10.86.0.2.AbCdEf"
	: >"$TEST_HOST/run/dokku-kept/10.86.0.22.1"
	map "set 10.86.0.2 80 10.86.128.3:5000"
	assert_success ""
	assert_equal 10.86.0.22.1 "$(kept)"
	# The map does not change if kept connections cannot be forbidden first.
	mkdir "$TEST_HOST/run/dokku-kept/10.86.0.2.1"
	map "set 10.86.0.2 80 10.86.128.4:5000"
	assert_status 1
	assert_error_like \
		' !     address map: kept connections cannot be forbidden: *; nothing was changed'
	assert_equal "services 10.86.0.2 . 80 : 10.86.128.3 . 5000" "$(kernel)"
	rm -r "$TEST_HOST/run/dokku-kept"
	map "set 10.86.0.2 80 10.86.128.2:5000
keep 10.86.0.2"
	assert_success ""
	[[ ! -e $TEST_HOST/run/dokku-kept ]]
}

@test "a switch forbids kept connections and allows them again; heal allows what is missing, not of an app that is stopped" {
	make_app web
	make_release web 1 web=1
	containers 1 'web 1 idA 10.86.128.2 5000'
	kernel_has 'services 10.86.0.2 . 80 : 10.86.128.9 . 5000'
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" web 80 10.86.0.2 1
	assert_success ""
	assert_equal "" "$(kept)"
	got "$PLUGIN_PATH/service-addresses/verify-switch" web 1
	assert_success ""
	assert_equal 10.86.0.2.1 "$(kept)"
	KEPT=$TEST_HOST/run/dokku-kept
	assert_equal "$FIRST" "$(plain)"
	rm -r "$TEST_HOST/run/dokku-kept"/*
	make_current web 1
	got "$PLUGIN_PATH/service-addresses/heal"
	assert_success ""
	assert_equal 10.86.0.2.1 "$(kept)"
	# A busy app is moved back to the pool whose file nginx looks for first.
	mv "$KEPT/10.86.0.2.1" "$KEPT/10.86.0.2.2"
	got "$PLUGIN_PATH/service-addresses/heal"
	assert_success ""
	assert_equal 10.86.0.2.1 "$(kept)"
	assert_equal "$FIRST" "$(plain)"
	: >"$CALLS"
	got "$PLUGIN_PATH/service-addresses/heal"
	assert_calls ""
	got "$PLUGIN_PATH/service-addresses/core-post-stop" web
	assert_equal "" "$(kept)"
	mkdir -p "$DOKKU_LIB_ROOT/config/ps/web"
	printf '1\n' >"$DOKKU_LIB_ROOT/config/ps/web/stopped"
	: >"$CALLS"
	got "$PLUGIN_PATH/service-addresses/heal"
	assert_calls ""
	rm "$DOKKU_LIB_ROOT/config/ps/web/stopped"
	rm -r "$TEST_HOST/run/dokku-kept"
	got "$PLUGIN_PATH/service-addresses/core-post-deploy" web 80 10.86.0.2 1
	assert_success ""
	got "$PLUGIN_PATH/service-addresses/heal"
	assert_success ""
	assert_equal 10.86.0.2.1 "$(kept)"
}

# client PORT - asks the app at PORT until it is answered, and writes that to the file of that name.
# Each connection that ends before it is open is a line "again".
client() {
	# shellcheck disable=SC2016 # for the other shell
	nsenter --target "$KERNEL" --net -- bash -c 'until exec 3<>"/dev/tcp/10.86.0.2/$1"; do
			printf "again\n" >>"$2"
		done
		printf "GET / HTTP/1.0\r\n\r\n" >&3 && read -r line <&3 && printf "%s\n" "${line:9:3}" >>"$2"' \
		bash "$1" "$BATS_TEST_TMPDIR/$1" >/dev/null 2>&1 3>&- &
}

# waits PORT - waits until a connection to PORT has sent its first packet and has no answer.
waits() {
	timeout 5 nsenter --target "$KERNEL" --net -- bash -c \
		'until ss -Htn state syn-sent dst "10.86.0.2:$1" | grep -q .; do sleep 0.01; done' bash "$1"
}

@test "root/map: hold: new connections wait, open ones and previews do not; set lets them go at once" {
	local port
	an_app_that_listens
	map "set 10.86.0.2 81 10.86.128.2:5000
set 10.86.0.2 86 10.86.128.2:5000
keep 10.86.0.2"
	assert_equal 10.86.0.2.1 "$(kept)"
	coproc OPEN { nsenter --target "$KERNEL" --net -- bash -c 'exec 3<>/dev/tcp/10.86.0.2/80 &&
		echo open && read -r && printf "GET / HTTP/1.0\r\n\r\n" >&3 && head -n 1 <&3
		read -r'; }
	read -r -t 5 line <&"${OPEN[0]}"
	map "hold 10.86.0.2 60"
	assert_success ""
	assert_equal "" "$(kept)"
	for port in 80 82 83 84 85 86; do client "$port"; done
	for port in 80 82 83 84 85 86; do waits "$port"; done
	client 81
	eventually assert_file "$BATS_TEST_TMPDIR/81" 200
	printf '\n' >&"${OPEN[1]}"
	read -r -t 5 line <&"${OPEN[0]}"
	[[ $line == 'HTTP/1.'?' 200'* ]]
	# Nobody is let go by another address, another port, or when the containers go.
	map "set 10.86.0.3 80 10.86.128.3:5000
set 10.86.0.2 81 10.86.128.3:5000
add 10.86.0.2 80 10.86.128.3:5000
unset 10.86.0.2 80"
	nft list set ip dokku held | grep -qF 10.86.0.2
	map "hold 10.86.0.2 60"
	assert_success ""
	for port in 80 82 83 84 85 86; do waits "$port"; done
	[[ ! -e $BATS_TEST_TMPDIR/80 ]]
	map "set 10.86.0.2 80 10.86.128.2:5000"
	assert_success ""
	for port in 80 82 83 84 85 86; do
		eventually assert_file "$BATS_TEST_TMPDIR/$port" "again
200"
	done
	assert_equal "" "$(nft list set ip dokku held | grep 10.86)"
	kill "$LISTENER" "$OPEN_PID"
}

@test "root/map: hold: after its time all is as the map says; a table without the set is renewed" {
	an_app_that_listens
	map "unset 10.86.0.2 80
hold 10.86.0.2 1"
	client 80
	# Where the map says nothing, they are refused then.
	eventually grep -qs again "$BATS_TEST_TMPDIR/80"
	assert_equal "" "$(nft list set ip dokku held | grep 10.86)"
	map "set 10.86.0.2 80 10.86.128.2:5000"
	eventually grep -qx 200 "$BATS_TEST_TMPDIR/80"
	nft delete chain ip dokku held_output
	nft delete chain ip dokku "$RULES"
	nft delete set ip dokku held
	map "set 10.86.0.2 80 10.86.128.3:5000"
	assert_success ""
	map "hold 10.86.0.2 1"
	assert_status 3
	code service-addresses 'addresses_map "hold 10.86.0.2 60"'
	assert_success ""
	nft list set ip dokku held | grep -qF 10.86.0.2
	kill "$LISTENER"
}

@test "root/map: refuses whatever is outside its grammar, and changes nothing" {
	kernel_has
	map "set 10.86.0.2 80 10.86.128.2:5000"
	local before
	before=$(kernel)
	is_refused() {
		: >"$CALLS"
		map "set 10.86.0.2 80 10.86.128.7:5000
$1"
		assert_status 1 && assert_output "" && assert_error_like ' !     address map: *' &&
			[[ $stderr != *$'\n'* ]] && assert_equal "$before" "$(kernel)"
	}
	each is_refused <<-'LINES'
		set 10.86.128.2 80 10.86.128.2:5000
		set 10.86.0.2 80 10.86.0.2:5000
		set 10.87.0.2 80 10.86.128.2:5000
		set 10.86.0.2 80 10.85.255.255:5000
		set 10.86.0.2 80 10.87.0.0:5000
		set 127.0.0.1 80 10.86.128.2:5000
		set 10.86.0.2 0 10.86.128.2:5000
		set 10.86.0.2 65536 10.86.128.2:5000
		set 10.86.0.2 080 10.86.128.2:5000
		keep
		keep 10.86.128.2
		keep 10.86.0.2 x
		complete 10.86.0.2
		hold
		hold 10.86.0.2
		hold 10.86.0.2 0
		hold 10.86.0.2 3601
		hold 10.86.0.2 5 x
		hold 10.86.128.2 5
		reached
		reached 10.86.0.2
		reached 10.86.128.2:80
		reached 10.86.128.2 x
		set 10.86.0.2 80 10.86.128.2:99999
		set 10.86.0.2 80 10.86.128.2
		set 10.86.0.2 80 :5000
		set 10.86.0.2 80 10.86.128.2:
		set 10.86.0.2 80 10.86.128.2:5000 10.86.0.3:5000
		set 10.86.0.2 80 1:1 1:1 1:1 1:1 1:1 1:1 1:1 1:1 1:1 1:1 1:1 1:1 1:1
		set 10.86.0.2 80
		set 10.86.0.2 80 10.86.128.2:5000 more
		set 10.86.0.2 80 10.86.128.2:5000;flush
		set 10.86.0.256 80 10.86.128.2:5000
		set 010.86.0.2 80 10.86.128.2:5000
		set 10.86.0 80 10.86.128.2:5000
		set 10.86.0.2.1 80 10.86.128.2:5000
		set a[$(id)] 80 10.86.128.2:5000
		set 10.86.0.2 a[$(id)] 10.86.128.2:5000
		set 10.86.0.2} 80 10.86.128.2:5000
		set -1 80 10.86.128.2:5000
		unset 10.86.128.2 80
		unset 10.86.0.2
		unset 10.86.0.2 80 x y z
		get 10.86.0.2
		get 10.86.0.2 80 x
		get 10.86.128.2 80
		flush ruleset
		SET 10.86.0.2 80 10.86.128.2 5000
		list x y z v w u
		\e[31m
	LINES
}

@test "root/map: a network file that is not understood, or missing" {
	local text
	for text in '' 'x' '10.86.0.0' '10.86.0.0/a[0]' '10.86.0.0/0' 'a/16'; do
		printf '%s\n' "$text" >"$TEST_HOST/etc/dokku/network"
		map "list"
		assert_status 1
		assert_output ""
		assert_error_like ' !     address map: *'
	done
	rm "$TEST_HOST/etc/dokku/network"
	map "list"
	assert_status 1
	assert_error " !     address map: /etc/dokku/network is missing: run make install"
}

@test "root/map: get tells of one address; what is as it should be is left alone; many at once" {
	local pids=() i
	kernel_has
	map "get 10.86.0.2 80
set 10.86.0.2 80 10.86.128.2:5000
get 10.86.0.3 80"
	assert_success "10.86.0.2 80 10.86.128.2:5000"
	timeout 10 nsenter --target "$KERNEL" --net -- nft monitor 3>&- \
		>"$BATS_TEST_TMPDIR/changes" &
	local monitor=$!
	sleep 0.3
	map "set 10.86.0.2 80 10.86.128.2:5000
unset 10.86.0.7 80"
	assert_success ""
	map "set 10.86.0.2 80 10.86.128.3:5000"
	sleep 0.3
	kill "$monitor"
	assert_equal "delete element ip dokku services { 10.86.0.2 . 80 : 10.86.128.2 . 5000 }
create element ip dokku services { 10.86.0.2 . 80 : 10.86.128.3 . 5000 }" "$(grep -v -e '^# ' -e ' 8[2-5] :' "$BATS_TEST_TMPDIR/changes")"
	assert_equal 8 "$(grep -c ' 8[2-5] :' "$BATS_TEST_TMPDIR/changes")"
	for i in {1..9}; do
		"$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/map" \
			<<<"set 10.86.0.2 80 10.86.128.$i:5000" &
		pids+=("$!")
	done
	for i in "${pids[@]}"; do
		wait "$i"
	done
	assert_equal 1 "$(kernel | wc -l)"
}

@test "root/table: trusts neither PATH nor the environment" {
	local file="$REPO/plugins/service-addresses/root/table"
	assert_equal '#!/bin/bash -p' "$(head -n 1 "$file")"
	grep -qx 'PATH=/usr/sbin:/usr/bin:/sbin:/bin' "$file"
	# It sources one file, which lies beside it.
	assert_equal 1 "$(grep -cx 'source "${BASH_SOURCE\[0\]%/\*}/bridge"' "$file")"
	assert_equal "" "$(cat "$file" "${file%/*}/bridge" | grep -vE '^# |^source "\$\{BASH_SOURCE' | grep -nE '(\$\{?[A-Z]{3,}|eval|source|^\. )' | grep -vE 'BASH_REMATCH|SHARES|PORTS|PREVIEW_PORT|FORGET|KEPT|BRIDGE|BUILDS|CLOUDS|METADATA|RULES')"
}

# --- heal -------------------------------------------------------------------------

# serving - web and blog, each with a release that runs and an address.
serving() {
	local app i=2
	make_app web blog
	mkdir -p "$DOKKU_LIB_ROOT/data/services/.by-address"
	for app in web blog; do
		make_release "$app" 1
		make_current "$app" 1
		mkdir -p "$DOKKU_LIB_ROOT/data/services/$app"
		printf '%s web.1\n' "$app" >"$DOKKU_LIB_ROOT/data/services/.by-address/10.86.0.$i"
		printf '10.86.0.%s\n' "$i" >"$DOKKU_LIB_ROOT/data/services/$app/web.1"
		printf 'web 1 id-%s 10.86.128.%s 5000\n' "$app" "$i" \
			>"$DOKKU_LIB_ROOT/data/releases/$app/1/containers"
		i=$((i + 1))
	done
	kernel_has 'services 10.86.0.2 . 80 : 10.86.128.2 . 5000' \
		'services 10.86.0.3 . 80 : 10.86.128.3 . 5000'
	hook fake scheduler-list <<-'BODY'
		[[ $2 != web ]] || printf 'id-web 1 web 1 running 10.86.128.2 5000 11 /web.web.1\n'
		[[ $2 != blog ]] || printf 'id-blog 1 web 1 running 10.86.128.3 5000 12 /blog.web.1\n'
	BODY
	hook fake reconcile </dev/null
	runs "id-web web" "id-blog blog"
}

# runs "ID APP"… - the containers that the engine says run.
runs() {
	printf '%s\n' "$@" |
		jq \
			--raw-input \
			--slurp --compact-output 'split("\n") | map(select(. != "") | split(" ")
		|
		{ Id: .[0], State: "running", Names: [.[2] // "/\(.[1]).web.1"],
		Labels: { "com.dokku.app-name": .[1] } })' >"$BATS_TEST_TMPDIR/runs"
	fake_engine <<<'[[ $2 != *type%3Ddeploy* ]] || { cat "$BATS_TEST_TMPDIR/runs"; exit; }
		[[ $2 != *type%3Drun* || ! -e $BATS_TEST_TMPDIR/one-offs ]] ||
		{ cat "$BATS_TEST_TMPDIR/one-offs"; exit; }
		[[ $1 != DELETE || $2 != *"${ENGINE_KEEPS-none}"* ]] ||
		{ printf "{\"message\":\"it is busy\"}"; exit 22; }
		[[ $2 != /images/* || ! -e $BATS_TEST_TMPDIR/images ]] ||
		{ cat "$BATS_TEST_TMPDIR/images"; exit; }
		[[ $2 != *type%3D@(task|run)* && $2 != /images/* ]] || printf "[]"'
}

# healed - prints the apps that were reconciled.
healed() { sed -n 's/^reconcile //p' "$STEPS"; }

@test "watch:heal: sets the lines that the kernel has lost, and touches no other app" {
	serving
	nft delete element ip dokku services '{ 10.86.0.2 . 80 }'
	dokku watch:heal
	assert_status 0
	assert_error " !     web: the address map had lost the line 10.86.0.2 80" \
		"10.86.128.2:5000: setting it again"
	assert_equal "" "$(healed)"
	assert_equal "services 1 : 10.86.128.2 . 5000
services 1 : 10.86.128.3 . 5000" "$(told)"
	dokku watch:heal
	assert_success ""
}

@test "watch:heal: names no container that does not run, but what is on record while the engine is away" {
	serving
	kernel_has
	hook fake scheduler-list <<<'[[ $2 != blog ]] ||
		printf "id-blog 1 web 1 running 10.86.128.3 5000 12 /blog.web.1\n"
		[[ $2 != web ]] || printf "id-web 1 web 1 exited 10.86.128.2 5000 0 /web.web.1\n"'
	dokku watch:heal
	assert_error " !     blog: the address map had lost the line 10.86.0.3 80" \
		"10.86.128.3:5000: setting it again"
	assert_equal "services 1 : 10.86.128.3 . 5000" "$(told)"
	hook fake scheduler-list <<<'exit 1'
	dokku watch:heal
	assert_equal "services 1 : 10.86.128.2 . 5000
services 1 : 10.86.128.3 . 5000" "$(told)"
}

@test "watch:heal: a map that somebody has emptied; an app that an operation holds is left to it" {
	serving
	kernel_has
	fifo on
	flock "$DOKKU_LIB_ROOT/lock/web" bash -c 'read -r _ <"$BATS_TEST_TMPDIR/on"' 3>&- &
	local holder=$!
	until ! flock --nonblock "$DOKKU_LIB_ROOT/lock/web" true; do :; done
	dokku watch:heal
	assert_status 0
	assert_equal "services 1 : 10.86.128.3 . 5000" "$(told)"
	printf '\n' >"$BATS_TEST_TMPDIR/on"
	wait "$holder"
	dokku watch:heal
	assert_equal 2 "$(kernel | wc -l)"
}

@test "watch:heal: a map that cannot be read is no reason to touch an app" {
	serving
	export MAP_REFUSES=1
	dokku watch:heal
	assert_status 1
	assert_equal "" "$(healed)"
}

# watch_rounds N [CODE] - runs the watch until it has looked at the map N times. CODE, in Bash, runs
# before each look, and n is the number of the look.
watch_rounds() {
	export ON_MAP='echo look >>"$TEST_HOST/looks"; n=$(wc -l <"$TEST_HOST/looks"); '"${2-}"'
		[[ $n -lt '"$1"' ]] || touch --date="1 minute" "$DOKKU_LIB_ROOT/lock/.heal-again"'
	dokku watch
	assert_equal "$1" "$(wc -l <"$TEST_HOST/looks")"
}

@test "watch: nor is an engine that does not answer; it goes on watching" {
	serving
	export MAP_REFUSES=1
	fake_engine <<<'exit 1'
	watch_rounds 11
	assert_equal "" "$(healed)"
	assert_equal 1 "$(grep -c '^engine' "$CALLS")"
}

@test "watch: an engine that hangs keeps nobody from the map" {
	serving
	fake_engine <<<'until [[ -e $TEST_HOST/over ]]; do sleep 0.1; done; exit 1'
	watch_rounds 25 '[[ $n -ne 24 ]] || touch "$TEST_HOST/over"'
	assert_equal 1 "$(grep -c '^engine' "$CALLS")"
}

# asked_to_end BEFORE THEN - a watch finds what was asked of another one at the time BEFORE, and is
# asked itself at its third look, at the time THEN.
asked_to_end() {
	rm -f "$TEST_HOST/looks"
	touch --date="$1" "$DOKKU_LIB_ROOT/lock/.heal-again"
	export ASKED=$2 ON_MAP='echo look >>"$TEST_HOST/looks"
		[[ $(wc -l <"$TEST_HOST/looks") -lt 3 ]] ||
			touch --date="$ASKED" "$DOKKU_LIB_ROOT/lock/.heal-again"'
	got timeout 20 "$DOKKU" watch
	assert_success ""
	assert_equal 3 "$(wc -l <"$TEST_HOST/looks")"
}

@test "watch: ends when make install has asked it to, and not for what was asked of the one before" {
	serving
	asked_to_end "1 minute ago" "1 minute"
	# The clock was set back meanwhile.
	asked_to_end "1 day" "-1 day"
}

@test "watch: goes on where somebody has removed its folder of locks, and ends where that of dokku is gone" {
	serving
	export ON_MAP='[[ -e $TEST_HOST/looked ]] || { : >"$TEST_HOST/looked"; rm -r "$DOKKU_LIB_ROOT/lock"; }'
	hook fake heal <<<'rm -r "$DOKKU_LIB_ROOT"'
	got timeout 60 "$DOKKU" watch
	assert_status 0
	grep -qx heal "$STEPS"
}

@test "watch: waits where its lock cannot be made, says why once, and goes on when it can" {
	serving
	rm -r "$DOKKU_LIB_ROOT/lock"
	(
		sleep 1
		mkdir "$DOKKU_LIB_ROOT/lock"
	) 3>&- &
	watch_rounds 2
	assert_status 0
	assert_equal 1 "$(grep -c 'lock is missing, or the user dokku may not write' <<<"$stderr")"
}

@test "watch: guards the map where its lock can only be read" {
	serving
	# To root, a folder in the place of a file is what a read-only disk is to others.
	mkdir "$DOKKU_LIB_ROOT/lock/.heal"
	watch_rounds 2
	assert_status 0
}

@test "watch: what each round says again is said once" {
	serving
	fake_engine <<<'exit 1'
	hook fake heal <<<'echo "it is away" >&2'
	hook fake heal-apps <<<'echo "it is away, too" >&2'
	watch_rounds 41
	assert_equal 2 "$(grep -c 'it is away' <<<"$stderr")"
	[[ $(grep -c heal-apps "$STEPS") -gt 2 ]]
}

@test "watch: prints and repairs on where the program that prints for it was killed" {
	serving
	fake_engine <<<'exit 1'
	hook fake heal <<<'echo "it is away" >&2; echo >>"$TEST_HOST/healed"'
	watch_rounds 25 '[[ $n -ne 15 ]] || for p in $(pgrep -f watch/libexec/say-once); do
		! grep --quiet -z -x "TEST_HOST=$TEST_HOST" "/proc/$p/environ" || kill -9 "$p"; done'
	assert_equal 2 "$(grep -c 'it is away' <<<"$stderr")"
	[[ $(wc -l <"$TEST_HOST/healed") -gt 1 ]]
}

# watch_compares - makes the watch write to compared, from now on, after which look it compares
# which apps.
watch_compares() {
	fake awk <<-'BODY'
		[[ "$*" == *'present[$0]'* ]] || exec /usr/bin/awk "$@"
		wanted=$(<"${@: -1}")
		printf '%s:%s\n' "$(wc -l <"$TEST_HOST/looks")" "$(grep --invert-match ' ' <<<"$wanted" | sort -u | paste -sd ,)" >>"$TEST_HOST/compared"
		exec /usr/bin/awk "${@:1:$#-1}" <(printf '%s\n' "$wanted")
	BODY
}

@test "watch: compares where the map or a release is not as it was, and sets what is lost" {
	serving
	watch_compares
	watch_rounds 9 \
		'[[ $n -ne 3 ]] ||
			nsenter --target "$KERNEL" --net -- /usr/sbin/nft delete element ip dokku \
			services "{ 10.86.0.2 . 80 }"
		[[ $n -ne 7 ]] || touch "$DOKKU_LIB_ROOT/data/releases/blog"'
	assert_error_like "*web: the address map had lost the line 10.86.0.2 80 10.86.128.2:5000:" \
		"setting it again*"
	[[ $(kernel) == *'services 10.86.0.2 . 80 : '* ]]
	# NUMBER-OF-THE-LOOK:APPS. The first look compares all apps. The third finds the lost line.
	# The sixth compares all again, because the map was set since. blog, which was touched
	# during the seventh, is compared then and once more.
	assert_equal "1:blog,web 3:web 6:blog,web 7:blog 8:blog" \
		"$(paste -sd " " "$TEST_HOST/compared")"
}

@test "watch: a map that has become empty is set again, and nothing else is said" {
	serving
	watch_rounds 9 \
		'[[ $n -ne 3 ]] ||
			nsenter --target "$KERNEL" --net -- /usr/sbin/nft flush map ip dokku \
			services'
	assert_equal 2 "$(kernel | wc -l)"
	assert_equal 2 "$(grep -c 'the address map had lost the line' <<<"$stderr")"
	assert_equal "" "$(grep -e 'Is a directory' <<<"$stderr")"
}

@test "watch: compares all every ten rounds, though nothing seems to have changed" {
	serving
	watch_compares
	watch_rounds 22
	assert_equal "1:blog,web 10:blog,web 20:blog,web" "$(paste -sd " " "$TEST_HOST/compared")"
}

@test "watch:heal: images of no release, or without a name, are pruned, when nothing drains and nobody is at it" {
	serving
	make_app more
	mkdir -p "$DOKKU_LIB_ROOT/data/releases/more" "$DOKKU_LIB_ROOT/data/draining/blog"
	code "" "property_set scheduler-docker-local web latest-tag true"
	jq --null-input --compact-output '[
		["web", ["dokku/web:v1", "dokku/web:latest"]], ["old", ["dokku/web:v1"]],
		["blog", ["dokku/blog:v1", "dokku/blog:v7"]],
		["ghost", ["dokku/ghost:v1", "somebody/web:v9", "dokku/web:vx", "dokku/we/b:v3"]],
		["ghost", null], ["more", ["<none>:<none>"]]
		] | map({ Labels: { "com.dokku.app-name": .[0] }, RepoTags: .[1] })' \
		>"$BATS_TEST_TMPDIR/images"
	# Somebody is at it.
	exec 9>"$DOKKU_LIB_ROOT/data/draining/blog/0123456789abcdef"
	flock 9
	hook fake post-retire </dev/null
	dokku watch:heal
	assert_success ""
	assert_equal "post-retire more" "$(grep post-retire "$STEPS")"
	rm "$DOKKU_LIB_ROOT/data/draining/blog/0123456789abcdef"
	: >"$DOKKU_LIB_ROOT/data/draining/blog/log"
	: >"$STEPS"
	exec 9>"$DOKKU_LIB_ROOT/lock/more"
	flock 9
	dokku watch:heal
	assert_success ""
	assert_equal "post-retire blog" "$(grep post-retire "$STEPS")"
	assert_equal "" "$(healed)"
}

@test "watch:heal: images with names that Dockerfiles of other apps can guess get others" {
	local names
	serving
	hook fake post-retire </dev/null
	for names in '"dokku/web:v1","dokku/web:latest"' \
		'"dokku/web:v1","dokku/web:v1-0123456789abcdef"' '"dokku/web:v2"'; do
		printf '[{"Labels":{"com.dokku.app-name":"web"},"RepoTags":[%s]}]' "$names" \
			>"$BATS_TEST_TMPDIR/images"
		: >"$STEPS"
		dokku watch:heal
		assert_success ""
		assert_equal "post-retire web" "$(grep post-retire "$STEPS")"
	done
	# As an older dokku has left it.
	printf '[{"Labels":{"com.dokku.app-name":"web"},"RepoTags":["dokku/web:v1"]}]' \
		>"$BATS_TEST_TMPDIR/images"
	rm "$DOKKU_LIB_ROOT/data/releases/web/1/tag"
	: >"$STEPS"
	dokku watch:heal
	assert_equal "post-retire web" "$(grep post-retire "$STEPS")"
	# The only name of an image may be in use: it stays.
	printf 'v1-0123456789abcdef\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/tag"
	for names in '"dokku/web:latest"' '"dokku/web:v1-0123456789abcdef"' \
		'"dokku/web:v1-mine","dokku/web:mine"'; do
		printf '[{"Labels":{"com.dokku.app-name":"web"},"RepoTags":[%s]}]' "$names" \
			>"$BATS_TEST_TMPDIR/images"
		: >"$STEPS"
		dokku watch:heal
		assert_equal "" "$(grep post-retire "$STEPS")"
	done
}

# all_runs - both apps serve; sets gone to the number of a process that has ended.
all_runs() {
	serving
	runs "id-web web" "id-blog blog"
	sleep 0 &
	gone=$!
	wait "$gone"
}

@test "watch:heal: an app whose last operation was killed or failed is reconciled; a reconcile that failed after a while" {
	local file="$DOKKU_LIB_ROOT/lock/blog" gone
	all_runs
	: >"$DOKKU_LIB_ROOT/lock/web"
	printf '%s 12:34:56 git push 3f2c1ab\n' "$gone" | tee "$DOKKU_LIB_ROOT/lock/ghost" >"$file"
	dokku watch:heal
	assert_status 0
	assert_error " !     blog: git push 3f2c1ab, begun at 12:34:56, was killed or failed:" \
		"reconciling"
	assert_equal "blog 1" "$(healed)"
	[[ ! -s $file ]]
	: >"$STEPS"
	printf '%s 12:34:56 reconcile\n' "$gone" >"$file"
	dokku watch:heal
	assert_success ""
	touch --date '16 seconds ago' "$file"
	dokku watch:heal
	assert_equal "blog 1" "$(healed)"
	# The time of day was set back since.
	: >"$STEPS"
	printf '%s 12:34:56 reconcile\n' "$gone" >"$file"
	touch --date 'now + 1 hour' "$file"
	dokku watch:heal
	assert_equal "blog 1" "$(healed)"
	# After a boot another process may have its number.
	: >"$STEPS"
	printf '%s 12:34:56 git push 3f2c1ab\n' "$$" >"$file"
	dokku watch:heal
	assert_equal "blog 1" "$(healed)"
	# One that is under way.
	: >"$STEPS"
	exec 9>"$file"
	flock 9
	printf '%s 12:34:56 git push 3f2c1ab\n' "$$" >"$file"
	dokku watch:heal
	assert_success ""
	assert_equal "" "$(healed)"
}

@test "watch:heal: an app whose push has ended without its branch is reconciled" {
	local gone
	all_runs
	cp "$(type -P sleep)" "$BATS_TEST_TMPDIR/git"
	"$BATS_TEST_TMPDIR/git" 60 3>&- &
	mkdir "$DOKKU_ROOT/web/pushed.$!" "$DOKKU_ROOT/blog/pushed.$gone"
	dokku watch:heal
	kill "$!"
	assert_error " !     blog: a push has ended without setting its branch: reconciling"
	assert_equal "blog 1" "$(healed)"
	# Its number is another process' by now.
	: >"$STEPS"
	rm -r "$DOKKU_ROOT"/*/pushed.*
	mkdir "$DOKKU_ROOT/blog/pushed.$$"
	dokku watch:heal
	assert_equal "blog 1" "$(healed)"
}

@test "watch:heal: temporary files whose maker was killed go" {
	local gone
	all_runs
	mkdir -p "$DOKKU_LIB_ROOT/config/ps/blog"
	touch "$DOKKU_LIB_ROOT"/{tmp/config.{"$gone",$$}.abcdef,{config/ps/blog/scale,data/services/web/web.1}.tmp.{"$gone",$$}.abcdef}
	dokku watch:heal
	assert_success ""
	assert_equal "config.$$.abcdef scale.tmp.$$.abcdef web.1.tmp.$$.abcdef" \
		"$(find "$DOKKU_LIB_ROOT" -name '*.abcdef' -printf '%f\n' | sort | paste -sd ' ')"
}

@test "watch:heal: a one-off container that was never started is removed after a while; one that the engine keeps stops nobody" {
	all_runs
	local now=$EPOCHSECONDS
	one_off() {
		printf '{"Id":"%s","State":"%s","Created":%s,"Labels":{"com.dokku.app-name":"%s"},"Names":["/%s"]}\n' "$@"
	}
	{
		one_off kept-by-the-engine created $((now - 5000)) web web.run.7
		one_off just-made-long-id created $((now - 300)) web web.run.7
		one_off forgotten-long-id created $((now - 601)) web web.run.7
		one_off of-a-later-time created $((now + 5000)) web web.run.7
		one_off at-work-for-hours running $((now - 9000)) web web.run.7
		one_off somebodys-own-id created $((now - 9000)) web eager_bohr
		one_off has-ended-long-id exited $((now - 9000)) blog blog.run.7
	} | jq --slurp --compact-output . >"$BATS_TEST_TMPDIR/one-offs"
	ENGINE_KEEPS=kept-by-the-engine dokku watch:heal
	assert_status 0
	assert_error " !     web: the one-off container kept-by-the- was never started: removing it
it is busy
 !     web: the one-off container forgotten-lo was never started: removing it
 !     web: the one-off container of-a-later-t was never started: removing it"
	assert_equal "engine DELETE /containers/kept-by-the-engine?v=true
engine DELETE /containers/forgotten-long-id?v=true
engine DELETE /containers/of-a-later-time?v=true" "$(grep DELETE "$CALLS")"
	assert_equal "" "$(healed)"
}

@test "watch:heal: what there is of an app that was destroyed is removed, not of one that is only not there, or made again" {
	serving
	jq \
		--null-input \
		--compact-output \
		'[{ Labels: { "com.dokku.app-name": "gone" }, RepoTags: ["dokku/gone:v3"] },
			{ Labels: { "com.dokku.app-name": "away" }, RepoTags: ["dokku/away:v3"] },
		{ Labels: { "com.dokku.app-name": "dark" }, RepoTags: null }]' \
		>"$BATS_TEST_TMPDIR/images"
	hook fake scheduler-destroy </dev/null
	# Of a dark one the home is not mounted.
	mkdir "$DOKKU_LIB_ROOT/data/releases/dark"
	: >"$DOKKU_LIB_ROOT/lock/dark"
	dokku watch:heal
	assert_success ""
	assert_equal "" "$(grep destroy "$STEPS")"
	: >"$DOKKU_LIB_ROOT/lock/gone"
	dokku watch:heal
	assert_status 0
	assert_error \
		" !     gone: this app was destroyed, but containers or images of it are left:" \
		"removing them"
	assert_equal "scheduler-destroy docker-local gone" "$(grep destroy "$STEPS")"
	# A container alone shows it, too.
	: >"$STEPS"
	rm "$BATS_TEST_TMPDIR/images"
	runs "id-web web" "id-blog blog" "id-x gone"
	dokku watch:heal
	assert_equal "scheduler-destroy docker-local gone" "$(grep destroy "$STEPS")"
	# An operation has it: is it apps:create?
	: >"$STEPS"
	exec 9>"$DOKKU_LIB_ROOT/lock/gone"
	flock 9
	dokku watch:heal
	assert_success ""
	assert_equal "" "$(grep destroy "$STEPS")"
	exec 9>&-
	make_app gone
	got env DOKKU_LOCKED=gone \
		"$PLUGIN_CORE_AVAILABLE_PATH/scheduler-docker-local/libexec/heal-destroyed" gone
	assert_success ""
	assert_equal "" "$(grep destroy "$STEPS")"
}

@test "watch:heal: an app whose old container nobody drains any more is reconciled, whether it still runs or not" {
	local dir="$DOKKU_LIB_ROOT/data/draining/blog"
	serving
	runs "id-web web" "id-blog blog"
	mkdir -p "$dir"
	# Of an app that is none, and what is being written.
	mkdir "$DOKKU_LIB_ROOT/data/draining/ghost"
	printf '1 2\n' |
		tee "$dir/0123456789abcdef" "$dir/log.tmp.1234.abcdef" \
			"$DOKKU_LIB_ROOT/data/draining/ghost/0123456789abcdef" \
			>"$dir/123456789abcdef0"
	: >"$dir/log"
	# Somebody is about to drain it.
	dokku watch:heal
	assert_success ""
	touch --date '15 seconds ago' "$dir"/* \
		"$DOKKU_LIB_ROOT/data/draining/ghost/0123456789abcdef"
	dokku watch:heal
	assert_status 0
	assert_error \
		" !     blog: nobody retires its old containers and releases any more: reconciling"
	assert_equal "blog 1" "$(healed)"
	: >"$STEPS"
	exec 8>>"$dir/0123456789abcdef"
	flock 8
	rm "$dir/123456789abcdef0"
	dokku watch:heal
	assert_success ""
	assert_equal "" "$(healed)"
	# One who was killed while he pruned.
	: >"$dir/.retire"
	touch --date '15 seconds ago' "$dir/.retire"
	dokku watch:heal
	assert_equal "blog 1" "$(healed)"
	# The time of day was set back since.
	: >"$STEPS"
	touch --date 'now + 1 hour' "$dir/.retire"
	dokku watch:heal
	assert_equal "blog 1" "$(healed)"
	rm "$dir/.retire"
	: >"$STEPS"
	# One that goes while it is looked for, and is not made by that.
	mkdir "$DOKKU_LIB_ROOT/data/draining/web"
	ln -s gone "$DOKKU_LIB_ROOT/data/draining/web/0123456789abcdef"
	dokku watch:heal
	assert_success ""
	assert_absent "$DOKKU_LIB_ROOT/data/draining/web/gone"
	# Nor is one that an operation is at.
	exec 8>&- 9>"$DOKKU_LIB_ROOT/lock/blog"
	flock 9
	dokku watch:heal
	assert_success ""
	assert_equal "" "$(healed)"
}

@test "watch:heal: an app whose container does not run, and one with a stray, are reconciled" {
	serving
	# Every ten seconds, for apps that are right: no program for one of them.
	fake grep <<<'exec /usr/bin/grep "$@"'
	runs "id-web web" "id-blog blog"
	dokku watch:heal
	assert_success ""
	assert_equal "" "$(sed -n '/^grep/p' "$CALLS")"
	runs "id-blog blog"
	dokku watch:heal
	assert_status 0
	assert_error " !     web: web.1 does not run: reconciling"
	assert_equal "web 1" "$(healed)"
	: >"$STEPS"
	runs "id-web web" "id-blog blog" "0123456789abcdef blog" "id-x ghost"
	dokku watch:heal
	assert_status 0
	assert_error \
		" !     blog: the container 0123456789ab belongs to no current release: reconciling"
	assert_equal "blog 1" "$(healed)"
	# A stopped app wants no container.
	: >"$STEPS"
	runs "id-blog blog"
	mkdir -p "$DOKKU_LIB_ROOT/config/ps/web"
	printf 'true\n' >"$DOKKU_LIB_ROOT/config/ps/web/stopped"
	nft delete element ip dokku services '{ 10.86.0.2 . 80 }'
	dokku watch:heal
	assert_success ""
	assert_equal "" "$(healed)"
}

@test "watch:heal: an app whose current release cannot be read is named, left alone, and keeps it from no other" {
	serving
	printf 'rubbish\n' >"$DOKKU_LIB_ROOT/data/releases/blog/current"
	make_app never
	runs "id-blog blog"
	dokku watch:heal
	assert_status 0
	assert_equal "web 1" "$(healed)"
	assert_error_like '*blog: its current release is recorded as "rubbish", not a number:' \
		'see */blog/current*'
	assert_equal "" "$(grep never <<<"$stderr")"
	: >"$STEPS"
	: >"$DOKKU_LIB_ROOT/data/releases/blog/current"
	dokku watch:heal
	assert_equal "web 1" "$(healed)"
	assert_error_like '*blog: its current release is recorded as "nothing that can be read"*'
}

@test "watch:heal: a disk that cannot be written to any more is not told each second in words of Bash" {
	serving
	nft delete element ip dokku services '{ 10.86.0.2 . 80 }'
	# To root, a folder in the place of a file is what a read-only disk is to others.
	mkdir -p "$DOKKU_LIB_ROOT/lock/.heal-seen.0" "$DOKKU_LIB_ROOT/lock/.heal-seen.1"
	dokku watch:heal
	assert_status 0
	[[ $stderr != *heal-seen* ]]
	nft list map ip dokku services | grep -q '10.86.0.2 . 80'
}

@test "watch:heal: a hook that reads its input does not keep it from the next app" {
	serving
	hook fake reconcile <<<'cat >/dev/null'
	hook fake scheduler-destroy <<<'cat >/dev/null'
	touch "$DOKKU_LIB_ROOT/lock/gone"
	runs "id-gone gone" "id-gone-too gone"
	dokku watch:heal
	assert_status 0
	assert_equal $'blog 1\nweb 1' "$(healed | sort)"
	assert_equal 2 "$(grep -c destroy "$STEPS")"
}

# --- the guard ------------------------------------------------------------------------

# start_guard - starts the guard. Its output goes to the file said, and its stdin is descriptor 6.
start_guard() {
	fifo guard
	"$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/map" \
		--guard <"$BATS_TEST_TMPDIR/guard" >"$BATS_TEST_TMPDIR/said" 3>&- &
	GUARD=$!
	exec 6>"$BATS_TEST_TMPDIR/guard"
	eventually guarded
}

end_guard() {
	exec 6>&-
	wait "$GUARD"
}

guarded() { nft list table ip dokku_guard >/dev/null 2>&1; }

# eventually COMMAND… - retries COMMAND until it succeeds. Fails after 10 s.
eventually() {
	local try
	for ((try = 0; try < 100; try++)); do
		! "$@" || return 0
		sleep 0.1
	done
	printf 'never: %s\n' "$*" >&2
	return 1
}

said() { [[ $(<"$BATS_TEST_TMPDIR/said") == "$1" ]]; }

# chain NAME - prints what the guard's chain NAME does to a packet that no rule has translated.
chain() { nft list chain ip dokku_guard "$1" | grep -oE '(drop|reject with tcp reset)$' || true; }

chain_is() { [[ $(chain "$1") == "$2" ]]; }

kernel_routes() { nsenter --target "$KERNEL" --net -- ip route show; }

has_route() {
	[[ $(kernel_routes) == *'unreachable 10.86.0.0/16 proto static metric 4294967295'* ]]
}

# flags PORT - those of the bridge's port.
flags() {
	nsenter --target "$KERNEL" --net -- ip -json -details link show dev "$1" |
		jq -c '.[0].linkinfo.info_slave_data | [.locked, .isolated]'
}

# sticky - "PORT MAC" of each entry that no other port takes over.
sticky() {
	nsenter --target "$KERNEL" --net -- bridge fdb show br dokku0 |
		awk '/sticky/ { print $3, $1 }' | sort
}

sticky_is() { [[ $(sticky) == "$1" ]]; }

# container PORT MAC - makes a network namespace behind a port of the bridge, and sets CONTAINER to
# a process in it.
container() {
	unshare --net sleep 600 >/dev/null 2>&1 3>&- 6>&- &
	CONTAINER=$!
	eventually nsenter --target "$CONTAINER" --net -- true
	until [[ $(readlink "/proc/$CONTAINER/ns/net") != "$(readlink /proc/self/ns/net)" ]]; do
		sleep 0.01
	done
	nsenter --target "$KERNEL" --net -- bash -euc \
		'ip link add "$1" type veth peer name "$1c"; ip link set "$1" master dokku0 up
		ip link set "$1c" address "$2" netns "$3"' bash "$1" "$2" "$CONTAINER"
	nsenter --target "$CONTAINER" --net -- ip link set "$1c" up
}

@test "map --guard: a container is tied to its port once, whatever it says later, and for as long as the port is there" {
	local first
	nsenter --target "$KERNEL" --net -- bash -euc \
		'ip link add dokku0 type bridge; ip link set dokku0 up'
	container v1 02:42:0a:56:80:02
	first=$CONTAINER
	start_guard
	eventually sticky_is "v1 02:42:0a:56:80:02"
	container v2 02:42:0a:56:80:03
	eventually sticky_is $'v1 02:42:0a:56:80:02\nv2 02:42:0a:56:80:03'
	assert_equal '[true,true]' "$(flags v1)"
	assert_equal '[true,true]' "$(flags v2)"
	# It takes the other one's address, and its link goes down and up.
	nsenter --target "$CONTAINER" --net -- bash -euc \
		'ip link set v2c down; ip link set v2c address 02:42:0a:56:80:02
			ip link set v2c up'
	end_guard
	rm "$BATS_TEST_TMPDIR/guard"
	start_guard
	sleep 0.5
	assert_equal $'v1 02:42:0a:56:80:02\nv2 02:42:0a:56:80:03' "$(sticky)"
	said ""
	# The first one is started anew, at its old address.
	kill "$first"
	eventually sticky_is "v2 02:42:0a:56:80:03"
	eventually said ended
	container v3 02:42:0a:56:80:02
	eventually sticky_is $'v2 02:42:0a:56:80:03\nv3 02:42:0a:56:80:02'
	end_guard
	kill "$CONTAINER" || true
}

@test "map --unreachable: a route with the worst metric, also when it is there, for the network there is" {
	map_option() {
		got "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/map" "$@" </dev/null
	}
	map_option --unreachable
	assert_success ""
	map_option --unreachable
	assert_success ""
	has_route
	printf '10.90.128.0/20\n' >"$TEST_HOST/etc/dokku/network"
	map_option --unreachable
	[[ $(kernel_routes) == *'unreachable 10.90.128.0/20 proto static metric 4294967295'* ]]
	rm "$TEST_HOST/etc/dokku/network"
	map_option --unreachable
	assert_refused "address map: /etc/dokku/network is missing: run make install"
}

@test "map --guard: a flush leaves its table, and is told once; new connections wait until all is settled" {
	kernel_has 'services 10.86.0.2 . 80 : 10.86.128.2 . 5000'
	start_guard
	has_route
	assert_equal drop "$(chain wait)"
	assert_equal "" "$(chain hold)"
	nft flush ruleset
	eventually said lost
	guarded
	assert_equal drop "$(chain hold)"
	printf 'settled\n' >&6
	eventually chain_is hold ""
	# A chain, and a rule, are a part of it.
	kernel_has
	nft delete chain ip dokku unmapped_output
	eventually said $'lost\nlost'
	nft flush chain ip dokku strangers_forward
	eventually said $'lost\nlost\nlost'
	# An element is not: each switch replaces some.
	printf 'settled\n' >&6
	eventually chain_is hold ""
	nft add element ip dokku services '{ 10.86.0.2 . 80 : 10.86.128.2 . 5000 }'
	nft delete element ip dokku services '{ 10.86.0.2 . 80 }'
	nft add table ip other
	nft delete table ip other
	sleep 0.3
	assert_equal "" "$(chain hold)"
	said $'lost\nlost\nlost'
	end_guard
	run -1 guarded
}

@test "map --guard: what nobody repairs is refused after 5 s, and waits again when it is repaired" {
	kernel_has
	start_guard
	nft flush ruleset
	eventually chain_is wait "reject with tcp reset"
	assert_equal "" "$(chain hold)"
	printf 'settled\n' >&6
	eventually chain_is wait drop
	end_guard
}

@test "map --guard: the route is there again when somebody takes it" {
	start_guard
	nsenter --target "$KERNEL" --net -- ip route delete unreachable 10.86.0.0/16
	eventually has_route
	end_guard
}

kernel_ip() { nsenter --target "$KERNEL" --net -- ip "$@"; }

has_rule() {
	[[ $(kernel_ip rule show) == *$'\n1:\tfrom all to 10.86.0.0/16 lookup main'* ]]
}

@test "map: packets to our network take no route of a policy, whenever its rule came" {
	local map=$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/map
	"$map" --unreachable </dev/null
	run -1 has_rule
	start_guard
	kernel_ip rule add from all lookup 100 priority 2
	eventually has_rule
	kernel_ip rule delete priority 1
	eventually has_rule
	end_guard
	kernel_ip rule delete priority 1
	"$map" --unreachable </dev/null
	has_rule
	"$map" --unreachable </dev/null
	assert_equal 1 "$(kernel_ip rule show | grep -c '10.86.0.0/16')"
}

@test "map --guard: Docker's own chain goes and comes" {
	nft add table ip nat
	nft add chain ip nat DOCKER
	start_guard
	nft delete table ip nat
	eventually said 'docker gone'
	nft add table ip nat
	nft add chain ip nat DOCKER
	eventually said $'docker gone\ndocker back'
	# One that is made anew at once was never gone.
	nft delete table ip nat
	nft add table ip nat
	nft add chain ip nat DOCKER
	sleep 3
	said $'docker gone\ndocker back'
	end_guard
}

@test "map --guard: saved rules that name its table can be loaded: it gives the table up for them" {
	start_guard
	local etc="/proc/$KERNEL/root/etc"
	{ echo 'flush ruleset' && nft list ruleset; } >"$BATS_TEST_TMPDIR/saved"
	run -1 nft -f "$BATS_TEST_TMPDIR/saved"
	cp "$BATS_TEST_TMPDIR/saved" "$etc/nftables.conf"
	eventually said saved
	run -1 guarded
	nft -f "$BATS_TEST_TMPDIR/saved"
	printf 'flush ruleset\n' >"$etc/nftables.conf"
	eventually guarded
	end_guard
}

@test "watch: a table that is taken is whole again before the next round" {
	serving
	export DOKKU_POLL=20
	fake_engine <<<'exit 1'
	dokku watch 3>&- &
	local watch=$!
	eventually guarded
	# The watch has looked at it, and waits.
	sleep 1
	nft flush ruleset
	map_is_whole() { [[ $(kernel | wc -l) -eq 2 ]]; }
	eventually map_is_whole
	eventually chain_is hold ""
	rm -rf "$DOKKU_LIB_ROOT/lock"
	kill "$watch" 2>/dev/null || true
}

@test "watch: looks at the apps soon after a container has ended" {
	serving
	export DOKKU_POLL=20
	fake_engine <<<'printf "asked\n" >>"$TEST_HOST/asked"; exit 1'
	nsenter --target "$KERNEL" --net -- bash -euc \
		'ip link add dokku0 type bridge; ip link set dokku0 up'
	container v1 02:42:0a:56:80:02
	dokku watch 3>&- &
	local watch=$!
	eventually guarded
	sleep 1
	assert_absent "$TEST_HOST/asked"
	kill "$CONTAINER"
	eventually test -e "$TEST_HOST/asked"
	rm -rf "$DOKKU_LIB_ROOT/lock"
	kill "$watch" 2>/dev/null || true
}

@test "watch: a table that is taken is whole again although an operation holds an app" {
	serving
	export DOKKU_POLL=20
	fake_engine <<<'exit 1'
	fifo on
	flock "$DOKKU_LIB_ROOT/lock/web" bash -c 'read -r -t 30 _ <"$BATS_TEST_TMPDIR/on"' 3>&- &
	local holder=$!
	until ! flock --nonblock "$DOKKU_LIB_ROOT/lock/web" true; do :; done
	dokku watch 3>&- &
	local watch=$!
	eventually guarded
	sleep 1
	nft flush ruleset
	map_is_whole() { [[ $(kernel | wc -l) -eq 2 ]]; }
	eventually map_is_whole
	eventually chain_is hold ""
	chain_is wait drop
	rm -rf "$DOKKU_LIB_ROOT/lock"
	printf '\n' >"$BATS_TEST_TMPDIR/on"
	wait "$holder"
	kill "$watch" 2>/dev/null || true
}

@test "pre-retire: waits as long as was left, also if the time of day is set meanwhile" {
	local later n
	rm "$DOKKU_PROGRAMS/observe"
	printf '#!/bin/bash\necho 7\n' >"$DOKKU_PROGRAMS/observe"
	chmod +x "$DOKKU_PROGRAMS/observe"
	fake sleep </dev/null
	printf '100\n' >"$TEST_HOST/run/dokku-nginx.switched"
	printf '7\n' >"$TEST_HOST/run/nginx.pid"
	waited() {
		: >"$CALLS"
		got "$PLUGIN_PATH/service-addresses/pre-retire" web "$1"
		assert_status 1
		n=$(grep -c '^sleep 0.25$' "$CALLS" || true)
	}
	waited 0
	assert_equal 0 "$n"
	uptime later 20
	waited "$later"
	[[ $n -ge 60 && $n -le 80 ]]
	clock_set 7200
	waited "$later"
	[[ $n -ge 40 && $n -le 80 ]]
	unset BASH_ENV
	# That of an older dokku.
	waited $((EPOCHSECONDS + 20))
	[[ $n -ge 60 && $n -le 80 ]]
	printf '#!/bin/bash\n' >"$DOKKU_PROGRAMS/observe"
	got "$PLUGIN_PATH/service-addresses/pre-retire" web 0
	assert_success ""
}

@test "strangers: the rules are looked at every ten seconds, whatever the time of day is" {
	local now state="$TEST_HOST/run/dokku-strangers"
	fake iptables </dev/null
	looks() {
		: >"$CALLS"
		code "" 'source "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses/root/strangers"
			strangers_guard'
		assert_success ""
		grep -c '^iptables' "$CALLS" || true
	}
	assert_equal 3 "$(looks)"
	assert_equal 0 "$(looks)"
	clock_set -7200
	assert_equal 0 "$(looks)"
	uptime now -11
	printf '%s iptables\n' "$now" >"$state"
	assert_equal 3 "$(looks)"
	# That of an older dokku.
	printf '%s iptables\n' "$EPOCHSECONDS" >"$state"
	assert_equal 3 "$(looks)"
}
