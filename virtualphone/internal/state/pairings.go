package state

import (
	"slices"
)

// Pairing is one host that the phone trusts. Certificates are PEM. The phone
// never sees the host's private keys.
type Pairing struct {
	HostID            string `json:"host_id"`
	SystemBUID        string `json:"system_buid"`
	HostName          string `json:"host_name,omitempty"`
	DeviceCertificate []byte `json:"device_certificate"`
	HostCertificate   []byte `json:"host_certificate"`
	RootCertificate   []byte `json:"root_certificate"`
	EscrowBag         []byte `json:"escrow_bag"` // 32 bytes; lets the host reach files of the locked phone
}

// maxPairings bounds the hosts that a phone remembers; the oldest gives way.
const maxPairings = 200

// Pairing finds a host by its HostID.
func (p *Phone) Pairing(hostID string) (Pairing, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.pairings, func(x Pairing) bool { return x.HostID == hostID })
	if i < 0 {
		return Pairing{}, false
	}
	return p.pairings[i], true
}

// Pairings counts the trusted hosts.
func (p *Phone) Pairings() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pairings)
}

// Pair trusts a host from now on, in place of one of the same HostID.
func (p *Phone) Pair(x Pairing) error {
	return p.changePairings(func(all []Pairing) []Pairing {
		all = slices.DeleteFunc(all, func(o Pairing) bool { return o.HostID == x.HostID })
		if len(all) >= maxPairings {
			all = all[1:]
		}
		return append(all, x)
	})
}

// Unpair forgets a host; known tells whether there was one.
func (p *Phone) Unpair(hostID string) (known bool, err error) {
	err = p.changePairings(func(all []Pairing) []Pairing {
		n := len(all)
		all = slices.DeleteFunc(all, func(o Pairing) bool { return o.HostID == hostID })
		known = len(all) < n
		return all
	})
	return known, err
}

func (p *Phone) changePairings(change func([]Pairing) []Pairing) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := change(slices.Clone(p.pairings))
	if err := p.write(pairingsFile, next, 0o600); err != nil {
		return err
	}
	p.pairings = next
	return nil
}
