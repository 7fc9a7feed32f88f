package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"
)

// Digest is the SHA-256 of a session's or a token's text, all that is kept of it.
type Digest [32]byte

// Session is somebody's at a browser.
type Session struct {
	ID       int64
	Digest   Digest
	Account  int64
	SignedIn time.Time // by password or passkey
	Used     time.Time
	Expires  time.Time
	Address  string // from where it was begun
}

const sessionColumns = "id, digest, account, signed_in, used, expires, address"

func scanDigest(d *Digest, b []byte) error {
	if len(b) != len(d) {
		return errors.New("a digest is stored that is none")
	}
	copy(d[:], b)
	return nil
}

func scanSession(row scanner) (Session, error) {
	var s Session
	var digest []byte
	if err := row.Scan(&s.ID, &digest, &s.Account, when{&s.SignedIn}, when{&s.Used}, when{&s.Expires}, &s.Address); err != nil {
		return s, err
	}
	return s, scanDigest(&s.Digest, digest)
}

// AddSession keeps a session and gives its ID. Expired ones go.
func (db *DB) AddSession(ctx context.Context, s Session) (id int64, err error) {
	err = db.change(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM session WHERE expires <= ?", db.now().UnixMilli()); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, "INSERT INTO session (digest, account, signed_in, used, expires, address) VALUES (?, ?, ?, ?, ?, ?)",
			s.Digest[:], s.Account, s.SignedIn.UnixMilli(), s.Used.UnixMilli(), s.Expires.UnixMilli(), s.Address)
		if err != nil {
			return err
		}
		id, err = res.LastInsertId()
		return err
	})
	return id, err
}

// Session is the one with that digest, expired or not, or ErrNotFound.
func (db *DB) Session(ctx context.Context, d Digest) (Session, error) {
	s, err := scanSession(db.read.QueryRowContext(ctx, "SELECT "+sessionColumns+" FROM session WHERE digest = ?", d[:]))
	return s, missing(err)
}

// Sessions are those of an account, the last used first.
func (db *DB) Sessions(ctx context.Context, account int64) ([]Session, error) {
	return list(ctx, db.read, scanSession, "SELECT "+sessionColumns+" FROM session WHERE account = ? ORDER BY used DESC", account)
}

// TouchSession notes that a session was used, and until when it lasts.
func (db *DB) TouchSession(ctx context.Context, id int64, used, expires time.Time) error {
	return db.exec(ctx, "UPDATE session SET used = ?, expires = ? WHERE id = ?", used.UnixMilli(), expires.UnixMilli(), id)
}

// DeleteSession ends a session; one that is not there is no error.
func (db *DB) DeleteSession(ctx context.Context, id int64) error {
	_, err := db.write.ExecContext(ctx, "DELETE FROM session WHERE id = ?", id)
	return err
}

// DeleteSessions ends those of an account, but for the one with the ID except (0: none).
func (db *DB) DeleteSessions(ctx context.Context, account, except int64) error {
	_, err := db.write.ExecContext(ctx, "DELETE FROM session WHERE account = ? AND id <> ?", account, except)
	return err
}

// Token lets a program in as an account.
type Token struct {
	ID                         int64
	Digest                     Digest
	Account                    int64
	Name                       string
	Scopes                     []string
	Phones                     []string  // UDIDs; nil is all
	Created, Expires, LastUsed time.Time // Expires zero: never
}

const tokenColumns = "id, digest, account, name, scopes, phones, created, expires, last_used"

func scanToken(row scanner) (Token, error) {
	var t Token
	var digest []byte
	var scopes string
	var phones sql.NullString
	if err := row.Scan(&t.ID, &digest, &t.Account, &t.Name, &scopes, &phones, when{&t.Created}, when{&t.Expires}, when{&t.LastUsed}); err != nil {
		return t, err
	}
	err := errors.Join(scanDigest(&t.Digest, digest), json.Unmarshal([]byte(scopes), &t.Scopes))
	if phones.Valid {
		t.Phones = []string{}
		err = errors.Join(err, json.Unmarshal([]byte(phones.String), &t.Phones))
	}
	return t, err
}

