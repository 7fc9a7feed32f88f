package service

import (
	"time"

	"github.com/keepsake-backup/keepsake/schedule"
)

// Who is asking. Every method takes one, and answers only what that person may
// see: a member their own phones, the admin all phones but nothing inside those
// of others, unless their owner has granted it.
type Who struct {
	Account int64  // catalog.Account.ID; 0 is the service itself
	Name    string // of the account, for logs
	Admin   bool
	// ReadOnly may look and download and change nothing: a token with that scope.
	ReadOnly bool
	// Phones narrows a token to some phones; nil is all that the account may see.
	Phones []string
}

// System is the service itself: it may do everything.
var System = Who{Name: "keepsake", Admin: true}

// Overview is what the first page shows.
type Overview struct {
	Ready  bool // the set-up is done
	Phones []Phone
	// Fresh are phones that nobody owns here yet: new ones, and such as were reset.
	Fresh   []Phone
	Targets []Target
	Running []Job
	// Place is where the backups are, without secrets; PlaceErr why it cannot be
	// reached now, "" if it can; Free what its disk has left in bytes, -1 unknown.
	Place, PlaceErr string
	Free            int64
}

// Mood is what kind of sentence a Phone's State is: it chooses colour and icon.
type Mood string

// The moods, the best first.
const (
	Good    Mood = "good"    // backed up, verified, nothing to do
	Working Mood = "working" // a job runs
	Waiting Mood = "waiting" // for a time, a charger, a network: nobody has to do anything
	Asking  Mood = "asking"  // somebody has to do something: State.Do
	Late    Mood = "late"    // no verified backup for longer than the owner wants
	Failed  Mood = "failed"  // the last run failed for a reason that does not go away by itself
)

// State says in words how a phone is.
type State struct {
	Mood Mood
	Text string // "Backed up last night", "Waiting for Anna's iPhone to be on its charger"
	Do   string // who must do what, "" if nobody must: "Enter the passcode on Anna's iPhone."
	Why  string // more of it, for those who want to know: why it cannot be reached, what failed
}

// Phone is all that is known of a phone.
type Phone struct {
	UDID, Name     string
	Model          string // "iPhone 15 Pro"
	ProductType    string // "iPhone16,1"
	IOS            string
	Color          string // "#rrggbb" of its drawing, "" unknown
	Owner          int64  // account; 0 is nobody
	OwnerName      string
	Mine           bool // of who asked
	MayOpen        bool // who asked may look inside its backups and restore them
	Granted        bool // the owner lets admins in
	State          State
	Cable, WiFi    bool // reached so at this moment
	Paired, WiFiOn bool
	InSetup        bool      // shows the set-up screens, as after a factory reset
	LastSeen       time.Time // zero: never
	Encrypted      bool      // the phone encrypts its backups
	EncryptedKnown bool
	KnowsPassword  bool // the backup password is remembered, or not needed
	BatteryPercent int  // -1 unknown
	Charging       bool
	Storage        []Usage // of the phone, by kind; empty unknown
	Capacity       int64   // bytes
	Policy         schedule.Policy
	Retention      Retention

	LastBackup    time.Time // newest version; zero: none
	LastVerified  time.Time // newest version that Build or a check has verified
	LastRehearsal time.Time
	RehearsalOK   bool
	DaysVerified  int       // whole days since LastVerified, -1 when never
	Next          time.Time // when the next one is to start; zero: nothing is planned
	NextWhy       string    // "when it is on its charger, between 01:00 and 06:00"
	Versions      int
	Stored        int64 // bytes in the repository
	Job           *Job  // running or queued
}

// Usage is one part of a phone's storage.
type Usage struct {
	Kind  string // "Photos", "Apps", "Media", "Messages", "System", "Other"
	Bytes int64
}

// Retention is how many versions are kept; 0 is none of that kind, and all zero
// keeps everything. The newest and the newest rehearsed one stay in any case.
type Retention struct {
	Last    int `json:"last"`
	Daily   int `json:"daily"`
	Weekly  int `json:"weekly"`
	Monthly int `json:"monthly"`
	Yearly  int `json:"yearly"`
}

// Version is one backup or media copy of a phone.
type Version struct {
	ID          string // of the snapshot, 64 hex digits
	UDID        string
	Media       bool // a media copy, not a backup
	Time        time.Time
	Name, IOS   string // of the phone at that time
	Files       int64
	Size        int64 // of what it holds
	Added       int64 // what it took in the repository
	Encrypted   bool
	Sealed      bool // stored as it came: nothing of it can be looked at without the backup password
	Verified    time.Time
	Rehearsed   time.Time
	RehearsalOK bool
	Pinned      bool     // stays, whatever the retention says
	Copies      []string // names of targets that hold it
}

