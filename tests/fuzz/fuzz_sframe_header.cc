// The SFrame header codec against a second, deliberately naive decoder, and back.
#include "siegel/sframe.h"
#include "support.h"

namespace siegel::fuzz {
namespace {

struct Naive {
  bool ok = false;
  std::uint64_t kid = 0;
  std::uint64_t ctr = 0;
  std::size_t size = 0;
};

// RFC 9605 4.3, field by field: collect the bytes of each number first, then judge them.
Naive decode(const Buffer& in) {
  if (in.empty()) return {};
  const bool longKid = (in[0] & 0x80) != 0;
  const bool longCtr = (in[0] & 0x08) != 0;
  const std::size_t kidSize = longKid ? 1U + ((in[0] >> 4) & 7U) : 0U;
  const std::size_t ctrSize = longCtr ? 1U + (in[0] & 7U) : 0U;
  if (in.size() < 1 + kidSize + ctrSize) return {};
  Naive out{true, (in[0] >> 4) & 7U, in[0] & 7U, 1 + kidSize + ctrSize};
  const auto value = [&](std::size_t from, std::size_t size) {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < size; ++i) number = number * 256 + in[from + i];
    // Shortest form: no leading zero, and what fits into the config byte stands there.
    if (in[from] == 0 || (size == 1 && number < 8)) out.ok = false;
    return number;
  };
  if (longKid) out.kid = value(1, kidSize);
  if (longCtr) out.ctr = value(1 + kidSize, ctrSize);
  return out;
}

}  // namespace
}  // namespace siegel::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace siegel;
  using namespace siegel::fuzz;
  const Buffer input(data, data + size);
  const Result<SFrameHeader> header = decodeSFrameHeader(input);
  const Naive expected = decode(input);
  PROMISE(header.ok() == expected.ok);
  std::array<std::uint8_t, kMaxSFrameHeader> encoded{};
  if (header.ok()) {
    PROMISE(header.value().kid == expected.kid && header.value().ctr == expected.ctr);
    PROMISE(header.value().size == expected.size);
    const std::size_t length = encodeSFrameHeader(header.value().kid, header.value().ctr, encoded);
    PROMISE(length == expected.size && std::equal(encoded.begin(), encoded.begin() + length, input.begin()));
  } else {
    PROMISE(header.error() == Error::kMalformed);
  }
  // And the other way round, for any two numbers.
  FuzzedDataProvider numbers(data, size);
  const auto kid = numbers.ConsumeIntegral<std::uint64_t>() >> numbers.ConsumeIntegralInRange(0, 63);
  const auto ctr = numbers.ConsumeIntegral<std::uint64_t>() >> numbers.ConsumeIntegralInRange(0, 63);
  const std::size_t length = encodeSFrameHeader(kid, ctr, encoded);
  const Result<SFrameHeader> back = decodeSFrameHeader(std::span(encoded).first(length));
  PROMISE(back.ok() && back.value().kid == kid && back.value().ctr == ctr && back.value().size == length);
  for (std::size_t shorter = 0; shorter < length; ++shorter) {
    PROMISE(!decodeSFrameHeader(std::span(encoded).first(shorter)).ok());
  }
  return 0;
}
