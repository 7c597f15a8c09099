#!/usr/bin/env bats
# After many good and failing deploys, the disk has only the data of the kept releases. GROWTH (3)
# is how many deploys of each kind there are, and 50 in the long form.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # shells in the world; each test is a subshell; the helper sets top and address

load helper

readonly N=${GROWTH:-3} KEEP=2

setup_file() {
	e2e_setup
	make_app grow 0 1
	dokku_run ps:set grow stop-timeout-seconds 2
	dokku_run releases:set grow keep "$KEEP"
	dokku_run ps:scale --skip-deploy grow worker=1
	dokku_run config:set grow GROWN=0
	mkdir -p "$(repo grow)"
	printf 'web: /web\nworker: /web worker\n' >"$(repo grow)/Procfile"
	version g0 good
	push grow
	version g1 good
	push grow
	assert_clean grow
	holdings >"$BATS_FILE_TMPDIR/before"
}

teardown_file() { dokku_run apps:destroy --force grow || true; }

# version RELEASE good|wrong|unbuilt - makes the next commit. It passes its checks, fails them, or
# fails at the second step of its build. Its image has a volume.
version() {
	local dir
	dir=$(repo grow)
	commit grow "$1"
	printf 'WAIT=1\nTIMEOUT=1\nATTEMPTS=1\n/ %s\n' \
		"$([[ $2 == wrong ]] && printf 'Not there' || printf 'My Amazing App')" \
		>"$dir/CHECKS"
	sed -i '/^CMD/i VOLUME /kept' "$dir/Dockerfile"
	[[ $2 != unbuilt ]] || printf 'COPY nothere /\n' >>"$dir/Dockerfile"
	git -C "$dir" -c user.name=t -c user.email=t@t commit --quiet --all --amend --no-edit
}

# holdings - prints everything on the machine that a deploy may leave, one per line. It leaves out
# counters, and the objects of the repository, which grow with each push.
holdings() {
	in_world bash -c \
		'docker ps --all --format "container {{.Label \"com.dokku.app-name\"}} {{.State}}"
		docker image ls --all --format "image {{.Repository}}" --filter dangling=false
		docker image ls --all --quiet --filter dangling=true | sed "s/.*/dangling image/"
		docker volume ls --quiet | sed "s/.*/volume/"
		docker network ls --format "network {{.Name}}"
		find /home/dokku /var/lib/dokku /etc/dokku /etc/nginx /tmp /var/tmp /run/lock \
		-type f -not -path "*/objects/*" \
			-not -path "*/data/builds/*" -not -path "*/releases/grow/*/*" \
			-printf "file %p\n"
		find /var/lib/dokku/data/releases/grow -mindepth 1 -type d -printf "release\n"
		find /var/lib/dokku/data/builds/grow -mindepth 1 -maxdepth 1 | wc -l |
		awk "{ print \$1 > 20 ? \"builds beyond 20\" : \"builds\" }"
		pgrep --uid dokku --list-full | grep -v "heal --watch\|sleep\|^[0-9]* sshd" |
		sed "s/^[0-9]*/process/"
		cat /proc/mounts | wc -l | sed "s/^/mounts /"
		nft list ruleset | grep -vE "packets|:" | wc -l | sed "s/^/rules /"' | sort
}

same_holdings() { diff "$BATS_FILE_TMPDIR/before" <(holdings) >"$BATS_TEST_TMPDIR/diff"; }

# has_not_grown - waits until the holdings are as before, because old containers drain in the
# background.
has_not_grown() {
	assert_clean grow
	await 60 same_holdings || {
		cat "$BATS_TEST_TMPDIR/diff" >&2
		return 1
	}
	# Exactly the images of the kept releases.
	diff \
		<(in_world bash -c \
			'cd /var/lib/dokku/data/releases/grow &&
				printf "%s\n" */ | sed "s,^,v,;s,/$,,"' | sort) \
		<(in_world docker image ls --format '{{.Tag}}' dokku/grow |
			sed 's/-[0-9a-f]\{16\}$//' | sort)
	current_image_stays
}

