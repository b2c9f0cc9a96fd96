#include "kernel_error.h"

#include <bpf/libbpf.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <vector>

namespace palisade {
namespace {

thread_local std::string* messages = nullptr;

int print(enum libbpf_print_level level, const char* format, va_list arguments) {
  if (messages == nullptr || level == LIBBPF_DEBUG) return 0;
  char line[4096];
  const int bytes = std::vsnprintf(line, sizeof(line), format, arguments);
  // 64 KiB: a verifier log comes through its own buffer; what libbpf itself says is some lines.
  if (bytes > 0 && messages->size() < (64u << 10)) messages->append(line);
  return bytes;
}

std::string likely_remedy(int error) {
  switch (error) {
    case EPERM:
    case EACCES:
      return "Run it as root, or with CAP_BPF, CAP_PERFMON, CAP_DAC_READ_SEARCH and CAP_SYS_RESOURCE; a kernel in "
             "lockdown "
             "refuses root too.";
    case ENOENT:
    case ESRCH:
      return "The kernel lacks a tracepoint or its BTF (CONFIG_DEBUG_INFO_BTF); 5.15 and later with BTF is supported.";
    case ENOMEM:
      return "Not enough memory for the maps: choose a smaller ring.";
    case EBUSY:
    case EWOULDBLOCK:
      return "Another monitor uses this pin directory: stop it, or choose another directory.";
    case EINVAL:
    case E2BIG:
      return "The kernel's verifier or a map refused it: kernels from 5.15 are supported.";
    case EROFS:
    case ENOTDIR:
      return "Mount a bpf file system there: mount -t bpf bpf /sys/fs/bpf.";
    default:
      return "";
  }
}

/// The last lines that say something: the verifier ends with statistics, and libbpf frames its log.
std::string last_lines(const std::string& complaint) {
  constexpr std::size_t kLines = 4;
  std::vector<std::string> lines;
  std::size_t start = 0;
  while (start < complaint.size()) {
    std::size_t end = complaint.find('\n', start);
    if (end == std::string::npos) end = complaint.size();
    std::string line = complaint.substr(start, end - start);
    start = end + 1;
    if (line.empty() || line.starts_with("processed ") || line.find("-- END ") != std::string::npos ||
        line.find("-- BEGIN ") != std::string::npos || line.find("failed to load") != std::string::npos)
      continue;
    lines.push_back(std::move(line));
  }
  std::string text;
  const std::size_t first = lines.size() > kLines ? lines.size() - kLines : 0;
  if (first > 0) text += "(" + std::to_string(first) + " lines before) ";
  for (std::size_t i = first; i < lines.size(); i++) text += (i > first ? " | " : "") + lines[i];
  return text;
}

std::string message_of(const std::string& doing, int error, const std::string& complaint, const std::string& remedy) {
  std::string text = "Could not " + doing + ": " + std::strerror(error) + ".";
  const std::string lines = last_lines(complaint);
  if (!lines.empty()) text += " The kernel said: " + lines + ".";
  if (!remedy.empty()) text += " " + remedy;
  return text;
}

}  // namespace

KernelError::KernelError(const std::string& doing, int error, std::string program, std::string complaint,
                         std::string remedy)
    : std::runtime_error(message_of(doing, error, complaint, remedy.empty() ? likely_remedy(error) : remedy)),
      error_(error),
      program_(std::move(program)),
      complaint_(std::move(complaint)),
      remedy_(remedy.empty() ? likely_remedy(error) : std::move(remedy)) {}

LibbpfMessages::LibbpfMessages() {
  static std::once_flag once;
  std::call_once(once, [] { libbpf_set_print(print); });
  messages = &text_;
}

LibbpfMessages::~LibbpfMessages() { messages = nullptr; }

}  // namespace palisade
