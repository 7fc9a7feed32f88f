package cli

import (
	"context"
	"strings"

	"github.com/keepsake-backup/keepsake/internal/place"
)

// hint is what to do when there is neither.
const noRepositoryHint = "look at the location, and whether the disk is connected; \"keepsake backup LOCATION\" begins there, \"keepsake init\" makes an empty repository"

// look finds out what is at a place that people named.
func (a *app) look(ctx context.Context, where string, f *repositoryFlags) (place.Place, error) {
	at, err := f.parse(where)
	if err != nil {
		return place.Place{}, err
	}
	return place.Look(ctx, at, a.access(f))
}

// matching are the members whose UDID is or begins with text.
func matching(members []place.Member, text string) []place.Member {
	var fits []place.Member
	for _, m := range members {
		if strings.EqualFold(m.UDID.String(), text) {
			return []place.Member{m}
		}
		if text != "" && m.UDID.HasPrefix(text) {
			fits = append(fits, m)
		}
	}
	return fits
}
