package api

import "time"

// Overview is the state of everything.
type Overview struct {
	Ready      bool     `json:"ready" doc:"The set-up is done"`
	Phones     []Phone  `json:"phones"`
	Fresh      []Phone  `json:"fresh" doc:"Phones that nobody owns here yet"`
	Targets    []Target `json:"targets"`
	Running    []Job    `json:"running"`
	Place      string   `json:"place" doc:"Where the backups are"`
	PlaceError string   `json:"place_error,omitempty" doc:"Why they cannot be reached now"`
	Free       int64    `json:"free" doc:"Bytes that are left there; -1 unknown"`
}

// State says in words how a phone is.
type State struct {
	Mood string `json:"mood" doc:"The best first: good, working, waiting, asking, late, failed"`
	Text string `json:"text"`
	Do   string `json:"do,omitempty" doc:"Who must do what"`
	Why  string `json:"why,omitempty"`
}

// Phone is all that is known of a phone.
type Phone struct {
	UDID          string    `json:"udid"`
	Name          string    `json:"name"`
	Model         string    `json:"model" example:"iPhone 15 Pro"`
	ProductType   string    `json:"product_type" example:"iPhone16,1"`
	IOS           string    `json:"ios"`
	Color         string    `json:"color,omitempty" doc:"#rrggbb"`
	Owner         int64     `json:"owner" doc:"Account; 0 is nobody"`
	OwnerName     string    `json:"owner_name,omitempty"`
	Mine          bool      `json:"mine"`
	MayOpen       bool      `json:"may_open" doc:"You may look inside its backups and restore them"`
	Granted       bool      `json:"granted" doc:"Its owner lets admins in"`
	State         State     `json:"state"`
	Cable         bool      `json:"cable"`
	WiFi          bool      `json:"wifi"`
	Paired        bool      `json:"paired"`
	WiFiOn        bool      `json:"wifi_on" doc:"It may be reached over Wi-Fi"`
	InSetup       bool      `json:"in_setup" doc:"It shows the set-up screens"`
	LastSeen      time.Time `json:"last_seen,omitzero"`
	Encrypted     *bool     `json:"encrypted,omitempty" doc:"It encrypts its backups; left out when unknown"`
	KnowsPassword bool      `json:"knows_password" doc:"The backup password is remembered, or not needed"`
	Battery       int       `json:"battery" doc:"Percent; -1 unknown"`
	Charging      bool      `json:"charging"`
	Storage       []Usage   `json:"storage,omitempty"`
	Capacity      int64     `json:"capacity"`
	Policy        Policy    `json:"policy"`
	Retention     Retention `json:"retention"`
	LastBackup    time.Time `json:"last_backup,omitzero"`
	LastVerified  time.Time `json:"last_verified,omitzero"`
	LastRehearsal time.Time `json:"last_rehearsal,omitzero"`
	RehearsalOK   bool      `json:"rehearsal_ok"`
	DaysVerified  int       `json:"days_verified" doc:"Whole days since the last verified backup; -1 never"`
	Next          time.Time `json:"next,omitzero" doc:"When the next one is to start"`
	NextWhy       string    `json:"next_why,omitempty"`
	Versions      int       `json:"versions"`
	Stored        int64     `json:"stored" doc:"Bytes in the repository"`
	Job           *Job      `json:"job,omitempty" doc:"Running or queued"`
}

// Usage is one part of a phone's storage.
type Usage struct {
	Kind  string `json:"kind"`
	Bytes int64  `json:"bytes"`
}

// Policy is when a phone is to be backed up.
type Policy struct {
	Automatic       bool   `json:"automatic"`
	EveryDays       int    `json:"every_days" minimum:"1" maximum:"30"`
	From            string `json:"from" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" doc:"Start of the window in which backups may start by themselves, as 22:30"`
	To              string `json:"to" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" doc:"Its end; before from: over midnight; equal: the whole day"`
	OnConnect       bool   `json:"on_connect"`
	OnPower         bool   `json:"on_power"`
	MinBattery      int    `json:"min_battery" minimum:"0" maximum:"100"`
	OnUnlock        bool   `json:"on_unlock"`
	Media           bool   `json:"media"`
	RemindAfterDays int    `json:"remind_after_days" minimum:"0" maximum:"365"`
}

// Retention is how many versions are kept; all zero keeps everything.
type Retention struct {
	Last    int `json:"last" minimum:"0" maximum:"100000"`
	Daily   int `json:"daily" minimum:"0" maximum:"100000"`
	Weekly  int `json:"weekly" minimum:"0" maximum:"100000"`
	Monthly int `json:"monthly" minimum:"0" maximum:"100000"`
	Yearly  int `json:"yearly" minimum:"0" maximum:"100000"`
}
