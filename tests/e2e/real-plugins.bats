#!/usr/bin/env bats
# Plugins of Dokku's community, unmodified. They are not in this repository: REAL_PLUGINS is a
# folder with their repositories, such as REAL_PLUGINS/dokku-redis. The images come from
# tests/service-images. docs/plugins.md has the results.

# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # shells in the world; bats; the helpers set them

load helper

setup_file() {
	[[ -n ${REAL_PLUGINS-} ]] || skip "REAL_PLUGINS is not set"
	e2e_setup
	"$top/tests/service-images" "$world" postgres:15 redis:7 mysql:10.11 \
		busybox:1.37.0-uclibc dokku/wait:0.9.3 dokku/ambassador:0.8.2
	make_app real 0 5
	commit_and_push real v1
}

teardown_file() {
	local type
	dokku_run --force apps:destroy real || true
	for type in redis postgres mysql; do
		dokku_run --force "$type:destroy" db || true
		dokku_run plugin:uninstall "$type" || true
	done
}

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
}

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

# lifecycle TYPE VARIABLE - the main commands of a plugin of a database.
lifecycle() {
	local version
	version=$(version_of "$1")
	take "$1"
	in_world env "${1^^}_IMAGE_VERSION=$version" dokku "$1:create" db
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

# export_import TYPE - a dump of the service comes back into it.
export_import() {
	in_world bash -c "dokku $1:export db >/root/$1.dump && [[ -s /root/$1.dump ]]"
	store "$1" value-two
	# dokku-redis starts a container of its default image, whatever the service has.
	in_world env "${1^^}_IMAGE_VERSION=$(version_of "$1")" \
		bash -c "dokku $1:import db </root/$1.dump"
	await 20 has "$1" value-one
}

# backups TYPE - our backup of the service is proven, and brings the value back.
backups() {
	dokku_run backup:run "$1:db"
	dokku_run backup:verify "$1:db"
	store "$1" value-three
	dokku_run backup:restore "$1:db"
	await 20 has "$1" value-one
	[[ $(dokku_run "$1:list" | grep -c backup-check) -eq 0 ]]
}

@test "redis: install to linked" { lifecycle redis REDIS_URL; }
@test "redis: export, import" { export_import redis; }
@test "redis: our backup" { backups redis; }

@test "postgres: install to linked" { lifecycle postgres DATABASE_URL; }
@test "postgres: export, import" { export_import postgres; }
@test "postgres: our backup" { backups postgres; }

@test "mysql: install to linked" { lifecycle mysql DATABASE_URL; }
@test "mysql: export, import" { export_import mysql; }
@test "mysql: our backup" { backups mysql; }
