# shellcheck shell=bash
# libtorch: out of the pinned torch wheel, or a folder that the caller names. It lies in .deps/torch-<version>-<cpu|cuda>/torch,
# which may be a link; .deps/torch-selected says which of the two scripts/build takes.

TORCH_VERSION=2.13.0
TORCH_CUDA=13.0 # what its plain wheel for x86-64 is built with
TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu
# The wheel that luna's tests were run with; another one is used all the same, and told.
TORCH_KNOWN_WHEEL=6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b

torch_folder() { printf '.deps/torch-%s-%s' "$TORCH_VERSION" "$1"; }
torch_wheel() { .venv/bin/python scripts/lib/torch_wheel.py "$@"; }

# torch_flavour: cuda where an NVIDIA driver runs, else cpu.
torch_flavour() {
  if [[ -e /proc/driver/nvidia/version ]] || nvidia-smi -L >/dev/null 2>&1; then echo cuda; else echo cpu; fi
}

# selected_torch: the flavour that the last set-up chose.
selected_torch() { cat .deps/torch-selected 2>/dev/null || echo cpu; }

# provide_torch FLAVOUR FROM CHECK: FROM is the caller's own libtorch or empty; CHECK 1 reads all bytes again.
provide_torch() {
  local flavour=$1 from=$2 check=$3 folder problem how=() told=""
  mkdir -p .deps
  if [[ -n $from ]]; then
    flavour=$(torch_wheel adopt "$from" .deps "$TORCH_VERSION") || exit 1
    step "libtorch" "$TORCH_VERSION $flavour, yours: $from"
  else
    folder=$(torch_folder "$flavour")
    if ((check)); then how=(--full) told=", every byte as unpacked"; fi
    if problem=$(torch_wheel verify "$folder" "${how[@]}" 2>&1); then
      step "libtorch" "$TORCH_VERSION $flavour, $folder/torch$told"
    else
      if [[ -e $folder/torch ]]; then step "libtorch" "$problem: taking it anew"; fi
      "fetch_torch_$flavour" "$folder"
    fi
  fi
  echo "$flavour" >.deps/torch-selected
}

fetch_torch_cpu() {
  local folder=$1 download wheel log=.deps/log/torch.log
  mkdir -p .deps/log
  download=$(mktemp -d .deps/.download.XXXXXX)
  # The version says "+cpu": the plain index's build of this version for x86-64 is the one with CUDA, of gigabytes.
  step "libtorch" "downloading torch $TORCH_VERSION, CPU build (about 190 MB)"
  if ! fetch_wheel "$download" "torch==$TORCH_VERSION+cpu" --retries 0 --index-url "$TORCH_CPU_INDEX" >$log 2>&1 </dev/null &&
    ! fetch_wheel "$download" "torch==$TORCH_VERSION+cpu" --retries 0 >>$log 2>&1 </dev/null; then
    rm -rf "$download"
    tail -n 4 $log | cut -c1-200 | sed 's/^/  | /' >&2
    fail "no CPU build of torch $TORCH_VERSION could be had, neither from PyTorch's CPU index nor from pip's own (log: $log)" \
      "Is the network up? Run scripts/setup again, or name an unpacked libtorch of this version:" \
      "scripts/setup --torch DIR   (the folder that holds include/ and lib/libtorch_cpu.so)"
  fi
  wheel=$(echo "$download"/torch-*.whl)
  if ! torch_wheel unpack "$wheel" "$folder" "$TORCH_VERSION" "$TORCH_KNOWN_WHEEL"; then
    rm -rf "$download"
    exit 1
  fi
  rm -rf "$download"
  step "" "unpacked and checked: $folder/torch"
}

fetch_torch_cuda() {
  local folder=$1 part log=.deps/log/torch.log
  part=$folder.part
  mkdir -p .deps/log
  rm -rf "$part"
  step "libtorch" "installing torch $TORCH_VERSION with CUDA (several GB; --cpu takes the small one)"
  # Laid out as pip does: libtorch finds NVIDIA's libraries in nvidia/ beside torch/. nvidia-cuda-crt has headers that those of
  # nvidia-cuda-runtime include: with both no CUDA toolkit is needed to compile.
  if ! .venv/bin/python -m pip install --disable-pip-version-check --no-input --only-binary :all: --timeout 20 --retries 1 \
    --target "$part" "torch==$TORCH_VERSION,!=$TORCH_VERSION+cpu" "nvidia-cuda-crt==$TORCH_CUDA.*" >$log 2>&1 </dev/null; then
    rm -rf "$part"
    tail -n 4 $log | cut -c1-200 | sed 's/^/  | /' >&2
    fail "torch $TORCH_VERSION with CUDA could not be had (log: $log)" \
      "Run scripts/setup again, take the CPU build with scripts/setup --cpu, or name your own with --torch DIR."
  fi
  if ! torch_wheel stamp "$part" "$TORCH_VERSION" cuda; then rm -rf "$part"; exit 1; fi
  rm -rf "$folder"
  mv "$part" "$folder"
  step "" "done: $folder/torch"
}
