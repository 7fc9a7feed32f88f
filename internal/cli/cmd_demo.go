package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/restore"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// demoRounds keeps the demo short; a phone derives keys with 10,000,000 rounds
// of PBKDF2.
const demoRounds = 10_000

// demoPassword protects the backups of the demo, which are gone at its end.
const demoPassword = "demo"

func newDemo(a *app) *cobra.Command {
	var profile string
	var once bool
	c := &cobra.Command{
		Use:   "demo --once",
		Short: "See the whole job done on a virtual phone",
		Long: `Back up a virtual iPhone, switch its encryption on, let it be used for a day, back it up again,
erase it, restore it, and compare every byte. Everything happens in a temporary folder, which is
removed at the end. Neither an iPhone nor anything of yours is touched.`,
		Example:     "  keepsake demo --once",
		Args:        noArgs,
		Annotations: exits("0 everything came back; 1 something differs, or error; 130 interrupted"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !once {
				return &usageError{errors.New("demo: say how"), "this runs it once and ends: keepsake demo --once"}
			}
			if profile != "tiny" && profile != "small" && profile != "typical" {
				return usageOf(cmd, fmt.Errorf("demo: --profile %q: want tiny, small or typical", profile))
			}
			return a.demo(cmd.Context(), profile)
		},
	}
	c.Flags().BoolVar(&once, "once", false, "run once and end")
	c.Flags().StringVar(&profile, "profile", "small", "how much the phone holds: `SIZE` is tiny, small (100 MB) or typical (3 GB)")
	return c
}

// demo is one run of the command.
type demo struct {
	a        *app
	dir      string // temporary
	backups  string // the folder in it for backups
	phone    *virtualphone.Phone
	mux      *usbmux.Client
	password secret.BackupPassword
	step     int
	began    time.Time
}

type demoStep struct {
	MessageType string  `json:"message_type"` // "step"
	Step        int     `json:"step"`
	Text        string  `json:"text"`
	Seconds     float64 `json:"seconds"`
}

func (a *app) demo(ctx context.Context, profile string) (err error) {
	dir, err := os.MkdirTemp("", "keepsake-demo-")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &demo{a: a, dir: dir, backups: filepath.Join(dir, "backups"), password: secret.NewBackupPassword(demoPassword), began: time.Now()}
	a.interruptHint = "nothing is left behind; start it again when you like"
	a.printf("A virtual iPhone in a temporary folder; nothing of yours is touched.\n\n")
	server, err := d.makePhone(ctx, profile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	return d.run(ctx)
}

// makePhone starts the phone, which outlives ctx until it is closed.
func (d *demo) makePhone(ctx context.Context, profile string) (*virtualphone.Server, error) {
	var server *virtualphone.Server
	err := d.do("Making a phone", func(progress.Reporter) (string, error) {
		state := filepath.Join(d.dir, "phone")
		var err error
		server, err = virtualphone.Start(context.WithoutCancel(ctx), virtualphone.Config{
			Dir: state, Profile: profile, Seed: 1, DeviceName: "Demo iPhone", KDFRounds: demoRounds, RebootTime: 500 * time.Millisecond})
		if err != nil {
			return "", err
		}
		d.phone = server.Phones()[0]
		addr, err := usbmux.ParseAddress(server.Addr())
		if err != nil {
			return "", errors.Join(err, server.Close())
		}
		d.mux = &usbmux.Client{Address: addr}
		return "A phone: " + profile + " profile, pictures, messages, contacts and more", nil
	})
	return server, err
}

// run is the story.
func (d *demo) run(ctx context.Context) error {
	if err := os.Mkdir(d.backups, 0o700); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	steps := []struct {
		doing string
		work  func(context.Context, progress.Reporter) (string, error)
	}{
		{"Pairing", d.pair},
		{"First backup", d.backUp("First backup")},
		{"Switching encryption on", d.encrypt},
		{"Encrypted backup", d.backUp("Encrypted backup")},
		{"A day of use", d.use},
		{"Backup after that day", d.backUp("Backup after that day")},
		{"Checking the backup", d.check},
	}
	for _, s := range steps {
		if err := d.do(s.doing, func(say progress.Reporter) (string, error) { return s.work(ctx, say) }); err != nil {
			return err
		}
	}
	return d.restoreAndCompare(ctx)
}

// restoreAndCompare erases the phone, restores it, and looks at every byte.
func (d *demo) restoreAndCompare(ctx context.Context) error {
	before, err := d.digest(ctx)
	if err != nil {
		return err
	}
	err = d.do("Erasing the phone", func(progress.Reporter) (string, error) {
		return "The phone is erased: as new, it knows no computer", d.phone.Erase(ctx)
	})
	if err != nil {
		return err
	}
	if err := d.do("Restoring", func(say progress.Reporter) (string, error) { return d.restore(ctx, say) }); err != nil {
		return err
	}
	after, err := d.digest(ctx)
	if err != nil {
		return err
	}
	return d.verdict(before, after)
}

// do runs one step and says what it did and how long it took.
func (d *demo) do(doing string, work func(progress.Reporter) (string, error)) error {
	began := time.Now()
	d.step++
	var told string
	err := d.a.work(func(say progress.Reporter) (err error) {
		if _, isTerminal := terminal(d.a.Stderr); !isTerminal && !d.a.json {
			say = progress.NewQuiet(d.a.Stderr) // the steps are lines enough
		}
		say.Phase("demo", doing)
		told, err = work(say)
		return err
	})
	if err != nil {
		return fmt.Errorf("demo: %s: %w", strings.ToLower(doing), err)
	}
	took := time.Since(began)
	if d.a.json {
		d.a.emit(demoStep{"step", d.step, told, seconds(took)})
	}
	d.a.printf("%2d  %s  [%s]\n", d.step, told, progress.Took(took))
	return nil
}

func (d *demo) withPhone(ctx context.Context, work func(*device.Device) error) (err error) {
	phone, err := device.Await(ctx, device.Options{Mux: d.mux})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, phone.Close()) }()
	return work(phone)
}

