-- Times are Unix milliseconds. An id in UUID form is kept as its 16 bytes, any other as text.

CREATE TABLE sites (
	id   INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE
) STRICT;

-- What the events of one page view share. A page whose address, title or client changes while it
-- is open gets a further row with the same page.
CREATE TABLE views (
	id       INTEGER PRIMARY KEY,
	digest   BLOB NOT NULL UNIQUE, -- of site to client: finds the row again
	site     INTEGER NOT NULL REFERENCES sites,
	page     ANY NOT NULL,
	session  ANY NOT NULL,
	url      TEXT NOT NULL,
	referrer TEXT NOT NULL,
	title    TEXT NOT NULL,
	lang     TEXT NOT NULL,
	client   TEXT NOT NULL,
	-- Running totals of the page, as its listener sends them, so a page's is the largest of its rows:
	refused  INTEGER NOT NULL DEFAULT 0, -- messages it did not believe
	dropped  INTEGER NOT NULL DEFAULT 0  -- events it could not keep
) STRICT;

-- Rows are numbered in the order of their commits and no number is used twice, so that a reader
-- who remembers the last one it saw misses nothing.
CREATE TABLE events (
	row      INTEGER PRIMARY KEY AUTOINCREMENT,
	site     INTEGER NOT NULL REFERENCES sites,
	id       ANY NOT NULL,
	view     INTEGER NOT NULL REFERENCES views,
	type     TEXT NOT NULL,
	seq      INTEGER NOT NULL,
	at       INTEGER NOT NULL,
	mono     INTEGER, -- milliseconds since the page began, by its monotonic clock
	received INTEGER NOT NULL,
	chat_id  TEXT,
	user_id  TEXT,
	flags    INTEGER NOT NULL,
	object   TEXT NOT NULL,
	extra    TEXT -- members of the event that we do not know, as one JSON object
) STRICT;

CREATE UNIQUE INDEX events_id ON events (site, id);
CREATE INDEX events_at ON events (at);
CREATE INDEX events_chat ON events (chat_id, at) WHERE chat_id IS NOT NULL;

-- Input that is no event. With a view it is one event of a batch, without it is a whole body.
CREATE TABLE quarantine (
	row              INTEGER PRIMARY KEY AUTOINCREMENT,
	site             INTEGER NOT NULL REFERENCES sites,
	view             INTEGER REFERENCES views,
	received         INTEGER NOT NULL,
	client           TEXT NOT NULL,
	reason           TEXT NOT NULL,
	message          TEXT NOT NULL,
	content_type     TEXT NOT NULL,
	content_encoding TEXT NOT NULL,
	length           INTEGER NOT NULL, -- as declared or as read; raw may be less of it
	sha256           BLOB NOT NULL,    -- of all that was read
	raw              BLOB NOT NULL
) STRICT;

CREATE TABLE quarantine_size (
	rows  INTEGER NOT NULL,
	bytes INTEGER NOT NULL
) STRICT;
INSERT INTO quarantine_size VALUES (0, 0);

CREATE TRIGGER quarantine_grows AFTER INSERT ON quarantine BEGIN
	UPDATE quarantine_size SET rows = rows + 1, bytes = bytes + length(new.raw);
END;
CREATE TRIGGER quarantine_shrinks AFTER DELETE ON quarantine BEGIN
	UPDATE quarantine_size SET rows = rows - 1, bytes = bytes - length(old.raw);
END;

-- Quarantined input that had to make room for newer.
CREATE TABLE evicted (
	site   INTEGER NOT NULL REFERENCES sites,
	reason TEXT NOT NULL,
	n      INTEGER NOT NULL,
	PRIMARY KEY (site, reason)
) STRICT, WITHOUT ROWID;
