package appdata

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// TestStores asks each database for what readers stumble over; every query
// must answer 1.
func TestStores(t *testing.T) {
	dir := sharedPhone(t, "18.5")
	reminders := ""
	for _, rel := range databases(t, dir) {
		if strings.Contains(rel, "Stores/Data-") && !strings.HasSuffix(rel, "local.sqlite") {
			reminders = rel
		}
	}
	for _, c := range []struct {
		rel     string
		queries map[string]string
	}{
		{"HomeDomain/" + addressBook, map[string]string{
			"a birthday without a year":     "SELECT count(*)>0 FROM ABPerson WHERE CAST(Birthday AS REAL) BETWEEN -12600000000 AND -12400000000",
			"two cards of one person":       "SELECT count(*)=2 AND count(DISTINCT StoreID)=2 AND sum(IsPreferredName)=1 FROM ABPerson WHERE PersonLink=1",
			"three cards, one from another": "SELECT count(*)=1 FROM ABPersonLink l WHERE PreferredNamePersonID<>PreferredImagePersonID AND (SELECT count(*) FROM ABPerson WHERE PersonLink=l.ROWID)=3",
			"half of a link":                "SELECT count(*)=1 FROM ABPerson WHERE PersonLink>=0 AND PersonLink NOT IN (SELECT ROWID FROM ABPersonLink)",
			"a card without a name":         "SELECT count(*)=1 FROM ABPerson WHERE coalesce(First, Last, Organization, Nickname) IS NULL",
			"an organisation":               "SELECT count(*)>0 FROM ABPerson WHERE Kind=1 AND First IS NULL AND Organization IS NOT NULL",
			"the owner's card":              "SELECT count(*)=1 FROM ABPerson p JOIN ABStore s ON s.MeIdentifier=p.ROWID AND s.ROWID=p.StoreID",
			"labels by implicit rowid":      "SELECT count(*)=0 FROM ABMultiValue WHERE label NOT IN (SELECT rowid FROM ABMultiValueLabel)",
			"a label of one's own":          "SELECT count(*)>0 FROM ABMultiValueLabel WHERE value NOT LIKE '\\_$!<%' ESCAPE '\\'",
			"an address in parts":           "SELECT count(*)>0 FROM ABMultiValue v JOIN ABMultiValueEntry e ON e.parent_id=v.UID JOIN ABMultiValueEntryKey k ON k.rowid=e.key WHERE v.property=5 AND v.value IS NULL AND k.value='Street'",
			"a group in a group":            "SELECT count(*)=1 FROM ABGroupMembers WHERE member_type=1",
			"last four digits":              "SELECT count(*)=0 FROM ABMultiValue v LEFT JOIN ABPhoneLastFour l ON l.multivalue_id=v.UID WHERE v.property=3 AND v.value NOT LIKE '%'||coalesce(l.value,'?')",
			"the index nobody else reads":   "SELECT count(*)=1 FROM sqlite_master WHERE name='ABPersonFullTextSearch' AND sql LIKE '%ab_cf_tokenizer%'",
			"guids are those of the phone":  "SELECT count(*)=count(DISTINCT guid) FROM ABPerson",
			"only reserved numbers":         "SELECT count(*)=0 FROM ABMultiValue WHERE property=3 AND replace(replace(value,' ',''),'-','') NOT LIKE '%55501__' AND value NOT LIKE '+447700900%'",
			"only example mail":             "SELECT count(*)=0 FROM ABMultiValue WHERE property=4 AND value NOT LIKE '%@example.com' AND value NOT LIKE '%@example.org'",
			"a social profile or messenger": "SELECT count(*)>0 FROM ABMultiValue WHERE property IN (13, 46)",
		}},
		{"HomeDomain/" + callHistory, map[string]string{
			"all kinds of call":   "SELECT count(DISTINCT ZCALLTYPE)=4 FROM ZCALLRECORD",
			"an address as bytes": "SELECT count(*)=1 FROM ZCALLRECORD WHERE typeof(ZADDRESS)='blob'",
			"a blocked call":      "SELECT count(*)=1 FROM ZCALLRECORD WHERE ZBLOCKEDBYEXTENSION IS NOT NULL AND ZANSWERED=0",
			"a withheld number":   "SELECT count(*)>0 FROM ZCALLRECORD WHERE ZADDRESS IS NULL",
			"missed calls":        "SELECT count(*)>0 FROM ZCALLRECORD WHERE ZORIGINATED=0 AND ZANSWERED=0 AND ZDURATION=0",
			"participants' table": "SELECT count(*)=1 FROM sqlite_master m JOIN Z_PRIMARYKEY k ON k.Z_NAME='CallRecord' AND m.name='Z_'||k.Z_ENT||'REMOTEPARTICIPANTHANDLES'",
		}},
		{"HomeDomain/" + voicemailDir + "voicemail.db", map[string]string{
			"one in the trash":   "SELECT count(*)=1 FROM voicemail WHERE trashed_date>0 AND flags=75",
			"Unix dates":         "SELECT min(date)>1600000000 AND max(trashed_date)<900000000 FROM voicemail",
			"one that is gone":   "SELECT count(*)=1 FROM deleted WHERE ROWID NOT IN (SELECT ROWID FROM voicemail)",
			"labels name a line": "SELECT count(*)=0 FROM voicemail WHERE label NOT IN (SELECT label FROM map)",
		}},
		{memosDomain + "/Recordings/CloudRecordings.db", map[string]string{
			"one evicted":     "SELECT count(*)=1 FROM ZCLOUDRECORDING WHERE ZPATH IS NULL",
			"one deleted":     "SELECT count(*)=1 FROM ZCLOUDRECORDING WHERE ZEVICTIONDATE IS NOT NULL",
			"one in a folder": "SELECT count(*)=1 FROM ZCLOUDRECORDING r JOIN ZFOLDER f ON f.Z_PK=r.ZFOLDER",
			"automatic label": "SELECT count(*)>0 FROM ZCLOUDRECORDING WHERE ZCUSTOMLABEL LIKE '____-__-__T__:__:__Z'",
		}},
		{"HomeDomain/" + calendarDB, map[string]string{
			"an all-day event":           "SELECT count(*)>0 FROM CalendarItem WHERE all_day=1 AND start_tz='_float' AND CAST(start_date AS INTEGER)%86400=0 AND calendar_scale IS NULL",
			"a floating event":           "SELECT count(*)>0 FROM CalendarItem WHERE all_day=0 AND start_tz='_float'",
			"a detached occurrence":      "SELECT count(*)=1 FROM CalendarItem d JOIN CalendarItem s ON s.ROWID=d.orig_item_id AND s.unique_identifier=d.unique_identifier JOIN ExceptionDate x ON x.owner_id=s.ROWID AND x.date=d.orig_date",
			"rules of every frequency":   "SELECT count(DISTINCT frequency)=4 FROM Recurrence r JOIN CalendarItem i ON i.ROWID=r.owner_id AND i.has_recurrences=1",
			"birthdays":                  "SELECT count(*)>0 FROM CalendarItem WHERE calendar_scale='gregorian' AND birthday_id>0",
			"a host and guests":          "SELECT count(*)=1 FROM CalendarItem i JOIN Participant o ON o.ROWID=i.organizer_id AND o.entity_type=8 AND o.owner_id=i.ROWID JOIN Identity n ON n.rowid=o.identity_id JOIN Participant me ON me.ROWID=i.self_attendee_id AND me.is_self=1 WHERE i.summary LIKE 'Call with%'",
			"places":                     "SELECT count(*)>0 FROM CalendarItem i JOIN Location l ON l.ROWID=i.location_id AND l.item_owner_id=i.ROWID",
			"an attachment by address":   "SELECT count(*)=1 FROM Attachment a JOIN AttachmentFile f ON f.ROWID=a.file_id WHERE f.local_path IS NULL",
			"calendars belong to stores": "SELECT count(*)=0 FROM Calendar WHERE store_id NOT IN (SELECT ROWID FROM Store)",
		}},
		{reminders, map[string]string{
			"a completed one":      "SELECT count(*)>0 FROM ZREMCDREMINDER WHERE ZCOMPLETED=1 AND ZCOMPLETIONDATE IS NOT NULL",
			"a subtask":            "SELECT count(*)>0 FROM ZREMCDREMINDER c JOIN ZREMCDREMINDER p ON p.Z_PK=c.ZPARENTREMINDER",
			"undated is NULL":      "SELECT count(*)>0 FROM ZREMCDREMINDER WHERE ZDUEDATE IS NULL",
			"all-day":              "SELECT count(*)>0 FROM ZREMCDREMINDER WHERE ZALLDAY=1",
			"a rule":               "SELECT count(*)>0 FROM ZREMCDOBJECT o JOIN Z_PRIMARYKEY k ON k.Z_ENT=o.Z_ENT AND k.Z_NAME='REMCDRecurrenceRule' JOIN ZREMCDREMINDER r ON r.Z_PK=o.ZREMINDER4",
			"an assignee":          "SELECT count(*)>0 FROM ZREMCDOBJECT a JOIN ZREMCDOBJECT s ON s.Z_PK=a.ZASSIGNEE JOIN ZREMCDREMINDER r ON r.Z_PK=a.ZREMINDER1",
			"marked for deletion":  "SELECT count(*)>0 FROM ZREMCDREMINDER WHERE ZMARKEDFORDELETION=1",
			"lists in a group":     "SELECT count(*)=2 FROM ZREMCDBASELIST l JOIN ZREMCDBASELIST g ON g.Z_PK=l.ZPARENTLIST AND g.ZISGROUP=1",
			"16-byte identifiers":  "SELECT count(*)=0 FROM ZREMCDREMINDER WHERE length(ZIDENTIFIER)!=16",
			"everyone's account":   "SELECT count(*)=0 FROM ZREMCDREMINDER r LEFT JOIN ZREMCDOBJECT a ON a.Z_PK=r.ZACCOUNT LEFT JOIN Z_PRIMARYKEY k ON k.Z_ENT=a.Z_ENT WHERE k.Z_NAME IS NOT 'REMCDAccount'",
			"lists are everyone's": "SELECT count(*)=0 FROM ZREMCDREMINDER WHERE ZLIST NOT IN (SELECT Z_PK FROM ZREMCDBASELIST)",
		}},
		{"HomeDomain/" + safariDir + "Bookmarks.db", map[string]string{
			"special folders":        "SELECT count(*)=4 FROM bookmarks WHERE special_id BETWEEN 1 AND 4 AND parent=0 AND type=1",
			"a reading list":         "SELECT count(*)>0 FROM bookmarks l JOIN bookmarks f ON f.id=l.parent AND f.special_id=3 WHERE l.read IS NOT NULL AND l.extra_attributes IS NOT NULL",
			"read means to be read":  "SELECT count(*)=0 FROM bookmarks l JOIN bookmarks f ON f.id=l.parent AND f.special_id!=3 WHERE l.read IS NOT NULL",
			"Unix dates":             "SELECT min(last_modified)>1600000000 FROM bookmarks",
			"a filter's white list":  "SELECT count(*)=1 FROM bookmarks l JOIN bookmarks f ON f.id=l.parent AND f.special_id=4",
			"no folder is missing":   "SELECT count(*)=0 FROM bookmarks WHERE id!=0 AND parent NOT IN (SELECT id FROM bookmarks)",
			"one that was taken out": "SELECT count(*)=1 FROM bookmarks WHERE deleted=1",
		}},
		{"HomeDomain/" + safariDir + "History.db", map[string]string{
			"Cocoa dates":   "SELECT max(visit_time)<900000000 FROM history_visits",
			"redirects":     "SELECT count(*)>0 FROM history_visits a JOIN history_visits b ON a.redirect_destination=b.id AND b.redirect_source=a.id",
			"other devices": "SELECT count(*)>0 FROM history_visits WHERE origin=1",
			"visit counts":  "SELECT count(*)=0 FROM history_items i WHERE visit_count!=(SELECT count(*) FROM history_visits WHERE history_item=i.id)",
		}},
		{"HomeDomain/" + safariDir + "BrowserState.db", map[string]string{
			"private tabs":      "SELECT count(*)=2 FROM tabs WHERE private_browsing=1",
			"sessions for tabs": "SELECT count(*)=0 FROM tabs WHERE uuid NOT IN (SELECT tab_uuid FROM tab_sessions)",
		}},
		{"HomeDomain/" + safariDir + "SafariTabs.db", map[string]string{
			"a private group": "SELECT count(*)=3 FROM bookmarks t JOIN windows w ON t.parent=w.private_tab_group_id WHERE t.type=0",
			"groups shown":    "SELECT count(*)=3 FROM windows_tab_groups g JOIN bookmarks b ON b.id=g.tab_group_id AND b.type=1",
		}},
		{whatsAppDomain + "/ChatStorage.sqlite", map[string]string{
			"a group with an opaque member": "SELECT count(*)>0 FROM ZWAGROUPMEMBER m JOIN ZWACHATSESSION s ON s.Z_PK=m.ZCHATSESSION AND s.ZSESSIONTYPE=1 WHERE m.ZMEMBERJID LIKE '%@lid'",
			"an opaque chat":                "SELECT count(*)=1 FROM ZWACHATSESSION WHERE ZCONTACTJID LIKE '%@lid'",
			"the status feed":               "SELECT count(*)=1 FROM ZWACHATSESSION WHERE ZSESSIONTYPE=3",
			"many kinds":                    "SELECT count(DISTINCT ZMESSAGETYPE)>=14 FROM ZWAMESSAGE",
			"media both ways":               "SELECT count(*)=0 FROM ZWAMESSAGE m LEFT JOIN ZWAMEDIAITEM i ON i.Z_PK=m.ZMEDIAITEM AND i.ZMESSAGE=m.Z_PK WHERE m.ZMEDIAITEM IS NOT NULL AND i.Z_PK IS NULL",
			"last messages":                 "SELECT count(*)=0 FROM ZWACHATSESSION s JOIN ZWAMESSAGE m ON m.Z_PK=s.ZLASTMESSAGE WHERE m.ZCHATSESSION!=s.Z_PK OR m.ZLASTSESSION!=s.Z_PK OR m.ZMESSAGEDATE!=s.ZLASTMESSAGEDATE",
			"group senders":                 "SELECT count(*)=0 FROM ZWAMESSAGE m JOIN ZWAGROUPMEMBER g ON g.Z_PK=m.ZGROUPMEMBER WHERE g.ZCHATSESSION!=m.ZCHATSESSION",
			"a distant future":              "SELECT count(*)>0 FROM ZWAPROFILEPICTUREITEM WHERE ZREQUESTDATE=63113904000",
			"replies":                       "SELECT count(*)>0 FROM ZWAMEDIAITEM WHERE ZMEDIALOCALPATH IS NULL AND hex(ZMETADATA) LIKE '2A14%'",
		}},
		{whatsAppDomain + "/ContactsV2.sqlite", map[string]string{
			"people without an account": "SELECT count(*)>0 FROM ZWAADDRESSBOOKCONTACT WHERE ZWHATSAPPID IS NULL",
		}},
		{whatsAppDomain + "/CallHistory.sqlite", map[string]string{
			"events and participants": "SELECT count(*)>0 FROM ZWACDCALLEVENT e JOIN ZWAAGGREGATECALLEVENT a ON a.Z_PK=e.Z1CALLEVENTS JOIN ZWACDCALLEVENTPARTICIPANT p ON p.Z1PARTICIPANTS=e.Z_PK",
			"missed and rejected":     "SELECT count(DISTINCT ZOUTCOME)=3 FROM ZWACDCALLEVENT",
		}},
	} {
		d := open(t, dir, c.rel, true)
		for what, q := range c.queries {
			if got := one(t, d, q); got != "1" {
				t.Errorf("%s: %s: %s gives %s", filepath.Base(c.rel), what, q, got)
			}
		}
	}
	checkPaths(t, dir)
	checkWhatsAppGUIDs(t, dir)
}

