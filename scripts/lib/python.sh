# shellcheck shell=bash
# The virtual environment .venv with the pinned packages of requirements-dev.txt.

VENV_STAMP=.venv/.luna-requirements

# The environment is right when its Python runs, is of this clone, and the stamp has the digest of the requirements.
venv_wanted() { printf '%s  %s\n' "$(sha256sum <requirements-dev.txt | cut -c1-64)" "$LUNA_ROOT/.venv"; }

make_virtual_environment() {
  local wanted count
  wanted=$(venv_wanted)
  count=$(grep -cE '^[A-Za-z]' requirements-dev.txt)
  if [[ -x .venv/bin/python && $(cat $VENV_STAMP 2>/dev/null) == "$wanted" ]]; then
    step ".venv" "$count pinned packages are installed"
    return
  fi
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "python3 is $(python3 -V 2>&1), luna's Python parts need 3.11 or newer" "Install it and put it first in PATH."
  step ".venv" "installing $count pinned packages"
  if ! .venv/bin/python -c '' 2>/dev/null; then
    rm -rf .venv
    run_quietly "python3 -m venv .venv" .deps/log/venv.log python3 -m venv .venv || exit 1
  fi
  run_quietly "pip install -r requirements-dev.txt" .deps/log/pip.log \
    .venv/bin/python -m pip install --disable-pip-version-check --no-input -r requirements-dev.txt || exit 1
  printf '%s\n' "$wanted" >$VENV_STAMP
  step "" "done"
}

# fetch_wheel FOLDER SPEC [PIP OPTIONS...]: downloads the one wheel of SPEC, without what it depends on. Two short tries at most.
fetch_wheel() {
  local folder=$1 spec=$2
  shift 2
  .venv/bin/python -m pip download --disable-pip-version-check --no-input --no-deps --only-binary :all: \
    --timeout 20 --retries 1 --dest "$folder" "$@" "$spec"
}
