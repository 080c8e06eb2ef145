-- Another program's table, as an example: yours is there already.
CREATE TABLE customers (
    number SERIAL PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,
    -- A hash in a format that the server knows, such as bcrypt's.
    secret TEXT NOT NULL,
    ssh_key TEXT NULL,
    is_blocked BOOLEAN NOT NULL DEFAULT false,
    paid_until TIMESTAMPTZ NULL
);

-- The accounts as the server reads them. What it has no column for is empty.
CREATE VIEW file_accounts AS
SELECT
    number AS id,
    login AS username,
    CASE WHEN is_blocked THEN 0 ELSE 1 END AS status,
    secret AS password,
    CASE WHEN ssh_key IS NOT NULL THEN json_build_array(ssh_key)::text END AS public_keys,
    '/srv/files/' || number AS home_dir,
    '{"/": ["*"]}' AS permissions,
    -- Milliseconds since 1970; 0: never.
    coalesce((extract(epoch FROM paid_until) * 1000)::bigint, 0) AS expiration_date
FROM customers;

-- The server's role may read the view, and nothing else.
CREATE ROLE tidegate LOGIN PASSWORD 'change this';
GRANT SELECT ON file_accounts TO tidegate;
