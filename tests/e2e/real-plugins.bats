#!/usr/bin/env bats
# Plugins of Dokku's community, unmodified. They are not in this repository: REAL_PLUGINS is a
# folder with their repositories, such as REAL_PLUGINS/dokku-redis. The images come from
# tests/service-images. docs/plugins.md has the results.

# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # shells in the world; bats; the helpers set them

load helper

setup_file() {
	[[ -n ${REAL_PLUGINS-} ]] || skip "REAL_PLUGINS is not set"
	e2e_setup
	make --silent --no-print-directory -C "$top" build/tests/apps/web-rows
	export WEB_BINARY=$top/build/tests/apps/web-rows
	"$top/tests/service-images" "$world" postgres:15 postgres:15-next redis:7 redis:7-next \
		mysql:10.11 mysql:10.11-next busybox:1.37.0-uclibc dokku/wait:0.9.3 \
		dokku/ambassador:0.8.2
	make_app real 0 5
	commit_and_push real v1
	in_world install --directory --owner dokku --mode 700 /mnt/backups
}

teardown_file() {
	local type
	dokku_run --force apps:destroy real || true
	dokku_run backup:set --global target || true
	for type in redis postgres mysql; do
		dokku_run --force "$type:destroy" copy || true
		dokku_run --force "$type:destroy" db || true
	done
	for type in redis postgres mysql http-auth redirect; do
		dokku_run plugin:uninstall "$type" || true
	done
	in_world rm -rf /mnt/backups
}

# refused COMMAND… - true if it fails: a plain ! fails no test.
refused() { if "$@"; then return 1; fi; }

# version_of TYPE - prints the version that the images of TYPE have here.
version_of() {
	case $1 in
	redis) echo 7 ;;
	postgres) echo 15 ;;
	mysql) echo 10.11 ;;
	esac
}

# take NAME - copies the plugin into the world, and installs it.
take() {
	git clone --quiet "$REAL_PLUGINS/dokku-$1" "$BATS_FILE_TMPDIR/dokku-$1"
	git -C "$BATS_FILE_TMPDIR/dokku-$1" log -1 --format="$1 %h" >&3
	tar --directory "$BATS_FILE_TMPDIR" --create --file - "dokku-$1" |
		"$top/tests/world" run "$world" -- tar --directory /root --extract --no-same-owner \
			--file -
	in_world env "${1^^}_DISABLE_PULL=true" "${1^^}_IMAGE_VERSION=$(version_of "$1")" \
		dokku plugin:install --name "$1" "/root/dokku-$1"
	# Not a file of the plugin was changed.
	[[ -z $(in_world git -C "/var/lib/dokku/plugins/available/$1" status --porcelain) ]]
}

# with_version TYPE VERSION COMMAND… - runs dokku, and the plugin starts images of VERSION.
with_version() { in_world env "${1^^}_IMAGE_VERSION=$2" dokku "${@:3}"; }

# type_in TYPE TEXT - gives TEXT to the connect command of the service db.
type_in() { "$top/tests/world" run "$world" -- dokku "$1:connect" "${3-db}" <<<"$2"; }

# store TYPE VALUE, stored TYPE [SERVICE] - what the service db has.
store() {
	case $1 in
	redis) type_in redis "SET v $2" ;;
	postgres) type_in postgres "CREATE TABLE IF NOT EXISTS t (v text); DELETE FROM t; INSERT INTO t VALUES ('$2');" ;;
	mysql) type_in mysql "CREATE TABLE IF NOT EXISTS t (v text); DELETE FROM t; INSERT INTO t VALUES ('$2');" ;;
	esac
}

stored() {
	case $1 in
	redis) type_in redis "GET v" "${2-}" ;;
	*) type_in "$1" "SELECT v FROM t;" "${2-}" ;;
	esac | grep -o 'value-[a-z]*'
}

# has TYPE VALUE [SERVICE] - true if the service has that.
has() { [[ $(stored "$1" "${3-db}") == "$2" ]]; }

# lifecycle TYPE VARIABLE - tests the main commands of a plugin of a database.
lifecycle() {
	local version
	version=$(version_of "$1")
	take "$1"
	# The app of the tests knows no other way to send a password.
	in_world env "${1^^}_IMAGE_VERSION=$version" \
		"${1^^}_CUSTOM_ENV=POSTGRES_HOST_AUTH_METHOD=password" dokku "$1:create" db
	dokku_run "$1:exists" db
	dokku_run "$1:list" | grep -w db
	dokku_run "$1:info" db --version | grep ":$version"
	dokku_run "$1:link" db real
	[[ $(dokku_run config:get real "$2") == *"dokku-$1-db"* ]]
	dokku_run "$1:links" db | grep -w real
	dokku_run "$1:app-links" real | grep -w db
	dokku_run "$1:linked" db real
	store "$1" value-one
	has "$1" value-one
	dokku_run "$1:logs" db >/dev/null
	dokku_run "$1:enter" db true
}

