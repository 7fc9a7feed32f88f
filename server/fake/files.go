package fake

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/server"
	"github.com/keepsake-backup/keepsake/service"
)

// tree is what every version of the household holds: files by folder.
var tree = sync.OnceValue(func() map[string][]service.Entry {
	t := map[string][]service.Entry{}
	at := time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)
	file := func(p string, size int64) { addFile(t, p, size, at.Add(time.Duration(size%9000)*time.Hour)) }
	for i := range 1240 {
		file(fmt.Sprintf("CameraRollDomain/Media/DCIM/%dAPPLE/IMG_%04d.HEIC", 100+i/1000, i+1), 1_600_000+int64(i*7919%900_000))
	}
	for i := range 40 {
		file(fmt.Sprintf("CameraRollDomain/Media/DCIM/100APPLE/IMG_%04d.MOV", 2000+i), 42_000_000+int64(i*1_000_003))
	}
	for i := range 9 {
		file(fmt.Sprintf("MediaDomain/Media/Recordings/2026%02d12 1830%02d.m4a", i+1, i), 2_400_000+int64(i)*90_000)
	}
	for p, size := range map[string]int64{
		"HomeDomain/Library/SMS/sms.db":                                                                     184 * mib,
		"HomeDomain/Library/AddressBook/AddressBook.sqlitedb":                                               3 * mib,
		"HomeDomain/Library/Calendar/Calendar.sqlitedb":                                                     6 * mib,
		"HomeDomain/Library/CallHistoryDB/CallHistory.storedata":                                            2 * mib,
		"HomeDomain/Library/Safari/Bookmarks.db":                                                            812_000,
		"AppDomainGroup-group.com.apple.notes/NoteStore.sqlite":                                             24 * mib,
		"AppDomainGroup-group.net.whatsapp.WhatsApp.shared/ChatStorage.sqlite":                              311 * mib,
		"AppDomainGroup-group.net.whatsapp.WhatsApp.shared/Message/Media/49170@s/clip <weekend> & cake.mp4": 18 * mib,
		"AppDomain-org.mozilla.ios.Firefox/Documents/profile.profile/places.db":                             9 * mib,
		"AppDomain-com.example.recipes/Documents/Lentil soup.json":                                          4_812,
		"AppDomain-com.example.recipes/Documents/Grandmother’s plum cake.json":                              6_031,
		"AppDomain-com.example.recipes/Documents/100% rye?.json":                                            2_990,
		"KeychainDomain/keychain-backup.plist":                                                              412_000,
		"WirelessDomain/Library/Preferences/com.apple.commcenter.plist":                                     22_000,
	} {
		file(p, size)
	}
	for _, names := range t {
		slices.SortFunc(names, func(a, b service.Entry) int { return strings.Compare(a.Path, b.Path) })
	}
	return t
})

// names of what stands at the top, as people know it.
var names = map[string][2]string{ // name, bundle ID
	"CameraRollDomain":                     {"Photos and videos", ""},
	"MediaDomain":                          {"Voice memos and attachments", ""},
	"HomeDomain":                           {"Messages, contacts, calls, calendars", ""},
	"AppDomainGroup-group.com.apple.notes": {"Notes", "com.apple.mobilenotes"},
	"AppDomainGroup-group.net.whatsapp.WhatsApp.shared": {"WhatsApp", "net.whatsapp.WhatsApp"},
	"AppDomain-org.mozilla.ios.Firefox":                 {"Firefox", "org.mozilla.ios.Firefox"},
	"AppDomain-com.example.recipes":                     {"Recipes", "com.example.recipes"},
	"KeychainDomain":                                    {"Passwords (locked by the phone)", ""},
	"WirelessDomain":                                    {"Mobile network", ""},
}

