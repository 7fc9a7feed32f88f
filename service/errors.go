package service

import (
	"errors"
	"fmt"
)

// ErrForbidden: it is there, and who asked may not see or do it.
var ErrForbidden = errors.New("not allowed")

// errStopped: the service ends; what runs goes on when it starts again.
var errStopped = errors.New("the service is being stopped")

// errCancelled: somebody has cancelled the job here.
var errCancelled = errors.New("it was cancelled here")

// errMadeWay: maintenance was put off because a backup wants the repository.
var errMadeWay = errors.New("it makes way for a backup")

// errPlaceAway: the place of the backups cannot be reached now.
var errPlaceAway = errors.New("the place of the backups cannot be reached")

// errNotReady: the set-up is not done.
var errNotReady = &HintError{errors.New("there is no place for backups yet"), "finish the set-up first"}

// HintError is an error with a remedy for people.
type HintError struct {
	Err    error
	Remedy string
}

func (e *HintError) Error() string { return e.Err.Error() }

// Hint says what to do.
func (e *HintError) Hint() string { return e.Remedy }

func (e *HintError) Unwrap() error { return e.Err }

// hinted makes a HintError of words.
func hinted(remedy, format string, args ...any) error {
	return &HintError{fmt.Errorf(format, args...), remedy}
}
