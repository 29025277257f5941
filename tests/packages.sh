#!/usr/bin/env bash
# Installs, uses and removes what dist/build.sh has built, each in a root folder of its own with a
# network of its own. Not part of tests/run.sh, because it needs release builds: see --help.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: tests/packages.sh [--keep] [CHECK...]

Checks of what `dist/build.sh all` has left in target/dist:
  digests    SHA256SUMS is right
  policy     lintian finds no error in the Debian package
  debian     in a clean Debian 12: installed, run, read about, completed, removed without a trace
  static     the static programs run in an empty root folder
  container  the steps of dist/Dockerfile, without an engine

Without a name, all. --keep leaves the root folders in target/packages for a look.

Needs root, debootstrap and lintian (apt-get install debootstrap lintian); a check whose program
is missing is skipped by name. The first run fetches a Debian into target/packages.
TEXT
}

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Retries a command until it succeeds, for ten seconds.
wait_for() {
  local deadline=$((SECONDS + 10))
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || fail "waited ten seconds in vain for: $*"
    sleep 0.05
  done
}

# That the standard output of the command $3... has $2; $1 says what it is.
expect() {
  local title=$1 wanted=$2 output
  shift 2
  output=$("$@") || fail "$title: exit code $?: $output"
  grep -qF -- "$wanted" <<<"$output" || fail "$title: no \"$wanted\" in: $output"
}

# Within the namespaces of a check. What is mounted and started ends with them.

enter() {
  local root=$1 node
  mount --make-rprivate /
  ip link set lo up
  mkdir -p "$root"/{proc,sys,dev}
  mount -t proc proc "$root/proc"
  mount -t sysfs -o ro sysfs "$root/sys"
  mount -t tmpfs tmpfs "$root/dev"
  for node in null zero full random urandom tty; do
    touch "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
  done
}

# Sets `user` and `root`: how commands are started in the root folder $1, as somebody who owns nothing
# there, and as root. As variables, so that what is started in the background has the id of the
# program.
set_starters() {
  local into=(unshare --root="$1" --wd=/tmp)
  local environment=(TERM=dumb LC_ALL=C.UTF-8)
  user=(env -i PATH=/usr/bin:/bin HOME=/tmp "${environment[@]}" "${into[@]}" --setuid=65534 --setgid=65534)
  root=(env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive
    "${environment[@]}" "${into[@]}")
}

# Names, kinds, owners and modes of all files, but those that any command of dpkg, or of man after one,
# changes.
list_files() {
  find "$1" -mindepth 1 \( -path "$1/proc" -o -path "$1/sys" -o -path "$1/dev" -o -path "$1/tmp" \) -prune \
    -o -printf '/%P %y %m %U:%G\n' |
    grep -v -e '^/var/log/' -e '^/var/lib/dpkg/[a-z]*-old ' -e '^/var/cache/man/.*CACHEDIR.TAG ' | sort
}

check_debian() {
  local folder=$1 package=$2 program file user root
  enter "$folder"
  set_starters "$folder"
  list_files "$folder" >"$work/before"
  cp "$package" "$folder/tmp/package.deb"
  "${root[@]}" dpkg --install /tmp/package.deb >"$work/install.log" 2>&1 ||
    fail "dpkg --install: $(cat "$work/install.log")"

  expect "a run" "100 of 100" "${user[@]}" echo-bench --conns 100 -d 2s --no-report
  for program in echo-bench echo-server echo-client; do
    expect "the version" "$program" "${user[@]}" "$program" --version
    expect "man $program" "EXIT STATUS" "${user[@]}" env MANPAGER=cat man "$program"
    for file in bash-completion/completions/"$program" zsh/vendor-completions/_"$program" \
      fish/vendor_completions.d/"$program".fish; do
      [ -s "$folder/usr/share/$file" ] || fail "there is no /usr/share/$file"
    done
  done
  expect "man echo-bench-sweep" "sweep" "${user[@]}" env MANPAGER=cat man echo-bench-sweep
  expect "apropos" "echo-bench" "${user[@]}" apropos echo-bench
  expect "completion of flags" "--duration" complete_words echo-bench --dur
  expect "completion of values" "tokio-local" complete_words echo-bench --model to
  expect "completion of flags of the server" "--workers" complete_words echo-server --work
  expect "completion of flags of the client" "--timeout" complete_words echo-client --time
  grep -q THIRD-PARTY-NOTICES "$folder/usr/share/doc/echo-bench/copyright" || fail "wrong copyright file"

  "${root[@]}" dpkg --purge echo-bench >"$work/purge.log" 2>&1 ||
    fail "dpkg --purge: $(cat "$work/purge.log")"
  list_files "$folder" >"$work/after"
  diff "$work/before" "$work/after" || fail "the package has left something behind (the lines with >)"
  if grep -q echo-bench "$folder/var/lib/dpkg/status"; then
    fail "dpkg still knows the package"
  fi
}

