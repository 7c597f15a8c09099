#!/usr/bin/env bats
# An app that writes one row per request into a PostgreSQL container of a plugin, under load: what
# deploys, a restart and an upgrade of the database, a reboot and a power cut lose.
#
# Two kinds of clients ask, and none retries. The load client counts. The witness names each row, so
# that a row that was acknowledged and is lost cannot hide behind another one. DEPLOYS is 50.

# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # shells in the world; bats; the helpers set them

load hosts/helper

setup_file() {
	host_up --systemd
	host_install
	host_key
	make --silent --no-print-directory -C "$top" build/tests/apps/web-rows
	export WEB_BINARY=$top/build/tests/apps/web-rows
	"$top/tests/service-images" "$world" postgres:15 postgres:15-next
	in_world dokku plugin:install /src/tests/services/tinypg
	dokku_run tinypg:create store
	sql 'CREATE TABLE rows (id bigserial PRIMARY KEY, release text, name text)'
	make_app shop 0 5
	dokku_run tinypg:link store shop
	commit_and_push shop v0
	: >"$BATS_FILE_TMPDIR/acknowledged"
}

teardown_file() { host_down; }

setup() {
	# A machine that has booted may have another address.
	e2e_setup
	export WEB_BINARY=$top/build/tests/apps/web-rows
	: >"$BATS_FILE_TMPDIR/refused"
	before=$(row_count)
	acknowledged=$(acknowledged_count)
}

# sql TEXT - prints what the database answers.
sql() { "$top/tests/world" run "$world" -- dokku tinypg:connect store <<<"$1"; }

# row_count - prints how many rows there are, but for those of writes_rows.
row_count() { sql "SELECT count(*) FROM rows WHERE name <> 'probe'"; }

acknowledged_count() { wc -l <"$BATS_FILE_TMPDIR/acknowledged"; }

# witness - until the file witness.stop exists, asks for a row by a new name, and writes the name to
# acknowledged, or the time, the status and the body to refused.
witness() {
	local answer body=$BATS_FILE_TMPDIR/body name n=0
	while [[ ! -e $BATS_FILE_TMPDIR/witness.stop ]]; do
		name=w-$BATS_TEST_NUMBER-$((++n))
		: >"$body"
		answer=$(fetch shop "/row?name=$name" --output "$body" --max-time 30 \
			--write-out '%{http_code}') || true
		if [[ $answer == 200 ]]; then
			printf '%s\n' "$name" >>"$BATS_FILE_TMPDIR/acknowledged"
		else
			printf '%s %s %s\n' "${EPOCHREALTIME/[.,]/}" "$answer" "$(head -n 1 "$body")" \
				>>"$BATS_FILE_TMPDIR/refused"
		fi
		sleep 0.05
	done
}

# load_rows - starts both kinds of clients, until rows_end.
load_rows() {
	rm -f "$BATS_FILE_TMPDIR"/{rows,witness}.stop
	"$top/build/tests/load/load" --url http://shop.localhost/row --connect "$address:80" \
		--mode get=8 --mode close=4 --rate 10 --expect-app shop \
		--until-file "$BATS_FILE_TMPDIR/rows.stop" --json "$BATS_FILE_TMPDIR/rows.json" \
		>"$BATS_FILE_TMPDIR/rows.txt" 2>&1 3>&- &
	printf '%s\n' "$!" >"$BATS_FILE_TMPDIR/rows.pid"
	witness 3>&- &
	printf '%s\n' "$!" >"$BATS_FILE_TMPDIR/witness.pid"
	sleep 1
}

# clients_end - stops them.
clients_end() {
	touch "$BATS_FILE_TMPDIR"/{rows,witness}.stop
	wait "$(<"$BATS_FILE_TMPDIR/rows.pid")" || true
	wait "$(<"$BATS_FILE_TMPDIR/witness.pid")"
	cat "$BATS_FILE_TMPDIR/rows.txt"
}

# rows_end - stops them, and counts.
rows_end() { clients_end && count_rows; }

# count_rows - sets ok and failed to the answers of the load client, witnessed to those of the
# witness, refused to its other answers, and rows to the rows since the test began.
count_rows() {
	ok=$(jq .ok "$BATS_FILE_TMPDIR/rows.json")
	failed=$(jq .failed "$BATS_FILE_TMPDIR/rows.json")
	refused=$(wc -l <"$BATS_FILE_TMPDIR/refused")
	witnessed=$(($(acknowledged_count) - acknowledged))
	rows=$(($(row_count) - before))
	printf '%s: %d rows for %d answers; %d refused\n' "$BATS_TEST_DESCRIPTION" "$rows" \
		$((ok + witnessed)) $((failed + refused)) >&3
}

# no_row_is_lost - requires that each acknowledged row is there, and no more rows than requests.
no_row_is_lost() {
	sql "SELECT name FROM rows WHERE name <> ''" | sort >"$BATS_FILE_TMPDIR/there"
	sort "$BATS_FILE_TMPDIR/acknowledged" | comm -23 - "$BATS_FILE_TMPDIR/there" \
		>"$BATS_FILE_TMPDIR/lost"
	[[ ! -s $BATS_FILE_TMPDIR/lost ]] || {
		printf 'acknowledged and lost:\n'
		cat "$BATS_FILE_TMPDIR/lost"
		return 1
	}
	[[ $((ok + witnessed)) -gt 100 ]]
	[[ $rows -ge $((ok + witnessed)) && $rows -le $((ok + witnessed + failed + refused)) ]]
}

