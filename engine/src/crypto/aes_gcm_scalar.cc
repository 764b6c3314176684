// Portable AES-GCM. FIPS 197 for AES, NIST SP 800-38D for GCM. Nothing here looks at a table or branches on data.
#include <algorithm>

#include "siegel/aes_gcm.h"
#include "siegel/secret.h"

namespace siegel::scalar {
namespace {

using Word = std::uint64_t;

constexpr Word kEachByte = 0x0101010101010101ULL;

Word loadLittle(const std::uint8_t* p) {
  Word w = 0;
  for (int i = 7; i >= 0; --i) w = (w << 8) | p[i];
  return w;
}

void storeLittle(std::uint8_t* p, Word w) {
  for (int i = 0; i < 8; ++i) p[i] = static_cast<std::uint8_t>(w >> (8 * i));
}

Word loadBig(const std::uint8_t* p) {
  Word w = 0;
  for (int i = 0; i < 8; ++i) w = (w << 8) | p[i];
  return w;
}

void storeBig(std::uint8_t* p, Word w) {
  for (int i = 0; i < 8; ++i) p[i] = static_cast<std::uint8_t>(w >> (56 - 8 * i));
}

// Each of the following works on the eight bytes of a word at once, as elements of GF(2^8) modulo x^8+x^4+x^3+x+1.

Word timesX(Word a) {
  const Word carry = (a >> 7) & kEachByte;
  return ((a << 1) & (0xFE * kEachByte)) ^ (carry * 0x1B);
}

Word multiply(Word a, Word b) {
  Word product = 0;
  for (int bit = 0; bit < 8; ++bit) {
    product ^= a & (((b >> bit) & kEachByte) * 0xFF);
    a = timesX(a);
  }
  return product;
}

Word square(Word a) { return multiply(a, a); }

// a^254: the inverse, and 0 for 0.
Word invert(Word a) {
  const Word a2 = square(a);
  const Word a3 = multiply(a2, a);
  const Word a12 = square(square(a3));
  const Word a15 = multiply(a12, a3);
  const Word a240 = square(square(square(square(a15))));
  return multiply(multiply(a240, a12), a2);
}

Word rotateBytesLeft(Word a, int bits) {
  const Word keep = ((0xFFU << bits) & 0xFFU) * kEachByte;
  return ((a << bits) & keep) | ((a >> (8 - bits)) & ~keep);
}

Word subBytes(Word a) {
  const Word i = invert(a);
  return i ^ rotateBytesLeft(i, 1) ^ rotateBytesLeft(i, 2) ^ rotateBytesLeft(i, 3) ^ rotateBytesLeft(i, 4) ^
         (0x63 * kEachByte);
}

// Rotates each column (four bytes, half a word) down the way that byte r takes the place of byte r - rows.
Word rotateColumns(Word a, int rows) {
  const auto low = static_cast<std::uint32_t>(a);
  const auto high = static_cast<std::uint32_t>(a >> 32);
  const int bits = 8 * rows;
  const std::uint32_t newLow = (low >> bits) | (low << (32 - bits));
  const std::uint32_t newHigh = (high >> bits) | (high << (32 - bits));
  return (static_cast<Word>(newHigh) << 32) | newLow;
}

Word mixColumns(Word a) {
  const Word next = rotateColumns(a, 1);
  return timesX(a) ^ timesX(next) ^ next ^ rotateColumns(a, 2) ^ rotateColumns(a, 3);
}

std::uint8_t byteOf(const Word (&block)[2], int i) { return static_cast<std::uint8_t>(block[i / 8] >> (8 * (i % 8))); }

void shiftRows(Word (&block)[2]) {
  Word out[2] = {0, 0};
  for (int i = 0; i < 16; ++i) {
    const int from = (i + 4 * (i % 4)) % 16;
    out[i / 8] |= static_cast<Word>(byteOf(block, from)) << (8 * (i % 8));
  }
  block[0] = out[0];
  block[1] = out[1];
}

// GF(2^128) element in GCM's bit order: the first bit of the block is the coefficient of x^0.
struct Field {
  Word high;
  Word low;
};

Field multiply(Field a, Field b) {
  Field product = {0, 0};
  for (int bit = 0; bit < 128; ++bit) {
    const Word source = bit < 64 ? a.high : a.low;
    const Word mask = Word{0} - ((source >> (63 - bit % 64)) & 1);
    product.high ^= b.high & mask;
    product.low ^= b.low & mask;
    const Word carry = Word{0} - (b.low & 1);
    b.low = (b.low >> 1) | (b.high << 63);
    b.high = (b.high >> 1) ^ (carry & 0xE100000000000000ULL);
  }
  return product;
}

// Hashes `bytes`, the last block filled up with zeros.
Field absorb(Field y, Field h, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    std::uint8_t block[16] = {};
    const std::size_t n = std::min<std::size_t>(16, bytes.size());
    std::copy_n(bytes.begin(), n, block);
    y.high ^= loadBig(block);
    y.low ^= loadBig(block + 8);
    y = multiply(y, h);
    bytes = bytes.subspan(n);
  }
  return y;
}

}  // namespace

