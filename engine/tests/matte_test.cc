// The segmentation network: its layers against plain arithmetic, and what weights files that lie do.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "matte/kernels.h"
#include "siegel/matte/segmenter.h"
#include "weights_file.h"

namespace siegel::matte {
namespace {

std::vector<float> some(std::size_t count, std::uint32_t seed, float size = 1) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> any(-size, size);
  std::vector<float> values(count);
  for (float& value : values) value = any(random);
  return values;
}

double activated(double x, Activation activation) {
  if (activation == Activation::kRelu) return std::max(x, 0.0);
  if (activation == Activation::kHardSwish) return x * std::clamp(x + 3, 0.0, 6.0) / 6;
  return x;
}

TEST(MatteLayers, DenseOfEveryNumberOfPixels) {
  constexpr std::size_t kInputs = 24;
  constexpr std::size_t kOutputs = 16;
  const auto weight = some(kInputs * kOutputs, 1);
  const auto bias = some(kOutputs, 2);
  for (const auto activation : {Activation::kNone, Activation::kRelu, Activation::kHardSwish}) {
    for (std::size_t pixels = 1; pixels <= 9; ++pixels) {
      const auto in = some(pixels * kInputs, 3);
      const auto added = some(pixels * kOutputs, 4);
      for (const bool adds : {false, true}) {
        // One more, to see that it is left alone.
        std::vector<float> out(pixels * kOutputs + 1, 77);
        dense({weight.data(), bias.data(), kInputs, kOutputs}, in.data(), pixels, activation,
              adds ? added.data() : nullptr, out.data());
        for (std::size_t p = 0; p < pixels; ++p)
          for (std::size_t o = 0; o < kOutputs; ++o) {
            double sum = bias[o];
            for (std::size_t i = 0; i < kInputs; ++i)
              sum += double{in[p * kInputs + i]} * weight[(o / 8 * kInputs + i) * 8 + o % 8];
            sum = activated(sum, activation) + (adds ? added[p * kOutputs + o] : 0);
            ASSERT_NEAR(out[p * kOutputs + o], sum, 1e-5) << pixels << ' ' << p << ' ' << o;
          }
        EXPECT_EQ(out.back(), 77);
      }
    }
  }
}

struct DepthCase {
  std::size_t edge, stride, height, width;
};

TEST(MatteLayers, DepthwiseWithItsPadding) {
  constexpr std::size_t kChannels = 8;
  for (const auto [edge, stride, height, width] : std::vector<DepthCase>{{3, 1, 6, 16},
                                                                         {3, 1, 2, 2},
                                                                         {3, 2, 8, 32},
                                                                         {3, 2, 2, 2},
                                                                         {5, 1, 9, 16},
                                                                         {5, 1, 4, 6},
                                                                         {5, 2, 18, 32},
                                                                         {5, 2, 4, 4}}) {
    const auto in = some(height * width * kChannels, 5);
    const auto weight = some(edge * edge * kChannels, 6);
    const auto bias = some(kChannels, 7);
    const Depthwise layer{weight.data(), bias.data(), kChannels, edge, stride};
    // TensorFlow's "same": so much all around that the result is size / stride, the odd one at the end.
    const std::size_t total = stride == 1 ? edge - 1 : edge - 2;
    const auto before = static_cast<std::ptrdiff_t>(total / 2);
    for (const auto activation : {Activation::kRelu, Activation::kHardSwish}) {
      for (std::size_t y = 0; y < height / stride; ++y) {
        std::vector<float> out(width / stride * kChannels);
        depthwiseRow(layer, in.data(), {height, width}, y, activation, out.data());
        for (std::size_t x = 0; x < width / stride; ++x)
          for (std::size_t c = 0; c < kChannels; ++c) {
            double sum = bias[c];
            for (std::size_t i = 0; i < edge; ++i)
              for (std::size_t j = 0; j < edge; ++j) {
                const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(y * stride + i) - before;
                const std::ptrdiff_t column = static_cast<std::ptrdiff_t>(x * stride + j) - before;
                if (row < 0 || column < 0 || row >= static_cast<std::ptrdiff_t>(height) ||
                    column >= static_cast<std::ptrdiff_t>(width))
                  continue;
                const auto at = static_cast<std::size_t>(row) * width + static_cast<std::size_t>(column);
                sum += double{in[at * kChannels + c]} * weight[(i * edge + j) * kChannels + c];
              }
            ASSERT_NEAR(out[x * kChannels + c], activated(sum, activation), 1e-5)
                << edge << '/' << stride << " at " << x << ' ' << y;
          }
      }
    }
  }
}

TEST(MatteLayers, Stem) {
  constexpr std::size_t kHeight = 6;
  constexpr std::size_t kWidth = 14;
  const auto picture = some(kHeight * kWidth * 3, 8);
  const auto weight = some(27 * 16, 9);
  const auto bias = some(16, 10);
  for (std::size_t y = 0; y < kHeight / 2; ++y) {
    std::vector<float> out(kWidth / 2 * 16);
    stemRow(weight.data(), bias.data(), picture.data(), {kHeight, kWidth}, y, out.data());
    for (std::size_t x = 0; x < kWidth / 2; ++x)
      for (std::size_t o = 0; o < 16; ++o) {
        double sum = bias[o];
        for (std::size_t i = 0; i < 3; ++i)
          for (std::size_t j = 0; j < 3; ++j)
            for (std::size_t c = 0; c < 3; ++c)
              if (2 * y + i < kHeight && 2 * x + j < kWidth)
                sum += double{picture[((2 * y + i) * kWidth + 2 * x + j) * 3 + c]} *
                       weight[(o / 8 * 27 + (i * 3 + j) * 3 + c) * 8 + o % 8];
        ASSERT_NEAR(out[x * 16 + o], activated(sum, Activation::kHardSwish), 1e-5) << x << ' ' << y;
      }
  }
}

TEST(MatteLayers, WholeNumbersAreNearFloats) {
  for (const std::size_t inputs : {16U, 88U, 128U}) {
    constexpr std::size_t kOutputs = 24;
    constexpr std::size_t kPixels = 7;
    const auto weight = some(inputs * kOutputs, 20);
    const auto bias = some(kOutputs, 21);
    const auto in = some(kPixels * inputs, 22, 3);
    const auto added = some(kPixels * kOutputs, 23);
    const auto gate = some(inputs, 24);
    std::vector<float> gated = weight;
    for (std::size_t at = 0; at < gated.size(); ++at) gated[at] *= gate[at / 8 % inputs];
    for (const bool gates : {false, true}) {
      const Dense layer{weight.data(), bias.data(), inputs, kOutputs};
      const Dense exact{gates ? gated.data() : weight.data(), bias.data(), inputs, kOutputs};
      std::vector<std::int16_t> quick(weight.size());
      std::vector<float> scale(kOutputs);
      quantise(layer, gates ? gate.data() : nullptr, quick.data(), scale.data());
      std::vector<std::int16_t> rounded(in.size() + 8);
      for (const auto activation : {Activation::kNone, Activation::kRelu, Activation::kHardSwish}) {
        std::vector<float> wanted(kPixels * kOutputs);
        std::vector<float> got(kPixels * kOutputs);
        dense(exact, in.data(), kPixels, activation, added.data(), wanted.data());
        dense(layer, {quick.data(), scale.data()}, in.data(), kPixels, activation, added.data(), rounded.data(),
              got.data());
        // Each product is off by a 4,000th of the largest weight and an 8,000th of the largest number, at most.
        const float limit = static_cast<float>(inputs) * 3 * (1.0F / 4094 + 1.0F / 8000) * 1.6F;
        for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], wanted[i], limit) << inputs;
      }
    }
  }
  // The largest numbers that there can be: nothing overflows.
  const std::vector<float> ones(128 * 8, 1);
  const std::vector<float> zero(8, 0);
  const Dense layer{ones.data(), zero.data(), 128, 8};
  std::vector<std::int16_t> quick(128 * 8);
  std::vector<float> scale(8);
  quantise(layer, nullptr, quick.data(), scale.data());
  const std::vector<float> in(128, -1e6F);
  std::vector<std::int16_t> rounded(128);
  std::vector<float> out(8);
  dense(layer, {quick.data(), scale.data()}, in.data(), 1, Activation::kNone, nullptr, rounded.data(), out.data());
  for (const float value : out) EXPECT_NEAR(value, -128e6F, 128e3F);
}

