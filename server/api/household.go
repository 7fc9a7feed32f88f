package api

import "time"

// On switches something.
type On struct {
	On bool `json:"on"`
}

// Owner names an account; 0 is nobody.
type Owner struct {
	Account int64 `json:"account" minimum:"0"`
}

// Address is where to look for a phone besides.
type Address struct {
	Address string `json:"address" maxLength:"300" doc:"Host name or IP address; empty forgets it"`
}

// Password is a secret that is given and never got back.
type Password struct {
	Password string `json:"password" maxLength:"1024"`
}

// SetUp is the place of the backups and what opens it.
type SetUp struct {
	Place    string `json:"place" maxLength:"4096"`
	Password string `json:"password" maxLength:"1024"`
}

// Made tells whether the place was new.
type Made struct {
	Made bool `json:"made"`
}

// Sheet asks for the recovery sheet.
type Sheet struct {
	WithPassword bool `json:"with_password,omitempty"`
}

// NewTarget is a place for copies that is to be added.
type NewTarget struct {
	Name        string            `json:"name" minLength:"1" maxLength:"100"`
	Location    string            `json:"location" minLength:"1" maxLength:"4096"`
	Credentials map[string]string `json:"credentials,omitempty" doc:"What its kind of place wants, such as access_key and secret_key"`
	Password    string            `json:"password,omitempty" maxLength:"1024" doc:"Of the repository there; empty: the same as of the place of the backups"`
}

// Settings are of the whole service. Secrets in them read as Kept, and Kept leaves
// them as they are.
type Settings struct {
	Name            string   `json:"name" maxLength:"100"`
	Notify          []string `json:"notify" maxItems:"50" doc:"URLs of places for messages"`
	Ping            string   `json:"ping,omitempty" doc:"URL of a dead man's switch"`
	AfterBackup     string   `json:"after_backup,omitempty" readOnly:"true" doc:"Command after each backup; it is set where the service is started"`
	HandOver        string   `json:"hand_over,omitempty" doc:"Folder that gets each new original photo once"`
	Parallel        int      `json:"parallel" minimum:"1" maximum:"16" doc:"Phones at once"`
	CheckWeekly     int      `json:"check_weekly" minimum:"0" maximum:"100" doc:"Percent of the stored data that is read every week"`
	RehearseMonthly bool     `json:"rehearse_monthly"`
}

// Session is somebody's at a browser.
type Session struct {
	ID       int64     `json:"id"`
	SignedIn time.Time `json:"signed_in"`
	Used     time.Time `json:"used"`
	Expires  time.Time `json:"expires"`
	Address  string    `json:"address,omitempty" doc:"From where"`
	Here     bool      `json:"here" doc:"It is the one in which is asked"`
}

// Sessions are all of an account.
type Sessions struct {
	Sessions []Session `json:"sessions"`
}

// Me is who asks.
type Me struct {
	Account int64    `json:"account"`
	Login   string   `json:"login"`
	Name    string   `json:"name"`
	Admin   bool     `json:"admin"`
	Scopes  []string `json:"scopes,omitempty" doc:"Of the token; left out for a session, which may everything"`
	Phones  []string `json:"phones,omitempty" doc:"The token is for these only"`
}

// Account is a person.
type Account struct {
	ID       int64     `json:"id"`
	Login    string    `json:"login"`
	Name     string    `json:"name"`
	Admin    bool      `json:"admin"`
	Disabled bool      `json:"disabled"`
	Created  time.Time `json:"created,omitzero"`
	LastSeen time.Time `json:"last_seen,omitzero"`
}

// Accounts are all people.
type Accounts struct {
	Accounts []Account `json:"accounts"`
}

// NewAccount is a person to add.
type NewAccount struct {
	Login    string `json:"login" minLength:"1" maxLength:"100"`
	Name     string `json:"name" maxLength:"200"`
	Password string `json:"password" maxLength:"1024"`
	Admin    bool   `json:"admin,omitempty"`
}

// ChangeAccount changes what is there.
type ChangeAccount struct {
	Login    *string `json:"login,omitempty" minLength:"1" maxLength:"100"`
	Name     *string `json:"name,omitempty" maxLength:"200"`
	Admin    *bool   `json:"admin,omitempty"`
	Disabled *bool   `json:"disabled,omitempty"`
	Password *string `json:"password,omitempty" maxLength:"1024" doc:"Sets a new one, and ends all sessions of that person"`
}

// ChangePassword is your own.
type ChangePassword struct {
	Old string `json:"old" maxLength:"1024"`
	New string `json:"new" maxLength:"1024"`
}

// Token lets a program in.
type Token struct {
	ID       int64     `json:"id"`
	Name     string    `json:"name"`
	Scopes   []string  `json:"scopes"`
	Phones   []string  `json:"phones,omitempty"`
	Created  time.Time `json:"created,omitzero"`
	Expires  time.Time `json:"expires,omitzero"`
	LastUsed time.Time `json:"last_used,omitzero"`
}

// Tokens are yours.
type Tokens struct {
	Tokens []Token `json:"tokens"`
}

// NewToken is a token to make.
type NewToken struct {
	Name   string   `json:"name" minLength:"1" maxLength:"100"`
	Scopes []string `json:"scopes" minItems:"1" maxItems:"8"`
	Phones []string `json:"phones,omitempty" maxItems:"100"`
	Days   int      `json:"days,omitempty" minimum:"0" maximum:"3650" doc:"0 never ends"`
}

// MadeToken is shown once and never again.
type MadeToken struct {
	Token string `json:"token"`
}

// Passkey is yours.
type Passkey struct {
	ID       string    `json:"id" doc:"base64url without padding"`
	Name     string    `json:"name"`
	Created  time.Time `json:"created,omitzero"`
	LastUsed time.Time `json:"last_used,omitzero"`
}

// Passkeys are yours.
type Passkeys struct {
	Passkeys []Passkey `json:"passkeys"`
}

// AuditEntry is something that mattered.
type AuditEntry struct {
	ID      int64     `json:"id"`
	At      time.Time `json:"at"`
	Account int64     `json:"account,omitempty"`
	Address string    `json:"address,omitempty"`
	What    string    `json:"what"`
	UDID    string    `json:"udid,omitempty"`
	Detail  string    `json:"detail,omitempty"`
}

// Audit is a page of the audit log, the newest first.
type Audit struct {
	Entries []AuditEntry `json:"entries"`
	Next    int64        `json:"next,omitempty" doc:"Pass it as before to get older ones"`
}

// Build is what runs.
type Build struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	API     int    `json:"api" doc:"1"`
}

// Kept stands for a secret that is not shown.
const Kept = "•••"
