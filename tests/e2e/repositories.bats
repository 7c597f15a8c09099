#!/usr/bin/env bats
# Unusual repositories, with real pushes by ssh. A push that git would refuse is refused before the
# build, the branch is always the live commit, links do not lead out of the tree, and BuildKit
# works.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # each test is a subshell; the helper sets address

load helper

setup_file() {
	# By itself it makes its machine.
	e2e_prepare >/dev/null
	dokku_run apps:destroy --force repos >/dev/null 2>&1 || true
	make_app repos 1 2
	commit repos v1
	push repos
}

teardown_file() {
	dokku_run apps:destroy --force repos || true
	dokku_run apps:destroy --force shallow || true
	in_world git config --system --unset-all receive.denyNonFastForwards || true
	in_world git config --system --unset-all transfer.hideRefs || true
}

git_repo() { git -C "$(repo repos)" -c user.name=t -c user.email=t@example.com "$@"; }

# branch APP - prints the commit of the branch main that a client sees.
branch() { git ls-remote "dokku@$address:$1" refs/heads/main | cut -f 1; }

# push_refs WORD… - runs git push with these words. Sets output to what the user sees.
push_refs() {
	run git -C "$(repo "${app:-repos}")" push "$@"
	output=$(sed -e 's/^remote: //' -e 's/ *$//' <<<"$output")
}

# assert_unbuilt MESSAGE… - requires that the push was refused with only this message, before a
# build, and that release v from before serves.
assert_unbuilt() {
	[[ $status -ne 0 ]]
	grep -qxF " !     $*" <<<"$output"
	[[ $output != *Building* ]]
}

# amend - adds the changed files to the last commit.
amend() {
	git_repo add --all
	git_repo commit --quiet --amend --no-edit
}

@test "an annotated tag as the branch is refused before the build, and the commit it names goes live" {
	commit repos v2
	git_repo tag --annotate --message release v2.0
	push_refs "dokku@$address:repos" v2.0:main
	assert_unbuilt "repos: the branch main wants a commit, and v2.0 is an annotated tag:" \
		"git push dokku v2.0^{}:main"
	assert_serves repos v1
	push_refs "dokku@$address:repos" 'v2.0^{}:main' v2.0
	[[ $status -eq 0 ]]
	assert_serves repos v2
	[[ $(branch repos) == "$(git_repo rev-parse main)" ]]
}

@test "a shallow clone into a new app is refused before the build, and once it is whole it goes live" {
	local app=shallow
	git clone --quiet --depth 1 "file://$(repo repos)" "$(repo shallow)"
	push_refs "dokku@$address:shallow" main
	assert_unbuilt "shallow: the push leaves out history that it builds on:" \
		"if this is a shallow clone, run git fetch --unshallow, then push again"
	in_world git -c safe.directory='*' -C /home/dokku/shallow fsck --connectivity-only
	git -C "$(repo shallow)" fetch --quiet --unshallow
	push_refs "dokku@$address:shallow" main
	[[ $status -eq 0 && $(branch shallow) == "$(git_repo rev-parse main)" ]]
}

@test "--atomic with a name in the way, and what the git config of the server forbids, are refused before the build" {
	commit repos v3
	push_refs --atomic "dokku@$address:repos" main main:refs/heads/main/x
	assert_unbuilt "repos: git cannot set refs/heads/main/x: 'refs/heads/main' exists:" \
		"delete that one, git push dokku :refs/heads/main, or choose another name;" \
		"nothing was built"
	in_world git config --system receive.denyNonFastForwards true
	git_repo reset --quiet --hard main~1
	git_repo commit --quiet --amend --message other
	push_refs --force "dokku@$address:repos" main
	in_world git config --system --unset-all receive.denyNonFastForwards
	assert_unbuilt "repos: receive.denyNonFastForwards in the git config of this server" \
		"forbids to rewrite main: run git fetch, rebase or merge, and push again"
	in_world git config --system transfer.hideRefs refs/heads
	push_refs --force "dokku@$address:repos" main
	in_world git config --system --unset-all transfer.hideRefs
	[[ $status -eq 0 && $(branch repos) == "$(git_repo rev-parse main)" ]]
}

