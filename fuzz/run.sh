#!/usr/bin/env bash
# Runs every fuzz target (or those named) for an equal share of MINUTES:
#
#   fuzz/run.sh MINUTES [TARGET...]
#
# Needs a nightly toolchain and cargo-fuzz (cargo install cargo-fuzz). New inputs are kept in
# fuzz/target/found, and minimised into the corpus with:
#
#   fuzz/run.sh minimise [TARGET...]
#
# An input that fails is in fuzz/artifacts/TARGET. Once the fault is mended it belongs into
# fuzz/corpus/TARGET, which the tests replay.
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:?usage: fuzz/run.sh MINUTES|minimise [TARGET...]}
shift
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  mapfile -t targets < <(ls fuzz/fuzz_targets | sed 's/\.rs$//')
fi

# Without a sanitizer: what the targets call has no unsafe code of its own.
# The inputs are small: longer ones are slow, and find the same.
options=(-max_len=4096 -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=512 -print_final_stats=1)

log=$(mktemp)
trap 'rm -f "$log"' EXIT

for target in "${targets[@]}"; do
  cargo +nightly fuzz build --sanitizer none "$target"
  found=fuzz/target/found/$target
  mkdir -p "$found"
  program=fuzz/target/$(rustc -vV | sed -n 's/^host: //p')/release/$target
  mkdir -p "fuzz/artifacts/$target"
  if [ "$what" = minimise ]; then
    merged=$(mktemp -d)
    # What is in the corpus stays: seeds, and inputs that failed once. Added are the smallest of
    # those that reach something new, up to some dozens.
    cp "fuzz/corpus/$target"/* "$merged"
    "$program" -merge=1 "${options[@]}" -max_len=1048576 "$merged" "$found"
    room=$((60 - $(ls "fuzz/corpus/$target" | wc -l)))
    mapfile -t inputs < <(ls -Sr "$merged")
    for input in "${inputs[@]}"; do
      [ "$room" -gt 0 ] || break
      [ -e "fuzz/corpus/$target/$input" ] && continue
      cp "$merged/$input" "fuzz/corpus/$target/$input"
      room=$((room - 1))
    done
    rm -r "$merged"
    continue
  fi
  seconds=$((what * 60 / ${#targets[@]}))
  echo "=== $target: $seconds s"
  if ! "$program" "$found" "fuzz/corpus/$target" "-artifact_prefix=fuzz/artifacts/$target/" \
    "-max_total_time=$seconds" "${options[@]}" >"$log" 2>&1; then
    tail -n 60 "$log"
    echo "=== FAILED: $target, see fuzz/artifacts/$target"
    exit 1
  fi
  grep '^stat::' "$log"
done
