package snapshot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/internal/phonename"
	"github.com/keepsake-backup/keepsake/repository"
)

// HostName is the host of all snapshots: stock restic groups by it, and phones
// get renamed.
const HostName = "keepsake"

// Tags of snapshots. Those with a value are "udid:…", "name:…" and "ios:…".
const (
	TagKeepsake = "keepsake"         // every snapshot that Keepsake made of a phone
	TagSealed   = "sealed"           // contents are as encrypted as they came
	TagMedia    = "keepsake-media"   // pictures and music copied over AFC: no backup
	TagReceipt  = "keepsake-receipt" // what a rehearsal has proven

	tagUDID = "udid:"
	tagName = "name:"
	tagIOS  = "ios:"
)

// Kind is what a snapshot holds.
type Kind uint8

// The kinds of snapshots.
const (
	Other   Kind = iota // not Keepsake's, or not of a phone
	Backup              // a phone's backup: what this package is about
	Media               // a copy of a phone's media
	Receipt             // the receipt of a rehearsal
)

func (k Kind) String() string {
	switch k {
	case Backup:
		return "backup"
	case Media:
		return "media"
	case Receipt:
		return "receipt"
	}
	return "other"
}

// Info is a snapshot with what its tags tell; nothing else was read for it.
type Info struct {
	repository.Snapshot
	UDID   string // of the phone
	Name   string // the phone's, at the time
	IOS    string // version, such as "18.6"
	Sealed bool
	Kind   Kind
}

// Describe reads the tags of a snapshot.
func Describe(sn repository.Snapshot) Info {
	info := Info{Snapshot: sn}
	var keepsake, media, receipt bool
	for _, tag := range sn.Tags {
		switch {
		case tag == TagKeepsake:
			keepsake = true
		case tag == TagMedia:
			media = true
		case tag == TagReceipt:
			receipt = true
		case tag == TagSealed:
			info.Sealed = true
		case strings.HasPrefix(tag, tagUDID):
			info.UDID = tag[len(tagUDID):]
		case strings.HasPrefix(tag, tagName):
			info.Name = tag[len(tagName):]
		case strings.HasPrefix(tag, tagIOS):
			info.IOS = tag[len(tagIOS):]
		}
	}
	switch {
	case receipt:
		info.Kind = Receipt
	case media:
		info.Kind = Media
	case keepsake && info.UDID != "":
		info.Kind = Backup
	}
	return info
}

// List describes all snapshots, oldest first. One that cannot be read is an error.
func List(ctx context.Context, s *repository.Session) ([]Info, error) {
	all, err := s.Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Info, len(all))
	for i, sn := range all {
		list[i] = Describe(sn)
	}
	return list, nil
}

// ErrNotFound: no snapshot fits the text.
var ErrNotFound = errors.New("there is no such snapshot")

const latest = "latest"

// Find finds a snapshot by what people write: the beginning of its ID, "latest",
// or "latest:PHONE" with a UDID, the beginning of one, a phone's name, or its first words. Among
// the latest, backups go before everything else. Error: [ErrNotFound], and one
// that says so when the text fits several.
func Find(ctx context.Context, s *repository.Session, text string) (Info, error) {
	phone, ofPhone := strings.CutPrefix(text, latest+":")
	if text != latest && !ofPhone {
		sn, err := s.FindSnapshot(ctx, text)
		if err != nil {
			return Info{}, err
		}
		return Describe(sn), nil
	}
	list, err := List(ctx, s)
	if err != nil {
		return Info{}, err
	}
	if ofPhone {
		if list, err = ofPhoneOnly(list, phone); err != nil {
			return Info{}, err
		}
	}
	if len(list) == 0 {
		return Info{}, fmt.Errorf("find snapshot %q: %w", text, ErrNotFound)
	}
	return slices.MaxFunc(list, func(a, b Info) int {
		if a, b := a.Kind == Backup, b.Kind == Backup; a != b {
			if a {
				return 1
			}
			return -1
		}
		return cmp.Or(a.Time.Compare(b.Time), a.ID.Compare(b.ID))
	}), nil
}

// ofPhoneOnly keeps the snapshots of one phone. A whole UDID goes before the
// beginning of one, that before a name, and that before its first words.
func ofPhoneOnly(list []Info, phone string) ([]Info, error) {
	if phone == "" {
		return nil, fmt.Errorf("find snapshot %q: say of which phone", latest+":")
	}
	for _, fits := range []func(Info) bool{
		func(i Info) bool { return strings.EqualFold(i.UDID, phone) },
		func(i Info) bool { return len(i.UDID) >= len(phone) && strings.EqualFold(i.UDID[:len(phone)], phone) },
		func(i Info) bool { return i.Name == phone },
		func(i Info) bool { return phonename.Is(i.Name, phone) },
		func(i Info) bool { return phonename.Begins(i.Name, phone) },
	} {
		var found []Info
		udids := map[string]bool{}
		for _, info := range list {
			if info.UDID != "" && fits(info) {
				found = append(found, info)
				udids[info.UDID] = true
			}
		}
		if len(udids) > 1 {
			return nil, fmt.Errorf("find snapshot of %q: it could be one of %d phones: use the UDID", phone, len(udids))
		}
		if len(found) > 0 {
			return found, nil
		}
	}
	return nil, nil
}

// tags are those of a backup.
func tags(m *Meta, more []string) []string {
	list := []string{TagKeepsake, tagUDID + m.UDID}
	if m.Name != "" {
		list = append(list, tagName+m.Name)
	}
	if m.ProductVersion != "" {
		list = append(list, tagIOS+m.ProductVersion)
	}
	if m.Sealed {
		list = append(list, TagSealed)
	}
	for _, tag := range more {
		if !slices.Contains(list, tag) {
			list = append(list, tag)
		}
	}
	return list
}
