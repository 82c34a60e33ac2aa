// Runs kernels of kernels/device on the CPU, to test them: one block after the other in random order, a random number
// of blocks for the work, the threads of a block in random order. Shared memory starts as NaN bytes for every block.
// The same seed gives the same orders.
#pragma once

#include <kernels/device/context.h>
#include <kernels/emu/fibers.h>

#include <algorithm>
#include <numeric>
#include <type_traits>

namespace kv::emu {

class Lane {
  public:
    /// `fibers` null: of a kernel that says it never waits.
    Lane(uint32_t thread, uint32_t threads, uint64_t block, uint64_t blocks, Fibers* fibers)
        : thread_(thread), threads_(threads), block_(block), blocks_(blocks), fibers_(fibers) {}

    uint32_t thread() const { return thread_; }
    uint32_t threads() const { return threads_; }
    uint64_t block() const { return block_; }
    uint64_t blocks() const { return blocks_; }

    void sync(int line = __builtin_LINE()) { fibers().barrier(thread_, line); }
    template <class T>
    T shuffle_xor(const T& x, uint32_t mask, int line = __builtin_LINE()) {
        static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % 4 == 0);
        if (mask == 0 || mask >= device::kWarp) throw KernelError("shuffle_xor: mask " + std::to_string(mask));
        const uint8_t* all = fibers().exchange(thread_, line, mask, &x, sizeof x);
        T other;
        std::memcpy(&other, all + sizeof x * (thread_ % device::kWarp ^ mask), sizeof other);
        return other;
    }
    uint32_t ballot(bool x, int line = __builtin_LINE()) {
        auto mine = static_cast<uint8_t>(x);
        const uint8_t* all = fibers().exchange(thread_, line, 0, &mine, 1);
        uint32_t bits = 0;
        for (uint32_t i = 0; i < device::kWarp; ++i) bits |= uint32_t{all[i]} << i;
        return bits;
    }
    void add(uint32_t* at, uint32_t by) { *at += by; }

  private:
    Fibers& fibers() {
        if (!fibers_) throw KernelError("a kernel that says it does not synchronize does");
        return *fibers_;
    }

    uint32_t thread_, threads_;
    uint64_t block_, blocks_;
    Fibers* fibers_;
};

class Launcher {
  public:
    explicit Launcher(uint64_t seed) : random_(seed), fibers_(random_) {}

    template <class Kernel>
    void launch(const typename Kernel::Op& op) {
        uint64_t work = Kernel::blocks(op);
        if (work == 0) return;
        uint64_t kind = random_() % 3, grid = kind == 0 ? work : kind == 1 ? 1 : 1 + random_() % work;
        std::vector<uint64_t> order(grid);
        std::iota(order.begin(), order.end(), uint64_t{0});
        std::shuffle(order.begin(), order.end(), random_);
        for (uint64_t block : order) run_block<Kernel>(op, block, grid);
    }

  private:
    template <class Kernel>
    void run_block(const typename Kernel::Op& op, uint64_t block, uint64_t grid) {
        using Shared = typename Kernel::Shared;
        static_assert(std::is_trivially_default_constructible_v<Shared> && std::is_trivially_copyable_v<Shared>);
        static_assert(sizeof(Shared) <= 48 * 1024, "a block has 48 KiB of static shared memory");
        std::unique_ptr<Shared> shared(new Shared);
        std::memset(static_cast<void*>(shared.get()), 0xFF, sizeof(Shared));
        auto body = [&](uint32_t thread) {
            Lane lane(thread, Kernel::kThreads, block, grid, Kernel::kSynchronizes ? &fibers_ : nullptr);
            Kernel::run(lane, op, *shared);
        };
        if (Kernel::kSynchronizes) {
            fibers_.run(Kernel::kThreads, body);
            return;
        }
        threads_.resize(Kernel::kThreads);
        std::iota(threads_.begin(), threads_.end(), 0u);
        std::shuffle(threads_.begin(), threads_.end(), random_);
        for (uint32_t thread : threads_) body(thread);
    }

    std::mt19937_64 random_;
    Fibers fibers_;
    std::vector<uint32_t> threads_;
};

}  // namespace kv::emu