TEST(MatteLayers, StemWithWholeNumbers) {
  constexpr Map kSize{6, 16};
  auto picture = some(kSize.height * kSize.width * 3, 25);
  for (float& value : picture) value = std::abs(value);
  const auto weight = some(27 * 16, 26);
  const auto bias = some(16, 27);
  std::vector<std::int16_t> quick(kStemWeights);
  std::vector<float> scale(16);
  quantiseStem(weight.data(), quick.data(), scale.data());
  std::vector<std::int16_t> rounded(kSize.height * (kSize.width * 3 + kStemGap));
  roundPicture(picture.data(), kSize, rounded.data());
  for (std::size_t y = 0; y < kSize.height / 2; ++y) {
    std::vector<float> wanted(kSize.width / 2 * 16);
    std::vector<float> got(kSize.width / 2 * 16);
    stemRow(weight.data(), bias.data(), picture.data(), kSize, y, wanted.data());
    stemRow({quick.data(), scale.data()}, bias.data(), rounded.data(), kSize, y, got.data());
    for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], wanted[i], 27.0F / 4094 * 1.6F) << i << ' ' << y;
  }
}

TEST(MatteLayers, ResizeKeepsTheMean) {
  constexpr Map kSize{3, 4};
  constexpr std::size_t kChannels = 4;
  const auto in = some(12 * kChannels, 11);
  const auto at = [&](double y, double x, std::size_t c) {
    const auto row = [](double place, std::size_t count) {
      return static_cast<std::size_t>(std::clamp(place, 0.0, static_cast<double>(count - 1)));
    };
    const double top = std::floor(y);
    const double left = std::floor(x);
    const auto value = [&](double i, double j) { return double{in[(row(i, 3) * 4 + row(j, 4)) * kChannels + c]}; };
    return (value(top, left) * (left + 1 - x) + value(top, left + 1) * (x - left)) * (top + 1 - y) +
           (value(top + 1, left) * (left + 1 - x) + value(top + 1, left + 1) * (x - left)) * (y - top);
  };
  std::vector<float> all;
  for (std::size_t y = 0; y < 6; ++y) {
    std::vector<float> out(8 * kChannels);
    resizeRow(in.data(), kSize, kChannels, y, out.data());
    for (std::size_t x = 0; x < 8; ++x)
      for (std::size_t c = 0; c < kChannels; ++c)
        ASSERT_NEAR(out[x * kChannels + c],
                    at((static_cast<double>(y) + 0.5) / 2 - 0.5, (static_cast<double>(x) + 0.5) / 2 - 0.5, c), 1e-6);
    all.insert(all.end(), out.begin(), out.end());
  }
  // The gates of the decoder are computed from means of what is resized, before it is.
  for (std::size_t c = 0; c < kChannels; ++c) {
    double before = 0;
    double after = 0;
    for (std::size_t p = 0; p < 12; ++p) before += in[p * kChannels + c] / 12;
    for (std::size_t p = 0; p < 48; ++p) after += all[p * kChannels + c] / 48;
    EXPECT_NEAR(after, before, 1e-6);
  }
}

