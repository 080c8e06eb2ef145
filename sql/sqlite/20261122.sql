-- Fields of the account document without a column of their own, as one JSON object.
ALTER TABLE users ADD COLUMN other TEXT NULL;

-- What plugins keep.
CREATE TABLE plugin_values (
    plugin TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    -- Milliseconds since 1970; NULL: never.
    expires_at BIGINT NULL,
    PRIMARY KEY (plugin, key)
) WITHOUT ROWID;
