package rehearse_test

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/rehearse/receipt"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/snapshot"
	"github.com/keepsake-backup/keepsake/snapshot/importer"
)

// Files of the phone. Those of apps have no digest in the phone's list.
const (
	settings = "AppDomain-com.example.lumora/Library/Preferences/com.example.lumora.plist"
	document = "AppDomain-com.example.lumora/Documents/Alder/fern-0004.cache"
	other    = "AppDomain-com.example.lumora/Documents/Private/sierra-0001.json"
	database = "AppDomainGroup-group.com.apple.VoiceMemos.shared/Recordings/CloudRecordings.db"
	withLog  = "AppDomain-com.example.lumora/Library/Application Support/Model.sqlite"
	messages = "HomeDomain/Library/SMS/sms.db" // has a digest
	link     = "AppDomainGroup-group.com.apple.FileProvider.LocalStorage/File Provider Storage/absolute"
)

func cut(name string) (domain, path string) {
	domain, path, _ = strings.Cut(name, "/")
	return domain, path
}

// damages are planted one at a time.
var damages = []struct {
	name      string
	encrypted bool
	given     secret.BackupPassword // in the rehearsal
	plant     func(*planter)
	names     string // the finding is about
	says      string // and has these words
}{
	// The repository.
	{name: "pack missing", names: document, says: "", plant: func(p *planter) { p.file(p.own(document), func([]byte) []byte { return nil }) }},
	{name: "pack damaged", names: document, plant: func(p *planter) {
		p.file(p.own(document), func(b []byte) []byte { b[20] ^= 1; return b })
	}},
	{name: "pack cut short", names: document, plant: func(p *planter) { p.file(p.own(document), func(b []byte) []byte { return b[:10] }) }},
	{name: "blob missing", names: document, says: "", plant: func(p *planter) {
		p.node(document, func(n *format.Node) { n.Content = []format.ID{{1, 2, 3}} })
	}},
	{name: "folder missing", names: "AppDomain-com.example.lumora/Documents", plant: func(p *planter) {
		p.node("AppDomain-com.example.lumora/Documents", func(n *format.Node) { n.Subtree = &format.ID{4, 5, 6} })
	}},

	// The snapshot's folders.
	{name: "content swapped", names: messages, says: "SHA-1", plant: func(p *planter) {
		data := p.read(messages)
		data[len(data)-1] ^= 1
		p.write(messages, data)
	}},
	{name: "content of another file", names: document, plant: func(p *planter) {
		from := p.find(other)
		p.node(document, func(n *format.Node) { n.Content, n.Size = from.Content, from.Size })
	}},
	{name: "content swapped, encrypted", encrypted: true, names: messages, says: "SHA-1", plant: func(p *planter) {
		data := p.read(messages)
		data[len(data)-1] ^= 1
		p.write(messages, data)
	}},
	{name: "file cut short", names: document, plant: func(p *planter) {
		p.change(document, func(b []byte) []byte { return b[:len(b)-100] })
	}},
	{name: "file empty", names: document, plant: func(p *planter) {
		p.node(document, func(n *format.Node) { n.Content = []format.ID{} })
	}},
	{name: "wrong size of an entry", names: document, plant: func(p *planter) { p.node(document, func(n *format.Node) { n.Size++ }) }},
	{name: "file lost", names: document, plant: func(p *planter) { p.remove(document) }},
	{name: "file that the list lacks", names: "AppDomain-com.example.lumora/Documents/stray", plant: func(p *planter) {
		stray := *p.find(document)
		stray.Name = "stray"
		p.edit("AppDomain-com.example.lumora/Documents", func(nodes []format.Node) []format.Node { return append(nodes, stray) })
	}},
	{name: "wrong mode", names: document, says: "mode", plant: func(p *planter) { p.node(document, func(n *format.Node) { n.Mode = 0o640 }) }},
	{name: "wrong mode of a folder", names: "AppDomain-com.example.lumora/Documents", says: "mode", plant: func(p *planter) {
		p.node("AppDomain-com.example.lumora/Documents", func(n *format.Node) { n.Mode = fs.ModeDir | 0o700 })
	}},
	{name: "wrong time", names: document, says: "time", plant: func(p *planter) {
		p.node(document, func(n *format.Node) { n.ModTime = n.ModTime.Add(time.Second) })
	}},
	{name: "wrong link", names: link, says: "link", plant: func(p *planter) { p.node(link, func(n *format.Node) { n.LinkTarget = "/etc" }) }},
	{name: "database damaged", names: database, says: "database", plant: func(p *planter) {
		p.change(database, func(b []byte) []byte { copy(b[4096:], bytes.Repeat([]byte{0xA5}, 4096)); return b })
	}},
	{name: "database with a log damaged", names: withLog, says: "database", plant: func(p *planter) {
		p.change(withLog, func(b []byte) []byte { copy(b[4096:], bytes.Repeat([]byte{0xA5}, len(b)-4096)); return b })
	}},

	// The phone's list.
	{name: "wrong digest in the list", names: messages, says: "SHA-1", plant: func(p *planter) {
		domain, path := cut(messages)
		p.row(domain, path, func(r *itunesbackup.Record) { r.File.Digest[0] ^= 1 })
	}},
	{name: "wrong mode in the list", names: document, says: "mode", plant: func(p *planter) {
		domain, path := cut(document)
		p.row(domain, path, func(r *itunesbackup.Record) { r.File.Mode ^= 0o022 })
	}},
	{name: "row lost", names: document, plant: func(p *planter) {
		domain, path := cut(document)
		p.sql("DELETE FROM Files WHERE domain = ? AND relativePath = ?", domain, path)
	}},
	{name: "row of a folder lost", names: "AppDomain-com.example.lumora/Documents", plant: func(p *planter) {
		p.sql("DELETE FROM Files WHERE domain = ? AND relativePath = ?", "AppDomain-com.example.lumora", "Documents")
	}},
	{name: "row of a file that is not there", names: "HomeDomain/Library/new", plant: func(p *planter) {
		p.sql("INSERT INTO Files SELECT ?, domain, 'Library/new', flags, file FROM Files WHERE domain = 'HomeDomain' AND relativePath = 'Library/SMS/sms.db'",
			itunesbackup.MakeFileID("HomeDomain", "Library/new").String())
	}},
	{name: "list cut short", names: "Manifest.db", plant: func(p *planter) {
		p.change("_ios/Manifest.db", func(b []byte) []byte { return b[:len(b)/2] })
	}},
	{name: "list of no bytes", names: "Manifest.db", plant: func(p *planter) { p.change("_ios/Manifest.db", func([]byte) []byte { return nil }) }},
	{name: "wrong key of a file", encrypted: true, names: document, plant: func(p *planter) {
		domain, path := cut(document)
		p.row(domain, path, func(r *itunesbackup.Record) { r.File.EncryptionKey[20] ^= 1 })
	}},

	// What lies beside it.
	{name: "wrong version", names: "Manifest.plist", says: "version", plant: func(p *planter) {
		p.list(func(l *itunesbackup.ManifestPlist) { l.Version = "12.0" })
	}},
	{name: "keybag cut short", encrypted: true, names: "Manifest.plist", says: "keybag", plant: func(p *planter) {
		p.list(func(l *itunesbackup.ManifestPlist) { l.BackupKeyBag = l.BackupKeyBag[:len(l.BackupKeyBag)-7] })
	}},
	{name: "keybag of another phone", encrypted: true, given: phonePassword, names: "Manifest.plist", plant: func(p *planter) {
		bag, err := keybag.New(p.Context(), keybag.Options{Encrypted: true, Password: phonePassword, Rounds: 1})
		if err != nil {
			p.Fatal(err)
		}
		p.list(func(l *itunesbackup.ManifestPlist) { l.BackupKeyBag = bag.Marshal() })
	}},
	{name: "damaged key in the keybag", encrypted: true, given: phonePassword, names: "Manifest.plist", says: "class", plant: func(p *planter) {
		p.list(func(l *itunesbackup.ManifestPlist) {
			// Of class 3: the third "WPKY", 8 bytes before its value.
			at := 0
			for range 3 {
				at += bytes.Index(l.BackupKeyBag[at:], []byte("WPKY")) + 8
			}
			l.BackupKeyBag[at+10] ^= 1
		})
	}},
	{name: "wrong class key", encrypted: true, names: "", plant: func(p *planter) { p.meta(wrongKey("class_keys", "3")) }},
	{name: "wrong class key, password known", encrypted: true, given: phonePassword, names: "keepsake.json", says: "class", plant: func(p *planter) {
		p.meta(wrongKey("class_keys", "3"))
	}},
	{name: "wrong key of the list", encrypted: true, given: phonePassword, names: "keepsake.json", says: "Manifest.db", plant: func(p *planter) {
		p.meta(func(m map[string]any) { m["manifest_key"] = base64.StdEncoding.EncodeToString(make([]byte, 32)) })
	}},
	{name: "not finished", names: "Status.plist", says: "finished", plant: func(p *planter) {
		p.change("_ios/Status.plist", func(b []byte) []byte {
			s, err := itunesbackup.ParseStatusPlist(b)
			if err != nil {
				p.Fatal(err)
			}
			s.SnapshotState = itunesbackup.SnapshotUploading
			if b, err = s.Marshal(); err != nil {
				p.Fatal(err)
			}
			return b
		})
	}},
	{name: "Info.plist of another phone", names: "Info.plist", says: "phone", plant: func(p *planter) {
		p.change("_ios/Info.plist", func(b []byte) []byte {
			return bytes.ReplaceAll(b, []byte(p.info.UDID), []byte("00008101-000000000000001E"))
		})
	}},
	{name: "Info.plist of a newer iOS", names: "Info.plist", says: "iOS", plant: func(p *planter) {
		p.change("_ios/Info.plist", func(b []byte) []byte {
			return bytes.Replace(b, []byte("<string>18.6</string>"), []byte("<string>99.1</string>"), 1)
		})
	}},
	{name: "Info.plist lost", names: "Info.plist", says: "missing", plant: func(p *planter) { p.remove("_ios/Info.plist") }},
	{name: "Status.plist lost", names: "Status.plist", says: "missing", plant: func(p *planter) { p.remove("_ios/Status.plist") }},
	{name: "wrong length in the index", names: "", plant: func(p *planter) {
		p.change("_ios/index", func(b []byte) []byte { b[25]++; return b }) // of the first record
	}},
	{name: "wrong time in the index", names: "_ios/index", says: "seconds since 1970", plant: func(p *planter) {
		p.change("_ios/index", func(b []byte) []byte { b[31]++; return b }) // of the first record
	}},
	{name: "wrong time in the index, encrypted", encrypted: true, names: "_ios/index", says: "seconds since 1970", plant: func(p *planter) {
		p.change("_ios/index", func(b []byte) []byte { b[len(b)-9]++; return b }) // of the last record
	}},
	{name: "labelled sealed", names: "", says: "sealed", plant: func(p *planter) {
		p.info.Tags = append(slices.Clone(p.info.Tags), snapshot.TagSealed)
		p.edit("", func(nodes []format.Node) []format.Node { return nodes })
	}},
	{name: "labelled with another iOS", names: "", says: "iOS", plant: func(p *planter) {
		p.info.Tags = slices.DeleteFunc(slices.Clone(p.info.Tags), func(tag string) bool { return strings.HasPrefix(tag, "ios:") })
		p.info.Tags = append(p.info.Tags, "ios:9.1")
		p.edit("", func(nodes []format.Node) []format.Node { return nodes })
	}},
	{name: "wrong counts", names: "keepsake.json", says: "counts", plant: func(p *planter) {
		p.meta(func(m map[string]any) { m["files"] = m["files"].(float64) + 1 })
	}},
	{name: "keepsake.json damaged", names: "keepsake.json", plant: func(p *planter) {
		p.change("_ios/keepsake.json", func(b []byte) []byte { return b[:len(b)/2] })
	}},
	{name: "keepsake.json lost", names: "keepsake.json", plant: func(p *planter) { p.remove("_ios/keepsake.json") }},
}

