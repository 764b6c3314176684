// The denoiser's parts against plain arithmetic in double, its weights file against everything that is none, and the
// whole with made-up weights on input that is no sound. Fidelity to the published model: tests/unit/denoise, with the
// real weights.
#include "siegel/denoise/hq_denoiser.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <numbers>
#include <random>
#include <string>
#include <vector>

#include "denoise/fft.h"
#include "denoise/layers.h"
#include "denoise/level_follower.h"
#include "siegel/denoise/denoiser.h"
#include "siegel/denoise/stream.h"
#include "weights_file.h"

namespace siegel::denoise {
namespace {

std::vector<float> noise(std::size_t count, std::uint32_t seed, float size = 1) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> any(-size, size);
  std::vector<float> values(count);
  for (float& value : values) value = any(random);
  return values;
}

TEST(DenoiseMath, ExponentialSigmoidTangent) {
  for (float x = -30; x <= 30; x += 0.37F) {
    const float e = exponential(splat(x))[1];
    EXPECT_NEAR(e / std::exp(static_cast<double>(x)), 1, 4e-7 + 8e-8 * std::abs(x)) << x;
    EXPECT_NEAR(sigmoid(splat(x))[2], 1 / (1 + std::exp(-static_cast<double>(x))), 3e-7) << x;
    EXPECT_NEAR(hyperbolicTangent(splat(x))[3], std::tanh(static_cast<double>(x)), 3e-7) << x;
  }
  // Far out it stays finite.
  EXPECT_EQ(hyperbolicTangent(splat(1e30F))[0], 1);
  EXPECT_EQ(hyperbolicTangent(splat(-1e30F))[0], -1);
}

TEST(DenoiseFft, IsTheFourierTransform) {
  Fft fft;
  std::array<float, kWindow> x{};
  std::ranges::copy(noise(kWindow, 1), x.begin());
  Spectrum spectrum;
  fft.forward(x, 0.5F, spectrum);
  for (std::size_t k = 0; k < kBins; k += 7) {
    std::complex<double> wanted = 0;
    for (std::size_t n = 0; n < kWindow; ++n)
      wanted += static_cast<double>(x[n]) *
                std::polar(0.5, -2 * std::numbers::pi * static_cast<double>(k * n % kWindow) / kWindow);
    EXPECT_NEAR(spectrum.re[k], wanted.real(), 2e-5) << k;
    EXPECT_NEAR(spectrum.im[k], wanted.imag(), 2e-5) << k;
  }
}

TEST(DenoiseFft, BackwardUndoesForward) {
  Fft fft;
  std::array<float, kWindow> x{};
  std::ranges::copy(noise(kWindow, 2), x.begin());
  Spectrum spectrum;
  fft.forward(x, 1.0F / kWindow, spectrum);
  std::array<float, kWindow> y{};
  fft.backward(spectrum, y);
  for (std::size_t n = 0; n < kWindow; ++n) EXPECT_NEAR(y[n], x[n], 2e-6) << n;
}

TEST(DenoiseLayers, Pointwise) {
  constexpr std::size_t kWidth = 8;
  const auto in = noise(kWidth * kChannels, 3);
  const auto weight = noise(kChannels * kChannels, 4);
  const auto bias = noise(kChannels, 5);
  std::vector<float> out(in.size());
  pointwise(in.data(), out.data(), weight.data(), bias.data(), kWidth);
  for (std::size_t f = 0; f < kWidth; ++f) {
    for (std::size_t o = 0; o < kChannels; ++o) {
      double wanted = bias[o];
      for (std::size_t i = 0; i < kChannels; ++i)
        wanted += static_cast<double>(in[f * kChannels + i]) * weight[i * kChannels + o];
      EXPECT_NEAR(out[f * kChannels + o], std::max(wanted, 0.0), 1e-5);
    }
  }
}

TEST(DenoiseLayers, DepthwiseDownAndUp) {
  constexpr std::size_t kWidth = 16;
  const auto in = noise(kWidth * kChannels, 6);
  const auto weight = noise(3 * kChannels, 7);
  const auto at = [&](std::size_t f, std::size_t c, int shift) -> double {
    const auto place = static_cast<std::ptrdiff_t>(f) + shift;
    if (place < 0 || place >= static_cast<std::ptrdiff_t>(kWidth)) return 0;
    return in[static_cast<std::size_t>(place) * kChannels + c];
  };
  for (const std::size_t stride : {std::size_t{1}, std::size_t{2}}) {
    std::vector<float> out(kWidth / stride * kChannels);
    depthwise(in.data(), out.data(), weight.data(), kWidth, stride);
    for (std::size_t f = 0; f < kWidth / stride; ++f) {
      for (std::size_t c = 0; c < kChannels; ++c) {
        double wanted = 0;
        for (int k = 0; k < 3; ++k)
          wanted += at(f * stride, c, k - 1) * weight[static_cast<std::size_t>(k) * kChannels + c];
        EXPECT_NEAR(out[f * kChannels + c], wanted, 1e-6);
      }
    }
  }
  std::vector<float> up(2 * kWidth * kChannels);
  depthwiseUp(in.data(), up.data(), weight.data(), kWidth);
  for (std::size_t f = 0; f < kWidth; ++f) {
    for (std::size_t c = 0; c < kChannels; ++c) {
      EXPECT_NEAR(up[2 * f * kChannels + c], at(f, c, 0) * weight[kChannels + c], 1e-6);
      EXPECT_NEAR(up[(2 * f + 1) * kChannels + c], at(f, c, 0) * weight[2 * kChannels + c] + at(f, c, 1) * weight[c],
                  1e-6);
    }
  }
}

TEST(DenoiseLayers, GroupedLinear) {
  constexpr std::size_t kGroups = 4;
  constexpr std::size_t kInputs = 6;
  constexpr std::size_t kOutputs = 8;
  const auto in = noise(kGroups * kInputs, 8);
  const auto weight = noise(kGroups * kInputs * kOutputs, 9);
  std::vector<float> out(kGroups * kOutputs);
  groupedLinear(in.data(), out.data(), weight.data(), kGroups, kInputs, kOutputs);
  for (std::size_t g = 0; g < kGroups; ++g) {
    for (std::size_t h = 0; h < kOutputs; ++h) {
      double wanted = 0;
      for (std::size_t i = 0; i < kInputs; ++i)
        wanted += static_cast<double>(in[g * kInputs + i]) * weight[(g * kInputs + i) * kOutputs + h];
      EXPECT_NEAR(out[g * kOutputs + h], wanted, 1e-6);
    }
  }
}

struct TestGru {
  explicit TestGru(std::uint32_t seed)
      : scales(noise(2 * kGateRows, seed, 0.01F)), bias(noise(2 * kGateRows, seed + 1)) {
    std::mt19937 random(seed);
    for (auto* matrix : {&input, &recurrent}) {
      matrix->resize(kGateRows * kHidden);
      for (auto& value : *matrix) value = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
    }
    gru = {{input.data(), scales.data()}, {recurrent.data(), scales.data() + kGateRows}, bias.data()};
  }
  std::vector<std::int8_t> input;
  std::vector<std::int8_t> recurrent;
  std::vector<float> scales;
  std::vector<float> bias;
  Gru gru;
};

TEST(DenoiseLayers, GatedRecurrentUnit) {
  const TestGru test(10);
  const auto x = noise(kHidden, 12);
  auto hidden = noise(kHidden, 13);
  std::vector<double> state(hidden.begin(), hidden.end());
  const auto product = [&](const std::vector<std::int8_t>& matrix, std::size_t scale, const auto& from,
                           std::size_t row) {
    double total = 0;
    for (std::size_t k = 0; k < kHidden; ++k) total += static_cast<double>(matrix[row * kHidden + k]) * from[k];
    return total * test.scales[scale + row];
  };
  const auto squash = [](double value) { return 1 / (1 + std::exp(-value)); };
  const std::vector<double> before = state;
  for (std::size_t i = 0; i < kHidden; ++i) {
    const auto in = [&](std::size_t gate) {
      return product(test.input, 0, x, gate * kHidden + i) + test.bias[gate * kHidden + i];
    };
    const auto again = [&](std::size_t gate) {
      return product(test.recurrent, kGateRows, before, gate * kHidden + i) + test.bias[kGateRows + gate * kHidden + i];
    };
    const double update = squash(in(0) + again(0));
    const double reset = squash(in(1) + again(1));
    const double fresh = std::tanh(in(2) + reset * again(2));
    state[i] = (1 - update) * fresh + update * before[i];
  }
  test.gru.step(x.data(), hidden.data());
  // Activations are rounded to 16 bits.
  for (std::size_t i = 0; i < kHidden; ++i) EXPECT_NEAR(hidden[i], state[i], 2e-3) << i;
}

constexpr float kRms = 0.5774F;  // of noise(): uniform, -1..1

// Windows of a talker with that level (dBFS), every third one a pause 25 dB below it; the gain after the last.
float talk(LevelFollower& follower, float level, int windows) {
  const float scale = std::pow(10.0F, level / 20) / kRms;
  auto loud = noise(kWindow, 14, 1);
  for (float& x : loud) x *= scale;
  auto pause = loud;
  for (float& x : pause) x *= 0.0562F;
  float gain = 0;
  for (int window = 0; window < windows; ++window) gain = follower.update(window % 3 == 0 ? pause : loud);
  return gain;
}

TEST(DenoiseLevel, BringsATalkerToTheLevelThatTheNetworkKnowsWithinTheFirstWords) {
  for (const float level : {-56.0F, -46.0F, -36.0F, -30.0F}) {
    LevelFollower follower;
    EXPECT_NEAR(talk(follower, level, 40), -26 - level, 1.5F) << level;
    EXPECT_NEAR(talk(follower, level, 1000), -26 - level, 1) << level;
  }
}

TEST(DenoiseLevel, LeavesALoudTalkerAlmostAsHeIs) {
  LevelFollower follower;
  EXPECT_EQ(talk(follower, -10, 40), -3);
  EXPECT_EQ(talk(follower, -10, 1000), -3);
}

TEST(DenoiseLevel, NoiseMovesItSlowlyAndATalkerIsFoundWithinASecondAfterIt) {
  LevelFollower follower;
  const float scale = std::pow(10.0F, -60.0F / 20) / kRms;
  auto hiss = noise(kWindow, 15, 1);
  for (float& x : hiss) x *= scale;
  // A talker is expected 25 dB above it, at the first window as after five seconds.
  EXPECT_NEAR(follower.update(hiss), 9, 1);
  float gain = 0;
  for (int window = 0; window < 500; ++window) gain = follower.update(hiss);
  EXPECT_NEAR(gain, 9, 1);
  // After a minute it may be all that this microphone ever hears.
  for (int window = 0; window < 6000; ++window) gain = follower.update(hiss);
  EXPECT_NEAR(gain, 34, 1);
  for (const float level : {-30.0F, -40.0F}) {
    LevelFollower after = follower;
    EXPECT_NEAR(talk(after, level, 100), -26 - level, 1.5F) << level;
  }
}

TEST(DenoiseLevel, APauseChangesNothing) {
  LevelFollower follower;
  const float before = talk(follower, -50, 600);
  const std::vector<float> silence(kWindow, 0.0F);
  float gain = 0;
  for (int window = 0; window < 6000; ++window) gain = follower.update(silence);
  EXPECT_EQ(gain, before);
}

TEST(DenoiseLevel, AfterTheFirstWordsTheGainMovesByADecibelAFrame) {
  LevelFollower follower;
  float gain = talk(follower, -50, 600);
  const auto loud = noise(kWindow, 16, 0.6F);
  for (int window = 0; window < 300; ++window) {
    const float next = follower.update(loud);
    EXPECT_LE(std::abs(next - gain), 1.001F);
    gain = next;
  }
  EXPECT_EQ(gain, -3);
}

// --- The weights file ------------------------------------------------------------------------------------------------

struct Spec {
  const char* name;
  Shape shape;
  bool quantised;
};
constexpr Shape vector(std::uint32_t count) { return {1, 1, 1, count}; }
constexpr Shape kDepth = {1, 3, 64, 1};
constexpr Shape kPoint = {1, 64, 64, 1};
constexpr Shape kGate = {1, 1, 768, 256};

const std::vector<Spec>& specs() {
  static const std::vector<Spec> all = [] {
    std::vector<Spec> list = {
        {"erb0.w", {1, 9, 64, 1}, true},    {"erb0.b", vector(64), false},      {"df0.w", {1, 9, 64, 1}, true},
        {"df0.pw", kPoint, true},           {"df0.b", vector(64), false},       {"enc.df", {32, 96, 16, 1}, true},
        {"enc.in", {16, 32, 16, 1}, true},  {"enc.out", {16, 16, 32, 1}, true}, {"lsnr.w", vector(512), false},
        {"lsnr.b", vector(1), false},       {"erb.in", {16, 32, 16, 1}, true},  {"erb.out", {16, 16, 32, 1}, true},
        {"mask.w", {1, 1, 1, 192}, true},   {"mask.b", vector(1), false},       {"df.in", {8, 64, 32, 1}, true},
        {"df.skip", {16, 32, 16, 1}, true}, {"df.out", {16, 16, 60, 1}, true},  {"path.w", {1, 5, 10, 32}, true},
        {"path.pw", {1, 10, 10, 1}, true},  {"path.b", vector(10), false}};
    static std::vector<std::string> names;
    names.reserve(60);
    const auto add = [&](std::string name, Shape shape, bool quantised) {
      names.push_back(std::move(name));
      list.push_back({names.back().c_str(), shape, quantised});
    };
    for (const std::string name : {"erb1", "erb2", "erb3", "df1", "up3", "up2", "up1"}) {
      add(name + ".dw", kDepth, true);
      add(name + ".pw", kPoint, true);
      add(name + ".b", vector(64), false);
    }
    for (const std::string name : {"enc.gru", "erb.gru1", "erb.gru2", "df.gru1", "df.gru2"}) {
      add(name + ".w", kGate, true);
      add(name + ".r", kGate, true);
      add(name + ".b", vector(1536), false);
    }
    for (const std::string name : {"skip3", "skip2", "skip1", "skip0"}) {
      add(name + ".s", vector(64), false);
      add(name + ".b", vector(64), false);
    }
    return list;
  }();
  return all;
}

// A file with random weights of a sensible size.
class DenoiseWhole : public testing::Test, protected WeightsFile {
 protected:
  DenoiseWhole() {
    std::mt19937 random(99);
    const auto floats = [&](std::size_t count, float size) {
      std::vector<float> values(count);
      for (float& value : values) value = size * (static_cast<float>(random() % 2001) / 1000 - 1);
      return bytesOf(values);
    };
    for (const auto& [name, shape, quantised] : specs()) {
      const std::size_t count = std::size_t{shape.groups} * shape.outer * shape.channels * shape.inner;
      if (!quantised) {
        add(name, Kind::kFloat, shape, floats(count, 0.1F));
        continue;
      }
      std::vector<std::uint8_t> values(count);
      for (std::uint8_t& value : values) value = static_cast<std::uint8_t>(random());
      add(name, Kind::kScaled, shape, std::move(values), floats(std::size_t{shape.groups} * shape.channels, 0.002F));
    }
    write();
  }
};

TEST_F(DenoiseWhole, LoadsAndWorksOnEveryKindOfInput) {
  HqDenoiser denoiser;
  ASSERT_EQ(denoiser.load(bytes()), WeightsError::kNone);
  std::array<float, HqDenoiser::kFrame> in{};
  std::array<float, HqDenoiser::kFrame> out{};
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<std::vector<float>> inputs = {
      std::vector<float>(480, 0.0F),
      std::vector<float>(480, 1.0F),
      std::vector<float>(480, std::numeric_limits<float>::quiet_NaN()),
      std::vector<float>(480, infinity),
      std::vector<float>(480, 1e-42F),
      std::vector<float>(480, 1e20F),
      noise(480, 20, 1),
      noise(480, 21, 1e-6F),
  };
  for (int round = 0; round < 8; ++round) {
    for (const auto& input : inputs) {
      std::ranges::copy(input, in.begin());
      denoiser.process(in, out);
      for (const float value : out) ASSERT_TRUE(std::abs(value) < 100);
    }
  }
  EXPECT_GE(denoiser.signalToNoise(), -15);
  EXPECT_LE(denoiser.signalToNoise(), 35);
  for (const float value : denoiser.mask()) EXPECT_TRUE(value >= 0 && value <= 1);
}

TEST_F(DenoiseWhole, ResetForgetsEverything) {
  HqDenoiser denoiser;
  ASSERT_EQ(denoiser.load(bytes()), WeightsError::kNone);
  std::array<float, HqDenoiser::kFrame> in{};
  std::array<float, HqDenoiser::kFrame> first{};
  std::array<float, HqDenoiser::kFrame> second{};
  const auto run = [&](std::array<float, HqDenoiser::kFrame>& out) {
    for (std::uint32_t frame = 0; frame < 6; ++frame) {
      std::ranges::copy(noise(480, 30 + frame, 0.1F), in.begin());
      denoiser.process(in, out);
    }
  };
  run(first);
  denoiser.reset();
  run(second);
  EXPECT_EQ(first, second);
}

TEST_F(DenoiseWhole, WithoutLimitNothingOfTheNoisyStaysWithZeroAllOfIt) {
  HqDenoiser denoiser;
  ASSERT_EQ(denoiser.load(bytes()), WeightsError::kNone);
  denoiser.setLimit(0);
  // Everything passes, three frames late; exactly what went in, up to rounding.
  std::vector<float> heard;
  std::vector<float> said;
  std::array<float, HqDenoiser::kFrame> in{};
  std::array<float, HqDenoiser::kFrame> out{};
  for (std::uint32_t frame = 0; frame < 12; ++frame) {
    const auto block = noise(480, 50 + frame, 0.1F);
    std::ranges::copy(block, in.begin());
    denoiser.process(in, out);
    said.insert(said.end(), block.begin(), block.end());
    heard.insert(heard.end(), out.begin(), out.end());
  }
  for (std::size_t i = HqDenoiser::kDelay; i < heard.size(); ++i)
    ASSERT_NEAR(heard[i], said[i - HqDenoiser::kDelay], 1e-6) << i;
}

// With everything passing, a stream is a delay: the same at every rate and for every size of block.
TEST_F(DenoiseWhole, AStreamGivesAsMuchAsItTakesAndKeepsItsDelay) {
  Denoiser denoiser;
  ASSERT_EQ(denoiser.load(Profile::kHq, bytes()), WeightsError::kNone);
  ASSERT_TRUE(denoiser.choose(Profile::kHq));
  denoiser.setLimit(0);
  for (const std::uint32_t rate : {48'000U, 8000U, 16'000U, 44'100U, 96'000U}) {
    for (const std::size_t size : {std::size_t{128}, std::size_t{480}, std::size_t{1500}}) {
      Stream stream(denoiser, rate);
      ASSERT_TRUE(stream.ok());
      std::vector<float> said;
      std::vector<float> heard;
      std::vector<float> out(size);
      while (said.size() < rate / 3) {
        std::vector<float> in(size);
        for (std::size_t i = 0; i < size; ++i) {
          const double t = static_cast<double>(said.size() + i) / rate;
          in[i] = static_cast<float>(0.3 * std::sin(2 * std::numbers::pi * 300 * t) +
                                     0.2 * std::sin(2 * std::numbers::pi * 1170 * t));
        }
        stream.process(in, out);
        said.insert(said.end(), in.begin(), in.end());
        heard.insert(heard.end(), out.begin(), out.end());
      }
      double error = 0;
      double power = 0;
      for (std::size_t i = rate / 5; i < heard.size(); ++i) {
        error += std::pow(static_cast<double>(heard[i]) - static_cast<double>(said[i - stream.delay()]), 2);
        power += std::pow(static_cast<double>(said[i - stream.delay()]), 2);
      }
      // Resampled, the delay is no whole number of samples.
      EXPECT_LT(10 * std::log10(error / power), rate == 48'000 ? -80 : -10) << rate << " in blocks of " << size;
    }
  }
  Stream odd(denoiser, 4000);
  EXPECT_FALSE(odd.ok());
}

// A denoiser that is given a sound, frame by frame, and remembers both sides.
class Running {
 public:
  explicit Running(Denoiser& denoiser) : denoiser_(denoiser) {}
  void frames(std::size_t count) {
    std::array<float, Denoiser::kFrame> in{};
    std::array<float, Denoiser::kFrame> out{};
    for (std::size_t frame = 0; frame < count; ++frame) {
      for (float& sample : in) {
        const double t = static_cast<double>(said.size()) / 48'000;
        sample = static_cast<float>(0.3 * std::sin(2 * std::numbers::pi * 220 * t));
        said.push_back(sample);
      }
      denoiser_.process(in, out);
      heard.insert(heard.end(), out.begin(), out.end());
    }
  }
  // The most that what was heard from `from` on differs from what was said so much earlier.
  [[nodiscard]] float differs(std::size_t from, std::size_t delay) const {
    float most = 0;
    for (std::size_t i = std::max(from, delay); i < heard.size(); ++i)
      most = std::max(most, std::abs(heard[i] - said[i - delay]));
    return most;
  }
  [[nodiscard]] float jump(std::size_t from) const {
    float most = 0;
    for (std::size_t i = from + 1; i < heard.size(); ++i) most = std::max(most, std::abs(heard[i] - heard[i - 1]));
    return most;
  }
  std::vector<float> said;
  std::vector<float> heard;

 private:
  Denoiser& denoiser_;
};

// The sine's own steepest step, and a fade between two of it over 960 samples.
constexpr float kSteepest = 0.3F * 2 * std::numbers::pi_v<float> * 220 / 48'000;

TEST_F(DenoiseWhole, OffIsTheSoundItselfAtOnce) {
  Denoiser denoiser;
  Running sound(denoiser);
  sound.frames(5);
  EXPECT_EQ(denoiser.delay(), 0U);
  EXPECT_EQ(sound.differs(0, 0), 0);
  EXPECT_NEAR(denoiser.level(), 20 * std::log10(0.3 / std::numbers::sqrt2), 0.2);
}

TEST_F(DenoiseWhole, WithoutWeightsNothingIsChosen) {
  Denoiser denoiser;
  EXPECT_FALSE(denoiser.choose(Profile::kHq));
  EXPECT_FALSE(denoiser.choose(Profile::kEco));
  EXPECT_TRUE(denoiser.choose(Profile::kOff));
  EXPECT_EQ(denoiser.load(Profile::kOff, bytes()), WeightsError::kTensor);
  EXPECT_EQ(denoiser.running(), Profile::kOff);
}

TEST_F(DenoiseWhole, ChosenBeforeTheFirstFrameItRunsFromTheFirstFrame) {
  Denoiser denoiser;
  ASSERT_EQ(denoiser.load(Profile::kHq, bytes()), WeightsError::kNone);
  ASSERT_TRUE(denoiser.choose(Profile::kHq));
  EXPECT_EQ(denoiser.delay(), HqDenoiser::kDelay);
  denoiser.setLimit(0);
  Running sound(denoiser);
  sound.frames(20);
  EXPECT_EQ(denoiser.running(), Profile::kHq);
  EXPECT_LT(sound.differs(0, HqDenoiser::kDelay), 1e-5);
}

// With everything passing, both sides of a change are the same sound: whatever is heard of the change is a fault.
TEST_F(DenoiseWhole, AChangeIsNotHeard) {
  Denoiser denoiser;
  ASSERT_EQ(denoiser.load(Profile::kHq, bytes()), WeightsError::kNone);
  denoiser.setLimit(0);
  Running sound(denoiser);
  sound.frames(10);
  ASSERT_TRUE(denoiser.choose(Profile::kHq));
  sound.frames(50);
  // It warms up first.
  EXPECT_EQ(denoiser.running(), Profile::kOff);
  EXPECT_EQ(sound.differs(0, 0), 0);
  sound.frames(60);
  EXPECT_EQ(denoiser.running(), Profile::kHq);
  EXPECT_EQ(denoiser.delay(), HqDenoiser::kDelay);
  // From no delay to some: one sound fades into another.
  EXPECT_LT(sound.jump(0), 1.1F * kSteepest);
  const std::size_t steady = sound.heard.size() - 5 * Denoiser::kFrame;
  EXPECT_LT(sound.differs(steady, HqDenoiser::kDelay), 1e-5);

  // Back and forth again the delay stays: the sound goes on as if nothing had happened.
  ASSERT_TRUE(denoiser.choose(Profile::kOff));
  sound.frames(10);
  EXPECT_EQ(denoiser.running(), Profile::kOff);
  ASSERT_TRUE(denoiser.choose(Profile::kHq));
  sound.frames(120);
  EXPECT_EQ(denoiser.running(), Profile::kHq);
  EXPECT_LT(sound.differs(steady, HqDenoiser::kDelay), 1e-5);
}

TEST_F(DenoiseWhole, AChangeOfMindIsNotHeardEither) {
  Denoiser denoiser;
  ASSERT_EQ(denoiser.load(Profile::kHq, bytes()), WeightsError::kNone);
  denoiser.setLimit(0);
  ASSERT_TRUE(denoiser.choose(Profile::kHq));
  Running sound(denoiser);
  sound.frames(10);
  std::mt19937 random(3);
  for (int change = 0; change < 50; ++change) {
    denoiser.choose(random() % 2 == 0 ? Profile::kOff : Profile::kHq);
    sound.frames(random() % 130);
  }
  EXPECT_LT(sound.differs(0, HqDenoiser::kDelay), 1e-5);
}

TEST_F(DenoiseWhole, WhatIsNoSoundIsSilenceInEveryProfile) {
  Denoiser denoiser;
  ASSERT_EQ(denoiser.load(Profile::kHq, bytes()), WeightsError::kNone);
  std::array<float, Denoiser::kFrame> in{};
  std::array<float, Denoiser::kFrame> out{};
  for (const Profile profile : {Profile::kOff, Profile::kHq}) {
    denoiser.reset();
    ASSERT_TRUE(denoiser.choose(profile));
    for (const float odd : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e30F}) {
      in.fill(odd);
      for (int frame = 0; frame < 5; ++frame) denoiser.process(in, out);
      for (const float sample : out) ASSERT_NEAR(sample, 0, 1e-6);
      EXPECT_GE(denoiser.level(), -121);
    }
  }
}

TEST_F(DenoiseWhole, SilentBeforeWeights) {
  HqDenoiser denoiser;
  EXPECT_FALSE(denoiser.ready());
  std::array<float, HqDenoiser::kFrame> in{};
  in.fill(0.5F);
  std::array<float, HqDenoiser::kFrame> out{};
  out.fill(7);
  denoiser.process(in, out);
  for (const float value : out) EXPECT_EQ(value, 0);
}

TEST_F(DenoiseWhole, RefusesWhatIsNoWeightsFile) {
  HqDenoiser denoiser;
  EXPECT_EQ(denoiser.load({}), WeightsError::kFormat);
  EXPECT_EQ(denoiser.load(bytes().first(15)), WeightsError::kFormat);
  EXPECT_EQ(denoiser.load(bytes().first(bytes().size() - 16)), WeightsError::kFormat);
  writable()[4] = 1;
  EXPECT_EQ(denoiser.load(bytes()), WeightsError::kVersion);
  writable()[4] = 2;
  writable()[16] = 'x';
  EXPECT_EQ(denoiser.load(bytes()), WeightsError::kTensor);
  writable()[16] = 'e';
  EXPECT_EQ(denoiser.load(bytes()), WeightsError::kNone);
}

TEST_F(DenoiseWhole, ATableThatLiesIsNotFollowed) {
  std::mt19937 random(7);
  const std::size_t table = tableEnd();
  for (int round = 0; round < 400; ++round) {
    const std::size_t at = random() % table;
    const std::uint8_t before = writable()[at];
    writable()[at] = static_cast<std::uint8_t>(random());
    HqDenoiser denoiser;
    // Either refused, or nothing outside of the file is read (the sanitizers look).
    if (denoiser.load(bytes()) == WeightsError::kNone) {
      std::array<float, HqDenoiser::kFrame> in{};
      std::array<float, HqDenoiser::kFrame> out{};
      denoiser.process(in, out);
    }
    writable()[at] = before;
  }
}

}  // namespace
}  // namespace siegel::denoise
