#!/usr/bin/env bats
# scheduler-docker-local: the container's description, commands, addresses, starting all or
# none, and draining, with an engine that is a fake.

load ../helper

setup() {
	world
	made_plugins scheduler-docker-local
	make_app web
	make_release web 1
	HOOKS="$PLUGIN_CORE_AVAILABLE_PATH/scheduler-docker-local"
	export LISTED="$BATS_TEST_TMPDIR/listed" CREATED="$BATS_TEST_TMPDIR/created"
	: >"$LISTED"
	mkdir "$CREATED"
	# The Engine API. It lists the containers in the file LISTED, keeps the JSON of those that
	# it creates in CREATED, and starts none whose address is in ENGINE_TAKEN.
	fake_engine <<-'BODY'
		# breaks_off WHAT - exits without an answer, if ENGINE_BREAKS names WHAT and this is
		# the first request of that kind. With ENGINE_AWAY the engine stays away.
		breaks_off() {
			[[ " ${ENGINE_BREAKS-} " == *" $1 "* && ! -e $LISTED.$1 ]] || return
			touch "$LISTED.$1" ${ENGINE_AWAY:+"$LISTED.down"}
			printf 'no answer'
			exit "${ENGINE_BROKEN:-1}"
		}
		url=$2
		[[ -z $body ]] || body=$(cat)
		if [[ -n ${ENGINE_DOWN-} || -e $LISTED.down ]]; then
			printf 'the Docker engine does not answer: is dockerd running?\n' >&2
			exit 1
		fi
		# shellcheck disable=SC2053 # patterns
		if [[ $url == ${ENGINE_SILENT-} ]]; then
			exit 1
		elif [[ $url == ${ENGINE_REFUSES-} ]]; then
			printf '{"message":"no"}'
			exit 22
		fi
		[[ $1 != DELETE || $url != /containers/* ]] || {
			name=${url#/containers/}
			name=${name%%\?*}
			rm -f "$LISTED.is.${name#id-}"
		}
		case $url in
		/containers/json*app-name%3Dweb%22*type%3Ddeploy* | /containers/json*app-name%3Dweb%22%5D*)
			jq -cRs 'split("\n") | map(select(. != "") | split(" ") | { Id: .[0], Names: [.[8]], State: .[4], Labels: { "com.dokku.app-name": "web",
				"com.dokku.container-type": "deploy", "com.dokku.release": .[1], "com.dokku.process-type": .[2], "com.dokku.index": .[3] } })' "$LISTED" ;;
		/images/json*) printf '[{"RepoTags":["dokku/web:v1","other/web:v1"]},{"RepoTags":null}]' ;;
		/containers/*'/json?size=1') printf '{"SizeRw":%s}' "${ENGINE_SIZE-12}" ;;
		/containers/*/changes) printf '%s' "${ENGINE_CHANGES-null}" ;;
		/commit*) printf '%s' "$body" >"$CREATED/commit" && printf '{"Id":"sha256:new"}' ;;
		/containers/json*type%3Dtask*) printf '%s' "${ENGINE_TASKS-[]}" ;;
		/images/*/json)
			[[ -n ${ENGINE_NO_IMAGE-} ]] || { printf '%s' "${ENGINE_IMAGE-}" && exit 0; }
			printf '{"message":"No such image: dokku/web:v1"}'
			exit 22 ;;
		*/json)
			[[ ! -e $CREATED/goes ]] || { sed -i "/^$(<"$CREATED/goes") /d" "$LISTED"; rm "$CREATED/goes"; }
			for url in "${@:2}"; do
				id=${url%/json}
				# One that was just made.
				[[ $id != */id-* ]] || { printf '{"State":{"Pid":4711}}'; exit; }
				line=$(grep "^${id##*/} " "$LISTED") || exit 22
				jq -n '$ARGS.positional as [$id, $release, $process, $index, $state, $ip, $port, $pid, $name] | { Id: $id, Name: $name,
					State: { Status: $state, Pid: ($pid | tonumber) }, Config: { Labels: { "com.dokku.release": $release,
						"com.dokku.process-type": $process, "com.dokku.index": $index, "com.dokku.port": $port } },
					NetworkSettings: { Networks: { dokku: { IPAMConfig: (if $ip == "-" then null else { IPv4Address: $ip } end) } } } }' --args $line
			done ;;
		*/containers/create*)
			name=${url#*name=}
			[[ ! -e $LISTED.is.$name ]] || { printf '{"message":"name in use"}'; exit 22; }
			: >"$LISTED.is.$name"
			printf '%s' "$body" >"$CREATED/$name"
			breaks_off create || true
			printf '{"Id":"id-%s"}' "$name" ;;
		*/start)
			name=${url%/start}; name=${name##*/}
			[[ $name == id-* ]] || exit 0
			name=${name#id-}
			address=$(jq -r .NetworkingConfig.EndpointsConfig.dokku.IPAMConfig.IPv4Address "$CREATED/$name")
			breaks_off start || true
			if [[ " ${ENGINE_TAKEN-} " == *" $address "* ]]; then
				printf '{"message":"failed to set up container networking: Address already in use"}'
				exit 22
			elif [[ $name == ${ENGINE_FAILS-none} ]]; then
				printf '{"message":"OCI runtime create failed"}'
				exit 22
			fi ;;
		esac
	BODY
}

# --- the description ----------------------------------------------------------------

spec() { code scheduler-docker-local/lib/create 'scheduler_spec web 1 "$1" "$2" 10.86.128.7' "$@"; }

@test "spec.jq: all of it" {
	printf 'A=1\0B=two\nlines\0' >"$DOKKU_LIB_ROOT/data/releases/web/1/env"
	printf '3f2c1ab\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/commit"
	code "" 'property_set scheduler-docker-local web init-process false'
	spec web 2
	assert_status 0
	assert_equal '{
  "Env": [
    "PORT=5000",
    "DYNO=web.2",
    "GIT_REV=3f2c1ab",
    "A=1",
    "B=two\nlines"
  ],
  "HostConfig": {
    "CapDrop": [
      "NET_RAW",
      "MKNOD"
    ],
    "Init": false,
    "LogConfig": {
      "Config": {
        "max-size": "10m"
      },
      "Type": "json-file"
    },
    "NetworkMode": "dokku",
    "PidsLimit": 4096,
    "RestartPolicy": {
      "MaximumRetryCount": 10,
      "Name": "on-failure"
    },
    "SecurityOpt": [
      "no-new-privileges"
    ]
  },
  "Hostname": "",
  "Image": "dokku/web:v1",
  "Labels": {
    "com.dokku.app-name": "web",
    "com.dokku.container-type": "deploy",
    "com.dokku.dyno": "web.2",
    "com.dokku.index": "2",
    "com.dokku.port": "5000",
    "com.dokku.process-type": "web",
    "com.dokku.release": "1",
    "dokku": ""
  },
  "NetworkingConfig": {
    "EndpointsConfig": {
      "dokku": {
        "IPAMConfig": {
          "IPv4Address": "10.86.128.7"
        },
        "MacAddress": "02:42:0a:56:80:07"
      }
    }
  },
  "StopTimeout": 30
}' "$(jq --sort-keys . <<<"$output")"
}

@test "spec.jq: values byte for byte, a PORT of the config's own, other settings" {
	printf '%s\0' "PORT=9000" "Q='\"\\" $'NL=a\n\n' "EMPTY=" "EQ=a=b" "U=é" \
		>"$DOKKU_LIB_ROOT/data/releases/web/1/env"
	code "" \
		'property_set ps web restart-policy unless-stopped
			property_set ps web stop-timeout-seconds 5
			property_set logs web max-size unlimited'
	spec worker 1
	assert_status 0
	assert_equal \
		'["DYNO=worker.1","PORT=9000","Q='"'"'\"\\","NL=a\n\n","EMPTY=","EQ=a=b","U=é"]' \
		"$(jq -c .Env <<<"$output")"
	assert_equal '{"Name":"unless-stopped","MaximumRetryCount":0}' \
		"$(jq -c .HostConfig.RestartPolicy <<<"$output")"
	assert_equal '5 {}' "$(jq -r '"\(.StopTimeout) \(.HostConfig.LogConfig)"' <<<"$output")"
}

@test "spec.jq: the last variable keeps what it ends in" {
	printf 'A=x\n\n\0' >"$DOKKU_LIB_ROOT/data/releases/web/1/env"
	spec web 1
	assert_equal '"A=x\n\n"' "$(jq -c '.Env[-1]' <<<"$output")"
	printf 'A=\0' >"$DOKKU_LIB_ROOT/data/releases/web/1/env"
	spec web 1
	assert_equal '"A="' "$(jq -c '.Env[-1]' <<<"$output")"
	: >"$DOKKU_LIB_ROOT/data/releases/web/1/env"
	spec web 1
	assert_equal '["PORT=5000","DYNO=web.1"]' "$(jq -c '.Env' <<<"$output")"
}

@test "no value of the config is in the arguments of any program" {
	printf 'SECRET=hunter2\0' >"$DOKKU_LIB_ROOT/data/releases/web/1/env"
	got "$HOOKS/scheduler-start" docker-local web 1
	assert_status 0
	grep -q hunter2 "$CREATED/web.web.1.v1"
	run grep -c hunter2 "$CALLS"
	assert_equal 0 "$output"
}

# traps - prints the traps that dokku adds to a shell that stays.
traps() { strict scheduler-docker-local/lib/commands 'printf "%s" "$COMMAND_TRAPS"'; }

# makes COMMAND WORD… - requires that a container runs WORD… for COMMAND.
makes() {
	code scheduler-docker-local/lib/create 'command_json "$1"' "$1"
	assert_success "$(jq --null-input --compact-output '$ARGS.positional' --args -- "${@:2}")"
}

@test "command_json: words as they stand where there is nothing for a shell" {
	code scheduler-docker-local/lib/create 'command_json ""; command_json "  "; command_json "$1"' $'\t\n'
	assert_success nullnullnull
	makes $'run\ta  b' run a b
	makes run run
	makes "  run   --port  5000 " run --port 5000
	makes '/bin/a b,c:d' /bin/a b,c:d
	makes 'run --port=80 x%y a@b ]' run --port=80 x%y a@b ']'
	makes 'env X=1 run' env X=1 run
	makes 'true' true
}

@test "command_json: the shell becomes one simple command" {
	simple() { makes "$1" /bin/sh -c "$2"; }
	simple 'run $PORT' 'exec run $PORT'
	simple 'run "a b"' 'exec run "a b"'
	simple "run 'a b' é" "exec run 'a b' é"
	simple 'X=1 ./web' 'X=1 exec ./web'
	simple 'X="a b" Y=$(date +%s) ./web --a >>log 2>&1 # hi' \
		'X="a b" Y=$(date +%s) exec ./web --a >>log 2>&1 # hi'
	simple '>log ./web' '>log exec ./web'
	simple './web;' 'exec ./web;'
	simple './web* ~/x' 'exec ./web* ~/x'
	simple '"./my web" x' 'exec "./my web" x'
	simple 'exec ./web' 'exec ./web'
	simple 'exec ./web $PORT' 'exec ./web $PORT'
	simple $'run "a\x01"' $'exec run "a\x01"'
}

@test "command_json: of several commands the shell becomes the last, where that means the same" {
	local traps
	traps=$(traps)
	last() { makes "$1" /bin/sh -c "$traps$2"; }
	last 'cd public && ./web' 'cd public && exec ./web'
	last 'a; b $X' 'a; exec b $X'
	last $'a\nb "$X"\n' $'a\nexec b "$X"'
	last 'a || b && c' 'a || b && exec c'
	last 'export X=1; X=2 ./web' 'export X=1; X=2 exec ./web'
	last $'a &&\n# why\n b' $'a &&\n# why\n exec b'
}

@test "command_json: anything else is left to a shell that stays" {
	local traps command
	traps=$(traps)
	for command in 'if true; then a; fi' '(cd x; a)' 'a | b' 'a & b' 'a &' '{ a; }' '! a' \
		'f() { a; }; f' \
		'cd public' ':' 'echo $A' '$CMD a' '"web" x' 'a && export X=1' 'a && X=1' \
		'a && echo b' 'a &&' ';' '; a' \
		"trap 'x' EXIT; ./web" 'a `b`' 'a "unclosed' "it's" 'a $((1+2))' 'time a' \
		'while :; do a; done' \
		$'cat <<E\nx\nE' 'a <(b)' $'a $\'b\'' 'alias a=b; a' 'exec a; b' 'X=1' 'a b >' \
		'a "$(date "+%s")"' 'case x in x) a;; esac'; do
		[[ $command != 'exec a; b' ]] || continue
		makes "$command" /bin/sh -c "$traps$command"
	done
	makes "$(printf 'a "%4096s"' x)" /bin/sh -c "$traps$(printf 'a "%4096s"' x)"
}

