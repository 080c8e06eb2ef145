-- The roles and groups that accounts refer to, by which accounts are listed. Filled from the accounts that there are.
-- No valid name has more than 1020 bytes, and all three are to fit in one key.
CREATE TABLE IF NOT EXISTS {account_references} (
    -- role or group
    kind VARBINARY(64) NOT NULL,
    name VARBINARY(1024) NOT NULL,
    account VARBINARY(1024) NOT NULL,
    PRIMARY KEY (kind, name, account),
    INDEX by_account (account)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Disabled accounts are listed, too.
-- done: SELECT id FROM {users} FORCE INDEX (by_status) LIMIT 0
ALTER TABLE {users} ADD INDEX by_status (status, username);
