#include "siegel/denoise/hq_denoiser.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <numbers>
#include <vector>

#include "denoise/fft.h"
#include "denoise/layers.h"
#include "denoise/level_follower.h"

namespace siegel::denoise {
namespace {

constexpr std::size_t kBands = HqDenoiser::kBands;
constexpr std::size_t kFiltered = 96;  // bins with a complex filter
constexpr std::size_t kTaps = 5;       // frames of that filter: two before, this one, two after
constexpr std::size_t kPath = 2 * kTaps;
constexpr std::size_t kEmbedding = 512;
constexpr std::size_t kFeatureFrames = 3;
constexpr float kForget = 0.99F;
constexpr float kStartMoves = 4;  // dB
// Above this bin (8 kHz) the network mutes speech in noise by some 3 dB too much: there, while somebody speaks, that
// part of the mask (in dB) is not applied.
constexpr std::size_t kAirFrom = 160;
constexpr float kAir = 0.35F;

// Bins of the bands; together all 481.
constexpr std::array<std::uint8_t, kBands> kWidths = {2, 2, 2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  5,  5,  7,
                                                      7, 8, 10, 12, 13, 15, 18, 20, 24, 28, 31, 37, 42, 50, 56, 67};

template <std::size_t N>
using Floats = std::array<float, N>;

// How sure it is that somebody speaks, by the signal-to-noise ratio that the network hears (dB). Above 0.8 lie more
// than half of all 10 ms of speech, in noise of several kinds, and less than 1 % of fans, keyboards and babble.
float speech(float lsnr) {
  constexpr float kNone = -5;
  constexpr float kSure = 15;
  return std::clamp((lsnr - kNone) / (kSure - kNone), 0.0F, 1.0F);
}
float factor(float decibels) { return std::pow(10.0F, decibels / 20); }
// Where the running mean of a bin starts.
constexpr float startMean(std::size_t bin) { return 0.001F - 0.0009F * static_cast<float>(bin) / (kFiltered - 1); }

struct Separable {
  const float* depthwise = nullptr;
  const float* pointwise = nullptr;
  const float* bias = nullptr;
};
struct Skip {
  const float* scale = nullptr;
  const float* bias = nullptr;
};

struct Layers {
  const float* erb0Weight;
  const float* erb0Bias;
  std::array<Separable, 3> erb;
  const float* df0Weight;
  Separable df0;
  Separable df1;
  const float* encoderFromDf;
  const float* encoderIn;
  Gru encoder;
  const float* encoderOut;
  const float* lsnrWeight;
  const float* lsnrBias;
  const float* maskIn;
  std::array<Gru, 2> maskGrus;
  const float* maskOut;
  std::array<Skip, 4> skips;     // 3, 2, 1, 0
  std::array<Separable, 3> ups;  // 3, 2, 1
  const float* maskWeight;
  const float* maskBias;
  const float* filterIn;
  std::array<Gru, 2> filterGrus;
  const float* filterSkip;
  const float* filterOut;
  const float* pathWeight;
  const float* pathPointwise;
  const float* pathBias;
};

}  // namespace

class HqDenoiser::Network {
 public:
  Network() {
    for (std::size_t n = 0; n < kWindow; ++n) {
      const double inner = std::sin(std::numbers::pi * (static_cast<double>(n) + 0.5) / kWindow);
      window_[n] = static_cast<float>(std::sin(std::numbers::pi / 2 * inner * inner));
    }
    reset();
  }

  WeightsError load(std::span<const std::uint8_t> bytes);
  void reset();
  void process(std::span<const float, kFrame> in, std::span<float, kFrame> out);

  bool ready = false;
  bool follow = true;
  float passed = 0;  // share of the noisy spectrum that stays
  float lsnr = 0;
  alignas(16) Floats<kBands> mask{};

 private:
  WeightsError take(Weights& weights);
  void features(const Spectrum& spectrum, float gainDb);
  void encode();
  void decodeMask();
  void decodeFilter();
  void apply();

