#!/usr/bin/env bats
# git, git-receive-pack, git-upload-pack and git-hook: what a push may bring, and what not.

load ../helper

setup() {
	world
	made_plugins git git-hook git-receive-pack git-upload-pack apps config builder
	hook fake builder-detect <<<'printf "dockerfile\n"'
	hook fake builder-build <<<'ls -A "$3" | paste -sd " " >>"$STEPS"; printf "built\n"'
	hook fake scheduler-start <<<'printf "web 1 id 10.86.128.2 5000\n" >"$DOKKU_LIB_ROOT/data/releases/$2/$3/containers"'
	fake ssh <<<'SSH_ORIGINAL_COMMAND=${!#} exec "$DOKKU"'
	export GIT_SSH="$BIN/ssh"
	SOURCE="$WORLD/my source"
	git init --quiet --initial-branch main "$SOURCE"
	printf 'FROM scratch\n' >"$SOURCE/Dockerfile"
}

# an_app - web, as apps:create makes it.
an_app() { dokku --quiet apps:create web; }

# commit [BRANCH] - all that is in the source, on BRANCH (main).
commit() {
	[[ $# -eq 0 ]] || git -C "$SOURCE" checkout --quiet -B "$1"
	git -C "$SOURCE" add --all
	git -C "$SOURCE" commit --quiet --allow-empty --message change
}

# push REFSPEC… - by a real git push; ssh is a fake that does what sshd does.
push() {
	got git -C "$SOURCE" push --quiet dokku@host:web "$@"
	# As the pusher sees it, without git's own lines.
	remote=$(sed -n 's/^remote: \?//p' <<<"$stderr" | sed 's/ *$//')
	! grep -q "$BATS_RUN_TMPDIR.*: line" <<<"$stderr"
}

# pushed - the push went live as the release N.
went_live() {
	assert_status 0
	assert_equal "$1" "$(current web)"
}

# refused MESSAGE - the push was, for this reason alone, and nothing is left of it.
refused() {
	assert_status 1
	assert_equal " !     $1" "$remote"
	assert_steps ""
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
	assert_equal "" "$(git -C "$DOKKU_ROOT/web" for-each-ref)"
}

@test "a push goes live, with its tree, its files and its commit" {
	an_app
	mkdir "$SOURCE/a dir"
	printf 'x\n' >"$SOURCE/a dir/é file"
	printf '/ ok\n' >"$SOURCE/CHECKS"
	printf 'web: run\n' >"$SOURCE/Procfile"
	commit
	push main
	went_live 1
	local dir="$DOKKU_LIB_ROOT/data/releases/web/1" sha
	sha=$(git -C "$SOURCE" rev-parse HEAD)
	assert_file "$dir/commit" "$sha"
	assert_file "$dir/CHECKS" "/ ok"
	assert_file "$dir/Procfile" "web: run"
	assert_absent "$dir/app.json"
	assert_file "$dir/description" "push ${sha:0:7}"
	assert_file "$dir/port" 5000
	assert_file "$dir/built" ""
	assert_equal "$sha" "$(git -C "$DOKKU_ROOT/web" rev-parse main)"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
	grep -qxF 'CHECKS Dockerfile Procfile a dir' "$STEPS"
	assert_equal "-----> Building web from Dockerfile at ${sha:0:7}" "$(head -n 1 <<<"$remote")"
}

@test "the first push of main picks the branch; another branch is refused after it" {
	an_app
	commit
	push main
	went_live 1
	assert_file "$DOKKU_LIB_ROOT/config/git/web/deploy-branch" main
	: >"$STEPS"
	commit other
	push other
	assert_status 1
	assert_equal " !     web deploys from its branch main, not other: git push dokku other:main, or dokku git:set web deploy-branch other" "$remote"
	assert_steps ""
	push other:master
	assert_status 1
	assert_equal 1 "$(current web)"
	push other:main
	went_live 2
}

@test "the first push of another branch is refused, and picks nothing" {
	an_app
	commit topic
	push topic
	refused "web deploys from its branch master, not topic: git push dokku topic:master, or dokku git:set web deploy-branch topic"
	assert_absent "$DOKKU_LIB_ROOT/config/git"
	push topic:master
	went_live 1
}

@test "main and master in one first push pick nothing: master deploys" {
	an_app
	commit
	git -C "$SOURCE" branch master
	push main master
	went_live 1
	assert_absent "$DOKKU_LIB_ROOT/config/git/web/deploy-branch.x"
	dokku git:set web deploy-branch
	push main:elsewhere
	assert_status 1
}

@test "git:set deploy-branch goes before what a push picks" {
	an_app
	dokku git:set web deploy-branch topic
	assert_success "-----> web: deploy-branch is now topic"
	commit
	push main
	refused "web deploys from its branch topic, not main: git push dokku main:topic, or dokku git:set web deploy-branch main"
	push main:topic
	went_live 1
	dokku git:set web deploy-branch 'a..b'
	assert_refused 'not a branch name: "a..b"; nothing was changed'
	dokku git:set web nope x
	assert_refused 'git:set: no such setting: "nope": there is deploy-branch' 2
}

@test "the branch that deploys cannot be deleted" {
	an_app
	commit
	push main
	: >"$STEPS"
	push :main
	assert_status 1
	assert_equal " !     main is the branch that web deploys from: it cannot be deleted" "$remote"
	assert_steps ""
	assert_equal 1 "$(current web)"
	git -C "$DOKKU_ROOT/web" rev-parse --verify --quiet main >/dev/null
}

@test "tags alone deploy nothing" {
	an_app
	commit
	git -C "$SOURCE" tag v1
	push v1
	assert_status 0
	assert_steps ""
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web"
}

@test "a commit without files is refused" {
	an_app
	rm "$SOURCE/Dockerfile"
	commit
	push main
	assert_status 1
	assert_equal " !     the pushed commit $(git -C "$SOURCE" rev-parse --short=7 HEAD) has no files: nothing to deploy" "$remote"
	assert_steps ""
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/current"
}

@test "CHECKS as a symbolic link is refused, and not followed" {
	an_app
	ln -s /etc/passwd "$SOURCE/CHECKS"
	commit
	push main
	refused "CHECKS in the repo is not a regular file: make it one and push again"
}

@test "a folder named Procfile is refused" {
	an_app
	mkdir "$SOURCE/Procfile"
	touch "$SOURCE/Procfile/x"
	commit
	push main
	refused "Procfile in the repo is not a regular file: make it one and push again"
}

@test "an oversized CHECKS is refused, one of the greatest size is taken" {
	an_app
	head -c 65537 /dev/zero | tr '\0' '#' >"$SOURCE/CHECKS"
	commit
	push main
	refused "CHECKS in the repo has 65537 bytes, more than the 65536 allowed: shorten it and push again"
	truncate -s 65536 "$SOURCE/CHECKS"
	commit
	push main
	went_live 1
}

@test "symbolic links in the tree stay links, and a .git folder is nobody's" {
	an_app
	ln -s /etc/passwd "$SOURCE/link"
	commit
	hook fake builder-build <<<'readlink "$3/link" >>"$STEPS"; ls -A "$3" | paste -sd " " >>"$STEPS"'
	push main
	went_live 1
	grep -qxF /etc/passwd "$STEPS"
	grep -qxF 'Dockerfile link' "$STEPS"
}

@test "a build that fails refuses the push: the ref stays, and nothing is left" {
	an_app
	commit
	hook fake builder-build <<<'printf " !     it does not build\n" >&2; exit 1'
	push main
	assert_status 1
	assert_equal "-----> Building web from Dockerfile at $(git -C "$SOURCE" rev-parse --short=7 HEAD)
 !     it does not build" "$remote"
	assert_equal "" "$(git -C "$DOKKU_ROOT/web" for-each-ref)"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
	assert_equal last "$(ls "$DOKKU_LIB_ROOT/data/releases/web")"
}

@test "a repo that no builder knows is refused" {
	an_app
	hook fake builder-detect </dev/null
	commit
	push main
	assert_status 1
	assert_equal " !     web: nothing here knows how to build this repo: add a Dockerfile at its top, commit, and push again" "$remote"
}

@test "builder:set build-dir: that folder is built, with its own files; a link there is refused" {
	an_app
	dokku builder:set web build-dir services/web
	assert_success "-----> web: build-dir is now services/web"
	mkdir -p "$SOURCE/services/web" "$SOURCE/services/other"
	printf 'web: top\n' >"$SOURCE/Procfile"
	printf 'web: inner\n' >"$SOURCE/services/web/Procfile"
	printf 'FROM scratch\n' >"$SOURCE/services/web/Dockerfile"
	commit
	push main
	went_live 1
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/1/Procfile" "web: inner"
	grep -qxF 'Dockerfile Procfile' "$STEPS"
	rm -r "$SOURCE/services/web"
	ln -s /etc "$SOURCE/services/web"
	commit
	push main
	assert_status 1
	[[ $remote == " !     web: there is no folder services/web in the repo: add it, or change it by dokku builder:set web build-dir"* ]]
	assert_equal 1 "$(current web)"
}

@test "builder:set: folders within the repo, builders that are there, and no other" {
	made_plugins builder builder-dockerfile
	make_app web
	is_refused() {
		dokku builder:set web build-dir -- "$1"
		assert_status 1 && assert_error_like ' !     not a folder of the repository: *; nothing was changed'
	}
	each is_refused <<-'VALUES'
		/etc
		..
		a/../b
		a/.
		a//b
		a/
		a b
		-\n
	VALUES
	dokku builder:set web selected nixpacks
	assert_refused 'no such builder: "nixpacks": there is dockerfile; nothing was changed'
	dokku builder:set web selected dockerfile
	assert_success "-----> web: selected is now dockerfile"
	dokku builder:set web skip-cleanup true
	assert_refused 'builder:set: "skip-cleanup" is not one of selected, build-dir, min-free; nothing was done. Usage: dokku builder:set APP|--global selected|build-dir|min-free [VALUE]' 2
	dokku builder:set --global build-dir app
	dokku builder:report web --builder-computed-build-dir
	assert_success app
	dokku builder:report web --builder-computed-selected
	assert_success dockerfile
	dokku builder:set web selected
	dokku builder:report web --builder-selected
	assert_success ""
}

@test "a first push that is refused says that the app is there" {
	printf 'FROM scratch\n' >"$SOURCE/Dockerfile"
	hook fake builder-build <<<'exit 1'
	commit
	push main
	assert_status 1
	[[ -d $DOKKU_ROOT/web ]]
	[[ $remote == *" !     web is there now, without a release: push again, or remove it by dokku apps:destroy web" ]]
}

@test "the same commit again is pushed by nobody, another one is v2" {
	an_app
	commit
	push main
	commit
	push main
	went_live 2
	push main
	assert_status 0
	assert_equal 2 "$(current web)"
}

@test "a push makes the app, unless that is turned off" {
	commit
	push main
	went_live 1
	assert_equal "-----> Created web" "$(grep -- '^-----> Created' <<<"$stderr")"
	dokku apps:set --global disable-autocreation true
	got "$DOKKU" git-receive-pack "'/other'" </dev/null
	assert_status 1
	got "$DOKKU" git-receive-pack "/other.git" </dev/null
	assert_refused "no such app: other: dokku apps:create other makes it (a push does not, here)"
	assert_absent "$DOKKU_ROOT/other"
}

@test "two first pushes at once: who does not make the app goes on as if it had been there" {
	commit
	# Both have seen that there is none.
	hook fake pre-create <<<'[[ -e $DOKKU_ROOT/web ]] || { mkdir "$BATS_TEST_TMPDIR/once" && "$DOKKU" --quiet apps:create web; } 2>/dev/null || true'
	push main
	went_live 1
	assert_equal "" "$(grep 'already\|Created' <<<"$stderr")"
	dokku apps:destroy --force web
	rm -r "$BATS_TEST_TMPDIR/once"
	hook fake builder-build <<<'exit 1'
	push main
	assert_status 1
	assert_equal "" "$(grep 'already\|is there now' <<<"$stderr")"
	# Another failure is told, and ends it.
	hook fake pre-create <<<'printf "no room\n" >&2; exit 3'
	got "$DOKKU" git-receive-pack other </dev/null
	assert_status 3
	assert_error "no room"
	assert_absent "$DOKKU_ROOT/other"
}

@test "git-receive-pack: hostile names are refused, nothing is made" {
	is_refused() {
		got "$DOKKU" git-receive-pack -- "$1" </dev/null
		assert_status 1 && assert_output "" && assert_error_like ' !     not an app name: "*": use lower case letters, digits, dots and hyphens, at most 63'
	}
	each is_refused <<-'NAMES'
		..
		../web
		/../../etc
		web/../../x
		--upload-pack=id
		-web
		web\n
		Web
		web;id
		$(id)
	NAMES
	assert_nothing_in "$DOKKU_ROOT"
	got "$DOKKU" git-receive-pack </dev/null
	assert_refused "git-receive-pack: REPOSITORY is missing; nothing was done. Usage: dokku git-receive-pack REPOSITORY" 2
}

@test "git-upload-pack: the repository of the app, of no app none" {
	an_app
	commit
	push main
	git clone --quiet --branch main dokku@host:web "$WORLD/clone"
	assert_file "$WORLD/clone/Dockerfile" "FROM scratch"
	dokku git-upload-pack ghost
	assert_refused "no such app: ghost: dokku apps:list shows those that exist"
}

@test "git-hook: lines that git would never write are refused" {
	an_app
	commit
	push main
	: >"$STEPS"
	is_refused() {
		got "$DOKKU" git-hook web <<<"$1"
		assert_status 1 && assert_output "" && assert_error_like ' !     *' && assert_steps ""
	}
	is_refused "x --index-output=$BATS_TEST_TMPDIR/owned refs/heads/main"
	is_refused "x main refs/heads/main"
	is_refused "x ../../x refs/heads/main"
	assert_absent "$BATS_TEST_TMPDIR/owned"
	assert_equal 1 "$(current web)"
}

# slow_push COMMIT - a push of it has got the lock, and goes on once go has a line; in first.
slow_push() {
	fifo at
	fifo go
	hook fake pre-build <<<"printf 'x\\n' >'$BATS_TEST_TMPDIR/at'; read -r _ <'$BATS_TEST_TMPDIR/go'"
	git -C "$SOURCE" push dokku@host:web "$1:main" >"$BATS_TEST_TMPDIR/first" 2>&1 3>&- &
	first=$!
	IFS= read -r -t 60 _ <>"$BATS_TEST_TMPDIR/at"
	rm "$PLUGIN_PATH/fake/pre-build"
}

# second_push [OPTION…] - another, once it waits; the first goes on then.
second_push() {
	{
		until grep -qs waiting "$DOKKU_LIB_ROOT"/data/builds/web/*/log; do sleep 0.05; done
		printf 'x\n' >"$BATS_TEST_TMPDIR/go"
	} 3>&- &
	push "$@" main
	wait "$first"
}

@test "git push -o wait waits for another push, and goes live on top of it" {
	an_app
	commit
	push main
	commit
	slow_push main
	commit
	second_push -o wait
	went_live 3
	assert_equal "$(git -C "$SOURCE" rev-parse main)" "$(git -C "$DOKKU_ROOT/web" rev-parse main)"
	grep -qE '^       web is busy: git push [0-9a-f]{7} runs since [0-9:]+ \(process [0-9]+\): waiting, up to 3600 s$' <<<"$remote"
}

@test "git push -o wait: what does not build on the push that it waited for is refused" {
	an_app
	commit
	push main
	commit
	slow_push main
	# Its branch is set some time after the lock is free.
	printf '#!/bin/sh\n[ "$1" != prepared ] || sleep 1\n' >"$DOKKU_ROOT/web/hooks/reference-transaction"
	chmod +x "$DOKKU_ROOT/web/hooks/reference-transaction"
	git -C "$SOURCE" reset --quiet --hard main~1
	git -C "$SOURCE" commit --quiet --allow-empty --message elsewhere
	second_push --force -o wait
	assert_status 1
	assert_equal 2 "$(current web)"
	grep -qE '^ !     web: main is at [0-9a-f]{7} by now: another push came first: git fetch, build on that, and push again$' <<<"$remote"
	assert_equal 2 "$(cat "$DOKKU_LIB_ROOT/data/releases/web/last")"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "git push -o wait=SECONDS is refused after that; another option is told to mean nothing" {
	an_app
	commit
	push -o ci.skip main
	went_live 1
	grep -qxF ' !     web: git push -o ci.skip means nothing here: there are wait and wait=SECONDS' <<<"$remote"
	commit
	slow_push main
	commit
	push -o wait=1 main
	assert_status 1
	grep -qE '^ !     web is busy: git push [0-9a-f]{7} runs since .*: try again when it is done' <<<"$remote"
	push -o wait=x main
	assert_status 1
	grep -qxF ' !     git push -o wait=SECONDS: not a number: "x"' <<<"$remote"
	printf 'x\n' >"$BATS_TEST_TMPDIR/go"
	wait "$first"
	assert_equal 2 "$(current web)"
}

@test "a push whose branch was set while it had the lock is live, and has the branch" {
	an_app
	commit
	push main
	commit
	slow_push main
	git -C "$SOURCE" commit --quiet --allow-empty --message elsewhere
	git -C "$DOKKU_ROOT/web" fetch --quiet "$SOURCE" HEAD
	git -C "$DOKKU_ROOT/web" update-ref refs/heads/main FETCH_HEAD
	printf 'x\n' >"$BATS_TEST_TMPDIR/go"
	wait "$first"
	assert_equal 2 "$(current web)"
	assert_equal "$(git -C "$SOURCE" rev-parse main~1)" "$(git -C "$DOKKU_ROOT/web" rev-parse main)"
}

@test "other branches and tags of the same push are set by git" {
	an_app
	commit
	push main
	git -C "$SOURCE" branch bräuche
	git -C "$SOURCE" tag t1
	commit
	push -o wait main bräuche t1
	went_live 2
	assert_equal $'refs/heads/bräuche\nrefs/heads/main\nrefs/tags/t1' "$(git -C "$DOKKU_ROOT/web" for-each-ref --format '%(refname)')"
}

# disk LIB ROOT ENGINE [FILES] - megabytes that are free where they are; FILES that can be made.
disk() {
	fake df <<<"printf 'Avail Inodes IFree File\\n'; printf '%s 9999 ${4:-5000} %s\\n' $1 lib $2 root $3 engine"
}

@test "a push is refused where the disk is nearly full, before anything is uploaded" {
	an_app
	commit
	disk 1000 1000 99
	push main
	assert_status 128
	grep -qxF -- '-----> The disk is nearly full, 99 MB are free where engine is: removing what old releases have left' <<<"$stderr"
	grep -qxF ' !     web: the disk is nearly full: 99 MB are free where engine is, and a push wants 100 MB: see docker system df, dokku releases:set keep, dokku apps:destroy; or want less: dokku builder:set web min-free MB' <<<"$stderr"
	assert_absent "$DOKKU_ROOT/web/refs/heads/main"
	disk 1000 99 1000
	push main
	grep -q ' 99 MB are free where root is' <<<"$stderr"
	disk 1000 1000 1000 999
	push main
	grep -q ' 999 files can be made where lib is' <<<"$stderr"
	disk 1000 1000 50
	dokku builder:set web min-free 50
	push main
	went_live 1
	dokku builder:set web min-free x
	assert_refused 'not a number of megabytes: "x"; nothing was changed'
}

@test "a push that fails on a full disk says so" {
	an_app
	commit
	disk 1000 1000 1000
	hook fake pre-build <<<'cp "$BATS_TEST_TMPDIR/full" "$BIN/df"; exit 1'
	cp "$BIN/df" "$BATS_TEST_TMPDIR/df"
	disk 1000 4 1000
	cp "$BIN/df" "$BATS_TEST_TMPDIR/full"
	cp "$BATS_TEST_TMPDIR/df" "$BIN/df"
	push main
	assert_status 1
	grep -qxF ' !     the disk is full, which may be why: 4 MB are free where root is' <<<"$remote"
}

@test "a push whose files cannot be taken says so, where the disk is full" {
	an_app
	ln -s elsewhere "$SOURCE/CHECKS"
	commit
	disk 4 1000 1000
	dokku builder:set web min-free 1
	push main
	assert_status 1
	assert_equal $' !     CHECKS in the repo is not a regular file: make it one and push again\n !     the disk is full, which may be why: 4 MB are free where lib is' "$remote"
}

@test "a push whose files cannot be written leaves nothing" {
	an_app
	head --bytes 1000000 /dev/zero >"$SOURCE/large"
	commit
	ulimit -f 200
	got git -C "$SOURCE" push --quiet dokku@host:web main
	assert_status 1
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
	[[ $stderr != *unbound* ]]
}

@test "git:initialize installs the hook, by rename, and again without harm" {
	an_app
	rm "$DOKKU_ROOT/web/hooks/pre-receive"
	dokku git:initialize web
	assert_success ""
	[[ -x $DOKKU_ROOT/web/hooks/pre-receive ]]
	dokku git:initialize web
	assert_success ""
	commit
	push main
	went_live 1
}

@test "release_port: PORT of the config, else the lowest that the image exposes, else 5000" {
	printf 'A=1\0' >"$WORLD/env"
	code git 'for exposed in "8080/tcp,53/udp,3000/tcp,10000/tcp" "-" "53/udp"; do release_port port "$WORLD" "$exposed"; printf "%s\n" "$port"; done'
	assert_success "3000
5000
5000"
	printf 'XPORT=9\0PORT=1234\0PORT_=8\0' >"$WORLD/env"
	code git 'release_port port "$WORLD" 8080/tcp; printf "%s\n" "$port"'
	assert_success 1234
	is_refused() {
		printf 'PORT=%s\0' "$1" >"$WORLD/env"
		code git 'release_port port "$WORLD" 8080/tcp; printf "%s\n" "$port"'
		assert_refused "PORT in the config is \"$1\", not a port: see dokku config:set"
	}
	local port
	for port in 'a[$(id)]' 99999 65536 0 080 -1 '' '80 '; do
		is_refused "$port"
	done
}

@test "the port of a push: what its image exposes, unless the config of the app or of all sets it; no image is no release" {
	an_app
	commit
	fake_engine <<<'[[ $2 != /images/dokku/web:v*/json ]] || printf "%s" "{ \"Config\": { \"ExposedPorts\": { \"9000/tcp\": {}, \"53/udp\": {} } } }"'
	push main
	went_live 1
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/1/port" 9000
	dokku --quiet config:set --global PORT=7000
	commit
	push main
	went_live 2
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/2/port" 7000
	fake_engine <<<'[[ $2 != /images/dokku/web:v*/json ]] || exit 22'
	commit
	push main
	assert_status 1
	[[ $remote == *" !     web: the builder dockerfile left no image: is its plugin enabled? dokku plugin:list shows"* ]]
	assert_equal 2 "$(current web)"
}

# ended - no push is under way any more, and the branch is at what was pushed last.
ended() {
	local try
	for ((try = 0; try < 200; try++)); do
		[[ -z $(compgen -G "$DOKKU_ROOT/web/pushed.*") ]] && break
		sleep 0.05
	done
	assert_equal "$(git -C "$SOURCE" rev-parse main)" "$(git -C "$DOKKU_ROOT/web" rev-parse main)"
	assert_equal "" "$(compgen -G "$DOKKU_ROOT/web/pushed.*")"
	git -C "$DOKKU_ROOT/web" fsck --connectivity-only
}

@test "a pusher who goes away while it is built: it goes live all the same, and its branch is set, of few objects and of many" {
	local i count
	an_app
	commit
	push main
	went_live 1
	ended
	hook fake builder-build <<<'kept=("$DOKKU_ROOT"/web/pushed.*); kill -KILL "${kept[0]##*.}"'
	for count in 3 200; do
		for ((i = 0; i < count; i++)); do
			printf '%s\n' "$count $i" >"$SOURCE/file.$i"
		done
		commit
		got git -C "$SOURCE" push --quiet dokku@host:web main
		[[ $status -ne 0 ]]
		ended
	done
	# Who comes next builds on that.
	assert_equal 3 "$(current web)"
	hook fake builder-build </dev/null
	printf 'x\n' >"$SOURCE/next"
	commit
	push main
	went_live 4
	ended
}

@test "a push: who pushed does not wait for git to pack the repository; that is done when it is live" {
	an_app
	commit
	export GIT_TRACE="$BATS_TEST_TMPDIR/trace"
	: >"$GIT_TRACE"
	push main
	unset GIT_TRACE
	went_live 1
	ended
	timeout 10 bash -c 'until grep "built-in: git gc --auto" "$1"; do sleep 0.05; done' bash "$BATS_TEST_TMPDIR/trace"
	assert_equal "" "$(sed -n '/run_command:.* gc --auto/p' "$BATS_TEST_TMPDIR/trace")"
}

@test "git/deploy: removes no folder but a push's own" {
	local dir
	an_app
	for dir in "$DOKKU_ROOT" "$DOKKU_LIB_ROOT/tmp/push.x/../../data" "$DOKKU_LIB_ROOT/tmp"; do
		got "$PLUGIN_CORE_AVAILABLE_PATH/git/deploy" ghost "$dir"
		assert_refused "not the folder of a push: $dir"
		[[ -d $DOKKU_ROOT/web && -d $DOKKU_LIB_ROOT/data && -d $DOKKU_LIB_ROOT/tmp ]]
	done
}

@test "reconcile: a lock of a git that was killed goes, one that may be held stays" {
	local file
	an_app
	commit
	push main
	went_live 1
	ended
	mkdir "$DOKKU_ROOT/web/refs/heads/a"
	for file in refs/heads/main.lock packed-refs.lock refs/heads/a/b.lock; do
		: >"$DOKKU_ROOT/web/$file"
	done
	touch --date '90 seconds ago' "$DOKKU_ROOT"/web/{refs/heads/main.lock,packed-refs.lock}
	commit
	push main
	went_live 2
	ended
	assert_absent "$DOKKU_ROOT/web/packed-refs.lock"
	[[ -e $DOKKU_ROOT/web/refs/heads/a/b.lock ]]
}

@test "reconcile: a branch that cannot be set is told, and stands in nobody's way" {
	local gone was
	an_app
	commit
	push main
	ended
	was=$(git -C "$DOKKU_ROOT/web" rev-parse main)
	sleep 0 &
	gone=$!
	wait "$gone"
	mkdir "$DOKKU_ROOT/web/pushed.$gone"
	printf 'refs/heads/main %s\n' "$was" >"$DOKKU_ROOT/web/pushed.$gone/ref"
	printf '%040d\n' 7 | tee "$DOKKU_ROOT/web/pushed.$gone/commit" >"$DOKKU_LIB_ROOT/data/releases/web/1/commit"
	dokku reconcile web
	assert_status 0
	assert_error " !     web: 0000000 is live, but its branch could not be set: push it again"
	assert_equal "$was" "$(git -C "$DOKKU_ROOT/web" rev-parse main)"
	assert_absent "$DOKKU_ROOT/web/pushed.$gone"
}

@test "a push goes live though nothing can be kept of it" {
	an_app
	fake cp <<<'[[ "$*" != *--link* ]] || exit 1; exec /bin/cp "$@"'
	commit
	push main
	went_live 1
	ended
}

@test "a push that is killed or cancelled leaves nothing of what was kept" {
	an_app
	commit
	hook fake builder-build <<<'kill -TERM "$(cut -d " " -f 1 "$DOKKU_LIB_ROOT/lock/web")"; sleep 20'
	got git -C "$SOURCE" push --quiet dokku@host:web main
	[[ $status -ne 0 && $stderr == *'was killed before it went live'* ]]
	assert_equal "" "$(compgen -G "$DOKKU_ROOT/web/pushed.*")"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "a pusher who goes away from a deploy that fails sets no branch, and reconcile leaves nothing of it" {
	local was i
	an_app
	commit
	push main
	ended
	was=$(git -C "$DOKKU_ROOT/web" rev-parse main)
	hook fake builder-build <<<'kept=("$DOKKU_ROOT"/web/pushed.*); kill -KILL "${kept[0]##*.}"; exit 1'
	printf 'x\n' >"$SOURCE/next"
	commit
	got git -C "$SOURCE" push --quiet dokku@host:web main
	[[ $status -ne 0 ]]
	for i in {1..100}; do
		! flock --nonblock "$DOKKU_LIB_ROOT/lock/web" true || break
		sleep 0.05
	done
	sleep 0.3
	dokku reconcile web
	assert_status 0
	assert_equal "$was" "$(git -C "$DOKKU_ROOT/web" rev-parse main)"
	assert_equal "" "$(compgen -G "$DOKKU_ROOT/web/pushed.*")"
}
