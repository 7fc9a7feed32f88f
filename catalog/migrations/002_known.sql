-- Networks from which somebody has signed in: guesses from elsewhere do not keep
-- them out there.
CREATE TABLE known (
	account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,
	network TEXT NOT NULL,
	used    INTEGER NOT NULL,
	PRIMARY KEY (account, network)
) STRICT, WITHOUT ROWID;
INSERT INTO known (account, network, used) SELECT account, address, max(used) FROM session GROUP BY account, address;

CREATE INDEX attempt_changed ON attempt(changed);
CREATE INDEX session_expires ON session(expires);
CREATE INDEX audit_at ON audit(at);
