#include <boost/test/unit_test.hpp>

#include "storage/data_lock.hpp"
#include "storage/posix_file_system.hpp"
#include "storage/testing/faulty_file_system.hpp"
#include "temporary_folder.hpp"

using namespace luna;
using namespace luna::storage;

BOOST_AUTO_TEST_SUITE(data_lock_test)

BOOST_AUTO_TEST_CASE(a_second_holder_is_refused_with_the_first_ones_process_id) {
  testing::temporary_folder folder;
  auto data = make_posix_file_system()->open_directory(folder.path);
  auto first = data_lock::take(**data, 1234);
  BOOST_REQUIRE(first);
  auto second = data_lock::take(**data, 5678);
  BOOST_REQUIRE(!second);
  BOOST_CHECK(second.error().code == ec::unavailable);
  BOOST_CHECK_NE(second.error().message.find("process 1234"), std::string::npos);
  BOOST_CHECK_NE(second.error().message.find(folder.path.string()), std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_lock_goes_with_its_holder) {
  testing::temporary_folder folder;
  auto data = make_posix_file_system()->open_directory(folder.path);
  {
    BOOST_REQUIRE(data_lock::take(**data, 123456));
  }
  auto second = data_lock::take(**data, 7);
  BOOST_REQUIRE(second);
  auto third = data_lock::take(**data, 8);
  BOOST_REQUIRE(!third);
  BOOST_CHECK_NE(third.error().message.find("process 7;"), std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_folder_that_may_not_be_written_is_not_permitted) {
  testing::faulty_file_system disk;
  auto data = disk.make_directories("/data");
  disk.inject({testing::io_op::create, "/data/lock", io_kind::no_permission});
  auto lock = data_lock::take(**data, 1);
  BOOST_REQUIRE(!lock);
  BOOST_CHECK(lock.error().code == ec::not_permitted);
}

BOOST_AUTO_TEST_SUITE_END()