@test "command_json: what sh -c makes of a command is what a container runs, in each shell that there is" {
	local shell command words expected
	cd "$WORLD"
	mkdir public
	printf '#!/bin/sh\nprintf "%%s:" "${0##*/}" "$X" "$@"; printf "\\n"; exit 7\n' >public/web
	chmod +x public/web
	ln -s public/web 'my web'
	export A='two words' X=outer
	for shell in dash "bash --posix" "busybox sh"; do
		type -P "${shell%% *}" >/dev/null || continue
		while IFS= read -r command; do
			printf -v command '%b' "$command"
			expected=$(
				$shell -c "$command" 2>&1
				printf ' %s' "$?"
			)
			code scheduler-docker-local/lib/create 'command_json "$1"' "$command"
			mapfile -t -d '' words < <(jq --join-output '.[] + "\u0000"' <<<"$output")
			# shellcheck disable=SC2206 # words
			[[ ${words[0]} != /bin/sh ]] || words=($shell "${words[@]:1}")
			assert_equal "$command: $expected" "$command: $(
				"${words[@]}" 2>&1
				printf ' %s' "$?"
			)"
		done <<-'COMMANDS'
			public/web a   b
			public/web "$A" $A '$A' \\$A a\\ b
			X=1 public/web
			X=1 Y=2 public/web ${X} ${Z:-none} $(printf x)
			cd public && ./web
			cd public; ./web
			cd nowhere && ./web
			cd nowhere 2>/dev/null || public/web || printf '%s' "$?"
			if public/web; then :; else printf no; fi
			(cd public; ./web)
			public/web | cat
			public/web & wait
			./my\\ web x
			"./my web" 'y' # comment
			public/w* ~
			public/web #comment
			public/web a#b
			public/web >public/out; cat public/out
			>public/out public/web; cat public/out
			2>&1 public/web
			f() { public/web "$1"; }; f x
			! public/web
			{ public/web; }
			exit 3
			cd public
			:
			true
			true && false
			X=2; public/web
			X=2
			export X=3; public/web
			public/web\ncd public\n./web
			cat <<E\n$A\nE
			for i in 1 2; do public/web $i; done
			printf '%s' "a b" $A
			exec public/web "$A"
			trap 'printf bye' EXIT; public/web
			trap 'printf bye' EXIT; public/web; true
			set -e; public/web; printf never
			no-such-program "$A" 2>/dev/null
			cd public && no-such-program x 2>/dev/null
		COMMANDS
	done
}

# setsid gives the command a process group, and the signal goes to the whole group, as docker-init
# does it with TINI_KILL_PROCESS_GROUP.
@test "a command of several: a signal reaches the app, which ends in its own time, and nothing comes after it" {
	local shell command script pid begun
	cd "$WORLD"
	printf '#!/bin/sh\ntrap "sleep 0.3; echo graceful >>log; exit 5" TERM\necho up >>log\nwhile :; do sleep 0.05; done\n' >web
	chmod +x web
	for shell in dash "bash --posix" "busybox sh"; do
		type -P "${shell%% *}" >/dev/null || continue
		for command in 'cd . && ./web' './web; echo next >>log' 'if true; then ./web; fi' \
			'./web & sleep 60' '(cd .; ./web); echo next >>log' './web & ./web'; do
			: >log
			code scheduler-docker-local/lib/create 'command_json "$1"' "$command"
			script=$(jq -r '.[2]' <<<"$output")
			# shellcheck disable=SC2086 # words
			setsid $shell -c "$script" >/dev/null 2>&1 3>&- &
			pid=$!
			begun=1
			[[ $command != './web & ./web' ]] || begun=2
			timeout 10 sh -c \
				'until [ "$(grep -c up log)" = "$1" ]; do sleep 0.02; done' sh \
				"$begun"
			kill -TERM -- "-$pid"
			wait "$pid" || true
			# What the kernel would do to the rest when the container's first process
			# ends.
			kill -KILL -- "-$pid" 2>/dev/null || true
			assert_equal "$shell, $command: $begun 0" \
				"$shell, $command: $(grep -c graceful log) $(grep -c next log)"
		done
	done
}

@test "a shell that stays has the whole group signalled, and only that" {
	env_of() {
		code scheduler-docker-local/lib/create \
			'scheduler_spec web 1 web 1 10.86.128.2 "$(command_json "$1")" |
				jq -c "[.Cmd[0], (.Env | index(\"TINI_KILL_PROCESS_GROUP=1\") != null)]"' "$1"
		assert_success "$2"
	}
	env_of 'cd public && ./web' '["/bin/sh",true]'
	env_of './web | cat' '["/bin/sh",true]'
	env_of './web $PORT' '["/bin/sh",false]'
	env_of './web' '["./web",false]'
}

# --- tasks ------------------------------------------------------------------------

# task_engine STATE CODE - makes an engine in which a task ends with STATE and CODE. LOGS is Bash
# code that runs meanwhile.
task_engine() {
	export TASK_END="$1 $2"
	fake docker <<-'BODY'
		case $1 in
		logs) printf 'migrating\r\n\e[31mdone\n'; eval "${LOGS-}" ;;
		inspect) printf '%s\n' "$TASK_END" ;;
		esac
	BODY
}

task() { got "$HOOKS/scheduler-task" docker-local web 1 release "migrate --all" "${1-60}"; }

@test "scheduler-task: a container of its own, what it prints as notes; then it goes" {
	task_engine exited 0
	task
	assert_success "       migrating
       done"
	assert_equal '["migrate","--all"] task release {"Name":"no"} null dokku/web:v1' \
		"$(jq -r '"\(.Cmd|tostring) \(.Labels["com.dokku.container-type"]) \(.Labels["com.dokku.process-type"]) \(.HostConfig.RestartPolicy|tostring) \(.NetworkingConfig) \(.Image)"' "$CREATED/web.release.v1")"
	[[ $(tail -n 1 "$CALLS") == 'engine DELETE /containers/web.release.v1?force=true&v=true' ]]
}

# kept_task - runs a task whose files are kept.
kept_task() { got "$HOOKS/scheduler-task" docker-local web 1 predeploy "make assets" 60 keep; }

@test "scheduler-task: what predeploy changes is in the image, and no value of the config" {
	task_engine exited 0
	local spec=$CREATED/web.predeploy.v1 dir
	printf 'SECRET=a b\nc\0' >"$DOKKU_LIB_ROOT/data/releases/web/1/env"
	export LOGS='cp "$DOKKU_LIB_ROOT"/tmp/task.*/env "$WORLD/given"
		stat --format "%n %a" "$DOKKU_LIB_ROOT"/tmp/task.*{,/env} >"$WORLD/modes"'
	export ENGINE_IMAGE='{"Config":{"Cmd":["web"],"Entrypoint":["/entry","-x"],"Env":["PATH=/bin"]}}'
	export ENGINE_CHANGES='[{"Path":"/app","Kind":0},{"Path":"/app/assets","Kind":1}]'
	kept_task
	assert_success "       migrating
       done
       What predeploy has changed is part of the image"
	assert_equal '["/dev/dokku-with-env","/dev/dokku-env","/entry","-x","make","assets"] null []' \
		"$(jq -r '"\(.Entrypoint) \(.Cmd) \(.Env)"' "$spec")"
	assert_equal "false true task" "$(jq -r '"\(.HostConfig.Init) \(
		all(.HostConfig.Mounts[]; .ReadOnly)) \(.Labels["com.dokku.container-type"])"' "$spec")"
	run ! grep -q SECRET "$spec" "$CREATED/commit"
	[[ $(tr '\0' ';' <"$WORLD/given") == *$';SECRET=a b\nc;' ]]
	# sweep_temp leaves it alone while the process with that ID runs.
	[[ $(<"$WORLD/modes") =~ /task\.[0-9]+\.[0-9a-f]{8}' 700'.*/env' 444'$ ]]
	assert_equal "" "$(ls "$DOKKU_LIB_ROOT/tmp")"
	assert_file "$CREATED/commit" \
		'{"Cmd":["web"],"Entrypoint":["/entry","-x"],"Env":["PATH=/bin"]}'
	grep -qxF 'engine POST /commit?container=web.predeploy.v1&repo=dokku/web&tag=v1' "$CALLS"
}

@test "scheduler-task: what would fill the disk is not kept; a hole in a file counts" {
	task_engine exited 0
	fake df <<<'printf "    Avail\n3145728000\n"'
	export ENGINE_IMAGE='{"Config":{"Cmd":["web"]}}' ENGINE_CHANGES='[{"Path":"/a","Kind":1}]'
	ENGINE_SIZE=1572864001 kept_task
	assert_status 1
	assert_error " !     web: what predeploy has written cannot be kept: it is 1500 MB long, and 3000 MB of the disk are free, of which it may take half. Let it write less, or into storage; dokku cleanup makes room"
	assert_absent "$CREATED/commit"
	ENGINE_SIZE=1572864000 kept_task
	assert_status 0
	rm "$CREATED/commit"
	# An engine that does not tell, or a disk.
	ENGINE_SIZE=null kept_task
	assert_status 0
	fake df <<<'exit 1'
	ENGINE_SIZE=1572864001 kept_task
	assert_status 0
	ENGINE_REFUSES='*size=1' kept_task
	assert_error "no
 !     web: it is not known how much predeploy has written: deploy again"
}

@test "scheduler-task: the image stays where predeploy fails or changes nothing; without an entrypoint it gets none" {
	task_engine exited 0
	export ENGINE_IMAGE='{"Config":{"Cmd":null,"Entrypoint":null}}'
	kept_task
	assert_success "       migrating
       done"
	dir=$(find "$DOKKU_LIB_ROOT/tmp" -name 'task.*')
	assert_equal "" "$dir"
	export ENGINE_CHANGES='[{"Path":"/a","Kind":1}]'
	task_engine exited 3
	kept_task
	assert_status 1
	assert_absent "$CREATED/commit"
	task_engine exited 0
	ENGINE_REFUSES='/commit*' kept_task
	assert_status 1
	assert_error " !     web: what predeploy has changed cannot be kept: no"
	kept_task
	assert_status 0
	assert_file "$CREATED/commit" '{"Cmd":null,"Entrypoint":[]}'
	ENGINE_IMAGE="" kept_task
	assert_status 1
	assert_error " !     web: the image of v1 cannot be inspected: see the message above"
}

