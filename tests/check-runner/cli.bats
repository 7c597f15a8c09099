#!/usr/bin/env bats
# What a user of the command sees: options, exit statuses, every format, signals, descriptors.

bats_require_minimum_version 1.5.0

load helper

@test "a pass is one line per check, and 0" {
	asks '/page My Amazing App\n404 /none\nname="the echo" POST /echo POST\n' "$target"
	assert_status 0
	assert_output 'ok   /page "My Amazing App"  (N s, 1 try)
ok   404 /none  (N s, 1 try)
ok   the echo: POST /echo "POST"  (N s, 1 try)'
}

@test "a failure says what was asked, wanted and got, and 1" {
	asks '/page Our Grand Team\n! /page Amazing\n401 /page\n' --deadline 0.2 "$target"
	assert_status 1
	assert_output 'FAIL /page: 200, but "Our Grand Team" is not in its 54 bytes: …<title>Our Team</title>…
FAIL /page: 200, but "Amazing" is in its 54 bytes: …My Amazing App…
FAIL 401 /page: 200, not 401: …<title>Our Team</title>…'
}

@test "a text that was a regex is recognised" {
	asks '/page Our.*Team\n' --deadline 0.2 "$target"
	assert_status 1
	assert_has 'did you mean "~ /page Our.*Team"?'
}

@test "checks come from stdin when there is no FILE, or -" {
	run sh -c 'echo "/page Amazing" | "$runner" "$target"'
	assert_status 0
	run sh -c 'echo "/page Amazing" | "$runner" "$target" -'
	assert_status 0
}

@test "stdin that is closed, or /dev/null, is misuse and no pass" {
	run sh -c '"$runner" "$target" <&-'
	assert_status 2
	assert_has 'stdin: Bad file descriptor'
	run sh -c '"$runner" "$target" </dev/null'
	assert_status 2
	assert_has 'CHECKS:1:1: not one check in this file'
}

@test "what is not understood is 2, with file, line and column, and nothing is asked" {
	asks '/once?7 ready once\nnonsense\n/b\n' "$target"
	assert_status 2
	assert_output 'CHECKS:2:1: expected a path, or a modifier before it, got "nonsense"'
	asks '= /count?7 0\n' --deadline 0.2 "$target"
	assert_status 0
}

