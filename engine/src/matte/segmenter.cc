#include "siegel/matte/segmenter.h"

#include <algorithm>
#include <array>
#include <bit>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "matte/kernels.h"
#include "simd/f32x4.h"

namespace siegel::matte {
namespace {

constexpr std::size_t kColors = 3;
constexpr std::size_t kOutputs = 8;  // side by side in the weights
constexpr std::size_t kStem = 16;
constexpr std::size_t kMiddle = 24;
constexpr std::size_t kDeep = 32;
constexpr std::size_t kWidest = 128;
constexpr std::size_t kWeights = 106'401;

// Without infinities and NaN, which no weight is (checked when they are read).
float widen(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000U) << 16U;
  const std::uint32_t exponent = (half >> 10U) & 31U;
  const std::uint32_t fraction = half & 1023U;
  if (exponent == 0) {
    const float small = static_cast<float>(fraction) * 0x1p-24F;
    return sign != 0 ? -small : small;
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23U | fraction << 13U);
}

// A layer and the same with whole numbers.
struct Both {
  Dense exact;
  Dense16 quick;
};

struct Block {
  Both expand;
  Depthwise depth;
  Dense squeeze;  // without weights where there is no gate
  Dense excite;
  Both project;
  Activation activation = Activation::kRelu;
};

struct Step {
  Both up;
  Dense squeeze;
  Dense excite;
  Both mix;
  Depthwise depth;
};

struct BlockShape {
  std::string_view name;
  std::size_t from, wide, to, edge, stride, narrow;
  Activation activation;
};
constexpr std::array<BlockShape, 8> kBlocks = {{
    {"a", 16, 16, 16, 3, 2, 8, Activation::kRelu},
    {"b", 16, 72, 24, 3, 2, 0, Activation::kRelu},
    {"c", 24, 88, 24, 3, 1, 0, Activation::kRelu},
    {"d", 24, 96, 32, 5, 2, 24, Activation::kHardSwish},
    {"e", 32, 128, 32, 5, 1, 32, Activation::kHardSwish},
    {"f", 32, 128, 32, 5, 1, 32, Activation::kHardSwish},
    {"g", 32, 96, 32, 5, 1, 24, Activation::kHardSwish},
    {"h", 32, 96, 32, 5, 1, 24, Activation::kHardSwish},
}};
struct StepShape {
  std::string_view name;
  std::size_t from, to;
};
constexpr std::array<StepShape, 3> kSteps = {{{"x", kWidest, kMiddle}, {"y", kMiddle, kStem}, {"z", kStem, kStem}}};

constexpr Map half(Map map) { return {map.height / 2, map.width / 2}; }
constexpr std::size_t pixels(Map map) { return map.height * map.width; }

}  // namespace

class Segmenter::Network {
 public:
  WeightsError load(Model model, std::span<const std::uint8_t> bytes);
  void run(std::span<const float> picture, std::span<float> person);

  bool ready = false;
  bool exact = false;
  Map size{};

 private:
  // Reads one tensor after the other out of a file, into values_.
  class Reader;

  void encode(const float* picture);
  // REQUIRES: `out` is not `in`.
  void block(const Block& layers, const float* in, Map& map, const float* added, float* out);
  void head();
  void decode(std::span<float> person);
  // `in` becomes the map of twice the size, of what `skip` has and of `in`: its mixed rows lie in wide_ then.
  void mix(const Step& layers, const float* in, Map map, const float* skip);
  // For few channels rounding takes as long as it saves.
  [[nodiscard]] bool inWholeNumbers(const Both& layer) const {
    return !exact && (layer.exact.inputs > kStem || layer.exact.outputs > kStem);
  }
  void apply(const Both& layer, const float* in, std::size_t count, Activation activation, const float* added,
             float* out);
  // The layer behind a gate: what it multiplies channel by channel is the same in its weights.
  Both gated(const Both& layer);
  // gate_ from mean_.
  void gate(const Dense& squeeze, const Dense& excite);
  // gate_ from `in`.
  void sigmoidOf(const Dense& layer, const float* in);

  std::vector<float> values_;
  const float* stemWeight_ = nullptr;
  const float* stemBias_ = nullptr;
  alignas(16) std::array<std::int16_t, kStemWeights> quickStem_{};
  alignas(16) std::array<float, kStem> quickStemScale_{};
  std::vector<std::int16_t> roundedPicture_;
  std::array<Block, kBlocks.size()> blocks_{};
  Both value_;
  Dense valueGate_;
  std::array<Step, kSteps.size()> steps_{};
  const float* outWeight_ = nullptr;
  const float* outBias_ = nullptr;

