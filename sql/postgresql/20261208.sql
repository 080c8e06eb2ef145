-- The roles and groups that accounts refer to, by which accounts are listed. Filled from the accounts that there are.
CREATE TABLE {account_references} (
    -- role or group
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    account TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, name, account)
);
CREATE INDEX ON {account_references} (account);

-- Disabled accounts are listed, too.
CREATE INDEX ON {users} (status, username);
