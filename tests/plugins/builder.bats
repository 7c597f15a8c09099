#!/usr/bin/env bats
# builder: warnings about files of a pushed tree, or of its image, that dokku ignores.

load ../helper

setup() {
	world
	made_plugins builder config
	make_app web
	HOOKS="$PLUGIN_CORE_AVAILABLE_PATH/builder"
	TREE="$WORLD/push/tree"
	mkdir -p "$TREE"
	export DOKKU_RELEASE=1
}

pre_build() { got "$HOOKS/pre-build" dockerfile web "${1-$TREE}"; }

@test "a tree with nothing unusual: nothing is said" {
	printf '*.png binary\n' >"$TREE/.gitattributes"
	printf 'version https://git-lfs.github.com/spec/v1\n' >"$TREE/text"
	pre_build
	assert_success ""
}

@test "a file whose name differs from one that is read in its capitals" {
	mkdir "$TREE/checks"
	ln -s x "$TREE/PROCFILE"
	touch "$TREE/Procfile" "$TREE/procfile" "$TREE/appXjson"
	pre_build
	assert_success ""
	rm -r "$TREE"/checks "$TREE/Procfile"
	touch "$TREE/Checks" "$TREE/App.JSON"
	pre_build
	assert_status 0
	assert_error " !     procfile is ignored: rename it to Procfile
 !     Checks is ignored: rename it to CHECKS
 !     App.JSON is ignored: rename it to app.json"
}

@test "submodules: by the index of the push, else by .gitmodules; a link is not followed" {
	local said=" is a git submodule: a push does not bring its files, so the folder is empty in the build."
	said+=" If the app needs them, commit them as plain files, or let the Dockerfile fetch them"
	git init --quiet --bare "$DOKKU_ROOT/web"
	GIT_INDEX_FILE="$WORLD/push/tree.index" git -C "$DOKKU_ROOT/web" update-index \
		--add --cacheinfo \
		"160000,1111111111111111111111111111111111111111,vendor/my lib"
	# The server's git config is not asked.
	git config --file "$WORLD/gitconfig" safe.bareRepository explicit
	GIT_CONFIG_SYSTEM=$WORLD/gitconfig GIT_CONFIG_NOSYSTEM=0 pre_build
	assert_error " !     vendor/my lib$said"
	pre_build "$TREE/app"
	assert_error " !     vendor/my lib$said"
	rm "$WORLD/push/tree.index"
	pre_build
	assert_success ""
	printf '[submodule "x"]\n\tpath = deps/x\n\turl = u\n[submodule "y"]\n\tpath = deps/y\n' \
		>"$TREE/.gitmodules"
	pre_build
	assert_status 0
	assert_error " !     deps/x$said
 !     deps/y$said"
	mv "$TREE/.gitmodules" "$WORLD/elsewhere"
	ln -s "$WORLD/elsewhere" "$TREE/.gitmodules"
	pre_build
	assert_success ""
}

@test "scripts with Windows line ends are named, as Linux says that they are not found" {
	mkdir -p "$TREE/bin"
	printf '#!/bin/sh\r\nexec /web\r\n' >"$TREE/bin/start.sh"
	printf '#!/bin/sh\nprintf "a\r\n"\r\n' >"$TREE/good.sh"
	printf 'FROM scratch\r\n' >"$TREE/Dockerfile"
	: >"$TREE/empty"
	pre_build
	assert_status 0
	assert_error " !     bin/start.sh has Windows line ends (CRLF), one of 1:" \
		"Linux does not find the program that its first line names." \
		"Save it with LF, and see git help attributes (eol=lf)"
	cp "$TREE/bin/start.sh" "$TREE/run"
	pre_build
	assert_error_like " !     * has Windows line ends (CRLF), one of 2: *"
}

