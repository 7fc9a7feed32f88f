package messages

import "slices"

// BareColumns are those that a message is read from.
var BareColumns = slices.Concat(often, seldom)
