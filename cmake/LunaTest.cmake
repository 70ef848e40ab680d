# luna_add_tests(FOLDER SOURCES a_test.cpp ... LIBS luna::x ...): one Boost.Test program for a folder and one ctest entry
# for each source file. A file `frame_test.cpp` holds the suite `frame_test`.
find_package(Boost 1.74 REQUIRED COMPONENTS unit_test_framework)
add_custom_target(unit_tests COMMENT "the unit tests' programs")

function(luna_add_tests folder)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS;LABELS" ${ARGN})
  set(_program test_${folder})
  add_executable(${_program} ${ARG_SOURCES} ${PROJECT_SOURCE_DIR}/tests/unit/main.cpp)
  add_dependencies(unit_tests ${_program})
  target_include_directories(${_program} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}) # fixtures
  target_link_libraries(${_program} PRIVATE luna::options Boost::unit_test_framework ${ARG_LIBS})
  target_compile_definitions(${_program} PRIVATE BOOST_TEST_DYN_LINK
    LUNA_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data" LUNA_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  foreach(_source IN LISTS ARG_SOURCES)
    get_filename_component(_suite ${_source} NAME_WE)
    if(_suite MATCHES "_test$")
      add_test(NAME ${folder}/${_suite} COMMAND ${_program} --run_test=${_suite} --color_output=no)
      set_tests_properties(${folder}/${_suite} PROPERTIES TIMEOUT 600 LABELS "unit;${ARG_LABELS}")
    endif()
  endforeach()
endfunction()
