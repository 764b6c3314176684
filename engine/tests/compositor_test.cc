// Backgrounds: the arithmetic on planes against plain loops, what comes out of frames of every size, shape and
// direction, and that nothing of the room is seen where nobody is.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <vector>

#include "matte/planes.h"
#include "siegel/matte/compositor.h"

namespace siegel::matte {
namespace {

std::vector<std::uint8_t> bytes(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::uint8_t> values(count);
  for (auto& value : values) value = static_cast<std::uint8_t>(random());
  return values;
}

TEST(MattePlanes, ReduceIsTheMeanOfWhatIsThere) {
  for (const auto& [width, height, factor] : std::vector<std::array<std::size_t, 3>>{
           {16, 16, 2}, {17, 19, 2}, {64, 20, 4}, {67, 9, 4}, {50, 33, 6}, {31, 5, 1}}) {
    const std::size_t stride = width + 3;
    const auto in = bytes(stride * height, 1);
    const Extent to{(width + factor - 1) / factor, (height + factor - 1) / factor};
    std::vector<std::uint16_t> sums(width);
    std::vector<std::uint8_t> out(to.area() + 1, 99);
    reduce(in.data(), stride, {width, height}, factor, sums.data(), out.data());
    for (std::size_t y = 0; y < to.height; ++y)
      for (std::size_t x = 0; x < to.width; ++x) {
        double sum = 0;
        double count = 0;
        for (std::size_t j = y * factor; j < std::min(height, (y + 1) * factor); ++j)
          for (std::size_t i = x * factor; i < std::min(width, (x + 1) * factor); ++i, ++count)
            sum += in[j * stride + i];
        ASSERT_NEAR(out[y * to.width + x], sum / count, 1) << width << ' ' << factor << ' ' << x << ' ' << y;
      }
    EXPECT_EQ(out.back(), 99);
  }
}

TEST(MattePlanes, BoxIsTheMeanAround) {
  constexpr Extent kSize{20, 13};
  std::mt19937 random(2);
  std::vector<float> in(kSize.area());
  for (float& value : in) value = static_cast<float>(random() % 1000) / 1000;
  std::vector<float> room(kSize.area());
  std::vector<float> line(kSize.width + 12);
  for (const std::size_t radius : {1U, 4U, 30U}) {
    std::vector<float> out = in;
    box(out.data(), kSize, radius, room.data(), line.data(), out.data());
    const auto reach = static_cast<std::ptrdiff_t>(radius);
    for (std::size_t y = 0; y < kSize.height; ++y)
      for (std::size_t x = 0; x < kSize.width; ++x) {
        double sum = 0;
        const auto inside = [](std::ptrdiff_t at, std::size_t count) {
          return static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(at, 0, static_cast<std::ptrdiff_t>(count) - 1));
        };
        for (std::ptrdiff_t j = -reach; j <= reach; ++j)
          for (std::ptrdiff_t i = -reach; i <= reach; ++i)
            sum += in[inside(static_cast<std::ptrdiff_t>(y) + j, kSize.height) * kSize.width +
                      inside(static_cast<std::ptrdiff_t>(x) + i, kSize.width)];
        ASSERT_NEAR(out[y * kSize.width + x], sum / std::pow(2 * radius + 1, 2), 1e-4) << radius;
      }
  }
}

TEST(MattePlanes, EnlargerIsLinearInBothDirections) {
  constexpr Extent kSize{11, 5};
  std::mt19937 random(3);
  std::vector<std::int16_t> in(kSize.area());
  for (auto& value : in) value = static_cast<std::int16_t>(static_cast<int>(random() % 32001) - 16000);
  for (std::size_t factor = 1; factor <= 28; ++factor) {
    const Enlarger enlarger(factor);
    std::vector<std::int16_t> line(kSize.width + 16);
    std::vector<std::int16_t> wide((kSize.width + 1) * factor + 32);
    for (std::size_t y = 0; y < kSize.height * factor; ++y) {
      enlarger.row(in.data(), kSize, y, line.data(), wide.data());
      const auto place = [factor](std::size_t at, std::size_t count) {
        const double middle = (static_cast<double>(at) + 0.5) / static_cast<double>(factor) - 0.5;
        return std::clamp(middle, 0.0, static_cast<double>(count - 1));
      };
      for (std::size_t x = 0; x < kSize.width * factor; ++x) {
        const double px = place(x, kSize.width);
        const double py = place(y, kSize.height);
        const auto x0 = static_cast<std::size_t>(px);
        const auto y0 = static_cast<std::size_t>(py);
        const auto value = [&](std::size_t i, std::size_t j) {
          return double{
              static_cast<double>(in[std::min(j, kSize.height - 1) * kSize.width + std::min(i, kSize.width - 1)])};
        };
        const double fx = px - static_cast<double>(x0);
        const double fy = py - static_cast<double>(y0);
        const double wanted = (value(x0, y0) * (1 - fx) + value(x0 + 1, y0) * fx) * (1 - fy) +
                              (value(x0, y0 + 1) * (1 - fx) + value(x0 + 1, y0 + 1) * fx) * fy;
        ASSERT_NEAR(wide[x], wanted, 4) << factor << ' ' << x << ' ' << y;
      }
    }
  }
}

// --- Whole frames ----------------------------------------------------------------------------------------------------

constexpr std::size_t kWide = 256;
constexpr std::size_t kHigh = 144;

// A frame with rows further apart than they are long, and guards behind them.
struct Picture {
  Picture(std::size_t wide, std::size_t high, std::size_t gap) : width(wide), height(high) {
    for (std::size_t plane = 0; plane < 3; ++plane) {
      const std::size_t across = plane == 0 ? width : (width + 1) / 2;
      const std::size_t down = plane == 0 ? height : (height + 1) / 2;
      strides[plane] = across + gap;
      // Not a byte more than the last row has: what reads or writes beyond is found.
      data[plane].resize(strides[plane] * (down - 1) + across);
    }
  }
  [[nodiscard]] ConstFrame constant() const { return {{data[0].data(), data[1].data(), data[2].data()}, strides}; }
  [[nodiscard]] Frame frame() { return {{data[0].data(), data[1].data(), data[2].data()}, strides}; }
  [[nodiscard]] std::uint8_t luma(std::size_t x, std::size_t y) const { return data[0][y * strides[0] + x]; }

