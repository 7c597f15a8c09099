#!/usr/bin/env bats
# docs/databases.md: a database without a plugin. The files and commands are those of the page.

# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # shells in the world; bats; the helpers set them

load helper

setup_file() {
	e2e_setup
	make --silent --no-print-directory -C "$top" build/tests/apps/web-rows
	export WEB_BINARY=$top/build/tests/apps/web-rows
	"$top/tests/service-images" "$world" postgres:15
	repository db
	dokku_run checks:set --global wait-to-retire 5
	server_runs server
	# The image of the tests asks for a password in clear text only if it is told to.
	dokku_run config:set db POSTGRES_HOST_AUTH_METHOD=password
}

teardown_file() {
	local app
	for app in shop db; do
		dokku_run --force apps:destroy "$app" || true
	done
	dokku_run checks:set --global wait-to-retire
	dokku_run --force network:destroy db-net || true
	in_world rm -rf /var/lib/dokku/data/storage/db-data
	dokku_run storage:destroy db-data || true
}

part() { "$top/tests/doc-part" "$top/docs/databases.md" "$@"; }

# repository APP - makes the repository of the page.
repository() {
	git init --quiet --initial-branch main "$(repo "$1")"
	part file Dockerfile >"$(repo "$1")/Dockerfile"
	part file Procfile >"$(repo "$1")/Procfile"
	commit_files "$1" --message one
}

# server_runs NAME - runs these commands of the page as root on the server.
server_runs() { part run "$1" | "$top/tests/world" run "$world" -- bash -eux; }

sql() { dokku_run enter db database psql -U postgres -At -c "$1"; }

# container - prints the ID of the container of the database.
container() {
	in_world sh -c 'cd /var/lib/dokku/data/releases/db &&
		awk "{ print \$3; exit }" "$(cat current)/containers"'
}

refused() { if "$@"; then return 1; fi; }

writes_rows() {
	[[ $(fetch shop /row --output /dev/null --write-out '%{http_code}') == 200 ]]
}

@test "the commands of the page: the database goes live, and an app writes into it" {
	(cd "$(repo db)" && part run push | sed "s/your-server/$address/" | bash -eux)
	make_app shop 0 5
	server_runs app
	commit_and_push shop v1
	sql 'CREATE TABLE rows (id bigserial PRIMARY KEY, release text, name text)'
	writes_rows
	[[ $(sql 'SELECT count(*) FROM rows') -eq 1 ]]
}

@test "nobody else reaches it: no port of the server, no other app" {
	refused timeout 3 bash -c ": </dev/tcp/$address/5432"
	commit other v1
	make_app other 0 5
	push other
	dokku_run config:set other "$(dokku_run config:export shop | grep DATABASE_URL |
		sed "s/^export //; s/'//g")"
	[[ $(fetch other /row) == *'the database cannot be reached'* ]]
	dokku_run --force apps:destroy other
}

# servers - prints how many containers have the folder of the database.
servers() {
	in_world docker ps --quiet --filter volume=/var/lib/dokku/data/storage/db-data | wc -l
}

# watch_servers - until the file stop exists, records the largest number of servers in most.
watch_servers() {
	local now most=0
	while [[ ! -e $BATS_FILE_TMPDIR/stop ]]; do
		now=$(servers)
		[[ $now -le $most ]] || most=$now
		printf '%s\n' "$most" >"$BATS_FILE_TMPDIR/most"
	done
}

@test "a restart and a push: never two servers, its rows are there, and shop finds it again" {
	local rows id watcher begin change
	rows=$(sql 'SELECT count(*) FROM rows')
	watch_servers 3>&- &
	watcher=$!
	for change in restart push; do
		id=$(container)
		begin=$EPOCHREALTIME
		if [[ $change == restart ]]; then
			dokku_run ps:restart db
		else
			commit_files db --message two
			push db
		fi
		await 20 writes_rows
		printf '%s: rows again after %d ms\n' "$change" \
			$(((${EPOCHREALTIME/./} - ${begin/./}) / 1000)) >&3
		[[ $(container) != "$id" ]]
	done
	touch "$BATS_FILE_TMPDIR/stop"
	wait "$watcher"
	[[ $(<"$BATS_FILE_TMPDIR/most") -eq 1 && $(servers) -eq 1 ]]
	[[ $(sql 'SELECT count(*) FROM rows') -gt $rows ]]
}

@test "a release that cannot start: the old server is there again, with its rows" {
	local rows
	rows=$(sql 'SELECT count(*) FROM rows')
	printf 'database: /no/such/program\n' >"$(repo db)/Procfile"
	commit_files db --message broken
	refused push db
	part file Procfile >"$(repo db)/Procfile"
	commit_files db --message whole
	await 20 writes_rows
	[[ $(servers) -eq 1 && $(sql 'SELECT count(*) FROM rows') -gt $rows ]]
}

@test "a container that is killed or removed comes back, under the same name" {
	local id verb
	for verb in 'docker kill' 'docker rm -f'; do
		id=$(container)
		[[ -n $id ]]
		in_world sh -c "$verb $id"
		await 30 writes_rows
	done
}

@test "dump and load, as the table says" {
	local command rows
	command=$(sed -n 's/^| dump it | `\(.*\)` |$/\1/p' "$top/docs/databases.md")
	rows=$(sql 'SELECT count(*) FROM rows')
	in_world bash -euc "cd /root && $command"
	sql 'DROP TABLE rows'
	command=$(sed -n 's/^| load the dump into an empty one | `\(.*\)` |$/\1/p' "$top/docs/databases.md")
	in_world bash -euc "cd /root && $command"
	[[ $(sql 'SELECT count(*) FROM rows') -eq $rows ]]
	in_world rm /root/db.sql
}
