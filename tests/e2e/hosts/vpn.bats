#!/usr/bin/env bats
# A host whose VPN has a rule (ip rule) by which all packets take its tunnel, but those to the
# host's own network. The rule comes before the main table, which has the route to our containers.

# shellcheck disable=SC2154 # the helper sets world, output, status
# shellcheck disable=SC2016 # for the shell in the world

load helper

setup_file() {
	host_with_app shop
	in_world bash -euc \
		'ip link add tunnel type veth peer name far
		ip address add 192.0.2.1/24 dev tunnel
		ip link set tunnel up; ip link set far up
		ip route add default via 192.0.2.2 dev tunnel table 100'
}

teardown_file() { host_down; }

# vpn add|delete - the rules of the VPN.
vpn() {
	in_world bash -euc \
		'ip rule "$1" from all lookup 100 priority 100
		ip rule "$1" to "$2/30" lookup main priority 99' bash "$1" "$address"
}

serves() { [[ $(released "$1") == "$2" ]]; }

@test "the VPN comes up, and goes, and flushes rules: the app serves, and so does the next push" {
	vpn add
	within 3 serves shop v1
	commit_and_push shop v2
	assert_serves shop v2
	in_world ip rule delete priority 1
	within 3 serves shop v2
	vpn delete
	assert_serves shop v2
}

@test "containers that take the tunnel are served all the same" {
	in_world ip rule add from 10.86.0.0/16 lookup 100 priority 100
	within 3 serves shop v2
	commit_and_push shop v3
	in_world ip rule delete priority 100
}

@test "the bridge is gone: no request takes the tunnel" {
	local begin=$SECONDS
	vpn add
	in_world ip link set dokku0 down
	[[ $(fetch shop / --output /dev/null --write-out '%{http_code}') == 50[234] ]]
	((SECONDS - begin < 5))
	run in_world ip route get 10.86.0.2
	[[ $output == *'No route to host'* || $output == *unreachable* ]]
	in_world ip link set dokku0 up
	within 10 serves shop v3
	vpn delete
}

@test "make uninstall leaves no rule, and no route that refuses" {
	vpn add
	in_world ip rule show | grep -q '^1:.*10.86.0.0/16'
	in_world make -s -C /root/dokku uninstall
	run in_world ip rule show
	[[ $output != *10.86.0.0/16* ]]
	run in_world ip route show
	[[ $output != *unreachable* ]]
}
