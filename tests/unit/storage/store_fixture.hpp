#pragma once

#include <boost/test/unit_test.hpp>

#include <string>
#include <utility>

#include "simulated_node.hpp"
#include "tests/unit/why.hpp"

namespace luna::storage::testing {

/// A simulated node, and what must go well before a test of its store can look at anything.
struct store_fixture : simulated_node {
  void start() { BOOST_REQUIRE_EQUAL(boot(), ""); }

  std::string submitted(new_job job) {
    auto x = submit(std::move(job));
    BOOST_TEST_REQUIRE(x.has_value(), luna::testing::why(x));
    return x->job.id;
  }

  job_status status(const std::string& id) {
    auto x = store->status(id);
    BOOST_TEST_REQUIRE(x.has_value(), luna::testing::why(x));
    return *x;
  }
};

} // namespace luna::storage::testing