// Entry is a file or folder of a version.
type Entry struct {
	Path    string // from the top: "CameraRollDomain/Media/DCIM/100APPLE/IMG_0001.HEIC"
	Name    string // to show: an app's name at the top, else the last part of Path
	App     string // bundle ID, at the top
	Dir     bool
	Size    int64 // of a file; 0 of a folder, where it is not added up
	ModTime time.Time
}

// Listing is a page of a folder or of a search.
type Listing struct {
	Version Version
	Path    string
	Entries []Entry
	Next    string // pass it to get what follows; "" at the end
}

// JobKind is what a job does.
type JobKind string

// The kinds of jobs.
const (
	BackupJob     JobKind = "backup"
	MediaJob      JobKind = "media"
	RestoreJob    JobKind = "restore"
	PairJob       JobKind = "pair"
	EncryptionJob JobKind = "encryption"
	RehearseJob   JobKind = "rehearse"
	CheckJob      JobKind = "check"
	ForgetJob     JobKind = "forget" // and prune
	CopyJob       JobKind = "copy"   // to a target
	HandOverJob   JobKind = "handover"
)

// JobState is how far a job is.
type JobState string

// The states of jobs. The last four are ends.
const (
	Queued    JobState = "queued"
	Running   JobState = "running"
	Done      JobState = "done"
	FailedJob JobState = "failed"
	Cancelled JobState = "cancelled"
	Refused   JobState = "refused" // the owner did not enter the passcode, or said no
)

// Job is a piece of work.
type Job struct {
	ID       int64
	Kind     JobKind
	UDID     string
	Name     string // of the phone
	Target   string // of a CopyJob
	Trigger  string // why it was started, in words: "Anna pressed Back Up Now", "nightly"
	State    JobState
	Text     string  // the phase that runs, or how it ended
	Do       string  // who must do what now, "" nobody
	Fraction float64 // 0 to 1; -1 unknown
	Files, FilesTotal,
	Bytes, BytesTotal int64
	Rate                   float64       // bytes a second, 0 unknown
	Left                   time.Duration // estimate, 0 unknown
	Error                  string        // why it failed
	Hint                   string        // and what to do
	Version                string        // that it made
	Queued, Started, Ended time.Time
	Log                    []LogLine // only from Service.Job
}

// LogLine is one line of a job's log.
type LogLine struct {
	Time time.Time
	Kind string // progress.Kind, or "phase"
	Text string
}

// Target is a place for copies.
type Target struct {
	Name, Location string
	Kind           string // "disk", "S3", "server", "SFTP", "rclone"
	Here           bool
	Err            string // why it is not
	LastCopied     time.Time
	Behind         int   // versions that it lacks; -1 unknown
	Free           int64 // bytes; -1 unknown
	Automatic      bool  // copies are made as soon as it is there
}

// RestoreRequest says what is to be put where.
type RestoreRequest struct {
	UDID                           string   // the phone that gets it
	Source                         string   // UDID of the phone whose backup it is
	Version                        string   // ID
	Settings, System, RemoveOthers bool     // as restore.Options
	Domains                        []string // only these; empty is everything
}

// Preflight is what is known before a restore.
type Preflight struct {
	Ready                bool
	Findings             []Finding
	Files                int64
	Bytes                int64
	AppsBack, AppsByHand []string
	NeedsPassword        bool // the backup password has to be typed: it is not remembered
}

// Finding is one line of a Preflight.
type Finding struct {
	Blocks bool // the restore cannot be done so
	Text   string
	Do     string
}

// Event tells watchers that something they may see has changed; they ask anew.
type Event struct {
	Kind string // "phone", "job", "target", "setting"
	UDID string
	Job  *Job // of "job", without its log
}

// Settings are of the whole service. Secrets in them are never given out:
// what is set reads as Kept, and Kept leaves it as it is.
type Settings struct {
	Name string // of this service, as people call it: "Home"
	// Notify are URLs of package notify, such as "ntfy://ntfy.sh/topic".
	Notify []string
	// Ping is a URL of a dead man's switch, as healthchecks.io has them; "" none.
	Ping string
	// AfterBackup is a command that runs after each backup, with what happened in
	// its environment; "" none. Only who starts the service may set it, by flag.
	AfterBackup string
	// HandOver is a folder that gets each new original photo once; "" none.
	HandOver string
	// Phones at once, 1 to 16.
	Parallel int
	// CheckWeekly is how much of the stored data is read every week, in percent.
	CheckWeekly int
	// RehearseMonthly restores the newest version of each phone onto a virtual phone.
	RehearseMonthly bool
}

// Kept stands for a secret that is not shown.
const Kept = "•••"
