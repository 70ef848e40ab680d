# shellcheck shell=bash
# The project's own sources, as git knows them (new files too, ignored ones not).

# listed PATTERN... -- FILE...: the files of the project that match, or those of FILE that do.
project_files() { git ls-files --cached --others --exclude-standard -- "$@" | while IFS= read -r f; do [[ -f $f ]] && printf '%s\n' "$f"; done; }

# cpp_sources, python_sources [FILE...]: all, or those among FILE.
cpp_sources() { if (($#)); then printf '%s\n' "$@" | grep -E '\.(cpp|hpp)$' || true; else project_files '*.cpp' '*.hpp'; fi; }
python_sources() { if (($#)); then printf '%s\n' "$@" | grep -E '\.py$' || true; else project_files '*.py'; fi; }
shell_sources() { project_files 'scripts/*' '.ci/*' | while IFS= read -r f; do
  if [[ $f == *.sh ]] || head -c 64 "$f" | grep -q '^#!.*bash'; then printf '%s\n' "$f"; fi; done; }

require_formatters() {
  if [[ ! -x .venv/bin/clang-format || ! -x .venv/bin/ruff ]]; then fail "clang-format and ruff are not in .venv" "Run scripts/setup first."; fi
}
