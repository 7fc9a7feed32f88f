package contents

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image/png"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/contents/picture"
)

const iconState = "Library/SpringBoard/IconState.plist"

// home writes what the owner did to HomeDomain, apart from the settings and
// what appdata writes.
func (t *tree) home(p plan, r release, apps []App) {
	const home = "HomeDomain"
	t.plist(home, iconState, homeScreen(apps))
	t.plist(home, "Library/SpringBoard/TodayViewArchive.plist", t.setting("today"))
	t.noise(home, "Library/SpringBoard/PushStore/com.example.lumora.pushstore", 900)
	t.wallpapers(r)
	t.database(home, "Library/Accounts/Accounts3.sqlite", func(db *database) {
		db.accounts(t.chance("accounts"), []string{"mira.lindqvist@example.org", "mira@example.net"})
	})
	t.database(home, "Library/TCC/TCC.db", func(db *database) { db.permissions(apps, t.now) })
	t.database(home, "Library/CoreDuet/People/interactionC.db", func(db *database) { db.interactions(t) })
	t.database(home, "Library/Application Support/com.apple.remotemanagementd/RMAdminStore-Local.sqlite", func(db *database) {
		db.records("ZUSAGETIMEDITEM", t.chance("usage"), 40)
	})
	t.passes(p.words)
	t.cookies(home, "Library/Cookies/Cookies.binarycookies")
	t.plist(home, "Library/Mail/Accounts.plist", t.setting("mail"))
	t.noise(home, "Library/Mail/Envelope Index", 3000) // never backed up
	t.noise(home, "Library/Caches/com.apple.keyboards/images/1", 2000)
	t.plist(home, "Library/DataAccess/AccountInformation.plist", t.setting("dataaccess"))
	t.plist(home, "Library/ConfigurationProfiles/ProfileTruth.plist", t.setting("profiles"))
	t.plist(home, "Library/Accessibility/com.apple.accessibility.plist", t.setting("accessibility"))
	t.plist(home, "Library/UserConfigurationProfiles/UserSettings.plist", t.setting("usersettings"))
	t.plist(home, "Library/DoNotDisturb/DB/ModeConfigurations.plist", t.setting("focus"))
	t.plist(home, "Library/com.apple.itunesstored/itunesstored_private.plist", t.setting("store"))
	t.noise(home, "Library/Avatar/stickers.bin", 1500)
	t.file(home, "Library/Fonts/empty.marker", nil)
	t.folder(home, "Library/Recents")
	t.link(home, "Library/Mobile Documents/com~apple~CloudDocs/Latest", "../../Preferences/com.apple.bird.plist")
	t.link(home, "Library/Mobile Documents/com~apple~CloudDocs/Gone", "../nowhere/to be found.txt")
	for i := range p.words {
		t.webClip(i)
		t.plist(home, fmt.Sprintf("Library/UserNotifications/com.example.app%02d/DeliveredNotifications.plist", i), t.setting(fmt.Sprint("notification", i)))
		t.database(home, fmt.Sprintf("Library/Shortcuts/Part%02d.sqlite", i), func(db *database) {
			db.records("ZSHORTCUT", t.chance("shortcut", fmt.Sprint(i)), 12)
		})
	}
}

// homeScreen builds IconState.plist: the dock and pages of 24, a folder on the
// first.
func homeScreen(apps []App) map[string]any {
	page := []any{"com.apple.mobilecal", "com.apple.mobileslideshow", "com.apple.camera", "com.apple.Maps", "com.apple.Preferences",
		map[string]any{"displayName": "Tools", "listType": "folder", "iconLists": []any{[]any{"com.apple.calculator", "com.apple.compass", "com.apple.VoiceMemos"}}}}
	var pages []any
	for _, a := range apps {
		if a.System {
			continue
		}
		if page = append(page, a.BundleID); len(page) == 24 {
			pages, page = append(pages, page), nil
		}
	}
	if len(page) > 0 {
		pages = append(pages, page)
	}
	return map[string]any{
		"buttonBar": []any{"com.apple.mobilephone", "com.apple.mobilesafari", "com.apple.MobileSMS", "com.apple.Music"},
		"iconLists": pages, "listUniqueIdentifiers": []any{}, "metadata": map[string]any{},
	}
}

