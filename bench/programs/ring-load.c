// SPDX-License-Identifier: Apache-2.0
/*
 * Fills the ring of a running monitor at a steady rate: see ring-load.bpf.c.
 *
 *   ring-load OBJECT SESSION_DIRECTORY PATHS_FILE RATE SECONDS CPU
 *
 * SESSION_DIRECTORY has the monitor's pins, and its name ends with the session; PATHS_FILE has a path a line. RATE is
 * in events a second, 0: as many as it can. Prints one JSON object: events made, kept or dropped, and how long it took.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "pace.h"
#include "ring-load.h"

#define EVENTS_A_RUN 64
#define PATHS_MAX 65536

static void fail(const char *what)
{
	fprintf(stderr, "ring-load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void reuse(struct bpf_object *object, const char *map, const char *directory)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s", directory, map);
	int fd = bpf_obj_get(path);
	if (fd < 0)
		fail(path);
	if (bpf_map__reuse_fd(bpf_object__find_map_by_name(object, map), fd) != 0)
		fail(map);
}

static uint32_t put(char *to, size_t room, const char *text)
{
	int length = snprintf(to, room, "%s", text);
	if (length < 0 || (size_t)length >= room) {
		errno = ENAMETOOLONG;
		fail(text);
	}
	return (uint32_t)length;
}

/* Names and lengths as a server with some services has them. */
static void write_processes(int map)
{
	static const char *const programs[] = {"/usr/sbin/nginx", "/usr/lib/postgresql/15/bin/postgres",
		"/usr/lib/jvm/java-21-openjdk-amd64/bin/java", "/usr/bin/python3.11"};
	static const char *const parents[] = {"/usr/lib/systemd/systemd", "/usr/bin/containerd-shim-runc-v2"};
	static const char *const folders[] = {"/", "/var/lib/postgresql/15/main", "/srv/application", "/home/worker"};

	for (uint32_t place = 0; place < LOAD_PROCESSES; place++) {
		struct load_process process = {.start_time_ns = 1000000000u + place, .tgid = 4000 + place};
		const char *program = programs[place % 4];
		process.executable_bytes = put(process.executable, sizeof(process.executable), program);
		process.comm_bytes = put(process.comm, sizeof(process.comm), strrchr(program, '/') + 1);
		process.parent_bytes = put(process.parent, sizeof(process.parent), parents[place / 8]);
		process.cwd_bytes = put(process.cwd, sizeof(process.cwd), folders[place / 4]);
		if (bpf_map_update_elem(map, &place, &process, BPF_ANY) != 0)
			fail("write a process");
	}
}

/* Returns how many there are; without a map it only counts. */
static uint32_t read_paths(const char *name, int map)
{
	char line[LOAD_TEXT_MAX];
	uint32_t count = 0;
	FILE *file = fopen(name, "r");
	if (!file)
		fail(name);
	while (count < PATHS_MAX && fgets(line, sizeof(line), file)) {
		struct load_path path = {};
		line[strcspn(line, "\n")] = 0;
		path.bytes = put(path.text, sizeof(path.text), line);
		if (map >= 0 && bpf_map_update_elem(map, &count, &path, BPF_ANY) != 0)
			fail("write a path");
		count++;
	}
	fclose(file);
	return count;
}

int main(int count, char **values)
{
	if (count != 7) {
		fprintf(stderr, "usage: ring-load OBJECT SESSION_DIRECTORY PATHS_FILE RATE SECONDS CPU\n");
		return 2;
	}
	const char *directory = values[2];
	struct bpf_object *object = bpf_object__open_file(values[1], NULL);
	if (!object)
		fail(values[1]);
	reuse(object, "ring", directory);
	reuse(object, "counters", directory);
	reuse(object, "failures", directory);
	uint32_t paths = read_paths(values[3], -1);
	struct bpf_map *path_map = bpf_object__find_map_by_name(object, "load_paths");
	struct bpf_map *scratches = bpf_object__find_map_by_name(object, "scratches");
	if (bpf_map__set_max_entries(path_map, paths) != 0 ||
		bpf_map__set_max_entries(scratches, (uint32_t)libbpf_num_possible_cpus()) != 0)
		fail("size the maps");
	if (bpf_object__load(object) != 0)
		fail("load");
	read_paths(values[3], bpf_map__fd(path_map));
	write_processes(bpf_map__fd(bpf_object__find_map_by_name(object, "load_processes")));

	int program = bpf_program__fd(bpf_object__find_program_by_name(object, "ring_load"));
	struct load_run run = {
		.session = strtoull(strrchr(directory, '-') + 1, NULL, 10), .events = EVENTS_A_RUN, .paths = paths};
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &run, .ctx_size_in = sizeof(run));
	uint64_t events = 0;
	stay_on_cpu(atoi(values[6]));
	struct pace pace = begin_pace(strtoull(values[4], NULL, 10), strtod(values[5], NULL));
	while (keep_pace(&pace, EVENTS_A_RUN)) {
		if (bpf_prog_test_run_opts(program, &options) != 0)
			fail("run the program");
		events += EVENTS_A_RUN;
	}
	printf("{\"acts\":%llu,\"seconds\":%.6f}\n", (unsigned long long)events, paced_seconds(&pace));
	return 0;
}
