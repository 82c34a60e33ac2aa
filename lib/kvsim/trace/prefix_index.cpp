#include <kvsim/core/error.h>
#include <kvsim/trace/path_interner.h>
#include <kvsim/trace/prefix_index.h>

#include <algorithm>
#include <string>

namespace kvsim {

uint32_t PrefixIndex::append(uint32_t owner, uint32_t shared, uint32_t length) {
    if (unique_ + (length - shared) > kMaxBlocks)
        throw_input("the trace has more than " + std::to_string(kMaxBlocks) +
                    " distinct blocks; use a larger --block-size");
    records_.push_back({shared == 0 ? kNone : owner, shared, length, static_cast<BlockId>(unique_)});
    unique_ += length - shared;
    return rows() - 1;
}

void PrefixIndex::segments(uint32_t row, uint32_t length, std::vector<Segment>& out) const {
    out.clear();
    uint32_t limit = length;
    while (limit > 0) {
        uint32_t shared = records_[row].shared;
        if (limit > shared) {
            out.push_back({records_[row].first_new, limit - shared});
            limit = shared;
        }
        row = records_[row].owner;
    }
    std::reverse(out.begin(), out.end());
}

uint32_t PrefixIndex::introducer(uint32_t row, uint32_t position) const {
    while (records_[row].shared > position) row = records_[row].owner;
    return row;
}

BlockId PrefixIndex::block_at(uint32_t row, uint32_t position) const {
    row = introducer(row, position);
    return records_[row].first_new + (position - records_[row].shared);
}

uint32_t PrefixIndex::common_prefix(uint32_t a, uint32_t b) const {
    std::vector<Segment> x, y;
    segments(a, records_[a].length, x);
    segments(b, records_[b].length, y);
    uint32_t common = 0;
    size_t i = 0, j = 0;
    while (i < x.size() && j < y.size() && x[i].begin == y[j].begin) {
        uint32_t n = std::min(x[i].count, y[j].count);
        common += n;
        for (auto [list, at] : {std::pair{&x, &i}, std::pair{&y, &j}}) {
            Segment& s = (*list)[*at];
            s.begin += n;
            s.count -= n;
            if (s.count == 0) ++*at;
        }
    }
    return common;
}

std::vector<BlockId> PrefixIndex::parents() const {
    std::vector<BlockId> parent(unique_);
    for (uint32_t row = 0; row < rows(); ++row) {
        const ChainRecord& r = records_[row];
        if (r.length == r.shared) continue;
        BlockId begin = records_[row].first_new;
        parent[begin] = r.shared == 0 ? kNone : block_at(r.owner, r.shared - 1);
        for (uint32_t i = 1; i < r.length - r.shared; ++i) parent[begin + i] = begin + i - 1;
    }
    return parent;
}

PrefixIndex PrefixIndex::reordered(std::span<const uint32_t> order) const {
    std::vector<RowPart> parts;
    parts.reserve(order.size());
    for (uint32_t row : order) parts.push_back({row, records_[row].length});
    return rebuilt(parts);
}

// In the new order the blocks of an old run may be introduced by several rows, each taking up where the one before
// stopped: `pieces` of a run are (end position, new row), ends ascending. A chain's seen part is a prefix of it, so
// the walk goes from the deepest run upward only through runs (or parts) nobody has seen yet: O(rows + runs).
PrefixIndex PrefixIndex::rebuilt(std::span<const RowPart> parts) const {
    struct Piece {
        uint32_t end;
        uint32_t row;
        uint32_t before;  ///< index of the run's previous piece, kNone if none
    };
    std::vector<Piece> pieces;
    std::vector<uint32_t> last_piece(rows(), kNone);
    PrefixIndex out;
    out.reserve(parts.size());
    for (const RowPart& part : parts) {
        uint32_t limit = part.length;
        uint32_t row = part.row;
        uint32_t owner = kNone;
        uint32_t new_row = out.rows();
        while (limit > 0) {
            uint32_t shared = records_[row].shared;
            if (limit > shared) {
                uint32_t piece = last_piece[row];
                uint32_t seen = piece == kNone ? shared : pieces[piece].end;
                if (seen < limit) {
                    pieces.push_back({limit, new_row, piece});
                    last_piece[row] = static_cast<uint32_t>(pieces.size() - 1);
                }
                if (seen > shared) {
                    limit = std::min(limit, seen);
                    while (pieces[piece].before != kNone && pieces[pieces[piece].before].end >= limit)
                        piece = pieces[piece].before;
                    owner = pieces[piece].row;
                    break;
                }
                limit = shared;
            }
            row = records_[row].owner;
        }
        out.append(owner, limit, part.length);
    }
    return out;
}

static uint32_t named_blocks(const ChainRecord& r, const RowTokens& row, uint32_t from, uint32_t to) {
    uint64_t named = uint64_t{r.length} * from;
    if (named >= row.tokens && !row.full_blocks_only) return static_cast<uint32_t>((uint64_t{row.tokens} + to - 1) / to);
    return static_cast<uint32_t>(std::min<uint64_t>(named, row.tokens) / to);
}

// True if each block is filled alike wherever it stands. It is enough to look at each chain's deepest shared block:
// a block that was introduced partly filled is the last of its row, so whoever goes beyond it has it full.
static bool uniform_fill(const PrefixIndex& index, std::span<const RowTokens> rows, uint32_t from) {
    for (uint32_t row = 0; row < index.rows(); ++row) {
        const ChainRecord& r = index[row];
        if (r.shared == 0) continue;
        uint64_t end = uint64_t{r.shared} * from;
        uint64_t here = std::min<uint64_t>(end, rows[row].tokens);
        uint64_t there = std::min<uint64_t>(end, rows[r.owner].tokens);
        if (here != there) return false;
    }
    return true;
}

static uint64_t distinct_after(const PrefixIndex& index, std::span<const RowTokens> rows, uint32_t from, uint64_t to) {
    uint64_t unique = 0;
    for (uint32_t row = 0; row < index.rows(); ++row) {
        const ChainRecord& r = index[row];
        if (r.shared == r.length) continue;
        uint64_t end = std::min<uint64_t>(uint64_t{r.length} * from, rows[row].tokens);
        unique += (end + to - 1) / to - uint64_t{r.shared} * from / to;
    }
    return unique;
}

static void check_block_count(const PrefixIndex& index, std::span<const RowTokens> rows, uint32_t from, uint32_t to) {
    if (distinct_after(index, rows, from, to) <= kMaxBlocks) return;
    uint64_t fits = to;
    while (distinct_after(index, rows, from, fits) > kMaxBlocks) fits *= 2;
    throw_input("--block-size " + std::to_string(to) + ": more than " + std::to_string(kMaxBlocks) +
                " distinct blocks; --block-size " + std::to_string(fits) + " fits");
}

PrefixIndex reblock_by_token(const PrefixIndex& index, std::span<const RowTokens> rows, uint32_t from, uint32_t to) {
    PrefixIndex out;
    out.reserve(index.rows());
    PathInterner interner(out, Names::content);
    std::vector<Segment> segments;
    std::vector<uint64_t> names;
    for (uint32_t row = 0; row < index.rows(); ++row) {
        const ChainRecord& r = index[row];
        uint32_t blocks = named_blocks(r, rows[row], from, to);
        uint64_t last = std::min<uint64_t>(uint64_t{r.length} * from, rows[row].tokens);
        index.segments(row, r.length, segments);
        names.clear();
        size_t s = 0;
        uint64_t skipped = 0;  // blocks of the segments before s
        for (uint64_t j = 0; j < blocks; ++j) {
            uint64_t token = std::min((j + 1) * to, last) - 1;
            uint64_t block = token / from;
            while (block - skipped >= segments[s].count) skipped += segments[s++].count;
            names.push_back((segments[s].begin + (block - skipped)) * from + token % from);
        }
        interner.add(names.data(), names.size());
    }
    return out;
}

PrefixIndex reblock(const PrefixIndex& index, std::span<const RowTokens> rows, uint32_t from, uint32_t to) {
    if (from == to) return index;
    check_block_count(index, rows, from, to);
    bool simple = from % to == 0 && uniform_fill(index, rows, from) &&
                  std::none_of(rows.begin(), rows.end(), [](const RowTokens& r) { return r.full_blocks_only; });
    if (!simple) return reblock_by_token(index, rows, from, to);
    uint32_t ratio = from / to;
    PrefixIndex out;
    out.reserve(index.rows());
    for (uint32_t row = 0; row < index.rows(); ++row) {
        const ChainRecord& r = index[row];
        uint32_t length = named_blocks(r, rows[row], from, to);
        uint32_t shared = r.shared == r.length ? length : r.shared * ratio;
        out.append(r.owner, shared, length);
    }
    return out;
}

}  // namespace kvsim