// wallpapers lie in a container since iOS 16, before that as raw pixels.
func (t *tree) wallpapers(r release) {
	c := t.chance("wallpaper")
	img := picture.Draw(c.Rand, 180, 390)
	data, err := picture.JPEG(img, picture.Facts{Taken: t.now, Model: one(c, cameras)}, 90<<10, c.noise)
	if t.fail("draw", "", "wallpaper", err) {
		return
	}
	t.file("HomeDomain", "Library/SpringBoard/LockBackgroundThumbnail.jpg", data[:min(len(data), 1<<20)])
	if r.atLeast(16, 0) {
		base := "Library/Application Support/PRBPosterExtensionDataStore/61/Extensions/com.apple.PhotosUIPrivate.PhotosPosterProvider/configurations/" + c.uuid()
		t.file(appData+"com.apple.PosterBoard", base+"/versions/1/contents/"+c.uuid()+"/output.layerStack/portrait-layer_background.JPG", data)
		t.plist(appData+"com.apple.PosterBoard", base+"/versions/1/contents/configuration.plist", t.setting("poster"))
		return
	}
	// BGRA rows, then width and height, little-endian, in the trailer.
	raw := make([]byte, 0, len(img.Pix)+24)
	for i := 0; i < len(img.Pix); i += 4 {
		raw = append(raw, img.Pix[i+2], img.Pix[i+1], img.Pix[i], 255)
	}
	for _, v := range []uint32{1, 180, 390, 0, 0, 1} {
		raw = binary.LittleEndian.AppendUint32(raw, v)
	}
	t.file("HomeDomain", "Library/SpringBoard/LockBackground.cpbitmap", raw)
	t.file("HomeDomain", "Library/SpringBoard/HomeBackground.cpbitmap", raw)
}

// accounts makes Accounts3.sqlite (content-schemas.md 13).
func (db *database) accounts(c *chance, users []string) {
	db.coreData(c.uuid(), nil, []entity{{1, "AccessOptionsKey", 0}, {2, "Account", 0}, {3, "AccountProperty", 0}, {4, "AccountType", 0}})
	db.exec(`CREATE TABLE ZACCOUNTTYPE (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZENCRYPTIONKEY INTEGER, ZSUPPORTSAUTHENTICATION INTEGER,
			ZVISIBILITY INTEGER, ZACCOUNTTYPEDESCRIPTION VARCHAR, ZCREDENTIALPROTECTIONPOLICY VARCHAR, ZCREDENTIALTYPE VARCHAR, ZIDENTIFIER VARCHAR, ZOWNINGBUNDLEID VARCHAR);
		CREATE TABLE ZACCOUNT (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZACTIVE INTEGER, ZAUTHENTICATED INTEGER, ZSUPPORTSAUTHENTICATION INTEGER,
			ZVISIBLE INTEGER, ZACCOUNTTYPE INTEGER, ZPARENTACCOUNT INTEGER, ZDATE TIMESTAMP, ZLASTCREDENTIALRENEWALREJECTIONDATE TIMESTAMP, ZACCOUNTDESCRIPTION VARCHAR,
			ZAUTHENTICATIONTYPE VARCHAR, ZCREDENTIALTYPE VARCHAR, ZIDENTIFIER VARCHAR, ZOWNINGBUNDLEID VARCHAR, ZUSERNAME VARCHAR, ZDATACLASSPROPERTIES BLOB);
		CREATE TABLE ZACCOUNTPROPERTY (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZOWNER INTEGER, ZKEY VARCHAR, ZVALUE BLOB)`)
	for i, kind := range []string{"com.apple.account.AppleAccount", "com.apple.account.IMAP", "com.apple.account.CalDAV", "com.apple.account.HolidayCalendar"} {
		db.insert("ZACCOUNTTYPE", cols{"Z_PK", i + 1, "Z_ENT", 4, "Z_OPT", 1, "ZACCOUNTTYPEDESCRIPTION", strings.TrimPrefix(kind, "com.apple.account."),
			"ZIDENTIFIER", kind, "ZVISIBILITY", 0, "ZSUPPORTSAUTHENTICATION", 1})
	}
	for i, user := range users {
		db.insert("ZACCOUNT", cols{"Z_PK", i + 1, "Z_ENT", 2, "Z_OPT", 3, "ZACTIVE", 1, "ZAUTHENTICATED", 1, "ZVISIBLE", 1, "ZACCOUNTTYPE", i + 1,
			"ZDATE", float64(600_000_000 + c.IntN(100_000_000)), "ZACCOUNTDESCRIPTION", "Account " + fmt.Sprint(i+1), "ZIDENTIFIER", c.uuid(), "ZUSERNAME", user})
	}
	db.countRows("ZACCOUNT", "Account")
	db.countRows("ZACCOUNTTYPE", "AccountType")
}

