# shellcheck shell=bash
# What the end-to-end tests share. They run on this machine and act on a world: a Debian of
# its own in which make install was run (tests/world). Pushes and load come from here, as
# from a client of another machine.

top=$(cd "${BATS_TEST_DIRNAME:-.}/../.." && pwd)
world=${DOKKU_TEST_WORLD:-e2e}

# in_world COMMAND… - as root in the world; no command there may hang. What world run does in the
# end, at a quarter of its price: some tests ask a hundred times.
in_world() {
	local cache=${DOKKU_TEST_CACHE:-/var/cache/dokku-tests}
	[[ -e $cache/worlds/$world/ready ]] || return 111
	timeout "${WORLD_TIMEOUT:-120}" "$cache/bin/enter" "$cache/worlds/$world" root "$@" \
		</dev/null
}

# dokku_run ARG… - dokku in the world, as root there.
dokku_run() { in_world dokku "$@"; }

world_address() { "$top/tests/world" ip "$world"; }

# e2e_setup - in setup_file: where the world is, and the key that may push.
e2e_setup() {
	address=$(world_address)
	keys=${DOKKU_TEST_KEYS:-/var/cache/dokku-tests/keys.$world}
	mkdir -p "$keys"
	[[ -f $keys/key ]] || ssh-keygen -q -t ed25519 -N '' -C e2e -f "$keys/key"
	export address keys
	export GIT_SSH_COMMAND="ssh -i $keys/key -o IdentitiesOnly=yes -o StrictHostKeyChecking=no"
	GIT_SSH_COMMAND+=" -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=10"
	export WEB_BINARY=$top/build/tests/apps/web
}

# e2e_prepare - the world is there, with dokku in it and a key that may push. Sets made where it was
# made. The log of an installation that fails is on stderr.
e2e_prepare() {
	made=""
	make --silent --no-print-directory -C "$top" build/tests/apps/web build/tests/load/load
	if ! in_world true 2>/dev/null; then
		"$top/tests/world" up "$world" --from base </dev/null
		# shellcheck disable=SC2034 # for who sources this
		made=1
	fi
	if ! in_world test -e /usr/local/bin/dokku; then
		timeout 500 "$top/tests/world" run "$world" -- sh -c \
			'git clone --quiet /src /root/dokku && make -C /root/dokku install' \
			</dev/null || return
	fi
	e2e_setup
	in_world bash -c "printf '%s\n' '$(<"$keys/key.pub")' >/tmp/e2e.pub && dokku ssh-keys:list | grep -q . || dokku ssh-keys:add e2e /tmp/e2e.pub"
}

# over_ssh COMMAND… - as its owner's key may: through the forced command.
over_ssh() {
	# shellcheck disable=SC2086 # words
	timeout 120 $GIT_SSH_COMMAND "dokku@$address" "$@"
}

repo() { printf '%s/%s' "$BATS_FILE_TMPDIR" "$1"; }

# commit APP RELEASE [make-repo options] - the next version of APP's repo.
commit() {
	local app=$1 release=$2
	shift 2
	"$top/tests/apps/make-repo" "$(repo "$app")" --app "$app" --release "$release" "$@" \
		>/dev/null
}

# push APP [REF] - what the user sees on stdout, git's status.
push() {
	timeout "${PUSH_TIMEOUT:-120}" git -C "$(repo "$1")" push "dokku@$address:$1" "${2:-main}" \
		2>&1 | sed -e 's/^remote: //' -e 's/ *$//'
	return "${PIPESTATUS[0]}"
}

# commit_and_push APP RELEASE [OPTION…]
commit_and_push() {
	commit "$@" && push "$1"
}

