#include <kvsim/report/export_markdown.h>
#include <kvsim/report/results_json.h>

namespace kvsim {

bool markdown_takes(std::string_view) { return false; }

std::string export_markdown(const Json&) { return {}; }

}  // namespace kvsim