  // The frames of a ring of N, oldest first. Once per layer: a division for every value would cost more than the layer.
  template <std::size_t N, typename T>
  [[nodiscard]] std::array<const T*, N> inOrder(const std::array<T, N>& frames) const {
    std::array<const T*, N> result;
    for (std::size_t t = 0; t < N; ++t) result[t] = &frames[ring<N>(N - 1 - t)];
    return result;
  }

  // The frame `ago` frames before this one, in a ring of N.
  template <std::size_t N>
  [[nodiscard]] std::size_t ring(std::size_t ago) const {
    return (time_ + N - ago) % N;
  }

  Layers layers_{};
  std::vector<float> store_;  // weights that are worked with as floats
  Fft fft_;
  LevelFollower follower_;
  alignas(16) Floats<kWindow> window_{};
  alignas(16) Floats<kWindow> block_{};

  // What was heard.
  Floats<kFrame> last_{};
  Floats<kFrame> overlap_{};
  Floats<kBands> bandMean_{};
  Floats<kFiltered> binMean_{};
  float startShare_ = 1;  // of the start values in these means
  float gainDb_ = 0;
  std::array<Floats<kBands>, kFeatureFrames> bands_{};
  std::array<std::array<Floats<kFiltered>, 2>, kFeatureFrames> bins_{};
  std::array<Spectrum, kTaps> spectra_{};
  std::array<Floats<kFiltered * kChannels>, kTaps> df0_{};
  std::array<Floats<kHidden>, 5> hidden_{};
  std::size_t time_ = 0;

