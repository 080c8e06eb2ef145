package hook

import "time"

// FileAction is something a session does, or did, to its files.
type FileAction interface {
	// Of the channel; appears in log lines.
	ID() string
	Session() Session
	Protocol() Protocol
	Kind() ActionKind
	// What the client sees.
	VirtualPath() string
	// Of a rename or a copy.
	VirtualTarget() string
	// What the backend sees. Needs the permission `storage-paths`.
	StoragePath() (string, error)
	StorageTarget() (string, error)
	// `local`, `s3`, …
	StorageKind() string
	// The existing size before the action, the resulting one after it.
	Size() (value uint64, present bool)
	// The open flags of an upload, as in SFTP version 3.
	OpenFlags() (value uint32, present bool)
	SSHCommand() string
	// None of these before the action.
	Status() ActionStatus
	ErrorMessage() string
	ElapsedMilliseconds() (value uint64, present bool)
}

// ObjectChange is an object of the data provider that an admin, or its owner, changed.
type ObjectChange interface {
	Kind() ObjectKind
	Change() ChangeKind
	Name() string
	// Who did it: an admin, the account itself, or none for the system.
	Actor() string
	ActorIP() string
	At() time.Time
	// The object as the REST API shows it: without secrets.
	ToJSON() string
}

// WebRequest is a request to the web pages, with or without a login.
type WebRequest interface {
	Username() string
	RemoteIP() string
	SessionID() string
	Referer() string
	UserAgent() string
}

// CredentialChange is an API key or a one-time login URL that was made or changed.
type CredentialChange interface {
	Name() string
	Username() string
	IsLoginURL() bool
	// Whether it existed before.
	IsModification() bool
	ExpiresAt() time.Time
	// Zero means: as often as one likes.
	MaxUses() uint32
	Allowed() []string
	Denied() []string
	IPs() []string
}

// AddressBan is a ban: connections of the address are refused before any handshake.
type AddressBan interface {
	// What is banned: an IPv4 address, or the first 64 bits of an IPv6 address.
	Network() string
	// The client whose offence led to the ban, or the address that an administrator named.
	RemoteIP() string
	// Where the last offence was, `SSH` or `HTTP`; empty if an administrator banned the address.
	Protocol() string
	// Zero if an administrator banned the address.
	Score() uint32
	LoginFailed() uint32
	UserNotFound() uint32
	NoLoginTried() uint32
	LimitExceeded() uint32
	At() time.Time
	Until() time.Time
}
