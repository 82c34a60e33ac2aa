# What is installed beside the program (shell completions, the manual page), and packages: cpack -G DEB, cpack -G TGZ.

# Completions are made by the program, so only where it can be run.
if(NOT CMAKE_CROSSCOMPILING)
  set(completions)
  foreach(shell bash zsh fish)
    set(file ${CMAKE_BINARY_DIR}/completions/kvsim.${shell})
    add_custom_command(OUTPUT ${file}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/completions
      COMMAND kvsim completion ${shell} > ${file}
      DEPENDS kvsim VERBATIM COMMENT "Completions for ${shell}")
    list(APPEND completions ${file})
  endforeach()
  add_custom_target(kvsim_completions ALL DEPENDS ${completions})
  # OPTIONAL: a build of single targets may not have made them.
  install(FILES ${CMAKE_BINARY_DIR}/completions/kvsim.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
          RENAME kvsim OPTIONAL)
  foreach(folder site-functions vendor-completions)  # Debian's zsh looks into the second
    install(FILES ${CMAKE_BINARY_DIR}/completions/kvsim.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/${folder} RENAME _kvsim OPTIONAL)
  endforeach()
  install(FILES ${CMAKE_BINARY_DIR}/completions/kvsim.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d OPTIONAL)
endif()

configure_file(${CMAKE_CURRENT_LIST_DIR}/kvsim.1.in ${CMAKE_BINARY_DIR}/kvsim.1 @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/kvsim.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)

set(CPACK_GENERATOR DEB TGZ)
set(CPACK_PACKAGE_NAME kvsim)
set(CPACK_PACKAGE_VENDOR kvsim)
set(CPACK_PACKAGE_CONTACT "The kvsim maintainers <maintainers@kvsim.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "simulator and benchmark of LLM KV caches")
set(CPACK_PACKAGE_DESCRIPTION "Replays traces of LLM serving against cache layouts and eviction strategies and reports
hit rates, utilization, bytes and kernel timings. With the static library and its headers, for strategies of one's own.")
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# What a program that links the library needs; the program itself needs none of it.
set(CPACK_DEBIAN_PACKAGE_SUGGESTS
    "g++, cmake, libsimdjson-dev, libfmt-dev, libzstd-dev, zlib1g-dev, libssl-dev, libhwy-dev, bash-completion")
include(CPack)
