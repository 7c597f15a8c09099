#!/usr/bin/env bats
# Cron tasks: what app.json may say, when a task is due, and that each minute is run once. The clock
# is the argument of the hook each-minute.

load ../helper

setup() {
	world
	made_plugins cron apps app-json config releases
	export TZ=UTC
	make_app web
	make_release web 1 web=1
	make_current web 1
	hook fake scheduler-run <<<'printf "run %s [%s] %s\n" "$DOKKU_RUN_CRON" "$DOKKU_RUN_SECONDS" "${*:6}" >>"$WORLD/started"'
	hook fake scheduler-run-end <<<'printf "out of %s\n" "$3" >"$4"; printf "%s" "$(<"$WORLD/answer")"'
	hook fake scheduler-run-remove <<<'printf "%s\n" "$3" >>"$WORLD/removed"'
	hook fake scheduler-run-stop <<<'printf "%s\n" "$3" >>"$WORLD/stopped"'
	printf '0 3' >"$WORLD/answer"
	: >"$WORLD/started"
	CRON=$DOKKU_LIB_ROOT/data/cron
}

# manifest TEXT [RELEASE] - gives a release an app.json with TEXT as cron, as a deploy does.
manifest() {
	printf '{"cron": %s}\n' "$1" >"$DOKKU_LIB_ROOT/data/releases/web/${2:-1}/app.json"
	DOKKU_RELEASE=${2:-1} got "$PLUGIN_CORE_AVAILABLE_PATH"/cron/pre-deploy web image
}

# at TIME - runs the hook each-minute as if the clock said TIME, a date in UTC.
at() { got "$PLUGIN_CORE_AVAILABLE_PATH"/cron/each-minute "$(date --utc --date="$1" +%s)"; }

# ids - sets ids to the IDs of web's tasks.
ids() {
	dokku cron:list --format json web
	mapfile -t ids < <(jq -r '.[].id' <<<"$output")
}

# await FILE - waits until FILE has text, for at most 5 s.
await() {
	local try
	for ((try = 0; try < 100; try++)); do
		[[ ! -s $1 ]] || return 0
		sleep 0.05
	done
	differ "$1 does not come" "" ""
}

# await_end RUN - waits until the run has ended and nobody works on it.
await_end() {
	local try
	for ((try = 0; try < 100; try++)); do
		[[ ! -e $CRON/web/$1/ended || -e $CRON/web/$1/container ]] || return 0
		sleep 0.05
	done
	differ "the run $1 does not end" "" ""
}

@test "app.json: tasks that are not valid are refused, by what is wrong" {
	local what entry wanted
	while IFS='|' read -r what entry wanted; do
		if [[ $what == at ]]; then
			wanted="the schedule \"$entry\" of cron is not valid: $wanted AGAIN"
			entry="[{\"command\": \"a\", \"schedule\": \"$entry\"}]"
		fi
		manifest "$entry"
		assert_refused "app.json: ${wanted/ AGAIN/: correct it and push again}"
	done <<-'CASES'
		all|{"a": 1}|cron is not a list AGAIN
		all|[1]|cron[0] is not an object AGAIN
		all|[{"key": "value"}]|cron[0].command is missing, or not text AGAIN
		all|[{"command": "a"}]|cron[0].schedule is missing, or not text AGAIN
		all|[{"command": "a\nb", "schedule": "@daily"}]|cron[0].command has a line break or a control character AGAIN
		all|[{"command": "a", "schedule": "@daily", "concurrency_policy": "x"}]|cron[0].concurrency_policy is not allow, forbid or replace AGAIN
		at|@nonstandard|the words are @yearly, @monthly, @weekly, @daily and @hourly
		at|0 5 * * * *|it has 6 fields, not 5: minute, hour, day, month, weekday
		at|60 * * * *|"60" is no minute, which is from 0 to 59
		at|* * 0 * *|"0" is no day, which is from 1 to 31
		at|5-1 * * * *|"5-1" is no minute, which is from 0 to 59
		at|1, * * * *|"1," is no minute, which is from 0 to 59
		at|* * * foo *|"foo" is no month, which is from 1 to 12
		all|[{"command": "a", "schedule": "@daily"}, {"command": "a", "schedule": "@daily"}]|cron has "a" at "@daily" twice: remove one
	CASES
}

