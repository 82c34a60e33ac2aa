// What the keys and values of a simulated token are. A token is named by the sequence that stored it first and its
// position there, so that a fork's child has its parent's values up to the fork, and nobody else has them.
#pragma once

#include <kvsim/cache/sequence_facts.h>
#include <kvsim/kvdata/kv_data.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace kvsim {

class TokenValues {
  public:
    virtual ~TokenValues() = default;
    /// Tokens [first, first + count) of `owner` in one layer: keys and values [count, kv_heads, head_dim]. Throws
    /// Error(input) where there are none.
    virtual void rows(uint64_t owner, uint32_t layer, uint64_t first, uint32_t count, float* keys, float* values) const = 0;
    /// The query of a token, [query_heads, head_dim].
    virtual void query(uint64_t owner, uint32_t layer, uint64_t position, float* queries) const = 0;
};

/// Numbers from -2 to 2 by a counter: a hash of owner, position, layer and place, the same on every machine and in every
/// order.
std::unique_ptr<TokenValues> synthetic_values(uint32_t kv_heads, uint32_t query_heads, uint32_t head_dim);
/// Owner o plays the recorded sequence o mod their number.
std::unique_ptr<TokenValues> recorded_values(const KvData& data);

/// Who stored the tokens of each sequence first.
class TokenOwners {
  public:
    /// A sequence that is stored anew has tokens of its own.
    void begin(SequenceId id) {
        at(id).clear();
        at(id).push_back({0, next_++});
    }
    /// The child's first `tokens` are its parent's.
    void fork(SequenceId parent, SequenceId child, uint64_t tokens) {
        at(std::max(parent, child));
        std::vector<Piece> pieces;
        for (const Piece& p : at(parent))
            if (p.begin < tokens) pieces.push_back(p);
        pieces.push_back({tokens, next_++});
        at(child) = std::move(pieces);
    }
    /// f(owner, first, count) over the pieces of tokens [first, first + count).
    template <class F>
    void each(SequenceId id, uint64_t first, uint64_t count, F&& f) const {
        const std::vector<Piece>& pieces = owners_[id];
        for (size_t i = 0; i < pieces.size(); ++i) {
            uint64_t begin = std::max(first, pieces[i].begin);
            uint64_t end = std::min(first + count, i + 1 < pieces.size() ? pieces[i + 1].begin : ~uint64_t{0});
            if (begin < end) f(pieces[i].owner, begin, end - begin);
        }
    }

  private:
    struct Piece {
        uint64_t begin = 0, owner = 0;
    };
    std::vector<Piece>& at(SequenceId id) {
        if (id >= owners_.size()) owners_.resize(size_t{id} + 1);
        return owners_[id];
    }
    std::vector<std::vector<Piece>> owners_;
    uint64_t next_ = 0;
};

}  // namespace kvsim