# What bash offers for the words, as to a user who presses TAB after the last of them.
complete_words() {
  # shellcheck disable=SC2016 # it is for the other bash
  "${user[@]}" bash -c '
    source /usr/share/bash-completion/bash_completion
    _completion_loader "$1"
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
    completion=$(complete -p "$1") && [[ $completion =~ -F\ ([^ ]+) ]] || exit 1
    "${BASH_REMATCH[1]}" "$1" "${!#}" "${*: -2:1}"
    printf "%s\n" "${COMPREPLY[@]}"' complete "$@"
}

check_static() {
  local folder=$1 programs=$2 server address name user root
  mkdir -p "$folder/tmp"
  # Nothing else: no library, no shell, no /etc.
  cp "$programs"/* "$folder"
  enter "$folder"
  set_starters "$folder"
  expect "a run" "100 of 100" "${user[@]}" /echo-bench --conns 100 -d 2s --no-report
  "${user[@]}" /echo-server 127.0.0.1:0 >"$work/ready" 2>"$work/server.log" &
  server=$!
  wait_for grep -q '"ready":true' "$work/ready"
  address=$(sed 's/.*"addr":"\([^"]*\)".*/\1/' "$work/ready")
  expect "a number" "ECHO: by number" "${user[@]}" /echo-client "$address" <<<"by number"
  # Names are looked up by the C library: what it needs for that must be in the program.
  mkdir "$folder/etc"
  echo '127.0.0.1 localhost server.example' >"$folder/etc/hosts"
  for name in localhost server.example; do
    expect "the name $name" "ECHO: by name" "${user[@]}" /echo-client "$name:${address##*:}" <<<"by name"
  done
  stop "$server"
}

# Ends a server in order, and expects its summary.
stop() {
  kill -TERM "$1"
  wait "$1" || fail "the server ended with exit code $?: $(cat "$work/server.log")"
  grep -q "connections" "$work/server.log" || fail "the server printed no summary: $(cat "$work/server.log")"
}

# What an engine does: files, user, folder, environment, command.
check_container() {
  local folder=$1 context=$2 file=dist/Dockerfile owner home command container server
  instruction() {
    sed -n "s/^$1 //p" "$file"
  }
  [ "$(instruction FROM)" = scratch ] || fail "$file is not FROM scratch"
  [ "$(instruction ADD)" = "root.tar /" ] || fail "$file adds something else than root.tar"
  owner=$(instruction USER)
  home=$(instruction WORKDIR)
  read -ra command <<<"$(instruction CMD | tr -d '[]",')"
  mkdir "$folder"
  tar --extract --directory "$folder" --file "$context/root.tar" --preserve-permissions --numeric-owner
  [ "$(stat --format=%u:%g "$folder$home")" = "$owner" ] || fail "$home is not the user's"
  # Engines write these.
  echo '127.0.0.1 localhost' >"$folder/etc/hosts"
  echo 'nameserver 127.0.0.1' >"$folder/etc/resolv.conf"
  enter "$folder"
  # unshare looks the command up in the PATH that the image sets, once it is in the root folder.
  container=(/usr/bin/env -i "$(instruction ENV)" unshare --root="$folder" --wd="$home"
    --setuid="${owner%:*}" --setgid="${owner#*:}")
  "${container[@]}" "${command[@]}" >"$work/ready" 2>"$work/server.log" &
  server=$!
  wait_for grep -q '"ready":true' "$work/ready"
  expect "a load" "10 of 10" "${container[@]}" echo-bench "localhost:$(instruction EXPOSE)" -c 10 -d 1s
  expect "the reports" ".json" ls "$folder$home/reports/runs"
  expect "a run" "10 of 10" "${container[@]}" echo-bench -c 10 -d 1s --no-report
  stop "$server"
}

