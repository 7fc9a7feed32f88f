package appdata

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// cocoaEpoch is 2001-01-01 UTC in Unix seconds (content-schemas.md 0).
const cocoaEpoch = 978307200

// distantFuture and distantPast are the sentinels of "no date" in Cocoa seconds:
// the years 4001 and 1 (content-schemas.md 0, WhatsApp's media items).
const (
	distantFuture = 63113904000.0
	distantPast   = -63114076800.0
)

// cocoa gives seconds since 2001, as most databases keep them.
func cocoa(t time.Time) float64 { return float64(t.UnixMilli())/1000 - cocoaEpoch }

// cocoaSeconds gives whole seconds since 2001, as contacts and voicemail do.
func cocoaSeconds(t time.Time) int64 { return t.Unix() - cocoaEpoch }

// cocoaNano gives nanoseconds since 2001, as sms.db has done since iOS 11.
func cocoaNano(t time.Time) int64 { return t.UnixNano() - cocoaEpoch*int64(time.Second) }

func sortTimes(t []time.Time) { slices.SortStableFunc(t, time.Time.Compare) }

func guidString(id uuid.UUID) string { return strings.ToUpper(id.String()) }

// midnight is the start of t's day in UTC.
func midnight(t time.Time) time.Time { return t.Truncate(24 * time.Hour) }
