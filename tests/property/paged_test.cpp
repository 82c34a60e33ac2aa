// The stores of sequences against models that keep every token: a paged sequence's tokens must be found through its
// block table after every step, in a memory that is written as the store says and copied when it says so; contiguous
// runs must lie where a walk over all cells would put them.
#include <doctest/doctest.h>
#include <kvsim/core/error.h>
#include <kvsim/layout/sequence_cache.h>
#include "support/random_check.h"

#include <map>
#include <optional>
#include <random>
#include <set>

namespace paged_test {

using namespace kvsim;

namespace {

void require(bool ok, const std::string& what) {
    if (!ok) RC_FAIL(what);
}

struct ModelSequence {
    std::vector<std::optional<uint32_t>> tokens;  ///< no value: trimmed away
    double priority = 0;
    uint64_t started = 0, last = 0, accesses = 0;
    uint32_t pins = 0;
};

/// Blocks of a GPU, as it were: only what the store names is written.
class Memory {
  public:
    explicit Memory(uint32_t block_size) : block_size_(block_size) {}
    void write(const std::vector<BlockId>& table, uint64_t position, uint32_t token) {
        BlockId block = table.at(position / block_size_);
        require(block != kNone, "a token's place is in no block");
        slots(block).at(position % block_size_) = token;
    }
    uint32_t read(const std::vector<BlockId>& table, uint64_t position) {
        return slots(table.at(position / block_size_)).at(position % block_size_);
    }
    void copy(const CopyOnWrite& c) {
        for (uint32_t i = 0; i < c.tokens; ++i) slots(c.to).at(i) = slots(c.from).at(i);
    }

  private:
    std::vector<uint32_t>& slots(BlockId block) {
        auto& s = blocks_[block];
        s.resize(block_size_);
        return s;
    }
    uint32_t block_size_;
    std::map<BlockId, std::vector<uint32_t>> blocks_;
};

class PagedWalk {
  public:
    PagedWalk(uint64_t seed, bool lifo)
        : random_(seed),
          block_size_(1 + below(5)),
          capacity_(below(6) == 0 ? kUnlimited : 1 + below(30)),
          store_({capacity_, block_size_, lifo ? FreeOrder::lifo : FreeOrder::fifo}),
          memory_(block_size_) {}

    void run(int steps) {
        for (int i = 0; i < steps; ++i) {
            step();
            compare();
        }
    }

  private:
    uint32_t below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }
    SequenceId any() { return std::next(model_.begin(), below(static_cast<uint32_t>(model_.size())))->first; }

    void step() {
        uint32_t what = below(20);
        if (model_.empty() || what < 4) return allocate();
        SequenceId id = any();
        if (what < 11) return append(id);
        if (what < 14) return fork(id);
        if (what < 16) return trim(id);
        if (what < 17) return pin(id);
        if (what < 18) return errors(id);
        free(id);
    }

