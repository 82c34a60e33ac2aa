#include <kvsim/backend/prefix_kv.h>
#include <kvsim/core/error.h>

#include <algorithm>

namespace kvsim {

PrefixKv::PrefixKv(const Trace& trace, bool decode, KvMemory& memory, const TokenValues& values, bool attend, Leaving check)
    : trace_(trace), decode_(decode), attend_(attend), memory_(memory), values_(values), check_(std::move(check)),
      unnamed_owners_(uint64_t{1} << 40), self_(std::make_shared<HandleTarget*>(static_cast<HandleTarget*>(this))) {
    for (uint32_t i = memory.pool().blocks; i-- > 0;) free_places_.push_back(i);
    references_.assign(memory.pool().blocks, 0);
}

void PrefixKv::give_back(uint32_t place) {
    if (--references_[place] == 0) free_places_.push_back(place);
}

void PrefixKv::drop(BlockId id) {
    auto found = blocks_.find(id);
    if (found == blocks_.end()) return;
    give_back(found->second.place);
    blocks_.erase(found);
}

// Tokens that are there already stay.
void PrefixKv::store(BlockId id, uint64_t owner, uint32_t tokens) {
    auto [found, fresh] = blocks_.try_emplace(id);
    Block& b = found->second;
    if (fresh) {
        if (free_places_.empty() && !clones_.empty())
            throw_input("prefix data: clones hold blocks that were evicted, and the pool has no other; free them");
        if (free_places_.empty()) throw_failed("prefix data: more blocks than the pool has");
        b.place = free_places_.back();
        references_[b.place] = 1;
        b.owner = owner;
        free_places_.pop_back();
    }
    if (tokens <= b.tokens) return;
    Place place{memory_.pool(), {b.place}, tokens};
    memory_.write(place, b.tokens, [&](uint32_t layer, uint64_t first, uint32_t count, float* keys, float* values) {
        values_.rows(b.owner, layer, first, count, keys, values);
    });
    b.tokens = tokens;
}

void PrefixKv::served(const Served& s, const std::function<bool(BlockId)>& resident) {
    const uint32_t size = trace_.block_size;
    ++generation_;
    if (!s.hits.empty()) {
        Place hit{memory_.pool(), {}, trace_.leading_tokens(s.request, static_cast<uint32_t>(s.hits.size()))};
        for (BlockId id : s.hits) {
            auto found = blocks_.find(id);
            if (found == blocks_.end()) throw_failed("prefix data: a hit on a block that is not stored");
            hit.blocks.push_back(found->second.place);
        }
        memory_.gather(hit);
    }
    for (BlockId id : s.unnamed) drop(id);  // an id that was another's, which left
    if (s.evicted_blocks != evicted_) {
        evicted_ = s.evicted_blocks;
        for (auto it = blocks_.begin(); it != blocks_.end();) {
            if (resident(it->first)) {
                ++it;
            } else {
                give_back(it->second.place);
                it = blocks_.erase(it);
            }
        }
    }
    uint64_t tokens = uint64_t{trace_.prompt_tokens[s.request]} + (decode_ ? trace_.output_tokens[s.request] : 0);
    std::vector<BlockId> chain = s.named;
    chain.insert(chain.end(), s.unnamed.begin(), s.unnamed.end());
    for (size_t i = 0; i < chain.size(); ++i) {
        if (!resident(chain[i])) continue;
        uint64_t begin = uint64_t{i} * size;
        auto filled = static_cast<uint32_t>(begin < tokens ? std::min<uint64_t>(size, tokens - begin) : size);
        store(chain[i], i < s.named.size() ? chain[i] : unnamed_owners_++, filled);
    }
    if (attend_) attend_output(s.request, chain);
    if (check_) look(s.request, chain);
}

void PrefixKv::attend_output(uint32_t request, const std::vector<BlockId>& chain) {
    if (!decode_) return;
    Place place{memory_.pool(), {}, 0};
    for (BlockId id : chain) {
        auto found = blocks_.find(id);
        if (found == blocks_.end()) break;
        place.blocks.push_back(found->second.place);
    }
    uint64_t room = place.blocks.size() * trace_.block_size;
    for (uint32_t t = 0; t < trace_.output_tokens[request]; ++t) {
        place.tokens = uint64_t{trace_.prompt_tokens[request]} + t + 1;
        if (place.tokens > room) return;
        memory_.attend(place, [&](uint32_t layer, float* queries) { values_.query(~uint64_t{request}, layer, t, queries); });
    }
}

// The blocks of a chain that lead and are whole, and one that is not behind them.
void PrefixKv::look(SequenceId id, const std::vector<BlockId>& chain) {
    chain_ = {{memory_.pool(), {}, 0}, {}};
    for (BlockId block : chain) {
        auto found = blocks_.find(block);
        if (found == blocks_.end()) break;
        chain_.blocks.push_back(found->second);
        chain_.place.blocks.push_back(found->second.place);
        chain_.place.tokens += found->second.tokens;
        if (found->second.tokens < trace_.block_size) break;
    }
    held_ = id;
    const uint64_t row = uint64_t{memory_.layout().kv_heads} * memory_.layout().head_dim;
    check_({self_, id, generation_}, [&](uint32_t layer, uint64_t, uint32_t, float* keys, float* values) {
        for (const Block& b : chain_.blocks) {
            values_.rows(b.owner, layer, 0, b.tokens, keys, values);
            keys += b.tokens * row;
            values += b.tokens * row;
        }
    });
}

void PrefixKv::finish() {
    if (!check_) return;
    std::vector<BlockId> all;
    for (const auto& [id, block] : blocks_) all.push_back(id);
    std::sort(all.begin(), all.end());
    for (BlockId id : all) {
        ++generation_;
        look(id, {id});
    }
}

const PrefixKv::Chain& PrefixKv::chain_of(SequenceId id) const {
    auto clone = clones_.find(id);
    return clone == clones_.end() ? chain_ : clone->second;
}

CacheHandleStats PrefixKv::stats_of(SequenceId id) const {
    const Place& place = chain_of(id).place;
    CacheHandleStats s;
    s.blocks = place.blocks.size();
    s.tokens = place.tokens;
    uint64_t places = s.blocks * trace_.block_size;
    s.memory_bytes = places * memory_.layout().layers * memory_.pool().token_bytes();
    s.utilization = places == 0 ? 0 : static_cast<double>(s.tokens) / static_cast<double>(places);
    s.last_access = generation_;
    return s;
}

// Blocks that the cache drops stay as they are while a clone holds them. Who fills a shared last block further writes
// behind the clone's tokens, which it does not read.
SequenceId PrefixKv::clone_of(SequenceId id) {
    Chain clone = chain_of(id);
    for (const Block& b : clone.blocks) ++references_[b.place];
    SequenceId child = next_clone_--;
    clones_.emplace(child, std::move(clone));
    return child;
}

void PrefixKv::free(SequenceId clone) {
    auto found = clones_.find(clone);
    if (found == clones_.end()) throw_input("sequence " + std::to_string(clone) + " is no clone of a prefix cache");
    for (const Block& b : found->second.blocks) give_back(b.place);
    clones_.erase(found);
}

}  // namespace kvsim
