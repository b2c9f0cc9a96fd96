#!/bin/sh
# Runs the built command line under the project's own Node; outside npm scripts the system's may be too old for it.
root=$(dirname -- "$(readlink -f -- "$0")")/..
node=$root/node_modules/.bin/node
[ -x "$node" ] || node=node
if [ ! -f "$root/dist/cli/main.js" ]; then
  echo 'palisade is not built yet: run `npm run setup` in its folder first.' >&2
  exit 69
fi
exec "$node" --enable-source-maps "$root/dist/cli/main.js" "$@"
