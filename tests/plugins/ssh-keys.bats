#!/usr/bin/env bats
# ssh-keys: exactly one line per key, that lets it run dokku and no more.

load ../helper

setup() {
	world
	made_plugins ssh-keys
	printf '/usr/local/bin/dokku\n' >"$TEST_HOST/etc/dokku/command"
	KEYS="$DOKKU_ROOT/.ssh/authorized_keys"
	local name
	for name in ann bob; do
		ssh-keygen -q -t ed25519 -N '' -C "$name@host" -f "$WORLD/$name"
	done
}

key() { cut -d ' ' -f 1,2 "$WORLD/$1.pub"; }
fingerprint() { ssh-keygen -l -f "$WORLD/$1.pub" | cut -d ' ' -f 2; }
line() { printf 'restrict,pty,command="NAME=%s LC_ALL= /usr/local/bin/dokku" %s' "$1" "$(key "$2")"; }

@test "ssh-keys:add: one line, exactly; from stdin and from a file" {
	dokku ssh-keys:add ann <"$WORLD/ann.pub"
	assert_success "-----> ann may push: $(fingerprint ann)"
	assert_file "$KEYS" "$(line ann ann)"
	assert_mode "$KEYS" 600
	assert_mode "$DOKKU_ROOT/.ssh" 700
	dokku ssh-keys:add bob "$WORLD/bob.pub"
	assert_success "-----> bob may push: $(fingerprint bob)"
	assert_file "$KEYS" "$(line ann ann)
$(line bob bob)"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "ssh-keys:add: UTF-16, as PowerShell writes it, is refused by that name" {
	got "$DOKKU" ssh-keys:add ann < <(iconv -f UTF-8 -t UTF-16 "$WORLD/ann.pub")
	assert_refused "the key is UTF-16: save it as UTF-8; nothing was changed"
	assert_absent "$KEYS"
}

@test "ssh-keys:add: a second key of the same name, or the same key again, is refused" {
	dokku ssh-keys:add ann <"$WORLD/ann.pub"
	dokku ssh-keys:add ann <"$WORLD/bob.pub"
	assert_refused "there is a key named ann already: dokku ssh-keys:remove ann frees the" \
		"name; nothing was changed"
	dokku ssh-keys:add bob <"$WORLD/ann.pub"
	assert_refused \
		"this key may push already: dokku ssh-keys:list shows its name; nothing was changed"
	assert_file "$KEYS" "$(line ann ann)"
}

# The line that the original Dokku writes for a key.
of_dokku() {
	# shellcheck disable=SC2016 # as it is in the file
	printf 'command="FINGERPRINT=%s NAME=\\"old\\" `cat /home/dokku/.sshcommand` $SSH_ORIGINAL_COMMAND",no-pty %s' \
		"$(fingerprint "$1")" "$(key "$1")"
}

@test "ssh-keys:add: a key that has a line of somebody else's, which sshd would take first, is refused by that name" {
	local line
	mkdir -p "${KEYS%/*}"
	is_named() {
		printf '%s\n' "$1" >"$KEYS"
		dokku ssh-keys:add ann <"$WORLD/ann.pub"
		assert_status 1 && assert_error_like " !     $KEYS has this key in a line that does" \
			"not run dokku*remove that line, then add the key again; nothing was" \
			"changed. The line is: $2" && assert_file "$KEYS" "$1"
	}
	is_named "$(key ann) ann@host" 'ssh-ed25519 AAAA*'
	is_named "$(of_dokku ann)" 'command="FINGERPRINT=*'
	printf '# the old laptop: %s\n' "$(key ann)" >"$KEYS"
	dokku ssh-keys:add ann <"$WORLD/ann.pub"
	assert_status 0
	line=$(line ann ann)
	printf 'from="10.0.0.0/8",%s\n' "$line" >"$KEYS"
	dokku ssh-keys:add bob <"$WORLD/ann.pub"
	assert_refused \
		"this key may push already: dokku ssh-keys:list shows its name; nothing was changed"
}

@test "ssh-keys:add: names that are none, and what would be a second line or an option" {
	is_refused() {
		got "$DOKKU" ssh-keys:add "$1" <"$WORLD/ann.pub"
		assert_status 2 && assert_output "" &&
			assert_error_like ' !     ssh-keys:add: not a name: "*": letters,' \
				'digits and @._+- only' && assert_absent "$KEYS"
	}
	each is_refused <<-'NAMES'

		a b
		a"b
		a\nb
		a\n
		a/b
		$(id)
		a,b
		é
		aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggg
	NAMES
	got "$DOKKU" ssh-keys:add ann@host.example+x-y_z <"$WORLD/ann.pub"
	assert_status 0
}

