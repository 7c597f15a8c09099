#!/usr/bin/env bats
# config: values come back byte for byte, a change is all or nothing, names are checked.

load ../helper

setup() {
	world
	made_plugins config
	make_app web
	ENV="$DOKKU_LIB_ROOT/config/web/ENV"
}

# come_back VALUE… - sets V1, V2 and so on to these values, and requires that each exact format
# returns them.
come_back() {
	local i pairs=()
	for ((i = 1; i <= $#; i++)); do
		pairs+=("V$i=${!i}")
	done
	dokku --quiet config:set web "${pairs[@]}"
	assert_success ""
	printf '%s\0' "${pairs[@]}" | sort -z >"$WORLD/wanted"
	"$DOKKU" config:export --format nul web | sort -z >"$WORLD/got"
	cmp "$WORLD/wanted" "$WORLD/got"
	# A new shell must be able to read the default format.
	"$DOKKU" config:export web >"$WORLD/exported"
	env -i "$(type -P bash)" -c 'source "$1"; for ((i = 1; i <= $2; i++)); do name=V$i; printf "%s=%s\0" "$name" "${!name}"; done' \
		bash "$WORLD/exported" $# | sort -z >"$WORLD/got"
	cmp "$WORLD/wanted" "$WORLD/got"
	"$DOKKU" config:get web "V$#" >"$WORLD/got"
	printf '%s\n' "${!#}" | cmp - "$WORLD/got"
}

@test "a value comes back byte for byte: quotes, newlines, backslashes, UTF-8, spaces" {
	local line word values=()
	while IFS= read -r line; do
		printf -v word '%b' "$line"
		values+=("$word")
	done <<-'VALUES'

		plain
		a b  c
		'
		''
		'\\\\''
		'\\\\'''
		it's "quoted"
		\\\\
		\\\\'
		a\\\\nb
		a\nb
		\n
		a\n\n
		\n\na
		a'\nb
		a\n'
		'\n'
		x='\nexport OTHER='y
		export OTHER='y'
		$HOME `id` $(id) ${x} !x *
		é ü 漢字 😀
		\t\r\x01\x7f
		=
		a=b=c
		#no comment
		&
		%s%n\\\\0
	VALUES
	come_back "${values[@]}"
}

@test "a long value comes back" {
	come_back "$(head -c 60000 /dev/zero | tr '\0' x)" \
		"$(yes "it's a line of a key" | head -n 200)"
}

# long_values N - writes to the file ENV a value of N lines with quotes, and one of 20 N characters,
# every second of which is a quote.
long_values() {
	mkdir -p "${ENV%/*}"
	{
		printf "export BEFORE='x'\nexport LONG='"
		yes "a '\\''line'\\'' of it" | head -n "$1"
		printf "'\nexport LONGER='%s'\n" \
			"$(head -c $(($1 * 20)) /dev/zero | tr '\0' "q" | sed "s/qq/x'\\\\''/g")"
	} >"$ENV"
}

# computing - sets ms to what it takes to read and write that file.
computing() {
	code config 'ulimit -t 60; TIMEFORMAT=%3U; declare -A config=()
		time { config_load "$1"; config_render >"$1.again"; }
		cmp "$1" "$1.again"; printf "%s %s\n" "${#config[LONG]}" "${#config[LONGER]}"' \
		"$ENV"
	assert_status 0
	ms=$((10#${stderr/./}))
}

@test "a value of 1 MB, of quotes and lines, costs what ten of 100 kB do, not a hundred" {
	local ms small
	long_values 5000
	computing
	assert_output "75000 100000"
	small=$ms
	long_values 50000
	computing
	assert_output "750000 1000000"
	[[ $ms -lt $((30 * (small + 10))) ]]
}

@test "config:export reads no file that it is told of" {
	printf "export SECRET='x'\n" >"$WORLD/file"
	dokku config:export --file "$WORLD/file" web
	assert_refused "config:export: there is no option --file; nothing was done." \
		"Please retry with valid arguments. Usage:" \
		"dokku config:export [--merged] [--format" \
		"exports|envfile|shell|pretty|json|json-list|docker-args|docker-args-keys|pack-keys|nul] APP|--global" 2
}

@test "several are set at once, and others stay; the file is readable by dokku alone" {
	dokku config:set web A=1 B=two
	assert_success "-----> Set for web: A B"
	dokku config:set web B=2 C=3
	assert_success "-----> Set for web: B C"
	assert_file "$ENV" "export A='1'
export B='2'
export C='3'"
	assert_mode "$ENV" 600
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "a value of plain text costs no program, others are looked at" {
	fake iconv <<<'printf x >>"$CALLS.iconv"; exec /usr/bin/iconv "$@"'
	dokku config:set web "A=$(printf '%s' {1..500})" 'B=a b ~ !' C= $'D=\t\n\x7f' E=$'\x01'
	assert_success "-----> Set for web: A B C D E"
	assert_absent "$CALLS.iconv"
	dokku config:set web 'A=ä' B=plain
	assert_success "-----> Set for web: A B"
	assert_file "$CALLS.iconv" x
	local value
	for value in $'\x80' $'a\xffb' $'\xc3'; do
		dokku config:set web "A=$value"
		assert_refused 'A: its value is not UTF-8, and Docker passes on only UTF-8:' \
			'encode it, for example in base64; nothing was changed'
	done
}

@test "all or nothing: one bad pair among good ones changes nothing" {
	dokku --quiet config:set web A=1
	local before
	before=$(<"$ENV")
	dokku config:set web B=2 1BAD=x C=3
	assert_refused 'not a variable name: "1BAD": letters, digits and underscores,' \
		'and no digit first; nothing was changed'
	dokku config:set web B=2 NOVALUE C=3
	assert_refused 'config:set: "NOVALUE" is not NAME=VALUE; nothing was done.' \
		'Please retry with valid arguments. Usage:' \
		'dokku config:set [--encoded] [--no-restart] APP|--global NAME=VALUE...' 2
	dokku config:set web B=2 $'C=\xff'
	assert_refused 'C: its value is not UTF-8, and Docker passes on only UTF-8: encode it,' \
		'for example in base64; nothing was changed'
	dokku config:set --encoded web B=Mg== C=%%%
	assert_refused 'C: its value is not base64; nothing was changed'
	dokku config:set web
	assert_refused 'config:set: NAME=VALUE is missing; nothing was done.' \
		'Please retry with valid arguments. Usage:' \
		'dokku config:set [--encoded] [--no-restart] APP|--global NAME=VALUE...' 2
	assert_file "$ENV" "$before"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "names that are none are refused" {
	is_refused() {
		dokku config:set web "$1=x"
		assert_status 1 && assert_output "" &&
			assert_error_like ' !     not a variable name: "*": letters,' \
				'digits and underscores, and no digit first; nothing was changed'
	}
	each is_refused <<-'NAMES'

		1A
		A-B
		A B
		A.B
		A\n
		\nA
		é
		A;B
		$(id)
		A[0]
		a[$(id)]
	NAMES
	assert_absent "$ENV"
	dokku --quiet config:set web _a1=x "$(printf 'A%.0s' {1..255})=y"
	assert_success ""
	dokku --quiet config:set web "$(printf 'A%.0s' {1..256})=y"
	assert_status 1
}

@test "--encoded: a NUL is refused, as no environment holds one" {
	dokku config:set --encoded web A=Yg== "B=$(printf 'a\0b' | base64)"
	assert_refused \
		"B: its value has a NUL byte, which a variable cannot hold; nothing was changed"
	dokku config:get web A
	assert_status 1
}

@test "--encoded: base64, also of what ends in newlines" {
	dokku --quiet config:set --encoded web "A=$(printf 'x\n\n' | base64)"
	assert_success ""
	assert_equal "$(printf 'A=x\n\n\0' | sha256sum)" \
		"$("$DOKKU" config:export --format nul web | sha256sum)"
}

@test "an app that is none, an option that is none" {
	dokku config:set ghost A=1
	assert_refused "App ghost does not exist"
	dokku config:set '../web' A=1
	assert_refused 'not an app name: "../web": use lower case letters, digits,' \
		'dots and hyphens, at most 63'
	dokku config:set --nope web A=1
	assert_refused "config:set: there is no option --nope; nothing was done." \
		"Please retry with valid arguments. Usage:" \
		"dokku config:set [--encoded] [--no-restart] APP|--global NAME=VALUE..." 2
	dokku config:set
	assert_refused "config:set: APP|--global is missing; nothing was done." \
		"Please retry with valid arguments. Usage:" \
		"dokku config:set [--encoded] [--no-restart] APP|--global NAME=VALUE..." 2
}

@test "config:get: its value; status 1 and nothing where it is not set" {
	dokku --quiet config:set web "A=a b'c"
	dokku config:get web A
	assert_success "a b'c"
	dokku config:get --quoted web A
	assert_success "a\\ b\\'c"
	dokku config:get web B
	assert_status 1
	assert_output ""
	assert_error ""
	dokku config:get web 'A]'
	assert_refused 'config:get: "A]" is not a variable name' 2
	dokku --quiet config:set web EMPTY=
	dokku config:get web EMPTY
	assert_success ""
}

@test "config:unset: those named, all or nothing; what was not set is no failure" {
	dokku --quiet config:set web A=1 B=2 C=3
	dokku config:unset web A C NONE
	assert_success "-----> Unset for web: A C NONE"
	assert_file "$ENV" "export B='2'"
	dokku config:unset web B 'x[$(id)]'
	assert_refused 'not a variable name: "x[$(id)]"; nothing was changed'
	assert_file "$ENV" "export B='2'"
	dokku config:unset web
	assert_refused "config:unset: NAME is missing; nothing was done." \
		"Please retry with valid arguments. Usage:" \
		"dokku config:unset [--no-restart] APP|--global NAME..." 2
}

@test "config:clear" {
	dokku --quiet config:set web A=1 B=2
	dokku config:clear web
	assert_success "-----> Cleared: web"
	dokku config:keys web
	assert_success ""
	dokku config:export web
	assert_success ""
	dokku config:export --format json web
	assert_success "{}"
}

@test "config:show: aligned, and nothing acts on the terminal" {
	dokku --quiet config:set web A=1 "LONGER=x"$'\e'"[31m"$'\n'"y"
	dokku config:show web
	assert_success '=====> web env vars
A:       1
LONGER:  x\x1b[31m\x0ay'
	dokku config web
	assert_output '=====> web env vars
A:       1
LONGER:  x\x1b[31m\x0ay'
}

@test "config:export: every format, whole" {
	dokku --quiet config:set web "A=it's" $'B=two\nlines "q" \\' C=
	exports() {
		dokku config:export --format "$1" web
		assert_success "$2"
	}
	assert_file "$ENV" "export A='it'\\''s'
export B='two
lines \"q\" \\'
export C=''"
	exports exports "export A='it'\\''s'
export B='two
lines \"q\" \\'
export C=''"
	exports envfile 'A="it'"'"'s"
B="two\nlines \"q\" \\"
C=""'
	exports shell "A=it\\'s B=\$'two\\nlines \"q\" \\\\' C='' "
	exports docker-args "--env=A=it\\'s --env=B=\$'two\\nlines \"q\" \\\\' --env=C='' "
	exports docker-args-keys "--env=A --env=B --env=C "
	exports pack-keys "--env A --env B --env C "
	exports json '{"A":"it'"'"'s","B":"two\nlines \"q\" \\","C":""}'
	exports json-list '[{"name":"A","value":"it'"'"'s"},{"name":"B","value":"two\nlines \"q\" \\"},{"name":"C","value":""}]'
	exports pretty '=====> web env vars
A:  it'"'"'s
B:  two\x0alines "q" \
C:  '
	dokku config:export --format nope web
	assert_status 2
	assert_error_like ' !     config:export: Invalid output format "nope": --format' \
		'wants one of exports, envfile,*; nothing was done.*'
	dokku config:export web
	assert_output "export A='it'\\''s'
export B='two
lines \"q\" \\'
export C=''"
}

@test "config:export --format without a word is misuse" {
	dokku config:export --format
	assert_refused "config:export: --format wants a value; nothing was done." \
		"Please retry with valid arguments. Usage:" \
		"dokku config:export [--merged] [--format" \
		"exports|envfile|shell|pretty|json|json-list|docker-args|docker-args-keys|pack-keys|nul] APP|--global" 2
}

@test "--merged: the app's go before the global ones; --global is a scope of its own" {
	dokku config:set --global A=global B=global
	assert_success "-----> Set for --global: A B"
	dokku --quiet config:set web A=own
	dokku config:get web B
	assert_status 1
	dokku config:show --merged web
	assert_success "=====> web env vars
A:  own
B:  global"
	dokku config:keys --merged web
	assert_success "A
B"
	dokku config:keys web
	assert_success "A"
	dokku config:export --merged --format json web
	assert_success '{"A":"own","B":"global"}'
}

@test "an ENV file is read, never run" {
	mkdir -p "${ENV%/*}"
	printf '%s\n' 'touch "$BATS_TEST_TMPDIR/ran"' "export A='ok'" \
		'export B=$(touch "$BATS_TEST_TMPDIR/ran")' "C='no export'" '# comment' \
		"export D='last'" >"$ENV"
	printf "export E='without newline'" >>"$ENV"
	dokku config:export --format json web
	assert_success '{"A":"ok","C":"no export","D":"last","E":"without newline"}'
	assert_absent "$BATS_TEST_TMPDIR/ran"
}

@test "a lock that is busy: nothing is changed, and no file stays behind" {
	printf '' >"$DOKKU_LIB_ROOT/lock/web"
	fifo held
	fifo on
	flock "$DOKKU_LIB_ROOT/lock/web" bash -c \
		'printf "x\n" >"$BATS_TEST_TMPDIR/held"; read -r x <"$BATS_TEST_TMPDIR/on"' \
		3>&- &
	heard held
	dokku config:set web A=1
	printf '\n' >"$BATS_TEST_TMPDIR/on"
	assert_status 1
	assert_error " !     web: nothing was changed: web is busy:" \
		"another operation has just begun: try again when it is done, or wait for it:" \
		"git push -o wait, dokku --wait"
	assert_absent "$ENV"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
	wait
}

@test "a change without a deploy says who holds the lock, and does not blame the lock for other failures" {
	fake_write <<<'cat "$DOKKU_LIB_ROOT/lock/web" >"$BATS_TEST_TMPDIR/holder"
		printf "no space left\n" >&2; exit 1'
	dokku config:set web A=1
	assert_status 1
	assert_error "no space left
 !     config:set: web keeps the config that it had, see above"
	[[ $(<"$BATS_TEST_TMPDIR/holder") =~ ^[0-9]+\ [0-9:]+\ config:set\ A$ ]]
	assert_absent "$ENV"
	fake_write </dev/null
	dokku config:set --global A=1
	assert_success "-----> Set for --global: A"
}

# --- with a release that runs -------------------------------------------------------

# deployed - makes web run release 1, with fake hooks by which a deploy works.
deployed() {
	make_release web 1
	make_current web 1
	dokku --quiet config:set --no-restart web A=old
	hook fake scheduler-start \
		<<<'printf "web 1 id 10.86.128.2 5000\n" \
			>"$DOKKU_LIB_ROOT/data/releases/$2/$3/containers"'
}

@test "a deploy says why its URL does not lead to the app, if a plugin knows" {
	deployed
	hook fake app-domains <<<'printf "web.example.com\n"'
	hook fake app-unreached </dev/null
	dokku config:set web B=1
	assert_status 0
	assert_output_like "*is live: http://web.example.com
       start *"
	hook fake app-unreached <<<'printf "%s has moved\n" "$1"'
	dokku config:set web B=2
	assert_output_like "*is live: http://web.example.com
       web has moved
       start *"
}

@test "a deployed app is deployed anew with it, and has it after the commit" {
	deployed
	dokku config:set web B=$'new\nline'
	assert_status 0
	assert_error ""
	assert_output_like "-----> Starting web v2: web.1
-----> Switched to v2 in * ms
=====> web v2 is live
       no visitor can reach it, because it has no domain: dokku domains:add web NAME
       start *
-----> Set for web: B"
	assert_equal 2 "$(current web)"
	assert_file "$ENV" "export A='old'
export B='new
line'"
	assert_equal "$(printf 'A=old\0B=new\nline\0' | sha256sum)" \
		"$(sha256sum <"$DOKKU_LIB_ROOT/data/releases/web/2/env")"
	assert_mode "$DOKKU_LIB_ROOT/data/releases/web/2/env" 600
	assert_equal 1 "$(grep -c 'POST .*/images/dokku/web:v1/tag.*tag=v2' "$CALLS")"
	grep -q 'config:set B$' "$DOKKU_LIB_ROOT/data/releases/web/2/description"
	run grep -r new "$DOKKU_LIB_ROOT/data/builds" \
		"$DOKKU_LIB_ROOT/data/releases/web/2/description"
	assert_equal 1 "$status" "a value in a log"
}

@test "a deployed app whose deploy fails keeps the config that it had" {
	deployed
	hook fake check-deploy <<<'exit 1'
	dokku config:set web A=new
	assert_status 1
	assert_error " !     config:set: web keeps the config that it had, see above"
	assert_file "$ENV" "export A='old'"
	assert_equal 1 "$(current web)"
	assert_absent "$DOKKU_LIB_ROOT/data/releases/web/2"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "--no-restart changes what the next deploy has, and deploys nothing" {
	deployed
	dokku config:set --no-restart web A=new
	assert_success "-----> Set for web: A"
	assert_steps ""
	assert_equal 1 "$(current web)"
	assert_file "$ENV" "export A='new'"
}

@test "config_note: a full disk is told, in our words" {
	code config 'config_note /dev/full set A=1'
	assert_refused "/dev cannot be written to; nothing was changed"
}

@test "temp: a folder that takes no file is told, in our words" {
	rm -r "$DOKKU_LIB_ROOT/tmp"
	code "" 'temp config'
	assert_refused "nothing can be made in $DOKKU_LIB_ROOT/tmp"
}

@test "what cannot be sorted, quoted or written is no empty config" {
	local program
	# Only a value with a quote needs tr and sed, and only many variables need sort.
	dokku --quiet config:set web "A=it's" V{1..25}=x
	cp "$ENV" "$WORLD/before"
	for program in sort tr sed; do
		fake "$program" <<<'exit 1'
		dokku config:set web B=2
		assert_status 1
		dokku config:export web
		[[ $status -ne 0 || $output == *A=* ]]
		rm "$BIN/$program"
		cmp "$ENV" "$WORLD/before"
	done
}

# interrupted SIGNAL COMMAND… - dokku COMMAND…, that Ctrl-C (or a terminal that goes) ends while its
# job waits for the lock of web; then that is free.
interrupted() {
	local client job
	: >"$DOKKU_LIB_ROOT/lock/web"
	exec 9>"$DOKKU_LIB_ROOT/lock/web"
	flock 9
	DOKKU_LOCK_WAIT=20 setsid env --default-signal "$DOKKU" "${@:2}" \
		>"$BATS_TEST_TMPDIR/stdout" 2>&1 3>&- 9>&- &
	client=$!
	until job=$(pgrep --full "/hold .*$WORLD/lib/tmp/config\\.$client\\."); do sleep 0.01; done
	# The group, as a terminal does.
	kill -"$1" -- "-$client"
	wait "$client" || true
	exec 9>&-
	gone "$job"
}

@test "Ctrl-C at the client: the change goes on, and nothing stays" {
	deployed
	interrupted INT config:set web B=new
	assert_equal 2 "$(current web)"
	assert_file "$ENV" "export A='old'
export B='new'"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
	interrupted HUP config:unset web A
	assert_equal 3 "$(current web)"
	assert_file "$ENV" "export B='new'"
	interrupted INT config:clear web
	assert_equal 4 "$(current web)"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "a change of a deployed app that is busy leaves no file" {
	deployed
	exec 9>"$DOKKU_LIB_ROOT/lock/web"
	flock 9
	printf '%s 12:34:56 git push\n' "$$" >"$DOKKU_LIB_ROOT/lock/web"
	dokku config:set web A=new
	exec 9>&-
	assert_status 1
	assert_file "$ENV" "export A='old'"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "config:set: PORT is a port" {
	is_refused() {
		dokku config:set web "PORT=$1"
		assert_refused "PORT: \"$1\" is not a port from 1 to 65535:" \
			"config:unset PORT sets the default again; nothing was changed"
		dokku config:set --global "PORT=$1"
		assert_status 1
	}
	local port
	for port in 99999 65536 0 080 -1 abc '' '80 ' 1e3; do
		is_refused "$port"
	done
	assert_absent "$ENV"
	dokku --quiet config:set web PORT=65535 PORT_=abc
	assert_success
}

# --- what other tools wrote -------------------------------------------------------

# shellcheck disable=SC1003 # no quote is escaped here
@test "every form that Dokku writes is read, and comes back after a change" {
	mkdir -p "${ENV%/*}"
	printf '%s\n' "export A='it'\\''s'" 'B="v \"q\" \\ \n\r\! \$X \` é"' 'C=5' 'D=-7 ' \
		"E=don't do # c" \
		"export F=\$'a\\nb\\'\\t\\x41\\101'" $'export G=\'multi\nline\'' $'I="a\nb"' 'J=' \
		'K=""' "export L=''" \
		$'M = "x"  # c\r' "R='a\\'" 'S=a\$b c' 'export=5' $'\t export  T="t"' 'U=$ 5$' \
		'V="a#b" ' >"$ENV"
	printf 'W="without newline"' >>"$ENV"
	local expected
	expected=$(printf '%s\0' "A=it's" $'B=v "q" \\ \n\r! $X ` é' C=5 D=-7 "E=don't do" \
		$'F=a\nb\'\tAA' $'G=multi\nline' $'I=a\nb' \
		J= K= L= M=x 'R=a\' 'S=a$b c' T=t 'U=$ 5$' 'V=a#b' 'W=without newline' export=5 |
		base64 -w 0)
	assert_equal "$expected" "$("$DOKKU" config:export --format nul web | base64 -w 0)"
	dokku config:set web NEW=1
	assert_success "-----> Set for web: NEW"
	dokku config:unset web NEW
	assert_equal "$expected" "$("$DOKKU" config:export --format nul web | base64 -w 0)"
	dokku config:get web B
	assert_success $'v "q" \\ \n\r! $X ` é'
}

@test "a line that is not understood is kept word for word, said once a command, and replaced by a value of its own" {
	mkdir -p "${ENV%/*}"
	printf '%s\n' '# by hand' 'H="$HOME/x"' "A='1'" '1X=3' 'no line' "N='a' b" \
		$'O="x$(y\nB=no)"' 'P=${Q}' "F=\$'\\u00e9'" \
		$'Z=\'unclosed\nC=\'lost' >"$ENV"
	local kept
	kept=$(printf '%s\n' '# by hand' 'H="$HOME/x"' '1X=3' 'no line' "N='a' b" \
		$'O="x$(y\nB=no)"' 'P=${Q}' "F=\$'\\u00e9'" \
		$'Z=\'unclosed\nC=\'lost')
	dokku config:set web NEW=1
	assert_status 0
	assert_error " !     $ENV:2 is not NAME=VALUE, so the line sets nothing. It stays in the file
 !     $ENV:4 is not NAME=VALUE, so the line sets nothing. It stays in the file
 !     $ENV:5 is not NAME=VALUE, so the line sets nothing. It stays in the file
 !     $ENV:6 is not NAME=VALUE, so the line sets nothing. It stays in the file
 !     $ENV:7 is not NAME=VALUE, so the line sets nothing. It stays in the file
 !     $ENV:9 is not NAME=VALUE, so the line sets nothing. It stays in the file
 !     $ENV:10 is not NAME=VALUE, so the line sets nothing. It stays in the file
 !     $ENV:11 is not NAME=VALUE, so the line sets nothing. It stays in the file"
	assert_file "$ENV" "export A='1'
export NEW='1'
$kept"
	dokku config:export --format nul web
	assert_equal "A=1,NEW=1," "$(tr '\0' , <"$BATS_TEST_TMPDIR/stdout")"
	dokku --quiet config:unset web H
	dokku --quiet config:set web P=2 Z=3
	assert_file "$ENV" "export A='1'
export NEW='1'
export P='2'
export Z='3'
# by hand
1X=3
no line
N='a' b
O=\"x\$(y
B=no)\"
F=\$'\\u00e9'"
	dokku config:clear web
	assert_status 0
	assert_file "$ENV" ""
}

@test "a deploy takes what another tool wrote, and says once what it does not understand" {
	make_release web 1
	make_current web 1
	hook fake scheduler-start \
		<<<'printf "web 1 id 10.86.128.2 5000\n" \
			>"$DOKKU_LIB_ROOT/data/releases/$2/$3/containers"'
	mkdir -p "${ENV%/*}"
	printf 'A="1"\nB=2\nC="$D"\n' >"$ENV"
	dokku config:set web E=5
	assert_status 0
	assert_equal 1 "$(grep -c "ENV:3 is not NAME=VALUE" "$BATS_TEST_TMPDIR/stdout")"
	assert_equal "A=1,B=2,E=5," "$(tr '\0' , <"$DOKKU_LIB_ROOT/data/releases/web/2/env")"
	assert_file "$ENV" "export A='1'
export B='2'
export E='5'
C=\"\$D\""
}

@test "a thousand variables are read in less than a second of computing" {
	mkdir -p "${ENV%/*}"
	for ((i = 0; i < 1000; i++)); do printf 'V%s="value \\"%s\\""\n' "$i" "$i"; done >"$ENV"
	code config \
		'ulimit -t 60; TIMEFORMAT=%3U; declare -A config=(); time config_load "$1"
			printf "%s" "${#config[@]}"' "$ENV"
	assert_output 1000
	[[ $((10#${stderr/./})) -lt 1000 ]]
}

@test "config:set: no process has a value in its arguments while the deploy goes on, and odd ones arrive whole" {
	make_release web 1
	make_current web 1
	hook fake scheduler-start <<-'BODY'
		grep -l s3cret /proc/[0-9]*/cmdline >>"$WORLD/seen" || true
		printf "web 1 id 10.86.128.2 5000\n" >"$DOKKU_LIB_ROOT/data/releases/$2/$3/containers"
	BODY
	dokku config:set web A=s3cret "B=s3cret two" 'C='
	assert_status 0
	assert_file "$WORLD/seen" ""
	dokku config:get web B
	assert_success "s3cret two"
	SSH_ORIGINAL_COMMAND="config:set web A=s3cret B='s3cret three'" dokku
	assert_status 0
	assert_file "$WORLD/seen" ""
	dokku config:get web B
	assert_success "s3cret three"
	got "$DOKKU" config:set --no-restart web $'D=a\nb' "E=$(printf 'x%.0s' {1..100000})" \
		<<<"not a word"
	assert_status 0
	dokku config:get web D
	assert_success $'a\nb'
	assert_equal 100000 "$("$DOKKU" config:get web E | tr -d '\n' | wc -c)"
	dokku config:set web
	assert_status 2
	dokku config:set --help
	assert_status 0
	[[ $output != *Secret* ]]
}

@test "config:import: an input without end is refused, and does not fill the disk" {
	local file="$WORLD/endless"
	got timeout 20 bash -c 'yes "A=b" | head -c 60000000 | {
		"$DOKKU" config:import --no-restart web -
		status=$?; cat | wc -c >"$0"; exit "$status"; }' "$file"
	assert_refused "config:import: - has more than 4194304 bytes: is it a file of variables?" \
		"Nothing was changed"
	# The rest was not read.
	[[ $(<"$file") -gt 50000000 ]]
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "config:import: UTF-16, as PowerShell writes it, is refused by that name" {
	printf 'A=1\r\n' | iconv -f UTF-8 -t UTF-16 >"$WORLD/vars"
	dokku config:import --no-restart web "$WORLD/vars"
	assert_refused "config:import: $WORLD/vars is UTF-16: save it as UTF-8; nothing was changed"
}

@test "config:import: an envfile or JSON, from a file or stdin, all or nothing; --replace drops the others" {
	dokku config:set --no-restart web OLD=1 A=0
	printf '%s\n' "# a comment" 'A=plain' 'export B="x\ny"' "C='it'\\''s'" >"$WORLD/vars"
	dokku config:import --no-restart web "$WORLD/vars"
	assert_success "-----> Set for web: A B C"
	dokku config:export --format json web
	assert_output '{"A":"plain","B":"x\ny","C":"it'"'"'s","OLD":"1"}'
	got "$DOKKU" config:import --no-restart --replace --format json web - <<<'{"A": "a\nb", "N": 5, "E": ""}'
	assert_success "-----> Set for web: A E N"
	dokku config:export --format json web
	assert_output '{"A":"a\nb","E":"","N":"5"}'
	local text
	for text in '{"A": ["x"]}' '{"a-b": "x"}' '[]' '{"PORT": "x", "B": "1"}' '{' '{}'; do
		got "$DOKKU" config:import --no-restart --format json web - <<<"$text"
		assert_status 1
		assert_output ""
	done
	got "$DOKKU" config:import --no-restart web - <<<'not a variable'
	assert_status 1
	dokku config:import --no-restart web "$WORLD/none"
	assert_refused "config:import: $WORLD/none is not a file that the user dokku can read: give it on stdin, dokku config:import web - <$WORLD/none; nothing was changed"
	dokku config:export --format json web
	assert_output '{"A":"a\nb","E":"","N":"5"}'
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "config:bundle: a tar archive with a file per variable, byte for byte" {
	dokku config:set --no-restart --global G=global
	dokku config:set --no-restart web $'A=x\ny' B=
	"$DOKKU" config:bundle web | tar -x -C "$BATS_TEST_TMPDIR"
	assert_equal $'x\ny.' "$(cat "$BATS_TEST_TMPDIR/A" && printf .)"
	[[ -f $BATS_TEST_TMPDIR/B && ! -s $BATS_TEST_TMPDIR/B && ! -e $BATS_TEST_TMPDIR/G ]]
	"$DOKKU" config:bundle --merged web | tar -t | grep -qx G
	"$DOKKU" config:clear --no-restart web
	"$DOKKU" config:bundle web | tar -t
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}
