#include <kvsim/core/units.h>

#include <cstdio>

int main() {
    const bool count_ok = kvsim::format_count(1234567) == "1,234,567";
    const bool size_ok = kvsim::parse_size_bytes("40GiB", "x") == 40ull << 30;
    std::printf("format_count: %s, parse_size_bytes: %s\n", count_ok ? "ok" : "wrong", size_ok ? "ok" : "wrong");
    return count_ok && size_ok ? 0 : 1;
}
