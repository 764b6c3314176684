// Clear-byte layouts on arbitrary frames, the NAL scan and the start codes against second implementations that copy
// instead of working in place.
#include "siegel/layout.h"

#include "support.h"

namespace siegel::fuzz {
namespace {

// Start positions of NAL units as LiveKit's scanner reports them, built from a list of all start codes.
std::vector<std::size_t> nalUnits(const Buffer& frame, bool& leadingData) {
  std::vector<std::size_t> starts;
  leadingData = false;
  std::size_t first = frame.size();
  for (std::size_t i = 0; i + 3 < frame.size(); ++i) {
    if (frame[i] != 0 || frame[i + 1] != 0 || frame[i + 2] != 1) continue;
    if (first == frame.size()) first = i;
    if (i + 3 + 3 < frame.size()) starts.push_back(i + 3);
    i += 2;
  }
  for (std::size_t i = 0; i < first; ++i) leadingData = leadingData || frame[i] != 0;
  return starts;
}

bool slice(Codec codec, std::uint8_t header) {
  if (codec == Codec::kH264) return (header & 31) == 1 || (header & 31) == 5;
  const int type = (header & 0x7E) / 2;
  return type < 10 || (type > 15 && type < 22);
}

Buffer longStartCodes(const Buffer& in) {
  Buffer out;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const bool code = i + 2 < in.size() && in[i] == 0 && in[i + 1] == 0 && in[i + 2] == 1;
    if (code && (i == 0 || in[i - 1] != 0)) out.push_back(0);
    out.push_back(in[i]);
  }
  return out;
}

}  // namespace
}  // namespace siegel::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace siegel;
  using namespace siegel::fuzz;
  FuzzedDataProvider data(bytes, size);
  const auto format = static_cast<Format>(data.ConsumeIntegralInRange(0, 2));
  const FrameInfo info = pickInfo(data);
  const Buffer frame = data.ConsumeRemainingBytes<std::uint8_t>();

  const Result<std::size_t> clear = clearBytes(format, info.codec, info.type, frame);
  if (clear.ok()) PROMISE(clear.value() <= frame.size() && !frame.empty());
  if (info.codec == Codec::kAv1 || info.codec == Codec::kUnknown || info.type == FrameType::kOther) {
    PROMISE(!clear.ok());
  }
  if (needsEscaping(format, info.codec) && !frame.empty() && info.type != FrameType::kAudio &&
      info.type != FrameType::kOther) {
    bool leadingData = false;
    const std::vector<std::size_t> units = nalUnits(frame, leadingData);
    const auto found =
        std::find_if(units.begin(), units.end(), [&](std::size_t at) { return slice(info.codec, frame[at]); });
    PROMISE(clear.ok() == (!leadingData && found != units.end()));
    if (clear.ok()) PROMISE(clear.value() == *found + 2);
  }

  const Buffer expected = longStartCodes(frame);
  const std::size_t added = countShortStartCodes(frame);
  PROMISE(expected.size() == frame.size() + added);
  Buffer room(added);  // exactly as much in front as it may need
  room.insert(room.end(), frame.begin(), frame.end());
  const std::size_t normalised = normaliseStartCodes(room, added, frame.size());
  PROMISE(normalised == expected.size() && room == expected);
  PROMISE(countShortStartCodes(room) == 0);
  return 0;
}
