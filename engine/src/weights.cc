#include "siegel/weights.h"

#include <array>
#include <cstring>

namespace siegel {
namespace {

constexpr std::uint32_t kMagic = 0x444c4753;
constexpr std::uint32_t kVersion = 2;
constexpr std::size_t kHead = 16;
constexpr std::size_t kEntry = 48;
constexpr std::size_t kName = 16;
constexpr std::size_t kAlign = 16;
// More than any network here has; keeps products far from overflow.
constexpr std::uint32_t kMaxDimension = 1U << 20;

std::uint32_t read(std::span<const std::uint8_t> bytes, std::size_t at) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

}  // namespace

WeightsError Weights::open(std::span<const std::uint8_t> bytes) {
  count_ = 0;
  if (bytes.size() < kHead || read(bytes, 0) != kMagic) return WeightsError::kFormat;
  if (read(bytes, 4) != kVersion) return WeightsError::kVersion;
  const std::uint32_t count = read(bytes, 8);
  if (read(bytes, 12) != bytes.size() || count > (bytes.size() - kHead) / kEntry) return WeightsError::kFormat;
  bytes_ = bytes;
  count_ = count;
  return WeightsError::kNone;
}

WeightsError Weights::find(std::string_view name, const Shape& shape, Kind kind, Tensor& tensor) const {
  std::array<char, kName> wanted{};
  if (name.size() >= kName) return WeightsError::kTensor;
  std::memcpy(wanted.data(), name.data(), name.size());
  for (std::uint32_t index = 0; index < count_; ++index) {
    const std::size_t entry = kHead + index * kEntry;
    if (std::memcmp(bytes_.data() + entry, wanted.data(), kName) != 0) continue;
    const auto field = [&](std::size_t which) { return read(bytes_, entry + kName + 4 * which); };
    const Shape found{field(1), field(2), field(3), field(4)};
    if (field(0) != static_cast<std::uint32_t>(kind) || found.groups != shape.groups || found.outer != shape.outer ||
        found.channels != shape.channels || found.inner != shape.inner)
      return WeightsError::kTensor;
    for (const std::uint32_t dimension : {shape.groups, shape.outer, shape.channels, shape.inner})
      if (dimension == 0 || dimension > kMaxDimension) return WeightsError::kTensor;
    const auto inside = [&](std::size_t offset, std::size_t size) {
      return offset % kAlign == 0 && offset <= bytes_.size() && size <= bytes_.size() - offset;
    };
    Tensor result{.groups = shape.groups, .outer = shape.outer, .channels = shape.channels, .inner = shape.inner};
    const std::size_t values = field(5);
    const std::size_t scales = field(6);
    const bool pairs = kind == Kind::kIndex || kind == Kind::kHalf;
    const std::size_t each = kind == Kind::kFloat ? sizeof(float) : pairs ? sizeof(std::uint16_t) : 1;
    if (!inside(values, result.size() * each)) return WeightsError::kFormat;
    // Alignment was checked above, so these are objects of their types.
    const auto floatsAt = [&](std::size_t offset) { return reinterpret_cast<const float*>(bytes_.data() + offset); };
    if (kind == Kind::kScaled) {
      if (!inside(scales, std::size_t{shape.groups} * shape.channels * sizeof(float))) return WeightsError::kFormat;
      result.scales = floatsAt(scales);
    }
    if (kind == Kind::kFloat)
      result.floats = floatsAt(values);
    else if (pairs)
      result.indices = reinterpret_cast<const std::uint16_t*>(bytes_.data() + values);
    else
      result.values = reinterpret_cast<const std::int8_t*>(bytes_.data() + values);
    tensor = result;
    return WeightsError::kNone;
  }
  return WeightsError::kTensor;
}

}  // namespace siegel
