#include <kernels/cpu/threads.h>

namespace kv::cpu {

namespace {
constexpr uint64_t kWorthWaking = 256 << 10;  // bytes; some 20 us of one thread
}

Threads::Threads(unsigned count) {
    for (unsigned i = 1; i < count; ++i) workers_.emplace_back([this] { serve(); });
}
Threads::~Threads() {
    {
        std::lock_guard lock(mutex_);
        stop_ = true;
    }
    start_.notify_all();
    for (std::thread& t : workers_) t.join();
}

void Threads::take_pieces() {
    for (size_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < pieces_;) (*work_)(i);
}

void Threads::each(size_t pieces, uint64_t bytes, const std::function<void(size_t)>& work) {
    if (workers_.empty() || pieces < 2 || bytes < kWorthWaking) {
        for (size_t i = 0; i < pieces; ++i) work(i);
        return;
    }
    {
        std::lock_guard lock(mutex_);
        work_ = &work;
        pieces_ = pieces;
        next_.store(0, std::memory_order_relaxed);
        busy_ = workers_.size();
        ++round_;
    }
    start_.notify_all();
    take_pieces();
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return busy_ == 0; });
}

void Threads::serve() {
    uint64_t seen = 0;
    std::unique_lock lock(mutex_);
    for (;;) {
        start_.wait(lock, [&] { return stop_ || round_ != seen; });
        if (stop_) return;
        seen = round_;
        lock.unlock();
        take_pieces();
        lock.lock();
        if (--busy_ == 0) done_.notify_one();
    }
}

}  // namespace kv::cpu
