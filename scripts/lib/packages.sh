# shellcheck shell=bash
# Debian packages: which are missing, and getting them as root or through sudo.

# packages_of GROUP...: the names in these groups of scripts/packages.txt.
packages_of() {
  awk -v wanted=" $* " '
    /^\[/ { group = substr($1, 2, length($1) - 2); next }
    NF && !/^#/ && index(wanted, " " group " ") { print $1 }' scripts/packages.txt
}

# missing_packages NAME...: those that are not installed (a -dev package of another architecture does not count).
missing_packages() {
  local have
  have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | awk '$1 == "installed" { print $2 }' || true)
  printf '%s\n' "$@" | grep -vxF -e "$have" || true
}

# as_root COMMAND...: COMMAND with root's rights; asks for a password only where a person can type one.
as_root() {
  if ((EUID == 0)); then "$@"
  elif [[ -t 0 ]]; then sudo "$@"
  else sudo -n "$@"
  fi
}

install_packages() {
  local wanted missing
  mapfile -t wanted < <(packages_of "$@")
  # Any Python with venv will do: Debian's own needs a package for it, others bring it.
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then wanted+=(python3-venv); fi
  command -v dpkg-query >/dev/null || fail "this is not a Debian system: dpkg-query is missing" \
    "luna is built on Debian 12 and 13; install the counterparts of scripts/packages.txt by hand and use scripts/build."
  mapfile -t missing < <(missing_packages "${wanted[@]}")
  if ((${#missing[@]} == 0)); then
    step "Debian packages" "all ${#wanted[@]} are installed"
    return
  fi
  if ((EUID != 0)) && ! can_sudo; then
    fail "Debian packages are missing (${#missing[@]}), and only root may install them" \
      "Run this as root, then scripts/setup again:" \
      "apt-get update && apt-get install --no-install-recommends ${missing[*]}"
  fi
  step "Debian packages" "installing ${#missing[@]} of ${#wanted[@]}: ${missing[*]}"
  apt_install "${missing[@]}"
  mapfile -t missing < <(missing_packages "${wanted[@]}")
  if ((${#missing[@]})); then fail "apt-get did not install ${missing[*]}" "The log: $(short "$APT_LOG")"; fi
  step "" "done"
}

can_sudo() { command -v sudo >/dev/null && { [[ -t 0 ]] || sudo -n true 2>/dev/null; }; }

APT_LOG=$LUNA_ROOT/.deps/log/apt.log
apt_install() {
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@")
  mkdir -p "$(dirname "$APT_LOG")"
  if ((EUID != 0)); then as_root true; fi  # a password is asked for before the output goes to the log
  # The lists may be absent or old, and a foreign source that cannot be reached is no reason to stop: apt-get install judges.
  as_root apt-get update -q >"$APT_LOG" 2>&1 </dev/null || true
  if ! as_root "${install[@]}" >>"$APT_LOG" 2>&1 </dev/null; then
    tail -n 15 "$APT_LOG" | sed 's/^/  | /' >&2
    fail "apt-get could not install the packages" "The whole log: $(short "$APT_LOG")" \
      "The packages are those of Debian 12 and 13; is its main archive among apt's sources, and the network up?"
  fi
}
