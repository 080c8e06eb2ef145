package hook

import "time"

// Session is an account that logged in, and the connection it did so on.
type Session interface {
	ID() string
	Connection() Connection
	Account() Account
	// As the client sent it; the account may have another name.
	Username() string
	Method() LoginMethod
	OpenedAt() time.Time
	BytesReceived() uint64
	BytesSent() uint64
}
