#include <kvsim/backend/backend.h>
#include <kvsim/backend/cpu.h>
#include <kvsim/backend/cuda.h>

namespace kvsim {

Registry<BackendRow>& backends() {
    static Registry<BackendRow> registry = [] {
        Registry<BackendRow> r("backend");
        r.add(cpu_backend_row());
        r.add({"cuda", "kernels on the first NVIDIA GPU", cuda_unavailable, [](Spec&) { return make_cuda_backend(); }, ""});
        return r;
    }();
    return registry;
}

}  // namespace kvsim
