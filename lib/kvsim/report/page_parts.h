// The files of the HTML page, embedded by cmake/page.cmake.
#pragma once

#include <string_view>

namespace kvsim::page {

extern const std::string_view frame;  ///< with @name@ where something is put in
extern const std::string_view style;
extern const std::string_view script;
extern const std::string_view chart;   ///< Chart.js
extern const std::string_view notice;  ///< its licence

}  // namespace kvsim::page
