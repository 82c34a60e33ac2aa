#include <kernels/cpu/quant.h>

#include <hwy/highway.h>

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
