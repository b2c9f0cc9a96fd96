#include "ring.h"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "kernel_error.h"

namespace palisade {
namespace {

std::uint64_t load_acquire(const std::uint8_t* position) noexcept {
  return __atomic_load_n(reinterpret_cast<const std::uint64_t*>(position), __ATOMIC_ACQUIRE);
}

std::size_t rounded(std::uint32_t length) noexcept {
  return (static_cast<std::size_t>(length) + 7) & ~static_cast<std::size_t>(7);
}

}  // namespace

Ring::Ring(int map_fd, std::size_t bytes) : bytes_(bytes), page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
  void* consumer = mmap(nullptr, page_, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
  if (consumer == MAP_FAILED) throw KernelError("map the ring's consumer page", errno);
  void* producer = mmap(nullptr, page_ + 2 * bytes_, PROT_READ, MAP_SHARED, map_fd, static_cast<off_t>(page_));
  if (producer == MAP_FAILED) {
    const int error = errno;
    munmap(consumer, page_);
    throw KernelError("map the ring's data", error);
  }
  consumer_ = static_cast<std::uint8_t*>(consumer);
  producer_ = static_cast<std::uint8_t*>(producer);
  data_ = producer_ + page_;
  cursor_ = load_acquire(consumer_);
}

Ring::~Ring() {
  munmap(consumer_, page_);
  munmap(producer_, page_ + 2 * bytes_);
}

std::uint64_t Ring::waiting() const noexcept { return load_acquire(producer_) - cursor_; }

Ring::Extent Ring::peek(std::size_t limit) const noexcept {
  const std::uint64_t end = load_acquire(producer_);
  Extent extent{cursor_, 0};
  while (extent.end < end) {
    const std::uint8_t* record = data_ + (extent.end & (bytes_ - 1));
    const std::uint32_t header = __atomic_load_n(reinterpret_cast<const std::uint32_t*>(record), __ATOMIC_ACQUIRE);
    if (header & BPF_RINGBUF_BUSY_BIT) break;
    const std::uint32_t length = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
    if (!(header & BPF_RINGBUF_DISCARD_BIT)) {
      if (extent.bytes > 0 && extent.bytes + rounded(length) > limit) break;
      extent.bytes += rounded(length);
    }
    extent.end += rounded(length + BPF_RINGBUF_HDR_SZ);
  }
  return extent;
}

std::uint64_t Ring::take(const Extent& extent, std::uint8_t* to) {
  while (cursor_ < extent.end) {
    const std::uint8_t* record = data_ + (cursor_ & (bytes_ - 1));
    std::uint32_t header;
    std::memcpy(&header, record, sizeof(header));
    const std::uint32_t length = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
    if (!(header & BPF_RINGBUF_DISCARD_BIT)) {
      // Sizes are multiples of 8 (bpf/event.h), so records stay aligned in the block.
      std::memcpy(to, record + BPF_RINGBUF_HDR_SZ, length);
      to += rounded(length);
    }
    cursor_ += rounded(length + BPF_RINGBUF_HDR_SZ);
  }
  out_.push_back(Block{next_block_, extent.end, false});
  return next_block_++;
}

void Ring::release(std::uint64_t block) noexcept {
  for (Block& out : out_) {
    if (out.number == block) out.released = true;
  }
  while (!out_.empty() && out_.front().released) {
    __atomic_store_n(reinterpret_cast<std::uint64_t*>(consumer_), out_.front().end, __ATOMIC_RELEASE);
    out_.pop_front();
  }
}

bool Ring::is_read() const noexcept { return waiting() == 0; }

bool Ring::is_done() const noexcept { return is_read() && load_acquire(consumer_) == cursor_; }

}  // namespace palisade
