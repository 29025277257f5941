#!/usr/bin/env bash
# How exactly echo-bench keeps an open-loop schedule on this machine, for each way of waiting,
# beside the bounds that it is meant to keep on an idle one. Bounds are shown and not
# enforced: a busy machine misses them without any fault of the program. Always exits 0.
set -uo pipefail
cd "$(dirname "$0")/.."

duration=${1:-10s}

cargo build --release --quiet --bin echo-bench || exit 0
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

# Rate and lateness from a report in JSON.
figures() {
  python3 - "$1" <<'PYTHON'
import json, sys
summary = json.load(open(sys.argv[1]))["summary"]
late = summary["send_lateness"]
ratio = summary["achieved_per_s"] / summary["offered_per_s"]
micro = ["%10.1f" % (late[name] / 1e3) for name in ("p50_ns", "p90_ns", "p99_ns")]
print("%10.4f" % ratio, *micro)
PYTHON
}

bounds() {
  case $1 in
    sleep) echo "p50 < 60 us, p99 < 300 us" ;;
    hybrid) echo "p50 < 2 us, p90 < 20 us" ;;
    spin) echo "p99 < 20 us, on a core of its own" ;;
  esac
}

printf '%5s %7s %-7s %10s %10s %10s %10s  %s\n' \
  conns rate idle ach/off "p50 us" "p90 us" "p99 us" "bounds (ach/off within 0.001 of 1)"
for load in "1 1k" "50 20k"; do
  read -r conns rate <<<"$load"
  for idle in sleep hybrid spin; do
    report=$results/$conns-$idle.json
    ./target/release/echo-bench --conns "$conns" --threads 1 --rate "$rate" --idle "$idle" \
      --model epoll --duration "$duration" --warmup 1s --quiet --no-report --output "$report" \
      >/dev/null
    # Exit 1 only means that some request failed; without a report there is nothing to show.
    if [ -s "$report" ]; then
      printf '%5s %7s %-7s %s  %s\n' "$conns" "$rate" "$idle" "$(figures "$report")" "$(bounds "$idle")"
    else
      printf '%5s %7s %-7s no report\n' "$conns" "$rate" "$idle"
    fi
  done
done
exit 0
