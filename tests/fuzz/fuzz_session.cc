// A whole call in one input: keys come, go and ratchet, frames are sealed, lost, reordered, repeated and forged, and
// the same goes on through the two halves. A model that remembers everything checks what comes out.
#include <set>

#include "siegel/aes_gcm.h"
#include "support.h"

namespace siegel::fuzz {
namespace {

struct Sent {
  Buffer wire;
  Buffer text;
  FrameInfo info;
  unsigned openedIn = 0;  // the opener's epoch of the slot in which it was opened last
};

// What the opener holds in one slot. The epoch is a new one whenever another key takes the place: its replay window may
// start anew, and never otherwise.
struct Place {
  unsigned number = 0;
  unsigned epoch = 0;
};

Buffer material(unsigned number) { return Buffer(16, static_cast<std::uint8_t>(number)); }

}  // namespace
}  // namespace siegel::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace siegel;
  using namespace siegel::fuzz;
  FuzzedDataProvider data(bytes, size);
  const auto format = static_cast<Format>(data.ConsumeIntegralInRange(0, 2));
  const bool sframe = format == Format::kSFrame;
  FuzzRandom random(data.ConsumeIntegral<std::uint64_t>());
  FrameSealer sealer({.format = format, .ringSize = 4, .random = random.source(), .maxFramesPerKey = 200});
  FrameOpener opener({.format = format, .ringSize = 4, .ratchetWindow = 3});
  std::vector<Sent> sent;
  std::set<Buffer> nonces;            // IV and the key's number: never twice
  std::array<unsigned, 4> sealing{};  // number of the material in each slot, 0 for none
  int current = -1;
  std::array<Place, 4> opening{};
  unsigned epochs = 1;
  // SFrame keys keep their KIDs: nothing ever replaces one here, so no frame may open twice.
  const auto epochOf = [&](const Sent& frame) { return sframe ? 1U : opening[frame.wire.back() & 3U].epoch; };
  double now = 0;
  std::uint32_t timestamp = data.ConsumeIntegral<std::uint32_t>();

  while (data.remaining_bytes() > 0 && sent.size() < 400) {
    const int what = data.ConsumeIntegralInRange(0, 9);
    now += data.ConsumeIntegralInRange(0, 50);
    switch (what) {
      case 0: {  // a key for both, or for one side only
        const int slot = data.ConsumeIntegralInRange(0, 3);
        const unsigned number = data.ConsumeIntegralInRange(1U, 5U);
        const int side = data.ConsumeIntegralInRange(0, 3);
        const auto kid = static_cast<std::uint64_t>(number) << kSFrameRatchetBits;
        if (side != 1) {
          PROMISE((sframe ? opener.setSFrameKey(4, kid, material(number))
                          : opener.setKey(slot, material(number), Derivation::kHkdf)) == Error::kNone);
          Place& place = opening[static_cast<std::size_t>(slot)];
          if (place.number != number) place = {number, ++epochs};
        }
        if (side != 2) {
          PROMISE((sframe ? sealer.setSFrameKey(4, kid, material(number))
                          : sealer.setKey(slot, material(number), Derivation::kHkdf, true)) == Error::kNone);
          sealing[static_cast<std::size_t>(slot)] = number;
          current = sframe ? 0 : slot;
        }
        break;
      }
      case 1:
        PROMISE(sealer.ratchet().ok() == (current >= 0));
        break;
      case 2: {
        const int slot = data.ConsumeIntegralInRange(0, 3);
        if (!sframe) {
          PROMISE(sealer.dropKey(slot) == Error::kNone);
          if (slot == current) current = -1;
        }
        break;
      }
      case 3: {
        const int slot = data.ConsumeIntegralInRange(0, 3);
        PROMISE(opener.dropKey(slot) == Error::kNone);  // (no SFrame KID is this small)
        opening[static_cast<std::size_t>(slot)] = {};
        break;
      }
      default: {
        if (what < 7) {  // seal some, on up to three SSRCs
          const int count = data.ConsumeIntegralInRange(1, 12);
          const auto ssrc = data.ConsumeIntegralInRange<std::uint32_t>(0, 2);
          for (int i = 0; i < count; ++i) {
            if (data.ConsumeBool()) timestamp += 960;
            const FrameInfo info{Codec::kOpus, FrameType::kAudio, ssrc, timestamp};
            Buffer text = {0xF8, 'p', 'l', 'a', 'i', 'n', ' ', 't', 'e', 'x', 't'};
            text.push_back(static_cast<std::uint8_t>(sent.size()));
            text.push_back(static_cast<std::uint8_t>(sent.size() >> 8));
            Buffer buffer = withRoom(text);
            const Result<FrameResult> sealed = sealer.seal(buffer, kHeadroom, text.size(), info);
            if (current < 0) {
              PROMISE(sealed.error() == Error::kMissingKey);
              break;
            }
            if (!sealed.ok()) {
              PROMISE(sealed.error() == Error::kCounterExhausted);
              break;
            }
            Sent frame{cut(buffer, sealed.value()), text, info};
            PROMISE(std::search(frame.wire.begin(), frame.wire.end(), text.begin() + 1, text.end()) ==
                    frame.wire.end());
            if (!sframe) {
              Buffer nonce(frame.wire.end() - 14, frame.wire.end() - 2);
              nonce.push_back(static_cast<std::uint8_t>(sealing[static_cast<std::size_t>(current)]));
              PROMISE(nonces.insert(nonce).second);
            }
            sent.push_back(std::move(frame));
          }
        } else if (!sent.empty()) {  // deliver one: in order, late, again, or damaged
          Sent& frame = sent[data.ConsumeIntegralInRange<std::size_t>(0, sent.size() - 1)];
          Buffer wire = frame.wire;
          const bool damage = what == 9;
          if (damage) wire[data.ConsumeIntegralInRange<std::size_t>(0, wire.size() - 1)] ^= 0x10;
          if (what == 8 && !sframe) {  // the two halves, the tag checked by a second opener of the first half's key
            const Result<OpenPlan> plan = opener.begin(wire, 0, wire.size(), frame.info);
            if (!plan.ok()) break;
            AesGcm aes;
            PROMISE(aes.setKey(plan.value().key) == Error::kNone);
            const auto text = plan.value().text;
            const bool verified = aes.verify(plan.value().iv.first<12>(), std::span(wire).first(1),
                                             text.first(text.size() - 16), text.last<16>());
            const Error finished = opener.finish(plan.value().ticket, plan.value().frame.size, verified);
            if (finished == Error::kNone) {
              PROMISE(verified && frame.openedIn != epochOf(frame));
              frame.openedIn = epochOf(frame);
            }
            break;
          }
          const Result<FrameResult> opened = opener.open(wire, 0, wire.size(), frame.info, now);
          if (opened.ok()) {
            PROMISE(!damage && cut(wire, opened.value()) == frame.text);
            PROMISE(frame.openedIn != epochOf(frame));
            frame.openedIn = epochOf(frame);
          }
        }
      }
    }
  }
  return 0;
}