# Outside of them.

prepare_debian() {
  local base=$1
  [ -e "$base.tar" ] && return
  rm -rf --one-file-system "$base"
  # In a namespace of mounts, so that none stays, whatever ends it.
  unshare --mount --pid --fork --kill-child debootstrap --variant=minbase \
    --include=man-db,bash-completion bookworm "$base" >"$base.log" 2>&1 ||
    fail "debootstrap: $(tail -n 3 "$base.log") (see $base.log)"
  tar --create --directory "$base" --numeric-owner --file "$base.tar.new" .
  mv "$base.tar.new" "$base.tar"
  rm -rf --one-file-system "$base"
}

# A check in namespaces of its own; whatever it started ends with it.
contained() {
  timeout --kill-after=5 300 unshare --mount --net --pid --ipc --uts --fork --kill-child \
    "$BASH" "$0" --within "$work" "$@"
}

run_digests() {
  (cd "$dist" && sha256sum --quiet --check SHA256SUMS)
}

run_policy() {
  if ! command -v lintian >/dev/null; then
    echo "skipped: Debian's policy, no lintian (remedy: apt-get install lintian)"
    return
  fi
  lintian --allow-root --fail-on error "${packages[0]}"
}

run_debian() {
  if ! command -v debootstrap >/dev/null; then
    echo "skipped: the package in a Debian, no debootstrap (remedy: apt-get install debootstrap)"
    return
  fi
  prepare_debian "$home/bookworm"
  mkdir "$work/debian"
  tar --extract --directory "$work/debian" --file "$home/bookworm.tar" --numeric-owner --preserve-permissions
  contained debian "$work/debian" "${packages[0]}"
}

run_static() {
  contained static "$work/static" "${static[0]}"
}

run_container() {
  contained container "$work/container" "$dist/container"
}

if [ "${1-}" = --within ]; then
  work=$2
  "check_$3" "${@:4}"
  exit
fi

checks=()
keep=
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage && exit 0 ;;
    --keep) keep=yes ;;
    digests | policy | debian | static | container) checks+=("$1") ;;
    *) usage >&2 && exit 2 ;;
  esac
  shift
done
[ ${#checks[@]} -gt 0 ] || checks=(digests policy debian static container)

cd "$(dirname "$0")/.."
dist=$PWD/target/dist
home=$PWD/target/packages
shopt -s nullglob
packages=("$dist"/*.deb)
static=("$dist"/static/*/bin)
if [ ! -e "$dist/SHA256SUMS" ] || [ ${#packages[@]} -ne 1 ] || [ ${#static[@]} -ne 1 ]; then
  fail "target/dist has not one package and one set of static programs (remedy: dist/build.sh all)"
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "skipped: packages, only root can enter root folders (remedy: sudo tests/packages.sh)"
  exit
fi

mkdir -p "$home"
work=$(mktemp --directory "$home/run.XXXXXX")
# Commands in the root folders have users of their own.
chmod 755 "$work"
[ -n "$keep" ] || trap 'rm -rf --one-file-system "$work"' EXIT
for check in "${checks[@]}"; do
  started=$SECONDS
  echo "=== $check"
  "run_$check"
  echo "=== $check: ok, $((SECONDS - started)) s"
done
echo "=== all passed"
