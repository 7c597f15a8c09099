#!/usr/bin/env bats
# apps:rename under load, cut short and refused; apps:clone. Visitors ask by a name that stays, and
# by the name that the global domain gives. RENAMES=all: killed at every point; else at some of
# them.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # shells in the world; each test is a subshell; the helper sets top and address

load helper

# Where a rename can be held up, in its order: state is copied; containers are checked; the proxy
# has answered for them; they have the traffic; it is committed; OLD's containers are drained.
readonly POINTS=(post-app-rename-setup check-deploy verify-deploy core-post-deploy post-deploy post-app-rename
	pre-delete)

setup_file() {
	e2e_setup
	build_strike
	install_stops renames ' ren-' "${POINTS[@]}"
}

teardown_file() {
	local app
	remove_stops renames
	for app in ren-a ren-b ren-c; do
		dokku_run apps:destroy --force "$app" || true
	done
}

setup() {
	reset_stops renames
	whole
}

teardown() {
	in_world touch /tmp/renames/go
	touch "$BATS_FILE_TMPDIR"/{stays,named}.stop
	wait
}

# whole - makes sure that ren-a exists, with two releases, and that ren-b and ren-c do not.
whole() {
	local app
	for app in ren-b ren-c; do
		! dokku_run apps:exists "$app" 2>/dev/null ||
			dokku_run apps:destroy --force "$app" || true
	done
	! dokku_run apps:exists ren-a 2>/dev/null || [[ $(releases ren-a) != 2 ]] || return 0
	! dokku_run apps:exists ren-a 2>/dev/null || dokku_run apps:destroy --force ren-a
	make_app ren-a 0 5
	dokku_run ps:set ren-a stop-timeout-seconds 3
	dokku_run config:set ren-a MARK=one
	rm -rf "$(repo ren-a)"
	commit_and_push ren-a r1
	commit_and_push ren-a r2
	dokku_run domains:add ren-a stays.localhost
	assert_clean ren-a
}

releases() { in_world bash -c 'cat /var/lib/dokku/data/releases/"$1"/current' bash "$1"; }

# loads_begin, loads_end - by the name that stays. A rename reloads nginx twice.
loads_begin() { load_begin stays stays --expect-app ren-a "$@"; }
loads_end() { load_end stays || only_resets stays; }

