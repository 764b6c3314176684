#include "siegel/denoise/eco_denoiser.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <string_view>

#include "denoise/blocks.h"
#include "denoise/fft.h"
#include "denoise/pitch.h"

namespace siegel::denoise {
namespace {

constexpr std::size_t kBands = EcoDenoiser::kBands;
constexpr std::size_t kFeatures = 2 * kBands + 1;
constexpr std::size_t kLook = 3;  // frames that a convolution sees
constexpr std::size_t kConv = 128;
constexpr std::size_t kHidden = 384;
constexpr std::size_t kLayers = 3;
// RNNoise counts in 16-bit samples.
constexpr float kScale = 32768;
// Where bands begin, in bins; the last ends at 20 kHz, and above nothing passes.
constexpr std::array<std::uint16_t, kBands + 2> kEdges = {0,   2,   4,   6,   8,   10,  12,  15,  18,  21, 24,  28,
                                                          32,  36,  41,  47,  53,  60,  68,  77,  87,  98, 110, 124,
                                                          140, 157, 176, 198, 223, 251, 282, 317, 356, 400};
constexpr std::size_t kHeard = kEdges.back();

template <std::size_t N>
using Floats = std::array<float, N>;
using Bands = Floats<kBands>;

struct Recurrent {
  BlockMatrix input;
  BlockMatrix again;
  const float* diagonal = nullptr;
};

struct Layers {
  const float* conv1Weight = nullptr;
  const float* conv1Bias = nullptr;
  BlockMatrix conv2;
  std::array<Recurrent, kLayers> recurrent;
  const float* gainWeight = nullptr;
  const float* gainBias = nullptr;
  const float* voiceWeight = nullptr;
  const float* voiceBias = nullptr;
};

// out[o] = sum over i of in[i] * weight[i][o] + bias[o]. REQUIRES: out a multiple of 4.
void dense(std::span<const float> in, std::span<float> out, const float* weight, const float* bias) {
  for (std::size_t o = 0; o < out.size(); o += kLanes) {
    F4 total = get4(bias + o);
    const float* w = weight + o;
    for (const float value : in) {
      total += splat(value) * get4(w);
      w += out.size();
    }
    put4(out.data() + o, total);
  }
}

void tangents(std::span<float> values) {
  for (std::size_t i = 0; i < values.size(); i += kLanes) put4(&values[i], quickTangent(get4(&values[i])));
}

}  // namespace

class EcoDenoiser::Network {
 public:
  Network() {
    for (std::size_t n = 0; n < kWindow; ++n) {
      const double inner = std::sin(std::numbers::pi * (static_cast<double>(n) + 0.5) / kWindow);
      window_[n] = static_cast<float>(std::sin(std::numbers::pi / 2 * inner * inner));
    }
    for (std::size_t band = 0; band <= kBands; ++band) {
      const std::size_t width = kEdges[band + 1] - kEdges[band];
      for (std::size_t i = 0; i < width; ++i)
        rising_[kEdges[band] + i] = static_cast<float>(i) / static_cast<float>(width);
    }
    // Of 22 bands once; the model was trained with it.
    const double unit = std::sqrt(2.0 / 22);
    for (std::size_t i = 0; i < kBands; ++i) {
      for (std::size_t k = 0; k < kBands; ++k) {
        const double angle = (static_cast<double>(i) + 0.5) * static_cast<double>(k) * std::numbers::pi / kBands;
        cosines_[i * kBands + k] = static_cast<float>(unit * std::cos(angle) * (k == 0 ? std::numbers::sqrt2 / 2 : 1));
      }
    }
    reset();
  }

  WeightsError load(std::span<const std::uint8_t> bytes);
  void reset();
  void process(std::span<const float, kFrame> in, std::span<float, kFrame> out);

  bool ready = false;
  float passed = 0;  // share of the noisy spectrum that stays
  float voice = 0;
  alignas(16) Bands gains{};

