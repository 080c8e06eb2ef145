package hook

import (
	"strings"
	"time"

	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"
)

type account struct{ handle *bindings.Account }

func (self *account) Username() string {
	return strings.Clone(self.handle.Username())
}

func (self *account) Enabled() bool {
	return self.handle.Enabled()
}

func (self *account) ExpiresAt() time.Time {
	return optionalTime(self.handle.ExpiresAt())
}

func (self *account) HomeDirectory() string {
	return strings.Clone(self.handle.HomeDirectory())
}

func (self *account) Groups() []string {
	return cloneAll(self.handle.Groups())
}

func (self *account) Role() string {
	return strings.Clone(self.handle.Role().SomeOr(""))
}

func (self *account) Email() string {
	return strings.Clone(self.handle.Email().SomeOr(""))
}

func (self *account) Permissions(virtualPath string) []string {
	return cloneAll(self.handle.Permissions(virtualPath))
}

func (self *account) Quota() Quota {
	return Quota(self.handle.Quota())
}

func (self *account) LastLogin() time.Time {
	return optionalTime(self.handle.LastLogin())
}

func (self *account) HasPassword() bool {
	return self.handle.HasPassword()
}

func (self *account) PublicKeys() []string {
	return cloneAll(self.handle.PublicKeys())
}

func (self *account) ToJSON() string {
	return strings.Clone(self.handle.ToJson())
}
