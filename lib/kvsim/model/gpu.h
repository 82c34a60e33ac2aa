// What a GPU can do on paper: enough to turn prefill FLOPs into seconds and bytes into bandwidth.
#pragma once

#include <kvsim/core/registry.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kvsim {

struct Gpu {
    std::string id;
    std::string name;  ///< for people
    uint64_t memory_bytes = 0;           ///< nominal; what a driver shows is up to 1 % less
    double memory_bytes_per_s = 0;
    double bf16_flops = 0;               ///< per second, dense, multiplication and addition counted as two
    std::optional<double> fp8_flops;     ///< dense; absent = not supported or not known
    std::optional<double> link_bytes_per_s;  ///< to the host, one way (PCIe); absent = not PCIe or not known
    double prefill_mfu = 0;              ///< share of bf16_flops that a long prefill reaches
    bool mfu_measured = false;           ///< false: an assumption, mfu_source says of what kind
    std::string mfu_source;
    std::vector<std::string> caveats;    ///< what was not checked or not clear, one line each
};

struct GpuRow {
    std::string id;
    std::string summary;  ///< the numbers
    std::string detail;   ///< MFU with its source, caveats
    Gpu gpu;
};

Registry<GpuRow>& gpus();

}  // namespace kvsim
