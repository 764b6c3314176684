// White box: the vector circuits of AES against the definitions of FIPS 197, exhaustively.
#include "siegel/aes_gcm.h"

#if SIEGEL_HAS_SIMD_AES

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <numeric>

#include "../src/simd/aes_circuit.h"

namespace siegel::simd {
namespace {

// Multiplication in AES's field by the definition: carry-less product, then reduction of the long result.
unsigned fieldProduct(unsigned a, unsigned b) {
  unsigned wide = 0;
  for (unsigned i = 0; i < 8; ++i) wide ^= ((b >> i) & 1U) * (a << i);
  for (unsigned i = 14; i >= 8; --i) wide ^= ((wide >> i) & 1U) * (0x11BU << (i - 8));
  return wide;
}

// FIPS 197, 5.1.1: the inverse found by search, then the affine map bit by bit.
std::array<std::uint8_t, 256> referenceSbox() {
  std::array<std::uint8_t, 256> table{};
  for (unsigned x = 0; x < 256; ++x) {
    unsigned inverse = 0;
    for (unsigned y = 1; y < 256 && x != 0; ++y) {
      if (fieldProduct(x, y) == 1) inverse = y;
    }
    unsigned out = 0;
    for (unsigned i = 0; i < 8; ++i) {
      const unsigned taps =
          (1U << i) | (1U << ((i + 4) % 8)) | (1U << ((i + 5) % 8)) | (1U << ((i + 6) % 8)) | (1U << ((i + 7) % 8));
      out |= ((static_cast<unsigned>(std::popcount(inverse & taps)) ^ (0x63U >> i)) & 1U) << i;
    }
    table[x] = static_cast<std::uint8_t>(out);
  }
  return table;
}

using Bytes256 = std::array<std::uint8_t, 256>;

enum class Output { kPlain, kTower1, kTower2 };

SIEGEL_VECTOR_TARGET Bytes256 throughCircuit(const Bytes256& in, Output output) {
  const tables::Tables& t = *v128::opaque(&tables::kTables);
  Bytes256 out{};
  for (std::size_t i = 0; i < 256; i += 16) {
    const circuit::Inverted x = circuit::invert(t, circuit::toTower(t, v128::load(&in[i])));
    const v128::Vec y = output == Output::kPlain    ? circuit::subLast(t, x)
                        : output == Output::kTower1 ? circuit::sub1(t, x)
                                                    : circuit::sub2(t, x);
    v128::store(&out[i], y);
  }
  return out;
}

TEST(AesCircuitTest, EverySboxInput) {
  const auto expected = referenceSbox();
  EXPECT_EQ(0x63, expected[0x00]);  // the two examples that the standard prints
  EXPECT_EQ(0xED, expected[0x53]);
  Bytes256 in{};
  std::iota(in.begin(), in.end(), std::uint8_t{0});
  const Bytes256 plain = throughCircuit(in, Output::kPlain);
  const Bytes256 once = throughCircuit(in, Output::kTower1);
  const Bytes256 twice = throughCircuit(in, Output::kTower2);
  for (unsigned x = 0; x < 256; ++x) {
    const auto linear = static_cast<std::uint8_t>(expected[x] ^ 0x63);
    EXPECT_EQ(linear, plain[x]) << x;
    EXPECT_EQ(tables::kTower.coordinates[linear], once[x]) << x;
    EXPECT_EQ(tables::kTower.coordinates[fieldProduct(linear, 2)], twice[x]) << x;
  }
}

TEST(AesCircuitTest, TowerCoordinatesAreALinearBijection) {
  std::array<bool, 256> seen{};
  for (unsigned x = 0; x < 256; ++x) {
    seen[tables::kTower.coordinates[x]] = true;
    for (unsigned bit = 0; bit < 8; ++bit) {
      EXPECT_EQ(tables::kTower.coordinates[x ^ (1U << bit)],
                tables::kTower.coordinates[x] ^ tables::kTower.coordinates[1U << bit]);
    }
  }
  for (unsigned x = 0; x < 256; ++x) EXPECT_TRUE(seen[x]);
}

SIEGEL_VECTOR_TARGET void lookupOnce(const std::uint8_t* table, const std::uint8_t* index, std::uint8_t* out) {
  v128::store(out, v128::lookup(v128::load(table), v128::load(index)));
}

TEST(AesCircuitTest, LookupYieldsZeroForMarkedLanes) {
  std::array<std::uint8_t, 16> table{};
  std::iota(table.begin(), table.end(), std::uint8_t{100});
  for (unsigned index = 0; index < 256; ++index) {
    if (index >= 16 && index < 0x80) continue;  // not promised
    std::array<std::uint8_t, 16> indices{};
    indices.fill(static_cast<std::uint8_t>(index));
    std::array<std::uint8_t, 16> out{};
    lookupOnce(table.data(), indices.data(), out.data());
    for (const std::uint8_t value : out) EXPECT_EQ(index < 16 ? 100 + index : 0, value);
  }
}

}  // namespace
}  // namespace siegel::simd

#endif