  std::vector<float> first_;   // 1/2: after the stem
  std::vector<float> second_;  // 1/4: after block a
  std::vector<float> third_;   // 1/8: after block c
  std::array<std::vector<float>, 2> deep_;
  std::vector<float> wide_;    // expanded maps; later mixed rows
  std::vector<float> narrow_;  // after depthwise layers; later what goes up
  std::vector<float> row_;
  std::vector<float> scaled_;  // weights times gates
  std::vector<std::int16_t> quickScaled_;
  std::array<float, kWidest> quickScale_{};
  std::vector<std::int16_t> rounded_;
  std::vector<std::int16_t> quick_;
  std::vector<float> quickScales_;
  std::array<float, kWidest> mean_{};
  std::array<float, kWidest> hidden_{};
  std::array<float, kWidest> gate_{};
};

// --- Weights ---------------------------------------------------------------------------------------------------------

class Segmenter::Network::Reader {
 public:
  Reader(const Weights& weights, Network& network)
      : weights_(weights), values_(network.values_), quick_(network.quick_), scales_(network.quickScales_) {}

  WeightsError error = WeightsError::kNone;

  // `name` in parts.
  const float* read(std::initializer_list<std::string_view> name, const Shape& shape) {
    std::array<char, 16> whole{};
    auto end = whole.begin();
    for (const std::string_view part : name) end = std::ranges::copy(part, end).out;
    Tensor tensor;
    if (error == WeightsError::kNone) error = weights_.find(whole.data(), shape, Kind::kHalf, tensor);
    if (error != WeightsError::kNone) return nullptr;
    float* to = values_.data() + used_;
    for (std::size_t i = 0; i < tensor.size(); ++i) {
      if ((tensor.indices[i] & 0x7C00U) == 0x7C00U) error = WeightsError::kTensor;
      to[i] = widen(tensor.indices[i]);
    }
    used_ += tensor.size();
    return to;
  }
  Dense dense(std::string_view block, std::string_view layer, std::size_t inputs, std::size_t outputs) {
    const auto count = static_cast<std::uint32_t>(outputs);
    const float* weight = read({block, layer, ".w"}, {static_cast<std::uint32_t>(outputs / kOutputs),
                                                      static_cast<std::uint32_t>(inputs), kOutputs, 1});
    return {weight, read({block, layer, ".b"}, {1, 1, count, 1}), inputs, outputs};
  }
  Both both(std::string_view block, std::string_view layer, std::size_t inputs, std::size_t outputs) {
    Both result;
    result.exact = dense(block, layer, inputs, outputs);
    if (error != WeightsError::kNone) return result;
    std::int16_t* weight = quick_.data() + quickUsed_;
    float* scale = scales_.data() + scalesUsed_;
    quantise(result.exact, nullptr, weight, scale);
    result.quick = {weight, scale};
    quickUsed_ += inputs * outputs;
    scalesUsed_ += outputs;
    return result;
  }
  Depthwise depthwise(std::string_view block, std::size_t channels, std::size_t edge, std::size_t stride) {
    const auto count = static_cast<std::uint32_t>(channels);
    const float* weight = read({block, ".depth.w"}, {1, static_cast<std::uint32_t>(edge * edge), count, 1});
    return {weight, read({block, ".depth.b"}, {1, 1, count, 1}), channels, edge, stride};
  }

 private:
  const Weights& weights_;
  std::vector<float>& values_;
  std::vector<std::int16_t>& quick_;
  std::vector<float>& scales_;
  std::size_t used_ = 0;
  std::size_t quickUsed_ = 0;
  std::size_t scalesUsed_ = 0;
};

