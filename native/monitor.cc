#include "monitor.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <string_view>

#include "kernel_error.h"
#include "monitor.skel.h"

namespace palisade {
namespace {

constexpr const char* kSessionPrefix = "session-";
/// Sessions that may wait to be drained, each with its ring: crashes in a row, each before anything was appended.
constexpr std::size_t kPredecessorsMax = 8;
/// Of one program's verifier log; only touched where a program is refused.
constexpr std::size_t kLogBytes = 4u << 20;
/// Maps that outlive a session. The others belong to it.
constexpr std::array<const char*, 7> kSharedMaps = {"containers",    "container_paths", "container_layouts", "runtimes",
                                                    "runtime_names", "belongings",      "registered"};
/// Those of them that hold ids of cgroups, which mean something else in another hierarchy.
constexpr std::array<const char*, 3> kCgroupMaps = {"containers", "container_paths", "belongings"};
/// Which hierarchy that is.
constexpr const char* kHierarchyPin = "hierarchy";
/// Of all processes in one scan: at some 500 bytes each, more than pid_max allows on a usual machine.
constexpr std::size_t kScanBytesMax = 64u << 20;
/// Programs that are run on demand, not attached.
constexpr const char* kIteratorPrefix = "iter/";

std::uint64_t boot_time_ns() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

/// Makes the directory where it is missing, below a bpf file system. The root of one is writable for everybody (1777),
/// and maps are believed: so the directory must be ours, and nobody else's to write.
void make_pin_directory(const std::filesystem::path& directory) {
  std::filesystem::path present = directory;
  // What can't be looked at is no place that is there: making it tells why.
  std::error_code error;
  while (!std::filesystem::exists(present, error)) present = present.parent_path();
  struct statfs file_system {};
  if (statfs(present.c_str(), &file_system) != 0) throw KernelError("look at " + present.string(), errno);
  if (static_cast<unsigned long>(file_system.f_type) != BPF_FS_MAGIC)
    throw KernelError("pin maps in " + directory.string(), ENOTDIR, "",
                      present.string() + " is not on a bpf file system");
  std::filesystem::create_directories(directory.parent_path(), error);
  if (error || (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST))
    throw KernelError("make the pin directory " + directory.string(), error ? error.value() : errno, "", "",
                      "A bpf file system has no names with a dot, and the folder above must be ours to write.");
  struct stat made {};
  if (lstat(directory.c_str(), &made) != 0) throw KernelError("look at " + directory.string(), errno);
  if (!S_ISDIR(made.st_mode) || made.st_uid != geteuid() || (made.st_mode & 022) != 0)
    throw KernelError("trust the pin directory " + directory.string(), EPERM, "", "",
                      "It belongs to another user, or others may write into it: remove it, or choose another.");
}

/// Which program libbpf (1.1, libbpf.c, bpf_object_load_prog) says was refused; empty where none was.
std::string refused_program(const std::string& messages) {
  constexpr std::string_view before = "prog '";
  const std::size_t failed = messages.find("': BPF program load failed");
  if (failed == std::string::npos) return "";
  const std::size_t start = messages.rfind(before, failed);
  return start == std::string::npos ? "" : messages.substr(start + before.size(), failed - start - before.size());
}

/// No signal reaches this thread while it lives. The verifier gives up with EAGAIN where one is pending
/// (kernel/bpf/verifier.c, do_check), libbpf tries five times, and a profiler's come every millisecond.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

std::uint32_t link_id(const bpf_link* link) {
  bpf_link_info info{};
  std::uint32_t length = sizeof(info);
  if (bpf_obj_get_info_by_fd(bpf_link__fd(link), &info, &length) != 0)
    throw KernelError("ask for the id of a link", errno);
  return info.id;
}

}  // namespace

void Monitor::SkeletonDeleter::operator()(monitor_bpf* skeleton) const noexcept { monitor_bpf__destroy(skeleton); }

Monitor::Monitor(const MonitorOptions& options) : directory_(options.pin_directory) {
  make_pin_directory(directory_);
  lock_directory();
  find_predecessors();
  load(options);
  try {
    attach();
  } catch (...) {
    remove_pins(session_->directory());
    throw;
  }
}

Monitor::~Monitor() = default;

std::uint64_t Monitor::session() const noexcept { return session_->info().session; }

/// The lock ends with the process, however it ends.
void Monitor::lock_directory() {
  lock_ = Descriptor(open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock_) throw KernelError("open " + directory_.string(), errno);
  if (flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) throw KernelError("lock " + directory_.string(), errno);
}

void Monitor::find_predecessors() {
  std::vector<std::pair<std::uint64_t, std::filesystem::path>> found;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(kSessionPrefix)) continue;
    found.emplace_back(std::strtoull(name.c_str() + std::strlen(kSessionPrefix), nullptr, 10), entry.path());
  }
  std::sort(found.begin(), found.end());
  const std::size_t too_many = found.size() > kPredecessorsMax ? found.size() - kPredecessorsMax : 0;
  for (std::size_t i = 0; i < found.size(); i++) {
    const auto& [session, path] = found[i];
    if (i < too_many) {
      discarded_.push_back(
          {session, "more than " + std::to_string(kPredecessorsMax) + " sessions were left undrained"});
      remove_pins(path);
      continue;
    }
    try {
      std::unique_ptr<Session> old = Session::find(path);
      predecessors_.push_back({old->info().session, old->statistics(), old->helper_failures()});
      old_.push_back(std::move(old));
    } catch (const KernelError& error) {
      if (error.error() == EBUSY) throw;  // Its programs are still there: taking its pins away would lose events.
      discarded_.push_back({session, error.what()});
      remove_pins(path);
    }
  }
}

