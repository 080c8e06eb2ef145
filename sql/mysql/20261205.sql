-- Administrators; what has no column is in other, as their documents have it.
CREATE TABLE IF NOT EXISTS {administrators} (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    username VARBINARY(2048) NOT NULL UNIQUE,
    password LONGTEXT NULL,
    status BIGINT NOT NULL DEFAULT 0,
    -- Milliseconds since 1970; 0: never.
    last_login BIGINT NOT NULL DEFAULT 0,
    -- The time step of the last one-time code (RFC 6238): neither this code nor an earlier one is good again.
    last_code_step BIGINT NOT NULL DEFAULT 0,
    other LONGTEXT NULL,
    revision BIGINT NOT NULL DEFAULT 0
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- API keys, by the part of their text that is no secret.
CREATE TABLE IF NOT EXISTS {api_keys} (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    key_id VARBINARY(2048) NOT NULL UNIQUE,
    -- SHA-256 of the whole text, in hexadecimal.
    digest LONGTEXT NULL,
    -- Counted where their number is limited.
    uses BIGINT NOT NULL DEFAULT 0,
    -- Milliseconds since 1970, to about a minute; 0: never.
    last_use_at BIGINT NOT NULL DEFAULT 0,
    other LONGTEXT NULL,
    revision BIGINT NOT NULL DEFAULT 0
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Tokens of administrators who have logged in.
CREATE TABLE IF NOT EXISTS {access_tokens} (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    -- SHA-256 of the text, in hexadecimal.
    digest VARBINARY(2048) NOT NULL UNIQUE,
    admin LONGTEXT NULL,
    -- Milliseconds since 1970.
    expires_at BIGINT NOT NULL DEFAULT 0,
    other LONGTEXT NULL,
    revision BIGINT NOT NULL DEFAULT 0
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
