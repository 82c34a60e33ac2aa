// How one kernel source is compiled twice: by nvcc for GPUs, by any C++20 compiler for the emulator (kernels/emu).
//
// A kernel is a struct:
//
//   struct XKernel {
//       using Op = X;                                   what it does, of kernels/common/ops.h; passed by value
//       static constexpr uint32_t kThreads = 256;       of a block; a multiple of 32
//       static constexpr uint32_t kResident = 4;        blocks that should fit a multiprocessor (bounds the registers)
//       static constexpr bool kSynchronizes = false;    whether it calls sync(), shuffle_xor() or ballot()
//       struct Shared { ... };                          shared memory of a block, undefined at the start
//       static uint64_t blocks(const Op& op);           host: blocks there is work for; 0: no launch
//       template <class Lane> KV_DEVICE static void run(Lane& lane, const Op& op, Shared& shared);
//   };
//
// and every header ends with
//
//   template <class Launcher> void dispatch(const X& op, Launcher& launcher);
//
// which picks the kernels of an operation (by type, by shape) and calls launcher.template launch<SomeKernel>(op) for
// one after the other. A launcher may start any number of blocks from 1 to blocks(op): every kernel walks its work in
// steps of the grid. It keeps order: a later kernel reads what an earlier one wrote.
//
// `lane` is the calling thread. All threads of a block call sync(), all 32 of a warp call shuffle_xor() and ballot(),
// at the same place; the emulator reports where they do not. What a Lane has:
//
//   uint32_t thread(), threads()      in its block; threads() is kThreads
//   uint64_t block(), blocks()        in the grid
//   void sync()                       barrier of the block
//   T shuffle_xor(const T& x, m)      the x of lane (thread() % 32) ^ m of this warp; T of whole 32-bit words
//   uint32_t ballot(bool x)           bit i: the x of lane i of this warp
//   void add(uint32_t* at, uint32_t)  atomic; global or shared memory
#pragma once

#include <kernels/common/hd.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#define KV_DEVICE __device__ __forceinline__
#define KV_UNROLL _Pragma("unroll")
#else
#include <stdexcept>
#define KV_DEVICE inline
#define KV_UNROLL
#endif

namespace kv::device {

inline constexpr uint32_t kWarp = 32;

/// What a thread moves at once.
struct alignas(16) Bits128 {
    uint32_t word[4];
};
struct alignas(8) Bits64 {
    uint32_t word[2];
};

/// One access of T's size to global memory; `at` has T's alignment (the emulator checks it).
template <class T>
KV_DEVICE T load(const void* at) {
#if defined(__CUDACC__)
    return *static_cast<const T*>(at);
#else
    if (reinterpret_cast<uintptr_t>(at) % alignof(T) != 0) throw std::logic_error("misaligned load in a kernel");
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
#endif
}
template <class T>
KV_DEVICE void store(void* at, const T& value) {
#if defined(__CUDACC__)
    *static_cast<T*>(at) = value;
#else
    if (reinterpret_cast<uintptr_t>(at) % alignof(T) != 0) throw std::logic_error("misaligned store in a kernel");
    std::memcpy(at, &value, sizeof value);
#endif
}

#if defined(__CUDA_ARCH__)
// Said in PTX, since the compiler takes pointers out of an operation for pointers to anywhere, up to sm_90.
template <>
KV_DEVICE Bits128 load<Bits128>(const void* at) {
    Bits128 x;
    asm volatile("ld.global.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x.word[0]), "=r"(x.word[1]), "=r"(x.word[2]), "=r"(x.word[3])
                 : "l"(__cvta_generic_to_global(at))
                 : "memory");
    return x;
}
template <>
KV_DEVICE void store<Bits128>(void* at, const Bits128& x) {
    asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(__cvta_generic_to_global(at)), "r"(x.word[0]),
                 "r"(x.word[1]), "r"(x.word[2]), "r"(x.word[3])
                 : "memory");
}
#endif

/// a * b + c where it does not matter how often that is rounded. Everything else is compiled without contraction.
KV_DEVICE float multiply_add(float a, float b, float c) {
#if defined(__CUDACC__)
    return fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

/// Number of an item of work: below 2^32, as each takes memory. 64-bit divisions are subroutines on a GPU.
KV_HD constexpr uint32_t small(uint64_t item) { return static_cast<uint32_t>(item); }
KV_HD constexpr uint64_t ceil_div(uint64_t a, uint64_t b) { return (a + b - 1) / b; }
/// The smallest power of two that is at least n, n >= 1.
KV_HD constexpr uint32_t power_of_two(uint32_t n) {
    uint32_t p = 1;
    while (p < n) p *= 2;
    return p;
}

}  // namespace kv::device
