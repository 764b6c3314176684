// Arbitrary bytes into an opener that holds a key, in every format: no read beyond the frame, no frame opens, nothing
// about the opener changes, and a good frame still opens afterwards.
#include "siegel/sframe.h"
#include "support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace siegel;
  using namespace siegel::fuzz;
  FuzzedDataProvider data(bytes, size);
  const auto format = static_cast<Format>(data.ConsumeIntegralInRange(0, 2));
  const FrameInfo info = pickInfo(data);
  const int keyIndex = data.ConsumeIntegralInRange(0, 15);
  const int window = data.ConsumeIntegralInRange(0, 16);
  const bool injected = data.ConsumeBool();
  const bool split = data.ConsumeBool();
  // A key that no input can know.
  static const std::array<std::uint8_t, 32> key = [] {
    std::array<std::uint8_t, 32> out{};
    const RandomSource random = systemRandom();
    random.fill(random.context, out);
    return out;
  }();

  FrameOpener opener({.format = format, .ringSize = 16, .ratchetWindow = window});
  FrameSealer sealer({.format = format});
  if (format == Format::kSFrame) {
    const int suite = 4 + keyIndex % 2;  // 16-byte tags; with the short ones a guess may succeed
    PROMISE(opener.setSFrameKey(suite, static_cast<std::uint64_t>(keyIndex), key) == Error::kNone);
    PROMISE(sealer.setSFrameKey(suite, static_cast<std::uint64_t>(keyIndex), key) == Error::kNone);
  } else {
    PROMISE(opener.setKey(keyIndex, key, Derivation::kHkdf) == Error::kNone);
    PROMISE(sealer.setKey(keyIndex, key, Derivation::kHkdf, true) == Error::kNone);
  }
  // The longest trailer of an input must not swallow the good frame below.
  const std::array<std::uint8_t, 16> trailer = {'s', 'i', 'f'};
  if (injected) PROMISE(opener.setInjectedFrames(trailer, true) == Error::kNone);

  const FrameInfo opus{Codec::kOpus, FrameType::kAudio, 7, 960};
  const Buffer text = {0xFC, 1, 2, 3, 4, 5, 6, 7};
  Buffer good = withRoom(text);
  const Result<FrameResult> sealed = sealer.seal(good, kHeadroom, text.size(), opus);
  PROMISE(sealed.ok());
  good = cut(good, sealed.value());

  for (double now = 0; data.remaining_bytes() > 0; now += 1) {
    Buffer frame = data.ConsumeBytes<std::uint8_t>(data.ConsumeIntegralInRange<std::size_t>(0, data.remaining_bytes()));
    if (injected && data.ConsumeBool()) frame.insert(frame.end(), trailer.begin(), trailer.end());
    // Half of them get past the parser: right key index or KID, right lengths.
    if (data.ConsumeBool()) {
      if (format == Format::kSFrame) {
        std::array<std::uint8_t, kMaxSFrameHeader> header{};
        const std::size_t n =
            encodeSFrameHeader(static_cast<std::uint64_t>(keyIndex), data.ConsumeIntegral<std::uint64_t>(), header);
        frame.insert(frame.begin(), header.begin(), header.begin() + static_cast<std::ptrdiff_t>(n));
      } else {
        frame.insert(frame.end(), {12, static_cast<std::uint8_t>(keyIndex)});
      }
    }
    frame.shrink_to_fit();
    const std::size_t length = frame.size();
    if (split) {
      const Result<OpenPlan> plan = opener.begin(frame, 0, length, info);
      if (!plan.ok()) continue;
      PROMISE(plan.value().iv.size() == 12 && plan.value().text.size() >= 16);
      PROMISE(plan.value().text.data() >= frame.data());
      PROMISE(plan.value().text.data() + plan.value().text.size() <= frame.data() + frame.size());
      PROMISE(opener.finish(plan.value().ticket, plan.value().frame.size, false) == Error::kAuthentication);
      PROMISE(opener.finish(plan.value().ticket, plan.value().frame.size, true) == Error::kInvalidArgument);
    } else {
      const Result<FrameResult> opened = opener.open(frame, 0, length, info, now);
      PROMISE(!opened.ok() || opened.value().injected);
    }
    if (length == 0) PROMISE(opener.open(frame, 0, 0, info, now).error() == Error::kEmptyFrame);
  }

  const Result<FrameResult> opened = opener.open(good, 0, good.size(), opus, 0);
  PROMISE(opened.ok() && cut(good, opened.value()) == text && opened.value().generation == 0);
  return 0;
}