# assert_no_trace APP - neither files, containers, addresses, nor a line of nginx.
assert_no_trace() {
	local left
	left=$(in_world bash -c \
		'find /home/dokku /var/lib/dokku/{config,data} /etc/nginx/dokku -name "*$1*" \
			-not -path "*/objects/*" -not -name former-names
		docker ps --all --filter "name=^$1\." --format "{{.Names}}"
		docker image ls --format "{{.Repository}}:{{.Tag}}" "dokku/$1"
		grep -l "^$1 " /var/lib/dokku/data/services/.by-address/*
		find /home/dokku -maxdepth 2 -name renamed-to -o -maxdepth 2 -name made-from' bash \
		"$1")
	[[ -z $left ]] || {
		printf 'of %s is left:\n%s\n' "$1" "$left" >&2
		return 1
	}
}

# no_trace APP - true if assert_no_trace passes. Tests use it to wait.
no_trace() { assert_no_trace "$1" 2>/dev/null; }

# assert_renamed - requires that ren-b has everything, and that nothing of ren-a is left.
assert_renamed() {
	assert_no_trace ren-a
	assert_clean ren-b
	assert_serves ren-b r2
	assert_serves stays r2
	[[ $(fetch ren-b /env/MARK) == one ]]
	[[ -z $(released ren-a) ]]
	[[ $(in_world bash -c \
		'cat \
			/var/lib/dokku/data/services/.by-address/"$(cat \
			/var/lib/dokku/data/services/ren-b/web.1)"') == 'ren-b web.1' ]]
}

# assert_as_it_was - ren-a serves v2 by the containers that it had, and there is no ren-b.
assert_as_it_was() {
	assert_no_trace ren-b
	assert_clean ren-a
	assert_serves ren-a r2
	assert_serves stays r2
	[[ $(releases ren-a) == 2 ]]
	[[ $(in_world docker ps --quiet --filter name=ren-a.web.1) == "$containers" ]]
}

containers() { containers=$(in_world docker ps --quiet --filter name=ren-a.web.1); }

@test "a rename loses no request; releases, rollback, config and settings are there; the old name tells" {
	local service
	service=$(in_world cat /var/lib/dokku/data/services/ren-a/web.1)
	loads_begin
	dokku_run apps:rename ren-a ren-b
	loads_end
	assert_renamed
	# The switch was that of a deploy: nginx asks the same address as before.
	[[ $(in_world cat /var/lib/dokku/data/services/ren-b/web.1) == "$service" ]]
	[[ $(dokku_run releases:list ren-b | grep -c '^v[123] ') -eq 3 ]]
	[[ $(dokku_run domains:report ren-b \
		--domains-app-vhosts) == 'ren-b.localhost stays.localhost' ]]
	[[ $(dokku_run checks:report ren-b --checks-wait-to-retire 2>/dev/null ||
		in_world cat /var/lib/dokku/config/checks/ren-b/wait-to-retire) == 5 ]]
	dokku_run builds:list ren-b |
		grep 'succeeded *apps:rename ren-a ren-b'
	loads_begin
	dokku_run releases:rollback ren-b v1
	loads_end
	assert_serves ren-b r1
	# Its remote is an old one.
	commit ren-a r3
	run push ren-a
	[[ $status -ne 0 && $output == *"ren-a was renamed to ren-b: push there"* ]]
	assert_no_trace ren-a
	git -C "$(repo ren-a)" push "dokku@$address:ren-b" main
	assert_serves stays r3
	dokku_run apps:destroy --force ren-b
	assert_no_trace ren-b
	[[ -z $(in_world docker ps --all --quiet --filter label=com.dokku.app-name=ren-b) ]]
}

@test "a download and an upload that span a rename are finished by the containers of the old name" {
	loads_begin --mode upload=3 --mode download=3 --upload-ms 2500 --download-ms 2500 \
		--download-bytes 100000
	dokku_run apps:rename ren-a ren-b
	sleep 0.5
	loads_end
	[[ $(jq .failed "$BATS_FILE_TMPDIR/stays.json") -eq 0 ]]
	assert_renamed
}

@test "a rename whose checks fail changes nothing" {
	containers
	in_world bash -c \
		'printf "/ No Such Text\n" >/home/dokku/ren-a/CHECKS
			chown dokku /home/dokku/ren-a/CHECKS'
	dokku_run checks:set ren-a wait 1
	dokku_run checks:set ren-a attempts 2
	loads_begin
	run dokku_run apps:rename ren-a ren-b
	loads_end
	[[ $status -eq 1 && $output == *'No Such Text'* &&
		$output == *'apps:rename: ren-a keeps its name'* ]]
	in_world rm /home/dokku/ren-a/CHECKS
	assert_as_it_was
}

@test "builds:cancel ends a rename at each point before the commit, and nothing has changed" {
	local point
	for point in post-app-rename-setup verify-deploy core-post-deploy; do
		containers
		loads_begin
		begin_rename "$point"
		dokku_run builds:cancel ren-a
		ended
		[[ $status -ne 0 ]]
		loads_end
		assert_as_it_was
	done
}

# begin_rename POINT - starts a rename in the background, which waits at POINT.
begin_rename() {
	stop_at renames "$1"
	timeout 300 "$top/tests/world" run "$world" -- dokku apps:rename ren-a ren-b </dev/null \
		>"$BATS_TEST_TMPDIR/rename" 2>&1 3>&- &
	renaming=$!
	await 60 in_world test -e "/tmp/renames/$1.at"
}

ended() {
	status=0
	wait "$renaming" || status=$?
	cat "$BATS_TEST_TMPDIR/rename"
}

# kill_all WHAT - sends SIGKILL to the command WHAT, its session and all that it has started, so
# that only the watch can repair the app. The brackets keep pkill from matching its own process.
kill_all() {
	in_world pkill -KILL --full "[s]ubcommands/$1" || true
	in_world bash -c \
		'pid=$(cat "$(ls -td /var/lib/dokku/data/builds/ren-[ab]/*/ | head -n 1)pid")
		pkill -KILL --session "$pid"; pkill -KILL --full "[h]elper hold .*/lock/ren-[ab] "
		true'
	ended
	[[ $status -ne 0 ]]
}

