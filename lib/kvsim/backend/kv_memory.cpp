#include <kernels/common/bytes.h>
#include <kernels/device/split_plan.h>
#include <kvsim/backend/kv_memory.h>
#include <kvsim/backend/row_format.h>
#include <kvsim/core/error.h>
#include <kvsim/core/units.h>

#include <algorithm>
#include <cmath>

namespace kvsim {

namespace {

constexpr uint64_t kMostBytes = uint64_t{1} << 60;
constexpr uint32_t kWriteTokens = 512;   ///< written at once: bounds the room for f32 rows

kv::RowFormat plain_f32(uint32_t dim) {
    kv::RowFormat f;
    f.dim = dim;
    return f;
}

}  // namespace

KvMemory::KvMemory(Backend& backend, const KvLayout& layout, KernelLog& log) : backend_(backend), layout_(layout), log_(log) {
    if (layout.layers == 0 || layout.kv_heads == 0 || layout.block_size == 0)
        throw_input("a cache of keys and values: layers, KV heads and block size are at least 1");
    if (layout.query_heads == 0 || layout.query_heads % layout.kv_heads != 0)
        throw_input("a cache of keys and values: " + std::to_string(layout.query_heads) + " query heads; expected a multiple of the " +
                    std::to_string(layout.kv_heads) + " KV heads");
    pool_.keys.format = row_format(layout.k_dtype, layout.head_dim);
    pool_.values.format = row_format(layout.v_dtype, layout.head_dim);
    if (layout.blocks > UINT32_MAX - 1) throw_input("a cache of keys and values: more than 2^32 - 2 blocks");
    pool_.layers = layout.layers;
    pool_.blocks = static_cast<uint32_t>(layout.blocks);
    pool_.heads = layout.kv_heads;
    pool_.block_size = layout.block_size;
    pool_.order = layout.order;
    unsigned __int128 layer_rows = static_cast<unsigned __int128>(layout.blocks) * pool_.block_rows();
    unsigned __int128 all = layer_rows * layout.layers * kv::row_pair_bytes(pool_);
    uint64_t have = backend.free_bytes();
    if (all > kMostBytes || all > have)
        throw_input("backend " + backend.name() + ": " + std::to_string(layout.blocks) + " blocks of keys and values take " +
                    (all > kMostBytes ? "more than 2^60 bytes" : format_bytes(static_cast<uint64_t>(all))) + ", " +
                    format_bytes(have) + " are free; use fewer --blocks, a smaller --model or --kv-dtype");
    pool_.layer_rows = static_cast<uint64_t>(layer_rows);
    bytes_ = static_cast<uint64_t>(all);
    uint64_t rows = pool_.layer_rows * layout.layers;
    auto side = [&](kv::Rows& r, Buffer<uint8_t>& data, Buffer<uint8_t>& meta) {
        data = Buffer<uint8_t>(backend, rows * r.format.data_bytes());
        r.data = data.data();
        if (r.format.meta_bytes() == 0) return;
        meta = Buffer<uint8_t>(backend, rows * r.format.meta_bytes());
        r.meta = meta.data();
    };
    side(pool_.keys, key_data_, key_meta_);
    side(pool_.values, value_data_, value_meta_);
}

kv::Pool KvMemory::run_of(uint64_t begin, uint64_t count) const {
    kv::Pool p = pool_;
    uint64_t row = begin * pool_.block_rows();
    p.blocks = 1;
    p.block_size = static_cast<uint32_t>(count * pool_.block_size);
    for (kv::Rows* side : {&p.keys, &p.values}) {
        side->data = side->data_at(row);
        if (side->meta) side->meta = side->meta_at(row);
    }
    return p;
}

void KvMemory::check(const Place& place) const {
    if (ceil_div(place.tokens, place.pool.block_size) > place.blocks.size())
        throw_failed("a place has fewer blocks than its tokens need");
    for (uint32_t block : place.blocks)
        if (block >= place.pool.blocks) throw_failed("a place with a block that is not in the pool");
}

kv::Table KvMemory::table_of(const Place& place) {
    check(place);
    table_.reserve(backend_, std::max<size_t>(1, place.blocks.size()));
    table_.write(0, place.blocks.data(), place.blocks.size());
    lengths_.reserve(backend_, 2);
    auto length = static_cast<uint32_t>(place.tokens);
    lengths_.write(0, &length, 1);
    return {table_.data(), lengths_.data(), 1, static_cast<uint32_t>(place.blocks.size())};
}

void KvMemory::write(const Place& place, uint64_t first, const Source& source) {
    check(place);
    const uint64_t row = uint64_t{layout_.kv_heads} * layout_.head_dim;
    std::vector<int64_t> slots;
    for (uint64_t begin = first; begin < place.tokens; begin += kWriteTokens) {
        auto count = static_cast<uint32_t>(std::min<uint64_t>(kWriteTokens, place.tokens - begin));
        slots.clear();
        for (uint64_t t = begin; t < begin + count; ++t)
            slots.push_back(static_cast<int64_t>(uint64_t{place.blocks[t / place.pool.block_size]} * place.pool.block_size +
                                                 t % place.pool.block_size));
        slots_.reserve(backend_, count);
        slots_.write(0, slots.data(), count);
        host_keys_.resize(count * row);
        host_values_.resize(count * row);
        keys_.reserve(backend_, count * row * sizeof(float));
        values_.reserve(backend_, count * row * sizeof(float));
        kv::Append op;
        op.pool = place.pool;
        op.keys = keys_.data();
        op.values = values_.data();
        op.token_stride = row;
        op.head_stride = layout_.head_dim;
        op.slots = slots_.data();
        op.tokens = count;
        for (op.layer = 0; op.layer < layout_.layers; ++op.layer) {
            source(op.layer, begin, count, host_keys_.data(), host_values_.data());
            keys_.write(0, reinterpret_cast<const uint8_t*>(host_keys_.data()), count * row * sizeof(float));
            values_.write(0, reinterpret_cast<const uint8_t*>(host_values_.data()), count * row * sizeof(float));
            log_.run("append", backend_, op, kv::bytes_moved(op));
        }
    }
}

void KvMemory::read(const Place& place, uint32_t layer, std::vector<float>& keys, std::vector<float>& values) {
    const uint64_t heads = layout_.kv_heads, dim = layout_.head_dim, count = place.tokens * heads * dim;
    keys.resize(count);
    values.resize(count);
    if (place.tokens == 0) return;
    if (place.tokens > UINT32_MAX) throw_input("a sequence of more than 2^32 - 1 tokens cannot be gathered");
    kv::Gather op;
    op.pool = place.pool;
    op.layer = layer;
    op.table = table_of(place);
    rows_.reserve(backend_, 1);
    uint64_t zero = 0;
    rows_.write(0, &zero, 1);
    op.out_rows = rows_.data();
    keys_.reserve(backend_, count * sizeof(float));
    values_.reserve(backend_, count * sizeof(float));
    op.keys = {keys_.data(), nullptr, plain_f32(layout_.head_dim)};
    op.values = {values_.data(), nullptr, plain_f32(layout_.head_dim)};
    backend_.run(op);  // somebody looks: not a part of what is timed
    host_keys_.resize(count);
    host_values_.resize(count);
    keys_.read(0, reinterpret_cast<uint8_t*>(host_keys_.data()), count * sizeof(float));
    values_.read(0, reinterpret_cast<uint8_t*>(host_values_.data()), count * sizeof(float));
    for (uint64_t h = 0; h < heads; ++h)  // [heads, tokens, dim] as gathered
        for (uint64_t t = 0; t < place.tokens; ++t) {
            std::copy_n(&host_keys_[(h * place.tokens + t) * dim], dim, &keys[(t * heads + h) * dim]);
            std::copy_n(&host_values_[(h * place.tokens + t) * dim], dim, &values[(t * heads + h) * dim]);
        }
}

kv::Gather KvMemory::gather_layer(const Place& place, uint32_t layer) {
    kv::Gather op;
    op.pool = place.pool;
    op.layer = layer;
    op.table = table_of(place);
    rows_.reserve(backend_, 1);
    uint64_t zero = 0, rows = place.tokens * layout_.kv_heads;
    rows_.write(0, &zero, 1);
    op.out_rows = rows_.data();
    auto room = [&](const kv::Rows& side, Buffer<uint8_t>& data, Buffer<uint8_t>& meta) {
        data.reserve(backend_, rows * side.format.data_bytes());
        meta.reserve(backend_, std::max<uint64_t>(1, rows * side.format.meta_bytes()));
        return kv::Rows{data.data(), side.meta ? meta.data() : nullptr, side.format};
    };
    op.keys = room(pool_.keys, keys_, metas_[0]);
    op.values = room(pool_.values, values_, metas_[1]);
    log_.run("gather", backend_, op, kv::bytes_moved(op, {place.tokens, place.blocks.size()}));
    return op;
}

void KvMemory::gather(const Place& place) {
    if (place.tokens == 0) return;
    for (uint32_t layer = 0; layer < layout_.layers; ++layer) gather_layer(place, layer);
}

void KvMemory::copy_block(uint32_t from, uint32_t to, uint32_t tokens) {
    if (from >= pool_.blocks || to >= pool_.blocks || tokens > pool_.block_size)
        throw_failed("a copy of a block that is not in the pool");
    pairs_.reserve(backend_, 1);
    kv::BlockPair pair{from, to};
    pairs_.write(0, &pair, 1);
    kv::CopyBlocks op{pool_, pairs_.data(), 1, tokens};
    log_.run("copy_blocks", backend_, op, kv::bytes_moved(op));
}

void KvMemory::move(const Place& from, const Place& to) {
    if (from.tokens == 0) return;
    Place target = to;
    target.tokens = from.tokens;
    check(target);
    // Layer by layer through the rooms of gathering: a run that grew where it stands overlaps itself.
    for (uint32_t layer = 0; layer < layout_.layers; ++layer) {
        kv::Gather gathered = gather_layer(from, layer);
        kv::Scatter op;
        op.pool = target.pool;
        op.layer = layer;
        op.table = table_of(target);
        op.in_rows = rows_.data();
        op.keys = gathered.keys;
        op.values = gathered.values;
        log_.run("scatter", backend_, op, kv::bytes_moved(op, {target.tokens, target.blocks.size()}));
    }
}

void KvMemory::attend(const Place& place, const std::function<void(uint32_t, float*)>& queries,
                      const Watch* watch) {
    const uint64_t values = uint64_t{layout_.query_heads} * layout_.head_dim;
    kv::Decode op;
    op.pool = place.pool;
    op.table = table_of(place);
    op.query_heads = layout_.query_heads;
    op.scale = 1.0f / std::sqrt(static_cast<float>(layout_.head_dim));
    auto length = static_cast<uint32_t>(place.tokens);
    kv::device::SplitPlan plan = kv::device::plan_split(&length, 1, place.pool, op.query_heads, std::max(1u, backend_.slots()));
    op.splits = plan.splits;
    op.chunk_tokens = plan.chunk_tokens;
    queries_.reserve(backend_, values);
    out_.reserve(backend_, values);
    partial_.reserve(backend_, std::max<uint64_t>(1, uint64_t{op.query_heads} * op.splits * (layout_.head_dim + 2)));
    op.q = reinterpret_cast<const uint8_t*>(queries_.data());
    op.out = reinterpret_cast<uint8_t*>(out_.data());
    op.partial = partial_.data();
    if (watch) {
        logits_.reserve(backend_, op.query_heads * watch->stride);
        lse_.reserve(backend_, op.query_heads);
        op.logits = logits_.data();
        op.logit_stride = watch->stride;
        op.lse = lse_.data();
    }
    host_keys_.resize(values);
    for (op.layer = 0; op.layer < layout_.layers; ++op.layer) {
        queries(op.layer, host_keys_.data());
        queries_.write(0, host_keys_.data(), values);
        log_.run("decode", backend_, op, kv::bytes_moved(op, {place.tokens, place.blocks.size()}));
        if (watch) watch->seen(op.layer, op.logits, op.lse);
    }
}

}  // namespace kvsim
