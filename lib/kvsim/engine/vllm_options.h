// What `--engine vllm:...` and `vllm_classic:...` may say: the parameters of the engine's cache manager and scheduler.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace kvsim {

struct VllmOptions {
    bool classic = false;  ///< blocks are released as they were before June 2026
    bool caching = true;
    bool reserve_full = true;
    bool by_priority = false;
    double watermark = 0;
    double step_ms = 25;
    uint64_t max_num_seqs = 128;
    uint64_t max_num_batched_tokens = 2048;
    std::vector<uint32_t> windows = {0};  ///< per group of layers: tokens of its sliding window, 0: it sees everything

    bool has_windows() const { return windows.size() > 1 || windows[0] != 0; }

    /// Throws Error(input) on a parameter that is unknown or wrong.
    static VllmOptions parse(const std::string& engine);
    /// With every parameter.
    std::string text() const;
    /// With those that are not the default.
    std::string short_text() const;
    /// "caching=on": what it is.
    static std::vector<std::pair<std::string, std::string>> parameters();
};

}  // namespace kvsim
