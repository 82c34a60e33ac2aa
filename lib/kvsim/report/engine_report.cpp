// What an engine says in its own words, and why a request hit no more.
#include <kvsim/core/units.h>
#include <kvsim/report/results_json.h>
#include <kvsim/report/rows.h>

namespace kvsim {

namespace {

std::string number_text(const EngineNumber& n) {
    if (const auto* whole = std::get_if<uint64_t>(&n.value)) return format_count(*whole);
    return fmt::format("{:.4f}", std::get<double>(n.value));
}

}  // namespace

Json engine_json(const ReplayReport& report) {
    const EngineRow& row = *engine_of(report.options->cache);
    Json j = {{"id", row.id}, {"upstream_commit", row.upstream_commit}, {"rules_date", row.rules_date}, {"verified", row.verified}};
    Json numbers = Json::object();
    for (const EngineNumber& n : report.outcome->run.engine->numbers)
        std::visit([&](auto value) { numbers[n.key] = value; }, n.value);
    j["numbers"] = std::move(numbers);
    return j;
}

Json explanation_json(const ReplayReport& report) {
    const Explanation& e = *report.explanation;
    Json j = {{"request", e.request},           {"seq", report.trace->sequence_name(e.request)},
              {"prompt_tokens", e.prompt_tokens}, {"hit_tokens", e.hit_tokens}};
    if (e.cached_tokens) j["cached_tokens"] = *e.cached_tokens;
    j["missed_block"] = e.missed_block;
    j["missed_token"] = e.missed_token;
    j["cause"] = id_of(e.cause);
    if (e.other) j["other_request"] = *e.other;
    j["text"] = e.text;
    if (!e.difference.empty()) j["difference"] = e.difference;
    return j;
}

void define_engine(Definitions& d, const ReplayReport& report) {
    const EngineRow* row = engine_of(report.options->cache);
    if (!row) return;
    d.emplace_back("engine", "the rules of " + row->upstream_commit + " (" + row->rules_date + "), " +
                                 (row->verified == "recorded runs"
                                      ? "which were held against recorded runs of the engine's own code; this implementation is held "
                                        "against these rules and the hit rates of the recorded runs"
                                      : "known from reading alone"));
    for (const EngineNumber& n : report.outcome->run.engine->numbers) d.emplace_back("engine.numbers." + n.key, n.what);
    if (report.explanation)
        d.emplace_back("explain", "the first block behind a request's hits, and what became of it before the request was looked up; "
                                  "other_request: for whom it was evicted, who stored it, or who shares most of the prompt");
}

void add_engine(Rows& rows, const ReplayReport& report) {
    if (!report.outcome->run.engine) return;
    rows.gap();
    for (const EngineNumber& n : report.outcome->run.engine->numbers) rows.add(n.key, number_text(n), n.what);
}

std::string explanation_text(const ReplayReport& report) {
    if (!report.explanation) return {};
    const Explanation& e = *report.explanation;
    std::string out = fmt::format("\n  request {} ({}): {} of {} prompt tokens hit\n    {}: {}\n", e.request,
                                  printable(report.trace->sequence_name(e.request)), format_count(e.hit_tokens),
                                  format_count(e.prompt_tokens), id_of(e.cause), printable(e.text));
    if (!e.difference.empty()) out += "    " + printable(e.difference) + "\n";
    return out;
}

}  // namespace kvsim