@test "misuse of the command line is 2" {
	local line
	while read -r line; do
		read -ra words <<<"$line"
		run "$runner" "${words[@]}"
		assert_status 2
		[[ $output == 'check-runner: '* || $output == *'check-runner: unrecognized'* ||
			$output == *"check-runner: option"* ]] || {
			echo "$line: $output"
			return 1
		}
	done <<'LINES'
--nope 127.0.0.1:80
--wait
127.0.0.1
127.0.0.1:0
127.0.0.1:65536
127.0.0.1:80x
:80
localhost:80
256.0.0.1:80
[::1:80
[]:80
[127.0.0.1]:80
127.0.0.1:80 a b
--wait x 127.0.0.1:80
--timeout 0 127.0.0.1:80
--attempts 0 127.0.0.1:80
--deadline 0 127.0.0.1:80
--pid 0 127.0.0.1:80
--pid 1x 127.0.0.1:80
--tls-port 0 127.0.0.1:80
--format xml 127.0.0.1:80
--color blue 127.0.0.1:80
--host a/b 127.0.0.1:80
--host * 127.0.0.1:80
--host *. 127.0.0.1:80
--host a.*.b 127.0.0.1:80
--header novalue 127.0.0.1:80
--header Connection:close 127.0.0.1:80
--var novalue 127.0.0.1:80
--vars-from /does/not/exist 127.0.0.1:80
--headers-from /does/not/exist 127.0.0.1:80
127.0.0.1:80 /does/not/exist
127.0.0.1:80 /
LINES
}

@test "--help names every option, and the manual page too" {
	run "$runner" --help
	assert_status 0
	local option
	for option in host only-host header headers-from tls tls-port var vars-from wait timeout \
		attempts deadline pid format report lint color \
		selftest version help; do
		assert_has " --$option"
		grep -q " -$option\\b" "${manual%/*}/check-runner.1"
	done
}

@test "a control character in --header is refused" {
	run "$runner" --header $'X: a\r\nY: b' "$target"
	assert_status 2
}

@test "the file's settings win over the command line's, and --deadline over both" {
	local before=$SECONDS
	asks 'WAIT=0\nATTEMPTS=1\n/none\n' --wait 60 --attempts 60 "$target"
	assert_status 1
	asks 'WAIT=60\n/none\n' --deadline 0.3 "$target"
	assert_status 1
	((SECONDS - before < 3))
}

@test "a port that never listens is 4, in time" {
	asks '/ x\n/b\n' --deadline 0.3 "$closed"
	assert_status 4
	assert_output "FAIL the server never answered at $closed within N s
FAIL /: connection refused
FAIL /b: connection refused"
}

@test "a server that starts late is found within 30 ms" {
	mkfifo port
	(
		sleep 0.3
		exec "$hostile" 9 >port
	) 3>&- &
	local server=$!
	# shellcheck disable=SC2094 # a fifo
	read -r port <port
	kill "$server"
	wait "$server" || true
	# Now the port is known and free again.
	(
		sleep 0.4
		exec python3 -c 'import socket, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen()
start = time.time()
c, _ = s.accept()
c.recv(4096)
c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
open("late", "w").write(str(time.time() - start))' "$port"
	) 3>&- &
	server=$!
	asks '/ hi\n' --deadline 5 "127.0.0.1:$port"
	assert_status 0
	[[ $output =~ \(N\ s,\ [0-9]+\ tries\) ]]
	wait "$server"
	run awk '{ exit !($1 < 0.03) }' late
	assert_status 0
}

@test "a connection that reaches itself is no listening server" {
	[[ $EUID -eq 0 ]] && unshare -n true || skip "no network namespaces"
	echo '/ x' >CHECKS
	run unshare -n sh -c 'ip link set lo up
		echo 40000 40001 >/proc/sys/net/ipv4/ip_local_port_range
		exec "$runner" --deadline 0.3 127.0.0.1:40000 CHECKS'
	assert_status 4
	assert_has 'FAIL /: connection refused'
}

@test "a process that exits is 3, at once" {
	sleep 0.3 3>&- &
	local before=$SECONDS
	asks '/ x\n' --pid $! --deadline 20 "$closed"
	assert_status 3
	((SECONDS - before < 3))
	assert_output "FAIL the process exited (pid $!) after N s
FAIL /: connection refused"
}

@test "a process that has exited before is 3" {
	true &
	local gone=$!
	wait "$gone"
	asks '/page Amazing\n' --pid "$gone" "$target"
	assert_status 3
	assert_has "FAIL the process exited (pid $gone)"
}

@test "a process that lives is no obstacle, whoever owns it" {
	asks '/page Amazing\n' --pid 1 "$target"
	assert_status 0
	asks '/page Amazing\n' --pid $$ "$target"
	assert_status 0
}

@test "signals end it at once with 128 and their number" {
	local signal number
	while read -r signal number; do
		sh -c \
			'echo "/ x" | "$runner" --deadline 20 --report report.json "$closed"
				echo $? >status' \
			3>&- >/dev/null 2>&1 &
		local shell=$!
		until compgen -G 'report.json.*' >/dev/null; do sleep 0.01; done
		sleep 0.05
		pkill "-$signal" -P "$shell" -x check-runner
		wait "$shell"
		run cat status
		assert_output "$number"
		rm status
		# The draft of the report is gone, and no report is there.
		[[ -z $(compgen -G 'report.json*') ]]
	done <<<$'TERM 143\nINT 130\nHUP 129'
}

@test "a reader that goes away, or a stdout that is closed or full, is no pass" {
	run bash -c '"$runner" "$target" <<<"/slow?300 slow" | true; exit ${PIPESTATUS[0]}'
	assert_status 5
	run bash -c '"$runner" "$target" <<<"/page Amazing" >&-'
	assert_status 5
	run bash -c '"$runner" "$target" <<<"/page Amazing" >/dev/full'
	assert_status 5
	run bash -c '"$runner" --deadline 0.2 "$target" <<<"/none" >/dev/full'
	assert_status 1
}

@test "json is json, and says all that is known" {
	asks '/page Amazing\nname="a b" warn /none\xff x\x01\n' --deadline 0.2 --format json \
		"$target"
	assert_status 0
	run jq -ce '[.version, .target == env.target, .verdict, .exit, (.ready_ms | type),
		(.duration_ms | type), (.checks | length), .checks[0].ok, .checks[1].ok,
		.checks[1].warn, .checks[1].name, .checks[1].status, .checks[0].url,
		.checks[0].bytes,
		.checks[0].reason, .checks[0].verdict, .checks[1].verdict, .checks[0].attempts,
		(.checks[0].ms | keys), keys_unsorted, (.checks[0] | keys_unsorted)]' <<<"$output"
	assert_status 0
	assert_output '[1,true,"pass",0,"number","number",2,true,false,true,"a b",404,"http://'"$target"'/page",54,null,"passed","status",1,["connect","first_byte","total"],["version","target","verdict","exit","ready_ms","duration_ms","checks"],["line","name","method","url","ok","warn","verdict","status","attempts","reason","bytes","redirects","ms"]]'
}