@test "scheduler-task: of output without end the log gets a part, and the task is not held up" {
	task_engine exited 0
	export LOGS='printf "%02000d\n" 0; printf "%020000000d" 0; touch "$WORLD/printed"'
	DOKKU_TASK_OUTPUT=3000 task
	assert_status 0
	[[ ${#output} -lt 4000 && -e $WORLD/printed ]] || differ "bytes" "under 4000" "${#output}"
	assert_equal "       [the output is longer than 3000 bytes: the rest is left out]" \
		"${output##*$'\n'}"
}

@test "scheduler-run-end: of output without end a part, and the last MB after its end" {
	fake_engine <<-'BODY'
		state=running
		[[ ! -e $WORLD/over ]] || state=exited
		printf '{"State":{"Status":"%s","ExitCode":3,' "$state"
		printf '"StartedAt":"2026-01-01T00:00:00Z","FinishedAt":"2026-01-01T00:00:07Z"}}'
	BODY
	fake docker <<-'BODY'
		yes 0123456789abcde | head --bytes=3000000
		[[ $* == *--follow* ]] || exit 0
		stat --format %s "$WORLD/log" >"$WORLD/size"
		touch "$WORLD/over"
	BODY
	export DOKKU_RUN_OUTPUT=5000
	got "$HOOKS/scheduler-run-end" docker-local web web.cron.1 "$WORLD/log"
	assert_success "3 7"
	[[ $(<"$WORLD/size") -lt 6000 ]] || differ "bytes" "under 6000" "$(<"$WORLD/size")"
	assert_equal "1048576 0123456789abcde" \
		"$(stat --format %s "$WORLD/log") $(tail -n 1 "$WORLD/log")"
}

@test "scheduler-task: another status is a failure, and the container goes all the same" {
	task_engine exited 3
	task
	assert_status 1
	assert_error " !     web: Execution of release task failed: it exited with status 3: correct it, and deploy again"
	[[ $(tail -n 1 "$CALLS") == 'engine DELETE /containers/web.release.v1?force=true&v=true' ]]
}

@test "scheduler-task: at its deadline it is stopped, and fails" {
	task_engine running 0
	export LOGS='exec sleep 30'
	task 1
	assert_status 1
	assert_error " !     web: release did not end within 1 s and was stopped:" \
		"see app-json:set task-timeout: correct it, and deploy again"
	grep -qxF 'engine POST /containers/web.release.v1/stop?t=10' "$CALLS"
	[[ $(tail -n 1 "$CALLS") == 'engine DELETE /containers/web.release.v1?force=true&v=true' ]]
}

@test "scheduler-task: an engine that goes away is no good end" {
	task_engine running 0
	task
	assert_status 1
	assert_error " !     web: it is not known how release ended, because the engine did not" \
		"answer: deploy again"
	task_engine "" ""
	task
	assert_status 1
}

@test "scheduler-task: one that does not start fails with the engine's reason" {
	task_engine exited 0
	ENGINE_FAILS=web.release.v1 task
	assert_status 1
	assert_error " !     web: release does not start: OCI runtime create failed"
	[[ $(tail -n 1 "$CALLS") == 'engine DELETE /containers/web.release.v1?force=true&v=true' ]]
}

@test "scheduler-task: a signal takes the container away" {
	task_engine running 0
	fifo begun
	export LOGS="echo >'$BATS_TEST_TMPDIR/begun'; exec sleep 30"
	set -m
	"$HOOKS/scheduler-task" docker-local web 1 release "migrate" 60 >/dev/null 2>&1 &
	local pid=$!
	set +m
	heard begun
	kill -TERM -- "-$pid"
	status=0
	wait "$pid" || status=$?
	assert_status 143
	[[ $(tail -n 1 "$CALLS") == 'engine DELETE /containers/web.release.v1?force=true&v=true' ]]
}

@test "reconcile: the containers of tasks go, whatever is deployed" {
	# The third is a build's, with the labels of its Dockerfile, the fourth somebody's of that
	# image.
	ENGINE_TASKS=$(jq \
		-nc \
		'[["idT", "/web.release.v1"], ["idU", "/web.predeploy.v2"], ["idB", "/eager_bohr"],
			["idS", "/shop.web.release.v1"]]
		|
		map({ Id: .[0], Names: [.[1]],
		Labels: { "com.dokku.app-name": "web", "com.dokku.container-type": "task" } })') \
		got "$HOOKS/reconcile" web ""
	assert_success
	assert_calls "engine GET /containers/json?all=true&filters=%7B%22label%22%3A%5B%22com.dokku.app-name%3Dweb%22%2C%22com.dokku.container-type%3Dtask%22%5D%7D
engine DELETE /containers/idT?force=true&v=true
engine DELETE /containers/idU?force=true&v=true"
	ENGINE_DOWN=1 got "$HOOKS/reconcile" web ""
	assert_status 1
}

@test "procfile_command: what its line says; CRLF, no newline at the end, other types" {
	printf 'web: run $PORT\r\n# worker: no\nworker:work --all\nlast:  x' \
		>"$DOKKU_LIB_ROOT/data/releases/web/1/Procfile"
	code scheduler-docker-local/lib/create \
		'for p in web worker last none w; do value_of procfile_command web 1 "$p"; printf "|"; done'
	assert_success 'run $PORT|work --all|x|||'
}

# --- addresses ------------------------------------------------------------------------

@test "addresses: the third quarter, round and round, none twice in a row" {
	printf '10.86.0.0/27\n' >"$TEST_HOST/etc/dokku/network"
	code scheduler-docker-local/lib/create \
		'for i in 1 2 3 4 5 6 7; do network_next_address; printf " "; done'
	assert_success \
		"10.86.0.18 10.86.0.19 10.86.0.20 10.86.0.21 10.86.0.22 10.86.0.23 10.86.0.18 "
}

@test "addresses: a /16; an older version may have counted further" {
	code scheduler-docker-local/lib/create \
		'set_next() { printf "%s\n" "$1" >"$DOKKU_LIB_ROOT/data/network/next-address"
			printf " "; }
		network_next_address; set_next 16381; network_next_address; printf " "
		network_next_address; set_next 16382; network_next_address'
	assert_success "10.86.128.2 10.86.191.255 10.86.128.2 10.86.128.2"
}

@test "addresses: one that a release has on record is passed over, whether its container runs or not" {
	printf 'web 1 id 10.86.128.2 5000\nweb 2 id 10.86.128.30 5000\n' \
		>"$DOKKU_LIB_ROOT/data/releases/web/1/containers"
	make_app blog
	make_release blog 4
	printf 'web 1 id 10.86.128.3 5000\n' >"$DOKKU_LIB_ROOT/data/releases/blog/4/containers"
	code scheduler-docker-local/lib/create 'network_next_address; printf " "; network_next_address'
	assert_success "10.86.128.4 10.86.128.5"
	# Put on record since the last look: seen at the next one.
	printf 'web 1 id 10.86.129.2 5000\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/containers"
	printf '255\n' >"$DOKKU_LIB_ROOT/data/network/next-address"
	code scheduler-docker-local/lib/create 'network_next_address; printf " "; network_next_address'
	assert_success "10.86.129.1 10.86.129.3"
	printf '10.86.128.0/29\n' >"$TEST_HOST/etc/dokku/network"
	printf '%s\n' 'web 1 id 10.86.128.6 1' 'web 1 id 10.86.128.7 1' \
		>"$DOKKU_LIB_ROOT/data/releases/web/1/containers"
	code scheduler-docker-local/lib/create 'network_next_address'
	assert_refused \
		"no container address is free in 10.86.128.0/29: destroy an app that is not needed"
}

@test "addresses: many at once, no two the same; without a network it says so" {
	code scheduler-docker-local/lib/create \
		'for i in {1..12}; do { network_next_address; printf "\n"; } & done; wait'
	assert_equal 12 "$(sort -u <<<"$output" | wc -l)"
	rm "$TEST_HOST/etc/dokku/network"
	code scheduler-docker-local/lib/create 'network_next_address'
	assert_refused "the dokku network is not set up: run sudo dokku plugin:trigger install"
}

# --- listing ----------------------------------------------------------------------------

@test "scheduler_list: an engine that does not answer is an error, not an empty list" {
	code scheduler-docker-local 'scheduler_list web; printf "on"'
	assert_success on
	export ENGINE_DOWN=1
	code scheduler-docker-local 'scheduler_list web; printf "on"'
	assert_status 1
	assert_output ""
	assert_error "the Docker engine does not answer: is dockerd running?
 !     web: its containers cannot be listed: does dockerd run?"
}

@test "scheduler_list: what each is, also one without an address of ours" {
	printf '%s\n' 'a 1 web 1 running 10.86.128.2 5000 7 /web.web.1.v1' \
		'b 2 worker 1 exited - 5000 0 /web.worker.1.v2' >"$LISTED"
	code scheduler-docker-local 'scheduler_list web'
	assert_success "$(<"$LISTED")"
	code scheduler-docker-local 'scheduler_list blog'
	assert_success ""
}

@test "scheduler-options: for plain limits docker is not asked; for any other it is" {
	fake docker <<<"printf 'asked\n' >>'$STEPS'; printf 'no\n' >&2; exit 1"
	got "$HOOKS/scheduler-options" docker-local web --cpus=1.5 --memory=512m --memory-swap=-1 \
		--memory-swap=2g --gpus=all --gpus=2 --memory-reservation=100M --memory=1
	assert_success ""
	assert_steps ""
	each asks_docker <<-'OPTIONS'
		--memory=1.5g
		--memory=5kib
		--cpus=99999999999
		--memory=12345678901234567890
		--memory=1m\\n
		--gpus=every
		--user=1
	OPTIONS
}

# asks_docker OPTION - requires that docker is asked whether it knows OPTION.
asks_docker() {
	: >"$STEPS"
	got "$HOOKS/scheduler-options" docker-local web --memory=1g "$1"
	assert_status 0
	[[ -s $STEPS ]]
}

@test "scheduler-logs: our own program asks for what there is, and docker follows" {
	fake docker <<<"printf '%s\n' \"\$*\" >>'$STEPS'"
	fake_engine <<<'printf "%s" "$*"'
	got "$HOOKS/scheduler-logs" docker-local web abc 5 "" 1
	assert_success "GET /containers/abc/logs?stdout=1&stderr=1&tail=5&timestamps=1"
	got "$HOOKS/scheduler-logs" docker-local web abc 5 "" ""
	assert_success "GET /containers/abc/logs?stdout=1&stderr=1&tail=5&timestamps=0"
	assert_steps ""
	got "$HOOKS/scheduler-logs" docker-local web abc 5 1 ""
	assert_steps "logs --tail 5 --follow abc"
}

@test "scheduler-logs: a log that the engine does not show is an error, and no line of a log" {
	local follow
	fake_engine <<<'printf "{\"message\":\"driver does not support reading\"}"; exit 22'
	for follow in "" 1; do
		got "$HOOKS/scheduler-logs" docker-local web abc 5 "$follow" 1
		assert_status 1
		assert_output ""
		[[ $stderr == *'driver does not support reading'*'web: the engine does not show the log'* ]]
		assert_equal 0 "$(grep -c '^docker logs' "$CALLS")"
	done
}

@test "scheduler-inspect: no values of the config, and nothing that acts on a terminal" {
	fake_engine <<-'BODY'
		case $2 in
		/containers/json*) printf '[{"Id":"a"},{"Id":"b"}]' ;;
		/containers/[ab]/json)
			printf '{"Id":"%s","Config":{"Env":["A=1\\n2"],"Labels":{"l":"%b"}},"Name":"/web.web.1.v1"}' \
				"${2:12:1}" '\xc2\x9b31m\xe2\x80\xae' ;;
		esac
	BODY
	local one='{"Id":"a","Config":{"Env":["A=******"],"Labels":{"l":"\u009b31m\u202e"}},"Name":"/web.web.1.v1"}'
	got "$HOOKS/scheduler-inspect" docker-local web
	assert_status 0
	assert_equal "[$one,${one/a/b}]" "$(tr -d ' \n' <<<"$output")"
}

@test "docker system prune -a took one of the names of a running container's image: it gets it again" {
	local labels='"com.dokku.container-type":"deploy","com.dokku.release"'
	container() {
		printf '{"Image":"%s","ImageID":"sha256:%s","Names":["/%s"],"Labels":{"com.dokku.app-name":"web",%s:"%s"}}' \
			"$1" "$2" "$3" "$labels" "$4"
	}
	CONTAINERS="[$(container sha256:a a web.web.1 1),$(container dokku/web:v1 b web.web.2 1)"
	CONTAINERS+=",$(container sha256:c c other 1),$(container sha256:d d web.web.1 7)]"
	export CONTAINERS
	fake_engine <<-'DO'
		case "$1 $2" in
		"GET /containers/json"*) printf '%s' "$CONTAINERS" ;;
		"GET /images/json"*) printf '[{"RepoTags":["dokku/web:%s"],"Labels":{"com.dokku.app-name":"web"}}]' "${NAMED-v0}" ;;
		"POST /images/dokku/web:v1/tag"*)
			printf '%s\n' "$2" >>"$STEPS"
			grep -q sha256 "$STEPS" || { printf '{"message":"No such image"}'; exit 22; } ;;
		"POST /images/sha256"*) printf '%s\n' "$2" >>"$STEPS" ;;
		esac
	DO
	: >"$STEPS"
	got "$PLUGIN_CORE_AVAILABLE_PATH/scheduler-docker-local/libexec/heal-images"
	assert_steps '/images/sha256:a/tag?repo=dokku/web&tag=v1'
	: >"$STEPS"
	NAMED=v1 got "$PLUGIN_CORE_AVAILABLE_PATH/scheduler-docker-local/libexec/heal-images"
	assert_steps ""
	# A change of the config does not wait for the watch.
	got "$PLUGIN_CORE_AVAILABLE_PATH/scheduler-docker-local/scheduler-image-reuse" \
		docker-local web 2 1
	assert_status 0
	assert_steps '/images/dokku/web:v1/tag?repo=dokku/web&tag=v2
