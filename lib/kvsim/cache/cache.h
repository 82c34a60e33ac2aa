// The interface of every cache layout: replay a trace, fill a RunResult, and answer for the state it is left in.
#pragma once

#include <kvsim/cache/engine_run.h>
#include <kvsim/cache/run_result.h>
#include <kvsim/trace/trace.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

namespace kvsim {

inline constexpr uint64_t kUnlimited = ~uint64_t{0};
/// Concurrency: a request runs until the end that the trace records for it.
inline constexpr uint64_t kByTrace = 0;

/// A failure as a value: nothing was changed.
struct OutOfBlocks {
    uint64_t need = 0;
    uint64_t have = 0;
};

/// What happened to a block while a request was served.
struct BlockEvent {
    BlockId block;
    bool evicted;  ///< else used
};

/// Is told what a prefix cache did, request by request; of replays block by block alone (RunPath::blocks).
class BlockObserver {
  public:
    struct Served {
        uint32_t request = 0;
        const std::vector<BlockId>& hits;     ///< the leading hits of its lookup, resident before
        const std::vector<BlockId>& named;    ///< what it stores, as far as it has names, first to last
        const std::vector<BlockId>& unnamed;  ///< blocks behind them that were taken for it; an id may have been another's
        uint64_t evicted_blocks = 0;          ///< since the beginning
        /// In order: leading hits (flat: all hits) and what was stored, as uses, and evictions. A block that is evicted
        /// before it is used was stored by this request. Ids under flat accounting are the content's own where it counts.
        const std::vector<BlockEvent>& events;
    };
    virtual ~BlockObserver() = default;
    /// `resident` tells which blocks are there now. Not all that it stores need be.
    virtual void served(const Served& request, const std::function<bool(BlockId)>& resident) = 0;
};

struct RunOptions {
    uint64_t capacity_blocks = kUnlimited;  ///< at least 1
    uint64_t warmup_requests = 0;           ///< replayed, not counted
    bool decode = true;                     ///< output (and an unnamed prompt tail) takes blocks
    uint64_t concurrency = 1;               ///< requests running at once, or kByTrace
    uint32_t layers = 1;                    ///< quantized: that budgets are told for
    bool compute_last_token = false;        ///< blocks of one token: at most prompt - 1 of them count as hit
    /// Per request, the leading hits of an offline bound: then RunResult::stranded_in_bound is filled where it can differ.
    const std::vector<uint32_t>* bound_hits = nullptr;
    BlockObserver* observer = nullptr;
    Arrivals arrivals = Arrivals::sequential;    ///< of engines with a scheduler
    EngineObserver* engine_observer = nullptr;  ///< of engines
    std::atomic<uint64_t>* progress = nullptr;  ///< requests done, for a progress bar

    bool operator==(const RunOptions&) const = default;
};

class Cache {
  public:
    virtual ~Cache() = default;
    /// Replays the whole trace from an empty cache. Call once.
    virtual void run(const Trace& trace, const RunOptions& options, RunResult& result) = 0;
    /// Derives counts and structure from scratch and compares; throws Error(failed) naming what differs.
    virtual void check_invariants() const = 0;

  protected:
    /// Every request passes here: warm-up border and progress.
    static void begin_request(uint32_t request, const RunOptions& options, RunResult& result) {
        if (request == options.warmup_requests) result.warmup = result.total;
        if ((request & 1023) != 0) return;
        if (options.progress) options.progress->store(request, std::memory_order_relaxed);
    }
    /// After the last request.
    static void end_run(uint32_t requests, const RunOptions& options, RunResult& result) {
        if (options.warmup_requests >= requests) result.warmup = result.total;
    }
};

}  // namespace kvsim
