#include "denoise/fft.h"

#include <cmath>
#include <numbers>
#include <utility>

#include "simd/f32x4.h"

namespace siegel::denoise {
namespace {

constexpr std::array<std::size_t, 5> kRadices = {4, 4, 2, 3, 5};

struct Complex4 {
  F4 re;
  F4 im;
};
Complex4 operator+(Complex4 a, Complex4 b) { return {a.re + b.re, a.im + b.im}; }
Complex4 operator-(Complex4 a, Complex4 b) { return {a.re - b.re, a.im - b.im}; }
Complex4 scaled(Complex4 a, float by) { return {a.re * splat(by), a.im * splat(by)}; }
// Times -i.
Complex4 turned(Complex4 a) { return {a.im, -a.re}; }
Complex4 times(Complex4 a, F4 re, F4 im) { return {a.re * re - a.im * im, a.re * im + a.im * re}; }

template <std::size_t R>
void butterfly(std::array<Complex4, R>& a) {
  if constexpr (R == 2) {
    a = {a[0] + a[1], a[0] - a[1]};
  } else if constexpr (R == 3) {
    const float root = std::numbers::sqrt3_v<float> / 2;
    const Complex4 both = a[1] + a[2];
    const Complex4 middle = a[0] - scaled(both, 0.5F);
    const Complex4 side = scaled(turned(a[1] - a[2]), root);
    a = {a[0] + both, middle + side, middle - side};
  } else if constexpr (R == 4) {
    const Complex4 even = a[0] + a[2];
    const Complex4 evenSide = a[0] - a[2];
    const Complex4 odd = a[1] + a[3];
    const Complex4 oddSide = turned(a[1] - a[3]);
    a = {even + odd, evenSide + oddSide, even - odd, evenSide - oddSide};
  } else {
    static_assert(R == 5);
    // cos and sin of 72 and 144 degrees
    constexpr float kC1 = 0.30901699437494742F;
    constexpr float kC2 = -0.80901699437494742F;
    constexpr float kS1 = 0.95105651629515357F;
    constexpr float kS2 = 0.58778525229247313F;
    const Complex4 p1 = a[1] + a[4];
    const Complex4 m1 = turned(a[1] - a[4]);
    const Complex4 p2 = a[2] + a[3];
    const Complex4 m2 = turned(a[2] - a[3]);
    const Complex4 u1 = a[0] + scaled(p1, kC1) + scaled(p2, kC2);
    const Complex4 u2 = a[0] + scaled(p1, kC2) + scaled(p2, kC1);
    const Complex4 v1 = scaled(m1, kS1) + scaled(m2, kS2);
    const Complex4 v2 = scaled(m1, kS2) - scaled(m2, kS1);
    a = {a[0] + p1 + p2, u1 + v1, u2 + v2, u2 - v2, u1 - v1};
  }
}

// One pass over all values: n is what is left of the length, s the stride, a multiple of four.
template <std::size_t R>
void pass(const float* xr, const float* xi, float* yr, float* yi, std::size_t n, std::size_t s, const float* twiddle) {
  const std::size_t m = n / R;
  for (std::size_t p = 0; p < m; ++p, twiddle += 2 * (R - 1)) {
    for (std::size_t q = 0; q < s; q += kLanes) {
      std::array<Complex4, R> a;
      for (std::size_t k = 0; k < R; ++k) {
        const std::size_t at = q + s * (p + m * k);
        a[k] = {get4(xr + at), get4(xi + at)};
      }
      butterfly<R>(a);
      for (std::size_t k = 0; k < R; ++k) {
        const Complex4 b = k == 0 ? a[0] : times(a[k], splat(twiddle[2 * k - 2]), splat(twiddle[2 * k - 1]));
        const std::size_t at = q + s * (R * p + k);
        put4(yr + at, b.re);
        put4(yi + at, b.im);
      }
    }
  }
}

// The first pass, where the stride is one: four neighbours p at once, written as four rows each.
void firstPass(const float* xr, const float* xi, float* yr, float* yi, std::size_t n, const float* twiddle) {
  const std::size_t m = n / 4;
  for (std::size_t p = 0; p < m; p += kLanes) {
    std::array<Complex4, 4> a;
    for (std::size_t k = 0; k < 4; ++k) a[k] = {get4(xr + p + m * k), get4(xi + p + m * k)};
    butterfly<4>(a);
    for (std::size_t k = 1; k < 4; ++k) {
      F4 re;
      F4 im;
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        re[lane] = twiddle[6 * (p + lane) + 2 * k - 2];
        im[lane] = twiddle[6 * (p + lane) + 2 * k - 1];
      }
      a[k] = times(a[k], re, im);
    }
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const std::size_t at = 4 * (p + lane);
      put4(yr + at, F4{a[0].re[lane], a[1].re[lane], a[2].re[lane], a[3].re[lane]});
      put4(yi + at, F4{a[0].im[lane], a[1].im[lane], a[2].im[lane], a[3].im[lane]});
    }
  }
}

}  // namespace

