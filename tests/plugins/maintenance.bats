#!/usr/bin/env bats
# maintenance: files that the proxy looks at, an exact list of networks, and a page of plain files.

load ../helper

setup() {
	world
	made_plugins maintenance nginx proxy
	make_app web
	hook fake proxy-maintenance <<<'[[ ! -e $BATS_TEST_TMPDIR/cannot ]] || exit 0; printf "yes\n"'
	rm "$PLUGIN_PATH/nginx"
	OF="$DOKKU_LIB_ROOT/maintenance/web"
	: >"$STEPS"
}

# names NETWORK… - prints the names of the files that allow them.
names() { code "" "source \"\$PLUGIN_CORE_AVAILABLE_PATH/common/lib/kinds\"
	source \"\$PLUGIN_CORE_AVAILABLE_PATH/maintenance/functions\"
	names=(); for network in $*; do maintenance_names \"\$network\" || printf 'no '; done
	printf '%s ' \"\${names[@]}\""; }

@test "maintenance:enable and disable: one file, at once, and both may be said twice" {
	dokku maintenance:enable web
	assert_success "-----> web is in maintenance: visitors get status 503" \
		"until dokku maintenance:disable web"
	assert_file "$OF/closed" ""
	assert_mode "$OF" 755
	dokku maintenance:enable web
	assert_success "-----> web is in maintenance already: visitors get status 503" \
		"until dokku maintenance:disable web"
	dokku maintenance:disable web
	assert_success "-----> web is not in maintenance any more: visitors reach it"
	assert_absent "$OF/closed"
	dokku maintenance:disable web
	assert_success "-----> web is not in maintenance"
}

@test "maintenance:enable: only where the proxy can, once there is a release" {
	touch "$BATS_TEST_TMPDIR/cannot"
	make_release web 1
	make_current web 1
	dokku maintenance:enable web
	assert_refused "web: its proxy nginx has no maintenance mode; nothing was changed"
	assert_absent "$OF"
	hook fake proxy-maintenance <<<'exit 1'
	dokku maintenance:enable web
	assert_status 1
	assert_absent "$OF"
	rm -r "$DOKKU_LIB_ROOT/data/releases/web" "$DOKKU_LIB_ROOT/maintenance"
	dokku maintenance:enable web
	assert_status 1
	assert_error_like " !     $DOKKU_LIB_ROOT/maintenance is missing, *"
}

@test "maintenance:enable --allow: the networks that are named, and no others any more" {
	dokku maintenance:enable web --allow 10.1.2.3 --allow=192.168.0.0/16
	assert_status 0
	assert_equal "10.1.2.3 192.168" "$(ls "$OF/allow" | paste -sd ' ')"
	dokku maintenance:report web --maintenance-allow
	assert_success "10.1.2.3 192.168.0.0/16"
	dokku maintenance:enable web --allow 10.1.2.3
	assert_equal "10.1.2.3" "$(ls "$OF/allow" | paste -sd ' ')"
	dokku maintenance:enable web --allow 10.1.2.3 --allow 10.0.0.0/7
	assert_status 1
	assert_error_like '*not "10.0.0.0/7"; nothing was changed'
	assert_equal "10.1.2.3" "$(ls "$OF/allow" | paste -sd ' ')"
	dokku maintenance:enable web
	assert_equal "" "$(ls "$OF/allow")"
}

