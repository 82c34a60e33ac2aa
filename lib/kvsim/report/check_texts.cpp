// The gate from files: apart from check.cpp, which needs no exports.
#include <kvsim/report/check.h>
#include <kvsim/report/exports.h>
#include <kvsim/report/results_json.h>

namespace kvsim {

Check check_texts(const std::string& file, const std::string& text, const std::string& baseline_file,
                  const std::string* baseline_text, const CheckOptions& options) {
    Json report = read_report(file, text), baseline;
    if (baseline_text) baseline = read_report(baseline_file, *baseline_text);
    return check_reports(file, report, baseline_file, baseline_text ? &baseline : nullptr, options);
}

}  // namespace kvsim
