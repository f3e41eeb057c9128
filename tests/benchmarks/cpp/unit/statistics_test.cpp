// The statistics and the tables of the benchmark, on values with known results.

#include "statistics.hpp"

#include <gtest/gtest.h>

#include "report.hpp"
#include "results.hpp"

namespace bench {
namespace {

TEST(Median, IsTheMiddleOne) {
  EXPECT_EQ(median({7}), 7);
  EXPECT_EQ(median({9, 1, 5}), 5);
  EXPECT_EQ(median({4, 1, 1000, 2}), 3);
}

TEST(GeometricMean, OfTwiceAndHalfIsOne) {
  EXPECT_DOUBLE_EQ(geometric_mean({2, 0.5}), 1);
  EXPECT_DOUBLE_EQ(geometric_mean({1, 10, 100}), 10);
}

TEST(GrowthExponent, IsTheSlopeOnLogarithmicAxes) {
  EXPECT_NEAR(growth_exponent({{100, 50}, {1000, 50}, {10000, 50}}), 0, 1e-12);
  EXPECT_NEAR(growth_exponent({{100, 3}, {1000, 30}, {10000, 300}}), 1, 1e-12);
  EXPECT_NEAR(growth_exponent({{100, 10}, {10000, 100}}), 0.5, 1e-12);
}

// Points that are not on a line: the slope of logs 0, 1, 1 over logs 0, 1, 2 is 1/2.
TEST(GrowthExponent, IsFittedByLeastSquares) {
  EXPECT_NEAR(growth_exponent({{1, 1}, {10, 10}, {100, 10}}), 0.5, 1e-12);
}

// --- Figures of several rounds. ----------------------------------------------------------------

Results two(const std::vector<std::optional<double>>& one,
            const std::vector<std::optional<double>>& other) {
  Results results;
  results.at("one", "lifo").rounds = one;
  results.at("other", "lifo").rounds = other;
  return results;
}

TEST(Results, AFigureIsTheMedianOfTheRoundsThatHaveOne) {
  EXPECT_EQ(two({3, std::nullopt, 5, 100}, {}).figure("one", "lifo"), 5);
  EXPECT_EQ(two({3}, {std::nullopt}).figure("other", "lifo"), std::nullopt);
  EXPECT_EQ(two({3}, {}).figure("none", "lifo"), std::nullopt);
}

// The ratio of the medians would be 2: a slow moment of the machine would count against one only.
TEST(Results, ARatioIsTheMedianOfTheRoundsRatios) {
  EXPECT_EQ(two({10, 20, 90}, {10, 10, 30}).ratio("one", "other", "lifo"), 2);
  EXPECT_EQ(two({10, 40, 90}, {10, 10, 30}).ratio("one", "other", "lifo"), 3);
}

TEST(Results, ARoundWithoutBothFiguresHasNoRatio) {
  EXPECT_EQ(two({10, 40}, {std::nullopt, 10}).ratio("one", "other", "lifo"), 4);
  EXPECT_EQ(two({10}, {std::nullopt}).ratio("one", "other", "lifo"), std::nullopt);
}

// --- Output. -----------------------------------------------------------------------------------

TEST(Number, HasItsSignificantDigits) {
  EXPECT_EQ(number(0.0123), "0.012");
  EXPECT_EQ(number(1.274), "1.27");
  EXPECT_EQ(number(48.34), "48.3");
  EXPECT_EQ(number(100), "100");
  EXPECT_EQ(number(1234567.8), "1,234,568");
  EXPECT_EQ(number(-1234), "-1,234");
  EXPECT_EQ(number(std::nullopt), "-");
}

TEST(Note, IsWrapped) {
  const std::string half(50, 'x');
  const Section section{.title = "T", .notes = {half + " " + half + " y"}};
  EXPECT_EQ(text(section), "T\n=\n" + half + "\n" + half + " y\n");
}

TEST(Table, HasItsFirstColumnLeftAndTheOthersRight) {
  const Section section{.title = "T", .columns = {"by", "ns"}, .rows = {{"first", "1"}}};
  EXPECT_EQ(text(section), "T\n=\n\nby     ns\nfirst   1\n");
}

TEST(Bar, IsReachedOnItsSideAndAtItsLimit) {
  EXPECT_TRUE((Bar{"", Bar::Side::at_most, 10, "", 10}).reached());
  EXPECT_FALSE((Bar{"", Bar::Side::at_most, 10, "", 10.1}).reached());
  EXPECT_TRUE((Bar{"", Bar::Side::at_least, 10, "", 10}).reached());
  EXPECT_FALSE((Bar{"", Bar::Side::at_least, 10, "", 9.9}).reached());
  EXPECT_FALSE((Bar{"", Bar::Side::at_most, 10, "", std::nullopt}).reached());
}

TEST(Bar, ShowsItsFigureAndVerdict) {
  const Section section = bar_section({{"a pair", Bar::Side::at_most, 10, " ns", 12.3},
                                       {"a walk", Bar::Side::at_least, 300, " times", {}}});
  EXPECT_EQ(section.rows[0],
            (std::vector<std::string>{"a pair", "at most 10 ns", "12.3 ns", "NOT REACHED"}));
  EXPECT_EQ(section.rows[1],
            (std::vector<std::string>{"a walk", "at least 300 times", "not measured", "-"}));
}

}  // namespace
}  // namespace bench
