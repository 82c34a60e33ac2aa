#include <kvsim/core/error.h>
#include <kvsim/core/spec.h>
#include <kvsim/core/suggest.h>
#include <kvsim/engine/vllm_options.h>

#include <fmt/format.h>

#include <algorithm>

namespace kvsim {

static constexpr uint64_t kMostTokens = uint64_t{1} << 40;  // far beyond any batch
static constexpr uint64_t kLongestWindow = 0x7FFFFFFF;
static constexpr size_t kMostGroups = 16;

static uint32_t parse_group(const std::string& text, const std::string& all) {
    if (text == "full") return 0;
    uint64_t window = 0;
    if (text.rfind("window:", 0) == 0 && parse_whole(text.substr(7), window) && window >= 1 && window <= kLongestWindow)
        return static_cast<uint32_t>(window);
    throw_input("groups=" + all + ": expected full, window:TOKENS, or several of them joined by +, not " + text +
                (text.rfind("window", 0) == 0 ? "" : did_you_mean(text.substr(0, text.find(':')), {"full", "window"})));
}

static std::vector<uint32_t> parse_groups(const std::string& text) {
    std::vector<uint32_t> windows;
    for (size_t begin = 0; begin <= text.size();) {
        size_t end = std::min(text.find('+', begin), text.size());
        windows.push_back(parse_group(text.substr(begin, end - begin), text));
        if (windows.back() == 0 && windows.size() > 1 && windows[windows.size() - 2] != 0)
            throw_input("groups=" + text + ": expected full before all windows");
        begin = end + 1;
    }
    if (windows.size() > kMostGroups)
        throw_input("groups=" + text + ": expected at most " + std::to_string(kMostGroups) + " groups");
    return windows;
}

VllmOptions VllmOptions::parse(const std::string& engine) {
    Spec spec = Spec::parse(engine);
    VllmOptions o;
    o.classic = spec.id() == "vllm_classic";
    o.caching = spec.on_off("caching", o.caching);
    o.watermark = spec.number("watermark", o.watermark, 0, 1);
    o.reserve_full = spec.on_off("reserve_full", o.reserve_full);
    o.by_priority = spec.choice("policy", "fcfs", {"fcfs", "priority"}) == "priority";
    o.max_num_seqs = spec.whole("max_num_seqs", o.max_num_seqs, 1, kMostTokens);
    o.max_num_batched_tokens = spec.whole("max_num_batched_tokens", o.max_num_batched_tokens, 1, kMostTokens);
    o.windows = parse_groups(spec.text("groups", "full"));
    o.step_ms = spec.number("step_ms", o.step_ms, 1e-3, 1e9);
    spec.finish();
    return o;
}

std::string VllmOptions::text() const {
    std::string groups;
    for (uint32_t window : windows)
        groups += (groups.empty() ? "" : "+") + (window == 0 ? "full" : "window:" + std::to_string(window));
    return fmt::format(
        "{}:caching={},watermark={},reserve_full={},policy={},max_num_seqs={},max_num_batched_tokens={},"
        "groups={},step_ms={}",
        classic ? "vllm_classic" : "vllm", caching ? "on" : "off", watermark, reserve_full ? "on" : "off",
        by_priority ? "priority" : "fcfs", max_num_seqs, max_num_batched_tokens, groups, step_ms);
}

std::string VllmOptions::short_text() const {
    std::string all = text(), out = all.substr(0, all.find(':')), usual = "," + VllmOptions{}.text() + ",";
    usual[usual.find(':')] = ',';
    const char* separator = ":";
    for (size_t begin = out.size() + 1; begin < all.size();) {
        size_t end = std::min(all.find(',', begin), all.size());
        std::string item = all.substr(begin, end - begin);
        begin = end + 1;
        if (usual.find("," + item + ",") != std::string::npos) continue;
        out += separator + item;
        separator = ",";
    }
    return out;
}

std::vector<std::pair<std::string, std::string>> VllmOptions::parameters() {
    return {
        {"caching=on", "off: nothing is looked up or published, and blocks are released in the classic order"},
        {"watermark=0", "share of all blocks that stays free when a request is admitted while another is running"},
        {"reserve_full=on", "a request is admitted only if its whole prompt fits, not just the first chunk of it"},
        {"policy=fcfs",
         "fcfs or priority: who is admitted first and who is preempted; the smallest priority goes first"},
        {"max_num_seqs=128", "requests running at once, at most (with a scheduler)"},
        {"max_num_batched_tokens=2048",
         "tokens computed in one step, at most (with a scheduler); longer prompts are chunked"},
        {"groups=full",
         "groups of layers with block tables of their own on one pool: full, window:TOKENS, "
         "full+window:TOKENS, ..."},
        {"step_ms=25", "with --arrivals time: milliseconds that one step takes (an assumption)"},
    };
}

}  // namespace kvsim
