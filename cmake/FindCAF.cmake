# Debian's libcaf-dev ships no CMake files. Targets: CAF::core CAF::io (the names that CAF 1.x exports).
find_path(CAF_INCLUDE_DIR caf/config.hpp)
foreach(_part core io)
  find_library(CAF_${_part}_LIBRARY caf_${_part})
endforeach()

if(CAF_INCLUDE_DIR)
  file(STRINGS ${CAF_INCLUDE_DIR}/caf/config.hpp _caf_version REGEX "^#define CAF_VERSION [0-9]+")
  string(REGEX REPLACE ".*CAF_VERSION ([0-9]+).*" "\\1" _caf_version "${_caf_version}")
  math(EXPR _caf_major "${_caf_version} / 10000")
  math(EXPR _caf_minor "${_caf_version} / 100 % 100")
  math(EXPR _caf_patch "${_caf_version} % 100")
  set(CAF_VERSION ${_caf_major}.${_caf_minor}.${_caf_patch})
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CAF
  REQUIRED_VARS CAF_core_LIBRARY CAF_io_LIBRARY CAF_INCLUDE_DIR
  VERSION_VAR CAF_VERSION)

if(CAF_FOUND AND NOT TARGET CAF::core)
  foreach(_part core io)
    add_library(CAF::${_part} SHARED IMPORTED)
    set_target_properties(CAF::${_part} PROPERTIES
      IMPORTED_LOCATION ${CAF_${_part}_LIBRARY}
      INTERFACE_INCLUDE_DIRECTORIES ${CAF_INCLUDE_DIR})
  endforeach()
  # g++ 12 at -O2 sees uninitialised values inside CAF's optional and variant, where there are none.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    set_property(TARGET CAF::core APPEND PROPERTY INTERFACE_COMPILE_OPTIONS -Wno-maybe-uninitialized)
  endif()
  set_property(TARGET CAF::core APPEND PROPERTY INTERFACE_LINK_LIBRARIES Threads::Threads)
  set_property(TARGET CAF::io APPEND PROPERTY INTERFACE_LINK_LIBRARIES CAF::core)
endif()