@test "json of a failure, of a closed port, of a gone process and of misuse" {
	asks '/none\n' --deadline 0.2 --format json "$target"
	assert_status 1
	run jq -ce '[.verdict, .exit, .checks[0].reason]' <<<"$output"
	assert_output '["fail",1,"404, not below 400: nothing here"]'
	asks '/escapes absent\n' --deadline 0.2 --format json "$target"
	run jq -re '.checks[0].reason' <<<"$output"
	assert_has 'needle \x1B]0;owned\x07 \x1B[2J\x0D\x08 \u{202E} txet'
	asks '/none\n' --deadline 0.2 --format json "$closed"
	assert_status 4
	run jq -ce '[.verdict, .exit, .ready_ms, .message, .checks[0].verdict, .checks[0].status]' \
		<<<"$output"
	assert_output '["fail",4,null,"the server never answered","refused",null]'
	run sh -c 'echo nonsense | "$runner" --format json "$target" 2>/dev/null'
	assert_status 2
	run jq -ce '[.verdict, .exit, .message, .checks]' <<<"$output"
	assert_output '["error",2,"CHECKS:1:1: expected a path, or a modifier before it,' \
		'got \"nonsense\"",[]]'
}

@test "tap is tap" {
	asks '/page Amazing\nwarn /none\n/none # x\n' --deadline 0.2 --format tap "$target"
	assert_status 1
	assert_output 'TAP version 13
1..3
ok 1 - /page "Amazing"
not ok 2 - /none # TODO warn only
# 404, not below 400: nothing here
not ok 3 - /none "\# x"
# 404, not below 400: nothing here'
}

@test "the report is written by rename, beside any format" {
	echo old >report.json
	exec 4<report.json
	asks '/page Amazing\n' --report report.json "$target"
	assert_status 0
	assert_has 'ok   /page'
	run jq -r .verdict report.json
	assert_output pass
	run cat <&4
	assert_output old
	[[ $(stat -c %a report.json) == "$(printf '%o' $((0666 & ~$(umask))))" ]]
	mkdir sub
	asks 'nonsense\n' --report sub/report.json "$target"
	assert_status 2
	run jq -r '.exit' sub/report.json
	assert_output 2
	[[ $(ls sub) == report.json ]]
	asks '/page Amazing\n' --report none/report.json "$target"
	assert_status 2
}

@test "lint reads and asks nothing" {
	asks '/a\n  ! b\n/c\n' --lint
	assert_status 0
	assert_output 'CHECKS: 2 checks, up to 25 s'
	asks 'WAIT=x\n\nATTEMPTS=0\n~ /a (\n' --lint
	assert_status 2
	assert_output 'CHECKS:1:6: expected seconds, or a time like 500ms, 2s or 1m
CHECKS:3:1: warning: ATTEMPTS=0 is read as 1: the checks are asked anyway
CHECKS:4:7: not a regex: missing closing parenthesis'
	run sh -c 'echo /a | "$runner" --lint'
	assert_status 0
	assert_output 'CHECKS: 1 check, up to 25 s'
}

