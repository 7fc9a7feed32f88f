package autostart

import (
	"fmt"
	"path"
	"strings"
)

// userUnit is a unit of systemd's for the user (systemd.unit(5), systemd.service(5)).
// A user's manager has no rights to give away, so most of the fences of the system's
// unit (packaging/systemd) do not work there; these do.
const userUnit = `# Written by "keepsake serve --install"; "keepsake serve --uninstall" removes it.
[Unit]
Description=Keepsake: backups of the phones in this household
Documentation=https://github.com/keepsake-backup/keepsake

[Service]
Type=notify
ExecStart=%s
Restart=on-failure
RestartSec=10
WatchdogSec=120
# A backup that is under way is left in a state that the next one continues.
TimeoutStopSec=60
KillMode=mixed
# Memory holds keys: it is not to be written to a disk.
LimitCORE=0
NoNewPrivileges=yes
UMask=0077
# Backups come after what the user does.
Nice=5
IOSchedulingClass=best-effort
IOSchedulingPriority=6

[Install]
WantedBy=default.target
`

func systemdPlan(o Options) Plan {
	unit := o.Name + ".service"
	words := []string{systemdWord(o.Executable)}
	for _, a := range o.Args {
		words = append(words, systemdWord(a))
	}
	return Plan{
		File: path.Join(o.Home, ".config/systemd/user", unit),
		Data: fmt.Appendf(nil, userUnit, strings.Join(words, " ")),
		Install: []Command{
			{Argv: []string{"systemctl", "--user", "daemon-reload"}},
			{Argv: []string{"systemctl", "--user", "enable", unit}},
			// Started anew, so that what was installed before gives way.
			{Argv: []string{"systemctl", "--user", "restart", unit}},
		},
		Uninstall:  []Command{{Argv: []string{"systemctl", "--user", "disable", "--now", unit}, MayFail: true}},
		Afterwards: []Command{{Argv: []string{"systemctl", "--user", "daemon-reload"}}},
		Status:     []string{"systemctl", "--user", "status", "--no-pager", "--lines=0", unit},
		Hint:       "it runs while you are signed in; to let it run from the start of the computer: loginctl enable-linger",
		Hinted:     []string{"loginctl", "show-user", o.User, "--property=Linger"},
		HintDone:   func(out string) bool { return strings.TrimSpace(out) == "Linger=yes" },
	}
}

// systemdWord quotes a word of a command line as systemd.syntax(7) reads it: in
// double quotes, with %, which names things, and $, which names variables, doubled.
func systemdWord(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`).Replace(s)
	if s != "" && !strings.ContainsAny(s, ` '"\;#`) {
		return s
	}
	return `"` + s + `"`
}
