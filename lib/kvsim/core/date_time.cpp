#include <kvsim/core/date_time.h>

#include <chrono>

namespace kvsim {

namespace {

/// Takes what it expects off the front of a text.
class Cursor {
  public:
    explicit Cursor(std::string_view text) : text_(text) {}
    bool done() const { return text_.empty(); }
    bool take(char c) {
        if (text_.empty() || text_[0] != c) return false;
        text_.remove_prefix(1);
        return true;
    }
    /// Exactly `count` digits.
    bool digits(int count, int& value) {
        value = 0;
        for (; count > 0; --count) {
            if (!digit()) return false;
            value = value * 10 + (text_[0] - '0');
            text_.remove_prefix(1);
        }
        return true;
    }
    bool digit() const { return !text_.empty() && text_[0] >= '0' && text_[0] <= '9'; }

  private:
    std::string_view text_;
};

bool parse_day(Cursor& c, int64_t& day) {
    int year = 0, month = 0, of_month = 0;
    if (!c.digits(4, year) || !c.take('-') || !c.digits(2, month) || !c.take('-') || !c.digits(2, of_month))
        return false;
    std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                     std::chrono::day(static_cast<unsigned>(of_month))};
    if (!date.ok()) return false;
    day = std::chrono::sys_days(date).time_since_epoch().count();
    return true;
}

bool parse_clock(Cursor& c, int64_t& seconds) {
    int hour = 0, minute = 0, second = 0;
    if (!c.digits(2, hour) || !c.take(':') || !c.digits(2, minute) || !c.take(':') || !c.digits(2, second))
        return false;
    seconds = hour * 3600 + minute * 60 + second;
    return hour < 24 && minute < 60 && second < 60;
}

bool parse_fraction(Cursor& c, Instant& instant) {
    instant.fraction = 0;
    instant.scale = 1;
    if (!c.take('.')) return true;
    int count = 0;
    for (int digit = 0; c.digit() && count < 10; ++count) {
        if (count == 9) return false;
        c.digits(1, digit);
        instant.fraction = instant.fraction * 10 + static_cast<uint32_t>(digit);
        instant.scale *= 10;
    }
    return count > 0;
}

bool parse_offset(Cursor& c, int64_t& seconds) {
    seconds = 0;
    if (c.done() || c.take('Z')) return true;
    int sign = c.take('+') ? 1 : c.take('-') ? -1 : 0;
    int hours = 0, minutes = 0;
    if (sign == 0 || !c.digits(2, hours)) return false;
    c.take(':');
    if (!c.digits(2, minutes) || hours > 23 || minutes > 59) return false;
    seconds = int64_t{sign} * (hours * int64_t{3600} + minutes * int64_t{60});
    return true;
}

}  // namespace

bool parse_instant(std::string_view text, Instant& instant) {
    Cursor c(text);
    int64_t day = 0, clock = 0, offset = 0;
    if (!parse_day(c, day) || !(c.take(' ') || c.take('T')) || !parse_clock(c, clock) || !parse_fraction(c, instant) ||
        !parse_offset(c, offset) || !c.done())
        return false;
    instant.seconds = day * 86400 + clock - offset;
    return true;
}

}  // namespace kvsim
