#!/bin/bash
# Makes the database cluster if there is none, and becomes the server. Any other command is run.
set -euo pipefail
data=/var/lib/postgresql/data

as_postgres() { setpriv --reuid postgres --regid postgres --init-groups "$@"; }

if [[ $1 != postgres ]]; then
	exec "$@"
fi
mkdir -p "$data" /var/run/postgresql
chown -R postgres "$data" /var/run/postgresql
chmod 700 "$data"
if [[ ! -s $data/PG_VERSION ]]; then
	printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/password
	chown postgres /tmp/password
	as_postgres initdb --pgdata "$data" --encoding UTF8 --locale C.UTF-8 --auth-local trust \
		--auth-host trust --pwfile /tmp/password
	rm /tmp/password
	printf 'host all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" \
		>>"$data/pg_hba.conf"
	printf "listen_addresses = '*'\n" >>"$data/postgresql.conf"
fi
exec setpriv --reuid postgres --regid postgres --init-groups postgres -D "$data" "${@:2}"
