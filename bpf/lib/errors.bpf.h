/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counts each failed helper by place and errno, where it happens. Includes nothing of ours. */
#ifndef PALISADE_ERRORS_BPF_H
#define PALISADE_ERRORS_BPF_H

/* The place is text made by the compiler, such as "path.bpf.h:40": a new file needs no registration. */
#define PALISADE_PLACE_BYTES 28
#define PALISADE_STRINGIFY_(text) #text
#define PALISADE_STRINGIFY(text) PALISADE_STRINGIFY_(text)
#define PALISADE_PLACE __FILE_NAME__ ":" PALISADE_STRINGIFY(__LINE__)

struct failure_key {
	char place[PALISADE_PLACE_BYTES]; /* zeros behind the text */
	__s32 error;			  /* positive errno */
};

/* 256: some ten places times some errnos; where it were full, counts of further pairs would be lost. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct failure_key);
	__type(value, __u64);
} failures SEC(".maps");

/* A global function: verified once. */
__noinline int add_failure(const struct failure_key *key)
{
	__u64 one = 1, *count;

	if (!key)
		return 0;
	count = bpf_map_lookup_elem(&failures, key);
	if (!count) {
		if (bpf_map_update_elem(&failures, key, &one, BPF_NOEXIST) == 0)
			return 0;
		/* Another CPU was first, or the map is full. */
		count = bpf_map_lookup_elem(&failures, key);
		if (!count)
			return 0;
	}
	__sync_fetch_and_add(count, 1);
	return 0;
}

/* Not inlined, so that the key is on no other function's stack. `place` has PALISADE_PLACE_BYTES. */
static __noinline int count_failure(const char *place, long result)
{
	struct failure_key key = {.error = -result};

	__builtin_memcpy(key.place, place, sizeof(key.place));
	return add_failure(&key);
}

/* The result of a call of a helper that may fail; a negative one is counted. */
#define COUNTED(call)                                                                                                  \
	({                                                                                                             \
		long result_ = (call);                                                                                 \
		if (result_ < 0) {                                                                                     \
			static const char place_[PALISADE_PLACE_BYTES] = PALISADE_PLACE;                               \
			count_failure(place_, result_);                                                                \
		}                                                                                                      \
		result_;                                                                                               \
	})

#endif
