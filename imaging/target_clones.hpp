#pragma once

/// LUNA_TARGET_CLONES: compiles a function for several generations of x86-64, the best is chosen at
/// start. The loops stay plain C++. Not with sanitizers: the choice is made before they are set up.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)                                \
  && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define LUNA_TARGET_CLONES                                                                         \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LUNA_TARGET_CLONES
#endif
