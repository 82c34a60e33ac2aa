// A report as comma-separated values: one row per configuration, capacity or kernel.
#pragma once

#include <kvsim/report/exports.h>

namespace kvsim {

bool csv_takes(std::string_view kind);
/// One table of all rows; of several reports with a first column that names them.
std::string export_csv(const NamedReports& reports);

}  // namespace kvsim
