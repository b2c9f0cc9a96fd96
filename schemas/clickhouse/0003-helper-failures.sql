-- What the kernel's programs could not read or write, by place and errno, since the session began.
ALTER TABLE coverage_stored
    ADD COLUMN IF NOT EXISTS helper_failures Array(Tuple(place String, errno Int32, count Int64))
    COMMENT 'An event may lack a path or more because of one.'
    AFTER evicted_containers;

-- The columns of a view are those that its table had when it was made.
CREATE OR REPLACE VIEW coverage AS
SELECT node_id, boot_id, session, origin, from_time, to_time, * EXCEPT (node_id, boot_id, session, origin)
FROM coverage_stored FINAL;
