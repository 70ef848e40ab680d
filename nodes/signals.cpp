#include "nodes/signals.hpp"

#include <csignal>
#include <initializer_list>
#include <unistd.h>

namespace luna {

namespace {

sigset_t our_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (auto number : {SIGINT, SIGTERM, SIGUSR1})
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
  int number = 0;
  while (::sigwait(&set, &number) != 0) {
    // nop
  }
  return number == SIGUSR1 ? signal_kind::node_stopped : signal_kind::stop;
}

void wake_main() {
  ::kill(::getpid(), SIGUSR1);
}

} // namespace luna
