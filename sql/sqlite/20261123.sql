-- The last calls of hooks, oldest first: a ring, of which each writer deletes old rows.
CREATE TABLE hook_runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Milliseconds since 1970.
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    hook TEXT NOT NULL,
    adapter TEXT NOT NULL,
    version TEXT NULL,
    connection TEXT NULL,
    username TEXT NULL,
    address TEXT NULL,
    about TEXT NULL,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL,
    is_error INTEGER NOT NULL,
    decided INTEGER NOT NULL,
    duration_us BIGINT NOT NULL,
    sent TEXT NOT NULL,
    received TEXT NOT NULL,
    standard_error TEXT NOT NULL,
    cpu_us BIGINT NULL,
    memory BIGINT NULL
);

-- All calls there ever were, counted.
CREATE TABLE hook_counters (
    kind TEXT NOT NULL,
    hook TEXT NOT NULL,
    version TEXT NOT NULL,
    outcome TEXT NOT NULL,
    is_error INTEGER NOT NULL,
    calls BIGINT NOT NULL,
    total_us BIGINT NOT NULL,
    max_us BIGINT NOT NULL,
    cpu_us BIGINT NOT NULL,
    max_memory BIGINT NOT NULL,
    -- Calls by duration, as a JSON list; the bounds are the server's.
    histogram TEXT NOT NULL,
    PRIMARY KEY (kind, hook, version, outcome)
) WITHOUT ROWID;
