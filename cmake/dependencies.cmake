# Debian's packages where they are installed, otherwise pinned sources. FIND_PACKAGE_ARGS makes FetchContent try
# find_package first.
include(FetchContent)
set(FETCHCONTENT_QUIET OFF)


FetchContent_Declare(CLI11 GIT_REPOSITORY https://github.com/CLIUtils/CLI11.git GIT_TAG v2.1.2
                     FIND_PACKAGE_ARGS NAMES CLI11)
FetchContent_Declare(nlohmann_json GIT_REPOSITORY https://github.com/nlohmann/json.git GIT_TAG v3.11.2
                     FIND_PACKAGE_ARGS NAMES nlohmann_json)
FetchContent_Declare(simdjson GIT_REPOSITORY https://github.com/simdjson/simdjson.git GIT_TAG v3.0.1
                     FIND_PACKAGE_ARGS NAMES simdjson)
FetchContent_Declare(fmt GIT_REPOSITORY https://github.com/fmtlib/fmt.git GIT_TAG 9.1.0 FIND_PACKAGE_ARGS NAMES fmt)
FetchContent_MakeAvailable(CLI11 nlohmann_json simdjson fmt)

find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(PkgConfig QUIET)

find_path(ZSTD_INCLUDE_DIR zstd.h REQUIRED)
find_library(ZSTD_LIBRARY NAMES zstd REQUIRED)

# Highway: Debian's package has no CMake configuration.
find_path(HWY_INCLUDE_DIR hwy/highway.h REQUIRED)
find_library(HWY_LIBRARY NAMES hwy REQUIRED)
# Loaded only where kernels/cpu/targets.cpp does not answer for it.
set(HWY_IF_NEEDED "-Wl,--push-state,--as-needed,${HWY_LIBRARY},--pop-state")