/// Takes a map that an earlier session pinned, where it is the same kind of map; else its content is lost, and said so.
void Monitor::reuse_or_discard(bpf_map* map) {
  const std::filesystem::path path = directory_ / bpf_map__name(map);
  const Descriptor old(bpf_obj_get(path.c_str()));
  if (!old) return;
  bpf_map_info info{};
  std::uint32_t length = sizeof(info);
  if (bpf_obj_get_info_by_fd(old.get(), &info, &length) != 0) throw KernelError("look at " + path.string(), errno);
  const bool same = info.type == static_cast<std::uint32_t>(bpf_map__type(map)) &&
                    info.key_size == bpf_map__key_size(map) && info.value_size == bpf_map__value_size(map) &&
                    info.max_entries == bpf_map__max_entries(map) && info.map_flags == bpf_map__map_flags(map);
  if (same) {
    if (const int result = bpf_map__reuse_fd(map, old.get()); result != 0)
      throw KernelError("use " + path.string(), -result);
    return;
  }
  discarded_.push_back({0, path.string() + " was pinned by another version"});
  unlink(path.c_str());
}

/// Drops what is pinned about cgroups where another hierarchy decides than when it was, and writes down which does.
void Monitor::keep_hierarchy(bool unified) {
  const std::filesystem::path path = directory_ / kHierarchyPin;
  const std::uint32_t zero = 0, wanted = unified ? 2 : 1;
  std::uint32_t found = 0;
  Descriptor marker(bpf_obj_get(path.c_str()));
  bpf_map_info info{};
  std::uint32_t length = sizeof(info);
  if (marker && (bpf_obj_get_info_by_fd(marker.get(), &info, &length) != 0 || info.value_size != sizeof(found) ||
                 bpf_map_lookup_elem(marker.get(), &zero, &found) != 0))
    found = 0;
  if (found == wanted) return;
  for (const char* name : kCgroupMaps) unlink((directory_ / name).c_str());
  unlink(path.c_str());
  marker = Descriptor(
      bpf_map_create(BPF_MAP_TYPE_ARRAY, "palisade_hier", sizeof(std::uint32_t), sizeof(wanted), 1, nullptr));
  if (!marker || bpf_map_update_elem(marker.get(), &zero, &wanted, BPF_ANY) != 0 ||
      bpf_obj_pin(marker.get(), path.c_str()) != 0)
    throw KernelError("write down the hierarchy of cgroups in " + path.string(), errno);
}

