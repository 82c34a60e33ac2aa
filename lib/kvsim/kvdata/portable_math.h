// exp, log, sin and cos from additions, multiplications and divisions alone. The C library's may differ in the last bit
// from machine to machine; these do not (where compiled with -ffp-contract=off), so that data made from a seed are the
// same bytes everywhere. Accurate to a few 1e-15 in the ranges stated, which is all that is asked of them.
#pragma once

#include <cmath>
#include <cstdint>

namespace kvsim::portable {

inline constexpr double kPi = 3.14159265358979323846;
inline constexpr double kLn2 = 0.69314718055994530942;

/// x > 0, not subnormal. log(m 2^e) = e ln 2 + 2 artanh((m - 1) / (m + 1)), m in [sqrt(1/2), sqrt(2)).
inline double log(double x) {
    int exponent = 0;
    double m = std::frexp(x, &exponent);  // exact
    if (m < 0.70710678118654752440) {
        m *= 2;
        --exponent;
    }
    double z = (m - 1) / (m + 1), square = z * z, sum = 0;
    for (int k = 23; k >= 1; k -= 2) sum = sum * square + 1.0 / k;
    return exponent * kLn2 + 2 * z * sum;
}

/// |x| < 700. exp(x) = 2^n exp(r), |r| <= ln 2 / 2, by the Taylor series.
inline double exp(double x) {
    double n = std::floor(x / kLn2 + 0.5);
    double r = (x - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10;  // ln 2 in two parts
    double sum = 1;
    for (int k = 16; k >= 1; --k) sum = 1 + r / k * sum;
    return std::ldexp(sum, static_cast<int>(n));  // exact
}

struct SinCos {
    double sin, cos;
};
/// 0 <= x < 2^28. Reduced by pi/2, then the Taylor series on [-pi/4, pi/4].
inline SinCos sin_cos(double x) {
    double n = std::floor(x * (2 / kPi) + 0.5);
    // pi/2 in two parts, the first one short enough for an exact product
    double r = (x - n * 1.57079631090164184570) - n * 1.58932547735281966916e-8;
    double square = r * r, s = 1, c = 1;
    for (int k = 17; k >= 3; k -= 2) s = 1 - square / (k * (k - 1)) * s;
    for (int k = 16; k >= 2; k -= 2) c = 1 - square / (k * (k - 1)) * c;
    s *= r;
    switch (static_cast<uint64_t>(n) & 3) {
        case 0: return {s, c};
        case 1: return {c, -s};
        case 2: return {-s, -c};
        default: return {-c, s};
    }
}

}  // namespace kvsim::portable
