package main

import (
	"os"
	"testing"
)

func TestThirdPartyIsCurrent(t *testing.T) {
	t.Chdir("../..")
	want, err := document()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("THIRD_PARTY.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("THIRD_PARTY.md does not list what the binary links\nrun: make third-party")
	}
}
