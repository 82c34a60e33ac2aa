// A vector whose large blocks of memory ask for 2 MiB pages. The first touch of a 4 KiB page costs about as much as a
// hundred accesses; for arrays that are made once and used once that is most of their cost.
#pragma once

#include <sys/mman.h>

#include <cstdlib>
#include <new>
#include <vector>

namespace kvsim {

template <class T>
struct HugeAllocator {
    using value_type = T;
    static constexpr size_t kPage = size_t{2} << 20;
    static constexpr size_t kFrom = kPage / 4;  ///< smaller blocks come from the heap

    HugeAllocator() = default;
    template <class U>
    HugeAllocator(const HugeAllocator<U>&) {}  // NOLINT: conversion is what allocators do

    T* allocate(size_t n) {
        size_t bytes = n * sizeof(T);
        if (bytes < kFrom) return static_cast<T*>(::operator new(bytes));
        size_t rounded = (bytes + kPage - 1) / kPage * kPage;
        void* memory = std::aligned_alloc(kPage, rounded);
        if (memory == nullptr) throw std::bad_alloc();
        madvise(memory, rounded, MADV_HUGEPAGE);  // a wish: without it everything works as well, slower
        return static_cast<T*>(memory);
    }
    void deallocate(T* p, size_t n) {
        if (n * sizeof(T) < kFrom) {
            ::operator delete(p);
        } else {
            std::free(p);
        }
    }
    friend bool operator==(const HugeAllocator&, const HugeAllocator&) { return true; }
};

template <class T>
using HugeVector = std::vector<T, HugeAllocator<T>>;

}  // namespace kvsim