current_image_stays() {
	[[ $(in_world docker image inspect --format '{{.Id}}' \
		"$(in_world docker inspect --format '{{.Config.Image}}' \
			grow.web.1)") == "$(in_world docker inspect --format '{{.Image}}' grow.web.1)" ]]
}

used() { in_world du --summarize --bytes --total "$@" | tail -n 1 | cut -f 1; }

@test "good deploys leave what the kept releases need, and no more" {
	local i
	load_begin good grow
	for ((i = 1; i <= N; i++)); do
		version "good$i" good
		push grow
	done
	load_end good
	assert_serves grow "good$N"
	has_not_grown
}

@test "failing deploys leave nothing: neither images, nor objects of what was refused" {
	local i before objects kind
	before=$(used /var/lib/dokku/data/releases /var/lib/dokku/config)
	objects=$(in_world bash -c 'find /home/dokku/grow/objects -type f | wc -l')
	load_begin failing grow
	for ((i = 1; i <= N; i++)); do
		kind=wrong
		[[ $((i % 2)) -eq 0 ]] || kind=unbuilt
		version "failing$i" "$kind"
		run push grow
		[[ $status -ne 0 ]]
	done
	load_end failing
	assert_serves grow "good$N"
	has_not_grown
	[[ $(used /var/lib/dokku/data/releases /var/lib/dokku/config) -le $((before + 64)) ]]
	[[ $(in_world bash -c 'find /home/dokku/grow/objects -type f | wc -l') -eq $objects ]]
}

@test "restarts, config changes and rollbacks leave no more either, and never cost the current image" {
	local i
	version last good
	push grow
	for ((i = 1; i <= N; i++)); do
		case $((i % 3)) in
		0) dokku_run releases:rollback grow ;;
		1) dokku_run config:set grow "GROWN=$i" ;;
		2) dokku_run ps:restart grow ;;
		esac
	done
	dokku_run config:set grow GROWN=0
	# Pruned while nothing is kept but the current one, and again.
	dokku_run releases:set grow keep 1
	dokku_run cleanup grow
	dokku_run cleanup grow
	current_image_stays
	dokku_run ps:restart grow
	dokku_run releases:set grow keep "$KEEP"
	dokku_run ps:restart grow
	has_not_grown
}

@test "what an app prints is capped, and so are the records of its deploys" {
	[[ $(in_world docker inspect --format '{{index .HostConfig.LogConfig.Config "max-size"}}' \
		grow.web.1) == 10m ]]
	in_world bash -c 'for ((i = 0; i < 30; i++)); do
			cp -a "$(ls -d /var/lib/dokku/data/builds/grow/*/ | tail -n 1)" \
			"/var/lib/dokku/data/builds/grow/20200101-0000$((i + 10))-1"
		done
		last=$(ls -d /var/lib/dokku/data/builds/grow/*/ | tail -n 1)
		head --bytes 3M /dev/zero >>"${last}log"
		seq -f "2020-01-01T00:00:00 %g drained all" 5000 \
		>>/var/lib/dokku/data/draining/grow/log'
	dokku_run ps:restart grow
	assert_clean grow
	few_builds() {
		[[ $(in_world bash -c 'ls /var/lib/dokku/data/builds/grow | wc -l') -le 20 ]]
	}
	await 30 few_builds
	[[ $(in_world find /var/lib/dokku/data/builds/grow -name log -size +2M) == "" ]]
	[[ $(in_world bash -c 'wc -l </var/lib/dokku/data/draining/grow/log') -le 1000 ]]
}

# The table has several hundred changes at once then.
@test "50 containers of an app serve, and one again" {
	make_app wide 0 1
	commit wide v1
	push wide
	dokku_run ps:scale wide web=50
	assert_clean wide
	assert_serves wide v1
	dokku_run ps:scale wide web=1
	assert_clean wide
	assert_serves wide v1
	dokku_run apps:destroy --force wide
}
