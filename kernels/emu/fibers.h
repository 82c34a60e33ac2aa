// The threads of a block as fibers of one CPU thread, for kernels whose threads wait for one another.
//
// Idea: a fiber runs until it waits: at a barrier for all fibers, at an exchange for the 32 of its warp. The last to
// arrive makes all of them ready. Which ready fiber runs next is drawn at random, in half of the blocks among those of
// the warp that ran last as long as there are any: warps keep step in one half and run far ahead of each other in the
// other, so that a missing barrier shows as a wrong result for most seeds. A set of fibers that wait at different
// places for each other, or for one that has returned, is what a GPU leaves undefined: here it is an error that says
// who waits where.
//
// Cost: a switch (swapcontext) per fiber and rendezvous, about half a microsecond. Real GPUs also reorder memory
// accesses between barriers; that is only approximated by the order of the fibers.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

namespace kv::emu {

/// A kernel did what a GPU leaves undefined.
class KernelError : public std::logic_error {
  public:
    using std::logic_error::logic_error;
};

class Fibers {
  public:
    explicit Fibers(std::mt19937_64& random);
    ~Fibers();
    Fibers(const Fibers&) = delete;
    Fibers& operator=(const Fibers&) = delete;

    /// body(thread) for every thread of a block, a multiple of 32. Rethrows what a body throws.
    void run(uint32_t threads, const std::function<void(uint32_t)>& body);

    /// Called by bodies. `line`: of the source; all that meet have to come from the same.
    void barrier(uint32_t thread, int line);
    /// Shows `mine` to the warp; what the others show stands at the result + lane * bytes until the next exchange.
    /// `detail`: what else has to be equal.
    const uint8_t* exchange(uint32_t thread, int line, uint32_t detail, const void* mine, uint32_t bytes);

  private:
    struct Fiber;
    struct Meeting {
        uint32_t arrived = 0;
        int line = 0;
        uint32_t detail = 0;
        std::vector<uint8_t> offered, shown;
    };

    static void enter(unsigned high, unsigned low);
    void body_of_current();
    void meet(uint32_t thread, Meeting& meeting, uint32_t first, uint32_t count, const char* what, int line,
              uint32_t detail);
    void run_next(Fiber& from);
    [[noreturn]] void stuck();
    void switch_to(Fiber& from, Fiber& to, bool from_ends);

    std::mt19937_64& random_;
    std::vector<std::unique_ptr<Fiber>> fibers_;
    std::unique_ptr<Fiber> home_;
    const std::function<void(uint32_t)>* body_ = nullptr;
    uint32_t threads_ = 0, live_ = 0, current_ = 0;
    bool one_warp_ = false;  ///< a warp goes on as long as it can, so that some are far ahead of others
    std::vector<uint32_t> ready_;
    Meeting block_;
    std::vector<Meeting> warps_;
    std::exception_ptr error_;
};

}  // namespace kv::emu
