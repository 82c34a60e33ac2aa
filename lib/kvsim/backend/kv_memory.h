// The keys and values of a cache on a backend: a pool of blocks in all layers, and what is done with the tokens in it.
// Who has which block is not known here: a Place says where the tokens of a sequence are.
//
// Keys and values are one allocation each (and one for their scales), [layers, blocks, ...] in the pool's order
// (kernels/common/pool.h). It is refused before anything is allocated if it exceeds what is free.
#pragma once

#include <kvsim/backend/buffer.h>
#include <kvsim/backend/kernel_log.h>

#include <functional>
#include <string>
#include <vector>

namespace kvsim {

inline uint64_t ceil_div(uint64_t a, uint64_t b) { return a / b + (a % b != 0); }

struct KvLayout {
    uint32_t layers = 1, kv_heads = 1, head_dim = 64;
    uint32_t query_heads = 1;  ///< of attention; a multiple of kv_heads
    std::string k_dtype = "f32", v_dtype = "f32";
    kv::Order order = kv::Order::hnd;
    uint64_t blocks = 0;
    uint32_t block_size = 16;
};

/// Where the tokens of a sequence are: token i in blocks[i / pool.block_size]. Tokens that were trimmed away do not count.
struct Place {
    kv::Pool pool;
    std::vector<uint32_t> blocks;
    uint64_t tokens = 0;
};

class KvMemory {
  public:
    /// Values of tokens [first, first + count) of one layer: keys and values [count, kv_heads, head_dim].
    using Source = std::function<void(uint32_t layer, uint64_t first, uint32_t count, float* keys, float* values)>;

    /// Throws Error(input) on a shape or dtype that kernels do not take, and where memory is short.
    KvMemory(Backend& backend, const KvLayout& layout, KernelLog& log);

    const KvLayout& layout() const { return layout_; }
    Backend& backend() const { return backend_; }
    const kv::Pool& pool() const { return pool_; }
    /// Bytes of keys and values, scales included.
    uint64_t bytes() const { return bytes_; }
    /// Blocks [begin, begin + count) as one of as many tokens, [kv_heads, capacity, head_dim]: a contiguous cache. The
    /// order must be HND.
    kv::Pool run_of(uint64_t begin, uint64_t count) const;

    /// Writes tokens [first, place.tokens).
    void write(const Place& place, uint64_t first, const Source& source);
    /// All tokens of one layer, [tokens, kv_heads, head_dim], decoded.
    void read(const Place& place, uint32_t layer, std::vector<float>& keys, std::vector<float>& values);
    /// The same of all layers, but the values stay on the backend: what a prefill that hit them would read.
    void gather(const Place& place);
    void copy_block(uint32_t from, uint32_t to, uint32_t tokens);
    /// All tokens of a place to another one, as they are stored. They may overlap.
    void move(const Place& from, const Place& to);
    /// Called after each layer with what attention leaves beside its result, on the backend: logits [query_heads, stride]
    /// and lse [query_heads].
    struct Watch {
        uint64_t stride = 0;  ///< at least the tokens
        std::function<void(uint32_t layer, const float* logits, const float* lse)> seen;
    };
    /// Attention of one query per sequence and layer over all of its tokens. `queries` [query_heads, head_dim].
    void attend(const Place& place, const std::function<void(uint32_t layer, float* queries)>& queries,
                const Watch* watch = nullptr);

    /// The table of one sequence on the backend, until the next operation.
    kv::Table table_of(const Place& place);
    KernelLog& log() const { return log_; }

  private:
    /// As it is stored, [kv_heads, tokens, head_dim] in rooms that the next operation overwrites.
    kv::Gather gather_layer(const Place& place, uint32_t layer);
    void check(const Place& place) const;

    Backend& backend_;
    KvLayout layout_;
    KernelLog& log_;
    kv::Pool pool_;
    Buffer<uint8_t> key_data_, key_meta_, value_data_, value_meta_;
    uint64_t bytes_ = 0;
    // Rooms of single operations, grown when needed.
    Buffer<uint32_t> table_, lengths_;
    Buffer<uint64_t> rows_;
    Buffer<int64_t> slots_;
    Buffer<kv::BlockPair> pairs_;
    Buffer<uint8_t> keys_, values_, metas_[2];
    Buffer<float> queries_, out_, partial_, logits_, lse_;
    std::vector<float> host_keys_, host_values_;
};

}  // namespace kvsim
