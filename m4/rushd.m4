# Switches, compiler flags and the closing summary of rushd's configure.

# One switch: RUSHD_SWITCH(name, default, help). Sets rushd_NAME to yes or no.
AC_DEFUN([RUSHD_SWITCH], [
  AC_ARG_ENABLE([$1], [AS_HELP_STRING([--enable-$1], [$3])], [], [AS_VAR_SET([enable_]m4_translit([$1],[-],[_]), [$2])])
])

AC_DEFUN([RUSHD_SWITCHES], [
  RUSHD_SWITCH([werror], [no], [treat compiler warnings as errors])
  RUSHD_SWITCH([hardening], [yes], [add hardening flags (default: yes)])
  RUSHD_SWITCH([asan], [no], [build with AddressSanitizer])
  RUSHD_SWITCH([ubsan], [no], [build with UndefinedBehaviorSanitizer])
  RUSHD_SWITCH([coverage], [no], [build for gcov])
  RUSHD_SWITCH([fuzzing], [no], [build the fuzz targets with libFuzzer (needs clang)])
  RUSHD_SWITCH([fault-points], [no], [compile the named fault points in (tests only)])
  AS_IF([test "$enable_fault_points" = yes],
    [AC_DEFINE([RUSHD_FAULT_POINTS], [1], [Define to compile the fault points in.])])
  AM_CONDITIONAL([FUZZING], [test "$enable_fuzzing" = yes])
])

# Append $1 to RUSHD_CFLAGS if the compiler takes it.
AC_DEFUN([RUSHD_CFLAG], [
  AS_VAR_PUSHDEF([cache], [rushd_cv_cflag_$1])
  AC_CACHE_CHECK([whether $CC takes $1], [cache], [
    rushd_saved_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS -Werror $1"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [AS_VAR_SET([cache], [yes])], [AS_VAR_SET([cache], [no])])
    CFLAGS=$rushd_saved_CFLAGS
  ])
  AS_VAR_IF([cache], [yes], [RUSHD_CFLAGS="$RUSHD_CFLAGS $1"])
  AS_VAR_POPDEF([cache])
])

AC_DEFUN([RUSHD_COMPILER_FLAGS], [
  RUSHD_CFLAGS="-std=gnu11 -fno-strict-aliasing"
  RUSHD_LDFLAGS=
  m4_foreach_w([flag], [-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
    -Wwrite-strings -Wformat=2 -Wvla -Wundef -Wno-missing-field-initializers -Wno-unused-parameter],
    [RUSHD_CFLAG(flag)])
  AS_IF([test "$enable_werror" = yes], [RUSHD_CFLAGS="$RUSHD_CFLAGS -Werror"])
  AS_IF([test "$enable_hardening" = yes], [
    RUSHD_CFLAG([-fstack-protector-strong])
    RUSHD_CFLAG([-fstack-clash-protection])
    dnl A distributor's own _FORTIFY_SOURCE and PIE settings win.
    AS_CASE([" $CPPFLAGS $CFLAGS "], [*_FORTIFY_SOURCE*], [],
      [AS_IF([test "$enable_asan" != yes],
        [AS_CASE([" $CFLAGS "], [*" -O0 "*], [],
          [RUSHD_CPPFLAGS="$RUSHD_CPPFLAGS -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"])])])
    AS_CASE([" $CFLAGS $LDFLAGS "], [*pie*], [], [
      RUSHD_CFLAGS="$RUSHD_CFLAGS -fPIE"
      RUSHD_LDFLAGS="$RUSHD_LDFLAGS -pie"
    ])
    RUSHD_LDFLAGS="$RUSHD_LDFLAGS -Wl,-z,relro -Wl,-z,now"
  ])
  rushd_sanitizers=
  AS_IF([test "$enable_asan" = yes], [rushd_sanitizers=address])
  AS_IF([test "$enable_ubsan" = yes], [rushd_sanitizers="${rushd_sanitizers:+$rushd_sanitizers,}undefined"])
  AS_IF([test "$enable_fuzzing" = yes], [rushd_sanitizers="${rushd_sanitizers:+$rushd_sanitizers,}fuzzer-no-link"])
  AS_IF([test -n "$rushd_sanitizers"], [
    RUSHD_CFLAGS="$RUSHD_CFLAGS -fsanitize=$rushd_sanitizers -fno-omit-frame-pointer -fno-sanitize-recover=all"
    RUSHD_LDFLAGS="$RUSHD_LDFLAGS -fsanitize=$rushd_sanitizers"
  ])
  AS_IF([test "$enable_coverage" = yes], [
    RUSHD_CFLAGS="$RUSHD_CFLAGS --coverage"
    RUSHD_LDFLAGS="$RUSHD_LDFLAGS --coverage"
  ])
  AC_SUBST([RUSHD_CPPFLAGS])
  AC_SUBST([RUSHD_CFLAGS])
  AC_SUBST([RUSHD_LDFLAGS])
])

# Check is needed by the tests only; without it `make check` says so and fails.
AC_DEFUN([RUSHD_LIB_CHECK], [
  PKG_CHECK_MODULES([CHECK], [check >= 0.15], [have_check=yes], [have_check=no])
  AM_CONDITIONAL([HAVE_CHECK], [test "$have_check" = yes])
])

AC_DEFUN([RUSHD_LIB_SYSTEMD], [
  AC_ARG_WITH([systemd], [AS_HELP_STRING([--with-systemd], [tell systemd when ready and stopping (default: if libsystemd is there)])],
    [], [with_systemd=auto])
  have_systemd=no
  AS_IF([test "$with_systemd" != no], [
    PKG_CHECK_MODULES([SYSTEMD], [libsystemd], [have_systemd=yes],
      [AS_IF([test "$with_systemd" = yes], [AC_MSG_ERROR([--with-systemd: libsystemd was not found])])])
  ])
  AS_IF([test "$have_systemd" = yes], [AC_DEFINE([HAVE_SYSTEMD], [1], [Define if libsystemd is used.])])
])

AC_DEFUN([RUSHD_SUMMARY], [
  AS_ECHO(["
rushd $VERSION
  prefix              $prefix
  compiler            $CC $CFLAGS
  warnings are errors $enable_werror
  hardening           $enable_hardening
  sanitizers          ${rushd_sanitizers:-none}
  coverage            $enable_coverage
  fuzz targets        $enable_fuzzing
  fault points        $enable_fault_points
  systemd             $have_systemd
  unit tests (check)  $have_check
"])
])
