// The three accountings of docs/DESIGN.md section 7, written down once more in the most obvious way: names are strings,
// the cache is a vector of them, every question is a linear scan, the strategy is asked through the plainest interface
// there is (naive_strategy.h). Read it beside the text:
//   lookup chain   the names of the prompt's blocks.
//   stored chain   decode off: the lookup chain. On: the prompt's full blocks and the named output blocks if
//   these
//                  reach beyond the prompt's full blocks, else the lookup chain; then blocks without a name
//                  up to ceil((in + out) / block size). A name that is looked up but is not on the stored
//                  chain (the prompt's partial tail, once output has completed its block) is looked up and
//                  touched, not stored.
//   running        requests that have not been released hold their stored blocks, which nothing evicts. Release touches
//                  them from last to first, also the ones that others still hold. One at a time: each is released
//                  before the next is looked up. A strategy hears of the release of blocks that nobody holds any more,
//                  but not when requests run one at a time.
//   tokens         the last block of a stored chain holds what is left of in + out (of in under decode off),
//   all
//                  others are full; who stored a block last says how full it is.
#pragma once

#include "property/naive_strategy.h"
#include "property/story.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace kvsim_test {

/// A request as the naive cache sees it, blocks by name.
struct NaiveRequest {
    std::vector<std::string> lookup;
    std::vector<uint64_t> weight;  ///< tokens of each lookup block
    std::vector<std::string> stored;
    uint64_t last_tokens = 0;  ///< tokens in the last stored block
};

/// After one admission. Sums run from the first request on.
struct NaiveStep {
    uint32_t hit = 0, any = 0;
    std::vector<bool> there;  ///< per looked-up block: resident
    uint64_t any_tokens = 0;
    bool last = false;  ///< the last looked-up block was resident
    uint64_t evicted = 0;
    uint64_t active = 0, resident = 0, tokens = 0;
    uint64_t waited = 0;
    std::vector<uint64_t> ages;  ///< of what it evicted: requests since the last use, a leading hit (flat: any) or a store
};

enum class NaiveKind { pinned, flat, tree, tree_chain };

/// A token is the block it stands in, by its path, and its offset there.
using NaiveToken = std::pair<std::vector<uint32_t>, uint32_t>;

inline std::vector<NaiveToken> tokens_of(const std::vector<uint32_t>& path, uint32_t from, uint64_t limit) {
    std::vector<NaiveToken> tokens;
    for (size_t i = 0; i < path.size(); ++i)
        for (uint32_t o = 0; o < from && tokens.size() < limit; ++o)
            tokens.push_back({{path.begin(), path.begin() + static_cast<long>(i) + 1}, o});
    return tokens;
}

/// Blocks of `to` tokens, each named by all tokens up to its last; `partial`: so is a partly filled last one.
inline std::vector<std::string> names_of(const std::vector<NaiveToken>& tokens, uint32_t to, bool partial) {
    std::vector<std::string> names;
    std::string name;
    for (size_t i = 0; i < tokens.size(); ++i) {
        for (uint32_t symbol : tokens[i].first) name += std::to_string(symbol) + ".";
        name += "+" + std::to_string(tokens[i].second) + " ";
        bool last = i + 1 == tokens.size();
        if ((i + 1) % to == 0 || (last && partial)) names.push_back(name);
    }
    return names;
}

/// The trace's own blocks are what they are called, however full.
inline std::vector<std::string> paths_of(const std::vector<uint32_t>& path) {
    std::vector<std::string> names;
    std::string name;
    for (uint32_t symbol : path) names.push_back(name += std::to_string(symbol) + ".");
    return names;
}