@test "pointers of Git LFS, where it is in use: the first is named, and how many" {
	local pointer=$'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n'
	mkdir "$TREE/a dir"
	printf '*.bin filter=lfs diff=lfs merge=lfs -text\n' >"$TREE/.gitattributes"
	pre_build
	assert_success ""
	printf '%s' "$pointer" >"$TREE/a dir/x.bin"
	printf 'text\n' >"$TREE/other.bin"
	pre_build
	assert_status 0
	assert_error " !     a dir/x.bin is a pointer of Git LFS, one of 1:" \
		"a push does not bring the files themselves, so the build gets only the pointers." \
		"If the app needs them, commit them without LFS (git lfs migrate export)," \
		"or let the Dockerfile fetch them"
	printf '%s' "$pointer" >"$TREE/a dir/y.bin"
	ln -s "$TREE/a dir/y.bin" "$TREE/z.bin"
	pre_build
	assert_error_like " !     a dir/[xy].bin is a pointer of Git LFS, one of 2: *"
}

@test "pointers of Git LFS that a folder's own .gitattributes names" {
	mkdir -p "$TREE/assets/large"
	printf '[attr]big filter=lfs diff=lfs merge=lfs -text\n*.bin big\n' \
		>"$TREE/assets/.gitattributes"
	printf 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n' \
		>"$TREE/assets/large/x.bin"
	printf '* text\n' >"$TREE/.gitattributes"
	pre_build
	assert_status 0
	assert_error " !     assets/large/x.bin is a pointer of Git LFS, one of 1:" \
		"a push does not bring the files themselves, so the build gets only the pointers." \
		"If the app needs them, commit them without LFS (git lfs migrate export)," \
		"or let the Dockerfile fetch them"
	# A link of that name is not read: it may lead out of the tree.
	mv "$TREE/assets/.gitattributes" "$WORLD/elsewhere"
	ln -s "$WORLD/elsewhere" "$TREE/assets/.gitattributes"
	pre_build
	assert_success ""
}

@test "an ENTRYPOINT that is a string leaves out the commands of the Procfile" {
	local entry
	make_release web 1
	fake_engine <<<"printf '%s' '{ \"Config\": { \"Entrypoint\": [\"/bin/sh\", \"-c\", \"web --port 1\"] } }'"
	got "$PLUGIN_CORE_AVAILABLE_PATH/builder-dockerfile/post-build" dockerfile web dokku/web:v1
	assert_success ""
	printf 'release: migrate\n' >"$DOKKU_LIB_ROOT/data/releases/web/1/Procfile"
	got "$PLUGIN_CORE_AVAILABLE_PATH/builder-dockerfile/post-build" dockerfile web dokku/web:v1
	assert_status 0
	assert_error ' !     ENTRYPOINT in the Dockerfile is a string,' \
		'so it runs instead of each command of the Procfile and of dokku run.' \
		'Write it as a list, ENTRYPOINT ["WORD", …], or leave it out.'
	for entry in null '[]' '["/entry"]' '["/bin/sh","-c","exec $0 $@"]' \
		'["/bin/bash","-c","x; exec ${@}"]' '["a","-c","b","c"]'; do
		fake_engine <<<"printf '%s' '{ \"Config\": { \"Entrypoint\": $entry } }'"
		got "$PLUGIN_CORE_AVAILABLE_PATH/builder-dockerfile/post-build" dockerfile web \
			dokku/web:v1
		assert_success ""
	done
}

@test "a HEALTHCHECK of the image is no reason for a warning" {
	fake_engine <<<"printf '%s' '{ \"Config\": { \"Healthcheck\": { \"Test\": [\"CMD\", \"x\"] } } }'"
	got "$PLUGIN_CORE_AVAILABLE_PATH/builder-dockerfile/post-build" dockerfile web dokku/web:v1
	assert_success ""
}

