PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE schema_version (
		version INTEGER PRIMARY KEY,
		applied INTEGER NOT NULL DEFAULT (unixepoch())
	) STRICT;
INSERT INTO schema_version VALUES(1,1795372302);
CREATE TABLE sites (
	id   INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE
) STRICT;
INSERT INTO sites VALUES(1,'www.example.com');
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
INSERT INTO views VALUES(1,X'14d5028272ba3930c3d567e09175c78b',1,'p1','s1','https://www.example.com/','','Home','it-IT','192.0.2.0',0,0);
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
INSERT INTO events VALUES(1,1,X'0b6f1f6e51a54f0c9d3c2f6b8a1f4a11',1,'Loaded',1,1795359600001,NULL,1795366800000,NULL,'u1',0,'{"userID":"u1"}',NULL);
INSERT INTO events VALUES(2,1,'second',1,'ChatStarted',2,1795359600002,NULL,1795366800000,'c1','u1',0,'{"chatID":"c1","userID":"u1"}',NULL);
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
INSERT INTO quarantine VALUES(1,1,NULL,1795366800000,'192.0.2.0','bad_json','not JSON at byte 1','text/plain;charset=UTF-8','',8,X'999aaa8645bb72ff599e143b1e3d2a94777127f4783a69f067251f7bbebc5ab6',X'6e6f6e73656e7365');
CREATE TABLE quarantine_size (
	rows  INTEGER NOT NULL,
	bytes INTEGER NOT NULL
) STRICT;
INSERT INTO quarantine_size VALUES(1,8);
CREATE TABLE evicted (
	site   INTEGER NOT NULL REFERENCES sites,
	reason TEXT NOT NULL,
	n      INTEGER NOT NULL,
	PRIMARY KEY (site, reason)
) STRICT, WITHOUT ROWID;
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('events',2);
INSERT INTO sqlite_sequence VALUES('quarantine',1);
CREATE UNIQUE INDEX events_id ON events (site, id);
CREATE INDEX events_at ON events (at);
CREATE INDEX events_chat ON events (chat_id, at) WHERE chat_id IS NOT NULL;
CREATE TRIGGER quarantine_grows AFTER INSERT ON quarantine BEGIN
	UPDATE quarantine_size SET rows = rows + 1, bytes = bytes + length(new.raw);
END;
CREATE TRIGGER quarantine_shrinks AFTER DELETE ON quarantine BEGIN
	UPDATE quarantine_size SET rows = rows - 1, bytes = bytes - length(old.raw);
END;
COMMIT;
