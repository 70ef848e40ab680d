# shellcheck shell=bash
# CLIP's byte-pair vocabulary: one file out of a wheel that carries it (MIT), its digest pinned.

CLIP_VOCABULARY=.deps/share/clip/bpe_simple_vocab_16e6.txt.gz
CLIP_VOCABULARY_SHA256=924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a
CLIP_WHEEL=open_clip_torch==3.3.0

clip_vocabulary_is_right() { [[ $(sha256sum <"$1" 2>/dev/null) == "$CLIP_VOCABULARY_SHA256  -" ]]; }

provide_clip_vocabulary() {
  local download log=.deps/log/clip.log
  if [[ -f $CLIP_VOCABULARY ]] && clip_vocabulary_is_right "$CLIP_VOCABULARY"; then
    step "CLIP vocabulary" "$CLIP_VOCABULARY"
    return
  fi
  step "CLIP vocabulary" "taking it from $CLIP_WHEEL"
  mkdir -p .deps/log "$(dirname "$CLIP_VOCABULARY")"
  download=$(mktemp -d .deps/.download.XXXXXX)
  if ! run_quietly "pip download $CLIP_WHEEL" "$log" fetch_wheel "$download" "$CLIP_WHEEL"; then
    rm -rf "$download"
    fail "the CLIP vocabulary could not be had" "Is the network up? Run scripts/setup again, or put the file there by hand:" \
      "$CLIP_VOCABULARY (sha256 $CLIP_VOCABULARY_SHA256)"
  fi
  .venv/bin/python - "$download" <<'PYTHON'
import pathlib
import sys
import zipfile

folder = pathlib.Path(sys.argv[1])
with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
    (folder / "vocabulary").write_bytes(wheel.read("open_clip/bpe_simple_vocab_16e6.txt.gz"))
PYTHON
  if ! clip_vocabulary_is_right "$download/vocabulary"; then
    rm -rf "$download"
    fail "the vocabulary in $CLIP_WHEEL is not the expected one (sha256 $CLIP_VOCABULARY_SHA256)" \
      "Do not use it; ask where the package came from."
  fi
  mv "$download/vocabulary" "$CLIP_VOCABULARY"
  rm -rf "$download"
  step "" "done: $CLIP_VOCABULARY"
}
