package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/keepsake-backup/keepsake/schedule"
)

// Phone is what is remembered of a phone.
type Phone struct {
	UDID  string `json:"-"`
	Owner int64  `json:"-"` // account; 0 is nobody

	Name        string          `json:"name,omitempty"`
	ProductType string          `json:"product_type,omitempty"`
	IOS         string          `json:"ios,omitempty"`
	Color       string          `json:"color,omitempty"`
	Granted     bool            `json:"granted,omitempty"` // admins may look inside
	Policy      schedule.Policy `json:"policy"`
	Retention   json.RawMessage `json:"retention,omitempty"` // service.Retention

	// Where to look for it on the network: as it said on the cable, and as somebody
	// told us.
	ServiceName string `json:"service_name,omitempty"` // BonjourFullServiceName
	WiFiMAC     string `json:"wifi_mac,omitempty"`
	Address     string `json:"address,omitempty"`

	Encrypted   *bool `json:"encrypted,omitempty"` // its backups; nil unknown
	HasPasscode *bool `json:"has_passcode,omitempty"`
	Paired      bool  `json:"paired,omitempty"`
	WiFiOn      bool  `json:"wifi_on,omitempty"`
	InSetup     bool  `json:"in_setup,omitempty"`

	Usage     map[string]int64 `json:"usage,omitempty"` // bytes by kind
	Capacity  int64            `json:"capacity,omitempty"`
	Available int64            `json:"available,omitempty"`
	Battery   int              `json:"battery"` // percent, -1 unknown
	Charging  bool             `json:"charging,omitempty"`

	FirstSeen   time.Time `json:"first_seen,omitzero"`
	LastSeen    time.Time `json:"last_seen,omitzero"`    // attached or advertised
	LastCable   time.Time `json:"last_cable,omitzero"`   //
	LastContact time.Time `json:"last_contact,omitzero"` // a session was had
	LastUnlock  time.Time `json:"last_unlock,omitzero"`
	LastSignal  time.Time `json:"last_signal,omitzero"`

	// State is whatever else its user keeps of it.
	State json.RawMessage `json:"state,omitempty"`
}

func scanPhone(row scanner) (Phone, error) {
	var p Phone
	var owner sql.NullInt64
	var doc string
	if err := row.Scan(&p.UDID, &owner, &doc); err != nil {
		return p, err
	}
	p.Owner = owner.Int64
	if err := json.Unmarshal([]byte(doc), &p); err != nil {
		return p, fmt.Errorf("read phone %s: %w", p.UDID, err)
	}
	return p, nil
}

// Phones are all, by UDID.
func (db *DB) Phones(ctx context.Context) ([]Phone, error) {
	return list(ctx, db.read, scanPhone, "SELECT udid, owner, doc FROM phone ORDER BY udid")
}

// Phone is one of them, or ErrNotFound.
func (db *DB) Phone(ctx context.Context, udid string) (Phone, error) {
	p, err := scanPhone(db.read.QueryRowContext(ctx, "SELECT udid, owner, doc FROM phone WHERE udid = ?", udid))
	return p, missing(err)
}

// UpdatePhone changes a phone in one transaction; fn changes what it gets. One that
// is not there is made: fn gets it with FirstSeen now, the default policy and an
// unknown battery.
func (db *DB) UpdatePhone(ctx context.Context, udid string, fn func(*Phone) error) error {
	return db.change(ctx, func(tx *sql.Tx) error {
		p, err := scanPhone(tx.QueryRowContext(ctx, "SELECT udid, owner, doc FROM phone WHERE udid = ?", udid))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			p = Phone{UDID: udid, Policy: schedule.Default(), Battery: -1, FirstSeen: db.now().UTC()}
		case err != nil:
			return err
		}
		if err := fn(&p); err != nil {
			return err
		}
		doc, err := json.Marshal(p)
		if err != nil {
			return fmt.Errorf("keep phone %s: %w", udid, err)
		}
		var owner any
		if p.Owner != 0 {
			owner = p.Owner
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO phone (udid, owner, doc) VALUES (?, ?, ?) ON CONFLICT (udid) DO UPDATE SET owner = excluded.owner, doc = excluded.doc", udid, owner, string(doc))
		return err
	})
}

// DeletePhone forgets a phone and the list of its versions; these stay in the
// repository.
func (db *DB) DeletePhone(ctx context.Context, udid string) error {
	return db.change(ctx, func(tx *sql.Tx) error {
		for _, table := range []string{"phone", "version", "prompt", "handed"} {
			if _, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE udid = ?", udid); err != nil {
				return err
			}
		}
		return nil
	})
}

// Prompt is a time at which a phone asked its owner for the passcode.
type Prompt struct {
	ID       int64
	UDID     string
	At       time.Time
	Window   string // of the schedule, by a name that package schedule gives
	Answer   string // "yes", "no", "ignored"; "" as long as it is open
	Answered time.Time
}

func scanPrompt(row scanner) (Prompt, error) {
	var p Prompt
	return p, row.Scan(&p.ID, &p.UDID, when{&p.At}, &p.Window, &p.Answer, when{&p.Answered})
}

// AddPrompt notes that a phone asks, and gives the note's ID.
func (db *DB) AddPrompt(ctx context.Context, p Prompt) (int64, error) {
	res, err := db.write.ExecContext(ctx, "INSERT INTO prompt (udid, at, window, answer, answered) VALUES (?, ?, ?, ?, ?)", p.UDID, p.At.UnixMilli(), p.Window, p.Answer, moment(p.Answered))
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

// AnswerPrompt notes how a prompt ended, or ErrNotFound.
func (db *DB) AnswerPrompt(ctx context.Context, id int64, answer string, at time.Time) error {
	return db.exec(ctx, "UPDATE prompt SET answer = ?, answered = ? WHERE id = ?", answer, moment(at), id)
}

// Prompts are those of a phone since a moment, the oldest first.
func (db *DB) Prompts(ctx context.Context, udid string, since time.Time) ([]Prompt, error) {
	return list(ctx, db.read, scanPrompt, "SELECT id, udid, at, window, answer, answered FROM prompt WHERE udid = ? AND at >= ? ORDER BY at, id", udid, since.UnixMilli())
}

// HandedOver tells whether a file, by a digest of whatever names it, was given away.
func (db *DB) HandedOver(ctx context.Context, udid string, file Digest) (bool, error) {
	var n int
	err := db.read.QueryRowContext(ctx, "SELECT count(*) FROM handed WHERE udid = ? AND digest = ?", udid, file[:]).Scan(&n)
	return n > 0, err
}

// HandOver notes that a file was given away; twice is no error.
func (db *DB) HandOver(ctx context.Context, udid string, file Digest) error {
	_, err := db.write.ExecContext(ctx, "INSERT INTO handed (udid, digest, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", udid, file[:], db.now().UnixMilli())
	return err
}
