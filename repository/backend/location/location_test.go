package location

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// flat is a location as one line, for comparisons: its password revealed.
func flat(l Location) string {
	return fmt.Sprintf("%s host=%s port=%s user=%s path=%s bucket=%s remote=%s insecure=%v password=%s",
		l.Kind, l.Host, l.Port, l.User, l.Path, l.Bucket, l.Remote, l.Insecure, l.Password.Reveal())
}

var good = []struct {
	in   string
	want Location
	text string // what String says; "" is in
}{
	{"/disk/phone", Location{Kind: Local, Path: "/disk/phone"}, ""},
	{"phone", Location{Kind: Local, Path: "phone"}, ""},
	{"../a b/2024:01", Location{Kind: Local, Path: "../a b/2024:01"}, ""},
	{`C:\Backups\phone`, Location{Kind: Local, Path: `C:\Backups\phone`}, ""},
	{"c:/phone", Location{Kind: Local, Path: "c:/phone"}, ""},
	{`\\nas\share\phone`, Location{Kind: Local, Path: `\\nas\share\phone`}, ""},
	{"My Disk:x", Location{Kind: Local, Path: "My Disk:x"}, ""},
	{"local:/disk/phone", Location{Kind: Local, Path: "/disk/phone"}, "/disk/phone"},
	{"local:s3:x", Location{Kind: Local, Path: "s3:x"}, ""},
	{`local:C:\phone`, Location{Kind: Local, Path: `C:\phone`}, `C:\phone`},

	{"s3:https://nas.local:9000/backups/anna", Location{Kind: S3, Host: "nas.local:9000", Bucket: "backups", Path: "anna"}, ""},
	{"s3:http://127.0.0.1:9000/b", Location{Kind: S3, Host: "127.0.0.1:9000", Bucket: "b", Insecure: true}, ""},
	{"s3:s3.amazonaws.com/bucket", Location{Kind: S3, Host: "s3.amazonaws.com", Bucket: "bucket"}, "s3:https://s3.amazonaws.com/bucket"},
	{"s3://s3.amazonaws.com/bucket/a/b/", Location{Kind: S3, Host: "s3.amazonaws.com", Bucket: "bucket", Path: "a/b"}, "s3:https://s3.amazonaws.com/bucket/a/b"},
	{"s3:https://[::1]:9000/b//a", Location{Kind: S3, Host: "[::1]:9000", Bucket: "b", Path: "a"}, "s3:https://[::1]:9000/b/a"},
	{"s3:https://h/b/a%20b%3F", Location{Kind: S3, Host: "h", Bucket: "b", Path: "a b?"}, ""},
	{"s3:h/b/a b?%20", Location{Kind: S3, Host: "h", Bucket: "b", Path: "a b?%20"}, "s3:https://h/b/a%20b%3F%2520"},

	{"sftp:anna@nas:/srv/phone", Location{Kind: SFTP, User: "anna", Host: "nas", Path: "/srv/phone"}, ""},
	{"sftp:nas:phone/", Location{Kind: SFTP, Host: "nas", Path: "phone"}, "sftp:nas:phone"},
	{"sftp:anna@example.org@nas:a:b", Location{Kind: SFTP, User: "anna@example.org", Host: "nas", Path: "a:b"}, ""},
	{"sftp:anna@[fe80::1]:/srv", Location{Kind: SFTP, User: "anna", Host: "fe80::1", Path: "/srv"}, ""},
	{"sftp:[fe80::1%eth0]:srv", Location{Kind: SFTP, Host: "fe80::1%eth0", Path: "srv"}, ""},
	{"sftp://[fe80::1%25eth0]:22/srv", Location{Kind: SFTP, Host: "fe80::1%eth0", Port: "22", Path: "srv"}, ""},
	{"sftp:[::1]:srv", Location{Kind: SFTP, Host: "::1", Path: "srv"}, ""},
	{"sftp://anna@nas:2222//srv/phone", Location{Kind: SFTP, User: "anna", Host: "nas", Port: "2222", Path: "/srv/phone"}, ""},
	{"sftp://anna@nas:2222/phone", Location{Kind: SFTP, User: "anna", Host: "nas", Port: "2222", Path: "phone"}, ""},
	{"sftp://nas//srv", Location{Kind: SFTP, Host: "nas", Path: "/srv"}, "sftp:nas:/srv"},
	{"sftp://[::1]:22/a%20b", Location{Kind: SFTP, Host: "::1", Port: "22", Path: "a b"}, ""},

	{"rest:https://anna:geheim@nas:8000/anna/", Location{Kind: REST, Host: "nas:8000", User: "anna", Path: "/anna/"}, "rest:https://anna:***@nas:8000/anna/"},
	{"rest:http://nas:8000", Location{Kind: REST, Host: "nas:8000", Path: "/", Insecure: true}, "rest:http://nas:8000/"},
	{"rest:https://anna@nas/a/b", Location{Kind: REST, Host: "nas", User: "anna", Path: "/a/b/"}, "rest:https://anna@nas/a/b/"},
	{"rest:https://a%40b:geheim@nas/", Location{Kind: REST, Host: "nas", User: "a@b", Path: "/"}, "rest:https://a%40b:***@nas/"},
	{"rest:https://:geheim@nas/", Location{Kind: REST, Host: "nas", Path: "/"}, "rest:https://:***@nas/"},

	{"rclone:drive:backups/phone", Location{Kind: Rclone, Remote: "drive:backups/phone"}, ""},
	{"rclone:drive:", Location{Kind: Rclone, Remote: "drive:"}, ""},
	{"rclone::sftp,host=nas,pass=geheim:phone", Location{Kind: Rclone, Remote: ":sftp,host=nas,pass=geheim:phone"}, "rclone::sftp,…:phone"},
}