// permissions makes TCC.db: what apps may see (content-schemas.md 13).
func (db *database) permissions(apps []App, now time.Time) {
	db.exec(`CREATE TABLE admin (key TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL);
		CREATE TABLE access (service TEXT NOT NULL, client TEXT NOT NULL, client_type INTEGER NOT NULL, auth_value INTEGER NOT NULL, auth_reason INTEGER NOT NULL,
			auth_version INTEGER NOT NULL, csreq BLOB, policy_id INTEGER, indirect_object_identifier_type INTEGER, indirect_object_identifier TEXT NOT NULL DEFAULT 'UNUSED',
			indirect_object_code_identity BLOB, flags INTEGER, last_modified INTEGER NOT NULL DEFAULT 0, pid INTEGER, pid_version INTEGER, boot_uuid TEXT NOT NULL DEFAULT 'UNUSED',
			last_reminded INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (service, client, client_type, indirect_object_identifier));
		INSERT INTO admin VALUES ('version', 24)`)
	for i, a := range apps {
		for k, service := range []string{"kTCCServicePhotos", "kTCCServiceCamera", "kTCCServiceMicrophone", "kTCCServiceAddressBook"} {
			if a.System || (i+k)%3 == 0 {
				continue
			}
			db.insert("access", cols{"service", service, "client", a.BundleID, "client_type", 0, "auth_value", []int{0, 2, 3}[(i+k)%3], "auth_reason", 2,
				"auth_version", 1, "flags", 0, "last_modified", now.Unix() - int64(86400*(i+1))})
		}
	}
}

// interactions makes interactionC.db, in encrypted backups only.
func (db *database) interactions(t *tree) {
	c := t.chance("interactions")
	db.coreData(c.uuid(), nil, []entity{{2, "Contacts", 0}, {9, "Interactions", 0}})
	db.exec(`CREATE TABLE ZCONTACTS (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZTYPE INTEGER, ZFIRSTINCOMINGSENDERDATE TIMESTAMP, ZDISPLAYNAME VARCHAR, ZIDENTIFIER VARCHAR);
		CREATE TABLE ZINTERACTIONS (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZDIRECTION INTEGER, ZMECHANISM INTEGER, ZSENDER INTEGER, ZSTARTDATE TIMESTAMP,
			ZENDDATE TIMESTAMP, ZBUNDLEID VARCHAR, ZUUID VARCHAR)`)
	for i := range 5 {
		db.insert("ZCONTACTS", cols{"Z_PK", i + 1, "Z_ENT", 2, "Z_OPT", 1, "ZTYPE", 2, "ZDISPLAYNAME", title(one(c, nouns)), "ZIDENTIFIER", fmt.Sprintf("+49451555%04d", c.IntN(10000))})
	}
	for i := range 30 {
		at := cocoa(t.now) - float64(i*7200)
		db.insert("ZINTERACTIONS", cols{"Z_PK", i + 1, "Z_ENT", 9, "Z_OPT", 1, "ZDIRECTION", i % 2, "ZMECHANISM", 4, "ZSENDER", 1 + i%5, "ZSTARTDATE", at, "ZENDDATE", at,
			"ZBUNDLEID", "com.apple.MobileSMS", "ZUUID", c.uuid()})
	}
	db.countRows("ZINTERACTIONS", "Interactions")
}

