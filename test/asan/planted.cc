// What the sanitizers must find: a leak, a read behind the end, an overflow. To test those who look for them.
#include <napi.h>

#include <cstring>
#include <memory>

namespace {

void Leak(const Napi::CallbackInfo&) {
  char* lost = new char[100];
  std::memset(lost, 1, 100);
}

Napi::Value ReadBehind(const Napi::CallbackInfo& info) {
  const auto bytes = std::make_unique<char[]>(16);
  const volatile char* start = bytes.get();
  return Napi::Number::New(info.Env(), start[info[0].As<Napi::Number>().Int64Value()]);
}

Napi::Value Overflow(const Napi::CallbackInfo& info) {
  const int value = info[0].As<Napi::Number>().Int32Value();
  return Napi::Number::New(info.Env(), value + value);
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("leak", Napi::Function::New(env, Leak));
  exports.Set("readBehind", Napi::Function::New(env, ReadBehind));
  exports.Set("overflow", Napi::Function::New(env, Overflow));
  return exports;
}

}  // namespace

NODE_API_MODULE(planted, Init)
