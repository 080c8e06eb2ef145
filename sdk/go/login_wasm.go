package hook

import (
	"strings"

	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"
)

type loginAttempt struct{ handle *bindings.LoginAttempt }

func (self *loginAttempt) Connection() Connection {
	return keepConnection(self.handle.Connection())
}

func (self *loginAttempt) Username() string {
	return strings.Clone(self.handle.Username())
}

func (self *loginAttempt) Method() LoginMethod {
	return loginMethodOf(self.handle.Method())
}

func (self *loginAttempt) CompletedMethods() []LoginMethod {
	return loginMethodsOf(self.handle.CompletedMethods())
}

func (self *loginAttempt) StoredAccount() Account {
	found, present := self.handle.StoredAccount().Get()
	if !present {
		return nil
	}
	return keepAccount(found)
}

func (self *loginAttempt) Password() (string, error) {
	return grantedText(self.handle.Password())
}

func (self *loginAttempt) PasswordMatches(hash string) (bool, error) {
	return granted(self.handle.PasswordMatches(hash))
}

func (self *loginAttempt) PublicKey() (string, error) {
	return grantedText(self.handle.PublicKey())
}

func (self *loginAttempt) PublicKeyFingerprint() (string, error) {
	return grantedText(self.handle.PublicKeyFingerprint())
}

func (self *loginAttempt) Certificate() (string, error) {
	return grantedText(self.handle.Certificate())
}
