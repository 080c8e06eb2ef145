-- What accounts have transferred, in bytes.
ALTER TABLE users ADD COLUMN used_upload_data_transfer BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN used_download_data_transfer BIGINT NOT NULL DEFAULT 0;
