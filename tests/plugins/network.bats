#!/usr/bin/env bats
# network: the Docker network that make install creates, and that is created again if it is missing.

load ../helper

setup() {
	world
	made_plugins network
	export STATE="$BATS_TEST_TMPDIR/network"
	# The engine's network: what the file holds, absent where it is empty. docker changes it.
	network 10.86.0.0/16
	fake_engine <<-'BODY'
		[[ $2 == /networks/dokku ]] || exit 0
		[[ -z ${ENGINE_DOWN-} ]] || { printf 'the Docker engine does not answer\n' >&2; exit 1; }
		[[ -s $STATE ]] || { printf '{"message":"network dokku not found"}'; exit 22; }
		cat "$STATE"
	BODY
	fake docker <<-'BODY'
		case "$1 $2" in
		"network rm") : >"$STATE" ;;
		"network create") [[ -z ${POOL_TAKEN-} ]] || { echo "Pool overlaps with other one on this address space" >&2; exit 1; }
			[[ -z ${CHAINS_GONE-} ]] || { echo "iptables: No chain/target/match by that name." >&2; exit 1; }
			cp "$STATE.right" "$STATE" ;;
		esac
	BODY
	cp "$STATE" "$STATE.right"
	CREATE="docker network create --driver bridge --ipv6=false --subnet 10.86.0.0/16 --gateway 10.86.0.1 --ip-range 10.86.192.0/18 --label dokku= --opt com.docker.network.bridge.name=dokku0 dokku"
}

# network SUBNET [JQ] - gives the engine a network with SUBNET, changed by a filter of jq.
network() {
	local base=${1%.0.0/16}
	jq -n --arg subnet "$1" --arg base "$base" \
		'{ Driver: "bridge", EnableIPv6: false, Containers: {},
		IPAM: { Config: [{ Subnet: $subnet, Gateway: "\($base).0.1",
		IPRange: "\($base).192.0/18" }] },
		Options: { "com.docker.network.bridge.name": "dokku0" } } | '"${2-.}" >"$STATE"
}

heal() { got "$PLUGIN_PATH/network/heal"; }

@test "heal: a network that is as it should be is left alone, and so is one of an older version" {
	heal
	assert_success ""
	network 10.86.0.0/16 '.IPAM.Config[0].IPRange = "10.86.128.0/17"'
	heal
	assert_success ""
	assert_calls ""
}

@test "heal: one that was removed is made again, as make install makes it" {
	: >"$STATE"
	heal
	assert_status 0
	assert_output "       Docker network dokku: 10.86.0.0/16"
	assert_error " !     The Docker network dokku was removed: creating it again"
	assert_calls "$CREATE"
}

@test "heal: one that somebody else has made, and nobody uses, is replaced, whatever is different" {
	differs() {
		network "${1% *}" "${1##* }"
		: >"$CALLS"
		heal
		assert_status 0 &&
			assert_error " !     The Docker network dokku was not created by dokku," \
				"and no container runs on it: replacing it" &&
			assert_calls "docker network rm dokku
$CREATE"
	}
	each differs <<-'END'
		172.20.0.0/16 .
		10.86.0.0/16 .Options={}
		10.86.0.0/16 .EnableIPv6=true
		10.86.0.0/16 .Driver="macvlan"
		10.86.0.0/16 del(.IPAM.Config[0].IPRange)
		10.86.0.0/16 .IPAM.Config[0].Gateway="10.86.0.9"
	END
}

@test "heal: one on which containers run is not touched, and it is said what to do" {
	network 172.20.0.0/16 '.Containers = { abc: {}, def: {} }'
	heal
	assert_status 1
	assert_error " !     The Docker network dokku is not the one that dokku created:" \
		"its subnet is 172.20.0.0/16, not 10.86.0.0/16, or another property differs." \
		"Containers run on it: abc, def. Stop them, or disconnect them with:" \
		"docker network disconnect dokku CONTAINER. Then dokku creates its own network."
	assert_calls ""
}

@test "heal: an engine that does not answer, or a subnet that is taken, is said, and nothing is made" {
	ENGINE_DOWN=1 heal
	assert_refused \
		"the Docker network dokku could not be inspected: the Docker engine does not answer"
	assert_calls ""
	: >"$STATE"
	POOL_TAKEN=1 heal
	assert_status 1
	assert_error_like "*Pool overlaps*could not be created*docker network ls"
	assert_equal "" "$(<"$STATE")"
}

