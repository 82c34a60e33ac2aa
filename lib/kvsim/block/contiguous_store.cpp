#include <kvsim/block/contiguous_store.h>

#include <bit>

namespace kvsim {

ContiguousStore::ContiguousStore(const ContiguousConfig& config)
    : block_size_(config.block_size), reserve_tokens_(config.reserve_tokens), arena_(config.blocks) {
    if (block_size_ == 0) throw_input("block size 0: expected at least 1 token");
}

void ContiguousStore::unknown(SequenceId id) { throw_input("sequence " + std::to_string(id) + ": unknown, or freed"); }

void ContiguousStore::unpin(SequenceId id) {
    Sequence& s = at(id);
    if (s.pins == 0) throw_input("sequence " + std::to_string(id) + ": is not pinned");
    --s.pins;
}

// Blocks reserved for a sequence of so many tokens.
uint64_t ContiguousStore::room_for(uint64_t tokens) const {
    uint64_t longest = std::max(tokens, reserve_tokens_);
    uint64_t blocks = longest / block_size_ + (longest % block_size_ != 0);
    return reserve_tokens_ != 0 || blocks == 0 ? blocks : std::bit_ceil(blocks);
}

OutOfBlocks ContiguousStore::fail(uint64_t need) {
    ++stats_.failed_allocations;
    return {need, arena_.largest_hole()};
}

std::optional<OutOfBlocks> ContiguousStore::allocate(SequenceId id, const Extent& extent, double priority) {
    if (contains(id)) throw_input("sequence " + std::to_string(id) + ": is there already; free it first");
    std::optional<Run> run = arena_.take(room_for(extent.tokens));
    if (!run) return fail(room_for(extent.tokens));
    if (id >= sequences_.size()) sequences_.resize(std::max<size_t>(size_t{id} + 1, sequences_.size() * 3 / 2));
    Sequence& s = sequences_[id];
    s = {};
    s.run = *run;
    s.alive = true;
    s.facts.tokens = extent.tokens;
    s.facts.priority = priority;
    s.facts.freeable_blocks = run->count;
    access(s);
    s.facts.started = clock_;
    ++alive_;
    held_tokens_ += extent.tokens;
    stats_.allocated_blocks += run->count;
    stats_.peak_used_blocks = std::max(stats_.peak_used_blocks, arena_.used());
    return std::nullopt;
}

std::optional<OutOfBlocks> ContiguousStore::append(SequenceId id, uint64_t tokens) {
    Sequence& s = at(id);
    uint64_t after = s.facts.tokens + tokens;
    if (after > s.run.count * block_size_) {
        uint64_t need = room_for(after);
        uint64_t more = need - s.run.count;
        if (arena_.extend(s.run, more)) {
            stats_.allocated_blocks += more;
        } else {
            std::optional<Run> moved = arena_.take(need);
            if (!moved) return fail(need);
            stats_.peak_used_blocks = std::max(stats_.peak_used_blocks, arena_.used());
            stats_.allocated_blocks += need;
            stats_.freed_blocks += s.run.count;
            stats_.copied_tokens += s.facts.tokens;
            arena_.give_back(s.run);
            s.run = *moved;
        }
        s.facts.freeable_blocks = s.run.count;
        stats_.peak_used_blocks = std::max(stats_.peak_used_blocks, arena_.used());
    }
    s.facts.tokens = after;
    held_tokens_ += tokens;
    access(s);
    return std::nullopt;
}

std::optional<OutOfBlocks> ContiguousStore::fork(SequenceId parent, SequenceId child) {
    uint64_t tokens = at(parent).facts.tokens;
    double priority = at(parent).facts.priority;
    if (auto failure = allocate(child, Extent{tokens, 0, 0}, priority)) return failure;
    // The parent's access comes before the child's.
    Sequence& c = sequences_[child];
    Sequence& p = sequences_[parent];
    p.facts.last_access = c.facts.last_access;
    ++p.facts.accesses;
    c.facts.last_access = c.facts.started = ++clock_;
    ++stats_.forks;
    stats_.copied_tokens += tokens;
    return std::nullopt;
}

uint64_t ContiguousStore::free(SequenceId id) {
    Sequence& s = at(id);
    uint64_t freed = s.run.count;
    arena_.give_back(s.run);
    held_tokens_ -= s.facts.tokens;
    stats_.freed_blocks += freed;
    s.alive = false;
    --alive_;
    return freed;
}

void ContiguousStore::check_invariants() const {
    std::vector<Run> runs;
    uint64_t held = 0;
    for (const Sequence& s : sequences_) {
        if (!s.alive) continue;
        runs.push_back(s.run);
        held += s.facts.tokens;
        if (s.facts.tokens > s.run.count * block_size_) throw_failed("contiguous: a sequence is longer than its run");
        if (s.facts.freeable_blocks != s.run.count) throw_failed("contiguous: freeable blocks do not add up");
    }
    if (runs.size() != alive_ || held != held_tokens_) throw_failed("contiguous: sequences or tokens do not add up");
    arena_.check(runs);
    if (stats_.allocated_blocks - stats_.freed_blocks != arena_.used())
        throw_failed("contiguous: allocated less freed is not used");
}

}  // namespace kvsim
