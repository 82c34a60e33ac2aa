// vLLM's cache manager and scheduler once more, as slow and plain as its rules are written: token lists, hashed as they
// are, a free list that is a list, loops over everything. Shares nothing with the library.
#pragma once

#include <algorithm>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kvsim_test {

struct NaiveVllmRequest {
    std::vector<int> prompt, output;  ///< tokens; output that the trace does not name has numbers of its own
    bool named = false;               ///< the trace names the output
    int salt = 0, step = 0;
    std::optional<int> priority;
};

struct NaiveVllmConfig {
    int usable = 0, block = 1;
    bool classic = false, caching = true, reserve_full = true, by_priority = false, steps = false;
    double watermark = 0;
    int max_seqs = 1, max_tokens = 1;
    std::vector<int> windows = {0};  ///< full groups first
};

/// What happened, in order: 'e' evicted (owner, block, by), 's' stored (owner, block), 'a' admitted (request, hit
/// tokens, again).
struct NaiveVllmEvent {
    char what;
    int a, b, c;
    bool operator==(const NaiveVllmEvent&) const = default;
};

struct NaiveVllmState {
    std::vector<int> free, references;  ///< by place in the line; by block
    bool operator==(const NaiveVllmState&) const = default;
};

struct NaiveVllmOutcome {
    std::vector<int> hit_blocks, readmission_tokens, preemptions, admit, finish;  ///< steps: -1 = never
    std::vector<bool> rejected;
    std::vector<NaiveVllmEvent> events;
    std::vector<NaiveVllmState> at_admission;  ///< before anything is touched, and at the very end
    uint64_t active = 0, resident = 0, tokens = 0, admissions = 0, waited = 0, recomputed = 0, peak_active = 0;
    std::map<int, std::pair<uint64_t, uint64_t>> first;  ///< active and resident behind the first admission of each request
};

inline int count(const std::vector<int>& list) { return static_cast<int>(list.size()); }

class NaiveVllm {
  public:
    using Hash = std::vector<int>;  ///< group, salt, all tokens up to the block's end
    struct Request {
        int id = 0;
        const NaiveVllmRequest* told = nullptr;
        std::vector<int> tokens;  ///< prompt and output so far
        int made = 0, computed = 0, scheduled = 0, lost = 0, alone = -1;
        bool admitted_before = false, waited = false, holds = false;
        std::vector<std::vector<int>> table;
        std::vector<int> published;
    };
    using Hits = std::vector<std::vector<int>>;

    explicit NaiveVllm(const NaiveVllmConfig& config)
        : c(config), reference(config.usable + 1), hash(config.usable + 1) {
        for (int id = 1; id <= c.usable; ++id) line.push_back(id);
        owner.resize(config.usable + 1);
    }

    Request make(int id, const NaiveVllmRequest& told) const {
        Request r;
        r.id = id;
        r.told = &told;
        r.tokens = told.prompt;
        r.table.resize(c.windows.size());
        r.published.resize(c.windows.size());
        return r;
    }

    Hash hash_of(const Request& r, int k, int group) const {
        Hash h = {group, r.told->salt};
        h.insert(h.end(), r.tokens.begin(), r.tokens.begin() + (k + 1) * c.block);
        return h;
    }

    int oldest(const Request& r, int k, int group) const {
        auto at = copies.find(hash_of(r, k, group));
        return at == copies.end() ? 0 : at->second.front();
    }

    // Groups of one window agree on each block.
    int oldest_in_kind(const Request& r, int k, int window) const {
        for (int g = 0; g < groups(); ++g)
            if (c.windows[g] == window && oldest(r, k, g) == 0) return 0;
        return 1;
    }

    std::vector<int> window_lookup(const Request& r, int group, int tokens) const {
        int need = std::max(1, up(c.windows[group] - 1)), together = 0;
        std::vector<int> hits;
        for (int k = tokens / c.block - 1; k >= 0; --k) {
            together = oldest_in_kind(r, k, c.windows[group]) != 0 ? together + 1 : 0;
            if (together < need) continue;
            hits.assign(k, 0);
            for (int j = k; j < k + together; ++j) hits.push_back(oldest(r, j, group));
            return hits;
        }
        for (int j = 0; j < together; ++j) hits.push_back(oldest(r, j, group));
        return hits;
    }

    std::vector<int> full_lookup(const Request& r, int group, int tokens) const {
        std::vector<int> hits;
        for (int k = 0; k < tokens / c.block && oldest_in_kind(r, k, 0) != 0; ++k) hits.push_back(oldest(r, k, group));
        return hits;
    }