# export_import TYPE - requires that import brings back what export has dumped.
export_import() {
	in_world bash -c "dokku $1:export db >/root/$1.dump && [[ -s /root/$1.dump ]]"
	store "$1" value-two
	# dokku-redis starts a container of its default image, whatever the service has.
	in_world env "${1^^}_IMAGE_VERSION=$(version_of "$1")" \
		bash -c "dokku $1:import db </root/$1.dump"
	await 20 has "$1" value-one
}

# backups TYPE - our backup of the service to a folder is proven, and brings the value back.
backups() {
	dokku_run backup:set --global target /mnt/backups
	dokku_run backup:run "$1:db"
	[[ -n $(in_world find "/mnt/backups/$1:db" -name '*.tar') ]]
	dokku_run backup:verify "$1:db"
	store "$1" value-three
	dokku_run backup:restore "$1:db"
	await 20 has "$1" value-one
	[[ $(dokku_run "$1:list" | grep -c backup-check) -eq 0 ]]
	dokku_run backup:set --global target
}

# reaches TYPE SERVICE - true if the service and a container of the app are on the link's network.
reaches() {
	local names
	names=$(in_world docker network inspect "dokku-link-dokku.$1.$2" \
		--format '{{range .Containers}} {{.Name}}{{end}}')
	[[ $names == *" dokku.$1.$2"* && $names == *" real."* ]]
}

# upgrades TYPE - another image, the same data, and the app still reaches it.
upgrades() {
	with_version "$1" "$(version_of "$1")-next" "$1:upgrade" db
	dokku_run "$1:info" db --version | grep -e '-next'
	await 20 has "$1" value-one
	await 20 reaches "$1" db
	dokku_run "$1:stop" db
	with_version "$1" "$(version_of "$1")-next" "$1:start" db
	dokku_run "$1:restart" db
	await 20 has "$1" value-one
	await 20 reaches "$1" db
}

# exposes TYPE - requires that a port of the server leads to the service from expose to unexpose.
exposes() {
	dokku_run "$1:expose" db 15999
	await 20 bash -c ": </dev/tcp/$address/15999"
	dokku_run "$1:unexpose" db
	refused timeout 3 bash -c ": </dev/tcp/$address/15999"
}

# clones TYPE VARIABLE - requires that a copy has the value, can be linked, and becomes the one that
# the app uses.
clones() {
	with_version "$1" "$(version_of "$1")" "$1:clone" db copy
	await 20 has "$1" value-one copy
	dokku_run "$1:link" copy real
	[[ $(dokku_run config:get real "$2") == *"dokku-$1-db"* ]]
	dokku_run "$1:promote" copy real
	[[ $(dokku_run config:get real "$2") == *"dokku-$1-copy"* ]]
	reaches "$1" copy
	dokku_run "$1:unlink" copy real
	dokku_run --force "$1:destroy" copy
}

# schedules TYPE - tests the plugin's own backups, as far as that works without a store.
schedules() {
	dokku_run "$1:backup-auth" db key secret
	dokku_run "$1:backup-schedule" db '0 3 * * *' bucket
	dokku_run "$1:backup-schedule-cat" db | grep "$1:backup db bucket"
	in_world test -s "/etc/cron.d/dokku-$1-db"
	dokku_run "$1:backup-unschedule" db
	refused in_world test -e "/etc/cron.d/dokku-$1-db"
	dokku_run "$1:backup-deauth" db
}

# ends TYPE - removes the link and the service, and requires that the app serves without them.
ends() {
	dokku_run "$1:unlink" db real
	refused dokku_run "$1:linked" db real
	refused grep -q "dokku-$1-db" <<<"$(dokku_run config:export real)"
	dokku_run --force "$1:destroy" db
	refused dokku_run "$1:exists" db
	refused in_world docker inspect "dokku.$1.db"
	[[ $(released real) == v1 ]]
}

@test "redis: install, help, create, link, info, connect, logs, enter" { lifecycle redis REDIS_URL; }
@test "redis: export, import" { export_import redis; }
@test "redis: our backup" { backups redis; }
@test "redis: upgrade, stop, start, restart" { upgrades redis; }
@test "redis: expose, unexpose" { exposes redis; }
@test "redis: clone, promote" { clones redis REDIS_URL; }
@test "redis: its own backups, without a store" { schedules redis; }
@test "redis: unlink, destroy" { ends redis; }

@test "postgres: install, create, link, info, connect, logs, enter" { lifecycle postgres DATABASE_URL; }

@test "postgres: the app writes by the link, through an upgrade and a deploy" {
	type_in postgres 'CREATE TABLE rows (id bigserial PRIMARY KEY, release text, name text);'
	await 20 writes_rows
	commit_and_push real v1
	await 20 writes_rows
	[[ $(type_in postgres 'SELECT count(*) FROM rows;' | grep -c '^ *2$') -eq 1 ]]
}

# writes_rows - true if the app answers with a row that it has written.
writes_rows() {
	[[ $(fetch real /row --output /dev/null --write-out '%{http_code}') == 200 ]]
}