void Monitor::load(const MonitorOptions& options) {
  const LibbpfMessages messages;
  skeleton_.reset(monitor_bpf__open());
  if (!skeleton_) throw KernelError("open the monitor object", errno, "", messages.text());

  SessionInfo info{};
  info.version = PALISADE_EVENT_VERSION;
  info.session = boot_time_ns();
  info.ring_bytes = options.ring_bytes;
  skeleton_->rodata->session = info.session;
  skeleton_->rodata->unified_hierarchy = options.unified_hierarchy;
  skeleton_->bss->operations_off = options.operations_off;
  bpf_map__set_max_entries(skeleton_->maps.ring, static_cast<std::uint32_t>(options.ring_bytes));
  const int cpus = libbpf_num_possible_cpus();
  if (cpus < 0) throw KernelError("count the CPUs", -cpus);
  bpf_map__set_max_entries(skeleton_->maps.scratches, static_cast<std::uint32_t>(cpus));
  keep_hierarchy(options.unified_hierarchy);
  for (const char* name : kSharedMaps) reuse_or_discard(bpf_object__find_map_by_name(skeleton_->obj, name));

  // The verifier writes into a buffer of ours only where it refuses: libbpf then loads a second time with a log.
  std::vector<std::pair<bpf_program*, std::unique_ptr<char[]>>> logs;
  bpf_program* each = nullptr;
  bpf_object__for_each_program(each, skeleton_->obj) {
    logs.emplace_back(each, new char[kLogBytes]);
    logs.back().second[0] = '\0';
    bpf_program__set_log_buf(each, logs.back().second.get(), kLogBytes);
  }
  const int result = [&] {
    const SignalsBlocked blocked;
    return monitor_bpf__load(skeleton_.get());
  }();
  if (result != 0) {
    const std::string refused = refused_program(messages.text());
    for (const auto& [program, log] : logs) {
      if (refused != bpf_program__name(program)) continue;
      // A refusal before the verifier has begun leaves no log: then libbpf's own words are what there is.
      throw KernelError("load the program " + refused + " (" + bpf_program__section_name(program) + ")", -result,
                        refused, log[0] != '\0' ? log.get() : messages.text());
    }
    throw KernelError("load the monitor object", -result, "", messages.text());
  }

  for (const char* name : kSharedMaps) {
    const std::filesystem::path path = directory_ / name;
    const int fd = bpf_map__fd(bpf_object__find_map_by_name(skeleton_->obj, name));
    if (bpf_obj_pin(fd, path.c_str()) != 0 && errno != EEXIST) throw KernelError("pin " + path.string(), errno);
  }
  session_ = Session::begin(directory_ / (kSessionPrefix + std::to_string(info.session)), info,
                            bpf_map__fd(skeleton_->maps.ring), bpf_map__fd(skeleton_->maps.counters),
                            bpf_map__fd(skeleton_->maps.failures));
}

void Monitor::attach() {
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton_->obj) {
    const std::string name = bpf_program__name(program);
    if (name.starts_with("call_")) continue;  // Called by the dispatcher: bpf/monitor.bpf.c.
    if (std::string_view(bpf_program__section_name(program)).starts_with(kIteratorPrefix)) continue;
    const LibbpfMessages messages;
    Link link(bpf_program__attach(program));
    if (!link)
      throw KernelError("attach the program " + name + " to " + bpf_program__section_name(program), errno, name,
                        messages.text());
    link_ids_.push_back(link_id(link.get()));
    links_.push_back(std::move(link));
    session_->set_links(link_ids_);
  }
}

std::optional<Monitor::Waiting> Monitor::peek(std::size_t limit) {
  for (const auto& old : old_) {
    const Ring::Extent extent = old->ring().peek(limit);
    if (extent.bytes > 0) return Waiting{old.get(), extent};
  }
  const Ring::Extent extent = session_->ring().peek(limit);
  if (extent.bytes == 0) return std::nullopt;
  return Waiting{session_.get(), extent};
}

BlockNumber Monitor::take(const Waiting& waiting, std::uint8_t* to) {
  return {waiting.session->info().session, waiting.session->ring().take(waiting.extent, to)};
}

void Monitor::release(const BlockNumber& block) noexcept {
  if (session_->info().session == block.session) session_->ring().release(block.block);
  for (const auto& old : old_) {
    if (old->info().session == block.session) old->ring().release(block.block);
  }
}

bool Monitor::finish_predecessor(std::uint64_t session) {
  const auto old =
      std::find_if(old_.begin(), old_.end(), [&](const auto& one) { return one->info().session == session; });
  if (old == old_.end()) return true;
  if (!(*old)->ring().is_done()) return false;
  remove_pins((*old)->directory());
  old_.erase(old);
  return true;
}

std::uint64_t Monitor::skipped_runs() const {
  std::uint64_t runs = 0;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton_->obj) {
    bpf_prog_info info{};
    std::uint32_t length = sizeof(info);
    if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length) != 0)
      throw KernelError("ask for the figures of a program", errno, bpf_program__name(program));
    runs += info.recursion_misses;
  }
  return runs;
}

Statistics Monitor::statistics() {
  session_->set_skipped_runs(skipped_runs());
  return session_->statistics();
}

std::vector<HelperFailure> Monitor::helper_failures() const { return session_->helper_failures(); }

void Monitor::set_operations_off(std::uint32_t bits) { skeleton_->bss->operations_off = bits; }

void Monitor::set_target_off(std::uint64_t container_cgroup_id, bool off) {
  const int fd = bpf_map__fd(skeleton_->maps.targets_off);
  const std::uint8_t one = 1;
  const int result = off ? bpf_map_update_elem(fd, &container_cgroup_id, &one, BPF_NOEXIST)
                         : bpf_map_delete_elem(fd, &container_cgroup_id);
  if (result != 0) {
    if (errno == (off ? EEXIST : ENOENT)) return;  // It is so already.
    throw KernelError("switch a container " + std::string(off ? "off" : "on"), errno);
  }
  skeleton_->bss->targets_off_count = skeleton_->bss->targets_off_count + (off ? 1 : -1);
}

