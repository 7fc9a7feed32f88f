package autostart

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

var update = flag.Bool("update", false, "write the golden files")

var nasty = []string{"serve", "--data", `/home/anna/My "Backups" 100%`, `$HOME`, `a\b`, `tail\`, "", "ü&<x>'"}

func systems() map[string]Options {
	return map[string]Options{
		"linux":   {System: "linux", Executable: "/usr/local/bin/keepsake", Name: "keepsake", Home: "/home/anna", UserID: "1000", User: "anna", Args: nasty},
		"darwin":  {System: "darwin", Executable: "/Applications/keepsake", Name: "keepsake", Home: "/Users/anna", UserID: "501", User: "anna", Args: nasty},
		"windows": {System: "windows", Executable: `C:\Program Files\Keepsake\keepsake.exe`, Name: "keepsake", Home: `C:\Users\Anna`, UserID: "S-1-5", User: `PC\Anna`, Args: nasty},
	}
}

// The whole of every plan, on every system.
func TestMake_golden(t *testing.T) {
	for name, o := range systems() {
		t.Run(name, func(t *testing.T) {
			p, err := Make(o)
			if err != nil {
				t.Fatal(err)
			}
			data := string(p.Data)
			if name == "windows" {
				data = strings.ReplaceAll(fromUTF16(t, p.Data), "\r\n", "\n")
			}
			var b strings.Builder
			b.WriteString("file: " + p.File + "\n")
			for what, commands := range map[string][]Command{"install": p.Install} {
				for _, c := range commands {
					b.WriteString(what + ": " + line(c) + "\n")
				}
			}
			for _, c := range p.Uninstall {
				b.WriteString("uninstall: " + line(c) + "\n")
			}
			for _, c := range p.Afterwards {
				b.WriteString("afterwards: " + line(c) + "\n")
			}
			b.WriteString("status: " + strings.Join(p.Status, " ") + "\n\n" + data)
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(strings.ReplaceAll(string(want), "\r\n", "\n"), b.String()); d != "" {
				t.Errorf("plan (-want +got), -update writes it anew:\n%s", d)
			}
		})
	}
}

func line(c Command) string {
	if c.MayFail {
		return "-" + strings.Join(c.Argv, " ")
	}
	return strings.Join(c.Argv, " ")
}

func fromUTF16(t *testing.T, b []byte) string {
	t.Helper()
	if !bytes.HasPrefix(b, []byte{0xFF, 0xFE}) || len(b)%2 != 0 {
		t.Fatal("not UTF-16, little-endian, with its mark")
	}
	units := make([]uint16, 0, len(b)/2)
	for b = b[2:]; len(b) > 0; b = b[2:] {
		units = append(units, binary.LittleEndian.Uint16(b))
	}
	return string(utf16.Decode(units))
}

// What the systems read is what was meant.
func TestMake_argumentsSurvive(t *testing.T) {
	all := systems()
	t.Run("darwin", func(t *testing.T) {
		p, err := Make(all["darwin"])
		if err != nil {
			t.Fatal(err)
		}
		var a struct{ ProgramArguments []string }
		if err := plist.Unmarshal(p.Data, &a); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(append([]string{all["darwin"].Executable}, nasty...), a.ProgramArguments); d != "" {
			t.Error(d)
		}
	})
	t.Run("windows", func(t *testing.T) {
		p, err := Make(all["windows"])
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Command string `xml:"Actions>Exec>Command"`
			Args    string `xml:"Actions>Exec>Arguments"`
			RunAs   string `xml:"Principals>Principal>RunLevel"`
		}
		text := strings.Replace(fromUTF16(t, p.Data), `encoding="UTF-16"`, `encoding="UTF-8"`, 1)
		if err := xml.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		if got.Command != all["windows"].Executable || got.RunAs != "LeastPrivilege" {
			t.Errorf("%+v", got)
		}
		if d := cmp.Diff(nasty, windowsWords(got.Args)); d != "" {
			t.Error(d)
		}
	})
	t.Run("linux", func(t *testing.T) {
		p, err := Make(all["linux"])
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(p.Data), "ExecStart=")
		command, _, _ := strings.Cut(rest, "\n")
		if d := cmp.Diff(append([]string{all["linux"].Executable}, nasty...), systemdWords(command)); d != "" {
			t.Error(d)
		}
	})
}

func TestMake_refuses(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"relative program": func(o *Options) { o.Executable = "keepsake" },
		"relative home":    func(o *Options) { o.Home = "anna" },
		"name with slash":  func(o *Options) { o.Name = "../x" },
		"name with spaces": func(o *Options) { o.Name = "a b" },
		"new line":         func(o *Options) { o.Args = []string{"x\nExecStartPre=/bin/sh"} },
		"nul":              func(o *Options) { o.Args = []string{"\x00"} },
		"no UTF-8":         func(o *Options) { o.Args = []string{"\xff"} },
	} {
		for system, o := range systems() {
			change(&o)
			if _, err := Make(o); err == nil {
				t.Errorf("%s on %s: no error", name, system)
			}
		}
	}
	o := systems()["linux"]
	o.System = "plan9"
	if _, err := Make(o); !errors.Is(err, ErrUnsupported) {
		t.Errorf("plan9: %v", err)
	}
}

func FuzzWindowsWord(f *testing.F) {
	for _, s := range nasty {
		f.Add(s, "x")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.ContainsRune(a+b, 0) || !isUTF8(a) || !isUTF8(b) {
			return
		}
		if d := cmp.Diff([]string{a, b}, windowsWords(windowsWord(a)+" "+windowsWord(b))); d != "" {
			t.Error(d)
		}
	})
}

// windowsWords takes a command line apart as CommandLineToArgvW does.
func windowsWords(s string) (words []string) {
	for s = strings.TrimLeft(s, " \t"); s != ""; s = strings.TrimLeft(s, " \t") {
		var w strings.Builder
		quoted := false
		for s != "" && (quoted || s[0] != ' ' && s[0] != '\t') {
			n := len(s) - len(strings.TrimLeft(s, `\`))
			switch {
			case n > 0 && strings.HasPrefix(s[n:], `"`):
				w.WriteString(strings.Repeat(`\`, n/2))
				s = s[n:]
				if n%2 == 1 {
					w.WriteByte('"')
					s = s[1:]
				}
			case n > 0:
				w.WriteString(s[:n])
				s = s[n:]
			case s[0] == '"':
				quoted, s = !quoted, s[1:]
			default:
				w.WriteByte(s[0])
				s = s[1:]
			}
		}
		words = append(words, w.String())
	}
	return words
}

// systemdWords takes a command line apart as systemd.syntax(7) and
// systemd.service(5) say.
func systemdWords(s string) (words []string) {
	for s = strings.TrimLeft(s, " "); s != ""; s = strings.TrimLeft(s, " ") {
		var w strings.Builder
		quote := byte(0)
		for s != "" && (quote != 0 || s[0] != ' ') {
			c := s[0]
			s = s[1:]
			switch {
			case c == '\\':
				w.WriteByte(s[0])
				s = s[1:]
			case c == quote:
				quote = 0
			case quote == 0 && (c == '"' || c == '\''):
				quote = c
			case (c == '%' || c == '$') && s != "" && s[0] == c:
				w.WriteByte(c)
				s = s[1:]
			case c == '%' || c == '$':
				w.WriteString("EXPANDED")
			default:
				w.WriteByte(c)
			}
		}
		words = append(words, w.String())
	}
	return words
}
