-- Groups of accounts; what they give is in user_settings and virtual_folders, as account documents have it.
CREATE TABLE account_groups (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(255) NOT NULL UNIQUE,
    description TEXT NOT NULL DEFAULT '',
    user_settings TEXT NULL,
    virtual_folders TEXT NULL,
    other TEXT NULL,
    revision BIGINT NOT NULL DEFAULT 0
);
