-- Each statement takes effect as a whole or not at all, and can be repeated: a server may have died after any of
-- them. A statement after "-- done:" is left out where that question can be asked.
--
-- Names are VARBINARY: compared, and ordered, byte by byte, blanks at the end included. No collation does that in
-- both MySQL and MariaDB. Documents are kept as they are: texts of any length, numbers of 64 bits, and fields that
-- are not there.

-- Texts become UTF-8, whatever the table had, before names become bytes.
ALTER TABLE {users}
    ENGINE = InnoDB,
    ROW_FORMAT = DYNAMIC,
    CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- done: SELECT revision FROM {users} LIMIT 0
ALTER TABLE {users}
    MODIFY id BIGINT NOT NULL AUTO_INCREMENT,
    MODIFY username VARBINARY(2048) NOT NULL,
    MODIFY password LONGTEXT NULL,
    MODIFY public_keys LONGTEXT NULL,
    MODIFY home_dir LONGTEXT NULL,
    MODIFY uid BIGINT NOT NULL,
    MODIFY gid BIGINT NOT NULL,
    MODIFY max_sessions BIGINT NOT NULL,
    MODIFY quota_files BIGINT NOT NULL,
    MODIFY permissions LONGTEXT NULL,
    MODIFY used_quota_files BIGINT NOT NULL,
    MODIFY upload_bandwidth BIGINT NOT NULL,
    MODIFY download_bandwidth BIGINT NOT NULL,
    MODIFY status BIGINT NOT NULL,
    MODIFY filters LONGTEXT NULL,
    MODIFY filesystem LONGTEXT NULL,
    -- When an account first moved a file each way, in milliseconds since 1970; 0: never.
    ADD COLUMN first_download BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN first_upload BIGINT NOT NULL DEFAULT 0,
    -- What accounts have transferred, in bytes.
    ADD COLUMN used_upload_data_transfer BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN used_download_data_transfer BIGINT NOT NULL DEFAULT 0,
    -- Fields of the account document without a column of their own, as one JSON object.
    ADD COLUMN other LONGTEXT NULL,
    -- Counts the changes of an account: one that was made from an older state is refused.
    ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;

-- Directories that accounts share; their usage counts once for all of them.
CREATE TABLE IF NOT EXISTS {folders} (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name VARBINARY(2048) NOT NULL UNIQUE,
    mapped_path LONGTEXT NULL,
    description LONGTEXT NULL,
    used_quota_size BIGINT NOT NULL DEFAULT 0,
    used_quota_files BIGINT NOT NULL DEFAULT 0,
    -- Milliseconds since 1970; 0: never.
    last_quota_update BIGINT NOT NULL DEFAULT 0,
    other LONGTEXT NULL,
    revision BIGINT NOT NULL DEFAULT 0
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Groups of accounts; what they give is in user_settings and virtual_folders, as account documents have it.
CREATE TABLE IF NOT EXISTS {account_groups} (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name VARBINARY(2048) NOT NULL UNIQUE,
    description LONGTEXT NULL,
    user_settings LONGTEXT NULL,
    virtual_folders LONGTEXT NULL,
    other LONGTEXT NULL,
    revision BIGINT NOT NULL DEFAULT 0
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Roles: the administrators of a role maintain the accounts that have it.
CREATE TABLE IF NOT EXISTS {roles} (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name VARBINARY(2048) NOT NULL UNIQUE,
    description LONGTEXT NULL,
    other LONGTEXT NULL,
    revision BIGINT NOT NULL DEFAULT 0
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The number of the last change, which those who write take in turn, so that changes become visible in the order of
-- their numbers; and up to which number they were forgotten. One row.
CREATE TABLE IF NOT EXISTS {change_horizon} (
    id BIGINT PRIMARY KEY,
    last BIGINT NOT NULL,
    forgotten BIGINT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
INSERT INTO {change_horizon} VALUES (1, 0, 0) ON DUPLICATE KEY UPDATE id = 1;

-- Objects that were changed, for servers that have sessions of them. Kept short by the servers that write.
CREATE TABLE IF NOT EXISTS {changes} (
    id BIGINT PRIMARY KEY,
    kind VARBINARY(64) NOT NULL,
    name VARBINARY(2048) NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Usages that are in change, and the server that changes them: those of a process that died are counted again.
CREATE TABLE IF NOT EXISTS {unsettled_usages} (
    -- account or folder
    kind VARBINARY(64) NOT NULL,
    name VARBINARY(2048) NOT NULL,
    node VARBINARY(1024) NOT NULL,
    PRIMARY KEY (kind, name)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What plugins keep.
CREATE TABLE IF NOT EXISTS {plugin_values} (
    plugin VARBINARY(2048) NOT NULL,
    name VARBINARY(512) NOT NULL,
    value LONGBLOB NOT NULL,
    -- Milliseconds since 1970; NULL: never.
    expires_at BIGINT NULL,
    PRIMARY KEY (plugin, name)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The last calls of hooks, gathered. Calls are numbered one by one.
CREATE TABLE IF NOT EXISTS {hook_run_batches} (
    -- Number of the first call in it.
    first BIGINT PRIMARY KEY,
    count BIGINT NOT NULL,
    -- A JSON list, oldest first.
    runs LONGTEXT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- All calls there ever were, counted.
CREATE TABLE IF NOT EXISTS {hook_counters} (
    kind VARBINARY(64) NOT NULL,
    hook VARBINARY(2048) NOT NULL,
    version VARBINARY(255) NOT NULL,
    outcome VARBINARY(64) NOT NULL,
    is_error BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    total_us BIGINT NOT NULL,
    max_us BIGINT NOT NULL,
    cpu_us BIGINT NOT NULL,
    max_memory BIGINT NOT NULL,
    -- Calls by duration, as a JSON list; the bounds are the server's.
    histogram LONGTEXT NOT NULL,
    PRIMARY KEY (kind, hook, version, outcome)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Who changed what, through which door; never a secret.
CREATE TABLE IF NOT EXISTS {audit} (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    -- Milliseconds since 1970.
    at BIGINT NOT NULL,
    author VARBINARY(8192) NOT NULL,
    door LONGTEXT NOT NULL,
    address LONGTEXT NULL,
    action LONGTEXT NOT NULL,
    -- Of the object.
    kind VARBINARY(64) NOT NULL,
    name VARBINARY(8192) NOT NULL,
    -- That the change made.
    revision BIGINT NULL,
    outcome LONGTEXT NOT NULL,
    detail LONGTEXT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What servers take in turn; the rows are locked for that, and have no other content.
CREATE TABLE IF NOT EXISTS {locks} (
    name VARBINARY(2100) PRIMARY KEY
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
