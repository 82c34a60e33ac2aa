// Small reports: lists of what there is, problems of a trace.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace kvsim {

struct ListRow {
    std::string id, summary;
    std::string detail;  ///< parameters, caveats; may be empty
    std::vector<std::pair<std::string, std::string>> facts = {};       ///< what the detail says, as keys of the JSON
    std::vector<std::pair<std::string, std::string>> parameters = {};  ///< "page=1": what it is; a line each
};

struct ListSection {
    std::string title;
    std::vector<ListRow> rows;
};

/// Lines of at most `width` columns, as far as words allow; 0: as long as they are.
std::string list_table(const std::vector<ListSection>& sections, bool color, size_t width = 0);
/// kind "list"; with a final newline.
std::string list_json(const std::vector<ListSection>& sections);

/// kind "trace_validate"; with a final newline.
std::string problems_json(const std::string& trace, const std::string& format, const std::vector<std::string>& problems);

}  // namespace kvsim
