// What is known about a sequence that holds blocks: what sequence strategies decide by.
#pragma once

#include <cstdint>

namespace kvsim {

using SequenceId = uint32_t;

/// Times are ticks: the number of the operation (allocate, append, fork) that set them, from 1.
struct SequenceFacts {
    uint64_t started = 0;      ///< its allocation or fork
    uint64_t last_access = 0;  ///< its last allocation, append, or fork from or to it
    uint64_t accesses = 0;     ///< how many of these
    uint64_t tokens = 0;       ///< its length, trimmed tokens included
    uint64_t freeable_blocks = 0;  ///< blocks that only it holds: what evicting it gives back
    double priority = 0;
};

/// How far a sequence reaches: `tokens` long, logical blocks [hole_begin, hole_end) trimmed away.
struct Extent {
    uint64_t tokens = 0;
    uint32_t hole_begin = 0, hole_end = 0;
};

/// What trimming a sequence to sinks and a window did.
struct Trimmed {
    uint64_t requested_tokens = 0;  ///< tokens outside sinks and window that were still held
    uint64_t dropped_tokens = 0;    ///< of these, in whole blocks, and so dropped
    uint64_t freed_blocks = 0;      ///< blocks that went back to the pool
};

/// What a store of sequences has done since it was made. Blocks are counted where they leave or enter the pool.
struct SequenceStats {
    uint64_t allocated_blocks = 0;
    uint64_t freed_blocks = 0;
    uint64_t forks = 0;
    uint64_t cow_copies = 0;       ///< partly filled blocks copied because another sequence held them too
    uint64_t copied_tokens = 0;    ///< contiguous: moved by growth, duplicated by forks
    uint64_t failed_allocations = 0;  ///< operations refused for lack of room
    uint64_t peak_used_blocks = 0;
    uint64_t peak_shared_blocks = 0;
};

}  // namespace kvsim
