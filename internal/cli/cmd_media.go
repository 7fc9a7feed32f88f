package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/media"
	"github.com/keepsake-backup/keepsake/repository"
)

type mediaFlags struct {
	list, protected, full, wait bool
}

func newMedia(a *app) *cobra.Command {
	var f mediaFlags
	c := &cobra.Command{
		Use:   "media",
		Short: "Copy music, books and pictures off a phone, without its passcode",
		Long: `Copy what no iPhone backup carries into the repository: music, ringtones, books and other synced media; and
with them the pictures and videos of the camera roll. They become snapshots of their own, tagged keepsake-media.

The iPhone asks for no passcode, so this can run every night, untouched. What has not changed is not read
again; an interrupted copy goes on where it was. A locked iPhone may refuse single files: they are named, and
copied another time. What the last copy had of them is kept.

The files can be taken out: "keepsake restore-files", "keepsake mount" and "keepsake ls" work as on any snapshot. They
cannot be put back into the music library of an iPhone; no program can. Tracks under FairPlay, as Apple
Music downloads are, play nowhere else and are counted, but not copied. Pictures that are in iCloud only cannot be
copied from an iPhone.`,
		Example: `  keepsake media --list
  keepsake media -r /mnt/disk/phones
  keepsake restore-files latest --tag keepsake-media --target ~/Music`,
		Args:        noArgs,
		Annotations: exits("0 done; 1 error; 2 usage; 3 done, but something could not be read; 10 no repository; 11 locked; 12 wrong password; 20 no phone; 21 refused or locked; 130 interrupted"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.interruptHint = "start the same command again: the copy goes on where it was"
			if f.list {
				return a.listMedia(cmd.Context(), f)
			}
			return a.copyMedia(cmd, f)
		},
	}
	flags := c.Flags()
	flags.BoolVar(&f.list, "list", false, "only say what there is on the phone; no repository is needed")
	flags.BoolVar(&f.protected, "protected", false, "copy tracks under FairPlay, too")
	flags.BoolVar(&f.full, "full", false, "read every file again")
	flags.BoolVar(&f.wait, "wait", false, "wait for the phone when it is not connected")
	return a.repositoryCommand(c)
}

// mediaSummary is what a copy, or a look with --list, found. Sizes are in bytes.
type mediaSummary struct {
	MessageType string         `json:"message_type"` // "summary"
	Command     string         `json:"command"`
	UDID        string         `json:"udid"`
	Name        string         `json:"name"`
	Kinds       media.Counts   `json:"kinds"`
	Files       int64          `json:"files"`
	Bytes       int64          `json:"bytes"`
	Protected   media.Count    `json:"protected"` // under FairPlay, left out
	Copied      *mediaCopied   `json:"copied,omitempty"`
	Problems    []mediaProblem `json:"problems,omitempty"`
	Seconds     float64        `json:"seconds"`
}

type mediaCopied struct {
	SnapshotID string `json:"snapshot_id,omitempty"` // absent: there was nothing
	New        int64  `json:"files_new"`
	Changed    int64  `json:"files_changed"`
	Unmodified int64  `json:"files_unmodified"`
	Removed    int64  `json:"files_removed"`
	FromBackup int64  `json:"files_from_backup"`
	Resumed    int64  `json:"files_resumed"`
	ReadFiles  int64  `json:"files_read"`
	ReadBytes  int64  `json:"bytes_read"`
	Added      int64  `json:"bytes_added"` // to the repository, as stored
}

type mediaProblem struct {
	Path string `json:"path"`
	Text string `json:"text"`
	Kept bool   `json:"kept"` // the snapshot has its earlier state
}

// mediaState is the folder for copies that are not finished.
func (a *app) mediaState() (string, error) {
	dir, err := a.stateDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "media"), nil
}

func (f mediaFlags) options(a *app) (media.Options, error) {
	state, err := a.mediaState()
	return media.Options{State: state, Wait: a.repo.retryLock, Protected: f.protected, Full: f.full, ProgramVersion: "keepsake " + version()}, err
}

// withPhone opens the phone that is meant. Nobody is asked to trust this
// computer: nobody may be there.
func (a *app) withPhone(ctx context.Context, say progress.Reporter, wait bool, fn func(d *device.Device, name string) error) error {
	d, err := a.open(ctx, say, wait)
	if err != nil {
		return err
	}
	defer d.Close()
	return fn(d, nameOf(ctx, d))
}

func (a *app) listMedia(ctx context.Context, f mediaFlags) error {
	took := stopwatch()
	m := mediaSummary{MessageType: "summary", Command: "media"}
	err := a.work(func(say progress.Reporter) error {
		return a.withPhone(ctx, say, f.wait, func(d *device.Device, name string) error {
			l, err := media.List(ctx, d, media.Options{Protected: f.protected}, say)
			if err != nil {
				return err
			}
			m.UDID, m.Name, m.Kinds, m.Files, m.Bytes, m.Protected = d.UDID().String(), name, l.Counts, l.Files, l.Bytes, l.Protected
			m.problems(l.Problems)
			return nil
		})
	})
	if err != nil {
		return err
	}
	m.Seconds = took()
	return a.showMedia(m)
}

