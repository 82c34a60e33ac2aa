#include <kvsim/report/check.h>
#include <kvsim/report/export_junit.h>
#include <kvsim/report/results_json.h>

namespace kvsim {

bool junit_takes(std::string_view kind) { return kind == "check"; }

std::string export_junit(const Json& report) { return check_junit(report); }

}  // namespace kvsim
