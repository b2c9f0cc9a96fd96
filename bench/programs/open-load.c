// SPDX-License-Identifier: Apache-2.0
/*
 * Opens files at a steady rate, in an order that is mixed and always the same.
 *
 *   open-load PATHS_FILE RATE SECONDS CPU
 *
 * PATHS_FILE has a path a line. RATE is in opens a second, 0: as many as it can. Prints one JSON object: opens, and how
 * long they took.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "pace.h"

#define PATHS_MAX 65536
#define PATH_BYTES 512
/* Between two looks at the clock. */
#define OPENS_A_TURN 16

int main(int count, char **values)
{
	if (count != 5) {
		fprintf(stderr, "usage: open-load PATHS_FILE RATE SECONDS CPU\n");
		return 2;
	}
	FILE *file = fopen(values[1], "r");
	char(*paths)[PATH_BYTES] = calloc(PATHS_MAX, PATH_BYTES);
	uint32_t known = 0, random = 0;
	if (!file || !paths) {
		perror(values[1]);
		return 1;
	}
	while (known < PATHS_MAX && fgets(paths[known], PATH_BYTES, file)) {
		paths[known][strcspn(paths[known], "\n")] = 0;
		known++;
	}
	fclose(file);
	if (known == 0) {
		fprintf(stderr, "%s names no file\n", values[1]);
		return 1;
	}
	uint64_t opens = 0;
	stay_on_cpu(atoi(values[4]));
	struct pace pace = begin_pace(strtoull(values[2], NULL, 10), strtod(values[3], NULL));
	while (keep_pace(&pace, OPENS_A_TURN)) {
		for (int turn = 0; turn < OPENS_A_TURN; turn++) {
			random = random * 1664525u + 1013904223u;
			const char *path = paths[(random >> 8) % known];
			int fd = open(path, O_RDONLY | O_CLOEXEC);
			if (fd < 0) {
				perror(path);
				return 1;
			}
			close(fd);
			opens++;
		}
	}
	printf("{\"acts\":%llu,\"seconds\":%.6f}\n", (unsigned long long)opens, paced_seconds(&pace));
	return 0;
}