  std::size_t width, height;
  std::array<std::vector<std::uint8_t>, 3> data;
  std::array<std::size_t, 3> strides{};
};

// Stripes and squares of two pixels: what a receiver would find again.
Picture room(std::size_t width, std::size_t height, std::size_t gap = 0) {
  Picture picture(width, height, gap);
  for (std::size_t y = 0; y < height; ++y)
    for (std::size_t x = 0; x < width; ++x)
      picture.data[0][y * picture.strides[0] + x] = (x / 2 + y / 2) % 2 == 0 ? 40 : 200;
  for (std::size_t plane = 1; plane < 3; ++plane)
    for (std::size_t i = 0; i < picture.data[plane].size(); ++i) picture.data[plane][i] = i % 2 == 0 ? 80 : 180;
  return picture;
}

// How much neighbours two pixels apart differ, at most.
int texture(const Picture& picture, std::size_t left = 0, std::size_t right = ~std::size_t{0}) {
  int most = 0;
  for (std::size_t y = 0; y < picture.height; ++y)
    for (std::size_t x = left; x + 2 < std::min(picture.width, right); ++x)
      most = std::max(most, std::abs(picture.luma(x, y) - picture.luma(x + 2, y)));
  return most;
}

void seen(Compositor& compositor, float person) {
  std::vector<float> rgb(3 * kWide * kHigh);
  compositor.picture(kWide, kHigh, rgb);
  compositor.matte(kWide, kHigh, std::vector<float>(kWide * kHigh, person));
}

TEST(Compositor, ShowsNothingOfTheRoomUntilThereIsAMatteAndAfterCover) {
  for (const auto& [width, height] :
       std::vector<std::array<std::size_t, 2>>{{1280, 720}, {640, 360}, {321, 241}, {64, 48}}) {
    const Picture in = room(width, height);
    Picture out(width, height, 0);
    Compositor compositor;
    ASSERT_TRUE(compositor.open(width, height));
    const auto covered = [&] {
      EXPECT_TRUE(compositor.covered());
      for (const auto effect : {Effect::kBlurLight, Effect::kBlurStrong, Effect::kImage}) {
        compositor.compose(effect, out.frame());
        EXPECT_LE(texture(out), 8) << width;
      }
    };
    compositor.frame(in.constant(), {}, Turn::kNone);
    covered();
    seen(compositor, 1);
    EXPECT_FALSE(compositor.covered());
    compositor.compose(Effect::kBlurStrong, out.frame());
    EXPECT_GT(texture(out), 100);
    compositor.cover();
    covered();
    seen(compositor, 1);
    // Another way up, another size.
    compositor.frame(in.constant(), {}, Turn::kQuarter);
    covered();
    seen(compositor, 1);
    ASSERT_TRUE(compositor.open(width, height));
    compositor.frame(in.constant(), {}, Turn::kNone);
    covered();
  }
}

TEST(Compositor, APersonEverywhereIsTheFrameBitForBit) {
  const Picture in = room(324, 182, 5);
  Picture out(324, 182, 2);
  Compositor compositor;
  ASSERT_TRUE(compositor.open(324, 182));
  compositor.frame(in.constant(), {}, Turn::kNone);
  seen(compositor, 1);
  for (const auto effect : {Effect::kBlurLight, Effect::kBlurStrong}) {
    compositor.compose(effect, out.frame());
    for (std::size_t y = 0; y < 182; ++y)
      for (std::size_t x = 0; x < 324; ++x) ASSERT_EQ(out.luma(x, y), in.luma(x, y));
    for (std::size_t plane = 1; plane < 3; ++plane)
      for (std::size_t y = 0; y < 91; ++y)
        for (std::size_t x = 0; x < 162; ++x)
          ASSERT_EQ(out.data[plane][y * out.strides[plane] + x], in.data[plane][y * in.strides[plane] + x]);
  }
  std::vector<std::uint8_t> matte(324 * 182);
  compositor.showMatte(matte);
  EXPECT_EQ(std::ranges::count(matte, 255), 324 * 182);
}

TEST(Compositor, WhereNobodyIsNothingOfTheRoomIsSeen) {
  const Picture in = room(640, 360);
  Picture out(640, 360, 0);
  Compositor compositor;
  ASSERT_TRUE(compositor.open(640, 360));
  compositor.frame(in.constant(), {}, Turn::kNone);
  seen(compositor, 0);
  for (const auto effect : {Effect::kBlurLight, Effect::kBlurStrong}) {
    compositor.compose(effect, out.frame());
    EXPECT_LE(texture(out), 8);
  }
  // A picture instead: its colours and nothing else.
  std::vector<std::uint8_t> blue(4 * 32 * 32);
  for (std::size_t i = 0; i < blue.size(); i += 4) blue[i + 2] = blue[i + 3] = 255;
  ASSERT_TRUE(compositor.image(blue, 32, 32));
  compositor.compose(Effect::kImage, out.frame());
  for (const std::uint8_t value : out.data[0]) ASSERT_NEAR(value, 41, 1);  // BT.601, 16..235
  for (const std::uint8_t value : out.data[1]) ASSERT_NEAR(value, 240, 1);
  for (const std::uint8_t value : out.data[2]) ASSERT_NEAR(value, 110, 1);
  // The left half is a person's: the middle of each half is that half's.
  std::vector<float> person(kWide * kHigh);
  for (std::size_t i = 0; i < person.size(); ++i) person[i] = i % kWide < kWide / 2 ? 1 : 0;
  compositor.matte(kWide, kHigh, person, false);
  compositor.compose(Effect::kImage, out.frame());
  for (std::size_t y = 0; y < 360; ++y) {
    for (std::size_t x = 0; x < 280; ++x) ASSERT_EQ(out.luma(x, y), in.luma(x, y));
    for (std::size_t x = 360; x < 640; ++x) ASSERT_NEAR(out.luma(x, y), 41, 1);
  }
}

TEST(Compositor, NoColourOfThePersonIsInTheBackground) {
  // A white person in front of a black wall: the wall stays black beside them.
  Picture in(640, 360, 0);
  for (std::size_t y = 0; y < 360; ++y)
    for (std::size_t x = 0; x < 640; ++x) in.data[0][y * 640 + x] = x < 320 ? 235 : 16;
  for (std::size_t plane = 1; plane < 3; ++plane) std::ranges::fill(in.data[plane], std::uint8_t{128});
  Picture out(640, 360, 0);
  Compositor compositor;
  ASSERT_TRUE(compositor.open(640, 360));
  compositor.frame(in.constant(), {}, Turn::kNone);
  std::vector<float> person(kWide * kHigh);
  for (std::size_t i = 0; i < person.size(); ++i) person[i] = i % kWide < kWide / 2 ? 1 : 0;
  compositor.matte(kWide, kHigh, person);
  compositor.compose(Effect::kBlurStrong, out.frame());
  for (std::size_t y = 20; y < 340; ++y) {
    for (std::size_t x = 0; x < 316; ++x) ASSERT_GE(out.luma(x, y), 230) << x;
    for (std::size_t x = 326; x < 640; ++x) ASSERT_LE(out.luma(x, y), 22) << x;
  }
}

TEST(Compositor, TheModelSeesPeopleUprightWhateverWayTheFrameIsTurned) {
  // Bright above, dark below and a bright left edge when shown.
  constexpr std::size_t kLong = 320;
  constexpr std::size_t kShort = 180;
  for (const auto turn : {Turn::kNone, Turn::kQuarter, Turn::kHalf, Turn::kThreeQuarters}) {
    const bool turned = turn == Turn::kQuarter || turn == Turn::kThreeQuarters;
    const std::size_t width = turned ? kShort : kLong;
    const std::size_t height = turned ? kLong : kShort;
    Picture in(width, height, 0);
    for (std::size_t plane = 1; plane < 3; ++plane) std::ranges::fill(in.data[plane], std::uint8_t{128});
    for (std::size_t y = 0; y < height; ++y)
      for (std::size_t x = 0; x < width; ++x) {
        // Where this pixel is shown, after turning clockwise.
        std::size_t column = x;
        std::size_t row = y;
        if (turn == Turn::kQuarter) {
          column = height - 1 - y;
          row = x;
        } else if (turn == Turn::kHalf) {
          column = width - 1 - x;
          row = height - 1 - y;
        } else if (turn == Turn::kThreeQuarters) {
          column = y;
          row = width - 1 - x;
        }
        in.data[0][y * width + x] = static_cast<std::uint8_t>(row < kShort / 2 || column < kLong / 8 ? 200 : 50);
      }
    Compositor compositor;
    ASSERT_TRUE(compositor.open(width, height));
    compositor.frame(in.constant(), {.fullRange = true}, turn);
    std::vector<float> rgb(3 * kWide * kHigh);
    compositor.picture(kWide, kHigh, rgb);
    const auto at = [&](std::size_t x, std::size_t y) { return rgb[3 * (y * kWide + x)] * 255; };
    EXPECT_NEAR(at(128, 20), 200, 2) << static_cast<int>(turn);
    EXPECT_NEAR(at(10, 120), 200, 2) << static_cast<int>(turn);
    EXPECT_NEAR(at(128, 120), 50, 2) << static_cast<int>(turn);
    EXPECT_NEAR(at(246, 120), 50, 2) << static_cast<int>(turn);
    // And back: a person where it is bright is where the frame is bright.
    std::vector<float> person(kWide * kHigh);
    for (std::size_t i = 0; i < person.size(); ++i) person[i] = rgb[3 * i] > 0.5F ? 1 : 0;
    compositor.matte(kWide, kHigh, person);
    Picture out(width, height, 0);
    compositor.compose(Effect::kBlurStrong, out.frame());
    std::vector<std::uint8_t> matte(width * height);
    compositor.showMatte(matte);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < matte.size(); ++i) wrong += (matte[i] > 127) != (in.data[0][i] > 127);
    EXPECT_LT(wrong, matte.size() / 100) << static_cast<int>(turn);
  }
}

