#!/usr/bin/env bats
# A canary: a share of the visitors, who stay where they are when it rises. Nothing is lost when it
# begins, changes, is promoted or taken back, and it survives kill -9 and a power loss.
# shellcheck disable=SC2154 # helper.bash and e2e_setup set address, keys, top, world
# shellcheck disable=SC2016 # for the shell in the world

load helper

setup_file() {
	e2e_setup
	commit_and_push canary a
	dokku_run checks:set canary default-wait 0
	dokku_run checks:set canary wait-to-retire 5
}

teardown_file() { dokku_run apps:destroy --force canary || true; }

# begin RELEASE PERCENT - pushes RELEASE as a canary.
begin() {
	commit canary "$1"
	timeout 120 git -C "$(repo canary)" push -o "canary=$2" "dokku@$address:canary" main
}

# visitors FOLDER - 100 visitors with cookies of their own ask once. Prints which of them the canary
# with the release in the variable new has answered.
visitors() {
	local n jars=$1
	mkdir -p "$jars"
	for ((n = 0; n < 100; n++)); do
		[[ $(fetch canary / --head --user-agent "visitor $n" --cookie "$jars/$n" \
			--cookie-jar "$jars/$n") != *"X-Release: $new"* ]] || printf '%s\n' "$n"
	done
}

number() { in_world cut -d ' ' -f 1 /var/lib/dokku/data/releases/canary/canary; }

has_no_canary() { in_world test ! -e /var/lib/dokku/data/releases/canary/canary; }

workers() { in_world pgrep -f 'nginx: worker' | sort; }

@test "a share of the visitors: nobody goes back when it rises, and all reach it when it is promoted, 0 lost" {
	local jars=$BATS_TEST_TMPDIR/jars new=b first few more nginx
	nginx=$(workers)
	load_begin share canary --mode get=8@20 --mode post=8@20 --mode close=4@20
	run begin b 20
	[[ $status -eq 0 && $output == *'has 20 % of the visitors'* ]]
	few=$(visitors "$jars")
	[[ $(wc -l <<<"$few") -ge 6 && $(wc -l <<<"$few") -le 38 ]]
	# They have a cookie, and so they stay where they are, with another address or browser.
	[[ $(visitors "$jars") == "$few" ]]
	first=$(head -n 1 <<<"$few")
	[[ $(fetch canary / --head --cookie "$jars/$first" --user-agent other) == *'X-Release: b'* ]]
	dokku_run releases:canary canary "v$(number)" 60
	more=$(visitors "$jars")
	[[ -z $(comm -23 <(sort <<<"$few") <(sort <<<"$more")) ]]
	[[ $(wc -l <<<"$more") -ge 40 && $(wc -l <<<"$more") -le 80 ]]
	run dokku_run config:set canary A=1
	[[ $status -ne 0 && $output == *'has 60 % of the visitors: dokku releases:promote'* ]]
	dokku_run releases:promote canary
	[[ $(visitors "$jars" | wc -l) -eq 100 ]]
	[[ $(fetch canary / --head) != *Set-Cookie* ]]
	load_end share
	[[ $(workers) == "$nginx" ]]
	assert_clean canary
	git ls-remote "dokku@$address:canary" refs/heads/main |
		grep "^$(git -C "$(repo canary)" rev-parse main)"
}

@test "taken back: by hand and by its own errors, 0 lost; a canary that is down is answered for" {
	local now n
	now=$(released canary)
	load_begin back canary --mode get=8@20 --mode post=8@20
	begin c 50
	dokku_run releases:abort canary
	for n in {1..20}; do
		[[ $(fetch canary / --head --cookie "dokku_bucket=$n") == *"X-Release: $now"* ]]
	done
	load_end back
	assert_clean canary
	begin d 5
	dokku_run releases:canary --abort-5xx off canary "v$(number)" 5
	fail 30
	run dokku_run releases:report canary --releases-canary-answers
	[[ $output == '30 of 30 5xx, current release 0 of 30' ]]
	dokku_run releases:canary canary "v$(number)" 5
	fail 20
	await 20 has_no_canary
	assert_clean canary
	# Nobody notices that its container is gone.
	begin e 100
	in_world sh -c 'docker kill "$(docker ps --quiet --filter label=com.dokku.app-name=canary \
		--filter "label=com.dokku.release=$0")"' "$(number)"
	for n in {1..20}; do fetch canary / --fail >/dev/null; done
	dokku_run releases:abort canary
	assert_serves canary "$now"
	assert_clean canary
}

# fail N - as many requests to both releases, and the canary answers them with an error.
fail() {
	local n
	for ((n = 0; n < $1; n++)); do
		fetch canary / --cookie dokku_bucket=99 >/dev/null
		fetch canary /status/500 --cookie dokku_bucket=3 >/dev/null
	done
}

@test "kill -9 at any step of its begin leaves the old release alone, or a canary; a promotion either one" {
	build_strike
	local step now
	now=$(released canary)
	for step in 'canary-share canary' 'releases/canary/canary 644' 'canary-share canary * 5'; do
		commit canary "f-$RANDOM"
		push_struck_canary "$step"
		await 20 in_world flock --nonblock /var/lib/dokku/lock/canary true
		await 30 has_no_leftovers canary
		[[ $(fetch canary / --head --cookie dokku_bucket=99) == *"X-Release: $now"* ]]
		has_no_canary || dokku_run releases:abort canary
		assert_clean canary
	done
}

# push_struck_canary TEXT - push_struck for a push of a canary with 5 % of the visitors.
push_struck_canary() {
	git config --file "$(repo canary)/.git/config" push.pushOption canary=5
	push_struck canary after "$1"
	git config --file "$(repo canary)/.git/config" --unset push.pushOption
}

@test "a boot: both releases come back as what they are" {
	local now
	now=$(released canary)
	begin g 30
	# What a boot leaves: no container runs, and /run and the kernel's table are empty.
	in_world sh -c 'docker kill $(docker ps --quiet --filter label=com.dokku.app-name=canary)
		nft delete table ip dokku; rm -rf /run/dokku-kept; dokku ps:restore canary'
	await 20 eval '[[ $(fetch canary / --head --cookie dokku_bucket=3) == *"X-Release: g"* ]]'
	[[ $(fetch canary / --head --cookie dokku_bucket=99) == *"X-Release: $now"* ]]
	dokku_run releases:promote canary
	assert_serves canary g
	assert_clean canary
}
