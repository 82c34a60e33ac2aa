# CUDA is optional: KVSIM_CUDA=AUTO uses it when nvcc is found, ON requires it, OFF ignores it. The runtime is linked
# statically and the driver never: a binary built here starts, and says why there is no GPU, on a machine without one.
set(KVSIM_CUDA_ARCHITECTURES "80-real;90-real;100-real;100-virtual" CACHE STRING
    "GPUs that CUDA kernels are compiled for, as CMAKE_CUDA_ARCHITECTURES; newer ones need a -virtual")
# A product that is added is rounded before, as on the CPU (-fmad=false; sums of attention ask for fused ones by name).
# -Wpedantic and -Wold-style-cast would blame nvcc's own lines.
set(KVSIM_CUDA_FLAGS -fmad=false -Xptxas=-warn-spills
    -Xcompiler=-Wall,-Wextra,-Wshadow,-Wconversion,-Wno-sign-conversion)
set(KVSIM_HAVE_CUDA OFF)
if(KVSIM_CUDA STREQUAL "OFF")
  set(KVSIM_CUDA_STATUS "off (KVSIM_CUDA=OFF)")
elseif(KVSIM_CUDA STREQUAL "AUTO" OR KVSIM_CUDA STREQUAL "ON")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(KVSIM_HAVE_CUDA ON)
  elseif(KVSIM_CUDA STREQUAL "ON")
    message(FATAL_ERROR "KVSIM_CUDA=ON but nvcc was not found; install the CUDA Toolkit or use KVSIM_CUDA=AUTO")
  else()
    set(KVSIM_CUDA_STATUS "off (nvcc not found)")
  endif()
else()
  message(FATAL_ERROR "KVSIM_CUDA=${KVSIM_CUDA}: expected AUTO, ON or OFF")
endif()

if(KVSIM_HAVE_CUDA)
  set(CMAKE_CUDA_ARCHITECTURES ${KVSIM_CUDA_ARCHITECTURES})
  enable_language(CUDA)
  # CMake 3.25.1 does not know that nvcc has C++20 and stops at 17.
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
  endif()
  find_package(CUDAToolkit REQUIRED)
  string(REPLACE ";" "," KVSIM_CUDA_STATUS "${KVSIM_CUDA_ARCHITECTURES}")
  set(KVSIM_CUDA_STATUS "nvcc ${CMAKE_CUDA_COMPILER_VERSION} for ${KVSIM_CUDA_STATUS}")
endif()
message(STATUS "CUDA kernels: ${KVSIM_CUDA_STATUS}")

# kernels/cuda/*.cu, and what of the library calls them, into `target`. Without CUDA nothing changes.
function(kvsim_add_cuda target)
  if(NOT KVSIM_HAVE_CUDA)
    return()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels/cuda/*.cu)
  add_library(kvsim_cuda OBJECT ${sources})
  target_include_directories(kvsim_cuda PRIVATE ${CMAKE_SOURCE_DIR})
  set_target_properties(kvsim_cuda PROPERTIES CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON CUDA_EXTENSIONS OFF
                        POSITION_INDEPENDENT_CODE ON COMPILE_WARNING_AS_ERROR ${KVSIM_WERROR})
  target_compile_options(kvsim_cuda PRIVATE ${KVSIM_CUDA_FLAGS})
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:kvsim_cuda>)
  target_include_directories(${target} SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
  target_link_libraries(${target} PRIVATE CUDA::cudart_static)
  string(REPLACE ";" "," architectures "${KVSIM_CUDA_ARCHITECTURES}")
  set_property(SOURCE kvsim/backend/cuda.cpp APPEND PROPERTY COMPILE_DEFINITIONS
               "KVSIM_CUDA_ARCHITECTURES=\"${architectures}\"")
  set_property(SOURCE kvsim/backend/cuda.cpp kvsim/backend/cuda_swap.cpp kvsim/backend/cuda_time.cpp
               APPEND PROPERTY COMPILE_DEFINITIONS KVSIM_HAVE_CUDA=1)
endfunction()
