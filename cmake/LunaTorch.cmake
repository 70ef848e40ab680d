# luna::torch: libtorch from an unpacked wheel. Not find_package(Torch): it puts fmt, protobuf and pybind11 copies
# in front of the system's and adds rpaths and definitions that are not ours.
set(LUNA_TORCH_VERSION_WANTED 2.13.0)
set(LUNA_TORCH_ROOT "${PROJECT_SOURCE_DIR}/.deps/torch-${LUNA_TORCH_VERSION_WANTED}-cpu/torch"
    CACHE PATH "folder 'torch' of an unpacked wheel or libtorch archive")
if(NOT EXISTS ${LUNA_TORCH_ROOT}/lib/libtorch_cpu.so)
  message(FATAL_ERROR "no libtorch in ${LUNA_TORCH_ROOT}: run scripts/setup, or pass -DLUNA_TORCH_ROOT=<folder>")
endif()
foreach(_l c10 torch_cpu)
  find_library(TORCH_${_l} ${_l} PATHS ${LUNA_TORCH_ROOT}/lib NO_DEFAULT_PATH REQUIRED)
endforeach()
file(STRINGS ${LUNA_TORCH_ROOT}/include/torch/headeronly/version.h _torch_version
     REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
string(REGEX REPLACE "[^0-9]+([0-9]+)[^0-9]+([0-9]+)[^0-9]+([0-9]+).*" "\\1.\\2.\\3"
       LUNA_TORCH_VERSION "${_torch_version}")
if(NOT LUNA_TORCH_VERSION VERSION_EQUAL LUNA_TORCH_VERSION_WANTED)
  message(FATAL_ERROR "libtorch ${LUNA_TORCH_VERSION} found, ${LUNA_TORCH_VERSION_WANTED} wanted: run scripts/setup")
endif()

add_library(luna_torch INTERFACE)
add_library(luna::torch ALIAS luna_torch)
target_compile_options(luna_torch INTERFACE
  "SHELL:-idirafter ${LUNA_TORCH_ROOT}/include"
  "SHELL:-idirafter ${LUNA_TORCH_ROOT}/include/torch/csrc/api/include")
target_link_libraries(luna_torch INTERFACE ${TORCH_torch_cpu} ${TORCH_c10})

# FBGEMM's headers include asmjit's, which wheels do not have, for the names of three classes: sources that use FBGEMM
# have COMPILE_OPTIONS ${LUNA_FBGEMM_OPTIONS}.
set(LUNA_FBGEMM_OPTIONS -idirafter ${PROJECT_BINARY_DIR}/asmjit-names)
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/asmjit-names/asmjit/core.h CONTENT "#pragma once
#define ASMJIT_LIBRARY_VERSION 0
#define ASMJIT_LIBRARY_MAKE_VERSION(major, minor, patch) 1
namespace asmjit::x86 {
class Xmm;
class Ymm;
class Zmm;
}
")
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/asmjit-names/asmjit/x86.h CONTENT "")

set(LUNA_TORCH_HAS_CUDA OFF)
if(EXISTS ${LUNA_TORCH_ROOT}/lib/libtorch_cuda.so)
  set(LUNA_TORCH_HAS_CUDA ON)
  # NVIDIA's wheels beside torch bring the headers and the library; else a toolkit of this machine does.
  file(GLOB _cuda_headers ${LUNA_TORCH_ROOT}/../nvidia/cu*/include)
  file(GLOB _cudart ${LUNA_TORCH_ROOT}/../nvidia/cu*/lib/libcudart.so.*)
  if(EXISTS "${_cuda_headers}/crt/host_defines.h" AND _cudart)
    target_compile_options(luna_torch INTERFACE "SHELL:-idirafter ${_cuda_headers}")
  else()
    find_package(CUDAToolkit REQUIRED)
    set(_cudart CUDA::cudart)
  endif()
  target_compile_definitions(luna_torch INTERFACE LUNA_CUDA=1)
  # Nothing refers to a symbol of libtorch_cuda: without this the linker drops it.
  target_link_libraries(luna_torch INTERFACE
    "-Wl,--push-state,--no-as-needed,${LUNA_TORCH_ROOT}/lib/libtorch_cuda.so,--pop-state"
    ${LUNA_TORCH_ROOT}/lib/libc10_cuda.so ${_cudart})
endif()
