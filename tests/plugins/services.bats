#!/usr/bin/env bats
# services: addresses of slots, what the map says of them, and the root helper that says it
# to the kernel (here a fake nft that keeps the map in a file).

load ../helper

setup() {
	world
	made_plugins services
	KERNEL="$BATS_TEST_TMPDIR/kernel"
	export KERNEL
	fake nft <<<"$FAKE_NFT"
}

# The elements are lines "MAP KEY : VALUE" of $KERNEL; without the file there is no table. A
# transaction with a delete of what is not there, or an add of what is, changes nothing.
readonly FAKE_NFT='
change() {
	local element elements IFS=,
	elements=${2#*\{ }
	for element in ${elements% \}}; do
		element="$3 ${element# }"
		case $1 in
		add) ! grep -qF "${element%% : *} :" "$KERNEL.new" || return; printf "%s\n" "$element" >>"$KERNEL.new" ;;
		delete) grep -qF "$element :" "$KERNEL.new" || return
			grep -vF "$element :" "$KERNEL.new" >"$KERNEL.less" || true; mv "$KERNEL.less" "$KERNEL.new" ;;
		esac
	done
}
case "$*" in
"list table ip dokku")
	[[ -z ${NFT_FORGETS-} ]] || exit 1
	[[ -e $KERNEL ]] || { printf "Error: No such file or directory\n" >&2; exit 1; }
	printf "%s\n" "${NFT_TABLE-map shares}" ;;
"list map ip dokku "*)
	printf "table ip dokku {\n\tmap %s {\n\t\ttype ipv4_addr . inet_service : ipv4_addr . inet_service\n" "$5"
	elements=$(sed -n "s/^$5 //p" "$KERNEL" | paste -sd ,)
	[[ -z $elements ]] || printf "\t\telements = { %s }\n" "$elements"
	printf "\t}\n}\n" ;;
*"-f -")
	text=$(cat)
	printf "%s\n" "$text" >>"$CALLS"
	if [[ $text == *"map services {"* ]]; then
		[[ -z ${NFT_OLD_KERNEL-} || $text != *"ct timeout"* ]] || { printf "Error: Operation not supported\n" >&2; exit 1; }
		[[ $text == flush* ]] || : >"$KERNEL"
		exit
	fi
	[[ -e $KERNEL && -z ${NFT_REFUSES-} ]] || { printf "Error: No such file or directory\n" >&2; exit 1; }
	cp "$KERNEL" "$KERNEL.new"
	while read -r verb _ _ _ map key; do
		[[ -z $verb ]] || change "$verb" "$key" "$map" || exit 1
	done <<<"$text"
	mv "$KERNEL.new" "$KERNEL"
	;;
esac'

# --- addresses --------------------------------------------------------------------

@test "address_add: also over a byte's end" {
	code services 'for n; do address_add 10.86.0.0 "$n"; printf "\n"; done' 0 2 255 256 65535
	assert_success "10.86.0.0
10.86.0.2
10.86.0.255
10.86.1.0
10.86.255.255"
}

@test "services_claim: an address of its own for each slot, the same again for one that has it" {
	code services 'services_claim web web.1; services_claim web web.2; services_claim blog web.1; services_claim web web.1'
	assert_success ""
	local dir="$DOKKU_LIB_ROOT/data/services"
	assert_file "$dir/web/web.1" 10.86.0.2
	assert_file "$dir/web/web.2" 10.86.0.3
	assert_file "$dir/blog/web.1" 10.86.0.4
	assert_file "$dir/by-address/10.86.0.4" "blog web.1"
	assert_equal 3 "$(ls "$dir/by-address" | wc -l)"
}

@test "services_claim: passes over what is taken, runs round, and never leaves the lower half" {
	printf '10.86.0.0/28\n' >"$TEST_HOST/etc/dokku/network"
	code services 'for i in 1 2 3 4 5 6; do services_claim web "web.$i"; done; services_claim web web.7'
	assert_status 1
	assert_error " !     no service address is free in the lower half of 10.86.0.0/28: destroy an app that is not needed"
	assert_equal "10.86.0.2 10.86.0.3 10.86.0.4 10.86.0.5 10.86.0.6 10.86.0.7" \
		"$(ls "$DOKKU_LIB_ROOT/data/services/by-address" | sort | paste -sd ' ')"
	assert_absent "$DOKKU_LIB_ROOT/data/services/web/web.7"
	rm "$DOKKU_LIB_ROOT/data/services/by-address/10.86.0.4"
	code services 'services_claim blog web.1'
	assert_success ""
	assert_file "$DOKKU_LIB_ROOT/data/services/blog/web.1" 10.86.0.4
}