func (a *app) copyMedia(cmd *cobra.Command, f mediaFlags) error {
	if err := a.refuseNoLock(cmd); err != nil {
		return err
	}
	opt, err := f.options(a)
	if err != nil {
		return err
	}
	if f.wait || a.phone == "" {
		// In a place with a repository for each phone, the phone decides.
		err := a.work(func(say progress.Reporter) error {
			return a.withPhone(cmd.Context(), say, f.wait, func(d *device.Device, _ string) error {
				a.phone = d.UDID().String()
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	took := stopwatch()
	m := mediaSummary{MessageType: "summary", Command: "media"}
	err = a.withRepository(cmd, func(ctx context.Context, r *repository.Repository) error {
		return a.work(func(say progress.Reporter) error {
			return a.withPhone(ctx, say, false, func(d *device.Device, name string) error {
				res, err := media.Copy(ctx, d, r, opt, say)
				if err == nil {
					m.UDID, m.Name = d.UDID().String(), name
					m.result(res)
				}
				return err
			})
		})
	})
	if err != nil {
		return err
	}
	m.Seconds = took()
	return a.showMedia(m)
}

func (m *mediaSummary) result(r *media.Result) {
	m.Kinds, m.Files, m.Bytes, m.Protected = r.Counts, r.Files, r.Bytes, r.Protected
	m.Copied = &mediaCopied{New: r.New, Changed: r.Changed, Unmodified: r.Unchanged, Removed: r.Removed, FromBackup: r.FromBackup, Resumed: r.Resumed,
		ReadFiles: r.ReadFiles, ReadBytes: r.ReadBytes, Added: r.Added}
	if !r.Snapshot.ID.IsNull() {
		m.Copied.SnapshotID = r.Snapshot.ID.String()
	}
	m.problems(r.Problems)
}

func (m *mediaSummary) problems(list []media.Problem) {
	for _, p := range list {
		m.Problems = append(m.Problems, mediaProblem{p.Path, p.Reason(), p.Kept})
	}
}

// mediaNames are the kinds in people's terms, one and several.
var mediaNames = map[media.Kind][2]string{
	media.Song: {"song", "songs"}, media.Ringtone: {"ringtone", "ringtones"}, media.Book: {"book", "books"}, media.Podcast: {"podcast", "podcasts"},
	media.Recording: {"recording", "recordings"}, media.Picture: {"picture", "pictures"}, media.Video: {"video", "videos"}, media.Other: {"other file", "other files"},
}

// inWords says what there is: "12 pictures, 1 video and 3 songs".
func inWords(counts media.Counts) string {
	var words []string
	for _, kind := range media.Kinds {
		if n := counts[kind].Items; n > 0 && kind != media.Other {
			words = append(words, progress.Count(n, mediaNames[kind][0], mediaNames[kind][1]))
		}
	}
	switch n := len(words); n {
	case 0:
		return "no pictures and no music"
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
}

// showMedia tells people what there is now.
func (a *app) showMedia(m mediaSummary) error {
	if a.json {
		a.emit(m)
		return incomplete(int64(len(m.Problems)))
	}
	switch c := m.Copied; {
	case c == nil:
		a.sentences("%s holds %s: %s.\n", printable(m.Name), inWords(m.Kinds), progress.Size(m.Bytes))
		a.printf("%s", mediaTable(m.Kinds))
	case c.SnapshotID == "":
		a.sentences("%s holds no music and no pictures: there is nothing to copy.\n", printable(m.Name))
	default:
		a.sentences("Snapshot %s holds %s of %s: %s.\n", c.SnapshotID[:8], inWords(m.Kinds), printable(m.Name), progress.Size(m.Bytes))
		a.sentences("  %s new, %d changed, %d gone; read %s, stored %s in %s\n", progress.Count(c.New, "file", "files"), c.Changed, c.Removed,
			progress.Size(c.ReadBytes), progress.Size(c.Added), progress.Took(duration(m.Seconds)))
	}
	if m.Protected.Items > 0 {
		a.sentences("  Left out: %s (FairPlay), playable nowhere else (--protected copies what is there)\n", progress.Count(m.Protected.Items, "copy-protected track", "copy-protected tracks"))
	}
	a.showMediaProblems(m.Problems)
	return incomplete(int64(len(m.Problems)))
}

func (a *app) showMediaProblems(list []mediaProblem) {
	if len(list) == 0 {
		return
	}
	a.sentences("Not complete: %s could not be read:\n", progress.Count(int64(len(list)), "thing", "things"))
	for i, p := range list {
		if i == 20 && !a.verbose {
			a.sentences("  and %d more (-v shows all)\n", len(list)-i)
			return
		}
		kept := ""
		if p.Kept {
			kept = " (its last state is kept)"
		}
		a.sentences("  %s: %s%s\n", printable(p.Path), p.Text, kept)
	}
}

func mediaTable(counts media.Counts) string {
	rows := [][]string{{"KIND", "NUMBER", "SIZE"}}
	for _, kind := range media.Kinds {
		if c := counts[kind]; c.Items > 0 {
			rows = append(rows, []string{mediaNames[kind][1], fmt.Sprint(c.Items), progress.Size(c.Bytes)})
		}
	}
	text, _ := table(rows)
	return text
}
