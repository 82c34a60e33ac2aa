// vLLM's manager, one request after the other: looked up, allocated, decoded, freed. Decoding goes from one block
// border (or border of a window) to the next: in between a step neither takes nor publishes nor releases anything.
#include <kvsim/engine/vllm_replay.h>

namespace kvsim {

// False: the pool has no room for all of its output.
static bool decode(VllmReplay& replay, VllmSequence& s) {
    // The last output token is never computed.
    uint64_t target = s.length + replay.outputs(s.request) - 1;
    while (s.computed < target) {
        uint64_t n = replay.manager.stride(s, target - s.computed);
        s.length = s.computed + n;
        if (!replay.manager.extend(s, n)) return false;
        s.computed += n;
    }
    return true;
}

void replay_sequentially(VllmReplay& replay) {
    VllmManager& manager = replay.manager;
    VllmManager::Admission admission;
    admission.observer = replay.run.engine_observer;
    VllmSequence s;
    uint32_t requests = replay.trace.requests();
    for (uint32_t r = 0; r < requests; ++r) {
        replay.done_one();
        replay.begin(s, r);
        uint64_t hits = manager.look_up(s), evictions = manager.pool().evictions();
        if (!manager.admit(s, s.length - hits * manager.block_tokens(), admission)) {
            replay.reject(r);
            continue;
        }
        s.computed = s.length;
        replay.admitted(s, hits, evictions);
        if (!decode(replay, s) && replay.counted(r)) ++replay.unfinished;
        replay.sample_usage(replay.counted(r));
        manager.free(s);  // NOLINT(clang-analyzer-unix.Malloc): takes it for C's
    }
    replay.finish(std::nullopt);
}

}  // namespace kvsim
