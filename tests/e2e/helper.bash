# shellcheck shell=bash
# shellcheck disable=SC2016 # for the shell in the world
# What the end-to-end tests share. They run on this machine and act on a world: a Debian of
# its own in which make install was run (tests/world). Pushes and load come from here, as
# from a client of another machine.

top=$(cd "${BATS_TEST_DIRNAME:-.}/../.." && pwd)
world=${DOKKU_TEST_WORLD:-e2e}

# in_world COMMAND… - runs COMMAND as root in the world, with a timeout. It does the same as world
# run in a quarter of the time, because some tests call it a hundred times.
in_world() {
	local cache=${DOKKU_TEST_CACHE:-/var/cache/dokku-tests}
	[[ -e $cache/worlds/$world/ready ]] || return 111
	timeout "${WORLD_TIMEOUT:-120}" "$cache/worlds/$world/enter" "$cache/worlds/$world" root "$@" \
		</dev/null
}

# dokku_run ARG… - runs dokku in the world as root.
dokku_run() { in_world dokku "$@"; }

world_address() { "$top/tests/world" ip "$world"; }

# e2e_setup - called in setup_file. Sets where the world is, and which key may push.
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

# e2e_prepare - makes the world if it is missing, with dokku in it and a key that may push. Sets
# made if it has made it. If the installation fails, prints its log to stderr.
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

# over_ssh COMMAND… - runs a dokku command by ssh, with the key that may push.
over_ssh() {
	# shellcheck disable=SC2086 # words
	timeout 120 $GIT_SSH_COMMAND "dokku@$address" "$@"
}

# build_strike - builds the program that strikes at one command of a deploy.
build_strike() {
	make --silent --no-print-directory -C "$top" -f tests/torture.mk build/tests/e2e/strike
}

# make_app APP WAIT RETIRE - creates APP. Without a CHECKS file its containers must stay up for WAIT
# seconds, and old ones may drain for RETIRE seconds.
make_app() {
	dokku_run apps:create "$1"
	dokku_run checks:set "$1" default-wait "$2"
	dokku_run checks:set "$1" wait-to-retire "$3"
}

# install_stops NAME PATTERN HOOK… - installs the plugin zz-NAME, whose hooks run last. A HOOK that
# has PATTERN in its arguments waits if the file /tmp/NAME/HOOK exists. It renames that file to
# HOOK.at, and goes on when the file /tmp/NAME/go exists. The setup of each test calls reset_stops.
install_stops() {
	in_world bash -c 'dir=/var/lib/dokku/plugins/enabled/zz-$1
		mkdir -p "$dir"
		cat >"$dir/hook" <<-END
			#!/bin/sh
			at=/tmp/$1/\${0##*/}
			case " \$* " in *"$2"*) ;; *) exit 0 ;; esac
			mv "\$at" "\$at.at" 2>/dev/null || exit 0
			while [ ! -e /tmp/$1/go ]; do sleep 0.05; done
		END
		chmod 755 "$dir/hook"
		for hook in "${@:3}"; do ln -sf hook "$dir/$hook"; done' bash "$@"
}

# reset_stops NAME - lets no hook of install_stops wait.
reset_stops() { in_world bash -c 'rm -rf "/tmp/$1" && mkdir -m 777 "/tmp/$1"' bash "$1"; }

# stop_at NAME HOOK - lets the next HOOK of install_stops wait.
stop_at() { in_world bash -c 'rm -f "/tmp/$1"/* && touch "/tmp/$1/$2"' bash "$@"; }

# remove_stops NAME - removes what install_stops has installed.
remove_stops() { in_world rm -rf "/var/lib/dokku/plugins/enabled/zz-$1" "/tmp/$1"; }

repo() { printf '%s/%s' "$BATS_FILE_TMPDIR" "$1"; }

# commit APP RELEASE [make-repo options] - commits the next version to the repository of APP.
commit() {
	local app=$1 release=$2
	shift 2
	"$top/tests/apps/make-repo" "$(repo "$app")" --app "$app" --release "$release" "$@" \
		>/dev/null
}

# commit_files APP OPTION… - commits all files in the repository of APP as they are, with these
# options of git commit.
commit_files() {
	git -C "$(repo "$1")" add --all
	git -C "$(repo "$1")" -c user.name=e2e -c user.email=e2e@example.com commit --quiet \
		--allow-empty "${@:2}"
}

