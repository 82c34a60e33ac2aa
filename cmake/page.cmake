# The files of the HTML page (lib/kvsim/report/page/ and Chart.js) as string constants: one generated source that
# compiles in no time, again whenever one of the files changes.
find_file(KVSIM_CHART_JS NAMES chart.min.js chart.umd.js PATHS /usr/share/javascript/chart.js /usr/share/nodejs/chart.js/dist
          NO_DEFAULT_PATH DOC "Chart.js 3 or 4 in one file, which HTML reports carry within them")
if(NOT KVSIM_CHART_JS OR NOT EXISTS "${KVSIM_CHART_JS}")
  message(FATAL_ERROR "Chart.js was not found (KVSIM_CHART_JS=${KVSIM_CHART_JS}): HTML reports draw with it. Install libjs-chart.js "
                      "(apt-get install libjs-chart.js), or name another copy: -DKVSIM_CHART_JS=/path/to/chart.min.js")
endif()

function(kvsim_add_page target)
  set(folder ${CMAKE_CURRENT_SOURCE_DIR}/kvsim/report/page)
  set(scripts base table charts compare strategies series kinds start)  # in this order, as one
  list(TRANSFORM scripts REPLACE "(.+)" "${folder}/\\1.js")
  set(parts frame=${folder}/page.html style=${folder}/page.css notice=${folder}/notice.txt chart=${KVSIM_CHART_JS})
  foreach(script ${scripts})
    list(APPEND parts script=${script})
  endforeach()
  set(embed ${CMAKE_SOURCE_DIR}/cmake/embed.cmake)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/page_parts.cpp)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} "-DOUT=${out}" "-DPARTS=${parts}" -P ${embed}
    DEPENDS ${embed} ${folder}/page.html ${folder}/page.css ${folder}/notice.txt ${scripts} ${KVSIM_CHART_JS}
    COMMENT "Embedding the HTML page" VERBATIM)
  add_library(kvsim_page OBJECT ${out})
  set_target_properties(kvsim_page PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_CLANG_TIDY "" UNITY_BUILD OFF)
  target_include_directories(kvsim_page PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:kvsim_page>)
endfunction()