@test "an image whose containers would make the list of all containers long is refused" {
	local word
	make_release web 1
	# built CONFIG - runs the hook for an image with that config.
	built() {
		jq --null-input "{ Config: $1 }" >"$BATS_TEST_TMPDIR/image"
		fake_engine <<<"cat '$BATS_TEST_TMPDIR/image'"
		got "$PLUGIN_CORE_AVAILABLE_PATH/builder-dockerfile/post-build" dockerfile web \
			dokku/web:v1
	}
	refused() {
		built "$1"
		assert_status 1 && assert_error_like ' !     web: the labels, the command, the ports*'
	}
	each refused <<-'LINES'
		{ Labels: { a: ("x" * 131072) } }
		{ Labels: ([range(2000) | { key: "\(.)\("y" * 64)", value: "" }] | from_entries) }
		{ Labels: { a: ("<" * 30000) } }
		{ Labels: { a: ("\u0001" * 30000) } }
		{ Cmd: ["a", "x" * 131072] }
		{ Entrypoint: ["a", "x" * 131072] }
		{ ExposedPorts: ([range(4000) | { key: "\(.)/tcp", value: {} }] | from_entries) }
		{ Volumes: ([range(500) | { key: "/\(.)", value: {} }] | from_entries) }
		{ Volumes: ([range(40) | { key: "/\(.)\("y" * 4000)", value: {} }] | from_entries) }
		{ Volumes: { ("/" + "<" * 30000): {} } }
	LINES
	# A command of the Procfile takes the place of that of the image.
	printf 'web: echo %s\n' "$(head -c 30000 /dev/zero | tr '\0' '&')" \
		>"$DOKKU_LIB_ROOT/data/releases/web/1/Procfile"
	refused '{}'
	printf 'web: start %s\n' "$(head -c 60000 /dev/zero | tr '\0' x)" \
		>"$DOKKU_LIB_ROOT/data/releases/web/1/Procfile"
	built '{}'
	assert_success ""
	built '{ Labels: { a: ("x" * 60000) }, Cmd: ["x"], Entrypoint: null, Volumes: { "/a": {} },
		ExposedPorts: { "80/tcp": {} } }'
	assert_success ""
	# Most images need no jq, which takes longer to start than all the rest.
	rm "$DOKKU_LIB_ROOT/data/releases/web/1/Procfile"
	refused '{ Volumes: ([range(500) | { key: "/\(.)", value: {} }] | from_entries) }'
	fake jq <<<'exit 1'
	fake_engine <<<'printf "{\"Config\":{\"Cmd\":[\"x\"],\"Volumes\":null}}"'
	got "$PLUGIN_CORE_AVAILABLE_PATH/builder-dockerfile/post-build" dockerfile web dokku/web:v1
	assert_success ""
	rm "$BIN/jq"
	fake_engine <<<'exit 1'
	got "$PLUGIN_CORE_AVAILABLE_PATH/builder-dockerfile/post-build" dockerfile web dokku/web:v1
	assert_status 1
	assert_error " !     web: the new image cannot be looked at: see above. If docker system prune has removed it, push again"
}

@test "builder-detect: what is set, or the builder that Dokku would take for these files" {
	detects() {
		got "$HOOKS/builder-detect" web "$TREE"
		assert_success "$1"
	}
	detects ""
	touch "$TREE/project.toml"
	detects pack
	# Dokku builds the Dockerfile then.
	touch "$TREE/Dockerfile"
	detects ""
	touch "$TREE/.buildpacks"
	detects herokuish
	rm "$TREE/.buildpacks"
	printf 'A=b\nBUILDPACK_URL=https://a.example/b\n' >"$TREE/.env"
	detects herokuish
	printf 'XBUILDPACK_URL=a\n' >"$TREE/.env"
	detects ""
	"$DOKKU" config:set --no-restart web BUILDPACK_URL=https://a.example/b >/dev/null
	detects herokuish
	"$DOKKU" builder:set --global selected other >/dev/null
	detects other
	"$DOKKU" builder:set web selected dockerfile >/dev/null
	detects dockerfile
}