    Hits lookup(const Request& r) const {
        Hits hits(groups());
        if (!c.caching || r.tokens.empty()) return hits;
        int length = count(r.tokens) - 1;
        std::vector<int> kinds;
        for (int w : c.windows)
            if (std::find(kinds.begin(), kinds.end(), w) == kinds.end()) kinds.push_back(w);
        for (int before = length + 1; length < before;) {
            before = length;
            for (int w : kinds) {
                int found = 0;
                for (int g = 0; g < groups(); ++g) {
                    if (c.windows[g] != w) continue;
                    hits[g] = w == 0 ? full_lookup(r, g, length) : window_lookup(r, g, length);
                    found = count(hits[g]);
                }
                length = found * c.block;
            }
            if (kinds.size() == 1 || (kinds.size() == 2 && kinds[0] == 0)) break;
        }
        for (auto& h : hits) h.resize(up(length));
        return hits;
    }

    // Blocks that must be free for the first `tokens`.
    int need(const Request& r, const Hits& hits, int tokens, bool capped) const {
        int sum = 0;
        for (int g = 0; g < groups(); ++g) {
            int wanted = up(tokens), w = c.windows[g];
            if (capped && w != 0) wanted = std::min(wanted, up(w - 1 + c.max_tokens) + 1);
            int known = count(hits[g]);
            int skipped = skipped_of(g, r.computed + known * c.block);
            if (r.holds) {
                sum += std::max(0, wanted - count(r.table[g]));
                continue;
            }
            sum += std::max(0, wanted - std::max(skipped, known));
            for (int k = skipped; k < known; ++k) sum += hits[g][k] != 0 && reference[hits[g][k]] == 0;
        }
        return sum;
    }

    bool allocate(Request& r, int n, const Hits& hits, bool admitting, bool others) {
        int kept = admitting && others ? static_cast<int>(c.watermark * (c.usable + 1)) : 0;
        int room = static_cast<int>(line.size());
        if (admitting && c.reserve_full && c.steps && need(r, hits, count(r.tokens), true) + kept > room)
            return false;
        int hit_tokens = count(hits[0]) * c.block, upto = r.computed + hit_tokens + n;
        if (!admitting) slide(r);
        if (need(r, hits, upto, false) + kept > static_cast<int>(line.size())) return false;
        if (admitting) {
            out.at_admission.push_back(state());
            out.events.push_back({'a', r.id, hit_tokens, r.admitted_before});
            for (int g = 0; g < groups(); ++g) enter_hits(r, g, hits[g]);
        }
        for (int g = 0; g < groups(); ++g)
            while (count(r.table[g]) < up(upto)) r.table[g].push_back(pop(r.id));
        for (int g = 0; g < groups(); ++g) publish(r, g, std::min(upto, count(r.tokens)) / c.block);
        r.holds = true;
        return true;
    }

    void free(Request& r) {
        for (int g = 0; g < groups(); ++g) {
            std::vector<int> released(r.table[g].rbegin(), r.table[g].rend());
            release(released);
            r.table[g].clear();
            r.published[g] = 0;
        }
        r.computed = 0;
        r.holds = false;
    }

    NaiveVllmState state() const { return {{line.begin(), line.end()}, reference}; }
    int groups() const { return static_cast<int>(c.windows.size()); }
    int up(int tokens) const { return (tokens + c.block - 1) / c.block; }

    // After an admission.
    void sample(const std::vector<Request*>& running, bool counted) {
        uint64_t active = c.usable - line.size(), published = 0, cached = 0, tokens = 0;
        for (int id = 1; id <= c.usable; ++id) {
            published += hash[id].has_value();
            cached += hash[id].has_value() && reference[id] == 0;
        }
        for (const Request* r : running)
            for (const auto& table : r->table)
                for (int k = 0; k < count(table); ++k)
                    if (table[k] != 0 && !hash[table[k]])
                        tokens += std::min(c.block, r->computed + r->scheduled - k * c.block);
        ++out.admissions;
        out.first.emplace(running.back()->id, std::pair(active, active + cached));
        out.active += active;
        out.resident += active + cached;
        out.tokens += tokens + published * c.block;
        note_peak(counted);
    }
    void note_peak(bool counted) {
        if (counted) out.peak_active = std::max<uint64_t>(out.peak_active, c.usable - line.size());
    }

    NaiveVllmConfig c;
    NaiveVllmOutcome out;
    std::list<int> line;
    std::vector<int> reference;
    std::vector<std::optional<Hash>> hash;
    std::map<Hash, std::vector<int>> copies;

