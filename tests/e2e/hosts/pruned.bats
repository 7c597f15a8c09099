#!/usr/bin/env bats
# A host on which somebody has removed what make install made: by docker system prune -af, which
# takes the network dokku while no app runs, or by hand. dokku makes it again where its user can, or
# names the command.

# shellcheck disable=SC2154 # the helper sets world, output, status
# shellcheck disable=SC2016 # for the shell in the world

load helper

setup_file() {
	host_up
	host_install >/dev/null
	host_key
}

teardown_file() { host_down; }

# network_is_ours - true if the network dokku is the one that make install creates.
network_is_ours() {
	local config='{{with index .IPAM.Config 0}}{{.Subnet}} {{.Gateway}} {{.IPRange}}{{end}}' is
	config+=' {{index .Options "com.docker.network.bridge.name"}} {{.EnableIPv6}} {{len .Labels}}'
	is=$(in_world docker network inspect --format "$config" dokku 2>/dev/null)
	[[ $is == "10.86.0.0/16 10.86.0.1 10.86.192.0/18 dokku0 false 1" ]]
}

# prune - runs docker system prune, as administrators do when a disk is full.
prune() { in_world docker system prune --all --force >/dev/null; }

# log_says TEXT - true if the log of the watch contains TEXT.
log_says() { in_world grep -qF -e "$1" /var/log/dokku-heal.log; }

# install_again - runs the command that messages name. Many servers have no checkout for make
# install.
install_again() { in_world sudo dokku plugin:trigger install; }

@test "docker system prune -af while no app runs, then a push: it goes live, on the same network" {
	prune
	commit_and_push shop v1
	assert_serves shop v1
	network_is_ours
}

@test "the network, removed or made again by hand with another subnet: the watch makes ours again" {
	dokku_run ps:stop shop
	in_world docker network rm dokku
	await 25 network_is_ours
	in_world docker network rm dokku
	in_world docker network create --subnet 172.30.0.0/16 dokku
	await 25 network_is_ours
	in_world docker network rm dokku
	in_world docker network create --subnet 10.86.0.0/16 dokku
	await 25 network_is_ours
}

@test "an app that was stopped meanwhile: its image is built again, and visitors are served" {
	prune
	# A container that was only stopped would want the network that is gone.
	dokku_run ps:start shop
	assert_serves shop v1
	network_is_ours
	in_world nft list chain ip dokku strangers_forward
}

@test "an app that is stopped, at a release whose commit the branch has left: it is said what builds it" {
	commit_and_push shop v2
	dokku_run releases:rollback shop
	assert_serves shop v1
	dokku_run ps:stop shop
	prune
	run dokku_run ps:start shop
	[[ $status -ne 0 && $output == *'dokku ps:rebuild shop'* ]]
	dokku_run ps:rebuild shop
	assert_serves shop v2
}

@test "a stopped container of a running app: made again on the new network; other commands that start containers, too" {
	in_world bash -c 'docker stop $(docker ps -q) && docker network rm dokku' >/dev/null
	await 40 assert_serves shop v2
	dokku_run ps:stop shop
	in_world docker network rm dokku
	dokku_run ps:start shop
	assert_serves shop v2
}

@test "a network of somebody else that containers use is left alone, and it is said what to do" {
	local image
	image=$(image_of shop "$(in_world cat /var/lib/dokku/data/releases/shop/current)")
	dokku_run ps:stop shop
	in_world docker network rm dokku
	in_world docker network create --subnet 172.30.0.0/16 dokku
	in_world docker run --detach --name guest --network dokku "$image" >/dev/null
	run dokku_run ps:start shop
	[[ $status -ne 0 &&
		$output == *'its subnet is 172.30.0.0/16, not 10.86.0.0/16'*'docker network disconnect dokku CONTAINER'* ]]
	in_world docker rm --force guest >/dev/null
	dokku_run ps:start shop
	assert_serves shop v2
}

@test "nginx's include, and our folder: the watch and a push name the command, which mends it; visitors notice nothing" {
	local file
	load_begin visitors shop --mode close=8
	for file in /etc/nginx/conf.d/dokku.conf /etc/nginx/dokku-preview.conf /etc/nginx/dokku; do
		in_world mv "$file" /root/kept
		await 25 log_says "$file is missing, so nginx will serve no app once it is restarted: run sudo dokku plugin:trigger install"
		run dokku_run --wait=60 ps:restart shop
		[[ $status -ne 0 &&
			$output == *"$file is missing"*'run sudo dokku plugin:trigger install'* ]]
		install_again
		in_world rm -rf /root/kept
		# Where that was the folder, the watch writes the app's file again.
		await 25 in_world test -e /etc/nginx/dokku/shop.conf
		dokku_run --wait=60 ps:restart shop
		in_world nginx -t -q
	done
	load_end visitors
	assert_serves shop v2
}