// AddToken keeps a token and gives its ID.
func (db *DB) AddToken(ctx context.Context, t Token) (int64, error) {
	scopes, err := json.Marshal(t.Scopes)
	if err != nil {
		return 0, err
	}
	var phones any
	if t.Phones != nil {
		text, err := json.Marshal(t.Phones)
		if err != nil {
			return 0, err
		}
		phones = string(text)
	}
	res, err := db.write.ExecContext(ctx, "INSERT INTO token (digest, account, name, scopes, phones, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?)",
		t.Digest[:], t.Account, t.Name, string(scopes), phones, db.now().UnixMilli(), moment(t.Expires))
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

// Token is the one with that digest, expired or not, or ErrNotFound.
func (db *DB) Token(ctx context.Context, d Digest) (Token, error) {
	t, err := scanToken(db.read.QueryRowContext(ctx, "SELECT "+tokenColumns+" FROM token WHERE digest = ?", d[:]))
	return t, missing(err)
}

// Tokens are those of an account, by name.
func (db *DB) Tokens(ctx context.Context, account int64) ([]Token, error) {
	return list(ctx, db.read, scanToken, "SELECT "+tokenColumns+" FROM token WHERE account = ? ORDER BY name, id", account)
}

// TouchToken notes that a token was used.
func (db *DB) TouchToken(ctx context.Context, id int64, used time.Time) error {
	return db.exec(ctx, "UPDATE token SET last_used = ? WHERE id = ?", used.UnixMilli(), id)
}

// DeleteToken forgets a token of an account, or ErrNotFound.
func (db *DB) DeleteToken(ctx context.Context, account, id int64) error {
	return db.exec(ctx, "DELETE FROM token WHERE id = ? AND account = ?", id, account)
}

// Passkey is a WebAuthn credential.
type Passkey struct {
	ID                []byte
	Account           int64
	Name              string
	Credential        json.RawMessage // as package auth writes it; no secret: the private key stays with its owner
	Created, LastUsed time.Time
}

const passkeyColumns = "id, account, name, credential, created, last_used"

func scanPasskey(row scanner) (Passkey, error) {
	var p Passkey
	var credential string
	err := row.Scan(&p.ID, &p.Account, &p.Name, &credential, when{&p.Created}, when{&p.LastUsed})
	p.Credential = json.RawMessage(credential)
	return p, err
}

// AddPasskey keeps a passkey.
func (db *DB) AddPasskey(ctx context.Context, p Passkey) error {
	_, err := db.write.ExecContext(ctx, "INSERT INTO passkey (id, account, name, credential, created) VALUES (?, ?, ?, ?, ?)", p.ID, p.Account, p.Name, string(p.Credential), db.now().UnixMilli())
	return err
}

// Passkeys are those of an account, by name.
func (db *DB) Passkeys(ctx context.Context, account int64) ([]Passkey, error) {
	return list(ctx, db.read, scanPasskey, "SELECT "+passkeyColumns+" FROM passkey WHERE account = ? ORDER BY name, created", account)
}

// Passkey is one of them, or ErrNotFound.
func (db *DB) Passkey(ctx context.Context, id []byte) (Passkey, error) {
	p, err := scanPasskey(db.read.QueryRowContext(ctx, "SELECT "+passkeyColumns+" FROM passkey WHERE id = ?", id))
	return p, missing(err)
}

// UsePasskey keeps what changed by a sign-in.
func (db *DB) UsePasskey(ctx context.Context, id []byte, credential json.RawMessage, used time.Time) error {
	return db.exec(ctx, "UPDATE passkey SET credential = ?, last_used = ? WHERE id = ?", string(credential), used.UnixMilli(), id)
}

// DeletePasskey forgets a passkey of an account, or ErrNotFound.
func (db *DB) DeletePasskey(ctx context.Context, account int64, id []byte) error {
	return db.exec(ctx, "DELETE FROM passkey WHERE id = ? AND account = ?", id, account)
}