@test "a replace ref is refused, and one of before changes nothing" {
	commit repos v4
	push_refs "dokku@$address:repos" main "main:refs/replace/$(git_repo rev-parse main~1)"
	assert_unbuilt \
		"repos: only branches and tags can be pushed, not refs/replace/$(git_repo \
			rev-parse main~1): push without it"
	in_world setpriv --reuid dokku --regid dokku --clear-groups git -C /home/dokku/repos \
		update-ref "refs/replace/$(branch repos)" "$(branch repos)"
	push repos
	assert_serves repos v4
	push_refs "dokku@$address:repos" ":refs/replace/$(git_repo rev-parse main~1)"
	[[ $status -eq 0 ]]
}

@test "a Dockerfile that is a link to a file of the server prints none of its words" {
	commit repos v5
	ln -sf /etc/dokku/preview-token "$(repo repos)/Dockerfile"
	amend
	push_refs "dokku@$address:repos" main
	[[ $status -ne 0 && $output != *"$(in_world cat /etc/dokku/preview-token)"* ]]
	[[ $output == *'repos: Dockerfile in the repo is a symbolic link, or its folder is one'* ]]
	rm "$(repo repos)/Dockerfile"
	ln -s /etc/dokku "$(repo repos)/deploy"
	amend
	dokku_run builder-dockerfile:set repos dockerfile-path deploy/preview-token
	push_refs "dokku@$address:repos" main
	dokku_run builder-dockerfile:set repos dockerfile-path
	[[ $status -ne 0 && $output != *"$(in_world cat /etc/dokku/preview-token)"* ]]
	[[ $output == *'repos: deploy/preview-token in the repo is a symbolic link, or its folder is one'* ]]
	rm "$(repo repos)/deploy"
	assert_serves repos v4
}

# dockerfile RELEASE - stdin comes before the CMD of the sample's Dockerfile, whose image gets a
# shell.
dockerfile() {
	local file
	file=$(repo repos)/Dockerfile
	commit repos "$1"
	cp "$(readlink -f /bin/bash-static)" "$(repo repos)/sh"
	{
		sed '/^CMD/,$d' "$file"
		# What an earlier run has built would not be built, and print nothing.
		printf 'ENV RUN=%s\nCOPY --chmod=755 sh /bin/sh\nSHELL ["/bin/sh", "-c"]\n' \
			"$EPOCHREALTIME"
		cat
		sed -n '/^CMD/,$p' "$file"
	} >"$file.new"
	mv "$file.new" "$file"
	amend
}

@test "BuildKit: COPY --chmod, RUN --mount=type=cache, and what is shown" {
	dockerfile v6 <<<$'RUN --mount=type=cache,target=/cache echo "cache: $(</cache/x)"; echo from-6 >/cache/x; printf "\\033[31mred\\033[0m\\n"'
	push_refs "dokku@$address:repos" main
	[[ $status -eq 0 ]]
	assert_serves repos v6
	grep -qxF '       COPY --chmod=755 sh /bin/sh' <<<"$output"
	grep -qxF '       red' <<<"$output"
	[[ $output != *sha256* && $output != *'#'[0-9]* && $output != *$'\e'* &&
		$output != *CACHED* && $output != *'[internal]'* ]]
	[[ $(in_world docker image inspect \
		--format '{{index .Config.Labels "com.dokku.app-name"}}' \
		"$(in_world docker inspect --format '{{.Config.Image}}' repos.web.1)") == repos ]]
	# Its own cache is there the next time. Once, on a busy machine, a build right after it got
	# an empty one. BuildKit may still have held the other, but that was not shown.
	sleep 3
	dockerfile v7 <<<$'RUN --mount=type=cache,target=/cache echo "cache: $(</cache/x)"'
	push_refs "dokku@$address:repos" main
	grep -qxF '       cache: from-6' <<<"$output"
	# Another app has another one.
	local app=shallow
	rm -rf "$(repo shallow)"
	git clone --quiet "$(repo repos)" "$(repo shallow)"
	sed -i 's/cache: /cache of another: /' "$(repo shallow)/Dockerfile"
	git -C "$(repo shallow)" -c user.name=t -c user.email=t@example.com commit \
		--quiet --all --message other
	push_refs --force "dokku@$address:shallow" main
	grep -qxF '       cache of another: ' <<<"$output " ||
		grep -qxF '       cache of another:' <<<"$output"
}

