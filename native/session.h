// One life of the monitor in the kernel, as its pinned maps keep it:
// PIN_DIRECTORY/session-NANOSECONDS/{ring,counters,failures,info}.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "../bpf/container.h"
#include "../bpf/event.h"
#include "handles.h"
#include "ring.h"

namespace palisade {

/// Programs that are attached; their links' ids tell whether they still are.
constexpr std::size_t kLinksMax = 16;

/// What is written beside a session's ring for whoever finds it. Read by the same version only.
struct SessionInfo {
  std::uint32_t version;  ///< PALISADE_EVENT_VERSION
  std::uint32_t links;
  std::uint64_t session;
  std::uint64_t ring_bytes;
  std::uint64_t skipped_runs;  ///< As last asked for: it goes with the programs.
  std::array<std::uint32_t, kLinksMax> link_ids;
};

/// Figures of one session; `cells` by CPU.
struct Statistics {
  std::vector<palisade_counters> cells;
  std::uint64_t skipped_runs = 0;
};

struct HelperFailure {
  std::string place;
  int error;
  std::uint64_t count;
};

class Session {
 public:
  /// Pins the maps of a session that begins. Throws KernelError.
  static std::unique_ptr<Session> begin(const std::filesystem::path& directory, const SessionInfo& info, int ring_fd,
                                        int counters_fd, int failures_fd);
  /// Opens what another process pinned, and waits until its programs are gone. Throws KernelError.
  static std::unique_ptr<Session> find(const std::filesystem::path& directory);

  const SessionInfo& info() const noexcept { return info_; }
  Ring& ring() noexcept { return *ring_; }
  const std::filesystem::path& directory() const noexcept { return directory_; }

  void set_links(const std::vector<std::uint32_t>& ids);
  void set_skipped_runs(std::uint64_t count);
  Statistics statistics() const;
  std::vector<HelperFailure> helper_failures() const;

 private:
  Session(std::filesystem::path directory, const SessionInfo& info) : directory_(std::move(directory)), info_(info) {}
  void write_info();

  std::filesystem::path directory_;
  SessionInfo info_;
  Descriptor ring_fd_;
  Descriptor counters_fd_;
  Descriptor failures_fd_;
  Descriptor info_fd_;
  std::unique_ptr<Ring> ring_;
};

/// Waits until the links with these ids are gone and no run of their programs is left. False after two seconds.
bool wait_until_detached(const std::vector<std::uint32_t>& link_ids);

/// Removes a session's pins; what was not read is lost.
void remove_pins(const std::filesystem::path& directory) noexcept;

}  // namespace palisade
