#!/usr/bin/env bats
# Hostile plugins: whatever the hooks of an installed plugin do, an app that does not use it is
# created, deployed, deployed again and destroyed, and another app serves meanwhile. The units are
# tests/plugins/hostile.bats.

# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # shells in the world; bats; the helpers set them

load helper

setup_file() {
	e2e_setup
	make_app calm 0 5
	commit_and_push calm c1
}

teardown_file() {
	in_world rm -rf /var/lib/dokku/plugins/enabled/aa-bad
	dokku_run --force apps:destroy calm || true
	dokku_run --force apps:destroy prey || true
}

setup() {
	rm -rf "$(repo prey)"
	in_world rm -rf /var/lib/dokku/plugins/enabled/aa-bad
	dokku_run --force apps:destroy prey >/dev/null 2>&1 || true
}

teardown() { touch "$BATS_FILE_TMPDIR/calm.stop"; }

# Hooks that take note, or only answer. No failure of one of them may count for another app.
PLAIN=(pre-start post-deploy post-create pre-delete post-delete docker-args-build
	docker-args-process-build docker-args-deploy docker-args-process-deploy app-port
	ports-domains report)
# Hooks that refuse by an exit status below 124, for all apps: that is what they are for. Any other
# end is an accident.
VETOES=(pre-receive-app pre-change pre-deploy pre-build post-build pre-release-builder
	post-release-builder nginx-pre-reload post-domains-update)

# has_bad MODE CODE HOOK… - installs the plugin aa-bad, whose hooks run before all others. Each
# HOOK has MODE and CODE; an empty CODE is a folder.
has_bad() {
	in_world bash -c 'dir=/var/lib/dokku/plugins/enabled/aa-bad
		rm -rf "$dir" && mkdir -p "$dir" && cd "$dir" || exit
		for hook in "${@:3}"; do
			if [[ -n $2 ]]; then
				printf "#!/usr/bin/env bash\n%s\n" "$2" >"$hook" && chmod "$1" "$hook"
			else
				mkdir "$hook"
			fi
		done' bash "$@"
}

# as_dokku COMMAND… - runs dokku with a time limit of 2 s for each hook of a plugin, not 600 s.
as_dokku() { in_world runuser -u dokku -- env DOKKU_GUEST_SECONDS=2 dokku "$@"; }

# lives - creates prey, deploys it twice, changes its config and destroys it.
lives() {
	dokku_run apps:create prey && dokku_run checks:set prey default-wait 0 &&
		dokku_run checks:set prey wait-to-retire 1 && commit_and_push prey p1 &&
		commit_and_push prey p2 && as_dokku config:set prey A=1 &&
		[[ $(released prey) == p2 ]] && dokku_run --force apps:destroy prey
}

# survives NAMED - prey lives beside aa-bad, while visitors ask calm. With NAMED the messages have
# to name aa-bad. A new site of nginx and one that goes are reloads.
survives() {
	load_begin calm calm
	lives >"$BATS_TEST_TMPDIR/text" 2>&1 || {
		tail -n 40 "$BATS_TEST_TMPDIR/text"
		return 1
	}
	load_end calm || only_resets calm
	nothing_is_left
	[[ $(grep -c $'[\e\a]' "$BATS_TEST_TMPDIR/text") -eq 0 ]]
	[[ -z $1 ]] || grep -q 'the plugin aa-bad' "$BATS_TEST_TMPDIR/text"
}

nothing_is_left() {
	[[ -z $(in_world bash -c 'compgen -G "/home/dokku/prey*"; docker ps --all --quiet \
		--filter label=com.dokku.app-name=prey') ]]
}

@test "exits" {
	has_bad 755 'exit 3' "${PLAIN[@]}"
	survives named
}

@test "hangs, and ignores SIGTERM" {
	has_bad 755 'trap "" TERM; while :; do sleep 0.1; done' "${PLAIN[@]}" "${VETOES[@]}"
	load_begin calm calm
	as_dokku apps:create prey
	as_dokku checks:set prey default-wait 0
	commit prey p1
	# A push has the limits of every day, which are minutes. The image comes another way.
	push_by_archive prey
	[[ $(released prey) == p1 ]]
	run as_dokku --force apps:destroy prey
	[[ $status -eq 0 && $output == *'aa-bad'*'took more than 2 s'* ]]
	load_end calm || only_resets calm
	nothing_is_left
}

# push_by_archive APP - deploys the commit of APP on the server, with the limits of as_dokku.
push_by_archive() {
	git -C "$(repo "$1")" archive --format tar main |
		"$top/tests/world" run "$world" -- runuser -u dokku -- env DOKKU_GUEST_SECONDS=2 \
			dokku git:from-archive "$1" --
}

@test "prints escapes" {
	has_bad 755 'printf "a\033]0;title\007b\r\n\033[2J"; printf "\033[2J\a" >&2; exit 4' \
		"${PLAIN[@]}"
	survives named
}

@test "kills its parent" {
	has_bad 755 'kill -9 "$PPID"; sleep 30' "${PLAIN[@]}" "${VETOES[@]}"
	survives named
}

@test "ends its parent" {
	has_bad 755 'kill "$PPID"; sleep 30' "${PLAIN[@]}" "${VETOES[@]}"
	survives named
}

@test "reads stdin, and asks the terminal" {
	has_bad 755 'cat >/dev/null; read -r x </dev/tty || true' "${PLAIN[@]}" "${VETOES[@]}"
	survives ""
}

@test "leaves children" {
	has_bad 755 'sleep 4711 & exit 0' "${PLAIN[@]}" "${VETOES[@]}"
	survives ""
	await 5 has_no_children
}

has_no_children() { ! in_world pgrep -f '^sleep 4711$'; }

@test "has unset variables" {
	has_bad 755 'set -u; : "$nothing"' "${PLAIN[@]}"
	survives named
}

@test "has no run bit" {
	has_bad 644 'exit 1' "${PLAIN[@]}" "${VETOES[@]}"
	survives named
}

@test "has a folder as a hook" {
	has_bad 755 '' "${PLAIN[@]}" "${VETOES[@]}"
	survives named
}

@test "an accident in each hook that may refuse" {
	has_bad 755 'kill -9 "$$"' "${PLAIN[@]}" "${VETOES[@]}"
	survives named
}

# Each hook may print 10 MB, all of which goes through ssh. So there are few.
@test "fills the disk with what it prints" {
	has_bad 755 'exec yes' pre-deploy docker-args-deploy post-deploy pre-delete
	PUSH_TIMEOUT=300 survives named
}