@test "ssh-keys:add: what is no public key, has options, is private, or is more than one" {
	no_key() {
		got "$DOKKU" ssh-keys:add ann <<<"$1"
		assert_status 1 && assert_output "" &&
			assert_error_like ' !     *; nothing was changed*' &&
			assert_absent "$KEYS" && assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
	}
	no_key ""
	no_key "not a key"
	no_key "ssh-ed25519 AAAA"
	no_key "$(<"$WORLD/ann")"
	no_key "command=\"sh\" $(key ann)"
	no_key "$(key ann)
$(key bob)"
	dokku ssh-keys:add ann "$WORLD/none.pub"
	assert_status 1
	assert_absent "$KEYS"
}

@test "ssh-keys:list and :remove, by name and by fingerprint" {
	dokku ssh-keys:list
	assert_success ""
	dokku ssh-keys:add ann <"$WORLD/ann.pub"
	dokku ssh-keys:add bob <"$WORLD/bob.pub"
	dokku ssh-keys:list
	assert_success "$(fingerprint ann) NAME=\"ann\"
$(fingerprint bob) NAME=\"bob\""
	dokku ssh-keys:list --format json
	assert_success \
		"[{\"name\":\"ann\",\"fingerprint\":\"$(fingerprint \
			ann)\"},{\"name\":\"bob\",\"fingerprint\":\"$(fingerprint bob)\"}]"
	dokku ssh-keys:list bob
	assert_success "$(fingerprint bob) NAME=\"bob\""
	dokku ssh-keys:list --format json bob
	assert_success "[{\"name\":\"bob\",\"fingerprint\":\"$(fingerprint bob)\"}]"
	dokku ssh-keys:list b.b
	assert_refused 'no key is named "b.b": dokku ssh-keys:list shows all of them'
	dokku ssh-keys:remove --fingerprint "$(fingerprint bob)"
	assert_success "-----> bob may not push any more"
	assert_file "$KEYS" "$(line ann ann)"
	dokku ssh-keys:remove bob
	assert_status 0
	assert_output ""
	assert_error \
		" !     no key is named bob, so nothing was changed: dokku ssh-keys:list shows them"
	assert_file "$KEYS" "$(line ann ann)"
	dokku ssh-keys:remove --fingerprint SHA256:x
	assert_refused 'no key has the fingerprint "SHA256:x": dokku ssh-keys:list shows them'
	dokku ssh-keys:remove ann
	assert_success "-----> ann may not push any more"
	assert_file "$KEYS" ""
	assert_mode "$KEYS" 600
}

@test "ssh-keys:remove: a dot in a name is a dot" {
	dokku ssh-keys:add axb <"$WORLD/ann.pub"
	dokku ssh-keys:remove a.b
	assert_error \
		" !     no key is named a.b, so nothing was changed: dokku ssh-keys:list shows them"
	assert_file "$KEYS" "$(line axb ann)"
}

@test "ssh-keys: lines of somebody else's in the file stay as they are" {
	mkdir -p "${KEYS%/*}"
	printf '# mine\nssh-ed25519 AAAA other\n' >"$KEYS"
	dokku ssh-keys:add ann <"$WORLD/ann.pub"
	dokku ssh-keys:remove ann
	assert_file "$KEYS" "# mine
ssh-ed25519 AAAA other"
}

@test "ssh-keys: no program that fails, and nobody who is at it at the same time, costs a key" {
	local name pids=() keys before
	dokku ssh-keys:add ann <"$WORLD/ann.pub"
	dokku ssh-keys:add bob <"$WORLD/bob.pub"
	before=$(<"$KEYS")
	for name in grep sed cat awk; do
		fake "$name" <<<'exit 1'
		dokku ssh-keys:remove bob
		rm "$BIN/$name"
		assert_equal "$(line ann ann)" "$(head -n 1 "$KEYS")"
		fake "$name" <<<'exit 1'
		dokku ssh-keys:add bob <"$WORLD/bob.pub"
		rm "$BIN/$name"
		assert_equal "$(line ann ann)" "$(head -n 1 "$KEYS")"
		printf '%s\n' "$before" >"$KEYS"
	done
	keys=$(wc -l <"$KEYS")
	for name in c d e f; do
		ssh-keygen -q -t ed25519 -N "" -C "$name" -f "$WORLD/$name"
		"$DOKKU" ssh-keys:add "$name" "$WORLD/$name.pub" >/dev/null 3>&- &
		pids+=("$!")
	done
	wait "${pids[@]}"
	assert_equal $((keys + 4)) "$(wc -l <"$KEYS")"
}

