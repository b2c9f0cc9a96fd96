#!/bin/sh
# Runs the built command line under the project's own Node; outside npm scripts the system's may be too old for it.
root=$(dirname -- "$(readlink -f -- "$0")")/..
node=$root/node_modules/.bin/node
# kafkajs 2.2.4 sets timers to times that are past (src/network/requestQueue), and Node 24 says so between the JSON lines of a log.
quiet=--disable-warning=TimeoutNegativeWarning
# Not with the system's, which may be too old to know the flag, and to be told so by us.
[ -x "$node" ] || { node=node; quiet=; }
if [ ! -f "$root/dist/cli/main.js" ]; then
  echo 'palisade is not built yet: run `npm run setup` in its folder first.' >&2
  exit 69
fi
exec "$node" $quiet --enable-source-maps "$root/dist/cli/main.js" "$@"
