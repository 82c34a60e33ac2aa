// Codecs against memcpy of the same f32 bytes, one core, everything in one process and in turn: speeds of a shared
// machine vary, ratios in one run less. Each figure is the best of several rounds.
//
//   bench_quant [--rounds N] [--target NAME] [--scalar] [DTYPE...]
//
// Sizes: 16 KiB and 4 MiB of f32 stay in caches, 256 MiB do not. GB/s are of f32. --scalar adds the definitions of
// kernels/common, compiled like everything else. Rows are 32 heads x 128.
#ifndef __clang__
#pragma GCC optimize("no-tree-vectorize")  // the definitions as they are written, one value at a time
#endif
#include <kernels/common/blocks.h>
#include <kernels/common/hadamard.h>
#include <kernels/cpu/quant.h>
#include <kvsim/core/huge_vector.h>
#include <kvsim/core/random.h>
#include <kvsim/quant/dtype.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <optional>

using namespace kvsim;

namespace {

constexpr uint32_t kHeads = 32, kHeadDim = 128;

double now() {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

/// Best seconds of one call; small jobs are repeated within a measurement.
struct Best {
    double seconds = 1e30;
    void measure(size_t bytes, const std::function<void()>& job) {
        size_t repeats = std::max<size_t>(1, (size_t{8} << 20) / bytes);
        double start = now();
        for (size_t i = 0; i < repeats; ++i) job();
        seconds = std::min(seconds, (now() - start) / static_cast<double>(repeats));
    }
};

/// The definitions on the same units.
struct Scalar {
    std::function<void(const float*, size_t, uint8_t*)> encode;
    std::function<void(const uint8_t*, size_t, float*)> decode;
};

kv::AffineUnit affine_unit(uint32_t bits, size_t group, bool by_channel, bool symmetric) {
    kv::AffineUnit u;
    u.format = {bits, true, symmetric};
    u.groups = by_channel ? kHeadDim : kHeadDim / group;
    u.size = group;
    u.group_stride = by_channel ? 1 : group;
    u.value_stride = by_channel ? kHeadDim : 1;
    return u;
}
Scalar affine(kv::AffineUnit u) {
    return {[u](const float* x, size_t units, uint8_t* out) {
                for (size_t i = 0; i < units; ++i) kv::affine_encode(u, x + i * u.values(), out + i * u.bytes());
            },
            [u](const uint8_t* in, size_t units, float* x) {
                for (size_t i = 0; i < units; ++i) kv::affine_decode(u, in + i * u.bytes(), x + i * u.values());
            }};
}
Scalar blocks(kv::BlockFormat f) {
    size_t values = kv::block_values(f), bytes = kv::block_bytes(f);
    return {[=](const float* x, size_t units, uint8_t* out) {
                for (size_t i = 0; i < units * kHeadDim / values; ++i) kv::block_encode(f, x + i * values, out + i * bytes);
            },
            [=](const uint8_t* in, size_t units, float* x) {
                for (size_t i = 0; i < units * kHeadDim / values; ++i) kv::block_decode(f, in + i * bytes, x + i * values);
            }};
}
template <class Code>
Scalar narrow(Code (*code)(float), float (*value)(Code)) {
    return {[=](const float* x, size_t units, uint8_t* out) {
                for (size_t i = 0; i < units * kHeadDim; ++i) {
                    Code c = code(x[i]);
                    std::memcpy(out + i * sizeof c, &c, sizeof c);
                }
            },
            [=](const uint8_t* in, size_t units, float* x) {
                for (size_t i = 0; i < units * kHeadDim; ++i) {
                    Code c;
                    std::memcpy(&c, in + i * sizeof c, sizeof c);
                    x[i] = value(c);
                }
            }};
}

struct Job {
    const char* dtype;
    Scalar scalar;
};
std::vector<Job> all_jobs() {
    return {{"f16", narrow<uint16_t>(kv::f16_of, kv::f32_of_f16)},
            {"bf16", narrow<uint16_t>(kv::bf16_of, kv::f32_of_bf16)},
            {"fp8_e4m3", narrow<uint8_t>(kv::e4m3_of, kv::f32_of_e4m3)},
            {"int8:group=32", affine(affine_unit(8, 32, false, false))},
            {"int8", affine(affine_unit(8, 128, false, false))},
            {"int4:group=32", affine(affine_unit(4, 32, false, false))},
            {"int4", affine(affine_unit(4, 128, false, false))},
            {"int4:group=32,symmetric=on", affine(affine_unit(4, 32, false, true))},
            {"int4:axis=channel", affine(affine_unit(4, 32, true, false))},
            {"int3:group=32", affine(affine_unit(3, 32, false, false))},
            {"int2:group=32", affine(affine_unit(2, 32, false, false))},
            {"q8_0", blocks(kv::BlockFormat::q8_0)},
            {"q4_0", blocks(kv::BlockFormat::q4_0)},
            {"q4_1", blocks(kv::BlockFormat::q4_1)},
            {"mxfp4", blocks(kv::BlockFormat::mxfp4)},
            {"nvfp4", blocks(kv::BlockFormat::nvfp4)}};
}

struct Memory {
    HugeVector<float> in, out;
    HugeVector<uint8_t> stored;
};

void run(const Job& job, size_t bytes, int rounds, bool with_scalar, Memory& m) {
    auto codec = make_codec(job.dtype, {kHeads, kHeadDim});
    size_t values = bytes / 4, unit = size_t{codec->unit_values()} * codec->unit_tokens(), units = values / unit;
    Best copy, encode, decode, scalar_encode, scalar_decode;
    for (int round = 0; round < rounds; ++round) {
        copy.measure(bytes, [&] { std::memcpy(m.out.data(), m.in.data(), units * unit * 4); });
        encode.measure(bytes, [&] { codec->encode_units(m.in.data(), units, m.stored.data()); });
        decode.measure(bytes, [&] { codec->decode_units(m.stored.data(), units, m.out.data()); });
        if (!with_scalar || round > 2) continue;
        scalar_encode.measure(bytes, [&] { job.scalar.encode(m.in.data(), units, m.stored.data()); });
        scalar_decode.measure(bytes, [&] { job.scalar.decode(m.stored.data(), units, m.out.data()); });
    }
    auto speed = [&](const Best& b) { return static_cast<double>(units * unit * 4) / b.seconds * 1e-9; };
    std::printf("%-28s %7zu KiB  memcpy %6.1f  encode %6.1f (%5.2f)  decode %6.1f (%5.2f)", job.dtype, bytes >> 10, speed(copy),
                speed(encode), speed(encode) / speed(copy), speed(decode), speed(decode) / speed(copy));
    if (with_scalar)
        std::printf("  scalar %5.2f %5.2f: %5.1fx %5.1fx", speed(scalar_encode), speed(scalar_decode),
                    speed(encode) / speed(scalar_encode), speed(decode) / speed(scalar_decode));
    std::printf("\n");
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
    int rounds = 15;
    bool with_scalar = false;
    std::vector<std::string> wanted;
    for (int i = 1; i < argc; ++i) {
        std::string a = argv[i];
        if (a == "--rounds" && i + 1 < argc)
            rounds = std::atoi(argv[++i]);
        else if (a == "--target" && i + 1 < argc)
            kv::cpu::use_vector_target(argv[++i]);
        else if (a == "--scalar")
            with_scalar = true;
        else
            wanted.push_back(a);
    }
    constexpr size_t kLargest = size_t{256} << 20;
    Memory m;
    m.in.resize(kLargest / 4);
    m.out.resize(kLargest / 4);
    m.stored.resize(kLargest / 2);
    Random random(1);
    for (size_t i = 0; i < m.in.size(); ++i) {
        uint64_t bits = random.next();  // the sum of four uniform numbers, near enough to normal
        m.in[i] = static_cast<float>(static_cast<double>((bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) +
                                                         (bits >> 48)) / 37837.0 - 3.464);
    }
    for (const Job& job : all_jobs()) {
        if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), job.dtype) == wanted.end()) continue;
        for (size_t bytes : {size_t{16} << 10, size_t{4} << 20, kLargest})
            run(job, bytes, bytes == kLargest ? std::min(rounds, 7) : rounds, with_scalar && bytes != kLargest, m);
    }
    return 0;
}