@test "networks: bytes of IPv4, four groups of IPv6, addresses as nginx writes them" {
	names 10.1.2.3 10.1.2.3/32 10.1.2.3/24 10.1.2.3/16 10.1.2.3/8 10.1.7.9/23 10.1.2.7/30
	assert_equal "10.1.2.3 10.1.2.3 10.1.2 10.1 10 10.1.6 10.1.7 10.1.2.4 10.1.2.5 10.1.2.6 10.1.2.7 " "$output"
	names 2001:DB8::1 ::1 fe80:: 1:0:0:2:0:0:0:3 1:2:3:4:5:6:0:8 2001:db8:0:1:0:0:0:0 ::
	assert_equal "2001:db8::1 ::1 fe80:: 1:0:0:2::3 1:2:3:4:5:6:0:8 2001:db8:0:1:: :: " \
		"$output"
	names 2001:db8::1/64 2001:db8:1:2:3::/64 1:2:3:7::/63
	assert_equal "2001:db8:0:0 2001:db8:1:2 1:2:3:6 1:2:3:7 " "$output"
	names 2001:db8::/56
	assert_equal 256 "$(wc -w <<<"$output")"
	names 10.0.0.0/9
	assert_equal 128 "$(wc -w <<<"$output")"
	names 10.0.0.0/7 10.0.0.0/33 10.0.0.0/ 10.0.0 256.1.1.1 1::/55 1::/65 1::2::3 1:2:3 12345:: ../x :::1 ""
	assert_equal "no no no no no no no no no no no no  " "$output"
}

@test "maintenance:custom-page: replaces the whole page; export gives it back; the sum is of its files" {
	mkdir "$WORLD/page" "$WORLD/page/img"
	printf 'back soon\n' >"$WORLD/page/maintenance.html"
	printf 'x\n' >"$WORLD/page/img/a b.png"
	chmod 600 "$WORLD/page/img/a b.png"
	got "$DOKKU" maintenance:custom-page web < <(tar -c -C "$WORLD/page" .)
	assert_success "-----> web has a custom maintenance page of 2 files"
	assert_file "$OF/page/maintenance.html" "back soon"
	assert_mode "$OF/page/" 755
	assert_mode "$OF/page/img/a b.png" 644
	local sum
	sum=$({
		printf '%s  img/a b.png\n' "$(sha256sum <"$WORLD/page/img/a b.png" | cut -c-64)"
		printf '%s  maintenance.html\n' "$(sha256sum <"$WORLD/page/maintenance.html" | cut -c-64)"
	} |
		sha256sum | cut -c-64)
	dokku maintenance:report web --format json
	assert_equal "false $sum" "$(jq -r '.enabled + " " + ."custom-page-sha256"' <<<"$output")"
	rm "$WORLD/page/img/a b.png"
	"$DOKKU" maintenance:custom-page-export web | tar -t >"$WORLD/list"
	assert_equal "./ ./img/ ./img/a b.png ./maintenance.html" "$(paste -sd ' ' "$WORLD/list")"
	got "$DOKKU" maintenance:custom-page web < <(tar -c -C "$WORLD/page" maintenance.html)
	assert_success "-----> web has a custom maintenance page of 1 files"
	assert_absent "$OF/page/img"
	assert_equal 1 "$(find "$OF" -maxdepth 1 -type d -name 'page.*' | wc -l)"
	dokku maintenance:custom-page-remove web
	assert_success "-----> web has the default maintenance page again"
	assert_equal "" "$(ls "$OF")"
	"$DOKKU" maintenance:custom-page-export web 2>"$WORLD/said" | tar -t >"$WORLD/list"
	assert_file "$WORLD/list" ""
	assert_file "$WORLD/said" " !     web has no custom maintenance page: the tar is empty"
}

@test "maintenance:custom-page: a page that takes long to come holds up no other app" {
	local pid
	make_app blog
	mkdir "$WORLD/page"
	printf 'x\n' >"$WORLD/page/maintenance.html"
	fifo page
	exec 9<>"$BATS_TEST_TMPDIR/page"
	"$DOKKU" maintenance:custom-page web <"$BATS_TEST_TMPDIR/page" \
		>/dev/null 2>&1 3>&- 9>&- &
	pid=$!
	until compgen -G "$OF/page.*" >/dev/null; do sleep 0.01; done
	got timeout 20 "$DOKKU" maintenance:custom-page blog < <(tar -c -C "$WORLD/page" .)
	assert_status 0
	tar -c -C "$WORLD/page" . >&9
	exec 9>&-
	wait "$pid"
	assert_file "$OF/page/maintenance.html" x
}

