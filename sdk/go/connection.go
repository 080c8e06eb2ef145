package hook

import "time"

// Connection is a network connection, known before any login.
type Connection interface {
	// Unique while the server runs; appears in every log line about it.
	ID() string
	Protocol() Protocol
	// The address of the client, after the proxy protocol was applied.
	RemoteIP() string
	RemotePort() uint16
	LocalAddress() string
	// What the client says it is, e.g. `SSH-2.0-OpenSSH_9.6`; untrusted.
	ClientSoftware() string
	OpenedAt() time.Time
}