func (d *demo) pair(ctx context.Context, say progress.Reporter) (string, error) {
	return "Paired: the phone trusts this computer", d.withPhone(ctx, func(phone *device.Device) error { return trust(ctx, phone, say) })
}

func (d *demo) backUp(title string) func(context.Context, progress.Reporter) (string, error) {
	return func(ctx context.Context, say progress.Reporter) (told string, err error) {
		err = d.withPhone(ctx, func(phone *device.Device) error {
			r, err := backup.ToFolder(ctx, phone, d.backups, backup.Options{}, say)
			if err != nil {
				return err
			}
			if len(r.Unread) > 0 {
				return fmt.Errorf("the phone could not read %s", progress.Count(int64(len(r.Unread)), "file", "files"))
			}
			what := "only what changed"
			if r.Full {
				what = "everything"
			}
			told = fmt.Sprintf("%s: %s, %s received (%s)", title, progress.Count(r.Files, "file", "files"), progress.Size(r.Bytes), what)
			return nil
		})
		return told, err
	}
}

func (d *demo) encrypt(ctx context.Context, say progress.Reporter) (string, error) {
	err := d.withPhone(ctx, func(phone *device.Device) error {
		return backup.SetEncryption(ctx, phone, secret.BackupPassword{}, d.password, say)
	})
	return fmt.Sprintf("Encryption is on (%s key rounds for the demo, not 10,000,000)", humanize.Comma(demoRounds)), err
}

func (d *demo) use(ctx context.Context, _ progress.Reporter) (string, error) {
	changes, err := d.phone.Use(ctx, 1)
	return "A day of use: " + tellChanges(changes), err
}

func (d *demo) check(ctx context.Context, say progress.Reporter) (told string, err error) {
	b, err := itunesbackup.Open(ctx, filepath.Join(d.backups, d.phone.UDID()))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if err := b.Unlock(ctx, d.password); err != nil {
		return "", err
	}
	r, err := b.Verify(ctx, itunesbackup.VerifyOptions{Digests: true, Decrypt: true, Progress: func(p itunesbackup.VerifyProgress) {
		say.Update(progress.Counters{Files: p.Files, FilesTotal: p.FilesTotal, Bytes: p.Bytes})
	}})
	if err != nil {
		return "", err
	}
	if !r.OK() {
		return "", fmt.Errorf("the backup is damaged: %v", r.Problems)
	}
	return fmt.Sprintf("Checked: every file is there, %s with the password, %d match the phone's digest", progress.Count(r.Decrypted, "file opens", "files open"), r.DigestsChecked), nil
}

func (d *demo) restore(ctx context.Context, say progress.Reporter) (told string, err error) {
	boots := d.phone.Count("up")
	err = d.withPhone(ctx, func(phone *device.Device) error {
		if err := trust(ctx, phone, say); err != nil {
			return err
		}
		report, err := restore.FromFolder(ctx, phone, d.backups, restore.Options{Password: d.password}, say)
		if err != nil {
			return err
		}
		told = fmt.Sprintf("Restored: %s, %s sent; the phone has restarted", progress.Count(report.Files, "file", "files"), progress.Size(report.Bytes))
		return nil
	})
	if err != nil {
		return "", err
	}
	// What was received takes effect at the restart.
	return told, errors.Join(d.phone.Await(ctx, "restored", 1), d.phone.Await(ctx, "up", boots+1))
}

// digest is what the phone holds, a line for each file.
func (d *demo) digest(ctx context.Context) (map[string]string, error) {
	var b bytes.Buffer
	if err := d.phone.Digest(ctx, &b); err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	sums := map[string]string{}
	for line := range strings.Lines(b.String()) {
		sum, path, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok {
			return nil, fmt.Errorf("demo: digest line %q", line)
		}
		sums[path] = sum
	}
	return sums, nil
}

type demoSummary struct {
	MessageType string   `json:"message_type"` // "summary"
	Command     string   `json:"command"`
	Compared    int      `json:"compared"`
	Different   []string `json:"different"` // "Domain/path"
	Seconds     float64  `json:"seconds"`
}

// verdict compares what the phone held with what it holds.
func (d *demo) verdict(before, after map[string]string) error {
	m := demoSummary{MessageType: "summary", Command: "demo", Compared: len(before), Different: []string{}, Seconds: seconds(time.Since(d.began))}
	for path, sum := range before {
		if after[path] != sum {
			m.Different = append(m.Different, path)
		}
	}
	for path := range after {
		if _, ok := before[path]; !ok {
			m.Different = append(m.Different, path)
		}
	}
	if d.a.json {
		d.a.emit(m)
	}
	if len(m.Different) > 0 || len(before) == 0 {
		d.a.printf("\nDIFFERENT: %d of %d files and folders did not come back as they were:\n", len(m.Different), len(before))
		for i, path := range m.Different {
			if i == shownProblems && !d.a.verbose {
				d.a.printf("  … and %d more (-v shows them)\n", len(m.Different)-i)
				break
			}
			d.a.printf("  %s\n", path)
		}
		return reported{exitError}
	}
	d.a.printf("\nEverything is equal: %s, compared byte for byte. %s in all.\n", progress.Count(int64(len(before)), "file or folder", "files and folders"), progress.Took(time.Since(d.began)))
	return nil
}
