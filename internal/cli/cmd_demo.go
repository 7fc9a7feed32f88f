package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/restore"
	"github.com/keepsake-backup/keepsake/snapshot"
	"github.com/keepsake-backup/keepsake/snapshot/export"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// demoRounds keeps the demo short; a phone derives keys with 10,000,000 rounds
// of PBKDF2.
const demoRounds = 10_000

// demoPassword protects the backups of the demo, which are gone at its end.
const demoPassword = "demo"

func newDemo(a *app) *cobra.Command {
	var profile, listen string
	var once, pageOnly bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "See the whole job done, and the page, on virtual phones",
		Long: `Back up a virtual iPhone, encrypted, into a repository; let it be used for three days with a backup each;
erase it and restore the first version, erase it and restore the last, and compare every byte. Then let
other people's tools judge, where they are installed: idevicebackup2 restores what was exported, restic
checks the repository.

Then the page of a family of four is served, with virtual iPhones and weeks of history: click on everything, and
end it with Ctrl-C. With --once nothing waits for you: the page is looked at, a phone is plugged in, whose
backup starts by itself, and that is the end.

Everything happens in a temporary folder, which is removed at the end. Neither an iPhone nor anything of yours
is touched.`,
		Example:     "  keepsake demo --page\n  keepsake demo --once",
		Args:        noArgs,
		Annotations: exits("0 everything came back; 1 something differs, or error; 130 interrupted"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if profile != "tiny" && profile != "small" && profile != "typical" {
				return usageOf(cmd, fmt.Errorf("demo: --profile %q: want tiny, small or typical", profile))
			}
			if pageOnly {
				return a.demoPage(cmd.Context(), listen, once)
			}
			if err := a.demo(cmd.Context(), profile); err != nil {
				return err
			}
			a.printf("\n")
			return a.demoPage(cmd.Context(), listen, once)
		},
	}
	c.Flags().BoolVar(&once, "once", false, "do it once and end")
	c.Flags().BoolVar(&pageOnly, "page", false, "only the page")
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "serve the page at `ADDRESS` (host:port) of this computer; port 0 takes a free one")
	c.Flags().StringVar(&profile, "profile", "small", "how much the phone holds: `SIZE` is tiny, small (100 MB) or typical (3 GB)")
	return c
}

// demoDays is how many days the phone is used for, with a backup each.
const demoDays = 3

// demo is one run of the command.
type demo struct {
	a        *app
	dir      string // temporary
	phone    *virtualphone.Phone
	mux      *usbmux.Client
	repo     *repository.Repository
	password secret.BackupPassword
	key      secret.RepositoryPassword
	step     int
	began    time.Time

	versions []demoVersion
	restored int // how often the phone has been
	compared int // files and folders
	differ   []string
}

