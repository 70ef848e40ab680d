// Keeps libgomp's threads from burning the cores that they wait for.
//
// The problem: a thread that waits for the others of its team spins first, by libgomp's default for
// milliseconds. On a machine whose cores other programs use too, it waits for a thread that is not
// running, on the very core that it would run on: a prompt takes four times its CPU time. Not
// spinning at all costs a wake-up for each small operation, which doubles what it takes. A thousand
// turns are some 20 us: what lies between two small operations.
// libgomp reads its settings when it is loaded. So before any library of the program starts, the
// program sets GOMP_SPINCOUNT and executes itself again, once; its process stays the same. The
// second start costs what mapping libtorch costs (80 ms of CPU), not what its start-up code does.
// An operator's own GOMP_SPINCOUNT or OMP_WAIT_POLICY stands, and nothing is done.
#include <alloca.h>
#include <cstddef>
#include <unistd.h>

namespace {

/// Nothing of the libraries is ready yet, a sanitizer's neither.
#define LUNA_BEFORE_LIBRARIES __attribute__((no_sanitize("address", "undefined")))

LUNA_BEFORE_LIBRARIES bool begins_with(const char* text, const char* prefix) {
  while (*prefix != '\0')
    if (*text++ != *prefix++)
      return false;
  return true;
}

LUNA_BEFORE_LIBRARIES void limit_spinning(int, char** argv, char** environment) {
  size_t count = 0;
  for (; environment[count] != nullptr; ++count)
    if (begins_with(environment[count], "GOMP_SPINCOUNT=")
        || begins_with(environment[count], "OMP_WAIT_POLICY="))
      return;
  static char setting[] = "GOMP_SPINCOUNT=1000";
  auto** more = static_cast<char**>(alloca((count + 2) * sizeof(char*)));
  for (size_t i = 0; i < count; ++i)
    more[i] = environment[i];
  more[count] = setting;
  more[count + 1] = nullptr;
  ::execve("/proc/self/exe", argv, more);
  // Without /proc it runs as it is.
}

using early_function = void (*)(int, char**, char**);
[[gnu::section(".preinit_array"), gnu::used]] const early_function run_first = limit_spinning;

} // namespace
