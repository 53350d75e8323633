#!/bin/sh
# Debian's chromium for the browser tests: installed when root and missing, else one line says what is left out.
command -v chromium >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null && exit 0
fi
echo "tests/browser is left out: no chromium here; get it with: sudo apt-get install chromium"
