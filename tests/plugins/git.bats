#!/usr/bin/env bats
# git, git-receive-pack, git-upload-pack and git-hook: which pushes are accepted, and which refused.

load ../helper

setup() {
	world
	made_plugins git git-hook git-receive-pack git-upload-pack git-upload-archive apps config \
		builder ps app-json
	hook fake builder-detect <<<'printf "dockerfile\n"'
	hook fake builder-build <<<'ls -A "$3" | paste -sd " " >>"$STEPS"; printf "built\n"'
	hook fake scheduler-start \
		<<<'printf "web 1 id 10.86.128.2 5000\n" \
			>"$DOKKU_LIB_ROOT/data/releases/$2/$3/containers"'
	fake ssh <<<'SSH_ORIGINAL_COMMAND=${!#} exec "$DOKKU"'
	export GIT_SSH="$BIN/ssh"
	SOURCE="$WORLD/my source"
	git init --quiet --initial-branch main "$SOURCE"
	printf 'FROM scratch\n' >"$SOURCE/Dockerfile"
}

# an_app - makes the app web like apps:create.
an_app() { dokku --quiet apps:create web; }

# commit [BRANCH] - commits all files of the source to BRANCH, by default main.
commit() {
	[[ $# -eq 0 ]] || git -C "$SOURCE" checkout --quiet -B "$1"
	git -C "$SOURCE" add --all
	git -C "$SOURCE" commit --quiet --allow-empty --message change
}

# push REFSPEC… - runs a real git push, with a fake ssh that runs dokku like sshd.
push() {
	got git -C "$SOURCE" push --quiet dokku@host:web "$@"
	# As the pusher sees it, without git's own lines.
	remote=$(sed -n 's/^remote: \?//p' <<<"$stderr" | sed 's/ *$//')
	! grep -q "$BATS_RUN_TMPDIR.*: line" <<<"$stderr"
}

# went_live N - requires that the push went live as release N.
went_live() {
	assert_status 0
	assert_equal "$1" "$(current web)"
}

# refused MESSAGE… - requires that the push was refused with only this message, and has left
# nothing.
refused() {
	assert_status 1
	assert_equal " !     $*" "$remote"
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

@test "a tag in an app without a release deploys nothing, and says so; so does a branch with an odd name" {
	an_app
	commit
	git -C "$SOURCE" tag v1.0
	push v1.0
	assert_status 0
	local said=" !     deploy did not complete: the tag v1.0 is stored, and nothing was deployed."
	said+=" web deploys from its branch master: git push dokku HEAD:refs/heads/master"
	assert_equal "$said" "$remote"
	push HEAD:refs/heads/master
	went_live 1
	git -C "$SOURCE" tag v1.1
	push v1.1
	assert_equal "" "$remote"
	git -C "$SOURCE" branch 'a;$b'
	push 'a;$b'
	[[ $remote == *"git push dokku 'a;\$b':master, or dokku git:set web deploy-branch 'a;\$b'" ]]
}

@test "the first push of main picks the branch; another branch is stored after it, and deploys nothing" {
	an_app
	commit
	push main
	went_live 1
	assert_file "$DOKKU_LIB_ROOT/config/git/web/deploy-branch" main
	: >"$STEPS"
	commit other
	push other
	assert_status 0
	assert_equal " !     deploy did not complete: the branch other is stored, and nothing was deployed. web deploys from its branch main, not other: git push dokku other:main, or dokku git:set web deploy-branch other" "$remote"
	assert_steps ""
	assert_equal "$(git -C "$SOURCE" rev-parse other)" \
		"$(git -C "$DOKKU_ROOT/web" rev-parse other)"
	assert_equal 1 "$(current web)"
	dokku git:set web other-branches refuse
	push other:master
	assert_status 1
	assert_equal " !     web deploys from its branch main, not master: git push dokku master:main, or dokku git:set web deploy-branch master" "$remote"
	assert_equal "" "$(git -C "$DOKKU_ROOT/web" rev-parse --verify --quiet master)"
	assert_equal 1 "$(current web)"
	push other:main
	went_live 2
}

@test "a clone of an app checks out the branch that deploys" {
	an_app
	commit
	push main
	went_live 1
	git clone --quiet --depth 1 dokku@host:web "$WORLD/clone"
	assert_equal main "$(git -C "$WORLD/clone" symbolic-ref --short HEAD)"
	assert_file "$WORLD/clone/Dockerfile" "FROM scratch"
	dokku git:set web deploy-branch topic
	push main:topic
	went_live 2
	assert_equal "ref: refs/heads/topic" "$(<"$DOKKU_ROOT/web/HEAD")"
	push :main
	assert_status 0
}

@test "an app that a push made, and nothing was pushed to, is told" {
	commit
	git -C "$SOURCE" push --quiet --dry-run dokku@host:web main 2>"$WORLD/said"
	assert_equal "-----> Created web
 !     The app web was created but has no release yet. Push again, or remove it with: dokku apps:destroy web" "$(<"$WORLD/said")"
	git init --quiet --object-format sha256 --initial-branch main "$WORLD/sha256"
	git -C "$WORLD/sha256" commit --quiet --allow-empty --message x
	! git -C "$WORLD/sha256" push --quiet dokku@host:other main 2>"$WORLD/said" || false
	# Git does not wait for what the other side says when it has given up itself.
	local try
	for ((try = 0; try < 100; try++)); do
		! grep -qxF " !     The app other was created but has no release yet. Push again, or remove it with: dokku apps:destroy other" "$WORLD/said" || return 0
		sleep 0.1
	done
	false
}

@test "the first push of another branch is refused, and picks nothing" {
	an_app
	dokku git:set web other-branches refuse
	commit topic
	push topic
	refused "web deploys from its branch master, not topic: git push dokku topic:master," \
		"or dokku git:set web deploy-branch topic"
	assert_absent "$DOKKU_LIB_ROOT/config/git/web/deploy-branch"
	push topic:master
	went_live 1
}

@test "a first push of all branches picks main" {
	an_app
	commit
	git -C "$SOURCE" branch dev
	push --all
	went_live 1
	assert_file "$DOKKU_LIB_ROOT/config/git/web/deploy-branch" main
	assert_equal $'refs/heads/dev\nrefs/heads/main' \
		"$(git -C "$DOKKU_ROOT/web" for-each-ref --format '%(refname)')"
}

@test "main and master in one first push pick nothing: master deploys" {
	an_app
	commit
	git -C "$SOURCE" branch master
	push main master
	went_live 1
	assert_absent "$DOKKU_LIB_ROOT/config/git/web/deploy-branch.x"
	dokku git:set web deploy-branch
	dokku git:set web other-branches refuse
	push main:elsewhere
	assert_status 1
}

@test "git:set deploy-branch goes before what a push picks" {
	an_app
	dokku git:set web deploy-branch topic
	assert_success "-----> web: deploy-branch is now topic"
	dokku git:set web other-branches refuse
	commit
	push main
	refused "web deploys from its branch topic, not main: git push dokku main:topic," \
		"or dokku git:set web deploy-branch main"
	push main:topic
	went_live 1
	dokku git:set web deploy-branch 'a..b'
	assert_refused \
		'git:set: deploy-branch wants the name of a branch, not "a..b"; nothing was changed'
	dokku git:set web nope x
	assert_refused 'git:set: no such setting: "nope": there are archive-max-files,' \
		'archive-max-size, deploy-branch, keep-git-dir, max-files, max-size,' \
		'other-branches, rev-env-var, source-image' 2
}

@test "the branch that deploys cannot be deleted" {
	an_app
	commit
	push main
	: >"$STEPS"
	push :main
	assert_status 1
	assert_equal " !     main is the branch that web deploys from: it cannot be deleted. $(
	)To deploy from another branch: dokku git:set web deploy-branch NAME" "$remote"
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
	assert_equal \
		" !     the pushed commit $(git -C "$SOURCE" rev-parse --short=7 \
			HEAD) has no files to deploy" "$remote"
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
	refused "CHECKS in the repo has 65537 bytes, more than the 65536 allowed:" \
		"shorten it and push again"
	truncate -s 65536 "$SOURCE/CHECKS"
	commit
	push main
	went_live 1
}

@test "a file that is UTF-16, as PowerShell writes it, is refused by that name" {
	local file
	an_app
	for file in Procfile CHECKS app.json; do
		printf '/ My App\r\n' | iconv -f UTF-8 -t UTF-16 >"$SOURCE/$file"
		commit
		push main
		refused "$file in the repo is UTF-16: save it as UTF-8, and push again"
		rm "$SOURCE/$file"
	done
	printf '/ My App\n' | iconv -f UTF-8 -t UTF-16BE | sed '1s/^/\xfe\xff/' >"$SOURCE/CHECKS"
	commit
	push main
	refused "CHECKS in the repo is UTF-16: save it as UTF-8, and push again"
}

@test "symbolic links in the tree stay links, and a .git folder is nobody's" {
	an_app
	ln -s /etc/passwd "$SOURCE/link"
	commit
	hook fake builder-build \
		<<<'readlink "$3/link" >>"$STEPS"; ls -A "$3" | paste -sd " " >>"$STEPS"'
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
	assert_equal \
		"-----> Building web from Dockerfile at $(git -C "$SOURCE" rev-parse --short=7 HEAD)
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

@test "a repo for a builder that is not here is refused before the build" {
	an_app
	hook fake builder-detect <<<'printf "herokuish\n"'
	rm "$PLUGIN_PATH/fake/builder-build"
	commit
	push main
	assert_status 1
	[[ $remote == " !     web: this repo is for the builder herokuish, which is not on this"* ]]
	[[ $remote == *": dokku builder:set web selected dockerfile" && $remote != *built* ]]
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
	[[ $remote == " !     web: there is no folder services/web in the repo: add it, or name another with dokku builder:set web build-dir"* ]]
	assert_equal 1 "$(current web)"
}

@test "builder:set: folders within the repo, builders that are there, and no other" {
	made_plugins builder builder-dockerfile
	make_app web
	is_refused() {
		dokku builder:set web build-dir -- "$1"
		assert_status 1 &&
			assert_error_like ' !     builder:set:' \
				'build-dir wants a path within the repository, *;' \
				'nothing was changed'
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
	assert_success "-----> web: selected is now nixpacks; this server has no such builder, so" \
		"pushes are refused until its plugin is installed"
	dokku builder:set web selected dockerfile
	assert_success "-----> web: selected is now dockerfile"
	dokku builder:set web skip-all true
	assert_refused 'builder:set: no such setting: "skip-all": there are build-dir,' \
		'min-free, selected, skip-cleanup' 2
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
	[[ $remote == *" !     The app web was created but has no release yet. Push again, or remove it with: dokku apps:destroy web" ]]
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
	assert_refused "App other does not exist: create it with dokku apps:create other"
	assert_absent "$DOKKU_ROOT/other"
}

@test "two first pushes at once: who does not make the app goes on as if it had been there" {
	commit
	# Both have seen that there is none.
	hook fake pre-create <<<'[[ -e $DOKKU_ROOT/web ]] ||
		{ mkdir "$BATS_TEST_TMPDIR/once" && "$DOKKU" --quiet apps:create web
		} 2>/dev/null || true'
	push main
	went_live 1
	assert_equal "" "$(grep 'already\|Created' <<<"$stderr")"
	dokku apps:destroy --force web
	rm -r "$BATS_TEST_TMPDIR/once"
	hook fake builder-build <<<'exit 1'
	push main
	assert_status 1
	assert_equal "" "$(grep 'already\|has no release yet' <<<"$stderr")"
	# Any other failure is printed and ends the push.
	hook fake pre-create <<<'printf "no room\n" >&2; exit 3'
	got "$DOKKU" git-receive-pack other </dev/null
	assert_status 3
	assert_error "no room"
	assert_absent "$DOKKU_ROOT/other"
}

@test "a folder that is no repository, a file and a link are named, with what to do; git:initialize makes it an app" {
	is_named() {
		got "$DOKKU" "$1" other </dev/null
		assert_refused "other: $DOKKU_ROOT/other is not a git repository," \
			"so nothing can be pushed to it or fetched from it." \
			"If it belongs to an app, run: dokku git:initialize other." \
			"Otherwise move it away. Then try again."
	}
	mkdir "$DOKKU_ROOT/other"
	printf 'kept\n' >"$DOKKU_ROOT/other/file"
	is_named git-receive-pack
	is_named git-upload-pack
	assert_equal file "$(ls -A "$DOKKU_ROOT/other")"
	dokku git:initialize other
	got "$DOKKU" git-upload-pack other </dev/null
	assert_output 0000
	rm -r "$DOKKU_ROOT/other"
	printf 'kept\n' >"$DOKKU_ROOT/other"
	is_named git-receive-pack
	rm "$DOKKU_ROOT/other"
	ln -s "$WORLD/nowhere" "$DOKKU_ROOT/other"
	is_named git-receive-pack
	assert_absent "$WORLD/nowhere"
}

@test "git-receive-pack: hostile names are refused, nothing is made" {
	is_refused() {
		got "$DOKKU" git-receive-pack -- "$1" </dev/null
		assert_status 1 && assert_output "" &&
			assert_error_like ' !     not an app name: "*": use lower case letters,' \
				'digits, dots and hyphens, at most 63'
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
	assert_refused "git-receive-pack: REPOSITORY is missing; nothing was done." \
		"Please retry with valid arguments. Usage:" \
		"dokku git-receive-pack REPOSITORY" 2
}

@test "git-upload-pack: the repository of the app, of no app none" {
	an_app
	commit
	push main
	git clone --quiet --branch main dokku@host:web "$WORLD/clone"
	assert_file "$WORLD/clone/Dockerfile" "FROM scratch"
	dokku git-upload-pack ghost
	assert_refused "App ghost does not exist"
}

@test "git archive --remote: the files of a branch" {
	an_app
	commit
	push main
	git archive --remote dokku@host:web main | tar -xO Dockerfile >"$WORLD/archived"
	assert_file "$WORLD/archived" "FROM scratch"
	dokku git-upload-archive ghost
	assert_refused "App ghost does not exist"
}

@test "a client that names git's programs by a path, or as git's commands" {
	an_app
	commit
	push --receive-pack=/usr/lib/git-core/git-receive-pack main
	went_live 1
	commit
	push --receive-pack='git receive-pack' main
	went_live 2
	git clone --quiet --upload-pack=/opt/bin/git-upload-pack dokku@host:web "$WORLD/clone"
	git clone --quiet --upload-pack='git upload-pack' dokku@host:web "$WORLD/clone2"
	assert_file "$WORLD/clone2/Dockerfile" "FROM scratch"
	SSH_ORIGINAL_COMMAND='/opt/bin/git-hook web' dokku
	assert_status 1
	assert_error_like '*`/opt/bin/git-hook` is not a dokku command.*'
}

@test "a client that ends before it sends anything to a new app, as with a SHA-256 repository, is told what git means" {
	local words="your repository is of git's kind SHA-256, which cannot be pushed: make"
	words+=" one with git init --object-format=sha1"
	got "$DOKKU" git-receive-pack web </dev/null
	assert_status 128
	[[ $stderr == *"$words"*'The app web was created'* ]]
	dokku apps:destroy --force web
	commit
	push --dry-run main
	assert_status 0
	[[ $stderr != *SHA-256* ]]
	push main
	went_live 1
	[[ $stderr != *SHA-256* ]]
}

@test "git-hook: lines that git would never write are refused" {
	an_app
	commit
	push main
	: >"$STEPS"
	is_refused() {
		got "$DOKKU" git-hook web <<<"$1"
		assert_status 1 && assert_output "" && assert_error_like ' !     *' &&
			assert_steps ""
	}
	is_refused "x --index-output=$BATS_TEST_TMPDIR/owned refs/heads/main"
	is_refused "x main refs/heads/main"
	is_refused "x ../../x refs/heads/main"
	assert_absent "$BATS_TEST_TMPDIR/owned"
	assert_equal 1 "$(current web)"
}

# slow_push COMMIT - starts a push of COMMIT. It holds the lock until the named pipe go has a line.
# Sets first to its process ID. Its output is in the file first.
slow_push() {
	fifo at
	fifo go
	hook fake pre-build \
		<<<"printf 'x\\n' >'$BATS_TEST_TMPDIR/at'; read -r _ <'$BATS_TEST_TMPDIR/go'"
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
	assert_equal "$(git -C "$SOURCE" rev-parse main)" \
		"$(git -C "$DOKKU_ROOT/web" rev-parse main)"
	grep -qE '^       web is busy: git push [0-9a-f]{7} runs since [0-9:]+ \(process [0-9]+\): waiting, up to 3600 s$' <<<"$remote"
}

@test "git push -o wait: what does not build on the push that it waited for is refused" {
	an_app
	commit
	push main
	commit
	slow_push main
	# Its branch is set some time after the lock is free.
	printf '#!/bin/sh\n[ "$1" != prepared ] || sleep 1\n' \
		>"$DOKKU_ROOT/web/hooks/reference-transaction"
	chmod +x "$DOKKU_ROOT/web/hooks/reference-transaction"
	git -C "$SOURCE" reset --quiet --hard main~1
	git -C "$SOURCE" commit --quiet --allow-empty --message elsewhere
	second_push --force -o wait
	assert_status 1
	assert_equal 2 "$(current web)"
	grep -qE '^ !     web: another push came first, and main is at [0-9a-f]{7} now. Run git fetch, rebase or merge, and push again$' <<<"$remote"
	assert_equal 2 "$(cat "$DOKKU_LIB_ROOT/data/releases/web/last")"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "git push -o wait=SECONDS is refused after that; another option is told to mean nothing" {
	an_app
	commit
	push -o ci.skip main
	went_live 1
	grep -qxF " !     web: git push -o ci.skip is for plugins alone: dokku's own options are wait, wait=SECONDS, canary=PERCENT and hold=SECONDS" \
		<<<"$remote"
	commit
	slow_push main
	commit
	push -o wait=1 main
	assert_status 1
	grep \
		-qE '^ !     web is busy: git push [0-9a-f]{7} runs since .*: try again when it is done' <<<"$remote"
	push -o wait=x main
	assert_status 1
	grep -qxF ' !     git push -o wait=SECONDS: not a number: "x"' <<<"$remote"
	printf 'x\n' >"$BATS_TEST_TMPDIR/go"
	wait "$first"
	assert_equal 2 "$(current web)"
}

@test "ps:set skip-deploy: a push is built and stored, and ps:rebuild deploys it later" {
	an_app
	commit
	push main
	went_live 1
	dokku --quiet ps:set web skip-deploy true
	printf 'x\n' >"$SOURCE/next"
	commit
	: >"$STEPS"
	push main
	assert_status 0
	[[ $remote == *"-----> Skipping deployment"* &&
		$remote == *"dokku ps:set web skip-deploy false, and dokku ps:rebuild web" ]]
	grep -q '^Dockerfile next$' "$STEPS"
	[[ $(<"$STEPS") != *scheduler-start* ]]
	assert_equal 1 "$(current web)"
	assert_equal "$(git -C "$SOURCE" rev-parse HEAD)" \
		"$(git -C "$DOKKU_ROOT/web" rev-parse main)"
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/2"
	ended
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
	# A build that fails is refused, as ever.
	hook fake builder-build <<<'exit 3'
	commit
	push main
	assert_status 1
	hook fake builder-build </dev/null
	dokku --quiet ps:set web skip-deploy
	dokku ps:rebuild web
	assert_status 0
	assert_equal 4 "$(current web)"
	# The variable of older versions of Dokku, which the setting overrides.
	dokku --quiet config:set --no-restart web DOKKU_SKIP_DEPLOY=true
	commit
	push main
	[[ $status -eq 0 && $remote == *"Skipping deployment"* ]]
	dokku --quiet ps:set web skip-deploy false
	commit
	push main
	went_live 6
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
	assert_equal "$(git -C "$SOURCE" rev-parse main~1)" \
		"$(git -C "$DOKKU_ROOT/web" rev-parse main)"
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
	assert_equal $'refs/heads/bräuche\nrefs/heads/main\nrefs/tags/t1' \
		"$(git -C "$DOKKU_ROOT/web" for-each-ref --format '%(refname)')"
}

@test "a push with 2,000 tags starts no program for each tag" {
	local tool started=$BATS_TEST_TMPDIR/started
	an_app
	commit
	git -C "$SOURCE" rev-parse HEAD |
		awk '{ for (i = 0; i < 2000; i++) print "create refs/tags/t" i " " $1 }' |
		git -C "$SOURCE" update-ref --stdin
	for tool in git grep; do
		printf '#!/bin/sh\necho %s >>%q\nexec %q "$@"\n' "$tool" "$started" \
			"$(type -P "$tool")" >"$BIN/$tool"
		chmod +x "$BIN/$tool"
	done
	# git puts the folder of its own programs first.
	fake ssh <<<'PATH=$BIN:$PATH SSH_ORIGINAL_COMMAND=${!#} exec "$DOKKU"'
	push --tags main
	went_live 1
	assert_equal 2000 "$(git -C "$DOKKU_ROOT/web" tag | wc -l)"
	[[ -s $started && $(wc -l <"$started") -lt 200 ]]
}

@test "names that are not UTF-8: they are set with the branch, alone, and deleted, and one is the branch that deploys" {
	an_app
	commit
	git -C "$SOURCE" branch $'caf\xc3'
	git -C "$SOURCE" branch $'stra\xdfe\xe9'
	git -C "$SOURCE" tag $'v1\xe9'
	push main
	commit
	push main $'caf\xc3' $'stra\xdfe\xe9' $'v1\xe9'
	went_live 2
	assert_equal \
		$'refs/heads/caf\xc3\nrefs/heads/main\nrefs/heads/stra\xdfe\xe9\nrefs/tags/v1\xe9' \
		"$(git -C "$DOKKU_ROOT/web" for-each-ref --format '%(refname)')"
	commit
	push :$'caf\xc3' main
	went_live 3
	push :$'v1\xe9' :$'stra\xdfe\xe9'
	assert_status 0
	assert_equal refs/heads/main \
		"$(git -C "$DOKKU_ROOT/web" for-each-ref --format '%(refname)')"
	commit $'caf\xc3'
	dokku git:set web deploy-branch $'caf\xc3'
	push $'caf\xc3'
	went_live 4
}

# disk LIB ROOT ENGINE [FILES] - sets how many megabytes are free in these three places, and how
# many files can be made.
disk() {
	fake df <<<"printf 'Avail Inodes IFree File\\n'; printf '%s 9999 ${4:-5000} %s\\n' $1 lib $2 root $3 engine"
}

@test "a push is refused where the disk is nearly full, before anything is uploaded" {
	an_app
	commit
	disk 1000 1000 99
	hook theirs make-room <<<'exit 1'
	push main
	assert_status 128
	grep -qF -e '(99 MB are free where engine is): removing what makes builds faster' <<<"$stderr"
	grep -qx make-room "$STEPS"
	grep -qxF -- '-----> The disk is nearly full (99 MB are free where engine is): removing old releases of all apps' <<<"$stderr"
	grep -qxF ' !     web: not enough disk space for a push: 99 MB are free where engine is, and 100 MB are needed. Free some with docker system prune, dokku releases:set APP keep 1 or dokku apps:destroy, or lower it: dokku builder:set web min-free MB' <<<"$stderr"
	assert_absent "$DOKKU_ROOT/web/refs/heads/main"
	disk 1000 99 1000
	push main
	grep -q ' 99 MB are free where root is' <<<"$stderr"
	disk 1000 1000 1000 999
	push main
	grep -q ' 999 files can be made where lib is' <<<"$stderr"
	disk 1000 1000 99
	cp "$BIN/df" "$BATS_TEST_TMPDIR/cramped"
	disk 1000 1000 1000
	mv "$BIN/df" "$BATS_TEST_TMPDIR/roomy"
	mv "$BATS_TEST_TMPDIR/cramped" "$BIN/df"
	hook fake make-room <<<'mv "$BATS_TEST_TMPDIR/roomy" "$BIN/df"'
	push main
	assert_status 0
	went_live 1
	commit
	disk 1000 1000 50
	dokku builder:set web min-free 50
	push main
	went_live 2
	dokku builder:set web min-free x
	assert_refused 'builder:set: min-free wants a whole number of megabytes, not "x";' \
		'nothing was changed'
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
	grep -qxF ' !     the disk is full, which may be why: 4 MB are free where root is' \
		<<<"$remote"
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

@test "the config has the commit that is live, in the variable that rev-env-var names" {
	an_app
	commit
	push main
	went_live 1
	dokku config:get web GIT_REV
	assert_success "$(git -C "$SOURCE" rev-parse main)"
	grep -qazx "GIT_REV=$(git -C "$SOURCE" rev-parse main)" \
		"$DOKKU_LIB_ROOT/data/releases/web/1/env"
	dokku git:set web rev-env-var ""
	assert_success "-----> web: rev-env-var is now none"
	dokku config:unset --no-restart web GIT_REV
	commit
	push main
	went_live 2
	dokku config:get web GIT_REV
	assert_status 1
	dokku git:set web rev-env-var COMMIT
	hook fake builder-build <<<'exit 1'
	commit
	push main
	assert_status 1
	dokku config:get web COMMIT
	assert_status 1
	dokku apps:report web --app-deploy-source
	assert_success git-push
	dokku apps:report web --app-deploy-source-metadata
	assert_success "$(git -C "$DOKKU_ROOT/web" rev-parse main)"
	dokku git:report web --git-source-image
	assert_success ""
}

@test "git:report has when the branch was written, and builder:report which builder built" {
	an_app
	dokku git:report web --git-last-updated-at
	assert_success ""
	commit
	push main
	went_live 1
	touch --date @60 "$DOKKU_ROOT/web/refs/heads/main"
	dokku git:report web --git-last-updated-at
	assert_success 60
	git -C "$DOKKU_ROOT/web" pack-refs --all
	touch --date @70 "$DOKKU_ROOT/web/packed-refs"
	dokku git:report --git-last-updated-at
	assert_success 70
	dokku builder:report web --builder-detected
	assert_success dockerfile
	dokku config:set web A=1
	went_live 2
	dokku builder:report web --builder-detected
	assert_success dockerfile
	dokku builder:set web selected herokuish
	dokku builder:report web --builder-detected
	assert_success dockerfile
}

@test "procfile-path, appjson-path: those files of the push are taken; what app.json says goes with the release" {
	an_app
	mkdir "$SOURCE/a dir" "$SOURCE/conf"
	printf 'web: first\n' >"$SOURCE/Procfile"
	printf 'web: second\nworker: x\n' >"$SOURCE/conf/Procfile.prod"
	printf '{"env": {"A": "1"}, "formation": {"web": {"quantity": 2}, "worker": {"quantity": 1}}, "healthchecks": {"web": [{"path": "/up", "content": "yes"}]}}' >"$SOURCE/conf/app.json"
	commit
	dokku ps:set web procfile-path conf/Procfile.prod
	dokku app-json:set web appjson-path conf/app.json
	dokku ps:scale web worker=5
	push main
	went_live 1
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/1/Procfile" "web: second
worker: x"
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/1/CHECKS" \
		"# made from healthchecks of app.json
/up   yes"
	assert_file "$DOKKU_LIB_ROOT/config/ps/web/scale" "web=2
worker=1"
	dokku config:get web A
	assert_success 1
	printf '/ own\n' >"$SOURCE/CHECKS"
	commit
	push main
	went_live 2
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/2/CHECKS" "/ own"
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
	code git \
		'for exposed in "8080/tcp,53/udp,3000/tcp,10000/tcp" "-" "53/udp"; do release_port \
			port "$WORLD" "$exposed"; printf "%s\n" "$port"; done'
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
	fake_engine <<<'[[ $2 != /images/dokku/web:v*/json ]] ||
		printf "%s" "{ \"Config\": { \"Cmd\": [\"/web\"], \"ExposedPorts\": { \"9000/tcp\": {}, \"53/udp\": {} } } }"'
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
	[[ $remote == *" !     web: the builder dockerfile left no image: either something has removed it, such as docker system prune -a, so push again; or its plugin is not enabled: see dokku plugin:list"* ]]
	assert_equal 2 "$(current web)"
}

# ended - no push is under way any more, and the branch is at what was pushed last.
ended() {
	local try
	for ((try = 0; try < 200; try++)); do
		[[ -z $(compgen -G "$DOKKU_ROOT/web/pushed.*") ]] && break
		sleep 0.05
	done
	assert_equal "$(git -C "$SOURCE" rev-parse main)" \
		"$(git -C "$DOKKU_ROOT/web" rev-parse main)"
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
	# The next push builds on that release.
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
	timeout 10 bash -c 'until grep "built-in: git gc --auto" "$1"; do sleep 0.05; done' bash \
		"$BATS_TEST_TMPDIR/trace"
	assert_equal "" "$(sed -n '/run_command:.* gc --auto/p' "$BATS_TEST_TMPDIR/trace")"
}

@test "git/libexec/deploy: removes no folder but a push's own" {
	local dir
	an_app
	for dir in "$DOKKU_ROOT" "$DOKKU_LIB_ROOT/tmp/push.x/../../data" "$DOKKU_LIB_ROOT/tmp"; do
		got "$PLUGIN_CORE_AVAILABLE_PATH/git/libexec/deploy" ghost "$dir"
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
	touch --date '90 seconds ago' "$DOKKU_ROOT"/web/refs/heads/main.lock
	# The time of day was set back since.
	touch --date 'now + 1 hour' "$DOKKU_ROOT"/web/packed-refs.lock
	commit
	push main
	went_live 2
	ended
	assert_absent "$DOKKU_ROOT/web/packed-refs.lock"
	[[ -e $DOKKU_ROOT/web/refs/heads/a/b.lock ]]
}

@test "git:unlock: a lock of a git that was killed goes at once" {
	an_app
	: >"$DOKKU_ROOT/web/HEAD.lock"
	: >"$DOKKU_ROOT/web/config.lock"
	touch --date '90 seconds ago' "$DOKKU_ROOT/web/HEAD.lock"
	dokku git:unlock --force web
	assert_success "-----> Removed what killed pushes have locked in the repository of web"
	assert_absent "$DOKKU_ROOT/web/HEAD.lock"
	[[ -e $DOKKU_ROOT/web/config.lock ]]
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
	local kept="$DOKKU_ROOT/web/pushed.$gone"
	mkdir "$kept"
	printf '%s %040d refs/heads/main\n' "$was" 7 >"$kept/refs"
	printf 'refs/heads/main\n' >"$kept/branch"
	printf '%s\n' "$gone" >"$DOKKU_LIB_ROOT/data/releases/web/1/receiver"
	printf '%040d\n' 7 | tee "$kept/commit" >"$DOKKU_LIB_ROOT/data/releases/web/1/commit"
	dokku reconcile web
	assert_status 0
	assert_error " !     web: 0000000 is live, but its branch could not be set: push it again"
	assert_equal "$was" "$(git -C "$DOKKU_ROOT/web" rev-parse main)"
	assert_absent "$kept"
}

@test "reconcile: a branch that cannot be set for now is set by the next one" {
	local try
	live_once
	hook fake builder-build <<<'kept=("$DOKKU_ROOT"/web/pushed.*); kill -KILL "${kept[0]##*.}"
		: >"$DOKKU_ROOT/web/refs/heads/main.lock"'
	# The process that would set the branch in the background does not start.
	fake setsid <<<'[[ $* != *git/libexec/pack* ]] || exit 0; exec /usr/bin/setsid "$@"'
	got git -C "$SOURCE" push --quiet dokku@host:web main
	for try in {1..600}; do
		! {
			[[ $(current web) == 2 ]] &&
				flock --nonblock "$DOKKU_LIB_ROOT/lock/web" true
		} || break
		sleep 0.05
	done
	sleep 0.3
	dokku reconcile web
	assert_error_like \
		" !     web: ??????? is live, but its branch could not be set: push it again"
	branch_is "$was"
	rm "$DOKKU_ROOT/web/refs/heads/main.lock"
	dokku reconcile web
	assert_success ""
	branch_is main
	assert_equal "" "$(compgen -G "$DOKKU_ROOT/web/pushed.*")"
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
	hook fake builder-build \
		<<<'kill -TERM "$(cut -d " " -f 1 "$DOKKU_LIB_ROOT/lock/web")"; sleep 20'
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
	hook fake builder-build \
		<<<'kept=("$DOKKU_ROOT"/web/pushed.*); kill -KILL "${kept[0]##*.}"; exit 1'
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

@test "tell_port: which of several ports is used; one, or others than TCP, need no word" {
	code git 'tell_port web 1025 "8025/tcp,1025/tcp,53/udp"'
	assert_success "-----> The image EXPOSEs ports 8025, 1025, and port 1025 is used." \
		"To use another: dokku config:set web PORT=8025. For both: dokku" \
		"ports:add web http:80:1025 http:8025:8025"
	hook fake ports-get <<<'printf "http:80:1025\nhttp:8025:8025\n"'
	code git 'tell_port web 1025 "8025/tcp,1025/tcp"'
	assert_success ""
	code git 'tell_port web 8025 "8025/tcp,53/udp"; tell_port web 5000 -; tell_port web 5000 ""'
	assert_success ""
}

@test "release_tell_port: a port that is not the current release's, of an app with web containers" {
	make_app web
	make_release web 1
	make_release web 2
	printf '8025\n' >"$DOKKU_LIB_ROOT/data/releases/web/2/port"
	code "" 'release_tell_port web 2'
	assert_success ""
	make_current web 1
	code "" 'release_tell_port web 2'
	assert_success "       port 5000 -> 8025"
	code "" 'release_tell_port web 1'
	assert_success ""
	printf 'web=0\nmail=1\n' >"$DOKKU_LIB_ROOT/data/releases/web/2/scale"
	code "" 'release_tell_port web 2'
	assert_success ""
}

@test "git push -o: hooks have the options; hooks.md has one that refuses pushes on Fridays, but for -o force" {
	an_app
	sed -n '/^# Hook: pre-change APP WHAT - on Fridays/,/^```/p' "$BATS_TEST_DIRNAME/../../docs/hooks.md" |
		sed -e '/^```/d' -e 's/$(date +%u)/5/' | hook friday pre-change
	commit
	push main
	[[ $status -ne 0 && $remote == *'nothing is deployed on Fridays: git push -o force does'* ]]
	push -o enforce main
	[[ $status -ne 0 ]]
	push -o wait -o force main
	went_live 1
	grep -qxF "pre-change web git push $(git -C "$SOURCE" rev-parse --short=7 main)" "$STEPS"
}

@test "git push -o hold, hold=SECONDS: requests wait for this release; the next one is as the setting says" {
	an_app
	hook fake hold-traffic </dev/null
	hook fake scheduler-stop </dev/null
	commit
	push -o hold main
	went_live 1
	commit
	push -o hold=56 main
	[[ $status -ne 0 && $remote == *'git push -o hold=SECONDS wants 0 to 55, not "56"'* ]]
	push -o hold -o hold=7 main
	went_live 2
	commit
	push -o hold main
	went_live 3
	commit
	push main
	went_live 4
	assert_equal "hold-traffic web 7
hold-traffic web 30" "$(grep hold-traffic "$STEPS")"
}

@test "git push -o canary=PERCENT: a share of the visitors, and the branch follows when it is promoted" {
	local was
	an_app
	hook fake proxy-canary <<<'printf "yes\n"'
	hook fake canary-share </dev/null
	commit
	push -o canary=5 main
	[[ $status -ne 0 ]]
	assert_equal " !     web has no release that a canary could stand beside:$(
		printf ' deploy without it first'
	)" "$remote"
	push main
	went_live 1
	ended
	was=$(git -C "$DOKKU_ROOT/web" rev-parse main)
	commit
	push -o canary=0 main
	[[ $status -ne 0 && $remote == *'1 to 100 percent of the visitors, not "0"'* ]]
	push -o canary=5 main
	went_live 1
	[[ $remote == *'=====> web v2 has 5 % of the visitors, until 5 % of its answers are 5xx'* ]]
	assert_equal "$was" "$(git -C "$DOKKU_ROOT/web" rev-parse main)"
	# What the watch does leaves the push as it is.
	got "$PLUGIN_CORE_AVAILABLE_PATH/git/heal-apps"
	assert_success ""
	dokku reconcile web
	assert_success ""
	dokku promote web 2
	assert_status 0
	went_live 2
	assert_equal "$(git -C "$SOURCE" rev-parse main)" \
		"$(git -C "$DOKKU_ROOT/web" rev-parse main)"
	ended
}

@test "the watch: leaves a push alone that ends while the watch looks" {
	an_app
	mkdir "$DOKKU_ROOT/web/pushed.4194305"
	fake flock <<<'rm -rf "$DOKKU_ROOT"/web/pushed.*'
	got "$PLUGIN_CORE_AVAILABLE_PATH/git/heal-apps"
	assert_success ""
}

@test "a new app: what git's client is told first comes in one piece, and nothing is held back after it" {
	# A client that ends at the first line closes ssh's output. What comes by ssh after that is
	# lost, also what we tell it on stderr. This git takes its time after the first line.
	fake git <<-END
		git=$(type -P git)
		[[ \$* == *receive-pack* ]] || exec "\$git" "\$@"
		"\$git" "\$@" | { read -r -N 4 size; printf %s "\$size"
			dd bs=1 count=\$((16#\$size - 4)) status=none; sleep 0.3; exec cat; }
		exit "\${PIPESTATUS[0]}"
	END
	"$DOKKU" git-receive-pack web </dev/null 2>"$BATS_TEST_TMPDIR/said" |
		{
			read -r -N 4
			dd bs=65536 count=1 status=none
		} >"$BATS_TEST_TMPDIR/first"
	[[ $(tr '\0' ' ' <"$BATS_TEST_TMPDIR/first") == *' capabilities^{} '*'0000' ]]
	grep -q "Nothing was sent" "$BATS_TEST_TMPDIR/said"
	commit
	push main
	went_live 1
}

# unbuilt MESSAGE… - requires that the push was refused with only this message before a build, and
# that its branch is at $was, or does not exist.
unbuilt() {
	[[ $status -ne 0 ]] || differ "status of a push that should be refused" "not 0" 0
	assert_equal " !     $*" "$remote"
	assert_steps ""
	assert_equal "${was-}" \
		"$(git -C "$DOKKU_ROOT/web" rev-parse --verify --quiet refs/heads/main)"
	assert_equal "" "$(compgen -G "$DOKKU_ROOT/web/pushed.*")"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

# live_once - makes an app whose first push is live, sets was to the commit of its branch, and
# forgets which hooks ran.
live_once() {
	an_app
	commit
	push main
	went_live 1
	ended
	was=$(git -C "$DOKKU_ROOT/web" rev-parse main)
	printf 'more\n' >"$SOURCE/more"
	commit
	: >"$STEPS"
}

# branch_is COMMIT - requires that a client sees the branch at COMMIT.
branch_is() {
	assert_equal "$(git -C "$SOURCE" rev-parse "$1")" \
		"$(git ls-remote dokku@host:web refs/heads/main | cut -f 1)"
}

@test "a tag object, a tree or a file pushed as the branch is refused before the build" {
	live_once
	git -C "$SOURCE" tag --annotate --message release v1.0
	push v1.0:main
	unbuilt "web: the branch main wants a commit, and v1.0 is an annotated tag:" \
		"git push dokku v1.0^{}:main"
	push --force 'main^{tree}:refs/heads/main'
	unbuilt \
		"web: the branch main wants a commit, and $(git -C "$SOURCE" rev-parse --short=7 \
			'main^{tree}') is a tree: push a commit"
	push --force "$(git -C "$SOURCE" rev-parse main:Dockerfile):refs/heads/main"
	unbuilt \
		"web: the branch main wants a commit, and $(git -C "$SOURCE" rev-parse --short=7 \
			main:Dockerfile) is a blob: push a commit"
	# Beside the branch that deploys.
	push main v1.0:refs/heads/other
	unbuilt \
		"web: git cannot set refs/heads/other: trying to write non-commit object $(git \
			-C "$SOURCE" rev-parse v1.0) to branch 'refs/heads/other': push a commit there; nothing was built"
	push 'v1.0^{}:main' v1.0
	went_live 2
	branch_is main
	assert_equal tag "$(git -C "$DOKKU_ROOT/web" cat-file -t v1.0)"
}

@test "a shallow clone pushed into a new app is refused before the build, and breaks no repository" {
	an_app
	commit
	commit
	git clone --quiet --depth 1 "file://$SOURCE" "$WORLD/shallow"
	SOURCE="$WORLD/shallow"
	push main
	unbuilt "web: the push leaves out history that it builds on: if this is a shallow clone," \
		"run git fetch --unshallow, then push again"
	git -C "$DOKKU_ROOT/web" fsck --connectivity-only
	git -C "$SOURCE" fetch --quiet --unshallow
	push main
	went_live 1
	branch_is main
}

@test "a shallow clone that ends at a commit which no branch of the app has is refused before the build" {
	live_once
	# The app has all that it builds on; git refuses it all the same.
	git clone --quiet --depth 1 "file://$SOURCE" "$WORLD/shallow"
	local whole=$SOURCE
	SOURCE="$WORLD/shallow"
	push --force main
	unbuilt "web: this is a push from a shallow clone, whose history ends at a commit that no" \
		"branch here has: run git fetch --unshallow, then push again"
	# Also if the app's repository has that commit from an earlier push.
	SOURCE=$whole
	push main
	went_live 2
	push --force "$was:main"
	went_live 3
	: >"$STEPS"
	SOURCE="$WORLD/shallow"
	git -C "$SOURCE" commit --quiet --allow-empty --message next
	push --force main
	unbuilt "web: this is a push from a shallow clone, whose history ends at a commit that no" \
		"branch here has: run git fetch --unshallow, then push again"
	# What a killed push has left does not count.
	git -C "$SOURCE" fetch --quiet --unshallow
	git -C "$SOURCE" rev-parse main >"$DOKKU_ROOT/web/shallow_killed"
	touch --date '1 hour ago' "$DOKKU_ROOT/web/shallow_killed"
	push --force main
	went_live 4
	branch_is main
}

@test "a shallow clone whose history the app has is pushed as any other" {
	an_app
	commit
	push main
	git clone --quiet --depth 1 "file://$SOURCE" "$WORLD/shallow"
	SOURCE="$WORLD/shallow"
	printf 'x\n' >"$SOURCE/next"
	git -C "$SOURCE" config receive.shallowUpdate true
	commit
	push main
	went_live 2
	branch_is main
	ended
}

@test "--atomic: a ref that cannot be set refuses all before the build; one that can is set with the branch" {
	live_once
	git -C "$DOKKU_ROOT/web" update-ref refs/heads/topic "$was"
	push --atomic main main:refs/heads/topic/one
	unbuilt "web: git cannot set refs/heads/topic/one: 'refs/heads/topic' exists:" \
		"delete that one, git push dokku :refs/heads/topic, or choose another name;" \
		"nothing was built"
	# The same without --atomic.
	push main main:refs/heads/topic/one
	unbuilt "web: git cannot set refs/heads/topic/one: 'refs/heads/topic' exists:" \
		"delete that one, git push dokku :refs/heads/topic, or choose another name;" \
		"nothing was built"
	git -C "$SOURCE" tag t1
	push --atomic main main:refs/heads/other t1 :topic
	went_live 2
	branch_is main
	assert_equal $'refs/heads/main\nrefs/heads/other\nrefs/tags/t1' \
		"$(git -C "$DOKKU_ROOT/web" for-each-ref --format '%(refname)')"
	ended
}

@test "names below the branch: a branch main/x in the way is told before the build, and can be deleted" {
	an_app
	commit
	git -C "$DOKKU_ROOT/web" fetch --quiet "$SOURCE" main:refs/heads/main/x
	push main
	unbuilt "web: git cannot set refs/heads/main: 'refs/heads/main/x' exists:" \
		"delete that one, git push dokku :refs/heads/main/x, or choose another name;" \
		"nothing was built"
	push :main/x
	assert_status 0
	assert_steps ""
	push main
	went_live 1
	branch_is main
}

@test "what the git config of the server forbids is told before the build" {
	live_once
	export GIT_CONFIG_SYSTEM="$WORLD/gitconfig"
	git config --file "$GIT_CONFIG_SYSTEM" receive.denyNonFastForwards true
	git -C "$SOURCE" reset --quiet --hard "$was"
	git -C "$SOURCE" commit --quiet --amend --allow-empty --message other
	push --force main
	unbuilt "web: receive.denyNonFastForwards in the git config of this server forbids to" \
		"rewrite main: run git fetch, rebase or merge, and push again"
	git config --file "$GIT_CONFIG_SYSTEM" receive.denyNonFastForwards no
	git config --file "$GIT_CONFIG_SYSTEM" receive.denyDeletes 1
	git -C "$DOKKU_ROOT/web" branch --quiet topic main
	push --force main :topic
	unbuilt "web: receive.denyDeletes in the git config of this server forbids to delete" \
		"topic: push without that"
	push --force main
	went_live 2
	branch_is main
}

@test "git config of the server that would hide the branch or take less changes nothing" {
	live_once
	export GIT_CONFIG_SYSTEM="$WORLD/gitconfig"
	git config --file "$GIT_CONFIG_SYSTEM" transfer.hideRefs refs/heads
	git config --file "$GIT_CONFIG_SYSTEM" --add receive.hideRefs refs/tags
	git config --file "$GIT_CONFIG_SYSTEM" receive.denyCurrentBranch refuse
	git config --file "$GIT_CONFIG_SYSTEM" core.logAllRefUpdates always
	git -C "$SOURCE" tag t1
	push main t1
	went_live 2
	unset GIT_CONFIG_SYSTEM
	branch_is main
}

@test "a branch that is checked out is protected before the build, unless the git config says otherwise" {
	live_once
	git -C "$DOKKU_ROOT/web" worktree add --quiet "$WORLD/out" main
	push main
	unbuilt "web: main is checked out in a worktree of the app's repository:" \
		"remove the worktree with git worktree remove, and push again"
	git -C "$DOKKU_ROOT/web" worktree remove "$WORLD/out"
	git -C "$DOKKU_ROOT/web" branch --quiet topic main
	git -C "$DOKKU_ROOT/web" symbolic-ref HEAD refs/heads/topic
	push main :topic
	unbuilt "web: topic cannot be deleted, because a clone checks it out: push without that"
	git -C "$DOKKU_ROOT/web" config receive.denyDeleteCurrent warn
	push main :topic
	went_live 2
	branch_is main
	assert_equal "" "$(git ls-remote dokku@host:web refs/heads/topic)"
}

@test "an update hook of the repository is asked before the build" {
	live_once
	printf '#!/bin/sh\necho "$1 $2" >>"%s"\necho no Fridays\nexit 1\n' \
		"$BATS_TEST_TMPDIR/asked" >"$DOKKU_ROOT/web/hooks/update"
	chmod +x "$DOKKU_ROOT/web/hooks/update"
	push main
	assert_equal "no Fridays
 !     web: $DOKKU_ROOT/web/hooks/update on the server refused main; nothing was built" "$remote"
	remote=${remote#*$'\n'}
	unbuilt "web: $DOKKU_ROOT/web/hooks/update on the server refused main; nothing was built"
	assert_file "$BATS_TEST_TMPDIR/asked" "refs/heads/main $was"
}

@test "a lock or a folder that git cannot write to is told before the build" {
	live_once
	: >"$DOKKU_ROOT/web/refs/heads/main.lock"
	push main
	unbuilt "web: git cannot set refs/heads/main: Unable to" \
		"create '$DOKKU_ROOT/web/refs/heads/main.lock': File exists:" \
		"another git process is running, try again in a minute; nothing was built"
	rm "$DOKKU_ROOT/web/refs/heads/main.lock"
	push main
	went_live 2
	branch_is main
}

@test "a branch that is another name of one in the same push is refused before the build; alone it is set" {
	local sibling
	live_once
	git -C "$DOKKU_ROOT/web" symbolic-ref refs/heads/stable refs/heads/main
	sibling=$(git -C "$SOURCE" commit-tree -m sibling -p main~1 'main^{tree}')
	push main "$sibling:refs/heads/stable"
	unbuilt "web: refs/heads/stable is another name of refs/heads/main here:" \
		"push one of the two"
	push main
	went_live 2
	branch_is main
	ended
	git -C "$DOKKU_ROOT/web" symbolic-ref refs/heads/main refs/heads/real
	git -C "$DOKKU_ROOT/web" update-ref refs/heads/real "$(git -C "$SOURCE" rev-parse main)"
	git -C "$DOKKU_ROOT/web" symbolic-ref --delete refs/heads/stable
	printf 'again\n' >"$SOURCE/more"
	commit
	push main
	went_live 3
	branch_is main
	assert_equal refs/heads/real "$(git -C "$DOKKU_ROOT/web" symbolic-ref refs/heads/main)"
}

@test "a reference-transaction hook may refuse before the build; after it, what is live becomes the branch all the same" {
	live_once
	printf '#!/bin/sh\n[ "$1" != prepared ]\n' >"$DOKKU_ROOT/web/hooks/reference-transaction"
	chmod +x "$DOKKU_ROOT/web/hooks/reference-transaction"
	push main
	unbuilt "web: git cannot set what was pushed: ref updates aborted by hook: solve that," \
		"and push again; nothing was built"
	printf '#!/bin/sh\n[ "$1" != prepared ] || [ ! -e "%s" ]\n' "$BATS_TEST_TMPDIR/built" \
		>"$DOKKU_ROOT/web/hooks/reference-transaction"
	hook fake builder-build <<<': >"$BATS_TEST_TMPDIR/built"'
	push main
	went_live 2
	branch_is main
}

@test "the branch is set by the deploy itself, before the push hears that it is live" {
	live_once
	hook zz post-deploy <<<'git -C "$DOKKU_ROOT/web" rev-parse main >"$BATS_TEST_TMPDIR/at"; git -C "$DOKKU_ROOT/web" fsck --connectivity-only'
	push main
	went_live 2
	assert_file "$BATS_TEST_TMPDIR/at" "$(git -C "$SOURCE" rev-parse main)"
}

@test "a lock that comes while it is built does not keep what is live from becoming the branch" {
	live_once
	hook fake builder-build <<<': >"$DOKKU_ROOT/web/refs/heads/main.lock"'
	(sleep 2 && rm "$DOKKU_ROOT/web/refs/heads/main.lock") 3>&- &
	push main
	went_live 2
	wait
	branch_is main
}

@test "deletions alone deploy nothing and are git's own affair, but for the branch that deploys" {
	live_once
	git -C "$DOKKU_ROOT/web" branch --quiet topic main
	push :topic
	assert_status 0
	assert_steps ""
	push main :refs/heads/main
	[[ $status -ne 0 ]]
	push :main
	unbuilt "main is the branch that web deploys from: it cannot be deleted. To deploy from" \
		"another branch: dokku git:set web deploy-branch NAME"
}

@test "v1.0:main in a new app deploys, though git makes a tag main of it; later it is refused" {
	an_app
	commit
	git -C "$SOURCE" tag --annotate --message release v1.0
	push v1.0:main
	went_live 1
	branch_is main
	assert_equal "" "$(git -C "$DOKKU_ROOT/web" tag)"
	commit
	: >"$STEPS"
	was=$(git -C "$DOKKU_ROOT/web" rev-parse refs/heads/main)
	push main:refs/tags/main
	unbuilt "web: this would make a tag with the name of the branch main. To deploy, run:" \
		"git push dokku COMMIT:refs/heads/main"
	push main main:refs/tags/main
	unbuilt "web: this would make a tag with the name of the branch main. To deploy, run:" \
		"git push dokku COMMIT:refs/heads/main"
	push main
	went_live 2
}

@test "only branches and tags are taken: refs/replace and the like are refused, and can be deleted" {
	local ref
	live_once
	for ref in refs/replace/$was refs/notes/commits refs/remotes/origin/main refs/stash \
		refs/for/main; do
		push main "main:$ref"
		unbuilt "web: only branches and tags can be pushed, not $ref: push without it"
		push "main:$ref"
		unbuilt "web: only branches and tags can be pushed, not $ref: push without it"
	done
	git -C "$DOKKU_ROOT/web" update-ref "refs/replace/$was" "$was"
	push ":refs/replace/$was"
	assert_status 0
	assert_equal refs/heads/main \
		"$(git -C "$DOKKU_ROOT/web" for-each-ref --format '%(refname)')"
}

@test "replace refs, grafts and config of before change nothing of what is deployed" {
	local evil
	live_once
	hook fake builder-build \
		<<<'cat "$3/more" >>"$STEPS"; printf "\n" >>"$STEPS"; cat "$3/lfs" >>"$STEPS"'
	printf 'lfs filter=lfs\nmore text\n' >"$SOURCE/.gitattributes"
	printf 'pointer\n' >"$SOURCE/lfs"
	printf 'good\n' >"$SOURCE/more"
	commit
	git -C "$SOURCE" commit-tree -m evil "$(git -C "$SOURCE" mktree </dev/null)" \
		>"$BATS_TEST_TMPDIR/evil"
	evil=$(<"$BATS_TEST_TMPDIR/evil")
	git -C "$DOKKU_ROOT/web" fetch --quiet "$SOURCE" main
	git -C "$SOURCE" update-ref refs/evil "$evil"
	git -C "$DOKKU_ROOT/web" fetch --quiet "$SOURCE" refs/evil
	git -C "$DOKKU_ROOT/web" update-ref "refs/replace/$(git -C "$SOURCE" rev-parse main)" \
		"$evil"
	# A replace ref for a commit that names the same commit.
	git -C "$DOKKU_ROOT/web" update-ref "refs/replace/$was" "$was"
	export GIT_CONFIG_SYSTEM="$WORLD/gitconfig"
	git config --file "$GIT_CONFIG_SYSTEM" filter.lfs.smudge 'sed s/^/smudged-/'
	git config --file "$GIT_CONFIG_SYSTEM" core.autocrlf true
	git config --file "$HOME/.gitconfig" filter.lfs.required true
	push main
	went_live 2
	assert_equal $'good\npointer' "$(sed -n '/^good/p;/pointer/p' "$STEPS")"
	branch_is main
	ended
}

@test "submodules and files of git-lfs are not in the build, and the push says so" {
	local id spec='version https://git-lfs.github.com/spec/v1'
	an_app
	commit
	id=$(git -C "$SOURCE" rev-parse HEAD)
	git -C "$SOURCE" update-index --add --cacheinfo "160000,$id,vendor/one" \
		--cacheinfo "160000,$id,vendor/two words"
	mkdir -p "$SOURCE/img"
	printf '*.png filter=lfs -text\n' >"$SOURCE/img/.gitattributes"
	printf '%s\noid sha256:%064d\nsize 12345\n' "$spec" 1 >"$SOURCE/img/logo.png"
	# A text about git-lfs that is no pointer.
	printf 'A pointer begins with:\n%s\n' "$spec" >"$SOURCE/README"
	git -C "$SOURCE" add img README
	git -C "$SOURCE" commit --quiet --message modules
	push main
	went_live 1
	[[ $stderr == *'vendor/one is a git submodule: '*'vendor/two words is a git submodule: '* ]]
	[[ $stderr == *'img/logo.png is a pointer of Git LFS, one of 1: '* ]]
	rm "$SOURCE/img/logo.png"
	git -C "$SOURCE" rm --quiet --cached -r vendor img
	git -C "$SOURCE" commit --quiet --message plain
	push main
	went_live 2
	[[ $stderr$output != *submodule* && $stderr$output != *LFS* ]]
}

@test "a file that git does not write out is refused in one line, before the build" {
	local tree
	an_app
	tree=$(printf '100644 blob %s\t.git\n' \
		"$(git -C "$SOURCE" hash-object -w "$SOURCE/Dockerfile")" | git -C "$SOURCE" mktree)
	git -C "$SOURCE" update-ref refs/heads/main "$(git -C "$SOURCE" commit-tree -m bad "$tree")"
	push main
	unbuilt "web: the pushed files cannot be written out: invalid path '.git';" \
		"nothing was built"
}

# --- hooks that do not run --------------------------------------------------------------------

# other_git HOOKS [WITHOUT] - makes a git that ignores where git-receive-pack says its hooks are,
# and uses the folder HOOKS. WITHOUT is a setting that this git does not know.
other_git() {
	local real
	real=$(PATH=${PATH#"$BIN:"} type -P git)
	printf '#!%s\nargs=()\nfor arg; do\n\tcase $arg in core.hooksPath=*) arg="core.hooksPath=%s" ;; %s=*) arg=x.y=z ;; esac\n\targs+=("$arg")\ndone\nexec %q "${args[@]}"\n' \
		"$INTERPRETER" "$1" "${2:-none}" "$real" >"$BIN/git"
	chmod +x "$BIN/git"
	# git puts the folder of its own programs first.
	fake ssh <<<'PATH=$BIN:$PATH SSH_ORIGINAL_COMMAND=${!#} exec "$DOKKU"'
}

@test "a push deploys where the repository's hooks do not run, or others are set" {
	an_app
	chmod -x "$DOKKU_ROOT/web/hooks/pre-receive"
	commit
	push main
	went_live 1
	mkdir "$WORLD/hooks"
	git -C "$DOKKU_ROOT/web" config core.hooksPath "$WORLD/hooks"
	git config --file "$HOME/.gitconfig" core.hooksPath "$WORLD/hooks"
	commit
	push main
	went_live 2
	rm -r "$DOKKU_ROOT/web/hooks"
	commit
	push main
	went_live 3
}

@test "a push by path: what is live is told as pushed, also in a repository of an older version" {
	an_app
	commit
	got git -C "$SOURCE" push --quiet "$DOKKU_ROOT/web" main
	went_live 1
	assert_equal "$(git -C "$SOURCE" rev-parse main)" \
		"$(git -C "$DOKKU_ROOT/web" rev-parse main)"
	printf '#!/bin/sh\nexec %q git-hook "$(basename "$PWD")"\n' "$DOKKU" \
		>"$DOKKU_ROOT/web/hooks/pre-receive"
	git -C "$DOKKU_ROOT/web" config --unset receive.procReceiveRefs
	commit
	push main
	went_live 2
	commit
	got git -C "$SOURCE" push --quiet "$DOKKU_ROOT/web" main
	went_live 3
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
	# A hook of the owner's own stays.
	printf '#!/bin/sh\n' >"$DOKKU_ROOT/web/hooks/pre-receive"
	commit
	push main
	went_live 4
	assert_file "$DOKKU_ROOT/web/hooks/pre-receive" '#!/bin/sh'
}

@test "a push by path as another user is refused, and told what works" {
	an_app
	commit
	# Whether the file HEAD is the caller's is asked of test.
	sed -i 's/-O HEAD/-O \/proc\/1\/none/' "$DOKKU_ROOT/web/hooks/pre-receive"
	got git -C "$SOURCE" push --quiet "$DOKKU_ROOT/web" main
	assert_status 1
	[[ $stderr == *'web: only the user dokku may push by path; nothing was deployed. From this host: git push dokku@localhost:web'* ]]
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web"
}

@test "a push that our hook has not seen is refused, and the branch stays" {
	an_app
	commit
	push main
	went_live 1
	local was
	was=$(git -C "$DOKKU_ROOT/web" rev-parse main)
	mkdir "$WORLD/hooks"
	ln -s "$PLUGIN_CORE_AVAILABLE_PATH/git/libexec/proc-receive" "$WORLD/hooks/proc-receive"
	other_git "$WORLD/hooks"
	commit
	push main
	assert_status 1
	[[ $stderr == *"nothing was deployed, as git did not run dokku's pre-receive hook: run make install on the server"* ]]
	assert_equal "$was" "$(git -C "$DOKKU_ROOT/web" rev-parse main)"
	push main:other
	assert_status 1
	# Without any hook git itself refuses it.
	other_git "$WORLD/home"
	push main
	assert_status 1
	assert_equal "$was" "$(git -C "$DOKKU_ROOT/web" for-each-ref --format='%(objectname)')"
	assert_equal 1 "$(current web)"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "a git that asks no hook: the pusher is told, and the branch goes back" {
	local was
	an_app
	git -C "$DOKKU_ROOT/web" config --unset receive.procReceiveRefs
	other_git "$WORLD/home" receive.procReceiveRefs
	commit
	push main
	assert_status 1
	[[ $stderr == *" !     web: nothing was deployed. Git took the push without running dokku's hook in "*", so main is back where it was."* ]]
	assert_equal "" "$(git -C "$DOKKU_ROOT/web" for-each-ref)"
	rm "$BIN/git"
	push main
	went_live 1
	was=$(git -C "$DOKKU_ROOT/web" rev-parse main)
	other_git "$WORLD/home" receive.procReceiveRefs
	commit
	push main
	assert_status 1
	assert_equal "$was" "$(git -C "$DOKKU_ROOT/web" rev-parse main)"
	# Nothing was pushed, and nothing is said.
	git -C "$SOURCE" reset --quiet --hard HEAD^
	push main
	assert_success ""
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "hooks of the owner's own in the repository run, and an old one of dokku's does not deploy twice" {
	local name
	an_app
	for name in update post-receive post-update; do
		printf '#!/bin/sh\nprintf "%%s %%s\\n" %s "$*"; cat\n' "$name" \
			>"$DOKKU_ROOT/web/hooks/$name"
		chmod +x "$DOKKU_ROOT/web/hooks/$name"
	done
	commit
	push main
	went_live 1
	local new
	new=$(git -C "$SOURCE" rev-parse HEAD)
	grep -qxF "update refs/heads/main $(printf '%040d' 0) $new" <<<"$remote"
	grep -qxF "$(printf '%040d' 0) $new refs/heads/main" <<<"$remote"
	grep -qxF "post-update refs/heads/main" <<<"$remote"
	# One that cannot run is said to be so.
	chmod -x "$DOKKU_ROOT/web/hooks/post-receive"
	# A pre-receive of the owner's own may refuse; that of Dokku's would deploy.
	printf '#!/bin/sh\nread -r old new ref; echo "mine: $ref"; exit 1\n' \
		>"$DOKKU_ROOT/web/hooks/pre-receive"
	chmod +x "$DOKKU_ROOT/web/hooks/pre-receive"
	commit
	push main
	assert_status 1
	assert_equal 1 "$(current web)"
	grep -qxF "mine: refs/heads/main" <<<"$remote"
	printf '#!/usr/bin/env bash\ncat | dokku git-hook web\n' \
		>"$DOKKU_ROOT/web/hooks/pre-receive"
	push main
	went_live 2
	grep \
		-qxF ' !     hooks/post-receive of web is not run, because it is not an executable file' <<<"$remote"
}

@test "a pushed tree has git's modes, whatever the umask of the session" {
	local mask
	an_app
	mkdir -p "$SOURCE/dir"
	printf 'x\n' | tee "$SOURCE/dir/file" >"$SOURCE/run"
	chmod 700 "$SOURCE/run" "$SOURCE/dir"
	chmod 600 "$SOURCE/dir/file"
	hook fake builder-build \
		<<<'(cd "$3" && find . -printf "%m %P\n" | sort | paste -sd " ") >"$WORLD/modes"'
	for mask in 077 027 000 777; do
		fake ssh <<<"umask $mask; SSH_ORIGINAL_COMMAND=\${!#} exec \"\$DOKKU\""
		commit
		push main
		assert_status 0
		assert_file "$WORLD/modes" "644 Dockerfile 644 dir/file 755  755 dir 755 run"
	done
}

@test "git-hook by hand: a ref that leads out of the repository, or that git would not take, is refused" {
	an_app
	commit
	push main
	local sha zero=0000000000000000000000000000000000000000
	sha=$(git -C "$SOURCE" rev-parse HEAD)
	printf 'ref: refs/heads/main\n' >"$WORLD/secret"
	is_refused() {
		got "$DOKKU" git-hook web <<<"$1"
		assert_status 1 && assert_error_like ' !     *not *: let git push run git-hook' &&
			[[ $stderr != *$'\n'* ]] && assert_equal 1 "$(current web)"
	}
	each is_refused <<-REFS
		$zero $sha refs/heads/../../../secret
		$sha $zero ../../etc/dokku/preview-token
		$sha $zero refs/heads/../../../../etc/shadow
		$zero $sha refs/heads/.git
		$zero $sha refs/heads/a//b
		$zero $sha refs/heads/main.lock
		$zero $sha refs/heads/main.lock/x
		$zero $sha refs/heads/x@{1}
		$zero $sha refs/heads/\x1b[31m
		$zero $sha refs/heads/*
		$sha $zero HEAD
	REFS
}

@test "a push with too many files, or too large ones, is refused in one line, and a bomb of trees takes no time" {
	an_app
	dokku git:set web max-files 2
	assert_success "-----> web: max-files is now 2"
	touch "$SOURCE"/{a,b}
	commit
	push main
	refused "web: the push has more than 2 files, which is its max-files: leave some out," \
		"or allow more with dokku git:set web; nothing was built"
	dokku git:set web max-files 3
	dokku git:set --global max-size 64k
	head --bytes 70000 /dev/zero >"$SOURCE/a"
	commit
	push main
	refused "web: the push has files of more than 65536 bytes, which is its max-size:" \
		"leave some out, or allow more with dokku git:set web; nothing was built"
	# Ten to the ninth files.
	dokku git:set web max-files
	local tree i
	tree=$(git -C "$SOURCE" write-tree)
	for i in {1..9}; do
		tree=$(printf "040000 tree $tree\t%s\n" {0..9} | git -C "$SOURCE" mktree)
	done
	git -C "$SOURCE" update-ref refs/heads/bomb \
		"$(git -C "$SOURCE" commit-tree -m bomb "$tree" </dev/null)"
	dokku git:set web max-size 999g
	got timeout 60 git -C "$SOURCE" push --quiet dokku@host:web bomb:main
	remote=$(sed -n 's/^remote: \?//p' <<<"$stderr" | sed 's/ *$//')
	refused "web: the push has more than 100000 files, which is its max-files:" \
		"leave some out, or allow more with dokku git:set web; nothing was built"
	dokku git:set web max-size
	dokku git:set --global max-size
	push main
	went_live 1
}

@test "a push of more bytes than max-size is ended by git; an administrator's own limit holds where none is set" {
	an_app
	head --bytes 200000 /dev/urandom >"$SOURCE/a"
	commit
	dokku git:set web max-size 100k
	push main
	assert_status 1
	[[ $remote == "fatal: pack exceeds maximum allowed size"* ]]
	assert_equal "" "$(git -C "$DOKKU_ROOT/web" for-each-ref)"
	dokku git:set web max-size
	git config --global receive.maxInputSize 50k
	push main
	[[ $remote == "fatal: pack exceeds maximum allowed size"* ]]
	dokku git:set web max-size 1g
	push main
	went_live 1
}

@test "a path that cannot be opened is refused in one line, and so is a tree that git cannot list" {
	an_app
	local blob depth
	blob=$(git -C "$SOURCE" hash-object -w --stdin <<<text)
	# Twenty names of 250 bytes, then three thousand short ones.
	for depth in "$(printf 'x%.0s' {1..250})/ 20" "d/ 3000"; do
		printf 'commit refs/heads/deep\ncommitter e <e@example.com> 0 +0000\ndata 0\nM 100644 %s %sf\n' \
			"$blob" "$(yes "${depth% *}" | head -n "${depth#* }" | tr -d '\n')" |
			git -C "$SOURCE" fast-import --quiet --force
		got timeout 20 git -C "$SOURCE" push --quiet --force dokku@host:web deep:main
		remote=$(sed -n 's/^remote: \?//p' <<<"$stderr" | sed 's/ *$//')
		refused "web: the push has a path of more than 4000 bytes," \
			"which cannot be opened: leave it out; nothing was built"
	done
	# A git that crashes lets nothing pass.
	code git-hook \
		'source "$PLUGIN_CORE_AVAILABLE_PATH/git/functions"; git() { return 139; }
			revision=x; check_tree web'
	assert_refused "web: git cannot list the pushed files: run git fsck, then push again;" \
		"nothing was built"
}

@test "git:set max-size and max-files: what is none is refused" {
	an_app
	is_refused() {
		dokku git:set web "${1% *}" "${1#* }" && assert_status 1 && assert_output "" &&
			assert_error_like ' !     *; nothing was changed'
	}
	each is_refused <<-'VALUES'
		max-size 0
		max-size 1t
		max-size -1
		max-size 1g;x
		max-files 0
		max-files 1k
		max-files 01
	VALUES
}

# engine_has IMAGE… - makes hooks of an engine that has these images, and pulls or loads any image
# but "absent".
engine_has() {
	hook fake image-fetch <<<'[[ $2 != absent ]] || exit 1'
	hook fake image-load <<<'cat <&3 >"$WORLD/loaded"'
}

@test "git:from-image, git:load-image: a Dockerfile of one line is deployed as a push is; the same again does nothing" {
	an_app
	engine_has
	mkdir "$WORLD/build dir"
	printf 'x\n' >"$WORLD/build dir/more"
	printf 'y\n' >"$WORLD/build dir/Dockerfile"
	dokku git:from-image web absent
	assert_status 1
	dokku git:from-image web '--evil'
	assert_status 2
	for name in 'a b' 'a;b' '../x' 'A' $'a\nRUN x' 'a@sha256:1'; do
		dokku git:from-image web "$name"
		assert_status 1
		assert_steps "image-fetch web absent "
	done
	dokku git:from-image web example.com:5000/shop:1.2
	went_live 1
	assert_equal 'FROM example.com:5000/shop:1.2
LABEL com.dokku.docker-image-labeler/alternate-tags=[\"example.com:5000/shop:1.2\"]' \
		"$(git -C "$DOKKU_ROOT/web" show master:Dockerfile)"
	assert_file "$DOKKU_ROOT/web/HEAD" "ref: refs/heads/master"
	dokku apps:report web --app-deploy-source
	assert_success docker-image
	dokku git:report web --git-source-image
	assert_success example.com:5000/shop:1.2
	: >"$STEPS"
	dokku git:from-image web example.com:5000/shop:1.2
	assert_success "-----> No changes detected, skipping git commit: web is not deployed again"
	hook fake builder-build <<<'exit 1'
	dokku git:from-image web shop:2
	assert_status 1
	assert_equal 1 "$(current web)"
	hook fake builder-build <<<'ls -A "$3" | paste -sd " " >>"$STEPS"'
	dokku git:from-image --build-dir "$WORLD/build dir" web shop:2 Ann ann@example.com
	went_live 3
	assert_equal "Ann ann@example.com" \
		"$(git -C "$DOKKU_ROOT/web" log -1 --format='%an %ae' master)"
	assert_equal "x" "$(git -C "$DOKKU_ROOT/web" show master:more)"
	grep -qx 'Dockerfile more' "$STEPS"
	got "$DOKKU" git:load-image web shop:3 <<<"layers"
	went_live 4
	assert_file "$WORLD/loaded" layers
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "git:from-image: the files that plugins read come from the image, and are committed" {
	an_app
	engine_has
	hook fake image-paths <<<'printf "Procfile\nCHECKS\n"'
	hook fake image-files <<<'printf "web: x\n" >"$3/Procfile"'
	dokku git:from-image web shop:1
	went_live 1
	grep -q '^image-files web shop:1 .*/lib/tmp/image.* app.json Procfile CHECKS' "$STEPS"
	assert_equal "web: x" "$(git -C "$DOKKU_ROOT/web" show master:Procfile)"
	assert_file "$DOKKU_LIB_ROOT/data/releases/web/1/Procfile" "web: x"
	hook fake image-files <<<'exit 1'
	dokku git:from-image web shop:2
	assert_status 1
	assert_equal 1 "$(current web)"
}

@test "git:sync: sets the branch, deploys if asked to or if there is something new" {
	an_app
	commit main
	dokku git:sync web "$SOURCE" main
	assert_success \
		"-----> Fetched $(git -C "$SOURCE" rev-parse --short=7 main):" \
		"dokku ps:rebuild web deploys it"
	assert_equal "$(git -C "$SOURCE" rev-parse main)" \
		"$(git -C "$DOKKU_ROOT/web" rev-parse main)"
	assert_equal "refs/heads/main" \
		"$(git -C "$DOKKU_ROOT/web" for-each-ref --format='%(refname)')"
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web"
	dokku git:sync --build-if-changes web "$SOURCE"
	went_live 1
	dokku git:sync --build-if-changes web "$SOURCE"
	assert_status 0
	[[ $output == *"No changes detected"* ]]
	dokku git:sync --build web "$SOURCE"
	went_live 2
	git -C "$SOURCE" tag v1
	commit topic
	hook fake builder-build <<<'exit 1'
	dokku git:sync --build web "$SOURCE" topic
	assert_status 1
	assert_file "$DOKKU_LIB_ROOT/config/git/web/deploy-branch" main
	hook fake builder-build </dev/null
	dokku git:sync --build --skip-deploy-branch web "$SOURCE" topic
	went_live 4
	assert_file "$DOKKU_LIB_ROOT/config/git/web/deploy-branch" main
	assert_equal "$(git -C "$SOURCE" rev-parse topic)" \
		"$(git -C "$DOKKU_ROOT/web" rev-parse main)"
	dokku git:sync --build web "$SOURCE" v1
	went_live 5
	dokku git:sync web "$SOURCE" nope
	assert_refused "web: $SOURCE has no branch or tag \"nope\"; nothing was changed"
	dokku git:sync web 'ext::sh -c id' main
	assert_status 1
	assert_equal "refs/heads/main" \
		"$(git -C "$DOKKU_ROOT/web" for-each-ref --format='%(refname)')"
}

@test "git:from-archive: tar and tar.gz from stdin; what leads out, is too large or no archive is refused" {
	an_app
	mkdir -p "$WORLD/files/top/sub"
	printf 'FROM x\n' >"$WORLD/files/top/Dockerfile"
	printf 'a\n' >"$WORLD/files/top/sub/a"
	tar -C "$WORLD/files" -cf "$WORLD/a.tar" top
	got "$DOKKU" git:from-archive web -- <"$WORLD/a.tar"
	went_live 1
	assert_equal "Dockerfile
sub/a" "$(git -C "$DOKKU_ROOT/web" ls-tree -r --name-only master)"
	got "$DOKKU" git:from-archive web -- <"$WORLD/a.tar"
	assert_status 0
	assert_equal 1 "$(current web)"
	printf 'b\n' >"$WORLD/files/top/sub/a"
	tar -C "$WORLD/files/top" -czf "$WORLD/a.tar.gz" .
	got "$DOKKU" git:from-archive --archive-type tar.gz web -- <"$WORLD/a.tar.gz"
	went_live 2
	is_refused() {
		got "$DOKKU" git:from-archive web -- <"$WORLD/a.tar"
		assert_status 1
		[[ $stderr == " !     web: $1"*"; nothing was deployed" ]] ||
			differ "$1" "refused" "$stderr"
		assert_equal 2 "$(current web)"
		assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
	}
	tar -C "$WORLD/files" -cPf "$WORLD/a.tar" --transform 's,^top/sub,../x,' top
	is_refused "the archive has a path that leads out of it"
	ln -s /etc/passwd "$WORLD/files/top/link"
	tar -C "$WORLD/files" -cf "$WORLD/a.tar" top
	is_refused "top/link in the archive is a link that leads out of it"
	rm "$WORLD/files/top/link"
	printf 'no archive\n' >"$WORLD/a.tar"
	is_refused "this is no archive of the type tar"
	head -c 100000 /dev/zero >"$WORLD/files/top/zeros"
	tar -C "$WORLD/files" -cf "$WORLD/a.tar" top
	dokku git:set web archive-max-size 50k
	is_refused "the archive has more than 51200 bytes"
	head -c 30000 /dev/zero >"$WORLD/files/top/zeros"
	ln "$WORLD/files/top/zeros" "$WORLD/files/top/again"
	tar -C "$WORLD/files" -cf "$WORLD/a.tar" top
	is_refused "the archive has more than 51200 bytes"
	rm "$WORLD/files/top/again"
	tar -C "$WORLD/files" -cf "$WORLD/a.tar" top
	dokku git:set web archive-max-size
	dokku git:set web archive-max-files 2
	is_refused "the archive has 5 files, more than its archive-max-files 2"
	dokku git:from-archive web file:///etc/passwd
	assert_status 1
}

@test "git:from-archive: thousands of links in a circle are followed no further than Linux does" {
	an_app
	local i
	mkdir -p "$WORLD/files/l"
	printf 'FROM x\n' >"$WORLD/files/Dockerfile"
	for ((i = 0; i < 3000; i++)); do
		ln -s "$(((i + 1) % 3000))" "$WORLD/files/l/$i"
	done
	ln -s nowhere "$WORLD/files/dangling"
	tar -C "$WORLD/files" -cf "$WORLD/a.tar" .
	SECONDS=0 got timeout 60 "$DOKKU" git:from-archive web -- <"$WORLD/a.tar"
	went_live 1
	assert_equal 3002 "$(git -C "$DOKKU_ROOT/web" ls-tree -r --name-only master | wc -l)"
	# One that leads out, at the end of a chain.
	ln -sfn ../../../x "$WORLD/files/l/2999"
	tar -C "$WORLD/files" -cf "$WORLD/a.tar" .
	got timeout 60 "$DOKKU" git:from-archive web -- <"$WORLD/a.tar"
	assert_status 1
	assert_error_like " !     web: l/29* in the archive is a link that leads out of it; *"
}

@test "git:from-archive: a tar.gz that is a thousand times as large is not read to its end" {
	an_app
	printf 'FROM x\n' >"$WORLD/Dockerfile"
	truncate -s 20M "$WORLD/zeros"
	tar -C "$WORLD" -czf "$WORLD/a.tar.gz" Dockerfile zeros
	dokku git:set web archive-max-size 1m
	dokku git:set web archive-max-files 10
	fake gzip <<<'/usr/bin/gzip "$@" | tee >(wc --bytes >>"$WORLD/read")'
	got "$DOKKU" git:from-archive --archive-type tar.gz web -- <"$WORLD/a.tar.gz"
	assert_refused "web: the archive has more than 1048576 bytes, its archive-max-size: leave some" \
		"out, or allow more with dokku git:set web; nothing was deployed"
	sleep 0.5
	[[ $(sort -n "$WORLD/read" | tail -n 1) -le 2000000 ]]
}

@test "git:from-archive: names and answers without end do not fill the disk" {
	an_app
	dokku git:set web archive-max-files 2
	dokku git:set web archive-max-size 50k
	# 1,000 names of 99 bytes.
	mkdir "$WORLD/files"
	(cd "$WORLD/files" && printf '%099d\n' {1..1000} | xargs touch)
	tar -C "$WORLD/files" -czf "$WORLD/a.tar.gz" .
	fake stat <<-'BODY'
		result=$(/usr/bin/stat "$@") && printf '%s\n' "$result" | tee -a "$WORLD/sizes"
	BODY
	got "$DOKKU" git:from-archive --archive-type tar.gz web -- <"$WORLD/a.tar.gz"
	assert_status 1
	[[ $stderr == *"at least"*"files, more than its archive-max-files 2"* ]]
	# What curl prints of an answer that does not say its length.
	fake curl <<<'head -c 10000000 /dev/zero 2>/dev/null'
	got "$DOKKU" git:from-archive web http://example.com/a.tar
	assert_status 1
	[[ $stderr == *"the archive has more than 51200 bytes"* ]]
	# Without this option, curl would ask for 99 files.
	fake curl <<-'BODY'
		[[ " $* " != *" --globoff "* ]] || printf 'curl: (22) no such file\n' >&2
		exit 22
	BODY
	got "$DOKKU" git:from-archive web 'http://example.com/[1-99].tar'
	assert_status 1
	[[ $stderr == *"[1-99].tar cannot be fetched: curl: (22) no such file;"* ]]
	fake curl <<<'printf "curl: (6) no such host\n" >&2; exit 6'
	got "$DOKKU" git:from-archive web http://example.com/a.tar
	assert_status 1
	[[ $stderr == *"cannot be fetched: curl: (6) no such host; nothing was deployed" ]]
	awk '$1 > 51201 { print; bad = 1 } END { exit bad }' "$WORLD/sizes"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "git:from-archive: folders without rights are deployed whole, and nothing is left over" {
	an_app
	chmod 777 "$BATS_TEST_TMPDIR"
	mkdir -p "$WORLD/files/top/closed"
	printf 'FROM x\n' >"$WORLD/files/top/Dockerfile"
	printf 'a\n' >"$WORLD/files/top/closed/a"
	tar -C "$WORLD/files" --mode=0 -cf "$WORLD/a.tar" top
	# root reads and removes any folder, so what git and rm find is noted.
	fake git <<-'BODY'
		[[ " $* " != *" add "* ]] ||
			find "$DOKKU_LIB_ROOT/tmp" ! -perm -u+r -printf '%f %m\n' >>"$WORLD/closed"
		exec /usr/bin/git "$@"
	BODY
	got "$DOKKU" git:from-archive web -- <"$WORLD/a.tar"
	went_live 1
	assert_equal "Dockerfile
closed/a" "$(git -C "$DOKKU_ROOT/web" ls-tree -r --name-only master)"
	assert_file "$WORLD/closed" ""
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "git:from-archive: bsdtar, which reads anything, is given zip files only" {
	an_app
	fake bsdtar <<<'printf "Dockerfile\n"'
	got "$DOKKU" git:from-archive --archive-type zip web -- \
		<<<$'#mtree\nDockerfile type=file contents=/etc/hostname'
	assert_refused "web: this is no archive of the type zip; nothing was deployed"
	# bsdtar reads mtree without its mark, too, and makes files as large as that says.
	got "$DOKKU" git:from-archive --archive-type zip web -- \
		<<<$'PK type=file size=1000000000000\nDockerfile type=file'
	assert_refused "web: this is no archive of the type zip; nothing was deployed"
	assert_equal "" "$(grep ^bsdtar "$CALLS" || true)"
	printf 'FROM x\n' >"$WORLD/Dockerfile"
	rm "$BIN/bsdtar"
	(cd "$WORLD" && python3 -m zipfile -c a.zip Dockerfile)
	got "$DOKKU" git:from-archive --archive-type zip web -- <"$WORLD/a.zip"
	went_live 1
}

@test "git:sync: an address has no control characters, which would end a line of the release" {
	an_app
	commit main
	mv "$SOURCE" "$SOURCE"$'\nx'
	dokku git:sync --build web "$SOURCE"$'\nx' main
	assert_refused "web: the address of a repository cannot have control characters:" \
		"\"$SOURCE\x0ax\"; nothing was changed"
}

@test "git:auth, git:auth-status: no process has a password in its arguments" {
	fake_write <<-'BODY'
		[[ $1 != *.netrc ]] || grep -l s3cret /proc/[0-9]*/cmdline >>"$WORLD/seen" || true
	BODY
	dokku git:auth example.com ann s3cret
	assert_status 0
	assert_file "$WORLD/seen" ""
	assert_file "$DOKKU_ROOT/.netrc" "machine example.com login ann password s3cret"
	got "$DOKKU" git:auth --quiet example.com ann <<<"other"
	assert_status 0
	got "$DOKKU" git:auth-status example.com ann <<<"other"
	assert_status 0
	dokku git:auth-status --quiet example.com ann s3cret
	assert_status 1
}

@test "git:auth, git:auth-status, deploy keys: for hosts that git:sync fetches from" {
	got "$DOKKU" git:auth example.com ann <<<"pass word"
	assert_status 1
	got "$DOKKU" git:auth example.com ann <<<"secret"
	assert_success "-----> Set for example.com: ann and a password"
	assert_file "$DOKKU_ROOT/.netrc" "machine example.com login ann password secret"
	assert_mode "$DOKKU_ROOT/.netrc" 600
	dokku git:auth example.org bob other
	dokku git:auth-status example.com ann secret
	assert_status 0
	dokku git:auth-status example.com ann wrong
	assert_status 1
	dokku git:auth example.com
	assert_file "$DOKKU_ROOT/.netrc" "machine example.org login bob password other"
	dokku git:auth-status example.com
	assert_status 0
	dokku git:public-key
	assert_refused "There is no deploy key: dokku git:generate-deploy-key makes one"
	dokku git:generate-deploy-key
	assert_status 0
	local key=${output#*$'\n'}
	[[ $key == "ssh-ed25519 "* ]]
	dokku git:public-key
	assert_success "$key"
	dokku git:generate-deploy-key
	assert_status 0
	dokku git:public-key
	assert_success "$key"
	dokku git:allow-host '-oProxyCommand=x'
	assert_status 2
}

@test "keep-git-dir: the build gets the repository with the commit" {
	an_app
	hook fake builder-build <<<'git -C "$3" log -1 --format=%H >>"$STEPS"
		git -C "$3" status --short >>"$STEPS"; ls -d "$3/.git" >/dev/null'
	dokku git:set web keep-git-dir true
	commit
	push main
	went_live 1
	grep -qx "$(git -C "$SOURCE" rev-parse main)" "$STEPS"
	run grep -q '^ M\|^ D\|^?' "$STEPS"
	[[ $status -eq 1 ]]
}