@test "schedules: the next minute that is due" {
	local schedule after wanted
	while IFS='|' read -r schedule after wanted; do
		code cron 'cron_read "$1" || die "$cron_wrong"; from=$(($(date --date="$2" +%s) / 60))
			cron_next next "$1" "$from" $((from + 60 * 24 * 366 * 9))
			printf "%(%F %H:%M)T" $((next * 60))' "$schedule" "$after"
		assert_equal "$schedule after $after: $wanted" "$schedule after $after: $output"
	done <<-'CASES'
		* * * * *|2026-03-01 10:00|2026-03-01 10:01
		*/15 * * * *|2026-03-01 10:45|2026-03-01 11:00
		5 5 5 5 5|2026-03-01 10:00|2026-05-01 05:05
		0 0 * * 7|2026-03-01 00:00|2026-03-08 00:00
		0 9 * * mon-fri|2026-03-06 09:00|2026-03-09 09:00
		30 22 1,15 jan,Dec *|2026-03-01 10:00|2026-12-01 22:30
		0 0 29 2 *|2026-03-01 10:00|2028-02-29 00:00
		59 23 31 12 *|2026-12-31 23:59|2027-12-31 23:59
		10-20/5 8 * * *|2026-03-01 08:10|2026-03-01 08:15
		@daily|2026-03-01 00:00|2026-03-02 00:00
		@hourly|2026-03-01 00:00|2026-03-01 01:00
		@weekly|2026-03-01 00:00|2026-03-08 00:00
		@monthly|2026-03-01 00:00|2026-04-01 00:00
		@yearly|2026-03-01 00:00|2027-01-01 00:00
	CASES
}

@test "schedules: days of 23 and 25 hours lose no minute, and none comes twice" {
	export TZ=Europe/Berlin
	code cron 'for s in "0 * * * *" "30 0 * * *" "30 2 * * *"; do
		cron_read "$s"; t=$(($(date --date="$1" +%s) / 60 - 1)) end=$((t + 60 * 24 * 2)) names=" "
		while cron_next t "$s" "$t" "$end" && [[ -n $t ]]; do
			cron_run_name run "$s" "$t"
			[[ $names == *" $run "* ]] || names+="$run "
		done; words=($names); printf "%s;" "${#words[@]}"; done' "2026-10-24"
	assert_success "48;2;2;"
	code cron 'for s in "0 * * * *" "30 0 * * *"; do
		cron_read "$s"; t=$(($(date --date="$1" +%s) / 60 - 1)) end=$((t + 60 * 24 * 2 - 60)) n=0
		while cron_next t "$s" "$t" "$end" && [[ -n $t ]]; do n=$((n + 1)); done; printf "%s;" "$n"; done' "2026-03-28"
	assert_success "47;2;"
}

@test "a task runs at its minute, once, however often the clock says so, and over a deploy" {
	hook fake scheduler-run-end <<<'while [[ ! -e "$WORLD/over" ]]; do sleep 0.05; done; printf "0 3"'
	manifest '[{"command": "bin/report --all", "schedule": "5 * * * *"}]'
	ids
	at "2026-03-01 10:04"
	assert_success ""
	at "2026-03-01 10:05:07"
	await "$WORLD/started"
	at "2026-03-01 10:05:50"
	rm "$CRON-clock"
	at "2026-03-01 10:05:55"
	make_release web 2 web=1
	manifest '[{"command": "bin/report --all", "schedule": "5 * * * *"}]' 2
	make_current web 2
	rm "$CRON-clock"
	at "2026-03-01 10:05:59"
	sleep 0.3
	: >"$WORLD/over"
	await_end "${ids[0]}/20260301T1005+0000"
	[[ $(<"$WORLD/started") == "run ${ids[0]} allow web.cron."+([0-9])" [86400] bin/report --all" ]]
	assert_equal "done 0 3" "$(<"$CRON/web/${ids[0]}/20260301T1005+0000/ended")"
	assert_equal "$(awk '{ print $4 }' "$WORLD/started")" "$(<"$WORLD/removed")"
	at "2026-03-01 11:05"
	await_end "${ids[0]}/20260301T1105+0000"
	assert_equal 2 "$(wc -l <"$WORLD/started")"
}

