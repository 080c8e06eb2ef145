-- Roles: the administrators of a role maintain the accounts that have it.
CREATE TABLE roles (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(255) NOT NULL UNIQUE,
    description TEXT NOT NULL DEFAULT '',
    other TEXT NULL,
    revision BIGINT NOT NULL DEFAULT 0
);
