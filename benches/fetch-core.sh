#!/bin/sh
# Fetches, checks and unpacks files into the working folder, one after the other, as one would by hand.
# Usage: fetch-core.sh BASE-URL SUMS, where SUMS has a line "<sha256>  <file>" for each.
set -eu

while read -r sum file; do
    curl -sSf -O "$1/$file"
    echo "$sum  $file" | sha256sum -c >/dev/null
    case $file in
    *.zip) unzip -q "$file" -d "${file%.zip}-unpacked" ;;
    *) chmod +x "$file" ;;
    esac
done <"$2"