@test "runs that were due while nothing ran: the last minutes are made up for, older ones counted" {
	manifest '[{"command": "a", "schedule": "0 * * * *"}]'
	ids
	at "2026-03-01 10:01"
	at "2026-03-01 14:03"
	assert_status 0
	assert_error " !     cron: web/${ids[0]} missed 3 runs while this server or dokku's watch did not run, the last one of 2026-03-01T13:00+00:00"
	await_end "${ids[0]}/20260301T1400+0000"
	assert_equal 1 "$(wc -l <"$WORLD/started")"
	dokku cron:report --cron-missed-runs web
	assert_success 3
	at "2026-03-01 16:30"
	assert_error " !     cron: web/${ids[0]} missed 2 runs while this server or dokku's watch did not run, the last one of 2026-03-01T16:00+00:00"
	assert_equal 1 "$(wc -l <"$WORLD/started")"
	dokku cron:list --format json web
	assert_equal 5 "$(jq '.[0]["missed-runs"]' <<<"$output")"
}

@test "a task that is new was not missed; a clock that was put back starts nothing again" {
	at "2026-03-01 10:00"
	manifest '[{"command": "a", "schedule": "0 * * * *"}]'
	at "2026-03-01 14:30"
	assert_success ""
	at "2026-03-01 17:00"
	await "$WORLD/started"
	at "2026-03-01 16:00"
	at "2026-03-01 16:30"
	sleep 0.2
	assert_equal 1 "$(wc -l <"$WORLD/started")"
}

@test "forbid: no second run beside a running one; replace: the older one ends" {
	local policy first
	hook fake scheduler-run-end <<<'while [[ ! -e "$WORLD/over" ]]; do sleep 0.05; done; printf "143 9"'
	manifest '[{"command": "a", "schedule": "@daily", "concurrency_policy": "forbid"},
		{"command": "b", "schedule": "@daily", "concurrency_policy": "replace"}]'
	ids
	dokku cron:run --detach web "${ids[0]}"
	assert_status 0
	dokku cron:run web "${ids[0]}"
	assert_status 1
	[[ $stderr == " !     web currently has a cron lock in place for ${ids[0]}: its run "*" goes on" ]]
	dokku cron:run --detach web "${ids[1]}"
	first=$output
	sleep 1.1
	dokku cron:run --detach web "${ids[1]}"
	assert_status 0
	assert_equal "$first" "$(<"$WORLD/stopped")"
	: >"$WORLD/over"
	sleep 0.5
	dokku cron:logs --format json web "${ids[1]}"
	assert_equal "replaced failed" "$(jq -r '[.[].state] | join(" ")' <<<"$output")"
	dokku cron:logs --format json web "${ids[0]}"
	assert_equal "failed skipped" "$(jq -r '[.[].state] | join(" ")' <<<"$output")"
}

@test "forbid: no run beside one that run --cron-id has started; that is no lost run" {
	hook fake scheduler-run <<<'echo " !     its run goes on" >&2; exit 79'
	manifest '[{"command": "a", "schedule": "@daily", "concurrency_policy": "forbid"}]'
	ids
	dokku cron:run web "${ids[0]}"
	assert_status 1
	[[ $stderr == " !     its run goes on" ]]
	dokku cron:logs --format json web "${ids[0]}"
	assert_equal skipped "$(jq -r '.[].state' <<<"$output")"
	assert_nothing_in "$DOKKU_LIB_ROOT"/data/cron/web/*/*/container
}

@test "the tasks of one app do not wait for those of another" {
	local starts
	make_app blog
	make_release blog 1 web=1
	make_current blog 1
	printf '{"cron": [{"command": "slow", "schedule": "5 * * * *"}]}\n' \
		>"$DOKKU_LIB_ROOT/data/releases/blog/1/app.json"
	DOKKU_RELEASE=1 got "$PLUGIN_CORE_AVAILABLE_PATH"/cron/pre-deploy blog image
	manifest '[{"command": "a", "schedule": "5 * * * *"},
		{"command": "b", "schedule": "5 * * * *"}]'
	fake setsid <<<':'
	at "2026-03-01 10:05:07"
	mapfile -t starts < <(grep libexec/launch "$CALLS")
	assert_equal 2 "${#starts[@]}"
	[[ ${starts[0]} == *"launch blog "* && ${starts[0]} != *" web "* ]]
	[[ ${starts[1]} == *"launch web "*" web "* && ${starts[1]} != *" blog "* ]]
}

