#!/usr/bin/env bats
# Many operations at once, from several ssh clients. The result is the same as if they had run one
# after the other. Each push that was told "live" was live, and each other push was told why not.
# AT_ONCE (20) pushes to one app, APPS (10) apps, CHAIN (4) pushes that wait for each other.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # shells in the world; each test is a subshell; the helper sets top and address

load helper

setup_file() {
	e2e_setup
	make_app many 0 1
	commit_and_push many base
}

teardown_file() {
	local i
	dokku_run apps:destroy --force many || true
	for ((i = 1; i <= ${APPS:-10}; i++)); do
		dokku_run apps:destroy --force "many$i" || true
	done
	in_world rm -rf /tmp/concurrency
}

# At most the app's name, so that one test's end is no other's beginning.
setup() { out=$BATS_TEST_TMPDIR; }

# make_commit BRANCH PARENT [MS] - makes a commit on PARENT whose app answers with the name BRANCH.
# It takes MS to be ready.
make_commit() {
	local dir
	dir=$(repo many)
	git -C "$dir" checkout --quiet -B "$1" "$2"
	sed -i -e "s/ENV RELEASE=.*/ENV RELEASE=\"$1\"/" -e '/BOOT_DELAY_MS/d' \
		-e "s/^CMD/ENV BOOT_DELAY_MS=${3:-0}\n&/" "$dir/Dockerfile"
	git -C "$dir" -c user.name=t -c user.email=t@t commit --quiet --all --message "$1"
}

# push_of BRANCH [push options] - writes what its pusher sees, and its status. sshd itself turns
# connections away when many come at once: those never were a push.
push_of() {
	local branch=$1 status=0 try
	shift
	for ((try = 0; try < 50; try++)); do
		status=0
		timeout 590 git -C "$(repo many)" push "$@" "dokku@$address:many" "$branch:main" \
			>"$out/$branch.out" 2>&1 || status=$?
		grep -qE 'kex_exchange_identification|Connection (reset|closed) by' \
			"$out/$branch.out" || break
		sleep 0.3
	done
	printf '%s\n' "$status" >"$out/$branch.status"
}

# watch_releases - writes the release that answers to the file seen, each time that it changes,
# until stopped.
watch_releases() {
	local last="" now
	while [[ ! -e $out/stop ]]; do
		now=$(released many)
		[[ $now == "$last" ]] || printf '%s\n' "$now"
		last=$now
		sleep 0.02
	done >"$out/seen"
}

# live_of BRANCH - prints the release that the push of BRANCH was told is live, or nothing.
live_of() { sed -n 's/.*=====> many v\([0-9]*\) is live.*/\1/p' "$out/$1.out"; }

# told_why BRANCH - true if the push of BRANCH was refused with a reason.
told_why() {
	grep -qE 'many is busy: git push [0-9a-f]{7} runs since [0-9]{2}:[0-9]{2}:[0-9]{2} \(process [0-9]+\)' "$out/$1.out" ||
		grep -qE 'many: main is at [0-9a-f]{7} by now' "$out/$1.out" || {
		printf 'the pusher of %s was not told why not:\n' "$1" >&2
		cat "$out/$1.out" >&2
		return 1
	}
}