Error AesGcm::setKey(std::span<const std::uint8_t> key) {
  clear();
  if (key.size() != 16 && key.size() != 24 && key.size() != 32) return Error::kInvalidKey;
  const std::size_t keyWords = key.size() / 4;
  rounds_ = static_cast<int>(keyWords) + 6;
  const std::size_t words = 4 * (static_cast<std::size_t>(rounds_) + 1);
  // FIPS 197 5.2, a word being four bytes in memory order.
  SecretBytes<240> schedule;
  std::uint8_t* w = schedule.span().data();
  std::copy(key.begin(), key.end(), w);
  std::uint8_t roundConstant = 1;
  for (std::size_t i = keyWords; i < words; ++i) {
    Word t = loadLittle(w + 4 * i - 4) & 0xFFFFFFFFU;
    if (i % keyWords == 0) {
      t = rotateColumns(subBytes(t), 1) ^ roundConstant;
      roundConstant = static_cast<std::uint8_t>(timesX(roundConstant));
    } else if (keyWords > 6 && i % keyWords == 4) {
      t = subBytes(t);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      w[4 * i + j] = static_cast<std::uint8_t>(w[4 * (i - keyWords) + j] ^ (t >> (8 * j)));
    }
  }
  for (std::size_t r = 0; r < words / 4; ++r) {
    roundKeys_[r] = {{loadLittle(w + 16 * r), loadLittle(w + 16 * r + 8)}};
  }
  SecretBytes<16> h;
  const Block zero = encrypt({{0, 0}});
  storeLittle(h.span().data(), zero.word[0]);
  storeLittle(h.span().data() + 8, zero.word[1]);
  h_ = {loadBig(h.span().data()), loadBig(h.span().data() + 8)};
  return Error::kNone;
}

void AesGcm::clear() {
  memzero({reinterpret_cast<std::uint8_t*>(&roundKeys_), sizeof roundKeys_});
  memzero({reinterpret_cast<std::uint8_t*>(&h_), sizeof h_});
  rounds_ = 0;
}

AesGcm::Block AesGcm::encrypt(Block in) const {
  Word s[2] = {in.word[0] ^ roundKeys_[0].word[0], in.word[1] ^ roundKeys_[0].word[1]};
  for (int r = 1; r <= rounds_; ++r) {
    for (Word& half : s) half = subBytes(half);
    shiftRows(s);
    if (r < rounds_) {
      for (Word& half : s) half = mixColumns(half);
    }
    const Block& key = roundKeys_[static_cast<std::size_t>(r)];
    s[0] ^= key.word[0];
    s[1] ^= key.word[1];
  }
  return {{s[0], s[1]}};
}

void AesGcm::ctr(std::span<const std::uint8_t, 16> counterBlock, std::span<std::uint8_t> text) {
  std::array<std::uint8_t, 16> block{};
  std::copy(counterBlock.begin(), counterBlock.end(), block.begin());
  auto counter = static_cast<std::uint32_t>(loadBig(block.data() + 8));
  SecretBytes<16> stream;
  while (!text.empty()) {
    const Block out = encrypt({{loadLittle(block.data()), loadLittle(block.data() + 8)}});
    storeLittle(stream.span().data(), out.word[0]);
    storeLittle(stream.span().data() + 8, out.word[1]);
    const std::size_t n = std::min<std::size_t>(16, text.size());
    for (std::size_t i = 0; i < n; ++i) text[i] ^= stream.span()[i];
    text = text.subspan(n);
    ++counter;  // wraps within its 32 bits, as GCM's inc32 does
    for (std::size_t i = 0; i < 4; ++i) block[12 + i] = static_cast<std::uint8_t>(counter >> (24 - 8 * i));
  }
}

void AesGcm::computeTag(GcmNonce nonce, std::span<const std::uint8_t> aad, std::span<const std::uint8_t> text,
                        std::span<std::uint8_t, kGcmTagSize> tag) const {
  const Field h = {h_[0], h_[1]};
  Field y = absorb({0, 0}, h, aad);
  y = absorb(y, h, text);
  y.high ^= static_cast<Word>(aad.size()) * 8;
  y.low ^= static_cast<Word>(text.size()) * 8;
  y = multiply(y, h);
  std::array<std::uint8_t, 16> block{};
  std::copy(nonce.begin(), nonce.end(), block.begin());
  block[15] = 1;
  const Block mask = encrypt({{loadLittle(block.data()), loadLittle(block.data() + 8)}});
  SecretBytes<16> maskBytes;
  storeLittle(maskBytes.span().data(), mask.word[0]);
  storeLittle(maskBytes.span().data() + 8, mask.word[1]);
  storeBig(tag.data(), y.high);
  storeBig(tag.data() + 8, y.low);
  for (std::size_t i = 0; i < kGcmTagSize; ++i) tag[i] ^= maskBytes.span()[i];
}

void AesGcm::seal(GcmNonce nonce, std::span<const std::uint8_t> aad, std::span<std::uint8_t> text, GcmTag tag) {
  std::array<std::uint8_t, 16> block{};
  std::copy(nonce.begin(), nonce.end(), block.begin());
  block[15] = 2;
  ctr(block, text);
  computeTag(nonce, aad, text, tag);
}

bool AesGcm::verify(GcmNonce nonce, std::span<const std::uint8_t> aad, std::span<const std::uint8_t> text,
                    GcmTagView tag) {
  SecretBytes<kGcmTagSize> expected;  // a valid tag for this text would be a forgery's missing part
  computeTag(nonce, aad, text, expected.span());
  return equal(expected.span(), tag);
}

Error AesGcm::open(GcmNonce nonce, std::span<const std::uint8_t> aad, std::span<std::uint8_t> text, GcmTagView tag) {
  if (!verify(nonce, aad, text, tag)) return Error::kAuthentication;
  std::array<std::uint8_t, 16> block{};
  std::copy(nonce.begin(), nonce.end(), block.begin());
  block[15] = 2;
  ctr(block, text);
  return Error::kNone;
}

}  // namespace siegel::scalar