TEST(Compositor, StillPicturesDoNotChangeAndMovingOnesDo) {
  Picture in = room(640, 360);
  Compositor compositor;
  ASSERT_TRUE(compositor.open(640, 360));
  const auto changes = [&] {
    compositor.frame(in.constant(), {}, Turn::kNone);
    std::vector<float> rgb(3 * kWide * kHigh);
    compositor.picture(kWide, kHigh, rgb);
    return compositor.change();
  };
  EXPECT_EQ(changes(), 1);
  EXPECT_EQ(changes(), 0);
  std::mt19937 random(4);
  for (auto& value : in.data[0]) value = static_cast<std::uint8_t>(value + random() % 5);
  EXPECT_LT(changes(), 0.02F);
  // A finger.
  for (std::size_t y = 100; y < 140; ++y)
    for (std::size_t x = 300; x < 330; ++x) in.data[0][y * 640 + x] = 220;
  EXPECT_GT(changes(), 0.05F);
}

TEST(Compositor, AnUnsureMatteIsSteadyASureOrAMovingOneIsNot) {
  const Picture still = room(640, 360);
  Compositor compositor;
  ASSERT_TRUE(compositor.open(640, 360));
  std::vector<std::uint8_t> matte(640 * 360);
  Picture out(640, 360, 0);
  const auto shown = [&](const Picture& in, float person) {
    compositor.frame(in.constant(), {}, Turn::kNone);
    seen(compositor, person);
    compositor.compose(Effect::kBlurStrong, out.frame());
    compositor.showMatte(matte);
    return static_cast<int>(matte[180 * 640 + 320]);
  };
  const int first = shown(still, 0.6F);
  EXPECT_NEAR(shown(still, 0.4F), first, 20);
  EXPECT_EQ(shown(still, 1), 255);
  EXPECT_EQ(shown(still, 0), 0);
  Picture bright(640, 360, 0);
  for (std::size_t plane = 0; plane < 3; ++plane) std::ranges::fill(bright.data[plane], std::uint8_t{220});
  shown(still, 0.6F);
  EXPECT_LT(shown(bright, 0.4F), first - 40);
}

