-- Who listens to the feed: up to which event each has heard, and how long it may go on believing what it knows.
CREATE TABLE listeners (
    replica TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    heard   BIGINT           NOT NULL,
    until   BIGINT           NOT NULL
);
-- Those who listened to an earlier version of the program are in no table. None believes anything for longer than this.
INSERT INTO listeners (replica, heard, until)
SELECT 'before-leases', -1, CAST(extract(epoch FROM now()) AS BIGINT) * 1000 + 420000
WHERE EXISTS (SELECT 1 FROM sandboxes);
