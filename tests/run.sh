#!/usr/bin/env bash
# The one test command: format, lints, tests, documentation, dependencies, features.
# Stops at the first step that fails. Closes with the tests that were skipped, by name.
set -euo pipefail
cd "$(dirname "$0")/.."

export CI=true           # insta and proptest: no interaction
export INSTA_UPDATE=no   # a snapshot that differs is a failure, never a new file
# Most tests wait more than they compute.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(($(nproc) + 1))}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Third-party programs that some tests drive the server with. A test whose program is
# missing reports itself as skipped, so this never fails.
install_missing_programs() {
  local missing=() program
  nc -h 2>&1 | grep -q OpenBSD || missing+=(netcat-openbsd)
  command -v redis-cli >/dev/null || missing+=(redis-tools)
  command -v nginx >/dev/null || missing+=(nginx-light)
  command -v ip >/dev/null || missing+=(iproute2)
  # The server's programs are not in the PATH.
  compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
  command -v psql >/dev/null || missing+=(postgresql-client)
  command -v promtool >/dev/null || missing+=(prometheus)
  command -v xmllint >/dev/null || missing+=(libxml2-utils)
  command -v man >/dev/null || missing+=(man-db)
  command -v pdftotext >/dev/null || missing+=(poppler-utils)
  for program in python3 git tcpdump socat openssl redis-server nats-server wrk curl jq chromium expect strace \
    faketime tmux mandoc zsh fish; do
    command -v "$program" >/dev/null || missing+=("$program")
  done
  if [ "${#missing[@]}" -eq 0 ]; then
    return
  fi
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "not installed: ${missing[*]} (remedy: sudo apt-get install ${missing[*]})"
    return
  fi
  # No service is to be started: the tests start their own, on ports of their own.
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
  { apt-get update -q && apt-get install -q -y --no-install-recommends "${missing[@]}"; } </dev/null ||
    echo "could not install: ${missing[*]}"
}

check_lock_file() {
  cargo metadata --locked --format-version 1 >/dev/null
}

# Licences, sources, bans and advisories, by deny.toml. Without cargo-deny, what the lock file
# alone tells: sources, and the banned crates.
check_dependencies() {
  refuse_foreign_sources && refuse_banned_dependencies || return 1
  if ! command -v cargo-deny >/dev/null; then
    echo "skipped: licences and advisories, no cargo-deny (remedy: cargo install --locked cargo-deny)"
    return
  fi
  cargo deny --locked check licenses bans sources || return 1
  if cargo deny fetch db >/dev/null 2>&1; then
    cargo deny --locked --offline check advisories
  else
    echo "skipped: advisories, their database can't be fetched"
  fi
}

refuse_foreign_sources() {
  if grep '^source = ' Cargo.lock |
    grep -vF 'source = "registry+https://github.com/rust-lang/crates.io-index"'; then
    echo "the sources above are not crates.io (see deny.toml)"
    return 1
  fi
}

# ring is the one TLS provider; the others bring a C toolchain or a system library.
refuse_banned_dependencies() {
  local tree
  tree=$(cargo tree --workspace --all-features --prefix none) || return 1
  if grep -E '^(openssl|openssl-sys|native-tls|aws-lc-rs|aws-lc-sys|aws-lc-fips-sys) ' <<<"$tree"; then
    echo "the crates above are banned (see deny.toml)"
    return 1
  fi
}

run_tests() {
  cargo test --workspace 2>&1 | tee "$log"
}

build_documentation() {
  RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
}

# Who takes the library of the client does not get its prompt.
check_library_of_client() {
  local tree
  tree=$(cargo tree -p echo-bench -e normal --prefix none) || return 1
  if grep '^rustyline ' <<<"$tree"; then
    echo "echo-bench depends on the client's prompt (see the feature cli of echo-client)"
    return 1
  fi
  cargo check -p echo-client --lib --no-default-features
}

# The concurrency model that only a feature builds: its tests, and that the generator has it.
# Its tests take a build of their own: CONTRIBUTING.md has the command.
check_model_compio() {
  cargo check -p echo-bench -p echo-server --features echo-bench/compio,echo-server/compio
}

step() {
  local name=$1 started=$SECONDS
  shift
  echo "=== $name"
  if ! "$@"; then
    echo "=== FAILED: $name"
    exit 1
  fi
  echo "=== $name: ok, $((SECONDS - started)) s"
}

step "programs" install_missing_programs
step "lock file" check_lock_file
step "format" cargo fmt --all --check
step "lints" cargo clippy --workspace --all-targets -- -D warnings
step "tests" run_tests
step "documentation" build_documentation
step "dependencies" check_dependencies
step "library of the client" check_library_of_client
step "model compio" check_model_compio

echo "=== all passed, $SECONDS s"
skipped=$(grep -ao 'skipped: .*' "$log" | sort -u || true)
if [ -z "$skipped" ]; then
  echo "=== skipped tests: none"
else
  echo "=== skipped tests: $(wc -l <<<"$skipped")"
  echo "$skipped"
fi