@test "ssh-keys:add: lines that end in CR LF, with a comment and without" {
	printf '%s\r\n' "$(key ann)" >"$WORLD/crlf.pub"
	dokku ssh-keys:add ann "$WORLD/crlf.pub"
	assert_success "-----> ann may push: $(fingerprint ann)"
	printf '# by PuTTY\r\n\r\n%s bob@host\r\n' "$(key bob)" >"$WORLD/crlf.pub"
	dokku ssh-keys:add bob <"$WORLD/crlf.pub"
	assert_success "-----> bob may push: $(fingerprint bob)"
	assert_file "$KEYS" "$(line ann ann)
$(line bob bob)"
	# A carriage return within the data is not an end of a line.
	printf '%s\rx\n' "$(key ann)" | got "$DOKKU" ssh-keys:add cam
	assert_equal "$(line ann ann)
$(line bob bob)" "$(<"$KEYS")"
}

@test "ssh-keys: a comment that is not UTF-8, and a byte order mark" {
	printf '%s jos\xe9\n' "$(key ann)" >"$WORLD/latin.pub"
	dokku ssh-keys:add ann "$WORLD/latin.pub"
	assert_success "-----> ann may push: $(fingerprint ann)"
	# A line of somebody else's that ends in such a byte, before one of ours.
	printf 'restrict %s jos\xe9\n%s\n' "$(key bob)" "$(line ann ann)" >"$KEYS"
	dokku ssh-keys:list
	assert_success "$(fingerprint ann) NAME=\"ann\""
	dokku ssh-keys:remove ann
	assert_status 0
	assert_equal "$(printf 'restrict %s jos\xe9' "$(key bob)")" "$(<"$KEYS")"
	printf '\xef\xbb\xbf%s bob@host\n' "$(key bob)" >"$WORLD/bom.pub"
	: >"$KEYS"
	dokku ssh-keys:add bob "$WORLD/bom.pub"
	assert_success "-----> bob may push: $(fingerprint bob)"
	assert_file "$KEYS" "$(line bob bob)"
}

@test "ssh-keys:add: a key as PuTTY saves it is refused with the command that converts it" {
	ssh-keygen -e -f "$WORLD/ann.pub" >"$WORLD/putty.pub"
	dokku ssh-keys:add ann "$WORLD/putty.pub"
	assert_refused "this key is in the format of PuTTY or SSH2; nothing was changed." \
		"Convert it: ssh-keygen -i -f FILE"
}

