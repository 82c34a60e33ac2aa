// agents: with room for everything a step misses only what is new in it.
#include <kvsim/core/random.h>
#include "support/random_check.h"

#include <algorithm>
#include <set>

#include "generated.h"
#include "load_text.h"

namespace generator_agents_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

std::string small_spec(uint64_t block) {
    return "agents:sessions=6,types=2,steps=4,system_tokens=20,tools_tokens=15,task_tokens=6,output_tokens=9,"
           "result_tokens=8,gap_ms=200,tool_ms=300,block_size=" +
           std::to_string(block);
}

}  // namespace

TEST_CASE("agents: an unlimited cache hits all of the last prompt and output, in full blocks") {
    CHECK(kvsim_test::random_check([](uint64_t seed) {
        uint64_t block = 1 + seed % 19;
        Trace t = generate_trace(small_spec(block), seed);
        // The generator draws the lengths of the tool definitions first.
        Random random(seed);
        uint64_t openings[2];
        for (uint64_t& tokens : openings) tokens = 20 + random.between(1, 29);
        std::vector<uint32_t> hits = unlimited_hits_of(t);
        std::map<std::string, uint32_t> last;  // request of a session's last step
        std::set<std::string> seen;            // agent types
        double before = 0;
        for (uint32_t r = 0; r < t.requests(); ++r) {
            RC_ASSERT(t.arrival_s[r] >= before);
            before = t.arrival_s[r];
            const std::string& session = t.session[r];
            const std::string& type = t.category[r];
            RC_ASSERT(type == "agent0" || type == "agent1");
            uint64_t opening = openings[type.back() - '0'];
            RC_ASSERT(t.sequence[r] == session + "t" + std::to_string(t.turn[r]));
            if (t.turn[r] == 1) {
                RC_ASSERT(last.count(session) == 0);
                RC_ASSERT(t.parent[r].empty());
                RC_ASSERT(t.prompt_tokens[r] > opening);
                RC_ASSERT(hits[r] == (seen.count(type) != 0 ? opening / block : 0));
            } else {
                uint32_t p = last.at(session);
                RC_ASSERT(t.turn[r] == t.turn[p] + 1);
                RC_ASSERT(t.parent[r] == t.sequence[p]);
                RC_ASSERT(t.category[r] == t.category[p]);
                uint64_t said = uint64_t{t.prompt_tokens[p]} + t.output_tokens[p];
                RC_ASSERT(t.prompt_tokens[r] > said);
                // A tool cannot answer before it is called.
                RC_ASSERT(t.arrival_s[r] >= t.arrival_s[p] + 0.02 * t.output_tokens[p] - 1e-6);
                RC_ASSERT(hits[r] == said / block);
            }
            RC_ASSERT(t.output_tokens[r] >= 1);
            last[session] = r;
            seen.insert(type);
        }
    }));
}

// The same spelled out in tokens: what a session says is (session, position), but for its type's opening.
TEST_CASE("agents: the tokens decide which blocks are the same") {
    CHECK(kvsim_test::random_check([](uint64_t seed) {
        uint64_t block = 1 + seed % 11;
        Trace t = generate_trace(small_spec(block), seed);
        Random random(seed);
        uint64_t openings[2];
        for (uint64_t& tokens : openings) tokens = 20 + random.between(1, 29);
        NaiveBlocks blocks;
        for (uint32_t r = 0; r < t.requests(); ++r) {
            uint64_t type = static_cast<uint64_t>(t.category[r].back() - '0');
            uint64_t session = std::stoull(t.session[r].substr(1));
            std::vector<uint64_t> tokens;
            for (uint64_t i = 0; i < uint64_t{t.prompt_tokens[r]} + t.output_tokens[r]; ++i)
                tokens.push_back((i < openings[type] ? type : 2 + session) << 32 | i);
            std::vector<uint64_t> prompt(tokens.begin(), tokens.begin() + t.prompt_tokens[r]);
            // A partly filled tail is this step's alone: more text follows in its block.
            bool tail = t.prompt_tokens[r] % block != 0;
            if (tail) prompt.push_back(uint64_t{1} << 63 | r);
            RC_ASSERT(lookup_ids(t, r) == blocks.ids(prompt, block, tail));
            if (!t.has_named_output() || t.stored_rows[r] == kNone) continue;
            RC_ASSERT(ids_of(t, t.stored_rows[r]) == blocks.ids(tokens, block, false));
        }
    }));
}

TEST_CASE("agents: sessions interleave, and share within a type only") {
    Trace t = generate_trace("agents", 1);
    uint32_t switches = 0;
    for (uint32_t r = 1; r < t.requests(); ++r) switches += t.session[r] != t.session[r - 1];
    CHECK(switches > t.requests() / 2);
    CHECK(t.session.names().size() == 50);
    CHECK(t.category.names().size() == 3);
    std::map<uint32_t, std::string> first;  // first block to agent type
    for (uint32_t r = 0; r < t.requests(); ++r)
        CHECK(first.emplace(lookup_ids(t, r)[0], t.category[r]).first->second == t.category[r]);
    CHECK(first.size() == 3);
}

TEST_CASE("agents: edges") {
    // One step per session, no tool definitions.
    Trace one = generate_trace("agents:steps=1,tools_tokens=0,sessions=9,system_tokens=64", 1);
    CHECK(one.requests() == 9);
    for (uint32_t r = 0; r < 9; ++r) CHECK(one.turn[r] == 1);
    // A block that no answer completes: nothing has a second chain.
    CHECK(!generate_trace("agents:steps=1,block_size=1048576,sessions=3", 1).has_named_output());
    // A context that is too small ends sessions early.
    Trace cut = generate_trace("agents:context_tokens=4000", 1);
    for (uint32_t r = 0; r < cut.requests(); ++r) CHECK(cut.prompt_tokens[r] + cut.output_tokens[r] <= 4000);
    CHECK(cut.requests() < generate_trace("agents", 1).requests());
}

TEST_CASE("agents: wrong parameters") {
    const std::pair<const char*, const char*> wrong[] = {
        {"agents:sessions=0", "sessions=0"},
        {"agents:types=0", "types=0"},
        {"agents:steps=0", "steps=0: expected a whole number from 1 to 10000"},
        {"agents:output_tokens=0", "output_tokens=0"},
        {"agents:result_tokens=-5", "result_tokens=-5"},
        {"agents:context_tokens=10", "agents: context_tokens leave no room for a single step"},
        {"agents:block_size=0", "block_size=0"},
        {"agents:turns=5", "has no parameter 'turns'"},
        {"agent", "did you mean 'agents'?"}};
    for (const auto& [spec, part] : wrong) {
        std::string error = error_of_spec(spec);
        CAPTURE(error);
        CHECK(error.find(part) != std::string::npos);
    }
}

}  // namespace generator_agents_test