@test "heal: the network that another process has made in the same moment, such as make install, is as good" {
	: >"$STATE"
	fake docker <<<'cp "$STATE.right" "$STATE"
		echo "network with name dokku already exists" >&2; exit 1'
	heal
	assert_status 0
	assert_error " !     The Docker network dokku was removed: creating it again"
}

@test "heal: where a firewall has taken Docker's chains, it is said what brings them back" {
	: >"$STATE"
	CHAINS_GONE=1 heal
	assert_status 1
	assert_error_like "*No chain/target*not be created*rules are gone*systemctl restart docker*"
	[[ $error != *'docker network ls'* ]]
}

@test "heal: without the file that names the subnet it asks for root" {
	rm "$TEST_HOST/etc/dokku/network"
	heal
	assert_refused "$TEST_HOST/etc/dokku/network is missing," \
		"so the subnet of dokku is unknown: run sudo dokku plugin:trigger install"
}

@test "heal: several at once make it once" {
	local i pids=()
	: >"$STATE"
	fake docker <<<'[[ $2 != create ]] || { sleep 0.2; cp "$STATE.right" "$STATE"; }'
	for i in 1 2 3 4; do
		"$PLUGIN_PATH/network/heal" >/dev/null 2>&1 &
		pids+=("$!")
	done
	for i in "${pids[@]}"; do
		wait "$i"
	done
	assert_calls "$CREATE"
}

@test "a container is started on a network that is made first" {
	made_plugins scheduler-docker-local
	make_app web
	make_release web 1 web=0
	: >"$STATE"
	got "$PLUGIN_PATH/scheduler-docker-local/scheduler-start" docker-local web 1
	assert_status 0
	assert_calls "$CREATE
engine GET /containers/json?all=true&filters=%7B%22label%22%3A%5B%22com.dokku.app-name%3Dweb%22%2C%22com.dokku.container-type%3Ddeploy%22%5D%7D /containers/{}/json"
}

@test "install: keeps its subnet, adopts its own network where the file is gone, and no one else's" {
	"$PLUGIN_PATH/network/install"
	assert_file "$TEST_HOST/etc/dokku/network" 10.86.0.0/16
	assert_calls ""
	rm "$TEST_HOST/etc/dokku/network"
	network 10.91.0.0/16
	"$PLUGIN_PATH/network/install"
	assert_file "$TEST_HOST/etc/dokku/network" 10.91.0.0/16
	assert_calls ""
	rm "$TEST_HOST/etc/dokku/network"
	network 172.20.0.0/16 '.Options = {}'
	fake ip <<<''
	: >"$CALLS"
	got "$PLUGIN_PATH/network/install"
	assert_status 0
	assert_file "$TEST_HOST/etc/dokku/network" 10.86.0.0/16
	assert_equal "docker network rm dokku
$CREATE" "$(grep ^docker "$CALLS")"
}

@test "install: a subnet that no route of the host overlaps, however wide or narrow it is" {
	# chosen SUBNET, with the routes on stdin
	chosen() {
		fake ip <<<"cat <<'ROUTES'
$(cat)
ROUTES"
		rm -f "$TEST_HOST/etc/dokku/network"
		network 172.20.0.0/16 '.Options = {}'
		got "$PLUGIN_PATH/network/install"
		assert_status 0
		assert_file "$TEST_HOST/etc/dokku/network" "$1"
	}
	chosen 10.86.0.0/16 <<<'default via 192.168.1.1 dev eth0'
	chosen 10.87.0.0/16 <<<'10.86.3.0/24 dev lan scope link'
	chosen 10.87.0.0/16 <<<'local 10.86.3.1 dev lan table local'
	chosen 10.96.0.0/16 <<<'10.80.0.0/12 via 192.168.1.7 dev vpn'
	chosen 10.88.0.0/16 <<<'10.86.0.0/15 via 192.168.1.7 dev vpn'
	chosen 10.128.0.0/16 <<<'10.0.0.0/9 via 192.168.1.7 dev vpn'
	chosen 10.86.0.0/16 <<-'ROUTES'
		0.0.0.0/1 via 192.168.1.7 dev vpn
		128.0.0.0/1 via 192.168.1.7 dev vpn
		10.8.0.0/24 dev vpn scope link
		unreachable 10.86.0.0/16 metric 4294967295
		108.86.0.0/16 via 192.168.1.7 dev vpn
	ROUTES
	[[ $stderr != *'inside a route'* ]]
	# Routes of other kinds. One with our prefix length would take precedence over our bridge,
	# so that subnet is not chosen. One with a shorter prefix would not.
	chosen 10.90.0.0/16 <<-'ROUTES'
		blackhole 10.0.0.0/8
		unreachable 10.86.0.0/16 proto static
		blackhole 10.87.0.0/16 metric 100
		prohibit 10.88.4.0/24
		throw 10.89.0.0/16 table vpn
	ROUTES
	[[ $stderr != *'inside a route'* ]]
	# All of 10.0.0.0/8 is a VPN's: what has no route of its own there.
	chosen 10.87.0.0/16 <<-'ROUTES'
		10.0.0.0/8 via 192.168.1.7 dev vpn
		10.86.12.0/24 dev lan scope link
	ROUTES
	[[ $stderr == *'The network 10.87.0.0/16 is inside a route of this host.'* ]]
}

