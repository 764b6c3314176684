// The two replay windows by themselves. R1 through the opener is in requirements_test.cc.
#include "siegel/replay.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <set>
#include <vector>

namespace siegel {
namespace {

TEST(IvWindowTest, EveryIvOnce) {
  IvWindow window;
  window.reset();
  for (std::uint32_t i = 0; i < 3 * kIvWindow; ++i) {
    ASSERT_TRUE(window.check(i * 960, i * 7)) << i;
    window.record(i * 960, i * 7);
    for (std::uint32_t j = 0; j <= i; ++j) ASSERT_FALSE(window.check(j * 960, j * 7)) << j << " after " << i;
  }
}

TEST(IvWindowTest, SameTimestampOtherWordIsAnotherFrame) {
  IvWindow window;
  window.reset();
  window.record(5, 1);
  EXPECT_FALSE(window.check(5, 1));
  EXPECT_TRUE(window.check(5, 2));
  EXPECT_TRUE(window.check(4, 1));
}

TEST(IvWindowTest, ReorderedFramesInsideTheWindowOpen) {
  IvWindow window;
  window.reset();
  // Every second frame arrives, then the ones between, latest first.
  for (std::uint32_t i = 0; i < kIvWindow; i += 2) window.record(i, i);
  for (std::uint32_t i = kIvWindow - 1; i < kIvWindow; i -= 2) {
    ASSERT_TRUE(window.check(i, i)) << i;
    window.record(i, i);
  }
  for (std::uint32_t i = 0; i < kIvWindow; ++i) EXPECT_FALSE(window.check(i, i));
}

TEST(IvWindowTest, OlderThanTheWindowIsRefusedThoughNeverSeen) {
  IvWindow window;
  window.reset();
  for (std::uint32_t i = 1; i <= kIvWindow + 100; ++i) window.record(1000 + 10 * i, i);
  EXPECT_FALSE(window.check(1005, 9999)) << "below the first frame that fell out";
  EXPECT_FALSE(window.check(1000 + 10 * 100, 9999)) << "the floor itself";
  EXPECT_TRUE(window.check(1000 + 10 * 101 + 1, 9999)) << "between two frames that are still remembered";
}

TEST(IvWindowTest, TheFloorFollowsTheTimestampAcrossItsWrap) {
  IvWindow window;
  window.reset();
  const std::uint32_t start = 0xFFFFFFFFU - 960 * 600;
  for (std::uint32_t i = 0; i < 1200; ++i) {
    ASSERT_TRUE(window.check(start + 960 * i, i)) << i;
    window.record(start + 960 * i, i);
  }
  EXPECT_FALSE(window.check(start, 0));
  EXPECT_FALSE(window.check(start + 960 * 500, 500));
  EXPECT_TRUE(window.check(start + 960 * 1200, 1200));
}

// A late frame that is older than the floor's frame must not pull the floor back.
TEST(IvWindowTest, TheFloorNeverGoesBack) {
  IvWindow window;
  window.reset();
  window.record(1'000'000, 0);
  window.record(10, 1);  // reordered by far, yet inside the (empty) window
  for (std::uint32_t i = 0; i < kIvWindow; ++i) window.record(2'000'000 + i, i);
  EXPECT_FALSE(window.check(500'000, 77)) << "10 fell out after 1,000,000";
  EXPECT_FALSE(window.check(1'000'000, 0));
  EXPECT_FALSE(window.check(10, 1));
}

TEST(IvWindowTest, AContinuedWindowStartsAboveTheOldOne) {
  IvWindow window;
  window.reset();
  window.record(70, 1);
  window.record(50, 2);
  EXPECT_EQ(window.latest(), 70U);
  IvWindow next;
  next.resetAbove(window.latest());
  EXPECT_EQ(next.latest(), 70U);
  EXPECT_FALSE(next.check(70, 1));
  EXPECT_FALSE(next.check(70, 3));
  EXPECT_FALSE(next.check(60, 3));
  EXPECT_TRUE(next.check(71, 3));
  next.record(71, 3);
  EXPECT_EQ(next.latest(), 71U);
}

// The hash table inside, under the worst its keys can do: a million random frames against an ordinary set.
TEST(IvWindowTest, AgreesWithASetForEver) {
  std::mt19937 random(0x51E6E1);  // NOLINT(cert-msc51-cpp): reproducible on purpose
  IvWindow window;
  window.reset();
  std::vector<std::pair<std::uint32_t, std::uint32_t>> order;
  std::set<std::pair<std::uint32_t, std::uint32_t>> inside;
  std::uint32_t floor = 0;
  bool hasFloor = false;
  std::uint32_t now = 0xF0000000U;
  for (int i = 0; i < 200'000; ++i) {
    now += random() % 40;
    const std::uint32_t timestamp = now - random() % 200;
    const std::uint32_t word = random() % 16;
    const bool old = hasFloor && !laterThan(timestamp, floor);
    const bool expected = !old && !inside.contains({timestamp, word});
    ASSERT_EQ(window.check(timestamp, word), expected) << i;
    if (!expected) continue;
    window.record(timestamp, word);
    if (inside.size() == kIvWindow) {
      const auto out = order[order.size() - kIvWindow];
      inside.erase(out);
      if (!hasFloor || laterThan(out.first, floor)) floor = out.first;
      hasFloor = true;
    }
    order.emplace_back(timestamp, word);
    inside.insert({timestamp, word});
  }
}

TEST(CtrWindowTest, Rfc3711) {
  CtrWindow window;
  window.reset();
  EXPECT_TRUE(window.check(0));
  window.record(5000);
  EXPECT_FALSE(window.check(5000));
  EXPECT_TRUE(window.check(4999));
  EXPECT_TRUE(window.check(5000 - 1023));
  EXPECT_FALSE(window.check(5000 - 1024)) << "older than the window";
  EXPECT_TRUE(window.check(5001));
  window.record(5000 - 1023);
  EXPECT_FALSE(window.check(5000 - 1023));
  window.record(5001);
  EXPECT_FALSE(window.check(5000 - 1023)) << "fell out";
  EXPECT_FALSE(window.check(5000));
}

TEST(CtrWindowTest, JumpsAndEdges) {
  CtrWindow window;
  window.reset();
  window.record(0);
  EXPECT_FALSE(window.check(0));
  window.record(UINT64_MAX);
  EXPECT_FALSE(window.check(UINT64_MAX));
  EXPECT_TRUE(window.check(UINT64_MAX - 1023));
  EXPECT_FALSE(window.check(UINT64_MAX - 1024));
  EXPECT_FALSE(window.check(0));
}

TEST(CtrWindowTest, AgreesWithASet) {
  std::mt19937 random(0x51E6E2);  // NOLINT(cert-msc51-cpp): reproducible on purpose
  CtrWindow window;
  window.reset();
  std::set<std::uint64_t> seen;
  std::uint64_t highest = 0;
  for (int i = 0; i < 200'000; ++i) {
    const std::uint64_t jump = random() % 50 == 0 ? random() % 3000 : random() % 20;
    const std::uint64_t counter = std::max<std::uint64_t>(highest + jump, 600) - random() % 600;
    const bool tooOld = !seen.empty() && counter + 1024 <= highest;
    ASSERT_EQ(window.check(counter), !tooOld && !seen.contains(counter)) << i;
    if (!window.check(counter)) continue;
    window.record(counter);
    seen.insert(counter);
    highest = std::max(highest, counter);
  }
}

}  // namespace
}  // namespace siegel
