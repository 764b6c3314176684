// Real Fourier transform of 960 values, forwards and back. Stockham autosort, radices 4, 4, 2, 3, 5 on 480 complex
// values, real and imaginary parts apart, so that every pass works on four values at once.
//
// Threads: one at a time (it has scratch space). Cost: no allocation; about 20,000 multiplications. Source: van Loan,
// Computational Frameworks for the Fast Fourier Transform, 1.7 (Stockham), 4.3 (real data).
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace siegel::denoise {

inline constexpr std::size_t kWindow = 960;
inline constexpr std::size_t kBins = kWindow / 2 + 1;

struct Spectrum {
  alignas(16) std::array<float, kBins + 3> re{};
  alignas(16) std::array<float, kBins + 3> im{};
};

class Fft {
 public:
  Fft();
  // X[k] = scale * sum x[n] e^(-2 pi i k n / 960)
  void forward(std::span<const float, kWindow> x, float scale, Spectrum& spectrum);
  // x[n] = sum over all 960 bins (the upper half mirrored) of X[k] e^(2 pi i k n / 960): 960 times the inverse.
  void backward(const Spectrum& spectrum, std::span<float, kWindow> x);

 private:
  static constexpr std::size_t kHalf = kWindow / 2;
  struct Buffer {
    alignas(16) std::array<float, kHalf> re;
    alignas(16) std::array<float, kHalf> im;
  };
  void transform();  // front_ in place, e^(-2 pi i ...)

  Buffer front_;
  Buffer back_;
  // e^(-2 pi i k / 960)
  alignas(16) std::array<float, kHalf> cos_;
  alignas(16) std::array<float, kHalf> sin_;
  // Twiddles of the passes, one after the other: (radix - 1) * m pairs each.
  std::vector<float> twiddles_;
};

}  // namespace siegel::denoise
