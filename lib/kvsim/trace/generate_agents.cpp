// Agents that call tools in a loop. Every agent type has a system prompt and tool definitions of its own, which
// all its sessions begin with. A session's first prompt adds the task; each step answers (a tool call), waits for
// the tool, and sends everything so far with the tool's result appended. Many sessions run at once, so their steps
// interleave, and while one waits for a slow tool the others may push its blocks out.
//
// Output always has names: what step n decodes is what prompt n + 1 holds, so with room for everything step n + 1
// misses only the tool's result and the block that the output left partly filled. A request's category is the
// agent type, its parent the step before.
#include <kvsim/core/error.h>
#include <kvsim/core/random.h>
#include <kvsim/trace/format.h>
#include <kvsim/trace/generate_sessions.h>
#include <kvsim/trace/generator.h>

#include <algorithm>

namespace kvsim {
namespace {

struct AgentsParameters {
    uint64_t sessions, types, steps, system_tokens, tools_tokens, task_tokens, output_tokens, result_tokens,
        context_tokens, tool_ms, token_ms, gap_ms, block_size;
};

AgentsParameters read_agents_parameters(Spec& spec) {
    AgentsParameters p;
    p.sessions = spec.whole("sessions", 50, 1, 10000000);
    p.types = spec.whole("types", 3, 1, 1000000);
    p.steps = spec.whole("steps", 8, 1, 10000);
    p.system_tokens = spec.whole("system_tokens", 600, 0, 1u << 24);
    p.tools_tokens = spec.whole("tools_tokens", 1500, 0, 1u << 24);
    p.task_tokens = spec.whole("task_tokens", 200, 1, 1u << 24);
    p.output_tokens = spec.whole("output_tokens", 150, 1, 1u << 24);
    p.result_tokens = spec.whole("result_tokens", 400, 1, 1u << 24);
    p.context_tokens = spec.whole("context_tokens", 131072, 1, 1u << 30);
    p.tool_ms = spec.whole("tool_ms", 2000, 0, 1u << 30);
    p.token_ms = spec.whole("token_ms", 20, 0, 100000);
    p.gap_ms = spec.whole("gap_ms", 5000, 0, 1u << 30);
    p.block_size = spec.whole("block_size", 16, 1, kMaxBlockSize);
    spec.finish();
    return p;
}

uint64_t some(Random& random, uint64_t mean) { return std::max<uint64_t>(1, random.skewed(mean)); }

std::vector<SessionTurn> make_steps(const AgentsParameters& p, const std::vector<uint64_t>& openings, Random& random) {
    std::vector<SessionTurn> all;
    uint64_t session_ms = 0;
    for (uint32_t session = 0; session < p.sessions; ++session) {
        auto type = static_cast<uint32_t>(random.below(p.types));
        uint64_t steps = random.between(1, 2 * p.steps - 1);
        uint64_t prompt = openings[type] + some(random, p.task_tokens);
        uint64_t now = session_ms;
        for (uint32_t step = 1; step <= steps; ++step) {
            uint64_t output = some(random, p.output_tokens);
            if (prompt + output > p.context_tokens) break;
            all.push_back(
                {now, session, step, type, static_cast<uint32_t>(prompt), static_cast<uint32_t>(output)});
            prompt += output + some(random, p.result_tokens);
            now += output * p.token_ms + random.skewed(p.tool_ms);
        }
        session_ms += random.between(0, 2 * p.gap_ms);
    }
    return all;
}

Trace generate_agents(Spec& spec, uint64_t seed) {
    AgentsParameters p = read_agents_parameters(spec);
    Random random(seed);
    std::vector<uint64_t> openings;
    for (uint64_t type = 0; type < p.types; ++type)
        openings.push_back(p.system_tokens +
                           (p.tools_tokens == 0 ? 0 : random.between(1, 2 * p.tools_tokens - 1)));
    std::vector<SessionTurn> steps = make_steps(p, openings, random);
    if (steps.empty()) throw_input("agents: context_tokens leave no room for a single step");
    return session_trace(std::move(steps), {p.block_size, std::move(openings), "agent", true, true});
}

}  // namespace

GeneratorRow agents_generator() {
    return {"agents",
            "agents calling tools in loops: shared tool definitions, named output, parents",
            {{"sessions", "50", "tasks given to agents"},
             {"types", "3", "agent types, each with a system prompt and tools of its own"},
             {"steps", "8", "mean steps per session, uniform from 1 to twice the mean less 1"},
             {"system_tokens", "600", "length of each type's system prompt"},
             {"tools_tokens", "1500", "mean tool definitions of a type, uniform from 1 to twice the mean less 1"},
             {"task_tokens", "200", "mean task a session begins with, long tail"},
             {"output_tokens", "150", "mean output of a step, long tail"},
             {"result_tokens", "400", "mean tool result, long tail"},
             {"context_tokens", "131072", "a session ends before prompt and output exceed this"},
             {"tool_ms", "2000", "mean time a tool takes, long tail"},
             {"token_ms", "20", "time to write one output token"},
             {"gap_ms", "5000", "mean time between sessions' starts, uniform from 0 to twice the mean"},
             {"block_size", "16", "tokens per block"}},
            generate_agents};
}

}  // namespace kvsim
