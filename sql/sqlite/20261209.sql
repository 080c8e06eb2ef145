-- Which batches of usages and transferred volumes were added, so that one that comes again counts once.
CREATE TABLE usage_batches (
    -- The server, and what it counts.
    writer TEXT PRIMARY KEY,
    -- The numbers of the first and of the last batch of the writer's process, without gaps between them.
    first_number BIGINT NOT NULL,
    last_number BIGINT NOT NULL
) WITHOUT ROWID;
