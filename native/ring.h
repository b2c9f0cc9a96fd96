// The consumer's side of a BPF ring buffer, read directly: libbpf's own consumer gives each record back at once, but
// here a record's space is given back only when what was in it has been appended.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace palisade {

/// kernel/bpf/ringbuf.c:
///
///   consumer page (written by us) │ producer page │ data, mapped twice in a row
///
/// Positions only rise. A record is an 8-byte header (length with a busy and a discard bit, page offset), then the
/// data, up to a multiple of 8. One thread at a time.
class Ring {
 public:
  /// Maps the ring of `map_fd`; throws KernelError.
  Ring(int map_fd, std::size_t bytes);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  /// Upper bound of the bytes that wait to be read, headers included.
  std::uint64_t waiting() const noexcept;

  struct Extent {
    std::uint64_t end;  ///< Position behind the last record.
    std::size_t bytes;  ///< Of the records without their headers.
  };
  /// The whole records that wait, up to `limit` bytes, but at least one; stops at a record that is still being written.
  Extent peek(std::size_t limit) const noexcept;

  /// Copies the records of `extent`, without headers, and moves the read cursor behind them. Returns the block's
  /// number.
  std::uint64_t take(const Extent& extent, std::uint8_t* to);

  /// The block's content is safe: its space is given back once all earlier blocks are released too. Unknown numbers and
  /// repeats do nothing.
  void release(std::uint64_t block) noexcept;

  /// Everything written has been read, and every block released.
  bool is_done() const noexcept;
  /// Everything written has been read.
  bool is_read() const noexcept;

 private:
  struct Block {
    std::uint64_t number;
    std::uint64_t end;
    bool released;
  };

  std::size_t bytes_;
  std::size_t page_;
  std::uint8_t* consumer_ = nullptr;
  std::uint8_t* producer_ = nullptr;
  const std::uint8_t* data_ = nullptr;
  std::uint64_t cursor_ = 0;
  std::uint64_t next_block_ = 1;
  std::deque<Block> out_;
};

}  // namespace palisade
