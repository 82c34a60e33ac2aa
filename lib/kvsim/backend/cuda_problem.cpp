#include <kvsim/backend/cuda.h>

#include <charconv>

namespace kvsim {

std::string cuda_problem(int error, std::string_view error_text, int devices) {
    // Numbers of cudaError_t, which do not change between releases.
    constexpr int kOutOfDate = 35, kStub = 34, kNoDevice = 100;
    if (error == 0 && devices > 0) return "";
    if (error == kOutOfDate) return "no NVIDIA driver, or one too old for this build (CUDA error 35)";
    if (error == kStub)
        return "the driver found is the toolkit's stub, which runs nothing (CUDA error 34); is its folder on "
               "LD_LIBRARY_PATH?";
    if (error == 0 || error == kNoDevice)
        return "no CUDA device: the driver is there, a GPU is not, or CUDA_VISIBLE_DEVICES hides it";
    return "CUDA does not start: " + std::string(error_text) + " (CUDA error " + std::to_string(error) + ")";
}

bool cuda_runs_on(std::string_view architectures, int major, int minor) {
    while (!architectures.empty()) {
        size_t end = architectures.find(',');
        std::string_view one = architectures.substr(0, end);
        architectures.remove_prefix(end == std::string_view::npos ? architectures.size() : end + 1);
        int number = 0;
        auto [rest, error] = std::from_chars(one.data(), one.data() + one.size(), number);
        if (error != std::errc()) return true;  // all, native, ...: not to be told from here
        std::string_view kind(rest, static_cast<size_t>(one.data() + one.size() - rest));
        bool exact = !kind.empty() && kind.front() == 'a';  // 90a: of that GPU alone
        if (number == 10 * major + minor) return true;
        if (exact) continue;
        bool real = kind != "-virtual", virtual_one = kind != "-real";
        if (real && number / 10 == major && number % 10 < minor) return true;
        if (virtual_one && number < 10 * major + minor) return true;
    }
    return false;
}

}  // namespace kvsim
