// The only file that knows JavaScript: converts, maps errors, and checks nothing that monitor.ts has checked.
#include <napi.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>

#include "kernel_error.h"
#include "monitor.h"

namespace {

class MonitorObject;

/// State of one environment (the main thread or a worker): never shared, never static.
class Addon : public Napi::Addon<Addon> {
 public:
  Addon(Napi::Env env, Napi::Object exports);

  /// The TypeScript class of errors, and the monitors to be closed when the environment ends.
  Napi::FunctionReference kernel_error;
  std::set<MonitorObject*> open;

 private:
  Napi::Value Initialize(const Napi::CallbackInfo& info);
};

Napi::Error to_javascript(Napi::Env env, const palisade::KernelError& error) {
  const Addon* addon = env.GetInstanceData<Addon>();
  Napi::Object facts = Napi::Object::New(env);
  facts.Set("errno", Napi::Number::New(env, error.error()));
  facts.Set("program", Napi::String::New(env, error.program()));
  facts.Set("complaint", Napi::String::New(env, error.complaint()));
  facts.Set("remedy", Napi::String::New(env, error.remedy()));
  const Napi::Value thrown = addon->kernel_error.New({Napi::String::New(env, error.what()), facts});
  return Napi::Error(env, thrown);
}

/// Runs `work`; whatever C++ throws becomes an exception of JavaScript.
template <typename Work>
auto guarded(Napi::Env env, Work work) -> decltype(work()) {
  try {
    return work();
  } catch (const palisade::KernelError& error) {
    throw to_javascript(env, error);
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Napi::Error::New(env, error.what());
  }
}

std::uint64_t to_uint64(const Napi::Value& value) {
  bool lossless = false;
  return value.As<Napi::BigInt>().Uint64Value(&lossless);
}

palisade::Bytes to_bytes(const Napi::Value& value) {
  const auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.Data() + array.ByteLength()};
}

Napi::Uint8Array to_array(Napi::Env env, const palisade::Bytes& bytes) {
  Napi::Uint8Array array = Napi::Uint8Array::New(env, bytes.size());
  std::copy(bytes.begin(), bytes.end(), array.Data());
  return array;
}

Napi::Object to_object(Napi::Env env, const palisade::Statistics& statistics) {
  const std::size_t cpus = statistics.cells.size();
  Napi::Object object = Napi::Object::New(env);
  object.Set("cpus", Napi::Number::New(env, static_cast<double>(cpus)));
  object.Set("operations", Napi::Number::New(env, PALISADE_OPERATION_COUNT));
  object.Set("skippedRuns", Napi::Number::New(env, static_cast<double>(statistics.skipped_runs)));
  // Counters stay below 2^53: at ten million events a second for 28 years.
  const auto table = [&](const char* name, auto member) {
    Napi::Float64Array array = Napi::Float64Array::New(env, cpus * PALISADE_OPERATION_COUNT);
    for (std::size_t cpu = 0; cpu < cpus; cpu++) {
      for (std::size_t operation = 0; operation < PALISADE_OPERATION_COUNT; operation++)
        array[cpu * PALISADE_OPERATION_COUNT + operation] =
            static_cast<double>((statistics.cells[cpu].*member)[operation]);
    }
    object.Set(name, array);
  };
  table("seen", &palisade_counters::seen);
  table("filtered", &palisade_counters::filtered);
  table("submitted", &palisade_counters::submitted);
  table("dropped", &palisade_counters::dropped);
  Napi::Float64Array sequence = Napi::Float64Array::New(env, cpus);
  for (std::size_t cpu = 0; cpu < cpus; cpu++) sequence[cpu] = static_cast<double>(statistics.cells[cpu].sequence);
  object.Set("sequence", sequence);
  return object;
}

Napi::Array to_array(Napi::Env env, const std::vector<palisade::HelperFailure>& failures) {
  Napi::Array array = Napi::Array::New(env, failures.size());
  for (std::uint32_t i = 0; i < failures.size(); i++) {
    Napi::Object failure = Napi::Object::New(env);
    failure.Set("place", Napi::String::New(env, failures[i].place));
    failure.Set("errno", Napi::Number::New(env, failures[i].error));
    failure.Set("count", Napi::Number::New(env, static_cast<double>(failures[i].count)));
    array.Set(i, failure);
  }
  return array;
}