// demoVersion is one backup of the phone, and what the phone held then.
type demoVersion struct {
	title  string
	result *backup.RepositoryResult
	digest map[string]string
	took   time.Duration
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
	d := &demo{a: a, dir: dir, password: secret.NewBackupPassword(demoPassword), key: secret.NewRepositoryPassword(demoPassword), began: time.Now()}
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

// chapter is one step of the story.
type chapter struct {
	doing string
	work  func(context.Context, progress.Reporter) (string, error)
}

// run is the story.
func (d *demo) run(ctx context.Context) (err error) {
	defer func() {
		if d.repo != nil {
			err = errors.Join(err, d.repo.Close())
		}
	}()
	story := []chapter{
		{"Pairing", d.pair},
		{"Switching encryption on", d.encrypt},
		{"Making a repository", d.makeRepository},
		{"First backup", d.backUp("First backup")},
	}
	for day := range demoDays {
		story = append(story, chapter{"A day of use", d.use}, chapter{"Backup", d.backUp(fmt.Sprintf("Backup after day %d", day+1))})
	}
	story = append(story, chapter{"Checking the repository", d.check},
		chapter{"Erasing the phone", d.erase}, chapter{"Restoring the first version", d.restore(0)}, chapter{"Comparing", d.compare(0)},
		chapter{"Erasing the phone", d.erase}, chapter{"Restoring the last version", d.restore(demoDays)}, chapter{"Comparing", d.compare(demoDays)},
		chapter{"Exporting the last version", d.export})
	story = append(story, d.judges()...)
	for _, c := range story {
		if err := d.do(c.doing, func(say progress.Reporter) (string, error) { return c.work(ctx, say) }); err != nil {
			return err
		}
	}
	return d.verdict()
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

func (d *demo) encrypt(ctx context.Context, say progress.Reporter) (string, error) {
	err := d.withPhone(ctx, func(phone *device.Device) error {
		return backup.SetEncryption(ctx, phone, secret.BackupPassword{}, d.password, say)
	})
	return fmt.Sprintf("Encryption is on (%s key rounds for the demo, not 10,000,000)", humanize.Comma(demoRounds)), err
}

func (d *demo) makeRepository(ctx context.Context, _ progress.Reporter) (string, error) {
	be, err := local.Open(d.repository(), local.Options{})
	if err != nil {
		return "", err
	}
	if err := be.Create(ctx); err != nil {
		return "", errors.Join(err, be.Close())
	}
	d.repo, err = repository.Init(ctx, be, d.key, repository.InitOptions{Options: repository.Options{KDF: d.a.KDF}})
	if err != nil {
		return "", errors.Join(err, be.Close())
	}
	return "A repository: encrypted, in the format of restic", nil
}

func (d *demo) repository() string { return filepath.Join(d.dir, "repository") }

func (d *demo) backUp(title string) func(context.Context, progress.Reporter) (string, error) {
	return func(ctx context.Context, say progress.Reporter) (told string, err error) {
		v := demoVersion{title: title}
		if v.digest, err = d.digest(ctx); err != nil {
			return "", err
		}
		began := time.Now()
		err = d.withPhone(ctx, func(phone *device.Device) error {
			v.result, err = backup.ToRepository(ctx, phone, d.repo, backup.RepositoryOptions{State: filepath.Join(d.dir, "state"),
				Passwords: func(context.Context, [16]byte) (secret.BackupPassword, error) { return d.password, nil }}, say)
			return err
		})
		if err != nil {
			return "", err
		}
		v.took = time.Since(began)
		r := v.result
		switch {
		case len(r.Unread) > 0:
			return "", fmt.Errorf("the phone could not read %s", progress.Count(int64(len(r.Unread)), "file", "files"))
		case r.Sealed:
			return "", fmt.Errorf("the contents were not decrypted: %s", r.Why)
		}
		d.versions = append(d.versions, v)
		return fmt.Sprintf("%s: %s received, %s added to the repository", title, progress.Size(r.Bytes), progress.Size(r.Added.Stored)), nil
	}
}

func (d *demo) use(ctx context.Context, _ progress.Reporter) (string, error) {
	changes, err := d.phone.Use(ctx, 1)
	return "A day of use: " + tellChanges(changes), err
}

// session runs fn in a session of the repository.
func (d *demo) session(ctx context.Context, fn func(*repository.Session) error) (err error) {
	s, err := d.repo.Begin(ctx, repository.Shared, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return fn(s)
}

func (d *demo) check(ctx context.Context, _ progress.Reporter) (told string, err error) {
	return told, d.session(ctx, func(s *repository.Session) error {
		var problems []error
		stats, err := s.Check(ctx, repository.CheckOptions{ReadData: true}, func(p repository.Problem) { problems = append(problems, p) })
		if err != nil || len(problems) > 0 {
			return errors.Join(append(problems, err)...)
		}
		told = fmt.Sprintf("Checked: %s, %s, all read and decrypted", progress.Count(int64(stats.Snapshots), "version", "versions"), progress.Size(stats.PackBytes))
		return nil
	})
}

func (d *demo) erase(ctx context.Context, _ progress.Reporter) (string, error) {
	return "The phone is erased: as new, it knows no computer", d.phone.Erase(ctx)
}

func (d *demo) restore(version int) func(context.Context, progress.Reporter) (string, error) {
	return func(ctx context.Context, say progress.Reporter) (told string, err error) {
		boots := d.phone.Count("up")
		err = d.withPhone(ctx, func(phone *device.Device) error {
			if err := trust(ctx, phone, say); err != nil {
				return err
			}
			return d.session(ctx, func(s *repository.Session) error {
				p, err := snapshot.Open(ctx, s, d.versions[version].result.Snapshot)
				if err != nil {
					return err
				}
				report, err := restore.FromSnapshot(ctx, phone, p, restore.Options{Password: d.password}, say)
				if err != nil {
					return err
				}
				told = fmt.Sprintf("Restored %q: %s, %s sent", d.versions[version].title, progress.Count(report.Files, "file", "files"), progress.Size(report.Bytes))
				return nil
			})
		})
		if err != nil {
			return "", err
		}
		return told, d.back(ctx, boots)
	}
}

// back waits until the phone has restarted after a restore: what it received
// takes effect then.
func (d *demo) back(ctx context.Context, boots int) error {
	d.restored++
	return errors.Join(d.phone.Await(ctx, "restored", d.restored), d.phone.Await(ctx, "up", boots+1))
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

// compare holds the phone against what it held at a version.
func (d *demo) compare(version int) func(context.Context, progress.Reporter) (string, error) {
	return func(ctx context.Context, _ progress.Reporter) (string, error) {
		after, err := d.digest(ctx)
		if err != nil {
			return "", err
		}
		before, differ := d.versions[version].digest, len(d.differ)
		for path, sum := range before {
			if after[path] != sum {
				d.differ = append(d.differ, path)
			}
		}
		for path := range after {
			if _, ok := before[path]; !ok {
				d.differ = append(d.differ, path)
			}
		}
		d.compared += len(before)
		if n := len(d.differ) - differ; n > 0 || len(before) == 0 {
			return fmt.Sprintf("DIFFERENT: %d of %d files and folders", n, len(before)), nil
		}
		return fmt.Sprintf("Equal, byte for byte: %s", progress.Count(int64(len(before)), "file or folder", "files and folders")), nil
	}
}

func (d *demo) export(ctx context.Context, say progress.Reporter) (told string, err error) {
	if err := os.Mkdir(d.exported(), 0o700); err != nil {
		return "", err
	}
	return told, d.session(ctx, func(s *repository.Session) error {
		p, err := snapshot.Open(ctx, s, d.versions[demoDays].result.Snapshot)
		if err != nil {
			return err
		}
		r, err := export.Folder(ctx, p, d.exported(), export.Options{}, say)
		if err != nil {
			return err
		}
		told = fmt.Sprintf("Exported as iTunes keeps it: %s, %s", progress.Count(r.Files, "file", "files"), progress.Size(r.Bytes))
		return nil
	})
}

func (d *demo) exported() string { return filepath.Join(d.dir, "exported") }

// judges are other people's tools, as far as they are installed.
func (d *demo) judges() (list []chapter) {
	if _, err := exec.LookPath("idevicebackup2"); err != nil {
		d.a.printf("(idevicebackup2 is not installed: it will not restore the exported folder here)\n")
	} else {
		list = append(list, chapter{"Erasing the phone", d.erase}, chapter{"Restoring with idevicebackup2", d.restoreByOthers}, chapter{"Comparing", d.compare(demoDays)})
	}
	if _, err := exec.LookPath("restic"); err != nil {
		d.a.printf("(restic is not installed: it will not check the repository here)\n")
	} else {
		list = append(list, chapter{"Checking with restic", d.checkByOthers})
	}
	return list
}

func (d *demo) restoreByOthers(ctx context.Context, say progress.Reporter) (string, error) {
	boots := d.phone.Count("up")
	if err := d.withPhone(ctx, func(phone *device.Device) error { return trust(ctx, phone, say) }); err != nil {
		return "", err
	}
	muxer := []string{"USBMUXD_SOCKET_ADDRESS=" + d.mux.Address.String()}
	if _, err := d.judge(ctx, muxer, "idevicebackup2", "--password", demoPassword, "restore", "--system", "--settings", "--remove", d.exported()); err != nil {
		return "", err
	}
	return "idevicebackup2 restored the exported folder", d.back(ctx, boots)
}

func (d *demo) checkByOthers(ctx context.Context, _ progress.Reporter) (string, error) {
	env := []string{"RESTIC_PASSWORD=" + demoPassword, "RESTIC_REPOSITORY=" + d.repository(), "RESTIC_CACHE_DIR=" + filepath.Join(d.dir, "cache")}
	if _, err := d.judge(ctx, env, "restic", "check", "--read-data"); err != nil {
		return "", err
	}
	out, err := d.judge(ctx, env, "restic", "ls", "latest")
	return fmt.Sprintf("restic found no errors, and lists %s of the last version", progress.Count(int64(bytes.Count(out, []byte("\n"))), "entry", "entries")), err
}

// judge runs a program of other people.
func (d *demo) judge(ctx context.Context, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		said := bytes.TrimSpace(append(out, complaints.Bytes()...))
		return nil, fmt.Errorf("%s: %w: %s", name, err, said[max(0, len(said)-500):])
	}
	return out, nil
}

type demoSummary struct {
	MessageType string            `json:"message_type"` // "summary"
	Command     string            `json:"command"`
	Versions    []demoVersionLine `json:"versions"`
	Compared    int               `json:"compared"`
	Different   []string          `json:"different"` // "Domain/path"
	Seconds     float64           `json:"seconds"`
}

// demoVersionLine is a line of the table at the end; sizes are in bytes.
type demoVersionLine struct {
	Title    string  `json:"title"`
	Files    int64   `json:"files"`
	Received int64   `json:"received"`
	Added    int64   `json:"added"`
	Waited   int64   `json:"waited"` // most that lay in the spool
	Seconds  float64 `json:"seconds"`
}

// verdict says how it went.
func (d *demo) verdict() error {
	m := demoSummary{MessageType: "summary", Command: "demo", Compared: d.compared, Different: append([]string{}, d.differ...), Seconds: seconds(time.Since(d.began))}
	for _, v := range d.versions {
		m.Versions = append(m.Versions, demoVersionLine{v.title, v.result.Files, v.result.Bytes, v.result.Added.Stored, v.result.SpoolPeak, seconds(v.took)})
	}
	if d.a.json {
		d.a.emit(m)
	}
	d.a.printf("\n%-22s %8s %12s %12s %12s %8s\n", "version", "files", "received", "added", "spool", "time")
	for i, v := range m.Versions {
		d.a.printf("%-22s %8d %12s %12s %12s %8s\n", v.Title, v.Files, progress.Size(v.Received), progress.Size(v.Added), progress.Size(v.Waited), progress.Took(d.versions[i].took))
	}
	if len(d.differ) > 0 || d.compared == 0 {
		d.a.printf("\nDIFFERENT: %d of %d files and folders did not come back as they were:\n", len(d.differ), d.compared)
		for i, path := range d.differ {
			if i == shownProblems && !d.a.verbose {
				d.a.printf("  … and %d more (-v shows them)\n", len(d.differ)-i)
				break
			}
			d.a.printf("  %s\n", path)
		}
		return reported{exitError}
	}
	d.a.printf("\nEverything came back: %s compared, byte for byte. %s in all.\n", progress.Count(int64(d.compared), "file or folder", "files and folders"), progress.Took(time.Since(d.began)))
	return nil
}