TEST(MatteLayers, QuartersMeanAndGates) {
  const auto in = some(8 * 16, 12);
  const auto weight = some(16 * 4, 13);
  std::vector<float> above(16);
  std::vector<float> below(16);
  quarters(weight.data(), 0.25F, in.data(), 8, 16, above.data(), below.data());
  for (std::size_t p = 0; p < 8; ++p)
    for (std::size_t q = 0; q < 4; ++q) {
      double sum = 0.25;
      for (std::size_t c = 0; c < 16; ++c) sum += double{in[p * 16 + c]} * weight[c * 4 + q];
      ASSERT_NEAR((q < 2 ? above : below)[2 * p + q % 2], 1 / (1 + std::exp(-sum)), 1e-6);
    }
  std::vector<float> mean(16);
  meanOf(in.data(), 8, 16, mean.data());
  const auto gate = some(16, 14);
  const auto added = some(8 * 16, 15);
  std::vector<float> gated(8 * 16);
  gateAndAdd(in.data(), gate.data(), added.data(), 8, 16, gated.data());
  for (std::size_t c = 0; c < 16; ++c) {
    double sum = 0;
    for (std::size_t p = 0; p < 8; ++p) {
      sum += in[p * 16 + c] / 8;
      EXPECT_NEAR(gated[p * 16 + c], in[p * 16 + c] * gate[c] + added[p * 16 + c], 1e-6);
    }
    EXPECT_NEAR(mean[c], sum, 1e-6);
  }
}