// wrongKey exchanges a key for another one.
func wrongKey(field, class string) func(map[string]any) {
	return func(m map[string]any) {
		m[field].(map[string]any)[class] = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	}
}

// Each kind of damage is caught, and the file named.
func TestSnapshot_catches(t *testing.T) {
	t.Parallel()
	plain, plainInfo := phoneIn(t, secret.BackupPassword{}, false)
	locked, lockedInfo := phoneIn(t, phonePassword, false)
	for _, test := range damages {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPlanter(t, plain, plainInfo)
			if test.encrypted {
				p = newPlanter(t, locked, lockedInfo)
			}
			test.plant(p)
			caught(t, p, test.given, test.names, test.says)
		})
	}
}

// caught rehearses a damaged snapshot in a session that has not seen it before.
func caught(t *testing.T, p *planter, given secret.BackupPassword, names, says string) {
	t.Helper()
	p.x.Close()
	s := &store{p.s.be, open(t, p.s.be)}
	res, err := s.rehearse(t, p.info, given)
	if err != nil {
		t.Fatal(err)
	}
	if res.Passed || len(res.Failures()) == 0 {
		t.Fatalf("passed: %+v", res.Receipt)
	}
	named := false
	for _, f := range res.Failures() {
		named = named || f.Path == names && strings.Contains(f.Text, says)
	}
	if !named {
		t.Errorf("%q %q is not among %q", names, says, res.Failures())
	}
	list, err := receipt.Receipts(t.Context(), s.begin(t))
	if got := list[p.info.ID]; err != nil || len(got) != 1 || got[0].Passed {
		t.Errorf("receipts: %+v, %v", got, err)
	}
}

