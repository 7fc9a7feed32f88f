// Package service is Keepsake as it runs by itself: it notices phones, decides when
// to back them up, does it, keeps copies and proofs, and tells people.
package service
