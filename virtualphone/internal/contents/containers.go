package contents

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/contents/picture"
)

// containers writes the containers of all apps, groups and extensions, and
// gives the list of installed apps.
func (t *tree) containers(p plan) []App {
	apps := systemApps()
	for _, a := range apps[:p.systemApps] {
		t.smallContainer(appData+a.BundleID, a.BundleID)
	}
	for i := range p.plugins {
		id := "com.apple." + nouns[i%len(nouns)] + []string{"UI", "Widget", "Intents", "Share", "Notify"}[i/len(nouns)%5] + ".extension" + strings.Repeat("x", i/(5*len(nouns)))
		t.smallContainer(appPlugin+id, id)
	}
	apps = append(apps, t.messenger())
	for i := range p.apps {
		a := t.storeApp(i)
		t.appFiles(a, p)
		apps = append(apps, a)
	}
	t.oddFiles()
	return apps
}

// smallContainer writes what most containers are: two folders and a property list.
func (t *tree) smallContainer(domain, id string) {
	t.plist(domain, preferences+id+".plist", t.setting(domain))
	t.folder(domain, "tmp")
	if t.chance("container", domain).in(3) {
		t.folder(domain, "Documents")
		t.noise(domain, "Library/Caches/"+id+"/fsCachedData", 300) // never backed up
	}
}

// appFiles writes the container of a store app, its groups and extensions.
func (t *tree) appFiles(a App, p plan) {
	domain := appData + a.BundleID
	c := t.chance("files", a.BundleID)
	t.smallContainer(domain, a.BundleID)
	t.cookies(domain, "Library/Cookies/Cookies.binarycookies")
	t.noise(domain, "Library/Caches/Cache.db", p.fileSize)
	t.noise(domain, "Library/Saved Application State/"+a.BundleID+".savedState/data.data", 400)
	t.plist(domain, "Library/SyncedPreferences/"+a.BundleID+".plist", t.setting("synced "+a.BundleID))
	t.noise(domain, "tmp/upload.part", 500)
	t.folder(domain, "Documents/Inbox")
	t.file(domain, "Documents/.keep", nil)
	table := "Z" + strings.ToUpper(one(c, nouns))
	t.liveDatabase(domain, "Library/Application Support/Model.sqlite",
		func(db *database) { db.records(table, c, 20) },
		func(db *database) { db.addRecords(table, c, 3) })
	for i := range c.between(p.appFiles*2/5, p.appFiles*8/5) {
		t.appFile(domain, a.BundleID, i, p.fileSize)
	}
	for i, g := range a.Groups {
		t.smallContainer(appGroup+g, g)
		t.appFile(appGroup+g, g, i, p.fileSize)
		t.link(appGroup+g, "Library/current", "Preferences/"+g+".plist")
	}
	for _, id := range a.Plugins {
		t.smallContainer(appPlugin+id, id)
	}
}

// appFile writes file number n of an app: text, pictures, data, in folders of a
// few dozen. The folder "Private" holds what the owner wrote.
func (t *tree) appFile(domain, id string, n, size int) {
	c := t.chance("appfile", domain, fmt.Sprint(n))
	size = c.between(size/4, size*7/4)
	folder := []string{"Documents/" + title(nouns[n/40%len(nouns)]), "Documents/Private", "Library/Application Support/" + id + "/store/" + fmt.Sprintf("%02x", c.IntN(1+n/16)),
		"Library/WebKit/WebsiteData/LocalStorage"}[n%4]
	name := fmt.Sprintf("%s-%04d", one(c, nouns), n)
	switch c.IntN(8) {
	case 0:
		t.plist(domain, path.Join(folder, name+".plist"), t.setting(domain+name))
	case 1:
		t.file(domain, path.Join(folder, name+".txt"), prose(c, size))
	case 2:
		body, err := json.Marshal(map[string]any{"id": c.uuid(), "text": one(c, phrases), "blob": c.bytes(size * 3 / 4)})
		t.fail("encode", domain, name, err)
		t.file(domain, path.Join(folder, name+".json"), body)
	case 3:
		data, err := picture.PNG(picture.Icon(c.Rand, 40), size, c.noise)
		t.fail("draw", domain, name, err)
		t.file(domain, path.Join(folder, name+".png"), data)
	case 4:
		t.file(domain, path.Join(folder, name+".empty"), nil)
	default:
		t.file(domain, path.Join(folder, name+one(c, []string{".dat", ".bin", ".cache", ".localstorage", ""})), c.bytes(size))
	}
}

// prose writes about size bytes of lines.
func prose(c *chance, size int) []byte {
	var b bytes.Buffer
	for b.Len() < size {
		fmt.Fprintf(&b, "%s, %s %s.\n", one(c, phrases), one(c, nouns), one(c, nouns))
	}
	return b.Bytes()
}

// oddFiles writes names, links and emptiness that tools have stumbled over,
// into the container of the Files app.
func (t *tree) oddFiles() {
	const domain = appGroup + "group.com.apple.FileProvider.LocalStorage"
	const base = "File Provider Storage/"
	for i, name := range oddNames {
		t.file(domain, base+name, fmt.Appendf(nil, "odd name %d\n", i))
	}
	t.file(domain, base+"Ünïcode folder 📁/deep/er/and deeper/still/file.txt", []byte("deep\n"))
	t.file(domain, base+"empty.bin", nil)
	t.folder(domain, base+"Empty folder")
	t.folder(domain, base+"Nested/empty/folders")
	t.link(domain, base+"to empty.lnk", "empty.bin")
	t.link(domain, base+"to folder", "Empty folder")
	t.link(domain, base+"dangling 🔗", "../does/not exist")
	t.link(domain, base+"absolute", "/var/mobile/Library/Preferences")
}
