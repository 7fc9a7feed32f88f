package format

import (
	"encoding/json"
	"errors"
	"fmt"
)

// MaxVersion is the version of new repositories: it has compression and keeps
// data and trees in separate packs (restic-format.md 3). Version 1 is read.
const (
	MaxVersion = 2
	minVersion = 1
)

// Config is the content of the file "config", sealed but never compressed.
// Whoever writes it drops what it does not know, so it holds nothing of ours.
type Config struct {
	Version           uint       `json:"version"` // 1 or 2
	ID                ID         `json:"id"`      // random, names the repository
	ChunkerPolynomial Polynomial `json:"chunker_polynomial"`
}

// Encode gives the JSON of the config; a config that restic would refuse is an
// error.
func (c *Config) Encode() ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("encode config: %w", err)
	}
	data, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode config: %w", err)
	}
	return data, nil
}

// DecodeConfig reads the JSON of a config of version 1 or 2. Fields that others
// add are ignored. A polynomial that is reducible or not of degree 53 is refused.
func DecodeConfig(data []byte) (*Config, error) {
	var c Config
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("decode config: %w", err)
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("decode config: %w", err)
	}
	return &c, nil
}

func (c *Config) check() error {
	if c.Version < minVersion || c.Version > MaxVersion {
		return fmt.Errorf("version %d, want %d to %d", c.Version, minVersion, MaxVersion)
	}
	if c.ID.IsNull() {
		return errors.New("no ID")
	}
	return c.ChunkerPolynomial.check()
}
