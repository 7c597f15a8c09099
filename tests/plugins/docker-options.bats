#!/usr/bin/env bats
# docker-options: the docker client checks the options, they are stored word by word, and they take
# effect with the next release.

load ../helper

setup() {
	world
	make_app web
	rm "$BIN/docker"
	OPTIONS=$DOKKU_LIB_ROOT/config/docker-options/web
}

# stored SCOPE - prints the options in the file SCOPE, such as _default_.deploy.
stored() { cat "$OPTIONS/$1" 2>/dev/null || true; }

@test "docker-options:add: several options, split where a flag begins, nothing expanded" {
	dokku docker-options:add web deploy,run '-v /a:/b --shm-size 256m' \
		--label 'owner=my $(id) `x` team' --memory=512m --oom-score-adj -500
	assert_success "-----> web: docker options for deploy, run: -v /a:/b --shm-size 256m --label 'owner=my \$(id) \`x\` team' --memory=512m --oom-score-adj -500"
	local wanted="-v /a:/b
--shm-size 256m
--label 'owner=my \$(id) \`x\` team'
--memory=512m
--oom-score-adj -500"
	assert_equal "$wanted" "$(stored _default_.deploy)"
	assert_equal "$wanted" "$(stored _default_.run)"
	dokku docker-options:list web --phase deploy
	assert_success "$wanted"
	dokku docker-options:add web deploy '--memory=512m'
	assert_equal "$wanted" "$(stored _default_.deploy)" "the same again"
}

@test "docker-options:add: for one process type, wherever --process stands" {
	dokku docker-options:add --process web web deploy --cap-add SYS_PTRACE --process worker
	assert_success "-----> web: docker options for deploy: --cap-add SYS_PTRACE"
	assert_equal "--cap-add SYS_PTRACE" "$(stored web.deploy)"
	assert_equal "--cap-add SYS_PTRACE" "$(stored worker.deploy)"
	assert_equal "" "$(stored _default_.deploy)"
	dokku docker-options:list web --process web --phase deploy
	assert_success "--cap-add SYS_PTRACE"
	dokku docker-options:clear --process web web
	assert_status 0
	assert_equal "" "$(stored web.deploy)"
	assert_equal "--cap-add SYS_PTRACE" "$(stored worker.deploy)"
}

# refused TEXT WORD… - docker-options:add WORD… is refused, and nothing is stored.
refused() {
	dokku docker-options:add "${@:2}"
	[[ $status -ne 0 && $stderr == *"$1"*"nothing was changed"* &&
		$(wc -l <<<"$stderr") -eq 1 ]] || {
		printf 'not refused so: %s: %s\n' "$status" "$stderr"
		return 1
	}
	[[ ! -e $OPTIONS ]]
}

@test "docker-options:add: what cannot be is refused, with the command that it is for" {
	refused 'docker says: unknown flag: --nonsense' web deploy --nonsense
	refused 'docker says: invalid argument "1x"' web run '--memory 1x'
	refused 'dokku ports:add web' web deploy '-p 80:5000'
	refused 'dokku ports:add web' web run -itp 80:5000
	refused 'dokku ports:add web' web build,deploy -P
	refused 'dokku network:set web attach-post-create' web deploy --network=host
	refused 'their network and address' web deploy '--ip 10.0.0.1'
	refused 'dokku ps:set web restart-policy' web deploy '--restart=always'
	refused 'dokku ps:set web stop-timeout-seconds' web deploy '--stop-timeout 3'
	refused 'dokku config:set web PORT' web deploy '-e PORT=80'
	refused '--name is no option' web deploy '--name x'
	refused '--cidfile is no option' web deploy "--cidfile=$WORLD/cid"
	refused '"latest" is no option' web deploy '--init latest'
	refused 'a quote is not closed' web deploy '-v "/a:/b'
	refused '"start" is not a phase' web start '-v /a:/b'
	refused 'the deploy phase only' --process web web build,deploy '-v /a'
	refused '_default_ stands for all' --process _default_ web deploy '-v /a'
	[[ ! -e $WORLD/cid ]]
}

