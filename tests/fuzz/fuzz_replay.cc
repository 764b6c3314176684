// Both replay windows against a memory that forgets nothing: nothing is accepted twice, and what is new and recent is
// accepted.
#include "siegel/replay.h"

#include <set>
#include <utility>

#include "support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace siegel;
  using namespace siegel::fuzz;
  FuzzedDataProvider data(bytes, size);
  IvWindow iv;
  iv.reset();
  CtrWindow ctr;
  ctr.reset();
  std::set<std::pair<std::uint32_t, std::uint32_t>> seen;
  std::vector<std::uint32_t> accepted;  // timestamps in order of arrival
  std::set<std::uint64_t> counters;
  std::uint64_t highest = 0;
  // Serial arithmetic orders half of the circle (docs/nonces-and-replay.md): stay inside it.
  std::int64_t distance = 0;
  std::uint32_t now = data.ConsumeIntegral<std::uint32_t>();
  auto counter = data.ConsumeIntegral<std::uint64_t>();
  while (data.remaining_bytes() > 0 && distance < (std::int64_t{1} << 29)) {
    // Many frames an instruction, so that windows of hundreds fill from short inputs.
    const int run = data.ConsumeIntegralInRange(1, 64);
    const auto step = data.ConsumeIntegralInRange<std::int32_t>(-3000, 90000);
    const auto word = data.ConsumeIntegral<std::uint8_t>();
    const auto ctrStep = data.ConsumeIntegralInRange<std::int64_t>(-1100, 1100);
    for (int i = 0; i < run; ++i) {
      now += static_cast<std::uint32_t>(step);
      distance += std::abs(step);
      const bool fresh = !seen.contains({now, word});
      const bool yes = iv.check(now, word);
      PROMISE(fresh || !yes);
      if (accepted.size() <= kIvWindow) PROMISE(yes == fresh);
      if (yes) {
        iv.record(now, word);
        PROMISE(!iv.check(now, word));
        seen.insert({now, word});
        accepted.push_back(now);
      } else if (fresh && accepted.size() > kIvWindow) {
        // Refused though new: it must be at or below something that fell out of the window.
        const bool old = std::any_of(accepted.begin(), accepted.end() - static_cast<std::ptrdiff_t>(kIvWindow),
                                     [&](std::uint32_t t) { return !laterThan(now, t); });
        PROMISE(old);
      }

      counter += static_cast<std::uint64_t>(ctrStep);
      const bool known = counters.contains(counter);
      const bool recent = counters.empty() || counter > highest || highest - counter < 1024;
      PROMISE(ctr.check(counter) == (!known && recent));
      if (ctr.check(counter)) {
        ctr.record(counter);
        counters.insert(counter);
        highest = std::max(highest, counter);
      }
    }
  }
  return 0;
}
