-- The time step (RFC 6238) of the last one-time code that logged the account in; neither it nor an earlier one is
-- accepted again. 0: none yet.
-- done: SELECT last_code_step FROM {users} LIMIT 0
ALTER TABLE {users} ADD COLUMN last_code_step BIGINT NOT NULL DEFAULT 0;
