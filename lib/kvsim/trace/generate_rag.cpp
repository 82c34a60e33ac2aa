// Retrieval-augmented prompts: a system prompt, top_k documents of a corpus, a question.
//
// Popularity follows Zipf's law in whole numbers: document d, counted from 0, weighs floor(2^32 / (d + 1)). A
// request draws its documents one after the other without replacement, each with probability weight / weights
// left. The weights stand in a Fenwick tree (Fenwick 1994), so a draw is one descent and taking a document out one
// walk: O(log documents) each, however many are drawn, and no draw is ever repeated.
//
// A prefix cache shares a document only where everything before it is the same. So the order decides what can be
// hit: order=retrieved keeps the order of the draws, order=sorted puts popular documents first, which makes common
// beginnings more likely. Both draw the same documents, lengths and times from a seed.
//
// A block's last token, together with everything before it, is known by the path system, document, document, ...
// that leads to the piece it stands in; every distinct path has a number, and a block is named by that of its last
// token. Blocks that straddle two documents so get the names they should.
#include <kvsim/core/error.h>
#include <kvsim/core/random.h>
#include <kvsim/trace/format.h>
#include <kvsim/trace/generator.h>

#include <algorithm>
#include <bit>
#include <unordered_map>

namespace kvsim {
namespace {

struct RagParameters {
    uint64_t requests, documents, top_k, document_tokens, system_tokens, question_tokens, output_tokens, gap_ms,
        block_size;
    bool sorted;
};

RagParameters read_rag_parameters(Spec& spec) {
    RagParameters p;
    p.requests = spec.whole("requests", 500, 1, 10000000);
    p.documents = spec.whole("documents", 1000, 1, 1u << 24);
    p.top_k = spec.whole("top_k", 4, 0, 4096);
    p.document_tokens = spec.whole("document_tokens", 400, 1, 1u << 24);
    p.system_tokens = spec.whole("system_tokens", 200, 0, 1u << 24);
    p.question_tokens = spec.whole("question_tokens", 50, 1, 1u << 24);
    p.output_tokens = spec.whole("output_tokens", 150, 0, 1u << 24);
    p.gap_ms = spec.whole("gap_ms", 500, 0, 1u << 30);
    p.block_size = spec.whole("block_size", 16, 1, kMaxBlockSize);
    p.sorted = spec.choice("order", "sorted", {"sorted", "retrieved"}) == "sorted";
    spec.finish();
    if (p.top_k > p.documents) throw_input("rag: expected top_k of at most the number of documents");
    if (p.system_tokens + 2 * (p.top_k * p.document_tokens + p.question_tokens) > kMaxTokens)
        throw_input("rag: expected system_tokens + 2 x (top_k x document_tokens + question_tokens) of at most " +
                    std::to_string(kMaxTokens));
    return p;
}

uint64_t around(Random& random, uint64_t mean) { return mean == 0 ? 0 : random.between(1, 2 * mean - 1); }

/// Documents by weight, the most popular first; one that is taken weighs nothing until it is put back.
class Corpus {
  public:
    explicit Corpus(uint64_t documents) : sums_(documents + 1) {
        for (uint64_t d = 0; d < documents; ++d) add(d, weight(d));
    }

    uint64_t draw(Random& random) {
        uint64_t ticket = random.below(left_);
        uint64_t at = 0;  // documents whose weights together are at most the ticket
        for (uint64_t step = std::bit_floor(sums_.size() - 1); step > 0; step /= 2) {
            if (at + step >= sums_.size() || sums_[at + step] > ticket) continue;
            at += step;
            ticket -= sums_[at];
        }
        add(at, 0 - weight(at));
        return at;
    }
    void put_back(uint64_t d) { add(d, weight(d)); }

  private:
    static uint64_t weight(uint64_t d) { return (uint64_t{1} << 32) / (d + 1); }
    void add(uint64_t d, uint64_t change) {  // modulo 2^64, so a negative change works too
        left_ += change;
        for (uint64_t i = d + 1; i < sums_.size(); i += i & (0 - i)) sums_[i] += change;
    }
    std::vector<uint64_t> sums_;  ///< Fenwick tree, counted from 1
    uint64_t left_ = 0;           ///< sum of all weights
};

/// Puts one prompt after the other together from pieces and names its blocks.
class PromptBuilder {
  public:
    explicit PromptBuilder(uint64_t block_size) : block_size_(block_size) {}

