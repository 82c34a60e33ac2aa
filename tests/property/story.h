// Random traces for the property tests, told as plain facts (a Story), and the Trace made of them. The naive
// twins read the Story only; nothing they compute passes through the library.
#pragma once

#include <kvsim/trace/path_interner.h>
#include <kvsim/trace/trace.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace kvsim_test {

/// One request. A path is a list of symbols, one per block: two blocks are the same if their paths are.
struct Told {
    std::vector<uint32_t> prompt;  ///< named blocks of the prompt: ceil or floor of in / block_size
    std::vector<uint32_t>
        output;  ///< named blocks completed while decoding; they follow the prompt's full blocks
    uint32_t in = 1;
    uint32_t out = 0;
};

struct Story {
    uint32_t block_size = 1;
    bool content = false;  ///< the symbols themselves are the ids
    uint64_t salt = 0;     ///< how paths become ids: 0 = numbered by first appearance
    std::vector<Told> requests;
};

struct StoryWishes {
    bool ragged = false;        ///< the same block may be filled differently by different requests
    bool named_output = false;  ///< some requests name what they decode
    bool floor_tails = false;   ///< some requests leave their partial last block without a name
    bool content = false;
    uint32_t max_blocks = 9;
};

class StoryTeller {
  public:
    StoryTeller(uint64_t seed, const StoryWishes& wishes) : random_(seed), wishes_(wishes) {}

    Story tell(uint32_t requests) {
        static constexpr uint32_t kSizes[] = {1, 2, 3, 4, 6, 8, 16};
        Story s;
        s.block_size = kSizes[below(7)];
        s.content = wishes_.content;
        s.salt = below(3) == 0 ? random_() | 1 : 0;
        alphabet_ = 1 + below(4);
        for (uint32_t i = 0; i < requests; ++i) s.requests.push_back(next(s));
        return s;
    }

  private:
    uint32_t below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }
    uint32_t symbol() { return 1 + below(alphabet_); }

    // The full blocks this request begins with: nothing, part of an earlier request, or all of it and its
    // output.
    std::vector<uint32_t> beginning(const Story& s) {
        std::vector<uint32_t> full;
        if (s.requests.empty() || below(4) == 0) return full;
        const Told& before = s.requests[below(2) == 0 ? s.requests.size() - 1
                                                      : below(static_cast<uint32_t>(s.requests.size()))];
        full.assign(before.prompt.begin(),
                    before.prompt.begin() +
                        static_cast<long>(std::min<size_t>(before.prompt.size(), before.in / s.block_size)));
        if (full.size() == before.in / s.block_size)
            full.insert(full.end(), before.output.begin(), before.output.end());
        if (wishes_.ragged && below(3) == 0) full = before.prompt;
        if (below(3) == 0) full.resize(below(static_cast<uint32_t>(full.size()) + 1));
        return full;
    }

    Told next(const Story& s) {
        if (!s.requests.empty() && below(5) == 0) {
            Told again = s.requests[below(static_cast<uint32_t>(s.requests.size()))];
            if (wishes_.named_output && below(2) == 0) name_output(again, s.block_size);
            return again;
        }
        Told t;
        t.prompt = beginning(s);
        if (t.prompt.size() > wishes_.max_blocks) t.prompt.resize(wishes_.max_blocks);
        for (uint32_t more = below(4); more > 0; --more) t.prompt.push_back(symbol());
        uint32_t size = s.block_size;
        t.in = static_cast<uint32_t>(t.prompt.size()) * size;
        uint32_t tail = below(size);
        if (t.in == 0 && tail == 0) tail = 1;
        if (tail % size == 0) {
            if (t.prompt.empty()) t.prompt.push_back(symbol());
            t.in = static_cast<uint32_t>(t.prompt.size()) * size;
        } else {
            t.in += tail;
            // A partly filled block has a name of its own unless the trace is ragged.
            if (!wishes_.floor_tails || below(2) == 0)
                t.prompt.push_back(wishes_.ragged ? symbol() : symbol() + 100 * tail);
        }
        if (s.content && wishes_.content && below(8) == 0) t.prompt.clear();
        name_output(t, size);
        return t;
    }

    void name_output(Told& t, uint32_t size) {
        t.output.clear();
        t.out = below(4) == 0 ? 0 : below(3 * size + 2);
        if (!wishes_.named_output || below(3) == 0) return;
        uint32_t completed = (t.in + t.out) / size - t.in / size;
        if (below(6) == 0) completed = below(completed + 1);
        for (uint32_t i = 0; i < completed; ++i) t.output.push_back(symbol());
    }

    std::mt19937_64 random_;
    StoryWishes wishes_;
    uint32_t alphabet_ = 1;
};

