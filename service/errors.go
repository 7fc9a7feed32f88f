package service

import "errors"

// ErrForbidden: it is there, and who asked may not see or do it.
var ErrForbidden = errors.New("not allowed")
