# Imported target `sodium`: libsodium as tools/setup/libsodium.sh built it for this kind of build.
include("${CMAKE_CURRENT_LIST_DIR}/cache_dir.cmake")
if(EMSCRIPTEN)
  set(kind wasm)
else()
  set(kind native)
endif()
file(GLOB candidates "${SIEGEL_CACHE}/libsodium-*/${kind}/lib/libsodium.a")
if(NOT candidates)
  message(FATAL_ERROR "No libsodium for ${kind} in ${SIEGEL_CACHE}. Run tools/setup.sh build first.")
endif()
list(GET candidates -1 lib)
get_filename_component(prefix "${lib}/../.." ABSOLUTE)
add_library(sodium STATIC IMPORTED GLOBAL)
set_target_properties(sodium PROPERTIES
  IMPORTED_LOCATION "${lib}"
  INTERFACE_INCLUDE_DIRECTORIES "${prefix}/include"
  INTERFACE_COMPILE_DEFINITIONS SODIUM_STATIC=1)
