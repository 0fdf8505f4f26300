// A minimal JavaScript shell: runs the script named by the first argument, or
// the built-in workload, with `print` and `scriptArgs`.
#include "quickjs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char WORKLOAD[] = {
#embed "workload.js"
    , 0};

static JSValue js_print(JSContext *ctx, JSValueConst this_val, int argc,
                        JSValueConst *argv) {
  (void)this_val;
  for (int i = 0; i < argc; i++) {
    size_t len;
    const char *text = JS_ToCStringLen(ctx, &len, argv[i]);
    if (!text)
      return JS_EXCEPTION;
    if (i)
      putchar(' ');
    fwrite(text, 1, len, stdout);
    JS_FreeCString(ctx, text);
  }
  putchar('\n');
  return JS_UNDEFINED;
}

static int report(JSContext *ctx) {
  JSValue error = JS_GetException(ctx);
  const char *text = JS_ToCString(ctx, error);
  fprintf(stderr, "uncaught: %s\n", text ? text : "(unprintable)");
  JS_FreeCString(ctx, text);
  JSValue stack = JS_GetPropertyStr(ctx, error, "stack");
  if (JS_IsString(stack)) {
    text = JS_ToCString(ctx, stack);
    fputs(text ? text : "", stderr);
    JS_FreeCString(ctx, text);
  }
  JS_FreeValue(ctx, stack);
  JS_FreeValue(ctx, error);
  return 1;
}

// Returns a zero-terminated buffer, which JS_Eval wants.
static char *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file)
    return NULL;
  size_t used = 0, room = 4096;
  char *data = malloc(room);
  while (data) {
    used += fread(data + used, 1, room - used - 1, file);
    if (used + 1 < room)
      break;
    data = realloc(data, room *= 2);
  }
  fclose(file);
  if (data)
    data[used] = 0;
  *size = used;
  return data;
}

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "workload.js";
  const char *source = WORKLOAD;
  size_t size = sizeof WORKLOAD - 1;
  char *loaded = NULL;
  if (argc > 1) {
    source = loaded = read_file(name, &size);
    if (!loaded) {
      fprintf(stderr, "cannot read %s\n", name);
      return 2;
    }
  }

  JSRuntime *rt = JS_NewRuntime();
  JSContext *ctx = JS_NewContext(rt);
  // Most of the 8 MB there are. Built for WASI, QuickJS ignores the limit: too
  // deep a recursion then traps.
  JS_SetMaxStackSize(rt, 6 << 20);
  JSValue global = JS_GetGlobalObject(ctx);
  JS_SetPropertyStr(ctx, global, "print",
                    JS_NewCFunction(ctx, js_print, "print", 1));
  JSValue args = JS_NewArray(ctx);
  for (int i = 1; i < argc; i++)
    JS_SetPropertyUint32(ctx, args, (uint32_t)i - 1,
                         JS_NewString(ctx, argv[i]));
  JS_SetPropertyStr(ctx, global, "scriptArgs", args);
  JS_FreeValue(ctx, global);

  JSValue result = JS_Eval(ctx, source, size, name, JS_EVAL_TYPE_GLOBAL);
  int status = JS_IsException(result) ? report(ctx) : 0;
  JS_FreeValue(ctx, result);

  JSContext *job_ctx;
  for (int rc; !status && (rc = JS_ExecutePendingJob(rt, &job_ctx)) != 0;)
    if (rc < 0)
      status = report(job_ctx);

  JS_FreeContext(ctx);
  JS_FreeRuntime(rt);
  free(loaded);
  return status;
}