  private:
    int skipped_of(int group, int computed) const {
        int w = c.windows[group];
        return w == 0 ? 0 : std::max(0, computed - w + 1) / c.block;
    }

    void enter_hits(Request& r, int g, const std::vector<int>& hits) {
        int skipped = skipped_of(g, count(hits) * c.block);
        for (int k = 0; k < count(hits); ++k) {
            int id = k < skipped ? 0 : hits[k];
            if (id != 0) {
                if (reference[id] == 0) line.remove(id);
                ++reference[id];
            }
            r.table[g].push_back(id);
        }
        r.published[g] = count(hits);
    }

    int pop(int by) {
        int id = line.front();
        line.pop_front();
        if (hash[id]) {
            auto& same = copies[*hash[id]];
            same.erase(std::find(same.begin(), same.end(), id));
            if (same.empty()) copies.erase(*hash[id]);
            hash[id].reset();
            out.events.push_back({'e', owner[id].first, owner[id].second, by});
        }
        reference[id] = 1;
        return id;
    }

    void publish(Request& r, int g, int full) {
        if (!c.caching) return;
        for (int& k = r.published[g]; k < full; ++k) {
            int id = r.table[g][k];
            if (id == 0) continue;
            hash[id] = hash_of(r, k, g);
            copies[*hash[id]].push_back(id);
            owner[id] = {r.id, k};
            out.events.push_back({'s', r.id, k, 0});
        }
    }

    // In the order given.
    void release(const std::vector<int>& blocks) {
        std::vector<int> in_front, behind;
        for (int id : blocks) {
            if (id == 0 || --reference[id] != 0) continue;
            bool front = !c.classic && c.caching && !hash[id];
            (front ? in_front : behind).push_back(id);
        }
        line.insert(line.begin(), in_front.begin(), in_front.end());
        line.insert(line.end(), behind.begin(), behind.end());
    }

    void slide(Request& r) {
        for (int g = 0; g < groups(); ++g) {
            int skipped = std::min(skipped_of(g, r.computed), count(r.table[g]));
            std::vector<int> released;
            for (int k = skipped - 1; k >= 0 && r.table[g][k] != 0; --k) {
                released.push_back(r.table[g][k]);
                r.table[g][k] = 0;
            }
            release(released);
        }
    }

    std::vector<std::pair<int, int>> owner;
};

inline NaiveVllmOutcome naive_outcome(size_t n) {
    NaiveVllmOutcome out;
    out.hit_blocks.assign(n, 0);
    out.readmission_tokens = out.preemptions = out.hit_blocks;
    out.admit.assign(n, -1);
    out.finish = out.admit;
    out.rejected.assign(n, false);
    return out;
}

inline NaiveVllmOutcome naive_vllm_sequential(const NaiveVllmConfig& c, const std::vector<NaiveVllmRequest>& requests,
                                              int warmup) {
    NaiveVllm m(c);
    m.out = naive_outcome(requests.size());
    for (int i = 0; i < static_cast<int>(requests.size()); ++i) {
        NaiveVllm::Request r = m.make(i, requests[i]);
        NaiveVllm::Hits hits = m.lookup(r);
        int prompt = count(r.tokens);
        if (!m.allocate(r, prompt - count(hits[0]) * c.block, hits, true, false)) {
            m.out.rejected[i] = true;
            continue;
        }
        m.out.hit_blocks[i] = count(hits[0]);
        r.computed = prompt;
        m.sample({&r}, i >= warmup);
        for (size_t made = 0; made < requests[i].output.size(); ++made) {
            if (made > 0) {
                if (!m.allocate(r, 1, NaiveVllm::Hits(c.windows.size()), false, false)) break;
                ++r.computed;
            }
            r.tokens.push_back(requests[i].output[made]);
        }
        m.note_peak(i >= warmup);
        m.free(r);
    }
    m.out.at_admission.push_back(m.state());
    return m.out;
}

class NaiveVllmScheduler {
  public:
    using Request = NaiveVllm::Request;
    NaiveVllmScheduler(const NaiveVllmConfig& c, const std::vector<NaiveVllmRequest>& requests, int warmup)
        : m(c), told(requests), warmup_(warmup) {
        m.out = naive_outcome(requests.size());
        for (size_t i = 0; i < requests.size(); ++i) all.push_back(m.make(static_cast<int>(i), requests[i]));
    }

