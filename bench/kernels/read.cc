// Bench only: a plain sequential read of memory, the measure that a scan is held against.
#define NAPI_VERSION 8
#include <node_api.h>
#include <stdint.h>

// Sums 64-bit words into eight accumulators: what a compiler makes of the obvious loop.
static napi_value readBytes(napi_env env, napi_callback_info info) {
  size_t argc = 1, length = 0;
  napi_value argv[1], out;
  void* data = nullptr;
  napi_typedarray_type type;
  napi_get_cb_info(env, info, &argc, argv, nullptr, nullptr);
  napi_get_typedarray_info(env, argv[0], &type, &length, &data, nullptr, nullptr);
  const uint64_t* words = (const uint64_t*)data;
  uint64_t sum[8] = {0};
  for (size_t i = 0; i + 8 <= length / 8; i += 8)
    for (size_t j = 0; j < 8; j++) sum[j] += words[i + j];
  uint64_t all = 0;
  for (size_t j = 0; j < 8; j++) all += sum[j];
  napi_create_double(env, (double)(all & 0xffffffff), &out);
  return out;
}

NAPI_MODULE_INIT() {
  napi_value fn;
  napi_create_function(env, "readBytes", NAPI_AUTO_LENGTH, readBytes, nullptr, &fn);
  napi_set_named_property(env, exports, "readBytes", fn);
  return exports;
}
