package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/mobilebackup2/dirstore"
)

// shownProblems is how many problems of one kind are printed without -v.
const shownProblems = 20

func newCheck(a *app) *cobra.Command {
	var folder string
	var data dataFlags
	password := currentPassword()
	c := &cobra.Command{
		Use:   "check (-r LOCATION | --folder DIR)",
		Short: "Prove that backups are whole",
		Long: `Check a repository, or the backup in the folder DIR, or every backup in it. Nothing is changed.

Of a repository: the indexes are sound, their files are there and have the right sizes, every folder of every
snapshot can be read, and everything in it is there. With --read-data every byte is read and verified; with
--read-data-subset a part of them: 1/12 this month, 2/12 the next.

Of a backup in a folder: the lists are sound, every file is there, has the digest that the phone noted, and,
of an encrypted backup, opens with the password to its end. Without the password of an encrypted backup
next to nothing can be proved, and keepsake says so.`,
		Example: `  keepsake check -r /mnt/disk/phone --read-data-subset 10%
  keepsake check --folder ~/Backups
  keepsake check --folder ~/Backups/00008101-000A1B2C3D4E001E --backup-password-file pw`,
		Args:        noArgs,
		Annotations: exits("0 whole; 1 damaged, or error; 3 not damaged as far as seen, but not everything could be looked at; 10 no repository; 11 locked; 12 wrong password"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case folder != "" && (a.repo.location != "" || data != dataFlags{}):
				return usageOf(cmd, errors.New("check: --folder is not for a repository: give one or the other"))
			case folder != "":
				return a.check(cmd.Context(), folder, password)
			case a.repo.where(a) != "":
				return a.checkRepository(cmd, data)
			}
			return &usageError{errors.New("check: neither a repository nor a folder given"),
				fmt.Sprintf("say where the backups are: %s --repo LOCATION, or --folder DIR", cmd.CommandPath())}
		},
	}
	c.Flags().StringVar(&folder, "folder", "", "the `DIR` of one backup or of several")
	password.addFlag(c)
	data.addFlags(c)
	return a.repositoryCommand(c)
}

type problemMessage struct {
	MessageType string `json:"message_type"` // "problem"
	UDID        string `json:"udid"`
	Severity    string `json:"severity"` // "note", "warning" or "failure"
	Path        string `json:"path"`
	Text        string `json:"text"`
}

type checkSummary struct {
	MessageType    string  `json:"message_type"` // "summary"
	Command        string  `json:"command"`
	UDID           string  `json:"udid"` // the folder's name
	Name           string  `json:"name,omitempty"`
	Folder         string  `json:"folder"`
	Result         string  `json:"result"`   // "whole", "incomplete" (not all could be looked at) or "damaged"
	Proved         string  `json:"proved"`   // in words
	Previous       bool    `json:"previous"` // the backup before a run that was interrupted
	Encrypted      bool    `json:"encrypted"`
	Unlocked       bool    `json:"unlocked"`
	Entries        int64   `json:"entries"`
	Files          int64   `json:"files"`
	Directories    int64   `json:"directories"`
	Symlinks       int64   `json:"symlinks"`
	StoredBytes    int64   `json:"stored_bytes"`
	DigestsChecked int64   `json:"digests_checked"`
	Decrypted      int64   `json:"decrypted"`
	Failures       int64   `json:"failures"`
	Warnings       int64   `json:"warnings"`
	Notes          int64   `json:"notes"`
	Seconds        float64 `json:"seconds"`
}

func (a *app) check(ctx context.Context, folder string, password *passwordSource) error {
	found, err := findBackups(folder)
	if err != nil {
		return err
	}
	if a.phone != "" {
		one, err := choose(found, a.phone, "")
		if err != nil {
			return err
		}
		found = []stored{one}
	}
	worst := reported{exitOK}
	for _, s := range found {
		err := a.checkOne(ctx, s, password)
		code := exitCode(ctx, err)
		if code == exitInterrupted || len(found) == 1 && err != nil {
			return err
		}
		if told := (reported{}); err != nil && !errors.As(err, &told) {
			a.tell(code, fmt.Sprintf("%s: %v", s.title(), err), remedy(err, code))
		}
		if worst.code == exitOK || worst.code == exitIncomplete && code != exitOK {
			worst.code = code
		}
	}
	if worst.code == exitOK {
		return nil
	}
	return worst
}

