# shellcheck shell=bash
# The libFuzzer targets: build/fuzz/bin/NAME_fuzz, seeds in tests/fuzz/corpus/NAME.

# build_and_fuzz SECONDS: each target so long, two at once; fails if one found something.
build_and_fuzz() {
  local seconds=$1 sources names failed=0
  sources=(tests/fuzz/*_fuzz.cpp)
  names=("${sources[@]##*/}")
  names=("${names[@]%.cpp}")
  scripts/build fuzz "${names[@]}" || return
  mkdir -p build/fuzz/findings build/fuzz/log
  step "fuzz" "${#names[@]} targets, $seconds s each, two at once"
  # shellcheck disable=SC2016  # the inner shell expands them
  printf '%s\0' "${names[@]}" |
    xargs -0 -n 1 -P 2 bash -c 'source scripts/lib/common.sh; source scripts/lib/fuzz.sh; fuzz_one "$1" "$2"' _ "$seconds" || failed=1
  return $failed
}

# fuzz_one SECONDS PROGRAM: one line on how it went; the findings' end if it found something.
fuzz_one() {
  local seconds=$1 program=build/fuzz/bin/$2 name corpus log seeds=() status=0
  name=${2%_fuzz}
  corpus=build/fuzz/corpus/$name
  log=build/fuzz/log/$name.log
  mkdir -p "$corpus"
  if [[ -d tests/fuzz/corpus/$name ]]; then seeds=("tests/fuzz/corpus/$name"); fi
  "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/findings/$name-" "$corpus" "${seeds[@]}" >"$log" 2>&1 </dev/null || status=$?
  if ((status)); then
    step "$name" "FOUND SOMETHING (status $status), the end of $log:"
    tail -n 30 "$log" | sed 's/^/  | /'
    return 1
  fi
  step "$name" "$(awk '/stat::number_of_executed_units/ { print $2 }' "$log") inputs, nothing found"
}