/images/sha256:a/tag?repo=dokku/web&tag=v1
/images/dokku/web:v1/tag?repo=dokku/web&tag=v2'
}

@test "scheduler_list, scheduler_states, scheduler-stop, scheduler-destroy: what has our labels but no name of ours is not ours" {
	printf '%s\n' 'a 1 web 1 running 10.86.128.2 5000 7 /web.web.1' \
		'b 1 web 1 running 10.86.128.3 5000 8 /eager_bohr' \
		'c 1 web 1 running - 5000 9 /web' 'd 1 web 1 running - 5000 9 /shop.web.1' \
		'e 1 web 1 running - 5000 9 /web.web.x' \
		'f 2 web 1 running 10.86.128.4 5000 9 /web.web.1.v2' \
		'g 1 web 1 running - 5000 9 /web.web.1.v1.x' >"$LISTED"
	code scheduler-docker-local 'scheduler_list web'
	assert_success "a 1 web 1 running 10.86.128.2 5000 7 /web.web.1
f 2 web 1 running 10.86.128.4 5000 9 /web.web.1.v2"
	code scheduler-docker-local 'scheduler_states web'
	assert_success "web a 1 web 1 running
web f 2 web 1 running"
	got "$HOOKS/scheduler-stop" docker-local web
	assert_success ""
	got "$HOOKS/scheduler-destroy" docker-local web
	assert_success ""
	assert_equal "engine DELETE /containers/a?force=true&v=true
engine DELETE /containers/f?force=true&v=true
engine POST /containers/a/stop?t=30
engine POST /containers/f/stop?t=30" "$(grep -E '/stop|DELETE /containers' "$CALLS" | sort)"
}

@test "no option of a plugin takes our labels from a container" {
	rm "$BIN/docker"
	make_release web 1
	hook fake docker-args-deploy \
		<<<'cat; printf " --label com.dokku.app-name=blog --label dokku=no --label own=1"'
	got "$HOOKS/scheduler-start" docker-local web 1
	assert_success ""
	assert_equal '["web","","1"]' \
		"$(jq -c '[.Labels["com.dokku.app-name", "dokku", "own"]]' "$CREATED/web.web.1.v1")"
}

@test "docker-args-process-deploy gets what docker-args-deploy printed, and Dokku's arguments" {
	rm "$BIN/docker"
	make_release web 1
	hook fake docker-args-deploy <<<'cat; printf " --label old=1"'
	hook fake docker-args-process-deploy <<<'cat; printf " --label new=%s" "$4.$5"'
	got "$HOOKS/scheduler-start" docker-local web 1
	assert_success ""
	assert_equal '["1","web.1"]' \
		"$(jq -c '[.Labels["old", "new"]]' "$CREATED/web.web.1.v1")"
	grep -qx "docker-args-process-deploy web dockerfile v1 web 1" "$STEPS"
	make_release web 2
	hook fake docker-args-process-deploy <<<'exit 3'
	got "$HOOKS/scheduler-start" docker-local web 2
	assert_status 1
}

@test "scheduler_list: one that goes while we look costs another look" {
	printf '%s\n' 'a 1 web 1 running 10.86.128.2 5000 7 /web.web.1.v1' \
		'b 1 web 2 running 10.86.128.3 5000 8 /web.web.2.v1' >"$LISTED"
	printf 'b\n' >"$CREATED/goes"
	code scheduler-docker-local 'scheduler_list web'
	assert_success "a 1 web 1 running 10.86.128.2 5000 7 /web.web.1.v1"
	assert_absent "$CREATED/goes"
}

# --- starting ---------------------------------------------------------------------------

@test "scheduler-start: every process type, recorded in order" {
	make_release web 1 web=2 worker=1 cron=0
	got "$HOOKS/scheduler-start" docker-local web 1
	assert_success ""
	assert_equal "web 1 id-web.web.1.v1
web 2 id-web.web.2.v1
worker 1 id-web.worker.1.v1" "$(cut -d ' ' -f 1-3 "$DOKKU_LIB_ROOT/data/releases/web/1/containers")"
	assert_equal 3 \
		"$(cut -d ' ' -f 4 "$DOKKU_LIB_ROOT/data/releases/web/1/containers" | sort -u |
			wc -l)"
	assert_equal "5000" \
		"$(cut -d ' ' -f 5 "$DOKKU_LIB_ROOT/data/releases/web/1/containers" | sort -u)"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "scheduler-start: those that run already are left alone" {
	make_release web 1 web=2
	printf '%s\n' 'idA 1 web 1 running 10.86.128.50 5000 11 /web.web.1' \
		'idB 1 web 2 exited 10.86.128.51 5000 0 /web.web.2' \
		'idC 7 web 1 running 10.86.128.52 5000 12 /web.web.1.v7' >"$LISTED"
	got "$HOOKS/scheduler-start" docker-local web 1
	assert_success ""
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/1/containers" "web 1 idA 10.86.128.50 5000
web 2 idB 10.86.128.51 5000"
	assert_nothing_in "$CREATED"
	assert_equal "engine POST /containers/idB/start GET /containers/idB/json" \
		"$(grep '/idB/start' "$CALLS")"
}

@test "scheduler-start: an address that is taken costs another try, with the next one" {
	ENGINE_TAKEN="10.86.128.2 10.86.128.3" got "$HOOKS/scheduler-start" docker-local web 1
	assert_success ""
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/1/containers" \
		"web 1 id-web.web.1.v1 10.86.128.4 5000"
	assert_equal 2 "$(grep -c 'engine DELETE /containers/id-web.web.1.v1' "$CALLS")"
}

@test "scheduler-start: an engine that is restarted after it took a request is asked once more" {
	export ENGINE_BREAKS="create start"
	got "$HOOKS/scheduler-start" docker-local web 1
	assert_success ""
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/1/containers" \
		"web 1 id-web.web.1.v1 10.86.128.2 5000"
	assert_equal "create delete create start start" "$(sed -n \
		-e 's/^engine POST .containers.create.*/create/p' \
		-e 's/^engine DELETE .containers.web.web.1.v1?.*/delete/p' \
		-e 's/^engine POST .*start GET .*/start/p' "$CALLS" | paste -s -d ' ')"
	# One that hangs has had its time.
	rm -f "$LISTED".*
	rm "$DOKKU_LIB_ROOT/data/releases/web/1/containers"
	: >"$CALLS"
	ENGINE_BREAKS=create ENGINE_BROKEN=3 got "$HOOKS/scheduler-start" docker-local web 1
	assert_status 1
	assert_error " !     web.1: the engine does not create its container: no answer"
	[[ $(grep -c '^engine POST .containers.create' "$CALLS") -eq 1 ]]
	# One that stays away is no reason to wait for ever.
	rm -f "$LISTED".*
	ENGINE_AWAY=1 got "$HOOKS/scheduler-start" docker-local web 1
	assert_status 1
	assert_error " !     web.1: the engine does not create its container: no answer"
}

@test "scheduler-start: one that does not start fails all, and nothing is recorded" {
	make_release web 1 web=1 worker=1
	ENGINE_FAILS=web.worker.1.v1 got "$HOOKS/scheduler-start" docker-local web 1
	assert_status 1
	assert_output ""
	assert_error " !     worker.1 does not start: OCI runtime create failed"
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/1/containers"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
	grep -q 'engine DELETE /containers/id-web.worker.1.v1' "$CALLS"
}

@test "scheduler-start: parallel-schedule-count says how many start at a time; after a failure no other does" {
	make_release web 1 web=2 worker=1
	dokku scheduler-docker-local:set web parallel-schedule-count 0
	assert_status 1
	dokku scheduler-docker-local:set web parallel-schedule-count 1
	assert_success "-----> web: parallel-schedule-count is now 1; new containers have it"
	ENGINE_FAILS=web.web.1.v1 got "$HOOKS/scheduler-start" docker-local web 1
	assert_status 1
	assert_equal 1 "$(grep -c 'engine POST /containers/create' "$CALLS")"
	got "$HOOKS/scheduler-start" docker-local web 1
	assert_success ""
	assert_equal "web.1 web.2 worker.1" \
		"$(awk '{ print $1 "." $2 }' "$DOKKU_LIB_ROOT/data/releases/web/1/containers" |
			paste -sd ' ')"
}

@test "another scheduler's app is none of its business" {
	local hook
	for hook in scheduler-start scheduler-retire scheduler-remove scheduler-stop \
		scheduler-destroy scheduler-failure scheduler-list; do
		got "$HOOKS/$hook" kubernetes web 1
		assert_success ""
	done
	assert_calls ""
}

@test "scheduler-run: every word of the command, and nothing of a deployed container's" {
	got "$HOOKS/scheduler-run" docker-local web 1 "" 1 ls -l "a b" ""
	assert_status 0
	local file
	file=$(echo "$CREATED"/web.run.*)
	assert_equal '["ls","-l","a b",""]' "$(jq -c .Cmd "$file")"
	assert_equal '["run",true,"no",null]' \
		"$(jq \
			-c '[.Labels["com.dokku.container-type"], .HostConfig.AutoRemove, .HostConfig.RestartPolicy.Name, .NetworkingConfig]' "$file")"
	rm "$file"
	got "$HOOKS/scheduler-run" docker-local web 1 "" 1 'ls $HOME'
	assert_equal '["/bin/sh","-c","exec ls $HOME"]' "$(jq -c .Cmd "$CREATED"/web.run.*)"
}

@test "scheduler-run: an operator of the shell that is a word of its own is warned of, and stays a word" {
	got "$HOOKS/scheduler-run" docker-local web 1 "" 1 migrate '&&' seed
	assert_status 0
	assert_error " !     && is passed to 'migrate' as an argument, because no shell reads it." \
		"For a shell: dokku run web 'a && b', over ssh \"run web 'a && b'\""
	assert_equal '["migrate","&&","seed"]' "$(jq -c .Cmd "$CREATED"/web.run.*)"
	rm "$CREATED"/web.run.*
	got "$HOOKS/scheduler-run" docker-local web 1 "" 1 'migrate && seed'
	assert_status 0
	assert_error ""
}

@test "scheduler-run: what it reads comes from where it was, not from the beginning of the file" {
	fake docker <<<'[[ $1 != start ]] || cat'
	got bash -c 'read -r line; exec "$@" 3<&0' bash "$HOOKS/scheduler-run" docker-local web 1 \
		"" "" cat < <(printf 'one\ntwo\n')
	assert_output two
	printf 'one\ntwo\n' >"$WORLD/input"
	got bash -c 'read -r line; exec "$@" 3<&0' bash "$HOOKS/scheduler-run" docker-local web 1 \
		"" "" cat <"$WORLD/input"
	assert_output two
}

@test "reconcile: a stop that was cut short is ended: nobody is led to the containers, then they stop" {
	local asked
	code "" 'property_set ps web stopped true'
	hook fake core-post-stop <<<'printf "core-post-stop\n" >>"$CALLS"'
	printf '%s\n' 'idA 1 web 1 running 10.86.128.50 5000 7 /web.web.1.v1' \
		'idB 1 web 2 exited 10.86.128.51 5000 0 /web.web.2.v1' >"$LISTED"
	got "$HOOKS/reconcile" web 1
	assert_success ""
	asked=$(grep 'post-stop\|/stop\|/start' "$CALLS")
	assert_equal "core-post-stop
engine POST /containers/idA/stop?t=30
engine POST /containers/idB/stop?t=30" "$(sort <<<"$asked")"
	assert_equal core-post-stop "$(head -n 1 <<<"$asked")"
	# An engine that refuses is asked again by the watch.
	ENGINE_REFUSES='*/idA/stop*' got "$HOOKS/reconcile" web 1
	assert_status 1
	ENGINE_DOWN=1 got "$HOOKS/reconcile" web 1
	assert_status 1
	# Nothing of it is left to do.
	: >"$CALLS"
	printf '%s\n' 'idA 1 web 1 exited 10.86.128.50 5000 0 /web.web.1.v1' \
		'idB 1 web 2 created 10.86.128.51 5000 0 /web.web.2.v1' >"$LISTED"
	got "$HOOKS/reconcile" web 1
	assert_success ""
	assert_equal "" "$(grep 'post-stop\|/stop\|/start' "$CALLS")"
}

