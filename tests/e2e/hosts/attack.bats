#!/usr/bin/env bats
# One app attacks another, with the default options and with options that give capabilities back;
# another machine of the host's network attacks the bridge. Nothing comes through, and the app that
# is attacked loses no request. HOST_REV=f472e02 shows each attack succeed.

# shellcheck disable=SC2154 # the helper sets world, output, status
# shellcheck disable=SC2016 # for the shell in the world

load helper

setup_file() {
	host_up
	make --silent --no-print-directory -C "$top" build/tests/apps/attack
	host_install >/dev/null
	host_key
	commit_and_push victim v1
	push_attacker
	# The same with the capabilities that an administrator's option gives back.
	in_world bash -euc 'dir=/var/lib/dokku/plugins/available/capable
		mkdir $dir && cat >$dir/docker-args-deploy <<-"HOOK"
			#!/bin/bash
			cat
			[[ $1 != armed ]] || echo " --cap-add NET_RAW --cap-add NET_ADMIN"
		HOOK
		chmod 755 $dir/docker-args-deploy && dokku plugin:enable capable'
	commit armed v1
	add_attack armed
	push armed
	host_lan
}

teardown_file() { host_down; }

# add_attack APP - adds the attack program to the image of APP.
add_attack() {
	cp "$top/build/tests/apps/attack" "$(repo "$1")/"
	printf 'COPY attack /attack\n' >>"$(repo "$1")/Dockerfile"
	commit_files "$1" --amend --no-edit
}

push_attacker() {
	commit attacker v1
	add_attack attacker
	push attacker
}

# attack APP WORD… - runs the attack in APP. Sets status to 0 if it succeeds, to 1 if it fails, and
# to 2 if APP may not try it.
attack() {
	run in_world docker exec "$1.web.1" /attack "${@:2}"
	printf '%s %s: status %s: %s\n' "$1" "${*:2}" "$status" "$output"
}

