#!/usr/bin/env bats
# A host that forwards for whoever asks: its FORWARD policy is ACCEPT, as Docker leaves it where
# forwarding was on already. Another machine of its network, 192.0.2.2, knows the way to our
# containers, and reaches an app through nginx only.

# shellcheck disable=SC2154 # the helper sets world, output, status
# shellcheck disable=SC2016 # for the shell in the world

load helper

setup_file() {
	host_with_app shop
	host_lan
	# The host does forward: else nothing below would prove anything.
	in_world bash -c \
		'[[ $(iptables -S FORWARD | head -n 1) == "-P FORWARD ACCEPT" &&
			$(</proc/sys/net/ipv4/ip_forward) == 1 ]]'
}

teardown_file() { host_down; }

# from_lan ARG… - runs curl on the other machine.
from_lan() { in_world ip netns exec lan curl --silent --output /dev/null --max-time 2 "$@"; }

# dropped COMMAND… - true if curl gets no answer before its timeout.
dropped() {
	run "$@"
	[[ $status -eq 28 ]]
}

# use_older_table - loads the rules of a version that did not know this kind of host, with today's
# elements.
use_older_table() {
	in_world bash -c '{ echo "flush table ip dokku"
		nft list table ip dokku | sed -n "s/^\tchain \(.*\) {/delete chain ip dokku \1/p"
		echo "table ip dokku {"; cat /src/tests/e2e/hosts/older-table.nft; echo "}"; } |
		nft -f -'
}

@test "another machine reaches an app through nginx, and not its container" {
	from_lan --header 'Host: shop.localhost' http://192.0.2.1/
	dropped from_lan "http://$(endpoint_of shop)/"
	# The host does.
	in_world curl --silent --output /dev/null --max-time 5 "http://$(endpoint_of shop)/"
}

@test "nor a service address: the map is for this host" {
	dropped from_lan http://10.86.0.2/
	in_world curl --silent --output /dev/null --max-time 5 http://10.86.0.2/
}

@test "nor a container that no release has, by TCP or otherwise; other networks of Docker do not, either" {
	local ip
	in_world docker run --detach --name unreleased --network dokku "$(image_of shop 1)" \
		>/dev/null
	ip=$(in_world docker inspect --format '{{.NetworkSettings.Networks.dokku.IPAddress}}' \
		unreleased)
	in_world curl --silent --output /dev/null --max-time 5 --retry 20 \
		--retry-connrefused --retry-delay 1 "http://$ip:5000/"
	dropped from_lan "http://$ip:5000/"
	run in_world ip netns exec lan bash -c \
		"timeout 2 bash -c 'echo x >/dev/udp/$ip/53'; sleep 0.2"
	run in_world conntrack -L --orig-src 192.0.2.2 --orig-dst "$ip"
	[[ $output != *"src=192.0.2.2"* ]]
	in_world docker network create other >/dev/null
	in_world docker run --detach --name elsewhere --network other "$(image_of shop 1)" \
		>/dev/null
	dropped in_world bash -c "nsenter --net --target \$(docker inspect --format '{{.State.Pid}}' elsewhere) curl --silent --max-time 2 http://$ip:5000/"
	in_world docker rm --force --volumes elsewhere >/dev/null
	in_world docker network rm other >/dev/null
}

@test "containers ask other machines, and not each other" {
	local pid
	in_world bash -c \
		'PORT=8000 ip netns exec lan setsid --fork /src/build/tests/apps/web </dev/null \
			>/dev/null 2>&1'
	pid=$(in_world docker inspect --format '{{.State.Pid}}' unreleased)
	in_world nsenter --net --target "$pid" curl --silent --output /dev/null --max-time 5 \
		--retry 20 --retry-connrefused --retry-delay 1 http://192.0.2.2:8000/
	run in_world nsenter --net --target "$pid" curl --silent --output /dev/null --max-time 2 \
		"http://$(endpoint_of shop)/"
	[[ $status -eq 28 || $status -eq 7 ]]
}

@test "a port that an administrator publishes is reached" {
	in_world docker run --detach --name published --network dokku --publish 8081:5000 \
		"$(image_of shop 1)" >/dev/null
	from_lan --retry 20 --retry-connrefused --retry-delay 1 http://192.0.2.1:8081/
	in_world docker rm --force --volumes published >/dev/null
}

@test "another machine that takes an address of a container is not heard" {
	local ip=10.86.250.9
	in_world ip -netns lan address add "$ip/32" dev eth0
	run from_lan --interface "$ip" http://192.0.2.1/
	[[ $status -eq 28 ]]
	run in_world conntrack -L --orig-src "$ip"
	[[ $output != *"src=$ip"* ]]
	in_world ip -netns lan address del "$ip/32" dev eth0
}

@test "there is no way by IPv6: the bridge has no address that is routed, a container none" {
	[[ -z $(in_world ip -6 -oneline address show dev dokku0 scope global) ]]
	[[ -z $(in_world bash -c \
		'nsenter --net --target "$(docker inspect --format "{{.State.Pid}}" unreleased)" \
			ip -6 -oneline address show dev eth0') ]]
	[[ $(in_world docker network inspect --format '{{.EnableIPv6}}' dokku) == false ]]
}

@test "an upgrade brings the rules to a table of an older version, under load, and loses no request" {
	local round
	load_begin upgrade shop
	for round in 1 2 3; do
		use_older_table
		# What was wrong, and what shows that the other machine does get here.
		from_lan "http://$(endpoint_of shop)/"
		from_lan http://10.86.0.2/
		in_world sudo dokku plugin:trigger install
		dropped from_lan "http://$(endpoint_of shop)/"
		dropped from_lan http://10.86.0.2/
	done
	load_end upgrade
	[[ $(jq .requests "$BATS_FILE_TMPDIR/upgrade.json") -gt 500 ]]
}

@test "where nginx moves the traffic, without nftables, iptables keeps the other machine away; proxy:report says so" {
	dokku_run proxy:set --global switch-by nginx
	in_world sudo dokku plugin:trigger install
	[[ $(dokku_run proxy:report shop --proxy-guard) == iptables ]]
	from_lan --header 'Host: shop.localhost' http://192.0.2.1/
	dropped from_lan "http://$(endpoint_of shop)/"
	in_world ip -netns lan address add 10.86.250.9/32 dev eth0
	run from_lan --interface 10.86.250.9 http://192.0.2.1/
	[[ $status -eq 28 ]]
	in_world ip -netns lan address del 10.86.250.9/32 dev eth0
	# A firewall that is loaded anew takes the rules: the watch makes them again.
	in_world bash -c 'iptables -F FORWARD; iptables -t raw -F PREROUTING'
	from_lan "http://$(endpoint_of shop)/"
	await 15 dropped from_lan "http://$(endpoint_of shop)/"
	dokku_run proxy:set --global switch-by
	in_world sudo dokku plugin:trigger install
	[[ $(dokku_run proxy:report shop --proxy-guard) == nftables ]]
	run in_world bash -c 'iptables -S; iptables -t raw -S'
	[[ $status -eq 0 && $output != *10.86.* ]]
	dropped from_lan "http://$(endpoint_of shop)/"
}
