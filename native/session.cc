#include "session.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "kernel_error.h"

namespace palisade {
namespace {

/// A place's text, and its zeros: PALISADE_PLACE_BYTES of bpf/lib/errors.bpf.h.
struct FailureKey {
  char place[28];
  std::int32_t error;
};

void pin(int fd, const std::filesystem::path& path) {
  if (bpf_obj_pin(fd, path.c_str()) != 0) throw KernelError("pin " + path.string(), errno);
}

Descriptor open_pin(const std::filesystem::path& path) {
  Descriptor fd(bpf_obj_get(path.c_str()));
  if (!fd) throw KernelError("open the pinned map " + path.string(), errno);
  return fd;
}

void expect_map(const Descriptor& fd, const std::filesystem::path& path, bpf_map_type type, std::uint32_t value_bytes) {
  bpf_map_info info{};
  std::uint32_t length = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd.get(), &info, &length) != 0) throw KernelError("look at " + path.string(), errno);
  if (info.type != static_cast<std::uint32_t>(type) || info.value_size != value_bytes)
    throw KernelError("use " + path.string(), EINVAL, "", "", "It was pinned by another version.");
}

}  // namespace

std::unique_ptr<Session> Session::begin(const std::filesystem::path& directory, const SessionInfo& info, int ring_fd,
                                        int counters_fd, int failures_fd) {
  std::unique_ptr<Session> session(new Session(directory, info));
  if (mkdir(directory.c_str(), 0700) != 0) throw KernelError("make " + directory.string(), errno);
  try {
    session->info_fd_ = Descriptor(
        bpf_map_create(BPF_MAP_TYPE_ARRAY, "palisade_info", sizeof(std::uint32_t), sizeof(SessionInfo), 1, nullptr));
    if (!session->info_fd_) throw KernelError("make the map of the session", errno);
    session->write_info();
    session->ring_fd_ = Descriptor(fcntl(ring_fd, F_DUPFD_CLOEXEC, 0));
    session->counters_fd_ = Descriptor(fcntl(counters_fd, F_DUPFD_CLOEXEC, 0));
    session->failures_fd_ = Descriptor(fcntl(failures_fd, F_DUPFD_CLOEXEC, 0));
    session->ring_ = std::make_unique<Ring>(ring_fd, info.ring_bytes);
    pin(ring_fd, directory / "ring");
    pin(counters_fd, directory / "counters");
    pin(failures_fd, directory / "failures");
    // Last: a directory without it was never in use.
    pin(session->info_fd_.get(), directory / "info");
  } catch (...) {
    remove_pins(directory);
    throw;
  }
  return session;
}

std::unique_ptr<Session> Session::find(const std::filesystem::path& directory) {
  Descriptor info_fd = open_pin(directory / "info");
  expect_map(info_fd, directory / "info", BPF_MAP_TYPE_ARRAY, sizeof(SessionInfo));
  const std::uint32_t zero = 0;
  SessionInfo info{};
  if (bpf_map_lookup_elem(info_fd.get(), &zero, &info) != 0) throw KernelError("read " + directory.string(), errno);
  if (info.version != PALISADE_EVENT_VERSION || info.links > kLinksMax)
    throw KernelError("use " + directory.string(), EINVAL, "", "",
                      "It was pinned by version " + std::to_string(info.version) +
                          " of the event layout; this is version " + std::to_string(PALISADE_EVENT_VERSION) + ".");
  if (!wait_until_detached({info.link_ids.begin(), info.link_ids.begin() + info.links}))
    throw KernelError("take over " + directory.string(), EBUSY);

  std::unique_ptr<Session> session(new Session(directory, info));
  session->info_fd_ = std::move(info_fd);
  session->ring_fd_ = open_pin(directory / "ring");
  session->counters_fd_ = open_pin(directory / "counters");
  session->failures_fd_ = open_pin(directory / "failures");
  expect_map(session->ring_fd_, directory / "ring", BPF_MAP_TYPE_RINGBUF, 0);
  expect_map(session->counters_fd_, directory / "counters", BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(palisade_counters));
  expect_map(session->failures_fd_, directory / "failures", BPF_MAP_TYPE_HASH, sizeof(std::uint64_t));
  session->ring_ = std::make_unique<Ring>(session->ring_fd_.get(), info.ring_bytes);
  return session;
}

void Session::set_links(const std::vector<std::uint32_t>& ids) {
  info_.links = static_cast<std::uint32_t>(ids.size());
  for (std::size_t i = 0; i < ids.size(); i++) info_.link_ids.at(i) = ids[i];
  write_info();
}

void Session::set_skipped_runs(std::uint64_t count) {
  if (info_.skipped_runs == count) return;
  info_.skipped_runs = count;
  write_info();
}

void Session::write_info() {
  const std::uint32_t zero = 0;
  if (bpf_map_update_elem(info_fd_.get(), &zero, &info_, BPF_ANY) != 0)
    throw KernelError("write down the session", errno);
}

Statistics Session::statistics() const {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus < 0) throw KernelError("count the CPUs", -cpus);
  static_assert(sizeof(palisade_counters) % 8 == 0, "per-CPU values stand at multiples of 8");
  Statistics statistics;
  statistics.cells.resize(static_cast<std::size_t>(cpus));
  const std::uint32_t zero = 0;
  if (bpf_map_lookup_elem(counters_fd_.get(), &zero, statistics.cells.data()) != 0)
    throw KernelError("read the counters", errno);
  statistics.skipped_runs = info_.skipped_runs;
  return statistics;
}

std::vector<HelperFailure> Session::helper_failures() const {
  std::vector<HelperFailure> failures;
  FailureKey key{}, next{};
  const void* from = nullptr;
  while (bpf_map_get_next_key(failures_fd_.get(), from, &next) == 0) {
    std::uint64_t count = 0;
    if (bpf_map_lookup_elem(failures_fd_.get(), &next, &count) == 0)
      failures.push_back({std::string(next.place, strnlen(next.place, sizeof(next.place))), next.error, count});
    key = next;
    from = &key;
  }
  return failures;
}

bool wait_until_detached(const std::vector<std::uint32_t>& link_ids) {
  using namespace std::chrono_literals;
  const auto deadline = std::chrono::steady_clock::now() + 2s;
  for (const std::uint32_t id : link_ids) {
    for (;;) {
      // Ids are given out in a circle (kernel/bpf/syscall.c, bpf_link_alloc_id): an old one does not come back soon.
      const Descriptor link(bpf_link_get_fd_by_id(id));
      if (!link && errno == ENOENT) break;
      if (!link && errno != EAGAIN) throw KernelError("look whether a program is still attached", errno);
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(2ms);
    }
  }
  // Waits for every reader of RCU: a run of a tracepoint's program is one. Without it (nohz_full) some ms do.
  if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) != 0) std::this_thread::sleep_for(20ms);
  return true;
}

void remove_pins(const std::filesystem::path& directory) noexcept {
  for (const char* name : {"info", "ring", "counters", "failures"}) unlink((directory / name).c_str());
  rmdir(directory.c_str());
}

}  // namespace palisade
