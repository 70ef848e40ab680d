# luna::options: what every target of ours is compiled with.
add_library(luna_options INTERFACE)
add_library(luna::options ALIAS luna_options)
target_include_directories(luna_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(luna_options INTERFACE -Wall -Wextra -Wpedantic)
if(LUNA_WERROR)
  target_compile_options(luna_options INTERFACE -Werror)
endif()

if(LUNA_SANITIZE)
  # CAF binds null references and torch is built without our type information.
  add_compile_options(-fsanitize=address,undefined -fno-sanitize=null,vptr -fno-sanitize-recover=undefined
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
if(LUNA_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=null,vptr
                      -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()