inline std::vector<NaiveRequest> naive_requests(const Story& story, uint32_t to, bool decode, bool flat) {
    std::vector<NaiveRequest> requests;
    uint64_t unnamed = 0;
    for (const Told& t : story.requests) {
        NaiveRequest r;
        if (story.content) {
            std::string path;
            for (uint32_t symbol : t.prompt) {
                path += std::to_string(symbol) + ".";
                r.lookup.push_back(flat ? std::to_string(symbol) : path);
                double each = static_cast<double>(t.in) / static_cast<double>(t.prompt.size());
                r.weight.push_back(std::max<uint64_t>(1, std::min<uint64_t>(to, static_cast<uint64_t>(each + 0.5))));
            }
        } else {
            bool all = t.prompt.size() * story.block_size >= t.in;
            r.lookup = to == story.block_size
                           ? paths_of(t.prompt)
                           : names_of(tokens_of(t.prompt, story.block_size, t.in), to, all);
            for (size_t i = 0; i < r.lookup.size(); ++i)
                r.weight.push_back(std::max<uint64_t>(1, std::min<uint64_t>(to, t.in - i * to)));
        }
        r.stored = r.lookup;
        uint64_t tokens = t.in;
        if (decode) {
            tokens += t.out;
            if (!t.output.empty()) {
                std::vector<uint32_t> path = stored_path(t, story.block_size);
                std::vector<std::string> named =
                    to == story.block_size
                        ? paths_of(path)
                        : names_of(tokens_of(path, story.block_size, ~uint64_t{0}), to, false);
                if (named.size() > t.in / to) r.stored = named;
            }
            while (r.stored.size() < (tokens + to - 1) / to)
                r.stored.push_back("unnamed" + std::to_string(unnamed++));
        }
        uint64_t before = r.stored.empty() ? 0 : (r.stored.size() - 1) * uint64_t{to};
        r.last_tokens = story.content ? to : std::min<uint64_t>(to, tokens - std::min(tokens, before));
        requests.push_back(r);
    }
    return requests;
}

/// What the trace says about a request beside its blocks.
struct NaiveFacts {
    uint32_t in = 0, out = 0;
    double priority = 0;
    bool has_priority = false;
    std::string category, session;  ///< "": none
    int64_t turn = 0;               ///< 0: none
};

/// What a twin may know before the run.
struct NaiveSetting {
    uint64_t capacity;
    std::vector<NaiveRequest> requests;
    NaiveKind kind;
    std::vector<double> arrival_s;
    uint32_t block_size = 0;
    std::vector<NaiveFacts> facts;
    bool concurrent = false;
};

class NaiveCache {
  public:
    NaiveCache(NaiveStrategy& strategy, NaiveKind kind, uint64_t capacity, uint32_t block_size, bool content)
        : strategy_(strategy),
          kind_(kind),
          capacity_(capacity),
          block_size_(block_size),
          flat_content_(content && kind == NaiveKind::flat) {}

    NaiveStep serve(const NaiveRequest& r) {
        NaiveStep s;
        bool leading = true;
        strategy_.request(served_++);
        for (size_t i = 0; i < r.lookup.size(); ++i) depth_.emplace(r.lookup[i], i);
        for (size_t i = 0; i < r.stored.size(); ++i) depth_.emplace(r.stored[i], i);
        if (kind_ == NaiveKind::flat) {
            s.active = serve_flat(r, s);
        } else {
            for (size_t i = 0; i < r.lookup.size(); ++i) {
                bool hit = resident(r.lookup[i]);
                leading = leading && hit;
                s.hit += leading;
                if (leading) last_use_[r.lookup[i]] = served_;
                s.any += hit;
                s.there.push_back(hit);
                s.any_tokens += hit ? r.weight[i] : 0;
                s.last = hit;
            }
            uint64_t holds = kind_ == NaiveKind::pinned ? serve_pinned(r) : serve_tree(r, s.hit);
            running_.emplace_back(r.stored.begin(), r.stored.begin() + static_cast<long>(holds));
            s.active = held_with({}).size();
        }
        s.evicted = evicted_.size();
        s.ages.swap(ages_);
        s.resident = resident_.size();
        for (const std::string& name : resident_) s.tokens += tokens_.at(name);
        return s;
    }

    /// In the order in which they went.
    const std::vector<std::string>& evicted() const { return evicted_; }
    size_t running() const { return running_.size(); }
    /// `which` counts running requests in order of admission; `told`: the strategy hears of it.
    void release(size_t which, bool told) {
        std::vector<std::string> held = running_[which];
        running_.erase(running_.begin() + static_cast<long>(which));
        for (size_t i = held.size(); i-- > 0;)
            if (told && !this->held(held[i])) strategy_.released(held[i]);
    }
    /// Whether the request's blocks and those of all running ones fit together.
    bool fits(const NaiveRequest& r) const {
        std::vector<std::string> keep = r.stored;
        keep.resize(std::min<uint64_t>(keep.size(), capacity_));
        return held_with(keep).size() <= capacity_;
    }

