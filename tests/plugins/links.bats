#!/usr/bin/env bats
# shellcheck disable=SC2016
# Links: --link CONTAINER:ALIAS in docker options puts an app's container on the network of
# CONTAINER.

load ../helper

setup() {
	world
	made_plugins docker-options
	make_app web
	export NETS=$BATS_TEST_TMPDIR/nets THERE=$BATS_TEST_TMPDIR/there
	: >"$NETS"
	printf 'dokku.redis.db\n' >"$THERE"
	# The networks in NETS, as "NAME CONTAINER ALIAS", and the containers in THERE.
	fake_engine <<-'BODY'
		case "$1 $2" in
		GET\ /networks/*) name=${2##*/}
			grep -q "^$name " "$NETS" || { printf '{"message":"network %s not found"}' "$name"; exit 22; }
			printf '{"Name":"%s"}\n' "$name" ;;
		GET\ /networks*) jq -cR 'split(" ") | { Name: .[0], Labels: { "com.dokku.link": .[1], "com.dokku.link-alias": .[2] } }' "$NETS" | jq -cs . ;;
		"POST /networks/create") jq -r '"\(.Name) \(.Labels["com.dokku.link"]) \(.Labels["com.dokku.link-alias"])"' >>"$NETS" ;;
		POST\ /networks/*/connect) jq -c . >>"$STEPS" ;;
		DELETE\ /networks/*) sed -i "/^${2##*/} /d" "$NETS" ;;
		GET\ /containers/json*) printf '[%s]\n' "${USERS-}" ;;
		GET\ /containers/*) name=${2%/json} name=${name##*/}
			grep -qx "$name" "$THERE" || { printf '{"message":"no such container"}'; exit 22; }
			printf '{"Id":"id","NetworkSettings":{"Networks":{"%s":{"NetworkID":"n"}}}}\n' "${ON-bridge}" ;;
		esac
	BODY
}

links() {
	code scheduler-docker-local/lib/links "$@"
}

@test "links_of: both forms, among other options" {
	links 'links_of list "--memory 1g --link dokku.redis.db:dokku-redis-db --link=other -e X=--link"
		printf "%s\n" "${list[@]}"'
	assert_success "dokku.redis.db dokku-redis-db
other other"
	links 'links_of list "--memory 1g"; printf "%s" "${#list[@]}"'
	assert_success 0
}

@test "links_attach: the app's container and the linked one are on a network of their own" {
	links 'links_attach web "--link dokku.redis.db:dokku-redis-db" 1234567890ab'
	assert_success ""
	assert_file "$NETS" "dokku-link-dokku.redis.db dokku.redis.db dokku-redis-db"
	assert_steps '{"Container":"1234567890ab"}
{"Container":"dokku.redis.db","EndpointConfig":{"Aliases":["dokku-redis-db"]}}'
}

@test "links_attach: a linked container that is not there is a warning that names it" {
	: >"$THERE"
	links 'links_attach web "--link dokku.redis.db:dokku-redis-db" 1234567890ab'
	assert_status 0
	assert_error " !     web: it is linked to the container dokku.redis.db, which is not there: dokku-redis-db leads nowhere until it is started again"
	assert_steps '{"Container":"1234567890ab"}'
}

@test "links_attach: what is no name never reaches the engine" {
	links 'links_attach web "--link a/../b:c" 1234567890ab'
	assert_status 0
	assert_error " !     --link a/../b:c: not the names of a container and an alias"
	assert_calls ""
}

@test "links_heal: a container that was made anew is put on its network; an unused network goes" {
	links links_heal
	assert_success ""
	assert_calls "engine GET /networks?filters=%7B%22label%22%3A%5B%22com.dokku.link%22%5D%7D"
	printf 'dokku-link-dokku.redis.db dokku.redis.db dokku-redis-db\n' >"$NETS"
	links links_heal
	assert_steps \
		'{"Container":"dokku.redis.db","EndpointConfig":{"Aliases":["dokku-redis-db"]}}'
	: >"$STEPS"
	ON=dokku-link-dokku.redis.db links links_heal
	assert_steps ""
	: >"$THERE"
	USERS='{"Id":"1"}' links links_heal
	assert_file "$NETS" "dokku-link-dokku.redis.db dokku.redis.db dokku-redis-db"
	links links_heal
	assert_file "$NETS" ""
}
