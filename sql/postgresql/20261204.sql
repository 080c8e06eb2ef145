-- Names are compared, and ordered, byte by byte. Documents are kept as they are: texts of any length, numbers of
-- 64 bits, and fields that are not there.
ALTER TABLE {users}
    ALTER COLUMN id TYPE BIGINT,
    ALTER COLUMN username TYPE TEXT COLLATE "C",
    ALTER COLUMN password TYPE TEXT,
    ALTER COLUMN home_dir TYPE TEXT,
    ALTER COLUMN home_dir DROP NOT NULL,
    ALTER COLUMN uid TYPE BIGINT,
    ALTER COLUMN gid TYPE BIGINT,
    ALTER COLUMN max_sessions TYPE BIGINT,
    ALTER COLUMN quota_files TYPE BIGINT,
    ALTER COLUMN permissions DROP NOT NULL,
    ALTER COLUMN used_quota_files TYPE BIGINT,
    ALTER COLUMN upload_bandwidth TYPE BIGINT,
    ALTER COLUMN download_bandwidth TYPE BIGINT,
    ALTER COLUMN status TYPE BIGINT,
    -- When an account first moved a file each way, in milliseconds since 1970; 0: never.
    ADD COLUMN first_download BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN first_upload BIGINT NOT NULL DEFAULT 0,
    -- What accounts have transferred, in bytes.
    ADD COLUMN used_upload_data_transfer BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN used_download_data_transfer BIGINT NOT NULL DEFAULT 0,
    -- Fields of the account document without a column of their own, as one JSON object.
    ADD COLUMN other TEXT NULL,
    -- Counts the changes of an account: one that was made from an older state is refused.
    ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;

-- Directories that accounts share; their usage counts once for all of them.
CREATE TABLE {folders} (
    id BIGSERIAL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    mapped_path TEXT NULL,
    description TEXT NULL,
    used_quota_size BIGINT NOT NULL DEFAULT 0,
    used_quota_files BIGINT NOT NULL DEFAULT 0,
    -- Milliseconds since 1970; 0: never.
    last_quota_update BIGINT NOT NULL DEFAULT 0,
    other TEXT NULL,
    revision BIGINT NOT NULL DEFAULT 0
);

-- Groups of accounts; what they give is in user_settings and virtual_folders, as account documents have it.
CREATE TABLE {account_groups} (
    id BIGSERIAL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    description TEXT NULL,
    user_settings TEXT NULL,
    virtual_folders TEXT NULL,
    other TEXT NULL,
    revision BIGINT NOT NULL DEFAULT 0
);

-- Roles: the administrators of a role maintain the accounts that have it.
CREATE TABLE {roles} (
    id BIGSERIAL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    description TEXT NULL,
    other TEXT NULL,
    revision BIGINT NOT NULL DEFAULT 0
);

-- Objects that were changed, for servers that have sessions of them. Kept short by the servers that write.
CREATE TABLE {changes} (
    id BIGSERIAL PRIMARY KEY,
    -- The transaction that made the change: a reader knows by it what was not visible before.
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    kind TEXT NOT NULL,
    name TEXT NOT NULL
);
CREATE INDEX ON {changes} (xid);

-- The newest transaction whose changes were forgotten; one row.
CREATE TABLE {change_horizon} (
    forgotten xid8 NOT NULL
);
INSERT INTO {change_horizon} VALUES ('0');

-- Usages that are in change, and the server that changes them: those of a process that died are counted again.
CREATE TABLE {unsettled_usages} (
    -- account or folder
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    node TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, name)
);

-- What plugins keep.
CREATE TABLE {plugin_values} (
    plugin TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    value BYTEA NOT NULL,
    -- Milliseconds since 1970; NULL: never.
    expires_at BIGINT NULL,
    PRIMARY KEY (plugin, name)
);

-- The last calls of hooks, gathered. Calls are numbered one by one.
CREATE TABLE {hook_run_batches} (
    -- Number of the first call in it.
    first BIGINT PRIMARY KEY,
    count BIGINT NOT NULL,
    -- A JSON list, oldest first.
    runs TEXT NOT NULL
);

-- All calls there ever were, counted.
CREATE TABLE {hook_counters} (
    kind TEXT COLLATE "C" NOT NULL,
    hook TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    is_error BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    total_us BIGINT NOT NULL,
    max_us BIGINT NOT NULL,
    cpu_us BIGINT NOT NULL,
    max_memory BIGINT NOT NULL,
    -- Calls by duration, as a JSON list; the bounds are the server's.
    histogram TEXT NOT NULL,
    PRIMARY KEY (kind, hook, version, outcome)
);

-- Who changed what, through which door; never a secret.
CREATE TABLE {audit} (
    id BIGSERIAL PRIMARY KEY,
    -- Milliseconds since 1970.
    at BIGINT NOT NULL,
    author TEXT NOT NULL,
    door TEXT NOT NULL,
    address TEXT NULL,
    action TEXT NOT NULL,
    -- Of the object.
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    -- That the change made.
    revision BIGINT NULL,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL
);

-- What servers take in turn; the rows are locked for that, and have no other content.
CREATE TABLE {locks} (
    name TEXT COLLATE "C" PRIMARY KEY
);