bpf_map* Monitor::pinned_map(const std::string& name) const {
  const bool is_shared =
      std::any_of(kSharedMaps.begin(), kSharedMaps.end(), [&](const char* known) { return name == known; });
  bpf_map* map = is_shared ? bpf_object__find_map_by_name(skeleton_->obj, name.c_str()) : nullptr;
  if (map == nullptr) throw KernelError("use the map " + name, ENOENT, "", "", "There is no pinned map of that name.");
  return map;
}

namespace {

void expect_size(const char* what, std::size_t got, std::size_t wanted) {
  if (got != wanted)
    throw KernelError(std::string("use a ") + what + " of " + std::to_string(got) + " bytes", EINVAL, "", "",
                      "The map's has " + std::to_string(wanted) + ".");
}

}  // namespace

std::optional<Bytes> Monitor::lookup(const std::string& name, const Bytes& key) const {
  bpf_map* map = pinned_map(name);
  expect_size("key", key.size(), bpf_map__key_size(map));
  Bytes value(bpf_map__value_size(map));
  if (bpf_map_lookup_elem(bpf_map__fd(map), key.data(), value.data()) == 0) return value;
  if (errno == ENOENT) return std::nullopt;
  throw KernelError("look something up in the map " + name, errno);
}

void Monitor::update(const std::string& name, const Bytes& key, const Bytes& value) {
  bpf_map* map = pinned_map(name);
  expect_size("key", key.size(), bpf_map__key_size(map));
  expect_size("value", value.size(), bpf_map__value_size(map));
  if (bpf_map_update_elem(bpf_map__fd(map), key.data(), value.data(), BPF_ANY) != 0)
    throw KernelError("write into the map " + name, errno, "", "", errno == E2BIG ? "The map is full." : "");
}

bool Monitor::remove(const std::string& name, const Bytes& key) {
  bpf_map* map = pinned_map(name);
  expect_size("key", key.size(), bpf_map__key_size(map));
  if (bpf_map_delete_elem(bpf_map__fd(map), key.data()) == 0) return true;
  if (errno == ENOENT) return false;
  throw KernelError("delete something in the map " + name, errno);
}

std::vector<std::pair<Bytes, Bytes>> Monitor::entries(const std::string& name) const {
  bpf_map* map = pinned_map(name);
  const int fd = bpf_map__fd(map);
  std::vector<std::pair<Bytes, Bytes>> all;
  Bytes key(bpf_map__key_size(map)), next(key.size()), value(bpf_map__value_size(map));
  const void* from = nullptr;
  // A key deleted while we walk makes the kernel begin again: bounded by twice the map's size.
  for (std::uint32_t i = 0; i < 2 * bpf_map__max_entries(map) && bpf_map_get_next_key(fd, from, next.data()) == 0;
       i++) {
    if (bpf_map_lookup_elem(fd, next.data(), value.data()) == 0) all.emplace_back(next, value);
    key = next;
    from = key.data();
  }
  return all;
}

Bytes Monitor::scan_processes() {
  const LibbpfMessages messages;
  const char* name = bpf_program__name(skeleton_->progs.process_scan);
  const Link link(bpf_program__attach_iter(skeleton_->progs.process_scan, nullptr));
  if (!link) throw KernelError("attach the iterator " + std::string(name), errno, name, messages.text());
  const Descriptor iterator(bpf_iter_create(bpf_link__fd(link.get())));
  if (!iterator) throw KernelError("run the iterator " + std::string(name), errno, name);
  Bytes all;
  std::array<std::uint8_t, 1u << 16> part{};
  while (all.size() < kScanBytesMax) {
    const ssize_t got = read(iterator.get(), part.data(), part.size());
    if (got == 0) break;
    // EAGAIN: a program had the scratch of this CPU; the next read begins with that task again.
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got < 0) throw KernelError("run the iterator " + std::string(name), errno, name);
    all.insert(all.end(), part.begin(), part.begin() + got);
  }
  return all;
}

void Monitor::detach() {
  if (links_.empty()) return;
  links_.clear();
  if (!wait_until_detached(link_ids_)) throw KernelError("detach the programs", EBUSY);
  session_->set_skipped_runs(skipped_runs());
}

void Monitor::close() {
  detach();
  if (session_->ring().is_done()) remove_pins(session_->directory());
}

}  // namespace palisade
