package importer

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// shownProblems is how many of a folder's problems stand in the text of an error.
const shownProblems = 5

// UnfinishedError: the folder holds a run that never came to its end, and
// nothing was kept of a good one before it.
type UnfinishedError struct {
	Path  string
	State itunesbackup.SnapshotState // "" when Status.plist is missing
}

func (e *UnfinishedError) Error() string {
	if e.State == "" {
		return fmt.Sprintf("import %s: the backup was never finished: it has no %s", e.Path, itunesbackup.StatusName)
	}
	return fmt.Sprintf("import %s: the backup was never finished: the last run ended while %q", e.Path, string(e.State))
}

// Hint says what to do.
func (e *UnfinishedError) Hint() string {
	return "finish it with the program that began it, by backing the phone up into the folder once more; then import it"
}

// DamagedError: something that the backup's own lists name is missing or wrong.
// Nothing of it was imported.
type DamagedError struct {
	Path     string
	Problems []string
}

func (e *DamagedError) Error() string {
	shown := e.Problems[:min(len(e.Problems), shownProblems)]
	text := fmt.Sprintf("import %s: the backup is damaged: %s", e.Path, strings.Join(shown, "; "))
	if more := len(e.Problems) - len(shown); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// Hint says what to do.
func (e *DamagedError) Hint() string {
	return "\"keepsake check --folder\" lists all that is wrong; keep the folder, and look for another copy of it: a phone would not take this one back whole"
}

// ChangedError: somebody wrote into the folder while it was read. What was read is
// of two moments, and nothing of it was imported.
type ChangedError struct{ Path, Name string }

func (e *ChangedError) Error() string {
	return fmt.Sprintf("import %s: %s changed while the folder was read", e.Path, e.Name)
}

// Hint says what to do.
func (e *ChangedError) Hint() string {
	return "let the program finish that is backing the phone up into the folder, and import it then"
}

// noBackupError: there is none where one was looked for.
type noBackupError struct{ dir string }

func (e *noBackupError) Error() string {
	return fmt.Sprintf("look for backups in %s: there is none", e.dir)
}

func (e *noBackupError) Is(target error) bool { return target == fs.ErrNotExist }

// Hint says where they lie.
func (e *noBackupError) Hint() string {
	return "give the folder with Manifest.plist in it, or the one above; iTunes and Finder keep them in MobileSync/Backup"
}
