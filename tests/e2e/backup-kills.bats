#!/usr/bin/env bats
# kill -9 at the steps of backup:run and backup:restore, and full disks, while visitors come.
# Nothing half counts as a backup, those of before stay, no scratch service and no container is
# left, and no request is lost. KILLS=all strikes at each command that they start, before and after
# it does its work, KILLS=kinds at the first of each kind, in turn before and after, and KILLS=N, 20
# without it, at so many of these.

# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # shells in the world; bats; the helpers set them

load helper

readonly STORAGE=/var/lib/dokku/data/storage BACKUPS=/var/lib/dokku/backups/struck

setup_file() {
	e2e_setup
	build_strike
	tar --directory "$top/build/tests/apps" --create --file - web |
		"$top/tests/world" run "$world" -- docker import - tinyfile:1
	in_world dokku plugin:install /src/tests/services/tinyfile
	dokku_run tinyfile:create db
	make_app struck 0 2
	in_world bash -c 'mkdir -p "$1/struck-data" && chown 4711 "$1/struck-data"' bash "$STORAGE"
	dokku_run storage:mount struck "$STORAGE/struck-data:/data"
	dokku_run tinyfile:link db struck
	dokku_run backup:set struck keep 1000
	content saved
	dokku_run config:set --no-restart struck MARK=saved
	commit_and_push struck s1
	dokku_run backup:run struck
}

teardown_file() {
	dokku_run --force apps:destroy struck || true
	dokku_run --force tinyfile:destroy db || true
	dokku_run plugin:uninstall tinyfile || true
	in_world bash -c 'rm -rf "$1"/struck-data* "$2"; umount /mnt/small; docker rmi tinyfile:1' \
		bash "$STORAGE" "$BACKUPS" || true
}

# content TEXT - writes TEXT into the folder and the service.
content() {
	in_world bash -c 'echo "$1" >"$2/struck-data/rows"
		echo "$1" >/var/lib/dokku/services/tinyfile/db/data' bash "$1" "$STORAGE"
}

refused() { if "$@"; then return 1; fi; }

# mark - prints the variable MARK of the release that answers.
mark() { fetch struck /env/MARK --fail; }

sums() { in_world bash -c 'cd "$1" && sha256sum -- *.tar' bash "$BACKUPS"; }

# struck KIND AT COMMAND… - runs dokku COMMAND, and strikes at the command AT, a number, that it
# starts. The log is /tmp/strike.log.
struck() {
	WORLD_TIMEOUT=100 in_world /src/build/tests/e2e/strike -l /tmp/strike.log -n "$2" -a "$1" \
		-t 60 -- runuser -u dokku -- dokku "${@:3}" >"$BATS_TEST_TMPDIR/out" 2>&1 || true
}

# points COMMAND… - runs dokku COMMAND without a strike, and prints "KIND AT WHAT" for each strike
# that is to be tried, N of them evenly.
points() {
	in_world /src/build/tests/e2e/strike -l /tmp/strike.log -t 100 -- \
		runuser -u dokku -- dokku "$@" >&2
	in_world cat /tmp/strike.log | awk -v all="${KILLS:-20}" '
		!/^[0-9]+ [0-9]+ / { next }
		{
			what = $3
			sub(".*/", "", what)
			for (i = 4; i <= NF && what ~ /^(env|(ba)?sh|bash-static|tied|confine)$/; i++) {
				what = $i
				sub(".*/", "", what)
			}
			if (what ~ /^(git|docker|engine|dokku)$/) what = what " " $(i > 4 ? i : 4)
			gsub(/[^A-Za-z0-9 :._-]/, "", what)
		}
		all == "all" { print "kill", $1, what; print "after", $1, what; next }
		!seen[what]++ { line[++n] = (n % 2 ? "after " : "kill ") $1 " " what }
		END {
			wanted = all ~ /^[0-9]+$/ && all + 0 < n ? all + 0 : n
			for (i = 1; i <= wanted; i++) print line[int(1 + (i - 1) * n / wanted)]
		}'
}

# nothing_half SUMS - requires that the earlier backups are unchanged, and that each backup that
# counts is good.
nothing_half() {
	local now newest
	now=$(sums)
	[[ -z $(comm -23 <(sort <<<"$1") <(sort <<<"$now")) ]]
	if [[ $now != "$1" ]]; then
		newest=$(in_world bash -c 'ls "$1"/*.tar | sort | tail -n 1' bash "$BACKUPS")
		dokku_run backup:verify struck "$(basename "$newest" .tar)"
	fi
}

# no_scratch - true if the only service, and the only container of one, is db.
no_scratch() {
	[[ $(dokku_run tinyfile:list) == db ]] &&
		[[ $(in_world docker ps --all --filter label=dokku.service=tinyfile \
			--format '{{.Names}}') == dokku.tinyfile.db ]]
}

