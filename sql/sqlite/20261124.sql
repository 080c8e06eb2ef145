-- When an account first moved a file each way, in milliseconds since 1970; 0: never.
ALTER TABLE users ADD COLUMN first_download BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN first_upload BIGINT NOT NULL DEFAULT 0;
