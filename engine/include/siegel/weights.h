// Weights of a network: one file of named tensors, int8 with a scale per output channel, f32, f16, or whole numbers.
// Written at set-up by tools/denoise and tools/matte from published models; never part of the sources.
//
// Layout, little-endian:
//   0   "SGLD"   4   version (2)   8   number of tensors   12   length of the file
//   16  for each tensor 48 bytes: name (16, zero-padded); kind (a Kind); groups, outer, channels, inner;
//       offset of the values; offset of the scales (groups * channels f32; int8 only); 0
// Value (g, o, c, i) lies at ((g * outer + o) * channels + c) * inner + i. Everything is aligned to 16.
//
// Ownership: the bytes belong to the caller and must outlive what reads them. Errors: WeightsError; nothing is read out
// of bounds, whatever the bytes are. Cost: one pass over the table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace siegel {

enum class WeightsError : std::uint8_t {
  kNone = 0,
  kFormat = 1,   // not such a file, or cut off
  kVersion = 2,  // of another version of this library
  kTensor = 3,   // a tensor is missing or has another shape
};

enum class Kind : std::uint8_t {
  kFloat = 0,   // f32
  kScaled = 1,  // int8, scales beside them
  kBytes = 2,   // int8
  kIndex = 3,   // u16; what they point to is for the reader to check
  kHalf = 4,    // f16; the reader widens them
};

struct Tensor {
  const std::int8_t* values = nullptr;     // kScaled, kBytes
  const std::uint16_t* indices = nullptr;  // kIndex, kHalf
  const float* floats = nullptr;           // f32
  const float* scales = nullptr;           // kScaled: groups * channels
  std::uint32_t groups = 0;
  std::uint32_t outer = 0;
  std::uint32_t channels = 0;
  std::uint32_t inner = 0;

  [[nodiscard]] std::size_t size() const { return std::size_t{groups} * outer * channels * inner; }
};

struct Shape {
  std::uint32_t groups;
  std::uint32_t outer;
  std::uint32_t channels;
  std::uint32_t inner;
};

class Weights {
 public:
  // REQUIRES: `bytes` aligned to 16.
  WeightsError open(std::span<const std::uint8_t> bytes);

  // kTensor when it is not there in this shape and kind.
  WeightsError find(std::string_view name, const Shape& shape, Kind kind, Tensor& tensor) const;

 private:
  std::span<const std::uint8_t> bytes_;
  std::uint32_t count_ = 0;
};

}  // namespace siegel
