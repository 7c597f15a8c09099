#!/usr/bin/env bats
# What the test app answers, and how it starts and ends.

load ../load/helper

setup() {
	export APP=web RELEASE=v1
	servers=()
}

url() {
	printf 'http://127.0.0.1:%s%s' "$port" "$1"
}

status_of() {
	curl --silent --output /dev/null --write-out '%{http_code}' "$@"
}

@test "the page names app, release and greeting, escaped" {
	web APP=shop RELEASE=v7 'GREETING=<b>&'
	run -0 curl -s "$(url /)"
	[[ $output == *"<h1>shop</h1>"*"&lt;b&gt;&amp;"*"release v7"* ]]
	run -0 curl -sI "$(url /none)"
	[[ $output == *"404 Not Found"*"X-App: shop"*"X-Release: v7"* ]]
}

@test "/row: without a database, and in the program that has no such page, it says why" {
	web
	run -0 curl -s "$(url /row)"
	[[ $output == 'no row: this program was built without it' ]]
	[[ $(status_of "$(url /row)") == 503 ]]
}

@test "CLOSE_AFTER: a connection ends after so many answers, of which none says so" {
	web CLOSE_AFTER=2
	run -0 curl -sv --output /dev/null --output /dev/null --output /dev/null "$(url /)" "$(url /)" "$(url /)"
	[[ $(grep -c '^< HTTP/1.1 200' <<<"$output") -eq 3 &&
	$(grep -c '^\* Connected to' <<<"$output") -eq 2 ]]
	[[ $output != *'Connection: close'* ]]
}

@test "a header value holds no control characters" {
	web $'APP=a\r\nX-Evil: 1'
	run -0 curl -sI "$(url /)"
	[[ $output == *"X-App: a??X-Evil: 1"* ]]
}

