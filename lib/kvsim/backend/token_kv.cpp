#include <kernels/common/bytes.h>
#include <kvsim/backend/token_kv.h>
#include <kvsim/core/error.h>

#include <algorithm>

namespace kvsim {

namespace {

constexpr uint32_t kPromptTokens = 256;  ///< appended at once where positions alone decide

/// Tokens that a half holds for a moment.
uint64_t most_tokens(const TokenRule& rule, uint64_t tokens) {
    if (tokens <= rule.keep) return tokens;
    return std::min(tokens, rule.keep + (rule.scores == TokenRule::Scores::none ? kPromptTokens : 1));
}

}  // namespace

TokenKv::TokenKv(KvMemory& memory, const TokenValues& values, Leaving check)
    : memory_(memory), values_(values), check_(std::move(check)),
      self_(std::make_shared<HandleTarget*>(static_cast<HandleTarget*>(this))) {}

uint64_t TokenKv::blocks(const TokenRule& rule, uint64_t tokens, uint32_t block_size) {
    return (tokens > rule.keep ? 2 : 1) * ceil_div(most_tokens(rule, tokens), block_size);
}

void TokenKv::begin(const TokenRule& rule, uint64_t tokens) {
    const KvLayout& layout = memory_.layout();
    rule_ = rule;
    competes_ = tokens > rule.keep;
    stride_ = most_tokens(rule, tokens);
    if (stride_ > UINT32_MAX - 1) throw_input("a sequence of more than 2^32 - 2 tokens cannot be stored on a backend");
    place_ = {memory_.pool(), {}, 0};
    other_.clear();
    auto half = static_cast<uint32_t>(ceil_div(stride_, layout.block_size));
    for (uint32_t b = 0; b < half; ++b) {
        place_.blocks.push_back(b);
        other_.push_back(half + b);
    }
    ++generation_;
    positions_.assign(check_ ? uint64_t{layout.layers} * layout.kv_heads : 0, {});
    if (!competes_) return;
    uint64_t all = stride_ * layout.layers * layout.kv_heads;
    for (Buffer<float>* b : {&scores_, &kept_scores_}) {
        b->reserve(memory_.backend(), all);
        memory_.backend().fill(b->data(), 0, all * sizeof(float));
    }
    kept_.reserve(memory_.backend(), rule.keep * layout.kv_heads);
    new_blocks_.reserve(memory_.backend(), half);
}

void TokenKv::play(SequenceId id, uint64_t prompt_tokens, uint64_t output_tokens, const TokenRule& rule, bool attend) {
    id_ = id;
    uint64_t all = prompt_tokens + output_tokens;
    begin(rule, all);
    for (uint64_t position = 0; position < all;) {
        bool one = scored() || position >= prompt_tokens;
        auto count = static_cast<uint32_t>(one ? 1 : std::min<uint64_t>(kPromptTokens, prompt_tokens - position));
        append(position, count);
        if (scored() || (attend && position >= prompt_tokens)) look_at(position);
        if (place_.tokens > rule_.keep) evict();
        position += count;
    }
    if (!check_) return;
    const KvLayout& layout = memory_.layout();
    std::vector<float> keys(uint64_t{layout.kv_heads} * layout.head_dim), values(keys.size());
    check_({self_, id_, generation_}, [&](uint32_t layer, uint64_t first, uint32_t count, float* out_keys, float* out_values) {
        for (uint64_t i = first; i < first + count; ++i)
            for (uint32_t head = 0; head < layout.kv_heads; ++head) {
                uint32_t position = positions_[uint64_t{layer} * layout.kv_heads + head][i];
                values_.rows(id_, layer, position, 1, keys.data(), values.data());
                std::copy_n(&keys[uint64_t{head} * layout.head_dim], layout.head_dim, out_keys);
                std::copy_n(&values[uint64_t{head} * layout.head_dim], layout.head_dim, out_values);
                out_keys += layout.head_dim;
                out_values += layout.head_dim;
            }
    });
}

// Tokens [position, position + count) of the sequence become the last of the place.
void TokenKv::append(uint64_t position, uint32_t count) {
    uint64_t held = place_.tokens;
    place_.tokens += count;
    memory_.write(place_, held, [&](uint32_t layer, uint64_t first, uint32_t n, float* keys, float* values) {
        values_.rows(id_, layer, position + (first - held), n, keys, values);
    });
    for (std::vector<uint32_t>& head : positions_)
        for (uint32_t i = 0; i < count; ++i) head.push_back(static_cast<uint32_t>(position + i));
}

void TokenKv::look_at(uint64_t position) {
    const KvLayout& layout = memory_.layout();
    uint64_t layer_scores = stride_ * layout.kv_heads;
    Buffer<uint32_t> length;
    if (scored()) {
        auto tokens = static_cast<uint32_t>(place_.tokens);
        length = Buffer<uint32_t>(memory_.backend(), 1);
        length.write(0, &tokens, 1);
        if (rule_.scores == TokenRule::Scores::last)
            memory_.backend().fill(scores_.data(), 0, layer_scores * layout.layers * sizeof(float));
    }
    KvMemory::Watch watch{stride_, [&](uint32_t layer, const float* logits, const float* lse) {
        kv::Accumulate op;
        op.logits = logits;
        op.lse = lse;
        op.lengths = length.data();
        op.sequences = 1;
        op.query_heads = layout.query_heads;
        op.heads = layout.kv_heads;
        op.stride = stride_;
        op.scores = scores_.data() + layer * layer_scores;
        memory_.log().run("accumulate", memory_.backend(), op, kv::bytes_moved(op, {place_.tokens, 0}));
    }};
    memory_.attend(place_, [&](uint32_t layer, float* queries) { values_.query(id_, layer, position, queries); },
                   scored() ? &watch : nullptr);
}

void TokenKv::evict() {
    const KvLayout& layout = memory_.layout();
    uint64_t layer_scores = stride_ * layout.kv_heads;
    auto keep = static_cast<uint32_t>(rule_.keep);
    uint64_t new_blocks = ceil_div(keep, layout.block_size);
    new_blocks_.write(0, other_.data(), new_blocks);
    kv::Table table = memory_.table_of(place_);
    // What comes next begins with nothing.
    if (scored()) memory_.backend().fill(kept_scores_.data(), 0, layer_scores * layout.layers * sizeof(float));
    for (uint32_t layer = 0; layer < layout.layers; ++layer) {
        kv::TopK top;
        top.scores = scores_.data() + layer * layer_scores;
        top.lengths = table.lengths;
        top.sequences = 1;
        top.heads = layout.kv_heads;
        top.stride = stride_;
        top.keep = keep;
        top.sinks = static_cast<uint32_t>(rule_.sinks);
        top.window = static_cast<uint32_t>(rule_.window);
        top.kept = kept_.data();
        if (scored()) top.kept_scores = kept_scores_.data() + layer * layer_scores;
        memory_.log().run("top_k", memory_.backend(), top, kv::bytes_moved(top, {place_.tokens, 0}));
        kv::Compact op;
        op.pool = place_.pool;
        op.layer = layer;
        op.table = table;
        op.kept = kept_.data();
        op.keep = keep;
        op.new_blocks = new_blocks_.data();
        memory_.log().run("compact", memory_.backend(), op, kv::bytes_moved(op, {keep, 0}));
        if (check_) move_positions(layer);
    }
    evicted_ += place_.tokens - keep;
    place_.tokens = keep;
    place_.blocks.swap(other_);
    std::swap(scores_, kept_scores_);
}

void TokenKv::move_positions(uint32_t layer) {
    uint32_t heads = memory_.layout().kv_heads;
    uint64_t keep = rule_.keep;
    host_kept_.resize(keep * heads);
    kept_.read(0, host_kept_.data(), host_kept_.size());
    for (uint32_t head = 0; head < heads; ++head) {
        std::vector<uint32_t>& held = positions_[uint64_t{layer} * heads + head];
        const uint32_t* kept = &host_kept_[head * keep];
        for (uint64_t i = 0; i < keep; ++i) {
            if (kept[i] >= held.size() || kept[i] < i) throw_failed("token eviction: top-k kept a token that is not there");
            held[i] = held[kept[i]];
        }
        held.resize(keep);
    }
}

std::vector<uint32_t> TokenKv::table_of(SequenceId) const {
    std::vector<uint32_t> blocks = place_.blocks;
    blocks.resize(ceil_div(place_.tokens, memory_.layout().block_size));
    return blocks;
}

CacheHandleStats TokenKv::stats_of(SequenceId) const {
    CacheHandleStats s;
    s.tokens = place_.tokens;
    s.blocks = ceil_div(s.tokens, memory_.layout().block_size);
    uint64_t places = s.blocks * memory_.layout().block_size;
    s.memory_bytes = places * memory_.layout().layers * memory_.pool().token_bytes();
    s.utilization = places == 0 ? 0 : static_cast<double>(s.tokens) / static_cast<double>(places);
    s.last_access = generation_;
    return s;
}

SequenceId TokenKv::clone_of(SequenceId id) {
    throw_input("sequence " + std::to_string(id) + " cannot be cloned: there is room for one sequence whose tokens are evicted");
}

}  // namespace kvsim
