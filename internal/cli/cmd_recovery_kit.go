package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/repository"
)

type recoveryKitMessage struct {
	MessageType  string             `json:"message_type"` // "recovery_kit"
	Place        string             `json:"place"`
	File         string             `json:"file,omitempty"`
	WithPassword bool               `json:"with_password"`
	Repositories []kitRepositoryMsg `json:"repositories"`
}

type kitRepositoryMsg struct {
	ID     string   `json:"id"`
	Place  string   `json:"place"`
	Phones []string `json:"udids"`
}

func newRecoveryKit(a *app) *cobra.Command {
	var output string
	var withPassword bool
	c := &cobra.Command{
		Use:   "recovery-kit",
		Short: "Make the sheet that is needed after a fire",
		Long: `Make a sheet with all that is needed to get at the backups when nothing is left but the place where they
are: where that is, the IDs of its repositories, the phones in them, how keepsake and restic open them, and
which password is for what.

The passwords are left out, with lines to write them by hand. --with-password prints that of the repository:
then the sheet is all that is needed, for anybody.`,
		Example: `  keepsake recovery-kit -r /media/usb
  keepsake recovery-kit -r /media/usb --output sheet.html      to print from a browser`,
		Args:        noArgs,
		Annotations: exits(repositoryExits),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.json && withPassword && output == "" {
				return usageOf(cmd, errors.New("recovery-kit: no password is written into lines of JSON: give --output FILE"))
			}
			return a.recoveryKit(cmd, output, withPassword)
		},
	}
	c.Flags().SortFlags = false
	c.Flags().StringVarP(&output, "output", "o", "", "write it into a new `FILE`: a page to print if the name ends in .html, else text")
	c.Flags().BoolVar(&withPassword, "with-password", false, "print the repository's password on it")
	return a.repositoryCommand(c)
}

func (a *app) recoveryKit(cmd *cobra.Command, output string, withPassword bool) error {
	where, err := a.repo.needLocation(cmd, a)
	if err != nil {
		return err
	}
	at, err := a.repo.parse(where)
	if err != nil {
		return err
	}
	k := newKit(at)
	err = a.withSessions(cmd, wish{all: true, untold: true}, repository.Unlocked, func(ctx context.Context, s *repository.Session) error {
		list, _, err := s.ReadableSnapshots(ctx)
		k.add(s.Repository(), list)
		return err
	})
	if err != nil {
		return err
	}
	if withPassword {
		if k.Password, _, err = a.repo.password.get(cmd.Context(), a); err != nil {
			return err
		}
	}
	if output == "" {
		a.printf("%s", k.text())
	} else if err := k.writeFile(output); err != nil {
		return err
	}
	if a.json {
		a.emit(k.message(output))
		return nil
	}
	if output != "" {
		a.printf("The recovery sheet is in %s. Print it, and keep it away from this computer.\n", output)
		if withPassword {
			a.printf("The password is on it: remove the file when it is printed.\n")
		}
	}
	return nil
}

func (k *kit) message(file string) recoveryKitMessage {
	m := recoveryKitMessage{MessageType: "recovery_kit", Place: k.Place, File: file, WithPassword: k.Filled(), Repositories: []kitRepositoryMsg{}}
	for _, r := range k.Repositories {
		entry := kitRepositoryMsg{r.ID, r.Place, []string{}}
		for _, p := range r.Phones {
			entry.Phones = append(entry.Phones, p.UDID)
		}
		m.Repositories = append(m.Repositories, entry)
	}
	return m
}

// writeFile writes the sheet into a file that only its owner can read. One that
// is there is left alone.
func (k *kit) writeFile(name string) error {
	var b bytes.Buffer
	if ext := strings.ToLower(filepath.Ext(name)); ext == ".html" || ext == ".htm" {
		if err := k.writeHTML(&b); err != nil {
			return err
		}
	} else {
		b.WriteString(k.text())
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &hintError{err: fmt.Errorf("write recovery sheet: %w", err), hint: "choose another name, or remove that file first"}
	}
	if err != nil {
		return fmt.Errorf("write recovery sheet: %w", err)
	}
	_, err = f.Write(b.Bytes())
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write recovery sheet: %w", err), os.Remove(name))
	}
	return nil
}