func TestParse(t *testing.T) {
	for _, c := range good {
		got, err := Parse(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if strings.HasPrefix(c.in, "rest:") && strings.Contains(c.in, "geheim") {
			if got.Password.Reveal() != "geheim" {
				t.Errorf("%s: the password is %q", c.in, got.Password.Reveal())
			}
			c.want.Password = got.Password
		}
		if flat(got) != flat(c.want) {
			t.Errorf("%s: got\n%s, want\n%s", c.in, flat(got), flat(c.want))
		}
		text := c.text
		if text == "" {
			text = c.in
		}
		if got.String() != text {
			t.Errorf("%s: String is %s, want %s", c.in, got, text)
		}
		for _, verb := range []string{"%v", "%+v", "%s", "%q"} {
			if strings.Contains(fmt.Sprintf(verb, got), "geheim") {
				t.Errorf("%s: printed with %s it shows the password", c.in, verb)
			}
		}
	}
}

var bad = []struct{ in, says string }{
	{"", "no folder"},
	{"local:", "no folder"},
	{"a\x00b", "null byte"},
	{"https://geheim@host/path", "rest:https"},
	{"ssh:geheim@host", "sftp:"},
	{"b2:geheim:path", "rclone:"},
	{"foo:geheim", "local:foo"},
	{"s3:", "s3:https://host"},
	{"s3:host", "no bucket"},
	{"s3:https://host", "no bucket"},
	{"s3:https://host/", "no bucket"},
	{"s3:https:///bucket", "no host"},
	{"s3:/bucket", "s3:https"},
	{"s3:https://key:geheim@host/bucket", "environment"},
	{"s3:key:geheim@host/bucket", "environment"},
	{"s3:https://host/bucket?geheim=1", "%3F"},
	{"s3:https://host/bucket/../geheim", ".."},
	{"s3:host/bucket/./geheim", `"."`},
	{"s3:https://host/bucket/\x01geheim", "no URL"},
	{"s3:ho st/bucket", "s3:https"},
	{"s3:host:geheim/bucket", "s3:https"},
	{"s3:host/bucket/a\nb", "control"},
	{"sftp:", "sftp:user@host:path"},
	{"sftp:host", "sftp:user@host:path"},
	{"sftp:host:", "no folder"},
	{"sftp:@host:path", "no user"},
	{"sftp:user@:path", "no host"},
	{"sftp:-oProxyCommand=geheim:path", "characters"},
	{"sftp:user@-oProxyCommand=geheim:path", "characters"},
	{"sftp:-l@host:path", "characters"},
	{"sftp:us er@host:path", "characters"},
	{"sftp:host:~/path", "~"},
	{"sftp://host", "no folder"},
	{"sftp://host/", "no folder"},
	{"sftp://user:geheim@host/path", "password"},
	{"sftp://host:geheim/path", "no URL"},
	{"sftp://-oProxyCommand=x/path", "characters"},
	{"sftp:[geheim]:path", "brackets"},
	{"sftp:x[::1]:path", "brackets"},
	{"sftp://::/0", "characters"},
	{"sftp://us%3Aer@host/geheim", "characters"},
	{"sftp:host:a\x01", "control"},
	{"rest:host/path", "no host"},
	{"rest:", "no host"},
	{"rest:ftp://user:geheim@host/", "rest:https"},
	{"rest:https://user:geheim@host:port/", "no URL"},
	{"rest:https://user:gehe im@host/", "no URL"},
	{"rest:https://user:geheim@/", "no host"},
	{"rest:https://host/#geheim", "%23"},
	{"rest:https://host/a/../b", ".."},
	{"rclone:", "remote:path"},
	{"rclone:geheim", "remote:path"},
	{"rclone:-x:geheim", "remote:path"},
	{"rclone:a:b\n", "remote:path"},
}

func TestParse_refuses(t *testing.T) {
	for _, c := range bad {
		l, err := Parse(c.in)
		if err == nil {
			t.Errorf("%q: got %s", c.in, flat(l))
			continue
		}
		if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %q does not say %q", c.in, err, c.says)
		}
		if strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: the error repeats it: %v", c.in, err)
		}
	}
}