    /// Named blocks with an ancestor missing.
    uint64_t stranded() const {
        if (flat_content_) return 0;
        uint64_t count = 0;
        for (const std::string& name : resident_) {
            if (name.rfind("unnamed", 0) == 0) continue;
            for (std::string up = parent_.at(name); !up.empty(); up = parent_.at(up)) {
                if (resident(up)) continue;
                ++count;
                break;
            }
        }
        return count;
    }

  private:
    std::set<std::string> held_with(const std::vector<std::string>& more) const {
        std::set<std::string> all(more.begin(), more.end());
        for (const auto& one : running_) all.insert(one.begin(), one.end());
        return all;
    }
    bool held(const std::string& name) const { return held_with({}).count(name) != 0; }
    bool resident(const std::string& name) const {
        return std::find(resident_.begin(), resident_.end(), name) != resident_.end();
    }
    void evict(const std::string& name) {
        resident_.erase(std::find(resident_.begin(), resident_.end(), name));
        strategy_.evict(name);
        evicted_.push_back(name);
        ages_.push_back(served_ - last_use_.at(name));
    }
    /// Hit if it is resident, else there from now on.
    void use(const std::string& name) {
        last_use_[name] = served_;
        if (resident(name)) return strategy_.hit(name);
        resident_.push_back(name);
        strategy_.insert(name, depth_.at(name));
    }
    void store(const NaiveRequest& r, size_t i) {
        use(r.stored[i]);
        tokens_[r.stored[i]] = i + 1 == r.stored.size() ? r.last_tokens : block_size_;
        parent_[r.stored[i]] = i == 0 ? "" : r.stored[i - 1];
    }
    std::string pick(const std::string& incoming, const std::function<bool(const std::string&)>& eligible) {
        std::vector<std::string> names;
        for (const std::string& name : resident_)
            if (eligible(name)) names.push_back(name);
        std::string victim = strategy_.pick(incoming, names);
        if (!victim.empty() && std::find(names.begin(), names.end(), victim) == names.end())
            throw std::logic_error("naive strategy: " + victim + " is not eligible");
        return victim;
    }

    /// Blocks that the strategy wants to go although there is room.
    void give_more(const std::string& incoming, const std::function<bool(const std::string&)>& eligible) {
        while (strategy_.wants_room()) {
            std::string victim = pick(incoming, eligible);
            if (victim.empty()) return;
            evict(victim);
        }
    }

    uint64_t serve_pinned(const NaiveRequest& r) {
        size_t keep = std::min<uint64_t>(r.stored.size(), capacity_);
        std::vector<std::string> pinned(r.stored.begin(), r.stored.begin() + static_cast<long>(keep));
        size_t missing = 0;
        for (const std::string& name : pinned) missing += !resident(name);
        auto free_to_go = [&](const std::string& name) {
            return std::find(pinned.begin(), pinned.end(), name) == pinned.end() && !held(name);
        };
        while (strategy_.keyed() && resident_.size() + missing > capacity_) evict(pick("", free_to_go));
        for (size_t i = keep; i-- > 0;) {
            if (!resident(r.stored[i])) strategy_.miss(r.stored[i]);
            if (!resident(r.stored[i]) && resident_.size() >= capacity_) evict(pick(r.stored[i], free_to_go));
            if (!resident(r.stored[i])) give_more(r.stored[i], free_to_go);
            store(r, i);
        }
        return keep;
    }

    void access(const NaiveRequest& r, size_t i) {
        if (!resident(r.stored[i])) strategy_.miss(r.stored[i]);
        if (!resident(r.stored[i]) && resident_.size() >= capacity_) {
            std::string victim = pick(r.stored[i], [](const std::string&) { return true; });
            if (victim.empty()) return;  // better not stored
            evict(victim);
        }
        if (!resident(r.stored[i])) give_more(r.stored[i], [](const std::string&) { return true; });
        store(r, i);
    }

    uint64_t serve_flat(const NaiveRequest& r, NaiveStep& s) {
        bool leading = true;
        size_t done = 0;  // leading blocks of the stored chain that have been accessed
        for (size_t i = 0; i < r.lookup.size(); ++i) {
            bool hit = resident(r.lookup[i]);
            leading = leading && hit;
            s.hit += leading;
            s.any += hit;
            s.there.push_back(hit);
            s.any_tokens += hit ? r.weight[i] : 0;
            s.last = hit;
            if (done == i && i < r.stored.size() && r.stored[i] == r.lookup[i]) {
                access(r, i);
                ++done;
            } else if (hit) {
                last_use_[r.lookup[i]] = served_;
                strategy_.hit(r.lookup[i]);
            }
        }
        for (size_t i = done; i < r.stored.size(); ++i) access(r, i);
        // A chunk of content may stand twice in a request; it is one block.
        std::set<std::string> distinct(r.stored.begin(), r.stored.end());
        return std::min<uint64_t>(distinct.size(), capacity_);
    }