 private:
  // A frame's spectrum, that of one pitch period earlier, and what of it is known by bands.
  struct Analysis {
    Spectrum sound;
    Spectrum earlier;
    Bands energy{};
    Bands earlierEnergy{};
    Bands likeness{};  // how far the sound repeats with the period, -1..1
  };

  WeightsError take(Weights& weights);
  void highPass(std::span<const float, kFrame> in, std::span<float> out);
  void spectrumOf(std::span<const float> samples, Spectrum& spectrum);
  [[nodiscard]] Bands bandsOf(const Spectrum& a, const Spectrum& b) const;
  void overBins(const Bands& bands, Floats<kHeard>& bins) const;
  void cosineTransform(const Bands& in, float* out) const;
  // False: so near to silence that the network is left alone.
  bool analyse(Analysis& now, Floats<kFeatures + 3>& features);
  void think(const Floats<kFeatures + 3>& features);
  void comb(Analysis& delayed);
  void step(const Recurrent& layer, std::span<const float> x, std::span<float> hidden);

  Layers layers_;
  Fft fft_;
  alignas(16) Floats<kWindow> window_{};
  Floats<kHeard> rising_{};
  alignas(16) Floats<kBands * kBands> cosines_{};

  // What was heard.
  std::array<double, 2> rumble_{};
  alignas(16) Floats<kWindow> samples_{};
  PitchTracker pitch_;
  std::array<Analysis, 2> analyses_{};
  Bands lastGains_{};
  Floats<kFrame> overlap_{};
  alignas(16) Floats<kLook * kFeatures> conv1Seen_{};
  alignas(16) Floats<kLook * kConv> conv2Seen_{};
  alignas(16) std::array<Floats<kHidden>, kLayers> hidden_{};
  std::size_t time_ = 0;

