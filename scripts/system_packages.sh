#!/bin/sh
# What the browser and the postgres tier need from the system: installed when CI=true, named otherwise.
set -eu
missing=""
command -v chromium >/dev/null 2>&1 || missing="chromium"
command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
[ -n "$missing" ] || exit 0
if [ "${CI:-}" = true ]; then
    apt-get -qq update
    # shellcheck disable=SC2086  # a list of packages
    apt-get -qq -y install $missing >/dev/null
else
    echo "The tests that need them will be skipped. To have them: sudo apt-get install $missing" >&2
fi
