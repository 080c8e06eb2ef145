-- Counts the changes of an account: one that was made from an older state is refused.
ALTER TABLE users ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