// --- The weights file ------------------------------------------------------------------------------------------------

struct Spec {
  std::string name;
  Shape shape;
};

std::vector<Spec> specs() {
  std::vector<Spec> list;
  const auto add = [&](const std::string& name, Shape weight, std::uint32_t outputs) {
    list.push_back({name + ".w", weight});
    list.push_back({name + ".b", {1, 1, outputs, 1}});
  };
  const auto dense = [&](const std::string& name, std::uint32_t outputs, std::uint32_t inputs) {
    add(name, {outputs / 8, inputs, 8, 1}, outputs);
  };
  add("stem", {2, 27, 8, 1}, 16);
  struct Row {
    const char* name;
    std::uint32_t from, wide, to, taps, narrow;
  };
  for (const auto& [name, from, wide, to, taps, narrow] :
       {Row{"a", 16, 16, 16, 9, 8}, Row{"b", 16, 72, 24, 9, 0}, Row{"c", 24, 88, 24, 9, 0},
        Row{"d", 24, 96, 32, 25, 24}, Row{"e", 32, 128, 32, 25, 32}, Row{"f", 32, 128, 32, 25, 32},
        Row{"g", 32, 96, 32, 25, 24}, Row{"h", 32, 96, 32, 25, 24}}) {
    const std::string block = name;
    dense(block + ".expand", wide, from);
    add(block + ".depth", {1, taps, wide, 1}, wide);
    if (narrow != 0) {
      dense(block + ".squeeze", narrow, wide);
      dense(block + ".excite", wide, narrow);
    }
    dense(block + ".project", to, wide);
  }
  dense("head.value", 128, 32);
  dense("head.gate", 128, 32);
  struct Up {
    const char* name;
    std::uint32_t from, to;
  };
  for (const auto& [name, from, to] : {Up{"x", 128, 24}, Up{"y", 24, 16}, Up{"z", 16, 16}}) {
    const std::string step = name;
    dense(step + ".up", to, from);
    for (const char* layer : {".squeeze", ".excite", ".mix"}) dense(step + layer, to, to);
    add(step + ".depth", {1, 9, to, 1}, to);
  }
  add("out", {1, 16, 4, 1}, 1);
  return list;
}

class MatteWhole : public testing::Test, protected WeightsFile {
 protected:
  MatteWhole() {
    std::mt19937 random(99);
    for (const auto& [name, shape] : specs()) {
      std::vector<std::uint16_t> halves(std::size_t{shape.groups} * shape.outer * shape.channels);
      // Up to 1/4 in size, both signs; now and then one without its hidden bit.
      for (std::uint16_t& half : halves)
        half = static_cast<std::uint16_t>((random() & 0x83FFU) | (random() % 13) << 10U);
      add(name, Kind::kHalf, shape, bytesOf(halves));
    }
    write();
  }
};

