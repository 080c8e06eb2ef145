package hook

import "time"

// AccountDraft is an account under construction. The server checks every setting at once.
type AccountDraft interface {
	SetEnabled(enabled bool)
	SetExpiresAt(when time.Time)
	SetHomeDirectory(path string) error
	SetOwner(uid uint32, gid uint32)
	SetGroups(names []string) error
	SetRole(name string) error
	SetEmail(address string) error
	// Replaces the permissions at the path; an empty list takes them away.
	SetPermissions(virtualPath string, permissions []string) error
	SetQuota(maxBytes uint64, maxFiles uint64)
	// In KiB a second; zero means no limit.
	//
	// Deprecated: use SetBandwidthKB, which has the units of the account's document.
	SetBandwidth(upload uint64, download uint64)
	// In units of 1000 bytes a second; zero means no limit.
	SetBandwidthKB(upload uint64, download uint64)
	SetMaxSessions(max uint32)
	// Makes a shared folder visible at the path.
	MountFolder(virtualPath string, folder string) error
	// One or more addresses in CIDR notation.
	SetAllowedIPs(networks []string) error
	SetDeniedIPs(networks []string) error
	SetLoginMethods(methods []LoginMethod) error
	SetPublicKeys(keys []string) error
	// A hash in a format the server knows; never a clear password.
	SetPasswordHash(hash string) error
	// The storage backend, as the JSON that the REST API accepts for it.
	SetStorage(document string) error
	// How long the host may answer the same credentials from its cache.
	SetCacheSeconds(seconds uint32)
	ToJSON() string
}
