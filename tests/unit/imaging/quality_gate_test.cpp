#include <boost/test/unit_test.hpp>

#include <vector>

#include "imaging/quality_gate.hpp"

using namespace luna;
using namespace luna::imaging;
namespace tt = boost::test_tools;

namespace {

tensor_block picture(std::vector<uint8_t> pixels, std::vector<int64_t> shape) {
  return tensor_block::copy_of(dtype::u8, std::move(shape), std::as_bytes(std::span{pixels}));
}

const tensor_block blank = picture(std::vector<uint8_t>(48, 200), {4, 4, 3});
/// Rows of 0 and 20: variance 100, edges 20 down and 0 across.
const tensor_block stripes = picture({0, 0, 20, 20, 0, 0, 20, 20}, {4, 2, 1});

} // namespace

BOOST_AUTO_TEST_SUITE(quality_gate_test)

BOOST_AUTO_TEST_CASE(a_blank_picture_scores_nothing) {
  for (const auto gate : {quality_gate::variance, quality_gate::edge_density, quality_gate::both}) {
    BOOST_TEST(judge(blank, gate, 0.05).score == 0);
    BOOST_TEST(!judge(blank, gate, 0.05).passes);
    BOOST_TEST(judge(blank, gate, 0).passes);
  }
  BOOST_TEST(judge(blank, quality_gate::disabled, 1).passes);
}

BOOST_AUTO_TEST_CASE(scores_are_those_of_the_formulas) {
  const double variance = 100.0 / 3000;
  const double edges = (20.0 / 255 + 0) / 2 / 0.05;
  BOOST_TEST(judge(stripes, quality_gate::variance, 0).score == variance, tt::tolerance(1e-6));
  BOOST_TEST(judge(stripes, quality_gate::edge_density, 0).score == edges, tt::tolerance(1e-6));
  BOOST_TEST(judge(stripes, quality_gate::both, 0).score == (variance + edges) / 2,
             tt::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(both_wants_each_score_to_reach_the_threshold) {
  BOOST_TEST(judge(stripes, quality_gate::edge_density, 0.3).passes);
  BOOST_TEST(!judge(stripes, quality_gate::variance, 0.3).passes);
  BOOST_TEST(!judge(stripes, quality_gate::both, 0.3).passes);
  BOOST_TEST(judge(stripes, quality_gate::both, 0.03).passes);
}

BOOST_AUTO_TEST_CASE(colours_count_by_luma_and_alpha_not_at_all) {
  // red against black: Y 76.245 and 0; the same with an alpha that changes wildly
  const auto rgb = picture({255, 0, 0, 0, 0, 0}, {1, 2, 3});
  const auto rgba = picture({255, 0, 0, 255, 0, 0, 0, 0}, {1, 2, 4});
  const double want = 76.245 * 76.245 / 4 / 3000;
  BOOST_TEST(judge(rgb, quality_gate::variance, 0).score == want, tt::tolerance(1e-5));
  BOOST_TEST(judge(rgba, quality_gate::variance, 0).score == want, tt::tolerance(1e-5));
}

BOOST_AUTO_TEST_CASE(a_single_pixel_has_no_edges) {
  BOOST_TEST(judge(picture({255}, {1, 1, 1}), quality_gate::edge_density, 0).score == 0);
}

BOOST_AUTO_TEST_SUITE_END()
