package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// mirrorNode has the fields and tags of the format for encoding/json, which is
// the judge of our own encoder.
type mirrorNode struct {
	Name              string                     `json:"name"`
	Type              string                     `json:"type"`
	Mode              fs.FileMode                `json:"mode,omitempty"`
	ModTime           time.Time                  `json:"mtime"`
	AccessTime        time.Time                  `json:"atime"`
	ChangeTime        time.Time                  `json:"ctime"`
	UID               uint32                     `json:"uid"`
	GID               uint32                     `json:"gid"`
	User              string                     `json:"user,omitempty"`
	Group             string                     `json:"group,omitempty"`
	Inode             uint64                     `json:"inode,omitempty"`
	DeviceID          uint64                     `json:"device_id,omitempty"`
	Size              uint64                     `json:"size,omitempty"`
	Links             uint64                     `json:"links,omitempty"`
	LinkTarget        string                     `json:"linktarget,omitempty"`
	LinkTargetRaw     []byte                     `json:"linktarget_raw,omitempty"`
	Xattrs            []mirrorXattr              `json:"extended_attributes,omitempty"`
	GenericAttributes map[string]json.RawMessage `json:"generic_attributes,omitempty"`
	Device            uint64                     `json:"device,omitempty"`
	Content           []ID                       `json:"content"`
	Subtree           *ID                        `json:"subtree,omitempty"`
	Error             string                     `json:"error,omitempty"`
}

type mirrorXattr struct {
	Name  string `json:"name"`
	Value []byte `json:"value"`
}

// mirror encodes t with encoding/json.
func mirror(tb testing.TB, t *Tree) []byte {
	tb.Helper()
	nodes := make([]mirrorNode, 0)
	for _, n := range t.Nodes {
		quoted := strconv.Quote(n.Name)
		m := mirrorNode{
			Name: quoted[1 : len(quoted)-1], Type: string(n.Type), Mode: n.Mode,
			ModTime: n.ModTime, AccessTime: n.AccessTime, ChangeTime: n.ChangeTime,
			UID: n.UID, GID: n.GID, User: string([]rune(n.User)), Group: string([]rune(n.Group)), Inode: n.Inode, DeviceID: n.DeviceID,
			Size: n.Size, Links: n.Links, LinkTarget: n.LinkTarget, Device: n.Device,
			Content: n.Content, Subtree: n.Subtree, Error: string([]rune(n.Error)),
		}
		if m.Content == nil && n.Type == NodeFile {
			m.Content = []ID{}
		}
		if !utf8.ValidString(n.LinkTarget) {
			m.LinkTargetRaw = []byte(n.LinkTarget)
		}
		for _, x := range n.Xattrs {
			m.Xattrs = append(m.Xattrs, mirrorXattr{x.Name, append([]byte{}, x.Value...)})
		}
		if n.GenericAttributes != nil {
			if err := json.Unmarshal(n.GenericAttributes, &m.GenericAttributes); err != nil {
				tb.Fatal(err)
			}
		}
		nodes = append(nodes, m)
	}
	data, err := json.Marshal(struct {
		Nodes []mirrorNode `json:"nodes"`
	}{nodes})
	if err != nil {
		tb.Fatal(err)
	}
	return append(data, '\n')
}