// checkOne checks one backup and says what came of it.
func (a *app) checkOne(ctx context.Context, s stored, password *passwordSource) (err error) {
	began := time.Now()
	fsys, previous, err := dirstore.Previous(s.path)
	if err != nil {
		return fmt.Errorf("check %s: %w", s.path, err)
	}
	defer func() { err = errors.Join(err, fsys.Close()) }()
	b, err := itunesbackup.OpenFS(ctx, fsys)
	if err != nil {
		return &hintError{err: fmt.Errorf("check %s: %w", s.path, err), hint: "this backup cannot be restored as it is; the next backup into the folder may mend it"}
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if b.Encrypted() {
		if err := a.unlock(ctx, b, s, password); err != nil {
			return err
		}
	}
	var report *itunesbackup.Report
	err = a.work(func(say progress.Reporter) error {
		if previous {
			say.Say(progress.Notice, "The last run was interrupted while it changed the backup. What is checked is the backup before it, which is kept until the next run has finished.")
		}
		say.Phase("check", "Checking "+s.title())
		report, err = b.Verify(ctx, itunesbackup.VerifyOptions{Digests: true, Decrypt: true, Progress: func(p itunesbackup.VerifyProgress) {
			say.Update(progress.Counters{Files: p.Files, FilesTotal: p.FilesTotal, Bytes: p.Bytes})
		}})
		return err
	})
	if err != nil {
		return err
	}
	return a.showCheck(s, report, previous, time.Since(began))
}

// unlock opens an encrypted backup if there is a password: given, or typed by
// somebody who is free to type none.
func (a *app) unlock(ctx context.Context, b *itunesbackup.Backup, s stored, source *passwordSource) error {
	password, ok, err := source.given(a)
	if err != nil {
		return err
	}
	if fd, isTerminal := terminal(a.Stdin); !ok && isTerminal {
		typed, err := readHidden(ctx, a.Stderr, fd, fmt.Sprintf("Backup password of %s (Enter: check without it): ", s.title()))
		if err != nil {
			return fmt.Errorf("read backup password: %w", err)
		}
		password, ok = secret.NewBackupPassword(string(typed)), len(typed) > 0
	}
	if !ok {
		return nil
	}
	return a.work(func(say progress.Reporter) error {
		say.Phase("unlock", "Trying the password (this takes a while by design)")
		if err := b.Unlock(ctx, password); err != nil {
			return fmt.Errorf("check %s: %w", s.path, err)
		}
		return nil
	})
}

func (a *app) showCheck(s stored, r *itunesbackup.Report, previous bool, took time.Duration) error {
	m := checkSummary{MessageType: "summary", Command: "check", UDID: s.name, Name: s.info.DeviceName, Folder: s.path, Result: "whole", Proved: proved(r), Previous: previous,
		Encrypted: r.Encrypted, Unlocked: r.Unlocked, Entries: r.Rows, Files: r.Files, Directories: r.Directories, Symlinks: r.Symlinks,
		StoredBytes: r.StoredBytes, DigestsChecked: r.DigestsChecked, Decrypted: r.Decrypted,
		Failures: r.Failures, Warnings: r.Warnings, Notes: r.Notes, Seconds: seconds(took)}
	var result error
	switch {
	case !r.OK():
		m.Result, result = "damaged", reported{exitError}
	case r.Statement != "":
		m.Result, result = "incomplete", errIncomplete
	}
	if a.json {
		for _, p := range r.Problems {
			a.emit(problemMessage{"problem", s.name, p.Severity.String(), p.Path, p.What})
		}
		a.emit(m)
		return result
	}
	a.printf("%s\n  in %s\n", s.describe(r.Encrypted), s.path)
	if r.Rows > 0 {
		a.sentences("  %s: %s, %s, %s; %s\n", progress.Count(r.Rows, "entry", "entries"), progress.Count(r.Files, "file", "files"),
			progress.Count(r.Directories, "folder", "folders"), progress.Count(r.Symlinks, "link", "links"), progress.Size(r.StoredBytes))
	}
	a.printProblems(r)
	switch m.Result {
	case "damaged":
		a.sentences("  DAMAGED: %s.\n", progress.Count(r.Failures, "thing is missing or wrong", "things are missing or wrong"))
		a.sentences("  Keep this folder as it is, and make a new backup into another one.\n")
	case "incomplete":
		a.sentences("  Not proved. %s\n", r.Statement)
		a.sentences("  Give the password for a full check: --%s FILE.\n", currentPassword().flag)
	}
	if m.Proved != "" {
		a.sentences("  %s\n", m.Proved)
	}
	return result
}

// describe is the head line of a backup.
func (s stored) describe(encrypted bool) string {
	parts := []string{"not encrypted"}
	if encrypted {
		parts[0] = "encrypted"
	}
	if v := s.info.ProductVersion; v != "" {
		parts = append(parts, "iOS "+v)
	}
	if t := s.info.LastBackupDate; !t.IsZero() {
		parts = append(parts, "of "+t.Local().Format("2 January 2006, 15:04"))
	}
	return fmt.Sprintf("%s (%s)", s.title(), strings.Join(parts, ", "))
}

// printProblems lists failures first; notes only for those who ask for detail.
func (a *app) printProblems(r *itunesbackup.Report) {
	for _, severity := range []itunesbackup.Severity{itunesbackup.Failure, itunesbackup.Warning, itunesbackup.Note} {
		if severity == itunesbackup.Note && !a.verbose {
			continue
		}
		total := map[itunesbackup.Severity]int64{itunesbackup.Failure: r.Failures, itunesbackup.Warning: r.Warnings, itunesbackup.Note: r.Notes}[severity]
		shown := int64(0)
		for _, p := range r.Problems {
			if p.Severity != severity {
				continue
			}
			if shown == shownProblems && !a.verbose {
				break
			}
			a.printf("  %s: %s: %s\n", p.Severity, p.Path, p.What)
			shown++
		}
		if more := total - shown; more > 0 {
			a.printf("  … and %s more (-v shows them)\n", progress.Count(more, severity.String(), severity.String()+"s"))
		}
	}
}

// proved says what the check showed, and nothing beyond it.
func proved(r *itunesbackup.Report) string {
	if !r.OK() || r.Rows == 0 {
		return ""
	}
	var s string
	switch {
	case r.Encrypted && r.Unlocked:
		s = fmt.Sprintf("Proved: every file is there, and %s with the password to the end.", progress.Count(r.Decrypted, "file opens", "files open"))
	case r.Encrypted:
		s = "Proved: every file is there. Not proved: that the files open."
	default:
		s = "Proved: every file is there and can be read."
	}
	switch without := r.Files - r.DigestsChecked; {
	case r.DigestsChecked == 0:
		s += "\n  The phone noted no digests: changed contents would not be noticed."
	case without > 0:
		s += fmt.Sprintf("\n  %s the phone's digest. For the other %s the phone notes none (photos, apps, media): changed contents would not be noticed there.",
			progress.Count(r.DigestsChecked, "file has", "files have"), progress.Count(without, "file", "files"))
	default:
		s += "\n  All have the phone's digest."
	}
	return s
}
