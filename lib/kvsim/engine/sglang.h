// SGLang's cache manager: one request after the other through radix cache, allocator and admission budget.
//
// A request is matched on all of its prompt but the last token, admitted if its budget fits (tested before and after
// its match is locked; what a rejected one touched and split stays so), prefilled in one piece or in chunks, decoded
// token by token and inserted without its last token. Room is made by evicting whole leaves until as much as is needed
// was freed, not as much as is missing. Decoding is not walked through token by token: between two new pages nothing can
// happen but one call for room, and while there is room nothing at all.
// Source: the rules of SGLang's RadixCache (`sglang`) and UnifiedRadixCache (`sglang_unified`: a split keeps the time
// of making), with its token and paged allocators. Difference: no scheduler, so requests never run side by side and
// nobody is retracted; output beyond the budget's 4,096 tokens that finds no room takes it all the same and is counted
// (decode_out_of_room). Cost: O(nodes + runs) per request, sglang_tree.h; independent of the number of tokens.
#pragma once

#include <kvsim/cache/cache.h>
#include <kvsim/engine/sglang_tree.h>

namespace kvsim {

struct SglangConfig {
    uint32_t page = 1;  ///< the trace must be in blocks of as many tokens
    SglangPolicy policy = SglangPolicy::lru;
    uint64_t chunk = 0;  ///< most tokens of a piece of prefill; 0: prompts are not cut
    bool unified = false;

    /// Of a row's specification, "sglang:page=16,policy=lfu". Throws Error(input).
    static SglangConfig parse(const std::string& engine);
    std::string text() const;
};

class SglangCache final : public Cache {
  public:
    explicit SglangCache(const SglangConfig& config) : config_(config), tree_(config.policy, config.unified) {}

    void run(const Trace& trace, const RunOptions& options, RunResult& result) override;
    void check_invariants() const override;

    const SglangTree& tree() const { return tree_; }
    int64_t used_tokens() const { return used_; }
    int64_t evictable_tokens() const { return static_cast<int64_t>(tree_.evictable_pages()) * page_; }

  private:
    /// Of all requests; those of the warm-up are taken off at the end.
    struct Counts {
        uint64_t prompt_tokens = 0, cached_tokens = 0, rejected = 0, evicted_nodes = 0, duplicate_tokens = 0,
                 out_of_room = 0;
    };
    struct Request {
        uint32_t id = 0;
        int64_t prompt = 0, outputs = 0;
        int64_t own = 0;        ///< leading tokens that the tree backs
        int64_t committed = 0;  ///< tokens computed
        double priority = 0;
    };

    int64_t floor_page(int64_t tokens) const { return tokens / page_ * page_; }
    int64_t ceil_page(int64_t tokens) const { return floor_page(tokens + page_ - 1); }
    int64_t available() const { return capacity_ - used_; }
    bool fits(int64_t tokens) const { return tokens < available() + evictable_tokens(); }

    bool admit(Request& q);
    void prefill(Request& q);
    void decode(Request& q);
    void finish(Request& q);
    void need(int64_t tokens);
    void insert(Request& q, int64_t tokens, bool chunked);
    void publish(Request& q, int64_t tokens, bool chunked);
    void sample(const Request& q);
    void begin(const Trace& trace, const RunOptions& options, RunResult& result);
    EngineRun numbers() const;

    SglangConfig config_;
    SglangTree tree_;
    SglangPaths paths_;
    SglangPaths::Walk path_;
    const Trace* trace_ = nullptr;
    const RunOptions* options_ = nullptr;
    RunResult* result_ = nullptr;
    int64_t page_ = 1;
    int64_t capacity_ = 0;
    int64_t used_ = 0;  ///< tokens, whole pages
    uint32_t serving_ = 0;
    Counts counts_, warmup_;
    int64_t peak_protected_ = 0, peak_usage_ = 0;  ///< tokens, of counted admissions
};

}  // namespace kvsim