# temporary - prints the temporary files of backups and restores of processes that are gone.
temporary() {
	in_world bash -c 'for path in /var/lib/dokku/tmp/backup.* /home/dokku/.new.*; do
		pid=${path##*/} pid=${pid#.new.} pid=${pid#backup.}
		[[ ! -e $path || -d /proc/${pid%%.*} ]] || echo "$path"
	done'
}

@test "backup:run, killed at each step" {
	local kind at what before count=0 list
	list=$(points backup:run struck)
	load_begin struck struck
	while read -r kind at what; do
		before=$(sums)
		struck "$kind" "$at" backup:run struck
		in_world grep -q '^struck ' /tmp/strike.log || continue
		count=$((count + 1))
		nothing_half "$before" || {
			printf 'after a %s at %s, %s\n' "$kind" "$at" "$what"
			return 1
		}
		[[ $(mark) == saved ]]
		in_world dokku watch:heal >/dev/null 2>&1 || true
		await 10 no_scratch
	done <<<"$list"
	dokku_run backup:run struck
	load_end struck
	printf '%d strikes at backup:run\n' "$count" >&3
	[[ $count -ge 10 ]]
	[[ -z $(in_world find "$BACKUPS" -name '*.part') ]]
	[[ -z $(temporary) ]]
	assert_clean struck
}

@test "backup:restore, killed at each step" {
	local kind at what before count=0 list
	before=$(sums)
	list=$(points backup:restore struck)
	load_begin struck struck
	while read -r kind at what; do
		in_world bash -c 'rm -rf "$1"/struck-data-before-*' bash "$STORAGE"
		content live
		dokku_run config:set struck MARK=live
		struck "$kind" "$at" backup:restore struck
		in_world grep -q '^struck ' /tmp/strike.log || continue
		count=$((count + 1))
		as_before_or_restored || {
			printf 'after a %s at %s, %s\n' "$kind" "$at" "$what"
			return 1
		}
		# A second one finishes it.
		dokku_run backup:restore struck
		[[ $(mark) == saved && $(in_world cat "$STORAGE/struck-data/rows") == saved ]]
		[[ $(dokku_run tinyfile:export db) == saved ]]
		await 10 no_scratch
	done <<<"$list"
	load_end struck
	printf '%d strikes at backup:restore\n' "$count" >&3
	[[ $count -ge 10 && $(sums) == "$before" ]]
	[[ -z $(temporary) ]]
	assert_clean struck
	in_world bash -c 'rm -rf "$1"/struck-data-before-*' bash "$STORAGE"
}

# as_before_or_restored - true if the app answers with one of the two contents, the folder has one
# of them, and the old one is still there.
as_before_or_restored() {
	[[ $(mark) == @(live|saved) ]] &&
		in_world bash -c 'cd "$1" && grep -qxE "live|saved" struck-data/rows &&
			cat struck-data/rows struck-data-before-*/rows 2>/dev/null |
			grep -qx live' bash "$STORAGE"
}

# small_disk FOLDER MEGABYTES - mounts a small disk at FOLDER.
small_disk() {
	in_world bash -c 'mkdir -p "$1" && mount -t tmpfs -o "size=$2m,mode=777" tmpfs "$1"' \
		bash "$@"
}

@test "a full disk where backups lie, or where they are made: those of before stay, none is left" {
	local before where size said
	before=$(sums)
	load_begin struck struck
	# The disk where it is stored is full, then that where its parts are made.
	while read -r where size said; do
		small_disk "$where" "$size"
		[[ $where != /mnt/small ]] || dokku_run backup:set struck target /mnt/small
		run dokku_run backup:run struck
		[[ $status -ne 0 && $output == *'No space left on device'*"struck: $said"* ]]
		[[ -z $(in_world find "$where" -type f) ]]
		in_world umount "$where"
		dokku_run backup:set struck target
		[[ $(dokku_run backup:report struck --backup-failure) == "$said"* ]]
	done <<-'DISKS'
		/mnt/small 1 the backup could not be stored
		/var/lib/dokku/tmp 1 it could not be backed up
	DISKS
	load_end struck
	[[ $(sums) == "$before" ]]
	no_scratch
	dokku_run backup:run struck
	[[ -z $(dokku_run backup:report struck --backup-failure) ]]
}

@test "a full disk in a restore: all is as before, and it serves" {
	content live
	dokku_run config:set struck MARK=live
	load_begin struck struck
	small_disk /var/lib/dokku/tmp 1
	run dokku_run backup:restore struck
	in_world umount /var/lib/dokku/tmp
	[[ $status -ne 0 && $output == *'No space left on device'* ]]
	load_end struck
	[[ $(mark) == live && $(in_world cat "$STORAGE/struck-data/rows") == live ]]
	[[ $(dokku_run tinyfile:export db) == live ]]
	no_scratch
}
