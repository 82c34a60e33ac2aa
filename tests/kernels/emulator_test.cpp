// The emulator itself: what it must get right, and what it must refuse.
#include <doctest/doctest.h>

#include <kernels/emu/launch.h>

#include <set>

namespace emulator_test {

namespace {

using kv::emu::KernelError;
using kv::emu::Launcher;

struct Out {
    uint32_t* values = nullptr;
    uint32_t blocks = 1;
    uint32_t what = 0;
};

template <bool kSync>
struct Kernel {
    using Op = Out;
    static constexpr uint32_t kThreads = 64;
    static constexpr bool kSynchronizes = kSync;
    static uint64_t blocks(const Out& op) { return op.blocks; }
};

/// Each thread leaves its number in shared memory and reads its opposite's.
struct Mirror : Kernel<true> {
    struct Shared {
        uint32_t x[64];
    };
    template <class Lane>
    static void run(Lane& lane, const Out& op, Shared& shared) {
        for (uint64_t item = lane.block(); item < op.blocks; item += lane.blocks()) {
            if (op.what != 2) lane.sync();
            shared.x[lane.thread()] = static_cast<uint32_t>(64 * item) + lane.thread();
            if (op.what != 1) lane.sync();
            op.values[64 * item + lane.thread()] = shared.x[63 - lane.thread()];
        }
    }
};

struct Sums : Kernel<true> {
    struct Shared {};
    struct Two {
        uint32_t a, b;
    };
    template <class Lane>
    static void run(Lane& lane, const Out& op, Shared&) {
        Two x{lane.thread(), 1};
        for (uint32_t mask = 16; mask > 0; mask /= 2) {
            Two other = lane.shuffle_xor(x, mask);
            x.a += other.a;
            x.b += other.b;
        }
        op.values[lane.thread()] = x.a * 100 + x.b;
        op.values[64 + lane.thread()] = lane.ballot(lane.thread() % 3 == 0);
        lane.add(op.values + 128, lane.thread());
    }
};

/// Ways to go wrong.
struct Divergent : Kernel<true> {
    struct Shared {
        float x;
    };
    template <class Lane>
    static void run(Lane& lane, const Out& op, Shared& shared) {
        bool odd = lane.thread() % 2 != 0;
        switch (op.what) {
            case 0: if (odd) lane.sync(); break;
            case 1: if (lane.thread() < 63) lane.shuffle_xor(1u, 1); break;
            case 2: odd ? lane.sync() : (void)lane.shuffle_xor(1u, 1); break;
            case 3:
                if (odd)
                    lane.sync();
                else
                    lane.sync();
                break;
            case 4: lane.shuffle_xor(1u, odd ? 1 : 2); break;
            case 5: lane.shuffle_xor(1u, 32); break;
            case 6: kv::device::load<kv::device::Bits128>(reinterpret_cast<const uint8_t*>(&op) + 4); break;
            case 7: if (lane.thread() == 5) throw std::runtime_error("of a body"); else lane.sync(); break;
            default: op.values[0] = shared.x == shared.x;
        }
    }
};

struct Order : Kernel<false> {
    struct Shared {};
    template <class Lane>
    static void run(Lane& lane, const Out& op, Shared&) {
        if (op.what == 1) lane.sync();
        op.values[op.values[64]++] = lane.thread();
    }
};

std::vector<uint32_t> order_of(uint64_t seed) {
    std::vector<uint32_t> seen(65);
    Launcher(seed).launch<Order>({seen.data(), 1, 0});
    return seen;
}

}  // namespace

TEST_CASE("emulator: barriers order shared memory in every block") {
    for (uint64_t seed = 0; seed < 20; ++seed) {
        std::vector<uint32_t> out(64 * 5);
        Launcher(seed).launch<Mirror>({out.data(), 5, 0});
        for (uint32_t i = 0; i < out.size(); ++i) REQUIRE(out[i] == i / 64 * 64 + 63 - i % 64);
    }
}

TEST_CASE("emulator: a missing barrier shows") {
    for (uint32_t what : {1u, 2u}) {
        uint32_t wrong = 0;
        for (uint64_t seed = 0; seed < 20; ++seed) {
            std::vector<uint32_t> out(64 * 5);
            Launcher(seed).launch<Mirror>({out.data(), 5, what});
            for (uint32_t i = 0; i < out.size(); ++i) wrong += out[i] != i / 64 * 64 + 63 - i % 64;
        }
        CHECK(wrong > 20);
    }
}

TEST_CASE("emulator: shuffles, ballots and atomics") {
    std::vector<uint32_t> out(129);
    Launcher(1).launch<Sums>({out.data(), 1, 0});
    // Lanes 0 to 31 add up to 496, lanes 32 to 63 to 1520.
    for (uint32_t i = 0; i < 64; ++i) CHECK(out[i] == (i < 32 ? 496 : 1520) * 100 + 32);
    // 0, 3, ... 30 of the first warp; 33, 36, ... 63 of the second, its lanes 1, 4, ... 31.
    for (uint32_t i = 0; i < 64; ++i) CHECK(out[64 + i] == (i < 32 ? 0x49249249u : 0x92492492u));
    CHECK(out[128] == 2016);
}

TEST_CASE("emulator: what a GPU leaves undefined is an error, and the next launch is none the worse") {
    Launcher launcher(3);
    std::vector<uint32_t> out(64 * 5);
    for (uint32_t what = 0; what < 6; ++what) {
        CHECK_THROWS_AS(launcher.launch<Divergent>({out.data(), 1, what}), KernelError);
        launcher.launch<Mirror>({out.data(), 5, 0});
        CHECK(out[3] == 60);
    }
    CHECK_THROWS_WITH(launcher.launch<Divergent>({out.data(), 1, 6}), "misaligned load in a kernel");
    CHECK_THROWS_WITH(launcher.launch<Divergent>({out.data(), 1, 7}), "of a body");
    CHECK_THROWS_AS(launcher.launch<Order>({out.data(), 1, 1}), KernelError);
    launcher.launch<Divergent>({out.data(), 1, 8});
    CHECK(out[0] == 0);  // shared memory is NaN at first
}

TEST_CASE("emulator: a seed is an order") {
    CHECK(order_of(1) == order_of(1));
    CHECK(order_of(1) != order_of(2));
    std::vector<uint32_t> seen = order_of(4);
    CHECK(std::set<uint32_t>(seen.begin(), seen.begin() + 64).size() == 64);
}

}  // namespace emulator_test