@test "kill -9 at any point: the watch alone undoes it, or finishes it" {
	local point points=(post-app-rename-setup core-post-deploy post-deploy pre-delete)
	[[ ${RENAMES-} != all ]] || points=("${POINTS[@]}")
	for point in "${points[@]}"; do
		printf 'killed at %s\n' "$point"
		whole
		containers
		loads_begin
		begin_rename "$point"
		kill_all rename
		in_world touch /tmp/renames/go
		case $point in
		post-deploy | post-app-rename | pre-delete)
			await 60 no_trace ren-a
			loads_end
			assert_renamed
			;;
		*)
			await 60 no_trace ren-b
			loads_end
			assert_as_it_was
			;;
		esac
	done
}

# strike_rename N - starts a rename, and kills all of its processes at its Nth command.
strike_rename() {
	in_world timeout 120 /src/build/tests/e2e/strike -l /tmp/renames/log ${1:+-n "$1" -a kill} \
		-t 60 -- \
		setpriv --reuid dokku --regid dokku --init-groups env HOME=/home/dokku USER=dokku \
		dokku apps:rename ren-a ren-b >"$BATS_TEST_TMPDIR/rename" 2>&1
}

is_settled() {
	if dokku_run apps:exists ren-a 2>/dev/null; then
		assert_no_trace ren-b
	else
		assert_no_trace ren-a
	fi 2>/dev/null
}

@test "kill -9 at some of its commands, in their order: one of the two names serves, and the other is gone" {
	local count i steps=8 n
	case ${RENAMES-} in all) steps=100 ;; more) steps=21 ;; esac
	strike_rename ""
	count=$(in_world awk '/^[0-9]/ { n = $1 } END { print n }' /tmp/renames/log)
	assert_renamed
	for ((i = 1; i <= steps; i++)); do
		whole
		n=$((count * i / (steps + 1)))
		containers
		loads_begin
		strike_rename "$n" || true
		printf 'killed at %s of %s: %s\n' "$n" "$count" \
			"$(in_world grep ^struck /tmp/renames/log)"
		await 60 is_settled
		loads_end
		assert_serves stays r2
		if dokku_run apps:exists ren-a 2>/dev/null; then
			assert_as_it_was
		else
			assert_renamed
		fi
	done
}

@test "a rename that was killed is settled by the next operation, too" {
	containers
	begin_rename core-post-deploy
	kill_all rename
	in_world touch /tmp/renames/go
	dokku_run --wait=30 ps:restart ren-a
	await 20 no_trace ren-b
	assert_serves stays r2
	dokku_run apps:destroy --force ren-a
	assert_no_trace ren-a
}

# boot - as after a power cut: nothing runs, the kernel has no map, and what a boot starts is
# started.
boot() {
	in_world bash -c 'docker ps --quiet | xargs -r docker kill >/dev/null
		pkill -KILL --exact "nginx|dockerd|containerd"
		while pgrep --exact "nginx|dockerd|containerd" >/dev/null; do sleep 0.1; done
		rm -f /var/run/docker.pid /run/nginx.pid
		nft delete table ip dokku
		setsid --fork dockerd </dev/null >>/var/log/dockerd.log 2>&1
		until docker version >/dev/null 2>&1; do sleep 0.1; done
		dokku ps:restore --all
		pgrep --exact nginx >/dev/null || nginx'
}

@test "a reboot in the midst: it is undone before the commit, and finished after it" {
	begin_rename core-post-deploy
	kill_all rename
	boot
	in_world touch /tmp/renames/go
	await 60 no_trace ren-b
	await 20 assert_serves stays r2
	assert_clean ren-a
	[[ $(releases ren-a) == 2 ]]
	begin_rename post-deploy
	kill_all rename
	boot
	in_world touch /tmp/renames/go
	await 60 no_trace ren-a
	await 20 assert_serves stays r2
	assert_renamed
}

