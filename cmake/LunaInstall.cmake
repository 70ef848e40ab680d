# cmake --install build/release --prefix DIR: a tree that runs wherever it is put.
#   bin/    the programs; they look for libraries in ../lib and for data in ../share/luna
#   lib/    libtorch (the rest comes from Debian's packages: docs/development.md names them)
#   share/  the CLIP vocabulary, the Python client, the documents
#   etc/    the commented example cluster
if(LUNA_FUZZ)
  return()
endif()
set(LUNA_CLIP_VOCABULARY "${PROJECT_SOURCE_DIR}/.deps/share/clip/bpe_simple_vocab_16e6.txt.gz")

# NVIDIA's libraries lie beside libtorch as pip lays them: libtorch_cuda looks for them in ../../nvidia.
set(_torch_lib lib)
if(LUNA_TORCH_HAS_CUDA)
  set(_torch_lib lib/torch/lib)
endif()

foreach(_program luna-node luna-bench)
  if(TARGET ${_program})
    set_target_properties(${_program} PROPERTIES INSTALL_RPATH "$ORIGIN/../${_torch_lib}")
    install(TARGETS ${_program} RUNTIME DESTINATION bin)
  endif()
endforeach()

if(LUNA_TORCH_HAS_CUDA)
  install(DIRECTORY ${LUNA_TORCH_ROOT}/lib/ DESTINATION ${_torch_lib} USE_SOURCE_PERMISSIONS
          FILES_MATCHING PATTERN "*.so*" PATTERN "libtorch_python*" EXCLUDE)
  if(IS_DIRECTORY ${LUNA_TORCH_ROOT}/../nvidia)
    install(DIRECTORY ${LUNA_TORCH_ROOT}/../nvidia/ DESTINATION lib/nvidia USE_SOURCE_PERMISSIONS
            FILES_MATCHING PATTERN "*.so*")
  endif()
else()
  # libgomp is torch's own: there must be one copy in the process.
  install(PROGRAMS ${LUNA_TORCH_ROOT}/lib/libtorch_cpu.so ${LUNA_TORCH_ROOT}/lib/libc10.so
          ${LUNA_TORCH_ROOT}/lib/libgomp.so.1 DESTINATION ${_torch_lib})
endif()

install(FILES ${LUNA_CLIP_VOCABULARY} DESTINATION share/luna/clip)
if(IS_DIRECTORY ${PROJECT_SOURCE_DIR}/comfyui/luna_client)
  # The client, and the node pack: this folder may be linked into ComfyUI's custom_nodes.
  install(DIRECTORY comfyui/luna_client comfyui/luna_nodes comfyui/example_workflows
          DESTINATION share/luna/python
          FILES_MATCHING PATTERN "*.py" PATTERN "py.typed" PATTERN "*.js" PATTERN "*.json"
          PATTERN "*.md" PATTERN "*.jpg" PATTERN "__pycache__" EXCLUDE)
  install(FILES comfyui/__init__.py comfyui/pyproject.toml comfyui/icon.png comfyui/README.md
          DESTINATION share/luna/python)
endif()
if(EXISTS ${PROJECT_SOURCE_DIR}/cluster.conf)
  install(FILES cluster.conf DESTINATION etc/luna)
endif()
install(FILES README.md CHANGELOG.md LICENSE DESTINATION share/doc/luna)
install(DIRECTORY docs/ DESTINATION share/doc/luna FILES_MATCHING PATTERN "*.md" PATTERN "*.svg")
