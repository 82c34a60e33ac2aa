// The GPU presets: one row each. A new GPU is a new row of presets().
//
// Memory, bandwidths and peaks (without structured sparsity) are those of the system files of ai-dynamo/aiconfigurator,
// but for the RTX 4090. MFU: calibrated by inference-sim/inference-sim for three families; 0.4 elsewhere, about the
// middle of these.
#include <kvsim/model/gpu.h>

#include <fmt/format.h>

#include <cmath>

namespace kvsim {

namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;
constexpr double kGB = 1e9;
constexpr double kAssumedMfu = 0.4;
constexpr const char* kCalibrated = "calibrated by inference-sim for this family";
constexpr const char* kAssumed = "assumed: between 0.32 (L40S) and 0.45 (H100), for which inference-sim calibrated it";
constexpr const char* kForm = "the MFU is not told apart by form factor";

struct GpuPreset {
    const char* id;
    const char* name;
    double memory_bytes;
    double memory_tb_per_s;
    double bf16_tflops;
    double fp8_tflops = 0;  ///< 0 = not supported or not known
    double link_gb_per_s = 0;  ///< 0 = not PCIe or not known
    double mfu = 0;  ///< 0 = assumed
    const char* caveat = "";
};

std::vector<GpuPreset> presets() {
    return {
        {"a100-80gb-sxm", "A100 80 GB SXM", 80 * kGiB, 2.039, 312, 0, 32, 0.38},
        {"a100-80gb-pcie", "A100 80 GB PCIe", 80 * kGiB, 1.935, 312, 0, 32, 0.38, kForm},
        {"h100-sxm", "H100 SXM", 80 * kGiB, 3.35, 989, 1978, 64, 0.45},
        {"h100-pcie", "H100 PCIe", 80 * kGiB, 2.0, 756.5, 1513, 64, 0.45, kForm},
        {"h200-sxm", "H200 SXM", 141 * kGiB, 4.8, 989, 1978, 64, 0, "sold as 141 GB; the source says GiB"},
        {"b200", "B200", 180 * kGiB, 7.7, 2250, 4500, 128},
        {"gb200", "GB200", 198.7 * kGB, 8.0, 2500, 5000, 0, 0, "linked to its host by NVLink-C2C, not PCIe"},
        {"b300", "B300", 288.4 * kGB, 7.75, 2250, 4500, 128},
        {"l40s", "L40S", 48.3 * kGB, 0.864, 362, 733, 32, 0.32},
        {"l4", "L4", 24 * kGiB, 0.30, 121, 242, 32},
        {"a30", "A30", 24 * kGiB, 0.933, 165, 0, 32},
        {"rtx-pro-6000-server", "RTX PRO 6000 Server", 102.6 * kGB, 1.792, 468, 936, 64},
        {"rtx-4090", "RTX 4090", 24 * kGiB, 1.008, 165, 330, 32, 0,
         "bf16 and fp8 with fp32 accumulation, which halves the peak; peaks and PCIe were not checked"},
    };
}

std::string memory_text(double bytes) {
    double binary = bytes / kGiB;
    return binary == std::floor(binary) ? fmt::format("{:.0f} GiB", binary) : fmt::format("{:.4g} GB", bytes / kGB);
}

std::string summary_of(const GpuPreset& p) {
    std::string text = fmt::format("{}: {} at {:.4g} TB/s, bf16 {:.4g} TFLOPS", p.name, memory_text(p.memory_bytes),
                                   p.memory_tb_per_s, p.bf16_tflops);
    if (p.fp8_tflops > 0) text += fmt::format(", fp8 {:.4g}", p.fp8_tflops);
    if (p.link_gb_per_s > 0) text += fmt::format(", PCIe {:.4g} GB/s one way", p.link_gb_per_s);
    return text;
}

GpuRow row_of(const GpuPreset& p) {
    Gpu gpu;
    gpu.id = p.id;
    gpu.name = p.name;
    gpu.memory_bytes = static_cast<uint64_t>(std::llround(p.memory_bytes));
    gpu.memory_bytes_per_s = p.memory_tb_per_s * 1e12;
    gpu.bf16_flops = p.bf16_tflops * 1e12;
    if (p.fp8_tflops > 0) gpu.fp8_flops = p.fp8_tflops * 1e12;
    if (p.link_gb_per_s > 0) gpu.link_bytes_per_s = p.link_gb_per_s * kGB;
    gpu.mfu_measured = p.mfu > 0;
    gpu.prefill_mfu = gpu.mfu_measured ? p.mfu : kAssumedMfu;
    gpu.mfu_source = gpu.mfu_measured ? kCalibrated : kAssumed;
    if (*p.caveat != '\0') gpu.caveats.emplace_back(p.caveat);
    std::string detail = fmt::format("prefill MFU {:.2f}, {}", gpu.prefill_mfu, gpu.mfu_source);
    for (const std::string& caveat : gpu.caveats) detail += "; " + caveat;
    return {gpu.id, summary_of(p), detail, gpu};
}

}  // namespace

Registry<GpuRow>& gpus() {
    static Registry<GpuRow> registry = [] {
        Registry<GpuRow> r("GPU");
        for (const GpuPreset& preset : presets()) r.add(row_of(preset));
        return r;
    }();
    return registry;
}

}  // namespace kvsim
