#!/usr/bin/env bats
# shellcheck disable=SC2016 # code for other shells
# Backups: made, proven, found damaged, kept, too old, restored; of apps, services and the host.
# What runs after a restore is tested in tests/e2e/backup.bats.

load ../helper

setup() {
	world
	made_plugins apps backup builder config cron domains ssh-keys storage
	mkdir -p "$DOKKU_LIB_ROOT"/{data/storage,data/storage-registry/entries,backups}
	hook fake scheduler-image-save <<-'HOOK'
		cd "$TEST_HOST" && printf layer >layer && printf config >config
		printf '[{"Config":"config","Layers":["layer"]}]' >manifest.json
		tar cf "$4" manifest.json config layer
	HOOK
	hook fake scheduler-image-load <<<'grep -q layer "$4"'
	make_shop
}

# make_shop - makes an app with a repository, config, a release and storage.
make_shop() {
	make_app shop
	git init --quiet --bare "$DOKKU_ROOT/shop"
	git init --quiet "$WORLD/tree"
	git -C "$WORLD/tree" commit --quiet --allow-empty --message=one
	git -C "$WORLD/tree" push --quiet "$DOKKU_ROOT/shop" HEAD:refs/heads/main
	mkdir -p "$DOKKU_LIB_ROOT/config/shop" "$DOKKU_LIB_ROOT/config/checks/shop"
	printf "export A='1'\nexport B='two\nlines'\n" >"$DOKKU_LIB_ROOT/config/shop/ENV"
	printf '5\n' >"$DOKKU_LIB_ROOT/config/checks/shop/wait-to-retire"
	make_release shop 1
	make_current shop 1
	mkdir "$DOKKU_LIB_ROOT/data/storage/shop-data"
	printf 'row\n' >"$DOKKU_LIB_ROOT/data/storage/shop-data/rows"
	dokku storage:mount shop "$DOKKU_LIB_ROOT/data/storage/shop-data:/data"
	assert_status 0
	: >"$STEPS"
}

# make_service - makes a plugin of databases, tiny, and its service tiny:db, which is linked to
# shop. Its data is a file.
make_service() {
	local name
	mkdir -p "$PLUGIN_PATH/tiny/subcommands" "$DOKKU_LIB_ROOT/services/tiny/db"
	for name in create export import destroy link; do
		cat >"$PLUGIN_PATH/tiny/subcommands/$name" <<-'CODE'
			#!/bin/bash
			set -eu
			dir=$DOKKU_LIB_ROOT/services/tiny/$2
			printf 'tiny:%s\n' "${0##*/} ${*:2}${TINY_IMAGE_VERSION:+ $TINY_IMAGE_VERSION}" >>"$STEPS"
			case ${0##*/} in
			create) mkdir -p "$dir" && : >"$dir/LINKS" && : >"$dir/data" ;;
			export) cat "$dir/data" ;;
			import) cat >"$dir/data" ;;
			destroy) rm -r "$dir" ;;
			link)
				printf '%s\n' "$3" >>"$dir/LINKS"
				"$DOKKU" config:set "$3" TINY_URL=tiny://dokku-tiny-$2:1/new
				;;
			esac
		CODE
		chmod +x "$PLUGIN_PATH/tiny/subcommands/$name"
	done
	printf 'rows\n' >"$DOKKU_LIB_ROOT/services/tiny/db/data"
	printf 'shop\n' >"$DOKKU_LIB_ROOT/services/tiny/db/LINKS"
}

# the_backup - sets file to the only backup of shop.
the_backup() {
	local files=("$DOKKU_LIB_ROOT/backups/shop"/*.tar)
	assert_equal 1 "${#files[@]}" "backups of shop"
	file=${files[0]}
}

@test "backup:run: an app, proven and counted; files are private; nothing is left behind" {
	dokku backup:run shop
	assert_status 0
	assert_error ""
	assert_output_like "-----> Backing up shop
       Restored into a scratch place and counted: * files, 1 branches and tags, 2 variables, an image, 1 files of the storage shop-data
-----> shop: the backup 20*-* in $DOKKU_LIB_ROOT/backups is good"
	the_backup
	assert_mode "$file" 600
	assert_mode "${file%/*}" 700
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
	dokku backup:list shop
	assert_success "$(basename "$file" .tar) $(stat --format %s "$file")"
	dokku backup:verify shop
	assert_status 0
	[[ $output == *'the backup '*' is good' ]]
}

@test "backup:run: a linked service is proven in a scratch service of its image, which goes" {
	make_service
	printf '7\n' >"$DOKKU_LIB_ROOT/services/tiny/db/IMAGE_VERSION"
	dokku backup:run shop
	assert_status 0
	[[ $output == *', 5 bytes of tiny:db'* ]] || differ output "" "$output"
	assert_equal "$DOKKU_LIB_ROOT/services/tiny/db" \
		"$(echo "$DOKKU_LIB_ROOT"/services/tiny/*)"
	[[ $(<"$STEPS") == *"tiny:create backup-check-"*" 7"*"tiny:import backup-check-"*" 7"* ]]
	[[ $(<"$STEPS") == *"tiny:destroy backup-check-"* ]]
	dokku backup:run tiny:db
	assert_status 0
	[[ -f $(echo "$DOKKU_LIB_ROOT"/backups/tiny:db/*.tar) ]]
}

@test "backup:run: a service whose dump does not come back is no good backup" {
	make_service
	sed -i 's/^import).*/import) : ;;/' "$PLUGIN_PATH/tiny/subcommands/import"
	dokku backup:run tiny:db
	assert_status 1
	[[ $stderr == *"tiny:db: a scratch service that got the backup has 0 bytes, not 5"* ]]
	assert_nothing_in "$DOKKU_LIB_ROOT/backups/tiny:db"
	sed -i 's/^export).*/export) : ;;/' "$PLUGIN_PATH/tiny/subcommands/export"
	dokku backup:run tiny:db
	assert_status 1
	[[ $stderr == *"tiny:db: tiny:export printed nothing"* ]]
}