// records makes a Core Data table of things that only their app understands.
func (db *database) records(table string, c *chance, n int) {
	db.coreData(c.uuid(), nil, []entity{{1, title(strings.ToLower(table[1:])), 0}})
	db.exec("CREATE TABLE " + table + " (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZDATE TIMESTAMP, ZTITLE VARCHAR, ZIDENTIFIER VARCHAR, ZDATA BLOB)")
	db.addRecords(table, c, n)
}

func (db *database) addRecords(table string, c *chance, n int) {
	for range n {
		db.insert(table, cols{"Z_ENT", 1, "Z_OPT", 1, "ZDATE", float64(650_000_000 + c.IntN(100_000_000)), "ZTITLE", one(c, phrases), "ZIDENTIFIER", c.uuid(),
			"ZDATA", c.bytes(c.between(16, 400))})
	}
	db.countRows(table, title(strings.ToLower(table[1:])))
}

// passes writes Wallet passes as the folders they are.
func (t *tree) passes(n int) {
	const home = "HomeDomain"
	t.database(home, "Library/Passes/passes23.sqlite", func(db *database) {
		db.exec(`CREATE TABLE pass (pid INTEGER PRIMARY KEY, unique_id TEXT, type_id TEXT, organization_name TEXT, ingested_date REAL);`)
		for i := range n {
			db.insert("pass", cols{"pid", i + 1, "unique_id", passID(i), "type_id", "pass.example.transit", "organization_name", "Example Transit", "ingested_date", cocoa(t.now) - float64(i*86400)})
		}
	})
	for i := range n {
		c := t.chance("pass", fmt.Sprint(i))
		body, err := json.Marshal(map[string]any{"formatVersion": 1, "passTypeIdentifier": "pass.example.transit", "serialNumber": passID(i),
			"organizationName": "Example Transit", "description": one(c, phrases)})
		if t.fail("encode", home, "pass.json", err) {
			return
		}
		base := "Library/Passes/Cards/" + passID(i) + ".pkpass/"
		t.file(home, base+"pass.json", body)
		t.file(home, base+"icon.png", t.icon(c, 29))
		t.file(home, base+"logo.png", t.icon(c, 50))
		t.file(home, base+"manifest.json", []byte("{}"))
	}
}

func passID(n int) string { return fmt.Sprintf("kZ%06dexample=", n*7919%1_000_000) }

// icon draws a small PNG.
func (t *tree) icon(c *chance, size int) []byte {
	var b bytes.Buffer
	t.fail("draw", "", "icon", png.Encode(&b, picture.Icon(c.Rand, size)))
	return b.Bytes()
}

func (t *tree) webClip(n int) {
	c := t.chance("webclip", fmt.Sprint(n))
	base := "Library/WebClips/" + c.uuid() + ".webclip/"
	t.plist("HomeDomain", base+"Info.plist", map[string]any{"Title": title(one(c, nouns)), "URL": "https://" + one(c, nouns) + ".example/", "FullScreen": true})
	t.file("HomeDomain", base+"icon.png", t.icon(c, 60))
}

// cookies writes a Cookies.binarycookies without a cookie:
//
//	"cook", u32 pages, page lengths, pages, checksum
//	page: 00000100, u32 LE cookies, u32 LE 0
func (t *tree) cookies(domain, rel string) {
	page := []byte{0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	b := append([]byte("cook\x00\x00\x00\x01\x00\x00\x00\x0c"), page...)
	t.file(domain, rel, append(b, 0, 0, 0, 1, 7, 23, 32, 5))
}
