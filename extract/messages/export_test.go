package messages

// BareColumns are those that a message is read from.
var BareColumns = columns