# commit_with_worker APP RELEASE [make-repo options] - commits the next version, with a web, a
# worker and a check that has 10 s.
commit_with_worker() {
	mkdir -p "$(repo "$1")"
	printf 'web: /web\nworker: /web worker\n' >"$(repo "$1")/Procfile"
	commit "$@"
	printf 'WAIT=1\nTIMEOUT=5\nATTEMPTS=10\n/ My Amazing App\n' >"$(repo "$1")/CHECKS"
	commit "$@"
}

# push APP [REF] - pushes, prints what the user sees to stdout, and returns the status of git.
push() {
	timeout "${PUSH_TIMEOUT:-120}" git -C "$(repo "$1")" push "dokku@$address:$1" "${2:-main}" \
		2>&1 | sed -e 's/^remote: //' -e 's/ *$//'
	return "${PIPESTATUS[0]}"
}

# commit_and_push APP RELEASE [OPTION…] - does both, see above.
commit_and_push() {
	commit "$@" && push "$1"
}

# fetch APP [PATH] [curl options] - requests PATH of APP from outside, through nginx. The variable
# proxy_port is the port of another proxy.
fetch() {
	local app=$1 path=${2:-/}
	shift
	[[ $# -eq 0 ]] || shift
	curl --silent --max-time 10 --header "Host: $app.localhost" "$@" \
		"http://$address:${proxy_port:-80}$path"
}

# fetch_host HOST [PATH] [curl options] - the same of a host name. (With fetch and a header Host it
# would be that of the app.)
fetch_host() {
	curl --silent --max-time 10 --resolve "$1:80:$address" "${@:3}" "http://$1${2:-/}"
}

# released APP - prints which release answers now.
released() { fetch "$1" / --head | tr -d '\r' | sed -n 's/^X-Release: //p'; }

# image_of APP RELEASE - prints the name of its image, which has a random part.
image_of() {
	in_world bash -c 'docker image ls --format "{{.Repository}}:{{.Tag}}" "dokku/$1" | grep -E -m 1 ":v$2(-|$)"' bash "$@"
}

# assert_serves APP RELEASE - requires that RELEASE of APP answers.
assert_serves() {
	local is
	is=$(released "$1")
	[[ $is == "$2" ]] || {
		printf '%s serves "%s", not "%s"\n' "$1" "$is" "$2" >&2
		return 1
	}
}

# load_begin NAME APP [load options] - starts clients that never retry, until load_end NAME. Their
# rate is low, because nginx itself closes a connection after a thousand requests.
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
	kill -0 "$(<"$BATS_FILE_TMPDIR/$name.pid")" || {
		cat "$BATS_FILE_TMPDIR/$name.txt"
		return 1
	}
}

# load_end NAME - stops the clients and prints their report. Fails if a request failed.
load_end() {
	local status=0
	touch "$BATS_FILE_TMPDIR/$1.stop"
	wait "$(<"$BATS_FILE_TMPDIR/$1.pid")" || status=$?
	cat "$BATS_FILE_TMPDIR/$1.txt"
	return "$status"
}

# only_resets NAME - true if all failures are resets of a reused connection. A reload of nginx
# causes them in clients that do not notice that their connection was closed.
only_resets() {
	! sed -n 's/^failed: //p' "$BATS_FILE_TMPDIR/$1.txt" |
		grep --quiet --invert-match ': reset_reused [0-9]*$'
}

# await SECONDS COMMAND… - repeats COMMAND until it succeeds, for three times SECONDS, because the
# tests run in parallel and also on slow machines. Use within for a time that dokku promises.
await() { within $((3 * $1)) "${@:2}"; }

# within SECONDS COMMAND… - repeats COMMAND until it succeeds. Fails after SECONDS.
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

# push_struck APP MODE TEXT - pushes, and kills all processes of the push on the server when a
# command with TEXT in it starts.
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

# leftovers APP - prints everything of APP that does not belong to its current release.
leftovers() {
	in_world /src/tests/e2e/leftovers "$1"
}

has_no_leftovers() { [[ -z $(leftovers "$1") ]]; }

# assert_clean APP - waits until nothing is left over, because old containers drain in the
# background.
assert_clean() {
	await 20 has_no_leftovers "$1" || {
		leftovers "$1" >&2
		return 1
	}
}
