#!/usr/bin/env bats
# docker-options, storage and resource with a real engine: the containers of a release have them,
# and a change takes effect only with the next deploy, which is checked.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; the helper sets top and address

load helper

setup_file() {
	e2e_setup
	dokku_run apps:create opts
	commit_and_push opts v1
}

teardown_file() {
	dokku_run apps:destroy --force opts || true
	dokku_run storage:destroy --force --destroy-host-dir opts-data || true
	in_world rm -rf /srv/opts
}

# seen FORMAT - prints what docker inspect shows of the web container that serves.
seen() { in_world docker inspect --format "$1" "$(in_world cat /home/dokku/opts/CONTAINER.web.1)"; }

@test "options, mounts and limits are in force with the next deploy, and not before" {
	dokku_run docker-options:add opts deploy,run --ulimit nofile=1234:1234 \
		--label 'owner=my $(id) team' -e 'FROM_OPTION=a b' --mount type=tmpfs,dst=/scratch
	dokku_run docker-options:add --process web opts deploy '--shm-size 32m'
	dokku_run storage:mount opts /srv/opts:/data
	dokku_run storage:create opts-data --chown 1234 --mode 0750
	dokku_run storage:mount opts opts-data --container-dir /more --volume-readonly
	dokku_run resource:limit --memory 128 --cpu 0.5 opts
	dokku_run resource:reserve --memory 64m opts
	[[ $(seen '{{.HostConfig.Memory}} {{.HostConfig.Binds}}') == '0 []' ]]
	commit opts v2
	load_begin load opts
	push opts
	load_end load
	assert_serves opts v2
	[[ $(seen '{{.HostConfig.Memory}} {{.HostConfig.MemoryReservation}} {{.HostConfig.NanoCpus}} {{.HostConfig.ShmSize}}') == '134217728 67108864 500000000 33554432' ]]
	[[ $(seen '{{(index .HostConfig.Ulimits 0).Soft}} {{index .Config.Labels "owner"}} {{(index .HostConfig.Mounts 0).Target}}') == '1234 my $(id) team /scratch' ]]
	# Docker's client gives the mounts in no order of its own.
	[[ $(seen '{{range .HostConfig.Binds}}{{println .}}{{end}}' | sort | xargs) == '/srv/opts:/data /var/lib/dokku/data/storage/opts-data:/more:ro' ]]
	[[ $(seen '{{.HostConfig.NetworkMode}} {{.HostConfig.SecurityOpt}} {{.HostConfig.CapDrop}} {{.HostConfig.PidsLimit}}') == 'dokku [no-new-privileges] [NET_RAW MKNOD] 4096' ]]
	[[ $(fetch opts /env/FROM_OPTION) == 'a b' ]]
	[[ $(in_world stat --format '%u %a' /var/lib/dokku/data/storage/opts-data) == '1234 750' ]]
	run dokku_run storage:list opts --format json
	[[ $(jq length <<<"$output") -eq 2 ]]
}

@test "a container that is made anew has the options that its release was checked with" {
	local id
	id=$(in_world cat /home/dokku/opts/CONTAINER.web.1)
	dokku_run resource:limit --memory 256m opts
	dokku_run docker-options:add opts deploy --privileged
	in_world docker rm --force "$id"
	is_new() {
		local now
		now=$(in_world cat /home/dokku/opts/CONTAINER.web.1) && [[ $now != "$id" ]] &&
			assert_serves opts v2
	}
	await 20 is_new
	[[ $(seen '{{.HostConfig.Memory}} {{.HostConfig.Privileged}}') == '134217728 false' ]]
	dokku_run docker-options:remove opts deploy --privileged
}

@test "a release that cannot start with its options is refused, and the old one serves on" {
	dokku_run docker-options:add opts deploy '--device /dev/none-such'
	run dokku_run ps:rebuild opts
	[[ $status -ne 0 && $output == *none-such* ]]
	assert_serves opts v2
	[[ $(seen '{{.HostConfig.Memory}}') == 134217728 ]]
	dokku_run docker-options:remove opts deploy '--device /dev/none-such'
	dokku_run ps:rebuild opts
	[[ $(seen '{{.HostConfig.Memory}}') == 268435456 ]]
	assert_clean opts
}

@test "what docker does not know, and what dokku has a command for, is refused by name" {
	local option
	for option in --nonsense '-p 80:80' --network=host --restart=always '--name x' \
		'--stop-timeout 5' --rm; do
		run dokku_run docker-options:add opts deploy "$option"
		[[ $status -ne 0 && $output == *'nothing was changed'* ]]
	done
}