@test "backup:run: folders of the storage with a dot in the name, with a blank, and below another" {
	local name
	dokku backup:set shop images false
	for name in shop.data.v2 'two words' shop-data/below; do
		mkdir -p "$DOKKU_LIB_ROOT/data/storage/$name"
		printf 'x\n' >"$DOKKU_LIB_ROOT/data/storage/$name/file"
		dokku storage:mount shop "$DOKKU_LIB_ROOT/data/storage/$name:/${name//[! -~]/}"
		assert_status 0
	done
	dokku backup:run shop
	assert_status 0
	[[ $output == *', 1 files of the storage shop.data.v2'* ]]
	[[ $stderr == *"data/storage/two words is mounted"*"it is not in the backup"* ]]
	[[ $stderr == *"data/storage/shop-data/below is mounted"*"it is not in the backup"* ]]
	printf 'lost\n' >"$DOKKU_LIB_ROOT/data/storage/shop.data.v2/file"
	dokku backup:restore shop
	assert_status 0
	assert_file "$DOKKU_LIB_ROOT/data/storage/shop.data.v2/file" x
}

@test "backup:run: waits for a deploy, and says what keeps it" {
	fifo ready
	"$DOKKU_PROGRAMS/hold" -w 1 "$DOKKU_LIB_ROOT/lock/shop" -- bash -c \
		'printf "%s 12:00:00 git push\n" "$$" >"$1"; echo >"$2"; sleep 30' bash \
		"$DOKKU_LIB_ROOT/lock/shop" "$BATS_TEST_TMPDIR/ready" 3>&- &
	local holder=$!
	heard ready
	DOKKU_BACKUP_WAIT=8 dokku backup:run shop
	kill "$holder"
	assert_status 1
	[[ $output == *'shop is busy: git push runs since 12:00:00'*waiting* ]]
	[[ $stderr == *'shop: it could not be backed up'* ]]
	dokku backup:run shop
	assert_status 0
}

# Each is damage that a disk, a cut transfer or a mistake makes: how, and what is said of it.
@test "backup:verify, backup:restore: damage is found and named, and nothing is changed" {
	local how said id file
	dokku backup:run shop
	the_backup
	cp "$file" "$BATS_TEST_TMPDIR/good"
	# again HOW - HOW changes what files.tar has, and the MANIFEST says so.
	again() {
		local sum
		tar xf files.tar
		eval "$1"
		tar cf files.tar files
		rm -r files
		sum=$(sha256sum <files.tar)
		sed -i "s/^part files.tar [0-9a-f]*/part files.tar ${sum%% *}/" MANIFEST
	}
	while IFS='|' read -r how said; do
		cp "$BATS_TEST_TMPDIR/good" "$file"
		rm -rf "$WORLD/unpacked" && mkdir "$WORLD/unpacked"
		(cd "$WORLD/unpacked" && tar xf "$file" && eval "$how" && [[ $how == *'"$file"' ]] ||
			tar cf "$file" -- *)
		for id in verify restore; do
			dokku "backup:$id" shop
			assert_status 1
			[[ $stderr == *"$said"* ]] || differ "$how" "$said" "$stderr"
		done
		assert_file "$DOKKU_ROOT/shop/VHOST" shop.example.com
	done <<-'DAMAGE'
		dd <<<damaged of="$file" bs=1 seek=9000 conv=notrunc status=none; : "$file"|files.tar is damaged
		truncate --size=40000 "$file"; : "$file"|cannot be read or unpacked
		: >"$file"|cannot be read or unpacked
		rm image.tar|lacks image.tar
		printf x >>storage.shop-data.tar|storage.shop-data.tar is damaged
		rm MANIFEST|has no MANIFEST
		sed -i 's/^backup 1/backup 2/' MANIFEST|has the format "2"
		sed -i 's/^variables 2/variables 3/' MANIFEST|the config has 2 variables, not 3
		sed -i 's/^refs 1/refs 4/' MANIFEST|the repository has 1 branches, not 4
		sed -i 's,^refs 1,refs PATH[$(touch "$WORLD/ran")0],' MANIFEST|its MANIFEST has no number of refs
		again 'ln -s /etc files/config/link'|link in files.tar is a link
	DAMAGE
	assert_absent "$WORLD/ran"
}

@test "backup:run: a backup that is damaged on its way is not kept, and the report says why" {
	fake sha256sum <<-'SUM'
		if [[ -e $TEST_HOST/second ]]; then printf '%064d\n' 0; else /usr/bin/sha256sum; fi
		: >"$TEST_HOST/second"
	SUM
	dokku backup:run shop
	assert_status 1
	[[ $stderr == *'is damaged: it is not what was saved'* ]]
	[[ $stderr == *'shop: the backup was not good, and is removed: see above' ]]
	assert_nothing_in "$DOKKU_LIB_ROOT/backups/shop"
	dokku backup:report shop --backup-failure
	assert_success "the backup was not good, and is removed: see above"
}

@test "backup:set keep: the oldest go, after the new one is good" {
	local n
	mkdir -p "$DOKKU_LIB_ROOT/backups/shop"
	for n in 1 2 3; do
		: >"$DOKKU_LIB_ROOT/backups/shop/2026010$n-000000.tar"
	done
	dokku backup:set shop keep 2
	dokku backup:run shop
	assert_status 0
	[[ $output == *'Removed the backup 20260102-000000: 2 are kept'* ]]
	[[ $(ls "$DOKKU_LIB_ROOT/backups/shop") == 20260103-000000.tar$'\n'20* ]]
	assert_equal 2 "$(ls "$DOKKU_LIB_ROOT/backups/shop" | wc -l)"
}

@test "backup:run: one that is made after the clock was set back counts as the newest" {
	mkdir -p "$DOKKU_LIB_ROOT"/{backups,data/backup}/shop
	: >"$DOKKU_LIB_ROOT/backups/shop/20991231-235959.tar"
	printf '20991231-235959 1\n' >"$DOKKU_LIB_ROOT/data/backup/shop/good"
	dokku backup:set shop keep 1
	dokku backup:run shop
	assert_status 0
	[[ $output == *'Removed the backup 20991231-235959: 1 are kept'* ]]
	the_backup
	assert_equal 21000101-000000.tar "${file##*/}"
}

@test "backup:run: two at the same time have two names" {
	"$DOKKU" backup:run shop >"$BATS_TEST_TMPDIR/one" 2>&1 3>&- &
	"$DOKKU" backup:run shop >"$BATS_TEST_TMPDIR/two" 2>&1
	wait $!
	assert_equal 2 "$(ls "$DOKKU_LIB_ROOT/backups/shop" | wc -l)"
}