    void allocate() {
        SequenceId id = below(12);
        uint64_t n = below(4 * block_size_ + 1);
        if (model_.count(id) != 0) return;
        uint64_t need = (n + block_size_ - 1) / block_size_;
        uint64_t have = available();
        if (!expect(store_.allocate(id, n, 2.5), need, have)) return;
        ModelSequence& m = model_[id];
        m.priority = 2.5;
        allocated_ += need;
        touch(m);
        m.started = m.last;
        write(id, n);
    }
    void append(SequenceId id) {
        ModelSequence& m = model_.at(id);
        uint64_t n = below(3) == 0 ? below(3 * block_size_) : below(3);
        uint64_t size = m.tokens.size();
        std::vector<BlockId> before = store_.block_table(id);
        bool copies = n > 0 && size % block_size_ != 0 && holders(before.back()) > 1;
        uint64_t need = copies + (size + n + block_size_ - 1) / block_size_ - before.size();
        uint64_t have = available();
        CopyOnWrite copied;
        if (!expect(store_.append(id, n, &copied), need, have)) {
            require(copied.from == kNone, "a copy was ordered by an append that failed");
            return;
        }
        require((copied.from != kNone) == copies,
                "copy on write of a shared, partly filled last block, and only of it");
        if (copies) {
            require(copied.from == before.back() && copied.tokens == size % block_size_, "the wrong block is copied");
            require(copied.to == store_.block_table(id)[before.size() - 1], "the copy is not in the table");
            memory_.copy(copied);
            ++cow_;
        }
        allocated_ += need;
        touch(m);
        write(id, n);
    }
    void write(SequenceId id, uint64_t n) {
        for (uint64_t i = 0; i < n; ++i) {
            ModelSequence& m = model_.at(id);
            m.tokens.push_back(++token_);
            memory_.write(store_.block_table(id), m.tokens.size() - 1, token_);
        }
    }
    void fork(SequenceId parent) {
        SequenceId child = below(12);
        if (model_.count(child) != 0) return;
        require(!store_.fork(parent, child), "a fork never lacks room");
        touch(model_.at(parent));
        ModelSequence m = model_.at(parent);
        m.accesses = 0;
        m.pins = 0;
        touch(m);
        m.started = m.last;
        model_[child] = m;
        ++forks_;
    }
    void free(SequenceId id) {
        uint64_t own = 0;
        for (BlockId b : store_.block_table(id)) own += b != kNone && holders(b) == 1;
        require(store_.free(id) == own, "free says how many blocks went back");
        freed_ += own;
        model_.erase(id);
    }
    void trim(SequenceId id) {
        ModelSequence& m = model_.at(id);
        uint64_t sink = below(3 * block_size_), window = below(3 * block_size_), n = m.tokens.size();
        std::vector<BlockId> before = store_.block_table(id);
        Trimmed expected;
        std::vector<uint64_t> gone;
        for (uint64_t b = 0; b < before.size(); ++b) {
            bool whole = b * block_size_ >= sink && (b + 1) * block_size_ + window <= n;
            if (whole && before[b] != kNone) gone.push_back(b);
        }
        for (uint64_t t = 0; t < n; ++t) expected.requested_tokens += t >= sink && t + window < n && m.tokens[t];
        for (uint64_t b : gone) expected.freed_blocks += holders(before[b]) == 1;
        expected.dropped_tokens = gone.size() * block_size_;
        try {
            Trimmed t = store_.trim(id, sink, window);
            require(t.requested_tokens == expected.requested_tokens, "trim: requested tokens");
            require(t.dropped_tokens == expected.dropped_tokens, "trim: dropped tokens");
            require(t.freed_blocks == expected.freed_blocks, "trim: freed blocks");
        } catch (const Error&) {  // a second hole
            auto hole = std::find(before.begin(), before.end(), kNone);
            require(hole != before.end(), "a first trim is refused");
            auto after = std::find_if(hole, before.end(), [](BlockId b) { return b != kNone; });
            bool beside = gone.front() > static_cast<uint64_t>(after - before.begin()) ||
                          gone.back() + 1 < static_cast<uint64_t>(hole - before.begin());
            require(beside, "a trim that leaves one hole is refused");
            return;
        }
        freed_ += expected.freed_blocks;
        for (uint64_t b : gone)
            for (uint32_t i = 0; i < block_size_; ++i) m.tokens[b * block_size_ + i].reset();
    }
    void pin(SequenceId id) {
        ModelSequence& m = model_.at(id);
        if (m.pins > 0 && below(2) == 0) {
            store_.unpin(id);
            --m.pins;
        } else {
            store_.pin(id);
            ++m.pins;
        }
    }
    /// Input errors change nothing either.
    void errors(SequenceId id) {
        SequenceId none = 0;
        while (model_.count(none) != 0) ++none;
        auto throws = [](auto&& f) {
            try {
                f();
            } catch (const Error& e) {
                return e.kind() == ErrorKind::input;
            }
            return false;
        };
        require(throws([&] { store_.allocate(id, 1); }), "allocating a living sequence");
        require(throws([&] { store_.append(none, 1); }), "appending to an unknown one");
        require(throws([&] { store_.free(none); }), "freeing an unknown one");
        require(throws([&] { store_.fork(none, id); }), "forking an unknown one");
        require(throws([&] { store_.fork(id, id); }), "forking to a living one");
        require(throws([&] { store_.trim(none, 0, 1); }), "trimming an unknown one");
        require(throws([&] { store_.facts(none); }), "facts of an unknown one");
        if (model_.at(id).pins == 0) require(throws([&] { store_.unpin(id); }), "unpinning what is not pinned");
    }

