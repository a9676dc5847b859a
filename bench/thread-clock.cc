// Processor time of the calling thread, to the nanosecond: what Node tells moves once in a tick of
// the scheduler, 1 to 4 ms.
#include <node_api.h>
#include <time.h>

static napi_value ms(napi_env env, napi_callback_info) {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  napi_value result;
  napi_create_double(env, now.tv_sec * 1e3 + now.tv_nsec / 1e6, &result);
  return result;
}

NAPI_MODULE_INIT() {
  napi_value fn;
  napi_create_function(env, "ms", NAPI_AUTO_LENGTH, ms, nullptr, &fn);
  napi_set_named_property(env, exports, "ms", fn);
  return exports;
}
