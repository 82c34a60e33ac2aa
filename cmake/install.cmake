# cmake --install, and find_package(kvsim) for programs that link the library.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS kvsim RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS kvsim_lib kvsim_cli EXPORT kvsimTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILE_SET kernel_headers DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT kvsimTargets NAMESPACE kvsim:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/kvsim)
configure_package_config_file(cmake/kvsimConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/kvsimConfig.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/kvsim)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/kvsimConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/kvsimConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/kvsimConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/kvsim)
install(DIRECTORY traces configs DESTINATION ${CMAKE_INSTALL_DATADIR}/kvsim)
# Whose work is in it: pages that the program writes carry Chart.js.
file(READ LICENSE license)
file(READ lib/kvsim/report/page/notice.txt notice)
file(CONFIGURE OUTPUT copyright CONTENT "kvsim\n\n${license}\nThe HTML pages that kvsim writes, and so the program, contain:\n\n${notice}" @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR})
include(${CMAKE_CURRENT_LIST_DIR}/package.cmake)
