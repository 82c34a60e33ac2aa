#include <kvsim/report/check.h>
#include <kvsim/report/export_markdown.h>
#include <kvsim/report/results_json.h>

namespace kvsim {

bool markdown_takes(std::string_view kind) { return kind == "check"; }

std::string export_markdown(const Json& report) { return check_markdown(report); }

}  // namespace kvsim
