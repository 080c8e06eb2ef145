-- Accounts that were changed, for servers that have sessions of them. Each writer deletes old rows.
CREATE TABLE account_changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL
);

-- Directories that accounts share; their usage counts once for all of them.
CREATE TABLE folders (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(255) NOT NULL UNIQUE,
    mapped_path TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    used_quota_size BIGINT NOT NULL DEFAULT 0,
    used_quota_files BIGINT NOT NULL DEFAULT 0,
    -- Milliseconds since 1970; 0: never.
    last_quota_update BIGINT NOT NULL DEFAULT 0
);

-- Usages that are in change: those of a process that died are counted again.
CREATE TABLE unsettled_usages (
    -- account or folder
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