@test "reconcile: an image that somebody has removed stands in the way of nothing" {
	ENGINE_FAILS=web.web.1.v1
	export ENGINE_FAILS
	got "$HOOKS/reconcile" web 1
	assert_status 1
	export ENGINE_NO_IMAGE=1
	got "$HOOKS/reconcile" web 1
	assert_status 0
	[[ $stderr == *' !     web: the image of v1 is gone: run dokku ps:rebuild web' ]]
}

# with_canary - release 1 is current, and release 2 the canary.
with_canary() {
	make_current web 1
	make_release web 2
	printf '2 5 5 0 1\n' >"$DOKKU_LIB_ROOT/data/releases/web/canary"
	printf 'web 1 idA 10.86.128.50 5000\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/containers"
	printf 'web 1 idB 10.86.128.51 5000\n' >"$DOKKU_LIB_ROOT/data/releases/web/2/containers"
	printf '%s\n' 'idA 1 web 1 running 10.86.128.50 5000 7 /web.web.1' \
		'idB 2 web 1 running 10.86.128.51 5000 8 /web.web.1.v2' >"$LISTED"
}

@test "a canary: its containers are not retired, and named after the release" {
	with_canary
	hook fake post-retire </dev/null
	got "$HOOKS/scheduler-retire" docker-local web 1
	assert_success ""
	assert_absent "$DOKKU_LIB_ROOT/data/draining/web/idB"
	assert_equal 0 "$(grep -c -e rename -e stop -e DELETE "$CALLS")"
	rm "$DOKKU_LIB_ROOT/data/releases/web/canary"
	got "$HOOKS/scheduler-retire" docker-local web 1
	timeout 10 bash -c \
		'until grep --quiet "^engine DELETE /containers/idB" "$CALLS"; do sleep 0.05; done'
}

@test "a canary: reconcile starts it, and takes it back if it cannot be started" {
	with_canary
	got "$HOOKS/reconcile" web 1
	assert_success ""
	assert_equal 0 "$(grep -c -e /start -e create "$CALLS")"
	sed -i 's/^\(idB .*\) running/\1 exited/' "$LISTED"
	got "$HOOKS/reconcile" web 1
	assert_success ""
	assert_equal 1 "$(grep -c 'engine POST /containers/idB/start' "$CALLS")"
	hook fake canary-share </dev/null
	ENGINE_DOWN=1 got "$HOOKS/reconcile" web 1
	assert_status 1
	[[ -e $DOKKU_LIB_ROOT/data/releases/web/canary ]]
	sed -i '/^idB /d' "$LISTED"
	export ENGINE_FAILS=web.web.1.v2
	got "$HOOKS/reconcile" web 1
	assert_status 0
	assert_error_like "*web: the canary v2 cannot be started, so it is taken back*"
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/canary"
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/2"
}

@test "a canary: an engine that falls silent while reconcile starts it is no reason to take it back" {
	with_canary
	hook fake canary-share </dev/null
	sed -i 's/^\(idB .*\) running/\1 exited/' "$LISTED"
	hook fake scheduler-start <<<': >"$LISTED.down"'
	got "$HOOKS/reconcile" web 1
	assert_status 1
	grep -q '^scheduler-start docker-local web 2' "$STEPS"
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/canary" "2 5 5 0 1"
	[[ -d $DOKKU_LIB_ROOT/data/releases/web/2 && $stderr != *'taken back'* ]]
}

@test "a canary: the watch looks at its containers, too" {
	with_canary
	local awk
	looks() {
		got bash -c "source <(sed -n '/^readonly COMPARE/,/^}\x27\$/p' '$HOOKS/libexec/heal-containers')
			awk -v releases='$DOKKU_LIB_ROOT/data/releases' \"\$COMPARE\" <(printf '%s\n' '$1') <(echo web)"
		assert_success "$2"
	}
	local a='idA web running /web.web.1' b='idB web running /web.web.1.v2'
	looks "$a"$'\n'"$b" ""
	looks "$a" "down web web.1"
	# It was promoted, and its record is still there.
	make_current web 2
	looks "$a"$'\n'"$b" "stray web idA"
	printf '1 5 5 0 1\n' >"$DOKKU_LIB_ROOT/data/releases/web/canary"
	looks "$a"$'\n'"$b" "stray web idA"
	make_current web 1
	rm "$DOKKU_LIB_ROOT/data/releases/web/canary"
	looks "$a"$'\n'"$b" "stray web idB"
}

@test "the watch: one-off containers that are over their time are ended several at a time" {
	local since
	fake_engine <<-'BODY'
		case $2 in
		*active-deadline*) cat "$BATS_TEST_TMPDIR/runs" ;;
		*/stop*)
			sleep 0.5
			printf '%s\n' "${2%%\?*}" >>"$BATS_TEST_TMPDIR/stops" ;;
		*/json*) printf '[]' ;;
		esac
	BODY
	jq -n '[range(16) | { Id: "id\(.)", Names: ["/web.cron.\(.)"], State: "running", Created: 1,
		Labels: { "com.dokku.app-name": "web", "com.dokku.container-type": "cron",
			"com.dokku.active-deadline-seconds": "5" } }]
		| .[3].Created = (now + 999 | floor) | .[4].Labels["com.dokku.app-name"] = "other"
		| .[5].State = "exited"' \
		>"$BATS_TEST_TMPDIR/runs"
	# ends COMMAND… - runs COMMAND, and waits until the 13 overdue containers were stopped.
	ends() {
		: >"$BATS_TEST_TMPDIR/stops"
		since=$SECONDS
		got "$@"
		assert_status 0
		until [[ $(wc -l <"$BATS_TEST_TMPDIR/stops") -ge 13 ]]; do
			[[ $((SECONDS - since)) -lt 5 ]]
			sleep 0.1
		done
		assert_equal "$(printf '/containers/id%s/stop\n' {0..2} {6..15} | sort)" \
			"$(sort "$BATS_TEST_TMPDIR/stops")"
	}
	ends "$HOOKS/scheduler-runs-retire" docker-local
	[[ $output == *"       web: ended web.cron.15, which has run for more than 5 s"* ]]
	ends "$HOOKS/heal-apps"
	# While one of them runs, the next round starts no other.
	exec 9>>"$DOKKU_LIB_ROOT/lock/.retire-runs"
	flock 9
	: >"$BATS_TEST_TMPDIR/stops"
	got "$HOOKS/libexec/retire-runs" web id0 cron web.cron.0 5
	assert_success ""
	assert_file "$BATS_TEST_TMPDIR/stops" ""
	# With --wait the command waits for that round.
	"$HOOKS/libexec/retire-runs" --wait web id0 cron web.cron.0 5 9>&- &
	sleep 0.3
	assert_file "$BATS_TEST_TMPDIR/stops" ""
	exec 9>&-
	wait
	assert_file "$BATS_TEST_TMPDIR/stops" /containers/id0/stop
}

# --- draining -----------------------------------------------------------------------------