@test "an environment variable comes back byte for byte" {
	web $'ODD= a\n"é\t '
	[[ $(curl -s "$(url /env/ODD)" | od -c) == "$(printf ' a\n"é\t ' | od -c)" ]]
	[[ $(status_of "$(url /env/NOT_SET)") == 404 ]]
}

@test "bodies come back, by length and by chunks, with and without Expect" {
	web
	head -c 300000 /dev/urandom >"$BATS_TEST_TMPDIR/body"
	local header
	for header in 'A: b' 'Transfer-Encoding: chunked' 'Expect: 100-continue' 'Expect:'; do
		curl -s -H "$header" --data-binary "@$BATS_TEST_TMPDIR/body" "$(url /echo)" |
			cmp - "$BATS_TEST_TMPDIR/body"
		run -0 curl -s -H "$header" --data-binary "@$BATS_TEST_TMPDIR/body" "$(url /sum)"
		[[ $output == "300000 $(sha1sum <"$BATS_TEST_TMPDIR/body" | cut -d' ' -f1)" ]]
	done
	[[ $(curl -s --data-binary '' \
		"$(url /sum)") == "0 da39a3ee5e6b4b0d3255bfef95601890afd80709" ]]
}

@test "streams have the length that was asked for" {
	web
	[[ $(curl -s "$(url '/stream?ms=100&n=100001')" |
		sha1sum) == "$(curl -s "$(url '/stream?ms=1&n=100001&chunked=1')" | sha1sum)" ]]
	[[ $(curl -s "$(url '/stream?ms=100&n=100001')" | wc -c) == 100001 ]]
	[[ $(curl -s --http1.0 "$(url '/stream?ms=1&n=5000&chunked=1')" | wc -c) == 5000 ]]
}

@test "no path leads out of the folder" {
	mkdir -p "$BATS_TEST_TMPDIR/public/sub"
	printf secret >"$BATS_TEST_TMPDIR/secret"
	printf inside >"$BATS_TEST_TMPDIR/public/sub/file.txt"
	ln -s ../secret "$BATS_TEST_TMPDIR/public/link"
	ln -s .. "$BATS_TEST_TMPDIR/public/up"
	port=$(free_port)
	PORT=$port "$build/apps/web" "$BATS_TEST_TMPDIR/public" >"$BATS_TEST_TMPDIR/web" 3>&- &
	servers+=("$!")
	wait_until grep -q listens "$BATS_TEST_TMPDIR/web"
	[[ $(curl -s "$(url /sub/file.txt)") == inside ]]
	local path
	for path in /../secret /%2e%2e/secret /sub/../../secret /link /up/secret //../secret \
		/..%2fsecret /sub /sub/; do
		[[ $(status_of --path-as-is "$(url "$path")") == 404 ]]
	done
}

@test "statuses, redirects, the request as received" {
	web
	[[ $(status_of "$(url /status/418)") == 418 ]]
	[[ $(status_of "$(url /status/99)") == 400 ]]
	run -0 curl -si "$(url '/redirect?to=https%3A%2F%2Fx%2Fy%0d%0az&status=307')"
	[[ $output == *" 307 "*$'Location: https://x/y??z\r'* ]]
	run -0 curl -s -H 'X-Odd:  two  ' "$(url '/headers?a=b')"
	[[ $output == *"GET /headers?a=b HTTP/1.1"*"X-Odd:  two"* ]]
}

@test "FORCE_HTTPS redirects what did not come over TLS" {
	web FORCE_HTTPS=1
	run -0 curl -si -H 'Host: shop.example' "$(url '/a?b=c')"
	[[ $output == *" 301 "*$'Location: https://shop.example/a?b=c\r'* ]]
	[[ $(status_of -H 'X-Forwarded-Proto: https' "$(url /)") == 200 ]]
}

@test "BOOT_DELAY_MS refuses, READY_DELAY_MS answers 503, then both serve" {
	port=$(free_port)
	PORT=$port BOOT_DELAY_MS=300 READY_DELAY_MS=500 "$build/apps/web" /nowhere \
		>"$BATS_TEST_TMPDIR/web" 3>&- &
	servers+=("$!")
	sleep 0.1
	run -7 curl -s "$(url /)"
	wait_until grep -q listens "$BATS_TEST_TMPDIR/web"
	[[ $(status_of "$(url /)") == 503 ]]
	sleep 0.6
	[[ $(status_of "$(url /)") == 200 ]]
}

@test "it exits by itself with its code, by /exit at once, and by SIGTERM with 0" {
	PORT=$(free_port) EXIT_AFTER_MS=100 EXIT_CODE=7 run -7 "$build/apps/web" /nowhere
	NO_LISTEN=1 EXIT_AFTER_MS=100 EXIT_CODE=8 run -8 "$build/apps/web" /nowhere
	PORT=70000 run -2 "$build/apps/web" /nowhere
	web
	run -52 curl -s "$(url '/exit?code=9')"
	local status=0
	wait "${servers[0]}" || status=$?
	[[ $status -eq 9 ]]
	web
	curl -s "$(url '/slow?ms=500')" >"$BATS_TEST_TMPDIR/slow" 3>&- &
	local asking=$!
	sleep 0.2
	kill "${servers[1]}"
	wait "$asking"
	[[ $(<"$BATS_TEST_TMPDIR/slow") == "slow but sure" ]]
	wait "${servers[1]}"
}

# ask_last - sends a request with "Connection: close", and prints what is read until the connection
# ends, for at most a second.
ask_last() {
	timeout 1 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1"
		printf "GET /status/200 HTTP/1.1\r\nConnection: close\r\n\r\n" >&3
		cat <&3' bash "$port"
}

@test "CLOSE says who closes first, or that nobody does" {
	web
	run -0 ask_last
	[[ $output == *"as you asked" ]]
	web CLOSE=last
	run -124 ask_last
	[[ $output == *"as you asked" ]]
	web CLOSE=reset
	run -1 ask_last
	[[ $output == *"Connection reset by peer" ]]
	CLOSE=never PORT=$(free_port) run -2 "$build/apps/web" /nowhere
}

@test "IGNORE_TERM ignores it" {
	web IGNORE_TERM=1
	kill "${servers[0]}"
	sleep 0.2
	[[ $(status_of "$(url /)") == 200 ]]
	kill -9 "${servers[0]}"
	wait "${servers[0]}" 2>/dev/null || :
}

@test "a worker ticks and keeps its log" {
	WORKER_LOG=$BATS_TEST_TMPDIR/log EXIT_AFTER_MS=1200 EXIT_CODE=5 run -5 "$build/apps/web" \
		worker
	[[ $output == $'worker web v1 tick 1\nworker web v1 tick 2' ]]
	run -0 cut -d' ' -f2-4 "$BATS_TEST_TMPDIR/log"
	[[ $output == $'start web v1\nexit web v1' ]]
}

@test "make-repo writes through no link that a test has left" {
	local repo="$BATS_TEST_TMPDIR/linked" outside="$BATS_TEST_TMPDIR/outside"
	printf 'mine\n' >"$outside"
	mkdir "$repo"
	ln -s "$outside" "$repo/Dockerfile"
	"$BATS_TEST_DIRNAME/make-repo" "$repo" >/dev/null
	[[ $(<"$outside") == mine && ! -L $repo/Dockerfile ]]
}

@test "make-repo makes a commit per call, and --break breaks the check" {
	local repo="$BATS_TEST_TMPDIR/my shop" make="$BATS_TEST_DIRNAME/make-repo"
	WEB_BINARY=$build/apps/web run -0 "$make" "$repo" --app shop --release v1
	printf 'worker: /web worker\n' >"$repo/Procfile"
	WEB_BINARY=$build/apps/web run -0 "$make" "$repo" --app shop --release v2 \
		--env BOOT_DELAY_MS=5
	[[ $(git -C "$repo" show HEAD:Dockerfile) == *'ENV APP="shop"'*'ENV RELEASE="v2"'*'ENV BOOT_DELAY_MS="5"'*CMD* ]]
	[[ $(git -C "$repo" show HEAD:Procfile) == 'worker: /web worker' ]]
	WEB_BINARY=$build/apps/web run -0 "$make" "$repo" --app shop --release v2
	WEB_BINARY=$build/apps/web run -0 "$make" "$repo" --app shop --release v3 --break
	[[ $(git -C "$repo" show HEAD:public/index.html) != *'My Amazing App'* ]]
	WEB_BINARY=$build/apps/web run -0 "$make" "$repo" --app shop --release v4
	[[ $(git -C "$repo" show HEAD:public/index.html) == *'My Amazing App'* ]]
	[[ $(git -C "$repo" rev-list --count HEAD) == 5 &&
	-z $(git -C "$repo" status --porcelain) ]]
	[[ $(git -C "$repo" log -1 --format='%an %s') == 'Sample Author release v4' ]]
}
