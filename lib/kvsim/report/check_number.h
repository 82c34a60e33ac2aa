// Numbers as reports print them, compared without rounding: 0.5 - 0.495 is 0.005, which doubles do not say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvsim {

/// A fraction of whole numbers of any length.
class Exact {
  public:
    Exact() : under_{1} {}
    Exact(uint64_t whole) : over_(digits_of(whole)), under_{1} {}
    /// part / whole; `whole` is not 0.
    static Exact ratio(uint64_t part, uint64_t whole) { return Exact(false, digits_of(part), digits_of(whole)); }
    /// "-0.005", "5e-3": the whole text, at most 500 characters, powers of ten from -400 to 400.
    static std::optional<Exact> parse(std::string_view text);
    /// The shortest decimal that reads back as `value`, which is finite.
    static Exact of(double value);

    Exact operator-() const { return Exact(!negative_, over_, under_); }
    Exact operator+(const Exact& b) const;
    Exact operator-(const Exact& b) const { return *this + -b; }
    Exact operator*(const Exact& b) const;
    /// `b` is not 0.
    Exact operator/(const Exact& b) const;
    Exact abs() const { return Exact(false, over_, under_); }
    bool is_zero() const { return over_.empty(); }
    /// < 0, 0, > 0
    int compare(const Exact& b) const;
    bool operator<(const Exact& b) const { return compare(b) < 0; }
    bool operator>(const Exact& b) const { return compare(b) > 0; }
    bool operator==(const Exact& b) const { return compare(b) == 0; }

  private:
    using Digits = std::vector<uint32_t>;  ///< base 2^32, lowest first, no leading zeros: 0 is empty
    Exact(bool negative, Digits over, Digits under);
    static Digits digits_of(uint64_t value);
    static Digits product(const Digits& a, const Digits& b);
    static Digits sum(const Digits& a, const Digits& b);
    static Digits less(const Digits& a, const Digits& b);  ///< a - b, a >= b
    static int order(const Digits& a, const Digits& b);
    static Digits power_of_ten(uint64_t n);

    bool negative_ = false;
    Digits over_, under_;
};

}  // namespace kvsim