@test "max-runs: tasks that do not end fill no server: runs beyond the limit are skipped" {
	local minute
	hook fake scheduler-run-end <<-'BODY'
		while [[ ! -e "$WORLD/over" ]]; do sleep 0.05; done
		printf "0 9"
	BODY
	manifest '[{"command": "a", "schedule": "* * * * *"},
		{"command": "b", "schedule": "* * * * *"}]'
	ids
	dokku cron:set web max-runs 3
	at 2026-03-01T09:59
	for minute in 10:00 10:01 10:02; do
		at "2026-03-01T$minute"
		sleep 1
	done
	assert_equal 3 "$(grep -c . "$WORLD/started")"
	dokku cron:run web "${ids[0]}"
	assert_refused "web: 3 runs of its cron tasks go on, so this one is skipped: dokku" \
		"cron:list web shows the tasks, and dokku cron:set web max-runs allows more"
	dokku cron:list --format json web
	assert_equal "skipped skipped" "$(jq -r '[.[]."last-state"] | join(" ")' <<<"$output")"
	: >"$WORLD/over"
	sleep 1
	at 2026-03-01T10:03
	sleep 1
	assert_equal 5 "$(grep -c . "$WORLD/started")"
}

@test "cron:run: prints the output and ends with the status of the command; cron:logs has both" {
	printf '7 12' >"$WORLD/answer"
	manifest '[{"command": "a", "schedule": "@daily"}]'
	ids
	dokku cron:run web "${ids[0]}"
	assert_status 7
	[[ $output == "out of web.cron."* && $stderr == *": failed" ]]
	dokku cron:logs web "${ids[0]}"
	assert_status 0
	[[ $output == "-----> "*"  failed, exit status 7, 12 s, by cron:run"$'\n'"out of web.cron."* ]]
	dokku cron:list web
	[[ $output == *"failed (7)"* ]]
	dokku cron:run --ttl-seconds 0 web "${ids[0]}"
	assert_refused "--ttl-seconds must be a positive integer, not \"0\"; nothing was done" 2
	dokku cron:run --ttl-seconds 12 web "${ids[0]}"
	[[ $stderr == *": timeout" ]]
	dokku cron:run web nope
	assert_refused \
		'web has no cron task "nope": dokku cron:list web shows those of its app.json'
}

@test "a run whose follower was killed is taken up; one that was claimed and not started is lost" {
	manifest '[{"command": "a", "schedule": "@daily"}]'
	ids
	mkdir -p "$CRON/web/${ids[0]}/20260301T0000" "$CRON/web/${ids[0]}/20260228T0000"
	printf '1772323200\n' | tee "$CRON/web/${ids[0]}/20260301T0000/started" >"$CRON/web/${ids[0]}/20260228T0000/started"
	printf 'web.cron.1\n' >"$CRON/web/${ids[0]}/20260301T0000/container"
	: >"$CRON/web/${ids[0]}/20260228T0000/log"
	at "2026-03-01 10:00"
	await_end "${ids[0]}/20260301T0000"
	assert_equal "done 0 3" "$(<"$CRON/web/${ids[0]}/20260301T0000/ended")"
	assert_equal "out of web.cron.1" "$(<"$CRON/web/${ids[0]}/20260301T0000/log")"
	assert_equal "web.cron.1" "$(<"$WORLD/removed")"
	assert_equal "lost - 0" "$(<"$CRON/web/${ids[0]}/20260228T0000/ended")"
}

@test "a run that is taken up does not stop the clock" {
	manifest '[{"command": "a", "schedule": "@daily"}]'
	ids
	hook fake scheduler-run-end <<-'END'
		: >"$WORLD/waits"
		until [[ -e "$WORLD/over" ]]; do sleep 0.05; done
		printf "0 3"
	END
	mkdir -p "$CRON/web/${ids[0]}/20260301T0000"
	printf '1772323200\n' >"$CRON/web/${ids[0]}/20260301T0000/started"
	printf 'web.cron.1\n' >"$CRON/web/${ids[0]}/20260301T0000/container"
	at "2026-03-01 10:00"
	until [[ -e $WORLD/waits ]]; do sleep 0.05; done
	flock --nonblock "$DOKKU_LIB_ROOT/lock/.cron" true
	: >"$WORLD/over"
	await_end "${ids[0]}/20260301T0000"
}