@test "docker-options:add: what the engine would refuse at the next deploy is refused at once" {
	local mount
	fake_engine <<-'BODY'
		body=$(cat)
		[[ $body != *SOMETHING* ]] || said='unknown capability: CAP_SOMETHING'
		[[ $body != *'"Source":"/none-such"'* ]] || said='bind source path does not exist'
		printf '{"message":"%s"}' "${said-No such image: x}"
		exit 22
	BODY
	refused 'the engine says: unknown capability' web deploy --cap-add SOMETHING
	refused 'the engine says: unknown capability' web build,run --cap-add SOMETHING
	refused 'at least 0.01' web deploy --cpus 0.001
	for mount in /a:b /a:/ a/b:/c _a:/b /a:/b:noexec /a:/b:ro,ro /a:/b:z,Z /a:/b:ro,rw \
		/a:/b:nocopy data:/b:rshared /a:/b:shared,slave /a:/b:/c; do
		refused "\"$mount\"" web deploy "-v $mount"
	done
	dokku docker-options:add web deploy -v /a:/b:ro,z,rslave -v data:/c:nocopy,rw \
		-v /anonymous --mount type=bind,src=/none-such,dst=/f
	assert_status 0
}

@test "docker-options:add: a process type that the release lacks is told" {
	made_plugins docker-options
	make_release web 1
	printf '1\n' >"$DOKKU_LIB_ROOT/data/releases/web/current"
	dokku docker-options:add web deploy --init --process cron
	assert_status 0
	[[ $stderr == *"web: v1 has no process type cron"* ]]
	[[ $output == *"dokku ps:rebuild web"* ]]
}

@test "docker-options:add: --link is taken as it is" {
	dokku docker-options:add web build,deploy '--link db:postgres'
	assert_success "-----> web: docker options for build, deploy: --link db:postgres"
	assert_equal "--link db:postgres" "$(stored _default_.build)"
	dokku docker-options:add web build --link other
	assert_success "-----> web: docker options for build: --link other"
}

@test "docker-options:remove: compares words, and knows an option that was stored as it was typed" {
	dokku docker-options:add web deploy "--label 'owner=a team'" '-v /a:/b' --init
	dokku docker-options:remove web deploy '--label "owner=a team"' --init
	assert_success ""
	assert_equal "-v /a:/b" "$(stored _default_.deploy)"
	printf '%s\n' '--group-add $(getent group docker | cut -d: -f3)' \
		>>"$OPTIONS/_default_.deploy"
	dokku docker-options:remove web deploy '--group-add $(getent group docker | cut -d: -f3)'
	assert_equal "-v /a:/b" "$(stored _default_.deploy)"
	dokku docker-options:remove web deploy '-v /a:/b'
	[[ ! -e $OPTIONS/_default_.deploy ]]
}

@test "docker-options:report: per phase and process, in JSON also as lists" {
	dokku docker-options:add web build,deploy '--label "x=a b"' --init
	dokku docker-options:add web deploy --tty --process web
	dokku docker-options:report web --docker-options-deploy
	assert_success "--label 'x=a b' --init"
	dokku docker-options:report web --docker-options-deploy.web
	assert_success "--tty"
	dokku docker-options:report web --format json
	assert_status 0
	assert_equal "[[\"--label 'x=a b'\",\"--init\"],\"--tty\",[\"--tty\"],\"--tty\",[],false]" \
		"$(jq -c \
			'[."build-list", ."deploy.web", ."deploy.web-list", ."docker-options-deploy.web", ."run-list", has("docker-options-build-list")]' <<<"$output")"
}

@test "docker-options: what a release was deployed with stays, whatever is set later" {
	dokku docker-options:add web deploy --memory=512m -e A=2 --ulimit nofile=12 \
		--mount type=bind,src=/a,dst=/b
	dokku docker-options:add web deploy '--memory 1g' --process worker
	made_plugins scheduler-docker-local docker-options
	make_release web 1
	printf 'A=1\0' >"$DOKKU_LIB_ROOT/data/releases/web/1/env"
	spec() { code scheduler-docker-local/lib/create 'scheduler_spec web 1 "$1" 1 10.86.128.7' "$1"; }
	spec worker
	assert_equal 1073741824 "$(jq .HostConfig.Memory <<<"$output")"
	seen() {
		jq -c \
			'[.HostConfig.Memory, .HostConfig.Ulimits[0].Hard,
				.HostConfig.Mounts[0].Target, .Env[-1]]' <<<"$output"
	}
	spec web
	assert_status 0
	assert_equal '[536870912,12,"/b","A=2"]' "$(seen)"
	rm -r "$OPTIONS"
	spec web
	assert_equal '[536870912,12,"/b","A=2"]' "$(seen)"
}
