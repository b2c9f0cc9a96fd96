// What the kernel or libbpf refused, with what a person needs.
#pragma once

#include <stdexcept>
#include <string>

namespace palisade {

class KernelError : public std::runtime_error {
 public:
  /// `doing`: what was being done, as "load the program process_exec". `error`: a positive errno. `complaint`: what the
  /// kernel or libbpf said, many lines; the last meaningful ones go into the message.
  KernelError(const std::string& doing, int error, std::string program = "", std::string complaint = "",
              std::string remedy = "");

  int error() const noexcept { return error_; }
  const std::string& program() const noexcept { return program_; }
  const std::string& complaint() const noexcept { return complaint_; }
  const std::string& remedy() const noexcept { return remedy_; }

 private:
  int error_;
  std::string program_;
  std::string complaint_;
  std::string remedy_;
};

/// Collects what libbpf prints in this thread while it lives; libbpf's print function is one for the whole process.
class LibbpfMessages {
 public:
  LibbpfMessages();
  ~LibbpfMessages();
  LibbpfMessages(const LibbpfMessages&) = delete;
  LibbpfMessages& operator=(const LibbpfMessages&) = delete;
  const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
};

}  // namespace palisade
