// Weights files as anybody may send them: whatever the table says, what is found lies inside the file, every byte of
// it.
#include "siegel/weights.h"

#include <cstring>
#include <string_view>
#include <vector>

#include "siegel/matte/segmenter.h"
#include "support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace siegel;
  using namespace siegel::fuzz;
  struct alignas(16) Line {
    std::uint8_t bytes[16];
  };
  std::vector<Line> lines((size + 15) / 16 + 1);
  auto* file = lines.front().bytes;
  std::memcpy(file, bytes, size);
  // Most inputs get a true head, else nothing behind it is ever reached.
  if (size >= 16 && bytes[0] % 8 != 0) {
    const std::uint32_t head[] = {0x444c4753, 2, 0, static_cast<std::uint32_t>(size)};
    std::memcpy(file, head, 8);
    std::memcpy(file + 12, head + 3, 4);
  }
  Weights weights;
  const bool open = weights.open({file, size}) == WeightsError::kNone;
  std::uint32_t count = 0;
  if (size >= 16) std::memcpy(&count, file + 8, 4);
  unsigned sum = 0;
  for (std::size_t index = 0; open && index < count; ++index) {
    const std::uint8_t* entry = file + 16 + index * 48;
    std::uint32_t fields[5];
    std::memcpy(fields, entry + 16, sizeof fields);
    const auto* name = reinterpret_cast<const char*>(entry);
    const std::string_view wanted(name, strnlen(name, 16));
    const auto kind = static_cast<Kind>(fields[0]);
    if (fields[0] > 4) continue;
    Tensor tensor;
    if (weights.find(wanted, {fields[1], fields[2], fields[3], fields[4]}, kind, tensor) != WeightsError::kNone)
      continue;
    const auto touch = [&](const void* from, std::size_t length) {
      const auto* all = static_cast<const std::uint8_t*>(from);
      PROMISE(all >= file && length <= size && all - file <= static_cast<std::ptrdiff_t>(size - length));
      sum += all[0] + all[length - 1];
    };
    if (kind == Kind::kFloat) touch(tensor.floats, 4 * tensor.size());
    if (kind == Kind::kIndex || kind == Kind::kHalf) touch(tensor.indices, 2 * tensor.size());
    if (kind == Kind::kBytes || kind == Kind::kScaled) touch(tensor.values, tensor.size());
    if (kind == Kind::kScaled) touch(tensor.scales, std::size_t{4} * tensor.groups * tensor.channels);
  }
  // Not a file that anything could be made of.
  matte::Segmenter segmenter;
  PROMISE(segmenter.load(matte::Model::kLandscape, {file, size}) != WeightsError::kNone || size > 200'000);
  PROMISE(sum < 0xFFFFFFFF);
  return 0;
}
