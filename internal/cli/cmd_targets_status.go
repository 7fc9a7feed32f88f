package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/targets"
)

// targetState is a line of "targets status". Times that never were are null,
// numbers that nobody knows -1.
type targetState struct {
	MessageType  string     `json:"message_type"` // "target_status"
	Name         string     `json:"name"`
	Phone        string     `json:"phone,omitempty"`
	Presence     string     `json:"presence"` // "here", "absent", "other" (another repository lies there) or "trouble"
	Location     string     `json:"location"` // where it is, or was last
	LastCopied   *time.Time `json:"last_copied"`
	LastVerified *time.Time `json:"last_verified"`
	ReadSince    *time.Time `json:"read_since"` // every byte was read since then
	Damaged      *time.Time `json:"damaged"`    // when a check found damage that is not mended
	Damage       int        `json:"damage"`
	Versions     int        `json:"versions"`
	Behind       int        `json:"behind"`
	Size         int64      `json:"size"`
	Free         int64      `json:"free"`
	Error        string     `json:"error,omitempty"`
}

func newTargetsStatus(a *app) *cobra.Command {
	var paths []string
	c := &cobra.Command{
		Use:   "status [NAME…]",
		Short: "Show how old and how well proved the copies are",
		Long: `Show for each target whether it is there, when it was last brought up to date and last verified, and how
many versions it lacks. No password of a target is needed. Without a main repository (-r) it says what is
remembered, but not how many versions are missing.

"Verified" is the last check of the target itself that found nothing wrong; "every byte since" is when the
part that was read longest ago had its turn.`,
		Example: `  keepsake targets status -r /mnt/disk/phone
  keepsake targets status --json`,
		Args:        cobra.ArbitraryArgs,
		Annotations: exits(repositoryExits),
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := a.keeper(cmd, targetFlags{password: targetPassword("")})
			if err != nil {
				return err
			}
			chosen, err := chosenTargets(k.Book, args, false)
			if err != nil {
				return err
			}
			mains := map[string][]repository.Snapshot{}
			if a.repo.where(a) != "" {
				if mains, err = a.mainVersions(cmd); err != nil {
					return err
				}
			}
			var all []targets.Status
			for _, t := range chosen {
				list, err := k.Status(cmd.Context(), t.Name, mains, paths)
				if err != nil {
					return err
				}
				all = append(all, list...)
			}
			a.showTargetStates(all)
			return nil
		},
	}
	c.Flags().SortFlags = false
	c.Flags().StringArrayVar(&paths, "path", nil, "look for the target at `LOCATION`, too (may be repeated)")
	return a.repositoryCommand(c)
}

// mainVersions lists what there is to copy, for each phone or for "".
func (a *app) mainVersions(cmd *cobra.Command) (map[string][]repository.Snapshot, error) {
	mains := map[string][]repository.Snapshot{}
	err := a.eachMain(cmd, func(m targets.Main) error {
		return a.inSession(cmd.Context(), m.Repo, a.repo.mode(repository.Shared), func(ctx context.Context, s *repository.Session) error {
			list, _, err := s.ReadableSnapshots(ctx)
			mains[m.Phone] = list
			return err
		})
	})
	return mains, err
}

func (a *app) showTargetStates(all []targets.Status) {
	if a.json {
		for _, s := range all {
			a.emit(newTargetState(s))
		}
		return
	}
	rows := [][]string{{"TARGET", "PHONE", "STATE", "LAST COPIED", "VERSIONS", "BEHIND", "VERIFIED", "EVERY BYTE SINCE", "SIZE", "FREE", "WHERE"}}
	for _, s := range all {
		rows = append(rows, targetRow(s))
	}
	text, _ := table(dropEmptyColumns(rows))
	a.printf("%s", text)
	for _, s := range all {
		if s.Presence == targets.Other || s.Presence == targets.Trouble {
			a.printf("%s: %s\n", s.Target, printable(s.Err.Error()))
		}
		if s.Copy.Damage > 0 {
			a.printf("%s: DAMAGED: %s when it was checked, %s. \"keepsake targets repair\" mends it.\n", s.Target,
				progress.Count(int64(s.Copy.Damage), "thing was missing or wrong", "things were missing or wrong"), since(s.Copy.Damaged))
		}
	}
}

func newTargetState(s targets.Status) targetState {
	m := targetState{MessageType: "target_status", Name: s.Target, Phone: s.Phone, Presence: string(s.Presence), Location: s.Where,
		LastCopied: timeOrNil(s.Copy.LastCopied), LastVerified: timeOrNil(s.Copy.Verified), ReadSince: timeOrNil(s.Copy.ReadSince()),
		Damaged: timeOrNil(s.Copy.Damaged), Damage: s.Copy.Damage, Versions: s.Versions, Behind: s.Behind, Size: s.Size, Free: s.Free}
	if s.Err != nil {
		m.Error = s.Err.Error()
	}
	return m
}

func targetRow(s targets.Status) []string {
	state := map[targets.Presence]string{targets.Here: "here", targets.Absent: "not plugged in", targets.Other: "another repository", targets.Trouble: "cannot be read"}[s.Presence]
	if s.Presence == targets.Absent && !isDisk(s.Err) {
		state = "out of reach"
	}
	if s.Copy.Damage > 0 {
		state += ", DAMAGED"
	}
	behind, free := "", ""
	if s.Behind >= 0 {
		behind = progress.Count(int64(s.Behind), "version", "versions")
	}
	if s.Free >= 0 {
		free = progress.Size(s.Free)
	}
	return []string{s.Target, s.Phone, state, since(s.Copy.LastCopied), progress.Count(int64(s.Versions), "version", "versions"), behind, since(s.Copy.Verified), since(s.Copy.ReadSince()),
		progress.Size(s.Size), free, printable(s.Where)}
}
