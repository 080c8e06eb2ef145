package hook

import (
	"strings"
	"time"

	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"
)

type fileAction struct{ handle *bindings.FileAction }

func (self *fileAction) ID() string {
	return strings.Clone(self.handle.Id())
}

func (self *fileAction) Session() Session {
	return keepSession(self.handle.Session())
}

func (self *fileAction) Protocol() Protocol {
	return protocolOf(self.handle.Protocol())
}

func (self *fileAction) Kind() ActionKind {
	return actionKindOf(self.handle.Kind())
}

func (self *fileAction) VirtualPath() string {
	return strings.Clone(self.handle.VirtualPath())
}

func (self *fileAction) VirtualTarget() string {
	return strings.Clone(self.handle.VirtualTarget().SomeOr(""))
}

func (self *fileAction) StoragePath() (string, error) {
	return grantedText(self.handle.StoragePath())
}

func (self *fileAction) StorageTarget() (string, error) {
	return grantedText(self.handle.StorageTarget())
}

func (self *fileAction) StorageKind() string {
	return strings.Clone(self.handle.StorageKind())
}

func (self *fileAction) Size() (value uint64, present bool) {
	return self.handle.Size().Get()
}

func (self *fileAction) OpenFlags() (value uint32, present bool) {
	return self.handle.OpenFlags().Get()
}

func (self *fileAction) SSHCommand() string {
	return strings.Clone(self.handle.SshCommand().SomeOr(""))
}

func (self *fileAction) Status() ActionStatus {
	status, present := self.handle.Status().Get()
	if !present {
		return ""
	}
	return actionStatusOf(status)
}

func (self *fileAction) ErrorMessage() string {
	return strings.Clone(self.handle.ErrorMessage().SomeOr(""))
}

func (self *fileAction) ElapsedMilliseconds() (value uint64, present bool) {
	return self.handle.ElapsedMilliseconds().Get()
}

type objectChange struct{ handle *bindings.ObjectChange }

func (self *objectChange) Kind() ObjectKind {
	return objectKindOf(self.handle.Kind())
}

func (self *objectChange) Change() ChangeKind {
	return ChangeKind(self.handle.Change())
}

func (self *objectChange) Name() string {
	return strings.Clone(self.handle.Name())
}

func (self *objectChange) Actor() string {
	return strings.Clone(self.handle.Actor().SomeOr(""))
}

func (self *objectChange) ActorIP() string {
	return strings.Clone(self.handle.ActorIp().SomeOr(""))
}

func (self *objectChange) At() time.Time {
	return timeOf(self.handle.At())
}

func (self *objectChange) ToJSON() string {
	return strings.Clone(self.handle.ToJson())
}

type webRequest struct{ handle *bindings.WebRequest }

func (self *webRequest) Username() string {
	return strings.Clone(self.handle.Username())
}

func (self *webRequest) RemoteIP() string {
	return strings.Clone(self.handle.RemoteIp())
}

func (self *webRequest) SessionID() string {
	return strings.Clone(self.handle.SessionId())
}

func (self *webRequest) Referer() string {
	return strings.Clone(self.handle.Referer())
}

func (self *webRequest) UserAgent() string {
	return strings.Clone(self.handle.UserAgent())
}

type credentialChange struct{ handle *bindings.CredentialChange }

func (self *credentialChange) Name() string {
	return strings.Clone(self.handle.Name())
}

func (self *credentialChange) Username() string {
	return strings.Clone(self.handle.Username())
}

func (self *credentialChange) IsLoginURL() bool {
	return self.handle.IsLoginUrl()
}

func (self *credentialChange) IsModification() bool {
	return self.handle.IsModification()
}

func (self *credentialChange) ExpiresAt() time.Time {
	return optionalTime(self.handle.ExpiresAt())
}

func (self *credentialChange) MaxUses() uint32 {
	return self.handle.MaxUses()
}

func (self *credentialChange) Allowed() []string {
	return cloneAll(self.handle.Allowed())
}

func (self *credentialChange) Denied() []string {
	return cloneAll(self.handle.Denied())
}

func (self *credentialChange) IPs() []string {
	return cloneAll(self.handle.Ips())
}

type addressBan struct{ handle *bindings.AddressBan }

func (self *addressBan) Network() string {
	return strings.Clone(self.handle.Network())
}

func (self *addressBan) RemoteIP() string {
	return strings.Clone(self.handle.RemoteIp())
}

func (self *addressBan) Protocol() string {
	return strings.Clone(self.handle.Protocol().SomeOr(""))
}

func (self *addressBan) Score() uint32 {
	return self.handle.Score()
}

func (self *addressBan) LoginFailed() uint32 {
	return self.handle.LoginFailed()
}

func (self *addressBan) UserNotFound() uint32 {
	return self.handle.UserNotFound()
}

func (self *addressBan) NoLoginTried() uint32 {
	return self.handle.NoLoginTried()
}

func (self *addressBan) LimitExceeded() uint32 {
	return self.handle.LimitExceeded()
}

func (self *addressBan) At() time.Time {
	return timeOf(self.handle.At())
}

func (self *addressBan) Until() time.Time {
	return timeOf(self.handle.Until())
}