@test "services_claim: a counter that is no number is named, not reckoned with" {
	printf 'a[$(touch "$BATS_TEST_TMPDIR/ran")]\n' >"$DOKKU_LIB_ROOT/data/services/next"
	code services 'services_claim web web.1'
	assert_refused "$DOKKU_LIB_ROOT/data/services/next should hold a number, not \"a[\$(touch \"\$BATS_TEST_TMPDIR/ran\")]\": remove it"
	assert_absent "$BATS_TEST_TMPDIR/ran" "$DOKKU_LIB_ROOT/data/services/web/web.1"
}

@test "services_claim_locked: many at once, and no two have the same" {
	code services 'for i in {1..12}; do services_claim_locked "app$i" web.1 & done; wait'
	assert_success ""
	assert_equal 12 "$(cat "$DOKKU_LIB_ROOT"/data/services/app*/web.1 | sort -u | wc -l)"
}

@test "service-address: one for up to a dozen web containers, none for others; a preview beside it" {
	make_release web 1 web=1
	make_release web 2 web=12
	make_release web 3 web=13
	make_release web 4 web=0 worker=1
	make_release blog 1 web=1
	got "$PLUGIN_PATH/services/service-address" web web
	assert_success ""
	got "$PLUGIN_PATH/services/service-address" web web 4
	assert_success ""
	got "$PLUGIN_PATH/services/service-address" web web 1
	assert_success "10.86.0.2 80"
	got "$PLUGIN_PATH/services/service-address" web web 2
	assert_success "10.86.0.2 80"
	got "$PLUGIN_PATH/services/service-address" web web 3
	assert_success "10.86.0.2 80
10.86.0.3 80"
	# Not given back: nginx may still ask both.
	got "$PLUGIN_PATH/services/service-address" web web 1
	assert_success "10.86.0.2 80
10.86.0.3 80"
	got "$PLUGIN_PATH/services/service-address" web worker 1
	assert_success ""
	got "$PLUGIN_PATH/services/service-address" web preview
	assert_success "10.86.0.2 81"
	rm "$TEST_HOST/etc/dokku/network"
	got "$PLUGIN_PATH/services/service-address" blog web 1
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

lines() { code services 'targets=(); for t; do targets[${t%%=*}]=${t#*=}; done; services_lines web; printf "%s" "$lines"' "$@"; }

@test "services_lines: the address to all containers that run" {
	addresses 1
	lines "1=10.86.128.2 5000"
	assert_success "set 10.86.0.2 80 10.86.128.2:5000"
	lines "1=10.86.128.2 5000" "3=10.86.128.3 5000"
	assert_success "set 10.86.0.2 80 10.86.128.2:5000 10.86.128.3:5000"
}

@test "services_lines: more than a dozen are dealt out; with addresses to spare, they mean the same" {
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

@test "services_lines: nothing runs: the addresses mean nobody; no addresses: nothing to say" {
	addresses 2
	lines
	assert_success "unset 10.86.0.2 80
unset 10.86.0.3 80"
	rm -r "$DOKKU_LIB_ROOT/data/services/web"
	lines "1=10.86.128.2 5000"
	assert_success ""
}

@test "services_lines: a file that names no address is passed over" {
	addresses 1
	printf '10.86.0.9\n' | tee "$DOKKU_LIB_ROOT/data/services/web/web.01" >"$DOKKU_LIB_ROOT/data/services/web/web.1.tmp.abcdef"
	printf '10.86.0.9\n' >"$DOKKU_LIB_ROOT/data/services/web/web.a[\$(id)]"
	lines "1=10.86.128.2 5000"
	assert_success "set 10.86.0.2 80 10.86.128.2:5000"
}

# --- the hooks, down to the kernel --------------------------------------------------

containers() { printf '%s\n' "${@:2}" >"$DOKKU_LIB_ROOT/data/releases/web/$1/containers"; }

@test "a switch: the map says the new containers, the old ones no more, whatever their numbers" {
	make_release web 1 web=1
	containers 1 'web 1 idA 10.86.128.2 5000' 'worker 1 idB 10.86.128.3 5000'
	got "$PLUGIN_PATH/services/core-post-deploy" web 80 10.86.0.2 1
	assert_success ""
	assert_equal "services 1 : 10.86.128.2 . 5000" "$(told)"
	make_release web 2 web=2 worker=1
	containers 2 'web 1 idC 10.86.128.4 3000' 'web 2 idD 10.86.128.5 3000'
	# It is tried at the preview first, and by that alone.
	got "$PLUGIN_PATH/services/preview-deploy" web 2
	assert_success ""
	assert_equal "services 1 : 10.86.128.2 . 5000
services 1 : 10.86.128.4 . 3000" "$(told)"
	got "$PLUGIN_PATH/services/core-post-deploy" web 80 10.86.0.2 2
	assert_success ""
	assert_equal "shares 6 : 10.86.128.4 . 3000
shares 6 : 10.86.128.5 . 3000" "$(told)"
	got "$PLUGIN_PATH/services/verify-switch" web 2
	assert_success ""
	# Down again.
	got "$PLUGIN_PATH/services/core-post-deploy" web 80 10.86.0.2 1
	assert_equal "services 1 : 10.86.128.2 . 5000" "$(told)"
	# Above a dozen: a second address.
	make_release web 3 web=13
	containers 3 'web 1 idE 10.86.128.6 5000'
	got "$PLUGIN_PATH/services/core-post-deploy" web 80 10.86.0.2 3
	assert_equal "services 2 : 10.86.128.6 . 5000" "$(told)"
}

# told - of each of the kernel's maps, how many elements lead to each container.
told() { sed 's/ .* : / : /' "$KERNEL" | sort | uniq -c | awk '{ n = $1; map = $2; $1 = $2 = ""; print map, n, $0 }' | tr -s ' '; }

@test "a switch is one transaction of the kernel, and reads nothing" {
	make_release web 1 web=3
	containers 1 'web 1 a 10.86.128.2 5000' 'web 2 b 10.86.128.3 5000' 'web 3 c 10.86.128.4 5000'
	got "$PLUGIN_PATH/services/core-post-deploy" web 80 10.86.0.2 1
	got "$PLUGIN_PATH/services/preview-deploy" web 1
	assert_equal 13 "$(wc -l <"$KERNEL")"
	: >"$CALLS"
	got "$PLUGIN_PATH/services/core-post-deploy" web 80 10.86.0.2 1
	assert_success ""
	assert_equal 1 "$(grep -c '^nft ' "$CALLS")"
	assert_equal 12 "$(wc -l <"$KERNEL")"
	# From three containers to one: a second try, without a look at the map either.
	containers 1 'web 1 a 10.86.128.2 5000'
	got "$PLUGIN_PATH/services/preview-deploy" web 1
	: >"$CALLS"
	got "$PLUGIN_PATH/services/core-post-deploy" web 80 10.86.0.2 1
	assert_equal "nft -f -
nft -f -" "$(grep '^nft ' "$CALLS")"
	assert_file "$KERNEL" "services 10.86.0.2 . 80 : 10.86.128.2 . 5000"
}

@test "preview-deploy: nobody without a release, and nothing to say before an app has an address" {
	make_release web 1 web=1
	containers 1 'web 1 a 10.86.128.2 5000'
	got "$PLUGIN_PATH/services/preview-deploy" web 1
	assert_success ""
	assert_calls ""
	code services 'services_claim_all web 1'
	got "$PLUGIN_PATH/services/preview-deploy" web 1
	assert_success ""
	assert_file "$KERNEL" "services 10.86.0.2 . 81 : 10.86.128.2 . 5000"
	got "$PLUGIN_PATH/services/preview-deploy" web ""
	assert_success ""
	assert_file "$KERNEL" ""
}

@test "verify-switch: a map that does not say it is refused" {
	make_release web 1 web=1
	containers 1 'web 1 idA 10.86.128.2 5000'
	got "$PLUGIN_PATH/services/core-post-deploy" web 80 10.86.0.2 1
	printf 'services 10.86.0.2 . 80 : 10.86.128.66 . 5000\n' >"$KERNEL"
	got "$PLUGIN_PATH/services/verify-switch" web 1
	assert_refused "web: the address map does not say what it was told to: 10.86.0.2 80 10.86.128.2:5000"
	: >"$KERNEL"
	got "$PLUGIN_PATH/services/verify-switch" web 1
	assert_status 1
}

@test "a switch that the kernel refuses fails, and changes nothing" {
	make_release web 1 web=1
	containers 1 'web 1 idA 10.86.128.2 5000'
	printf 'services 10.86.0.9 . 80 : 10.86.128.9 . 1\n' >"$KERNEL"
	NFT_REFUSES=1 got "$PLUGIN_PATH/services/core-post-deploy" web 80 10.86.0.2 1
	assert_status 1
	assert_output ""
	assert_error "Error: No such file or directory
 !     address map: the kernel refused the change; nothing was changed
 !     the address map could not be changed: is nftables there? See the message above"
	assert_file "$KERNEL" "services 10.86.0.9 . 80 : 10.86.128.9 . 1"
}

@test "stop and delete: the addresses mean nobody; a deleted app's are free again" {
	make_release web 1 web=2
	containers 1 'web 1 a 10.86.128.2 5000' 'web 2 b 10.86.128.3 5000'
	got "$PLUGIN_PATH/services/core-post-deploy" web 80 10.86.0.2 1
	got "$PLUGIN_PATH/services/core-post-stop" web
	assert_success ""
	assert_file "$KERNEL" ""
	[[ -e $DOKKU_LIB_ROOT/data/services/web/web.1 ]]
	code services 'services_claim web2 web.1; services_claim w.b web.1'
	got "$PLUGIN_PATH/services/post-delete" w.b
	assert_success ""
	assert_equal 2 "$(ls "$DOKKU_LIB_ROOT/data/services/by-address" | wc -l)"
	got "$PLUGIN_PATH/services/post-delete" web
	assert_success ""
	assert_equal web2 "$(ls -I by-address -I next "$DOKKU_LIB_ROOT/data/services")"
	assert_equal 10.86.0.3 "$(ls "$DOKKU_LIB_ROOT/data/services/by-address")"
}

@test "reconcile: what runs now counts, not what was recorded; an engine that fails is an error" {
	make_release web 1 web=2
	containers 1 'web 1 a 10.86.128.2 5000' 'web 2 b 10.86.128.3 5000'
	hook fake scheduler-list <<-'BODY'
		printf '%s\n' 'a 1 web 1 running 10.86.128.2 5000 11 /web.web.1' 'b 1 web 2 exited 10.86.128.3 5000 0 /web.web.2' \
			'c 2 web 2 running 10.86.128.4 5000 12 /x' 'd 1 worker 1 running 10.86.128.5 5000 13 /y'
	BODY
	got "$PLUGIN_PATH/services/reconcile" web 1
	assert_success ""
	assert_equal "services 1 : 10.86.128.2 . 5000" "$(told)"
	hook fake scheduler-list <<<'exit 1'
	got "$PLUGIN_PATH/services/reconcile" web 1
	assert_status 1
	assert_equal "services 1 : 10.86.128.2 . 5000" "$(told)"
}

# --- the root helper ------------------------------------------------------------------

map() { got "$PLUGIN_CORE_AVAILABLE_PATH/services/root/map" <<<"$1"; }

@test "root/map: a table that cannot be read is not made anew" {
	printf 'services 10.86.0.9 . 80 : 10.86.128.9 . 5000\n' >"$KERNEL"
	export NFT_FORGETS=1
	map 'set 10.86.0.2 80 10.86.128.2:5000'
	assert_refused "address map: the kernel's table cannot be read; nothing was changed"
	assert_file "$KERNEL" 'services 10.86.0.9 . 80 : 10.86.128.9 . 5000'
}

# The text of the table, as nft was told it.
readonly TABLE='table ip dokku {
map services {
type ipv4_addr . inet_service : ipv4_addr . inet_service
}
map shares {
typeof ip daddr . tcp dport . numgen random mod 12 : ip daddr . tcp dport
}
ct timeout brief {
protocol tcp
l3proto ip
policy = { last_ack: 3, close: 3, time_wait: 3 }
}
chain timeouts {
type filter hook output priority -150
ip daddr 10.86.0.0-10.86.127.255 tcp dport { 80, 81 } ct state new ct timeout set "brief"
}
chain output {
type nat hook output priority -100
ip daddr 10.86.0.0-10.86.127.255 dnat ip to ip daddr . tcp dport map @services
ip daddr 10.86.0.0-10.86.127.255 dnat ip to ip daddr . tcp dport . numgen random mod 12 map @shares
}
chain prerouting {
type nat hook prerouting priority -100
ip daddr 10.86.0.0-10.86.127.255 dnat ip to ip daddr . tcp dport map @services
ip daddr 10.86.0.0-10.86.127.255 dnat ip to ip daddr . tcp dport . numgen random mod 12 map @shares
}
chain own_ports {
type nat hook postrouting priority 90
ip saddr 10.86.0.1 ip daddr 10.86.128.0-10.86.255.255 meta l4proto tcp ct original ip daddr 10.86.128.0-10.86.255.255 snat to 10.86.0.1:1024-32767
ip saddr 10.86.0.1 ip daddr 10.86.128.0-10.86.255.255 meta l4proto tcp ct original proto-dst 81 snat to 10.86.0.1:1024-32767
}
chain unmapped_output {
type filter hook output priority 0
ip daddr 10.86.0.0-10.86.127.255 tcp dport { 80, 81 } reject with tcp reset
}
chain unmapped_forward {
type filter hook forward priority 0
ip daddr 10.86.0.0-10.86.127.255 tcp dport { 80, 81 } reject with tcp reset
}
chain invalid_input {
type filter hook input priority 0
ip saddr 10.86.128.0-10.86.255.255 ct state invalid drop
ip saddr 10.86.128.0-10.86.255.255 tcp dport 32768-65535 ct state new tcp flags & (syn | ack) == ack drop
}
}'

@test "root/map: the table is made where it is missing, refusing what the map does not know" {
	map list
	assert_success ""
	assert_equal "create table ip dokku
$TABLE" "$(sed -e '1,/nft -f -/d' -e '/^nft list/d' "$CALLS")"
}

@test "root/map: a table of an older version gets today's rules in one transaction, and keeps its elements" {
	printf 'services 10.86.0.9 . 80 : 10.86.128.9 . 5000\n' >"$KERNEL"
	NFT_TABLE="map services" map list
	assert_success "10.86.0.9 80 10.86.128.9:5000"
	assert_equal "flush table ip dokku
$TABLE" "$(sed -e '1,/nft -f -/d' -e '/^nft list/d' "$CALLS")"
}

@test "root/map: a kernel without timeouts of a connection's own does without" {
	NFT_OLD_KERNEL=1 map list
	assert_success ""
	assert_equal 2 "$(grep -c '^nft -f' "$CALLS")"
	assert_equal 1 "$(grep -c 'ct timeout set' "$CALLS")"
	[[ -e $KERNEL ]]
}

@test "root/map: sets, changes, lists and unsets" {
	map "set 10.86.0.2 80 10.86.128.2:5000
set 10.86.0.3 80 10.86.128.3:5000 10.86.128.4:5001 10.86.128.5:5000 10.86.128.6:5000 10.86.128.7:5000
list"
	assert_status 0
	assert_equal "10.86.0.2 80 10.86.128.2:5000
10.86.0.3 80 10.86.128.3:5000 10.86.128.4:5001 10.86.128.5:5000 10.86.128.6:5000 10.86.128.7:5000" "$(sort <<<"$output")"
	assert_equal 13 "$(wc -l <"$KERNEL")"
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

@test "root/map: shares that are not a list dealt out in turn are shown as unknown" {
	map "set 10.86.0.2 80 10.86.128.2:5000 10.86.128.3:5000"
	sed -i '/ . 7 : /d' "$KERNEL"
	map list
	assert_status 0
	assert_output_like '10.86.0.2 80 *?*'
	# And can be set and unset all the same.
	map "set 10.86.0.2 80 10.86.128.2:5000
list"
	assert_success "10.86.0.2 80 10.86.128.2:5000"
}

@test "root/map: refuses whatever is outside its grammar, and changes nothing" {
	map "set 10.86.0.2 80 10.86.128.2:5000"
	local before
	before=$(<"$KERNEL")
	is_refused() {
		: >"$CALLS"
		map "set 10.86.0.2 80 10.86.128.7:5000
$1"
		assert_status 1 && assert_output "" && assert_error_like ' !     address map: *' &&
			[[ $stderr != *$'\n'* ]] && assert_calls "" && assert_file "$KERNEL" "$before"
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
		assert_calls ""
	done
	rm "$TEST_HOST/etc/dokku/network"
	map "list"
	assert_status 1
	assert_calls ""
}

@test "root/map: trusts neither PATH nor the environment" {
	local file="$REPO/plugins/services/root/map"
	assert_equal '#!/bin/bash -p' "$(head -n 1 "$file")"
	grep -qx 'PATH=/usr/sbin:/usr/bin:/sbin:/bin' "$file"
	assert_equal "" "$(grep -nE '(\$\{?[A-Z]{3,}|eval|source|^\. )' "$file" | grep -vE 'BASH_REMATCH|SHARES|PORTS|PREVIEW_PORT|FORGET|RULES')"
}

# --- heal -------------------------------------------------------------------------

# serving - web and blog, each with a release that runs and an address.
serving() {
	local app i=2
	make_app web blog
	mkdir -p "$DOKKU_LIB_ROOT/data/services/by-address"
	for app in web blog; do
		make_release "$app" 1
		make_current "$app" 1
		mkdir -p "$DOKKU_LIB_ROOT/data/services/$app"
		printf '%s web.1\n' "$app" >"$DOKKU_LIB_ROOT/data/services/by-address/10.86.0.$i"
		printf '10.86.0.%s\n' "$i" >"$DOKKU_LIB_ROOT/data/services/$app/web.1"
		printf 'web 1 id-%s 10.86.128.%s 5000\n' "$app" "$i" >"$DOKKU_LIB_ROOT/data/releases/$app/1/containers"
		printf 'services 10.86.0.%s . 80 : 10.86.128.%s . 5000\n' "$i" "$i"
		i=$((i + 1))
	done >"$KERNEL"
	hook fake scheduler-list <<-'BODY'
		[[ $2 != web ]] || printf 'id-web 1 web 1 running 10.86.128.2 5000 11 /web.web.1\n'
		[[ $2 != blog ]] || printf 'id-blog 1 web 1 running 10.86.128.3 5000 12 /blog.web.1\n'
	BODY
	hook fake reconcile </dev/null
	fake docker <<<'[[ $1 != ps ]] || printf "%s\n" "id-web web" "id-blog blog"'
}

# healed - the apps that were reconciled since.
healed() { sed -n 's/^reconcile //p' "$STEPS"; }

@test "services:heal: sets the lines that the kernel has lost, and touches no other app" {
	serving
	sed -i '/128.2/d' "$KERNEL"
	dokku services:heal
	assert_status 0
	assert_error " !     web: the address map did not say 10.86.0.2 80 10.86.128.2:5000: setting it again"
	assert_equal "" "$(healed)"
	assert_equal "services 1 : 10.86.128.2 . 5000
services 1 : 10.86.128.3 . 5000" "$(told)"
	dokku services:heal
	assert_success ""
}

@test "services:heal: a map that somebody has emptied; an app that an operation holds is left to it" {
	serving
	: >"$KERNEL"
	flock "$DOKKU_LIB_ROOT/lock/web" sleep 3 &
	until ! flock --nonblock "$DOKKU_LIB_ROOT/lock/web" true; do :; done
	dokku services:heal
	assert_status 0
	assert_equal "services 1 : 10.86.128.3 . 5000" "$(told)"
	wait
	dokku services:heal
	assert_equal 2 "$(wc -l <"$KERNEL")"
}

@test "services:heal: a map that cannot be read is no reason to touch an app" {
	serving
	fake sudo <<<'exit 1'
	dokku services:heal
	assert_status 1
	assert_equal "" "$(healed)"
}

@test "services:heal --watch: nor is an engine that does not answer; it goes on watching" {
	serving
	fake sudo <<<'exit 1'
	fake docker <<<'exit 1'
	fake sleep <<<'[[ $(grep -c ^sleep "$CALLS") -lt 6 ]] || rm -r "$DOKKU_LIB_ROOT/lock"'
	dokku services:heal --watch
	assert_equal "" "$(healed)"
	assert_equal 6 "$(grep -c '^sleep 2' "$CALLS")"
	assert_equal 1 "$(grep -c '^docker ps' "$CALLS")"
}

@test "services:heal: an app whose container does not run, and one with a stray, are reconciled" {
	serving
	fake docker <<<'[[ $1 != ps ]] || printf "%s\n" "id-blog blog"'
	dokku services:heal
	assert_status 0
	assert_error " !     web: web.1 does not run: reconciling"
	assert_equal "web 1" "$(healed)"
	: >"$STEPS"
	fake docker <<<'[[ $1 != ps ]] || printf "%s\n" "id-web web" "id-blog blog" "0123456789abcdef blog" "id-x ghost"'
	dokku services:heal
	assert_status 0
	assert_error " !     blog: the container 0123456789ab belongs to no current release: reconciling"
	assert_equal "blog 1" "$(healed)"
	# A stopped app wants no container.
	: >"$STEPS"
	fake docker <<<'[[ $1 != ps ]] || printf "id-blog blog\n"'
	mkdir -p "$DOKKU_LIB_ROOT/config/ps/web"
	printf 'true\n' >"$DOKKU_LIB_ROOT/config/ps/web/stopped"
	sed -i '/128.2/d' "$KERNEL"
	dokku services:heal
	assert_success ""
	assert_equal "" "$(healed)"
}
