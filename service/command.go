package service

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/shell"
)

const (
	// commandTime is how long the command after a backup may take.
	commandTime = time.Hour
	// maxOutput is how much of what it says is kept, in bytes.
	maxOutput = 16 << 10
)

// runAfter runs the command of who started the service, with what happened in its
// environment: KEEPSAKE_RESULT ("done", "failed", "refused", "cancelled"),
// KEEPSAKE_UDID, KEEPSAKE_PHONE, KEEPSAKE_VERSION, KEEPSAKE_JOB and KEEPSAKE_ERROR.
// What comes of it changes nothing about the backup.
func (t *task) runAfter(ctx context.Context, out outcome) {
	line := t.o.AfterBackup
	if line == "" {
		return
	}
	t.spawn(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, commandTime)
		defer cancel()
		said := &tail{max: maxOutput}
		c := shell.Command(ctx, line)
		c.Env = append(withoutSecrets(c.Environ()), "KEEPSAKE_RESULT="+string(out.state), "KEEPSAKE_UDID="+t.job.UDID, "KEEPSAKE_PHONE="+t.rep.name,
			"KEEPSAKE_VERSION="+out.version, fmt.Sprintf("KEEPSAKE_JOB=%d", t.job.ID), "KEEPSAKE_ERROR="+out.err)
		c.Stdout, c.Stderr, c.WaitDelay = said, said, 5*time.Second
		err := c.Run()
		lines := []LogLine{{Time: t.o.Now(), Kind: string(progress.Detail), Text: "The command after the backup ended well."}}
		if err != nil {
			lines[0] = LogLine{Time: t.o.Now(), Kind: string(progress.Warn), Text: fmt.Sprintf("The command after the backup failed: %v", err)}
			t.log.Warn("the command after a backup failed", "job", t.job.ID, "err", err)
		}
		if text := strings.TrimSpace(said.String()); text != "" {
			lines = append(lines, LogLine{Time: t.o.Now(), Kind: string(progress.Detail), Text: text})
		}
		t.saveLog(t.job.ID, lines)
	})
}

// withoutSecrets leaves out the variables that hold passwords.
func withoutSecrets(env []string) []string {
	var out []string
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		if !strings.Contains(name, "PASSWORD") && !strings.Contains(name, "SECRET") && !strings.Contains(name, "TOKEN") {
			out = append(out, v)
		}
	}
	return out
}

// tail keeps the last bytes that are written to it.
type tail struct {
	buf bytes.Buffer
	max int
}

func (t *tail) Write(p []byte) (int, error) {
	t.buf.Write(p)
	if over := t.buf.Len() - t.max; over > 0 {
		t.buf.Next(over)
	}
	return len(p), nil
}

func (t *tail) String() string { return strings.ToValidUTF8(t.buf.String(), "?") }