@test "ssh-keys:add: a folder or a file that cannot be read is refused, and a way is named" {
	dokku ssh-keys:add ann "$WORLD/none.pub"
	assert_refused \
		"ssh-keys:add: this server has no file $WORLD/none.pub; nothing was changed. If it" \
		"is on another machine, give the key on stdin: dokku ssh-keys:add NAME <FILE"
	dokku ssh-keys:add ann "$WORLD"
	assert_refused "ssh-keys:add: the key cannot be read; nothing was changed"
	assert_absent "$KEYS"
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

# installed - runs the install hook for an admin whose authorized_keys is stdin. KEPT=1 keeps
# dokku's.
installed() {
	mkdir -p "$WORLD/admin/.ssh"
	cat >"$WORLD/admin/.ssh/authorized_keys"
	fake getent <<<"printf 'ann:x:1:1::%s:%s\n' '$WORLD/admin' '${LOGIN_SHELL-/bin/sh}'"
	fake setpriv <<<'while [[ $1 == --* ]]; do [[ $1 == --init-groups ]] || shift; shift; done
		exec "$@"'
	fake chown <<<'printf "chown %s\n" "$*" >>"$BATS_TEST_TMPDIR/chowned"'
	fake id <<<'echo dokku adm docker'
	[[ -n ${SSH-} ]] || fake ssh <<<''
	[[ -n ${SSHD-} ]] || fake sshd <<<'cat "$BATS_TEST_TMPDIR/sshd" 2>/dev/null || true'
	[[ -n ${KEPT-} ]] || rm -f "$KEYS"
	SUDO_USER=ann got "$PLUGIN_CORE_AVAILABLE_PATH/ssh-keys/install"
	assert_status 0
}

@test "install: the first key is one whose line begins with a key type, and a usable one" {
	installed <<-KEYS
		# old laptop: $(key bob) bob@host
		command="/usr/bin/rrsync /srv" $(key bob)
		from="10.0.0.0/8" $(key bob)
		restrict $(key bob)
		cert-authority $(key bob)
		ssh-ed25519 AAAA cut
		$(key ann) ann@host
	KEYS
	assert_file "$KEYS" "$(line admin ann)"
	installed <<-KEYS
		restrict,command="x" $(key bob)
		# $(key bob)
	KEYS
	assert_absent "$KEYS"
	assert_output '       no public key was found to let you push. Add yours with:' \
		'sudo dokku ssh-keys:add admin FILE.pub'
	# CR LF, blanks before it, no newline at the end.
	installed < <(printf '\t%s\r' "$(key ann)")
	assert_file "$KEYS" "$(line admin ann)"
}

@test "install: a comment that is not UTF-8 does not hide the next key" {
	installed < <(printf 'restrict %s jos\xe9\n%s jos\xe9\n' "$(key bob)" "$(key ann)")
	assert_file "$KEYS" "$(line admin ann)"
}

@test "install: a file that sshd would not read is mended, and one of comments lets nobody push" {
	installed <<<"$(key ann)"
	assert_error ""
	reinstall() {
		SUDO_USER=ann got "$PLUGIN_CORE_AVAILABLE_PATH/ssh-keys/install"
		assert_status 0
	}
	chmod 664 "$KEYS"
	reinstall
	assert_error ""
	assert_equal 644 "$(stat --format %a "$KEYS")"
	printf '# none yet\n' >"$KEYS"
	reinstall
	assert_file "$KEYS" "# none yet
$(line admin ann)"
}

@test "install: keys that were there before and do not run dokku let nobody push: the administrator's is added" {
	mkdir -p "${KEYS%/*}"
	printf '%s\n' "$(of_dokku bob)" >"$KEYS"
	KEPT=1 installed <<<"$(key ann)"
	assert_file "$KEYS" "$(of_dokku bob)
$(line admin ann)"
	printf '%s\n' "$(of_dokku ann)" >"$KEYS"
	KEPT=1 installed <<<"$(key ann)"
	assert_file "$KEYS" "$(of_dokku ann)"
	assert_error_like '*has this key in a line that does not run dokku*' \
		'*Your public key could not be added, see above*'
	printf 'from="10.0.0.0/8",%s\n' "$(line bob bob)" >"$KEYS"
	KEPT=1 installed <<<"$(key ann)"
	assert_file "$KEYS" "from=\"10.0.0.0/8\",$(line bob bob)"
}

@test "install: a user dokku that may have few processes is told, with what gives it more" {
	limits() {
		fake ssh <<<"echo $1"
		SSH=own KEPT=1 installed <<<"$(key ann)"
	}
	limits unlimited
	assert_error ""
	limits 4096
	assert_error ""
	limits 100
	assert_error_like " !     The user dokku may have 100 processes at a time,*:" \
		"dokku - nproc 4096"
	fake ssh <<<'echo "do_exec_no_pty: fork: Resource temporarily unavailable"; exit 255'
	SSH=own KEPT=1 installed <<<"$(key ann)"
	assert_error_like " !     The user dokku may have too few processes at a time,*"
}

@test "install: the first key is that of who ran doas, too" {
	installed <<<"$(key ann)"
	rm "$KEYS"
	fake getent <<<"[[ \$2 != ann ]] || printf 'ann:x:1:1::%s:/bin/sh\n' '$WORLD/admin'"
	SUDO_USER="" DOAS_USER=ann got "$PLUGIN_CORE_AVAILABLE_PATH/ssh-keys/install"
	assert_status 0
	grep --quiet "$(key ann)" "$KEYS"
}

@test "install: a file of keys that only root reads becomes dokku's" {
	installed <<<"$(key ann)"
	rm -f "$BATS_TEST_TMPDIR/chowned"
	fake stat <<<'echo root'
	SUDO_USER=ann got "$PLUGIN_CORE_AVAILABLE_PATH/ssh-keys/install"
	assert_status 0
	run ! grep --quiet authorized_keys "$BATS_TEST_TMPDIR/chowned"
	fake setpriv <<<'[[ " $* " != *" test -r "* ]] || exit 1
		while [[ $1 == --* ]]; do [[ $1 == --init-groups ]] || shift; shift; done; exec "$@"'
	SUDO_USER=ann got "$PLUGIN_CORE_AVAILABLE_PATH/ssh-keys/install"
	assert_status 0
	grep --quiet "^chown --no-dereference dokku:dokku $KEYS\$" "$BATS_TEST_TMPDIR/chowned"
}

@test "install: a login that sshd refuses for a reason outside its config is said" {
	local text
	fake ssh <<-'BODY'
		[[ " $* " == *"sshd -i -e"*"echo ssh-ed25519 AAAA"*" dokku@localhost prlimit "* ]] ||
			exit 0
		cat "$BATS_TEST_TMPDIR/said" >&2
		exit 255
	BODY
	text='Access denied for user dokku by PAM account configuration'
	printf 'Could not load host key\n%s [preauth]\r\n' "$text" >"$BATS_TEST_TMPDIR/said"
	SSH=own installed <<<"$(key ann)"
	assert_error_like " !     sshd refused a login of the user dokku * tried,*: $text. Let dokku in*"
	assert_file "$KEYS" "$(line admin ann)"
	# What says nothing of dokku is no reason.
	printf 'Missing privilege separation directory: /run/sshd\n' >"$BATS_TEST_TMPDIR/said"
	SSH=own installed <<<"$(key ann)"
	assert_error ""
}

@test "install: a config that sshd does not take is said" {
	fake sshd <<<'echo "/etc/ssh/sshd_config line 3: no such word" >&2
		echo "terminating, 1 bad configuration option" >&2; exit 255'
	SSHD=own installed <<<"$(key ann)"
	assert_error " !     sshd does not tell whether it lets dokku in," \
		"so pushes may be refused: terminating, 1 bad configuration option." \
		"Correct its config, then run make install again."
}

# sshd_says - makes sshd -T print its usual lines and then stdin, and runs the install hook.
sshd_says() {
	{
		printf 'port 22\npubkeyauthentication yes\nforcecommand none\nauthenticationmethods any\n'
		cat
	} >"$BATS_TEST_TMPDIR/sshd"
	installed <<<"$(key ann)"
}

@test "install: what of sshd's config keeps pushes out is said, line by line" {
	local line word advice="Change that for the user dokku, whose keys are in $KEYS, then reload sshd. To see the effective config: sshd -T -C user=dokku,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22"
	while read -r line; do
		word=${line%% *}
		sshd_says <<<"${word,,} ${line#* }"
		assert_error " !     sshd lets nobody push, because its config has: $line. $advice"
	done <<-'LINES'
		AllowUsers admin root@10.0.0.1
		DenyUsers dok*
		AllowGroups ssh-users
		DenyGroups sudo docker
		AuthorizedKeysFile /etc/ssh/keys/%u .ssh/other
		ChrootDirectory /srv/sftp
		RefuseConnection yes
		MaxSessions 0
	LINES
	printf 'port 22\npubkeyauthentication no\nforcecommand /bin/menu\nauthenticationmethods publickey,password\n' >"$BATS_TEST_TMPDIR/sshd"
	installed <<<"$(key ann)"
	assert_error " !     sshd lets nobody push, because its config has:" \
		"PubkeyAuthentication no, ForceCommand /bin/menu," \
		"AuthenticationMethods publickey,password. $advice"
}

@test "install: a login that prints something, or ends, before our command is said" {
	local LOGIN_SHELL=$BATS_TEST_TMPDIR/shell
	printf '#!/bin/sh\n[ -z "$SSH_CLIENT" ] || echo Welcome\nexec /bin/sh "$@"\n' >"$LOGIN_SHELL"
	chmod +x "$LOGIN_SHELL"
	installed <<<"$(key ann)"
	assert_status 0
	assert_error_like " !     A login of the user dokku does not only run dokku's command, so each push" \
		"fails: its output is \"Welcome*reached\". Let /etc/bash.bashrc,*"
	printf '#!/bin/sh\nexit 0\n' >"$LOGIN_SHELL"
	installed <<<"$(key ann)"
	assert_error_like '*its output is "". Let*'
	printf '#!/bin/sh\necho Welcome >&2\nexec /bin/sh "$@"\n' >"$LOGIN_SHELL"
	installed <<<"$(key ann)"
	assert_error ""
}

@test "install: a config of sshd that lets dokku in is nothing to talk about, but for another port" {
	sshd_says <<-'LINES'
		chrootdirectory none
		refuseconnection no
		allowusers admin
		allowusers d?kku@10.0.0.0/8
		denyusers bob
		allowgroups docker
		denygroups sudo
		authorizedkeysfile /etc/ssh/keys/%u %h/.ssh/authorized_keys
		authenticationmethods publickey,password publickey
	LINES
	assert_error ""
	[[ $output != *port* ]]
	printf 'port 2222\nport 22\n' >"$BATS_TEST_TMPDIR/sshd"
	installed <<<"$(key ann)"
	assert_error ""
	assert_output "       sshd listens on port 2222 here: git remote add dokku ssh://dokku@HOST:2222/APP
$(grep -v 'sshd listens' <<<"$output")"
}
