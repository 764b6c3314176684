#include "siegel/random.h"

#include <sodium.h>

namespace siegel {

RandomSource systemRandom() {
  return {[](void*, std::span<std::uint8_t> out) { randombytes_buf(out.data(), out.size()); }, nullptr};
}

}  // namespace siegel
