#!/usr/bin/env bash
# Builds a server at two commits, measures both in turns, and writes what differs. The steps of
# the action beside it, and the same by hand:
#
#   BASE=main HEAD=my-branch BUILD='cargo build --release' \
#   SERVER='target/release/server --port "$PORT"' FLAGS='-c 50 -d 5s' compare.sh
#
# Further settings: REPEAT (5), THRESHOLD (1%), FAIL_ON (worse or never), ECHO_BENCH, RESULTS.
# Exit codes: 0 nothing is worse; 1 something failed; 2 usage; 3 a metric is worse; 4 no answer.
set -euo pipefail

fail() {
  printf 'error: %s\n' "$2" >&2
  exit "$1"
}

for name in BASE HEAD BUILD SERVER; do
  [ -n "${!name:-}" ] || fail 2 "$name is not set"
done
echo_bench=${ECHO_BENCH:-echo-bench}
repeat=${REPEAT:-5}
threshold=${THRESHOLD:-1%}
results=${RESULTS:-echo-bench-results}
fail_on=${FAIL_ON:-worse}
case $fail_on in
  worse) gate=(--fail-on worse) ;;
  never) gate=() ;;
  *) fail 2 "FAIL_ON is worse or never, not $fail_on" ;;
esac
command -v "$echo_bench" >/dev/null || fail 1 "there is no $echo_bench (name it with ECHO_BENCH)"
echo_bench=$(command -v "$echo_bench")

if [ -e "$results" ] && [ -n "$(ls -A "$results")" ]; then
  fail 2 "$results is not empty: name another folder with RESULTS, or remove it"
fi
mkdir -p "$results"
results=$(cd "$results" && pwd)
repository=$PWD
work=$(mktemp -d)
remove() {
  for side in base head; do
    git -C "$repository" worktree remove --force "$work/$side" >/dev/null 2>&1 || true
  done
  rm -rf "$work"
}
trap remove EXIT

# A branch may look like an option.
base=$(git rev-parse --verify --quiet --end-of-options "$BASE^{commit}") ||
  fail 1 "there is no commit $BASE here (fetch it: actions/checkout with fetch-depth: 0)"
head=$(git rev-parse --verify --quiet --end-of-options "$HEAD^{commit}") ||
  fail 1 "there is no commit $HEAD here (fetch it: actions/checkout with fetch-depth: 0)"

export ECHO_BENCH_SERVER=$SERVER
for side in base head; do
  git worktree add --quiet --detach "$work/$side" "${!side}"
  (cd "$work/$side" && bash -c "$BUILD") >"$results/build-$side.log" 2>&1 ||
    fail 1 "building $side failed, see $results/build-$side.log"
  # The port comes as an argument, and goes on as $PORT.
  cat >"$work/$side.sh" <<'END'
#!/usr/bin/env bash
cd "${0%.sh}" && export PORT=$1 && exec bash -c "$ECHO_BENCH_SERVER"
END
  chmod +x "$work/$side.sh"
done

# Flags are words, and no patterns.
set -f
# shellcheck disable=SC2086
"$echo_bench" sweep --exec "base='$work/base.sh' {port}" --exec "head='$work/head.sh' {port}" \
  ${FLAGS:--d 5s} --repeat "$repeat" --dir "$work/runs" -q -o "$results/sweep.json" >/dev/null ||
  # An objective that a run has missed is no reason not to compare.
  [ $? = 3 ] || fail 1 "measuring failed"
set +f
if compgen -G "$work/runs/cell003-*" >/dev/null; then
  fail 2 "FLAGS has a list: give each flag one value"
fi
mkdir "$results/base" "$results/head"
cp "$work"/runs/cell001-*.json "$results/base/"
cp "$work"/runs/cell002-*.json "$results/head/"

cd "$results"
code=0
"$echo_bench" compare base head --threshold "$threshold" ${gate[@]+"${gate[@]}"} \
  -o comparison.json >/dev/null || code=$?
[ -s comparison.json ] || fail 1 "comparing failed"
{
  printf '<!-- echo-bench compare -->\n%s against %s\n\n' "${head:0:12}" "${base:0:12}"
  "$echo_bench" report comparison.json --format markdown
} >comment.md
"$echo_bench" report comparison.json -o junit.xml
"$echo_bench" report comparison.json -o comparison.html
if [ -n "${GITHUB_ACTIONS:-}" ]; then
  "$echo_bench" report comparison.json --format github
fi
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
  cat comment.md >>"$GITHUB_STEP_SUMMARY"
fi
if [ -n "${GITHUB_OUTPUT:-}" ]; then
  printf 'comment=%s\njunit=%s\nexit-code=%s\n' \
    "$results/comment.md" "$results/junit.xml" "$code" >>"$GITHUB_OUTPUT"
fi
case $fail_on:$code in
  never:3 | never:4) exit 0 ;;
esac
exit "$code"