  // Of this frame.
  alignas(16) Floats<32 * kChannels> e0_{};
  alignas(16) Floats<16 * kChannels> e1_{};
  alignas(16) Floats<8 * kChannels> e2_{};
  alignas(16) Floats<8 * kChannels> e3_{};
  alignas(16) Floats<kFiltered * kChannels> one_{};
  alignas(16) Floats<kFiltered * kChannels> two_{};
  alignas(16) Floats<kEmbedding> embedding_{};
  alignas(16) Floats<kEmbedding> wide_{};
  alignas(16) Floats<kHidden> narrow_{};
  alignas(16) Floats<kFiltered * kPath> filter_{};
  Spectrum result_{};
};

// --- Weights ---------------------------------------------------------------------------------------------------------

WeightsError HqDenoiser::Network::load(std::span<const std::uint8_t> bytes) {
  ready = false;
  Weights weights;
  if (const WeightsError error = weights.open(bytes); error != WeightsError::kNone) return error;
  if (const WeightsError error = take(weights); error != WeightsError::kNone) return error;
  reset();
  ready = true;
  return WeightsError::kNone;
}

WeightsError HqDenoiser::Network::take(Weights& weights) {
  // Pointers into it are given out: it must not move.
  constexpr std::size_t kExpanded = 180'000;
  store_.clear();
  store_.reserve(kExpanded);
  WeightsError error = WeightsError::kNone;

  const auto expanded = [&](std::string_view name, const Shape& shape) -> const float* {
    Tensor tensor;
    if (error != WeightsError::kNone) return nullptr;
    // As floats in the file: nothing to do.
    if (weights.find(name, shape, Kind::kFloat, tensor) == WeightsError::kNone) return tensor.floats;
    error = weights.find(name, shape, Kind::kScaled, tensor);
    if (error != WeightsError::kNone) return nullptr;
    const std::size_t begin = (store_.size() + 3) / 4 * 4;
    if (begin + tensor.size() > kExpanded) {
      error = WeightsError::kTensor;
      return nullptr;
    }
    store_.resize(begin + tensor.size());
    float* to = store_.data() + begin;
    std::size_t at = 0;
    for (std::uint32_t g = 0; g < tensor.groups; ++g)
      for (std::uint32_t o = 0; o < tensor.outer; ++o)
        for (std::uint32_t c = 0; c < tensor.channels; ++c)
          for (std::uint32_t i = 0; i < tensor.inner; ++i, ++at)
            to[at] = static_cast<float>(tensor.values[at]) * tensor.scales[g * tensor.channels + c];
    return to;
  };
  const auto floats = [&](std::string_view name, std::uint32_t count) -> const float* {
    Tensor tensor;
    if (error == WeightsError::kNone) error = weights.find(name, {1, 1, 1, count}, Kind::kFloat, tensor);
    return tensor.floats;
  };
  const auto separable = [&](std::string_view depthwise, std::string_view pointwise, std::string_view bias) {
    return Separable{expanded(depthwise, {1, 3, kChannels, 1}), expanded(pointwise, {1, kChannels, kChannels, 1}),
                     floats(bias, kChannels)};
  };
  const auto matrix = [&](std::string_view name) {
    Tensor tensor;
    if (error == WeightsError::kNone) error = weights.find(name, {1, 1, kGateRows, kHidden}, Kind::kScaled, tensor);
    return Matrix8{tensor.values, tensor.scales};
  };
  const auto gru = [&](std::string_view input, std::string_view recurrent, std::string_view bias) {
    return Gru{matrix(input), matrix(recurrent), floats(bias, 2 * kGateRows)};
  };

  Layers& l = layers_;
  l.erb0Weight = expanded("erb0.w", {1, 9, kChannels, 1});
  l.erb0Bias = floats("erb0.b", kChannels);
  l.erb[0] = separable("erb1.dw", "erb1.pw", "erb1.b");
  l.erb[1] = separable("erb2.dw", "erb2.pw", "erb2.b");
  l.erb[2] = separable("erb3.dw", "erb3.pw", "erb3.b");
  l.df0Weight = expanded("df0.w", {1, 9, kChannels, 1});
  l.df0 = {nullptr, expanded("df0.pw", {1, kChannels, kChannels, 1}), floats("df0.b", kChannels)};
  l.df1 = separable("df1.dw", "df1.pw", "df1.b");
  l.encoderFromDf = expanded("enc.df", {32, 96, 16, 1});
  l.encoderIn = expanded("enc.in", {16, 32, 16, 1});
  l.encoder = gru("enc.gru.w", "enc.gru.r", "enc.gru.b");
  l.encoderOut = expanded("enc.out", {16, 16, 32, 1});
  l.lsnrWeight = floats("lsnr.w", kEmbedding);
  l.lsnrBias = floats("lsnr.b", 1);
  l.maskIn = expanded("erb.in", {16, 32, 16, 1});
  l.maskGrus = {gru("erb.gru1.w", "erb.gru1.r", "erb.gru1.b"), gru("erb.gru2.w", "erb.gru2.r", "erb.gru2.b")};
  l.maskOut = expanded("erb.out", {16, 16, 32, 1});
  l.skips = {Skip{floats("skip3.s", kChannels), floats("skip3.b", kChannels)},
             Skip{floats("skip2.s", kChannels), floats("skip2.b", kChannels)},
             Skip{floats("skip1.s", kChannels), floats("skip1.b", kChannels)},
             Skip{floats("skip0.s", kChannels), floats("skip0.b", kChannels)}};
  l.ups = {separable("up3.dw", "up3.pw", "up3.b"), separable("up2.dw", "up2.pw", "up2.b"),
           separable("up1.dw", "up1.pw", "up1.b")};
  l.maskWeight = expanded("mask.w", {1, 1, 1, 3 * kChannels});
  l.maskBias = floats("mask.b", 1);
  l.filterIn = expanded("df.in", {8, 64, 32, 1});
  l.filterGrus = {gru("df.gru1.w", "df.gru1.r", "df.gru1.b"), gru("df.gru2.w", "df.gru2.r", "df.gru2.b")};
  l.filterSkip = expanded("df.skip", {16, 32, 16, 1});
  l.filterOut = expanded("df.out", {16, 16, 60, 1});
  l.pathWeight = expanded("path.w", {1, kTaps, kPath, kChannels / 2});
  l.pathPointwise = expanded("path.pw", {1, kPath, kPath, 1});
  l.pathBias = floats("path.b", kPath);
  return error;
}

void HqDenoiser::Network::reset() {
  last_.fill(0);
  overlap_.fill(0);
  // The means that the network was trained to start with.
  for (std::size_t b = 0; b < kBands; ++b) bandMean_[b] = -60 - 30 * static_cast<float>(b) / (kBands - 1);
  for (std::size_t f = 0; f < kFiltered; ++f) binMean_[f] = startMean(f);
  startShare_ = 1;
  gainDb_ = 0;
  bands_ = {};
  bins_ = {};
  spectra_ = {};
  for (auto& each : df0_) each.fill(0);
  hidden_ = {};
  follower_.reset();
  time_ = 0;
}

// --- A frame ---------------------------------------------------------------------------------------------------------

void HqDenoiser::Network::process(std::span<const float, kFrame> in, std::span<float, kFrame> out) {
  if (!ready) {
    std::ranges::fill(out, 0.0F);
    return;
  }
  alignas(16) Floats<kWindow> plain;
  for (std::size_t i = 0; i < kFrame; ++i) {
    // NaN and infinities fail the comparison, too.
    const float sample = std::abs(in[i]) < 16 ? in[i] : 0;
    plain[i] = last_[i];
    plain[kFrame + i] = sample;
    last_[i] = sample;
  }
  for (std::size_t i = 0; i < kWindow; ++i) block_[i] = plain[i] * window_[i];
  Spectrum& spectrum = spectra_[ring<kTaps>(0)];
  fft_.forward(block_, 1.0F / kWindow, spectrum);
  features(spectrum, follow ? follower_.update(plain) : 0);
  encode();
  decodeMask();
  decodeFilter();
  apply();
  fft_.backward(result_, block_);
  for (std::size_t i = 0; i < kFrame; ++i) {
    out[i] = block_[i] * window_[i] + overlap_[i];
    overlap_[i] = block_[kFrame + i] * window_[kFrame + i];
  }
  ++time_;
}

void HqDenoiser::Network::features(const Spectrum& spectrum, float gainDb) {
  // The running means move with the gain: a change of it is no event. What is left in them of their start values moves
  // by kStartMoves at most, because those are of a microphone at the level that the gain makes of this one.
  if (gainDb != gainDb_) {
    const float change = gainDb - gainDb_;
    const float startBefore = std::min(gainDb_, kStartMoves);
    const float startNow = std::min(gainDb, kStartMoves);
    for (float& mean : bandMean_) mean += change * (1 - startShare_) + (startNow - startBefore) * startShare_;
    const float step = factor(change);
    for (std::size_t f = 0; f < kFiltered; ++f) {
      const float start = startShare_ * startMean(f);
      const float heard = std::max(binMean_[f] - start * factor(startBefore), 0.0F);
      binMean_[f] = start * factor(startNow) + heard * step;
    }
    gainDb_ = gainDb;
  }
  startShare_ = startShare_ > 1e-6F ? startShare_ * kForget : 0;
  const float gain = factor(gainDb);
  Floats<kBands>& bands = bands_[ring<kFeatureFrames>(0)];
  std::size_t bin = 0;
  for (std::size_t b = 0; b < kBands; ++b) {
    float power = 0;
    for (std::size_t end = bin + kWidths[b]; bin < end; ++bin)
      power += spectrum.re[bin] * spectrum.re[bin] + spectrum.im[bin] * spectrum.im[bin];
    const float level = 10 * std::log10(power * gain * gain / static_cast<float>(kWidths[b]) + 1e-10F);
    bandMean_[b] = level * (1 - kForget) + bandMean_[b] * kForget;
    bands[b] = (level - bandMean_[b]) / 40;
  }
  auto& [re, im] = bins_[ring<kFeatureFrames>(0)];
  for (std::size_t f = 0; f < kFiltered; ++f) {
    const float size = gain * std::sqrt(spectrum.re[f] * spectrum.re[f] + spectrum.im[f] * spectrum.im[f]);
    // Digital silence must not become 0 / 0.
    binMean_[f] = std::max(size * (1 - kForget) + binMean_[f] * kForget, 1e-12F);
    const float unit = gain / std::sqrt(binMean_[f]);
    re[f] = spectrum.re[f] * unit;
    im[f] = spectrum.im[f] * unit;
  }
}

void HqDenoiser::Network::encode() {
  const Layers& l = layers_;
  // 3 x 3 over time and frequency, one value in, 64 out.
  const auto bands = inOrder(bands_);
  for (std::size_t f = 0; f < kBands; ++f) {
    for (std::size_t c = 0; c < kChannels; c += kLanes) {
      F4 a = get4(l.erb0Bias + c);
      for (std::size_t t = 0; t < kFeatureFrames; ++t) {
        const Floats<kBands>& x = *bands[t];
        for (std::size_t k = 0; k < 3; ++k) {
          if (f + k < 1 || f + k > kBands) continue;
          a += splat(x[f + k - 1]) * get4(l.erb0Weight + (t * 3 + k) * kChannels + c);
        }
      }
      put4(e0_.data() + f * kChannels + c, relu4(a));
    }
  }
  const auto down = [&](const Separable& layer, const float* in, float* out, std::size_t width, std::size_t stride) {
    depthwise(in, one_.data(), layer.depthwise, width, stride);
    pointwise(one_.data(), out, layer.pointwise, layer.bias, width / stride);
  };
  down(l.erb[0], e0_.data(), e1_.data(), 32, 2);
  down(l.erb[1], e1_.data(), e2_.data(), 16, 2);
  down(l.erb[2], e2_.data(), e3_.data(), 8, 1);

  // The same of the complex bins: 32 channels of the real part, 32 of the imaginary one.
  const auto bins = inOrder(bins_);
  for (std::size_t f = 0; f < kFiltered; ++f) {
    for (std::size_t c = 0; c < kChannels; c += kLanes) {
      F4 a = splat(0);
      for (std::size_t t = 0; t < kFeatureFrames; ++t) {
        const Floats<kFiltered>& x = (*bins[t])[c / 32];
        for (std::size_t k = 0; k < 3; ++k) {
          if (f + k < 1 || f + k > kFiltered) continue;
          a += splat(x[f + k - 1]) * get4(l.df0Weight + (t * 3 + k) * kChannels + c);
        }
      }
      put4(one_.data() + f * kChannels + c, a);
    }
  }
  float* df0 = df0_[ring<kTaps>(0)].data();
  pointwise(one_.data(), df0, l.df0.pointwise, l.df0.bias, kFiltered);
  depthwise(df0, one_.data(), l.df1.depthwise, kFiltered, 2);
  pointwise(one_.data(), two_.data(), l.df1.pointwise, l.df1.bias, kFiltered / 2);

  groupedLinear(two_.data(), wide_.data(), l.encoderFromDf, 32, 96, 16);
  relu(wide_.data(), kEmbedding);
  for (std::size_t i = 0; i < kEmbedding; i += kLanes) put4(&wide_[i], get4(&wide_[i]) + get4(&e3_[i]));
  groupedLinear(wide_.data(), narrow_.data(), l.encoderIn, 16, 32, 16);
  relu(narrow_.data(), kHidden);
  l.encoder.step(narrow_.data(), hidden_[0].data());
  groupedLinear(hidden_[0].data(), embedding_.data(), l.encoderOut, 16, 16, 32);
  relu(embedding_.data(), kEmbedding);
  F4 total = splat(0);
  for (std::size_t i = 0; i < kEmbedding; i += kLanes) total += get4(&embedding_[i]) * get4(l.lsnrWeight + i);
  lsnr = sigmoid(splat(sum(total) + *l.lsnrBias))[0] * 50 - 15;
}

void HqDenoiser::Network::decodeMask() {
  const Layers& l = layers_;
  groupedLinear(embedding_.data(), narrow_.data(), l.maskIn, 16, 32, 16);
  relu(narrow_.data(), kHidden);
  l.maskGrus[0].step(narrow_.data(), hidden_[1].data());
  l.maskGrus[1].step(hidden_[1].data(), hidden_[2].data());
  groupedLinear(hidden_[2].data(), wide_.data(), l.maskOut, 16, 16, 32);
  relu(wide_.data(), kEmbedding);

  const auto join = [&](const Skip& skip, const float* from, const float* with, std::size_t width) {
    scaleAndAdd(from, skip.scale, skip.bias, with, one_.data(), width);
  };
  join(l.skips[0], e3_.data(), wide_.data(), 8);
  depthwise(one_.data(), two_.data(), l.ups[0].depthwise, 8, 1);
  pointwise(two_.data(), two_.data() + 8 * kChannels, l.ups[0].pointwise, l.ups[0].bias, 8);
  join(l.skips[1], e2_.data(), two_.data() + 8 * kChannels, 8);
  depthwiseUp(one_.data(), two_.data(), l.ups[1].depthwise, 8);
  pointwise(two_.data(), two_.data() + 16 * kChannels, l.ups[1].pointwise, l.ups[1].bias, 16);
  join(l.skips[2], e1_.data(), two_.data() + 16 * kChannels, 16);
  depthwiseUp(one_.data(), two_.data(), l.ups[2].depthwise, 16);
  pointwise(two_.data(), two_.data() + 32 * kChannels, l.ups[2].pointwise, l.ups[2].bias, 32);
  join(l.skips[3], e0_.data(), two_.data() + 32 * kChannels, 32);

  for (std::size_t f = 0; f < kBands; ++f) {
    F4 a = splat(0);
    for (std::size_t k = 0; k < 3; ++k) {
      if (f + k < 1 || f + k > kBands) continue;
      for (std::size_t c = 0; c < kChannels; c += kLanes)
        a += get4(one_.data() + (f + k - 1) * kChannels + c) * get4(l.maskWeight + k * kChannels + c);
    }
    mask[f] = sum(a) + *l.maskBias;
  }
  for (std::size_t f = 0; f < kBands; f += kLanes) put4(&mask[f], sigmoid(get4(&mask[f])));
}

void HqDenoiser::Network::decodeFilter() {
  const Layers& l = layers_;
  groupedLinear(embedding_.data(), narrow_.data(), l.filterIn, 8, 64, 32);
  relu(narrow_.data(), kHidden);
  l.filterGrus[0].step(narrow_.data(), hidden_[3].data());
  l.filterGrus[1].step(hidden_[3].data(), hidden_[4].data());
  groupedLinear(embedding_.data(), narrow_.data(), l.filterSkip, 16, 32, 16);
  for (std::size_t i = 0; i < kHidden; i += kLanes) put4(&narrow_[i], get4(&narrow_[i]) + get4(&hidden_[4][i]));
  groupedLinear(narrow_.data(), filter_.data(), l.filterOut, 16, 16, 60);
  for (std::size_t i = 0; i < filter_.size(); i += kLanes) put4(&filter_[i], hyperbolicTangent(get4(&filter_[i])));

  // The way around the recurrent part: five frames of the first map; half of the outputs from each half of its
  // channels.
  const auto maps = inOrder(df0_);
  constexpr std::size_t kPlaces = 2;
  constexpr std::size_t kHalf = kPath / 2;
  static_assert(kFiltered % kPlaces == 0);
  for (std::size_t f = 0; f < kFiltered; f += kPlaces) {
    std::array<Floats<kPath>, kPlaces> path;
    Floats<kPath> around;
    for (std::size_t half = 0; half < 2; ++half) {
      // Two places and five outputs at a time, so that each number is read once for several sums.
      std::array<std::array<F4, kHalf>, kPlaces> sums;
      for (auto& each : sums) each.fill(splat(0));
      for (std::size_t t = 0; t < kTaps; ++t) {
        const float* x = maps[t]->data() + f * kChannels + half * 32;
        const float* w = l.pathWeight + (t * kPath + half * kHalf) * 32;
        for (std::size_t i = 0; i < 32; i += kLanes) {
          std::array<F4, kPlaces> values;
          for (std::size_t place = 0; place < kPlaces; ++place) values[place] = get4(x + place * kChannels + i);
          for (std::size_t o = 0; o < kHalf; ++o) {
            const F4 weight = get4(w + o * 32 + i);
            for (std::size_t place = 0; place < kPlaces; ++place) sums[place][o] += values[place] * weight;
          }
        }
      }
      for (std::size_t place = 0; place < kPlaces; ++place)
        for (std::size_t o = 0; o < kHalf; ++o) path[place][half * kHalf + o] = sum(sums[place][o]);
    }
    for (std::size_t place = 0; place < kPlaces; ++place) {
      // The last four overlap those before them.
      for (const std::size_t o : {std::size_t{0}, std::size_t{4}, kPath - kLanes}) {
        F4 a = get4(l.pathBias + o);
        for (std::size_t i = 0; i < kPath; ++i) a += splat(path[place][i]) * get4(l.pathPointwise + i * kPath + o);
        put4(&around[o], relu4(a));
      }
      for (std::size_t o = 0; o < kPath; ++o) filter_[(f + place) * kPath + o] += around[o];
    }
  }
}

void HqDenoiser::Network::apply() {
  // This frame's mask and filter are for the frame before the last.
  const Spectrum& noisy = spectra_[ring<kTaps>(2)];
  const float air = 1 - kAir * speech(lsnr);
  std::size_t bin = 0;
  for (std::size_t b = 0; b < kBands; ++b) {
    const float gain = bin < kAirFrom ? mask[b] : std::pow(mask[b], air);
    for (std::size_t end = bin + kWidths[b]; bin < end; ++bin) {
      result_.re[bin] = noisy.re[bin] * gain;
      result_.im[bin] = noisy.im[bin] * gain;
    }
  }
  const auto spectra = inOrder(spectra_);
  for (std::size_t f = 0; f < kFiltered; ++f) {
    float re = 0;
    float im = 0;
    for (std::size_t t = 0; t < kTaps; ++t) {
      const Spectrum& x = *spectra[t];
      const float cr = filter_[f * kPath + 2 * t];
      const float ci = filter_[f * kPath + 2 * t + 1];
      re += x.re[f] * cr - x.im[f] * ci;
      im += x.re[f] * ci + x.im[f] * cr;
    }
    result_.re[f] = re;
    result_.im[f] = im;
  }
  result_.re[0] = 0;
  result_.im[0] = 0;
  if (passed <= 0) return;
  for (std::size_t k = 0; k < kBins; ++k) {
    result_.re[k] += passed * (noisy.re[k] - result_.re[k]);
    result_.im[k] += passed * (noisy.im[k] - result_.im[k]);
  }
}

// --- Outside ---------------------------------------------------------------------------------------------------------

HqDenoiser::HqDenoiser() : network_(std::make_unique<Network>()) {}
HqDenoiser::~HqDenoiser() = default;

WeightsError HqDenoiser::load(std::span<const std::uint8_t> weights) { return network_->load(weights); }
bool HqDenoiser::ready() const { return network_->ready; }
void HqDenoiser::reset() { network_->reset(); }
void HqDenoiser::followLevel(bool on) { network_->follow = on; }
void HqDenoiser::setLimit(float decibels) {
  constexpr float kNoLimit = 100;
  // NaN is no limit, either.
  network_->passed = decibels < kNoLimit ? std::pow(10.0F, -std::max(decibels, 0.0F) / 20) : 0;
}
void HqDenoiser::process(std::span<const float, kFrame> in, std::span<float, kFrame> out) {
  network_->process(in, out);
}
float HqDenoiser::voice() const { return speech(network_->lsnr); }
float HqDenoiser::signalToNoise() const { return network_->lsnr; }
std::span<const float, HqDenoiser::kBands> HqDenoiser::mask() const { return network_->mask; }

}  // namespace siegel::denoise
