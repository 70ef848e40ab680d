#include "nodes/signals.hpp"

#include <csignal>
#include <initializer_list>
#include <unistd.h>

namespace luna {

namespace {

sigset_t our_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (auto number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2})
    sigaddset(&set, number);
  return set;
}

} // namespace

void block_signals() {
  auto set = our_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

signal_kind wait_for_signal() {
  auto set = our_signals();
  for (;;) {
    siginfo_t info{};
    switch (::sigwaitinfo(&set, &info)) {
    case SIGINT:
    case SIGTERM:
      return signal_kind::stop;
    case SIGHUP:
      return signal_kind::hangup;
    case SIGUSR1:
      if (info.si_pid == ::getpid())
        return signal_kind::node_stopped;
      break;
    default: // interrupted, or a signal without a meaning here
      break;
    }
  }
}

void wake_main() {
  ::kill(::getpid(), SIGUSR1);
}

} // namespace luna
