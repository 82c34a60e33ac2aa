// Threads that wait for work: pieces 0 to n - 1 of it, handed out as they come. The caller works too. Not reentrant.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace kv::cpu {

class Threads {
  public:
    explicit Threads(unsigned count);
    ~Threads();
    Threads(const Threads&) = delete;
    Threads& operator=(const Threads&) = delete;

    unsigned count() const { return static_cast<unsigned>(workers_.size()) + 1; }
    /// work(piece) for every piece; returns when all are done. Waking costs microseconds: `bytes`, what all pieces touch,
    /// decides whether it is worth it. `work` must not throw.
    void each(size_t pieces, uint64_t bytes, const std::function<void(size_t)>& work);

  private:
    void serve();
    void take_pieces();

    std::mutex mutex_;
    std::condition_variable start_, done_;
    const std::function<void(size_t)>* work_ = nullptr;
    size_t pieces_ = 0;
    std::atomic<size_t> next_{0};
    size_t busy_ = 0;
    uint64_t round_ = 0;
    bool stop_ = false;
    std::vector<std::thread> workers_;
};

}  // namespace kv::cpu
