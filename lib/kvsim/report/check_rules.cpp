#include <kvsim/core/error.h>
#include <kvsim/core/units.h>
#include <kvsim/report/check.h>

#include <algorithm>

namespace kvsim {

const char* check_option(CheckKind kind) {
    switch (kind) {
        case CheckKind::max_drop:
            return "max-drop";
        case CheckKind::max_rise:
            return "max-rise";
        case CheckKind::min:
            return "min";
        case CheckKind::max:
            return "max";
        case CheckKind::fail_if:
            return "fail-if";
    }
    return "";
}

static std::string trimmed(const std::string& text) {
    size_t first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
    return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

// "0.005", "40GiB" (exactly), and "1%" where a share of the baseline is meant.
static void parse_limit(CheckRule& rule, const std::string& option) {
    std::string number = rule.limit_text;
    rule.relative = rule.needs_baseline() && !number.empty() && number.back() == '%';
    if (rule.relative) number.pop_back();
    std::optional<Exact> value = Exact::parse(number);
    if (!value && !rule.relative && !number.empty() && number.back() == 'B' && number[0] != '-')
        value = Exact(parse_size_bytes(number, option));
    if (!value)
        throw_input(option + ": expected a number" +
                    (rule.needs_baseline() ? ", or a percentage of the baseline," : "") + " behind " + rule.key +
                    ", found '" + rule.limit_text + "'");
    rule.limit = rule.relative ? *value * Exact::ratio(1, 100) : *value;
    if (rule.needs_baseline() && rule.limit < Exact()) throw_input(option + ": expected what may be lost, 0 or more");
}

CheckRule CheckRule::parse(CheckKind kind, const std::string& text) {
    CheckRule rule;
    rule.kind = kind;
    rule.text = trimmed(text);
    const std::string option = "--" + std::string(check_option(kind)) + " " + rule.text;
    bool compares = kind == CheckKind::fail_if;
    size_t end = compares ? rule.text.find_last_of("<>=!") : rule.text.rfind('=');
    size_t begin = end;
    if (end != std::string::npos && compares && end > 0 &&
        std::string("<>=!").find(rule.text[end - 1]) != std::string::npos)
        --begin;
    if (end != std::string::npos) {
        rule.key = trimmed(rule.text.substr(0, begin));
        rule.limit_text = trimmed(rule.text.substr(end + 1));
        if (compares) rule.op = rule.text.substr(begin, end + 1 - begin);
    }
    static const std::vector<std::string> known = {"<", "<=", ">", ">=", "==", "!="};
    bool good = end != std::string::npos && !rule.key.empty() && rule.key.find_first_of("<>!") == std::string::npos;
    if (!good || (compares && std::find(known.begin(), known.end(), rule.op) == known.end()))
        throw_input(option + (compares
                                  ? ": expected one comparison, KEY < V (or <= > >= == !=)"
                                  : ": expected KEY=V, for example token_hit_rate=" +
                                        std::string(rule.needs_baseline() ? "0.005 or token_hit_rate=1%" : "0.3")));
    parse_limit(rule, option);
    return rule;
}

std::string CheckRule::str() const { return "--" + std::string(check_option(kind)) + " " + text; }

std::string CheckRule::allowed() const {
    switch (kind) {
        case CheckKind::max_drop:
            return "drop <= " + limit_text;
        case CheckKind::max_rise:
            return "rise <= " + limit_text;
        case CheckKind::min:
            return ">= " + limit_text;
        case CheckKind::max:
            return "<= " + limit_text;
        case CheckKind::fail_if:
            break;
    }
    static const std::pair<const char*, const char*> opposites[] = {{"<", ">="}, {"<=", ">"},  {">", "<="},
                                                                    {">=", "<"}, {"==", "!="}, {"!=", "=="}};
    for (const auto& [is, is_not] : opposites)
        if (op == is) return std::string(is_not) + " " + limit_text;
    return "";
}

}  // namespace kvsim
