// What the system is told of the pages under memory: see addon.cc.
#pragma once
#include "args.h"

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace {

constexpr size_t LARGE_PAGE = size_t{2} << 20;

// The pages that lie wholly inside.
struct Pages {
  uint8_t* data;
  size_t length;

  Pages(uint8_t* from, size_t bytes, size_t page) : data(from), length(0) {
    const size_t head = (page - (uintptr_t)from % page) % page;
    if (bytes < head + page) return;
    data = from + head;
    length = (bytes - head) / page * page;
  }
};

// (bytes): asks for pages of 2 MB under what lies inside, so that reads in random order miss the
// address cache less. Clearing such a page takes longer, so this is for memory that is walked, not
// for memory that is filled bit by bit. Before the first write; later it changes nothing at once.
napi_value jsUseLargePages(napi_env env, napi_callback_info info) {
  Args a(env, info);
  size_t n = 0;
  uint8_t* data = a.bytes(0, &n, "bytes: expected a Uint8Array");
  if (!a.ok) return nothing();
#if defined(__linux__)
  const Pages pages(data, n, LARGE_PAGE);
  if (pages.length > 0) madvise(pages.data, pages.length, MADV_HUGEPAGE);
#endif
  return nothing();
}

// (bytes): gives the pages that lie wholly inside back to the system; they read as zero afterwards.
// Shared memory is freed by garbage collection only, which does not see how large it is.
napi_value jsDiscard(napi_env env, napi_callback_info info) {
  Args a(env, info);
  size_t n = 0;
  uint8_t* data = a.bytes(0, &n, "bytes: expected a Uint8Array");
  if (!a.ok) return nothing();
#if defined(__linux__)
  const Pages pages(data, n, (size_t)sysconf(_SC_PAGESIZE));
  if (pages.length > 0) madvise(pages.data, pages.length, MADV_DONTNEED);
#endif
  return nothing();
}

// Memory whose pages are being gathered, and who waits for that.
struct Gathering {
  Pages pages;
  napi_ref bytes = nullptr;
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;

  explicit Gathering(const Pages& of) : pages(of) {}
};

void gatherPages(napi_env, void* data) {
#if defined(__linux__)
#ifndef MADV_COLLAPSE
  constexpr int MADV_COLLAPSE = 25;
#endif
  const Pages& pages = static_cast<Gathering*>(data)->pages;
  // A kernel before 6.1 knows no such call, another may have no such pages: all stays as it is.
  if (pages.length > 0) madvise(pages.data, pages.length, MADV_COLLAPSE);
#else
  (void)data;
#endif
}

napi_value undefined(napi_env env) {
  napi_value value = nullptr;
  napi_get_undefined(env, &value);
  return value;
}

void gathered(napi_env env, napi_status, void* data) {
  Gathering* gathering = static_cast<Gathering*>(data);
  napi_resolve_deferred(env, gathering->deferred, undefined(env));
  napi_delete_reference(env, gathering->bytes);
  napi_delete_async_work(env, gathering->work);
  delete gathering;
}

// (bytes): a promise. What lies inside is copied to pages of 2 MB by a thread of libuv's while
// others go on reading it: a millisecond for each, much more where the machine is short of memory.
napi_value jsGatherPages(napi_env env, napi_callback_info info) {
  Args a(env, info);
  size_t n = 0;
  uint8_t* data = a.bytes(0, &n, "bytes: expected a Uint8Array");
  if (!a.ok) return nothing();
  Gathering* gathering = new Gathering(Pages(data, n, LARGE_PAGE));
  napi_value promise = nullptr, name = nullptr;
  const bool began =
      napi_create_string_utf8(env, "elanus: gather pages", NAPI_AUTO_LENGTH, &name) == napi_ok &&
      napi_create_promise(env, &gathering->deferred, &promise) == napi_ok &&
      napi_create_reference(env, a.values[0], 1, &gathering->bytes) == napi_ok &&
      napi_create_async_work(env, nullptr, name, gatherPages, gathered, gathering,
                             &gathering->work) == napi_ok &&
      napi_queue_async_work(env, gathering->work) == napi_ok;
  if (began) return promise;
  if (gathering->work) napi_delete_async_work(env, gathering->work);
  if (gathering->bytes) napi_delete_reference(env, gathering->bytes);
  delete gathering;
  napi_throw_error(env, nullptr, "gatherPages: no thread to be had");
  return nothing();
}

}  // namespace
