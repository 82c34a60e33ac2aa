#include <kvsim/report/check_number.h>

#include <fmt/format.h>

#include <algorithm>

namespace kvsim {

Exact::Exact(bool negative, Digits over, Digits under)
    : negative_(negative && !over.empty()), over_(std::move(over)), under_(std::move(under)) {}

Exact::Digits Exact::digits_of(uint64_t value) {
    Digits d;
    for (; value != 0; value >>= 32) d.push_back(static_cast<uint32_t>(value));
    return d;
}

Exact::Digits Exact::product(const Digits& a, const Digits& b) {
    Digits d(a.size() + b.size(), 0);
    for (size_t i = 0; i < a.size(); ++i) {
        uint64_t carry = 0;
        for (size_t k = 0; k < b.size(); ++k) {
            carry += uint64_t{a[i]} * b[k] + d[i + k];
            d[i + k] = static_cast<uint32_t>(carry);
            carry >>= 32;
        }
        d[i + b.size()] = static_cast<uint32_t>(carry);
    }
    while (!d.empty() && d.back() == 0) d.pop_back();
    return d;
}

Exact::Digits Exact::sum(const Digits& a, const Digits& b) {
    Digits d;
    uint64_t carry = 0;
    for (size_t i = 0; i < std::max(a.size(), b.size()) || carry != 0; ++i) {
        carry += (i < a.size() ? a[i] : 0);
        carry += (i < b.size() ? b[i] : 0);
        d.push_back(static_cast<uint32_t>(carry));
        carry >>= 32;
    }
    return d;
}

Exact::Digits Exact::less(const Digits& a, const Digits& b) {
    Digits d;
    int64_t carry = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        carry += int64_t{a[i]} - (i < b.size() ? int64_t{b[i]} : 0);
        d.push_back(static_cast<uint32_t>(carry));
        carry >>= 32;
    }
    while (!d.empty() && d.back() == 0) d.pop_back();
    return d;
}

int Exact::order(const Digits& a, const Digits& b) {
    if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
    for (size_t i = a.size(); i-- > 0;)
        if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
    return 0;
}

Exact::Digits Exact::power_of_ten(uint64_t n) {
    Digits d{1};
    for (; n > 0; --n) d = product(d, {10});
    return d;
}

std::optional<Exact> Exact::parse(std::string_view text) {
    if (text.empty() || text.size() > 500) return {};
    size_t at = text[0] == '-' || text[0] == '+' ? 1 : 0;
    bool negative = text[0] == '-', any = false, point = false;
    Digits over;
    int64_t power = 0;
    for (; at < text.size() && (text[at] == '.' || (text[at] >= '0' && text[at] <= '9')); ++at) {
        if (text[at] == '.') {
            if (point) return {};
            point = true;
            continue;
        }
        any = true;
        over = sum(product(over, {10}), digits_of(static_cast<uint64_t>(text[at] - '0')));
        power -= point;
    }
    if (!any) return {};
    if (at < text.size()) {
        if (text[at] != 'e' && text[at] != 'E') return {};
        ++at;
        bool down = at < text.size() && text[at] == '-';
        if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
        int64_t e = 0;
        if (at == text.size()) return {};
        for (; at < text.size(); ++at) {
            if (text[at] < '0' || text[at] > '9' || e > 400) return {};
            e = 10 * e + (text[at] - '0');
        }
        if (e > 400) return {};
        power += down ? -e : e;
    }
    if (power >= 0) return Exact(negative, product(over, power_of_ten(static_cast<uint64_t>(power))), {1});
    return Exact(negative, std::move(over), power_of_ten(static_cast<uint64_t>(-power)));
}

Exact Exact::of(double value) { return *parse(fmt::format("{}", value)); }

Exact Exact::operator+(const Exact& b) const {
    Digits left = product(over_, b.under_), right = product(b.over_, under_), under = product(under_, b.under_);
    if (negative_ == b.negative_) return Exact(negative_, sum(left, right), std::move(under));
    if (order(left, right) >= 0) return Exact(negative_, less(left, right), std::move(under));
    return Exact(b.negative_, less(right, left), std::move(under));
}

Exact Exact::operator*(const Exact& b) const {
    return Exact(negative_ != b.negative_, product(over_, b.over_), product(under_, b.under_));
}

Exact Exact::operator/(const Exact& b) const {
    return Exact(negative_ != b.negative_, product(over_, b.under_), product(under_, b.over_));
}

int Exact::compare(const Exact& b) const {
    Exact d = *this - b;
    return d.over_.empty() ? 0 : d.negative_ ? -1 : 1;
}

}  // namespace kvsim
