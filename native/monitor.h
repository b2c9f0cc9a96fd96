// The monitor object in the kernel: open, configure, load, pin, attach; whole events out. Knows no JavaScript.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "handles.h"
#include "session.h"

struct monitor_bpf;

namespace palisade {

struct MonitorOptions {
  std::string pin_directory;
  std::uint64_t ring_bytes = 0;
  bool unified_hierarchy = true;
  std::uint32_t operations_off = 0;
};

struct DiscardedSession {
  std::uint64_t session;
  std::string reason;
};

struct Predecessor {
  std::uint64_t session;
  Statistics statistics;
  std::vector<HelperFailure> helper_failures;
};

/// Which session's ring a block came from, and which of its blocks it is.
struct BlockNumber {
  std::uint64_t session = 0;
  std::uint64_t block = 0;
};

using Bytes = std::vector<std::uint8_t>;

/// One thread at a time.
class Monitor {
 public:
  explicit Monitor(const MonitorOptions& options);
  ~Monitor();
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  std::uint64_t session() const noexcept;
  const std::vector<Predecessor>& predecessors() const noexcept { return predecessors_; }
  const std::vector<DiscardedSession>& discarded() const noexcept { return discarded_; }

  /// What waits, of the oldest session that has something: at most `limit` bytes; nothing where nothing waits.
  struct Waiting {
    Session* session;
    Ring::Extent extent;
  };
  std::optional<Waiting> peek(std::size_t limit);
  /// `to` has room for `waiting.extent.bytes`.
  BlockNumber take(const Waiting& waiting, std::uint8_t* to);
  void release(const BlockNumber& block) noexcept;
  /// A predecessor's last figures are written down: removes its pins. False where its ring still holds something.
  bool finish_predecessor(std::uint64_t session);

  Statistics statistics();
  std::vector<HelperFailure> helper_failures() const;
  void set_operations_off(std::uint32_t bits);
  void set_target_off(std::uint64_t container_cgroup_id, bool off);

  /// `map`: one of the pinned maps. Sizes of keys and values must be the map's.
  std::optional<Bytes> lookup(const std::string& map, const Bytes& key) const;
  void update(const std::string& map, const Bytes& key, const Bytes& value);
  bool remove(const std::string& map, const Bytes& key);
  std::vector<std::pair<Bytes, Bytes>> entries(const std::string& map) const;

  /// Lets every process that runs know the container it is in, as `containers` has them now, and tells of each as an
  /// event.
  Bytes scan_processes();

  void detach();
  /// Detaches, and removes this session's pins where nothing is left to be read or released.
  void close();

 private:
  struct SkeletonDeleter {
    void operator()(monitor_bpf* skeleton) const noexcept;
  };

  void lock_directory();
  void find_predecessors();
  void load(const MonitorOptions& options);
  void attach();
  void keep_hierarchy(bool unified);
  void reuse_or_discard(bpf_map* map);
  bpf_map* pinned_map(const std::string& name) const;
  std::uint64_t skipped_runs() const;

  std::filesystem::path directory_;
  Descriptor lock_;
  std::deque<std::unique_ptr<Session>> old_;
  std::vector<Predecessor> predecessors_;
  std::vector<DiscardedSession> discarded_;
  std::unique_ptr<monitor_bpf, SkeletonDeleter> skeleton_;
  std::unique_ptr<Session> session_;
  std::vector<Link> links_;
  std::vector<std::uint32_t> link_ids_;
};

}  // namespace palisade