@test "builds: options of docker build are taken, others passed over; limits apply" {
	run dokku_run docker-options:add opts build '--build-arg X=1' '--link postgres'
	[[ $status -eq 0 ]]
	dokku_run resource:limit --process-type build --memory 512m opts
	commit opts v3
	run push opts
	[[ $status -eq 0 && $output == *'not for docker build'*--link* ]]
	assert_serves opts v3
}

@test "a new name and a copy have them; a destroyed app leaves its data" {
	dokku_run apps:clone --skip-deploy opts opts-two
	[[ $(dokku_run docker-options:list opts-two --process web \
		--phase deploy) == '--shm-size 32m' ]]
	[[ $(dokku_run --quiet storage:list opts-two) == "$(dokku_run --quiet storage:list opts)" ]]
	[[ $(dokku_run resource:report opts-two --resource-_default_.limit.memory) == 256m ]]
	dokku_run apps:destroy --force opts-two
	in_world test ! -e /var/lib/dokku/config/docker-options/opts-two
	in_world test -d /var/lib/dokku/data/storage/opts-data
}

@test "ports: nginx answers at them at once; another port of the containers comes with the next deploy" {
	dokku_run ports:set opts http:80:5000 http:8080:5000
	[[ $(proxy_port=8080 released opts) == v3 ]]
	assert_serves opts v3
	run dokku_run ports:set opts http:80:7000 http:8081:7000
	[[ $output == *'listen on 5000'* ]]
	assert_serves opts v3
	[[ -z $(proxy_port=8080 released opts) ]]
	run dokku_run ps:rebuild opts
	[[ $status -eq 0 && $output == *'port 5000 -> 7000'* && $output == *http://opts.* ]]
	[[ $(proxy_port=8081 released opts) == v3 && $(fetch opts /env/PORT) == 7000 ]]
	# sshd has that one.
	run dokku_run ports:add opts http:22:7000
	[[ $status -ne 0 && $output == *'keeps the ports that it had'* ]]
	assert_serves opts v3
	dokku_run ports:clear opts
	dokku_run ps:rebuild opts
	[[ $(fetch opts /env/PORT) == 5000 ]]
	assert_clean opts
}

@test "networks: from the start without a name, from the switch as APP.TYPE; a missing one stops the deploy" {
	dokku_run network:create opts-db
	dokku_run network:create opts-shared
	dokku_run network:set opts attach-post-create opts-db
	dokku_run network:set opts attach-post-deploy opts-shared
	[[ $(seen '{{len .NetworkSettings.Networks}}') == 1 ]]
	dokku_run ps:rebuild opts
	[[ $(seen '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}') == 'dokku opts-db opts-shared ' ]]
	[[ $(seen '{{(index .NetworkSettings.Networks "opts-shared").Aliases}}') == *opts.web* ]]
	[[ $(seen '{{(index .NetworkSettings.Networks "opts-db").Aliases}}') != *opts.web* ]]
	[[ -n $(released opts) ]]
	run dokku_run network:destroy opts-db
	[[ $status -ne 0 ]]
	dokku_run network:set opts attach-post-create opts-none
	run dokku_run ps:rebuild opts
	[[ $status -ne 0 && $output == *'the network opts-none does not exist: dokku network:create opts-none'* ]]
	[[ -n $(released opts) ]]
	dokku_run network:set opts attach-post-create
	dokku_run network:set opts attach-post-deploy
	dokku_run ps:rebuild opts
	assert_clean opts
	dokku_run network:destroy opts-db
	dokku_run network:destroy opts-shared
}

@test "networks: a request that reaches an old container by its name there, after it has drained, is answered" {
	local asked own
	dokku_run network:create opts-peers
	dokku_run network:set opts attach-post-deploy opts-peers
	dokku_run ps:set opts stop-timeout-seconds 1
	commit_and_push opts v4 --env IGNORE_TERM=1
	own=$(seen '{{(index .NetworkSettings.Networks "opts-peers").IPAddress}}')
	commit_and_push opts v5
	# The old one has no connection, and the kernel forgets those of the past for 4 s.
	sleep 1.5
	asked=$(in_world curl --silent --include "http://$own:5000/slow?ms=6000")
	[[ $asked == *'X-Release: v4'*'slow but sure'* ]]
	dokku_run network:set opts attach-post-deploy
	dokku_run ps:set opts stop-timeout-seconds
	dokku_run ps:rebuild opts
	assert_clean opts
	dokku_run network:destroy opts-peers
}
