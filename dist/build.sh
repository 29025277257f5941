#!/usr/bin/env bash
# Builds what a release consists of, from the checked-out sources, into target/dist: see --help.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: dist/build.sh [OPTIONS] PRODUCT...

Products:
  static     the three programs without shared libraries, manual pages, completions: a .tar.gz
  deb        the Debian package
  container  the root folder of the container image; the image, where docker or podman runs
  sbom       the crates in each program, as read back from the program
  all        all of these

Options:
  --target TRIPLE  what the static programs are built for
                   [default: this machine with glibc; x86_64-unknown-linux-musl is another]
  --no-build       package the programs of the last build, whatever they were built from
  -h, --help       print this text

Results are in target/dist, their digests in SHA256SUMS. Tools are installed into target/tools,
in fixed versions. SOURCE_DATE_EPOCH (the time of the commit by default) dates what is packaged;
DEBFULLNAME and DEBEMAIL name the maintainer of the package.
TEXT
}

# cargo-auditable adds the list of crates to each program, rust-audit-info reads it.
cargo_auditable=0.7.7
rust_audit_info=0.5.4
cargo_deb=3.8.0

programs=(echo-bench echo-server echo-client)

fail() {
  printf 'error: %s\n' "$2" >&2
  exit "$1"
}

wrong_usage() {
  fail 2 "$1 (see dist/build.sh --help)"
}

# Tools

need_tool() {
  local name=$1 version=$2
  if ! grep -qsF "\"$name $version (" "$tools/.crates.toml"; then
    cargo install --quiet --locked --root "$tools" --target-dir "$tools/build" "$name@$version" ||
      fail 1 "installing $name $version"
  fi
}

need_program() {
  command -v "$1" >/dev/null || fail 1 "there is no $1 (remedy: $2)"
}

# Building

# The three programs; further flags go to cargo.
build() {
  need_tool cargo-auditable "$cargo_auditable"
  if [ -z "$no_build" ]; then
    cargo auditable build --locked --release "${programs[@]/#/--package=}" --bins "$@"
  fi
}

build_usual() {
  build
  usual=$built/release
  check_programs "$usual"
}

build_static() {
  check_target
  RUSTFLAGS="${RUSTFLAGS-} -C target-feature=+crt-static" build --target "$target"
  static=$built/$target/release
  check_programs "$static"
  local program
  for program in "${programs[@]}"; do
    # Nothing to load and nobody to load it.
    if readelf --wide --dynamic --segments "$static/$program" | grep -E 'NEEDED|INTERP'; then
      fail 1 "$static/$program needs shared libraries"
    fi
  done
}

# Refuses what the toolchain can't build for, before it is tried.
check_target() {
  local libraries compiler
  libraries=$(rustc --print target-libdir --target "$target" 2>/dev/null) ||
    fail 2 "--target $target: rustc does not know it (see rustc --print target-list)"
  compgen -G "$libraries/libstd-*.rlib" >/dev/null ||
    fail 1 "--target $target: the toolchain has no standard library for it (remedy: rustup target add $target)"
  # ring has code in C.
  compiler=CC_${target//-/_}
  case $target in
    *-musl)
      [ -n "${!compiler-}" ] || need_program musl-gcc "apt-get install musl-tools, or name a compiler with $compiler"
      ;;
    *)
      [ "$(cc -print-file-name=libc.a)" != libc.a ] ||
        fail 1 "--target $target: there is no static libc.a (remedy: apt-get install libc6-dev)"
      ;;
  esac
}

# That there are the three programs, each with the list of its crates.
check_programs() {
  local program
  need_tool rust-audit-info "$rust_audit_info"
  for program in "${programs[@]}"; do
    [ -x "$1/$program" ] || fail 1 "there is no $1/$program (remedy: leave --no-build out)"
    rust-audit-info "$1/$program" >/dev/null ||
      fail 1 "$1/$program has no list of its crates (remedy: leave --no-build out)"
  done
}

# What belongs to the programs

