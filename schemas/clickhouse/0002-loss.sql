-- What is not known to have been seen: a row for each stretch of a node's time that coverage does not prove. A span of time is
-- complete where no row touches it:
--
--     SELECT * FROM loss WHERE from_time < TO AND to_time > FROM
--
-- Evidence is positive: a stretch counts as seen only where coverage of a live session reaches over it. So a node has a row from
-- the beginning of time to its first coverage and one from its last coverage to the end of time, and where no node was ever
-- watched there is one row without a node.
--
-- Within a boot spans are joined by CLOCK_BOOTTIME, which no one sets; the wall clock is slewed and stepped, and would tear
-- holes of microseconds between them. Only what is joined is turned into wall time, each end by its own record's offset.
--
-- A collector writes a record a second. What a session covered is first summed up in stretches of ten minutes: one whose
-- records' lengths add up to its whole length has no hole. The records of the others alone are looked at one by one.
CREATE VIEW IF NOT EXISTS loss AS
WITH
    recorded_gaps AS
    (
        SELECT
            node_id,
            boot_id,
            -- A runner that lost a record knows neither session nor time of what was in it, only when the log had taken it,
            -- and older versions did not say that.
            session = 0 AS is_timeless,
            if(is_timeless, -wall_clock_offset_ns, least(gap.from_time_ns, gap.to_time_ns)) AS from_ns,
            if(
                is_timeless AND wall_clock_offset_ns = 0,
                9223372036854775807,
                greatest(gap.from_time_ns, gap.to_time_ns)
            ) AS to_ns,
            wall_clock_offset_ns AS offset_ns,
            toString(gap.reason) AS reason,
            gap.lost AS lost,
            gap.detail AS detail
        FROM coverage_stored FINAL
        ARRAY JOIN gaps AS gap
        WHERE origin != 'recording'
    ),
    -- Without FINAL: a record that is stored twice covers what it covers.
    spans AS
    (
        SELECT
            node_id,
            boot_id,
            session,
            -- The first record of a session begins when the first program was attached; the processes and containers that
            -- were there already were known later. Where a gap before it says since when, that counts, else the record's end.
            multiIf(
                from_time_ns != session, from_time_ns,
                arrayExists(gap -> gap.reason = 'monitorAway', gaps),
                arrayMax(gap -> gap.to_time_ns, arrayFilter(gap -> gap.reason = 'monitorAway', gaps)),
                to_time_ns
            ) AS from_ns,
            to_time_ns AS to_ns,
            wall_clock_offset_ns AS offset_ns,
            intDiv(from_time_ns, 600000000000) AS stretch
        FROM coverage_stored
        WHERE origin = 'live' AND session != 0 AND from_ns <= to_ns
    ),
    stretches AS
    (
        SELECT
            node_id,
            boot_id,
            session,
            stretch,
            min(from_ns) AS first_ns,
            max(to_ns) AS last_ns,
            argMin(offset_ns, from_ns) AS first_offset_ns,
            argMax(offset_ns, to_ns) AS last_offset_ns,
            sum(to_ns - from_ns) = last_ns - first_ns AS is_whole
        FROM spans
        GROUP BY node_id, boot_id, session, stretch
    ),
    accounted AS
    (
        SELECT
            node_id,
            boot_id,
            first_ns AS from_ns,
            last_ns AS to_ns,
            first_offset_ns AS from_offset_ns,
            last_offset_ns AS to_offset_ns
        FROM stretches
        WHERE is_whole
        UNION ALL
        SELECT node_id, boot_id, from_ns, to_ns, offset_ns, offset_ns
        FROM spans
        WHERE (node_id, boot_id, session, stretch) IN (
            SELECT node_id, boot_id, session, stretch FROM stretches WHERE NOT is_whole
        )
        UNION ALL
        -- A gap that is on record has a row of its own, with its reason.
        SELECT node_id, boot_id, from_ns, to_ns, offset_ns, offset_ns
        FROM recorded_gaps
        WHERE NOT is_timeless
    ),
    numbered AS
    (
        SELECT
            *,
            sum(begins) OVER (PARTITION BY node_id, boot_id ORDER BY from_ns, to_ns ROWS UNBOUNDED PRECEDING) AS island
        FROM
        (
            SELECT
                *,
                from_ns > max(to_ns) OVER (
                    PARTITION BY node_id, boot_id ORDER BY from_ns, to_ns ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                ) AS begins
            FROM accounted
        )
    ),
    islands AS
    (
        SELECT node_id, argMin(from_ns + from_offset_ns, from_ns) AS first_ns, argMax(to_ns + to_offset_ns, to_ns) AS last_ns
        FROM numbered
        GROUP BY node_id, boot_id, island
    ),
    holes AS
    (
        SELECT
            node_id,
            max(last_ns) OVER (
                PARTITION BY node_id ORDER BY first_ns, last_ns ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS hole_from_ns,
            first_ns AS hole_to_ns
        FROM islands
        UNION ALL
        SELECT node_id, max(last_ns), 9223372036854775807
        FROM islands
        GROUP BY node_id
    )
SELECT
    node_id,
    fromUnixTimestamp64Nano(from_ns, 'UTC') AS from_time,
    fromUnixTimestamp64Nano(to_ns, 'UTC') AS to_time,
    reason,
    lost,
    detail
FROM
(
    SELECT node_id, from_ns + offset_ns AS from_ns, to_ns + offset_ns AS to_ns, reason, lost, detail
    FROM recorded_gaps
    UNION ALL
    SELECT node_id, hole_from_ns, hole_to_ns, 'notCovered', CAST(NULL, 'Nullable(Int64)'), ''
    FROM holes
    WHERE hole_to_ns > hole_from_ns
    UNION ALL
    SELECT '', 0, 9223372036854775807, 'notCovered', CAST(NULL, 'Nullable(Int64)'), ''
    FROM (SELECT count() AS live FROM coverage_stored WHERE origin = 'live' AND session != 0)
    WHERE live = 0
);