# ask_victim - sends a request each tenth of a second until the file /tmp/asking is gone, and prints
# how many answers were not victim's.
ask_victim() {
	in_world bash -c ': >/tmp/asking; bad=0 n=0; while [[ -e /tmp/asking && n -lt 200 ]]; do
		((++n))
		[[ $(curl --silent --max-time 2 --cookie secret=1 \
		--head --header "Host: victim.localhost" \
		http://127.0.0.1/) == *"X-App: victim"* ]] || ((++bad)); sleep 0.1
		done; echo "$bad of $n"' >"$BATS_TEST_TMPDIR/asked" 3>&- &
	sleep 0.3
}

answers_end() {
	in_world rm -f /tmp/asking
	wait
	cat "$BATS_TEST_TMPDIR/asked"
	[[ $(<"$BATS_TEST_TMPDIR/asked") == "0 of "[1-9]* ]]
}

# udp_arrived APP - prints how many UDP packets the kernel of APP was given, to a port or to none.
udp_arrived() {
	in_world bash -c \
		'awk "/^Udp:/ && \$2 ~ /[0-9]/ { print \$2 + \$3 }" \
			"/proc/$(docker inspect --format "{{.State.Pid}}" "$1.web.1")/net/snmp"' \
		bash "$1"
}

# host_udp - prints the same for the host.
host_udp() { in_world awk '/^Udp:/ && $2 ~ /[0-9]/ { print $2 + $3 }' /proc/net/snmp; }

@test "with the default options an app may not send raw frames" {
	attack attacker arp "$(ip_of victim)" 2
	[[ $status -eq 2 && $output == *'a raw socket: Operation not permitted'* ]]
	attack attacker mac "$(ip_of victim)" 2
	[[ $status -eq 2 ]]
}

@test "an app that may do that gets no packet for another one's address, and the host keeps its ARP table" {
	local ip
	ip=$(ip_of victim)
	ask_victim
	attack armed arp "$ip" 5
	answers_end
	[[ $status -eq 1 ]]
	[[ $(in_world ip neighbour show "$ip") == *" lladdr 02:42:0a:56:80:"* ]]
	[[ $(in_world ip neighbour show "$ip") != *" lladdr $(in_world docker inspect \
		--format '{{.NetworkSettings.Networks.dokku.MacAddress}}' armed.web.1) "* ]]
}

@test "nor does it by the other one's MAC address" {
	ask_victim
	attack armed mac "$(ip_of victim)" 5
	answers_end
	[[ $status -eq 1 ]]
}

@test "nor for the gateway or a service address: the other app's answers still reach the host" {
	local address
	for address in 10.86.0.1 10.86.0.2; do
		ask_victim
		attack armed arp "$address" 4
		answers_end
		[[ $status -eq 1 ]]
	done
}

@test "an app reaches no container of another, by no port, nor a service address or a preview" {
	local app
	# The host does.
	in_world curl --silent --output /dev/null --max-time 5 "http://$(ip_of victim):5000/"
	for app in attacker armed; do
		attack "$app" connect "$(ip_of victim)" 5000
		[[ $status -eq 1 ]]
		attack "$app" connect 10.86.0.2 80
		[[ $status -eq 1 ]]
		attack "$app" connect 10.86.0.2 81
		[[ $status -eq 1 ]]
	done
}

@test "nor through the host: neither by a route of its own, nor by a neighbour entry" {
	local pid
	pid=$(in_world docker inspect --format '{{.State.Pid}}' armed.web.1)
	# What NET_ADMIN lets it do to its own network.
	in_world nsenter --net --target "$pid" ip route add "$(ip_of victim)/32" via 10.86.0.1
	attack armed connect "$(ip_of victim)" 5000
	[[ $status -eq 1 ]]
	in_world nsenter --net --target "$pid" ip route del "$(ip_of victim)/32" via 10.86.0.1
	in_world nsenter --net --target "$pid" ip neighbour replace "$(ip_of victim)" dev eth0 \
		lladdr \
		"$(in_world docker inspect \
			--format '{{.NetworkSettings.Networks.dokku.MacAddress}}' victim.web.1)"
	attack armed connect "$(ip_of victim)" 5000
	[[ $status -eq 1 ]]
	in_world nsenter --net --target "$pid" ip neighbour del "$(ip_of victim)" dev eth0
}

@test "a packet that another is said to have sent does not reach the host, nor one past the host the other app" {
	local before
	before=$(host_udp)
	attack armed spoof 10.86.0.9 10.86.0.1
	attack armed spoof 198.51.100.7 10.86.0.1
	attack armed spoof "$(ip_of victim)" 10.86.0.1
	sleep 0.3
	[[ $(host_udp) -eq $before ]]
	before=$(udp_arrived victim)
	attack armed inject "$(ip_of victim)"
	sleep 0.3
	[[ $(udp_arrived victim) -eq $before ]]
}

@test "containers still reach other machines, the host, and another app by its public name" {
	in_world bash -c \
		'PORT=8000 ip netns exec lan setsid --fork /src/build/tests/apps/web </dev/null \
			>/dev/null 2>&1'
	await 5 in_world ip netns exec lan curl --silent --output /dev/null http://127.0.0.1:8000/
	attack attacker connect 192.0.2.2 8000
	[[ $status -eq 0 ]]
	attack attacker connect 192.0.2.1 80
	[[ $status -eq 0 ]]
	[[ $(in_world bash -c \
		'nsenter \
			--net \
			--target "$(docker inspect --format "{{.State.Pid}}" attacker.web.1)" \
		curl --silent --head --max-time 5 --header "Host: victim.localhost" \
		http://192.0.2.1/') == *"X-App: victim"* ]]
}

@test "containers that share another network reach each other there, and one that somebody starts on dokku is served by the host" {
	local ip
	in_world docker network create shared >/dev/null
	in_world docker network connect shared attacker.web.1
	in_world docker network connect shared victim.web.1
	ip=$(in_world docker inspect --format '{{.NetworkSettings.Networks.shared.IPAddress}}' \
		victim.web.1)
	attack attacker connect "$ip" 5000
	[[ $status -eq 0 ]]
	in_world docker network disconnect shared attacker.web.1
	in_world docker network disconnect shared victim.web.1
	in_world docker network rm shared >/dev/null
	in_world docker run --detach --name byhand --network dokku --publish 8081:5000 \
		"$(image_of victim 1)" >/dev/null
	ip=$(in_world docker inspect --format '{{.NetworkSettings.Networks.dokku.IPAddress}}' \
		byhand)
	await 5 in_world curl --silent --output /dev/null --max-time 2 "http://$ip:5000/"
	attack attacker connect "$ip" 5000
	[[ $status -eq 1 ]]
	attack attacker connect 192.0.2.1 8081
	[[ $status -eq 0 ]]
	in_world ip netns exec lan curl --silent --output /dev/null --max-time 5 \
		http://192.0.2.1:8081/
	in_world docker rm --force --volumes byhand >/dev/null
}

@test "run, and a push, work as before" {
	[[ $(dokku_run run attacker /attack connect 192.0.2.1 80) == *'connected to'* ]]
	run dokku_run run attacker /attack connect "$(ip_of victim)" 5000
	[[ $status -eq 1 ]]
	commit_and_push victim v2
	assert_serves victim v2
}

@test "another machine reaches neither container nor service address, nor takes one's address" {
	local ip
	ip=$(ip_of victim)
	run in_world ip netns exec lan curl --silent --max-time 2 "http://$ip:5000/"
	[[ $status -eq 28 ]]
	run in_world ip netns exec lan curl --silent --max-time 2 http://10.86.0.2/
	[[ $status -eq 28 ]]
	in_world ip -netns lan address add "$ip/32" dev eth0
	run in_world ip netns exec lan curl --silent --max-time 2 --interface "$ip" \
		http://192.0.2.1/
	[[ $status -eq 28 ]]
	in_world ip -netns lan address del "$ip/32" dev eth0
}

@test "a guessed preview token shows nothing" {
	[[ $(in_world curl --silent --output /dev/null --write-out '%{http_code}' \
		--head --header 'Host: victim.localhost' --header 'X-Dokku-Preview: 1' \
		http://127.0.0.1/) == 200 ]]
	run in_world docker exec attacker.web.1 /attack connect 192.0.2.1 81
	[[ $status -eq 1 ]]
}

@test "a flood of processes ends at the limit, a flood of logs keeps its size, and the other app answers" {
	ask_victim
	attack attacker fork
	[[ $status -eq 1 && $output == *' processes' && ${output%% *} -le 4096 ]]
	attack attacker log 60
	[[ $status -eq 0 ]]
	answers_end
	[[ $(in_world bash -c \
		'stat --format %s \
			"$(docker inspect --format "{{.LogPath}}" attacker.web.1)"') -le 11000000 ]]
}

@test "an app that holds connections has a thousand of the host's, and the others are served" {
	ask_victim
	attack attacker hold 192.0.2.1 80 18000
	answers_end
	[[ $output =~ ^([0-9]+)\ of\ ([0-9]+)\ connections && ${BASH_REMATCH[1]} -le 1000 &&
		${BASH_REMATCH[2]} -gt 15000 ]]
	# Those that have ended do not count.
	reaches_host() { attack attacker connect 192.0.2.1 80 && [[ $status -eq 0 ]]; }
	await 5 reaches_host
}

@test "an app does not reach what a cloud tells its host, but a name server there, and all of it where an administrator says so" {
	in_world ip address add 169.254.169.254/32 dev lo
	in_world bash -c \
		'PORT=53 setsid --fork /src/build/tests/apps/web </dev/null >/dev/null 2>&1'
	await 5 in_world curl --silent --output /dev/null http://169.254.169.254:53/
	in_world curl --silent --output /dev/null http://169.254.169.254/
	attack attacker connect 169.254.169.254 80
	[[ $status -eq 1 ]]
	attack armed connect 169.254.169.254 80
	[[ $status -eq 1 ]]
	attack attacker connect 169.254.169.254 53
	[[ $status -eq 0 ]]
	local cloud
	for cloud in 168.63.129.16 192.0.0.192 100.100.100.200; do
		in_world ip address add "$cloud/32" dev lo
		in_world curl --silent --output /dev/null "http://$cloud/"
		attack attacker connect "$cloud" 80
		[[ $status -eq 1 ]]
		in_world ip address del "$cloud/32" dev lo
	done
	in_world touch /etc/dokku/metadata
	in_world /usr/local/lib/dokku/plugins/service-addresses/root/table
	attack attacker connect 169.254.169.254 80
	[[ $status -eq 0 ]]
	in_world rm /etc/dokku/metadata
	in_world /usr/local/lib/dokku/plugins/service-addresses/root/table
	attack attacker connect 169.254.169.254 80
	[[ $status -eq 1 ]]
	in_world bash -c 'ip address del 169.254.169.254/32 dev lo'
}

# cloud ACTION - adds or deletes the address at which a cloud tells its credentials. The host's
# nginx answers there.
cloud() { in_world ip address "$1" 169.254.169.254/32 dev lo || [[ $1 == add ]]; }

@test "a network of users by which an app has its way out changes nothing of that" {
	cloud add
	# Docker's default route is by the network whose name comes first.
	dokku_run network:create apples
	dokku_run network:set attacker attach-post-deploy apples
	dokku_run ps:restart attacker
	[[ $(in_world bash -c 'nsenter --net --target "$(docker inspect \
		--format "{{.State.Pid}}" attacker.web.1)" ip route') != *'default via 10.86.'* ]]
	attack attacker connect 169.254.169.254 80
	[[ $status -eq 1 ]]
	ask_victim
	attack attacker hold 192.0.2.1 80 18000
	answers_end
	[[ $output =~ ^([0-9]+)\ of && ${BASH_REMATCH[1]} -le 1000 ]]
	dokku_run network:set attacker attach-post-deploy
	dokku_run ps:restart attacker
	await 20 dokku_run network:destroy apples --force
	cloud del
}

@test "an app is not told the preview token by a header that a setting names" {
	run over_ssh nginx:set attacker x-forwarded-for-value '\$http_x_dokku_preview'
	[[ $status -eq 1 && $output == *'wants a value without the headers of dokku'* ]]
}

@test "what takes the tables, takes them for a second" {
	in_world nft flush ruleset
	await 3 in_world nft list chain bridge dokku between
	attack armed connect "$(ip_of victim)" 5000
	[[ $status -eq 1 ]]
	in_world nft delete table bridge dokku
	await 3 in_world nft list chain bridge dokku between
	[[ $(dokku_run proxy:report victim --proxy-guard) == nftables ]]
}

@test "the container of a build with another app's labels is not that app's: it restarts, scales and goes, and the build stays" {
	commit_and_push beta v1
	in_world bash -euc \
		'mkdir /tmp/forged && cp /src/build/tests/apps/web /tmp/forged/ &&
			cat >/tmp/forged/Dockerfile <<-"FILE"
			FROM scratch
			COPY web /web
			LABEL com.dokku.app-name=beta com.dokku.container-type=deploy com.dokku.release=1 com.dokku.process-type=web com.dokku.index=1 com.dokku.port=5000 dokku=
			ENV PORT=5000
			RUN ["/web"]
		FILE
		DOCKER_BUILDKIT=0 setsid --fork docker build --tag forged /tmp/forged \
		>/tmp/forged/log 2>&1 </dev/null'
	await 10 in_world bash -c \
		'[[ $(docker ps --quiet --filter label=com.dokku.app-name=beta | wc -l) -eq 2 ]]'
	in_world bash -c \
		'docker ps --quiet --no-trunc --filter label=com.dokku.app-name=beta |
			grep -v "$(docker inspect --format "{{.Id}}" beta.web.1)" >/tmp/forged/id'
	dokku_run ps:restart beta
	[[ $(released beta) == v1 ]]
	[[ $(dokku_run ps:report beta) != *"$(in_world cut -c 1-12 /tmp/forged/id)"* ]]
	run dokku_run run:stop beta "$(in_world cat /tmp/forged/id)"
	[[ $status -ne 0 ]]
	dokku_run watch:heal
	dokku_run apps:destroy --force beta
	[[ $(in_world bash -c \
		'docker inspect --format "{{.State.Status}}" "$(cat /tmp/forged/id)"') == running ]]
	in_world bash -c 'docker rm --force "$(cat /tmp/forged/id)"' >/dev/null
}

# builds_against VICTIM_LINE… - pushes a Dockerfile of attacker with these lines after its own.
builds_against() {
	commit attacker v1
	in_world cat /bin/bash-static >"$(repo attacker)/sh"
	chmod 755 "$(repo attacker)/sh"
	cp "$top/build/tests/apps/attack" "$(repo attacker)/"
	printf '%s\n' 'FROM scratch' 'COPY web /web' 'COPY public /public' 'COPY sh /bin/sh' \
		'ENV APP=attacker RELEASE=v1' 'CMD ["/web"]' "$@" >"$(repo attacker)/Dockerfile"
	commit_files attacker --message attack
	run push attacker
	printf '%s\n' "$output"
}

@test "a Dockerfile reads no image of another app by a name that can be guessed" {
	local line
	for line in 'FROM dokku/victim' 'FROM dokku/victim:v1' 'FROM dokku/victim:v2' \
		'COPY --from=dokku/victim:v1 / /stolen' \
		'COPY --from=dokku/victim:latest / /stolen' \
		'COPY --from=docker.io/dokku/victim:v2 / /stolen' 'RUN --mount=from=dokku/victim:v1,target=/stolen echo stolen: $(</stolen/public/index.html)'; do
		builds_against "$line"
		[[ $status -ne 0 && $output == *'its Dockerfile does not build'* ]]
	done
	# By the digits of its Id.
	line=$(in_world docker inspect --format '{{.Image}}' victim.web.1)
	builds_against "COPY --from=${line:7:12} / /stolen"
	[[ $status -ne 0 && $output == *'its Dockerfile does not build'* ]]
}

@test "a Dockerfile neither reads nor fills another app's build caches, whatever it says" {
	local line
	in_world bash -euc 'app=/var/lib/dokku/config/builder-dockerfile
		printf "FROM scratch\nCOPY sh /bin/sh\nRUN --mount=type=cache,id=deps,target=/c echo s3cret >/c/f\n" >/tmp/Dockerfile.victim
		mkdir -p /tmp/victim-build && cp /bin/bash-static /tmp/victim-build/sh
		DOCKER_BUILDKIT=1 docker build \
		--quiet \
		--build-arg "BUILDKIT_CACHE_MOUNT_NS=victim-$(cat $app/victim/cache-namespace)" \
		--file /tmp/Dockerfile.victim /tmp/victim-build'
	for line in id=deps id=victim/deps id=../victim/deps id=/victim/deps "id=victim-/deps"; do
		builds_against 'ARG BUILDKIT_CACHE_MOUNT_NS=victim' 'ENV BUILDKIT_CACHE_MOUNT_NS=victim' "RUN --mount=type=cache,$line,target=/c echo \"read: \$(</c/f)\"; echo poison >/c/f"
		[[ $status -eq 0 && $output != *s3cret* ]]
	done
	line=$(in_world bash -euc 'printf "FROM scratch\nCOPY sh /bin/sh\nRUN --mount=type=cache,id=deps,target=/c echo own: \$(</c/f)\n" >/tmp/Dockerfile.victim
		DOCKER_BUILDKIT=1 docker build --progress=plain \
		--build-arg \
		"BUILDKIT_CACHE_MOUNT_NS=victim-$(cat \
		/var/lib/dokku/config/builder-dockerfile/victim/cache-namespace)" \
		--file /tmp/Dockerfile.victim /tmp/victim-build 2>&1')
	[[ $line == *'own: s3cret'* ]]
}

@test "a step of a build reaches no other app, is told nothing by a cloud, and leaves nginx to the others" {
	local to
	cloud add
	for to in "$(ip_of victim) 5000" '10.86.0.2 80' '10.86.0.2 81' '169.254.169.254 80'; do
		builds_against 'COPY attack /attack' "RUN /attack connect $to"
		[[ $status -ne 0 && $output == *'its Dockerfile does not build'* ]]
	done
	cloud del
	ask_victim
	builds_against 'COPY attack /attack' 'RUN /attack hold 192.0.2.1 80 18000'
	answers_end
	[[ $status -eq 0 && $output =~ ([0-9]+)\ of\ [0-9]+\ connections ]]
	[[ ${BASH_REMATCH[1]} -le 3000 && ${BASH_REMATCH[1]} -ge 2000 ]]
	# The group of builds is there since the first step.
	builds_against 'COPY attack /attack' 'RUN /attack fork'
	[[ $output =~ ([0-9]+)\ processes && ${BASH_REMATCH[1]} -le 4096 ]]
	[[ $(in_world bash -c 'cat /sys/fs/cgroup{/memory,}/docker/buildkit/memory.{max,limit_in_bytes} \
		2>/dev/null') -lt $(($(in_world getconf _PHYS_PAGES) * 4096)) ]]
}

@test "the engine outlives devices and pipes in the place of a list of users" {
	local dir=$BATS_FILE_TMPDIR/pipe
	# With a device the engine would read until the memory is full.
	run in_world docker exec armed.web.1 /attack device /zero
	[[ $status -eq 2 && $output == *'Operation not permitted'* ]]
	mkdir -p "$dir/etc"
	mkfifo "$dir/etc/passwd"
	mkdir -p "$(repo attacker)"
	tar --create --directory "$dir" --file "$(repo attacker)/users.tar" etc
	# It ends, as a file that is empty.
	builds_against 'FROM scratch' 'ADD users.tar /' 'COPY --chown=bob web /web'
	[[ $status -ne 0 && $output == *'there is nothing to run'* ]]
	[[ $(in_world bash -c 'cat /proc/$(pgrep -x dockerd)/task/*/wchan') != *fifo* ]]
}

@test "a container that the engine starts anew is tied to its new port at once" {
	local release
	release=$(released victim)
	[[ -n $release ]]
	in_world bash -c 'kill -9 "$(docker inspect --format "{{.State.Pid}}" victim.web.1)"'
	await 5 in_world bash -c \
		'[[ $(docker inspect --format "{{.State.Running}}" victim.web.1) == true ]]'
	await 2 in_world bash -c \
		'[[ $(bridge fdb show br dokku0 | grep sticky |
			grep -c \
			"$(docker inspect \
			--format "{{.NetworkSettings.Networks.dokku.MacAddress}}" \
			victim.web.1)") -eq 1 ]]'
	# The port of before is forgotten: there is one entry for each container that runs.
	await 2 in_world bash -c '[[ $(bridge fdb show br dokku0 | grep -c sticky) -eq \
		$(docker ps --quiet --filter network=dokku | wc -l) ]]'
	await 5 assert_serves victim "$release"
	attack armed mac "$(ip_of victim)" 3
	[[ $status -eq 1 ]]
}
