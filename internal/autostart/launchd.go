package autostart

import (
	"fmt"
	"path"
	"strings"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// labelPrefix makes the name of an agent unique among those of all programs.
const labelPrefix = "io.github.keepsake-backup."

// agent is a file of launchd's (launchd.plist(5)).
type agent struct {
	Label            string
	ProgramArguments []string
	RunAtLoad        bool
	KeepAlive        keepAlive
	ThrottleInterval int
	// Background work gets little of the disk, and a backup is not to stall.
	ProcessType       string
	StandardOutPath   string
	StandardErrorPath string
	Limits            limits `plist:"HardResourceLimits"`
	Umask             int
}

// keepAlive starts it again unless it ended well.
type keepAlive struct{ SuccessfulExit bool }

// limits: memory holds keys, and is not to be written to a disk.
type limits struct{ Core int }

func launchdPlan(o Options) (Plan, error) {
	label := labelPrefix + o.Name
	log := path.Join(o.Home, "Library/Logs", o.Name+".log")
	data, err := plist.Marshal(agent{
		Label: label, ProgramArguments: append([]string{o.Executable}, o.Args...), RunAtLoad: true, ThrottleInterval: 10,
		ProcessType: "Standard", StandardOutPath: log, StandardErrorPath: log, Umask: 0o077,
	}, plist.XML)
	if err != nil {
		return Plan{}, fmt.Errorf("plan autostart: %w", err)
	}
	file := path.Join(o.Home, "Library/LaunchAgents", label+".plist")
	domain := "gui/" + o.UserID
	return Plan{
		File: file,
		Data: data,
		Install: []Command{
			{Argv: []string{"launchctl", "bootout", domain + "/" + label}, MayFail: true},
			{Argv: []string{"launchctl", "enable", domain + "/" + label}},
			{Argv: []string{"launchctl", "bootstrap", domain, file}},
		},
		Uninstall: []Command{{Argv: []string{"launchctl", "bootout", domain + "/" + label}, MayFail: true}},
		Status:    []string{"launchctl", "print", domain + "/" + label},
		Runs:      func(out string) bool { return strings.Contains(out, "state = running") },
		Hint:      "a Mac that sleeps backs nothing up: let it wake for network access, or stay awake on its charger",
	}, nil
}