// checkPaths matches rows and files of voicemail, memos and WhatsApp.
func checkPaths(t *testing.T, dir string) {
	t.Helper()
	exists := func(rel string) bool {
		_, err := os.Stat(filepath.Join(dir, filepath.FromSlash(rel)))
		return err == nil
	}
	for _, row := range query(t, open(t, dir, "HomeDomain/"+voicemailDir+"voicemail.db", true), "SELECT ROWID FROM voicemail") {
		if !exists("HomeDomain/" + voicemailDir + row + ".amr") {
			t.Errorf("voicemail %s has no sound", row)
		}
	}
	for _, row := range query(t, open(t, dir, memosDomain+"/Recordings/CloudRecordings.db", true), "SELECT ZPATH FROM ZCLOUDRECORDING WHERE ZPATH IS NOT NULL") {
		if !exists(memosDomain + "/Recordings/" + row) {
			t.Errorf("memo %s has no file", row)
		}
	}
	for _, row := range query(t, open(t, dir, whatsAppDomain+"/ChatStorage.sqlite", true), "SELECT ZXMPPTHUMBPATH FROM ZWAMEDIAITEM WHERE ZXMPPTHUMBPATH IS NOT NULL") {
		if !exists(whatsAppDomain + "/Message/" + row) {
			t.Errorf("thumbnail %s has no file", row)
		}
	}
}