@test "BuildKit: a step that fails is shown with what it printed, the error last" {
	dockerfile v8 <<<'RUN echo before; exit 3'
	push_refs "dokku@$address:repos" main
	[[ $status -ne 0 ]]
	[[ $output == *'       RUN echo before; exit 3
       before
       executor failed running [/bin/sh -c echo before; exit 3]: exit code: 3
 !     repos: its Dockerfile does not build: see the last step above, correct it, and push again'* ]]
	assert_serves repos v7
}

@test "BuildKit: a frontend that cannot be had is told" {
	commit repos v9
	sed -i '1i # syntax=docker/dockerfile:1' "$(repo repos)/Dockerfile"
	amend
	push_refs "dokku@$address:repos" main
	[[ $status -ne 0 ]]
	grep -qxF ' !     repos: its Dockerfile does not build: its line "# syntax=docker/dockerfile:1" needs an image from a registry that this server cannot reach: remove that line, unless the file needs it' <<<"$output"
}

builds() { in_world pgrep -f 'i -lt 100000000' >/dev/null; }
builds_nothing() { ! builds; }

@test "a build that is cancelled, whose deploy is killed, or whose docker is killed ends in the engine, and leaves nothing" {
	local how
	for how in cancel kill docker; do
		dockerfile "slow-$how" <<<'RUN i=0; while [ $i -lt 100000000 ]; do i=$((i+1)); done'
		git -C "$(repo repos)" push "dokku@$address:repos" main >/dev/null 2>&1 3>&- &
		await 20 builds
		case $how in
		cancel) dokku_run builds:cancel repos ;;
		kill) in_world bash -c \
			'kill -KILL "$(cut -d " " -f 1 /var/lib/dokku/lock/repos)"' ;;
		docker) in_world pkill -KILL -f '^docker build.*dokku/repos:v' ;;
		esac
		within 5 builds_nothing
		wait
	done
	dokku_run reconcile repos
	assert_serves repos v7
	assert_clean repos
	[[ -z $(in_world docker image ls --quiet --filter dangling=true \
		--filter label=com.dokku.app-name) ]]
	[[ -z $(in_world pgrep -f '^docker build') ]]
}

# cache_size - prints what the engine keeps for later builds and no image has, in bytes.
cache_size() {
	in_world bash -c "set -o pipefail; curl -s --unix-socket /var/run/docker.sock http://x/system/df |
		jq '[.BuildCache[] | select(.Shared | not) | .Size] | add // 0'"
}

# is_retired - succeeds when the last deploy's background work is over. Then the cache is asked
# for once, because the engine spares what a question about the cache looks at.
is_retired() { in_world test ! -e /var/lib/dokku/data/draining/repos/.retire; }

# with_large_stage - puts a stage before the Dockerfile of repos that leaves 20 MB in the build
# cache and a few bytes in the image.
with_large_stage() {
	local file line
	file=$(repo repos)/Dockerfile
	line=$(printf '%0200d' 0)
	{
		printf 'FROM scratch AS large\nCOPY --chmod=755 sh /bin/sh\n'
		printf 'RUN i=0; while [ $i -lt 100000 ]; do i=$((i+1)); echo %s; done' "$line"
		printf ' >/large; echo %s >/small\n' "$EPOCHREALTIME"
		cat "$file"
	} >"$file.new"
	mv "$file.new" "$file"
}

@test "the build cache of an old engine is kept within its limit" {
	local size
	[[ $(in_world docker version --format '{{.Server.Version}}') == 20.* ]] ||
		skip "this engine has a limit of its own"
	dokku_run builder-dockerfile:set --global build-cache
	dockerfile v10 <<<'COPY --from=large /small /small'
	with_large_stage
	amend
	push repos
	await 20 is_retired
	size=$(cache_size)
	[[ $size -gt 20000000 ]]
	dokku_run builder-dockerfile:set --global build-cache 5
	dokku_run ps:restart repos
	await 20 is_retired
	size=$(cache_size)
	[[ $size -le 5000000 ]]
	dokku_run builder-dockerfile:set --global build-cache
	assert_serves repos v10
}
