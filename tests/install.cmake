# SPDX-License-Identifier: ISC
# cmake -DBUILD=FOLDER -DUNDER=FOLDER -P install.cmake: what `cmake --install` lays down, wherever the packager
# wants each kind.
file(REMOVE_RECURSE ${UNDER})
set(ENV{DESTDIR} ${UNDER})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(GLOB_RECURSE installed ${UNDER}/*)
foreach(file waxwing man8/waxwing.8 man5/waxwing.yaml.5 waxwing.yaml.example examples/publish-nsupdate examples/check-login systemd/system/waxwing.service systemd/system/waxwing.socket
    sysusers.d/waxwing.conf tmpfiles.d/waxwing.conf)
  set(found ${installed})
  list(FILTER found INCLUDE REGEX "/${file}$")
  if(NOT found)
    message(SEND_ERROR "not installed: ${file}")
  endif()
endforeach()
file(REMOVE_RECURSE ${UNDER})
