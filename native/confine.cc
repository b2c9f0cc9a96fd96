// SPDX-License-Identifier: Apache-2.0
//
// confine [--read PATH]... [--write PATH]... -- PROGRAM [ARGUMENT]...
//
// Becomes PROGRAM, which can then read only beneath the paths given, change files only beneath those given with
// --write, open no TCP connection or port (what it inherits or is passed stays usable), and gain no privileges. It is a
// program of its own because Landlock binds the calling thread and what descends from it: a Node process has other
// threads by the time JavaScript runs. Where the kernel has no Landlock, or only its first version, which forbids every
// rename between directories, PROGRAM is run without it: whether it holds is for PROGRAM to try.
//
// Landlock: Documentation/userspace-api/landlock.rst; versions 2 (5.19) REFER, 3 (6.2) TRUNCATE, 4 (6.7) TCP,
// 5 (6.10) IOCTL_DEV, 6 (6.12) scopes. Distributions' headers are older than their kernels, hence the constants here.

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

namespace {

constexpr long kCreateRuleset = 444, kAddRule = 445, kRestrictSelf = 446;  // The same on every architecture.
constexpr unsigned kVersionFlag = 1;
constexpr int kPathBeneath = 1;

constexpr uint64_t kExecute = 1 << 0, kWriteFile = 1 << 1, kReadFile = 1 << 2, kReadDirectory = 1 << 3;
constexpr uint64_t kTruncate = 1 << 14, kIoctlDevice = 1 << 15;
constexpr uint64_t kRead = kExecute | kReadFile | kReadDirectory;
constexpr uint64_t kOfFiles = kExecute | kWriteFile | kReadFile | kTruncate | kIoctlDevice;

struct RulesetAttributes {
  uint64_t file_system;
  uint64_t network;
  uint64_t scoped;
};

struct __attribute__((packed)) PathBeneathAttributes {
  uint64_t allowed;
  int32_t parent;
};

class Descriptor {
 public:
  explicit Descriptor(long number) : number_(static_cast<int>(number)) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;
  int get() const { return number_; }

 private:
  int number_;
};

struct Rule {
  const char *path;
  bool write;
};

struct CommandLine {
  std::vector<Rule> rules;
  char **program = nullptr;
};

int fail(const char *what, const char *subject) {
  std::fprintf(stderr, "confine: %s %s: %s\n", what, subject, std::strerror(errno));
  return 1;
}

bool parse(int count, char **arguments, CommandLine &line) {
  for (int place = 1; place < count; place++) {
    const std::string_view argument = arguments[place];
    if (argument == "--") {
      line.program = arguments + place + 1;
      return place + 1 < count;
    }
    const bool write = argument == "--write";
    if ((!write && argument != "--read") || place + 1 >= count) return false;
    line.rules.push_back({arguments[++place], write});
  }
  return false;
}

// Everything that this version knows of is forbidden unless a rule allows it.
RulesetAttributes attributes_for(long version) {
  const int known = version >= 5 ? 16 : version >= 3 ? 15 : 14;
  return {
      .file_system = (1ULL << known) - 1,
      .network = version >= 4 ? 0b11ULL : 0,  // bind and connect
      .scoped = version >= 6 ? 0b11ULL : 0,   // abstract sockets of, and signals to, anybody outside
  };
}

// The kernel refuses attributes longer than it knows, if they are not zero: each version gets its own length.
size_t size_for(long version) { return version >= 6 ? sizeof(RulesetAttributes) : version >= 4 ? 16 : 8; }

bool add_rule(int ruleset, const Rule &rule, uint64_t handled) {
  const Descriptor parent(open(rule.path, O_PATH | O_CLOEXEC));
  // A path that isn't here can't be read either: /lib64 is not everywhere.
  if (parent.get() < 0) return errno == ENOENT;
  struct stat status = {};
  if (fstat(parent.get(), &status) != 0) return false;
  uint64_t allowed = rule.write ? handled : kRead;
  if (!S_ISDIR(status.st_mode)) allowed &= kOfFiles;
  const PathBeneathAttributes attributes = {.allowed = allowed & handled, .parent = parent.get()};
  return syscall(kAddRule, ruleset, kPathBeneath, &attributes, 0) == 0;
}

int restrict_self(const CommandLine &line) {
  const long version = syscall(kCreateRuleset, nullptr, 0, kVersionFlag);
  if (version < 2) return 0;
  const RulesetAttributes attributes = attributes_for(version);
  const Descriptor ruleset(syscall(kCreateRuleset, &attributes, size_for(version), 0));
  if (ruleset.get() < 0) return fail("making", "a Landlock ruleset");
  for (const Rule &rule : line.rules)
    if (!add_rule(ruleset.get(), rule, attributes.file_system)) return fail("allowing", rule.path);
  if (syscall(kRestrictSelf, ruleset.get(), 0) != 0) return fail("entering", "the Landlock ruleset");
  return 0;
}

}  // namespace

int main(int count, char **arguments) {
  CommandLine line;
  if (!parse(count, arguments, line)) {
    std::fputs("usage: confine [--read PATH]... [--write PATH]... -- PROGRAM [ARGUMENT]...\n", stderr);
    return 64;
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail("setting", "no_new_privs");
  if (const int status = restrict_self(line); status != 0) return status;
  execv(line.program[0], line.program);
  return fail("running", line.program[0]);
}
