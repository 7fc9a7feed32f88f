package service

import (
	"context"
	"log/slog"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/discovery"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/notify"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// Phones tells which phones can be reached, and opens them: *discovery.Watcher.
type Phones interface {
	// Run watches until ctx ends.
	Run(ctx context.Context) error
	// Events tells of phones that can be reached now, and then of what happens.
	Events(ctx context.Context) <-chan discovery.Event
	Now() []discovery.Sighting
	Facts(udid usbmux.UDID) discovery.Facts
	Open(ctx context.Context, udid usbmux.UDID, via discovery.Via) (*device.Device, error)
	// Refresh asks for the known phones anew: one was paired or has another address.
	Refresh()
}

// Sender sends messages to people: *notify.Notifier.
type Sender interface {
	Send(ctx context.Context, m notify.Message) error
}

// Options of a Service. Data, DB, Phones and Places are needed.
type Options struct {
	// Data is the folder of the service: <Data>/state keeps what is unfinished.
	Data string
	// DB is its database. It stays open when the service ends.
	DB *catalog.DB
	// Phones finds phones. The service runs it.
	Phones Phones
	// Places reaches repositories.
	Places Places
	// Notify makes the sender for the URLs of the settings; nil is notify.New.
	Notify func(urls []secret.Text) (Sender, error)
	// Ping tells a dead man's switch at a URL that all is well (err is nil) or not;
	// nil is notify.Ping.
	Ping func(ctx context.Context, url secret.Text, text string, err error) error
	// AfterBackup is a command line that runs after each backup; "" is none.
	AfterBackup string
	// HostName is how phones may call this computer when they are paired.
	HostName string
	// Program is the name and version of this program.
	Program string
	// Limits are how patient backups and restores are; zero means the defaults.
	Limits mobilebackup2.Limits
	// Pace says how often is looked at what does not tell by itself.
	Pace Pace
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// After is the clock's alarm; nil is time.After.
	After func(d time.Duration) <-chan time.Time
	// Log gets what is of interest to who runs the service; nil discards it.
	Log *slog.Logger
}

// Pace are times of a Service; zero fields are the defaults.
type Pace struct {
	Look    time.Duration // between looks at everything, at most; 0 is a minute
	Contact time.Duration // between questions to a phone that is near; 0 is 10 minutes
	Unlock  time.Duration // between questions whether it is unlocked, while a backup waits for that; 0 is 10 s
	Targets time.Duration // between looks for targets; 0 is a minute for disks
	Lock    time.Duration // to wait for others who work in a repository; 0 is 2 minutes
}

func (o *Options) fill() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.After == nil {
		o.After = time.After
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Program == "" {
		o.Program = "keepsake"
	}
	if o.Notify == nil {
		o.Notify = sendByNotify
	}
	if o.Ping == nil {
		o.Ping = pingByNotify
	}
	for _, d := range []struct {
		to  *time.Duration
		val time.Duration
	}{{&o.Pace.Look, time.Minute}, {&o.Pace.Contact, 10 * time.Minute}, {&o.Pace.Unlock, 10 * time.Second}, {&o.Pace.Targets, time.Minute}, {&o.Pace.Lock, 2 * time.Minute}} {
		if *d.to <= 0 {
			*d.to = d.val
		}
	}
}
