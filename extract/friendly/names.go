package friendly

import (
	"path"
	"strconv"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// names are those of a folder that are taken, as disks that know neither case nor
// composition see them.
type names map[string]int // the last number that was tried for a name

// free gives a name that is not taken yet, and takes it.
func (n names) free(name string) string {
	key := fold(name)
	if _, taken := n[key]; !taken {
		n[key] = 1
		return name
	}
	ext := path.Ext(name)
	if ext == name { // ".profile" has no ending
		ext = ""
	}
	stem := strings.TrimSuffix(name, ext)
	for {
		n[key]++
		other := stem + " (" + strconv.Itoa(n[key]) + ")" + ext
		if _, taken := n[fold(other)]; !taken {
			n[fold(other)] = 1
			return other
		}
	}
}

func fold(name string) string {
	for i := range len(name) {
		if name[i] >= 0x80 {
			return norm.NFC.String(cases.Fold().String(norm.NFC.String(name))) // a Caser is nobody else's
		}
	}
	return strings.ToLower(name)
}