    bool leaf(const std::string& name) const {
        return std::none_of(resident_.begin(), resident_.end(),
                            [&](const std::string& n) { return parent_.at(n) == name; });
    }

    uint64_t serve_tree(const NaiveRequest& r, size_t hits) {
        std::vector<std::string> guarded(r.lookup.begin(), r.lookup.begin() + static_cast<long>(hits));
        size_t at = 0;
        while (at < r.stored.size() && resident(r.stored[at])) guarded.push_back(r.stored[at++]);
        for (size_t i = 0; i < hits; ++i) use(r.lookup[i]);
        for (size_t i = 0; i < at; ++i) {
            bool touched = i < hits && r.lookup[i] == r.stored[i];
            if (!touched) use(r.stored[i]);
            tokens_[r.stored[i]] = block_size_;
        }
        if (at == r.stored.size() && at > 0) tokens_[r.stored[at - 1]] = r.last_tokens;
        for (; at < r.stored.size(); ++at) {
            strategy_.miss(r.stored[at]);
            while (resident_.size() >= capacity_ || strategy_.wants_room()) {
                std::string victim = pick(r.stored[at], [&](const std::string& name) {
                    bool safe = std::find(guarded.begin(), guarded.end(), name) != guarded.end() || held(name);
                    return !safe && leaf(name);
                });
                if (victim.empty() && resident_.size() < capacity_) break;
                if (victim.empty()) return at;
                evict(victim);
                if (at > 0 && !resident(r.stored[at - 1])) return at - 1;
            }
            store(r, at);
            if (kind_ == NaiveKind::tree_chain) guarded.push_back(r.stored[at]);
        }
        return at;
    }

    NaiveStrategy& strategy_;
    NaiveKind kind_;
    uint64_t capacity_;
    uint32_t block_size_;
    bool flat_content_;
    size_t served_ = 0;
    std::vector<std::string> resident_;
    std::vector<std::string> evicted_;
    std::vector<uint64_t> ages_;  ///< of the request that is served
    std::map<std::string, uint64_t> last_use_;
    std::map<std::string, size_t> depth_;  ///< where a block stood first
    std::vector<std::vector<std::string>> running_;  ///< their blocks, first to last
    std::map<std::string, uint64_t> tokens_;
    std::map<std::string, std::string> parent_;
};

/// How many run at once, or until when.
struct NaiveConcurrency {
    uint64_t requests = 1;           ///< 0: as recorded
    std::vector<double> start, end;  ///< of each request
};

/// Serves the requests one after the other.
class NaiveServer {
  public:
    NaiveServer(NaiveCache& cache, const NaiveConcurrency& how) : cache_(cache), how_(how) {}

    NaiveStep serve(const NaiveRequest& r) {
        if (how_.requests != 0) {
            while (who_.size() >= how_.requests) release(0);
        } else {
            while (release_next_ended(how_.start[next_])) {}
        }
        uint64_t waited = 0;
        while (!who_.empty() && !cache_.fits(r)) {
            release(0);
            waited = 1;
        }
        NaiveStep s = cache_.serve(r);
        s.waited = waited;
        if (cache_.running() > who_.size()) who_.push_back(next_);
        ++next_;
        return s;
    }

  private:
    void release(size_t which) {
        cache_.release(which, how_.requests != 1);
        who_.erase(who_.begin() + static_cast<long>(which));
    }
    bool release_next_ended(double now) {
        size_t best = who_.size();
        for (size_t i = 0; i < who_.size(); ++i)
            if (how_.end[who_[i]] <= now && (best == who_.size() || how_.end[who_[i]] < how_.end[who_[best]])) best = i;
        if (best == who_.size()) return false;
        release(best);
        return true;
    }

    NaiveCache& cache_;
    const NaiveConcurrency& how_;
    std::vector<size_t> who_;  ///< running requests in order of admission
    size_t next_ = 0;
};

}  // namespace kvsim_test