WeightsError Segmenter::Network::load(Model model, std::span<const std::uint8_t> bytes) {
  ready = false;
  Weights weights;
  if (const WeightsError error = weights.open(bytes); error != WeightsError::kNone) return error;
  values_.assign(kWeights, 0.0F);
  quick_.assign(kWeights, 0);
  quickScales_.assign(kWeights / kOutputs, 0.0F);
  Reader reader(weights, *this);
  stemWeight_ = reader.read({"stem.w"}, {kStem / kOutputs, 9 * kColors, kOutputs, 1});
  stemBias_ = reader.read({"stem.b"}, {1, 1, kStem, 1});
  for (std::size_t index = 0; index < kBlocks.size(); ++index) {
    const auto& [name, from, wide, to, edge, stride, narrow, activation] = kBlocks[index];
    Block& layers = blocks_[index];
    layers.expand = reader.both(name, ".expand", from, wide);
    layers.depth = reader.depthwise(name, wide, edge, stride);
    if (narrow != 0) {
      layers.squeeze = reader.dense(name, ".squeeze", wide, narrow);
      layers.excite = reader.dense(name, ".excite", narrow, wide);
    }
    layers.project = reader.both(name, ".project", wide, to);
    layers.activation = activation;
  }
  value_ = reader.both("head", ".value", kDeep, kWidest);
  valueGate_ = reader.dense("head", ".gate", kDeep, kWidest);
  for (std::size_t index = 0; index < kSteps.size(); ++index) {
    const auto& [name, from, to] = kSteps[index];
    steps_[index] = {.up = reader.both(name, ".up", from, to),
                     .squeeze = reader.dense(name, ".squeeze", to, to),
                     .excite = reader.dense(name, ".excite", to, to),
                     .mix = reader.both(name, ".mix", to, to),
                     .depth = reader.depthwise(name, to, 3, 1)};
  }
  outWeight_ = reader.read({"out.w"}, {1, kStem, 4, 1});
  outBias_ = reader.read({"out.b"}, {1, 1, 1, 1});
  if (reader.error != WeightsError::kNone) return reader.error;

  quantiseStem(stemWeight_, quickStem_.data(), quickStemScale_.data());
  size = model == Model::kSquare ? Map{256, 256} : Map{144, 256};
  const Map two = half(size);
  const Map four = half(two);
  const Map eight = half(four);
  first_.resize(pixels(two) * kStem);
  second_.resize(pixels(four) * kStem);
  third_.resize(pixels(eight) * kMiddle);
  // Also the decoder's maps.
  for (auto& each : deep_) each.resize(pixels(four) * kStem);
  wide_.resize(std::max(pixels(two) * kStem, pixels(four) * 72));
  narrow_.resize(std::max(pixels(four) * kStem, pixels(eight) * 88));
  row_.resize(2 * two.width * kStem);
  roundedPicture_.resize(size.height * (size.width * kColors + kStemGap));
  scaled_.resize(kWidest * kDeep);
  quickScaled_.resize(kWidest * kDeep);
  rounded_.resize(std::max(pixels(two) * kStem, pixels(eight) * 88));
  ready = true;
  return WeightsError::kNone;
}

// --- A picture -------------------------------------------------------------------------------------------------------

void Segmenter::Network::run(std::span<const float> picture, std::span<float> person) {
  if (!ready || picture.size() != pixels(size) * kColors || person.size() != pixels(size)) {
    std::ranges::fill(person, 0.0F);
    return;
  }
  encode(picture.data());
  head();
  decode(person);
}

void Segmenter::Network::encode(const float* picture) {
  Map map = half(size);
  if (!exact) roundPicture(picture, size, roundedPicture_.data());
  for (std::size_t y = 0; y < map.height; ++y) {
    float* row = first_.data() + y * map.width * kStem;
    if (exact)
      stemRow(stemWeight_, stemBias_, picture, size, y, row);
    else
      stemRow({quickStem_.data(), quickStemScale_.data()}, stemBias_, roundedPicture_.data(), size, y, row);
  }
  block(blocks_[0], first_.data(), map, nullptr, second_.data());
  block(blocks_[1], second_.data(), map, nullptr, deep_[0].data());
  block(blocks_[2], deep_[0].data(), map, deep_[0].data(), third_.data());
  block(blocks_[3], third_.data(), map, nullptr, deep_[0].data());
  for (std::size_t index = 4; index < kBlocks.size(); ++index) {
    const float* in = deep_[index % 2].data();
    block(blocks_[index], in, map, in, deep_[1 - index % 2].data());
  }
}

void Segmenter::Network::gate(const Dense& squeeze, const Dense& excite) {
  denseOne(squeeze, mean_.data(), hidden_.data());
  for (std::size_t c = 0; c < squeeze.outputs; ++c) hidden_[c] = std::max(hidden_[c], 0.0F);
  sigmoidOf(excite, hidden_.data());
}

void Segmenter::Network::sigmoidOf(const Dense& layer, const float* in) {
  denseOne(layer, in, gate_.data());
  for (std::size_t c = 0; c < layer.outputs; c += kLanes) put4(&gate_[c], sigmoid(get4(&gate_[c])));
}

void Segmenter::Network::block(const Block& layers, const float* in, Map& map, const float* added, float* out) {
  const auto& [expand, depth, squeeze, excite, project, activation] = layers;
  apply(expand, in, pixels(map), activation, nullptr, wide_.data());
  const Map from = map;
  map = {map.height / depth.stride, map.width / depth.stride};
  for (std::size_t y = 0; y < map.height; ++y)
    depthwiseRow(depth, wide_.data(), from, y, activation, narrow_.data() + y * map.width * depth.channels);
  Both last = project;
  if (squeeze.weight != nullptr) {
    meanOf(narrow_.data(), pixels(map), depth.channels, mean_.data());
    gate(squeeze, excite);
    last = gated(project);
  }
  apply(last, narrow_.data(), pixels(map), Activation::kNone, added, out);
}

