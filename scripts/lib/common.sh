# shellcheck shell=bash
# What every script shares: where things lie, and how a step is told. Source it; it changes to the repository's root.
set -euo pipefail

LUNA_CALLED_FROM=$PWD
LUNA_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$LUNA_ROOT"
export LUNA_ROOT

# A clone elsewhere may use what this one compiled.
export CCACHE_BASEDIR=$LUNA_ROOT CCACHE_NOHASHDIR=1

# step NAME TEXT: one calm line on what was done, or is being done.
step() { printf '  %-18s %s\n' "$1" "$2"; }

# fail SENTENCE [HINT...]: says what went wrong and what to do, and ends the script.
fail() {
  printf 'error: %s\n' "$1" >&2
  shift
  if (($#)); then printf '       %s\n' "$@" >&2; fi
  exit 1
}

# short PATH: the path as a person in the repository would type it.
short() { printf '%s' "${1#"$LUNA_ROOT"/}"; }

# absolute PATH: a path as the caller meant it, who may be in another folder.
absolute() { case $1 in /*) printf '%s' "$1" ;; *) printf '%s' "$LUNA_CALLED_FROM/$1" ;; esac; }

# usage: the comment block at the top of the script that was called is its help text.
usage() { awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$LUNA_SCRIPT"; }

# seconds_since START: START is a value of now().
now() { printf '%s' "${EPOCHREALTIME/[^0-9]/.}"; }
seconds_since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f s", b - a }'; }

# run_quietly NAME LOG COMMAND...: the output goes to LOG; on failure its end is shown and the status is the command's.
run_quietly() {
  local name=$1 log=$2 status=0
  shift 2
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if ((status)); then
    printf 'error: %s failed (status %d). The end of %s:\n' "$name" "$status" "$(short "$log")" >&2
    tail -n 25 "$log" | sed 's/^/  | /' >&2
  fi
  return "$status"
}

# compile_jobs: at most one compiler a core, and 1.5 GB of memory for each (libtorch's headers are large).
compile_jobs() {
  local cores memory_kb by_memory
  cores=$(nproc)
  memory_kb=$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)
  by_memory=$((memory_kb / 1500000))
  if ((by_memory < 1)); then by_memory=1; fi
  printf '%d' $((cores < by_memory ? cores : by_memory))
}