# users_networks - makes a fake engine with the networks in the file NETS, one name per line. It
# records which containers are connected.
users_networks() {
	export NETS="$BATS_TEST_TMPDIR/nets"
	printf '%s\n' "$@" >"$NETS"
	fake_engine <<-'BODY'
		case "$1 $2" in
		"GET /networks/dokku") exit 0 ;;
		GET\ /networks/*) name=${2##*/}
			grep -qx "$name" "$NETS" || { printf '{"message":"network %s not found"}' "$name"; exit 22; }
			printf '{"Name":"%s","Id":"id-%s","Driver":"bridge","Scope":"local","Containers":{"c":{"Name":"web.web.1.v1"}}}' "$name" "$name" ;;
		GET\ /networks*) jq -cR '{ Name: ., Id: "id-\(.)", Driver: "bridge", Scope: "local", Labels: {} }' "$NETS" | jq -cs . ;;
		"POST /networks/create") json=$(cat); jq -r .Name <<<"$json" >>"$NETS"
			jq -r '.Options["com.docker.network.bridge.name"], (.Labels | tojson)' <<<"$json" >>"$NETS.made" ;;
		POST\ /networks/*/connect) name=${2%/connect}; name=${name##*/}
			jq -r --arg name "$name" '"\($name) \(.Container) \(.EndpointConfig.Aliases[0] // "-")"' >>"$STEPS"
			[[ $name != full ]] || { printf '{"message":"no address is free"}'; exit 22; }
			[[ $name != there ]] || { printf '{"message":"endpoint with name web already exists in network there"}'; exit 22; } ;;
		DELETE\ *) name=${2##*/}; [[ $name != used ]] || { printf '{"message":"network used has active endpoints"}'; exit 22; }
			sed -i "/^$name\$/d" "$NETS" ;;
		esac
	BODY
}

@test "network:create, :exists, :list, :info, :destroy: networks of users, and not those of dokku and docker" {
	local name
	users_networks used
	dokku network:create db
	assert_status 0
	# The packet filter knows bridges of apps by their names.
	[[ $(<"$NETS.made") =~ ^dokku-[0-9a-f]{8}$'\n''{"com.dokku.network-name":"db"}'$ ]]
	dokku network:create db
	assert_refused "network:create: the network db exists already; nothing was changed"
	dokku network:exists db
	assert_success "-----> Network exists"
	dokku network:exists none
	assert_refused "Network does not exist"
	dokku --quiet network:list
	assert_success $'db\nused'
	dokku network:list --format json
	assert_equal '["db","used"]' "$(jq -c 'map(.name)' <<<"$output")"
	dokku network:info db --format json
	assert_equal '["db",["web.web.1.v1"]]' "$(jq -c '[.name, .containers]' <<<"$output")"
	dokku network:destroy used
	assert_status 1
	[[ $stderr == *'network used has active endpoints'*'network:info used'* ]]
	dokku network:destroy db
	assert_success "-----> Destroyed the network db"
	for name in dokku bridge host none '' 'a b' ../x -x "$(printf 'a%.0s' {1..64})"; do
		dokku network:create -- "$name"
		[[ $status -ne 0 && $(<"$NETS") == used ]]
	done
}

