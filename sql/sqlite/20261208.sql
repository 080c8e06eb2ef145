-- The roles and groups that accounts refer to, by which accounts are listed. Filled from the accounts that there are.
CREATE TABLE account_references (
    -- role or group
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    account TEXT NOT NULL,
    PRIMARY KEY (kind, name, account)
) WITHOUT ROWID;
CREATE INDEX account_references_of ON account_references (account);

-- Disabled accounts are listed, too.
CREATE INDEX users_by_status ON users (status, username);