# Manual pages, completions, licences and documents of the programs in $1, into the folder $2. What
# follows says what they were built for.
add_documents() {
  local from=$1 share=$2 program doc=$2/doc/echo-bench
  shift 2
  rm -rf "$share"
  mkdir -p "$share/man/man1" "$share/bash-completion/completions" \
    "$share/zsh/site-functions" "$share/fish/vendor_completions.d" "$doc"
  for program in "${programs[@]}"; do
    "$from/$program" man --dir "$share/man/man1"
    "$from/$program" completions bash >"$share/bash-completion/completions/$program"
    "$from/$program" completions zsh >"$share/zsh/site-functions/_$program"
    "$from/$program" completions fish >"$share/fish/vendor_completions.d/$program.fish"
  done
  cp README.md SECURITY.md docs/* "$doc"
  cp CHANGELOG.md "$doc/changelog"
  cp dist/copyright "$doc"
  dist/notices.py "$@" "${programs[@]}" >"$doc/THIRD-PARTY-NOTICES"
  chmod -R u=rwX,go=rX "$share"
}

# tar in the folder $1, such that the result depends on nothing but names, modes and contents.
pack() {
  local folder=$1
  shift
  tar --directory "$folder" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --format=gnu \
    --owner=0 --group=0 --numeric-owner "$@"
}

# Products

make_static() {
  local name="echo-bench-$version-$target"
  build_static
  rm -rf "$dist/static" "$dist"/echo-bench-*-"$target".tar.gz
  add_documents "$static" "$dist/static/$name/share" --static "$target"
  mkdir "$dist/static/$name/bin"
  cp "${programs[@]/#/$static/}" "$dist/static/$name/bin"
  chmod -R u=rwX,go=rX "$dist/static/$name"
  pack "$dist/static" --create "$name" | gzip --no-name --best >"$dist/$name.tar.gz"
}

make_deb() {
  local maintainer="${DEBFULLNAME:-The echo-bench maintainers} <${DEBEMAIL:-maintainers@echo-bench.invalid}>"
  need_program dpkg-shlibdeps "apt-get install dpkg-dev"
  need_tool cargo-deb "$cargo_deb"
  build_usual
  rm -rf "$dist/deb" "$dist"/*.deb
  mkdir "$dist/deb"
  add_documents "$usual" "$dist/deb/share" "$host"
  # Debian's form; what changed for users is in the changelog of the project beside it.
  cat >"$dist/deb/changelog" <<TEXT
echo-bench ($version-1) unstable; urgency=low

  * Release $version: see changelog.gz.

 -- $maintainer  $(date --utc --rfc-email --date="@$SOURCE_DATE_EPOCH")
TEXT
  cargo deb --quiet --no-build --strip --package echo-bench --maintainer "$maintainer" \
    --output "$dist/"
}

make_container() {
  local context=$dist/container root=$dist/container/root engine
  [ -n "$static" ] || make_static
  rm -rf "$context"
  mkdir -p "$root"/{etc,usr/bin,usr/share/doc} "$context/owned/data" "$context/shared/tmp"
  cp "${programs[@]/#/$static/}" "$root/usr/bin"
  cp -r "$dist/static/echo-bench-$version-$target/share/doc/echo-bench" "$root/usr/share/doc"
  printf 'root:x:0:0::/:/\necho:x:65532:65532::/data:/\n' >"$root/etc/passwd"
  printf 'root:x:0:\necho:x:65532:\n' >"$root/etc/group"
  echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
  # Owners and modes are those in the tar, whoever builds it and whichever engine reads it.
  chmod -R u=rwX,go=rX "$root"
  chmod 1777 "$context/shared/tmp"
  pack "$root" --create --file="$context/root.tar" .
  pack "$context/shared" --append --file="$context/root.tar" ./tmp
  pack "$context/owned" --owner=65532 --group=65532 --append --file="$context/root.tar" ./data
  rm -r "$root" "$context/owned" "$context/shared"

  for engine in docker podman; do
    # Docker's client without its daemon builds nothing.
    if command -v "$engine" >/dev/null && "$engine" info >/dev/null 2>&1; then
      "$engine" build --file dist/Dockerfile --tag "echo-bench:$version" \
        --build-arg "VERSION=$version" --build-arg "REVISION=$revision" "$context"
      return
    fi
  done
  echo "skipped: the image, neither docker nor podman runs here (remedy: on a machine with one:" \
    "docker build --file dist/Dockerfile --tag echo-bench:$version target/dist/container)"
}

make_sbom() {
  local program list crate count
  build_usual
  rm -f "$dist"/*.sbom.json
  for program in "${programs[@]}"; do
    list=$dist/$program-$version.sbom.json
    rust-audit-info "$usual/$program" >"$list"
    count=0
    # Name and version of each, such as: rustls v0.23.35
    while read -r crate number; do
      grep -qF "\"name\":\"$crate\",\"version\":\"${number#v}\"" "$list" ||
        fail 1 "$usual/$program: $crate ${number#v} is not in the list of its crates"
      count=$((count + 1))
    done < <(cargo tree --locked --package "$program" --edges normal --target "$host" --prefix none | cut -d" " -f1,2 | sort -u)
    [ "$count" -gt 0 ] || fail 1 "cargo tree lists no crates of $program"
    echo "$program: the list has all $count crates that it is linked from"
  done
}

# Digests of all that is in target/dist, whenever it was built.
write_digests() {
  (
    cd "$dist"
    shopt -s nullglob
    sha256sum -- *.deb *.tar.gz *.sbom.json container/root.tar* >SHA256SUMS
  )
}

products=()
target=
no_build=
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage && exit 0 ;;
    --target) [ $# -gt 1 ] || wrong_usage "--target needs a triple" && target=$2 && shift ;;
    --target=*) target=${1#*=} ;;
    --no-build) no_build=yes ;;
    static | deb | container | sbom) products+=("$1") ;;
    all) products+=(static deb container sbom) ;;
    *) wrong_usage "there is no product or option $1" ;;
  esac
  shift
done
[ ${#products[@]} -gt 0 ] || wrong_usage "no product is named"

cd "$(dirname "$0")/.."
dist=$PWD/target/dist
tools=$PWD/target/tools
built=${CARGO_TARGET_DIR:-$PWD/target}
PATH=$tools/bin:$PATH
host=$(rustc -vV | sed -n 's/^host: //p')
target=${target:-$host}
version=$(cargo pkgid --locked --package echo-bench | sed 's/.*[#@]//')
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
# Where the programs of either kind are, once they are built.
usual=
static=

mkdir -p "$dist"
for product in "${products[@]}"; do
  echo "=== $product"
  "make_$product"
done
write_digests
echo "=== $dist"
cat "$dist/SHA256SUMS"
