package hook

import (
	"strings"
	"time"

	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"
)

type accountDraft struct{ handle *bindings.AccountDraft }

func (self *accountDraft) SetEnabled(enabled bool) {
	self.handle.SetEnabled(enabled)
}

func (self *accountDraft) SetExpiresAt(when time.Time) {
	self.handle.SetExpiresAt(optionalTimestamp(when))
}

func (self *accountDraft) SetHomeDirectory(path string) error {
	return explained(self.handle.SetHomeDirectory(path))
}

func (self *accountDraft) SetOwner(uid uint32, gid uint32) {
	self.handle.SetOwner(uid, gid)
}

func (self *accountDraft) SetGroups(names []string) error {
	return explained(self.handle.SetGroups(names))
}

func (self *accountDraft) SetRole(name string) error {
	return explained(self.handle.SetRole(optionalText(name)))
}

func (self *accountDraft) SetEmail(address string) error {
	return explained(self.handle.SetEmail(optionalText(address)))
}

func (self *accountDraft) SetPermissions(virtualPath string, permissions []string) error {
	return explained(self.handle.SetPermissions(virtualPath, permissions))
}

func (self *accountDraft) SetQuota(maxBytes uint64, maxFiles uint64) {
	self.handle.SetQuota(maxBytes, maxFiles)
}

func (self *accountDraft) SetBandwidth(upload uint64, download uint64) {
	self.handle.SetBandwidth(upload, download)
}

func (self *accountDraft) SetBandwidthKB(upload uint64, download uint64) {
	self.handle.SetBandwidthKb(upload, download)
}

func (self *accountDraft) SetMaxSessions(max uint32) {
	self.handle.SetMaxSessions(max)
}

func (self *accountDraft) MountFolder(virtualPath string, folder string) error {
	return explained(self.handle.MountFolder(virtualPath, folder))
}

func (self *accountDraft) SetAllowedIPs(networks []string) error {
	return explained(self.handle.SetAllowedIps(networks))
}

func (self *accountDraft) SetDeniedIPs(networks []string) error {
	return explained(self.handle.SetDeniedIps(networks))
}

func (self *accountDraft) SetLoginMethods(methods []LoginMethod) error {
	return explained(self.handle.SetLoginMethods(loginMethodsOut(methods)))
}

func (self *accountDraft) SetPublicKeys(keys []string) error {
	return explained(self.handle.SetPublicKeys(keys))
}

func (self *accountDraft) SetPasswordHash(hash string) error {
	return explained(self.handle.SetPasswordHash(hash))
}

func (self *accountDraft) SetStorage(document string) error {
	return explained(self.handle.SetStorage(document))
}

func (self *accountDraft) SetCacheSeconds(seconds uint32) {
	self.handle.SetCacheSeconds(seconds)
}

func (self *accountDraft) ToJSON() string {
	return strings.Clone(self.handle.ToJson())
}