@test "postgres: export, import" { export_import postgres; }
@test "postgres: our backup" { backups postgres; }
@test "postgres: upgrade, stop, start, restart" {
	upgrades postgres
	await 20 writes_rows
}
@test "postgres: expose, unexpose" { exposes postgres; }
@test "postgres: clone, promote" { clones postgres DATABASE_URL; }
@test "postgres: its own backups, without a store" { schedules postgres; }
@test "postgres: unlink, destroy" { ends postgres; }

@test "mysql: install, create, link, info, connect, logs, enter" { lifecycle mysql DATABASE_URL; }
@test "mysql: export, import" { export_import mysql; }
@test "mysql: our backup" { backups mysql; }
@test "mysql: upgrade, stop, start, restart" { upgrades mysql; }
@test "mysql: expose, unexpose" { exposes mysql; }
@test "mysql: clone, promote" { clones mysql DATABASE_URL; }
@test "mysql: its own backups, without a store" { schedules mysql; }
@test "mysql: unlink, destroy" { ends mysql; }

# https_of HOST PATH [curl options] - requests PATH of HOST over https.
https_of() {
	curl --silent --insecure --max-time 10 --resolve "$1:443:$address" "${@:3}" "https://$1$2"
}

# status_of SCHEME [curl options] - prints the status of / of the app.
status_of() {
	local words=(--output /dev/null --write-out '%{http_code}' "${@:2}")
	if [[ $1 == https ]]; then
		https_of real.localhost / "${words[@]}"
	else
		fetch real / "${words[@]}"
	fi
}

# both_answer STATUS [curl options] - http and https answer with STATUS.
both_answer() {
	[[ $(status_of http "${@:2}") == "$1" && $(status_of https "${@:2}") == "$1" ]]
}

@test "http-auth: enable, add-user, remove-user, report, show-config, disable; over https, too" {
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=real.localhost \
		-keyout "$BATS_FILE_TMPDIR/server.key" -out "$BATS_FILE_TMPDIR/server.crt" 2>/dev/null
	tar --directory "$BATS_FILE_TMPDIR" --create --file - server.crt server.key |
		"$top/tests/world" run "$world" -- dokku certs:add real
	await 10 both_answer 200
	take http-auth
	dokku_run http-auth:enable real ann first
	dokku_run http-auth:add-user real bob second
	# Only now the plugin makes its lines again, with users.
	dokku_run http-auth:add-allowed-ip real 203.0.113.9
	await 10 both_answer 401
	both_answer 401 --user ann:second
	both_answer 200 --user ann:first
	both_answer 200 --user bob:second
	dokku_run http-auth:report real --http-auth-users | grep 'ann bob'
	[[ $(dokku_run http-auth:report real --http-auth-enabled) == true ]]
	dokku_run http-auth:show-config real | grep auth_basic
	# Checks are asked through nginx, too, so they need the password, as docs/plugins.md says.
	refused commit_and_push real v1
	dokku_run config:set --no-restart real "AUTH=$(printf 'ann:first' | base64)"
	printf '/ My Amazing App\n  > Authorization: Basic {{ var "AUTH" }}\n' \
		>"$(repo real)/CHECKS"
	commit_and_push real v1
	both_answer 401
	dokku_run http-auth:remove-user real bob
	await 10 both_answer 401 --user bob:second
	both_answer 200 --user ann:first
}

@test "http-auth: add-allowed-ip, remove-allowed-ip" {
	local own
	own=$(ip route get "$address" | sed -n 's/.* src \([0-9.]*\).*/\1/p')
	dokku_run http-auth:add-allowed-ip real "$own"
	await 10 both_answer 200
	dokku_run http-auth:remove-allowed-ip real "$own"
	await 10 both_answer 401
	dokku_run http-auth:remove-allowed-ip real 203.0.113.9
	dokku_run http-auth:disable real
	await 10 both_answer 200
}

# leads_to HOST SCHEME CODE LOCATION - true if / of HOST answers so.
leads_to() {
	local words=(--output /dev/null --write-out '%{http_code} %{redirect_url}') is
	if [[ $2 == https ]]; then
		is=$(https_of "$1" /path "${words[@]}")
	else
		is=$(fetch_host "$1" /path "${words[@]}")
	fi
	[[ $is == "$3 $4" ]]
}

@test "redirect: set, list, unset; over https, too" {
	take redirect
	dokku_run redirect:set real old.example.com real.localhost
	dokku_run redirect:set real older.example.com real.localhost 302
	dokku_run redirect real | grep old.example.com
	await 10 leads_to old.example.com http 301 http://real.localhost/path
	leads_to old.example.com https 301 https://real.localhost/path
	leads_to older.example.com http 302 http://real.localhost/path
	leads_to older.example.com https 302 https://real.localhost/path
	commit_and_push real v1
	leads_to old.example.com https 301 https://real.localhost/path
	both_answer 200
	dokku_run redirect:unset real old.example.com
	refused leads_to old.example.com http 301 http://real.localhost/path
	leads_to older.example.com https 302 https://real.localhost/path
	dokku_run redirect:unset real older.example.com
	both_answer 200
}
