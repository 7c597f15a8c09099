#!/usr/bin/env bats
# builder-dockerfile: which file is built, by which builder, and what of its output is shown.

load ../helper

setup() {
	world
	made_plugins builder-dockerfile
	make_app web
	fake_engine <<<'[[ $2 != /version ]] ||
		printf "{ \"Version\": \"20.10.24\", \"Os\": \"linux\", \"Arch\": \"amd64\" }\n"'
	TREE="$WORLD/tree"
	mkdir "$TREE"
	printf 'FROM scratch\n' >"$TREE/Dockerfile"
}

# build - runs the hook builder-build like a push.
build() { got "$PLUGIN_PATH/builder-dockerfile/builder-build" dockerfile web "$TREE" dokku/web:v1; }

# docker_builds - prints the builds that docker was asked for, without the probe, the builder first.
docker_builds() {
	sed -n -e "s:$DOKKU_LIB_ROOT/tmp/build[^/]*:TMP:" -e 's/^buildkit \([01]\): //p' \
		"$BATS_TEST_TMPDIR/builds"
}

# engine_builds [NO] - makes a fake docker whose builds print stdin. BuildKit works in it, unless NO
# is given.
engine_builds() {
	printf '%s' "$(cat)" >"$BATS_TEST_TMPDIR/prints"
	fake docker <<<'[[ $* != *--help* ]] || { printf "Options:\n      --build-arg list   x\n  -t, --tag list   x\n  -m, --memory bytes   x\n      --target string   x\n"; exit; }
		printf "buildkit %s: %s\n" "$DOCKER_BUILDKIT" "$*" >>"$BATS_TEST_TMPDIR/builds"
		[[ $* != *--output* ]] || { '"${1:+printf 'ERROR: BuildKit is enabled but the buildx component is missing or broken.\nInstall it\n' >&2; exit 1}"'
		exit 0; }
		for ((i = 1; i <= $#; i++)); do [[ ${!i} != --file ]] || { i=$((i + 1)); cp "${!i}" "$WORLD/built"; }; done
		cat "$BATS_TEST_TMPDIR/prints"; exit "${BUILD_STATUS:-0}"'
}

@test "builder-detect: where there is the Dockerfile that is to be built" {
	rm "$TREE/Dockerfile"
	got "$PLUGIN_PATH/builder-dockerfile/builder-detect" web "$WORLD/tree"
	assert_success ""
	printf 'FROM scratch\n' >"$WORLD/tree/Dockerfile"
	got "$PLUGIN_PATH/builder-dockerfile/builder-detect" web "$WORLD/tree"
	assert_success dockerfile
	# Dokku would build it with buildpacks.
	: >"$WORLD/tree/.buildpacks"
	got "$PLUGIN_PATH/builder-dockerfile/builder-detect" web "$WORLD/tree"
	assert_success ""
	rm "$WORLD/tree/.buildpacks"
	dokku builder-dockerfile:set web dockerfile-path deploy/Dockerfile
	assert_status 0
	got "$PLUGIN_PATH/builder-dockerfile/builder-detect" web "$WORLD/tree"
	assert_status 0
	assert_output ""
	assert_error ' !     web: there is no deploy/Dockerfile in the repo,' \
		'which is the dockerfile-path of this app. For the Dockerfile at its top:' \
		'dokku builder-dockerfile:set web dockerfile-path'
}

@test "builder-detect: a file that may be meant as the Dockerfile is named, a link is not" {
	local path
	rm "$TREE/Dockerfile"
	mkdir "$TREE/docker" "$TREE/deep" "$TREE/deep/er"
	: >"$TREE/deep/er/Dockerfile"
	ln -s deep/er/Dockerfile "$TREE/dockerfile"
	ln -s deep/er "$TREE/link"
	got "$PLUGIN_PATH/builder-dockerfile/builder-detect" web "$TREE"
	assert_success ""
	rm "$TREE/dockerfile"
	for path in docker/Dockerfile app.dockerfile Containerfile dockerfile; do
		: >"$TREE/$path"
		got "$PLUGIN_PATH/builder-dockerfile/builder-detect" web "$TREE"
		assert_status 0
		assert_output ""
		assert_error " !     web: there is no Dockerfile in the repo, but $path." \
			"To build that: dokku builder-dockerfile:set web dockerfile-path $path"
	done
}

@test "builder-dockerfile:set: a path within the repo" {
	local path
	for path in /etc/passwd ../x a/../../x; do
		dokku builder-dockerfile:set web dockerfile-path "$path"
		assert_refused "builder-dockerfile:set: dockerfile-path wants a path within the" \
			"repository, such as deploy/web, not \"$path\"; nothing was changed"
	done
	dokku builder-dockerfile:set web nope x
	assert_refused 'builder-dockerfile:set: no such setting: "nope": there are build-cache,' \
		'dockerfile-path' 2
}

@test "builder-dockerfile:set build-cache: megabytes, for all apps" {
	dokku builder-dockerfile:set --global build-cache 500
	assert_success "-----> --global: build-cache is now 500"
	dokku builder-dockerfile:set --global build-cache x
	assert_refused 'builder-dockerfile:set: build-cache wants a whole number of megabytes' \
		'from 0 to 99999999, not "x"; nothing was changed'
	dokku builder-dockerfile:set web build-cache 500
	assert_refused 'builder-dockerfile:set: Property can only be specified globally:' \
		'say --global build-cache' 2
}

@test "builder-build: a Dockerfile or .dockerignore that is UTF-16, as PowerShell writes it, is refused by that name" {
	local file
	engine_builds <<<''
	for file in Dockerfile .dockerignore Dockerfile.dockerignore; do
		printf 'FROM scratch\r\n' | iconv -f UTF-8 -t UTF-16 >"$TREE/$file"
		build
		assert_refused "web: $file in the repo is UTF-16: save it as UTF-8, and push again"
		printf 'FROM scratch\n' >"$TREE/$file"
	done
	assert_absent "$BATS_TEST_TMPDIR/builds"
}

@test "builder-build: by BuildKit, with a label and caches of the app's own, and the Dockerfile as it is" {
	printf '\xef\xbb\xbfFROM scratch\r\nCOPY <<FROM /x\r\nFROM here\r\nFROM\r\n' \
		>"$TREE/Dockerfile"
	engine_builds <<<'#1 [internal] load build definition from Dockerfile'
	build
	assert_success ""
	cmp "$TREE/Dockerfile" "$WORLD/built"
	assert_equal "build --quiet --output type=tar,dest=/dev/null -
build --progress=plain --label com.dokku.app-name=web --build-arg BUILDKIT_CACHE_MOUNT_NS --tag dokku/web:v1 --file $TREE/Dockerfile TMP/of/web" "$(docker_builds)"
	assert_equal "" "$(grep -v '^buildkit 1' "$BATS_TEST_TMPDIR/builds")"
	# It is not asked for again.
	: >"$BATS_TEST_TMPDIR/builds"
	hook fake docker-args-build <<<'printf "%s --target" "$(cat)"'
	hook fake docker-args-process-build <<<'printf "%s one" "$(cat)"'
	build
	grep -qx "docker-args-process-build web dockerfile" "$STEPS"
	assert_success ""
	assert_equal "build --progress=plain --target one --label com.dokku.app-name=web --build-arg BUILDKIT_CACHE_MOUNT_NS --tag dokku/web:v1 --file $TREE/Dockerfile TMP/of/web" "$(docker_builds)"
	# Another engine.
	fake_engine <<<'[[ $2 != /version ]] || printf "{ \"Version\": \"28.0.0\" }\n"'
	build
	grep -q -- --output "$BATS_TEST_TMPDIR/builds"
}

@test "builder-build: each app has a namespace for its caches that no other app can guess" {
	local first
	engine_builds <<<''
	fake docker <<<'printf "%s\n" "$BUILDKIT_CACHE_MOUNT_NS" >"$BATS_TEST_TMPDIR/namespace"'
	build
	first=$(<"$BATS_TEST_TMPDIR/namespace")
	[[ $first =~ ^web-[0-9a-f]{16}$ ]]
	build
	assert_file "$BATS_TEST_TMPDIR/namespace" "$first"
	make_app other
	got "$PLUGIN_PATH/builder-dockerfile/builder-build" dockerfile other "$TREE" dokku/other:v1
	[[ $(<"$BATS_TEST_TMPDIR/namespace") =~ ^other-[0-9a-f]{16}$ &&
	$(<"$BATS_TEST_TMPDIR/namespace") != "other-${first#*-}" ]]
	# A copy of an app has other caches, too, and so has the next app of the name.
	code "" 'properties_copy web copy; properties_delete web'
	got "$PLUGIN_PATH/builder-dockerfile/builder-build" dockerfile copy "$TREE" dokku/copy:v1
	assert_file "$BATS_TEST_TMPDIR/namespace" "copy-${first#*-}"
	build
	[[ $(<"$BATS_TEST_TMPDIR/namespace") != "$first" ]]
}

@test "builder-build: options that are quoted as for a shell; those for containers are passed over" {
	engine_builds <<<""
	hook fake docker-args-build <<<'printf "%s --build-arg '"'X=a \\\$(id) b'"' -v /a:/b --link db:x --memory-swap -1 -m 1g -t mine" "$(cat)"'
	build
	assert_success "       The old builder builds, because BuildKit has no limits: --build-arg 'X=a \$(id) b' -v /a:/b --link db:x --memory-swap -1 -m 1g -t mine
       Options that are not for docker build are passed over: -v --link --memory-swap -t"
	assert_equal "build --force-rm --build-arg X=a \$(id) b -m 1g --label" \
		"$(docker_builds | tail -n 1 | cut -d ' ' -f 1-9)"
	hook fake docker-args-build <<<'printf -- "--target nope"'
	export BUILD_STATUS=1
	build
	assert_status 1
	assert_error " !     web: its Dockerfile does not build: see the last step above, correct it," \
		"or the options of dokku docker-options:report web, and push again"
	hook fake docker-args-build <<<'printf -- "--target \"x"'
	build
	assert_refused 'web: a quote is not closed in the docker options of the build: --target "x'
}

@test "builder-build: where BuildKit does not work the old builder builds, and one line says why" {
	engine_builds no <<<$'Step 1/1 : FROM scratch\n ---> 123'
	build
	assert_success "       BuildKit does not work here, so the old builder builds: ERROR: BuildKit is enabled but the buildx component is missing or broken.
       FROM scratch"
	assert_equal "buildkit 0: build --force-rm --label com.dokku.app-name=web --tag dokku/web:v1 --file TMP/dockerfile $TREE" "$(tail -n 1 "$BATS_TEST_TMPDIR/builds" | sed "s:$DOKKU_LIB_ROOT/tmp/build[^/]*:TMP:")"
	# It may work the next time.
	engine_builds <<<''
	build
	assert_success ""
	assert_equal "buildkit 1: build --progress=plain" \
		"$(tail -n 1 "$BATS_TEST_TMPDIR/builds" | cut -d ' ' -f 1-4)"
}

@test "builder-build: what BuildKit prints is shown as steps, what commands print, and the error last" {
	engine_builds <<'TEXT'
#1 [internal] load build definition from Dockerfile
#1 sha256:6f36208fc4ed075e0f793bedafb05cb188919b51978c0e7b39d5636a25bab080
#1 transferring dockerfile: 352B 0.1s done
#1 DONE 0.1s

#3 [internal] load build context
#3 transferring context: 3.15MB 0.0s done
#3 CACHED

#4 [stage-2 1/3] COPY --chmod=755 web /web
#4 DONE 0.3s

#4 [stage-2 1/3] COPY --chmod=755 web /web
#4 DONE 0.4s

#5 [one  1/12] RUN echo one; printf '\tx'
#5 sha256:94e1e6ab93564245ce0fef578410da8d44bbbbf163e6d7ab556a0996cb9a1dc0
#5 0.985 one
#5 0.985 	x
#5 ...

#6 [2/3] RUN --mount=type=cache,target=/c make
#6 0.916 # hash
#6 0.917 #5 DONE 0.1s
#6 0.918 
#6 1.918 ------
#6 2.000 10 %50 %100 %
#6 CACHED

#5 [one  1/12] RUN echo one; printf '\tx'
#5 ERROR: executor failed running [/bin/sh -c echo failing; exit 3]: exit code: 3
------
 > [one  1/12] RUN echo one; printf '\tx':
0.985 one
------
failed to solve with frontend dockerfile.v0: failed to create LLB definition: executor failed running [/bin/sh -c echo failing; exit 3]: exit code: 3
TEXT
	BUILD_STATUS=1 build
	assert_status 1
	assert_output "       COPY --chmod=755 web /web
       [one] RUN echo one; printf '\tx'
       one
       	x
       RUN --mount=type=cache,target=/c make
       # hash
       #5 DONE 0.1s
       
       ------
       10 %50 %100 %
       [one] RUN echo one; printf '\tx'
       executor failed running [/bin/sh -c echo failing; exit 3]: exit code: 3"
	assert_error " !     web: its Dockerfile does not build: see the last step above," \
		"correct it, and push again"
}

@test "builder-build: a docker that is told to build with a buildx that is not there" {
	local text
	mkdir -p "$HOME/.docker"
	for text in "unknown flag: --progress" "docker: 'buildx' is not a docker command." \
		"unknown command: docker buildx"; do
		engine_builds <<<"$text"
		rm -f "$HOME/.docker/config.json"
		BUILD_STATUS=1 build
		assert_error " !     web: its Dockerfile does not build: see the last step above," \
			"correct it, and push again"
		printf '{"aliases": {"builder": "buildx"}}\n' >"$HOME/.docker/config.json"
		BUILD_STATUS=1 build
		assert_error ' !     web: its Dockerfile does not build: "aliases" in' \
			"$HOME/.docker/config.json lets docker build with buildx, which is not" \
			"here: remove them from that file, or install buildx, then push again"
	done
}

@test "builder-build: a frontend that cannot be had, and a here-document that the engine does not know, are told" {
	printf '\xef\xbb\xbf# syntax=docker/dockerfile:1\r\nFROM scratch\n' >"$TREE/Dockerfile"
	engine_builds <<'TEXT'
#2 [internal] load .dockerignore
#3 resolve image config for docker.io/docker/dockerfile:1
#3 ERROR: failed to do request: no such host
------
 > resolve image config for docker.io/docker/dockerfile:1:
------
failed to solve with frontend dockerfile.v0: failed to solve with frontend gateway.v0: failed to do request: no such host
TEXT
	BUILD_STATUS=1 build
	assert_output "       failed to do request: no such host"
	assert_error ' !     web: its Dockerfile does not build:' \
		'its line "# syntax=docker/dockerfile:1" needs an image from a registry that this' \
		'server cannot reach: remove that line, unless the file needs it'
	printf 'FROM scratch\nRUN <<E\necho\nE\n' >"$TREE/Dockerfile"
	engine_builds <<<'failed to solve with frontend dockerfile.v0: failed to create LLB definition: dockerfile parse error line 3: unknown instruction: ECHO'
	BUILD_STATUS=1 build
	assert_output "       dockerfile parse error line 3: unknown instruction: ECHO"
	assert_error ' !     web: its Dockerfile does not build:' \
		'this engine builds here-documents (<<) only with the line "#' \
		'syntax=docker/dockerfile:1" at the top'
}

@test "builder-build: an engine that goes away during a build: it builds again, or says that it is away" {
	fake docker <<<'[[ $* != *--output* ]] || exit 0
		printf "." >>"$BATS_TEST_TMPDIR/builds"
		[[ $(stat -c %s "$BATS_TEST_TMPDIR/builds") -gt ${BREAKS:-1} ]] || {
			cat "$BATS_TEST_TMPDIR/prints"
			exit 1
		}
		printf "#5 [1/1] RUN make\n"'
	local text gone="rpc error: code = Unavailable desc"
	for text in "unexpected EOF" "ERROR: failed to solve: $gone = error reading: EOF" \
		"ERROR: failed to build: failed to receive status: $gone = x" \
		"Unavailable: error reading from server: EOF" \
		"ERROR: failed to solve: Unavailable: closing transport" \
		"ERROR: Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?"; do
		rm -f "$BATS_TEST_TMPDIR/builds"
		printf '#5 [1/1] RUN make\n%s\r\n\n' "$text" >"$BATS_TEST_TMPDIR/prints"
		build
		assert_status 0
		[[ $output == *"
       The Docker engine broke off the build: building again as soon as it answers
       RUN make" ]]
		assert_equal .. "$(<"$BATS_TEST_TMPDIR/builds")"
	done
	BREAKS=9 build
	assert_status 1
	assert_error " !     web: the Docker engine does not answer, so nothing was built." \
		"Start it (sudo systemctl start docker), then push again"
	# What a command of the Dockerfile prints is no sign of it.
	printf '#5 0.1 unexpected EOF\n#5 ERROR: exit code: 1\n------\nexit code: 1\n' \
		>"$BATS_TEST_TMPDIR/prints"
	rm "$BATS_TEST_TMPDIR/builds"
	BREAKS=9 build
	assert_error " !     web: its Dockerfile does not build: see the last step above," \
		"correct it, and push again"
	assert_equal . "$(<"$BATS_TEST_TMPDIR/builds")"
}

@test "a link in the pushed tree is not followed: Dockerfile, a folder on the way, .dockerignore" {
	local secret="$WORLD/secret"
	mkdir "$WORLD/outside"
	printf 'words of the host\n' | tee "$secret" >"$WORLD/outside/Dockerfile"
	engine_builds <<<''
	ln -sf "$secret" "$TREE/Dockerfile"
	got "$PLUGIN_PATH/builder-dockerfile/builder-detect" web "$TREE"
	assert_success dockerfile
	build
	assert_refused "web: Dockerfile in the repo is a symbolic link, or its folder is one:" \
		"make it a regular file, or name another: dokku builder-dockerfile:set web" \
		"dockerfile-path"
	# One that leads nowhere, or stays in the tree.
	ln -sf nowhere "$TREE/Dockerfile"
	build
	assert_status 1
	dokku builder-dockerfile:set web dockerfile-path deploy/Dockerfile
	ln -s "$WORLD/outside" "$TREE/deploy"
	build
	assert_refused "web: deploy/Dockerfile in the repo is a symbolic link," \
		"or its folder is one: make it a regular file, or name another:" \
		"dokku builder-dockerfile:set web dockerfile-path"
	rm "$TREE/deploy"
	build
	assert_refused "web: there is no deploy/Dockerfile in the repo: add it," \
		"or see dokku builder-dockerfile:help"
	mkdir -p "$TREE/deploy/Dockerfile"
	build
	assert_refused "web: deploy/Dockerfile in the repo is not a file: make it one," \
		"or see dokku builder-dockerfile:help"
	rmdir "$TREE/deploy/Dockerfile"
	printf 'FROM scratch\n' >"$TREE/deploy/Dockerfile"
	ln -s "$secret" "$TREE/.dockerignore"
	build
	assert_refused \
		"web: .dockerignore in the repo is not a regular file: make it one and push again"
	rm "$TREE/.dockerignore"
	ln -s "$secret" "$TREE/deploy/Dockerfile.dockerignore"
	build
	assert_refused "web: deploy/Dockerfile.dockerignore in the repo is not a regular file:" \
		"make it one and push again"
	assert_absent "$BATS_TEST_TMPDIR/builds"
	rm "$TREE/deploy/Dockerfile.dockerignore"
	printf 'x\n' >"$TREE/.dockerignore"
	build
	assert_success ""
}

@test "builder-build: a folder of the repo has links beside it, and nothing is written through them" {
	local name folder no
	printf 'words of the host\n' >"$WORLD/secret"
	mkdir "$TREE/part"
	mv "$TREE/Dockerfile" "$TREE/part/"
	for name in said dockerfile index tar context; do
		ln -s "$WORLD/secret" "$TREE/part.$name"
	done
	folder=$(ls "$TREE")
	for no in "" no; do
		engine_builds "$no" <<<'ssh-ed25519 AAAA'
		got "$PLUGIN_PATH/builder-dockerfile/builder-build" dockerfile web "$TREE/part" \
			dokku/web:v1
		assert_status 0
		assert_file "$WORLD/secret" 'words of the host'
		assert_equal "$folder" "$(ls "$TREE")"
	done
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "find_in_tree: what there is, and never through a link" {
	mkdir -p "$TREE/a/b"
	printf x >"$TREE/a/b/file"
	ln -s a "$TREE/l"
	mkfifo "$TREE/fifo"
	TREE=$TREE code "" \
		'for path; do find_in_tree kind "$TREE" "$path"; printf "%s " "${kind:-none}"
			done' a/b/file a/b a/b/none none l l/b/file l/b/none fifo
	assert_success "file folder none none link link link other "
}

@test "labelled: a byte order mark, the escape directive, and what only looks like a stage" {
	label() { code builder-dockerfile 'labelled web "$1"' "$WORLD/file"; }
	printf '\xef\xbb\xbfFROM a\nRUN x\n' >"$WORLD/file"
	label
	assert_success $'\xef\xbb\xbfFROM a\nLABEL com.dokku.app-name=web\nRUN x'
	printf '# escape=`\nFROM `\n  a\nCOPY a\\ b\n' >"$WORLD/file"
	label
	assert_success $'# escape=`\nFROM `\n  a\nLABEL com.dokku.app-name=web\nCOPY a\\ b'
	printf '# words\n# escape=`\nFROM a\nRUN x \\\n  from y\nfrom b\\\n\n# c\n as d\n' \
		>"$WORLD/file"
	label
	assert_success $'# words\n# escape=`\nFROM a\nLABEL com.dokku.app-name=web\nRUN x \\\n  from y\nfrom b\\\n\n# c\n as d\nLABEL com.dokku.app-name=web'
}

@test "post-retire: an old engine keeps so much build cache, a newer one what it wants" {
	post_retire() {
		: >"$CALLS"
		got "$PLUGIN_PATH/builder-dockerfile/post-retire" web
		assert_success ""
	}
	post_retire
	assert_calls ""
	mkdir -p "$DOKKU_LIB_ROOT/data/builder-dockerfile"
	printf 'x\n' >"$DOKKU_LIB_ROOT/data/builder-dockerfile/buildkit"
	post_retire
	assert_calls "engine GET /version
engine POST /build/prune?keep-storage=2048000000"
	dokku builder-dockerfile:set --global build-cache 10
	post_retire
	grep -qxF 'engine POST /build/prune?keep-storage=10000000' "$CALLS"
	fake_engine <<<'[[ $2 != /version ]] || printf "{ \"Version\": \"28.0.0\" }\n"'
	post_retire
	assert_calls "engine GET /version"
}

@test "make-room: the whole build cache goes" {
	fake_engine </dev/null
	got "$PLUGIN_PATH/builder-dockerfile/make-room"
	assert_success ""
	assert_calls "engine POST /build/prune?all=true"
}

@test "builder-build: by the old builder, our label after each FROM, the output as notes, without noise" {
	printf 'FROM a AS b\nRUN x\nFROM \\\n  c\nCOPY . .\n' >"$WORLD/tree/Dockerfile"
	fake docker <<<'[[ $DOCKER_BUILDKIT == 0 ]] || exit 1
		while [[ $1 != --file ]]; do shift; done; cp "$2" "$WORLD/built"
		printf "Sending build context to Docker daemon  2kB\nStep 1/2 : FROM a\n ---> 123\nhello\x07\nSuccessfully built 123\n"'
	got "$PLUGIN_PATH/builder-dockerfile/builder-build" dockerfile web "$WORLD/tree" \
		dokku/web:v1
	assert_success \
		"       BuildKit does not work here, so the old builder builds: docker says nothing
       FROM a
       hello?"
	assert_file "$WORLD/built" "FROM a AS b
LABEL com.dokku.app-name=web
RUN x
FROM \\
  c
LABEL com.dokku.app-name=web
COPY . ."
	fake docker <<<'[[ $DOCKER_BUILDKIT == 0 ]] || exit 1; printf "no such instruction\n" >&2
		exit 1'
	got "$PLUGIN_PATH/builder-dockerfile/builder-build" dockerfile web "$WORLD/tree" \
		dokku/web:v1
	assert_status 1
	assert_output \
		"       BuildKit does not work here, so the old builder builds: docker says nothing
       no such instruction"
	assert_error " !     web: its Dockerfile does not build: see the last step above," \
		"correct it, and push again"
	hook fake docker-args-build <<<'exit 1'
	got "$PLUGIN_PATH/builder-dockerfile/builder-build" dockerfile web "$WORLD/tree" \
		dokku/web:v1
	assert_status 1
	assert_error " !     web: a hook docker-args-build or docker-args-process-build failed," \
		"see above; nothing was built"
	rm "$PLUGIN_PATH/fake/docker-args-build"
	got "$PLUGIN_PATH/builder-dockerfile/builder-build" herokuish web "$WORLD/tree" dokku/web:v1
	assert_success ""
}

@test "--build-arg NAME has the value of the app's config, and no other user of the host sees it" {
	local dir name
	make_release web 1
	dir=$DOKKU_LIB_ROOT/data/releases/web/1
	export DOKKU_RELEASE=1
	engine_builds <<<ok
	fake docker <<<'[[ $* != *--help* ]] || { printf "      --build-arg list   x\n"; exit; }
		printf "%s: %s|%s|%s|%s\n" "$*" "${TOKEN-none}" "${LINES_OF-none}" "${OTHER-none}" \
			"${EMPTY-none}" >>"$BATS_TEST_TMPDIR/seen"'
	printf '%s\0' TOKEN='a b=$(id)' LINES_OF=$'one\ntwo' OTHER=x EMPTY= TOKEN_2=y >"$dir/env"
	hook fake docker-args-build \
		<<<'printf "%s --build-arg TOKEN --build-arg=LINES_OF --build-arg EMPTY --build-arg A=TOKEN_2" "$(cat)"'
	build
	assert_status 0
	assert_equal 'a b=$(id)|one' "$(sed -n 's/.*: \(a b.*\)/\1/p' "$BATS_TEST_TMPDIR/seen")"
	assert_equal 'two|none|' "$(grep '^two' "$BATS_TEST_TMPDIR/seen")"
	assert_equal 0 "$(grep -c 'id.*--build-arg' "$BATS_TEST_TMPDIR/seen")"
	# A name of ours or of docker's is refused, a name that the config has not is docker's.
	for name in PATH DOCKER_HOST app; do
		rm -f "$BATS_TEST_TMPDIR/seen"
		printf '%s=/evil\0' "$name" >"$dir/env"
		hook fake docker-args-build <<<"printf '%s --build-arg $name' \"\$(cat)\""
		build
		assert_status 1
		assert_error_like "*web: --build-arg $name would set a variable of docker or dokku" \
			"itself: give the option its value, $name=VALUE; nothing was built"
		assert_absent "$BATS_TEST_TMPDIR/seen"
	done
	printf 'NONE=1\0' >"$dir/env"
	build
	assert_status 0
}

# image_files PATH… - runs the hook for the image shop, whose working folder is $WORLD/image.
image_files() {
	rm -rf "$WORLD/taken"
	mkdir -p "$WORLD/taken/own"
	printf 'mine\n' >"$WORLD/taken/own/CHECKS"
	ln -s "$WORLD" "$WORLD/taken/out"
	got "$PLUGIN_PATH/builder-dockerfile/image-files" web shop "$WORLD/taken" "$@"
}

@test "image-files: regular files of the image's working folder, and nothing else" {
	mkdir -p "$WORLD/image/folder" "$WORLD/image/own" "$WORLD/image/out"
	printf 'web: run\n' >"$WORLD/image/Procfile"
	printf '{}\n' >"$WORLD/image/folder/app.json"
	printf 'theirs\n' >"$WORLD/image/own/CHECKS"
	printf 'evil\n' >"$WORLD/image/out/evil"
	ln -s /etc/passwd "$WORLD/image/link"
	fake_engine <<<'printf "{ \"Config\": { \"WorkingDir\": \"%s/\" } }\n" "$WORLD/image"'
	fake docker <<<'case $1 in
		create) printf "id7\n" ;;
		cp) tar -C "$(dirname "${2#id7:}")" -c "$(basename "$2")" ;;
		esac'
	image_files Procfile folder/app.json own/CHECKS link folder none out/evil
	assert_success "       Procfile comes from the image
       folder/app.json comes from the image"
	assert_file "$WORLD/taken/Procfile" "web: run"
	assert_file "$WORLD/taken/folder/app.json" "{}"
	assert_file "$WORLD/taken/own/CHECKS" mine
	assert_absent "$WORLD/taken/link" "$WORLD/evil" "$WORLD/taken.tar"
	grep -qx "docker create --network none --label com.dokku.app-name=web shop /" "$CALLS"
	grep -qx 'engine DELETE /containers/id7?force=true&v=true' "$CALLS"
	: >"$CALLS"
	head -c 1100000 /dev/zero >"$WORLD/image/Procfile"
	image_files Procfile
	assert_refused "web: Procfile of the image shop has more than 1 MB; nothing was deployed"
	grep -qx 'engine DELETE /containers/id7?force=true&v=true' "$CALLS"
}

# load_says LINE… - docker load prints these lines. The engine has two images, and all have a label
# of $LABEL bytes.
load_says() {
	printf '%s\n' "$@" >"$WORLD/said"
	: >"$CALLS"
	fake docker <<<'cat "$WORLD/said"'
	jq --null-input "[{ Id: \"sha256:$(printf %064d 1)\", RepoTags: [\"alpine:3\", \"a:1\"] },
		{ Id: \"x\", RepoTags: [] }]" >"$WORLD/list"
	jq --null-input "{ Config: { Labels: { a: (\"x\" * ${LABEL:-1}) } } }" >"$WORLD/image"
	fake_engine <<<'[[ $2 != /images/json ]] || cat "$WORLD/list"
		[[ $2 != /images/*/json ]] || cat "$WORLD/image"'
	got "$PLUGIN_CORE_AVAILABLE_PATH/builder-dockerfile/image-load" web \
		"${IMAGE:-docker.io/library/shop}" 3</dev/null
}

@test "image-load: only the image that is asked for gets a name; the others are as they were" {
	local one two
	printf -v one 'sha256:%064d' 1
	printf -v two 'sha256:%064d' 2
	load_says 'Loaded image: alpine:3' 'Loaded image: shop:latest' \
		'Loaded image: reg:5000/b/c' "Loaded image ID: $one" "Loaded image ID: $two" \
		'Loaded image: ../containers/beta.web.1?force=true' 'Loaded image: a/../b'
	assert_status 0
	assert_calls "engine GET /images/json
docker load --quiet
engine POST /images/$one/tag?repo=alpine&tag=3
engine DELETE /images/reg:5000/b/c
engine DELETE /images/$two
engine GET /images/docker.io/library/shop/json
engine GET /images/docker.io/library/shop/json"
}

@test "image-load, image-fetch: an image that makes the engine's lists long does not stay" {
	export LABEL=131072 IMAGE=shop:3
	load_says 'Loaded image: shop:3'
	assert_status 1
	assert_error_like ' !     web: the labels, * of the image shop:3 take 13* nothing was deployed'
	grep -qx 'engine DELETE /images/shop:3' "$CALLS"
	export IMAGE=alpine:3
	load_says 'Loaded image: alpine:3'
	assert_status 1
	grep -qx "engine POST /images/sha256:$(printf %064d 1)/tag?repo=alpine&tag=3" "$CALLS"
	got "$PLUGIN_CORE_AVAILABLE_PATH/builder-dockerfile/image-fetch" web shop:4 1
	assert_status 1
	assert_error_like ' !     web: the labels, * of the image shop:4 take 13*'
	grep -qx 'engine DELETE /images/shop:4' "$CALLS"
}

@test "image-load: an engine that does not list its images loads none" {
	fake_engine <<<'echo "no" >&2; exit 1'
	fake docker <<<'exit 0'
	got "$PLUGIN_CORE_AVAILABLE_PATH/builder-dockerfile/image-load" web shop 3</dev/null
	assert_status 1
	assert_error_like '* !     the engine does not list its images, see above: try again*'
	assert_calls "engine GET /images/json"
}
