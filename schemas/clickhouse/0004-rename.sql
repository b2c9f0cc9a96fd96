-- Both names of a rename; empty where it is none. The resource is the one that decided.
ALTER TABLE alerts_stored
    ADD COLUMN IF NOT EXISTS old_path String AFTER path_truncated,
    ADD COLUMN IF NOT EXISTS new_path String AFTER old_path;

-- The columns of a view are those that its table had when it was made.
CREATE OR REPLACE VIEW alerts AS
SELECT id, time, * EXCEPT (id) FROM alerts_stored FINAL;
