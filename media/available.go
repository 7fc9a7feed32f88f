package media

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/keepsake-backup/keepsake/afc"
)

// Presence tells what there is on a phone.
type Presence struct {
	// Synced: music, ringtones, books or other media that no backup carries.
	Synced bool
	// Pictures: there is a camera roll.
	Pictures bool
}

// Any tells whether a copy would hold anything.
func (p Presence) Any() bool { return p.Synced || p.Pictures }

// synced are the folders of media that no backup carries (protocol.md 14.3).
var synced = []string{"iTunes_Control/Music", "Purchases", "iTunes_Control/Ringtones", "Books", "Podcasts", "PhotoData/Sync"}

// maxLook is how many folders below one are looked into.
const maxLook = 64

// Available tells quickly, in a few dozen round trips at most, whether a copy is
// worth while. Errors are those of the connection; a folder that the phone does
// not show counts as empty.
func Available(ctx context.Context, phone Phone) (Presence, error) {
	var found Presence
	conn, err := phone.StartService(ctx, afc.Service)
	if err != nil {
		return found, fmt.Errorf("look for media: %w", err)
	}
	c := afc.New(conn)
	defer c.Close()
	if found.Pictures, err = holdsMedia(ctx, c, "DCIM"); err != nil {
		return found, fmt.Errorf("look for media: %w", err)
	}
	for _, dir := range synced {
		if found.Synced, err = holdsMedia(ctx, c, dir); found.Synced || err != nil {
			break
		}
	}
	if err != nil {
		return found, fmt.Errorf("look for media: %w", err)
	}
	return found, nil
}

// holdsMedia tells whether there is a medium in a folder or in one below it.
func holdsMedia(ctx context.Context, c *afc.Client, dir string) (bool, error) {
	names, err := readNames(ctx, c, dir)
	if err != nil {
		return false, err
	}
	var folders []string
	for _, name := range names {
		at := path.Join(dir, name)
		if kindOf(at) != Other || bundle(at+"/") != "" {
			return true, nil
		}
		if !strings.Contains(name, ".") && len(folders) < maxLook {
			folders = append(folders, at)
		}
	}
	for _, at := range folders {
		names, err := readNames(ctx, c, at)
		if err != nil {
			return false, err
		}
		for _, name := range names {
			if in := path.Join(at, name); kindOf(in) != Other || bundle(in+"/") != "" {
				return true, nil
			}
		}
	}
	return false, nil
}

// readNames lists a folder; one that is none, or that the phone does not show, is
// empty.
func readNames(ctx context.Context, c *afc.Client, dir string) ([]string, error) {
	names, err := c.ReadDir(ctx, "/"+dir)
	var refused afc.Status
	if errors.As(err, &refused) {
		return nil, nil
	}
	return names, err
}
