// Emulation prevention against copies that build a new vector, and as a round trip.
#include "siegel/layout.h"
#include "support.h"

namespace siegel::fuzz {
namespace {

bool twoZerosBefore(const Buffer& out) {
  return out.size() >= 2 && out[out.size() - 1] == 0 && out[out.size() - 2] == 0;
}

Buffer escaped(const Buffer& in) {
  Buffer out;
  for (const std::uint8_t byte : in) {
    if (byte <= 3 && twoZerosBefore(out)) out.push_back(3);
    out.push_back(byte);
  }
  return out;
}

// The way LiveKit's receiver walks: triples first, single bytes otherwise.
Buffer unescaped(const Buffer& in) {
  Buffer out;
  for (std::size_t i = 0; i < in.size();) {
    if (in.size() - i >= 3 && in[i] == 0 && in[i + 1] == 0 && in[i + 2] == 3) {
      out.insert(out.end(), {0, 0});
      i += 3;
    } else {
      out.push_back(in[i++]);
    }
  }
  return out;
}

bool hasStartCode(const Buffer& bytes) {
  for (std::size_t i = 0; i + 2 < bytes.size(); ++i) {
    if (bytes[i] == 0 && bytes[i + 1] == 0 && bytes[i + 2] < 3) return true;
  }
  return false;
}

}  // namespace
}  // namespace siegel::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace siegel;
  using namespace siegel::fuzz;
  const Buffer input(bytes, bytes + size);
  const Buffer expected = escaped(input);
  const std::size_t extra = expected.size() - input.size();
  PROMISE(input.size() + extra <= input.size() + tailroom(input.size()));

  constexpr std::size_t kBefore = 3;
  Buffer buffer(kBefore, 0);  // zeros in front do not count into the first run
  buffer.insert(buffer.end(), input.begin(), input.end());
  if (extra > 0) {
    Buffer tight = buffer;
    tight.resize(tight.size() + extra - 1);
    const Buffer before = tight;
    PROMISE(escapeInPlace(tight, kBefore, size).error() == Error::kBufferTooSmall && tight == before);
  }
  buffer.resize(buffer.size() + extra);
  const Result<std::size_t> length = escapeInPlace(buffer, kBefore, size);
  PROMISE(length.ok() && length.value() == expected.size());
  Buffer out(buffer.begin() + kBefore, buffer.end());
  PROMISE(out == expected && !hasStartCode(out));

  const std::size_t back = unescapeInPlace(out);
  PROMISE(back == input.size() && std::equal(input.begin(), input.end(), out.begin()));

  Buffer hostile = input;
  hostile.resize(unescapeInPlace(hostile));
  PROMISE(hostile == unescaped(input));
  return 0;
}