    void begin(uint64_t system_tokens) {
        names_.clear();
        tokens_ = 0;
        path_ = 0;
        append(system_tokens);
    }
    void document(uint64_t d, uint64_t tokens) {
        auto [at, fresh] = paths_.emplace(path_ << 24 | d, next_path_);
        if (fresh) ++next_path_;
        path_ = at->second;
        append(tokens);
    }
    /// Nobody asks the same twice.
    void question(uint64_t tokens) {
        path_ = next_path_++;
        append(tokens);
        if (tokens_ % block_size_ != 0) names_.push_back(path_);
    }
    uint64_t tokens() const { return tokens_; }
    const std::vector<uint64_t>& names() const { return names_; }

  private:
    void append(uint64_t tokens) {
        tokens_ += tokens;
        names_.resize(tokens_ / block_size_, path_);
    }
    uint64_t block_size_;
    uint64_t tokens_ = 0;
    uint64_t path_ = 0;       ///< the system prompt is path 0
    uint64_t next_path_ = 1;  ///< at most 10^7 x 4097 < 2^40
    std::unordered_map<uint64_t, uint64_t> paths_;  ///< path and the document after it -> path
    std::vector<uint64_t> names_;
};

Trace generate_rag(Spec& spec, uint64_t seed) {
    RagParameters p = read_rag_parameters(spec);
    Random random(seed);
    std::vector<uint32_t> lengths(p.documents);
    for (uint32_t& tokens : lengths) tokens = static_cast<uint32_t>(around(random, p.document_tokens));
    Corpus corpus(p.documents);
    PromptBuilder prompt(p.block_size);
    Trace trace;
    trace.block_size = static_cast<uint32_t>(p.block_size);
    PathInterner interner(trace.chains, Names::content);
    std::vector<uint64_t> documents(p.top_k);
    uint64_t now_ms = 0;
    for (uint32_t r = 0; r < p.requests; ++r) {
        for (uint64_t& d : documents) d = corpus.draw(random);
        for (uint64_t d : documents) corpus.put_back(d);
        if (p.sorted) std::sort(documents.begin(), documents.end());
        prompt.begin(p.system_tokens);
        for (uint64_t d : documents) prompt.document(d, lengths[d]);
        prompt.question(around(random, p.question_tokens));
        interner.add(prompt.names().data(), prompt.names().size());
        trace.prompt_tokens.push_back(static_cast<uint32_t>(prompt.tokens()));
        trace.output_tokens.push_back(static_cast<uint32_t>(around(random, p.output_tokens)));
        trace.arrival_s.push_back(static_cast<double>(now_ms) / 1e3);
        trace.source_row.push_back(r);
        now_ms += random.between(0, 2 * p.gap_ms);
    }
    return trace;
}

}  // namespace

GeneratorRow rag_generator() {
    return {"rag",
            "retrieval: system prompt, popular documents, question; shared where the whole prefix is",
            {{"requests", "500", "prompts"},
             {"documents", "1000", "the corpus; document d of 0, 1, ... is drawn with weight 1 / (d + 1)"},
             {"top_k", "4", "different documents in each prompt"},
             {"document_tokens", "400", "mean document, uniform from 1 to twice the mean less 1"},
             {"system_tokens", "200", "length of the system prompt"},
             {"question_tokens", "50", "mean question, uniform from 1 to twice the mean less 1; all differ"},
             {"output_tokens", "150", "mean answer, uniform from 1 to twice the mean less 1"},
             {"gap_ms", "500", "mean time between arrivals, uniform from 0 to twice the mean"},
             {"block_size", "16", "tokens per block"},
             {"order", "sorted", "sorted: popular documents first; retrieved: as drawn"}},
            generate_rag};
}

}  // namespace kvsim