/// Ids of paths as a trace would have them.
class PathIds {
  public:
    explicit PathIds(const Story& story) : story_(story) {}
    uint64_t operator()(const std::vector<uint32_t>& path) {
        if (story_.content) return path.back();
        uint64_t number = ids_.emplace(path, ids_.size()).first->second;
        return story_.salt == 0 ? number : (number + 1) * story_.salt;  // odd salt: injective
    }
    std::vector<uint64_t> chain(const std::vector<uint32_t>& path, size_t from = 0) {
        std::vector<uint64_t> ids;
        for (size_t n = from + 1; n <= path.size(); ++n)
            ids.push_back((*this)({path.begin(), path.begin() + static_cast<long>(n)}));
        return ids;
    }

  private:
    const Story& story_;
    std::map<std::vector<uint32_t>, uint64_t> ids_;
};

/// The prompt's full blocks and the output's.
inline std::vector<uint32_t> stored_path(const Told& t, uint32_t block_size) {
    std::vector<uint32_t> path(t.prompt.begin(), t.prompt.begin() + static_cast<long>(t.in / block_size));
    path.insert(path.end(), t.output.begin(), t.output.end());
    return path;
}

inline bool names_output(const Story& story) {
    return std::any_of(story.requests.begin(), story.requests.end(),
                       [](const Told& t) { return !t.output.empty(); });
}

inline kvsim::Trace make_trace(const Story& story) {
    kvsim::Trace trace;
    trace.block_size = story.block_size;
    trace.content = story.content;
    PathIds ids(story);
    kvsim::PathInterner interner(trace.chains, story.content ? kvsim::Names::content : kvsim::Names::prefix);
    bool two_rows = names_output(story);
    std::map<uint32_t, uint32_t> dense;
    for (const Told& t : story.requests) {
        std::vector<uint64_t> chain = ids.chain(t.prompt);
        uint32_t row = interner.add(chain.data(), chain.size());
        if (two_rows) {
            trace.lookup_rows.push_back(row);
            trace.row_tokens.push_back({t.in, false});
            trace.stored_rows.push_back(kvsim::kNone);
            if (!t.output.empty()) {
                std::vector<uint32_t> path = stored_path(t, story.block_size);
                auto full = static_cast<uint32_t>(path.size() - t.output.size());
                std::vector<uint64_t> rest = ids.chain(path, full);
                trace.stored_rows.back() = interner.add_after(row, full, rest.data(), rest.size());
                trace.row_tokens.push_back({static_cast<uint32_t>(path.size()) * story.block_size, true});
            }
        }
        if (story.content) {
            trace.content_ids.begin.push_back(trace.content_ids.ids.size());
            for (uint32_t symbol : t.prompt)
                trace.content_ids.ids.push_back(
                    dense.emplace(symbol, static_cast<uint32_t>(dense.size())).first->second);
        }
        trace.arrival_s.push_back(static_cast<double>(trace.requests()));
        trace.source_row.push_back(trace.requests());
        trace.prompt_tokens.push_back(t.in);
        trace.output_tokens.push_back(t.out);
    }
    if (story.content) trace.content_ids.begin.push_back(trace.content_ids.ids.size());
    trace.content_ids.unique = static_cast<uint32_t>(dense.size());
    return trace;
}

/// The same as a file in the native format.
inline std::string to_kvsim_lines(const Story& story, double time_scale = 1.0, double time_shift = 0.0) {
    PathIds ids(story);
    auto list = [](const std::vector<uint64_t>& numbers) {
        std::string text;
        for (uint64_t n : numbers) text += (text.empty() ? "" : ",") + std::to_string(n);
        return "[" + text + "]";
    };
    std::string text =
        "{\"kvsim_trace\":1,\"name\":\"story\",\"block_size\":" + std::to_string(story.block_size) + "}\n";
    for (size_t i = 0; i < story.requests.size(); ++i) {
        const Told& t = story.requests[i];
        text += "{\"op\":\"request\",\"seq\":\"r" + std::to_string(i) +
                "\",\"t\":" + std::to_string(static_cast<double>(i) * time_scale + time_shift) +
                ",\"length\":" + std::to_string(t.in) + ",\"blocks\":" + list(ids.chain(t.prompt)) +
                ",\"output_length\":" + std::to_string(t.out);
        size_t completed = (t.in + t.out) / story.block_size - t.in / story.block_size;
        if (!t.output.empty() && t.output.size() == completed)
            text += ",\"output_blocks\":" +
                    list(ids.chain(stored_path(t, story.block_size), t.in / story.block_size));
        text += "}\n";
    }
    return text;
}

}  // namespace kvsim_test
