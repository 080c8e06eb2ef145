-- Administrators; what has no column is in other, as their documents have it.
CREATE TABLE administrators (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username VARCHAR(255) NOT NULL UNIQUE,
    password TEXT NULL,
    status BIGINT NOT NULL DEFAULT 0,
    -- Milliseconds since 1970; 0: never.
    last_login BIGINT NOT NULL DEFAULT 0,
    -- The time step of the last one-time code (RFC 6238): neither this code nor an earlier one is good again.
    last_code_step BIGINT NOT NULL DEFAULT 0,
    other TEXT NULL,
    revision BIGINT NOT NULL DEFAULT 0
);

-- API keys, by the part of their text that is no secret.
CREATE TABLE api_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key_id VARCHAR(255) NOT NULL UNIQUE,
    -- SHA-256 of the whole text, in hexadecimal.
    digest TEXT NULL,
    -- Counted where their number is limited.
    uses BIGINT NOT NULL DEFAULT 0,
    -- Milliseconds since 1970, to about a minute; 0: never.
    last_use_at BIGINT NOT NULL DEFAULT 0,
    other TEXT NULL,
    revision BIGINT NOT NULL DEFAULT 0
);

-- Tokens of administrators who have logged in.
CREATE TABLE access_tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- SHA-256 of the text, in hexadecimal.
    digest VARCHAR(255) NOT NULL UNIQUE,
    admin TEXT NULL,
    -- Milliseconds since 1970.
    expires_at BIGINT NOT NULL DEFAULT 0,
    other TEXT NULL,
    revision BIGINT NOT NULL DEFAULT 0
);
