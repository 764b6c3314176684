# Compile options that every target of ours shares.
add_library(siegel_options INTERFACE)
target_compile_features(siegel_options INTERFACE cxx_std_20)
target_compile_options(siegel_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror
  # Paths are mapped away so that two work folders build the same bytes.
  "-ffile-prefix-map=${PROJECT_SOURCE_DIR}=.")
# The engine itself is built without exceptions and RTTI everywhere; test programs need them.
add_library(siegel_engine_options INTERFACE)
target_link_libraries(siegel_engine_options INTERFACE siegel_options)
target_compile_options(siegel_engine_options INTERFACE -fno-exceptions -fno-rtti)

if(SIEGEL_SANITIZE)
  add_compile_options(-fsanitize=${SIEGEL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SIEGEL_SANITIZE})
endif()