# is_serial BRANCH… - requires that the final state, and the releases that answered meanwhile, are
# those of the pushes that were told "live", in the order of their releases, and that all others
# were told why not.
is_serial() {
	local branch live order=() status wanted seen now
	for branch; do
		status=$(<"$out/$branch.status")
		live=$(live_of "$branch")
		if [[ $status -eq 0 && -n $live ]]; then
			order[live]=$branch
		elif [[ $status -ne 0 && -z $live ]]; then
			told_why "$branch"
		else
			printf '%s: status %s, though live was "%s":\n%s\n' "$branch" "$status" \
				"$live" "$(<"$out/$branch.out")" >&2
			return 1
		fi
	done
	[[ ${#order[@]} -gt 0 ]]
	printf 'live, in this order: %s\n' "${order[*]}"
	assert_serves many "${order[-1]}"
	[[ $(git_in_world rev-parse main) == "$(git -C "$(repo many)" rev-parse "${order[-1]}")" ]]
	# A release that was current for a moment only may not have been seen.
	wanted=" $first ${order[*]} "
	mapfile -t seen <"$out/seen"
	for now in "${seen[@]}"; do
		[[ $wanted == *" $now "* ]] || {
			printf '%s answered out of turn, in "%s"\n' "$now" "${seen[*]}" >&2
			return 1
		}
		wanted=" $now ${wanted#*" $now "}"
	done
}

git_in_world() { in_world git -c safe.directory=/home/dokku/many -C /home/dokku/many "$@"; }

# all_at_once COMMAND WORD… [-- ARG…] - COMMAND WORD ARG… for each, under a prober.
all_at_once() {
	local command=$1 word words=() pids=() watcher
	shift
	while [[ $# -gt 0 && $1 != -- ]]; do
		words+=("$1")
		shift
	done
	shift || true
	first=$(released many)
	rm -f "$out/stop"
	watch_releases 3>&- &
	watcher=$!
	for word in "${words[@]}"; do
		"$command" "$word" "$@" 3>&- &
		pids+=("$!")
	done
	wait "${pids[@]}"
	touch "$out/stop"
	wait "$watcher"
}

# begin_slow - a push of the branch slow is under way: it holds the lock, and not the watch, that
# reconciles after one that was refused.
begin_slow() {
	make_commit slow "${1:-main}" 3000
	push_of slow --force 3>&- &
	slow=$!
	await 20 in_world bash -c \
		'[[ $(</var/lib/dokku/lock/many) == *"git push $1" ]] &&
			! flock --nonblock /var/lib/dokku/lock/many true' bash \
		"$(git -C "$(repo many)" rev-parse slow | cut -c 1-7)"
}

@test "many pushes at once: the served one is the last that was told live" {
	local i branches=()
	for ((i = 1; i <= ${AT_ONCE:-20}; i++)); do
		make_commit "at$i" main
		branches+=("at$i")
	done
	load_begin once many
	all_at_once push_of "${branches[@]}" -- --force
	is_serial "${branches[@]}"
	load_end once
	assert_clean many
}

@test "pushes of one branch's commits, all at once, that wait: the newest serves in the end" {
	local i parent=slow branches=()
	begin_slow main
	for ((i = 1; i <= ${CHAIN:-4}; i++)); do
		make_commit "chain$i" "$parent"
		parent=chain$i
		branches+=("chain$i")
	done
	load_begin chain many
	all_at_once push_of "${branches[@]}" -- --force -o wait
	wait "$slow"
	[[ $(<"$out/slow.status") -eq 0 ]]
	is_serial slow "${branches[@]}"
	load_end chain
	assert_serves many "$parent"
	assert_clean many
}

@test "a push that waits says for whom, and until when" {
	begin_slow
	make_commit impatient main
	run push_of impatient --force -o wait=1
	grep -qE 'many is busy: git push [0-9a-f]{7} runs since .*: waiting, up to 1 s' \
		"$out/impatient.out"
	[[ $(<"$out/impatient.status") -ne 0 ]]
	told_why impatient
	make_commit patient slow
	push_of patient --force -o wait
	wait "$slow"
	[[ $(<"$out/patient.status") -eq 0 ]]
	grep -qE 'waiting, up to 3600 s' "$out/patient.out"
	assert_serves many patient
}

@test "the setting: pushes and commands wait without being asked to" {
	dokku_run apps:set many lock-wait 60
	begin_slow
	make_commit set slow
	push_of set --force 3>&- &
	run dokku_run config:set many WAITED=yes
	[[ $status -eq 0 && $output == *'many is busy: git push '*': waiting, up to 60 s'* ]]
	wait
	dokku_run apps:set many lock-wait
	[[ $(<"$out/set.status") -eq 0 ]]
	assert_serves many set
	[[ $(dokku_run config:get many WAITED) == yes ]]
	[[ $(fetch many /env/WAITED) == yes ]]
}

@test "everything at once on one app, waiting: all of it has happened in the end" {
	local i
	change() {
		case $1 in
		push) make_commit mixed main && push_of mixed --force -o wait ;;
		scale) dokku_run --wait ps:scale many web=2 ;;
		restart) dokku_run --wait ps:restart many ;;
		domain) dokku_run --wait domains:add many more.many.localhost ;;
		*) dokku_run --wait config:set many "$1=1" ;;
		esac >"$out/$1.said" 2>&1 || printf '%s\n' "$1" >>"$out/failed"
	}
	export WORLD_TIMEOUT=500
	all_at_once change push scale A restart B domain C
	[[ ! -e $out/failed ]] || {
		cat "$out/failed" "$out"/*.said
		return 1
	}
	[[ $(<"$out/mixed.status") -eq 0 ]]
	assert_serves many mixed
	for i in A B C; do
		[[ $(fetch many "/env/$i") == 1 ]]
	done
	[[ $(curl --silent --max-time 10 --head --header 'Host: more.many.localhost' \
		"http://$address/" | grep -c '^X-Release: mixed') -eq 1 ]]
	assert_clean many
	dokku_run ps:scale many web=1
}

@test "many apps at once, made by their first push: each serves its own" {
	local i pids=() failed=0
	export PUSH_TIMEOUT=590
	for ((i = 1; i <= ${APPS:-10}; i++)); do
		commit "many$i" "of$i"
	done
	for ((i = 1; i <= ${APPS:-10}; i++)); do
		push "many$i" >"$out/many$i.out" 3>&- &
		pids+=("$!")
	done
	for ((i = 1; i <= ${APPS:-10}; i++)); do
		wait "${pids[i - 1]}" || {
			cat "$out/many$i.out" >&2
			failed=1
		}
	done
	[[ $failed -eq 0 ]]
	for ((i = 1; i <= ${APPS:-10}; i++)); do
		assert_serves "many$i" "of$i"
		assert_clean "many$i"
	done
}
