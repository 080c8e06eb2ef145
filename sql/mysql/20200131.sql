-- The accounts table as the older server had it, so that its database can be opened as it is.
CREATE TABLE IF NOT EXISTS {users} (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    username VARCHAR(255) NOT NULL UNIQUE,
    password VARCHAR(255) NULL,
    public_keys LONGTEXT NULL,
    home_dir VARCHAR(255) NOT NULL,
    uid INTEGER NOT NULL,
    gid INTEGER NOT NULL,
    max_sessions INTEGER NOT NULL,
    quota_size BIGINT NOT NULL,
    quota_files INTEGER NOT NULL,
    permissions LONGTEXT NOT NULL,
    used_quota_size BIGINT NOT NULL,
    used_quota_files INTEGER NOT NULL,
    last_quota_update BIGINT NOT NULL,
    upload_bandwidth INTEGER NOT NULL,
    download_bandwidth INTEGER NOT NULL,
    expiration_date BIGINT NOT NULL,
    last_login BIGINT NOT NULL,
    status INTEGER NOT NULL,
    filters LONGTEXT NULL,
    filesystem LONGTEXT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
