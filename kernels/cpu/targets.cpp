#include <kernels/cpu/quant.h>

#include <hwy/highway.h>

#if HWY_ARCH_X86 && HWY_MAJOR == 1 && HWY_MINOR == 0
#include <cpuid.h>

#include <atomic>

// What Highway's shared library is asked for, found out here: where it is loaded it measures the clock's resolution
// first, 2.5 ms, which is a quarter of the time that a replay takes. Other versions of Highway are linked as they are.
namespace hwy {

static std::atomic<int64_t> only{0};  ///< targets that a test asked for; 0: what there is

static int64_t detect() {
    unsigned a = 0, b = 0, c = 0, d = 0, extended = 0;
    if (__get_cpuid(0x80000001, &a, &b, &extended, &d) == 0) extended = 0;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0) c = 0;
    bool lzcnt = (extended >> 5 & 1) != 0, f16c = (c >> 29 & 1) != 0;
    // The compiler's answers about AVX know whether the system keeps its registers.
    __builtin_cpu_init();
    int64_t targets = HWY_ENABLED_BASELINE;
    bool ssse3 = __builtin_cpu_supports("ssse3") != 0;
    bool sse4 = ssse3 && __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("sse4.2") &&
                __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
    bool avx2 = sse4 && lzcnt && f16c && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    bool avx3 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512cd");
    if (ssse3) targets |= HWY_SSSE3;
    if (sse4) targets |= HWY_SSE4;
    if (avx2) targets |= HWY_AVX2;
    if (avx3) targets |= HWY_AVX3;
    return targets;
}

int64_t SupportedTargets() {
    static const int64_t there = detect();
    int64_t asked = only.load();
    return asked != 0 ? asked : there;
}

void SetSupportedTargetsForTest(int64_t targets) { only.store(targets); }

ChosenTarget& GetChosenTarget() {
    static ChosenTarget chosen;
    return chosen;
}

}  // namespace hwy
#endif

namespace kv::cpu {

std::vector<std::string> vector_targets() {
    hwy::SetSupportedTargetsForTest(0);
    std::vector<std::string> names;
    for (int64_t target : hwy::SupportedAndGeneratedTargets()) names.emplace_back(hwy::TargetName(target));
    return names;
}

void use_vector_target(const std::string& name) {
    hwy::SetSupportedTargetsForTest(0);
    for (int64_t target : hwy::SupportedAndGeneratedTargets())
        if (name == hwy::TargetName(target)) hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().DeInit();
}

}  // namespace kv::cpu