    uint64_t available() const { return capacity_ == kUnlimited ? kUnlimited : capacity_ - counts().size(); }
    bool expect(const std::optional<OutOfBlocks>& failure, uint64_t need, uint64_t have) {
        require(failure.has_value() == (need > have), "it fits exactly if there are blocks enough");
        if (!failure) return true;
        require(failure->need == need && failure->have == have, "need and have");
        ++failed_;
        return false;
    }
    void touch(ModelSequence& m) {
        m.last = ++clock_;
        ++m.accesses;
    }
    uint64_t holders(BlockId block) const {
        uint64_t n = 0;
        for (const auto& [id, m] : model_)
            for (BlockId b : store_.block_table(id)) n += b == block;
        return n;
    }
    std::map<BlockId, uint64_t> counts() const {
        std::map<BlockId, uint64_t> n;
        for (const auto& [id, m] : model_)
            for (BlockId b : store_.block_table(id))
                if (b != kNone) ++n[b];
        return n;
    }

    void compare() {
        store_.check_invariants();
        std::map<BlockId, uint64_t> refs = counts();
        std::map<BlockId, uint64_t> fill;
        std::vector<SequenceId> ids;
        for (const auto& [id, m] : model_) {
            ids.push_back(id);
            compare_sequence(id, m, refs);
            for (uint64_t t = 0; t < m.tokens.size(); ++t) {
                BlockId b = store_.block_table(id)[t / block_size_];
                if (b != kNone) fill[b] = std::max(fill[b], t % block_size_ + 1);
            }
        }
        uint64_t shared = 0, held = 0;
        for (const auto& [b, n] : refs) {
            require(store_.references(b) == n, "references");
            require(capacity_ == kUnlimited || b < capacity_, "a block beyond the capacity");
            shared += n > 1;
        }
        for (const auto& [b, n] : fill) held += n;
        require(store_.ids() == ids && store_.size() == ids.size(), "ids, ascending");
        require(store_.used_blocks() == refs.size(), "used blocks");
        require(capacity_ == kUnlimited || store_.free_blocks() + store_.used_blocks() == capacity_, "free + used");
        require(store_.shared_blocks() == shared, "shared blocks");
        require(store_.held_tokens() == held, "held tokens");
        const SequenceStats& s = store_.stats();
        require(s.allocated_blocks == allocated_ && s.freed_blocks == freed_, "allocated and freed blocks");
        require(s.allocated_blocks - s.freed_blocks == store_.used_blocks(), "allocated - freed = used");
        require(s.forks == forks_ && s.cow_copies == cow_ && s.failed_allocations == failed_,
                "forks, copies, failures");
        peak_ = std::max<uint64_t>(peak_, refs.size());
        peak_shared_ = std::max(peak_shared_, shared);
        require(s.peak_used_blocks == peak_ && s.peak_shared_blocks == peak_shared_, "peaks");
    }
    void compare_sequence(SequenceId id, const ModelSequence& m, const std::map<BlockId, uint64_t>& refs) {
        const SequenceFacts& f = store_.facts(id);
        uint64_t own = 0;
        for (BlockId b : store_.block_table(id)) own += b != kNone && refs.at(b) == 1;
        require(f.tokens == m.tokens.size(), "tokens");
        require(f.freeable_blocks == own, "freeable blocks");
        require(f.started == m.started && f.last_access == m.last && f.accesses == m.accesses, "accesses");
        require(f.priority == m.priority && store_.pinned(id) == (m.pins > 0), "priority and pins");
        for (uint64_t t = 0; t < m.tokens.size(); ++t) {
            bool there = store_.block_table(id)[t / block_size_] != kNone;
            require(there == m.tokens[t].has_value(), "a token is gone, or is there although it was trimmed");
            if (there) require(memory_.read(store_.block_table(id), t) == *m.tokens[t], "a token was overwritten");
        }
    }

