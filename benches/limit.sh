#!/usr/bin/env bash
# Our server and our generator beside the programs that people would use instead, where
# those are installed (redis-server, redis-benchmark, nginx, wrk, sockperf): ratios of one
# interleaved session, with the least and the greatest of all repeats.
#
#   benches/limit.sh [REPEATS] [SECONDS]     5 repeats of 1 second each by default
#
# Server on core 0, client on core 1. Ratios are shown and not enforced.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --quiet --bin echo-bench --bin echo-server
exec python3 benches/limit.py target/release "${1:-5}" "${2:-1}"
