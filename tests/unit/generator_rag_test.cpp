// rag against a twin that draws with a linear scan over weights and spells every token out.
#include <kvsim/core/random.h>
#include <kvsim/sim/metrics.h>
#include "support/random_check.h"

#include <algorithm>
#include <set>

#include "generated.h"
#include "load_text.h"

namespace generator_rag_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

struct Corpus {
    uint64_t requests, documents, top_k, document, system, question, output, gap_ms, block;
    bool sorted;
    std::string spec() const {
        return "rag:requests=" + std::to_string(requests) + ",documents=" + std::to_string(documents) +
               ",top_k=" + std::to_string(top_k) + ",document_tokens=" + std::to_string(document) +
               ",system_tokens=" + std::to_string(system) + ",question_tokens=" + std::to_string(question) +
               ",output_tokens=" + std::to_string(output) + ",gap_ms=" + std::to_string(gap_ms) +
               ",block_size=" + std::to_string(block) + ",order=" + (sorted ? "sorted" : "retrieved");
    }
};

/// Documents not yet drawn, weight 2^32 / rank: the ticket walks along them.
uint64_t naive_draw(Random& random, const std::vector<uint64_t>& taken, uint64_t documents) {
    auto weight = [&](uint64_t d) {
        bool gone = std::find(taken.begin(), taken.end(), d) != taken.end();
        return gone ? 0 : 4294967296u / (d + 1);
    };
    uint64_t all = 0;
    for (uint64_t d = 0; d < documents; ++d) all += weight(d);
    uint64_t ticket = random.below(all);
    uint64_t d = 0;
    while (ticket >= weight(d)) ticket -= weight(d++);
    return d;
}

struct NaivePrompt {
    std::vector<uint64_t> documents;  ///< as they stand in the prompt
    std::vector<uint64_t> tokens;
    uint64_t output, arrival_ms;
};

std::vector<NaivePrompt> naive_prompts(const Corpus& c, uint64_t seed) {
    Random random(seed);
    auto around = [&](uint64_t mean) { return mean == 0 ? 0 : random.between(1, 2 * mean - 1); };
    std::vector<uint64_t> lengths;
    for (uint64_t d = 0; d < c.documents; ++d) lengths.push_back(around(c.document));
    std::vector<NaivePrompt> prompts;
    uint64_t now = 0;
    for (uint64_t r = 0; r < c.requests; ++r) {
        NaivePrompt p;
        while (p.documents.size() < c.top_k) p.documents.push_back(naive_draw(random, p.documents, c.documents));
        if (c.sorted) std::sort(p.documents.begin(), p.documents.end());
        for (uint64_t i = 0; i < c.system; ++i) p.tokens.push_back(i);
        for (uint64_t d : p.documents)
            for (uint64_t i = 0; i < lengths[d]; ++i) p.tokens.push_back((d + 1) << 32 | i);
        uint64_t question = around(c.question);
        for (uint64_t i = 0; i < question; ++i) p.tokens.push_back((c.documents + 1 + r) << 32 | i);
        p.output = around(c.output);
        p.arrival_ms = now;
        now += random.between(0, 2 * c.gap_ms);
        prompts.push_back(p);
    }
    return prompts;
}

uint64_t ceiling(const std::string& spec) {
    uint64_t hits = 0;
    for (uint32_t h : unlimited_hits_of(generate_trace(spec, 1))) hits += h;
    return hits;
}

}  // namespace

TEST_CASE("rag: the tokens of the prompts decide which blocks are the same") {
    CHECK(kvsim_test::random_check([](uint64_t seed, bool sorted) {
        Random dice(seed);
        uint64_t documents = dice.between(1, 12);
        Corpus c{30, documents, dice.between(0, std::min<uint64_t>(documents, 4)), dice.between(1, 6),
                 dice.between(0, 9), dice.between(1, 4), dice.between(0, 3), dice.between(0, 50),
                 dice.between(1, 7), sorted};
        Trace t = generate_trace(c.spec(), seed);
        std::vector<NaivePrompt> prompts = naive_prompts(c, seed);
        RC_ASSERT(t.requests() == c.requests);
        RC_ASSERT(t.block_size == c.block);
        NaiveBlocks blocks;
        for (uint32_t r = 0; r < t.requests(); ++r) {
            RC_ASSERT(t.prompt_tokens[r] == prompts[r].tokens.size());
            RC_ASSERT(t.output_tokens[r] == prompts[r].output);
            RC_ASSERT(t.arrival_s[r] == static_cast<double>(prompts[r].arrival_ms) / 1e3);
            RC_ASSERT(lookup_ids(t, r) == blocks.ids(prompts[r].tokens, c.block, true));
        }
    }));
}

