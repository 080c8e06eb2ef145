-- The last calls of hooks, gathered: a row for each call cost more than many calls do. Calls are
-- numbered one by one; what was kept of earlier ones is dropped.
DROP TABLE hook_runs;
CREATE TABLE hook_run_batches (
    -- Number of the first call in it.
    first INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    -- A JSON list, oldest first.
    runs TEXT NOT NULL
);