TEST(Compositor, EverySizeShapeAndGapStaysInsideItsPlanes) {
  std::mt19937 random(5);
  Compositor compositor;
  for (int round = 0; round < 120; ++round) {
    const std::size_t width = 16 + random() % (round % 10 == 0 ? 2000 : 300);
    const std::size_t height = 16 + random() % (round % 10 == 0 ? 1200 : 300);
    Picture in(width, height, random() % 9);
    for (auto& plane : in.data)
      for (auto& value : plane) value = static_cast<std::uint8_t>(random());
    Picture out(width, height, random() % 9);
    ASSERT_TRUE(compositor.open(width, height));
    compositor.frame(in.constant(), {.fullRange = random() % 2 == 0, .bt709 = random() % 2 == 0},
                     static_cast<Turn>(random() % 4));
    const auto high = random() % 2 == 0 ? kHigh : kWide;
    if (random() % 4 != 0) {
      std::vector<float> rgb(3 * kWide * high);
      compositor.picture(kWide, high, rgb);
      for (const float value : rgb) ASSERT_TRUE(value >= 0 && value <= 1);
      // Also what no network says.
      for (float& value : rgb) value = random() % 50 == 0 ? NAN : static_cast<float>(random() % 1000) / 500 - 0.5F;
      compositor.matte(kWide, high, std::span(rgb).first(kWide * high));
    }
    if (random() % 3 == 0) {
      const std::size_t w = 1 + random() % 90;
      const std::size_t h = 1 + random() % 90;
      ASSERT_TRUE(compositor.image(bytes(4 * w * h, 6), w, h));
    }
    compositor.compose(static_cast<Effect>(random() % 3), out.frame());
  }
  for (const auto& [width, height] :
       std::vector<std::array<std::size_t, 2>>{{15, 16}, {16, 15}, {0, 0}, {4097, 16}, {16, 4097}})
    EXPECT_FALSE(compositor.open(width, height));
  EXPECT_FALSE(compositor.image(bytes(400, 7), 10, 11));
  EXPECT_FALSE(compositor.image({}, 0, 0));
  // Then nothing is written.
  Picture out(64, 64, 0);
  compositor.compose(Effect::kBlurStrong, out.frame());
  EXPECT_EQ(std::ranges::count(out.data[0], 0), 64 * 64);
  // The largest.
  Picture large(4096, 2304, 0);
  ASSERT_TRUE(compositor.open(4096, 2304));
  compositor.frame(large.constant(), {}, Turn::kNone);
  Picture to(4096, 2304, 0);
  compositor.compose(Effect::kBlurStrong, to.frame());
}

}  // namespace
}  // namespace siegel::matte
