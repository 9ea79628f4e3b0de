// A tool in C++: an exception in a callback stays in the tool, iostreams and containers work.
#include <ldx/event.h>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>

static std::map<std::string, int> seen;

static void count(const ldx_event *e) {
  if (e->type == LDX_EV_MAPPED)
    throw std::runtime_error(e->u.lib.name);
}

static void told(void *, const ldx_event *e) {
  try {
    count(e);
  } catch (const std::exception &x) {
    seen[x.what()]++;
  }
  if (e->type == LDX_EV_EXIT)
    std::cerr << "[cc] libc.so.6 " << seen["libc.so.6"] << std::endl;
}

extern "C" int ldx_tool_main(ldx_tool *self, const ldx_tool_args *, ldx_tool_desc *out) {
  out->name = "cc";
  return ldx_subscribe(self, LDX_EV_BIT(LDX_EV_MAPPED) | LDX_EV_BIT(LDX_EV_EXIT), told, nullptr, 0);
}
