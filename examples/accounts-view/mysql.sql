-- Another program's table, as an example: yours is there already.
CREATE TABLE customers (
    number INTEGER PRIMARY KEY AUTO_INCREMENT,
    login VARCHAR(255) NOT NULL UNIQUE,
    -- A hash in a format that the server knows, such as bcrypt's.
    secret VARCHAR(255) NOT NULL,
    ssh_key TEXT NULL,
    is_blocked BOOLEAN NOT NULL DEFAULT FALSE,
    paid_until TIMESTAMP NULL
);

-- The accounts as the server reads them. What it has no column for is empty.
CREATE VIEW file_accounts AS
SELECT
    number AS id,
    login AS username,
    CASE WHEN is_blocked THEN 0 ELSE 1 END AS status,
    secret AS password,
    CASE WHEN ssh_key IS NOT NULL THEN JSON_ARRAY(ssh_key) END AS public_keys,
    CONCAT('/srv/files/', number) AS home_dir,
    '{"/": ["*"]}' AS permissions,
    -- Milliseconds since 1970; 0: never.
    CAST(COALESCE(UNIX_TIMESTAMP(paid_until) * 1000, 0) AS SIGNED) AS expiration_date
FROM customers;

-- The server's role may read the view, and nothing else. "localhost" is the host from which the server connects.
CREATE USER tidegate@localhost IDENTIFIED BY 'change this';
GRANT SELECT ON file_accounts TO tidegate@localhost;