@test "two renames at once: one of the two, and the other is told; the name of another is refused" {
	dokku_run apps:create ren-c
	run dokku_run apps:rename ren-a ren-c
	[[ $status -eq 1 && $output == *'there is an app ren-c already; nothing was changed' ]]
	dokku_run apps:destroy --force ren-c
	begin_rename check-deploy
	run dokku_run apps:rename ren-a ren-c
	[[ $status -eq 1 && $output == *'ren-a is busy: apps:rename ren-a ren-b runs since'* ]]
	in_world touch /tmp/renames/go
	ended
	[[ $status -eq 0 ]]
	assert_renamed
	assert_no_trace ren-c
	# Each has what the other one wants.
	dokku_run apps:create ren-c
	in_world timeout 100 bash -c \
		'dokku --wait=60 apps:rename ren-b ren-a & sleep 1
			dokku --wait=60 apps:clone ren-a ren-b & wait'
	assert_serves ren-a r2
}

@test "an app that is stopped, one without a release, and --skip-deploy" {
	dokku_run ps:stop ren-a
	dokku_run apps:rename ren-a ren-b
	assert_no_trace ren-a
	assert_clean ren-b
	[[ $(fetch ren-b / --output /dev/null --write-out '%{http_code}') == 503 ]]
	dokku_run ps:start ren-b
	assert_serves stays r2
	dokku_run apps:rename --skip-deploy ren-b ren-a
	assert_no_trace ren-b
	assert_clean ren-a
	[[ $(fetch ren-a / --output /dev/null --write-out '%{http_code}') == 503 ]]
	dokku_run ps:start ren-a
	assert_serves stays r2
	dokku_run apps:create ren-c
	dokku_run config:set --no-restart ren-c MARK=two
	dokku_run apps:rename ren-c ren-b
	assert_no_trace ren-c
	[[ $(dokku_run config:get ren-b MARK) == two ]]
	commit ren-b x1
	push ren-b
	assert_serves ren-b x1
}

@test "a clone has the code, the config and an address of its own, and no domain of the other" {
	loads_begin
	dokku_run apps:clone ren-a ren-b
	loads_end
	assert_serves ren-b r2
	assert_serves ren-a r2
	assert_clean ren-b
	[[ $(fetch ren-b /env/MARK) == one && $(releases ren-b) == 1 ]]
	[[ $(dokku_run domains:report ren-b --domains-app-vhosts) == ren-b.localhost ]]
	run ! in_world cmp /var/lib/dokku/data/services/ren-{a,b}/web.1
	run dokku_run apps:clone ren-a ren-b
	[[ $status -eq 1 && $output == *'there is an app ren-b already; nothing was changed' ]]
	dokku_run apps:clone --ignore-existing ren-a ren-b
	# The branch is there: what was pushed to the one is known to the other.
	[[ $(in_world git -C /home/dokku/ren-b rev-parse main) == "$(in_world git \
		-C /home/dokku/ren-a rev-parse main)" ]]
	dokku_run config:set ren-b MARK=two
	[[ $(fetch ren-a /env/MARK) == one && $(fetch ren-b /env/MARK) == two ]]
	dokku_run apps:destroy --force ren-b
	assert_no_trace ren-b
	assert_serves ren-a r2
	dokku_run apps:clone --skip-deploy ren-a ren-b
	[[ $(fetch ren-b / --output /dev/null --write-out '%{http_code}') == 503 ]]
	dokku_run ps:start ren-b
	assert_serves ren-b r2
}

@test "a clone whose checks fail, or that is killed, leaves no trace" {
	in_world bash -c \
		'printf "/ No Such Text\n" >/home/dokku/ren-a/CHECKS
			chown dokku /home/dokku/ren-a/CHECKS'
	dokku_run checks:set ren-a wait 1
	dokku_run checks:set ren-a attempts 2
	run dokku_run apps:clone ren-a ren-b
	[[ $status -eq 1 && $output == *'apps:clone: ren-b was not made'* ]]
	assert_no_trace ren-b
	in_world bash -c 'rm /home/dokku/ren-a/CHECKS; touch /tmp/renames/check-deploy'
	"$top/tests/world" run "$world" -- dokku apps:clone ren-a ren-b </dev/null \
		>"$BATS_TEST_TMPDIR/rename" 2>&1 3>&- &
	renaming=$!
	await 60 in_world test -e /tmp/renames/check-deploy.at
	kill_all clone
	in_world touch /tmp/renames/go
	await 60 no_trace ren-b
	assert_clean ren-a
}
