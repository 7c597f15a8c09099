#!/bin/bash
# The server runs as the user redis, which gets the files of the data. Their group stays. Any other
# command is run.
set -euo pipefail
if [[ $1 != redis-server ]]; then
	exec "$@"
fi
find . ! -user redis -exec chown redis {} +
exec setpriv --reuid redis --regid redis --init-groups "$@" --protected-mode no
