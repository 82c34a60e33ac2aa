// Line charts in Markdown, as code hosts draw them (Mermaid's xychart).
#pragma once

#include <string>
#include <vector>

namespace kvsim {

struct ChartLine {
    std::string name;
    std::vector<double> values;  ///< one per label, in percent
    bool reference = false;      ///< a bound: grey
};

struct MermaidChart {
    std::string title, x_title, y_title;
    std::vector<std::string> labels;  ///< along x
    std::vector<ChartLine> lines;
};

inline constexpr size_t kMostChartLines = 6;  ///< beside references: as many colours as can be told apart

/// A code block and, since such charts have no legend of their own, a line that says which colour is what. "" where
/// there is nothing to draw: fewer than two labels, or no line.
std::string mermaid_chart(const MermaidChart& chart);

/// 950, 1.2k, 15k, 3.4M: short enough for an axis; in full where two would look the same, which Mermaid takes for one.
std::vector<std::string> short_labels(const std::vector<uint64_t>& numbers);

}  // namespace kvsim
