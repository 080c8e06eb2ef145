package hook

import "time"

// Account is a read-only account, groups already applied.
type Account interface {
	Username() string
	Enabled() bool
	ExpiresAt() time.Time
	HomeDirectory() string
	Groups() []string
	Role() string
	Email() string
	// What the account may do at a virtual path: `list`, `download`, …
	Permissions(virtualPath string) []string
	Quota() Quota
	LastLogin() time.Time
	HasPassword() bool
	PublicKeys() []string
	// The account as the REST API shows it: without secrets.
	ToJSON() string
}