@test "maintenance:custom-page: links, devices, large files and no page are refused, and nothing changes" {
	mkdir "$WORLD/page"
	printf 'old\n' >"$WORLD/page/maintenance.html"
	"$DOKKU" maintenance:custom-page web < <(tar -c -C "$WORLD/page" .)
	is_refused() {
		got "$DOKKU" maintenance:custom-page web
		assert_status 1
		assert_error_like " !     maintenance:custom-page: $1; nothing was changed"
		assert_file "$OF/page/maintenance.html" old
		assert_equal 2 "$(ls "$OF" | wc -l)"
	}
	is_refused 'stdin holds no tar*' <<<"no tar"
	is_refused 'the tar has no maintenance.html at its top' < <(tar -c -C "$WORLD" a-file page 2>/dev/null || true)
	ln -s /etc/passwd "$WORLD/page/x.txt"
	is_refused 'x.txt in the tar is neither a file nor a folder' < <(tar -c -C "$WORLD/page" .)
	rm "$WORLD/page/x.txt"
	mkfifo "$WORLD/page/pipe"
	is_refused 'pipe in the tar is neither a file nor a folder' < <(tar -c -C "$WORLD/page" .)
	rm "$WORLD/page/pipe"
	truncate --size 17M "$WORLD/page/large"
	is_refused 'the files in the tar have more than 16 MiB' < <(tar -c -S -C "$WORLD/page" .)
	is_refused 'stdin holds no tar, or one of more than 16 MiB' < <(tar -c -C "$WORLD/page" . 2>/dev/null)
}

@test "rename takes the state along, a clone only the page, and a new app has neither" {
	mkdir -p "$OF/page.abcdef" "$OF/allow"
	printf 'page\n' >"$OF/page.abcdef/maintenance.html"
	ln -s page.abcdef "$OF/page"
	touch "$OF/closed" "$OF/networks"
	got "$PLUGIN_PATH/maintenance/post-app-rename-setup" web new
	assert_success ""
	assert_file "$OF/../new/page/maintenance.html" page
	[[ -e $OF/../new/closed ]]
	got "$PLUGIN_PATH/maintenance/post-app-clone-setup" web twin
	assert_success ""
	assert_equal "page page.abcdef" "$(ls "$OF/../twin" | paste -sd ' ')"
	got "$PLUGIN_PATH/maintenance/post-deploy" web 80 10.86.0.2 1
	assert_success "       web is in maintenance: visitors get status 503" \
		"until dokku maintenance:disable web"
	got "$PLUGIN_PATH/maintenance/post-create" new
	assert_absent "$OF/../new"
	got "$PLUGIN_PATH/maintenance/post-delete" web
	assert_absent "$OF"
	got "$PLUGIN_PATH/maintenance/post-deploy" twin 80 10.86.0.2 1
	assert_success ""
}

@test "nginx: says that it can, and renders a config of an older dokku again" {
	ln -s "$PLUGIN_CORE_AVAILABLE_PATH/nginx" "$PLUGIN_PATH/nginx"
	hook other subcommands/x </dev/null
	hook proxy2 x </dev/null
	got "$PLUGIN_PATH/nginx/proxy-maintenance" other web
	assert_success ""
	printf '\tinclude %s/etc/nginx/dokku-maintenance.conf;\n' "$TEST_HOST" \
		>"$TEST_HOST/etc/nginx/dokku/web.conf"
	got "$PLUGIN_PATH/nginx/proxy-maintenance" nginx web
	assert_success yes
	: >"$TEST_HOST/etc/nginx/dokku/web.conf"
	make_release web 1
	make_current web 1
	got "$PLUGIN_PATH/nginx/proxy-maintenance" nginx web
	assert_status 1
	[[ $stderr == *"web"* ]]
}
