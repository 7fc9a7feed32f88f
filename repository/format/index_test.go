package format

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// benchIndex is the JSON of an index with that many blobs, 400 in a pack.
func benchIndex(blobs int) []byte {
	r := rand.New(rand.NewPCG(5, 6))
	var packs []PackBlobs
	for done := 0; done < blobs; {
		p := PackBlobs{Pack: randomID(r)}
		var offset uint32
		for range min(400, blobs-done) {
			length := 32 + r.Uint32N(80_000)
			p.Blobs = append(p.Blobs, Blob{BlobHandle{randomID(r), DataBlob}, offset, length, length * 2})
			offset += length
			done++
		}
		packs = append(packs, p)
	}
	return AppendIndex(nil, packs)
}

func BenchmarkScanIndex(b *testing.B) {
	const blobs = 100_000
	json := benchIndex(blobs)
	b.SetBytes(int64(len(json)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if err := ScanIndex(json, func(_ ID, blobs []Blob) error { n += len(blobs); return nil }); err != nil || n != blobs {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/blobs, "ns/blob")
}

func BenchmarkAppendIndex(b *testing.B) {
	json := benchIndex(50_000)
	var packs []PackBlobs
	if err := ScanIndex(json, func(p ID, blobs []Blob) error {
		packs = append(packs, PackBlobs{p, append([]Blob(nil), blobs...)})
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(json)))
	for b.Loop() {
		json = AppendIndex(json[:0], packs)
	}
}

const (
	digitsA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digitsB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// indexOf is an index with one pack and one blob; blob are its fields.
func indexOf(blob string) string {
	return `{"packs":[{"id":"` + digitsA + `","blobs":[{` + blob + `}]}]}`
}

const plainBlob = `"id":"` + digitsB + `","type":"data","offset":0,"length":100`

func TestAppendIndex(t *testing.T) {
	a, b := Hash([]byte("a")), Hash([]byte("b"))
	got := AppendIndex(nil, []PackBlobs{
		{a, []Blob{{BlobHandle{a, DataBlob}, 0, 100, 300}, {BlobHandle{b, DataBlob}, 100, 4294967195, 0}}},
		{b, []Blob{{BlobHandle{b, TreeBlob}, 0, 32, 0}}},
		{ID{}, nil},
	})
	want := `{"packs":[{"id":"` + a.String() + `","blobs":[` +
		`{"id":"` + a.String() + `","type":"data","offset":0,"length":100,"uncompressed_length":300},` +
		`{"id":"` + b.String() + `","type":"data","offset":100,"length":4294967195}]},` +
		`{"id":"` + b.String() + `","blobs":[{"id":"` + b.String() + `","type":"tree","offset":0,"length":32}]},` +
		`{"id":"` + ID{}.String() + `","blobs":[]}]}`
	if string(got) != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if again := AppendIndex(nil, collectIndex(t, got)); string(again) != want {
		t.Errorf("again %s\nwant %s", again, want)
	}
}

func TestScanIndex_accepts(t *testing.T) {
	id := bytes.Repeat([]byte{0xbb}, 32)
	blob := Blob{BlobHandle{ID(id), DataBlob}, 0, 100, 0}
	compressed := blob
	compressed.UncompressedLength = 7
	tests := map[string]struct {
		json string
		want []Blob
	}{
		"no packs":       {`{"packs":[]}`, nil},
		"null packs":     {`{"packs":null}`, nil},
		"no blobs":       {`{"packs":[{"id":"` + digitsA + `","blobs":[]}]}`, nil},
		"plain":          {indexOf(plainBlob), []Blob{blob}},
		"compressed":     {indexOf(plainBlob + `,"uncompressed_length":7`), []Blob{compressed}},
		"zero":           {indexOf(plainBlob + `,"uncompressed_length":0`), []Blob{blob}},
		"white space":    {" \t\r\n" + strings.ReplaceAll(strings.ReplaceAll(indexOf(plainBlob), ":", " : "), ",", "\n,\t") + " \n", []Blob{blob}},
		"order":          {`{"packs":[{"blobs":[{"length":100,"offset":0,"type":"data","id":"` + digitsB + `"}],"id":"` + digitsA + `"}]}`, []Blob{blob}},
		"unknown fields": {indexOf(`"x":[{"id":[1,-2.5e+3,true,false,null,"\u00e9\n"]},{}],"id":"` + digitsB + `","type":"data","offset":0,"length":100,"y":{}`), []Blob{blob}},
		"escapes":        {indexOf(`"\u0069d":"\u0062` + digitsB[1:] + `","type":"d\u0061t\u0061","offset":0,"length":100`), []Blob{blob}},
		"rustic": {`{"supersedes":["` + digitsB + `"],"packs":[{"id":"` + digitsA + `","blobs":[{` + plainBlob + `}],"time":"2026-05-04T12:00:00+02:00","size":204}],` +
			`"packs_to_delete":[{"id":"` + digitsB + `","blobs":[{` + plainBlob + `}],"time":"2026-05-04T12:00:00+02:00"}]}`, []Blob{blob}},
		"end at 4 GiB": {indexOf(`"id":"` + digitsB + `","type":"data","offset":4294967195,"length":100`), []Blob{{blob.BlobHandle, 4294967195, 100, 0}}},
	}
	for name, test := range tests {
		packs, err := scanAll([]byte(test.json))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []Blob
		for _, p := range packs {
			if p.Pack.String() != digitsA {
				t.Errorf("%s: pack %v", name, p.Pack)
			}
			got = append(got, p.Blobs...)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

func TestScanIndex_refuses(t *testing.T) {
	with := func(old, new string) string { return indexOf(strings.Replace(plainBlob, old, new, 1)) }
	good := indexOf(plainBlob)
	tests := map[string]struct{ json, want string }{
		"nothing":         {``, `byte 0: want '{'`},
		"list":            {`[]`, `byte 0: want '{'`},
		"no packs":        {`{}`, `no packs`},
		"packs twice":     {`{"packs":[],"packs":[]}`, `key comes twice`},
		"packs a number":  {`{"packs":5}`, `want '['`},
		"packs a word":    {`{"packs":nothing}`, `want null`},
		"trailing":        {good + `x`, `data behind the end`},
		"two values":      {good + good, `data behind the end`},
		"trailing comma":  {`{"packs":[],}`, `want a string`},
		"no comma":        {`{"packs":[]"x":1}`, `want ',' or '}'`},
		"no colon":        {`{"packs"[]}`, `want ':'`},
		"pack without ID": {`{"packs":[{"blobs":[]}]}`, `pack without ID or blobs`},
		"pack no blobs":   {`{"packs":[{"id":"` + digitsA + `"}]}`, `pack without ID or blobs`},
		"pack ID twice":   {`{"packs":[{"id":"` + digitsA + `","id":"` + digitsA + `","blobs":[]}]}`, `key comes twice`},
		"pack ID null":    {`{"packs":[{"id":null,"blobs":[]}]}`, `want a string`},
		"blob no ID":      {indexOf(`"type":"data","offset":0,"length":100`), `blob without`},
		"blob no type":    {with(`"type":"data",`, ``), `blob without`},
		"blob no offset":  {with(`"offset":0,`, ``), `blob without`},
		"blob no length":  {with(`,"length":100`, ``), `blob without`},
		"twice":           {with(`"offset":0`, `"offset":0,"offset":1`), `key comes twice`},
		"type":            {with(`"data"`, `"snow"`), `unknown blob type "snow"`},
		"long type":       {with(`"data"`, `"`+strings.Repeat("x", 500)+`"`), `unknown blob type "xxx`},
		"short":           {with(`100`, `31`), `blob of 31 bytes`},
		"overflow":        {with(`"offset":0`, `"offset":4294967196`), `blob of 100 bytes at 4294967196`},
		"offset 33 bits":  {with(`"offset":0`, `"offset":4294967296`), `whole number up to 4294967295`},
		"offset 65 bits":  {with(`"offset":0`, `"offset":18446744073709551616`), `whole number`},
		"plain 33 bits":   {indexOf(plainBlob + `,"uncompressed_length":4294967296`), `whole number`},
		"plain missing":   {indexOf(plainBlob + `,"uncompressed_length":`), `whole number`},
		"length missing":  {with(`100`, ``), `whole number`},
		"negative":        {with(`100`, `-100`), `whole number`},
		"fraction":        {with(`100`, `100.0`), `whole number`},
		"exponent":        {with(`100`, `1E2`), `whole number`},
		"leading zero":    {with(`100`, `0100`), `whole number`},
		"string number":   {with(`100`, `"100"`), `whole number`},
		"upper case":      {strings.ToUpper(digitsB) + with(digitsB, strings.ToUpper(digitsB)), `want '{'`},
		"ID upper case":   {with(digitsB, strings.ToUpper(digitsB)), `lower-case`},
		"ID short":        {with(digitsB, digitsB[1:]), `63 characters`},
		"ID long":         {with(digitsB, digitsB+"b"), `65 characters`},
		"deep":            {`{"x":` + strings.Repeat(`[`, 100_000), `nested too deeply`},
		"deep objects":    {`{"x":` + strings.Repeat(`{"":`, 100_000), `nested too deeply`},
	}
	for name, test := range tests {
		_, err := scanAll([]byte(test.json))
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "scan index: ") {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		} else if len(err.Error()) > 200 {
			t.Errorf("%s: error of %d bytes", name, len(err.Error()))
		}
	}
}

// Wherever the JSON ends, there must be an error.
func TestScanIndex_cut(t *testing.T) {
	json := `{"supersedes":[1.5e3,"\u00e9",true,false],` + indexOf(plainBlob + `,"uncompressed_length":7`)[1:]
	if _, err := scanAll([]byte(json)); err != nil {
		t.Fatal(err)
	}
	for i := range len(json) {
		if _, err := scanAll([]byte(json[:i])); err == nil {
			t.Errorf("no error for %s", json[:i])
		}
	}
}

func TestScanIndex_errorOfCallback(t *testing.T) {
	stop := errors.New("enough")
	calls := 0
	err := ScanIndex(benchIndex(1000), func(ID, []Blob) error { calls++; return stop })
	if err != stop || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

func TestScanIndex_allocates(t *testing.T) {
	json := benchIndex(20_000)
	if n := testing.AllocsPerRun(5, func() {
		if err := ScanIndex(json, func(ID, []Blob) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}); n > 30 {
		t.Errorf("%v allocations for 50 packs", n)
	}
}