/// One Monitor. Closed by its owner, by the collector of garbage, or with its environment.
class MonitorObject : public Napi::ObjectWrap<MonitorObject> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Monitor",
                       {
                           InstanceMethod<&MonitorObject::Session>("session"),
                           InstanceMethod<&MonitorObject::Predecessors>("predecessors"),
                           InstanceMethod<&MonitorObject::Discarded>("discarded"),
                           InstanceMethod<&MonitorObject::ReadBlock>("readBlock"),
                           InstanceMethod<&MonitorObject::ReleaseBlock>("releaseBlock"),
                           InstanceMethod<&MonitorObject::FinishPredecessor>("finishPredecessor"),
                           InstanceMethod<&MonitorObject::GetStatistics>("statistics"),
                           InstanceMethod<&MonitorObject::HelperFailures>("helperFailures"),
                           InstanceMethod<&MonitorObject::SetOperationsOff>("setOperationsOff"),
                           InstanceMethod<&MonitorObject::SetTargetOff>("setTargetOff"),
                           InstanceMethod<&MonitorObject::MapLookup>("mapLookup"),
                           InstanceMethod<&MonitorObject::MapUpdate>("mapUpdate"),
                           InstanceMethod<&MonitorObject::MapDelete>("mapDelete"),
                           InstanceMethod<&MonitorObject::MapEntries>("mapEntries"),
                           InstanceMethod<&MonitorObject::ScanProcesses>("scanProcesses"),
                           InstanceMethod<&MonitorObject::Clock>("clock"),
                           InstanceMethod<&MonitorObject::Detach>("detach"),
                           InstanceMethod<&MonitorObject::Close>("close"),
                       });
  }

  explicit MonitorObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<MonitorObject>(info) {
    const Napi::Object object = info[0].As<Napi::Object>();
    palisade::MonitorOptions options;
    options.pin_directory = object.Get("pinDirectory").As<Napi::String>().Utf8Value();
    options.ring_bytes = static_cast<std::uint64_t>(object.Get("ringBytes").As<Napi::Number>().Int64Value());
    options.unified_hierarchy = object.Get("unifiedHierarchy").As<Napi::Boolean>().Value();
    options.operations_off = object.Get("operationsOff").As<Napi::Number>().Uint32Value();
    monitor_ = guarded(info.Env(), [&] { return std::make_unique<palisade::Monitor>(options); });
    addon_ = info.Env().GetInstanceData<Addon>();
    addon_->open.insert(this);
  }

  ~MonitorObject() override {
    if (addon_ != nullptr) addon_->open.erase(this);
  }

  /// The environment ends: programs leave the kernel; what was not read stays pinned for the next start.
  void Abandon() noexcept {
    monitor_.reset();
    addon_ = nullptr;
  }

 private:
  /// monitor.ts calls nothing after close(): a programmer's error, but never a crash.
  palisade::Monitor& monitor(Napi::Env env) {
    if (monitor_ == nullptr) throw Napi::Error::New(env, "the monitor is closed");
    return *monitor_;
  }

  Napi::Value Session(const Napi::CallbackInfo& info) {
    return Napi::BigInt::New(info.Env(), monitor(info.Env()).session());
  }

  Napi::Value Predecessors(const Napi::CallbackInfo& info) {
    const auto& all = monitor(info.Env()).predecessors();
    Napi::Array array = Napi::Array::New(info.Env(), all.size());
    for (std::uint32_t i = 0; i < all.size(); i++) {
      Napi::Object one = Napi::Object::New(info.Env());
      one.Set("session", Napi::BigInt::New(info.Env(), all[i].session));
      one.Set("statistics", to_object(info.Env(), all[i].statistics));
      one.Set("helperFailures", to_array(info.Env(), all[i].helper_failures));
      array.Set(i, one);
    }
    return array;
  }

  Napi::Value Discarded(const Napi::CallbackInfo& info) {
    const auto& all = monitor(info.Env()).discarded();
    Napi::Array array = Napi::Array::New(info.Env(), all.size());
    for (std::uint32_t i = 0; i < all.size(); i++) {
      Napi::Object one = Napi::Object::New(info.Env());
      one.Set("session", Napi::BigInt::New(info.Env(), all[i].session));
      one.Set("reason", Napi::String::New(info.Env(), all[i].reason));
      array.Set(i, one);
    }
    return array;
  }

  /// (into) → { session, block, length }, or undefined where nothing waits. `into` has room for the largest event.
  Napi::Value ReadBlock(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    palisade::Monitor& monitor = this->monitor(env);
    Napi::Uint8Array into = info[0].As<Napi::Uint8Array>();
    return guarded(env, [&]() -> Napi::Value {
      const auto waiting = monitor.peek(into.ByteLength());
      if (!waiting) return env.Undefined();
      // One event alone may be beyond the limit that was asked for.
      if (waiting->extent.bytes > into.ByteLength()) throw std::length_error("an event is larger than a block");
      const palisade::BlockNumber number = monitor.take(*waiting, into.Data());
      Napi::Object block = Napi::Object::New(env);
      block.Set("session", Napi::BigInt::New(env, number.session));
      block.Set("block", Napi::BigInt::New(env, number.block));
      block.Set("length", Napi::Number::New(env, static_cast<double>(waiting->extent.bytes)));
      return block;
    });
  }

  /// (session, block). Blocks may outlive the monitor: then there is nothing to give back.
  void ReleaseBlock(const Napi::CallbackInfo& info) {
    if (monitor_ != nullptr) monitor_->release({to_uint64(info[0]), to_uint64(info[1])});
  }

  Napi::Value FinishPredecessor(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), monitor(info.Env()).finish_predecessor(to_uint64(info[0])));
  }

  Napi::Value GetStatistics(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] { return to_object(info.Env(), monitor(info.Env()).statistics()); });
  }

  Napi::Value HelperFailures(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] { return to_array(info.Env(), monitor(info.Env()).helper_failures()); });
  }

  void SetOperationsOff(const Napi::CallbackInfo& info) {
    monitor(info.Env()).set_operations_off(info[0].As<Napi::Number>().Uint32Value());
  }

  void SetTargetOff(const Napi::CallbackInfo& info) {
    guarded(info.Env(),
            [&] { monitor(info.Env()).set_target_off(to_uint64(info[0]), info[1].As<Napi::Boolean>().Value()); });
  }

  Napi::Value MapLookup(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const auto value = monitor(info.Env()).lookup(info[0].As<Napi::String>().Utf8Value(), to_bytes(info[1]));
      return value ? to_array(info.Env(), *value) : info.Env().Undefined();
    });
  }

  void MapUpdate(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] {
      monitor(info.Env()).update(info[0].As<Napi::String>().Utf8Value(), to_bytes(info[1]), to_bytes(info[2]));
    });
  }

  Napi::Value MapDelete(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      const bool was = monitor(info.Env()).remove(info[0].As<Napi::String>().Utf8Value(), to_bytes(info[1]));
      return Napi::Boolean::New(info.Env(), was);
    });
  }

  Napi::Value MapEntries(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      const auto all = monitor(info.Env()).entries(info[0].As<Napi::String>().Utf8Value());
      Napi::Array array = Napi::Array::New(info.Env(), all.size());
      for (std::uint32_t i = 0; i < all.size(); i++) {
        Napi::Array entry = Napi::Array::New(info.Env(), 2);
        entry.Set(0u, to_array(info.Env(), all[i].first));
        entry.Set(1u, to_array(info.Env(), all[i].second));
        array.Set(i, entry);
      }
      return array;
    });
  }

  Napi::Value ScanProcesses(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] { return to_array(info.Env(), monitor(info.Env()).scan_processes()); });
  }

  /// → { bootTimeNs, wallTimeNs }, read one after the other.
  Napi::Value Clock(const Napi::CallbackInfo& info) {
    const auto read = [](clockid_t clock) {
      timespec now{};
      clock_gettime(clock, &now);
      return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
    };
    Napi::Object clock = Napi::Object::New(info.Env());
    clock.Set("bootTimeNs", Napi::BigInt::New(info.Env(), read(CLOCK_BOOTTIME)));
    clock.Set("wallTimeNs", Napi::BigInt::New(info.Env(), read(CLOCK_REALTIME)));
    return clock;
  }

  void Detach(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { monitor(info.Env()).detach(); });
  }

  void Close(const Napi::CallbackInfo& info) {
    if (monitor_ == nullptr) return;
    guarded(info.Env(), [&] { monitor_->close(); });
    monitor_.reset();
  }

  std::unique_ptr<palisade::Monitor> monitor_;
  Addon* addon_ = nullptr;
};

Addon::Addon(Napi::Env env, Napi::Object exports) {
  DefineAddon(exports, {InstanceMethod("initialize", &Addon::Initialize)});
  exports.Set("Monitor", MonitorObject::Define(env));
  env.AddCleanupHook(
      [](Addon* addon) {
        for (MonitorObject* monitor : addon->open) monitor->Abandon();
        addon->open.clear();
      },
      this);
}

/// (KernelError): once, before anything else.
Napi::Value Addon::Initialize(const Napi::CallbackInfo& info) {
  kernel_error = Napi::Persistent(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

}  // namespace

NODE_API_NAMED_ADDON(palisade, Addon)
