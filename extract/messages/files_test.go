package messages_test

import (
	"bytes"
	"context"
	"io"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/messages"
)

var _ extract.Filer = messages.New()

func TestFiles(t *testing.T) {
	src := extracttest.Source(t, made(t))
	var got []string
	texts := map[string]string{}
	err := messages.New().Files(t.Context(), src, func(f extract.File) error {
		name := path.Join(f.Path...)
		got = append(got, name+" "+f.Origin)
		if f.Make == nil {
			return nil
		}
		var first, second bytes.Buffer
		for _, b := range []io.Writer{&first, &second} {
			if err := f.Make(t.Context(), b); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("%s is not the same twice", name)
		}
		texts[name] = first.String()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	if want := []string{"+1 (202) 555-0101/messages.txt ", "In no conversation/messages.txt ", "The lake house/a.jpg MediaDomain/Library/SMS/Attachments/aa/01/G/a.jpg", "The lake house/messages.txt "}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for name, want := range map[string]string{"The lake house/messages.txt": "    [photo: a.jpg]\n    look\n", "+1 (202) 555-0101/messages.txt": "    > mine\n    yes\n"} {
		if !strings.Contains(texts[name], want) {
			t.Errorf("%s:\n%s", name, texts[name])
		}
	}
	if err := messages.New().Files(t.Context(), src, func(extract.File) error { return extract.ErrStop }); err != nil {
		t.Errorf("stop: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := messages.New().Files(ctx, src, func(extract.File) error { return nil }); err == nil {
		t.Error("no error of a cancelled context")
	}
}
