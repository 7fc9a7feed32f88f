package format

import (
	"bytes"
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// treeOf is a tree with one node; node are its fields.
func treeOf(node string) string { return `{"nodes":[{` + node + `}]}` + "\n" }

const plainNode = `"name":"a","type":"fifo"`

func TestDecodeTree_accepts(t *testing.T) {
	noon := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	subtree := Hash([]byte("x"))
	tests := map[string]struct {
		json string
		want []Node
	}{
		"no nodes":   {`{"nodes":[]}`, []Node{}},
		"null nodes": {`{"nodes":null}`, nil},
		"least":      {treeOf(plainNode), []Node{{Name: "a", Type: NodeFIFO}}},
		"nulls": {treeOf(plainNode + `,"mode":null,"mtime":null,"uid":null,"user":null,"size":null,"linktarget_raw":null,"extended_attributes":null,` +
			`"generic_attributes":null,"content":null,"subtree":null`), []Node{{Name: "a", Type: NodeFIFO}}},
		"empty lists": {treeOf(plainNode + `,"extended_attributes":[],"content":[]`), []Node{{Name: "a", Type: NodeFIFO, Content: []ID{}}}},
		"unknown fields": {`{"x":{"nodes":[1]},"nodes":[{"y":[{}],` + plainNode + `,"z":-0.5E-10}],"w":""}`,
			[]Node{{Name: "a", Type: NodeFIFO}}},
		"other order and escapes": {treeOf(`"subtree":"` + subtree.String() + `","\u0074ype":"\u0064ir","m\u0074ime":"2026-05-04T12:00:00Z","n\u0061me":"\/\b\f\r\t\\\"\\n"`),
			[]Node{{Name: "/\b\f\r\t\"\n", Type: NodeDir, ModTime: noon, Subtree: &subtree}}},
		"surrogates": {treeOf(`"name":"\ud83d\ude00\ud83d!\udE00\u00E9","type":"fifo"`), []Node{{Name: "\U0001f600\ufffd!\ufffdé", Type: NodeFIFO}}},
		"invalid UTF-8": {treeOf("\"name\":\"a\xff\\u003c\",\"type\":\"fifo\",\"user\":\"\xc3\""),
			[]Node{{Name: "a\ufffd<", Type: NodeFIFO, User: "\ufffd"}}},
		"quoting": {treeOf(`"name":"\\\\\\\"\\n\\u200d\\U0001f600\\xff\\x41\\101é` + "\u200d" + `'","type":"fifo"`),
			[]Node{{Name: "\\\"\n\u200d\U0001f600\xffAAé\u200d'", Type: NodeFIFO}}},
		"unknown type": {treeOf(`"name":"a","type":"irregular"`), []Node{{Name: "a", Type: "irregular"}}},
		"times": {treeOf(plainNode + `,"mtime":"2026-05-04T14:00:00+02:00","atime":"2026-05-04T12:00:00Z","ctime":"2026-05-04T12:00:00.000000001+00:00"`),
			[]Node{{Name: "a", Type: NodeFIFO, ModTime: noon, AccessTime: noon, ChangeTime: noon.Add(1)}}},
		"link": {treeOf(`"name":"a","type":"symlink","linktarget":"b"`), []Node{{Name: "a", Type: NodeSymlink, LinkTarget: "b"}}},
		"raw link": {treeOf(`"name":"a","type":"symlink","linktarget_raw":"Yv8=","linktarget":"b\ufffd"`),
			[]Node{{Name: "a", Type: NodeSymlink, LinkTarget: "b\xff"}}},
		"xattr": {treeOf(plainNode + `,"extended_attributes":[{"name":"n","value":null},{"value":"AP8=","x":1,"name":"m"},{"name":"l"}]`),
			[]Node{{Name: "a", Type: NodeFIFO, Xattrs: []Xattr{{Name: "n"}, {Name: "m", Value: []byte{0, 0xff}}, {Name: "l"}}}}},
		"generic": {treeOf(plainNode + `,"generic_attributes": {"windows.x": [1, 2]} `),
			[]Node{{Name: "a", Type: NodeFIFO, GenericAttributes: []byte(`{"windows.x": [1, 2]}`)}}},
		"unsorted": {`{"nodes":[{"name":"b","type":"fifo"},{"name":"a","type":"fifo"}]}`, []Node{{Name: "b", Type: NodeFIFO}, {Name: "a", Type: NodeFIFO}}},
		"largest numbers": {treeOf(plainNode + `,"mode":4294967295,"uid":4294967295,"inode":18446744073709551615,"size":18446744073709551615`),
			[]Node{{Name: "a", Type: NodeFIFO, Mode: 4294967295, UID: 4294967295, Inode: 18446744073709551615, Size: 18446744073709551615}}},
	}
	for name, test := range tests {
		got, err := DecodeTree([]byte(test.json))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(&Tree{Nodes: test.want}, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

func TestDecodeTree_refuses(t *testing.T) {
	with := func(more string) string { return treeOf(plainNode + `,` + more) }
	testRefused(t, DecodeTree, map[string]refused{
		"nothing":           {``, "decode tree: byte 0: want '{'"},
		"no nodes":          {`{}`, "no nodes"},
		"nodes twice":       {`{"nodes":[],"nodes":[]}`, "key comes twice"},
		"nodes an object":   {`{"nodes":{}}`, "want '['"},
		"trailing":          {treeOf(plainNode) + "{", "data behind the end"},
		"no name":           {treeOf(`"type":"fifo"`), "without name or type"},
		"no type":           {treeOf(`"name":"a"`), "without name or type"},
		"null type":         {treeOf(`"name":"a","type":null`), "without name or type"},
		"name twice":        {with(`"name":"b"`), "key comes twice"},
		"name a number":     {treeOf(`"name":1,"type":"fifo"`), "want a string"},
		"single backslash":  {treeOf(`"name":"a\\","type":"fifo"`), `name "a\\" is not quoted`},
		"quote in name":     {treeOf(`"name":"a\"b","type":"fifo"`), "not quoted"},
		"newline in name":   {treeOf(`"name":"a\nb","type":"fifo"`), "not quoted"},
		"control character": {treeOf("\"name\":\"a\nb\",\"type\":\"fifo\""), "control character"},
		"the same, escaped": {treeOf("\"name\":\"\\u0041a\nb\",\"type\":\"fifo\""), "control character"},
		"escape":            {treeOf(`"name":"\x41","type":"fifo"`), "invalid escape"},
		"short escape":      {`{"nodes":[{"name":"\u00`, "invalid escape"},
		"escape at the end": {`{"nodes":[{"name":"a\`, "invalid escape"},
		"no hex":            {treeOf(`"name":"\u00g0","type":"fifo"`), "invalid escape"},
		"open string":       {`{"nodes":[{"name":"abc`, "string without end"},
		"open escaped":      {`{"nodes":[{"name":"\u0041bc`, "string without end"},
		"mode":              {with(`"mode":4294967296`), "whole number"},
		"size":              {with(`"size":-1`), "whole number"},
		"time":              {with(`"mtime":"2026-05-04"`), "byte"},
		"time a number":     {with(`"mtime":5`), "want a string"},
		"time's zone":       {with(`"mtime":"2026-05-04T12:00:00+25:00"`), "byte"},
		"raw target":        {with(`"linktarget_raw":"?"`), "illegal base64"},
		"xattr":             {with(`"extended_attributes":[{"value":""}]`), "extended attribute without name"},
		"xattr twice":       {with(`"extended_attributes":[{"name":"a","value":"","value":""}]`), "key comes twice"},
		"xattr value":       {with(`"extended_attributes":[{"name":"a","value":"A"}]`), "illegal base64"},
		"generic":           {with(`"generic_attributes":[]`), "want '{'"},
		"generic broken":    {with(`"generic_attributes":{"a":}`), "want a value"},
		"content":           {with(`"content":["a"]`), "1 characters"},
		"content null":      {with(`"content":[null]`), "want a string"},
		"subtree":           {with(`"subtree":""`), "0 characters"},
		"literal":           {with(`"x":nil`), "want null"},
		"literal true":      {with(`"x":tru`), "want true"},
		"literal false":     {with(`"x":f`), "want false"},
		"number":            {with(`"x":01`), "want ','"},
		"number minus":      {with(`"x":-`), "want a value"},
		"number point":      {with(`"x":1.`), "want a value"},
		"number exponent":   {with(`"x":1e+`), "want a value"},
		"value":             {with(`"x":,`), "want a value"},
	})
}

func TestDecodeTree_cut(t *testing.T) {
	for _, name := range goldenNames(t, "tree-*.json") {
		data := bytes.TrimSpace(golden(t, name))
		for i := 0; i < len(data); i += 1 + len(data)/2000 {
			if _, err := DecodeTree(data[:i]); err == nil {
				t.Fatalf("%s: no error for the first %d bytes", name, i)
			}
		}
	}
}

// A tree holds no part of the data, whose buffer is used again.
func TestDecodeTree_copies(t *testing.T) {
	tree := benchTree(3)
	tree.Nodes[0].GenericAttributes = []byte(`{"windows.x":1}`)
	tree.Nodes[1].Xattrs = []Xattr{{"user.a", []byte("value")}}
	data, err := tree.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeTree(data)
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	if diff := cmp.Diff(tree, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// The contents of nodes lie side by side in memory: appending to one must not
// change the next.
func TestDecodeTree_contentsAreApart(t *testing.T) {
	data, err := benchTree(600).Encode()
	if err != nil {
		t.Fatal(err)
	}
	tree, err := DecodeTree(data)
	if err != nil {
		t.Fatal(err)
	}
	for i := range tree.Nodes {
		_ = append(tree.Nodes[i].Content, ID{1})
	}
	if again, err := tree.Encode(); err != nil || !bytes.Equal(again, data) {
		t.Errorf("another tree, %v", err)
	}
}

func TestDecodeTree_largeContent(t *testing.T) {
	tree := benchTree(2)
	for i := range 1000 {
		tree.Nodes[0].Content = append(tree.Nodes[0].Content, Hash([]byte{byte(i), byte(i >> 8)}))
	}
	data, err := tree.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeTree(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tree, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// The smallest nodes and attributes that pass must not blow up.
func TestDecodeTree_memory(t *testing.T) {
	for name, data := range map[string]string{
		"nodes":  `{"nodes":[` + strings.Repeat(`{"name":"","type":"x"},`, 50_000) + `{"name":"","type":"x"}]}`,
		"xattrs": treeOf(plainNode + `,"extended_attributes":[` + strings.Repeat(`{"name":""},`, 50_000) + `{"name":""}]`),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := DecodeTree([]byte(data))
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := (after.TotalAlloc - before.TotalAlloc) / uint64(len(data)); n > 100 {
			t.Errorf("%s: took %d bytes for each byte", name, n)
		}
	}
}

func TestTree_refuses(t *testing.T) {
	id, null := Hash(nil), ID{}
	file := func(name string) Node { return Node{Name: name, Type: NodeFile, Content: []ID{}} }
	tests := map[string]struct {
		nodes []Node
		want  string
	}{
		"empty name":        {[]Node{file("")}, "name is not allowed"},
		"dot":               {[]Node{file(".")}, "name is not allowed"},
		"dots":              {[]Node{file("..")}, "name is not allowed"},
		"slash":             {[]Node{file("a/b")}, "slash or NUL"},
		"NUL":               {[]Node{file("a\x00b")}, "slash or NUL"},
		"unsorted":          {[]Node{file("b"), file("a")}, `node 1 "a": nodes are not sorted`},
		"twice":             {[]Node{file("a"), file("b"), file("b")}, `node 2 "b": name comes twice`},
		"sorted as quoted":  {[]Node{file(`\`), file("A")}, "not sorted"}, // 5c before 41
		"no type":           {[]Node{{Name: "a"}}, `unknown type ""`},
		"irregular":         {[]Node{{Name: "a", Type: "irregular"}}, `unknown type "irregular"`},
		"null content":      {[]Node{{Name: "a", Type: NodeFile, Content: []ID{id, null}}}, "null ID of content 1"},
		"content of a dir":  {[]Node{{Name: "a", Type: NodeDir, Subtree: &id, Content: []ID{id}}}, "dir with content"},
		"content of a fifo": {[]Node{{Name: "a", Type: NodeFIFO, Content: []ID{id}}}, "fifo with content"},
		"dir":               {[]Node{{Name: "a", Type: NodeDir}}, "dir without subtree"},
		"null subtree":      {[]Node{{Name: "a", Type: NodeDir, Subtree: &null}}, "null ID of subtree"},
		"subtree of a file": {[]Node{{Name: "a", Type: NodeFile, Content: []ID{}, Subtree: &id}}, "file with subtree"},
	}
	for name, test := range tests {
		tree := &Tree{Nodes: test.nodes}
		if err := tree.Check(); err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "check tree: ") {
			t.Errorf("%s: check: %v, want %q", name, err, test.want)
		}
		if data, err := tree.Encode(); data != nil || err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "encode tree: ") {
			t.Errorf("%s: encode: %q, %v, want %q", name, data, err, test.want)
		}
	}
}

// What Check lets pass and Encode does not, and the other way round.
func TestTree_writersRules(t *testing.T) {
	for name, test := range map[string]struct {
		node Node
		want string
	}{
		"target":        {Node{Name: "a", Type: NodeSymlink}, "symlink without target"},
		"xattr":         {Node{Name: "a", Type: NodeFIFO, Xattrs: []Xattr{{}}}, "extended attribute"},
		"xattr UTF-8":   {Node{Name: "a", Type: NodeFIFO, Xattrs: []Xattr{{Name: "a\xff"}}}, `extended attribute "a\xff"`},
		"year":          {Node{Name: "a", Type: NodeFIFO, ChangeTime: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, "year"},
		"year below":    {Node{Name: "a", Type: NodeFIFO, ModTime: time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)}, "year"},
		"zone":          {Node{Name: "a", Type: NodeFIFO, ModTime: time.Unix(0, 0).In(time.FixedZone("", 90000))}, "timezone"},
		"generic":       {Node{Name: "a", Type: NodeFIFO, GenericAttributes: []byte(`[]`)}, "no JSON object"},
		"generic wrong": {Node{Name: "a", Type: NodeFIFO, GenericAttributes: []byte(`{`)}, "generic attributes: "},
	} {
		tree := &Tree{Nodes: []Node{test.node}}
		if err := tree.Check(); err != nil {
			t.Errorf("%s: check: %v", name, err)
		}
		if _, err := tree.Encode(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: encode: %v, want %q", name, err, test.want)
		}
	}
	tree := &Tree{Nodes: []Node{{Name: "a", Type: NodeFile}}}
	if err := tree.Check(); err == nil || !strings.Contains(err.Error(), "file without content") {
		t.Errorf("check: %v", err)
	}
	if data, err := tree.Encode(); err != nil || !strings.Contains(string(data), `"content":[]}`) {
		t.Errorf("encode: %s, %v", data, err)
	}
}

func TestTreeEncode_golden(t *testing.T) {
	id := Hash([]byte("x"))
	noon := time.Date(2026, 5, 4, 12, 0, 0, 120_000_000, time.FixedZone("", -3*3600-1800))
	tree := &Tree{Nodes: []Node{
		{Name: "\"a\xff\u200d<&\u2028é", Type: NodeFile, Mode: 0o644, ModTime: noon, AccessTime: noon, ChangeTime: noon.UTC(), Size: 3, Content: []ID{id}},
		{Name: "b", Type: NodeDir, Mode: 1<<31 | 0o755, UID: 501, GID: 20, User: "mobile", Group: "staff", Subtree: &id, GenericAttributes: []byte(` {} `)[1:3]},
		{Name: "c", Type: NodeSymlink, LinkTarget: "<\xfe\u2029", Links: 1, Inode: 2, DeviceID: 3, Device: 4, Error: "e\b",
			Xattrs: []Xattr{{"user.x", nil}, {"user.y", []byte{0xff}}}},
	}}
	got, err := tree.Encode()
	want := `{"nodes":[` +
		`{"name":"\\\"a\\xff\\u200d\u003c\u0026\\u2028é","type":"file","mode":420,"mtime":"2026-05-04T12:00:00.12-03:30","atime":"2026-05-04T12:00:00.12-03:30",` +
		`"ctime":"2026-05-04T15:30:00.12Z","uid":0,"gid":0,"size":3,"content":["` + id.String() + `"]},` +
		`{"name":"b","type":"dir","mode":2147484141,"mtime":"0001-01-01T00:00:00Z","atime":"0001-01-01T00:00:00Z","ctime":"0001-01-01T00:00:00Z",` +
		`"uid":501,"gid":20,"user":"mobile","group":"staff","content":null,"subtree":"` + id.String() + `"},` +
		`{"name":"c","type":"symlink","mtime":"0001-01-01T00:00:00Z","atime":"0001-01-01T00:00:00Z","ctime":"0001-01-01T00:00:00Z",` +
		`"uid":0,"gid":0,"inode":2,"device_id":3,"links":1,"linktarget":"\u003c\ufffd\u2029","linktarget_raw":"PP7igKk=",` +
		`"extended_attributes":[{"name":"user.x","value":""},{"name":"user.y","value":"/w=="}],"device":4,"content":null,"error":"e\b"}]}` + "\n"
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
}

// Every byte and every pair of odd pieces, against encoding/json.
func TestAppendJSONString(t *testing.T) {
	texts := append([]string{""}, oddPieces...)
	for c := range 256 {
		texts = append(texts, string([]byte{byte(c)}), "x"+string([]byte{byte(c)})+"y")
	}
	for r := rune(0x2020); r < 0x2030; r++ {
		texts = append(texts, string(r))
	}
	for _, a := range oddPieces {
		for _, b := range oddPieces {
			texts = append(texts, a+b)
		}
	}
	for _, text := range texts {
		want, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendJSONString(nil, text); string(got) != string(want) {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
		var back string
		if err := json.Unmarshal(want, &back); err != nil {
			t.Fatal(err)
		}
		s := scanner{data: want}
		if got := string(s.string()); got != back || s.end() != nil {
			t.Errorf("%q: read back %q, want %q: %v", text, got, back, s.err)
		}
	}
}