TEST_F(MatteWhole, BothModelsOnEveryKindOfPicture) {
  Segmenter segmenter;
  for (const bool exact : {false, true})
    for (const auto model : {Model::kLandscape, Model::kSquare}) {
      segmenter.setExact(exact);
      ASSERT_EQ(segmenter.load(model, bytes()), WeightsError::kNone);
      ASSERT_TRUE(segmenter.ready());
      EXPECT_EQ(segmenter.width(), 256);
      EXPECT_EQ(segmenter.height(), model == Model::kSquare ? 256 : 144);
      const std::size_t pixels = segmenter.width() * segmenter.height();
      std::vector<float> person(pixels);
      std::vector<float> again(pixels);
      for (const auto& picture : {std::vector<float>(3 * pixels, 0.0F), std::vector<float>(3 * pixels, 1.0F),
                                  some(3 * pixels, 16), some(3 * pixels, 17, 1e6F)}) {
        segmenter.run(picture, person);
        for (const float value : person) ASSERT_TRUE(value >= 0 && value <= 1);
        segmenter.run(picture, again);
        EXPECT_EQ(again, person);
      }
    }
}

TEST_F(MatteWhole, WhatIsNotReadySeesNobody) {
  Segmenter segmenter;
  std::vector<float> picture(256 * 144 * 3, 0.5F);
  std::vector<float> person(256 * 144, 0.5F);
  segmenter.run(picture, person);
  EXPECT_EQ(std::ranges::count(person, 0.0F), 256 * 144);
  ASSERT_EQ(segmenter.load(Model::kLandscape, bytes()), WeightsError::kNone);
  // Another size than the model's.
  person.assign(256 * 144, 0.5F);
  segmenter.run(std::span(picture).first(picture.size() - 1), person);
  EXPECT_EQ(std::ranges::count(person, 0.0F), 256 * 144);
  // After a file that is refused, too.
  EXPECT_EQ(segmenter.load(Model::kLandscape, bytes().first(1000)), WeightsError::kFormat);
  EXPECT_FALSE(segmenter.ready());
  person.assign(256 * 144, 0.5F);
  segmenter.run(picture, person);
  EXPECT_EQ(std::ranges::count(person, 0.0F), 256 * 144);
}

TEST_F(MatteWhole, FilesThatLieAreRefused) {
  Segmenter segmenter;
  const std::vector<std::uint8_t> good(bytes().begin(), bytes().end());
  const auto mend = [&] { std::ranges::copy(good, writable().begin()); };
  const auto load = [&] { return segmenter.load(Model::kLandscape, bytes()); };
  put(0, 0x12345678);
  EXPECT_EQ(load(), WeightsError::kFormat);
  mend();
  put(4, 1);
  EXPECT_EQ(load(), WeightsError::kVersion);
  for (std::size_t index = 0; index < count(); ++index) {
    // Name, kind, each dimension, place.
    for (const std::size_t field : {0U, 16U, 20U, 24U, 28U, 32U, 36U}) {
      mend();
      put(entryAt(index) + field, field == 36 ? 0xFFFFFFF0U : 0x00C0FFEEU);
      EXPECT_NE(load(), WeightsError::kNone) << index << ' ' << field;
      EXPECT_FALSE(segmenter.ready());
    }
  }
  // A weight that is no number: what it would do to a picture, nobody knows.
  for (const std::uint16_t odd : std::array<std::uint16_t, 3>{0x7C00, 0xFC00, 0x7E00}) {
    mend();
    std::memcpy(place("out.w"), &odd, 2);
    EXPECT_EQ(load(), WeightsError::kTensor);
  }
  mend();
  EXPECT_EQ(load(), WeightsError::kNone);
  // Any byte of the table changed is refused or harmless.
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    mend();
    writable()[random() % tableEnd()] ^= static_cast<std::uint8_t>(1U << (random() % 8));
    load();
  }
}

}  // namespace
}  // namespace siegel::matte