TEST_CASE("rag: both orders draw the same documents, lengths and times") {
    Trace sorted = generate_trace("rag:order=sorted", 5), retrieved = generate_trace("rag:order=retrieved", 5);
    CHECK(sorted.prompt_tokens == retrieved.prompt_tokens);
    CHECK(sorted.output_tokens == retrieved.output_tokens);
    CHECK(sorted.arrival_s == retrieved.arrival_s);
    CHECK(sorted.unique_blocks() < retrieved.unique_blocks());
    CHECK(ceiling("rag:order=sorted") > ceiling("rag:order=retrieved"));
    // One document or none has one order only.
    CHECK(text_of(generate_trace("rag:top_k=1,order=sorted", 5)) ==
          text_of(generate_trace("rag:top_k=1,order=retrieved", 5)));
}

// Two documents, one drawn: weights 2^32 and 2^31, so document 0 is in two thirds of the prompts. All blocks hold
// one token: system 1, document 1, question 1. With 3,000 requests 2,000 are expected, 26 is one standard deviation.
TEST_CASE("rag: popularity is one over the rank") {
    Trace t = generate_trace(
        "rag:requests=3000,documents=2,top_k=1,document_tokens=1,system_tokens=1,question_tokens=1,block_size=1", 1);
    CHECK(t.unique_blocks() == 3 + 3000);
    uint32_t first = lookup_ids(t, 0)[1];
    uint64_t same = 0;
    for (uint32_t r = 0; r < t.requests(); ++r) same += lookup_ids(t, r)[1] == first;
    uint64_t popular = std::max<uint64_t>(same, 3000 - same);
    CHECK(popular > 1900);
    CHECK(popular < 2100);
}

TEST_CASE("rag: edges") {
    // The whole corpus in every prompt: sorted, all of it is shared by all.
    Trace all = generate_trace("rag:requests=20,documents=5,top_k=5,document_tokens=64,system_tokens=0", 1);
    std::set<uint32_t> third;
    for (uint32_t r = 0; r < 20; ++r) third.insert(lookup_ids(all, r)[2]);
    CHECK(third.size() == 1);
    // No documents: what is left is the system prompt, 6 blocks of 16 in 100 tokens.
    Trace none = generate_trace("rag:requests=20,top_k=0,system_tokens=100", 1);
    std::vector<uint32_t> hits = unlimited_hits_of(none);
    CHECK(hits[0] == 0);
    for (uint32_t r = 1; r < 20; ++r) CHECK(hits[r] == 6);
    CHECK(generate_trace("rag:output_tokens=0,requests=3", 1).output_tokens == std::vector<uint32_t>{0, 0, 0});
}

TEST_CASE("rag: wrong parameters") {
    const std::pair<const char*, const char*> wrong[] = {
        {"rag:requests=0", "requests=0: expected a whole number from 1"},
        {"rag:documents=0", "documents=0"},
        {"rag:documents=16777217", "documents=16777217"},
        {"rag:documents=3", "rag: expected top_k of at most the number of documents"},
        {"rag:top_k=-1", "top_k=-1"},
        {"rag:top_k=4097,documents=5000", "top_k=4097"},
        {"rag:document_tokens=0", "document_tokens=0"},
        {"rag:question_tokens=0", "question_tokens=0"},
        {"rag:document_tokens=16777216,top_k=100", "expected system_tokens + 2 x"},
        {"rag:block_size=0", "block_size=0"},
        {"rag:order=random", "order=random: expected one of sorted, retrieved"},
        {"rag:order=", "order=: expected one of"},
        {"rag:topk=3", "did you mean 'top_k'?"},
        {"rag:requests=1e3", "requests=1e3"},
        {"rag:gap_ms=nan", "gap_ms=nan"}};
    for (const auto& [spec, part] : wrong) {
        std::string error = error_of_spec(spec);
        CAPTURE(error);
        CHECK(error.find(part) != std::string::npos);
    }
}

}  // namespace generator_rag_test
