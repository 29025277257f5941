#!/usr/bin/env bash
# Load and faults on every model for some time (30 minutes by default), after which each server
# must be as before: descriptors, threads, memory, open connections. Prints a table; exits with
# 1 if one is not, with 2 for wrong usage. Not part of tests/run.sh, because of its length.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: tests/soak.sh [--release] [MINUTES [MODEL...]]

  MINUTES    for all models together, one after another [default: 30]
  MODEL      only these concurrency models [default: all]
  --release  release build, without debug assertions

Examples:
  tests/soak.sh                     all models, five minutes each
  tests/soak.sh 4 epoll uring       two models, two minutes each
  tests/soak.sh --release 480       over night
TEXT
}

profile=()
minutes=30
models=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage && exit 0 ;;
    --release) profile=(--release) ;;
    -*) usage >&2 && exit 2 ;;
    *[!0-9.]*) models+=("$1") ;;
    *) minutes=$1 ;;
  esac
  shift
done

cd "$(dirname "$0")/.."
export ECHO_SOAK_MINUTES=$minutes ECHO_SOAK_MODELS=${models[*]-}
cargo build --quiet "${profile[@]}" --bins
# cargo test exits with 101 where a test fails.
cargo test --quiet "${profile[@]}" --package echo-suite --test scenarios soak:: -- --ignored --nocapture || exit 1
