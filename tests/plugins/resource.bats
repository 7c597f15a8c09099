#!/usr/bin/env bats
# resource: limits of containers and builds, which docker itself reads.

load ../helper

setup() {
	world
	make_app web
	rm "$BIN/docker"
	RESOURCE=$DOKKU_LIB_ROOT/config/resource/web
}

# args PHASE [PROCESS] - prints the options that docker gets.
args() {
	got "$PLUGIN_PATH/resource/docker-args-$1" web dokku/web:v1 ${2+"$2" 1} <<<" before"
	output=$(paste -sd ' ' <<<"$output")
}

# build_args BUILDER - does the same for a build.
build_args() {
	got "$PLUGIN_PATH/resource/docker-args-process-build" web "$1" <<<" before"
	output=$(paste -sd ' ' <<<"$output")
}

@test "resource:report: of an app whose name is like that of a temporary file" {
	make_app web.tmp.1
	dokku resource:limit --memory 512 web.tmp.1
	assert_status 0
	dokku resource:report web.tmp.1 --resource-_default_.limit.memory
	assert_success 512
}

@test "limits of builds: herokuish, which builds in a container, gets the options of docker create" {
	dokku resource:limit --process-type build --memory 256m --cpu 1 --nvidia-gpu 1 web
	assert_status 0
	dokku resource:reserve --process-type build --memory 128m web
	build_args herokuish
	assert_success " before  --memory=256m --cpus=1 --gpus=1"
	DOKKU_OMIT_RESOURCE_ARGS=1 build_args herokuish
	assert_success " before"
}

@test "resource:limit, :reserve: for all processes, for one, and away again" {
	dokku resource:limit --memory 512 --cpu 1.5 web
	assert_success "=====> Setting resource limits for web
       cpu: 1.5
       memory: 512"
	dokku resource:limit web --process-type worker --memory 1GB --memory-swap -1
	assert_status 0
	dokku resource:reserve web --memory 128m
	assert_status 0
	args deploy web
	assert_success " before  --cpus=1.5 --memory=512m --memory-reservation=128m"
	args deploy worker
	assert_success " before  --cpus=1.5 --memory=1GB --memory-swap=-1 --memory-reservation=128m"
	args run
	assert_success " before  --cpus=1.5 --memory=512m --memory-reservation=128m"
	build_args dockerfile
	assert_success " before  "
	dokku resource:report web --resource-worker.limit.memory
	assert_success 1GB
	dokku resource:limit --process-type worker web
	assert_success "=====> resource limits web information (worker)
       cpu: 
       memory: 1GB
       memory-swap: -1
       network: 
       network-ingress: 
       network-egress: 
       nvidia-gpu: "
	dokku resource:limit --memory clear web
	assert_status 0
	dokku resource:report web --resource-_default_.limit.memory
	assert_status 2
	dokku resource:limit-clear web --process-type worker
	args deploy worker
	assert_success " before  --cpus=1.5 --memory-reservation=128m"
	dokku resource:limit-clear web
	dokku resource:reserve-clear web
	args deploy worker
	assert_success " before  "
}

@test "resource:limit --process-type build: for builds alone" {
	dokku resource:limit --process-type build --memory 1g --cpu 0.5 web
	build_args dockerfile
	assert_success " before  --memory=1g --cpu-period=100000 --cpu-quota=50000"
	build_args pack
	assert_success " before"
	args deploy web
	assert_success " before  "
}

@test "resource: what docker does not take is refused, and the old value stays" {
	dokku resource:limit --memory 512m web
	dokku resource:limit --memory 1x web
	assert_refused 'resource: memory cannot be "1x": give a number,' \
		'or for memory a size such as 512m or 1g; nothing was changed'
	dokku resource:limit --memory 1g --cpu 9999999.99999 web
	assert_status 1
	dokku resource:limit --memory 1gi web
	assert_status 1
	[[ $stderr == *'docker says: '*'nothing was changed' ]]
	dokku resource:limit --process-type '../x' --memory 1g web
	assert_status 2
	assert_equal "_default_.limit.memory 512m" \
		"$(ls "$RESOURCE") $(<"$RESOURCE/_default_.limit.memory")"
}

@test "resource: what the engine would refuse at the next deploy is refused at once" {
	local limit
	fake_engine <<-'BODY'
		body=$(cat) said='No such image: x'
		case $body in
		*'"Memory":4194304'* | *'"MemoryReservation":1048576'*)
			said='Minimum memory limit allowed is 6MB'
			;;
		*'"Memory":'*) ;;
		*'"MemorySwap":1073741824'*) said='set the Memory limit' ;;
		esac
		printf '{"message":"%s"}' "$said"
		exit 22
	BODY
	dokku resource:limit --memory 4m web
	assert_refused "resource: --memory=4m: the engine says: Minimum memory limit allowed is" \
		"6MB; nothing was changed"
	for limit in '--memory 4.0m' '--process-type build --memory 4m' '--memory-swap 1g' \
		'--cpu 0.001' '--cpu 0.0099' '--cpu 00.009'; do
		# shellcheck disable=SC2086 # words
		dokku resource:limit $limit web
		[[ $status -eq 1 && $stderr == ' !     resource: '*'; nothing was changed' ]]
	done
	dokku resource:reserve --memory 1 web
	assert_status 1
	[[ ! -e $RESOURCE || -z $(ls "$RESOURCE") ]]
	dokku resource:limit --memory 6m --memory-swap 1g --cpu 0.01 web
	assert_status 0
	dokku resource:limit --cpu 0 web
	assert_status 0
}

@test "resource: a limit that needs one of the docker options is not refused" {
	fake_engine <<-'BODY'
		[[ $(cat) != *'"Memory":'* ]] || exit 0
		printf '{"message":"set the Memory limit"}'
		exit 22
	BODY
	dokku docker-options:add web deploy --memory=512m
	dokku resource:limit --memory-swap 1g web
	assert_status 0
	dokku docker-options:remove web deploy --memory=512m
	dokku resource:limit --memory 512m web
	dokku docker-options:add web deploy --memory-swap=1g
	assert_status 0
}

@test "resource: without an answer of the engine, a limit is taken" {
	fake_engine <<<'echo "no engine"; exit 1'
	dokku resource:limit --memory 4m web
	assert_status 0
}
