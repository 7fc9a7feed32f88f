package appdata

import (
	"bytes"
	"compress/gzip"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// pbField is a field of a protocol buffer, read without the writer's code.
type pbField struct {
	num, wire int
	n         uint64
	b         []byte
}

func readPB(b []byte) ([]pbField, error) {
	var out []pbField
	for len(b) > 0 {
		key, k := binary.Uvarint(b)
		if k <= 0 {
			return nil, errors.New("bad key")
		}
		b = b[k:]
		f := pbField{num: int(key >> 3), wire: int(key & 7)}
		switch f.wire {
		case 0:
			v, k := binary.Uvarint(b)
			if k <= 0 {
				return nil, errors.New("bad number")
			}
			f.n, b = v, b[k:]
		case 2:
			v, k := binary.Uvarint(b)
			if k <= 0 || uint64(len(b)-k) < v {
				return nil, errors.New("bad length")
			}
			f.b, b = b[k:k+int(v)], b[k+int(v):]
		case 5:
			if len(b) < 4 {
				return nil, errors.New("short float")
			}
			f.b, b = b[:4], b[4:]
		default:
			return nil, fmt.Errorf("wire type %d", f.wire)
		}
		out = append(out, f)
	}
	return out, nil
}

// dig follows field numbers to the first such message.
func dig(t *testing.T, b []byte, path ...int) []byte {
	t.Helper()
	for _, num := range path {
		fields, err := readPB(b)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(fields, func(f pbField) bool { return f.num == num && f.wire == 2 })
		if i < 0 {
			t.Fatalf("no field %d", num)
		}
		b = fields[i].b
	}
	return b
}

func all(t *testing.T, b []byte, num int) []pbField {
	t.Helper()
	fields, err := readPB(b)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(fields, func(f pbField) bool { return f.num != num })
}

func number(t *testing.T, b []byte, num int) (n uint64, ok bool) {
	t.Helper()
	f := all(t, b, num)
	if len(f) == 0 {
		return 0, false
	}
	return f[0].n, true
}

func gunzip(t *testing.T, b []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// readNote checks that runs cover the text and gives it with their styles.
func readNote(t *testing.T, data []byte) (text string, styles map[int]int, attachments []string) {
	t.Helper()
	note := dig(t, gunzip(t, data), 2, 3)
	text = string(dig(t, note, 2))
	styles = map[int]int{}
	sum := uint64(0)
	units := utf16.Encode([]rune(text))
	for _, r := range all(t, note, 5) {
		n, _ := number(t, r.b, 1)
		style := -1
		if s, ok := number(t, dig(t, r.b, 2), 1); ok {
			style = int(int32(s))
		}
		styles[style]++
		if info := all(t, r.b, 12); len(info) == 1 {
			attachments = append(attachments, string(dig(t, info[0].b, 1)))
			if n != 1 || units[sum] != 0xfffc {
				t.Errorf("attachment run of %d units at %#x", n, units[sum])
			}
		}
		sum += n
	}
	if sum != uint64(len(units)) {
		t.Errorf("runs cover %d of %d units of %q", sum, len(units), text)
	}
	return text, styles, attachments
}

func TestNotes(t *testing.T) {
	dir := sharedPhone(t, "17.5.1")
	d := open(t, dir, notesDomain+"/"+noteStore, true)
	ent := func(name string) string { return one(t, d, "SELECT Z_ENT FROM Z_PRIMARYKEY WHERE Z_NAME=?", name) }
	rows, err := d.Query("SELECT n.ZTITLE1, b.ZDATA, n.ZISPASSWORDPROTECTED FROM ZICCLOUDSYNCINGOBJECT n JOIN ZICNOTEDATA b ON b.Z_PK=n.ZNOTEDATA AND b.ZNOTE=n.Z_PK WHERE n.Z_ENT=?", ent("ICNote"))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	plain, locked, account := 0, 0, 0
	seen := map[int]int{}
	for rows.Next() {
		var title string
		var data []byte
		var protected int
		if err := rows.Scan(&title, &data, &protected); err != nil {
			t.Fatal(err)
		}
		switch {
		case bytes.HasPrefix(data, []byte("bplist00")):
			account++
			checkAccountKey(t, data)
		case protected == 1:
			locked++
		default:
			plain++
			text, styles, attachments := readNote(t, data)
			for s, n := range styles {
				seen[s] += n
			}
			if first, _, _ := strings.Cut(text, "\n"); first != title {
				t.Errorf("title %q, text begins %q", title, first)
			}
			for _, id := range attachments {
				if n := one(t, d, "SELECT count(*) FROM ZICCLOUDSYNCINGOBJECT WHERE ZIDENTIFIER=? AND Z_ENT IN (?,?)", id, ent("ICAttachment"), ent("ICInlineAttachment")); n != "1" {
					t.Errorf("%q: attachment %s has %s rows", title, id, n)
				}
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if plain != 10 || locked != 1 || account != 1 {
		t.Errorf("%d plain, %d locked, %d under the account key; want 10, 1, 1", plain, locked, account)
	}
	for _, s := range []int{styleTitle, styleHeading, styleSubheading, styleMono, styleDotted, styleDashed, styleNumbered, styleChecklist, styleBody} {
		if seen[s] == 0 {
			t.Errorf("no paragraph of style %d", s)
		}
	}
	checkNoteMedia(t, dir, d, ent)
	for what, q := range map[string]string{
		"a note in the trash": "SELECT count(*)>0 FROM ZICCLOUDSYNCINGOBJECT n JOIN ZICCLOUDSYNCINGOBJECT f ON f.Z_PK=n.ZFOLDER WHERE f.ZFOLDERTYPE=1",
		"a folder in another": "SELECT count(*)=1 FROM ZICCLOUDSYNCINGOBJECT f JOIN ZICCLOUDSYNCINGOBJECT p ON p.Z_PK=f.ZPARENT",
		"a smart folder":      "SELECT count(*)=1 FROM ZICCLOUDSYNCINGOBJECT WHERE ZSMARTFOLDERQUERYJSON IS NOT NULL",
		"a pinned note":       "SELECT count(*)=1 FROM ZICCLOUDSYNCINGOBJECT WHERE ZISPINNED=1",
		"notes have accounts": "SELECT count(*)=0 FROM ZICCLOUDSYNCINGOBJECT WHERE ZNOTEDATA IS NOT NULL AND ZACCOUNT7 NOT IN (SELECT Z_PK FROM ZICCLOUDSYNCINGOBJECT WHERE ZACCOUNTTYPE=1)",
	} {
		if one(t, d, q) != "1" {
			t.Errorf("%s: %s", what, q)
		}
	}
	before := open(t, dir, notesDomain+"/"+noteStore, false)
	if got := one(t, before, "SELECT count(*) FROM ZICNOTEDATA"); got != "11" {
		t.Errorf("%s notes without the log, want 11 of 12", got)
	}
}

func checkAccountKey(t *testing.T, data []byte) {
	t.Helper()
	var a struct {
		Archiver string `plist:"$archiver"`
		Objects  []any  `plist:"$objects"`
	}
	if err := plist.Unmarshal(data, &a); err != nil || a.Archiver != "NSKeyedArchiver" {
		t.Fatalf("archive %q: %v", a.Archiver, err)
	}
	for _, o := range a.Objects {
		if m, ok := o.(map[string]any); ok && m["$classname"] == "ICCryptoEncryptionObject" {
			return
		}
	}
	t.Error("archive without an ICCryptoEncryptionObject")
}

// checkNoteMedia matches media rows and files: one is only in iCloud.
func checkNoteMedia(t *testing.T, dir string, d *sql.DB, ent func(string) string) {
	t.Helper()
	there, absent := 0, 0
	for _, row := range query(t, d, `SELECT 'Accounts/'||a.ZIDENTIFIER||'/Media/'||m.ZIDENTIFIER||'/'||m.ZGENERATION1||'/'||m.ZFILENAME FROM ZICCLOUDSYNCINGOBJECT m
		JOIN ZICCLOUDSYNCINGOBJECT att ON att.Z_PK=m.ZATTACHMENT1 AND att.ZMEDIA=m.Z_PK JOIN ZICCLOUDSYNCINGOBJECT n ON n.Z_PK=att.ZNOTE
		JOIN ZICCLOUDSYNCINGOBJECT a ON a.Z_PK=n.ZACCOUNT7 WHERE m.Z_ENT=? AND m.ZFILENAME IS NOT NULL`, ent("ICMedia")) {
		if _, err := os.Stat(filepath.Join(dir, notesDomain, filepath.FromSlash(row))); err == nil {
			there++
		} else {
			absent++
		}
	}
	if there != 5 || absent != 1 {
		t.Errorf("%d media there, %d absent; want 5 and 1", there, absent)
	}
}

// TestLockedNote opens a locked note with the password, unwrapping by the book.
func TestLockedNote(t *testing.T) {
	d := open(t, sharedPhone(t, "17.5.1"), notesDomain+"/"+noteStore, true)
	var salt, wrapped, iv, tag, data []byte
	var count int
	var hint, title string
	err := d.QueryRow(`SELECT n.ZCRYPTOSALT, n.ZCRYPTOITERATIONCOUNT, n.ZCRYPTOWRAPPEDKEY, b.ZCRYPTOINITIALIZATIONVECTOR, b.ZCRYPTOTAG, b.ZDATA, n.ZPASSWORDHINT, n.ZTITLE1
		FROM ZICCLOUDSYNCINGOBJECT n JOIN ZICNOTEDATA b ON b.ZNOTE=n.Z_PK WHERE n.ZNOTEDATA IS NOT NULL AND n.ZISPASSWORDPROTECTED=1 AND n.ZCRYPTOITERATIONCOUNT>0`).Scan(&salt, &count, &wrapped, &iv, &tag, &data, &hint, &title)
	if err != nil {
		t.Fatal(err)
	}
	open := func(password string) ([]byte, error) {
		kek, err := pbkdf2.Key(sha256.New, password, salt, count, 16)
		if err != nil {
			return nil, err
		}
		key, err := unwrap(kek, wrapped)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		gcm, err := cipher.NewGCMWithNonceSize(block, 16)
		if err != nil {
			return nil, err
		}
		return gcm.Open(nil, iv, append(bytes.Clone(data), tag...), nil)
	}
	body, err := open(NotePassword)
	if err != nil {
		t.Fatal(err)
	}
	if text, _, _ := readNote(t, body); !strings.HasPrefix(text, title+"\n") || hint == "" {
		t.Errorf("text %q under title %q, hint %q", text, title, hint)
	}
	if _, err := open("wrong"); err == nil {
		t.Error("opens with a wrong password")
	}
}

// unwrap is RFC 3394, 2.2.2.
func unwrap(kek, wrapped []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	n := len(wrapped)/8 - 1
	a, r := bytes.Clone(wrapped[:8]), bytes.Clone(wrapped[8:])
	for j := 5; j >= 0; j-- {
		for i := n; i >= 1; i-- {
			buf := binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(a)^uint64(n*j+i))
			buf = append(buf, r[8*i-8:8*i]...)
			block.Decrypt(buf, buf)
			copy(a, buf[:8])
			copy(r[8*i-8:], buf[8:])
		}
	}
	if !bytes.Equal(a, bytes.Repeat([]byte{0xa6}, 8)) {
		return nil, errors.New("integrity check fails")
	}
	return r, nil
}

// The test vector of RFC 3394, 4.1.
func TestWrapKey(t *testing.T) {
	kek, _ := hex.DecodeString("000102030405060708090a0b0c0d0e0f")
	key, _ := hex.DecodeString("00112233445566778899aabbccddeeff")
	got, err := wrapKey(kek, key)
	if err != nil {
		t.Fatal(err)
	}
	if want := "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"; hex.EncodeToString(got) != want {
		t.Errorf("got %x, want %s", got, want)
	}
}

func TestTable(t *testing.T) {
	w := &world{seed: 1}
	want := [][]string{{"Name", "Dish"}, {"Wren", "pie 🥧"}, {"Fern", ""}}
	data, err := encodeTable(w.rng("table"), testNow, want)
	if err != nil {
		t.Fatal(err)
	}
	got, direction := readTable(t, data)
	if diff := cmp.Diff(want, got); diff != "" || direction != "CRTableColumnDirectionLeftToRight" {
		t.Errorf("direction %q, cells differ:\n%s", direction, diff)
	}
}

// readTable rebuilds a table's cells the way readers of phones do.
func readTable(t *testing.T, data []byte) (cells [][]string, direction string) {
	t.Helper()
	doc := dig(t, gunzip(t, data), 2, 3)
	objects, keys, types, uuids := all(t, doc, 3), all(t, doc, 4), all(t, doc, 5), all(t, doc, 6)
	root := dig(t, objects[0].b, 13)
	if k, _ := number(t, root, 1); string(types[k].b) != "com.apple.notes.ICTable" {
		t.Fatalf("root is a %s", types[k].b)
	}
	ref := func(b []byte, field int) []byte {
		i, ok := number(t, dig(t, b, field), 6)
		if !ok {
			t.Fatal("not a reference")
		}
		return objects[i].b
	}
	member := map[string][]byte{}
	for _, e := range all(t, root, 3) {
		k, _ := number(t, e.b, 1)
		member[string(keys[k].b)] = ref(e.b, 2)
	}
	identity := func(object []byte) string {
		i, ok := number(t, dig(t, object, 13, 3, 2), 2)
		if !ok {
			t.Fatal("identity without an index")
		}
		return string(uuids[i].b)
	}
	axis := func(set []byte) map[string]int {
		order := map[string]int{}
		ordering := dig(t, set, 16, 1)
		for i, e := range all(t, dig(t, ordering, 1), 2) {
			order[string(dig(t, e.b, 2))] = i
		}
		n := len(order)
		for _, e := range all(t, dig(t, ordering, 2), 1) {
			order[identity(ref(e.b, 2))] = order[identity(ref(e.b, 1))]
		}
		if len(order) != 2*n {
			t.Errorf("%d identities for %d lines", len(order), n)
		}
		return order
	}
	rows, columns := axis(member["crRows"]), axis(member["crColumns"])
	cells = make([][]string, len(rows)/2)
	for i := range cells {
		cells[i] = make([]string, len(columns)/2)
	}
	for _, c := range all(t, dig(t, member["cellColumns"], 6), 1) {
		x := columns[identity(ref(c.b, 1))]
		for _, r := range all(t, dig(t, ref(c.b, 2), 6), 1) {
			cells[rows[identity(ref(r.b, 1))]][x] = string(dig(t, ref(r.b, 2), 10, 2))
		}
	}
	direction = string(dig(t, ref(dig(t, member["crTableColumnDirection"], 1), 2), 13, 3, 2, 4))
	return cells, direction
}
