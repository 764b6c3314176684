// Resampling: tones keep their level and gain no others, blocks of any size give the same samples, and odd rates are
// refused.
#include "siegel/denoise/resampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

namespace siegel::denoise {
namespace {

std::vector<float> tone(std::uint32_t rate, double frequency, std::size_t count) {
  std::vector<float> x(count);
  for (std::size_t n = 0; n < count; ++n)
    x[n] = static_cast<float>(std::sin(2 * std::numbers::pi * frequency * static_cast<double>(n) / rate));
  return x;
}

std::vector<float> convert(Resampler& resampler, const std::vector<float>& x, std::size_t block) {
  std::vector<float> y;
  for (std::size_t at = 0; at < x.size(); at += block) {
    const std::span<const float> part = std::span(x).subspan(at, std::min(block, x.size() - at));
    std::vector<float> out(resampler.most(part.size()));
    const std::size_t count = resampler.process(part, out);
    EXPECT_LE(count, out.size());
    y.insert(y.end(), out.begin(), out.begin() + static_cast<std::ptrdiff_t>(count));
  }
  return y;
}

// Level of one frequency in dB, and of everything else, without the ends.
std::pair<double, double> levels(const std::vector<float>& y, std::uint32_t rate, double frequency) {
  const std::size_t skip = y.size() / 4;
  double re = 0;
  double im = 0;
  double power = 0;
  double weight = 0;
  double squares = 0;
  for (std::size_t n = skip; n < y.size() - skip; ++n) {
    const double place = static_cast<double>(n - skip) / static_cast<double>(y.size() - 2 * skip);
    const double w = 0.5 - 0.5 * std::cos(2 * std::numbers::pi * place);
    const double angle = 2 * std::numbers::pi * frequency * static_cast<double>(n) / rate;
    re += w * static_cast<double>(y[n]) * std::cos(angle);
    im += w * static_cast<double>(y[n]) * std::sin(angle);
    power += w * w * static_cast<double>(y[n]) * static_cast<double>(y[n]);
    weight += w;
    squares += w * w;
  }
  const double amplitude = 2 * std::hypot(re, im) / weight;
  const double rest = power / squares - amplitude * amplitude / 2;
  return {20 * std::log10(amplitude + 1e-12), 10 * std::log10(std::abs(rest) * 2 + 1e-12)};
}

TEST(Resampler, TonesKeepTheirLevelAndGainNoOthers) {
  for (const auto& [from, to] : std::vector<std::pair<std::uint32_t, std::uint32_t>>{{8000, 48000},
                                                                                     {16000, 48000},
                                                                                     {44100, 48000},
                                                                                     {48000, 44100},
                                                                                     {48000, 16000},
                                                                                     {48000, 8000},
                                                                                     {96000, 48000}}) {
    const double lower = std::min(from, to);
    for (const double share : {0.02, 0.2, 0.44}) {
      Resampler resampler(from, to);
      ASSERT_TRUE(resampler.ok());
      const double frequency = std::round(lower * share);
      const auto y = convert(resampler, tone(from, frequency, from / 2), 480);
      EXPECT_NEAR(static_cast<double>(y.size()), to / 2.0, 2);
      const auto [level, rest] = levels(y, to, frequency);
      EXPECT_NEAR(level, 0, 0.1) << from << " to " << to << ", " << frequency << " Hz";
      EXPECT_LT(rest, -70) << from << " to " << to << ", " << frequency << " Hz";
    }
  }
}

TEST(Resampler, WhatTheLowerRateCannotHoldIsGone) {
  Resampler resampler(48000, 16000);
  const auto y = convert(resampler, tone(48000, 9000, 24000), 128);
  // Where it would be mirrored to.
  EXPECT_LT(levels(y, 16000, 7000).first, -70);
}

TEST(Resampler, BlocksOfAnySizeGiveTheSameSamples) {
  const auto x = tone(44100, 1234, 9000);
  Resampler once(44100, 48000);
  const auto whole = convert(once, x, x.size());
  for (const std::size_t block : {std::size_t{1}, std::size_t{7}, std::size_t{128}, std::size_t{1025}}) {
    Resampler parts(44100, 48000);
    EXPECT_EQ(convert(parts, x, block), whole) << block;
  }
  once.reset();
  EXPECT_EQ(convert(once, x, 480), whole);
}

TEST(Resampler, AConstantStaysOne) {
  Resampler resampler(11025, 48000);
  const std::vector<float> x(4000, 0.25F);
  const auto y = convert(resampler, x, 100);
  for (std::size_t n = 2000; n < y.size(); ++n) ASSERT_NEAR(y[n], 0.25F, 1e-6);
}

TEST(Resampler, SaysWhichRatesItDoesNotTake) {
  for (const auto& [from, to] : std::vector<std::pair<std::uint32_t, std::uint32_t>>{
           {0, 48000}, {7999, 48000}, {48000, 400'000}, {48001, 47999}}) {
    Resampler resampler(from, to);
    EXPECT_FALSE(resampler.ok());
    std::vector<float> x(10, 1);
    std::vector<float> out(100, 5);
    EXPECT_EQ(resampler.process(x, out), 0U);
    EXPECT_EQ(resampler.most(10), 0U);
  }
}

}  // namespace
}  // namespace siegel::denoise