# connections_text STATE… - prints what /proc/PID/net/tcp shows of connections of port 5000 (1388),
# and of others.
connections_text() {
	printf '  sl  local_address rem_address   st tx_queue\n'
	[[ $# -eq 0 ]] || printf '   0: 0280560A:1388 0100560A:D431 %s 00000000:00000000\n' "$@"
	printf '   1: 0280560A:1389 0100560A:D431 01 00000000:00000000\n'
	printf '   2: 0280560A:D431 0100560A:1388 01 00000000:00000000\n'
}

# connections STATE… - makes a fake process that has connections in these states.
connections() {
	mkdir -p "$TEST_HOST/proc/99999977/net"
	connections_text "$@" >"$TEST_HOST/proc/99999977/net/tcp"
}

# counted PID PORT [DEADLINE] - counts the connections in the fake /proc.
counted() { OBSERVE_PROC="$TEST_HOST/proc" got "$DOKKU_PROGRAMS/observe" connections "$@"; }

@test "count_connections: of the port, in the states in which there is something left to do" {
	connections
	counted 99999977 5000
	assert_success 0
	# ESTABLISHED SYN_RECV FIN_WAIT1 CLOSE_WAIT LAST_ACK CLOSING, and those that are over.
	connections 01 03 04 08 09 0B 02 05 06 07 0A
	counted 99999977 5000
	assert_success 6
	connections 01 01
	cp "$TEST_HOST/proc/99999977/net/tcp" "$TEST_HOST/proc/99999977/net/tcp6"
	counted 99999977 5000
	assert_success 4
	counted 99999978 5000
	assert_success 0
}

@test "count_connections: a real one" {
	local port
	# A port that nobody else is given for a connection of his own.
	python3 -c 'import random, socket, sys
s = socket.socket(); s.bind(("127.0.0.1", random.randrange(20000, 32000))); s.listen()
c = socket.create_connection(s.getsockname()); a = s.accept()
print(s.getsockname()[1], flush=True); sys.stdin.read()' < <(exec sleep 5 3>&-) \
	>"$BATS_TEST_TMPDIR/port" 3>&- &
	until [[ -s $BATS_TEST_TMPDIR/port ]]; do sleep 0.01; done
	port=$(<"$BATS_TEST_TMPDIR/port")
	code scheduler-docker-local/lib/drain 'count_connections "$@"' "$!" "$port"
	kill "$!"
	assert_success 1
}

# drain_with BODY - drains one container; count_connections is BODY.
drain_with() {
	mkdir -p "$DOKKU_LIB_ROOT/data/draining/web"
	printf '%s\n' "$1" >"$DOKKU_LIB_ROOT/data/draining/web/idA"
	code scheduler-docker-local/lib/drain "count_connections() { $2; }; stop_and_remove() { printf 'stop %s\n' \"\$2\"; }; drain_and_remove web idA web 5000 \$\$"
}

# sampled STATE… - one look at the connections shows these: who looks waits for it.
sampled() {
	connections_text "$@" >"$TEST_HOST/sample"
	timeout 5 dd status=none conv=notrunc if="$TEST_HOST/sample" \
		of="$TEST_HOST/proc/99999977/net/tcp"
	# Until it has been read to its end.
	sleep 0.05
}

@test "count_connections: until two samples in a row are empty" {
	local waiter later
	mkdir -p "$TEST_HOST/proc/99999977/net"
	mkfifo "$TEST_HOST/proc/99999977/net/tcp"
	uptime later 60
	counted 99999977 5000 "$later" 3>&- &
	waiter=$!
	sampled 01
	sampled
	sampled 08
	sampled
	kill -0 "$waiter"
	sampled
	timeout 5 tail --pid="$waiter" --sleep-interval=0.01 --follow /dev/null
	assert_equal 0 "$(<"$BATS_TEST_TMPDIR/stdout")"
}

@test "count_connections: until its deadline, or the end of the process" {
	local past later
	connections 01 08
	uptime past -1
	uptime later 60
	counted 99999977 5000 "$past"
	assert_success 2
	# An older dokku has written the time of day.
	counted 99999977 5000 $((EPOCHSECONDS - 1))
	assert_success 2
	for later in "$later" $((EPOCHSECONDS + 60)); do
		OBSERVE_PROC="$TEST_HOST/proc" got timeout 0.2 "$DOKKU_PROGRAMS/observe" \
			connections 99999977 5000 "$later"
		assert_equal 124 "$status"
	done
	rm -r "$TEST_HOST/proc/99999977"
	counted 99999977 5000 "$later"
	assert_success 0
}

@test "count_connections: what is no port or no time is refused" {
	local arg
	for arg in -1 65536 x ""; do
		counted 99999977 "$arg"
		assert_status 1
		assert_output ""
	done
	counted 99999977 5000 soon
	assert_status 1
}

@test "drain: it is stopped when nothing is left to do, and said to be drained" {
	local later
	uptime later 60
	drain_with "$later" 'printf "%s\n" "$#" >>"$STEPS"; printf 0'
	assert_success "stop idA"
	assert_equal $'3\n2' "$(<"$STEPS")"
	assert_absent "$DOKKU_LIB_ROOT/data/draining/web/idA"
	[[ $(<"$DOKKU_LIB_ROOT/data/draining/web/log") == *" idA drained all" ]]
}

@test "drain: at the deadline the rest is cut, counted, and never called drained" {
	drain_with 1 'printf 3'
	assert_success "stop idA"
	[[ $(<"$DOKKU_LIB_ROOT/data/draining/web/log") == *" idA drained 3 cut" ]]
}

@test "drain: its deadline stays if the time of day is set, and is a new one after a boot" {
	local deadline n now record=$DOKKU_LIB_ROOT/data/draining/web/idA
	make_current web 1
	mkdir -p "${record%/*}"
	printf '%s\n' 'idA 1 web 1 running 10.86.128.50 5000 0 /web.web.1' >"$LISTED"
	uptime now
	for n in 7200 -7200; do
		clock_set "$n"
		rm -f "$record"
		code scheduler-docker-local 'seconds=60 keep=1; begin_drain() { :; }
			source <(sed -n "/^begin_drain()/,/^}/p" "$1"); begin_drain "$2"' \
			"$HOOKS/scheduler-retire" "$record"
		assert_success ""
		read -r deadline _ <"$record"
		[[ $deadline -ge $((now + 60)) && $deadline -lt $((now + 90)) ]]
	done
	unset BASH_ENV
	# count_connections gets what is left of: a drain that goes on, one of before a boot, and
	# those of an older dokku.
	given() {
		drain_with "$1" 'printf "%s\n" ${3-} >>"$STEPS"; printf 0'
		grep . "$STEPS" | tail -n 1
	}
	uptime now
	assert_equal $((now + 30)) "$(given $((now + 30)))"
	deadline=$(given $((now + 86400)))
	[[ $deadline -ge $((now + 60)) && $deadline -lt $((now + 90)) ]]
	n=$((EPOCHSECONDS + 30))
	assert_equal "$n" "$(given "$n")"
	deadline=$(given $((EPOCHSECONDS + 86400)))
	[[ $deadline -ge $((now + 60)) && $deadline -lt $((now + 90)) ]]
}

@test "drain: a connection that comes by another network in the last seconds is waited for, until the deadline" {
	local later
	export DOKKU_FORGET_WAIT=0
	uptime later 50
	# What it counts in turn: none, one that came meanwhile, none and none again.
	counts() {
		: >"$STEPS"
		drain_with "$1" "printf 'c' >>\"\$STEPS\"; case \$(<\"\$STEPS\") in $2) printf 1 ;; *) printf 0 ;; esac"
		assert_success "stop idA"
	}
	counts "$later" cc
	assert_equal cccc "$(<"$STEPS")"
	[[ $(<"$DOKKU_LIB_ROOT/data/draining/web/log") == *' idA drained all' ]]
	counts 1 cc
	assert_equal cc "$(<"$STEPS")"
	[[ $(<"$DOKKU_LIB_ROOT/data/draining/web/log") == *' idA drained 1 cut' ]]
}

@test "drain: whoever drains it already is left to it" {
	mkdir -p "$DOKKU_LIB_ROOT/data/draining/web"
	printf '0\n' >"$DOKKU_LIB_ROOT/data/draining/web/idA"
	exec 7>>"$DOKKU_LIB_ROOT/data/draining/web/idA"
	flock 7
	code scheduler-docker-local/lib/drain \
		"stop_and_remove() { printf 'stop\n'; }; drain_and_remove web idA web 5000 1"
	exec 7>&-
	assert_success ""
}

# retire_with - runs the program that drains containers in the background. On record are a web
# container that is gone already, and a worker.
retire_with() {
	mkdir -p "$DOKKU_LIB_ROOT/data/draining/web"
	printf '%s\n' "$EPOCHSECONDS 1" |
		tee "$DOKKU_LIB_ROOT/data/draining/web/idA" >"$DOKKU_LIB_ROOT/data/draining/web/idB"
	hook fake post-retire </dev/null
	DOKKU_FORGET_WAIT=0 got "$HOOKS/libexec/retire" web idA web 5000 0 idB worker - 0
}

@test "retire: an engine that does not answer is asked once for each container, and the records stay for the watch" {
	fake_engine <<<'exit 1'
	retire_with
	assert_status 1
	assert_equal "engine POST /containers/idA/stop?t=30
engine POST /containers/idB/stop?t=30" "$(sort "$CALLS")"
	[[ -s $DOKKU_LIB_ROOT/data/draining/web/idA && -s $DOKKU_LIB_ROOT/data/draining/web/idB ]]
	assert_absent "$DOKKU_LIB_ROOT/data/draining/web/log"
	assert_steps ""
}

@test "retire: one that goes silent at one container, whichever it is; the other is drained" {
	local id
	for id in idA idB; do
		fake_engine <<<"[[ \$1 != DELETE || \$2 != */${id}[?]* ]] || exit 1"
		retire_with
		assert_status 1
		assert_equal "$id" "$(cd "$DOKKU_LIB_ROOT/data/draining/web" && ls -I log)"
		# The other one's release may be one to prune.
		assert_steps "post-retire web"
		: >"$STEPS"
	done
}

@test "retire: one that refuses to stop what is gone has answered; a container that it does not remove is not drained" {
	fake_engine <<<'printf "{\"message\":\"No such container: x\"}"; exit 22'
	retire_with
	assert_status 0
	assert_equal "log" "$(ls -A "$DOKKU_LIB_ROOT/data/draining/web")"
	assert_equal 2 "$(wc -l <"$DOKKU_LIB_ROOT/data/draining/web/log")"
	assert_steps "post-retire web"
	fake_engine <<<'[[ $1 != DELETE ]] || { printf "{\"message\":\"device or resource busy\"}"
		exit 22; }'
	retire_with
	assert_status 1
	assert_equal "idA idB log" "$(ls "$DOKKU_LIB_ROOT/data/draining/web" | paste -sd " ")"
	assert_equal 2 "$(wc -l <"$DOKKU_LIB_ROOT/data/draining/web/log")"
}

@test "retire: killed while it prunes it leaves a record that nobody holds; a retire at the same time keeps it" {
	local dir="$DOKKU_LIB_ROOT/data/draining/web"
	fake_engine </dev/null
	mkdir -p "$dir"
	hook fake post-retire <<<'kill -KILL $PPID'
	DOKKU_FORGET_WAIT=0 got "$HOOKS/libexec/retire" web idA worker - 0
	[[ -e $dir/.retire ]]
	flock --nonblock "$dir/.retire" true
	hook fake post-retire </dev/null
	exec 7>>"$dir/.retire"
	flock --shared 7
	DOKKU_FORGET_WAIT=0 got "$HOOKS/libexec/retire" web 7>&-
	assert_status 0
	[[ -e $dir/.retire ]]
	exec 7>&-
	got "$HOOKS/libexec/retire" web
	assert_status 0
	assert_absent "$dir/.retire"
}

@test "scheduler-retire: on a full disk the old containers go all the same" {
	fake_write <<<'[[ $1 != */draining/* && $1 != */CONTAINER.* ]] || { echo " !     full" >&2
		exit 1; }'
	make_release web 2
	make_current web 2
	printf '%s\n' 'idA 1 web 1 running 10.86.128.50 5000 0 /web.web.1.v1' \
		'idB 2 web 1 running 10.86.128.51 5000 0 /web.web.1' >"$LISTED"
	hook fake post-retire </dev/null
	: >"$DOKKU_LIB_ROOT/lock/web"
	got "$HOOKS/scheduler-retire" docker-local web 2
	assert_status 0
	timeout 10 bash -c \
		'until grep --quiet "^engine DELETE /containers/idA" "$CALLS"; do sleep 0.05; done'
	[[ $(<"$DOKKU_LIB_ROOT/lock/web") == *"the file CONTAINER.web.1" ]]
}

@test "retire: where its record cannot be made it drains and prunes all the same" {
	fake_engine </dev/null
	hook fake post-retire </dev/null
	mkdir -p "$DOKKU_LIB_ROOT/data/draining/web/.retire"
	got "$HOOKS/libexec/retire" web
	assert_success ""
	assert_steps "post-retire web"
	make_current web 1
	printf '%s\n' 'idA 1 web 1 running 10.86.128.50 5000 0 /web.web.1' >"$LISTED"
	got "$HOOKS/scheduler-retire" docker-local web 1
	assert_success ""
}

@test "drain: what was cut when somebody had to give up is told when it is done" {
	local dir="$DOKKU_LIB_ROOT/data/draining/web"
	mkdir -p "$dir"
	printf '1 1\n' >"$dir/idA"
	export DOKKU_FORGET_WAIT=0 ENGINE_DOWN=1
	code scheduler-docker-local/lib/drain \
		'count_connections() { printf 7; }; drain_and_remove web idA web 5000 $$ ||
			printf "%s" "$?"'
	assert_success 1
	assert_file "$dir/idA" "1 1 7"
	unset ENGINE_DOWN
	code scheduler-docker-local/lib/drain 'drain_and_remove web idA web 5000 0'
	assert_success ""
	[[ $(<"$dir/log") == *' idA drained 7 cut' ]]
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/1/drained" "web 7"
}

@test "drain: on a full disk, which takes neither its record nor its receipt, all the same, and not before its time" {
	local dir="$DOKKU_LIB_ROOT/data/draining/web" later
	mkdir -p "$dir/log"
	: >"$dir/idA"
	uptime later 50
	code scheduler-docker-local/lib/drain \
		'count_connections() { printf "%s\n" ${3-} >>"$STEPS"; printf 0; }
			drain_and_remove web idA web 5000 $$'
	assert_success ""
	assert_absent "$dir/idA"
	[[ $(head -n 1 "$STEPS") -ge $later ]]
}

@test "drain: who only looks whether the record is held does not keep it from being drained" {
	local dir="$DOKKU_LIB_ROOT/data/draining/web"
	mkdir -p "$dir"
	printf '1 1\n' >"$dir/idA"
	flock "$dir/idA" sleep 0.4 3>&- &
	until ! flock --nonblock "$dir/idA" true; do :; done
	code scheduler-docker-local/lib/drain 'drain_and_remove web idA worker 5000 0'
	assert_absent "$dir/idA"
}

@test "scheduler-remove: an engine that does not answer is not asked for more" {
	printf '%s\n' 'idA 1 web 1 running 10.86.128.50 5000 0 /web.web.1.v1' \
		'idB 2 web 1 created 10.86.128.51 5000 0 /web.web.1.v2' \
		'idC 2 worker 1 exited 10.86.128.52 5000 0 /web.worker.1.v2' >"$LISTED"
	export ENGINE_SILENT="*/idB/stop*"
	hook fake scheduler-retire </dev/null
	got "$HOOKS/scheduler-remove" docker-local web 2
	assert_status 1
	assert_error " !     web: the Docker engine did not stop and remove all containers of v2:" \
		"the watch tries again; dokku reconcile web does at once"
	assert_equal "engine DELETE /containers/idC?force=true&v=true" "$(grep DELETE "$CALLS")"
	assert_steps ""
}

@test "scheduler-retire: names are given until the engine leaves one unanswered; one that is refused is told" {
	make_current web 1
	printf '%s\n' 'idA 1 web 1 running 10.86.128.50 5000 0 /web.web.1.v1' \
		'idB 1 worker 1 running 10.86.128.51 5000 0 /web.worker.1.v1' \
		'idC 1 worker 2 running 10.86.128.52 5000 0 /web.worker.2.v1' >"$LISTED"
	export ENGINE_SILENT="*/idB/rename*"
	got "$HOOKS/scheduler-retire" docker-local web 1
	assert_status 0
	[[ $(<"$DOKKU_LIB_ROOT/lock/web") == "0 "*" the containers' names" ]]
	rm "$DOKKU_LIB_ROOT/lock/web"
	assert_error " !     web: the container idB could not be named web.worker.1:" \
		"it keeps the name it has until the next deploy or reconcile"
	assert_equal "engine POST /containers/idA/rename?name=web.web.1
engine POST /containers/idB/rename?name=web.worker.1" "$(grep rename "$CALLS")"
	# What people's scripts read does not wait for that.
	assert_file "$DOKKU_ROOT/web/CONTAINER.worker.2" idC
	export ENGINE_SILENT="" ENGINE_REFUSES="*/idB/rename*"
	: >"$CALLS"
	got "$HOOKS/scheduler-retire" docker-local web 1
	assert_status 0
	assert_equal 3 "$(grep -c rename "$CALLS")"
	# That would not be otherwise the next time.
	assert_absent "$DOKKU_LIB_ROOT/lock/web"
}