func TestJoin(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"/disk", filepath.FromSlash("/disk/00008110-ABC")},
		{"s3:https://h/bucket", "s3:https://h/bucket/00008110-ABC"},
		{"s3:https://h/bucket/family", "s3:https://h/bucket/family/00008110-ABC"},
		{"sftp:nas:/srv", "sftp:nas:/srv/00008110-ABC"},
		{"sftp:nas:.", "sftp:nas:00008110-ABC"},
		{"rest:https://u:p@h/", "rest:https://u:***@h/00008110-ABC/"},
		{"rest:https://h/a", "rest:https://h/a/00008110-ABC/"},
		{"rclone:drive:", "rclone:drive:00008110-ABC"},
		{"rclone:drive:/", "rclone:drive:/00008110-ABC"},
		{"rclone:drive:family", "rclone:drive:family/00008110-ABC"},
	} {
		l, err := Parse(c.in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.Join("00008110-ABC")
		if err != nil || got.String() != c.want {
			t.Errorf("%s: got %v, %v; want %s", c.in, got, err, c.want)
		}
		if again, err := Parse(got.String()); err != nil || again.String() != c.want {
			t.Errorf("%s, joined: parsed again it is %v, %v", c.in, again, err)
		}
		for _, name := range []string{"", ".", "..", "a/b", `a\b`, "C:", "a\x00"} {
			if got, err := l.Join(name); err == nil {
				t.Errorf("join %q to %s: got %v", name, c.in, got)
			}
		}
	}
}

// FuzzParse: what is parsed prints as an address that is parsed to the same, and
// no password is ever in it.
func FuzzParse(f *testing.F) {
	for _, c := range good {
		f.Add(c.in)
	}
	for _, c := range bad {
		f.Add(c.in)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := Parse(s)
		if err != nil {
			return
		}
		text := l.String()
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("%q is printed as %q, which is refused: %v", s, text, err)
		}
		if again.String() != text {
			t.Fatalf("%q is printed as %q and then as %q", s, text, again)
		}
		if l.Kind == Rclone {
			return // what it hides stays hidden
		}
		if !l.Password.IsZero() {
			if again.Password.Reveal() != "***" {
				t.Fatalf("%q is printed as %q: the password is %q", s, text, again.Password.Reveal())
			}
			again.Password = l.Password
		}
		if flat(again) != flat(l) {
			t.Fatalf("%q is\n%s, and printed and parsed\n%s", s, flat(l), flat(again))
		}
	})
}
