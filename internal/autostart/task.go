package autostart

import (
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"strings"
	"unicode/utf16"
)

// task is a task of Windows' Task Scheduler, schema 1.2 ([MS-TSCH] 2.5).
type task struct {
	XMLName     xml.Name `xml:"http://schemas.microsoft.com/windows/2004/02/mit/task Task"`
	Version     string   `xml:"version,attr"`
	Description string   `xml:"RegistrationInfo>Description"`
	Trigger     struct {
		Enabled bool
		UserId  string
	} `xml:"Triggers>LogonTrigger"`
	Principal struct {
		ID        string `xml:"id,attr"`
		UserId    string
		LogonType string
		RunLevel  string
	} `xml:"Principals>Principal"`
	Settings struct {
		MultipleInstancesPolicy    string
		DisallowStartIfOnBatteries bool
		StopIfGoingOnBatteries     bool
		AllowHardTerminate         bool
		StartWhenAvailable         bool
		RestartOnFailure           struct {
			Interval string
			Count    int
		}
		ExecutionTimeLimit string
		Priority           int
	}
	Actions struct {
		Context string `xml:"Context,attr"`
		Command string `xml:"Exec>Command"`
		Args    string `xml:"Exec>Arguments,omitempty"`
	}
}

func taskPlan(o Options) (Plan, error) {
	var t task
	t.Version, t.Description = "1.2", "Keepsake: backups of the phones in this household"
	t.Trigger.Enabled, t.Trigger.UserId = true, o.User
	t.Principal.ID, t.Principal.UserId, t.Principal.LogonType, t.Principal.RunLevel = "Author", o.User, "InteractiveToken", "LeastPrivilege"
	s := &t.Settings
	s.MultipleInstancesPolicy, s.AllowHardTerminate, s.StartWhenAvailable = "IgnoreNew", true, true
	s.RestartOnFailure.Interval, s.RestartOnFailure.Count = "PT1M", 255
	s.ExecutionTimeLimit, s.Priority = "PT0S", 7 // no limit; below what the user does
	t.Actions.Context, t.Actions.Command = "Author", o.Executable
	var words []string
	for _, a := range o.Args {
		words = append(words, windowsWord(a))
	}
	t.Actions.Args = strings.Join(words, " ")
	body, err := xml.MarshalIndent(t, "", "  ")
	if err != nil {
		return Plan{}, fmt.Errorf("plan autostart: %w", err)
	}
	text := "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\n" + string(body) + "\n"
	file := strings.TrimRight(o.Home, `\`) + `\AppData\Local\` + o.Name + `\autostart.xml`
	name := `\` + o.Name
	return Plan{
		File: file,
		Data: utf16le(strings.ReplaceAll(text, "\n", "\r\n")),
		Install: []Command{
			{Argv: []string{"schtasks", "/End", "/TN", name}, MayFail: true},
			{Argv: []string{"schtasks", "/Create", "/F", "/TN", name, "/XML", file}},
			{Argv: []string{"schtasks", "/Run", "/TN", name}},
		},
		Uninstall: []Command{
			{Argv: []string{"schtasks", "/End", "/TN", name}, MayFail: true},
			{Argv: []string{"schtasks", "/Delete", "/F", "/TN", name}, MayFail: true},
		},
		Status: []string{"schtasks", "/Query", "/FO", "LIST", "/TN", name},
		Runs:   func(out string) bool { return strings.Contains(out, "Running") },
		Hint:   "it runs while you are signed in; a computer that sleeps backs nothing up",
	}, nil
}

// windowsWord quotes a word as CommandLineToArgvW takes it apart again: backslashes
// are doubled where a quotation mark follows, and only there.
func windowsWord(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\"") {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	slashes := 0
	for _, r := range s {
		switch r {
		case '\\':
			slashes++
		case '"':
			b.WriteString(strings.Repeat(`\`, slashes+1))
			slashes = 0
		default:
			slashes = 0
		}
		b.WriteRune(r)
	}
	b.WriteString(strings.Repeat(`\`, slashes))
	b.WriteByte('"')
	return b.String()
}

// utf16le is text in the encoding that schtasks reads, with its mark in front.
func utf16le(text string) []byte {
	out := []byte{0xFF, 0xFE}
	for _, unit := range utf16.Encode([]rune(text)) {
		out = binary.LittleEndian.AppendUint16(out, unit)
	}
	return out
}
