package seal

import (
	"bytes"
	"testing"
)

func TestSealOpens(t *testing.T) {
	k, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	p := bytes.Repeat([]byte("keepsake"), 100_000)
	s := k.Seal(nil, p)
	got, err := k.Open(nil, s)
	if err != nil || !bytes.Equal(got, p) {
		t.Fatal(err)
	}
}