@test "lint as JSON tells a file without a check from one that is wrong" {
	printf 'WAIT=3\nATTEMPTS=4\n# none' >CHECKS
	run -2 --separate-stderr "$runner" --lint --format json CHECKS
	[[ $(jq -c '[.verdict, .exit, .checks, .deadline_ms, .timeout_ms, .settings]' \
		<<<"$output") == '["empty",2,0,12000,30000,["WAIT","ATTEMPTS"]]' ]]
	[[ $(jq -c .notes <<<"$output") == '[{"line":3,"column":1,"error":true,"text":"not one check in this file"}]' ]]
	printf 'TIMEOUT=5\n/a\n/b\n' >CHECKS
	run -0 --separate-stderr "$runner" --lint --format json --wait 500ms --attempts 3 CHECKS
	[[ $(jq -c '[.verdict, .exit, .checks, .deadline_ms, .timeout_ms, .settings, .notes]' \
		<<<"$output") == '["pass",0,2,1500,5000,["TIMEOUT"],[]]' ]]
	# Nine checks take two turns of eight: three answers of up to 7 s, and a second after each.
	printf '%s\n' /{1..8} 'timeout=7 /9' >CHECKS
	run -0 --separate-stderr "$runner" --lint --format json --wait 2 --attempts 3 --timeout 4 CHECKS
	[[ $(jq -c '[.checks, .deadline_ms, .longest_ms]' <<<"$output") == '[9,6000,54000]' ]]
	run -0 --separate-stderr "$runner" --lint --format json --deadline 9 CHECKS
	[[ $(jq -c '[.deadline_ms, .longest_ms]' <<<"$output") == '[9000,9000]' ]]
	printf 'ATTEMPTS=0\n"\\\n' >CHECKS
	run -2 --separate-stderr "$runner" --lint --format json CHECKS
	[[ $(jq -c '[.verdict, .checks, (.notes[] | .error)]' \
		<<<"$output") == '["error",0,false,true]' ]]
	# For a file that cannot be read no JSON is printed, because a caller could take that for a
	# file without checks.
	run -2 --separate-stderr "$runner" --lint --format json none
	[[ -z $output ]]
}

