package backupagent

import (
	"context"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

const (
	// spaceReserve and purgeExtra are the numbers of the free-space rule
	// (protocol.md 4.17).
	spaceReserve = 128 << 20
	purgeExtra   = 2 << 30
)

// checkSpace is step 7: the host must report more than the upload and a
// reserve, or make room, or the backup ends with 105.
func (b *backup) checkSpace(ctx context.Context) error {
	need := int64(spaceReserve)
	for _, e := range b.changes.entries {
		if _, sent := b.half.of(e); e.kind == itunesbackup.FlagFile && !sent {
			need += e.size
		}
	}
	free, ok, err := b.freeSpace(ctx)
	if err != nil || !ok || free > need {
		return err
	}
	purged, err := b.purge(ctx, need-free+purgeExtra)
	if err != nil {
		return err
	}
	if !purged {
		return errHostFull
	}
	free, ok, err = b.freeSpace(ctx)
	if err != nil || !ok || free > need {
		return err
	}
	return errHostFull
}
