package state

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"strings"
)

// Identity is what makes the phone this phone. It follows from a seed and
// survives erasing.
type Identity struct {
	UDID             string `json:"udid"` // modern form: 8 hex, dash, 16 hex
	UniqueChipID     uint64 `json:"unique_chip_id"`
	SerialNumber     string `json:"serial_number"`
	ProductType      string `json:"product_type"`
	HardwareModel    string `json:"hardware_model"`
	ModelNumber      string `json:"model_number"`
	WiFiAddress      string `json:"wifi_address"` // lower case, colons
	BluetoothAddress string `json:"bluetooth_address"`
	EthernetAddress  string `json:"ethernet_address"`
	IMEI             string `json:"imei"`
	MEID             string `json:"meid"`
	ICCID            string `json:"iccid"`
	PhoneNumber      string `json:"phone_number"`
	MLBSerialNumber  string `json:"mlb_serial_number"`
}

// The model: an iPhone 12, whose chip id 0x8101 opens its UDIDs.
const (
	chipID        = 0x8101
	productType   = "iPhone13,2"
	hardwareModel = "D53gAP"
	modelNumber   = "MGJ53"
)

// NewIdentity derives an identity; equal seeds give equal phones.
func NewIdentity(seed uint64) Identity {
	var key [32]byte
	copy(key[:], "keepsake virtual phone")
	binary.LittleEndian.PutUint64(key[24:], seed)
	r := rand.New(rand.NewChaCha8(key))
	ecid := r.Uint64()>>12 | 1<<48 // 13 to 16 digits in hex, never 0
	id := Identity{
		UDID:            fmt.Sprintf("%08X-%016X", chipID, ecid),
		UniqueChipID:    ecid,
		SerialNumber:    "F" + pick(r, "0123456789CDFGHJKLMNPQRTVWXY", 11),
		ProductType:     productType,
		HardwareModel:   hardwareModel,
		ModelNumber:     modelNumber,
		IMEI:            luhn("3500000" + pick(r, "0123456789", 7)),
		ICCID:           luhn("890112000" + pick(r, "0123456789", 9)),
		PhoneNumber:     "+1 (555) 555-01" + pick(r, "0123456789", 2),
		MLBSerialNumber: "F" + pick(r, "0123456789CDFGHJKLMNPQRTVWXY", 16),
	}
	id.MEID = id.IMEI[:14]
	mac := [6]byte{0x02} // locally administered: nobody's real address
	for i := 1; i < len(mac); i++ {
		mac[i] = byte(r.Uint32())
	}
	mac[5] &^= 3
	id.WiFiAddress = macString(mac)
	mac[5]++
	id.BluetoothAddress = macString(mac)
	mac[5]++
	id.EthernetAddress = macString(mac)
	return id
}

func pick(r *rand.Rand, from string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = from[r.IntN(len(from))]
	}
	return string(b)
}

func macString(m [6]byte) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// luhn appends the check digit of IMEI and ICCID.
func luhn(digits string) string {
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return digits + string(rune('0'+(10-sum%10)%10))
}

var udidPattern = regexp.MustCompile(`^[0-9A-F]{8}-[0-9A-F]{16}$`)

// ValidUDID tells whether s is a UDID of the modern form.
func ValidUDID(s string) bool { return udidPattern.MatchString(s) }

func (id Identity) validate() error {
	if !ValidUDID(id.UDID) {
		return fmt.Errorf("UDID %q is not of the form 8-16 hex", id.UDID)
	}
	return nil
}

// LinkLocal is the IPv6 address that follows from a Wi-Fi address (EUI-64).
func LinkLocal(mac string) netip.Addr {
	var m [6]byte
	if _, err := fmt.Sscanf(mac, "%02x:%02x:%02x:%02x:%02x:%02x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]); err != nil {
		return netip.IPv6LinkLocalAllNodes()
	}
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
}

// privateAddress is what the phone uses on Wi-Fi in place of its own address
// when that is to stay private: locally administered, the same every time.
func (id Identity) privateAddress() string {
	sum := sha256.Sum256([]byte("private Wi-Fi address of " + id.WiFiAddress))
	mac := [6]byte(sum[:6])
	mac[0] = mac[0]&^3 | 2
	return macString(mac)
}

// Announcement is how a phone calls itself on Wi-Fi (protocol.md 5.2).
type Announcement struct {
	MAC      string // its own, or a private one
	Instance string // "<MAC>@<IPv6 address>"
	// Identifier is opaque; iOS 26.4 and later announce it.
	Identifier string
	HostIDs    []string // of the hosts it trusts
}

const mobdevService = "._apple-mobdev2._tcp.local."

// FullName is BonjourFullServiceName, trailing dot included.
func (a Announcement) FullName() string { return a.Instance + mobdevService }

// Announcement is how the phone calls itself now.
func (p *Phone) Announcement() Announcement {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := Announcement{MAC: p.identity.WiFiAddress}
	if p.settings.PrivateAddress {
		a.MAC = p.identity.privateAddress()
	}
	a.Instance = a.MAC + "@" + LinkLocal(a.MAC).String()
	sum := sha256.Sum256([]byte("identifier of " + p.identity.UDID))
	a.Identifier = base64.StdEncoding.EncodeToString(sum[:12])
	for _, x := range p.pairings {
		a.HostIDs = append(a.HostIDs, x.HostID)
	}
	return a
}

// builds are Apple's build numbers of some versions.
var builds = map[string]string{
	"15.7.1": "19H117", "16.1": "20B82", "16.6": "20G75", "17.0": "21A329", "17.3": "21D50", "17.4.1": "21E236",
	"18.0": "22A3354", "18.3": "22D63", "18.4.1": "22E252", "18.6": "22G86", "26.0": "23A341", "27.0": "24A437",
}

var versionPattern = regexp.MustCompile(`^[0-9]{1,2}(\.[0-9]{1,2}){1,2}$`)

// Build gives the build number of an iOS version such as "18.6". Versions that
// are not listed get a number of the same shape.
func Build(version string) (string, error) {
	if !versionPattern.MatchString(version) {
		return "", fmt.Errorf("iOS version %q: want digits such as 18.6 or 17.4.1", version)
	}
	if b, ok := builds[version]; ok {
		return b, nil
	}
	var major, minor, patch int
	if _, err := fmt.Sscanf(version+strings.Repeat(".0", 2-strings.Count(version, ".")), "%d.%d.%d", &major, &minor, &patch); err != nil {
		return "", fmt.Errorf("iOS version %q: %w", version, err)
	}
	train := major + 4
	if major >= 26 { // the numbering jumped from 18 to 26
		train = major - 3
	}
	return fmt.Sprintf("%d%c%d", train, 'A'+rune(minor%26), 100+patch), nil
}