@test "the file of one app in nginx: the watch writes it again" {
	in_world rm /etc/nginx/dokku/shop.conf
	await 25 in_world test -e /etc/nginx/dokku/shop.conf
}

@test "the line for sudo: an operation that needs it, and the watch, name the command" {
	in_world rm /etc/sudoers.d/dokku
	run dokku_run --wait=60 domains:add shop other.example.com
	[[ $output == *'/etc/sudoers.d/dokku was removed or changed: run sudo dokku plugin:trigger install'* ]]
	await 25 log_says '/etc/sudoers.d/dokku was removed or changed'
	install_again
	dokku_run --wait=60 domains:add shop third.example.com
	[[ $(in_world grep -c 'sudoers.d/dokku was removed' /var/log/dokku-heal.log) -le 2 ]]
}

@test "the group docker: a push says so, and what mends it" {
	in_world gpasswd --delete dokku docker >/dev/null
	run over_ssh -- --wait=60 ps:restart shop
	[[ $status -ne 0 &&
		$output == *'not in its group: run sudo dokku plugin:trigger install'* ]]
	await 25 log_says 'The user dokku is not in the group docker any more'
	install_again
	over_ssh -- --wait=60 ps:restart shop
}

@test "folders: those that the user dokku can make are there again, others are named" {
	in_world rm -rf /var/lib/dokku/data/network /var/lib/dokku/data/builds
	dokku_run --wait=60 ps:restart shop
	in_world rm -rf /var/lib/dokku/tmp
	run dokku_run --wait=60 ps:restart shop
	[[ $status -ne 0 &&
		$output == *'/var/lib/dokku/tmp is missing'*'run sudo dokku plugin:trigger install'* ]]
	await 25 log_says '/var/lib/dokku/tmp is missing'
	in_world rm -rf /var/lib/dokku/lock
	run dokku_run --wait=60 ps:restart shop
	[[ $status -ne 0 && $output == *'/var/lib/dokku/lock is missing'* ]]
	# The watch has not ended.
	await 25 log_says '/var/lib/dokku/lock is missing'
	install_again
	dokku_run --wait=60 ps:restart shop
	assert_serves shop v2
}

@test "the links to the plugins: one is named, all are made again by the command that needs them" {
	in_world rm /var/lib/dokku/plugins/{available,enabled}/ps
	await 25 log_says '/var/lib/dokku/plugins/available/ps, the plugin ps, is missing'
	install_again
	in_world rm -r /var/lib/dokku/plugins
	install_again
	dokku_run --wait=60 ps:restart shop
	assert_serves shop v2
}

@test "the right to change the map, the settings of the kernel, our files in /etc/dokku: one command makes them again" {
	in_world setcap -r /usr/local/lib/dokku/plugins/service-addresses/root/map
	run dokku_run --wait=60 ps:restart shop
	[[ $status -ne 0 && $output == *'run sudo dokku plugin:trigger install'* ]]
	install_again
	dokku_run --wait=60 ps:restart shop
	in_world sysctl --quiet --write net.netfilter.nf_conntrack_tcp_be_liberal=0
	await 25 in_world grep -qx 1 /proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal
	in_world rm -r /etc/dokku
	run dokku_run --wait=60 ps:restart shop
	[[ $status -ne 0 &&
		$output == *'/etc/dokku/network is missing'*'run sudo dokku plugin:trigger install'* ]]
	install_again
	dokku_run --wait=60 ps:restart shop
	assert_serves shop v2
	network_is_ours
}

@test "docker system prune -af while an app runs whose releases share an image: a change goes on, the watch names the image again" {
	local number served
	served=$(released shop)
	[[ $served == v[12] ]]
	dokku_run config:set shop A=1
	dokku_run config:set shop A=2
	dokku_run config:set shop A=3
	# The engine chooses which of the names stays.
	number=$(in_world cat /var/lib/dokku/data/releases/shop/current)
	is_named() {
		in_world docker images --format '{{.Tag}}' dokku/shop | grep -q "^v$number-"
	}
	in_world sh -c 'docker images --format "{{.Repository}}:{{.Tag}}" dokku/shop |
		grep ":v'"$number"'-" | xargs docker rmi' >/dev/null
	run is_named
	[[ $status -ne 0 ]]
	dokku_run config:set shop A=4
	assert_serves shop "$served"
	number=$((number + 1))
	in_world sh -c 'docker images --format "{{.Repository}}:{{.Tag}}" dokku/shop |
		grep ":v'"$number"'-" | xargs docker rmi' >/dev/null
	await 25 is_named
}