// addFile adds the file at p and all folders above it, whose sizes grow by it.
func addFile(t map[string][]service.Entry, p string, size int64, at time.Time) {
	t[path.Dir(p)] = append(t[path.Dir(p)], service.Entry{Path: p, Name: path.Base(p), Size: size, ModTime: at})
	for d := path.Dir(p); d != "."; d = path.Dir(d) {
		up := path.Dir(d)
		if up == "." {
			up = ""
		}
		i := slices.IndexFunc(t[up], func(e service.Entry) bool { return e.Path == d })
		if i < 0 {
			e := service.Entry{Path: d, Name: path.Base(d), Dir: true}
			if up == "" && names[d][0] != "" {
				e.Name, e.App = names[d][0], names[d][1]
			}
			t[up] = append(t[up], e)
			i = len(t[up]) - 1
		}
		t[up][i].Size += size
		t[up][i].ModTime = at
	}
}

func (h *Household) version(who service.Who, udid, id string) (service.Version, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p, err := h.open(who, udid)
	if err != nil {
		return service.Version{}, err
	}
	i := slices.IndexFunc(p.versions, func(v service.Version) bool { return v.ID == id })
	if i < 0 {
		return service.Version{}, fs.ErrNotExist
	}
	if v := p.versions[i]; v.Sealed {
		return v, &hintError{"this version is sealed", "It was stored as the phone encrypted it. Type its backup password on the phone’s page, under “Encrypt backup”, to look inside."}
	}
	return p.versions[i], nil
}

// List implements server.Browser.
func (h *Household) List(_ context.Context, who service.Who, udid, version, dir, after string, limit int) (service.Listing, error) {
	v, err := h.version(who, udid, version)
	if err != nil {
		return service.Listing{Version: v}, err
	}
	all, ok := tree()[dir]
	if !ok {
		return service.Listing{}, fs.ErrNotExist
	}
	return cut(service.Listing{Version: v, Path: dir}, all, after, limit), nil
}

// Search implements server.Browser.
func (h *Household) Search(_ context.Context, who service.Who, udid, version, text, after string, limit int) (service.Listing, error) {
	v, err := h.version(who, udid, version)
	if err != nil {
		return service.Listing{Version: v}, err
	}
	var found []service.Entry
	for _, all := range tree() {
		for _, e := range all {
			if strings.Contains(strings.ToLower(e.Name), strings.ToLower(text)) {
				found = append(found, e)
			}
		}
	}
	slices.SortFunc(found, func(a, b service.Entry) int { return strings.Compare(a.Path, b.Path) })
	return cut(service.Listing{Version: v}, found, after, limit), nil
}

// cut takes limit entries of all that follow after.
func cut(l service.Listing, all []service.Entry, after string, limit int) service.Listing {
	for _, e := range all {
		if after != "" && e.Path <= after {
			continue
		}
		if len(l.Entries) == limit {
			l.Next = l.Entries[limit-1].Path
			break
		}
		l.Entries = append(l.Entries, e)
	}
	return l
}

// Open implements server.Browser. The files hold their own path, many times over.
func (h *Household) Open(_ context.Context, who service.Who, udid, version, p string) (server.File, error) {
	if _, err := h.version(who, udid, version); err != nil {
		return nil, err
	}
	for _, e := range tree()[path.Dir(p)] {
		if e.Path == p && !e.Dir {
			n := int(min(e.Size, mib))
			e.Size = int64(n)
			return &file{bytes.NewReader(bytes.Repeat([]byte(p+"\n"), n/(len(p)+1)+1)[:n]), e}, nil
		}
	}
	return nil, fs.ErrNotExist
}

type file struct {
	*bytes.Reader
	e service.Entry
}

func (f *file) Close() error               { return nil }
func (f *file) Stat() (fs.FileInfo, error) { return info{f.e}, nil }

type info struct{ e service.Entry }

func (i info) Name() string       { return i.e.Name }
func (i info) Size() int64        { return i.e.Size }
func (i info) Mode() fs.FileMode  { return 0o400 }
func (i info) ModTime() time.Time { return i.e.ModTime }
func (i info) IsDir() bool        { return false }
func (i info) Sys() any           { return nil }