# only_the_database_refused - requires that each failure is an answer of the app, which says that
# the database refused.
only_the_database_refused() {
	[[ $(jq '.failures | del(.status_5xx) | add // 0' "$BATS_FILE_TMPDIR/rows.json") -eq 0 ]]
	! grep -v -E '^[0-9]+ 503 no row: ' "$BATS_FILE_TMPDIR/refused"
}

# tell_outage - prints the seconds between the first and the last refusal of the witness.
tell_outage() {
	local first last
	read -r first _ <"$BATS_FILE_TMPDIR/refused" || return 0
	read -r last _ < <(tail -n 1 "$BATS_FILE_TMPDIR/refused")
	printf '  refused for %d ms\n' $(((last - first) / 1000)) >&3
}

# outage_ends - waits until rows are written again, ends the load, and tells how long it took.
outage_ends() {
	within 20 writes_rows
	sleep 2
	rows_end
	tell_outage
}

# writes_rows - true if the app answers with a row.
writes_rows() {
	[[ $(fetch shop '/row?name=probe' --output /dev/null --write-out '%{http_code}') == 200 ]]
}

# boots - starts the machine again, which has stopped, and waits until the app writes rows.
boots() {
	local begin=$EPOCHREALTIME
	"$top/tests/world" up "$world" </dev/null
	e2e_setup
	within 120 writes_rows
	printf '  rows again %d ms after the start\n' \
		$(((${EPOCHREALTIME/./} - ${begin/./}) / 1000)) >&3
}

@test "deploys: no request and no row is lost" {
	local n
	load_rows
	for ((n = 1; n <= ${DEPLOYS:-50}; n++)); do
		commit_and_push shop "v$n" >"$BATS_FILE_TMPDIR/push.txt" || {
			cat "$BATS_FILE_TMPDIR/push.txt"
			return 1
		}
	done
	rows_end
	[[ $(released shop) == "v$((n - 1))" ]]
	[[ $failed -eq 0 && $refused -eq 0 && $rows -eq $((ok + witnessed)) ]]
	no_row_is_lost
	# Each release has written some.
	[[ $(sql 'SELECT count(DISTINCT release) FROM rows') -ge ${DEPLOYS:-50} ]]
}

@test "a restart of the database: the requests that it refuses, and no row" {
	load_rows
	dokku_run tinypg:restart store
	outage_ends
	only_the_database_refused
	no_row_is_lost
	[[ $((failed + refused)) -gt 0 ]]
}

@test "kill -9 of the database: the same" {
	load_rows
	in_world docker kill dokku.tinypg.store
	in_world docker start dokku.tinypg.store
	outage_ends
	only_the_database_refused
	no_row_is_lost
}

@test "an upgrade of its container: the same, and the app finds the new one without a deploy" {
	local old
	old=$(in_world docker inspect --format '{{.Id}} {{.Image}}' dokku.tinypg.store)
	load_rows
	in_world env TINYPG_IMAGE_VERSION=15-next dokku tinypg:upgrade store
	outage_ends
	[[ $(in_world docker inspect --format '{{.Id}} {{.Image}}' dokku.tinypg.store) != "$old" ]]
	[[ $(in_world docker inspect --format '{{.Config.Image}}' dokku.tinypg.store) == postgres:15-next ]]
	only_the_database_refused
	no_row_is_lost
}

@test "a backup under load: proven, no request is lost, and a restore brings its rows back" {
	local last
	load_rows
	dokku_run backup:run tinypg:store
	rows_end
	[[ $failed -eq 0 && $refused -eq 0 ]]
	no_row_is_lost
	dokku_run backup:verify tinypg:store
	last=$(sql 'SELECT max(id) FROM rows')
	writes_rows
	dokku_run backup:restore tinypg:store
	[[ $(sql 'SELECT max(id) FROM rows') -le $last ]]
	writes_rows
	# The rows since the backup are gone: that is what was asked for.
	sql "SELECT name FROM rows WHERE name <> ''" | sort >"$BATS_FILE_TMPDIR/acknowledged"
	[[ $(dokku_run tinypg:list) != *backup-check* ]]
}

# A machine that is down answers nobody, so here only rows are counted.
@test "a reboot: no row is lost, and the app writes again by itself" {
	load_rows
	sleep 5
	in_world systemctl reboot || true
	await 30 bash -c "'$top/tests/world' list | grep -q '^$world	stopped'"
	clients_end
	boots
	count_rows
	no_row_is_lost
}

@test "a power cut: the same" {
	load_rows
	sleep 5
	"$top/tests/world" stop "$world"
	clients_end
	boots
	count_rows
	no_row_is_lost
}

@test "after all that a deploy loses nothing" {
	load_rows
	commit_and_push shop last
	rows_end
	[[ $failed -eq 0 && $refused -eq 0 ]]
	no_row_is_lost
}