    std::mt19937_64 random_;
    uint32_t block_size_;
    uint64_t capacity_;
    PagedStore store_;
    Memory memory_;
    std::map<SequenceId, ModelSequence> model_;
    uint32_t token_ = 0;
    uint64_t clock_ = 0, allocated_ = 0, freed_ = 0, forks_ = 0, cow_ = 0, failed_ = 0, peak_ = 0, peak_shared_ = 0;
};

/// Cells of an arena, each with the sequence that holds it.
class RunWalk {
  public:
    explicit RunWalk(uint64_t seed)
        : random_(seed), block_size_(1 + below(4)), capacity_(below(4) == 0 ? kUnlimited : 1 + below(40)) {
        reserve_ = below(2) == 0 ? 0 : 1 + below(6 * block_size_);
        store_.emplace(ContiguousConfig{capacity_, block_size_, reserve_});
        if (capacity_ != kUnlimited) cells_.resize(capacity_);
    }
    void run(int steps) {
        for (int i = 0; i < steps; ++i) {
            step();
            compare();
        }
    }

  private:
    uint32_t below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }
    uint64_t room(uint64_t tokens) const {
        uint64_t blocks = (std::max(tokens, reserve_) + block_size_ - 1) / block_size_;
        uint64_t r = blocks;
        if (reserve_ == 0 && blocks > 0)
            for (r = 1; r < blocks;) r *= 2;
        return r;
    }
    /// Begin of the smallest hole that is large enough, the lowest of equal ones.
    std::optional<uint64_t> best_hole(uint64_t count) const {
        std::optional<uint64_t> best;
        uint64_t size = ~uint64_t{0};
        for (uint64_t at = 0; at < cells_.size(); ++at) {
            uint64_t end = at;
            while (end < cells_.size() && cells_[end] == 0) ++end;
            if (end - at >= count && end - at < size) {
                best = at;
                size = end - at;
            }
            at = end;
        }
        if (!best && capacity_ == kUnlimited) best = cells_.size();
        return count == 0 ? std::optional<uint64_t>(0) : best;
    }
    uint64_t largest() const {
        uint64_t most = 0, now = 0;
        for (uint32_t c : cells_) most = std::max(most, now = c == 0 ? now + 1 : 0);
        return capacity_ == kUnlimited ? kUnlimited : most;
    }
    void fill(Run run, uint32_t with) {
        if (cells_.size() < run.begin + run.count) cells_.resize(run.begin + run.count);
        for (uint64_t i = run.begin; i < run.begin + run.count; ++i) {
            require(with == 0 || cells_[i] == 0 || cells_[i] == with, "runs overlap");
            cells_[i] = with;
        }
    }
    void place(SequenceId id, const std::optional<OutOfBlocks>& failure, uint64_t count) {
        std::optional<uint64_t> at = best_hole(count);
        require(failure.has_value() == !at.has_value(), "it fits exactly if there is a hole");
        if (failure) return require(failure->need == count && failure->have == largest(), "need and have");
        Run run = store_->run(id);
        require(run.begin == *at && run.count == count, "best fit");
        fill(run, id + 1);
    }
    void step() {
        uint32_t what = below(10);
        SequenceId id = below(10);
        if (tokens_.empty() || what < 3) {
            if (tokens_.count(id) != 0) return;
            uint64_t n = below(5 * block_size_);
            auto failure = store_->allocate(id, n);
            place(id, failure, room(n));
            if (!failure) tokens_[id] = n;
            return;
        }
        SequenceId old = std::next(tokens_.begin(), below(static_cast<uint32_t>(tokens_.size())))->first;
        if (what < 7) return append(old, below(3 * block_size_));
        if (what < 8) {
            if (tokens_.count(id) != 0) return;
            auto failure = store_->fork(old, id);
            place(id, failure, room(tokens_.at(old)));
            if (failure) return;
            tokens_[id] = tokens_.at(old);
            copied_ += tokens_.at(old);
            require(store_->facts(id).last_access == store_->facts(old).last_access + 1,
                    "the child's access is the later");
            return;
        }
        fill(store_->run(old), 0);
        require(store_->free(old) == room_of_run(old), "free says how many blocks went back");
        tokens_.erase(old);
    }
    uint64_t room_of_run(SequenceId id) const { return runs_.at(id); }
    void append(SequenceId id, uint64_t n) {
        Run was = store_->run(id);
        uint64_t& tokens = tokens_.at(id);
        auto failure = store_->append(id, n);
        if (tokens + n > was.count * block_size_) {
            uint64_t wanted = room(tokens + n);
            bool follows = was.count > 0 && (capacity_ != kUnlimited || was.begin + was.count != cells_.size());
            for (uint64_t i = was.begin + was.count; follows && i < was.begin + wanted; ++i)
                follows = i < cells_.size() && cells_[i] == 0;
            bool at_end = capacity_ == kUnlimited && was.count > 0 && was.begin + was.count == cells_.size();
            if (follows || at_end) {
                require(!failure && store_->run(id).begin == was.begin, "it grows in place");
                require(store_->run(id).count == wanted, "to the next power of two");
                fill(store_->run(id), id + 1);
            } else {
                place(id, failure, wanted);
                if (!failure) fill(was, 0);
                if (!failure) copied_ += tokens;
            }
        } else {
            require(!failure, "room that is reserved is there");
        }
        if (!failure) tokens += n;
    }
    void compare() {
        store_->check_invariants();
        uint64_t used = 0, held = 0;
        runs_.clear();
        for (const auto& [id, n] : tokens_) {
            Run run = store_->run(id);
            runs_[id] = run.count;
            require(store_->facts(id).tokens == n && n <= run.count * block_size_, "tokens fit their run");
            for (uint64_t i = run.begin; i < run.begin + run.count; ++i)
                require(cells_[i] == id + 1, "a run moved silently");
            held += n;
        }
        for (uint32_t c : cells_) used += c != 0;
        require(store_->used_blocks() == used && store_->held_tokens() == held, "used blocks and held tokens");
        require(store_->size() == tokens_.size() && store_->stats().copied_tokens == copied_,
                "sequences, copied tokens");
        require(capacity_ == kUnlimited || store_->free_blocks() + used == capacity_, "free + used");
    }

