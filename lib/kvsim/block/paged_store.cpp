#include <kvsim/block/paged_store.h>

namespace kvsim {

PagedStore::PagedStore(const PagedConfig& config) : block_size_(config.block_size), pool_(config.blocks, config.free_order) {
    if (block_size_ == 0) throw_input("block size 0: expected at least 1 token");
}

void PagedStore::unknown(SequenceId id) { throw_input("sequence " + std::to_string(id) + ": unknown, or freed"); }

std::vector<SequenceId> PagedStore::ids() const {
    std::vector<SequenceId> out;
    for (SequenceId id = 0; id < sequences_.size(); ++id)
        if (sequences_[id].alive) out.push_back(id);
    return out;
}

Extent PagedStore::extent(SequenceId id) const {
    const Sequence& s = at(id);
    return {s.facts.tokens, s.hole_begin, s.hole_end};
}

void PagedStore::unpin(SequenceId id) {
    Sequence& s = at(id);
    if (s.pins == 0) throw_input("sequence " + std::to_string(id) + ": is not pinned");
    --s.pins;
}

PagedStore::Sequence& PagedStore::start(SequenceId id) {
    if (contains(id)) throw_input("sequence " + std::to_string(id) + ": is there already; free it first");
    if (id >= sequences_.size()) sequences_.resize(std::max<size_t>(size_t{id} + 1, sequences_.size() * 3 / 2));
    Sequence& s = sequences_[id];
    s.facts = {};
    s.facts.started = clock_ + 1;
    s.room = 0;
    s.tail_shared = false;
    s.alive = true;
    s.pins = 0;
    s.hole_begin = s.hole_end = 0;
    s.table.clear();
    ++alive_;
    return s;
}

void PagedStore::note_peaks() {
    stats_.peak_used_blocks = std::max(stats_.peak_used_blocks, pool_.used());
    stats_.peak_shared_blocks = std::max(stats_.peak_shared_blocks, pool_.shared());
}

std::optional<OutOfBlocks> PagedStore::allocate(SequenceId id, const Extent& extent, double priority) {
    if (contains(id)) throw_input("sequence " + std::to_string(id) + ": is there already; free it first");
    uint64_t blocks = blocks_for(extent.tokens);
    uint64_t hole = extent.hole_end - extent.hole_begin;
    if (blocks - hole > pool_.available()) {
        ++stats_.failed_allocations;
        return OutOfBlocks{blocks - hole, pool_.available()};
    }
    pool_.check_ids(blocks - hole);
    Sequence& s = start(id);
    s.hole_begin = extent.hole_begin;
    s.hole_end = extent.hole_end;
    s.facts.priority = priority;
    s.table.reserve(blocks);
    for (uint64_t i = 0; i < blocks; ++i)
        s.table.push_back(i >= s.hole_begin && i < s.hole_end ? kNone : pool_.take(id));
    s.facts.freeable_blocks = blocks - hole;
    s.room = static_cast<uint32_t>(blocks * block_size_ - extent.tokens);
    stats_.allocated_blocks += blocks - hole;
    grow(s, extent.tokens);
    held_tokens_ -= hole * block_size_;
    note_peaks();
    return std::nullopt;
}

std::optional<OutOfBlocks> PagedStore::append_blocks(Sequence& s, SequenceId id, uint64_t tokens, CopyOnWrite* copied) {
    if (s.tail_shared && (s.room == 0 || pool_.references(s.table.back()) == 1)) s.tail_shared = false;
    bool copy = s.tail_shared && tokens > 0;
    uint64_t fresh = tokens > s.room ? blocks_for(tokens - s.room) : 0;
    if (fresh + copy > pool_.available()) {
        ++stats_.failed_allocations;
        return OutOfBlocks{fresh + copy, pool_.available()};
    }
    pool_.check_ids(fresh + copy);
    if (copy) {
        BlockId from = s.table.back();
        BlockId to = pool_.take(id);
        uint32_t filled = block_size_ - s.room;
        if (copied) *copied = {from, to, filled};
        held_tokens_ += filled;
        pool_.release(from, id);
        if (pool_.references(from) == 1) {
            SequenceId owner = pool_.owner(from);
            ++sequences_[owner].facts.freeable_blocks;
            risen_.push_back(owner);
        }
        s.table.back() = to;
        s.tail_shared = false;
        ++s.facts.freeable_blocks;
        ++stats_.cow_copies;
    }
    for (uint64_t i = 0; i < fresh; ++i) s.table.push_back(pool_.take(id));
    s.facts.freeable_blocks += fresh;
    s.room = static_cast<uint32_t>(s.room + fresh * block_size_ - tokens);
    stats_.allocated_blocks += fresh + copy;
    grow(s, tokens);
    note_peaks();
    return std::nullopt;
}

std::optional<OutOfBlocks> PagedStore::fork(SequenceId parent, SequenceId child) {
    at(parent);
    Sequence& c = start(child);
    Sequence& p = sequences_[parent];
    c.table = p.table;
    c.facts.tokens = p.facts.tokens;
    c.facts.priority = p.facts.priority;
    c.room = p.room;
    c.hole_begin = p.hole_begin;
    c.hole_end = p.hole_end;
    c.tail_shared = p.tail_shared = true;
    for (BlockId block : c.table) {
        if (block == kNone) continue;
        if (pool_.references(block) == 1) --sequences_[pool_.owner(block)].facts.freeable_blocks;
        pool_.acquire(block, child);
    }
    access(p);
    access(c);
    c.facts.started = c.facts.last_access;
    ++stats_.forks;
    note_peaks();
    return std::nullopt;
}

// Gives one block of the sequence back; true if nobody else holds it.
bool PagedStore::release(Sequence& s, SequenceId id, size_t logical) {
    BlockId block = s.table[logical];
    if (pool_.release(block, id)) {
        held_tokens_ -= std::min<uint64_t>(block_size_, s.facts.tokens - uint64_t{logical} * block_size_);
        --s.facts.freeable_blocks;
        ++stats_.freed_blocks;
        return true;
    }
    if (pool_.references(block) == 1) {
        SequenceId owner = pool_.owner(block);
        ++sequences_[owner].facts.freeable_blocks;
        risen_.push_back(owner);
    }
    return false;
}

uint64_t PagedStore::free(SequenceId id) {
    Sequence& s = at(id);
    uint64_t freed = 0;
    for (size_t i = 0; i < s.table.size(); ++i)
        if (s.table[i] != kNone) freed += release(s, id, i);
    s.alive = false;
    std::vector<BlockId>().swap(s.table);
    --alive_;
    return freed;
}

Trimmed PagedStore::trim(SequenceId id, uint64_t sink, uint64_t window) {
    Sequence& s = at(id);
    Trimmed out;
    uint64_t n = s.facts.tokens;
    if (n <= sink || n - sink <= window) return out;
    uint64_t begin = blocks_for(sink);
    uint64_t end = (n - window) / block_size_;
    bool hole = s.hole_begin < s.hole_end;
    if (hole && begin < end && (begin > s.hole_end || end < s.hole_begin))
        throw_input("sequence " + std::to_string(id) + ": a second hole; expected sinks and a window beside the first");
    uint64_t gone_begin = std::max(sink, uint64_t{s.hole_begin} * block_size_);
    uint64_t gone_end = std::min(n - window, uint64_t{s.hole_end} * block_size_);
    out.requested_tokens = n - sink - window - (gone_end > gone_begin ? gone_end - gone_begin : 0);
    for (uint64_t i = begin; i < end; ++i) {
        if (s.table[i] == kNone) continue;
        out.freed_blocks += release(s, id, i);
        out.dropped_tokens += block_size_;
        s.table[i] = kNone;
    }
    if (end <= begin) return out;
    if (!hole) s.hole_begin = static_cast<uint32_t>(begin);
    s.hole_begin = std::min(s.hole_begin, static_cast<uint32_t>(begin));
    s.hole_end = std::max(s.hole_end, static_cast<uint32_t>(end));
    return out;
}

void PagedStore::check_invariants() const {
    std::vector<uint32_t> counted;
    std::vector<uint32_t> fill;
    uint64_t alive = 0;
    for (const Sequence& s : sequences_) {
        if (!s.alive) continue;
        ++alive;
        if (s.table.size() != blocks_for(s.facts.tokens)) throw_failed("paged: a table is not as long as its sequence");
        if (s.room != s.table.size() * block_size_ - s.facts.tokens) throw_failed("paged: empty places do not add up");
        for (size_t i = 0; i < s.table.size(); ++i) {
            BlockId block = s.table[i];
            if ((block == kNone) != (i >= s.hole_begin && i < s.hole_end)) throw_failed("paged: a hole where none should be");
            if (block == kNone) continue;
            if (block >= counted.size()) {
                counted.resize(block + 1, 0);
                fill.resize(block + 1, 0);
            }
            auto here = static_cast<uint32_t>(std::min<uint64_t>(block_size_, s.facts.tokens - i * block_size_));
            if (counted[block]++ != 0 && fill[block] != here) throw_failed("paged: two sequences see different fills of a block");
            fill[block] = here;
        }
    }
    pool_.check(counted);
    uint64_t held = 0;
    for (uint32_t f : fill) held += f;
    if (held != held_tokens_) throw_failed("paged: held tokens do not add up");
    if (alive != alive_) throw_failed("paged: the number of sequences does not add up");
    for (SequenceId id = 0; id < sequences_.size(); ++id) {
        const Sequence& s = sequences_[id];
        if (!s.alive) continue;
        uint64_t freeable = 0;
        for (BlockId block : s.table) freeable += block != kNone && counted[block] == 1;
        if (freeable != s.facts.freeable_blocks) throw_failed("paged: freeable blocks do not add up");
        bool shared = !s.table.empty() && s.table.back() != kNone && counted[s.table.back()] > 1;
        if (shared && s.room != 0 && !s.tail_shared) throw_failed("paged: a shared last block is taken for private");
    }
    if (stats_.allocated_blocks - stats_.freed_blocks != pool_.used()) throw_failed("paged: allocated less freed is not used");
}

uint64_t PagedStore::state_bytes() const {
    uint64_t bytes = pool_.state_bytes() + sequences_.size() * sizeof(Sequence);
    for (const Sequence& s : sequences_) bytes += s.table.capacity() * sizeof(BlockId);
    return bytes;
}

}  // namespace kvsim
