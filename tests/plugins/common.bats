#!/usr/bin/env bats
# The library of all plugins: printing, names, files, properties, hooks, undo, docker.

load ../helper

setup() { world; }

# --- printing -------------------------------------------------------------------

@test "info and note print on stdout, warn on stderr, die exits 1, misuse 2" {
	code "" 'info "a  b" c; note d; warn e; die f'
	assert_status 1
	assert_output "-----> a  b c
       d"
	assert_error " !     e
 !     f"
	code "" 'misuse g'
	assert_refused g 2
}

@test "die: the middle of what fills the terminal is left out, not the reason and what to do" {
	code "" 'die "not a mode: $(printf %0100000d 1): use 755"'
	assert_status 1
	[[ ${#stderr} -lt 3200 &&
		$stderr == ' !     not a mode: 0000'*' (97021 characters left out) '*'0001: use 755' ]]
	code "" 'die "$(printf %03999d 1)"'
	assert_error " !     $(printf %03999d 1)"
}

@test "escape: control and bidi characters are made visible, all others stay" {
	escapes() {
		code "" 'escape "$1"; printf %s "$escaped"' "$1"
		assert_success "$2"
	}
	escapes "plain text 100%" "plain text 100%"
	escapes $'é ü 漢 \U1F600 %s \\x' $'é ü 漢 \U1F600 %s \\x'
	escapes $'a\e[31mb' 'a\x1b[31mb'
	escapes $'a\nb\rc\td' 'a\x0ab\x0dc\x09d'
	escapes $'\x7f' '\x7f'
	escapes $'\u009b31m' '\x9b31m'
	escapes $'a\u202eb\u2066c' 'a\x202eb\x2066c'
	escapes $'ends in one\n' 'ends in one\x0a'
}

@test "escape: a megabyte takes time as its length, not as the square of it" {
	SECONDS=0
	code "" \
		'printf -v long "some words\e[31m\u202e and more%.0s" {1..40000}; escape "$long"
			printf %d "${#escaped}"'
	assert_success 1320000
	[[ $SECONDS -lt 15 ]]
}

@test "json_string: any text, as jq writes it; a long one in time that grows with its length" {
	local text
	as_jq() {
		code "" 'source "$PLUGIN_CORE_AVAILABLE_PATH/common/lib/json"
			json_strings it "$1" "$1"; printf "%s\n" "$it"' "$1"
		assert_success "$output"
		assert_equal "$(jq --null-input --compact-output --arg text "$1" '[$text, $text]')" \
			"$(jq --compact-output . <<<"$output")"
	}
	for text in "" plain 'a "b" \ & \n $x' $'l\nm\tn\r\x01\x1f\x7f' 'é ü 日本 😀' $'\\u0041'; do
		as_jq "$text"
	done
	SECONDS=0
	as_jq "$(head -c 100000 /dev/zero | tr '\0' '"')"
	[[ $SECONDS -lt 5 ]]
}

@test "indent: each line as a note, colours and other controls gone" {
	code "" 'printf "one\n\e[1;31mtwo\e[0m\r\na\abc\tz\nlast" | indent'
	assert_success "       one
       two
       a?bc	z
       last"
}

@test "indent: a line is cut after 2000 bytes, and no character in two" {
	code "" 'printf "%2000s\n%2001s\n%1999s\xc3\xa4x\nlast\n" a b c | tr " " - | indent'
	local line rest="... (the rest of this line is left out)"
	printf -v line '%1999s' ""
	line="       ${line// /-}"
	assert_success "${line}a
$line-$rest
${line%-}c$rest
       last"
}

# --- the disk -----------------------------------------------------------------------

@test "engine_root: by a flag of the dockerd that runs, which is no other program" {
	local name=dockerd want pid
	fifo ends
	root_of() {
		bash -c 'exec -a "/usr/sbin/$0" bash -c "read -r <\"\$0\"" "$@"' "$name" \
			"$BATS_TEST_TMPDIR/ends" --iptables "$@" --debug 3>&- &
		pid=$!
		printf '%s\n' "$pid" >"$TEST_HOST/run/docker.pid"
		until grep -q iptables "/proc/$pid/cmdline"; do sleep 0.02; done
		until [[ $(tr '\0' ' ' <"/proc/$pid/cmdline") == "/usr/sbin/"* ]]; do sleep 0.02; done
		code "" 'engine_root'
		assert_success "$want"
		echo >"$BATS_TEST_TMPDIR/ends"
		wait "$pid"
	}
	want="/mnt/big one"
	root_of "--data-root=/mnt/big one"
	root_of --data-root "/mnt/big one"
	root_of -g "/mnt/big one"
	want=/var/lib/docker
	root_of --data-root-of=/mnt
	root_of --data-root
	name=other
	root_of --data-root=/mnt
	# It has ended.
	code "" 'engine_root'
	assert_success "$want"
}

@test "tell_full: names /run, too, where the engine has a folder for each container" {
	fake df <<<'[[ $* == *" /run" ]] && printf "x
0 9999 5000 /run
" || printf "x
99 9999 5000 /
"'
	code "" 'tell_full'
	assert_error " !     the disk is full, which may be why: 0 MB are free where /run is"
}

# --- names ------------------------------------------------------------------------

readonly LONG=aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg

# is FUNCTION WORD, is_not FUNCTION WORD - require that FUNCTION is true or false for WORD, and
# prints nothing.
is() {
	code "$plugin" '"$1" "$2"' "$1" "$2"
	assert_success ""
}
is_not() {
	code "$plugin" '"$1" "$2"' "$1" "$2"
	assert_status 1 && assert_output "" && assert_error ""
}

# verdicts FUNCTION - prints the results of FUNCTION for each line of stdin, with one process.
verdicts() {
	code "" \
		'while IFS= read -r line; do printf -v word "%b" "$line"; if "$1" "$word"
			then printf "yes\n"; else printf "no\n"; fi; done' "$1"
	assert_equal "" "$stderr"
}

@test "app names" {
	verdicts valid_app_name <<-NAMES
		web
		a
		0
		my-app
		my--app
		my.app
		a-1.b-2
		$LONG
	NAMES
	assert_equal "$(yes yes | head -n 8)" "$output"
	verdicts valid_app_name <<-NAMES

		${LONG}x
		.
		..
		.a
		a.
		a..b
		a.-b
		-a
		a-
		--help
		--global
		A
		aB
		a_b
		a b
		a/b
		../a
		a\n
		\na
		a\nb
		a\$
		a;b
		\$(id)
		\`id\`
		é
		a\e[0m
		a*
		~
	NAMES
	assert_equal "$(yes no | head -n 29)" "$output"
}

@test "process types and numbers" {
	verdicts valid_process_type < <(printf '%s\n' web worker w Web a_b a-b "$LONG")
	assert_equal "$(yes yes | head -n 7)" "$output"
	verdicts valid_process_type \
		< <(printf '%s\n' '' -a a- _a 'a b' 'a.b' 'a/b' '..' 'a\n' "${LONG}x" '$(id)')
	assert_equal "$(yes no | head -n 11)" "$output"
	verdicts is_number < <(printf '%s\n' 0 1 10 999999999)
	assert_equal "$(yes yes | head -n 4)" "$output"
	verdicts is_number \
		< <(printf '%s\n' '' 01 -1 +1 1.0 1a a '1\n' ' 1' 1000000000 'a[$(id)]' 0x10)
	assert_equal "$(yes no | head -n 12)" "$output"
}

@test "require_app: no name, no app name, no such app" {
	code "" 'require_app'
	assert_refused "no app given: name one of those that dokku apps:list shows" 2
	code "" 'require_app "../x"'
	assert_refused 'not an app name: "../x": use lower case letters, digits,' \
		'dots and hyphens, at most 63'
	code "" 'require_app "$1"' $'web\n'
	assert_refused 'not an app name: "web\x0a": use lower case letters, digits,' \
		'dots and hyphens, at most 63'
	code "" 'require_app ghost'
	assert_refused "App ghost does not exist"
	make_app web
	code "" 'require_app web; printf on'
	assert_success on
}

@test "app_names: folders that are apps, sorted" {
	make_app web blog
	mkdir "$DOKKU_ROOT/.ssh" "$DOKKU_ROOT/.new.abc" "$DOKKU_ROOT/Not_one"
	touch "$DOKKU_ROOT/file"
	code "" app_names
	assert_success "blog
web"
}

# --- files ------------------------------------------------------------------------

@test "write_atomically: the text, the mode, and no file left aside" {
	mkdir "$WORLD/a dir"
	code "" \
		'printf "one\n" | write_atomically "$1"; stat --format %a "$1"; printf "two\n\n" |
			write_atomically "$1" 600; stat --format %a "$1"' "$WORLD/a dir/file"
	assert_success "644
600"
	assert_equal "$(printf 'two\n\n' | sha256sum)" "$(sha256sum <"$WORLD/a dir/file")"
	assert_equal file "$(ls -A "$WORLD/a dir")"
}

@test "write_atomically: while it writes a reader sees the old text, and so it stays after kill -9" {
	fifo text
	mkdir "$WORLD/dir"
	printf 'old\n' >"$WORLD/dir/file"
	strict "" 'write_atomically "$1" <"$2"' "$WORLD/dir/file" "$BATS_TEST_TMPDIR/text" 3>&- &
	local writer=$! status=0
	exec 7>"$BATS_TEST_TMPDIR/text"
	printf 'new, half of' >&7
	# Its own half-written file says that it has begun; what only started it is not the writer.
	timeout 10 bash -c 'until compgen -G "$1.tmp.*"; do sleep 0.01; done' bash "$WORLD/dir/file"
	assert_file "$WORLD/dir/file" old
	pkill -KILL --full "write-file $WORLD/dir/file"
	wait "$writer" 2>/dev/null || status=$?
	[[ $status -ne 0 ]]
	exec 7>&-
	assert_file "$WORLD/dir/file" old
}

@test "write_atomically, and what is tied to a process: not for one that has gone before they began" {
	local verb words
	# In a session of its own, as a deploy is: whoever takes in its orphans is of another.
	for verb in write-file 'tied touch'; do
		read -r -a words <<<"$verb"
		words=("$DOKKU_PROGRAMS/${words[0]}" "${words[@]:1}" "$BATS_TEST_TMPDIR/written")
		setsid --wait bash -c \
			'(until [[ ! -e /proc/$$ ]]; do sleep 0.01; done; exec "$@" </dev/null
				) 3>&- &' bash "${words[@]}"
		sleep 0.5
		assert_absent "$BATS_TEST_TMPDIR/written"
		# Of one that is there they do what they should.
		setsid --wait bash -c '"$@" </dev/null; true' bash "${words[@]}"
		[[ -e $BATS_TEST_TMPDIR/written ]]
		rm "$BATS_TEST_TMPDIR/written"
	done
}

@test "write_atomically: what cannot be written fails, and nothing is left" {
	mkdir "$WORLD/dir" "$WORLD/dir/file"
	code "" 'printf x | write_atomically "$1" nonsense' "$WORLD/dir/other"
	assert_status 1
	assert_equal file "$(ls -A "$WORLD/dir")"
}

@test "write_atomically: sync is its third word, and nothing else is" {
	code "" 'write_atomically "$1" 644 sync <<<x' "$WORLD/dir-less"
	assert_success ""
	assert_file "$WORLD/dir-less" x
	code "" 'write_atomically "$1" 644 later <<<y' "$WORLD/dir-less"
	assert_status 1
	assert_file "$WORLD/dir-less" x
}

@test "write_atomically: a link is replaced, not followed" {
	mkdir "$WORLD/dir"
	printf 'theirs\n' >"$WORLD/target"
	ln -s "$WORLD/target" "$WORLD/dir/file"
	code "" 'printf "ours\n" | write_atomically "$1"' "$WORLD/dir/file"
	assert_success ""
	assert_file "$WORLD/target" theirs
	assert_file "$WORLD/dir/file" ours
}

@test "read_line: the first line, with or without its newline, else the default" {
	printf 'one\ntwo\n' >"$WORLD/file"
	printf 'half' >"$WORLD/half"
	: >"$WORLD/empty"
	code "" 'for f; do read_line line "$f" default; printf "%s|" "$line"; done' "$WORLD/file" \
		"$WORLD/half" "$WORLD/empty" "$WORLD/none"
	assert_success "one|half|default|default|"
}

@test "temp and sweep_temp: what a dead process left goes, what a living one has stays" {
	make_app web
	code "" \
		'x=$(temp thing); y=$(temp thing -d); touch "$y.index" "$y.index.lock"
			[[ -f $x && -d $y && $x == "$DOKKU_LIB_ROOT/tmp/thing.$$."* ]]
			sweep_temp web; [[ -f $x && -d $y && -f $y.index && -f $y.index.lock ]]'
	assert_success ""
	assert_equal 4 "$(ls "$DOKKU_LIB_ROOT/tmp" | wc -l)"
	code "" 'sweep_temp web'
	assert_success ""
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "sweep_temp: an app may have a name like that of a temporary file" {
	local dir name=web.tmp.999999999.abcdef
	make_app web "$name"
	for dir in data/releases data/services config/ps; do
		mkdir -p "$DOKKU_LIB_ROOT/$dir/$name"
		: >"$DOKKU_LIB_ROOT/$dir/$name/file"
		: >"$DOKKU_LIB_ROOT/$dir/$name.tmp.999999999.abcdef"
	done
	code "" 'sweep_temp web; sweep_temp ""; sweep_temp "$1"' "$name"
	assert_success ""
	for dir in data/releases data/services config/ps; do
		[[ -e $DOKKU_LIB_ROOT/$dir/$name/file ]]
		assert_absent "$DOKKU_LIB_ROOT/$dir/$name.tmp.999999999.abcdef"
	done
}

# without_kill TEXT ARG… - runs code as a user who may not signal processes of other users, like the
# user dokku.
without_kill() {
	got setpriv --bounding-set=-kill bash -euo pipefail \
		-c "source \"\$PLUGIN_CORE_AVAILABLE_PATH/common/functions\"; $1" bash "${@:2}"
}

# start_other - sets other to a process that is of another user by then.
start_other() {
	setpriv --reuid 65534 sleep 60 3>&- &
	other=$!
	until [[ $(stat --format %u "/proc/$other") == 65534 ]]; do
		sleep 0.02
	done
}

@test "is_alive: a process of another user too; is_ours: not that" {
	local other
	start_other
	without_kill 'for pid; do is_alive "$pid" && printf "alive " || printf "dead "; is_ours "$pid" && printf "ours " || printf "not "; done' \
		"$other" "$$" 999999999 99999999999999999999 0 -1 "" x 1x
	kill "$other"
	assert_success "alive not alive ours dead not dead not dead not dead not dead not dead" \
		"not dead not "
}

@test "sweep_temp: a number that another user has now, and a file of another user" {
	local other
	make_app web
	start_other
	touch "$DOKKU_LIB_ROOT/tmp/thing.$other.aaaaaa" "$DOKKU_ROOT/VHOST.tmp.$other.bbbbbb" \
		"$DOKKU_ROOT/VHOST.tmp.$other.cccccc" \
		"$DOKKU_ROOT/VHOST.tmp.999999999.dddddd"
	chown 65534 "$DOKKU_ROOT"/VHOST.tmp.*.{cccccc,dddddd}
	without_kill 'shopt -s nullglob; sweep_temp web'
	kill "$other"
	assert_success ""
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
	assert_equal "VHOST.tmp.$other.cccccc" "$(cd "$DOKKU_ROOT" && ls -d VHOST.tmp.*)"
}

@test "sweep_temp: half-written state of the app goes when its writer is gone, of others it stays" {
	local gone=999999999
	make_app web blog
	mkdir -p "$DOKKU_LIB_ROOT/config/web" "$DOKKU_LIB_ROOT/data/scheduler"
	touch "$DOKKU_ROOT/web/VHOST.tmp.$gone.aaaaaa" \
		"$DOKKU_LIB_ROOT/config/web/ENV.tmp.$gone.bbbbbb" \
		"$DOKKU_LIB_ROOT/data/scheduler/next.tmp.$gone.cccccc" \
		"$DOKKU_ROOT/blog/VHOST.tmp.$gone.dddddd"
	touch "$DOKKU_ROOT/web/VHOST.tmp.$$.eeeeee"
	mkdir "$DOKKU_ROOT/.new.$gone.ffffff" "$DOKKU_ROOT/.new.$$.gggggg"
	code "" 'sweep_temp web'
	assert_success ""
	assert_equal "VHOST VHOST.tmp.$$.eeeeee" "$(ls "$DOKKU_ROOT/web" | paste -sd ' ')"
	assert_nothing_in "$DOKKU_LIB_ROOT/config/web"
	assert_nothing_in "$DOKKU_LIB_ROOT/data/scheduler"
	assert_equal ".new.$$.gggggg" "$(cd "$DOKKU_ROOT" && ls -d .new.*)"
	[[ -e $DOKKU_ROOT/blog/VHOST.tmp.$gone.dddddd ]]
}

# --- properties -------------------------------------------------------------------

@test "properties: set, get, default, unset; one file per key, readable by dokku alone" {
	code "" \
		'property_set ps web key "a value"; property_get ps web key other; printf "|"
			property_get ps web none other; printf "|"; property_get ps blog key'
	assert_success "a value|other|"
	assert_file "$DOKKU_LIB_ROOT/config/ps/web/key" "a value"
	assert_mode "$DOKKU_LIB_ROOT/config/ps/web/key" 600
	code "" 'property_set ps web key ""; property_get ps web key gone'
	assert_success gone
	assert_absent "$DOKKU_LIB_ROOT/config/ps/web/key"
	code "" 'property_set ps web key'
	assert_success ""
}

@test "properties: the app's value, else the global one, else the default" {
	code "" 'e() { read_effective it ps web key default; printf "%s|" "$it"; }
		e; property_set ps --global key global; e; property_set ps web key own; e
		property_set ps web key; e'
	assert_success "default|global|own|global|"
}

@test "report: all, one value, JSON, and a flag that is none" {
	code "" \
		'source "$PLUGIN_CORE_AVAILABLE_PATH/common/lib/report"
			report "web ps" key-one "a b" key-two $'"'"'x\ey'"'"
	assert_success '=====> web ps information
       Key one:                          a b
       Key two:                          x\x1by'
	code "" \
		'source "$PLUGIN_CORE_AVAILABLE_PATH/common/lib/report"; option[FLAG]=key-two
			report "web ps" key-one a key-two "b c"'
	assert_success "b c"
	code "" \
		'source "$PLUGIN_CORE_AVAILABLE_PATH/common/lib/report"; option[format]=json
			report "web ps" key-one "a\"b" key-two ""'
	assert_success '{"key-one":"a\"b","key-two":""}'
	code "" \
		'source "$PLUGIN_CORE_AVAILABLE_PATH/common/lib/report"; option[FLAG]=nope
			report "web ps" key-one a'
	assert_refused "Invalid flag passed: --nope: the report without it names all" 2
}

# --- hooks ------------------------------------------------------------------------

@test "trigger, filter, first_answer: a hook of somebody else's plugin that fails is named, one of ours is not" {
	made_plugins
	hook theirs pre-x <<<'exit 3'
	for what in trigger filter first_answer; do
		code "" "$what pre-x web </dev/null"
		assert_refused "the plugin theirs refused or failed:" \
			"its hook pre-x ended with status 3;" \
			"dokku plugin:disable theirs turns it off" 3
	done
	rm -r "$PLUGIN_PATH/theirs"
	hook fake pre-x <<<'exit 3'
	code "" "trigger pre-x web"
	assert_status 3
	assert_error ""
}

@test "trigger: in the order of the folders' names, with the arguments as they are, stdin empty" {
	made_plugins
	hook b-two post-x <<<'printf "two<%s>" "$@"; cat'
	hook a-one post-x <<<'printf "one<%s>" "$@"; cat'
	hook c-three other </dev/null
	code "" 'trigger post-x "a b" "" <<<"not for them"'
	assert_success "one<a b>one<>two<a b>two<>"
}

@test "trigger: the first that fails stops it, with its status" {
	made_plugins
	hook a post-x <<<'exit 0'
	hook b post-x <<<'exit 42'
	hook c post-x <<<'exit 0'
	code "" 'trigger post-x b'
	assert_status 42
	assert_steps "post-x b
post-x b"
}

@test "trigger: a file that is not executable is no hook, and no hook is no failure" {
	made_plugins
	hook a post-x <<<'exit 1'
	chmod -x "$PLUGIN_PATH/a/post-x"
	code "" 'trigger post-x; trigger nobody'
	assert_status 0
	assert_error " !     the plugin a has a hook post-x that is not executable: it is ignored; chmod" \
		"+x $PLUGIN_AVAILABLE_PATH/a/post-x turns it on"
	assert_steps ""
	mkdir -p "$PLUGIN_PATH/fake"
	cp "$PLUGIN_PATH/a/post-x" "$PLUGIN_PATH/fake/post-y"
	code "" 'trigger post-y'
	assert_success
}

@test "trigger: a hook dies with its caller" {
	made_plugins
	fifo at
	hook a post-x <<<"printf '%s %s\n' \$\$ \$PPID >'$BATS_TEST_TMPDIR/at'; exec sleep 300"
	strict "" 'trigger post-x' 3>&- &
	heard at
	kill -9 "${line#* }"
	gone "${line% *}"
}

@test "a hook that names what it needs is started only if one of those files exists" {
	made_plugins
	hook a docker-args <<<'printf "got %s" "$(cat)"'
	sed -i '2i # Needs: config/a/{1}/x.* ~/{1}/there {2}/file' "$PLUGIN_PATH/a/docker-args"
	for what in trigger notify first_answer filter; do
		code "" "$what docker-args web '$WORLD' </dev/null"
		assert_success ""
	done
	assert_steps ""
	for file in "$DOKKU_LIB_ROOT/config/a/web/x.1" "$DOKKU_ROOT/web/there" "$WORLD/file"; do
		mkdir -p "${file%/*}"
		touch "$file"
		code "" "trigger docker-args web '$WORLD'"
		assert_success "got "
		code "" "trigger docker-args other '$WORLD/other'"
		assert_success ""
		rm "$file"
	done
}

@test "a hook that names its operations is started only for those" {
	made_plugins
	hook a pre-change </dev/null
	sed -i '2i # For: git push, ps:restart' "$PLUGIN_PATH/a/pre-change"
	for what in 'git push main' ps:restart 'ps:restart web'; do
		: >"$STEPS"
		code "" "trigger pre-change web '$what'"
		assert_steps "pre-change web $what"
	done
	: >"$STEPS"
	for what in '' git ps:rest 'config:set git push' 'my git push' ps:; do
		code "" "trigger pre-change web '$what'"
	done
	assert_steps ""
}

@test "our hooks that name what they need do nothing without it" {
	local file name count=0
	make_app web
	make_release web 1
	mkdir "$WORLD/tree"
	export DOKKU_RELEASE=1
	find "$WORLD" -type f -exec md5sum {} + | sort >"$BATS_TEST_TMPDIR/before"
	for file in "$PLUGIN_CORE_AVAILABLE_PATH"/*/*; do
		[[ -f $file && $(head -n 8 "$file") == *$'\n# Needs: '* ]] || continue
		name=${file##*/}
		set -- web 1 web 1
		[[ $name != pre-build ]] || set -- dockerfile web "$WORLD/tree"
		run --separate-stderr "$file" "$@" <<<"text of a filter"
		[[ $status -eq 0 && -z $stderr ]] || printf '%s: %s %s\n' "$file" "$status" "$stderr"
		[[ $status -eq 0 && -z $stderr ]]
		read -r -a words <<<"$output" || true
		[[ ${words[*]} == "" || $name == docker-args-* ]]
		[[ ${words[*]} == "text of a filter" || $name != docker-args-* ]]
		count=$((count + 1))
	done
	[[ $count -ge 15 ]]
	find "$WORLD" -type f -exec md5sum {} + | sort >"$BATS_TEST_TMPDIR/after"
	diff "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
}

# needed PLUGIN/HOOK CODE - true if CODE, which stores a setting of the app web, makes the hook
# needed.
needed() {
	code "" "! is_needed '$PLUGIN_CORE_AVAILABLE_PATH/$1' web 1 web 1
		source '$PLUGIN_CORE_AVAILABLE_PATH/${1%/*}/functions' 2>/dev/null || true
		$2
		is_needed '$PLUGIN_CORE_AVAILABLE_PATH/$1' web 1 web 1"
	assert_status 0
}

@test "our hooks that name what they need are started where a setting makes them act" {
	make_app web
	make_release web 1
	needed apps/pre-change 'property_set apps web locked now'
	needed docker-options/docker-args-build 'docker_options_keep web "" build --x'
	needed docker-options/docker-args-run 'docker_options_keep web "" run --x'
	needed docker-options/docker-args-deploy 'docker_options_keep web worker deploy --x'
	needed resource/docker-args-process-build 'property_set resource web build.limit.cpu 1'
	needed resource/docker-args-deploy 'property_set resource web _default_.reserve.memory 1'
	needed storage/docker-args-deploy 'storage_attachments file web
		mkdir -p "${file%/*}"; echo >"$file"'
	needed network/pre-deploy 'property_set network --global attach-post-create net'
	needed ports/app-port 'mkdir -p "$DOKKU_LIB_ROOT/config/ports/web"
		echo http:80:1 >"$DOKKU_LIB_ROOT/config/ports/web/map"; ports_set_map web
		[[ ${map[0]} == http:80:1 ]]'
	needed certs/reconcile 'mkdir -p "$DOKKU_ROOT/web/tls.old"'
}

@test "filter: chained, each one's output is the next one's input" {
	made_plugins
	hook a docker-args <<<'sed "s/^/a:$1:/"'
	hook b docker-args <<<'tr a-z A-Z'
	code "" 'printf "text\nmore\n" | filter docker-args web'
	assert_success "A:WEB:TEXT
A:WEB:MORE"
	code "" 'printf "text" | filter nobody web'
	assert_success text
}

@test "filter: one that fails stops it, and prints nothing" {
	made_plugins
	hook a docker-args <<<'exit 9'
	hook b docker-args <<<cat
	code "" 'printf "text\n" | filter docker-args web'
	assert_status 9
	assert_output ""
	assert_steps "docker-args web"
}

@test "first_answer: the first that says something; later ones are not asked" {
	made_plugins
	hook a builder-detect </dev/null
	hook b builder-detect <<<'printf "one\ntwo\n"'
	hook c builder-detect <<<'printf "three\n"'
	code "" 'first_answer builder-detect web'
	assert_success "one
two"
	assert_steps "builder-detect web
builder-detect web"
	code "" 'first_answer nobody'
	assert_success ""
}

@test "first_answer: one that fails is a failure, not an empty answer" {
	made_plugins
	hook a builder-detect <<<'exit 6'
	hook b builder-detect <<<'printf "x\n"'
	code "" 'first_answer builder-detect web'
	assert_status 6
	assert_output ""
}

@test "answer_of: a hook of ours that is light is sourced, and its failure counts; no other is" {
	make_app web
	dokku --quiet domains:set web one.example.com two.example.com
	made_plugins domains
	code "" 'source() { printf "%s " "$1" >>"$STEPS"; builtin source "$@"; }
		answer_of list app-domains web
		printf "%s" "$list"'
	assert_success $'one.example.com\ntwo.example.com'
	[[ $(<"$STEPS") == "$PLUGIN_PATH/domains/app-domains "* ]]
	code "" 'read_property() { exit 7; }
		answer_of domains app-domains web || printf "%s" "$?"'
	assert_success 7
	# Its arguments are not those of the command that asks.
	made_plugins ports checks nginx nginx-vhosts proxy
	dokku ports:add web --domain two.example.com http:8080:5000
	assert_status 0
	rm "$PLUGIN_PATH/domains"
	hook theirs app-domains <<<'# Light: it says so.'
	code "" 'source() { printf "sourced"; builtin source "$@"; }
		answer_of list app-domains web'
	assert_success ""
}

@test "trigger: a light hook of ours is sourced, and its failure counts; under attend it is not" {
	made_plugins ps
	# shellcheck disable=SC2016 # for the hook
	printf '#!%s\n# Hook: seen\n# Light: a test.\nprintf "%%s %%s %%s" "$1" "$$" "$(cat)"\n' \
		"$INTERPRETER" >"$WORLD/seen"
	printf '[[ $1 != bad ]] || exit 7\n' >>"$WORLD/seen"
	chmod +x "$WORLD/seen"
	rm "$PLUGIN_PATH/ps"
	mkdir -p "$PLUGIN_PATH/ps"
	cp "$WORLD/seen" "$PLUGIN_PATH/ps/seen"
	code "" 'is_guest() { return 1; }
		[[ $(trigger seen good <<<text) == "good $$ " ]]
		trigger seen bad >/dev/null || printf "%s " "$?"
		[[ $(undo_begin && attend trigger seen good) != "good $$ " ]]'
	assert_success "7 "
}

@test "index_hooks: the same hooks in the same order as a look into the folders" {
	code "" 'for hook in heal reconcile app-domains nosuch functions lib; do
			hook_files "$hook"
			printf "%s\n" "$hook" "${files[@]}"
		done >"$1/looked"
		index_hooks
		for hook in heal reconcile app-domains nosuch functions lib; do
			hook_files "$hook"
			printf "%s\n" "$hook" "${files[@]}"
		done >"$1/indexed"' "$WORLD"
	assert_success ""
	[[ $(grep -c '/reconcile$' "$WORLD/indexed") -gt 3 ]]
	cmp "$WORLD/looked" "$WORLD/indexed"
}

# --- undo -------------------------------------------------------------------------

@test "undo: newest first, arguments as they were, on failure" {
	code "" 'say() { printf "<%s>" "$@"; printf "\n"; }
		undo_begin
		undo say one "a b" "" $'"'"'x\ny'"'"'; undo say two; false; printf "never\n"'
	assert_status 1
	assert_output "<two>
<one><a b><><x
y>"
}

@test "undo: nothing after undo_commit, nor on success of what was committed" {
	code "" 'undo_begin; undo printf "undone\n"; undo_commit; undo printf "later\n"; exit 3'
	assert_status 3
	assert_output "later"
	code "" 'undo_begin; undo printf "undone\n"; undo_commit'
	assert_success ""
}

@test "undo: one that fails does not keep the others from running, nor changes the status" {
	code "" 'undo_begin; undo printf "first\n"; undo false; undo die "no"; exit 5'
	assert_error " !     no"
	code "" 'undo_begin; undo printf "first\n"; undo false; exit 5'
	assert_status 5
	assert_output first
}

@test "undo: each signal ends with 128 and its number, and unwinds" {
	local signal number
	while read -r signal number; do
		code "" 'undo_begin; undo printf "undone\n"; kill -"$1" $$; printf "never\n"' \
			"$signal"
		assert_status "$number"
		assert_output undone
	done <<-'SIGNALS'
		HUP 129
		INT 130
		TERM 143
	SIGNALS
}

@test "attend: the status of the hook, and no other is run after one that fails" {
	made_plugins
	hook fake post-x <<<'exit 12'
	hook later post-x </dev/null
	code "" 'undo_begin; attend trigger post-x || printf "%s" "$?"'
	assert_success 12
	assert_steps "post-x"
}

# --- docker -----------------------------------------------------------------------

@test "docker: a deadline for an engine that hangs" {
	fake docker <<<'exec sleep 5'
	DOKKU_DOCKER_TIMEOUT=0.1 code engine 'docker ps || printf "%s" "$?"'
	assert_success 124
	fake docker <<<'printf "%s," "$@"; exit 3'
	code engine 'docker ps "a b" || printf "%s" "$?"'
	assert_success "ps,a b,3"
}

# engine_server - starts a fake engine on a socket. It answers with the status in the path, and
# echoes the request.
engine_server() {
	export DOCKER_SOCKET=$BATS_TEST_TMPDIR/engine.sock DOKKU_PROGRAMS=$REPO/build/bin
	python3 - "$DOCKER_SOCKET" 3>&- <<-'SERVER' &
		import json, socketserver, sys, urllib.parse
		from http.server import BaseHTTPRequestHandler
		class Handler(BaseHTTPRequestHandler):
		    protocol_version = "HTTP/1.1"
		    def answer(self):
		        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
		        if self.path.startswith("/v1."):
		            # Docker 29: "client version 1.43 is too old. Minimum supported ..."
		            self.path = "/400" + self.path if int(self.path[4:].split("/")[0]) < 44 else "/200" + self.path
		        elif not self.path[1].isdigit():
		            self.path = "/200" + self.path
		        status = int(self.path.split("/")[1])
		        text = json.dumps({"message": self.command + " " + self.path, "type": self.headers.get("Content-Type"), "body": body})
		        if "json?" in self.path:
		            text = urllib.parse.unquote(self.path.split("?")[1])
		        self.send_response(status)
		        if status in (204, 304):
		            text = ""
		        self.send_header("Content-Length", str(len(text.encode()) + (5 if "short" in self.path else 0)))
		        self.end_headers()
		        self.wfile.write(text.encode())
		        self.close_connection = "short" in self.path
		    do_GET = do_POST = do_DELETE = answer
		    def address_string(self): return "us"
		    def log_message(self, *args): pass
		class Server(socketserver.ThreadingUnixStreamServer):
		    daemon_threads = True
		Server(sys.argv[1], Handler).serve_forever()
	SERVER
	server=$!
	until [[ -S $DOCKER_SOCKET ]]; do sleep 0.02; done
}

@test "engine: the answer of 2xx and 304; the engine's own message of others" {
	engine_server
	code engine 'engine -d POST /201/create <<<"{}"'
	assert_success '{"message": "POST /201/create", "type": "application/json", "body": "{}\n"}'
	code engine 'engine POST /304/start; engine DELETE /204/x'
	assert_success ""
	code engine 'engine GET /404/x; printf "on"'
	assert_status 22
	assert_output ""
	assert_error "GET /404/x"
	# Half an answer is none.
	code engine 'engine GET /200/short'
	assert_status 1
	assert_output ""
	assert_error_like ' !     the Docker engine does not answer (*): is dockerd running?'
	kill "$server"
	rm "$DOCKER_SOCKET"
	code engine 'engine GET /200/x'
	assert_status 1
	assert_error_like ' !     the Docker engine does not answer (*): is dockerd running?'
}

@test "engine: several methods in one call, up to the first refusal; an empty answer has no members" {
	engine_server
	code engine 'engine -w /message POST /204/start GET /200/json DELETE /200/x'
	assert_success "GET?/200/json
DELETE?/200/x"
	code engine 'engine -w /message POST /404/start GET /200/json'
	assert_status 22
	assert_output ""
	assert_error "POST /404/start"
	code engine 'engine GET /200/x POST'
	assert_status 2
	code engine 'engine -w "/a/1/b" POST /304/start GET \
		"/200/json?%7B%22a%22%3A%5B%7B%22b%22%3A1%7D%2C%7B%22b%22%3A2%7D%5D%7D"'
	assert_success 2
}

@test "temp: a file or folder that only our user can read, with our process ID" {
	code "" 'umask 000
		stat --format "%a %F" "$(temp file)" "$(temp one -d)" "$(temp two -d in)"
		ls -d "$DOKKU_LIB_ROOT"/tmp/two."$$".*/in | wc -l'
	assert_success "600 regular empty file
700 directory
700 directory
1"
	code "" 'chmod 755 "$DOKKU_LIB_ROOT"/tmp/*; rm -r "$DOKKU_LIB_ROOT/tmp"; temp file'
	assert_refused "nothing can be made in $DOKKU_LIB_ROOT/tmp"
}

@test "engine: one that takes no version of its API below 1.44 is asked without a version, and members of arrays are found" {
	engine_server
	code engine 'engine -w /message GET /v1.43/info'
	assert_status 22
	code engine \
		'container_pid a; remove_container a; remove_image i; tag_image a:b c
			stop_container a 1; prune_dangling web'
	assert_status 0
	assert_error ""
	assert_equal "" "$(grep -rnE '/v1\.[0-9]|DOCKER_API_VERSION' "$REPO/plugins" "$REPO/dokku")"
	code engine \
		'engine -w "/a/1/b /a/2/b /a/x" GET \
			"/200/json?%7B%22a%22%3A%5B%7B%22b%22%3A1%7D%2C%7B%22b%22%3A2%7D%5D%7D"'
	assert_success "2 - -"
}

@test "engine: a socket that the user may not write to is told from an engine that does not run" {
	mkdir "$BATS_TEST_TMPDIR/closed"
	export DOCKER_SOCKET=$BATS_TEST_TMPDIR/closed/engine.sock
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/.." "$BATS_RUN_TMPDIR" 2>/dev/null || true
	chmod 700 "$BATS_TEST_TMPDIR/closed"
	got setpriv --reuid nobody --clear-groups "$REPO/build/bin/engine" GET /info
	assert_refused_by_engine() {
		[[ $status -eq 1 &&
			$stderr == *"may not be written to, as the user is not in its group: run sudo dokku plugin:trigger install" ]]
	}
	assert_refused_by_engine
}

@test "remove_container, remove_image: what is gone, or going, is no failure; all else is" {
	fake_engine \
		<<<'case $2 in */a[?]*) exit 0 ;; */b[?]*) printf \
			"{\"message\":\"No such container: b\"}"; exit 22 ;;
		*/c[?]*) printf "{\"message\":\"removal of container c is already in progress\"}"
		exit 22 ;;
		/images/d) printf "{\"message\":\"No such image: d\"}"; exit 22 ;;
		*) printf "{\"message\":\"conflict: it is in use\"}"; exit 22 ;; esac'
	code engine 'remove_container a; remove_container b; remove_container c; remove_image d'
	assert_success ""
	code engine 'remove_image e'
	assert_status 22
	assert_error "conflict: it is in use"
}

@test "engine_answered: a refusal is an answer, silence is none" {
	fake_engine <<<'case $2 in /ok) ;; /no) printf "{\"message\":\"no\"}"
		exit 22 ;; *) exit 1 ;; esac'
	code engine \
		'for path in /ok /no /silent; do engine_answered engine GET "$path" &&
			printf "%s " "$path"; done; true'
	assert_success "/ok /no "
	code engine 'engine_answered remove_image silent || printf "%s" "$?"'
	assert_success 1
}

@test "stop_container: its seconds more than what the engine has otherwise" {
	printf '#!/bin/sh\nprintf "%%s\\n" "$*" >>"$CALLS"\n' >"$DOKKU_PROGRAMS/engine"
	chmod +x "$DOKKU_PROGRAMS/engine"
	code engine \
		'stop_container idA 7; DOKKU_DOCKER_TIMEOUT=3; stop_container idA 7
			stop_container idA 0'
	assert_success ""
	assert_calls "-t 37 POST /containers/idA/stop?t=7
-t 10 POST /containers/idA/stop?t=7
-t 3 POST /containers/idA/stop?t=0"
}

@test "a message that quotes one of a program of ours has one mark, not two" {
	DOCKER_SOCKET=$WORLD/none DOKKU_PROGRAMS=$REPO/build/bin code engine \
		'warn "web does not start: $(engine GET /version 2>&1)"'
	assert_error_like " !     web does not start: the Docker engine does not answer (*):" \
		"is dockerd running?"
	code "" 'warn " !     is what a user has typed: !     "'
	assert_error " !      !     is what a user has typed: !     "
}

@test "engine: a large body goes whole, an engine that hangs does not hang us" {
	engine_server
	head -c 300000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/large"
	code engine 'engine -d POST /200/x <"$1" | jq ".body | length"' "$BATS_TEST_TMPDIR/large"
	assert_success 300000
	kill -STOP "$server"
	DOKKU_DOCKER_TIMEOUT=1 code engine 'engine GET /200/x'
	kill -KILL "$server"
	assert_status 3
	assert_error_like ' !     the Docker engine does not answer (*): is dockerd running?'
}

@test "engine: several paths, one after the other; at the first that is refused it stops" {
	engine_server
	got "$DOKKU_PROGRAMS/engine" GET /200/a /200/b
	assert_status 0
	assert_equal '"GET /200/a"
"GET /200/b"' "$(jq .message <<<"$output")"
	got "$DOKKU_PROGRAMS/engine" GET /404/a /200/b
	kill "$server"
	assert_status 22
	assert_output ""
	assert_error "GET /404/a"
}

# members POINTERS JSON - prints the members that the program picks out of an answer.
members() {
	got "$DOKKU_PROGRAMS/engine" -w "$1" GET \
		"/200/json?$(jq --null-input --raw-output --arg text "$2" '$text | @uri')"
}

@test "engine -w: members by their pointers, a line for each element; nothing breaks a line into other words" {
	engine_server
	members '/a /b/c /d~1e.f~0 /none /n /t' \
		'{"a": "x", "b": {"c": -3}, "d/e.f~": "y", "n": null, "t": true}'
	assert_success "x -3 y - - true"
	members '/a' '[{"a": "x"}, {"a": ""}, {"b": 1}, 7]'
	assert_success "x
-
-
-"
	members '/a' '[]'
	assert_success ""
	members '/a /b' '{"a": "x y\nz\u0001\u007f", "b": ["p", "q r", 1]}'
	assert_success "x?y?z?? p,q?r,1"
	members '/a /b' '{"a": {"p 1/tcp": {}, "q": 2}, "b": {}}'
	assert_success "p?1/tcp,q -"
	members '/a' '{"a": "é\u0000x"}'
	assert_success "é"
	# Go writes an empty list as null, such as that of the files that a container has changed.
	members '/a /b' null
	assert_success ""
	got "$DOKKU_PROGRAMS/engine" -w /a -e /Id GET '/200/json?null' '/200/{}'
	assert_success ""
	for answer in 7 '"x"' true '{"a": '; do
		members '/a' "$answer"
		assert_status 1
		assert_output ""
	done
	members '/a' '{"a": '
	assert_status 1
	assert_error \
		" !     the Docker engine does not answer (its answer is no JSON): is dockerd running?"
	got "$DOKKU_PROGRAMS/engine" -w a GET /200/x
	assert_status 2
	got "$DOKKU_PROGRAMS/engine" -w /message GET /409/x /200/y
	kill "$server"
	assert_status 22
	assert_output ""
	assert_error "GET /409/x"
}

@test "engine -e: asks about each; one that is gone meanwhile is passed over, all else is told" {
	engine_server
	each() {
		got "$DOKKU_PROGRAMS/engine" -w '/message /body' -e /Id GET \
			"/200/json?$(jq --null-input --raw-output --arg text "$1" '$text | @uri')" \
			'/{}/json2'
	}
	each '[{"Id": "200"}, {"Id": "404"}, {"Id": "201"}]'
	assert_success "GET?/200/json2 -
GET?/201/json2 -"
	each '[]'
	assert_success ""
	each '[{"Id": "200"}, {"Id": "500"}, {"Id": "201"}]'
	assert_status 22
	assert_error "GET /500/json2"
	each '[{"id": "200"}]'
	kill "$server"
	assert_status 1
	assert_error " !     the Docker engine does not answer (a member is missing in its answer):" \
		"is dockerd running?"
}

@test "what should be a file and is a pipe or a device is not waited for" {
	mkfifo "$WORLD/pipe"
	got timeout 20 bash -c \
		'source "$PLUGIN_CORE_AVAILABLE_PATH/common/functions"
			for file; do read_line x "$file" none; echo "$x"; done' bash "$WORLD/pipe" \
		/dev/zero "$WORLD"
	assert_success $'none\nnone\nnone'
	got timeout 20 "$DOKKU_PROGRAMS/read-env" "$WORLD/pipe"
	assert_refused "$WORLD/pipe is not a regular file: it is not read"
	got timeout 20 "$DOKKU_PROGRAMS/read-env" /dev/zero
	assert_refused "/dev/zero is not a regular file: it is not read"
}

@test "take-file: a regular file, no more of it than it may be, and no link" {
	printf '12345' >"$WORLD/file"
	got "$DOKKU_PROGRAMS/take-file" "$WORLD" file 5
	assert_success 12345
	got "$DOKKU_PROGRAMS/take-file" "$WORLD" file 4
	assert_status 1
	assert_error " !     $WORLD/file is larger than 4 bytes: it is not read"
	ln -s file "$WORLD/link"
	got "$DOKKU_PROGRAMS/take-file" "$WORLD" link 5
	assert_refused "$WORLD/link is a link: put the file itself there"
	got "$DOKKU_PROGRAMS/take-file" "$WORLD" none 5
	assert_refused "$WORLD/none: No such file or directory"
}

@test "a lock that an operation takes cannot be opened by everybody, nor what it prints be read" {
	make_app web
	strict "" '"$DOKKU_PROGRAMS/hold" "$LOCKS/web" -- true'
	assert_mode "$DOKKU_LIB_ROOT/lock/web" 600
	DOKKU_TRACE=1 code "" 'transaction web "a change" bash -c "umask"'
	local dirs=("$DOKKU_LIB_ROOT"/data/builds/web/*)
	assert_equal 1 "${#dirs[@]}"
	assert_mode "${dirs[0]}" 700
	assert_mode "${dirs[0]}/log" 600
	# What it makes for others has the mode that it always had.
	assert_equal 0022 "$(grep -xE '[0-9]+' "${dirs[0]}/log")"
}