    std::mt19937_64 random_;
    uint32_t block_size_;
    uint64_t capacity_, reserve_ = 0, copied_ = 0;
    std::optional<ContiguousStore> store_;
    std::vector<uint32_t> cells_;  ///< id + 1, 0 = free
    std::map<SequenceId, uint64_t> tokens_, runs_;
};

uint64_t any_seed(uint64_t round) { return *rc::gen::inRange<uint64_t>(0, ~uint64_t{0}) ^ round << 40; }

}  // namespace

TEST_CASE("paged store: every held token is where the block table says, after every step") {
    for (bool lifo : {false, true})
        for (uint64_t i = 0; i < 4; ++i) CHECK(kvsim_test::random_check("paged", [=] { PagedWalk(any_seed(i), lifo).run(80); }));
}

TEST_CASE("contiguous store: runs never overlap, best fit") {
    for (uint64_t i = 0; i < 8; ++i) CHECK(kvsim_test::random_check("contiguous", [=] { RunWalk(any_seed(i)).run(80); }));
}

// Blocks come back in the order fifo or lifo says: ids are seen through the table.
TEST_CASE("paged store: free orders") {
    for (bool lifo : {false, true}) {
        PagedStore store({4, 1, lifo ? FreeOrder::lifo : FreeOrder::fifo});
        for (SequenceId id = 0; id < 3; ++id) CHECK_FALSE(store.allocate(id, 1).has_value());
        store.free(1);
        store.free(0);
        CHECK_FALSE(store.allocate(5, 3).has_value());
        // fifo: 3 was never used, then 1, then 0. lifo: 0 came back last, then 1, then the fresh 3.
        CHECK(store.block_table(5) == (lifo ? std::vector<BlockId>{0, 1, 3} : std::vector<BlockId>{3, 1, 0}));
    }
}

TEST_CASE("long: stores of sequences, longer walks") {
    for (uint64_t i = 0; i < 200; ++i) {
        CHECK(kvsim_test::random_check("paged", [i] { PagedWalk(any_seed(i), i % 2 == 0).run(400); }));
        CHECK(kvsim_test::random_check("contiguous", [i] { RunWalk(any_seed(i)).run(400); }));
    }
}

}  // namespace paged_test
