CREATE TABLE account (
	id            INTEGER PRIMARY KEY AUTOINCREMENT,
	login         TEXT NOT NULL UNIQUE,
	name          TEXT NOT NULL,
	admin         INTEGER NOT NULL,
	disabled      INTEGER NOT NULL DEFAULT 0,
	password_hash TEXT NOT NULL,
	created       INTEGER NOT NULL,
	last_seen     INTEGER
) STRICT;

CREATE TABLE session (
	id        INTEGER PRIMARY KEY AUTOINCREMENT,
	digest    BLOB NOT NULL UNIQUE,
	account   INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,
	signed_in INTEGER NOT NULL,
	used      INTEGER NOT NULL,
	expires   INTEGER NOT NULL,
	address   TEXT NOT NULL
) STRICT;
CREATE INDEX session_account ON session(account);

CREATE TABLE token (
	id        INTEGER PRIMARY KEY AUTOINCREMENT,
	digest    BLOB NOT NULL UNIQUE,
	account   INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,
	name      TEXT NOT NULL,
	scopes    TEXT NOT NULL, -- JSON array
	phones    TEXT,          -- JSON array, NULL is all
	created   INTEGER NOT NULL,
	expires   INTEGER,
	last_used INTEGER
) STRICT;
CREATE INDEX token_account ON token(account);

CREATE TABLE passkey (
	id         BLOB PRIMARY KEY,
	account    INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,
	name       TEXT NOT NULL,
	credential TEXT NOT NULL, -- JSON
	created    INTEGER NOT NULL,
	last_used  INTEGER
) STRICT;
CREATE INDEX passkey_account ON passkey(account);

CREATE TABLE attempt (
	subject TEXT PRIMARY KEY,
	state   TEXT NOT NULL, -- JSON
	changed INTEGER NOT NULL
) STRICT;

CREATE TABLE phone (
	udid  TEXT PRIMARY KEY,
	owner INTEGER REFERENCES account(id) ON DELETE SET NULL,
	doc   TEXT NOT NULL -- JSON
) STRICT;

CREATE TABLE version (
	udid TEXT NOT NULL,
	id   TEXT NOT NULL,
	time INTEGER NOT NULL,
	doc  TEXT NOT NULL, -- JSON
	PRIMARY KEY (udid, id)
) STRICT;
CREATE INDEX version_time ON version(udid, time DESC);

CREATE TABLE job (
	id        INTEGER PRIMARY KEY AUTOINCREMENT,
	kind      TEXT NOT NULL,
	udid      TEXT NOT NULL,
	target    TEXT NOT NULL,
	caused_by TEXT NOT NULL,
	account   INTEGER,
	state     TEXT NOT NULL,
	text      TEXT NOT NULL,
	error     TEXT NOT NULL,
	hint      TEXT NOT NULL,
	version   TEXT NOT NULL,
	request   TEXT, -- JSON
	result    TEXT, -- JSON
	queued    INTEGER NOT NULL,
	started   INTEGER,
	ended     INTEGER
) STRICT;
CREATE UNIQUE INDEX job_open ON job(kind, udid, target) WHERE state IN ('queued', 'running');
CREATE INDEX job_udid ON job(udid, id DESC);

CREATE TABLE log (
	job  INTEGER NOT NULL REFERENCES job(id) ON DELETE CASCADE,
	n    INTEGER NOT NULL,
	time INTEGER NOT NULL,
	kind TEXT NOT NULL,
	text TEXT NOT NULL,
	PRIMARY KEY (job, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE prompt (
	id       INTEGER PRIMARY KEY AUTOINCREMENT,
	udid     TEXT NOT NULL,
	at       INTEGER NOT NULL,
	window   TEXT NOT NULL,
	answer   TEXT NOT NULL,
	answered INTEGER
) STRICT;
CREATE INDEX prompt_udid ON prompt(udid, at DESC);

CREATE TABLE audit (
	id      INTEGER PRIMARY KEY AUTOINCREMENT,
	at      INTEGER NOT NULL,
	account INTEGER,
	address TEXT NOT NULL,
	what    TEXT NOT NULL,
	udid    TEXT NOT NULL,
	detail  TEXT NOT NULL
) STRICT;

CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE secret (name TEXT PRIMARY KEY, sealed BLOB NOT NULL) STRICT;
CREATE TABLE handed (udid TEXT NOT NULL, digest BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (udid, digest)) STRICT, WITHOUT ROWID;