@test "network:set: a release is on the networks that it was deployed with, by name from the switch" {
	local id
	users_networks db shared there
	make_app web
	dokku network:set web attach-post-create db there
	assert_success \
		"-----> web: attach-post-create is now db,there; in force with the next deploy"
	dokku network:set web attach-post-deploy shared,db
	dokku network:set web initial-network none-such
	assert_status 0
	[[ $stderr == *'the network none-such does not exist yet: dokku network:create none-such'* ]]
	make_release web 2
	export DOKKU_RELEASE=2
	got "$PLUGIN_PATH/network/pre-deploy" web image
	assert_refused "web: the network none-such does not exist:" \
		"dokku network:create none-such creates it, dokku network:report web shows which" \
		"setting names it"
	dokku network:set web initial-network
	make_release web 2
	got "$PLUGIN_PATH/network/pre-deploy" web image
	assert_success ""
	code network 'network_attach start web 2 web c1'
	assert_success ""
	assert_steps $'db c1 -\nthere c1 -'
	printf 'web 1 c1 10.86.128.1 5000\nworker 1 c2 10.86.128.2 5000\n' \
		>"$DOKKU_LIB_ROOT/data/releases/web/2/containers"
	: >"$STEPS"
	dokku network:set web tld internal
	got "$PLUGIN_PATH/network/core-post-deploy" web 80 10.86.0.2 2
	assert_success ""
	assert_steps $'shared c1 web.web.internal\nshared c2 web.worker.internal'
	dokku network:set web attach-post-deploy dokku
	assert_refused \
		"network:set: the network dokku belongs to dokku or Docker; nothing was changed"
}

@test "network: a switch fails where a name cannot be given, a switch back does not" {
	users_networks full
	make_app web
	make_release web 2
	printf 'switch full\n' >"$DOKKU_LIB_ROOT/data/releases/web/2/networks"
	printf 'web 1 c1 10.86.128.1 5000\n' >"$DOKKU_LIB_ROOT/data/releases/web/2/containers"
	got "$PLUGIN_PATH/network/core-post-deploy" web 80 10.86.0.2 2
	assert_status 1
	[[ $stderr == *'c1 cannot be put on the network full: no address is free' ]]
	printf '2\n' >"$DOKKU_LIB_ROOT/data/releases/web/current"
	got "$PLUGIN_PATH/network/core-post-deploy" web 80 10.86.0.2 2
	assert_status 0
}

@test "network:set bind-all-interfaces: false, the default; true is refused, with what to do instead" {
	make_app web
	dokku network:set web bind-all-interfaces false
	assert_status 0
	dokku network:report web --network-computed-bind-all-interfaces
	assert_success false
	dokku network:set web bind-all-interfaces true
	assert_refused "network:set: each deploy would lose the visitors who come straight to a" \
		"port of a container. dokku ports:add web http:3000:5000 lets the proxy serve" \
		"the app at port 3000 of all interfaces; nothing was changed"
	dokku network:set --global bind-all-interfaces true
	assert_status 1
	[[ $stderr == *"ports:add APP http"* ]]
}

@test "network:set static-web-listener: at once, for an app without a release; a deploy is refused" {
	hook fake proxy-build-config </dev/null
	make_app web blog
	dokku network:set web static-web-listener 127.0.0.1:8080 10.0.0.2:80
	assert_success "-----> web: static-web-listener is now 127.0.0.1:8080,10.0.0.2:80;" \
		"the proxy brings the visitors there"
	assert_steps "proxy-build-config nginx web static"
	local value
	for value in nope 127.0.0.1 127.0.0.1:0 127.0.0.1:65536 ::1:80 "127.0.0.1:80," a.b.c.d:80; do
		dokku network:set web static-web-listener "$value"
		assert_status 1
	done
	dokku network:report web --network-static-web-listener
	assert_success 127.0.0.1:8080,10.0.0.2:80
	make_release web 1
	DOKKU_RELEASE=1 got "$PLUGIN_PATH/network/pre-deploy" web image
	assert_refused "web: its visitors go to 127.0.0.1:8080,10.0.0.2:80, not to containers," \
		"because of the setting static-web-listener: dokku network:set web" \
		"static-web-listener removes it"
	: >"$STEPS"
	dokku network:set web static-web-listener
	assert_status 0
	assert_steps "proxy-build-config nginx web "
	make_release blog 1
	make_current blog 1
	dokku network:set blog static-web-listener 127.0.0.1:8080
	assert_refused "network:set: blog has releases, which have its visitors:" \
		"static-web-listener is for apps without one; nothing was changed"
	dokku network:set --global static-web-listener 127.0.0.1:8080
	assert_status 2
}
