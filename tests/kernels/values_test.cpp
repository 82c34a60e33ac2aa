// Eight values at a time, against the conversions one at a time; accesses of any alignment; offsets beyond 32 bits.
#include <doctest/doctest.h>

#include <kernels/device/values.h>
#include <kvsim/backend/cpu.h>

#include <cmath>
#include <cstring>

#include <sys/mman.h>

#include "kernels/rig.h"
#include "kernels/support/emu_backend.h"

namespace values_test {

using namespace kvsim_test;
using namespace kv::device;
using kv::RowType;

namespace {

bool same(float a, float b) { return kv::bits_of(a) == kv::bits_of(b) || (std::isnan(a) && std::isnan(b)); }

/// Eight neighbours of some bits each: code, code + 1, ...
Raw codes_from(uint32_t code, uint32_t bits) {
    Raw raw;
    for (uint32_t i = 0; i < 8; ++i) {
        uint32_t value = bits == 32 ? code + i : (code + i) & ((1u << bits) - 1);
        raw.word[i * bits / 32] |= value << (i * bits % 32);
    }
    return raw;
}

}  // namespace

TEST_CASE("values: all e4m3, f16 and bf16 become the floats they are, and come back") {
    uint32_t wrong = 0;
    for (uint32_t code = 0; code < 256; code += 8) {
        Raw raw = codes_from(code, 8);
        Eight x = wide(RowType::e4m3, raw), n = wide(RowType::int8, raw);
        for (uint32_t i = 0; i < 8; ++i) {
            wrong += same(x.x[i], kv::f32_of_e4m3(static_cast<uint8_t>(code + i))) ? 0 : 1;
            wrong += n.x[i] == static_cast<float>(code + i) ? 0 : 1;
        }
        Raw back = narrow(RowType::e4m3, x);
        wrong += std::memcmp(&back, &raw, sizeof raw) != 0;
    }
    for (uint32_t code = 0; code < 65536; code += 8) {
        Raw raw = codes_from(code, 16);
        for (RowType type : {RowType::f16, RowType::bf16}) {
            Eight x = wide(type, raw);
            Raw back = narrow(type, x);
            for (uint32_t i = 0; i < 8; ++i) {
                auto half = static_cast<uint16_t>(code + i);
                float expected = type == RowType::f16 ? kv::f32_of_f16(half) : kv::f32_of_bf16(half);
                wrong += same(x.x[i], expected) ? 0 : 1;
                auto stored = static_cast<uint16_t>(back.word[i / 2] >> (i % 2 * 16));
                wrong += stored == half || std::isnan(expected) ? 0 : 1;
            }
        }
    }
    Eight nibbles = wide(RowType::int4, codes_from(9, 4));
    for (uint32_t i = 0; i < 8; ++i) wrong += nibbles.x[i] == static_cast<float>((9 + i) % 16) ? 0 : 1;
    CHECK(wrong == 0);
}

TEST_CASE("values: pieces at any address that suits one value") {
    alignas(16) uint8_t memory[96], copy[96];
    for (uint32_t i = 0; i < 96; ++i) memory[i] = static_cast<uint8_t>(37 * i + 11);
    for (RowType type : {RowType::f32, RowType::f16, RowType::e4m3, RowType::int4}) {
        uint32_t bits = kv::value_bits(type), step = bits < 16 ? 1 : bits / 8;
        for (uint32_t at = 0; at <= 48; at += step) {
            std::memset(copy, 0xEE, sizeof copy);
            store_raw(type, copy + at, load_raw(type, memory + at));
            uint32_t wrong = 0;
            for (uint32_t i = 0; i < 96; ++i) wrong += copy[i] != (i >= at && i < at + bits ? memory[i] : 0xEE);
            CHECK(wrong == 0);
        }
    }
}

namespace {

/// Memory that takes no pages before it is touched.
struct Sparse {
    static constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    explicit Sparse(uint64_t size)
        : bytes(size), at(mmap(nullptr, size, PROT_READ | PROT_WRITE, kFlags, -1, 0)) {}
    ~Sparse() {
        if (at != MAP_FAILED) munmap(at, bytes);
    }
    uint64_t bytes;
    void* at;
};

/// Keys and values of bf16, 8 GiB each; its last block is written and read back.
void check_far(Backend& backend, kv::Order order) {
    constexpr uint32_t kDim = 64, kHeads = 2, kSize = 16, kBlocks = 1 << 20;
    Sparse keys(uint64_t{2} * kBlocks * kHeads * kSize * kDim * 2), values(keys.bytes);
    if (keys.at == MAP_FAILED || values.at == MAP_FAILED) {
        MESSAGE("not run: no address space for a large pool");
        return;
    }
    kv::Append append;
    kv::Pool& pool = append.pool;
    pool.keys = {static_cast<uint8_t*>(keys.at), nullptr, plain_format(RowType::bf16, kDim)};
    pool.values = {static_cast<uint8_t*>(values.at), nullptr, plain_format(RowType::bf16, kDim)};
    pool.layers = 2;
    pool.blocks = kBlocks;
    pool.heads = kHeads;
    pool.block_size = kSize;
    pool.order = order;
    pool.layer_rows = uint64_t{kBlocks} * kHeads * kSize;
    std::vector<uint16_t> in(kHeads * kDim), out_keys(in.size()), out_values(in.size());
    for (size_t i = 0; i < in.size(); ++i) in[i] = kv::bf16_of(static_cast<float>(i) - 60);
    auto slot = int64_t{kBlocks} * kSize - 3;
    append.layer = 1;
    append.keys = append.values = reinterpret_cast<const uint8_t*>(in.data());
    append.in = RowType::bf16;
    append.token_stride = kHeads * kDim;
    append.head_stride = kDim;
    append.slots = &slot;
    append.tokens = 1;
    backend.run(append);
    // Place 13 of the last block, head 1: the last rows but 2 (HND), or but 2 tokens of 2 heads (NHD).
    uint64_t last = order == kv::Order::hnd ? 3 : 5;
    CHECK(std::memcmp(static_cast<uint8_t*>(keys.at) + keys.bytes - last * kDim * 2, in.data() + kDim, kDim * 2) == 0);

    uint32_t table[] = {kBlocks - 1}, length = 14, start = 13;
    uint64_t row = 0;
    kv::Gather gather;
    gather.pool = pool;
    gather.layer = 1;
    gather.table = {table, &length, 1, 1};
    gather.starts = &start;
    gather.out_rows = &row;
    gather.keys = {reinterpret_cast<uint8_t*>(out_keys.data()), nullptr, pool.keys.format};
    gather.values = {reinterpret_cast<uint8_t*>(out_values.data()), nullptr, pool.values.format};
    backend.run(gather);
    CHECK(out_keys == in);
    CHECK(out_values == in);

    // Copied to the block before, where attention reads 14 places, all but the last zeros.
    kv::BlockPair pair{kBlocks - 1, kBlocks - 2};
    kv::CopyBlocks copy;
    copy.pool = pool;
    copy.pairs = &pair;
    copy.count = 1;
    copy.tokens = kSize;
    backend.run(copy);
    table[0] = kBlocks - 2;
    std::vector<float> q(kHeads * kDim, 0.0f), out(q.size(), -1.0f);
    kv::Decode decode;
    decode.pool = pool;
    decode.layer = 1;
    decode.table = {table, &length, 1, 1};
    decode.q = reinterpret_cast<const uint8_t*>(q.data());
    decode.query_heads = kHeads;
    decode.out = reinterpret_cast<uint8_t*>(out.data());
    backend.run(decode);
    uint32_t wrong = 0;  // a query of zeros weighs all 14 places alike
    for (size_t i = 0; i < out.size(); ++i)
        wrong += std::abs(out[i] - kv::f32_of_bf16(in[i]) / 14) <= 1e-5f * std::abs(kv::f32_of_bf16(in[i])) ? 0 : 1;
    CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("values: a pool beyond 4 GiB, in memory that is not touched elsewhere") {
    for (kv::Order order : {kv::Order::hnd, kv::Order::nhd}) {
        check_far(*make_emu_backend(1), order);
        check_far(*kvsim::make_cpu_backend(2), order);
    }
}

}  // namespace values_test