@test "backup:run: not if the disk has no room for three like the last one, and what a push needs" {
	fake df <<<'printf "Avail Inodes IFree File\n2000 1000000 1000000 /var\n"'
	dokku backup:run shop
	assert_status 0
	the_backup
	truncate --size 1G "$file"
	dokku backup:run shop
	assert_refused "shop: not enough disk space for a backup: 2000 MB are free where /var is," \
		"and 3172 MB are needed: three times the last backup, and what builder:set shop" \
		"min-free keeps for pushes"
	dokku backup:report shop --backup-failure
	[[ $output == 'not enough disk space for a backup: '* ]]
	dokku builder:set shop min-free 0
	fake df <<<'printf "Avail Inodes IFree File\n3073 1000000 1000000 /var\n"'
	dokku backup:run shop
	assert_status 0
}

@test "backup:set target: another folder; one that cannot be written is told" {
	dokku backup:set shop target "$BATS_TEST_TMPDIR/elsewhere"
	dokku backup:run shop
	assert_status 0
	[[ -f $(echo "$BATS_TEST_TMPDIR"/elsewhere/shop/*.tar) ]]
	: >"$BATS_TEST_TMPDIR/file"
	dokku backup:set shop target "$BATS_TEST_TMPDIR/file"
	dokku backup:run shop
	assert_status 1
	[[ $stderr == *'shop: the backup could not be stored: see above' ]]
}

@test "restic: no secret and no repository is among the arguments" {
	local line
	fake restic <<-'RESTIC'
		[[ $RESTIC_PASSWORD == hidden && $RESTIC_REPOSITORY == rest:https://u:hidden@host/ ]] || exit 9
		case $* in
		*' init') : >"$TEST_HOST/repository" ;;
		*) [[ -e $TEST_HOST/repository ]] || exit 10 ;;
		esac
		case $* in
		*' backup '*) cat >"$TEST_HOST/stored" ;;
		*' dump '*) cat "$TEST_HOST/stored" ;;
		*' snapshots '*) printf '[{"id":"abc","tags":["app=shop","id=20260101-000000"]}]' ;;
		esac
	RESTIC
	printf 'restic:rest:https://u:hidden@host/\n' >"$BATS_TEST_TMPDIR/target"
	dokku backup:set shop target restic:rest:https://u:hidden@host/
	dokku backup:run shop
	assert_status 1
	[[ $stderr == *'the repository has no password: '* ]]
	got "$DOKKU" backup:auth shop <<<'RESTIC_PASSWORD=hidden'
	assert_success "-----> Stored RESTIC_PASSWORD"
	assert_mode "$DOKKU_LIB_ROOT/config/backup/shop/auth" 600
	dokku backup:run shop
	assert_status 0
	dokku backup:list shop
	assert_success "20260101-000000 -"
	line=$(grep '^restic' "$CALLS")
	[[ $line == *init* && $line != *hidden* ]]
	got "$DOKKU" backup:auth shop <<<'RESTIC_PASSWORD_COMMAND=touch /tmp/x'
	assert_error ' !     RESTIC_PASSWORD_COMMAND is not taken: give RESTIC_PASSWORD itself; nothing was changed'
	got "$DOKKU" backup:auth shop <<<'PATH=/tmp'
	assert_status 1
	[[ $stderr == *'a line is not NAME=VALUE'* && $stderr != *tmp* ]]
}

@test "the watch warns of a backup that is too old, once there is a schedule or was a backup" {
	local heal=$PLUGIN_CORE_AVAILABLE_PATH/backup/heal
	got "$heal"
	assert_success
	dokku backup:schedule shop "0 3 * * *"
	assert_success "-----> shop is backed up at 0 3 * * *"
	got "$heal"
	assert_success
	printf '%s\n' $((EPOCHSECONDS - 49 * 3600)) \
		>"$DOKKU_LIB_ROOT/config/backup/shop/scheduled-at"
	got "$heal"
	assert_refused "shop: it has no good backup. dokku backup:run shop tries it now" 0
	mkdir -p "$DOKKU_LIB_ROOT/data/backup/shop"
	printf '20260101-000000 %s\n' $((EPOCHSECONDS - 3 * 3600)) \
		>"$DOKKU_LIB_ROOT/data/backup/shop/good"
	got "$heal"
	assert_success
	printf '20991231-000000 %s\n' $((EPOCHSECONDS + 86400)) \
		>"$DOKKU_LIB_ROOT/data/backup/shop/good"
	got "$heal"
	assert_refused "shop: its last good backup, 20991231-000000, was made when the server's" \
		"clock was ahead. dokku backup:run shop tries it now" 0
	printf '20260101-000000 %s\n' $((EPOCHSECONDS - 3 * 3600)) \
		>"$DOKKU_LIB_ROOT/data/backup/shop/good"
	dokku backup:set shop max-age 2
	got "$heal"
	assert_refused "shop: its last good backup, 20260101-000000, is older than 2 hours." \
		"dokku backup:run shop tries it now" 0
}

@test "backup:schedule: what is due is started once, and a bad schedule is refused" {
	dokku backup:schedule shop "61 * * * *"
	assert_status 1
	[[ $stderr == *'not a schedule: "61 * * * *"'*'nothing was changed' ]]
	dokku backup:schedule shop "* * * * *"
	"$PLUGIN_CORE_AVAILABLE_PATH/backup/each-minute" "$EPOCHSECONDS"
	timeout 60 bash -c 'until [[ -e $1 ]]; do sleep 0.1; done' bash \
		"$DOKKU_LIB_ROOT/data/backup/shop/good"
	dokku backup:schedule shop
	assert_success "-----> shop is not backed up by the clock"
}

@test "backup:restore: an app that is gone is there again, with all that it had" {
	local file before
	before=$(git -C "$DOKKU_ROOT/shop" rev-parse main)
	dokku backup:set shop images false
	dokku backup:run shop
	assert_status 0
	rm -rf "$DOKKU_ROOT/shop" "$DOKKU_LIB_ROOT"/config/{shop,*/shop} \
		"$DOKKU_LIB_ROOT"/data/{releases/shop,storage/shop-data,storage-registry/entries/*}
	dokku backup:restore shop
	assert_status 0
	[[ $output == *'the backup has no image: push the app again'*'shop is restored from the backup '* ]]
	assert_equal "$before" "$(git -C "$DOKKU_ROOT/shop" rev-parse main)"
	assert_file "$DOKKU_ROOT/shop/VHOST" shop.example.com
	assert_file "$DOKKU_LIB_ROOT/config/checks/shop/wait-to-retire" 5
	assert_file "$DOKKU_LIB_ROOT/data/storage/shop-data/rows" row
	dokku config:get shop B
	assert_success "two
lines"
	dokku storage:list shop
	[[ $output == *"shop-data:/data"* ]]
	assert_nothing_in "$DOKKU_LIB_ROOT/tmp"
}

@test "backup:restore: what fails is undone: config, repository, storage and services" {
	make_service
	dokku backup:run shop
	assert_status 0
	printf 'new.example.com\n' >"$DOKKU_ROOT/shop/VHOST"
	printf "export A='new'\n" >"$DOKKU_LIB_ROOT/config/shop/ENV"
	rm -r "$DOKKU_LIB_ROOT/config/checks/shop"
	mkdir -p "$DOKKU_LIB_ROOT/config/nginx/shop"
	printf 'new\n' >"$DOKKU_LIB_ROOT/config/nginx/shop/key"
	printf 'new\n' >"$DOKKU_LIB_ROOT/data/storage/shop-data/rows"
	printf 'newer\n' >"$DOKKU_LIB_ROOT/services/tiny/db/data"
	hook fake scheduler-image-load <<<'echo "no space" >&2; exit 1'
	dokku backup:restore shop
	assert_status 1
	[[ $stderr == *'backup:restore: shop is as it was before' ]]
	assert_file "$DOKKU_ROOT/shop/VHOST" new.example.com
	assert_file "$DOKKU_LIB_ROOT/config/shop/ENV" "export A='new'"
	assert_absent "$DOKKU_LIB_ROOT/config/checks/shop"
	assert_file "$DOKKU_LIB_ROOT/config/nginx/shop/key" new
	assert_file "$DOKKU_LIB_ROOT/data/storage/shop-data/rows" new
	assert_equal shop-data "$(ls -A "$DOKKU_LIB_ROOT/data/storage")"
	assert_file "$DOKKU_LIB_ROOT/services/tiny/db/data" newer
	assert_equal shop "$(ls -A "$DOKKU_ROOT")"
}

@test "backup:restore: a service" {
	make_service
	dokku backup:run tiny:db
	printf 'lost\n' >"$DOKKU_LIB_ROOT/services/tiny/db/data"
	dokku backup:restore tiny:db
	assert_status 0
	assert_file "$DOKKU_LIB_ROOT/services/tiny/db/data" rows
	rm -r "$DOKKU_LIB_ROOT/services/tiny/db"
	dokku backup:restore tiny:db
	assert_status 0
	assert_file "$DOKKU_LIB_ROOT/services/tiny/db/data" rows
}

@test "backup:restore: the same backup twice, each time keeping what was there before" {
	local folders
	dokku backup:set shop images false
	dokku backup:run shop
	for n in 1 2; do
		printf 'lost %s\n' "$n" >"$DOKKU_LIB_ROOT/data/storage/shop-data/rows"
		dokku backup:restore shop
		assert_status 0
		assert_file "$DOKKU_LIB_ROOT/data/storage/shop-data/rows" row
	done
	# A folder has the time of its restore in its name, and no two have the same one.
	folders=("$DOKKU_LIB_ROOT"/data/storage/shop-data-before-*)
	assert_equal 2 "${#folders[@]}" "folders"
	assert_file "${folders[0]}/rows" "lost 1"
	assert_file "${folders[1]}/rows" "lost 2"
}

@test "backup:restore: releases go on with the next number, and the older ones are said to be gone" {
	local releases=$DOKKU_LIB_ROOT/data/releases/shop
	make_release shop 2
	make_current shop 2
	dokku backup:set shop images false
	dokku backup:run shop
	rm -r "$releases" "$DOKKU_ROOT/shop"
	dokku backup:restore shop
	assert_status 0
	assert_file "$releases/last" 2
	[[ $output == *'shop had 2 releases, but a backup has only the image of the current one, so'* ]]
	printf '7\n' >"$releases/last"
	dokku backup:restore shop
	assert_file "$releases/last" 7
}

# Files that containers make, some of them by accident.
@test "a folder with hard links, odd names and sparse files: as many files saved as counted" {
	local dir=$DOKKU_LIB_ROOT/data/storage/odd
	mkdir -p "$dir/sub"
	printf x >"$dir/a"
	ln "$dir/a" "$dir/b"
	ln -s a "$dir/link"
	mkfifo "$dir/pipe"
	: >"$dir/$(printf 'x\ny')"
	truncate --size=2G "$dir/sub/sparse"
	got "$PLUGIN_CORE_AVAILABLE_PATH/backup/root/storage" <<<"count odd"
	assert_success 6
	"$PLUGIN_CORE_AVAILABLE_PATH/backup/root/storage" <<<"save odd" >"$WORLD/odd.tar"
	assert_equal 6 "$(tar --list --verbose --file "$WORLD/odd.tar" | grep -c '^[^d]')"
	[[ $(stat --format %s "$WORLD/odd.tar") -lt 100000 ]]
}

# storage_is WANTED - requires that the folders of the storage have these names and contents, one
# line each.
storage_is() {
	local file
	assert_equal "$1" "$(cd "$DOKKU_LIB_ROOT/data/storage" && for file in .[!.]*/rows */rows; do
		[[ ! -f $file ]] || printf '%s %s\n' "$file" "$(<"$file")"
	done)"
}

@test "backup:run: an app that adds or removes files while they are saved has good backups all the same" {
	local change
	export DIR="$DOKKU_LIB_ROOT/data/storage/shop-data"
	for change in 'touch "$DIR"/more.{1,2,3}|rm "$DIR"/more.*' \
		'mv "$DIR/rows" "$DIR.gone"|mv "$DIR.gone" "$DIR/rows"'; do
		fake sudo <<-CODE
			while [[ \$1 == -* ]]; do shift; done
			IFS= read -r line
			[[ \$line != save* ]] || { ${change%|*}; }
			status=0
			"\$@" <<<"\$line" || status=\$?
			[[ \$line != save* ]] || { ${change#*|}; }
			exit "\$status"
		CODE
		dokku backup:run shop
		assert_status 0
		assert_equal rows "$(ls "$DIR")"
	done
	[[ $output == *', 0 files of the storage shop-data'* ]]
}

@test "a folder of the storage is put and taken back, wherever the restore was ended" {
	local root=$PLUGIN_CORE_AVAILABLE_PATH/backup/root/storage inode kind name=shop-data
	local before=$DOKKU_LIB_ROOT/data/storage/shop-data-before-1
	mkdir "$WORLD/saved"
	printf 'saved\n' >"$WORLD/saved/rows"
	# load - sets inode.
	load() {
		inode=$({ echo "load $name" && tar --directory "$WORLD/saved" --create .; } |
			"$root")
	}
	for kind in exchange rename; do
		# In another folder the program that exchanges them is not found.
		[[ $kind == exchange ]] || { cp "$root" "$WORLD/storage" && root=$WORLD/storage; }
		load
		"$root" <<<"back $name 1 $inode"
		storage_is "shop-data/rows row"
		load
		# Ended between the two steps of put.
		mv "$DOKKU_LIB_ROOT/data/storage/.new.shop-data" "$before"
		"$root" <<<"back $name 1 $inode"
		storage_is "shop-data/rows row"
		load
		"$root" <<<"put $name 1"
		storage_is $'shop-data-before-1/rows row\nshop-data/rows saved'
		"$root" <<<"back $name 1 $inode"
		storage_is "shop-data/rows row"
		# A put that was refused has changed nothing.
		load
		mkdir "$before"
		got "$root" <<<"put $name 1"
		assert_status 1
		"$root" <<<"back $name 1 $inode"
		storage_is "shop-data/rows row"
		rmdir "$before"
		name=none
		load
		"$root" <<<"put none 1"
		"$root" <<<"back none 1 $inode"
		storage_is "shop-data/rows row"
		name=shop-data
	done
	got "$root" <<<"load $name"
	assert_status 1
	assert_absent "$DOKKU_LIB_ROOT/data/storage/.new.shop-data"
}

@test "what a restore has loaded that was killed a day ago is removed" {
	mkdir "$DOKKU_LIB_ROOT/data/storage"/.new.{old,young}
	fake find <<<'[[ $1 != */.new.old ]] || printf old'
	got "$PLUGIN_CORE_AVAILABLE_PATH/backup/heal"
	assert_status 0
	assert_absent "$DOKKU_LIB_ROOT/data/storage/.new.old"
	[[ -d $DOKKU_LIB_ROOT/data/storage/.new.young ]]
	grep -q 'find .*/.new.young -maxdepth 0 -cmin +1440' "$CALLS"
}

# A backup may come from a repository that others can write to.
@test "backup:verify: a part with the name of something else, and a file that is no part" {
	local how said file
	make_service
	dokku backup:run tiny:db
	file=$(echo "$DOKKU_LIB_ROOT"/backups/tiny:db/*.tar)
	mkdir "$WORLD/good"
	tar xf "$file" -C "$WORLD/good"
	while IFS='|' read -r how said; do
		rm -rf "$WORLD/unpacked"
		cp -r "$WORLD/good" "$WORLD/unpacked"
		(cd "$WORLD/unpacked" && eval "$how" && tar cf "$file" -- *)
		: >"$STEPS"
		dokku backup:restore tiny:db
		assert_status 1
		[[ $stderr == *"$said"* ]] || differ "$how" "$said" "$stderr"
		assert_steps "" "$how"
	done <<-'HOSTILE'
		sed -i 's,service.tiny.db,../x,' MANIFEST|"../x" is not the name of a part
		sed -i 's,^\(part .*\) [0-9]*$,\1 PATH[$(touch "$WORLD/ran")0],' MANIFEST|a line of its MANIFEST is not understood
		sed -i 's,service.tiny.db,service.apps.db,' MANIFEST|"service.apps.db" is not the name of a part
		sed -i 's,service.tiny.db,service.a:b.db,' MANIFEST|"service.a:b.db" is not the name of a part
		sed -i 's,service.tiny.db,service.tiny.../../db,' MANIFEST|is not the name of a part
		cp service.tiny.db service.tiny.other|service.tiny.other is not in its MANIFEST
		rm service.tiny.db; ln -s /etc/passwd service.tiny.db|the backup lacks service.tiny.db
		mkfifo service.tiny.pipe|service.tiny.pipe is not in its MANIFEST
		rm MANIFEST; ln -s /etc/passwd MANIFEST|has no MANIFEST
	HOSTILE
	assert_absent "$WORLD/ran"
}

# forge CODE - unpacks the only backup of shop and its files.tar, runs CODE there, and packs both
# again with a MANIFEST that fits.
forge() {
	local dir=$WORLD/forged file sum count
	the_backup
	rm -rf "$dir" && mkdir "$dir"
	(
		cd "$dir" && tar xf "$file" && tar xf files.tar && eval "$1"
		tar cf files.tar files
		count=$(find files -type f | wc -l)
		rm -r files
		sum=$(sha256sum <files.tar)
		sed -i "s/^part files.tar .*/part files.tar ${sum%% *} 1 $count $count/" MANIFEST
		tar cf "$file" -- *
	)
}

# add_part NAME - for forge: adds the part NAME, which is a copy of the first of its kind.
add_part() {
	local sum first=("${1%%.*}".*)
	cp "${first[0]}" "$1"
	sum=$(sha256sum <"$1")
	printf 'part %s %s %s 0 9\n' "$1" "${sum%% *}" "$(stat --format %s "$1")" >>MANIFEST
}

# entry_leads_to FOLDER - for forge: makes the storage entry of shop lead to FOLDER in the backup,
# and removes that entry from this server.
entry_leads_to() {
	local entries=(files/entries/*.json) text
	text=$(jq --compact-output --arg to "$1" '.host_path = $to' "${entries[0]}")
	printf '%s\n' "$text" >"${entries[0]}"
	rm "$DOKKU_LIB_ROOT/data/storage-registry/${entries[0]#files/}"
}

# other_app - makes the app other, with a folder, a service and a domain of its own.
other_app() {
	make_app other
	printf 'other.example.com\n' >"$DOKKU_ROOT/other/VHOST"
	mkdir -p "$DOKKU_LIB_ROOT/data/storage/other-data" \
		"$DOKKU_LIB_ROOT/services/tiny/theirs"
	printf 'theirs\n' >"$DOKKU_LIB_ROOT/data/storage/other-data/rows"
	dokku storage:mount other "$DOKKU_LIB_ROOT/data/storage/other-data:/data"
	printf 'theirs\n' >"$DOKKU_LIB_ROOT/services/tiny/theirs/data"
	printf 'other\n' >"$DOKKU_LIB_ROOT/services/tiny/theirs/LINKS"
}

@test "backup:restore: a folder, a service or a domain of another app is refused without --foreign" {
	local how said file storage=$DOKKU_LIB_ROOT/data/storage
	make_service
	other_app
	dokku backup:set shop images false
	dokku backup:run shop
	assert_status 0
	the_backup
	cp "$file" "$WORLD/good"
	while IFS='|' read -r how said; do
		cp "$WORLD/good" "$file"
		forge "$how"
		dokku backup:restore shop
		assert_status 1
		[[ $stderr == *"not of shop alone: $said"*"; nothing was changed. With --f"* ]] ||
			differ "$how" "$said" "$stderr"
		assert_file "$DOKKU_LIB_ROOT/data/storage/other-data/rows" theirs
		assert_file "$DOKKU_LIB_ROOT/services/tiny/theirs/data" theirs
	done <<-TAKEN
		add_part storage.other-data.tar|the folder $storage/other-data of other
		add_part storage.nobody.tar|the folder $storage/nobody, which it does not mount
		add_part service.tiny.theirs|the service tiny:theirs of other, which is not linked
		entry_leads_to '${storage%/*}'|the folder ${storage%/*} of other
		echo OTHER.example.com. >>files/app/VHOST|the domain other.example.com of other
	TAKEN
	cp "$WORLD/good" "$file"
	forge 'add_part storage.other-data.tar'
	dokku backup:restore --foreign shop
	assert_status 0
	assert_file "$DOKKU_LIB_ROOT/data/storage/other-data/rows" row
	cp "$WORLD/good" "$file"
	dokku backup:restore shop
	assert_status 0
}

@test "backup:restore: git hooks, programs in git's config and values of settings are left out" {
	local repository=$DOKKU_ROOT/shop what
	printf '7\n' >"$DOKKU_LIB_ROOT/config/checks/shop/attempts"
	dokku backup:set shop images false
	dokku backup:run shop
	forge 'printf "#!/bin/sh\ntouch \"%s\"\n" "$WORLD/ran" >files/app/hooks/post-update
		chmod +x files/app/hooks/post-update
		mkdir files/app/pushed.1
		printf "rename other\n" >files/app/made-from
		printf /tmp/other >files/app/objects/info/alternates
		git config --file files/app/config core.fsmonitor "touch $WORLD/ran"
		git config --file files/app/config core.hooksPath "$WORLD"
		git config --file files/app/config receive.denyDeletes true
		mkdir -p files/config/{backup,ps,ports,apps,resource}
		printf "5; x\n" >files/config/checks/wait-to-retire
		printf "3\n4\n" >files/config/checks/wait
		printf "LD_PRELOAD=/tmp/x\n" >files/config/backup/auth
		printf "PATH[\$(touch x)0]\n" | tee files/config/{apps/created,backup/scheduled}-at
		printf "web=1\nx[0]=2\n" >files/config/ps/scale
		printf "http:80:5000\nhttp:80:x;\n" >files/config/ports/map
		printf "1 --privileged\n" >files/config/resource/_default_.limit.cpu'
	dokku backup:restore shop
	assert_status 0
	for what in 'the git hook post-update' core.fsmonitor core.hookspath checks/wait-to-retire \
		checks/wait backup/auth backup/scheduled-at apps/created-at ps/scale ports/map \
		resource/_default_.limit.cpu; do
		[[ $stderr == *"shop: left out of the backup: $what"* ]] ||
			differ "$what" "" "$stderr"
	done
	assert_equal "pre-receive proc-receive" "$(ls "$repository/hooks" | paste -sd ' ')"
	assert_equal true "$(git --git-dir "$repository" config receive.denyDeletes)"
	assert_equal true "$(git --git-dir "$repository" config core.bare)"
	assert_equal "" "$(git --git-dir "$repository" config core.hooksPath)"
	assert_absent "$repository/made-from"
	assert_absent "$repository/pushed.1"
	assert_absent "$repository/objects/info/alternates"
	assert_equal 7 "$(ls "$DOKKU_LIB_ROOT/config/checks/shop" | paste -sd ' ' |
		sed s/attempts/7/)"
	assert_absent "$DOKKU_LIB_ROOT/config/backup/shop/auth"
	assert_absent "$WORLD/ran"
	# A backup of ours loses nothing.
	rm "$DOKKU_LIB_ROOT/backups/shop"/*
	dokku backup:run shop
	dokku backup:restore shop
	assert_status 0
	[[ $stderr != *'left out'* ]] || differ "left out" "" "$stderr"
}

@test "backup:verify: records that are no numbers, links to other apps, entries of another name" {
	local how said
	dokku backup:set shop images false
	dokku backup:run shop
	the_backup
	cp "$file" "$WORLD/good"
	while IFS='|' read -r how said; do
		cp "$WORLD/good" "$file"
		forge "$how"
		dokku backup:verify shop
		assert_status 1
		[[ $stderr == *"$said"* ]] || differ "$how" "$said" "$stderr"
	done <<-'HOSTILE'
		echo 'PATH[$(touch "$WORLD/ran")0]' >files/releases/last|its last release has no number
		echo '80; x' >files/release/port|the port of its release is none
		rm -r files/app/info; ln -s /home/dokku/other/info files/app/|info in files.tar is neither
		ln -s /etc/passwd files/config/checks/attempts|attempts in files.tar is neither a file
		cp files/entries/*.json files/entries/other.json|other.json is not a storage entry
		jq '.name="a_b"' files/entries/*.json >files/entries/a_b.json|a_b.json is not a storage
	HOSTILE
	assert_absent "$WORLD/ran"
}

@test "backup:restore: a backup of a service that has another one, too" {
	local file
	make_service
	dokku backup:run tiny:db
	file=$(echo "$DOKKU_LIB_ROOT"/backups/tiny:db/*.tar)
	mkdir "$WORLD/forged"
	(cd "$WORLD/forged" && tar xf "$file" && add_part service.tiny.more && tar cf "$file" -- *)
	dokku backup:restore tiny:db
	assert_status 1
	[[ $stderr == *'tiny:db: the backup has more than tiny:db; nothing was changed' ]]
	assert_absent "$DOKKU_LIB_ROOT/services/tiny/more"
}

@test "backup:import: global settings that cannot be, and links among them" {
	local dir=$WORLD/forged
	mkdir -p "$DOKKU_LIB_ROOT/config"/{checks,backup}/--global "$dir"
	printf '7\n' >"$DOKKU_LIB_ROOT/config/checks/--global/attempts"
	dokku backup:set shop images false
	umask 077
	"$DOKKU" backup:export >"$BATS_TEST_TMPDIR/host.tar"
	# again CODE - runs CODE in what host.tar of that file has, and imports it.
	again() {
		rm -rf "$dir" && mkdir "$dir"
		(cd "$dir" && tar xf "$BATS_TEST_TMPDIR/host.tar" && tar xf host.tar && eval "$1" &&
			tar cf host.tar host && rm -r host SUMS &&
			sums=$(find . -type f -exec sha256sum {} +) && printf '%s\n' "$sums" >SUMS &&
			tar cf "$BATS_TEST_TMPDIR/forged.tar" -- *)
		rm -rf "$DOKKU_LIB_ROOT"/config/{checks,backup}/--global
		got "$DOKKU" backup:import <"$BATS_TEST_TMPDIR/forged.tar"
	}
	again 'ln -s /etc/passwd host/config/checks/wait'
	assert_refused "wait in host.tar is neither a file nor a folder; nothing was changed"
	assert_absent "$DOKKU_LIB_ROOT/config/checks/--global"
	again 'echo x >host/config/checks/wait; echo LD_PRELOAD=/x >host/config/backup/auth'
	assert_status 0
	[[ $stderr == *'the global settings: left out of the backup: checks/wait '*backup/auth* ||
		$stderr == *'the global settings: left out of the backup: backup/auth '*checks/wait* ]]
	assert_file "$DOKKU_LIB_ROOT/config/checks/--global/attempts" 7
	assert_absent "$DOKKU_LIB_ROOT/config/checks/--global/wait"
	assert_absent "$DOKKU_LIB_ROOT/config/backup/--global/auth"
}

# A folder and a service that two apps share come back once, and are not replaced below the first.
@test "backup:import: what two apps share, and what is of an app that only this server has" {
	make_service
	make_app second
	git init --quiet --bare "$DOKKU_ROOT/second"
	dokku storage:mount second "$DOKKU_LIB_ROOT/data/storage/shop-data:/data"
	printf 'shop\nsecond\n' >"$DOKKU_LIB_ROOT/services/tiny/db/LINKS"
	rm -r "$DOKKU_LIB_ROOT/data/releases/shop"
	umask 077
	"$DOKKU" backup:export >"$BATS_TEST_TMPDIR/host.tar"
	rm -rf "${DOKKU_ROOT:?}"/* "${DOKKU_LIB_ROOT:?}"/{data/storage/shop-data,services/tiny/db} \
		"$DOKKU_LIB_ROOT"/config/{shop,second,*/shop,*/second}
	make_app native
	mkdir "$DOKKU_LIB_ROOT/data/storage/shop-data"
	printf 'native\n' >"$DOKKU_LIB_ROOT/data/storage/shop-data/rows"
	dokku storage:mount native "$DOKKU_LIB_ROOT/data/storage/shop-data:/data"
	got "$DOKKU" backup:import <"$BATS_TEST_TMPDIR/host.tar"
	assert_status 1
	[[ $stderr == *'not of second alone: '*'storage/shop-data of native'*'was changed'* ]] ||
		differ stderr "" "$stderr"
	assert_equal native "$(ls "$DOKKU_ROOT")"
	dokku storage:unmount native "$DOKKU_LIB_ROOT/data/storage/shop-data:/data"
	: >"$STEPS"
	got "$DOKKU" backup:import <"$BATS_TEST_TMPDIR/host.tar"
	assert_status 0
	[[ $output == *'storage/shop-data is here already, for second: it stays'* ]]
	[[ $output == *'tiny:db is here already: it stays'* ]]
	assert_equal 1 "$(grep -c 'tiny:import db' "$STEPS")"
	assert_file "$DOKKU_LIB_ROOT/data/storage/shop-data/rows" row
	assert_file "$DOKKU_LIB_ROOT/services/tiny/db/LINKS" $'second\nshop'
}

@test "a proof that was killed leaves a scratch service, which the watch removes" {
	make_service
	sed -i 's/^import).*/import) : >"$DOKKU_LIB_ROOT\/at"; sleep 60 ;;/' \
		"$PLUGIN_PATH/tiny/subcommands/import"
	setsid "$DOKKU" backup:run tiny:db >/dev/null 2>&1 3>&- &
	timeout 20 bash -c 'until [[ -e $1 ]]; do sleep 0.05; done' bash "$DOKKU_LIB_ROOT/at"
	# As long as it runs, it is nobody else's business.
	got "$PLUGIN_CORE_AVAILABLE_PATH/backup/heal"
	assert_success
	compgen -G "$DOKKU_LIB_ROOT/services/tiny/backup-check-*"
	kill -9 -- "-$!"
	got "$PLUGIN_CORE_AVAILABLE_PATH/backup/heal"
	assert_status 0
	[[ $stderr == *'removed the scratch service tiny:backup-check-'* ]]
	assert_equal db "$(ls "$DOKKU_LIB_ROOT/services/tiny")"
	got "$PLUGIN_CORE_AVAILABLE_PATH/backup/heal"
	assert_success
}

@test "backup:import: an app that fails does not keep the others, and is named; again brings it" {
	local app
	make_service
	make_app one two
	for app in one two; do
		git init --quiet --bare "$DOKKU_ROOT/$app"
	done
	printf 'one\n' >"$DOKKU_LIB_ROOT/services/tiny/db/LINKS"
	rm -r "$DOKKU_LIB_ROOT/data/releases/shop"
	umask 077
	"$DOKKU" backup:export >"$BATS_TEST_TMPDIR/host.tar"
	rm -rf "${DOKKU_ROOT:?}"/* "${DOKKU_LIB_ROOT:?}"/{data/storage/shop-data,services/tiny/db}
	sed -i 's/^import)/&  [[ $2 != db || -e $TEST_HOST\/well ]];/' \
		"$PLUGIN_PATH/tiny/subcommands/import"
	got "$DOKKU" backup:import <"$BATS_TEST_TMPDIR/host.tar"
	assert_status 1
	[[ $stderr == *'not restored, see above: one; the others serve. Run it again for these' ]]
	assert_equal "shop two" "$(ls "$DOKKU_ROOT" | paste -sd ' ')"
	assert_nothing_in "$DOKKU_LIB_ROOT/services/tiny"
	assert_file "$DOKKU_LIB_ROOT/data/storage/shop-data/rows" row
	: >"$TEST_HOST/well"
	got "$DOKKU" backup:import <"$BATS_TEST_TMPDIR/host.tar"
	assert_status 0
	assert_equal "one shop two" "$(ls "$DOKKU_ROOT" | paste -sd ' ')"
	assert_file "$DOKKU_LIB_ROOT/services/tiny/db/data" rows
}

@test "backup: names and IDs that there are not" {
	dokku backup:run nobody
	assert_status 1
	dokku backup:run tiny:nobody
	assert_refused "there is no service tiny:nobody; nothing was done"
	dokku backup:restore shop
	assert_refused "shop has no backup: dokku backup:list shop lists all of them;" \
		"nothing was done"
	dokku backup:verify shop ../../x
	assert_refused "shop has no backup ../../x: dokku backup:list shop lists all of them;" \
		"nothing was done"
	dokku backup:list ../x
	assert_status 1
}

@test "backup:export: a host without global settings, apps and services" {
	rm -r "$DOKKU_ROOT/shop"
	"$DOKKU" backup:export >"$BATS_TEST_TMPDIR/host.tar"
	got "$DOKKU" backup:import <"$BATS_TEST_TMPDIR/host.tar"
	assert_success "-----> Restored the server from the backup"
}

@test "backup:export, backup:import: a host" {
	make_service
	mkdir -p "$DOKKU_LIB_ROOT/config/--global" "$DOKKU_LIB_ROOT/config/domains/--global" \
		"$DOKKU_ROOT/.ssh"
	printf "export G='1'\n" >"$DOKKU_LIB_ROOT/config/--global/ENV"
	local one two
	ssh-keygen -q -t ed25519 -N '' -C '' -f "$BATS_TEST_TMPDIR/one"
	ssh-keygen -q -t ecdsa -N '' -C '' -f "$BATS_TEST_TMPDIR/two"
	read -r one <"$BATS_TEST_TMPDIR/one.pub"
	read -r two <"$BATS_TEST_TMPDIR/two.pub"
	got "$DOKKU" ssh-keys:add one <<<"$one"
	got "$DOKKU" ssh-keys:add two <<<"$two"
	assert_status 0
	# A login, and a line of the administrator.
	printf 'ssh-ed25519 AAAA evil\nfrom="10.0.0.1",command="x" ssh-ed25519 CCCC his\n' \
		>>"$DOKKU_ROOT/.ssh/authorized_keys"
	rm -r "$DOKKU_LIB_ROOT/data/releases/shop"
	dokku config:set shop TINY_URL=tiny://dokku-tiny-db:1/old
	umask 077
	"$DOKKU" backup:export >"$BATS_TEST_TMPDIR/host.tar"
	rm -rf "$DOKKU_ROOT"/{shop,.ssh} "$DOKKU_LIB_ROOT"/config/{--global,shop,*/shop} \
		"$DOKKU_LIB_ROOT"/services/tiny/db "$DOKKU_LIB_ROOT"/data/storage/shop-data
	mkdir "$DOKKU_ROOT/.ssh"
	got "$DOKKU" ssh-keys:add other <<<"$two"
	# Cut short, or damaged: nothing is changed.
	head -c 9000 "$BATS_TEST_TMPDIR/host.tar" >"$BATS_TEST_TMPDIR/cut.tar"
	got "$DOKKU" backup:import <"$BATS_TEST_TMPDIR/cut.tar"
	assert_status 1
	[[ $stderr == *'nothing was changed' ]]
	mv "$PLUGIN_PATH/tiny" "$BATS_TEST_TMPDIR/tiny"
	got "$DOKKU" backup:import <"$BATS_TEST_TMPDIR/host.tar"
	assert_status 1
	[[ $stderr == *'needs plugins that are not here: '*'tiny (-)'*'nothing was changed' ]]
	assert_absent "$DOKKU_ROOT/shop"
	mv "$BATS_TEST_TMPDIR/tiny" "$PLUGIN_PATH/tiny"
	got "$DOKKU" backup:import <"$BATS_TEST_TMPDIR/host.tar"
	assert_status 0
	assert_file "$DOKKU_LIB_ROOT/config/--global/ENV" "export G='1'"
	assert_file "$DOKKU_LIB_ROOT/config/checks/shop/wait-to-retire" 5
	assert_file "$DOKKU_LIB_ROOT/services/tiny/db/data" rows
	assert_file "$DOKKU_LIB_ROOT/services/tiny/db/LINKS" shop
	[[ $(<"$DOKKU_LIB_ROOT/config/shop/ENV") == *"TINY_URL='tiny://dokku-tiny-db:1/new'"* ]]
	[[ $(grep -c 'a line of authorized_keys was not written by dokku' <<<"$stderr") -eq 2 ]]
	assert_equal "other one" "$(grep -o 'NAME=[a-z]*' "$DOKKU_ROOT/.ssh/authorized_keys" |
		cut -d = -f 2 | paste -sd ' ')"
	assert_equal 2 "$(wc -l <"$DOKKU_ROOT/.ssh/authorized_keys")"
	got "$DOKKU" backup:import <"$BATS_TEST_TMPDIR/host.tar"
	assert_status 0
	[[ $output == *'shop is here already: passed over'* ]]
}
