// A report as JUnit XML: one test case per configuration.
#pragma once

#include <kvsim/report/exports.h>

namespace kvsim {

bool junit_takes(std::string_view kind);
/// Their test suites in one file.
std::string export_junit(const NamedReports& reports);

}  // namespace kvsim
