-- Where at was corrected: the page's own time. NULL: at is the page's own.
ALTER TABLE events ADD COLUMN reported INTEGER;

-- What the events of the input are to be flagged, if some are found in it one day.
ALTER TABLE quarantine ADD COLUMN flags INTEGER NOT NULL DEFAULT 0;

-- Messages that the listener has heard on the page so far: a running total, as refused and dropped are.
ALTER TABLE views ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;

-- Dropped by reason, as a JSON object of numbers that add up to dropped at most.
ALTER TABLE views ADD COLUMN lost TEXT NOT NULL DEFAULT '{}';

-- Of the last batch: days since 1970, in UTC. Tells when nothing refers to the view any more.
ALTER TABLE views ADD COLUMN day INTEGER NOT NULL DEFAULT 0;
UPDATE views SET day = used.day
	FROM (SELECT view, max(received) / 86400000 AS day FROM events GROUP BY view) AS used
	WHERE used.view = views.id;
CREATE INDEX views_day ON views (day);

-- What was refused, or sent again, and is kept nowhere else.
CREATE TABLE losses (
	site   INTEGER NOT NULL REFERENCES sites,
	day    INTEGER NOT NULL, -- since 1970, in UTC
	reason TEXT NOT NULL,
	n      INTEGER NOT NULL,
	PRIMARY KEY (site, day, reason)
) STRICT, WITHOUT ROWID;

-- Erasures that were asked for, for whoever holds copies of the events. No number is used twice.
CREATE TABLE erased (
	row  INTEGER PRIMARY KEY AUTOINCREMENT,
	kind TEXT NOT NULL, -- "user" or "chat"
	id   TEXT NOT NULL,
	at   INTEGER NOT NULL
) STRICT;
