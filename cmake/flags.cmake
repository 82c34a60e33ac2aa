# Flags for our own targets only: link kvsim_flags, never global variables.
add_library(kvsim_flags INTERFACE)
# What runs once per command (reports, options, models) is compiled for people who wait for the compiler.
set(KVSIM_COLD "")
if(KVSIM_SANITIZE)
  set(KVSIM_COLD -O0)
elseif(CMAKE_BUILD_TYPE MATCHES "^Rel")
  set(KVSIM_COLD -O1)
endif()
target_compile_options(kvsim_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wconversion
                                             -Wno-sign-conversion)
# g++ 12 warns falsely about "literal" + std::string at -O3.
target_compile_options(kvsim_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
if(KVSIM_WERROR)
  target_compile_options(kvsim_flags INTERFACE -Werror)
endif()
if(KVSIM_SANITIZE)
  target_compile_options(kvsim_flags INTERFACE -fsanitize=${KVSIM_SANITIZE} -fno-omit-frame-pointer
                                               -fno-sanitize-recover=all)
  target_link_options(kvsim_flags INTERFACE -fsanitize=${KVSIM_SANITIZE})
  target_compile_definitions(kvsim_flags INTERFACE KVSIM_SANITIZED=1)
endif()
if(KVSIM_COVERAGE)
  target_compile_options(kvsim_flags INTERFACE --coverage -O0)
  target_link_options(kvsim_flags INTERFACE --coverage)
endif()
