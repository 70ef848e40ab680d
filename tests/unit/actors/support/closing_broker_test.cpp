#include <boost/test/unit_test.hpp>
#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include <chrono>
#include <memory>
#include <thread>

#include "actors/support/closing_broker.hpp"
#include "messages/node_view.hpp"
#include "messages/tensor_chunk.hpp"
#include "messages/work_arguments.hpp"

// CAF keeps a broker for ever when a message of its own arrives after its end.

using namespace luna;
using namespace std::chrono_literals;

namespace {

struct io_config : caf::actor_system_config {
  io_config() {
    add_message_types<caf::id_block::luna>();
    load<caf::io::middleman>();
  }
};

/// Ends at once; what it has told itself comes later. The token lives as long as the broker does.
template <class Base>
class late_listener : public Base {
public:
  late_listener(caf::actor_config& config, std::shared_ptr<int> token)
    : Base(config), token_(std::move(token)) {}

  caf::behavior make_behavior() override {
    this->delayed_send(this, 1ms, tick_atom_v);
    this->send(this, drop_atom_v);
    return {[](tick_atom) {}, [this](drop_atom) { this->quit(); }};
  }

private:
  std::shared_ptr<int> token_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(closing_broker_test)

BOOST_AUTO_TEST_CASE(nothing_is_left_of_a_broker_whose_own_message_comes_late) {
  io_config config;
  caf::actor_system system{config};
  auto token = std::make_shared<int>();
  for (int i = 0; i < 100; ++i) {
    caf::actor_config at{&system.middleman().backend()};
    system.spawn_class<late_listener<closing_broker>, caf::no_spawn_options>(at, token);
  }
  auto deadline = std::chrono::steady_clock::now() + 20s;
  while (token.use_count() > 1) {
    BOOST_REQUIRE_MESSAGE(std::chrono::steady_clock::now() < deadline,
                          token.use_count() - 1 << " brokers are still there");
    std::this_thread::yield();
  }
}

BOOST_AUTO_TEST_SUITE_END()
