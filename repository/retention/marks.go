package retention

import (
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// Marks are the tags that tell what snapshots are for, so that a policy does not
// take apart what belongs together, and does not take away what was proven. The
// zero value knows of no tags: then Plan is Sort and Apply.
//
// Snapshots whose tags name an owner (Owner) are versions of that owner's data,
// unless they bear one of the tags in Apart, which are lines of their own, or the
// tag Proof: a proof tells by Of which version was tried, and by Failed that it
// did not pass.
type Marks struct {
	Owner  string            // beginning of the tag that names the owner: "udid:"
	Apart  map[string]string // tags of other lines, and what to call them: "media"
	Proof  string            // tag of proofs
	Of     string            // beginning of a proof's tag with the ID of what it proves
	Tree   string            // beginning of a proof's tag with the ID of the tree of what it proves
	Failed string            // tag of a proof that did not pass
	Sealed string            // tag of a version that cannot be looked into
}

// The reasons for which Protected keeps a version.
const (
	NewestRehearsed = "newest rehearsed version"
	NewestGood      = "newest good version"
	NewestSealed    = "newest version, sealed"
	NewestAtAll     = "newest version"
)

// line names what a snapshot belongs to: "" for versions, a tag in Apart, or Proof.
func (m Marks) line(s Snapshot) string {
	if m.Proof != "" && slices.Contains(s.Tags, m.Proof) {
		return m.Proof
	}
	for _, tag := range s.Tags {
		if _, ok := m.Apart[tag]; ok {
			return tag
		}
	}
	return ""
}

func (m Marks) owner(s Snapshot) string { return tagValue(s, m.Owner) }

func (m Marks) sealed(s Snapshot) bool { return m.Sealed != "" && slices.Contains(s.Tags, m.Sealed) }

// tagValue is what stands behind prefix in the tag that begins with it.
func tagValue(s Snapshot, prefix string) string {
	if prefix == "" {
		return ""
	}
	for _, tag := range s.Tags {
		if value, ok := strings.CutPrefix(tag, prefix); ok {
			return value
		}
	}
	return ""
}

// proves tells whether a proof is of s: of the same tree where both name one, else
// under the name that s has here, or the one it had where it was copied from. A
// version that was unsealed has the name of the sealed one for its origin, and is
// not what was tried.
func (m Marks) proves(proof, s Snapshot) bool {
	if tree := tagValue(proof, m.Tree); tree != "" && s.Tree != nil {
		return tree == s.Tree.String()
	}
	of := tagValue(proof, m.Of)
	return of != "" && (names(of, s.ID) || s.Original != nil && names(of, *s.Original))
}

// shortest is how many digits of an ID name it.
const shortest = 8

func names(text string, id format.ID) bool {
	return len(text) >= shortest && strings.HasPrefix(id.String(), text)
}

// proof is what is known of a version.
type proof uint8

const (
	unproven proof = iota
	passed
	failed
)

// proven is what the newest proof of s says.
func (m Marks) proven(s Snapshot, proofs []Snapshot) proof {
	result, at := unproven, time.Time{}
	for _, p := range proofs {
		if !m.proves(p, s) || result != unproven && p.Time.Before(at) {
			continue
		}
		result, at = passed, p.Time
		if m.Failed != "" && slices.Contains(p.Tags, m.Failed) {
			result = failed
		}
	}
	return result
}

// Protected are the versions that no policy may take away, and why. Of each owner:
//
//   - the newest version that a proof has passed, unless a newer proof of it failed;
//   - the newest good one: not sealed, and with no failed proof;
//   - the newest one, if it is newer than that and sealed: it may be all there is
//     of the time since a password changed;
//   - the newest one, if there is no such version at all;
//   - the newest one of each line apart.
//
// all has to be all snapshots of the repository, whatever was chosen of them.
func (m Marks) Protected(all []Snapshot) map[format.ID][]string {
	protected := map[format.ID][]string{}
	if m.Owner == "" {
		return protected
	}
	list := slices.SortedFunc(slices.Values(all), newestFirst)
	proofs := slices.DeleteFunc(slices.Clone(list), func(s Snapshot) bool { return m.line(s) != m.Proof || m.Proof == "" })
	done := map[[3]string]bool{}
	keep := func(s Snapshot, why string) {
		if key := [3]string{m.owner(s), m.line(s), why}; !done[key] {
			done[key] = true
			protected[s.ID] = append(protected[s.ID], why)
		}
	}
	good := map[string]bool{} // owners with a good version
	superseded := m.superseded(all)
	for _, s := range list {
		line, owner := m.line(s), m.owner(s)
		if _, ok := superseded[s.ID]; ok {
			continue
		}
		switch {
		case owner == "" || line == m.Proof && m.Proof != "":
			continue
		case line != "":
			keep(s, "newest version of "+m.Apart[line])
			continue
		}
		state := m.proven(s, proofs)
		if state == passed {
			keep(s, NewestRehearsed)
		}
		switch {
		case state == failed:
		case !m.sealed(s):
			keep(s, NewestGood)
			good[owner] = true
		case !good[owner]:
			keep(s, NewestSealed)
		}
	}
	for _, s := range list {
		if owner := m.owner(s); owner != "" && m.line(s) == "" && !done[[3]string{owner, "", NewestGood}] && !done[[3]string{owner, "", NewestSealed}] {
			keep(s, NewestAtAll)
		}
	}
	return protected
}

// superseded finds for each sealed version the one that it was unsealed to: the
// same moment, in clear. Nothing is lost with the sealed one.
func (m Marks) superseded(all []Snapshot) map[format.ID]Snapshot {
	found := map[format.ID]Snapshot{}
	if m.Sealed == "" {
		return found
	}
	proofs := slices.DeleteFunc(slices.Clone(all), func(s Snapshot) bool { return m.line(s) != m.Proof || m.Proof == "" })
	for _, s := range all {
		if !m.sealed(s) || m.line(s) != "" {
			continue
		}
		for _, u := range all {
			if u.Original == nil || m.sealed(u) || m.line(u) != "" || !u.Time.Equal(s.Time) || m.owner(u) != m.owner(s) {
				continue
			}
			same := *u.Original == s.ID || s.Original != nil && *u.Original == *s.Original
			if same && m.proven(u, proofs) != failed {
				found[s.ID] = u
			}
		}
	}
	return found
}

// PlannedGroup is a group and what becomes of its snapshots.
type PlannedGroup struct {
	Group
	// Line is "" for versions, a tag in Marks.Apart, or Marks.Proof.
	Line      string
	Decisions []Decision // newest first
}

// Request is what Plan decides about.
type Request struct {
	Policy  Policy
	By      GroupBy
	Chosen  []Snapshot  // what the policy is for
	All     []Snapshot  // all of the repository
	Damaged []format.ID // snapshots that are there and cannot be read
	Now     time.Time
	// Unprotected lets the policy take away what is Protected.
	Unprotected bool
}

// Plan applies a policy as restic does, to versions and to each line apart by
// itself, and then keeps what is Protected. A sealed version that was unsealed
// takes no place in the rules and goes. Proofs follow what they prove: they stay
// while it does, whatever the policy says, and go with it, chosen or not; one that
// proves nothing that is there goes if it was chosen.
func (m Marks) Plan(r Request) ([]PlannedGroup, error) {
	protected, superseded := m.Protected(r.All), m.superseded(r.All)
	if r.Unprotected {
		protected = nil
	}
	lines := map[string][]Snapshot{}
	var order []string
	for _, s := range r.Chosen {
		line := m.line(s)
		if line == m.Proof && m.Proof != "" {
			continue
		}
		if lines[line] == nil {
			order = append(order, line)
		}
		lines[line] = append(lines[line], s)
	}
	slices.Sort(order)
	var plan []PlannedGroup
	gone := map[format.ID]bool{}
	for _, line := range order {
		for _, g := range Sort(lines[line], r.By) {
			decisions, err := decide(r, g.Snapshots, superseded)
			if err != nil {
				return nil, err
			}
			for i := range decisions {
				d := &decisions[i]
				if why := protected[d.Snapshot.ID]; len(why) > 0 {
					d.Keep, d.Reasons = true, append(d.Reasons, why...)
				}
				gone[d.Snapshot.ID] = !d.Keep
			}
			plan = append(plan, PlannedGroup{g, line, decisions})
		}
	}
	if proofs := m.proofs(r, gone); len(proofs.Decisions) > 0 {
		plan = append(plan, proofs)
	}
	if len(order) == 0 && len(plan) == 0 {
		return nil, r.Policy.Check()
	}
	return plan, nil
}

// decide applies the policy to a group without what was unsealed.
func decide(r Request, group []Snapshot, superseded map[format.ID]Snapshot) ([]Decision, error) {
	rest := slices.DeleteFunc(slices.Clone(group), func(s Snapshot) bool { _, ok := superseded[s.ID]; return ok })
	decisions, err := Apply(r.Policy, rest, r.Now)
	if err != nil || len(rest) == len(group) {
		return decisions, err
	}
	for _, s := range group {
		if _, ok := superseded[s.ID]; ok {
			d := Decision{Snapshot: s, Reasons: r.Policy.tagged(s)}
			d.Keep = len(d.Reasons) > 0
			decisions = append(decisions, d)
		}
	}
	slices.SortStableFunc(decisions, func(a, b Decision) int { return newestFirst(a.Snapshot, b.Snapshot) })
	return decisions, nil
}

// proofs decides about proofs once it is known which versions go.
func (m Marks) proofs(r Request, gone map[format.ID]bool) PlannedGroup {
	g := PlannedGroup{Line: m.Proof}
	if m.Proof == "" {
		return g
	}
	for _, p := range slices.SortedFunc(slices.Values(r.All), newestFirst) {
		if m.line(p) != m.Proof {
			continue
		}
		chosen := slices.ContainsFunc(r.Chosen, func(s Snapshot) bool { return s.ID == p.ID })
		went, stays := m.fate(p, r, gone)
		d := Decision{Snapshot: p}
		switch {
		case stays != "":
			d.Keep, d.Reasons = true, []string{"proof of " + stays}
		case !went && !chosen:
			continue
		}
		if tagged := r.Policy.tagged(p); len(tagged) > 0 {
			d.Keep, d.Reasons = true, append(d.Reasons, tagged...)
		}
		if chosen || !d.Keep {
			g.Decisions, g.Snapshots = append(g.Decisions, d), append(g.Snapshots, p)
		}
	}
	return g
}

// fate tells what becomes of what a proof is of: that it goes, or the name of one
// that stays, for people. What cannot be read stays.
func (m Marks) fate(p Snapshot, r Request, gone map[format.ID]bool) (went bool, stays string) {
	for _, s := range r.All {
		switch {
		case m.line(s) != "" || !m.proves(p, s):
		case gone[s.ID]:
			went = true
		default:
			stays = s.ID.Short()
		}
	}
	for _, id := range r.Damaged {
		if names(tagValue(p, m.Of), id) {
			stays = id.Short()
		}
	}
	return went, stays
}

// Named is Plan for snapshots that are removed by name: it gives them, and the
// proofs that go with them. Those of them that are Protected are told apart.
func (m Marks) Named(named, all []Snapshot, damaged []format.ID) (remove []Snapshot, protected map[format.ID][]string) {
	gone := map[format.ID]bool{}
	for _, s := range named {
		gone[s.ID] = true
	}
	protected = map[format.ID][]string{}
	why := m.Protected(all)
	for _, s := range named {
		if len(why[s.ID]) > 0 {
			protected[s.ID] = why[s.ID]
		}
	}
	remove = slices.Clone(named)
	r := Request{All: all, Damaged: damaged}
	for _, p := range all {
		if m.Proof == "" || m.line(p) != m.Proof || gone[p.ID] {
			continue
		}
		if went, stays := m.fate(p, r, gone); went && stays == "" {
			remove = append(remove, p)
		}
	}
	return remove, protected
}
