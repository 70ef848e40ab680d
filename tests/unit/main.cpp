// The entry point of every unit test program: Boost.Test's own, with the log level that names each
// failed check.
#define BOOST_TEST_MODULE luna
#include <boost/test/unit_test.hpp>
