package repository

import (
	"slices"

	"github.com/keepsake-backup/keepsake/repository/format"
)

func sortStrings(s []string)    { slices.Sort(s) }
func sortNodes(n []format.Node) { slices.SortFunc(n, byName) }
