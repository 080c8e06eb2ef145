-- Who changed what, through which door; never a secret.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
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

-- Not only accounts are changed.
ALTER TABLE account_changes ADD COLUMN kind TEXT NOT NULL DEFAULT 'user';

-- Folders are documents as accounts are.
ALTER TABLE folders ADD COLUMN other TEXT NULL;
ALTER TABLE folders ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;

-- Which server changes the usage; empty: one from before servers had names.
ALTER TABLE unsettled_usages ADD COLUMN node TEXT NOT NULL DEFAULT '';
