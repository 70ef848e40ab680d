# shellcheck shell=bash
# Demo models for those who have no ComfyUI models folder at hand: computed or generated weights, nothing trained.

DEMO_MODELS=.deps/demo-models

provide_demo_models() {
  local maker=scripts/demo/make_demo_models.py stamp=$DEMO_MODELS/.made-by wanted
  [[ -f $maker ]] || return 0
  wanted=$(cat scripts/demo/*.py | sha256sum | cut -c1-64)
  if [[ $(cat "$stamp" 2>/dev/null) == "$wanted" ]]; then
    step "demo models" "$DEMO_MODELS (computed and generated weights, nothing trained)"
    return
  fi
  step "demo models" "computing them"
  run_quietly "$maker" .deps/log/demo-models.log .venv/bin/python "$maker" "$DEMO_MODELS" || exit 1
  echo "$wanted" >"$stamp"
  step "" "done: $DEMO_MODELS (computed and generated weights, nothing trained)"
}