// checkWhatsAppGUIDs checks that WhatsApp's contacts name those of the address book.
func checkWhatsAppGUIDs(t *testing.T, dir string) {
	t.Helper()
	known := map[string]bool{}
	for _, g := range query(t, open(t, dir, "HomeDomain/"+addressBook, true), "SELECT guid FROM ABPerson") {
		known[g] = true
	}
	for _, g := range query(t, open(t, dir, whatsAppDomain+"/ContactsV2.sqlite", true), "SELECT ZIDENTIFIER FROM ZWAADDRESSBOOKCONTACT") {
		if !known[g] {
			t.Errorf("WhatsApp names contact %s, which does not exist", g)
		}
	}
}

// TestPictures decodes the pictures of contacts and attachments.
func TestPictures(t *testing.T) {
	dir := sharedPhone(t, "17.5.1")
	rows, err := open(t, dir, "HomeDomain/"+addressBookImages, true).Query("SELECT data FROM ABThumbnailImage UNION ALL SELECT data FROM ABFullSizeImage")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			t.Fatal(err)
		}
		if _, err := jpeg.Decode(bytes.NewReader(b)); err != nil {
			t.Error(err)
		}
	}
	if n != 12 {
		t.Errorf("%d pictures of contacts, want 12", n)
	}
	for rel := range tree(t, dir) {
		var decode func(*bytes.Reader) error
		switch filepath.Ext(rel) {
		case ".jpeg", ".jpg", ".thumb":
			decode = func(r *bytes.Reader) error { _, err := jpeg.Decode(r); return err }
		case ".png":
			decode = func(r *bytes.Reader) error { _, err := png.Decode(r); return err }
		default:
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(rel)))
		if err != nil {
			t.Fatal(err)
		}
		if err := decode(bytes.NewReader(b)); err != nil {
			t.Errorf("%s: %v", rel, err)
		}
	}
}

