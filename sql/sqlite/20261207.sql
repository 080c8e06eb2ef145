-- When the value was stored last, in milliseconds since 1970; NULL: by an earlier version.
ALTER TABLE plugin_values ADD COLUMN stored_at BIGINT NULL;
