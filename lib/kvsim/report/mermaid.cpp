// The grammar as of Mermaid 10.5 to 11 (mermaid.js.org/syntax/xyChart): titles and labels in quotes, numbers without
// exponents, at least one in a list. There is no logarithmic axis, so capacities are labels at equal distances.
#include <kvsim/report/escape.h>
#include <kvsim/report/mermaid.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

namespace kvsim {

namespace {

struct Colour {
    const char *name, *code;
};
// Okabe and Ito's, which people who see fewer colours can tell apart; readable on white and on black.
constexpr Colour kColours[kMostChartLines] = {{"blue", "#0072B2"}, {"orange", "#E69F00"}, {"green", "#009E73"},
                                              {"red", "#D55E00"},  {"pink", "#CC79A7"},   {"light blue", "#56B4E9"}};
constexpr Colour kGrey = {"grey", "#888888"};

std::string short_number(uint64_t n) {
    if (n < 1000) return std::to_string(n);
    double x = static_cast<double>(n);
    const char* unit = "";
    for (const char* next : {"k", "M", "G", "T", "P", "E"}) {
        if (x < 999.5) break;
        x /= 1000;
        unit = next;
    }
    return fmt::format("{:.{}f}{}", x, x < 9.95 ? 1 : 0, unit);
}

}  // namespace

std::vector<std::string> short_labels(const std::vector<uint64_t>& numbers) {
    std::vector<std::string> out;
    for (uint64_t n : numbers) out.push_back(short_number(n));
    if (std::set<std::string>(out.begin(), out.end()).size() == out.size()) return out;
    out.clear();
    for (uint64_t n : numbers) out.push_back(std::to_string(n));
    return out;
}

std::string mermaid_chart(const MermaidChart& chart) {
    if (chart.labels.size() < 2 || chart.lines.empty()) return {};
    double low = 1e300, high = -1e300;
    std::string colours, legend, labels, lines;
    size_t used = 0;
    for (const ChartLine& line : chart.lines) {
        if (!line.reference && used == std::size(kColours)) continue;
        const Colour& colour = line.reference ? kGrey : kColours[used++];
        colours += (colours.empty() ? "" : ", ") + std::string(colour.code);
        legend += (legend.empty() ? "" : " · ") + std::string(colour.name) + ": " + markdown_code(line.name);
        std::string values;
        for (double v : line.values) {
            low = std::min(low, v);
            high = std::max(high, v);
            values += fmt::format("{}{:.2f}", values.empty() ? "" : ", ", v);
        }
        lines += "    line " + mermaid_text(line.name) + " [" + values + "]\n";
    }
    for (const std::string& label : chart.labels) labels += (labels.empty() ? "" : ", ") + mermaid_text(label);
    double from = 10 * std::floor(low / 10), to = 10 * std::ceil(high / 10);
    if (to <= from) to = from + 10;
    return fmt::format("```mermaid\n---\nconfig:\n    xyChart:\n        width: 900\n    themeVariables:\n        xyChart:\n"
                       "            plotColorPalette: \"{}\"\n---\nxychart-beta\n    title {}\n    x-axis {} [{}]\n"
                       "    y-axis {} {:.0f} --> {:.0f}\n{}```\n\n{}\n\n",
                       colours, mermaid_text(chart.title), mermaid_text(chart.x_title), labels, mermaid_text(chart.y_title), from, to,
                       lines, legend);
}

}  // namespace kvsim