@test "scheduler-retire: the record of a container that is gone goes, but not while it is drained" {
	local dir="$DOKKU_LIB_ROOT/data/draining/web"
	make_app web
	make_release web 1
	make_current web 1
	mkdir -p "$dir"
	printf '%s\n' 'idA 1 web 1 running 10.86.128.50 5000 0 /web.web.1' >"$LISTED"
	printf '%s 1\n' 9999999999 | tee "$dir/idGone" "$dir/idA" >"$dir/idHeld"
	printf 'idOld drained all\n' >"$dir/log"
	exec 7>>"$dir/idHeld"
	flock 7
	got "$HOOKS/scheduler-retire" docker-local web 1 7>&-
	assert_status 0
	assert_absent "$dir/idGone"
	[[ -e $dir/idA && -e $dir/idHeld && -s $dir/log ]]
	exec 7>&-
	got "$HOOKS/scheduler-retire" docker-local web 1
	assert_absent "$dir/idHeld"
}

@test "stop_and_remove: SIGTERM, its time, removal, within a deadline" {
	code scheduler-docker-local/lib/drain \
		'property_set ps web stop-timeout-seconds 7; stop_and_remove web idA
			stop_and_remove web idB 3'
	assert_success ""
	assert_calls "engine POST /containers/idA/stop?t=7
engine DELETE /containers/idA?force=true&v=true
engine POST /containers/idB/stop?t=3
engine DELETE /containers/idB?force=true&v=true"
}

@test "scheduler-remove: the containers of that release, and of no other" {
	printf '%s\n' 'idA 1 web 1 running 10.86.128.50 5000 0 /web.web.1.v1' \
		'idB 2 web 1 running 10.86.128.51 5000 0 /web.web.1.v2' \
		'idC 2 worker 1 exited 10.86.128.52 5000 0 /web.worker.1.v2' >"$LISTED"
	hook fake scheduler-retire </dev/null
	got "$HOOKS/scheduler-remove" docker-local web 2
	assert_status 0
	assert_equal "engine DELETE /containers/idB?force=true&v=true
engine DELETE /containers/idC?force=true&v=true" "$(grep DELETE "$CALLS" | sort)"
}

@test "scheduler-stop and scheduler-destroy" {
	printf '%s\n' 'idA 1 web 1 running 10.86.128.50 5000 0 /web.web.1.v1' \
		'idB 1 web 2 running 10.86.128.51 5000 0 /web.web.2.v1' >"$LISTED"
	got "$HOOKS/scheduler-stop" docker-local web
	assert_success ""
	assert_equal "engine POST /containers/idA/stop?t=30
engine POST /containers/idB/stop?t=30" "$(grep /stop "$CALLS" | sort)"
	# With a deadline, what the web containers have begun is waited for.
	: >"$CALLS"
	printf '%s\n' 'idA 1 web 1 running 10.86.128.50 5000 7 /web.web.1.v1' \
		'idB 1 worker 1 running 10.86.128.51 5000 8 /web.worker.1.v1' >"$LISTED"
	# It is a link to the program that all tests share.
	rm "$DOKKU_PROGRAMS/observe"
	printf '#!/bin/bash\nsleep 0.3\necho "observe $*" >>"$CALLS"\n' >"$DOKKU_PROGRAMS/observe"
	chmod +x "$DOKKU_PROGRAMS/observe"
	got "$HOOKS/scheduler-stop" docker-local web 1764000009
	assert_success ""
	assert_equal "observe connections 7 5000 1764000009" \
		"$(grep -e observe -e /stop "$CALLS" | head -n 1)"
	assert_equal 2 "$(grep -c /stop "$CALLS")"
	printf '%s\n' 'idA 1 web 1 running 10.86.128.50 5000 0 /web.web.1.v1' \
		'idB 1 web 2 running 10.86.128.51 5000 0 /web.web.2.v1' >"$LISTED"
	printf '1764000000.0\n' >"$DOKKU_LIB_ROOT/lock/.prune.web"
	got "$HOOKS/scheduler-destroy" docker-local web
	assert_success ""
	# An empty file makes the next app of this name tag its first image "latest".
	[[ -e $DOKKU_LIB_ROOT/lock/.prune.web && ! -s $DOKKU_LIB_ROOT/lock/.prune.web ]]
	assert_equal "engine DELETE /containers/idA?force=true&v=true
engine DELETE /containers/idB?force=true&v=true
engine DELETE /images/dokku/web:v1" "$(grep DELETE "$CALLS")"
	assert_equal "engine POST /images/prune?filters=%7B%22dangling%22%3A%5B%22true%22%5D%2C%22label%22%3A%5B%22com.dokku.app-name%3Dweb%22%5D%7D" \
		"$(tail -n 1 "$CALLS")"
}

@test "spec.jq: options that docker-args-deploy gives; one that is not known is refused" {
	# The docker client itself reads them.
	rm "$BIN/docker"
	spec() {
		rm -f "$DOKKU_LIB_ROOT"/data/releases/web/1/options.*
		code scheduler-docker-local/lib/create 'scheduler_spec web 1 "$1" "$2" 10.86.128.7' "$@"
	}
	hook fake docker-args-deploy \
		<<<'printf -- \
			"-v /data:/data --memory=512m --cpus 1.5 --privileged --label a=b=c\n"'
	spec web 1
	assert_status 0
	[[ $(jq \
		--compact-output \
		'[.HostConfig.Binds, .HostConfig.Memory, .HostConfig.NanoCpus,
			.HostConfig.Privileged,
			.Labels.a]' <<<"$output") == '[["/data:/data"],536870912,1500000000,true,"b=c"]' ]]
	protection() {
		jq --compact-output '[.HostConfig | .CapAdd, .CapDrop, .SecurityOpt, .PidsLimit]' \
			<<<"$output"
	}
	assert_equal '[null,[],[],4096]' "$(protection)" "a privileged container"
	hook fake docker-args-deploy \
		<<<'printf -- "--cap-add cap_net_raw --cap-add SYS_PTRACE --cap-drop mknod --pids-limit=-1\n"'
	spec web 1
	assert_equal '[["NET_RAW","SYS_PTRACE"],["MKNOD"],["no-new-privileges"],-1]' "$(protection)"
	hook fake docker-args-deploy <<<'printf -- "--cap-add ALL --security-opt no-new-privileges=false --security-opt seccomp=unconfined\n"'
	spec web 1
	assert_equal '[["ALL"],[],["seccomp=unconfined"],4096]' "$(protection)"
	hook fake docker-args-deploy <<<'printf -- "--security-opt no-new-privileges:true\n"'
	spec web 1
	assert_equal '[null,["NET_RAW","MKNOD"],["no-new-privileges:true"],4096]' "$(protection)"
	hook fake docker-args-deploy <<<'printf -- "--cap-add MKNOD\n"'
	spec web 1
	assert_equal '[["MKNOD"],["NET_RAW"],["no-new-privileges"],4096]' "$(protection)"
	hook fake docker-args-deploy <<<'printf -- "--nonsense 1\n"'
	spec web 1
	assert_status 1
	assert_equal "web: the docker options of web cannot be used: docker says: unknown flag: --nonsense. See dokku docker-options:report web" "${stderr#' !     '}"
}

@test "count_connections: what cannot be read is not drained, as long as the process lives" {
	mkdir -p "$TEST_HOST/proc/99999979"
	counted 99999979 5000
	assert_success 1
}

# stat_line PID NAME PPID BIRTH - as in /proc/PID/stat.
stat_line() {
	mkdir -p "$TEST_HOST/proc/$1"
	printf '%s (%s) S %s 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 %s 12345 99\n' "$1" "$2" \
		"$3" "$4" >"$TEST_HOST/proc/$1/stat"
}

@test "observe workers: those of this nginx that were born by then" {
	workers() { OBSERVE_PROC="$TEST_HOST/proc" got "$DOKKU_PROGRAMS/observe" workers "$@"; }
	stat_line 99999901 nginx 1 10
	stat_line 99999902 nginx 99999901 500
	stat_line 99999903 nginx 99999901 501
	stat_line 99999904 nginx 99999905 10
	stat_line 99999906 'a (nginx) b' 99999901 10
	stat_line 99999907 'nginx) S 99999901 (x' 99999901 10
	workers 99999901 500
	assert_success 99999902
	workers 99999901 501
	assert_status 0
	assert_equal $'99999902\n99999903' "$(sort <<<"$output")"
	# Its master is gone; and a master that runs but is not to be seen.
	workers 99999955 500
	assert_success ""
	workers "$$" 500
	assert_status 2
}

@test "observe: what is no number, or one too many, is refused" {
	local arg
	for arg in 0 -1 +1 " 1" 1x "" 2147483648 99999999999999999999999 ../1; do
		got "$DOKKU_PROGRAMS/observe" workers "$arg" 1
		assert_refused "usage: observe connections PID PORT[,PORT...] [DEADLINE] | observe workers" \
			"MASTER TICKS"
		got "$DOKKU_PROGRAMS/observe" connections "$arg" 80
		assert_refused "usage: observe connections PID PORT[,PORT...] [DEADLINE] | observe workers" \
			"MASTER TICKS"
	done
	got "$DOKKU_PROGRAMS/observe" workers 1 1 1
	assert_status 1
}

@test "observe: a connection that cannot be seen, of a process that runs, is one" {
	OBSERVE_PROC="$TEST_HOST/proc" got "$DOKKU_PROGRAMS/observe" connections "$$" 80
	assert_success 1
}

# failing STATE LOG [EVENTS [INSPECT]] - runs scheduler-failure for a container web.1 of release 2
# whose log is LOG.
failing() {
	printf 'idA 2 web 1 %s 10.86.128.2 5000 0 /web.web.1.v2\n' "$1" >"$LISTED"
	printf '%s' "$2" >"$BATS_TEST_TMPDIR/log"
	printf '%s' "${3-}" >"$BATS_TEST_TMPDIR/events"
	export INSPECT=${4-}
	fake docker <<-'BODY'
		case $1 in
		inspect) [[ $3 != *Created* ]] && printf '%s\n' "$INSPECT" || printf '2026-11-28T20:00:00Z\n' ;;
		events) cat "$BATS_TEST_TMPDIR/events" ;;
		logs) cat "$BATS_TEST_TMPDIR/log" ;;
		esac
	BODY
	got "$HOOKS/scheduler-failure" docker-local web 2
	assert_status 0
	assert_error ""
}

@test "scheduler-failure: the status of the last exit, though the engine has started it again" {
	failing running $'no config\n' $'die 3\ndie 3\n'
	assert_output "-----> The last lines of web.1; it exited with status 3, 2 times
       no config"
	failing running "" $'die 3\ndie 127\n'
	assert_output "-----> web.1 wrote nothing; it exited with status 127:" \
		"its command was not found, 2 times"
	failing exited "" $'oom \ndie 137\n'
	assert_output "-----> web.1 wrote nothing; it was killed as it had used all the memory" \
		"that it may have"
	failing exited "" "" "exited 0"
	assert_output "-----> web.1 wrote nothing; it exited with status 0," \
		"as if its work were done: a web process has to go on running"
	# Its events are gone, and it runs again: nothing is known.
	failing running $'x\n' "" "running 0"
	assert_output "-----> The last lines of web.1
       x"
	failing restarting $'x\n' "" "restarting 0"
	assert_output "-----> The last lines of web.1
       x"
	failing created ""
	assert_output ""
}