  alignas(16) Floats<kWindow> block_{};
  Spectrum result_;
};

// --- Weights
// -----------------------------------------------------------------------------------------------------------

WeightsError EcoDenoiser::Network::load(std::span<const std::uint8_t> bytes) {
  ready = false;
  Weights weights;
  if (const WeightsError error = weights.open(bytes); error != WeightsError::kNone) return error;
  if (const WeightsError error = take(weights); error != WeightsError::kNone) return error;
  reset();
  ready = true;
  return WeightsError::kNone;
}

WeightsError EcoDenoiser::Network::take(Weights& weights) {
  WeightsError error = WeightsError::kNone;
  const auto find = [&](std::string_view name, const Shape& shape, Kind kind) {
    Tensor tensor;
    if (error == WeightsError::kNone) error = weights.find(name, shape, kind, tensor);
    return tensor;
  };
  const auto floats = [&](std::string_view name, std::uint32_t count) {
    return find(name, {1, 1, 1, count}, Kind::kFloat).floats;
  };
  const auto matrix = [&](const std::string& name, std::uint32_t rows, std::uint32_t blocks) {
    BlockMatrix result{.rows = rows, .blocks = blocks};
    result.values = find(name + ".w", {1, 1, blocks, BlockMatrix::kBlock}, Kind::kBytes).values;
    result.counts = find(name + ".n", {1, 1, 1, rows / std::uint32_t{BlockMatrix::kRows}}, Kind::kIndex).indices;
    result.columns = find(name + ".at", {1, 1, 1, blocks}, Kind::kIndex).indices;
    result.scales = floats(name + ".s", rows);
    result.bias = floats(name + ".b", rows);
    if (error == WeightsError::kNone && !result.sound(kHidden)) error = WeightsError::kTensor;
    return result;
  };
  constexpr std::uint32_t kAll = kHidden * kLook * kConv / BlockMatrix::kBlock;
  constexpr std::uint32_t kThird = 3 * kHidden * kHidden / 3 / BlockMatrix::kBlock;
  layers_.conv1Weight = floats("conv1.w", kLook * kFeatures * kConv);
  layers_.conv1Bias = floats("conv1.b", kConv);
  layers_.conv2 = matrix("conv2", kHidden, kAll);
  for (std::size_t i = 0; i < kLayers; ++i) {
    const std::string name = "gru" + std::to_string(i + 1);
    layers_.recurrent[i] = {matrix(name + ".in", 3 * kHidden, kThird), matrix(name + ".re", 3 * kHidden, kThird),
                            floats(name + ".diag", 3 * kHidden)};
  }
  layers_.gainWeight = floats("dense.w", kHidden * kBands);
  layers_.gainBias = floats("dense.b", kBands);
  layers_.voiceWeight = floats("voice.w", kHidden);
  layers_.voiceBias = floats("voice.b", 1);
  return error;
}

void EcoDenoiser::Network::reset() {
  rumble_ = {};
  samples_.fill(0);
  pitch_.reset();
  analyses_ = {};
  lastGains_.fill(0);
  overlap_.fill(0);
  conv1Seen_.fill(0);
  conv2Seen_.fill(0);
  for (auto& each : hidden_) each.fill(0);
  time_ = 0;
  voice = 0;
  gains.fill(0);
}

// --- A frame
// -----------------------------------------------------------------------------------------------------------

void EcoDenoiser::Network::process(std::span<const float, kFrame> in, std::span<float, kFrame> out) {
  if (!ready) {
    std::ranges::fill(out, 0.0F);
    return;
  }
  std::copy(samples_.begin() + kFrame, samples_.end(), samples_.begin());
  const std::span<float> fresh = std::span(samples_).last(kFrame);
  highPass(in, fresh);

  Analysis& now = analyses_[time_ % 2];
  Analysis& delayed = analyses_[(time_ + 1) % 2];
  Floats<kFeatures + 3> features{};
  const bool audible = analyse(now, features);
  voice = 0;
  result_ = delayed.sound;
  if (audible) {
    think(features);
    comb(delayed);
    Bands smooth{};
    for (std::size_t band = 0; band < kBands; ++band) {
      // 60 dB in 135 ms at most: anything quicker sounds unnatural.
      smooth[band] = std::max(gains[band], 0.6F * lastGains_[band]);
    }
    lastGains_ = smooth;
    Floats<kHeard> bins;
    overBins(smooth, bins);
    for (std::size_t k = 0; k < kHeard; ++k) {
      result_.re[k] *= bins[k];
      result_.im[k] *= bins[k];
    }
    for (std::size_t k = kHeard; k < kBins; ++k) result_.re[k] = result_.im[k] = 0;
    if (passed > 0) {
      for (std::size_t k = 0; k < kBins; ++k) {
        result_.re[k] += passed * (delayed.sound.re[k] - result_.re[k]);
        result_.im[k] += passed * (delayed.sound.im[k] - result_.im[k]);
      }
    }
  }
  fft_.backward(result_, block_);
  for (std::size_t i = 0; i < kFrame; ++i) {
    out[i] = (block_[i] * window_[i] + overlap_[i]) * (1 / kScale);
    overlap_[i] = block_[kFrame + i] * window_[kFrame + i];
  }
  ++time_;
}

// Second order, 3 dB down at 15 Hz; in double, because its poles all but touch the unit circle.
void EcoDenoiser::Network::highPass(std::span<const float, kFrame> in, std::span<float> out) {
  for (std::size_t i = 0; i < kFrame; ++i) {
    // NaN and infinities fail the comparison, too.
    const double x = std::abs(in[i]) < 16 ? static_cast<double>(in[i] * kScale) : 0;
    const double y = x + rumble_[0];
    rumble_[0] = rumble_[1] + (-2 * x + 1.99599 * y);
    rumble_[1] = x - 0.99600 * y;
    out[i] = static_cast<float>(y);
  }
}

void EcoDenoiser::Network::spectrumOf(std::span<const float> samples, Spectrum& spectrum) {
  for (std::size_t i = 0; i < kWindow; ++i) block_[i] = samples[i] * window_[i];
  fft_.forward(block_, 1.0F / kWindow, spectrum);
}

// Products of two spectra in triangular bands, each from the middle of the one before to that of the one after.
Bands EcoDenoiser::Network::bandsOf(const Spectrum& a, const Spectrum& b) const {
  Floats<kBands + 2> total{};
  for (std::size_t band = 0; band <= kBands; ++band) {
    float all = 0;
    float next = 0;
    for (std::size_t k = kEdges[band]; k < kEdges[band + 1]; ++k) {
      const float power = a.re[k] * b.re[k] + a.im[k] * b.im[k];
      all += power;
      next += rising_[k] * power;
    }
    total[band] += all - next;
    total[band + 1] += next;
  }
  // The outermost are half triangles.
  constexpr float kHalf = 2.0F / 3;
  total[1] = (total[0] + total[1]) * kHalf;
  total[kBands] = (total[kBands] + total[kBands + 1]) * kHalf;
  Bands result;
  std::copy_n(total.begin() + 1, kBands, result.begin());
  return result;
}

void EcoDenoiser::Network::overBins(const Bands& bands, Floats<kHeard>& bins) const {
  for (std::size_t k = 0; k < kEdges[1]; ++k) bins[k] = bands[0];
  for (std::size_t band = 1; band < kBands; ++band)
    for (std::size_t k = kEdges[band]; k < kEdges[band + 1]; ++k)
      bins[k] = bands[band - 1] + rising_[k] * (bands[band] - bands[band - 1]);
  for (std::size_t k = kEdges[kBands]; k < kHeard; ++k) bins[k] = bands[kBands - 1];
}

void EcoDenoiser::Network::cosineTransform(const Bands& in, float* out) const {
  for (std::size_t k = 0; k < kBands; k += kLanes) {
    F4 total = splat(0);
    for (std::size_t i = 0; i < kBands; ++i) total += splat(in[i]) * get4(&cosines_[i * kBands + k]);
    put4(out + k, total);
  }
}

bool EcoDenoiser::Network::analyse(Analysis& now, Floats<kFeatures + 3>& features) {
  spectrumOf(samples_, now.sound);
  now.energy = bandsOf(now.sound, now.sound);
  const std::size_t period = pitch_.follow(std::span(samples_).last(kFrame));
  spectrumOf(pitch_.before(period), now.earlier);
  now.earlierEnergy = bandsOf(now.earlier, now.earlier);
  now.likeness = bandsOf(now.sound, now.earlier);
  float total = 0;
  Bands levels;
  float loudest = -2;
  float before = -2;
  for (std::size_t band = 0; band < kBands; ++band) {
    now.likeness[band] /= std::sqrt(0.001F + now.energy[band] * now.earlierEnergy[band]);
    // Not lower than 7 below the loudest, and no steeper than 1.5 from band to band.
    const float level = std::log10(0.01F + now.energy[band]);
    levels[band] = std::max({loudest - 7, before - 1.5F, level});
    loudest = std::max(loudest, levels[band]);
    before = std::max(before - 1.5F, levels[band]);
    total += now.energy[band];
  }
  if (total < 0.04F) return false;
  cosineTransform(levels, features.data());
  features[0] -= 12;
  features[1] -= 4;
  cosineTransform(now.likeness, features.data() + kBands);
  features[2 * kBands] = 0.01F * (static_cast<float>(period) - 300);
  return true;
}

void EcoDenoiser::Network::think(const Floats<kFeatures + 3>& features) {
  std::copy(conv1Seen_.begin() + kFeatures, conv1Seen_.end(), conv1Seen_.begin());
  std::copy_n(features.begin(), kFeatures, conv1Seen_.end() - kFeatures);
  std::copy(conv2Seen_.begin() + kConv, conv2Seen_.end(), conv2Seen_.begin());
  const std::span<float> fresh = std::span(conv2Seen_).last(kConv);
  dense(conv1Seen_, fresh, layers_.conv1Weight, layers_.conv1Bias);
  tangents(fresh);
  alignas(16) Floats<kHidden> first;
  layers_.conv2.multiply(conv2Seen_, first.data());
  tangents(first);
  std::span<const float> x = first;
  for (std::size_t i = 0; i < kLayers; ++i) {
    step(layers_.recurrent[i], x, hidden_[i]);
    x = hidden_[i];
  }
  dense(x, gains, layers_.gainWeight, layers_.gainBias);
  for (std::size_t i = 0; i < kBands; i += kLanes) put4(&gains[i], quickSigmoid(get4(&gains[i])));
  F4 total = splat(0);
  for (std::size_t i = 0; i < kHidden; i += kLanes) total += get4(&x[i]) * get4(layers_.voiceWeight + i);
  voice = quickSigmoid(splat(sum(total) + *layers_.voiceBias))[0];
}

// Gates in the order update, reset, new; the diagonal of the recurrent matrix is kept apart from its blocks.
void EcoDenoiser::Network::step(const Recurrent& layer, std::span<const float> x, std::span<float> hidden) {
  alignas(16) Floats<3 * kHidden> fromInput;
  alignas(16) Floats<3 * kHidden> fromHidden;
  layer.input.multiply(x, fromInput.data());
  layer.again.multiply(hidden, fromHidden.data());
  for (std::size_t i = 0; i < kHidden; i += kLanes) {
    const F4 old = get4(&hidden[i]);
    const auto in = [&](std::size_t gate) { return get4(&fromInput[gate * kHidden + i]); };
    const auto again = [&](std::size_t gate) {
      return get4(&fromHidden[gate * kHidden + i]) + get4(layer.diagonal + gate * kHidden + i) * old;
    };
    const F4 update = quickSigmoid(in(0) + again(0));
    const F4 reset = quickSigmoid(in(1) + again(1));
    const F4 fresh = quickTangent(in(2) + reset * again(2));
    put4(&hidden[i], fresh + update * (old - fresh));
  }
}

// Adds the sound of one period earlier, in bands where it is alike and the gain is low: harmonics add up, noise does
// not. Then every band gets the energy back that it had.
void EcoDenoiser::Network::comb(Analysis& delayed) {
  Bands share;
  for (std::size_t band = 0; band < kBands; ++band) {
    const float alike = delayed.likeness[band];
    const float gain = gains[band];
    float much = 1;
    if (alike <= gain) {
      const float squared = alike * alike * (1 - gain * gain) / (0.001F + gain * gain * (1 - alike * alike));
      much = std::sqrt(std::clamp(squared, 0.0F, 1.0F));
    }
    share[band] = much * std::sqrt(delayed.energy[band] / (1e-8F + delayed.earlierEnergy[band]));
  }
  Floats<kHeard> bins;
  overBins(share, bins);
  for (std::size_t k = 0; k < kHeard; ++k) {
    result_.re[k] += bins[k] * delayed.earlier.re[k];
    result_.im[k] += bins[k] * delayed.earlier.im[k];
  }
  const Bands energy = bandsOf(result_, result_);
  Bands back;
  for (std::size_t band = 0; band < kBands; ++band)
    back[band] = std::sqrt(delayed.energy[band] / (1e-8F + energy[band]));
  overBins(back, bins);
  for (std::size_t k = 0; k < kHeard; ++k) {
    result_.re[k] *= bins[k];
    result_.im[k] *= bins[k];
  }
}

// --- Outside
// -----------------------------------------------------------------------------------------------------------

EcoDenoiser::EcoDenoiser() : network_(std::make_unique<Network>()) {}
EcoDenoiser::~EcoDenoiser() = default;

WeightsError EcoDenoiser::load(std::span<const std::uint8_t> weights) { return network_->load(weights); }
bool EcoDenoiser::ready() const { return network_->ready; }
void EcoDenoiser::reset() { network_->reset(); }
void EcoDenoiser::setLimit(float decibels) {
  constexpr float kNoLimit = 100;
  // NaN is no limit, either.
  network_->passed = decibels < kNoLimit ? std::pow(10.0F, -std::max(decibels, 0.0F) / 20) : 0;
}
void EcoDenoiser::process(std::span<const float, kFrame> in, std::span<float, kFrame> out) {
  network_->process(in, out);
}
float EcoDenoiser::voice() const { return network_->voice; }
std::span<const float, EcoDenoiser::kBands> EcoDenoiser::gains() const { return network_->gains; }

}  // namespace siegel::denoise
