#include <kvsim/trace/path_interner.h>

#include <algorithm>

namespace kvsim {

static uint64_t mix(uint64_t x) {
    x ^= x >> 32;
    x *= 0xD6E8FEB86659FD93ull;
    x ^= x >> 32;
    x *= 0xD6E8FEB86659FD93ull;
    return x ^ (x >> 32);
}

void PathInterner::begin_scope() {
    sequential_ = names_ == Names::prefix;
    first_block_ = static_cast<BlockId>(index_.unique_blocks());
    first_row_ = index_.rows();
    raw_.clear();
    branch_parent_.clear();
    std::fill(branches_.begin(), branches_.end(), 0);
    branch_count_ = 0;
    std::fill(named_.begin(), named_.end(), 0);
    named_count_ = 0;
    if (branches_.empty()) branches_.assign(64, 0);
}

// Eight at a time: the compiler turns the inner loops into vector comparisons.
static uint32_t common_successors(uint64_t first, const uint64_t* ids, uint32_t limit) {
    uint32_t n = 0;
    for (; n + 8 <= limit; n += 8) {
        uint64_t differ = 0;
        for (uint32_t i = 0; i < 8; ++i) differ |= ids[n + i] ^ (first + n + i);
        if (differ != 0) break;
    }
    while (n < limit && ids[n] == first + n) ++n;
    return n;
}

static uint32_t common_ids(const uint64_t* known, const uint64_t* ids, uint32_t limit) {
    uint32_t n = 0;
    for (; n + 8 <= limit; n += 8) {
        uint64_t differ = 0;
        for (uint32_t i = 0; i < 8; ++i) differ |= ids[n + i] ^ known[n + i];
        if (differ != 0) break;
    }
    while (n < limit && ids[n] == known[n]) ++n;
    return n;
}

uint32_t PathInterner::match(BlockId begin, uint32_t room, const uint64_t* ids, size_t count) const {
    auto limit = static_cast<uint32_t>(std::min<size_t>(room, count));
    return sequential_ ? common_successors(raw(begin), ids, limit)
                       : common_ids(raw_.data() + (begin - first_block_), ids, limit);
}

uint32_t PathInterner::find_branch(BlockId parent, uint64_t id) const {
    size_t mask = branches_.size() - 1;
    for (size_t at = mix(id ^ (uint64_t{parent} << 32 | parent)) & mask; branches_[at] != 0; at = (at + 1) & mask) {
        uint32_t row = branches_[at] - 1;
        if (branch_parent_[row] == parent && raw(index_.first_new(first_row_ + row)) == id) return first_row_ + row;
    }
    return kNone;
}

void PathInterner::add_branch(BlockId parent, uint64_t id, uint32_t row) {
    if (2 * (branch_count_ + 1) > branches_.size()) {
        std::vector<uint32_t> old(branches_.size() * 4, 0);
        old.swap(branches_);
        size_t mask = branches_.size() - 1;
        for (uint32_t slot : old) {
            if (slot == 0) continue;
            BlockId p = branch_parent_[slot - 1];
            uint64_t r = raw(index_.first_new(first_row_ + slot - 1));
            size_t at = mix(r ^ (uint64_t{p} << 32 | p)) & mask;
            while (branches_[at] != 0) at = (at + 1) & mask;
            branches_[at] = slot;
        }
    }
    size_t mask = branches_.size() - 1;
    size_t at = mix(id ^ (uint64_t{parent} << 32 | parent)) & mask;
    while (branches_[at] != 0) at = (at + 1) & mask;
    branches_[at] = row - first_row_ + 1;
    ++branch_count_;
}

void PathInterner::grow_names(size_t needed) {
    size_t size = std::max<size_t>(1024, named_.size());
    while (size < 2 * needed) size *= 4;
    if (size == named_.size()) return;
    named_.assign(size, 0);
    size_t mask = size - 1;
    for (size_t local = 0; local < named_count_; ++local) {
        size_t at = mix(raw_[local]) & mask;
        while (named_[at] != 0) at = (at + 1) & mask;
        named_[at] = static_cast<uint32_t>(local + 1);
    }
}

// False if the id is known.
inline bool PathInterner::name_block(uint64_t id, uint32_t local) {
    size_t mask = named_.size() - 1;
    size_t at = mix(id) & mask;
    while (named_[at] != 0) {
        if (raw_[named_[at] - 1] == id) return false;
        at = (at + 1) & mask;
    }
    named_[at] = local + 1;
    return true;
}

void PathInterner::leave_sequential() {
    size_t count = index_.unique_blocks() - first_block_;
    raw_.resize(count);
    for (size_t i = 0; i < count; ++i) raw_[i] = first_raw_ + i;
    sequential_ = false;
    named_count_ = 0;
    grow_names(count + 1);
    named_count_ = count;
    for (size_t i = 0; i < count; ++i) name_block(raw_[i], static_cast<uint32_t>(i));
}

// Takes ids that are new at this place into the scope, or throws if one of them is known from another place.
void PathInterner::note_new(const uint64_t* ids, size_t count, uint32_t position) {
    size_t known = index_.unique_blocks() - first_block_;
    if (names_ == Names::content) {
        raw_.insert(raw_.end(), ids, ids + count);
        return;
    }
    if (sequential_) {
        if (known == 0) first_raw_ = ids[0];
        uint64_t expected = first_raw_ + known;
        bool wraps = expected + count < first_raw_ + known;
        if (!wraps && common_successors(expected, ids, static_cast<uint32_t>(count)) == count) return;
        leave_sequential();
    }
    grow_names(known + count);
    raw_.insert(raw_.end(), ids, ids + count);
    constexpr size_t kAhead = 12;
    size_t mask = named_.size() - 1;
    for (size_t i = 0; i < count; ++i) {
        if (i + kAhead < count) __builtin_prefetch(&named_[mix(ids[i + kAhead]) & mask]);
        if (name_block(ids[i], static_cast<uint32_t>(known + i))) continue;
        // Forget the ids of this chain again: rebuild the table from what was there before.
        raw_.resize(known);
        named_count_ = known;
        HugeVector<uint32_t>().swap(named_);
        grow_names(known + 1);
        throw PrefixViolation{position + static_cast<uint32_t>(i), ids[i]};
    }
    named_count_ = known + count;
}

uint32_t PathInterner::extend(uint32_t like, uint32_t same, const uint64_t* ids, size_t count) {
    uint32_t owner = kNone;
    BlockId node = kNone;
    size_t at = 0;
    if (like != kNone) {
        owner = index_.introducer(like, same - 1);
        const ChainRecord& run = index_[owner];
        BlockId next = index_.first_new(owner) + (same - run.shared);
        node = next - 1;
        at = match(next, run.length - same, ids, count);
        node += static_cast<uint32_t>(at);
    }
    while (at < count) {
        uint32_t row = find_branch(node, ids[at]);
        if (row == kNone) break;
        const ChainRecord& run = index_[row];
        BlockId begin = index_.first_new(row);
        uint32_t n = match(begin, run.length - run.shared, ids + at, count - at);
        owner = row;
        node = begin + n - 1;
        at += n;
    }
    uint32_t shared = same + static_cast<uint32_t>(at);
    uint32_t length = same + static_cast<uint32_t>(count);
    if (at < count) note_new(ids + at, count - at, shared);
    uint32_t row = index_.append(owner, shared, length);
    branch_parent_.push_back(node);
    if (at < count) add_branch(node, ids[at], row);
    return row;
}

}  // namespace kvsim