// A file whose name is too long for a folder is an exception: it comes back all
// the same, and its loss is noticed.
func TestSnapshot_exceptions(t *testing.T) {
	t.Parallel()
	if err := makeFolders(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "folder")
	if err := os.CopyFS(dir, os.DirFS(folderOf(secret.BackupPassword{}))); err != nil {
		t.Fatal(err)
	}
	at := onlyFolder(t, dir)
	long := "Documents/" + strings.Repeat("n", 300)
	m, err := itunesbackup.EditManifest(t.Context(), filepath.Join(at, "Manifest.db"))
	if err != nil {
		t.Fatal(err)
	}
	domain, path := cut(document)
	row, ok, err := m.Find(t.Context(), domain, path)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	stored, err := os.ReadFile(filepath.Join(at, row.ID.Path()))
	if err != nil {
		t.Fatal(err)
	}
	row.ID, row.RelativePath = itunesbackup.MakeFileID(domain, long), long
	row.File.Size += int64(len("more"))
	if err := m.Put(t.Context(), []itunesbackup.Record{row}); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(at, row.ID.Shard()), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(at, row.ID.Path()), append(stored, "more"...), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	imported, err := importer.Folder(t.Context(), s.begin(t), dir, importer.Options{}, silent{})
	if err != nil || imported.Backups[0].Err != nil {
		t.Fatal(err, imported)
	}
	info := imported.Backups[0].Snapshot
	p, err := snapshot.Open(t.Context(), s.begin(t), info.Snapshot)
	if err != nil || len(p.Meta().Exceptions) != 1 {
		t.Fatalf("%v, %+v", err, p)
	}
	res, err := s.rehearse(t, info, secret.BackupPassword{})
	if err != nil || !res.Passed || len(res.Findings) > 0 {
		t.Fatalf("%v: %+v", err, res)
	}
	t.Run("lost", func(t *testing.T) {
		p := newPlanter(t, s, info)
		p.remove("_ios/exceptions/" + row.ID.Path())
		caught(t, p, secret.BackupPassword{}, domain+"/"+long, "")
	})
	t.Run("all lost", func(t *testing.T) {
		p := newPlanter(t, s, info)
		p.remove("_ios/exceptions")
		caught(t, p, secret.BackupPassword{}, domain+"/"+long, "")
	})
	t.Run("another", func(t *testing.T) {
		p := newPlanter(t, s, info)
		p.change("_ios/exceptions/"+row.ID.Path(), func(b []byte) []byte { return b[1:] })
		caught(t, p, secret.BackupPassword{}, domain+"/"+long, "")
	})
}

// A file of another length than the phone noted comes back as it was sent; that is
// worth a word and no failure (backup-format.md 1.7).
func TestSnapshot_anotherLength(t *testing.T) {
	t.Parallel()
	s, info := phoneIn(t, secret.BackupPassword{}, false)
	p := newPlanter(t, s, info)
	for _, name := range []string{document, database, withLog} {
		domain, path := cut(name)
		p.row(domain, path, func(r *itunesbackup.Record) { r.File.Size += 3 })
	}
	res, err := p.s.rehearse(t, p.info, secret.BackupPassword{})
	if err != nil || !res.Passed || len(res.Findings) != 1 || res.Warnings()[0].Path != document {
		t.Fatalf("%v: %+v", err, res.Findings)
	}
}

func onlyFolder(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*", "Manifest.db"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	return filepath.Dir(names[0])
}
