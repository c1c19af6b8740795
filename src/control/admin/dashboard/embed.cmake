# embed.cmake - the dashboard's three files to one page, and the page to C.
#
#   cmake -D FROM=src/control/dashboard -D TO=page.c -P embed.cmake
#
# The policy of the page names its one style and its one script by their SHA-256, so a browser
# runs nothing else, whatever text of a peer may get into the page.
cmake_minimum_required(VERSION 3.25)

# CSP wants base64, CMake knows hex: three digits of the one are two of the other.
function(sha256_base64 text out)
  set(digits ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/)
  string(SHA256 hex "${text}")
  set(hex "${hex}00") # 256 bits are 42 digits of 6 and 4 more
  set(base64 "")
  foreach(at RANGE 0 63 3)
    string(SUBSTRING ${hex} ${at} 3 three)
    math(EXPR high "0x${three} >> 6")
    math(EXPR low "0x${three} & 63")
    string(SUBSTRING ${digits} ${high} 1 high)
    string(SUBSTRING ${digits} ${low} 1 low)
    string(APPEND base64 ${high}${low})
  endforeach()
  string(SUBSTRING ${base64} 0 43 base64)
  set(${out} "'sha256-${base64}='" PARENT_SCOPE)
endfunction()

file(READ ${FROM}/dashboard.html page)
file(READ ${FROM}/dashboard.css style)
file(READ ${FROM}/dashboard.js script)
sha256_base64("${style}" style_hash)
sha256_base64("${script}" script_hash)
string(REPLACE "@STYLE@" "${style}" page "${page}")
string(REPLACE "@SCRIPT@" "${script}" page "${page}")

file(WRITE ${TO}.html "${page}")
file(READ ${TO}.html bytes HEX)
file(SIZE ${TO}.html size)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
file(WRITE ${TO} "/* Made by src/control/admin/dashboard/embed.cmake: change the files beside it. */
#include \"control/admin/dashboard/dashboard.h\"

static const unsigned char bytes[] = {${bytes}};

struct span dashboard_page(void)
{
    return (struct span){bytes, ${size}};
}

const char dashboard_policy[] =
    \"default-src 'none'; style-src ${style_hash}; script-src ${script_hash}; \"
    \"connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \"
    \"frame-ancestors 'none'\";
")
