#include <kvsim/backend/cache_handle.h>
#include <kvsim/core/error.h>

#include <atomic>

namespace kvsim {

static uint64_t next_cache_id() {
    static std::atomic<uint64_t> last{0};
    return ++last;
}

CacheHandle::CacheHandle(std::weak_ptr<HandleTarget*> target, SequenceId id, uint64_t generation)
    : target_(std::move(target)), id_(id), generation_(generation), cache_id_(next_cache_id()) {}

bool CacheHandle::is_valid() const {
    auto held = target_.lock();
    return held && (*held)->alive(id_, generation_);
}

HandleTarget& CacheHandle::target() const {
    auto held = target_.lock();
    std::string name = "stale handle " + std::to_string(cache_id_) + ": sequence " + std::to_string(id_);
    if (!held) throw_input(name + " is gone with its cache");
    if (!(*held)->alive(id_, generation_)) throw_input(name + " was freed or evicted");
    return **held;
}

void CacheHandle::kv_cache(uint32_t layer, std::vector<float>& keys, std::vector<float>& values) const {
    HandleTarget& t = target();
    if (layer >= t.num_layers())
        throw_input("layer " + std::to_string(layer) + ": this cache has layers 0 to " + std::to_string(t.num_layers() - 1));
    t.read_layer(id_, layer, keys, values);
}
std::vector<float> CacheHandle::key_cache(uint32_t layer) const {
    std::vector<float> keys, values;
    kv_cache(layer, keys, values);
    return keys;
}
std::vector<float> CacheHandle::value_cache(uint32_t layer) const {
    std::vector<float> keys, values;
    kv_cache(layer, keys, values);
    return values;
}

CacheHandle CacheHandle::clone() const {
    HandleTarget& t = target();
    SequenceId id = t.clone_of(id_);
    return {target_, id, t.generation_of(id)};
}

}  // namespace kvsim