func TestPadding(t *testing.T) {
	r := (&world{}).rng("padding")
	j, err := drawJPEG(r, 40, 30)
	if err != nil {
		t.Fatal(err)
	}
	p, err := drawPNG(r, 40, 30)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, len(j), 65533, 65540, 200_000} {
		if got := padJPEG(r, j, size); len(got) < size || len(got) > max(size, len(j))+8 {
			t.Errorf("JPEG of %d bytes for %d", len(got), size)
		} else if _, err := jpeg.Decode(bytes.NewReader(got)); err != nil {
			t.Errorf("JPEG of %d bytes: %v", size, err)
		}
		var img image.Image
		got := padPNG(r, p, size)
		if img, err = png.Decode(bytes.NewReader(got)); err != nil || img.Bounds().Dx() != 40 {
			t.Errorf("PNG of %d bytes: %v", size, err)
		}
	}
}

// TestMemoAudio walks the boxes of a recording with a transcript.
func TestMemoAudio(t *testing.T) {
	words := []string{"Water ", "the ", "beans"}
	transcript, err := memoTranscript(words)
	if err != nil {
		t.Fatal(err)
	}
	b, err := memoAudio(transcript, []byte("filler"))
	if err != nil {
		t.Fatal(err)
	}
	box := b
	for _, kind := range []string{"moov", "trak", "udta", "tsrp"} {
		r, err := findBox(box, kind)
		if err != nil {
			t.Fatal(err)
		}
		box = box[r.start+8 : r.end]
	}
	var got struct {
		Text struct {
			Runs  []any `json:"runs"`
			Table []struct {
				Range []float64 `json:"timeRange"`
			} `json:"attributeTable"`
		} `json:"attributedString"`
	}
	if err := json.Unmarshal(box, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Text.Runs) != 6 || got.Text.Runs[4] != "beans" || got.Text.Runs[5] != 2.0 || len(got.Text.Table) != 3 || len(got.Text.Table[2].Range) != 2 {
		t.Errorf("transcript %+v", got)
	}
	// The sound stays where the sample table says.
	a, err := findBox(memoTemplate, "mdat")
	if err != nil {
		t.Fatal(err)
	}
	if z, err := findBox(b, "mdat"); err != nil || z != a {
		t.Errorf("sound moved from %v to %v: %v", a, z, err)
	}
	if _, err := findBox(append(bytes.Clone(b[:40]), 0, 0), "none"); err == nil {
		t.Error("finds a box that is not there")
	}
	if _, err := findBox([]byte{0, 0, 0, 4, 'b', 'a', 'd', '!'}, "none"); err == nil {
		t.Error("takes a box smaller than its head")
	}
}

