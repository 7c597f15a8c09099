#!/bin/bash
# Makes the databases if there are none, with the database, user and passwords of the environment,
# and becomes the server. Any other command is run.
set -euo pipefail
data=/var/lib/mysql

if [[ $1 != mysqld ]]; then
	exec "$@"
fi
mkdir -p "$data" /run/mysqld
chown -R mysql "$data" /run/mysqld
if [[ ! -d $data/mysql ]]; then
	mariadb-install-db --user=mysql --datadir="$data" --skip-test-db >/dev/null
	mariadbd --user=mysql --datadir="$data" --bootstrap <<-END
		FLUSH PRIVILEGES;
		ALTER USER root@localhost IDENTIFIED BY '$MYSQL_ROOT_PASSWORD';
		DROP USER IF EXISTS mysql@localhost;
		CREATE DATABASE IF NOT EXISTS \`$MYSQL_DATABASE\`;
		CREATE USER '$MYSQL_USER'@'%' IDENTIFIED BY '$MYSQL_PASSWORD';
		GRANT ALL ON \`$MYSQL_DATABASE\`.* TO '$MYSQL_USER'@'%';
	END
fi
exec mariadbd --user=mysql --datadir="$data" --bind-address=0.0.0.0 "${@:2}"
