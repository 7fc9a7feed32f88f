package discovery

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"strings"
)

const (
	tagLength = 8 // bytes
	keyLength = 32
	// maxTags bounds how many tags of one advertisement are looked at: a phone has
	// one per paired computer.
	maxTags = 64
)

// AuthTag is what a phone that is paired under hostID advertises beside
// identifier since iOS 26.4 (protocol.md 5.2): base64 of 8 bytes.
func AuthTag(hostID, identifier string) (string, error) {
	key, err := hkdf.Key(sha512.New, []byte(hostID), nil, "", keyLength)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(identifier))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil)[:tagLength]), nil
}

// tagsOf reads the identifier and the tags of an advertisement: keys in any
// case, as DNS-SD wants it, values without the space around them.
func tagsOf(txt []string) (identifier string, tags []string) {
	for _, s := range txt {
		key, value, ok := strings.Cut(s, "=")
		if !ok {
			continue
		}
		key = strings.ToLower(key)
		switch {
		case key == "identifier" && identifier == "":
			identifier = value
		case (key == "authtag" || strings.HasPrefix(key, "authtag#")) && len(tags) < maxTags:
			tags = append(tags, strings.TrimSpace(value))
		}
	}
	return identifier, tags
}

// hasTag tells whether an advertisement carries the tag of a pairing.
func hasTag(txt []string, hostID string) bool {
	identifier, tags := tagsOf(txt)
	if identifier == "" || len(tags) == 0 || hostID == "" {
		return false
	}
	want, err := AuthTag(hostID, identifier)
	if err != nil {
		return false
	}
	for _, tag := range tags {
		if tag == want {
			return true
		}
	}
	return false
}
