// Runs the Lua program on standard input, with the libraries that wasm can have.
#include "input.h"
#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

void luaL_openlibs(lua_State *L) {
  static const luaL_Reg libraries[] = {
      {"_G", luaopen_base},
      {"table", luaopen_table},
      {"string", luaopen_string},
      {"math", luaopen_math},
  };
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
    luaL_requiref(L, libraries[i].name, libraries[i].func, 1);
    lua_pop(L, 1);
  }
}

int main(void) {
  size_t size;
  uint8_t *input = read_input(&size);
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  if (luaL_loadbuffer(L, (char *)input, size, "stdin") || lua_pcall(L, 0, 0, 0)) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    return 1;
  }
}