    NaiveVllmOutcome run() {
        std::vector<bool> here(all.size());
        size_t arrived = 0;
        for (step = 0; arrived < all.size() || !waiting.empty() || !running.empty(); ++step) {
            for (size_t i = 0; i < all.size(); ++i) {
                if (here[i] || told[i].step > step) continue;
                here[i] = true;
                ++arrived;
                waiting.push_back(&all[i]);
            }
            one_step();
        }
        m.out.at_admission.push_back(m.state());
        return m.out;
    }

  private:
    // (priority, arrival): arrival is the step, then the place in the trace.
    std::vector<int> rank(const Request* r) const {
        return {told[r->id].priority.value_or(0), told[r->id].step, r->id};
    }

    Request* first_waiting() const {
        if (!m.c.by_priority) return waiting.front();
        return *std::min_element(waiting.begin(), waiting.end(), [&](auto* a, auto* b) { return rank(a) < rank(b); });
    }

    void preempt(Request* victim) {
        running.remove(victim);
        victim->lost = victim->computed;
        m.free(*victim);
        ++m.out.preemptions[victim->id];
        if (running.empty()) {
            if (victim->alone >= victim->lost) return;  // got no further than last time: never will
            victim->alone = victim->lost;
        }
        waiting.push_front(victim);
    }

    void one_step() {
        int budget = m.c.max_tokens;
        std::vector<Request*> scheduled;
        bool preempted = false, stop = false;
        NaiveVllm::Hits none(m.c.windows.size());
        std::vector<Request*> order(running.begin(), running.end());
        for (Request* r : order) {
            if (stop || budget == 0) break;
            if (std::find(running.begin(), running.end(), r) == running.end()) continue;  // it was preempted
            int n = std::min(count(r->tokens) - r->computed, budget);
            if (n == 0) continue;
            while (!stop && !m.allocate(*r, n, none, false, false)) {
                Request* victim = running.back();
                if (m.c.by_priority)
                    for (Request* other : running)
                        if (rank(other) > rank(victim)) victim = other;
                auto at = std::find(scheduled.begin(), scheduled.end(), victim);
                if (at != scheduled.end()) {
                    budget += victim->scheduled;
                    victim->scheduled = 0;
                    scheduled.erase(at);
                }
                preempt(victim);
                preempted = true;
                stop = victim == r;
            }
            if (stop) break;
            r->scheduled = n;
            scheduled.push_back(r);
            budget -= n;
        }
        while (!preempted && !waiting.empty() && budget > 0 && static_cast<int>(running.size()) < m.c.max_seqs) {
            Request* r = first_waiting();
            NaiveVllm::Hits hits = m.lookup(*r);
            int hit = count(hits[0]) * m.c.block;
            int n = std::min(count(r->tokens) - hit, budget);
            if (!m.allocate(*r, n, hits, true, !running.empty())) {
                if (!running.empty()) {
                    if (!r->waited && !r->admitted_before) ++m.out.waited;
                    r->waited = true;
                    break;
                }
                waiting.remove(r);
                if (!r->admitted_before) m.out.rejected[r->id] = true;
                continue;
            }
            waiting.remove(r);
            r->computed = hit;
            r->scheduled = n;
            running.push_back(r);
            if (r->admitted_before) {
                m.out.readmission_tokens[r->id] += hit;
                m.out.recomputed += std::max(0, r->lost - hit);
            } else {
                m.out.hit_blocks[r->id] = hit / m.c.block;
                m.out.admit[r->id] = step;
                counting = counting || r->id >= warmup_;
            }
            r->admitted_before = true;
            m.sample({running.begin(), running.end()}, r->id >= warmup_);
            scheduled.push_back(r);
            budget -= n;
        }
        if (!scheduled.empty()) m.note_peak(counting);
        finish(scheduled);
    }

    void finish(const std::vector<Request*>& scheduled) {
        std::vector<Request*> done;
        for (Request* r : scheduled) {
            r->computed += r->scheduled;
            r->scheduled = 0;
            if (r->computed < count(r->tokens)) continue;
            r->tokens.push_back(told[r->id].output[r->made]);
            ++r->made;
            if (r->made == count(told[r->id].output)) done.push_back(r);
        }
        for (Request* r : done) {
            m.free(*r);
            running.remove(r);
            m.out.finish[r->id] = step;
        }
    }

    NaiveVllm m;
    const std::vector<NaiveVllmRequest>& told;
    int warmup_, step = 0;
    bool counting = false;
    std::vector<Request> all;
    std::list<Request*> waiting, running;
};

inline NaiveVllmOutcome naive_vllm_scheduler(const NaiveVllmConfig& c, const std::vector<NaiveVllmRequest>& requests,
                                             int warmup) {
    return NaiveVllmScheduler(c, requests, warmup).run();
}

}  // namespace kvsim_test