@test "suspend, resume, maintenance: the clock starts nothing meanwhile" {
	manifest '[{"command": "a", "schedule": "* * * * *"}, {"command": "b", "schedule": "* * * * *", "maintenance": true}]'
	ids
	dokku cron:suspend web "${ids[0]}"
	assert_success "-----> web: the clock does not start ${ids[0]} any more: a"
	at "2026-03-01 10:00"
	sleep 0.2
	assert_equal "" "$(<"$WORLD/started")"
	dokku cron:resume web "${ids[1]}"
	dokku cron:set web maintenance true
	at "2026-03-01 10:01"
	sleep 0.2
	assert_equal "" "$(<"$WORLD/started")"
	dokku cron:list --format json web
	assert_equal "true false true" "$(jq -r '.[1] | [.["app-in-maintenance"], .["task-in-maintenance"], .maintenance] | join(" ")' <<<"$output")"
	dokku cron:set web maintenance
	at "2026-03-01 10:02"
	await "$WORLD/started"
	[[ $(<"$WORLD/started") == "run ${ids[1]} "*" b" ]]
}

@test "retention: older runs go, with their output; a destroyed app leaves nothing" {
	local i
	manifest '[{"command": "a", "schedule": "@daily"}]'
	ids
	dokku cron:set web retention 2
	for i in 1 2 3; do
		dokku cron:run web "${ids[0]}"
		sleep 1
	done
	assert_equal 2 "$(find "$CRON/web/${ids[0]}" -mindepth 1 -maxdepth 1 -type d | wc -l)"
	got "$PLUGIN_CORE_AVAILABLE_PATH"/cron/post-delete web
	assert_absent "$CRON/web"
}

@test "mailto: what a run of the clock printed is mailed" {
	fake sendmail <<<'cat >"$WORLD/mail"'
	export DOKKU_SENDMAIL="$BIN/sendmail"
	manifest '[{"command": "a", "schedule": "@hourly"}]'
	ids
	dokku cron:set web mailto ann@example.com
	dokku cron:run web "${ids[0]}"
	assert_absent "$WORLD/mail"
	at "2026-03-01 10:00"
	await "$WORLD/mail"
	[[ $(<"$WORLD/mail") == "To: ann@example.com"$'\n'"Subject: dokku: web: cron ${ids[0]} done: a"*"out of web.cron."* ]]
}

@test "rename: NEW has the records, and does not run again what OLD has begun" {
	manifest '[{"command": "a", "schedule": "5 * * * *"}]'
	ids
	at "2026-03-01 10:05"
	await_end "${ids[0]}/20260301T1005+0000"
	got "$PLUGIN_CORE_AVAILABLE_PATH"/cron/post-app-rename-setup web shop
	mkdir "$CRON/web/${ids[0]}/20260301T1105+0000"
	got "$PLUGIN_CORE_AVAILABLE_PATH"/cron/post-app-rename web shop
	[[ -d $CRON/shop/${ids[0]}/20260301T1105+0000 &&
		-f $CRON/shop/${ids[0]}/20260301T1005+0000/ended ]]
}

@test "cron-entries: commands of plugins run by the clock, once, without dokku's environment" {
	hook fake cron-entries <<-'HOOK'
		printf '%s\n' "0 5 * * *;printf '%s ' \"\$HOME\" \"\${DOKKU_ROOT-none}\";$WORLD/log" \
			"@daily;touch '$WORLD/daily'" "61 * * * *;touch '$WORLD/never'" "no command"
	HOOK
	dokku cron:list --global --format json
	assert_equal '["0 5 * * *",true,"'"$WORLD/log"'"]' \
		"$(jq -c '.[0] | [.schedule, .global, .log]' <<<"$output")"
	assert_equal 2 "$(jq length <<<"$output")"
	[[ $stderr == *'"no command", not SCHEDULE;COMMAND;LOG'* ]]
	[[ $stderr == *'the schedule "61 * * * *" of a plugin is not valid'* ]]
	dokku cron:list --global
	[[ $output == *"@daily"*"/dev/null"*"touch '$WORLD/daily'"* ]]
	at "2026-03-02 04:59:30"
	at "2026-03-02 05:00:10"
	await "$WORLD/log"
	at "2026-03-02 05:00:40"
	at "2026-03-02 05:01:10"
	assert_file "$WORLD/log" "$DOKKU_ROOT none "
	assert_absent "$WORLD/daily" "$WORLD/never"
}
