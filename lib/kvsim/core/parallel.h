// Independent pieces of work on several threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace kvsim {

/// Calls f(i) for i in [0, n), each once, on up to `jobs` threads; pieces are taken in order. `stop` (may be null) ends it
/// early: nothing new is begun. The first exception is thrown again once all threads have ended.
template <class F>
void parallel_for(size_t n, unsigned jobs, const std::atomic<bool>* stop, F&& f) {
    std::atomic<size_t> next{0};
    std::exception_ptr failure;
    std::mutex mutex;
    auto work = [&] {
        for (size_t i; (i = next.fetch_add(1)) < n && !(stop && stop->load());) {
            try {
                f(i);
            } catch (...) {
                std::lock_guard lock(mutex);
                if (!failure) failure = std::current_exception();
                next = n;
            }
        }
    };
    std::vector<std::thread> threads;
    for (size_t k = 1; k < std::min<size_t>(jobs, n); ++k) threads.emplace_back(work);
    work();
    for (std::thread& t : threads) t.join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace kvsim