Fft::Fft() : front_{}, back_{} {
  constexpr double kTurn = 2 * std::numbers::pi;
  for (std::size_t k = 0; k < kHalf; ++k) {
    const double angle = -kTurn * static_cast<double>(k) / kWindow;
    cos_[k] = static_cast<float>(std::cos(angle));
    sin_[k] = static_cast<float>(std::sin(angle));
  }
  std::size_t n = kHalf;
  for (const std::size_t radix : kRadices) {
    for (std::size_t p = 0; p < n / radix; ++p) {
      for (std::size_t k = 1; k < radix; ++k) {
        const double angle = -kTurn * static_cast<double>(p * k) / static_cast<double>(n);
        twiddles_.push_back(static_cast<float>(std::cos(angle)));
        twiddles_.push_back(static_cast<float>(std::sin(angle)));
      }
    }
    n /= radix;
  }
}

void Fft::transform() {
  const float* twiddle = twiddles_.data();
  Buffer* from = &front_;
  Buffer* to = &back_;
  std::size_t n = kHalf;
  std::size_t s = 1;
  for (const std::size_t radix : kRadices) {
    const float* xr = from->re.data();
    const float* xi = from->im.data();
    float* yr = to->re.data();
    float* yi = to->im.data();
    if (s == 1) {
      firstPass(xr, xi, yr, yi, n, twiddle);
    } else if (radix == 2) {
      pass<2>(xr, xi, yr, yi, n, s, twiddle);
    } else if (radix == 3) {
      pass<3>(xr, xi, yr, yi, n, s, twiddle);
    } else if (radix == 4) {
      pass<4>(xr, xi, yr, yi, n, s, twiddle);
    } else {
      pass<5>(xr, xi, yr, yi, n, s, twiddle);
    }
    twiddle += 2 * (radix - 1) * (n / radix);
    n /= radix;
    s *= radix;
    std::swap(from, to);
  }
  if (from != &front_) front_ = *from;
}

void Fft::forward(std::span<const float, kWindow> x, float scale, Spectrum& spectrum) {
  for (std::size_t k = 0; k < kHalf; ++k) {
    front_.re[k] = x[2 * k];
    front_.im[k] = x[2 * k + 1];
  }
  transform();
  const float half = scale / 2;
  for (std::size_t k = 0; k <= kHalf; ++k) {
    const std::size_t here = k % kHalf;
    const std::size_t there = (kHalf - k) % kHalf;
    const float evenRe = front_.re[here] + front_.re[there];
    const float evenIm = front_.im[here] - front_.im[there];
    const float oddRe = front_.im[here] + front_.im[there];
    const float oddIm = front_.re[there] - front_.re[here];
    const float c = k < kHalf ? cos_[k] : -1;
    const float s = k < kHalf ? sin_[k] : 0;
    spectrum.re[k] = half * (evenRe + oddRe * c - oddIm * s);
    spectrum.im[k] = half * (evenIm + oddRe * s + oddIm * c);
  }
}

void Fft::backward(const Spectrum& spectrum, std::span<float, kWindow> x) {
  for (std::size_t k = 0; k < kHalf; ++k) {
    const std::size_t mirror = kHalf - k;
    const float evenRe = spectrum.re[k] + spectrum.re[mirror];
    const float evenIm = spectrum.im[k] - spectrum.im[mirror];
    const float restRe = spectrum.re[k] - spectrum.re[mirror];
    const float restIm = spectrum.im[k] + spectrum.im[mirror];
    // Times the conjugate of the twiddle.
    const float oddRe = restRe * cos_[k] + restIm * sin_[k];
    const float oddIm = restIm * cos_[k] - restRe * sin_[k];
    // Real and imaginary part changed places: the forward transform then runs backwards.
    front_.im[k] = evenRe - oddIm;
    front_.re[k] = evenIm + oddRe;
  }
  transform();
  for (std::size_t k = 0; k < kHalf; ++k) {
    x[2 * k] = front_.im[k];
    x[2 * k + 1] = front_.re[k];
  }
}

}  // namespace siegel::denoise