// oddPieces make the strings in which encoders differ.
var oddPieces = []string{
	"a", "IMG_0001", ".HEIC", " ", `"`, `\`, "'", "<", ">", "&", "\u2028", "\u2029", "\u200d", "\ufeff", "\u00a0", "\ufffd",
	"\xff", "\xc3", "\xed\xa0\x80", "\n", "\r", "\t", "\b", "\f", "\v", "\a", "\x01", "\x1f", "\x7f", "\u0080", "é", "e\u0301", "日本", "👩‍👩‍👧", "\U0010ffff", `\u003c`, `\xff`, "%",
}

func randomString(r *rand.Rand, pieces int) string {
	var b strings.Builder
	for range r.IntN(pieces + 1) {
		b.WriteString(oddPieces[r.IntN(len(oddPieces))])
	}
	return b.String()
}

func randomID(r *rand.Rand) (id ID) {
	for i := range id {
		id[i] = byte(r.Uint32())
	}
	return id
}

func randomTime(r *rand.Rand) time.Time {
	t := time.Unix(r.Int64N(4e9)-1e9, []int64{0, 1, 120_000_000, 123_456_789, 999_999_999}[r.IntN(5)])
	switch r.IntN(4) {
	case 0:
		return t.UTC()
	case 1:
		return t.In(time.FixedZone("", 3600*(r.IntN(27)-13)))
	case 2:
		return t.In(time.FixedZone("LMT", 60*(r.IntN(1000)-500)))
	}
	return time.Time{}
}

// maybe is v or, half of the time, the zero value.
func maybe[T any](r *rand.Rand, v T) T {
	if r.IntN(2) == 0 {
		var zero T
		return zero
	}
	return v
}

func randomTree(r *rand.Rand, nodes int) *Tree {
	t := &Tree{}
	for i := range nodes {
		t.Nodes = append(t.Nodes, randomNode(r, i))
	}
	slices.SortFunc(t.Nodes, func(a, b Node) int { return strings.Compare(a.Name, b.Name) })
	return t
}

func randomNode(r *rand.Rand, i int) Node {
	types := []NodeType{NodeFile, NodeFile, NodeDir, NodeSymlink, NodeDevice, NodeChar, NodeFIFO, NodeSocket}
	n := Node{
		Name: randomString(r, 6) + strconv.Itoa(i), // unique
		Type: types[r.IntN(len(types))],
		Mode: maybe(r, fs.FileMode(r.Uint32())), ModTime: randomTime(r), UID: maybe(r, r.Uint32()), GID: maybe(r, r.Uint32()),
		User: maybe(r, randomString(r, 3)), Group: maybe(r, randomString(r, 3)),
		Inode: maybe(r, r.Uint64()), DeviceID: maybe(r, r.Uint64()), Size: maybe(r, r.Uint64()), Links: maybe(r, r.Uint64()),
		Device: maybe(r, r.Uint64()), Error: maybe(r, randomString(r, 3)),
	}
	n.AccessTime, n.ChangeTime = n.ModTime, n.ModTime
	if r.IntN(2) == 0 {
		n.AccessTime, n.ChangeTime = randomTime(r), randomTime(r)
	}
	for range r.IntN(3) {
		n.Xattrs = append(n.Xattrs, Xattr{Name: "user." + strings.ToValidUTF8(randomString(r, 3), "?"), Value: []byte(randomString(r, 3))})
	}
	if r.IntN(4) == 0 {
		n.GenericAttributes = []byte(`{"windows.creation_time":"AAAA","windows.file_attributes":32,"x":{"b":[1,2.5e3,null],"c":"\u003c"}}`)
	}
	switch n.Type {
	case NodeFile:
		n.Content = []ID{}
		for range r.IntN(4) {
			n.Content = append(n.Content, randomID(r))
		}
	case NodeDir:
		id := randomID(r)
		n.Subtree = &id
	case NodeSymlink:
		n.LinkTarget = "/" + randomString(r, 4)
	}
	return n
}

func TestTreeEncode_isEncodingJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 800 {
		tree := randomTree(r, r.IntN(6))
		got, err := tree.Encode()
		if err != nil {
			t.Fatalf("tree %d: %v", i, err)
		}
		if want := mirror(t, tree); !bytes.Equal(got, want) {
			t.Fatalf("tree %d:\n got %s\nwant %s", i, got, want)
		}
		back, err := DecodeTree(got)
		if err != nil {
			t.Fatalf("tree %d: %v\n%s", i, err, got)
		}
		if err := back.Check(); err != nil {
			t.Fatalf("tree %d: %v", i, err)
		}
		if diff := cmp.Diff(readBack(tree), back); diff != "" {
			t.Fatalf("tree %d: (-want +got)\n%s", i, diff)
		}
		again, err := back.Encode()
		if err != nil || !bytes.Equal(got, again) {
			t.Fatalf("tree %d: encoded again: %v\n got %s\nwant %s", i, err, again, got)
		}
	}
}

// readBack is what decoding makes of t: labels that are no UTF-8 come back with
// U+FFFD.
func readBack(t *Tree) *Tree {
	out := &Tree{Nodes: append([]Node{}, t.Nodes...)}
	for i := range out.Nodes {
		n := &out.Nodes[i]
		for _, s := range []*string{&n.User, &n.Group, &n.Error} {
			*s = string([]rune(*s))
		}
		n.Xattrs = slices.Clone(n.Xattrs)
		for j := range n.Xattrs {
			n.Xattrs[j].Value = append([]byte{}, n.Xattrs[j].Value...)
		}
	}
	return out
}

// benchTree is a folder like one of photos.
func benchTree(nodes int) *Tree {
	r := rand.New(rand.NewPCG(3, 4))
	t := &Tree{}
	for i := range nodes {
		mtime := time.Unix(1.7e9+int64(i), r.Int64N(1e9)).UTC()
		t.Nodes = append(t.Nodes, Node{
			Name: fmt.Sprintf("IMG_%06d.HEIC", i), Type: NodeFile, Mode: 0o644, ModTime: mtime, AccessTime: mtime, ChangeTime: mtime,
			UID: 501, GID: 501, User: "mobile", Group: "mobile", Size: r.Uint64N(5e6), Content: []ID{randomID(r), randomID(r)},
		})
	}
	return t
}

func BenchmarkTreeEncode(b *testing.B) {
	tree := benchTree(50_000)
	data, err := tree.Encode()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tree.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeTree(b *testing.B) {
	data, err := benchTree(50_000).Encode()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeTree(data); err != nil {
			b.Fatal(err)
		}
	}
}
