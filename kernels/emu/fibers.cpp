#include <kernels/emu/fibers.h>

#include <cstring>
#include <string>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#define KV_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KV_ASAN 1
#endif
#endif
#if defined(KV_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif

namespace kv::emu {
namespace {

constexpr uint32_t kWarp = 32;
constexpr size_t kStack = size_t{128} << 10;

}  // namespace

struct Fibers::Fiber {
    ucontext_t context = {};
    std::unique_ptr<uint8_t[]> stack;
    const char* waits = nullptr;  ///< at what; null: it does not
    int line = 0;
    bool done = false;
    void* fake_stack = nullptr;  // for AddressSanitizer, which has to know whose stack is in use
    const void* bottom = nullptr;
    size_t size = 0;
};

Fibers::Fibers(std::mt19937_64& random) : random_(random), home_(std::make_unique<Fiber>()) {}
Fibers::~Fibers() = default;

void Fibers::switch_to(Fiber& from, Fiber& to, [[maybe_unused]] bool from_ends) {
#if defined(KV_ASAN)
    __sanitizer_start_switch_fiber(from_ends ? nullptr : &from.fake_stack, to.bottom, to.size);
#endif
    swapcontext(&from.context, &to.context);
#if defined(KV_ASAN)
    __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

void Fibers::enter(unsigned high, unsigned low) {
    auto* self = reinterpret_cast<Fibers*>(static_cast<uintptr_t>(uint64_t{high} << 32 | low));
    self->body_of_current();
}

void Fibers::body_of_current() {
#if defined(KV_ASAN)
    const void* bottom = nullptr;
    size_t size = 0;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &size);
    if (!home_->bottom) home_->bottom = bottom, home_->size = size;  // the first fiber comes from there
#endif
    Fiber& me = *fibers_[current_];
    try {
        (*body_)(current_);
    } catch (...) {
        error_ = std::current_exception();
    }
    me.done = true;
    --live_;
    if (!error_ && !ready_.empty()) {
        run_next(me);
    } else {
        if (!error_ && live_ > 0) {
            try {
                stuck();
            } catch (...) {
                error_ = std::current_exception();
            }
        }
        switch_to(me, *home_, true);
    }
}

void Fibers::run(uint32_t threads, const std::function<void(uint32_t)>& body) {
    if (threads == 0 || threads % kWarp != 0) throw KernelError("a block has whole warps");
    while (fibers_.size() < threads) {
        auto fiber = std::make_unique<Fiber>();
        fiber->stack.reset(new uint8_t[kStack]);
        fiber->bottom = fiber->stack.get();
        fiber->size = kStack;
        fibers_.push_back(std::move(fiber));
    }
    body_ = &body;
    one_warp_ = random_() % 2 == 0;
    threads_ = live_ = threads;
    block_ = {};
    warps_.assign(threads / kWarp, {});
    error_ = nullptr;
    home_->bottom = nullptr;
    ready_.clear();
    auto at = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(this));
    for (uint32_t t = 0; t < threads; ++t) {
        Fiber& f = *fibers_[t];
        f.waits = nullptr;
        f.done = false;
        getcontext(&f.context);
        f.context.uc_stack.ss_sp = f.stack.get();
        f.context.uc_stack.ss_size = kStack;
        f.context.uc_link = nullptr;
        makecontext(&f.context, reinterpret_cast<void (*)()>(&Fibers::enter), 2, static_cast<unsigned>(at >> 32),
                    static_cast<unsigned>(at));
        ready_.push_back(t);
    }
    run_next(*home_);
    body_ = nullptr;
    if (error_) {
        fibers_.clear();  // their stacks hold frames that never ended
        std::rethrow_exception(error_);
    }
}

/// A ready fiber, drawn at random, takes over; there is one.
void Fibers::run_next(Fiber& from) {
    size_t i = random_() % ready_.size();
    if (one_warp_)
        for (size_t k = 0; k < ready_.size(); ++k)
            if (ready_[k] / kWarp == current_ / kWarp) i = k;
    current_ = ready_[i];
    ready_[i] = ready_.back();
    ready_.pop_back();
    Fiber& to = *fibers_[current_];
    if (&to != &from) switch_to(from, to, from.done);
}

void Fibers::meet(uint32_t thread, Meeting& meeting, uint32_t first, uint32_t count, const char* what, int line,
                  uint32_t detail) {
    if (meeting.arrived > 0 && (meeting.line != line || meeting.detail != detail))
        throw KernelError("divergence: thread " + std::to_string(thread) + " is at the " + what + " of line " +
                          std::to_string(line) + ", others are at that of line " + std::to_string(meeting.line));
    meeting.line = line;
    meeting.detail = detail;
    Fiber& me = *fibers_[thread];
    me.waits = what;
    me.line = line;
    if (++meeting.arrived == count) {
        meeting.arrived = 0;
        std::swap(meeting.offered, meeting.shown);
        for (uint32_t t = first; t < first + count; ++t) {
            fibers_[t]->waits = nullptr;
            ready_.push_back(t);
        }
    }
    if (ready_.empty()) stuck();
    run_next(me);
}

void Fibers::stuck() {
    uint32_t returned = 0;
    std::string where;
    const char* last = "";
    int line = 0;
    for (uint32_t t = 0; t < threads_; ++t) {
        const Fiber& f = *fibers_[t];
        returned += f.done;
        if (!f.waits || (f.waits == last && f.line == line)) continue;
        last = f.waits, line = f.line;
        where += (where.empty() ? "" : ", ") + std::string("thread ") + std::to_string(t) + " at the " + f.waits +
                 " of line " + std::to_string(f.line);
    }
    throw KernelError("divergence: " + where + "; " + std::to_string(returned) + " of " + std::to_string(threads_) +
                      " threads have returned");
}

void Fibers::barrier(uint32_t thread, int line) { meet(thread, block_, 0, threads_, "barrier", line, 0); }

const uint8_t* Fibers::exchange(uint32_t thread, int line, uint32_t detail, const void* mine, uint32_t bytes) {
    Meeting& warp = warps_[thread / kWarp];
    warp.offered.resize(std::max<size_t>(warp.offered.size(), size_t{kWarp} * bytes));
    std::memcpy(warp.offered.data() + size_t{thread % kWarp} * bytes, mine, bytes);
    meet(thread, warp, thread / kWarp * kWarp, kWarp, "exchange", line, detail << 16 | bytes);
    return warp.shown.data();
}

}  // namespace kv::emu