void Segmenter::Network::apply(const Both& layer, const float* in, std::size_t count, Activation activation,
                               const float* added, float* out) {
  if (inWholeNumbers(layer))
    dense(layer.exact, layer.quick, in, count, activation, added, rounded_.data(), out);
  else
    dense(layer.exact, in, count, activation, added, out);
}

Both Segmenter::Network::gated(const Both& layer) {
  const auto [weight, bias, inputs, outputs] = layer.exact;
  if (inWholeNumbers(layer)) {
    quantise(layer.exact, gate_.data(), quickScaled_.data(), quickScale_.data());
    return {layer.exact, {quickScaled_.data(), quickScale_.data()}};
  }
  for (std::size_t o = 0; o < outputs; o += kOutputs)
    for (std::size_t i = 0; i < inputs; ++i)
      for (std::size_t lane = 0; lane < kOutputs; lane += kLanes) {
        const std::size_t at = o * inputs + i * kOutputs + lane;
        put4(scaled_.data() + at, get4(weight + at) * splat(gate_[i]));
      }
  return {{scaled_.data(), bias, inputs, outputs}, {}};
}

void Segmenter::Network::head() {
  // The last block left its map in the first of the two.
  static_assert(kBlocks.size() % 2 == 0);
  const std::size_t count = pixels(size) / 256;
  const float* in = deep_[0].data();
  meanOf(in, count, kDeep, mean_.data());
  sigmoidOf(valueGate_, mean_.data());
  apply(value_, in, count, Activation::kRelu, nullptr, wide_.data());
  // These gates go into the weights of what comes next, too (decode).
}

void Segmenter::Network::mix(const Step& layers, const float* in, Map map, const float* skip) {
  const std::size_t channels = layers.up.exact.outputs;
  const Map twice{2 * map.height, 2 * map.width};
  apply(layers.up, in, pixels(map), Activation::kNone, nullptr, narrow_.data());
  // Resizing keeps the mean.
  meanOf(narrow_.data(), pixels(map), channels, hidden_.data());
  meanOf(skip, pixels(twice), channels, mean_.data());
  for (std::size_t c = 0; c < channels; ++c) mean_[c] += hidden_[c];
  gate(layers.squeeze, layers.excite);
  const std::size_t length = twice.width * channels;
  for (std::size_t y = 0; y < twice.height; ++y) {
    resizeRow(narrow_.data(), map, channels, y, row_.data());
    gateAndAdd(skip + y * length, gate_.data(), row_.data(), twice.width, channels, row_.data());
    apply(layers.mix, row_.data(), twice.width, Activation::kRelu, nullptr, wide_.data() + y * length);
  }
}

void Segmenter::Network::decode(std::span<float> person) {
  Map map{size.height / 16, size.width / 16};
  const std::array<const float*, 3> skips = {third_.data(), second_.data(), first_.data()};
  Step layers = steps_[0];
  layers.up = gated(layers.up);
  const float* in = wide_.data();
  for (std::size_t index = 0; index < kSteps.size(); ++index) {
    if (index > 0) layers = steps_[index];
    mix(layers, in, map, skips[index]);
    map = {2 * map.height, 2 * map.width};
    const std::size_t length = map.width * layers.depth.channels;
    const bool last = index + 1 == kSteps.size();
    float* out = deep_[index % 2].data();
    for (std::size_t y = 0; y < map.height; ++y) {
      float* to = last ? row_.data() : out + y * length;
      depthwiseRow(layers.depth, wide_.data(), map, y, Activation::kRelu, to);
      const float* mixed = wide_.data() + y * length;
      for (std::size_t i = 0; i < length; i += kLanes) put4(to + i, get4(to + i) + get4(mixed + i));
      if (!last) continue;
      float* above = person.data() + 2 * y * size.width;
      quarters(outWeight_, *outBias_, row_.data(), map.width, kStem, above, above + size.width);
    }
    in = out;
  }
}

// --- Outside ---------------------------------------------------------------------------------------------------------

Segmenter::Segmenter() : network_(std::make_unique<Network>()) {}
Segmenter::~Segmenter() = default;

WeightsError Segmenter::load(Model model, std::span<const std::uint8_t> weights) {
  return network_->load(model, weights);
}
void Segmenter::setExact(bool exact) { network_->exact = exact; }
bool Segmenter::ready() const { return network_->ready; }
std::size_t Segmenter::width() const { return network_->size.width; }
std::size_t Segmenter::height() const { return network_->size.height; }
void Segmenter::run(std::span<const float> picture, std::span<float> person) { network_->run(picture, person); }

}  // namespace siegel::matte
