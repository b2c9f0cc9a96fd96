-- Of a rename the name that is not the resource: the old one where a rule decided by the new one, and the other way round.
ALTER TABLE alerts_stored
    ADD COLUMN IF NOT EXISTS other_path String
    AFTER path_truncated;

-- The columns of a view are those that its table had when it was made.
CREATE OR REPLACE VIEW alerts AS
SELECT id, time, * EXCEPT (id) FROM alerts_stored FINAL;
