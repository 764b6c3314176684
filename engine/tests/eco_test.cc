// Profile eco: its kernels against plain arithmetic, its pitch tracker on sounds whose period is known, the whole with
// made-up weights on input that is no sound, and weights files that lie. Fidelity to RNNoise: tests/unit/denoise, with
// the real weights.
#include "siegel/denoise/eco_denoiser.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <random>
#include <string>
#include <vector>

#include "denoise/blocks.h"
#include "denoise/pitch.h"
#include "siegel/denoise/denoiser.h"
#include "weights_file.h"

namespace siegel::denoise {
namespace {

TEST(DenoiseBlocks, MultiplyAsRowsAndColumns) {
  std::mt19937 random(1);
  constexpr std::size_t kRows = 48;
  constexpr std::size_t kColumns = 384;
  std::vector<std::int8_t> plain(kRows * kColumns);
  std::vector<std::int8_t> values;
  std::vector<std::uint16_t> counts;
  std::vector<std::uint16_t> columns;
  for (std::size_t group = 0; group < kRows / 8; ++group) {
    counts.push_back(0);
    for (std::size_t column = 0; column < kColumns; column += 4) {
      if (random() % 3 != 0) continue;
      ++counts.back();
      columns.push_back(static_cast<std::uint16_t>(column));
      std::array<std::int8_t, 32> block{};
      for (std::size_t row = 0; row < 8; ++row) {
        for (std::size_t c = 0; c < 4; ++c) {
          const auto value = static_cast<std::int8_t>(random());
          plain[(8 * group + row) * kColumns + column + c] = value;
          block[16 * (c / 2) + 8 * (row / 4) + 2 * (row % 4) + c % 2] = value;
        }
      }
      values.insert(values.end(), block.begin(), block.end());
    }
  }
  std::vector<float> x(kColumns);
  std::uniform_real_distribution<float> any(-1, 1);
  for (float& value : x) value = any(random);
  x[0] = -1;
  x[1] = 1;
  std::vector<float> scales(kRows);
  std::vector<float> bias(kRows);
  for (float& value : scales) value = 0.001F * (2 + any(random));
  for (float& value : bias) value = any(random);
  const BlockMatrix matrix{.values = values.data(),
                           .counts = counts.data(),
                           .columns = columns.data(),
                           .scales = scales.data(),
                           .bias = bias.data(),
                           .rows = kRows,
                           .blocks = columns.size()};
  ASSERT_TRUE(matrix.sound(kColumns));
  EXPECT_FALSE(matrix.sound(kColumns - 4)) << "the last column is in use";
  std::vector<float> out(kRows);
  matrix.multiply(x, out.data());
  for (std::size_t row = 0; row < kRows; ++row) {
    std::int64_t total = 0;
    for (std::size_t c = 0; c < kColumns; ++c)
      total += std::int64_t{plain[row * kColumns + c]} * static_cast<std::int64_t>(std::floor(0.5F + 127 * x[c]));
    EXPECT_NEAR(out[row], static_cast<double>(total) * scales[row] + bias[row], 1e-3) << row;
  }
  counts[2]++;
  EXPECT_FALSE(matrix.sound(kColumns)) << "more blocks than there are";
}

TEST(DenoiseBlocks, QuickTangentAndSigmoid) {
  for (float x = -12; x <= 12; x += 0.013F) {
    EXPECT_NEAR(quickTangent(splat(x))[0], std::tanh(x), 1e-4) << x;
    EXPECT_NEAR(quickSigmoid(splat(x))[1], 1 / (1 + std::exp(-x)), 1e-4) << x;
  }
  EXPECT_EQ(quickTangent(splat(1e9F))[0], 1);
  EXPECT_EQ(quickTangent(splat(-1e9F))[0], -1);
}

// Pulses through a resonance, as a voice has them.
std::vector<float> voice(double hertz, std::size_t count) {
  std::vector<float> samples(count);
  const double r = std::exp(-std::numbers::pi * 300 / 48'000);
  double phase = 0;
  double y1 = 0;
  double y2 = 0;
  for (float& sample : samples) {
    phase += hertz / 48'000;
    const double pulse = phase >= 1 ? 20'000 : 0;
    if (phase >= 1) phase -= 1;
    const double y = pulse * (1 - r) + 2 * r * std::cos(2 * std::numbers::pi * 900 / 48'000) * y1 - r * r * y2;
    y2 = y1;
    y1 = y;
    sample = static_cast<float>(y);
  }
  return samples;
}

TEST(DenoisePitch, FindsThePeriodOfVoices) {
  for (const double hertz : {70.0, 95.0, 120.0, 180.0, 250.0, 330.0, 440.0}) {
    PitchTracker tracker;
    const std::vector<float> samples = voice(hertz, 480 * 12);
    std::size_t period = 0;
    for (std::size_t at = 0; at < samples.size(); at += 480)
      period = tracker.follow(std::span(samples).subspan(at, 480));
    EXPECT_NEAR(static_cast<double>(period), 48'000 / hertz, 3) << hertz << " Hz";
  }
}

TEST(DenoisePitch, GivesWhatWasHeardOnePeriodAgo) {
  PitchTracker tracker;
  std::vector<float> samples(480 * 8);
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<float>(i);
  for (std::size_t at = 0; at < samples.size(); at += 480) tracker.follow(std::span(samples).subspan(at, 480));
  for (const std::size_t period : {PitchTracker::kLeast, std::size_t{300}, PitchTracker::kMost}) {
    const std::span<const float> before = tracker.before(period);
    ASSERT_EQ(before.size(), 960U);
    EXPECT_EQ(before.back(), static_cast<float>(samples.size() - 1 - period));
  }
}

TEST(DenoisePitch, StaysWithinBoundsOnAnything) {
  PitchTracker tracker;
  std::mt19937 random(9);
  std::vector<float> frame(480);
  for (int round = 0; round < 400; ++round) {
    const float size = std::pow(10.0F, static_cast<float>(random() % 12) - 6);
    for (float& sample : frame) sample = round % 5 == 0 ? size : size * (static_cast<float>(random()) / 2e9F - 1);
    const std::size_t period = tracker.follow(frame);
    ASSERT_GE(period, PitchTracker::kLeast);
    ASSERT_LE(period, PitchTracker::kMost);
  }
}

// A weights file of the right shapes with made-up numbers.
class Eco : public ::testing::Test, protected WeightsFile {
 protected:
  Eco() {
    std::mt19937 random(4);
    const auto floats = [&](std::string name, std::uint32_t count, float size) {
      std::uniform_real_distribution<float> any(-size, size);
      std::vector<float> values(count);
      for (float& value : values) value = any(random);
      add(std::move(name), Kind::kFloat, {1, 1, 1, count}, bytesOf(values));
    };
    const auto numbers = [&](std::string name, const std::vector<std::uint16_t>& values) {
      add(std::move(name), Kind::kIndex, {1, 1, 1, static_cast<std::uint32_t>(values.size())}, bytesOf(values));
    };
    const auto matrix = [&](const std::string& name, std::uint32_t rows, std::uint32_t blocks) {
      std::vector<std::uint8_t> bytes(std::size_t{blocks} * 32);
      for (std::uint8_t& each : bytes) each = static_cast<std::uint8_t>(random());
      add(name + ".w", Kind::kBytes, {1, 1, blocks, 32}, std::move(bytes));
      const std::uint32_t each = blocks / (rows / 8);
      numbers(name + ".n", std::vector<std::uint16_t>(rows / 8, static_cast<std::uint16_t>(each)));
      std::vector<std::uint16_t> columns(blocks);
      for (std::uint32_t i = 0; i < blocks; ++i) columns[i] = static_cast<std::uint16_t>(i % each * 384 / each / 4 * 4);
      numbers(name + ".at", columns);
      floats(name + ".s", rows, 2e-4F);
      floats(name + ".b", rows, 0.5F);
    };
    floats("conv1.w", 195 * 128, 0.1F);
    floats("conv1.b", 128, 0.5F);
    matrix("conv2", 384, 4608);
    for (const std::string gru : {"gru1", "gru2", "gru3"}) {
      matrix(gru + ".in", 1152, 4608);
      matrix(gru + ".re", 1152, 4608);
      floats(gru + ".diag", 1152, 0.5F);
    }
    floats("dense.w", 384 * 32, 0.1F);
    floats("dense.b", 32, 1);
    floats("voice.w", 384, 0.1F);
    floats("voice.b", 1, 1);
    write();
  }
};

using Frame = std::array<float, EcoDenoiser::kFrame>;

TEST_F(Eco, WorksOnEveryKindOfInput) {
  EcoDenoiser denoiser;
  ASSERT_EQ(denoiser.load(bytes()), WeightsError::kNone);
  std::mt19937 random(2);
  Frame in{};
  Frame out{};
  const std::array<float, 9> odd = {
      0,    1, -1, 1e-40F, 1e-7F, 0.5F, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
      1e30F};
  for (int frame = 0; frame < 300; ++frame) {
    for (std::size_t i = 0; i < in.size(); ++i) {
      const float value = odd[static_cast<std::size_t>(frame / 10) % odd.size()];
      // Constant, square wave, single clicks, noise.
      if (frame % 4 == 0) in[i] = value;
      if (frame % 4 == 1) in[i] = i / 24 % 2 == 0 ? value : -value;
      if (frame % 4 == 2) in[i] = i == 200 ? value : 0;
      if (frame % 4 == 3) in[i] = value * (static_cast<float>(random()) / 2e9F - 1);
    }
    denoiser.process(in, out);
    for (const float sample : out) ASSERT_TRUE(std::isfinite(sample) && std::abs(sample) < 40) << frame;
    ASSERT_TRUE(denoiser.voice() >= 0 && denoiser.voice() <= 1);
    for (const float gain : denoiser.gains()) ASSERT_TRUE(gain >= 0 && gain <= 1);
  }
}

TEST_F(Eco, ResetForgetsEverything) {
  EcoDenoiser denoiser;
  ASSERT_EQ(denoiser.load(bytes()), WeightsError::kNone);
  const std::vector<float> samples = voice(140, 480 * 10);
  const auto run = [&] {
    std::vector<float> all;
    Frame in{};
    Frame out{};
    for (std::size_t at = 0; at < samples.size(); at += 480) {
      std::transform(samples.begin() + static_cast<std::ptrdiff_t>(at),
                     samples.begin() + static_cast<std::ptrdiff_t>(at + 480), in.begin(),
                     [](float sample) { return sample / 32768; });
      denoiser.process(in, out);
      all.insert(all.end(), out.begin(), out.end());
    }
    return all;
  };
  const std::vector<float> first = run();
  denoiser.reset();
  EXPECT_EQ(run(), first);
}

// With everything passing what is left is the delay and the high-pass, which a tone of 1 kHz does not notice.
TEST_F(Eco, WithoutTakingAnythingAwayItIsADelay) {
  EcoDenoiser denoiser;
  ASSERT_EQ(denoiser.load(bytes()), WeightsError::kNone);
  denoiser.setLimit(0);
  std::vector<float> said;
  std::vector<float> heard;
  Frame in{};
  Frame out{};
  for (int frame = 0; frame < 40; ++frame) {
    for (float& sample : in) {
      sample =
          static_cast<float>(0.3 * std::sin(2 * std::numbers::pi * 1000 * static_cast<double>(said.size()) / 48'000));
      said.push_back(sample);
    }
    denoiser.process(in, out);
    heard.insert(heard.end(), out.begin(), out.end());
  }
  for (std::size_t i = 480 * 20; i < heard.size(); ++i) ASSERT_NEAR(heard[i], said[i - EcoDenoiser::kDelay], 0.01) << i;
}

TEST_F(Eco, SilentBeforeWeightsAndOnRefusedOnes) {
  EcoDenoiser denoiser;
  EXPECT_EQ(denoiser.load(bytes().first(bytes().size() - 16)), WeightsError::kFormat);
  EXPECT_FALSE(denoiser.ready());
  Frame in{};
  in.fill(0.5F);
  Frame out{};
  out.fill(7);
  denoiser.process(in, out);
  for (const float value : out) EXPECT_EQ(value, 0);
}

TEST_F(Eco, BlocksThatLieOutsideAreRefused) {
  const auto with = [&](const std::string& name, std::size_t index, std::uint16_t value) {
    std::uint8_t* at = place(name) + 2 * index;
    std::uint16_t before = 0;
    std::memcpy(&before, at, 2);
    std::memcpy(at, &value, 2);
    EcoDenoiser denoiser;
    const WeightsError error = denoiser.load(bytes());
    std::memcpy(at, &before, 2);
    return error;
  };
  EXPECT_EQ(with("gru2.re.at", 17, 384), WeightsError::kTensor);
  EXPECT_EQ(with("gru2.re.at", 17, 2), WeightsError::kTensor);
  EXPECT_EQ(with("gru2.re.at", 4607, 65'532), WeightsError::kTensor);
  EXPECT_EQ(with("gru1.in.n", 0, 33), WeightsError::kTensor);
  EXPECT_EQ(with("conv2.n", 47, 65'535), WeightsError::kTensor);
  EXPECT_EQ(with("conv2.at", 0, 380), WeightsError::kNone);
}

TEST_F(Eco, ATableThatLiesIsNotFollowed) {
  std::mt19937 random(7);
  const std::size_t table = tableEnd();
  for (int round = 0; round < 300; ++round) {
    const std::size_t at = random() % table;
    const std::uint8_t before = writable()[at];
    writable()[at] = static_cast<std::uint8_t>(random());
    EcoDenoiser denoiser;
    // Either refused, or nothing outside of the file is read (the sanitizers look).
    if (denoiser.load(bytes()) == WeightsError::kNone) {
      Frame in{};
      Frame out{};
      in.fill(0.1F);
      denoiser.process(in, out);
    }
    writable()[at] = before;
  }
}

// A change between eco and nothing: both delayed by the same, the sound goes on.
TEST_F(Eco, AChangeOfProfileIsNotHeard) {
  Denoiser denoiser;
  ASSERT_EQ(denoiser.load(Profile::kEco, bytes()), WeightsError::kNone);
  ASSERT_TRUE(denoiser.choose(Profile::kEco));
  denoiser.setLimit(0);
  EXPECT_EQ(denoiser.delay(), EcoDenoiser::kDelay);
  std::vector<float> said;
  std::vector<float> heard;
  Frame in{};
  Frame out{};
  for (int frame = 0; frame < 120; ++frame) {
    if (frame == 40) {
      ASSERT_TRUE(denoiser.choose(Profile::kOff));
    }
    if (frame == 70) {
      ASSERT_TRUE(denoiser.choose(Profile::kEco));
    }
    for (float& sample : in) {
      sample =
          static_cast<float>(0.3 * std::sin(2 * std::numbers::pi * 1000 * static_cast<double>(said.size()) / 48'000));
      said.push_back(sample);
    }
    denoiser.process(in, out);
    heard.insert(heard.end(), out.begin(), out.end());
  }
  EXPECT_EQ(denoiser.running(), Profile::kEco);
  for (std::size_t i = 480 * 20; i < heard.size(); ++i) ASSERT_NEAR(heard[i], said[i - EcoDenoiser::kDelay], 0.01) << i;
}

}  // namespace
}  // namespace siegel::denoise