@test "scheduler-failure: the requests of the checks do not fill the last lines" {
	local i log=$'web starts\nTypeError: x is undefined\n    at app.js:12\n    at app.js:33\n' \
		shown
	shown="-----> The last lines of web.1
       web starts
       TypeError: x is undefined
           at app.js:12
           at app.js:33"
	for ((i = 0; i < 100; i++)); do
		log+="10.86.0.1 - - [28/Nov/2026:20:00:$((i % 60))] \"GET / HTTP/1.1\" 500 $i \"-\" \"check-runner/1.0\""$'\n'
		log+="{\"ms\":$i,\"method\":\"GET\",\"url\":\"/ping\"}"$'\n'
	done
	failing running "$log"
	assert_output "$shown
       10.86.0.1 - - [28/Nov/2026:20:00:39] \"GET / HTTP/1.1\" 500 99 \"-\" \"check-runner/1.0\"
       {\"ms\":99,\"method\":\"GET\",\"url\":\"/ping\"}
       (198 more lines about the requests of the checks are left out)"
	log=$'web starts\n'
	for i in a b c d e f g; do
		log+="GET /$i 3 ms"$'\n'"error in /$i"$'\n'
	done
	failing running "$log"
	assert_output_like "-----> The last lines of web.1
       web starts
       error in /a
       error in /b
       GET /c 3 ms
*
       (2 more lines about the requests of the checks are left out)"
}

# listens LOCAL… - makes the folder net of a process that listens on these addresses of
# /proc/net/tcp (tcp6, the long ones) and has one connection.
listens() {
	local address file
	mkdir -p "$WORLD/net"
	for file in tcp tcp6; do
		printf '  sl  local_address rem_address   st\n' >"$WORLD/net/$file"
	done
	printf '   0: 0100007F:1F90 0100007F:C350 01 00000000\n   1: 0B00007F:9C41 00000000:0000 0A 00000000\n' >>"$WORLD/net/tcp"
	for address; do
		file=tcp
		[[ ${#address} -lt 20 ]] || file=tcp6
		printf '   2: %s 00000000:0000 0A 00000000\n' "$address" >>"$WORLD/net/$file"
	done
}

@test "scheduler-listening: what a container listens on, but for the name server of Docker" {
	listening() {
		got bash -c \
			'source <(sed -e "/^main /d" "$1"); listening "$2"
				printf "%s " "$seen" "${listening[@]}"' bash \
			"$HOOKS/scheduler-listening" "$WORLD/net"
		assert_success "$1 "
	}
	listening ""
	listens
	listening 1
	listens 0100007F:1388 00000000:0BB8
	listening "1 127.0.0.1:5000 0.0.0.0:3000"
	listens 00000000000000000000000001000000:1388 00000000000000000000000000000000:1388
	listening "1 [::1]:5000 [::]:5000"
	listens 0000000000000000FFFF00000100007F:1F90 0B56560A:1388
	listening "1 10.86.86.11:5000 127.0.0.1:8080"
	listens 0100007F:1388 0100007F:1388 0100007F:1388
	listening "1 127.0.0.1:5000"
	# A million sockets take no longer than twenty.
	awk 'BEGIN { for (i = 1; i < 65536; i++)
		printf "   2: 0200007F:%04X 00000000:0000 0A 00000000\n", i }' >>"$WORLD/net/tcp"
	listening "1 127.0.0.1:5000$(printf ' 127.0.0.2:%s' {1..19})"
}

@test "scheduler-healthcheck: the HEALTHCHECK of the image, by its own shell, within its times" {
	local hook=$HOOKS/scheduler-healthcheck
	# health JSON - makes the engine answer that this is the health check of the container.
	health() { fake_engine <<<"printf '%s' '{ \"Config\": { \"Healthcheck\": $1 } }'"; }
	fake docker <<<'printf "<%s>" "$DOKKU_DOCKER_TIMEOUT" "$@"; printf "%02000d" 7; exit 9'
	for json in null '{}' '{ "Test": ["NONE"] }' '{ "Test": [] }'; do
		health "$json"
		got "$hook" docker-local web idA
		assert_success none
	done
	health '{ "Test": ["CMD", "/web", "a b"] }'
	got "$hook" docker-local web idA
	[[ ${output%%$'\n'*} == "9 90" && ${#output} -lt 2100 ]]
	fake docker <<<'printf "<%s>" "$DOKKU_DOCKER_TIMEOUT" "$@"'
	got "$hook" docker-local web idA
	assert_success "0 90
<30><exec><idA></web><a b>"
	health '{ "Test": ["CMD-SHELL", "a && b"], "Interval": 1500000000, "Retries": 2,
		"StartPeriod": 5000000000, "Timeout": 4000000000 }, "Shell": ["/bin/bash", "-ec"]'
	got "$hook" docker-local web idA
	assert_success "0 9
<4><exec><idA></bin/bash><-ec><a && b>"
	health '{ "Test": ["CMD", "x"], "Interval": 9000000000000000, "Timeout": 9000000000000000 }'
	got "$hook" docker-local web idA
	assert_success "0 600
<60><exec><idA><x>"
	got "$hook" other web idA
	assert_success ""
	got "$hook" docker-local web idA 3 /bin/ready "a b"
	assert_success "0 3
<3><exec><idA></bin/ready><a b>"
	fake_engine <<<'exit 1'
	got "$hook" docker-local web idA
	assert_success ""
}

@test "scheduler-run: a task of somebody's own clock, by its policy beside other runs" {
	local file
	fake docker <<-'BODY'
		printf '%s\n' "$*" >>"$WORLD/docker"
		[[ $1 != ps ]] || printf '%s\n' web.cron.7 web.run.8 eager_bohr
	BODY
	DOKKU_RUN_CRON="nightly forbid" got "$HOOKS/scheduler-run" docker-local web 1 "" 1 ls
	assert_refused "web currently has a cron lock in place for nightly: its run web.cron.7" \
		"goes on; nothing was done"
	assert_nothing_in "$CREATED"
	grep -q 'app-name=web .*cron-id=nightly' "$WORLD/docker"
	DOKKU_RUN_CRON="nightly replace" got "$HOOKS/scheduler-run" docker-local web 1 "" 1 ls
	assert_status 0
	assert_equal "stop web.cron.7
stop web.run.8" "$(grep '^stop' "$WORLD/docker")"
	# Those of dokku's clock meet them, too.
	DOKKU_RUN_CRON="nightly forbid web.cron.9" got "$HOOKS/scheduler-run" docker-local web 1 "" 1 ls
	assert_status 79
	assert_error " !     web currently has a cron lock in place for nightly: its run web.cron.7" \
		"goes on; nothing was done"
	assert_absent "$CREATED/web.cron.9"
	file=$(echo "$CREATED"/web.run.*)
	assert_equal '["cron","nightly","replace",true]' "$(jq -c '[.Labels["com.dokku.container-type",
		"com.dokku.cron-id", "com.dokku.concurrency-policy"], .HostConfig.AutoRemove]' "$file")"
	: >"$WORLD/docker"
	DOKKU_RUN_CRON="nightly allow" got "$HOOKS/scheduler-run" docker-local web 1 "" 1 ls
	assert_status 0
	[[ $(<"$WORLD/docker") != *stop* ]]
}

@test "scheduler-run: an app that got its name while a task waited does not run it" {
	fake flock <<<'rm -r "$DOKKU_ROOT/web"; mkdir "$DOKKU_ROOT/web"'
	DOKKU_RUN_CRON="nightly forbid" got "$HOOKS/scheduler-run" docker-local web 1 "" 1 ls
	assert_refused "App web was destroyed or renamed meanwhile; nothing was done"
	assert_nothing_in "$CREATED"
}

@test "scheduler-run: a task that takes long to stop holds up no other app" {
	make_app blog
	make_release blog 1
	export HOOKS
	fake docker <<-'BODY'
		case "$*" in
		*ps*app-name=web*) printf 'web.cron.7\n' ;;
		'stop web.cron.7')
			DOKKU_RUN_CRON="nightly forbid" timeout 10 \
				"$HOOKS/scheduler-run" docker-local blog 1 "" 1 ls >"$WORLD/blog"
			;;
		esac
	BODY
	DOKKU_RUN_CRON="nightly replace" got "$HOOKS/scheduler-run" docker-local web 1 "" 1 ls
	assert_status 0
	[[ $(<"$WORLD/blog") == blog.run.* ]]
}

@test "scheduler-listening, scheduler-alive: another scheduler's app is none of its business" {
	got "$HOOKS/scheduler-listening" other web idA
	assert_success ""
	got "$HOOKS/scheduler-alive" other web 1 web.1
	assert_success ""
}

@test "scheduler-alive: all, or those that have ended since they were started; of whatever user" {
	printf '%s\n' "$$" >"$DOKKU_LIB_ROOT/data/releases/web/1/pid.web.1"
	# Process 1 is root's.
	printf '1\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/pid.web.2"
	printf '4194304\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/pid.worker.1"
	printf '0\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/pid.worker.2"
	got "$HOOKS/scheduler-alive" docker-local web 1 web.1 web.2
	assert_success all
	got "$HOOKS/scheduler-alive" docker-local web 1 web.1 worker.1 web.2 worker.2 gone.1
	assert_success "worker.1 worker.2 gone.1"
}

@test "scheduler-run: variables of its own go before those of the app, byte for byte; its time is on its label" {
	printf 'A=x y\0NEW=a=b\nc\0' >"$WORLD/more"
	printf 'A=old\nlines\0B=1\0' >"$DOKKU_LIB_ROOT/data/releases/web/1/env"
	DOKKU_RUN_ENV="$WORLD/more" DOKKU_RUN_SECONDS=5 got "$HOOKS/scheduler-run" docker-local web 1 "" 1 ls
	assert_status 0
	local file
	file=$(echo "$CREATED"/web.run.*)
	assert_equal '["A=x y","B=1","NEW=a=b\nc"]' \
		"$(jq -c '[.Env[] | select(test("^(A|B|NEW)="))] | sort' "$file")"
	assert_equal '"5"' "$(jq -c '.Labels["com.dokku.active-deadline-seconds"]' "$file")"
	grep -qxE "$(</proc/sys/kernel/random/boot_id):[0-9]+" \
		<<<"$(jq --raw-output '.Labels["com.dokku.made-at"]' "$file")"
	rm "$file"
	got "$HOOKS/scheduler-run" docker-local web 1 "" 1 ls
	assert_equal null \
		"$(jq -c '.Labels["com.dokku.active-deadline-seconds"]' "$CREATED"/web.run.*)"
}

@test "scheduler-runs-retire: what has had its time is ended, also after the time of day was set" {
	local now boot
	uptime now
	boot=$(</proc/sys/kernel/random/boot_id)
	# one_off ID CREATED MADE - it may run for 100 s.
	one_off() {
		jq --null-input --compact-output '{ Id: $id, Created: ($at | tonumber), State: "running",
			Names: ["/web.run.7"], Labels: { "com.dokku.app-name": "web",
			"com.dokku.container-type": "run", "com.dokku.active-deadline-seconds": "100",
			"com.dokku.made-at": $made } }' --arg id "$1" --arg at "$2" --arg made "$3"
	}
	{
		one_off over $((EPOCHSECONDS - 9)) "$boot:$((now - 101))"
		one_off early $((EPOCHSECONDS - 900)) "$boot:$((now - 9))"
		one_off other-boot $((EPOCHSECONDS - 9)) "another:1"
		one_off other-boot-over $((EPOCHSECONDS - 101)) "another:1"
		one_off older $((EPOCHSECONDS - 9)) ""
		one_off older-over $((EPOCHSECONDS - 101)) ""
	} | jq --slurp --compact-output . >"$BATS_TEST_TMPDIR/one-offs"
	fake_engine <<<'[[ $2 != /containers/json* ]] || cat "$BATS_TEST_TMPDIR/one-offs"'
	got "$HOOKS/scheduler-runs-retire" docker-local
	assert_status 0
	assert_equal "older-over other-boot-over over" \
		"$(sed -n 's,^engine DELETE /containers/\([a-z-]*\).*,\1,p' "$CALLS" | sort | paste -sd ' ')"
}

@test "scheduler-image: what an image with all ports has is read at once" {
	local hook=$PLUGIN_CORE_AVAILABLE_PATH/scheduler-docker-local/scheduler-image
	make_release web 1
	jq --null-input '{ Config: { Cmd: ["x"], ExposedPorts: ([range(1; 65536)
		| { key: "\(.)/tcp", value: {} }] | from_entries) } }' >"$BATS_TEST_TMPDIR/image"
	fake_engine <<<"cat '$BATS_TEST_TMPDIR/image'"
	got timeout 5 "$hook" docker-local web 1
	assert_status 0
	[[ $output == *'/tcp yes' && ${#output} -gt 600000 ]]
}

@test "scheduler-run-end: who shows the output of a run that ended at once sees it, once" {
	local log=$BATS_TEST_TMPDIR/log shown=$BATS_TEST_TMPDIR/shown
	fake_engine <<<'printf "{ \"State\": { \"Status\": \"exited\", \"ExitCode\": 0,
		\"StartedAt\": \"2026-01-01T00:00:00Z\", \"FinishedAt\": \"2026-01-01T00:00:02Z\" } }\n"'
	fake docker <<<'printf "42\n"'
	: >"$log"
	exec 7<"$log"
	got "$PLUGIN_PATH/scheduler-docker-local/scheduler-run-end" docker-local web run.1 "$log"
	assert_success "0 2"
	cat <&7 >"$shown"
	exec 7<&-
	assert_file "$shown" 42
	assert_file "$log" 42
	assert_absent "$log.new"
}
