#pragma once

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <vector>

#include "storage/s3/s3_target.hpp"
#include "storage/testing/fake_bucket.hpp"
#include "temporary_folder.hpp"
#include "tests/unit/why.hpp"

namespace luna::storage::testing {

/// A bucket in memory and what speaks to it: no real pause, no real clock, no environment.
struct bucket_fixture {
  temporary_folder folder;
  std::shared_ptr<fake_bucket> bucket = std::make_shared<fake_bucket>("renders");
  std::vector<std::chrono::milliseconds> pauses;
  s3::s3_options options = default_options();

  static constexpr auto secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

  std::string credentials_file(const std::string& text, mode_t mode = 0600) {
    auto path = folder.at("credentials");
    std::ofstream{path} << text;
    BOOST_REQUIRE_EQUAL(::chmod(path.c_str(), mode), 0);
    return path;
  }

  s3::s3_options default_options() {
    s3::s3_options x;
    x.endpoint = "http://store:9000";
    x.bucket = "renders";
    x.prefix = "luna";
    x.credentials_file = credentials_file("[default]\naws_access_key_id = AKIDEXAMPLE\n"
                                          "aws_secret_access_key = "
                                          + std::string{secret} + "\n");
    x.multipart_above = 1000;
    x.part_bytes = 400;
    return x;
  }

  s3::s3_surroundings world() {
    s3::s3_surroundings x;
    x.transport = bucket;
    x.clock = [] { return std::chrono::sys_seconds{std::chrono::seconds{1'700'000'000}}; };
    x.pause = [this](std::chrono::milliseconds time) { pauses.push_back(time); };
    x.random = [] { return 1.0; };
    return x;
  }

  std::shared_ptr<s3::s3_target> make_target() {
    return std::make_shared<s3::s3_target>("bucket", options, world());
  }
};

} // namespace luna::storage::testing
