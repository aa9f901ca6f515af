#!/usr/bin/env bash
# How long a release build takes at two commits: cold, and after a change in src/app.
# Usage: benches/build-time.sh BEFORE AFTER [ROUNDS]
# Builds in folders of its own, in turns (BEFORE AFTER BEFORE AFTER ...), three rounds unless told otherwise, and prints the
# medians with the least and the most of each. The crates are fetched first and the builds are offline.
set -euo pipefail

[ $# -ge 2 ] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
commits=("$1" "$2")
rounds=${3:-3}
repository=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Seconds that a build in the working folder takes, appended to a file.
measure() {
    local began=${EPOCHREALTIME/[.,]/}
    cargo build --release --offline --quiet
    local ended=${EPOCHREALTIME/[.,]/}
    echo $((ended - began)) | awk '{ printf "%.1f\n", $1 / 1e6 }' >>"$1"
}

# A function that the binary holds, other in each round: in the oldest place that the commit has for `app`.
change() {
    local place
    for place in src/app/mod.rs src/app.rs src/cli/mod.rs src/main.rs; do
        [ -e "$place" ] && break
    done
    printf '\n#[doc(hidden)]\n#[must_use]\npub fn build_time_%s() -> usize {\n    std::env::args().count() + %s\n}\n' "$1" "$1" >>"$place"
}

for side in 0 1; do
    git clone --quiet "$repository" "$folder/$side"
    git -C "$folder/$side" checkout --quiet "${commits[$side]}"
    (cd "$folder/$side" && cargo fetch --quiet --locked)
done

for round in $(seq "$rounds"); do
    for side in 0 1; do
        cd "$folder/$side"
        export CARGO_TARGET_DIR="$folder/target"
        rm -rf "$CARGO_TARGET_DIR"
        measure "$folder/cold.$side"
        change "$round"
        measure "$folder/changed.$side"
        find "$CARGO_TARGET_DIR" -path '*/release/meshlab' -type f -exec stat -c %s {} + | tail -1 >"$folder/size.$side"
        git checkout --quiet .
        echo "round $round of $rounds, ${commits[$side]}: $(tail -1 "$folder/cold.$side") s cold, $(tail -1 "$folder/changed.$side") s after a change" >&2
    done
done

# Median, least and most of the numbers in a file.
summary() {
    sort -n "$1" | awk '{ x[NR] = $1 } END {
        m = NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2
        printf "%.1f %.1f %.1f\n", m, x[1], x[NR] }'
}

printf '%-16s %24s %24s %8s\n' '' "${commits[0]}" "${commits[1]}" times
for kind in cold changed; do
    read -r m0 least0 most0 < <(summary "$folder/$kind.0")
    read -r m1 least1 most1 < <(summary "$folder/$kind.1")
    printf '%-16s %24s %24s %8s\n' "$kind, s" "$m0 ($least0 to $most0)" "$m1 ($least1 to $most1)" \
        "$(awk "BEGIN { printf \"%.2f\", $m1 / $m0 }")"
done
read -r size0 <"$folder/size.0"
read -r size1 <"$folder/size.1"
printf '%-16s %24s %24s\n' 'binary, MB' "$(awk "BEGIN { printf \"%.1f\", $size0 / 1e6 }")" "$(awk "BEGIN { printf \"%.1f\", $size1 / 1e6 }")"
