-- Another program's table, as an example: yours is there already.
CREATE TABLE customers (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    login TEXT NOT NULL UNIQUE,
    -- A hash in a format that the server knows, such as bcrypt's.
    secret TEXT NOT NULL,
    ssh_key TEXT NULL,
    is_blocked INTEGER NOT NULL DEFAULT 0,
    -- Seconds since 1970.
    paid_until INTEGER NULL
);

-- The accounts as the server reads them. What it has no column for is empty.
CREATE VIEW file_accounts AS
SELECT
    number AS id,
    login AS username,
    CASE WHEN is_blocked THEN 0 ELSE 1 END AS status,
    secret AS password,
    CASE WHEN ssh_key IS NOT NULL THEN json_array(ssh_key) END AS public_keys,
    '/srv/files/' || number AS home_dir,
    '{"/": ["*"]}' AS permissions,
    -- Milliseconds since 1970; 0: never.
    coalesce(paid_until * 1000, 0) AS expiration_date
FROM customers;
