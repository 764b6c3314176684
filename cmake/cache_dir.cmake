# Where tools/setup.sh keeps what it fetched and built; the same rule as in tools/setup/common.sh.
if(DEFINED ENV{SIEGEL_CACHE})
  set(SIEGEL_CACHE "$ENV{SIEGEL_CACHE}")
elseif(DEFINED ENV{XDG_CACHE_HOME})
  set(SIEGEL_CACHE "$ENV{XDG_CACHE_HOME}/siegel")
else()
  set(SIEGEL_CACHE "$ENV{HOME}/.cache/siegel")
endif()
