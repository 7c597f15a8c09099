# shellcheck shell=bash
# shellcheck disable=SC2016 # for the shell in the world
# What the tests of odd hosts share. Each file is one kind of host: it makes a machine of its own,
# gives it a history, installs dokku and pushes an app. The machine has the packages that dokku
# needs but no dokku, so that an installation takes seconds.

# The end-to-end helper finds the repository by this.
hosts_dir=${BATS_TEST_DIRNAME-}
BATS_TEST_DIRNAME=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
# One machine per test file, so that files can run side by side.
DOKKU_TEST_WORLD=${HOST_WORLD:-host-$(basename "${BATS_TEST_FILENAME:-none}" .bats)}
export DOKKU_TEST_WORLD
# shellcheck source=tests/e2e/helper.bash
source "$BATS_TEST_DIRNAME/helper.bash"
BATS_TEST_DIRNAME=$hosts_dir

# packages_layer NAME [WORLD-UP-OPTION…] - sets NAME to the layer with the packages that dokku
# needs, and makes it where it is missing. The options choose another base, such as --suite trixie.
packages_layer() {
	local key maker
	key=$(printf '%s\n' "${@:2}" ${DOKKU_TEST_SUITE:+"$DOKKU_TEST_SUITE"} |
		cat - "$top/plugins/common/dependencies" "$top/plugins/common/lib/packages" |
		sha256sum)
	printf -v "$1" 'packages-%s' "${key:0:10}"
	(
		exec 9>"${DOKKU_TEST_CACHE:-/var/cache/dokku-tests}/locks/${!1}"
		flock 9
		[[ ! -d ${DOKKU_TEST_CACHE:-/var/cache/dokku-tests}/layers/${!1} ]] || exit 0
		maker=${!1}
		"$top/tests/world" up "$maker" "${@:2}" 9>&- </dev/null
		timeout 500 "$top/tests/world" run "$maker" -- /src/plugins/common/dependencies \
			9>&- </dev/null
		# Stop the daemons first, so that no file is copied half-written.
		"$top/tests/world" stop "$maker" 9>&-
		"$top/tests/world" save "$maker" "${!1}" 9>&-
		"$top/tests/world" down "$maker" 9>&-
	) >&2
}

# host_up [WORLD-UP-OPTION…] - makes a machine with the packages, without dokku. For setup_file.
host_up() {
	local layer
	packages_layer layer "$@"
	"$top/tests/world" down "$world" >/dev/null 2>&1 || true
	"$top/tests/world" up "$world" --from "$layer" "$@" </dev/null
	make --silent --no-print-directory -C "$top" build/tests/apps/web build/tests/load/load
	e2e_setup
	in_world git clone --quiet /src /root/dokku
	# HOST_REV names another commit, to see that a test fails without the code that it tests.
	[[ -z ${HOST_REV-} ]] || in_world git -C /root/dokku checkout --quiet "$HOST_REV"
}

# host_install - runs make install on the machine. Prints its output and returns its status.
host_install() {
	timeout 500 "$top/tests/world" run "$world" -- sudo make -C /root/dokku install </dev/null \
		2>&1
}

# host_key - adds our key to those that may push.
host_key() {
	in_world bash \
		-c \
		"printf '%s\n' '$(
			<"$keys/key.pub"
		)' >/tmp/e2e.pub && dokku ssh-keys:add e2e /tmp/e2e.pub"
}

# host_with_app APP [WORLD-UP-OPTION…] - a machine with dokku and the first release of APP.
host_with_app() {
	host_up "${@:2}"
	host_install
	host_key
	commit_and_push "$1" v1
}

# ip_of APP - prints the address of the first container of APP, such as 10.86.128.2.
ip_of() {
	local endpoint
	endpoint=$(endpoint_of "$1")
	printf '%s\n' "${endpoint%:*}"
}

# endpoint_of APP - prints its address and port, such as 10.86.128.2:5000.
endpoint_of() {
	in_world sh -c 'cd "/var/lib/dokku/data/releases/$1" &&
		awk "{ print \$4 \":\" \$5; exit }" "$(cat current)/containers"' sh "$1"
}

# host_down - removes the machine, unless KEEP_WORLD=1 is set. For teardown_file.
host_down() { [[ -n ${KEEP_WORLD-} ]] || "$top/tests/world" down "$world"; }

# host_lan - another machine of a LAN, the network namespace lan of the world, that sends what is
# for our network to this host.
host_lan() {
	in_world bash -euc '
		ip netns add lan
		ip link add lan0 type veth peer name eth0 netns lan
		ip address add 192.0.2.1/24 dev lan0
		ip link set lan0 up
		ip -netns lan address add 192.0.2.2/24 dev eth0
		ip -netns lan link set eth0 up
		ip -netns lan link set lo up
		ip -netns lan route add 10.86.0.0/16 via 192.0.2.1'
}