@test "--only-host leaves out the checks of hosts that no --host names" {
	local list='/page Amazing\nname="a /b" //other.example/none x\n  ! y\n//App.example/page Amazing\n//a.wild.example:80/page App\n'
	asks "$list" --only-host --host app.example --host '*.wild.example' "$target"
	assert_status 0
	assert_output 'ok   /page "Amazing"  (N s, 1 try)
ok   //App.example/page "Amazing"  (N s, 1 try)
ok   //a.wild.example:80/page "App"  (N s, 1 try)'
	asks "$list" --host app.example --deadline 0.3 "$target"
	assert_status 1
	asks '//other.example/\n' --only-host --host app.example "$target"
	assert_status 2
	assert_output 'CHECKS:1:1: not one check in this file is for a host of --host'
	# The first name is that of plain paths, and no pattern is.
	asks '/page\n' --host '*.wild.example' --host app.example --host www.example --format json \
		"$target"
	assert_status 0
	[[ $(jq -r '.checks[0].url' <<<"$output") == http://app.example/page ]]
}

@test "every example of the manual is understood" {
	# Each indented block after "Examples" is a file of its own.
	awk '/^## /{ on = $2 == "Examples" }
		!on { next }
		/^    /{ if (!inside) n++; inside = 1; print substr($0, 5) >("example." n); next }
		NF { inside = 0 }' "$manual"
	local file found=0
	for file in example.*; do
		run "$runner" --lint --var APP_VERSION=1 "$file"
		assert_status 0
		((++found))
	done
	((found >= 7))
}

@test "variables come from argv and from files, and have no other way in" {
	printf 'B=My Amazing\0C=x=y\0' >vars
	asks '{{ var "A" }} {{ var "B" }} App\n/echo?{{ var "C" }} x=y\n' \
		--var A=/page --vars-from vars "$target"
	assert_status 0
	B='env' asks '/page {{ var "HOME" }}\n' "$target"
	assert_status 2
	assert_has 'CHECKS:1:15: no value for {{ var "HOME" }}'
	printf 'secret' >vars
	asks '/page\n' --vars-from vars "$target"
	assert_status 2
	[[ $output != *secret* ]]
}

@test "what is sent: host, headers, scheme, path as it is" {
	asks '/echo?a#b GET /echo?a HTTP/1.1\n  ~ (?m)^Host: app\\.example\\r$\n  X\n' "$target"
	assert_status 2
	asks '/echo?a#b GET /echo?a HTTP/1.1
  ~ (?m)^Host: app\\.example\\r$
  ~ (?m)^X-Global: 1\\r$
  ~ (?m)^User-Agent: check-runner/
  ! X-Forwarded
  ! Content-Type
//b.example:99/echo Host: b.example
  ! b.example:
/../echo/../echo nothing
' --deadline 0.3 --host app.example --header 'X-Global: 1' "$target"
	assert_has 'ok   /echo?a#b'
	assert_has 'ok   //b.example:99/echo'
	asks 'http://app.example/echo\n  ! X-Forwarded\n/echo X-Forwarded-Proto: https\n' \
		--tls "$target"
	assert_status 0
	asks "/echo Host: $target\n  > X-Global: 2\n  > X-Empty:\n  ~ (?m)^X-Empty:\\\\s*\$\n  ! X-Global: 1\n" \
		--header 'X-Global: 1' "$target"
	assert_status 0
	asks 'POST /echo Content-Length: 0\n  ! Content-Type\n  ! Expect\n' "$target"
	assert_status 0
}

@test "every method goes out as it is written" {
	asks 'GET /echo\n  < X-Method: = GET\nHEAD /echo\n  < X-Method: = HEAD\nPOST /echo\n  < X-Method: = POST
PUT /echo\n  < X-Method: = PUT\nPATCH /echo\n  < X-Method: = PATCH\nDELETE /echo\n  < X-Method: = DELETE
OPTIONS /echo\n  < X-Method: = OPTIONS\n/echo\n  < X-Method: = GET\n' "$target"
	assert_status 0
	[[ $(grep -c '^ok' <<<"$output") -eq 8 ]]
}

@test "a body is sent, as JSON unless a header says what it is" {
	asks 'POST /echo {"ping": true}\n  {"ping": true}\n  ~ (?m)^Content-Type: application/json\\r$
PUT /echo [1]\n  > content-type: text/x-mine\n  [1]\n  ~ (?im)^content-type: text/x-mine\\r$\n  ! application/json
POST /echo [1]\n  [1]\n  ~ (?m)^Content-Type: text/global\\r$\n  ! application/json\n  > Content-Type: text/global\n' "$target"
	assert_status 0
	asks 'POST /echo [1]\n  [1]\n  ~ (?m)^Content-Type: text/global\\r$\n  ! application/json\n' \
		--header 'Content-Type: text/global' "$target"
	assert_status 0
}

@test "every --host is ours in redirects, and every --header is sent" {
	asks '/to?http://b.example/page Amazing\n/to?http://c.example/page moved\n/echo Host: a.example
  ~ (?m)^X-A: 1\\r$\n  ~ (?m)^X-B: 2\\r$\n' \
		--host a.example --host b.example --header 'X-A: 1' --header 'X-B: 2' "$target"
	assert_status 0
}

@test "headers and values come from pipes, too, also for the program that has TLS" {
	asks '/echo\n  ~ (?m)^X-A: 1\\r$\n  ~ (?m)^X-B: {{ var "B" }}\\r$\n' --tls-port 1 \
		--headers-from <(printf 'X-A: 1\n') --vars-from <(printf 'B=2\0') --header 'X-B: 2' \
		"$target"
	assert_status 0
}

@test "headers come from files, too, and are not shown when they are none" {
	printf 'X-A: 1\r\n\nX-B: b b\nX-C: last' >headers
	printf 'X-D: d\n' >headers-too
	asks '/echo\n  ~ (?m)^X-A: 1\\r$\n  ~ (?m)^X-B: b b\\r$\n  ~ (?m)^X-C: last\\r$\n  ~ (?m)^X-D: d\\r$\n  ~ (?m)^X-E: e\\r$\n' \
		--headers-from headers --header 'X-E: e' --headers-from headers-too "$target"
	assert_status 0
	printf 'X-A: 1\nsecret\n' >headers
	asks '/page\n' --headers-from headers "$target"
	assert_status 2
	assert_has '--headers-from headers:2: '
	[[ $output != *secret* ]]
	printf 'X-A: sec\0ret\n' >headers
	asks '/page\n' --headers-from headers "$target"
	assert_status 2
	head --bytes 70000 /dev/zero >headers
	asks '/page\n' --headers-from headers "$target"
	assert_status 2
	assert_has '--headers-from headers: bigger than 64 KiB'
}

@test "a check that has passed is not asked again" {
	asks '/once?9 ready once\n/none\n' --deadline 0.4 "$target"
	assert_status 1
	assert_has 'ok   /once'
	asks '= /count?9 1\n' "$target"
	assert_status 0
}

@test "a server that serves one connection after the other is not held up" {
	python3 -c 'import http.server
class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.server.connections.add(self.client_address)
        body = b"%d connections" % len(self.server.connections)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
http.server.HTTPServer.request_queue_size = 16
server = http.server.HTTPServer(("127.0.0.1", 0), Page)
server.connections = set()
open("port", "w").write("%d\n" % server.server_port)
server.serve_forever()' 3>&- &
	local server=$! turn
	for ((turn = 0; turn < 1000; turn++)); do
		[[ ! -s port ]] || break
		sleep 0.01
	done
	asks '/ connections\n/ connections\n/ connections\n' --deadline 10 "127.0.0.1:$(<port)"
	local three=$status
	# More checks than slots: the waiting ones reuse the open connections. The server sends the
	# body in a packet of its own, which must not wait 40 ms for a delayed ACK.
	printf '~ /%d ^1?[0-9] connections\n' {1..30} >CHECKS
	run "$runner" --deadline 10 "127.0.0.1:$(<port)" CHECKS
	kill "$server"
	wait "$server" || true
	assert_status 0
	[[ ! $output =~ [1-9]\.[0-9]*\ s, && ! $output =~ 0\.[7-9][0-9]*\ s, ]] || {
		echo "$output"
		return 1
	}
	status=$three assert_status 0
}

@test "TIMEOUT bounds one request, and the file's wins over --timeout" {
	asks 'TIMEOUT=50ms\n/hang x\n' --timeout 60 --deadline 0.4 "$target"
	assert_status 4
	local tries
	tries=$("$runner" --timeout 60 --deadline 0.4 --format json "$target" CHECKS |
		jq '.checks[0].attempts')
	((tries >= 3))
	asks '/hang x\n' --timeout 60 --deadline 0.4 --format json "$target"
	[[ $(jq '.checks[0].attempts' <<<"$output") == 1 ]]
	asks '/hang x\n' --timeout 0.05 --deadline 0.4 --format json "$target"
	(($(jq '.checks[0].attempts' <<<"$output") >= 3))
}

@test "nothing in the file is executed" {
	asks '/page $(touch one)\n/page `touch two`\n/$(touch three)\nname="$(touch four)" /page\n' --deadline 0.2 "$target"
	assert_status 1
	[[ $(echo *) == CHECKS ]]
}

@test "the environment changes nothing" {
	export http_proxy=http://127.0.0.1:9 HTTP_PROXY=http://127.0.0.1:9 \
		all_proxy=http://127.0.0.1:9
	export ALL_PROXY=socks5://127.0.0.1:9 CURL_CA_BUNDLE=/x SSLKEYLOGFILE=keys HOME=$PWD
	echo 'machine app.example login u password p' >.netrc
	echo 'proxy = "127.0.0.1:9"' >.curlrc
	asks '/echo GET /echo HTTP\n  ! Authorization\n' --host app.example "$target"
	assert_status 0
	[[ ! -e keys ]]
}

@test "color is for terminals, and for who asks" {
	asks '/page Amazing\n' --color always "$target"
	assert_has $'\033[32mok\033[0m   /page'
	asks '/none\n' --color always --deadline 0.2 "$target"
	assert_has $'\033[31mFAIL\033[0m /none'
	asks '/page Amazing\n' "$target"
	[[ $output != *$'\033'* ]]
	echo '/page Amazing' >CHECKS
	run script -qec "$runner $target CHECKS" /dev/null
	assert_has $'\033[32mok\033[0m   /page'
	NO_COLOR=1 run script -qec "$runner $target CHECKS" /dev/null
	[[ $output != *$'\033'* ]]
	run script -qec "$runner --color never $target CHECKS" /dev/null
	[[ $output != *$'\033'* ]]
	asks '/page Amazing\nwarn /none\n' --color always --deadline 0.2 "$target"
	assert_has $'\033[33mwarn\033[0m /none'
}

@test "on a terminal, one line shows what is waited for and is gone at the end" {
	printf '/page Amazing\n/none x\n' >CHECKS
	run script -qec "$runner --deadline 0.5 $target CHECKS" /dev/null
	assert_has \
		$'\r\033[K1 of 2 ok, 0 s left, waiting for /none: 404, not below 400: nothing here'
	assert_has $'\r\033[K\033[32mok'
	# It never takes a second line: 39 characters and what clears it.
	run script -qec "stty cols 40; $runner --deadline 0.5 $target CHECKS" /dev/null
	assert_has $'\r\033[K1 of 2 ok, 0 s left, waiting for /none:\r\033[K'
}

@test "IPv6" {
	python3 - 3>&- <<'PY' &
import socket
s = socket.socket(socket.AF_INET6)
s.bind(("::1", 0))
s.listen()
open("port", "w").write(str(s.getsockname()[1]))
c, _ = s.accept()
c.recv(4096)
c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
PY
	until [[ -s port ]]; do sleep 0.01; done
	asks '/ hi\n' --deadline 5 "[::1]:$(<port)"
	assert_status 0
	wait
}

@test "through the proxy: https is TLS, http is not, and nothing else is connected to" {
	command -v nginx >/dev/null || skip "no nginx"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -out cert \
		-days 2 -subj /CN=other.example 2>/dev/null
	# These ports are below those that the kernel gives to clients.
	local plain=$((20000 + BASHPID % 5000 * 2))
	local tls=$((plain + 1))
	cat >nginx.conf <<CONF
daemon off; pid $PWD/pid; error_log $PWD/error; worker_processes 1; user root;
events {}
http {
	access_log off; client_body_temp_path $PWD/a; proxy_temp_path $PWD/b;
	fastcgi_temp_path $PWD/c; uwsgi_temp_path $PWD/d; scgi_temp_path $PWD/e;
	server {
		listen unix:$PWD/ready; listen 127.0.0.1:$plain; listen 127.0.0.1:$tls ssl http2;
		ssl_certificate cert; ssl_certificate_key key;
		location / { return 200 "\$scheme host \$http_host sni \$ssl_server_name proto [\$http_x_forwarded_proto]\n"; }
		location /force { if (\$scheme = http) { return 301 https://\$host/force; } return 200 "forced \$scheme\n"; }
	}
}
CONF
	nginx -p "$PWD" -c "$PWD/nginx.conf" 3>&- 2>/dev/null &
	local server=$!
	asks '/ http host app.example sni  proto []\n/force forced https\n//app.example/force forced https
https://app.example/ https host app.example sni app.example proto []\n' \
		--host app.example --tls-port "$tls" --deadline 5 "127.0.0.1:$plain"
	local first=$status out=$output
	asks '/ https host app.example\n' --tls --host app.example --tls-port "$tls" \
		"127.0.0.1:$plain"
	local second=$status
	asks '/force\n' --host app.example --deadline 1 "127.0.0.1:$plain"
	local third=$status
	kill "$server"
	wait "$server" || true
	status=$first output=$out assert_status 0
	status=$second assert_status 0
	# Without --tls-port the redirect to https is asked over HTTP, and is one for ever.
	status=$third assert_status 1
	assert_has 'more than 10 redirects'
}

@test "a plain run loads no library, and TLS has a program of its own" {
	run ldd "$runner"
	assert_status 0
	assert_has 'statically linked'
	run "$runner" --version
	assert_has 'linked in'
	run "$runner-tls" --version
	assert_has 'loaded'
	cp "$runner" .
	echo '/page Amazing' >CHECKS
	run ./check-runner "$target" CHECKS
	assert_status 0
	run ./check-runner --tls-port 1 "$target" CHECKS
	assert_status 5
	assert_has "$PWD/check-runner-tls: No such file"
}

@test "a coding that nobody asked for is refused by name, not by a library that is absent" {
	local coding
	for coding in /brotli /zstd /bomb-nested; do
		asks "$coding x\n" --deadline 0.2 "$target"
		assert_status 1
		assert_has 'in a coding that was not asked for'
	done
}

@test "it is contained, says so, and proves it" {
	run "$runner" --version
	assert_status 0
	assert_has 'check-runner 1.'
	assert_has 'containment: rlimits, no_new_privs, landlock (ABI '
	assert_has ', seccomp'
	run "$runner" --selftest
	local denied=8
	if [[ $output == *'cannot restrict ports'* ]]; then
		assert_status 1
		denied=7
	else
		assert_status 0
	fi
	[[ $(grep -c '^denied ' <<<"$output") -eq denied ]]
	# That is the filter's word; Landlock, behind it, would say that permission is denied.
	local what
	for what in 'opening a file to read' 'opening a file to write' 'starting a program' \
		'a new process' \
		'a UDP socket' 'a Unix socket' 'memory to run code from'; do
		assert_has "denied      $what: Operation not permitted"
	done
}

@test "it is contained before anybody has answered" {
	"$runner" --deadline 20 "$closed" <<<'/ x' >/dev/null 3>&- &
	local pid=$! turn
	for ((turn = 0; turn < 500; turn++)); do
		! grep -qx $'Seccomp:\t2' "/proc/$pid/status" || break
		sleep 0.01
	done
	run cat "/proc/$pid/status" "/proc/$pid/limits"
	kill "$pid"
	assert_has $'NoNewPrivs:\t1'
	assert_has $'Seccomp:\t2'
	local limit
	for limit in 'core file size *0 *0' 'open files *64 *64' 'processes *0 *0' \
		'locked memory *0 *0' 'address space *536870912 '; do
		grep -q "^Max $limit" <<<"$output"
	done
}

# LD_PRELOAD is for the program alone: what run starts beside it may not be what it pretends.
pretending() {
	PRETEND=$1 LD_PRELOAD=$pretend "$runner_libc" "${@:2}"
}

@test "on an older kernel it does without, and says so" {
	run pretending old-kernel --version
	assert_status 0
	assert_has 'containment: rlimits, no_new_privs, no landlock (not in this kernel), no seccomp (not in this kernel)'
	run pretending old-kernel --selftest
	assert_status 1
	[[ $(grep -c '^NOT DENIED  ' <<<"$output") -eq 8 &&
	$(grep -c 'a new process' <<<"$output") -eq 1 ]]
	[[ ! -e /tmp/check-runner-selftest ]]
	run pretending old-kernel "$target" - <<<'/page Amazing'
	assert_status 0
	sleep 0.2 3>&- &
	run pretending old-kernel --pid $! --deadline 20 "$closed" - <<<'/ x'
	assert_status 3
	assert_has "FAIL the process exited (pid $!) after 0."
}

@test "no clock on the wall moves a deadline" {
	run pretending wild-clock --deadline 5 "$target" - <<<'/slow?150 slow'
	assert_status 0
	run pretending wild-clock --deadline 0.3 "$closed" - <<<'/ x'
	assert_status 4
	assert_has 'within 0.3'
}

@test "it works for a user without any rights" {
	[[ $EUID -eq 0 ]] || skip "not root"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR"
	mkdir -m 777 out
	cp "$runner" check-runner
	echo '/page Amazing' >CHECKS
	run setpriv --reuid 65534 --regid 65534 --clear-groups ./check-runner --pid 1 \
		--report out/report.json "$target" CHECKS
	assert_status 0
	run jq -r .verdict out/report.json
	assert_output pass
	run setpriv --reuid 65534 --regid 65534 --clear-groups ./check-runner --selftest
	[[ $output != *'NOT DENIED'* || $output == *'cannot restrict ports'* ]]
}