func TestVoicemailFiles(t *testing.T) {
	b := silentAMR(3)
	if !bytes.HasPrefix(b, []byte("#!AMR\n")) || len(b) != 6+3*50*13 || b[6] != 0x04 {
		t.Errorf("%d bytes beginning % x", len(b), b[:8])
	}
	text, err := voicemailTranscript("Hello")
	if err != nil {
		t.Fatal(err)
	}
	var a struct {
		Top     map[string]plist.UID `plist:"$top"`
		Objects []any                `plist:"$objects"`
	}
	if err := plist.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	root, ok := a.Objects[a.Top["root"]].(map[string]any)
	if !ok {
		t.Fatalf("root is %T", a.Objects[a.Top["root"]])
	}
	id, ok := root["transcriptionString"].(plist.UID)
	if !ok || a.Objects[id] != "Hello" {
		t.Errorf("transcript %v", root)
	}
}

// TestOgg checks the pages of a voice message: sequence, ends, checksums.
func TestOgg(t *testing.T) {
	b := silentOpus((&world{}).rng("ogg"), 3)
	for n := uint32(0); len(b) > 0; n++ {
		if string(b[:4]) != "OggS" || binary.LittleEndian.Uint32(b[18:]) != n {
			t.Fatalf("page %d: % x", n, b[:27])
		}
		size := 27 + int(b[26])
		for _, l := range b[27:size] {
			size += int(l)
		}
		page := bytes.Clone(b[:size])
		want := binary.LittleEndian.Uint32(page[22:])
		copy(page[22:26], make([]byte, 4))
		if oggChecksum(page) != want {
			t.Errorf("page %d: checksum", n)
		}
		if b = b[size:]; len(b) == 0 && page[5] != 4 {
			t.Error("the last page does not say so")
		}
	}
}

func TestPeople(t *testing.T) {
	w := &world{seed: 3}
	me, people := makePeople(w.rng("people"), 600, testNow)
	phones, names, mails := map[string]bool{me.phone(): true}, map[string]bool{}, map[string]bool{}
	for _, p := range people {
		if phones[p.phone()] || names[p.first+p.last] || mails[p.mail()] {
			t.Errorf("%s %s %s is there already", p.name(), p.phone(), p.mail())
		}
		phones[p.phone()], names[p.first+p.last], mails[p.mail()] = true, true, true
		if len(p.phone()) != 12 || p.phone()[5:10] != "55501" {
			t.Errorf("%s is not reserved for fiction", p.phone())
		}
	}
	for style, want := range []string{"(202) 555-0142", "+1 (202) 555-0142", "202-555-0142", "+12025550142"} {
		if got := displayNumber("+12025550142", style); got != want {
			t.Errorf("style %d: %s, want %s", style, got, want)
		}
	}
	if got := displayNumber("+447700900001", 0); got != "+447700900001" {
		t.Errorf("foreign number %s", got)
	}
}
