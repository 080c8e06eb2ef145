-- Administrators; what has no column is in other, as their documents have it.
CREATE TABLE {administrators} (
    id BIGSERIAL PRIMARY KEY,
    username TEXT COLLATE "C" NOT NULL UNIQUE,
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
CREATE TABLE {api_keys} (
    id BIGSERIAL PRIMARY KEY,
    key_id TEXT COLLATE "C" NOT NULL UNIQUE,
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
CREATE TABLE {access_tokens} (
    id BIGSERIAL PRIMARY KEY,
    -- SHA-256 of the text, in hexadecimal.
    digest TEXT COLLATE "C" NOT NULL UNIQUE,
    admin TEXT NULL,
    -- Milliseconds since 1970.
    expires_at BIGINT NOT NULL DEFAULT 0,
    other TEXT NULL,
    revision BIGINT NOT NULL DEFAULT 0
);