# fetch APP [PATH] [curl options] - through nginx, from outside; proxy_port is that of another
# proxy.
fetch() {
	local app=$1 path=${2:-/}
	shift
	[[ $# -eq 0 ]] || shift
	curl --silent --max-time 10 --header "Host: $app.localhost" "$@" \
		"http://$address:${proxy_port:-80}$path"
}

# released APP - which release answers now.
released() { fetch "$1" / --head | tr -d '\r' | sed -n 's/^X-Release: //p'; }

# image_of APP RELEASE - the name of its image, which has a random part.
image_of() {
	in_world bash -c 'docker image ls --format "{{.Repository}}:{{.Tag}}" "dokku/$1" | grep -E -m 1 ":v$2(-|$)"' bash "$@"
}

# assert_serves APP RELEASE
assert_serves() {
	local is
	is=$(released "$1")
	[[ $is == "$2" ]] || {
		printf '%s serves "%s", not "%s"\n' "$1" "$is" "$2" >&2
		return 1
	}
}

# load_begin NAME APP [load options] - clients that never retry, until load_end NAME. At a rate
# that stays below the thousand requests after which nginx itself closes a connection.
load_begin() {
	local name=$1 app=$2 modes=(--mode get=8 --mode close=4 --mode post=8)
	shift 2
	[[ " $* " != *' --mode '* ]] || modes=()
	rm -f "$BATS_FILE_TMPDIR/$name.stop"
	"$top/build/tests/load/load" --url "http://$app.localhost/" \
		--connect "$address:${proxy_port:-80}" "${modes[@]}" --rate 10 \
		--expect-app "$app" --until-file "$BATS_FILE_TMPDIR/$name.stop" \
		--json "$BATS_FILE_TMPDIR/$name.json" "$@" \
		>"$BATS_FILE_TMPDIR/$name.txt" 2>&1 3>&- &
	printf '%s\n' "$!" >"$BATS_FILE_TMPDIR/$name.pid"
	sleep 0.5
	kill -0 "$(<"$BATS_FILE_TMPDIR/$name.pid")"
}

# load_end NAME - its report; fails if a request did.
load_end() {
	local status=0
	touch "$BATS_FILE_TMPDIR/$1.stop"
	wait "$(<"$BATS_FILE_TMPDIR/$1.pid")" || status=$?
	cat "$BATS_FILE_TMPDIR/$1.txt"
	return "$status"
}

# only_resets NAME - whether no failure is of another kind than a reset of a reused connection. That
# is what an nginx reload costs clients that do not look whether a connection was closed.
only_resets() {
	! sed -n 's/^failed: //p' "$BATS_FILE_TMPDIR/$1.txt" |
		grep --quiet --invert-match ': reset_reused [0-9]*$'
}

# await SECONDS COMMAND… - until it succeeds. It is given three times that: the tests run side by
# side, also on machines on which starting a program takes ten milliseconds. What is promised is
# within.
await() { within $((3 * $1)) "${@:2}"; }

# within SECONDS COMMAND… - until it succeeds, and not a second more.
within() {
	local deadline=$((EPOCHSECONDS + $1))
	shift
	until "$@"; do
		((EPOCHSECONDS < deadline)) || {
			printf 'not within its time: %s\n' "$*" >&2
			return 1
		}
		sleep 0.1
	done
}

# push_struck APP MODE TEXT - a push, of which everything on the server's side dies at the command
# with TEXT in it.
push_struck() {
	local app=$1 mode=$2 text=$3 striking
	in_world bash -c \
		'exec /src/build/tests/e2e/strike -p "$(pgrep --oldest --exact sshd)" -b /dokku \
			-t 60 -l "/tmp/$0.log" "$@"' \
		"$app" -a "$mode" -m "$text" 3>&- &
	striking=$!
	await 5 in_world bash -c \
		'grep -q "^TracerPid:.[1-9]" "/proc/$(pgrep --oldest --exact sshd)/status"'
	run push "$app"
	wait "$striking"
	[[ $status -ne 0 ]]
	[[ -n $(in_world grep ^struck "/tmp/$app.log") ]]
}

# leftovers APP - what there is of APP besides its current release; nothing, in the end.
leftovers() {
	in_world /src/tests/e2e/leftovers "$1"
}

has_no_leftovers() { [[ -z $(leftovers "$1") ]]; }

# assert_clean APP - soon: old containers drain in the background.
assert_clean() {
	await 20 has_no_leftovers "$1" || {
		leftovers "$1" >&2
		return 1
	}
}
