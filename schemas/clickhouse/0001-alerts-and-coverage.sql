-- Alerts as the topic has them, in snake_case. People read the view `alerts`.
--
-- No alert is ever shown twice, by two means that do not need each other: an insert that is repeated after a crash carries
-- the same deduplication token, and the window drops it; and the view reads with FINAL, which keeps one row of each
-- sorting key. `time_unix_ns` and `id` both follow from the event, so a repeat has the same key.
--
-- There is no PARTITION BY on purpose: FINAL then merges across everything, and a node with a wild clock can't make an
-- insert fail by touching too many partitions.
CREATE TABLE IF NOT EXISTS alerts_stored
(
    id String,
    time_unix_ns Int64,
    time DateTime64(9, 'UTC') MATERIALIZED fromUnixTimestamp64Nano(time_unix_ns, 'UTC'),
    cluster_name LowCardinality(String),
    host_name LowCardinality(String),
    namespace_name LowCardinality(String),
    owner_ref LowCardinality(String),
    owner_name String,
    owner_namespace LowCardinality(String),
    pod_name String,
    labels String,
    container_id String,
    container_name String,
    container_image String,
    host_ppid Int32,
    host_pid Int32,
    ppid Int32,
    pid Int32,
    uid Int64,
    parent_process_name String,
    process_name String,
    policy_name String,
    severity LowCardinality(String),
    tags Array(String),
    message String,
    type LowCardinality(String),
    source String,
    operation LowCardinality(String),
    resource String,
    data String,
    enforcer LowCardinality(String),
    action LowCardinality(String),
    result LowCardinality(String),
    cwd String,
    tty String,
    node_id LowCardinality(String),
    boot_id LowCardinality(String),
    session Int64,
    cpu Int32,
    sequence Int64,
    origin LowCardinality(String),
    kernel_time_ns Int64,
    event_operation LowCardinality(String),
    syscall Int32,
    return_value Int64,
    host_tid Int32,
    tid Int32,
    euid Int64,
    fsuid Int64,
    gid Int64,
    login_uid Int64,
    pid_namespace Int64,
    mount_namespace Int64,
    cgroup_id Int64,
    container_cgroup_id Int64,
    process_start_time_ns Int64,
    comm String,
    ancestry Array(Tuple(host_pid Int32, start_time_ns Int64, executable String)) COMMENT 'Parent first.',
    ancestry_complete Bool,
    path_source LowCardinality(String),
    path_truncated Bool,
    matched_path String,
    decided_by LowCardinality(String),
    enforcement LowCardinality(String),
    rule_policy_kind LowCardinality(String) COMMENT 'Empty, as all of rule_*, where no rule decided: see decided_by.',
    rule_policy_namespace LowCardinality(String),
    rule_policy_name String,
    rule_action LowCardinality(String),
    rule_block LowCardinality(String),
    rule_list LowCardinality(String),
    rule_index Int32 COMMENT 'From 0; -1 where no rule decided.',
    rule_file String,
    rule_line Int32,
    rule_column Int32,
    overruled Array(Tuple(policy_kind String, policy_namespace String, policy_name String, action String, block String, list String, index Int32, file String, line Int32, column Int32)) COMMENT 'Other rules that matched and lost, most specific first.',
    container_known Bool,
    raw_bytes_hex Map(LowCardinality(String), String) COMMENT 'Column name to hexadecimal bytes, for text that was not valid UTF-8: unhex(raw_bytes_hex[''resource'']).'
)
ENGINE = ReplacingMergeTree
ORDER BY (time_unix_ns, id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE VIEW IF NOT EXISTS alerts AS
SELECT id, time, * EXCEPT (id) FROM alerts_stored FINAL;

-- What was seen and what is missing, of a node's session over a span of time. The counters are since the session began:
-- the last row of a session has its sums. The position in the topic is part of the key: two records of one span may
-- differ only by what they say was lost.
CREATE TABLE IF NOT EXISTS coverage_stored
(
    node_id LowCardinality(String),
    boot_id LowCardinality(String),
    session Int64,
    origin LowCardinality(String),
    from_time_ns Int64 COMMENT 'CLOCK_BOOTTIME, as to_time_ns.',
    to_time_ns Int64,
    wall_clock_offset_ns Int64 COMMENT 'Unix time = boot time + this.',
    from_time DateTime64(9, 'UTC') MATERIALIZED fromUnixTimestamp64Nano(from_time_ns + wall_clock_offset_ns, 'UTC'),
    to_time DateTime64(9, 'UTC') MATERIALIZED fromUnixTimestamp64Nano(to_time_ns + wall_clock_offset_ns, 'UTC'),
    first_batch Int64,
    last_batch Int64,
    cpus Array(Tuple(cpu Int32, highest_sequence Int64, received Int64, repeated Int64, missing Int64)),
    operations Array(Tuple(operation String, seen Int64, filtered Int64, collapsed Int64, submitted Int64, dropped Int64, received Int64)),
    gaps Array(Tuple(reason String, from_time_ns Int64, to_time_ns Int64, lost Nullable(Int64), detail String)) COMMENT 'lost is NULL where nobody can know.',
    session_ended Bool,
    evicted_processes Int64,
    evicted_containers Int64,
    log_partition Int32,
    log_offset Int64
)
ENGINE = ReplacingMergeTree
ORDER BY (node_id, boot_id, session, to_time_ns, from_time_ns, log_partition, log_offset)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE VIEW IF NOT EXISTS coverage AS
SELECT node_id, boot_id, session, origin, from_time, to_time, * EXCEPT (node_id, boot_id, session, origin)
FROM coverage_stored FINAL;

CREATE VIEW IF NOT EXISTS coverage_gaps AS
SELECT
    node_id,
    boot_id,
    session,
    origin,
    gap.reason AS reason,
    fromUnixTimestamp64Nano(gap.from_time_ns + wall_clock_offset_ns, 'UTC') AS from_time,
    fromUnixTimestamp64Nano(gap.to_time_ns + wall_clock_offset_ns, 'UTC') AS to_time,
    gap.lost AS lost,
    gap.detail AS detail
FROM coverage_stored FINAL
ARRAY JOIN gaps AS gap;
