# shellcheck shell=bash
# One luna-node of this script: started, waited for, stopped by its process id.

NODE_PID=""
NODE_LOG=.luna/log/luna-node.log
NODE_READY=""
NODE_GATEWAY=""

# start_node PROGRAM OPTION...: returns when the node is ready; sets the four variables above.
start_node() {
  local program=$1 out deadline=$((SECONDS + 60))
  shift
  [[ -x $program ]] || fail "$program is not built" "Run scripts/build first."
  mkdir -p "$(dirname "$NODE_LOG")"
  out=$(mktemp "$(dirname "$NODE_LOG")/ready.XXXXXX")
  # Its own session: Ctrl-C in the terminal reaches this script alone, which stops the node once, in order. And should
  # this script be killed, the kernel stops the node.
  setsid setpriv --pdeathsig TERM "$program" "$@" >"$out" 2>"$NODE_LOG" </dev/null &
  NODE_PID=$!
  while ! NODE_READY=$(grep -m1 '^ready ' "$out"); do
    if ! kill -0 "$NODE_PID" 2>/dev/null; then
      NODE_PID=""
      rm -f "$out"
      tail -n 15 "$NODE_LOG" | sed 's/^/  | /' >&2
      fail "luna-node ended before it was ready; its last lines are above (log: $NODE_LOG)" \
        "If the address is taken, another luna-node may run: stop it, or choose a free port with --gateway 127.0.0.1:0"
    fi
    if ((SECONDS > deadline)); then fail "luna-node was not ready within 60 s (log: $NODE_LOG)"; fi
    sleep 0.05
  done
  rm -f "$out"
  # shellcheck disable=SC2034  # read by the caller
  NODE_GATEWAY=${NODE_READY##*gateway=}
}

# stop_node: asks it to drain and stop, and waits; harmless when there is none. Ctrl-C meanwhile stops it at once.
# The status is the node's.
stop_node() {
  local pid=$NODE_PID status=0
  if [[ -z $pid ]]; then return 0; fi
  NODE_PID=""
  # shellcheck disable=SC2064  # the process id of now
  trap "kill -TERM $pid 2>/dev/null || true" INT TERM HUP
  kill -TERM "$pid" 2>/dev/null || true
  wait "$pid" || status=$?
  while kill -0 "$pid" 2>/dev/null; do  # a signal ends `wait` before the node ends
    status=0
    wait "$pid" || status=$?
  done
  if ((status)); then
    step "luna-node" "stopped with status $status, which is no clean stop (log: $NODE_LOG)"
  else
    step "luna-node" "stopped"
  fi
  return "$status"
}

# serve_until_it_ends: Ctrl-C and SIGTERM stop the node, which is a good end.
serve_until_it_ends() {
  local status=0
  trap 'echo; stop_node || exit 1; exit 0' INT TERM HUP
  wait "$NODE_PID" || status=$?
  NODE_PID=""
  step "luna-node" "ended by itself with status $status (log: $NODE_LOG)"
  return "$status"
}
