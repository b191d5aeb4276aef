# SPDX-License-Identifier: ISC
# What a compiler and a linker give against an attacker, each where they know it and where the packager's own
# flags say nothing about the matter: dpkg-buildflags or a distribution's macros are never overruled.
# WAXWING_HARDENED lists what the built program must show; tests/lint/hardening.py looks.
include(CheckCCompilerFlag)
include(CheckCSourceCompiles)
include(CheckLinkerFlag)
include(CheckPIESupported)

string(TOUPPER "${CMAKE_BUILD_TYPE}" TYPE)
set(PACKAGER "${CMAKE_C_FLAGS} ${CMAKE_C_FLAGS_${TYPE}}")
set(PACKAGER_LINK "${PACKAGER} ${CMAKE_EXE_LINKER_FLAGS} ${CMAKE_EXE_LINKER_FLAGS_${TYPE}}")
set(WAXWING_HARDENED)

# NAME is for the gate, FAMILY a pattern of flags that speak of the same matter.
function(harden name family flag)
  string(MAKE_C_IDENTIFIER "HAS${flag}" has)
  if(PACKAGER MATCHES "${family}")
    return()
  endif()
  set(CMAKE_REQUIRED_FLAGS -Werror) # a flag that the compiler would only ignore is none
  check_c_compiler_flag(${flag} ${has})
  if(${has})
    target_compile_options(waxwing_options INTERFACE ${flag})
    set(WAXWING_HARDENED ${WAXWING_HARDENED} ${name} PARENT_SCOPE)
  endif()
endfunction()

function(harden_link name family flag)
  string(MAKE_C_IDENTIFIER "HAS${flag}" has)
  if(PACKAGER_LINK MATCHES "${family}")
    return()
  endif()
  check_linker_flag(C ${flag} ${has})
  if(${has})
    target_link_options(waxwing_options INTERFACE ${flag})
    set(WAXWING_HARDENED ${WAXWING_HARDENED} ${name} PARENT_SCOPE)
  endif()
endfunction()

harden(stack-protector "-f(no-)?stack-protector" -fstack-protector-strong)
harden(stack-clash "-f(no-)?stack-clash-protection" -fstack-clash-protection)
harden(branches "-fcf-protection|-mbranch-protection" -fcf-protection=full)         # x86
harden(branches "-fcf-protection|-mbranch-protection" -mbranch-protection=standard) # aarch64
harden(visibility "-fvisibility" -fvisibility=hidden)
harden_link(relro "-z,(no)?relro" -Wl,-z,relro)
harden_link(now "-z,(now|lazy)" -Wl,-z,now)
harden_link(stack "-z,(no)?execstack" -Wl,-z,noexecstack)

if(NOT DEFINED CMAKE_POSITION_INDEPENDENT_CODE AND NOT PACKAGER_LINK MATCHES "-f(no-)?(pie|pic|PIE|PIC)|-(no-)?pie")
  check_pie_supported(LANGUAGES C)
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
  if(CMAKE_C_LINK_PIE_SUPPORTED)
    list(APPEND WAXWING_HARDENED pie)
  endif()
endif()

# _FORTIFY_SOURCE wants an optimising compiler that does not define it of its own accord, and hides from the
# sanitizers what they should see. Level 3 needs glibc 2.34 and a compiler with __builtin_dynamic_object_size.
if(NOT WAXWING_SANITIZE AND NOT WAXWING_FUZZ AND NOT PACKAGER MATCHES "_FORTIFY_SOURCE")
  foreach(level 3 2)
    set(CMAKE_REQUIRED_FLAGS "${CMAKE_C_FLAGS_${TYPE}}")
    check_c_source_compiles("
      #if defined _FORTIFY_SOURCE || !defined __OPTIMIZE__
      #error silent
      #endif
      #define _FORTIFY_SOURCE ${level}
      #include <string.h>
      #if __USE_FORTIFY_LEVEL < ${level}
      #error not here
      #endif
      int main(void) { return 0; }" HAS_FORTIFY_${level}_${TYPE})
    unset(CMAKE_REQUIRED_FLAGS)
    if(HAS_FORTIFY_${level}_${TYPE})
      target_compile_definitions(waxwing_options INTERFACE _FORTIFY_SOURCE=${level})
      list(APPEND WAXWING_HARDENED fortify)
      break()
    endif()
  endforeach()
endif()
