package cli

import (
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/restore"
)

type restoreSummary struct {
	MessageType string           `json:"message_type"` // "summary"
	Command     string           `json:"command"`
	DryRun      bool             `json:"dry_run"`
	UDID        string           `json:"udid"` // of the phone
	Name        string           `json:"name"`
	Source      string           `json:"source"` // the backup's UDID
	Folder      string           `json:"folder,omitempty"`
	Snapshot    string           `json:"snapshot_id,omitempty"`
	Encrypted   bool             `json:"encrypted"`
	Files       int64            `json:"files"`
	Bytes       int64            `json:"bytes"`
	Possible    bool             `json:"possible"`
	Findings    []findingMessage `json:"findings"`
	Apps        []appMessage     `json:"apps"`
	LeftOut     *leftOutMessage  `json:"left_out,omitempty"`
}

type leftOutMessage struct {
	Apps         []string `json:"apps,omitempty"`
	Domains      []string `json:"domains,omitempty"`
	Damaged      []string `json:"damaged,omitempty"` // files, the first 1000
	DamagedFiles int64    `json:"damaged_files"`
	Rows         int64    `json:"rows"` // of the index
}

type findingMessage struct {
	Check  string `json:"check"`
	Level  string `json:"level"` // "ok", "warning" or "blocker"
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}

type appMessage struct {
	BundleID  string `json:"bundle_id"`
	Name      string `json:"name,omitempty"`
	Developer string `json:"developer,omitempty"`
	Version   string `json:"version,omitempty"`
	StoreID   int64  `json:"store_id,omitempty"`
	ByHand    bool   `json:"by_hand"`
	Why       string `json:"why,omitempty"`
}

// showRestore tells what the pre-flight found and what is left to do. Without
// a report there is nothing to tell.
func (a *app) showRestore(m restoreSummary, report *restore.Report) {
	if report == nil {
		return
	}
	m.Source, m.Folder, m.Encrypted, m.Files, m.Bytes, m.Possible = report.Source, report.Folder, report.Encrypted, report.Files, report.Bytes, true
	for _, f := range report.Findings {
		m.Possible = m.Possible && f.Level != restore.Blocker
		m.Findings = append(m.Findings, findingMessage{f.Check, string(f.Level), f.Text, f.Remedy})
	}
	for _, app := range report.Apps {
		m.Apps = append(m.Apps, appMessage{app.BundleID, app.Name, app.Developer, app.Version, app.StoreID, app.ByHand, app.Why})
	}
	if out := report.LeftOut; out.Any() {
		m.LeftOut = &leftOutMessage{out.Apps, out.Domains, out.Damaged, out.DamagedFiles, out.Rows}
	}
	if a.json {
		a.emit(m)
		return
	}
	a.printFindings(m)
}

func (a *app) printFindings(m restoreSummary) {
	for _, f := range m.Findings {
		if f.Level == string(restore.OK) && !a.verbose && !m.DryRun {
			continue
		}
		mark := map[string]string{string(restore.OK): "ok  ", string(restore.Warning): "note", string(restore.Blocker): "STOP"}[f.Level]
		a.sentences("%s  %s\n", mark, sentence(f.Text))
		if f.Remedy != "" {
			a.sentences("      %s\n", sentence(f.Remedy))
		}
	}
	a.printDamaged(m.LeftOut)
	var byHand []appMessage
	for _, app := range m.Apps {
		if app.ByHand {
			byHand = append(byHand, app)
		}
	}
	if len(byHand) == 0 {
		return
	}
	a.printf("%s will not come back by themselves:\n", progress.Count(int64(len(byHand)), "app", "apps"))
	for _, app := range byHand {
		name := app.Name
		if name == "" {
			name = app.BundleID
		}
		a.printf("  %s: %s\n", name, app.Why)
	}
}

// shownDamaged is how many files are named on a screen; JSON has more.
const shownDamaged = 50

// printDamaged names the files that are lost with this restore.
func (a *app) printDamaged(out *leftOutMessage) {
	if out == nil || out.DamagedFiles == 0 {
		return
	}
	a.printf("%s left out, missing or damaged:\n", progress.Count(out.DamagedFiles, "file is", "files are"))
	for _, name := range out.Damaged[:min(len(out.Damaged), shownDamaged)] {
		a.printf("  %s\n", printable(name))
	}
	if more := out.DamagedFiles - shownDamaged; more > 0 {
		a.printf("  and %d more\n", more)
	}
}
